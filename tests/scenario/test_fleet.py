#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Fleets of 20 nodes, of which some are as they were at an older state of the API, and one runs another mode: exactly those are named, first, with
their reason and their Services, and no Service twice. SVCDOCTOR_FLEETS=N: so many of them."""
import json
import os
from datetime import datetime, timedelta

from common import Copy, Tests, expect, expect_equal, run
from fleet import REASONS, Fleet, cri, klog, metrics, new_line

SEEDS = int(os.environ.get("SVCDOCTOR_FLEETS", "6"))
MIXED = "kube-proxy-modes-mixed"


def causes(d):
    found = {f["id"]: f for f in d["cluster"]}
    for s in d["services"]:
        found.update((f["id"], f) for f in s["causes"])
    explained = {i for f in found.values() for i in f["explains"]}
    return [f for f in found.values() if f["id"] not in explained]


def sound(seed):
    with Fleet(seed, sound=True) as b:
        r = run("diagnose", "-A", "--bundle", b.path, "-o", "json")
        bad = [f"{f['severity']} {f['id']}: {f['text']}" for f in causes(r.json) if f["severity"] != "info"]
        expect_equal(bad, [], "what is said of 20 sound nodes")
        out = run("diagnose", "-A", "--bundle", b.path).out
        expect("cause:" not in out and "warning:" not in out, out)


def judged_json(b, seed):
    d = run("diagnose", "-A", "--bundle", b.path, "-o", "json", codes=[1]).json
    errors = [f for f in causes(d) if f["severity"] == "error"]
    expect_equal(sorted((f["node"], f["check"]) for f in errors), sorted((n, x[0]) for n, x in b.faults.items()),
                 f"seed {seed} ({b.forms}): errors; {[f['id'] for f in errors]}; who and why")
    for f in errors:
        _, words, services, since = b.faults[f["node"]]
        expect_equal(f["services"], len(services), f"seed {seed}: Services of {f['node']}")
        expect(words in f["text"], f"seed {seed}: {f['node']} ({b.forms[f['node']]}): {words!r} is not in {f['text']!r}")
        expect(f" for {since}: " in f["text"], f"seed {seed}: {f['node']} ({b.forms[f['node']]}): {since} is not in {f['text']!r}")
    others = [f for f in causes(d) if f["severity"] == "warning" and f["check"] != MIXED]
    expect_equal([f"{f['id']}: {f['text']}" for f in others], [], f"seed {seed}: other warnings")
    mixed = [f for f in causes(d) if f["check"] == MIXED]
    expect(len(mixed) == 1 and b.other in str(mixed[0]), f"seed {seed}: {MIXED} of {b.other}: {mixed}")
    for s in d["services"]:
        own = [f["node"] for f in s["causes"] if f["severity"] == "error"]
        wrong = sorted(n for n, x in b.faults.items() if s["service"] in x[2])
        expect_equal(sorted(own), wrong, f"seed {seed}: nodes that are the causes of {s['service']}")


def judged_text(b, seed):
    out = run("diagnose", "-A", "--bundle", b.path, codes=[1]).out
    lines = out.splitlines()
    heads = [line for line in lines if line.startswith(("cause:", "warning:"))]
    expect(len(lines) <= 40, f"seed {seed}: {len(lines)} lines:\n{out}")
    first = [line for line in heads[:len(b.faults)] if line.startswith("cause: kube-proxy on ")]
    expect_equal(sorted(line.split()[3] for line in first), sorted(b.faults), f"seed {seed}: the first causes of\n{out}")
    expect_equal([line for line in heads[len(b.faults):] if line.startswith("cause:")], [], f"seed {seed}: other causes")


def fleet(seed):
    with Fleet(seed) as b:
        judged_json(b, seed)
        judged_text(b, seed)
        return ", ".join(f"{n}: {len(x[2])}" for n, x in sorted(b.faults.items()))


# ---- what stands beside a node that does not sync ----

WEB, NGINX, EXT = "default/web", "default/my-nginx", "default/ext-ip"


def diagnosed(b, codes=(1,)):
    return run("diagnose", "-A", "--bundle", b.path, "-o", "json", codes=list(codes)).json


def errors(d):
    return sorted((f["node"], f["check"]) for f in causes(d) if f["severity"] == "error")


def of_service(d, service):
    s = next(x for x in d["services"] if x["service"] == service)
    return sorted((f["node"], f["check"]) for f in s["causes"] if f["severity"] == "error")


def expired(t):
    return [cri(t, new_line(t, REASONS["certificate"][2]))]


def foreign_beside():
    """Another program's rule drops packets on the same node: both are causes, each of its own Services."""
    with Fleet(1, 4, sound=True, changed={WEB: 300}) as b:
        b.stop(3, 600, expired)
        b.rules(3, lambda r: r.lines.insert(next(i for i, x in enumerate(r.lines) if " -A FORWARD " in x), "[0:0] -A FORWARD -d 10.244.1.40/32 -j DROP"))
        d = diagnosed(b)
        expect_equal(errors(d), [("node-3", "foreign-rule-drops"), ("node-3", "kube-proxy-apiserver-unreachable")], "errors")
        expect_equal(of_service(d, WEB), [("node-3", "kube-proxy-apiserver-unreachable")], WEB)
        expect_equal(of_service(d, EXT), [("node-3", "foreign-rule-drops")], EXT)


