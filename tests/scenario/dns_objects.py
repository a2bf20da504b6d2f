# SPDX-License-Identifier: GPL-2.0-or-later
"""The objects of a small cluster for the tests of DNS, and the zones that its DNS serves by them: as the specification "Kubernetes DNS-Based Service
Discovery" 1.1.0 has it, and where it leaves a choice, as CoreDNS does it. A test changes the objects before the zones are made of them, or after."""
import copy
import ipaddress
import json
import os

from common import write

VIP, NODELOCAL = "10.96.0.10", "169.254.20.10"
MADE = "2026-01-05T08:00:00Z"
DNS_PODS = (("coredns-a", "10.244.1.2", "node1"), ("coredns-b", "10.244.2.2", "node2"), ("coredns-c", "10.244.2.3", "node2"))
CLIENT = "10.244.1.99"
COREFILE = """.:53 {
    errors
    health {
       lameduck 5s
    }
    ready
    kubernetes DOMAIN in-addr.arpa ip6.arpa {
       pods insecure
       fallthrough in-addr.arpa ip6.arpa
       ttl 30
    }
    prometheus :9153
    forward . /etc/resolv.conf {
       max_concurrent 1000
    }
    cache 30
    loop
    reload
    loadbalance
}
"""


def meta(name, ns=None, labels=None, **more):
    m = {"name": name, "uid": f"{ns or 'cluster'}-{name}-uid", "creationTimestamp": MADE, **more}
    if ns:
        m["namespace"] = ns
    if labels:
        m["labels"] = labels
    return m


def port(name, number, protocol="TCP", target=None):
    return {"name": name, "port": number, "protocol": protocol, **({"targetPort": target} if target else {})}


def condition(name, status):
    return {"type": name, "status": "True" if status else "False", "lastTransitionTime": MADE}


