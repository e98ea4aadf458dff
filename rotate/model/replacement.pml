/* The strategy Replace, for exhaustive search by Spin: a second key is created, the sessions move to it, and the first is removed.
 * README.md says what it shows and how to run it.
 *
 * What is left to do is in the record, so that a recovery is the same walk, begun in the middle:
 *
 *	none -> named (the key may have been created) -> stored (its secret is known) -> promoted (the old key is to go) -> none
 *
 * The key that is created under the name n is key n; key 0 is the one that is replaced first. The old key works until it is removed, which
 * is last. What befalls the processes is budgeted, so that every search ends.
 */

/* How often it may happen. */
#ifndef PROCESSES
#define PROCESSES 1
#endif
#ifndef REPLACEMENTS
#define REPLACEMENTS 1       /* a Rotate that begins */
#endif
#ifndef CRASHES
#define CRASHES 0            /* a process dies and starts again */
#endif
#ifndef LOSSES
#define LOSSES 0             /* the answer to a creation or a removal is not there in time: late, lost, or the request was */
#endif
#ifndef LATE
#define LATE 0               /* a creation may be executed after its sender has given it up, until T_q is over */
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
#ifndef FOREIGN
#define FOREIGN 0            /* a person removes the old key once the new one is on record */
#endif
#ifndef DUDS
#define DUDS 0               /* a person removes the new key while there is the old one */
#endif
#ifndef ADMIN
#define ADMIN 0              /* a session of another key creates and removes; else it is one of the key itself */
#endif

/* Errors that somebody could make; each must be found. */
#define USE_FIRST     1      /* the sessions have the new key before it is stored */
#define NAME_LATE     2      /* the name is on record once the key is created */
#define LOST_IS_NO    3      /* a lost answer is taken for a refusal */
#define HASTY         4      /* the orphan is looked for before T_q is over */
#define UNPROVED      5      /* the new key becomes the current one untried, which by itself does no harm */
#define REMOVE_FIRST  6      /* the old key is removed before the sessions have moved */
#define NO_OVERLAP    7      /* it is removed before those of other processes have */
#define FORGET        8      /* the record forgets the old key when the new one is the current one */
#define BLIND         9      /* a second creation begins beside a first */
#define NO_LOOK       10     /* the record forgets an orphan without a look at whether it was put there again */
#define NO_UNDO       11     /* what was created without the lease is left */
#define ANY_KEY       12     /* an orphan is any key that is not the current one */
#define FORGET_ANYHOW 13     /* the record forgets the old key though it could not be removed */
#define NO_RAISE      14     /* what was sent without the lease and not answered is left */
#define NO_RETURN     15     /* the old key is removed though the new one is dead */
#ifndef MUTANT
#define MUTANT 0
#endif
#define is(m) (MUTANT == m)

#define NONE 15              /* no key, no process */
#define MOST 4               /* names */
#define has(set, k) (((set) >> (k)) & 1)
#define only(k) (1 << (k))

#if PROCESSES == 1
#define any(what) (what(0))
#define all(what) (what(0))
#else
#define any(what) (what(0) || what(1))
#define all(what) (what(0) && what(1))
#endif

/* R1: no key is used that was not stored. R2: a key that works is on record. F32: no session ends because of a replacement. R14: in the
 * end there is one key, the record's, and everybody has it. OURS: no key is removed that is of somebody else.
 */
mtype:promise = { R1, R2, R14, F32, OURS };
mtype:promise broken;
#define MUST(name, ok) if :: (ok) -> skip :: else -> broken = name; assert(broken == 0) fi

byte crashes = CRASHES, losses = LOSSES, late = LATE, expiries = EXPIRIES, failures = FAILURES, drops = DROPS, foreign = FOREIGN, duds = DUDS;
byte replacements = REPLACEMENTS;

/* ---- the exchange ---- */

#define STRANGER 5           /* a key of somebody else in the same account */
short alive = only(0) | only(STRANGER);
mtype:request = { unsent, flying, answered, done };
mtype:request creation[MOST];  /* of the key with that name */
short astray;                /* a set: those that were sent without the lease */
bool heard[MOST];            /* its sender waits for the answer */

/* Creation n is executed once, answered or not, or never. What has been given up is executed late, or not. */
active proctype Exchange() {
	byte n;
end:	do
	:: atomic { creation[1] == flying -> n = 1; goto execute }
	:: atomic { creation[2] == flying -> n = 2; goto execute }
	:: atomic { creation[3] == flying -> n = 3;
execute:	if
		:: heard[n] -> alive = alive | only(n); creation[n] = answered
		:: !heard[n] && late > 0 -> late--; alive = alive | only(n); creation[n] = done; printf("key %d is created late\n", n)
		:: !heard[n] -> creation[n] = done
		fi; n = 0 }
	od
}

