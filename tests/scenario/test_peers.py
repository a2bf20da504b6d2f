#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Nodes against each other: copies of one recorded node under other names, one of them damaged. Each case has its look-alike, in which
nothing may be said."""
import json
import os
import re
import shutil
import time

from common import Copy, Dump, Tests, expect, expect_equal, run

LAB = "lab-iptables-nft"
DUMP = "iptables-nft-save.txt"
WEB = "10.96.136.124:80/TCP"
CHECK = "node-differs-from-peers"


class Nodes(Copy):
    """A bundle of @names, each a copy of the lab's node1, with the cluster's objects or without."""

    def __init__(self, *names, objects=False):
        super().__init__(LAB)
        self.names, self.objects = names, objects

    def __enter__(self):
        super().__enter__()
        if not self.objects:
            shutil.rmtree(self.file("cluster"))
            shutil.rmtree(self.file("nodes", "node2"))
        for name in self.names:
            if name != "node1" and not os.path.exists(self.file("nodes", name)):
                shutil.copytree(self.file("nodes", "node1"), self.file("nodes", name))
        return self

    def damage(self, node, change):
        def edit(text):
            d = Dump(text)
            change(d)
            return str(d)
        self.edit(edit, "nodes", node, DUMP)

    def verify(self, *args, code):
        return run("verify", "-A", "--bundle", self.path, "-o", "json", *args, codes=[code]).json

    def diagnose(self, *args, codes=(1, 2)):
        return run("diagnose", "-A", "--bundle", self.path, "-o", "json", *args, codes=list(codes)).json


def findings(d):
    found = {f["id"]: f for f in d["cluster"]}
    for s in d["services"]:
        found.update((f["id"], f) for f in s["causes"] + s["explained"])
    return [f for f in found.values() if f["id"].startswith(CHECK + "/")]


def no_web(d):
    d.remove("nat", "KUBE-SERVICES", "default/web cluster IP")


def stale(d):
    """web is not known yet; my-nginx and hostnames still go to pods that are gone."""
    no_web(d)
    for old, new in (("10.244.1.20:80", "10.244.1.21:80"), ("10.244.1.5:9376", "10.244.1.250:9376")):
        chain = next(c for c in own_seps(d) if any(text.endswith(f"--to-destination {old}") for _, text in d.rules("nat", c)))
        d.replace("nat", chain, ["-j DNAT"], old, new)


def own_seps(d):
    return sorted(set(re.findall(r"^:(KUBE-SEP-\w+)", str(d), re.M)))


def one(v):
    expect_equal(len(v["peers"]), 1, f"peers: {json.dumps(v['peers'])[:600]}; their number")
    return v["peers"][0]


# ---- without objects ----

def all_alike():
    with Nodes("node1", "node2", "node3") as b:
        v = b.verify(code=2)
        expect_equal(v["peers"], [], "peers")
        expect_equal(v["peers_compared"]["nodes"], ["node1", "node2", "node3"], "nodes compared")
        expect(v["peers_compared"]["frontends"] >= 20, f"only {v['peers_compared']['frontends']} frontends were compared")
        expect_equal(findings(b.diagnose()), [], "findings")
        return f"{v['peers_compared']['frontends']} frontends"


def missing_entry():
    with Nodes("node1", "node2", "node3", "node4") as b:
        b.damage("node3", no_web)
        p = one(b.verify(code=1))
        expect_equal((p["node"], p["severity"], p["services"]), ("node3", "error", 1), "who, how bad, how many")
        expect_equal(p["others"], ["node1", "node2", "node4"], "others")
        d = p["differences"][0]
        expect_equal((d["service"], d["frontend"], len(d["missing"]), d["extra"]), ("default/web", WEB, 3, []), "difference")
        expect("has no rule for it" in d["text"] and "send to 3 endpoints" in d["text"], d["text"])
        expect_equal(b.verify("--node", "node1", code=2)["peers"], [], "peers of another node")
        expect_equal(one(b.verify("--node", "node3", code=1))["node"], "node3", "with --node")


def stale_node():
    with Nodes("node1", "node2", "node3") as b:
        b.damage("node2", stale)
        p = one(b.verify(code=1))
        expect_equal((p["node"], p["services"]), ("node2", 3), "who, how many Services")
        by_name = {d["service"]: d for d in p["differences"]}
        expect_equal((by_name["default/my-nginx"]["missing"], by_name["default/my-nginx"]["extra"]), (["10.244.1.20:80"], ["10.244.1.21:80"]),
                     "my-nginx")
        # its only endpoint is another one: that can be a zone of its own
        expect_equal(by_name["default/my-nginx"]["severity"], "warning", "severity of disjoint sets")
        f = findings(b.diagnose(codes=[1]))
        expect_equal([(x["node"], x["severity"]) for x in f], [("node2", "error")], "findings")
        expect("3 Services" in f[0]["text"], f[0]["text"])


def smaller_set():
    """One endpoint less: it works, and hints for the same node look so, too."""
    with Nodes("node1", "node2", "node3") as b:
        b.damage("node1", lambda d: d.remove("nat", "KUBE-SVC-LOLE4ISW44XBNF3G", "10.244.1.135:80"))
        p = one(b.verify(code=2))
        expect_equal((p["node"], p["severity"], p["differences"][0]["missing"]), ("node1", "warning", ["10.244.1.135:80"]), "peer")
        b.verify("--fail-on", "warning", code=1)


def uneven():
    """All endpoints, in other shares."""
    def change(d):
        d.replace("nat", "KUBE-SVC-LOLE4ISW44XBNF3G", ["--probability 0.5"], "--probability 0.5", "--probability 0.9")
    with Nodes("node1", "node2", "node3") as b:
        b.damage("node2", change)
        p = one(b.verify(code=2))
        d = p["differences"][0]
        expect_equal((p["node"], p["severity"], d["service"], d["missing"], d["extra"]), ("node2", "warning", "default/web", [], []), "peer")
        expect(re.search(r"gives \S+ (60.0|6.7) % of the connections, its peers 33.3 %", d["text"]), d["text"])


def five_digits():
    """Probabilities as an old iptables-save prints them are the same probabilities."""
    with Nodes("node1", "node2", "node3") as b:
        b.edit(lambda t: re.sub(r"--probability (0\.\d{5})\d*", r"--probability \1", t), "nodes", "node2", DUMP)
        expect_equal(b.verify(code=2)["peers"], [], "peers")


def not_masqueraded():
    with Nodes("node1", "node2", "node3") as b:
        b.damage("node3", lambda d: d.remove("nat", "KUBE-SVC-LOLE4ISW44XBNF3G", "KUBE-MARK-MASQ"))
        p = one(b.verify(code=2))
        d = p["differences"][0]
        expect_equal((p["node"], p["severity"], d["service"], d["missing"], d["extra"]), ("node3", "warning", "default/web", [], []), "peer")
        expect("does not rewrite the source of its own connections" in d["text"] and "unlike its peers" in d["text"], d["text"])


def two_nodes():
    with Nodes("node1", "node2") as b:
        b.damage("node2", no_web)
        p = one(b.verify(code=2))
        expect_equal((p["node"], p["severity"], p["others"]), (None, "warning", ["node1", "node2"]), "nobody knows")
        expect("nothing tells which of them is right" in p["text"], p["text"])


def no_majority():
    with Nodes("node1", "node2", "node3", "node4") as b:
        for node in ("node3", "node4"):
            b.damage(node, no_web)
        p = one(b.verify(code=2))
        expect_equal((p["node"], p["severity"], len(p["others"])), (None, "warning", 4), "two against two")


def flushed():
    with Nodes("node1", "node2", "node3") as b:
        b.edit(lambda t: re.sub(r"^.*-A KUBE-SERVICES .*\n", "", t, flags=re.M), "nodes", "node3", DUMP)
        p = one(b.verify(code=1))
        expect(p["node"] == "node3" and p["services"] >= 15, f"{p['node']} {p['services']}")


def local_policy():
    """An entry that leads to a chain of local endpoints differs from node to node, as it must."""
    def change(d):
        d.replace("nat", "KUBE-SERVICES", ["default/web cluster IP"], "KUBE-SVC-LOLE4ISW44XBNF3G", "KUBE-SVL-LOLE4ISW44XBNF3G")
    with Nodes("node1", "node2", "node3") as b:
        for node in b.names:
            b.damage(node, lambda d: (d.add_chain("nat", "KUBE-SVL-LOLE4ISW44XBNF3G"), change(d)))
        b.damage("node2", lambda d: d.insert("nat", "-A KUBE-SVL-LOLE4ISW44XBNF3G -j KUBE-SEP-YALWEIW2Q6VQOFME"))
        v = b.verify(code=2)
        expect_equal((v["peers"], v["peers_compared"]["left_out"]), ([], 1), "peers, left out")


def local_cache():
    """One node has a cache that answers for the DNS Service itself: it is no fault of the others, nor of that node."""
    with Nodes("node1", "node2", "node3") as b:
        def local(text):
            route = {"type": "local", "dst": "10.96.0.10", "dev": "lo", "table": "local", "protocol": "kernel", "scope": "host", "flags": []}
            return json.dumps(json.loads(text) + [route])
        b.edit(local, "nodes", "node3", "ip-route.json")
        b.edit(lambda t: t + "*raw\n:PREROUTING ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n-A OUTPUT -d 10.96.0.10/32 -p udp -m udp --dport 53 -j CT --notrack\n"
               "-A OUTPUT -d 10.96.0.10/32 -p tcp -m tcp --dport 53 -j CT --notrack\nCOMMIT\n", "nodes", "node3", DUMP)
        expect_equal(b.verify(code=2)["peers"], [], "peers")


def without_comments():
    """The frontend's address stands for the Service."""
    with Nodes("node1", "node2", "node3") as b:
        for node in b.names:
            b.edit(lambda t: re.sub(r' -m comment --comment ("[^"]*"|\S+)', "", t), "nodes", node, DUMP)
        b.edit(lambda t: re.sub(r"^.*-A KUBE-SERVICES -d 10.96.136.124/32 .*\n", "", t, flags=re.M), "nodes", "node3", DUMP)
        p = one(b.verify(code=1))
        expect_equal((p["node"], p["differences"][0]["service"]), ("node3", WEB), "peer")


