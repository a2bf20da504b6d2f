# SPDX-License-Identifier: GPL-2.0-or-later
"""What becomes of a run when the API server refuses, fails, stalls or lies: exit status and the whole text, in golden/live/NAME.txt.

    LIVE_GOLDEN=1 python3 tests/scenario/test_live_faults.py [NAME]     writes them anew; read what changed

Each text has to name the resource, the status and the next step. A case says besides how often a path may have been asked for: 4xx are
never asked again, 429, 5xx and broken connections some times. Nothing may hang: every case has a time limit. What is served is a cluster
of two Services, `web`, which is sound, and `db`, which selects nothing, or a larger one where lists have pages.
"""
import concurrent.futures
import difflib
import os
import re
import sys
import tempfile

from api_server import ApiServer, Rule, all_but, closed_port
from common import ROOT, Tests, expect, expect_equal, read, run, short, write

sys.path.append(os.path.join(ROOT, "tests", "bench"))
import generate  # noqa: E402  pylint: disable=wrong-import-position
import live_cluster  # noqa: E402  pylint: disable=wrong-import-position

GOLDEN = os.path.join(ROOT, "tests", "scenario", "golden", "live")
WEB = ["diagnose", "web", "-n", "shop"]
ALL = ["diagnose", "-A"]
PATIENT = ["--request-timeout", "20s", "--timeout", "25s"]
SHORT = ["--request-timeout", "2s", "--timeout", "20s"]  # where an answer never comes
SLICES = "/endpointslices"


def small():
    """shop/web with two ready pods on two nodes, shop/db whose selector matches none."""
    web = live_cluster.Named(1, "web", [("10.0.0.2", "n1"), ("10.0.1.2", "n2")])
    db = live_cluster.Named(2, "db")
    return {"services": [generate.service_object(s) for s in (web, db)], "endpointslices": [generate.slice_object(s) for s in (web, db)],
            "pods": [live_cluster.pod_object(web, k, ip, node) for k, (ip, node) in enumerate(web.endpoints)],
            "nodes": [live_cluster.node_object(i) for i in range(2)],
            "namespaces": [{"metadata": {"name": n}, "status": {"phase": "Active"}} for n in ("default", "shop")],
            "servicecidrs": [{"apiVersion": "networking.k8s.io/v1", "kind": "ServiceCIDR", "metadata": {"name": "kubernetes"}, "spec": {"cidrs": [generate.SERVICE_CIDR]}}]}


class Case:
    """@rc: the exit status. @args: the question. @faults: (kind, pattern, options). @server, @kubeconfig: options of ApiServer and of its
    kubeconfig. @tries: {pattern: (least, most) times that each matching path may be asked for}. @says: what the text must hold."""

    def __init__(self, name, rc, *, args=tuple(WEB), faults=(), server=None, kubeconfig=None, rules=None, tries=None, says=(), as_sound=False, limits=None):
        self.name, self.rc, self.args, self.faults = name, rc, list(args), faults
        self.server, self.kubeconfig, self.rules = server or {}, kubeconfig or {}, rules
        self.tries, self.says, self.as_sound, self.limits = tries or {}, says, as_sound, limits or (SHORT if {"stall", "stall-headers"} & {f[0] for f in faults} or self.server.get("silent") else PATIENT)


ONCE = {"": (1, 1)}
RETRIED = {SLICES: (2, 8)}

