#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What must be true of a Service in iptables mode, one field at a time. The objects or the configuration of a recorded cluster are changed; with
the rules that kube-proxy then writes (tests/bench/kube_proxy.py, which is held against the recorded dumps) `verify` finds nothing, and with the
rules of before it finds the differences that the change makes, and no other."""
import copy
import io
import json
import os
import sys
import tempfile

from common import CORPUS, Copy, LABS, ROOT, Tests, expect, expect_equal, read, run, write

sys.path.insert(0, os.path.join(ROOT, "tests", "bench"))
import kube_proxy  # noqa: E402  pylint: disable=wrong-import-position
import old_kube_proxy  # noqa: E402  pylint: disable=wrong-import-position

NODES = ("node1", "node2")
FILES = {"IPv4": "iptables-nft-save.txt", "IPv6": "ip6tables-nft-save.txt"}
ZONES = {"node1": "zone-1", "node2": "zone-2"}


class Cluster:
    """The objects and configurations of the lab, to be changed."""

    def __init__(self):
        lab = os.path.join(CORPUS, LABS["nft"])

        def load(*parts):
            return json.loads(read(os.path.join(lab, *parts)))
        self.lists = {k: load("cluster", f"{k}.json") for k in ("services", "endpointslices", "nodes")}
        self.configz = {n: load("nodes", n, "kube-proxy-configz.json") for n in NODES}
        self.addresses = {n: load("nodes", n, "ip-addr.json") for n in NODES}
        self.routes = {n: load("nodes", n, "ip-route.json") for n in NODES}

    def service(self, name):
        return next(s for s in self.lists["services"]["items"] if "/".join((s["metadata"]["namespace"], s["metadata"]["name"])) == name)

    def spec(self, name):
        return self.service(name)["spec"]

    def slices(self, name):
        ns, service = name.split("/")
        return [s for s in self.lists["endpointslices"]["items"]
                if s["metadata"]["namespace"] == ns and s["metadata"]["labels"].get("kubernetes.io/service-name") == service]

    def slice(self, name):
        return self.slices(name)[0]

    def endpoint(self, name, address):
        return next(e for s in self.slices(name) for e in s["endpoints"] if e["addresses"][0] == address)

    def add_slice(self, name, endpoints, ports, family="IPv4", by="staff"):
        """@endpoints: (address, node or None); @ports: (name, protocol, number)."""
        ns, service = name.split("/")
        s = {"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": family,
             "metadata": {"namespace": ns, "name": f"{service}-{len(self.slices(name))}-added", "labels": {
                 "kubernetes.io/service-name": service, "endpointslice.kubernetes.io/managed-by": by}},
             "endpoints": [{"addresses": [a], "conditions": {"ready": True}, **({"nodeName": n} if n else {})} for a, n in endpoints],
             "ports": [{"name": n, "protocol": p, "port": number} for n, p, number in ports]}
        self.lists["endpointslices"]["items"].append(s)
        return s

    def config(self):
        return [self.configz[n]["kubeproxy.config.k8s.io"] for n in NODES]

    def own(self, node, family):
        return [a["local"] for link in self.addresses[node] for a in link["addr_info"]
                if a["family"] == ("inet6" if family == "IPv6" else "inet") and link["ifname"] != "lo"]

    def write(self, bundle):
        for kind, doc in self.lists.items():
            bundle.write(json.dumps(doc), "cluster", f"{kind}.json")
        for n in NODES:
            bundle.write(json.dumps(self.configz[n]), "nodes", n, "kube-proxy-configz.json")
            bundle.write(json.dumps(self.addresses[n]), "nodes", n, "ip-addr.json")
            bundle.write(json.dumps(self.routes[n]), "nodes", n, "ip-route.json")

    def write_rules(self, bundle, n):
        """What kube-proxy writes of these objects on a node."""
        for family, file in FILES.items():
            out = io.StringIO()
            kube_proxy.write_save(out, self.lists["services"]["items"], self.lists["endpointslices"]["items"], n,
                                  self.configz[n]["kubeproxy.config.k8s.io"], "nft", family, self.own(n, family))
            bundle.write(out.getvalue(), "nodes", n, file)


def verify(bundle, codes):
    v = run("verify", "-A", "--bundle", bundle.path, "-o", "json", codes=codes).json
    expect_equal((v["undecided"], v["errors"], v["skipped"]), ([], [], []), "undecided, errors, skipped")
    expect_equal(v["config"], [{"node": n, "source": "configz"} for n in NODES], "config")
    return v


def judged(change, want, seen=None):
    """@change(cluster) changes it. @want: {"kind node service": severity} with the rules of before, or only the kinds, as a set. @seen(cluster, node): makes of the changed
    cluster one that the generator understands, with the endpoints that kube-proxy uses on that node as the ready ones."""
    c = Cluster()
    change(c)
    with Copy(LABS["nft"]) as b:
        c.write(b)
        v = verify(b, [0, 1])
        got = {}
        for d in v["differences"]:
            got.setdefault(" ".join((d["kind"], d["node"], d["service"] or d["frontend"])), set()).add(d["severity"])
        if isinstance(want, set):
            expect_equal(sorted({k.split()[0] for k in got}), sorted(want), "kinds with the rules of before")
        else:
            expect_equal({k: "/".join(sorted(s)) for k, s in got.items()}, want, "with the rules of before")
        for n in NODES:
            view = copy.deepcopy(c)
            if seen:
                seen(view, n)
            view.write_rules(b, n)
        v = verify(b, [0])
        expect_equal(found(v), [], "with the rules that kube-proxy writes")
    return f"before: {', '.join(sorted({k.split()[0] for k in want}))}" if want else None


def primary(c, node):
    """"primary" as the generator understands it."""
    c.configz[node]["kubeproxy.config.k8s.io"]["nodePortAddresses"] = [f"{c.own(node, 'IPv4')[0]}/32"]


def both(kind, service, severity="error"):
    return {f"{kind} {n} {service}": severity for n in NODES}


CASES = {}


def case(want, seen=None):
    def add(f):
        CASES[f.__name__] = (f, want, seen)
        return f
    return add


# ---- endpoints ----

WEB = ("10.244.1.135", "10.244.1.136", "10.244.2.73")


def terminating(e, serving=True):
    e["conditions"] = {"ready": False, "serving": serving, "terminating": True}


def use(name, addresses):
    """For @seen: of these endpoints and no others."""
    def f(c, node):
        for e in (e for s in c.slices(name) for e in s["endpoints"]):
            e["conditions"] = {"ready": e["addresses"][0] in (addresses(node) if callable(addresses) else addresses)}
    return f


@case({}, use("default/web", WEB))
def all_terminating(c):
    for a in WEB:
        terminating(c.endpoint("default/web", a))


@case(both("wrong-endpoint", "default/web"), use("default/web", WEB[2:]))
def some_terminating(c):
    for a in WEB[:2]:
        terminating(c.endpoint("default/web", a))


@case(both("stale-endpoint", "default/hostnames"), use("default/hostnames", ["10.244.1.5", "10.244.2.7"]))
def terminating_and_not_serving(c):
    terminating(c.endpoint("default/hostnames", "10.244.1.6"), serving=False)


@case(both("rejected", "shop/cart"), use("shop/cart", ["10.244.1.50", "10.244.2.51"]))
def published_not_ready(c):
    """The endpoint controller writes ready then, and kube-proxy does not look at the field."""
    c.spec("shop/cart")["publishNotReadyAddresses"] = True
    for a in ("10.244.1.50", "10.244.2.51"):
        c.endpoint("shop/cart", a)["conditions"] = {"ready": True, "serving": False, "terminating": False}


@case({})
def conditions_left_out(c):
    for a in WEB:
        c.endpoint("default/web", a)["conditions"] = {}


@case({})
def only_the_first_address(c):
    for a in WEB:
        c.endpoint("default/web", a)["addresses"].append("10.244.9.9")


@case({})
def one_endpoint_twice(c):
    """The one that is not terminating counts; kube-proxy's mirror of Endpoints and the controller may both have it."""
    s = c.add_slice("default/web", [(WEB[0], "node1")], [("", "TCP", 80)], by="endpointslicemirroring-controller.k8s.io")
    terminating(s["endpoints"][0])


