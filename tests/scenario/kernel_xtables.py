# SPDX-License-Identifier: GPL-2.0-or-later
"""Random iptables rulesets for the kernel tests: every match and target that the engine evaluates, in all tables and hooks.

A ruleset is one that the kernel takes: matches and targets stand only where they are allowed. Left out is what the past decides
(limits are never reached, each packet finds its lists empty) and DNAT to a range, whose choice is a hash."""
HOOKS = {"raw": ("PREROUTING", "OUTPUT"), "mangle": ("PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"),
         "nat": ("PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"), "filter": ("INPUT", "FORWARD", "OUTPUT"),
         "security": ("INPUT", "FORWARD", "OUTPUT")}
TCP, UDP, SCTP = "-p tcp", "-p udp", "-p sctp"


class Pool:
    """The addresses of one family."""

    def __init__(self, fam):
        four = fam == 4
        self.fam = fam
        self.icmp = "icmp" if four else "ipv6-icmp"
        self.services = ["10.96.0.1", "10.96.0.2"] if four else ["fd96:1::1", "fd96:1::2"]
        self.node = ["172.30.99.1", "10.244.1.1", "198.51.100.1"] if four else ["fd99::1", "fd44:1::1", "fd98::1"]
        self.pods = ["10.244.1.5", "10.244.1.6", "10.244.1.9"] if four else ["fd44:1::5", "fd44:1::6", "fd44:1::9"]
        self.far = ["10.244.2.7", "172.30.99.2", "172.30.99.50", "203.0.113.9"] if four else ["fd44:2::7", "fd99::2", "fd99::32", "fd97:1::9"]
        self.client = ["198.51.100.9", "192.0.2.9"] if four else ["fd98::9", "fd97::9"]
        self.lost = ["192.0.99.1"] if four else ["fd96::1"]
        self.loopback = "127.0.0.1" if four else "::1"
        self.nets = ["10.96.0.0/16", "10.244.0.0/16", "10.244.1.0/24", "172.30.99.0/24", "198.51.100.0/24", "0.0.0.0/0", "128.0.0.0/1", "10.0.0.0/8",
                     "10.0.0.9/255.0.0.255", "10.244.1.4/30"] if four else \
            ["fd96:1::/64", "fd44::/16", "fd44:1::/64", "fd99::/64", "fd98::/64", "::/0", "fd00::/8", "fd44:1::4/126", "fd00::9/ff00::ff"]
        self.ranges = ["10.96.0.1-10.244.1.5", "10.244.1.6-172.30.99.1", "198.51.100.1-203.0.113.9"] if four else \
            ["fd44:1::5-fd44:1::9", "fd96:1::1-fd99::1", "fd44::-fd97::ffff"]
        self.full = "32" if four else "128"
        self.snat = ["172.30.99.77", "172.30.99.1", "10.244.1.1"] if four else ["fd99::4d", "fd99::1", "fd44:1::1"]

    def all(self):
        return self.services + self.node + self.pods + self.far + self.client

    def target(self, r):
        return r.choice(self.pods + self.far[:2] + self.node[:2] + ["203.0.113.80" if self.fam == 4 else "fd97:1::50"])

    def with_port(self, a, port):
        return f"{a}:{port}" if self.fam == 4 else f"[{a}]:{port}"


POOLS = {4: Pool(4), 6: Pool(6)}