def not_a_peer(change, name, says):
    """A node whose rules are not kube-proxy's of iptables mode, or not whole, is not compared."""
    with Nodes("node1", "node2", "node3", "node4") as b:
        change(b, name)
        v = b.verify(code=2)
        expect_equal((v["peers"], v["peers_compared"]["nodes"]), ([], [n for n in b.names if n != name]), says)


def ipvs_node(b, node):
    os.unlink(b.file("nodes", node, "kube-proxy-configz.json"))
    b.write("ipvs\n", "nodes", node, "kube-proxy-mode.txt")
    b.edit(lambda t: re.sub(r"^.*-A KUBE-SERVICES .*\n", "", t, flags=re.M), "nodes", node, DUMP)


def ipvs_node_unsaid(b, node):
    for f in ("kube-proxy-configz.json", "kube-proxy-mode.txt"):
        os.unlink(b.file("nodes", node, f))
    b.edit(lambda t: re.sub(r"^.*-A KUBE-SERVICES .*\n", "", t, flags=re.M).replace(":KUBE-SERVICES", ":KUBE-NODE-PORT - [0:0]\n:KUBE-SERVICES"),
           "nodes", node, DUMP)


def torn_dump(b, node):
    b.edit(lambda t: t[:t.index("-A KUBE-SERVICES -d 10.96.136.124")], "nodes", node, DUMP)
    for f in ("ip6tables-nft-save.txt", "ip6tables-legacy-save.txt"):
        os.unlink(b.file("nodes", node, f))


