# SPDX-License-Identifier: GPL-2.0-or-later
"""The Linux kernel as the judge: random rulesets of both backends in a network namespace, real packets, and where they end.

A node namespace has two links, eth0 (outside) and pod0 (a pod's subnet), each with a peer namespace. TCP SYNs with sources of any
kind are injected at a peer as raw frames and watched at both peers: a SYN that leaves tells destination, port and source after NAT;
a RST tells that the node itself got it; an ICMP error that a rule rejected it; nothing that it was dropped. `svcdoctor trace`
must name the same, from the dumps that the ordinary tools print of that namespace. Chance: what is seen must be among the endings.

KERNEL_SEEDS=N runs N rulesets (default 6); KERNEL_SEED=S runs one."""
import json
import os
import random
import shutil
import socket
import struct
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import common  # noqa: E402

NODE, OUT, POD = (f"svcd{os.getpid() % 100000}{x}" for x in "nop")
PACKETS = 70
SOURCES = {
    "eth0": ["203.0.113.9", "198.51.100.7", "172.30.99.50", "10.244.2.9", "192.0.2.1"],
    "pod0": ["10.244.1.9", "10.244.1.200", "10.244.1.5"],
}
DESTINATIONS = ["10.96.0.1", "10.96.0.2", "10.244.1.5", "10.244.1.6", "10.244.2.7", "172.30.99.1", "10.244.1.1", "203.0.113.80", "8.8.4.4"]
PORTS = [80, 443, 30080, 8080, 53]
TARGETS = ["10.244.1.5:8080", "10.244.1.6:80", "10.244.2.7:8443", "10.244.2.8", "172.30.99.1:22", "203.0.113.77:8080", "10.244.1.1:53"]


# Of every type that this kernel has, elements within elements, and another family.
SETS = """create s-ip hash:ip
add s-ip 10.96.0.1
add s-ip 10.244.1.5
add s-ip 203.0.113.9
create s-ipmask hash:ip netmask 24
add s-ipmask 10.244.1.0
create s-net hash:net
add s-net 10.0.0.0/8
add s-net 10.244.0.0/16 nomatch
add s-net 10.244.1.5
add s-net 203.0.113.0/24
create s-ipport hash:ip,port
add s-ipport 10.96.0.1,tcp:80
add s-ipport 10.96.0.2,udp:80
add s-ipport 10.244.1.5,tcp:8080
create s-ipportip hash:ip,port,ip
add s-ipportip 10.96.0.1,tcp:80,10.244.1.9
add s-ipportip 10.244.1.5,tcp:8080,203.0.113.9
create s-ipportnet hash:ip,port,net
add s-ipportnet 10.96.0.1,tcp:80,10.244.0.0/16
add s-ipportnet 10.96.0.1,tcp:80,10.244.1.0/24 nomatch
add s-ipportnet 10.96.0.2,tcp:443,0.0.0.0/1
create s-netport hash:net,port
add s-netport 10.96.0.0/16,tcp:80
add s-netport 10.96.0.1,tcp:80 nomatch
add s-netport 172.30.99.0/24,tcp:443
create s-netiface hash:net,iface
add s-netiface 10.0.0.0/8,eth0
add s-netiface 10.244.0.0/16,pod0
add s-netiface 0.0.0.0/0,eth0
add s-netiface 198.51.100.0/24,pod0
create s-port bitmap:port range 0-65535
add s-port 80
add s-port 8443
create s-bits bitmap:ip range 10.96.0.0-10.96.0.255 netmask 31
add s-bits 10.96.0.2
create s-six hash:net family inet6
add s-six fd00::/8
create s-list list:set
add s-list s-ip
add s-list s-six
add s-list s-netport
"""
PHYSDEV_IN = ["physdev-in port0", "physdev-in port+", "physdev-in eth1", "physdev-is-in"]
PHYSDEV_OUT = PHYSDEV_IN + ["physdev-out port0", "physdev-is-out", "physdev-is-bridged"]
SET_NAMES = [line.split()[1] for line in SETS.splitlines() if line.startswith("create")]


def inside(ns, *args, **kw):
    return common.sh("ip", "netns", "exec", ns, *args, **kw)


