# SPDX-License-Identifier: GPL-2.0-or-later
"""The Linux kernel as the judge of replies: connections that come about or not, in namespaces, and what `trace` says of them.

A node with a bridge cni0 (pods a and b), a link to another node r (with a pod) and one to the outside o, which also has a way
of its own to r, past the node. A connection comes about only if the SYN arrives and the SYN-ACK comes home with the address
that was asked: `trace` must say the same of packet and reply, from the files that the ordinary tools print of that node. First
the settings that decide (bridge netfilter, hairpin mode, forwarding, rp_filter, masquerade), then random rules.

REPLY_SEEDS=N runs N random rulesets (default 8); REPLY_SEED=S runs one."""
import ctypes
import errno
import json
import os
import random
import select
import shutil
import signal
import socket
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import common  # noqa: E402

NS = {k: f"svcr{os.getpid() % 100000}{k}" for k in "nabro"}
LIBC = ctypes.CDLL(None, use_errno=True)
A, B, R, O = "10.244.1.5", "10.244.1.6", "10.244.2.7", "203.0.113.9"
LISTENING = {(x, 8080) for x in (A, B, R, "172.30.99.1", "198.51.100.1", "10.244.1.1")}
PATIENCE = 0.8

# name: (namespace, source, destination, port). 10.96.0.5, .6, .7, .8 lead to a, b, the other node's pod and the node itself.
FLOWS = {
    "a to itself": ("a", A, "10.96.0.5", 80), "a to b": ("a", A, "10.96.0.6", 80), "a to r": ("a", A, "10.96.0.7", 80),
    "a to the node": ("a", A, "10.96.0.8", 80), "b to itself": ("b", B, "10.96.0.6", 80),
    "the node to a": ("n", "172.30.99.1", "10.96.0.5", 80), "the node to r": ("n", "172.30.99.1", "10.96.0.7", 80),
    "the node to itself": ("n", "172.30.99.1", "10.96.0.8", 80), "localhost to a": ("n", "127.0.0.1", "127.0.0.1", 30005),
    "outside to a": ("o", O, "198.51.100.1", 30005), "outside to r": ("o", O, "198.51.100.1", 30007),
    "outside to the node": ("o", O, "198.51.100.1", 30008), "a to b, untranslated": ("a", A, B, 8080),
    "a to r, untranslated": ("a", A, R, 8080), "outside to a, untranslated": ("o", O, A, 8080),
    "the node to r, untranslated": ("n", "172.30.99.1", R, 8080), "outside to the node, untranslated": ("o", O, "198.51.100.1", 8080),
}
IFACE = {"a": "cni0", "b": "cni0", "o": "eth1"}

DNAT = "".join(f"-A SVC -d {vip} -p tcp -m tcp --dport 80 -j DNAT --to-destination {to}:8080\n"
               f"-A SVC -p tcp -m addrtype --dst-type LOCAL -m tcp --dport {port} -j DNAT --to-destination {to}:8080\n"
               for vip, port, to in (("10.96.0.5", 30005, A), ("10.96.0.6", 30006, B), ("10.96.0.7", 30007, R), ("10.96.0.8", 30008, "172.30.99.1")))
SELF = "".join(f"-A POSTROUTING -s {x} -d {x} -j MASQUERADE\n" for x in (A, B))
OUTSIDE = "-A POSTROUTING -m conntrack --ctorigdst 198.51.100.1 -j MASQUERADE\n"
LOOP = "-A POSTROUTING -s 127.0.0.0/8 ! -o lo -j MASQUERADE\n"
ALL = "-A POSTROUTING -j MASQUERADE\n"


def inside(ns, *args, **kw):
    return common.sh("ip", "netns", "exec", NS[ns], *args, **kw)


def each(ns, text):
    for line in text.strip().splitlines():
        inside(ns, *line.split())


def link(a, da, b, db):
    common.sh("ip", "link", "add", da, "netns", NS[a], "type", "veth", "peer", "name", db, "netns", NS[b])


