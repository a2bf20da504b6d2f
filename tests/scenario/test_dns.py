#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The command dns: over recorded answers; from a pod, a node, outside the cluster and without any cluster, against real servers in namespaces
(dns_world.py); its options, its exit codes, the shape of its JSON."""
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from api_server import ApiServer, Rule
from common import PROGRAM, Tests, expect, expect_equal, run, write
from dns_objects import VIP, Cluster
from dns_world import World, lacks

SEARCH = ("shop.svc.cluster.local", "svc.cluster.local", "cluster.local", "corp.example")
KUBERNETES, WEB = "kubernetes.default.svc.cluster.local", "web.shop.svc.cluster.local"
TYPED = ("kubernetes.default", "web", "web.shop", "web.shop.svc", WEB)
TRUE = {KUBERNETES: ("10.96.0.1", None), WEB: ("10.96.20.1", "fd96::20:1")}


# ---- recorded answers ----

def dig(name, type_, data, server=VIP, status="NOERROR"):
    answers = [f"{name}.\t\t30\tIN\t{type_}\t{data}"] if data else []
    return "\n".join([f"; <<>> DiG 9.18 <<>> @{server} {name} {type_}", ";; Got answer:", f";; ->>HEADER<<- opcode: QUERY, status: {status}, id: 4711",
                      f";; flags: qr rd ra; QUERY: 1, ANSWER: {len(answers)}, AUTHORITY: 0, ADDITIONAL: 0", "", ";; QUESTION SECTION:", f";{name}.\t\tIN\t{type_}", "",
                      *([";; ANSWER SECTION:", *answers, ""] if answers else []), ";; Query time: 3 msec", f";; SERVER: {server}#53({server}) (UDP)",
                      ";; WHEN: Mon Jan 05 08:00:00 UTC 2026", ";; MSG SIZE  rcvd: 80", "", ""])


def both(name, true=None, server=VIP):
    have = (TRUE if true is None else true).get(name)
    status = "NOERROR" if have else "NXDOMAIN"
    return dig(name, "A", have and have[0], server, status) + dig(name, "AAAA", have and have[1], server, status)


def walked(searches=SEARCH, true=None, server=VIP):
    names = sorted({*TYPED, *(f"{t}.{s}" for t in TYPED for s in searches)})
    return "".join(both(n, true, server) for n in names)


def recorded(folder, dns=None, conf=None, pod="client"):
    path = Cluster().bundle(folder)
    if dns is not None:
        write(dns, os.path.join(path, "cluster", "pods", "shop", pod, "dns.txt"))
    write(conf or f"search {' '.join(SEARCH)}\nnameserver {VIP}\noptions ndots:5\n", os.path.join(path, "cluster", "pods", "shop", pod, "resolv.conf"))
    return path


def rows(document, name, **more):
    return [n for n in document["names"] if n["name"] == name and all(n[k] == v for k, v in more.items())]


def test_recorded(folder):
    path = recorded(folder, walked())
    r = run("dns", "web", "-n", "shop", "--bundle", path, codes={0})
    for words in ("from pod shop/client", "as recorded", "nameserver 10.96.0.10", "search shop.svc.cluster.local", "10.96.20.1, fd96::20:1", "every name resolves"):
        expect(words in r.out, f"{words!r} is not in {r.out}")
    expect(all(len(line) <= 130 for line in r.out.splitlines()), "lines are too long")
    d = run("dns", "web", "-n", "shop", "--bundle", path, "-o", "json", codes={0}).json
    expect_equal((d["schema_version"], d["command"], d["domain"], d["domain_assumed"], d["outside"]), (1, "dns", "cluster.local", False, False), "the head")
    expect_equal([p["place"] for p in d["places"]], ["pod shop/client"], "the places")
    expect_equal({n["name"] for n in d["names"]} >= set(TYPED), True, "the names")
    for libc in ("glibc", "musl"):
        row = rows(d, "web.shop", libc=libc)[0]
        expect_equal((row["outcome"], row["ok"], row["as_expected"], row["query_count"], row["full_name"], row["service"]),
                     ("resolved", True, True, 4, WEB, "shop/web"), f"web.shop of {libc}")
        expect_equal([(q["name"], q["a"]) for q in row["queries"] if q["sent"]], [(f"web.shop.{SEARCH[0]}", "NXDOMAIN"), (WEB, "NOERROR")], "its queries")
        expect_equal([q["decides"] for q in row["queries"]][:2], [False, True], "which decides")
    expect_equal([s for s in d["servers"] if not s["ok"]], [], "servers at fault")
    expect_equal([r for r in d["records"] if r["ok"] is False], [], "answers that differ")
    for key in ("not_looked_at", "skipped", "errors", "findings", "not_asked", "from_inside"):
        expect(key in d, f"there is no {key}")


def test_full_name_only(folder):
    path = recorded(folder, walked(("corp.example",)), f"search corp.example\nnameserver {VIP}\noptions ndots:5\n")
    d = run("dns", "web", "-n", "shop", "--bundle", path, "-o", "json", codes={0, 1}).json
    expect_equal([rows(d, WEB)[0]["ok"], rows(d, "web.shop")[0]["ok"], rows(d, "web")[0]["outcome"]], [True, False, "no-name"], "which names resolve")
    r = run("diagnose", "web", "-n", "shop", "--bundle", path, codes={0, 1, 2})
    expect("full name" in r.out, f"not told: {r.out}")


def test_differs(folder):
    """The Service was made anew: DNS has its old address."""
    path = recorded(folder, walked(true={KUBERNETES: TRUE[KUBERNETES], WEB: ("10.96.99.9", None)}))
    r = run("dns", "web", "-n", "shop", "--bundle", path, codes={0, 1})
    expect("web   10.96.99.9, which is not what the API says" in r.out, f"not told: {r.out}")
    expect(f"differs  A {WEB} at {VIP}: 10.96.99.9" in r.out and "the API says 10.96.20.1" in r.out, f"not told: {r.out}")
    d = run("dns", "web", "-n", "shop", "--bundle", path, "-o", "json", codes={0, 1}).json
    expect_equal([(x["ok"], x["as_expected"]) for x in rows(d, "web", libc="glibc")], [(False, False)], "the row of web")
    expect_equal({(x["type"], x["got"]) for x in d["records"] if x["ok"] is False}, {("A", "10.96.99.9"), ("AAAA", "no such record")}, "what differs")


def test_several_places(folder):
    path = recorded(folder, walked())
    recorded(folder, walked(true={}), pod="other")
    r = run("dns", "--bundle", path, codes={0, 1})
    expect(r.out.index("from pod shop/client") < r.out.index("from pod shop/other"), "two sections")
    r = run("diagnose", "web", "-n", "shop", "--bundle", path, "--axes", "name", codes={0, 1})
    expect("does not resolve from pod shop/other" in r.out and "from pod shop/client" in r.out, f"not told: {r.out}")


def test_no_answers(folder):
    path = recorded(folder)
    r = run("dns", "web", "-n", "shop", "--bundle", path, codes={2})
    expect("not looked at: what DNS answers" in r.out, f"not told: {r.out}")
    expect("kubectl -n shop run svcdoctor-dns" in r.out and "port-forward pod/coredns-a 5353:53" in r.out, f"no way to ask: {r.out}")
    expect("dns web.shop -n shop --server 127.0.0.1:5353 --tcp --bundle" in r.out, f"no command: {r.out}")
    run("diagnose", "web", "-n", "shop", "--bundle", path, "--axes", "name", codes={2})


def test_hostile_words(folder):
    """Whatever stands in answers and files: nothing that a terminal would obey is printed."""
    evil = "\x1b[31mred\x07"
    text = walked().replace("10.96.20.1", "10.96.20.1", 1) + dig("web.shop.corp.example", "CNAME", "\\027[2Jx." + evil)
    path = recorded(folder, text, f"search {SEARCH[0]} {evil}\nnameserver {VIP}\noptions ndots:5 {evil}\n")
    for form in ("text", "json", "lines"):
        r = run("dns", "web", "-n", "shop", "--bundle", path, "-v", "-o", form, codes={0, 1, 2})
        expect("\x1b" not in r.out + r.err and "\x07" not in r.out + r.err, f"{form} hands on an escape")


def test_options():
    for args, words in (
        (("--server", "dns.example"), "wants ADDRESS"),
        (("--server", "10.0.0.1:0"), "wants ADDRESS"),
        (("--server", "[fd00::1"), "wants ADDRESS"),
        (("--netns", "x", "--pid", "1"), "exclude each other"),
        (("--try-timeout", "0"), "must be more than 0"),
        (("--repeat", "101"), "up to 100"),
        (("-o", "junit"), "only one of"),
        (("a", "b"), "a' 'b"),
        (("10.0.0.9",), "is an address"),
        (("a name",), "no name that DNS"),
        (("/web",), "no name that DNS"),
        (("--resolv-conf", "/nonexistent/x"), "cannot read"),
        (("--netns", "no-such-namespace-here"), "there is no network namespace"),
    ):
        with tempfile.TemporaryDirectory() as folder:
            r = run("dns", *args, "--bundle", recorded(folder), *(() if args[0][0] != "-" or "--resolv-conf" not in args else ("--here",)), codes={64})
            expect(words in r.err or words == "a' 'b", f"{args}: {r.err}")
    r = run("diagnose", "--dns", "--watch", "--bundle", "lab-iptables-nft", codes={64})
    expect("exclude each other" in r.err, r.err)


def test_missing_service(folder):
    path = recorded(folder, walked())
    r = run("dns", "wbe", "-n", "shop", "--bundle", path, "-o", "json", codes={1})
    expect("service-not-found" in [f["check"] for f in r.json["findings"]], "the Service that is not there")
    r = run("dns", "www.example.com", "--bundle", path, "-o", "json", codes={0, 1, 2})
    expect("service-not-found" not in [f["check"] for f in r.json["findings"]], "a name of the world is no Service")


def test_namespace(folder):
    """A bare name is of the namespace that is searched where it is typed."""
    path = recorded(folder, walked())
    d = run("dns", "web", "--bundle", path, "-o", "json", codes={0}).json
    expect_equal((d["findings"], rows(d, "web", libc="glibc")[0]["service"]), ([], "shop/web"), "what web is")
    d = run("dns", "web", "--bundle", path, "-n", "billing", "-o", "json", codes={0, 1}).json
    expect("service-not-found" in [f["check"] for f in d["findings"]] or rows(d, "web", libc="glibc")[0]["ok"], "with another namespace")


def test_nothing_to_show(folder):
    """A headless Service without endpoints has no name: that is as it must be."""
    c = Cluster()
    c.service("shop", "none", "None", [{"name": "http", "port": 80, "protocol": "TCP"}], {"app": "none"})
    c.slice("shop", "none", [], [])
    path = c.bundle(folder)
    pod = os.path.join(path, "cluster", "pods", "shop", "client")
    names = ["none", "none.shop", "none.shop.svc", "none.shop.svc.cluster.local"]
    write(walked() + "".join(both(x) for n in names for x in (n, *(f"{n}.{s}" for s in SEARCH))), os.path.join(pod, "dns.txt"))
    write(f"search {' '.join(SEARCH)}\nnameserver {VIP}\noptions ndots:5\n", os.path.join(pod, "resolv.conf"))
    r = run("dns", "none", "-n", "shop", "--bundle", path, codes={0})
    expect("the Service has no endpoint to show" in r.out and "no fault found" in r.out, f"not told: {r.out}")


def record(path, text, conf):
    pod = os.path.join(path, "cluster", "pods", "shop", "client")
    write(text, os.path.join(pod, "dns.txt"))
    write(conf, os.path.join(pod, "resolv.conf"))


def found(path, *args, codes):
    return [(f["check"], f["severity"]) for f in run("dns", *args, "--bundle", path, "-o", "json", codes=codes).json["findings"]]


def test_policy_on_purpose(folder):
    """A pod that does not want the cluster's DNS, and resolves what it asks for."""
    c = Cluster()
    c.get("pods", "client")["spec"]["dnsPolicy"] = "Default"
    path = c.bundle(folder)
    there = {"www.example.com": ("192.0.2.1", None)}
    names = ["www.example.com", "www.example.com.corp.example", KUBERNETES, "kubernetes.default", "kubernetes.default.corp.example", "web.shop", "web.shop.corp.example"]
    record(path, "".join(both(n, there, "192.0.2.53") for n in names), "nameserver 192.0.2.53\nsearch corp.example\n")
    expect_equal(found(path, "www.example.com", codes={0}), [("dnspolicy-none-or-default", "info")], "a name outside")
    expect(("dnspolicy-none-or-default", "warning") in found(path, "web.shop", codes={0, 1, 2}), "a name of the cluster")


