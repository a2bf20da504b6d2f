#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What svcdoctor reads of addresses, links, routes, rules, neighbours and forwarding entries, held against iproute2 in the same
network namespace: the same members in the same order with the same values, but for LEFT_OUT."""
import json
import os
import signal
import subprocess
import tempfile
import time

from common import ROOT, Failure, Tests, expect, expect_equal, sh, short
from kernel_world import NEWNET, unshare

READ = os.path.join(ROOT, os.environ.get("BUILD", "build"), "tests", "kernel_read")

# Members of iproute2 that svcdoctor does not print.
LEFT_OUT = {"ifalias": "what people wrote", "xdp": "no reader", "vfinfo_list": "no reader", "proto_down_reason": "no reader"}
# Of one command alone: what is in an encapsulation.
LEFT_OUT_OF = {"route": ("mode", "segs")}
# Kinds of links whose "info_data" svcdoctor prints. Others are named only.
KINDS = {"bridge", "vlan", "vxlan", "macvlan", "macvtap", "ipvlan", "vrf", "tun"}
# These go on while one looks: so far apart is the same.
CLOCKS = {"valid_life_time": 3, "preferred_life_time": 3, "expires": 3, "gc_timer": 5, "hello_timer": 5, "tcn_timer": 5, "topology_change_timer": 5,
          "hold_timer": 5, "message_age_timer": 5, "forward_delay_timer": 20}
PATIENCE = 12  # readings, before two that differ are a failure

LINKS = """
ip link set lo up
ip link add br0 type bridge nf_call_iptables 1
ip link add br1 type bridge stp_state 1 forward_delay 0 group_fwd_mask 0x4000
ip link add br2 type bridge
ip link add v0 type veth peer name v1
ip link add v2 type veth peer name v3
ip link add w0 type veth peer name w1
ip link add x0 type veth peer name x1
ip link set x0 up
ip link set x1 up
ip link set v0 master br0
ip link set v2 master br1
ip link set v0 type bridge_slave hairpin on isolated on group_fwd_mask 0x4008
ip link set v2 type bridge_slave learning off
ip link set v0 up
ip link set v1 up
ip link set v2 up
ip link set v3 up
ip link set w0 up
ip link set w1 up
ip link set br0 up
ip link set br1 up
ip link set br2 up
ip link set w0 promisc on
ip link set w1 group 7 alias text
ip link property add dev w0 altname another-name-of-w0
"""
MORE_LINKS = """
ip link set br1 type bridge vlan_filtering 1 vlan_default_pvid 7
ip link set v2 type bridge_slave backup_port v0
ip link add mv0 link v1 type macvlan mode bridge
ip link add mv1 link v3 type macvlan mode private nopromisc
ip link add ipv0 link w1 type ipvlan mode l3
ip link add vl0 link v1 type vlan id 5 ingress-qos-map 1:2 egress-qos-map 3:4
ip link add vl1 link v1 type vlan id 6 protocol 802.1ad gvrp on
ip link add vx0 type vxlan id 4 dstport 4789 remote 192.0.2.4 local 192.0.2.1 dev v1 ttl 7
ip link add vx6 type vxlan id 5 dstport 4790 group ff05::5 dev v1 nolearning
ip link add vxe type vxlan external dstport 4791
ip link add vrf0 type vrf table 88
ip link set v3 master vrf0
ip link add du0 type dummy
ip tuntap add dev tap0 mode tap
ip tuntap add dev tun0 mode tun
ip link set tun0 up
ip link add ipip0 type ipip remote 192.0.2.9 local 192.0.2.1
ip link add gre0a type gre remote 192.0.2.9 local 192.0.2.1
ip link add ifb0a type ifb
"""
ADDRESSES = """
ip addr add 10.1.0.1/24 dev v1
ip addr add 10.1.0.2/24 dev v1
ip addr add 10.1.0.3/24 dev v1 label v1:x broadcast +
ip addr add 10.2.0.1 peer 10.2.0.2/32 dev v3 scope link
ip addr add 10.3.0.1/24 dev v3 valid_lft 1000 preferred_lft 500
ip addr add 10.4.0.1/24 dev v3 valid_lft 1000 preferred_lft 0
ip addr add 10.5.0.1/24 dev v3 noprefixroute metric 77
ip addr add fd01::1/64 dev v1 nodad
ip addr add fd02::1/64 dev v1 nodad preferred_lft 0
ip addr add fd03::1 peer fd03::2/128 dev v3 nodad
sysctl -qw net.ipv6.conf.w1.use_tempaddr=2
ip addr add fd04::1/64 dev w1 nodad valid_lft 1000 preferred_lft 500 mngtmpaddr noprefixroute
ip addr add fd05::1/64 dev w0 home
ip addr add fd06::1/64 dev br2
ip addr add fd07::1/64 dev x0 nodad
ip addr add fd07::1/64 dev x1
ip addr add fd08::1/64 dev w1 nodad
ip addr add 10.7.0.1/24 dev w1
ip addr add 10.8.0.1/24 dev w0
"""
ROUTES = """
ip route add default via 10.1.0.254
ip route add default via 10.1.0.253 metric 10 proto static onlink dev v1 mtu 1400 advmss lock 1300 initcwnd 5 congctl reno features ecn
ip route add 192.0.2.0/25 nexthop via 10.1.0.9 dev v1 weight 3 nexthop via 10.7.0.9 dev w1
ip route add blackhole 192.0.2.128/25
ip route add unreachable 198.51.100.0/24 metric 5
ip route add prohibit 198.51.101.0/24 table 100
ip route add throw 198.51.102.0/24 table 5000000
ip route add 203.0.115.0/24 dev br2 src 10.7.0.1 tos 0x10 rtt 100ms
ip route add 203.0.120.0/24 dev v1 scope link table 255
ip route add 203.0.121.0/24 dev v1 scope 77 proto 77 table default
ip -6 route add default via fd01::fd dev v1 metric 5 expires 1000
ip -6 route add fd78::/64 nexthop via fd01::9 dev v1 nexthop via fd08::9 dev w1 weight 4
ip -6 route add blackhole fd79::/64
ip -6 route add unreachable default metric 9999
ip -6 route add fd81::/64 dev v1 table 300 proto 200 hoplimit 5
ip -6 route add fd83::/64 dev br2
"""
MORE_ROUTES = """
ip route add 203.0.113.0/24 via inet6 fd01::9 dev v1
ip route add 203.0.114.0/24 nexthop via inet6 fd01::9 dev v1 nexthop via 10.7.0.9 dev w1 realm 5
ip route add 203.0.122.0/24 dev v1 realm 3/4
ip nexthop add id 10 via 10.1.0.77 dev v1
ip nexthop add id 11 via 10.7.0.77 dev w1
ip nexthop add id 12 group 10/11,5
ip nexthop add id 13 blackhole
ip nexthop add id 14 via fd01::77 dev v1
ip route add 203.0.116.0/24 nhid 10
ip route add 203.0.117.0/24 nhid 12
ip route add 203.0.118.0/24 nhid 13
ip route add 203.0.119.0/24 nhid 14
ip -6 route add fd77::/64 nhid 14
ip -6 route add default via fd01::fe dev v1 pref high
ip -6 route add fd80::/64 from fd01::/64 via fd01::9 dev v1
ip -6 route add fd82::/64 encap seg6 mode encap segs fd01::9 dev v1
ip link set mv0 up
ip addr add 10.11.0.1/24 dev mv0
ip link set w0 down
"""
RULES = """
ip rule add pref 100 from 10.0.0.0/8 to 192.0.2.0/24 lookup 100
ip rule add pref 101 not fwmark 0x4/0xff iif v1 lookup 5000000
ip rule add pref 102 fwmark 7 oif gone0 table main suppress_prefixlength 0
ip rule add pref 104 blackhole
ip rule add pref 105 from 10.9.9.9 unreachable
ip rule add pref 106 prohibit tos 0x10
ip rule add pref 107 goto 200
ip rule add pref 108 goto 32766
ip -6 rule add pref 100 from fd01::/64 to fd02::1 lookup 100
ip -6 rule add pref 101 from all iif lo lookup 101
"""
MORE_RULES = """
ip rule add pref 103 uidrange 5-9 ipproto tcp sport 5 dport 10-20 lookup 77 protocol static
ip rule add pref 109 nop
ip rule add pref 110 l3mdev
ip rule add pref 111 lookup 5 suppress_ifgroup 7 realms 3/4
ip rule add pref 112 tun_id 77 lookup 5
ip rule add pref 113 ipproto 200 lookup 5
ip -6 rule add pref 120 dport 53 ipproto udp lookup default
"""
NEIGHBOURS = """
ip neigh add 10.1.0.9 lladdr 02:00:00:00:00:09 dev v1 nud permanent
ip neigh add 10.1.0.10 lladdr 02:00:00:00:00:0a dev v1 nud stale
ip neigh add 10.1.0.11 lladdr 02:00:00:00:00:0b dev v1 nud noarp
ip neigh add 10.1.0.12 dev v1 nud failed
ip neigh add proxy 10.1.0.99 dev v1
ip -6 neigh add fd01::9 lladdr 02:00:00:00:00:09 router dev v1 nud reachable
bridge fdb add 02:00:00:00:01:01 dev v0 master static
bridge fdb add 02:00:00:00:01:04 dev v2 master permanent
bridge fdb add 02:00:00:00:01:05 dev v0 self
"""
MORE_NEIGHBOURS = """
ip neigh add 10.1.0.13 lladdr 02:00:00:00:00:0d dev v1 extern_learn protocol 99
bridge fdb add 02:00:00:00:01:02 dev v0 master dynamic sticky
bridge fdb add 02:00:00:00:01:06 dev v2 master vlan 7 static
bridge fdb add 02:00:00:00:01:03 dev vx0 dst 192.0.2.9 port 77 vni 99 via v1
bridge fdb append 00:00:00:00:00:00 dev vx6 dst fd01::5
bridge fdb add 02:00:00:00:01:07 dev vxe dst 192.0.2.9 src_vni 5
"""

COMMANDS = {
    "link": [("ip", "-j", "-d", "link")],
    "addr": [("ip", "-j", "addr")],
    "route": [("ip", "-4", "-j", "route", "show", "table", "all"), ("ip", "-6", "-j", "route", "show", "table", "all")],
    "rule": [("ip", "-j", "rule"), ("ip", "-6", "-j", "rule")],
    "neigh": [("ip", "-j", "neigh")],
    "fdb": [("bridge", "-j", "fdb", "show")],
}
# Words that must be there, so that the comparison is one of something.
MUST = {
    "link": ('"info_kind": "bridge"', '"info_slave_kind": "bridge"', '"hairpin": true', '"nf_call_iptables": 1', '"PROMISC"', '"NO-CARRIER"',
             '"altnames"', '"master"'),
    "addr": ('"secondary": true', '"deprecated": true', '"tentative": true', '"temporary": true', '"dadfailed": true', '"mngtmpaddr": true',
             '"noprefixroute": true', '"address": "fd03::2"', '"label": "v1:x"', '"dynamic": true', '"scope": "link"'),
    "route": ('"nexthops"', '"blackhole"', '"unreachable"', '"prohibit"', '"throw"', '"linkdown"', '"onlink"', '"table": "local"',
              '"table": "100"', '"metrics"', '"prefsrc"', '"expires"', '"tos"'),
    "rule": ('"fwmask"', '"srclen"', '"not"', '"suppress_prefixlen"', '"goto"', '"unresolved"', '"oif_detached"', '"action": "blackhole"'),
    "neigh": ('"PERMANENT"', '"STALE"', '"FAILED"', '"router"'),
    "fdb": ('"permanent"', '"static"', '"self"'),
}


def make(commands, must=True):
    """Runs them; how many of those that need not be possible were. What a kernel lacks is left out."""
    done = 0
    for line in commands.strip().splitlines():
        p = subprocess.run(line.split(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=20, check=False)
        expect(p.returncode == 0 or not must, f"{line}: {p.stderr.decode()}")
        done += p.returncode == 0
    return done


def read(name, *options):
    p = subprocess.run([READ, *options, name], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=30, check=False)
    expect_equal((p.returncode, p.stderr), (0, b"read: \n"), f"kernel_read {name}")
    return p.stdout


def tool(name):
    return [item for c in COMMANDS[name] for item in json.loads(sh(*c) or b"[]") if item]


def differences(got, want, path):
    """Words about each difference."""
    if isinstance(want, dict) and isinstance(got, dict):
        left = LEFT_OUT_OF.get(path.split("[")[0], ())
        want = {k: v for k, v in want.items() if k not in LEFT_OUT and k not in left}
        if want.get("info_kind") not in KINDS:
            want.pop("info_data", None)
        if list(got) != list(want):
            yield f"{path}: members {list(got)}, not {list(want)}"
        for k in want:
            if k in got:
                yield from differences(got[k], want[k], f"{path}.{k}")
    elif isinstance(want, list) and isinstance(got, list):
        if len(got) != len(want):
            yield f"{path}: {len(got)} elements, not {len(want)}"
        for i, (a, b) in enumerate(zip(got, want)):
            yield from differences(a, b, f"{path}[{i}]")
    elif path.rpartition(".")[2] in CLOCKS and isinstance(want, (int, float)) and isinstance(got, (int, float)):
        if abs(got - want) > CLOCKS[path.rpartition(".")[2]]:
            yield f"{path}: {got}, not {want}"
    elif got != want:
        yield f"{path}: {got!r}, not {want!r}"


def same(name, *options):
    """Addresses finish their detection and neighbours age while one looks: they are looked at again."""
    found = ["never read"]
    for _ in range(PATIENCE):
        want = tool(name)
        found = list(differences(json.loads(read(name, *options)), want, name))
        missing = [w for w in MUST[name] if w not in json.dumps(want)]
        if not found and not missing:
            return f"{len(want)} of them"
        time.sleep(0.3)
    expect(not found, short("\n".join(found), 3000))
    expect(not missing, f"iproute2 shows no {missing}: the test tests nothing")


def same_bytes():
    """What is printed is text as iproute2 has it, not only JSON that means the same."""
    for name in ("rule", "neigh", "fdb", "addr"):
        for _ in range(PATIENCE):
            got, want = read(name), b"".join(sh(*c) for c in COMMANDS[name]).replace(b"]\n[", b",")
            if got == want:
                break
            time.sleep(0.1)
        expect_equal(got.decode(), want.decode(), name)


def no_capability():
    """A user without any sees the same; the tools' own are asked as root."""
    for name in COMMANDS:
        same(name, "--drop")


