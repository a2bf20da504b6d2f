# SPDX-License-Identifier: GPL-2.0-or-later
"""The live cluster says what the bundle says: every lab, served over HTTP/2 by api_server.py, against `--bundle LAB/cluster`.

Whoever asks, and by whatever protocol; only GET is sent, and no Secret is ever named."""
import filecmp
import json
import os
import re
import shutil
import tempfile

from api_cluster import KINDS
from api_server import ApiServer, Rule
from common import CORPUS, Failure, Tests, expect, expect_equal, run, short

LABS_OF_CLUSTERS = sorted(n for n in os.listdir(CORPUS) if n.startswith("lab-") and os.path.isdir(os.path.join(CORPUS, n, "cluster")))


# ---- the same words ----

def without_source(document, everything):
    """All that may differ between a live run and one over a bundle of the same cluster, each with its reason."""
    for looked in document["looked_at"]:
        if not everything:
            del looked["kinds"]  # a live run reads only what its question needs
        looked["source"] = "SOURCE"  # "bundle 'cluster'" and "cluster 'lab' ...": what names the source
    for not_looked in document["not_looked_at"]:
        not_looked["reason"] = "REASON"  # where DNS answers and rules of nodes could come from depends on the source
    return json.dumps(document, indent=1).replace(BUNDLE_FLAG, "")  # commands repeat the flags of their run; KUBECONFIG needs none


BUNDLE_FLAG = " --bundle cluster"


# Kinds that the server does not have at all: a live run knows that there are none.
CUSTOM = {"gateway.networking.k8s.io/v1": [("gatewayclasses", "GatewayClass"), ("gateways", "Gateway"), ("httproutes", "HTTPRoute"), ("grpcroutes", "GRPCRoute"),
                                           ("tlsroutes", "TLSRoute"), ("tcproutes", "TCPRoute"), ("udproutes", "UDPRoute"),
                                           ("referencegrants", "ReferenceGrant")]}


class WholeCluster:
    """A copy of a lab's objects as --bundle, in which the kinds that the lab has none of are empty lists, as the server gives them."""

    def __init__(self, lab):
        self.lab = lab

    def __enter__(self):
        self.holder = tempfile.TemporaryDirectory(prefix="svcdoctor-test-")
        self.path = os.path.join(self.holder.name, "cluster")
        shutil.copytree(os.path.join(CORPUS, self.lab, "cluster"), self.path, copy_function=shutil.copyfile)
        for gv, rows in [*KINDS.items(), *CUSTOM.items()]:
            for resource, kind, *_ in rows:
                path = os.path.join(self.path, resource + ".json")
                if not os.path.exists(path):
                    with open(path, "w", encoding="utf-8") as f:
                        json.dump({"kind": kind + "List", "apiVersion": gv, "metadata": {"resourceVersion": "1"}, "items": []}, f)
        self.cwd = self.holder.name
        return self

    def __exit__(self, *exc):
        self.holder.cleanup()


def both(bundle, kubeconfig, *args):
    """The same question to the bundle and to the live cluster; (result, result)."""
    return (run(*args, "-o", "json", "--bundle", "cluster", cwd=bundle.cwd),
            run(*args, "-o", "json", cwd=bundle.cwd, env={"KUBECONFIG": kubeconfig, "HOME": bundle.cwd}))


def same(bundle, kubeconfig, *args):
    saved, live = both(bundle, kubeconfig, *args)
    expect_equal(live.rc, saved.rc, f"{live}: exit status ({short(live.err, 400)})")
    a, b = (without_source(r.json, args == ("diagnose", "-A")).splitlines() for r in (saved, live))
    if a != b:
        n = next((i for i, (x, y) in enumerate(zip(a, b)) if x != y), min(len(a), len(b)))
        raise Failure(f"{live}: live and bundle differ at line {n}\n" + "\n".join(["bundle:", *a[max(0, n - 6):n + 6], "live:", *b[max(0, n - 6):n + 6]]))
    expect_equal(live.err, saved.err, f"{live}: stderr")


def no_crimes(server):
    expect_equal([str(r) for r in server.crimes], [], "requests that must never be sent")


def is_new(lab):
    """Several labs are one cluster in several modes: its objects are asked for one by one once."""
    before = LABS_OF_CLUSTERS[:LABS_OF_CLUSTERS.index(lab)]
    names = sorted(os.listdir(os.path.join(CORPUS, lab, "cluster")))

    def same_as(other):
        folder = os.path.join(CORPUS, other, "cluster")
        return sorted(os.listdir(folder)) == names and all(
            os.path.isdir(os.path.join(folder, n)) or filecmp.cmp(os.path.join(folder, n), os.path.join(CORPUS, lab, "cluster", n), False) for n in names)
    return not any(map(same_as, before))


