# SPDX-License-Identifier: GPL-2.0-or-later
"""Random native nftables rulesets for the kernel tests, as text for `nft -f`: tables of the families ip, ip6 and inet, some beside
tables of iptables-nft.

No two base chains of a hook share a priority, for which of them runs first is not in any dump; what the past decides is left out
but for sets that rules fill, which are emptied between packets."""
import re

from kernel_xtables import POOLS

PRIORITIES = (-350, -310, -250, -190, -160, -140, -110, -90, -10, 5, 40, 60, 90, 110, 200)
FILTER_HOOKS = ("prerouting", "input", "forward", "output", "postrouting")
NAT_HOOKS = ("prerouting", "input", "output", "postrouting")
PORTS = ("80", "443", "53", "8080", "30080")


class Place:
    """A chain: what may stand in it depends on its hook and type."""

    def __init__(self, table, kind, hook, own):
        self.table, self.kind, self.hook, self.own = table, kind, hook, own
        self.fam, self.p, self.ip, self.inet = table.fam, table.p, table.ip, table.inet
        self.into = hook in ("prerouting", "input", "forward")
        self.out = hook in ("forward", "output", "postrouting")
        self.to = f" {self.ip} to" if self.inet else " to"


def neq(r, chance=0.25):
    return "!= " if r.random() < chance else ""


def distinct(r, pool, low=1, high=3):
    return r.sample(pool, min(len(pool), r.randint(low, high)))


def nets_of(p):
    """Prefixes that do not overlap, for one set."""
    return ["10.96.0.0/16", "10.244.1.0/24", "172.30.99.0/24", "198.51.100.0/24"] if p.fam == 4 else ["fd96:1::/64", "fd44:1::/64", "fd99::/64", "fd98::/64"]


def some_net(r, p):
    return r.choice([n for n in p.nets if not n.startswith(("0.0.0.0", "::/0")) and "/255" not in n and "/ff" not in n])


# ---- conditions ----

def c_addr(r, at):
    p, field = at.p, r.choice(["daddr", "daddr", "saddr"])
    kind = r.random()
    hosts = p.services * 2 + p.pods + p.client + p.node if field == "daddr" else p.pods + p.client + p.node
    if kind < 0.3:
        right = neq(r) + r.choice(hosts)
    elif kind < 0.5:
        right = neq(r) + some_net(r, p)
    elif kind < 0.6:
        right = neq(r) + r.choice(p.ranges)
    elif kind < 0.7:
        right = neq(r) + "{ " + ", ".join(distinct(r, sorted(set(hosts)))) + " }"
    elif kind < 0.8:
        right = neq(r) + "{ " + ", ".join(distinct(r, nets_of(p))) + " }"
    elif kind < 0.9:
        right = neq(r) + r.choice(["@hosts", "@nets"])
    elif at.fam == 4:
        return f"{at.ip} {field} & 255.0.0.255 {r.choice(['==', '!='])} 10.0.0.9"
    else:  # no "<=": nft lists it with a ">=" as a range, and one that is empty is not to be read
        right = r.choice(["< ", "> ", ">= "]) + r.choice(hosts)
    return f"{at.ip} {field} {right}"


def c_port(r, at):
    proto = r.choice(["tcp", "tcp", "udp", "sctp"])
    field, ports = ("dport", PORTS) if r.random() < 0.75 else ("sport", ("20000-30000", "1-19999", "20005"))
    kind = r.random()
    if field == "sport":
        return f"{proto} sport {neq(r, 0.35)}{r.choice(ports)}"
    if kind < 0.4:
        return f"{proto} dport {neq(r)}{r.choice(PORTS)}"
    if kind < 0.55:
        return f"{proto} dport {neq(r)}{r.choice(['53-443', '8000-9000', '1-100'])}"
    if kind < 0.7:
        return f"{proto} dport {neq(r)}{{ {', '.join(distinct(r, PORTS))} }}"
    if kind < 0.8:
        return f"{proto} dport {r.choice(['<', '>', '>='])} {r.choice(PORTS)}"
    if kind < 0.9:
        return f"{proto} dport {neq(r)}@ports"
    return f"meta l4proto {{ tcp, udp }} th dport {neq(r)}{r.choice(PORTS)}"


