# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs inside user-mode-linux for test_kernel_read_ipvs.py: what the tools and what kernel_read say of ipsets and IPVS, in a kernel that has all
types and where nothing is loaded at first.

FOLDER/plan.json: {"modules": {"sets": [...], "servers": [...]}, "sets": [text for ipset restore], "servers": [text for ipvsadm -R], "seconds": none begins later}.
A line of JSON for each: {"what": ..., "tool": ..., "ours": [status, text, why], "asked": modules that the kernel asked for meanwhile}."""
import json
import os
import socket
import subprocess
import sys
import time

FOLDER, MODULES = sys.argv[1], sys.argv[2]
ASKED = os.path.join(FOLDER, "asked")
NOBODY = 65534


def sh(*args, stdin=None, check=True):
    r = subprocess.run(args, input=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
    if check and r.returncode:
        raise OSError(f"{' '.join(args)}: {r.stderr.decode(errors='replace')[-400:]}")
    return r.stdout.decode()


def kernel_read(name, user=None, prefix=(), options=()):
    p = subprocess.run([*prefix, os.path.join(FOLDER, "kernel_read"), *options, name], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, user=user,
                       group=user, extra_groups=[] if user else None, check=False)
    return [p.returncode, p.stdout.decode(), p.stderr.decode().strip()]


def loaded():
    with open("/proc/modules", encoding="ascii") as f:
        return sorted(line.split()[0] for line in f) + sorted(os.listdir("/sys/module"))


def asked():
    """What the kernel wanted to load since the last call."""
    try:
        with open(ASKED, encoding="utf-8") as f:
            lines = f.read().splitlines()
        os.unlink(ASKED)
        return lines
    except OSError:
        return []


def tell(what, **more):
    print(json.dumps({"what": what, **more}), flush=True)


def watch_modprobe():
    """Whatever the kernel asks for is written down, and not loaded."""
    path = os.path.join(FOLDER, "modprobe")
    with open(path, "w", encoding="ascii") as f:
        f.write(f"#!/bin/sh\necho \"$@\" >>{ASKED}\n")
    os.chmod(path, 0o755)
    with open("/proc/sys/kernel/modprobe", "w", encoding="ascii") as f:
        f.write(path + "\n")


def untouched(what):
    """What asking does to the kernel, all of it by itself."""
    before = loaded()
    for name in ("ipset", "ipvs", "ipvsln", "connections"):
        ours = kernel_read(name)
        tell(f"{what}: {name}", ours=ours, asked=asked(), same=loaded() == before)
    hidden = ("unshare", "-m", "sh", "-c", 'mount -t tmpfs none /sys && exec "$0" "$@"')
    tell(f"{what}: hidden", ours=kernel_read("ipset", prefix=hidden), asked=asked(), same=loaded() == before)


def sets(texts, end):
    for number, text in enumerate(texts):
        if time.monotonic() > end:
            break
        try:
            sh("ipset", "-exist", "restore", stdin=text.encode())
            asked()
            ours = kernel_read("ipset")
            tell(f"sets {number}", tool=sh("ipset", "save"), ours=ours, asked=asked())
        except OSError as e:
            tell(f"sets {number}", error=str(e))
        sh("ipset", "flush")
        sh("ipset", "destroy")


def network():
    batch = ["link set lo up", "link add d0 type dummy", "link set d0 up", "addr add 10.1.255.254/16 dev d0", "addr add fd00::ffff/64 dev d0 nodad",
             "route add default dev d0", "-6 route add default dev d0", "addr add 10.96.0.1/32 dev d0"]
    for line in batch:
        sh("ip", *line.split())


def servers(texts, end):
    for number, text in enumerate(texts):
        if time.monotonic() > end:
            break
        sh("ipvsadm", "-C")
        try:
            sh("ipvsadm", "-R", stdin=text.encode())
            tell(f"servers {number}", tool=sh("ipvsadm", "-Sn"), ours=kernel_read("ipvs"), asked=asked())
            tell(f"table {number}", tool=sh("ipvsadm", "-ln"), ours=kernel_read("ipvsln"), asked=asked())
        except OSError as e:
            tell(f"servers {number}", error=str(e))


def connections():
    """Some that count as inactive: datagrams to a virtual address."""
    sh("ipvsadm", "-C")
    sh("ipvsadm", "-R", stdin=b"-A -u 10.96.0.1:53 -s rr\n-a -u 10.96.0.1:53 -r 10.1.0.1:53 -m -w 3\n-a -u 10.96.0.1:53 -r 10.1.0.2:53 -m\n")
    for _ in range(11):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.sendto(b"x", ("10.96.0.1", 53))
    tell("connections", tool=sh("ipvsadm", "-ln"), ours=kernel_read("ipvsln"))
    for name in ("ipvs", "ipvsln"):
        tell(f"each allocation of {name}", ours=kernel_read(name, options=("--each",)))
    tell("nobody", ours=kernel_read("ipvs", NOBODY))
    sh("ip", "netns", "add", "other")
    tell("other namespace", ours=kernel_read("ipvs", prefix=("ip", "netns", "exec", "other")))
    sh("ipvsadm", "-C")


def changing(seconds):
    """While somebody adds a server to every virtual one and takes it away again, as fast as it can be done."""
    sh("ipvsadm", "-R", stdin="".join(f"-A -t 10.96.0.{i}:80 -s rr\n-a -t 10.96.0.{i}:80 -r 10.1.0.1:80 -m\n" for i in range(1, 100)).encode())
    lines = "".join(f"-{command} -t 10.96.0.{i}:80 -r 10.1.0.2:80{more}\n" for command, more in (("a", " -m"), ("d", "")) for i in range(1, 100))
    path = os.path.join(FOLDER, "changes")
    with open(path, "w", encoding="ascii") as f:
        f.write(lines * 500)
    with open(path, "rb") as f, subprocess.Popen(["ipvsadm", "-R"], stdin=f, stderr=subprocess.DEVNULL) as writer:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            tell("changing", ours=kernel_read("ipvs"))
        writer.kill()


def tracked():
    """Connections of some kinds, as /proc has them and as ctnetlink says."""
    sh("modprobe", "-a", "-d", MODULES, "nf_conntrack", "iptable_filter", "ip6table_filter", "xt_conntrack")
    for tool in ("iptables-legacy", "ip6tables-legacy"):
        sh(tool, "-A", "INPUT", "-m", "conntrack", "--ctstate", "NEW", "-j", "ACCEPT")
    with open("/proc/sys/net/netfilter/nf_conntrack_acct", "w", encoding="ascii") as f:
        f.write("1\n")
    kept = []
    for family, here in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
        listener = socket.create_server((here, 8080), family=family)
        kept += [listener, socket.create_connection((here, 8080)), socket.create_connection((here, 8080))]
        kept.pop().close()
        with socket.socket(family, socket.SOCK_DGRAM) as s:
            s.sendto(b"x", (here, 99))
        six = family == socket.AF_INET6
        with socket.socket(family, socket.SOCK_RAW, 58 if six else 1) as s:
            s.sendto(bytes((128, 0, 0, 0, 0, 7, 0, 1)) if six else bytes((8, 0, 0xf7, 0xf7, 0, 7, 0, 1)), (here, 0))
        with socket.socket(family, socket.SOCK_RAW, 47) as s:
            s.sendto(bytes(8), (here, 0))
    asked()
    by_proc, asked_by_proc = kernel_read("connections"), asked()
    sh("modprobe", "-a", "-d", MODULES, "nfnetlink", "nf_conntrack_netlink")
    tell("connections by proc", ours=by_proc, asked=asked_by_proc, tool=sh("conntrack", "-L", "-o", "extended"))
    tell("connections by netlink", ours=kernel_read("connections"), asked=asked(), tool=sh("conntrack", "-L", "-o", "extended"))
    tell("each allocation of connections", ours=kernel_read("connections", options=("--each",)))
    tell("connections of nobody", ours=kernel_read("connections", NOBODY))
    for s in kept:
        s.close()


def rules():
    """Matches that the running kernel lacks, in the legacy backend."""
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
    import every_xt  # pylint: disable=import-outside-toplevel
    sh("modprobe", "-a", "-d", MODULES, "xt_ipvs", "iptable_filter", "ip6table_filter")
    asked()
    for fam, tool in ((4, "iptables-legacy"), (6, "ip6tables-legacy")):
        every_xt.load_place(f"{tool}-restore", "filter", "INPUT", [every_xt.fill(x, fam) for x in every_xt.MATCHES if "-m ipvs" in x])
        tell(f"rules {fam}", tool=sh(f"{tool}-save"), ours=kernel_read(f"legacy{fam}"))


def main():
    with open(os.path.join(FOLDER, "plan.json"), encoding="ascii") as f:
        plan = json.load(f)
    end = time.monotonic() + plan["seconds"]
    asked()
    watch_modprobe()
    untouched("nothing loaded")
    sh("ipset", "save", check=False)
    tell("control", asked=asked())
    sh("modprobe", "-d", MODULES, "ip_set")
    untouched("ip_set loaded")
    sh("modprobe", "-a", "-d", MODULES, *plan["modules"]["sets"])
    sets(plan["sets"], end)
    sh("modprobe", "-a", "-d", MODULES, *plan["modules"]["servers"])
    network()
    asked()
    untouched("ip_vs loaded")
    servers(plan["servers"], end)
    connections()
    tracked()
    rules()
    changing(2)


main()
