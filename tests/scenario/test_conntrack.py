#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Connections that outlive what the rules say, made with real packets in a namespace: an endpoint of a UDP Service is deleted, and its entry stays.
The live node and a bundle that was collected from it name it, and the command that is printed takes it away, and nothing else."""
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from common import CORPUS, ROOT, Tests, expect, expect_equal, read, run, sh, write  # noqa: E402
from kernel_nftables_run import commands  # noqa: E402
from node_world import NFACCT, Node, lacks  # noqa: E402

sys.path.insert(0, os.path.join(ROOT, "tests", "bench"))
import kube_proxy  # noqa: E402  pylint: disable=wrong-import-position
import kube_proxy_nft  # noqa: E402  pylint: disable=wrong-import-position

LABS = {"iptables": "lab-iptables-nft", "nftables": "lab-nftables"}
VIP = {4: "10.96.77.1", 6: "fd96::77"}
ENDPOINTS = {4: ("10.244.1.51", "10.244.1.52"), 6: ("fd44:1::51", "fd44:1::52")}
NODE_IP = {4: "172.30.99.1", 6: "fd99::1"}
NODE_PORT = 30514
PORT = 514
OLD = "2026-01-01T00:00:00Z"
NO_HOME = {"HOME": "/nonexistent", "KUBECONFIG": ""}
GONE, EMPTY, BARE = ("stale-udp-conntrack-" + x for x in ("deleted-endpoint", "no-endpoints", "no-dnat"))

LOG = """I1122 00:00:00.000000       1 server.go:846] "Version info" version="v1.28.4"
E1122 00:00:01.000000       1 proxier.go:818] "Failed to delete endpoint connections" err="error deleting conntrack entries for UDP peer {10.96.77.1, 10.244.1.51}, error: error looking for path of conntrack: exec: \\"conntrack\\": executable file not found in $PATH"
"""

# One datagram to each destination, from one port: ADDRESS PORT ...
SEND = """
import socket, sys
for a, p in zip(sys.argv[2::2], sys.argv[3::2]):
    s = socket.socket(socket.AF_INET6 if ":" in a else socket.AF_INET, socket.SOCK_DGRAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(("", int(sys.argv[1])))
    s.sendto(b"x", (a, int(p)))
"""


def meta(name, **more):
    return {"name": name, "namespace": "shop", "uid": f"uid-{name}", "creationTimestamp": OLD,
            "managedFields": [{"manager": "kube-controller-manager", "operation": "Update", "time": OLD, "fieldsType": "FieldsV1", "fieldsV1": {}}], **more}


def service():
    return {"metadata": meta("syslog"), "status": {"loadBalancer": {}},
            "spec": {"type": "NodePort", "selector": {"app": "syslog"}, "clusterIP": VIP[4], "clusterIPs": [VIP[4], VIP[6]], "ipFamilies": ["IPv4", "IPv6"],
                     "ipFamilyPolicy": "RequireDualStack", "internalTrafficPolicy": "Cluster", "externalTrafficPolicy": "Cluster", "sessionAffinity": "None",
                     "ports": [{"name": "log", "protocol": "UDP", "port": PORT, "targetPort": 5514, "nodePort": NODE_PORT}]}}


def pod(i):
    return {"metadata": meta(f"syslog-{i}", labels={"app": "syslog"}), "spec": {"nodeName": "node1", "containers": [{"name": "c", "image": "x"}]},
            "status": {"phase": "Running", "podIP": ENDPOINTS[4][i], "podIPs": [{"ip": ENDPOINTS[4][i]}, {"ip": ENDPOINTS[6][i]}],
                       "conditions": [{"type": "Ready", "status": "True"}],
                       "containerStatuses": [{"name": "c", "ready": True, "restartCount": 0, "state": {"running": {"startedAt": OLD}}}]}}


def endpoint_slice(family, which):
    conditions = {"ready": True, "serving": True, "terminating": False}
    endpoints = [{"addresses": [ENDPOINTS[family][i]], "conditions": conditions, "nodeName": "node1",
                  "targetRef": {"kind": "Pod", "namespace": "shop", "name": f"syslog-{i}", "uid": f"uid-syslog-{i}"}} for i in which]
    return {"metadata": meta(f"syslog-{family}", labels={"kubernetes.io/service-name": "syslog"}), "addressType": f"IPv{family}", "endpoints": endpoints,
            "ports": [{"name": "log", "protocol": "UDP", "port": 5514}]}


class World:
    """A node of a lab with one more Service, whose rules and objects are written anew whenever its endpoints change."""

    def __init__(self, mode):
        self.mode, self.lab = mode, LABS[mode]
        self.folder = tempfile.mkdtemp(prefix="svcdoctor-conntrack-")
        self.cluster = os.path.join(self.folder, "cluster")
        self.node = Node(self.lab)

    def __enter__(self):
        self.node.lab = None  # addresses only
        self.node.__enter__()
        self.node.run("ip", "-6", "addr", "flush", "scope", "link")
        self.node.run("ip", "-6", "route", "add", "default", "via", "fd99::fe")
        for name in NFACCT:
            self.node.run("nfacct", "add", name)
        shutil.copytree(os.path.join(CORPUS, self.lab, "cluster"), os.path.join(self.cluster, "cluster"), copy_function=shutil.copyfile)
        return self

    def __exit__(self, *exc):
        self.node.__exit__()
        shutil.rmtree(self.folder, ignore_errors=True)

    def objects(self, kind):
        return json.loads(read(os.path.join(CORPUS, self.lab, "cluster", f"{kind}.json")))

    def put(self, kind, change):
        items = self.objects(kind)
        change(items["items"])
        write(json.dumps(items), os.path.join(self.cluster, "cluster", f"{kind}.json"))
        return items["items"]

    def dual_stack(self, nodes):
        for n in nodes:
            x = n["metadata"]["name"][-1]
            n["spec"]["podCIDRs"].append(f"fd44:{x}::/64")
            n["status"]["addresses"].append({"type": "InternalIP", "address": f"fd99::{x}"})

    def set(self, *which, more=((), ()), **spec):
        """The Service has these endpoints, and kube-proxy wrote its rules; @more: other Services and their EndpointSlices."""
        own = service()
        own["spec"].update(spec)
        services = self.put("services", lambda items: items.extend([own, *more[0]]))
        slices = self.put("endpointslices", lambda items: items.extend([*(endpoint_slice(f, which) for f in (4, 6)), *more[1]]))
        self.put("pods", lambda items: items.extend(pod(i) for i in which))
        self.put("nodes", self.dual_stack)
        self.put("servicecidrs", lambda items: items[0]["spec"]["cidrs"].append("fd96::/112"))
        config = json.loads(read(os.path.join(CORPUS, self.lab, "nodes", "node1", "kube-proxy-configz.json")))["kubeproxy.config.k8s.io"]
        if self.mode == "iptables":
            for six in ("", "6"):
                out = io.StringIO()
                kube_proxy.write_save(out, services, slices, "node1", config, "nft", "IPv6" if six else "IPv4", [NODE_IP[6 if six else 4]])
                self.node.run(f"ip{six}tables-nft-restore", stdin=out.getvalue().encode())
            return
        cidrs = [c for s in self.objects("servicecidrs")["items"] for c in s["spec"]["cidrs"]]
        ports = {f"IPv{f}": kube_proxy.ports_of(services, slices, "node1", f == 6) for f in (4, 6)}
        out = io.StringIO()
        kube_proxy_nft.write_json(out, ports, config, {"IPv4": [NODE_IP[4]], "IPv6": [NODE_IP[6]]}, cidrs)
        self.node.run("nft", "flush", "ruleset")
        self.node.run("nft", "-j", "-f", "-", stdin=commands(out.getvalue()).encode())

    def send(self, port, *to):
        self.node.run(sys.executable, "-c", SEND, str(port), *(str(x) for x in to))

    def entries(self):
        return self.node.run("conntrack", "-L", "-p", "udp").decode().splitlines()

    def live(self, *args, codes=(0, 1, 2)):
        return run("diagnose", "shop/syslog", "--netns", self.node.name, "--node", "node1", "--bundle", self.cluster, *args, codes=codes, env=NO_HOME)

    def collected(self, *args, log=None):
        target = os.path.join(self.folder, "collected")
        shutil.rmtree(target, ignore_errors=True)
        run("collect", "-w", target, "--netns", self.node.name, "--node", "node1", codes=(0,), env=NO_HOME)
        if log:
            write(log, os.path.join(target, "nodes", "node1", "kube-proxy.log"))
        return run("diagnose", "shop/syslog", "--bundle", self.cluster, "--bundle", target, *args, codes=(0, 1, 2))

    def fix(self, report):
        """Runs the first command of the fix exactly as it is printed."""
        lines = [x.strip() for x in report.out.splitlines()]
        command = next((re.sub(r"^fix\s+", "", x) for x in lines if "conntrack -D" in x), None)
        expect(command, report.out)
        tools = os.path.join(self.folder, "bin")
        os.makedirs(tools, exist_ok=True)
        write('#!/bin/sh\nexec "$@"\n', os.path.join(tools, "sudo"))  # the test is root already
        os.chmod(os.path.join(tools, "sudo"), 0o755)
        where = () if "nsenter" in command else ("ip", "netns", "exec", self.node.name)
        p = subprocess.run([*where, "sh", "-c", command], env={**os.environ, "PATH": f"{tools}:{os.environ['PATH']}:/usr/sbin:/sbin"}, stdin=subprocess.DEVNULL,
                           capture_output=True, text=True, timeout=30, check=False)
        expect_equal(p.returncode, 0, f"{command}: {p.stderr}")
        return command


def found(report, which="causes"):
    return sorted((c["check"], c["severity"]) for s in report.json["services"] for c in s[which] if c["check"].startswith(("stale-udp", "tcp-conn")))


def endpoint_of(entries, orig):
    """Where the entry to @orig leads to."""
    line = next(x for x in entries if f" dst={orig} " in x.split(" src=", 2)[1] or f"dst={orig} " in x)
    return re.findall(r"src=(\S+)", line)[1]


def deleted(mode, family):
    with World(mode) as w:
        w.set(0, 1)
        expect_equal(found(w.live("-o", "json")), [], "before")
        w.send(4711, VIP[family], PORT)
        w.send(4712, NODE_IP[family], NODE_PORT)
        w.send(4713, "192.0.2.1" if family == 4 else "2001:db8::1", PORT)  # of nobody's business
        before = w.entries()
        gone = ENDPOINTS[family].index(endpoint_of(before, VIP[family]))
        expect_equal(found(w.live("-o", "json")), [], "with a connection to an endpoint")
        w.set(1 - gone)
        stale = [x for x in w.entries() if re.findall(r"src=(\S+)", x)[1] == ENDPOINTS[family][gone]]
        expect(stale, "the entry is gone by itself")
        for look in (w.live, w.collected):
            r = look("-o", "json")
            expect_equal(found(r), [(GONE, "error")], look.__name__)
            text = look()
            expect(ENDPOINTS[family][gone] in text.out and "no endpoint of it any more" in text.out, text.out)
        report, printed = w.live(), []
        while "conntrack -D" in report.out and len(printed) < 3:
            printed.append(w.fix(report))
            report = w.live()
        expect(("-f ipv6 " in printed[0]) == (family == 6) and "nsenter" in printed[0], printed)
        expect_equal(found(w.live("-o", "json")), [], "after")
        expect_equal(found(w.collected("-o", "json")), [], "after, collected")
        after = w.entries()
        expect_equal(len(after), len(before) - len(stale), "entries that are left")
        expect(any("192.0.2.1" in x or "2001:db8::1" in x for x in after), after)
        return f"{len(stale)} stale; {printed[0]}"


def before_rules(mode):
    """The client was there before the rules: its entry is not translated. The command is run as the report of the bundle prints it."""
    with World(mode) as w:
        w.node.run("nft", "add table inet t; add chain inet t o { type filter hook output priority 0; }; add rule inet t o ct state new accept")
        w.send(4711, VIP[4], PORT)
        w.set(0, 1)
        expect_equal(found(w.live("-o", "json")), [(BARE, "error")], "live")
        r = w.collected()
        expect("itself and to no endpoint" in r.out and "nsenter" not in r.out, r.out)
        w.fix(r)
        expect_equal(found(w.live("-o", "json")), [], "after")


def with_a_reason():
    """kube-proxy says why it removed nothing: that is the cause, and the connections are what follows."""
    with World("iptables") as w:
        w.set(0, 1)
        w.send(4711, VIP[4], PORT)
        gone = ENDPOINTS[4].index(endpoint_of(w.entries(), VIP[4]))
        w.set(1 - gone)
        r = w.collected("-o", "json", log=LOG)
        expect_equal([c["check"] for c in r.json["services"][0]["causes"]], ["conntrack-binary-missing"], "causes")
        expect_equal(found(r, "explained"), [(GONE, "error")], "explained")


def look_alikes():
    """What is there to be: an endpoint that terminates, a Service without endpoints, somebody on the node who has the address, rules that lead there."""
    with World("iptables") as w:
        w.set(0, 1)
        w.send(4711, VIP[4], PORT)
        gone = ENDPOINTS[4].index(endpoint_of(w.entries(), VIP[4]))
        rules = w.node.run("iptables-nft-save")
        w.set(1 - gone)

        def leaves(items):
            items.extend(endpoint_slice(f, (0, 1)) for f in (4, 6))
            for s in items[-2:]:
                s["endpoints"][gone]["conditions"] = {"ready": False, "serving": True, "terminating": True}
        w.put("endpointslices", leaves)
        expect_equal(found(w.live("-o", "json")), [], "terminating")
        w.set(1 - gone)
        w.node.run("iptables-nft-restore", stdin=rules)
        r = w.live("-o", "json")
        expect_equal(found(r), [], "the rules lead there as well")
        expect(r.json["services"][0]["causes"], "the rules")
        w.set()
        r = w.live("-o", "json")
        expect_equal(found(r), [], "without endpoints")
        expect_equal(found(r, "explained"), [(EMPTY, "warning")], "without endpoints, below its cause")
        w.node.run("conntrack", "-D", "-p", "udp")
        w.set(0, 1)
        w.node.run("ip", "addr", "add", VIP[4] + "/32", "dev", "lo")
        expect_equal(found(w.live("-o", "json")), [], "nothing")


def shared_address():
    """Two Services with one external IP: by port it is known whose an entry is; with one port for both it is not, and nothing is said."""
    def other(port):
        s, e = service(), endpoint_slice(4, (1,))
        s["metadata"], e["metadata"] = meta("other"), meta("other-4", labels={"kubernetes.io/service-name": "other"})
        s["spec"].update(type="ClusterIP", clusterIP="10.96.77.2", clusterIPs=["10.96.77.2"], ipFamilies=["IPv4"], ipFamilyPolicy="SingleStack", externalIPs=["192.0.2.50"])
        s["spec"]["ports"] = [{"name": "log", "protocol": "UDP", "port": port, "targetPort": 5514}]
        return (s,), (e,)

    def entry(port, i, sport):
        w.node.run("conntrack", "-I", "-p", "udp", "-s", "10.244.1.9", "-d", "192.0.2.50", "--sport", str(sport), "--dport", str(port), "-r", ENDPOINTS[4][i],
                   "-q", "10.244.1.9", "--reply-port-src", "5514", "--reply-port-dst", str(sport), "-t", "25")
    with World("iptables") as w:
        w.set(0, more=other(515), externalIPs=["192.0.2.50"])
        entry(PORT, 0, 4711)
        entry(515, 1, 4712)
        expect_equal(found(w.live("-o", "json")), [], "each at its own port")
        entry(PORT, 1, 4713)
        r = w.live("-o", "json")
        expect_equal(found(r), [(GONE, "error")], "of the other one's endpoint")
        w.fix(w.live())
        expect_equal((found(w.live("-o", "json")), len(w.entries())), ([], 2), "after")
        w.set(0, more=other(PORT), externalIPs=["192.0.2.50"])
        entry(PORT, 1, 4713)
        expect_equal(found(w.live("-o", "json")), [], "one port for both")


def main():
    t = Tests()
    missing = lacks("ip", "nft", "iptables-nft-restore", "ip6tables-nft-restore", "nfacct", "conntrack", "nsenter")
    if missing:
        t.skip("conntrack", missing)
        t.finish()
    for mode in LABS:
        for family in (4, 6):
            t.run(f"deleted-{mode}-ipv{family}", deleted, mode, family)
        t.run(f"before-rules-{mode}", before_rules, mode)
    t.run("with-a-reason", with_a_reason)
    t.run("look-alikes", look_alikes)
    t.run("shared-address", shared_address)
    t.finish()


if __name__ == "__main__":
    main()
