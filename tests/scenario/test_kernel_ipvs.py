# SPDX-License-Identifier: GPL-2.0-or-later
"""IPVS judged by a kernel: user-mode-linux boots once, and takes the rulesets of lab-ipvs and random ones with random virtual servers.

IPv4 and IPv6. Real packets from a pod, from outside and from the node itself: where each came out, with which addresses, which refusal was sent, and
whether the reply was translated back must be what `svcdoctor trace` says from the dumps that the ordinary tools printed in there.

KERNEL_SEEDS=N runs N random rulesets (without it 12, or as many as a minute has room for); KERNEL_SEED=S runs one. KERNEL_KEEP=DIR keeps
everything there."""
import json
import math
import os
import random
import re
import shutil
import socket
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import common  # noqa: E402
import uml  # noqa: E402

LAB = os.path.join(common.CORPUS, "lab-ipvs", "nodes", "node1")
VIPS = ["10.96.0.1", "10.96.0.2", "203.0.113.80", "172.30.99.1"]
ABSENT = "10.96.0.9"  # has virtual servers, and is on no link
PORTS = [80, 443, 30080]
SERVERS = ["10.244.1.5:8080", "10.244.1.6:80", "10.244.2.7:8080", "10.244.2.8:80", "172.30.99.1:6443", "172.30.99.10:6443", "10.244.1.6:8080"]
SCHEDULERS = ["rr"] * 5 + ["wrr"] * 4 + ["lc", "wlc", "sh", "sh", "dh", "mh", "sed", "nq", "fo", "ovf", "lblc", "lblcr"]
SETS = """create LOOP hash:ip,port,ip
add LOOP 10.244.1.5,tcp:8080,10.244.1.5
add LOOP 10.244.1.6,tcp:80,10.244.1.6
create VIPS hash:ip
add VIPS 10.96.0.1
add VIPS 10.96.0.2
create SERVICES hash:ip,port
add SERVICES 10.96.0.1,tcp:80
add SERVICES 10.96.0.2,udp:443
add SERVICES 203.0.113.80,tcp:80
create RANGES hash:ip,port,net
add RANGES 203.0.113.80,tcp:80,203.0.113.0/24
create NODEPORTS bitmap:port range 0-65535
add NODEPORTS 30080
"""
REFUSALS = {"icmp6-adm-prohibited": 10, "icmp-port-unreachable": 3, "icmp-host-prohibited": 10, "icmp-net-unreachable": 0}


# ---- random cases ----

def random_servers(r):
    """ipvsadm -R text"""
    lines, keys = [], set()
    for _ in range(r.randint(2, 6)):
        kind = "-u" if r.random() < 0.25 else "-t"
        key = f"-f {r.choice([7, 9])}" if r.random() < 0.08 else f"{kind} {r.choice(VIPS + [ABSENT])}:{r.choice(PORTS)}"
        if key in keys:
            continue
        keys.add(key)
        s = r.choice(SCHEDULERS)
        persistent = f" -p {r.randint(1, 99)}" if r.random() < 0.3 else ""
        if r.random() < 0.08 and not key.startswith("-f"):
            key = f"{kind} {r.choice(VIPS)}:{r.choice([0, 21])}"
            if key in keys:
                continue
            keys.add(key)
            persistent = persistent or " -p 60" if key.endswith(":0") else persistent
        flags = {"sh": " -b sh-fallback", "mh": " -b mh-fallback"}.get(s, "") if r.random() < 0.3 else ""
        lines.append(f"-A {key} -s {s}{persistent}{flags}{' -o' if key[1] == 'u' and r.random() < 0.1 else ''}")
        there = set()
        for server in r.sample(SERVERS, r.choice([0, 1, 1, 2, 2, 3, 4])):
            how = r.choice(["-g", "-i"]) if r.random() < 0.1 else "-m"
            if key.startswith("-f") or key.endswith(":0"):
                server = server.rpartition(":")[0] + (":0" if key.endswith(":0") or r.random() < 0.7 else ":8081")
            if how != "-m":
                server = server.rpartition(":")[0] + ":" + (key.rpartition(":")[2] if ":" in key else "0")
            if server in there:
                continue
            there.add(server)
            # ovf asks how many connections there are: few, for these weights.
            lines.append(f"-a {key} -r {server} {how}{' --tun-type ipip' if how == '-i' else ''} -w {r.choice([0, 1, 1, 1, 2, 3]) * (100 if s == 'ovf' else 1)}")
    return "\n".join(dict.fromkeys(lines)) + "\n"


