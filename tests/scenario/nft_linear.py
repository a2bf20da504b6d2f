# SPDX-License-Identifier: GPL-2.0-or-later
"""A plain, slow evaluator of nftables' rules as `nft -j list ruleset` prints them, for one family: every rule of every chain in order, every
statement of a rule in order, sets and maps searched as lists. The way of a packet through the hooks is linear.py's, whose tables of iptables
run in the same world.

Written after nft(8), libnftables-json(5) and the kernel's nft_*.c, nf_nat_core.c; it shares no code with lib/nat and lib/source.

    world = NftWorld(Facts.from_folder(node_folder, 4), parse(json.loads(text), 4), [linear.parse(text, "nft", 4), ...])
    world.endings(Packet(...))   as linear.World"""
import linear
from linear import PROTOCOLS, Fraction, Unparsable, address, bind_dst, bind_src

FAMILIES = {4: ("ip", "inet"), 6: ("ip6", "inet")}
HOOKS = {"prerouting": "PREROUTING", "input": "INPUT", "forward": "FORWARD", "output": "OUTPUT", "postrouting": "POSTROUTING"}
CT_STATE = {"invalid": 1, "established": 2, "related": 4, "new": 8, "untracked": 64}
CT_STATUS = {"expected": 1, "seen-reply": 2, "assured": 4, "confirmed": 8, "snat": 16, "dnat": 32, "dying": 512}
TCP_FLAGS = {"fin": 1, "syn": 2, "rst": 4, "psh": 8, "ack": 16, "urg": 32, "ecn": 64, "cwr": 128}
NAMES = {"inet_proto": PROTOCOLS, "ct_state": CT_STATE, "ct_status": CT_STATUS, "tcp_flag": TCP_FLAGS,
         "nf_proto": {"ipv4": 2, "ipv6": 10}, "ether_type": {"ip": 0x0800, "ip6": 0x86dd}, "ct_dir": {"original": 0, "reply": 1},
         "fib_addrtype": {n: n.upper() for n in ("unspec", "unicast", "local", "broadcast", "anycast", "multicast", "blackhole", "unreachable",
                                                 "prohibit")},
         "icmp_type": {"echo-reply": 0, "destination-unreachable": 3, "redirect": 5, "echo-request": 8, "time-exceeded": 11},
         "icmpv6_type": {"destination-unreachable": 1, "echo-request": 128, "echo-reply": 129}, "boolean": {"exists": True, "missing": False}}
WIDTH = {"ipv4_addr": 32, "ipv6_addr": 128, "inet_service": 16, "mark": 32}
NO_EFFECT = ("counter", "log", "comment")


class Unknown(Exception):
    """An expression or statement whose value this evaluator does not know: its rule splits the walk."""


class Chance(list):
    """[(weight, value)]: a value by chance. None among the values, or as a value itself: the rule breaks off."""


def then(value, f):
    """f(value), through chance; what broke off stays so."""
    if isinstance(value, Chance):
        out = Chance()
        for w, v in value:
            r = then(v, f)
            out += [(w * x, y) for x, y in r] if isinstance(r, Chance) else [(w, r)]
        return out
    return None if value is None else f(value)


def both(values, f):
    """f([...]) of several values that may be by chance."""
    def more(done, left):
        return f(done) if not left else then(left[0], lambda v: more(done + [v], left[1:]))
    return more([], values)


# ---- constants ----

def scalar(json, kind):
    """The number (or name of an interface) that a constant of a type stands for."""
    if isinstance(json, list):
        v = 0
        for part in json:
            v |= scalar(part, kind)
        return v
    if isinstance(json, dict) and "|" in json:
        return scalar(list(json["|"]), kind)
    if isinstance(json, (int, bool)):
        return json
    if not isinstance(json, str):
        raise Unparsable(f"{json} of type {kind}")
    if kind in ("ipv4_addr", "ipv6_addr"):
        return address(json)
    if kind == "ifname":
        return json
    names = NAMES.get(kind, {})
    if json in names:
        return names[json]
    return int(json, 0)


