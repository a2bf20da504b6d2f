#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Fuzzing, in two ways:
#   tests/fuzz/run.sh SECONDS       every target under libFuzzer for so long, two at a time; new findings are written under
#                                   build/fuzz/TARGET/ and make it exit 1. The corpus that grows there is kept for the next run.
#   tests/fuzz/run.sh --check NAME  a share of `make check`: the seeds and past findings of one target through a plain program,
#                                   then some runs of libFuzzer where clang built it, the same ones each time: what is new is for
#                                   the first way to find. Prints test lines for tests/run.sh.
#
# Seeds lie in tests/fuzz/seeds/NAME/, crashing inputs of the past in tests/fuzz/findings/NAME/: add a file there, and it is run for good.
set -u
cd "$(dirname "$0")/../.." || exit 70
BUILD=${BUILD:-build}
export ASAN_OPTIONS=${ASAN_OPTIONS:-detect_leaks=1:allocator_may_return_null=1}

inputs_of() { # NAME : prints the folders that exist
	for d in "tests/fuzz/seeds/$1" "tests/fuzz/findings/$1"; do [ -d "$d" ] && echo "$d"; done
}
fuzz_one() { # NAME SECONDS CORPUS [OPTION...] : 0 clean, 1 a finding
	local name=$1 seconds=$2 dir=build/fuzz/$1 corpus log
	corpus=$dir/$3
	shift 3
	mkdir -p "$corpus" "$dir/findings"
	log=$dir/log
	# shellcheck disable=SC2046 # folders without spaces
	"$BUILD/libfuzzer/fuzz_$name" -max_total_time="$seconds" "$@" -timeout=10 -rss_limit_mb=2048 -max_len=65536 -print_final_stats=1 \
		-artifact_prefix="$dir/findings/" "$corpus" $(inputs_of "$name") >"$log" 2>&1 </dev/null
}

check() { # NAME
	local name=$1 files bad=0 dir
	mapfile -t files < <(inputs_of "$name" | xargs -r -I{} find {} -type f | sort)
	if [ ${#files[@]} = 0 ]; then
		echo "not ok $name/seeds: tests/fuzz/seeds/$name/ holds nothing"
		exit 1
	fi
	log=$(mktemp)
	trap 'rm -f "$log"' EXIT
	"$BUILD/tests/fuzz_$name" "${files[@]}" >"$log" 2>&1
	rc=$?
	if [ $rc = 0 ]; then
		echo "ok $name/seeds: ${#files[@]} inputs"
	else
		echo "not ok $name/seeds: status $rc at $(grep '^run ' "$log" | tail -1)"
		cat "$log"
		bad=1
	fi
	if [ -x "$BUILD/libfuzzer/fuzz_$name" ]; then
		rm -rf "build/fuzz/$name/check"
		if fuzz_one "$name" "${FUZZ_CHECK_SECONDS:-10}" check -seed=1 -runs=3000; then
			echo "ok $name/libfuzzer: $(sed -n 's/^stat::number_of_executed_units: *//p' "build/fuzz/$name/log") runs"
		else
			echo "not ok $name/libfuzzer: a finding, see build/fuzz/$name/findings"
			tail -n 100 "build/fuzz/$name/log"
			bad=1
		fi
	fi
	exit $bad
}

if [ "${1:-}" = --check ]; then
	check "$2"
fi
seconds=${1:-60}
targets=()
for t in tests/fuzz/fuzz_*.c; do
	[ -e "$t" ] || continue
	n=$(basename "$t" .c)
	targets+=("${n#fuzz_}")
done
if [ ${#targets[@]} = 0 ]; then
	echo "there is no fuzz target" >&2
	exit 1
fi
state=$(mktemp -d)
trap 'rm -rf "$state"' EXIT
for n in "${targets[@]}"; do
	while (($(jobs -rp | wc -l) >= 2)); do wait -n; done
	{ fuzz_one "$n" "$seconds" corpus && touch "$state/$n"; } &
done
wait
bad=0
for n in "${targets[@]}"; do
	runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "build/fuzz/$n/log")
	if [ -e "$state/$n" ]; then
		echo "$n: ${runs:-?} runs in $seconds s, nothing found"
	else
		echo "$n: FOUND SOMETHING, see build/fuzz/$n/log and build/fuzz/$n/findings:"
		grep -m 3 -E 'ERROR:|SUMMARY:|runtime error' "build/fuzz/$n/log" | sed 's/^/    /'
		bad=1
	fi
done
exit $bad