def asks_ipvs(r):
    options = ["--ipvs", "--vproto 6", "--vproto 17", f"--vaddr {r.choice(['10.96.0.1', '10.96.0.0/16', '203.0.113.80'])}",
               f"--vport {r.choice(PORTS)}", "--vdir ORIGINAL", "--vdir REPLY", "--vmethod MASQ", "--vmethod GATE",
               f"--vportctl {r.choice(PORTS)}"]
    v = [("! " if r.random() < 0.3 and "vdir" not in o else "") + o for o in r.sample(options[1:], r.choice([1, 1, 2]))] if r.random() < 0.75 else \
        [r.choice(["--ipvs", "! --ipvs"])]
    names = [o.split()[-2] for o in v if "ipvs" not in o]
    return "-m ipvs " + " ".join(v) if len(set(names)) == len(names) else "-m ipvs --ipvs"


def asks(r, hook, table):
    v = [r.choice(["-p tcp", "-p tcp", "-p udp"])]
    for flag in "-s", "-d":
        if r.random() < 0.4:
            pool = VIPS + ["10.96.0.0/16", "10.244.1.5", "10.244.1.6", "10.244.2.0/24", "10.244.0.0/16", "172.30.99.10", "203.0.113.9"]
            v.append(f"{'! ' if r.random() < 0.2 else ''}{flag} {r.choice(pool)}")
    if r.random() < 0.25:
        v.append(f"--{r.choice(['dport', 'dport', 'sport'])} {r.choice(PORTS + [8080, 6443])}")
    kind = r.random()
    if kind < 0.3:
        v.append(asks_ipvs(r))
    elif kind < 0.4:
        v.append(f"-m conntrack {'! ' if r.random() < 0.3 else ''}--ctstate {r.choice(['NEW', 'DNAT', 'INVALID', 'UNTRACKED', 'ESTABLISHED'])}")
    elif kind < 0.45:
        v.append(f"-m conntrack --{r.choice(['ctorigdst', 'ctreplsrc'])} {r.choice(['10.96.0.1', '10.244.0.0/16', '10.244.1.6'])}")
    elif kind < 0.6:
        v.append("-m set " + r.choice(["", "! "]) + "--match-set " + r.choice(["LOOP dst,dst,src", "VIPS dst", "VIPS src", "SERVICES dst,dst",
                                                                              "RANGES dst,dst,src", "NODEPORTS dst"]))
    elif kind < 0.68:
        v.append(f"-m mark {'! ' if r.random() < 0.3 else ''}--mark 0x4000/0x4000")
    elif kind < 0.75:
        v.append(f"-m addrtype --{r.choice(['dst', 'src'])}-type LOCAL")
    elif kind < 0.8:
        v.append(f"-m physdev {'! ' if r.random() < 0.5 else ''}--physdev-{r.choice(['in vetha', 'is-in'])}")
    if r.random() < 0.2 and hook in ("PREROUTING", "INPUT", "FORWARD"):
        v.append(f"-i {r.choice(['eth0', 'cni0', 'lo'])}")
    if r.random() < 0.25 and hook in ("FORWARD", "OUTPUT", "POSTROUTING"):
        v.append(f"{'! ' if r.random() < 0.3 else ''}-o {r.choice(['eth0', 'cni0', 'lo'])}")
    return " ".join(v)


