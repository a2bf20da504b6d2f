# SPDX-License-Identifier: GPL-2.0-or-later
"""A node of a lab in a named network namespace of its own, with the rules of its bundle loaded by the ordinary tools, for the tests of the live node."""
import os
import shutil
import sys

from common import CORPUS, sh
from kernel_nftables_run import commands

NFACCT = ("ct_state_invalid_dropped_pkts", "localhost_nps_accepted_pkts")

def lacks(*programs):
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    missing = [p for p in programs if not shutil.which(p, path=path)]
    if os.geteuid() != 0:
        return "needs root"
    return f"lacks {', '.join(missing)}" if missing else None


class Node:
    """@lab: "lab-iptables-nft"; @number: 1 or 2; None: an empty namespace."""

    def __init__(self, lab=None, number=1, addresses=True):
        self.name = f"svd-{os.path.basename(sys.argv[0]).split('.')[0][-12:]}-{os.getpid()}-{number}"
        self.lab, self.number, self.addresses = lab, number, addresses

    def __enter__(self):
        sh("ip", "netns", "add", self.name)
        try:
            if self.addresses:
                self.links()
            if self.lab:
                self.load()
        except OSError:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exc):
        sh("ip", "netns", "del", self.name, check=False)

    def run(self, *args, stdin=None, check=True):
        return sh("ip", "netns", "exec", self.name, *args, stdin=stdin, check=check)

    def links(self):
        """The addresses and the way out that the lab's node has; its pods' bridge."""
        x, other = self.number, 3 - self.number
        lines = ["link set lo up", "link add eth0 type veth peer name far0", "link set eth0 up", "link set far0 up",
                 f"addr add 172.30.99.{x}/24 dev eth0", f"addr add fd99::{x}/64 dev eth0 nodad", "link add cni0 type bridge", "link set cni0 up",
                 f"addr add 10.244.{x}.1/24 dev cni0", f"addr add fd44:{x}::1/64 dev cni0 nodad",
                 f"route add 10.244.{other}.0/24 via 172.30.99.{other}", f"route add fd44:{other}::/64 via fd99::{other}",
                 "route add default via 172.30.99.254"]
        self.run("ip", "-batch", "-", stdin="\n".join(lines).encode() + b"\n")
        for key, value in (("net.ipv4.ip_forward", 1), ("net.ipv6.conf.all.forwarding", 1), ("net.ipv4.conf.all.route_localnet", 1)):
            self.run("sysctl", "-qw", f"{key}={value}", check=False)

    def file(self, name):
        return os.path.join(CORPUS, self.lab, "nodes", f"node{self.number}", name)

    def load(self):
        for name in NFACCT:
            self.run("nfacct", "add", name)
        self.restore("ipset-save.txt", "ipset", "restore")
        for six in ("", "6"):
            for backend in ("nft", "legacy"):
                self.restore(f"ip{six}tables-{backend}-save.txt", f"ip{six}tables-{backend}-restore")
        if "nftables" in self.lab:
            with open(self.file("nft-ruleset.json"), encoding="utf-8") as f:
                self.run("nft", "-j", "-f", "-", stdin=commands(f.read()).encode())

    def restore(self, name, *command):
        if os.path.exists(self.file(name)) and os.path.getsize(self.file(name)):
            with open(self.file(name), "rb") as f:
                self.run(*command, stdin=f.read())