@case(both("rejected", "shop/no-selector"))
def manual_slice(c):
    c.add_slice("shop/no-selector", [("172.30.99.77", None)], [("", "TCP", 3306)])


@case(both("rejected", "shop/no-selector"))
def manual_and_mirrored_slices(c):
    c.add_slice("shop/no-selector", [("172.30.99.77", None)], [("", "TCP", 3306)])
    c.add_slice("shop/no-selector", [("172.30.99.78", None)], [("", "TCP", 3307)], by="endpointslicemirroring-controller.k8s.io")


@case({})
def slices_that_do_not_count(c):
    """Names, another port, no port, a port without name, the label of a headless Service."""
    c.add_slice("shop/no-selector", [("db.example.com", None)], [("", "TCP", 3306)], family="FQDN")
    c.add_slice("shop/no-selector", [("172.30.99.77", None)], [("other", "TCP", 3306)])
    c.add_slice("shop/no-selector", [("172.30.99.77", None)], [("", "UDP", 3306)])
    c.add_slice("shop/no-selector", [("172.30.99.77", None)], [("", "TCP", None)])
    c.add_slice("shop/no-selector", [("172.30.99.77", None)], [(None, "TCP", 3306)])
    c.add_slice("shop/no-selector", [("172.30.99.77", None)], [("", "TCP", 3306)])["metadata"]["labels"]["service.kubernetes.io/headless"] = ""


