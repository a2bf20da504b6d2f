#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""svcdoctor collect --dns: what DNS says at a pod and at a node, in a bundle; without --dns nothing is sent to it."""
import io
import os
import re
import shutil
import sys
import tarfile
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from common import Tests, expect, expect_equal, run, sh, short  # noqa: E402
from api_server import ApiServer  # noqa: E402
from dns_world import UPSTREAM, World, lacks  # noqa: E402
from dns_objects import DNS_PODS, VIP  # noqa: E402


def read(*parts):
    with open(os.path.join(*parts), encoding="utf-8") as f:
        return f.read()


def asked(text):
    """{(server, name, type, transport): status or None} of a dns.txt."""
    out = {}
    for part in text.split("\n; <<>> DiG ")[1:]:
        m = re.match(r"svcdoctor <<>> @(\S+) (?:-p \d+ )?(\S+) (\S+) (\+\S+)", part)
        expect(m, f"no banner: {short(part, 200)}")
        status = re.search(r"status: (\w+)", part)
        out[(m[1], m[2], m[3], m[4])] = status[1] if status else None
    return out


def collect(server, target, *args, codes=(0,)):
    r = run("collect", "-w", target, "-n", "shop", "--kubeconfig", server.kubeconfig(user="admin"), *args, codes=codes)
    return target, r.err


def test_pod(w, server, folder):
    target, err = collect(server, os.path.join(folder, "pod"), "--dns", "--netns", w.name("cl"))
    at = os.path.join(target, "cluster", "pods", "shop", "client")
    expect_equal(read(at, "resolv.conf"), w.conf_text(), "resolv.conf of the pod")
    got = asked(read(at, "dns.txt"))
    for server_ in (VIP, *(ip for _, ip, _ in DNS_PODS)):
        for name in ("kubernetes.default.svc.cluster.local.", "web.shop.svc.cluster.local."):
            expect_equal(got.get((server_, name, "A", "+ignore")), "NOERROR", f"{name} at {server_}: {sorted(got)}")
    expect(not any("ip-addr.json" in files for _, _, files in os.walk(target)), "there is a node's part, too")
    expect(os.path.exists(os.path.join(target, "cluster", "services.json")), f"no Services: {err}")
    r = run("dns", "web", "-n", "shop", "--bundle", target, codes=(0,))
    expect("from pod shop/client, as recorded" in r.out and "every name resolves" in r.out and not r.err, f"judged: {short(r.out + r.err)}")
    return f"{len(got)} questions"


def test_node(w, server, folder):
    target, _ = collect(server, os.path.join(folder, "node"), "--dns", "--netns", w.name("node1"), "--node", "node1")
    at = os.path.join(target, "nodes", "node1")
    expect_equal(read(at, "resolv.conf"), w.node_text(), "resolv.conf of the node")
    got = asked(read(at, "dns.txt"))
    expect_equal(got.get((VIP, "web.shop.svc.cluster.local.", "A", "+ignore")), "NOERROR", f"{sorted(got)}")
    expect(not os.path.exists(os.path.join(target, "cluster", "pods", "shop", "client", "dns.txt")), "there is a pod's part, too")


def test_redacted(w, server, folder):
    target, _ = collect(server, os.path.join(folder, "redacted"), "--dns", "--redact", "--netns", w.name("cl"))
    for at, _, files in os.walk(target):
        for f in files:
            text = read(at, f)
            expect("shop" not in text and "10.244.1.99" not in text, f"{os.path.join(at, f)} tells names")
    r = run("dns", "-A", "--bundle", target, codes=(0,))
    expect("as recorded" in r.out and "every name resolves" in r.out and not r.err, f"judged: {short(r.out + r.err)}")


