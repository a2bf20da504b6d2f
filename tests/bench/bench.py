#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Times and memory on a large cluster, every program in one run on one machine, as ratios to what people use today; and whether ten times
the Services take ten times the time. It measures and never fails for a number.

    tests/bench/bench.py FOLDER       the bundles are generated there once
"""
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
PROGRAM = os.environ.get("SVCDOCTOR", "build/svcdoctor")
SIZES = (1000, 10005)
RUNS = 3


def generate(folder, n):
    path = os.path.join(folder, f"services-{n}")
    if not os.path.exists(os.path.join(path, "done")):
        shutil.rmtree(path, ignore_errors=True)
        subprocess.run([sys.executable, os.path.join(HERE, "generate.py"), path, str(n)], check=True)
        open(os.path.join(path, "done"), "w", encoding="utf-8").close()
    return path


def measure(argv, stdin=None):
    """The best of some runs: (seconds, MiB, exit status). time(1) starts the program, because a child of this process would begin with
    this process's own size as its peak. What is printed goes into a file: grep -c stops early when nobody reads."""
    best = None
    with tempfile.TemporaryDirectory() as tmp:
        said = os.path.join(tmp, "time")
        for _ in range(RUNS):
            with open(stdin or os.devnull, "rb") as source, open(os.path.join(tmp, "out"), "wb") as sink:
                start = time.monotonic()
                status = subprocess.run(["/usr/bin/time", "-q", "-o", said, "-f", "%M", *argv], stdin=source, stdout=sink,
                                        stderr=subprocess.DEVNULL, check=False).returncode
                seconds = time.monotonic() - start
            with open(said, encoding="utf-8") as f:
                mib = int(f.read().split()[-1]) / 1024
            if best is None or seconds < best[0]:
                best = (seconds, mib, status)
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
        yield "iptables-legacy-restore --test", restore, dump
    yield "grep -c (the floor)", ["grep", "-c", "KUBE", dump], None
    for args in (["verify", "-A"], ["diagnose", "-A"], ["rules", "-A"]):
        yield "svcdoctor " + " ".join(args), [PROGRAM, *args, "--bundle", bundle, "-o", "json"], None
    yield "svcdoctor trace", [PROGRAM, "trace", "10.0.0.2", "172.20.1.7:80", "--bundle", bundle, "--node", "n1", "-o", "json"], None


def table(bundle, dump):
    rows = {}
    for name, argv, stdin in commands(bundle, dump):
        rows[name] = measure(argv, stdin)
    base = rows.get("iptables-legacy-restore --test")
    for name, (seconds, mib, status) in rows.items():
        ratio = f"{seconds / base[0]:7.2f} {mib / base[1]:7.2f}" if base else "      -       -"
        print(f"  {name:34} {seconds:8.3f} s {mib:8.1f} MiB {ratio}   exit {status}")
    if not base:
        print("  (iptables-legacy-restore cannot be run here: no ratios to it)")
    return rows


def main():
    folder = sys.argv[1]
    os.makedirs(folder, exist_ok=True)
    results = {}
    for n in SIZES:
        bundle = generate(folder, n)
        dump = os.path.join(bundle, "nodes", "n1", "iptables-legacy-save.txt")
        with open(dump, "rb") as f:
            lines = sum(chunk.count(b"\n") for chunk in iter(lambda: f.read(1 << 20), b""))
        size = sum(os.path.getsize(os.path.join(bundle, "cluster", f)) for f in os.listdir(os.path.join(bundle, "cluster")))
        print(f"{n} Services, {5 * n} endpoints: {lines} lines and {os.path.getsize(dump) / 1e6:.1f} MB of rules, {size / 1e6:.1f} MB of objects"
              f"\n  {'best of ' + str(RUNS):34} {'time':>10} {'memory':>12} {'ratios to restore':>15}")
        results[n] = table(bundle, dump)
        doc = json.loads(subprocess.run([PROGRAM, "verify", "-A", "--bundle", bundle, "-o", "json"], stdout=subprocess.PIPE, check=False).stdout)
        print(f"  verify: {doc['services']} Services, {doc['decided']} of {doc['frontends']} frontends decided, "
              f"{len(doc['differences'])} differences")
    small, large = SIZES
    print(f"growth: {large / small:.1f} times the Services")
    for name in results[large]:
        if name in results[small] and not name.startswith("grep"):
            print(f"  {name:34} {results[large][name][0] / results[small][name][0]:6.1f} times the time "
                  f"{results[large][name][1] / results[small][name][1]:6.1f} times the memory")


if __name__ == "__main__":
    main()
