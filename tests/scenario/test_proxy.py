# SPDX-License-Identifier: GPL-2.0-or-later
"""svcdoctor proxy: recorded nodes of every mode, many nodes at once, a log alone in each form, and from where it is asked: a cluster, one namespace's
rights, a node without a kubeconfig, a bundle."""
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from xml.etree import ElementTree

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from api_server import ApiServer, Rule  # noqa: E402
from fleet import Fleet  # noqa: E402
from node_world import lacks  # noqa: E402
from proxy_server import PAGES, ProxyServer  # noqa: E402
from test_node_live import NO_HOME  # noqa: E402
from test_proxy_ports import World  # noqa: E402
from common import CORPUS, PROGRAM, Copy, Tests, expect, expect_equal, read, run, write  # noqa: E402

LAB = "lab-iptables-nft"
MODES = {"lab-iptables-nft": "iptables", "lab-iptables-legacy": "iptables", "lab-nftables": "nftables", "lab-ipvs": "ipvs"}
LINES_MOST = 40


def proxy(*args, codes=(0,)):
    return run("proxy", *args, "-o", "json", codes=codes).json


def node(doc, name):
    hits = [n for n in doc["nodes"] if n["node"] == name]
    expect(len(hits) == 1, f"{len(hits)} nodes {name}")
    return hits[0]


def keys_of_times(value, key=""):
    """The keys under which there are times."""
    if isinstance(value, dict):
        return {k for name, v in value.items() for k in keys_of_times(v, name)}
    if isinstance(value, list):
        return {k for v in value for k in keys_of_times(v, key)}
    return {key} if isinstance(value, str) and re.match(r"\d{4}-\d\d-\d\dT", value) else set()


# ---- bundles ----

def test_sound():
    for lab, mode in MODES.items():
        doc = proxy("--bundle", os.path.join(CORPUS, lab))
        for n in doc["nodes"]:
            expect_equal((n["state"], n["mode"], n["mode_asked"], n["version"]), ("well", mode, mode, "v1.36.2"), f"{lab} {n['node']}")
            expect(n["rules"]["ports_wanted"] > 10 and n["rules"]["ports_wanted"] == n["rules"]["ports_complete"], f"{lab}: {n['rules']}")
            expect_equal(n["configuration"]["clusterCIDR"], {"value": "10.244.0.0/16", "standard": False}, f"{lab}: clusterCIDR")
            expect(n["log"]["lines_read"] > 50 and n["log"]["errors"] == 0, f"{lab}: {n['log']['errors']} errors in the log")
        expect_equal([f["check"] for f in doc["findings"] if f["severity"] != "info"], [], f"{lab}: findings")
        expect(keys_of_times(doc) <= {"at", "since"}, f"{lab}: times stand in {keys_of_times(doc)}")
        text = run("proxy", "--bundle", os.path.join(CORPUS, lab), codes={0}).out
        expect("kube-proxy on 2 nodes: 2 well" in text and f"mode          {mode}" in text, text)


def test_faulty():
    with Copy(LAB) as lab:
        lab.edit(lambda t: t.replace("10.244.0.0/16", "10.9.0.0/16"), "nodes", "node1", "kube-proxy-configz.json")
        lab.edit(lambda t: t.replace('"minSyncPeriod":"1s"', '"minSyncPeriod":"45s"'), "nodes", "node2", "kube-proxy-configz.json")
        doc = proxy("--bundle", lab.path, codes=(0, 1))
        expect("clustercidr-mismatch/node1/Node node1/10.9.0.0/16" in node(doc, "node1")["findings"], node(doc, "node1")["findings"])
        expect("clustercidr-mismatch" in {f["check"] for f in doc["findings"]}, "findings")
        text = run("proxy", "--bundle", lab.path, codes={0, 1}).out
        for words in ("10.244.0.0/16 on node2; 10.9.0.0/16 on node1", "podCIDRs of the nodes: 10.244.1.0/24, 10.244.2.0/24", "clusterCIDR of kube-proxy is 10.9.0.0/16",
                      "45s on node2"):
            expect(words in text, f"'{words}' is not in\n{text}")
        one = run("proxy", "--node", "node2", "--bundle", lab.path, codes={0, 1}).out
        expect("\nnode1 " not in one and "node2" in one, one)
        lines = run("proxy", "--bundle", lab.path, "-o", "lines", codes={0, 1}).out
        expect(any(x.split("\t")[2] == "clustercidr-mismatch" for x in lines.splitlines()), lines)
        expect("<testsuite" in run("proxy", "--bundle", lab.path, "-o", "junit", codes={0, 1}).out, "junit")
        expect_equal(run("proxy", "--bundle", lab.path, "--fail-on", "warning", "-q", codes={1}).out.count("cause:") +
                     run("proxy", "--bundle", lab.path, "--fail-on", "warning", "-q", codes={1}).out.count("warning:") > 0, True, "-q")
        run("proxy", "--node", "node7", "--bundle", lab.path, codes={64})


