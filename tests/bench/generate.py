#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A bundle of a large cluster: N Services with 5 endpoints each (every 20th with a node port) and a few without endpoints, as the API
lists them and as kube-proxy in iptables mode writes them on one node. Above 1,000 endpoints kube-proxy leaves the comments out.

    tests/bench/generate.py FOLDER N
"""
import base64
import hashlib
import json
import os
import sys

ENDPOINTS = 5
WITHOUT = 14  # Services without endpoints
PODS_PER_NODE = 200
NODE = "n1"
CLUSTER_CIDR = "10.0.0.0/8"


def chain_hash(text):
    return base64.b32encode(hashlib.sha256(text.encode()).digest()).decode()[:16]


def cluster_ip(i):
    return f"172.{20 + (i >> 16)}.{i >> 8 & 255}.{i & 255}"


def pod_ip(i):
    node, host = divmod(i, PODS_PER_NODE)
    return f"10.{node >> 8}.{node & 255}.{host + 2}", f"n{node + 1}"


class Service:
    def __init__(self, number, endpoints):
        self.ns, self.name = f"team-{number % 97}", f"service-{number}"
        self.ip = cluster_ip(number + 256)
        self.node_port = 30000 + number // 20 if number % 20 == 0 and endpoints and number < 20 * 2768 else None
        self.endpoints = endpoints
        self.hash = chain_hash(f"{self.ns}/{self.name}:http" + "tcp")

    def sep(self, ip):
        return "KUBE-SEP-" + chain_hash(f"{self.ns}/{self.name}:http" + "tcp" + f"{ip}:8080")

    def comment(self, text, keep):
        return f' -m comment --comment "{text}"' if keep else ""


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


def node_object(i):
    cidr = f"10.{i >> 8}.{i & 255}.0/24"
    return {"metadata": {"name": f"n{i + 1}", "labels": {"topology.kubernetes.io/zone": "zone-1"}}, "spec": {"podCIDR": cidr, "podCIDRs": [cidr]},
            "status": {"addresses": [{"type": "InternalIP", "address": f"192.168.{i >> 8}.{i & 255 or 255}" if i else "192.168.100.1"}],
                       "conditions": [{"type": "Ready", "status": "True"}],
                       "nodeInfo": {"kubeletVersion": "v1.36.2", "kubeProxyVersion": "v1.36.2", "kernelVersion": "6.12.0"}}}


def write_list(folder, name, kind, version, items):
    with open(os.path.join(folder, "cluster", name), "w", encoding="utf-8") as f:
        f.write(json.dumps({"kind": kind + "List", "apiVersion": version, "metadata": {"resourceVersion": "1"}})[:-1] + ',"items":[')
        for i, item in enumerate(items):
            f.write(("," if i else "") + json.dumps(item, separators=(",", ":")))
        f.write("]}\n")


# ---- the node ----

MANGLE = "*mangle\n:PREROUTING ACCEPT [0:0]\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n:POSTROUTING ACCEPT [0:0]\n" \
         ":KUBE-PROXY-CANARY - [0:0]\nCOMMIT\n"
FILTER = """*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:KUBE-EXTERNAL-SERVICES - [0:0]
:KUBE-FIREWALL - [0:0]
:KUBE-FORWARD - [0:0]
:KUBE-NODEPORTS - [0:0]
:KUBE-PROXY-CANARY - [0:0]
:KUBE-PROXY-FIREWALL - [0:0]
:KUBE-SERVICES - [0:0]
-A INPUT -j KUBE-FIREWALL
-A INPUT -m conntrack --ctstate NEW -m comment --comment "kubernetes load balancer firewall" -j KUBE-PROXY-FIREWALL
-A INPUT -m comment --comment "kubernetes health check service ports" -j KUBE-NODEPORTS
-A INPUT -m conntrack --ctstate NEW -m comment --comment "kubernetes externally-visible service portals" -j KUBE-EXTERNAL-SERVICES
-A FORWARD -m conntrack --ctstate NEW -m comment --comment "kubernetes load balancer firewall" -j KUBE-PROXY-FIREWALL
-A FORWARD -m comment --comment "kubernetes forwarding rules" -j KUBE-FORWARD
-A FORWARD -m conntrack --ctstate NEW -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
-A FORWARD -m conntrack --ctstate NEW -m comment --comment "kubernetes externally-visible service portals" -j KUBE-EXTERNAL-SERVICES
-A OUTPUT -j KUBE-FIREWALL
-A OUTPUT -m conntrack --ctstate NEW -m comment --comment "kubernetes load balancer firewall" -j KUBE-PROXY-FIREWALL
-A OUTPUT -m conntrack --ctstate NEW -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
-A KUBE-FIREWALL ! -s 127.0.0.0/8 -d 127.0.0.0/8 -m comment --comment "block incoming localnet connections" -m conntrack ! --ctstate RELATED,ESTABLISHED,DNAT -j DROP
-A KUBE-FORWARD -m conntrack --ctstate INVALID -j DROP
-A KUBE-FORWARD -m comment --comment "kubernetes forwarding rules" -m mark --mark 0x4000/0x4000 -j ACCEPT
-A KUBE-FORWARD -m comment --comment "kubernetes forwarding conntrack rule" -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
"""
NAT_HEAD = """-A PREROUTING -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
-A OUTPUT -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
-A POSTROUTING -m comment --comment "kubernetes postrouting rules" -j KUBE-POSTROUTING
-A KUBE-MARK-MASQ -j MARK --set-xmark 0x4000/0x4000
-A KUBE-POSTROUTING -m mark ! --mark 0x4000/0x4000 -j RETURN
-A KUBE-POSTROUTING -j MARK --set-xmark 0x4000/0x0
-A KUBE-POSTROUTING -m comment --comment "kubernetes service traffic requiring SNAT" -j MASQUERADE --random-fully
"""


def service_rules(s, comments):
    """The rules of one Service: (its entry, those of its chains)."""
    svc, ext = "KUBE-SVC-" + s.hash, "KUBE-EXT-" + s.hash
    who = f"{s.ns}/{s.name}:http"
    n = len(s.endpoints)
    vip = f"-d {s.ip}/32 -p tcp" + s.comment(f"{who} cluster IP", comments) + " -m tcp --dport 80"
    entry = f"-A KUBE-SERVICES {vip} -j {svc}\n"
    rules = []
    if s.node_port:
        port = s.comment(who, comments) + f" -m tcp --dport {s.node_port}"
        rules += [f"-A KUBE-NODEPORTS -d 127.0.0.0/8 -p tcp{port} -j {ext}\n", f"-A KUBE-NODEPORTS -p tcp{port} -j {ext}\n",
                  f"-A {ext}" + s.comment(f"masquerade traffic for {who} external destinations", comments) + " -j KUBE-MARK-MASQ\n",
                  f"-A {ext} -j {svc}\n"]
    rules.append(f"-A {svc} ! -s {CLUSTER_CIDR} {vip} -j KUBE-MARK-MASQ\n")
    for k, (ip, _) in enumerate(s.endpoints):
        chance = f" -m statistic --mode random --probability {round((1 / (n - k)) * 2 ** 31) / 2 ** 31:.11f}" if k < n - 1 else ""
        rules.append(f"-A {svc}" + s.comment(f"{who} -> {ip}:8080", comments) + f"{chance} -j {s.sep(ip)}\n")
    for ip, _ in s.endpoints:
        rules += [f"-A {s.sep(ip)} -s {ip}/32" + s.comment(who, comments) + " -j KUBE-MARK-MASQ\n",
                  f"-A {s.sep(ip)} -p tcp" + s.comment(who, comments) + f" -m tcp -j DNAT --to-destination {ip}:8080\n"]
    return entry, rules


def write_dump(path, all_services):
    comments = sum(len(s.endpoints) for s in all_services) <= 1000
    chains = ["KUBE-MARK-MASQ", "KUBE-NODEPORTS", "KUBE-POSTROUTING", "KUBE-PROXY-CANARY", "KUBE-SERVICES"]
    entries, rules, refusals = [], [], []
    for s in all_services:
        if not s.endpoints:
            refusals.append(f"-A KUBE-SERVICES -d {s.ip}/32 -p tcp" + s.comment(f"{s.ns}/{s.name}:http has no endpoints", comments) +
                            " -m tcp --dport 80 -j REJECT --reject-with icmp-port-unreachable\n")
            continue
        chains.append("KUBE-SVC-" + s.hash)
        chains += [s.sep(ip) for ip, _ in s.endpoints]
        if s.node_port:
            chains.append("KUBE-EXT-" + s.hash)
        entry, more = service_rules(s, comments)
        entries.append(entry)
        rules += more
    rules.sort(key=lambda r: r.split(" ", 2)[1])
    with open(path, "w", encoding="utf-8") as f:
        f.write("# Generated by iptables-save v1.8.9 on Thu Jan  1 00:00:00 2026\n" + MANGLE + FILTER)
        f.writelines(refusals)
        f.write("COMMIT\n*nat\n:PREROUTING ACCEPT [0:0]\n:INPUT ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n:POSTROUTING ACCEPT [0:0]\n")
        f.writelines(f":{c} - [0:0]\n" for c in sorted(chains))
        f.write(NAT_HEAD)
        f.writelines(entries)
        f.write('-A KUBE-SERVICES -m comment --comment "kubernetes service nodeports; NOTE: this must be the last rule in this chain" '
                "-m addrtype --dst-type LOCAL -j KUBE-NODEPORTS\n")
        f.writelines(rules)
        f.write("COMMIT\n# Completed on Thu Jan  1 00:00:00 2026\n")


def write_node(folder):
    def address(local, length, scope):
        return {"family": "inet", "local": local, "prefixlen": length, "scope": scope}
    files = {
        "ip-addr.json": [
            {"ifindex": 1, "ifname": "lo", "flags": ["LOOPBACK", "UP", "LOWER_UP"], "addr_info": [address("127.0.0.1", 8, "host")]},
            {"ifindex": 2, "ifname": "eth0", "flags": ["BROADCAST", "UP", "LOWER_UP"], "addr_info": [address("192.168.100.1", 16, "global")]},
            {"ifindex": 3, "ifname": "cni0", "flags": ["BROADCAST", "UP", "LOWER_UP"], "addr_info": [address("10.0.0.1", 24, "global")]}],
        "ip-route.json": [
            {"dst": "default", "gateway": "192.168.255.254", "dev": "eth0", "flags": []},
            {"dst": "10.0.0.0/24", "dev": "cni0", "protocol": "kernel", "scope": "link", "prefsrc": "10.0.0.1", "flags": []},
            {"dst": "192.168.0.0/16", "dev": "eth0", "protocol": "kernel", "scope": "link", "prefsrc": "192.168.100.1", "flags": []},
            {"type": "local", "dst": "127.0.0.0/8", "dev": "lo", "table": "local", "scope": "host", "prefsrc": "127.0.0.1", "flags": []},
            {"type": "local", "dst": "10.0.0.1", "dev": "cni0", "table": "local", "scope": "host", "prefsrc": "10.0.0.1", "flags": []},
            {"type": "local", "dst": "192.168.100.1", "dev": "eth0", "table": "local", "scope": "host", "prefsrc": "192.168.100.1", "flags": []}],
        "kube-proxy-configz.json": {"kubeproxy.config.k8s.io": {
            "mode": "iptables", "hostnameOverride": NODE, "clusterCIDR": CLUSTER_CIDR, "detectLocalMode": "ClusterCIDR", "nodePortAddresses": None,
            "iptables": {"masqueradeBit": 14, "masqueradeAll": False, "localhostNodePorts": True}}},
    }
    for name, value in files.items():
        with open(os.path.join(folder, name), "w", encoding="utf-8") as f:
            json.dump(value, f)
    with open(os.path.join(folder, "sysctl.txt"), "w", encoding="utf-8") as f:
        f.write("net.ipv4.ip_forward = 1\nnet.ipv4.conf.all.forwarding = 1\nnet.ipv4.conf.all.route_localnet = 1\n"
                "net.ipv4.conf.all.rp_filter = 0\nnet.bridge.bridge-nf-call-iptables = 1\n")
        for dev in ("lo", "eth0", "cni0", "default"):
            f.write(f"net.ipv4.conf.{dev}.forwarding = 1\nnet.ipv4.conf.{dev}.rp_filter = 0\n")


def main():
    folder, n = sys.argv[1], int(sys.argv[2])
    node = os.path.join(folder, "nodes", NODE)
    os.makedirs(node, exist_ok=True)
    os.makedirs(os.path.join(folder, "cluster"), exist_ok=True)
    all_services = services(n)
    write_list(folder, "services.json", "Service", "v1", map(service_object, all_services))
    write_list(folder, "endpointslices.json", "EndpointSlice", "discovery.k8s.io/v1", map(slice_object, all_services))
    write_list(folder, "nodes.json", "Node", "v1", map(node_object, range((n * ENDPOINTS + PODS_PER_NODE - 1) // PODS_PER_NODE)))
    write_dump(os.path.join(node, "iptables-legacy-save.txt"), all_services)
    write_node(node)


if __name__ == "__main__":
    main()
