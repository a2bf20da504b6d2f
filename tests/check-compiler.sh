#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Every source must pass the compiler that did not build it, too, without a warning.
set -u
cd "$(dirname "$0")/.." || exit 70
other=clang
case ${CC:-gcc} in *clang*) other=gcc ;; esac
if ! command -v "$other" >/dev/null 2>&1; then
	echo "skip other-compiler: $other is not installed"
	exit 0
fi
if log=$(${MAKE:-make} -s ${SANITIZE:+SANITIZE="$SANITIZE"} ${CC:+CC="$CC"} lint 2>&1); then
	echo "ok other-compiler"
else
	echo "not ok other-compiler: $other warns"
	printf '%s\n' "$log"
	exit 1
fi