def make_world():
    for n in NS.values():
        common.sh("ip", "netns", "add", n)
    inside("n", "ip", "link", "add", "cni0", "type", "bridge")
    for args in (("n", "va", "a", "eth0"), ("n", "vb", "b", "eth0"), ("n", "eth0", "r", "eth0"), ("n", "eth1", "o", "eth0"), ("r", "eth1", "o", "eth1")):
        link(*args)
    each("n", """
ip link set lo up
ip addr add 10.244.1.1/24 dev cni0
ip link set cni0 up
ip link set va master cni0 up
ip link set vb master cni0 up
ip addr add 172.30.99.1/24 dev eth0
ip link set eth0 up
ip addr add 198.51.100.1/24 dev eth1
ip link set eth1 up
ip route add 10.244.2.0/24 via 172.30.99.2
ip route add default via 172.30.99.2
ip route add 203.0.113.0/24 via 198.51.100.9""")
    for k, ip in (("a", A), ("b", B)):
        each(k, f"ip link set lo up\nip addr add {ip}/24 dev eth0\nip link set eth0 up\nip route add default via 10.244.1.1")
    each("r", f"""
ip link set lo up
ip addr add 172.30.99.2/24 dev eth0
ip addr add {R}/32 dev lo
ip link set eth0 up
ip addr add 192.0.2.1/24 dev eth1
ip link set eth1 up
ip route add 10.244.1.0/24 via 172.30.99.1
ip route add {O}/32 via 192.0.2.2
sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.eth0.rp_filter=0 net.ipv4.conf.eth1.rp_filter=0""")
    each("o", f"""
ip link set lo up
ip addr add 198.51.100.9/24 dev eth0
ip addr add {O}/32 dev lo
ip link set eth0 up
ip addr add 192.0.2.2/24 dev eth1
ip link set eth1 up
ip route add 10.244.1.0/24 via 198.51.100.1
sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.eth0.rp_filter=0 net.ipv4.conf.eth1.rp_filter=0""")


def drop_world():
    for n in NS.values():
        common.sh("ip", "netns", "del", n, check=False)


class Inside:
    def __init__(self, ns):
        self.ns = ns

    def __enter__(self):
        self.here = os.open("/proc/self/ns/net", os.O_RDONLY)
        fd = os.open(f"/var/run/netns/{NS[self.ns]}", os.O_RDONLY)
        failed = LIBC.setns(fd, 0x40000000)
        os.close(fd)
        if failed:
            raise OSError(ctypes.get_errno(), "setns")

    def __exit__(self, *exc):
        LIBC.setns(self.here, 0x40000000)
        os.close(self.here)


def listen():
    sockets = []
    for ns in "abrn":
        with Inside(ns):
            s = socket.socket()
            s.bind(("0.0.0.0", 8080))
            s.listen(1024)
            s.setblocking(False)
            sockets.append(s)
    return sockets


def clear(listeners):
    for s in listeners:
        while True:
            try:
                s.accept()[0].close()
            except BlockingIOError:
                break


def connect(flows, seconds):
    """{name: did the connection come about?}, all of them side by side."""
    open_, done = {}, {}
    for name in flows:
        ns, src, dst, port = FLOWS[name]
        with Inside(ns):
            s = socket.socket()
            s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            s.setblocking(False)
            s.bind((src, 0))
            e = s.connect_ex((dst, port))
        open_[s] = name
        if e not in (0, errno.EINPROGRESS):
            done[name] = False
    end = time.monotonic() + seconds
    while len(done) < len(flows) and time.monotonic() < end:
        waiting = [s for s, name in open_.items() if name not in done]
        for s in select.select([], waiting, [], max(0, end - time.monotonic()))[1]:
            done[open_[s]] = s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0
    for s in open_:
        s.close()
    return {name: done.get(name, False) for name in flows}


# ---- the node's settings ----

DEFAULTS = {  # in this order: ip_forward sets all interfaces
    "net.bridge.bridge-nf-call-iptables": 1, "net.ipv4.ip_forward": 1, "net.ipv4.conf.all.rp_filter": 0, "net.ipv4.conf.eth0.rp_filter": 0,
            "net.ipv4.conf.eth1.rp_filter": 0, "net.ipv4.conf.cni0.rp_filter": 0, "net.ipv4.conf.all.route_localnet": 1,
            "net.ipv4.conf.eth0.forwarding": 1, "net.ipv4.conf.eth1.forwarding": 1, "net.ipv4.conf.cni0.forwarding": 1}


def settings(hairpin="on on", promisc="off", own_flag=0, **sysctls):
    values = dict(DEFAULTS)
    values.update({k.replace("__", "."): v for k, v in sysctls.items()})
    for k, v in values.items():
        inside("n", "sysctl", "-qw", f"{k}={v}")
    for port, on in zip(("va", "vb"), hairpin.split()):
        inside("n", "bridge", "link", "set", "dev", port, "hairpin", on)
    inside("n", "ip", "link", "set", "cni0", "promisc", promisc)
    inside("n", "ip", "link", "set", "cni0", "type", "bridge", "nf_call_iptables", str(own_flag))


