#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""connect, with real packets: two nodes in namespaces whose pods answer, refuse, are silent, or are not to be reached, each beside its look-alikes."""
import json
import os
import shutil
import subprocess
import sys
import tempfile

from common import PROGRAM, ROOT, Tests, expect, expect_equal, run, write
from connect_world import World, bundle, pod_object, service_object, slice_object, translate

NEAR = [(f"web-{i}", f"10.244.1.{10 + i}", "node1") for i in (1, 2, 3)]
FAR = [(f"web-{i}", f"10.244.2.{7 + i}", "node2") for i in range(4, 11)]
TEN = NEAR + FAR
QUICK = ("--connect-timeout", "600ms")


class Stage:
    """The world with ten sound pods, and what the tests share."""

    def __init__(self, w, folder):
        self.w, self.folder, self.made = w, folder, 0
        w.pod("a", "node1", *[ip for _, ip, _ in NEAR])
        w.pod("b", "node2", *[ip for _, ip, _ in FAR])
        w.listen("a", "http,0.0.0.0,8080", "udp,0.0.0.0,7000", "dns,0.0.0.0,53")
        w.listen("b", "http,0.0.0.0,8080")
        self.lead_to(TEN)

    def lead_to(self, pods, vip="10.96.0.10"):
        self.w.rules("node1", translate(vip, 80, [f"{ip}:8080" for _, ip, _ in pods]))
        self.w.inside("node1", "conntrack", "-F")  # who gets an old port again would be led as before

    def bundle(self, pods, rules=True, **more):
        self.made += 1
        path = bundle(os.path.join(self.folder, f"b{self.made}"), pods, **more)
        if rules:
            for name in ("node1",):
                write(self.w.inside(name, "iptables-save").decode(), os.path.join(path, "nodes", name, "iptables-save.txt"))
        return path

    def connect(self, path, *args, at="node1", codes=(0, 1), service="shop/web"):
        return run("connect", service, "--bundle", path, *QUICK, *args, prefix=self.w.prefix(at), codes=set(codes))

    def json(self, path, *args, **more):
        return self.connect(path, *args, "-o", "json", **more).json


def checks(document):
    return sorted(f["check"] for f in document["findings"])


def only(document, check):
    expect_equal(checks(document), [check], "the findings")
    return document["findings"][0]


def told(finding, *words):
    text = "\n".join([finding["text"], *finding["evidence"]])
    for word in words:
        expect(word in text, f"{word!r} is not in {text!r}")


def row(document, address):
    hits = [c for c in document["connections"] if f"{c['address']}:{c['number']}" == address]
    expect_equal(len(hits), 1, f"rows of {address}")
    return hits[0]


def test_sound(s):
    path = s.bundle(TEN)
    r = s.connect(path, codes=(0,))
    expect("10.244.1.11:8080" in r.out and "10 of 10" in r.out, f"not told: {r.out}")
    d = s.json(path, codes=(0,))
    expect_equal(checks(d), [], "findings")
    expect_equal(d["client"]["from"], "node", "the client")
    expect_equal(d["client"]["node"], "node1", "its node")
    vip = row(d, "10.96.0.10:80")
    expect_equal((vip["answered"], vip["tries"], vip["expected"], vip["by_rules"]), (10, 10, 1.0, 1.0), "the cluster IP")
    expect_equal(round(row(d, "10.244.2.11:8080")["weight"], 6), 0.1, "the weight of an endpoint")


def test_live_rules(s):
    """The weights of the rules that the kernel has at this moment."""
    s.lead_to([*NEAR, *NEAR[:1]])
    try:
        d = s.json(s.bundle(TEN, rules=False), "--node", "live", codes=(0, 1))
    finally:
        s.lead_to(TEN)
    expect_equal([round(row(d, f"{ip}:8080")["weight"], 3) for _, ip, _ in NEAR], [0.5, 0.25, 0.25], "weights")


