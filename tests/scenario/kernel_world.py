# SPDX-License-Identifier: GPL-2.0-or-later
"""The world of the kernel tests: a node in a network namespace of its own, and everybody else at the far ends of its links.

    eth0        172.30.99.0/24   the other node, which has pods of its own, and the way to everywhere
    eth1        198.51.100.0/24  a client
    cni0        10.244.X.0/24    a bridge with four ports, pods at each: pa, pb, pc, pd
(and the same in IPv6). Those far ends are raw sockets in a second namespace without an address: what they send is written, and
what comes to them is read, as frames. The namespaces have no names, and end with the process, which lives in the node's one.

The process is kept on one processor. A frame that is sent has then been through the node when the answer to an ARP request that
was sent behind it is there: the marker that tells a drop from a delay."""
import ctypes
import os
import select
import socket
import struct
import subprocess
import time

import kernel_packets as kp
from kernel_packets import Packet, family, mac

LIBC = ctypes.CDLL(None, use_errno=True)
NEWNET = 0x40000000
IP_PKTINFO = 8
PORTS = ("pa", "pb", "pc", "pd")
LINKS = ("eth0", "eth1", *PORTS)
NODE_MAC = {"eth0": "02:00:00:00:00:01", "eth1": "02:00:00:00:00:02", "cni0": "02:00:00:00:00:03"}
PEER_MAC = {"eth0": "02:00:00:00:01:01", "eth1": "02:00:00:00:01:02", **{p: f"02:00:00:00:01:0{p[1]}" for p in PORTS}}
INTERFACE = {"eth0": "eth0", "eth1": "eth1", **{p: "cni0" for p in PORTS}}
POD_PORT = {5: "pa", 6: "pb", 9: "pc", **{n: "pd" for n in (2, 3, 4, 7, 20, 50, 77, 80)}}  # last part of a pod's address: its port
LISTENING = (22, 53, 80, 443, 8080, 8443, 30080, 3000, 9376, 10250)
MARKER_SECONDS = 10
PATIENCE = 0.02


def unshare(flags):
    if LIBC.unshare(flags) != 0:
        raise OSError(ctypes.get_errno(), "unshare")


