#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A bundle of a large cluster: N Services with 5 endpoints each (every 20th with a node port) and a few without endpoints, as the API
lists them, and what kube-proxy writes for them on one node, in one of its modes (kube_proxy.py, kube_proxy_nft.py, kube_proxy_ipvs.py).

    tests/bench/generate.py FOLDER N [iptables|nftables|nftables-chains|ipvs]
"""
import hashlib
import json
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import kube_proxy  # noqa: E402
import kube_proxy_ipvs  # noqa: E402
import kube_proxy_nft  # noqa: E402

ENDPOINTS = 5
WITHOUT = 14  # Services without endpoints
PODS_PER_NODE = 200
NODE = "n1"
CLUSTER_CIDR = "10.0.0.0/8"
SERVICE_CIDR = "172.20.0.0/14"
CONFIG = {"mode": "iptables", "hostnameOverride": NODE, "clusterCIDR": CLUSTER_CIDR, "detectLocalMode": "ClusterCIDR", "nodePortAddresses": None,
          "iptables": {"masqueradeBit": 14, "masqueradeAll": False, "localhostNodePorts": True}, "ipvs": {"scheduler": ""},
          "nftables": {"masqueradeBit": 14, "masqueradeAll": False}}
# Of the node: what kube-proxy is configured to, and its version. Endpoint maps came with v1.36.
MODES = {"iptables": (CONFIG, "v1.36.2"), "nftables": ({**CONFIG, "mode": "nftables", "nodePortAddresses": ["primary"]}, "v1.36.2"),
         "nftables-chains": ({**CONFIG, "mode": "nftables", "nodePortAddresses": ["primary"]}, "v1.35.4"), "ipvs": ({**CONFIG, "mode": "ipvs"}, "v1.36.2")}


def cluster_ip(i):
    return f"172.{20 + (i >> 16)}.{i >> 8 & 255}.{i & 255}"


def pod_ip(i):
    """The address and node of pod @i: a /24 for each node, up to 65,536 of them."""
    node, host = divmod(i, PODS_PER_NODE)
    return f"10.{node >> 8}.{node & 255}.{host + 2}", f"n{node + 1}"


def node_ip(i):
    return f"192.168.{100 + i // 250}.{i % 250 + 1}"


class Service:
    def __init__(self, number, endpoints):
        self.ns, self.name = f"team-{number % 97}", f"service-{number}"
        self.ip = cluster_ip(number + 256)
        self.node_port = 30000 + number // 20 if number % 20 == 0 and endpoints and number < 20 * 2768 else None
        self.endpoints = endpoints


def services(n):
    out, pod = [], 0
    for i in range(n):
        out.append(Service(i, [pod_ip(pod + k) for k in range(ENDPOINTS)]))
        pod += ENDPOINTS
    return out + [Service(n + i, []) for i in range(WITHOUT)]


# ---- the API ----

def meta(s, **more):
    uid = hashlib.md5(f"{s.ns}/{s.name}{more}".encode()).hexdigest()
    return {"name": s.name, "namespace": s.ns, "uid": f"{uid[:8]}-{uid[8:12]}-{uid[12:16]}-{uid[16:20]}-{uid[20:]}", "resourceVersion": "1234567",
            "creationTimestamp": "2026-01-01T00:00:00Z", "labels": {"app": s.name, "team": s.ns}, **more}


def service_object(s):
    port = {"name": "http", "protocol": "TCP", "port": 80, "targetPort": 8080}
    if s.node_port:
        port["nodePort"] = s.node_port
    return {"metadata": meta(s), "spec": {
        "ports": [port], "selector": {"app": s.name}, "clusterIP": s.ip, "clusterIPs": [s.ip], "type": "NodePort" if s.node_port else "ClusterIP",
        "sessionAffinity": "None", "ipFamilies": ["IPv4"], "ipFamilyPolicy": "SingleStack", "internalTrafficPolicy": "Cluster",
        **({"externalTrafficPolicy": "Cluster"} if s.node_port else {})}, "status": {"loadBalancer": {}}}


def slice_object(s):
    m = meta(s, generateName=f"{s.name}-")
    m["name"] = f"{s.name}-x7k2q"
    m["labels"] = {"app": s.name, "kubernetes.io/service-name": s.name, "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io"}
    m["ownerReferences"] = [{"apiVersion": "v1", "kind": "Service", "name": s.name, "uid": m["uid"], "controller": True, "blockOwnerDeletion": True}]
    return {"metadata": m, "addressType": "IPv4", "ports": [{"name": "http", "protocol": "TCP", "port": 8080}], "endpoints": [
        {"addresses": [ip], "conditions": {"ready": True, "serving": True, "terminating": False}, "nodeName": node, "zone": "zone-1",
         "targetRef": {"kind": "Pod", "namespace": s.ns, "name": f"{s.name}-6d5f9c7b8-{k}", "uid": m["uid"]}}
        for k, (ip, node) in enumerate(s.endpoints)]}


def node_object(i, version):
    cidr = f"10.{i >> 8}.{i & 255}.0/24"
    return {"metadata": {"name": f"n{i + 1}", "labels": {"topology.kubernetes.io/zone": "zone-1"}}, "spec": {"podCIDR": cidr, "podCIDRs": [cidr]},
            "status": {"addresses": [{"type": "InternalIP", "address": node_ip(i)}], "conditions": [{"type": "Ready", "status": "True"}],
                       "nodeInfo": {"kubeletVersion": version, "kubeProxyVersion": version, "kernelVersion": "6.12.0"}}}


def write_list(folder, name, kind, version, items):
    with open(os.path.join(folder, "cluster", name), "w", encoding="utf-8") as f:
        f.write(json.dumps({"kind": kind + "List", "apiVersion": version, "metadata": {"resourceVersion": "1"}})[:-1] + ',"items":[')
        for i, item in enumerate(items):
            f.write(("," if i else "") + json.dumps(item, separators=(",", ":")))
        f.write("]}\n")


# ---- the node ----

def write_node(folder, config, ipvs):
    """@ipvs: kube_proxy_ipvs.Node, or None in other modes."""
    def address(local, length, scope):
        return {"family": "inet", "local": local, "prefixlen": length, "scope": scope}
    files = {
        "ip-addr.json": [
            {"ifindex": 1, "ifname": "lo", "flags": ["LOOPBACK", "UP", "LOWER_UP"], "addr_info": [address("127.0.0.1", 8, "host")]},
            {"ifindex": 2, "ifname": "eth0", "flags": ["BROADCAST", "UP", "LOWER_UP"], "addr_info": [address(node_ip(0), 16, "global")]},
            {"ifindex": 3, "ifname": "cni0", "flags": ["BROADCAST", "UP", "LOWER_UP"], "addr_info": [address("10.0.0.1", 24, "global")]}],
        "ip-route.json": [
            {"dst": "default", "gateway": "192.168.255.254", "dev": "eth0", "flags": []},
            {"dst": "10.0.0.0/24", "dev": "cni0", "protocol": "kernel", "scope": "link", "prefsrc": "10.0.0.1", "flags": []},
            {"dst": "192.168.0.0/16", "dev": "eth0", "protocol": "kernel", "scope": "link", "prefsrc": node_ip(0), "flags": []},
            {"type": "local", "dst": "127.0.0.0/8", "dev": "lo", "table": "local", "scope": "host", "prefsrc": "127.0.0.1", "flags": []},
            {"type": "local", "dst": "10.0.0.1", "dev": "cni0", "table": "local", "scope": "host", "prefsrc": "10.0.0.1", "flags": []},
            {"type": "local", "dst": node_ip(0), "dev": "eth0", "table": "local", "scope": "host", "prefsrc": node_ip(0), "flags": []}],
        "kube-proxy-configz.json": {"kubeproxy.config.k8s.io": config},
    }
    if ipvs:
        files["ip-addr.json"].append(ipvs.link(4))
        files["ip-route.json"] += ipvs.routes()
    for name, value in files.items():
        with open(os.path.join(folder, name), "w", encoding="utf-8") as f:
            json.dump(value, f)
    with open(os.path.join(folder, "sysctl.txt"), "w", encoding="utf-8") as f:
        f.write("net.ipv4.ip_forward = 1\nnet.ipv4.conf.all.forwarding = 1\nnet.ipv4.conf.all.route_localnet = 1\n"
                "net.ipv4.conf.all.rp_filter = 0\nnet.bridge.bridge-nf-call-iptables = 1\n")
        for dev in ("lo", "eth0", "cni0", "default"):
            f.write(f"net.ipv4.conf.{dev}.forwarding = 1\nnet.ipv4.conf.{dev}.rp_filter = 0\n")
        if ipvs:
            f.write("net.ipv4.vs.conntrack = 1\n")


def write_rules(folder, mode, config, objects, slices):
    """What kube-proxy leaves in the kernel; kube_proxy_ipvs.Node in IPVS mode."""
    def create(name):
        return open(os.path.join(folder, name), "w", encoding="utf-8")
    if mode == "iptables":
        with create("iptables-legacy-save.txt") as f:
            kube_proxy.write_save(f, objects, slices, NODE, config, "legacy")
        return None
    ports = kube_proxy.ports_of(objects, slices, NODE, False)
    if mode != "ipvs":
        shape = kube_proxy_nft.CHAINS if mode == "nftables-chains" else kube_proxy_nft.MAPS
        with create("nft-ruleset.json") as f:
            kube_proxy_nft.write_json(f, {"IPv4": ports}, config, {"IPv4": [node_ip(0)]}, [SERVICE_CIDR], shape)
        return None
    node = kube_proxy_ipvs.Node(ports, config, False, [node_ip(0), "10.0.0.1"])
    six = kube_proxy_ipvs.Node([], config, True, [])
    for name, *writers in (("ipvsadm-save.txt", node.write_servers), ("ipset-save.txt", node.write_sets, six.write_sets),
                           ("iptables-legacy-save.txt", node.write_save), ("ip6tables-legacy-save.txt", six.write_save)):
        with create(name) as f:
            for write in writers:
                write(f)
    return node


def main():
    folder, n, mode = sys.argv[1], int(sys.argv[2]), sys.argv[3] if len(sys.argv) > 3 else "iptables"
    config, version = MODES[mode]
    node = os.path.join(folder, "nodes", NODE)
    os.makedirs(node, exist_ok=True)
    os.makedirs(os.path.join(folder, "cluster"), exist_ok=True)
    all_services = services(n)
    objects, slices = [service_object(s) for s in all_services], [slice_object(s) for s in all_services]
    nodes = range((n * ENDPOINTS + PODS_PER_NODE - 1) // PODS_PER_NODE)
    write_list(folder, "services.json", "Service", "v1", objects)
    write_list(folder, "endpointslices.json", "EndpointSlice", "discovery.k8s.io/v1", slices)
    write_list(folder, "nodes.json", "Node", "v1", (node_object(i, version) for i in nodes))
    write_list(folder, "servicecidrs.json", "ServiceCIDR", "networking.k8s.io/v1",
               [{"metadata": {"name": "kubernetes"}, "spec": {"cidrs": [SERVICE_CIDR]}}])
    write_node(node, config, write_rules(node, mode, config, objects, slices))


if __name__ == "__main__":
    main()
