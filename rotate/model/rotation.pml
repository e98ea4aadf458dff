/* The protocol of package rotate, for exhaustive search by Spin. README.md says what it shows and how to run it.
 *
 * The exchange chooses the secret, shows it once, and the old one dies with that. PROCESSES programs share one key and one
 * store; each has a Rotator, a Keyring and a session. Secrets are numbered as the exchange gives them out: srv == 3 means
 * that it takes secret 3 alone. What befalls them is budgeted, so that every search ends.
 *
 * A state bears the name that it has in state.go, and an arm of Rotator does what the state's function there does. One arm
 * is one step: what happens in it happens at once, and anything may happen before the next. A change of the store is one
 * step, for compare-and-swap makes it so. R1 to R14 are promises; Monitor and the macro MUST hold them.
 */

/* How often it may happen. */
#ifndef PROCESSES
#define PROCESSES 1
#endif
#ifndef ROTATIONS
#define ROTATIONS 1          /* a Rotate that begins */
#endif
#ifndef CRASHES
#define CRASHES 0            /* a process dies and starts again */
#endif
#ifndef LOSSES
#define LOSSES 0             /* a request or a reply is lost */
#endif
#ifndef EXPIRIES
#define EXPIRIES 0           /* a lease runs out under a holder that lives: it was paused */
#endif
#ifndef FAILURES
#define FAILURES 0           /* a Save returns an error, and may yet have happened */
#endif
#ifndef DROPS
#define DROPS 0              /* a session loses its connection */
#endif
#ifndef DEMANDS
#define DEMANDS 0            /* the exchange wants a second factor */
#endif
#ifndef REFUSALS
#define REFUSALS 0           /* the exchange refuses a reset, surely without executing it */
#endif
#ifndef PERSONS
#define PERSONS 0            /* a person resets the key on the website, once locked out */
#endif

/* What the exchange does. */
#ifndef REVOKE
#define REVOKE 0             /* a reset ends every token of the key */
#endif
#ifndef LATE
#define LATE 0               /* a request may be executed after its sender has given it up */
#endif

/* Who can reset without the secret, beside the process's own session. */
#ifndef ADMIN
#define ADMIN 0              /* Config.Authority is of another key */
#endif
#ifndef RESCUE
#define RESCUE 0             /* a durable token of a session of its own; it dies where tokens do */
#endif

/* What the code does since the model asked for it. */
#ifndef RAISE
#define RAISE 1              /* who stores a candidate raises the intent if none stands */
#endif

/* What the code does not do: 0 is the code as it stands. */
#ifndef RESET_AGAIN
#define RESET_AGAIN 0        /* T18: where no secret works, the authority resets the key once more */
#endif
#ifndef QUARANTINE
#define QUARANTINE 0         /* T16: no secret is tried while a reset may yet be executed */
#endif
#ifndef PROBE
#define PROBE 0              /* T24: the stored secret is tried now and then, and a refusal raises the intent */
#endif
#ifndef FOLLOW
#define FOLLOW 0             /* F33: what another process has promoted reaches the keyring */
#endif
#ifndef REREAD
#define REREAD 0             /* F33: a session that is refused waits while the store has an intent or a newer secret */
#endif

/* What is checked, beside the rest. Under a holder that was paused, or with requests that are executed late, no client can
 * keep R9, and a lock-out may be told too early: see README.md. */
#ifndef CHECK_R9
#define CHECK_R9 (EXPIRIES == 0 && LATE == 0)
#endif
#ifndef CHECK_I7
#define CHECK_I7 0           /* nobody is told of a lock-out while somebody could reset the key */
#endif
#ifndef CHECK_T19
#define CHECK_T19 (EXPIRIES == 0 && LATE == 0)  /* nor while somebody has a secret that works */
#endif
#ifndef CHECK_R14
#define CHECK_R14 1          /* in the end all has come to rest, or a person is told */
#endif
#ifndef CHECK_F33
#define CHECK_F33 (PROCESSES == 1 || (FOLLOW && REREAD))  /* in the end every session has the new secret */
#endif

