#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""kube-proxy's own ports, asked on the node: a real HTTP server in a namespace, in every state, through `collect`, `collect --script node` and a
command that judges. Nothing but these ports of this machine is asked, and nothing takes longer than their time limit."""
import io
import json
import os
import re
import shutil
import sys
import tarfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from api_cluster import Answer  # noqa: E402
from api_server import ApiServer  # noqa: E402
from common import Copy, Tests, expect, expect_equal, run  # noqa: E402
from node_world import Node, lacks  # noqa: E402
from proxy_server import PAGES, ProxyServer, good, health  # noqa: E402
from test_node_live import NO_HOME, Folder, collect  # noqa: E402
from test_script import by_shell, script  # noqa: E402

FILES = {"healthz": "kube-proxy-healthz.json", "livez": "kube-proxy-livez.json", "proxyMode": "kube-proxy-mode.txt", "configz": "kube-proxy-configz.json",
         "metrics": "kube-proxy-metrics.txt"}


class World:
    def __enter__(self):
        self.node = Node(None, addresses=False).__enter__()
        self.node.run("ip", "link", "set", "lo", "up")
        self.folder = Folder().__enter__()
        return self

    def __exit__(self, *exc):
        self.folder.__exit__()
        self.node.__exit__()

    def collect(self):
        """The node's files by name."""
        shutil.rmtree(self.folder.join("collected"), ignore_errors=True)
        bundle, _ = collect(self.node, self.folder)
        top = os.path.join(bundle, "nodes", self.node.name)
        files = {}
        for name in os.listdir(top):
            with open(os.path.join(top, name), "rb") as f:
                files[name] = f.read()
        self.bundle = bundle
        return files


def http(files):
    return dict(line.split(" ", 1) for line in files.get("kube-proxy-http.txt", b"").decode().splitlines())


# state of some pages: what kube-proxy-http.txt says of them, and which have a file
STATES = (
    ("healthy", {}, {p: "200" for p in PAGES}, set(PAGES)),
    ("stale", {"healthz": "stale", "livez": "stale"}, {"healthz": "503", "livez": "503"}, {"healthz", "livez"}),
    ("draining", {"healthz": "draining", "livez": "draining"}, {"healthz": "503", "livez": "200"}, {"healthz", "livez"}),
    ("before 1.28", {"healthz": "old", "livez": "not-found"}, {"healthz": "200", "livez": "404"}, {"healthz"}),
    ("before 1.17", {"healthz": "oldest", "livez": "not-found"}, {"healthz": "200", "livez": "404"}, {"healthz"}),
    ("stale before 1.32", {"healthz": "old-stale", "livez": "old-stale"}, {"healthz": "503", "livez": "503"}, {"healthz", "livez"}),
    ("another mode", {"proxyMode": "ipvs"}, {"proxyMode": "200"}, {"proxyMode"}),
    ("hangs", {p: "hanging" for p in PAGES}, {p: "silent" for p in PAGES}, set()),
    ("takes nothing", {p: "full" for p in PAGES}, {p: "silent" for p in PAGES}, set()),
    ("half of it hangs", {"healthz": "hanging", "metrics": "drops"}, {"healthz": "silent", "metrics": "silent", "proxyMode": "200"}, {"proxyMode", "livez", "configz"}),
    ("garbage", {p: "garbage" for p in PAGES}, {p: "strange" for p in PAGES}, set()),
    ("something else", {p: "other" for p in PAGES}, {p: "strange" for p in PAGES}, set()),
    ("redirects", {p: "redirect" for p in PAGES}, {p: "302" for p in PAGES}, set()),
    ("nothing there", {p: "not-found" for p in PAGES}, {p: "404" for p in PAGES}, set()),
    ("just ends", {p: "ends" for p in PAGES}, {p: "strange" for p in PAGES}, set()),
    ("is cut short", {p: "short" for p in PAGES}, {p: "strange" for p in PAGES}, set()),
    ("a head without end", {p: "chatty" for p in PAGES}, {p: "strange" for p in PAGES}, set()),
    ("slow", {p: "slow" for p in PAGES}, {p: "200" for p in PAGES}, set(PAGES)),
    ("endless", {p: "endless" for p in PAGES}, {**{p: "strange" for p in PAGES}, "metrics": "200"}, {"metrics"}),
)