CASES = [
    # who asks
    Case("sound", 0, as_sound=True, tries=ONCE),
    Case("unauthorized-token", 77, kubeconfig={"auth": "none", "credentials": {"token": "a-token-of-yesterday"}}, tries=ONCE, says=["401"]),
    Case("no-credential", 64, kubeconfig={"auth": "none"}, tries={"": (0, 0)}, says=["user 'dev'"]),
    Case("unauthorized-expired-certificate", 77, kubeconfig={"client_cert": "expired"}, tries=ONCE, says=["401"]),
    Case("unauthorized-other-authority", 77, kubeconfig={"client_cert": "other-ca"}, tries=ONCE, says=["401"]),
    Case("forbidden-all", 77, rules=[], tries=ONCE, says=["403"]),
    Case("forbidden-nodes", 0, rules=all_but("nodes", "servicecidrs", "namespaces"), tries=ONCE, says=["nodes"]),
    Case("forbidden-nodes-everywhere", 1, args=ALL, rules=all_but("nodes", "servicecidrs", "namespaces"), tries=ONCE, says=["list nodes"]),
    Case("forbidden-endpointslices", 2, rules=all_but("endpointslices"), tries=ONCE, says=["403", "endpointslices"]),
    Case("forbidden-pods", 2, rules=all_but("pods"), tries=ONCE, says=["403", "pods"]),
    Case("forbidden-services", 2, rules=all_but("services"), tries=ONCE, says=["403", "services"]),
    Case("role-of-one-namespace", 1, args=["diagnose", "-n", "shop"], rules=[Rule("get,list", "*", namespace="shop")], tries=ONCE, says=["list nodes"]),
    Case("role-of-one-namespace-asked-for-all", 1, args=ALL, rules=[Rule("get,list", "*", namespace="shop")], kubeconfig={"namespace": "shop"}, tries=ONCE,
         says=["403", "'shop'"]),
    # the way there
    Case("no-listener", 69, kubeconfig={"server": "https://127.0.0.1:{closed}"}, says=["127.0.0.1"]),
    Case("certificate-expired", 69, server={"cert": "expired"}, says=["expired"]),
    Case("certificate-not-yet", 69, server={"cert": "not-yet"}, says=["not yet valid"]),
    Case("certificate-other-authority", 69, server={"cert": "other-ca"}, says=["certificate"]),
    Case("certificate-wrong-host", 69, server={"cert": "wrong-host"}, says=["127.0.0.1"]),
    Case("certificate-no-authority", 69, kubeconfig={"ca": "none"}, says=["certificate"]),
    Case("no-tls", 69, server={"plain": True}, kubeconfig={"server": "https://127.0.0.1:{port}"}, says=["TLS"]),
    Case("tls-asked-by-http", 69, kubeconfig={"server": "http://127.0.0.1:{port}"}),
    Case("silent", 69, server={"silent": True}),
    Case("closed-at-once", 69, server={"slams": True}),
    Case("stall-before-headers-all", 69, faults=[("stall-headers", "", {})]),
    # one resource
    Case("no-endpointslices", 2, server={"without": ["endpointslices"]}, says=["endpointslices", "404"]),
    Case("no-networking-group", 0, server={"without": ["networking.k8s.io"]}),
    Case("429-once", 0, faults=[("429", SLICES, {"nth": 1, "retry_after": 0})], as_sound=True, tries={SLICES: (1, 2)}),
    Case("429", 2, faults=[("429", SLICES, {"retry_after": 0})], tries=RETRIED, says=["429", "endpointslices"]),
    Case("429-later", 2, faults=[("429", SLICES, {"retry_after": 3600})], tries={SLICES: (1, 1)}, says=["429", "endpointslices"]),
    Case("500-once", 0, faults=[("500", SLICES, {"nth": 1})], as_sound=True, tries={SLICES: (1, 2)}),
    Case("500", 2, faults=[("500", SLICES, {})], tries=RETRIED, says=["500", "endpointslices", "etcdserver: leader changed"]),
    Case("500-of-pods", 2, faults=[("500", r"/pods\?", {})], says=["500", "pods"]),
    Case("500-of-nodes", 2, faults=[("500", "/nodes", {})], says=["nodes"]),
    Case("503-all", 69, faults=[("503", "", {})], says=["503"]),
    Case("504-page-of-a-proxy", 2, faults=[("html", SLICES, {"status": 504})], tries=RETRIED, says=["504", "endpointslices"]),
    Case("400", 2, faults=[("status", SLICES, {"code": 400, "reason": "BadRequest", "message": "the request is bad"})], tries=ONCE,
         says=["400", "endpointslices", "the request is bad"]),
    Case("406", 2, faults=[("status", SLICES, {"code": 406, "reason": "NotAcceptable", "message": "only the following media types are accepted: text/x"})],
         tries=ONCE, says=["406", "endpointslices"]),
    Case("cut-once", 0, faults=[("cut", SLICES, {"nth": 1})], as_sound=True, tries={SLICES: (1, 2)}),
    Case("cut", 2, faults=[("cut", SLICES, {})], tries=RETRIED, says=["endpointslices"]),
    Case("cut-http1", 2, server={"h2": False}, faults=[("cut", SLICES, {})], tries=RETRIED, says=["endpointslices"]),
    Case("cut-before-body", 2, faults=[("cut", SLICES, {"after": 0})], tries=RETRIED, says=["endpointslices"]),
    Case("reset-once", 0, faults=[("reset", SLICES, {"nth": 1})], as_sound=True, tries={SLICES: (1, 2)}),
    Case("reset", 2, faults=[("reset", SLICES, {})], tries=RETRIED, says=["endpointslices"]),
    Case("goaway-once", 0, faults=[("goaway", SLICES, {"nth": 1})], as_sound=True, tries={SLICES: (1, 2)}),
    Case("goaway-after-each", 0, faults=[("goaway", "", {"mode": "after"})], as_sound=True),
    Case("stall", 2, faults=[("stall", SLICES, {})], says=["endpointslices"]),
    Case("stall-http1", 2, server={"h2": False}, faults=[("stall", SLICES, {})], says=["endpointslices"]),
    Case("stall-before-headers", 2, faults=[("stall-headers", SLICES, {})], says=["endpointslices"]),
    Case("drip", 0, faults=[("drip", SLICES, {"chunk": 300, "seconds": 0.05})], as_sound=True),
    Case("endless", 2, faults=[("endless", SLICES, {"filler": b" " * 4096})], says=["endpointslices", "64 MiB"]),
    Case("endless-items", 1, args=ALL, faults=[("endless", SLICES, {})], says=["endpointslices"]),
    Case("bomb", 2, faults=[("bomb", SLICES, {"size": 256 << 20})], says=["endpointslices"]),
    Case("bad-gzip", 2, faults=[("bad-gzip", SLICES, {})], says=["endpointslices"]),
    Case("packed-short", 2, faults=[("packed-short", SLICES, {})], tries=RETRIED, says=["endpointslices"]),
    Case("unknown-packing", 2, faults=[("answer", SLICES, {"body": b"x", "headers": (("content-encoding", "br"),)})], says=["endpointslices"]),
    Case("garbage", 2, faults=[("garbage", SLICES, {})], tries=ONCE, says=["endpointslices"]),
    Case("truncated", 2, faults=[("truncated", SLICES, {})], says=["endpointslices"]),
    Case("empty-body", 2, faults=[("answer", SLICES, {"body": b""})], says=["endpointslices"]),
    Case("null-body", 2, faults=[("answer", SLICES, {"body": b"null"})], says=["endpointslices"]),
    Case("wrong-kind", 2, faults=[("wrong-kind", SLICES, {})], says=["endpointslices"]),
    Case("html-all", 69, faults=[("html", "", {})], tries=ONCE),
    Case("html", 2, faults=[("html", SLICES, {})], says=["endpointslices"]),
    Case("redirect-all", 69, faults=[("redirect", "", {"location": "https://login.example.com/"})], tries=ONCE, says=["302"]),
    Case("redirect", 2, faults=[("redirect", SLICES, {"location": "https://login.example.com/"})], tries=ONCE, says=["302", "endpointslices"]),
    Case("content-type", 0, faults=[("content-type", SLICES, {})], as_sound=True),
    Case("remaining-huge", 0, faults=[("remaining", SLICES, {})], as_sound=True),
    Case("same-token", 2, faults=[("same-token", SLICES, {})], says=["endpointslices"]),
    Case("terminal-escapes", 2, faults=[("status", SLICES, {"code": 400, "reason": "Bad\x1b[31m", "message": "red \x1b[31malert\x07\nsecond line\u202e"})],
         says=["endpointslices"]),
]