# ---- with objects ----

def with_objects():
    """The objects say who is wrong: beside its own differences, and once for the node."""
    with Nodes("node3", objects=True) as b:
        b.damage("node3", stale)
        v = b.verify(code=1)
        p = one(v)
        expect_equal((p["node"], p["services"]), ("node3", 3), "peer")
        expect({d["node"] for d in v["differences"]} == {"node3"}, "differences of other nodes")
        d = b.diagnose(codes=[1])
        f = findings(d)
        expect_equal([(x["node"], x["services"]) for x in f], [("node3", 3)], "findings")
        for name in ("default/web", "default/my-nginx", "default/hostnames"):
            s = next(s for s in d["services"] if s["service"] == name)
            expect_equal([c["id"].split("/")[0] for c in s["causes"]], [CHECK], f"causes of {name}")
            expect(s["explained"], f"nothing is explained of {name}")


def asked_services():
    """Only the Services that were asked for."""
    with Nodes("node3", objects=True) as b:
        b.damage("node3", stale)
        v = run("verify", "my-nginx", "--bundle", b.path, "-o", "json", codes=[1]).json
        expect_equal([d["service"] for d in one(v)["differences"]], ["default/my-nginx"], "Services")
        expect_equal(run("verify", "sticky", "--bundle", b.path, "-o", "json", codes=[0]).json["peers"], [], "peers of another Service")


def unhealthy():
    """kube-proxy says itself that it is behind: that is why the node differs."""
    with Nodes("node1", "node2", "node3") as b:
        b.damage("node3", stale)
        b.write(json.dumps({"lastUpdated": "2026-11-21T07:00:00Z", "currentTime": "2026-11-21T07:30:00Z", "healthy": False}),
                "nodes", "node3", "kube-proxy-healthz.json")
        d = b.diagnose(codes=[1])
        f = next(f for f in d["cluster"] if f["id"].startswith("kube-proxy-healthz-stale/"))
        expect([i.split("/")[0] for i in f["explains"]] == [CHECK], f"explains {f['explains']}")


def objects_two_nodes():
    """Two nodes, and the objects know who is right: nobody disagrees in the dark."""
    with Nodes(objects=True) as b:
        b.damage("node2", stale)
        expect_equal(b.verify(code=1)["peers"], [], "peers")