def random_rules(r):
    """kube-proxy's marks and masquerade as a rule, and something foreign in every hook."""
    mangle, nat, low = [], [], []
    for hook in ("PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"):
        for _ in range(r.choice([0, 0, 1])):
            what = "DROP" if r.random() < 0.5 else "MARK --set-xmark " + r.choice(["0x4000/0x4000", "0x7/0xffffffff"])
            mangle.append(f"-A {hook} {asks(r, hook, 'mangle')} -j {what}")
    for hook in ("PREROUTING", "OUTPUT"):
        if r.random() < 0.8:
            nat.append(f"-A {hook} ! -s 10.244.0.0/16 -m set --match-set VIPS dst -j MARK --set-xmark 0x4000/0x4000")
        if r.random() < 0.3:
            nat.append(f"-A {hook} {asks(r, hook, 'nat')} -j {r.choice(['ACCEPT', 'MARK --set-xmark 0x4000/0x4000'])}")
        if r.random() < 0.15:
            nat.append(f"-A {hook} -p tcp -d 198.51.100.7 -j DNAT --to-destination 10.96.0.1:80")
    if r.random() < 0.8:
        nat.append("-A POSTROUTING -m set --match-set LOOP dst,dst,src -j MASQUERADE")
    if r.random() < 0.3:
        nat.append(f"-A POSTROUTING {asks(r, 'POSTROUTING', 'nat')} -j {r.choice(['MASQUERADE', 'RETURN', 'SNAT --to-source 172.30.99.1'])}")
    if r.random() < 0.8:
        nat.append("-A POSTROUTING -m mark --mark 0x4000/0x4000 -j MASQUERADE")
    for hook in ("INPUT", "FORWARD", "OUTPUT"):
        for _ in range(r.choice([0, 1, 1, 2])):
            what = r.choice(["DROP", "DROP", "ACCEPT", "REJECT --reject-with icmp-host-prohibited"])
            low.append(f"-A {hook} {asks(r, hook, 'filter')} -j {what}")
    # What -m ipvs says in each hook, counted.
    for hook in ("INPUT", "FORWARD", "OUTPUT", "POSTROUTING"):
        mangle.insert(0, f"-A {hook} -j ASK-{hook}")
    own = [f":ASK-{h} - [0:0]" for h in ("INPUT", "FORWARD", "OUTPUT", "POSTROUTING")]
    asked = [f"-A ASK-{h} -m comment --comment VISITS" for h in ("INPUT", "FORWARD", "OUTPUT", "POSTROUTING")] + \
            [f"-A ASK-{h} {asks_ipvs(r)}" for h in ("INPUT", "FORWARD", "OUTPUT", "POSTROUTING") for _ in range(2)]
    tables = (("mangle", ["PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"], own, asked + mangle),
              ("nat", ["PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"], [], nat), ("filter", ["INPUT", "FORWARD", "OUTPUT"], [], low))
    return "".join(f"*{t}\n" + "".join(f":{h} ACCEPT [0:0]\n" for h in hooks) + "".join(x + "\n" for x in chains + rules) + "COMMIT\n"
                   for t, hooks, chains, rules in tables)


def packet(number, sender, src, dst, dport, proto):
    return {"from": sender, "src": src, "dst": dst, "dport": dport, "proto": proto, "sport": 10000 + number}


class Numbers:
    def __init__(self):
        self.n = 0

    def next(self):
        self.n += 1
        return self.n


def random_packets(r, numbers, servers, count=16):
    keys = [line.split() for line in servers.splitlines() if line.startswith(("-A -t", "-A -u"))]
    packets = []
    for _ in range(count):
        if keys and r.random() < 0.85:
            flag, where = r.choice(keys)[1:3]
            dst, dport, proto = where.rpartition(":")[0], int(where.rpartition(":")[2]), "tcp" if flag == "-t" else "udp"
            dport = dport or r.choice(PORTS)
        else:
            dst, dport, proto = r.choice(VIPS + ["198.51.100.7"]), r.choice(PORTS + [2000]), "tcp"
        if r.random() < 0.1:
            dport = r.choice(PORTS)
        sender, src = r.choice([("pod", "10.244.1.5"), ("pod", "10.244.1.6"), ("out", "203.0.113.9"), ("out", "172.30.99.50"),
                                ("node", None), ("node", None), ("node", "172.30.99.1")])
        packets.append(packet(numbers.next(), sender, src, dst, dport, proto))
    return packets


def random_case(seed, numbers):
    r = random.Random(seed)
    servers = random_servers(r)
    return {
        "name": f"seed {seed}", "servers": servers, "rules": random_rules(r), "sets": SETS,
        "addresses": [v for v in VIPS if v != "172.30.99.1"], "hairpin": {"a": r.random() < 0.5, "b": r.random() < 0.5},
        "sysctl": {"net.ipv4.vs.conntrack": int(r.random() < 0.8), "net.bridge.bridge-nf-call-iptables": r.choice([0, 1]),
                   "net.ipv4.ip_forward": int(r.random() < 0.92), "net.ipv4.vs.snat_reroute": int(r.random() < 0.9)},
        "packets": random_packets(r, numbers, servers)}


V4 = re.compile(r"(\d+\.\d+\.\d+\.\d+)(/\d+)?(:\d+)?(?![\d.])")


def in_six(text):
    """The same with the addresses that stand for these in uml_ipvs.py's world of IPv6."""
    def one(m):
        a = socket.inet_ntop(socket.AF_INET6, b"\xfd" + b"\0" * 11 + socket.inet_aton(m[1]))
        return f"[{a}]{m[3]}" if m[3] else a + (f"/{96 + int(m[2][1:])}" if m[2] else "")
    return V4.sub(one, text)