def make_world():
    for ns in (NODE, OUT, POD):
        common.sh("ip", "netns", "add", ns)
    for dev, peer in (("eth0", OUT), ("pod0", POD)):
        # The pods' link is a bridge with one port, which sends frames back where they came from.
        common.sh("ip", "link", "add", dev if peer == OUT else "port0", "netns", NODE,
                  "address", "02:00:00:00:00:01" if peer == OUT else "02:00:00:00:00:03",
                  "type", "veth", "peer", "name", "peer0", "netns", peer, "address", "02:00:00:00:00:99")
        inside(peer, "ip", "link", "set", "peer0", "up")
        inside(peer, "sysctl", "-qw", "net.ipv6.conf.peer0.disable_ipv6=1")
    for cmd in ("ip link add pod0 address 02:00:00:00:00:02 type bridge forward_delay 0", "ip link set port0 master pod0",
                "bridge link set dev port0 hairpin on", "ip link set port0 up",
                "ip link set lo up", "ip addr add 172.30.99.1/24 dev eth0", "ip addr add 10.244.1.1/24 dev pod0",
                "ip link set eth0 up", "ip link set pod0 up", "ip route add default via 172.30.99.254 dev eth0",
                "ip route add 10.244.2.0/24 via 172.30.99.2 dev eth0",
                "sysctl -qw net.ipv4.ip_forward=1 net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.default.rp_filter=0 "
                "net.ipv4.conf.eth0.rp_filter=0 net.ipv4.conf.pod0.rp_filter=0 net.ipv4.icmp_ratelimit=0 "
                "net.ipv4.conf.all.send_redirects=0 net.ipv4.conf.eth0.send_redirects=0 net.ipv4.conf.pod0.send_redirects=0"):
        inside(NODE, *cmd.split())
    for dev, hosts in (("eth0", ["172.30.99.254", "172.30.99.2", "172.30.99.50"]),
                       ("pod0", [f"10.244.1.{n}" for n in (2, 4, 5, 6, 7, 9, 80, 200)])):
        for h in hosts:
            inside(NODE, "ip", "neigh", "replace", h, "lladdr", "02:00:00:00:00:99", "dev", dev, "nud", "permanent")
    inside(NODE, "ipset", "restore", stdin=SETS.encode())


def drop_world():
    for ns in (NODE, OUT, POD):
        common.sh("ip", "netns", "del", ns, check=False)


# ---- random rules ----

def address_match(r, flag):
    sign = "! " if r.random() < 0.25 else ""
    pool = ["10.96.0.0/16", "10.96.0.1/32", "10.96.0.2/32", "10.244.0.0/16", "10.244.1.0/24", "10.244.2.0/24", "172.30.99.0/24",
            "203.0.113.0/24", "10.244.1.5/32", "0.0.0.0/0", "128.0.0.0/1", "10.0.0.9/255.0.0.255"]
    return f"{sign}{flag} {r.choice(pool)}"


