# SPDX-License-Identifier: GPL-2.0-or-later
"""A plain, slow evaluator of iptables rules, kept apart from the program on purpose: what Linux does to the first packet of a connection
with the rules of iptables-save texts of one family, every rule of every chain in order, conditions as functions, weights as fractions.

Written after iptables-extensions(8) and the kernel's xt_*.c, nf_nat_core.c and ip_forward/ip_output; it shares no code with lib/nat.

    world = World(Facts.from_folder(node_folder, 4), [parse(text, "nft", 4), ...])
    world.endings(Packet(...)) -> {assumptions: {(verdict, translated, address, port, masquerade): weight}}

`assumptions` is a frozenset of (rule id, bool): how each unknown match or target that the packet met was taken."""
import itertools
import re
import shlex
from fractions import Fraction

from linear_facts import Facts, address, address_text, prefix  # noqa: F401

HOOKS = {"raw": ("PREROUTING", "OUTPUT"), "mangle": ("PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"),
         "nat": ("PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"), "filter": ("INPUT", "FORWARD", "OUTPUT"),
         "security": ("INPUT", "FORWARD", "OUTPUT")}
PRIORITY = {"raw": -300, "mangle": -150, "filter": 0, "security": 50}
CONNTRACK = -200
PROTOCOLS = {"all": 0, "icmp": 1, "tcp": 6, "udp": 17, "esp": 50, "ah": 51, "ipv6-icmp": 58, "icmpv6": 58, "sctp": 132, "udplite": 136, "dccp": 33,
             "gre": 47, "ipv6": 41, "igmp": 2}
WITH_PORTS = (6, 17, 132, 136, 33)
TCP_FLAGS = {"FIN": 1, "SYN": 2, "RST": 4, "PSH": 8, "ACK": 16, "URG": 32, "ALL": 63, "NONE": 0}
ICMP_TYPES = {"any": None, "echo-request": 8, "echo-reply": 0, "destination-unreachable": 3, "time-exceeded": 11, "redirect": 5}
NO_EFFECT = {"LOG", "NFLOG", "ULOG", "TRACE", "CHECKSUM", "CLASSIFY", "TCPMSS", "DSCP", "TOS", "TTL", "HL", "AUDIT", "LED", "RATEEST", "TEE", "SET",
             "IDLETIMER", "SECMARK", "CONNSECMARK", "TCPOPTSTRIP", "ECN", "HMARK"}
ONE = Fraction(1)


class Unparsable(Exception):
    """A rule that this evaluator cannot read: a fault of the test, never a result."""


# ---- packets ----

class Packet:
    """The first packet of a connection; addresses as texts. @iif None: sent by the node itself."""

    def __init__(self, src, dst, proto, sport=0, dport=0, iif=None, mark=0, icmp=(8, 0)):
        self.family = 6 if ":" in dst else 4
        self.src, self.dst, self.iif, self.mark = address(src), address(dst), iif, mark
        self.proto = PROTOCOLS[proto] if isinstance(proto, str) else proto
        self.sport, self.dport = (sport, dport) if self.proto in WITH_PORTS else (0, 0)
        self.icmp = icmp

    def __str__(self):
        def show(a, p):
            return f"{address_text(a, self.family)}:{p}"
        return f"{self.proto} {show(self.src, self.sport)} -> {show(self.dst, self.dport)} by {self.iif or 'the node'}"


class State:
    """A packet on its way; a state is in one list at a time and is changed in place. ct: None before conntrack, "new", "untracked"."""

    def __init__(self, world, p):
        self.world, self.packet = world, p
        self.src, self.dst, self.proto, self.sport, self.dport, self.mark = p.src, p.dst, p.proto, p.sport, p.dport, p.mark
        self.iif, self.oif, self.hook, self.ct, self.ctmark = p.iif, None, None, None, 0
        self.dnat = self.snat = None   # None: no rule bound it; else whether the tuple really changed, which sets the connection's status
        self.dst_bound = self.src_bound = False
        self.weight, self.assumed, self.recent, self.verdict, self.named = ONE, frozenset(), frozenset(world.entries), None, False
        self.way, self.gateway, self.before = None, None, None   # the last routing decision: (local or not, device), and its gateway

    def copy(self):
        s = State.__new__(State)
        s.__dict__.update(self.__dict__)
        return s