def test_cut(s):
    """The network between the nodes, in three ways; through the Service, 3 of 10 requests succeed."""
    path = s.bundle(TEN)
    ways = {"silent": ("node2", "blackhole"), "network": ("node2", "unreachable"), "here": ("node1", "blackhole")}
    for what, (node, kind) in ways.items():
        s.w.ip(node, "route", "replace", kind, "10.244.2.0/25")
        try:
            d = s.json(path, codes=(1,))
        finally:
            s.w.ip(node, "route", "del", kind, "10.244.2.0/25")
        f = only(d, "connect-pod-network")
        told(f, "3 of 10 are reached, all on node1", "answers 3 of 10 tries: 3 of 10 expected of the endpoints that answer, and 3 of 10 by the rules of node1")
        expect_equal(f["node"], "node1", what)
        expect_equal(row(d, "10.96.0.10:80")["answered"], 3, f"answers of the cluster IP, {what}")
        outcome = {"silent": "silent", "network": "rejected", "here": "unsendable"}[what]
        seen = {row(d, f"{ip}:8080")["outcome"] for _, ip, _ in FAR}
        # a router sends five such errors at once, and then one a second
        expect(seen == {outcome} or (what == "network" and seen == {outcome, "silent"}), f"{what}: {seen}")
    r = s.connect(path, "-o", "lines", codes=(0,))
    expect_equal(r.out, "", "findings when it is mended")


def test_cut_from_pod(s):
    """The same seen by a pod, whose node's rules translate for it."""
    s.w.pod("c", "node1", "10.244.1.99")
    path = s.bundle(TEN, more=[pod_object("client", "10.244.1.99", "node1", {"app": "client"})])
    d = s.json(path, "--netns", s.w.name("c"), at="node1", codes=(0,))
    expect_equal((d["client"]["from"], d["client"]["name"], d["client"]["node"]), ("pod", "shop/client", "node1"), "the client")
    s.w.ip("node1", "route", "add", "unreachable", "10.244.2.0/25")
    try:
        d = s.json(path, "--netns", f"/run/netns/{s.w.name('c')}", codes=(1,))
    finally:
        s.w.ip("node1", "route", "del", "unreachable", "10.244.2.0/25")
    told(only(d, "connect-pod-network"), "3 of 10 are reached, all on node1", "ICMP host unreachable from 10.244.1.1")


# ---- one endpoint of four at fault: which fault it is ----

def special(s, short, ip, *listen):
    s.w.pod(short, "node1", ip)
    if listen:
        s.w.listen(short, *listen)
    return s.bundle([*NEAR, ("odd", ip, "node1")])


def test_wrong_port(s):
    d = s.json(special(s, "p1", "10.244.1.31", "http,0.0.0.0,8081"))
    f = next(x for x in d["findings"] if x["check"] == "connect-wrong-port")
    told(f, "10.244.1.31:8080", "refused by an RST", "listening there: 8081")
    expect_equal(f["fix"], [], "a fix that would break the other endpoints")
    d2 = s.json(s.bundle([("odd", "10.244.1.31", "node1")], rules=False), codes=(1,))
    f = next(x for x in d2["findings"] if x["check"] == "connect-wrong-port")
    expect("'[{\"op\":\"replace\",\"path\":\"/spec/ports/0/targetPort\",\"value\":8081}]'" in f["fix"][0], f"fix: {f['fix']}")
    expect_equal(row(d, "10.244.1.31:8080")["listening"], ["0.0.0.0:8081"], "who listens")