def interval(json, kind):
    """(low, high), both included; names of interfaces that end in * are a range of names."""
    if isinstance(json, dict) and "prefix" in json:
        p = json["prefix"]
        low, width = scalar(p["addr"], kind), WIDTH[kind]
        return low, low | (1 << width - p["len"]) - 1
    if isinstance(json, dict) and "range" in json:
        return scalar(json["range"][0], kind), scalar(json["range"][1], kind)
    if kind == "ifname" and json.endswith("*"):
        return json[:-1], json[:-1] + "\U0010ffff"
    v = scalar(json, kind)
    return v, v


def element(json, kinds):
    """A set's element as a list of intervals, one for each part of the key; "*": every key."""
    if isinstance(json, dict) and "elem" in json:
        json = json["elem"]["val"]
    if json == "*" and kinds != ["ifname"]:
        return "*"
    parts = json["concat"] if isinstance(json, dict) and "concat" in json else [json]
    if len(parts) != len(kinds):
        raise Unparsable(f"{json} in a set of {kinds}")
    return [interval(p, k) for p, k in zip(parts, kinds)]


def holds(elem, key):
    return elem != "*" and all(low <= v <= high for (low, high), v in zip(elem, key))


def as_key(value):
    return value if isinstance(value, tuple) else (value,)


class Set:
    """A named or anonymous set or map: [(element, what it maps to)]. @dynamic: its elements are what packets left."""

    def __init__(self, name, kinds, rows, dynamic=False, value_kinds=None):
        self.name, self.kinds, self.dynamic, self.value_kinds = name, kinds, dynamic, value_kinds
        self.rows = []
        for key, data in rows:
            self.rows.append((element(key, kinds), data))
        self.exact = {}
        for elem, data in self.rows:
            if elem != "*" and all(low == high for low, high in elem):
                self.exact.setdefault(tuple(low for low, _ in elem), data)
        self.ranges = [(e, d) for e, d in self.rows if e != "*" and any(low != high for low, high in e)]
        self.rest = next(((True, d) for e, d in self.rows if e == "*"), (False, None))

    def find(self, key):
        """(found, data)"""
        if key in self.exact:
            return True, self.exact[key]
        for elem, data in self.ranges:
            if holds(elem, key):
                return True, data
        return self.rest


def constant_of(json, kinds):
    """What a map's data stands for: a number, a tuple."""
    if isinstance(json, dict) and "concat" in json:
        return tuple(scalar(p, k) for p, k in zip(json["concat"], kinds))
    return scalar(json, kinds[0])


def guess_kinds(json, family):
    """The types of an anonymous map's data, which nothing else tells."""
    def one(v):
        if isinstance(v, str):
            try:
                address(v)
                return "ipv6_addr" if ":" in v else "ipv4_addr"
            except ValueError:
                return "inet_proto"
        return "integer"
    return [one(p) for p in (json["concat"] if isinstance(json, dict) and "concat" in json else [json])]


# ---- the ruleset ----

class Chain:
    def __init__(self, table, row):
        self.table, self.name, self.rules = table, row["name"], []
        self.type, self.hook, self.prio = row.get("type"), HOOKS.get(row.get("hook")), row.get("prio")
        self.policy = row.get("policy", "accept").upper()


class Table:
    """name: "ip kube-proxy"; a place in a trail begins with it."""

    def __init__(self, family, name):
        self.family, self.name, self.chains, self.sets, self.dormant = family, f"{family} {name}", {}, {}, False


class Rule:
    def __init__(self, ident, row):
        self.id, self.row, self.steps = ident, row, None


def kinds_of(declared):
    if isinstance(declared, dict):
        raise Unparsable(f"set of type {declared}")
    return list(declared) if isinstance(declared, list) else [declared]


