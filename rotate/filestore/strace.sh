#!/usr/bin/env bash
# Has the kernel's calls fail under a store that saves, one at a time, in a real process: what was acknowledged is there
# afterwards, and what is there is whole. TestG4Errno does the same with a disk of its own; this shows that the calls are
# the ones it takes them for.
#
#	rotate/filestore/strace.sh
#
# It needs Linux and strace (Debian: apt-get install strace).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
command -v strace >/dev/null || { echo "strace is not there (Debian: apt-get install strace)" >&2; exit 1; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
go test -c -o "$work/store" .

# Has a process do what its input says. Each answer is "done VERSION NUMBER", "conflict 0 0" or "failed 0 0".
serve() { HOLDFAST_TEST_FILESTORE_SERVE=$1/key GOMAXPROCS=1 "${@:2}" "$work/store" 2>/dev/null; }

# Saves number 2 over number 1 while the n-th call of a kind fails; prints: injected (0 or 1), told.
save() {
	local dir=$1 call=$2 errno=$3 n=$4 told
	mkdir -m 700 "$dir"
	[ "$(serve "$dir" env <<<"save 1 0")" = "done 1 0" ] || { echo "the first Save failed" >&2; return 1; }
	told=$(serve "$dir" strace -f -qq -o "$dir.log" -e "trace=$call" -e "inject=$call:error=$errno:when=$n" <<<"save 2 1") || true
	echo "$(grep -c INJECTED "$dir.log") ${told:-none}"
}

total=0
for call in fsync renameat flock; do
	for errno in EIO ENOSPC EDQUOT; do
		injected=0
		for n in 1 2 3 4 5 6; do
			dir=$work/$call-$errno-$n
			read -r hit told < <(save "$dir" "$call" "$errno" "$n")
			found=$(serve "$dir" env <<<"load 0 0")
			case "$told; $found" in
			"done 2 0; done 2 2" | "failed 0 0; done 1 1" | "failed 0 0; done 2 2") ;;
			*)
				echo "$call number $n fails with $errno: told $told, found $found" >&2
				exit 1
				;;
			esac
			injected=$((injected + hit))
		done
		printf '%-10s %-7s %d of 6 failed\n' "$call" "$errno" "$injected"
		total=$((total + injected))
	done
done
[ "$total" -gt 0 ] || { echo "nothing failed" >&2; exit 1; }
