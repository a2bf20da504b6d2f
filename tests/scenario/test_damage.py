#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""One damage at a time to a copy of a recorded cluster: exactly the right differences appear, with the rule, or with the chain where
the missing rule belongs and its text. Every damage is done to node1 only, so nothing may be said about node2."""
import os
import re

from common import Copy, Dump, LABS, Tests, expect, expect_equal, run, short

NODE = "node1"
PODS = "10.244.0.0/16"
WEB = "KUBE-SVC-LOLE4ISW44XBNF3G"  # default/web: 10.244.1.135, 10.244.1.136, 10.244.2.73, port 80
WEB_FRONTENDS = {"10.96.136.124:80/TCP", "*:32035/TCP"}
WEB_SEP = {"10.244.1.135": "KUBE-SEP-6VWVZPWHFA2ZS3D4", "10.244.1.136": "KUBE-SEP-75KCLHEPYEUJ724R",
           "10.244.2.73": "KUBE-SEP-YALWEIW2Q6VQOFME"}
NGINX_SEP = "KUBE-SEP-SQ3FCLUQLSDJ5BGW"  # default/my-nginx:http, the one endpoint 10.244.1.20:80
NGINX_FRONTENDS = {"10.96.180.89:80/TCP", "*:30080/TCP"}
# Services whose endpoints are pods, so that their traffic is forwarded into the pod range.
TO_PODS = {"default/web", "default/hostnames", "default/sticky", "default/my-nginx", "default/example-service", "default/ext-ip",
           "kube-system/kube-dns", "shop/api", "shop/node-ip-stolen", "shop/lb-ranges"}
HAIRPINS = 9  # Services with an endpoint on node1 that is a pod
NOT_REFUSED = TO_PODS | {"default/kubernetes"}


class Lab(Copy):
    """A copy of a lab in which one node's dump is damaged."""

    def __init__(self, backend):
        super().__init__(LABS[backend])
        self.backend = backend
        self.other = "legacy" if backend == "nft" else "nft"

    def dump(self, change, backend=None):
        """change(dump) returns what the test wants to know."""
        kept = []

        def edit(text):
            d = Dump(text)
            kept.append(change(d))
            return str(d)
        self.edit(edit, "nodes", NODE, f"iptables-{backend or self.backend}-save.txt")
        return kept[0]

    def verify(self, code=1):
        return run("verify", "-A", "--bundle", self.path, "-o", "json", codes=[code]).json

    def diagnose(self):
        return run("diagnose", "-A", "--bundle", self.path, "-o", "json", codes=[1]).json

    def trace(self, src, dst):
        t = run("trace", src, dst, "--bundle", self.path, "--node", NODE, "-o", "json", codes=[0]).json
        return t["traces"][0] if "traces" in t else t


def describe(d):
    by = d["by"] or {}
    return f"{d['kind']} {d['node']} {d['service']} {d['frontend']} by {by.get('chain')} {by.get('index')} {by.get('text')}"


def listing(differences):
    return "\n".join(describe(d) for d in differences[:40])


def check_all(lab, v, *, chain, text, index=None, foreign=False, table="nat", backend=None):
    """What every difference of a damage has in common: the node, and the rule behind it."""
    expect(v["differences"], "no difference")
    expect_equal(v["undecided"], [], "undecided")
    for d in v["differences"]:
        by = d["by"]
        expect(d["node"] == NODE, f"another node: {describe(d)}")
        expect(by is not None, f"no rule: {describe(d)}")
        for key, want in (("chain", chain), ("text", text), ("table", table), ("backend", backend or lab.backend), ("kind", "rule"),
                          ("node", NODE)):
            expect(by[key] == want, f"by.{key} is {by[key]!r}, not {want!r}: {describe(d)}")
        if index is not None:
            expect(by["index"] == index, f"by.index is {by['index']}, not {index}: {describe(d)}")
        expect(d["foreign"] == foreign, f"foreign is {d['foreign']}: {describe(d)}")


def check_exact(v, kinds, service, frontends):
    """Exactly one difference of each kind for each frontend of one Service."""
    got = sorted((d["kind"], d["service"], d["frontend"]) for d in v["differences"])
    want = sorted((k, service, f) for k in kinds for f in frontends)
    expect(got == want, lambda: f"expected {want}, got\n{listing(v['differences'])}")


