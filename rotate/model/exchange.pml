/* The exchange, and the way to it. It gives out secrets by number: srv == 3 means that it takes secret 3 alone. */
byte srv = 0;                /* the secret that it takes */
byte fresh = 1;              /* the one that it gives out next */
byte person = NONE;          /* the secret that a person has from the website */

/* Resets are numbered in the order of their stamps, which is that of time. */
byte clock = 0;              /* the newest */
short late = 0;              /* a set: those that nobody waits for any longer, and that may yet be executed */

/* Resets on the way there and back, one of each process. */
mtype:wire = { quiet, sent, replied, demanded, declined, lost };
mtype:wire wire[PROCESSES] = quiet;
byte number[PROCESSES];
byte reply[PROCESSES] = NONE;
bool weak[PROCESSES];        /* it is sent with a token of the key itself */
bool stale[PROCESSES];       /* which is dead */
bool astray = false;         /* one was sent by a process that was paused and has lost the lease */

/* The rescue token: the one in the intent, and the successor that a process has got for it. */
mtype:token = { none, good, dead };
mtype:token rescue = none;
mtype:token held[PROCESSES] = none;
bool successor[PROCESSES];   /* the intent's is the one before */

/* Sessions. */
mtype:session = { down, asking, refused, up, ended };
mtype:session ses[PROCESSES] = up;
byte with[PROCESSES] = 0;    /* the secret that it has authenticated with, or is about to */

#define end_tokens(j) \
	stale[j] = 1; \
	if :: ses[j] == up -> ses[j] = down :: else fi; \
	if :: held[j] == good -> held[j] = dead :: else fi
inline execute() {
	srv = fresh; fresh++; printf("exchange: secret %d\n", srv); MUST(R14, fresh < OTHER);
	if :: REVOKE -> each(end_tokens); if :: rescue == good -> rescue = dead :: else fi :: else fi
}

/* abandon is the end of a connection, or of the wait for a reply: what was sent is executed now, later or never. */
inline abandon(i) {
	if
	:: wire[i] == sent -> if :: skip :: execute() :: LATE -> late = late | (1 << number[i]) fi
	:: else
	fi;
	wire[i] = quiet; reply[i] = NONE; number[i] = 0
}

/* Is nothing of a set of resets left that could be executed? */
#define over(set) ((late & (set)) == 0 && (wire[0] != sent || !has(set, number[0])) && over_there(set))
#if PROCESSES == 1
#define over_there(set) 1
#else
#define over_there(set) (wire[1] != sent || !has(set, number[1]))
#endif

#define hang_up(k) if :: ses[k] == up -> ses[k] = down :: else fi
#define CARRY(j) \
	:: atomic { wire[j] == sent && !(weak[j] && stale[j]) -> execute(); \
		if :: DEAF && weak[j] -> each(hang_up); wire[j] = lost :: else -> reply[j] = srv; wire[j] = replied fi } \
	:: atomic { wire[j] == sent && weak[j] && stale[j] -> wire[j] = declined } \
	:: atomic { wire[j] == sent && demands > 0 && !answered[j] -> demands--; wire[j] = demanded } \
	:: atomic { wire[j] == sent && refusals > 0 -> refusals--; wire[j] = declined }

active proctype Net() {
	byte n;
end:	do
	CARRY(0)
#if PROCESSES > 1
	CARRY(1)
#endif
	:: atomic { late != 0 ->
		n = 1; do :: has(late, n) -> break :: (late >> (n + 1)) != 0 -> n++ od;
		late = late & ~(1 << n);
		if :: execute(); printf("it was reset %d, executed late\n", n) :: printf("reset %d is gone\n", n) fi;
		n = 0 }
	od
}

#if RIVAL
/* Rival is another program with another store and an authority of its own, that takes our resets for foreign ones and heals them. */
#define long_done(j) (st[j] == idle || st[j] == settling || st[j] == lockedOut)
active proctype Rival() {
	byte theirs = 0;
end:	do
	:: atomic { theirs != srv && (RIVAL == 1 || all(long_done)) -> execute(); theirs = srv }
	od
}
#endif
