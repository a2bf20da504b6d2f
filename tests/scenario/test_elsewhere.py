# SPDX-License-Identifier: GPL-2.0-or-later
"""Dumps in the shape of other programs (tests/corpus/elsewhere): that the ordinary tools take them, and where packets end in them.

The endings follow from what those programs document of themselves: Docker's published ports and isolation, ufw's limit, Calico's
policies by set, kube-proxy's refusals through the years."""
import os
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import common  # noqa: E402

FOLDER = os.path.join(common.CORPUS, "elsewhere")

# bundle, source, destination, interface: what happens, in the order of `trace`
ENDINGS = [
    # a published port, DOCKER-USER before it, and networks that do not see each other
    ("docker", "203.0.113.9", "172.30.99.1:8080/tcp", "eth0", ["accept 172.18.0.2:80"]),
    ("docker", "198.51.100.9", "172.30.99.1:8443/tcp", "eth0", ["drop by DOCKER-USER"]),
    ("docker", "192.0.2.15", "172.30.99.1:8080/tcp", "eth0", ["reject by DOCKER-USER"]),
    ("docker", "192.0.2.21", "172.30.99.1:8080/tcp", "eth0", ["accept 172.18.0.2:80"]),
    ("docker", "203.0.113.9", "172.30.99.1:5353/udp", "eth0", ["accept 172.17.0.3:53"]),
    ("docker", "203.0.113.9", "172.30.99.1:9899/sctp", "eth0", ["accept 172.17.0.5:9899"]),
    ("docker", "172.18.0.2", "172.17.0.4:5432/tcp", "br-6f2a91c3d0be", ["drop by DOCKER-ISOLATION-STAGE-2"]),
    ("docker", "172.18.0.2", "8.8.8.8:443/tcp", "br-6f2a91c3d0be", ["accept 8.8.8.8:443 masqueraded"]),
    ("docker-28", "203.0.113.9", "172.30.99.1:9005/tcp", "eth0", ["accept 172.18.0.3:9005"]),
    ("docker-28", "203.0.113.9", "172.18.0.2:80/tcp", "eth0", ["drop by PREROUTING"]),
    ("docker-28", "172.17.0.9", "8.8.8.8:53/udp", "docker0", ["accept 8.8.8.8:53 masqueraded"]),
    # sources as zones, from sets with nomatch and timeouts; the time of day is unknown
    ("firewalld", "10.20.1.1", "172.30.99.1:5000/tcp", "eth0", ["accept 172.30.99.1:5000"]),
    ("firewalld", "10.20.66.1", "172.30.99.1:5000/tcp", "eth0", ["reject by INPUT"]),
    ("firewalld", "203.0.113.67", "172.30.99.1:22/tcp", "eth0", ["drop by IN_drop"]),
    ("firewalld", "203.0.113.66", "172.30.99.1:22/tcp", "eth0", ["drop by IN_drop", "accept 172.30.99.1:22"]),
    ("firewalld", "198.51.100.7", "172.30.99.1:22/tcp", "eth0", ["reject by IN_external_deny"]),
    ("firewalld", "203.0.113.9", "172.30.99.1:9090/tcp", "eth0", ["accept 172.30.99.1:9090", "reject by INPUT"]),
    ("firewalld", "203.0.113.9", "172.30.99.1:2222/tcp", "eth0", ["accept 172.30.99.1:22"]),
    # the first connection is below ufw's limit
    ("ufw", "8.8.8.8", "172.30.99.1:22/tcp", "eth0", ["accept 172.30.99.1:22"]),
    ("ufw", "192.0.2.9", "172.30.99.1:443/tcp", "eth0", ["accept 172.30.99.1:443"]),
    ("ufw", "203.0.113.9", "172.30.99.1:60123/udp", "eth0", ["drop by ufw-user-input"]),
    ("ufw", "192.0.2.9", "172.30.99.1:60123/udp", "eth0", ["accept 172.30.99.1:60123"]),
    ("ufw", "192.0.2.9", "172.30.99.1:25/tcp", "eth0", ["reject by ufw-user-input"]),
    ("ufw", "8.8.8.8", "172.30.99.1:9999/tcp", "eth0", ["drop by INPUT"]),
    # policies by sets, a workload that nothing lets through, VXLAN from strangers
    ("calico", "10.244.1.9", "10.244.1.5:8080/tcp", "cali0f5b2c7a6e2", ["accept 10.244.1.5:8080"]),
    ("calico", "10.244.1.9", "10.244.1.5:9011/tcp", "cali0f5b2c7a6e2", ["drop by cali-tw-cali0ef24aa4d11"]),
    ("calico", "10.244.2.77", "10.244.1.5:8080/tcp", "vxlan.calico", ["drop by cali-tw-cali0ef24aa4d11"]),
    ("calico", "10.244.2.130", "10.244.1.5:8080/tcp", "vxlan.calico", ["accept 10.244.1.5:8080"]),
    ("calico", "10.244.1.5", "8.8.8.8:443/tcp", "cali0ef24aa4d11", ["drop by cali-fw-cali0ef24aa4d11"]),
    ("calico", "10.244.1.5", "8.8.8.8:53/udp", "cali0ef24aa4d11", ["accept 8.8.8.8:53 masqueraded"]),
    ("calico", "10.244.1.5", "10.9.9.9:443/tcp", "cali0ef24aa4d11", ["accept 10.9.9.9:443 masqueraded"]),
    ("calico", "10.244.1.9", "10.244.2.9:443/tcp", "cali0f5b2c7a6e2", ["accept 10.244.2.9:443"]),
    ("calico", "172.30.99.9", "172.30.99.1:4789/udp", "eth0", ["drop by cali-INPUT"]),
    ("calico", "172.30.99.2", "172.30.99.1:4789/udp", "eth0", ["accept 172.30.99.1:4789"]),
    ("kube-router", "10.244.2.9", "10.244.1.5:8080/tcp", "eth0", ["accept 10.244.1.5:8080"]),
    ("kube-router", "10.244.2.9", "10.244.1.5:8081/tcp", "eth0", ["reject by KUBE-POD-FW-7VXW6JN2DW3DN2ZT"]),
    ("kube-router", "192.0.2.5", "10.244.1.5:5432/tcp", "eth0", ["accept 10.244.1.5:5432"]),
    ("kube-router", "192.0.2.200", "10.244.1.5:5432/tcp", "eth0", ["reject by KUBE-POD-FW-7VXW6JN2DW3DN2ZT"]),
    # outside the source ranges: marked, and dropped in INPUT only, until KUBE-PROXY-FIREWALL came
    ("kube-proxy-1.20", "203.0.113.9", "203.0.113.10:80/tcp", "eth0", ["accept 203.0.113.10:80"]),
    ("kube-proxy-1.24", "203.0.113.9", "203.0.113.10:80/tcp", "eth0", ["accept 203.0.113.10:80"]),
    ("kube-proxy-1.28", "203.0.113.9", "203.0.113.10:80/tcp", "eth0", ["drop by KUBE-PROXY-FIREWALL"]),
    *[(f"kube-proxy-1.{v}", *rest) for v in (20, 24, 28) for rest in (
        ("198.51.100.9", "203.0.113.10:80/tcp", "eth0", ["accept 10.244.1.5:8080"]),
        ("10.244.1.9", "10.96.77.5:80/tcp", "cni0", ["accept 10.244.1.5:8080", "accept 10.244.2.7:8080"]),
        ("10.244.1.5", "10.96.30.7:8443/tcp", "cni0", ["accept 10.244.1.5:8443 masqueraded", "accept 10.244.2.7:8443"]),
        ("203.0.113.9", "172.30.99.1:30080/tcp", "eth0", [f"accept 10.244.{p}:8080 masqueraded" for p in ("1.5", "1.6", "2.7")]),
        ("10.244.1.9", "10.96.99.9:80/tcp", "cni0", ["reject by KUBE-SERVICES"]))],
    # no endpoint here: the same
    ("kube-proxy-1.24", "198.51.100.9", "203.0.113.11:80/tcp", "eth0", ["accept 203.0.113.11:80"]),
    ("kube-proxy-1.28", "198.51.100.9", "203.0.113.11:80/tcp", "eth0", ["drop by KUBE-EXTERNAL-SERVICES"]),
    *[(f"kube-proxy-1.{v}", "203.0.113.9", "172.30.99.1:31090/tcp", "eth0", ["drop by KUBE-FIREWALL"]) for v in (20, 24)],
    *[(f"kube-proxy-1.{v}", "10.244.1.9", "172.30.99.1:31090/tcp", "cni0", ["accept 10.244.2.7:8080"]) for v in (20, 24, 28)],
    ("kube-proxy-1.28", "203.0.113.9", "172.30.99.1:31090/tcp", "eth0", ["drop by KUBE-EXTERNAL-SERVICES"]),
    ("k3s", "203.0.113.9", "172.30.99.1:8880/tcp", "eth0", ["accept 10.42.0.11:80"]),
    ("k3s", "203.0.113.9", "172.30.99.77:80/tcp", "eth0", ["drop by KUBE-PROXY-FIREWALL"]),
    ("k3s", "198.51.100.9", "172.30.99.77:80/tcp", "eth0", ["accept 10.42.0.11:8000 masqueraded"]),
    ("k3s", "10.42.0.12", "10.42.0.9:5432/tcp", "cni0", ["reject by KUBE-POD-FW-2NTQ57YZ3SAU2WZN"]),
    ("k3s", "10.42.0.11", "10.42.0.9:5432/tcp", "cni0", ["accept 10.42.0.9:5432"]),
    # a packet without extension headers passes what asks for them
    ("ipv6-firewall", "2001:db8:ffff::1", "[2001:db8:1::80]:80/tcp", "eth0", ["accept fd00:2::80:8080"]),
    ("ipv6-firewall", "2001:db8:ffff::1", "[2001:db8:1::81]:443/tcp", "eth0", ["accept fd00:2::81:443"]),
    ("ipv6-firewall", "2001:db8:ffff::1", "[2001:db8:7::20]:22/tcp", "eth0", ["accept fd00:7::20:22"]),
    ("ipv6-firewall", "2001:db8:5::1", "[2001:db8:1::1]:8050/tcp", "eth0", ["accept 2001:db8:1::1:8050"]),
    ("ipv6-firewall", "2001:db8:6::1", "[2001:db8:1::1]:8050/tcp", "eth0", ["reject by INPUT"]),
    ("ipv6-firewall", "2001:db8:6::1", "[2001:db8:1::1]:8084/tcp", "eth0", ["reject by INPUT"]),
    ("ipv6-firewall", "2001:db8:6::1", "[2001:db8:1::1]:8082/tcp", "eth0", ["accept 2001:db8:1::1:8082 if", "reject by INPUT if"]),
]