def test_another_port(s):
    """Who listens for another port of the Service is not who was meant to listen here; only what nobody asks for can be it."""
    names = {"http": (80, 8080), "metrics": (9090, 9100)}
    ports = [{"name": n, "port": p, "targetPort": t, "protocol": "TCP"} for n, (p, t) in names.items()]
    slice_ = slice_object(NEAR[:1], ports=[{"name": n, "port": t, "protocol": "TCP"} for n, (_, t) in names.items()])
    path = s.bundle(NEAR[:1], rules=False, service=service_object(clusterIP="None", clusterIPs=["None"], ports=ports), slice_=slice_)
    for args in ((), ("--port", "metrics")):
        f = only(s.json(path, *args, codes=(1,)), "connect-endpoint-refused")
        expect_equal(f["fix"], [], "a fix that leads to the program of another port")
        told(f, "10.244.1.11:9100", "nothing listens there")
    s.w.pod("p7", "node1", "10.244.1.37")
    s.w.listen("p7", "http,0.0.0.0,8080", "http,0.0.0.0,9200")
    slice_["endpoints"][0]["addresses"] = ["10.244.1.37"]
    path = s.bundle([("odd", "10.244.1.37", "node1")], rules=False, slice_=slice_, service=service_object(clusterIP="None", clusterIPs=["None"], ports=ports))
    f = only(s.json(path, codes=(1,)), "connect-wrong-port")
    told(f, "10.244.1.37:9100", "listening there: 9200")
    expect("/spec/ports/1/targetPort" in f["fix"][0] and "9200" in f["fix"][0], f["fix"][0])


def test_partly(s):
    """An endpoint that answers most tries is not said to answer none."""
    s.w.inside("a", "iptables", "-A", "INPUT", "-d", "10.244.1.12", "-p", "tcp", "--syn", "-m", "statistic", "--mode", "nth", "--every", "3", "--packet", "0", "-j",
               "REJECT", "--reject-with", "tcp-reset")
    try:
        d = s.json(s.bundle(NEAR, rules=False, service=service_object(clusterIP="None", clusterIPs=["None"])), "--count", "9", codes=(1,))
    finally:
        s.w.inside("a", "iptables", "-F", "INPUT")
    f = only(d, "connect-rejected-by-rule")
    expect(f["text"].endswith("at some of the tries"), f["text"])
    told(f, "3 failed: refused by an RST")


def test_loopback(s):
    d = s.json(special(s, "p2", "10.244.1.32", "http,127.0.0.1,8080", "http,0.0.0.0,9000"))
    told(next(x for x in d["findings"] if x["check"] == "connect-loopback-only"), "10.244.1.32:8080", "on a loopback address")


def test_nothing_listens(s):
    d = s.json(special(s, "p3", "10.244.1.33", "udp,0.0.0.0,8080"))
    told(next(x for x in d["findings"] if x["check"] == "connect-endpoint-refused"), "10.244.1.33:8080", "refused by an RST")
    # nobody may look into a namespace of others: then both are said
    d = s.json(special(s, "p4", "10.244.1.34"))
    told(next(x for x in d["findings"] if x["check"] == "connect-endpoint-refused"), "10.244.1.34:8080")
    expect_equal(row(d, "10.244.1.34:8080")["listening"], None, "who listens in a namespace without process")


def reject(s, short, *rule):
    s.w.inside(short, "iptables", *rule)


def test_reject(s):
    """A rule in the pod's namespace, on the node, and one that sends an RST."""
    path = special(s, "p5", "10.244.1.35", "http,0.0.0.0,8080")
    reject(s, "p5", "-A", "INPUT", "-p", "tcp", "--dport", "8080", "-j", "REJECT")
    f = only_of(s.json(path), "10.244.1.35")
    expect_equal(f["check"], "connect-rejected-by-rule", "REJECT in the pod")
    told(f, "ICMP port unreachable from the endpoint's address", "a program listens there")
    reject(s, "p5", "-R", "INPUT", "1", "-p", "tcp", "--dport", "8080", "-j", "REJECT", "--reject-with", "tcp-reset")
    f = only_of(s.json(path), "10.244.1.35")
    expect_equal(f["check"], "connect-rejected-by-rule", "RST by a rule, though a program listens")
    told(f, "an RST although a program listens there")
    reject(s, "p5", "-R", "INPUT", "1", "-p", "tcp", "--dport", "8080", "-j", "DROP")
    f = only_of(s.json(path), "10.244.1.35")
    expect_equal(f["check"], "connect-endpoint-silent", "DROP")
    told(f, "silent for 0.6", "; a program listens there")
    reject(s, "p5", "-F")
    reject(s, "node1", "-A", "OUTPUT", "-d", "10.244.1.35", "-j", "REJECT", "--reject-with", "icmp-admin-prohibited")
    try:
        f = only_of(s.json(path), "10.244.1.35")
    finally:
        reject(s, "node1", "-F", "OUTPUT")
    expect_equal(f["check"], "connect-rejected-by-rule", "REJECT on the client's node")
    told(f, "administratively prohibited from this machine itself")