@case({})
def endpoints_objects_are_not_read(c):
    c.spec("shop/no-selector").pop("selector", None)


@case(both("wrong-port", "default/my-nginx"))
def named_port_that_differs(c):
    """targetPort http is 80 in one pod and 8080 in the other: two slices."""
    c.spec("default/my-nginx")["type"] = "NodePort"
    c.slice("default/my-nginx")["ports"] = [{"name": "https", "protocol": "TCP", "port": 443}, {"name": "http", "protocol": "TCP", "port": 8080}]


@case(both("missing-endpoint", "default/my-nginx"))
def named_port_in_two_slices(c):
    c.add_slice("default/my-nginx", [("10.244.2.73", "node2")], [("http", "TCP", 8080), ("https", "TCP", 443)])


@case(both("no-rule", "default/hostnames"))
def two_protocols_on_one_number(c):
    c.spec("default/hostnames")["ports"] += [{"name": "u", "port": 80, "protocol": "UDP"}, {"name": "s", "port": 80, "protocol": "SCTP"}]
    c.slice("default/hostnames")["ports"] += [{"name": "u", "port": 9376, "protocol": "UDP"}, {"name": "s", "port": 9377, "protocol": "SCTP"}]


# ---- hints ----

def hint(c, zones=None, nodes=None):
    for i, a in enumerate(WEB):
        e = c.endpoint("default/web", a)
        e["hints"] = {**({"forZones": [{"name": zones[i]}]} if zones else {}), **({"forNodes": [{"name": nodes[i]}]} if nodes else {})}


def here(node):
    return WEB[:2] if node == "node1" else WEB[2:]


@case(both("wrong-endpoint", "default/web"), use("default/web", here))
def zone_hints(c):
    hint(c, zones=("zone-1", "zone-1", "zone-2"))


@case(both("wrong-endpoint", "default/web"), use("default/web", here))
def node_hints(c):
    hint(c, zones=("zone-1", "zone-2", "zone-1"), nodes=("node1", "node1", "node2"))