def test_lab(lab):
    """Everything, every Service by name, and the table of endpoints."""
    with WholeCluster(lab) as bundle, ApiServer(bundle.path) as s:
        kubeconfig = s.kubeconfig()
        same(bundle, kubeconfig, "diagnose", "-A")
        same(bundle, kubeconfig, "endpoints", "-A")
        same(bundle, kubeconfig, "diagnose", "-n", "shop")
        for service in s.cluster.objects("services") if is_new(lab) else ():
            meta = service["metadata"]
            same(bundle, kubeconfig, "diagnose", meta["name"], "-n", meta["namespace"])
        no_crimes(s)
        expect_equal({r.protocol for r in s.requests}, {"h2"}, "protocol")
        return f"{len(s.requests)} requests"


def test_credentials(lab):
    """A token, and HTTP/1.1, give the same document as a client certificate and HTTP/2; nothing of a secret is printed."""
    with ApiServer(os.path.join(CORPUS, lab, "cluster")) as s, tempfile.TemporaryDirectory() as home:
        want = run("diagnose", "-A", "-o", "json", env={"KUBECONFIG": s.kubeconfig(), "HOME": home}).json
        for auth in ("token", "basic"):
            r = run("diagnose", "-A", "-o", "json", "-v", env={"KUBECONFIG": s.kubeconfig("carol", auth=auth), "HOME": home})
            expect_equal(r.json["services"], want["services"], auth)
            expect_equal(r.rc, 1, auth)
            for secret in [*s.tokens, *(p for p, _ in s.passwords.values())]:
                expect(secret not in r.out + r.err, f"a secret of {auth} is printed")
        as_carol = run("diagnose", "-A", "-o", "json", "--as", "carol", "--as-group", "dev", env={"KUBECONFIG": s.kubeconfig(), "HOME": home})
        expect_equal([(x["service"], x["status"], x["axes"]) for x in as_carol.json["services"]],
                     [(x["service"], x["status"], x["axes"]) for x in want["services"]], "--as")
        expect_equal((s.requests[-1].user, s.requests[-1].groups, s.requests[-1].impersonated_by), ("carol", ("dev",), "admin"), "--as")
        no_crimes(s)
    with ApiServer(os.path.join(CORPUS, lab, "cluster"), h2=False) as s, tempfile.TemporaryDirectory() as home:
        r = run("diagnose", "-A", "-o", "json", env={"KUBECONFIG": s.kubeconfig(), "HOME": home})
        expect_equal(r.json["services"], want["services"], "HTTP/1.1")
        expect_equal({q.protocol for q in s.requests}, {"http/1.1"}, "protocol")


# ---- rights of one namespace ----

def test_namespace_role(lab):
    """With a Role of one namespace the endpoints axis is complete, and every right that is missing is named once."""
    rules = {"dev": [Rule("get,list", "*", namespace="shop")]}
    with ApiServer(os.path.join(CORPUS, lab, "cluster"), rules=rules) as s, tempfile.TemporaryDirectory() as home:
        env = {"KUBECONFIG": s.kubeconfig("dev", groups=["developers"], namespace="shop"), "HOME": home}
        all_rights = run("diagnose", "-n", "shop", "-o", "json", env={"KUBECONFIG": s.kubeconfig(), "HOME": home}).json
        r = run("diagnose", "-o", "json", env=env)
        expect_equal(r.rc, 1, f"exit status: {short(r.err)}")
        expect_equal([(x["service"], x["axes"]["endpoints"]) for x in r.json["services"]],
                     [(x["service"], x["axes"]["endpoints"]) for x in all_rights["services"]], "the endpoints axis")
        expect(all(x["axes"]["endpoints"] not in ("skipped", "not-looked-at") for x in r.json["services"]), "the endpoints axis is complete")
        needs = {x["needs"] for x in r.json["skipped"] if x["code"] == "forbidden"}
        expect("list nodes" in needs, f"the right to list nodes is missing: {needs}")
        text = run("diagnose", env=env)
        for right in needs:
            expect_equal(len(re.findall(re.escape(right) + r"(?![a-z/])", text.out + text.err)), 1, f"how often '{right}' is named in\n{text.out}{text.err}")
        expect_equal(run("diagnose", "api", "-o", "json", env=env).json["services"][0]["axes"]["endpoints"], "warning", "one Service")
        no_crimes(s)


def main():
    t = Tests()
    for lab in LABS_OF_CLUSTERS:
        t.run(lab, test_lab, lab)
    for test in (test_credentials, test_namespace_role):
        t.run(test.__name__[5:], test, "lab-iptables-nft")
    t.finish()


if __name__ == "__main__":
    main()