/* Errors that somebody could make; each must be found. */
#define USE_FIRST     1      /* sessions are given the secret before it is stored */
#define DROP_LATE     2      /* who has lost the lease drops what it received */
#define OVERWRITE     3      /* promotion drops candidates that it has not seen */
#define CLEAR_ALWAYS  4      /* promotion clears the intent whatever has come since */
#define GATE_EARLY    5      /* the gate opens when the secret is stored, not when it is published */
#define GATE_NEVER    6      /* the gate is not shut */
#define RESEND        7      /* a reset whose outcome is unknown is sent again */
#define LOST_IS_NO    8      /* a lost reply is taken for a refusal */
#define INTENT_LATE   9      /* the intent is written once the secret is there */
#define NO_CAS        10     /* a candidate is written over what was loaded before */
#define NO_LEASE      11     /* promotion does not look at the lease */
#define ABORT_CLEARS  12     /* an abort clears another rotation's intent */
#define GIVE_UP       13     /* a secret that the store does not take is given up */
#define GATE_UNKNOWN  14     /* the gate opens while the outcome is unknown */
#define FIRST_ONLY    15     /* recovery tries the current secret alone */
#define LOCK_CLEARS   16     /* a lock-out clears the intent */
#ifndef MUTANT
#define MUTANT 0
#endif
#define is(m) (MUTANT == m)

#define NONE  15             /* no secret, no process */
#define OTHER 14             /* of a process or a rotation that is gone */
#define has(set, g) (((set) >> (g)) & 1)

mtype:promise = { R1, R2, R7, R9, R10, R14, I7, I8, T19, F32, F33 };
mtype:promise broken;
#define MUST(name, ok) if :: (ok) -> skip :: else -> broken = name; assert(broken == 0) fi

/* The exchange. */
byte srv = 0;                /* the secret that it takes */
byte fresh = 1;              /* the one that it gives out next */
byte late = 0;               /* requests that nobody waits for any longer, and that it may execute */
bool rescue = RESCUE;        /* the durable token works */

/* The store's record. */
byte current = 0;
short candidates = 0;        /* a set */
byte intent = NONE;          /* the process whose rotation wrote it, or OTHER */
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
bool doubt[PROCESSES];       /* of a reset that was sent nothing is known */
bool again[PROCESSES];       /* T18: the reset under way follows a lock-out */
bool told = false;           /* somebody is told of a lock-out */

/* Their keyrings. */
byte key[PROCESSES] = 0;
bool shut[PROCESSES];

/* Their sessions. */
mtype:session = { down, asking, refused, up, ended };
mtype:session ses[PROCESSES] = up;
byte with[PROCESSES] = 0;    /* the secret that it has authenticated with, or is about to */

/* Their resets, on the way to the exchange and back. */
mtype:wire = { quiet, sent, replied, demanded, declined, lost };
mtype:wire wire[PROCESSES] = quiet;
byte reply[PROCESSES] = NONE;
bool answered[PROCESSES];    /* the second factor is given */

byte crashes = CRASHES, losses = LOSSES, expiries = EXPIRIES, failures = FAILURES, drops = DROPS, demands = DEMANDS,
	refusals = REFUSALS, persons = PERSONS, rotations = ROTATIONS;
byte person = NONE;          /* the secret that a person has from the website */

#if PROCESSES == 1
#define each(what) what(0)
#define any(what) (what(0))
#define all(what) (what(0))
#else
#define each(what) what(0); what(1)
#define any(what) (what(0) || what(1))
#define all(what) (what(0) && what(1))
#endif

/* ---- the exchange ---- */

#define end_token(j) if :: ses[j] == up -> ses[j] = down :: else fi
inline execute() {
	srv = fresh; fresh++; printf("exchange: secret %d\n", srv); assert(fresh < OTHER);
	if :: REVOKE -> each(end_token); rescue = 0 :: else fi
}

