#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""svcdoctor rbac: the objects that it prints, and that kubectl reads its YAML as the same objects as its JSON."""
import json
import os
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from common import Tests, expect, expect_equal, run  # noqa: E402


def roles(*args):
    r = run("rbac", "-o", "json", *args, codes=(0,))
    return r.json["items"]


def rights(role):
    return {(g, res): rule for rule in role["rules"] for g in rule["apiGroups"] for res in rule["resources"]}


def only_reads():
    for args in ((), ("-n", "shop"), ("--proxy",), ("-n", "kube-system", "--proxy")):
        for role in roles(*args):
            for (_, resource), rule in rights(role).items():
                expect(set(rule["verbs"]) <= {"get", "list"}, f"{args}: {rule}")
                expect("secret" not in resource and "*" not in resource, f"{args}: {rule}")
                expect(resource != "configmaps" or rule.get("resourceNames"), f"{args}: ConfigMaps of any name")
        text = run("rbac", *args, codes=(0,)).out.lower()
        expect("secret" not in text, f"{args}: it speaks of Secrets")


def of_a_namespace():
    first, *others = roles("-n", "shop")
    expect_equal((first["kind"], first["metadata"]["namespace"]), ("Role", "shop"), "the first object")
    for right in (("", "services"), ("discovery.k8s.io", "endpointslices"), ("", "pods")):
        expect_equal(rights(first)[right]["verbs"], ["get", "list"], right)
    expect(("", "nodes") not in rights(first), "a Role cannot allow nodes")
    cluster = [o for o in others if o["kind"] == "ClusterRole"]
    expect_equal([("", "nodes") in rights(o) for o in cluster], [True], "nodes in the ClusterRole")
    documents = run("rbac", "-n", "shop", codes=(0,)).out.split("---\n")
    expect_equal([d.startswith("# optional: ") for d in documents], [False, True, True], "what is said to be optional")


def proxied():
    def all_rights(*args):
        return {r for o in roles(*args) for r in rights(o)}
    expect_equal(all_rights("--proxy") - all_rights(), {("", "nodes/proxy"), ("", "pods/proxy")}, "what --proxy adds")
    expect("running commands in pods" in run("rbac", "--proxy").out, "no warning of nodes/proxy")


def bound():
    items = roles("-n", "shop", "--user", "jo@example.org", "--group", "system:x", "--serviceaccount", "ci:bot")
    bindings = {(o["roleRef"]["kind"], o["roleRef"]["name"], o["metadata"].get("namespace")): o for o in items if "roleRef" in o}
    expect_equal(sorted(map(str, bindings)), sorted(str((o["kind"], o["metadata"]["name"], o["metadata"].get("namespace")))
                                                    for o in items if "rules" in o), "a binding for each role")
    want = [{"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": "jo@example.org"},
            {"kind": "Group", "apiGroup": "rbac.authorization.k8s.io", "name": "system:x"},
            {"kind": "ServiceAccount", "namespace": "ci", "name": "bot"}]
    for o in bindings.values():
        expect_equal(o["subjects"], want, "subjects")
        expect_equal(o["kind"], o["roleRef"]["kind"] + "Binding", "kind")


def wrong():
    for args, said in ((("-n", "a/b"), "no name of a namespace"), (("-n", "a.b"), "no name of a namespace"), (("--serviceaccount", "bot"), "NAMESPACE:NAME"),
                       (("--serviceaccount", "ci:"), "NAMESPACE:NAME"), (("--user", "a\nb"), "no name of a user"), (("--user", ""), "no name")):
        r = run("rbac", *args, codes=(64,))
        expect(said in r.err and not r.out, f"{r}: {r.err!r} {r.out!r}")
    expect_equal(run("rbac", "-n", "a/b", "-o", "json", codes=(64,)).json["command"], "rbac", "the document of a failure")


def kubectl_reads_it():
    if not shutil.which("kubectl"):
        return "no kubectl: YAML was not read back"
    with tempfile.TemporaryDirectory() as home:
        for args in (("--proxy", "--user", 'a: "b" #\\c ü', "--group", "yes"), ("-n", "no", "--serviceaccount", "1.5:0x1f", "--user", "~")):
            texts = [run("rbac", *args, "-o", o, codes=(0,)).out for o in ("yaml", "json")]
            read = []
            for text in texts:
                p = subprocess.run(["kubectl", "label", "--local", "-f", "-", "checked=true", "-o", "json"], input=text.encode(), stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, env={**os.environ, "HOME": home, "KUBECONFIG": ""}, check=False)
                expect(p.returncode == 0, lambda p=p: f"kubectl refuses {args}: {p.stderr.decode()}")
                decoder, objects, rest = json.JSONDecoder(), [], p.stdout.decode().strip()
                while rest:
                    o, end = decoder.raw_decode(rest)
                    objects += o["items"] if o["kind"] == "List" else [o]
                    rest = rest[end:].lstrip()
                read.append(objects)
            want = json.loads(texts[1])["items"]
            for o in want:
                o["metadata"]["labels"] = {"checked": "true"}
            expect_equal(read[1], want, f"what kubectl reads of {args} as JSON")
            expect_equal(read[0], want, f"what kubectl reads of {args} as YAML")
    return None


if __name__ == "__main__":
    t = Tests()
    for test in (only_reads, of_a_namespace, proxied, bound, wrong, kubectl_reads_it):
        t.run(test.__name__.replace("_", "-"), test)
    t.finish()