def c_proto(r, at):
    v = [f"meta l4proto {neq(r, 0.35)}{r.choice(['tcp', 'udp', 'sctp', at.p.icmp])}", f"meta l4proto {neq(r)}{{ tcp, udp }}"]
    v.append(f"ip protocol {neq(r)}{r.choice(['tcp', 'udp', 'icmp'])}" if at.fam == 4 else f"ip6 nexthdr {neq(r)}{r.choice(['tcp', 'udp', 'ipv6-icmp'])}")
    return r.choice(v)


def c_icmp(r, at):
    if at.fam == 4:
        return r.choice([f"icmp type {neq(r)}{r.choice(['echo-request', 'echo-reply', 'destination-unreachable'])}", "icmp type { echo-request, echo-reply }",
                         f"icmp code {neq(r)}{r.choice(['0', '1'])}", f"icmp type echo-request icmp code {r.choice(['0', '1'])}"])
    return r.choice([f"icmpv6 type {neq(r)}{r.choice(['echo-request', 'echo-reply', 'destination-unreachable'])}", "icmpv6 type { echo-request, echo-reply }",
                     f"icmpv6 code {neq(r)}{r.choice(['0', '1'])}"])


def c_flags(r, at):
    return r.choice(["tcp flags syn", "tcp flags & (fin | syn | rst | ack) == syn", "tcp flags & (fin | syn | rst | ack) != syn", "tcp flags ack",
                     "tcp flags & (syn | ack) == (syn | ack)", "tcp flags & rst == 0", "tcp flags & rst != 0"])


def c_fragment(r, at):
    if at.fam == 4:
        return f"ip frag-off & 0x1fff {r.choice(['!=', '=='])} 0"
    return f"exthdr {r.choice(['hbh', 'frag', 'rt', 'dst'])} {r.choice(['exists', 'missing'])}"


def c_device(r, at):
    keys = (["iifname", "iif"] if at.into else []) + (["oifname", "oif"] if at.out else [])
    # A packet that the node sends has no input interface, and one that it gets no output interface: nothing there is asked for.
    key = r.choice(keys)
    if key in ("iif", "oif"):
        return f"{key} {neq(r)}{r.choice(['eth0', 'eth1', 'cni0', 'lo'])}"
    return f"{key} {neq(r)}" + r.choice(['"eth0"', '"eth1"', '"cni0"', '"eth*"', '"lo"', '{ "eth0", "cni0" }', "@links"])


def c_mark(r, at):
    return r.choice([f"meta mark {neq(r)}{r.choice(['0x0', '0x1', '0x4000'])}", f"meta mark & 0x4000 {r.choice(['==', '!='])} 0x4000", "meta mark & 0x1 != 0",
                     "meta mark & 0xff == 0x1", "meta mark { 0x0, 0x4000 }", "meta mark < 0x100", "meta mark ^ 0x1 == 0x1", f"meta mark {neq(r)}@marks"])


def c_state(r, at):
    return r.choice(["ct state new", "ct state invalid", "ct state established,related", "ct state { new, untracked }", "ct state != new", "ct state untracked",
                     "ct state != { invalid, untracked }", "ct status dnat", "ct status snat", "ct status & dnat != 0", "ct status & (snat | dnat) == 0"])