def test_other_names(folder):
    """Names that look like those of Services, and are of ports, of endpoints, or of the world."""
    path = Cluster().bundle(folder)
    there = {**TRUE, "git.corp.example": ("192.0.2.7", None), "db-0.db.shop.svc.cluster.local": ("10.244.1.41", None)}
    typed = ("git", "git.shop", "git.shop.svc.cluster.local", "db-0.db", "db-0.db.shop.svc.cluster.local", "db-0.db.svc.cluster.local")
    names = sorted({*typed, *(f"{t}.{s}" for t in typed for s in SEARCH), *TYPED, *(f"{t}.{s}" for t in TYPED for s in SEARCH)})
    record(path, "".join(both(n, there) for n in names), f"search {' '.join(SEARCH)}\nnameserver {VIP}\noptions ndots:5\n")
    for name in ("git", "db-0.db", "db-0.db.shop.svc.cluster.local"):
        expect_equal([f for f in found(path, name, codes={0}) if f[1] != "info"], [], name)
    expect("service-not-found" not in [f[0] for f in found(path, "_http._tcp.web.shop.svc.cluster.local", codes={0, 2})], "a port")


def test_lost(folder):
    """One form of a name was lost, and others of it resolve: that is no error."""
    path = Cluster().bundle(folder)
    lost = f"web.shop.svc.{SEARCH[0]}"
    silent = "".join(f"; <<>> DiG 9.18 <<>> @{VIP} {lost} {t}\n;; communications error to {VIP}#53: timed out\n;; no servers could be reached\n\n" for t in ("A", "AAAA"))
    record(path, walked().replace(both(lost), silent), f"search {' '.join(SEARCH)}\nnameserver {VIP}\noptions ndots:5\n")
    expect_equal([s for _, s in found(path, "web.shop", codes={0, 2}) if s == "error"], [], "errors")