def six_case(seed, numbers):
    case = random_case(seed, numbers)
    case["name"] += " of IPv6"
    case["six"] = True
    case["rules"] = in_six(case["rules"]).replace("icmp-host-prohibited", "icmp6-adm-prohibited")
    case["servers"] = in_six(case["servers"]).replace("-f 7", "-f 7 -6").replace("-f 9", "-f 9 -6")
    case["sets"] = re.sub(r"^(create \S+ hash:\S+)", r"\1 family inet6", in_six(case["sets"]), flags=re.M)
    case["addresses"] = [in_six(a) for a in case["addresses"]]
    case["sysctl"]["net.bridge.bridge-nf-call-ip6tables"] = case["sysctl"].pop("net.bridge.bridge-nf-call-iptables")
    case["sysctl"]["net.ipv6.conf.all.forwarding"] = case["sysctl"].pop("net.ipv4.ip_forward")
    for p in case["packets"]:
        p.update(dst=in_six(p["dst"]), src=in_six(p["src"]) if p["src"] else None)
    return case


def text_of(name):
    with open(os.path.join(LAB, name), encoding="utf-8") as f:
        return f.read()


def lab_case(numbers):
    """What kube-proxy wrote on node1, and a packet of each kind to every virtual server."""
    addresses = [a["local"] for link in json.loads(text_of("ip-addr.json")) if link.get("ifname") == "kube-ipvs0" for a in link["addr_info"]
                 if a["family"] == "inet"]
    servers = text_of("ipvsadm-save.txt")
    r, packets = random.Random(7), []
    for line in servers.splitlines():
        if line.startswith("-A") and "10.244.1.1:" not in line:
            flag, where = line.split()[1:3]
            dst, dport, proto = where.rpartition(":")[0], int(where.rpartition(":")[2]), "tcp" if flag == "-t" else "udp"
            for sender, src in r.sample([("pod", "10.244.1.5"), ("pod", "10.244.1.6"), ("out", "203.0.113.9"), ("out", "198.51.100.9"), ("node", None)], 2):
                packets.append(packet(numbers.next(), sender, src, dst, dport, proto))
    for dst, dport in (("10.96.0.1", 444), ("172.30.99.2", 2222), ("203.0.113.81", 80), ("203.0.113.80", 8765)):
        for sender, src in (("pod", "10.244.1.5"), ("out", "198.51.100.9"), ("out", "203.0.113.9"), ("node", None)):
            packets.append(packet(numbers.next(), sender, src, dst, dport, "tcp"))
    # A packet is known by its source port, which stays as it is without this.
    rules = text_of("iptables-legacy-save.txt").replace(" --random-fully", "")
    near = {f"10.244.1.{n}": "b" for n in (2, 7, 20, 40, 70, 135, 136)}
    return {"name": "lab-ipvs", "servers": servers, "rules": rules, "near": near, "sets": text_of("ipset-save.txt"), "addresses": addresses,
            "hairpin": {"a": True, "b": True}, "packets": packets,
            "sysctl": {"net.ipv4.vs.conntrack": 1, "net.bridge.bridge-nf-call-iptables": 1, "net.ipv4.ip_forward": 1, "net.ipv4.vs.snat_reroute": 1}}


def share_case(scheduler, connections):
    servers = f"-A -u 10.96.0.1:53 -s {scheduler}\n" + "".join(f"-a -u 10.96.0.1:53 -r 10.244.2.{10 + i}:53 -m -w {w}\n"
                                                             for i, w in enumerate([1, 2, 3, 4, 5, 1, 0, 2]))
    return {"name": f"shares of {scheduler}", "servers": servers, "rules": "*nat\n:POSTROUTING ACCEPT [0:0]\nCOMMIT\n", "sets": "", "addresses": ["10.96.0.1"],
            "hairpin": {}, "sysctl": {"net.ipv4.vs.conntrack": 1, "net.ipv4.ip_forward": 1}, "shares": connections,
            "packets": [packet(0, "out", "203.0.113.9", "10.96.0.1", 53, "udp")]}


# ---- the comparison ----

def refused(e, p):
    """The refusal is a packet of its own, which IPVS translates as well: without conntrack the node's own does not always come home.
    And where nothing is forwarded a packet does not come as far as to a rule of FORWARD."""
    code = REFUSALS.get(e.get("reject_with"), 3)
    if p["refused"] is None and p["seen"] is None and (p["kept"] or (p["from"] == "node" and p["untracked"])):
        return True
    return p["seen"] is None and p["refused"] == ["reject", 3, code]


