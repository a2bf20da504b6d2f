#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""`trace` across nodes: a packet that leaves node1 meets node2's rules, and what they do is what it comes to. And which port is meant when
the one that was asked for is no Service's there."""
import json
import os
import shutil
import tempfile

from common import Copy, Dump, LABS, Tests, expect, expect_equal, run, write

WEB = "10.96.136.124"  # default/web: 10.244.1.135, 10.244.1.136 on node1, 10.244.2.73 on node2
REMOTE = "10.244.2.73"
LOCAL = ("10.244.1.135", "10.244.1.136")


class Lab(Copy):
    def __init__(self, backend):
        super().__init__(LABS[backend])
        self.backend = backend

    def rule(self, node, table, rule, position=1, backend=None):
        """Adds a rule; its text."""
        def edit(text):
            d = Dump(text)
            d.insert(table, rule, position)
            return str(d)
        self.edit(edit, "nodes", node, f"iptables-{backend or self.backend}-save.txt")
        return rule

    def trace(self, src, dst, *more, codes=(0,)):
        return trace(self.path, src, dst, *more, codes=codes)


def trace(bundle, src, dst, *more, codes=(0,)):
    return run("trace", src, dst, "--bundle", bundle, "-o", "json", *more, codes=list(codes)).json


def by_address(document):
    """The endings by address, which must be distinct."""
    endings = document["endings"]
    expect_equal(len({e["address"] for e in endings}), len(endings), "addresses")
    check_shape(document)
    return {e["address"]: e for e in endings}


def check_shape(document):
    for e in document["endings"]:
        expect_equal(e["nodes"][-1], e["node"], "the last node")
        order = []
        for step in e["path"]:
            if not order or order[-1] != step["node"]:
                order.append(step["node"])
            if step["by"]:
                expect_equal(step["by"]["node"], step["node"], "by.node of a step")
        expect(order == e["nodes"], f"the path passes {order}, the nodes are {e['nodes']}")


def near(got, want):
    return got is not None and abs(got - want) < 1e-6


def follows(backend):
    with Lab(backend) as lab:
        e = by_address(lab.trace("shop/cart-0", "default/web"))
        expect_equal({a: x["nodes"] for a, x in e.items()}, {**{a: ["node1"] for a in LOCAL}, REMOTE: ["node1", "node2"]}, "nodes")
        expect_equal(e[REMOTE]["pod"], "default/web-96d5df5c8-2", "pod")
        for x in e.values():
            expect(near(x["weight"], 1 / 3), f"weight {x['weight']}")
            expect_equal((x["verdict"], x["delivery"], x["interface"], x["translated"]), ("accept", "sent", "cni0", True), "ending")
            expect_equal(x["not_followed"], None, "not_followed")
        text = run("trace", "shop/cart-0", "default/web", "--bundle", lab.path, codes=[0]).out
        for want in ("10.244.2.73:80 default/web-96d5df5c8-2 ",
                     "then on node2: tcp 10.244.1.50 -> 10.244.2.73:80   1/3 of it, enters by eth0",
                     "out by eth0 to node2; there out by cni0"):
            expect(want in text, f"{want!r} is not in\n{text}")


def dropped(backend):
    other = "legacy" if backend == "nft" else "nft"
    with Lab(backend) as lab:
        text = lab.rule("node2", "filter", "-A FORWARD -d 10.244.2.0/24 -j DROP")
        e = by_address(lab.trace("shop/cart-0", "default/web"))
        x = e[REMOTE]
        expect_equal((x["verdict"], x["node"], x["by"]["node"], x["by"]["chain"], x["by"]["index"], x["by"]["text"]),
                     ("drop", "node2", "node2", "FORWARD", 1, text), "ending")
        expect(near(x["weight"], 1 / 3), f"weight {x['weight']}")
        expect_equal({e[a]["verdict"] for a in LOCAL}, {"accept"}, "the others")
        out = run("trace", "shop/cart-0", "default/web", "--bundle", lab.path, codes=[0]).out
        expect("dropped by filter FORWARD 1 on node2, on its way to 10.244.2.73:80" in out, out)
        # node1's pods do not care, and neither do clients of node2 to node1
        e = by_address(lab.trace("default/example-0", "default/my-nginx:80"))
        expect_equal(e["10.244.1.20"]["verdict"], "accept", "from node2")
    with Lab(backend) as lab:
        lab.write(f"*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n-A FORWARD -d {REMOTE}/32 -j REJECT\nCOMMIT\n",
                  "nodes", "node2", f"iptables-{other}-save.txt")
        x = by_address(lab.trace("shop/cart-0", "default/web"))[REMOTE]
        expect_equal((x["verdict"], x["by"]["backend"]), ("reject", other), "ending in the other backend")