def is_dynamic(row, doc):
    """A set with a timeout, or that a rule adds to: the flag itself is not in every version's output."""
    flags = row.get("flags", [])
    if "timeout" in flags or "dynamic" in flags or "timeout" in row:
        return True
    at = "@" + row["name"]
    return any(s["set"]["set"] == at and s["set"]["op"] in ("add", "update") for o in doc if "rule" in o and
               (o["rule"]["family"], o["rule"]["table"]) == (row["family"], row["table"]) for s in o["rule"]["expr"] if "set" in s)


def read_set(row, doc):
    kinds = kinds_of(row["type"])
    rows = [(e[0], e[1]) if "map" in row else (e, None) for e in row.get("elem", [])]
    value_kinds = None
    if "map" in row and row["map"] != "verdict":
        value_kinds = row["map"].split(" . ") if isinstance(row["map"], str) else list(row["map"])
        rows = [(k, constant_of(v, value_kinds)) for k, v in rows]
    dynamic = is_dynamic(row, doc)
    return Set(row["name"], kinds, [] if dynamic else rows, dynamic, value_kinds)


def parse(document, family):
    """[Table] of the tables that packets of a family meet."""
    doc, tables = document["nftables"], {}
    for o in doc:
        if "table" in o and o["table"]["family"] in FAMILIES[family]:
            t = Table(o["table"]["family"], o["table"]["name"])
            flags = o["table"].get("flags", [])
            t.dormant = flags == "d" or "dormant" in flags
            tables[t.family, o["table"]["name"]] = t
    for o in doc:
        for what in ("set", "map", "chain"):
            row = o.get(what)
            t = tables.get((row["family"], row["table"])) if row else None
            if t and what == "chain":
                t.chains[row["name"]] = Chain(t, row)
            elif t:
                t.sets[row["name"]] = read_set(row, doc)
    for o in doc:
        row = o.get("rule")
        t = tables.get((row["family"], row["table"])) if row else None
        if t:
            rules = t.chains[row["chain"]].rules
            number = {"ip": 4, "ip6": 6}.get(row["family"], row["family"])
            rules.append(Rule(("nft", number, row["table"], row["chain"], len(rules) + 1), row))
    for t in tables.values():
        for c in t.chains.values():
            for r in c.rules:
                r.steps = [Step(t, s, family) for s in r.row["expr"]]
    return [t for t in tables.values() if not t.dormant]


# ---- expressions: functions of a state; None: the rule breaks off ----

def payload(json):
    if "protocol" not in json:
        raise Unknown("raw payload")
    p, f = json["protocol"], json["field"]
    if p in ("ip", "ip6"):
        six = p == "ip6"
        kind = "ipv6_addr" if six else "ipv4_addr"
        get = {"saddr": (kind, lambda s: s.src), "daddr": (kind, lambda s: s.dst), "protocol": ("inet_proto", lambda s: s.proto),
               "nexthdr": ("inet_proto", lambda s: s.proto), "version": ("integer", lambda s: s.packet.family)}.get(f)
        if get is None:
            raise Unknown(f"{p} {f}")
        return get[0], lambda s: get[1](s) if s.packet.family == (6 if six else 4) else None
    ports = {"sport": lambda s: s.sport, "dport": lambda s: s.dport}
    if p == "th" and f in ports:
        return "inet_service", lambda s: ports[f](s) if s.proto in linear.WITH_PORTS else None
    if p in ("tcp", "udp", "sctp", "dccp", "udplite") and f in ports:
        return "inet_service", lambda s: ports[f](s) if s.proto == PROTOCOLS[p] else None
    if (p, f) == ("tcp", "flags"):
        return "tcp_flag", lambda s: 2 if s.proto == 6 else None
    if p in ("icmp", "icmpv6") and f in ("type", "code"):
        number = 1 if p == "icmp" else 58
        return (p + "_type" if f == "type" else "integer"), lambda s: s.packet.icmp[f == "code"] if s.proto == number else None
    raise Unknown(f"{p} {f}")


