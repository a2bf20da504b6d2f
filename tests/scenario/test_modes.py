#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Nodes in nftables and IPVS mode: what is taken away or changed is found, with its place and its text as kube-proxy and the tools write it;
what was not dumped is told as that; nodes are compared; Services are read back from nftables' maps."""
import json
import os
import re
import shutil

from common import Copy, Tests, expect, expect_equal, run

NFT, IPVS = "lab-nftables", "lab-ipvs"
DUMP = "nft-ruleset.json"
WEB, WEB_CHAIN = "10.96.136.124:80/TCP", "service-PFISGYVC-default/web/tcp/"
# Outside addresses of the Local Service whose endpoint is on node2.
LOCAL = "203.0.113.80"


# ---- changes of nft's JSON ----

def text_of(value):
    """A key or value of an element as a person would write it."""
    if isinstance(value, dict) and "elem" in value:
        return text_of(value["elem"]["val"])
    if isinstance(value, dict) and "concat" in value:
        return " . ".join(str(v) for v in value["concat"])
    return str(value)


def nft(change):
    """A damage of node1: change(objects) gets the list of objects of the JSON."""
    def damage(b):
        def edit(text):
            doc = json.loads(text)
            doc["nftables"] = change(doc["nftables"])
            return json.dumps(doc)
        b.edit(edit, "nodes", "node1", DUMP)
    return damage


def each(objects, kind, **match):
    return [o[kind] for o in objects if kind in o and o[kind].get("family") == "ip" and all(o[kind].get(k) == v for k, v in match.items())]


def without_element(name, key):
    def change(objects):
        for s in each(objects, "map", name=name) + each(objects, "set", name=name):
            left = [e for e in s["elem"] if text_of(e[0] if isinstance(e, list) else e) != key]
            expect_equal(len(left), len(s["elem"]) - 1, f"elements of {name} without {key}")
            s["elem"] = left
        return objects
    return nft(change)


def with_element(name, element):
    def change(objects):
        for s in each(objects, "map", name=name) + each(objects, "set", name=name):
            s["elem"] = s.get("elem", []) + [element]
        return objects
    return nft(change)


def other_verdict(name, key, verdict):
    def change(objects):
        for s in each(objects, "map", name=name):
            for e in s["elem"]:
                if text_of(e[0]) == key:
                    e[1] = verdict
        return objects
    return nft(change)


def without_rule(chain, word):
    def change(objects):
        left = [o for o in objects if not ("rule" in o and o["rule"]["family"] == "ip" and o["rule"]["chain"] == chain and word in json.dumps(o["rule"]))]
        expect_equal(len(left), len(objects) - 1, f"rules without {word} in {chain}")
        return left
    return nft(change)


def reworded(chain, old, new):
    def change(objects):
        text = json.dumps(objects)
        expect(old in text, f"no {old}")
        return [o if not ("rule" in o and o["rule"]["chain"] == chain) else json.loads(json.dumps(o).replace(old, new)) for o in objects]
    return nft(change)


# ---- changes of IPVS's dumps ----

def line(file, pattern, new=""):
    """A damage of node1: the line is taken out, or becomes another."""
    def damage(b):
        b.edit(lambda t: re.sub(rf"^{re.escape(pattern)}\n", new, t, count=1, flags=re.M), "nodes", "node1", file)
        if file == "ipvsadm-save.txt" and os.path.exists(b.file("nodes", "node1", "ipvsadm-ln.txt")):
            os.unlink(b.file("nodes", "node1", "ipvsadm-ln.txt"))
    return damage


def servers(pattern, new=""):
    return line("ipvsadm-save.txt", pattern, new)


def members(pattern, new=""):
    return line("ipset-save.txt", pattern, new)


def rules(pattern, new=""):
    return line("iptables-legacy-save.txt", "[0:0] " + pattern, new)


def without_server(key):
    def damage(b):
        servers(f"-A {key} -s rr")(b)
        b.edit(lambda t: re.sub(rf"^-a {re.escape(key)} .*\n", "", t, flags=re.M), "nodes", "node1", "ipvsadm-save.txt")
    return damage


def address(old, new=None):
    """An address is taken off kube-ipvs0, or another one is put there; the routes of table local follow."""
    def damage(b):
        def links(text):
            doc = json.loads(text)
            for link in doc:
                if link["ifname"] == "kube-ipvs0":
                    some = dict(link["addr_info"][0])
                    link["addr_info"] = [a for a in link["addr_info"] if a["local"] != old] + ([{**some, "local": new}] if new else [])
            return json.dumps(doc)

        def routes(text):
            doc = json.loads(text)
            some = next(r for r in doc if r.get("dst") == "10.96.0.1")
            return json.dumps([r for r in doc if r.get("dst") != old] + ([{**some, "dst": new, "prefsrc": new}] if new else []))
        b.edit(links, "nodes", "node1", "ip-addr.json")
        b.edit(routes, "nodes", "node1", "ip-route.json")
    return damage