def states(world, name, pages, want, with_file):
    with ProxyServer(world.node, pages):
        files = world.collect()
        said = http(files)
        for page, how in want.items():
            expect_equal(said.get(page), how, f"{name}: {page}")
        for page in want:
            expect_equal(FILES[page] in files, page in with_file, f"{name}: {FILES[page]} is there")
            if page in with_file and pages.get(page, "healthy") in ("healthy", "slow") and page not in ("healthz", "livez"):
                expect_equal(files[FILES[page]], good(page), f"{name}: {FILES[page]}")
        expect(len(files.get("kube-proxy-metrics.txt", b"")) <= 16 << 20, f"{name}: {len(files.get('kube-proxy-metrics.txt', b''))} bytes of metrics")
        expect(b"kube-proxy -c" in files["ps.txt"], f"{name}: ps.txt: {files.get('ps.txt')}")
        seen(name, run("proxy", "-o", "json", "--bundle", world.bundle, codes=(0, 1, 2)))
        if "hang" not in name and name in SEEN:
            seen(name, run("proxy", "-o", "json", "--netns", world.node.name, env=NO_HOME, codes=(0, 1, 2)))


# What the user is told of the states that are a fault; of all others nothing.
SEEN = {"stale": {"kube-proxy-healthz-stale"}, "stale before 1.32": {"kube-proxy-healthz-stale"}, "hangs": {"kube-proxy-port-silent"},
        "takes nothing": {"kube-proxy-port-silent"}, "half of it hangs": {"kube-proxy-port-silent"}, "another mode": {"kube-proxy-mode-differs"},
        "healthy": set(), "draining": set()}


def seen(name, r):
    found = [f["check"] for f in r.json["findings"]]
    expect_equal(set(found), SEEN.get(name, set()), f"{name}: what {r} finds")


# ---- where it is asked ----

def everything(files, what):
    expect_equal(http(files), {p: "200" for p in PAGES}, what)


def refused(world):
    """kube-proxy runs, and nobody listens."""
    with ProxyServer(world.node, binds={}, flags=["--proxy-mode=ipvs"]):
        files = world.collect()
        expect_equal(http(files), {p: "refused" for p in PAGES}, "its ports")
        expect(b" --proxy-mode=ipvs\n" in files["ps.txt"], str(files["ps.txt"]))
        for args in (("--bundle", world.bundle), ("--netns", world.node.name)):
            d = run("proxy", "-o", "json", *args, env=NO_HOME, codes=(0, 1, 2)).json
            expect_equal([f["check"] for f in d["findings"]], ["kube-proxy-port-silent"], "what is found")
            expect_equal(d["nodes"][0]["mode_asked"], "ipvs", "its mode, by the command line")


def nobody(world):
    """No kube-proxy, and nobody listens: nothing is asked; in a namespace beside the machine's nobody knows whose processes are missing."""
    files = world.collect()
    expect("ps.txt" not in files and "kube-proxy-http.txt" not in files, str(sorted(files)))


def another_program(world):
    """Whoever listens there is asked; it may answer in kube-proxy's place."""
    with ProxyServer(world.node, {"proxyMode": "not-found", "configz": "garbage"}, called="cilium-agent", env={"PROXY_COMM": "cilium-agent"}):
        files = world.collect()
        expect_equal(http(files), {"healthz": "200", "livez": "200", "proxyMode": "404", "configz": "strange", "metrics": "200"}, "its ports")
        expect("ps.txt" not in files, str(files.get("ps.txt")))


def inside(world):
    """k3s is kube-proxy too; what else stands on its command line is nobody's business."""
    with ProxyServer(world.node, called="k3s-server", flags=["--token=not-to-be-seen"], env={"PROXY_COMM": "k3s-server"}):
        files = world.collect()
        everything(files, "its ports")
        expect(re.fullmatch(rb" *\d+ +\d+ k3s-server\n", files["ps.txt"]), str(files["ps.txt"]))


