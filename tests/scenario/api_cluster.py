# SPDX-License-Identifier: GPL-2.0-or-later
"""What api_server.py serves: a cluster's objects, out of the lists of a bundle, answered as a real API server answers.

Texts, statuses and fields follow what v1.36.2 answered (curl against it), its Status bodies and the order of keys included. Objects are kept as
they were read; what a page says is encoded once and then kept.
"""
import base64
import bisect
import functools
import glob
import json
import os
import re
import urllib.parse

# group/version -> (plural, kind, namespaced, field labels beside metadata.name and metadata.namespace)
KINDS = {
    "v1": [("bindings", "Binding", True, ()), ("componentstatuses", "ComponentStatus", False, ()), ("configmaps", "ConfigMap", True, ()),
           ("endpoints", "Endpoints", True, ()),
           ("events", "Event", True, ("involvedObject.kind", "involvedObject.namespace", "involvedObject.name", "involvedObject.uid",
                                      "involvedObject.apiVersion", "involvedObject.resourceVersion", "involvedObject.fieldPath", "reason",
                                      "reportingComponent", "source", "type")),
           ("limitranges", "LimitRange", True, ()), ("namespaces", "Namespace", False, ("status.phase",)), ("nodes", "Node", False, ("spec.unschedulable",)),
           ("persistentvolumeclaims", "PersistentVolumeClaim", True, ()), ("persistentvolumes", "PersistentVolume", False, ()),
           ("pods", "Pod", True, ("spec.nodeName", "spec.restartPolicy", "spec.schedulerName", "spec.serviceAccountName", "spec.hostNetwork", "status.phase",
                                  "status.podIP", "status.podIPs", "status.nominatedNodeName")),
           ("podtemplates", "PodTemplate", True, ()), ("replicationcontrollers", "ReplicationController", True, ("status.replicas",)),
           ("resourcequotas", "ResourceQuota", True, ()), ("secrets", "Secret", True, ("type",)), ("serviceaccounts", "ServiceAccount", True, ()),
           ("services", "Service", True, ("spec.clusterIP", "spec.type"))],
    "apps/v1": [("controllerrevisions", "ControllerRevision", True, ()), ("daemonsets", "DaemonSet", True, ()), ("deployments", "Deployment", True, ()),
                ("replicasets", "ReplicaSet", True, ("status.replicas",)), ("statefulsets", "StatefulSet", True, ())],
    "batch/v1": [("cronjobs", "CronJob", True, ()), ("jobs", "Job", True, ("status.successful",))],
    "discovery.k8s.io/v1": [("endpointslices", "EndpointSlice", True, ())],
    "events.k8s.io/v1": [("events", "Event", True, ("reason", "type"))],
    "networking.k8s.io/v1": [("ingressclasses", "IngressClass", False, ()), ("ingresses", "Ingress", True, ()), ("ipaddresses", "IPAddress", False, ()),
                             ("networkpolicies", "NetworkPolicy", True, ()), ("servicecidrs", "ServiceCIDR", False, ())],
    "policy/v1": [("poddisruptionbudgets", "PodDisruptionBudget", True, ())],
    "apiextensions.k8s.io/v1": [("customresourcedefinitions", "CustomResourceDefinition", False, ())],
    "apiregistration.k8s.io/v1": [("apiservices", "APIService", False, ())],
    "admissionregistration.k8s.io/v1": [("validatingwebhookconfigurations", "ValidatingWebhookConfiguration", False, ()),
                                        ("mutatingwebhookconfigurations", "MutatingWebhookConfiguration", False, ())],
}
# Kinds of which the real server refuses a field label in these words; all others say it in the words of the default.
OLD_WORDS = {"pods", "services", "events", "namespaces", "nodes", "replicationcontrollers", "secrets", "replicasets", "jobs"}
SHORT = {"configmaps": "cm", "endpoints": "ep", "namespaces": "ns", "nodes": "no", "pods": "po", "services": "svc", "deployments": "deploy",
         "replicasets": "rs", "statefulsets": "sts", "daemonsets": "ds", "ingresses": "ing", "networkpolicies": "netpol", "events": "ev"}
