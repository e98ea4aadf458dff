/* What a search is of: how often what befalls, how the exchange behaves, who has authority, which error is made. */

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
#define LOSSES 0             /* a reply is not there in time: late, lost, or the request was */
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
#define REFUSALS 0           /* the exchange refuses a reset though the authority is good, surely without executing it */
#endif
#ifndef PERSONS
#define PERSONS 0            /* a person resets the key on the website, once locked out */
#endif
#ifndef FOREIGN
#define FOREIGN 0            /* a person resets the key on the website at any time, and tells nobody before they ask */
#endif

/* What the exchange does. */
#ifndef REVOKE
#define REVOKE 0             /* a reset ends every token of the key */
#endif
#ifndef DEAF
#define DEAF 0               /* it closes the key's connections before it answers a reset */
#endif
#ifndef LATE
#define LATE 0               /* a request may be executed after its sender has given it up, until T_q is over */
#endif
#ifndef GRACE
#define GRACE 0              /* a refreshed token is good until its successor is used, not only until that is given out */
#endif

/* Who can reset the key without its secret, beside the process's own session. */
#ifndef ADMIN
#define ADMIN 0              /* a session of another key, which then goes before the process's own */
#endif
#ifndef RESCUE
#define RESCUE 0             /* a token in the intent, of a session of its own */
#endif

/* What the configuration allows. */
#ifndef HEAL
#define HEAL 0               /* a reset by somebody else is answered with another one */
#endif
#ifndef RIVAL
#define RIVAL 0              /* another program heals too, out of another store; 2: it is slow */
#endif
#ifndef PROBE
#define PROBE 1              /* the current secret is tried now and then, though no intent stands */
#endif
#ifndef FOLLOW
#define FOLLOW 0             /* what another process has promoted reaches the keyring */
#endif
#ifndef REREAD
#define REREAD 0             /* a session that is refused waits while the store has an intent or a newer secret */
#endif

/* What is checked, beside the rest. What nobody can keep in these cases is in README.md. */
#define FENCED (EXPIRIES == 0 && FOREIGN == 0 && RIVAL == 0)
#ifndef CHECK_R2
#define CHECK_R2 (RIVAL == 0)
#endif
#ifndef CHECK_R9
#define CHECK_R9 (RIVAL == 0)  /* 2: after the reset of a paused holder, too, where no client can keep it */
#endif
#ifndef CHECK_I7
#define CHECK_I7 (EXPIRIES == 0 && DEMANDS == 0 && REFUSALS == 0)  /* nobody is told of a lock-out while he could reset the key */
#endif
#ifndef CHECK_T19
#define CHECK_T19 (EXPIRIES == 0)  /* nor while anybody has a secret that works */
#endif
#ifndef CHECK_R14
#define CHECK_R14 1          /* in the end all has come to rest, or a person is told */
#endif
#ifndef CHECK_F32
#define CHECK_F32 (PROCESSES == 1 && FENCED && (REREAD || !LATE))  /* no session ends because it was refused */
#endif
#ifndef CHECK_F33
#define CHECK_F33 ((PROCESSES == 1 && CHECK_F32) || (FOLLOW && REREAD))  /* in the end every session has the new secret */
#endif

/* Errors that somebody could make; each must be found. */
#define USE_FIRST      1     /* sessions are given the secret before it is stored */
#define DROP_LATE      2     /* who has lost the lease drops what it received */
#define OVERWRITE      3     /* promotion drops candidates that it has not seen */
#define CLEAR_ALWAYS   4     /* promotion clears the intent whatever has come since */
#define GATE_EARLY     5     /* the gate opens when the secret is stored, not when it is published */
#define GATE_NEVER     6     /* the gate is not shut */
#define RESEND         7     /* a reset whose outcome is unknown is sent again */
#define LOST_IS_NO     8     /* a lost reply is taken for a refusal */
#define INTENT_LATE    9     /* the intent is written once the secret is there */
#define NO_CAS         10    /* a candidate is written over what was loaded before */
#define NO_LEASE       11    /* promotion does not look at the lease */
#define ABORT_CLEARS   12    /* an abort clears another rotation's intent */
#define GIVE_UP        13    /* a secret that the store does not take is given up */
#define GATE_UNKNOWN   14    /* the gate opens while the outcome is unknown */
#define FIRST_ONLY     15    /* recovery tries the current secret alone */
#define LOCK_CLEARS    16    /* a lock-out clears the intent */
#define CANDIDATE_ONLY 17    /* who stores a candidate does not see to it that an intent stands */
#define CLEAR_OPEN     18    /* promotion clears the intent though a reset may yet be executed */
#define NO_STAMP       19    /* the stamp is not looked at: a reset that was sent is taken for one that never was */
#define STAMP_LATE     20    /* the stamp is written once the reset is sent */
#define STAMP_LOST     21    /* who takes the lease writes an intent of his own, without the stamp */
#define NO_SECOND      22    /* no second reset: T18 is left out */
#define SECOND_UNSAID  23    /* the second reset is sent without a stamp of its own */
#define UNRAISED       24    /* nor does it, or who takes the lease again, raise the intent */
#define BLIND_RAISE    25    /* who waited for the lease raises the intent, whatever was done meanwhile */
#define HASTY          26    /* T_q is too short */
#define SETTLE_UNTRIED 27    /* the intent is cleared without another look at the current secret */
#define SETTLE_BLIND   28    /* it is cleared though a candidate was added */
#define SETTLE_ANYHOW  29    /* it is cleared though the lease is another's */
#define TOKEN_FIRST    30    /* the rescue token's successor is used before it is stored */
#define FIRST_AUTHORITY 31   /* a refusal by one authority is taken for one by all */
#define STILL_OPEN     32    /* a reset counts as open though T_q is over */
#define STAMP_STAYS    33    /* the stamp stays though the reset was answered */
#define ENDLESS        34    /* resets go on though none is answered */
#ifndef MUTANT
#define MUTANT 0
#endif
#define is(m) (MUTANT == m)
