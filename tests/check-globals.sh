#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# No room of the library keeps writable globals: its objects have nothing in .data, .bss and their thread-local kin. Only lib/base may
# have thread-local buffers (texts of numbers), and cmd/signals.c has the flags of its handlers.
set -u
cd "$(dirname "$0")/.." || exit 70
case ${SANITIZE:-} in '' | 0) ;; *)
	echo "ok globals (not asked of instrumented objects)"
	exit 0
	;;
esac
bad=0
for o in "${BUILD:-build}"/obj/lib/*/*.o "${BUILD:-build}"/obj/cmd/*.o; do
	src=${o#*/obj/}
	[ -e "${src%.o}.c" ] || continue # left over from a source that is gone
	[ "$src" = cmd/signals.o ] && [ "$(size -A "$o" | awk '$1 ~ /^\.(t?data|t?bss)/ { n += $2 } END { print n }')" -le 8 ] && continue
	found=$(size -A "$o" | awk -v base="$(case $src in lib/base/*) echo 1 ;; esac)" '
		$2 > 0 && $1 ~ /^\.(data|bss)(\.[^r].*)?$/ { print $1 }
		$2 > 0 && $1 ~ /^\.data\.rel(\.local)?$/ { print $1 }
		$2 > 0 && !base && $1 ~ /^\.(tdata|tbss)/ { print $1 }')
	if [ -n "$found" ]; then
		echo "not ok globals/${src%.o}.c: writable globals in $(echo $found)"
		bad=1
	fi
done
[ $bad = 0 ] && echo "ok globals"
exit $bad