# ---- conditions: functions of a state ----

def negate(no, f):
    return (lambda s: not f(s)) if no else f


def interface_is(pattern, get):
    if pattern.endswith("+"):
        start = pattern[:-1]
        return lambda s: (get(s) or "").startswith(start)
    return lambda s: (get(s) or "") == pattern


def port_ranges(text):
    v = []
    for part in text.split(","):
        low, colon, high = part.partition(":")
        v.append((int(low or 0), int(high or 65535) if colon else int(low)))
    return v


def in_ranges(ranges, value):
    return any(low <= value <= high for low, high in ranges)


def value_mask(text):
    value, _, mask = text.partition("/")
    return int(value, 0), int(mask, 0) if mask else 0xffffffff


def states_of(s):
    """The bits that xt_conntrack calls the state."""
    if s.ct is None:
        return {"INVALID"}
    if s.ct == "untracked":
        return {"UNTRACKED"}
    return {"NEW"} | ({"DNAT"} if s.dnat else set()) | ({"SNAT"} if s.snat else set())


def flags_of(text):
    v = 0
    for name in text.split(","):
        v |= TCP_FLAGS[name]
    return v


def address_types(which, no, names, device):
    names = set(names.split(","))

    def test4(s):
        dev = {None: None, "in": s.iif, "out": s.oif}[device]
        return s.world.facts.kind(getattr(s, which), dev) in names

    def test6(s):
        # match_type6(): every type that is asked for must hold.
        value = getattr(s, which)
        multicast = value >> 120 == 255
        if "MULTICAST" in names and not multicast or "UNICAST" in names and (multicast or value == 0) or "UNSPEC" in names and value != 0:
            return False
        if names & {"LOCAL", "ANYCAST", "PROHIBIT", "UNREACHABLE"}:
            dev = {None: None, "in": s.iif, "out": s.oif}[device]
            return s.world.facts.kind(value, dev) in names - {"UNICAST"}
        return True
    return lambda s: (test6 if s.packet.family == 6 else test4)(s) != no


# ---- reading a rule ----

class Rule:
    """conds: all must hold; chances: [(fraction that it is met)]; unknown: the name of a match that this evaluator does not know."""

    matches = {}    # what is known, by the name of the match and its option: MATCHES, or more

    def __init__(self, ident, text, family):
        self.id, self.text, self.family = ident, text, family
        self.conds, self.chances, self.unknown, self.sets_recent = [], [], [], []
        self.names = {}         # what the rule names: "src", "dst": (negated, text); "dport": ...
        self.target = self.jump = None
        self.goto = False
        self.options = {}
        self.words = shlex.split(text)
        self._read()

    def _read(self):
        self.at, self.match, self.proto = 2, None, None
        self.limit_iface = "in" if "--limit-iface-in" in self.words else "out" if "--limit-iface-out" in self.words else None
        while self.at < len(self.words):
            no = self._take_if("!")
            word = self._take()
            if self.target is not None and not no and word not in ("-m",):
                self._target_option(word)
            elif not self._common(word, no):
                self._option(word, no)
        if self.jump in NO_EFFECT or self.jump is None:
            self.jump = None

    def _take(self):
        if self.at >= len(self.words):
            raise Unparsable(self.text)
        self.at += 1
        return self.words[self.at - 1]

    def _take_if(self, word):
        if self.at < len(self.words) and self.words[self.at] == word:
            self.at += 1
            return True
        return False

    def _common(self, word, no):
        if word in ("-s", "-d"):
            text = self._take()
            value, mask = prefix(text, self.family)
            which = "src" if word == "-s" else "dst"
            self.names[which] = (no, text)
            if which == "src":
                self.conds.append(negate(no, lambda s: s.src & mask == value))
            else:
                self.conds.append(negate(no, lambda s: s.dst & mask == value))
        elif word == "-p":
            text = self._take()
            number = PROTOCOLS[text] if text in PROTOCOLS else int(text)
            self.proto = number
            self.names["proto"] = (no, number)
            self.conds.append(negate(no, lambda s: number in (0, s.proto)))
        elif word in ("-i", "-o"):
            text = self._take()
            self.names["iif" if word == "-i" else "oif"] = (no, text)
            self.conds.append(negate(no, interface_is(text, (lambda s: s.iif) if word == "-i" else (lambda s: s.oif))))
        elif word == "-m":
            self.match = self._take()
            if self.match not in self.matches:
                self._skip_unknown()
        elif word in ("-j", "-g"):
            self.target = self.jump = self._take()
            self.goto = word == "-g"
        else:
            return False
        return True

    def _skip_unknown(self):
        self.unknown.append(self.match)
        while self.at < len(self.words) and self.words[self.at] not in ("-m", "-j", "-g"):
            self.at += 1

    def _option(self, word, no):
        reader = self.matches.get(self.match or "", {}).get(word)
        if reader is None:
            raise Unparsable(f"{word} of {self.match}: {self.text}")
        reader(self, no)

    def _target_option(self, word):
        values = []
        while self.at < len(self.words) and not self.words[self.at].startswith("--"):
            values.append(self._take())
        self.options[word] = " ".join(values)