def c_ct(r, at):
    p, way = at.p, r.choice(["original", "original", "reply"])
    hosts = p.services + p.pods + p.client + p.node
    v = [f"ct direction {neq(r)}{r.choice(['original', 'reply'])}", f"ct mark {neq(r)}{r.choice(['0x0', '0x1'])}", "ct mark & 0xff == 0x1",
         f"ct {way} {at.ip} saddr {neq(r)}{r.choice([some_net(r, p), r.choice(hosts)])}", f"ct {way} {at.ip} daddr {neq(r)}{r.choice([some_net(r, p), r.choice(hosts)])}",
         f"meta l4proto {{ tcp, udp }} ct {way} proto-dst {neq(r)}{r.choice(PORTS)}", f"meta l4proto {{ tcp, udp }} ct {way} proto-src {neq(r)}20000-30000",
         f"ct {way} protocol {neq(r)}{r.choice(['tcp', 'udp'])}"]
    return r.choice(v)


def c_fib(r, at):
    side = r.choice(["daddr", "daddr", "saddr"])
    types = ["local", "unicast", "broadcast", "multicast"] if at.fam == 4 else ["local", "unicast"]
    v = [f"fib {side} type {neq(r)}{r.choice(['local', 'local', r.choice(types)])}", f"fib {side} type {neq(r)}{{ local, unicast }}"]
    if at.into:
        v += [f"fib {side} . iif type {neq(r)}local"] * 2
    if at.hook == "prerouting":
        v += [f"fib saddr . iif oif {r.choice(['exists', 'missing'])}", f"fib saddr oif {r.choice(['exists', 'missing'])}"]
    return r.choice(v)


def c_lookup(r, at):
    p, ip = at.p, at.ip
    v = [f"{ip} daddr . meta l4proto . th dport {neq(r)}@services", f"{ip} daddr . meta l4proto . th dport {neq(r)}@ranges",
         f"{ip} daddr . tcp dport {neq(r)}{{ {p.services[0]} . 80, {p.services[1]} . 443 }}", f"{ip} saddr . {ip} daddr {neq(r)}{{ {p.pods[0]} . {p.services[0]}, {p.client[0]} . {p.node[0]} }}",
         f"meta l4proto . th dport {{ tcp . 53-443, udp . 53 }}", f"meta mark . meta l4proto {{ 0x0 . tcp, 0x4000 . udp }}",
         f"ct original {ip} daddr . meta l4proto {{ {p.services[0]} . tcp, {p.services[1]} . udp }}"]
    if at.into:
        v += [f'iifname . {ip} saddr {neq(r)}{{ "cni0" . {p.pods[0]}, "eth1" . {p.client[0]} }}']
    if at.out:
        v += [f'oifname . meta l4proto {neq(r)}{{ "eth0" . tcp, "cni0" . udp }}']
    if at.into:
        v += [f"fib daddr type . meta l4proto {{ local . tcp, unicast . udp }}"]
    return r.choice(v)


def c_chance(r, at):
    return r.choice(["numgen random mod 2 0", "numgen random mod 3 < 1", "numgen inc mod 2 0", "numgen random mod 7 != 3", "numgen random mod 4 { 0, 2 }"])


def c_past(r, at):
    return r.choice(["limit rate 10000/second burst 10000 packets", "limit rate over 10000/second burst 10000 packets", "quota 1000 mbytes", "quota over 1000 mbytes",
                     "ct count over 1000", "ct count 1000", f"{at.ip} {r.choice(['saddr', 'daddr'])} {neq(r)}@seen"])


def c_family(r, at):
    if r.random() < 0.4:
        return f"meta protocol {neq(r)}{r.choice(['{ ip, ip6 }', '{ ip, arp }', '{ ip6, arp }', '{ ip6, 8021q }'])}"
    if not at.inet:
        return f"meta protocol {neq(r, 0.4)}{'ip' if at.fam == 4 else 'ip6'}"
    return f"meta nfproto {neq(r, 0.4)}{'ipv4' if at.fam == 4 else 'ipv6'}"