/* Net carries resets, and loses them. */
#define CARRY(j) \
	:: atomic { wire[j] == sent -> execute(); reply[j] = srv; wire[j] = replied } \
	:: atomic { wire[j] == sent && demands > 0 && !answered[j] -> demands--; wire[j] = demanded } \
	:: atomic { wire[j] == sent && refusals > 0 -> refusals--; wire[j] = declined } \
	:: atomic { wire[j] == sent && losses > 0 -> losses--; wire[j] = lost; printf("request of %d is lost\n", j); if :: LATE -> late++ :: skip fi } \
	:: atomic { wire[j] == replied && losses > 0 -> losses--; wire[j] = lost; reply[j] = NONE; printf("reply to %d is lost\n", j) }

active proctype Net() {
end:	do
	CARRY(0)
#if PROCESSES > 1
	CARRY(1)
#endif
	:: atomic { late > 0 -> late--; execute() }
	od
}

/* ---- a process ---- */

#define holds(i) (lease == i)
#define may_take(i) (lease == NONE || lease == OTHER || lease == i || expired)
inline take(i) { lease = i; expired = false }
inline renew(i) { expired = false }
inline release(i) { if :: holds(i) -> lease = NONE; expired = false :: else fi }

#define authority(i) (ADMIN || ses[i] == up)
#define can_reset(i) (authority(i) || rescue)
#define knows(j) (secret[j] == srv || (wire[j] == replied && reply[j] == srv))
#define silence (late == 0 && all(not_under_way))
#define not_under_way(j) (wire[j] == quiet || wire[j] == lost)

#define go(i, to) printf("rotator %d: %e -> %e\n", i, st[i], to); st[i] = to

/* What a rotation leaves behind is another's from now on; a lease that it could not release expires. */
inline leave(i, to) {
	if :: lease == i -> lease = OTHER; expired = 0 :: else fi;
	if :: intent == i -> intent = OTHER :: else fi;
	begun[i] = nothing; half[i] = 0; secret[i] = NONE; seen[i] = 0; untried[i] = 0; doubt[i] = 0; again[i] = 0;
	answered[i] = 0; go(i, to)
}

inline add(i) {
	printf("store: candidate %d\n", secret[i]); candidates = candidates | (1 << secret[i]); ever = ever | (1 << secret[i]);
	if :: (RAISE || is(INTENT_LATE)) && intent == NONE -> intent = i :: else fi
}

/* May the verified secret become the current one? Not if another was added after the candidates were read. */
#define may_promote(i) ((holds(i) || is(NO_LEASE)) && (is(OVERWRITE) || is(CLEAR_ALWAYS) || (candidates & ~seen[i]) == 0))

#define kept(i) (secret[i] == NONE || has(ever, secret[i]))

inline adopt(i) { if :: current > key[i] -> key[i] = current :: else fi }

/* promote is promoteIn: candidates older than a day are dropped, or are not that old yet. */
inline promote(i) {
	MUST(I8, secret[i] >= current);
	if :: is(OVERWRITE) -> candidates = 0 :: candidates = candidates & ~seen[i] :: candidates = candidates & ~(1 << secret[i]) fi;
	current = secret[i]; intent = NONE; printf("store: current is %d\n", current);
	MUST(R10, !has(ever, srv) || has(stored, srv))
}

#define all_refused(i) (st[i] == probing && half[i] && untried[i] == 0)