def healthy_beside():
    """A Service that is wrong on a node that does sync keeps its cause there."""
    with Fleet(2, 4, sound=True, changed={WEB: 300}) as b:
        b.stop(3, 600, expired)
        b.rules(4, lambda r: r.move(WEB, "10.244.1.135", "10.244.1.99"))
        d = diagnosed(b)
        own = [x for x in of_service(d, WEB) if x[0] == "node-4"]
        expect(of_service(d, WEB)[0] == ("node-3", "kube-proxy-apiserver-unreachable") and own and "kube-proxy" not in own[0][1], f"{of_service(d, WEB)}")


def just_now():
    """What changed two seconds before is being written; a minute later it is a fault."""
    for seconds, bad in ((2, False), (60, True)):
        with Fleet(3, 4, sound=True, changed={WEB: seconds}) as b:
            b.history.unknown = set()
            b.stop(3, seconds + 1)
            f = [x for x in causes(diagnosed(b, (0, 1))) if x["node"] == "node-3" and x["severity"] != "info"]
            expect(f and all((x["severity"] == "error") == bad for x in f), f"{seconds} seconds: {[(x['severity'], x['text']) for x in f]}")
            expect(bad or any("just now" in e for x in f for e in x["evidence"]), "that it is being written is not said")


def by_times_alone():
    """No log, and ports that are green: exactly what changed since some moment is wrong."""
    with Fleet(4, 4, sound=True, changed={WEB: 1300, NGINX: 1250, EXT: 1210}) as b:
        b.history.unknown = set()
        b.stop(3, 2000)
        d = diagnosed(b)
        expect_equal(errors(d), [("node-3", "kube-proxy-not-syncing")], "errors")
        f = next(f for f in causes(d) if f["severity"] == "error")
        expect("kube-proxy on node-3 has not followed the API server for 21 minutes" in f["text"], f["text"])
        expect_equal(f["services"], 3, "Services")
    with Fleet(4, 4, sound=True, changed={WEB: 1300, NGINX: 1250, EXT: 1210, "default/hostnames": 30}) as b:
        b.history.unknown = set()
        b.rules(3, lambda r: [r.move(s, old, new) for s in (WEB, NGINX, EXT) for old, new in b.history.moved[s]])
        expect("kube-proxy-not-syncing" not in str(errors(diagnosed(b))), "one that changed later is right: it does follow the API server")


def restore_line(t):
    return [klog(t, '"Failed to execute iptables-restore" err=<', "proxier.go:1412"), "\texit status 1: iptables-restore: line 21 failed", ' > ipFamily="IPv4"',
            klog(t, '"Sync failed" ipFamily="IPv4" retryingTime="30s"', "proxier.go:860", "I")]


def lock_line(t):
    return [klog(t, "Failed to execute iptables-restore: exit status 4 (Another app is currently holding the xtables lock. Stopped waiting after 5s.)", "proxier.go:1500")]


def cannot_write():
    """Rules that are not taken: the health port says so as well, and is no cause of its own."""
    for log, check, words in ((restore_line, "iptables-restore-failing", "iptables-restore fails"), (lock_line, "xtables-lock-contention", "the lock of iptables")):
        with Fleet(5, 4, sound=True, changed={WEB: 300, NGINX: 200}) as b:
            b.stop(3, 1300, log, synced=True)
            d = diagnosed(b)
            expect_equal(errors(d), [("node-3", check)], "errors")
            f = next(f for f in causes(d) if f["severity"] == "error")
            expect(words in f["text"] and "kube-proxy on node-3 has not synced for 21 minutes: it " in f["text"], f["text"])
            expect_equal(f["services"], 2, "Services")
            warnings = [x["id"] for x in causes(d) if x["severity"] == "warning"]
            expect_equal(warnings, [], "warnings")