PAGE_KEPT = 256 << 10  # larger ones are joined anew
EXPIRED = ("The provided continue parameter is too old to display a consistent list result. You can start a new list without the continue parameter, "
           "or use the continue token in this response to retrieve the remainder of the results. Continuing with the provided token results in an "
           "inconsistent list - objects that were created, modified, or deleted between the time the first chunk was returned and now may show up in the list.")


class Answer(Exception):
    """Status, body and headers; raised where an answer ends the work. @body: bytes, or plain data to be encoded as JSON."""

    def __init__(self, status, body, content_type="application/json", headers=()):
        super().__init__(status)
        self.status, self.body, self.content_type, self.headers = status, body, content_type, list(headers)

    def encoded(self, pretty=False):
        return self.body if isinstance(self.body, bytes) else encode(self.body, pretty)


def encode(value, pretty=False):
    """JSON as Go writes it: <, > and & as escapes, other characters as they are, one line with its end unless pretty."""
    if pretty:
        text = json.dumps(value, ensure_ascii=False, indent=2)
    else:
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":")) + "\n"
    if "<" in text or ">" in text or "&" in text:
        text = text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
    return text.encode()


def failure(code, reason, message, details=None, metadata=None, headers=()):
    """A Status."""
    body = {"kind": "Status", "apiVersion": "v1", "metadata": metadata or {}, "status": "Failure", "message": message}
    if reason:
        body["reason"] = reason
    if details is not None:
        body["details"] = details
    body["code"] = code
    if code == 403:
        headers = [*headers, ("x-content-type-options", "nosniff")]
    return Answer(code, body, headers=headers)


def no_page():
    return Answer(404, b"404 page not found\n", "text/plain; charset=utf-8", [("x-content-type-options", "nosniff")])


def no_resource():
    return failure(404, "NotFound", "the server could not find the requested resource", {})


# ---- selectors ----

NAME = r"[A-Za-z0-9]([A-Za-z0-9._/-]*[A-Za-z0-9])?"
REQUIREMENT = re.compile(rf"\s*(?:(?P<no>!)\s*(?P<absent>{NAME})|(?P<key>{NAME})\s*(?:(?P<op>==|=|!=|>|<)\s*(?P<value>[A-Za-z0-9._-]*)"
                         r"|(?P<set>in|notin)\s*\((?P<values>[^()]*)\))?)\s*(?:,|$)")


@functools.lru_cache(maxsize=1000)
def label_selector(text):
    """The grammar of labelSelector as a list of (key, operator, values)."""
    found, at = [], 0
    while at < len(text):
        m = REQUIREMENT.match(text, at)
        if not m or (m["values"] is None and m["set"]):
            raise failure(400, "BadRequest", f"unable to parse requirement: found '{text[at:]}', expected: in, notin, =, ==, !=, gt, lt")
        if m["no"]:
            found.append((m["absent"], "absent", ()))
        elif m["set"]:
            found.append((m["key"], m["set"], frozenset(v.strip() for v in m["values"].split(","))))
        elif m["op"]:
            found.append((m["key"], {"==": "="}.get(m["op"], m["op"]), m["value"]))
        else:
            found.append((m["key"], "exists", ()))
        at = m.end()
    return found


def number(text):
    return int(text) if re.fullmatch(r"-?\d+", text) else None


def labels_match(labels, selector):
    for key, op, want in selector:
        have = labels.get(key)
        if op == "=":
            good = have == want
        elif op == "!=":
            good = have != want
        elif op == "in":
            good = have in want
        elif op == "notin":
            good = have is None or have not in want
        elif op in "<>":
            a, b = number(have or ""), number(want)
            good = a is not None and b is not None and (a > b if op == ">" else a < b)
        else:
            good = (have is None) == (op == "absent")
        if not good:
            return False
    return True


def field_of(item, label, default_namespace=""):
    """The value of a field label, as text; the defaults are those that the server fills in."""
    meta, spec, status = item.get("metadata", {}), item.get("spec", {}), item.get("status", {})
    if label == "source":
        return item.get("source", {}).get("component", "") or item.get("reportingComponent", "")
    if label == "spec.hostNetwork":
        return "true" if spec.get("hostNetwork") else "false"
    if label == "spec.unschedulable":
        return "true" if spec.get("unschedulable") else "false"
    if label == "status.podIPs":
        return ",".join(a.get("ip", "") for a in status.get("podIPs", []))
    value = item
    for part in label.split("."):
        value = value.get(part, "") if isinstance(value, dict) else ""
    if label == "metadata.namespace":
        value = meta.get("namespace", default_namespace)
    return str(value)