def ipsets():
    """`ipset restore` text: every type that this kernel knows, with elements within elements."""
    v = ["create s-port bitmap:port range 0-65535", "add s-port 80", "add s-port 8443", "create s-bits bitmap:ip range 10.96.0.0-10.96.0.255 netmask 31",
         "add s-bits 10.96.0.2", "create s-bitm bitmap:ip range 10.244.1.0-10.244.1.255", "add s-bitm 10.244.1.5", "add s-bitm 10.244.1.1"]
    for fam in (4, 6):
        p, f = POOLS[fam], f"family {'inet' if fam == 4 else 'inet6'}"
        wide = "0.0.0.0/1" if fam == 4 else "::/1"
        v += [f"create s{fam}-ip hash:ip {f}", *(f"add s{fam}-ip {a}" for a in (p.services[0], p.pods[0], p.client[0])),
              f"create s{fam}-mask hash:ip {f} netmask {24 if fam == 4 else 64}", f"add s{fam}-mask {p.pods[0]}",
              f"create s{fam}-net hash:net {f}", f"add s{fam}-net {p.nets[7] if fam == 4 else p.nets[6]}", f"add s{fam}-net {p.nets[1]} nomatch",
              f"add s{fam}-net {p.pods[0]}", f"add s{fam}-net {p.nets[4]}",
              f"create s{fam}-ipport hash:ip,port {f}", f"add s{fam}-ipport {p.services[0]},tcp:80", f"add s{fam}-ipport {p.services[1]},udp:53",
              f"add s{fam}-ipport {p.pods[0]},tcp:8080", f"add s{fam}-ipport {p.pods[1]},sctp:80",
              f"add s{fam}-ipport {p.pods[0]},{'icmp:8/0' if fam == 4 else 'icmpv6:128/0'}",
              f"create s{fam}-ipportip hash:ip,port,ip {f}", f"add s{fam}-ipportip {p.services[0]},tcp:80,{p.pods[2]}",
              f"add s{fam}-ipportip {p.pods[0]},tcp:8080,{p.client[0]}", f"add s{fam}-ipportip {p.services[0]},udp:53,{p.client[0]}",
              f"create s{fam}-ipportnet hash:ip,port,net {f}", f"add s{fam}-ipportnet {p.services[0]},tcp:80,{p.nets[1]}",
              f"add s{fam}-ipportnet {p.services[0]},tcp:80,{p.nets[2]} nomatch", f"add s{fam}-ipportnet {p.services[1]},tcp:443,{wide}",
              f"create s{fam}-netport hash:net,port {f}", f"add s{fam}-netport {p.nets[0]},tcp:80", f"add s{fam}-netport {p.services[0]},tcp:80 nomatch",
              f"add s{fam}-netport {p.nets[3]},tcp:443", f"create s{fam}-netiface hash:net,iface {f}", f"add s{fam}-netiface {p.nets[1]},cni0",
              f"add s{fam}-netiface {p.nets[4]},eth1", f"add s{fam}-netiface {wide},eth0",
              f"create s{fam}-list list:set", f"add s{fam}-list s{fam}-ip", f"add s{fam}-list s{fam}-netport",
              f"create s{fam}-grow hash:ip {f}", f"add s{fam}-grow {p.pods[1]}"]
    return "\n".join(v) + "\n"


SETS = {"ip": 1, "mask": 1, "net": 1, "ipport": 2, "ipportip": 3, "ipportnet": 3, "netport": 2, "netiface": 2, "list": 2, "grow": 1}
FOUR_SETS = {"s-port": 1, "s-bits": 1, "s-bitm": 1}


def bang(r, chance=0.25):
    return "! " if r.random() < chance else ""


class Place:
    """Where a rule stands: what may stand there depends on it."""

    def __init__(self, table, hook, own=()):
        self.table, self.hook, self.own = table, hook, own
        self.into = hook in ("PREROUTING", "INPUT", "FORWARD")
        self.out = hook in ("FORWARD", "OUTPUT", "POSTROUTING")
        self.tracked = table != "raw"


# ---- matches: each gives the text of one, or None where it may not stand. What asks for a protocol begins with it. ----

def m_saddr(r, p, _):
    return f"{bang(r)}-s {r.choice(p.nets + p.pods + p.client + p.node[:1])}"


def m_daddr(r, p, _):
    return f"{bang(r)}-d {r.choice(p.nets + p.services * 2 + p.pods + p.node)}"


def m_proto(r, p, _):
    return r.choice(["-p tcp", "-p udp", f"-p {p.icmp}", "-p sctp", "! -p tcp", "! -p udp", "! -p sctp", "-p 6"])


def m_ports(r, p, _):
    proto = r.choice(["tcp", "tcp", "tcp", "udp", "sctp"])
    return f"-p {proto} -m {proto} " + r.choice([
        f"{bang(r)}--dport {r.choice(['80', '80', '443', '53:8080', '8000:9000', '30080'])}", f"{bang(r, 0.4)}--sport {r.choice(['20000:30000', '1:19999', '1024:65535'])}"])