def only_of(document, address):
    hits = [f for f in document["findings"] if any(address in e for e in [f["text"], *f["evidence"]])]
    expect_equal(len(hits), 1, f"findings about {address}: {[f['text'] for f in document['findings']]}")
    return hits[0]


def test_blackhole(s):
    """A route that swallows: here it is said at once, on the way it is silence; a pod that is gone has no neighbour."""
    path = special(s, "p6", "10.244.1.36", "http,0.0.0.0,8080")
    s.w.ip("node1", "route", "add", "blackhole", "10.244.1.36/32")
    f = only_of(s.json(path), "10.244.1.36")
    s.w.ip("node1", "route", "del", "blackhole", "10.244.1.36/32")
    expect_equal(f["check"], "connect-no-route", "a blackhole here")
    told(f, "a blackhole route here")
    s.w.ip("p6", "route", "add", "blackhole", "10.244.1.1/32")
    f = only_of(s.json(path), "10.244.1.36")
    expect_equal(f["check"], "connect-endpoint-silent", "a blackhole on the way back")
    path = s.bundle([*NEAR, ("gone", "10.244.1.77", "node1")])
    f = only_of(s.json(path, "--connect-timeout", "4s"), "10.244.1.77")
    expect_equal(f["check"], "connect-no-route", "a pod that is gone")
    told(f, "host unreachable from this machine itself")


def test_policy(s):
    """Silence that a NetworkPolicy wants for this client is no error."""
    policy = {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": "deny", "namespace": "shop"},
              "spec": {"podSelector": {"matchLabels": {"app": "web"}}, "policyTypes": ["Ingress"], "ingress": []}}
    path = s.bundle(TEN, more=[pod_object("client", "10.244.1.99", "node1", {"app": "client"}), policy])
    s.w.inside("node1", "iptables", "-A", "FORWARD", "-d", "10.244.2.0/24", "-j", "DROP")
    try:
        d = s.json(path, "--netns", s.w.name("c"), codes=(0, 1))
    finally:
        s.w.inside("node1", "iptables", "-F", "FORWARD")
    f = only(d, "connect-endpoint-silent")
    told(f, "NetworkPolicy shop/deny does not allow it", "as NetworkPolicies want it")
    expect_equal(f["severity"], "warning", "severity")


# ---- what leads to endpoints ----