def mended():
    """The same lines, and rules that are right, with ports that tell of a sync since: history."""
    with Fleet(6, 4, sound=True, changed={WEB: 3000}) as b:
        t = b.now.replace(microsecond=0)
        b.write("\n".join(line for i in range(3500, 2900, -60) for line in restore_line(t - timedelta(seconds=i))) + "\n", "nodes", "node-3", "kube-proxy.log")
        bad = [x["id"] for x in causes(diagnosed(b, (0,))) if x["severity"] != "info"]
        expect_equal(bad, [], "what is said")


def lately():
    """An outage of hours ago that was over, and another one for two minutes: it lasts for two minutes, and what changed in between is there."""
    for between in ([], ['"Caches populated" type="*v1.EndpointSlice" reflector="k8s.io/client-go/informers/factory.go:177"']):
        with Fleet(6, 4, sound=True, changed={WEB: 3000}) as b:
            t = b.now.replace(microsecond=0)
            seconds = [*range(9000, 8700, -30), *range(120, 0, -30)]
            log = [klog(t - timedelta(seconds=5000), line, "reflector.go:430", "I") for line in between]
            log += [new_line(t - timedelta(seconds=i), REASONS["refused"][2]) for i in seconds]
            b.write("\n".join(sorted(log, key=lambda x: x[1:])) + "\n", "nodes", "node-3", "kube-proxy.log")
            b.edit(lambda s: metrics(s, t - timedelta(seconds=2000), t - timedelta(seconds=20)), "nodes", "node-3", "kube-proxy-metrics.txt")
            told = [(x["severity"], x["text"]) for x in causes(diagnosed(b, (0,))) if x["severity"] != "info"]
            expect(len(told) == 1 and told[0][0] == "warning" and told[0][1].startswith("kube-proxy on node-3 has not synced for 2 minutes: "), f"{told}")


def forget_ports(b, node):
    for file in os.listdir(b.file("nodes", node)):
        if file.startswith("kube-proxy"):
            os.unlink(b.file("nodes", node, file))


def no_pod():
    """Three nodes have a pod of kube-proxy, and of the fourth there are old rules only."""
    with Fleet(5, 4, sound=True, changed={WEB: 300, NGINX: 200}) as b:
        b.stop(3, 1300)
        forget_ports(b, "node-3")
        b.edit(lambda s: json.dumps({**json.loads(s), "items": [o for o in json.loads(s)["items"] if o["metadata"]["name"] != "kube-proxy-3"]}), "cluster", "pods.json")
        d = diagnosed(b)
        expect_equal(errors(d), [("node-3", "kube-proxy-not-running")], "errors")
        expect_equal(next(f for f in causes(d) if f["severity"] == "error")["services"], 2, "Services")


def no_process(version, told):
    """No pod anywhere and no process of that name: in k3s it is inside another one."""
    with Fleet(5, 3, sound=True) as b:
        b.edit(lambda s: json.dumps({**json.loads(s), "items": [o for o in json.loads(s)["items"] if "kube-proxy" not in o["metadata"]["name"]]}), "cluster", "pods.json")
        b.edit(lambda s: s.replace('"kubeletVersion": "v1.36.2"', f'"kubeletVersion": "{version}"'), "cluster", "nodes.json")
        forget_ports(b, "node-3")
        b.write("", "nodes", "node-3", "ps.txt")
        found = [(f["check"], f["node"]) for f in causes(diagnosed(b, (0,))) if f["severity"] != "info"]
        expect_equal(found, [("kube-proxy-not-running", "node-3")] if told else [], "what is told")


def leaving(taint, told):
    """503 of a node that the autoscaler takes away is as it must be, also where nothing but the status is known."""
    with Fleet(5, 3, sound=True) as b:
        def tainted(text):
            d = json.loads(text)
            d["items"][2]["spec"]["taints"] = [{"key": taint, "effect": "NoSchedule", "value": "1700000000"}]
            return json.dumps(d)

        b.edit(tainted, "cluster", "nodes.json")
        os.unlink(b.file("nodes", "node-3", "kube-proxy-healthz.json"))
        b.write("healthz 503\n", "nodes", "node-3", "kube-proxy-http.txt")
        found = [(f["check"], f["node"]) for f in causes(diagnosed(b, (0,))) if f["severity"] != "info"]
        expect_equal(found, [("kube-proxy-healthz-stale", "node-3")] if told else [], "what is told")