# Name: (bundle, damage, kind, frontend, by: kind, table, chain, its text, missing).
DAMAGES = {
    "an entry": (NFT, without_element("service-ips", "10.96.136.124 . tcp . 80"), "no-rule", WEB,
                 "set", "kube-proxy", "service-ips", f"10.96.136.124 . tcp . 80 : goto {WEB_CHAIN}", True),
    "a node port's entry": (NFT, without_element("service-nodeports", "tcp . 32035"), "no-rule", "*:32035/TCP",
                            "set", "kube-proxy", "service-nodeports", "tcp . 32035 : goto external-PFISGYVC-default/web/tcp/", True),
    "a node-port address": (NFT, without_element("nodeport-ips", "172.30.99.1"), "no-rule", "*:32035/TCP",
                            "set", "kube-proxy", "nodeport-ips", "172.30.99.1", True),
    "an entry that leads elsewhere": (NFT, other_verdict("service-ips", "10.96.136.124 . tcp . 80", {"goto": {"target": "service-65UXZRUD-default/my-nginx/tcp/http"}}),
                                      "wrong-endpoint", WEB, "set", "kube-proxy", "service-ips",
                                      "10.96.136.124 . tcp . 80 : goto service-65UXZRUD-default/my-nginx/tcp/http", False),
    "a balancing rule": (NFT, without_rule(WEB_CHAIN, "numgen"), "no-rule", WEB, "rule", "kube-proxy", WEB_CHAIN,
                         "meta l4proto tcp dnat ip to numgen random mod 3 map { 0 : 10.244.1.135 . 80, 1 : 10.244.1.136 . 80, 2 : 10.244.2.73 . 80 }", True),
    "an endpoint of nobody": (NFT, reworded(WEB_CHAIN, '"10.244.1.135", 80', '"10.244.1.99", 80'), "stale-endpoint", WEB,
                              "rule", "kube-proxy", WEB_CHAIN, "10.244.1.99 . 80", False),
    "uneven shares": (NFT, reworded(WEB_CHAIN, '"mod": 3', '"mod": 4'), "uneven-share", WEB, "rule", "kube-proxy", WEB_CHAIN, "mod 4", False),
    "the jump to the Services": (NFT, without_rule("nat-prerouting", "services"), "no-rule", WEB, "rule", "kube-proxy", "nat-prerouting", "jump services", True),
    "the masquerade of cluster IPs": (NFT, without_rule("services", "cluster-ips"), "not-masqueraded", WEB, "rule", "kube-proxy", "services",
                                      "ip daddr @cluster-ips ip saddr != 10.244.0.0/16 meta mark set meta mark | 0x00004000", True),
    "a cluster IP in its set": (NFT, without_element("cluster-ips", "10.96.136.124"), "not-masqueraded", WEB, "set", "kube-proxy", "cluster-ips", "10.96.136.124", True),
    "the masquerade itself": (NFT, without_rule("masquerading", "16384"), "not-masqueraded", WEB, "rule", "kube-proxy", "masquerading", "masquerade fully-random", True),
    "a hairpin connection": (NFT, without_element("hairpin-connections", "10.244.1.135 . 10.244.1.135 . tcp . 80"), "hairpin", WEB,
                             "set", "kube-proxy", "hairpin-connections", "10.244.1.135 . 10.244.1.135 . tcp . 80", True),
    "a refusal": (NFT, without_element("no-endpoint-services", "10.96.75.131 . tcp . 80"), None, None, None, None, None, None, None),
    "the drop of a Local Service": (NFT, without_element("no-endpoint-services", f"{LOCAL} . tcp . 8765"), "not-refused", f"{LOCAL}:8765/TCP",
                                    "set", "kube-proxy", "no-endpoint-services", f'{LOCAL} . tcp . 8765 comment "default/example-service" : drop', True),
    "a firewall's entry": (NFT, without_element("firewall-ips", "203.0.113.81 . tcp . 80"), "not-refused", "203.0.113.81:80/TCP",
                           "set", "kube-proxy", "firewall-ips", "203.0.113.81 . tcp . 80 : goto firewall-VG4DSY5R-shop/lb-ranges/tcp/", True),
    "a firewall's ranges": (NFT, reworded("firewall-VG4DSY5R-shop/lb-ranges/tcp/", '"198.51.100.0"', '"198.51.99.0"'), "dropped", "203.0.113.81:80/TCP",
                            "rule", "kube-proxy", "firewall-VG4DSY5R-shop/lb-ranges/tcp/", "ip saddr != 198.51.99.0/24 drop", False),
    "a refusal too many": (NFT, lambda b: (without_element("service-ips", "10.96.136.124 . tcp . 80")(b),
                                           with_element("no-endpoint-services", [{"elem": {"val": {"concat": ["10.96.136.124", "tcp", 80]}, "comment": "default/web"}},
                                                                                 {"goto": {"target": "reject-chain"}}])(b)),
                           "no-rule", WEB, "set", "kube-proxy", "service-ips", f"10.96.136.124 . tcp . 80 : goto {WEB_CHAIN}", True),
    "an entry of nobody": (NFT, with_element("service-ips", [{"concat": ["10.96.99.99", "tcp", 80]}, {"goto": {"target": WEB_CHAIN}}]), "stale-frontend", "10.96.99.99:80/TCP",
                           "set", "kube-proxy", "service-ips", f"10.96.99.99 . tcp . 80 : goto {WEB_CHAIN}", False),
    "a node port of nobody": (NFT, with_element("service-nodeports", [{"concat": ["tcp", 31999]}, {"goto": {"target": "external-PFISGYVC-default/web/tcp/"}}]),
                              "stale-frontend", "*:31999/TCP", "set", "kube-proxy", "service-nodeports", "tcp . 31999 : goto external-PFISGYVC-default/web/tcp/", False),
    "an address that answers for node ports": (NFT, with_element("nodeport-ips", "10.244.1.1"), "stale-frontend", None, "set", "kube-proxy", "nodeport-ips", "10.244.1.1", False),
    "a virtual server": (IPVS, without_server("-t 10.96.136.124:80"), "no-rule", WEB, "ipvs", None, None, "-A -t 10.96.136.124:80 -s rr", True),
    "a node port's server": (IPVS, without_server("-t 172.30.99.1:32035"), "no-rule", "*:32035/TCP", "ipvs", None, None, "-A -t 172.30.99.1:32035 -s rr", True),
    "a real server": (IPVS, servers("-a -t 10.96.136.124:80 -r 10.244.1.135:80 -m -w 1"), "missing-endpoint", WEB,
                      "ipvs", None, None, "-a -t 10.96.136.124:80 -r 10.244.1.135:80 -m -w 1", True),
    "the only real server": (IPVS, servers("-a -t 10.96.44.158:80 -r 10.244.1.70:8080 -m -w 1"), "rejected", "10.96.44.158:80/TCP",
                             "ipvs", None, None, "-a -t 10.96.44.158:80 -r 10.244.1.70:8080 -m -w 1", True),
    "a real server of nobody": (IPVS, servers("-a -t 10.96.136.124:80 -r 10.244.1.135:80 -m -w 1", "-a -t 10.96.136.124:80 -r 10.244.1.99:80 -m -w 1\n"),
                                "stale-endpoint", WEB, "ipvs", None, None, "-a -t 10.96.136.124:80 -r 10.244.1.99:80 -m -w 1", False),
    "weights": (IPVS, lambda b: (servers("-A -t 10.96.136.124:80 -s rr", "-A -t 10.96.136.124:80 -s wrr\n")(b),
                                 servers("-a -t 10.96.136.124:80 -r 10.244.1.135:80 -m -w 1", "-a -t 10.96.136.124:80 -r 10.244.1.135:80 -m -w 3\n")(b)),
                "uneven-share", WEB, "ipvs", None, None, "-A -t 10.96.136.124:80 -s wrr", False),
    "affinity that nobody asked for": (IPVS, servers("-A -t 10.96.136.124:80 -s rr", "-A -t 10.96.136.124:80 -s rr -p 10800\n"), "wrong-affinity", WEB,
                                       "ipvs", None, None, "-A -t 10.96.136.124:80 -s rr -p 10800", False),
    "an address of kube-ipvs0": (IPVS, address("10.96.136.124"), "no-rule", WEB, "link", None, None, "10.96.136.124/32 dev kube-ipvs0", True),
    "a cluster IP in its ipset": (IPVS, members("add KUBE-CLUSTER-IP 10.96.136.124,tcp:80"), "no-rule", WEB, "set", None, "KUBE-CLUSTER-IP",
                                  "add KUBE-CLUSTER-IP 10.96.136.124,tcp:80", True),
    "an external IP in its ipset": (IPVS, members("add KUBE-EXTERNAL-IP 80.11.12.10,tcp:80"), "no-rule", "80.11.12.10:80/TCP", "set", None, "KUBE-EXTERNAL-IP",
                                    "add KUBE-EXTERNAL-IP 80.11.12.10,tcp:80", True),
    "a node port in its ipset": (IPVS, members("add KUBE-NODE-PORT-TCP 32035"), "not-masqueraded", "*:32035/TCP", "set", None, "KUBE-NODE-PORT-TCP",
                                 "add KUBE-NODE-PORT-TCP 32035", True),
    "a Local Service in its ipset": (IPVS, members(f"add KUBE-LOAD-BALANCER-LOCAL {LOCAL},tcp:8765"), "needless-masquerade", f"{LOCAL}:8765/TCP", "set", None,
                                     "KUBE-LOAD-BALANCER-LOCAL", f"add KUBE-LOAD-BALANCER-LOCAL {LOCAL},tcp:8765", True),
    "source ranges": (IPVS, members("add KUBE-LOAD-BALANCER-FW 203.0.113.81,tcp:80"), "not-refused", "203.0.113.81:80/TCP", "set", None, "KUBE-LOAD-BALANCER-FW",
                      "add KUBE-LOAD-BALANCER-FW 203.0.113.81,tcp:80", True),
    "who is admitted": (IPVS, members("add KUBE-LOAD-BALANCER-SOURCE-CIDR 203.0.113.81,tcp:80,198.51.100.0/24"), "dropped", "203.0.113.81:80/TCP",
                        "set", None, "KUBE-LOAD-BALANCER-SOURCE-CIDR", "add KUBE-LOAD-BALANCER-SOURCE-CIDR 203.0.113.81,tcp:80,198.51.100.0/24", True),
    "the node out of the ranges": (IPVS, rules("-A KUBE-IPVS-OUT-FILTER -s 203.0.113.81/32 -m ipvs --vproto 6 --vaddr 203.0.113.81 --vport 80 -j DROP"), "not-refused",
                                   "203.0.113.81:80/TCP", "rule", "filter", "KUBE-IPVS-OUT-FILTER", "-m ipvs --vproto 6 --vaddr 203.0.113.81 --vport 80 -j DROP", True),
    "the mark": (IPVS, rules("-A KUBE-MARK-MASQ -j MARK --set-xmark 0x4000/0x4000"), "not-masqueraded", WEB, "rule", "nat", "KUBE-MARK-MASQ",
                 "-A KUBE-MARK-MASQ -j MARK --set-xmark 0x4000/0x4000", True),
    "a server of nobody": (IPVS, servers("-A -t 10.96.0.1:443 -s rr", "-A -t 10.96.0.1:443 -s rr\n-A -t 10.96.99.99:80 -s rr\n-a -t 10.96.99.99:80 -r 10.244.1.20:80 -m -w 1\n"),
                           "stale-frontend", None, None, None, None, None, None),
    "an address of nobody": (IPVS, address(None, "10.96.88.88"), "stale-frontend", "10.96.88.88", "link", None, None, "10.96.88.88/32 dev kube-ipvs0", False),
    "a member of nobody": (IPVS, members("add KUBE-CLUSTER-IP 10.96.0.1,tcp:443", "add KUBE-CLUSTER-IP 10.96.0.1,tcp:443\nadd KUBE-CLUSTER-IP 10.96.77.77,tcp:80\n"),
                           "stale-frontend", "10.96.77.77:80/TCP", "set", None, "KUBE-CLUSTER-IP", "add KUBE-CLUSTER-IP 10.96.77.77,tcp:80", False),
}


