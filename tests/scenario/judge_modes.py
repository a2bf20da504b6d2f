# SPDX-License-Identifier: GPL-2.0-or-later
"""judge.py for nftables and IPVS mode: their frontends, who is judged there, and the evaluators that find the endings."""
import copy
import io
import ipaddress
import json
import os
import re
import sys

import ipvs_linear
import linear
import nft_linear
from common import CORPUS, ROOT, read
from judge import Frontend, Node, frontends

sys.path.insert(0, os.path.join(ROOT, "tests", "bench"))
import kube_proxy  # noqa: E402  pylint: disable=wrong-import-position
import kube_proxy_nft  # noqa: E402  pylint: disable=wrong-import-position


def some_ports(node, named):
    """Node ports too, which a rule asks for by a map or set; not too many."""
    return sorted({f.port for f in node.frontends if f.kind == "nodeport"}) + sorted(named)[:60]


class NftNode(Node):
    """kube-proxy takes node ports at the node's primary address only, none at loopback, and writes nothing for health checks."""

    def __init__(self, name):
        super().__init__("lab-nftables", name, ["nft-ruleset.json"], "nft")

    def all_frontends(self):
        primary = [a for a in self.own if a in self.node_addresses]
        return [f for f in frontends(self.lab, primary) if f.kind not in ("loopback", "health")]

    @staticmethod
    def parts(text):
        return [json.dumps(o["rule"]["expr"]) for o in json.loads(text)["nftables"] if "rule" in o]

    def parse(self, files):
        return nft_linear.parse(json.loads(files[self.dump]), 4)

    def world(self, rules, entries=(), trail=None):
        return nft_linear.NftWorld(self.facts, rules, (), entries, trail)

    def entries(self):
        return [lambda p, at=(t.name, s.name): (at, (p.src,)) for t in self.recorded for s in t.sets.values() if s.dynamic]

    def sides(self, rules):
        out = []
        for rule in rules:
            nets = re.findall(r'"addr": "([\d.]+)", "len": (\d+)', rule) + [(a, 32) for a in re.findall(r'"saddr"}}, "right": "([\d.]+)"', rule)]
            # An element that names a source: of the pairs of source and destination.
            nets += [(a, 32) for a in re.findall(r'"concat": \["([\d.]+)", "[\d.]+",', rule)]
            for addr, length in nets:
                net = ipaddress.ip_network(f"{addr}/{length}", strict=False)
                inside = [int(net[0])] if net.num_addresses == 1 else [int(net[0]) + 1, int(net[-1]) - 1]
                out += [str(ipaddress.ip_address(v)) for v in (int(net[0]) - 1, *inside, int(net[-1]) + 1) if 0 <= v < 1 << 32]
        return out

    def named(self, rules, more):
        hosts = {*self.own, "127.0.0.1", "8.8.4.4", "10.96.200.200", "203.0.113.200", str(self.pods[self.name][222]), *self.node_addresses}
        ports, protos = {4711}, {"tcp"}
        for rule in rules:
            for a in re.findall(r"\d+\.\d+\.\d+\.\d+", rule):
                hosts |= {str(ipaddress.ip_address(a) + d) for d in (-1, 0, 1) if 0 <= int(ipaddress.ip_address(a)) + d < 1 << 32}
            ports |= {int(x) + d for x in re.findall(r'(?<![\d."])(\d+)(?![\d."])', rule) if 1 < int(x) < 65535 for d in (-1, 0, 1)}
            protos |= set(re.findall(r'"(tcp|udp)"', rule))
        return named_packets(self, hosts, some_ports(self, ports), protos, more)


class OldNftNode(NftNode):
    """The same cluster as kube-proxy v1.35 wrote it, with a chain for each endpoint (tests/bench/kube_proxy_nft.py)."""

    VERSION = "v1.35.4"

    def instead(self, folder):
        def load(*parts):
            return json.loads(read(os.path.join(CORPUS, self.lab, *parts)))
        services, slices = load("cluster", "services.json")["items"], load("cluster", "endpointslices.json")["items"]
        primary = next(a["address"] for n in load("cluster", "nodes.json")["items"] if n["metadata"]["name"] == self.name
                       for a in n["status"]["addresses"] if a["type"] == "InternalIP")
        config = load("nodes", self.name, "kube-proxy-configz.json")["kubeproxy.config.k8s.io"]
        cidrs = [c for s in load("cluster", "servicecidrs.json")["items"] for c in s["spec"]["cidrs"]]
        out = io.StringIO()
        kube_proxy_nft.write_json(out, {"IPv4": kube_proxy.ports_of(services, slices, self.name, False)}, config, {"IPv4": [primary]}, cidrs,
                                  kube_proxy_nft.CHAINS)
        return {self.dump: out.getvalue()}

    def prepare(self, copy):
        super().prepare(copy)
        copy.write(self.text, "nodes", self.name, self.dump)
        for name in ("kube-proxy.log", "kube-proxy-metrics.txt"):
            copy.write(re.sub(r"v1\.36\.\d+", self.VERSION, copy.read("nodes", self.name, name)), "nodes", self.name, name)
        copy.write(copy.read("cluster", "nodes.json").replace("v1.36.2", self.VERSION), "cluster", "nodes.json")