def normal(text, server, home):
    """What differs from run to run: the port, the folder, and the dates of certificates."""
    text = re.sub(r"(expired|begins) on (\d{4}-\d\d-\d\d \d\d:\d\d UTC|\w{3} .* GMT)", r"\1 on DATE", text.replace(home, "HOME"))
    return re.sub(rf"\b(127\.0\.0\.1|localhost)(:| port ){server}\b", r"\1\2PORT", text)


SOUND = {}


def play(case):
    """(golden text, result, targets that were asked for, stdout as in the golden text) of one case; raises Failure."""
    with ApiServer(small(), **case.server) as s, tempfile.TemporaryDirectory(prefix="svcdoctor-home-") as home:
        options = {"user": "dev", "groups": ["developers"], "path": os.path.join(home, "config"), **case.kubeconfig}
        port = s.port
        if "server" in options:
            port = closed_port() if "{closed}" in options["server"] else s.port
            options["server"] = options["server"].format(closed=port, port=port)
        if case.rules is not None:
            s.rules[options["user"]] = case.rules
        for kind, pattern, more in case.faults:
            s.fault(kind, pattern, **more)
        env = {"KUBECONFIG": s.kubeconfig(**options), "HOME": home}
        r = run(*case.args, *case.limits, env=env, timeout=30)
        for q in s.requests:
            expect(q.method == "GET" and "secrets" not in q.path, f"{q} must never be sent")
        asked = [q.target for q in s.requests]
        for pattern, (least, most) in case.tries.items():
            for target in {a for a in asked if re.search(pattern, a)}:
                expect(least <= asked.count(target) <= most, f"{target} was asked for {asked.count(target)} times, not {least} to {most}")
        for secret in [*s.tokens, "a-token-of-yesterday", "PRIVATE KEY"]:
            expect(secret not in r.out + r.err, f"{secret} is printed")
        expect(not re.search("[\x00-\x08\x0b-\x1f\x7f\u202e]", r.out + r.err), "the server's control characters reach the terminal")
        text = f"$ svcdoctor {' '.join(case.args)}\nexit status {r.rc}\n\n---- stdout ----\n{r.out}\n---- stderr ----\n{r.err}"
        return normal(text, port, home), r, asked, normal(r.out, port, home)


