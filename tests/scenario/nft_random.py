# SPDX-License-Identifier: GPL-2.0-or-later
"""Random rulesets of nftables, in the form of `nft -j list ruleset`, that the kernel would load: tables of the families ip, ip6 and inet,
base chains of every type, chains, named and anonymous sets and maps, verdict maps."""
from test_linear import WORLD

PORTS = [80, 443, 30080, 8080, 53]
# No two chains of a hook share a priority, nor does one with conntrack, with the nat chains or with iptables' tables.
PRIORITIES = [-350, -310, -250, -190, -160, -140, -110, -90, -10, 5, 40, 60, 90, 110, 200]
FILTER = [("filter", h) for h in ("prerouting", "input", "forward", "output", "postrouting")]
NAT = [("nat", h) for h in ("prerouting", "input", "output", "postrouting")]
NO_DEVICE_IN, NO_DEVICE_OUT = {"output", "postrouting"}, {"prerouting", "input"}


def payload(protocol, field):
    return {"payload": {"protocol": protocol, "field": field}}


def meta(key):
    return {"meta": {"key": key}}


def match(left, right, op="=="):
    return {"match": {"op": op, "left": left, "right": right}}


def concat(*parts):
    return {"concat": list(parts)}


class Table:
    """One table: writes its objects in the order of a listing."""

    def __init__(self, r, name, own, version, out, taken):
        self.r, self.name, self.own, self.version, self.out, self.taken = r, name, own, version, out, taken
        self.v = WORLD[version]
        self.ip = "ip" if version == 4 else "ip6"
        self.kind = "ipv4_addr" if version == 4 else "ipv6_addr"
        self.proto, self.layer, self.maps = "tcp", "tcp", 0
        self.objects, self.chance, self.unknown, self.dynamic = [], 4, r.choice([0, 0, 0, 1, 2]), r.random() < 0.4

    def maybe(self, chance):
        return self.r.random() < chance

    def add(self, what, **row):
        self.objects.append({what: {"family": self.own, "table": self.name, **row}})

    # ---- values ----

    def prefix(self, text):
        """A prefix as it is listed: an address where it is as long as that; None for what no listing holds."""
        base, _, length = text.partition("/")
        full = 32 if self.version == 4 else 128
        if "." in length or length == "0":
            return None
        return base if int(length) == full else {"prefix": {"addr": base, "len": int(length)}}

    def address(self):
        r = self.r
        if self.maybe(0.15):
            low, high = r.choice(self.v["ranges"]).split("-")
            return {"range": [low, high]} if low != high else low
        return next(p for p in (self.prefix(r.choice(self.v["prefixes"])) for _ in range(99)) if p)

    def plain_address(self):
        return self.r.choice([a for a in self.v["destinations"] + self.v["own"] + [s for s, _ in self.v["sources"]]])

    def port(self):
        r = self.r
        return r.choice([r.choice(PORTS), r.choice(PORTS), r.choice(PORTS), {"range": [53, 8080]}, {"range": [8000, 65535]}])

    def distinct(self, make, count):
        """Values that do not overlap: only plain ones."""
        out = []
        for _ in range(count):
            v = make()
            if v not in out:
                out.append(v)
        return out

    def addresses_set(self):
        """Elements of an interval set that do not overlap, or of a plain one."""
        if self.maybe(0.5):
            return self.distinct(self.plain_address, self.r.randint(1, 4))
        pool = ([["10.96.0.0", 16], ["10.244.1.0", 24], ["10.244.2.0", 24], ["203.0.113.0", 24]] if self.version == 4 else
                [["fd00:96::", 112], ["fd00:244:1::", 64], ["fd00:244:2::", 64], ["2001:db8::", 32]])
        return [{"prefix": {"addr": a, "len": n}} for a, n in self.r.sample(pool, self.r.randint(1, 3))]

    # ---- named sets and maps ----

    def sets(self):
        r = self.r
        self.add("set", name="addresses", type=self.kind, handle=1, elem=self.distinct(self.plain_address, 4))
        self.add("set", name="nets", type=self.kind, handle=2, flags=["interval"], elem=self.addresses_set())
        self.add("set", name="services", type=[self.kind, "inet_proto", "inet_service"], handle=3,
                 elem=[concat(a, r.choice(["tcp", "udp"]), r.choice(PORTS)) for a in self.distinct(self.plain_address, 5)])
        if self.dynamic:
            self.add("set", name="seen", type=self.kind, handle=4, size=65535, flags=["timeout"], timeout=60)

    def verdict_maps(self, callees, terminal):
        """Maps whose verdicts are for chains of one place each: they are written with that place's name."""
        r = self.r

        def verdict():
            v = [{"accept": None}, {"drop": None}, {"return": None}, {"continue": None}] if terminal else [{"return": None}, {"accept": None}]
            v += [{w: {"target": c}} for c in callees for w in ("jump", "goto")] * 2
            return r.choice(v)
        return verdict

    # ---- conditions ----

    def set_of(self, make, low=1, high=4):
        return {"set": self.distinct(make, self.r.randint(low, high))}

    def addressed(self):
        r = self.r
        field = payload(self.ip, r.choice(["daddr", "daddr", "saddr"]))
        op = "!=" if self.maybe(0.25) else "=="
        right = r.choice([self.address, self.address, self.address, lambda: "@addresses", lambda: "@nets", lambda: {"set": self.addresses_set()}])()
        return [match(field, right, op)]

    def ported(self):
        r, kind = self.r, self.r.random()
        op = r.choice(["==", "==", "==", "==", "!="])
        if kind < 0.5:
            right = r.choice([self.port, lambda: self.set_of(lambda: r.choice(PORTS))])()
            return [match(payload(self.proto, r.choice(["dport", "dport", "sport"])), right, op)]
        if kind < 0.65:
            return [match(payload(self.proto, "dport"), r.choice(PORTS), r.choice(["<", ">", "<=", ">="]))]
        if kind < 0.8:
            self.layer = "th"
            return [match(meta("l4proto"), {"set": ["tcp", "udp"]}), match(payload("th", "dport"), self.port(), op)]
        if kind < 0.9 and self.proto == "tcp":
            flags = {"&": [payload("tcp", "flags"), ["fin", "syn", "rst", "ack"]]}
            return [match(flags, r.choice(["syn", "ack"]), r.choice(["==", "!="]))]
        if op == "!=":
            return [match(meta("l4proto"), r.choice(["udp", "tcp", "sctp"]), op)]
        return [match(meta("l4proto"), self.proto)]

    def tracked(self, hooks):
        r = self.r
        ct = [match({"ct": {"key": "state"}}, "new", "in"), match({"ct": {"key": "state"}}, ["established", "related"], "in"),
              match({"ct": {"key": "state"}}, "invalid", "in"), match({"ct": {"key": "state"}}, "new", "!="),
              match({"ct": {"key": "state"}}, {"set": ["new", "untracked"]}), match({"ct": {"key": "status"}}, "dnat", "in"),
              match({"ct": {"key": "status"}}, "snat", "in"), match({"ct": {"key": "direction"}}, "original"),
              match({"ct": {"key": "mark"}}, r.choice([0, 1]), r.choice(["==", "!="])),
              match({"ct": {"key": f"{self.ip} {r.choice(['saddr', 'daddr'])}", "dir": r.choice(["original", "reply"])}}, self.plain_address(),
                    r.choice(["==", "!="])),
              match({"ct": {"key": r.choice(["proto-src", "proto-dst"]), "dir": r.choice(["original", "reply"])}}, r.choice(PORTS),
                    r.choice(["==", "!="]))]
        way = r.choice(ct)
        return ([match(meta("l4proto"), self.proto)] if "proto-" in str(way) else []) + [way]

    def marked(self):
        r = self.r
        mark = meta("mark")
        return [r.choice([match(mark, r.choice([0, 1, 0x4000]), r.choice(["==", "!="])), match({"&": [mark, 0x4000]}, 0, r.choice(["==", "!="])),
                          match({"&": [mark, 0xff]}, 1), match(mark, {"set": [0, 0x4000]}), match(mark, 0x100, "<")])]

    def device(self, hooks):
        r, ways = self.r, []
        # lo comes first to what the node itself sends: an interface that is there must be asked for.
        if not hooks & NO_DEVICE_IN:
            ways.append("iifname")
        if self.out and not hooks & NO_DEVICE_OUT:
            ways.append("oifname")
        if not ways:
            return []
        right = r.choice(["eth0", "pod0", "pod*", "lo", {"set": ["eth0", "lo"]}])
        return [match(meta(r.choice(ways)), right, r.choice(["==", "==", "!="]))]

    def routed(self, hooks):
        r = self.r
        flags = [r.choice(["saddr", "daddr"])]
        if hooks <= {"prerouting", "input", "forward"} and self.maybe(0.2) and self.version == 4:
            flags.append("iif")
        kinds = ["local", "unicast", "broadcast", "multicast"] if self.version == 4 else ["local"]
        return [match({"fib": {"result": "type", "flags": flags}}, r.choice(kinds), r.choice(["==", "!="]))]

    def looked_up(self):
        left = concat(payload(self.ip, "daddr"), meta("l4proto"), payload("th", "dport"))
        return [match(left, "@services", self.r.choice(["==", "==", "!="]))]

    def odd(self):
        """What is one value for a first packet."""
        r = self.r
        v = [{"limit": {"rate": 5, "burst": 5, "per": "second"}}, {"limit": {"rate": 5, "burst": 5, "per": "second", "inv": True}},
             {"quota": {"val": 25, "val_unit": "mbytes"}},
             {"ct count": {"val": 10, "inv": True}}, {"counter": {"packets": 0, "bytes": 0}}, {"log": {"prefix": "x y"}}]
        v += [{"set": {"op": r.choice(["add", "update"]), "elem": payload(self.ip, "saddr"), "set": "@seen"}},
              match(payload(self.ip, "saddr"), "@seen"), match(payload(self.ip, "saddr"), "@seen", "!=")] * 2 if self.dynamic else []
        return [r.choice(v)]

    def by_chance(self):
        mod = self.r.choice([2, 3, 4, 7])
        left = {"numgen": {"mode": self.r.choice(["random", "random", "inc"]), "mod": mod, "offset": 0}}
        return [match(left, self.r.randrange(mod), self.r.choice(["==", "<", "!="]))]

    def nobody_knows(self):
        return [match({"payload": {"base": "th", "offset": 0, "len": 8}}, 5)]

    def conditions(self, hooks):
        r, v = self.r, []
        for chance, make in ((0.15, lambda: self.device(hooks)), (0.45, self.addressed), (0.4, self.ported), (0.25, lambda: self.tracked(hooks)),
                             (0.2, self.marked), (0.12, lambda: self.routed(hooks)), (0.12, self.looked_up), (0.15, self.odd)):
            if self.maybe(chance):
                v += make()
        if self.chance and self.maybe(0.1):
            self.chance -= 1
            v += self.by_chance()
        if self.unknown and self.maybe(0.06):
            self.unknown -= 1
            v += self.nobody_knows()
        if self.own == "inet" and self.maybe(0.1):
            v += [match(meta("nfproto"), "ipv4" if self.version == 4 else "ipv6")]
        return v

    # ---- statements ----

    def mark_statement(self):
        r = self.r
        mark = meta("mark")
        value = r.choice([{"|": [mark, 0x4000]}, {"^": [mark, 0x4000]}, {"&": [mark, 0xffffbfff]}, 0x4000, 1, {"ct": {"key": "mark"}},
                          {"map": {"key": payload(self.layer, "dport"), "data": {"set": [[80, 1], [443, 0x4000]]}}},
                          {"|": [{"&": [mark, 0xffffff01]}, 1]}])
        return {"mangle": {"key": mark, "value": value}}

    def target(self):
        """(address, port or None)"""
        text = self.r.choice([t for t in self.v["targets"] if not t.startswith(":")])
        if text.startswith("["):
            host, _, port = text[1:].rpartition("]:")
            return host, int(port)
        if self.version == 4 and ":" in text:
            host, _, port = text.rpartition(":")
            return host, int(port)
        return text, None

    def key_for(self, count):
        """(key, its values) of a map."""
        r = self.r
        if self.chance and self.maybe(0.6):
            self.chance -= 1
            mod = count + r.choice([0, 0, 0, 1])
            return {"numgen": {"mode": r.choice(["random", "random", "inc"]), "mod": mod, "offset": 0}}, list(range(count))
        if self.maybe(0.5):
            return payload(self.ip, "daddr"), self.distinct(self.plain_address, count)
        return payload(self.layer, "dport"), r.sample(PORTS, count)

    def translated(self):
        """The family is listed where the table does not tell it, and with maps."""
        return {"family": self.ip} if self.own == "inet" else {}

    def dnat(self):
        r, kind = self.r, self.r.random()
        to = self.translated()
        if kind < 0.4:
            host, port = self.target()
            return {"dnat": {**to, "addr": host, **({"port": port} if port else {})}}
        if kind < 0.5:
            return {"redirect": {"port": 8053}}
        hosts = [t for t in (self.target() for _ in range(20)) if t[1]][:r.randint(1, 4)]
        key, values = self.key_for(len(hosts))
        if kind < 0.85:
            data = [[v, concat(*h)] for v, h in zip(values, hosts)]
        else:
            data = [[v, h] for v, (h, _) in zip(values, hosts)]
        kind = [self.kind, "inet_service"] if isinstance(data[0][1], dict) else [self.kind]
        return {"dnat": {"family": self.ip, "addr": {"map": {"key": key, "data": self.data(key, data, kind)}}}}

    def statements(self, kind, hooks, callees):
        """What a rule ends with."""
        r = self.r
        ways = [lambda: [{"return": None}], lambda: [], lambda: [{"accept": None}]] + [lambda: [self.mark_statement()]] * 3
        ways += [lambda: [{r.choice(["jump", "jump", "goto"]): {"target": r.choice(callees)}}]] * 7 + [lambda: [self.vmap(callees)]] * 3 if callees else []
        ways += [lambda: [{"mangle": {"key": {"ct": {"key": "mark"}}, "value": r.choice([1, meta("mark")])}}]]
        if kind == "nat":
            if hooks <= {"prerouting", "output"}:
                ways += [lambda: [match(meta("l4proto"), self.proto), self.dnat()]] * 7
            if hooks <= {"postrouting"}:
                ways += [lambda: [{"masquerade": r.choice([None, {"flags": "fully-random"}])}]] * 4
            if hooks <= {"postrouting", "input"}:
                ways += [lambda: [{"snat": {**self.translated(), "addr": r.choice(self.v["new_sources"])}}]] * 3
            ways += [lambda: [{"drop": None}]] if self.maybe(0.3) else []
        else:
            ways += [lambda: [{"drop": None}]] * 2
            if hooks <= {"input", "forward", "output", "prerouting"}:
                ways += [lambda: [{"reject": {"type": "icmpx", "expr": "port-unreachable"} if self.own == "inet" else
                                   {"type": "icmp" if self.version == 4 else "icmpv6", "expr": "port-unreachable"}}]] * 2
            if hooks <= {"prerouting", "output"} and self.maybe(0.3):
                ways += [lambda: [{"notrack": None}]]
            if self.unknown and self.maybe(0.1):
                self.unknown -= 1
                ways += [lambda: [{"queue": {"num": 0}}]] * 5
        return r.choice(ways)()

    def vmap(self, callees):
        r = self.r
        verdict = self.verdict_maps(callees, True)
        keys = r.randint(1, 4)
        if self.maybe(0.4):
            key = concat(payload(self.ip, "daddr"), meta("l4proto"), payload("th", "dport"))
            rows = [concat(a, r.choice(["tcp", "udp"]), r.choice(PORTS)) for a in self.distinct(self.plain_address, keys)]
        else:
            key, rows = self.key_for(keys)
        return {"vmap": {"key": key, "data": self.data(key, [[k, verdict()] for k in rows], "verdict")}}

    def data(self, key, rows, kind):
        """A map's rows: anonymous, or as a map with a name, some of whose keys are ranges, and which may have an element for all others."""
        types = {"daddr": self.kind, "dport": "inet_service", "l4proto": "inet_proto"}
        parts = [p.get("payload", {}).get("field") or p.get("meta", {}).get("key") for p in key.get("concat", [key])]
        if "numgen" in key or self.maybe(0.5):
            return {"set": rows}
        name, flags = f"m{self.maps}", []
        self.maps += 1
        if self.maybe(0.4):
            flags, rows = ["interval"], self.ranged(rows, parts)
        if kind != "verdict":
            kind = " . ".join(kind)
        elif self.maybe(0.3):
            rows = rows + [["*", rows[0][1]]]
        # Sets and maps are listed before chains.
        self.objects.insert(0, {"map": {"family": self.own, "name": name, "table": self.name, "handle": 8, "map": kind,
                                        "type": types[parts[0]] if len(parts) == 1 else [types[p] for p in parts],
                                        **({"flags": flags} if flags else {}), "elem": rows}})
        return "@" + name

    def ranged(self, rows, parts):
        """One row with a range of ports or a prefix in its key, where that overlaps none of the others."""
        if parts == ["dport"]:
            used = [k for k, _ in rows]
            return [[{"range": [9000, 40000]}, v] if k == 30080 and not any(9000 <= x <= 40000 and x != k for x in used) else [k, v] for k, v in rows]
        if len(parts) == 1:
            return rows[:1]
        key, value = rows[0]
        first = key["concat"][0]
        rest = [r for r in rows[1:] if r[0]["concat"][0] != first]
        return [[concat(first, key["concat"][1], {"range": [80, 8080]}), value], *rest]

    # ---- chains ----

    def rules(self, chain, kind, hooks, callees):
        for _ in range(self.r.randint(0, 5)):
            self.proto = self.layer = self.r.choice(["tcp", "tcp", "udp"])  # one protocol for all that a rule asks
            left, expr = self.unknown, self.conditions(hooks)
            # Not two things in a rule that nobody knows: they could not be told apart.
            more, self.unknown = self.unknown, 0 if self.unknown < left else self.unknown
            expr += self.statements(kind, hooks, callees)
            self.unknown = more if more < left else self.unknown
            if expr:
                self.add("rule", chain=chain, handle=9, expr=expr)

    def write(self, bases):
        r = self.r
        self.sets()
        own = []
        for i in range(r.randint(2, 5)):
            kind = r.choice(["filter", "filter", "nat"])
            hooks = [h for k, h in (NAT if kind == "nat" else FILTER)]
            own.append((f"{kind[0]}{i}", kind, set(r.sample(hooks, r.randint(1, 3)))))
        own += [("d-dst", "nat", {"prerouting", "output"}), ("d-src", "nat", {"postrouting"})]
        base = []
        for kind, hook in bases:
            prio = r.choice([p for p in PRIORITIES if (hook, p) not in self.taken and (kind != "nat" or p > -200)])
            self.taken.add((hook, prio))
            name = f"{kind}-{hook}-{len(base)}"
            self.add("chain", name=name, handle=5, type=kind, hook=hook, prio=prio, policy="drop" if self.maybe(0.05) else "accept")
            base.append((name, "filter" if kind == "route" else kind, hook))
        for name, _, _ in own:
            self.add("chain", name=name, handle=6)
        for name, kind, hook in base:
            self.rules(name, kind, {hook}, [c for c, k, of in own if k == kind and hook in of])
        for i, (name, kind, of) in enumerate(own):
            self.rules(name, kind, of, [c for c, k, hooks in own[i + 1:] if k == kind and of <= hooks])
        return [{"table": {"family": self.own, "name": self.name, "handle": 1}}, *self.objects]


def ruleset(r, version, out):
    """A document; @out: does the node know its routes, so that an interface out can be asked for?"""
    taken, objects = set(), [{"metainfo": {"version": "1.0.6", "release_name": "x", "json_schema_version": 1}}]
    ip = "ip" if version == 4 else "ip6"
    for i, own in enumerate(r.choice([[ip], [ip], ["inet"], [ip, "inet"]])):
        bases = r.sample(FILTER, r.randint(1, 4)) + r.sample(NAT, r.randint(1, 4))
        if r.random() < 0.3:
            bases.append(("route", "output"))
        if r.random() < 0.2:
            bases.append(r.choice(NAT))
        objects += Table(r, f"t{i}", own, version, out, taken).write(bases)
    return {"nftables": objects}