def m_multiport(r, p, _):
    proto = r.choice(["tcp", "tcp", "udp", "sctp"])
    return f"-p {proto} -m multiport {bang(r, 0.3)}" + r.choice(["--dports 80,443,8000:9000", "--sports 20000:30000", "--ports 80,53", "--ports 443,1:79", "--dports 53,30080"])


def m_icmp(r, p, _):
    if p.fam == 6:
        return f"-p ipv6-icmp -m icmp6 {bang(r, 0.3)}--icmpv6-type {r.choice(['128', '128/0', '1', '129', '128/1'])}"
    return f"-p icmp -m icmp {bang(r, 0.3)}--icmp-type {r.choice(['8', '8/0', '3/3', '0', '8/1', 'any'])}"


def m_tcp_flags(r, p, _):
    return "-p tcp -m tcp " + r.choice([f"{bang(r, 0.4)}--tcp-flags FIN,SYN,RST,ACK SYN", "--syn", "! --syn", f"{bang(r, 0.4)}--tcp-flags SYN,ACK SYN,ACK",
                                        f"{bang(r)}--tcp-flags RST RST", f"{bang(r)}--tcp-flags ALL NONE"])


def m_fragment(r, p, _):
    return f"{bang(r, 0.6)}-f" if p.fam == 4 else None


def m_iif(r, p, at):
    return f"{bang(r)}-i {r.choice(['eth0', 'eth1', 'cni0', 'eth+', 'cni+', 'lo'])}" if at.into else None


def m_oif(r, p, at):
    return f"{bang(r)}-o {r.choice(['eth0', 'eth1', 'cni0', 'eth+', 'cni+', 'lo'])}" if at.out else None


def m_physdev(r, p, at):
    v = ["physdev-in pa", "physdev-in p+", "physdev-in eth1", "physdev-is-in"]
    if at.hook in ("FORWARD", "POSTROUTING"):
        v += ["physdev-out pb", "physdev-out p+", "physdev-is-out", "physdev-is-out", "physdev-is-bridged", "physdev-is-bridged"]
    return f"-m physdev {bang(r, 0.4)}--{r.choice(v)}" if at.hook != "OUTPUT" else None


def m_mark(r, p, _):
    return f"-m mark {bang(r, 0.35)}--mark {r.choice(['0x4000/0x4000', '0x1/0xff', '0x0', '0x4001', '0x1/0x1'])}"


def m_connmark(r, p, at):
    return f"-m connmark {bang(r, 0.35)}--mark {r.choice(['0x1/0xff', '0x0', '0x1/0x1', '0x4000/0x4000'])}"


def m_state(r, p, at):
    v = ["NEW", "NEW", "INVALID", "RELATED,ESTABLISHED", "NEW,DNAT", "UNTRACKED", "INVALID,UNTRACKED", "DNAT", "SNAT", "RELATED,ESTABLISHED,DNAT"]
    return f"-m conntrack {bang(r, 0.3)}--ctstate {r.choice(v)}"


def m_ct(r, p, at):
    """Original and reply tuple, status, direction; often with the state too, which counts where there is no connection."""
    sport, dport = r.choice(["20000:30000", "1:100", "80"]), r.choice(["80", "53", "1:1000", "8080"])
    v = [f"{bang(r)}--ctproto {r.choice(['6', '17', '132', '1' if p.fam == 4 else '58'])}", f"{bang(r)}--ctorigsrc {r.choice(p.nets + p.pods)}",
         f"{bang(r)}--ctorigdst {r.choice(p.nets + p.services)}", f"{bang(r)}--ctreplsrc {r.choice(p.nets + p.pods)}", f"{bang(r)}--ctrepldst {r.choice(p.nets + p.node)}",
         f"{bang(r)}--ctorigsrcport {sport}", f"{bang(r)}--ctorigdstport {dport}", f"{bang(r)}--ctreplsrcport {dport}", f"{bang(r)}--ctrepldstport {sport}",
         f"{bang(r, 0.4)}--ctstatus {r.choice(['SEEN_REPLY', 'ASSURED', 'CONFIRMED', 'EXPECTED', 'NONE', 'SEEN_REPLY,CONFIRMED'])}",
         f"--ctdir {r.choice(['ORIGINAL', 'REPLY'])}"]
    state = f"{bang(r)}--ctstate {r.choice(['NEW', 'NEW', 'INVALID', 'NEW,ESTABLISHED'])} " if r.random() < 0.2 else ""
    return f"-m conntrack {state}{r.choice(v)}"