def test_wrong_search(folder):
    """The search list is of another namespace than the pod: that says why the bare name is none."""
    path = Cluster().bundle(folder)
    searches = ("billing.svc.cluster.local", "svc.cluster.local", "cluster.local")
    record(path, walked(searches), f"search {' '.join(searches)}\nnameserver {VIP}\noptions ndots:5\n")
    d = run("dns", "web", "--bundle", path, "-o", "json", codes={1}).json
    expect_equal([f["check"] for f in d["findings"] if f["id"] in d["causes"] and f["severity"] == "error"], ["resolv-conf-search"], "the causes")


def test_one_not_ready(folder):
    """One of two endpoints of a headless Service has no name yet; one that leaves has none any more."""
    own = "db-1.db.shop.svc.cluster.local"
    for conditions, want in (({"ready": False, "serving": False}, [("headless-no-dns-until-ready", "warning")]), ({"ready": False, "terminating": True}, [])):
        c = Cluster()
        c.slices("db")[0]["endpoints"][1]["conditions"].update(conditions)
        path = c.bundle(folder)
        db = "db.shop.svc.cluster.local"
        record(path, both(KUBERNETES) + both(db, {db: ("10.244.1.41", None)}) + both(own), f"search {' '.join(SEARCH)}\nnameserver {VIP}\noptions ndots:5\n")
        expect_equal([f for f in found(path, "db.shop", codes={0, 2}) if f[1] != "info"], want, f"{conditions}")