def differences(b, codes=(0, 1)):
    return run("verify", "-A", "--bundle", b.path, "--node", "node1", "-o", "json", codes=list(codes)).json["differences"]


def damage_is_found(bundle, damage, kind, frontend, by_kind, table, chain, text, missing):
    with Copy(bundle) as b:
        damage(b)
        found = differences(b)
        if kind is None:
            return f"{len(found)} differences"
        expect({d["node"] for d in found} == {"node1"}, lambda: f"nodes {found}")
        fits = [d for d in found if d["kind"] == kind and (frontend is None or d["frontend"] == frontend)]
        expect(fits, lambda: f"no {kind} of {frontend} in {[(d['kind'], d['frontend'], d['by']) for d in found]}")
        if by_kind is None:
            return fits[0]["text"]
        by = fits[0]["by"]
        expect(by, f"nothing is blamed for {fits[0]['text']}")
        expect_equal((by["kind"], by["table"], by["chain"], by.get("missing", False)), (by_kind, table, chain, missing), f"by: {by['text']}")
        expect(text in by["text"], f"'{text}' is not in '{by['text']}'")
        expect(not fits[0]["foreign"], "foreign")
        return fits[0]["text"]


# ---- other ports, rules of others ----

def refused_by_catch_all():
    """Where an entry is missing the catch-all refuses: that it is not translated is what is said."""
    with Copy(NFT) as b:
        without_element("service-ips", "10.96.136.124 . tcp . 80")(b)
        d = [d for d in differences(b) if d["frontend"] == WEB]
        expect_equal(sorted({x["kind"] for x in d}), ["no-rule"], "kinds")
        expect("reject" in {a["verdict"] for x in d for a in x["actual"]}, "nobody rejects")


