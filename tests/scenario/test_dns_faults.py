#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""dns, against real servers in namespaces (dns_world.py): a sound cluster, and set-ups with one fault each, made for real and seen with dig before the program is
asked. A table says what was found in which: in the set-up of a fault this fault is the first cause, and no other cause is an error.

    test_dns_faults.py [-v] [SETUP...]     some of them; with -v what the program printed"""
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from common import Failure, Tests, expect, expect_equal, read, run, write
from dns_objects import CLIENT, COREFILE, DNS_PODS, NODELOCAL, VIP, Cluster, port
from dns_world import SPACES, UPSTREAM, World, lacks

AT_A_TIME, AGAIN = 8, 6
LIBC_LIMIT = 8 # seconds that getent may take
UNEVEN = {"one-of-three-is-behind", "one-of-three-dead", "one-of-three-silent"} # what is answered depends on which server it is
WEB, PAY, EXTERNAL = "web.shop.svc.cluster.local", "pay.billing.svc.cluster.local", "www.example.com"
ENDS = [ip for _, ip, _ in DNS_PODS]
SETUPS = []


class Setup:
    def __init__(self, check, make, name, at):
        self.check, self.make, self.name, self.at = check, make, name, at
        self.row, self.tries = make.__name__.replace("_", "-"), 0
        self.forget()

    def forget(self):
        self.findings, self.explained, self.rc, self.error, self.compared = [], set(), None, None, False


def setup(check, name="web.shop", at="cl"):
    """@check: what must be found first; None: nothing. The function changes a World, and returns what is to be seen in it with dig."""
    def put(make):
        SETUPS.append(Setup(check, make, name, at))
        return make
    return put


def seen(w, *asked, status=None, data=None, at="cl"):
    """An answer as dig sees it; @status None: there is none."""
    got = w.ask(*(("+time=1", "+tries=1") if status is None else ("+time=4", "+tries=2")), *asked, at=at)
    expect_equal(got[0] if got else None, status, f"the status of {' '.join(asked)}")
    if data is not None:
        expect_equal(sorted(got[1]), sorted(data), f"the data of {' '.join(asked)}")


def proxied(w, mode):
    """Each DNS pod's server is behind one that changes its answers."""
    def start(pod, ip):
        if pod != "coredns-c":
            w.dns_pod(pod, ip, where="127.0.0.1@5353")
            w.hostile(SPACES[pod], mode, *(a for p, a, _ in DNS_PODS if SPACES[p] == SPACES[pod]), behind="127.0.0.1:5353")
    w.of_pod = {pod: start for pod, _, _ in DNS_PODS}


def hostile(w, mode):
    def start(pod, ip):
        w.hostile(SPACES[pod], mode, ip)
    w.of_pod = {pod: start for pod, _, _ in DNS_PODS}


def rule(w, node, *args):
    w.afterwards.append(lambda: w.inside(node, "iptables", *args))


def nodelocal(w, *pods_ready):
    """The pods are told to ask NodeLocal DNSCache, whose interface and address are there on node1."""
    c = w.cluster
    w.servers = [NODELOCAL]
    for k in c.kubelet.values():
        k["clusterDNS"] = [NODELOCAL]
    c.add("daemonsets", "apps/v1", "DaemonSet", {"name": "node-local-dns", "namespace": "kube-system", "labels": {"k8s-app": "node-local-dns"}},
          spec={"selector": {"matchLabels": {"k8s-app": "node-local-dns"}}}, status={"desiredNumberScheduled": 2, "numberReady": len(pods_ready)})
    c.config_map("kube-system", "node-local-dns", {"Corefile": f"cluster.local:53 {{\n    errors\n    cache\n    reload\n    loop\n    bind {NODELOCAL}\n"
                                                   f"    forward . __PILLAR__CLUSTER__DNS__ {{\n        force_tcp\n    }}\n}}\n.:53 {{\n    errors\n    cache 30\n    loop\n"
                                                   f"    bind {NODELOCAL}\n    forward . __PILLAR__UPSTREAM__SERVERS__\n}}\n"})
    for n in (1, 2):
        name = f"node-local-dns-{n}"
        pod = c.pod("kube-system", name, f"10.90.7.{n}", f"node{n}", image="registry.k8s.io/dns/k8s-dns-node-cache:1.23.1", **{"k8s-app": "node-local-dns"})
        pod["spec"].update(hostNetwork=True, dnsPolicy="Default", containers=[{"name": "node-cache", "image": pod["spec"]["containers"][0]["image"],
                                                                               "args": ["-localip", NODELOCAL, "-conf", "/etc/Corefile"]}])
        pod["status"]["containerStatuses"][0]["name"] = "node-cache"
        if name not in pods_ready:
            c.pod_not_ready(pod, "CrashLoopBackOff")
    w.afterwards.append(lambda: w.batch(["link add nodelocaldns type bridge", f"addr add {NODELOCAL}/32 dev nodelocaldns", "link set nodelocaldns up"], "node1"))


