#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""collect --redact: the diagnosis of a redacted bundle is that of the original but for names, and nothing of the original is in it."""
import collections
import json
import os
import re
import shutil
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from test_kernel_faults import ROWS, World  # noqa: E402
from common import CORPUS, Tests, expect, expect_equal, read, run, short, write  # noqa: E402
from api_server import ApiServer  # noqa: E402

LABS = ("lab-iptables-nft", "lab-iptables-legacy", "lab-nftables", "lab-ipvs")
# Names of Kubernetes itself, and words of protocols; "app", "component", "k8s-app": keys that checks know; the rest are words of the formats.
KEPT = {"default", "kube-system", "kube-public", "kube-node-lease", "kubernetes", "kube-dns", "kube-proxy", "coredns", "kube-root-ca.crt", "dns", "dns-tcp", "http",
        "https", "tls", "metrics", "app", "k8s-app", "component", "apiserver", "true", "endpoint-controller", "endpointslice-controller.k8s.io", "kube-dns-",
        "kube-proxy-0", "kube-proxy-1", "extension-apiserver-authentication", "headless"}
NAME_KEYS = {"name", "namespace", "nodeName", "hostname", "generateName", "serviceName", "externalName", "host", "path", "image", "reportingInstance"}
UID_KEYS = {"uid", "machineID", "systemUUID", "bootID", "imageID", "containerID"}
NO_MACHINE = re.compile(r"0\.|127\.|255\.255\.255\.255$|(33:33:00|01:00:5e|00:00:00:00:00:00|ff:ff:ff:ff:ff:ff)")


def files(folder):
    for top, _, names in os.walk(folder):
        for n in names:
            yield os.path.relpath(os.path.join(top, n), folder), read(os.path.join(top, n))


def lists(folder):
    for path, text in sorted(files(os.path.join(folder, "cluster"))):
        if path.endswith(".json"):
            yield path, json.loads(text)


class Redacted:
    def __init__(self, bundle):
        self.bundle = bundle

    def __enter__(self):
        self.top = tempfile.mkdtemp(prefix="svcdoctor-redact-")
        self.folder = os.path.join(self.top, "lab")
        self.err = run("collect", "--bundle", self.bundle, "--redact", "-w", self.folder, codes=(0,)).err
        return self

    def __exit__(self, *exc):
        shutil.rmtree(self.top)


def originals(folder):
    names, uids = set(), set()

    def walk(o, key=""):
        if isinstance(o, dict):
            for k, v in o.items():
                if k in ("labels", "selector", "matchLabels") and isinstance(v, dict) and "matchLabels" not in v:
                    names.update(x for x in v.values() if isinstance(x, str))
                    names.update(x for x in v if "/" not in x)
                if k != "managedFields":
                    walk(v, k)
        elif isinstance(o, list):
            for v in o:
                walk(v, key)
        elif isinstance(o, str) and key in NAME_KEYS:
            names.add(o)
        elif isinstance(o, str) and key in UID_KEYS and o:
            uids.add(o)
    for _, document in lists(folder):
        walk(document)
    return {n for n in names if len(n) > 2} - KEPT, uids


def occurs(word, text):
    return re.search(r"(?<![A-Za-z0-9])" + re.escape(word) + r"(?![A-Za-z0-9])", text)


def addresses_of(text):
    found = set(re.findall(r"(?<![\d.])\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}(?![\d.])", text)) | set(re.findall(r"\b(?:[0-9a-f]{2}:){5}[0-9a-f]{2}\b", text))
    found |= set(re.findall(r"\bfe80::[0-9a-f:]+", text))
    expect(len(found) > 50, f"only {len(found)} addresses to look for")
    return found


def by_chance(folder):
    """The same with another key: an address that another one became by chance is not there again."""
    with Redacted(folder) as r:
        return "\n".join(text for _, text in files(r.folder))


def shows_nothing(folder, redacted, exceptions=()):
    out = "\n".join(path + "\n" + text for path, text in files(redacted))
    text = "\n".join(path + "\n" + text for path, text in files(folder))
    names, uids = originals(folder)
    expect(len(names) > 80, f"only {len(names)} names to look for")
    # "run" is a label's key there, and a part of a sysctl's name.
    found = [n for n in names if n not in exceptions and occurs(n, out)]
    expect_equal(found, [], "names that can still be seen")
    expect_equal([a for a in addresses_of(text) if not NO_MACHINE.match(a) and occurs(a, out) and occurs(a, by_chance(folder)) and occurs(a, by_chance(folder))], [],
                 "addresses that can still be seen")
    expect_equal([u for u in uids if u in out], [], "UIDs that can still be seen")


