#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The same fault of DNS as it is seen from everywhere: from a pod's namespace, in it, from a node, from what dig wrote down in a pod and on a node, beside a live
API server, from what collect wrote, and from outside, where nothing is sent. The fault is that of a Service which was made anew, and whose old address is still told (dns_world.py)."""
import os
import re
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor

from common import ROOT, Tests, expect, expect_equal, run, write
from dns_world import World, lacks
from test_dns_faults import SETUPS, record, service_made_anew

CHECK = "dns-stale-record"


class Row:
    name, at = "web.shop", "cl"


class Seats:
    def __init__(self, w):
        self.w, self.bundle = w, os.path.join(w.folder, "bundle")

    def inside(self, short):
        return ("ip", "netns", "exec", self.w.name(short))

    def ask(self, *args, prefix=(), codes=(1,)):
        return run("dns", "web.shop", "--bundle", self.bundle, *args, "-o", "json", prefix=prefix, codes=set(codes)).json


def told(document, check=CHECK):
    checks = [f["check"] for f in document["findings"] if f["severity"] == "error"]
    expect_equal(checks, [check], "the errors")
    text = " ".join([document["findings"][0]["text"], *document["findings"][0]["evidence"]])
    expect("10.96.20.99" in text, f"the address is not told: {text}")


def from_a_pods_namespace(s):
    told(s.ask("--netns", s.w.name("cl")))


def in_a_pod(s):
    told(s.ask("--here", prefix=s.inside("cl")))


def on_a_node(s):
    told(s.ask("--here", prefix=s.inside("node1")))


def from_a_nodes_namespace(s):
    told(s.ask("--netns", s.w.name("node2")))


def from_outside(s):
    """A machine that is none of the cluster's asks nobody unless it is told to."""
    s.w.inside("net", "iptables", "-I", "OUTPUT", "-p", "udp", "--dport", "53")
    d = s.ask(prefix=s.inside("net"), codes=(0, 2))
    expect_equal([f["check"] for f in d["findings"] if f["severity"] == "error"], [], "errors from outside")
    counted = re.findall(r"\[(\d+):\d+\] -A OUTPUT", s.w.inside("net", "iptables-save", "-c").decode())
    expect_equal(counted[:1], ["0"], "packets that were sent")


def of_a_live_cluster(s):
    """The objects from an API server; then both in one archive, which tells the same."""
    server = subprocess.Popen([*s.inside("cl"), sys.executable, os.path.join(ROOT, "tests", "scenario", "api_server.py"), s.bundle],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        config = server.stdout.readline().decode().strip()
        here = ("--kubeconfig", config, "--netns", s.w.name("cl"))
        told(run("dns", "web.shop", *here, "-o", "json", prefix=s.inside("cl"), codes={1}).json)
        archive = os.path.join(s.w.folder, "all.tar.gz")
        run("collect", "--dns", "-n", "shop", *here, "-w", archive, prefix=s.inside("cl"), codes={0})
    finally:
        server.stdin.close()
        server.wait()
        server.stdout.close()
    # of one namespace: a Service of another may have the address
    told(run("dns", "web.shop", "--bundle", archive, "-o", "json", codes={1}).json, "dns-wrong-record")


def written_down_in_a_pod(s):
    """By dig, for whoever has no svcdoctor there."""
    record(s.w, Row, s.bundle)
    told(s.ask())


def written_down_on_a_node(s):
    folder = os.path.join(s.bundle, "cluster", "pods", "shop", "client")
    with open(os.path.join(folder, "dns.txt"), encoding="utf-8") as f:
        write(f.read(), os.path.join(s.bundle, "nodes", "node1", "dns.txt"))
    for name in ("dns.txt", "resolv.conf"):
        os.remove(os.path.join(folder, name))
    told(s.ask())


# Set-ups whose servers answer at once, so that dig does.
BY_DIG = ("zone_refused", "zone_fails", "another_domain", "no_such_name_for_aaaa", "foreign_address", "one_of_three_is_behind", "peers_not_ready", "wildcard",
          "search_list_without_the_cluster", "ndots_one", "namespace_called_com", "bare_name_of_another_namespace")


def by_dig(number, s, folder):
    """What dig wrote down of another fault: the same is the first cause as where the program asks."""
    with World(200 + number, os.path.join(folder, s.row)) as w:
        os.makedirs(w.folder)
        s.make(w)
        path = w.bundle()
        w.start()
        record(w, s, path)
        d = run("dns", s.name, "--bundle", path, "-o", "json").json
        found = {f["id"]: f for f in d["findings"]}
        causes = [found[i] for i in d["causes"]]
        expect_equal(causes[0]["check"] if causes else None, s.check, "the first cause")
        expect_equal([f["check"] for f in causes if f["severity"] == "error" and f["check"] != s.check], [], "other errors")


SEATS = [from_a_pods_namespace, in_a_pod, on_a_node, from_a_nodes_namespace, from_outside, of_a_live_cluster, written_down_in_a_pod, written_down_on_a_node]


def main():
    tests = Tests()
    why = lacks()
    if why:
        tests.skip("dns_seats", why)
        return
    with tempfile.TemporaryDirectory(prefix="svcdoctor-dns-") as folder, World(0, folder) as w:
        look = service_made_anew(w)
        w.bundle()
        w.start()
        look()
        for seat in SEATS:
            if seat.__name__ in sys.argv[1:] or not sys.argv[1:]:
                tests.run(f"dns_seats/{seat.__name__.replace('_', '-')}", seat, Seats(w))
        if not sys.argv[1:]:
            setups = [s for s in SETUPS if s.make.__name__ in BY_DIG]
            expect_equal(len(setups), len(BY_DIG), "set-ups")
            with ThreadPoolExecutor(4) as pool:
                made = [(s, pool.submit(by_dig, n, s, folder)) for n, s in enumerate(setups)]
                for s, future in made:
                    tests.run(f"dns_seats/by-dig/{s.row}", future.result)
    tests.finish()


if __name__ == "__main__":
    main()
