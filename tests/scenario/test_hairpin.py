# SPDX-License-Identifier: GPL-2.0-or-later
"""svcdoctor hairpin: recorded nodes that are damaged, and namespaces in which it is measured who reaches whom, before and after the printed
commands are run."""
import json
import os
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from common import CORPUS, PROGRAM, Copy, Tests, expect, expect_equal, run, write  # noqa: E402
from hairpin_world import World, why_not  # noqa: E402

LAB = "lab-iptables-nft"


# ---- recorded nodes ----

def hairpin(path, *args, codes=(0,)):
    return run("hairpin", "--bundle", path, "-o", "json", *args, codes=codes).json


def node(doc, name="node1"):
    hits = [n for n in doc["nodes"] if n["node"] == name]
    expect(len(hits) == 1, f"there are {len(hits)} nodes {name} in {doc['nodes']}")
    return hits[0]


def checks(doc):
    return sorted({f["check"] for f in doc["findings"]})


def fixes(doc):
    return [x for f in doc["findings"] for x in f["fix"]]


def links(change):
    """An edit of ip-link.json: change(link) for each."""
    def edit(text):
        doc = json.loads(text)
        for link in doc:
            change(link)
        return json.dumps(doc)
    return edit


def port_off(*names):
    def change(link):
        if link.get("master") == "cni0" and (not names or link["ifname"] in names):
            link["linkinfo"]["info_slave_data"]["hairpin"] = False
    return links(change)


def test_sound():
    """Every mode; kubelets of 1.36 that are set to promiscuous-bridge while the ports have hairpin mode."""
    for lab in ("lab-iptables-nft", "lab-iptables-legacy", "lab-nftables", "lab-ipvs"):
        doc = hairpin(os.path.join(CORPUS, lab))
        for n in doc["nodes"]:
            expect_equal((n["itself"], n["neighbour"], n["judged_by"]), ("yes", "yes", "services"), f"{lab} {n['node']}")
            expect(n["kubelet_judged"] is not True, f"{lab}: the kubelet's mode is judged")
        expect_equal(doc["findings"], [], f"{lab}: findings")
        expect(doc["pods"] and all(p["masquerade"] for p in doc["pods"] if p["service"]), f"{lab}: a pod is not masqueraded")
    doc = hairpin(os.path.join(CORPUS, LAB))
    expect_equal(node(doc)["kubelet_hairpin_mode"], "promiscuous-bridge", "the kubelet's hairpinMode")
    expect_equal([(b["cni_file"], b["cni_hairpin_mode"]) for b in doc["bridges"]], [("10-bridge.conflist", True)] * 2, "the network's configuration")


def test_port_off():
    with Copy(LAB) as lab:
        lab.edit(port_off("vethp5"), "nodes", "node1", "ip-link.json")
        doc = hairpin(lab.path, codes=(1,))
        expect_equal(checks(doc), ["hairpin-mode-off"], "findings")
        expect_equal(fixes(doc), ["sudo bridge link set dev vethp5 hairpin on"], "the fix, for this port only")
        pods = {p["pod"]: p["itself"] for p in doc["pods"]}
        expect_equal((pods["default/hostnames-0"], pods["default/web-96d5df5c8-0"]), ("no", "yes"), "the pods of the two ports")
        expect_equal(pods["default/hostnames-1"], "unknown", "a pod whose port is not known")
        expect_equal(node(doc, "node2")["itself"], "yes", "the other node")
        same = run("diagnose", "-A", "--axes", "rules", "--bundle", lab.path, "-o", "json", codes=(1,)).json
        ids = {f["id"]: f["fix"] for f in same["cluster"] if f["check"] == "hairpin-mode-off"}
        expect_equal(ids, {f["id"]: f["fix"] for f in doc["findings"]}, "what diagnose says of it")
        text = run("hairpin", "--bundle", lab.path, codes=(1,)).out
        expect("cannot reach themselves through their Services, because port vethp5 of bridge cni0 has hairpin mode off" in text, text)
        expect_equal(run("hairpin", "--bundle", lab.path, "--node", "node2", codes=(0,)).err, "", "the other node alone")
        expect_equal(run("hairpin", "--bundle", lab.path, "--fail-on", "never", "-o", "lines", codes=(0,)).out.count("\n"), 1, "lines")
        expect_equal(run("hairpin", "--bundle", lab.path, "--ignore", "hairpin-mode-off", codes=(0,)).err, "", "ignored")


