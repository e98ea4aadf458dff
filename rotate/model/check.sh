#!/usr/bin/env bash
# Searches rotation.pml, and for the cases that begin with "replace" replacement.pml, exhaustively in each case below, and fails if any
# verdict is another than the one expected.
#
#	check.sh            the small cases: about 80 s of CPU
#	check.sh all        the big ones too
#	check.sh -l 'name'  one case, and the steps that led to what it broke
#
# A verdict is ok, or the promise that broke; cycle, if a run never comes to rest; unfinished, if the search did
# not end. It needs spin and a C compiler (Debian: apt-get install spin gcc).
set -euo pipefail
models=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

# expected verdict | name | definitions
small='
ok   | nothing befalls a rotation                                      |
ok   | no other authority: a reply is lost, tokens kept                | -DLOSSES=1
R2   | no other authority: a reply is lost, tokens revoked             | -DLOSSES=1 -DREVOKE=1
R2   | no other authority: a crash                                     | -DCRASHES=1
ok   | second key: everything befalls one process once                 | -DADMIN=1 -DCRASHES=1 -DLOSSES=1 -DLATE=1 -DFAILURES=1 -DDROPS=1 -DDEMANDS=1 -DREFUSALS=1
ok   | second key: the same, tokens revoked                            | -DADMIN=1 -DCRASHES=1 -DLOSSES=1 -DLATE=1 -DFAILURES=1 -DDROPS=1 -DDEMANDS=1 -DREFUSALS=1 -DREVOKE=1
ok   | second key: two crashes, two losses                             | -DADMIN=1 -DCRASHES=2 -DLOSSES=2 -DLATE=1 -DREVOKE=1
ok   | second key: two processes, crash, loss, late execution          | -DPROCESSES=2 -DADMIN=1 -DCRASHES=1 -DLOSSES=1 -DLATE=1 -DREVOKE=1
ok   | second key: two processes, store fails                          | -DPROCESSES=2 -DADMIN=1 -DCRASHES=1 -DFAILURES=1 -DROTATIONS=2
ok   | second key: two processes, paused holder, a loss                | -DPROCESSES=2 -DADMIN=1 -DEXPIRIES=1 -DLOSSES=1 -DLATE=1
ok   | second key: two processes, paused holder, a loss, two rotations | -DPROCESSES=2 -DADMIN=1 -DEXPIRIES=1 -DLOSSES=1 -DROTATIONS=2 -DCHECK_I7=0
ok   | second key: two processes, paused holder dies                   | -DPROCESSES=2 -DADMIN=1 -DEXPIRIES=1 -DCRASHES=1 -DHEAL=1
ok   | rescue token: tokens kept, one crash                            | -DRESCUE=1 -DCRASHES=1 -DLATE=1 -DFAILURES=1 -DDEMANDS=1
R2   | rescue token: tokens revoked                                    | -DRESCUE=1 -DREVOKE=1 -DLOSSES=1
R2   | rescue token: the reply to its refresh is lost                  | -DRESCUE=1 -DCRASHES=1 -DLOSSES=1
ok   | rescue token: old one good until the new one is used            | -DRESCUE=1 -DGRACE=1 -DCRASHES=2 -DLOSSES=1 -DLATE=1
ok   | rescue token: a session dies with the reset                     | -DRESCUE=1 -DGRACE=1 -DLOSSES=1 -DDROPS=1 -DLATE=1
ok   | rescue token: two processes, crash, loss                        | -DPROCESSES=2 -DRESCUE=1 -DCRASHES=1 -DLOSSES=1
ok   | rescue token: no reset by the key itself is answered             | -DRESCUE=1 -DDEAF=1
ok   | rescue token: the same, two processes, a crash                  | -DPROCESSES=2 -DRESCUE=1 -DGRACE=1 -DDEAF=1 -DCRASHES=1
ok   | second key: resets by the key itself would not be answered      | -DADMIN=1 -DDEAF=1 -DLOSSES=1
T19  | told of a lock-out while a paused holder knows the secret       | -DPROCESSES=2 -DEXPIRIES=1 -DREVOKE=1 -DCRASHES=1 -DCHECK_T19=1
R9   | paused holder resets late (no client can help)                  | -DPROCESSES=2 -DADMIN=1 -DEXPIRIES=1 -DCHECK_R9=2
I7   | paused holder resets late, dies: taken for a foreign reset      | -DPROCESSES=2 -DADMIN=1 -DEXPIRIES=1 -DCRASHES=1 -DCHECK_I7=1
I7   | the second reset is refused by all, though in vain              | -DADMIN=1 -DLOSSES=1 -DREFUSALS=1 -DCHECK_I7=1
ok   | foreign reset: a person is asked                                | -DADMIN=1 -DFOREIGN=1 -DCRASHES=1 -DLOSSES=1
ok   | foreign reset: healed                                           | -DADMIN=1 -DFOREIGN=1 -DHEAL=1 -DCRASHES=1 -DLOSSES=1 -DLATE=1 -DREVOKE=1
ok   | foreign reset: healed by two processes                          | -DPROCESSES=2 -DADMIN=1 -DFOREIGN=1 -DHEAL=1 -DEXPIRIES=1
R14  | foreign reset: two stores heal each other without end           | -DADMIN=1 -DHEAL=1 -DRIVAL=1
ok   | foreign reset: one of two stores heals, the other asks          | -DADMIN=1 -DRIVAL=1
ok   | foreign reset: the same, a crash, a loss, a slow one            | -DADMIN=1 -DRIVAL=2 -DCRASHES=1 -DLOSSES=1 -DLATE=1
ok   | locked out: a person acts                                       | -DCRASHES=1 -DLOSSES=1 -DREVOKE=1 -DPERSONS=1 -DCHECK_R2=0
F32  | settling: a session is refused as the late reset is executed    | -DADMIN=1 -DLOSSES=1 -DLATE=1 -DDROPS=1 -DCHECK_F32=1
ok   | settling: a session that is refused waits for the intent        | -DADMIN=1 -DLOSSES=1 -DLATE=1 -DDROPS=1 -DREREAD=1
ok   | probe off: what is stored is found all the same                 | -DPROBE=0 -DCHECK_R14=0 -DPROCESSES=2 -DADMIN=1 -DEXPIRIES=1 -DCRASHES=1
R14  | probe off: paused holder resets late, then dies                 | -DPROBE=0 -DPROCESSES=2 -DADMIN=1 -DEXPIRIES=1 -DCRASHES=1
F33  | follow off: the other process keeps the old secret              | -DFOLLOW=0 -DPROCESSES=2 -DADMIN=1 -DCHECK_F33=1
F33  | follow on: the other session dials before it has the new secret | -DFOLLOW=1 -DPROCESSES=2 -DADMIN=1 -DDROPS=1 -DCHECK_F33=1
ok   | follow and reread on: sessions of both processes, revoked       | -DFOLLOW=1 -DREREAD=1 -DPROCESSES=2 -DADMIN=1 -DDROPS=1 -DLOSSES=1 -DREVOKE=1
R1   | mutant USE_FIRST                                                | -DMUTANT=USE_FIRST -DADMIN=1 -DDROPS=1
R10  | mutant DROP_LATE                                                | -DMUTANT=DROP_LATE -DPROCESSES=2 -DADMIN=1 -DEXPIRIES=1
R10  | mutant OVERWRITE                                                | -DMUTANT=OVERWRITE -DPROCESSES=2 -DADMIN=1 -DEXPIRIES=1 -DROTATIONS=2
I7   | mutant CLEAR_ALWAYS                                             | -DMUTANT=CLEAR_ALWAYS -DPROBE=0 -DCHECK_R14=0 -DPROCESSES=2 -DADMIN=1 -DEXPIRIES=1 -DCRASHES=1
F32  | mutant GATE_EARLY                                               | -DMUTANT=GATE_EARLY -DADMIN=1 -DDROPS=1
F32  | mutant GATE_NEVER                                               | -DMUTANT=GATE_NEVER -DADMIN=1 -DDROPS=1
F32  | mutant GATE_UNKNOWN                                             | -DMUTANT=GATE_UNKNOWN -DADMIN=1 -DDROPS=1 -DLOSSES=1
R7   | mutant RESEND                                                   | -DMUTANT=RESEND -DADMIN=1 -DLOSSES=1
R9   | mutant LOST_IS_NO                                               | -DMUTANT=LOST_IS_NO -DCHECK_I7=0 -DADMIN=1 -DLOSSES=1
R9   | mutant INTENT_LATE                                              | -DMUTANT=INTENT_LATE -DPROCESSES=2 -DADMIN=1 -DCRASHES=1
R10  | mutant NO_CAS                                                   | -DMUTANT=NO_CAS -DPROCESSES=2 -DADMIN=1 -DEXPIRIES=1 -DROTATIONS=2
I8   | mutant NO_LEASE                                                 | -DMUTANT=NO_LEASE -DCHECK_R9=0 -DPROCESSES=2 -DADMIN=1 -DEXPIRIES=1 -DROTATIONS=2
R9   | mutant ABORT_CLEARS                                             | -DMUTANT=ABORT_CLEARS -DCHECK_I7=0 -DPROCESSES=2 -DADMIN=1 -DCRASHES=1 -DROTATIONS=2
R10  | mutant GIVE_UP                                                  | -DMUTANT=GIVE_UP -DADMIN=1 -DFAILURES=1
T19  | mutant FIRST_ONLY                                               | -DMUTANT=FIRST_ONLY -DCHECK_R2=0 -DCHECK_I7=0 -DCRASHES=1
R9   | mutant LOCK_CLEARS                                              | -DMUTANT=LOCK_CLEARS -DLOSSES=1 -DREVOKE=1 -DCHECK_R2=0
I7   | mutant CANDIDATE_ONLY                                           | -DMUTANT=CANDIDATE_ONLY -DPROBE=0 -DCHECK_R14=0 -DPROCESSES=2 -DADMIN=1 -DEXPIRIES=1 -DCRASHES=1
R9   | mutant CLEAR_OPEN                                               | -DMUTANT=CLEAR_OPEN -DCHECK_I7=0 -DADMIN=1 -DLOSSES=1 -DLATE=1
R9   | mutant NO_STAMP, executed late                                  | -DMUTANT=NO_STAMP -DCHECK_I7=0 -DADMIN=1 -DCRASHES=1 -DLATE=1
I7   | mutant NO_STAMP, crash after the reset                          | -DMUTANT=NO_STAMP -DADMIN=1 -DCRASHES=1
R9   | mutant STAMP_LATE                                               | -DMUTANT=STAMP_LATE -DCHECK_I7=0 -DADMIN=1 -DCRASHES=1 -DLATE=1
R9   | mutant STAMP_LOST                                               | -DMUTANT=STAMP_LOST -DCHECK_I7=0 -DADMIN=1 -DCRASHES=2 -DLATE=1
I7   | mutant NO_SECOND                                                | -DMUTANT=NO_SECOND -DADMIN=1 -DLOSSES=1
R9   | mutant SECOND_UNSAID                                            | -DMUTANT=SECOND_UNSAID -DCHECK_I7=0 -DADMIN=1 -DLOSSES=1 -DCRASHES=1 -DLATE=1
R9   | mutant UNRAISED                                                 | -DMUTANT=UNRAISED -DADMIN=1 -DFOREIGN=1 -DHEAL=1 -DCRASHES=1 -DCHECK_I7=0
cycle| mutant BLIND_RAISE                                              | -DLIVE -DMUTANT=BLIND_RAISE -DPROCESSES=2 -DADMIN=1 -DCRASHES=1
R9   | mutant HASTY                                                    | -DMUTANT=HASTY -DCHECK_I7=0 -DADMIN=1 -DLOSSES=1 -DLATE=1
R9   | mutant SETTLE_UNTRIED                                           | -DMUTANT=SETTLE_UNTRIED -DCHECK_I7=0 -DADMIN=1 -DLOSSES=1 -DLATE=1
I7   | mutant SETTLE_BLIND                                             | -DMUTANT=SETTLE_BLIND -DPROBE=0 -DCHECK_R14=0 -DPROCESSES=2 -DADMIN=1 -DEXPIRIES=1 -DCRASHES=1
R9   | mutant SETTLE_ANYHOW                                            | -DMUTANT=SETTLE_ANYHOW -DPROCESSES=2 -DADMIN=1 -DEXPIRIES=1 -DLOSSES=1 -DROTATIONS=2 -DCHECK_I7=0
R2   | mutant TOKEN_FIRST                                              | -DMUTANT=TOKEN_FIRST -DRESCUE=1 -DGRACE=1 -DCRASHES=2
I7   | mutant FIRST_AUTHORITY                                          | -DMUTANT=FIRST_AUTHORITY -DRESCUE=1 -DGRACE=1 -DLOSSES=1 -DDROPS=1
R14  | mutant STILL_OPEN                                               | -DMUTANT=STILL_OPEN -DADMIN=1 -DRIVAL=2 -DLOSSES=1
R14  | mutant STAMP_STAYS                                              | -DMUTANT=STAMP_STAYS -DADMIN=1 -DRIVAL=1
R14  | mutant ENDLESS                                                  | -DMUTANT=ENDLESS -DRESCUE=1 -DGRACE=1 -DDEAF=1
ok   | liveness: one process, everything befalls it                    | -DLIVE -DADMIN=1 -DCRASHES=1 -DLOSSES=1 -DLATE=1 -DFAILURES=1 -DDROPS=1
ok   | liveness: tokens revoked, two losses                            | -DLIVE -DADMIN=1 -DREVOKE=1 -DCRASHES=1 -DLOSSES=2 -DLATE=1 -DFAILURES=1
ok   | liveness: rescue token                                          | -DLIVE -DRESCUE=1 -DGRACE=1 -DCRASHES=2 -DLOSSES=1
ok   | liveness: no reset by the key itself is answered                 | -DLIVE -DRESCUE=1 -DDEAF=1
ok   | liveness: two processes, crash and loss                         | -DLIVE -DPROCESSES=2 -DADMIN=1 -DCRASHES=1 -DLOSSES=1
ok   | liveness: two processes, paused holder                          | -DLIVE -DPROCESSES=2 -DADMIN=1 -DEXPIRIES=1
ok   | liveness: two processes heal a foreign reset                    | -DLIVE -DPROCESSES=2 -DADMIN=1 -DFOREIGN=1 -DHEAL=1
cycle| liveness: probe off, paused holder resets late, then dies       | -DLIVE -DCHECK_R14=0 -DPROBE=0 -DPROCESSES=2 -DADMIN=1 -DEXPIRIES=1 -DCRASHES=1
ok   | replace: nothing befalls it                                     |
ok   | replace: no other key, everything befalls one process once      | -DCRASHES=1 -DLOSSES=1 -DLATE=1 -DDROPS=1 -DDUDS=1 -DFAILURES=1
ok   | replace: second key, everything befalls one process once        | -DADMIN=1 -DCRASHES=1 -DLOSSES=1 -DLATE=1 -DDROPS=1 -DDUDS=1 -DFAILURES=1
ok   | replace: the old key dies meanwhile                             | -DADMIN=1 -DFOREIGN=1 -DCRASHES=1 -DLOSSES=1 -DDROPS=1 -DFAILURES=1
ok   | replace: two processes, two replacements, crash, late creation  | -DPROCESSES=2 -DREPLACEMENTS=2 -DCRASHES=1 -DLOSSES=1 -DLATE=1 -DDROPS=1
ok   | replace: two processes, paused holder, late creation            | -DPROCESSES=2 -DEXPIRIES=1 -DLOSSES=1 -DLATE=1 -DDROPS=1
ok   | replace: the same, store fails                                  | -DPROCESSES=2 -DADMIN=1 -DEXPIRIES=1 -DLOSSES=1 -DLATE=1 -DFAILURES=1
R14  | replace: paused holder creates late, then dies                  | -DPROCESSES=2 -DADMIN=1 -DEXPIRIES=1 -DCRASHES=1
R14  | replace: the same, another replacement has begun                | -DPROCESSES=2 -DADMIN=1 -DEXPIRIES=1 -DLOSSES=1 -DLATE=1 -DREPLACEMENTS=2
R1   | replace: mutant USE_FIRST                                       | -DMUTANT=USE_FIRST -DADMIN=1 -DDROPS=1
R14  | replace: mutant NAME_LATE                                       | -DMUTANT=NAME_LATE -DCRASHES=1
R14  | replace: mutant LOST_IS_NO                                      | -DMUTANT=LOST_IS_NO -DLOSSES=1
R14  | replace: mutant HASTY                                           | -DMUTANT=HASTY -DLOSSES=1 -DLATE=1
ok   | replace: UNPROVED does no harm, for the old key comes back      | -DMUTANT=UNPROVED -DADMIN=1 -DDUDS=1 -DCRASHES=1 -DLOSSES=1
F32  | replace: mutant NO_RETURN                                       | -DMUTANT=NO_RETURN -DADMIN=1 -DDUDS=1
F32  | replace: mutant REMOVE_FIRST                                    | -DMUTANT=REMOVE_FIRST
F32  | replace: mutant NO_OVERLAP                                      | -DMUTANT=NO_OVERLAP -DPROCESSES=2
R14  | replace: mutant FORGET                                          | -DMUTANT=FORGET
R14  | replace: mutant FORGET_ANYHOW                                   | -DMUTANT=FORGET_ANYHOW -DLOSSES=1
OURS  | replace: mutant ANY_KEY                                         | -DMUTANT=ANY_KEY -DLOSSES=1
R14  | replace: mutant BLIND                                           | -DMUTANT=BLIND -DPROCESSES=2 -DREPLACEMENTS=2 -DCRASHES=1
R14  | replace: mutant NO_UNDO                                         | -DMUTANT=NO_UNDO -DPROCESSES=2 -DEXPIRIES=1
R14  | replace: mutant NO_RAISE                                        | -DMUTANT=NO_RAISE -DPROCESSES=2 -DEXPIRIES=1 -DLOSSES=1 -DLATE=1
R14  | replace: mutant NO_LOOK                                         | -DMUTANT=NO_LOOK -DPROCESSES=2 -DEXPIRIES=1 -DLOSSES=1 -DLATE=1
ok   | replace: liveness, one process                                  | -DLIVE -DADMIN=1 -DCRASHES=1 -DLOSSES=1 -DLATE=1 -DDROPS=1 -DDUDS=1 -DFAILURES=1
ok   | replace: liveness, two processes, paused holder                 | -DLIVE -DADMIN=1 -DPROCESSES=2 -DEXPIRIES=1 -DLOSSES=1 -DLATE=1 -DDROPS=1
'
big='
ok   | big: one process, everything befalls it, losses twice           | -DADMIN=1 -DCRASHES=1 -DLOSSES=2 -DLATE=1 -DFAILURES=1 -DDROPS=1 -DDEMANDS=1 -DREFUSALS=1 -DREVOKE=1
ok   | big: one process, two rotations, two crashes, two losses        | -DADMIN=1 -DCRASHES=2 -DLOSSES=2 -DLATE=1 -DREVOKE=1 -DROTATIONS=2
ok   | big: two processes, all but expiry                              | -DPROCESSES=2 -DADMIN=1 -DCRASHES=1 -DLOSSES=1 -DLATE=1 -DFAILURES=1 -DDROPS=1
ok   | big: two processes, paused holder, crash, loss, tokens revoked  | -DPROCESSES=2 -DADMIN=1 -DEXPIRIES=1 -DCRASHES=1 -DLOSSES=1 -DREVOKE=1 -DHEAL=1
ok   | big: two processes, two rotations, two crashes, late execution  | -DPROCESSES=2 -DADMIN=1 -DCRASHES=2 -DLOSSES=1 -DLATE=1 -DREVOKE=1 -DROTATIONS=2
ok   | big: two processes, rescue token                                | -DPROCESSES=2 -DRESCUE=1 -DGRACE=1 -DCRASHES=2 -DLATE=1
ok   | big: sessions follow                                            | -DFOLLOW=1 -DREREAD=1 -DPROCESSES=2 -DADMIN=1 -DCRASHES=1 -DLOSSES=1 -DLATE=1 -DDROPS=1 -DREVOKE=1
'