def test_without(w, server, folder):
    """No packet without --dns: the rules of the nodes would count it."""
    w.inside("node1", "iptables", "-t", "raw", "-A", "OUTPUT", "-p", "udp", "--dport", "53", "-m", "comment", "--comment", "seen")
    collect(server, os.path.join(folder, "without"), "--netns", w.name("node1"), "--node", "node1")
    rules = w.inside("node1", "iptables", "-t", "raw", "-vnxL", "OUTPUT").decode()
    count = [line.split()[0] for line in rules.splitlines() if "seen" in line]
    expect_equal(count, ["0"], rules)
    expect(not os.path.exists(os.path.join(folder, "without", "nodes", "node1", "dns.txt")), "dns.txt is there")


def test_outside(w, server, folder):
    """A machine that is not in the cluster asks nobody, and says so; the rest is collected."""
    target, err = collect(server, os.path.join(folder, "outside"), "--dns", codes=(2,))
    expect("addresses of the cluster not asked: this machine is not in the cluster" in err and "neither a node nor a pod" in err, err)
    expect(os.path.exists(os.path.join(target, "cluster", "services.json")), "no Services")
    expect(not any("dns.txt" in files for _, _, files in os.walk(target)), "DNS was asked")
    err = collect(server, os.path.join(folder, "outside"), "--dns", codes=(64,))[1]
    expect("is there already" in err and "not asked" not in err, f"asked before it was looked where to write: {err}")


def test_script(w, server, folder):
    """The script of nodes without this program, with --dns and without, by dig and by what else there is."""
    text = run("collect", "--script", "node", codes=(0,)).out.encode()
    first = f"mount -t tmpfs none /var/lib && mkdir /var/lib/kubelet && printf 'clusterDNS:\\n- {VIP}\\nclusterDomain: cluster.local\\n' >/var/lib/kubelet/config.yaml && "
    web, seen = w.ask(f"@{VIP}", "web.shop.svc.cluster.local", "A")[1], []
    for hide in ((), *((("dig",), ("dig", "kdig")) if shutil.which("kdig") else (("dig",),))):
        hidden = "".join(f"mount --bind /dev/null $(readlink -f $(command -v {d})) && " for d in hide)
        tar = sh("ip", "netns", "exec", w.name("node1"), "sh", "-c", first + hidden + "exec dash -s -- --dns web.shop.svc.cluster.local", stdin=text)
        with tarfile.open(fileobj=io.BytesIO(tar)) as t:
            names = [m.name for m in t.getmembers() if m.name.endswith("/dns.txt")]
            expect_equal(len(names), 1, f"dns.txt without {hide}")
            out = t.extractfile(names[0]).read().decode()
        tool = re.match(r"\$ (\w+)", out)
        seen.append(tool and tool[1])
        expect(all(x in out for x in (*web, VIP, UPSTREAM)), f"without {hide}: {short(out)}")
        expect_equal(len(re.findall(r"^\$ ", out, re.M)), 8, "questions")
    expect_equal(seen[0], "dig", "the tool")
    tar = sh("ip", "netns", "exec", w.name("node1"), "dash", stdin=text)
    with tarfile.open(fileobj=io.BytesIO(tar)) as t:
        expect(not any(m.name.endswith("/dns.txt") for m in t.getmembers()), "DNS was asked without --dns")
    for words in (["--other"], ["--dns", "-x"], ["--dns", "$(id)"]):
        expect_equal(sh("dash", "-s", "--", *words, stdin=text, check=False), b"", f"{words}")
    return ", ".join(str(x) for x in seen)


def test_usage(w, server, folder):
    for args, why in ((["-w", os.path.join(folder, "x"), "--dns", "--bundle", folder], "exclude each other"), (["--script", "node", "--dns"], "sh -s -- --dns")):
        r = run("collect", *args, codes=(64,))
        expect(why in r.err, r.err)


def main():
    t = Tests()
    why = lacks()
    if why:
        t.skip("collect_dns", why)
        t.finish()
    with tempfile.TemporaryDirectory(prefix="svcdoctor-test-") as folder, World(90, folder) as w:
        w.start()
        with ApiServer(w.bundle()) as server:
            for test in (test_pod, test_node, test_redacted, test_without, test_outside, test_script, test_usage):
                t.run(test.__name__[5:], test, w, server, folder)
    t.finish()


if __name__ == "__main__":
    main()
