# SPDX-License-Identifier: GPL-2.0-or-later
"""A plain evaluator of a node in IPVS mode: linear.py's way of a packet and its rules of iptables, with ipsets (`ipset save`), and with the
virtual servers of `ipvsadm -Sn` where the kernel puts them. Written after ip_vs_core.c, ip_vs_xmit.c, xt_ipvs.c and ip_set_*.c; it shares
no code with lib/nat and lib/source.

    world = IpvsWorld(Facts.from_folder(node_folder, 4), [parse(text, "legacy", 4)], read_sets(text), read_servers(text))
    world.endings(Packet(...))   as linear.World; unsure(): do shares depend on connections or on a hash of the source?"""
import re

import linear
from linear import PROTOCOLS, Fraction, address, prefix

# Where IPVS takes requests: behind ip_vs_remote_request4() in INPUT and ip_vs_local_request4() in OUTPUT.
AT = {"INPUT": 99, "OUTPUT": -98}
SERVICES = {"-t": 6, "-u": 17, "--tcp-service": 6, "--udp-service": 17, "--sctp-service": 132}
BY_WEIGHT = ("rr", "wrr")


# ---- ipsets ----

class IpSet:
    """kinds: what each part of an element is: "ip", "net", "port"."""

    def __init__(self, name, kinds, family):
        self.name, self.kinds, self.family, self.elements = name, kinds, family, []

    def add(self, text):
        parts = []
        for kind, part in zip(self.kinds, text.split()[0].split(",")):
            if kind == "port":
                proto, colon, port = part.rpartition(":")
                low, _, high = port.partition("-")
                parts.append((PROTOCOLS[proto] if colon else None, int(low), int(high or low)))
            else:
                parts.append(prefix(part, self.family))
        self.elements.append(parts)

    def value(self, s, kind, side):
        if kind == "port":
            return (s.proto, getattr(s, "sport" if side == "src" else "dport"))
        return getattr(s, side)

    def met(self, s, sides):
        if self.family != s.packet.family and self.kinds != ["port"] or "port" in self.kinds and s.proto not in linear.WITH_PORTS:
            return False
        values = [self.value(s, kind, side) for kind, side in zip(self.kinds, sides)]
        return any(all(self.part_met(kind, part, v) for kind, part, v in zip(self.kinds, parts, values)) for parts in self.elements)

    @staticmethod
    def part_met(kind, part, value):
        if kind != "port":
            return value & part[1] == part[0]
        # A bitmap of ports asks for TCP or UDP and not which.
        return (value[0] == part[0] if part[0] is not None else value[0] in (6, 17)) and part[1] <= value[1] <= part[2]


def read_sets(text):
    """{name: IpSet} of `ipset save`."""
    sets = {}
    for line in text.splitlines():
        words = line.split()
        if words and words[0] == "create":
            kinds = words[2].partition(":")[2].split(",")
            sets[words[1]] = IpSet(words[1], kinds, 6 if "inet6" in words else 4)
        elif words and words[0] == "add":
            sets[words[1]].add(" ".join(words[2:]))
    return sets


# ---- virtual servers ----

class Server:
    def __init__(self, key, scheduler, persistence):
        self.key, self.scheduler, self.persistence, self.real = key, scheduler, persistence, []

    def usable(self):
        """[(address, port, weight)]"""
        return [r for r in self.real if r[2] > 0]


def split_port(text):
    host, _, port = text.rpartition(":")
    return address(host.strip("[]")), int(port)


def read_servers(text):
    """{(protocol, address, port): Server} of `ipvsadm -Sn`. Only masquerading servers can be told."""
    servers = {}
    for line in text.splitlines():
        words = line.split()
        if not words:
            continue
        options = {w: words[i + 1] if i + 1 < len(words) else "" for i, w in enumerate(words)}
        kind = next(k for k in SERVICES if k in options)
        key = (SERVICES[kind], *split_port(options[kind]))
        if words[0] == "-A":
            servers[key] = Server(key, options["-s"], options.get("-p"))
        else:
            if "-m" not in words:
                raise linear.Unparsable(line)
            servers[key].real.append((*split_port(options["-r"]), int(options.get("-w", "1"))))
    return servers


# ---- matches that only make sense with both ----

def read_set(rule, no):
    name, sides = rule._take(), rule._take().split(",")
    rule.names["set"] = (no, name)
    rule.conds.append(lambda s: s.world.in_set(s, name, sides) != no)


class IpvsRule(linear.Rule):
    """-m ipvs is one condition of several options, all of which ask for a connection that IPVS has handled."""