# ---- lines, as they are written ----

# file of the node; lines; check and words, or None where nothing may be said
LINES = (
    ("kube-proxy.log", ('"Failed to execute iptables-restore" err=<', "\texit status 1: Warning: Extension statistic revision 0 not supported, missing kernel module?",
                        "\tiptables-restore: line 46 failed", ' > ipFamily="IPv4" rules="*nat"'), ("xt-modules-missing", "statistic")),
    ("kube-proxy.log", ('"nftables sync failed" err=<', "\t/dev/stdin:1:1-2: Error: Could not process rule: No such file or directory", ' > ipFamily="IPv4"'),
     ("nft-userdata-incompat", "nft refuses them")),
    ("kube-proxy.log", ('"Failed to execute iptables-restore" err="exit status 1: Couldn\'t load target `KUBE-MARK-DROP\':No such file or directory"',),
     ("kube-mark-drop-missing", "KUBE-MARK-DROP")),
    ("kube-proxy.log", ('"Healthz server failed" err="failed to start proxy healthz on 0.0.0.0:10256: listen tcp 0.0.0.0:10256: bind: address already in use"',),
     ("kube-proxy-healthz-bind-failure", "could not open a port of its own")),
    ("kube-proxy.log", ('"Failed to delete endpoint connections" err="error looking for path of conntrack: exec: \\"conntrack\\": executable file not found in $PATH"',),
     ("conntrack-binary-missing", "does not find the program conntrack")),
    ("kube-proxy.previous.log", ('"Error running ProxyServer" err="open /proc/sys/net/netfilter/nf_conntrack_max: permission denied"',),
     ("kube-proxy-crashloop-conntrack-sysctl", "may not write /proc/sys/net/netfilter/nf_conntrack_max"), "error"),
    ("kube-proxy.previous.log", ('"Error running ProxyServer" err="can\'t use the IPVS proxier: ipvs not supported by the kernel"',),
     ("kube-proxy-crashloop-ipvs-modules", "the kernel cannot do IPVS"), "error"),
    ("kube-proxy.previous.log", ('"Error running ProxyServer" err="could not find nftables binary: exec: \\"nft\\": executable file not found in $PATH"',),
     ("kube-proxy-nft-binary-or-version", "nft"), "error"),
    ("kube-proxy.previous.log", ('"command failed" err="failed validate: KubeProxyConfiguration.Mode.ProxyMode: Invalid value: \\"xyz\\": must be iptables, ipvs, '
                                 'nftables or blank (blank means the best-available proxy [currently iptables])"',), ("kube-proxy-unknown-mode", "does not know the mode"), "error"),
    ("kube-proxy.log", ('"Kube-proxy configuration may be incomplete or incorrect" err="nodePortAddresses is unset; NodePort connections will be accepted on all '
                        'local IPs. Consider using `--nodeport-addresses primary`"',), None),
    ("kube-proxy.log", ('"Failed to create nfacct runner, nfacct based metrics won\'t be available" err="nfacct sub-system not available"',), None),
    ("kube-proxy.log", ('"The ipvs proxier is now deprecated and may be removed in a future release. Please use \'nftables\' instead."',), None),
    ("kube-proxy.log", ('Flag proxy-mode="" unknown, assuming iptables proxy',), None),
    ("kube-proxy.log", ('k8s.io/client-go/informers/factory.go:134: watch of *v1.Service ended with: very short watch: k8s.io/client-go/informers/factory.go:134: '
                        'Unexpected watch close - watch lasted less than a second and no items received',), None),
)


def crashing(text):
    """The pod of kube-proxy on node 3 ends again and again."""
    d = json.loads(text)
    pod = next(o for o in d["items"] if o["metadata"]["name"] == "kube-proxy-3")
    pod["status"]["conditions"] = [{"type": "Ready", "status": "False"}, {"type": "ContainersReady", "status": "False"}]
    pod["status"]["containerStatuses"] = [{"name": "c", "ready": False, "restartCount": 12, "state": {"waiting": {"reason": "CrashLoopBackOff"}},
                                           "lastState": {"terminated": {"reason": "Error", "exitCode": 1}}}]
    return json.dumps(d)