def meta(json):
    k = json["key"]
    known = {"l4proto": ("inet_proto", lambda s: s.proto), "nfproto": ("nf_proto", lambda s: 2 if s.packet.family == 4 else 10),
             "protocol": ("ether_type", lambda s: 0x0800 if s.packet.family == 4 else 0x86dd), "mark": ("mark", lambda s: s.mark),
             "iifname": ("ifname", lambda s: s.iif or ""), "oifname": ("ifname", lambda s: s.oif or ""),
             "iif": ("ifname", lambda s: s.iif or ""), "oif": ("ifname", lambda s: s.oif or "")}
    if k not in known:
        raise Unknown(f"meta {k}")
    return known[k]


def ct_status(s):
    return (CT_STATUS["dnat"] if s.dnat else 0) | (CT_STATUS["snat"] if s.snat else 0)


def ct(json):
    k, way = json["key"], json.get("dir")
    if k == "state":
        return "ct_state", lambda s: CT_STATE[{None: "invalid", "untracked": "untracked", "new": "new"}[s.ct]]
    kind = {"ip saddr": "ipv4_addr", "ip daddr": "ipv4_addr", "ip6 saddr": "ipv6_addr", "ip6 daddr": "ipv6_addr"}.get(k)
    if kind or k in ("saddr", "daddr"):
        which = k.split()[-1]
        family = {"ipv4_addr": 4, "ipv6_addr": 6}.get(kind)
        here = which == "saddr"
        get = (lambda s: s.packet.src if here else s.packet.dst) if way == "original" else (lambda s: s.dst if here else s.src)
        return kind or "ipv4_addr", lambda s: get(s) if s.ct == "new" and family in (None, s.packet.family) else None
    known = {"status": ("ct_status", ct_status), "mark": ("mark", lambda s: s.ctmark), "direction": ("ct_dir", lambda s: 0),
             "protocol": ("inet_proto", lambda s: s.proto), "zone": ("integer", lambda s: 0),
             "l3proto": ("nf_proto", lambda s: 2 if s.packet.family == 4 else 10),
             "proto-src": ("inet_service", lambda s: s.packet.sport if way == "original" else s.dport),
             "proto-dst": ("inet_service", lambda s: s.packet.dport if way == "original" else s.sport)}
    if k not in known:
        raise Unknown(f"ct {k}")
    return known[k][0], lambda s: known[k][1](s) if s.ct == "new" else None


def fib(json):
    flags = json["flags"] if isinstance(json["flags"], list) else [json["flags"]]
    which = "src" if "saddr" in flags else "dst"
    if json["result"] != "type" or "mark" in flags:
        raise Unknown(f"fib {json}")

    def kind(s):
        device = s.iif if "iif" in flags else s.oif if "oif" in flags else None
        return s.world.facts.kind(getattr(s, which), device)
    return "fib_addrtype", kind


def numgen(json):
    mod, offset = json["mod"], json.get("offset", 0)
    return "integer", lambda s: Chance((Fraction(1, mod), offset + i) for i in range(mod))


OPERATORS = {"&": lambda a, b: a & b, "|": lambda a, b: a | b, "^": lambda a, b: a ^ b, "<<": lambda a, b: a << b & 0xffffffff,
             ">>": lambda a, b: a >> b}
SIMPLE = {"payload": payload, "meta": meta, "ct": ct, "fib": fib, "numgen": numgen}


def expression(table, json, family, kind=None):
    """(types of its parts, function of a state). @kind: the type of a constant."""
    if not isinstance(json, dict):
        v = scalar(json, kind)
        return [kind], lambda s: v
    (what, inner), = json.items()
    if what in SIMPLE:
        k, f = SIMPLE[what](inner)
        return [k], f
    if what == "concat":
        parts = [expression(table, p, family) for p in inner]
        return [k for kinds, _ in parts for k in kinds], lambda s: both([f(s) for _, f in parts], tuple)
    if what in OPERATORS:
        # Numbers take the type of what they are combined with.
        kinds, f = expression(table, inner[0], family, kind)
        fs = [f] + [expression(table, p, family, kinds[0])[1] for p in inner[1:]]

        def combine(values):
            v = values[0]
            for w in values[1:]:
                v = OPERATORS[what](v, w)
            return v
        return kinds, lambda s: both([g(s) for g in fs], combine)
    if what == "map":
        return mapped(table, inner, family)
    raise Unknown(what)