def ports_of(which):
    def read(rule, no):
        text = rule._take()
        ranges = port_ranges(text)
        if which == "dport":
            rule.names["dport"] = (no, text)
        if which == "both":
            rule.names["dport"] = (no, text)
            rule.conds.append(negate(no, lambda s: in_ranges(ranges, s.sport) or in_ranges(ranges, s.dport)))
        elif which == "sport":
            rule.conds.append(negate(no, lambda s: in_ranges(ranges, s.sport)))
        else:
            rule.conds.append(negate(no, lambda s: in_ranges(ranges, s.dport)))
    return read


def read_flags(rule, no):
    mask, comp = flags_of(rule._take()), flags_of(rule._take())
    rule.conds.append(negate(no, lambda s: 2 & mask == comp))


def read_mark(field):
    def read(rule, no):
        value, mask = value_mask(rule._take())
        if field == "mark":
            rule.conds.append(negate(no, lambda s: s.mark & mask == value))
        else:
            # Without a connection xt_connmark is false, negated or not.
            rule.conds.append(lambda s: s.ct == "new" and (s.ctmark & mask == value) != no)
    return read


def read_ctstate(rule, no):
    names = set(rule._take().split(","))
    rule.conds.append(lambda s: bool(states_of(s) & names) != no)


def ct_field(test):
    """A condition on the connection: false without one."""
    def read(rule, no):
        f = test(rule, rule._take())
        rule.conds.append(lambda s: s.ct == "new" and f(s) != no)
    return read


def ct_address(get):
    def make(rule, text):
        value, mask = prefix(text, rule.family)
        return lambda s: get(s) & mask == value
    return ct_field(make)


def ct_port(get):
    def make(_, text):
        ranges = port_ranges(text)
        return lambda s: in_ranges(ranges, get(s))
    return ct_field(make)


def read_range(which):
    def read(rule, no):
        text = rule._take()
        low, _, high = text.partition("-")
        a, b = address(low), address(high or low)
        rule.names[which + "-range"] = (no, text)
        rule.conds.append(negate(no, lambda s: a <= getattr(s, which) <= b))
    return read


def read_types(which):
    def read(rule, no):
        text = rule._take()
        rule.names[which + "-type"] = (no, text)
        rule.conds.append(address_types(which, no, text, rule.limit_iface))
    return read


def read_statistic(rule, no):
    mode = rule._take()
    if mode == "random":
        no = rule._take_if("!") or no
        if rule._take() != "--probability":
            raise Unparsable(rule.text)
        chance = Fraction(round(Fraction(rule._take()) * 2 ** 31), 2 ** 31)
    else:
        no = rule._take_if("!") or no
        if rule._take() != "--every":
            raise Unparsable(rule.text)
        chance = Fraction(1, int(rule._take()))
        if rule.at < len(rule.words) and rule.words[rule.at] == "--packet":
            rule._take()
            rule._take()
    rule.chances.append(1 - chance if no else chance)