def test_hand_made(folder):
    """Two files, put together by hand: where nobody tells the domain, a denial is no fault; where it is told, one denial says nothing of the Corefile."""
    path = os.path.join(folder, "hand")
    os.makedirs(path)
    shutil.copy(os.path.join(Cluster().bundle(folder), "cluster", "services.json"), path)
    write(dig(WEB, "A", None, status="NXDOMAIN"), os.path.join(path, "dns.txt"))
    for name in ("web", "web.shop"):
        d = run("dns", name, "-n", "shop", "--bundle", path, "-o", "json", codes={2}).json
        expect_equal((d["domain_assumed"], [f["check"] for f in d["findings"] if f["severity"] == "error"]), (True, []), "without any domain")
    write(dig("nobody.example", "A", None, status="NXDOMAIN"), os.path.join(path, "dns.txt"))
    r = run("dns", "--bundle", path, codes={2})
    expect("no name that is known to resolve" in r.out, f"taken for health: {r.out}")
    write(dig(KUBERNETES, "A", "10.96.0.1"), os.path.join(path, "dns.txt"))
    run("dns", "--bundle", path, codes={0})
    path = recorded(folder, dig(WEB, "A", None, status="NXDOMAIN"))
    os.remove(os.path.join(path, "cluster", "configmaps.json"))
    d = run("dns", "web", "-n", "shop", "--bundle", path, "-o", "json", codes={1}).json
    expect_equal([f["check"] for f in d["findings"] if f["severity"] == "error"], ["dns-wrong-record"], "one denial")