def test_configuration():
    """Ports that are made later: the setting of the plugin, which the printed command changes."""
    for had, wanted in (('"hairpinMode": true', '"hairpinMode": false'), ('"hairpinMode": true, ', "")):
        with Copy(LAB) as lab:
            lab.edit(port_off(), "nodes", "node1", "ip-link.json")
            lab.edit(lambda t, a=had, b=wanted: t.replace(a, b), "nodes", "node1", "cni", "10-bridge.conflist")
            doc = hairpin(lab.path, "--node", "node1", codes=(1,))
            command = [x for x in fixes(doc) if "/etc/cni/net.d/" in x]
            expect_equal(len(command), 1, f"commands for the configuration in {fixes(doc)}")
            file = lab.file("nodes", "node1", "cni", "10-bridge.conflist")
            subprocess.run(["sh", "-c", command[0].replace("sudo ", "").replace("/etc/cni/net.d/10-bridge.conflist", file)], check=True)
            plugin = json.loads(lab.read("nodes", "node1", "cni", "10-bridge.conflist"))["plugins"][0]
            expect_equal((plugin["type"], plugin["hairpinMode"]), ("bridge", True), "the configuration afterwards")
            expect_equal(hairpin(lab.path, "--node", "node1", codes=(1,))["bridges"][0]["cni_hairpin_mode"], True, "what is read of it")
    with Copy(LAB) as lab:
        write('{"name": "cbr0", "plugins": [{"type": "flannel", "delegate": {"hairpinMode": false}}]}', lab.file("nodes", "node1", "cni", "05-flannel.conf"))
        bridge = hairpin(lab.path, "--node", "node1")["bridges"][0]
        expect_equal((bridge["cni_file"], bridge["cni_hairpin_mode"]), ("05-flannel.conf", False), "the first file counts")
        write("no JSON", lab.file("nodes", "node1", "cni", "01-damaged.conflist"))
        expect("01-damaged.conflist" in run("hairpin", "--bundle", lab.path, codes=(0,)).err, "a damaged file is not told")


def test_promiscuous():
    """What a kernel makes of a promiscuous bridge; kubenet's, of a kubelet that counted on it."""
    rows = (("5.4.0", "yes", "yes"), ("6.1.50", "yes", "yes"), ("6.1.0-18-amd64", "unknown", "unknown"), ("6.1.90", "unknown", "unknown"), ("6.9.1", "no", "no"),
            ("6.18.0-rc1", "no", "no"))
    for release, helps, itself in rows:
        with Copy(LAB) as lab:
            lab.edit(port_off(), "nodes", "node1", "ip-link.json")
            lab.edit(links(lambda link: link["flags"].append("PROMISC") if link["ifname"] == "cni0" else None), "nodes", "node1", "ip-link.json")
            write(f"Linux node1 {release} #1 SMP x86_64 GNU/Linux\n", lab.file("nodes", "node1", "uname.txt"))
            doc = hairpin(lab.path, "--node", "node1", codes=(0, 1, 2))
            expect_equal((doc["bridges"][0]["promiscuous"], doc["bridges"][0]["promiscuous_helps"], node(doc)["itself"]), (True, helps, itself), release)
            expect_equal(bool(doc["findings"]), itself == "no", f"findings on {release}")
            text = run("hairpin", "--node", "node1", "--bundle", lab.path, codes=(0, 1, 2)).out
            if helps == "unknown":
                expect("depends on the stable level of kernel " + release in text, text)


def test_kubelet():
    """Up to 1.23 the kubelet's own setting counts."""
    for version, is_judged in (("v1.23.17", True), ("v1.24.0", False)):
        with Copy(LAB) as lab:
            lab.edit(lambda t, v=version: t.replace('"kubeletVersion":"v1.36.2"', f'"kubeletVersion":"{v}"'), "cluster", "nodes.json")
            lab.edit(port_off(), "nodes", "node1", "ip-link.json")
            doc = hairpin(lab.path, "--node", "node1", codes=(1,))
            told = [x for f in doc["findings"] for x in f["evidence"] if "has hairpinMode promiscuous-bridge" in x]
            expect_equal((node(doc)["kubelet_judged"], len(told)), (is_judged, int(is_judged)), version)


