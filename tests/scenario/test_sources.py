#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What `verify` says of a class of sources against `trace` of single addresses: sets, several ways to the outside, policy routing, masks.

`trace` knows no classes and remembers nothing, so that wherever it finds a packet or its reply lost, a difference or a broken cause of `verify`
must hold that address, and wherever it finds none, no difference may."""
import ipaddress
import json

from common import LABS, Copy, Dump, Tests, expect, run

NODE = "node1"
WEB = "172.30.99.1:32035"  # default/web, a node port: policy Cluster
ETH1 = {"ifindex": 77, "ifname": "eth1", "flags": ["BROADCAST", "UP", "LOWER_UP"], "mtu": 1500, "operstate": "UP", "link_type": "ether",
        "address": "02:00:00:00:00:77"}


class Lab(Copy):
    """node1 alone."""

    def __init__(self):
        super().__init__(LABS["nft"])

    def json(self, change, *path):
        def edit(text):
            value = json.loads(text)
            change(value)
            return json.dumps(value)
        self.edit(edit, *path)

    def node(self, change, name):
        self.json(change, "nodes", NODE, name)

    def rules(self, *rules):
        def edit(text):
            d = Dump(text)
            for table, rule in rules:
                d.insert(table, rule, 1)
            return str(d)
        self.edit(edit, "nodes", NODE, "iptables-nft-save.txt")

    def sets(self, text):
        self.write(text, "nodes", NODE, "ipset-save.txt")

    def routes(self, *routes):
        self.node(lambda v: v.extend(routes), "ip-route.json")

    def rule(self, **rule):
        self.node(lambda v: v.insert(1, {"priority": 100, "src": "all", **rule}), "ip-rule.json")

    def second_link(self):
        """A second network card with a network of its own."""
        self.node(lambda v: v.append({**ETH1, "addr_info": [{"family": "inet", "local": "172.31.0.1", "prefixlen": 24, "broadcast": "172.31.0.255",
                                                             "scope": "global", "label": "eth1"}]}), "ip-addr.json")
        self.node(lambda v: v.append(ETH1), "ip-link.json")
        self.routes({"dst": "172.31.0.0/24", "dev": "eth1", "protocol": "kernel", "scope": "link", "prefsrc": "172.31.0.1", "flags": []},
                    {"type": "local", "dst": "172.31.0.1", "dev": "eth1", "table": "local", "scope": "host", "prefsrc": "172.31.0.1", "flags": []},
                    {"type": "broadcast", "dst": "172.31.0.255", "dev": "eth1", "table": "local", "scope": "link", "flags": []})
        self.edit(lambda t: t + "".join(line.replace(".eth0.", ".eth1.") + "\n" for line in t.split("\n") if ".eth0." in line),
                  "nodes", NODE, "sysctl.txt")

    def sysctl(self, key, value):
        self.edit(lambda t: "".join(f"{key} = {value}\n" if line.startswith(key + " ") else line + "\n" for line in t.rstrip("\n").split("\n")),
                  "nodes", NODE, "sysctl.txt")


def fails(lab, source, destination):
    """Does a part of the packets of this source, or of their replies, get lost, or its own address?"""
    doc = run("trace", source, destination, "--bundle", lab.path, "--node", NODE, "-o", "json", codes=[0, 1, 2]).json
    first = [e for e in doc["endings"]]
    expect(first, f"trace {source} {destination} has no ending")
    return any(e["verdict"] in ("drop", "reject") or e["delivery"] == "lost" or e["reply"]["ok"] is False for e in first)


def concerned(doc, frontend, source):
    """The differences of a frontend that hold the source."""
    a = ipaddress.ip_address(source)
    found = []
    for d in doc["differences"]:
        if d["frontend"] == frontend and any(a in ipaddress.ip_network(p) for p in d["class"]["prefixes"]):
            found.append(d["kind"])
    return found


def compare(lab, cases, broken=None):
    """cases: {source: does it fail?}, of packets to default/web; @broken: the cause under which the node's own faults are told."""
    doc = run("verify", "-A", "--bundle", lab.path, "--node", NODE, "-o", "json", codes=[0, 1, 2]).json
    expect(not doc["undecided"], lambda: f"undecided: {doc['undecided'][:2]}")
    for (source, destination, frontend), want in cases.items():
        expect(fails(lab, source, destination) == want, f"trace {source} {destination}: expected {'a loss' if want else 'none'}")
        got = concerned(doc, frontend, source)
        if broken:
            continue
        expect(bool(got) == want, f"verify says {got} of {source} to {frontend}; trace finds {'a loss' if want else 'none'}")
    if broken:
        expect([b["cause"] for b in doc["broken"]] == [broken], f"broken: {doc['broken']}")


