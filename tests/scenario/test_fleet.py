#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Fleets of 20 nodes, of which some are as they were at an older state of the API, and one runs another mode: exactly those are named, first, with
their reason and their Services, and no Service twice. SVCDOCTOR_FLEETS=N: so many of them."""
import os

from common import Tests, expect, expect_equal, run
from fleet import Fleet

SEEDS = int(os.environ.get("SVCDOCTOR_FLEETS", "6"))
MIXED = "kube-proxy-modes-mixed"


def causes(d):
    found = {f["id"]: f for f in d["cluster"]}
    for s in d["services"]:
        found.update((f["id"], f) for f in s["causes"])
    explained = {i for f in found.values() for i in f["explains"]}
    return [f for f in found.values() if f["id"] not in explained]


def sound():
    with Fleet(1, sound=True) as b:
        r = run("diagnose", "-A", "--bundle", b.path, "-o", "json")
        bad = [f"{f['severity']} {f['id']}: {f['text']}" for f in causes(r.json) if f["severity"] != "info"]
        expect_equal(bad, [], "what is said of 20 sound nodes")
        out = run("diagnose", "-A", "--bundle", b.path).out
        expect("cause:" not in out and "warning:" not in out, out)


def judged_json(b, seed):
    d = run("diagnose", "-A", "--bundle", b.path, "-o", "json", codes=[1]).json
    errors = [f for f in causes(d) if f["severity"] == "error"]
    expect_equal(sorted((f["node"], f["check"]) for f in errors), sorted((n, x[0]) for n, x in b.faults.items()),
                 f"seed {seed} ({b.forms}): errors; {[f['id'] for f in errors]}; who and why")
    for f in errors:
        _, words, services, since = b.faults[f["node"]]
        expect_equal(f["services"], len(services), f"seed {seed}: Services of {f['node']}")
        expect(words in f["text"], f"seed {seed}: {f['node']} ({b.forms[f['node']]}): {words!r} is not in {f['text']!r}")
        expect(f" for {since}: " in f["text"], f"seed {seed}: {f['node']} ({b.forms[f['node']]}): {since} is not in {f['text']!r}")
    others = [f for f in causes(d) if f["severity"] == "warning" and f["check"] != MIXED]
    expect_equal([f"{f['id']}: {f['text']}" for f in others], [], f"seed {seed}: other warnings")
    mixed = [f for f in causes(d) if f["check"] == MIXED]
    if MIXED in run("explain").out:
        expect(len(mixed) == 1 and b.other in str(mixed[0]), f"seed {seed}: {MIXED} of {b.other}: {mixed}")
    for s in d["services"]:
        own = [f["node"] for f in s["causes"] if f["severity"] == "error"]
        wrong = sorted(n for n, x in b.faults.items() if s["service"] in x[2])
        expect_equal(sorted(own), wrong, f"seed {seed}: nodes that are the causes of {s['service']}")


def judged_text(b, seed):
    out = run("diagnose", "-A", "--bundle", b.path, codes=[1]).out
    lines = out.splitlines()
    heads = [line for line in lines if line.startswith(("cause:", "warning:"))]
    expect(len(lines) <= 40, f"seed {seed}: {len(lines)} lines:\n{out}")
    first = [line for line in heads[:len(b.faults)] if line.startswith("cause: kube-proxy on ")]
    expect_equal(sorted(line.split()[3] for line in first), sorted(b.faults), f"seed {seed}: the first causes of\n{out}")
    expect_equal([line for line in heads[len(b.faults):] if line.startswith("cause:")], [], f"seed {seed}: other causes")


def fleet(seed):
    with Fleet(seed) as b:
        judged_json(b, seed)
        judged_text(b, seed)
        return ", ".join(f"{n}: {len(x[2])}" for n, x in sorted(b.faults.items()))


def main():
    t = Tests()
    t.run("20 sound nodes", sound)
    for seed in range(1, SEEDS + 1):
        t.run(f"fleet {seed}", fleet, seed)
    t.finish()


if __name__ == "__main__":
    main()
