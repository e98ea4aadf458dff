/* A Rotator. A state bears the name that it has in the code, and an arm does what the code does there. One arm is one step: what
 * happens in it happens at once, and anything may happen before the next.
 */

/* Who may send a second reset, T18: a live session first, then the rescue token of the intent. */
#define session_can(i) (ADMIN || ses[i] == up)
#define by_session(i) (turn[i] == 0 && session_can(i))
#define by_token(i) (turn[i] < 2 && !by_session(i) && rescue != none && !(is(FIRST_AUTHORITY) && turn[i] > 0))
#define may_send(i) (st[i] == resetting && wire[i] == quiet && !half[i])
#define may_appeal(i) ((ours[i] || HEAL) && !is(NO_SECOND) && !in_vain(i))
/* Of so many resets is nothing known, and nobody but the key itself can send another: five in the code, where losses may be chance. */
#define in_vain(i) (DEAF && !ADMIN && !is(ENDLESS) && (open[i] & (open[i] - 1)) != 0)
#define all_refused(i) (st[i] == probing && half[i] && untried[i] == 0)
#define can_reset(i) (session_can(i) || rescue == good || held[i] == good)

#define kept(i) (secret[i] == NONE || has(ever, secret[i]))
inline adopt(i) { if :: current > key[i] -> key[i] = current :: else fi }

/* send: who was paused before it, and has lost the lease, sends later than the stamp says. */
inline send(i) {
	half[i] = 1; wire[i] = sent; stale[i] = 0;
	if :: holds(i) && !expired -> number[i] = clock :: else -> clock++; assert(clock < 14); number[i] = clock; astray = 1 fi;
	if
	:: turn[i] == 1 -> weak[i] = 1; stale[i] = (rescue != good && held[i] != good); successor[i] = 0; if :: held[i] == good -> rescue = dead :: else fi
	:: else -> weak[i] = !ADMIN
	fi
}

/* missed is a reset whose reply is not there in time. */
inline missed(i) {
	half[i] = 0; doubt[i] = 1; ours[i] = 1; open[i] = open[i] | (1 << number[i]); newest[i] = number[i]
}

/* arrived is the new secret, whenever its reply comes. */
inline arrived(i) {
	open[i] = open[i] & ~(1 << number[i]); half[i] = 0; secret[i] = reply[i]; wire[i] = quiet; reply[i] = NONE;
	do :: newest[i] != 0 && !has(open[i], newest[i]) -> newest[i]-- :: else -> break od;
	ours[i] = (open[i] != 0); go(i, received)
}

/* next_turn: this authority has not reset the key. */
inline next_turn(i) { turn[i]++; half[i] = 1; untried[i] = 0; go(i, probing) }

/* lock_out tells a person, who should not be told in vain. */
#define knows(j) (secret[j] == srv || (wire[j] == replied && reply[j] == srv))
inline lock_out(i) {
	if :: CHECK_T19 -> MUST(T19, !any(knows) && !has(stored, srv)) :: else fi;
	if :: CHECK_I7 -> MUST(I7, !can_reset(i) || in_vain(i) || (!HEAL && (person != NONE || RIVAL))) :: else fi;
	go(i, lockedOut); told = 1; release(i);
	if :: is(LOCK_CLEARS) -> clear_intent() :: !is(LOCK_CLEARS) && intent == i -> intent = OTHER :: else fi
}