def elsewhere(world):
    """At the addresses and ports that its flags, its configuration or its sockets say."""
    ports = {"health": ("127.0.0.1", 20256), "metrics": ("::1", 20249)}
    with ProxyServer(world.node, binds=ports, flags=["--healthz-bind-address=127.0.0.1:20256", "--metrics-bind-address", "[::1]:20249"]):
        everything(world.collect(), "by its flags")
    config = world.folder.join("config.conf")
    with open(config, "w", encoding="utf-8") as f:
        f.write("kind: KubeProxyConfiguration\nhealthzBindAddress: 0.0.0.0:20256\nmetricsBindAddress: \"[::1]:20249\"\n")
    with ProxyServer(world.node, binds=ports, flags=[f"--config={config}"]):
        everything(world.collect(), "by its configuration")
    with ProxyServer(world.node, binds={"health": ("::", 10256), "metrics": ("::1", 10249)}):
        everything(world.collect(), "by its sockets")
    world.node.run("ip", "addr", "add", "172.30.99.1/32", "dev", "lo")
    with ProxyServer(world.node, binds={"health": ("172.30.99.1", 10256), "metrics": ("172.30.99.1", 10249)}, flags=["--config=/nonexistent"]):
        everything(world.collect(), "by sockets at the node's own address")


def not_asked(world):
    """What is turned off, or may be elsewhere, or is at an address of somebody else, is not asked."""
    with ProxyServer(world.node, binds={}, flags=["--healthz-port=0", "--metrics-bind-address="]):
        expect("kube-proxy-http.txt" not in world.collect(), "what is turned off was asked")
    with ProxyServer(world.node, binds={}, flags=["--config=/nonexistent"]):
        expect("kube-proxy-http.txt" not in world.collect(), "somebody knows what stands in a file that is not there")
    with ProxyServer(world.node, binds={}, flags=["--healthz-bind-address=192.0.2.1:10256", "--metrics-bind-address=192.0.2.1"]):
        expect("kube-proxy-http.txt" not in world.collect(), "somebody else was asked")


def by_script(world):
    """The script of ordinary commands sees the same."""
    text = script()
    if not shutil.which("curl"):
        return "not run: no curl here"
    config = world.folder.join("config.conf")
    with open(config, "w", encoding="utf-8") as f:
        f.write("kind: KubeProxyConfiguration\nhealthzBindAddress: \"\"\nmetricsBindAddress: 127.0.0.1:20249\n")
    for name, pages, binds, flags in (
            ("healthy", {}, None, ()), ("ill", {"healthz": "stale", "livez": "not-found", "proxyMode": "hanging", "configz": "ends"}, None, ()),
            ("refused", {}, {}, ()), ("by a file", {}, {"health": ("127.0.0.1", 10256), "metrics": ("127.0.0.1", 20249)}, (f"--config={config}",)),
            ("by flags", {}, {"health": ("127.0.0.1", 20256), "metrics": ("::1", 20249)}, ("--healthz-bind-address=0.0.0.0:20256", "--metrics-bind-address=[::1]:20249"))):
        with ProxyServer(world.node, pages, binds=binds, flags=flags):
            want = world.collect()
            for shell in (("dash",), ("busybox", "sh")):
                rc, tar, err = by_shell(shell, world.node, text)
                expect_equal(rc, 0, err)
                with tarfile.open(fileobj=io.BytesIO(tar)) as t:
                    got = {m.name.split("/")[-1]: t.extractfile(m).read() for m in t.getmembers() if m.isfile()}
                expect_equal(http(got), http(want), f"{name}: {shell}")
                expect_equal(re.sub(rb"^ *(\d+) +\d+ ", rb"\1 ", got["ps.txt"]), re.sub(rb"^ *(\d+) +\d+ ", rb"\1 ", want["ps.txt"]), f"{name}: {shell}: ps.txt")
                for f in FILES.values():
                    expect_equal(got.get(f), want.get(f), f"{name}: {shell}: {f}")
    expect("ps.txt" not in world.collect(), "a process is left")
    rc, tar, err = by_shell(("dash",), world.node, text)
    expect(b"ps.txt" not in tar and b"kube-proxy-http.txt" not in tar, "there is no kube-proxy, and it was found")
    return None


# ---- through the API server ----

DRAINED = health(30, True, False)
LIVE = health(30, True)


def put(path, text):
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)


