#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What svcdoctor reads of IPVS is what `ipvsadm -Sn` and `ipvsadm -ln` print, and of ipsets of all types what `ipset save` prints, in a Linux that runs as
a program (uml.py); and that reading loads no module, in a kernel where none is loaded."""
import json
import os
import random
import re
import shutil
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import ipset_random  # noqa: E402
import uml  # noqa: E402
from common import CORPUS, ROOT, Tests, expect, expect_equal, read  # noqa: E402

READ = os.path.join(ROOT, os.environ.get("BUILD", "build"), "tests", "kernel_read")
SEEDS = int(os.environ.get("KERNEL_SEEDS", "0")) or 10
LAB = [os.path.join(CORPUS, folder, "nodes", node) for folder, node in
       (("lab-ipvs", "node1"), ("lab-ipvs", "node2"))]
SCHEDULERS = "rr wrr lc wlc sh dh mh sed nq fo ovf lblc lblcr".split()
READ_OK, ABSENT, DENIED, CHANGED = 0, 3, 4, 5


# ---- random virtual servers ----

def endpoint(r, six, port=None):
    port = r.choice([80, 443, 8080, 53]) if port is None else port
    return f"[fd00::{r.randrange(1, 200):x}]:{port}" if six else f"{r.choice([10, 203])}.1.{r.randrange(4)}.{r.randrange(1, 250)}:{port}"


def tunnel(r):
    kind = r.choice(["", "ipip", "gue", "gre"])
    if kind in ("", "ipip"):
        return f" --tun-type {kind}" if kind else ""
    port = f" --tun-port {r.randrange(1, 65536)}" if kind == "gue" else ""
    flags = ["", " --tun-nocsum", " --tun-csum"] + ([" --tun-remcsum"] if kind == "gue" else [])
    return f" --tun-type {kind}{port}{r.choice(flags)}"


def real_servers(r, service, six, own_port):
    lines, seen = [], set()
    for _ in range(r.choice([0, 1, 2, 5, 20])):
        way = r.choice(["-m", "-m", "-g", "-i"])
        where = endpoint(r, six, None if way == "-m" and own_port else own_port)
        if where in seen:
            continue
        seen.add(where)
        threshold = f" -x {r.randrange(10, 99)} -y {r.randrange(1, 9)}" if r.random() < 0.2 else ""
        lines.append(f"-a {service} -r {where} {way} -w {r.choice([0, 1, 5, 65535])}{tunnel(r) if way == '-i' else ''}{threshold}")
    return lines


def virtual_servers(seed):
    r = random.Random(seed)
    lines, seen = [], set()
    for number in range(r.randrange(1, 15)):
        six, scheduler = r.random() < 0.4, r.choice(SCHEDULERS)
        kind = r.choice(["-t", "-u", "--sctp-service", "-f"])
        where = f"{number + 1}{' -6' if six else ''}" if kind == "-f" else endpoint(r, six)
        if (kind, where) in seen:
            continue
        seen.add((kind, where))
        words = f"-A {kind} {where} -s {scheduler}"
        if r.random() < 0.4:
            words += f" -p {r.choice([1, 300, 10800])}" + (f" -M {r.choice([64, 128]) if six else r.choice(['255.255.255.0', '255.255.255.255'])}" if r.random() < 0.5 else "")
            words += " --pe sip" if kind == "-u" and r.random() < 0.6 else ""
        words += " -o" if kind == "-u" and "--pe" not in words and r.random() < 0.4 else ""
        flags = [f"{scheduler}-fallback", f"{scheduler}-port"] if scheduler in ("sh", "mh") else ["flag-1", "flag-2", "flag-3"]
        flags = [f for f in flags if r.random() < 0.3]
        words += f" -b {','.join(flags)}" if flags else ""
        lines += [words] + real_servers(r, f"{kind} {where}", six, 0 if kind == "-f" else int(where.rpartition(":")[2]))
    return "\n".join(lines) + "\n"


def blocks(text):
    """The virtual servers in no order: ipvsadm compares addresses as signed differences, which is none. Thresholds are what ipvsadm -Sn forgets."""
    found = []
    for line in re.sub(r"(?m) -x \d+ -y \d+$", "", text).splitlines():
        if line.startswith(("-a", "  -> ")) and found:
            found[-1].append(line)
        else:
            found.append([line])
    return sorted([b[0], *sorted(b[1:])] for b in found)


# ---- what came out ----

def same_servers(row):
    expect_equal(row["ours"][0], READ_OK, row["ours"][2])
    for a, b in zip(blocks(row["tool"]), blocks(row["ours"][1])):
        expect_equal(b, a, row["what"])
    expect_equal(blocks(row["ours"][1]), blocks(row["tool"]), row["what"])
    expect_equal(row["ours"][2], "read:", row["what"])
    return row["tool"].count("\n")


def same_sets(row):
    expect_equal(row["ours"][0], READ_OK, row["ours"][2])
    want, got = ipset_random.comparable(row["tool"]), ipset_random.comparable(row["ours"][1])
    for a, b in zip(want.splitlines(), got.splitlines()):
        expect_equal(b, a, row["what"])
    expect_equal(got, want, row["what"])
    expect_equal(row["ours"][2], "read:", row["what"])
    return row["tool"].count("\n")


def same_rules(row):
    want, got = ([line.split(" [")[0] for line in text.splitlines() if not line.startswith("#")] for text in (row["tool"], row["ours"][1]))
    expect_equal(got, want, row["what"])
    expect(sum("-m ipvs" in line for line in got) == 5, f"{row['what']}: {got}")
    return len(got)


def all_of(rows, prefix, least, judge):
    chosen = [r for r in rows if r["what"].startswith(prefix)]
    expect(len(chosen) >= least, f"only {len(chosen)} of {prefix}")
    lines = 0
    for row in chosen:
        expect("error" not in row, lambda row=row: f"{row['what']}: {row['error']}")
        expect_equal(row.get("asked", []), [], f"{row['what']}: modules that the kernel was made to ask for")
        lines += judge(row)
    return f"{len(chosen)} texts, {lines} lines"


def thresholds(rows, plan):
    """They are there, though ipvsadm does not print them."""
    for number, text in enumerate(plan["servers"]):
        ours = [r["ours"][1] for r in rows if r["what"] == f"servers {number}" and "ours" in r]
        if ours and " -x " in text:
            expect_equal(sorted(re.findall(r"-r (\S+).* -x (\d+) -y (\d+)", ours[0])), sorted(re.findall(r"-r (\S+).* -x (\d+) -y (\d+)", text)), f"servers {number}")


def no_module(rows):
    found = {r["what"]: r for r in rows if "loaded: " in r["what"]}
    expect_equal(len(found), 15, "readings")
    for what, row in found.items():
        expect(row["same"] and not row["asked"], lambda what=what, row=row: f"{what}: reading changed what is loaded, or asked for {row['asked']}")
        stage, name = what.split(" loaded: ")
        there = stage == "ip_vs" or (stage == "ip_set" and name in ("ipset", "hidden"))  # ip_vs needs nf_conntrack
        expect_equal(row["ours"][0], READ_OK if there else ABSENT, what)
        if not there:
            module = {"ipset": "ip_set", "hidden": "ip_set", "connections": "nf_conntrack"}.get(name, "ip_vs")
            expect_equal(row["ours"][1:], ["", f"absent: {module} is not loaded"], what)
    control = [r["asked"] for r in rows if r["what"] == "control"]
    expect(control and control[0], "`ipset save` makes the kernel ask for no module: the test sees nothing")


def counted(rows):
    row = next(r for r in rows if r["what"] == "connections")
    same_servers(row)
    expect(sum(int(n) for n in re.findall(r"Masq +\d+ +\d+ +(\d+)", row["ours"][1])) == 11, row["ours"][1])


def table(text):
    """In no order, and without the seconds that are left."""
    return sorted(re.sub(r"^(\S+ +\d+ \S+ +\d+) \d+", r"\1 T", line) for line in text.splitlines())


def tracked(rows):
    for way in ("proc", "netlink"):
        row = next(r for r in rows if r["what"] == f"connections by {way}")
        expect_equal([row["ours"][0], row["ours"][2], row["asked"]], [READ_OK, "read:", []], row["what"])
        ours, tool = table(row["ours"][1]), table(row["tool"])
        for a, b in zip(tool, ours):
            expect_equal(b, a, row["what"])
        expect_equal(len(ours), len(tool), row["what"])
    for word in ("ESTABLISHED", "[UNREPLIED]", "[ASSURED]", "type=8 code=0 id=7", "icmpv6", "packets=", "ipv6 "):
        expect(word in row["ours"][1], f"the test has no connection with '{word}'")
    row = next(r for r in rows if r["what"] == "connections of nobody")
    expect_equal(row["ours"], [DENIED, "", "denied: reading connections needs CAP_NET_ADMIN lacks CAP_NET_ADMIN"], "as nobody")
    return f"{len(ours)} connections"


def each_allocation(rows):
    """Fails once: the reading is whole, or says that memory is out."""
    found = [r for r in rows if r["what"].startswith("each allocation")]
    expect_equal(len(found), 3, "readings")
    for row in found:
        expect_equal(row["ours"][0], 0, f"{row['what']}: {row['ours'][2][-300:]}")


def changing(rows):
    """Two readings that agree, or "changed"; what was there all the time is there."""
    seen = {}
    for status, text, why in [r["ours"] for r in rows if r["what"] == "changing"]:
        seen[status] = seen.get(status, 0) + 1
        expect(status in (READ_OK, CHANGED), f"{status}: {why}")
        expect(status == READ_OK or (not text and "changed during each of" in why), why)
        expect(status == CHANGED or text.count("-r 10.1.0.1:80 -m -w 1\n") == 99, lambda text=text: f"servers are missing: {text}")
    expect(seen, "nothing was read")
    return f"{seen.get(READ_OK, 0)} read, {seen.get(CHANGED, 0)} changed"


def rights(rows):
    row = next(r for r in rows if r["what"] == "nobody")
    expect_equal(row["ours"], [DENIED, "", "denied: reading IPVS needs CAP_NET_ADMIN lacks CAP_NET_ADMIN"], "as nobody")
    row = next(r for r in rows if r["what"] == "other namespace")
    expect_equal(row["ours"], [READ_OK, "", "read:"], "another namespace has servers of its own")


def plan():
    sets = [read(os.path.join(lab, "ipset-save.txt")) for lab in LAB]
    every = list(ipset_random.TYPES)
    return {"modules": {"sets": ipset_random.MODULES, "servers": ["ip_vs", "ip_vs_pe_sip", "dummy", *(f"ip_vs_{s}" for s in SCHEDULERS)]},
            "sets": sets + [ipset_random.every_type(random.Random(3), every)] + [ipset_random.text(random.Random(s), every) for s in range(1, SEEDS + 1)],
            "servers": [read(os.path.join(lab, "ipvsadm-save.txt")) for lab in LAB] + [virtual_servers(s) for s in range(1, SEEDS + 1)],
            "seconds": 30 if SEEDS <= 10 else 1e6}


def main():
    tests = Tests()
    why = uml.missing("ipvsadm", "ipset", "ip", "conntrack", "iptables-legacy")
    if why is None and os.geteuid() != 0:
        why = "needs root, as what runs in there reads the machine's files"
    if why:
        tests.skip("kernel_read_ipvs", why)
        tests.finish()
    if os.environ.get("SANITIZE", "") not in ("", "0"):
        print("ok kernel_read_ipvs (not asked of instrumented programs, which need more memory than that kernel has)")
        tests.finish()
    folder = os.environ.get("KERNEL_KEEP") or tempfile.mkdtemp(prefix="svcdoctor-uml-")
    os.makedirs(folder, exist_ok=True)
    os.chmod(folder, 0o755)
    shutil.copy(READ, os.path.join(folder, "kernel_read"))
    todo = plan()
    with open(os.path.join(folder, "plan.json"), "w", encoding="ascii") as f:
        json.dump(todo, f)
    good, out = uml.run(folder, os.path.join(os.path.dirname(os.path.abspath(__file__)), "uml_read.py"), timeout=100 if SEEDS <= 10 else 5 * SEEDS)
    if "KERNEL_KEEP" not in os.environ:
        shutil.rmtree(folder)
    if not good:
        tests.fail("kernel_read_ipvs", out)
        tests.finish()
    rows = [json.loads(line) for line in out.splitlines()]
    tests.run("no_module", no_module, rows)
    tests.run("sets", all_of, rows, "sets ", 4, same_sets)
    tests.run("servers", all_of, rows, "servers ", 4, same_servers)
    tests.run("table", all_of, rows, "table ", 4, same_servers)
    tests.run("thresholds", thresholds, rows, todo)
    tests.run("connections", counted, rows)
    tests.run("rights", rights, rows)
    tests.run("tracked", tracked, rows)
    tests.run("rules", all_of, rows, "rules ", 2, same_rules)
    tests.run("changing", changing, rows)
    tests.run("each_allocation", each_allocation, rows)
    tests.finish()


if __name__ == "__main__":
    main()