def test_cluster_ip(s):
    """The endpoints answer, and the cluster IP does not: no rules, a DROP, one rule of ten that leads nowhere."""
    s.w.inside("node1", "iptables", "-t", "nat", "-F", "KUBE-SERVICES")
    d = s.json(s.bundle(TEN, rules=False), codes=(1,))
    told(only(d, "connect-cluster-ip-fails"), "every endpoint of port 80/TCP of shop/web answers, and the cluster IP 10.96.0.10:80 answers 0 of 10 tries")
    s.lead_to([*TEN[:9], ("stale", "10.244.1.88", "node1")])
    d = s.json(s.bundle(TEN, rules=False), codes=(1,))
    f = only(d, "connect-cluster-ip-fails")
    told(f, "answers 9 of 10 tries", "10 of 10 expected of the endpoints that answer")
    expect_equal(f["next"][0].split(" --bundle")[0], "svcdoctor verify shop/web --node node1", "what to look at next")
    s.lead_to(TEN)
    s.w.inside("node1", "iptables", "-A", "OUTPUT", "-m", "conntrack", "--ctorigdst", "10.96.0.10", "-j", "DROP")
    try:
        d = s.json(s.bundle(TEN, rules=False), codes=(1,))
    finally:
        s.w.inside("node1", "iptables", "-F", "OUTPUT")
    told(only(d, "connect-cluster-ip-fails"), "answers 0 of 10 tries")


def test_refused_before(s):
    """Half of the endpoints are silent, and the cluster IP is refused by a rule: that is not for the endpoints' sake."""
    pods = [NEAR[0], FAR[0]]
    s.w.inside("node1", "iptables", "-t", "nat", "-F", "KUBE-SERVICES")
    s.w.inside("node2", "iptables", "-A", "FORWARD", "-d", "10.244.2.0/24", "-j", "DROP")
    s.w.inside("node1", "iptables", "-A", "OUTPUT", "-d", "10.96.0.10", "-j", "REJECT")
    try:
        d = s.json(s.bundle(pods, rules=False), codes=(1,))
    finally:
        s.w.inside("node2", "iptables", "-F", "FORWARD")
        s.w.inside("node1", "iptables", "-F", "OUTPUT")
        s.lead_to(TEN)
    expect_equal(checks(d), ["connect-cluster-ip-fails", "connect-endpoint-silent"], "the findings")


def test_hairpin(s):
    """A pod that is an endpoint itself: what falls to it comes back with its own address as the source, and is lost."""
    s.w.pod("self", "node1", "10.244.1.60")
    s.w.listen("self", "http,0.0.0.0,8080")
    pods = [FAR[0], ("self", "10.244.1.60", "node1")]
    s.lead_to(pods)
    path = s.bundle(pods, rules=False)
    d = s.json(path, "--netns", s.w.name("self"), codes=(1,))
    told(only(d, "connect-hairpin-fails"), "Pod shop/self on node1 is an endpoint", "5 of 10 tries")
    expect("svcdoctor hairpin --node node1" in d["findings"][0]["next"][0], f"{d['findings'][0]['next']}")
    s.lead_to(TEN)


def test_stranger(s):
    """Rules that lead to somebody who is no endpoint."""
    path = s.bundle([("gone", "10.244.1.77", "node1")], rules=False)
    s.lead_to(NEAR)
    try:
        d = s.json(path)
    finally:
        s.lead_to(TEN)
    expect("connect-answered-by-another" in checks(d), f"findings: {checks(d)}")


def test_node_port(s):
    service = service_object(type="NodePort", ports=[{"name": "http", "port": 80, "targetPort": 8080, "nodePort": 30080, "protocol": "TCP"}])
    s.w.inside("node1", "iptables", "-t", "nat", "-A", "KUBE-SERVICES", "-d", "10.90.7.1", "-p", "tcp", "--dport", "30080", "-j", "KUBE-SVC-TEST")
    path = s.bundle(TEN, service=service)
    d = s.json(path, codes=(1,))
    f = only(d, "connect-node-port-fails")
    expect_equal(f["node"], "node2", "the node without rules")
    told(f, "the node port 10.90.7.2:30080 of node2 answers 0 of 10 tries", "refused by an RST")
    expect_equal(row(d, "10.90.7.1:30080")["answered"], 10, "the node port of node1")
    # from outside: only what can be reached from there is tried
    s.w.add("out")
    s.w.cable("out", "eth0", "node1", "eth1")
    s.w.ip("out", "addr", "add", "192.0.2.9/24", "dev", "eth0")
    s.w.ip("out", "route", "add", "default", "via", "192.0.2.1")
    s.w.ip("node1", "addr", "add", "192.0.2.1/24", "dev", "eth1")
    s.w.ip("node2", "route", "add", "192.0.2.0/24", "via", "10.90.7.1")
    d = s.json(path, at="out", codes=(1,))
    expect_equal(d["client"]["from"], "outside", "the client")
    expect_equal(sorted({c["kind"] for c in d["connections"]}), ["node port"], "what is tried from outside")
    expect_equal(sorted({n["what"] for n in d["not_tried"]}), ["cluster IP", "endpoints"], "what is not")
    expect_equal(row(d, "10.90.7.1:30080")["answered"], 10, "the node port of node1 from outside")
    expect_equal(only(d, "connect-node-port-fails")["node"], "node2", "the node without rules")
    s.lead_to(TEN)


