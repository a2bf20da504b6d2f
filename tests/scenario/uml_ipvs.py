# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs inside user-mode-linux for test_kernel_ipvs.py: a node with IPVS, its pods and the outside, packets, and where they came out.

FOLDER/plan.json: {"seconds": no case begins later, "cases": [...]}; of each case the node's dumps go to FOLDER/bundle-N/nodes/n, as a bundle has them, and a line of
JSON to the output: {"case": N, "packets": [{"seen": ..., "reply": ..., "src": ...}]}.

The node is the first network namespace. eth0 leads to the outside, the bridge cni0 has the ports vetha and vethb, a pod behind each.
A packet is known by its source port, a reply by its destination port."""
import ctypes
import json
import os
import re
import select
import socket
import struct
import subprocess
import sys
import time

FOLDER, MODULES = sys.argv[1], sys.argv[2]
MAC = {"eth0": "02:00:00:00:00:01", "cni0": "02:00:00:00:00:02", "out": "02:00:00:00:00:99", "a": "02:00:00:00:00:05", "b": "02:00:00:00:00:06"}
PODS = {"10.244.1.5": "a", "10.244.1.6": "b"}
V4 = re.compile(r"\b(\d+\.\d+\.\d+\.\d+)\b(?:/(\d+))?")


def six(v4):
    """The IPv6 address that stands for an IPv4 one in the world of IPv6."""
    return socket.inet_ntop(socket.AF_INET6, b"\xfd" + b"\0" * 11 + socket.inet_aton(v4))


def in_six(text):
    return V4.sub(lambda m: six(m[1]) + (f"/{96 + int(m[2])}" if m[2] else ""), text)


PODS.update({six(ip): pod for ip, pod in list(PODS.items())})
NAMES = ["ip_vs", *(f"ip_vs_{s}" for s in "rr wrr lc wlc sh dh mh sed nq fo ovf lblc lblcr".split()), "dummy", "bridge", "br_netfilter", "veth",
         "iptable_raw", "iptable_mangle", "iptable_nat", "iptable_filter", "xt_tcpudp", "xt_mark", "xt_conntrack", "xt_ipvs",
         "xt_MASQUERADE", "xt_set", "xt_comment", "xt_addrtype", "xt_physdev", "xt_nat", "ipt_REJECT", "xt_multiport", "xt_connmark", "xt_CT",
         "ip6table_raw", "ip6table_mangle", "ip6table_nat", "ip6table_filter", "ip6t_REJECT",
         "ip_set_hash_ip", "ip_set_hash_net", "ip_set_hash_ipport", "ip_set_hash_ipportip", "ip_set_hash_ipportnet", "ip_set_bitmap_port"]
TABLES = {"raw": ["PREROUTING", "OUTPUT"], "mangle": ["PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"],
          "nat": ["PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"], "filter": ["INPUT", "FORWARD", "OUTPUT"]}
NODE_OBJECTS = {"items": [
    {"metadata": {"name": name}, "spec": {"podCIDR": cidr, "podCIDRs": [cidr, in_six(cidr)]},
     "status": {"addresses": [{"type": "InternalIP", "address": a} for a in (ip, six(ip))]}}
    for name, cidr, ip in (("n", "10.244.1.0/24", "172.30.99.1"), ("m", "10.244.2.0/24", "172.30.99.2"))], "kind": "NodeList", "apiVersion": "v1"}


def sh(*args, stdin=None, check=True):
    r = subprocess.run(args, input=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
    if check and r.returncode:
        raise OSError(f"{' '.join(args)}: {r.stderr.decode(errors='replace')[-400:]}")
    return r.stdout


def write(path, text):
    with open(path, "w", encoding="ascii") as f:
        f.write(text)


def sysctl(name, value):
    write("/proc/sys/" + name.replace(".", "/"), f"{value}\n")


# ---- the world ----

def make_world():
    sh("modprobe", "-a", "-d", MODULES, *NAMES)
    write("/proc/sys/kernel/modprobe", "\n")  # whatever is asked for from here on is not there: quickly
    for ns in ("out", "a", "b"):
        sh("ip", "netns", "add", ns)
    batch = [f"link add eth0 address {MAC['eth0']} type veth peer name peer0 netns out address {MAC['out']}",
             f"link add cni0 address {MAC['cni0']} type bridge forward_delay 0"]
    for pod in "ab":
        batch += [f"link add veth{pod} type veth peer name peer0 netns {pod} address {MAC[pod]}", f"link set veth{pod} master cni0 up"]
    batch += ["link set lo up", "link set eth0 up", "link set cni0 up", "addr add 172.30.99.1/24 dev eth0", "addr add 10.244.1.1/24 dev cni0",
              "route add default via 172.30.99.254 dev eth0", "route add 10.244.2.0/24 via 172.30.99.2 dev eth0", "link add kube-ipvs0 type dummy"]
    batch += [f"neigh replace {ip} lladdr {MAC['out']} dev eth0 nud permanent" for ip in
              ("172.30.99.254", "172.30.99.2", "172.30.99.50", "172.30.99.10")]
    batch += [f"neigh replace {ip} lladdr {MAC[pod]} dev cni0 nud permanent" for ip, pod in PODS.items() if ":" not in ip]
    sh("ip", "-batch", "-", stdin="\n".join(batch).encode())
    # The same in IPv6, where what is no address stays as it is.
    sh("ip", "-6", "-batch", "-", stdin="\n".join(in_six(x) + (" nodad" if x.startswith("addr") else "") for x in batch
                                                 if x.startswith(("addr", "route", "neigh")) and (x.startswith("neigh") or V4.search(x))).encode())
    for pod in "ab":
        sh("bridge", "fdb", "replace", MAC[pod], "dev", f"veth{pod}", "master", "static")
    for ns in ("out", "a", "b"):
        sh("ip", "-n", ns, "link", "set", "peer0", "up")
        sh("ip", "netns", "exec", ns, "sysctl", "-qw", "net.ipv6.conf.peer0.disable_ipv6=1")
    for name, value in (("net.ipv4.ip_forward", 1), ("net.ipv6.conf.all.forwarding", 1), ("net.ipv6.icmp.ratelimit", 0),
                        ("net.ipv4.icmp_ratelimit", 0), ("net.ipv4.icmp_msgs_per_sec", 100000),
                        ("net.netfilter.nf_conntrack_max", 200000), ("net.ipv4.tcp_syn_retries", 1),
                        ("net.ipv4.vs.expire_quiescent_template", 1), ("net.ipv4.vs.expire_nodest_conn", 1), ("net.ipv4.conf.all.send_redirects", 0)):
        sysctl(name, value)
    for dev in ("all", "default", "eth0", "cni0", "vetha", "vethb"):
        sysctl(f"net.ipv4.conf.{dev}.rp_filter", 0)
        sysctl(f"net.ipv4.conf.{dev}.send_redirects", 0)


def setns(name):
    libc = ctypes.CDLL(None, use_errno=True)
    fd = os.open(name, os.O_RDONLY)
    if libc.setns(fd, 0x40000000):
        raise OSError(ctypes.get_errno(), "setns")
    os.close(fd)


def open_sockets():
    """Frames at the far ends, and what is delivered to the node."""
    here = "/proc/self/ns/net"
    own = os.open(here, os.O_RDONLY)
    v = {}
    for ns in ("out", "a", "b"):
        setns(f"/run/netns/{ns}")
        s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0003))
        s.bind(("peer0", 0x0003))
        v[ns] = s
        setns(f"/proc/self/fd/{own}")
    for name, proto in (("tcp", 6), ("udp", 17), ("icmp", 1)):
        v[name] = socket.socket(socket.AF_INET, socket.SOCK_RAW, proto)
        v[name + "6"] = socket.socket(socket.AF_INET6, socket.SOCK_RAW, 58 if proto == 1 else proto)
        v[name + "6"].setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
    for s in v.values():
        s.setsockopt(socket.SOL_SOCKET, 33, 1 << 23)
        s.setblocking(False)
    return v


# ---- packets ----

def checksum(data):
    if len(data) % 2:
        data += b"\0"
    s = sum(struct.unpack(f"!{len(data) // 2}H", data))
    s = (s >> 16) + (s & 0xffff)
    return ~(s + (s >> 16)) & 0xffff


def transport(proto, src, dst, sport, dport, flags, ack=0):
    a, b = packed(src), packed(dst)
    if proto == 17:
        udp = struct.pack("!HHHH", sport, dport, 12, 0) + b"test"
        return udp[:6] + struct.pack("!H", checksum(a + b + struct.pack("!IBBBB", len(udp), 0, 0, 0, 17) + udp) or 0xffff) + udp[8:]
    tcp = struct.pack("!HHIIBBHHH", sport, dport, 1000, ack, 5 << 4, flags, 64240, 0, 0)
    return tcp[:16] + struct.pack("!H", checksum(a + b + struct.pack("!IBBBB", len(tcp), 0, 0, 0, 6) + tcp)) + tcp[18:]


def packed(address):
    return socket.inet_pton(socket.AF_INET6 if ":" in address else socket.AF_INET, address)


def frame(dst_mac, src_mac, proto, src, dst, body):
    if ":" in src:
        ip = struct.pack("!IHBB", 6 << 28, len(body), proto, 64) + packed(src) + packed(dst)
        return bytes.fromhex(dst_mac.replace(":", "") + src_mac.replace(":", "")) + b"\x86\xdd" + ip + body
    ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(body), 0, 0, 64, proto, 0, socket.inet_aton(src), socket.inet_aton(dst))
    ip = ip[:10] + struct.pack("!H", checksum(ip)) + ip[12:]
    return bytes.fromhex(dst_mac.replace(":", "") + src_mac.replace(":", "")) + b"\x08\x00" + ip + body


def read_ip(ip):
    """(proto, src, dst, sport, dport, flags, sequence number) of TCP and UDP; (1, src, dst, type, code, the packet that it is about) of ICMP; or None."""
    if len(ip) >= 48 and ip[0] >> 4 == 6:
        return read_six(ip[6], socket.inet_ntop(socket.AF_INET6, ip[8:24]), socket.inet_ntop(socket.AF_INET6, ip[24:40]), ip[40:])
    if len(ip) < 28 or ip[0] != 0x45:
        return None
    if ip[9] == 4:  # a tunnel: the packet in it, to the end of the tunnel
        inner = read_ip(ip[20:])
        return inner and inner[0] != 1 and (*inner[:2], socket.inet_ntoa(ip[16:20]), *inner[3:]) or None
    src, dst, body = socket.inet_ntoa(ip[12:16]), socket.inet_ntoa(ip[16:20]), ip[20:]
    if ip[9] in (6, 17):
        ports = struct.unpack("!HH", body[:4])
        tcp = ip[9] == 6 and len(body) > 13
        return (ip[9], src, dst, *ports, body[13] if tcp else 0, struct.unpack("!I", body[4:8])[0] if tcp else 0)
    return (1, src, dst, body[0], body[1], read_ip(body[8:])) if ip[9] == 1 else None


def read_six(proto, src, dst, body):
    if proto == 41:
        inner = read_ip(body)
        return inner and inner[0] != 1 and (*inner[:2], dst, *inner[3:]) or None
    if proto in (6, 17) and len(body) >= 8:
        tcp = proto == 6 and len(body) > 13
        return (proto, src, dst, *struct.unpack("!HH", body[:4]), body[13] if tcp else 0, struct.unpack("!I", body[4:8])[0] if tcp else 0)
    if proto != 58 or len(body) < 8:
        return None
    # Told in the numbers of IPv4: unreachable is 3, an answer to an echo 0, a port 3.
    kind = {1: 3, 129: 0}.get(body[0])
    return None if kind is None else (1, src, dst, kind, {4: 3, 1: 10}.get(body[1], body[1]) if kind else 0, read_ip(body[8:]))


class Watch:
    def __init__(self, sockets):
        self.sockets, self.marks = sockets, 0
        self.poll = select.poll()
        for s in sockets.values():
            self.poll.register(s, select.POLLIN)

    def received(self, timeout):
        """[(where, packet)]"""
        got = []
        if not self.poll.poll(timeout * 1000):
            return got
        for where, s in self.sockets.items():
            while True:
                try:
                    data, more, _, address = s.recvmsg(2048, 128)
                except BlockingIOError:
                    break
                if where.endswith("6"):
                    to = socket.inet_ntop(socket.AF_INET6, more[0][2][:16])
                    packet = read_six({"tcp6": 6, "udp6": 17, "icmp6": 58}[where], address[0], to, data)
                    if packet:
                        got.append((where[:-1], packet))
                    continue
                if where in ("out", "a", "b"):
                    if address[2] == socket.PACKET_OUTGOING or data[12:14] not in (b"\x08\x00", b"\x86\xdd"):
                        continue
                    data = data[14:]
                packet = read_ip(data)
                if packet:
                    got.append((where, packet))
        return got

    def until_marker(self, ip6=False):
        """All that came out before the answers to an echo from every side."""
        self.marks += 1
        for where, src, dst, mac in (("out", "172.30.99.254", "172.30.99.1", "eth0"), ("a", "10.244.1.5", "10.244.1.1", "cni0"),
                                     ("b", "10.244.1.6", "10.244.1.1", "cni0")):
            src, dst = (six(src), six(dst)) if ip6 else (src, dst)
            body = struct.pack("!BBHHH", 128 if ip6 else 8, 0, 0, self.marks & 0xffff, 1)
            pseudo = packed(src) + packed(dst) + struct.pack("!IBBBB", len(body), 0, 0, 0, 58) if ip6 else b""
            body = body[:2] + struct.pack("!H", checksum(pseudo + body)) + body[4:]
            self.sockets[where].send(frame(MAC[mac], MAC[where], 58 if ip6 else 1, src, dst, body))
        waiting, got, end = {"out", "a", "b"}, [], time.monotonic() + 5
        while waiting and time.monotonic() < end:
            for where, p in self.received(0.2):
                if p[0] == 1 and p[3] == 0:
                    waiting.discard(where)
                else:
                    got.append((where, p))
        if waiting:
            raise OSError(f"no answer to the markers of {sorted(waiting)}")
        return got + self.received(0.02)


# ---- one case ----

def load(case):
    empty = "".join(f"*{t}\n" + "".join(f":{h} ACCEPT [0:0]\n" for h in TABLES[t]) + "COMMIT\n" for t in TABLES)
    ip6 = case.get("six", False)
    sh("ipvsadm", "-C")
    for restore in ("iptables-legacy-restore", "ip6tables-legacy-restore"):
        sh(restore, stdin=empty.encode())
    sh("ipset", "destroy")
    sh("ip", "addr", "flush", "dev", "kube-ipvs0")
    for name, value in case["sysctl"].items():
        sysctl(name, value)
    sh("ip", "-batch", "-", stdin="".join(f"addr add {a}/{128 if ip6 else 32} dev kube-ipvs0{' nodad' if ip6 else ''}\n" for a in case["addresses"]).encode())
    for pod, hairpin in case["hairpin"].items():
        sh("bridge", "link", "set", "dev", f"veth{pod}", "hairpin", "on" if hairpin else "off")
    sh("ip", "-batch", "-", stdin="".join(f"neigh replace {ip} lladdr {MAC[pod]} dev cni0 nud permanent\n"
                                          for ip, pod in case.get("near", {}).items()).encode())
    sh("ipset", "restore", stdin=case["sets"].encode())
    sh("ip6tables-legacy-restore" if ip6 else "iptables-legacy-restore", "-c", stdin=case["rules"].encode())
    sh("ipvsadm", "-R", stdin=case["servers"].encode())


def sysctls():
    """What `sysctl -a` prints of IPVS, bridges and forwarding; all of it takes a second here."""
    names = ["net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding", "net.ipv6.conf.all.disable_ipv6"]
    for folder in ("net/ipv4/vs", "net/bridge", *(f"net/ipv4/conf/{dev}" for dev in os.listdir("/proc/sys/net/ipv4/conf"))):
        names += [f"{folder}/{n}".replace("/", ".") for n in sorted(os.listdir("/proc/sys/" + folder))]
    lines = []
    for name in names:
        with open("/proc/sys/" + name.replace(".", "/"), encoding="ascii") as f:
            lines.append(f"{name} = {f.read().strip()}")
    return "\n".join(lines) + "\n"


def dump(number):
    node = os.path.join(FOLDER, f"bundle-{number}", "nodes", "n")
    cluster = os.path.join(FOLDER, f"bundle-{number}", "cluster")
    os.makedirs(node)
    os.makedirs(cluster)
    files = {"iptables-legacy-save.txt": ["iptables-legacy-save"], "ip6tables-legacy-save.txt": ["ip6tables-legacy-save"],
             "ipset-save.txt": ["ipset", "save"], "ipvsadm-save.txt": ["ipvsadm", "-Sn"],
             "ipvsadm-ln.txt": ["ipvsadm", "-ln"], "ip-addr.json": ["ip", "-j", "addr"], "ip-link.json": ["ip", "-j", "-d", "link"],
             "ip-route.json": ["ip", "-j", "route", "show", "table", "all"], "ip-rule.json": ["ip", "-j", "rule"],
             "ip-neigh.json": ["ip", "-j", "neigh"], "bridge-fdb.json": ["bridge", "-j", "fdb", "show"]}
    for name, cmd in files.items():
        with open(os.path.join(node, name), "wb") as f:
            f.write(sh(*cmd))
    with open(os.path.join(node, "sysctl.txt"), "w", encoding="ascii") as f:
        f.write(sysctls())
    with open(os.path.join(cluster, "nodes.json"), "w", encoding="ascii") as f:
        json.dump(NODE_OBJECTS, f)


def send(watch, p, open_ones):
    proto = 6 if p["proto"] == "tcp" else 17
    if p["from"] == "node":
        ip6 = ":" in p["dst"]
        s = socket.socket(socket.AF_INET6 if ip6 else socket.AF_INET, socket.SOCK_STREAM if proto == 6 else socket.SOCK_DGRAM)
        s.setblocking(False)
        s.bind((p["src"] or ("::" if ip6 else "0.0.0.0"), p["sport"]))
        try:
            s.connect((p["dst"], p["dport"]))
            if proto == 17:
                s.send(b"test")
        except OSError:
            pass
        try:
            p["src"] = s.getsockname()[0]
        except OSError:
            pass
        open_ones.append(s)
        return
    where = "out" if p["from"] == "out" else PODS[p["src"]]
    body = transport(proto, p["src"], p["dst"], p["sport"], p["dport"], 2)
    watch.sockets[where].send(frame(MAC["eth0" if where == "out" else "cni0"], MAC[where], proto, p["src"], p["dst"], body))


def note(by_port, where, packet):
    """What was seen of a request: ["sent", dev, src, dst, dport], ["local", ...], ["reject", type, code]."""
    if packet[0] == 1:
        about = packet[5]
        p = by_port.get(about[3]) if about and packet[3] == 3 else None
        if p and p["refused"] is None:
            p["refused"] = ["reject", packet[3], packet[4]]
        return
    proto, src, dst, sport, dport, flags, seq = packet
    p = by_port.get(sport)
    if p and (proto == 17 or flags & 0x17 == 2) and p["seen"] is None:
        p["seen"] = ["local" if where in ("tcp", "udp") else "sent", where, src, dst, dport]
        p["ack"] = (seq + 1) & 0xffffffff
        return
    p = by_port.get(dport)
    if p and (proto == 17 or flags & 0x14) and p["reply"] is None:
        p["reply"] = [where, src, dst, sport]


def answer(watch, p):
    """The reply of an endpoint, as it would come back to the node."""
    _, where, src, dst, dport = p["seen"]
    proto = 6 if p["proto"] == "tcp" else 17
    body = transport(proto, dst, src, dport, p["sport"], 0x12, p["ack"])
    to = MAC["eth0" if where == "out" else "cni0"]
    if where in ("a", "b") and src in PODS:
        to = MAC[PODS[src]]
    watch.sockets[where].send(frame(to, MAC[where], proto, dst, src, body))


def run(watch, number, case):
    load(case)
    if case.get("dump", True):
        dump(number)
    by_port, open_ones = {}, []
    for p in case["packets"]:
        p.update(seen=None, refused=None, reply=None)
        by_port[p["sport"]] = p
    watch.received(0)
    for p in case["packets"]:
        send(watch, p, open_ones)
    ip6 = case.get("six", False)
    for where, packet in watch.until_marker(ip6):
        note(by_port, where, packet)
    for p in case["packets"]:
        if p["seen"] and p["seen"][0] == "sent":
            p["reply"] = None
            answer(watch, p)
    for where, packet in watch.until_marker(ip6):
        note(by_port, where, packet)
    for s in open_ones:
        s.close()
    counters = sh("ip6tables-legacy-save" if ip6 else "iptables-legacy-save", "-c").decode()
    return {"case": number, "packets": case["packets"], "counters": [line for line in counters.splitlines() if "-m ipvs" in line or "VISITS" in line]}


def count_shares(watch, number, case):
    """Connections by the endpoint that they got."""
    load(case)
    dump(number)
    got, sent = {}, 0
    p = case["packets"][0]
    frames = frame(MAC["eth0"], MAC["out"], 17, p["src"], p["dst"], transport(17, p["src"], p["dst"], 0, p["dport"], 0))
    while sent < case["shares"]:
        for _ in range(50):
            # Other source ports, other sources: the checksum of an IP header is set, that of UDP is left out.
            src = socket.inet_aton(f"198.{51 + number}.{sent >> 14 & 255}.{sent >> 6 & 255}")
            ip = frames[14:26] + src + frames[30:34]
            ip = ip[:10] + b"\0\0" + ip[12:]
            ip = ip[:10] + struct.pack("!H", checksum(ip)) + ip[12:]
            watch.sockets["out"].send(frames[:14] + ip + struct.pack("!H", 1024 + (sent & 63)) + frames[36:])
            sent += 1
        for _, packet in watch.received(0.001):
            if packet[0] == 17:
                key = f"{packet[2]}:{packet[4]}"
                got[key] = got.get(key, 0) + 1
    for _, packet in watch.until_marker():
        if packet[0] == 17:
            key = f"{packet[2]}:{packet[4]}"
            got[key] = got.get(key, 0) + 1
    return {"case": number, "shares": got}


def main():
    make_world()
    watch = Watch(open_sockets())
    with open(os.path.join(FOLDER, "plan.json"), encoding="ascii") as f:
        plan = json.load(f)
    begin = time.monotonic()
    for number, case in enumerate(plan["cases"]):
        start = time.monotonic()
        if start - begin > plan["seconds"]:
            break
        try:
            result = count_shares(watch, number, case) if "shares" in case else run(watch, number, case)
        except OSError as e:
            result = {"case": number, "error": str(e)}
        result["seconds"] = round(time.monotonic() - start, 1)
        print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
