# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs inside user-mode-linux for test_kernel_ipvs.py: a node with IPVS, its pods and the outside, packets, and where they came out.

FOLDER/plan.json: {"seconds": no case begins later, "cases": [...]}; of each case the node's dumps go to FOLDER/bundle-N/nodes/n, as a bundle has them, and a line of
JSON to the output: {"case": N, "packets": [{"seen": ..., "reply": ..., "src": ...}]}.

The node is the first network namespace. eth0 leads to the outside, the bridge cni0 has the ports vetha and vethb, a pod behind each.
A packet is known by its source port, a reply by its destination port."""
import ctypes
import json
import os
import select
import socket
import struct
import subprocess
import sys
import time

FOLDER, MODULES = sys.argv[1], sys.argv[2]
MAC = {"eth0": "02:00:00:00:00:01", "cni0": "02:00:00:00:00:02", "out": "02:00:00:00:00:99", "a": "02:00:00:00:00:05", "b": "02:00:00:00:00:06"}
PODS = {"10.244.1.5": "a", "10.244.1.6": "b"}
NAMES = ["ip_vs", *(f"ip_vs_{s}" for s in "rr wrr lc wlc sh dh mh sed nq fo ovf lblc lblcr".split()), "dummy", "bridge", "br_netfilter", "veth",
         "iptable_raw", "iptable_mangle", "iptable_nat", "iptable_filter", "xt_tcpudp", "xt_mark", "xt_conntrack", "xt_ipvs",
         "xt_MASQUERADE", "xt_set", "xt_comment", "xt_addrtype", "xt_physdev", "xt_nat", "ipt_REJECT", "xt_multiport", "xt_connmark", "xt_CT",
         "ip_set_hash_ip", "ip_set_hash_net", "ip_set_hash_ipport", "ip_set_hash_ipportip", "ip_set_hash_ipportnet", "ip_set_bitmap_port"]
TABLES = {"raw": ["PREROUTING", "OUTPUT"], "mangle": ["PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"],
          "nat": ["PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"], "filter": ["INPUT", "FORWARD", "OUTPUT"]}
NODE_OBJECTS = {"items": [
    {"metadata": {"name": name}, "spec": {"podCIDR": cidr, "podCIDRs": [cidr]}, "status": {"addresses": [{"type": "InternalIP", "address": ip}]}}
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
    batch += [f"neigh replace {ip} lladdr {MAC[pod]} dev cni0 nud permanent" for ip, pod in PODS.items()]
    sh("ip", "-batch", "-", stdin="\n".join(batch).encode())
    for pod in "ab":
        sh("bridge", "fdb", "replace", MAC[pod], "dev", f"veth{pod}", "master", "static")
    for ns in ("out", "a", "b"):
        sh("ip", "-n", ns, "link", "set", "peer0", "up")
        sh("ip", "netns", "exec", ns, "sysctl", "-qw", "net.ipv6.conf.peer0.disable_ipv6=1")
    for name, value in (("net.ipv4.ip_forward", 1), ("net.ipv4.icmp_ratelimit", 0), ("net.ipv4.icmp_msgs_per_sec", 100000),
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
        s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0800))
        s.bind(("peer0", 0x0800))
        v[ns] = s
        setns(f"/proc/self/fd/{own}")
    for name, proto in (("tcp", 6), ("udp", 17), ("icmp", 1)):
        v[name] = socket.socket(socket.AF_INET, socket.SOCK_RAW, proto)
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
    a, b = socket.inet_aton(src), socket.inet_aton(dst)
    if proto == 17:
        return struct.pack("!HHHH", sport, dport, 12, 0) + b"test"
    tcp = struct.pack("!HHIIBBHHH", sport, dport, 1000, ack, 5 << 4, flags, 64240, 0, 0)
    return tcp[:16] + struct.pack("!H", checksum(a + b + struct.pack("!BBH", 0, 6, len(tcp)) + tcp)) + tcp[18:]


def frame(dst_mac, src_mac, proto, src, dst, body):
    ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(body), 0, 0, 64, proto, 0, socket.inet_aton(src), socket.inet_aton(dst))
    ip = ip[:10] + struct.pack("!H", checksum(ip)) + ip[12:]
    return bytes.fromhex(dst_mac.replace(":", "") + src_mac.replace(":", "")) + b"\x08\x00" + ip + body


def read_ip(ip):
    """(proto, src, dst, sport, dport, flags, sequence number) of TCP and UDP; (1, src, dst, type, code, the packet that it is about) of ICMP; or None."""
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
                    data, address = s.recvfrom(2048)
                except BlockingIOError:
                    break
                if where in ("out", "a", "b"):
                    if address[2] == socket.PACKET_OUTGOING:
                        continue
                    data = data[14:]
                packet = read_ip(data)
                if packet:
                    got.append((where, packet))
        return got

    def until_marker(self):
        """All that came out before the answers to an echo from every side."""
        self.marks += 1
        for where, src, mac in (("out", "172.30.99.254", "eth0"), ("a", "10.244.1.5", "cni0"), ("b", "10.244.1.6", "cni0")):
            body = struct.pack("!BBHHH", 8, 0, 0, self.marks & 0xffff, 1)
            body = body[:2] + struct.pack("!H", checksum(body)) + body[4:]
            self.sockets[where].send(frame(MAC[mac], MAC[where], 1, src, "172.30.99.1" if where == "out" else "10.244.1.1", body))
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
    sh("ipvsadm", "-C")
    sh("iptables-legacy-restore", stdin=empty.encode())
    sh("ipset", "destroy")
    sh("ip", "addr", "flush", "dev", "kube-ipvs0")
    for name, value in case["sysctl"].items():
        sysctl(name, value)
    sh("ip", "-batch", "-", stdin="".join(f"addr add {a}/32 dev kube-ipvs0\n" for a in case["addresses"]).encode())
    for pod, hairpin in case["hairpin"].items():
        sh("bridge", "link", "set", "dev", f"veth{pod}", "hairpin", "on" if hairpin else "off")
    sh("ip", "-batch", "-", stdin="".join(f"neigh replace {ip} lladdr {MAC[pod]} dev cni0 nud permanent\n"
                                          for ip, pod in case.get("near", {}).items()).encode())
    sh("ipset", "restore", stdin=case["sets"].encode())
    sh("iptables-legacy-restore", "-c", stdin=case["rules"].encode())
    sh("ipvsadm", "-R", stdin=case["servers"].encode())


def sysctls():
    """What `sysctl -a` prints of IPVS, bridges and forwarding; all of it takes a second here."""
    names = ["net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding"]
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
    files = {"iptables-legacy-save.txt": ["iptables-legacy-save"], "ipset-save.txt": ["ipset", "save"], "ipvsadm-save.txt": ["ipvsadm", "-Sn"],
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
        s = socket.socket(socket.AF_INET, socket.SOCK_STREAM if proto == 6 else socket.SOCK_DGRAM)
        s.setblocking(False)
        s.bind((p["src"] or "0.0.0.0", p["sport"]))
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
    for where, packet in watch.until_marker():
        note(by_port, where, packet)
    for p in case["packets"]:
        if p["seen"] and p["seen"][0] == "sent":
            p["reply"] = None
            answer(watch, p)
    for where, packet in watch.until_marker():
        note(by_port, where, packet)
    for s in open_ones:
        s.close()
    counters = sh("iptables-legacy-save", "-c").decode()
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


main()
