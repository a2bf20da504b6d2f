# SPDX-License-Identifier: GPL-2.0-or-later
"""Every rule of the recorded dumps removed, one at a time, and a sample of rules changed in one field: what verify names as the cause is
exactly that rule, with the chain where it belongs and its text when it is gone, or as it stands now when it was changed. Nothing
is said where nothing changes for anybody who can start at the node.

MUTATIONS=N sets the size of the sample (default 160 for each backend)."""
import os
import random
import re

from common import COUNTERS, LABS, Copy, Tests, expect, run

FILES = {"nft": "iptables-nft-save.txt", "legacy": "iptables-legacy-save.txt"}
SAMPLE = int(os.environ.get("MUTATIONS", "160"))


def plain(text):
    return re.sub(r"  +", " ", COUNTERS.sub("", text)).strip()


def rules_of(text):
    """[(line number, table, rule)] of a dump."""
    table, found = None, []
    for i, line in enumerate(text.split("\n")):
        if line.startswith("*"):
            table = line[1:]
        elif "-A " in line:
            found.append((i, table, plain(line)))
    return found


def differences(bundle, *more):
    doc = run("verify", "-A", "--bundle", bundle, "-o", "json", *more, codes=[0, 1]).json
    expect(not doc["undecided"] and not doc["errors"], f"undecided {doc['undecided'][:1]}, errors {doc['errors'][:1]}")
    return doc["differences"]


def names(difference, node, table, rule, missing):
    by = difference["by"]
    return bool(by) and by["kind"] == "rule" and by["node"] == node and by["table"] == table and by["chain"] == rule.split()[1] and \
        bool(by.get("missing")) == missing and plain(by["text"]) == rule


def show(difference):
    by = difference["by"] or {}
    return f"{difference['kind']} {difference['service']} {difference['frontend']} by {by.get('chain')}: {by.get('text')}"


def removals(backend):
    named = silent = 0
    with Copy(LABS[backend]) as lab:
        for node in ("node1", "node2"):
            path = ("nodes", node, FILES[backend])
            text = lab.read(*path)
            lines = text.split("\n")
            for i, table, rule in rules_of(text):
                lab.write("\n".join(lines[:i] + lines[i + 1:]), *path)
                found = differences(lab.path, "--node", node)
                for d in found:
                    expect(names(d, node, table, rule, True), lambda: f"without {rule!r} of {node}: {show(d)}")
                named += bool(found)
                silent += not found
            lab.write(text, *path)
    expect(named > 2 * silent, f"only {named} of {named + silent} removals were noticed")
    return f"{named} named, {silent} without effect"


def changes(rule, chains):
    """Ways to change one field of a rule."""
    v = []

    def put(pattern, new):
        m = re.search(pattern, rule)
        if m:
            v.append(rule[:m.start()] + m.expand(new) + rule[m.end():])

    put(r"--to-destination (\S+):\d+", r"--to-destination \1:4711")
    put(r"--to-destination \S+:(\d+)", r"--to-destination 10.244.1.222:\1")
    put(r"--probability 0\.\d+", "--probability 0.90000000000")
    put(r"-m statistic --mode random --probability \S+ ", "")
    put(r" -d (\d+\.\d+\.\d+\.\d+)/32", r" ! -d \1/32")
    put(r" -d \d+\.\d+\.\d+\.\d+/32", " -d 10.96.200.200/32")
    put(r" ! -s ", " -s ")
    put(r"--dport \d+", "--dport 4711")
    put(r"--set-xmark 0x4000/0x4000", "--set-xmark 0x8000/0x8000")
    put(r" ! --mark ", " --mark ")
    put(r"-j DROP$", "-j ACCEPT")
    put(r"-j REJECT .*$", "-j DROP")
    put(r"-j (KUBE-\S+)$", "-j RETURN")
    put(r"-j (KUBE-\S+)$", "-j ACCEPT")
    m = re.search(r"-j (KUBE-(?:SVC|SEP)-\S+)$", rule)
    if m:
        others = [c for c in chains if c.startswith(m[1][:9]) and c != m[1]]
        v.append(rule[:m.start(1)] + others[sum(map(ord, rule)) % len(others)])
    return [x for x in v if x != rule]


def mutations(backend):
    r = random.Random(20)
    named = silent = 0
    with Copy(LABS[backend]) as lab:
        path = ("nodes", "node2", FILES[backend])
        text = lab.read(*path)
        lines = text.split("\n")
        chains = re.findall(r"^:(\S+) ", text, re.M)
        every = [(i, table, new) for i, table, rule in rules_of(text) for new in changes(rule, chains)]
        for i, table, new in r.sample(every, min(SAMPLE, len(every))):
            counters = COUNTERS.match(lines[i])
            lab.write("\n".join(lines[:i] + [(counters[0] if counters else "") + new] + lines[i + 1:]), *path)
            found = differences(lab.path, "--node", "node2")
            for d in found:
                # An equal rule may be told as the one that is missing now, too.
                expect(names(d, "node2", table, plain(new), False) or names(d, "node2", table, plain(COUNTERS.sub("", lines[i])), True),
                       lambda: f"with {new!r}: {show(d)}")
            named += bool(found)
            silent += not found
    expect(named > 2 * silent, f"only {named} of {named + silent} changes were noticed")
    return f"{named} named, {silent} without effect"


def main():
    t = Tests()
    for backend in LABS:
        t.run(f"mutations-{backend}/removed", removals, backend)
        t.run(f"mutations-{backend}/changed", mutations, backend)
    t.finish()


if __name__ == "__main__":
    main()
