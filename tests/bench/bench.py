#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Times and memory on large clusters, every program in one run on one machine, as ratios to what people use today
(`iptables-legacy-restore --test` on the same file), and how they grow with the number of Services. It measures and never fails for a number.

    tests/bench/bench.py FOLDER [SIZE...]       the bundles are generated there once

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
SIZES = (1000, 10000, 40000)
RUNS = 3
RESTORE = "iptables-legacy-restore --test"
# A pod of the generated node and a client, with the interfaces they come in by (generate.py).
SOURCES = ["10.0.0.9", "cni0", "203.0.113.9", "eth0"]


class Row:
    """wall, cpu: seconds; mib: peak memory, None where it is not told apart."""

    def __init__(self, wall, cpu, mib=None, note=""):
        self.wall, self.cpu, self.mib, self.note = wall, cpu, mib, note


def generate(folder, n):
    path = os.path.join(folder, f"services-{n}")
    newest = max(os.path.getmtime(os.path.join(HERE, f)) for f in ("generate.py", "kube_proxy.py"))
    done = os.path.join(path, "done")
    if not os.path.exists(done) or os.path.getmtime(done) < newest:
        shutil.rmtree(path, ignore_errors=True)
        subprocess.run([sys.executable, os.path.join(HERE, "generate.py"), path, str(n)], check=True)
        open(done, "w", encoding="utf-8").close()
    return path


def measure(argv, stdin=None):
    """The best of some runs. time(1) starts the program, because a child of this process would begin with this process's own size as its
    peak. What is printed goes into a file: grep -c stops early when nobody reads."""
    best = None
    with tempfile.TemporaryDirectory() as tmp:
        said = os.path.join(tmp, "time")
        for _ in range(RUNS):
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


def commands(bundle, dump):
    restore = restore_command()
    if restore:
        yield RESTORE, restore, dump
    yield "grep -c (the floor)", ["grep", "-c", "KUBE", dump], None
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
    return rows, doc["packets"], doc


def show(rows):
    base = rows.get(RESTORE)
    for name, r in rows.items():
        ratios = [r.wall / base.wall, r.cpu / base.cpu, r.mib / base.mib if r.mib else None] if base else [None] * 3
        memory = f"{r.mib:8.1f}" if r.mib else "       -"
        print(f"  {name:34} {r.wall:9.3f} {r.cpu:9.3f} {memory}   " + " ".join(f"{x:7.3f}" if x is not None else "      -" for x in ratios) + f"   {r.note}")
    if not base:
        print(f"  ({RESTORE} cannot be run here: no ratios to it)")


def show_packets(packets, base):
    for source, p in packets.items():
        ratio = f"{p['ns'] / 1e9 / base.cpu:10.2e} of restore" if base else ""
        print(f"  decide a packet from {source:13} {p['ns']:9.0f} ns by one thread, {p['ns_together']:.0f} ns by two; "
              f"{p['endings']:.2f} endings, {p['translated']:.2f} translated   {ratio}")


def one_size(folder, n):
    bundle = generate(folder, n)
    dump = os.path.join(bundle, "nodes", "n1", "iptables-legacy-save.txt")
    with open(dump, "rb") as f:
        lines = sum(chunk.count(b"\n") for chunk in iter(lambda: f.read(1 << 20), b""))
    size = sum(os.path.getsize(os.path.join(bundle, "cluster", f)) for f in os.listdir(os.path.join(bundle, "cluster")))
    print(f"{n} Services, {5 * n} endpoints: {lines} lines and {os.path.getsize(dump) / 1e6:.1f} MB of rules, {size / 1e6:.1f} MB of objects\n"
          f"  {'best of ' + str(RUNS):34} {'seconds':>9} {'cpu':>9} {'MiB':>8}   ratios to restore: time, cpu, memory", flush=True)
    rows = {name: measure(argv, stdin) for name, argv, stdin in commands(bundle, dump)}
    more, packets, totals = parts(bundle)
    rows.update(more)
    show(rows)
    show_packets(packets, rows.get(RESTORE))
    print(f"  verify: {totals['services']} Services, {totals['decided']} of {totals['frontends']} frontends decided, "
          f"{totals['differences']} differences", flush=True)
    return rows, packets


def growth(small, large, results):
    (a, packets_a), (b, packets_b) = results[small], results[large]
    print(f"growth from {small} to {large}, {large / small:.1f} times the Services: time, cpu, memory")
    for name, r in b.items():
        if name in a and not name.startswith("grep"):
            memory = f"{r.mib / a[name].mib:7.2f}" if r.mib and a[name].mib else "      -"
            print(f"  {name:34} {r.wall / a[name].wall:7.2f} {r.cpu / a[name].cpu:7.2f} {memory}")
    for source, p in packets_b.items():
        print(f"  {'decide a packet from ' + source:34} {p['ns'] / packets_a[source]['ns']:7.2f}")


def main():
    folder, sizes = sys.argv[1], [int(x) for x in sys.argv[2:]] or SIZES
    os.makedirs(folder, exist_ok=True)
    results = {n: one_size(folder, n) for n in sizes}
    for small, large in zip(sizes, sizes[1:]):
        growth(small, large, results)


if __name__ == "__main__":
    main()