def test_made_up(folder):
    """A file with more servers than anybody has, and one that is asked again and again."""
    path = recorded(folder, walked() + "".join(dig(WEB, "A", "10.96.99.9", f"10.{i >> 8}.{i & 255}.7") for i in range(4000)) + dig(WEB, "A", "10.96.99.9") * 5)
    r = run("dns", "web", "-n", "shop", "--bundle", path, codes={1})
    d = run("dns", "web", "-n", "shop", "--bundle", path, "-o", "json", codes={1}).json
    expect_equal(len(d["servers"]), 4001, "servers")
    expect(f"{VIP}, {VIP}" not in r.out, f"told twice: {r.out[:3000]}")


# ---- asking ----

def nobody(folder):
    return {"KUBECONFIG": os.path.join(folder, "none"), "HOME": folder, "KUBERNETES_SERVICE_HOST": ""}


def test_pod(w, bundle):
    r = run("dns", "web", "-n", "shop", "--bundle", bundle, "--netns", w.name("cl"), codes={0})
    for words in ("from pod shop/client on node1, asked just now", "endpoint coredns-c", "every name resolves"):
        expect(words in r.out, f"{words!r} is not in {r.out}")
    r = run("diagnose", "web", "-n", "shop", "--bundle", bundle, "--netns", w.name("cl"), "--dns", codes={0, 2})
    expect("the full name resolve to 10.96.20.1, fd96::20:1 from pod shop/client" in r.out and "network namespace" not in r.out, f"not told: {r.out}")
    d = run("dns", "web", "-n", "shop", "--bundle", bundle, "--netns", w.name("cl"), "--repeat", "3", "-o", "json", codes={0}).json
    expect_equal(sum(s["asked"] for s in d["servers"] if s["transport"] == "udp") > 60, True, "questions with pairs")


def test_process(w, bundle):
    """A process has a resolv.conf and a libc of its own."""
    p = subprocess.Popen(["ip", "netns", "exec", w.name("cl"), "sleep", "60"])
    try:
        for _ in range(200):
            with open(f"/proc/{p.pid}/comm", encoding="utf-8") as f:
                if f.read().strip() == "sleep":
                    break
            time.sleep(0.01)
        d = run("dns", "web", "-n", "shop", "--bundle", bundle, "--pid", str(p.pid), "-o", "json", codes={0}).json
    finally:
        p.kill()
        p.wait()
    expect_equal((d["places"][0]["libc"], d["places"][0]["views"][0]["search"][0], d["places"][0]["pod"]), ("glibc", SEARCH[0], "client"), "the place")
    expect_equal({n["libc"] for n in d["names"]}, {"glibc"}, "whose names")


def test_node(w, bundle):
    """The node's own resolv.conf is not what pods get."""
    r = run("dns", "web", "-n", "shop", "--bundle", bundle, "--here", prefix=["ip", "netns", "exec", w.name("node1")], codes={0})
    expect("from node node1" in r.out and "names as a pod there would ask for them" in r.out and "every name resolves" in r.out, f"not told: {r.out}")


def test_host_network(w, bundle):
    """A pod with the node's addresses and a file for pods: that file is not the node's."""
    path = f"/etc/netns/{w.name('node2')}/resolv.conf"
    with open(path, encoding="utf-8") as f:
        own = f.read()
    write(w.conf_text(), path)
    try:
        d = run("dns", "web", "--bundle", bundle, "--netns", w.name("node2"), "-o", "json", codes={0}).json
    finally:
        write(own, path)
    expect_equal((d["findings"], rows(d, "web", libc="glibc")[0]["ok"]), ([], True), "a pod of the host network")


