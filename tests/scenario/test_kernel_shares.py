# SPDX-License-Identifier: GPL-2.0-or-later
"""Shares in the kernel: 20,000 connections through a Service of 7 endpoints fall within five standard deviations of the engine's
weights, with the rules that kube-proxy writes in each of its modes but IPVS, which the running kernel does not have."""
import io
import math
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "bench"))
import common  # noqa: E402
import kernel_nftables_run  # noqa: E402
import kernel_packets as kp  # noqa: E402
import kube_proxy  # noqa: E402
import kube_proxy_nft  # noqa: E402
from kernel_judge import Judge  # noqa: E402
from kernel_main import in_child  # noqa: E402
from kernel_packets import Packet  # noqa: E402
from kernel_world import INTERFACE, World, run  # noqa: E402

CONNECTIONS, AT_ONCE, DEVIATIONS = 20000, 100, 5
ENDPOINTS = [("10.244.1.5", "n"), ("10.244.1.6", "n"), ("10.244.1.9", "n"), ("10.244.1.20", "n"), ("10.244.2.7", "m"), ("10.244.2.8", "m"), ("10.244.2.9", "m")]
SERVICE = {"metadata": {"namespace": "default", "name": "web"},
           "spec": {"type": "ClusterIP", "clusterIP": "10.96.0.1", "clusterIPs": ["10.96.0.1"], "ports": [{"protocol": "TCP", "port": 80, "targetPort": 8080}]}}
SLICE = {"metadata": {"namespace": "default", "name": "web-x", "labels": {"kubernetes.io/service-name": "web"}}, "addressType": "IPv4",
         "ports": [{"name": "", "protocol": "TCP", "port": 8080}],
         "endpoints": [{"addresses": [a], "conditions": {"ready": True}, "nodeName": node} for a, node in ENDPOINTS]}
CONFIG = {"mode": "iptables", "hostnameOverride": "n", "clusterCIDR": "10.244.0.0/16", "detectLocalMode": "ClusterCIDR", "nodePortAddresses": None,
          "iptables": {"masqueradeBit": 14, "masqueradeAll": False, "localhostNodePorts": True}, "nftables": {"masqueradeBit": 14, "masqueradeAll": False}}


def load_iptables(tool):
    out = io.StringIO()
    kube_proxy.write_save(out, [SERVICE], [SLICE], "n", CONFIG, tool)
    run(f"iptables-{tool}-restore", stdin=out.getvalue().encode())
    return [f"iptables-{tool}-save.txt"]


def load_nft(shape):
    out = io.StringIO()
    ports = kube_proxy.ports_of([SERVICE], [SLICE], "n", False)
    kube_proxy_nft.write_json(out, {"IPv4": ports}, {**CONFIG, "mode": "nftables", "nodePortAddresses": ["primary"]}, {"IPv4": ["172.30.99.1"]}, ["10.96.0.0/16"], shape)
    run("nft", "-j", "-f", "-", stdin=kernel_nftables_run.commands(out.getvalue()).encode())
    return ["nft-ruleset.json"]


PLANES = {"iptables-nft": (load_iptables, "nft"), "iptables-legacy": (load_iptables, "legacy"), "nftables": (load_nft, kube_proxy_nft.MAPS),
          "nftables with a chain for each endpoint": (load_nft, kube_proxy_nft.CHAINS)}


def count(world, link, source):
    """{(address, port): connections} of what came out anywhere."""
    seen = {}
    for first in range(0, CONNECTIONS, AT_ONCE):
        idents = set()
        for i in range(first, first + AT_ONCE):
            _, ident = world.number()
            idents.add(ident)
            world.send(link, Packet(source, "10.96.0.1", kp.TCP, 10000 + i, 80, ident))
        for where, p in world.collect(link, idents):
            common.expect(p.kind == "first" and where != "node", lambda p=p, where=where: f"{p} came out at {where}")
            seen[p.dst, p.dport] = seen.get((p.dst, p.dport), 0) + 1
    return seen


def check(load, how):
    world = World(1)
    judge = Judge(world)
    try:
        world.settings({})
        judge.ruleset({}, load(how))
        endings = judge.engine.endings(Packet("10.244.1.9", "10.96.0.1", kp.TCP, 10000, 80, 1), INTERFACE["pc"])
        weights = {}
        for e in endings:
            common.expect(e["verdict"] == "accept", lambda e=e: f"the engine lets not all pass: {e}")
            weights[e["address"], e["port"]] = weights.get((e["address"], e["port"]), 0) + e["weight"]
        common.expect_equal(len(weights), len(ENDPOINTS), "the engine's endpoints")
        seen = count(world, "pc", "10.244.1.9")
        common.expect_equal(sum(seen.values()), CONNECTIONS, "connections that came out")
        worst = 0
        for to, w in weights.items():
            off = (seen.get(to, 0) - CONNECTIONS * w) / math.sqrt(CONNECTIONS * w * (1 - w))
            worst = max(worst, abs(off))
            common.expect(abs(off) <= DEVIATIONS, lambda to=to, w=w, off=off: f"{to}: {seen.get(to, 0)} of {CONNECTIONS}, weight {w}: {off:.1f} deviations off")
        return f"{CONNECTIONS} connections, {worst:.1f} deviations off at most"
    finally:
        judge.close()
        world.close()


def probe():
    world = World(1)
    world.settings({})
    world.close()


def main():
    if os.geteuid() != 0:
        print("skip shares: needs root for network namespaces")
        return
    tests = common.Tests()
    try:
        in_child(probe)
    except common.Failure as e:
        print(f"skip shares: no network namespaces with netfilter, bridge and raw sockets here ({e})")
        return
    for name, (load, how) in PLANES.items():
        tests.run(f"shares in {name}", in_child, check, load, how)
    tests.finish()


if __name__ == "__main__":
    main()