def field_selector(text, kind):
    """[(label, wanted, equal)]; a label that the kind does not have is refused as the real server does."""
    found = []
    for term in filter(None, text.split(",")):
        m = re.fullmatch(r"([^=!]+)(!=|==|=)(.*)", term)
        if not m:
            raise failure(400, "BadRequest", f"invalid field selector: can't understand '{term}'")
        label = m[1]
        known = ("metadata.name", *(("metadata.namespace",) if kind.namespaced else ()), *kind.fields)
        if label not in known:
            if kind.resource in OLD_WORDS:
                raise failure(400, "BadRequest", f"field label not supported: {label}")
            raise failure(400, "BadRequest", f'"{label}" is not a known field selector: only "metadata.name", "metadata.namespace"')
        found.append((label, m[3], m[2] != "!="))
    return found


# ---- objects ----

class Kind:
    def __init__(self, group_version, resource, kind, namespaced, fields=(), custom=False):
        self.group_version, self.resource, self.kind, self.namespaced, self.fields, self.custom = group_version, resource, kind, namespaced, fields, custom
        self.group, _, self.version = group_version.rpartition("/")

    @property
    def qualified(self):
        return f"{self.resource}.{self.group}" if self.group else self.resource

    @property
    def details(self):
        return {"group": self.group, "kind": self.resource} if self.group else {"kind": self.resource}


def plural(kind):
    low = kind.lower()
    return low[:-1] + "ies" if low.endswith("y") and low[-2] not in "aeiou" else low + ("es" if low.endswith(("s", "ss", "x", "ch")) else "s")


class Objects:
    """All objects of one kind at one moment, in the order of their keys."""

    def __init__(self, items):
        self.items = sorted(items, key=key_of)
        self.keys = [key_of(i) for i in self.items]
        self.encoded = None

    def texts(self):
        if self.encoded is None:
            self.encoded = [encode(i)[:-1] for i in self.items]
        return self.encoded

    def span(self, namespace):
        if namespace is None:
            return 0, len(self.items)
        return bisect.bisect_left(self.keys, namespace + "/"), bisect.bisect_left(self.keys, namespace + "0")  # "0" follows "/"

    def find(self, namespace, name):
        key = f"{namespace or ''}/{name}"
        i = bisect.bisect_left(self.keys, key)
        return i if i < len(self.keys) and self.keys[i] == key else None


def key_of(item):
    meta = item["metadata"]
    return f"{meta.get('namespace', '')}/{meta['name']}"


