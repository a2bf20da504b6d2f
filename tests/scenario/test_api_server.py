# SPDX-License-Identifier: GPL-2.0-or-later
"""The tests' own API server, held against what a real one answered (corpus/api-samples), and asked by the real kubectl and curl."""
import json
import os
import re
import shutil
import subprocess
import sys

from api_pki import pki
from api_server import ApiServer, Rule
from common import CORPUS, Tests, expect, expect_equal, read

LAB = os.path.join(CORPUS, "lab-iptables-nft")


def sample(name):
    """(status, {header: value}, body) of a recorded answer."""
    head, _, body = read(os.path.join(CORPUS, "api-samples", name + ".http")).replace("\r\n", "\n").partition("\n\n")
    lines = head.split("\n")
    return int(lines[0].split()[1]), dict(line.split(": ", 1) for line in lines[1:] if line), body


def curl(server, path, *args, user="admin", groups=("system:masters",), codes=(0,)):
    """(status, {header: value}, body); a negative status is curl's exit code."""
    auth = ["--cert", pki().client(user, groups) + ".crt", "--key", pki().client(user, groups) + ".key"] if user else []
    p = subprocess.run(["curl", "-sS", "-i", "--http2", "--max-time", "10", "--cacert", pki().authority(), *auth, *args, server.url + path],
                       stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False, timeout=20)
    if p.returncode:
        expect(p.returncode in codes, f"curl {path}: {p.stderr.decode()}")
        return -p.returncode, {}, ""
    head, _, body = p.stdout.decode().replace("\r\n", "\n").partition("\n\n")
    lines = head.split("\n")
    return int(lines[0].split()[1]), dict(line.split(": ", 1) for line in lines[1:] if line), body


# What two answers of the same server never have in common.
EVERY_TIME = {"audit-id", "date", "x-kubernetes-pf-flowschema-uid", "x-kubernetes-pf-prioritylevel-uid"}


def same_as_recorded(server, name, path, **who):
    status, headers, body = curl(server, path, **who)
    want_status, want_headers, want_body = sample(name)
    expect_equal(status, want_status, f"{name}: status")
    expect_equal(body.rstrip("\n"), want_body.rstrip("\n"), f"{name}: body")
    for k in set(headers) | set(want_headers):
        if k not in EVERY_TIME:
            expect_equal(headers.get(k), want_headers.get(k), f"{name}: header {k}")
        else:
            expect_equal(k in headers, k in want_headers or "audit" in k, f"{name}: header {k}")


def test_errors():
    rules = {"system:kube-proxy": [Rule("get,list", "services")]}
    with ApiServer(LAB, rules=rules) as s:
        same_as_recorded(s, "unauthorized-401", "/api/v1/services", user=None)
        same_as_recorded(s, "forbidden-403", "/api/v1/namespaces/shop/secrets", user="system:kube-proxy", groups=())
        same_as_recorded(s, "not-found-404", "/api/v1/namespaces/shop/services/absent")
        same_as_recorded(s, "no-such-group-404", "/apis/gateway.networking.k8s.io/v1/httproutes")
        same_as_recorded(s, "bad-continue-400", "/api/v1/services?limit=7&continue=bad")
        same_as_recorded(s, "version", "/version")


def test_pages():
    """The three recorded pages, as one list of the server, are served as the same three pages, but for the form of the token."""
    pages = [json.loads(sample(f"list-page{n}")[2]) for n in (1, 2, 3)]
    with ApiServer({"services": [i for p in pages for i in p["items"]]}) as s:
        s.cluster.revision = 568
        path = "/api/v1/services?limit=" + str(len(pages[0]["items"]))
        follow = ""
        for n, want in enumerate(pages, 1):
            _, headers, body = curl(s, path + follow)
            got = json.loads(body)
            follow = "&continue=" + got["metadata"].get("continue", "")
            expect_equal("continue" in got["metadata"], "continue" in want["metadata"], f"page {n} has a token")
            for p in (got, want):
                p["metadata"].pop("continue", None)
            expect_equal(json.dumps(got), json.dumps(want), f"page {n}")
            expect("content-length" not in headers, "a page has no length")
        first = json.loads(curl(s, path)[2])["metadata"]["continue"]
        s.cluster.delete("services", "default", "web")
        expect(any(i["metadata"]["name"] == "web" for i in json.loads(curl(s, path + "&continue=" + first)[2])["items"]), "a list is of one moment")
        s.cluster.compact()
        status, _, body = curl(s, path + "&continue=" + first)
        expect_equal((status, json.loads(body)["reason"]), (410, "Expired"), "a token of the past")


