#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The generator of the benchmark writes kube-proxy's rules: given the objects of the recorded labs it writes the dumps that were recorded there,
but for counters and the order in which kube-proxy came to the Services. And `verify` finds nothing wrong in a cluster that it made."""
import io
import json
import os
import re
import subprocess
import sys
import tempfile

from common import CORPUS, COUNTERS, LABS, ROOT, Tests, expect, expect_equal, read, run

sys.path.insert(0, os.path.join(ROOT, "tests", "bench"))
import kube_proxy  # noqa: E402  pylint: disable=wrong-import-position
import kube_proxy_ipvs  # noqa: E402  pylint: disable=wrong-import-position
import kube_proxy_nft  # noqa: E402  pylint: disable=wrong-import-position

FILES = {"nft": "iptables-nft-save.txt", "legacy": "iptables-legacy-save.txt"}
# Filled Service by Service, in the order of a Go map.
SHARED = {("filter", "KUBE-SERVICES"), ("filter", "KUBE-EXTERNAL-SERVICES"), ("filter", "KUBE-NODEPORTS"), ("filter", "KUBE-PROXY-FIREWALL"),
          ("nat", "KUBE-SERVICES"), ("nat", "KUBE-NODEPORTS")}


def tables(text):
    """({table: its chains with their policies}, {(table, chain): its rules in order})"""
    chains, rules, table = {}, {}, None
    for line in text.split("\n"):
        line = COUNTERS.sub("", line)
        if line.startswith("*"):
            table = line[1:]
        elif line.startswith(":"):
            chains.setdefault(table, set()).add(re.sub(r" \[\d+:\d+\]$", "", line))
        elif line.startswith("-A "):
            rules.setdefault((table, line.split(" ", 2)[1]), []).append(line)
    return chains, rules


def by_service(rules):
    """{Service port: its rules in order} of a chain that is filled Service by Service."""
    out = {}
    for rule in rules:
        out.setdefault(re.search(r'--comment "([^ "]*)', rule)[1], []).append(rule)
    return out


def recorded(backend, node, family):
    lab = os.path.join(CORPUS, LABS[backend])

    def load(*parts):
        return json.loads(read(os.path.join(lab, *parts)))
    config = load("nodes", node, "kube-proxy-configz.json")["kubeproxy.config.k8s.io"]
    out = io.StringIO()
    kube_proxy.write_save(out, load("cluster", "services.json")["items"], load("cluster", "endpointslices.json")["items"], node, config, backend,
                          family)
    chains, rules = tables(out.getvalue())
    want_chains, want = tables(read(os.path.join(lab, "nodes", node, FILES[backend].replace("ip", "ip6", family == "IPv6"))))
    expect_equal({t: sorted(c) for t, c in chains.items()}, {t: sorted(c) for t, c in want_chains.items()}, "chains")
    expect_equal(sorted(rules), sorted(want), "chains with rules")
    for place in want:
        if place in SHARED:
            expect_equal(by_service(rules[place]), by_service(want[place]), f"rules of {place}")
        else:
            expect_equal(rules[place], want[place], f"rules of {place}")
    expect_equal(rules["nat", "KUBE-SERVICES"][-1], want["nat", "KUBE-SERVICES"][-1], "last rule of nat KUBE-SERVICES")
    return f"{sum(map(len, want.values()))} rules as recorded"


def nft_objects(document):
    """{(family, kind, name): what it is} without handles, elements of sets as sorted texts; the rules of a chain in order."""
    out = {}
    for o in document["nftables"]:
        (what, row), = o.items()
        row = {k: v for k, v in row.items() if k != "handle"}
        if what == "rule":
            out.setdefault((row["family"], what, row["chain"]), []).append(row)
        elif what != "metainfo":
            if "elem" in row:
                row["elem"] = sorted(json.dumps(e, sort_keys=True) for e in row["elem"])
            out[row["family"], what, row["name"]] = row
    return out


def recorded_nft(node):
    lab = os.path.join(CORPUS, "lab-nftables")

    def load(*parts):
        return json.loads(read(os.path.join(lab, *parts)))
    config = load("nodes", node, "kube-proxy-configz.json")["kubeproxy.config.k8s.io"]
    services, slices = load("cluster", "services.json")["items"], load("cluster", "endpointslices.json")["items"]
    cidrs = [c for s in load("cluster", "servicecidrs.json")["items"] for c in s["spec"]["cidrs"]]
    primary = next(a["address"] for n in load("cluster", "nodes.json")["items"] if n["metadata"]["name"] == node
                   for a in n["status"]["addresses"] if a["type"] == "InternalIP")
    ports = {family: kube_proxy.ports_of(services, slices, node, family == "IPv6") for family in ("IPv4", "IPv6")}
    out = io.StringIO()
    kube_proxy_nft.write_json(out, ports, config, {"IPv4": [primary]}, cidrs)
    got, want = nft_objects(json.loads(out.getvalue())), nft_objects(load("nodes", node, "nft-ruleset.json"))
    expect_equal(sorted(got), sorted(want), "objects")
    for key, value in want.items():
        expect_equal(got[key], value, str(key))
    return f"{sum(len(v) if k[1] == 'rule' else 1 for k, v in want.items())} objects as recorded"


def text_of(write):
    out = io.StringIO()
    write(out)
    return out.getvalue()


def servers_of(text):
    """{virtual server: [its real servers]}"""
    out = {}
    for line in text.splitlines():
        words = line.split()
        if words[0] == "-A":
            out[line] = []
        else:
            next(v for k, v in out.items() if k.split()[1:3] == words[1:3]).append(line)
    return {k: sorted(v) for k, v in out.items()}


def recorded_ipvs(node):
    folder = os.path.join(CORPUS, "lab-ipvs", "nodes", node)

    def load(*parts):
        return json.loads(read(os.path.join(CORPUS, "lab-ipvs", *parts)))
    config = load("nodes", node, "kube-proxy-configz.json")["kubeproxy.config.k8s.io"]
    services, slices = load("cluster", "services.json")["items"], load("cluster", "endpointslices.json")["items"]
    links = load("nodes", node, "ip-addr.json")
    own = [a["local"] for link in links for a in link["addr_info"] if a["family"] == "inet" and link["ifname"] not in ("lo", "kube-ipvs0")]
    nodes = [kube_proxy_ipvs.Node(kube_proxy.ports_of(services, slices, node, six), config, six, [] if six else own) for six in (False, True)]
    four = nodes[0]
    expect_equal(servers_of(text_of(four.write_servers)), servers_of(read(os.path.join(folder, "ipvsadm-save.txt"))), "virtual servers")

    def sets(text):
        return sorted(re.sub(r" initval \S+", "", line) for line in text.splitlines())
    expect_equal(sets(text_of(four.write_sets) + text_of(nodes[1].write_sets)), sets(read(os.path.join(folder, "ipset-save.txt"))), "ipsets")
    for n, name in zip(nodes, ("iptables-legacy-save.txt", "ip6tables-legacy-save.txt")):
        (chains, rules), (want_chains, want) = tables(text_of(n.write_save)), tables(read(os.path.join(folder, name)))
        for table in kube_proxy_ipvs.CHAINS:
            kube = {c for c in want_chains[table] if "CANARY" not in c and "KUBE-KUBELET" not in c and "IPTABLES-HINT" not in c}
            expect_equal(sorted(chains[table]), sorted(kube), f"chains of {table} in {name}")
        expect_equal(rules, want, f"rules of {name}")
    bound = sorted(a["local"] for link in links if link["ifname"] == "kube-ipvs0" for a in link["addr_info"])
    expect_equal(sorted(four.bound), bound, "addresses on kube-ipvs0")
    return f"{len(four.servers)} virtual servers, {sum(map(len, four.sets.values()))} members of sets, {sum(map(len, four.rules.values()))} rules as recorded"


def generated(n, mode="iptables"):
    """A generated cluster is sound, and so the benchmark measures what is usual."""
    with tempfile.TemporaryDirectory(prefix="svcdoctor-test-") as folder:
        subprocess.run([sys.executable, os.path.join(ROOT, "tests", "bench", "generate.py"), folder, str(n), mode], check=True)
        doc = run("verify", "-A", "--bundle", folder, "-o", "json", codes=[0]).json
    expect_equal((doc["differences"], doc["undecided"], doc["errors"], doc["skipped"]), ([], [], [], []), "differences, undecided, errors, skipped")
    expect(doc["services"] >= n and doc["decided"] == doc["frontends"], f"{doc['decided']} of {doc['frontends']} frontends of {doc['services']} Services")
    return f"{doc['services']} Services, {doc['frontends']} frontends"


if __name__ == "__main__":
    t = Tests()
    for backend_ in LABS:
        for node_ in ("node1", "node2"):
            for family_ in ("IPv4", "IPv6"):
                t.run(f"generator-{backend_}/{node_}/{family_}", recorded, backend_, node_, family_)
    for node_ in ("node1", "node2"):
        t.run(f"generator-nftables/{node_}", recorded_nft, node_)
        t.run(f"generator-ipvs/{node_}", recorded_ipvs, node_)
    for mode_ in ("iptables", "nftables", "nftables-chains", "ipvs"):
        t.run(f"generator-{mode_}/small", generated, 60, mode_)
        t.run(f"generator-{mode_}/large", generated, 400, mode_)
    t.finish()