proctype Rotator(byte i) {
	byte g;
	short copy;
end:	do
	/* Rotator.perform: an intent is recovered first, whoever called. */
	:: atomic { st[i] == idle && begun[i] == nothing && intent == NONE && !shut[i] && rotations > 0 ->
		rotations--; begun[i] = rotate }
	:: atomic { st[i] == idle && begun[i] == nothing && intent != NONE -> begun[i] = recover }
	/* nothingToRecover, at boot or after a rotation that could not finish. */
	:: atomic { st[i] == idle && begun[i] == nothing && intent == NONE && shut[i] -> adopt(i); shut[i] = 0 }
	/* begin: the lease, and the keyring and the record agree. A rotation does not wait for the lease. */
	:: atomic { st[i] == idle && begun[i] != nothing && may_take(i) ->
		if
		:: key[i] > current -> /* reconcile: a person has published it */
			candidates = candidates | (1 << current); current = key[i]; ever = ever | (1 << current)
		:: else -> adopt(i)
		fi;
		take(i); go(i, leased) }
	:: atomic { st[i] == idle && begun[i] == rotate && !may_take(i) -> begun[i] = nothing }
	/* prepare: the preflight wants the session ready; the intent is another's or becomes ours. */
	:: atomic { st[i] == leased && begun[i] == recover -> go(i, unknown) }
	:: atomic { st[i] == leased && begun[i] == rotate && holds(i) && intent == NONE && ses[i] == up ->
		renew(i);
		if :: is(INTENT_LATE) :: else -> intent = i fi;
		go(i, prepared) }
	:: atomic { st[i] == leased && begun[i] == rotate && failures > 0 ->
		failures--; if :: holds(i) && intent == NONE -> intent = i :: skip fi; go(i, aborted) }
	:: atomic { st[i] == leased && begun[i] == rotate && (!holds(i) || intent != NONE || ses[i] != up) -> go(i, aborted) }
	/* arm: the hook may veto, the lease is renewed, the gate is shut. */
	:: atomic { st[i] == prepared -> go(i, aborted) }
	:: atomic { (st[i] == prepared || (st[i] == challenged && half[i])) && holds(i) ->
		half[i] = 0; renew(i);
		if :: is(GATE_NEVER) :: else -> shut[i] = 1 fi;
		go(i, resetting) }
	:: atomic { (st[i] == prepared || (st[i] == challenged && half[i])) && !holds(i) ->
		go(i, (again[i] -> unknown : aborted)) }
	/* reset: sent once, and judged by its answer. */
	:: atomic { st[i] == resetting && wire[i] == quiet && !half[i] && (authority(i) || (again[i] && rescue)) ->
		MUST(R7, !doubt[i]); half[i] = 1; wire[i] = sent }
	:: atomic { st[i] == resetting && wire[i] == quiet && !half[i] && !authority(i) && !(again[i] && rescue) ->
		go(i, (again[i] -> unknown : aborted)) }
	:: atomic { st[i] == resetting && wire[i] == replied ->
		wire[i] = quiet; secret[i] = reply[i]; reply[i] = NONE; half[i] = 0; go(i, received);
		if :: is(USE_FIRST) -> key[i] = secret[i]; shut[i] = 0 :: else fi }
	:: atomic { st[i] == resetting && wire[i] == demanded ->
		wire[i] = quiet; half[i] = 0; shut[i] = again[i]; go(i, challenged) }
	:: atomic { st[i] == resetting && wire[i] == declined ->
		wire[i] = quiet; half[i] = 0; go(i, (again[i] -> unknown : aborted)) }
	:: atomic { st[i] == resetting && wire[i] == lost ->
		wire[i] = quiet; half[i] = 0; doubt[i] = 1;
		if :: is(RESEND) :: is(LOST_IS_NO) -> go(i, aborted) :: !is(RESEND) && !is(LOST_IS_NO) -> go(i, unknown) fi }
	/* answerChallenge: nothing was executed, the gate is open meanwhile. */
	:: atomic { st[i] == challenged && !half[i] -> answered[i] = 1; half[i] = 1 }
	:: atomic { st[i] == challenged && !half[i] -> go(i, (again[i] -> unknown : aborted)) }
	/* persist, and persistAgain: whatever the lease says. */
	:: atomic { (st[i] == received || st[i] == unsaved) && !is(NO_CAS) && !(is(DROP_LATE) && !holds(i)) ->
		add(i); seen[i] = stored; go(i, durable);
		if :: is(GATE_EARLY) -> shut[i] = 0 :: else fi }
	:: atomic { (st[i] == received || st[i] == unsaved) && failures > 0 ->
		failures--; if :: !is(GIVE_UP) -> add(i) :: skip fi;
		if :: is(GIVE_UP) -> go(i, aborted) :: else -> go(i, unsaved) fi }
	:: atomic { st[i] == received && is(DROP_LATE) && !holds(i) -> go(i, unknown) }
	:: atomic { st[i] == received && is(NO_CAS) -> copy = candidates; go(i, unsaved) }
	:: atomic { st[i] == unsaved && is(NO_CAS) ->
		candidates = copy; copy = 0; add(i); seen[i] = stored; go(i, durable); MUST(R10, !has(ever, srv) || has(stored, srv)) }
	/* verify */
	:: atomic { st[i] == durable ->
		MUST(R1, has(ever, secret[i]));
		if :: secret[i] == srv -> go(i, verified) :: else -> go(i, unknown) fi }
	/* publish: in the store, if the lease is held and no candidate has come that was not seen, then in the keyring. */
	:: atomic { st[i] == verified && !half[i] && may_promote(i) -> promote(i); half[i] = 1 }
	:: atomic { st[i] == verified && !half[i] && may_promote(i) && failures > 0 -> failures--; if :: promote(i) :: skip fi }
	:: atomic { st[i] == verified && !half[i] && !may_promote(i) -> go(i, unknown) }
	:: atomic { st[i] == verified && half[i] ->
		half[i] = 0; doubt[i] = 0; told = 0; if :: secret[i] > key[i] -> key[i] = secret[i] :: else fi; shut[i] = 0; go(i, promoted) }
	:: atomic { st[i] == promoted -> go(i, reauthing) }
	/* reauthenticate: in place, or by itself where the connection is lost. */
	:: atomic { st[i] == reauthing && ses[i] == up ->
		if :: key[i] == srv -> with[i] = key[i]; go(i, settling) :: else -> go(i, degraded) fi }
	:: atomic { st[i] == reauthing && ses[i] != up -> go(i, degraded) }
	:: atomic { st[i] == settling || st[i] == degraded -> release(i); leave(i, idle) }
	:: atomic { (st[i] == settling || st[i] == degraded) && failures > 0 -> failures--; leave(i, idle) }
	/* abort: what is our own is undone. */
	:: atomic { st[i] == aborted ->
		MUST(R10, kept(i));
		if :: intent == i || is(ABORT_CLEARS) -> intent = NONE :: else fi; shut[i] = 0; release(i); leave(i, idle) }
	:: atomic { st[i] == aborted && failures > 0 -> failures--; shut[i] = 0; release(i); leave(i, idle) }
	/* unknown */
	:: atomic { st[i] == unknown -> MUST(R10, kept(i)); half[i] = 0; secret[i] = NONE; shut[i] = !is(GATE_UNKNOWN); go(i, probing) }
	/* probe: the lease again, then one secret after the other. */
	:: atomic { st[i] == probing && !half[i] && may_take(i) && (!QUARANTINE || silence) ->
		take(i); seen[i] = stored; half[i] = 1;
		untried[i] = (is(FIRST_ONLY) -> (1 << current) : stored) }
	:: atomic { st[i] == probing && half[i] && untried[i] != 0 ->
		for (g : 0 .. 13) { if :: has(untried[i], g) -> break :: else fi };
		untried[i] = untried[i] & ~(1 << g);
		MUST(R1, has(ever, g));
		if :: g == srv -> secret[i] = g; untried[i] = 0; half[i] = 0; go(i, verified) :: else fi; g = 0 }
	/* T18, which the code does not do: the authority resets the key again. */
	:: atomic { all_refused(i) && RESET_AGAIN && can_reset(i) && holds(i) ->
		intent = i; renew(i); doubt[i] = 0; again[i] = 1; half[i] = 0; answered[i] = 0; go(i, resetting) }
	:: atomic { all_refused(i) && RESET_AGAIN && can_reset(i) && !holds(i) -> half[i] = 0 }
	:: atomic { all_refused(i) && !(RESET_AGAIN && can_reset(i)) ->
		if :: CHECK_T19 -> MUST(T19, !any(knows) && !has(stored, srv)) :: else fi;
		if :: CHECK_I7 -> MUST(I7, !can_reset(i)) :: else fi;
		go(i, lockedOut); told = 1; release(i);
		if :: is(LOCK_CLEARS) -> intent = NONE :: !is(LOCK_CLEARS) && intent == i -> intent = OTHER :: else fi }
	/* What LockedOutError says: a person resets the key, publishes it, calls Recover. A person does not forget the secret. */
	:: atomic { st[i] == lockedOut && persons > 0 && person != srv -> persons--; execute(); person = srv; key[i] = srv }
	:: atomic { st[i] == lockedOut && person == srv && key[i] != srv -> key[i] = srv }
	:: atomic { st[i] == lockedOut && (key[i] > current || intent == NONE || (stored & ~seen[i]) != 0) -> leave(i, idle) }
	/* T24, F33, which the code does not do. */
	:: atomic { PROBE && st[i] == idle && intent == NONE && current != srv && may_take(i) -> intent = OTHER }
	:: atomic { FOLLOW && current > key[i] -> key[i] = current }
	od
}
/* Session authenticates with what the keyring has, and waits at its gate. A refusal is final at the newest generation: so it is on
 * a new connection; on one that lives it is tried again, which the model leaves out. */