def masqueraded(backend):
    """From outside through node1's node port: node2 sees node1's address, not the client's."""
    with Lab(backend) as lab:
        lab.rule("node2", "filter", "-A FORWARD -s 203.0.113.9/32 -j DROP")
        x = by_address(lab.trace("203.0.113.9", "172.30.99.1:32035"))[REMOTE]
        expect_equal((x["verdict"], x["nodes"], x["source"], x["masquerade"]), ("accept", ["node1", "node2"], "172.30.99.1", True), "ending")
        expect_equal(x["reply"]["ok"], True, "reply")
        expect(x["reply"]["why"].startswith("node1: "), x["reply"]["why"])
        lab.rule("node2", "filter", "-A FORWARD -s 172.30.99.1/32 -j DROP")
        x = by_address(lab.trace("203.0.113.9", "172.30.99.1:32035"))[REMOTE]
        expect_equal((x["verdict"], x["by"]["text"]), ("drop", "-A FORWARD -s 172.30.99.1/32 -j DROP"), "ending")


def three_visits(backend):
    """node1's pod asks node2's node port, which sends two thirds back to node1."""
    with Lab(backend) as lab:
        e = by_address(lab.trace("shop/cart-0", "node2:32035"))
        expect_equal({a: x["nodes"] for a, x in e.items()},
                     {**{a: ["node1", "node2", "node1"] for a in LOCAL}, REMOTE: ["node1", "node2"]}, "nodes")
        expect(near(sum(x["weight"] for x in e.values()), 1), "weights do not sum to 1")
        lab.rule("node1", "filter", "-A FORWARD -s 172.30.99.2/32 -m statistic --mode random --probability 0.50000000000 -j DROP")
        d = lab.trace("shop/cart-0", "node2:32035")
        check_shape(d)
        lost = [x for x in d["endings"] if x["verdict"] == "drop"]
        expect_equal([x["nodes"] for x in lost], [["node1", "node2", "node1"]] * 2, "nodes of the drops")
        expect(near(sum(x["weight"] for x in lost), 1 / 3) and near(sum(x["weight"] for x in d["endings"]), 1), "weights")


def start_is_chosen(backend):
    with Lab(backend) as lab:
        for src, dst, nodes in (("shop/cart-0", "10.244.2.30:80", ["node1", "node2"]), ("outside", "default/example-0:80", ["node2"]),
                                ("outside", "10.244.2.200:80", ["node2"]), ("10.244.1.254", "10.244.2.30:80", ["node1", "node2"]),
                                ("outside", "node2:32147", ["node2"]), ("node2", "default/web-96d5df5c8-0:80", ["node2", "node1"])):
            d = lab.trace(src, dst)
            check_shape(d)
            expect_equal([e["nodes"] for e in d["endings"]], [nodes], f"nodes of {src} to {dst}")


def not_in_the_bundle(backend):
    with Lab(backend) as lab:
        shutil.rmtree(lab.file("nodes", "node2"))
        x = by_address(lab.trace("shop/cart-0", "default/web"))[REMOTE]
        want = "node2's rules are not in the bundle: not followed"
        expect_equal((x["verdict"], x["delivery"], x["interface"], x["node"], x["not_followed"]), ("accept", "sent", "eth0", "node1", want), "ending")
        out = run("trace", "shop/cart-0", "default/web", "--bundle", lab.path, codes=[0]).out
        expect(f"\n{want} (1 of 3 endings)\n" in out, out)
        expect("then on" not in out, out)