# The model that a case is of.
model() { case $1 in replace:*) echo "$models/replacement.pml" ;; *) echo "$models/rotation.pml" ;; esac; }

# Runs one case in a directory of its own and prints its verdict, states and seconds.
search() {
	local dir=$1 model=$2 begun=$SECONDS verdict states search=(-E) build=(-DSAFETY)
	shift 2
	mkdir -p "$dir" && cd "$dir"
	[[ " $* " == *" -DLIVE "* ]] && search=(-a) build=(-DNOFAIR)
	spin "$@" -a "$model" >build.log
	"${CC:-cc}" "$optimise" -w -DCOLLAPSE -DVECTORSZ=2048 -DMEMLIM=6000 "${build[@]}" -o pan pan.c
	./pan "${search[@]}" -m4000000 -w22 >pan.log 2>&1 || true
	states=$(awk '/states, stored/ {print $1}' pan.log)
	if grep -q 'acceptance cycle' pan.log; then
		verdict=cycle
	elif [ -f "${model##*/}.trail" ]; then
		spin "$@" -t -p -g -k "${model##*/}.trail" "$model" >steps.log || true
		verdict=$(sed -n 's/^[[:space:]]*broken = //p' steps.log | tail -1)
	elif grep -q 'errors: 0' pan.log && ! grep -Eq 'Search not completed|max search depth|out of memory' pan.log; then
		verdict=ok
	fi
	echo "${verdict:-unfinished} ${states:-0} $((SECONDS - begun))"
}

