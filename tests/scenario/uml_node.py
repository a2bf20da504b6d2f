# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs inside user-mode-linux for test_node_ipvs.py: the node of the IPVS lab with its sets, virtual servers, rules and addresses, and what svcdoctor says
of it live. FOLDER/plan.json: {"program", "lab", "node"}. What it says goes to FOLDER/live-NAME.json, its bundle to FOLDER/made, the script's to FOLDER/script.tar."""
import json
import os
import subprocess

from uml_ipvs import FOLDER, MODULES, NAMES, sh, write


def load(node):
    sh("modprobe", "-a", "-d", MODULES, *NAMES)
    write("/proc/sys/kernel/modprobe", "\n")
    batch = ["link set lo up", "link add eth0 type veth peer name far0", "link set eth0 up", "link set far0 up", "link add cni0 type bridge",
             "link set cni0 up", "link add kube-ipvs0 type dummy"]
    with open(os.path.join(node, "ip-addr.json"), encoding="utf-8") as f:
        for link in json.load(f):
            if link["ifname"] in ("eth0", "cni0", "kube-ipvs0"):
                batch += [f"addr add {a['local']}/{a['prefixlen']} dev {link['ifname']}" for a in link["addr_info"] if a["scope"] == "global"]
    batch += ["route add default via 172.30.99.254", "route add 10.244.2.0/24 via 172.30.99.10"]
    sh("ip", "-batch", "-", stdin="\n".join(batch).encode())
    for name in ("net/ipv4/ip_forward", "net/ipv4/vs/conntrack", "net/ipv6/conf/all/forwarding"):
        write("/proc/sys/" + name, "1\n")
    for name, command in (("ipset-save.txt", ("ipset", "restore")), ("ipvsadm-save.txt", ("ipvsadm", "-R")),
                          ("iptables-legacy-save.txt", ("iptables-legacy-restore",)), ("ip6tables-legacy-save.txt", ("ip6tables-legacy-restore",))):
        with open(os.path.join(node, name), "rb") as f:
            sh(*command, stdin=f.read())


def main():
    with open(os.path.join(FOLDER, "plan.json"), encoding="utf-8") as f:
        plan = json.load(f)
    load(os.path.join(plan["lab"], "nodes", plan["node"]))
    sh("hostname", plan["node"])
    env = {**os.environ, "HOME": "/nonexistent"}  # what is there keeps programs off registers that nobody saves

    def svcdoctor(*args):
        return subprocess.run([plan["program"], *args], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env, check=False)

    cluster = ("--bundle", os.path.join(plan["lab"], "cluster"))
    for name, args in (("alone", ("verify", "-A")), ("cluster", ("verify", "-A", *cluster)), ("diagnose", ("diagnose", "-A", *cluster))):
        p = svcdoctor(*args, "--node", "live", "-o", "json")
        with open(os.path.join(FOLDER, f"live-{name}.json"), "wb") as f:
            f.write(p.stdout)
        print(json.dumps({"what": name, "status": p.returncode, "says": p.stderr.decode()}))
    p = svcdoctor("collect", "--node", "live", "-w", os.path.join(FOLDER, "made"))
    print(json.dumps({"what": "collect", "status": p.returncode, "says": p.stderr.decode()}))
    with open(os.path.join(FOLDER, "script.tar"), "wb") as f:
        p = subprocess.run(["dash"], input=svcdoctor("collect", "--script", "node").stdout, stdout=f, stderr=subprocess.PIPE, check=False,
                           env={**env, "TMPDIR": "/run"})
    print(json.dumps({"what": "script", "status": p.returncode, "says": p.stderr.decode()}))


main()