class Cluster:
    """Lists of objects by their file's name; `domain` is that of the kubelets and of the Corefile."""

    def __init__(self, domain="cluster.local"):
        self.domain, self.kubelet, self.logs, self.version = domain, {}, {}, "v1.31.4"
        self.lists = {k: [] for k in ("namespaces", "nodes", "services", "endpointslices", "pods", "configmaps", "events", "deployments", "daemonsets",
                                      "networkpolicies", "statefulsets", "clusterroles", "clusterrolebindings")}
        for ns in ("default", "kube-system", "shop", "billing"):
            self.add("namespaces", "v1", "Namespace", meta(ns, labels={"kubernetes.io/metadata.name": ns}), status={"phase": "Active"})
        for n in (1, 2):
            self.add("nodes", "v1", "Node", meta(f"node{n}", labels={"kubernetes.io/hostname": f"node{n}"}),
                     spec={"podCIDR": f"10.244.{n}.0/24", "podCIDRs": [f"10.244.{n}.0/24"]},
                     status={"addresses": [{"type": "InternalIP", "address": f"10.90.7.{n}"}, {"type": "Hostname", "address": f"node{n}"}],
                             "conditions": [condition("Ready", True)], "nodeInfo": {"kubeletVersion": self.version, "operatingSystem": "linux"}})
            self.kubelet[f"node{n}"] = {"clusterDNS": [VIP], "clusterDomain": domain, "resolvConf": "/etc/resolv.conf"}
        self.config_map("kube-system", "coredns", {"Corefile": COREFILE.replace("DOMAIN", domain)})
        self.service("default", "kubernetes", "10.96.0.1", [port("https", 443, target=6443)])
        self.slice("default", "kubernetes", [{"addresses": ["10.90.7.1"], "conditions": {"ready": True}}], [port("https", 6443)])
        dns = [port("dns", 53, "UDP", 53), port("dns-tcp", 53, "TCP", 53), port("metrics", 9153, "TCP", 9153)]
        self.service("kube-system", "kube-dns", VIP, dns, {"k8s-app": "kube-dns"},
                     labels={"k8s-app": "kube-dns", "kubernetes.io/cluster-service": "true", "kubernetes.io/name": "CoreDNS"})
        self.slice("kube-system", "kube-dns", [self.dns_pod(*p) for p in DNS_PODS], [port(p["name"], p["port"], p["protocol"]) for p in dns])
        self.add("deployments", "apps/v1", "Deployment", meta("coredns", "kube-system", {"k8s-app": "kube-dns"}, generation=1),
                 spec={"replicas": 3, "selector": {"matchLabels": {"k8s-app": "kube-dns"}},
                       "template": {"metadata": {"labels": {"k8s-app": "kube-dns"}}, "spec": {"containers": [{"name": "coredns"}]}}},
                 status={"observedGeneration": 1, "replicas": 3, "updatedReplicas": 3, "readyReplicas": 3, "availableReplicas": 3})
        self.workload()
        self.rights()

    def workload(self):
        self.service("shop", "web", "10.96.20.1", [port("http", 80, target=8080)], {"app": "web"}, six="fd96::20:1")
        self.slice("shop", "web", [self.endpoint("shop", f"web-{n}", f"10.244.{n}.3{n}", f"node{n}", app="web") for n in (1, 2)], [port("http", 8080)])
        self.slice("shop", "web", [{"addresses": [f"fd44:{n}::3{n}"], "nodeName": f"node{n}", "conditions": {"ready": True, "serving": True, "terminating": False},
                                    "targetRef": {"kind": "Pod", "namespace": "shop", "name": f"web-{n}"}} for n in (1, 2)], [port("http", 8080)], six=True)
        for n in (1, 2):
            self.get("pods", f"web-{n}")["status"]["podIPs"].append({"ip": f"fd44:{n}::3{n}"})
        self.service("shop", "db", "None", [port("pg", 5432)], {"app": "db"})
        self.slice("shop", "db", [self.endpoint("shop", f"db-{n - 1}", f"10.244.{n}.4{n}", f"node{n}", hostname=f"db-{n - 1}", app="db") for n in (1, 2)],
                   [port("pg", 5432)], labels={"service.kubernetes.io/headless": ""})
        self.service("billing", "pay", "10.96.30.1", [port("http", 80, target=8080)], {"app": "pay"})
        self.slice("billing", "pay", [self.endpoint("billing", "pay-1", "10.244.2.50", "node2", app="pay")], [port("http", 8080)])
        self.pod("shop", "client", CLIENT, "node1", app="client")

    def rights(self):
        """What CoreDNS may read."""
        self.add("clusterroles", "rbac.authorization.k8s.io/v1", "ClusterRole", meta("system:coredns"), rules=[
            {"apiGroups": [""], "resources": ["endpoints", "services", "pods", "namespaces"], "verbs": ["list", "watch"]},
            {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": ["list", "watch"]}])
        self.add("clusterrolebindings", "rbac.authorization.k8s.io/v1", "ClusterRoleBinding", meta("system:coredns"),
                 roleRef={"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "system:coredns"},
                 subjects=[{"kind": "ServiceAccount", "name": "coredns", "namespace": "kube-system"}])

    # ---- making ----

    def add(self, file, api, kind, metadata, **more):
        o = {"apiVersion": api, "kind": kind, "metadata": metadata, **more}
        self.lists[file].append(o)
        return o

    def config_map(self, ns, name, data):
        return self.add("configmaps", "v1", "ConfigMap", meta(name, ns), data=data)

    def service(self, ns, name, ip, ports, selector=None, six=None, labels=None, **spec):
        ips = [ip] + ([six] if six else [])
        return self.add("services", "v1", "Service", meta(name, ns, labels), spec={
            "type": "ClusterIP", "clusterIP": ip, "clusterIPs": ips, "ipFamilies": ["IPv4", "IPv6"][:len(ips)], "ports": ports, "sessionAffinity": "None",
            "ipFamilyPolicy": "RequireDualStack" if six else "SingleStack", "internalTrafficPolicy": "Cluster", **({"selector": selector} if selector else {}), **spec})

    def slice(self, ns, service, endpoints, ports, six=False, labels=None):
        n = len([s for s in self.lists["endpointslices"] if s["metadata"]["name"].startswith(service + "-")])
        return self.add("endpointslices", "discovery.k8s.io/v1", "EndpointSlice",
                        meta(f"{service}-{n}", ns, {"kubernetes.io/service-name": service, "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
                                                    **(labels or {})}),
                        addressType="IPv6" if six else "IPv4", endpoints=endpoints, ports=ports)

    def pod(self, ns, name, ip, node, ready=True, image="registry.example/app:1", **labels):
        host = f"10.90.7.{node[-1]}"
        status = {"name": "c", "ready": ready, "started": ready, "restartCount": 0, "image": image, "state": {"running": {"startedAt": MADE}}, "lastState": {}}
        return self.add("pods", "v1", "Pod", meta(name, ns, labels),
                        spec={"nodeName": node, "dnsPolicy": "ClusterFirst", "restartPolicy": "Always", "containers": [{"name": "c", "image": image}]},
                        status={"phase": "Running", "hostIP": host, "podIP": ip, "podIPs": [{"ip": ip}], "containerStatuses": [status],
                                "conditions": [condition(c, ready or c in ("PodScheduled", "Initialized"))
                                               for c in ("PodScheduled", "Initialized", "ContainersReady", "Ready")]})

    def endpoint(self, ns, name, ip, node, hostname=None, **labels):
        pod = self.pod(ns, name, ip, node, **labels)
        if hostname:
            pod["spec"].update(hostname=hostname, subdomain=name.rsplit("-", 1)[0])
        return {"addresses": [ip], "nodeName": node, "conditions": {"ready": True, "serving": True, "terminating": False},
                "targetRef": {"kind": "Pod", "namespace": ns, "name": name}, **({"hostname": hostname} if hostname else {})}

    def dns_pod(self, name, ip, node):
        e = self.endpoint("kube-system", name, ip, node, **{"k8s-app": "kube-dns"})
        pod = self.get("pods", name)
        image = "registry.k8s.io/coredns/coredns:v1.12.0"
        pod["spec"].update(dnsPolicy="Default", serviceAccountName="coredns",
                           containers=[{"name": "coredns", "image": image, "args": ["-conf", "/etc/coredns/Corefile"],
                                        "ports": [{"name": "dns", "containerPort": 53, "protocol": "UDP"}, {"name": "dns-tcp", "containerPort": 53, "protocol": "TCP"},
                                                  {"name": "metrics", "containerPort": 9153, "protocol": "TCP"}]}])
        pod["status"]["containerStatuses"][0].update(name="coredns", image=image)
        return e

    def event(self, ns, kind, name, reason, message, type_="Warning"):
        self.add("events", "v1", "Event", meta(f"{name}.{len(self.lists['events'])}", ns or "default"), reason=reason, message=message, type=type_, count=3,
                 involvedObject={"kind": kind, "name": name, **({"namespace": ns} if ns else {})}, firstTimestamp=MADE, lastTimestamp=MADE,
                 source={"component": "kubelet", "host": "node1"})

    def log(self, pod, *lines, container="coredns", previous=False):
        self.logs[f"kube-system/{pod}/{container}{'.previous' if previous else ''}.log"] = "".join(x + "\n" for x in lines)

    # ---- finding and changing ----

    def get(self, file, name):
        return next(o for o in self.lists[file] if o["metadata"]["name"] == name)

    def slices(self, service):
        return [s for s in self.lists["endpointslices"] if s["metadata"]["labels"]["kubernetes.io/service-name"] == service]

    def corefile(self, text):
        self.get("configmaps", "coredns")["data"]["Corefile"] = text

    def not_ready(self, service, *pods, waiting=None):
        """The endpoints of a Service are not ready, nor are their pods; @waiting: why their containers do not run."""
        for s in self.slices(service):
            for e in s["endpoints"]:
                if not pods or e["targetRef"]["name"] in pods:
                    e["conditions"].update(ready=False, serving=False)
                    self.pod_not_ready(self.get("pods", e["targetRef"]["name"]), waiting)

    @staticmethod
    def pod_not_ready(pod, waiting):
        for c in pod["status"]["conditions"]:
            if c["type"] in ("Ready", "ContainersReady"):
                c["status"] = "False"
        status = pod["status"]["containerStatuses"][0]
        status.update(ready=False)
        if waiting:
            status.update(started=False, restartCount=12, state={"waiting": {"reason": waiting}},
                          lastState={"terminated": {"exitCode": 1, "reason": "Error", "finishedAt": MADE}})

    def copy(self):
        return copy.deepcopy(self)

    # ---- the bundle ----

    def bundle(self, folder):
        for name, items in self.lists.items():
            write(json.dumps({"apiVersion": "v1", "kind": "List", "metadata": {"resourceVersion": "100"}, "items": items}, indent=1),
                  os.path.join(folder, "cluster", f"{name}.json"))
        write(json.dumps({"major": "1", "minor": self.version.split(".")[1], "gitVersion": self.version}), os.path.join(folder, "cluster", "version.json"))
        for path, text in self.logs.items():
            write(text, os.path.join(folder, "cluster", "logs", path))
        for node, config in self.kubelet.items():
            write(json.dumps({"kubeletconfig": config}), os.path.join(folder, "nodes", node, "kubelet-config.json"))
        return folder


# ---- the zones ----

def records(cluster, domain=None):
    """[(owner without a final dot, type, data)] that the cluster's DNS has by its objects."""
    d = domain or cluster.domain
    out = [(f"dns-version.{d}", "TXT", '"1.1.0"'), (f"ns.dns.{d}", "A", VIP)]
    for s in cluster.lists["services"]:
        m, spec = s["metadata"], s["spec"]
        name = f"{m['name']}.{m['namespace']}.svc.{d}"
        if spec["type"] == "ExternalName":
            out.append((name, "CNAME", spec["externalName"] + "."))
        elif spec["clusterIP"] == "None":
            out += of_headless(cluster, s, name)
        else:
            out += [(name, address_type(ip), ip) for ip in spec["clusterIPs"]]
            out += [(reverse(ip), "PTR", name + ".") for ip in spec["clusterIPs"]]
            out += [(f"_{p['name']}._{p['protocol'].lower()}.{name}", "SRV", f"0 100 {p['port']} {name}.") for p in spec["ports"]]
    for p in cluster.lists["pods"]:
        ip = p["status"]["podIP"]
        out.append((f"{ip.replace('.', '-')}.{p['metadata']['namespace']}.pod.{d}", "A", ip))
    return out


def of_headless(cluster, service, name):
    out = []
    early = service["spec"].get("publishNotReadyAddresses")
    mine = [s for s in cluster.slices(service["metadata"]["name"]) if s["metadata"]["namespace"] == service["metadata"]["namespace"]]
    ends = [(s, e) for s in mine for e in s["endpoints"] if early or e["conditions"].get("ready")]
    for s, e in ends:
        ip = e["addresses"][0]
        own = f"{e.get('hostname') or ip.replace('.', '-').replace(':', '-')}.{name}"
        out += [(name, address_type(ip), ip), (own, address_type(ip), ip), (reverse(ip), "PTR", own + ".")]
        out += [(f"_{p['name']}._{p['protocol'].lower()}.{name}", "SRV", f"0 {100 // len(ends)} {p['port']} {own}.") for p in s["ports"]]
    return out


def address_type(ip):
    return "AAAA" if ":" in ip else "A"


def reverse(ip):
    return ipaddress.ip_address(ip).reverse_pointer


def zones(rows, domain):
    """{zone: its text}; what lies in none of them is for the server behind."""
    out = {}
    for zone in (domain, "96.10.in-addr.arpa", "244.10.in-addr.arpa", "6.9.d.f.ip6.arpa"):
        out[zone] = zone_text(zone, [r for r in rows if r[0].endswith("." + zone) or r[0] == zone], f"ns.dns.{domain}.", f"hostmaster.{domain}.")
    return out


def zone_text(zone, rows, server, mail, minimum=30):
    head = f"$TTL 30\n{zone}. {minimum} SOA {server} {mail} 1769000000 7200 1800 86400 {minimum}\n{zone}. NS {server}\n"
    return head + "".join(f"{owner}. {type_} {data}\n" for owner, type_, data in sorted(set(rows)))
