#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""NetworkPolicies in a bundle: a warning that names the policy and who is let in; a policy that cannot be read; none collected."""
import json
import os

from common import LABS, Copy, Tests, expect, expect_equal, run


def policy(name, spec, namespace="default"):
    return {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": name, "namespace": namespace}, "spec": spec}


def diagnose(bundle, *args, code=0):
    return run("diagnose", *args, "--bundle", bundle, "-o", "json", codes=[code]).json


def with_policies(lab, *policies):
    return json.dumps({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicyList", "items": policies})


def causes(document, service):
    return [c for s in document["services"] if s["service"] == service for c in s["causes"]]


def isolated(lab):
    only = policy("only-shop", {"podSelector": {"matchLabels": {"app": "web"}}, "ingress": [
        {"from": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "shop"}}}], "ports": [{"port": 80}]}]})
    with Copy(lab) as b:
        b.write(with_policies(lab, only), "cluster", "networkpolicies.json")
        d = diagnose(b.path, "default/web", "default/hostnames")
        found = causes(d, "default/web")
        expect_equal([(c["check"], c["severity"]) for c in found], [("networkpolicy-blocks-service", "warning")], "causes")
        text = found[0]["text"]
        expect("default/only-shop" in text and "kubernetes.io/metadata.name=shop" in text, text)
        expect_equal(causes(d, "default/hostnames"), [], "causes of a Service that no policy selects")
        diagnose(b.path, "default/web", "--fail-on", "warning", code=1)
        diagnose(b.path, "default/web", "--ignore", "networkpolicy-blocks-service", "--fail-on", "warning")


def confused(lab):
    wrong = policy("wrong", {"podSelector": {"matchLabels": {"app": "hostnames"}}, "ingress": [{"ports": [{"port": 80}]}]})
    with Copy(lab) as b:
        b.write(with_policies(lab, wrong), "cluster", "networkpolicies.json")
        found = causes(diagnose(b.path, "default/hostnames"), "default/hostnames")
        expect_equal(len(found), 1, "causes")
        expect("opens port 80, and policies see the targetPort" in found[0]["text"], found[0]["text"])


def damaged(lab):
    """One policy of two is no policy: said, and the other one counts."""
    bad = policy("bad", {"podSelector": {"matchExpressions": [{"key": "a", "operator": "Like", "values": ["b"]}]}})
    good = policy("good", {"podSelector": {"matchLabels": {"app": "web"}}})
    with Copy(lab) as b:
        b.write(with_policies(lab, bad, good), "cluster", "networkpolicies.json")
        r = run("diagnose", "default/web", "--bundle", b.path, "-o", "json")
        expect(any("default/bad" in e["text"] and "operator" in e["text"] for e in r.json["errors"]), f"errors: {r.json['errors']}")
        expect("lets nobody in" in causes(r.json, "default/web")[0]["text"], "the policy that can be read counts")


def not_collected(lab):
    with Copy(lab) as b:
        os.remove(b.file("cluster", "networkpolicies.json"))
        d = diagnose(b.path, "default/web")
        skipped = {s["check"]: s["needs"] for s in d["skipped"]}
        expect_equal(skipped.get("networkpolicy-blocks-service"), "networkpolicies", "skipped")
        expect_equal(causes(d, "default/web"), [], "causes")


if __name__ == "__main__":
    t = Tests()
    for test in (isolated, confused, damaged, not_collected):
        t.run(test.__name__, test, LABS["nft"])
    t.finish()