def said(ending):
    if ending["verdict"] != "accept":
        text = f"{ending['verdict']} by {ending['by']['chain']}"
    else:
        text = f"accept {ending['address']}:{ending['port']}" + (" masqueraded" if ending["masquerade"] else "")
    return text


def check_ending(bundle, src, dst, dev, want):
    r = common.run("trace", src, dst, "--bundle", os.path.join(FOLDER, bundle), "--in", dev, "-o", "json", codes=None)
    trace = r.json["traces"][0] if "traces" in r.json else r.json
    common.expect_equal(sorted(said(e) for e in trace["endings"]), sorted(w.removesuffix(" if") for w in want),
                        f"{bundle}: {src} to {dst}")
    # More than one way by chance or by something unknown: the latter is said with its rule.
    for w in want:
        if w.endswith(" if"):
            e = next(e for e in trace["endings"] if said(e) == w.removesuffix(" if"))
            common.expect(e["assumes"], f"{bundle}: {src} to {dst}: '{w}' names no assumption")


def check_endings():
    for row in ENDINGS:
        check_ending(*row)
    return f"{len(ENDINGS)} packets end as documented"


# ---- the texts are real: the ordinary tools accept them ----

# What a tool says when its own extension is not installed, or the kernel has no module for it: that says nothing of the text.
MISSING = ("Couldn't load match", "Couldn't load target", "missing kernel module", "not supported", "No such file or directory",
           "Set type not supported")