CONDITIONS = [(c_addr, 7), (c_port, 6), (c_proto, 3), (c_icmp, 3), (c_flags, 2), (c_fragment, 1), (c_device, 4), (c_mark, 4), (c_state, 4), (c_ct, 7), (c_fib, 4),
              (c_lookup, 4), (c_chance, 1), (c_past, 3), (c_family, 4)]
CHOICE = [c for c, n in CONDITIONS for _ in range(n)]
WORDS = ("tcp", "udp", "sctp", "icmp", "icmpv6", "meta l4proto", "ip protocol", "ip6 nexthdr", "th ")


# Two of these side by side are one comparison in the kernel: nft 1.0.6 joins "sport != 1 dport != 2" to "not both", and lists it as it was written.
MERGED = re.compile(r"(saddr|daddr|sport|dport|type|code|protocol|nexthdr) != [^{@]")


def asks(text):
    """Which protocol it is about, so that no rule asks for two."""
    for w in ("tcp ", "udp ", "sctp ", "icmp ", "icmpv6 "):
        if text.startswith(w):
            return w
    return "any" if any(w in text for w in WORDS) else None


def conditions(r, at):
    v, proto = [], None
    for _ in range(r.choice([0, 1, 1, 1, 2, 2, 3])):
        c = r.choice(CHOICE)(r, at)
        a = asks(c)
        if (a and proto and (a != proto or a == "any")) or (MERGED.search(c) and any(MERGED.search(x) for x in v)):
            continue
        proto = proto or a
        v.append(c)
    return v


# ---- statements ----

def refusal(r, at, conds):
    if any(c.startswith("tcp ") for c in conds) and r.random() < 0.6:
        return "counter reject with tcp reset"
    if at.inet and r.random() < 0.6:
        return "counter reject with icmpx " + r.choice(["port-unreachable", "admin-prohibited", "no-route", "host-unreachable"])
    if at.fam == 4:
        kind = r.choice(["port-unreachable", "net-unreachable", "host-unreachable", "prot-unreachable", "net-prohibited", "host-prohibited", "admin-prohibited"])
        return f"{'meta nfproto ipv4 ' if at.inet else ''}counter reject with icmp {kind}"
    kind = r.choice(["port-unreachable", "no-route", "admin-prohibited", "addr-unreachable", "policy-fail", "reject-route"])
    return f"{'meta nfproto ipv6 ' if at.inet else ''}counter reject with icmpv6 {kind}"


def marks(r):
    return r.choice(["meta mark set meta mark | 0x4000", "meta mark set meta mark & 0xffffbfff", "meta mark set meta mark ^ 0x1", "meta mark set 0x1", "meta mark set 0x4000",
                     "ct mark set 0x1", "ct mark set meta mark", "meta mark set ct mark", "meta mark set tcp dport map { 80 : 0x1, 443 : 0x4000 }",
                     "meta mark set meta mark & 0xffffff00 | 0x1", "meta mark set meta l4proto map @tomark", "ct mark set ct mark | 0x4000"])


def verdict(r, at, chain_only=False):
    v = ["accept", "drop", "return", "continue"] if not chain_only else []
    v += [f"{r.choice(['jump', 'goto'])} {c}" for c in at.own for _ in range(2)]
    return r.choice(v) if v else "continue"