def read_recent(rule, no):
    """All options of one `-m recent` at once: they belong together."""
    words = []
    rule.at -= 1
    while rule.at < len(rule.words) and rule.words[rule.at] not in ("-m", "-j", "-g"):
        words.append(rule._take())
    name = words[words.index("--name") + 1] if "--name" in words else "DEFAULT"
    field = "dst" if "--rdest" in words else "src"
    if "--set" in words:
        rule.sets_recent.append((name, field, len(rule.conds), len(rule.chances)))
        if no:
            rule.conds.append(lambda s: False)
        return
    # --rcheck, --update and --remove ask for an entry.
    rule.conds.append(lambda s: ((name, getattr(s, field)) in s.recent) != no)


def skip_value(rule, no):
    """An option whose value changes nothing for a first packet."""
    rule._take()


def true_for_first(*options):
    return {o: skip_value for o in options}


def constant(value):
    def read(rule, no):
        rule._take()
        rule.conds.append(lambda s: value != no)
    return read


def read_icmp(rule, no):
    text = rule._take()
    kind, _, code = text.partition("/")
    kind = ICMP_TYPES[kind] if kind in ICMP_TYPES else int(kind)
    rule.conds.append(negate(no, lambda s: kind is None or s.packet.icmp[0] == kind and (not code or s.packet.icmp[1] == int(code))))


def flag(rule, no):
    """An option without a value that changes nothing here."""


PORTS = {"--dport": ports_of("dport"), "--sport": ports_of("sport")}
RECENT = {o: read_recent for o in ("--set", "--rcheck", "--update", "--remove")}
MATCHES = {
    "tcp": {**PORTS, "--tcp-flags": read_flags, "--tcp-option": constant(False)},
    "udp": PORTS, "sctp": PORTS, "dccp": PORTS, "udplite": PORTS,
    "icmp": {"--icmp-type": read_icmp}, "icmp6": {"--icmpv6-type": read_icmp}, "ipv6-icmp": {"--icmpv6-type": read_icmp},
    "multiport": {"--dports": ports_of("dport"), "--sports": ports_of("sport"), "--ports": ports_of("both")},
    "mark": {"--mark": read_mark("mark")}, "connmark": {"--mark": read_mark("ctmark")},
    "state": {"--state": read_ctstate},
    "conntrack": {
        "--ctstate": read_ctstate, "--ctstatus": ct_field(lambda rule, text: lambda s: False),
        "--ctproto": ct_field(lambda rule, text: lambda s: s.proto == (PROTOCOLS[text] if text in PROTOCOLS else int(text))),
        "--ctdir": ct_field(lambda rule, text: lambda s: text == "ORIGINAL"),
        "--ctorigsrc": ct_address(lambda s: s.packet.src), "--ctorigdst": ct_address(lambda s: s.packet.dst),
        "--ctreplsrc": ct_address(lambda s: s.dst), "--ctrepldst": ct_address(lambda s: s.src),
        "--ctorigsrcport": ct_port(lambda s: s.packet.sport), "--ctorigdstport": ct_port(lambda s: s.packet.dport),
        "--ctreplsrcport": ct_port(lambda s: s.dport), "--ctrepldstport": ct_port(lambda s: s.sport)},
    "iprange": {"--src-range": read_range("src"), "--dst-range": read_range("dst")},
    "addrtype": {"--src-type": read_types("src"), "--dst-type": read_types("dst"), "--limit-iface-in": flag, "--limit-iface-out": flag},
    "statistic": {"--mode": read_statistic},
    "recent": RECENT,
    "comment": true_for_first("--comment"),
    "nfacct": true_for_first("--nfacct-name"),
    "limit": true_for_first("--limit", "--limit-burst"),
    "hashlimit": {**true_for_first("--hashlimit-upto", "--hashlimit-burst", "--hashlimit-name", "--hashlimit-mode"), "--hashlimit-above": constant(False)},
    "connlimit": {"--connlimit-upto": constant(True), "--connlimit-above": constant(False), "--connlimit-mask": skip_value,
                  "--connlimit-saddr": flag, "--connlimit-daddr": flag},
    "quota": {"--quota": constant(True)},
}


