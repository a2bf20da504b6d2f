#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The live node: what is read of a namespace with a lab's rules is what a bundle of the same texts gives, alone and beside a cluster; who may
not read rules is told what is missing; and a machine is only taken for a node where it is one."""
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from common import CORPUS, PROGRAM, Copy, Tests, expect, expect_equal, run, sh, short  # noqa: E402
from node_world import Node, lacks  # noqa: E402
from api_server import ApiServer  # noqa: E402

LABS = ("lab-iptables-nft", "lab-iptables-legacy", "lab-nftables")
NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
NO_HOME = {"HOME": "/nonexistent", "KUBECONFIG": ""}
TRACED = {"ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":detect_leaks=0"}  # which traces the program itself
ORIGIN = re.compile(r"(bundle '[^']*'( and bundle '[^']*')*|network namespace '[^']*' of this machine)")


class Folder:
    def __enter__(self):
        self.path = tempfile.mkdtemp(prefix="svcdoctor-node-")
        return self

    def __exit__(self, *exc):
        shutil.rmtree(self.path, ignore_errors=True)

    def join(self, *parts):
        return os.path.join(self.path, *parts)


def without_source(document):
    """The document but for where it comes from, and for the source flags of its commands."""
    for x in document["looked_at"]:
        x["source"] = "-"
    text = json.dumps(document, indent=1, sort_keys=True)
    text = re.sub(r" --(bundle|netns|node) [^ \"]+", "", text)
    text = text.replace("the bundle holds no DNS answers", "there are no DNS answers")
    return ORIGIN.sub("-", text).split("\n")


def same(a, b, what):
    x, y = without_source(a.json), without_source(b.json)
    for i, (p, q) in enumerate(zip(x, y)):
        expect(p == q, lambda p=p, q=q, i=i: f"{what}: live {short(p, 300)}, bundle {short(q, 300)}; before: {x[max(0, i - 6):i]}")
    expect_equal(len(x), len(y), f"{what}: lines")


def collect(node, folder, *args):
    target = folder.join("collected")
    r = run("collect", "-w", target, "--netns", node.name, *args, codes=(0,), env=NO_HOME)
    return target, r


# ---- what is read ----

SEND = "import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', 5599))"


def connections():
    """The table of connections is written down by collect."""
    with Node("lab-iptables-nft") as node, Folder() as folder:
        sh("ip", "-n", node.name, "link", "set", "lo", "up")
        sh("ip", "netns", "exec", node.name, "python3", "-c", SEND)
        bundle, _ = collect(node, folder)
        with open(os.path.join(bundle, "nodes", node.name, "conntrack.txt"), encoding="utf-8") as f:
            expect("dport=5599 [UNREPLIED] src=127.0.0.1 " in f.read(), "the connection is not there")


def alone(lab):
    with Node(lab) as node, Folder() as folder:
        bundle, r = collect(node, folder)
        expect(f"node '{node.name}'" in r.err, r.err)
        for command in (("verify", "-A"), ("diagnose", "-A"), ("rules", "-A"), ("trace", "10.244.1.9", "10.96.0.10:53/UDP"), ("endpoints", "-A"), ("hairpin",)):
            live = run(*command, "-o", "json", "--netns", node.name, env=NO_HOME)
            same(live, run(*command, "-o", "json", "--bundle", bundle), " ".join(command))
            expect(live.rc in (0, 1, 2), f"{live}: {live.rc}: {short(live.err)}")
        text = run("verify", "-A", "--netns", node.name, env=NO_HOME).out
        expect(text.startswith(f"looked at: network namespace '{node.name}' of this machine (no cluster objects: Services as the comments of the rules"), text)
        expect("rules of " + node.name in text, text)
        about = json.load(open(os.path.join(bundle, "bundle.json"), encoding="utf-8"))
        expect_equal((about["schema"], about["origin"]["node"], about["origin"]["missing"]), ("svcdoctor.bundle/1", node.name, []), "bundle.json")
        return f"{len(os.listdir(os.path.join(bundle, 'nodes', node.name)))} files"


def both_backends():
    """The same rules twice, and a foreign DROP: in which order the texts lie in a folder, in an archive or in the kernel makes no difference."""
    with Node("lab-iptables-nft") as node, Folder() as folder:
        node.lab = "lab-iptables-legacy"
        for six in ("", "6"):
            node.restore(f"ip{six}tables-legacy-save.txt", f"ip{six}tables-legacy-restore")
        node.run("iptables-legacy", "-I", "FORWARD", "-d", "10.244.1.2", "-j", "DROP")
        bundle, _ = collect(node, folder)
        archive = folder.join("collected.tar")
        run("collect", "-w", archive, "--netns", node.name, codes=(0,), env=NO_HOME)
        for command in (("verify", "-A"), ("trace", "10.244.1.9", "10.96.0.10:53/UDP"), ("trace", "outside", "172.30.99.1:32147")):
            live = run(*command, "-o", "json", "--netns", node.name, env=NO_HOME)
            same(live, run(*command, "-o", "json", "--bundle", bundle), " ".join(command))
            same(live, run(*command, "-o", "json", "--bundle", archive), " ".join(command) + " of the archive")
        expect("dropped by a rule that is not kube-proxy's" in run("verify", "-A", "--netns", node.name, codes=(1,), env=NO_HOME).out, "the DROP")


def with_cluster(lab):
    """Beside a bundle, and beside an API server: the node is known by its addresses."""
    with Node(lab) as node, Folder() as folder, ApiServer(os.path.join(CORPUS, lab)) as server:
        cluster = folder.join("cluster")
        shutil.copytree(os.path.join(CORPUS, lab, "cluster"), os.path.join(cluster, "cluster"))
        bundle, _ = collect(node, folder, "--node", "node1")
        for command in ("verify", "diagnose"):
            live = run(command, "-A", "-o", "json", "--netns", node.name, "--bundle", cluster)
            same(live, run(command, "-A", "-o", "json", "--bundle", cluster, "--bundle", bundle), command)
            expect_equal(run(command, "-A", "-o", "json", "--netns", node.name, "--bundle", cluster, "--node", "node1").json["looked_at"][-1]["node"],
                         "node1", "its name")
        r = run("verify", "-A", "-o", "json", "--netns", node.name, "--kubeconfig", server.kubeconfig())
        expect_equal([x["node"] for x in r.json["looked_at"] if x["what"] == "rules"], ["node1"], "the nodes")
        expect_equal(r.json["differences"], [], "differences")
        expect(r.json["decided"] > 20, f"{r.json['decided']} decided")
        expect(not server.crimes, server.crimes)
        r = run("diagnose", "web", "--netns", node.name, "--kubeconfig", server.kubeconfig(), codes=(0, 2))
        expect("of this machine, namespace default (Kubernetes v1.36.2; rules of node1)" in r.out and "rules      ok node1" in r.out, r.out)
        expect(not r.err or "svcdoctor: " in r.err, r.err)
        r = run("trace", "10.244.1.9", "default/web", "--netns", node.name, "--kubeconfig", server.kubeconfig(), codes=(0, 2))
        expect("10.244.1" in r.out, r.out)


def broken():
    """A rule is taken out of the kernel: the live node is broken, the commands that are printed look at it again."""
    lab = "lab-iptables-nft"
    with Node(lab) as node:
        bundle = ("--bundle", os.path.join(CORPUS, lab))
        before = run("verify", "-A", "-o", "json", "--netns", node.name, "--node", "node1", *bundle).json
        expect_equal(before["differences"], [], "before")
        text = node.run("iptables-nft-save", "-t", "nat").decode()
        chain = re.search(r"^-A (KUBE-SVC-\w+) .* -j KUBE-SEP-", text, re.M).group(1)
        node.run("iptables-nft", "-t", "nat", "-F", chain)
        r = run("verify", "-A", "--netns", node.name, "--node", "node1", *bundle, codes=(1,))
        expect(f"--netns {node.name}" in r.out and chain in r.out, r.out)
        command = re.search(r"svcdoctor (trace .*)", r.out).group(1)
        again = run(*command.split(), codes=(0, 1, 2))
        expect("reply" in again.out or "ends" in again.out, again.out)


def watched():
    """Look after look: nothing is said while nothing changes, and what breaks meanwhile is."""
    with Node("lab-iptables-nft") as node:
        args = ("diagnose", "-A", "--watch", "--interval", "300ms", "--timeout", "3s", "--netns", node.name)
        quiet = run(*args, env=NO_HOME)
        expect(not re.search(r"^\d\d:\d\d:\d\d", quiet.out, re.M), quiet.out)
        text = node.run("iptables-nft-save", "-t", "nat").decode()
        chain = re.search(r"^-A (KUBE-SVC-\w+) .* -j KUBE-SEP-", text, re.M).group(1)
        p = subprocess.Popen(["sh", "-c", f"sleep 1; exec ip netns exec {node.name} iptables-nft -t nat -F {chain}"])
        loud = run(*args, env=NO_HOME)
        expect_equal(p.wait(), 0, "the flush")
        expect(re.search(r"^\d\d:\d\d:\d\d", loud.out, re.M), loud.out + loud.err)
        expect("no longer there" not in quiet.out, quiet.out)


def api_is_down():
    """The node is judged alone, and that the API server was not there is told: 2, not 69."""
    with Node("lab-iptables-legacy") as node, Folder() as folder:
        config = folder.join("config")
        with open(config, "w", encoding="utf-8") as f:
            json.dump({"apiVersion": "v1", "kind": "Config", "current-context": "a", "clusters": [{"name": "a", "cluster": {"server": "https://127.0.0.1:1"}}],
                       "contexts": [{"name": "a", "context": {"cluster": "a", "user": "u"}}], "users": [{"name": "u", "user": {"token": "x"}}]}, f)
        r = run("verify", "-A", "--netns", node.name, "--kubeconfig", config, codes=(2,))
        expect("cannot reach the API server" in r.err and " 0 decided" not in r.out and "no difference" in r.out, r.out + r.err)
        run("verify", "-A", "--kubeconfig", config, codes=(69,))
        run("collect", "-w", folder.join("made"), "--netns", node.name, "--kubeconfig", config, codes=(2,))
        about = json.load(open(folder.join("made", "bundle.json"), encoding="utf-8"))
        expect(about["origin"]["node"] == node.name and about["origin"]["missing"], about)


# ---- rights ----

AS_NETADMIN = (*NOBODY, "--inh-caps=-all,+net_admin", "--ambient-caps=-all,+net_admin")


def few_rights():
    """What could not be read is no more known, and no less, from the bundle than it was on the node: legacy tables are not taken as empty."""
    lab = "lab-iptables-nft"
    with Node(lab) as node, Folder() as folder:
        os.chmod(folder.path, 0o777)
        program = shutil.copy(PROGRAM, folder.join("svcdoctor"))
        cluster = folder.join("cluster")
        shutil.copytree(os.path.join(CORPUS, lab, "cluster"), os.path.join(cluster, "cluster"))
        for who, lacking in ((AS_NETADMIN, "CAP_DAC_READ_SEARCH"), (NOBODY, "CAP_NET_ADMIN")):
            def there(*args, who=who):
                p = subprocess.run(["ip", "netns", "exec", node.name, *who, program, *args], stdin=subprocess.DEVNULL, capture_output=True, cwd="/",
                                   env={"HOME": "/nonexistent", "PATH": "/usr/bin:/bin"}, timeout=60, check=False)
                expect_equal(p.returncode, 2, f"{args}: {p.stderr.decode()}")
                return p.stdout.decode()

            for target, *more in (("made",), ("made.tar",), ("hidden", "--redact")):
                there("collect", "-w", folder.join(target), "--node", "live", *more)
            host = os.listdir(folder.join("made", "nodes"))[0]
            for bundle in ("made", "made.tar", "hidden"):
                for also in ((), ("--bundle", cluster)):
                    r = run("verify", "-A", "-o", "json", "--bundle", folder.join(bundle), *also, codes=(2,))
                    expect_equal((r.json["decided"], r.json["differences"]), (0, []), f"{bundle} {also}: judged")
                    expect(lacking in str(r.json["errors"]), f"{bundle}: {r.json['errors']}")
            os.rename(folder.join("made", "nodes", host), folder.join("made", "nodes", "node1"))
            about = folder.join("made", "bundle.json")
            with open(about, encoding="utf-8") as f:
                text = f.read()
            expect(f"nodes/{host}/ip6tables-legacy-save.txt" in text, text)
            with open(about, "w", encoding="utf-8") as f:
                f.write(text.replace(f"nodes/{host}/", "nodes/node1/"))
            a = json.loads(there("verify", "-A", "-o", "json", "--node", "live", "--bundle", cluster))
            b = run("verify", "-A", "-o", "json", "--bundle", folder.join("made"), "--bundle", cluster, codes=(2,)).json
            plain = [[(x["node"], x["code"], x["needs"], x["reason"].replace("the node", "this machine")) for x in d["skipped"]] for d in (a, b)]
            expect_equal(plain[0], plain[1], f"{lacking}: why it is not judged")
            expect_equal(plain[1][0][1:3], ("forbidden", lacking), "why")
            for made in ("made", "hidden"):
                shutil.rmtree(folder.join(made))
            os.unlink(folder.join("made.tar"))


def unprivileged():
    with Node("lab-iptables-nft") as node, Folder() as folder:
        os.chmod(folder.path, 0o755)
        program = shutil.copy(PROGRAM, folder.join("svcdoctor"))
        cluster = folder.join("cluster.json")
        shutil.copy(os.path.join(CORPUS, "lab-iptables-nft", "cluster", "services.json"), cluster)
        os.chmod(cluster, 0o644)

        def nobody(*args, inside=("ip", "netns", "exec", node.name)):
            p = subprocess.run([*inside, *NOBODY, program, *args], stdin=subprocess.DEVNULL, capture_output=True, cwd="/",
                               env={"HOME": "/nonexistent", "PATH": "/usr/bin:/bin"}, timeout=60, check=False)
            expect(p.returncode >= 0, f"{args} died by {-p.returncode}")
            return p.returncode, p.stdout.decode(), p.stderr.decode()

        for command in (("diagnose",), ("verify", "-A"), ("rules",), ("trace", "outside", "10.96.0.1:443")):
            rc, _, err = nobody(*command, "--node", "live")
            expect_equal((command, rc), (command, 77), short(err))
            expect_equal(err.count("CAP_NET_ADMIN"), 1, f"how often the capability is named: {err}")
            expect("sudo" in err, err)
        rc, out, err = nobody("diagnose", "-A", "--node", "live", "-o", "json")
        expect_equal((rc, json.loads(out)["looked_at"]), (77, []), "JSON")
        expect(any("CAP_NET_ADMIN" in e["text"] for e in json.loads(out)["errors"]), out)
        rc, out, err = nobody("diagnose", "-A", "--node", "live", "--bundle", cluster)
        expect_equal(rc, 2, short(err))
        expect("CAP_NET_ADMIN" in err, err)
        rc, out, err = nobody("diagnose", "-A", "--netns", node.name, inside=())
        expect(rc == 77 and "CAP_SYS_ADMIN" in err, f"{rc} {err}")
        rc, out, err = nobody("hairpin", "--node", "live")
        expect(rc == 2 and "of rules" not in out and "CAP_NET_ADMIN" in err, f"{rc} {out} {err}")
        target = os.path.join("/tmp", f"svcdoctor-nobody-{os.getpid()}.tar")
        rc, out, err = nobody("collect", "--node", "live", "-w", target)
        if os.path.exists(target):
            os.unlink(target)
        expect_equal((rc, err.count("cannot be read without CAP_NET_ADMIN")), (2, 1), short(err))


def drops():
    """Once the kernel is read, no capability is left."""
    missing = lacks("strace")
    if missing:
        return missing
    with Node("lab-iptables-nft") as node, Folder() as folder:
        trace = folder.join("trace")
        run("verify", "-A", "--netns", node.name, prefix=("strace", "-f", "-qq", "-e", "trace=capset", "-o", trace), env={**NO_HOME, **TRACED})
        text = open(trace, encoding="utf-8").read()
        expect(re.search(r"capset\(.*effective=0, permitted=0, inheritable=0", text), text)
    return None


# ---- which machine ----

def wrong_names():
    r = run("verify", "--netns", "svcdoctor-no-such-namespace", env=NO_HOME, codes=(64,))
    expect("svcdoctor-no-such-namespace" in r.err, r.err)
    run("verify", "--pid", "4194303", env=NO_HOME, codes=(64,))
    r = run("verify", "--pid", "1", "--netns", "x", env=NO_HOME, codes=(64,))
    expect("exclude each other" in r.err, r.err)
    r = run("verify", "--netns", "/etc/passwd", env=NO_HOME, codes=(64,))
    r = run("verify", "--pid", "0", env=NO_HOME, codes=(64,))
    expect("number of a process" in r.err, r.err)
    with Node("lab-iptables-nft") as node, Folder() as folder:
        r = run("collect", "-w", folder.join("made"), "--netns", node.name, "--node", "../x", env=NO_HOME, codes=(64,))
        expect("--node NAME" in r.err and not os.path.exists(folder.join("made")), r.err)
        for command in ("verify", "diagnose", "rules"):
            r = run(command, "kube-dns", "--netns", node.name, env=NO_HOME, codes=(2,))
            expect("no rule names a Service 'default/kube-dns'" in r.err and "there is kube-system/kube-dns" in r.err and "cause:" not in r.out, r.out + r.err)


def by_pid():
    with Node("lab-iptables-nft") as node:
        p = subprocess.Popen(["ip", "netns", "exec", node.name, "cat"], stdin=subprocess.PIPE)
        try:
            r = run("verify", "-A", "--pid", str(p.pid), env=NO_HOME)
            expect(f"the network namespace of process {p.pid} of this machine" in r.out and f"rules of pid-{p.pid}" in r.out, r.out + r.err)
        finally:
            p.stdin.close()
            p.wait()


def resolv_conf_of_pod():
    """A process with a root of its own: its resolv.conf is read below that root, wherever a link in it points to."""
    with Node("lab-iptables-nft") as node, tempfile.TemporaryDirectory() as home:
        secret = os.path.join(home, "secret")
        with open(secret, "w", encoding="ascii") as f:
            f.write("nameserver 192.0.2.66\n")
        for name, link, want in (("own", None, "nameserver 10.96.0.10\n"), ("inside", "/run/resolv.conf", "nameserver 10.96.0.11\n"),
                                 ("outside", secret, None), ("up", "../" * 12 + secret[1:], None)):
            root = os.path.join(home, name)
            for folder in ("etc", "run", "bin"):
                os.makedirs(os.path.join(root, folder))
            shutil.copy(shutil.which("busybox"), os.path.join(root, "bin", "cat"))
            with open(os.path.join(root, "run", "resolv.conf"), "w", encoding="ascii") as f:
                f.write("nameserver 10.96.0.11\n")
            if link:
                os.symlink(link, os.path.join(root, "etc", "resolv.conf"))
            else:
                with open(os.path.join(root, "etc", "resolv.conf"), "w", encoding="ascii") as f:
                    f.write(want)
            p = subprocess.Popen(["ip", "netns", "exec", node.name, "chroot", root, "/bin/cat"], stdin=subprocess.PIPE)
            try:
                for _ in range(200):
                    if os.readlink(f"/proc/{p.pid}/root") == root:
                        break
                    time.sleep(0.02)
                to = os.path.join(home, name + ".bundle")
                run("collect", "--pid", str(p.pid), "-w", to, env=NO_HOME, codes=(0, 2))
                file = os.path.join(to, "nodes", f"pid-{p.pid}", "resolv.conf")
                got = open(file, encoding="ascii").read() if os.path.exists(file) else None
                expect_equal(got, want, f"{name}: its resolv.conf")
            finally:
                p.stdin.close()
                p.wait()


# A machine that is a node, made of a mount namespace: nothing of it is seen outside. Whatever runs on it, it has a kubelet's folder.
MACHINE = """
mount -t tmpfs none /var/lib && mkdir -p /var/lib/kubelet/pods
[ -z "$MACHINE_ID" ] || { echo "$MACHINE_ID" >/var/lib/id && mount --bind /var/lib/id /etc/machine-id; } || exit 99
hostname "$1" && shift && exec "$@"
"""


def on_machine(name, *args, node=None, machine_id="", **options):
    inside = ("ip", "netns", "exec", node.name) if node else ()
    return run(*args, prefix=(*inside, "unshare", "-mu", "sh", "-c", MACHINE, "sh", name), env={**NO_HOME, "MACHINE_ID": machine_id}, **options)


def identify(text):
    """Each Node with a machine ID of its own."""
    o = json.loads(text)
    for n in o["items"]:
        n["status"]["nodeInfo"]["machineID"] = "id-of-" + n["metadata"]["name"]
    return json.dumps(o)


def is_a_node():
    """Alone, by itself; beside a cluster only where that has a Node for it, by the name or the machine ID."""
    with Node("lab-iptables-nft") as node:
        r = on_machine("NODE1", "verify", "-A", node=node, codes=(0, 2))
        expect(r.out.startswith("looked at: this node 'node1' (no cluster objects"), r.out + r.err)
        expect("localhost:8080" not in r.err, r.err)
    with Copy("lab-iptables-nft") as lab:
        lab.edit(identify, "cluster", "nodes.json")
        server = ApiServer(lab.path)
    with server:
        config = ("--kubeconfig", server.kubeconfig())

        def nodes(r):
            return [x["node"] for x in r.json["looked_at"] if x["what"] == "rules"]

        expect_equal(nodes(on_machine("Node1", "verify", "-A", "-o", "json", *config)), ["node1"], "by name")
        r = on_machine("stranger", "verify", "-A", "-o", "json", *config)
        expect_equal(nodes(r), [], "a stranger")
        expect("'stranger', and it is no Node of this cluster" in r.err, r.err)
        expect_equal(nodes(on_machine("stranger", "verify", "-A", "-o", "json", "--node", "live", *config)), ["stranger"], "a stranger that is asked for")
        expect_equal(nodes(on_machine("stranger", "verify", "-A", "-o", "json", *config, machine_id="id-of-node2")), ["node2"], "by machine ID")
        expect_equal(nodes(on_machine("node1", "verify", "-A", "-o", "json", "--node", "node2", *config)), [], "another node was asked for")
        r = on_machine("node1", "endpoints", "-A", "-o", "json", *config)
        expect_equal(nodes(r), [], "endpoints need no rules")


def is_none():
    with Node("lab-iptables-nft") as node:
        r = run("verify", "-A", prefix=("ip", "netns", "exec", node.name), env=NO_HOME, codes=(64,))
        expect("there is no kubeconfig, no bundle" in r.err, r.err)


def rewriting():
    """While another program writes the rules again and again, each answer is the right one, or says that it is none."""
    lab = "lab-iptables-nft"
    with Node(lab) as node:
        script = ("while :; do iptables-nft-restore < \"$0\" || exit; iptables-legacy -t nat -A OUTPUT -j RETURN; "
                  "iptables-legacy -t nat -F OUTPUT; done")
        p = subprocess.Popen(["ip", "netns", "exec", node.name, "sh", "-c", script, node.file("iptables-nft-save.txt")], stderr=subprocess.DEVNULL)
        answers = {}
        try:
            for _ in range(15):
                r = run("verify", "-A", "-o", "json", "--netns", node.name, "--node", "node1", "--bundle", os.path.join(CORPUS, lab))
                expect_equal(r.json["differences"], [], "differences")
                changed = "changed" in r.err
                expect(r.rc == 0 or changed or r.json["skipped"], f"{r.rc}: {r.err}")
                answers[changed] = answers.get(changed, 0) + 1
        finally:
            p.kill()
            p.wait()
        return f"{answers.get(False, 0)} judged, {answers.get(True, 0)} changed while reading"


def main():
    t = Tests()
    missing = lacks("ip", "nft", "iptables-nft-restore", "iptables-legacy-restore", "nfacct", "setpriv", "unshare")
    if missing:
        t.skip("node-live", missing)
        t.finish()
    for lab in LABS:
        t.run(f"alone-{lab}", alone, lab)
        t.run(f"with-cluster-{lab}", with_cluster, lab)
    for test in (both_backends, broken, watched, api_is_down, unprivileged, few_rights, drops, wrong_names, by_pid, resolv_conf_of_pod, is_a_node, is_none, connections, rewriting):
        t.run(test.__name__.replace("_", "-"), test)
    t.finish()


if __name__ == "__main__":
    main()