def without(cluster, *names):
    """The same objects without some Services."""
    c = cluster.copy()
    c.lists["services"] = [s for s in c.lists["services"] if s["metadata"]["name"] not in names]
    return c


def unbound(w, short, address, text):
    path = os.path.join(w.folder, f"unbound-{address}.conf")
    write(f"""server:
  interface: {address}
  access-control: 0.0.0.0/0 allow
  do-daemonize: no
  username: ""
  chroot: ""
  directory: "{w.folder}"
  pidfile: ""
  use-syslog: no
  verbosity: 1
  num-threads: 1
  module-config: "iterator"
  do-not-query-localhost: no
  do-ip6: no
  qname-minimisation: no
  local-zone: "10.in-addr.arpa." nodefault
{text}
remote-control:
  control-enable: no
""", path)
    w.spawn(short, "unbound", "-d", "-c", path, ready="start of service", name="unbound")


# ---- nothing is wrong ----

@setup(None)
def healthy(w):
    return lambda: (seen(w, WEB, f"@{VIP}", status="NOERROR", data=["10.96.20.1"]), seen(w, WEB, "AAAA", f"@{ENDS[2]}", status="NOERROR", data=["fd96::20:1"]))


@setup(None, "db-0.db.shop")
def healthy_headless(w):
    return lambda: seen(w, "db-0.db.shop.svc.cluster.local", f"@{VIP}", status="NOERROR", data=["10.244.1.41"])


@setup(None, EXTERNAL)
def healthy_outside(w):
    return lambda: seen(w, EXTERNAL, f"@{VIP}", status="NOERROR", data=["198.51.100.80"])


# ---- servers that are not there, or not to be reached ----

@setup("coredns-not-running")
def no_server(w):
    w.of_pod = {pod: None for pod, _, _ in DNS_PODS}
    w.endpoints = []
    w.cluster.not_ready("kube-dns", waiting="CrashLoopBackOff")
    w.cluster.get("deployments", "coredns")["status"].update(readyReplicas=0, availableReplicas=0, unavailableReplicas=3)
    return lambda: seen(w, WEB, f"@{VIP}")


@setup("dns-endpoint-not-answering")
def one_of_three_dead(w):
    w.of_pod = {"coredns-c": None}
    return lambda: (seen(w, WEB, f"@{ENDS[2]}"), seen(w, WEB, f"@{ENDS[1]}", status="NOERROR"))


@setup("dns-endpoint-not-answering")
def one_of_three_silent(w):
    rule(w, "p2", "-A", "INPUT", "-d", ENDS[2], "-j", "DROP")
    return lambda: (seen(w, WEB, f"@{ENDS[2]}"), seen(w, WEB, f"@{ENDS[1]}", status="NOERROR"))


@setup("dns-cross-node-blocked")
def other_node_silent(w):
    rule(w, "node2", "-A", "FORWARD", "-s", "10.244.1.0/24", "-d", "10.244.2.0/24", "-j", "DROP")
    return lambda: (seen(w, WEB, f"@{ENDS[1]}"), seen(w, WEB, f"@{ENDS[2]}"), seen(w, WEB, f"@{ENDS[0]}", status="NOERROR"))


@setup("dns-vip-not-answering")
def cluster_ip_not_led(w):
    w.endpoints = None
    return lambda: (seen(w, WEB, f"@{VIP}"), seen(w, WEB, f"@{ENDS[1]}", status="NOERROR"))