Rule.matches = MATCHES


class Table:
    def __init__(self, backend, name):
        self.backend, self.name, self.policy, self.chains = backend, name, {}, {}


def parse_rule(ident, text, family, cache, kind):
    """@cache: {(table, text): Rule} that spares reading equal texts again; rules with an unknown match are told by their place and not kept."""
    rule = cache.get((ident[2], text)) if cache is not None else None
    if rule is None:
        rule = kind(ident, text, family)
        if cache is not None and not rule.unknown:
            cache[ident[2], text] = rule
    return rule


COUNTERS = re.compile(r"^\[\d+:\d+\] ")


def parse(text, backend, family, cache=None, kind=Rule):
    """{table name: Table} of an iptables-save text, its rules of class @kind."""
    tables, table = {}, None
    for line in text.split("\n"):
        line = COUNTERS.sub("", line.strip())
        if not line or line.startswith("#"):
            continue
        if line.startswith("*"):
            table = tables.setdefault(line[1:], Table(backend, line[1:]))
        elif line == "COMMIT":
            table = None
        elif line.startswith(":"):
            name, policy = line[1:].split()[:2]
            table.chains.setdefault(name, [])
            if policy != "-":
                table.policy[name] = policy
        elif line.startswith("-A "):
            chain = line.split(" ", 2)[1]
            rules = table.chains.setdefault(chain, [])
            rules.append(parse_rule((backend, family, table.name, chain, len(rules) + 1), line, family, cache, kind))
        else:
            raise Unparsable(line)
    return tables


# ---- the walk ----

