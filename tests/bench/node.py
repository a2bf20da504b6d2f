#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The rules of a large cluster read from the kernel, against the tool that prints them, in the same run: kube-proxy's rules of each backend are loaded
into a network namespace that ends with this process, with the node's addresses. Reading is `kernel_read`, which prints the text; what follows, reading that
text and verifying every Service, is measured by bench.c; the whole command reads the cluster's JSON, too. It measures and never fails for a number.

    tests/bench/node.py FOLDER [BACKEND|SIZE...]      iptables-nft, iptables-legacy, nftables; 2000 Services, for 10000 the first tool takes half a minute"""
import json
import os
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(os.path.dirname(HERE), "scenario")]
from bench import PROGRAM, Row, generate, measure, parts  # noqa: E402
from kernel_nftables_run import commands  # noqa: E402
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
    with open(os.path.join(bundle, "nodes", "n1", b.dump), encoding="utf-8") as f:
        text = f.read()
    run(*b.restore, stdin=(commands(text) if b.mode == "nftables" else text).encode())


def links(bundle):
    """The node's interfaces, as far as a namespace of its own can have them."""
    with open(os.path.join(bundle, "nodes", "n1", "ip-addr.json"), encoding="utf-8") as f:
        for link in json.load(f):
            if link["ifname"] != "lo":
                run("ip", "link", "add", link["ifname"], "type", "bridge")
            for a in link["addr_info"] if link["ifname"] != "lo" else ():
                run("ip", "addr", "add", f"{a['local']}/{a['prefixlen']}", "dev", link["ifname"])
            run("ip", "link", "set", link["ifname"], "up")
    for name in ("ip_forward", "conf/all/route_localnet"):
        with open(f"/proc/sys/net/ipv4/{name}", "w", encoding="ascii") as f:
            f.write("1")


def verify(bundle, folder):
    """`verify -A` over the cluster's objects and this kernel."""
    only = os.path.join(folder, "cluster-only")
    shutil.rmtree(only, ignore_errors=True)
    shutil.copytree(os.path.join(bundle, "cluster"), os.path.join(only, "cluster"))
    argv = [PROGRAM, "verify", "-A", "--bundle", only, "--netns", f"/proc/{os.getpid()}/ns/net", "--node", "n1", "-o", "json"]
    p = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
    try:
        doc = json.loads(p.stdout)
    except ValueError:
        return None, p.stderr.decode(errors="replace")
    row = measure(argv)
    return row, f"{doc['decided']} of {doc['frontends']} frontends decided, {len(doc['differences'])} differences"


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
        links(bundle)
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
    show("both", Row(reading.wall + rest.wall, reading.cpu + rest.cpu), tool)
    whole, what = verify(bundle, folder)
    if whole:
        show("svcdoctor verify -A", whole, tool)
    print(f"  {what}")
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