def web(source):
    return source, WEB, "*:32035/TCP"


def web_ip(source):
    return source, "10.96.136.124:80", "10.96.136.124:80/TCP"


def blocklist(lab):
    """A set of sources, asked by replies too: they come from the endpoint, and of that the answer is known."""
    lab.sets("create A hash:net family inet\nadd A 45.0.0.0/8\n")
    lab.rules(("filter", "-A FORWARD -m set --match-set A src -j DROP"))
    compare(lab, {web("45.1.2.3"): True, web("203.0.113.9"): False})


def set_of_clients(lab):
    """A set of destinations: of a reply that is the client."""
    lab.sets("create A hash:ip family inet\nadd A 10.244.1.99\nadd A 203.0.113.9\n")
    lab.rules(("filter", "-A FORWARD -m set --match-set A dst -j DROP"))
    compare(lab, {web_ip("10.244.1.99"): True, web_ip("10.244.1.98"): False, web("203.0.113.9"): True, web("203.0.113.8"): False})


def set_that_rules_change(lab):
    lab.sets("create blocked hash:ip family inet timeout 0\nadd blocked 10.244.1.136\n")
    lab.rules(("filter", "-A FORWARD -m set --match-set blocked dst -j DROP"),
              ("filter", "-A INPUT -p tcp -m tcp --dport 9999 -j SET --add-set blocked src"))
    compare(lab, {web("203.0.113.9"): True, web_ip("10.244.1.99"): True})


def routed_by_interface(lab):
    lab.second_link()
    lab.routes({"dst": "8.8.8.0/24", "gateway": "172.31.0.254", "dev": "eth1", "flags": []},
               {"dst": "10.244.0.0/16", "gateway": "172.31.0.253", "dev": "eth1", "table": "100", "flags": []})
    lab.rule(iif="eth1", table="100")
    lab.sysctl("net.ipv4.conf.eth0.rp_filter", 1)  # else they may come by the other link as well
    lab.rules(("filter", "-A FORWARD -m conntrack --ctstate NEW -o cni0 -j DROP"))
    compare(lab, {web("203.0.113.9"): True, web("8.8.8.8"): False})


def routed_by_destination(lab):
    lab.second_link()
    lab.rule(dst="198.51.100.0", dstlen=24, table="100")
    lab.routes({"dst": "default", "gateway": "172.31.0.254", "dev": "eth1", "table": "100", "flags": []})
    lab.rules(("filter", "-A FORWARD -i eth1 -j DROP"))
    compare(lab, {web("198.51.100.9"): True})


def answered_by_policy_route(lab):
    """The pods' replies to some go another way, where they are dropped."""
    lab.second_link()
    lab.rule(src="10.244.0.0", srclen=16, table="200")
    lab.routes({"dst": "8.8.8.0/24", "gateway": "172.31.0.254", "dev": "eth1", "table": "200", "flags": []},
               {"dst": "default", "gateway": "172.30.99.254", "dev": "eth0", "table": "200", "flags": []},
               {"dst": "10.244.1.0/24", "dev": "cni0", "table": "200", "scope": "link", "flags": []})
    lab.sysctl("net.ipv4.conf.all.rp_filter", 1)
    compare(lab, {web("203.0.113.9"): False, web("8.8.8.8"): True}, "rp-filter")


def type_on_one_interface(lab):
    lab.second_link()
    lab.rules(("filter", "-A OUTPUT -m addrtype --src-type LOCAL --limit-iface-out -m conntrack --ctstate DNAT -j DROP"))
    compare(lab, {web_ip("172.30.99.1"): True, web_ip("172.31.0.1"): False})


def mask_with_holes(lab):
    lab.rules(("filter", "-A FORWARD -m conntrack --ctreplsrc 0.0.0.7/0.0.0.7 -j DROP"))
    compare(lab, {web("203.0.113.9"): True, web_ip("10.244.1.99"): True})


def second_network(lab):
    """A network of its own on a second card is outside as well."""
    lab.second_link()
    lab.rules(("filter", "-A FORWARD -i eth1 -j DROP"))
    compare(lab, {web("172.31.0.9"): True, web("203.0.113.9"): False})


CASES = [blocklist, set_of_clients, set_that_rules_change, routed_by_interface, routed_by_destination, answered_by_policy_route,
         type_on_one_interface, mask_with_holes, second_network]


def case(test):
    with Lab() as lab:
        test(lab)


if __name__ == "__main__":
    t = Tests()
    for test_ in CASES:
        t.run(f"sources/{test_.__name__}", case, test_)
    t.finish()