def vmap(r, at):
    p = at.p
    hosts = distinct(r, p.services + p.pods, 2, 3)
    v = [f"tcp dport vmap {{ 80 : {verdict(r, at)}, 443 : {verdict(r, at)} }}", f"meta l4proto vmap {{ tcp : {verdict(r, at)}, udp : {verdict(r, at)} }}",
         f"{at.ip} daddr vmap {{ {', '.join(f'{h} : {verdict(r, at)}' for h in hosts)} }}",
         f"{at.ip} daddr . tcp dport vmap {{ {p.services[0]} . 80 : {verdict(r, at)}, {p.services[1]} . 80-443 : {verdict(r, at)} }}",
         f"numgen random mod 3 vmap {{ 0 : {verdict(r, at)}, 1 : {verdict(r, at)} }}", f"numgen inc mod 2 vmap {{ 0 : {verdict(r, at)}, 1 : {verdict(r, at)} }}",
         f"ct state vmap {{ new : {verdict(r, at)}, untracked : {verdict(r, at)} }}", f"meta mark vmap {{ 0x0 : {verdict(r, at)}, 0x4000 : {verdict(r, at)} }}",
         f"{at.ip} daddr vmap {{ {hosts[0]} : {verdict(r, at)}, * : {verdict(r, at)} }}", f"th dport vmap {{ 1-79 : {verdict(r, at)}, 80 : {verdict(r, at)} }}",
         f"ct original {at.ip} daddr vmap {{ {p.services[0]} : {verdict(r, at)} }}"]
    icmp = "icmp" if at.fam == 4 else "icmpv6"
    rare = [f"{icmp} type vmap {{ echo-request : {verdict(r, at)} }}", f"{icmp} type vmap {{ echo-reply : {verdict(r, at)}, destination-unreachable : {verdict(r, at)} }}",
          f"th sport vmap {{ 20000-24000 : {verdict(r, at)} }}", f"ct direction vmap {{ {r.choice(['original', 'reply'])} : {verdict(r, at)} }}",
          f"ct mark vmap {{ 0x0 : {verdict(r, at)} }}", f"ct mark vmap {{ 0x1 : {verdict(r, at)}, 0x4000 : {verdict(r, at)} }}", f"meta protocol vmap {{ ip : {verdict(r, at)} }}", f"meta protocol vmap {{ ip6 : {verdict(r, at)} }}",
          f"ct original protocol vmap {{ tcp : {verdict(r, at)} }}", f"ct reply {at.ip} saddr vmap {{ {', '.join(f'{h} : {verdict(r, at)}' for h in p.services + p.pods)} }}",
          f"ct reply {at.ip} daddr vmap {{ {p.client[0]} : {verdict(r, at)}, {p.pods[0]} : {verdict(r, at)} }}", f"ct original {at.ip} saddr vmap {{ {', '.join(f'{h} : {verdict(r, at)}' for h in p.client + p.pods)} }}",
          f"fib saddr type vmap {{ {r.choice(['local', 'unicast'])} : {verdict(r, at)} }}", f"fib daddr type vmap {{ {r.choice(['local', 'unicast'])} : {verdict(r, at)} }}",
          f"{at.ip} saddr . {at.ip} daddr vmap {{ {p.pods[0]} . {hosts[0]} : {verdict(r, at)} }}"]
    if at.inet:
        rare += [f"meta nfproto vmap {{ {r.choice(['ipv4', 'ipv6'])} : {verdict(r, at)} }}"] * 3
    if at.out:
        v.append(f'oifname vmap {{ "cni0" : {verdict(r, at)}, "eth0" : {verdict(r, at)} }}')
    if at.into:
        v.append(f'iifname vmap {{ "cni0" : {verdict(r, at)}, "eth0" : {verdict(r, at)} }}')
    if at.own and at.table.maps.get(at.own[0]):
        v += [f"{at.ip} daddr . meta l4proto . th dport vmap @{at.table.maps[at.own[0]]}"] * 3
    text = r.choice(v if r.random() < 0.5 else rare)
    return ("meta l4proto { tcp, udp } " if "th " in text[:3] else "") + text