class Served:
    """A lab behind an API server, with @files of its nodes changed, and a ConfigMap of kube-proxy."""

    def __init__(self, files=None, config=None):
        self.files, self.config = files or {}, config

    def __enter__(self):
        self.copy = Copy("lab-iptables-nft").__enter__()
        for name, text in self.files.items():
            path = self.copy.file("nodes", name)
            if text is None:
                os.unlink(path)
            else:
                put(path, text)
        path = self.copy.file("cluster", "configmaps.json")
        with open(path, encoding="utf-8") as f:
            document = json.load(f)
        document["items"] = [i for i in document["items"] if i["metadata"]["name"] != "kube-proxy"]
        if self.config is not None:
            document["items"].append({"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": "kube-proxy", "namespace": "kube-system"},
                                      "data": {"config.conf": "kind: KubeProxyConfiguration\n" + self.config}})
        put(path, json.dumps(document))
        self.server = ApiServer(self.copy.path).__enter__()
        return self

    def __exit__(self, *exc):
        self.server.__exit__(*exc)
        self.copy.__exit__(*exc)

    def health(self, what):
        """What the ports of each node are said to answer, and what was asked of whom."""
        r = run("proxy", "-o", "json", env={"KUBECONFIG": self.server.kubeconfig(), "HOME": "/nonexistent"}, codes=(0, 1, 2))
        asked = [re.sub(r".*/pods/kube-proxy-(\d)%3A(\d+)/proxy", r"\1:\2", q.target) for q in self.server.requests if "/pods/kube-proxy-" in q.target and "/proxy/" in q.target]
        self.nodes = {n["node"]: n for n in r.json["nodes"]}
        return {name: {p: v.get("status") or v["end"] for p, v in n["health"].items() if isinstance(v, dict)} for name, n in self.nodes.items()}, sorted(asked), what


def api_healthy():
    """Nothing but /healthz is asked, and nothing where nobody could answer."""
    with Served() as s:
        got, asked, _ = s.health("healthy")
        expect_equal(got, {"node1": {"healthz": 200}, "node2": {"healthz": 200}}, "ports")
        expect_equal(asked, ["0:10256/healthz", "1:10256/healthz"], "what was asked")
    with Served(config="metricsBindAddress: 127.0.0.1:10249\nhealthzBindAddress: 127.0.0.1:10256\n") as s:
        got, asked, _ = s.health("on loopback")
        expect_equal((got, asked), ({"node1": {}, "node2": {}}, []), "ports on loopback")


def api_ill():
    """Of a 503 the body counts, and /livez tells a node that is going from one that is stuck."""
    with Served({"node2/kube-proxy-healthz.json": DRAINED, "node2/kube-proxy-livez.json": LIVE, "node1/kube-proxy-healthz.json": health(2460, False)}) as s:
        got, asked, _ = s.health("ill")
        expect_equal(got, {"node1": {"healthz": 503}, "node2": {"healthz": 503, "livez": 200}}, "ports")
        expect_equal(asked, ["0:10256/healthz", "0:10256/livez", "1:10256/healthz", "1:10256/livez"], "what was asked")
        expect_equal([s.nodes[n]["health"]["node_eligible"] for n in ("node1", "node2")], [True, False], "eligible")
        expect(s.nodes["node1"]["syncs"]["finished"]["IPv4"]["at"], str(s.nodes["node1"]["syncs"]))
        made = s.copy.file("made")
        run("collect", "-w", made, env={"KUBECONFIG": s.server.kubeconfig(), "HOME": "/nonexistent"}, codes=(0, 1, 2))
        seen = {}
        for n in ("node1", "node2"):
            for f in ("kube-proxy-http.txt", "kube-proxy-healthz.json", "kube-proxy-livez.json"):
                path = os.path.join(made, "nodes", n, f)
                seen[n, f] = open(path, encoding="utf-8").read() if os.path.exists(path) else None  # pylint: disable=consider-using-with
        expect_equal(seen["node1", "kube-proxy-http.txt"], "healthz 503\n", "node1")
        expect_equal(seen["node2", "kube-proxy-http.txt"], "healthz 503\nlivez 200\n", "node2")
        expect_equal((seen["node2", "kube-proxy-healthz.json"], seen["node2", "kube-proxy-livez.json"], seen["node1", "kube-proxy-livez.json"]), (DRAINED, LIVE, None), "bodies")