proctype Rotator(byte i) {
	byte g;
	short copy;
end:	do
	/* A flight begins: an intent is recovered first, whoever called. */
	:: atomic { st[i] == idle && begun[i] == nothing && intent == NONE && !shut[i] && rotations > 0 ->
		rotations--; begun[i] = rotate }
	:: atomic { st[i] == idle && begun[i] == nothing && intent != NONE -> begun[i] = recover }
	/* Recover, at start and now and then: the current secret is tried though no intent stands. */
	:: atomic { st[i] == idle && begun[i] == nothing && intent == NONE && PROBE && current != srv -> begun[i] = recover }
	:: atomic { st[i] == idle && begun[i] == nothing && intent == NONE && shut[i] && (current == srv || !PROBE) -> adopt(i); shut[i] = 0 }
	/* T1: the lease, and the keyring and the record agree. A rotation does not wait for the lease. */
	:: atomic { st[i] == idle && begun[i] != nothing && may_take(i) ->
		if
		:: key[i] > current -> /* a person has published it */
			candidates = candidates | (1 << current); current = key[i]; ever = ever | (1 << current)
		:: else -> adopt(i)
		fi;
		take(i); go(i, leased) }
	:: atomic { st[i] == idle && begun[i] == rotate && !may_take(i) -> begun[i] = nothing }
	/* Who had the lease may have done what was to do. */
	:: atomic { st[i] == leased && begun[i] == recover && intent == NONE && current == srv && !is(BLIND_RAISE) ->
		adopt(i); shut[i] = 0; release(i); leave(i, idle) }
	:: atomic { st[i] == leased && begun[i] == recover && (intent != NONE || current != srv || is(BLIND_RAISE)) -> go(i, unknown) }
	/* T2, T3: the preflight wants the session ready; the intent is another's or becomes ours, with a rescue token. */
	:: atomic { st[i] == leased && begun[i] == rotate && holds(i) && intent == NONE && ses[i] == up ->
		renew(i);
		if :: is(INTENT_LATE) :: else -> intent = i; if :: RESCUE -> rescue = good :: else fi fi;
		go(i, prepared) }
	:: atomic { st[i] == leased && begun[i] == rotate && failures > 0 ->
		failures--; if :: holds(i) && intent == NONE -> intent = i :: skip fi; go(i, aborted) }
	:: atomic { st[i] == leased && begun[i] == rotate && (!holds(i) || intent != NONE || ses[i] != up) -> go(i, aborted) }
	/* Arm: a hook may veto; the lease is renewed and the intent stamped in one; the gate is shut. */
	:: atomic { st[i] == prepared -> go(i, aborted) }
	:: atomic { (st[i] == prepared || (st[i] == challenged && half[i])) && holds(i) ->
		half[i] = 0; renew(i); imprint(i);
		if :: is(GATE_NEVER) :: else -> shut[i] = 1 fi;
		go(i, resetting) }
	:: atomic { (st[i] == prepared || (st[i] == challenged && half[i])) && !holds(i) ->
		half[i] = 0; go(i, (again[i] -> unknown : aborted)) }
	/* T4: the reset is sent once. */
	:: atomic { may_send(i) && (turn[i] == 0 && session_can(i) || turn[i] == 1 && (successor[i] || is(TOKEN_FIRST) && held[i] != none)) ->
		MUST(R7, !doubt[i]); send(i) }
	:: atomic { may_send(i) && turn[i] == 0 && !session_can(i) -> if :: again[i] -> next_turn(i) :: else -> go(i, aborted) fi }
	/* The rescue token is refreshed before that, and its successor stored, whoever has the lease. */
	:: atomic { may_send(i) && turn[i] == 1 && held[i] == none && !successor[i] ->
		if
		:: rescue == good -> held[i] = good; if :: GRACE :: else -> rescue = dead fi
		:: rescue == good && losses > 0 -> losses--; printf("the token's successor is lost\n"); if :: GRACE :: else -> rescue = dead fi
		:: rescue != good -> next_turn(i)
		fi }
	:: atomic { may_send(i) && held[i] != none && !is(TOKEN_FIRST) -> keep_token(i); held[i] = none; successor[i] = 1 }
	:: atomic { may_send(i) && held[i] != none && !is(TOKEN_FIRST) && failures > 0 -> failures--; if :: keep_token(i) :: skip fi }
	:: atomic { st[i] == resetting && wire[i] == sent && is(STAMP_LATE) && intent != NONE -> stamp = number[i] }
	/* T5 to T10: it is judged by its reply. */
	:: atomic { st[i] == resetting && wire[i] == replied ->
		arrived(i);
		if :: is(USE_FIRST) -> key[i] = secret[i]; shut[i] = 0 :: else fi }
	:: atomic { st[i] == resetting && wire[i] == demanded ->
		wire[i] = quiet; number[i] = 0; half[i] = 0; shut[i] = again[i]; go(i, challenged) }
	:: atomic { st[i] == resetting && wire[i] == declined ->
		wire[i] = quiet; number[i] = 0; half[i] = 0; if :: again[i] -> next_turn(i) :: else -> go(i, aborted) fi }
	:: atomic { st[i] == resetting && (wire[i] == sent || wire[i] == replied) && losses > 0 ->
		losses--; missed(i); printf("no reply to %d in time\n", i);
		if
		:: is(RESEND) -> abandon(i)
		:: is(LOST_IS_NO) -> abandon(i); open[i] = 0; go(i, aborted)
		:: !is(RESEND) && !is(LOST_IS_NO) -> go(i, unknown)
		fi }
	:: atomic { st[i] == resetting && wire[i] == lost -> wire[i] = quiet; missed(i); number[i] = 0; go(i, unknown) }
	/* The second factor: nothing was executed, the gate is open meanwhile if the old secret works. */
	:: atomic { st[i] == challenged && !half[i] -> answered[i] = 1; half[i] = 1 }
	:: atomic { st[i] == challenged && !half[i] -> if :: again[i] -> next_turn(i) :: else -> go(i, aborted) fi }
	/* T11, T12: whatever the lease says. */
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
	/* T13, T14 */
	:: atomic { st[i] == durable ->
		MUST(R1, has(ever, secret[i]));
		if :: secret[i] == srv -> go(i, verified) :: else -> go(i, unknown) fi }
	/* T15, T20: in the store, if the lease is held and no candidate has come that was not seen, then in the keyring. */
	:: atomic { st[i] == verified && !half[i] && may_promote(i) -> promote(i); half[i] = 1 }
	:: atomic { st[i] == verified && !half[i] && may_promote(i) && failures > 0 -> failures--; if :: promote(i) :: skip fi }
	:: atomic { st[i] == verified && !half[i] && !may_promote(i) -> go(i, unknown) }
	:: atomic { st[i] == verified && half[i] ->
		half[i] = 0; doubt[i] = 0; told = 0; if :: secret[i] > key[i] -> key[i] = secret[i] :: else fi; shut[i] = 0; go(i, promoted) }
	:: atomic { st[i] == promoted -> go(i, reauthing) }
	/* T21, T22: in place, or by itself where the connection is lost. */
	:: atomic { st[i] == reauthing && ses[i] == up ->
		if :: key[i] == srv -> with[i] = key[i]; go(i, settling) :: else -> go(i, degraded) fi }
	:: atomic { st[i] == reauthing && ses[i] != up -> go(i, degraded) }
	/* T23, T24: once nothing can be executed late, the current secret is tried again, and the intent cleared. */
	:: atomic { (st[i] == settling || st[i] == degraded) && open[i] == 0 && !half[i] -> release(i); leave(i, idle) }
	:: atomic { (st[i] == settling || st[i] == degraded) && open[i] == 0 && !half[i] && failures > 0 -> failures--; leave(i, idle) }
	:: atomic { (st[i] == settling || st[i] == degraded) && open[i] != 0 && !half[i] && (over(open[i]) || is(HASTY)) ->
		if :: is(STILL_OPEN) :: else -> waited[i] = newest[i]; open[i] = 0; newest[i] = 0 fi;
		if :: current == srv || is(SETTLE_UNTRIED) -> half[i] = 1 :: else -> shut[i] = 1; go(i, unknown) fi }
	:: atomic { (st[i] == settling || st[i] == degraded) && half[i] && may_settle(i) -> settle(i) }
	:: atomic { (st[i] == settling || st[i] == degraded) && half[i] && may_settle(i) && failures > 0 ->
		failures--; if :: wipe_intent() :: skip fi }
	:: atomic { (st[i] == settling || st[i] == degraded) && half[i] && !may_settle(i) -> half[i] = 0; shut[i] = 1; go(i, unknown) }
	/* Abort: what is our own is undone. */
	:: atomic { st[i] == aborted ->
		MUST(R10, kept(i));
		if :: intent == i || is(ABORT_CLEARS) -> clear_intent() :: else fi; shut[i] = 0; release(i); leave(i, idle) }
	:: atomic { st[i] == aborted && failures > 0 -> failures--; shut[i] = 0; release(i); leave(i, idle) }
	/* Unknown: a late reply is taken while the connection lives that carried the reset. */
	:: atomic { st[i] == unknown && wire[i] == replied -> arrived(i) }
	:: atomic { st[i] == unknown && wire[i] != quiet -> abandon(i) }
	:: atomic { st[i] == unknown && wire[i] == quiet ->
		MUST(R10, kept(i)); half[i] = 0; secret[i] = NONE; again[i] = 0; shut[i] = !is(GATE_UNKNOWN); go(i, probing) }
	/* T16, T17: the lease again, then one secret after the other. */
	:: atomic { st[i] == probing && !half[i] && may_take(i) -> look(i); half[i] = 1 }
	:: atomic { st[i] == probing && half[i] && untried[i] != 0 ->
		for (g : 0 .. 13) { if :: has(untried[i], g) -> break :: else fi };
		untried[i] = untried[i] & ~(1 << g);
		MUST(R1, has(ever, g));
		if :: g == srv -> secret[i] = g; untried[i] = 0; half[i] = 0; go(i, verified) :: else fi; g = 0 }
	/* T18: none works, and somebody may reset the key again. */
	:: atomic { all_refused(i) && may_appeal(i) && (by_session(i) || by_token(i)) && holds(i) ->
		turn[i] = !by_session(i);
		if :: is(UNRAISED) :: else -> intent = i fi;
		renew(i); doubt[i] = 0; again[i] = 1; half[i] = 0; answered[i] = 0; imprint(i); go(i, resetting) }
	:: atomic { all_refused(i) && may_appeal(i) && (by_session(i) || by_token(i)) && !holds(i) -> half[i] = 0 }
	:: atomic { all_refused(i) && !(may_appeal(i) && (by_session(i) || by_token(i))) -> lock_out(i) }
	/* What LockedOutError says: a person resets the key, publishes it, calls Recover. A person does not forget the secret. */
	:: atomic { st[i] == lockedOut && persons > 0 && person != srv -> persons--; execute(); person = srv; key[i] = srv }
	:: atomic { st[i] == lockedOut && person == srv && key[i] != srv -> key[i] = srv }
	:: atomic { st[i] == lockedOut && (key[i] > current || intent == NONE || (stored & ~seen[i]) != 0 || (may_appeal(i) && can_reset(i))) ->
		leave(i, idle) }
	:: atomic { FOLLOW && current > key[i] -> key[i] = current }
	od
}
