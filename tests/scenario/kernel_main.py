# SPDX-License-Identifier: GPL-2.0-or-later
"""What the kernel tests of all backends share: the lab's rulesets, random ones, and the table of what was met.

KERNEL_SEEDS=N runs N random rulesets (default 100); KERNEL_SEED=S runs one."""
import glob
import json
import os
import random
import shutil
import signal
import sys
import time
from dataclasses import replace

import common
import kernel_packets as kp
import kernel_xtables as kx
from kernel_judge import Disagreement, Judge
from kernel_packets import Packet
from kernel_world import PORTS, World, run

PACKETS = 10
REDUCE_SECONDS = 10  # so long a failing ruleset is made smaller before it is printed
FEW = 100  # below that many rulesets nobody asks for the table of what was met
LONG = 1000  # so many rulesets are a long run, in which every cell of the table is met often
RECENT = "/proc/self/net/xt_recent"

# What the node's settings can be; the usual ones are the likeliest.
SETTINGS = [{}, {}, {}, {}, {"net/bridge/bridge-nf-call-iptables": 0, "net/bridge/bridge-nf-call-ip6tables": 0},
            {"net/bridge/bridge-nf-call-iptables": 0, "net/bridge/bridge-nf-call-ip6tables": 0, "hairpin pa": "off", "hairpin pb": "off", "hairpin pc": "off", "hairpin pd": "off"},
            {"hairpin pa": "off", "hairpin pb": "off", "hairpin pc": "off", "hairpin pd": "off"}, {"hairpin pb": "off"},
            {"net/ipv4/conf/eth0/rp_filter": 1, "net/ipv4/conf/eth1/rp_filter": 2}, {"net/ipv4/conf/all/rp_filter": 1},
            {"net/ipv4/conf/eth1/forwarding": 0, "net/ipv6/conf/all/forwarding": 0}, {"net/ipv4/ip_forward": 0}, {"net/ipv4/conf/cni0/forwarding": 0}, {"net/ipv4/conf/all/route_localnet": 0}]


class Restore:
    """Brings back what packets leave behind in lists and sets, so that each is the first one of its kind."""

    def __init__(self, text):
        self.recent = "-m recent" in text
        self.sets = "-j SET" in text
        self.seen = {tuple(line.split()[1:3]) for line in text.splitlines() if line.startswith("table ") and "@seen" in text}

    def __call__(self):
        if self.recent:
            for name in os.listdir(RECENT):
                with open(os.path.join(RECENT, name), "w", encoding="ascii") as f:
                    f.write("/\n")
        if self.seen:
            run("nft", "-f", "-", stdin="".join(f"flush set {family} {name} seen\n" for family, name in self.seen).encode())
        self.ipsets()

    def ipsets(self):
        if self.sets:
            for fam in (4, 6):
                run("ipset", "restore", "-exist", stdin=f"flush s{fam}-grow\nadd s{fam}-grow {kx.POOLS[fam].pods[1]}\n".encode())


def random_packet(r, world, fam):
    p = kx.POOLS[fam]
    link = r.choice(["pa", "pb", "pc", "eth0", "eth0", "eth1", "eth1", None, None])
    sources = {"pa": [p.pods[0]], "pb": [p.pods[1]], "pc": [p.pods[2]], "eth0": p.far + p.far + [p.node[0], p.client[0]], "eth1": p.client,
               None: p.node * 2 + [p.loopback]}
    proto = r.choice([kp.TCP, kp.TCP, kp.TCP, kp.UDP, kp.UDP, kp.SCTP, kp.ICMP if fam == 4 else kp.ICMP6])
    src, dst = r.choice(sources[link]), r.choice(p.services * 3 + p.pods + p.far + p.node + p.client + p.lost)
    if src == p.loopback:
        dst = r.choice(p.node + p.services + [p.loopback])
    sport, ident = world.number()
    if proto in (kp.ICMP, kp.ICMP6):
        return Packet(src, dst, proto, sport, 0, ident, (kp.ECHO[fam][0], r.choice([0, 0, 0, 1]))), link
    return Packet(src, dst, proto, sport, r.choice([80, 80, 80, 443, 53, 8080, 30080]), ident), link


# ---- the lab ----