def judge(case, played):
    text, r, asked, out = played.result()
    path = os.path.join(GOLDEN, case.name + ".txt")
    if os.environ.get("LIVE_GOLDEN"):
        write(text, path)
    expect_equal(r.rc, case.rc, f"exit status of\n{text}")
    for word in case.says:
        expect(word in r.out + r.err, f"nothing says '{word}' in\n{text}")
    if case.as_sound:
        expect_equal(out, SOUND["out"], "the same as from a sound server")
    expect(os.path.exists(path), f"there is no golden/live/{case.name}.txt (LIVE_GOLDEN=1 writes it)")
    want = read(path)
    if text != want:
        expect(False, "the text is not as recorded\n" + "\n".join(difflib.unified_diff(want.splitlines(), text.splitlines(), "recorded", "now", lineterm="")))
    return f"{len(asked)} requests"


# ---- lists of several pages ----

def paged_cluster(n):
    lists = live_cluster.cluster(n, endpoints=1, managed=False)
    return lists


def names_of(objects):
    return sorted(f"{o['metadata']['namespace']}/{o['metadata']['name']}" for o in objects)


def diagnosed(s, home, *more):
    r = run("diagnose", "-A", "-o", "json", "--request-timeout", "20s", "--timeout", "60s", *more, env={"KUBECONFIG": s.kubeconfig(), "HOME": home}, timeout=90)
    return r, sorted(x["service"] for x in r.json["services"])


