#!/usr/bin/env bash
# Searches rotation.pml exhaustively in each case below, and fails if any verdict is another than the one expected.
#
#	check.sh            the small cases: 40 s of CPU
#	check.sh all        the big ones too
#	check.sh -l 'name'  one case, and the steps that led to what it broke
#
# A verdict is ok, or the promise that broke; cycle, if a run never comes to rest; unfinished, if the search did
# not end. It needs spin and a C compiler (Debian: apt-get install spin gcc).
set -euo pipefail
model=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)/rotation.pml

# expected verdict | name | definitions
small='
ok   | nothing befalls a rotation                                      |
ok   | as it stands: one reply lost, tokens kept                       | -DLOSSES=1
R2   | as it stands: one reply lost, tokens revoked                    | -DLOSSES=1 -DREVOKE=1
R2   | as it stands: one crash, nobody else can reset                  | -DCRASHES=1
ok   | as it stands: admin key, everything befalls it                  | -DADMIN=1 -DCRASHES=2 -DLOSSES=2 -DFAILURES=2 -DDROPS=2 -DDEMANDS=1 -DREFUSALS=1 -DROTATIONS=2
ok   | the same, tokens revoked                                        | -DADMIN=1 -DCRASHES=2 -DLOSSES=2 -DFAILURES=2 -DDROPS=2 -DDEMANDS=1 -DREFUSALS=1 -DROTATIONS=2 -DREVOKE=1
ok   | as it stands: locked out, a person acts                         | -DADMIN=1 -DCRASHES=2 -DLOSSES=1 -DREVOKE=1 -DPERSONS=1
ok   | as it stands: two processes, crash and loss                     | -DPROCESSES=2 -DADMIN=1 -DCRASHES=2 -DLOSSES=1 -DROTATIONS=2
ok   | as it stands: two processes, store fails                        | -DPROCESSES=2 -DADMIN=1 -DCRASHES=1 -DFAILURES=1 -DROTATIONS=2
ok   | as it stands: two processes, paused holder                      | -DPROCESSES=2 -DADMIN=1 -DEXPIRIES=2 -DROTATIONS=2
T19  | as it stands: a lock-out is told while a paused holder knows    | -DPROCESSES=2 -DADMIN=1 -DEXPIRIES=1 -DCHECK_T19=1
R9   | as it stands: paused holder resets late (no client can help)    | -DPROCESSES=2 -DADMIN=1 -DEXPIRIES=1 -DCHECK_R9=1
I7   | reset again off: admin key, one reply lost                      | -DRESET_AGAIN=0 -DADMIN=1 -DLOSSES=1 -DCHECK_I7=1
ok   | reset again on: admin key, everything befalls it                | -DRESET_AGAIN=1 -DCHECK_I7=1 -DADMIN=1 -DCRASHES=2 -DLOSSES=2 -DFAILURES=1 -DDROPS=1 -DDEMANDS=1 -DREFUSALS=1 -DREVOKE=1
ok   | reset again on: rescue token, tokens kept                       | -DRESET_AGAIN=1 -DCHECK_I7=1 -DRESCUE=1 -DCRASHES=1 -DLOSSES=2 -DFAILURES=1 -DDROPS=1 -DDEMANDS=1 -DREFUSALS=1
R2   | reset again on: rescue token, tokens revoked                    | -DRESET_AGAIN=1 -DRESCUE=1 -DREVOKE=1 -DLOSSES=1
R9   | quarantine off: a request is executed late                      | -DQUARANTINE=0 -DLATE=1 -DADMIN=1 -DLOSSES=1 -DCRASHES=1 -DCHECK_R9=1
ok   | quarantine on: a request is executed late                       | -DQUARANTINE=1 -DLATE=1 -DADMIN=1 -DLOSSES=1 -DCRASHES=1 -DCHECK_R9=1 -DCHECK_T19=1
I7   | raise off: paused holder stores a candidate, then dies          | -DRAISE=0 -DPROCESSES=2 -DADMIN=1 -DEXPIRIES=1 -DCRASHES=1 -DCHECK_R14=0
ok   | raise on: paused holder stores a candidate, then dies           | -DRAISE=1 -DPROCESSES=2 -DADMIN=1 -DEXPIRIES=1 -DCRASHES=1 -DCHECK_R14=0
R14  | probe off: paused holder resets late, then dies                 | -DPROBE=0 -DRAISE=1 -DPROCESSES=2 -DADMIN=1 -DEXPIRIES=1 -DCRASHES=1
ok   | probe on: paused holder resets late, then dies                  | -DPROBE=1 -DRAISE=1 -DPROCESSES=2 -DADMIN=1 -DEXPIRIES=1 -DCRASHES=1
F33  | follow off: the other process keeps the old secret              | -DFOLLOW=0 -DPROCESSES=2 -DADMIN=1 -DCHECK_F33=1
F33  | follow on: the other session dials before it has the new secret | -DFOLLOW=1 -DPROCESSES=2 -DADMIN=1 -DDROPS=1 -DCHECK_F33=1
ok   | follow and reread on: sessions of both processes, revoked       | -DFOLLOW=1 -DREREAD=1 -DPROCESSES=2 -DADMIN=1 -DDROPS=1 -DCRASHES=1 -DLOSSES=1 -DREVOKE=1
ok   | all on: two processes, everything befalls them once             | -DRESET_AGAIN=1 -DQUARANTINE=1 -DPROBE=1 -DRAISE=1 -DPROCESSES=2 -DADMIN=1 -DEXPIRIES=1 -DCRASHES=1 -DLOSSES=1 -DLATE=1 -DREVOKE=1
R1   | mutant USE_FIRST                                                | -DMUTANT=USE_FIRST -DADMIN=1 -DDROPS=1
R10  | mutant DROP_LATE                                                | -DMUTANT=DROP_LATE -DPROCESSES=2 -DADMIN=1 -DEXPIRIES=1
R10  | mutant OVERWRITE                                                | -DMUTANT=OVERWRITE -DPROCESSES=2 -DADMIN=1 -DEXPIRIES=1 -DROTATIONS=2
I7   | mutant CLEAR_ALWAYS                                             | -DMUTANT=CLEAR_ALWAYS -DRAISE=1 -DPROCESSES=2 -DADMIN=1 -DEXPIRIES=1 -DCRASHES=1 -DCHECK_R14=0
F32  | mutant GATE_EARLY                                               | -DMUTANT=GATE_EARLY -DADMIN=1 -DDROPS=1
F32  | mutant GATE_NEVER                                               | -DMUTANT=GATE_NEVER -DADMIN=1 -DDROPS=1
F32  | mutant GATE_UNKNOWN                                             | -DMUTANT=GATE_UNKNOWN -DADMIN=1 -DDROPS=1 -DLOSSES=1
R7   | mutant RESEND                                                   | -DMUTANT=RESEND -DADMIN=1 -DLOSSES=1
R9   | mutant LOST_IS_NO                                               | -DMUTANT=LOST_IS_NO -DADMIN=1 -DLOSSES=1
R9   | mutant INTENT_LATE                                              | -DMUTANT=INTENT_LATE -DPROCESSES=2 -DADMIN=1 -DCRASHES=1
R10  | mutant NO_CAS                                                   | -DMUTANT=NO_CAS -DPROCESSES=2 -DADMIN=1 -DEXPIRIES=1 -DROTATIONS=2
I8   | mutant NO_LEASE                                                 | -DMUTANT=NO_LEASE -DPROCESSES=2 -DADMIN=1 -DEXPIRIES=1 -DROTATIONS=2
R9   | mutant ABORT_CLEARS                                             | -DMUTANT=ABORT_CLEARS -DPROCESSES=2 -DADMIN=1 -DCRASHES=1 -DROTATIONS=2
R10  | mutant GIVE_UP                                                  | -DMUTANT=GIVE_UP -DADMIN=1 -DFAILURES=1
T19  | mutant FIRST_ONLY                                               | -DMUTANT=FIRST_ONLY -DADMIN=1 -DCRASHES=1
R9   | mutant LOCK_CLEARS                                              | -DMUTANT=LOCK_CLEARS -DADMIN=1 -DLOSSES=1
ok   | liveness: one process, everything befalls it                    | -DLIVE -DADMIN=1 -DCRASHES=1 -DLOSSES=1 -DFAILURES=1 -DDROPS=1 -DDEMANDS=1 -DREFUSALS=1
ok   | liveness: reset again on, tokens revoked                        | -DLIVE -DRESET_AGAIN=1 -DADMIN=1 -DREVOKE=1 -DCRASHES=1 -DLOSSES=2 -DFAILURES=1
ok   | liveness: two processes, crash and loss                         | -DLIVE -DPROCESSES=2 -DADMIN=1 -DCRASHES=1 -DLOSSES=1
ok   | liveness: two processes, paused holder                          | -DLIVE -DPROCESSES=2 -DADMIN=1 -DEXPIRIES=1
cycle| liveness: probe off, paused holder resets late, then dies       | -DLIVE -DCHECK_R14=0 -DPROBE=0 -DRAISE=1 -DPROCESSES=2 -DADMIN=1 -DEXPIRIES=1 -DCRASHES=1
'
big='
ok   | big: as it stands, two processes, all but expiry                | -DPROCESSES=2 -DADMIN=1 -DCRASHES=2 -DLOSSES=2 -DFAILURES=1 -DDROPS=1 -DDEMANDS=1 -DROTATIONS=2
ok   | big: all on, two processes, tokens revoked                      | -DRESET_AGAIN=1 -DQUARANTINE=1 -DPROBE=1 -DRAISE=1 -DPROCESSES=2 -DADMIN=1 -DEXPIRIES=1 -DCRASHES=1 -DLOSSES=1 -DREVOKE=1 -DROTATIONS=2
ok   | big: all on, two processes, sessions follow                     | -DFOLLOW=1 -DREREAD=1 -DRESET_AGAIN=1 -DQUARANTINE=1 -DPROCESSES=2 -DADMIN=1 -DCRASHES=1 -DLOSSES=1 -DDROPS=1 -DFAILURES=1 -DREVOKE=1 -DROTATIONS=2
'

