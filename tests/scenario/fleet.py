# SPDX-License-Identifier: GPL-2.0-or-later
"""Bundles of many nodes, made of the recorded ones of two: renamed and re-addressed, with objects, rules, ports, metrics and logs that belong together.
Some nodes are as they were at an older state of the API, for a reason that their log tells; one runs another mode. What must be found is written down
while it is drawn, and not asked from anybody."""
import copy
import datetime
import json
import os
import random
import re
import shutil

from common import CORPUS, COUNTERS, Copy, expect

# What the nodes are made of, with the file of rules that is theirs; and the node of another mode.
LABS = (("lab-iptables-nft", "iptables-nft-save.txt"), ("lab-iptables-legacy", "iptables-legacy-save.txt"))
OTHER = "lab-nftables"
NODE = re.compile(r"\bnode([12])\b")
# Objects with faults of their own, which the recorded cluster has for other tests.
GONE = ("shop/api", "shop/cart", "shop/local-only", "shop/no-match", "shop/no-selector", "shop/node-ip-stolen", "shop/pay", "shop/scaled-down", "shop/worker",
        "shop/cafe", "default/my-service", "default/worker", "default/headless")
GONE_ADDRESSES = ["10.96.182.38", "10.96.75.131", "10.96.236.86", "10.96.169.132", "10.96.254.8", "10.96.227.74", "10.96.101.99", "10.96.52.160"]
GONE_PODS = ("api-0", "cart-0", "cart-1", "pay-0")
# Those that a node can know from an older state, with the addresses of their endpoints.
SERVICES = {"default/ext-ip": ["10.244.1.40"], "default/hostnames": ["10.244.1.5", "10.244.1.6", "10.244.2.7"], "default/my-nginx": ["10.244.1.20"],
            "default/sticky": ["10.244.1.135", "10.244.1.136", "10.244.2.73"], "default/web": ["10.244.1.135", "10.244.1.136", "10.244.2.73"],
            "default/example-service": ["10.244.2.30"], "kube-system/kube-dns": ["10.244.1.2", "10.244.2.2"], "shop/lb-ranges": ["10.244.1.70"]}
SERVER = "https://172.30.99.10:6443"


def name(k):
    return f"node-{k}"


def address(k):
    return f"172.30.99.{k if k < 3 else 100 + k}"


def stamp(t):
    return t.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


# ---- objects ----

def full_name(o):
    return f"{o['metadata'].get('namespace', '')}/{o['metadata']['name']}"


def is_gone(o):
    service = o["metadata"].get("labels", {}).get("kubernetes.io/service-name")
    if o["kind"] == "Pod" or "containers" in o.get("spec", {}):
        return o["metadata"]["name"] in GONE_PODS
    return full_name(o) in GONE or (service and f"{o['metadata']['namespace']}/{service}" in GONE)


def node_object(o, k):
    o = copy.deepcopy(o)
    text = json.dumps(o).replace("10.244.1.", f"10.244.{k}.").replace("172.30.99.1\"", f"{address(k)}\"")
    o = json.loads(NODE.sub(name(k), text))
    o["spec"].pop("taints", None)
    o["metadata"]["uid"] = f"00000000-0000-0000-0000-{k:012d}"
    return o


def proxy_pod(o, k):
    text = json.dumps(o).replace("172.30.99.1\"", f"{address(k)}\"")
    o = json.loads(NODE.sub(name(k), text))
    o["metadata"]["name"] = f"kube-proxy-{k}"
    o["metadata"]["uid"] = f"00000000-0000-0000-0001-{k:012d}"
    return o


def objects(b, count):
    for file in os.listdir(b.file("cluster")):
        if not file.endswith(".json") or file == "version.json":
            continue
        d = json.loads(b.read("cluster", file))
        items = [o for o in d.get("items", []) if not is_gone({"kind": d.get("kind", "").removesuffix("List"), **o})]
        if file == "nodes.json":
            items = [node_object(items[0], k) if k != 2 else node_object_2(items[1]) for k in range(1, count + 1)]
        elif file == "pods.json":
            proxy = next(o for o in items if o["metadata"]["name"] == "kube-proxy-0")
            items = [o for o in items if not o["metadata"]["name"].startswith("kube-proxy-")] + [proxy_pod(proxy, k) for k in range(1, count + 1)]
        elif file in ("services.json", "endpointslices.json"):
            items = [b.history.tell(o) for o in items]
        elif file in ("events.json", "deployments.json", "replicasets.json"):
            items = []
        d["items"] = items
        b.write(NODE.sub(r"node-\1", json.dumps(d)), "cluster", file)


