# SPDX-License-Identifier: GPL-2.0-or-later
"""What the tests themselves know of a recorded lab: its frontends, from the cluster's objects, the sources that are judged on a node, and
the endings that the plain linear evaluator finds for them. Shares no code with the program."""
import ipaddress
import json
import os
import re

import linear
from common import CORPUS, read

SERVICE_NET = ipaddress.ip_network("10.96.0.0/16")


def items(lab, name):
    with open(os.path.join(CORPUS, lab, "cluster", name), encoding="utf-8") as f:
        return json.load(f)["items"]


class Frontend:
    """kind: "cluster", "external", "nodeport", "health", "loopback"; label: as `verify` names it; endpoints: addresses of its pods."""

    def __init__(self, kind, address, port, proto, service, endpoints):
        self.kind, self.address, self.port, self.proto, self.service, self.endpoints = kind, address, port, proto, service, endpoints
        at = "*" if kind in ("nodeport", "health", "loopback") else address
        self.label = (service, f"{at}:{port}/{proto}")


def endpoints_of(lab):
    """{namespace/name: [addresses that are ready]}"""
    out = {}
    for s in items(lab, "endpointslices.json"):
        name = f"{s['metadata']['namespace']}/{s['metadata']['labels']['kubernetes.io/service-name']}"
        out.setdefault(name, []).extend(e["addresses"][0] for e in s["endpoints"] or [] if e["conditions"].get("ready"))
    return out


def frontends(lab, own):
    """All frontends of the lab on a node with the addresses @own (without loopback)."""
    out, endpoints = [], endpoints_of(lab)
    for s in items(lab, "services.json"):
        name, spec = f"{s['metadata']['namespace']}/{s['metadata']['name']}", s["spec"]
        if spec.get("clusterIP") in (None, "None") or spec["type"] == "ExternalName":
            continue
        pods = endpoints.get(name, [])
        outer = spec.get("externalIPs", []) + [i["ip"] for i in s.get("status", {}).get("loadBalancer", {}).get("ingress", []) if i.get("ip")]
        for p in spec["ports"]:
            proto = p["protocol"]
            out.append(Frontend("cluster", spec["clusterIP"], p["port"], proto, name, pods))
            out += [Frontend("external", a, p["port"], proto, name, pods) for a in outer]
            if p.get("nodePort"):
                out += [Frontend("nodeport", a, p["nodePort"], proto, name, pods) for a in own]
                out.append(Frontend("loopback", "127.0.0.1", p["nodePort"], proto, name, pods))
        if spec.get("healthCheckNodePort"):
            out += [Frontend("health", a, spec["healthCheckNodePort"], "TCP", name, []) for a in own]
    return out