@setup("networkpolicy-blocks-dns")
def policy_forbids_it(w):
    """What a network plugin makes of the policy: packets to port 53 are lost."""
    w.cluster.add("networkpolicies", "networking.k8s.io/v1", "NetworkPolicy", {"name": "only-web", "namespace": "shop"}, spec={
        "podSelector": {}, "policyTypes": ["Egress"], "egress": [{"to": [{"podSelector": {"matchLabels": {"app": "web"}}}], "ports": [{"port": 8080, "protocol": "TCP"}]}]})
    for p in ("udp", "tcp"):
        rule(w, "node1", "-A", "FORWARD", "-s", CLIENT, "-p", p, "--dport", "53", "-j", "DROP")
    return lambda: (seen(w, WEB, f"@{VIP}"), seen(w, WEB, f"@{ENDS[1]}", at="node1", status="NOERROR"))


@setup("dns-udp-blocked")
def udp_blocked(w):
    rule(w, "node1", "-A", "FORWARD", "-s", CLIENT, "-p", "udp", "--dport", "53", "-j", "DROP")
    return lambda: (seen(w, WEB, f"@{VIP}"), seen(w, "+tcp", WEB, f"@{VIP}", status="NOERROR"))


@setup("dns-truncation-tcp53", "many.shop")
def tcp_blocked(w):
    rule(w, "node1", "-A", "FORWARD", "-s", CLIENT, "-p", "tcp", "--dport", "53", "-j", "DROP")
    c = w.cluster
    c.service("shop", "many", "None", [port("http", 80)], {"app": "many"})
    for node in (1, 2):
        c.slice("shop", "many", [c.endpoint("shop", f"many-{node}-{n}", f"10.244.{node}.{100 + n}", f"node{node}", app="many") for n in range(60)], [port("http", 80)],
                labels={"service.kubernetes.io/headless": ""})
    return lambda: (seen(w, "+ignore", "many.shop.svc.cluster.local", f"@{ENDS[0]}", status="NOERROR"), seen(w, "many.shop.svc.cluster.local", f"@{ENDS[0]}"))


@setup("dns-slow-answers")
def aaaa_five_seconds_late(w):
    proxied(w, "slow-aaaa")
    return lambda: (seen(w, PAY, f"@{VIP}", status="NOERROR"), seen(w, PAY, "AAAA", f"@{VIP}"))


@setup("dns-bad-answers")
def garbage(w):
    hostile(w, "noise")
    return lambda: seen(w, WEB, f"@{VIP}")


# ---- servers that answer, and say what is wrong ----

@setup("wrong-cluster-domain")
def another_domain(w):
    w.cluster.corefile(COREFILE.replace("DOMAIN", "cluster.example"))
    w.served = Cluster("cluster.example")
    return lambda: (seen(w, WEB, f"@{VIP}", status="NXDOMAIN"), seen(w, "web.shop.svc.cluster.example", f"@{VIP}", status="NOERROR"))


@setup("coredns-servfail-no-zone")
def zone_refused(w):
    w.cluster.corefile("example.com:53 {\n    errors\n    forward . /etc/resolv.conf\n    cache 30\n}\nin-addr.arpa:53 {\n    errors\n    health\n    ready\n"
                       "    kubernetes in-addr.arpa\n    cache 30\n}\n")
    w.forward = None
    w.of_pod = {pod: lambda pod, ip: w.knot(SPACES[pod], f"{ip}@53", {k: v for k, v in w.zones().items() if "arpa" in k}, name=pod) for pod, _, _ in DNS_PODS}
    return lambda: (seen(w, WEB, f"@{VIP}", status="REFUSED"), seen(w, EXTERNAL, f"@{VIP}", status="REFUSED"))


@setup("coredns-servfail-no-zone", EXTERNAL)
def others_refused(w):
    w.cluster.corefile(COREFILE.replace("DOMAIN", "cluster.local").replace(".:53 {", "cluster.local:53 in-addr.arpa:53 ip6.arpa:53 {")
                       .replace("    forward . /etc/resolv.conf {\n       max_concurrent 1000\n    }\n", ""))
    w.forward = None
    return lambda: (seen(w, WEB, f"@{VIP}", status="NOERROR"), seen(w, EXTERNAL, f"@{VIP}", status="REFUSED"))


def servfail(w):
    w.broken_zones = ("cluster.local",)
    return lambda: (seen(w, WEB, f"@{VIP}", status="SERVFAIL"), seen(w, EXTERNAL, f"@{VIP}", status="NOERROR"))


@setup("dns-servfail")
def zone_fails(w):
    return servfail(w)