def translations(r, at):
    p, port = at.p, r.choice(["80", "8080", "8443", "53"])
    hosts = distinct(r, p.pods + p.far[:2] + p.node[:1], 2, 3)
    if at.hook in ("prerouting", "output"):
        two = ", ".join(f"{i} : {h} . {port}" for i, h in enumerate(hosts))
        return [f"meta l4proto {r.choice(['tcp', 'udp'])} dnat{at.to} {p.with_port(p.target(r), port)}", f"dnat{at.to} {p.target(r)}",
                f"meta l4proto {r.choice(['tcp', 'udp'])} dnat{at.to} {p.with_port(p.target(r), port)}",
                f"meta l4proto tcp dnat {at.ip} to numgen random mod {len(hosts)} map {{ {two} }}", f"meta l4proto tcp dnat {at.ip} to numgen inc mod {len(hosts)} map {{ {two} }}",
                f"meta l4proto udp dnat {at.ip} to jhash {at.ip} saddr mod {len(hosts)} map {{ {two} }}",
                f"dnat{at.to} {at.ip} daddr map {{ {p.services[0]} : {hosts[0]}, {p.services[1]} : {hosts[1]} }}", f"dnat{at.to} {at.ip} daddr map @tohost",
                f"meta l4proto {{ tcp, udp }} dnat {at.ip} to {at.ip} daddr . th dport map @toendpoint", f"tcp dport 80 redirect to :{port}", "redirect",
                f"meta l4proto udp redirect to :{port}", f"meta l4proto tcp dnat{at.to} :{port}" if not at.inet else "redirect"]
    source = r.choice(p.snat)
    v = [f"snat{at.to} {source}", f"snat{at.to} {at.ip} saddr map {{ {p.pods[0]} : {p.snat[0]}, {p.client[0]} : {p.snat[1]} }}"]
    return v + (["masquerade", "masquerade", "masquerade fully-random", "meta l4proto tcp masquerade"] if at.hook == "postrouting" else [])


def statement(r, at, conds):
    t = [verdict(r, at), verdict(r, at, True), verdict(r, at, True), vmap(r, at), vmap(r, at), vmap(r, at), marks(r), marks(r), "counter", 'log prefix "x"', "return", "",
         f"{r.choice(['add', 'update'])} @seen {{ {at.ip} {r.choice(['saddr', 'daddr'])} }}"]
    if at.kind == "nat":
        return r.choice(t + translations(r, at) * 2)
    if at.hook in ("prerouting", "input", "forward", "output"):
        t += [refusal(r, at, conds)] * 2
    if at.hook in ("prerouting", "output"):
        t += ["notrack"]
    return r.choice(t + ["drop", "accept", "accept"])


def rule(r, at):
    conds = conditions(r, at)
    what = statement(r, at, conds)
    if ("drop" in what or "reject" in what or what == "notrack") and len(conds) < 2:
        conds += [c_addr(r, at)]
    asked = {asks(c) for c in conds} - {None}
    if asked and asks(what.replace("counter ", "")) and "vmap" not in what and "tcp reset" not in what:
        conds = [c for c in conds if not asks(c)]
    elif asked and "vmap" in what and asks(what):
        conds = [c for c in conds if not asks(c)]
    if r.random() < 0.15:
        conds.insert(r.randint(0, len(conds)), r.choice(["counter", marks(r) if not asked else "meta mark set 0x1", f"update @seen {{ {at.ip} saddr }}"]))
    return " ".join(conds + [what]).strip() or "counter"


# ---- tables ----