def mapping(folder, redacted):
    """Old names and addresses to new ones, by the order of the objects."""
    result = {}

    def pair(a, b):
        if isinstance(a, dict) and isinstance(b, dict):
            for k in set(a) & set(b):
                if k in NAME_KEYS | {"podIP", "clusterIP", "address", "ip"} and isinstance(a[k], str):
                    expect_equal(result.setdefault(a[k], b[k]), b[k], f"what became of {a[k]}")
                pair(a[k], b[k])
        elif isinstance(a, list) and isinstance(b, list):
            for x, y in zip(a, b):
                pair(x, y)
    new = dict(lists(redacted))
    for path, document in lists(folder):
        if "items" in document:
            expect_equal(len(new[path]["items"]), len(document["items"]), path)
            pair(document["items"], new[path]["items"])
    back = collections.Counter(result.values())
    expect_equal([n for n, times in back.items() if times > 1], [], "names that several became")
    return result


def translate(text, names):
    pattern = re.compile(r"(?<![A-Za-z0-9.])(" + "|".join(re.escape(n) for n in sorted(names, key=len, reverse=True)) + r")(?![A-Za-z0-9])")
    return pattern.sub(lambda m: names[m.group(1)], text)


def diagnosis(folder):
    d = run("diagnose", "-A", "--bundle", folder, "-o", "json", codes=(0, 1, 2)).json
    return d


def ids(d, names=None):
    def one(f):
        text = f"{f['severity']} {f['check']} {f['node']} {f['subject']}"
        return translate(text, names) if names else text
    findings = [f for s in d["services"] for f in s["causes"] + s["explained"]] + d["cluster"]
    return sorted({one(f) for f in findings})


def states(d, names=None):
    return sorted((translate(s["service"], names) if names else s["service"], s["status"], json.dumps(s["axes"], sort_keys=True)) for s in d["services"])


def judged(folder):
    v = run("verify", "-A", "--bundle", folder, "-o", "json", codes=(0, 1, 2)).json
    differences = sorted((x["kind"], x["severity"], x["foreign"], len(x["actual"]), (x["by"] or {}).get("kind") or "")
                         for x in v["differences"])
    return {**{k: v[k] for k in ("services", "frontends", "decided")}, "undecided": len(v["undecided"]), "differences": differences, "broken": len(v["broken"])}


def same_diagnosis(lab):
    folder = os.path.join(CORPUS, lab)
    with Redacted(folder) as r:
        shows_nothing(folder, r.folder, ("run",))
        names = mapping(folder, r.folder)
        before, after = diagnosis(folder), diagnosis(r.folder)
        expect_equal(states(after), states(before, names), "the Services")
        expect_equal(ids(after), ids(before, names), "the findings")
        expect_equal(judged(r.folder), judged(folder), "what verify says")
        conf = [t for p, t in files(r.folder) if p.endswith("/resolv.conf")]
        expect(len(conf) >= 2 and all("nameserver " in t for t in conf), f"resolv.conf: {conf}")
        again = run("rules", "-A", "--bundle", r.folder, "-o", "json", codes=(0, 1, 2)).json["rules"]
        want = run("rules", "-A", "--bundle", folder, "-o", "json", codes=(0, 1, 2)).json["rules"]
        expect_equal(collections.Counter(f"{x.get('found')} of {x.get('needed')}" for x in again), collections.Counter(f"{x.get('found')} of {x.get('needed')}" for x in want), "rules")
    return None


DAMAGE = {  # what is taken away from node1's dump: the first line or text of this form
    "lab-iptables-nft": ("iptables-nft-save.txt", re.compile(r"^\S+ -A KUBE-SEP-\S+ -p tcp .*-j DNAT.*\n", re.M)),
    "lab-iptables-legacy": ("iptables-legacy-save.txt", re.compile(r"^\S+ -A KUBE-SERVICES -d \S+ -p tcp .*-j KUBE-SVC.*\n", re.M)),
    "lab-nftables": ("nft-ruleset.json", re.compile(r'\[\{"concat": \["10\.96\.[0-9.]+", "tcp", 80\]\}, \{"goto": [^\]]*\]\, ')),
    "lab-ipvs": ("ipvsadm-save.txt", re.compile(r"^-a -t 10\.\S+ .*\n", re.M)),
}