def stranger(bundle):
    """A DROP of somebody else in FORWARD, by iptables-legacy, beside both modes: of IPVS it meets the replies, of nftables mode what is forwarded."""
    with Copy(bundle) as b:
        b.edit(lambda t: re.sub(r"^(\*filter\n(?::.*\n)+)", r"\1-A FORWARD -s 10.244.0.0/16 -j DROP\n", t, flags=re.M), "nodes", "node1", "iptables-legacy-save.txt")
        d = [d for d in differences(b) if d["foreign"]]
        expect(d, "no foreign rule is blamed")
        expect_equal({x["by"]["text"] for x in d}, {"-A FORWARD -s 10.244.0.0/16 -j DROP"}, "rules")
        return f"{sorted({x['kind'] for x in d})}"


# ---- what was not dumped ----

MISSING = {
    "ipvsadm-save.txt ipvsadm-ln.txt": ([], "rules", "ipvsadm -Sn"),
    "ipset-save.txt": (["node1", "node2"], "masquerade and source ranges", "ipset save"),
    "iptables-legacy-save.txt": (["node1", "node2"], "masquerade and source ranges", "iptables-save"),
    "ip-addr.json": (["node1", "node2"], "addresses", "ip -j addr"),
    "ip-addr.json ip-route.json": (["node1", "node2"], "addresses", "ip -j addr"),
}


