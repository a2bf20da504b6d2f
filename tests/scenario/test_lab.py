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


# In IPVS mode a node's address that a Service took is lost to the other nodes.
IN_IPVS = {"node-ip-stolen": ("externalip-equals-node-ip-ipvs", "error")}


def diagnose(bundle, new_name=lambda n: n, differently={}):
    d = run("diagnose", "-A", "--bundle", bundle, "-o", "json", codes=[1]).json
    services = {s["service"]: s for s in d["services"]}
    shop = new_name("shop")
    for service, want in {**CAUSES, **differently}.items():
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


def of(d, service):
    return next(s for s in d["services"] if s["service"] == service)


def lab_ipvs():
    """What only IPVS mode does: node1 takes itself for node2, and does not answer for a Local Service whose endpoint is elsewhere."""
    d = diagnose("lab-ipvs", differently=IN_IPVS)
    stolen = {f["node"]: f for f in of(d, "shop/node-ip-stolen")["causes"]}
    expect_equal(sorted(stolen), ["node1", "node2"], "nodes")
    for f in stolen.values():
        expect_equal((f["check"], f["severity"]), ("externalip-equals-node-ip-ipvs", "error"), "check")
    for word in ("172.30.99.2 of node node2 lies on kube-ipvs0", "every packet from node1", "on every port", "ends on node1"):
        expect(word in stolen["node1"]["text"], f"node1 lacks '{word}'")
    for word in ("on node node2 port 22/TCP", "goes to the Service shop/node-ip-stolen"):
        expect(word in stolen["node2"]["text"], f"node2 lacks '{word}'")
    expect("sudo ip addr del 172.30.99.2/32 dev kube-ipvs0" in stolen["node1"]["fix"], "no fix on node1")
    lost = [(s["service"], f) for s in d["services"] for f in s["causes"] + s["explained"] if f["check"] == "ipvs-local-reply-lost"]
    expect_equal([s for s, _ in lost], ["default/example-service"], "Services whose reply is lost")
    f = lost[0][1]
    expect_equal(f["severity"], "warning", "severity")
    expect("do not answer through node node1" in f["text"], f["text"])
    expect_equal(f["evidence"], ["node node1: no endpoint of its own for 203.0.113.80:8765/TCP, *:32147/TCP"], "evidence")
    return f["text"]


def torn(bundle, differences):
    """Said before any difference, and with what shows it."""
    r = run("verify", "-A", "--bundle", bundle, codes=[1, 2])
    expect(r.out.index("torn  kube-proxy on node node2") < r.out.index("difference" if differences else "no Services are known"), "not first")
    v = run("verify", "-A", "--bundle", bundle, "-o", "json", codes=[1, 2]).json
    t = [x for x in v["torn"] if x["family"] == "ip"]
    expect_equal([(x["node"], x["finished"]) for x in t], [("node2", False)], "torn")
    seen = "\n".join(t[0]["seen"])
    expect("filter KUBE-IPVS-FILTER" in seen and "hold no rule" in seen, seen)
    expect("know of no finished sync of IPv4 rules" in seen, seen)
    expect(("does not support the match or target 'ipvs'" in seen) == (not differences), seen)
    expect_equal(len(v["differences"]) > 0, differences, "differences")
    d = run("diagnose", "-A", "--bundle", bundle, "-o", "json", codes=[1]).json
    f = [f for f in d["cluster"] if f["check"] == "rules-torn"]
    expect_equal([(x["node"], x["severity"]) for x in f], [("node2", "error")], "rules-torn")
    return t[0]["text"]


OTHER_MODES = {"nftables": {}, "ipvs": IN_IPVS}

if __name__ == "__main__":
    t = Tests()
    for backend, lab_ in LABS.items():
        t.run(f"lab-{backend}/verify", lab_verify, lab_)
        t.run(f"lab-{backend}/diagnose", lab_diagnose, lab_)
        t.run(f"lab-{backend}/renamed-as-kube-proxy", lab_renamed, lab_, "hash")
        t.run(f"lab-{backend}/renamed-at-will", lab_renamed, lab_, "other")
    for mode, differently_ in OTHER_MODES.items():
        t.run(f"lab-{mode}/verify", lab_verify, f"lab-{mode}")
        t.run(f"lab-{mode}/diagnose", lambda lab, d: f"{len(diagnose(lab, differently=d)['services'])} Services", f"lab-{mode}", differently_)
    t.run("lab-ipvs/what only IPVS does", lab_ipvs)
    t.run("lab-ipvs-first-sync/torn", torn, "lab-ipvs-first-sync", True)
    t.run("lab-ipvs-missing-module/torn", torn, "lab-ipvs-missing-module", False)
    t.finish()