def node_object_2(o):
    o = copy.deepcopy(o)
    o["spec"].pop("taints", None)
    return o


# ---- rules ----

class Rules:
    """An iptables-save text in which the rules of single Services are changed."""

    def __init__(self, text):
        self.lines = text.split("\n")

    def __str__(self):
        return "\n".join(self.lines)

    @staticmethod
    def names(line, service):
        return re.search(rf'["\s]{re.escape(service)}[ :"]', line) is not None

    def chains_of(self, service):
        """Its own chains: those of rules that name it, but for the ones that everybody has."""
        found = set()
        for line in self.lines:
            rule = COUNTERS.sub("", line)
            if self.names(rule, service):
                found |= set(re.findall(r"\bKUBE-(?:SVC|SEP|EXT|FW|SVL)-\w{16}\b", rule.split(" --comment ")[0] + rule.split('"')[-1]))
                found |= set(re.findall(r"-[jg] (KUBE-(?:SVC|SEP|EXT|FW|SVL)-\w{16})", rule))
        return found

    def forget(self, service):
        """The Service is not known yet: none of its rules and chains is there."""
        chains = self.chains_of(service)
        keep = []
        for line in self.lines:
            rule = COUNTERS.sub("", line)
            words = rule.split(" ")
            if self.names(rule, service) or words[0][1:] in chains or (words[0] == "-A" and words[1] in chains):
                continue
            keep.append(line)
        expect(len(keep) < len(self.lines), f"{service} has no rules")
        self.lines = keep

    def move(self, service, old, new):
        """An endpoint is another one."""
        n = 0
        for i, line in enumerate(self.lines):
            if self.names(line, service) and re.search(rf"\b{re.escape(old)}\b", line):
                self.lines[i] = re.sub(rf"\b{re.escape(old)}\b", new, line)
                n += 1
        expect(n > 0, f"{service} has no endpoint {old}")


class History:
    """When each Service changed last, and how nodes that have not heard of it know it."""

    def __init__(self, rng, now, changed=None):
        """@changed: Service -> seconds ago; None: drawn."""
        services = sorted(SERVICES)
        rng.shuffle(services)
        if changed is None:
            changed = {s: rng.randint(120, 3500) for s in services[:rng.randint(3, len(services))]}
        self.changed = {s: now - datetime.timedelta(seconds=ago) for s, ago in changed.items()}
        self.unknown = {s for s in self.changed if s != "default/example-service" and rng.random() < 0.3}
        # the endpoint of example-service is local to node 2, whose rules differ by that
        self.moved = {s: [(old, f"10.244.{2 if s == 'default/example-service' else 1}.{200 + i * 4 + SERVICES[s].index(old)}")
                          for old in rng.sample(SERVICES[s], rng.randint(1, len(SERVICES[s])))] for i, s in enumerate(sorted(self.changed))}

    def since(self, t):
        return sorted(s for s, changed in self.changed.items() if changed > t)

    def draw_moment(self, rng, now):
        """Some time before one of the changes, and a few minutes before now."""
        last = max(self.changed.values())
        return min(last - datetime.timedelta(seconds=rng.randint(5, 3000)), now - datetime.timedelta(minutes=4)).replace(microsecond=0)

    def make_old(self, rules, t):
        for service in self.since(t):
            if service in self.unknown:
                rules.forget(service)
                continue
            for old, new in self.moved[service]:
                rules.move(service, old, new)

    def tell(self, o):
        """The times of an object."""
        service = full_name(o)
        label = o["metadata"].get("labels", {}).get("kubernetes.io/service-name")
        if label:
            service = f"{o['metadata']['namespace']}/{label}"
        if service not in self.changed:
            return o
        t = self.changed[service].strftime("%Y-%m-%dT%H:%M:%SZ")
        if label:
            o["metadata"].setdefault("annotations", {})["endpoints.kubernetes.io/last-change-trigger-time"] = t
        if service in self.unknown:
            o["metadata"]["creationTimestamp"] = t
        if label or service in self.unknown:
            for m in o["metadata"].get("managedFields", []):
                m["time"] = t
        return o


