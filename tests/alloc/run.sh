#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Every unit test with each allocation of the library failing: nothing may crash.
#
#   tests/alloc/run.sh TRIES [PROGRAM...]    so many failing allocations for each test, spread over all of them; 0: all. Prints test lines;
#                                            the frames of a crash are named by addr2line.
set -u
cd "$(dirname "$0")/../.." || exit 70
BUILD=${BUILD:-build}
export ALLOC_TRIES=${1:-0} ASAN_OPTIONS=detect_leaks=0:handle_segv=0:handle_abort=0
shift
programs=("$@")
[ ${#programs[@]} = 0 ] && programs=("$BUILD"/alloc/test_*)

name_frames() { # PROGRAM : "0x12ab" at the end of a line becomes "function (file:line)"
	while IFS= read -r line; do
		case $line in
		'not ok '*' 0x'*)
			echo "${line%% 0x*}"
			# shellcheck disable=SC2086 # a list of addresses
			addr2line -f -s -p -e "$1" 0x${line#* 0x} | sed 's/^/#   /'
			;;
		*) echo "$line" ;;
		esac
	done
}

work=$(mktemp -d) || exit 70
trap 'rm -rf "$work"' EXIT
one() { # PROGRAM
	local name
	name=$(basename "$1")
	out=$work/$name
	name=${name#test_}
	timeout -k 5 "${ALLOC_TIMEOUT:-230}" "$1" </dev/null 2>&1 | name_frames "$1" | sed "s,^\(ok\|not ok\) ,&$name/," >"$out"
	rc=${PIPESTATUS[0]}
	[ "$rc" = 124 ] && echo "not ok $name: late" >>"$out"
	return 0
}
jobs_max=$(nproc 2>/dev/null || echo 2)
for p in "${programs[@]}"; do
	while (($(jobs -rp | wc -l) >= jobs_max)); do wait -n; done
	one "$p" &
done
wait
cat "$work"/*
! grep -q '^not ok' "$work"/*