def undecided(backend):
    """What cannot be known on node2 makes the whole inconclusive, and says on which node."""
    with Lab(backend) as lab:
        lab.rule("node2", "filter", "-A FORWARD -m time --timestart 08:00:00 --timestop 18:00:00 -j DROP")
        d = lab.trace("shop/cart-0", "default/web", codes=[2])
        check_shape(d)
        mine = [e for e in d["endings"] if e["address"] == REMOTE]
        expect_equal(sorted(e["verdict"] for e in mine), ["accept", "drop"], "verdicts")
        for e in mine:
            expect_equal([a["by"]["node"] for a in e["assumes"]], ["node2"], "node of the condition")
            expect(near(e["weight"], 1 / 3), f"weight {e['weight']}")


def lost(backend):
    with Lab(backend) as lab:
        lab.edit(lambda t: t.replace("net.ipv4.ip_forward = 1", "net.ipv4.ip_forward = 0"), "nodes", "node2", "sysctl.txt")
        x = by_address(lab.trace("shop/cart-0", "default/web"))[REMOTE]
        expect_equal((x["verdict"], x["delivery"], x["node"], x["lost"]["node"]), ("accept", "lost", "node2", "node2"), "ending")
        out = run("trace", "shop/cart-0", "default/web", "--bundle", lab.path, codes=[0]).out
        expect("out by eth0 to node2; there lost: net.ipv4.ip_forward = 0" in out, out)


def missing_facts(backend):
    with Lab(backend) as lab:
        os.unlink(lab.file("nodes", "node2", "sysctl.txt"))
        e = by_address(lab.trace("shop/cart-0", "default/web"))
        expect(any(a.startswith("node2: no sysctl.txt: ") for a in e[REMOTE]["assumed"]), f"assumed: {e[REMOTE]['assumed']}")
        expect(not any("sysctl" in a for a in e[LOCAL[0]]["assumed"]), f"assumed: {e[LOCAL[0]]['assumed']}")


def loop(backend):
    """node2 sends its own pods' addresses back to node1."""
    with Lab(backend) as lab:
        def edit(text):
            routes = json.loads(text)
            hit = [r for r in routes if r["dst"] == "10.244.2.0/24"]
            expect_equal(len(hit), 1, "routes to node2's pods")
            hit[0].update(gateway="172.30.99.1", dev="eth0")
            return json.dumps(routes)
        lab.edit(edit, "nodes", "node2", "ip-route.json")
        x = by_address(lab.trace("outside", f"{REMOTE}:80", "--node", "node1"))[REMOTE]
        expect_equal((x["nodes"], x["delivery"], x["lost"]["kind"]), (["node1", "node2"], "lost", "route"), "ending")
        expect("a loop: it comes back to node1" in x["lost"]["text"], x["lost"]["text"])


