#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""`collect --script node`: a script of ordinary commands, run by several shells, whose tar verifies like what collect writes; and --bundle -."""
import io
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from common import CORPUS, PROGRAM, Tests, expect, expect_equal, run, short  # noqa: E402
from node_world import Node, lacks  # noqa: E402
from test_node_live import NO_HOME, same  # noqa: E402

LABS = ("lab-iptables-nft", "lab-iptables-legacy", "lab-nftables")
SHELLS = (("dash",), ("busybox", "sh"), ("bash", "--posix"))
RULES = ("iptables-nft-save.txt", "ip6tables-nft-save.txt", "iptables-legacy-save.txt", "ip6tables-legacy-save.txt", "nft-ruleset.json", "ipset-save.txt")


def script():
    r = run("collect", "--script", "node", codes=(0,))
    expect(r.out.startswith("#!/bin/sh\n") and r.out.endswith('\nmain "$@"\n') and r.err == "", r.err)
    return r.out.encode()


def by_shell(shell, node, text, env=None):
    """(its exit status, the tar, what it says); nothing may be left."""
    with tempfile.TemporaryDirectory(prefix="svcdoctor-script-") as folder:
        p = subprocess.run(["ip", "netns", "exec", node.name, *shell], input=text, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=folder,
                           env={**os.environ, "TMPDIR": folder, **(env or {})}, timeout=100, check=False)
        expect_equal(os.listdir(folder), [], f"what {shell} left behind")
        return p.returncode, p.stdout, p.stderr.decode()


def members(tar):
    with tarfile.open(fileobj=io.BytesIO(tar)) as t:
        return {m.name.split("/")[-1]: m.size for m in t.getmembers() if m.isfile()}


def piped(tar, *args, codes=(0, 1, 2)):
    p = subprocess.run([PROGRAM, *args], input=tar, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**os.environ, **NO_HOME}, timeout=100, check=False)
    expect(p.returncode in codes, f"{args} exited with {p.returncode}: {short(p.stderr.decode())}")
    return p.returncode, p.stdout.decode(), p.stderr.decode()


def like_collect(lab):
    text = script()
    with Node(lab) as node, tempfile.TemporaryDirectory(prefix="svcdoctor-script-") as folder:
        made = os.path.join(folder, "made")
        name = os.uname().nodename.lower()
        run("collect", "-w", made, "--netns", node.name, "--node", name, codes=(0, 2), env=NO_HOME)
        cluster = ("--bundle", os.path.join(CORPUS, lab, "cluster"))
        first = None
        for shell in SHELLS:
            if not shutil.which(shell[0]):
                continue
            rc, tar, err = by_shell(shell, node, text)
            expect_equal(rc, 0, f"{shell}: {short(err)}")
            files = members(tar)
            for f in RULES:
                expect(f in files, f"{shell} left out {f}: {sorted(files)}; {err}")
            path = os.path.join(folder, "script.tar")
            with open(path, "wb") as f:
                f.write(tar)
            for command in ("verify", "diagnose"):
                same(run(command, "-A", "-o", "json", "--bundle", path), run(command, "-A", "-o", "json", "--bundle", made), f"{shell}: {command}")
            same(run("verify", "-A", "-o", "json", *cluster, "--bundle", path), run("verify", "-A", "-o", "json", *cluster, "--bundle", made), f"{shell}: both")
            expect(first in (None, sorted(files)), f"{shell} has other files: {sorted(files)} for {first}")
            first = sorted(files)
        return f"{len(first)} files"


def without_tools():
    """Commands that are not there leave their files out; a file of 0 bytes is only there where nothing is known to be."""
    text = script()
    with Node("lab-iptables-nft") as node, tempfile.TemporaryDirectory(prefix="svcdoctor-tools-") as folder:
        for tool in ("sh", "mktemp", "mkdir", "mv", "rm", "tar", "cat", "head", "tr", "uname", "id", "grep", "iptables-nft-save"):
            os.symlink(shutil.which(tool), os.path.join(folder, tool))
        bare = text.replace(b"PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin", b"PATH=" + folder.encode())
        expect(bare != text, "the script sets no PATH")
        rc, tar, err = by_shell(("dash",), node, bare)
        expect_equal(rc, 0, err)
        files = members(tar)
        expect(files.get("iptables-nft-save.txt", 0) > 1000 and "nft-ruleset.json" not in files and "ip6tables-nft-save.txt" not in files, str(files))
        expect("ip-addr.json" not in files and "nft-ruleset.json" in err, err)


def legacy_tables():
    """Tables that are there and cannot be read, because their command is not there, are not taken as empty."""
    text = script()
    with Node("lab-iptables-nft") as node, tempfile.TemporaryDirectory(prefix="svcdoctor-tools-") as folder:
        node.run("iptables-legacy", "-I", "FORWARD", "-j", "DROP")
        for tool in ("sh", "mktemp", "mkdir", "mv", "rm", "tar", "cat", "head", "tr", "uname", "id", "grep", "iptables-nft-save", "ip6tables-nft-save", "nft", "ip"):
            os.symlink(shutil.which(tool), os.path.join(folder, tool))
        bare = text.replace(b"PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin", b"PATH=" + folder.encode())
        for shell in (("dash",), ("busybox", "sh")):
            rc, tar, err = by_shell(shell, node, bare)
            expect_equal(rc, 0, err)
            expect("iptables-legacy-save.txt" not in members(tar) and "iptables-legacy-save.txt" in err, err)
            _, out, err = piped(tar, "verify", "-A", "--bundle", "-", codes=(2,))
            expect("no difference" not in out and "iptables-legacy" in out, out + err)