RANGES = (("kube-proxy-configz.json", "10.244.0.0/16", "10.96.0.0/12"), ("kube-proxy.log", "10.244.0.0/16", "10.96.0.0/12"),
          ("iptables-nft-save.txt", "10.244.0.0/16", "10.96.0.0/12"), ("iptables-legacy-save.txt", "10.244.0.0/16", "10.96.0.0/12"),
          ("nft-ruleset.json", '{"addr": "10.244.0.0", "len": 16}', '{"addr": "10.96.0.0", "len": 12}'))


def test_cluster_cidr():
    """The range of Services in its place, and rules that go by it: in every mode the one cause, and an error."""
    for name in MODES:
        with Copy(name) as lab:
            for file, old, new in RANGES:
                if os.path.exists(lab.file("nodes", "node2", file)):
                    lab.write(lab.read("nodes", "node2", file).replace(old, new), "nodes", "node2", file)
            told = [(f["severity"], f["check"], f["node"]) for f in proxy("--bundle", lab.path, codes=(1,))["findings"] if f["severity"] != "info"]
            expect_equal(told, [("error", "clustercidr-mismatch", "node2")], name)


def old_health(path):
    text = read(path)
    write(text.replace('"healthy":true', '"healthy":false').replace("07:30:0", "06:40:0", 1), path)


def test_many():
    """Twenty nodes fit on a screen, however many of them are not well."""
    for stale in (1, 13):
        with tempfile.TemporaryDirectory(prefix="svcdoctor-test-") as folder:
            for i in range(20):
                name = f"node-{i:02}"
                path = os.path.join(folder, "nodes", name)
                shutil.copytree(os.path.join(CORPUS, "lab-ipvs" if i == 4 else LAB, "nodes", "node1"), path, copy_function=shutil.copyfile)
                configz = os.path.join(path, "kube-proxy-configz.json")
                write(read(configz).replace('"hostnameOverride":"node1"', f'"hostnameOverride":"{name}"'), configz)
                if 5 <= i < 5 + stale:
                    old_health(os.path.join(path, "kube-proxy-healthz.json"))
            text = run("proxy", "--bundle", folder, codes={0, 1}).out
            expect(len(text.splitlines()) <= LINES_MOST, f"{len(text.splitlines())} lines:\n{text}")
            expect("iptables on 19 nodes; ipvs on node-04" in text and "node-05" in text, text)
            expect("kube-proxy on node-05" in text, text)
            doc = proxy("--bundle", folder, codes=(0, 1))
            expect_equal(len(doc["nodes"]), 20, "nodes")
            states = [n["state"] for n in doc["nodes"]]
            expect_equal(states.count("well"), 20 - stale - 1, f"states {states}")
            everything = run("proxy", "-v", "--bundle", folder, codes={0, 1}).out
            expect(all(f"\nnode-{i:02}   " in everything for i in range(20)), "a node is missing with -v")