def m_addrtype(r, p, at):
    side = r.choice(["dst", "dst", "src"])
    types = ["LOCAL", "LOCAL", "UNICAST", "LOCAL,UNICAST", "BROADCAST,MULTICAST" if p.fam == 4 else "MULTICAST", "UNREACHABLE"]
    limit = ""
    if r.random() < 0.3:
        limit = " --limit-iface-in" if at.into and (at.hook != "FORWARD" or r.random() < 0.5) else " --limit-iface-out" if at.out else ""
    return f"-m addrtype {bang(r, 0.3)}--{side}-type {r.choice(types[:4] if limit else types)}{limit}"


def m_set(r, p, at):
    names = {f"s{p.fam}-{k}": n for k, n in SETS.items()}
    if p.fam == 4:
        names.update(FOUR_SETS)
    name = r.choice(sorted(names))
    n = names[name] if r.random() < 0.85 else r.randint(1, 3)
    if name.endswith("netiface") and not at.into and not at.out:
        return None
    dirs = [r.choice(["src", "dst", "dst"]) for _ in range(n)]
    return f"-m set {bang(r, 0.3)}--match-set {name} {','.join(dirs)}{' --return-nomatch' if r.random() < 0.15 else ''}"


def m_iprange(r, p, _):
    return f"-m iprange {bang(r, 0.3)}--{r.choice(['src', 'dst'])}-range {r.choice(p.ranges)}"


def m_statistic(r, p, _):
    return "-m statistic " + r.choice([f"--mode random {bang(r, 0.2)}--probability 0.50000000000", f"--mode random {bang(r, 0.2)}--probability 0.33333333349",
                                       f"--mode nth {bang(r, 0.2)}--every 3 --packet 0", "--mode nth --every 2 --packet 1"])


def m_rpfilter(r, p, at):
    if at.hook != "PREROUTING" or at.table not in ("raw", "mangle"):
        return None
    return "-m rpfilter" + r.choice(["", " --loose", " --invert", " --validmark", " --loose --invert"])


def m_owner(r, p, at):
    return f"-m owner {bang(r, 0.5)}--uid-owner 0" if at.hook in ("OUTPUT", "POSTROUTING") else None


def m_helper(r, p, at):
    return f"-m helper {bang(r, 0.5)}--helper ftp" if at.tracked else None


def m_exthdr(r, p, at):
    if p.fam == 4:
        return None
    return r.choice(["-m rt --rt-type 0", "-m frag --fragid 1", "-m hbh --hbh-len 1", "-m dst --dst-len 1",
                     f"-m ipv6header {bang(r, 0.5)}--header {r.choice(['hop-by-hop', 'ipv6-frag', 'ipv6-route,ipv6-opts'])} --soft"])


def m_recent(r, p, at):
    side = r.choice(["--rsource", "--rdest"])
    return f"-m recent {bang(r, 0.25)}" + r.choice([f"--set --name l{r.randint(1, 2)} {side}", f"--rcheck --name l{r.randint(1, 2)} {side}",
                                                   f"--update --seconds 100 --name l{r.randint(1, 2)} {side}", f"--rcheck --hitcount 2 --name l{r.randint(1, 2)} {side}"])


def m_connbytes(r, p, at):
    if not at.tracked:
        return None
    return f"-m connbytes {bang(r, 0.3)}--connbytes {r.choice(['1:1', '2:9', '0:0', '1'])} --connbytes-mode packets --connbytes-dir {r.choice(['original', 'reply', 'both'])}"


def m_limit(r, p, at):
    return "-m limit --limit 10000/sec --limit-burst 10000"


def m_hashlimit(r, p, at):
    side = r.choice(["upto", "upto", "above"])
    return f"-m hashlimit --hashlimit-{side} 100000/sec --hashlimit-burst 10000 --hashlimit-mode {r.choice(['srcip', 'dstip,dstport'])} --hashlimit-name h{r.randint(1, 10 ** 9)}"


def m_connlimit(r, p, at):
    return f"-m connlimit --connlimit-{r.choice(['upto', 'above'])} 1000 --connlimit-mask {p.full} --connlimit-saddr" if at.tracked else None


