#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A small share of what `make bench` does with a made log of kube-proxy: all its lines are counted, and a log four times as long needs no more memory."""
import os
import re
import subprocess

from common import MEMORY_LIMIT, ROOT, Tests, expect, expect_equal

BENCH = os.path.join(ROOT, os.environ.get("BUILD", "build"), "tests", "bench")


def read_log(mib):
    """(lines, lines that memchr counts, kinds, unknown errors, MiB of memory that reading took)"""
    p = subprocess.run([BENCH, "log", str(mib)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=120, check=False)
    expect_equal((p.returncode, p.stderr), (0, b""), "bench log")
    text = p.stdout.decode()
    lines = int(re.search(r"(\d+) lines \(", text).group(1))
    memory = float(re.search(r"([\d.]+) MiB more memory", text).group(1))
    kinds, unknown, counted = map(int, re.search(r"(\d+) kinds of lines, (\d+) unknown errors, (\d+) lines", text).groups())
    return lines, counted, kinds, unknown, memory


def bounded():
    short, long = read_log(8), read_log(32)
    for lines, counted, kinds, unknown, _ in (short, long):
        expect(lines in (counted, counted + 1), f"{lines} lines were read, there are {counted}")  # the last one may be cut
        expect(kinds >= 8, f"{kinds} kinds of lines")
        expect(0 < unknown < lines / 50, f"{unknown} unknown errors in {lines} lines")
    expect(3.9 < long[0] / short[0] < 4.1, f"{short[0]} lines in 8 MiB, {long[0]} in 32")
    if MEMORY_LIMIT:  # a sanitizer keeps what is freed
        expect(long[4] < 4, f"{long[4]} MiB to read 32 MiB")
    return f"{long[0]} lines"


if __name__ == "__main__":
    t = Tests()
    t.run("log-memory", bounded)
    t.finish()
