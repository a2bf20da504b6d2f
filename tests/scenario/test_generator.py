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


def generated(n):
    """A generated cluster is sound, and so the benchmark measures what is usual."""
    with tempfile.TemporaryDirectory(prefix="svcdoctor-test-") as folder:
        subprocess.run([sys.executable, os.path.join(ROOT, "tests", "bench", "generate.py"), folder, str(n)], check=True)
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
    t.run("generator-small", generated, 60)
    t.run("generator-large", generated, 400)
    t.finish()
