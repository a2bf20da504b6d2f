# SPDX-License-Identifier: GPL-2.0-or-later
"""Native tables of nf_tables that are read from the kernel, against `nft -j list ruleset` of the same namespace: object for object and rule for rule,
but for what nft 1.0.6 cannot show (`forget`, `KNOWN`). And what svcdoctor makes of both.

All of it in a network namespace that ends with the process. KERNEL_SEEDS=N runs N random rulesets (default 30); KERNEL_SEED=S runs one."""
import glob
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import common
import kernel_nftables as kn
from common import CORPUS, Failure, Tests, expect, expect_equal, short
from kernel_nftables_run import commands
from kernel_world import NEWNET, run, unshare

READER = os.environ.get("KERNEL_READ", os.path.join(common.ROOT, "build", "tests", "kernel_read"))
READ, CHANGED, DENIED = 0, 5, 4
NAMES = ("eth0", "eth1", "cni0")
ODD = " [invalid type]"


def reader():
    """(exit status, the text, what was said of it)"""
    p = subprocess.run([READER, "nftjson"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False, timeout=60)
    return p.returncode, p.stdout.decode(), p.stderr.decode()


def ours(may_be_partial=False):
    rc, text, said = reader()
    expect_equal(rc, READ, f"exit status ({said.strip()})")
    expect(may_be_partial or "partial" not in said, f"not all could be read: {said}")
    return json.loads(text)["nftables"]


def theirs():
    return [o for o in json.loads(run("nft", "-j", "list", "ruleset"))["nftables"] if "metainfo" not in o]


def load(text):
    run("nft", "-f", "-", stdin=text.encode())


def flush():
    run("nft", "flush", "ruleset")


# ---- what nft 1.0.6 cannot show ----

def forget(v):
    """Counters and the time that is left; "dynamic" of a set; the port of `ct original proto-dst`, whose type nft does not know."""
    if isinstance(v, list):
        return [forget(x) for x in v]
    if isinstance(v, str) and v.endswith(ODD):
        return int(v[:-len(ODD)], 16)
    if not isinstance(v, dict):
        return v
    v = {k: forget(x) for k, x in v.items() if k not in ("expires", "used", "used_unit")}
    if "packets" in v and "bytes" in v:
        v.update(packets=0, bytes=0)
    if "dynamic" in v.get("flags", ()):
        v["flags"] = [x for x in v["flags"] if x != "dynamic"]
        if not v["flags"]:
            del v["flags"]
    return v


def forget_object(o):
    kind, v = next(iter(o.items()))
    v = forget(v)
    if kind == "table":
        v.pop("flags", None)  # 1.0.6 prints what lies in its memory: test dormant()
    if kind == "chain" and v["family"] == "netdev":
        v.pop("dev", None)
    if kind in ("ct timeout", "ct expectation", "secmark", "synproxy"):
        v = {k: v[k] for k in ("family", "table", "name", "handle")}  # nobody reads what is in them
    return kind, v


# Statements that are written otherwise here: (what nft 1.0.6 has, what is read).
KNOWN = [
    # it has no JSON for a map that a rule fills
    (["add @mdyn { ip saddr : 0x00000005 }"], [{"map": {"op": "add", "elem": {"payload": {"protocol": "ip", "field": "saddr"}}, "data": 5, "map": "@mdyn"}}]),
    # "not both" is what the kernel compares, and not "neither"
    ([{"match": {"op": "!=", "left": {"payload": {"protocol": "tcp", "field": "sport"}}, "right": 1}},
      {"match": {"op": "!=", "left": {"payload": {"protocol": "tcp", "field": "dport"}}, "right": 2}}, {"accept": None}],
     [{"match": {"op": "==", "left": {"meta": {"key": "l4proto"}}, "right": "tcp"}},
      {"match": {"op": "!=", "left": {"payload": {"base": "th", "offset": 0, "len": 32}}, "right": 65538}}, {"accept": None}]),
    # both flags by their names
    ([{"match": {"op": "==", "left": {"payload": {"protocol": "tcp", "field": "flags"}}, "right": 18}}, {"accept": None}],
     [{"match": {"op": "==", "left": {"payload": {"protocol": "tcp", "field": "flags"}}, "right": {"|": ["syn", "ack"]}}}, {"accept": None}]),
    # some bits of an extension header have no name here
    ([{"match": {"op": "==", "left": {"exthdr": {"name": "frag", "field": "more-fragments"}}, "right": 1}}, {"accept": None}],
     [{"match": {"op": "==", "left": {"&": [{"exthdr": {"name": "frag", "offset": 24, "len": 8}}, 1]}, "right": 1}}, {"accept": None}]),
]


def is_joined_by_mistake(expr):
    """nft 1.0.6 makes "less than this" and a following "more than that" one range, of whatever fields they are."""
    ops = [x["match"]["op"] if "match" in x else "" for x in expr]
    return ("<", ">") in zip(ops, ops[1:])


def without_lost_family(expr):
    """nft 1.0.6 forgets "meta nfproto ipv4" where it finds "ct protocol tcp" behind it, which says nothing of the family."""
    last = max((i for i, x in enumerate(expr) if "match" in x and x["match"]["left"] == {"ct": {"key": "protocol"}}), default=0)
    return [x for i, x in enumerate(expr) if i > last or "match" not in x or x["match"]["left"] != {"meta": {"key": "nfproto"}}]


def same(mine, nft):
    (kind, a), (kind2, b) = forget_object(mine), forget_object(nft)
    if (kind, a) == (kind2, b):
        return True
    if kind != "rule" or kind2 != "rule" or not ((b["expr"], a["expr"]) in KNOWN or is_joined_by_mistake(a["expr"]) or
                                                   b["expr"] == without_lost_family(a["expr"])):
        return False
    return {**a, "expr": 0} == {**b, "expr": 0}


def compare(what=""):
    mine, nft = ours(), theirs()
    for a, b in zip(mine, nft):
        expect(same(a, b), lambda a=a, b=b: f"{what}nft has {json.dumps(b)}\nread is {json.dumps(a)}")
    expect_equal(len(mine), len(nft), f"{what}objects")
    return len([o for o in nft if "rule" in o])


# ---- rulesets ----

def file(name):
    flush()
    load(common.read(os.path.join(CORPUS, "nft", name)))
    return f"{compare()} rules"


def lab(folder):
    """Object for object, and svcdoctor says the same of both."""
    path = os.path.join(folder, "nft-ruleset.json")
    flush()
    run("nft", "-j", "-f", "-", stdin=commands(common.read(path)).encode())
    n = compare()
    lab_folder = os.path.dirname(os.path.dirname(folder))
    if not os.path.isdir(os.path.join(lab_folder, "cluster")):
        return f"{n} rules"
    answers = []
    with tempfile.TemporaryDirectory() as tmp:
        for name, text in (("nft", run("nft", "-j", "list", "ruleset").decode()), ("read", reader()[1])):
            bundle = os.path.join(tmp, name, "bundle")
            shutil.copytree(lab_folder, bundle)
            with open(os.path.join(bundle, "nodes", os.path.basename(folder), "nft-ruleset.json"), "w", encoding="utf-8") as f:
                f.write(text)
            node = os.path.basename(folder)
            answers.append([common.run(*words, "--bundle", "bundle", "--node", node, cwd=os.path.join(tmp, name)).out
                            for words in (("rules", "-A", "-v"), ("verify", "-A", "-o", "json"))])
    for a, b in zip(*answers):
        expect(len(a) > 100, f"nothing is said: {short(a)}")
        expect(a == b, lambda a=a, b=b: f"nft's text gives {short(a)}\nwhat is read gives {short(b)}")
    return f"{n} rules"


def flows():
    n = 0
    for folder in sorted(glob.glob(os.path.join(CORPUS, "flows-nftables", "*"))):
        if os.path.exists(os.path.join(folder, "nft-ruleset.json")):
            flush()
            run("nft", "-j", "-f", "-", stdin=commands(common.read(os.path.join(folder, "nft-ruleset.json"))).encode())
            n += compare(f"{folder}: ")
    expect(n > 100, f"only {n} rules")
    return f"{n} rules"


def random_rulesets(seeds):
    n = refused = 0
    for seed in seeds:
        r = random.Random(seed)
        flush()
        try:
            load(kn.ruleset(r, r.choice([4, 4, 6])))
        except OSError:
            refused += 1  # some rules ask for two protocols
            continue
        n += compare(f"KERNEL_SEED={seed}: ")
    expect(refused < max(len(seeds) // 5, 1), f"nft took only {len(seeds) - refused} of {len(seeds)} rulesets")
    return f"{n} rules of {len(seeds) - refused} rulesets"


# ---- what each side does not show ----

def nothing():
    flush()
    expect_equal(ours(), [], "an empty ruleset")
    run("iptables-nft", "-A", "INPUT", "-s", "10.0.0.1", "-j", "DROP")
    expect_equal(ours(), [], "what iptables-nft-save shows")


def beside_iptables():
    """A native rule in a table of iptables: the table is all here, and what its matches hold is not known."""
    flush()
    run("iptables-nft", "-A", "INPUT", "-m", "conntrack", "--ctstate", "INVALID", "-j", "DROP")
    run("iptables-nft", "-A", "INPUT", "-p", "tcp", "-j", "LOG")
    load("add rule ip filter INPUT ct state new accept\ntable inet other { chain c { ip saddr 10.0.0.1 drop; }; }")
    mine = [forget(o["rule"]["expr"]) for o in ours() if "rule" in o]
    expect_equal(mine[0], [{"xt": {"type": "match", "name": "conntrack"}}, {"counter": {"packets": 0, "bytes": 0}}, {"drop": None}], "the match")
    expect_equal(mine[1][-1], {"xt": {"type": "target", "name": "LOG"}}, "the target")
    expect_equal(len(mine), 4, "rules")


def dormant():
    flush()
    load("table ip sleeps { flags dormant; }\ntable ip wakes { set s { type ipv4_addr; flags dynamic; size 5; }\n}")
    mine = ours()
    expect_equal([o["table"].get("flags") for o in mine if "table" in o], [["dormant"], None], "flags of the tables")
    expect_equal([o["set"].get("flags") for o in mine if "set" in o], [["dynamic"]], "flags of the set")


def large_set():
    """More elements than fit into one message, as points, ranges and concatenations."""
    flush()
    hosts = ", ".join(f"10.{i >> 8 & 255}.{i & 255}.{i % 7}" for i in range(6000))
    nets = ", ".join(f"10.{i >> 8 & 255}.{i & 255}.0/25" for i in range(6000))
    ports = ", ".join(f"10.{i >> 8 & 255}.{i & 255}.1 . {i} : 1.2.3.4 . 80" for i in range(1, 6000))
    load(f"table ip t {{ set h {{ type ipv4_addr; elements = {{ {hosts} }}\n}}\nset n {{ type ipv4_addr; flags interval; elements = {{ {nets} }}\n}}\n"
         f"map m {{ type ipv4_addr . inet_service : ipv4_addr . inet_service; elements = {{ {ports} }}\n}}\n}}\n")
    compare()
    return f"{sum(len(o[k]['elem']) for o in ours() for k in ('set', 'map') if k in o)} elements"


def many_maps():
    """As kube-proxy's: an anonymous map for each Service, of which some are not the first values of a number."""
    flush()
    chains = "\n".join(f"chain c{i} {{ }}" for i in range(8))
    rules = []
    for i in range(600):
        n = i % 6 + 1
        keys = range(n) if i % 50 else range(1, n + 1)
        rules.append(f"chain s{i} {{ numgen random mod {n} vmap {{ {', '.join(f'{k} : goto c{k}' for k in keys)} }}\n}}")
    load(f"table ip t {{\n{chains}\n}}\ntable ip t {{\n" + "\n".join(rules) + "\n}\n")
    return f"{compare()} rules"


def denied():
    if os.geteuid() != 0:
        return "not root"
    p = subprocess.run(["setpriv", "--bounding-set=-all", "--inh-caps=-all", "--reuid=65534", "--clear-groups", READER, "nftjson"],
                       stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False, timeout=60)
    if p.returncode in (126, 127):
        return "the program cannot be run by others here"
    expect_equal((p.returncode, p.stdout), (DENIED, b""), f"without rights ({p.stderr.decode()})")
    expect("lacks CAP_NET_ADMIN" in p.stderr.decode(), f"what is missing: {p.stderr.decode()}")
    return None


# ---- while it changes ----

def generation(n):
    rules = "\n".join(f"ip saddr 10.{n}.0.{i} numgen random mod 2 vmap {{ 0 : goto c, 1 : goto d }}" for i in range(120))
    return f"table ip t\nflush table ip t\ndelete table ip t\ntable ip t {{ set s {{ type ipv4_addr; elements = {{ 10.{n}.0.0 }}\n}}\nchain c {{ }}\nchain d {{ }}\nchain r {{ {rules}\n}}\n}}\n"


def writer(pause):
    pid = os.fork()
    if pid:
        return pid
    try:
        n = 0
        while True:
            n = n % 2 + 1
            load(generation(n))
            time.sleep(pause)
    finally:
        os._exit(1)


def rewritten(pause, seconds):
    """Each reading is of one ruleset, or says that it changed."""
    flush()
    load(generation(1))
    pid, counts, seen, end = writer(pause), {READ: 0, CHANGED: 0}, set(), time.monotonic() + seconds
    try:
        while time.monotonic() < end:
            rc, text, said = reader()
            expect(rc in counts, f"exit status {rc}: {said}")
            counts[rc] += 1
            if rc == READ:
                rules = [o["rule"] for o in json.loads(text)["nftables"] if "rule" in o]
                which = {n for n in (1, 2) if f'"10.{n}.0.' in text}
                if len(which) != 1 or len(rules) != 120 or any("vmap" not in json.dumps(x) for x in rules):
                    raise Failure(f"a reading is of no one ruleset: {which}, {len(rules)} rules")
                if any(len(x["vmap"]["data"]["set"]) != 2 for r in rules for x in r["expr"] if "vmap" in x):
                    raise Failure("a map lacks elements")
                seen |= which
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    expect(sum(counts.values()) > 2, f"only {counts} readings")
    return f"{counts[READ]} readings of {len(seen)} rulesets, {counts[CHANGED]} times changed"


def main():
    t = Tests()
    try:
        unshare(NEWNET)
        run("ip", "-batch", "-", stdin="\n".join(f"link add {n} type bridge" for n in NAMES).encode())
        run("nft", "list", "ruleset")
    except OSError as e:
        t.skip("kernel_read_nftjson", f"no network namespace, or nothing to fill it with: {e}")
        return
    if not os.path.exists(READER):
        t.skip("kernel_read_nftjson", f"{READER} is not built")
        return
    seed = os.environ.get("KERNEL_SEED")
    if seed:
        t.run("kernel_read_nftjson/random", random_rulesets, [int(seed)])
        t.finish()
    for name in ("constructs.txt", "more.txt"):
        t.run(f"kernel_read_nftjson/{name}", file, name)
    for folder in sorted(glob.glob(os.path.join(CORPUS, "lab-nftables", "nodes", "*"))):
        t.run(f"kernel_read_nftjson/lab/{os.path.basename(folder)}", lab, folder)
    t.run("kernel_read_nftjson/flows", flows)
    t.run("kernel_read_nftjson/nothing", nothing)
    t.run("kernel_read_nftjson/beside-iptables", beside_iptables)
    t.run("kernel_read_nftjson/dormant", dormant)
    t.run("kernel_read_nftjson/large-set", large_set)
    t.run("kernel_read_nftjson/many-maps", many_maps)
    t.run("kernel_read_nftjson/random", random_rulesets, range(int(os.environ.get("KERNEL_SEEDS", "30"))))
    t.run("kernel_read_nftjson/denied", denied)
    t.run("kernel_read_nftjson/rewritten", rewritten, 0.05, 3)
    t.run("kernel_read_nftjson/rewritten-without-a-pause", rewritten, 0, 2)
    t.finish()


if __name__ == "__main__":
    sys.exit(main())