def test_node_alone(w, bundle):
    """A node without a cluster, whose kubelet tells nothing: whom pods ask is not known, unless somebody says it."""
    prefix = ["ip", "netns", "exec", w.name("node1")]
    r = run("dns", "web", "-n", "shop", "--node", "live", prefix=prefix, codes={2}, env=nobody(w.folder))
    expect("which server pods ask is not known here" in r.out, f"not told: {r.out}")
    r = run("dns", "web", "-n", "shop", "--node", "live", "--server", VIP, prefix=prefix, codes={0}, env=nobody(w.folder))
    expect(f"ok  {WEB}   10.96.20.1" in r.out, f"not asked: {r.out}")
    return bundle and None


def test_outside(w, bundle):
    prefix = ["ip", "netns", "exec", w.name("net")]
    r = run("dns", "web", "-n", "shop", "--bundle", bundle, "--server", "10.244.1.2", "--tcp", prefix=prefix, codes={0}, env=nobody(w.folder))
    expect("10.96.20.1" in r.out and "every name resolves" in r.out, f"a server that was named: {r.out}")


def test_no_cluster(w):
    r = run("dns", "web", "--netns", w.name("cl"), codes={0}, env=nobody(w.folder))
    expect("DNS alone" in r.out and "web   10.96.20.1" in r.out and "cannot be told" in r.out, f"not told: {r.out}")
    r = run("dns", "www.example.com", "--netns", w.name("cl"), "-o", "json", codes={0}, env=nobody(w.folder))
    expect_equal([(n["ok"], n["query_count"]) for n in rows(r.json, "www.example.com", libc="glibc")], [(True, 10)], "a name of the world")


def test_foreign(folder):
    """A machine of no cluster, where nobody answers: never healthy, and what it probably is."""
    prefix = ["unshare", "-n", "sh", "-c", 'ip link set lo up && exec "$@"', "sh"]
    conf = os.path.join(folder, "foreign", "resolv.conf")
    write("search corp.example\n", conf)
    for name, more in (("kubernetes.default", ()), ("Kubernetes.Default", ()), ("www.example.com", ()), ("kubernetes.default", ("--ignore", "dns-name-not-resolved"))):
        r = run("dns", name, "--resolv-conf", conf, *more, prefix=prefix, codes={2}, env=nobody(folder))
        expect(more or f"warning: {name.lower()} does not resolve" in r.out, f"not told: {r.out}")
        expect("no search domain of a cluster" in r.out and "127.0.0.1  UDP   0 of" in r.out, f"not told: {r.out}")
    r = run("dns", "--resolv-conf", conf, prefix=prefix, codes={2}, env=nobody(folder))
    expect("no check tells why" in r.out and "probably in none" in r.out, f"not told: {r.out}")
    path = recorded(folder)
    r = run("dns", "web", "-n", "shop", "--bundle", path, "--server", "127.0.0.1", prefix=prefix, codes={2})
    expect("warning: web.shop.svc.cluster.local does not resolve" in r.out, f"not told: {r.out}")
    r = run("dns", "web", "-n", "shop", "--bundle", path, "--server", "::1", prefix=["unshare", "-n"], codes={2})
    expect("none of the questions could be asked" in r.out and "neither a node nor" not in r.out, f"not told: {r.out}")


def test_nodes_unknown(folder):
    """Who may not read nodes is not in the cluster for that: nothing is sent to its addresses, and --dns was not looked at."""
    prefix = ["unshare", "-n", "sh", "-c", 'ip link set lo up && exec "$@"', "sh"]
    path, conf = recorded(folder), os.path.join(folder, "foreign", "resolv.conf")
    shutil.rmtree(os.path.join(path, "nodes"), ignore_errors=True)
    os.remove(os.path.join(path, "cluster", "nodes.json"))
    write("search corp.example\nnameserver 127.0.0.1\n", conf)
    with open("/etc/resolv.conf", encoding="utf-8") as f:
        own = "svc." not in f.read()
    r = run("diagnose", "web", "-n", "shop", "--dns", "--bundle", path, prefix=prefix, codes={1, 2} if own else {0, 1, 2}, env=nobody(folder))
    expect(not own or "--here asks nevertheless" in r.out, f"not told: {r.out}")
    write(f"search shop.svc.cluster.local svc.cluster.local\nnameserver {VIP}\n", conf)
    r = run("dns", "web", "-n", "shop", "--here", "--resolv-conf", conf, "--bundle", path, prefix=prefix, env=nobody(folder))
    expect("--here asks nevertheless" not in r.out and "from this machine" in r.out, f"not asked: {r.out}")


