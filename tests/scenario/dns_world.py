# SPDX-License-Identifier: GPL-2.0-or-later
"""A cluster's DNS in network namespaces, with real servers and real rules:

    net     10.90.7.254  the nodes' network, and the name server that the nodes ask, for names outside the cluster
    node1   10.90.7.1    pods: coredns-a 10.244.1.2 (in p1), the client 10.244.1.99 (in cl)
    node2   10.90.7.2    pods: coredns-b 10.244.2.2, coredns-c 10.244.2.3 (both in p2)
Each DNS pod runs knotd, which serves the zones that the objects make (dns_objects.py) and asks the server of net for other names, as CoreDNS does. The
cluster IP 10.96.0.10 is translated on both nodes by rules in the manner of kube-proxy. The client has the resolv.conf that a kubelet writes, in
/etc/netns/NAME/resolv.conf. A set-up changes a World before start(): objects, zones, servers, rules, files. Namespaces are named by this process."""
import os
import shutil
import subprocess
import sys
import time

from common import ROOT, sh, write
from dns_objects import CLIENT, DNS_PODS, VIP, Cluster, records, zone_text, zones

UPSTREAM = "10.90.7.254"
SPACES = {"coredns-a": "p1", "coredns-b": "p2", "coredns-c": "p2"}
OUTSIDE = [("www.example.com", "A", "198.51.100.80"), ("www.example.com", "AAAA", "2001:db8::80"), ("ns.example.com", "A", UPSTREAM),
           ("host.corp.example", "A", "192.0.2.20")]


def lacks(*more):
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    missing = [p for p in ("ip", "iptables-restore", "knotd", "nsenter", "setpriv", "dig", *more) if not shutil.which(p, path=path)]
    if os.geteuid() != 0:
        return "needs root"
    return f"lacks {', '.join(missing)}" if missing else None


