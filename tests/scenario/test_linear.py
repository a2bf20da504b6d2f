#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The engine against the plain linear evaluator (linear.py): every recorded flow, and random rules with random packets. Both must name the
same endings: verdict, translated, address, port, masquerade, and the weight of each, for every way to take what is unknown.

A bundle holds several random rulesets, one for each of its nodes, so that one run of `trace` decides a packet in all of them.

LINEAR_SEEDS=N runs N bundles (default 30); LINEAR_SEED=S runs one and shows the rules of a disagreement."""
import json
import os
import random
import tempfile

import linear
from common import Failure, Tests, expect, expect_equal, read, run, write
from test_flows import REFUSALS, dumps, endpoint

NODES = 8
TRANSIT, OWN = 9, 2  # packets for all rulesets of a bundle at once, and for each ruleset alone
TOOLS = {(4, "nft"): "iptables-nft-save.txt", (4, "legacy"): "iptables-legacy-save.txt",
         (6, "nft"): "ip6tables-nft-save.txt", (6, "legacy"): "ip6tables-legacy-save.txt"}


# ---- the recorded flows ----

def flow_as_recorded(flow, fates, named):
    if flow["expect"] in REFUSALS:
        expect_equal(set(fates), {(REFUSALS[flow["expect"]],)}, "endings")
        return
    expect_equal({k[4] for k in fates}, {flow["masquerade"]}, "masquerade")
    if flow["expect"] in ("", "ACCEPT"):
        expect_equal(({k[1] for k in fates}, named), ({False}, flow["expect"] == "ACCEPT"), "translated, accepted by a rule by name")
    else:
        want = {e.strip() for e in flow["expect"].split(",")}
        expect_equal({endpoint(k[2], k[3]) if k[1] else k for k in fates}, want, "endpoints")
        expect(sum(fates.values()) == 1, "weights do not sum to 1")


def flows():
    count, failures = 0, []
    for folder, path in dumps("iptables"):
        family, backend = (6 if "ip6" in os.path.basename(path) else 4), ("nft" if "nft" in os.path.basename(path) else "legacy")
        facts = linear.Facts.from_folder(folder, family)
        world = linear.World(facts, [linear.parse(read(path), backend, family)])
        for line in read(os.path.join(folder, "flows.jsonl")).splitlines():
            flow = json.loads(line)
            own = facts.is_local(linear.address(flow["src"]))
            p = linear.Packet(flow["src"], flow["dst"], flow["proto"], 40000, flow["dport"], None if own else "unknown")
            count += 1
            try:
                flow_as_recorded(flow, world.fates(p), any(s.named for s in world.walk(p)))
            except Failure as e:
                failures.append(f"{os.path.relpath(path)}: {flow['test']}: {flow['name']}: {e}")
    expect(not failures, lambda: f"{len(failures)} of {count} packets\n" + "\n".join(failures))
    expect(count >= 144, f"only {count} packets")
    return f"the linear evaluator ends {count} packets as recorded"


# ---- random rules ----

V4 = {"prefixes": ["10.96.0.0/16", "10.96.0.1/32", "10.96.0.2/32", "10.244.0.0/16", "10.244.1.0/24", "10.244.2.0/24", "172.30.99.0/24", "203.0.113.0/24",
                   "10.244.1.5/32", "0.0.0.0/0", "128.0.0.0/1", "172.30.99.1/32", "127.0.0.0/8", "10.0.0.9/255.0.0.255"],
      "ranges": ["10.96.0.1-10.244.1.5", "172.30.99.0-203.0.113.80", "10.244.1.5-10.244.1.5"],
      "targets": ["10.244.1.5:8080", "10.244.1.6:80", "10.244.2.7:8443", "10.244.2.8", "172.30.99.1:22", "203.0.113.77:8080", "10.244.1.1:53", ":8081",
                  "10.96.0.2:443"],
      "new_sources": ["172.30.99.1", "172.30.99.77", "10.96.9.9"], "nets": ["10.244.2.0/24", "172.30.99.0/24"],
      "own": ["172.30.99.1", "172.30.99.9", "10.244.1.1", "127.0.0.1"],
      "sources": [("203.0.113.9", "eth0"), ("198.51.100.7", "eth0"), ("172.30.99.50", "eth0"), ("10.244.2.9", "eth0"), ("10.244.1.9", "pod0"),
                  ("10.244.1.5", "pod0"), ("10.244.1.6", "pod0"), ("203.0.113.9", "pod0"), ("10.244.1.9", "eth0")],
      "destinations": ["10.96.0.1", "10.96.0.2", "10.244.1.5", "10.244.1.6", "10.244.2.7", "203.0.113.80", "8.8.4.4", "10.244.1.255"],
      "icmp": ("icmp", "icmp", ["8", "0", "echo-request", "3/3", "any"]), "reject": ["icmp-port-unreachable", "icmp-host-prohibited"]}
V6 = {"prefixes": ["fd00:96::/112", "fd00:96::1/128", "fd00:96::2/128", "fd00:244::/32", "fd00:244:1::/64", "fd00:244:2::/64", "fd00:99::/64",
                   "2001:db8::/32", "fd00:244:1::5/128", "::/0", "8000::/1", "fd00:99::1/128", "::1/128"],
      "ranges": ["fd00:96::1-fd00:244:1::5", "fd00:99::-fd00:99::ff", "fd00:244:1::5-fd00:244:1::5"],
      "targets": ["[fd00:244:1::5]:8080", "[fd00:244:1::6]:80", "[fd00:244:2::7]:8443", "fd00:244:2::8", "[fd00:99::1]:22", "[2001:db8::77]:8080",
                  "[fd00:244:1::1]:53", "[fd00:96::2]:443"],
      "new_sources": ["fd00:99::1", "fd00:99::77"], "nets": ["fd00:244:2::/64", "fd00:99::/64"],
      "own": ["fd00:99::1", "fd00:244:1::1", "::1"],
      "sources": [("2001:db8::9", "eth0"), ("2001:db8:1::7", "eth0"), ("fd00:99::50", "eth0"), ("fd00:244:2::9", "eth0"), ("fd00:244:1::9", "pod0"),
                  ("fd00:244:1::5", "pod0"), ("fd00:244:1::6", "pod0"), ("2001:db8::9", "pod0")],
      "destinations": ["fd00:96::1", "fd00:96::2", "fd00:244:1::5", "fd00:244:1::6", "fd00:244:2::7", "2001:db8::80"],
      "icmp": ("ipv6-icmp", "icmp6", ["128", "129", "1/4"]), "reject": ["icmp6-port-unreachable", "icmp6-adm-prohibited"]}
WORLD = {4: V4, 6: V6}
PORTS = [80, 443, 30080, 8080, 53]


def address_row(family, local, length, scope="global", **more):
    return {"family": family, "local": local, "prefixlen": length, "scope": scope, **more}


LINKS = [
    {"ifindex": 1, "ifname": "lo", "flags": ["LOOPBACK", "UP", "LOWER_UP"],
     "addr_info": [address_row("inet", "127.0.0.1", 8, "host"), address_row("inet6", "::1", 128, "host")]},
    {"ifindex": 2, "ifname": "eth0", "flags": ["BROADCAST", "UP", "LOWER_UP"],
     "addr_info": [address_row("inet", "172.30.99.1", 24), address_row("inet", "172.30.99.9", 24, secondary=True),
                   address_row("inet6", "fd00:99::1", 64)]},
    {"ifindex": 3, "ifname": "pod0", "flags": ["BROADCAST", "UP", "LOWER_UP"],
     "addr_info": [address_row("inet", "10.244.1.1", 24), address_row("inet6", "fd00:244:1::1", 64)]}]


def routes():
    v = [{"dst": "default", "gateway": "172.30.99.254", "dev": "eth0", "flags": []},
         {"dst": "default", "gateway": "fd00:99::fe", "dev": "eth0", "flags": [], "pref": "medium"},
         {"dst": "10.244.2.0/24", "gateway": "172.30.99.2", "dev": "eth0", "flags": []},
         {"dst": "fd00:244:2::/64", "gateway": "fd00:99::2", "dev": "eth0", "flags": [], "pref": "medium"}]
    for dev, v4, net4, v6, net6 in (("eth0", ["172.30.99.1", "172.30.99.9"], "172.30.99.0/24", "fd00:99::1", "fd00:99::/64"),
                                    ("pod0", ["10.244.1.1"], "10.244.1.0/24", "fd00:244:1::1", "fd00:244:1::/64")):
        v += [{"dst": net4, "dev": dev, "protocol": "kernel", "scope": "link", "prefsrc": v4[0], "flags": []},
              {"dst": net6, "dev": dev, "protocol": "kernel", "metric": 256, "flags": [], "pref": "medium"},
              {"type": "broadcast", "dst": net4.replace("0/24", "255"), "dev": dev, "table": "local", "scope": "link", "flags": []},
              {"type": "local", "dst": v6, "dev": dev, "table": "local", "metric": 0, "flags": [], "pref": "medium"}]
        v += [{"type": "local", "dst": a, "dev": dev, "table": "local", "scope": "host", "prefsrc": v4[0], "flags": []} for a in v4]
    for dst in ("127.0.0.0/8", "127.0.0.1"):
        v.append({"type": "local", "dst": dst, "dev": "lo", "table": "local", "scope": "host", "prefsrc": "127.0.0.1", "flags": []})
    return v + [{"type": "local", "dst": "::1", "dev": "lo", "table": "local", "metric": 0, "flags": [], "pref": "medium"},
                {"type": "local", "dst": "default", "dev": "lo", "table": "100", "scope": "host", "flags": []}]


RULES = [{"priority": 0, "src": "all", "table": "local"}, {"priority": 32766, "src": "all", "table": "main"},
         {"priority": 32767, "src": "all", "table": "default"}]
MARK_RULE = {"priority": 100, "src": "all", "fwmark": "0x1", "fwmask": "0xff", "table": "100"}


class Writer:
    """One random ruleset of a backend and family. It may ask for the interface out where routes tell it."""

    def __init__(self, r, family, tables, out):
        self.r, self.v, self.family, self.tables, self.out = r, WORLD[family], family, tables, out
        self.chance, self.unknown = 5, r.choice([0, 0, 1, 2])  # how many more rules of chance and of unknown matches it may hold

    def maybe(self, chance):
        return self.r.random() < chance

    def no(self, chance=0.3):
        return "! " if self.maybe(chance) else ""

    def state_match(self, table):
        r = self.r
        kinds = [f"-m mark {self.no()}--mark {r.choice(['0x4000/0x4000', '0x1/0xff', '0x0', '0x4001'])}",
                 f"-m addrtype {self.no()}--dst-type {r.choice(['LOCAL', 'UNICAST', 'LOCAL,UNICAST'])}",
                 f"-m addrtype {self.no()}--src-type LOCAL", f"-m addrtype {self.no()}--dst-type {r.choice(['BROADCAST', 'ANYCAST', 'MULTICAST'])}",
                 f"-m conntrack {self.no()}--ctstate {r.choice(['NEW', 'INVALID', 'RELATED,ESTABLISHED', 'NEW,DNAT', 'DNAT', 'SNAT', 'UNTRACKED'])}",
                 f"-m iprange {self.no()}--{r.choice(['dst', 'src'])}-range {r.choice(self.v['ranges'])}",
                 f"-m connmark {self.no()}--mark {r.choice(['0x1/0xff', '0x0'])}",
                 f"-m conntrack {self.no()}--ctorigdst {r.choice(self.v['prefixes'])}",
                 f"-m conntrack {self.no()}--ctreplsrc {r.choice(self.v['prefixes'])}",
                 f"-m conntrack {self.no()}--ctorigdstport {r.choice(['80', '1:1000'])}",
                 f"-m conntrack {self.no()}--ctdir ORIGINAL", f"-m conntrack {self.no()}--ctstatus ASSURED",
                 "-m recent --rcheck --seconds 60 --name A --rsource", f"-m recent {self.no()}--set --name {r.choice('AB')} --rsource",
                 f"-m recent {self.no()}--update --name B --rsource", "-m limit --limit 5/sec", f"-m state {self.no()}--state NEW",
                 "-m hashlimit --hashlimit-above 10/sec --hashlimit-burst 5 --hashlimit-mode srcip --hashlimit-name h",
                 "-m connlimit --connlimit-above 4 --connlimit-mask 32 --connlimit-saddr", f"-m quota {self.no()}--quota 5000", "-m comment --comment \"a \\\"quoted\\\" word -j DROP\""]
        return r.choice(kinds)

    def protocol_match(self):
        r, kind = self.r, self.r.random()
        if kind < 0.35:
            p = r.choice(["tcp", "tcp", "udp"])
            return f"-p {p} -m {p} {self.no(0.15)}--{r.choice(['dport', 'dport', 'dport', 'sport'])} {r.choice(['80', '443', '30080', '53:8080', '8000:'])}"
        if kind < 0.6:
            ports = r.choice(["80,443,8000:9000", "53", "1:100,30080"])
            return f"-p {r.choice(['tcp', 'udp'])} -m multiport {self.no()}--{r.choice(['dports', 'sports', 'ports'])} {ports}"
        if kind < 0.75:
            return f"-p tcp -m tcp {self.no(0.2)}--tcp-flags {r.choice(['FIN,SYN,RST,ACK SYN', 'SYN,ACK SYN,ACK', 'ALL NONE', 'ALL SYN'])}"
        if kind < 0.85:
            p, m, types = self.v["icmp"]
            return f"-p {p} -m {m} {self.no()}--{'icmpv6' if self.family == 6 else 'icmp'}-type {r.choice(types)}"
        return r.choice(["-p udp", "! -p tcp", "-p tcp", "-p sctp"])

    def unknown_match(self):
        return self.r.choice(['-m u32 --u32 "0x0>>0x16&0x3c@0xc>>0x1a=0x10"', '-m string --string "x" --algo bm --to 65535', "-m set --match-set other dst",
                              "-m mac --mac-source 02:00:00:00:00:11", "-m time --timestart 10:00:00 --timestop 12:00:00"])

    def conditions(self, table, hooks):
        r, v = self.r, []
        if self.maybe(0.2) and not hooks & {"OUTPUT", "POSTROUTING"}:
            v.append(f"{self.no()}-i {r.choice(['eth0', 'pod0', 'pod+', 'lo', '+'])}")
        if self.out and self.maybe(0.2) and not hooks & {"PREROUTING", "INPUT"}:
            v.append(f"{self.no()}-o {r.choice(['eth0', 'pod0', 'eth+', 'lo'])}")
        if self.maybe(0.45):
            v.append(f"{self.no(0.25)}-d {r.choice(self.v['prefixes'])}")
        if self.maybe(0.25):
            v.append(f"{self.no(0.25)}-s {r.choice(self.v['prefixes'])}")
        if self.maybe(0.4):
            v.append(self.protocol_match())
        if self.maybe(0.4):
            v.append(self.state_match(table))
        if self.chance and self.maybe(0.12):
            self.chance -= 1
            v.append(r.choice([f"-m statistic --mode random {self.no(0.2)}--probability {r.choice(['0.50000000000', '0.33333333349', '0.00100000000', '0'])}",
                               "-m statistic --mode nth --every 3 --packet 0"]))
        if self.unknown and self.maybe(0.05):
            self.unknown -= 1
            v.append(self.unknown_match())
        return v

    def target(self, table, hooks, callees):
        r = self.r
        t = ["-j RETURN", "", "-j LOG --log-prefix \"x y \""]
        t += [f"-j MARK --set-xmark {r.choice(['0x4000/0x4000', '0x1/0xff', '0x4000/0x0', '0x0/0xffffffff', '0x1/0x1'])}"] * 3
        t += [f"-j {r.choice(callees)}"] * 6 + [f"-g {r.choice(callees)}"] * 2 if callees else []
        t += ["-j ACCEPT"]
        if self.unknown and table != "nat" and self.maybe(0.1):
            self.unknown -= 1
            return "-j NFQUEUE --queue-num 0"
        if table == "nat":
            if hooks <= {"PREROUTING", "OUTPUT"}:
                t += [f"-j DNAT --to-destination {r.choice(self.v['targets'])}"] * 6 + ["-j REDIRECT --to-ports 8053", f"-j NETMAP --to {r.choice(self.v['nets'])}"]
            if hooks <= {"POSTROUTING"}:
                t += ["-j MASQUERADE"] * 4
            if hooks <= {"POSTROUTING", "INPUT"}:
                t += [f"-j SNAT --to-source {r.choice(self.v['new_sources'])}"] * 2 + [f"-j NETMAP --to {r.choice(self.v['nets'])}"]
        elif table in ("filter", "security"):
            t += ["-j DROP"] + [f"-j REJECT --reject-with {r.choice(self.v['reject'])}"] * (2 if table == "filter" else 0)
        elif table == "mangle":
            t += ["-j CONNMARK --set-xmark 0x1/0xff", "-j CONNMARK --restore-mark --nfmask 0xff --ctmask 0xff", "-j DROP",
                  "-j CONNMARK --save-mark --nfmask 0xff --ctmask 0xff"]
        else:
            t += ["-j CT --notrack"] * (1 if self.maybe(0.3) else 0) + ["-j DROP"] * (1 if self.maybe(0.2) else 0)
        return r.choice(t)

    def rule(self, table, chain, hooks, callees):
        conds, target = self.conditions(table, hooks), self.target(table, hooks, callees)
        if ("--to-destination" in target and target.split(":")[-1].isdigit() or "--to-ports" in target) and \
                not any(c.startswith(("-p tcp", "-p udp")) for c in conds):
            conds = [c for c in conds if not c.startswith(("-p", "! -p"))] + [f"-p {self.r.choice(['tcp', 'tcp', 'udp'])}"]
        conds.sort(key=lambda c: not c.startswith(("-p", "! -p")))  # a protocol stands before the matches
        return " ".join(["-A", chain, *conds, target]).strip()

    def table(self, name):
        r, hooks = self.r, linear.HOOKS[name]
        lines = [f"*{name}"]
        for h in hooks:
            drop = name in ("filter", "mangle") and self.maybe(0.06)
            lines.append(f":{h} {'DROP' if drop else 'ACCEPT'} [0:0]")
        # A chain of our own is called from a set of hooks, and jumps to later chains that may be called from all of them.
        own = [(f"C{i}-{name}", set(r.sample(hooks, r.randint(1, len(hooks))))) for i in range(r.randint(2, 5))]
        if name == "nat":
            own += [("D-dst", {"PREROUTING", "OUTPUT"}), ("D-src", {"POSTROUTING"})]
        lines += [f":{c} - [0:0]" for c, _ in own]
        for h in hooks:
            for _ in range(r.randint(0, 5)):
                lines.append(self.rule(name, h, {h}, [c for c, of in own if h in of]))
        for i, (c, of) in enumerate(own):
            for _ in range(r.randint(0, 5)):
                lines.append(self.rule(name, c, of, [d for d, hooks_of in own[i + 1:] if of <= hooks_of]))
        return lines + ["COMMIT"]

    def text(self):
        return "".join(line + "\n" for t in self.tables for line in self.table(t))


def random_ruleset(r, family, out):
    """{backend: text}. Mostly one backend; else the tables are shared out. No table is in both: the order of equal priorities is not known."""
    tables = [t for t in ("raw", "mangle", "nat", "filter", "security") if t in ("nat", "filter") or r.random() < 0.5]
    if r.random() < 0.7:
        return {r.choice(["nft", "legacy"]): Writer(r, family, tables, out).text()}
    legacy = [t for t in tables if r.random() < 0.5]
    nft = [t for t in tables if t not in legacy]
    return {"nft": Writer(r, family, nft, out).text(), "legacy": Writer(r, family, legacy, out).text()}


# ---- random packets ----

class Ask:
    """A packet as arguments of `trace` and as the linear evaluator's."""

    def __init__(self, r, family, own, protocols):
        v = WORLD[family]
        self.proto = r.choice(protocols)
        self.dport, self.sport = r.choice(PORTS), r.choice([40000, 40000, 80, 53])
        self.mark = r.choice([0, 0, 0, 0x1, 0x4000])
        self.src, self.iif = r.choice(v["sources"])
        self.dst = r.choice(v["destinations"])
        if own == "from":
            self.src, self.iif, self.dst = r.choice(v["own"][:-1]), None, r.choice(v["destinations"] + v["own"])
        elif own == "to":
            self.dst = r.choice(v["own"][:-1])

    def linear(self):
        kind = (128, 0) if self.proto == "ipv6-icmp" else (8, 0)
        return linear.Packet(self.src, self.dst, self.proto, self.sport, self.dport, self.iif, self.mark, kind)

    def args(self):
        if "icmp" in self.proto:
            dst = f"{self.dst}/{self.proto}"
        else:
            dst = f"{endpoint(self.dst, self.dport)}/{self.proto}"
        return [f"[{self.src}]" if ":" in self.src else self.src, dst, "--sport", str(self.sport), "--mark", hex(self.mark)] + \
            (["--in", self.iif] if self.iif else [])


