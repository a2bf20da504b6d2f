# SPDX-License-Identifier: GPL-2.0-or-later
"""A node with a bridge and pods behind it, in network namespaces: one Service with one of the pods as its endpoint, by rules as kube-proxy
writes them. Who reaches whom is measured by TCP connections, and a bundle is made of it by ordinary commands.

    node    cni0 10.244.1.1/24, ports vetha, vethb and so on
    a       10.244.1.11, listens at 8080: the endpoint of 10.96.0.50:80
    b       10.244.1.12
(and fd44:1::1, fd44:1::11, fd96::50 in place of them for IPv6)"""
import base64
import ctypes
import hashlib
import os
import socket
import stat
import subprocess
import tempfile

from common import Failure, sh

LIBC = ctypes.CDLL(None, use_errno=True)
NEWNET = 0x40000000
SERVICE, NET, PORT = {4: "10.96.0.50", 6: "fd96::50"}, {4: "10.244.1.", 6: "fd44:1::"}, 80
PATIENCE = 0.2
LETTERS = "abcdefghijkl"



def chain(kind, *parts):
    """As kube-proxy names its chains: pkg/proxy/iptables portProtoHash."""
    return f"KUBE-{kind}-" + base64.b32encode(hashlib.sha256("".join(parts).encode()).digest()).decode()[:16]


RULES = """*nat
:PREROUTING ACCEPT [0:0]
:INPUT ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
:KUBE-MARK-MASQ - [0:0]
:KUBE-NODEPORTS - [0:0]
:KUBE-POSTROUTING - [0:0]
:{SEP} - [0:0]
:KUBE-SERVICES - [0:0]
:{SVC} - [0:0]
-A PREROUTING -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
-A OUTPUT -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
-A POSTROUTING -m comment --comment "kubernetes postrouting rules" -j KUBE-POSTROUTING
-A KUBE-MARK-MASQ -j MARK --set-xmark 0x4000/0x4000
-A KUBE-POSTROUTING -m mark ! --mark 0x4000/0x4000 -j RETURN
-A KUBE-POSTROUTING -j MARK --set-xmark 0x4000/0x0
-A KUBE-POSTROUTING -m comment --comment "kubernetes service traffic requiring SNAT" -j MASQUERADE --random-fully
{masquerade}-A {SEP} -p tcp -m comment --comment "shop/web" -m tcp -j DNAT --to-destination {endpoint}
-A KUBE-SERVICES -d {service}/{host} -p tcp -m comment --comment "shop/web cluster IP" -m tcp --dport 80 -j {SVC}
-A KUBE-SERVICES -m comment --comment "kubernetes service nodeports; NOTE: this must be the last rule in this chain" -m addrtype --dst-type LOCAL -j KUBE-NODEPORTS
-A {SVC} -m comment --comment "shop/web -> {endpoint}" -j {SEP}
COMMIT
"""
MASQUERADE = '-A {SEP} -s {net}11/{host} -m comment --comment "shop/web" -j KUBE-MARK-MASQ\n'

BUNDLE = """set -e
ip -j addr >ip-addr.json
ip -j -d link >ip-link.json
ip -j route show table all >ip-route.json
ip -j rule >ip-rule.json
ip -j neigh >ip-neigh.json
bridge -j fdb show >bridge-fdb.json
sysctl -a >sysctl.txt 2>/dev/null
iptables-nft-save >iptables-nft-save.txt
iptables-legacy-save >iptables-legacy-save.txt
ip6tables-nft-save >ip6tables-nft-save.txt
ip6tables-legacy-save >ip6tables-legacy-save.txt
nft -j list ruleset >nft-ruleset.json
uname -a >uname.txt
"""