def without_gone(rules):
    for service in GONE:
        if any(Rules.names(line, service) for line in rules.lines):
            rules.forget(service)


def nft_without_gone(text):
    """The same in nft's JSON: chains whose name has the Service's, their rules, and what leads there."""
    d = json.loads(text)
    marks = [f"-{s}/" for s in GONE] + [f'"{s}"' for s in GONE]

    def is_gone_text(x):
        s = json.dumps(x)
        return any(m in s for m in marks)

    keep = []
    for o in d["nftables"]:
        kind = next(iter(o))
        body = o[kind]
        if kind in ("chain", "rule") and is_gone_text(body):
            continue
        if kind in ("map", "set") and isinstance(body.get("elem"), list):
            body["elem"] = [e for e in body["elem"] if not is_gone_text(e) and e not in GONE_ADDRESSES]
            if not body["elem"]:
                del body["elem"]
        keep.append(o)
    d["nftables"] = keep
    return json.dumps(d)


# ---- logs ----

LIST = "failed to list *v1.EndpointSlice: "
URL = f'Get "{SERVER}/apis/discovery.k8s.io/v1/endpointslices?limit=500&resourceVersion=0": '
DIAL = "dial tcp 172.30.99.10:6443: "
# name: check, words of the cause, the error
REASONS = {
    "certificate": ("kube-proxy-apiserver-unreachable", "certificate has expired",
                    URL + "tls: failed to verify certificate: x509: certificate has expired or is not yet valid: current time 2026-11-21T09:00:00Z is after 2026-11-21T08:00:00Z"),
    "authority": ("kube-proxy-apiserver-unreachable", "unknown authority", URL + "x509: certificate signed by unknown authority"),
    "forbidden": ("kube-proxy-rbac", "endpointslices",
                  'endpointslices.discovery.k8s.io is forbidden: User "system:serviceaccount:kube-system:kube-proxy" cannot list resource "endpointslices" '
                  'in API group "discovery.k8s.io" at the cluster scope'),
    "unauthorized": ("kube-proxy-apiserver-unreachable", "Unauthorized", "Unauthorized"),
    "refused": ("kube-proxy-apiserver-unreachable", "connection refused", URL + DIAL + "connect: connection refused"),
    "time-out": ("kube-proxy-apiserver-unreachable", "time-out", URL + DIAL + "i/o timeout"),
    "no route": ("kube-proxy-apiserver-unreachable", "no route to host", URL + DIAL + "connect: no route to host"),
}


def klog(t, text, file="reflector.go:138", level="E"):
    return f"{level}{t:%m%d %H:%M:%S.%f}       1 {file}] {text}"


def quoted(s):
    return json.dumps(s, ensure_ascii=False)


def old_line(t, error):
    """client-go of Kubernetes 1.16 and before."""
    return klog(t, f"k8s.io/client-go/informers/factory.go:133: Failed to list *v1.EndpointSlice: {error}", "reflector.go:125")


def middle_line(t, error):
    """of 1.17 to 1.30"""
    return klog(t, f"k8s.io/client-go/informers/factory.go:134: Failed to watch *v1.EndpointSlice: {LIST}{error}")


def unhandled_line(t, error):
    return klog(t, f'"Unhandled Error" err={quoted("k8s.io/client-go/informers/factory.go:160: Failed to watch *v1.EndpointSlice: " + LIST + error)} '
                   f'logger="UnhandledError"', "reflector.go:158")


def new_line(t, error):
    """of 1.33 and later"""
    return klog(t, f'"Failed to watch" err={quoted(LIST + error)} logger="UnhandledError" reflector="k8s.io/client-go/informers/factory.go:177" '
                   f'type="*v1.EndpointSlice"', "reflector.go:205")