class Node:
    """One node of a lab: who can start there, and where their packets end. The rules are iptables'; judge_modes.py has the other modes."""

    FOREIGN = ("lo",)   # interfaces whose addresses are not the node's own
    WITHOUT = ()        # files that would tell the same as another one

    JUDGED = {"cluster": {"pod", "node"}, "external": {"pod", "node", "outside"}, "nodeport": {"pod", "node", "outside", "other-pod"},
              "health": {"pod", "node", "outside"}, "loopback": {"loopback"}}

    def __init__(self, lab, name, files, backend):
        """@files: what a mutation may change; the first is the dump of rules."""
        self.lab, self.name, self.dump, self.backend = lab, name, files[0], backend
        folder = os.path.join(CORPUS, lab, "nodes", name)
        self.files = {**{f: read(os.path.join(folder, f)) for f in files}, **self.instead(folder)}
        self.text = self.files[self.dump]
        self.facts = linear.Facts.from_folder(folder, 4)
        self.own = [linear.address_text(a[0], 4) for a in self.facts.addresses if a[2] not in self.FOREIGN]
        nodes = items(lab, "nodes.json")
        self.pods = {n["metadata"]["name"]: ipaddress.ip_network(n["spec"]["podCIDR"]) for n in nodes}
        self.node_addresses = [a["address"] for n in nodes for a in n["status"]["addresses"] if a["type"] == "InternalIP"]
        self.frontends = self.all_frontends()
        self.virtual = {f.address for f in self.frontends if f.kind in ("cluster", "external")}
        self.cache, self.seen, self.sent = {}, {}, {}
        self.recorded = self.parse(self.files)
        here = self.pods[name]
        there = next(net for n, net in self.pods.items() if n != name)
        self.sources = [str(here[200]), str(there[200]), "198.51.100.9", "203.0.113.9", "172.30.99.77", "127.0.0.1", *self.own,
                        *(a for a in self.node_addresses if a not in self.own), *self.sides(self.parts(self.text)),
                        *(e for f in self.frontends for e in f.endpoints)]

    def instead(self, folder):
        """{file: what is judged in place of what was recorded}"""
        return {}

    def prepare(self, copy):
        """Makes a copy of the lab what this node expects."""
        for name in self.WITHOUT:
            os.remove(copy.file("nodes", self.name, name))

    def all_frontends(self):
        return frontends(self.lab, self.own)

    @staticmethod
    def parts(text):
        """The rules of a dump, as texts."""
        return text.split("\n")

    def origin(self, source):
        """(class, interface or None) of a source that can start here or come in, else None."""
        a = ipaddress.ip_address(source)
        if a.is_loopback:
            return ("loopback", None) if source == "127.0.0.1" else None
        if source in self.own:
            return "node", None
        if a.is_multicast or a.is_unspecified or a in SERVICE_NET or source in self.virtual - set(self.node_addresses) or int(a) >> 28 == 15 or \
                int(a) >> 24 == 0 or self.facts.kind(int(a)) != "UNICAST":
            return None
        for node, net in self.pods.items():
            if a in net:
                edge = a in (net[0], net[-1])
                return None if edge else ("pod", "cni0") if node == self.name else ("other-pod", "eth0")
        return "outside", "eth0"

    def packets(self, more=()):
        """[(frontend, source, packet)] for every frontend and each source that is judged for it: the node's usual ones and @more."""
        out = []
        for source in dict.fromkeys([*self.sources, *more]):
            if source not in self.sent:
                origin = self.origin(source)
                self.sent[source] = [(f, source, linear.Packet(source, f.address, f.proto.lower(), 40000, f.port, origin[1]))
                                     for f in self.frontends if origin and origin[0] in self.JUDGED[f.kind]]
            out += self.sent[source]
        return out

    def before(self, f, source, packet, entries=()):
        """(endings, recent lists that have the source afterwards, places that were asked) with the rules as recorded."""
        key = (f.address, f.port, f.proto, source, entries)
        if key not in self.seen:
            trail = set()
            self.seen[key] = (*self.decide(self.recorded, packet, entries, trail), trail)
        return self.seen[key]

    def world(self, rules, entries=(), trail=None):
        return linear.World(self.facts, [rules], entries, trail)

    def decide(self, rules, packet, entries=(), trail=None):
        world = self.world(rules, entries, trail)
        states = world.walk(packet)
        fates = {}
        for s in states:
            fates[world.ending(s)] = fates.get(world.ending(s), 0) + s.weight
        return fates, frozenset((s.recent, world.ending(s)) for s in states)

    def parse(self, files):
        return linear.parse(files[self.dump], self.backend, 4, self.cache)

    def entries(self):
        """What the rules may remember of a client: functions from a packet to an entry."""
        return [lambda p, name=name: (name, p.src) for name in sorted(set(re.findall(r"--name (\S+)", self.text)))]

    def changed(self, tables, packets, touched):
        """{label: [(frontend, source, text)]} of the frontends whose endings are others than recorded, for packets that meet a touched place."""
        out = {}
        for f, source, p in packets:
            fates, _, trail = self.before(f, source, p)
            if touched is not None and touched.isdisjoint(trail):
                continue
            now, _ = self.decide(tables, p)
            if differ(fates, now):
                text = f"from {source} ({self.origin(source)[0]}) to {f.address}:{f.port}: {show(fates)} became {show(now)}"
                out.setdefault(f.label, []).append((f, source, text))
        return out

    def remembers(self, tables, packets):
        """Does what the rules remember of a client, or do with it the next time, change for one of these packets?"""
        for f, source, p in packets:
            if self.decide(tables, p) != self.before(f, source, p)[:2]:
                return True
            for entry in self.entries():
                entries = (entry(p),)
                if self.decide(tables, p, entries) != self.before(f, source, p, entries)[:2]:
                    return True
        return False

    # ---- what the rules of a mutation name ----

    def sides(self, rules):
        """Addresses on both sides of every source prefix and range in some rules."""
        out = []
        for rule in rules:
            for text in re.findall(r" -s (\S+)", rule):
                net = ipaddress.ip_network(text)
                inside = [int(net[0])] if net.num_addresses == 1 else [int(net[0]) + 1, int(net[-1]) - 1]
                for value in (int(net[0]) - 1, *inside, int(net[-1]) + 1):
                    if 0 <= value < 1 << 32:
                        out.append(str(ipaddress.ip_address(value)))
        return out

    def named(self, rules, more):
        """Packets to what some rules name, in a wide sense: addresses and ports that they could translate or refuse, from everybody."""
        hosts = {*self.own, "127.0.0.1", "8.8.4.4", "10.96.200.200", "203.0.113.200", str(self.pods[self.name][222]), *self.node_addresses}
        ports, protos = {4711}, {"tcp"}
        for rule in rules:
            for text in re.findall(r" -d (\S+)", rule):
                net = ipaddress.ip_network(text)
                hosts |= {str(ipaddress.ip_address(v)) for v in (int(net[0]) - 1, int(net[0]), int(net[-1]), int(net[-1]) + 1)}
            for text in re.findall(r"--dport (\d+(?::\d+)?)", rule):
                ports |= {int(x) + d for x in text.split(":") for d in (-1, 0, 1)}
            protos |= set(re.findall(r" -p (tcp|udp)", rule))
            for host, port in re.findall(r"--to-destination ([\d.]+)(?::(\d+))?", rule):
                hosts.add(host)
                ports |= {int(port)} if port else set()
        out = []
        for source in dict.fromkeys([*self.sources, *more]):
            origin = self.origin(source)
            for host in sorted(hosts) if origin else ():
                if (origin[0] == "loopback") != host.startswith("127."):
                    continue
                out += [(Frontend("named", host, port, proto.upper(), "", []), source, linear.Packet(source, host, proto, 40000, port, origin[1]))
                        for port in sorted(ports) for proto in sorted(protos)]
        return out


def differ(a, b):
    """Other endings, or a share that is off by more than a thousandth of 1/n."""
    return set(a) != set(b) or any(abs(a[k] - b[k]) > linear.Fraction(1, 1000 * len(a)) for k in a)


def show(fates):
    def one(key, weight):
        if key[0] != "accept":
            return f"{key[0]} {float(weight):.4g}"
        return f"{key[2]}:{key[3]}{'' if key[1] else ' untranslated'}{' masqueraded' if key[4] else ''} {float(weight):.6g}"
    return ", ".join(one(k, w) for k, w in sorted(fates.items(), key=str))