proctype Session(byte i) {
end:	do
	:: atomic { ses[i] == down && !shut[i] -> with[i] = key[i]; ses[i] = asking }
	:: atomic { ses[i] == asking -> MUST(R1, has(ever, with[i])); ses[i] = (with[i] == srv -> up : refused) }
	:: atomic { ses[i] == refused && !shut[i] && key[i] > with[i] -> with[i] = key[i]; ses[i] = asking }
	:: atomic { ses[i] == refused && !shut[i] && key[i] == with[i] && !(REREAD && (intent != NONE || current > with[i])) ->
		MUST(F32, PROCESSES > 1 || LATE); ses[i] = ended; printf("session %d is refused for good\n", i) }
	:: atomic { ses[i] == refused && REREAD && current > key[i] -> key[i] = current }
	:: atomic { FOLLOW && ses[i] == up && key[i] > with[i] && key[i] == srv -> with[i] = key[i] }
	od
}

/* ---- what befalls them ---- */

inline crash(i) {
	printf("process %d dies\n", i);
	if
	:: wire[i] == sent -> if :: skip :: execute() :: LATE -> late++ fi
	:: else
	fi;
	wire[i] = quiet; reply[i] = NONE; leave(i, idle);
	ses[i] = down; with[i] = NONE; key[i] = current; shut[i] = 1  /* Recover comes before any session */
}
inline drop(i) {
	printf("session %d loses its connection\n", i);
	ses[i] = down;
	if
	:: !ADMIN && wire[i] == sent -> if :: skip :: execute() :: LATE -> late++ fi; wire[i] = lost
	:: !ADMIN && wire[i] == replied -> wire[i] = lost; reply[i] = NONE
	:: else
	fi
}
#define BEFALL(j) \
	:: atomic { crashes > 0 -> crashes--; crash(j) } \
	:: atomic { drops > 0 && ses[j] == up -> drops--; drop(j) } \
	:: atomic { expiries > 0 && lease == j && !expired -> expiries--; expired = 1; printf("lease of %d expires\n", j) }