def test_fleet():
    """Twenty nodes with the objects of their cluster: who does not sync and why, each named; all of a sound one are a number."""
    with Fleet(3) as b:
        doc = proxy("--bundle", b.path, codes=(1,))
        faulty = {n["node"]: n for n in doc["nodes"] if n["state"] == "faulty"}
        expect_equal(sorted(faulty), sorted(b.faults), "the nodes that are faulty")
        for name, (check, *_) in b.faults.items():
            n = faulty[name]
            expect_equal(n["findings"][0].split("/")[0], check, name)
            expect(n["rules"]["ports_complete"] < n["rules"]["ports_wanted"] and n["log"]["errors"] > 0, f"{name}: {n['rules']}")
        text = run("proxy", "--bundle", b.path, codes={1}).out
        expect(len(text.splitlines()) <= LINES_MOST, text)
        expect(all(re.search(rf"(?m)^  {name} +x ", text) and f"kube-proxy on {name} has not synced" in text for name in b.faults), text)
        expect("13 well" in text and f"nftables on {b.other}" in text, text)
    with Fleet(1, sound=True) as b:
        text = run("proxy", "--bundle", b.path, codes={0}).out
        expect("kube-proxy on 20 nodes: 20 well" in text and len(text.splitlines()) < 12, text)


# ---- a log alone ----

def forms(text):
    lines = text.splitlines()
    stamp = "2026-11-21T07:30:00.123456789Z"
    return {
        "klog": text,
        "cri": "".join(f"{stamp} stderr F {x}\n" for x in lines),
        "docker": "".join(json.dumps({"log": x + "\n", "stream": "stderr", "time": stamp}) + "\n" for x in lines),
        "journald": "".join(f"Nov 21 07:30:00 node1 kube-proxy[822]: {x}\n" for x in lines),
        "journald-json": "".join(json.dumps({"__REALTIME_TIMESTAMP": "1795246200123456", "SYSLOG_IDENTIFIER": "kube-proxy", "MESSAGE": x}) + "\n" for x in lines),
        "kubectl": "".join(f"{stamp} {x}\n" for x in lines),
    }


