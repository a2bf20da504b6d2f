#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Random mutations of the recorded dumps (mutate.py, mutate_nft.py, mutate_ipvs.py), judged by the plain evaluators (judge.py, judge_modes.py).

Wherever, for a frontend and a judged source, verdict, address, port or masquerade of an ending change, or a share by more than a thousandth
of 1/n, `verify` must report a difference of that frontend. It must report none where the endings for all frontends and for everything
that the changed rules name are as they were, and so is what they remember of a client.

JUDGED=N sets the number of mutations for all labs together (default 200; `make mutations` runs 1250), JUDGED_ONE=LAB:N runs one, JUDGED_LABS=LAB,...
some labs only."""
import json
import os
import random
import re
from collections import Counter

from common import LABS, Copy, Failure, Tests, expect, run
from judge import Node
from judge_modes import IpvsNode, NftNode, OldNftNode
import mutate
import mutate_ipvs
import mutate_nft

FILES = {"nft": "iptables-nft-save.txt", "legacy": "iptables-legacy-save.txt"}
SHOWN = 40
# By lab: its folder, its nodes, what a mutation begins with, and how one is made.
MODES = {
    **{b: (LABS[b], lambda name, b=b: Node(LABS[b], name, [FILES[b]], b), lambda node: mutate.Save(node.text), mutate.mutation) for b in LABS},
    "nftables": ("lab-nftables", NftNode, lambda node: mutate_nft.Listing(json.loads(node.text)), mutate_nft.mutation),
    "nftables-chains": ("lab-nftables", OldNftNode, lambda node: mutate_nft.Listing(json.loads(node.text)), mutate_nft.mutation),
    "ipvs": ("lab-ipvs", IpvsNode, lambda node: node.files, mutate_ipvs.mutation),
}


def reported(bundle, node):
    r = run("verify", "-A", "--bundle", bundle, "--node", node, "-o", "json", codes=[0, 1, 2])
    doc = r.json
    expect(not doc["errors"] and not doc["undecided"], lambda: f"errors {doc['errors'][:1]}, undecided {doc['undecided'][:1]}")
    # A chain without rules looks like a dump of a moment's; that is said, and the differences all the same.
    expect(r.rc != 2 or doc["torn"], f"exit status 2: {r.out[:300]}")
    found = {}
    for d in doc["differences"]:
        found.setdefault((d["service"], d["frontend"]), f"{d['kind']}: {d['text']} ({d['example']})")
    return found


def is_redundant(mutation, label, text):
    """A rule or element for what no Service has is told even where its packets end as they did: it is there."""
    words = set(re.findall(r"[\w.]+", label[1])) - {"TCP", "UDP", "SCTP"}
    return text.startswith("stale-frontend") and any(words <= set(re.findall(r"[\w.]+", rule)) for rule in mutation.rules)


def judge(node, mutation, found):
    """[(what is wrong, text)] of one mutation: what verify leaves out, and what it makes up."""
    tables = node.parse({**node.files, **mutation.files(node)})
    more = node.sides(mutation.rules)
    packets = node.packets(more)
    changed = node.changed(tables, packets, mutation.touched)
    wrong = []
    for label, cases in changed.items():
        if label not in found:
            wrong.append(("not reported", f"{label}: {cases[0][2]}"))
    if changed or not found or node.changed(tables, node.named(mutation.rules, more), mutation.touched) or node.remembers(tables, packets):
        return wrong, bool(changed)
    # Replies are no part of what the evaluators judge: a rule that asks for the state of a connection may meet them alone.
    replies = any("ctstate" in rule or '"state"' in rule for rule in mutation.rules)
    made_up = {label: text for label, text in found.items() if not (replies and text.startswith("reply-lost") or is_redundant(mutation, label, text))}
    return wrong + [("made up", f"{label}: {text}") for label, text in made_up.items()], False


def mutations(mode, numbers):
    lab, make, start, mutation = MODES[mode]
    failures, count = [], Counter()
    nodes = [make(name) for name in ("node1", "node2")]
    with Copy(lab) as copy:
        for node in nodes:
            node.prepare(copy)
        for n in numbers:
            node = nodes[n % 2]
            m = mutation(random.Random(f"{mode} {n}"), start(node))
            for name, text in m.files(node).items():
                copy.write(text, "nodes", node.name, name)
            try:
                wrong, changed = judge(node, m, reported(copy.path, node.name))
            except Failure as e:
                wrong, changed = [("verify", str(e))], False
            for name in m.files(node):
                copy.write(node.files[name], "nodes", node.name, name)
            failures += [f"JUDGED_ONE={mode}:{n} {node.name}, {m.kind} {m.what}: {what} {text}" for what, text in wrong]
            count["with" if changed else "without"] += 1
    expect(not failures, lambda: f"{len(failures)} disagreements in {len(numbers)} mutations\n" + "\n".join(failures[:SHOWN]))
    expect(len(numbers) == 1 or count["with"] and count["without"], f"only one kind of mutations: {count}")
    return f"{count['with']} mutations change endings and are all reported, {count['without']} change none and nothing is said"


def main():
    t = Tests()
    one = os.environ.get("JUDGED_ONE")
    if one:
        mode, n = one.split(":")
        t.run(f"judged-{mode}", mutations, mode, [int(n)])
    else:
        modes = os.environ.get("JUDGED_LABS", ",".join(MODES)).split(",")
        for mode in modes:
            t.run(f"judged-{mode}", mutations, mode, range(int(os.environ.get("JUDGED", "200")) // len(modes)))
    t.finish()


if __name__ == "__main__":
    main()
