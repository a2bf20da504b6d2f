#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What svcdoctor reads of /proc, held against sysctl, ss, uname, conntrack and lsmod in the same network namespace."""
import os
import shutil
import socket
import subprocess
import tempfile
import time

from common import ROOT, Tests, expect, expect_equal, sh
from kernel_world import NEWNET, unshare

READ = os.path.join(ROOT, os.environ.get("BUILD", "build"), "tests", "kernel_read")
PATIENCE = 10
MODULES = """ipv6 429085 18 vrf,ip_gre,[permanent], Live 0x000000007c492000
vrf 19083 0 [permanent], Live 0x000000007c249000
nf_nat 49152 2 xt_nat,nft_chain_nat, Live 0x0000000000000000
nf_conntrack 172032 1 nf_nat, Live 0x0000000000000000
a_module_with_a_long_name 16384 0 - Live 0x0000000000000000
odd 1
"""
LSMOD = """Module                  Size  Used by
ipv6                  429085  18 vrf,ip_gre
vrf                    19083  0
nf_nat                 49152  2 xt_nat,nft_chain_nat
nf_conntrack          172032  1 nf_nat
a_module_with_a_long_name    16384  0
"""


def read(name, *options, prefix=(), state="read: ", code=0):
    p = subprocess.run([*prefix, READ, *options, name], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=30, check=False)
    expect_equal((p.returncode, p.stderr.decode().rstrip("\n")), (code, state), f"kernel_read {name}")
    return p.stdout.decode()


def settings():
    sh("ip", "link", "add", "v0.5", "type", "veth", "peer", "name", "v1")
    sh("sysctl", "-qw", "net.ipv4.conf.v0/5.forwarding=1")
    sh("sysctl", "-qw", "net.ipv4.ip_local_reserved_ports=" + ",".join(str(n) for n in range(1, 1200, 2)))  # is longer when it is read than 4,096 bytes
    for options in ((), ("--drop",)):
        for _ in range(PATIENCE):
            want = "".join(x for x in sh("sysctl", "-a", check=False).decode().splitlines(True) if x.startswith("net."))
            got = read("sysctl", *options)
            if got == want:
                break
            time.sleep(0.2)
        if not options:  # without rights some cannot be read
            expect_equal(got, want, "sysctl")
    expect("net.ipv4.conf.v0/5.forwarding = 1\n" in got, "a setting is missing")
    expect("\nnet.ipv4.ip_local_port_range = 32768\t60999\n" in got, "a value of two numbers is not as sysctl has it")
    return f"{got.count(chr(10))} of them"


def opened():
    """Sockets of all kinds. One that listens on both families shall not be taken for one of IPv6 alone, nor the other way round."""
    tcp, udp, v4, v6 = socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.AF_INET, socket.AF_INET6
    for family, kind, address, only in ((v4, tcp, ("", 80), None), (v6, tcp, ("::", 80), 1), (v4, tcp, ("127.0.0.1", 81), None), (v6, tcp, ("::", 82), 0),
                                        (v6, tcp, ("::1", 84), None), (v4, udp, ("", 53), None), (v6, udp, ("::", 53), 1), (v6, udp, ("::", 54), 0),
                                        (v6, udp, ("::ffff:127.0.0.1", 56), 0), (v4, udp, ("127.0.0.1", 57), None)):
        s = socket.socket(family, kind)
        if only is not None:
            s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, only)
        s.bind(address)
        if kind == tcp:
            s.listen(7)
        yield s
    s = socket.socket(v4, udp)
    s.bind(("127.0.0.1", 58))
    s.connect(("127.0.0.1", 57))  # is no listener
    yield s
    s = socket.create_connection(("127.0.0.1", 81))
    yield s


def columns(text):
    """Of each line but the head's: protocol, state, and both addresses. The order is the kernel's, and the backlog is not in /proc."""
    return sorted((*w[:2], *w[4:6]) for w in (line.split() for line in text.splitlines()[1:]))


def sockets():
    sh("ip", "link", "set", "lo", "up")
    held = list(opened())
    got, want = read("sockets"), sh("ss", "-lntu").decode()
    expect_equal(columns(got), columns(want), "sockets")
    expect_equal(len(columns(got)), 10, "sockets")
    expect_equal(got.splitlines()[0].split()[:7], "Netid State Recv-Q Send-Q Local Address:Port Peer".split(), "the head")
    expect_equal(read("sockets", "--drop"), got, "sockets without rights")
    for s in held:
        s.close()
    expect_equal(columns(read("sockets", prefix=("unshare", "-n"))), [], "a namespace without sockets")


def name():
    expect_equal(read("uname"), sh("uname", "-a").decode(), "uname")


def statistics():
    if not os.path.exists("/proc/thread-self/net/stat/nf_conntrack"):
        read("conntrack", state="absent: /proc/net/stat/nf_conntrack: the kernel does not have it", code=3)
        return "there is none"
    if not shutil.which("conntrack"):
        return "conntrack is not here to compare"
    for _ in range(PATIENCE):
        got, want = read("conntrack"), sh("conntrack", "-S").decode()
        if got == want:
            return None
    return expect_equal(got, want, "conntrack -S")


