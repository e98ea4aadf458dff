/* What a process does to the store's record. Each is one compare-and-swap, or a part of one. */

#define holds(i) (lease == i)
#define may_take(i) (lease == NONE || lease == OTHER || lease == i || expired)
inline take(i) { lease = i; expired = false }
inline renew(i) { expired = false }
inline release(i) { if :: holds(i) -> lease = NONE; expired = false :: else fi }

/* raise sees to it that an intent stands, and that it knows of the resets that may yet be executed. */
inline raise(i) {
	if :: intent == NONE -> intent = i :: else fi;
	if :: open[i] != 0 && newest[i] > stamp -> stamp = newest[i] :: else fi
}

/* imprint says in the intent that a reset is sent from now on. */
inline imprint(i) { clock++; assert(clock < 14); if :: is(STAMP_LATE) || ((is(SECOND_UNSAID) || is(UNRAISED)) && again[i]) :: else -> stamp = clock fi }

#define forget(j) successor[j] = 0
#define still(j) (wire[j] == quiet && open[j] == 0)
inline wipe_intent() { intent = NONE; stamp = 0; rescue = none; each(forget) }
inline clear_intent() {
	wipe_intent();
	if :: late == 0 && all(still) -> clock = 0 :: else fi  /* the numbers begin anew */
}

/* learn takes in what the intent says of resets. */
inline learn(i) {
	if
	:: stamp > waited[i] && !is(NO_STAMP) ->
		ours[i] = 1;
		if
		:: open[i] = open[i] | upto(stamp); newest[i] = (newest[i] > stamp -> newest[i] : stamp)
		:: over(upto(stamp))  /* it is older than T_q */
		fi
	:: else
	fi
}

/* look takes the lease again and raises the intent; what the record says is what is known now. */
inline look(i) {
	take(i);
	if :: is(STAMP_LOST) -> intent = i; stamp = newest[i] :: is(UNRAISED) :: !is(STAMP_LOST) && !is(UNRAISED) -> raise(i) fi;
	learn(i);
	seen[i] = stored; turn[i] = 0; held[i] = none; successor[i] = 0;
	untried[i] = (is(FIRST_ONLY) -> (1 << current) : stored)
}

/* add appends what was received, whoever has the lease. */
inline add(i) {
	printf("store: candidate %d\n", secret[i]); candidates = candidates | (1 << secret[i]); ever = ever | (1 << secret[i]);
	if :: stamp == number[i] && !is(STAMP_STAYS) -> stamp = newest[i] :: else fi; number[i] = 0;  /* that one has been answered */
	if :: is(CANDIDATE_ONLY) :: else -> raise(i) fi
}

/* May the verified secret become the current one? Not if another was added after the candidates were read. */
#define unseen(i) ((candidates & ~seen[i]) != 0)
#define may_promote(i) ((holds(i) || is(NO_LEASE)) && (is(OVERWRITE) || is(CLEAR_ALWAYS) || !unseen(i)))

/* promote drops candidates that are older than a day, or are not that old yet. Where a reset may yet be executed the intent stays. */
inline promote(i) {
	MUST(I8, secret[i] >= current);
	if :: is(OVERWRITE) -> candidates = 0 :: candidates = candidates & ~seen[i] :: candidates = candidates & ~(1 << secret[i]) fi;
	current = secret[i]; printf("store: current is %d\n", current);
	if :: open[i] != 0 && !is(CLEAR_OPEN) -> ours[i] = 1; raise(i) :: else -> open[i] = 0; ours[i] = 0; clear_intent() fi;
	MUST(R10, !has(ever, srv) || has(stored, srv))
}

inline keep_token(i) { raise(i); rescue = held[i] }

/* settle clears the intent that promote has left. */
#define may_settle(i) ((holds(i) || is(SETTLE_ANYHOW)) && (!unseen(i) || is(SETTLE_BLIND)))
inline settle(i) { open[i] = 0; ours[i] = 0; clear_intent(); release(i); leave(i, idle) }

/* What a rotation leaves behind is another's from now on; a lease that it could not release expires. */
inline leave(i, to) {
	if :: lease == i -> lease = OTHER; expired = 0 :: else fi;
	if :: intent == i -> intent = OTHER :: else fi;
	begun[i] = nothing; half[i] = 0; secret[i] = NONE; seen[i] = 0; untried[i] = 0; doubt[i] = 0; open[i] = 0; newest[i] = 0; waited[i] = 0; number[i] = 0;
	ours[i] = 0; again[i] = 0; weak[i] = 0; stale[i] = 0; turn[i] = 0; held[i] = none; successor[i] = 0; answered[i] = 0; go(i, to)
}