def matches(r, hook, table):
    """A list of conditions; @hook: name of a built-in chain, or None in a chain of our own (no interfaces there)."""
    v = []
    if r.random() < 0.5:
        v.append(address_match(r, "-d"))
    if r.random() < 0.3:
        v.append(address_match(r, "-s"))
    kind = r.random()
    if kind < 0.3:
        v.append(f"-p tcp -m tcp {'! ' if r.random() < 0.15 else ''}--dport {r.choice(['80', '443', '30080', '53:8080', '8000:9000'])}")
    elif kind < 0.4:
        v.append(f"-p tcp -m multiport {'! ' if r.random() < 0.3 else ''}--dports 80,443,8000:9000")
    elif kind < 0.45:
        v.append("-p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN")
    elif kind < 0.5:
        v.append(r.choice(["-p udp", "! -p tcp", "-p tcp", "-p 6"]))
    extra = r.random()
    if extra < 0.15:
        v.append(f"-m mark {'! ' if r.random() < 0.4 else ''}--mark {r.choice(['0x4000/0x4000', '0x1/0xff', '0x0', '0x4001'])}")
    elif extra < 0.25:
        v.append(f"-m addrtype {'! ' if r.random() < 0.3 else ''}--dst-type {r.choice(['LOCAL', 'UNICAST', 'LOCAL,UNICAST'])}")
    elif extra < 0.3:
        v.append(f"-m addrtype {'! ' if r.random() < 0.3 else ''}--src-type LOCAL")
    elif extra < 0.4:
        states = ["NEW", "INVALID", "RELATED,ESTABLISHED", "NEW,DNAT"] + ([] if table == "raw" else ["DNAT", "RELATED,ESTABLISHED,DNAT"])
        v.append(f"-m conntrack {'! ' if r.random() < 0.3 else ''}--ctstate {r.choice(states)}")
    elif extra < 0.45:
        v.append(f"-m iprange {'! ' if r.random() < 0.3 else ''}--dst-range 10.96.0.1-10.244.1.5")
    elif extra < 0.5 and table != "raw":
        v.append(f"-m conntrack --ctorigdst {r.choice(['10.96.0.0/16', '10.96.0.1'])}")
    elif extra < 0.55:
        v.append("-m comment --comment \"a \\\"quoted\\\" word\"")
    elif extra < 0.6 and table != "raw":
        v.append(f"-m connmark {'! ' if r.random() < 0.3 else ''}--mark 0x1/0xff")
    elif extra < 0.8:
        dirs = ",".join(r.choice(["src", "dst", "dst"]) for _ in range(r.randint(1, 3)))
        v.append(f"-m set {'! ' if r.random() < 0.3 else ''}--match-set {r.choice(SET_NAMES)} {dirs}{' --return-nomatch' if r.random() < 0.2 else ''}")
    elif extra < 0.83 and table != "raw":
        v.append(f"-m helper {'! ' if r.random() < 0.5 else ''}--helper ftp")
    elif extra < 0.86:
        v.append(f"-m connbytes {'! ' if r.random() < 0.3 else ''}--connbytes {r.choice(['1:1', '2:9', '0:0', '1'])} "
                 f"--connbytes-mode packets --connbytes-dir {r.choice(['original', 'reply', 'both'])}")
    elif extra < 0.9:
        v.append(f"-m iprange {'! ' if r.random() < 0.3 else ''}--src-range 10.244.1.9-172.30.99.1")
    if r.random() < 0.15 and hook:
        out = hook in ("FORWARD", "POSTROUTING")
        v.append(f"-m physdev {'! ' if r.random() < 0.5 else ''}--{r.choice(PHYSDEV_OUT if out else PHYSDEV_IN)}")
    if hook in ("PREROUTING", "INPUT", "FORWARD") and r.random() < 0.2:
        v.append(f"{'! ' if r.random() < 0.3 else ''}-i {r.choice(['eth0', 'pod0', 'pod+', 'lo'])}")
    if hook in ("FORWARD", "POSTROUTING") and r.random() < 0.2:
        v.append(f"{'! ' if r.random() < 0.3 else ''}-o {r.choice(['eth0', 'pod0', 'eth+'])}")
    if r.random() < 0.12:
        v.append(f"-m statistic --mode random --probability {r.choice(['0.50000000000', '0.33333333349', '0.00100000000'])}")
    return v


def target(r, table, hook, own):
    """@own: chains that may be jumped to from here."""
    t = ["-j RETURN", "-j MARK --set-xmark 0x4000/0x4000", "-j MARK --set-xmark 0x1/0xff", "-j MARK --set-xmark 0x4000/0x0",
         "-j MARK --set-xmark 0x0/0xffffffff", ""]
    if own:
        t += [f"-j {r.choice(own)}"] * 5 + [f"-g {r.choice(own)}"]
    if table == "nat":
        t += ["-j ACCEPT"]
        if hook in ("PREROUTING", "own-dst"):
            t += [f"-j DNAT --to-destination {r.choice(TARGETS)}"] * 7
            t += ["-j NETMAP --to 10.244.1.0/24", "-j NETMAP --to 10.244.2.7/32", "-j REDIRECT", "-j REDIRECT --to-ports 8080"]
        if hook in ("POSTROUTING", "own-src"):
            t += ["-j MASQUERADE"] * 3 + ["-j SNAT --to-source 172.30.99.77", "-j NETMAP --to 172.30.99.0/25"]
    elif table == "filter":
        t += ["-j ACCEPT"] * 2 + ["-j DROP", "-j REJECT --reject-with icmp-port-unreachable", "-j REJECT --reject-with icmp-host-prohibited"]
    elif table == "mangle":
        t += ["-j ACCEPT", "-j CONNMARK --set-xmark 0x1/0xff", "-j CONNMARK --restore-mark --nfmask 0xff --ctmask 0xff",
              "-j CONNMARK --save-mark --nfmask 0xff --ctmask 0xff", "-j TOS --set-tos 0x10/0x3f", "-j DSCP --set-dscp 0x0a",
              "-j TTL --ttl-inc 1", "-j CLASSIFY --set-class 0001:0002", "-j CONNMARK --and-mark 0x1", "-j MARK --or-mark 0x4000",
              "-j MARK --xor-mark 0x1"]
    else:
        t += ["-j ACCEPT", "-j CT --notrack", "-j DROP", "-j CT --zone 5", "-j NOTRACK", "-j TRACE"]
        t = [x for x in t if "MARK" not in x]
    return r.choice(t)


