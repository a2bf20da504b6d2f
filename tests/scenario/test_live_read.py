# SPDX-License-Identifier: GPL-2.0-or-later
"""A cluster is read through its API server: each command and scope, what is asked for, and what a missing right does."""
import os
import re

from api_server import ApiServer, Rule, all_but
from common import CORPUS, Tests, expect, expect_equal, run

LAB = os.path.join(CORPUS, "lab-iptables-nft")
PROXIES = ("kube-proxy-0", "kube-proxy-1")
ROLE = [Rule("get,list", "services,endpoints,pods,events,endpointslices,networkpolicies,ingresses,deployments,replicasets,statefulsets,"
             "daemonsets,jobs,gateways,httproutes,grpcroutes,tlsroutes,tcproutes,udproutes,referencegrants", namespace="shop")]


def paths(server, since):
    return [r.path for r in server.requests[since:]]


def live(server, *args, user="admin", codes=None):
    return run(*args, "--kubeconfig", server.kubeconfig(user=user), codes=codes)


def scopes(server):
    r = live(server, "diagnose", "-A", codes=[1])
    expect("looked at: cluster 'lab' at https://127.0.0.1:" in r.out and "(Kubernetes v1.36.2), all namespaces   not looked at: name (" in r.out, r.out)
    expect("svcdoctor on the node" in r.out and "19 Services: 7 broken" in r.out, r.out)
    r = live(server, "diagnose", "-n", "shop", codes=[1])
    expect(", namespace shop   not looked at" in r.out and "9 Services" in r.out, r.out)
    r = live(server, "diagnose", "cart", "-n", "shop", codes=[1])
    expect("0 of 2 pods are ready" in r.out and "CrashLoopBackOff" in r.out, r.out)
    expect_equal(r.err, "", "stderr of a run in which all is well")
    expect_equal(server.crimes, [], "what must not be asked")


def other_commands(server):
    expect("cart-1" in live(server, "endpoints", "cart", "-n", "shop", codes=[1]).out, "endpoints")
    for command in ("verify", "rules"):
        r = live(server, command, "-n", "shop", codes=[1, 2])
        expect("does not show a node's rules" in r.out + r.err, f"{command}: {r.out} {r.err}")
    r = live(server, "trace", "outside", "10.96.0.1:443", codes=[2])
    expect("does not show a node's rules" in r.out + r.err, f"trace: {r.out} {r.err}")


def words(server):
    for word in ("web", "svc/web", "default/web", "web.default", "web.default.svc.cluster.local", "http://web.default.svc/x", "10.96.136.124",
                 "10.96.136.124:80", "node1:32035"):
        r = live(server, "diagnose", word, codes=[0])
        expect("default/web   NodePort" in r.out, f"{word}: {r.out} {r.err}")
    r = live(server, "diagnose", "webb", codes=[1])
    expect("there is no Service default/webb; there is default/web" in r.out, r.out + r.err)


def one_service_is_read_by_name(server):
    since = len(server.requests)
    live(server, "diagnose", "cart", "-n", "shop", codes=[1])
    asked = [r.target for r in server.requests[since:]]
    expect("/api/v1/namespaces/shop/services/cart" in asked, asked)
    expect(any("endpointslices?labelSelector=kubernetes.io%2Fservice-name%3Dcart" in t for t in asked), asked)
    expect(any("/namespaces/shop/pods?labelSelector=app%3Dcart" in t for t in asked), asked)
    expect(not any("secrets" in t for t in asked), asked)


def role_of_a_namespace(server):
    server.rules["bob"] = ROLE
    for args in (["diagnose", "-n", "shop"], ["diagnose", "cart", "-n", "shop"]):
        r = live(server, *args, user="bob", codes=[1])
        expect("cart" in r.out and r.out.count("list nodes") <= 1, r.out)
        expect_equal(r.err, "", f"{args}: stderr")
    r = live(server, "diagnose", "api", "-n", "shop", user="bob", codes=[0])
    expect("no fault found" in r.out or "warning" in r.out, r.out)
    r = live(server, "diagnose", "-n", "shop", user="bob", codes=[1])
    expect("to list nodes, which is forbidden (403; svcdoctor rbac prints the rights)" in r.out, r.out)
    since = len(server.requests)
    r = run("diagnose", "-A", "--fail-on", "never", "--kubeconfig", server.kubeconfig(user="bob", namespace="shop"), codes=[2])
    expect("only namespace 'shop' was looked at" in r.err, r.err)
    expect("/api/v1/namespaces/shop/services" in paths(server, since), paths(server, since))