def line(file, texts, told, severity="warning"):
    """The rules are right still: a warning where it is no more than a moment old, and an error where kube-proxy does not start; and the only one."""
    with Fleet(7, 3, sound=True) as b:
        before = file == "kube-proxy.previous.log"
        t = b.now - timedelta(seconds=2)  # its last sync was before
        b.write("\n".join([klog(t, texts[0], "proxier.go:1412"), *texts[1:]]) + "\n", "nodes", "node-3", file)
        if before:
            b.edit(crashing, "cluster", "pods.json")
            os.unlink(b.file("nodes", "node-3", "kube-proxy.log"))
        found = [f for f in causes(diagnosed(b, (0, 1))) if f["severity"] != "info"]
        expect_equal([(f["check"], f["node"], f["severity"]) for f in found], [(told[0], "node-3", severity)] if told else [], "what is told")
        expect(not told or told[1] in found[0]["text"], lambda: found[0]["text"])
        expect(not told or any(file in e for e in found[0]["evidence"]), lambda: str(found[0]["evidence"]))


def missing_module():
    """A recorded node whose kernel lacks xt_ipvs; and the same where another module is missing."""
    for extension in ("ipvs", "recent", "statistic"):
        with Copy("lab-ipvs-missing-module") as b:
            if extension != "ipvs":
                b.edit(lambda s, e=extension: s.replace("Extension ipvs revision 0", f"Extension {e} revision 0"), "nodes", "node2", "kube-proxy.log")
            d = run("diagnose", "-A", "--bundle", b.path, "-o", "json").json
            expect_equal(errors(d), [("node2", "xt-modules-missing")], "errors")
            text = next(f["text"] for f in causes(d) if f["severity"] == "error")
            expect(text.endswith(f"the kernel does not have xt_{extension}"), text)


def among_others(lab):
    """A node that is cut off, before all that is wrong with single Services of the recorded cluster."""
    with Copy(lab) as b:
        t = datetime(2026, 11, 21, 8, 15)
        b.edit(lambda s: s + "".join(new_line(t - timedelta(seconds=i), REASONS["certificate"][2]) + "\n" for i in range(2460, 0, -30)),
               "nodes", "node2", "kube-proxy.log")
        b.write('{"currentTime": "2026-11-21T08:15:00Z", "lastUpdated": "2026-11-21T08:15:00Z", "nodeEligible": true, "healthy": true}', "nodes", "node2",
                "kube-proxy-healthz.json")
        first = next(line for line in run("diagnose", "-A", "--bundle", b.path, codes=[1]).out.splitlines() if line.startswith("cause:"))
        expect("kube-proxy on node2 has not synced for 41 minutes: it cannot reach the API server" in first, first)


def redacted():
    """Names are others, and what is told is the same."""
    with Fleet(3) as b:
        run("collect", "--bundle", b.path, "--redact", "-w", b.file("..", "shown"), codes=[0])
        told = [sorted((f["check"], f["severity"], f["services"]) for f in run("diagnose", "-A", "--bundle", path, "-o", "json").json["cluster"])
                for path in (b.path, b.file("..", "shown"))]
        expect_equal(told[1], told[0], "what is told of the redacted bundle")


def main():
    t = Tests()
    for seed in (1, 2):
        t.run(f"20 sound nodes, {seed}", sound, seed)
    t.run("a rule of another program on the same node", foreign_beside)
    t.run("a Service that is wrong on another node too", healthy_beside)
    t.run("a change of two seconds ago", just_now)
    t.run("times alone", by_times_alone)
    t.run("rules that are not taken", cannot_write)
    t.run("a failure that is over", mended)
    t.run("a failure that was over, and is there again", lately)
    t.run("no pod on one node", no_pod)
    t.run("no process", no_process, "v1.36.1", True)
    t.run("no process of its own, in k3s", no_process, "v1.36.2+k3s1", False)
    t.run("a node that is taken away", leaving, "ToBeDeletedByClusterAutoscaler", False)
    t.run("a node that is not", leaving, "example.com/batch", True)
    for file, texts, told, *severity in LINES:
        t.run(f"line: {told[0] if told else texts[0][:50]}", line, file, texts, told, *severity)
    t.run("a module that is missing", missing_module)
    for lab in ("lab-iptables-nft", "lab-iptables-legacy", "lab-nftables", "lab-ipvs"):
        t.run(f"first of all: {lab}", among_others, lab)
    t.run("redacted", redacted)
    for seed in range(1, SEEDS + 1):
        t.run(f"fleet {seed}", fleet, seed)
    t.finish()


if __name__ == "__main__":
    main()