def not_dumped(files, judged, what, needs):
    """Said with its needs; nothing is made up, and what can be judged is."""
    with Copy(IPVS) as b:
        for node in ("node1", "node2"):
            for f in files.split():
                os.unlink(b.file("nodes", node, f))
        v = run("verify", "-A", "--bundle", b.path, "-o", "json", codes=[2]).json
        expect_equal(v["nodes"], judged, "judged nodes")
        expect_equal([d["text"] for d in v["differences"]], [], "differences")
        told = [s for s in v["skipped"] if s["check"] == what and s["node"] == "node1"]
        expect(told and needs in told[0]["needs"], lambda: f"'{needs}' is not needed in {v['skipped']}")
        expect(not judged or v["decided"] > 0, "nothing is decided")
        if not judged or "ipvsadm" in files:
            return told[0]["reason"]
        servers("-a -t 10.96.136.124:80 -r 10.244.1.135:80 -m -w 1")(b)
        found = [d for d in differences(b, codes=[1]) if d["frontend"] == WEB]
        expect_equal({(d["kind"], d["by"]["text"]) for d in found}, {("missing-endpoint", "-a -t 10.96.136.124:80 -r 10.244.1.135:80 -m -w 1")}, "a real server that is missing")
        return told[0]["reason"]


def nft_not_dumped():
    with Copy(NFT) as b:
        os.unlink(b.file("nodes", "node1", DUMP))
        v = run("verify", "-A", "--bundle", b.path, "-o", "json", codes=[2]).json
        expect_equal((v["nodes"], v["differences"]), (["node2"], []), "judged")
        expect_equal([(s["node"], s["code"], s["needs"]) for s in v["skipped"]],
                     [("node1", "not-collected", "nft -j list ruleset > nft-ruleset.json on the node")], "skipped")


def nothing_written(bundle):
    """kube-proxy runs and the node is empty."""
    with Copy(bundle) as b:
        if bundle == NFT:
            b.write('{"nftables": []}', "nodes", "node1", DUMP)
        else:
            for f in ("ipvsadm-save.txt", "ipvsadm-ln.txt", "ipset-save.txt", "iptables-legacy-save.txt", "ip6tables-legacy-save.txt"):
                b.write("", "nodes", "node1", f)
        d = run("diagnose", "-A", "--bundle", b.path, "--node", "node1", "-o", "json", codes=[1]).json
        found = [f for f in d["cluster"] if f["check"] == "kube-proxy-wrote-nothing"]
        expect_equal([f["node"] for f in found], ["node1"], "kube-proxy-wrote-nothing")
        return found[0]["evidence"][0]


def untold(bundle, mode):
    """Nothing tells the mode or the configuration: both are read from what is there."""
    with Copy(bundle) as b:
        for node in ("node1", "node2"):
            for f in os.listdir(b.file("nodes", node)):
                if f.startswith("kube-proxy"):
                    os.unlink(b.file("nodes", node, f))
        os.unlink(b.file("cluster", "configmaps.json"))
        v = run("verify", "-A", "--bundle", b.path, "-o", "json", codes=[0]).json
        expect_equal((v["differences"], v["decided"]), ([], v["frontends"]), f"differences in {mode} mode")
        expect_equal({c["source"] for c in v["config"]}, {"the rules themselves"}, "configuration")
        return f"{v['decided']} frontends"


def renamed_objects(value, names):
    if isinstance(value, dict):
        return {k: renamed_objects(v, names) for k, v in value.items()}
    if isinstance(value, list):
        return [renamed_objects(v, names) for v in value]
    if isinstance(value, str) and value.lstrip("@") in names:
        return value.replace(value.lstrip("@"), "z-" + value.lstrip("@")[::-1])
    return value


def renamed():
    """What rules do counts, not what their chains, sets and maps are called."""
    with Copy(NFT) as b:
        for node in ("node1", "node2"):
            objects = json.loads(b.read("nodes", node, DUMP))["nftables"]
            names = {o[k]["name"] for o in objects for k in ("chain", "set", "map") if k in o and o[k]["table"] == "kube-proxy"}
            b.write(json.dumps({"nftables": renamed_objects(objects, names)}), "nodes", node, DUMP)
        v = run("verify", "-A", "--bundle", b.path, "-o", "json", codes=[0]).json
        expect_equal((v["differences"], v["decided"]), ([], 60), "differences")


def worth_knowing():
    """A foreign DROP where connections are refused anyhow is a note: the Service's rules are not said to go wrong."""
    with Copy(NFT) as b:
        b.edit(lambda text: text + "*mangle\n:OUTPUT ACCEPT [0:0]\n-A OUTPUT -d 10.96.75.131/32 -j DROP\nCOMMIT\n", "nodes", "node1", "iptables-nft-save.txt")
        v = run("verify", "-A", "--bundle", b.path, "-o", "json", codes=[0]).json
        expect_equal([(x["kind"], x["severity"], x["foreign"]) for x in v["differences"]], [("wrong-refusal", "info", True)], "differences")
        out = run("diagnose", "shop/cart", "--bundle", b.path, codes=[1]).out
        expect("every packet goes where it must" in out and "go wrong" not in out, out)