class World:
    """@backend: nft or legacy. @pods: how many hang on the bridge; @bridge False: each on a link of its own, as with Calico. @family: 4 or 6."""

    def __init__(self, backend, pods=2, bridge=True, family=4):
        self.backend, self.bridge, self.pods, self.family = backend, bridge, LETTERS[:pods], family
        self.tables, self.net = {4: "iptables", 6: "ip6tables"}[family], NET[family]
        self.endpoint = {4: f"{self.net}11:8080", 6: f"[{self.net}11]:8080"}[family]
        self.sep = chain("SEP", "shop/web", "tcp", self.endpoint)
        self.folder = tempfile.TemporaryDirectory(prefix="svcdoctor-hairpin-")
        self.names = {x: f"sdhp{os.getpid()}{x}" for x in ("n", *self.pods)}
        self.sockets, self.fds = [], {}
        self.own = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        self.sudo()
        try:
            for name in self.names.values():
                sh("ip", "netns", "add", name)
            self.fds = {x: os.open(f"/run/netns/{name}", os.O_RDONLY | os.O_CLOEXEC) for x, name in self.names.items()}
            self.make()
        except BaseException:
            self.__exit__()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        for s in self.sockets:
            s.close()
        for fd in (*self.fds.values(), self.own):
            os.close(fd)
        for name in self.names.values():
            sh("ip", "netns", "del", name, check=False)
        self.folder.cleanup()

    def sudo(self):
        """The printed commands begin with sudo, and whoever runs them here is root already."""
        self.bin = os.path.join(self.folder.name, "bin")
        os.mkdir(self.bin)
        with open(os.path.join(self.bin, "sudo"), "w", encoding="ascii") as f:
            f.write('#!/bin/sh\nexec "$@"\n')
            os.fchmod(f.fileno(), stat.S_IRWXU)

    # ---- making it ----

    def rules(self, masquerade=True):
        names = {"SVC": chain("SVC", "shop/web", "tcp"), "SEP": self.sep, "net": self.net, "host": {4: 32, 6: 128}[self.family], "endpoint": self.endpoint,
                 "service": SERVICE[self.family]}
        return RULES.format(masquerade=MASQUERADE.format(**names) if masquerade else "", **names)

    def make(self):
        self.node("ip link set lo up", "sysctl -q -w net.ipv4.ip_forward=1", *self.ipv6())
        if self.family == 6:
            self.node("sysctl -q -w net.ipv6.conf.all.forwarding=1")
        if self.bridge:
            self.node("ip link add cni0 type bridge forward_delay 0 mcast_snooping 0", f"ip addr add {self.net}1/{self.subnet()} dev cni0", "ip link set cni0 up")
        for i, pod in enumerate(self.pods):
            self.attach(pod, 11 + i)
        self.node("sysctl -q -w net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.default.rp_filter=0")
        self.load(self.rules())
        with self.inside("a"):
            s = self.socket()
        s.bind(({4: "0.0.0.0", 6: "::"}[self.family], 8080))
        s.listen(64)
        self.sockets.append(s)

    def socket(self):
        return socket.socket({4: socket.AF_INET, 6: socket.AF_INET6}[self.family])

    def subnet(self):
        return {4: "24", 6: "64"}[self.family]

    def ipv6(self):
        if self.family == 4:
            return ("sysctl -q -w net.ipv6.conf.all.disable_ipv6=1",)
        return ("sysctl -q -w net.ipv6.conf.default.accept_dad=0 net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.default.accept_ra=0 "
                "net.ipv6.conf.default.router_solicitations=0",)

    def attach(self, pod, number):
        name = self.names[pod]
        self.run(pod, "ip link set lo up", *self.ipv6())
        self.node(f"ip link add veth{pod} type veth peer name eth0 netns {name}", f"ip link set veth{pod} up")
        self.run(pod, "ip link set eth0 up")
        if self.bridge:
            self.node(f"ip link set veth{pod} master cni0")
            self.run(pod, f"ip addr add {self.net}{number}/{self.subnet()} dev eth0", f"ip route add default via {self.net}1")
        else:
            self.node(f"ip addr add 169.254.1.1/32 dev veth{pod}", f"ip route add 10.244.1.{number}/32 dev veth{pod}", f"sysctl -q -w net.ipv4.conf.veth{pod}.rp_filter=0")
            self.run(pod, f"ip addr add 10.244.1.{number}/32 dev eth0", "ip route add 169.254.1.1 dev eth0", "ip route add default via 169.254.1.1 dev eth0")

    def run(self, where, *commands, check=True):
        """Each as a shell runs it, in that namespace."""
        return self.shell(("ip", "netns", "exec", self.names[where]), commands, check)

    def outside(self, *commands):
        """The same in the namespace of the test."""
        return self.shell((), commands)

    def shell(self, prefix, commands, check=True):
        environment = dict(os.environ, PATH=f"{self.bin}:{os.environ.get('PATH', '')}:/usr/local/sbin:/usr/sbin:/sbin")
        p = subprocess.run([*prefix, "sh", "-e", "-c", "\n".join(commands)], stdin=subprocess.DEVNULL,
                           stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment, check=False, timeout=30)
        if check and p.returncode != 0:
            raise Failure(f"{commands} failed with {p.returncode}: {p.stderr.decode(errors='replace')}")
        return p.stdout.decode()

    def node(self, *commands):
        return self.run("n", *commands)

    def load(self, text, backend=None):
        sh("ip", "netns", "exec", self.names["n"], f"{self.tables}-{backend or self.backend}-restore", "-n", stdin=text.encode())

    def masquerade(self, on):
        self.node(f"{self.tables}-{self.backend} -t nat -F {self.sep}")
        self.load("*nat\n" + "".join(x + "\n" for x in self.rules(on).splitlines() if x.startswith("-A " + self.sep)) + "COMMIT\n")

    def set(self, calls=1, hairpin=False, promisc=False, ports=None):
        """bridge-nf-call-iptables, and of the bridge promiscuity and the ports' hairpin mode."""
        self.node(f"sysctl -q -w net.bridge.bridge-nf-call-{self.tables}={calls}", f"ip link set cni0 promisc {'on' if promisc else 'off'}",
                  *(f"bridge link set dev veth{p} hairpin {'on' if hairpin else 'off'}" for p in ports or self.pods))

    # ---- measuring ----

    class Inside:
        def __init__(self, world, where):
            self.world, self.where = world, where

        def __enter__(self):
            if LIBC.setns(self.world.fds[self.where], NEWNET) != 0:
                raise OSError(ctypes.get_errno(), "setns")

        def __exit__(self, *exc):
            LIBC.setns(self.world.own, NEWNET)

    def inside(self, where):
        return World.Inside(self, where)

    def reaches(self, pod, patience=PATIENCE):
        """Does a TCP connection from that pod to the Service come about?"""
        with self.inside(pod):
            s = self.socket()
        s.settimeout(patience)
        try:
            s.connect((SERVICE[self.family], PORT))
        except OSError:
            return False
        finally:
            s.close()
        return True

    def measured(self, patience=PATIENCE):
        return {"itself": self.reaches("a", patience), "neighbour": self.reaches("b", patience)}

    def bundle(self):
        """A bundle of the node, named after it, by the commands that svcdoctor-bundle(5) names."""
        path = os.path.join(self.folder.name, "node1")
        os.makedirs(path, exist_ok=True)
        self.run("n", f"cd {path}", BUNDLE)
        return path


def why_not():
    """Why no such world can be made here; None: it can."""
    if os.geteuid() != 0:
        return "this needs root"
    for tool in ("ip", "bridge", "iptables-nft-restore", "iptables-legacy-restore", "sysctl"):
        if subprocess.run(["sh", "-c", f"PATH=$PATH:/usr/sbin:/sbin command -v {tool}"], stdout=subprocess.DEVNULL, check=False).returncode != 0:
            return f"there is no {tool}"
    name = f"sdhp{os.getpid()}probe"
    p = subprocess.run(["sh", "-c", f"ip netns add {name} && ip netns exec {name} sh -c 'ip link add br0 type bridge && "
                        f"test -e /proc/sys/net/bridge/bridge-nf-call-iptables'"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    subprocess.run(["ip", "netns", "del", name], stderr=subprocess.DEVNULL, check=False)
    return None if p.returncode == 0 else "network namespaces, bridges or bridge netfilter cannot be had here"