def test_bridge_netfilter():
    with Copy(LAB) as lab:
        lab.edit(lambda t: t.replace("bridge-nf-call-iptables = 1", "bridge-nf-call-iptables = 0"), "nodes", "node1", "sysctl.txt")
        doc = hairpin(lab.path, "--node", "node1", codes=(1,))
        expect_equal((node(doc)["itself"], node(doc)["neighbour"]), ("yes", "no"), "a pod and its neighbour")
        expect_equal(checks(doc), ["bridge-nf-call-iptables-off"], "findings")
        expect_equal(fixes(doc), ["sudo sysctl -w net.bridge.bridge-nf-call-iptables=1"], "the fix")
        lab.edit(port_off(), "nodes", "node1", "ip-link.json")
        expect_equal(fixes(hairpin(lab.path, "--node", "node1", codes=(1,))), ["sudo sysctl -w net.bridge.bridge-nf-call-iptables=1"],
                     "hairpin mode is not what is missing")


def test_without_services():
    """Bridges and ports alone: what they lack is a warning."""
    with Copy(LAB) as lab:
        for name in os.listdir(lab.file("nodes", "node1")):
            if "save" in name or name.startswith("nft"):
                os.unlink(lab.file("nodes", "node1", name))
        doc = hairpin(lab.path, "--node", "node1")
        expect_equal((node(doc)["itself"], node(doc)["judged_by"]), ("yes", "ports"), "sound ports")
        lab.edit(port_off(), "nodes", "node1", "ip-link.json")
        doc = hairpin(lab.path, "--node", "node1")
        expect_equal([(f["check"], f["severity"]) for f in doc["findings"]], [("hairpin-mode-off", "warning")], "findings")
        expect_equal(node(doc)["itself"], "no", "the verdict")
        os.unlink(lab.file("nodes", "node1", "ip-link.json"))
        doc = hairpin(lab.path, "--node", "node1", codes=(2,))
        expect_equal(node(doc)["itself"], "unknown", "without links")


def test_shared_link():
    """A subnet behind a link that is no bridge: who knows what its pods' packets pass."""
    def other(link):
        if link["ifname"] == "cni0":
            link["linkinfo"] = {"info_kind": "openvswitch"}
        elif link.get("master") == "cni0":
            del link["master"], link["linkinfo"]["info_slave_kind"], link["linkinfo"]["info_slave_data"]

    with Copy(LAB) as lab:
        lab.edit(links(other), "nodes", "node1", "ip-link.json")
        doc = hairpin(lab.path, "--node", "node1", codes=(2,))
        expect_equal((node(doc)["itself"], doc["findings"]), ("unknown", []), "the verdict")
        expect("a subnet behind cni0, which is no bridge" in node(doc)["because"], node(doc)["because"])


# ---- namespaces ----

def judged(w, codes=(0, 1)):
    return hairpin(w.bundle(), codes=codes)


def verdict(doc):
    n = node(doc)
    return {"itself": n["itself"], "neighbour": n["neighbour"]}


def in_words(measured):
    return {k: "yes" if v else "no" for k, v in measured.items()}


def asked(w):
    """The kernel itself."""
    return run("hairpin", "--netns", w.names["n"], "--node", "node1", "-o", "json", codes=(0, 1, 2)).json


def same(w, what):
    """What is said and what is measured."""
    measured = w.measured()  # first: it is traffic that fills the neighbour table
    doc = judged(w)
    if verdict(doc) != in_words(measured):  # a busy machine
        measured = w.measured(2)
    expect_equal(verdict(doc), in_words(measured), f"{what}: the verdict, which is measured")
    expect_equal(bool(doc["findings"]), not all(measured.values()), f"{what}: findings {checks(doc)}")
    live = asked(w)
    if not any(e["code"] == "partial" for e in live["errors"]):
        expect_equal((verdict(live), checks(live), len(fixes(live))), (verdict(doc), checks(doc), len(fixes(doc))), f"{what}: what the kernel itself says")
    return doc, measured


def test_table(backend, family=4):
    """All combinations, each as the running kernel has it."""
    with World(backend, family=family) as w:
        seen = {}
        for masquerade in (True, False) if (backend, family) == ("nft", 4) else (True,):
            w.masquerade(masquerade)
            for calls in (1, 0):
                for on in (False, True):
                    for promisc in (False, True):
                        w.set(calls, on, promisc)
                        doc, measured = same(w, f"bridge-nf-call-iptables {calls}, hairpin {on}, PROMISC {promisc}, masquerade {masquerade}")
                        seen[masquerade, calls, on, promisc] = measured["itself"]
                        if masquerade and calls and promisc and not on:
                            expect_equal(doc["bridges"][0]["promiscuous_helps"], "yes" if measured["itself"] else "no", "what is said of PROMISC")
        expect(any(seen.values()) and not all(seen.values()), "nothing was told apart")
        return f"{sum(seen.values())} of {len(seen)} times the pod reaches itself"