def as_alone(backend):
    """From the second node on every ending is what that node alone says of the packet as it arrives."""
    count = 0
    with Lab(backend) as lab, Lab(backend) as alone:
        shutil.rmtree(alone.file("nodes", "node1"))
        for node in ("node1", "node2"):
            lab.rule(node, "filter", "-A FORWARD -d 10.244.2.2/32 -j DROP")
        alone.rule("node2", "filter", "-A FORWARD -d 10.244.2.2/32 -j DROP")
        for client, dst in (("shop/cart-0", "default/web"), ("shop/cart-0", "default/hostnames"), ("shop/cart-0", "default/example-service"),
                            ("shop/cart-0", "kube-system/kube-dns:metrics"), ("shop/cart-0", "10.244.2.2:53"), ("outside", "node1:32035"),
                            ("outside", "80.11.12.10:80"), ("node1", "default/hostnames"), ("shop/cart-0", "node2:31090")):
            d = lab.trace(client, dst, "--node", "node1")
            for e in d["endings"]:
                if e["nodes"] != ["node1", "node2"]:
                    continue
                source = [s["address"] for s in e["path"] if s["node"] == "node1" and s["effect"] == "snat"]
                first = [s["address"] for s in e["path"] if s["node"] == "node1" and s["effect"] == "dnat"]
                to = (e["address"], e["port"]) if first else (d["packet"]["destination"], d["packet"]["destination_port"])
                got = trace(alone.path, (source or [d["packet"]["source"]])[-1], f"{to[0]}:{to[1]}/tcp", "--node", "node2", "--in", "eth0")["endings"]
                for key in ("verdict", "delivery", "interface", "by", "source", "address"):
                    expect_equal([x[key] for x in got], [e[key]], f"{key} of {dst} alone")
                expect_equal([s for s in e["path"] if s["node"] == "node2"], got[0]["path"], f"path of {dst}")
                count += 1
    expect(count >= 6, f"only {count} endings")
    return f"{count} endings"


MEANT = [  # SRC, DST, [(Service, why, address, port, protocol)]
    ("node1", "default/web:80", []),
    ("node1", "default/example-service:9376", [("default/example-service", "target-port", "10.96.107.94", 8765, "tcp")]),
    ("node1", "example-service.default:9376", [("default/example-service", "target-port", "10.96.107.94", 8765, "tcp")]),
    ("node1", "10.96.107.94:32147", [("default/example-service", "node-port", "10.96.107.94", 8765, "tcp")]),
    ("node1", "10.96.107.94:1234", []),
    ("node1", "10.96.0.10:9153/udp", [("kube-system/kube-dns", "protocol", "10.96.0.10", 9153, "tcp")]),
    ("node1", "10.96.0.10:53/tcp", []),
    ("node1", "80.11.12.10:9376", [("default/ext-ip", "target-port", "80.11.12.10", 80, "tcp")]),
    ("node1", "node1:80", [("default/my-nginx", "service-port", "172.30.99.1", 30080, "tcp"),
                           ("default/web", "service-port", "172.30.99.1", 32035, "tcp"),
                           ("shop/lb-ranges", "service-port", "172.30.99.1", 32479, "tcp")]),
    ("node1", "node1:9376", [("default/example-service", "target-port", "172.30.99.1", 32147, "tcp"),
                             ("shop/local-only", "target-port", "172.30.99.1", 31090, "tcp")]),
    ("node1", "node1:30080/udp", [("default/my-nginx", "protocol", "172.30.99.1", 30080, "tcp")]),
    ("node1", "node2:32035", []),  # an external IP of another Service, too
    ("node1", "localhost:32035", []),
    ("node1", "localhost:80", [("default/my-nginx", "service-port", "127.0.0.1", 30080, "tcp"),
                               ("default/web", "service-port", "127.0.0.1", 32035, "tcp"),
                               ("shop/lb-ranges", "service-port", "127.0.0.1", 32479, "tcp")]),
    ("shop/cart-0", "localhost:80", []),  # the pod's own
    ("::1", "[::1]:80", []),
    ("node1", "node1:6443", []),  # somebody's, but no Service's
    ("node1", "default/hostnames-0:80", [("default/hostnames", "service-port", "10.244.1.5", 9376, "tcp")]),
    ("node1", "default/hostnames-0:9376", []),
]


def meant(backend):
    for src, dst, want in MEANT:
        d = trace(LABS[backend], src, dst, "--node", "node1")
        got = [(m["service"], m["why"], m["address"], m["destination_port"], m["protocol"]) for m in d["meant"]]
        expect_equal(got, want, f"meant by {dst}")
        out = run("trace", src, dst, "--node", "node1", "--bundle", LABS[backend], codes=[0]).out
        for m in d["meant"]:
            expect(f"\n{m['text']}\n" in "\n" + out, f"{m['text']!r} is not said of {dst}")
            ask = m["text"].split("ask ")[1]
            again = trace(LABS[backend], src, ask, "--node", "node1")
            expect_equal(again["meant"], [], f"meant by {ask}, which was told")
    return f"{len(MEANT)} destinations"


