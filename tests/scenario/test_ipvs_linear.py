#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The engine against the plain evaluator of IPVS mode (ipvs_linear.py): the packets of the recorded lab to its frontends and beside them, as
recorded and after random damage (mutate_ipvs.py).

LINEAR_SEEDS=N runs N damages (default 24); LINEAR_SEED=S runs one."""
import contextlib
import os
import random
import shutil

import linear
import mutate_ipvs
from common import Copy, Failure, Tests, expect, run
from judge_modes import IpvsNode
from test_flows import endpoint

PACKETS = 12


@contextlib.contextmanager
def alone(name):
    """One node of the lab and nothing else: `trace` follows a packet to the others that it knows."""
    with Copy("lab-ipvs") as copy:
        for other in ("node1", "node2"):
            if other != name:
                shutil.rmtree(copy.file("nodes", other))
        os.remove(copy.file("nodes", name, "ipvsadm-ln.txt"))
        shutil.rmtree(copy.file("cluster"))
        yield copy


def args(p, source):
    host = linear.address_text(p.dst, 4)
    dst = f"{endpoint(host, p.dport)}/{'tcp' if p.proto == 6 else 'udp'}"
    return [source, dst, "--sport", str(p.sport)] + (["--in", p.iif] if p.iif else [])


def compare(node, world, source, p, path):
    if world.unsure(p):
        return 0  # shares that no weights tell
    doc = run("trace", *args(p, source), "--bundle", path, "--node", node.name, "-o", "json", codes=[0, 1, 2]).json
    why = linear.disagreement(world.endings(p), linear.program_endings(doc["endings"]))
    expect(why is None, lambda: f"{p}: {why}\n  trace {' '.join(args(p, source))} --node {node.name}")
    return 1


def chosen(r, node, m):
    """Packets to frontends, and to what the damage names."""
    more = node.sides(m.rules) if m else []
    v = node.packets(more)
    if m:
        v = r.sample(v, min(PACKETS, len(v))) + r.sample(node.named(m.rules, more), PACKETS)
    own = [(f, a, linear.Packet(a, f.address, f.proto.lower(), 40000, f.port, None)) for a in node.own for f in node.frontends]
    return [(source, p) for _, source, p in v + r.sample(own, 4)]


def as_recorded(name):
    node, r = IpvsNode(name), random.Random(name)
    world = node.world(node.recorded)
    with alone(name) as copy:
        packets = chosen(r, node, None)
        count = sum(compare(node, world, source, p, copy.path) for source, p in r.sample(packets, 120))
    return f"{count} packets"


def damaged(seeds):
    nodes, failures, count = [IpvsNode(n) for n in ("node1", "node2")], [], 0
    with alone("node1") as first, alone("node2") as second:
        for n in seeds:
            node, copy, r = nodes[n % 2], (first, second)[n % 2], random.Random(f"ipvs-linear {n}")
            m = mutate_ipvs.mutation(r, node.files)
            world = node.world(node.parse({**node.files, **m.files(node)}))
            for name, text in m.files(node).items():
                copy.write(text, "nodes", node.name, name)
            try:
                count += sum(compare(node, world, source, p, copy.path) for source, p in chosen(r, node, m))
            except Failure as e:
                failures.append(f"LINEAR_SEED={n} {m.kind} {m.what}: {e}")
            for name in m.files(node):
                copy.write(node.files[name], "nodes", node.name, name)
    expect(not failures, lambda: f"{len(failures)} of {len(seeds)} damages\n" + "\n".join(failures))
    return f"{count} packets after {len(seeds)} damages: engine and evaluator agree"


if __name__ == "__main__":
    t = Tests()
    for name_ in ("node1", "node2"):
        t.run(f"ipvs-linear/{name_}", as_recorded, name_)
    one = os.environ.get("LINEAR_SEED")
    t.run("ipvs-linear-damaged", damaged, [int(one)] if one else range(1, int(os.environ.get("LINEAR_SEEDS", "24")) + 1))
    t.finish()