def services_of(v):
    return {d["service"] for d in v["differences"]}


# ---- endpoint chains ----

def sep_dnat_removed(lab, address):
    text = lab.dump(lambda d: d.remove("nat", WEB_SEP[address], "-j DNAT"))
    v = lab.verify()
    check_all(lab, v, chain=WEB_SEP[address], text=text)
    check_exact(v, ["missing-endpoint"], "default/web", WEB_FRONTENDS)


def single_sep_dnat_removed(lab):
    text = lab.dump(lambda d: d.remove("nat", NGINX_SEP, "-j DNAT"))
    v = lab.verify()
    check_all(lab, v, chain=NGINX_SEP, text=text)
    check_exact(v, ["no-rule"], "default/my-nginx", NGINX_FRONTENDS)


def sep_masquerade_removed(lab):
    sep = WEB_SEP["10.244.1.135"]
    text = lab.dump(lambda d: d.remove("nat", sep, "-j KUBE-MARK-MASQ"))
    v = lab.verify()
    check_all(lab, v, chain=sep, text=text)
    # Through the node port everything is masqueraded anyway.
    check_exact(v, ["hairpin"], "default/web", {"10.96.136.124:80/TCP"})
    expect(v["differences"][0]["example"] == "10.244.1.135", f"example is {v['differences'][0]['example']}")


def dnat_port_changed(lab):
    sep = WEB_SEP["10.244.2.73"]
    text, index = lab.dump(lambda d: d.replace("nat", sep, ["-j DNAT"], "10.244.2.73:80", "10.244.2.73:81"))
    v = lab.verify()
    check_all(lab, v, chain=sep, text=text, index=index)
    check_exact(v, ["wrong-port"], "default/web", WEB_FRONTENDS)
    for d in v["differences"]:
        expect(any(a["address"] == "10.244.2.73" and a["port"] == 81 for a in d["actual"]), f"actual is {d['actual']}")


def stale_endpoint(lab):
    def change(d):
        d.add_chain("nat", "KUBE-SEP-AAAAAAAAAAAAAAAA")
        d.insert("nat", "-A KUBE-SEP-AAAAAAAAAAAAAAAA -s 10.244.1.99/32 -m comment --comment \"default/web\" -j KUBE-MARK-MASQ")
        at = d.find("nat", WEB, "--probability 0.33333333349")[2]
        d.insert("nat", f'-A {WEB} -m comment --comment "default/web -> 10.244.1.99:80" -m statistic --mode random '
                 "--probability 0.25000000000 -j KUBE-SEP-AAAAAAAAAAAAAAAA", at)
        return d.insert("nat", '-A KUBE-SEP-AAAAAAAAAAAAAAAA -p tcp -m comment --comment "default/web" -m tcp -j DNAT '
                        "--to-destination 10.244.1.99:80")
    text, index = lab.dump(change)
    v = lab.verify()
    check_all(lab, v, chain="KUBE-SEP-AAAAAAAAAAAAAAAA", text=text, index=index)
    check_exact(v, ["stale-endpoint"], "default/web", WEB_FRONTENDS)


# ---- Service chains ----

def balance_removed(lab, address):
    text = lab.dump(lambda d: d.remove("nat", WEB, f"-j {WEB_SEP[address]}"))
    v = lab.verify()
    check_all(lab, v, chain=WEB, text=text)
    check_exact(v, ["missing-endpoint"], "default/web", WEB_FRONTENDS)


def probability_changed(lab):
    text, index = lab.dump(lambda d: d.replace("nat", WEB, ["--probability 0.33333333349"], "0.33333333349", "0.50000000000"))
    v = lab.verify()
    check_all(lab, v, chain=WEB, text=text, index=index)
    check_exact(v, ["uneven-share"], "default/web", WEB_FRONTENDS)


# ---- entries ----

def entry_removed(lab):
    text = lab.dump(lambda d: d.remove("nat", "KUBE-SERVICES", "default/hostnames:default cluster IP"))
    v = lab.verify()
    check_all(lab, v, chain="KUBE-SERVICES", text=text)
    check_exact(v, ["no-rule"], "default/hostnames", {"10.96.250.211:80/TCP"})


def nodeport_entry_removed(lab):
    text = lab.dump(lambda d: d.remove("nat", "KUBE-NODEPORTS", "-A KUBE-NODEPORTS -p tcp", '"default/web"'))
    v = lab.verify()
    check_all(lab, v, chain="KUBE-NODEPORTS", text=text)
    check_exact(v, ["no-rule"], "default/web", {"*:32035/TCP"})