def named_packets(node, hosts, ports, protos, more):
    out = []
    for source in dict.fromkeys([*node.sources, *more]):
        origin = node.origin(source)
        for host in sorted(hosts) if origin else ():
            if (origin[0] == "loopback") != host.startswith("127."):
                continue
            out += [(Frontend("named", host, port, proto.upper(), "", []), source, linear.Packet(source, host, proto, 40000, port, origin[1]))
                    for port in ports for proto in sorted(protos)]
    return out


class IpvsNode(Node):
    """Node ports at every address of the node but those of kube-ipvs0. What the node itself sends to an address that it has bears that
    address as its source."""

    FOREIGN = ("lo", "kube-ipvs0")
    WITHOUT = ("ipvsadm-ln.txt",)
    FILES = ["iptables-legacy-save.txt", "ipvsadm-save.txt", "ipset-save.txt", "ip-addr.json", "ip-route.json", "sysctl.txt"]

    def __init__(self, name):
        super().__init__("lab-ipvs", name, self.FILES, "legacy")

    def all_frontends(self):
        return [f for f in super().all_frontends() if f.kind != "loopback"]

    def parse(self, files):
        conntrack = "net.ipv4.vs.conntrack = 1" in files["sysctl.txt"]
        same = files["ip-addr.json"] == self.files["ip-addr.json"] and files["ip-route.json"] == self.files["ip-route.json"]
        facts = self.facts if same else linear.Facts.from_texts(files, 4)
        return (facts, ipvs_linear.parse(files[self.dump], self.backend, 4, self.cache), ipvs_linear.read_sets(files["ipset-save.txt"]),
                ipvs_linear.read_servers(files["ipvsadm-save.txt"]), conntrack)

    def world(self, rules, entries=(), trail=None):
        facts, tables, sets, servers, conntrack = rules
        return ipvs_linear.IpvsWorld(facts, [tables], sets, servers, entries, trail, conntrack)

    def sides(self, rules):
        """Of rules of iptables, and of the sets that hold a source."""
        members = [f" -s {m[1]}" for r in rules for m in [re.match(r"add \S+ \S+,\S+,(\d\S+)", r)] if m]
        return super().sides([r for r in rules if not re.search(r" -[tu] ", r)] + members)

    def decide(self, rules, packet, entries=(), trail=None):
        """An address that the node has lost is nobody's source: then its own packets bear that of the route."""
        if packet.iif is None and not rules[0].is_local(packet.src):
            packet = copy.copy(packet)
            packet.src = linear.address(self.own[0])
        return super().decide(rules, packet, entries, trail)

    def packets(self, more=()):
        out = [(f, source, p) for f, source, p in super().packets(more) if self.origin(source)[0] != "node"]
        return out + [(f, f.address, linear.Packet(f.address, f.address, f.proto.lower(), 40000, f.port, None))
                      for f in self.frontends if "node" in self.JUDGED[f.kind]]

    def origin(self, source):
        if source in self.virtual:
            return "node", None
        return super().origin(source)

    def named(self, rules, more):
        hosts = {*self.own, "8.8.4.4", "10.96.200.200", "203.0.113.200", str(self.pods[self.name][222]), *self.node_addresses}
        ports, protos = {4711}, {"tcp"}
        for rule in rules:
            for a in re.findall(r"\d+\.\d+\.\d+\.\d+", rule):
                hosts |= {str(ipaddress.ip_address(a) + d) for d in (-1, 0, 1) if 0 <= int(ipaddress.ip_address(a)) + d < 1 << 32}
            ports |= {int(x) + d for x in re.findall(r"(?:[:\s])(\d+)(?![\d.])", rule) if 1 < int(x) < 65535 for d in (-1, 0, 1)}
            protos |= {"udp"} if re.search(r"\budp\b|-u ", rule) else set()
        return [x for x in named_packets(self, hosts, some_ports(self, ports), protos, more) if self.origin(x[1])[0] != "node" or x[1] == x[0].address]
