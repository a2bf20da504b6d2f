#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Runs every test and ends with the line "N passed, M failed, K skipped".
#
#   tests/run.sh [PATTERN]     only the programs whose name contains PATTERN
#
# A test program is one of
#   unit/NAME      a cmocka program; its TAP lines are counted
#   fuzz/NAME      a fuzz target over its seeds and past findings, each file a test, and a few seconds of libFuzzer
#   scenario/NAME  a script that prints "ok NAME", "not ok NAME: why" or "skip NAME: why" and exits non-zero on a failure
#   check/NAME     the same, about the sources: include rules, the other compiler, globals
#
# A crash, a time-out, an exit status that the lines do not explain, and a program that ran no test are failures. With CI=true a
# skip that tests/skips.txt does not name is one too. Programs run side by side, one per core; what they print is kept apart.
set -u
cd "$(dirname "$0")/.." || exit 70
BUILD=${BUILD:-build}
export BUILD
export SANITIZE=${SANITIZE:-} CC=${CC:-gcc} MAKE=${MAKE:-make}
export CMOCKA_MESSAGE_OUTPUT=TAP PYTHONDONTWRITEBYTECODE=1 LC_ALL=C.UTF-8
export PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
# A status of their own, so that a sanitizer's finding is never taken for "findings".
export ASAN_OPTIONS=${ASAN_OPTIONS:-exitcode=99:detect_leaks=1:hard_rss_limit_mb=4096} LSAN_OPTIONS=${LSAN_OPTIONS:-exitcode=99}
export UBSAN_OPTIONS=${UBSAN_OPTIONS:-halt_on_error=1:print_stacktrace=1:exitcode=99}
case $SANITIZE in '' | 0) limit=240 ;; *) limit=600 ;; esac
limit=${TEST_TIMEOUT:-$limit}
pattern=${1:-}
out=$(mktemp -d) || exit 70
chmod 755 "$out" # tests run the copy below as another user
trap 'rm -rf "$out"' EXIT
# A copy, so that a build that goes on meanwhile does not change what is tested.
if [[ -z ${SVCDOCTOR:-} ]]; then
	cp "$BUILD/svcdoctor" "$out/svcdoctor" || exit 70
	SVCDOCTOR=$out/svcdoctor
fi
export SVCDOCTOR

# ---- the programs: "NAME<tab>COMMAND" ----

programs=()
add() { [[ -z $pattern || $1 == *"$pattern"* ]] && programs+=("$1"$'\t'"$2"); }
# The longest first, so that the cores finish together.
for t in tests/scenario/test_*.py; do [[ -e $t ]] && add "scenario/$(basename "$t" .py)" "python3 $t"; done
for t in tests/scenario/test_*.sh; do [[ -e $t ]] && add "scenario/$(basename "$t" .sh)" "bash $t"; done
add check/includes "python3 tests/check-includes.py"
add check/compiler "bash tests/check-compiler.sh"
add check/globals "bash tests/check-globals.sh"
case $SANITIZE in '' | 0) add check/allocations "bash tests/alloc/run.sh ${ALLOC_TRIES:-2}" ;; esac
for t in tests/unit/test_*.c; do n=$(basename "$t" .c); [[ -e $t ]] && add "unit/${n#test_}" "$BUILD/tests/$n"; done
for t in tests/fuzz/fuzz_*.c; do n=$(basename "$t" .c); [[ -e $t ]] && add "fuzz/${n#fuzz_}" "bash tests/fuzz/run.sh --check ${n#fuzz_}"; done

# ---- run ----

run_one() { # INDEX COMMAND
	# shellcheck disable=SC2086 # a command line
	timeout -k 5 "$limit" $2 >"$out/$1.out" 2>"$out/$1.err" </dev/null
	echo $? >"$out/$1.rc"
}
jobs_max=$(nproc 2>/dev/null || echo 2)
for i in "${!programs[@]}"; do
	while (($(jobs -rp | wc -l) >= jobs_max)); do wait -n; done
	run_one "$i" "${programs[i]#*$'\t'}" &