class World:
    """The rules and facts of a node, for one family. @entries: [(recent list, address)] that are there from before; @trail: a set that takes
    the places that are asked, (table, chain, position from 1, 0 for the end of the chain)."""

    def __init__(self, facts, dumps, entries=(), trail=None):
        self.facts, self.dumps, self.entries, self.trail = facts, dumps, entries, trail

    def order(self, hook):
        """[(priority, "conntrack" | [tables])]: nat tables of a hook run together."""
        runs = []
        if hook in ("PREROUTING", "OUTPUT"):
            runs.append((CONNTRACK, "conntrack"))
        nat = []
        for dump in self.dumps:
            for name, table in dump.items():
                if hook not in HOOKS.get(name, ()):
                    continue
                if name == "nat":
                    nat.append(table)
                else:
                    runs.append((PRIORITY[name], table))
        if nat:
            runs.append((-100 if hook in ("PREROUTING", "OUTPUT") else 100, nat))
        return sorted(runs, key=lambda r: r[0])

    def run_chain(self, table, name, states):
        """([states with a verdict], [states that fell off its end])."""
        done, fell = [], []
        for i, rule in enumerate(table.chains[name]):
            if not states:
                break
            if self.trail is not None:
                self.trail.add((table.name, name, i + 1))
            going = []
            for s in states:
                if not all(c(s) for c in rule.conds):
                    going.append(self.set_in_passing(rule, s))
                    continue
                for met, t in self.split(rule, s):
                    if not met:
                        going.append(t)
                        continue
                    self.apply(table, rule, t, done, fell, going)
            states = going
        if self.trail is not None and states:
            self.trail.add((table.name, name, 0))
        return done, fell + states

    @staticmethod
    def split(rule, s):
        """[(met, state)] by unknown matches and by chance."""
        if not rule.unknown and not rule.chances and not rule.sets_recent:
            return [(True, s)]
        ways = [(True, s)]
        if rule.unknown:
            known = dict(s.assumed).get(rule.id)
            values = (True, False) if known is None else (known,)
            ways = []
            for v in values:
                t = s.copy()
                t.assumed = s.assumed | {(rule.id, v)}
                ways.append((v, t))
        for chance in rule.chances:
            more = []
            for met, t in ways:
                if not met:
                    more.append((met, t))
                    continue
                for v, c in ((True, chance), (False, 1 - chance)):
                    if c:
                        u = t.copy()
                        u.weight = t.weight * c
                        more.append((v, u))
            ways = more
        out = []
        for met, t in ways:
            if met and rule.sets_recent:
                t = t.copy()
                t.recent = t.recent | {(name, getattr(t, field)) for name, field, _, _ in rule.sets_recent}
            out.append((met, t if met else World.set_in_passing(rule, t)))
        return out

    @staticmethod
    def set_in_passing(rule, s):
        """A rule that is not met has set what stands before whatever failed: xt_recent does that when it is asked."""
        new = set() if rule.unknown else {(name, getattr(s, field)) for name, field, conds, chances in rule.sets_recent
                                          if chances == 0 and all(c(s) for c in rule.conds[:conds])}
        if not new - s.recent:
            return s
        t = s.copy()
        t.recent = s.recent | new
        return t

    def apply(self, table, rule, s, done, fell, going):
        j = rule.jump
        if j is None:
            going.append(s)
        elif j in table.chains and not (j in ("ACCEPT", "DROP", "RETURN")):
            d, f = self.run_chain(table, j, [s])
            done += d
            if rule.goto:
                fell += f
            else:
                going += f
        elif j == "RETURN":
            fell.append(s)
        elif j in ("ACCEPT", "DROP", "REJECT"):
            s.verdict, s.named = j, j == "ACCEPT" and table.name in ("filter", "security") or s.named
            done.append(s)
        else:
            target = TARGETS.get(j)
            if target is None:
                self.unknown_target(rule, s, done, going)
                return
            (done if target(self, rule, s) else going).append(s)

    @staticmethod
    def unknown_target(rule, s, done, going):
        for v in (True, False):
            t = s.copy()
            t.assumed = s.assumed | {(rule.id, v)}
            if v:
                t.verdict = "UNDECIDED"
            (done if v else going).append(t)

    def run_base(self, table, hook, states):
        done, fell = self.run_chain(table, hook, states)
        for s in fell:
            s.verdict = table.policy.get(hook, "ACCEPT")
            done.append(s)
        return done

    def pass_by(self, what, hook, states, endings):
        """What sits in a hook and has no rules: conntrack."""
        for s in states:
            if s.ct is None:
                s.ct = "new"
        return states

    def run_hook(self, hook, states, endings):
        """The states that pass the hook; the others are appended to @endings."""
        for s in states:
            s.hook = hook
        for _, what in self.order(hook):
            if isinstance(what, str):
                states = self.pass_by(what, hook, states, endings)
                continue
            for s in states:
                s.before = (s.src, s.dst, s.mark)
            states = self.run_nat(what, hook, states) if isinstance(what, list) else self.run_base(what, hook, states)
            if hook == "OUTPUT":
                self.route_again(what, states)
            passed = []
            for s in states:
                if s.verdict in (None, "ACCEPT"):
                    s.verdict = None
                    passed.append(s)
                else:
                    endings.append(s)
            states = passed
        return states

    def run_nat(self, tables, hook, states):
        """All nat chains of a hook until one binds; a binding is made once for each direction."""
        bound = "dst_bound" if hook in ("PREROUTING", "OUTPUT") else "src_bound"
        out, todo = [], []
        for s in states:
            (out if s.ct != "new" or getattr(s, bound) else todo).append(s)
        for table in tables:
            nxt = []
            for s in self.run_base(table, hook, todo):
                if s.verdict == "ACCEPT" and not getattr(s, bound):
                    s.verdict = None
                    nxt.append(s)
                else:
                    out.append(s)
            todo = nxt
        for s in todo:
            setattr(s, bound, True)
        return out + todo

    # ---- the way of a packet ----

    def route(self, s):
        kind, device, s.gateway = self.facts.route(s.src, s.dst, s.mark, s.iif)
        if kind == "local":
            s.way = (True, "lo")
        else:
            s.way = (s.packet.iif is not None and kind in ("broadcast", "anycast"), device)

    @staticmethod
    def reroutes(what):
        return what.name == "mangle"

    def route_again(self, what, states):
        """A packet of the node is routed again right after a mangle chain that changed address or mark, and after a DNAT to another address."""
        for s in states:
            changed = s.dst != s.packet.dst if isinstance(what, list) else self.reroutes(what) and s.before != (s.src, s.dst, s.mark)
            if changed and s.verdict in (None, "ACCEPT"):
                self.route(s)

    def postrouting(self, states, endings):
        for s in states:
            s.iif, s.oif = None, s.way[1]
        return self.run_hook("POSTROUTING", states, endings)

    def walk_from_node(self, s, endings):
        """The states that are to be delivered here."""
        self.route(s)
        s.oif = s.way[1]
        passed = self.postrouting(self.run_hook("OUTPUT", [s], endings), endings)
        endings += [s for s in passed if not s.way[0]]
        local = [s for s in passed if s.way[0]]
        for s in local:
            s.iif, s.oif = "lo", None
        return self.run_hook("PREROUTING", local, endings)

    def walk_from_wire(self, s, endings):
        passed = self.run_hook("PREROUTING", [s], endings)
        for s in passed:
            self.route(s)
        away = [s for s in passed if not s.way[0]]
        for s in away:
            s.oif = s.way[1]
        sent = self.postrouting(self.run_hook("FORWARD", away, endings), endings)
        endings += sent
        return [s for s in passed if s.way[0]]

    def walk(self, packet):
        """[states at their end]."""
        s, endings = State(self, packet), []
        local = (self.walk_from_node if packet.iif is None else self.walk_from_wire)(s, endings)
        delivered = self.run_hook("INPUT", local, endings)
        return endings + delivered

    @staticmethod
    def translated(s):
        return bool(s.dnat)

    def ending(self, s):
        if s.verdict in (None, "ACCEPT"):
            return ("accept", self.translated(s), address_text(s.dst, s.packet.family), s.dport, s.snat is not None)
        return (s.verdict.lower(),)

    def endings(self, packet):
        """{assumptions: {(verdict, translated, address, port, masquerade): weight}}; only the verdict of what is not accepted."""
        out = {}
        for s in self.walk(packet):
            key = self.ending(s)
            fates = out.setdefault(s.assumed, {})
            fates[key] = fates.get(key, 0) + s.weight
        return out

    def fates(self, packet):
        """The endings of a packet that meets nothing unknown: {ending: weight}."""
        found = self.endings(packet)
        if len(found) != 1:
            raise Unparsable(f"{packet} meets unknown rules: {[sorted(a) for a in found]}")
        return next(iter(found.values()))