# Runs one case in a directory of its own and prints its verdict, states and seconds.
search() {
	local dir=$1 begun=$SECONDS verdict states search=(-E) build=(-DSAFETY)
	shift
	mkdir -p "$dir" && cd "$dir"
	[[ " $* " == *" -DLIVE "* ]] && search=(-a) build=(-DNOFAIR)
	spin "$@" -a "$model" >build.log
	"${CC:-cc}" "$optimise" -w -DCOLLAPSE -DVECTORSZ=2048 -DMEMLIM=6000 "${build[@]}" -o pan pan.c
	./pan "${search[@]}" -m4000000 -w22 >pan.log 2>&1 || true
	states=$(awk '/states, stored/ {print $1}' pan.log)
	if grep -q 'acceptance cycle' pan.log; then
		verdict=cycle
	elif [ -f rotation.pml.trail ]; then
		spin "$@" -t -p -g -k rotation.pml.trail "$model" >steps.log || true
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
	read -r verdict states took < <(search "$work/${name//[^a-zA-Z0-9]/_}" "${flags[@]}")
	[ "$verdict" = "$want" ] || mark="WRONG, expected $want"
	printf '%-10s %9s states %4s s  %s: %s\n' "$verdict" "$states" "$took" "$name" "$mark"
	[ "$mark" = ok ]
}

# Replays the steps that led to what a case broke.
show() {
	local line flags
	line=$(grep -F "| $1 " <<<"$small$big") || fail "no such case: $1"
	IFS='|' read -r _ _ flags <<<"$line"
	read -ra flags <<<"$flags"
	check "$line" || true
	cd "$work"/*/
	[ -f rotation.pml.trail ] || return 0
	spin "${flags[@]}" -t -T -B -k rotation.pml.trail "$model" | grep -v '^spin: '
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
export model work optimise
export -f search trim check
cases=$small
case ${1:-} in
'') ;;
all) cases+=$big optimise=-O2 ;;
-l) show "${2:?which case?}" && exit ;;
*) fail "usage: check.sh [all | -l name]" ;;
esac
# shellcheck disable=SC2016 # the inner shell expands
grep -v '^$' <<<"$cases" | tr '\n' '\0' | xargs -0 -P 2 -n 1 bash -c 'check "$1"' check || fail "verdicts differ"
