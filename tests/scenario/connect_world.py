# SPDX-License-Identifier: GPL-2.0-or-later
"""Two nodes with pods in network namespaces, for the tests of connect:

    node1   10.90.7.1   cni0 10.244.1.1/24   pods of node1
    node2   10.90.7.2   cni0 10.244.2.1/24   pods of node2
A pod is a namespace at the node's bridge, with one address or several; a process in it listens. The cluster IP 10.96.0.10 is translated on node1
by rules in the manner of kube-proxy. Namespaces have names that begin with the number of this process, and are gone at the end."""
import json
import os
import subprocess
import sys

from common import sh, write

LISTENER = r"""
import select, socket, sys
tcp, udp = [], []
for word in sys.argv[1:]:
    kind, address, port = word.split(",")
    s = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM if kind in ("udp", "dns") else socket.SOCK_STREAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind((address, int(port)))
    if kind in ("udp", "dns"):
        udp.append(s)
    else:
        s.listen(64)
        tcp.append((s, kind))
print("ready", flush=True)
waiting = {}
while True:
    for s in select.select([x for x, _ in tcp] + udp + list(waiting), [], [])[0]:
        if s in udp:
            data, who = s.recvfrom(2048)
            s.sendto(data[:2] + b"\x81\x80" + data[4:] if len(data) > 12 else b"pong", who)
        elif s in waiting:
            kind = waiting.pop(s)
            try:
                if kind != "end" and s.recv(2048):
                    s.sendall({"http": b"HTTP/1.1 200 OK\r\n\r\n", "bad": b"HTTP/1.1 503 Service Unavailable\r\n\r\n", "other": b"SSH-2.0-x\r\n"}[kind])
            except (OSError, KeyError):
                pass
            s.close()
        else:
            c, _ = s.accept()
            waiting[c] = dict(tcp)[s]
"""


class World:
    def __init__(self):
        self.tag = f"svc{os.getpid()}"
        self.spaces, self.listeners, self.cables = [], [], 0

    def __enter__(self):
        try:
            self.make()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exc):
        for p in self.listeners:
            p.kill()
            p.wait()
            p.stdout.close()
        for name in self.spaces:
            sh("ip", "netns", "del", name, check=False)

    def name(self, short):
        return f"{self.tag}{short}"

    def add(self, short):
        sh("ip", "netns", "add", self.name(short))
        self.spaces.append(self.name(short))
        self.ip(short, "link", "set", "lo", "up")

    def ip(self, short, *args, check=True):
        return sh("ip", "-n", self.name(short), *args, check=check)

    def inside(self, short, *args, stdin=None):
        return sh("ip", "netns", "exec", self.name(short), *args, stdin=stdin)

    def prefix(self, short):
        return ("ip", "netns", "exec", self.name(short))

    def cable(self, a, adev, b, bdev):
        self.cables += 1
        x, y = f"s{os.getpid() % 100000}x{self.cables}", f"s{os.getpid() % 100000}y{self.cables}"
        sh("ip", "link", "add", x, "type", "veth", "peer", "name", y)
        for dev, short, name in ((x, a, adev), (y, b, bdev)):
            sh("ip", "link", "set", dev, "netns", self.name(short), "name", name)
            self.ip(short, "link", "set", name, "up")

    def make(self):
        for n in (1, 2):
            self.add(f"node{n}")
        self.cable("node1", "eth0", "node2", "eth0")
        for n, other in ((1, 2), (2, 1)):
            node = f"node{n}"
            self.inside(node, "sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv4.conf.all.rp_filter=0", "net.ipv4.conf.default.rp_filter=0",
                        "net.ipv4.icmp_ratelimit=0")
            self.ip(node, "addr", "add", f"10.90.7.{n}/24", "dev", "eth0")
            self.ip(node, "link", "add", "cni0", "type", "bridge", "forward_delay", "0")
            self.ip(node, "addr", "add", f"10.244.{n}.1/24", "dev", "cni0")
            self.ip(node, "link", "set", "cni0", "up")
            self.ip(node, "route", "add", f"10.244.{other}.0/24", "via", f"10.90.7.{other}")
            self.ip(node, "route", "add", "default", "via", "10.90.7.254")

    def pod(self, short, node, *addresses):
        self.add(short)
        self.cable(node, f"v{short}", short, "eth0")
        self.ip(node, "link", "set", f"v{short}", "master", "cni0")
        for a in addresses:
            self.ip(short, "addr", "add", f"{a}/24", "dev", "eth0")
        self.ip(short, "route", "add", "default", "via", f"10.244.{node[-1]}.1", "dev", "eth0", "onlink")

    def listen(self, short, *what):
        """What: "http,ADDRESS,PORT"; also bad, other, end (of HTTP), mute, udp, dns."""
        p = subprocess.Popen([*self.prefix(short), sys.executable, "-c", LISTENER, *what], stdout=subprocess.PIPE, stdin=subprocess.DEVNULL)
        self.listeners.append(p)
        if p.stdout.readline() != b"ready\n":
            raise OSError(f"nobody listens in {short}")
        return p

    def rules(self, node, text):
        self.inside(node, "iptables-restore", stdin=text.encode())