def targets_swapped(lab):
    hostnames = "KUBE-SVC-ODX2UBAZM7RQWOIU"

    def change(d):
        first, n1 = d.replace("nat", "KUBE-SERVICES", ["default/web cluster IP"], WEB, hostnames)
        second, n2 = d.replace("nat", "KUBE-SERVICES", ["default/hostnames:default cluster IP"], hostnames, WEB)
        return {"default/web": (first, n1), "default/hostnames": (second, n2)}
    rules = lab.dump(change)
    v = lab.verify()
    frontends = {"default/web": "10.96.136.124:80/TCP", "default/hostnames": "10.96.250.211:80/TCP"}
    for d in v["differences"]:
        expect(d["service"] in rules and d["node"] == NODE, f"another Service: {describe(d)}")
        expect(d["frontend"] == frontends[d["service"]], f"another frontend: {describe(d)}")
        expect(d["kind"] == "wrong-endpoint", f"another kind: {describe(d)}")
        text, index = rules[d["service"]]
        expect(d["by"]["chain"] == "KUBE-SERVICES" and d["by"]["text"] == text and d["by"]["index"] == index, f"rule: {describe(d)}")
    expect_equal(services_of(v), set(rules), "Services")
    expect_equal(len(v["differences"]), 2, "differences")


def refusal_removed(lab):
    text = lab.dump(lambda d: d.remove("filter", "KUBE-SERVICES", "shop/cart has no endpoints"))
    v = lab.verify()
    check_all(lab, v, chain="KUBE-SERVICES", text=text, table="filter")
    check_exact(v, ["not-refused"], "shop/cart", {"10.96.75.131:80/TCP"})


def stale(v, frontend, service, text, chain, table="nat"):
    found = [d for d in v["differences"] if d["kind"] == "stale-frontend"]
    expect_equal([(d["frontend"], d["service"], d["by"]["text"], d["by"]["chain"], d["by"]["table"], d["severity"], d["expected"])
                  for d in found], [(frontend, service, text, chain, table, "warning", [])], "stale frontends")
    return found[0]


def entry_edited(lab):
    """An entry for an address that is nobody's: its own address has none, and the other is stale."""
    text, _ = lab.dump(lambda d: d.replace("nat", "KUBE-SERVICES", ["default/hostnames:default cluster IP"], "10.96.250.211", "10.96.7.7"))
    v = lab.verify()
    expect_equal(sorted((d["kind"], d["frontend"]) for d in v["differences"]),
                 [("no-rule", "10.96.250.211:80/TCP"), ("stale-frontend", "10.96.7.7:80/TCP")], "differences")
    d = stale(v, "10.96.7.7:80/TCP", "default/hostnames", text, "KUBE-SERVICES")
    expect(d["sources"] == "pods of this node, the node itself, outside the cluster", d["sources"])


def service_gone(lab):
    """Rules of a Service that the API does not know any more: its cluster IP, its refusal, its node port."""
    def change(d):
        d.insert("filter", '-A KUBE-SERVICES -d 10.96.9.9/32 -p tcp -m comment --comment "shop/gone has no endpoints" -m tcp --dport 81 '
                 '-j REJECT --reject-with icmp-port-unreachable', 1)
        d.insert("nat", '-A KUBE-NODEPORTS -p tcp -m comment --comment "shop/gone:dns" -m tcp --dport 30999 -j KUBE-EXT-LOLE4ISW44XBNF3G', 1)
        d.insert("nat", "-A PREROUTING -d 10.96.9.10/32 -p tcp -m tcp --dport 80 -j DNAT --to-destination 10.244.1.135:80", 1)
    lab.dump(change)
    v = lab.verify(0)
    expect_equal(sorted((d["kind"], d["frontend"], d["service"], d["by"]["chain"]) for d in v["differences"]),
                 [("stale-frontend", "*:30999/TCP", None, "KUBE-NODEPORTS"), ("stale-frontend", "10.96.9.9:81/TCP", None, "KUBE-SERVICES")],
                 "differences (a rule of somebody else's is nobody's stale frontend)")


# ---- jumps ----