@case({})
def hints_for_other_zones(c):
    hint(c, zones=("zone-3", "zone-3", "zone-4"))


@case({})
def hints_with_a_gap(c):
    hint(c, zones=("zone-1", "zone-1", "zone-2"))
    del c.endpoint("default/web", WEB[1])["hints"]


@case({})
def hints_on_a_node_without_zone(c):
    hint(c, zones=("zone-1", "zone-1", "zone-2"))
    for n in c.lists["nodes"]["items"]:
        del n["metadata"]["labels"]["topology.kubernetes.io/zone"]


@case({})
def traffic_distribution_without_hints(c):
    c.spec("default/web")["trafficDistribution"] = "PreferSameNode"


# ---- policies ----

@case(both("wrong-endpoint", "default/web") | both("needless-masquerade", "default/web", "warning"))
def external_local(c):
    c.spec("default/web")["externalTrafficPolicy"] = "Local"


@case({"not-refused node2 default/my-nginx": "error"} | both("needless-masquerade", "default/my-nginx", "warning"))
def external_local_and_none_here(c):
    c.spec("default/my-nginx")["externalTrafficPolicy"] = "Local"


@case({"not-refused node1 default/example-service": "error", "no-rule node1 default/example-service": "error", "no-rule node2 default/example-service": "error"})
def external_local_on_all_kinds(c):
    c.spec("default/example-service")["externalIPs"] = ["203.0.113.99"]


@case({"not-refused node2 default/my-nginx": "error"})
def internal_local_and_none_here(c):
    c.spec("default/my-nginx")["internalTrafficPolicy"] = "Local"


@case(both("wrong-endpoint", "default/web"))
def internal_local(c):
    c.spec("default/web")["internalTrafficPolicy"] = "Local"


@case(both("wrong-affinity", "default/web", "warning"))
def affinity(c):
    c.spec("default/web").update(sessionAffinity="ClientIP", sessionAffinityConfig={"clientIP": {"timeoutSeconds": 600}})


@case(both("wrong-affinity", "default/sticky", "warning"))
def affinity_for_another_time(c):
    c.spec("default/sticky")["sessionAffinityConfig"]["clientIP"]["timeoutSeconds"] = 60


# ---- load balancers and external IPs ----

def lb(c, name):
    return c.service(name)["status"]["loadBalancer"]["ingress"]


@case(both("stale-frontend", "default/example-service", "warning"))
def ip_mode_proxy(c):
    lb(c, "default/example-service")[0]["ipMode"] = "Proxy"


@case(both("stale-frontend", "default/example-service", "warning"))
def host_name_of_a_load_balancer(c):
    c.service("default/example-service")["status"]["loadBalancer"]["ingress"] = [{"hostname": "lb.example.com"}]


@case(both("not-refused", "default/example-service"))
def source_ranges(c):
    """Blanks around them, bits behind the mask, and one of the other family."""
    c.spec("default/example-service")["loadBalancerSourceRanges"] = [" 198.51.100.7/24 ", "2001:db8::/32"]


@case(both("dropped", "shop/lb-ranges"))
def source_ranges_gone(c):
    c.spec("shop/lb-ranges")["loadBalancerSourceRanges"] = ["2001:db8::/32"]


@case(both("dropped", "shop/lb-ranges"))
def source_ranges_of_everybody(c):
    c.spec("shop/lb-ranges")["loadBalancerSourceRanges"] += ["0.0.0.0/0"]


@case(both("no-rule", "shop/lb-ranges"))
def source_range_of_the_nodes(c):
    c.spec("shop/lb-ranges")["loadBalancerSourceRanges"] += ["172.30.99.0/24"]


@case({})
def source_ranges_without_endpoints(c):
    """REJECT goes first."""
    c.spec("shop/local-only").update(type="LoadBalancer", loadBalancerSourceRanges=["198.51.100.0/24"])


def drop_external_ips(c, _node):
    for s in c.lists["services"]["items"]:
        s["spec"].pop("externalIPs", None)


