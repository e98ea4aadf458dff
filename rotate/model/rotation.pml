/* The protocol of package rotate, for exhaustive search by Spin. README.md says what it shows and how to run it.
 *
 * The exchange chooses the secret, shows it once, and the old one dies with that. PROCESSES programs share one key and one
 * store; each has a Rotator, a Keyring and a session. What befalls them is budgeted, so that every search ends: knobs.pml.
 *
 * The files are one model: exchange.pml, rotator.pml (with what a process does to the store in record.pml), session.pml, and
 * promises.pml, which says what befalls them and what must hold.
 */
#include "knobs.pml"

#define NONE  15             /* no secret, no process */
#define OTHER 14             /* of a process or a rotation that is gone */
#define has(set, g) (((set) >> (g)) & 1)
#define upto(n) ((1 << ((n) + 1)) - 2)

#if PROCESSES == 1
#define each(what) what(0)
#define any(what) (what(0))
#define all(what) (what(0))
#else
#define each(what) what(0); what(1)
#define any(what) (what(0) || what(1))
#define all(what) (what(0) && what(1))
#endif

mtype:promise = { R1, R2, R7, R9, R10, R14, I7, I8, T19, F32, F33 };
mtype:promise broken;
#define MUST(name, ok) if :: (ok) -> skip :: else -> broken = name; assert(broken == 0) fi

byte crashes = CRASHES, losses = LOSSES, expiries = EXPIRIES, failures = FAILURES, drops = DROPS, demands = DEMANDS,
	refusals = REFUSALS, persons = PERSONS, foreign = FOREIGN, rotations = ROTATIONS;

/* The store's record. */
byte current = 0;
short candidates = 0;        /* a set */
byte intent = NONE;          /* the process whose rotation wrote it, or OTHER */
byte stamp = 0;              /* the intent's: the number of the newest reset that may have been sent under it */
byte lease = NONE;           /* its owner; OTHER for one that is gone */
bool expired = false;
#define stored (candidates | (1 << current))
short ever = 1;              /* not of the record: all that was ever stored */

/* The processes. */
mtype:state = { idle, leased, prepared, resetting, challenged, received, unsaved, durable, verified, promoted, reauthing,
	settling, degraded, aborted, unknown, probing, lockedOut };
mtype:trigger = { nothing, rotate, recover };
mtype:state st[PROCESSES] = idle;
mtype:trigger begun[PROCESSES] = nothing;  /* what waits for the lease, or has it */
bool half[PROCESSES];        /* the first half of a state's work is done */
byte secret[PROCESSES] = NONE;  /* received, then verified */
short seen[PROCESSES];       /* the record's secrets when they were last looked at */
short untried[PROCESSES];
bool doubt[PROCESSES];       /* of a reset that was sent nothing is known, nor were the known secrets tried since */
short open[PROCESSES];       /* a set: the resets that may yet be executed, for all that is known */
byte newest[PROCESSES];      /* of those */
byte waited[PROCESSES];      /* T_q is over since this one */
bool ours[PROCESSES];        /* a reset out of this store may be why no secret works */
bool again[PROCESSES];       /* T18: the reset under way is a second one */
byte turn[PROCESSES];        /* whose turn it is to send that: 0 a live session's, 1 the rescue token's, 2 nobody's */
bool answered[PROCESSES];    /* the second factor is given */
bool told = false;           /* somebody is told of a lock-out */

/* Their keyrings. */
byte key[PROCESSES] = 0;
bool shut[PROCESSES];

#define go(i, to) printf("rotator %d: %e -> %e\n", i, st[i], to); st[i] = to

#include "exchange.pml"
#include "record.pml"
#include "rotator.pml"
#include "session.pml"
#include "promises.pml"