# ---- targets: True ends the chain ----

def split_endpoint(text):
    """(address or None, port or None) of ADDRESS, ADDRESS:PORT, [ADDRESS]:PORT, :PORT; ranges are refused."""
    m = re.fullmatch(r"\[([0-9a-fA-F:.]+)\](?::(\d+))?|([0-9.]*)(?::(\d+))?|([0-9a-fA-F:]+)", text)
    if not m:
        raise Unparsable(text)
    host = m[1] or m[3] or m[5]
    port = m[2] or m[4]
    return address(host) if host else None, int(port) if port else None


def bind_dst(s, value, port):
    new = (s.dst if value is None else value, port if port and s.proto in WITH_PORTS else s.dport)
    s.dnat = (s.dnat or False) or new != (s.dst, s.dport)
    s.dst, s.dport = new
    s.dst_bound, s.verdict = True, "ACCEPT"
    return True


def bind_src(s, value, port):
    new = (s.src if value is None else value, port if port and s.proto in WITH_PORTS else s.sport)
    s.snat = new != (s.src, s.sport)
    s.src, s.sport = new
    s.src_bound, s.verdict = True, "ACCEPT"
    return True


def target_dnat(world, rule, s):
    return bind_dst(s, *split_endpoint(rule.options["--to-destination"]))


def target_snat(world, rule, s):
    return bind_src(s, *split_endpoint(rule.options["--to-source"]))


def target_redirect(world, rule, s):
    ports = rule.options.get("--to-ports")
    if s.hook == "OUTPUT":
        value = 1 if s.packet.family == 6 else 0x7f000001
    else:
        value = world.facts.primary(s.iif)
    if value is None:
        s.verdict = "DROP"
        return True
    return bind_dst(s, value, int(ports) if ports else None)