def fits(e, p):
    seen = p["seen"]
    if e["verdict"] == "drop":
        return seen is None and p["refused"] is None
    if e["verdict"] == "reject":
        return refused(e, p)
    if e["verdict"] != "accept":
        return False
    if e["delivery"] == "lost":
        return seen is None
    if seen is None or e["source"] not in (None, seen[2]):
        return False
    # By the route method the packet still names the virtual address.
    where = [e["address"], e["port"]] if e["translated"] or seen[0] == "local" else [p["dst"] if seen[3] == p["dst"] else e["address"], e["port"]]
    if seen[3:] != where:
        return False
    if e["delivery"] == "local":
        return seen[0] == "local"
    return seen[0] == "sent" and (e["interface"] == "cni0") == (seen[1] in ("a", "b"))


def came_home(p):
    home = {"pod": {"5": "a", "6": "b"}.get(p["src"][-1]), "out": "out", "node": p["proto"]}[p["from"]]
    return p["reply"] == [home, p["dst"], p["src"], p["dport"]]


def reply_fits(e, p):
    """None: it cannot be told, for the reply takes another way, or nothing answers."""
    ok, why = e["reply"]["ok"], e["reply"]["why"] or ""
    if p["seen"] is None or ok is None or (e["delivery"] == "local" and p["proto"] == "udp") or "any way" in why or \
            "answers the client itself" in why:
        return None
    # Nobody listens on the node: it answers with a RST, which begins nothing.
    if e["delivery"] == "local" and "for a request" in why:
        return None
    if ok:
        return came_home(p)
    if e["reply"].get("by") or "not translated back" in why or "hairpin" in why or "stops it" in why or "policy" in why or \
            "for a request" in why:
        return not came_home(p)
    return None


def trace(bundle, p):
    dst = f"[{p['dst']}]" if ":" in p["dst"] else p["dst"]
    args = ["trace", p["src"], f"{dst}:{p['dport']}/{p['proto']}", "--bundle", bundle, "--node", "n", "--sport", str(p["sport"]), "-o", "json"]
    if p["from"] != "node":
        args += ["--in", "eth0" if p["from"] == "out" else "cni0"]
    return common.run(*args, codes=None).json["endings"]


def brief(endings):
    keys = ("verdict", "address", "port", "source", "delivery", "interface", "weight", "reply")
    return json.dumps([{k: e.get(k) for k in keys} for e in endings])


def judge_packet(name, bundle, p):
    """1 where the reply was judged too."""
    endings = trace(bundle, p)
    possible = [e for e in endings if e["weight"] is None or e["weight"] > 0]
    what = f"{name}: {p['proto']} {p['src']} ({p['from']}) -> {p['dst']}:{p['dport']}"
    same = [e for e in possible if fits(e, p)]
    common.expect(same, lambda: f"{what}: the kernel {p['seen'] or p['refused'] or 'dropped it'}, svcdoctor says {brief(endings)}")
    p["sure"] = not any(e["assumes"] for e in possible)
    replies = [reply_fits(e, p) for e in same]
    common.expect(None in replies or any(replies), lambda: f"{what}: it came out as {p['seen']}, its reply as {p['reply']}, svcdoctor says {brief(same)}")
    return any(replies)


def judge_shares(case, bundle, got):
    endings = trace(bundle, case["packets"][0])
    total = sum(got.values())
    common.expect(total == case["shares"], lambda: f"{case['name']}: {total} of {case['shares']} connections came out")
    weights = {f"{e['address']}:{e['port']}": e["weight"] for e in endings}
    common.expect(set(got) == set(weights), lambda: f"{case['name']}: the kernel's endpoints {sorted(got)}, the engine's {sorted(weights)}")
    for key, w in weights.items():
        sigma = math.sqrt(total * w * (1 - w))
        common.expect(abs(got[key] - total * w) <= 5 * sigma, lambda: f"{case['name']}: {key} got {got[key]} of {total}, expected {total * w:.0f}")


def count_matches(table, lines):
    """Met and not met of every option of -m ipvs, by what its chain was visited."""
    visits = 0
    for line in lines:
        words = line.split()
        n = int(words[0][1:].partition(":")[0]) if words[0].startswith("[") else 0
        if "VISITS" in line:
            visits = n
        elif words[0].startswith("[") and words[2].startswith("ASK-") and words.count("-m") == 1:
            options = [w for w in words if w.startswith("--v") or w == "--ipvs"]
            if len(options) == 1:
                key = ("! " if "!" in words else "") + options[0]
                met, unmet = table.get(key, (0, 0))
                table[key] = (met + n, unmet + visits - n)