HOOKS = {"raw": ["PREROUTING", "OUTPUT"], "mangle": ["PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"],
         "nat": ["PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"], "filter": ["INPUT", "FORWARD", "OUTPUT"]}
USED = {"raw": ["PREROUTING"], "mangle": ["PREROUTING", "FORWARD"], "nat": ["PREROUTING", "POSTROUTING"], "filter": ["INPUT", "FORWARD"]}


def rule(r, table, chain, hook, side, own):
    what, conds = target(r, table, side, own), matches(r, hook, table)
    if ("--to-destination" in what and ":" in what) or "--to-ports" in what:
        # A port asks for a protocol that has ports.
        conds = [c for c in conds if not c.startswith(("-p udp", "! -p"))]
        if not any(c.startswith("-p") for c in conds):
            conds.append("-p tcp")
    return " ".join(["-A", chain, *conds, what]).strip()


def random_table(r, table, size):
    hooks = HOOKS[table]
    lines = [f"*{table}"]
    for h in hooks:
        policy = "DROP" if table == "filter" and h == "FORWARD" and r.random() < 0.15 else "ACCEPT"
        lines.append(f":{h} {policy} [0:0]")
    # Chains of our own belong to one built-in chain, so that what they hold is legal there; they jump forward only.
    own = {h: [f"C{i}-{h[:4]}" for i in range(r.randint(1, 3))] for h in USED[table]}
    lines += [f":{c} - [0:0]" for v in own.values() for c in v]
    for h in USED[table]:
        side = {"PREROUTING": "own-dst", "POSTROUTING": "own-src"}.get(h, h) if table == "nat" else h
        for _ in range(r.randint(1, size)):
            lines.append(rule(r, table, h, h, h, own[h]))
        for i, c in enumerate(own[h]):
            for _ in range(r.randint(1, size)):
                lines.append(rule(r, table, c, None, side, own[h][i + 1:]))
    return lines + ["COMMIT"]


def random_ruleset(r):
    lines = []
    for t in ("raw", "mangle", "nat", "filter"):
        if t in ("nat", "filter") or r.random() < 0.6:
            lines += random_table(r, t, 3 if t == "raw" else 6)
    return "\n".join(lines) + "\n"


def load(backend, text):
    inside(NODE, f"iptables-{backend}-restore", stdin=text.encode())


def flush():
    empty = "".join(f"*{t}\n" + "".join(f":{h} ACCEPT [0:0]\n" for h in HOOKS[t]) + "COMMIT\n" for t in HOOKS)
    for backend in ("legacy", "nft"):
        inside(NODE, f"iptables-{backend}-restore", stdin=empty.encode())
    inside(NODE, "conntrack", "-F", check=False)


# ---- packets ----

def checksum(data):
    if len(data) % 2:
        data += b"\0"
    s = sum(struct.unpack(f"!{len(data) // 2}H", data))
    s = (s >> 16) + (s & 0xffff)
    return ~(s + (s >> 16)) & 0xffff


