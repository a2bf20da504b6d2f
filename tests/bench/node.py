#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The rules of a large cluster read from the kernel, against the tool that prints them, in the same run: kube-proxy's rules of each backend are loaded
into a network namespace that ends with this process. Reading is `kernel_read`, which prints the text; what follows, reading that text and verifying
every Service, is measured by bench.c. It measures and never fails for a number.

    tests/bench/node.py FOLDER [BACKEND|SIZE...]      iptables-nft, iptables-legacy, nftables; 2000 Services, for 10000 the first tool takes half a minute"""
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(os.path.dirname(HERE), "scenario")]
from bench import Row, generate, measure, parts  # noqa: E402
from kernel_world import NEWNET, run, unshare  # noqa: E402

READER = os.environ.get("KERNEL_READ", "build/tests/kernel_read")
SIZE = 2000
READ = 0


class Backend:
    """@reader: of kernel_read; @must, @aim: how many times faster than the tool to read and verify."""

    def __init__(self, mode, dump, restore, tool, reader, must, aim):
        self.mode, self.dump, self.restore, self.tool, self.reader, self.must, self.aim = mode, dump, restore, tool, reader, must, aim


BACKENDS = {
    "iptables-nft": Backend("iptables", "iptables-legacy-save.txt", ["iptables-nft-restore"], ["iptables-nft-save"], "nft", 15, 30),
    "iptables-legacy": Backend("iptables", "iptables-legacy-save.txt", ["iptables-legacy-restore"], ["iptables-legacy-save"], "legacy4", 1, 1),
    "nftables": Backend("nftables", "nft-ruleset.json", ["nft", "-j", "-f", "-"], ["nft", "-j", "list", "ruleset"], "nft", 4, 4),
}


def load(b, bundle):
    with open(os.path.join(bundle, "nodes", "n1", b.dump), "rb") as f:
        run(*b.restore, stdin=f.read())


def show(name, row, tool):
    print(f"  {name:44} {row.wall:9.3f} {row.cpu:9.3f} " + (f"{row.mib:8.1f}" if row.mib else "       -") +
          (f"   {tool.wall / row.wall:7.1f} times faster, " + (f"{row.mib / tool.mib:.2f} of the memory" if row.mib else "") if tool else "") + f"   {row.note}")


def one(folder, name, n):
    b = BACKENDS[name]
    bundle = generate(folder, b.mode, n)
    unshare(NEWNET)
    for account in ("ct_state_invalid_dropped_pkts", "localhost_nps_accepted_pkts"):
        run("nfacct", "add", account, check=False)
    try:
        load(b, bundle)
    except OSError as e:
        print(f"{name}: {n} Services cannot be loaded here: {str(e)[:200]}", flush=True)
        return
    reading = measure([READER, b.reader])
    tool = measure(b.tool, runs=1)
    if reading.note != f"exit {READ}" or tool.note != "exit 0":
        print(f"{name}: {n} Services: the reader ended with {reading.note}, {' '.join(b.tool)} with {tool.note}", flush=True)
        return
    rest = parts(bundle)[0]["read the rules, verify every one"]
    print(f"{name}: {n} Services, {5 * n} endpoints; read and verify: {b.must} times faster than {' '.join(b.tool)}, the aim is {b.aim}\n"
          f"  {'':44} {'seconds':>9} {'cpu':>9} {'MiB':>8}")
    show(" ".join(b.tool), tool, None)
    show("read the kernel", reading, tool)
    show("read that text, verify every Service", rest, None)
    show("all of it", Row(reading.wall + rest.wall, reading.cpu + rest.cpu), tool)
    sys.stdout.flush()


def main():
    folder, rest = sys.argv[1], sys.argv[2:]
    os.makedirs(folder, exist_ok=True)
    os.environ["XTABLES_LOCKFILE"] = os.path.join(os.path.abspath(folder), "xtables.lock")
    try:
        unshare(NEWNET)
        run("iptables-nft-save")
    except (OSError, subprocess.SubprocessError) as e:
        print(f"node: no network namespace to load rules into: {e}")
        return
    for name in [a for a in rest if not a.isdigit()] or list(BACKENDS):
        for n in [int(a) for a in rest if a.isdigit()] or [SIZE]:
            one(folder, name, n)


if __name__ == "__main__":
    main()