def plan():
    numbers = Numbers()
    if "KERNEL_SEED" in os.environ:
        seed = int(os.environ["KERNEL_SEED"])
        return [(six_case if seed % 3 == 0 else random_case)(seed, numbers)]
    seeds = range(1, int(os.environ.get("KERNEL_SEEDS", "12")) + 1)
    return [lab_case(numbers), share_case("rr", 20000), share_case("wrr", 20000)] + \
        [(six_case if s % 3 == 0 else random_case)(s, numbers) for s in seeds]


def judge(cases, folder, lines):
    failed, packets, replies, sure, table, fates = 0, 0, 0, 0, {}, {}
    results = {r["case"]: r for r in map(json.loads, lines.splitlines())}
    for number, case in enumerate(cases):
        if number > max(results, default=0) and "KERNEL_SEEDS" not in os.environ:
            break  # no time was left
        bundle = os.path.join(folder, f"bundle-{number}")
        result = results.get(number, {"error": "nothing came out"})
        problems = []
        try:
            common.expect("error" not in result, lambda: f"{case['name']}: {result['error']}")
            if "shares" in case:
                judge_shares(case, bundle, result["shares"])
        except common.Failure as e:
            problems.append(e)
        count_matches(table, result.get("counters", []))
        for p in result.get("packets", []):
            p["kept"] = 0 in (case["sysctl"].get("net.ipv4.ip_forward"), case["sysctl"].get("net.ipv6.conf.all.forwarding"))
            p["untracked"] = not case["sysctl"]["net.ipv4.vs.conntrack"]
            try:
                replies += judge_packet(case["name"], bundle, p)
                sure += p["sure"]
            except common.Failure as e:
                problems.append(e)
            fate = p["seen"][0] if p["seen"] else "reject" if p["refused"] else "drop"
            fates[fate] = fates.get(fate, 0) + 1
            packets += 1
        failed += bool(problems)
        if problems:
            print(f"not ok kernel_ipvs/{case['name'].replace(' ', '-')}: {len(problems)} packets; {problems[0]} ({bundle})")
            if "KERNEL_KEEP" in os.environ:
                print("".join(f"# {p}\n" for p in problems), end="")
        else:
            print(f"ok kernel_ipvs/{case['name'].replace(' ', '-')}")
    print("# -m ipvs, met and not met: " + ", ".join(f"{k} {v[0]}/{v[1]}" for k, v in sorted(table.items())))
    few = [k for k, v in table.items() if min(v) < 20]
    if few and int(os.environ.get("KERNEL_SEEDS", "0")) >= 200:
        print(f"not ok kernel_ipvs/matches: too seldom met or not met: {few}")
        failed += 1
    if not failed and "KERNEL_SEED" not in os.environ:
        ok = {"sent", "local", "reject", "drop"} <= set(fates) and sure * 10 >= packets * 9 and replies * 5 >= packets
        print(f"{'ok' if ok else 'not ok'} kernel_ipvs: {packets} packets ended as in the kernel, {sure} of them without an assumption, with "
              f"{replies} replies" + ("" if ok else f": too few fates, sure ones or replies: {fates}"))
        failed += not ok
    return failed


def main():
    why = uml.missing("ipvsadm", "ipset", "iptables-legacy-restore", "ip", "bridge", "sysctl")
    if why is None and os.geteuid() != 0:
        why = "needs root, as what runs in there reads the machine's files"
    if why:
        print(f"skip kernel_ipvs: {why}")
        return 0
    cases = plan()
    folder = os.environ.get("KERNEL_KEEP") or tempfile.mkdtemp(prefix="svcdoctor-uml-")
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "plan.json"), "w", encoding="ascii") as f:
        json.dump({"seconds": 1e9 if "KERNEL_SEEDS" in os.environ else 50, "cases": cases}, f)
    good, out = uml.run(folder, os.path.join(os.path.dirname(os.path.abspath(__file__)), "uml_ipvs.py"), timeout=max(100, 8 * len(cases)))
    if not good:
        print(f"not ok kernel_ipvs: {out}")
        return 1
    failed = judge(cases, folder, out)
    if not failed and "KERNEL_KEEP" not in os.environ:
        shutil.rmtree(folder)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