def exposed():
    """Without the way to KUBE-IPVS-FILTER the node's own ports answer on virtual addresses."""
    with Copy(IPVS) as b:
        def ids():
            return [f["node"] for f in run("diagnose", "-A", "--bundle", b.path, "-o", "json", codes=[1]).json["cluster"] if f["check"] == "ipvs-vip-hostport-exposure"]
        expect_equal(ids(), [], "sound")
        b.edit(lambda t: re.sub(r"^.*-A INPUT .*-j KUBE-IPVS-FILTER\n", "", t, flags=re.M), "nodes", "node1", "iptables-legacy-save.txt")
        expect_equal(ids(), ["node1"], "nodes")


# ---- leftovers ----

def leftovers():
    """What another mode made is named, in the mode that kube-proxy is in."""
    with Copy("lab-iptables-nft") as b:
        shutil.copyfile(os.path.join("tests", "corpus", NFT, "nodes", "node1", DUMP), b.file("nodes", "node1", DUMP))
        d = run("diagnose", "-A", "--bundle", b.path, "-o", "json", codes=[1]).json
        expect_equal([(f["node"], "made in nftables mode" in f["text"]) for f in d["cluster"] if f["check"] == "stale-rules-after-mode-switch"], [("node1", True)], "nftables")
    with Copy(NFT) as b:
        shutil.copyfile(os.path.join("tests", "corpus", IPVS, "nodes", "node1", "ip-addr.json"), b.file("nodes", "node1", "ip-addr.json"))
        d = run("diagnose", "-A", "--bundle", b.path, "-o", "json", codes=[1]).json
        expect_equal([(f["node"], "made in ipvs mode" in f["text"]) for f in d["cluster"] if f["check"] == "stale-rules-after-mode-switch"], [("node1", True)], "ipvs")


def leftover_that_drops():
    """A table that nftables mode left behind drops what IPVS mode serves: the element that says so is named, not the first jump on the way."""
    with Copy(IPVS) as b:
        shutil.copyfile(os.path.join("tests", "corpus", NFT, "nodes", "node1", DUMP), b.file("nodes", "node1", DUMP))
        d = [x for x in differences(b) if x["kind"] == "dropped"]
        expect_equal({(x["frontend"], x["by"]["kind"], x["by"]["chain"], x["by"]["text"]) for x in d},
                     {("*:32147/TCP", "set", "no-endpoint-nodeports", 'tcp . 32147 comment "default/example-service" : drop'),
                      ("203.0.113.80:8765/TCP", "set", "no-endpoint-services", '203.0.113.80 . tcp . 8765 comment "default/example-service" : drop')}, "dropped")


def one_moment(which, kind):
    """An address of kube-ipvs0 in one of the two dumps that show it: that they do not agree is said, and ip-route.json is believed."""
    with Copy(IPVS) as b:
        def edit(text):
            doc = json.loads(text)
            for link in doc:
                if "addr_info" in link:
                    link["addr_info"] = [a for a in link["addr_info"] if a.get("local") != "10.96.136.124"]
            return json.dumps([r for r in doc if r.get("dst") != "10.96.136.124"])
        b.edit(edit, "nodes", "node1", which)
        v = run("verify", "-A", "--bundle", b.path, "--node", "node1", "-o", "json", codes=[1 if kind else 2]).json
        expect_equal([(s["check"], s["node"], "10.96.136.124" in s["reason"]) for s in v["skipped"]], [("addresses", "node1", True)], "skipped")
        expect_equal([(d["kind"], d["by"]["kind"], d["by"]["text"]) for d in v["differences"]], [kind] if kind else [], "differences")


def link_gone():
    """Without kube-ipvs0 there is one cause, not one for each Service."""
    with Copy(IPVS) as b:
        for f in ("ip-addr.json", "ip-route.json"):
            b.edit(lambda text: json.dumps([x for x in json.loads(text) if "kube-ipvs0" not in (x.get("ifname"), x.get("dev"))]), "nodes", "node1", f)
        d = run("diagnose", "-A", "--bundle", b.path, "--node", "node1", "-o", "json", codes=[1]).json
        found = [f for f in d["cluster"] if f["check"] == "kube-ipvs0-up-or-foreign-addr"]
        expect_equal(len(found), 1, "findings")
        expect(found[0]["evidence"][0].startswith("missing: ") and found[0]["evidence"][0].endswith(" and 20 more"), found[0]["evidence"][0])
        return found[0]["text"]


# ---- peers, and Services read back ----

