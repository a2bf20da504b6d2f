#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""dns, against name servers that answer with garbage, wrong ids, endless aliases, names that point at themselves, drop by drop: the program ends by itself, in its time,
with a report of what it found."""
import os
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor

from common import Failure, Tests, expect, run
from dns_world import World, lacks
from test_dns_faults import hostile, proxied

MODES = ("garbage", "noise", "cut", "chain", "circle", "heap", "pointer", "forward", "counts", "huge", "drip", "closed", "mute", "flood", "wrong-id")
SLOW = ("drip",) # it may take more than the time that there is to see that TCP does not answer


def try_one(number, mode, folder):
    with World(number, os.path.join(folder, mode)) as w:
        os.makedirs(w.folder)
        (proxied if mode == "wrong-id" else hostile)(w, mode)
        path = w.bundle()
        w.start()
        for args in ((), ("-o", "json"), ("--repeat", "5", "-o", "json")):
            r = run("dns", "web.shop", "--bundle", path, "--netns", w.name("cl"), "--timeout", "4s", *args, codes={1, 2}, timeout=60)
            if "json" in args:
                found = [f["check"] for f in r.json["findings"]]
                expect(found or mode in SLOW, f"{mode}: nothing was found, exit {r.rc}")


def main():
    tests = Tests()
    why = lacks()
    if why:
        tests.skip("dns_hostile", why)
        return
    modes = [m for m in MODES if m in sys.argv[1:] or not sys.argv[1:]]
    with tempfile.TemporaryDirectory(prefix="svcdoctor-dns-") as folder, ThreadPoolExecutor(len(modes)) as pool:
        made = {m: pool.submit(try_one, 100 + n, m, folder) for n, m in enumerate(modes)}
        for m, future in made.items():
            tests.run(f"dns_hostile/{m}", future.result)
    tests.finish()


if __name__ == "__main__":
    main()