trim() { sed 's/^ *//; s/ *$//' <<<"$1"; }

# Runs the case of a line, and says whether its verdict is the expected one.
check() {
	local want name flags verdict states took mark=ok
	IFS='|' read -r want name flags <<<"$1"
	want=$(trim "$want") name=$(trim "$name")
	read -ra flags <<<"$flags"
	read -r verdict states took < <(search "$work/${name//[^a-zA-Z0-9]/_}" "$(model "$name")" "${flags[@]}")
	[ "$verdict" = "$want" ] || mark="WRONG, expected $want"
	printf '%-10s %9s states %4s s  %s: %s\n' "$verdict" "$states" "$took" "$name" "$mark"
	[ "$mark" = ok ]
}

# Replays the steps that led to what a case broke.
show() {
	local line flags model
	model=$(model "$1")
	line=$(grep -F "| $1 " <<<"$small$big") || fail "no such case: $1"
	IFS='|' read -r _ _ flags <<<"$line"
	read -ra flags <<<"$flags"
	check "$line" || true
	cd "$work"/*/
	[ -f "${model##*/}.trail" ] || return 0
	spin "${flags[@]}" -t -T -B -k "${model##*/}.trail" "$model" | grep -v '^spin: '
}

fail() {
	echo "$*" >&2
	exit 1
}

for tool in spin "${CC:-cc}"; do
	command -v "$tool" >/dev/null || fail "the model needs $tool (Debian: apt-get install spin gcc)"
done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
optimise=-O0 # the compiler takes longer than most searches
export models work optimise
export -f model search trim check
cases=$small
case ${1:-} in
'') ;;
all) cases+=$big optimise=-O2 ;;
-l) show "${2:?which case?}" && exit ;;
*) fail "usage: check.sh [all | -l name]" ;;
esac
# shellcheck disable=SC2016 # the inner shell expands
grep -v '^$' <<<"$cases" | tr '\n' '\0' | xargs -0 -P 2 -n 1 bash -c 'check "$1"' check || fail "verdicts differ"