HOOKS = {"raw": ["PREROUTING", "OUTPUT"], "mangle": ["PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"],
         "filter": ["INPUT", "FORWARD", "OUTPUT"], "security": ["INPUT", "FORWARD", "OUTPUT"]}


def load(masquerade, others=None):
    text = "*nat\n:PREROUTING ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n:POSTROUTING ACCEPT [0:0]\n:SVC - [0:0]\n-A PREROUTING -j SVC\n" \
           f"-A OUTPUT -j SVC\n{DNAT}{masquerade}COMMIT\n"
    for t in HOOKS:
        text += f"*{t}\n" + "".join(f"{r}\n" for r in (others or {}).get(t, [])) + "COMMIT\n"
    inside("n", "iptables-legacy-restore", stdin=text.encode())
    inside("n", "conntrack", "-F", check=False)


CLUSTER = {"apiVersion": "v1", "kind": "List", "items": [
    {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}, "spec": {"podCIDR": cidr, "podCIDRs": [cidr]},
     "status": {"addresses": [{"type": "InternalIP", "address": ip}]}}
    for name, cidr, ip in (("n", "10.244.1.0/24", "172.30.99.1"), ("r", "10.244.2.0/24", "172.30.99.2"))]}


def write_bundle(folder, leave_out=()):
    node = os.path.join(folder, "nodes", "n")
    os.makedirs(node)
    os.makedirs(os.path.join(folder, "cluster"))
    common.write(json.dumps(CLUSTER), os.path.join(folder, "cluster", "objects.json"))
    files = {"iptables-legacy-save.txt": ["iptables-legacy-save"], "ip-addr.json": ["ip", "-j", "addr"], "ip-link.json": ["ip", "-j", "-d", "link"],
             "ip-route.json": ["ip", "-j", "route", "show", "table", "all"], "ip-rule.json": ["ip", "-j", "rule"],
             "ip-neigh.json": ["ip", "-j", "neigh"], "bridge-fdb.json": ["bridge", "-j", "fdb", "show"], "sysctl.txt": ["sysctl", "-a"],
             "uname.txt": ["uname", "-r"]}
    for name, cmd in files.items():
        if name not in leave_out:
            with open(os.path.join(node, name), "wb") as f:
                f.write(inside("n", *cmd, check=False))
    common.write("", os.path.join(node, "iptables-nft-save.txt"))
    return folder


def trace(bundle, name):
    ns, src, dst, port = FLOWS[name]
    extra = ["--in", IFACE[ns]] if ns in IFACE else []
    r = common.run("trace", src, f"{dst}:{port}/tcp", "--bundle", bundle, "--node", "n", *extra, "-o", "json", codes=None)
    return r.json["traces"][0]["endings"] if "traces" in r.json else r.json["endings"]


def comes_about(e):
    """True, False, or None where it is not known."""
    if e["verdict"] in ("drop", "reject") or e["delivery"] == "lost":
        return False
    if e["verdict"] == "accept" and (e["address"], e["port"]) not in LISTENING:
        return False  # nobody answers there
    return None if e["verdict"] != "accept" or e["delivery"] == "unknown" else e["reply"]["ok"]


def short(endings):
    return json.dumps([{k: e[k] for k in ("verdict", "address", "masquerade", "source", "delivery", "reply")} | {"lost": (e.get("lost") or {}).get("text")}
                       for e in endings])


def compare(bundle, seen, what):
    for name, ok in seen.items():
        endings = trace(bundle, name)
        says = [comes_about(e) for e in endings]
        common.expect(all(s == ok for s in says) and says, lambda: f"{what}: {name}: in the kernel it {'works' if ok else 'fails'}, svcdoctor says {short(endings)}")


def judged(listeners, what, flows=tuple(FLOWS)):
    """What the kernel does; svcdoctor must say the same. A busy machine answers late: a difference is looked at once more, with patience."""
    folder = tempfile.mkdtemp(prefix="svcdoctor-reply-")
    bundle = None
    for seconds in (PATIENCE, 3):
        seen = connect(flows, seconds)
        clear(listeners)
        if bundle is None:  # now the neighbours are known
            bundle = write_bundle(os.path.join(folder, "bundle"))
        try:
            compare(bundle, seen, what)
            break
        except common.Failure as e:
            inside("n", "conntrack", "-F", check=False)
            if seconds > 1:
                raise common.Failure(f"{e} (kept in {folder})")
    shutil.rmtree(folder)
    return seen


# ---- the settings that decide ----