def the_set(table, json, kinds, verdicts=False, family=4):
    """The set or map behind "@name" or an anonymous one."""
    if isinstance(json, str) and json.startswith("@"):
        return table.sets[json[1:]]
    rows = json["set"] if isinstance(json["set"], list) else [json["set"]]
    if verdicts:
        return Set(None, kinds, [(k, v) for k, v in rows])
    if rows and isinstance(rows[0], list):
        value_kinds = guess_kinds(rows[0][1], family)
        return Set(None, kinds, [(k, constant_of(v, value_kinds)) for k, v in rows], False, value_kinds)
    return Set(None, kinds, [(k, None) for k in rows])


def find(s, table, group, key):
    """(found, data) of a key in a set, what past packets and this one left included."""
    if group.name is not None and s.world.trail is not None:
        s.world.trail.add((table.name, "@" + group.name))
    if group.dynamic:
        return ((table.name, group.name), as_key(key)) in s.recent, None
    return group.find(as_key(key))


def mapped(table, json, family):
    kinds, key = expression(table, json["key"], family)
    group = the_set(table, json["data"], kinds, False, family)

    def look(s, k):
        found, data = find(s, table, group, k)
        return data if found else None
    return group.value_kinds, lambda s: then(key(s), lambda k: look(s, k))


# ---- statements ----

def compare(table, json, family):
    """A function of a state: is it met? None where the rule breaks off for another reason, which comes to the same."""
    op, right = json["op"], json["right"]
    kinds, left = expression(table, json["left"], family)
    if isinstance(right, str) and right.startswith("@") or isinstance(right, dict) and "set" in right:
        group = the_set(table, right, kinds, False, family)
        return lambda s: then(left(s), lambda v: find(s, table, group, v)[0] != (op == "!="))
    if isinstance(right, dict) and "concat" in right:
        group = Set(None, kinds, [(right, None)])
        return lambda s: then(left(s), lambda v: group.find(v)[0] != (op == "!="))
    if isinstance(right, dict) and set(right) & {"payload", "meta", "ct", "fib"}:
        other = expression(table, right, family)[1]
        return lambda s: both([left(s), other(s)], lambda v: (v[0] == v[1]) != (op == "!="))
    if op in ("in", "!"):
        bits = scalar(right, kinds[0])
        return lambda s: then(left(s), lambda v: bool(v & bits) != (op == "!"))
    low, high = interval(right, kinds[0])
    test = {"==": lambda v: low <= v <= high, "!=": lambda v: not low <= v <= high, "<": lambda v: v < low, ">": lambda v: v > high,
            "<=": lambda v: v <= high, ">=": lambda v: v >= low}[op]
    return lambda s: then(left(s), test)