def objects_majority_wrong():
    """Who is as the API wants is never named, also when it is alone with it."""
    with Nodes("node3", "node4", objects=True) as b:
        for node in ("node1", "node3", "node4"):
            b.damage(node, no_web)
        v = b.verify(code=1)
        expect_equal(v["peers"], [], "peers")
        expect_equal({d["node"] for d in v["differences"]}, {"node1", "node3", "node4"}, "nodes with differences")


def objects_one_service():
    """A single Service has its own finding, with the rule: no second one."""
    with Nodes("node3", objects=True) as b:
        b.damage("node3", no_web)
        expect_equal(one(b.verify(code=1))["node"], "node3", "peer")
        expect_equal(findings(b.diagnose(codes=[1])), [], "findings")


def jump_missing():
    """Every Service differs, because of one jump: that is the cause."""
    with Nodes("node3", objects=True) as b:
        b.damage("node3", lambda d: d.remove("nat", "OUTPUT", "-j KUBE-SERVICES"))
        d = b.diagnose(codes=[1])
        causes = {c["id"].split("/")[0] for s in d["services"] if not s["service"].startswith("shop/") for c in s["causes"]}
        expect("kube-chain-not-jumped" in causes and CHECK not in causes, f"causes: {sorted(causes)}")


# ---- many ----

def many():
    """10,000 Services on five nodes."""
    services = 10000
    with Nodes("node1", "node2", "node3", "node4", "node5") as b:
        text = large(services)
        for node in b.names:
            b.write(text, "nodes", node, DUMP)
            for f in os.listdir(b.file("nodes", node)):
                if f.endswith("-save.txt") and f != DUMP:
                    os.unlink(b.file("nodes", node, f))
        b.edit(lambda t: t.replace("--to-destination 10.244.7.9:80\n", "--to-destination 10.244.250.9:80\n"), "nodes", "node4", DUMP)
        began = time.monotonic()
        p = one(b.verify("--fail-on", "warning", code=1))
        took = time.monotonic() - began
        expect_equal((p["node"], p["services"]), ("node4", 1), "peer")
        expect(took < 60, f"it took {took:.1f} s")
        return f"{took:.2f} s with reading"


def large(services):
    chains, rules = [], []
    for i in range(services):
        ip, to, svc = f"10.{96 + i // 65536}.{i // 256 % 256}.{i % 256}", f"10.244.{i // 250}.{i % 250}", f"{i:016d}"
        chains += [f":KUBE-SVC-{svc} - [0:0]", f":KUBE-SEP-{svc} - [0:0]"]
        rules += [f'-A KUBE-SERVICES -d {ip}/32 -p tcp -m comment --comment "ns/s{i} cluster IP" -m tcp --dport 80 -j KUBE-SVC-{svc}',
                  f'-A KUBE-SVC-{svc} -m comment --comment "ns/s{i} -> {to}:80" -j KUBE-SEP-{svc}',
                  f'-A KUBE-SEP-{svc} -p tcp -m comment --comment "ns/s{i}" -m tcp -j DNAT --to-destination {to}:80']
    head = ["*nat", ":PREROUTING ACCEPT [0:0]", ":INPUT ACCEPT [0:0]", ":OUTPUT ACCEPT [0:0]", ":POSTROUTING ACCEPT [0:0]",
            ":KUBE-SERVICES - [0:0]"]
    jumps = ["-A PREROUTING -j KUBE-SERVICES", "-A OUTPUT -j KUBE-SERVICES"]
    return "\n".join(head + chains + jumps + rules + ["COMMIT", ""])


if __name__ == "__main__":
    t = Tests()
    t.run("three nodes that are alike", all_alike)
    t.run("a missing entry", missing_entry)
    t.run("a stale node", stale_node)
    t.run("an endpoint less", smaller_set)
    t.run("uneven shares", uneven)
    t.run("shares of five digits", five_digits)
    t.run("no masquerade", not_masqueraded)
    t.run("two nodes", two_nodes)
    t.run("two against two", no_majority)
    t.run("a flushed node", flushed)
    t.run("local policy is left out", local_policy)
    t.run("a node-local cache", local_cache)
    t.run("rules without comments", without_comments)
    t.run("a node in IPVS mode", not_a_peer, ipvs_node, "node2", "with an IPVS node")
    t.run("a node in IPVS mode that nothing names", not_a_peer, ipvs_node_unsaid, "node2", "with an IPVS node")
    t.run("a torn dump", not_a_peer, torn_dump, "node2", "with a torn dump")
    t.run("objects: a stale node", with_objects)
    t.run("objects: some Services", asked_services)
    t.run("a kube-proxy that is behind", unhealthy)
    t.run("objects: two nodes", objects_two_nodes)
    t.run("objects: the majority is wrong", objects_majority_wrong)
    t.run("objects: one Service", objects_one_service)
    t.run("objects: a jump is missing", jump_missing)
    t.run("many Services", many)
    t.finish()
