/* ---- what befalls them ---- */

inline crash(i) {
	printf("process %d dies\n", i);
	abandon(i); leave(i, idle);
	ses[i] = down; with[i] = NONE; key[i] = current; shut[i] = 1  /* Recover comes before any session */
}
inline drop(i) {
	printf("session %d loses its connection\n", i);
	ses[i] = down;
	if
	:: !ADMIN && (wire[i] == sent || wire[i] == replied) && turn[i] == 0 -> /* and the reset with it */
		if :: wire[i] == sent -> if :: skip :: execute() :: LATE -> late = late | (1 << number[i]) fi :: else fi;
		reply[i] = NONE; wire[i] = lost
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
	:: atomic { foreign > 0 -> foreign--; printf("a person resets the key\n"); execute(); person = srv }
	:: break
	od
}

/* ---- what must hold ---- */

#define is_up(j) (ses[j] == up)
#define at_rest(j) (st[j] == idle && !shut[j])
#define has_it(j) (ses[j] == up && with[j] == srv)
#define has_token(j) (held[j] == good)
#define reachable (ADMIN || rescue == good || any(has_token) || has(stored, srv) || person == srv || any(is_up) || any(knows))
#define settled (current == srv && intent == NONE && late == 0 && all(at_rest))

active proctype Monitor() {
end:	do
	:: atomic { CHECK_R2 && !reachable -> MUST(R2, false) }
	:: atomic { CHECK_R9 && intent == NONE && current != srv && srv != person && (CHECK_R9 > 1 || !astray) -> MUST(R9, false) }
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