/* At some time nothing befalls them any more. */
active proctype Fate() {
	do
	BEFALL(0)
#if PROCESSES > 1
	BEFALL(1)
#endif
	:: break
	od
}

/* ---- what must hold ---- */

#define is_up(j) (ses[j] == up)
#define at_rest(j) (st[j] == idle && !shut[j])
#define has_it(j) (ses[j] == up && with[j] == srv)
#define reachable (ADMIN || rescue || has(stored, srv) || person == srv || any(is_up) || any(knows))
#define settled (current == srv && intent == NONE && all(at_rest))

active proctype Monitor() {
end:	do
	:: atomic { !reachable -> MUST(R2, false) }
	:: atomic { CHECK_R9 && intent == NONE && current != srv -> MUST(R9, false) }
	:: atomic { timeout ->
		MUST(I7, current == srv || intent != NONE || !has(stored, srv));
		if :: CHECK_R14 -> MUST(R14, settled || told) :: else fi;
		if :: CHECK_F33 && !told -> MUST(F33, all(has_it)) :: else fi;
		break }
	od
}

init { atomic { run Rotator(0); run Session(0);
#if PROCESSES > 1
	run Rotator(1); run Session(1)
#endif
} }

#ifdef LIVE  /* pan -a: nor does anything go round for ever */
ltl converges { <>[] (settled || told) }
#endif