@case(both("stale-frontend", "default/ext-ip", "warning") | both("stale-frontend", "shop/node-ip-stolen", "warning"), drop_external_ips)
def external_ips_switched_off(c):
    for config in c.config():
        config["featureGates"] = {"AllowServiceExternalIPs": False}


@case(both("no-rule", "default/web") | both("stale-frontend", "default/web", "warning"))
def node_port_changed(c):
    c.spec("default/web")["ports"][0]["nodePort"] = 32036


@case({})
def health_check_port(c):
    c.spec("default/example-service")["healthCheckNodePort"] = 32001


# ---- dual stack ----

def second_family(c, name, ip, endpoints, ports):
    c.spec(name)["clusterIPs"].append(ip)
    c.spec(name).update(ipFamilies=["IPv4", "IPv6"], ipFamilyPolicy="RequireDualStack")
    if endpoints:
        c.add_slice(name, endpoints, ports, family="IPv6", by="endpointslice-controller.k8s.io")
    for n, number in zip(NODES, "12"):
        peer = 3 - int(number)
        for ifname, local in (("eth0", f"fd00:99::{number}"), ("cni0", f"fd00:10:244:{number}::1")):
            link = next(x for x in c.addresses[n] if x["ifname"] == ifname)
            link["addr_info"].insert(0, {"family": "inet6", "local": local, "prefixlen": 64, "scope": "global"})
            c.routes[n].append({"dst": local, "dev": ifname, "type": "local", "table": "local", "protocol": "kernel", "flags": []})
        for dst, way in ((f"fd00:10:244:{number}::/64", {"dev": "cni0"}), ("fd00:99::/64", {"dev": "eth0"}),
                         ("default", {"dev": "eth0", "gateway": "fd00:99::254"}),
                         (f"fd00:10:244:{peer}::/64", {"dev": "eth0", "gateway": f"fd00:99::{peer}"})):
            c.routes[n].append({"dst": dst, "protocol": "static", "flags": [], **way})
    for config in c.config():
        config["clusterCIDR"] = "10.244.0.0/16,fd00:10:244::/48"
    for n, number in zip(c.lists["nodes"]["items"], "12"):
        n["spec"]["podCIDRs"] = [n["spec"]["podCIDR"], f"fd00:10:244:{number}::/64"]
        n["status"]["addresses"].append({"type": "InternalIP", "address": f"fd00:99::{number}"})


@case(both("no-rule", "default/web"))
def dual_stack(c):
    second_family(c, "default/web", "fd00:10:96::5", [("fd00:10:244:1::87", "node1"), ("fd00:10:244:2::49", "node2")], [("", "TCP", 80)])


@case(both("not-refused", "default/web"))
def dual_stack_with_endpoints_in_one_family(c):
    second_family(c, "default/web", "fd00:10:96::5", [], [])


@case(both("no-rule", "default/sticky"))
def dual_stack_with_affinity(c):
    second_family(c, "default/sticky", "fd00:10:96::6", [("fd00:10:244:1::87", "node1"), ("fd00:10:244:2::49", "node2")], [("", "TCP", 80)])


# ---- Services that kube-proxy leaves alone ----

@case(both("stale-frontend", "default/web", "warning"))
def another_proxy(c):
    c.service("default/web")["metadata"].setdefault("labels", {})["service.kubernetes.io/service-proxy-name"] = "other"


# ---- configuration ----

def closed(addresses):
    return {f"stale-frontend {n} {a}:30080/TCP": "warning" for n in NODES for a in addresses[n]}


@case(closed({"node1": ("127.0.0.1", "10.244.1.1"), "node2": ("127.0.0.1", "10.244.2.1")}))
def node_port_addresses(c):
    for config in c.config():
        config["nodePortAddresses"] = ["172.30.99.0/24"]