def same_faults(lab):
    """A fault of the rules is the same one afterwards."""
    with tempfile.TemporaryDirectory() as top:
        folder = os.path.join(top, lab)
        shutil.copytree(os.path.join(CORPUS, lab), folder)
        name, pattern = DAMAGE[lab]
        path = os.path.join(folder, "nodes", "node1", name)
        text, times = pattern.subn("", read(path), 1)
        expect_equal(times, 1, f"nothing of that form in {name}")
        write(text, path)
        if lab == "lab-ipvs":
            os.unlink(os.path.join(folder, "nodes", "node1", "ipvsadm-ln.txt"))
        want = judged(folder)
        expect(want["differences"], "the damage is not seen at all")
        with Redacted(folder) as r:
            expect_equal(judged(r.folder), want, "what verify says")
            expect_equal(ids(diagnosis(r.folder)), ids(diagnosis(folder), mapping(folder, r.folder)), "the findings")


def same_names(lab):
    """Recorded answers, resolv.conf and the log of the cluster's DNS mean the same afterwards."""
    answer = ("; <<>> DiG 9.18.1 <<>> @{server} {name} {type}\n;; Got answer:\n;; ->>HEADER<<- opcode: QUERY, status: {status}, id: 1\n"
              ";; flags: qr aa rd; QUERY: 1, ANSWER: {n}, AUTHORITY: 0, ADDITIONAL: 0\n\n;; QUESTION SECTION:\n;{name}. IN {type}\n\n{records}"
              ";; Query time: 1 msec\n;; SERVER: {server}#53({server}) (UDP)\n;; MSG SIZE  rcvd: 80\n\n")

    def answers(server, services):
        for name, ip in services.items():
            yield answer.format(server=server, name=name, type="A", status="NOERROR" if ip else "NXDOMAIN", n=1 if ip else 0,
                                records=f";; ANSWER SECTION:\n{name}. 30 IN A {ip}\n\n" if ip else "")

    with tempfile.TemporaryDirectory() as top:
        folder = os.path.join(top, lab)
        shutil.copytree(os.path.join(CORPUS, lab), folder)
        services = {(s["metadata"]["namespace"], s["metadata"]["name"]): s["spec"].get("clusterIP") for s in json.loads(read(os.path.join(folder, "cluster", "services.json")))["items"]}
        dns, web = services["kube-system", "kube-dns"], services["default", "web"]
        pod = os.path.join(folder, "cluster", "pods", "default", "web-96d5df5c8-0")
        write("".join(answers(dns, {"kubernetes.default.svc.cluster.local": services["default", "kubernetes"], "web.default.svc.cluster.local": None,
                                    "cart.shop.svc.cluster.local": web})) +
              f"$ nslookup api.shop\n;; communications error to {dns}#53: timed out\n;; communications error to {dns}#53: timed out\n;; no servers could be reached\n",
              os.path.join(pod, "dns.txt"))
        logs = os.path.join(folder, "cluster", "logs", "kube-system", "coredns-7f89b7bc75-0")
        os.makedirs(logs)
        write('.:53\n[INFO] plugin/reload: Running configuration SHA512 = 59\nCoreDNS-1.11.1\nlinux/amd64, go1.20\n[FATAL] plugin/loop: Loop (127.0.0.1:40001 -> :53) detected for zone ".", '
              'see https://coredns.io/plugins/loop#troubleshooting. Query: "HINFO 1.2."\n', os.path.join(logs, "c.log"))
        before = diagnosis(folder)
        checks = {f["check"] for s in before["services"] for f in s["causes"] + s["explained"]} | {f["check"] for f in before["cluster"]}
        expect("coredns-loop" in checks and any(c.startswith("dns-") for c in checks), f"too little is found: {checks}")
        with Redacted(folder) as r:
            after = diagnosis(r.folder)
            names = mapping(folder, r.folder)
            expect_equal(ids(after), ids(before, names), "the findings")
            expect_equal([(w, x) for _, w, x in states(after)], [(w, x) for _, w, x in states(before, names)], "the Services")