def test_forbidden(w, bundle):
    """A job without any right: DNS is asked all the same, and nothing is judged that cannot be compared."""
    with ApiServer(os.path.join(bundle, "cluster"), rules={"system:serviceaccount:shop:ci": []}) as server:
        server.tokens["ci"] = ("system:serviceaccount:shop:ci", ["system:serviceaccounts"])
        server.rules = {u: [] for u in (*server.rules, "admin")}
        r = run("dns", "web", "--kubeconfig", server.kubeconfig(), "--netns", w.name("cl"), codes={0, 2, 77})
    expect("web   10.96.20.1" in r.out, f"not asked: {r.out} {r.err}")
    expect("not compared" in r.out and r.out.startswith("looked at: DNS alone; nothing could be read of cluster"), f"not told: {r.out}")


def test_laptop(w, bundle):
    """A kubeconfig and no way in: nothing is asked, and the commands that ask are printed."""
    with ApiServer(os.path.join(bundle, "cluster")) as server:
        r = run("dns", "web", "-n", "shop", "--kubeconfig", server.kubeconfig(), codes={0, 1, 2})
        d = run("dns", "web", "-n", "shop", "--kubeconfig", server.kubeconfig(), "-o", "json", codes={0, 1, 2}).json
    expect_equal((d["outside"], d["places"], r.rc), (True, [], 2), "what was asked")
    expect("neither a node nor a pod" in r.out and "kubectl --kubeconfig" in r.out and "nslookup web.shop" in r.out, f"not told: {r.out}")
    return w and None


def test_interrupted(w, bundle):
    p = subprocess.Popen([PROGRAM, "dns", "web", "-n", "shop", "--bundle", bundle, "--netns", w.name("cl"), "--server", "10.90.7.77", "--try-timeout", "30s"],
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    time.sleep(0.3)
    p.send_signal(signal.SIGINT)
    p.communicate(timeout=20)
    expect_equal(p.returncode, -signal.SIGINT, "how it ends")
    r = run("dns", "web", "-n", "shop", "--bundle", bundle, "--netns", w.name("cl"), "--server", "10.90.7.77", "--try-timeout", "30s", "--timeout", "300ms",
            "-o", "json", codes={1, 2}, timeout=20)
    expect_equal([s["answered"] for s in r.json["servers"]], [0] * len(r.json["servers"]), "answers")


def main():
    t = Tests()
    for test in (test_recorded, test_full_name_only, test_differs, test_several_places, test_no_answers, test_hostile_words, test_missing_service,
                 test_namespace, test_nothing_to_show, test_policy_on_purpose, test_other_names, test_one_not_ready, test_lost, test_wrong_search, test_hand_made, test_made_up):
        with tempfile.TemporaryDirectory(prefix="svcdoctor-dns-") as folder:
            t.run(test.__name__[5:], test, folder)
    t.run("options", test_options)
    asking = (test_pod, test_process, test_node, test_host_network, test_node_alone, test_outside, test_forbidden, test_laptop, test_interrupted)
    why = lacks()
    if why:
        for test in (*asking, test_no_cluster, test_foreign, test_nodes_unknown):
            t.skip(test.__name__[5:], why)
        t.finish()
    with tempfile.TemporaryDirectory(prefix="svcdoctor-dns-") as folder, World(900, folder) as w:
        w.start()
        bundle = w.bundle()
        for test in asking:
            t.run(test.__name__[5:], test, w, bundle)
        t.run("no_cluster", test_no_cluster, w)
        t.run("foreign", test_foreign, folder)
        t.run("nodes_unknown", test_nodes_unknown, folder)
    t.finish()


if __name__ == "__main__":
    sys.exit(main())