@case(closed({"node1": ("127.0.0.1", "10.244.1.1"), "node2": ("127.0.0.1", "10.244.2.1")}), primary)
def node_port_addresses_primary(c):
    for config in c.config():
        config["nodePortAddresses"] = ["primary"]


@case(closed({n: ("127.0.0.1",) for n in NODES}))
def no_node_ports_on_localhost(c):
    for config in c.config():
        config["iptables"]["localhostNodePorts"] = False


@case({"not-masqueraded"})
def masquerade_all(c):
    for config in c.config():
        config["iptables"]["masqueradeAll"] = True


@case({"not-masqueraded", "not-refused"})
def detect_by_bridge(c):
    for config in c.config():
        config.update(detectLocalMode="BridgeInterface", detectLocal={"bridgeInterface": "cni0", "interfaceNamePrefix": ""})


@case({"needless-masquerade", "not-masqueraded", "not-refused"})
def detect_nobody(c):
    for config in c.config():
        config.update(clusterCIDR="")


@case({})
def name_in_capitals(c):
    for config in c.config():
        config["hostnameOverride"] = config["hostnameOverride"].upper()


# ---- open though it must be closed ----

def must_be_closed(change, service, check):
    """An error of `verify` and of `diagnose`, though most of what is not refused is a warning."""
    c = Cluster()
    change(c)
    with Copy(LABS["nft"]) as b:
        c.write(b)
        v = run("verify", "-A", "--bundle", b.path, "-o", "json", codes=[1]).json
        d = run("diagnose", "-A", "--bundle", b.path, "-o", "json", codes=[1]).json
    kinds = {(x["kind"], x["severity"]) for x in v["differences"] if x["service"] == service and x["kind"] == "not-refused"}
    expect_equal(kinds, {("not-refused", "error")}, "differences")
    entry = next(x for x in d["services"] if x["service"] == service)
    found_ = [x for x in (*entry["causes"], *entry["explained"]) if x["check"] == check]
    expect(found_ and all(x["severity"] == "error" for x in found_), f"{[(x['check'], x['severity']) for x in entry['causes']]}")
    expect_equal((entry["status"], entry["axes"]["rules"]), ("broken", "failed"), "status and axis")


def accepted_by_somebody_else():
    """A firewall's ACCEPT before kube-proxy's DROP opens what must be closed: no less an error."""
    c = Cluster()
    source_ranges(c)
    with Copy(LABS["nft"]) as b:
        c.write(b)
        for n in NODES:
            c.write_rules(b, n)
        b.edit(lambda text: text.replace("-A FORWARD ", "-A FORWARD -j ACCEPT\n-A FORWARD ", 1), "nodes", "node1", FILES["IPv4"])
        v = run("verify", "-A", "--bundle", b.path, "-o", "json", codes=[1]).json
        d = run("diagnose", "-A", "--bundle", b.path, "-o", "json", codes=[1]).json
    opened = {(x["kind"], x["node"], x["severity"], x["foreign"]) for x in v["differences"] if x["service"] == "default/example-service"}
    expect_equal(opened, {("not-refused", "node1", "error", True)}, "differences of the Service")
    entry = next(x for x in d["services"] if x["service"] == "default/example-service")
    expect_equal(entry["status"], "broken", "status")


# ---- where the configuration is taken from ----

CONFIG_MAP = {"apiVersion": "v1", "kind": "ConfigMapList", "items": [{"metadata": {"name": "kube-proxy", "namespace": "kube-system"}, "data": {
    "config.conf": "apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\nclusterCIDR: 10.244.0.0/16\nmode: iptables\n"}}]}