def test_log_alone():
    """Nothing else is read: neither a cluster nor this machine; each form says the same."""
    text = read(os.path.join(CORPUS, LAB, "nodes", "node1", "kube-proxy.log"))
    env = {"HOME": "/nonexistent", "KUBECONFIG": "/nonexistent", "SVCDOCTOR_BUNDLE": "/nonexistent"}
    with tempfile.TemporaryDirectory(prefix="svcdoctor-test-") as folder:
        for form, content in forms(text).items():
            path = os.path.join(folder, form + ".log")
            write(content, path)
            doc = run("proxy", "--log", path, "-o", "json", env=env, codes={0}).json
            expect_equal([(n["node"], n["label"], n["state"], n["mode"]) for n in doc["nodes"]], [(None, path, "well", "iptables")], form)
            expect_equal((doc["nodes"][0]["log"]["errors"], doc["skipped"], doc["looked_at"]), (0, [], []), form)
            p = subprocess.run([PROGRAM, "proxy", "--log", "-"], input=content.encode(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False, timeout=30,
                               env={**os.environ, **env})
            expect_equal((p.returncode, p.stderr), (0, b""), f"{form} on stdin")
            expect(p.stdout.startswith(b"looked at: a log of kube-proxy alone") and b"stdin   ok" in p.stdout, p.stdout.decode())
        two = run("proxy", "--log", os.path.join(folder, "klog.log"), "--log", os.path.join(folder, "cri.log"), "-o", "json", env=env, codes={0}).json
        expect_equal(len(two["nodes"]), 2, "two logs")
        empty = os.path.join(folder, "empty.log")
        write("", empty)
        expect_equal([n["state"] for n in run("proxy", "--log", empty, "-o", "json", env=env, codes={2}).json["nodes"]], ["unknown"], "an empty log")
        gone = run("proxy", "--log", os.path.join(folder, "gone.log"), "-o", "json", env=env, codes={2})
        expect_equal((gone.json["nodes"], len(gone.json["errors"])), ([], 1), "a log that is not there")
        run("proxy", "--log", "-", "--log", "-", env=env, codes={64})


def log_lines(*lines, codes):
    with tempfile.TemporaryDirectory(prefix="svcdoctor-test-") as folder:
        path = os.path.join(folder, "kube-proxy.log")
        write("".join(x + "\n" for x in lines), path)
        doc = run("proxy", "--log", path, "-o", "json", codes=codes).json
        return doc, run("proxy", "--log", path, codes=codes).out


def test_log_error_alone():
    """Up to 1.22 kube-proxy ends with the error and no words of its own; and what iptables says is known in any line."""
    doc, _ = log_lines("F0322 21:04:03.766676       1 server.go:495] open /proc/sys/net/netfilter/nf_conntrack_max: permission denied", codes={1})
    expect_equal([f["check"] for f in doc["findings"]], ["kube-proxy-crashloop-conntrack-sysctl"], "an end without words")
    doc, _ = log_lines("""E0322 21:04:03.766676       1 some.go:49] "Never heard of" err="exit status 2: iptables v1.8.4 (legacy): Couldn't load match `recent':No such file" """,
                       codes={1})
    expect_equal([f["check"] for f in doc["findings"]], ["xt-modules-missing"], "in a line that is not known")
    doc, _ = log_lines('E0322 21:04:03.766676       1 server.go:49] "Error running ProxyServer" err="error getting ipset version, error: exit status 1"', codes={1})
    expect_equal([f["check"] for f in doc["findings"]], ["kube-proxy-crashloop-ipvs-modules"], "an end for want of ipset")
    taken = 'err="listen tcp :32000: bind: address already in use"'
    for line, check in ((f'"Failed to start healthcheck" {taken} node="n1" service="shop/lb" port=32000', "service-hc-nodeport-bind-failure"),
                        (f'"can\'t open port, skipping it" {taken} port=":32000"', "nodeport-process-conflict"),
                        (f'"Healthz server failed" {taken}', "kube-proxy-healthz-bind-failure")):
        doc, _ = log_lines("E0322 21:04:03.766676       1 a.go:49] " + line, codes={0})
        expect_equal([f["check"] for f in doc["findings"]], [check], "whose port it is")
    for line in ('"Failed to execute iptables-restore"', '"Never heard of"'):
        doc, _ = log_lines(f'E0322 21:04:03.766676       1 a.go:49] {line} err="open /proc/sys/net/ipv4/x: permission denied"', codes={0, 1})
        expect(not [f for f in doc["findings"] if f["check"].startswith("kube-proxy-crashloop")], line)
    for line in ("""E0322 21:04:03.766676       1 event.go:49] "Never heard of" err="dial tcp 10.0.0.1:6443: connect: connection refused" ipFamily=IPv4""",
                 "I0322 21:04:03.766676       1 some.go:49] open /proc/sys/net/netfilter/nf_conntrack_max: permission denied"):
        doc, _ = log_lines(line, codes={0, 2})
        expect_equal(doc["findings"], [], line)


def test_log_words():
    """What sounds bad and is harmless is shown as it is written; what is not known is not called well; long values of a line are left out."""
    _, text = log_lines('W1122 10:13:18.794590       1 server_others.go:295] Flag proxy-mode="" unknown, assuming iptables proxy',
                        "E1122 10:13:18.874465       1 proxier.go:532] Error removing iptables rules in ipvs proxier: error deleting chain \"KUBE-MARK-MASQ\": exit status 1: "
                        "iptables: Too many links.", codes={0})
    expect(text.count("    harmless  ") == 2 and 'Flag proxy-mode=""' in text and "Too many links." in text, text)
    _, text = log_lines('E1122 10:13:18.874465       1 some.go:532] "Never heard of" err="nor of this"', codes={0})
    expect("! its log has errors that are not known here" in text, text)
    doc, text = log_lines('E1122 10:13:18.874465       1 run.go:74] "command failed" err="the moon is full"', codes={1})
    expect("cause: kube-proxy ended with an error: the moon is full" in text, text)
    doc, _ = log_lines("I1122 10:13:18.874465       1 server_others.go:1] Using ipxables Proxier.", codes={2})
    expect_equal(doc["nodes"][0]["mode"], None, "a mode that there is not")
    doc, text = log_lines("2026/01/01 10:00:00 [notice] 1#1: start worker processes", "nothing else", codes={2})
    expect("? none of its lines is known" in text and doc["nodes"][0]["state"] == "unknown", text)
    for extension, rest in (("mark", "rules=\"*nat\\n:KUBE-SERVICES - [0:0]\\n\" ipFamily=\"IPv6\""), ("comment", 'ipFamily="IPv4" rules="*filter\\n')):
        doc, text = log_lines('E1121 07:32:53.045481     819 proxier.go:1210] "Failed to execute iptables-restore" err="exit status 1: Warning: Extension '
                              f'{extension} revision 0 not supported, missing kernel module?\\n" {rest}', codes={1})
        expect(f"does not have xt_{extension}" in text and f"to do: load the module xt_{extension} on the node" in text and "KUBE-SERVICES" not in text, text)
        expect("rules=..." in doc["nodes"][0]["log"]["lines"][0]["text"], text)
    doc, _ = log_lines("E1121 07:32:53.045481     819 proxier.go:1210] \"Failed to execute iptables-restore\" err=\"exit status 2: iptables-restore v1.8.4 (legacy): "
                       "Couldn't load match `recent':No such file or directory\\n\"", codes={1})
    expect("recent" in doc["findings"][0]["text"], doc["findings"][0]["text"])


def test_log_beside():
    """Beside a bundle it is the log of the node that is named."""
    with Copy(LAB) as lab:
        lab.edit(lambda t: "".join(t.splitlines(True)[:5]), "nodes", "node1", "kube-proxy.log")
        log = os.path.join(CORPUS, LAB, "nodes", "node2", "kube-proxy.log")
        doc = proxy("--bundle", lab.path, "--node", "node1", "--log", log)
        expect_equal([n["node"] for n in doc["nodes"]], ["node1"], "nodes")
        text = run("proxy", "--log", log, "--node", "n7", codes={0}).out
        expect(text.startswith("looked at: a log of kube-proxy alone") and "\nn7   ok " in text, text)
        text = run("proxy", "--bundle", lab.path, "--log", log, codes={0, 1}).out
        expect("kube-proxy on 2 nodes, and 1 log of no known node: " in text, text)
        expect(doc["nodes"][0]["log"]["lines_read"] > 50, "the log is not the node's")


def test_missing_module():
    """What a recorded kube-proxy could not do, by its log alone."""
    log = os.path.join(CORPUS, "lab-ipvs-missing-module", "nodes", "node2", "kube-proxy.log")
    r = run("proxy", "--log", log, codes={1})
    expect("cause: kube-proxy cannot write its rules, the kernel does not have xt_ipvs" in r.out, r.out)
    doc = run("proxy", "--log", log, "-o", "json", codes={1}).json
    expect_equal([(f["check"], f["node"]) for f in doc["findings"] if f["severity"] == "error"], [("xt-modules-missing", None)], "findings")
    expect_equal(doc["nodes"][0]["findings"], [f["id"] for f in doc["findings"]], "ids")
    with tempfile.TemporaryDirectory(prefix="svcdoctor-test-") as folder:
        os.mkdir(os.path.join(folder, "a"))
        shutil.copy(log, os.path.join(folder, "a", "k.log"))
        shutil.copy(os.path.join(CORPUS, LAB, "nodes", "node1", "kube-proxy.log"), os.path.join(folder, "k.log"))
        p = subprocess.run([PROGRAM, "proxy", "--log", "k.log", "--log", "a/k.log", "-o", "json"], cwd=folder, stdout=subprocess.PIPE, check=False, timeout=30)
        expect_equal([(n["label"], n["state"]) for n in json.loads(p.stdout)["nodes"]], [("k.log", "well"), ("a/k.log", "faulty")], "two logs of like names")
    suite = ElementTree.fromstring(run("proxy", "--log", log, "-o", "junit", codes={1}).out)
    expect_equal((suite.get("tests"), suite.get("failures"), suite.find("testcase/failure").get("type")), ("1", "1", "xt-modules-missing"), "junit")
    suite = ElementTree.fromstring(run("proxy", "--bundle", os.path.join(CORPUS, LAB), "-o", "junit", codes={0}).out)
    expect_equal([(c.get("name"), len(c)) for c in suite], [("node1", 0), ("node2", 0)], "junit of sound nodes")


# ---- from where ----

def test_seats():
    with ApiServer(os.path.join(CORPUS, LAB)) as s, tempfile.TemporaryDirectory() as home:
        env = {"KUBECONFIG": s.kubeconfig(), "HOME": home}
        doc = run("proxy", "-o", "json", env=env, codes={0}).json
        for n in doc["nodes"]:
            expect_equal((n["state"], n["pod"] is not None, n["version"], n["mode"]), ("well", True, "v1.36.2", "iptables"), f"live {n['node']}")
            expect(n["log"] and n["log"]["lines_read"] > 50, f"live {n['node']}: no log")
        expect_equal(len(doc["nodes"]), 2, "nodes of a live cluster")
        expect(all(q.method == "GET" for q in s.requests), "something else than GET was sent")
        one = run("proxy", "--node", "node2", "-o", "json", env=env, codes={0}).json
        expect_equal([n["node"] for n in one["nodes"]], ["node2"], "--node")
    rules = {"dev": [Rule("get,list", "*", namespace="kube-system")], "none": [Rule("get,list", "*", namespace="shop")]}
    with ApiServer(os.path.join(CORPUS, LAB), rules=rules) as s, tempfile.TemporaryDirectory() as home:
        env = {"KUBECONFIG": s.kubeconfig("dev", groups=["developers"], namespace="kube-system"), "HOME": home}
        r = run("proxy", env=env, codes={0, 2})
        expect("kube-proxy on 2 nodes" in r.out and "kube-proxy-0" in r.out, r.out + r.err)
        r = run("proxy", env={"KUBECONFIG": s.kubeconfig("none", groups=["developers"], namespace="shop"), "HOME": home}, codes={77, 2})
        expect("403" in r.err + r.out or "forbidden" in r.err + r.out, r.out + r.err)


# what its ports do: the state of the node, and what is found
STATES = (
    ("healthy", {}, "well", set()),
    ("stale", {"healthz": "stale", "livez": "stale"}, "warned", {"kube-proxy-healthz-stale", "kube-proxy-not-syncing"}),
    ("draining", {"healthz": "draining", "livez": "draining"}, "well", set()),
    ("another mode", {"proxyMode": "ipvs"}, "warned", {"kube-proxy-mode-differs"}),
    ("hangs", {p: "hanging" for p in PAGES}, None, {"kube-proxy-port-silent"}),
)


def ports(world, pages, state, found):
    with ProxyServer(world.node, pages):
        r = run("proxy", "--netns", world.node.name, "-o", "json", env=NO_HOME, codes={0, 1, 2})
        n = node(r.json, world.node.name)
        if state:
            expect_equal(n["state"], state, [f["text"] for f in r.json["findings"]])
        checks = {f["check"] for f in r.json["findings"] if f["severity"] != "info"}
        expect(not found and not checks or found & checks, f"findings: {checks}")
        text = run("proxy", "--netns", world.node.name, env=NO_HOME, codes={0, 1, 2}).out
        expect(world.node.name in text and "health " in text and "pid " in text, text)


def test_refused(world):
    with ProxyServer(world.node, binds={}):
        r = run("proxy", "--netns", world.node.name, "-o", "json", env=NO_HOME, codes={0, 1, 2})
        expect("refused" in json.dumps(node(r.json, world.node.name)["health"]), r.out)
        expect_equal({f["check"] for f in r.json["findings"]} & {"kube-proxy-port-silent"}, {"kube-proxy-port-silent"}, "findings")


def on_a_node(t):
    """Without a kubeconfig: the node's own ports, processes and kernel."""
    missing = lacks("ip", "bash")
    if missing:
        t.skip("on a node", missing)
        return
    with World() as world:
        for name, *rest in STATES:
            t.run("on a node: " + name, ports, world, *rest)
        t.run("on a node: refused", test_refused, world)


def main():
    t = Tests()
    for test in (test_sound, test_faulty, test_cluster_cidr, test_many, test_fleet, test_log_alone, test_log_error_alone, test_log_words, test_log_beside,
                 test_missing_module, test_seats):
        t.run(test.__name__[5:], test)
    on_a_node(t)
    t.finish()


if __name__ == "__main__":
    main()