def m_quota(r, p, at):
    return f"-m quota {bang(r, 0.4)}--quota 1000000000"


def m_nfacct(r, p, at):
    return "-m nfacct --nfacct-name ct_state_invalid_dropped_pkts"


def m_never(r, p, at):
    return "-m conntrack --ctstatus NONE"


def m_comment(r, p, at):
    return '-m comment --comment "a \\"quoted\\" word"'


MATCHES = [(m_saddr, 4), (m_daddr, 5), (m_proto, 3), (m_ports, 4), (m_multiport, 2), (m_icmp, 2), (m_tcp_flags, 2), (m_fragment, 1), (m_iif, 3), (m_oif, 3),
           (m_physdev, 4), (m_mark, 3), (m_connmark, 2), (m_state, 4), (m_ct, 8), (m_addrtype, 4), (m_set, 5), (m_iprange, 1), (m_statistic, 1),
           (m_rpfilter, 4), (m_owner, 3), (m_helper, 1), (m_exthdr, 3), (m_recent, 2), (m_connbytes, 2), (m_limit, 1), (m_hashlimit, 1), (m_connlimit, 1),
           (m_quota, 1), (m_nfacct, 1), (m_comment, 1), (m_never, 1)]
CHOICE = [m for m, n in MATCHES for _ in range(n)]


def matches(r, p, at):
    """Conditions, one asking for a protocol at most, that one first."""
    v, proto, seen = [], None, set()
    for _ in range(r.choice([0, 1, 1, 1, 2, 2, 3])):
        m = r.choice(CHOICE)
        text = m(r, p, at) if m not in seen or m is m_ct else None
        if not text:
            continue
        asks = text.startswith(("-p ", "! -p "))
        if asks and proto:
            continue
        if asks:
            proto = text
        else:
            v.append(text)
        seen.add(m)
    return ([proto] if proto else []) + v


# ---- targets ----

REFUSALS = {4: ["icmp-port-unreachable", "icmp-net-unreachable", "icmp-host-unreachable", "icmp-proto-unreachable", "icmp-net-prohibited",
                "icmp-host-prohibited", "icmp-admin-prohibited", "tcp-reset"],
            6: ["icmp6-port-unreachable", "icmp6-no-route", "icmp6-adm-prohibited", "icmp6-addr-unreachable", "icmp6-policy-fail", "icmp6-reject-route", "tcp-reset"]}


def nat_targets(r, p, at):
    t = ["-j ACCEPT"]
    if at.hook in ("PREROUTING", "OUTPUT"):
        port = r.choice(["80", "8080", "8443", "53"])
        t += [f"-j DNAT --to-destination {p.with_port(p.target(r), port)}"] * 6 + [f"-j DNAT --to-destination {p.target(r)}"] * 3
        t += [f"-j DNAT --to-destination :{port}", f"-j NETMAP --to {'10.244.1.0/24' if p.fam == 4 else 'fd44:1::/64'}",
              "-j REDIRECT", f"-j REDIRECT --to-ports {port}"]
    else:
        t += [f"-j SNAT --to-source {r.choice(p.snat)}"] * 2 + [f"-j NETMAP --to {'172.30.99.0/25' if p.fam == 4 else 'fd99::/120'}"]
        if at.hook == "POSTROUTING":
            t += ["-j MASQUERADE"] * 4 + ["-j MASQUERADE --random-fully"]
    return t


def mark_targets():
    return ["-j MARK --set-xmark 0x4000/0x4000", "-j MARK --set-xmark 0x1/0xff", "-j MARK --set-xmark 0x4000/0x0", "-j MARK --set-xmark 0x0/0xffffffff",
            "-j MARK --or-mark 0x4000", "-j MARK --and-mark 0xfffffffe", "-j CONNMARK --set-xmark 0x1/0xff", "-j CONNMARK --restore-mark --nfmask 0xff --ctmask 0xff",
            "-j CONNMARK --save-mark --nfmask 0xff --ctmask 0xff", "-j CONNMARK --or-mark 0x4000"]


def mangle_targets(p):
    ttl = "-j TTL --ttl-inc 1" if p.fam == 4 else "-j HL --hl-inc 1"
    return ["-j TOS --set-tos 0x10/0x3f", "-j DSCP --set-dscp 0x0a", ttl, "-j CHECKSUM --checksum-fill"]