def json_line(t, error):
    return json.dumps({"ts": t.timestamp() * 1000, "caller": "cache/reflector.go:205", "msg": "Failed to watch", "logger": "UnhandledError",
                       "reflector": "k8s.io/client-go/informers/factory.go:177", "type": "*v1.EndpointSlice", "err": LIST + error})


SPELLINGS = (old_line, middle_line, unhandled_line, new_line, json_line)


def plain(_, line):
    return line


def cri(t, line):
    return f"{stamp(t)} stderr F {line}"


def docker(t, line):
    return json.dumps({"log": line + "\n", "stream": "stderr", "time": stamp(t)})


def journal(t, line):
    return f"{t:%b %d %H:%M:%S} host kube-proxy[4711]: {line}"


def prefixed(_, line):
    return f"[pod/kube-system/kube-proxy-x/kube-proxy] {line}"


COATS = (plain, cri, docker, journal, prefixed)


def log_of(rng, start, failed, now, error):
    """A log of which the beginning is gone, in one of the forms, with the error again and again since @failed."""
    spelling, coat = rng.choice(SPELLINGS), rng.choice(COATS)
    t, lines = start, []
    while t < now:
        if t >= failed:
            lines.append(coat(t, spelling(t, error)))
            t += datetime.timedelta(seconds=rng.uniform(20, 60))
        else:
            lines.append(coat(t, klog(t, '"Caches populated" type="*v1.Node" reflector="k8s.io/client-go/informers/factory.go:177"', "reflector.go:430", "I")))
            t = failed
    return "\n".join(lines) + "\n", f"{spelling.__name__}, {coat.__name__}"


def since_words(seconds):
    return f"{int(seconds // 60)} minutes" if seconds < 7200 else f"{int(seconds // 3600)} hours"


# ---- nodes ----

def local_addresses(b, k):
    """node1's files as those of node @k: its own address, its own pods' range, and a route to node1's."""
    for file in ("bridge-fdb.json", "ip-addr.json", "ip-link.json", "ip-neigh.json", "ip-route.json", "ip-rule.json", "sysctl.txt"):
        path = ("nodes", name(k), file)
        if not os.path.exists(b.file(*path)):
            continue
        text = re.sub(r"\b172\.30\.99\.1\b", address(k), b.read(*path).replace("10.244.1.", f"10.244.{k}."))
        if file == "ip-route.json":
            routes = json.loads(text)
            route = copy.deepcopy(next(r for r in routes if r["dst"] == "10.244.2.0/24"))
            routes.append({**route, "dst": "10.244.1.0/24", "gateway": address(1)})
            text = json.dumps(routes)
        b.write(text, *path)
    for file in os.listdir(b.file("nodes", name(k), "cni")):
        b.edit(lambda s: s.replace("10.244.1.", f"10.244.{k}."), "nodes", name(k), "cni", file)


def metrics(text, queued, synced):
    for metric, t in (("last_queued_timestamp", queued), ("last_timestamp", synced)):
        text = re.sub(rf"^(kubeproxy_sync_proxy_rules_{metric}_seconds\S*) .*$", rf"\g<1> {t.timestamp():.3f}", text, flags=re.M)
    return text


def ports(b, k, rng, now, queued, synced=None):
    """Its own clock, and a sync within the last half minute, as rules are written anew again and again, whatever they are. @synced: the last one was then,
    and what came after it waits."""
    healthy = synced is None
    synced = synced or now - datetime.timedelta(seconds=rng.uniform(5, 29))
    b.write(json.dumps({"lastUpdated": stamp(now if healthy else synced), "currentTime": stamp(now), "nodeEligible": True, "healthy": healthy,
                        "status": {f: {"lastUpdated": stamp(synced), "healthy": healthy} for f in ("IPv4", "IPv6")}}), "nodes", name(k), "kube-proxy-healthz.json")
    b.edit(lambda s: metrics(s, queued, synced), "nodes", name(k), "kube-proxy-metrics.txt")


def rename_own(b, k):
    for file in ("kube-proxy-configz.json", "kube-proxy.log"):
        b.edit(lambda s: NODE.sub(name(k), s), "nodes", name(k), file)