def mend(w, what, check, from_outside=False):
    """Runs the commands as they are printed, those of a bundle there and those of a namespace @from_outside; what they mend is measured."""
    doc, before = same(w, what)
    expect(not all(before.values()), f"{what}: it does no harm")
    expect_equal(checks(doc), [check], f"{what}: findings")
    commands = fixes(doc)
    expect(commands, f"{what}: no command is printed for {doc['findings']}")
    text = run("hairpin", "--bundle", w.bundle(), codes=(1,)).out
    for command in commands:
        expect(command in text, f"{what}: {command!r} is not in the text: {text}")
    if from_outside:
        commands = fixes(asked(w))
        w.outside(*commands)
    else:
        w.node(*commands)
    _, after = same(w, f"{what}, mended")
    expect_equal(after, {"itself": True, "neighbour": True}, f"{what}: after {commands}")


def test_mended(backend):
    other = {"nft": "legacy", "legacy": "nft"}[backend]
    with World(backend) as w:
        w.set(1, False)
        mend(w, "hairpin mode off", "hairpin-mode-off")
        w.masquerade(False)
        mend(w, "no masquerade", "hairpin-masquerade-missing")
        w.load("*filter\n:strange - [0:0]\n-A FORWARD -p udp -j ACCEPT\n-A FORWARD -s 10.244.0.0/16 -j strange\n-A strange -j DROP\nCOMMIT\n", other)
        mend(w, "a DROP of the other backend", "foreign-rule-drops", True)
        if backend == "legacy":
            return
        w.set(0, True)
        mend(w, "bridge netfilter off", "bridge-nf-call-iptables-off")
        w.node("sysctl -q -w net.ipv4.ip_forward=0")
        mend(w, "forwarding off", "ip-forward-disabled", True)
        w.node("sysctl -q -w net.ipv4.conf.cni0.forwarding=0")
        mend(w, "forwarding off for the bridge", "ip-forward-disabled")
        w.node(f"iptables-{other} -F", f"iptables-{other} -P FORWARD DROP")
        mend(w, "a policy of the other backend", "forward-policy-drop")
        w.node("nft add table ip fw", "nft 'add chain ip fw stop { type filter hook forward priority 10; policy drop; }'")
        mend(w, "a policy of nftables", "foreign-rule-drops")


def test_other_bridge():
    """The bridge of another program, whose containers need no Service; and rules that lead nowhere, which prove nothing."""
    with World("nft", pods=3) as w:
        w.set(1, True)
        w.node("ip link add docker0 type bridge", "ip link set docker0 up", "ip addr add 172.17.0.1/16 dev docker0", "ip link set vethc master docker0")
        mac = w.run("c", "cat /sys/class/net/eth0/address").strip()
        w.node(f"ip neigh add 172.17.0.2 lladdr {mac} dev docker0 nud reachable")
        doc, _ = same(w, "a bridge of containers")
        expect_equal([b["bridge"] for b in doc["bridges"]], ["cni0", "docker0"], "the bridges")
        w.node("iptables-nft -t nat -D PREROUTING 1")
        expect(not any(w.measured().values()), "who is not led to a pod reaches one")
        doc = judged(w, codes=(2,))
        expect_equal(verdict(doc), {"itself": "unknown", "neighbour": None}, "the verdict")
        expect("translate nothing that its pods send to" in node(doc)["because"], node(doc)["because"])