def run(*args, stdin=None, check=True):
    p = subprocess.run(args, input=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
    if check and p.returncode != 0:
        raise OSError(f"{' '.join(args)}: {p.stderr.decode(errors='replace').strip()}")
    return p.stdout


def batch(tool, lines):
    run(*tool, "-batch", "-", stdin="\n".join(lines).encode() + b"\n")


class World:
    """@number: 1 or 2, which of the two nodes the rules are of; the other one is a raw socket."""

    def __init__(self, number=1):
        self.x, self.other = number, 3 - number
        self.node = {4: f"172.30.99.{number}", 6: f"fd99::{number}"}
        self.pods = {4: f"10.244.{number}.0/24", 6: f"fd44:{number}::/64"}
        self.gateway = {4: f"10.244.{number}.1", 6: f"fd44:{number}::1"}
        os.sched_setaffinity(0, {sorted(os.sched_getaffinity(0))[os.getpid() % len(os.sched_getaffinity(0))]})
        os.environ["XTABLES_LOCKFILE"] = f"/tmp/.svcdoctor-xtables-{os.getpid()}"
        unshare(NEWNET)
        self.holder = subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
        self.wires = {}
        self.wire_ns = os.open("/proc/self/ns/net", os.O_RDONLY)
        unshare(NEWNET)
        self.make()
        self.node_ns = os.open("/proc/self/ns/net", os.O_RDONLY)
        self.inside_wires(self.open_wires)
        self.listen()
        self.raw = self.open_raw()
        self.last_port = 20000
        self.ident = (os.getpid() & 0x7fff) << 16

    def close(self):
        self.holder.stdin.close()
        self.holder.wait()
        try:
            os.unlink(os.environ["XTABLES_LOCKFILE"])
        except OSError:
            pass

    def inside_wires(self, do):
        if LIBC.setns(self.wire_ns, NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "setns")
        try:
            do()
        finally:
            LIBC.setns(self.node_ns, NEWNET)

    # ---- making it ----

    def make(self):
        pid, x, o = self.holder.pid, self.x, self.other
        batch(["ip"], [f"link add {d} address {NODE_MAC.get(d, '02:00:00:00:00:1' + d[-1])} type veth peer name {d} address {PEER_MAC[d]} netns {pid}"
                       for d in LINKS] +
              [f"link add cni0 address {NODE_MAC['cni0']} type bridge forward_delay 0 mcast_snooping 0", "link set lo up"])
        for path in ("all", "default", *LINKS, "cni0"):
            for name, value in (("accept_dad", 0), ("accept_ra", 0), ("router_solicitations", 0), ("addr_gen_mode", 1)):
                self.sysctl(f"net/ipv6/conf/{path}/{name}", value, check=False)
        batch(["ip"], [f"link set {d} up" for d in LINKS] + [*(f"link set {p} master cni0" for p in PORTS), "link set cni0 up"] + [
            f"addr add 172.30.99.{x}/24 dev eth0", "addr add 198.51.100.1/24 dev eth1", f"addr add 10.244.{x}.1/24 dev cni0",
            f"addr add fd99::{x}/64 dev eth0 nodad", "addr add fd98::1/64 dev eth1 nodad", f"addr add fd44:{x}::1/64 dev cni0 nodad",
            "route add default via 172.30.99.254 dev eth0", f"route add 10.244.{o}.0/24 via 172.30.99.{o} dev eth0",
            "route add default via fd99::fe dev eth0", f"route add fd44:{o}::/64 via fd99::{o} dev eth0",
            "route add 192.0.2.0/24 via 198.51.100.254 dev eth1", "route add fd97::/64 via fd98::fe dev eth1",
            "route add unreachable 192.0.99.0/24", "route add unreachable fd96::/64"])
        self.neighbours()
        base = {"net/ipv4/icmp_ratelimit": 0, "net/ipv4/icmp_msgs_per_sec": 1000000, "net/ipv4/icmp_msgs_burst": 1000000, "net/ipv6/icmp/ratelimit": 0,
                "net/ipv6/icmp/ratemask": "", "net/ipv4/tcp_synack_retries": 0, "net/ipv4/tcp_syncookies": 1, "net/ipv6/conf/all/forwarding": 1,
                "net/netfilter/nf_conntrack_max": 262144, "net/ipv4/tcp_max_syn_backlog": 8192, "net/core/somaxconn": 8192}
        for name, value in base.items():
            self.sysctl(name, value, check=False)
        for path in ("all", "default", *LINKS, "cni0"):
            self.sysctl(f"net/ipv4/conf/{path}/send_redirects", 0)
        run("nfacct", "add", "ct_state_invalid_dropped_pkts", check=False)
        run("nfacct", "add", "localhost_nps_accepted_pkts", check=False)

    def neighbours(self):
        rows = []
        for n in (self.other, 5, 6, 9, 10, 50, 77, 80, 254):
            rows.append(f"neigh replace 172.30.99.{n} lladdr {PEER_MAC['eth0']} dev eth0 nud permanent")
            rows.append(f"neigh replace fd99::{n:x} lladdr {PEER_MAC['eth0']} dev eth0 nud permanent")
        for n in (5, 9, 80, 254):
            rows.append(f"neigh replace 198.51.100.{n} lladdr {PEER_MAC['eth1']} dev eth1 nud permanent")
            rows.append(f"neigh replace fd98::{n:x} lladdr {PEER_MAC['eth1']} dev eth1 nud permanent")
        batch(["ip"], rows)
        self.pod_port = {}
        self.attach(POD_PORT)
        batch(["bridge"], [f"fdb replace {PEER_MAC[p]} dev {p} master static" for p in PORTS])

    def attach(self, ports):
        """Which port of the bridge the pods hang on: {last part of the address: port}."""
        rows = []
        for n, port in ports.items():
            for a in (f"10.244.{self.x}.{n}", f"fd44:{self.x}::{n:x}"):
                self.pod_port[a] = port
                rows.append(f"neigh replace {a} lladdr {PEER_MAC[port]} dev cni0 nud permanent")
        batch(["ip"], [x for x in rows if x.split()[2] not in self.gateway.values()])

    def open_wires(self):
        for d in LINKS:
            with open(f"/proc/sys/net/ipv6/conf/{d}/disable_ipv6", "w", encoding="ascii") as f:
                f.write("1")
            run("ip", "link", "set", d, "up")
            s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
            s.bind((d, 3))
            s.setblocking(False)
            self.wires[d] = s

    def listen(self):
        """Who answers on the node: its SYN-ACKs, and sockets that send datagrams back."""
        self.listeners, self.udp = [], {}
        for port in LISTENING:
            for fam in (socket.AF_INET, socket.AF_INET6):
                for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
                    s = socket.socket(fam, kind)
                    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    if fam == socket.AF_INET6:
                        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                    s.bind(("::" if fam == socket.AF_INET6 else "0.0.0.0", port))
                    if kind == socket.SOCK_STREAM:
                        s.listen(8192)
                        self.listeners.append(s)
                    else:  # never read: who gets what is seen by the raw sockets
                        self.udp[6 if fam == socket.AF_INET6 else 4, port] = s

    @staticmethod
    def open_raw():
        """What the node itself gets, past all its rules."""
        v = []
        for fam, protos in ((socket.AF_INET, (kp.TCP, kp.UDP, kp.SCTP, kp.ICMP)), (socket.AF_INET6, (kp.TCP, kp.UDP, kp.SCTP, kp.ICMP6))):
            for proto in protos:
                s = socket.socket(fam, socket.SOCK_RAW, proto)
                s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 21)
                if fam == socket.AF_INET6:
                    s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
                s.setblocking(False)
                v.append((s, fam, proto))
        return v

    @staticmethod
    def sysctl(name, value, check=True):
        try:
            with open(f"/proc/sys/{name}", "w", encoding="ascii") as f:
                f.write(str(value))
        except OSError:
            if check:
                raise

    def settings(self, values):
        """{"net/ipv4/conf/eth0/rp_filter": 1, ...} over the usual ones."""
        usual = {"net/ipv4/ip_forward": 1, "net/ipv6/conf/all/forwarding": 1, "net/bridge/bridge-nf-call-iptables": 1, "net/bridge/bridge-nf-call-ip6tables": 1}
        for path in ("all", "eth0", "eth1", "cni0"):
            usual[f"net/ipv4/conf/{path}/rp_filter"] = 0
            usual[f"net/ipv4/conf/{path}/route_localnet"] = int(path == "all")
            if path != "all":
                usual[f"net/ipv4/conf/{path}/forwarding"] = 1
        for name, value in {**usual, **{k: v for k, v in values.items() if k.startswith("net/")}}.items():
            self.sysctl(name, value)
        for port in PORTS:
            run("bridge", "link", "set", "dev", port, "hairpin", values.get(f"hairpin {port}", "on"))

    # ---- sending ----

    def number(self):
        """A source port and a mark of its own for each packet."""
        self.last_port = self.last_port + 1 if self.last_port < 29000 else 20001
        self.ident = (self.ident + 16) & 0x7fffffff
        return self.last_port, self.ident

    def send(self, link, p, reply=False, mac_to=None):
        self.wires[link].send(kp.frame(mac_to or NODE_MAC[INTERFACE[link]], PEER_MAC[link], p, reply))

    @staticmethod
    def send_from_node(p):
        """True: the kernel took it. A packet that a rule drops in OUTPUT, or that has no route, is refused to who sends it."""
        fam = socket.AF_INET6 if ":" in p.src else socket.AF_INET
        with socket.socket(fam, socket.SOCK_RAW, socket.IPPROTO_RAW) as s:
            try:
                s.bind((p.src, 0))
                s.sendto(kp.datagram(p), (p.dst, 0))
            except OSError:
                return False
        return True

    def reply_from_node(self, p):
        """From the listener at @p's destination back to its source, as it was delivered."""
        fam = family(p.src)
        s = self.udp.get((fam, p.dport))
        if not s:
            return False
        payload = kp.MAGIC + struct.pack("!I", p.ident) + b"R\0\0\0"
        own = kp.pack_address(p.dst)
        info = (socket.IPPROTO_IP, IP_PKTINFO, struct.pack("=I4s4s", 0, own, own)) if fam == 4 else \
            (socket.IPPROTO_IPV6, socket.IPV6_PKTINFO, own + struct.pack("=I", 0))
        try:
            s.sendmsg([payload], [info], 0, (p.src, p.sport))
        except OSError:
            pass
        return True

    # ---- what comes out ----

    def marker(self, link):
        tip = {"eth0": self.node[4], "eth1": "198.51.100.1"}.get(link, self.gateway[4])
        me = mac(PEER_MAC[link])
        self.wires[link].send(mac(NODE_MAC[INTERFACE[link]]) + me + b"\x08\x06" + struct.pack("!HHBBH", 1, 0x0800, 6, 4, 1) + me + b"\0\0\0\0" +
                              b"\0" * 6 + socket.inet_aton(tip))

    def collect(self, link, ident):
        """[(where, Packet)] of what belongs to @ident, or to one of several: where is a far end, or "node". Returns when the marker sent behind it is back."""
        wanted = ident if isinstance(ident, set) else {ident}
        self.marker(link)
        seen, end, done = [], time.monotonic() + MARKER_SECONDS, False
        while not done:
            if time.monotonic() > end:
                raise OSError(f"no answer to the marker on {link}")
            select.select(list(self.wires.values()), [], [], 0.5)
            for d, s in self.wires.items():
                done = self.read_wire(d, s, wanted, seen, link) or done
        for d, s in self.wires.items():
            self.read_wire(d, s, wanted, seen, link)
        self.read_raw(wanted, seen)
        return seen

    @staticmethod
    def read_wire(d, s, wanted, seen, link):
        marked = False
        while True:
            try:
                data, address = s.recvfrom(4096)
            except BlockingIOError:
                return marked
            if address[2] == socket.PACKET_OUTGOING:
                continue
            if data[12:14] == b"\x08\x06":
                marked = marked or (d == link and data[20:22] == b"\0\2")
            elif data[:6] == mac(PEER_MAC[d]):
                p = kp.read_ip(data[14:])
                if p and p.ident in wanted:
                    seen.append((d, p))

    def read_raw(self, wanted, seen):
        for s, fam, proto in self.raw:
            while True:
                try:
                    data, anc, _, address = s.recvmsg(4096, 256)
                except BlockingIOError:
                    break
                if fam == socket.AF_INET:
                    p = kp.read_ip(data)
                else:
                    to = next((socket.inet_ntop(fam, x[2][:16]) for x in anc if x[1] == socket.IPV6_PKTINFO), "::")
                    p = kp.read_transport(address[0].split("%")[0], to, proto, data)
                if p and p.ident in wanted:
                    seen.append(("node", p))

    def is_own(self, a):
        return a in (self.node[family(a)], self.gateway[family(a)], "198.51.100.1", "fd98::1", "::1") or a.startswith("127.")

    def is_pod_here(self, a):
        return a.startswith(f"10.244.{self.x}." if family(a) == 4 else f"fd44:{self.x}::") and not self.is_own(a)

    def way_back(self, link, client):
        """The MAC that the endpoint at @link sends its reply to; None: another way than by this node."""
        if client.startswith("127.") or client == "::1":
            return None  # it takes that for itself
        if INTERFACE[link] == "cni0":
            if self.is_pod_here(client):
                return PEER_MAC.get(self.pod_port.get(client))
            return NODE_MAC["cni0"]
        return NODE_MAC[INTERFACE[link]] if self.is_own(client) or self.is_pod_here(client) else None