def api_refused():
    """That nobody listens is said of the one node, where everybody could be listened to."""
    with Served({"node2/kube-proxy-healthz.json": None}, "healthzBindAddress: 0.0.0.0:10256\n") as s:
        got, _, _ = s.health("refused")
        expect_equal(got, {"node1": {"healthz": 200}, "node2": {"healthz": "refused"}}, "ports")
    with Served({"node2/kube-proxy-healthz.json": None}) as s:
        got, _, _ = s.health("nobody knows where it should be")
        expect_equal(got, {"node1": {"healthz": 200}, "node2": {}}, "ports")
    with Served({"node2/kube-proxy-healthz.json": "<html>"}) as s:
        s.server.hook = lambda q: Answer(200, b"<html>hello", "text/html") if "kube-proxy-1%3A10256" in q.target else None
        got, _, _ = s.health("something else")
        expect_equal(got, {"node1": {"healthz": 200}, "node2": {"healthz": "strange"}}, "ports")


def api_open():
    """The other port is asked where it is open to others."""
    with Served({"node1/open": ""}, "metricsBindAddress: 0.0.0.0:10249\n") as s:
        got, asked, _ = s.health("open")
        pages = {"healthz": 200, "proxyMode": 200, "configz": 200, "metrics": 200}
        expect_equal(got, {"node1": pages, "node2": {"healthz": 200, "proxyMode": "refused", "configz": "refused", "metrics": "refused"}}, "ports")
        expect(asked.count("0:10249/metrics") == 1 and not any("livez" in a for a in asked), str(asked))
        expect_equal(s.nodes["node1"]["rules"].get("rules_by_metrics"), 159, "its metrics")


def api_away():
    """One node whose kubelet is away hides nothing of the others; what may not be read is told, and by nobody's fault is anything wrong."""
    def lost(q):
        if "/kube-proxy-0" not in q.target or not ("/log" in q.target or "/proxy/" in q.target):
            return None
        return Answer(500, b'{"kind":"Status","apiVersion":"v1","status":"Failure","message":"dial tcp 172.30.99.1:10250: i/o timeout","code":500}', "application/json")
    with Served(config="metricsBindAddress: 0.0.0.0:10249\n") as s:
        s.server.hook = lost
        got, asked, _ = s.health("one node is away")
        expect_equal(got, {"node1": {}, "node2": {"healthz": 200, "proxyMode": "refused", "configz": "refused", "metrics": "refused"}}, "ports")
        expect_equal(asked.count("1:10249/metrics"), 1, "what was asked")
        expect(s.nodes["node2"]["log"], "the log of the other node")
        text = run("proxy", env={"KUBECONFIG": s.server.kubeconfig(), "HOME": "/nonexistent"}, codes=(2,)).out
        expect("not read: cannot get pods/kube-proxy-0/proxy" in text and "cannot get pods/kube-proxy-0/log" in text and "i/o timeout" in text, text)
    with Served() as s:
        s.server.rules = {"bob": lambda a: a.resource not in ("pods/log", "pods/proxy", "nodes/proxy")}
        r = run("proxy", env={"KUBECONFIG": s.server.kubeconfig(user="bob"), "HOME": "/nonexistent"}, codes=(2,))
        expect('cannot get resource "pods/log"' in r.out and 'cannot get resource "pods/proxy"' in r.out, r.out)
        expect_equal(sum("/log" in q.target or "/proxy/" in q.target for q in s.server.requests if "/pods/kube-proxy" in q.target), 2, "what is forbidden is asked once")


def main():
    t = Tests()
    for test in (api_healthy, api_ill, api_refused, api_open, api_away):
        t.run(test.__name__.replace("_", " "), test)
    missing = lacks("ip", "bash")
    if missing:
        t.skip("proxy ports", missing)
        t.finish()
    with World() as world:
        for state in STATES:
            t.run(state[0], states, world, *state)
        for test in (refused, nobody, another_program, inside, elsewhere, not_asked, by_script):
            t.run(test.__name__.replace("_", " "), test, world)
    t.finish()


if __name__ == "__main__":
    main()