def refused(server):
    server.rules["eve"] = []
    r = live(server, "diagnose", "-A", user="eve", codes=[77])
    expect("403" in r.err and r.out == "", r.err + r.out)
    server.rules["dan"] = all_but("nodes")
    r = live(server, "diagnose", "-n", "default", user="dan", codes=[0])
    expect(r.out.count("list nodes") == 1 and "not checked: " in r.out, r.out)
    d = live(server, "diagnose", "-n", "default", "-o", "json", user="dan", codes=[0]).json
    expect(any(s["code"] == "forbidden" and s["needs"] == "list nodes" for s in d["skipped"]), d["skipped"])
    server.rules["ann"] = all_but("pods")
    live(server, "diagnose", "-n", "default", user="ann", codes=[2])


def dns_logs(server):
    """The end of the log of the cluster's DNS is read where names are asked for, of each pod once, and of none behind one that may not be read."""
    def logs(*args, user="admin"):
        since = len(server.requests)
        live(server, *args, user=user)
        return [r.target for r in server.requests[since:] if "/pods/coredns" in r.target and "/log" in r.target]

    expect_equal(sorted(logs("diagnose", "-A")), [f"/api/v1/namespaces/kube-system/pods/coredns-7f89b7bc75-{i}/log?container=c&tailLines=200" for i in (0, 1)], "logs")
    expect_equal(len(logs("diagnose", "web", "-n", "default", "--axes", "name")), 2, "logs for one name")
    expect_equal(logs("diagnose", "-A", "--axes", "endpoints"), [], "logs for endpoints")
    server.rules["joe"] = all_but("pods/log")
    expect_equal(len(logs("diagnose", "-A", "--axes", "name", user="joe")), 1, "logs where none may be read")
    r = live(server, "diagnose", "-A", "--axes", "name", "-o", "json", user="joe")
    expect(len([s for s in r.json["skipped"] if s["needs"] == "get pods/log in namespace kube-system"]) <= 1, r.json["skipped"])


def proxy_logs(server):
    """Of kube-proxy's log its beginning, and where that is not all of it, its end; of one that was started again, how the one before ended."""
    def logs(*args, user="admin"):
        since = len(server.requests)
        live(server, *args, user=user)
        return sorted(re.sub(r".*/pods/kube-proxy-\w+/log\?", "", r.target) for r in server.requests[since:] if "/pods/kube-proxy-" in r.target and "/log" in r.target)

    folder = os.path.join(LAB, "nodes")
    pods = [server.cluster.find("pods", "kube-system", name) for name in PROXIES]
    head = "container=c&limitBytes=65536"
    expect_equal(logs("diagnose", "-A"), [head] * len(pods), "logs that fit")
    path = os.path.join(folder, pods[0]["spec"]["nodeName"], "kube-proxy.log")
    text = server.backends.file("nodes", pods[0]["spec"]["nodeName"], "kube-proxy.log")
    server.backends.files[path] = text + b"I0101 00:00:00.000000       1 x.go:1] nothing\n" * 2000
    items = server.cluster.now[server.cluster.key("pods")].items
    started = [{"name": "c", "ready": True, "restartCount": 2, "image": "x", "state": {"running": {}}}]
    server.cluster.replace("pods", [{**p, "status": {**p["status"], "containerStatuses": started}} if p is pods[0] else p for p in items])
    try:
        expect_equal(logs("diagnose", "-A"), sorted([head] * len(pods) + ["container=c&tailLines=1000", "container=c&previous=true&tailLines=100"]), "a long log")
        expect_equal(logs("diagnose", "-A", "--axes", "endpoints"), [], "logs for endpoints")
        expect(len(logs("diagnose", "-A", user="joe")) <= 2, "logs where none may be read")
    finally:
        server.backends.files[path] = text
        server.cluster.replace("pods", items)


def no_server(server):
    r = run("diagnose", "--server", "https://127.0.0.1:1", "--insecure-skip-tls-verify", "--token", "x", codes=[69], env={"HOME": "/nonexistent"})
    expect("127.0.0.1:1" in r.err, r.err)
    r = run("diagnose", "--bundle", LAB, "--kubeconfig", server.kubeconfig(), codes=[64])
    expect("--bundle and --kubeconfig exclude each other" in r.err, r.err)
    r = live(server, "diagnose", "-A", codes=[1])
    expect(" --kubeconfig " in r.out, r.out)
    r = run("diagnose", "-A", "--kubeconfig", server.kubeconfig(), codes=[1], env={"SVCDOCTOR_BUNDLE": "/nonexistent"})
    expect("cluster 'lab'" in r.out, r.out)


def main():
    t = Tests()
    with ApiServer(LAB) as server:
        for test in (scopes, other_commands, words, one_service_is_read_by_name, role_of_a_namespace, refused, dns_logs, proxy_logs, no_server):
            t.run(test.__name__.replace("_", "-"), test, server)
    t.finish()


if __name__ == "__main__":
    main()