class Step:
    """One statement of a rule. kind: "match", "verdict", "vmap", "set mark", ...; f: a function of a state where it has a value."""

    def __init__(self, table, json, family):
        (what, inner), = json.items() if isinstance(json, dict) else ((json, None),)
        self.kind, self.json, self.f, self.table, self.family = what, inner, None, table, family
        try:
            self._read(table, what, inner, family)
        except Unknown:
            self.kind = "unknown match" if what == "match" else "unknown"

    def _read(self, table, what, inner, family):
        if what == "match":
            self.f = compare(table, inner, family)
        elif what in ("accept", "drop", "return", "continue", "jump", "goto"):
            self.kind, self.f = "verdict", lambda s: (what, (inner or {}).get("target"))
        elif what == "vmap":
            kinds, key = expression(table, inner["key"], family)
            group = the_set(table, inner["data"], kinds, True)
            self.kind = "verdict"

            def verdict(s, k):
                found, data = find(s, table, group, k)
                (name, arg), = data.items() if found else ((None, None),)
                return (name, (arg or {}).get("target")) if found else None
            self.f = lambda s: then(key(s), lambda k: verdict(s, k))
        elif what == "mangle":
            key = next(iter(inner["key"].items()))
            if key[0] not in ("meta", "ct") or key[1]["key"] != "mark":
                raise Unknown("mangle")
            self.kind = "mark" if key[0] == "meta" else "ctmark"
            self.f = expression(table, inner["value"], family, "mark")[1]
        elif what in ("dnat", "snat", "redirect", "masquerade"):
            self._nat(table, inner or {}, family)
        elif what == "set":
            kinds, self.f = expression(table, inner["elem"]["elem"]["val"] if isinstance(inner["elem"], dict) and "elem" in inner["elem"]
                                       else inner["elem"], family)
        elif what in ("limit", "quota", "ct count"):
            # Nothing is exhausted for a first packet.
            self.kind, met = "match", not (isinstance(inner, dict) and inner.get("inv"))
            if not isinstance(inner, dict):
                raise Unknown(what)
            self.f = lambda s: met
        elif what not in NO_EFFECT + ("reject", "notrack"):
            raise Unknown(what)

    def _nat(self, table, inner, family):
        width = "ipv6_addr" if inner.get("family", "ip6" if family == 6 else "ip") == "ip6" else "ipv4_addr"
        parts = []
        for key, kind in (("addr", width), ("port", "inet_service")):
            if key in inner:
                if isinstance(inner[key], dict) and set(inner[key]) & {"range", "prefix"}:
                    raise Unparsable(f"{self.kind} to {inner[key]}")
                parts.append((key, expression(table, inner[key], family, kind)[1]))
        self.other_family = inner.get("family") not in (None, "ip6" if family == 6 else "ip")

        def to(s):
            def join(values):
                out = dict(zip((k for k, _ in parts), values))
                if isinstance(out.get("addr"), tuple):
                    out["addr"], out["port"] = out["addr"]
                return out.get("addr"), out.get("port")
            return both([f(s) for _, f in parts], join)
        self.f = to


# ---- the walk ----