inline kill_key(k) { alive = alive & ~only(k); printf("key %d is removed\n", k) }

/* ---- the record: one compare-and-swap each ---- */

mtype:record = { none, named, stored, promoted };
byte current = 0;
mtype:record replacement = none;
byte name;                   /* of the new key */
byte old;                    /* promoted: the key that is to go */
byte names = 0;
short ever = only(0);        /* keys that were ever stored */
byte stamps = 0;             /* it was put on record so often after all, each time as of then */
byte lease = NONE;
bool expired;

#define holds(i) (lease == i)
#define may_take(i) (lease == NONE || lease == i || expired)
#define its(i) (holds(i) && replacement != none && name == mine[i])
inline take(i) { lease = i; expired = 0 }
inline release(i) { if :: holds(i) -> lease = NONE; expired = 0 :: else fi }

inline raise(i) {
	if
	:: mine[i] != 0 && (replacement == none || replacement == named && name == mine[i]) && !is(NO_RAISE) ->
		name = mine[i]; replacement = named; stamps++; astray = astray & ~only(name)
	:: else
	fi
}
inline swap() { k = old; old = current; current = k; k = 0 }
inline promote() { old = current; current = name; replacement = (is(FORGET) -> none : promoted) }

/* ---- the processes ---- */

mtype:state = { idle, leased, naming, creating, received, undoing, giving, orphan, proving, moving, retiring, removing, forgetting };
mtype:state st[PROCESSES];
byte looked[PROCESSES];      /* the last stamp that the wait for T_q was for */
byte mine[PROCESSES];        /* the replacement that this walk is of */
bool wants[PROCESSES];       /* to replace, not only to recover */
byte key[PROCESSES] = 0;     /* the keyring's */
mtype:link = { up, down, ended };
mtype:link ses[PROCESSES] = up;
byte with[PROCESSES] = 0;    /* the key that the session has authenticated with */

#define go(i, to) printf("process %d: %e -> %e\n", i, st[i], to); st[i] = to
/* Who creates and removes: a session of another key, or one whose own key lives. */
#define authority(i) (ADMIN || (ses[i] == up && has(alive, with[i])))
inline stop(i) { release(i); mine[i] = 0; wants[i] = 0; go(i, idle) }
inline give_up_waiting(i) { if :: mine[i] != 0 -> heard[mine[i]] = 0; if :: creation[mine[i]] == answered -> creation[mine[i]] = done :: else fi :: else fi }

/* A save that fails may have happened. */
#define FAILS(i) failures > 0 -> failures--

/* T_q is over: nothing that was sent with the lease can be executed any more. */
#define over(n) (creation[n] != flying || has(astray, n) || is(HASTY))

#define uses_old(j) (ses[j] == up && with[j] == old)
#define moved(j) (key[j] == current && (ses[j] != up || with[j] == current))

#define may_forget(i) (stamps == looked[i] || replacement == promoted || is(NO_LOOK))