def test_without_rights():
    """Who may not read the rules is told what the ports say, and that this is not the whole."""
    if not shutil.which("setpriv"):
        return "no setpriv: not tried"
    with World("nft") as w:
        w.set(1, True)
        os.chmod(w.folder.name, 0o755)
        program = shutil.copy(PROGRAM, w.folder.name)
        command = ["ip", "netns", "exec", w.names["n"], "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "env", "HOME=/nonexistent", program]
        for on in (True, False):
            w.set(1, on)
            p = subprocess.run([*command, "hairpin", "--node", "live", "-o", "json"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               check=False, timeout=30)
            doc = json.loads(p.stdout)
            expect_equal((p.returncode, [n["judged_by"] for n in doc["nodes"]], [n["itself"] for n in doc["nodes"]]), (2, ["ports"], ["yes" if on else "no"]),
                         p.stderr.decode())
            expect("CAP_NET_ADMIN" in p.stderr.decode(), p.stderr.decode())
            expect_equal([x["code"] for x in doc["skipped"]], ["forbidden"], "what is skipped")
    return None


def test_isolated():
    """Isolated ports: no frame from one to another, nor back out of the same one, whatever their hairpin mode."""
    with World("nft", pods=3) as w:
        w.set(1, True)
        w.node("bridge link set dev vetha isolated on")
        doc, measured = same(w, "one isolated port")
        expect_equal((measured, doc["bridges"][0]["ports"]), ({"itself": False, "neighbour": True}, 3), "one isolated port")
        mend(w, "one isolated port", "node-delivery-broken")
        w.node(*(f"bridge link set dev veth{p} isolated on" for p in w.pods))
        mend(w, "isolated ports", "node-delivery-broken", True)
        w.node("bridge link set dev vetha isolated on hairpin off")
        mend(w, "an isolated port without hairpin mode", "hairpin-mode-off")
    with World("nft", pods=8) as w:
        w.set(1, True)
        w.node(*(f"bridge link set dev veth{p} isolated on" for p in w.pods))
        mend(w, "eight isolated ports", "node-delivery-broken")


def test_mended_six():
    with World("nft", family=6) as w:
        w.set(1, False)
        mend(w, "hairpin mode off", "hairpin-mode-off")
        w.set(0, True)
        mend(w, "bridge netfilter off", "bridge-nf-call-iptables-off")
        w.node("sysctl -q -w net.ipv6.conf.all.forwarding=0")
        same(w, "forwarding off")
        w.set(0, True)
        same(w, "forwarding and bridge netfilter off")
        w.set(1, True)
        w.node("sysctl -q -w net.ipv6.conf.all.forwarding=1")
        w.masquerade(False)
        mend(w, "no masquerade", "hairpin-masquerade-missing")


def test_many_ports():
    """More ports than anybody prints a command for."""
    with World("nft", pods=9) as w:
        w.set(1, False)
        doc, _ = same(w, "nine ports")
        expect_equal(len(fixes(doc)), 1, "commands")
        mend(w, "nine ports", "hairpin-mode-off", True)
        after = judged(w)
        expect(all(p["hairpin"] for p in after["ports"]), "a port was left out")
        w.set(1, False, ports="b")
        doc = judged(w)
        expect_equal((verdict(doc)["itself"], fixes(doc)), ("yes", ["sudo bridge link set dev vethb hairpin on"]), "a port without a Service behind it")
        expect_equal([f["severity"] for f in doc["findings"]], ["warning"], "how bad that is")


def test_routed():
    """A link for each pod: no bridge, and only the masquerade counts."""
    with World("nft", bridge=False) as w:
        doc, measured = same(w, "links of their own")
        expect(all(measured.values()), f"it does not work: {measured}")
        expect_equal(doc["bridges"], [], "bridges")
        w.masquerade(False)
        mend(w, "links of their own, no masquerade", "hairpin-masquerade-missing")


def main():
    t = Tests()
    t.run("sound", test_sound)
    t.run("port-off", test_port_off)
    t.run("configuration", test_configuration)
    t.run("promiscuous", test_promiscuous)
    t.run("kubelet", test_kubelet)
    t.run("bridge-netfilter", test_bridge_netfilter)
    t.run("without-services", test_without_services)
    t.run("shared-link", test_shared_link)
    why = why_not()
    for name, test, *args in (("table/nft", test_table, "nft"), ("table/legacy", test_table, "legacy"), ("table/IPv6", test_table, "nft", 6), ("mended/nft", test_mended, "nft"),
                              ("mended/legacy", test_mended, "legacy"), ("isolated", test_isolated), ("without-rights", test_without_rights), ("other-bridge", test_other_bridge), ("mended/IPv6", test_mended_six), ("many-ports", test_many_ports), ("routed", test_routed)):
        if why:
            t.skip(name, why)
        else:
            t.run(name, test, *args)
    t.finish()


if __name__ == "__main__":
    main()