def modules():
    """Where there are none, there is no such file; and what lsmod of kmod 30 makes of a file."""
    if os.path.exists("/proc/modules") and shutil.which("lsmod"):
        # the order in which others are named is that of a folder
        expect_equal(*([(*line.split(" ")[:-1], sorted(line.split(" ")[-1].split(","))) for line in text.splitlines()]
                       for text in (read("modules"), sh("lsmod").decode())), "modules")
    elif not os.path.exists("/proc/modules"):
        read("modules", state="absent: /proc/modules: the kernel does not have it", code=3)
    if os.environ.get("SANITIZE", "") not in ("", "0"):
        return "sanitizers need another /proc"
    with tempfile.TemporaryDirectory(prefix="svcdoctor-proc-") as folder:
        with open(os.path.join(folder, "modules"), "w", encoding="ascii") as f:
            f.write(MODULES)
        other = ("unshare", "-m", "sh", "-c", f'mount --bind {folder} /proc && exec "$@"', "sh")
        expect_equal(read("modules", prefix=other), LSMOD, "lsmod")
    return None


def counters():
    """In a namespace of its own nothing counts but what is done there."""
    sh("ip", "link", "set", "lo", "up")
    for _ in range(PATIENCE):
        got, want = read("counters"), sh("nstat", "-asz").decode()
        if sorted(got.splitlines()) == sorted(want.splitlines()):
            return f"{got.count(chr(10))} lines"
    return expect_equal(sorted(got.splitlines()), sorted(want.splitlines()), "nstat -asz")


def neighbours():
    """Only the first namespace has them."""
    if os.path.exists("/proc/thread-self/net/stat/arp_cache"):
        return "not told here"
    return read("neighbours", state="absent: /proc/net/stat/arp_cache: the kernel does not have it", code=3)


def locks():
    """The lock of iptables, held by somebody else."""
    path = "/run/xtables.lock"
    with tempfile.TemporaryDirectory(prefix="svcdoctor-lock-") as folder, open(f"{folder}/xtables.lock", "w", encoding="ascii"):
        other = ("unshare", "-m", "sh", "-c", f'touch {folder}/xtables.lock && mount --bind {folder} /run && exec "$@"', "sh")
        held = ("flock", path, "sh", "-c", '"$@"; :', "sh")
        got = read("locks", prefix=(*other, *held)).splitlines()
        device, inode, name = got[0].split()
        expect_equal((name, int(inode)), (path, os.stat(f"{folder}/xtables.lock").st_ino), "the file")
        lock = next(x for x in got if f":{inode} " in x).split()
        expect(any(x.split()[0] == lock[4] and x.split()[1] == "flock" for x in got if len(x.split()) == 2), f"no name of process {lock[4]}: {got}")
        expect_equal(lock[5], f"{os.major(int(device)):02x}:{os.minor(int(device)):02x}:{inode}", "the device")
        free = read("locks", prefix=other)
        expect(not any(f":{inode} " in x for x in free.splitlines()), f"held by nobody: {free}")


def recent():
    """Lists of xt_recent: how long each is."""
    rule = ("iptables-legacy", "-A", "INPUT", "-m", "recent", "--name", "KUBE-SEP-X", "--set")
    if subprocess.run(rule, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False).returncode != 0:
        return "there is no xt_recent here"
    for n in range(3):
        with open("/proc/thread-self/net/xt_recent/KUBE-SEP-X", "w", encoding="ascii") as f:
            f.write(f"+10.0.0.{n}\n")
    got = read("recent")
    expect(got.startswith("/sys/module/xt_recent/parameters/ip_list_tot:") and got.endswith("\n3 /proc/net/xt_recent/KUBE-SEP-X\n"), got)
    sh("iptables-legacy", "-F")
    return None


def memory():
    """With each allocation failing, a reading is whole, or out of memory."""
    for what in ("counters", "neighbours", "locks", "recent", "offloads", "timeouts"):
        p = subprocess.run([READ, "--each", what], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60, check=False)
        expect(p.returncode != 9, f"{what}: {p.stderr.decode()}")


def offloads():
    read("offloads", state="absent: there is no tunnel link", code=3)
    if subprocess.run(("ip", "link", "add", "vx0", "type", "vxlan", "id", "5", "dstport", "4789"), stderr=subprocess.DEVNULL, check=False).returncode != 0:
        return "there is no vxlan here"
    got = read("offloads", "--drop")
    expect(got.startswith("Features for vx0:\n") and "\ntx-checksum-ip-generic: on\n" in got, got)
    sh("ip", "link", "del", "vx0")
    return None


def main():
    tests = Tests()
    if os.geteuid() != 0:
        tests.skip("kernel_read_proc", "needs root")
        tests.finish()
    unshare(NEWNET)
    for test in (settings, sockets, name, statistics, modules, counters, neighbours, locks, recent, offloads, memory):
        tests.run(test.__name__, test)
    tests.finish()


if __name__ == "__main__":
    main()