class Bundle:
    """Random rulesets, one for each node, written to a folder."""

    def __init__(self, seed, folder):
        self.r = r = random.Random(seed)
        self.path, self.worlds, self.texts = folder, {}, {}
        self.family = r.choice([4, 4, 6])
        facts = {"ip-addr.json": LINKS}
        if r.random() < 0.85:
            facts["ip-route.json"] = routes()
            facts["ip-rule.json"] = RULES[:1] + ([MARK_RULE] if r.random() < 0.4 else []) + RULES[1:]
        for i in range(NODES):
            node = os.path.join(folder, "nodes", f"n{i}")
            for name, value in facts.items():
                write(json.dumps(value), os.path.join(node, name))
            self.worlds[f"n{i}"] = self.rules(node, f"n{i}", linear.Facts.from_folder(node, self.family), "ip-route.json" in facts)

    def rules(self, node, name, facts, out):
        """Writes a ruleset into a node's folder; the World of it."""
        texts = random_ruleset(self.r, self.family, out)
        for backend in ("nft", "legacy"):
            write(texts.get(backend, ""), os.path.join(node, TOOLS[self.family, backend]))
        self.texts[name] = texts
        return linear.World(facts, [linear.parse(t, b, self.family) for b, t in sorted(texts.items())])

    def protocols(self):
        return ["tcp"] * 6 + ["udp"] * 2 + ["sctp", WORLD[self.family]["icmp"][0]]

    def trace(self, ask, *more):
        found = {}
        for e in run("trace", *ask.args(), "--bundle", self.path, "-o", "json", *more).json["endings"]:
            found.setdefault(e["node"], []).append(e)
        return found

    def compare(self, node, ask, endings, seen):
        world, p = self.worlds[node], ask.linear()
        mine = world.endings(p)
        for fates in mine.values():
            for key in fates:
                kind = "-".join(w for w, is_so in zip((key[0], "translated", "masqueraded"), (True, *key[1:2], *key[4:5])) if is_so)
                seen[kind] = seen.get(kind, 0) + 1
        seen["unknown"] = seen.get("unknown", 0) + (len(mine) > 1)
        seen["chance"] = seen.get("chance", 0) + any(len(f) > 1 for f in mine.values())
        why = linear.disagreement(mine, linear.program_endings(endings))
        expect(why is None, lambda: f"{p} mark {p.mark:#x} in {node}: {why}\n  trace {' '.join(ask.args())} --node {node}")

    def check(self, seen):
        count = 0
        for _ in range(TRANSIT):
            ask = Ask(self.r, self.family, None, self.protocols())
            found = self.trace(ask)
            expect_equal(set(found), set(self.worlds), f"nodes of {ask.args()}")
            for node, endings in found.items():
                self.compare(node, ask, endings, seen)
                count += 1
        for node in self.worlds:
            for i in range(OWN):
                ask = Ask(self.r, self.family, "from" if i % 2 else "to", self.protocols())
                self.compare(node, ask, self.trace(ask, "--node", node)[node], seen)
                count += 1
        return count