done
wait

# ---- count ----

passed=0 failed=0
skips=()
fail() { # NAME WHY
	failed=$((failed + 1))
	printf 'FAILED %s: %s\n' "$1" "$2"
}
show() { # INDEX : all that it printed, where somebody has to find out why
	local name=${programs[$1]%%$'\t'*}
	printf -- '---- %s: standard output (last 200 lines)\n' "$name"
	tail -n 200 "$out/$1.out"
	printf -- '---- %s: standard error (last 200 lines)\n' "$name"
	tail -n 200 "$out/$1.err"
	printf -- '----\n'
}
end_of() { # STATUS : in words
	case $1 in
	124 | 137) echo "took longer than $limit s" ;;
	99) echo "a sanitizer found something" ;;
	12[5-9] | 1[3-9]? | 2??) echo "died with status $1" ;;
	*) echo "exited with status $1, which no failed test explains" ;;
	esac
}
count() { # INDEX
	local name=${programs[$1]%%$'\t'*} line why='' rc ran=0 bad=0 plan=-1
	rc=$(cat "$out/$1.rc" 2>/dev/null || echo 70)
	while IFS= read -r line; do
		case $line in
		1..*) [[ $line =~ ^1\.\.([0-9]+)$ ]] && plan=${BASH_REMATCH[1]} ;;
		'ok '*'# SKIP'* | 'not ok '*'# SKIP'*)
			ran=$((ran + 1))
			skips+=("$name/${line##*# SKIP }: ${why:-it gave no reason}")
			why=
			;;
		'SKIP: '*) why=${line#SKIP: } ;; # what a cmocka test prints before skip()
		'skip '*)
			ran=$((ran + 1))
			skips+=("$name/${line#skip }")
			;;
		'not ok '*)
			ran=$((ran + 1)) bad=$((bad + 1))
			fail "$name" "${line#not ok }"
			;;
		'ok '*)
			ran=$((ran + 1)) passed=$((passed + 1))
			[[ $line == 'ok '*': '* ]] && printf '%s: %s\n' "$name" "${line#ok }"
			;;
		esac
	done <"$out/$1.out"
	if ((rc != 0 && (bad == 0 || rc >= 99))); then
		bad=$((bad + 1))
		fail "$name" "$(end_of "$rc")"
	elif ((ran == 0)); then
		bad=$((bad + 1))
		fail "$name" "ran no test"
	elif ((plan >= 0 && ran < plan)); then
		bad=$((bad + 1))
		fail "$name" "announced $plan tests and ran $ran"
	fi
	((bad == 0)) || show "$1"
}
for i in "${!programs[@]}"; do count "$i"; done

# ---- skips ----

expected_skip() { # "NAME: why" : tests/skips.txt has a line "PATTERN  reason" whose glob matches the name
	local glob _
	while read -r glob _; do
		# shellcheck disable=SC2053 # a glob on purpose
		[[ -n $glob && $glob != \#* && ${1%%:*} == $glob ]] && return 0
	done <tests/skips.txt
	return 1
}
for s in ${skips[@]+"${skips[@]}"}; do
	if [[ ${CI:-} == true ]] && ! expected_skip "$s"; then
		fail "${s%%:*}" "skipped, which tests/skips.txt does not expect:${s#*:}"
	else
		printf 'skipped %s\n' "$s"
	fi
done
if ((passed + failed == 0)); then
	fail "tests/run.sh" "no test was run"
fi
# A skip that counts as a failure is not counted twice.
skipped=0
for s in ${skips[@]+"${skips[@]}"}; do
	[[ ${CI:-} == true ]] && ! expected_skip "$s" || skipped=$((skipped + 1))
done
printf '%d passed, %d failed, %d skipped\n' "$passed" "$failed" "$skipped"
((failed == 0))