def test_external(s):
    service = service_object(externalIPs=["198.51.100.7"])
    d = s.json(s.bundle(TEN, service=service), codes=(1,))
    told(only(d, "connect-external-fails"), "the external IP 198.51.100.7:80 answers 0 of 10 tries", "but 0 of 10 by the rules of node1")


def test_one_node(s):
    """All of one node's endpoints, and not those of the others."""
    pods = [*FAR[:2], ("x-1", "10.244.9.5", "node9"), ("x-2", "10.244.9.6", "node9")]
    s.w.ip("node1", "route", "add", "unreachable", "10.244.9.0/24")
    try:
        d = s.json(s.bundle(pods, rules=False))
    finally:
        s.w.ip("node1", "route", "del", "unreachable", "10.244.9.0/24")
    f = next(x for x in d["findings"] if x["check"] == "connect-node-unreached")
    expect_equal(f["node"], "node9", "the node")


# ---- HTTP, UDP, limits ----

def test_http(s):
    s.w.pod("h1", "node1", "10.244.1.41", "10.244.1.42", "10.244.1.43", "10.244.1.44")
    s.w.listen("h1", "bad,10.244.1.41,8080", "other,10.244.1.42,8080", "end,10.244.1.43,8080")
    path = s.bundle([*NEAR, *((f"h-{i}", f"10.244.1.{i}", "node1") for i in (41, 42, 43))], rules=False)
    d = s.json(path, "--http", "/healthz", codes=(1,))
    expect_equal([row(d, f"10.244.1.{n}:8080")["outcome"] for n in (11, 41, 42, 43)], ["answered", "answered", "strange", "ended"], "outcomes")
    expect_equal([row(d, f"10.244.1.{n}:8080")["status"] for n in (11, 41)], [200, 503], "statuses")
    told(next(f for f in d["findings"] if f["check"] == "connect-http-fails"), "HTTP 503", "not as HTTP", "without an answer")
    d = s.json(path, codes=(0, 1))
    expect("connect-http-fails" not in checks(d), "a plain connection was judged by HTTP")


def test_udp(s):
    ports = [{"name": "talk", "port": 7000, "targetPort": 7000, "protocol": "UDP"}, {"name": "dns", "port": 53, "targetPort": 53, "protocol": "UDP"}]
    slice_ = slice_object([NEAR[0]], ports=[{"name": "talk", "port": 7000, "protocol": "UDP"}, {"name": "dns", "port": 53, "protocol": "UDP"}])
    path = s.bundle([NEAR[0]], rules=False, service=service_object(clusterIP="None", clusterIPs=["None"], ports=ports), slice_=slice_)
    d = s.json(path, codes=(2,))
    expect_equal(len(d["not_tried"]), 2, "UDP ports, which nobody asked for")
    d = s.json(path, "--udp", codes=(0,))
    expect_equal([(c["way"], c["answered"]) for c in d["connections"]], [("udp", 1), ("dns", 1)], "what was tried")
    slice_["endpoints"][0]["addresses"] = ["10.244.1.12"]
    s.w.inside("a", "iptables", "-A", "INPUT", "-p", "udp", "-d", "10.244.1.12", "-j", "DROP")
    path = s.bundle([NEAR[1]], rules=False, service=service_object(clusterIP="None", clusterIPs=["None"], ports=ports), slice_=slice_)
    d = s.json(path, "--udp", codes=(1,))
    s.w.inside("a", "iptables", "-F", "INPUT")
    told(only(d, "connect-endpoint-silent"), "10.244.1.12:53")  # the other one may have nothing to say
    d = s.json(path, "--udp", "--port", "talk", codes=(0,))
    expect_equal([c["number"] for c in d["connections"]], [7000], "the port that was asked for")


