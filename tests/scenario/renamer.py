# SPDX-License-Identifier: GPL-2.0-or-later
"""Renames a recorded bundle consistently: namespaces, Services, pods, nodes, labels, port names and numbers, addresses, and the chains
of kube-proxy. What Kubernetes itself fixes (default, kube-*, the Service kubernetes, the labels with a domain) stays.

A name is changed letter by letter by one permutation, so that names that differ by one letter still do. An address keeps its prefix
relations: the two middle bytes are flipped by a mask, the last one is permuted among 2..254."""
import base64
import hashlib
import json
import os
import re
import shutil

from common import read, write

LETTERS = "abcdefghijklmnopqrstuvwxyz"
PERMUTED = "qmzxlrbjvnthwkcgsyfpdoieua"
PERMUTATION = str.maketrans(LETTERS + LETTERS.upper(), PERMUTED + PERMUTED.upper())
FIXED_NAMES = {"default", "kubernetes"}
APP_LABELS = {"app", "run"}
PORT_KEYS = {"port", "targetPort", "containerPort", "nodePort", "healthCheckNodePort", "number"}
IPV4 = re.compile(r"(?<![\d.])(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})(?:/(\d{1,2}))?(?![\d.])")


def name(text):
    if text in FIXED_NAMES or text.startswith("kube-") and text in ("kube-system", "kube-public", "kube-node-lease"):
        return text
    return text.translate(PERMUTATION)


def port(n):
    if 30000 <= n <= 32767:
        return 30000 + ((n - 30000) * 7 + 13) % 2768
    return 1024 + (n * 37 + 5) % 28000 if 0 < n < 28000 else n


def address(m):
    a, b, c, d = (int(x) for x in m.group(1, 2, 3, 4))
    length = m.group(5)
    if max(a, b, c, d) > 255 or a in (0, 127, 255) or a >= 224 or (a, b) == (169, 254):
        return m.group(0)
    b, c = b ^ 0x05, c ^ 0x2B
    if 2 <= d <= 254:
        d = 2 + ((d - 2) * 100 + 17) % 253
    value = a << 24 | b << 16 | c << 8 | d
    if length is not None and int(length) < 32:
        value &= 0xFFFFFFFF << (32 - int(length)) & 0xFFFFFFFF
    return ".".join(str(value >> s & 255) for s in (24, 16, 8, 0)) + (f"/{length}" if length is not None else "")


def addresses(text):
    return IPV4.sub(address, text)


def base32_16(text):
    return base64.b32encode(hashlib.sha256(text.encode()).digest()).decode()[:16]