def findings(d):
    out = {}
    for f in d["cluster"] + [f for s in d["services"] for f in s["causes"] + s["explained"]]:
        out[f["id"]] = f
    return out


def check_not_jumped(lab, chain):
    found = [f for f in findings(lab.diagnose()).values() if f["check"] == "kube-chain-not-jumped"]
    expect_equal(len(found), 1, "findings kube-chain-not-jumped")
    expect_equal((found[0]["node"], found[0]["severity"]), (NODE, "error"), "node and severity")
    expect(chain in found[0]["text"] + " ".join(found[0]["evidence"]), f"{chain} is not named in {found[0]}")


def entry_jump_removed(lab, hook):
    text = lab.dump(lambda d: d.remove("nat", hook, "-j KUBE-SERVICES"))
    v = lab.verify()
    check_all(lab, v, chain=hook, text=text)
    expect_equal({d["kind"] for d in v["differences"]}, {"no-rule"}, "kinds")
    expect_equal(services_of(v), NOT_REFUSED, "Services")
    sources = {c for d in v["differences"] for c in d["class"]["from"].split(",")}
    want = {"pod", "outside"} if hook == "PREROUTING" else {"node", "loopback"}
    expect_equal(sources, want, "classes of sources")
    check_not_jumped(lab, hook)


def postrouting_jump_removed(lab):
    text = lab.dump(lambda d: d.remove("nat", "POSTROUTING", "-j KUBE-POSTROUTING"))
    v = lab.verify()
    check_all(lab, v, chain="POSTROUTING", text=text)
    expect_equal({d["kind"] for d in v["differences"]}, {"not-masqueraded", "hairpin"}, "kinds")
    expect_equal(services_of(v), NOT_REFUSED, "Services")
    check_not_jumped(lab, "POSTROUTING")


# ---- marks ----

def check_marks(v):
    expect_equal({d["kind"] for d in v["differences"]}, {"not-masqueraded", "hairpin"}, "kinds")
    expect_equal(services_of(v), NOT_REFUSED, "Services")


def mark_changed(lab):
    text, index = lab.dump(lambda d: d.replace("nat", "KUBE-MARK-MASQ", ["MARK"], "0x4000/0x4000", "0x8000/0x8000"))
    v = lab.verify()
    check_all(lab, v, chain="KUBE-MARK-MASQ", text=text, index=index)
    check_marks(v)


def mark_cleared_by_another(lab):
    text, index = lab.dump(lambda d: d.insert("mangle", "-A POSTROUTING -j MARK --set-xmark 0x0/0xffffffff"))
    v = lab.verify()
    check_all(lab, v, chain="POSTROUTING", text=text, index=index, foreign=True, table="mangle")
    check_marks(v)


# ---- foreign DROPs ----

DROP = f"-A FORWARD -d {PODS} -j DROP"


def check_dropped(v):
    """What goes to pods is dropped; what comes from the API server, which is no pod, back to a pod as well."""
    expect_equal({d["service"] for d in v["differences"] if d["kind"] == "dropped"}, TO_PODS, "Services dropped")
    expect_equal({d["service"] for d in v["differences"] if d["kind"] == "reply-lost"}, {"default/kubernetes"}, "Services without reply")
    expect_equal({d["kind"] for d in v["differences"]}, {"dropped", "reply-lost"}, "kinds")


def drop_before(lab):
    text, index = lab.dump(lambda d: d.insert("filter", DROP, 1))
    v = lab.verify()
    check_all(lab, v, chain="FORWARD", text=text, index=index, foreign=True, table="filter")
    check_dropped(v)
    expect({"10.96.136.124:80/TCP", "*:32035/TCP", "*:30080/TCP"} <= {d["frontend"] for d in v["differences"]}, "a frontend is missing")
    return {(d["service"], d["frontend"]) for d in v["differences"]}


def drop_after(lab):
    """Behind KUBE-FORWARD only what is not masqueraded is lost: pods to ClusterIPs, and what keeps its source by policy."""
    text, index = lab.dump(lambda d: d.insert("filter", DROP))
    v = lab.verify()
    check_all(lab, v, chain="FORWARD", text=text, index=index, foreign=True, table="filter")
    expect_equal({d["kind"] for d in v["differences"]}, {"dropped"}, "kinds")
    expect_equal(services_of(v), TO_PODS, "Services")
    for d in v["differences"]:
        expect(d["service"] == "default/example-service" or re.match(r"10\.96\.", d["frontend"]), f"masqueraded: {describe(d)}")
        expect(d["class"]["from"] == "pod", f"not from a pod: {describe(d)}")