@setup("coredns-api-unreachable")
def no_way_to_the_api(w):
    for pod, _, _ in DNS_PODS:
        w.cluster.log(pod, '[INFO] plugin/kubernetes: waiting for Kubernetes API before starting server', '[INFO] plugin/ready: Still waiting on: "kubernetes"',
                      '[WARNING] plugin/kubernetes: starting server with unsynced Kubernetes API', ".:53",
                      '[INFO] plugin/kubernetes: pkg/mod/k8s.io/client-go@v0.31.2/tools/cache/reflector.go:243: failed to list *v1.Service: '
                      'Get "https://10.96.0.1:443/api/v1/services?limit=500&resourceVersion=0": dial tcp 10.96.0.1:443: i/o timeout',
                      '[ERROR] plugin/kubernetes: pkg/mod/k8s.io/client-go@v0.31.2/tools/cache/reflector.go:243: Failed to watch *v1.Service: failed to list *v1.Service: '
                      'Get "https://10.96.0.1:443/api/v1/services?limit=500&resourceVersion=0": dial tcp 10.96.0.1:443: i/o timeout')
    return servfail(w)


@setup("coredns-rbac")
def may_not_read_slices(w):
    w.cluster.get("clusterroles", "system:coredns")["rules"].pop()
    why = ('endpointslices.discovery.k8s.io is forbidden: User "system:serviceaccount:kube-system:coredns" cannot list resource "endpointslices" in API group '
           '"discovery.k8s.io" at the cluster scope')
    for pod, _, _ in DNS_PODS:
        w.cluster.log(pod, ".:53", '[INFO] plugin/ready: Still waiting on: "kubernetes"',
                      f"E0105 08:01:02.000000       1 reflector.go:138] pkg/mod/k8s.io/client-go@v0.31.2/tools/cache/reflector.go:167: Failed to watch *v1.EndpointSlice: "
                      f"failed to list *v1.EndpointSlice: {why}")
    return servfail(w)


@setup("coredns-upstream-timeout", EXTERNAL)
def upstream_silent(w):
    w.forward_ms = 300
    rule(w, "net", "-A", "INPUT", "-p", "udp", "--dport", "53", "-j", "DROP")
    return lambda: (seen(w, WEB, f"@{VIP}", status="NOERROR"), seen(w, EXTERNAL, f"@{VIP}", status="SERVFAIL"))


@setup("coredns-loop", EXTERNAL)
def forwards_to_itself(w):
    """Each pod has the file of its node, which names a server on loopback; what answers there asks the pod."""
    def start(pod, ip):
        if pod != "coredns-c":
            mine = [a for p, a, _ in DNS_PODS if SPACES[p] == SPACES[pod]]
            w.knot(SPACES[pod], "127.0.0.1@5353", w.zones(), name=pod)
            unbound(w, SPACES[pod], "127.0.0.53", f'forward-zone:\n  name: "."\n  forward-addr: {ip}')
            w.spawn(SPACES[pod], "dnsmasq", "-k", "-C", "/dev/null", "-u", "root", "--pid-file=", "--no-resolv", "--no-hosts", "--bind-interfaces", "--cache-size=0", "--log-facility=-",
                    *(f"--listen-address={a}" for a in mine), "--server=/cluster.local/127.0.0.1#5353", "--server=127.0.0.53", name="dnsmasq", ready="started")
    w.of_pod = {pod: start for pod, _, _ in DNS_PODS}
    w.cluster.corefile(COREFILE.replace("DOMAIN", "cluster.local").replace("    loop\n", ""))
    w.node_conf = "nameserver 127.0.0.53\noptions edns0 trust-ad\nsearch corp.example\n"
    return lambda: (seen(w, WEB, f"@{VIP}", status="NOERROR"), expect((w.ask("+time=1", "+tries=1", EXTERNAL, f"@{VIP}") or ("SERVFAIL",))[0] != "NOERROR", "the loop resolves names"))


@setup("coredns-loop")
def loop_detected(w):
    """With the plugin that finds loops, CoreDNS ends."""
    w.of_pod = {pod: None for pod, _, _ in DNS_PODS}
    w.endpoints = []
    w.cluster.not_ready("kube-dns", waiting="CrashLoopBackOff")
    w.node_conf = "nameserver 127.0.0.53\noptions edns0 trust-ad\nsearch corp.example\n"
    for pod, _, _ in DNS_PODS:
        w.cluster.log(pod, ".:53", '[FATAL] plugin/loop: Loop (127.0.0.1:55953 -> :53) detected for zone ".", see https://coredns.io/plugins/loop#troubleshooting. '
                      'Query: "HINFO 4547991504243258144.3688648895315093531."')
    return lambda: seen(w, WEB, f"@{VIP}")