class Cluster:
    """The objects of a bundle. @bundle: a bundle's folder, its folder cluster/, or {"services": [objects], ...} by plural name."""

    def __init__(self, bundle, version=None, without=(), crds=()):
        self.kinds = {(row[0], row[1]): Kind(*row, custom=True) for row in crds}
        for gv, rows in KINDS.items():
            for row in rows:
                self.kinds[gv, row[0]] = Kind(gv, *row)
        self.without = set(without)
        self.folder = None
        self.version = version
        found = {}
        self.revision = 1000
        if isinstance(bundle, dict):
            for resource, items in bundle.items():
                for item in items:
                    self.add(found, item, resource)
        elif bundle:
            self.folder = bundle
            self.load(found, os.path.join(bundle, "cluster") if os.path.isdir(os.path.join(bundle, "cluster")) else bundle)
        for key in list(self.kinds):
            if key[1] in self.without or key[1] + "." + key[0].rpartition("/")[0] in self.without or key[0].rpartition("/")[0] in self.without - {""}:
                del self.kinds[key]
        self.now = {k: Objects(found.get(k, [])) for k in self.kinds}
        self.past = {}
        self.pages = {}

    def load(self, found, folder):
        for path in sorted(glob.glob(os.path.join(folder, "*.json"))):
            with open(path, encoding="utf-8") as f:
                document = json.load(f)
            if os.path.basename(path) == "version.json":
                self.version = self.version or document
                continue
            if not isinstance(document, dict):
                continue
            self.revision = max(self.revision, number(str(document.get("metadata", {}).get("resourceVersion", ""))) or 0)
            kind = document.get("kind", "")
            items = document["items"] if "items" in document else [document] if document.get("metadata", {}).get("name") else []
            for item in items:
                if "kind" not in item and kind.endswith("List"):
                    item = {"kind": kind[:-4], "apiVersion": document.get("apiVersion", "v1"), **item}
                self.add(found, item, None)

    def add(self, found, item, resource):
        item = dict(item)
        kind = self.kind_of(item, resource)
        if not kind.custom:
            item.pop("kind", None)
            item.pop("apiVersion", None)
        found.setdefault((kind.group_version, kind.resource), []).append(item)

    def kind_of(self, item, resource):
        gv, name = item.get("apiVersion"), item.get("kind")
        for kind in self.kinds.values():
            if (kind.kind == name and kind.group_version == gv) if name else kind.resource == resource:
                return kind
        made = Kind(gv, resource or plural(name), name, "namespace" in item["metadata"], custom=True)
        self.kinds[gv, made.resource] = made
        return made

    # ---- changes, for tests ----

    def key(self, resource):
        """The key of a kind by its plural name, the first that has it."""
        return next(k for k in self.kinds if k[1] == resource)

    def objects(self, resource):
        return self.now[self.key(resource)].items

    def find(self, resource, namespace, name):
        kind = self.now[self.key(resource)]
        i = kind.find(namespace, name)
        return None if i is None else kind.items[i]

    def replace(self, resource, items):
        """All objects of a kind anew. A list that is under way goes on with the old ones."""
        key = self.key(resource)
        self.past[self.revision] = dict(self.now)
        self.revision += 1
        self.now = {**self.now, key: Objects(items)}

    def delete(self, resource, namespace, name):
        self.replace(resource, [i for i in self.objects(resource) if key_of(i) != f"{namespace or ''}/{name}"])

    def put(self, resource, item):
        self.replace(resource, [i for i in self.objects(resource) if key_of(i) != key_of(item)] + [item])

    def compact(self):
        """Forgets the past: continue tokens of it are answered with 410."""
        self.past = {}
        self.pages = {}

    # ---- answers ----

    def list(self, kind, namespace, params, metadata_only=False):
        """Encoded page (compact) of a list; raises Answer on failure."""
        revision, start, limit = self.revision, None, number(params.get("limit", "")) or 0
        if params.get("continue"):
            revision, start = read_token(params["continue"])
        cache = (kind.group_version, kind.resource, namespace, revision, start, limit, params.get("labelSelector"), params.get("fieldSelector"), metadata_only)
        if cache in self.pages:
            return self.pages[cache]
        objects = self.now if revision == self.revision else self.past.get(revision)
        if objects is None:
            raise self.expired(start)
        page = self.page(kind, objects[kind.group_version, kind.resource], namespace, params, revision, start, limit, metadata_only)
        if len(page) < PAGE_KEPT and len(self.pages) < 2000:
            self.pages[cache] = page
        return page

    def expired(self, start):
        again = base64.urlsafe_b64encode(encode({"v": "meta.k8s.io/v1", "rv": -1, "start": start})[:-1]).decode().rstrip("=")
        return failure(410, "Expired", EXPIRED, metadata={"continue": again})

    @staticmethod
    def page(kind, objects, namespace, params, revision, start, limit, metadata_only):
        labels = label_selector(params.get("labelSelector", ""))
        fields = field_selector(params.get("fieldSelector", ""), kind)
        first, last = objects.span(namespace)
        chosen = range(first, last)
        if start is not None:
            chosen = range(max(first, bisect.bisect_left(objects.keys, start)), last)
        if labels or fields:
            chosen = [i for i in chosen if labels_match(objects.items[i]["metadata"].get("labels", {}), labels)
                      and all((field_of(objects.items[i], f) == want) == equal for f, want, equal in fields)]
        meta = {"resourceVersion": str(revision)}
        if limit and len(chosen) > limit:
            meta["continue"] = token(revision, objects.keys[chosen[limit - 1]] + "\0")
            if not labels and not fields:
                meta["remainingItemCount"] = len(chosen) - limit
            chosen = chosen[:limit]
        name, gv = kind.kind + "List", kind.group_version
        if metadata_only:
            name, gv = "PartialObjectMetadataList", "meta.k8s.io/v1"
            texts = [encode({"kind": "PartialObjectMetadata", "apiVersion": gv, "metadata": objects.items[i]["metadata"]})[:-1] for i in chosen]
        else:
            all_texts = objects.texts()
            texts = [all_texts[i] for i in chosen]
        head = encode({"kind": name, "apiVersion": gv, "metadata": meta})[:-2]
        return head + b',"items":[' + b",".join(texts) + b"]}\n"

    def get(self, kind, namespace, name, metadata_only=False):
        objects = self.now[kind.group_version, kind.resource]
        i = objects.find(namespace, name)
        if i is None:
            raise failure(404, "NotFound", f'{kind.qualified} "{name}" not found', {"name": name, **kind.details})
        if metadata_only:
            return encode({"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": objects.items[i]["metadata"]})
        if kind.custom:
            return objects.texts()[i] + b"\n"
        return encode({"kind": kind.kind, "apiVersion": kind.group_version})[:-2] + b"," + objects.texts()[i][1:] + b"\n"

    def group_versions(self):
        return sorted({k[0] for k in self.kinds if "/" in k[0]})

    def discovery(self, path):
        """The answer to /api, /apis and the lists of resources below them; None when the path is none of these."""
        if path == "/api":
            return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []}
        groups = {}
        for gv in self.group_versions():
            group, version = gv.split("/")
            groups.setdefault(group, []).append({"groupVersion": gv, "version": version})
        listed = {g: {"name": g, "versions": v, "preferredVersion": v[0]} for g, v in groups.items()}
        if path == "/apis":
            return {"kind": "APIGroupList", "apiVersion": "v1", "groups": list(listed.values())}
        gv = "v1" if path == "/api/v1" else path[len("/apis/"):]
        if gv in listed:
            return {"kind": "APIGroup", "apiVersion": "v1", **listed[gv]}
        if gv not in self.group_versions() and gv != "v1":
            return None
        rows = [{"name": k.resource, "singularName": k.kind.lower(), "namespaced": k.namespaced, "kind": k.kind, "verbs": ["get", "list", "watch"],
                 **({"shortNames": [SHORT[k.resource]]} if k.resource in SHORT else {})} for k in self.kinds.values() if k.group_version == gv]
        return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": gv, "resources": rows}