def same_proxy(lab):
    """What kube-proxy's log, ports and process and the kernel's counters and log say means the same afterwards."""
    expired = ('E1121 08:{:02}:00.000000    9436 reflector.go:138] "Failed to watch" err="failed to list *v1.EndpointSlice: Get \\"https://10.96.0.1:443/apis/x\\": '
               'x509: certificate has expired or is not yet valid: current time 2026-11-21T08:00:00Z is after 2026-11-20T00:00:00Z" type="*v1.EndpointSlice"\n')
    flow = "ipv4 2 udp 17 {} src=10.244.2.{} dst=10.96.0.10 sport={} dport=53 src=10.244.1.250 dst=10.244.2.{} sport=53 dport={} [ASSURED] mark=0 use=1\n"
    content = {
        "cluster/logs/kube-system/kube-proxy-0/c.log": read(os.path.join(CORPUS, lab, "nodes", "node1", "kube-proxy.log")) + "".join(expired.format(i) for i in range(40)),
        "nodes/node2/dmesg.txt": "".join(f"2026-11-21T07:{i:02}:00,000000+00:00 nf_conntrack: nf_conntrack: table full, dropping packet\n" for i in range(30)),
        "nodes/node2/nstat.txt": "#kernel\nTcpExtIPReversePathFilter       9000               0.0\n",
        "nodes/node2/lnstat.txt": "==> arp_cache <==\nentries allocs destroys table_fulls\n00000400 00000001 00000000 00000099\n",
        "nodes/node2/lsmod.txt": "Module                  Size  Used by\nnf_conntrack 180224 3\n",
        "nodes/node2/conntrack.txt": "".join(flow.format(i, i, 4000 + i, i, 4000 + i) for i in range(20, 30)),
        "nodes/node2/kube-proxy-http.txt": "healthz 503\nmetrics refused\n",
        "nodes/node2/kube-proxy-healthz.json": '{"lastUpdated": "2026-11-21T06:30:00Z", "currentTime": "2026-11-21T07:31:00Z", "healthy": false, "nodeEligible": true}',
        "nodes/node2/locks.txt": "27 1234 /run/xtables.lock\n1: FLOCK  ADVISORY  WRITE 4711 00:1b:1234 0 EOF\n4711 fail2ban-server\n",
        "nodes/node2/ps.txt": "812 3600 /usr/local/bin/kube-proxy --proxy-mode=iptables --hostname-override=node2\n",
        "nodes/node2/xt-recent.txt": "/sys/module/xt_recent/parameters/ip_list_tot:100\n 100 /proc/net/xt_recent/KUBE-SEP-JA2KGDKF2CQMWBSK\n",
        "nodes/node2/versions.txt": "nftables v0.9.1 (Headless Horseman)\niptables v1.8.9 (nf_tables)\n",
    }
    with tempfile.TemporaryDirectory() as top:
        folder = os.path.join(top, lab)
        shutil.copytree(os.path.join(CORPUS, lab), folder)
        for path, text in content.items():
            os.makedirs(os.path.dirname(os.path.join(folder, path)), exist_ok=True)
            write(text, os.path.join(folder, path))
        before = diagnosis(folder)
        checks = {f["check"] for s in before["services"] for f in s["causes"] + s["explained"]} | {f["check"] for f in before["cluster"]}
        expect("kube-proxy-apiserver-unreachable" in checks, f"too little is found: {checks}")
        with Redacted(folder) as r:
            expect_equal(ids(diagnosis(r.folder)), ids(before, mapping(folder, r.folder)), "the findings")
            expect_equal(sorted({os.path.basename(p) for p in content if p.startswith("nodes/")} - {os.path.basename(p) for p, _ in files(r.folder)}), [], "files that are missing")
            return ", ".join(sorted(c for c in checks))


def same_kernel():
    """Faults of a node's kernel that hang on a word of a file: each is found again."""
    rows = [row for row in ROWS if row[0] in ("ARP", "ARP of kube-vip", "MTU over IPv6", "another port", "another network", "flannel's hardware address", "affinity full")]
    expect_equal(len(rows), 7, "the rows of test_kernel_faults.py")
    for name, lab, make, want, *_ in rows:
        with World(lab) as b:
            make(b)
            before = diagnosis(b.path)
            expect(any(want == f["check"] for f in before["cluster"]), f"{name}: {want} is not found")
            with Redacted(b.path) as r:
                expect_equal(ids(diagnosis(r.folder)), ids(before, mapping(b.path, r.folder)), name)