NF = "net__bridge__bridge-nf-call-iptables"
OWN = SELF + OUTSIDE + LOOP
FAILING = {  # case: (settings, masquerade, what must fail in the kernel; everything else works)
    "bridge netfilter, hairpin off": ({NF: 1, "hairpin": "off off"}, OWN, {"a to itself", "b to itself"}),
    "bridge netfilter, hairpin off, promiscuous": ({NF: 1, "hairpin": "off off", "promisc": "on"}, OWN, {"a to itself", "b to itself"}),
    "bridge netfilter, hairpin on": ({NF: 1}, OWN, set()),
    "bridge netfilter, one port with hairpin": ({NF: 1, "hairpin": "on off"}, OWN, {"b to itself"}),
    "no bridge netfilter, hairpin off": ({NF: 0, "hairpin": "off off"}, OWN, {"a to b"}),
    "no bridge netfilter but the bridge's own": ({NF: 0, "hairpin": "on off", "own_flag": 1}, OWN, {"b to itself"}),
    "hairpin on, no masquerade": ({NF: 1}, OUTSIDE + LOOP, {"a to itself", "b to itself"}),
    "no bridge netfilter, no masquerade": ({NF: 0}, OUTSIDE + LOOP, {"a to itself", "b to itself", "a to b"}),
    "everything masqueraded, no bridge netfilter": ({NF: 0}, ALL, set()),
    "outside not masqueraded": ({NF: 1}, SELF + LOOP, {"outside to r"}),
    "localhost not masqueraded": ({NF: 1}, SELF + OUTSIDE, {"localhost to a"}),
    "no forwarding on eth0": ({"net__ipv4__conf__eth0__forwarding": 0}, OWN, {"a to r", "outside to r", "a to r, untranslated"}),
    "rp_filter where the reply comes in": ({"net__ipv4__conf__eth0__rp_filter": 1}, OWN, set()),
    "no route_localnet": ({"net__ipv4__conf__all__route_localnet": 0}, OWN, {"localhost to a"}),
}


def check_case(listeners, case):
    how, masquerade, failing = FAILING[case]
    settings(**how)
    load(masquerade)
    seen = judged(listeners, case)
    common.expect_equal(sorted(n for n, ok in seen.items() if not ok), sorted(failing), f"{case}: what the kernel does not do")


def check_unknown(listeners, what, leave_out, names):
    """Without a file nothing is said that the kernel does not do, and @names are not known."""
    folder = tempfile.mkdtemp(prefix="svcdoctor-reply-")
    try:
        settings(hairpin="on off")
        load(OWN)
        seen = connect(tuple(FLOWS), PATIENCE)
        clear(listeners)
        bundle = write_bundle(os.path.join(folder, "bundle"), leave_out)
        for name, ok in seen.items():
            says = [comes_about(e) for e in trace(bundle, name)]
            common.expect(says and all(s is None or s == ok for s in says), lambda n=name: f"{what}: {n}: {short(trace(bundle, n))}")
            common.expect((None in says) == (name in names), lambda n=name: f"{what}: {n}: known or not? {short(trace(bundle, n))}")
    finally:
        shutil.rmtree(folder)


# ---- random rules ----

ADDRESSES = [A, B, R, O, "10.96.0.0/16", "172.30.99.1", "198.51.100.1", "10.244.1.0/24", "10.244.2.0/24", "10.244.1.1"]


def random_match(r, table, chain):
    v = []
    for flag in ("-s", "-d"):
        if r.random() < 0.4:
            v.append(f"{'! ' if r.random() < 0.2 else ''}{flag} {r.choice(ADDRESSES)}")
    if chain in ("PREROUTING", "INPUT", "FORWARD") and r.random() < 0.3:
        v.append(f"{'! ' if r.random() < 0.3 else ''}-i {r.choice(['cni0', 'eth0', 'eth1', 'lo'])}")
    if chain in ("FORWARD", "OUTPUT", "POSTROUTING") and r.random() < 0.3:
        v.append(f"{'! ' if r.random() < 0.3 else ''}-o {r.choice(['cni0', 'eth0', 'eth1', 'lo'])}")
    kind = r.random()
    if kind < 0.25:
        v.append("-p tcp -m tcp --tcp-flags SYN,ACK " + r.choice(["SYN", "SYN,ACK"]))
    elif kind < 0.5:
        v.append(f"-p tcp -m tcp {'! ' if r.random() < 0.2 else ''}{r.choice(['--sport 8080', '--sport 80', '--dport 8080', '--dport 80', '--sport 30000:30010'])}")
    extra = r.random()
    if extra < 0.4:
        states = ["ESTABLISHED", "NEW", "INVALID", "RELATED,ESTABLISHED", "ESTABLISHED,DNAT"] + ([] if table == "raw" else ["DNAT", "SNAT"])
        v.append(f"-m conntrack {'! ' if r.random() < 0.25 else ''}--ctstate {r.choice(states)}")
    elif extra < 0.5 and table != "raw":
        v.append(f"-m conntrack --ctdir {r.choice(['REPLY', 'ORIGINAL'])}")
    elif extra < 0.6 and table != "raw":
        v.append(f"-m conntrack {r.choice(['--ctorigdst', '--ctorigsrc', '--ctreplsrc', '--ctrepldst'])} {r.choice(ADDRESSES)}")
    elif extra < 0.65:
        v.append(f"-m mark {'! ' if r.random() < 0.3 else ''}--mark 0x1/0x1")
    elif extra < 0.7:
        v.append(f"-m addrtype {r.choice(['--dst-type', '--src-type'])} LOCAL")
    return " ".join(v)