# A machine with a kubelet's and a network plugin's files, in a mount namespace of its own.
MACHINE = """
mount -t tmpfs none /var/lib && mkdir -p /var/lib/kubelet/pods /var/lib/w /var/lib/u || exit 98
[ -d /etc/cni ] && mount -t tmpfs none /etc/cni || mount -t overlay o -o lowerdir=/etc,upperdir=/var/lib/u,workdir=/var/lib/w /etc || exit 98
mkdir -p /etc/cni/net.d
echo 'kind: KubeletConfiguration
clusterDNS: [10.96.0.10]
hairpinMode: promiscuous-bridge' >/var/lib/kubelet/config.yaml
echo '{"cniVersion": "1.0.0", "name": "lab", "plugins": [{"type": "bridge", "bridge": "cni0", "hairpinMode": true}]}' >/etc/cni/net.d/10-lab.conflist
echo '{"type": "calico", "policy": {"k8s_auth_token": "not-to-be-seen"}}' >/etc/cni/net.d/20-old.conf
echo 'not-to-be-seen' >/etc/cni/net.d/calico-kubeconfig
exec "$@"
"""


def machine_files():
    """The kubelet's configuration and the network's are there, what holds a secret is not; by the script as by collect."""
    with Node("lab-iptables-nft") as node:
        prefix = ["ip", "netns", "exec", node.name, "unshare", "-m", "sh", "-c", MACHINE, "sh"]
        if subprocess.run([*prefix, "true"], stderr=subprocess.DEVNULL, check=False).returncode == 98:
            return "not run: no mounts here"
        seen = []
        for command, stdin in ((("dash",), script()), (("busybox", "sh"), script()), ((PROGRAM, "collect", "-w", "-"), b"")):
            p = subprocess.run([*prefix, *command], input=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**os.environ, **NO_HOME}, check=False)
            expect_equal(p.returncode, 0, f"{command}: {short(p.stderr.decode())}")
            expect(b"not-to-be-seen" not in p.stdout, f"{command} shows a secret")
            seen.append([f for f in members(p.stdout) if f.endswith((".conflist", ".conf")) and f != "resolv.conf" or "kubelet" in f])
            expect_equal(sorted(seen[-1]), ["10-lab.conflist", "kubelet-config.json"], f"{command}: files")
            _, out, err = piped(p.stdout, "hairpin", "--bundle", "-")
            expect("promiscuous-bridge" in out and "10-lab.conflist: hairpinMode true" in out, out + err)
    return None


def interrupted():
    """A signal in the middle: nothing is left, and no whole tar is written."""
    text = script()
    with Node("lab-iptables-nft") as node:
        slow = text.replace(b"\tfacts\n", b"\tkill -TERM $$; sleep 1\n\tfacts\n")
        rc, tar, _ = by_shell(("dash",), node, slow)
        expect(rc != 0 and tar == b"", f"{rc}, {len(tar)} bytes")
        rc, tar, _ = by_shell(("dash",), node, text[:len(text) * 2 // 3])
        expect(tar == b"", f"half of the script wrote {len(tar)} bytes")


def by_stdin():
    """--bundle - : by verify, and by collect, redacted too."""
    lab = os.path.join(CORPUS, "lab-iptables-nft")
    with tempfile.TemporaryDirectory(prefix="svcdoctor-stdin-") as folder:
        for ending in ("tar", "tar.gz"):
            path = os.path.join(folder, "lab." + ending)
            run("collect", "--bundle", lab, "-w", path, codes=(0,))
            with open(path, "rb") as f:
                tar = f.read()
            rc, out, err = piped(tar, "verify", "-A", "--bundle", "-", codes=(0,))
            expect(out.startswith("looked at: bundle 'stdin' (Kubernetes v1.36.2; rules of node1, node2)"), out + err)
            again = os.path.join(folder, "again." + ending)
            piped(tar, "collect", "--bundle", "-", "-w", again, codes=(0,))
            same(run("diagnose", "-A", "-o", "json", "--bundle", again), run("diagnose", "-A", "-o", "json", "--bundle", path), "packed anew")
            piped(tar, "collect", "--bundle", "-", "--redact", "-w", os.path.join(folder, "redacted." + ending), codes=(0,))
        for data in (b"", b"this is no archive\n" * 100, tar[:100]):
            rc, _, err = piped(data, "verify", "-A", "--bundle", "-", codes=(2,))
            expect("stdin" in err, err)
        rc, _, err = piped(tar, "diagnose", "--watch", "--bundle", "-", codes=(64,))
        expect("stdin can be read once" in err, err)
        expect(re.search("once", piped(tar, "diagnose", "--bundle", "-", "--bundle", "-", codes=(64,))[2]), "given twice")
        expect(rc == 64, rc)


def main():
    t = Tests()
    t.run("by-stdin", by_stdin)
    missing = lacks("ip", "nft", "iptables-nft-restore", "iptables-legacy-restore", "nfacct", "dash", "busybox")
    if missing:
        t.skip("script", missing)
        t.finish()
    for lab in LABS:
        t.run(f"like-collect-{lab}", like_collect, lab)
    t.run("without-tools", without_tools)
    t.run("legacy-tables", legacy_tables)
    t.run("machine-files", machine_files)
    t.run("interrupted", interrupted)
    t.finish()


if __name__ == "__main__":
    main()