def peers(bundle, damage, text):
    """Four nodes without objects: the one that was damaged differs."""
    with Copy(bundle) as b:
        shutil.rmtree(b.file("cluster"))
        shutil.rmtree(b.file("nodes", "node2"))
        for n in ("node2", "node3", "node4"):
            shutil.copytree(b.file("nodes", "node1"), b.file("nodes", n))
        v = run("verify", "-A", "--bundle", b.path, "-o", "json", codes=[2]).json
        expect_equal((v["peers"], len(v["peers_compared"]["nodes"])), ([], 4), "peers of sound nodes")
        damage(b)
        v = run("verify", "-A", "--bundle", b.path, "-o", "json", codes=[1, 2]).json
        expect_equal([(p["node"], p["services"]) for p in v["peers"]], [("node1", 1)], "peers")
        expect(text in v["peers"][0]["differences"][0]["text"], v["peers"][0]["differences"][0]["text"])
        return f"{v['peers'][0]['differences'][0]['service']}: {v['peers'][0]['differences'][0]['text']}"


def from_maps():
    """A single nft-ruleset.json: sound as it is; an entry that leads nowhere is found."""
    with Copy(NFT) as b:
        shutil.rmtree(b.file("cluster"))
        shutil.rmtree(b.file("nodes", "node2"))
        for f in os.listdir(b.file("nodes", "node1")):
            if f not in (DUMP, "ip-addr.json", "ip-route.json") and not os.path.isdir(b.file("nodes", "node1", f)):
                os.unlink(b.file("nodes", "node1", f))
        v = run("verify", "-A", "--bundle", b.path, "-o", "json", codes=[2]).json
        expect_equal((v["services"], v["differences"]), (17, []), "Services and differences")
        expect_equal(v["decided"], v["frontends"], "decided")
        without_rule("external-PFISGYVC-default/web/tcp/", "goto")(b)
        found = differences(b, codes=[1])
        expect(("no-rule", "default/web", "*:32035/TCP") in {(d["kind"], d["service"], d["frontend"]) for d in found}, lambda: f"found {found}")
        return f"{v['services']} Services, {v['frontends']} frontends"


def from_maps_of(name):
    """The node's whole folder, by another name than kube-proxy's own: endpoints of this node are told by the rules all the same."""
    with Copy(NFT) as b:
        one = b.file(name)
        os.rename(b.file("nodes", "node1"), one)
        v = run("verify", "-A", "--bundle", one, "-o", "json", codes=[2]).json
        expect_equal((v["services"], v["differences"], v["decided"]), (17, [], v["frontends"]), "Services, differences and decided")


def looked_at(damage, command):
    """What `diagnose` prints to look at the place is a command that nft takes."""
    with Copy(NFT) as b:
        damage(b)
        d = run("diagnose", "-A", "--bundle", b.path, "--node", "node1", "-o", "json", codes=[1]).json
        nexts = [n for s in d["services"] for f in s["causes"] + s["explained"] for n in f["next"]] + [n for f in d["cluster"] for n in f["next"]]
        expect(command in nexts, lambda: f"{command} is not in {nexts}")
        expect(not any("iptables" in n for n in nexts), lambda: f"iptables in {nexts}")


def strangers_chain(name, expr, policy="accept"):
    own = {"family": "inet", "table": "filter"}

    def change(objects):
        return objects + [{"table": {"family": "inet", "name": "filter", "handle": 99}},
                          {"chain": {**own, "name": name, "handle": 1, "type": "filter", "hook": "forward", "prio": 10, "policy": policy}}] + \
            [{"rule": {**own, "chain": name, "handle": 2, "expr": e}} for e in expr]
    return nft(change)


def policy_in_nft():
    """The policy of a native chain is told in nft's words, and its family is inet."""
    with Copy(NFT) as b:
        strangers_chain("FORWARD", [], "drop")(b)
        d = differences(b, codes=[1])
        expect_equal({(x["foreign"], x["by"]["kind"], x["by"]["family"], x["by"]["text"]) for x in d if x["kind"] == "dropped"},
                     {(True, "policy", "inet", "chain inet filter FORWARD { policy drop; }")}, "by")
        text = run("diagnose", "-A", "--bundle", b.path, "--node", "node1", codes=[1]).out
        expect("the policy of chain FORWARD of table filter drops packets" in text, text[:600])
        expect("-P FORWARD" not in text, "a fix by iptables")


def own_network():
    """Docker's MASQUERADE for its containers, on a node with a Local Service: no more than a note."""
    own = {"family": "ip", "table": "docker"}
    expr = [{"match": {"op": "!=", "left": {"meta": {"key": "oifname"}}, "right": "docker0"}},
            {"match": {"op": "==", "left": {"payload": {"protocol": "ip", "field": "saddr"}}, "right": {"prefix": {"addr": "172.17.0.0", "len": 16}}}},
            {"masquerade": None}]
    add = [{"table": {"family": "ip", "name": "docker", "handle": 99}},
           {"chain": {**own, "name": "post", "handle": 1, "type": "nat", "hook": "postrouting", "prio": 100, "policy": "accept"}},
           {"rule": {**own, "chain": "post", "handle": 2, "expr": expr}}]
    with Copy(NFT) as b:
        b.edit(lambda text: json.dumps({"nftables": json.loads(text)["nftables"] + add}), "nodes", "node2", DUMP)
        d = run("diagnose", "-A", "--bundle", b.path, "-o", "json", codes=[1]).json
        s = [x for x in d["services"] if x["service"] == "default/example-service"]
        expect_equal([(x["status"], [f["severity"] for f in x["causes"] if f["check"] == "rules-needless-masquerade"]) for x in s],
                     [("no-fault-found", ["info"])], "example-service")


