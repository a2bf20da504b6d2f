#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Faults of a node's kernel, each made in a recorded cluster: it is found, it is all that is found beside what the cluster has anyway, and what only looks
like it stays silent. A row is a fault or its look-alike; what a sound node's files say is silent too."""
import functools
import json
import os

from common import Copy, Tests, expect, expect_equal, run, sh

LABS = ("lab-iptables-nft", "lab-nftables", "lab-ipvs")
IPTABLES, NFTABLES, IPVS = LABS
NODES = ("node1", "node2")
MACS = {"node1": "7e:4d:5a:12:9f:01", "node2": "7e:4d:5a:12:9f:02"}
UPLINKS = {"node1": "172.30.99.1", "node2": "172.30.99.2"}
LSMOD = "Module                  Size  Used by\n"
NSTAT = "#kernel\nIpInReceives                    3907713            0.0\nTcpExtPAWSPassive               0                  0.0\nUdpInCsumErrors                 0                  0.0\n"
NEIGH = """==> arp_cache <==
entries  allocs   destroys hash_grows table_fulls
{0:08x} 0000aac0 0000a048 00000003   {1:08x}
{0:08x} 0000a429 0000ae9e 00000002   00000000

==> ndisc_cache <==
entries  allocs   destroys hash_grows table_fulls
00000001 0001356e 00014ebe 00000005   00000000
"""
FEATURES = "Features for {}:\nrx-checksumming: on\ntx-checksumming: on\n\ttx-checksum-ipv4: off [fixed]\n\ttx-checksum-ip-generic: {}\n"


