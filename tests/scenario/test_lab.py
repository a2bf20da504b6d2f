#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The recorded clusters: every frontend is decided and as it must be, each broken Service gets its cause first, the sound ones none; and
the same when nothing is called as it was."""
import os
import re
import tempfile

from common import CORPUS, LABS, Tests, expect, expect_equal, read, run
import renamer

# The first cause of each Service of namespace shop: check id and severity.
CAUSES = {
    "no-match": ("selector-mismatch", "error"),
    "cart": ("no-ready-endpoints", "error"),
    "pay": ("named-target-port-missing", "error"),
    "api": ("target-port-wrong-number", "warning"),
    "local-only": ("selector-mismatch", "error"),
    "node-ip-stolen": ("externalip-equals-node-ip", "error"),
    "no-selector": ("selectorless-no-endpoints", "error"),
    "scaled-down": ("workload-scaled-to-zero", "error"),
    "lb-ranges": None,
}
SOUND = ("default", "kube-system")


def verify(bundle):
    r = run("verify", "-A", "--bundle", bundle, "-o", "json", codes=[0])
    v = r.json
    expect_equal(v["schema_version"], 1, "schema_version")
    expect_equal(v["command"], "verify", "command")
    for part in ("differences", "undecided", "broken"):
        expect_equal(v[part], [], part)
    expect(v["frontends"] > 0, "no frontend")
    expect_equal(v["decided"], v["frontends"], "decided frontends")
    return v


def first_cause(service):
    causes = service["causes"]
    return (causes[0]["check"], causes[0]["severity"]) if causes else None


def diagnose(bundle, new_name=lambda n: n):
    d = run("diagnose", "-A", "--bundle", bundle, "-o", "json", codes=[1]).json
    services = {s["service"]: s for s in d["services"]}
    shop = new_name("shop")
    for service, want in CAUSES.items():
        key = f"{shop}/{new_name(service)}"
        expect(key in services, f"{key} is not among {sorted(services)}")
        got = first_cause(services[key])
        if want is None:
            errors = [c for c in services[key]["causes"] if c["severity"] == "error"]
            expect_equal(errors, [], f"errors of {key}")
        else:
            expect_equal(got, want, f"first cause of {key}")
    for key, s in services.items():
        if key.split("/")[0] in SOUND:
            errors = [c for c in s["causes"] + s["explained"] if c["severity"] == "error"]
            expect_equal(errors, [], f"errors of {key}")
            expect(s["status"] in ("healthy", "no-fault-found", "degraded"), f"{key} is {s['status']}")
    for f in d["cluster"]:
        expect(f["severity"] != "error" or re.search(rf"\b{shop}/", f["subject"]), f"an error of the whole cluster: {f['id']}")
    expect_equal(len(services), len([1 for s in read_services(bundle)]), "Services")
    return d


def read_services(bundle):
    import json
    return json.loads(read(os.path.join(CORPUS, bundle, "cluster", "services.json")))["items"]


def lab_verify(lab):
    v = verify(lab)
    return f"{v['services']} Services, {v['frontends']} frontends decided, no difference"


def lab_diagnose(lab):
    diagnose(lab)
    return f"{len(CAUSES)} Services of shop"


def stays(bundle, original_names):
    """Nothing of the old names is left in rules and objects."""
    for folder, _, files in os.walk(bundle):
        for f in files:
            if f.endswith("-save.txt") or folder.endswith("cluster") and f in ("services.json", "pods.json", "endpointslices.json"):
                text = read(os.path.join(folder, f))
                for n in original_names:
                    expect(not re.search(rf"\b{n}\b", text), f"{n} is left in {f}")


def lab_renamed(lab, chains):
    original = verify(lab)
    with tempfile.TemporaryDirectory(prefix="svcdoctor-test-") as tmp:
        bundle = os.path.join(tmp, "renamed")
        r = renamer.Renamer(os.path.join(CORPUS, lab), chains)
        r.write(bundle)
        expect(len(r.hashed) > 30, f"only {len(r.hashed)} chains were renamed")
        stays(bundle, ["shop", "hostnames", "my-nginx", "node1", r"10\.244\.1\.135", "32035", "KUBE-SVC-LOLE4ISW44XBNF3G"])
        v = verify(bundle)
        for count in ("services", "frontends", "decided"):
            expect_equal(v[count], original[count], count)
        d = diagnose(bundle, renamer.name)
        originals = {s["service"]: first_cause(s) for s in diagnose(lab)["services"]}
        renamed = {s["service"]: first_cause(s) for s in d["services"]}
        expect_equal(renamed, {"/".join(renamer.name(p) for p in k.split("/")): v for k, v in originals.items()}, "causes")
    return f"{v['frontends']} frontends, {len(renamed)} Services"


if __name__ == "__main__":
    t = Tests()
    for backend, lab_ in LABS.items():
        t.run(f"lab-{backend}/verify", lab_verify, lab_)
        t.run(f"lab-{backend}/diagnose", lab_diagnose, lab_)
        t.run(f"lab-{backend}/renamed-as-kube-proxy", lab_renamed, lab_, "hash")
        t.run(f"lab-{backend}/renamed-at-will", lab_renamed, lab_, "other")
    t.finish()
