# SPDX-License-Identifier: GPL-2.0-or-later
"""What it costs to ask a live cluster of 10,000 Services and 50,000 pods: requests and bytes for one Service, memory for all of them."""
import os
import subprocess
import sys
import tempfile

from api_server import ApiServer
from common import PROGRAM, ROOT, Tests, expect, expect_equal, run, short

sys.path.append(os.path.join(ROOT, "tests", "bench"))
import live_cluster  # noqa: E402  pylint: disable=wrong-import-position

QUESTIONS = {
    "healthy": ["web"], "20 endpoints on 20 nodes": ["wide"], "no pod matches": ["none-match"], "no pod is ready": ["not-ready"], "headless": ["headless"],
    "ExternalName": ["external"], "a Service that does not exist": ["wbe"], "its ClusterIP": [live_cluster.generate.cluster_ip(70001)],
    "a DNS name": ["web.shop.svc.cluster.local"],
}


def test_cost(s, home, what):
    """At most 15 requests and 300 KiB for one Service."""
    s.forget()
    r = run("diagnose", *QUESTIONS[what], "-n", "shop", "-o", "json", env={"KUBECONFIG": s.kubeconfig(), "HOME": home})
    expect(r.rc in (0, 1, 2), f"{r} exited with {r.rc}: {short(r.err)}")
    asked = [str(q) for q in s.requests]
    expect(len(asked) <= 15, f"{len(asked)} requests: {asked}")
    expect(s.bytes_sent <= 300 << 10, f"{s.bytes_sent} bytes: {asked}")
    expect_equal(s.connections, 1, "connections")
    expect_equal([str(q) for q in s.crimes], [], "requests that must never be sent")
    if what == "a Service that does not exist":
        expect("web" in r.out, "the similar name is told")
    else:
        status = {"no pod matches": "broken", "no pod is ready": "broken"}.get(what)
        got = [(x["service"], x["status"]) for x in r.json["services"]]
        expect_equal(len(got), 1, "Services")
        if status:
            expect_equal(got[0][1], status, f"{got}")
        elif what != "ExternalName":
            expect(got[0][1] in ("healthy", "no-fault-found"), f"{got}: {short(r.out, 3000)}")
    return f"{len(asked)} requests, {s.bytes_sent >> 10} KiB"


def peak(args, env):
    """(exit status, peak memory in MiB) of the program. A child of this process would begin with this process's own size as its peak:
    a small Python starts it, and says what it was told at its end."""
    starter = ("import resource,subprocess,sys\n"
               "rc = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, check=False).returncode\n"
               "print(rc, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)")
    p = subprocess.run([sys.executable, "-c", starter, PROGRAM, *args], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                       env={**os.environ, **env}, timeout=110, check=False)
    expect_equal(p.returncode, 0, f"the starter: {p.stderr.decode()}")
    rc, kib = map(int, p.stdout.split())
    return rc, kib / 1024, p.stderr.decode()


def test_memory(s, home):
    """All Services of a large cluster in at most 150 MiB."""
    s.forget()
    rc, mib, err = peak(["diagnose", "-A", "-o", "json", "--timeout", "100s", "--request-timeout", "60s"], {"KUBECONFIG": s.kubeconfig(), "HOME": home})
    expect(rc == 1, f"exit status {rc}: {short(err)}")
    expect_equal({r.protocol for r in s.requests}, {"h2"}, "protocol")
    expect(all(r.ended == "whole" for r in s.requests), "all pages were read")
    expect_equal([str(q) for q in s.crimes], [], "requests that must never be sent")
    if os.environ.get("SANITIZE", "") in ("", "0"):
        expect(mib <= 150, f"{mib:.0f} MiB")
    return f"{mib:.0f} MiB, {len(s.requests)} requests, {s.bytes_sent >> 20} MiB read"


def main():
    t = Tests()
    with ApiServer(live_cluster.cluster(10000, managed=False)) as s, tempfile.TemporaryDirectory() as home:
        for what in QUESTIONS:
            t.run(f"cost of {what}", test_cost, s, home, what)
        t.run("memory", test_memory, s, home)
    t.finish()


if __name__ == "__main__":
    main()