def lab_frontends(folder, x):
    """[(address, protocol, port)] of every Service, its node ports on this node's addresses."""
    with open(os.path.join(folder, "cluster", "services.json"), encoding="utf-8") as f:
        services = json.load(f)["items"]
    v = []
    for s in services:
        spec = s["spec"]
        ips = [a for a in spec.get("clusterIPs", []) if a != "None"] + spec.get("externalIPs", [])
        ips += [i["ip"] for i in s.get("status", {}).get("loadBalancer", {}).get("ingress", []) if "ip" in i]
        for port in spec.get("ports", []):
            proto = {"TCP": kp.TCP, "UDP": kp.UDP, "SCTP": kp.SCTP}[port.get("protocol", "TCP")]
            v += [(a, proto, port["port"]) for a in ips]
            if port.get("nodePort"):
                v += [(a, proto, port["nodePort"]) for a in (f"172.30.99.{x}", f"10.244.{x}.1")]
        if spec.get("healthCheckNodePort"):
            v.append((f"172.30.99.{x}", kp.TCP, spec["healthCheckNodePort"]))
    return sorted(set(v)) + [("10.96.77.77", kp.TCP, 80), (f"10.244.{3 - x}.7", kp.TCP, 8080), (f"10.244.{x}.5", kp.TCP, 8080), (f"172.30.99.{x}", kp.UDP, 9)]


def lab_pods(folder, x):
    """{last part of the address: port of the bridge} of the pods that are on the node."""
    text = common.read(os.path.join(folder, "cluster", "endpointslices.json"))
    here = sorted({int(a.rsplit(".", 1)[1]) for e in json.loads(text)["items"] for ep in e.get("endpoints") or [] for a in ep["addresses"]
                   if a.startswith(f"10.244.{x}.")} - {1})
    return {n: PORTS[i % len(PORTS)] for i, n in enumerate(here)}


def lab_sources(x, pods):
    other = 3 - x
    v = [(f"10.244.{x}.{n}", port) for n, port in pods.items()] or [(f"10.244.{x}.5", "pa")]
    return v + [(f"172.30.99.{x}", None), (f"10.244.{x}.1", None), ("127.0.0.1", None), (f"172.30.99.{other}", "eth0"), ("203.0.113.9", "eth0"),
                (f"10.244.{other}.7", "eth0"), ("198.51.100.9", "eth1")]


def check_lab(backend, folder, x):
    """In a process of its own: the node's number decides the world."""
    world = World(x)
    judge = Judge(world)
    try:
        world.settings({})
        pods = lab_pods(folder, x)
        world.attach(pods)
        text, dumps = backend.load_lab(os.path.join(folder, "nodes", f"node{x}"))
        restore = Restore(text)
        loaded = judge.ruleset({}, dumps, restore)
        common.expect(loaded["unknown"] == 0 and not loaded["notes"], f"not all of the lab's rules are known: {loaded}")
        for dst, proto, port in lab_frontends(folder, x):
            for src, link in lab_sources(x, pods):
                for _ in range(2):
                    sport, ident = world.number()
                    judge.packet(Packet(src, dst, proto, sport, port, ident), link, f"{os.path.basename(folder)} node{x}")
        c = judge.counts
        common.expect(c["sure"] == c["packets"], f"{c['packets'] - c['sure']} of {c['packets']} packets are not decided")
        return f"{c['packets']} packets, {c['replies judged']} replies, {json.dumps(judge.fates)}"
    finally:
        judge.close()
        world.close()


def in_child(test, *args):
    """A world of its own: namespaces end with their process."""
    r, w = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(r)
        code = 1
        try:
            out = test(*args) or ""
            code = 0
        except common.Failure as e:
            out = str(e)
        except Exception as e:  # pylint: disable=broad-except  # whatever it is, it is the test's result
            out = f"{type(e).__name__}: {e}"
        os.write(w, out.encode()[:60000])
        os._exit(code)
    os.close(w)
    with os.fdopen(r, "rb") as f:
        text = f.read().decode()
    if os.waitpid(pid, 0)[1] != 0:
        raise common.Failure(text or "the child died")
    return text


# ---- random rulesets ----

