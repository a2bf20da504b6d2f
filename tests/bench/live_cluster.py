# SPDX-License-Identifier: GPL-2.0-or-later
"""The objects of a large live cluster, for the API server of the tests (tests/scenario/api_server.py): the Services, slices and nodes of
generate.py with the pods behind them, and a namespace "shop" with one Service of each kind that a user asks for by name.

Objects have the size of real ones: managedFields, probes, images. What many have in common they share, here and not in what is served."""
import generate

IMAGES = 30  # a kubelet names up to 50
MANAGED = [{"manager": "kube-controller-manager", "operation": "Update", "apiVersion": "v1", "time": "2026-01-01T00:00:00Z", "fieldsType": "FieldsV1",
            "fieldsV1": {"f:metadata": {"f:generateName": {}, "f:labels": {".": {}, "f:app": {}, "f:pod-template-hash": {}}, "f:ownerReferences": {".": {}}},
                         "f:spec": {"f:containers": {'k:{"name":"app"}': {
                             ".": {}, "f:image": {}, "f:imagePullPolicy": {}, "f:livenessProbe": {".": {}, "f:httpGet": {".": {}, "f:path": {}, "f:port": {}}},
                             "f:name": {}, "f:ports": {".": {}, 'k:{"containerPort":8080,"protocol":"TCP"}': {".": {}, "f:containerPort": {}, "f:name": {}}},
                             "f:readinessProbe": {".": {}, "f:httpGet": {".": {}, "f:path": {}, "f:port": {}}}, "f:resources": {}}},
                             "f:dnsPolicy": {}, "f:restartPolicy": {}, "f:schedulerName": {}, "f:securityContext": {}}}},
           {"manager": "kubelet", "operation": "Update", "apiVersion": "v1", "time": "2026-01-01T00:00:00Z", "fieldsType": "FieldsV1", "subresource": "status",
            "fieldsV1": {"f:status": {"f:conditions": {'k:{"type":"Ready"}': {".": {}, "f:lastTransitionTime": {}, "f:status": {}, "f:type": {}}},
                                      "f:containerStatuses": {}, "f:hostIP": {}, "f:phase": {}, "f:podIP": {}, "f:podIPs": {}, "f:startTime": {}}}}]