STABLE = 1500


def rewritten():
    """While another process changes routes and rules: what stays is there, once, or the reading says that they changed."""
    with Rewriter() as rewriter:
        states = {"route": [], "rule": []}
        for name in ("route", "rule") * 10:
            p = subprocess.run([READ, name], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=30, check=False)
            states[name].append(p.stderr.decode().split(":")[0])
            expect(p.returncode in (0, 5), f"kernel_read {name}: {p.returncode} {p.stderr.decode()}")
            if p.returncode == 0:
                kept = [x["dst" if name == "route" else "fwmark"] for x in json.loads(p.stdout) if x.get("table") == "4000"]
                many = 2 * STABLE if name == "route" else STABLE // 3
                expect_equal((len(kept), len(set(kept))), (many, many), f"{name} that stay")
        expect(rewriter.process.poll() is None, "the other process ended")
    if os.environ.get("SANITIZE", "") in ("", "0"):  # which is too slow to be done between two changes
        expect(states["route"].count("read") and states["rule"].count("read"), f"nothing was read: {states}")
    return f"{sum(x.count('changed') for x in states.values())} of 20 readings changed"


class Rewriter:
    def __enter__(self):
        make("ip link set lo up")
        stay = [f"route add 100.64.{i // 250}.{i % 250} dev lo table 4000" for i in range(STABLE)]
        stay += [f"route add fd01:{i:x}::/64 dev lo table 4000" for i in range(STABLE)]
        stay += [f"rule add pref {2000 + i} fwmark {i + 1} lookup 4000" for i in range(STABLE // 3)]
        sh("ip", "-batch", "-", stdin="\n".join(stay).encode())
        lines = [x for i in range(100) for x in (f"route DO 100.64.{i % 6}.{i}/32 dev lo table 4001", f"route DO fd01:{i:x}:1::/80 dev lo table 4001",
                                                 f"rule DO pref {1000 + 20 * i} fwmark {i + 1} lookup 4001")]
        self.file = tempfile.NamedTemporaryFile("w", prefix="svcdoctor-rewrite-")
        self.file.write("\n".join(line.replace("DO", do) for _ in range(4) for do in ("add", "del") for line in lines) + "\n")
        self.file.flush()
        # with pauses, in which a reading can be whole
        self.process = subprocess.Popen(["sh", "-c", f"while :; do ip -force -batch {self.file.name}; sleep 0.03; done"], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
        return self

    def __exit__(self, *exc):
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.file.close()


def no_memory():
    """Each allocation fails once: a reading is whole, or says that memory is out."""
    for name in (*COMMANDS, "sysctl", "sockets", "modules", "conntrack", "uname"):
        for _ in range(PATIENCE):  # until nothing changes meanwhile
            p = subprocess.run([READ, "--each", name], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=60, check=False)
            if p.returncode == 0:
                break
            time.sleep(0.3)
        expect_equal((p.returncode, p.stderr.decode()), (0, ""), name)


def families():
    """Rules do not tell their family. Lists that would be taken for the other one's, or for one list, say it."""
    for change, says in (("ip rule del pref 32767", True), ("ip -6 rule add pref 40000 lookup default", True),
                         ("ip rule add pref 5 from 10.0.0.1 lookup 5\nip rule del pref 32767", False),
                         ("ip rule del pref 32767\nip rule del pref 32766\nip rule add pref 0 lookup default", True)):
        p = subprocess.run(["unshare", "-n", "sh", "-ec", f'{change}\n"$0" rule; ip -j rule; ip -6 -j rule', READ], stdin=subprocess.DEVNULL,
                           stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=30, check=False)
        expect_equal(p.returncode, 0, p.stderr.decode())
        got, v4, v6 = (json.loads(line) for line in p.stdout.decode().splitlines())
        expect_equal([x.pop("family", None) for x in got], (["inet"] * len(v4) + ["inet6"] * len(v6)) if says else [None] * len(got), change)
        expect_equal(got, v4 + v6, change)


HOPS = """
ip link set lo up
sysctl -qw net.ipv6.conf.default.addr_gen_mode=1
ip link add v0 type veth peer name v1
ip link set v0 up
ip link set v1 up
ip addr add 10.1.0.1/24 dev v0
ip addr add 10.2.0.1/24 dev v1
ip addr add fd01::1/64 dev v0 nodad
ip nexthop add id 10 via 10.1.0.7 dev v0
ip nexthop add id 11 via 10.2.0.7 dev v1 onlink
ip nexthop add id 12 group 10/11,5
ip nexthop add id 13 blackhole
ip nexthop add id 14 via fd01::7 dev v0
ip route add 203.0.116.0/24 nhid 10
ip route add 203.0.117.0/24 nhid 12
ip route add 203.0.118.0/24 nhid 13
ip route add 203.0.119.0/24 nhid 14
ip -6 route add fd77::/64 nhid 14
"""


def next_hops():
    """Where a route comes with the number of its next hops alone, these are shown all the same: as those of the kernel that shows both."""
    try:
        make(HOPS)
    except Failure as e:
        return f"this kernel has none: {e}"
    full = {x["dst"]: x for x in tool("route") if "nhid" in x}
    expect_equal([len(full), list(differences(json.loads(read("route")), tool("route"), "route"))], [5, []], "routes with both")
    sh("sysctl", "-qw", "net.ipv4.nexthop_compat_mode=0")
    got = {x["dst"]: x for x in json.loads(read("route")) if "nhid" in x}
    expect(not any("dev" in x for x in got.values() if x.get("type") != "blackhole"), "the routes have their ways still")
    for dst, want in full.items():
        if want.get("type") == "blackhole":
            continue
        hops = want.pop("nexthops", None) or [{k: want.pop(k) for k in ("gateway", "via", "dev") if k in want} | {"weight": 1, "flags": want["flags"]}]
        expect_equal(got[dst].pop("nexthops"), hops, f"next hops of {dst}")
    return None


def empty():
    """A namespace in which nothing was ever done."""
    for name, commands in COMMANDS.items():
        script = f'"$0" {name}; ' + "; ".join(" ".join(c) for c in commands)
        p = subprocess.run(["unshare", "-n", "sh", "-c", script, READ], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                           timeout=30, check=True)
        got, *want = (json.loads(line) for line in p.stdout.decode().splitlines() if line)
        found = list(differences(got, [x for part in want for x in part if x], name))
        expect(not found, short("\n".join(found)))


def main():
    tests = Tests()
    if os.geteuid() != 0:
        tests.skip("kernel_read_ip", "needs root")
        tests.finish()
    unshare(NEWNET)
    tests.run("empty", empty)
    tests.run("families", families)
    done = 0
    for must, more in ((LINKS, MORE_LINKS), (ADDRESSES, ""), (ROUTES, MORE_ROUTES), (RULES, MORE_RULES), (NEIGHBOURS, MORE_NEIGHBOURS)):
        make(must)
        done += make(more, must=False)
    print(f"# {done} of the things that not every kernel has")
    for name in COMMANDS:
        tests.run(name, same, name)
    tests.run("bytes", same_bytes)
    tests.run("no_capability", no_capability)
    tests.run("no_memory", no_memory)
    unshare(NEWNET)
    tests.run("next_hops", next_hops)
    unshare(NEWNET)
    tests.run("rewritten", rewritten)
    tests.finish()


if __name__ == "__main__":
    main()