def config_source(files, source, shown):
    """@files: of the node's own that are left beside the rules."""
    with Copy(LABS["nft"]) as b:
        os.remove(b.file("cluster", "configmaps.json"))
        if "configmap" in files:
            b.write(json.dumps(CONFIG_MAP), "cluster", "configmaps.json")
        for n in NODES:
            for name in ("kube-proxy-configz.json", "kube-proxy.log"):
                if name not in files:
                    os.remove(b.file("nodes", n, name))
        v = run("verify", "-A", "--bundle", b.path, "-o", "json", codes=[0]).json
        text = run("verify", "-A", "--bundle", b.path, codes=[0]).out
    expect_equal(v["config"], [{"node": n, "source": source} for n in NODES], "config")
    expect_equal((v["differences"], v["skipped"]), ([], []), "differences, skipped")
    expect(f"kube-proxy's configuration: {shown} (node1, node2)\n" in text, f"no such line in {text}")


def config_unknown():
    """Rules without any KUBE-SVC chain tell nothing: masquerade is not compared, and that is said."""
    c = Cluster()
    for s in c.lists["endpointslices"]["items"]:
        s["endpoints"] = []
    with Copy(LABS["nft"]) as b:
        c.write(b)
        os.remove(b.file("cluster", "configmaps.json"))
        for n in NODES:
            c.write_rules(b, n)
            os.remove(b.file("nodes", n, "kube-proxy-configz.json"))
            os.remove(b.file("nodes", n, "kube-proxy.log"))
        v = run("verify", "-A", "--bundle", b.path, "-o", "json", codes=[0, 2]).json
    expect_equal(v["config"], [{"node": n, "source": None} for n in NODES], "config")
    expect_equal([(x["check"], x["node"], x["code"]) for x in v["skipped"]], [("masquerade", n, "not-collected") for n in NODES], "skipped")
    expect_equal(found(v), [], "differences")


def health_port_closed():
    """With a firewall that drops by default, the ACCEPT of the health-check port is what lets the load balancer in."""
    c = Cluster()
    c.spec("default/example-service")["healthCheckNodePort"] = 32001
    with Copy(LABS["nft"]) as b:
        c.write(b)
        for n in NODES:
            b.edit(lambda text: text.replace(":INPUT ACCEPT", ":INPUT DROP", 2).replace(":INPUT DROP", ":INPUT ACCEPT", 1), "nodes", n, FILES["IPv4"])
        before = found(run("verify", "-A", "--bundle", b.path, "-o", "json", codes=[1]).json)
        for n in NODES:
            c.write_rules(b, n)
            b.edit(lambda text: text.replace(":INPUT ACCEPT", ":INPUT DROP", 2).replace(":INPUT DROP", ":INPUT ACCEPT", 1), "nodes", n, FILES["IPv4"])
        after = found(run("verify", "-A", "--bundle", b.path, "-o", "json", codes=[0, 1]).json)
    gone = {(k, n, f) for k, n, _, f, _, _ in before} - {(k, n, f) for k, n, _, f, _, _ in after}
    expect_equal(gone, {("dropped", n, "*:32001/TCP") for n in NODES}, "what the rules of after mend")


# ---- older kube-proxies ----

def where_they_differ():
    c = Cluster()
    c.spec("default/web")["externalTrafficPolicy"] = "Local"
    c.spec("default/my-nginx")["externalTrafficPolicy"] = "Local"  # none on node2
    c.spec("default/hostnames")["internalTrafficPolicy"] = "Local"
    c.spec("shop/api").update(internalTrafficPolicy="Local", type="NodePort", externalTrafficPolicy="Cluster")  # none on node2
    c.spec("shop/api")["ports"][0]["nodePort"] = 30555
    c.spec("default/sticky")["externalIPs"] = ["203.0.113.70"]
    c.spec("default/example-service")["loadBalancerSourceRanges"] = ["198.51.100.0/24"]
    return c


def old_rules(c, minor, node):
    out = io.StringIO()
    old_kube_proxy.write_save(out, minor, c.lists["services"]["items"], c.lists["endpointslices"]["items"], node,
                              c.configz[node]["kubeproxy.config.k8s.io"], c.own(node, "IPv4"))
    return out.getvalue()


def found(v):
    return [(d["kind"], d["node"], d["service"], d["frontend"], d["sources"], d["text"]) for d in v["differences"]]