LOOKS = {
    "a set": (without_element("nodeport-ips", "172.30.99.1"), "sudo nft list set ip kube-proxy nodeport-ips"),
    "a map": (without_element("service-ips", "10.96.136.124 . tcp . 80"), "sudo nft list map ip kube-proxy service-ips"),
    "a chain": (without_rule("services", "@cluster-ips"), "sudo nft list chain ip kube-proxy services"),
    "a stranger's chain": (strangers_chain("fwd", [[{"drop": None}]]), "sudo nft list chain inet filter fwd"),
    "a stranger's policy": (strangers_chain("fwd", [], "drop"), "sudo nft list chain inet filter fwd"),
}


def rules_count(bundle, needed):
    """The table of `rules` counts everything, and says what is missing and what is too many."""
    with Copy(bundle) as b:
        r = run("rules", "default/web", "--bundle", b.path, "--node", "node1", "-o", "json", codes=[0]).json["rules"]
        expect_equal((sum(x["needed"] for x in r), sum(x["found"] for x in r), sum(x["foreign"] for x in r)), (needed, needed, 0), "counts")
        if bundle == NFT:
            without_element("service-nodeports", "tcp . 32035")(b)
            missing, extra = "tcp . 32035 : goto external-PFISGYVC-default/web/tcp/", None
        else:
            servers("-a -t 10.96.136.124:80 -r 10.244.1.135:80 -m -w 1", "-a -t 10.96.136.124:80 -r 10.244.1.99:80 -m -w 1\n")(b)
            missing, extra = "-a -t 10.96.136.124:80 -r 10.244.1.135:80 -m -w 1", "-a -t 10.96.136.124:80 -r 10.244.1.99:80 -m -w 1"
        r = run("rules", "default/web", "--bundle", b.path, "--node", "node1", "-o", "json", codes=[1]).json["rules"]
        expect_equal((sum(x["found"] for x in r), [x["missing"] for x in r if x["missing"]], [x["extra"] for x in r if x["extra"]]),
                     (needed - 1, [missing], [extra] if extra else []), "damaged")


if __name__ == "__main__":
    t = Tests()
    for name, (bundle_, *rest) in DAMAGES.items():
        t.run(f"{bundle_}/{name}", damage_is_found, bundle_, *rest)
    t.run("lab-nftables/the catch-all refuses", refused_by_catch_all)
    for name_, look in LOOKS.items():
        t.run(f"lab-nftables/how to look at {name_}", looked_at, *look)
    t.run("lab-nftables/a policy in nft's words", policy_in_nft)
    t.run("lab-nftables/a network that masquerades itself", own_network)
    t.run("lab-ipvs/a table left behind drops", leftover_that_drops)
    t.run("lab-ipvs/an address in ip-route.json only", one_moment, "ip-addr.json", None)
    t.run("lab-ipvs/an address in ip-addr.json only", one_moment, "ip-route.json", ("no-rule", "route", "local 10.96.136.124 dev kube-ipvs0 table local"))
    t.run("lab-ipvs/kube-ipvs0 gone", link_gone)
    for name_ in ("dump", "Node-A"):
        t.run(f"lab-nftables/one node by the name {name_}", from_maps_of, name_)
    for b_ in (NFT, IPVS):
        t.run(f"{b_}/a stranger in FORWARD", stranger, b_)
        t.run(f"{b_}/nothing written", nothing_written, b_)
    for files_, rest in MISSING.items():
        t.run(f"lab-ipvs/without {files_}", not_dumped, files_, *rest)
    t.run("lab-nftables/without the dump", nft_not_dumped)
    t.run("lab-nftables/nothing tells the mode", untold, NFT, "nftables")
    t.run("lab-ipvs/nothing tells the mode", untold, IPVS, "ipvs")
    t.run("lab-ipvs/the node's own ports", exposed)
    t.run("leftovers of other modes", leftovers)
    t.run("lab-nftables/worth knowing", worth_knowing)
    t.run("lab-nftables/other names", renamed)
    t.run("lab-nftables/peers", peers, NFT, without_element("service-ips", "10.96.136.124 . tcp . 80"), "refuses it")
    t.run("lab-ipvs/peers", peers, IPVS, servers("-a -t 10.96.136.124:80 -r 10.244.1.135:80 -m -w 1"), "does not send to 10.244.1.135:80")
    t.run("lab-nftables/from the maps", from_maps)
    t.run("lab-nftables/rules", rules_count, NFT, 8)
    t.run("lab-ipvs/rules", rules_count, IPVS, 18)
    t.finish()
