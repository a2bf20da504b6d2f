#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The recorded cluster with IPv6 addresses in every mode: its objects and the nodes' addresses and routes with each
IPv4 address replaced by one of IPv6, and the rules that kube-proxy writes for that (tests/bench/kube_proxy*.py). Every frontend is decided
and as it must be, and as many as in IPv4; of what is removed from the rules one thing is named."""
import io
import ipaddress
import json
import os
import re
import shutil
import sys
import tempfile

from common import CORPUS, ROOT, Tests, expect, expect_equal, read, run, write

sys.path.insert(0, os.path.join(ROOT, "tests", "bench"))
import kube_proxy  # noqa: E402  pylint: disable=wrong-import-position
import kube_proxy_ipvs  # noqa: E402  pylint: disable=wrong-import-position
import kube_proxy_nft  # noqa: E402  pylint: disable=wrong-import-position

LABS = {"iptables": "lab-iptables-legacy", "nftables": "lab-nftables", "nftables-chains": "lab-nftables", "ipvs": "lab-ipvs"}
CLUSTER = ("services.json", "endpointslices.json", "nodes.json", "pods.json", "namespaces.json", "servicecidrs.json", "version.json")
IPV4 = re.compile(r"(?<![\d.])(\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3})(?:/(\d+))?(?![\d.])")
OLD = "v1.35.4"     # with a chain for each endpoint


def six(text):
    """Every IPv4 address and prefix of a text as one of fd00::/96."""
    def one(m):
        a = ipaddress.ip_address(m[1])
        if a.is_loopback or int(a) == 0 or m[1].startswith("255."):
            return m[0]
        return f"{ipaddress.ip_address((0xfd00 << 112) + int(a))}" + (f"/{int(m[2]) + 96}" if m[2] else "")
    return IPV4.sub(one, text)


def six_objects(text):
    return six(text).replace('"IPv4"', '"IPv6"')


def six_links(links):
    """Addresses of IPv6 in place of all of IPv4 but loopback; none of kube-ipvs0, which is written anew."""
    out = []
    for link in links:
        if link["ifname"] == "kube-ipvs0":
            continue
        rows = [a for a in link["addr_info"] if a["family"] == "inet6" or link["ifname"] == "lo"]
        rows += [{**{k: v for k, v in a.items() if k != "broadcast"}, "family": "inet6", "local": six(a["local"]), "prefixlen": a["prefixlen"] + 96}
                 for a in link["addr_info"] if a["family"] == "inet" and link["ifname"] != "lo"]
        out.append({**link, "addr_info": rows})
    return out


def six_routes(routes):
    out = []
    for r in routes:
        if r.get("dev") == "kube-ipvs0" or r.get("type") in ("broadcast",):
            continue
        own = ":" not in r["dst"] and not r["dst"].startswith("127.")
        out.append({**json.loads(six(json.dumps(r))), "pref": "medium"} if own and "pref" not in r else r)
    return out


def six_sysctls(text):
    more = [line.replace("net.ipv4.", "net.ipv6.") for line in text.splitlines() if re.match(r"net\.ipv4\.conf\.[^.]+\.forwarding ", line)]
    return text + "\n".join(more) + "\n"


class Twin:
    """The lab of a mode in another family; written to a folder."""

    def __init__(self, mode, folder):
        self.mode, self.path = mode, folder
        lab = os.path.join(CORPUS, LABS[mode])
        for name in CLUSTER:
            text = six_objects(read(os.path.join(lab, "cluster", name)))
            write(text.replace("v1.36.2", OLD) if mode == "nftables-chains" and name == "nodes.json" else text, os.path.join(folder, "cluster", name))
        for node in ("node1", "node2"):
            self.node(os.path.join(lab, "nodes", node), node)

    def objects(self, name):
        return json.loads(read(os.path.join(self.path, "cluster", name)))["items"]

    def put(self, text, node, name):
        write(text, os.path.join(self.path, "nodes", node, name))

    def node(self, source, node):
        links, routes = (json.loads(read(os.path.join(source, n))) for n in ("ip-addr.json", "ip-route.json"))
        links, routes = six_links(links), six_routes(routes)
        config = json.loads(six(read(os.path.join(source, "kube-proxy-configz.json"))))
        more = self.rules(node, config["kubeproxy.config.k8s.io"], [
            a["local"] for link in links for a in link["addr_info"] if a["family"] == "inet6" and a["local"].startswith("fd00:")])
        if more:
            links.append(more.link(99))
            routes += more.routes()
        for name, value in (("ip-addr.json", links), ("ip-route.json", routes), ("kube-proxy-configz.json", config)):
            self.put(json.dumps(value), node, name)
        self.put(six_sysctls(read(os.path.join(source, "sysctl.txt"))), node, "sysctl.txt")
        for name in ("ip-link.json", "bridge-fdb.json", "ip-neigh.json"):
            self.put(six(read(os.path.join(source, name))), node, name)

    def rules(self, node, config, own):
        """Writes what kube-proxy leaves in the kernel; in IPVS mode its Node, for the addresses of kube-ipvs0."""
        services, slices = self.objects("services.json"), self.objects("endpointslices.json")
        ports = kube_proxy.ports_of(services, slices, node, True)
        if self.mode == "iptables":
            for family, name in (("IPv4", "iptables"), ("IPv6", "ip6tables")):
                out = io.StringIO()
                kube_proxy.write_save(out, services, slices, node, config, "legacy", family, own if family == "IPv6" else [])
                self.put(out.getvalue(), node, f"{name}-legacy-save.txt")
        elif self.mode != "ipvs":
            cidrs = [c for s in self.objects("servicecidrs.json") for c in s["spec"]["cidrs"]]
            out = io.StringIO()
            kube_proxy_nft.write_json(out, {"IPv6": ports}, config, {"IPv6": own}, cidrs,
                                      kube_proxy_nft.CHAINS if self.mode == "nftables-chains" else kube_proxy_nft.MAPS)
            self.put(out.getvalue(), node, "nft-ruleset.json")
        else:
            nodes = kube_proxy_ipvs.Node([], config, False, []), kube_proxy_ipvs.Node(ports, config, True, own)
            for name, writes in (("ipvsadm-save.txt", [nodes[1].write_servers]), ("ipset-save.txt", [n.write_sets for n in nodes]),
                                 ("iptables-legacy-save.txt", [nodes[0].write_save]), ("ip6tables-legacy-save.txt", [nodes[1].write_save])):
                out = io.StringIO()
                for w in writes:
                    w(out)
                self.put(out.getvalue(), node, name)
            return nodes[1]
        return None


def verify(bundle):
    return run("verify", "-A", "--bundle", bundle, "-o", "json", codes=[0, 1, 2]).json


def sound(mode):
    with tempfile.TemporaryDirectory(prefix="svcdoctor-test-") as folder:
        twin = Twin(mode, os.path.join(folder, "six"))
        doc = verify(twin.path)
        for part in ("differences", "undecided", "broken", "errors"):
            expect_equal(doc[part], [], part)
        expect_equal(doc["decided"], doc["frontends"], "decided frontends")
        four = verify(os.path.join(CORPUS, LABS[mode]))
        # Node ports answer on 127.0.0.1 in IPv4 only, as a class of sources and not as a frontend.
        expect_equal(doc["frontends"], four["frontends"], "frontends")
    return f"{doc['frontends']} frontends, no difference"


# By mode: the file, what a line or element of default/web is found by, and the text of what is missing.
WEB = "fd00::a60:887c"
GONE = {"iptables": ("ip6tables-legacy-save.txt", f"-A KUBE-SERVICES -d {WEB}/128 ", "rule", f"-A KUBE-SERVICES -d {WEB}/128 "),
        "nftables": ("nft-ruleset.json", None, "set", f"{WEB} . tcp . 80 : goto service-PFISGYVC-default/web/tcp/"),
        "nftables-chains": ("nft-ruleset.json", None, "set", f"{WEB} . tcp . 80 : goto service-PFISGYVC-default/web/tcp/"),
        "ipvs": ("ipvsadm-save.txt", f" -t [{WEB}]:80 ", "ipvs", f"-A -t [{WEB}]:80 -s rr")}


def without_web(path, needle):
    text = read(path)
    if needle:
        write("".join(line + "\n" for line in text.splitlines() if needle not in line), path)
        return
    doc = json.loads(text)
    for o in doc["nftables"]:
        if "map" in o and o["map"]["name"] == "service-ips" and o["map"]["family"] == "ip6":
            o["map"]["elem"] = [e for e in o["map"]["elem"] if WEB not in json.dumps(e)]
    write(json.dumps(doc), path)


def entry_gone(mode):
    with tempfile.TemporaryDirectory(prefix="svcdoctor-test-") as folder:
        twin = Twin(mode, os.path.join(folder, "six"))
        name, needle, kind, text = GONE[mode]
        without_web(os.path.join(twin.path, "nodes", "node1", name), needle)
        found = verify(twin.path)["differences"]
        expect_equal({(d["kind"], d["node"], d["service"], d["frontend"]) for d in found}, {("no-rule", "node1", "default/web", f"[{WEB}]:80/TCP")}, "differences")
        for d in found:
            by = d["by"]
            expect(by and by["kind"] == kind and by["family"] == "ip6" and by["missing"] and by["text"].startswith(text), f"by {by}")
        shutil.rmtree(twin.path)


def main():
    t = Tests()
    for mode in LABS:
        t.run(f"six-{mode}/sound", sound, mode)
        t.run(f"six-{mode}/entry-gone", entry_gone, mode)
    t.finish()


if __name__ == "__main__":
    main()