def syn_frame(dst_mac, src, dst, sport, dport, seq):
    a, b = socket.inet_aton(src), socket.inet_aton(dst)
    tcp = struct.pack("!HHIIBBHHH", sport, dport, seq, 0, 5 << 4, 2, 64240, 0, 0)
    tcp = tcp[:16] + struct.pack("!H", checksum(a + b + struct.pack("!BBH", 0, 6, len(tcp)) + tcp)) + tcp[18:]
    ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(tcp), seq & 0xffff, 0, 64, 6, 0, a, b)
    ip = ip[:10] + struct.pack("!H", checksum(ip)) + ip[12:]
    return dst_mac + bytes.fromhex("020000000099") + b"\x08\x00" + ip + tcp


class Peer:
    """A raw socket at the far end of a link."""

    def __init__(self, ns):
        fd = os.open(f"/var/run/netns/{ns}", os.O_RDONLY)
        here = os.open("/proc/self/ns/net", os.O_RDONLY)
        try:
            setns(fd)
            self.sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0800))
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
            self.sock.bind(("peer0", 0x0800))
            self.sock.setblocking(False)
        finally:
            setns(here)
            os.close(fd)
            os.close(here)

    def frames(self):
        while True:
            try:
                frame, address = self.sock.recvfrom(2048)
            except BlockingIOError:
                return
            if address[2] != socket.PACKET_OUTGOING:
                yield frame


def setns(fd):
    import ctypes
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(fd, 0x40000000) != 0:
        raise OSError(ctypes.get_errno(), "setns")


def read_frame(frame):
    """(sequence number, what was seen) of a packet that belongs to one of ours, or None."""
    ip = frame[14:]
    if len(ip) < 40 or ip[0] != 0x45:
        return None
    src, dst, body = socket.inet_ntoa(ip[12:16]), socket.inet_ntoa(ip[16:20]), ip[20:]
    if ip[9] == 6:
        dport, seq, ack, flags = struct.unpack("!H", body[2:4])[0], *struct.unpack("!II", body[4:12]), body[13]
        if flags & 4:
            return ack - 1, ("local",)
        return (seq, ("sent", f"{dst}:{dport}", src)) if flags == 2 else None
    if ip[9] == 1 and body[0] == 3 and len(body) >= 8 + 28:
        return struct.unpack("!I", body[8 + 20 + 4:8 + 20 + 8])[0], ("reject",)
    return None


def send_all(r, peers, seconds):
    packets = []
    for i in range(PACKETS):
        dev = r.choice(["eth0", "pod0"])
        p = {"dev": dev, "src": r.choice(SOURCES[dev]), "dst": r.choice(DESTINATIONS), "dport": r.choice(PORTS),
             "sport": 20000 + i, "seq": (r.getrandbits(16) << 16 | i << 4) & 0x7fffffff, "seen": None}
        packets.append(p)
        mac = bytes.fromhex("020000000001" if dev == "eth0" else "020000000002")
        peers[dev].sock.send(syn_frame(mac, p["src"], p["dst"], p["sport"], p["dport"], p["seq"]))
        time.sleep(0.002)  # icmp_msgs_per_sec lets 1000 answers through in a second
    by_seq = {p["seq"]: p for p in packets}
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for peer in peers.values():
            for frame in peer.frames():
                got = read_frame(frame)
                if got and got[0] in by_seq and by_seq[got[0]]["seen"] is None:
                    by_seq[got[0]]["seen"] = got[1]
        time.sleep(0.01)
    return packets


# ---- the comparison ----

def write_bundle(folder):
    node = os.path.join(folder, "nodes", "n")
    os.makedirs(node)
    files = {"iptables-nft-save.txt": ["iptables-nft-save", "-c"], "iptables-legacy-save.txt": ["iptables-legacy-save"],
             "ip-addr.json": ["ip", "-j", "addr"], "ip-link.json": ["ip", "-j", "-d", "link"],
             "ipset-save.txt": ["ipset", "save"], "ip-route.json": ["ip", "-j", "route", "show", "table", "all"], "ip-rule.json": ["ip", "-j", "rule"]}
    for name, cmd in files.items():
        with open(os.path.join(node, name), "wb") as f:
            f.write(inside(NODE, *cmd))
    with open(os.path.join(node, "sysctl.txt"), "wb") as f:
        f.write(inside(NODE, "sysctl", "-a", check=False))
    return folder