def target(r, p, at):
    t = ["-j RETURN", "-j RETURN", "", "-j LOG --log-level 7", "-j NFLOG --nflog-group 7"]
    t += [f"-j {r.choice(at.own)}"] * 6 + [f"-g {r.choice(at.own)}"] * 2 if at.own else []
    if at.table != "raw":
        t += r.sample(mark_targets(), 3)
    if at.table in ("mangle", "filter") and r.random() < 0.2:
        t += [f"-j SET --{r.choice(['add', 'del'])}-set s{p.fam}-grow {r.choice(['src', 'dst'])}"] * 2
    if at.table == "nat":
        return r.choice(t + nat_targets(r, p, at))
    if at.table == "raw":
        return r.choice(t + ["-j ACCEPT", "-j CT --notrack", "-j CT --notrack", "-j NOTRACK", "-j DROP", "-j TRACE", "-j MARK --set-xmark 0x1/0x1"])
    t += ["-j ACCEPT", "-j ACCEPT", "-j DROP"]
    if at.table == "mangle":
        return r.choice(t + r.sample(mark_targets(), 4) + mangle_targets(p))
    if at.table == "filter":
        t += [f"-j REJECT --reject-with {r.choice(REFUSALS[p.fam])}" for _ in range(3)]
    return r.choice(t)


ENDS = ("-j DROP", "-j REJECT")


def rule(r, p, chain, at):
    what, conds = target(r, p, at), matches(r, p, at)
    asks = [c for c in conds if c.startswith(("-p", "! -p"))]
    needs_tcp = "tcp-reset" in what
    to = what.split()[-1] if "--to-destination" in what else ""
    needs_port = "--to-ports" in what or "]" in to or to.startswith(":") or (p.fam == 4 and ":" in to)
    if (needs_tcp and not any(c.startswith("-p tcp") for c in asks)) or (needs_port and not any(c.startswith((TCP, UDP, SCTP)) for c in asks)):
        conds = ["-p tcp" if needs_tcp else r.choice([TCP, TCP, UDP])] + [c for c in conds if c not in asks]
    if "CHECKSUM" in what:
        conds = ["-p udp"] + [c for c in conds if c not in asks]
    if what.startswith(ENDS) and len(conds) < 2:  # else nothing comes far
        conds += [c for c in (m_saddr(r, p, at), m_daddr(r, p, at)) if not any(x.lstrip("! ")[:2] == c.lstrip("! ")[:2] for x in conds)][:2 - len(conds)]
    return " ".join(["-A", chain, *conds, what]).strip()


def table(r, p, name, size):
    used = [h for h in HOOKS[name] if r.random() < 0.8]
    lines = [f"*{name}"]
    for h in HOOKS[name]:
        drops = name in ("filter", "mangle", "security") and r.random() < (0.06 if name == "filter" else 0.02)
        lines.append(f":{h} {'DROP' if drops else 'ACCEPT'} [0:0]")
    # Chains of our own belong to one built-in chain, so that what they hold is legal there; they jump forward only.
    own = {h: [f"{h[:5]}-{i}" for i in range(r.randint(0, 3))] for h in used}
    lines += [f":{c} - [0:0]" for v in own.values() for c in v]
    for h in used:
        for _ in range(r.randint(1, size)):
            lines.append(rule(r, p, h, Place(name, h, own[h])))
        for i, c in enumerate(own[h]):
            for _ in range(r.randint(1, size)):
                lines.append(rule(r, p, c, Place(name, h, own[h][i + 1:])))
    return lines + ["COMMIT"]


def ruleset(r, fam):
    lines = []
    for t, chance in (("raw", 0.4), ("mangle", 0.6), ("nat", 0.9), ("filter", 0.9), ("security", 0.15)):
        if r.random() < chance:
            lines += table(r, POOLS[fam], t, 3 if t in ("raw", "security") else 5)
        else:
            lines += empty(t)
    return "\n".join(lines) + "\n"


def empty(t):
    return [f"*{t}", *(f":{h} ACCEPT [0:0]" for h in HOOKS[t]), "COMMIT"]


NOTHING = "\n".join(line for t in HOOKS for line in empty(t)) + "\n"