class World:
    def __init__(self, number, folder):
        self.tag, self.folder, self.processes, self.spaces = f"dns{os.getpid()}x{number}", folder, [], []
        self.cluster = Cluster()
        self.search = ["corp.example"]
        self.outside = list(OUTSIDE)    # records outside the cluster; None: their server refuses all
        self.broken_zones = ()          # of these the servers have no contents: SERVFAIL
        self.forward = UPSTREAM         # None: names outside the zones are refused
        self.served = None              # objects that the zones are made of; None: those of the API
        self.of_pod = {}                # pod's name: a function that starts its server in another way, or None
        self.endpoints = [ip for _, ip, _ in DNS_PODS] # to which the rules lead; []: REJECT; None: there are no rules
        self.upstream = True
        self.servers, self.options = [VIP], ["ndots:5"]
        self.searches = None            # of the client; None: as the kubelet writes it
        self.node_conf = None           # resolv.conf of the nodes; None: the server of net
        self.afterwards = []            # functions that are called when all runs
        self.client = "cl"

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        for p in self.processes:
            p.kill()
        for p in self.processes:
            p.wait()
            for f in (p.stdout, p.stderr):
                if f:
                    f.close()
        for name in self.spaces:
            sh("ip", "netns", "del", name, check=False)
            shutil.rmtree(f"/etc/netns/{name}", ignore_errors=True)

    # ---- namespaces ----

    def name(self, short):
        return f"{self.tag}{short}"

    def batch(self, lines, short=None):
        sh("ip", *(("-n", self.name(short)) if short else ()), "-batch", "-", stdin="\n".join([*lines, ""]).encode())

    def inside(self, short, *args, stdin=None, check=True):
        return sh("nsenter", f"--net=/run/netns/{self.name(short)}", *args, stdin=stdin, check=check)

    def network(self):
        names = ["net", "node1", "node2", "p1", "p2", "cl"]
        self.spaces = [self.name(n) for n in names]
        wires = [("node1", "eth0", "net", "n1"), ("node2", "eth0", "net", "n2"), ("p1", "eth0", "node1", "vp1"), ("p2", "eth0", "node2", "vp2"),
                 ("cl", "eth0", "node1", "vcl")]
        self.batch([f"netns add {n}" for n in self.spaces]
                   + [f"link add {x} netns {self.name(a)} type veth peer name {y} netns {self.name(b)}" for a, x, b, y in wires])
        self.batch(["link set lo up", "link add lan0 type bridge forward_delay 0", "link set lan0 up", "link set n1 master lan0 up", "link set n2 master lan0 up",
                    f"addr add {UPSTREAM}/24 dev lan0", "route add 10.244.1.0/24 via 10.90.7.1", "route add 10.244.2.0/24 via 10.90.7.2",
                    "route add blackhole 10.0.0.0/8"], "net")
        for n, pods in ((1, {"vp1": ["10.244.1.2"], "vcl": [CLIENT]}), (2, {"vp2": ["10.244.2.2", "10.244.2.3"]})):
            lines = ["link set lo up", f"addr add 10.90.7.{n}/24 dev eth0", "link set eth0 up", f"route add 10.244.{3 - n}.0/24 via 10.90.7.{3 - n}",
                     f"route add default via {UPSTREAM}"]
            for dev, addresses in pods.items():
                lines += [f"link set {dev} up", f"addr add 10.244.{n}.1/32 dev {dev}", *(f"route add {a}/32 dev {dev}" for a in addresses)]
            self.batch(lines, f"node{n}")
        for pod, n, addresses in (("p1", 1, ["10.244.1.2"]), ("p2", 2, ["10.244.2.2", "10.244.2.3"]), ("cl", 1, [CLIENT])):
            self.batch(["link set lo up", "link set eth0 up", *(f"addr add {a}/32 dev eth0" for a in addresses), f"route add 10.244.{n}.1 dev eth0 scope link",
                        f"route add default via 10.244.{n}.1"], pod)
        for short in ("net", "node1", "node2", "p1", "p2"):
            self.inside(short, "sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv4.conf.all.rp_filter=0", "net.ipv4.conf.default.rp_filter=0",
                        "net.ipv4.icmp_ratelimit=0")

    def lead(self, endpoints):
        """The rules of the DNS Service on both nodes: they take the endpoints in turn."""
        lines = ["*nat", ":KUBE-SERVICES - [0:0]", ":KUBE-DNS - [0:0]", "-A PREROUTING -j KUBE-SERVICES", "-A OUTPUT -j KUBE-SERVICES",
                 *(f"-A KUBE-SERVICES -d {VIP}/32 -p {p} -m {p} --dport 53 -j KUBE-DNS" for p in ("udp", "tcp"))]
        for p in ("udp", "tcp"):
            for i, e in enumerate(endpoints):
                left = len(endpoints) - i
                lines.append(f"-A KUBE-DNS -p {p} -m {p} " + (f"-m statistic --mode nth --every {left} --packet 0 " if left > 1 else "")
                             + f"-j DNAT --to-destination {e}:53")
        lines += ["COMMIT", "*filter"]
        if not endpoints:
            lines += [f"-A {chain} -d {VIP}/32 -j REJECT" for chain in ("FORWARD", "OUTPUT")]
        for node in ("node1", "node2"):
            self.inside(node, "iptables-restore", stdin="\n".join([*lines, "COMMIT", ""]).encode())

    # ---- servers ----

    def spawn(self, short, *args, ready=None, name="server"):
        """A process in a namespace; @ready: what its output says when it serves."""
        path = os.path.join(self.folder, f"{name}.{len(self.processes)}.log")
        with open(path, "wb") as log:
            # no server outlives the thread that started it, however that ends
            p = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", "nsenter", f"--net=/run/netns/{self.name(short)}", *args], stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)
        self.processes.append(p)
        for _ in range(1000 if ready else 0):
            with open(path, "rb") as log:
                if ready.encode() in log.read():
                    return p
            if p.poll() is not None:
                break
            time.sleep(0.01)
        if ready:
            with open(path, encoding="utf-8", errors="replace") as log:
                raise OSError(f"{' '.join(args)} does not serve: {log.read()[-600:]}")
        return p

    def knot(self, short, where, texts, forward=None, broken=(), name="knot", payload=1232, timeout=300):
        """knotd at "ADDRESS@PORT" with zones {name: text}."""
        folder = os.path.join(self.folder, f"{name}-{len(self.processes)}")
        os.makedirs(folder)
        lines = ["server:", f"  rundir: {folder}", f"  listen: {where}", "  udp-workers: 4", "  tcp-workers: 1", "  background-workers: 1",
                 f"  udp-max-payload: {payload}", "database:", f"  storage: {folder}", "log:", "  - target: stderr", "    any: info"]
        if forward:
            lines += ["remote:", "  - id: up", f"    address: {forward}", "mod-dnsproxy:", "  - id: up", "    remote: up", "    fallback: on", f"    timeout: {timeout}"]
        lines += ["template:", "  - id: default", f"    storage: {folder}", "    zonefile-sync: -1", "    zonefile-load: whole", "    journal-content: none"]
        lines += ["    global-module: mod-dnsproxy/up"] if forward else []
        lines += ["zone:"]
        for n, (zone, text) in enumerate(texts.items()):
            lines += [f"  - domain: {zone or '.'}", f"    file: {n}.zone"]
            if zone not in broken:
                write(text, os.path.join(folder, f"{n}.zone"))
        write("\n".join([*lines, ""]), os.path.join(folder, "knot.conf"))
        return self.spawn(short, "knotd", "-c", os.path.join(folder, "knot.conf"), ready="server started", name=name)

    def hostile(self, short, mode, *addresses, behind=None):
        """A server of tests/scenario/dns_hostile.py."""
        return self.spawn(short, sys.executable, os.path.join(ROOT, "tests", "scenario", "dns_hostile.py"), mode, behind or "-", *addresses, ready="ready", name=mode)

    def zones(self, cluster=None):
        c = cluster or self.served or self.cluster
        return zones(records(c), c.domain)

    def dns_pod(self, pod, ip, cluster=None, **more):
        """The server of one pod, as it must be."""
        return self.knot(SPACES[pod], more.pop("where", f"{ip}@53"), self.zones(cluster), more.pop("forward", self.forward), self.broken_zones, name=pod, **more)

    def start(self):
        self.network()
        if self.endpoints is not None:
            self.lead(self.endpoints)
        if self.upstream:
            root = zone_text("", self.outside, "a.root.", "mail.root.").replace("..", ".") if self.outside else None
            self.knot("net", f"{UPSTREAM}@53", {"": root} if root else {"example.net": zone_text("example.net", [], "a.root.", "mail.root.")}, name="upstream")
        for pod, ip, _ in DNS_PODS:
            starter = self.of_pod.get(pod, self.dns_pod)
            if starter:
                starter(pod, ip)
        self.resolv_conf()
        for f in self.afterwards:
            f()
        return self

    # ---- files ----

    def conf_text(self):
        d = self.cluster.kubelet["node1"].get("clusterDomain") or "cluster.local"
        searches = self.searches if self.searches is not None else [f"shop.svc.{d}", f"svc.{d}", d, *self.search]
        return "".join([f"search {' '.join(searches)}\n" if searches else "", *(f"nameserver {s}\n" for s in self.servers),
                        f"options {' '.join(self.options)}\n" if self.options else ""])

    def node_text(self):
        return self.node_conf if self.node_conf is not None else f"nameserver {UPSTREAM}\nsearch {' '.join(self.search)}\n"

    def resolv_conf(self):
        for short, text in (("cl", self.conf_text()), ("node1", self.node_text()), ("node2", self.node_text())):
            write(text, f"/etc/netns/{self.name(short)}/resolv.conf")

    def bundle(self):
        path = self.cluster.bundle(os.path.join(self.folder, "bundle"))
        for n in ("node1", "node2"):
            write(self.node_text(), os.path.join(path, "nodes", n, "resolv.conf"))
        return path

    def links(self, node):
        """What the kernel says of a node's links, addresses and listeners, as files of the bundle."""
        folder = os.path.join(self.folder, "bundle", "nodes", node)
        for file, args in (("ip-addr.json", ("ip", "-j", "addr")), ("ip-link.json", ("ip", "-j", "-d", "link")), ("ip-route.json", ("ip", "-j", "route", "show", "table", "all")),
                           ("ss.txt", ("ss", "-lntu"))):
            write(self.inside(node, *args).decode(), os.path.join(folder, file))

    def ask(self, *args, at="cl"):
        """dig, for a look at what is really answered: the status and the data, or None when nothing is."""
        text = self.inside(at, "dig", "+noedns", *args, check=False).decode()
        status = text.split("status: ")[1:2]
        return (status[0].split(",")[0], [line.split()[4] for line in text.splitlines() if line and line[0] != ";" and "SOA" not in line]) if status else None