def fits(ending, seen):
    if ending["verdict"] == "drop":
        return seen is None
    if ending["verdict"] == "reject":
        return seen == ("reject",)
    if ending["verdict"] != "accept":
        return False
    if ending["delivery"] == "local":
        return seen == ("local",)
    if ending["delivery"] == "lost":
        return seen is None or seen == ("reject",)
    return seen is not None and seen[0] == "sent" and seen[1] == f"{ending['address']}:{ending['port']}" and \
        (ending.get("source") in (None, seen[2]))


def compare(bundle, packets, what):
    for p in packets:
        r = common.run("trace", p["src"], f"{p['dst']}:{p['dport']}/tcp", "--bundle", bundle, "--node", "n", "--in", p["dev"],
                       "--sport", str(p["sport"]), "-o", "json", codes=None)
        endings = r.json["traces"][0]["endings"] if "traces" in r.json else r.json["endings"]
        p["sure"] = not any(e["assumes"] for e in endings)
        certain = [e for e in endings if (e["weight"] or 0) > 0 or e["weight"] is None]
        common.expect(any(fits(e, p["seen"]) for e in certain), lambda: (
            f"{what}: {p['src']} by {p['dev']} -> {p['dst']}:{p['dport']}: the kernel {p['seen'] or 'dropped it'}, svcdoctor says "
            + json.dumps([{k: e[k] for k in ("verdict", "address", "port", "masquerade", "source", "delivery", "weight")} for e in endings])))
    return len(packets)


def one(seed, peers, folder):
    r = random.Random(seed)
    backend = r.choice(["nft", "legacy"])
    bridge_netfilter = r.choice([0, 1])
    inside(NODE, "sysctl", "-qw", f"net.bridge.bridge-nf-call-iptables={bridge_netfilter}")
    for attempt in range(20):
        # A target that the kernel refuses in a chain (it says "invalid argument" only) makes another ruleset.
        flush()
        text = random_ruleset(r)
        try:
            load(backend, text)
            break
        except OSError:
            if attempt == 19:
                raise
    with open(os.path.join(folder, "rules.txt"), "w", encoding="utf-8") as f:
        f.write(text)
    bundle = write_bundle(os.path.join(folder, "bundle"))
    what = f"seed {seed} ({backend}, bridge netfilter {bridge_netfilter})"
    packets = send_all(r, peers, 0.6)
    try:
        return compare(bundle, packets, what), packets
    except common.Failure:
        # A busy machine answers late, which looks like a drop: other packets, and more patience. A real difference shows again.
        inside(NODE, "conntrack", "-F", check=False)
        packets = [p for _ in range(3) for p in send_all(r, peers, 2)]
        return compare(bundle, packets, what), packets


def main():
    if os.geteuid() != 0:
        print("skip kernel: needs root for network namespaces")
        return 0
    try:
        make_world()
        peers = {"eth0": Peer(OUT), "pod0": Peer(POD)}
        flush()
    except (OSError, FileNotFoundError) as e:
        drop_world()
        print(f"skip kernel: no network namespace with netfilter here ({e})")
        return 0
    failed = total = sure = 0
    seen = {}
    seeds = [int(os.environ["KERNEL_SEED"])] if "KERNEL_SEED" in os.environ else range(1, int(os.environ.get("KERNEL_SEEDS", "6")) + 1)
    try:
        for seed in seeds:
            folder = tempfile.mkdtemp(prefix="svcdoctor-kernel-")
            try:
                n, packets = one(seed, peers, folder)
                total += n
                sure += sum(p["sure"] for p in packets)
                for p in packets:
                    kind = p["seen"][0] if p["seen"] else "drop"
                    seen[kind] = seen.get(kind, 0) + 1
                print(f"ok kernel ruleset {seed}")
                shutil.rmtree(folder)
            except common.Failure as e:
                failed += 1
                print(f"not ok kernel ruleset {seed}: {e} (kept in {folder})")
    finally:
        drop_world()
    if not failed and "KERNEL_SEED" not in os.environ:
        wanted = {"sent", "local", "reject", "drop"}
        ok = wanted <= set(seen) and sure * 10 >= total * 9
        print(f"{'ok' if ok else 'not ok'} kernel: {total} packets ended as in the kernel, {sure} of them without an assumption"
              + ("" if ok else f": not all fates were seen, or too little was sure: {seen}"))
        failed += not ok
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
