#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""`trace` on the lab in IPVS mode: a pod, a client outside and the node itself to every kind of address, and what a damaged node makes of it."""
import json
import os

from common import CORPUS, Copy, Tests, expect, expect_equal, run

LAB = os.path.join(CORPUS, "lab-ipvs")


def trace(bundle, src, dst, *more, codes=(0,)):
    return run("trace", src, dst, "--bundle", bundle, "-o", "json", *more, codes=list(codes)).json


def fates(document):
    """{address:port: (weight, source it leaves with, does the reply come home)}; of a refusal its words."""
    got = {}
    for e in document["endings"]:
        if e["verdict"] == "accept":
            got[f"{e['address']}:{e['port']}"] = (round(e["weight"], 3), e["source"], e["reply"]["ok"] if e["delivery"] != "lost" else "lost")
        else:
            got[e["verdict"]] = e["by"].get("text") or e["by"]["kind"]
    return got


def third(addresses, source, reply=True):
    return {a: (0.333, source, reply) for a in addresses}


# Source, destination, node, what becomes of it.
HOSTNAMES = ("10.244.1.5:9376", "10.244.1.6:9376", "10.244.2.7:9376")
ROWS = [
    # a pod: nothing is rewritten but its own address to itself; a node port masquerades
    ("10.244.1.70", "10.96.250.211:80/tcp", "node1", third(HOSTNAMES, "10.244.1.70")),
    ("10.244.1.5", "10.96.250.211:80/tcp", "node1", {**third(HOSTNAMES, "10.244.1.5"), HOSTNAMES[0]: (0.333, "10.244.1.1", True)}),
    ("10.244.1.5", "172.30.99.1:30080/tcp", "node1", {"10.244.1.20:80": (1.0, "10.244.1.1", True)}),
    # node2's pod, to the same Service by node2
    ("10.244.2.7", "10.96.250.211:80/tcp", "node2", {HOSTNAMES[0]: (0.333, "10.244.2.7", True), HOSTNAMES[1]: (0.333, "10.244.2.7", True),
                                                     HOSTNAMES[2]: (0.333, "10.244.2.1", True)}),
    # the node itself sends from the virtual address, and is masqueraded
    ("node1", "10.96.0.1:443/tcp", "node1", {"172.30.99.10:6443": (1.0, "172.30.99.1", True)}),
    ("node1", "172.30.99.1:30080/tcp", "node1", {"10.244.1.20:80": (1.0, "10.244.1.1", True)}),
    # UDP, persistence
    ("10.244.1.70", "10.96.0.10:53/udp", "node1", {"10.244.1.2:53": (0.5, "10.244.1.70", True), "10.244.2.2:53": (0.5, "10.244.1.70", True)}),
    ("10.244.1.70", "10.96.80.34:8080/tcp", "node1", third(("10.244.1.135:80", "10.244.1.136:80", "10.244.2.73:80"), "10.244.1.70")),
    # outside: node port, load balancer with ranges, external traffic policy Local with the endpoint elsewhere
    ("outside", "172.30.99.1:30080/tcp", "node1", {"10.244.1.20:80": (1.0, "10.244.1.1", True)}),
    ("198.51.100.9", "203.0.113.81:80/tcp", "node1", {"10.244.1.70:8080": (1.0, "10.244.1.1", True)}),
    ("outside", "203.0.113.80:8765/tcp", "node1", {"10.244.2.30:9376": (1.0, "203.0.113.9", False)}),
    ("outside", "203.0.113.80:8765/tcp", "node2", {"10.244.2.30:9376": (1.0, "203.0.113.9", True)}),
    # refused: no server, no virtual server
    ("10.244.1.5", "10.96.52.160:80/tcp", "node1", {"reject": "-A -t 10.96.52.160:80 -s rr"}),
    ("node1", "10.96.52.160:80/tcp", "node1", {"reject": "-A -t 10.96.52.160:80 -s rr"}),
    # node2's address lies on node1's kube-ipvs0: on its Service's port the Service answers, on others nobody
    ("10.244.1.5", "172.30.99.2:22/tcp", "node1", {"10.244.1.70:8080": (1.0, "10.244.1.1", True)}),
]


def rows():
    for src, dst, node, want in ROWS:
        expect_equal(fates(trace(LAB, src, dst, "--node", node)), want, f"{src} -> {dst} on {node}")


def rule_of(document):
    by = document["endings"][0]["by"]
    return document["endings"][0]["verdict"], by["table"], by["chain"]