def random_target(r, table):
    t = ["-j DROP", "-j DROP", "-j ACCEPT"]
    if table == "mangle":
        t += ["-j MARK --set-xmark 0x1/0x1", "-j CONNMARK --set-xmark 0x1/0x1", "-j CONNMARK --restore-mark --nfmask 0x1 --ctmask 0x1"]
    if table == "raw":
        t = ["-j DROP", "-j CT --notrack", "-j ACCEPT"]
    return r.choice(t)


def random_rules(r):
    rules = {t: [] for t in HOOKS}
    for _ in range(r.randint(2, 7)):
        table = r.choice(["raw", "mangle", "mangle", "filter", "filter", "filter", "security"])
        chain = r.choice(HOOKS[table])
        rules[table].append(f"-A {chain} {random_match(r, table, chain)} {random_target(r, table)}".replace("  ", " "))
    return rules


def check_random(listeners, seed, tally):
    r = random.Random(seed)
    nf = r.choice([0, 1])
    sysctls = {k.replace(".", "__"): v for k, v in (("net.ipv4.conf.eth0.forwarding", 0), ("net.ipv4.conf.cni0.forwarding", 0),
               ("net.ipv4.conf.eth1.rp_filter", 1), ("net.ipv4.conf.all.rp_filter", 1)) if r.random() < 0.15}
    settings(**{NF: nf, "hairpin": r.choice(["on on", "off off", "off on"]), **sysctls})
    rules = random_rules(r)
    load(r.choice([OWN, OWN, ALL, ""]), rules)
    # A frame that nobody translates is switched past the rules: the walk of the request does not know that.
    flows = [n for n in FLOWS if (nf and not sysctls) or n != "a to b, untranslated"]
    seen = judged(listeners, f"seed {seed}: {json.dumps([rules, sysctls])}", flows)
    for ok in seen.values():
        tally[ok] += 1


def main():
    if os.geteuid() != 0:
        print("skip reply: needs root for network namespaces")
        return
    tests = common.Tests()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # a time-out leaves no namespaces behind
    try:
        make_world()
        listeners = listen()
        settings()
        load(OWN)
    except (OSError, FileNotFoundError) as e:
        drop_world()
        print(f"skip reply: no network namespaces with netfilter, bridge and br_netfilter here ({e})")
        return
    tally = {True: 0, False: 0}
    try:
        if "REPLY_SEED" not in os.environ:
            for case in FAILING:
                tests.run(f"reply: {case}", check_case, listeners, case)
            tests.run("reply without sysctl.txt", check_unknown, listeners, "no sysctl.txt", ["sysctl.txt"], {"a to b", "b to itself"})
            tests.run("reply without ip-link.json", check_unknown, listeners, "no ip-link.json", ["ip-link.json"], {"a to itself", "b to itself", "a to b"})
            tests.run("reply without bridge-fdb.json", check_unknown, listeners, "no bridge-fdb.json", ["bridge-fdb.json"],
                      {"a to itself", "b to itself"})
        seeds = [int(os.environ["REPLY_SEED"])] if "REPLY_SEED" in os.environ else range(1, int(os.environ.get("REPLY_SEEDS", "8")) + 1)
        for seed in seeds:
            tests.run(f"reply with random rules {seed}", check_random, listeners, seed, tally)
    finally:
        drop_world()
    if "REPLY_SEED" not in os.environ:
        tests.run("reply: connections came about and did not", lambda: common.expect(min(tally.values()) > 10, f"{tally}") or f"{tally}")
    tests.finish()


if __name__ == "__main__":
    main()