class Fleet(Copy):
    """@count nodes; with @sound nothing is wrong. .faults: node -> (check, words, Services), as they were drawn; .other: the node of another mode."""

    def __init__(self, seed, count=20, sound=False, changed=None):
        lab, self.dump = LABS[seed % len(LABS)]
        super().__init__(lab)
        self.rng, self.count, self.sound, self.changed = random.Random(seed), count, sound, changed
        self.faults, self.other, self.forms = {}, None, {}

    def __enter__(self):
        super().__enter__()
        rng = self.rng
        self.now = datetime.datetime(2026, 11, 21, 9, 30, 0) + datetime.timedelta(seconds=rng.randint(0, 50000))
        self.started = datetime.datetime(2026, 11, 21, 7, 30, 0)  # when it was recorded
        self.history = History(rng, self.now, self.changed)
        objects(self, self.count)
        self.write(json.dumps({"schema": "svcdoctor.bundle/1", "created": self.now.strftime("%Y-%m-%dT%H:%M:%SZ")}), "bundle.json")
        os.rename(self.file("nodes", "node1"), self.file("nodes", name(1)))
        os.rename(self.file("nodes", "node2"), self.file("nodes", name(2)))
        order = rng.sample(range(1, self.count + 1), self.count)
        stale = [] if self.sound else order[:rng.randint(1, 6)]
        self.other = None if self.sound else name(next(k for k in order if k not in stale and k > 2))
        for k in range(3, self.count + 1):
            self.add(k)
        for k in range(1, self.count + 1):
            self.finish(k, k in stale)
        return self

    def add(self, k):
        source = os.path.join(CORPUS, OTHER, "nodes", "node1") if name(k) == self.other else self.file("nodes", name(1))
        shutil.copytree(source, self.file("nodes", name(k)), copy_function=shutil.copyfile)
        local_addresses(self, k)

    def finish(self, k, stale):
        rename_own(self, k)
        queued = self.now - datetime.timedelta(seconds=self.rng.uniform(30, 600))
        if name(k) == self.other:
            self.edit(nft_without_gone, "nodes", name(k), "nft-ruleset.json")
            self.edit(lambda s: s.replace("172.30.99.1\"", f"{address(k)}\""), "nodes", name(k), "nft-ruleset.json")
            ports(self, k, self.rng, self.now, queued)
            return
        rules = Rules(self.read("nodes", name(k), self.dump))
        without_gone(rules)
        if stale:
            queued = self.make_stale(k, rules)
        if os.path.exists(self.file("nodes", name(k), "nft-ruleset.json")):
            os.unlink(self.file("nodes", name(k), "nft-ruleset.json"))  # the same rules once more
        self.write(str(rules), "nodes", name(k), self.dump)
        ports(self, k, self.rng, self.now, queued)

    def rules(self, k, change):
        """Changes the rules of a node."""
        rules = Rules(self.read("nodes", name(k), self.dump))
        change(rules)
        self.write(str(rules), "nodes", name(k), self.dump)

    def stop(self, k, seconds, log=None, synced=None):
        """The node knows the API of so many seconds ago. @log: lines of its log, from then on; @synced: its ports tell that its last sync was then."""
        t = self.now - datetime.timedelta(seconds=seconds)
        self.rules(k, lambda rules: self.history.make_old(rules, t))
        if log:
            lines = [line for i in range(0, seconds, 30) for line in log(t + datetime.timedelta(seconds=i))]
            self.write("\n".join(lines) + "\n", "nodes", name(k), "kube-proxy.log")
        if synced:
            ports(self, k, self.rng, self.now, t + datetime.timedelta(seconds=1), t)

    def make_stale(self, k, rules):
        reason = self.rng.choice(sorted(REASONS))
        check, words, error = REASONS[reason]
        failed = self.history.draw_moment(self.rng, self.now)
        text, self.forms[name(k)] = log_of(self.rng, self.started, failed, self.now, error)
        self.write(text, "nodes", name(k), "kube-proxy.log")
        self.history.make_old(rules, failed)
        self.faults[name(k)] = (check, words, self.history.since(failed), since_words((self.now - failed).total_seconds()))
        return failed - datetime.timedelta(seconds=5)