@setup("coredns-max-concurrent", EXTERNAL)
def too_many_at_a_time(w):
    w.outside = None
    for pod, _, _ in DNS_PODS:
        w.cluster.log(pod, ".:53", *(f"[ERROR] plugin/errors: 5 {EXTERNAL}. {t}: concurrent queries exceeded maximum 1000" for t in ("A", "AAAA", "A")))
    return lambda: (seen(w, WEB, f"@{VIP}", status="NOERROR"), seen(w, EXTERNAL, f"@{VIP}", status="REFUSED"))


@setup("corefile-error")
def corefile_of_another_version(w):
    """CoreDNS ends at a Corefile that it cannot read."""
    w.of_pod = {pod: None for pod, _, _ in DNS_PODS}
    w.endpoints = []
    w.cluster.not_ready("kube-dns", waiting="CrashLoopBackOff")
    w.cluster.corefile(COREFILE.replace("DOMAIN", "cluster.local").replace("       ttl 30", "       upstream\n       ttl 30"))
    for pod, _, _ in DNS_PODS:
        w.cluster.log(pod, "plugin/kubernetes: /etc/coredns/Corefile:8 - Error during parsing: unknown property 'upstream'", previous=True)
    return lambda: seen(w, WEB, f"@{VIP}")


@setup("dns-aaaa-nodata-misread", "pay.billing")
def no_such_name_for_aaaa(w):
    proxied(w, "no-aaaa")
    return lambda: (seen(w, PAY, f"@{VIP}", status="NOERROR"), seen(w, PAY, "AAAA", f"@{VIP}", status="NXDOMAIN"))


# ---- records that are not what the objects say ----

@setup("dns-stale-record")
def service_made_anew(w):
    w.served = w.cluster.copy()
    spec = w.served.get("services", "web")["spec"]
    spec["clusterIP"] = spec["clusterIPs"][0] = "10.96.20.99"
    return lambda: seen(w, WEB, f"@{VIP}", status="NOERROR", data=["10.96.20.99"])


@setup("dns-wrong-record", "db.shop")
def foreign_address(w):
    w.served = w.cluster.copy()
    w.served.slices("db")[0]["endpoints"][1]["addresses"] = ["10.244.1.31"] # that of web-1
    return lambda: seen(w, "db.shop.svc.cluster.local", f"@{VIP}", status="NOERROR", data=["10.244.1.41", "10.244.1.31"])


@setup("coredns-pod-disagree")
def one_of_three_is_behind(w):
    w.of_pod = {"coredns-c": lambda pod, ip: w.dns_pod(pod, ip, without(w.cluster, "web"))}
    return lambda: (seen(w, WEB, f"@{ENDS[2]}", status="NXDOMAIN"), seen(w, WEB, f"@{ENDS[0]}", status="NOERROR"))


@setup("dns-negative-cache")
def denial_is_cached(w):
    nodelocal(w, "node-local-dns-1", "node-local-dns-2")
    w.cluster.get("services", "web")["metadata"]["creationTimestamp"] = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - 5))
    old = without(w.cluster, "web")
    first = []
    w.of_pod = {pod: lambda pod, ip: first.append(w.dns_pod(pod, ip, old)) for pod, _, _ in DNS_PODS}

    def then():
        unbound(w, "node1", NODELOCAL, 'stub-zone:\n  name: "cluster.local"\n' + "".join(f"  stub-addr: {a}\n" for a in ENDS)
                + f'forward-zone:\n  name: "."\n  forward-addr: {UPSTREAM}\n')
        for type_ in ("A", "AAAA"):
            seen(w, WEB, type_, f"@{NODELOCAL}", status="NXDOMAIN")
        for p in first:
            p.kill()
            p.wait()
        for pod, ip, _ in DNS_PODS:
            w.dns_pod(pod, ip)
    w.afterwards.append(then)
    return lambda: (seen(w, WEB, f"@{NODELOCAL}", status="NXDOMAIN"), seen(w, WEB, f"@{VIP}", status="NOERROR"), seen(w, PAY, f"@{NODELOCAL}", status="NOERROR"))