def meant_of_many(backend):
    """More than three Services: the rest is counted. A port that a pod of the host's network has is not explained away."""
    with Lab(backend) as lab:
        services = json.loads(lab.read("cluster", "services.json"))
        web = next(s for s in services["items"] if s["metadata"]["name"] == "web")
        for i in range(9):
            copy = json.loads(json.dumps(web))
            copy["metadata"]["name"] = f"more-{i}"
            copy["spec"].update(clusterIP=f"10.96.9.{i + 1}", clusterIPs=[f"10.96.9.{i + 1}"])
            copy["spec"]["ports"][0]["nodePort"] = 31000 + i
            services["items"].append(copy)
        lab.write(json.dumps(services), "cluster", "services.json")
        d = lab.trace("node1", "node1:80")
        expect_equal(len(d["meant"]), 3, "Services")
        expect(d["meant"][2]["text"].endswith(" (9 more Services have such a port)"), d["meant"][2]["text"])
        pods = json.loads(lab.read("cluster", "pods.json"))
        proxy = next(p for p in pods["items"] if p["metadata"]["name"] == "kube-proxy-0")
        proxy["spec"]["containers"][0]["ports"] = [{"containerPort": 80, "hostPort": 80, "protocol": "TCP"}]
        lab.write(json.dumps(pods), "cluster", "pods.json")
        expect_equal(lab.trace("node1", "node1:80")["meant"], [], "meant with a listener on the host")
        expect_equal(len(lab.trace("node1", "node2:80")["meant"]), 3, "meant on the other node")


def port_names(backend):
    for dst, want in (("shop/cart:web", "'web' is the target port of 80/tcp: ask shop/cart:80"),
                      ("svc/web:http", "default/web has no port 'http', it has 80/tcp"),
                      ("kube-system/kube-dns:dns/tcp", "has no port 'dns' for tcp")):
        r = run("trace", "node1", dst, "--bundle", LABS[backend], codes=[64])
        expect(want in r.err, r.err)
    d = trace(LABS[backend], "node1", "kube-system/kube-dns:dns-tcp")
    expect_equal((d["packet"]["destination_port"], d["packet"]["protocol"]), (53, "tcp"), "port by name")
    d = trace(LABS[backend], "node1", "svc/web")
    expect_equal(d["packet"]["destination_port"], 80, "the only port")