def drop_in_other_backend(lab):
    """The other backend sees no mark of kube-proxy's that would save a packet: before or after makes no difference."""
    def change(d):
        if "*filter" not in d.lines:
            d.lines += ["*filter", ":INPUT ACCEPT [0:0]", ":FORWARD ACCEPT [0:0]", ":OUTPUT ACCEPT [0:0]", "COMMIT", ""]
        return d.insert("filter", DROP)
    text, index = lab.dump(change, lab.other)
    v = lab.verify()
    check_all(lab, v, chain="FORWARD", text=text, index=index, foreign=True, table="filter", backend=lab.other)
    check_dropped(v)
    with Lab(lab.backend) as again:
        expect_equal({(d["service"], d["frontend"]) for d in v["differences"]}, drop_before(again), "frontends")


# ---- delivery ----

def forwarding_off(lab, pattern):
    lab.edit(lambda text: re.sub(pattern, r"\1 = 0", text, flags=re.M), "nodes", NODE, "sysctl.txt")
    v = lab.verify()
    expect_equal(v["differences"], [], "differences")
    expect_equal([(b["node"], b["cause"]) for b in v["broken"]], [(NODE, "ip-forward")], "broken")
    expect(v["broken"][0]["services"] >= len(TO_PODS), f"only {v['broken'][0]['services']} Services")
    expect_equal(v["broken"][0]["by"]["kind"], "sysctl", "by.kind")
    found = [f for f in findings(lab.diagnose()).values() if f["check"] == "ip-forward-disabled"]
    expect_equal([(f["node"], f["severity"]) for f in found], [(NODE, "error")], "findings ip-forward-disabled")


# ---- replies and hairpin ----

def only_broken(lab, cause, check, kind):
    """One fault of the node and nothing else: no difference, one entry, one finding, no Service called broken for it."""
    v = lab.verify()
    expect_equal(v["differences"], [], "differences")
    expect_equal([(b["node"], b["cause"], b["by"]["kind"]) for b in v["broken"]], [(NODE, cause, kind)], "broken")
    found = [f for f in findings(lab.diagnose()).values() if f["check"] == check]
    expect_equal([(f["node"], f["severity"]) for f in found], [(NODE, "error")], f"findings {check}")
    expect(found[0]["fix"] and found[0]["evidence"], f"neither evidence nor fix: {found[0]}")
    return v["broken"][0], found[0]


def hairpin_off(lab, ports, services):
    def change(text):
        for port in ports:
            text = re.sub(r'("ifname":\s*"%s".*?"hairpin":\s*)true' % port, r"\1false", text, count=1, flags=re.S)
        return text
    lab.edit(change, "nodes", NODE, "ip-link.json")
    broken, found = only_broken(lab, "hairpin-mode", "hairpin-mode-off", "bridge")
    expect_equal([c for c in found["fix"] if "hairpin on" in c], [f"sudo bridge link set dev {p} hairpin on" for p in ports], "fixes")
    expect_equal(broken["services"], services, "Services")


def mixed_ports_unknown(lab):
    """Without the FDB nobody knows which port has whom: no fault is claimed, and what is not judged is said."""
    lab.edit(lambda text: re.sub(r'("ifname":\s*"vethp5".*?"hairpin":\s*)true', r"\1false", text, count=1, flags=re.S), "nodes", NODE, "ip-link.json")
    os.remove(lab.file("nodes", NODE, "bridge-fdb.json"))
    v = lab.verify(0)
    expect_equal((v["differences"], v["broken"]), ([], []), "differences and broken")
    t = lab.trace("10.244.1.135", "10.96.136.124:80")
    self = [e for e in t["endings"] if e["address"] == "10.244.1.135"]
    expect_equal([(e["delivery"], e["reply"]["ok"]) for e in self], [("unknown", None)], "the pod to itself")
    expect("vethp5 has hairpin mode off" in self[0]["reply"]["why"], f"the port is not named: {self[0]['reply']}")
    others = [e["reply"]["ok"] for e in t["endings"] if e["address"] != "10.244.1.135"]
    expect_equal(others, [True, True], "replies of others")