def test_gone_in_mid_list():
    """The token of a list is too old: it begins anew, and what is told is the cluster of that moment: no object lost, none twice, none that is gone."""
    with ApiServer(paged_cluster(1200)) as s, tempfile.TemporaryDirectory() as home:
        def change(server):
            gone = {"team-5/service-5", "team-7/service-1171"}
            server.cluster.replace("services", [o for o in server.cluster.objects("services") if f"{o['metadata']['namespace']}/{o['metadata']['name']}" not in gone])
            added = generate.Service(900001, [])
            server.cluster.put("services", generate.service_object(added))
            server.cluster.compact()
        s.fault("410", r"/services\?.*continue=", nth=2, then=change)
        r, names = diagnosed(s, home)
        expect(r.rc in (0, 1), f"exit status {r.rc}: {short(r.err)}")
        expect_equal(r.err, "", "stderr")
        expect_equal(names, names_of(s.cluster.objects("services")), "Services")
        starts = [q for q in s.matching(r"/api/v1/services\?") if "continue" not in q.params and q.params.get("limit") != "1"]
        expect_equal(len(starts), 2, "beginnings of the list")


def test_always_gone():
    """A list that is always too old ends with a message, and with what is known."""
    with ApiServer(paged_cluster(1200)) as s, tempfile.TemporaryDirectory() as home:
        s.fault("410", r"/endpointslices\?.*continue=")
        r, names = diagnosed(s, home)
        expect(r.rc in (1, 2), f"exit status {r.rc}: {short(r.err)}")
        expect("endpointslices" in r.err + r.out and "410" in r.err + r.out, f"the resource and the status are named: {short(r.err)}")
        expect_equal(len(names), len(s.cluster.objects("services")), "Services")
        expect(len(s.requests) < 60, f"{len(s.requests)} requests")
        expect_equal([x["service"] for x in r.json["services"] if x["status"] == "healthy"], [], "nothing is called healthy without its endpoints")


def test_cut_in_every_page():
    """Each page is cut once, in its middle: all of them are read in the end, and the answer is the same."""
    with ApiServer(paged_cluster(1200)) as s, tempfile.TemporaryDirectory() as home:
        want = diagnosed(s, home)[0]
        for kind in ("cut", "reset", "packed-short", "503"):
            s.forget()
            seen = set()

            def first_time(request, seen=seen):
                if "continue" not in request.params or request.target in seen:
                    return False
                seen.add(request.target)
                return True
            s.fault(kind, "/(services|endpointslices|pods)")
            s.faults[-1].takes = first_time
            got = diagnosed(s, home)[0]
            s.faults.clear()
            expect_equal(got.rc, want.rc, f"{kind}: exit status ({short(got.err)})")
            expect_equal(got.json, want.json, f"{kind}: the document")
            expect(len(seen) >= 6, f"{kind}: {len(seen)} pages were damaged")


def main():
    t = Tests()
    wanted = [c for c in CASES if not sys.argv[1:] or c.name in sys.argv[1:]]
    SOUND["out"] = play(CASES[0])[3]
    with concurrent.futures.ThreadPoolExecutor(3) as pool:  # most of them wait
        played = [(case, pool.submit(play, case)) for case in wanted]
        for case, future in played:
            t.run(case.name, judge, case, future)
    for test in (test_gone_in_mid_list, test_always_gone, test_cut_in_every_page):
        if not sys.argv[1:] or test.__name__ in sys.argv[1:]:
            t.run(test.__name__[5:], test)
    t.finish()


if __name__ == "__main__":
    main()