class Table:
    def __init__(self, r, name, family, fam, taken):
        self.r, self.name, self.family, self.fam, self.taken = r, name, family, fam, taken
        self.p, self.ip, self.inet = POOLS[fam], "ip" if fam == 4 else "ip6", family == "inet"
        self.kind = "ipv4_addr" if fam == 4 else "ipv6_addr"
        self.maps = {}

    def sets(self):
        p, kind = self.p, self.kind
        hosts = [p.services[0], p.pods[0], p.client[0], p.node[0]]
        triple = f"{kind} . inet_proto . inet_service"
        return [f"set hosts {{ type {kind}; elements = {{ {', '.join(hosts)} }} }}", f"set nets {{ type {kind}; flags interval; elements = {{ {', '.join(nets_of(p)[:3])} }} }}",
                "set ports { type inet_service; elements = { 80, 53 } }", "set marks { type mark; elements = { 0x1, 0x4000 } }",
                'set links { type ifname; elements = { "eth0", "cni0" } }', f"set seen {{ type {kind}; size 65535; flags dynamic,timeout; timeout 60s; }}",
                f"set services {{ type {triple}; elements = {{ {p.services[0]} . tcp . 80, {p.services[1]} . udp . 53, {p.pods[0]} . tcp . 8080 }} }}",
                f"set ranges {{ type {triple}; flags interval; elements = {{ {nets_of(p)[0]} . tcp . 80-443, {p.pods[0]} . tcp . 1-65535, {nets_of(p)[2]} . udp . 53 }} }}",
                "map tomark { type inet_proto : mark; elements = { tcp : 0x1, udp : 0x4000 } }",
                f"map tohost {{ type {kind} : {kind}; elements = {{ {p.services[0]} : {p.pods[0]}, {p.services[1]} : {p.far[0]} }} }}",
                f"map toendpoint {{ type {kind} . inet_service : {kind} . inet_service; elements = {{ {p.services[0]} . 80 : {p.pods[1]} . 8080, {p.services[1]} . 443 : {p.far[0]} . 8443 }} }}"]

    def bases(self):
        r = self.r
        v = [("filter", h) for h in r.sample(FILTER_HOOKS, r.randint(1, 4))] + [("nat", h) for h in r.sample(NAT_HOOKS, r.randint(1, 3))]
        if r.random() < 0.3:
            v.append(("route", "output"))
        if r.random() < 0.3:
            v.append(("nat", "prerouting"))
        return v

    def lines(self):
        r, sets, chains = self.r, self.sets(), []
        for i, (kind, hook) in enumerate(self.bases()):
            prio = r.choice([x for x in PRIORITIES if (hook, x) not in self.taken and (kind != "nat" or x > -200)])
            self.taken.add((hook, prio))
            own = [f"c{i}-{n}" for n in range(r.randint(0, 3))]
            for n, c in enumerate(own):
                if r.random() < 0.5:
                    self.maps[c] = f"m{i}-{n}"
                    p = self.p
                    sets.append(f"map m{i}-{n} {{ type {self.kind} . inet_proto . inet_service : verdict; elements = {{ {p.services[0]} . tcp . 80 : {r.choice(['jump', 'goto'])} {c}, "
                                f"{p.services[1]} . udp . 53 : {r.choice(['accept', 'drop', 'return', 'continue'])}, {p.services[0]} . udp . 80 : goto {c} }} }}")
            policy = "drop" if kind == "filter" and r.random() < 0.04 else "accept"
            chains.append(self.chain(f"b{i}-{kind}-{hook}", f"type {kind} hook {hook} priority {prio}; policy {policy};", Place(self, kind, hook, own)))
            for n, c in enumerate(own):
                chains.append(self.chain(c, "", Place(self, kind, hook, own[n + 1:])))
        # Forward references are resolved at the end of the transaction, chains of verdict maps must be there before.
        names = [f"chain {c.split()[1]} {{ }}" for c in chains if " hook " not in c]
        sets = [x[:-1] + "; }" if not x.endswith("; }") else x for x in sets]
        return [f"table {self.family} {self.name} {{", *names, "}", f"table {self.family} {self.name} {{", *sets, *chains, "}"]

    def chain(self, name, head, at):
        rules = [rule(self.r, at) for _ in range(self.r.randint(2, 8))]
        return "\n".join([f"chain {name} {{", head, *rules, "}"])


def ruleset(r, fam, taken=()):
    taken = set(taken)
    ip = "ip" if fam == 4 else "ip6"
    lines = []
    for i, family in enumerate(r.choice([[ip], [ip], ["inet"], [ip, "inet"]])):
        lines += Table(r, f"t{i}", family, fam, taken).lines()
    return "\n".join(lines) + "\n"