def test_selectors():
    with ApiServer(LAB) as s:
        def names(path):
            status, _, body = curl(s, path, "-g")
            document = json.loads(body)
            return sorted(i["metadata"]["name"] for i in document["items"]) if status == 200 else (status, document["message"])
        pods = "/api/v1/pods?labelSelector="
        web = ["web-96d5df5c8-0", "web-96d5df5c8-1", "web-96d5df5c8-2"]
        expect_equal(names(pods + "app%3Dweb"), web, "equality")
        expect_equal(names(pods + "app+in+(web,cart),app!%3Dcart"), web, "sets and inequality")
        expect_equal(names(pods + "app,app+notin+(web,cart,hostnames,example,MyApp,api)"), ["pay-0"], "existence")
        expect_equal(names(pods + "!app,k8s-app%3D%3Dkube-dns"), ["coredns-7f89b7bc75-0", "coredns-7f89b7bc75-1"], "absence")
        expect_equal(names("/api/v1/pods?fieldSelector=spec.nodeName%3Dnode2,metadata.namespace%3Dshop"), ["cart-1"], "fields")
        expect_equal(names("/api/v1/services?fieldSelector=spec.clusterIP%3D10.96.0.1"), ["kubernetes"], "a ClusterIP")
        expect_equal(names("/api/v1/pods?fieldSelector=spec.foo%3D1"), (400, "field label not supported: spec.foo"), "a field that pods do not have")
        expect_equal(names("/apis/discovery.k8s.io/v1/endpointslices?fieldSelector=type%3D1")[0], 400, "a field that slices do not have")
        expect_equal(names("/apis/apps/v1/daemonsets"), [], "a kind without objects")


def test_protocols():
    """A list of some MiB comes whole by either protocol, packed and plain, side by side."""
    items = [{"metadata": {"name": f"s{i:05}", "namespace": "x", "annotations": {"x": "y" * 1000}}, "spec": {}} for i in range(4000)]
    with ApiServer({"services": items}) as s:
        for args in (["--http2"], ["--http1.1"], ["--http2", "--compressed"], ["--http1.1", "--compressed"]):
            _, headers, body = curl(s, "/api/v1/services", "-A", "x", *args)
            expect_equal(len(json.loads(body)["items"]), 4000, " ".join(args))
            expect_equal(headers.get("content-encoding", headers.get("Content-Encoding")), "gzip" if "--compressed" in args else None, "packed")
        expect_equal({r.protocol for r in s.requests}, {"h2", "http/1.1"}, "protocols")
        expect(all(r.ended == "whole" for r in s.requests), "all answers were sent")
        expect_equal(s.crimes, [], "crimes")
        curl(s, "/api/v1/services", "-X", "DELETE")
        expect_equal([r.method for r in s.crimes], ["DELETE"], "crimes are seen")


def kubectl(server, kubeconfig, *args, rc=0):
    env = {**os.environ, "HOME": server.folder}
    p = subprocess.run(["kubectl", "--kubeconfig", kubeconfig, *args], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                       env=env, check=False, timeout=30)
    expect_equal(p.returncode, rc, f"kubectl {' '.join(args)} ({p.stderr.decode()})")
    return p.stdout.decode() if rc == 0 else p.stderr.decode()


def test_kubectl():
    rules = {"bob": [Rule("get,list", "services,pods", namespace="shop")]}
    with ApiServer(LAB, rules=rules) as s:
        admin = s.kubeconfig()
        whole = json.loads(kubectl(s, admin, "get", "svc", "-A", "-o", "json"))
        expect_equal(len(whole["items"]), 19, "services")
        s.forget()
        paged = json.loads(kubectl(s, admin, "get", "svc", "-A", "-o", "json", "--chunk-size=3"))
        expect_equal(paged["items"], whole["items"], "paged and whole")
        expect_equal(len(s.matching(r"/services\?")), 7, "pages of three")
        expect("selector:\n    app: cart" in kubectl(s, admin, "get", "svc", "-n", "shop", "cart", "-o", "yaml"), "one Service as YAML")
        expect('services "nope" not found' in kubectl(s, admin, "get", "svc", "nope", rc=1), "a Service that is not there")
        log = kubectl(s, admin, "-n", "kube-system", "logs", "kube-proxy-0", "--tail=2")
        expect_equal(len(re.findall("\n", log)), 2, "lines of a log")
        bob = s.kubeconfig("bob", groups=["dev"], auth="token", namespace="shop")
        expect("cart" in kubectl(s, bob, "get", "svc"), "what bob may")
        expect('services is forbidden: User "bob" cannot list resource "services" in API group "" at the cluster scope'
               in kubectl(s, bob, "get", "svc", "-A", rc=1), "what bob may not")
        expect("Unauthorized" in kubectl(s, s.kubeconfig("eve", auth="cert", client_cert="expired"), "get", "svc", rc=1)
               or s.requests[-1].status == 401, "an expired client certificate")
        expect_equal([r for r in s.crimes if r.method != "GET"], [], "kubectl get only looks")


def main():
    t = Tests()
    for test in (test_errors, test_pages, test_selectors, test_protocols):
        t.run(test.__name__[5:], test)
    if shutil.which("kubectl"):
        t.run("kubectl", test_kubectl)
    else:
        t.skip("kubectl", "there is no kubectl here")
    t.finish()


if __name__ == "__main__":
    sys.exit(main())