def random_rules(seeds, keep, kind=Bundle):
    seen, count, failures = {}, 0, []
    for seed in seeds:
        with tempfile.TemporaryDirectory(prefix="svcdoctor-linear-") as folder:
            bundle = kind(seed, folder)
            try:
                count += bundle.check(seen)
            except Failure as e:
                failures.append(f"LINEAR_SEED={seed}: {e}")
                if keep:
                    print("\n".join(f"==== {n} {b}\n{t}" for n, v in bundle.texts.items() for b, t in v.items() if n in str(e)))
    expect(not failures, lambda: f"{len(failures)} of {len(seeds)} bundles\n" + "\n".join(failures))
    wanted = {"accept", "accept-translated", "accept-masqueraded", "accept-translated-masqueraded", "drop", "reject", "unknown", "chance"}
    if not keep:
        expect(all(seen.get(k) for k in wanted), f"some kinds of endings never came: {seen}")
    return f"{count} packets in {len(seeds) * NODES} rulesets: engine and linear evaluator agree ({', '.join(f'{k} {v}' for k, v in sorted(seen.items()))})"


def main():
    t = Tests()
    one = os.environ.get("LINEAR_SEED")
    t.run("linear-flows", flows)
    t.run("linear-random", random_rules, [int(one)] if one else range(1, int(os.environ.get("LINEAR_SEEDS", "30")) + 1), bool(one))
    t.finish()


if __name__ == "__main__":
    main()
