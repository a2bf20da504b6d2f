#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Fleets of 20 nodes, of which some are as they were at an older state of the API, and one runs another mode: exactly those are named, first, with
their reason and their Services, and no Service twice. SVCDOCTOR_FLEETS=N: so many of them."""
import os
from datetime import timedelta

from common import Tests, expect, expect_equal, run
from fleet import REASONS, Fleet, cri, klog, new_line

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


# ---- what stands beside a node that does not sync ----

WEB, NGINX, EXT = "default/web", "default/my-nginx", "default/ext-ip"


def diagnosed(b, codes=(1,)):
    return run("diagnose", "-A", "--bundle", b.path, "-o", "json", codes=list(codes)).json


def errors(d):
    return sorted((f["node"], f["check"]) for f in causes(d) if f["severity"] == "error")


def of_service(d, service):
    s = next(x for x in d["services"] if x["service"] == service)
    return sorted((f["node"], f["check"]) for f in s["causes"] if f["severity"] == "error")


def expired(t):
    return [cri(t, new_line(t, REASONS["certificate"][2]))]


def foreign_beside():
    """Another program's rule drops packets on the same node: both are causes, each of its own Services."""
    with Fleet(1, 4, sound=True, changed={WEB: 300}) as b:
        b.stop(3, 600, expired)
        b.rules(3, lambda r: r.lines.insert(next(i for i, x in enumerate(r.lines) if " -A FORWARD " in x), "[0:0] -A FORWARD -d 10.244.1.40/32 -j DROP"))
        d = diagnosed(b)
        expect_equal(errors(d), [("node-3", "foreign-rule-drops"), ("node-3", "kube-proxy-apiserver-unreachable")], "errors")
        expect_equal(of_service(d, WEB), [("node-3", "kube-proxy-apiserver-unreachable")], WEB)
        expect_equal(of_service(d, EXT), [("node-3", "foreign-rule-drops")], EXT)


def healthy_beside():
    """A Service that is wrong on a node that does sync keeps its cause there."""
    with Fleet(2, 4, sound=True, changed={WEB: 300}) as b:
        b.stop(3, 600, expired)
        b.rules(4, lambda r: r.move(WEB, "10.244.1.135", "10.244.1.99"))
        d = diagnosed(b)
        own = [x for x in of_service(d, WEB) if x[0] == "node-4"]
        expect(of_service(d, WEB)[0] == ("node-3", "kube-proxy-apiserver-unreachable") and own and "kube-proxy" not in own[0][1], f"{of_service(d, WEB)}")


def just_now():
    """What changed two seconds before is being written; a minute later it is a fault."""
    for seconds, bad in ((2, False), (60, True)):
        with Fleet(3, 4, sound=True, changed={WEB: seconds}) as b:
            b.history.unknown = set()
            b.stop(3, seconds + 1)
            f = [x for x in causes(diagnosed(b, (0, 1))) if x["node"] == "node-3" and x["severity"] != "info"]
            expect(f and all((x["severity"] == "error") == bad for x in f), f"{seconds} seconds: {[(x['severity'], x['text']) for x in f]}")
            expect(bad or any("just now" in e for x in f for e in x["evidence"]), "that it is being written is not said")


def by_times_alone():
    """No log, and ports that are green: exactly what changed since some moment is wrong."""
    with Fleet(4, 4, sound=True, changed={WEB: 1300, NGINX: 1250, EXT: 1210}) as b:
        b.history.unknown = set()
        b.stop(3, 2000)
        d = diagnosed(b)
        expect_equal(errors(d), [("node-3", "kube-proxy-not-syncing")], "errors")
        f = next(f for f in causes(d) if f["severity"] == "error")
        expect("kube-proxy on node-3 has not followed the API server for 21 minutes" in f["text"], f["text"])
        expect_equal(f["services"], 3, "Services")
    with Fleet(4, 4, sound=True, changed={WEB: 1300, NGINX: 1250, EXT: 1210, "default/hostnames": 30}) as b:
        b.history.unknown = set()
        b.rules(3, lambda r: [r.move(s, old, new) for s in (WEB, NGINX, EXT) for old, new in b.history.moved[s]])
        expect("kube-proxy-not-syncing" not in str(errors(diagnosed(b))), "one that changed later is right: it does follow the API server")


def restore_line(t):
    return [klog(t, '"Failed to execute iptables-restore" err=<', "proxier.go:1412"), "\texit status 1: iptables-restore: line 21 failed", ' > ipFamily="IPv4"',
            klog(t, '"Sync failed" ipFamily="IPv4" retryingTime="30s"', "proxier.go:860", "I")]


def lock_line(t):
    return [klog(t, "Failed to execute iptables-restore: exit status 4 (Another app is currently holding the xtables lock. Stopped waiting after 5s.)", "proxier.go:1500")]


def cannot_write():
    """Rules that are not taken: the health port says so as well, and is no cause of its own."""
    for log, check, words in ((restore_line, "iptables-restore-failing", "iptables-restore fails"), (lock_line, "xtables-lock-contention", "the lock of iptables")):
        with Fleet(5, 4, sound=True, changed={WEB: 300, NGINX: 200}) as b:
            b.stop(3, 1300, log, synced=True)
            d = diagnosed(b)
            expect_equal(errors(d), [("node-3", check)], "errors")
            f = next(f for f in causes(d) if f["severity"] == "error")
            expect(words in f["text"] and "kube-proxy on node-3 has not synced for 21 minutes: it " in f["text"], f["text"])
            expect_equal(f["services"], 2, "Services")
            warnings = [x["id"] for x in causes(d) if x["severity"] == "warning"]
            expect_equal(warnings, [], "warnings")


def mended():
    """The same lines, and rules that are right, with ports that tell of a sync since: history."""
    with Fleet(6, 4, sound=True, changed={WEB: 3000}) as b:
        t = b.now.replace(microsecond=0)
        b.write("\n".join(line for i in range(3500, 2900, -60) for line in restore_line(t - timedelta(seconds=i))) + "\n", "nodes", "node-3", "kube-proxy.log")
        bad = [x["id"] for x in causes(diagnosed(b, (0,))) if x["severity"] != "info"]
        expect_equal(bad, [], "what is said")


def redacted():
    """Names are others, and what is told is the same."""
    with Fleet(3) as b:
        run("collect", "--bundle", b.path, "--redact", "-w", b.file("..", "shown"), codes=[0])
        told = [sorted((f["check"], f["severity"], f["services"]) for f in run("diagnose", "-A", "--bundle", path, "-o", "json").json["cluster"])
                for path in (b.path, b.file("..", "shown"))]
        expect_equal(told[1], told[0], "what is told of the redacted bundle")


def main():
    t = Tests()
    t.run("20 sound nodes", sound)
    t.run("a rule of another program on the same node", foreign_beside)
    t.run("a Service that is wrong on another node too", healthy_beside)
    t.run("a change of two seconds ago", just_now)
    t.run("times alone", by_times_alone)
    t.run("rules that are not taken", cannot_write)
    t.run("a failure that is over", mended)
    t.run("redacted", redacted)
    for seed in range(1, SEEDS + 1):
        t.run(f"fleet {seed}", fleet, seed)
    t.finish()


if __name__ == "__main__":
    main()
