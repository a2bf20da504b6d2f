#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Times and memory on large clusters, every program in one run on one machine, as ratios to a measure on the same file, and how they grow
with the number of Services. The measure is in iptables mode what people use today (`iptables-legacy-restore --test`), in nftables mode jansson's
json_load_file, in both shapes of rules (kube_proxy_nft.py); IPVS mode has none. It measures and never fails for a number.

    tests/bench/bench.py FOLDER [MODE|SIZE...]      the bundles are generated there once; generate.py knows the modes

Times are by the clock; beside them those of the processors, which a busy machine disturbs less. BENCH is the program built from bench.c."""
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
PROGRAM = os.environ.get("SVCDOCTOR", "build/svcdoctor")
BENCH = os.environ.get("BENCH", "build/tests/bench")
SIZES = {"iptables": (1000, 10000, 40000), "nftables": (1000, 10000), "nftables-chains": (1000, 10000), "ipvs": (1000, 10000)}
DUMPS = {"iptables": "iptables-legacy-save.txt", "ipvs": "ipvsadm-save.txt"}  # others: nft-ruleset.json
RUNS = 3
RESTORE = "iptables-legacy-restore --test"
LOAD = "json_load_file"
# A pod of the generated node and a client, with the interfaces they come in by (generate.py).
SOURCES = ["10.0.0.9", "cni0", "203.0.113.9", "eth0"]


class Row:
    """wall, cpu: seconds; mib: peak memory, None where it is not told apart."""

    def __init__(self, wall, cpu, mib=None, note=""):
        self.wall, self.cpu, self.mib, self.note = wall, cpu, mib, note


def generate(folder, mode, n):
    path = os.path.join(folder, f"{mode}-{n}")
    newest = max(os.path.getmtime(os.path.join(HERE, f)) for f in os.listdir(HERE) if f.startswith(("generate", "kube_proxy")) and f.endswith(".py"))
    done = os.path.join(path, "done")
    if not os.path.exists(done) or os.path.getmtime(done) < newest:
        shutil.rmtree(path, ignore_errors=True)
        subprocess.run([sys.executable, os.path.join(HERE, "generate.py"), path, str(n), mode], check=True)
        open(done, "w", encoding="utf-8").close()
    return path


def measure(argv, stdin=None, runs=RUNS):
    """The best of some runs. time(1) starts the program, because a child of this process would begin with this process's own size as its
    peak. What is printed goes into a file: grep -c stops early when nobody reads."""
    best = None
    with tempfile.TemporaryDirectory() as tmp:
        said = os.path.join(tmp, "time")
        for _ in range(runs):
            with open(stdin or os.devnull, "rb") as source, open(os.path.join(tmp, "out"), "wb") as sink:
                start = time.monotonic()
                status = subprocess.run(["/usr/bin/time", "-q", "-o", said, "-f", "%M %U %S", *argv], stdin=source, stdout=sink,
                                        stderr=subprocess.DEVNULL, check=False).returncode
                wall = time.monotonic() - start
            with open(said, encoding="utf-8") as f:
                kib, user, system = f.read().split()[-3:]
            row = Row(wall, float(user) + float(system), int(kib) / 1024, f"exit {status}")
            if best is None:
                best = row
            best.wall, best.cpu, best.mib = min(best.wall, row.wall), min(best.cpu, row.cpu), min(best.mib, row.mib)
    return best


def restore_command():
    """iptables-legacy-restore --test in a network namespace of its own, or None where this user may not."""
    argv = ["unshare", "-n", "iptables-legacy-restore", "--test"]
    try:
        p = subprocess.run(argv, input=b"*nat\nCOMMIT\n", capture_output=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return argv if p.returncode == 0 else None


def commands(bundle, mode, dump):
    restore = restore_command() if mode == "iptables" else None
    if restore:
        yield RESTORE, restore, dump
    yield "grep -c (the floor)", ["grep", "-c", {"iptables": "KUBE", "ipvs": "rr"}.get(mode, "service"), dump], None
    for args in (["verify", "-A"], ["diagnose", "-A"], ["rules", "-A"]):
        yield "svcdoctor " + " ".join(args), [PROGRAM, *args, "--bundle", bundle, "-o", "json"], None
    yield "svcdoctor trace", [PROGRAM, "trace", SOURCES[0], "172.20.1.7:80", "--bundle", bundle, "--node", "n1", "-o", "json"], None


def parts(bundle):
    """The parts of `verify -A` apart from process start and output, as bench.c measures them: (rows, {source: packets}, totals)."""
    doc = json.loads(subprocess.run([BENCH, bundle, "n1", *SOURCES], stdout=subprocess.PIPE, check=True).stdout)

    def row(*names, mib=None):
        return Row(sum(doc[n]["wall"] for n in names), sum(doc[n]["cpu"] for n in names), mib)
    rows = {"read the rules": row("rules", mib=doc["rules_kib"] / 1024), "verify every Service": row("verify"),
            "read the rules, verify every one": row("rules", "verify"),
            "decode the cluster's objects": row("cluster"), "all of that": row("rules", "cluster", "verify", mib=doc["all_kib"] / 1024)}
    if doc["json"]["wall"]:
        rows = {LOAD: row("json"), **rows}
    return rows, doc["packets"], doc


def measure_of(rows):
    """(name, row) of what the others are compared with."""
    return next(((name, rows[name]) for name in (RESTORE, LOAD) if name in rows), (None, None))


def show(rows, mode):
    base = measure_of(rows)[1]
    for name, r in rows.items():
        ratios = [r.wall / base.wall, r.cpu / base.cpu, r.mib / base.mib if r.mib and base.mib else None] if base else [None] * 3
        memory = f"{r.mib:8.1f}" if r.mib else "       -"
        print(f"  {name:34} {r.wall:9.3f} {r.cpu:9.3f} {memory}   " + " ".join(f"{x:7.3f}" if x is not None else "      -" for x in ratios) + f"   {r.note}")
    if not base and mode == "iptables":
        print(f"  ({RESTORE} cannot be run here: no ratios to it)")


def show_packets(packets, rows):
    name, base = measure_of(rows)
    for source, p in packets.items():
        ratio = f"{p['ns'] / 1e9 / base.cpu:10.2e} of {'restore' if name == RESTORE else name}" if base else ""
        print(f"  decide a packet from {source:13} {p['ns']:9.0f} ns by one thread, {p['ns_together']:.0f} ns by two; "
              f"{p['endings']:.2f} endings, {p['translated']:.2f} translated   {ratio}")


def one_size(folder, mode, n):
    bundle = generate(folder, mode, n)
    dump = os.path.join(bundle, "nodes", "n1", DUMPS.get(mode, "nft-ruleset.json"))
    with open(dump, "rb") as f:
        lines = sum(chunk.count(b"\n") for chunk in iter(lambda: f.read(1 << 20), b""))
    size = sum(os.path.getsize(os.path.join(bundle, "cluster", f)) for f in os.listdir(os.path.join(bundle, "cluster")))
    rules = f"{lines} lines and " if mode in DUMPS else ""
    rows = {name: measure(argv, stdin) for name, argv, stdin in commands(bundle, mode, dump)}
    more, packets, totals = parts(bundle)
    rows.update(more)
    name = measure_of(rows)[0]
    ratios = f"   ratios to {'restore' if name == RESTORE else name}: time, cpu, memory" if name else ""
    print(f"{mode}: {n} Services, {5 * n} endpoints: {rules}{os.path.getsize(dump) / 1e6:.1f} MB of rules, {size / 1e6:.1f} MB of objects\n"
          f"  {'best of ' + str(RUNS):34} {'seconds':>9} {'cpu':>9} {'MiB':>8}{ratios}")
    show(rows, mode)
    show_packets(packets, rows)
    print(f"  verify: {totals['services']} Services, {totals['decided']} of {totals['frontends']} frontends decided, "
          f"{totals['differences']} differences", flush=True)
    return rows, packets


def growth(mode, small, large, results):
    (a, packets_a), (b, packets_b) = results[small], results[large]
    print(f"{mode}: growth from {small} to {large}, {large / small:.1f} times the Services: time, cpu, memory")
    for name, r in b.items():
        if name in a and not name.startswith("grep"):
            memory = f"{r.mib / a[name].mib:7.2f}" if r.mib and a[name].mib else "      -"
            print(f"  {name:34} {r.wall / a[name].wall:7.2f} {r.cpu / a[name].cpu:7.2f} {memory}")
    for source, p in packets_b.items():
        print(f"  {'decide a packet from ' + source:34} {p['ns'] / packets_a[source]['ns']:7.2f}", flush=True)


def main():
    folder, rest = sys.argv[1], sys.argv[2:]
    modes, sizes = [a for a in rest if not a.isdigit()] or list(SIZES), [int(a) for a in rest if a.isdigit()]
    os.makedirs(folder, exist_ok=True)
    for mode in modes:
        results = {n: one_size(folder, mode, n) for n in sizes or SIZES[mode]}
        for small, large in zip(list(results), list(results)[1:]):
            growth(mode, small, large, results)


if __name__ == "__main__":
    main()