@setup("headless-no-dns-until-ready", "db.shop")
def peers_not_ready(w):
    w.cluster.not_ready("db")
    return lambda: seen(w, "db.shop.svc.cluster.local", f"@{VIP}", status="NXDOMAIN")


@setup("wildcard-search-domain", EXTERNAL)
def wildcard(w):
    w.outside.append(("*.corp.example", "A", "203.0.113.80"))
    return lambda: (seen(w, f"{EXTERNAL}.corp.example", f"@{VIP}", status="NOERROR", data=["203.0.113.80"]), seen(w, EXTERNAL, f"@{VIP}", data=["198.51.100.80"], status="NOERROR"))


# ---- the client's side ----

@setup("wrong-cluster-dns-address")
def dead_server_in_resolv_conf(w):
    w.servers = ["10.96.0.99"]
    for k in w.cluster.kubelet.values():
        k["clusterDNS"] = ["10.96.0.99"]
    return lambda: (seen(w, WEB, "@10.96.0.99"), seen(w, WEB, f"@{VIP}", status="NOERROR"))


@setup("nodelocaldns-broken")
def no_cache_on_the_node(w):
    nodelocal(w, "node-local-dns-2")
    w.cluster.log("node-local-dns-1", "2026/01/05 08:00:00 [INFO] Starting node-cache image: 1.23.1",
                  f"listen tcp {NODELOCAL}:53: bind: cannot assign requested address", container="node-cache")
    w.afterwards.append(lambda: w.links("node1"))
    return lambda: (seen(w, WEB, f"@{NODELOCAL}"), seen(w, WEB, f"@{VIP}", status="NOERROR"))


@setup("systemd-resolved-stub")
def stub_in_a_pod(w):
    w.cluster.corefile(COREFILE.replace("DOMAIN", "cluster.local").replace("/etc/resolv.conf", UPSTREAM))
    w.cluster.get("pods", "client")["spec"]["dnsPolicy"] = "Default"
    w.servers, w.searches, w.options = ["127.0.0.53"], ["corp.example"], ["edns0", "trust-ad"]
    w.node_conf = "nameserver 127.0.0.53\noptions edns0 trust-ad\nsearch corp.example\n"
    return lambda: (seen(w, WEB, "@127.0.0.53"), seen(w, WEB, f"@{VIP}", status="NOERROR"))


@setup("missing-cluster-dns")
def kubelet_has_no_cluster_dns(w):
    for k in w.cluster.kubelet.values():
        k["clusterDNS"] = []
    w.servers, w.searches, w.options = [UPSTREAM], ["corp.example"], []
    w.cluster.event("shop", "Pod", "client", "MissingClusterDNS", 'pod: "client_shop(shop-client-uid)". kubelet does not have ClusterDNS IP configured and cannot create Pod '
                    'using "ClusterFirst" policy. Falling back to "Default" policy.')
    return lambda: (seen(w, WEB, f"@{UPSTREAM}", status="NXDOMAIN"), seen(w, WEB, f"@{VIP}", status="NOERROR"))


@setup("hostnetwork-dnspolicy", at="node1")
def host_network(w):
    pod = w.cluster.get("pods", "client")
    pod["spec"]["hostNetwork"] = True
    pod["status"].update(podIP="10.90.7.1", podIPs=[{"ip": "10.90.7.1"}])
    return lambda: seen(w, WEB, f"@{UPSTREAM}", status="NXDOMAIN")


@setup("resolv-conf-search")
def search_list_without_the_cluster(w):
    w.searches = ["corp.example", "example.net"]
    return lambda: (seen(w, WEB, f"@{VIP}", status="NOERROR"), seen(w, "web.shop.corp.example", f"@{VIP}", status="NXDOMAIN"))


@setup("resolv-conf-ndots")
def ndots_one(w):
    w.options = ["ndots:1"]
    w.cluster.get("pods", "client")["spec"]["dnsConfig"] = {"options": [{"name": "ndots", "value": "1"}]}
    return lambda: seen(w, "web.shop", f"@{VIP}", status="NXDOMAIN")


