#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Random mutations of the recorded dumps (mutate.py), judged by the plain linear evaluator (judge.py, linear.py).

Wherever, for a frontend and a judged source, verdict, address, port or masquerade of an ending change, or a share by more than a thousandth
of 1/n, `verify` must report a difference of that frontend. It must report none where the endings for all frontends and for everything
that the changed rules name are as they were, and so is what they remember of a client.

JUDGED=N sets the number of mutations for both labs together (default 120; `make mutations` runs 500), JUDGED_ONE=LAB:N runs one."""
import os
import random
from collections import Counter

from common import LABS, Copy, Tests, expect, run
from judge import Node
import mutate

FILES = {"nft": "iptables-nft-save.txt", "legacy": "iptables-legacy-save.txt"}
SHOWN = 40

def reported(bundle, node):
    doc = run("verify", "-A", "--bundle", bundle, "--node", node, "-o", "json", codes=[0, 1]).json
    expect(not doc["errors"], lambda: f"errors {doc['errors'][:1]}")
    found = {}
    for d in doc["differences"]:
        found.setdefault((d["service"], d["frontend"]), f"{d['kind']}: {d['text']} ({d['example']})")
    return found


def judge(node, mutation, found):
    """[(what is wrong, text)] of one mutation: what verify leaves out, and what it makes up."""
    tables = node.parse(mutation.save.text())
    more = node.sides(mutation.rules)
    packets = node.packets(more)
    changed = node.changed(tables, packets, mutation.touched)
    wrong = []
    for label, cases in changed.items():
        if label not in found:
            wrong.append(("not reported", f"{label}: {cases[0][2]}"))
    if changed or not found or node.changed(tables, node.named(mutation.rules, more), mutation.touched) or node.remembers(tables, packets):
        return wrong, bool(changed)
    return wrong + [("made up", f"{label}: {text}") for label, text in found.items()], False


def mutations(backend, numbers):
    lab, failures, count = LABS[backend], [], Counter()
    nodes = [Node(lab, name, FILES[backend], backend) for name in ("node1", "node2")]
    with Copy(lab) as copy:
        for n in numbers:
            node, path = nodes[n % 2], ("nodes", nodes[n % 2].name, FILES[backend])
            m = mutate.mutation(random.Random(f"{backend} {n}"), mutate.Save(node.text))
            copy.write(m.save.text(), *path)
            wrong, changed = judge(node, m, reported(copy.path, node.name))
            copy.write(node.text, *path)
            failures += [f"JUDGED_ONE={backend}:{n} {node.name}, {m.kind} {m.what}: {what} {text}" for what, text in wrong]
            count["with" if changed else "without"] += 1
    expect(not failures, lambda: f"{len(failures)} disagreements in {len(numbers)} mutations\n" + "\n".join(failures[:SHOWN]))
    expect(len(numbers) == 1 or count["with"] and count["without"], f"only one kind of mutations: {count}")
    return f"{count['with']} mutations change endings and are all reported, {count['without']} change none and nothing is said"


def main():
    t = Tests()
    one = os.environ.get("JUDGED_ONE")
    if one:
        backend, n = one.split(":")
        t.run(f"judged-{backend}", mutations, backend, [int(n)])
    else:
        for backend in LABS:
            t.run(f"judged-{backend}", mutations, backend, range(int(os.environ.get("JUDGED", "120")) // 2))
    t.finish()


if __name__ == "__main__":
    main()