class Renamer:
    """@chains: "hash" gives chains the names that kube-proxy would, "other" arbitrary ones."""

    def __init__(self, bundle, chains):
        self.bundle, self.chains = bundle, chains
        services = json.loads(read(os.path.join(bundle, "cluster", "services.json")))["items"]
        self.services = {(s["metadata"]["namespace"], s["metadata"]["name"]) for s in services}
        self.nodes = {n["metadata"]["name"] for n in json.loads(read(os.path.join(bundle, "cluster", "nodes.json")))["items"]}
        self.chain_names = self._chain_names(services)
        self.hashed = set()

    # ---- chains ----

    def _chain_names(self, services):
        """The hash of each Service port, old to new; endpoints follow when their address is met."""
        names = {}
        for s in services:
            ns, n = s["metadata"]["namespace"], s["metadata"]["name"]
            for p in s["spec"].get("ports", []):
                proto = p["protocol"].lower()
                old = f"{ns}/{n}" + (f":{p['name']}" if p.get("name") else "")
                new = f"{name(ns)}/{name(n)}" + (f":{self.port_name(p['name'])}" if p.get("name") else "")
                names[base32_16(old + proto)] = self._hash(new + proto)
                for e in self._endpoints(ns, n):
                    for ep_port in e[1]:
                        ip_port = f"{e[0]}:{ep_port}"
                        new_ip_port = f"{addresses(e[0])}:{port(ep_port)}"
                        names[base32_16(old + proto + ip_port)] = self._hash(new + proto + new_ip_port)
        return names

    def _hash(self, text):
        return base32_16(text if self.chains == "hash" else "other " + text)

    def _endpoints(self, ns, service):
        slices = json.loads(read(os.path.join(self.bundle, "cluster", "endpointslices.json")))["items"]
        for s in slices:
            if (s["metadata"]["namespace"], s["metadata"].get("labels", {}).get("kubernetes.io/service-name")) == (ns, service):
                for e in s["endpoints"] or []:
                    yield e["addresses"][0], [p["port"] for p in s["ports"] or []]

    def chain(self, m):
        new = self.chain_names.get(m.group(2))
        if new:
            self.hashed.add(m.group(2))
        return m.group(1) + (new or m.group(2))

    def chains_in(self, text):
        return re.sub(r"\b(KUBE-(?:SVC|SVL|EXT|FW|SEP|XLB)-)([A-Z2-7]{16})", self.chain, text)

    # ---- text ----

    @staticmethod
    def port_name(text):
        return text.translate(PERMUTATION)

    def service_names(self, text):
        """"ns/name" and "ns/name:port" of the cluster's Services."""
        def one(m):
            if (m.group(1), m.group(2)) not in self.services:
                return m.group(0)
            tail = m.group(3) or ""
            return f"{name(m.group(1))}/{name(m.group(2))}" + (":" + self.port_name(tail[1:]) if tail else "")
        return re.sub(r"\b([a-z][a-z0-9-]*)/([a-z][a-z0-9-]*)(:[a-z][a-z0-9-]*)?", one, text)

    def node_names(self, text):
        return re.sub(r"\b(" + "|".join(map(re.escape, sorted(self.nodes))) + r")\b", lambda m: name(m.group(1)), text)

    def xtables(self, text):
        text = re.sub(r"(--(?:dport|sport) )(\d+)", lambda m: m.group(1) + str(port(int(m.group(2)))), text)
        # The port of "-> A:P" in comments and of --to-destination.
        text = re.sub(r"((?:-> |--to-destination )\d+\.\d+\.\d+\.\d+:)(\d+)", lambda m: m.group(1) + str(port(int(m.group(2)))), text)
        return self.chains_in(self.service_names(addresses(text)))

    # ---- JSON ----

    def labels(self, d):
        out = {}
        for k, v in d.items():
            if isinstance(v, dict):  # matchLabels and the like
                out[k] = self.labels(v) if k in ("matchLabels", "labels") else v
            elif k in APP_LABELS:
                out[name(k)] = name(v)
            elif k in ("kubernetes.io/service-name", "kubernetes.io/hostname", "kubernetes.io/metadata.name"):
                out[k] = name(v)
            else:
                out[k] = v
        return out

    def named(self, o, kind):
        """The name of an object of some kind."""
        if kind in ("Service", "Endpoints", "EndpointSlice", "Pod", "Node", "Namespace", "Deployment", "ReplicaSet", "StatefulSet", "Ingress"):
            return name(o)
        if kind == "Event":
            return name(o.split(".")[0]) + "." + o.split(".", 1)[1]
        return o

    def item(self, o, kind):
        return {k: self.metadata(v, kind) if k == "metadata" else self.walk(v, k) for k, v in o.items()}

    def metadata(self, o, kind):
        out = self.walk(o, "metadata")
        out["name"] = self.named(o["name"], kind)
        for k in ("labels", "generateName", "ownerReferences"):
            if k in o:
                out[k] = {"labels": self.labels, "generateName": name,
                          "ownerReferences": lambda refs: [{**r, "name": name(r["name"])} for r in refs]}[k](o[k])
        return out

    def walk(self, o, key):
        if isinstance(o, dict):
            if key in ("selector", "labels", "matchLabels"):
                return self.labels(o)
            out = {addresses(k): self.walk(v, k) for k, v in o.items()}
            if key in ("targetRef", "service"):
                out["name"] = name(o["name"])
            elif key == "involvedObject":
                out["name"] = self.named(o["name"], o["kind"])
            elif key == "template" and "metadata" in o:
                out["metadata"] = {"labels": self.labels(o["metadata"].get("labels", {}))}
            elif key == "ports" and "name" in o:
                out["name"] = self.port_name(o["name"])
            elif o.get("type") == "Hostname":
                out["address"] = name(o["address"])
            return out
        if isinstance(o, list):
            return [self.walk(v, key) for v in o]
        if isinstance(o, str):
            return self.string(o, key)
        if isinstance(o, int) and not isinstance(o, bool) and key in PORT_KEYS:
            return port(o)
        return o

    def string(self, o, key):
        if key == "targetPort":
            return self.port_name(o)
        if key in ("namespace", "nodeName"):
            return name(o)
        return addresses(o)

    def cluster_json(self, text):
        d = json.loads(text)
        if "items" not in d:
            return text
        d["items"] = [self.item(i, d["kind"][:-4]) for i in d["items"]]
        return json.dumps(d)

    def nft_json(self, text):
        def walk(o):
            if isinstance(o, dict):
                out = {k: walk(v) for k, v in o.items()}
                if isinstance(o.get("addr"), str) and isinstance(o.get("len"), int):
                    out["addr"] = addresses(f"{o['addr']}/{o['len']}").split("/")[0]
                left = o.get("left")
                if isinstance(left, dict) and isinstance(left.get("payload"), dict) and left["payload"].get("field") in ("dport", "sport"):
                    out["right"] = port(o["right"]) if isinstance(o["right"], int) else out["right"]
                if "dnat" in o and isinstance(o["dnat"], dict) and isinstance(o["dnat"].get("port"), int):
                    out["dnat"]["port"] = port(o["dnat"]["port"])
                return out
            if isinstance(o, list):
                return [walk(v) for v in o]
            return self.xtables(o) if isinstance(o, str) else o
        return json.dumps(walk(json.loads(text))) if text.strip() else text

    # ---- files ----

    def text_of(self, path, text):
        base = os.path.basename(path)
        if path.startswith("cluster" + os.sep) and base.endswith(".json"):
            return self.cluster_json(text)
        if base == "nft-ruleset.json":
            return self.nft_json(text)
        if base.endswith("-save.txt"):
            return self.xtables(text)
        return self.node_names(self.service_names(addresses(text)))

    def path_of(self, path):
        parts = path.split(os.sep)
        if parts[0] == "nodes":
            parts[1] = name(parts[1])
        elif parts[:2] == ["cluster", "pods"]:
            parts[2:4] = [name(p) for p in parts[2:4]]
        return os.path.join(*parts)

    def write(self, target):
        shutil.rmtree(target, ignore_errors=True)
        for folder, _, files in os.walk(self.bundle):
            for f in files:
                path = os.path.relpath(os.path.join(folder, f), self.bundle)
                write(self.text_of(path, read(os.path.join(folder, f))), os.path.join(target, self.path_of(path)))