def old_dump_alone(minor, node):
    """No objects, no configuration, no version: the rules do not contradict themselves."""
    c = where_they_differ()
    c.spec("shop/api")["internalTrafficPolicy"] = "Cluster"  # of others' policy Local a dump of this node knows no endpoint
    c.spec("default/hostnames")["internalTrafficPolicy"] = "Cluster"
    with tempfile.TemporaryDirectory(prefix="svcdoctor-test-") as folder:
        write(old_rules(c, minor, node), os.path.join(folder, FILES["IPv4"]))
        write(json.dumps(c.addresses[node]), os.path.join(folder, "ip-addr.json"))
        v = run("verify", "-A", "--bundle", folder, "-o", "json", codes=[2]).json
    expect_equal((found(v), v["undecided"]), ([], []), "differences, undecided")
    expect_equal([x["source"] for x in v["config"]], ["the rules themselves"], "config")
    return f"{v['frontends']} frontends"


def elsewhere(name):
    """A dump in the shape of an old kube-proxy, written by hand: nothing in it contradicts itself."""
    v = run("verify", "-A", "--bundle", os.path.join("elsewhere", name), "-o", "json", codes=[2]).json
    expect_equal((found(v), v["undecided"]), ([], []), "differences, undecided")
    return f"{v['frontends']} frontends"


def old_version(minor, told):
    """@told: the Nodes tell the version; else the rules themselves must."""
    c = where_they_differ()
    with Copy(LABS["nft"]) as b:
        for n in c.lists["nodes"]["items"]:
            n["status"]["nodeInfo"]["kubeProxyVersion"] = f"v1.{minor}.3" if told else ""
        version = {"major": "1", "minor": str(minor), "gitVersion": f"v1.{minor}.3"}
        if told:
            b.write(json.dumps(version), "cluster", "version.json")
        else:
            os.remove(b.file("cluster", "version.json"))
        c.write(b)
        for n in NODES:
            b.write(old_rules(c, minor, n), "nodes", n, FILES["IPv4"])
        v = verify(b, [0])
        expect_equal(found(v), [], "differences")
        return f"{v['frontends']} frontends"


if __name__ == "__main__":
    t = Tests()
    for name_, (change_, want_, seen_) in CASES.items():
        t.run("expected-" + name_.replace("_", "-"), judged, change_, want_, seen_)
    t.run("closed-source-ranges", must_be_closed, source_ranges, "default/example-service", "rules-not-refused")
    t.run("closed-no-local-endpoint", must_be_closed, external_local_and_none_here, "default/my-nginx", "rules-not-refused")
    t.run("closed-but-accepted-before", accepted_by_somebody_else)
    t.run("config-configz", config_source, ("kube-proxy-configz.json", "configmap", "kube-proxy.log"), "configz", "configz")
    t.run("config-configmap", config_source, ("configmap", "kube-proxy.log"), *["ConfigMap kube-system/kube-proxy"] * 2)
    t.run("config-flags", config_source, ("kube-proxy.log",), *["the FLAG lines of its log"] * 2)
    t.run("config-rules", config_source, (), *["the rules themselves"] * 2)
    t.run("config-unknown", config_unknown)
    t.run("health-port-closed", health_port_closed)
    for minor_ in (20, 21, 22, 23, 24):
        t.run(f"expected-of-1.{minor_}", old_version, minor_, True)
    for minor_ in (20, 22, 23, 24):
        for node_ in NODES:
            t.run(f"expected-of-1.{minor_}-dump-alone/{node_}", old_dump_alone, minor_, node_)
    for name_ in ("kube-proxy-1.20", "kube-proxy-1.24", "kube-proxy-1.28"):
        t.run(f"expected-of-{name_}", elsewhere, name_)
    for minor_ in (20, 23, 24):
        t.run(f"expected-of-1.{minor_}-by-its-rules", old_version, minor_, False)
    t.finish()
