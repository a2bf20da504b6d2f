#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The live node in IPVS mode, in a Linux that runs as a program (uml.py): the lab's sets, virtual servers and rules in its kernel are judged as sound, alone and with
the cluster's objects, and what collect and the script write of them is judged alike."""
import json
import os
import shutil
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import uml  # noqa: E402
from common import CORPUS, PROGRAM, Result, Tests, expect, expect_equal, run  # noqa: E402
from test_node_live import same  # noqa: E402

LAB = os.path.join(CORPUS, "lab-ipvs")


def result(folder, name):
    with open(os.path.join(folder, f"live-{name}.json"), encoding="utf-8") as f:
        return Result((name,), 0, f.read(), "")


def judged(folder, rows, name):
    live = result(folder, name)
    expect(rows[name]["status"] in (0, 1, 2), f"{rows[name]}")
    if name == "cluster":
        expect_equal(live.json["differences"], [], name)
        expect(live.json["decided"] > 20, f"{name}: {live.json['decided']} decided; {rows[name]['says']}")
    args = ("diagnose" if name == "diagnose" else "verify", "-A", "-o", "json")
    cluster = () if name == "alone" else ("--bundle", os.path.join(LAB, "cluster"))
    made = run(*args, *cluster, "--bundle", os.path.join(folder, "made"))
    same(live, made, "collect")
    same(run(*args, *cluster, "--bundle", os.path.join(folder, "script.tar")), made, "the script")
    return f"{live.json['decided']} decided" if name == "cluster" else None


def main():
    tests = Tests()
    why = uml.missing("ipvsadm", "ipset", "ip", "iptables-legacy", "dash")
    if why is None and os.geteuid() != 0:
        why = "needs root, as what runs in there reads the machine's files"
    if why:
        tests.skip("node_ipvs", why)
        tests.finish()
    if os.environ.get("SANITIZE", "") not in ("", "0"):
        print("ok node_ipvs (not asked of instrumented programs, which need more memory than that kernel has)")
        tests.finish()
    folder = tempfile.mkdtemp(prefix="svcdoctor-uml-")
    try:
        os.chmod(folder, 0o755)
        with open(os.path.join(folder, "plan.json"), "w", encoding="utf-8") as f:
            json.dump({"program": os.path.abspath(PROGRAM), "lab": LAB, "node": "node1"}, f)
        good, out = uml.run(folder, os.path.join(os.path.dirname(os.path.abspath(__file__)), "uml_node.py"))
        if not good:
            tests.fail("node_ipvs", out)
            tests.finish()
        rows = {row["what"]: row for row in (json.loads(line) for line in out.splitlines())}
        for name in ("collect", "script"):
            tests.run(name, expect_equal, rows[name]["status"], 0, f"{name}: {rows[name]['says']}")
        for name in ("alone", "cluster", "diagnose"):
            tests.run(name, judged, folder, rows, name)
    finally:
        shutil.rmtree(folder)
    tests.finish()


if __name__ == "__main__":
    main()