@setup("resolvconf-search-limit")
def search_list_cut_off(w):
    """An older kubelet takes six domains; the cluster's are behind them."""
    wanted = [*(f"{x}.corp.example" for x in ("berlin", "paris", "rome", "oslo", "bern", "wien")), "shop.svc.cluster.local", "svc.cluster.local", "cluster.local"]
    w.searches = wanted[:6]
    c = w.cluster
    c.version = "v1.24.17"
    for n in c.lists["nodes"]:
        n["status"]["nodeInfo"]["kubeletVersion"] = c.version
    c.get("pods", "client")["spec"].update(dnsPolicy="None", dnsConfig={"nameservers": [VIP], "searches": wanted, "options": [{"name": "ndots", "value": "5"}]})
    c.event("shop", "Pod", "client", "DNSConfigForming", "Search Line limits were exceeded, some search paths have been omitted, the applied search line is: "
            + " ".join(w.searches))
    return lambda: seen(w, "web.shop.berlin.corp.example", f"@{VIP}", status="NXDOMAIN")


@setup("dnspolicy-none-or-default")
def policy_none(w):
    w.cluster.get("pods", "client")["spec"].update(dnsPolicy="None", dnsConfig={"nameservers": [UPSTREAM], "searches": ["corp.example"]})
    w.servers, w.searches, w.options = [UPSTREAM], ["corp.example"], []
    return lambda: (seen(w, WEB, f"@{UPSTREAM}", status="NXDOMAIN"), seen(w, WEB, f"@{VIP}", status="NOERROR"))


@setup("namespace-shadows-tld", "example.com")
def namespace_called_com(w):
    w.cluster.add("namespaces", "v1", "Namespace", {"name": "com"}, status={"phase": "Active"})
    w.cluster.service("com", "example", "10.96.40.1", [port("http", 80)])
    w.outside.append(("example.com", "A", "198.51.100.81"))
    return lambda: (seen(w, "example.com.svc.cluster.local", f"@{VIP}", status="NOERROR", data=["10.96.40.1"]), seen(w, "example.com", f"@{VIP}", status="NOERROR", data=["198.51.100.81"]))


@setup("service-wrong-namespace", "pay")
def bare_name_of_another_namespace(w):
    return lambda: (seen(w, "pay.shop.svc.cluster.local", f"@{VIP}", status="NXDOMAIN"), seen(w, PAY, f"@{VIP}", status="NOERROR"))


# ---- running them ----

LOCK = threading.Lock()


def record(w, s, bundle, seconds=5):
    """What somebody writes down who has dig in the pod, and no svcdoctor: the pod's dns.txt and resolv.conf."""
    conf = w.conf_text()
    searches = conf.splitlines()[0].split()[1:] if conf.startswith("search") else []
    names = ["kubernetes.default.svc.cluster.local", *(f"{s.name}.{d}" for d in searches), s.name]
    asked = [f"@{server} {name} {type_}" for server in dict.fromkeys([*w.servers, VIP, *ENDS]) for name in names for type_ in ("A", "AAAA")]
    asked += [f"+tcp @{server} {names[0]} A" for server in dict.fromkeys([*w.servers, VIP, *ENDS])]
    folder = os.path.join(w.folder, "dig")
    os.makedirs(folder)
    lines = [f"dig +time={seconds} +tries=2 {q} >{folder}/{n:03} &" for n, q in enumerate(asked)]
    w.inside(s.at, "sh", "-c", "\n".join([*lines, "wait"]))
    text = "".join(read(os.path.join(folder, f"{n:03}")) for n in range(len(asked)))
    for name, content in (("dns.txt", text), ("resolv.conf", conf)):
        write(content, os.path.join(bundle, "cluster", "pods", "shop", "client", name))


def as_libc(s, document, libc):
    """What the program says that glibc makes of the name is what glibc makes of it, where that takes no longer than it may."""
    out = libc.communicate()[0].decode()
    rows = [n for n in document["names"] if n["name"] == s.name and n["libc"] == "glibc"]
    if libc.returncode == 124 or s.at != "cl" or s.row in UNEVEN:
        return
    expect(rows, f"no row of {s.name} for glibc")
    told = re.findall(r"[0-9a-f]*[.:][0-9a-f.:]+", rows[0]["result"].split(", which")[0]) if rows[0]["outcome"] == "resolved" else []
    expect_equal(sorted(told), sorted({line.split()[0] for line in out.splitlines()}), f"addresses of {s.name} for glibc")
    s.compared = True