PROBE = {"httpGet": {"path": "/healthz", "port": "http", "scheme": "HTTP"}, "timeoutSeconds": 1, "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3}
CONTAINER = {"name": "app", "image": "registry.example/team/app:1.17.3", "ports": [{"name": "http", "containerPort": 8080, "protocol": "TCP"}],
             "resources": {"limits": {"cpu": "500m", "memory": "256Mi"}, "requests": {"cpu": "100m", "memory": "128Mi"}},
             "volumeMounts": [{"name": "kube-api-access", "readOnly": True, "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount"}],
             "livenessProbe": PROBE, "readinessProbe": PROBE, "terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File",
             "imagePullPolicy": "IfNotPresent"}
SPEC = {"containers": [CONTAINER], "restartPolicy": "Always", "terminationGracePeriodSeconds": 30, "dnsPolicy": "ClusterFirst", "serviceAccountName": "default",
        "serviceAccount": "default", "securityContext": {}, "schedulerName": "default-scheduler", "priority": 0, "enableServiceLinks": True,
        "preemptionPolicy": "PreemptLowerPriority",
        "tolerations": [{"key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300},
                        {"key": "node.kubernetes.io/unreachable", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}]}


def conditions(ready):
    return [{"type": t, "status": "True" if ready or t in ("PodScheduled", "Initialized") else "False", "lastProbeTime": None,
             "lastTransitionTime": "2026-01-01T00:00:00Z"} for t in ("Initialized", "Ready", "ContainersReady", "PodScheduled")]


CONDITIONS = {True: conditions(True), False: conditions(False)}


def pod_object(s, k, ip, node, ready=True, managed=True):
    m = generate.meta(s, generateName=f"{s.name}-6d5f9c7b8-")
    m.update(name=f"{s.name}-6d5f9c7b8-{k}", labels={"app": s.name, "pod-template-hash": "6d5f9c7b8"},
             uid=generate.meta(s, generateName=f"{s.name}-")["uid"])  # the one that slices name
    m["ownerReferences"] = [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": f"{s.name}-6d5f9c7b8", "uid": m["uid"], "controller": True,
                             "blockOwnerDeletion": True}]
    if managed:
        m["managedFields"] = MANAGED
    return {"metadata": m, "spec": {**SPEC, "nodeName": node}, "status": {
        "phase": "Running", "conditions": CONDITIONS[ready], "hostIP": "192.168.100.1", "hostIPs": [{"ip": "192.168.100.1"}], "podIP": ip, "podIPs": [{"ip": ip}],
        "startTime": "2026-01-01T00:00:00Z", "qosClass": "Burstable", "containerStatuses": [{
            "name": "app", "state": {"running": {"startedAt": "2026-01-01T00:00:00Z"}}, "lastState": {}, "ready": ready, "restartCount": 0,
            "image": CONTAINER["image"], "imageID": "registry.example/team/app@sha256:" + "5e" * 32, "containerID": "containerd://" + "a7" * 32, "started": True}]}}


def workload_objects(s, managed=True):
    """The Deployment behind a Service and its ReplicaSet."""
    labels = {"app": s.name, "pod-template-hash": "6d5f9c7b8"}
    deployment, replicas = generate.meta(s, kind="Deployment"), generate.meta(s, kind="ReplicaSet")
    for m in (deployment, replicas):
        del m["kind"]
        if managed:
            m["managedFields"] = MANAGED
    replicas.update(name=f"{s.name}-6d5f9c7b8", labels=labels, ownerReferences=[{
        "apiVersion": "apps/v1", "kind": "Deployment", "name": s.name, "uid": deployment["uid"], "controller": True, "blockOwnerDeletion": True}])
    n = len(s.endpoints)
    return ({"metadata": deployment, "spec": {"replicas": n, "selector": {"matchLabels": {"app": s.name}}, "strategy": {"type": "RollingUpdate"},
                                              "template": {"metadata": {"labels": {"app": s.name}}, "spec": SPEC}, "revisionHistoryLimit": 10},
             "status": {"replicas": n, "readyReplicas": n, "availableReplicas": n, "updatedReplicas": n, "observedGeneration": 1}},
            {"metadata": replicas, "spec": {"replicas": n, "selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}, "spec": SPEC}},
             "status": {"replicas": n, "fullyLabeledReplicas": n, "readyReplicas": n, "availableReplicas": n, "observedGeneration": 1}})


def endpoints_object(s, slices):
    m = generate.meta(s, kind="Endpoints")
    del m["kind"]
    addresses = [{"ip": e["addresses"][0], "nodeName": e["nodeName"], "targetRef": e["targetRef"]} for e in slices["endpoints"]]
    ready = "addresses" if all(e["conditions"]["ready"] for e in slices["endpoints"]) else "notReadyAddresses"
    return {"metadata": m, "subsets": [{ready: addresses, "ports": slices["ports"]}] if addresses else []}


def node_object(i):
    node = generate.node_object(i, "v1.36.2")
    node["metadata"]["labels"].update({"kubernetes.io/hostname": node["metadata"]["name"], "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64"})
    node["metadata"].update(uid=f"00000000-0000-0000-0000-{i:012}", resourceVersion="1234567", creationTimestamp="2026-01-01T00:00:00Z")
    resources = {"cpu": "8", "ephemeral-storage": "101430960Ki", "hugepages-1Gi": "0", "hugepages-2Mi": "0", "memory": "32865216Ki", "pods": "250"}
    node["status"].update(capacity=resources, allocatable=resources, daemonEndpoints={"kubeletEndpoint": {"Port": 10250}}, images=[
        {"names": [f"registry.example/team-{n}/app@sha256:{n:064x}", f"registry.example/team-{n}/app:1.17.{n}"], "sizeBytes": 50000000 + n} for n in range(IMAGES)])
    return node


class Named(generate.Service):
    """A Service of the namespace "shop", with its own address; @pods: (address, node)."""

    def __init__(self, number, name, pods=()):
        super().__init__(number, list(pods))
        self.ns, self.name, self.ip, self.node_port = "shop", name, generate.cluster_ip(70000 + number), None


def named(lists, nodes):
    """What users ask for: web, wide, none-match, not-ready, headless, external."""
    def pods(n, host):
        return [(f"10.{k % nodes >> 8}.{k % nodes & 255}.{host}", f"n{k % nodes + 1}") for k in range(n)]  # hosts from 250 on are nobody else's
    web, wide, lost, unready = Named(1, "web", pods(5, 250)), Named(2, "wide", pods(20, 251)), Named(3, "none-match"), Named(4, "not-ready", pods(3, 252))
    headless, external = Named(5, "headless", pods(3, 253)), Named(6, "external")
    for s in (web, wide, lost, unready, headless, external):
        service, slices = generate.service_object(s), generate.slice_object(s)
        lists["services"].append(service)
        if s is external:
            service["spec"] = {"type": "ExternalName", "externalName": "db.example.com", "sessionAffinity": "None"}
            continue
        if s is headless:
            service["spec"].update(clusterIP="None", clusterIPs=["None"])
            service["spec"]["ports"][0]["port"] = 8080
        if s is unready:
            for e in slices["endpoints"]:
                e["conditions"].update(ready=False, serving=False)
        lists["endpointslices"].append(slices)
        lists["endpoints"].append(endpoints_object(s, slices))
        lists["pods"] += [pod_object(s, k, ip, node, s is not unready) for k, (ip, node) in enumerate(s.endpoints)]


def cluster(n, endpoints=generate.ENDPOINTS, managed=True):
    """{"services": [...], ...} of a cluster of @n Services with @endpoints pods each, and those of the namespace "shop"."""
    generate.ENDPOINTS = endpoints
    chosen = generate.services(n)
    nodes = max(20, (n * endpoints + generate.PODS_PER_NODE - 1) // generate.PODS_PER_NODE)
    slices = [generate.slice_object(s) for s in chosen]
    workloads = [workload_objects(s, managed) for s in chosen if s.endpoints]
    lists = {"services": [generate.service_object(s) for s in chosen], "endpointslices": slices,
             "endpoints": [endpoints_object(s, sl) for s, sl in zip(chosen, slices)],
             "deployments": [d for d, _ in workloads], "replicasets": [r for _, r in workloads],
             "pods": [pod_object(s, k, ip, node, managed=managed) for s in chosen for k, (ip, node) in enumerate(s.endpoints)],
             "nodes": [node_object(i) for i in range(nodes)],
             "namespaces": [{"metadata": {"name": ns, "labels": {"kubernetes.io/metadata.name": ns}}, "status": {"phase": "Active"}}
                            for ns in sorted({s.ns for s in chosen} | {"shop", "default", "kube-system"})],
             "servicecidrs": [{"apiVersion": "networking.k8s.io/v1", "kind": "ServiceCIDR", "metadata": {"name": "kubernetes"},
                               "spec": {"cidrs": [generate.SERVICE_CIDR]}}]}
    named(lists, nodes)
    return lists