def inside(*args, stdin):
    return subprocess.run(["unshare", "-n", "sh", "-c", *args], input=stdin.encode(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          timeout=60, check=False)


def check_tool(bundle, name, tool):
    """None, or the reason why it could not be judged here."""
    path = os.path.join(FOLDER, bundle)
    sets = os.path.join(path, "ipset-save.txt")
    load = f"ipset restore < '{sets}' && " if os.path.exists(sets) else ""
    p = inside(f"{load}{tool} --test", stdin=common.read(os.path.join(path, name)))
    text = p.stdout.decode(errors="replace").strip()
    if p.returncode and any(m in text for m in MISSING):
        return text.splitlines()[0]
    common.expect(p.returncode == 0, f"{tool} refuses {bundle}/{name}: {text[:400]}")
    return None


def check_tools(t):
    if os.geteuid() != 0 or not shutil.which("ipset") or subprocess.run(["unshare", "-n", "true"], check=False).returncode:
        t.skip("elsewhere tools", "needs root, ipset and network namespaces")
        return
    for bundle in sorted(os.listdir(FOLDER)):
        for name in sorted(os.listdir(os.path.join(FOLDER, bundle))):
            if "tables-" not in name:
                continue
            family = name.split("-", 1)[0]
            for backend in ("legacy", "nft"):
                tool, reason = f"{family}-{backend}-restore", []
                if not shutil.which(tool):
                    t.skip(f"elsewhere {bundle}/{name} {backend}", f"no {tool}")
                    continue
                t.run(f"elsewhere {bundle}/{name} {backend}", lambda: reason.append(check_tool(bundle, name, tool)))
                if reason and reason[0]:
                    print(f"# {bundle}/{name}: not judged by {tool}: {reason[0]}")


def main():
    t = common.Tests()
    t.run("elsewhere endings", check_endings)
    check_tools(t)
    t.finish()


if __name__ == "__main__":
    main()