proctype Rotator(byte i) {
	byte k;
end:	do
	/* Rotate begins, or Recover, which the record calls for. What is on record when the lease is there is finished first, whoever came. */
	:: atomic { st[i] == idle && !wants[i] && replacement == none && replacements > 0 -> replacements--; wants[i] = 1 }
	:: atomic { st[i] == idle && (wants[i] || replacement != none) && may_take(i) -> take(i); go(i, leased) }
	/* The record says what is next. */
	:: atomic { st[i] == leased && !holds(i) -> stop(i) }
	:: atomic { st[i] == leased && holds(i) ->
		mine[i] = name;
		if
		:: replacement == none && wants[i] || is(BLIND) && wants[i] -> go(i, naming)
		:: replacement == none && !wants[i] -> stop(i)
		:: replacement == named && !(is(BLIND) && wants[i]) -> go(i, giving)
		:: replacement == stored && !(is(BLIND) && wants[i]) -> go(i, proving)
		:: replacement == promoted && !(is(BLIND) && wants[i]) ->
			/* The old key takes the place of a new one that is dead; that one is to be removed then. */
			if :: !has(alive, current) && has(alive, old) && !is(NO_RETURN) -> swap() :: else fi;
			go(i, moving)
		fi }
	/* named: before the request may leave. */
	:: atomic { st[i] == naming && holds(i) && authority(i) ->
		names++; mine[i] = names;
		if :: is(NAME_LATE) -> skip :: else -> name = names; replacement = named fi; go(i, creating) }
	:: atomic { st[i] == naming && FAILS(i); if :: names++; name = names; replacement = named :: skip fi; stop(i) }
	:: atomic { st[i] == naming && !(holds(i) && authority(i)) -> stop(i) }
	/* The lease is renewed just before it leaves; who was paused in between sends without it. */
	:: atomic { st[i] == creating && creation[mine[i]] == unsent && (its(i) || is(NAME_LATE)) && authority(i) ->
		heard[mine[i]] = 1; creation[mine[i]] = flying }
	:: atomic { st[i] == creating && creation[mine[i]] == unsent && !its(i) && !is(NAME_LATE) && authority(i) ->
		heard[mine[i]] = 1; astray = astray | only(mine[i]); creation[mine[i]] = flying }
	:: atomic { st[i] == creating && creation[mine[i]] == unsent && !its(i) && !is(NAME_LATE) -> stop(i) }
	:: atomic { st[i] == creating && creation[mine[i]] == unsent && its(i) && !authority(i) -> go(i, forgetting) }
	:: atomic { st[i] == creating && creation[mine[i]] == answered ->
		creation[mine[i]] = done;
		if :: is(USE_FIRST) -> key[i] = mine[i] :: else fi; go(i, received) }
	:: atomic { st[i] == creating && (creation[mine[i]] == flying || creation[mine[i]] == answered) && losses > 0 ->
		losses--; give_up_waiting(i); printf("no answer to %d in time\n", i);
		if :: is(LOST_IS_NO) -> go(i, forgetting) :: else -> go(i, giving) fi }
	/* stored: before anything else is done with it. */
	:: atomic { st[i] == received && its(i) && replacement == named -> replacement = stored; ever = ever | only(name); go(i, proving) }
	:: atomic { st[i] == received && is(NAME_LATE) && holds(i) && replacement == none ->
		name = mine[i]; replacement = stored; ever = ever | only(name); go(i, proving) }
	:: atomic { st[i] == received && its(i) && FAILS(i); if :: replacement = stored; ever = ever | only(name) :: skip fi; stop(i) }
	:: atomic { st[i] == received && !its(i) && !is(NAME_LATE) -> if :: is(NO_UNDO) -> stop(i) :: else -> go(i, undoing) fi }
	/* Another has taken over: what is created is removed again, or put on record again. */
	:: atomic { st[i] == undoing && authority(i) ->
		if :: has(alive, mine[i]) && current != mine[i] -> kill_key(mine[i]) :: else fi; stop(i) }
	:: atomic { st[i] == undoing && !authority(i) -> raise(i); stop(i) }
	/* giving up a key that nobody uses: once no creation can be executed any more, the one with that name is removed. */
	:: atomic { st[i] == giving && its(i) && looked[i] != stamps -> looked[i] = stamps }
	:: atomic { st[i] == giving && its(i) && looked[i] == stamps && (replacement == stored || over(name)) -> go(i, orphan) }
	/* Another has taken over, and may look for the key too early, or have done so: it is put on record again, as of now. */
	:: atomic { st[i] == giving && !its(i) -> raise(i); stop(i) }
	:: atomic { st[i] == orphan && its(i) && authority(i) ->
		if
		:: is(ANY_KEY) -> k = 0; do :: k < STRANGER && !(has(alive, k) && k != current) -> k++ :: else -> break od;
			if :: has(alive, k) && k != current -> MUST(OURS, k == name); kill_key(k) :: else fi; k = 0
		:: !is(ANY_KEY) && has(alive, name) -> kill_key(name)
		:: !is(ANY_KEY) && !has(alive, name) -> skip
		fi; go(i, forgetting) }
	:: atomic { st[i] == orphan && !its(i) -> stop(i) }
	/* proving: the new key is tried, and made the current one. */
	:: atomic { st[i] == proving && its(i) && replacement == stored ->
		if :: has(alive, name) || is(UNPROVED) -> promote(); go(i, moving) :: else -> go(i, giving) fi }
	:: atomic { st[i] == proving && its(i) && replacement == stored && has(alive, name) && FAILS(i); if :: promote() :: skip fi; stop(i) }
	:: atomic { st[i] == proving && !(its(i) && replacement == stored) -> stop(i) }
	/* moving: the sessions take the new key; those of others follow the store. */
	:: atomic { st[i] == moving ->
		if
		:: is(REMOVE_FIRST) -> skip
		:: !is(REMOVE_FIRST) -> key[i] = current; if :: ses[i] == up && has(alive, current) -> with[i] = current :: else fi
		fi;
		if :: is(FORGET) -> stop(i) :: else -> go(i, retiring) fi }
	:: atomic { st[i] == retiring && !its(i) -> stop(i) }
	:: atomic { st[i] == retiring && its(i) && (moved(i) || is(REMOVE_FIRST)) && (all(moved) || is(NO_OVERLAP) || is(REMOVE_FIRST)) -> go(i, removing) }
	:: atomic { st[i] == retiring && its(i) && !moved(i) && !is(REMOVE_FIRST) -> stop(i) }
	/* The old key goes last. Its removal may be lost, or its answer: then the list is looked at. */
	:: atomic { st[i] == removing && !its(i) -> stop(i) }
	:: atomic { st[i] == removing && its(i) && !has(alive, current) && !is(NO_RETURN) -> stop(i) }
	:: atomic { st[i] == removing && its(i) && authority(i) && (has(alive, current) || is(NO_RETURN)) ->
		MUST(F32, !any(uses_old)); kill_key(old); go(i, forgetting) }
	:: atomic { st[i] == removing && its(i) && losses > 0 ->
		losses--;
		if :: is(FORGET_ANYHOW) -> go(i, forgetting) :: else -> stop(i) fi }
	:: atomic { st[i] == forgetting && its(i) && !may_forget(i) -> go(i, giving) }
	:: atomic { st[i] == forgetting && its(i) && may_forget(i) -> replacement = none; stop(i) }
	:: atomic { st[i] == forgetting && its(i) && may_forget(i) && FAILS(i); if :: replacement = none :: skip fi; stop(i) }
	:: atomic { st[i] == forgetting && !its(i) -> stop(i) }
	/* A Follower brings the keyring what others have stored. */
	:: atomic { st[i] == idle && key[i] != current && has(alive, current) -> key[i] = current; if :: ses[i] == up -> with[i] = current :: else fi }
	od
}