class World(Copy):
    """A recorded cluster whose nodes are to be changed."""

    def sysctl(self, node, **values):
        """Names with "__" for a dot: what stands there is replaced."""
        values = {k.replace("__", "."): v for k, v in values.items()}
        lines = [x for x in self.read("nodes", node, "sysctl.txt").splitlines() if x.split(" =")[0] not in values]
        self.write("\n".join(lines + [f"{k} = {v}" for k, v in values.items() if v is not None]) + "\n", "nodes", node, "sysctl.txt")

    def put(self, node, file, text):
        self.write(text, "nodes", node, file)

    def json(self, node, file, change):
        def edit(text):
            items = json.loads(text)
            items = change(items) or items
            return json.dumps(items)
        self.write(edit(self.read("nodes", node, file)), "nodes", node, file)

    def objects(self, kind, change):
        doc = json.loads(self.read("cluster", f"{kind}.json"))
        change(doc["items"])
        self.write(json.dumps(doc), "cluster", f"{kind}.json")

    def release(self, release, nodes=NODES):
        for n in nodes:
            self.put(n, "uname.txt", f"Linux {n} {release} #1 SMP x86_64 GNU/Linux\n")

    def config(self, node, **values):
        """Of kube-proxy's configuration: section__key."""
        def change(text):
            doc = json.loads(text)
            for name, value in values.items():
                at = doc["kubeproxy.config.k8s.io"]
                *sections, key = name.split("__")
                for s in sections:
                    at = at[s]
                at[key] = value
            return json.dumps(doc)
        self.write(change(self.read("nodes", node, "kube-proxy-configz.json")), "nodes", node, "kube-proxy-configz.json")

    def mtu(self, node, mtu, which):
        def change(links):
            for l in links:
                if which(l):
                    l["mtu"] = mtu
        self.json(node, "ip-link.json", change)

    def add_pod(self, name, ns):
        self.objects("pods", lambda items: items.append({
            "metadata": {"name": name, "namespace": ns, "uid": name}, "spec": {"nodeName": "node1", "hostNetwork": True, "containers": [{"name": "c"}]},
            "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}}))


def pods_links(link):
    return link["ifname"] == "cni0" or link.get("master") == "cni0"


def overlay(b, kind="vxlan", mtu=1450):
    """The way to the other node's pods as flannel makes it."""
    name = {"vxlan": "flannel.1", "ipip": "tunl0", "wireguard": "wg0"}[kind]
    for node, other, net in (("node1", "node2", "10.244.2.0"), ("node2", "node1", "10.244.1.0")):
        data = {"id": 1, "local": UPLINKS[node], "link": "eth0", "port": 8472, "learning": False} if kind == "vxlan" else {}
        link = {"ifindex": 70, "ifname": name, "flags": ["BROADCAST", "UP", "LOWER_UP"], "mtu": mtu, "operstate": "UNKNOWN", "address": MACS[node],
                "linkinfo": {"info_kind": kind, "info_data": data}}
        b.json(node, "ip-link.json", lambda items, x=link: items.append(x))

        def route(items, n=name, to=net):
            for t in items:
                if t.get("dst") == f"{to}/24" and "gateway" in t:
                    t.update({"gateway": to, "dev": n, "flags": ["onlink"]})
        b.json(node, "ip-route.json", route)
        if kind == "vxlan":
            b.json(node, "ip-neigh.json", lambda items, a=net, m=MACS[other]: items.append({"dst": a, "dev": "flannel.1", "lladdr": m, "state": ["PERMANENT"]}))
            b.json(node, "bridge-fdb.json", lambda items, m=MACS[other], to=UPLINKS[other]: items.append(
                {"mac": m, "ifname": "flannel.1", "dst": to, "flags": ["self"], "state": "permanent"}))
        b.mtu(node, mtu, pods_links)


def sound(b):
    """Files of a node with nothing wrong in them."""
    for n in NODES:
        b.put(n, "lsmod.txt", LSMOD + "ip_vs_rr               16384  1\nip_vs                 221184  9 ip_vs_rr\nnf_conntrack 172032 1 ip_vs\n")
        b.put(n, "nstat.txt", NSTAT)
        b.put(n, "lnstat.txt", NEIGH.format(12, 0))
        b.put(n, "ethtool.txt", FEATURES.format("flannel.1", "on"))
        b.put(n, "ipvsadm-timeout.txt", "Timeout (tcp tcpfin udp): 7200 120 300\n")
        b.put(n, "locks.txt", "65024 17 /run/xtables.lock\n1: POSIX  ADVISORY  WRITE 5 fe:00:99 0 EOF\n")
        b.put(n, "versions.txt", "nftables v1.0.6 (Lester Gooch #5)\niptables v1.8.9 (nf_tables)\n")
        b.sysctl(n, net__ipv4__neigh__default__gc_thresh3=1024, net__ipv4__tcp_keepalive_time=7200, net__ipv4__tcp_timestamps=1,
                 net__ipv6__neigh__default__gc_thresh3=1024, net__ipv6__conf__all__disable_ipv6=0)


# ---- the faults, and what only looks like one ----

def tw_recycle(b, dropped=7, stamps=1, value=1):
    b.sysctl("node1", net__ipv4__tcp_tw_recycle=value, net__ipv4__tcp_timestamps=stamps)
    b.put("node1", "nstat.txt", NSTAT.replace("PAWSPassive               0", f"PAWSPassive               {dropped}"))


def neighbours(b, entries=1024, fulls=3):
    b.put("node1", "lnstat.txt", NEIGH.format(entries, fulls))


def says(b, *lines, counted=True, made=None):
    """The kernel's log, with what it always says before it."""
    if made:
        made(b)
    if not counted:
        os.unlink(b.file("nodes", "node1", "lnstat.txt"))
    b.put("node1", "dmesg.txt", "[    1.000001] Linux version 6.1.0 (gcc)\n[    9.101010] IPVS: ipvs loaded.\n[   10.5] device veth1 entered promiscuous mode\n" +
          "".join(f"[  812.{i:06}] {x}\n" for i, x in enumerate(lines)))


def no_scheduler(b, scheduler="mh", loaded="ip_vs_rr", servers=False):
    """No virtual server could be made."""
    b.config("node1", ipvs__scheduler=scheduler)
    b.put("node1", "lsmod.txt", LSMOD + f"{loaded}               16384  1\nip_vs                 221184  9 ip_vs_rr\n")
    if not servers:
        for f in ("ipvsadm-save.txt", "ipvsadm-ln.txt"):
            b.put("node1", f, "")


def recent(b, entries=100, name="KUBE-SEP-4JZVQJHXTKMDXJNR", limit=100):
    b.put("node1", "xt-recent.txt", f"/sys/module/xt_recent/parameters/ip_list_tot:{limit}\n 3 /proc/net/xt_recent/KUBE-SEP-JA2KGDKF2CQMWBSK\n"
                                    f" {entries} /proc/net/xt_recent/{name}\n {entries + 3} total\n")


def six_services(b):
    def change(items):
        for s in items:
            if s["metadata"]["name"] == "hostnames":
                s["spec"]["clusterIPs"] = ["10.96.250.211", "fd00:96::211"]
                s["spec"]["ipFamilies"] = ["IPv4", "IPv6"]
    b.objects("services", change)


def no_six_addresses(b, node="node1"):
    def change(items):
        for l in items:
            l["addr_info"] = [a for a in l["addr_info"] if a["family"] != "inet6" or l["ifname"] == "lo"]
    b.json(node, "ip-addr.json", change)


def six_off(b, services=True, addresses=False):
    if services:
        six_services(b)
    b.sysctl("node1", net__ipv6__conf__all__disable_ipv6=1)
    if not addresses:
        no_six_addresses(b)


def router(b, accept=1, default=False):
    six_services(b)
    b.json("node1", "ip-addr.json", lambda items: [l["addr_info"].append({"family": "inet6", "local": "fd00:99::1", "prefixlen": 64, "scope": "global"})
                                                    for l in items if l["ifname"] == "eth0"] and None)
    b.sysctl("node1", net__ipv6__conf__eth0__accept_ra=accept, net__ipv6__conf__eth0__forwarding=1)
    if default:
        b.json("node1", "ip-route.json", lambda items: items.append({"dst": "default", "gateway": "fe80::1", "dev": "eth0", "protocol": "ra", "flags": []}))


def no_ipvs(b, loaded=False, settings=False, mode="iptables"):
    """kube-proxy was configured for IPVS and took iptables mode, as it did before 1.26."""
    b.config("node1", mode="ipvs")
    b.put("node1", "kube-proxy-mode.txt", mode)
    b.put("node1", "lsmod.txt", LSMOD + "nf_conntrack 172032 1 nf_nat\n" + ("ip_vs 221184 9\n" if loaded else ""))
    if settings:
        b.sysctl("node1", net__ipv4__vs__conntrack=1)


def reuse(b, release, mode):
    b.release(release)
    for n in NODES:
        b.sysctl(n, net__ipv4__vs__conn_reuse_mode=mode)


def timeouts(b, tcp, alive):
    b.put("node1", "ipvsadm-timeout.txt", f"Timeout (tcp tcpfin udp): {tcp} 120 300\n")
    b.sysctl("node1", net__ipv4__tcp_keepalive_time=alive)


def arp(b, pod=("speaker-x7", "metallb-system"), ignore=0):
    b.add_pod(*pod)
    for n in NODES:
        b.sysctl(n, net__ipv4__conf__all__arp_ignore=ignore)


def mtu_tunnel(b, kind="vxlan", mtu=1500, uplink=1500):
    overlay(b, kind, mtu)
    b.mtu("node1", uplink, lambda l: l["ifname"] == "eth0")
    b.mtu("node2", 9001, lambda l: l["ifname"] == "eth0")


def mtu_pods(b, mtu=1500):
    overlay(b)
    b.mtu("node1", mtu, pods_links)


def mtu_docker(b):
    """Containers beside the pods, on a bridge of their own."""
    overlay(b)
    b.json("node1", "ip-link.json", lambda items: items.extend([
        {"ifindex": 80, "ifname": "docker0", "flags": ["UP"], "mtu": 1500, "linkinfo": {"info_kind": "bridge"}},
        {"ifindex": 81, "ifname": "veth9", "flags": ["UP"], "mtu": 1500, "master": "docker0", "linkinfo": {"info_kind": "veth", "info_slave_kind": "bridge"}}]))
    b.json("node1", "ip-route.json", lambda items: items.append({"dst": "172.17.0.0/16", "dev": "docker0", "protocol": "kernel", "scope": "link", "flags": []}))


def mtu_over_six(b, mtu):
    overlay(b, "vxlan", mtu)
    for n in NODES:
        b.json(n, "ip-link.json", lambda items: [l["linkinfo"]["info_data"].update(local6="fd00::1") for l in items if l["ifname"] == "flannel.1"] and None)


def calico(b):
    """Blocks of addresses that are not the podCIDRs of the nodes: node1's way into node2's podCIDR leads to a third node, and is right."""
    overlay(b)

    def third(items):
        node = json.loads(json.dumps(items[1]))
        node["metadata"].update(name="node3", uid="node3")
        node["spec"]["podCIDR"], node["spec"]["podCIDRs"] = "10.244.3.0/24", ["10.244.3.0/24"]
        node["status"]["addresses"] = [{"type": "InternalIP", "address": "172.30.99.3"}]
        items.append(node)
    b.objects("nodes", third)
    for f in ("ip-link.json", "ip-route.json", "ip-neigh.json", "bridge-fdb.json"):
        for n in NODES:
            b.write(b.read("nodes", n, f).replace("flannel.1", "vxlan.calico"), "nodes", n, f)
    b.json("node1", "ip-route.json", lambda items: items.append({"dst": "10.244.2.192/26", "gateway": "10.244.9.0", "dev": "vxlan.calico", "flags": ["onlink"]}))
    b.json("node1", "ip-neigh.json", lambda items: items.append({"dst": "10.244.9.0", "dev": "vxlan.calico", "lladdr": "66:00:00:00:00:03", "state": ["PERMANENT"]}))
    b.json("node1", "bridge-fdb.json", lambda items: items.append({"mac": "66:00:00:00:00:03", "ifname": "vxlan.calico", "dst": "172.30.99.3", "flags": ["self"]}))


def idle_tunnel(b):
    """A tunnel that is there, and that no pods' packets go through."""
    link = {"ifindex": 70, "ifname": "tunl0", "flags": ["NOARP", "UP"], "mtu": 1500, "linkinfo": {"info_kind": "ipip", "info_data": {"remote": "any", "local": "any"}}}
    b.json("node1", "ip-link.json", lambda items: items.append(link))
    b.json("node1", "ip-route.json", lambda items: items.append({"dst": "10.8.0.0/24", "dev": "tunl0", "scope": "link", "flags": []}))


def jumbo(b):
    """A routed network whose pods send more than the nodes' interface takes."""
    b.mtu("node1", 9000, pods_links)


def checksum(b, release="5.4.40", on="on", errors=0, tunnel=True, random=True):
    if tunnel:
        overlay(b)
    b.release(release)
    for n in NODES:
        b.put(n, "ethtool.txt", FEATURES.format("flannel.1", on))
    b.put("node2", "nstat.txt", NSTAT.replace("InCsumErrors                 0", f"InCsumErrors                 {errors}"))
    for n in NODES if not random else ():
        b.edit(lambda t: t.replace(" --random-fully", ""), "nodes", n, "iptables-nft-save.txt")
        b.edit(lambda t: t.replace(" --random-fully", ""), "nodes", n, "ip6tables-nft-save.txt")


def overlay_mac(b, mac="7e:4d:5a:12:9f:aa"):
    overlay(b)
    b.json("node2", "ip-link.json", lambda items: [l.update(address=mac) for l in items if l["ifname"] == "flannel.1"] and None)


def overlay_no_fdb(b, flood=False):
    overlay(b)
    b.json("node1", "bridge-fdb.json", lambda items: [x for x in items if x["ifname"] != "flannel.1"] +
           ([{"mac": "00:00:00:00:00:00", "ifname": "flannel.1", "dst": "239.1.1.1", "flags": ["self"]}] if flood else []))


def overlay_no_neighbour(b, learning=False):
    overlay(b)
    b.json("node1", "ip-neigh.json", lambda items: [x for x in items if x["dev"] != "flannel.1"])
    if learning:
        b.json("node1", "ip-link.json", lambda items: [l["linkinfo"]["info_data"].update(learning=True) for l in items if l["ifname"] == "flannel.1"] and None)


def reverse_path(b, dropped=4, interfaces=2, strict=1, prefix=24, **link):
    """A second interface, by which something came that would have been answered by the first."""
    if interfaces > 1:
        b.json("node1", "ip-link.json", lambda items: items.append({"ifindex": 60, "ifname": "eth1", "flags": ["BROADCAST", "UP"], "mtu": 1500, **link}))
        b.json("node1", "ip-addr.json", lambda items: items.append({"ifindex": 60, "ifname": "eth1", "flags": ["UP"], "addr_info": [
            {"family": "inet", "local": "192.0.2.9", "prefixlen": prefix, "scope": "global"}]}))
        b.json("node1", "ip-route.json", lambda items: items.extend([
            {"dst": "192.0.2.0/24", "dev": "eth1", "protocol": "kernel", "scope": "link", "flags": []},
            {"type": "local", "dst": "192.0.2.9", "dev": "eth1", "table": "local", "protocol": "kernel", "scope": "host", "flags": []}]))
    b.sysctl("node1", net__ipv4__conf__eth1__rp_filter=strict, net__ipv4__conf__eth1__forwarding=1)
    b.put("node1", "nstat.txt", NSTAT + f"TcpExtIPReversePathFilter       {dropped}                  0.0\n")


def overlay_to(b, address):
    overlay(b)
    b.json("node1", "bridge-fdb.json", lambda items: [x.update(dst=address) for x in items if x["ifname"] == "flannel.1"] and None)


def overlay_port(b, key="port", value=4789):
    overlay(b)
    b.json("node2", "ip-link.json", lambda items: [l["linkinfo"]["info_data"].update({key: value}) for l in items if l["ifname"] == "flannel.1"] and None)


def flannel_told(b, mac=MACS["node2"], kind="vxlan"):
    overlay(b)

    def change(items):
        for n in items:
            if n["metadata"]["name"] == "node2":
                n["metadata"]["annotations"] = {"flannel.alpha.coreos.com/backend-type": kind,
                                                "flannel.alpha.coreos.com/backend-data": json.dumps({"VNI": 1, "VtepMAC": mac}, separators=(",", ":"))}
    b.objects("nodes", change)


def flannel_twice(b):
    """A link that another configuration left."""
    flannel_told(b)
    b.json("node2", "ip-link.json", lambda items: items.insert(0, {"ifindex": 70, "ifname": "flannel.4096", "flags": ["UP"], "mtu": 1450, "address": "7e:4d:5a:00:00:01",
                                                                  "linkinfo": {"info_kind": "vxlan", "info_data": {"id": 4096, "port": 4789}}}))


def nothing(_b):
    pass


def ways(fn, *args, **kwargs):
    return lambda b: fn(b, *args, **kwargs)


# name, bundle, how it is made, what is found (None: nothing new), its severity, and what it says
ROWS = (
    ("nothing", IPTABLES, nothing, None, None, ()),
    ("nothing in nftables mode", NFTABLES, nothing, None, None, ()),
    ("nothing in IPVS mode", IPVS, nothing, None, None, ()),
    ("overlay", IPTABLES, overlay, None, None, ()),
    ("overlay in nftables mode", NFTABLES, overlay, None, None, ()),
    ("overlay in IPVS mode", IPVS, overlay, None, None, ()),

    ("tcp_tw_recycle", IPTABLES, tw_recycle, "tcp-tw-recycle", "error", ("node1", "7 connections were dropped", "tcp_tw_recycle=0")),
    ("tcp_tw_recycle in IPVS mode", IPVS, tw_recycle, "tcp-tw-recycle", "error", ()),
    ("tcp_tw_recycle that dropped nothing", IPTABLES, ways(tw_recycle, dropped=0), "tcp-tw-recycle", "warning", ("may be dropped",)),
    ("tcp_tw_recycle without time stamps", IPTABLES, ways(tw_recycle, stamps=0), None, None, ()),
    ("tcp_tw_recycle off, and drops of another reason", IPTABLES, ways(tw_recycle, value=0), None, None, ()),

    ("neighbours full", IPTABLES, neighbours, "arp-cache-overflow", "error", ("1024 of 1024", "gc_thresh3=100000")),
    ("neighbours full in nftables mode", NFTABLES, neighbours, "arp-cache-overflow", "error", ()),
    ("neighbours nearly full", IPTABLES, ways(neighbours, entries=1000, fulls=0), "arp-cache-overflow", "warning", ("nearly full",)),
    ("neighbours that were full once", IPTABLES, ways(neighbours, entries=12, fulls=2), "arp-cache-overflow", "info", ("has been full",)),
    ("neighbours full, says the kernel", IPTABLES, ways(says, "neighbour: arp_cache: neighbor table overflow!", counted=False), "arp-cache-overflow", "warning",
     ("IPv4", "neighbor table overflow")),
    ("neighbours of IPv6 full, says the kernel", IPTABLES, ways(says, "neighbour: ndisc_cache: neighbor table overflow!"), "arp-cache-overflow", "warning", ("IPv6",)),
    ("neighbours full now, says the kernel", IPTABLES, ways(says, "neighbour: arp_cache: neighbor table overflow!", made=ways(neighbours, fulls=0)),
     "arp-cache-overflow", "error", ("1024 of 1024",)),
    ("what the kernel always says", IPTABLES, says, None, None, ()),
    ("many neighbours", IPTABLES, ways(neighbours, entries=900, fulls=0), None, None, ()),

    ("affinity full", IPTABLES, recent, "xt-recent-limit", "warning", ("lists of clients of 1 endpoint are full", "(default/sticky): 100 clients of at most 100")),
    ("affinity with room", IPTABLES, ways(recent, 99), None, None, ()),
    ("affinity with a higher limit", IPTABLES, ways(recent, 100, limit=1000), None, None, ()),
    ("a full list of somebody else", IPTABLES, ways(recent, name="sshguard"), None, None, ()),
    ("affinity full, another mode", NFTABLES, recent, None, None, ()),

    ("IPv6 off", IPTABLES, six_off, "ipv6-disabled-or-ra", "error", ("1 Service has an IPv6 address", "disable_ipv6=0")),
    ("IPv6 off, and nobody uses it", IPTABLES, ways(six_off, services=False), None, None, ()),
    ("IPv6 off, and given back to links", IPTABLES, ways(six_off, addresses=True), None, None, ()),
    ("routers ignored", IPTABLES, router, "ipv6-disabled-or-ra", "warning", ("accept_ra is 1", "eth0.accept_ra=2")),
    ("routers heard", IPTABLES, ways(router, accept=2), None, None, ()),
    ("routers ignored, and a default route", IPTABLES, ways(router, default=True), None, None, ()),

    ("no IPVS", IPTABLES, no_ipvs, "ipvs-modules-missing", "warning", ("node1", "the kernel there has no IPVS", "runs in iptables mode", "modprobe -a ip_vs")),
    ("IPVS loaded", IPTABLES, ways(no_ipvs, loaded=True), "kube-proxy-mode-differs", "warning", ()),
    ("IPVS built in", IPTABLES, ways(no_ipvs, settings=True), "kube-proxy-mode-differs", "warning", ()),

    ("no scheduler", IPVS, ways(says, "IPVS: Scheduler module ip_vs_mh not found", made=no_scheduler), "ipvs-scheduler-missing", "error",
     ("has no such scheduler", "modprobe ip_vs_mh", "Scheduler module ip_vs_mh not found")),
    ("another scheduler", IPVS, ways(says, "IPVS: Scheduler module ip_vs_mh not found"), None, None, ()),
    ("a scheduler that is there", IPVS, ways(no_scheduler, loaded="ip_vs_mh", servers=True), None, None, ()),
    ("a scheduler that is used", IPVS, ways(no_scheduler, servers=True), None, None, ()),

    ("ports used again, old kernel", IPVS, ways(reuse, "5.4.0-42-generic", 1), "ipvs-conn-reuse", "warning", ("waits for a second", "nodes node1, node2")),
    ("ports used again, as kube-proxy sets it", IPVS, ways(reuse, "5.4.0", 0), "ipvs-conn-reuse", "info", ("the endpoint of before",)),
    ("ports used again, new kernel", IPVS, ways(reuse, "5.9.0", 1), None, None, ()),
    ("ports used again, set for an old kernel", IPVS, ways(reuse, "6.1.0-18-amd64", 0), "ipvs-conn-reuse", "warning", ("conn_reuse_mode=1",)),
    ("ports used again, kernel not known", IPVS, ways(reuse, "odd", 1), None, None, ()),
    ("ports used again, another mode", IPTABLES, ways(reuse, "5.4.0", 1), None, None, ()),

    ("idle connections", IPVS, ways(timeouts, 300, 7200), "ipvs-tcp-timeout-keepalive", "warning", ("idle for 300 seconds",)),
    ("idle connections, the kernel's own", IPVS, ways(timeouts, 900, 7200), "ipvs-tcp-timeout-keepalive", "info", ()),
    ("idle connections kept", IPVS, ways(timeouts, 900, 600), None, None, ()),
    ("idle connections, another mode", IPTABLES, ways(timeouts, 300, 7200), None, None, ()),

    ("ARP", IPVS, arp, "ipvs-strict-arp", "warning", ("nodes node1, node2", "metallb-system/speaker-x7", "203.0.113.80 of default/example-service")),
    ("ARP of kube-vip", IPVS, ways(arp, ("kube-vip-node1", "kube-system")), "ipvs-strict-arp", "warning", ()),
    ("ARP, strict", IPVS, ways(arp, ignore=1), None, None, ()),
    ("ARP, nobody announces", IPVS, ways(arp, ("speaker", "music")), None, None, ()),
    ("ARP, another mode", IPTABLES, arp, None, None, ()),

    ("MTU of the tunnel", IPTABLES, mtu_tunnel, "mtu-mismatch", "warning", ("flannel.1 takes packets of 1500 bytes", "dev flannel.1 mtu 1450")),
    ("MTU of the tunnel in nftables mode", NFTABLES, mtu_tunnel, "mtu-mismatch", "warning", ()),
    ("MTU of IPIP", IPTABLES, ways(mtu_tunnel, "ipip", 1500), "mtu-mismatch", "warning", ("header of 20",)),
    ("MTU of IPIP that fits", IPTABLES, ways(mtu_tunnel, "ipip", 1480), None, None, ()),
    ("MTU of WireGuard", IPTABLES, ways(mtu_tunnel, "wireguard", 1450), "mtu-mismatch", "warning", ("header of 60",)),
    ("MTU of WireGuard that fits", IPTABLES, ways(mtu_tunnel, "wireguard", 1420), None, None, ()),
    ("MTU of a large uplink", IPTABLES, ways(mtu_tunnel, "vxlan", 8951, 9001), None, None, ()),
    ("MTU of pods", IPTABLES, mtu_pods, "mtu-mismatch", "warning", ("2 pods send packets of up to 1500 bytes", "takes 1450")),
    ("MTU of pods that fits", IPTABLES, ways(mtu_pods, 1400), None, None, ()),
    ("MTU over IPv6", IPTABLES, ways(mtu_over_six, 1450), "mtu-mismatch", "warning", ("header of 70",)),
    ("MTU over IPv6 that fits", IPTABLES, ways(mtu_over_six, 1430), None, None, ()),
    ("MTU of other containers", IPTABLES, mtu_docker, None, None, ()),
    ("MTU of a tunnel for something else", IPTABLES, idle_tunnel, None, None, ()),
    ("MTU in a routed network", IPTABLES, jumbo, None, None, ()),

    ("checksums", IPTABLES, checksum, "vxlan-checksum-offload", "warning", ("Linux 5.4.40", "ethtool -K flannel.1 tx-checksum-ip-generic off")),
    ("checksums, counted", IPTABLES, ways(checksum, "5.4.0-26-generic", errors=88), "vxlan-checksum-offload", "warning", ("node2 has received 88 UDP packets",)),
    ("checksums, a distribution's kernel", IPTABLES, ways(checksum, "5.4.0-120-generic"), None, None, ()),
    ("checksums, of SUSE", IPTABLES, ways(checksum, "5.3.18-150300.59.43-default"), None, None, ()),
    ("checksums, a kernel that is mended", IPTABLES, ways(checksum, "5.4.41", errors=88), None, None, ()),
    ("checksums, not left to the card", IPTABLES, ways(checksum, on="off"), None, None, ()),
    ("checksums, ports one after the other", IPTABLES, ways(checksum, random=False), None, None, ()),
    ("checksums, no tunnel", IPTABLES, ways(checksum, tunnel=False), None, None, ()),

    ("another hardware address", IPTABLES, overlay_mac, "node-overlay-broken", "error", ("from node node1 the pods of node node2", MACS["node2"], "7e:4d:5a:12:9f:aa")),
    ("the same hardware address in capitals", IPTABLES, ways(overlay_mac, MACS["node2"].upper()), None, None, ()),
    ("the tunnel does not know the node", NFTABLES, overlay_no_fdb, "node-overlay-broken", "error", ("does not know where",)),
    ("the tunnel sends to everybody", IPTABLES, ways(overlay_no_fdb, True), None, None, ()),
    ("the tunnel does not know the neighbour", IPTABLES, overlay_no_neighbour, "node-overlay-broken", "error", ("hardware address of 10.244.2.0",)),
    ("the tunnel learns its neighbours", IPTABLES, ways(overlay_no_neighbour, True), None, None, ()),
    ("the tunnel leads to itself", IPTABLES, ways(overlay_to, UPLINKS["node1"]), "node-overlay-broken", "error", ("which is another node's",)),
    ("the tunnel leads to a router", IPTABLES, ways(overlay_to, "198.51.100.7"), None, None, ()),
    ("a way to blocks that are no podCIDR", IPTABLES, calico, None, None, ()),
    ("another port", IPVS, overlay_port, "node-overlay-broken", "error", ("8472", "4789")),
    ("another network", IPTABLES, ways(overlay_port, "id", 2), "node-overlay-broken", "error", ("VXLAN number 1 here and 2 there",)),

    ("reverse path", IPTABLES, reverse_path, "rp-filter-strict", "warning", ("has 2 interfaces", "has dropped 4 packets", "net.ipv4.conf.eth1.rp_filter=2")),
    ("reverse path in nftables mode", NFTABLES, reverse_path, "rp-filter-strict", "warning", ()),
    ("reverse path, says the kernel", IPTABLES, ways(says, "IPv4: martian source 10.0.0.5 from 192.0.2.77, on dev eth1", made=ways(reverse_path, dropped=0)),
     "rp-filter-strict", "warning", ("martian source 10.0.0.5",)),
    ("reverse path, nothing dropped", IPTABLES, ways(reverse_path, dropped=0), None, None, ()),
    ("reverse path, loose", IPTABLES, ways(reverse_path, strict=2), None, None, ()),
    ("reverse path, at a pod's link", IPTABLES, ways(reverse_path, prefix=32, linkinfo={"info_kind": "veth"}), None, None, ()),
    ("reverse path, a network of one address", IPTABLES, ways(reverse_path, prefix=32), "rp-filter-strict", "warning", ()),
    ("reverse path, one interface", IPTABLES, ways(reverse_path, interfaces=1), None, None, ()),

    ("flannel's hardware address", IPTABLES, ways(flannel_told, "7e:4d:5a:12:9f:bb"), "networkmanager-interferes", "error", ("node2", "7e:4d:5a:12:9f:bb")),
    ("flannel's hardware address as told", IPTABLES, flannel_told, None, None, ()),
    ("flannel's link of before", IPTABLES, flannel_twice, None, None, ()),
    ("flannel without VXLAN", IPTABLES, ways(flannel_told, "7e:4d:5a:12:9f:bb", "host-gw"), None, None, ()),
)


def diagnosis(b):
    """{id: finding} of all causes."""
    d = run("diagnose", "-A", "--bundle", b.path, "-o", "json", codes=[0, 1, 2]).json
    causes = {f["id"]: f for f in d["cluster"]}
    for s in d["services"]:
        causes.update((f["id"], f) for f in s["causes"])
    explained = {i for f in causes.values() for i in f["explains"]}
    return {i: f for i, f in causes.items() if i not in explained}


@functools.lru_cache(maxsize=None)
def usual(lab):
    """What the recorded cluster has anyway, and still has when a node's other files are there."""
    with World(lab) as b:
        before = set(diagnosis(b))
        sound(b)
        expect_equal(sorted(set(diagnosis(b)) - before), [], f"new findings of {lab} with files that are sound")
        return frozenset(before)


def row(lab, make, check, severity, texts):
    with World(lab) as b:
        sound(b)
        make(b)
        found = diagnosis(b)
        # a Service that was given an IPv6 address lacks rules and endpoints for it, which is no fault of
        # the kernel, and nothing is known of its clients
        new = {i: f for i, f in found.items() if i not in usual(lab) and "hostnames" not in i and not i.startswith(("rules-undecided", "detect-local-noop"))}
        kinds = {i.split("/")[0] for i in new}
        expect_equal(sorted(kinds), [check] if check else [], "new findings " + json.dumps([f["text"] for f in new.values()]))
        for f in new.values():
            expect_equal(f["severity"], severity, f["text"])
        everything = "\n".join("\n".join([f["text"], *f["evidence"], *f["next"], *f["fix"]]) for f in new.values())
        for t in texts:
            expect(t in everything, f"{t!r} is not in {everything}")


def real_tunnel():
    """A tunnel of the kernel's own in a namespace: as it was made wrong, and mended by what is printed."""
    name = f"svcd-kern-{os.getpid()}"
    ip = ("ip", "-n", name)
    mac = "7e:4d:5a:12:9f:02"

    def found():
        d = run("diagnose", "-A", "--bundle", "lab-iptables-nft", "--netns", name, "--node", "node1", "-o", "json", codes=[0, 1, 2]).json
        return {f["id"].split("/")[0]: f for f in d["cluster"] if f["id"].split("/")[0] in ("mtu-mismatch", "node-overlay-broken")}
    sh("ip", "netns", "add", name)
    try:
        for words in (("link", "add", "eth0", "type", "veth", "peer", "name", "wire"), ("link", "set", "wire", "up"), ("link", "set", "eth0", "up"), ("addr", "add", "172.30.99.1/24", "dev", "eth0")):
            sh(*ip, *words)
        try:
            sh(*ip, *"link add flannel.1 type vxlan id 1 dev eth0 local 172.30.99.1 dstport 8472 nolearning".split())
        except OSError:
            return "there is no vxlan here"
        sh(*ip, *"link set flannel.1 up mtu 1450".split())
        sh(*ip, *"route add 10.244.2.0/24 via 10.244.2.0 dev flannel.1 onlink".split())
        expect("does not know the hardware address of 10.244.2.0" in found()["node-overlay-broken"]["text"], "a tunnel without a neighbour")
        sh(*ip, *f"neigh add 10.244.2.0 dev flannel.1 lladdr {mac} nud permanent".split())
        expect(f"does not know where {mac} is" in found()["node-overlay-broken"]["text"], "a tunnel without an entry")
        sh("ip", "netns", "exec", name, "bridge", *f"fdb append {mac} dev flannel.1 dst 172.30.99.2 self permanent".split())
        expect_equal(found(), {}, "findings of a tunnel as it must be")
        sh(*ip, *"link set eth0 mtu 1400".split())
        fix = found()["mtu-mismatch"]["fix"]
        expect_equal([x.split(" ip ")[-1] for x in fix], ["link set dev flannel.1 mtu 1350"], "the way to mend it")
        sh(*fix[0].split()[1:])  # as it is printed, but for sudo
        expect_equal(found(), {}, "findings after that")
    finally:
        sh("ip", "netns", "del", name)
    return None


def main():
    tests = Tests()
    only = os.environ.get("ONLY", "")
    for name, lab, make, check, severity, texts in ROWS:
        if only in name:
            tests.run(name, row, lab, make, check, severity, texts)
    if os.geteuid() == 0:
        tests.run("real tunnel", real_tunnel)
    else:
        tests.skip("real tunnel", "needs root")
    tests.finish()


if __name__ == "__main__":
    main()