def bridge_netfilter_off(lab, pattern, replacement, said):
    lab.edit(lambda text: re.sub(pattern, replacement, text, flags=re.M), "nodes", NODE, "sysctl.txt")
    _, found = only_broken(lab, "bridge-nf", "bridge-nf-call-iptables-off", "bridge")
    expect(any(said in e for e in found["evidence"]), f"{said!r} is not among {found['evidence']}")
    t = lab.trace("10.244.1.135", "10.96.136.124:80")
    replies = {e["address"]: e["reply"]["ok"] for e in t["endings"]}
    expect_equal(replies, {"10.244.1.135": True, "10.244.1.136": False, "10.244.2.73": True}, "replies")


REPLY_DROP = "-A FORWARD -s 10.244.2.0/24 -p tcp -m conntrack --ctstate RELATED,ESTABLISHED -j DROP"


def reply_dropped(lab):
    """Requests pass and the other node's replies do not: each frontend with an endpoint there, by that rule."""
    text, index = lab.dump(lambda d: d.insert("filter", REPLY_DROP, 1))
    v = lab.verify()
    check_all(lab, v, chain="FORWARD", text=text, index=index, foreign=True, table="filter")
    expect_equal({d["kind"] for d in v["differences"]}, {"reply-lost"}, "kinds")
    expect("default/web" in services_of(v) and "default/kubernetes" not in services_of(v), f"Services: {services_of(v)}")
    expect_equal(v["broken"], [], "broken")


def reply_undecided(lab):
    """A rule for replies that depends on the time of day: those frontends are undecided, by that rule."""
    rule = "-A FORWARD -s 10.244.2.73/32 -m conntrack --ctstate ESTABLISHED -m time --timestart 08:00:00 --timestop 09:00:00 -j DROP"
    lab.dump(lambda d: d.insert("filter", rule, 1))
    v = lab.verify(2)
    expect_equal((v["differences"], v["broken"]), ([], []), "differences and broken")
    expect("default/web" in {u["service"] for u in v["undecided"]}, "default/web is decided")
    for u in v["undecided"]:
        expect_equal((u["node"], u["by"]["chain"], u["by"]["index"]), (NODE, "FORWARD", 1), "undecided by")


def source_of_nobody(lab):
    """A foreign SNAT to an address that is not the node's: an endpoint on this node still answers by the node, another one does not."""
    rule = "-A POSTROUTING -m mark --mark 0x4000/0x4000 -j SNAT --to-source 192.0.2.99"
    text, index = lab.dump(lambda d: d.insert("nat", rule, 1))
    v = lab.verify()
    check_all(lab, v, chain="POSTROUTING", text=text, index=index, foreign=True)
    expect_equal({d["kind"] for d in v["differences"]}, {"reply-lost"}, "kinds")
    t = lab.trace("203.0.113.9", "172.30.99.1:32035")
    replies = {e["address"]: e["reply"]["ok"] for e in t["endings"]}
    expect_equal(replies, {"10.244.1.135": True, "10.244.1.136": True, "10.244.2.73": False}, "replies")


def rp_filter_on_replies(lab):
    """Strict on the way in of replies, and the route there leads out elsewhere by a rule for marked packets only: not claimed."""
    lab.edit(lambda text: re.sub(r"^(net\.ipv4\.conf\.eth0\.rp_filter) = 0$", r"\1 = 1", text, flags=re.M), "nodes", NODE, "sysctl.txt")
    v = lab.verify(0)
    expect_equal((v["differences"], v["broken"]), ([], []), "differences and broken")


def no_forwarding_of_replies(lab):
    """eth0 does not forward what comes in: pods lose the replies of other nodes, and the node's own connections live."""
    lab.edit(lambda text: re.sub(r"^(net\.ipv4\.conf\.eth0\.forwarding) = 1$", r"\1 = 0", text, flags=re.M), "nodes", NODE, "sysctl.txt")
    only_broken(lab, "ip-forward", "ip-forward-disabled", "sysctl")
    t = lab.trace("10.244.1.5", "10.96.0.1:443")
    expect_equal([e["reply"]["ok"] for e in t["endings"]], [False], "a pod's reply")
    expect("eth0.forwarding = 0" in t["endings"][0]["reply"]["why"], f"{t['endings'][0]['reply']}")
    t = lab.trace("172.30.99.1", "10.96.0.1:443")
    expect_equal([e["reply"]["ok"] for e in t["endings"]], [True], "the node's reply")