def many_endpoints(n=3000, nodes=12):
    """A Service of thousands of endpoints on many nodes, one of which drops: it stays short, and the drop is in it."""
    with tempfile.TemporaryDirectory(prefix="svcdoctor-test-") as tmp:
        names = [f"n{i:02d}" for i in range(nodes)]
        objects = [{"apiVersion": "v1", "kind": "Node", "metadata": {"name": x}, "spec": {"podCIDRs": [f"10.{i + 1}.0.0/16"]},
                    "status": {"addresses": [{"type": "InternalIP", "address": f"172.30.0.{i + 1}"}]}} for i, x in enumerate(names)]
        write(json.dumps({"apiVersion": "v1", "kind": "NodeList", "items": objects}), os.path.join(tmp, "cluster", "nodes.json"))
        endpoints = [f"10.{i % nodes + 1}.{i // nodes // 250}.{i // nodes % 250 + 2}" for i in range(n)]
        rules = "".join(f"-A S {f'-m statistic --mode random --probability {1 / (n - i):.11f} ' if i < n - 1 else ''}-p tcp -m tcp -j DNAT "
                        f"--to-destination {e}:80\n" for i, e in enumerate(endpoints))
        nat = f"*nat\n:PREROUTING ACCEPT [0:0]\n:S - [0:0]\n-A PREROUTING -d 10.96.0.9/32 -p tcp -m tcp --dport 80 -j S\n{rules}COMMIT\n"
        drop = "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n-A FORWARD -j DROP\nCOMMIT\n"
        for i, x in enumerate(names):
            where = os.path.join(tmp, "nodes", x)
            write("# Generated by iptables-nft-save\n" + (nat if i == 0 else drop if i == nodes - 1 else "*nat\nCOMMIT\n"),
                  os.path.join(where, "iptables-nft-save.txt"))
            routes = [{"dst": f"10.{k + 1}.0.0/16", **({"dev": "cni0"} if k == i else {"dev": "eth0", "gateway": f"172.30.0.{k + 1}"})}
                      for k in range(nodes)] + [{"dst": "172.30.0.0/24", "dev": "eth0"}]
            write(json.dumps(routes), os.path.join(where, "ip-route.json"))
        r = run("trace", "10.1.0.77", "10.96.0.9:80", "--bundle", tmp, codes=[0])
        lines = r.out.splitlines()
        expect(len(lines) < 200, f"{len(lines)} lines")
        expect(f"then on {names[-1]}: " in r.out and f"dropped by filter FORWARD 1 on {names[-1]}" in r.out, "the drop is not shown")
        d = trace(tmp, "10.1.0.77", "10.96.0.9:80")
        expect_equal(len(d["endings"]), n, "endings")
        dropped_ = [e for e in d["endings"] if e["verdict"] == "drop"]
        expect_equal((len(dropped_), {e["node"] for e in dropped_}), (n // nodes, {names[-1]}), "drops")
        expect(abs(sum(e["weight"] for e in d["endings"]) - 1) < 1e-6, "weights")
    return f"{n} endpoints on {nodes} nodes in {len(lines)} lines"


POLICY = {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": "only-fe", "namespace": "default"},
          "spec": {"podSelector": {"matchLabels": {"app": "web"}}, "policyTypes": ["Ingress"],
                   "ingress": [{"from": [{"podSelector": {"matchLabels": {"role": "fe"}}}]}]}}


def policies(backend):
    """A policy that keeps the client out is named beside the endings; the node whose address a source becomes may always ask its own pods."""
    with Copy(LABS[backend]) as lab:
        lab.write(json.dumps({"kind": "List", "items": [POLICY]}), "cluster", "networkpolicies.json")
        lines = trace(lab.path, "10.244.1.5", "10.96.136.124:80")["warnings"]
        expect_equal(len(lines), 3, "pods")
        expect(all(x.startswith("NetworkPolicy default/only-fe does not let this client in to default/web-") for x in lines), lines)
        lines = trace(lab.path, "203.0.113.9", "172.30.99.1:32035")["warnings"]
        expect(len(lines) == 1 and "web-96d5df5c8-2 on port 80, which sees the node as the source" in lines[0], lines)
        expect_equal(trace(lab.path, "10.244.1.5", "10.96.180.89:80")["warnings"], [], "warnings of another Service")


def untranslated(backend):
    """A ClusterIP that no rule translates is no success."""
    with Copy(LABS[backend]) as lab:
        def edit(text):
            d = Dump(text)
            d.remove("nat", "KUBE-SERVICES", "default/hostnames:default cluster IP")
            return str(d)
        lab.edit(edit, "nodes", "node1", f"iptables-{backend}-save.txt")
        r = run("trace", "10.244.1.5", "10.96.250.211:80", "--bundle", lab.path, "--node", "node1", codes=[0])
        expect("not translated: nobody answers at a Service's own address   x" in r.out, r.out)


if __name__ == "__main__":
    t = Tests()
    for backend_ in LABS:
        for test in (follows, dropped, masqueraded, three_visits, start_is_chosen, not_in_the_bundle, undecided, lost, missing_facts, loop, as_alone,
                     meant, meant_of_many, port_names, policies, untranslated):
            t.run(f"{backend_}/{test.__name__}", test, backend_)
    t.run("many-endpoints", many_endpoints)
    t.finish()