def other_key():
    folder = os.path.join(CORPUS, LABS[0])
    with Redacted(folder) as a, Redacted(folder) as b:
        one, two = mapping(folder, a.folder), mapping(folder, b.folder)
        same = [n for n in one if one[n] == two[n] and n not in KEPT and len(n) > 4 and not re.match(r"[\d.:/]+$", n)]
        expect(len(same) < 5, f"two runs gave the same: {same}")
        expect_equal([(f["check"], f["severity"]) for f in diagnosis(a.folder)["cluster"]].sort(), [(f["check"], f["severity"]) for f in diagnosis(b.folder)["cluster"]].sort(),
                     "findings")


def from_the_cluster():
    lab = os.path.join(CORPUS, LABS[0])
    with tempfile.TemporaryDirectory() as top, ApiServer(lab, logs="bundle") as s:
        target = os.path.join(top, "lab")
        r = run("collect", "--redact", "-w", target, "--kubeconfig", s.kubeconfig(), codes=(0,))
        expect_equal(os.listdir(top), ["lab"], "what is left in the folder")
        expect(s.url.split("//")[1] not in "".join(t for _, t in files(target)), "the server can be seen")
        shows_nothing(lab, target, ("run",))
        plain = run("diagnose", "-A", "--axes", "endpoints", "--kubeconfig", s.kubeconfig(), "-o", "json").json
        expect_equal(collections.Counter(f["check"] for x in plain["services"] for f in x["causes"]),
                     collections.Counter(f["check"] for x in run("diagnose", "-A", "--axes", "endpoints", "--bundle", target, "-o", "json").json["services"]
                                         for f in x["causes"]), "the causes")
        expect("objects of Kubernetes" in r.err, r.err)