# ---- what changes nothing ----

def nothing_changes(lab):
    """A chain that nothing jumps to, a comment, a counter: no difference."""
    def change(d):
        d.add_chain("nat", "KUBE-SEP-BBBBBBBBBBBBBBBB")
        d.insert("nat", "-A KUBE-SEP-BBBBBBBBBBBBBBBB -p tcp -m tcp -j DNAT --to-destination 10.244.1.250:80")
        d.insert("filter", '-A FORWARD -m comment --comment "only a comment"', 1)
        d.insert("nat", "-A PREROUTING -d 10.96.136.124/32 -j LOG --log-prefix \"seen \"", 1)
        return None
    lab.dump(change)
    v = lab.verify(0)
    for part in ("differences", "undecided", "broken"):
        expect(v[part] == [], f"{part}: {short(v[part])}")


CASES = {
    "sep-dnat-removed/first": lambda lab: sep_dnat_removed(lab, "10.244.1.135"),
    "sep-dnat-removed/middle": lambda lab: sep_dnat_removed(lab, "10.244.1.136"),
    "sep-dnat-removed/last": lambda lab: sep_dnat_removed(lab, "10.244.2.73"),
    "sep-dnat-removed/only-endpoint": single_sep_dnat_removed,
    "sep-masquerade-removed": sep_masquerade_removed,
    "dnat-port-changed": dnat_port_changed,
    "stale-endpoint": stale_endpoint,
    "balance-removed/first": lambda lab: balance_removed(lab, "10.244.1.135"),
    "balance-removed/middle": lambda lab: balance_removed(lab, "10.244.1.136"),
    "balance-removed/last": lambda lab: balance_removed(lab, "10.244.2.73"),
    "probability-changed": probability_changed,
    "entry-removed": entry_removed,
    "nodeport-entry-removed": nodeport_entry_removed,
    "targets-swapped": targets_swapped,
    "refusal-removed": refusal_removed,
    "entry-edited": entry_edited,
    "service-gone": service_gone,
    "jump-removed/PREROUTING": lambda lab: entry_jump_removed(lab, "PREROUTING"),
    "jump-removed/OUTPUT": lambda lab: entry_jump_removed(lab, "OUTPUT"),
    "jump-removed/POSTROUTING": postrouting_jump_removed,
    "mark-changed": mark_changed,
    "mark-cleared-by-another": mark_cleared_by_another,
    "drop-before-kube-forward": lambda lab: (drop_before(lab), None)[1],
    "drop-after-kube-forward": drop_after,
    "drop-in-other-backend": drop_in_other_backend,
    "forwarding-off/all": lambda lab: forwarding_off(lab, r"^(net\.ipv4\.(?:ip_forward|conf\.[^.]+\.forwarding)) = 1$"),
    "forwarding-off/ip_forward-only": lambda lab: forwarding_off(lab, r"^(net\.ipv4\.ip_forward) = 1$"),
    "hairpin-off/all-ports": lambda lab: hairpin_off(lab, ["vethp135", "vethp5"], HAIRPINS),
    "hairpin-off/one-port": lambda lab: hairpin_off(lab, ["vethp5"], 1),
    "hairpin-off/port-not-known": mixed_ports_unknown,
    "bridge-netfilter-off/sysctl": lambda lab: bridge_netfilter_off(lab, r"^(net\.bridge\.bridge-nf-call-iptables) = 1$", r"\1 = 0",
                                                                    "net.bridge.bridge-nf-call-iptables = 0"),
    "bridge-netfilter-off/not-loaded": lambda lab: bridge_netfilter_off(lab, r"^net\.bridge\..*\n", "", "br_netfilter is not loaded"),
    "reply-dropped": reply_dropped,
    "reply-undecided": reply_undecided,
    "source-of-nobody": source_of_nobody,
    "rp-filter-where-replies-come": rp_filter_on_replies,
    "no-forwarding-of-replies": no_forwarding_of_replies,
    "nothing-changes": nothing_changes,
}


def case(backend, test):
    with Lab(backend) as lab:
        return test(lab)


if __name__ == "__main__":
    t = Tests()
    for backend_ in LABS:
        for name, test_ in CASES.items():
            t.run(f"damage-{backend_}/{name}", case, backend_, test_)
    t.finish()