def try_one(number, s, folder, verbose):
    s.forget()
    s.tries += 1
    try:
        with World(number, os.path.join(folder, f"{s.row}-{s.tries}")) as w:
            os.makedirs(w.folder)
            look = s.make(w)
            w.bundle()
            w.start()
            look()
            libc = subprocess.Popen(["ip", "netns", "exec", w.name(s.at), "timeout", str(LIBC_LIMIT), "getent", "ahosts", s.name], stdin=subprocess.DEVNULL,
                                    stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
            r = run("dns", s.name, "--bundle", os.path.join(w.folder, "bundle"), "--netns", w.name(s.at), "-o", "json")
            s.rc, document = r.rc, r.json
            found = {f["id"]: (f["check"], f["severity"]) for f in document["findings"]}
            s.findings = [found[i] for i in document["causes"]]
            s.explained = {found[f["id"]][0] for f in document["findings"] if f["id"] not in document["causes"]}
            as_libc(s, document, libc)
            if verbose:
                t = run("dns", s.name, "--bundle", os.path.join(w.folder, "bundle"), "--netns", w.name(s.at))
                with LOCK:
                    print(f"==== {s.row}: {s.check}, exit {s.rc}\n{t.out}{t.err}\n{r.out if verbose > 1 else ''}", flush=True)
    except Failure as e:
        s.error = str(e)
    except Exception as e:  # pylint: disable=broad-except  # a fault of the set-up, to be told with its name
        s.error = f"{type(e).__name__}: {e}"


def wrong(s):
    """Why the row is not as it must be; None: it is."""
    if s.error:
        return s.error
    errors = [c for c, severity in s.findings if severity == "error" and c != s.check]
    if s.check is None:
        bad = [c for c, severity in s.findings if severity != "info"]
        return f"found {bad}, exit {s.rc}" if bad or s.rc != 0 else None
    first = s.findings[0][0] if s.findings else None
    if first != s.check:
        return f"first is {first} of {s.findings}"
    return f"other errors: {errors}" if errors else None


def table(setups):
    """A row for each set-up: 1 the first cause, e w i other causes by their severity, x what another finding explains. Set-ups and their checks have the same
    order, so that the 1 are the diagonal."""
    columns = list(dict.fromkeys([*(s.check for s in setups), *(c for s in setups for c in [*(c for c, _ in s.findings), *sorted(s.explained)])]))
    wide = max(len(s.row) for s in setups) + 1
    print(" " * wide + " ".join(f"{n:2}" for n in range(1, len(columns) + 1)))
    for s in setups:
        found = {c: "x" for c in s.explained} | {c: severity[0] for c, severity in reversed(s.findings)}
        bad = [c for c, severity in s.findings if severity != "info"]
        found[bad[0] if bad else None] = "1"
        print(f"{s.row:<{wide}}" + " ".join(f" {found.get(c, '.')}" for c in columns))
    for n, c in enumerate(columns, 1):
        print(f"{n:2} {c or 'nothing is wrong'}")
    sys.stdout.flush()


def main():
    tests = Tests()
    words = sys.argv[1:]
    verbose = words.count("-v") + 2 * words.count("-vv")
    wanted = [x for x in words if not x.startswith("-")]
    why = lacks("unbound", "dnsmasq")
    if why:
        tests.skip("dns_faults", why)
        return
    setups = [s for s in SETUPS if not wanted or s.row in wanted or s.check in wanted]
    with tempfile.TemporaryDirectory(prefix="svcdoctor-dns-") as folder:
        with ThreadPoolExecutor(AT_A_TIME) as pool:
            list(pool.map(lambda x: try_one(x[0], x[1], folder, verbose), enumerate(setups)))
        # once more by itself: a machine that has too much to do has time-outs of its own
        for n, s in enumerate([s for s in setups if wrong(s)][:AGAIN]):
            try_one(len(setups) + n, s, folder, verbose)
    table(setups)
    for s in setups:
        why = wrong(s)
        if why:
            tests.fail(f"dns/{s.row}", f"{s.check}: {why}")
        else:
            notes = ["as getent"] * s.compared + ["at the second try"] * (s.tries > 1)
            print(f"ok dns/{s.row}" + (": " + ", ".join(notes) if notes else ""))
    tests.finish()


if __name__ == "__main__":
    main()