def read_ipvs(what):
    def read(rule, no):
        text = rule._take()

        def met(s):
            if s.ipvs is None:
                return False
            proto, host, port = s.ipvs
            if what == "vproto":
                return (proto == (PROTOCOLS[text] if text in PROTOCOLS else int(text))) != no
            if what == "vport":
                return (port == int(text)) != no
            value, mask = prefix(text, rule.family)
            return (host & mask == value) != no
        rule.conds.append(met)
    return read


def read_ipvs_property(rule, no):
    rule.conds.append(lambda s: (s.ipvs is not None) != no)


def read_physdev(rule, no):
    rule.conds.append(lambda s: (s.iif in s.world.bridges and s.hook == "PREROUTING") != no)


IpvsRule.matches = {**linear.MATCHES, "set": {"--match-set": read_set},
                    "ipvs": {"--vproto": read_ipvs("vproto"), "--vaddr": read_ipvs("vaddr"), "--vport": read_ipvs("vport"), "--ipvs": read_ipvs_property},
                    "physdev": {"--physdev-is-in": read_physdev}}
linear.State.ipvs = None        # the virtual server that took the packet: (protocol, address, port)
linear.State.unsure = False     # was it one whose shares no weights tell?


def parse(text, backend, family, cache=None):
    return linear.parse(text, backend, family, cache, IpvsRule)


# ---- the walk ----

class IpvsWorld(linear.World):
    """@conntrack: net.ipv4.vs.conntrack; without it what IPVS handles has no connection any more."""

    def __init__(self, facts, dumps, sets, servers, entries=(), trail=None, conntrack=True, bridges=("cni0",)):
        super().__init__(facts, dumps, entries, trail)
        self.sets, self.servers, self.conntrack, self.bridges = sets, servers, conntrack, bridges

    def in_set(self, s, name, sides):
        if self.trail is not None:
            self.trail.add(("set", name))
        return name in self.sets and self.sets[name].met(s, sides)

    def order(self, hook):
        runs = super().order(hook)
        return sorted(runs + [(AT[hook], "ipvs")], key=lambda r: r[0]) if hook in AT else runs

    def pass_by(self, what, hook, states, endings):
        if what != "ipvs":
            return super().pass_by(what, hook, states, endings)
        going = []
        for s in states:
            key = (s.proto, s.dst, s.dport)
            if self.trail is not None:
                self.trail.add(("ipvs", key))
            if s.ipvs is not None or key not in self.servers:
                going.append(s)
            else:
                going += self.scheduled(s, self.servers[key], endings)
        return going

    def scheduled(self, s, server, endings):
        """The states that go on in this hook: those for servers on this node. Nobody to serve: refused, by no rule."""
        usable = server.usable()
        if not usable:
            s.verdict = "REJECT"
            endings.append(s)
            return []
        going, whole = [], sum(1 if server.scheduler == "rr" else r[2] for r in usable)
        for host, port, weight in usable:
            t = s.copy()
            t.weight = s.weight * Fraction(1 if server.scheduler == "rr" else weight, whole)
            t.unsure = server.scheduler not in BY_WEIGHT
            t.ipvs, t.dst, t.dport = server.key, host, port
            if not self.conntrack:
                t.ct = "untracked"
            if self.facts.is_local(host):
                t.verdict = None
                going.append(t)
            else:
                self.send(t, endings)
        return going

    def send(self, s, endings):
        """To another machine: OUTPUT from its beginning, with the server's address, and POSTROUTING."""
        s.iif, s.verdict = None, None
        self.route(s)
        s.oif = s.way[1]
        endings += self.postrouting(self.run_hook("OUTPUT", [s], endings), endings)

    @staticmethod
    def translated(s):
        return bool(s.dnat) or s.ipvs is not None

    def unsure(self, packet):
        return any(s.unsure for s in self.walk(packet))


def from_folder(folder, family=4, cache=None):
    """What a node's folder of a bundle holds: (Facts, tables, sets, servers, vs.conntrack)."""
    def text(name):
        with open(f"{folder}/{name}", encoding="utf-8") as f:
            return f.read()
    tool = "iptables-legacy-save.txt" if family == 4 else "ip6tables-legacy-save.txt"
    conntrack = re.search(r"^net\.ipv4\.vs\.conntrack = (\d)", text("sysctl.txt"), re.M)
    return (linear.Facts.from_folder(folder, family), parse(text(tool), "legacy", family, cache), read_sets(text("ipset-save.txt")),
            read_servers(text("ipvsadm-save.txt")), not conntrack or conntrack[1] == "1")