def test_limits(s):
    path = s.bundle([*NEAR, ("gone", "10.244.1.78", "node1")], rules=False)
    d = s.json(path, "--count", "40", "--timeout", "900ms", "--connect-timeout", "700ms", codes=(0, 1, 2))
    expect(any(x["code"] == "late" for x in d["skipped"]) and row(d, "10.244.1.78:8080")["tries"] < 40, "the limit of all tries did not hold")
    expect_equal(row(s.json(path, "--count", "7"), "10.244.1.11:8080")["answered"], 7, "tries at an endpoint")
    for args, words in ((("--count", "1001"), "number up to 1000"), (("--http", "x"), "path"), (("--netns", "a", "--pid", "1"), "exclude"),
                        (("--connect-timeout", "0"), "more than 0")):
        r = s.connect(path, *args, codes=(64,))
        expect(words in r.err, f"{args}: {r.err}")
    r = s.connect(path, "--netns", "no-such-namespace", codes=(64,))
    expect("cannot enter" in r.err, r.err)
    expect_equal(checks(s.json(path, service="nobody", codes=(1,))), ["service-not-found"], "a Service that is not there")


def test_namespace_of_a_node(s):
    """A pod that nobody knows, entered from its node: which node's it is follows from that."""
    s.w.pod("u", "node1", "10.244.9.9")
    s.w.ip("node1", "route", "add", "10.244.9.9/32", "dev", "cni0")
    s.w.ip("node2", "route", "add", "10.244.9.9/32", "via", "10.90.7.1")
    d = s.json(s.bundle(TEN), "--netns", s.w.name("u"), codes=(0,))
    expect_equal((d["client"]["from"], d["client"]["name"], d["client"]["node"]), ("pod", None, "node1"), "the client")
    expect_equal(row(d, "10.96.0.10:80")["answered"], 10, "the cluster IP")