def invented():
    """What people put into every field that lets them, and what no reader knows."""
    secret = "zwiebelfisch"
    pod = {"metadata": {"name": "web-0", "namespace": "shop", "labels": {"team": secret, f"{secret}.example.com/a": "b", f"node-role.kubernetes.io/{secret}": ""},
                        "annotations": {"note": secret, "kubernetes.io/ingress.class": secret}, "finalizers": [f"{secret}/x"], secret: 1,
                        "managedFields": [{"manager": secret, "operation": "Update", "time": "2026-01-01T00:00:00Z", "fieldsV1": {f"f:{secret}": {}}}]},
           "spec": {"containers": [{"name": "c", "image": f"{secret}.example.com/kube-proxy:{secret}", "command": [secret], "args": [secret],
                                    "env": [{"name": secret.upper(), "value": secret}],
                                    "readinessProbe": {"exec": {"command": [secret]}, "httpGet": {"path": f"/{secret}", "port": 80, "httpHeaders": [{"name": secret}]}}}],
                    "readinessGates": [{"conditionType": f"{secret}.io/ready"}], "nodeName": "n1", secret: {"deep": secret}},
           "status": {"phase": "Running", "message": f"cannot reach {secret} at https://{secret}/a?b={secret}", "reason": secret.title(),
                      "conditions": [{"type": "Ready", "status": "False", "reason": f"{secret.title()}Failed", "message": f"Get {secret}: {secret}-x.{secret}.com"}],
                      "containerStatuses": [{"name": "c", "state": {"waiting": {"reason": "CrashLoopBackOff", "message": secret}}}]}}
    secrets = {"kind": "SecretList", "apiVersion": "v1", "items": [{"metadata": {"name": "s", "namespace": "shop"}, "data": {"k": secret}}]}
    maps = {"kind": "ConfigMapList", "apiVersion": "v1", "items": [
        {"metadata": {"name": n, "namespace": "kube-system"}, "data": {"config.conf": f"mode: {secret}\nclusterCIDR: 10.1.0.0/16\nclientConnection:\n  kubeconfig: {secret}\n"
                                                                       f"featureGates:\n  Some: true\n  {secret}: {secret}\n# {secret}\n", secret: secret, "Corefile": secret}}
        for n in ("kube-proxy", "coredns")]}
    with tempfile.TemporaryDirectory() as top:
        folder = os.path.join(top, "in")
        content = {
            "cluster/pods.json": json.dumps({"kind": "PodList", "apiVersion": "v1", "items": [pod]}), "cluster/secrets.json": json.dumps(secrets),
            "cluster/configmaps.json": json.dumps(maps), f"cluster/{secret}.json": json.dumps({"kind": "PodList", "apiVersion": "v1", "items": [pod]}),
            "cluster/nodes.json": json.dumps({"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "Forbidden", "code": 403, "message": f"User \"{secret}\""}),
            f"nodes/{secret}/resolv.conf": f"# {secret}\nsearch {secret}.example.com {secret}\nnameserver 10.9.8.7\nnameserver {secret}\noptions {secret}:1 ndots:5\nsortlist {secret}\n",
            f"nodes/{secret}/conntrack-stats.txt": f"cpu=0 found={secret} insert_failed=1 {secret}=2\n{secret}\n",
            f"cluster/pods/shop/{secret}/dns.txt": f"{secret}@host:~$ dig @{secret} -k {secret} +{secret} {secret} # {secret}\n; <<>> DiG 9.18.1-{secret} <<>> {secret} +{secret}\n"
            f"; {secret}\n;; {secret}\n;; ->>HEADER<<- opcode: {secret}, status: {secret}, id: 1\n;; Got bad packet: {secret}\n;{secret}. IN {secret}\n{secret}. 30 IN TXT "
            f"\"{secret}\"\n{secret}. 30 {secret} A {secret}\n** server can't find {secret}: {secret}\nServer: {secret}\nName: {secret}\n{secret}\ttext = \"{secret}\"\n"
            f";; svcdoctor: why=\"{secret}\" {secret}=1\n{secret} {secret}\n{secret}\n$ cat {secret}\nnslookup: can't resolve '{secret}': {secret}\n10.1.2.3 {secret}\n",
            "cluster/logs/kube-system/p/c.log": secret, "bundle.json": json.dumps({"schema": "svcdoctor.bundle/1", "origin": {"server": secret}, secret: 1}),
            f"nodes/{secret}/iptables-save.txt": f"# {secret}\n*nat\n:PREROUTING ACCEPT [0:0]\n:{secret} - [0:0]\n:cali-{secret} - [0:0]\n-A PREROUTING -i {secret} -m comment "
            f"--comment \"{secret} {secret}/{secret}:{secret} cluster IP\" -m {secret} --{secret} {secret} -m string --string {secret} -j {secret}\n"
            f"-A PREROUTING -j LOG --log-prefix \"{secret}: \"\nCOMMIT\n",
            f"nodes/{secret}/ipset-save.txt": f"create {secret} hash:ip comment\nadd {secret} 10.1.2.3 comment \"{secret}\"\n",
            f"nodes/{secret}/nft-ruleset.json": json.dumps({"nftables": [{"table": {"family": "ip", "name": secret, "comment": secret}}, {"chain": {
                "family": "ip", "table": secret, "name": f"service-ABCDEFGH-{secret}/{secret}/tcp/{secret}", secret: secret}}, {"rule": {
                    "family": "ip", "table": secret, "chain": secret, "comment": secret, "expr": [{"log": {"prefix": secret}}, {"match": {
                        "op": "==", "left": {"meta": {"key": "iifname"}}, "right": secret}}]}}]}),
            f"nodes/{secret}/sysctl.txt": f"kernel.hostname = {secret}\nnet.ipv4.conf.{secret}.rp_filter = 1\nnet.ipv4.ip_forward = {secret}\n",
            f"nodes/{secret}/uname.txt": f"Linux {secret} 6.1.0-{secret} #1 SMP {secret} x86_64 GNU/Linux\n",
            f"nodes/{secret}/ss.txt": f"tcp LISTEN 0 128 10.9.8.7%{secret}:80 0.0.0.0:* users:((\"{secret}\",pid=7,fd=3))\n",
            f"nodes/{secret}/kube-proxy.log": f"I1121 07:29:59.818959 1 flags.go:64] FLAG: --hostname-override=\"{secret}\"\nI1121 07:29:59.8 1 x.go:1] \"{secret}\"\n",
            f"nodes/{secret}/kube-proxy.previous.log": f"E1121 07:29:59.818959 1 x.go:1] \"Sync failed\" err=\"{secret}\"\nE1121 07:29:59.8 1 x.go:1] {secret}\n{secret}\n\t{secret}\n",
            f"cluster/logs/kube-system/kube-proxy-{secret}/kube-proxy.log": f"{{\"ts\":1,\"msg\":\"{secret}\",\"{secret}\":1}}\n",
            f"nodes/{secret}/dmesg.txt": f"[1.0] IPv4: martian source 10.9.8.7 from 10.1.2.3, on dev {secret}\n[1.0] {secret}\n",
            f"nodes/{secret}/lsmod.txt": f"{secret} 1 1\n", f"nodes/{secret}/nstat.txt": f"{secret} 1 0.0\n", f"nodes/{secret}/lnstat.txt": f"==> {secret} <==\n{secret} 1\n",
            f"nodes/{secret}/locks.txt": f"1 1 /run/{secret}\n12 {secret}\n{secret}\n", f"nodes/{secret}/ethtool.txt": f"Features for {secret[:10]}:\n{secret}: {secret}\n",
            f"nodes/{secret}/ipvsadm-timeout.txt": f"Timeout {secret}\n", f"nodes/{secret}/versions.txt": f"nftables v1.0.6 ({secret})\niptables {secret}\n{secret}\n",
            f"nodes/{secret}/ps.txt": f"1 1 /{secret}/kube-proxy --{secret}={secret} --hostname-override={secret} {secret}\n1 1 {secret}\n",
            f"nodes/{secret}/kube-proxy-http.txt": f"{secret} 200\nhealthz unreachable ({secret})\n", f"nodes/{secret}/kube-proxy-livez.json": json.dumps({"healthy": secret, secret: 1}),
            f"nodes/{secret}/conntrack.txt": f"ipv4 2 udp 17 29 src=10.9.8.7 dst=10.1.2.3 sport=1 dport=2 {secret} secctx={secret} mark={secret} src=10.1.2.3 dst=10.9.8.7 sport=2 dport=1\n{secret}\n",
            f"nodes/{secret}/ip-link.json": json.dumps([{"ifname": secret[:12], "address": "52:54:00:12:34:56", "altnames": [secret], secret: secret}]),
            f"nodes/{secret}/ip-addr.json": json.dumps([{"ifname": secret[:12], "addr_info": [{"family": "inet6", "local": "2001:db8::5054:ff:fe12:3456", "prefixlen": 64}]}]),
            f"nodes/{secret}/kube-proxy-configz.json": json.dumps({"kubeproxy.config.k8s.io": {"mode": secret, "clientConnection": {"kubeconfig": secret}, "hostnameOverride": secret}}),
            f"nodes/{secret}/kube-proxy-metrics.txt": f"kubeproxy_sync_proxy_rules_x{{node=\"{secret}\"}} 1\nother_{secret} 2\n# {secret}\n",
            f"nodes/{secret}/kubelet-config.json": json.dumps({"kubeletconfig": {"clusterDomain": f"{secret}.local", "staticPodPath": secret, "resolvConf": f"/{secret}"}}),
        }
        for path, text in content.items():
            os.makedirs(os.path.dirname(os.path.join(folder, path)), exist_ok=True)
            write(text, os.path.join(folder, path))
        with Redacted(folder) as r:
            seen = [path for path, text in files(r.folder) if secret[:12] in (path + text).lower() or re.search(r"10\.9\.8\.7|10\.1\.2\.3|54:00:12|fe12:3456", text)]
            expect_equal(seen, [], "where it can still be seen")
            expect(len(list(files(r.folder))) >= 14, "files are missing")
            run("diagnose", "-A", "--bundle", r.folder, codes=(0, 1, 2))
            maps = json.loads(read(os.path.join(r.folder, "cluster", "configmaps.json")))["items"]
            expect("clusterCIDR: 10." in maps[0]["data"]["config.conf"] and "Some: true" in maps[0]["data"]["config.conf"], short(maps))


if __name__ == "__main__":
    t = Tests()
    for lab_ in LABS:
        t.run(f"same-diagnosis/{lab_}", same_diagnosis, lab_)
        t.run(f"same-faults/{lab_}", same_faults, lab_)
    t.run("other-key", other_key)
    t.run("from-the-cluster", from_the_cluster)
    t.run("same-names", same_names, LABS[0])
    t.run("same-proxy", same_proxy, LABS[0])
    t.run("same-kernel", same_kernel)
    t.run("invented", invented)
    t.finish()