def rules():
    expect_equal(rule_of(trace(LAB, "outside", "203.0.113.81:80/tcp", "--node", "node1")), ("drop", "filter", "KUBE-SOURCE-RANGES-FIREWALL"), "ranges")
    expect_equal(rule_of(trace(LAB, "node1", "203.0.113.81:80/tcp")), ("drop", "filter", "KUBE-IPVS-OUT-FILTER"), "the node itself, -m ipvs")
    expect_equal(rule_of(trace(LAB, "10.244.1.5", "10.96.0.1:444/tcp")), ("reject", "filter", "KUBE-IPVS-FILTER"), "another port")
    expect_equal(rule_of(trace(LAB, "10.244.1.5", "172.30.99.2:2222/tcp")), ("reject", "filter", "KUBE-IPVS-FILTER"), "node2's address on node1")


def words():
    text = run("trace", "10.244.1.5", "10.96.250.211:80/tcp", "--bundle", LAB, codes=[0]).out
    for want in ("ipvs                 DNAT 10.244.1.5:9376; out by cni0", "OUTPUT  no rule changes anything", "nat KUBE-POSTROUTING 1 source becomes"):
        expect(want in text, f"{want!r} is not in\n{text}")
    text = run("trace", "10.244.1.5", "10.96.52.160:80/tcp", "--bundle", LAB, codes=[0]).out
    expect("refused with icmp-port-unreachable by ipvs -A -t 10.96.52.160:80 -s rr" in text, text)


def foreign_rules():
    """FORWARD is the reply's way, INPUT and OUTPUT the request's."""
    for rule, want in (("-A FORWARD -s 10.244.0.0/16 -j DROP", {"10.244.2.7:9376": False}), ("-A FORWARD -d 10.244.2.7/32 -j DROP", {"10.244.2.7:9376": True}),
                       ("-A INPUT -d 10.96.0.0/12 -j DROP", {"drop": None}), ("-A OUTPUT -d 10.244.2.7/32 -j DROP", {"drop": None})):
        with Copy("lab-ipvs") as lab:
            lab.edit(lambda text, rule=rule: text.replace(":KUBE-SOURCE-RANGES-FIREWALL - [0:0]\n", f":KUBE-SOURCE-RANGES-FIREWALL - [0:0]\n[0:0] {rule}\n", 1),
                     "nodes", "node1", "iptables-legacy-save.txt")
            endings = {f"{e['address']}:{e['port']}" if e["verdict"] == "accept" else e["verdict"]: e["reply"]["ok"] for e in
                       trace(lab.path, "10.244.1.70", "10.96.250.211:80/tcp", "--node", "node1")["endings"]}
            for key, reply in want.items():
                expect(key in endings and endings[key] == (reply if key != "drop" else endings[key]), f"{rule}: {json.dumps(endings)}")


def damaged():
    """Without the address the packet goes elsewhere; without masquerade for conntrack the reply is lost; a server of weight 0 gets nothing."""
    with Copy("lab-ipvs") as lab:
        for name in ("ip-addr.json", "ip-route.json"):
            lab.edit(lambda text: text.replace('"10.96.250.211"', '"10.96.250.212"'), "nodes", "node1", name)
        e = trace(lab.path, "10.244.1.70", "10.96.250.211:80/tcp", "--node", "node1")["endings"]
        expect_equal([(x["translated"], x["address"], x["interface"]) for x in e], [(False, "10.96.250.211", "eth0")], "no address on kube-ipvs0")
    with Copy("lab-ipvs") as lab:
        lab.edit(lambda text: text.replace("net.ipv4.vs.conntrack = 1", "net.ipv4.vs.conntrack = 0"), "nodes", "node1", "sysctl.txt")
        got = fates(trace(lab.path, "outside", "172.30.99.1:32147/tcp", "--node", "node1"))
        expect_equal(got, {"10.244.2.30:9376": (1.0, "203.0.113.9", False)}, "no conntrack")
    with Copy("lab-ipvs") as lab:
        lab.edit(lambda text: text.replace("-a -t 10.96.250.211:80 -r 10.244.1.5:9376 -m -w 1", "-a -t 10.96.250.211:80 -r 10.244.1.5:9376 -m -w 0"),
                 "nodes", "node1", "ipvsadm-save.txt")
        got = fates(trace(lab.path, "10.244.1.70", "10.96.250.211:80/tcp", "--node", "node1"))
        expect_equal(got, {a: (0.5, "10.244.1.70", True) for a in HOSTNAMES[1:]}, "weight 0")


def not_known():
    """A dump of IPVS that is missing is not taken as empty where its addresses are there."""
    with Copy("lab-ipvs") as lab:
        for name in ("ipvsadm-save.txt", "ipvsadm-ln.txt"):
            os.remove(lab.file("nodes", "node1", name))
        r = run("trace", "10.244.1.5", "10.96.250.211:80/tcp", "--bundle", lab.path, "-o", "json", codes=None)
        expect(any("IPVS" in s["reason"] for s in r.json["skipped"]), f"{r.json['skipped']}")


if __name__ == "__main__":
    t = Tests()
    for test in (rows, rules, words, foreign_rules, damaged, not_known):
        t.run(test.__name__, test)
    t.finish()