/* A session whose connection is lost logs in with what the keyring has. */
proctype Session(byte i) {
end:	do
	:: atomic { ses[i] == down && has(alive, key[i]) -> MUST(R1, has(ever, key[i])); with[i] = key[i]; ses[i] = up }
	/* Refused: it waits for what is newer, and while a replacement is under way. */
	:: atomic { ses[i] == down && !has(alive, key[i]) && key[i] != current -> MUST(R1, has(ever, key[i])); key[i] = current }
	:: atomic { ses[i] == down && !has(alive, key[i]) && key[i] == current && replacement == none -> ses[i] = ended; MUST(F32, false) }
	:: atomic { ses[i] == up && !has(alive, with[i]) -> ses[i] = down }  /* the exchange ends connections of a key that is gone */
	od
}

/* ---- what befalls them ---- */

inline crash(i) {
	printf("process %d dies\n", i);
	give_up_waiting(i); st[i] = idle; mine[i] = 0; wants[i] = 0;
	if :: holds(i) -> expired = 1 :: else fi;
	key[i] = current; ses[i] = down
}
#define BEFALL(j) \
	:: atomic { crashes > 0 -> crashes--; crash(j) } \
	:: atomic { drops > 0 && ses[j] == up -> drops--; ses[j] = down } \
	:: atomic { expiries > 0 && lease == j && !expired -> expiries--; expired = 1; printf("lease of %d expires\n", j) }

active proctype Fate() {
	do
	BEFALL(0)
#if PROCESSES > 1
	BEFALL(1)
#endif
	:: atomic { foreign > 0 && replacement == stored && has(alive, name) -> foreign--; printf("a person acts\n"); kill_key(current) }
	:: atomic { duds > 0 && replacement == stored && has(alive, current) -> duds--; printf("a person acts\n"); kill_key(name) }
	:: atomic { duds > 0 && replacement == promoted && has(alive, old) -> duds--; printf("a person acts\n"); kill_key(current) }
	:: break
	od
}

/* ---- what must hold ---- */

#define works (has(alive, current) || (replacement == stored && has(alive, name)) || (replacement == promoted && has(alive, old)))
#define at_rest(j) (st[j] == idle)
#define has_it(j) (ses[j] == up && with[j] == current)
#define tidy (alive == (only(current) | only(STRANGER)) && replacement == none)

active proctype Monitor() {
end:	do
	:: atomic { !works -> MUST(R2, false) }
	:: atomic { !has(alive, STRANGER) -> MUST(OURS, false) }
	:: atomic { timeout -> MUST(R14, tidy && all(at_rest) && all(has_it)); break }
	od
}

init { atomic {
	creation[0] = done; creation[1] = unsent; creation[2] = unsent; creation[3] = unsent;
	st[0] = idle; run Rotator(0); run Session(0);
#if PROCESSES > 1
	st[1] = idle; run Rotator(1); run Session(1)
#endif
} }

#ifdef LIVE  /* pan -a: nor does anything go round for ever */
ltl converges { <>[] (tidy && all(at_rest)) }
#endif