def token(revision, start):
    return base64.urlsafe_b64encode(encode({"v": "meta.k8s.io/v1", "rv": revision, "start": start})[:-1]).decode().rstrip("=")


def read_token(text):
    try:
        document = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        return int(document["rv"]), document["start"]
    except (ValueError, KeyError, TypeError):
        raise failure(400, "BadRequest", "invalid continue token: continue key is not valid: invalid character '\\u0081' looking for beginning of value") from None


# ---- logs and what the API server passes on ----

class Backends:
    """Kubelets and pods behind the API server, out of a bundle's files. @logs: what a log without file is: "empty", or "unreachable"."""

    def __init__(self, cluster, folder, logs="empty"):
        self.cluster, self.logs = cluster, logs
        self.folder = folder if folder and os.path.isdir(os.path.join(folder, "cluster")) else os.path.dirname(folder) if folder else None
        self.files = {}

    def file(self, *parts):
        """Bytes of a bundle's file, None when it is not there. Names come from requests: they must not lead elsewhere."""
        if not self.folder or any(p in ("", ".", "..") or "/" in p for p in parts):
            return None
        path = os.path.join(self.folder, *parts)
        if path not in self.files:
            try:
                with open(path, "rb") as f:
                    self.files[path] = f.read()
            except OSError:
                self.files[path] = None
        return self.files[path]

    def pod(self, namespace, name):
        pod = self.cluster.find("pods", namespace, name)
        if pod is None:
            raise failure(404, "NotFound", f'pods "{name}" not found', {"name": name, "kind": "pods"})
        return pod

    def log(self, namespace, name, params):
        pod = self.pod(namespace, name)
        names = [c["name"] for c in pod["spec"].get("containers", [])] + [c["name"] for c in pod["spec"].get("initContainers", [])]
        container = params.get("container")
        if not container:
            if len(names) != 1:
                raise failure(400, "BadRequest", f"a container name must be specified for pod {name}, choose one of: [{' '.join(names)}]")
            container = names[0]
        if container not in names:
            raise failure(400, "BadRequest", f"container {container} is not valid for pod {name}")
        previous = params.get("previous") in ("true", "1")
        text = self.file("cluster", "logs", namespace, name, container + (".previous.log" if previous else ".log"))
        node = pod["spec"].get("nodeName", "")
        if text is None and pod["metadata"].get("labels", {}).get("k8s-app") == "kube-proxy":
            text = self.file("nodes", node, "kube-proxy.previous.log" if previous else "kube-proxy.log")
        if text is None:
            text = self.no_log(pod, node, container, previous)
        return bounded(text, params)

    def no_log(self, pod, node, container, previous):
        name, namespace = pod["metadata"]["name"], pod["metadata"]["namespace"]
        if self.logs == "unreachable":
            raise failure(500, None, f'Get "https://{node}:10250/containerLogs/{namespace}/{name}/{container}": dial tcp: lookup {node} on 10.255.255.53:53: '
                                     "read udp 172.30.99.1:43700->10.255.255.53:53: i/o timeout")
        if previous:
            raise failure(400, "BadRequest", f'previous terminated container "{container}" in pod "{name}" not found')
        for c in pod.get("status", {}).get("containerStatuses", []):
            reason = c.get("state", {}).get("waiting", {}).get("reason")
            if c["name"] == container and reason in ("ContainerCreating", "PodInitializing"):
                raise failure(400, "BadRequest", f'container "{container}" in pod "{name}" is waiting to start: {reason}')
        return b""

    def proxy(self, kind, namespace, target, path):
        """/proxy/PATH below a pod ("name", "name:port", "https:name:port") or a node."""
        parts = target.split(":")
        name = parts[1] if len(parts) == 3 else parts[0]
        port = parts[-1] if len(parts) > 1 else None
        if kind == "nodes":
            if self.cluster.find("nodes", None, name) is None:
                raise failure(404, "NotFound", f'nodes "{name}" not found', {"name": name, "kind": "nodes"})
            node, address = name, name
        else:
            pod = self.pod(namespace, name)
            node, address = pod["spec"].get("nodeName", ""), pod.get("status", {}).get("podIP", "")
        labels = {} if kind == "nodes" else pod["metadata"].get("labels", {})
        answer = None
        if kind == "nodes" and port in (None, "10250"):
            answer = self.kubelet(node, path)
        elif kind == "nodes" or labels.get("k8s-app") == "kube-proxy":
            answer = self.kube_proxy(node, port, path)
        elif labels.get("k8s-app") == "kube-dns" and (port, path) in (("8181", "ready"), ("8080", "health")):
            answer = Answer(200, b"OK", "text/plain; charset=utf-8")
        if answer is None:
            raise failure(503, "ServiceUnavailable", f"error trying to reach service: dial tcp {address}:{port or 80}: connect: connection refused")
        raise answer

    def kube_proxy(self, node, port, path):
        """Its pages, where the bundle has them; NODE/open says that the second port is open to others. None: nobody listens there."""
        name = {("10256", "healthz"): "healthz.json", ("10256", "livez"): "livez.json", ("10249", "proxyMode"): "mode.txt", ("10249", "configz"): "configz.json",
                ("10249", "metrics"): "metrics.txt"}.get((port, path))
        health = self.file("nodes", node, "kube-proxy-healthz.json")
        if not name or health is None or (port == "10249" and self.file("nodes", node, "open") is None):
            return None
        text = self.file("nodes", node, "kube-proxy-" + name)
        if text is None:
            return no_page()
        return Answer(200 if port == "10249" or json.loads(text).get("healthy", True) else 503, text, "text/plain; charset=utf-8" if port == "10249" else "application/json")

    def kubelet(self, node, path):
        if path == "configz":
            text = self.file("nodes", node, "kubelet-config.json")
            return Answer(200, text) if text is not None else None
        return Answer(200, b"ok", "text/plain; charset=utf-8") if path == "healthz" else no_page()


def bounded(text, params):
    """tailLines, then limitBytes, as the kubelet does."""
    tail, limit = number(params.get("tailLines", "")), number(params.get("limitBytes", ""))
    if tail is not None:
        lines = text.splitlines(keepends=True)
        text = b"".join(lines[len(lines) - min(tail, len(lines)):])
    return text[:limit] if limit is not None else text


def split_query(target):
    """(path, {name: first value}) of a request's target; the path is not decoded."""
    path, _, query = target.partition("?")
    return path, {k: v[0] for k, v in urllib.parse.parse_qs(query, keep_blank_values=True).items()}