class Run:
    def __init__(self, backend):
        self.backend = backend
        self.world = World(1)
        self.judge = Judge(self.world)
        self.settings = None
        self.refused = self.rules = 0
        self.restore = Restore("")
        run("ipset", "restore", stdin=kx.ipsets().encode())

    def close(self):
        self.judge.close()
        self.world.close()

    def load(self, r):
        """A ruleset that the kernel takes: (its text, the families of packets for it, the dumps that show it)."""
        for _ in range(50):
            try:
                return self.backend.load_random(r)
            except OSError as e:
                self.refused += 1
                why = e
        raise common.Failure(f"the kernel takes no ruleset: {why}")

    def fails(self, lines, families, e):
        """Does the kernel still disagree about such a packet with these rules?"""
        try:
            dumps = self.backend.load_text("\n".join(lines) + "\n", families[0])
        except OSError:
            return False
        self.restore.ipsets()
        self.restore = Restore("\n".join(lines))
        self.judge.ruleset(self.settings, dumps, self.restore)
        for _ in range(8):
            sport, ident = self.world.number()
            try:
                self.judge.packet(replace(e.packet, sport=sport, ident=ident), e.link, "")
            except Disagreement as again:
                shutil.rmtree(again.kept)
                return True
        return False

    def reduced(self, text, families, e):
        """The rules without those that do not matter: what is to be printed."""
        lines, end = text.splitlines(), time.monotonic() + REDUCE_SECONDS
        step = len(lines) // 2 if self.fails(lines, families, e) else 0
        while step and time.monotonic() < end:
            at = 0
            while at < len(lines) and time.monotonic() < end:
                less = [x for i, x in enumerate(lines) if not (at <= i < at + step and self.backend.is_rule(x))]
                if len(less) < len(lines) and self.fails(less, families, e):
                    lines = less
                else:
                    at += step
            step //= 2
        return "\n".join(x for x in lines if x)

    def one(self, seed):
        r = random.Random(seed)
        settings = r.choice(SETTINGS)
        if settings != self.settings:
            self.world.settings(settings)
            self.settings = settings
        text, families, dumps = self.load(r)
        self.restore.ipsets()  # what the last ruleset's packets have changed
        self.restore, self.judge.text = Restore(text), text
        loaded = self.judge.ruleset(settings, dumps, self.restore)
        common.expect(not loaded["notes"] and loaded["unknown"] == 0, f"the engine does not know all of it: {loaded}")
        self.rules += loaded["rules"]
        try:
            for _ in range(PACKETS):
                self.judge.packet(*random_packet(r, self.world, r.choice(families)), f"seed {seed}")
        except Disagreement as e:
            raise common.Failure(f"{e}\nsettings: {settings}\nthe rules that matter:\n{self.reduced(text, families, e)}") from None


def print_table(engine, cells, long_run):
    """Every match and target that the engine evaluates, met and not met. @cells: {(kind, name): (can be met, can be not met)}."""
    table, least, empty = engine.table(), 20 if long_run else 1, []
    for (kind, name) in engine.names():
        possible = cells.get((kind, name))
        kinds = (kind, "negated") if kind == "match" else (kind,)
        met = sum(table.get((k, name), (0, 0))[0] for k in kinds)
        unmet = sum(table.get((k, name), (0, 0))[1] for k in kinds)
        if possible is None:
            if met or unmet:
                print(f"#   {kind:8} {name:20} met {met:8} not met {unmet:8} (of another backend)")
            continue
        print(f"#   {kind:8} {name:20} met {met:8}{'' if possible[0] else ' (cannot be)'} not met {unmet:8}{'' if possible[1] else ' (cannot be)'}")
        empty += [f"{name} met" for n, p in ((met, possible[0]),) if p and n < least]
        empty += [f"{name} not met" for n, p in ((unmet, possible[1]),) if p and n < least]
    common.expect(not empty, f"met too seldom (less than {least} times): {', '.join(empty)}")
    return f"{sum(a for a, _ in table.values())} met, {sum(b for _, b in table.values())} not met"


def random_rulesets(backend, tests, seeds):
    r = Run(backend)
    try:
        failed = 0
        for seed in seeds:
            try:
                r.one(seed)
            except common.Failure as e:
                tests.fail(f"{backend.name} ruleset {seed}", str(e))
                failed += 1
                if failed == 10:
                    break
        if not failed:
            tests.run(f"{backend.name}: random rulesets", lambda: summary(r, len(seeds)))
        if len(seeds) >= FEW:
            tests.run(f"{backend.name}: matches and targets met and not met", print_table, r.judge.engine, backend.cells, len(seeds) >= LONG)
    finally:
        r.close()


def summary(r, n):
    c, fates = r.judge.counts, r.judge.fates
    if n > 1:
        common.expect(set(fates) == {"sent", "local", "refused", "nothing"}, f"not all fates were seen: {fates}")
        common.expect(c["sure"] * 10 >= c["packets"] * 9, f"too little is sure: {c}")
    return f"{n} rulesets of {r.rules} rules, {c['packets']} packets, {c['sure']} of them decided, {c['replies judged']} replies: {json.dumps(fates)}"


def main(backend):
    if os.geteuid() != 0:
        print(f"skip kernel {backend.name}: needs root for network namespaces")
        return
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    tests = common.Tests()
    try:
        in_child(probe, backend)
    except common.Failure as e:
        print(f"skip kernel {backend.name}: no network namespaces with netfilter, bridge and raw sockets here ({e})")
        return
    seeds = [int(os.environ["KERNEL_SEED"])] if "KERNEL_SEED" in os.environ else range(1, int(os.environ.get("KERNEL_SEEDS", "100")) + 1)
    if "KERNEL_SEED" not in os.environ:
        for folder in sorted(glob.glob(os.path.join(common.CORPUS, backend.labs))):
            for x in (1, 2):
                tests.run(f"{os.path.basename(folder)} node{x}", in_child, check_lab, backend, folder, x)
    random_rulesets(backend, tests, seeds)
    tests.finish()


def probe(backend):
    world = World(1)
    try:
        world.settings({})
        run("ipset", "restore", stdin=kx.ipsets().encode())
        backend.load_random(random.Random(1))
    finally:
        world.close()