def target_masquerade(world, rule, s):
    if s.packet.family == 4 and s.src == 0:
        s.src_bound, s.verdict = True, "ACCEPT"
        return True
    value = world.facts.masquerade_address(s.oif, s.dst if s.gateway is None or rule.family == 6 else address(s.gateway))
    if value is None and s.oif is not None:
        s.verdict = "DROP"
        return True
    return bind_src(s, value, None)


def target_netmap(world, rule, s):
    value, mask = prefix(rule.options["--to"], rule.family)
    if s.hook in ("PREROUTING", "OUTPUT"):
        return bind_dst(s, s.dst & ~mask | value, None)
    return bind_src(s, s.src & ~mask | value, None)


def target_mark(world, rule, s):
    value, mask = value_mask(rule.options["--set-xmark"])
    s.mark = s.mark & ~mask & 0xffffffff ^ value


def target_connmark(world, rule, s):
    if s.ct != "new":
        return
    o = rule.options
    nf, ct = int(o.get("--nfmask", "0xffffffff"), 0), int(o.get("--ctmask", "0xffffffff"), 0)
    if "--set-xmark" in o:
        value, mask = value_mask(o["--set-xmark"])
        s.ctmark = s.ctmark & ~mask & 0xffffffff ^ value
    elif "--save-mark" in o:
        s.ctmark = s.ctmark & ~ct & 0xffffffff ^ s.mark & nf
    elif "--restore-mark" in o:
        s.mark = s.mark & ~nf & 0xffffffff ^ s.ctmark & ct
    else:
        raise Unparsable(rule.text)


def target_ct(world, rule, s):
    if "--notrack" in rule.options and s.ct is None:
        s.ct = "untracked"


def target_notrack(world, rule, s):
    if s.ct is None:
        s.ct = "untracked"


TARGETS = {"DNAT": target_dnat, "SNAT": target_snat, "REDIRECT": target_redirect, "MASQUERADE": target_masquerade, "NETMAP": target_netmap,
           "MARK": target_mark, "CONNMARK": target_connmark, "CT": target_ct, "NOTRACK": target_notrack}


# ---- comparing with what the program prints ----

def program_endings(doc_endings):
    """[(frozenset of (rule id, bool), ending, weight)] of the endings in a `trace` document."""
    out = []
    for e in doc_endings:
        key = ("accept", e["translated"], e["address"], e["port"] or 0, e["masquerade"]) if e["verdict"] == "accept" else (e["verdict"],)
        assumed = set()
        for a in e["assumes"]:
            by = a["by"]
            assumed.add(((by["backend"], {"ip": 4, "ip6": 6}.get(by["family"], by["family"]), by["table"], by["chain"], by["index"]), a["value"]))
        out.append((frozenset(assumed), key, e["weight"]))
    return out


def consistent(a, b):
    """Do two sets of assumptions take no rule in two ways?"""
    taken = dict(a)
    return all(taken.get(rule, value) == value for rule, value in b)


def disagreement(mine, theirs, tolerance=1e-9):
    """A text that says how World.endings() and program_endings() differ, or None. For every way to take the unknowns the weights must be equal."""
    rules = sorted({r for assumed in mine for r, _ in assumed} | {r for assumed, _, _ in theirs for r, _ in assumed})
    for values in itertools.product((True, False), repeat=len(rules)):
        way = frozenset(zip(rules, values))
        a, b = {}, {}
        for assumed, fates in mine.items():
            if consistent(assumed, way):
                for key, weight in fates.items():
                    a[key] = a.get(key, 0) + weight
        for assumed, key, weight in theirs:
            if consistent(assumed, way):
                b[key] = b.get(key, 0) + (weight if weight is not None else 0)
        for key in set(a) | set(b):
            if abs(float(a.get(key, 0)) - b.get(key, 0)) > tolerance:
                return f"{key}: linear {float(a.get(key, 0))!r}, program {b.get(key, 0)!r}" + (f" where {sorted(way)}" if way else "") + \
                    f"; linear {sorted((k, float(v)) for k, v in a.items())}, program {sorted(b.items())}"
    return None