class NftWorld(linear.World):
    """The rules and facts of a node, for one family: native tables @tables, and what linear.parse() read of iptables' dumps."""

    def __init__(self, facts, tables, dumps=(), entries=(), trail=None):
        super().__init__(facts, list(dumps), entries, trail)
        self.tables = tables
        self.chains = [c for t in tables for c in t.chains.values() if c.hook]
        self.nat = any(c.type == "nat" for c in self.chains) or any("nat" in d for d in self.dumps)

    def order(self, hook):
        runs = [r for r in super().order(hook) if not isinstance(r[1], list)]
        runs += [(c.prio, c) for c in self.chains if c.hook == hook and c.type != "nat"]
        if self.nat and hook != "FORWARD":
            at = -100 if hook in ("PREROUTING", "OUTPUT") else 100
            nat = [(c.prio, c) for c in self.chains if c.hook == hook and c.type == "nat"]
            nat += [(at, d["nat"]) for d in self.dumps if "nat" in d]
            runs.append((at, [c for _, c in sorted(nat, key=lambda r: r[0])]))
        return sorted(runs, key=lambda r: r[0])

    def run_base(self, what, hook, states):
        if not isinstance(what, Chain):
            return super().run_base(what, hook, states)
        done, fell = self.run_rules(what, states)
        for s in fell:
            s.verdict = what.policy
            done.append(s)
        return done

    @staticmethod
    def reroutes(what):
        return what.type == "route" if isinstance(what, Chain) else what.name == "mangle"

    def run_rules(self, chain, states):
        """([states with a verdict], [states that fell off its end])."""
        done, fell = [], []
        for i, rule in enumerate(chain.rules):
            if not states:
                break
            if self.trail is not None:
                self.trail.add((chain.table.name, chain.name, i + 1))
            going = []
            for s in states:
                self.run_steps(chain, rule, 0, s, done, fell, going)
            states = going
        if self.trail is not None and states:
            self.trail.add((chain.table.name, chain.name, 0))
        return done, fell + states

    def run_steps(self, chain, rule, at, s, done, fell, going):
        """Runs a rule's statements from @at on. Where a value is by chance, each way goes on as a state of its own."""
        while at < len(rule.steps):
            step = rule.steps[at]
            at += 1
            if step.kind in ("unknown", "unknown match"):
                self.unknown_step(chain, rule, step, at, s, done, fell, going)
                return
            value = step.f(s) if step.f else True
            if isinstance(value, Chance):
                for w, v in value:
                    t = s.copy()
                    t.weight = s.weight * w
                    if self.run_step(chain, step, v, t, done, fell, going):
                        self.run_steps(chain, rule, at, t, done, fell, going)
                return
            if not self.run_step(chain, step, value, s, done, fell, going):
                return
        going.append(s)

    def unknown_step(self, chain, rule, step, at, s, done, fell, going):
        """What is not known either lets the packet on or does something nobody knows (a statement), or is not met (a match)."""
        known = dict(s.assumed).get(rule.id)
        for v in (True, False) if known is None else (known,):
            t = s.copy()
            t.assumed = s.assumed | {(rule.id, v)}
            if step.kind == "unknown match":
                if v:
                    self.run_steps(chain, rule, at, t, done, fell, going)
                else:
                    going.append(t)
            else:
                if v:
                    t.verdict = "UNDECIDED"
                (done if v else going).append(t)

    def run_step(self, chain, step, value, s, done, fell, going):
        """Does the rule go on for this state? If not, it is in one of the lists."""
        if value is None or step.kind == "match" and not value:
            going.append(s)
            return False
        if step.kind == "verdict":
            return self.verdict(chain, value, s, done, fell, going)
        if step.kind == "mark":
            s.mark = value & 0xffffffff
        elif step.kind == "ctmark" and s.ct == "new":
            s.ctmark = value & 0xffffffff
        elif step.kind == "set":
            self.put_in_set(step, value, s)
        elif step.kind == "notrack" and s.ct is None:
            s.ct = "untracked"
        elif step.kind == "reject":
            s.verdict = "REJECT"
            done.append(s)
            return False
        elif step.kind in ("dnat", "snat", "redirect", "masquerade") and not step.other_family:
            self.translate(step, value, s)
            done.append(s)
            return False
        return True

    def put_in_set(self, step, key, s):
        entry = (step.table.name, step.json["set"][1:]), as_key(key)
        s.recent = s.recent - {entry} if step.json["op"] == "delete" else s.recent | {entry}

    def verdict(self, chain, value, s, done, fell, going):
        name, target = value
        if name in ("jump", "goto"):
            d, f = self.run_rules(chain.table.chains[target], [s])
            done += d
            if name == "goto":
                fell += f
            else:
                going += f
            return False
        if name == "return":
            fell.append(s)
        elif name in ("accept", "drop"):
            s.verdict = name.upper()
            s.named = s.named or name == "accept"
            done.append(s)
        elif name == "continue":
            return True
        return False

    def translate(self, step, value, s):
        where, port = value
        if step.kind == "dnat":
            bind_dst(s, where, port)
        elif step.kind == "snat":
            bind_src(s, where, port)
        elif step.kind == "redirect":
            if s.hook == "OUTPUT":
                where = 1 if s.packet.family == 6 else 0x7f000001
            else:
                where = self.facts.primary(s.iif)
            if where is None:
                s.verdict = "DROP"
            else:
                bind_dst(s, where, port)
        else:
            linear.target_masquerade(self, step, s)