def translate(vip, port, endpoints):
    """Rules that lead to the endpoints one after the other, as `nth` does."""
    lines = ["*nat", ":KUBE-SERVICES - [0:0]", ":KUBE-SVC-TEST - [0:0]", "-A PREROUTING -j KUBE-SERVICES", "-A OUTPUT -j KUBE-SERVICES",
             f"-A KUBE-SERVICES -d {vip}/32 -p tcp -m tcp --dport {port} -j KUBE-SVC-TEST"]
    for i, e in enumerate(endpoints):
        left = len(endpoints) - i
        nth = f"-m statistic --mode nth --every {left} --packet 0 " if left > 1 else ""
        lines.append(f"-A KUBE-SVC-TEST -p tcp {nth}-j DNAT --to-destination {e}")
    return "\n".join([*lines, "COMMIT", ""])


# ---- the objects of the cluster ----

def meta(name, **more):
    return {"name": name, "namespace": "shop", **more}


def node_object(n):
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": f"node{n}"}, "spec": {"podCIDR": f"10.244.{n}.0/24", "podCIDRs": [f"10.244.{n}.0/24"]},
            "status": {"addresses": [{"type": "InternalIP", "address": f"10.90.7.{n}"}], "conditions": [{"type": "Ready", "status": "True"}]}}


def pod_object(name, ip, node, labels=None):
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta(name, labels=labels or {"app": "web"}),
            "spec": {"nodeName": node, "containers": [{"name": "c", "image": "x"}]},
            "status": {"phase": "Running", "podIP": ip, "podIPs": [{"ip": ip}], "conditions": [{"type": "Ready", "status": "True"}]}}


def service_object(name="web", ports=None, **spec):
    ports = ports or [{"name": "http", "port": 80, "targetPort": 8080, "protocol": "TCP"}]
    return {"apiVersion": "v1", "kind": "Service", "metadata": meta(name),
            "spec": {"type": "ClusterIP", "clusterIP": "10.96.0.10", "clusterIPs": ["10.96.0.10"], "ipFamilies": ["IPv4"], "selector": {"app": "web"},
                     "ports": ports, **spec}}


def slice_object(pods, name="web", ports=None):
    ports = ports or [{"name": "http", "port": 8080, "protocol": "TCP"}]
    return {"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4", "ports": ports,
            "metadata": meta(f"{name}-1", labels={"kubernetes.io/service-name": name}),
            "endpoints": [{"addresses": [ip], "nodeName": node, "conditions": {"ready": True}, "targetRef": {"kind": "Pod", "namespace": "shop", "name": pod}}
                          for pod, ip, node in pods]}


def bundle(folder, pods, service=None, more=(), slice_=None):
    """@pods: (name, address, node). Returns the path of a bundle with two nodes, these pods, and a Service before them."""
    objects = [service or service_object(), slice_ or slice_object(pods), node_object(1), node_object(2), *(pod_object(*p) for p in pods), *more]
    write(json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}), os.path.join(folder, "cluster", "all.json"))
    return folder