def test_without_rights(s):
    """Anybody may connect; who listens in others' namespaces, and their namespaces themselves, are not for everybody."""
    if not shutil.which("setpriv"):
        return "no setpriv: not tried"
    path = s.bundle([*NEAR, ("odd", "10.244.1.31", "node1")], rules=False)  # the pod of test_wrong_port
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        copy = shutil.copytree(path, os.path.join(folder, "b"))
        program = shutil.copy(PROGRAM, folder)
        nobody = (*s.w.prefix("node1"), "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "env", f"SVCDOCTOR={program}", program)

        def ask(*args):
            return subprocess.run([*nobody, "connect", "shop/web", "--bundle", copy, "--connect-timeout", "600ms", "-o", "json", *args], stdin=subprocess.DEVNULL,
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False, timeout=60)
        p = ask()
        document = json.loads(p.stdout)
        expect_equal(row(document, "10.244.1.31:8080")["listening"], None, "who listens")
        expect("connect-endpoint-refused" in checks(document), f"findings: {checks(document)}")
        p = ask("--netns", s.w.name("a"))
        expect_equal(p.returncode, 77, f"the exit status of --netns: {p.stderr.decode()}")
        expect("CAP_SYS_ADMIN" in p.stderr.decode(), p.stderr.decode())
    return None


def test_live_cluster(s):
    """The objects from an API server; the node's rules from its kernel."""
    path = s.bundle(TEN, rules=False, more=[pod_object("client", "10.244.1.99", "node1", {"app": "client"})])
    server = subprocess.Popen([*s.w.prefix("node1"), sys.executable, os.path.join(ROOT, "tests", "scenario", "api_server.py"), path],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        config = server.stdout.readline().decode().strip()
        for args, client in ((("--node", "live"), "node"), (("--netns", s.w.name("c")), "pod")):
            r = run("connect", "web", "-n", "shop", "--kubeconfig", config, *QUICK, *args, "-o", "json", prefix=s.w.prefix("node1"), codes={0})
            d = r.json
            expect_equal((d["client"]["from"], d["client"]["node"]), (client, "node1"), "the client")
            expect_equal(row(d, "10.96.0.10:80")["answered"], 10, "the cluster IP")
        expect_equal(r.json["client"]["name"], "shop/client", "the client")
    finally:
        server.stdin.close()
        server.wait()
        server.stdout.close()


def test_six(s):
    """The same in IPv6: errors have other numbers there."""
    for short, last in (("a", 11), ("b", 12)):
        s.w.ip(short, "addr", "add", f"fd44::{last}/64", "dev", "eth0", "nodad")
    s.w.ip("node1", "addr", "add", "fd44::1/64", "dev", "cni0", "nodad")
    s.w.listen("a", "http,fd44::11,8080")
    pods = [("v6-1", "fd44::11", "node1"), ("v6-2", "fd44::13", "node1")]
    s.w.ip("a", "addr", "add", "fd44::13/64", "dev", "eth0", "nodad")
    slice_ = {**slice_object(pods), "addressType": "IPv6"}
    service = service_object(clusterIP="None", clusterIPs=["None"], ipFamilies=["IPv6"])
    path = s.bundle(pods, rules=False, service=service, slice_=slice_)
    d = s.json(path, codes=(1,))
    expect_equal({c["address"]: c["outcome"] for c in d["connections"]}, {"fd44::11": "answered", "fd44::13": "refused"}, "outcomes")
    expect_equal(row_of(d, "fd44::13")["listening"][0], "0.0.0.0:8080", "who listens")
    s.w.inside("a", "ip6tables", "-A", "INPUT", "-p", "tcp", "-d", "fd44::13", "-j", "REJECT")
    told(only(s.json(path, codes=(1,)), "connect-rejected-by-rule"), "ICMP port unreachable from the endpoint's address")
    s.w.inside("a", "ip6tables", "-F")
    s.w.ip("node1", "-6", "route", "add", "unreachable", "fd44::13/128")
    told(only(s.json(path, codes=(1,)), "connect-no-route"), "fd44::13")


def row_of(document, address):
    return next(c for c in document["connections"] if c["address"] == address)


TESTS = [test_sound, test_live_rules, test_cut, test_cut_from_pod, test_policy, test_wrong_port, test_another_port, test_partly, test_loopback, test_nothing_listens, test_reject, test_blackhole,
         test_cluster_ip, test_refused_before, test_hairpin, test_stranger, test_node_port, test_external, test_one_node, test_namespace_of_a_node, test_without_rights, test_live_cluster, test_six, test_http, test_udp, test_limits]


def main():
    tests = Tests()
    wanted = sys.argv[1:]
    if os.geteuid() != 0 or not all(shutil.which(x) for x in ("ip", "iptables", "iptables-restore")):
        tests.skip("connect", "needs root, ip and iptables")
        return
    with World() as w, tempfile.TemporaryDirectory(prefix="svcdoctor-connect-") as folder:
        s = Stage(w, folder)
        for test in TESTS:
            name = test.__name__[5:]
            if not wanted or name in wanted or name == "cut_from_pod":
                tests.run(f"connect/{name}", test, s)
    tests.finish()


if __name__ == "__main__":
    main()
