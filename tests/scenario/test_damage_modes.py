#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""nftables and IPVS mode: every thing that kube-proxy left on a recorded node removed, one at a time: what `verify` names as the cause is
exactly that, with the chain, map, set or interface where it belongs and its text as kube-proxy's tools print it; nothing is said where nothing
changes for anybody. Then one damage at a time of other kinds, as test_damage.py does it for iptables. Every damage is done to node1."""
import json
import os
import re

from common import Copy, Dump, Tests, expect, expect_equal, run
from mutate_ipvs import ADDRESSES, ROUTES, RULES, SERVERS, SETS, SYSCTL, lines
from test_mutations import plain, rules_of

NODE = "node1"
WEB = "service-PFISGYVC-default/web/tcp/"
WEB_FRONTENDS = {"10.96.136.124:80/TCP", "*:32035/TCP"}


# ---- what both modes share ----

def verify(bundle, *codes):
    doc = run("verify", "-A", "--bundle", bundle, "-o", "json", codes=codes or [0, 1, 2]).json
    expect(not doc["undecided"] and not doc["errors"], f"undecided {doc['undecided'][:1]}, errors {doc['errors'][:1]}")
    return doc


def show(d):
    return f"{d['kind']} {d['node']} {d['service']} {d['frontend']} by {json.dumps(d['by'])}"


def names(d, kind, place, text, missing, table=None):
    by = d["by"]
    return bool(by) and d["node"] == NODE and by["node"] == NODE and (by["kind"], by["chain"], bool(by.get("missing"))) == (kind, place, missing) and \
        (table is None or by["table"] == table) and plain(by["text"] or "") == plain(text)


def check_all(doc, kind, place, text, missing, table=None):
    """Every difference names this one thing."""
    for d in doc["differences"]:
        expect(names(d, kind, place, text, missing, table), lambda: f"expected {kind} {place} {text!r} missing={missing}: {show(d)}")


def exact(doc, *wanted):
    got = sorted({(d["kind"], d["service"], d["frontend"]) for d in doc["differences"]})
    expect_equal(got, sorted(wanted), "differences")


def removals(things, least):
    """@things: [(what, document of verify, kind, place, text, table)]"""
    named = silent = 0
    for what, doc, *thing in things:
        check_all(doc, thing[0], thing[1], thing[2], True, thing[3])
        if not doc["differences"]:
            silent += 1
            SILENT.append(what)
        named += bool(doc["differences"])
    expect(named >= least, f"only {named} of {named + silent} removals were noticed; not {SILENT}")
    return f"{named} named, {silent} without effect"


SILENT = []


# ---- nftables: rules and elements as nft(8) writes them ----

def value_text(v):
    if isinstance(v, dict):
        if "elem" in v:
            return value_text(v["elem"]["val"]) + f" comment \"{v['elem']['comment']}\""
        if "prefix" in v:
            return f"{v['prefix']['addr']}/{v['prefix']['len']}"
        if "concat" in v:
            return " . ".join(map(value_text, v["concat"]))
        if "set" in v:
            return "{ " + ", ".join(pair_text(e) if isinstance(e, list) else value_text(e) for e in v["set"]) + " }"
        return left_text(v)
    return str(v)


def verdict_text(v):
    (name, arg), = v.items()
    return f"{name} {arg['target']}" if arg else name


def pair_text(pair):
    key, data = pair
    verdict = isinstance(data, dict) and set(data) & {"goto", "jump", "drop", "accept", "return"}
    return f"{value_text(key)} : {verdict_text(data) if verdict else value_text(data)}"


def left_text(e):
    (what, v), = e.items()
    if what == "payload":
        return f"{v['protocol']} {v['field']}"
    if what in ("meta", "ct"):
        return v["key"] if (what, v["key"]) == ("meta", "mark") else f"{what} {v['key']}"
    if what == "fib":
        return f"fib {' . '.join(v['flags'])} {v['result']}"
    if what == "numgen":
        return f"numgen {v['mode']} mod {v['mod']}"
    if what == "map":
        return f"{left_text(v['key'])} map {value_text(v['data'])}"
    if what in "&|^":
        return f"{left_text(v[0])} {what} 0x{v[1]:08x}"
    return value_text(e)


def statement_text(s):
    (what, v), = s.items()
    if what == "match":
        op = {"==": "", "in": ""}.get(v["op"], v["op"] + " ")
        right = f"0x{v['right']:08x}" if "mark" in json.dumps(v["left"]) else value_text(v["right"])
        return f"{left_text(v['left'])} {op}{right}".replace("meta mark", "mark")
    if what in ("jump", "goto"):
        return f"{what} {v['target']}"
    if what == "vmap":
        return f"{left_text(v['key'])} vmap {value_text(v['data'])}"
    if what == "mangle":
        return f"meta mark set {left_text(v['value'])}"
    if what == "set":
        return f"{v['op']} {v['set']} {{ {left_text(v['elem'])} }}"
    if what == "masquerade":
        return f"masquerade {v['flags']}"
    if what == "reject":
        return "reject"
    if what == "dnat":
        port = f":{v['port']}" if "port" in v else ""
        return f"dnat {v['family'] + ' ' if 'family' in v else ''}to {value_text(v['addr'])}{port}"
    return what


def rule_text(rule):
    text = " ".join(map(statement_text, rule["expr"]))
    return text + (f" comment \"{rule['comment']}\"" if "comment" in rule else "")


def words(text):
    """A rule's words without what two versions of nft write in two ways: "mark & 0x4000 != 0" and "meta mark & 0x00004000 != 0x00000000"."""
    text = re.sub(r"\bip to\b", "to", re.sub(r"\bmeta mark\b", "mark", text))
    return re.sub(r"0x[0-9a-f]+", lambda m: str(int(m[0], 16)), text)


class Nft(Copy):
    def __init__(self):
        super().__init__("lab-nftables")

    def listing(self):
        return json.loads(self.read("nodes", NODE, "nft-ruleset.json"))["nftables"]

    def put(self, objects):
        self.write(json.dumps({"nftables": objects}), "nodes", NODE, "nft-ruleset.json")

    def change(self, edit):
        """edit(objects of the IPv4 table) in place; verify's document."""
        objects = self.listing()
        edit(objects)
        self.put(objects)
        return verify(self.path)


def of_table(o, what):
    return what in o and o[what]["family"] == "ip"


def nft_rule_removals():
    named = silent = 0
    with Nft() as lab:
        whole = lab.listing()
        for i, o in enumerate(whole):
            if not of_table(o, "rule"):
                continue
            lab.put(whole[:i] + whole[i + 1:])
            rule, doc = o["rule"], verify(lab.path)
            for d in doc["differences"]:
                by = d["by"]
                expect(by and (by["kind"], by["node"], by["backend"], by["table"], by["chain"], by.get("missing")) ==
                       ("rule", NODE, "nft", "kube-proxy", rule["chain"], True) and words(by["text"]) == words(rule_text(rule)),
                       lambda: f"without {rule['chain']}: {rule_text(rule)}: {show(d)}")
            named += bool(doc["differences"])
            silent += not doc["differences"]
    expect(named > silent, f"only {named} of {named + silent} removals were noticed")
    return f"{named} named, {silent} without effect"


def nft_element_removals():
    things = []
    with Nft() as lab:
        whole = lab.listing()
        for i, o in enumerate(whole):
            what = "map" if of_table(o, "map") else "set" if of_table(o, "set") else None
            for n, elem in enumerate(o[what].get("elem", []) if what else ()):
                row = {**o[what], "elem": o[what]["elem"][:n] + o[what]["elem"][n + 1:]}
                lab.put(whole[:i] + [{what: row}] + whole[i + 1:])
                text = pair_text(elem) if what == "map" else value_text(elem)
                things.append((f"{row['name']} {text}", verify(lab.path), "set", row["name"], text, "kube-proxy"))
    return removals(things, 30)


def objects_of(objects, what, name):
    return next(o[what] for o in objects if of_table(o, what) and o[what]["name"] == name)


def rules_of_chain(objects, chain):
    return [o["rule"] for o in objects if of_table(o, "rule") and o["rule"]["chain"] == chain]


def numgen_map(objects, chain):
    return rules_of_chain(objects, chain)[-1]["expr"][-1]["dnat"]["addr"]["map"]


def nft_case(change, check):
    with Nft() as lab:
        kept = []
        doc = lab.change(lambda objects: kept.append(change(objects)))
        check(doc, kept[0])


def endpoint_gone(objects):
    """Two of three numbers have an endpoint: a third of the connections meets no rule."""
    numgen_map(objects, WEB)["data"]["set"].pop(1)
    return rules_of_chain(objects, WEB)[-1]


def endpoint_closed(objects):
    m = numgen_map(objects, WEB)
    m["data"]["set"] = [[i, row[1]] for i, row in enumerate(m["data"]["set"][:2])]
    m["key"]["numgen"]["mod"] = 2
    return rules_of_chain(objects, WEB)[-1]


def endpoint_port(objects):
    numgen_map(objects, WEB)["data"]["set"][1][1]["concat"][1] = 81
    return rules_of_chain(objects, WEB)[-1]


def endpoint_twice(objects):
    m = numgen_map(objects, WEB)
    m["data"]["set"].append([3, m["data"]["set"][0][1]])
    m["key"]["numgen"]["mod"] = 4
    return rules_of_chain(objects, WEB)[-1]


def endpoint_stale(objects):
    m = numgen_map(objects, WEB)
    m["data"]["set"].append([3, {"concat": ["10.244.1.99", 80]}])
    m["key"]["numgen"]["mod"] = 4
    return rules_of_chain(objects, WEB)[-1]


def by_the_rule(*kinds):
    def check(doc, rule):
        exact(doc, *((k, "default/web", f) for k in kinds for f in WEB_FRONTENDS))
        for d in doc["differences"]:
            by = d["by"]
            expect(by and (by["kind"], by["chain"], bool(by.get("missing"))) == ("rule", rule["chain"], False) and
                   words(by["text"]) == words(rule_text(rule)), lambda: f"rule {rule_text(rule)}: {show(d)}")
    return check


def emptied(objects):
    rule = rules_of_chain(objects, WEB)[-1]
    objects[:] = [o for o in objects if not (of_table(o, "rule") and o["rule"]["chain"] == WEB)]
    return rule


def by_the_missing(*kinds):
    def check(doc, rule):
        exact(doc, *((k, "default/web", f) for k in kinds for f in WEB_FRONTENDS))
        for d in doc["differences"]:
            expect(d["by"]["missing"] and d["by"]["chain"] == rule["chain"] and words(d["by"]["text"]) == words(rule_text(rule)), lambda: show(d))
    return check


def policy_dropped(objects):
    objects_of(objects, "chain", "filter-forward")["policy"] = "drop"


def check_policy(doc, _):
    kinds = {d["kind"] for d in doc["differences"]}
    expect("dropped" in kinds and kinds <= {"dropped", "wrong-refusal", "reply-lost"}, f"kinds {kinds}")
    expect({"10.96.136.124:80/TCP", "*:32035/TCP"} <= {d["frontend"] for d in doc["differences"]}, "a frontend is missing")
    for d in doc["differences"]:
        by = d["by"]
        expect(by and (by["kind"], by["chain"], by["table"]) == ("policy", "filter-forward", "kube-proxy"), lambda: show(d))


def foreign_table(family, prio):
    def change(objects):
        own = {"family": family, "table": "others"}
        objects += [{"table": {"family": family, "name": "others", "handle": 99}},
                    {"chain": {**own, "name": "fwd", "handle": 1, "type": "filter", "hook": "forward", "prio": prio, "policy": "accept"}},
                    {"rule": {**own, "chain": "fwd", "handle": 2, "expr": [
                        {"match": {"op": "==", "left": {"payload": {"protocol": "ip", "field": "daddr"}},
                                   "right": {"prefix": {"addr": "10.244.2.0", "len": 24}}}}, {"drop": None}]}}]
    return change


def check_foreign(doc, _):
    expect_equal({d["kind"] for d in doc["differences"]} - {"reply-lost"}, {"dropped"}, "kinds")
    expect(("default/web", "10.96.136.124:80/TCP") in {(d["service"], d["frontend"]) for d in doc["differences"]}, "default/web is missing")
    for d in doc["differences"]:
        by = d["by"]
        expect(d["foreign"] and by and (by["kind"], by["table"], by["chain"], by["index"], by["text"]) ==
               ("rule", "others", "fwd", 1, "ip daddr 10.244.2.0/24 drop"), lambda: show(d))


def cluster_ip_moved(objects):
    """The map's element leads to another Service."""
    m = objects_of(objects, "map", "service-ips")
    row = next(e for e in m["elem"] if e[0] == {"concat": ["10.96.136.124", "tcp", 80]})
    row[1] = {"goto": {"target": "service-PM2QQW4D-default/hostnames/tcp/default"}}
    return pair_text(row)


def check_moved(doc, text):
    exact(doc, ("wrong-endpoint", "default/web", "10.96.136.124:80/TCP"))
    check_all(doc, "set", "service-ips", text, False, "kube-proxy")


def stale_element(objects):
    m = objects_of(objects, "map", "service-ips")
    m["elem"].append([{"concat": ["10.96.7.7", "tcp", 80]}, {"goto": {"target": WEB}}])
    return pair_text(m["elem"][-1])


def check_stale(doc, text):
    expect_equal([(d["kind"], d["frontend"], d["severity"]) for d in doc["differences"]], [("stale-frontend", "10.96.7.7:80/TCP", "warning")], "differences")
    check_all(doc, "set", "service-ips", text, False, "kube-proxy")


NFT_CASES = {
    "endpoint-gone": (endpoint_gone, by_the_rule("missing-endpoint")),
    "endpoint-gone-and-closed": (endpoint_closed, by_the_rule("missing-endpoint")),
    "endpoint-port": (endpoint_port, by_the_rule("wrong-port")),
    "endpoint-twice": (endpoint_twice, by_the_rule("uneven-share")),
    "endpoint-stale": (endpoint_stale, by_the_rule("stale-endpoint")),
    "chain-emptied": (emptied, by_the_missing("no-rule")),
    "policy": (policy_dropped, check_policy),
    "foreign-table/ip": (foreign_table("ip", 10), check_foreign),
    "foreign-table/inet": (foreign_table("inet", -10), check_foreign),
    "element-to-another-service": (cluster_ip_moved, check_moved),
    "element-stale": (stale_element, check_stale),
}


# ---- IPVS ----

class Ipvs(Copy):
    def __init__(self):
        super().__init__("lab-ipvs")

    def __enter__(self):
        super().__enter__()
        os.remove(self.file("nodes", NODE, "ipvsadm-ln.txt"))  # it says the same
        return self

    def text(self, name):
        return self.read("nodes", NODE, name)

    def with_text(self, **changed):
        """verify's document with some files changed and put back."""
        before = {n: self.text(n) for n in changed}
        for name, text in changed.items():
            self.write(text, "nodes", NODE, name)
        doc = verify(self.path)
        for name, text in before.items():
            self.write(text, "nodes", NODE, name)
        return doc

    def with_lines(self, name, rows):
        return self.with_text(**{name: "\n".join(rows) + "\n"})


def server_removals():
    things = []
    with Ipvs() as lab:
        rows = lines(lab.text(SERVERS))
        for line in rows:
            at = " ".join(line.split()[1:3])
            left = [x for x in rows if x != line and not (line.startswith("-A") and " ".join(x.split()[1:3]) == at)]
            things.append((line, lab.with_lines(SERVERS, left), "ipvs", None, line, None))
    return removals(things, 60)


def member_removals():
    things = []
    with Ipvs() as lab:
        rows = lines(lab.text(SETS))
        for line in [x for x in rows if x.startswith("add KUBE-") and "KUBE-6-" not in x]:
            things.append((line, lab.with_lines(SETS, [x for x in rows if x != line]), "set", line.split()[1], line, None))
    return removals(things, 30)


def without_address(lab, address):
    links, routes = json.loads(lab.text(ADDRESSES)), json.loads(lab.text(ROUTES))
    for link in links:
        if link["ifname"] == "kube-ipvs0":
            link["addr_info"] = [a for a in link["addr_info"] if a["local"] != address]
    routes = [r for r in routes if not (r.get("dev") == "kube-ipvs0" and r["dst"] == address)]
    return lab.with_text(**{ADDRESSES: json.dumps(links), ROUTES: json.dumps(routes)})


def address_removals():
    things = []
    with Ipvs() as lab:
        link = next(x for x in json.loads(lab.text(ADDRESSES)) if x["ifname"] == "kube-ipvs0")
        for a in link["addr_info"]:
            things.append((a["local"], without_address(lab, a["local"]), "link", None, f"{a['local']}/32 dev kube-ipvs0", None))
    return removals(things, len(things))


def static_rule_removals():
    things = []
    with Ipvs() as lab:
        rows = lab.text(RULES).split("\n")
        for i, table, rule in rules_of(lab.text(RULES)):
            things.append((rule, lab.with_lines(RULES, rows[:i] + rows[i + 1:]), "rule", rule.split()[1], rule, table))
    return removals(things, 12)


def real_server(old, new, *kinds):
    """One real server of default/web's cluster IP changed; the line that stands, or the one that is missing, is named."""
    line = "-a -t 10.96.136.124:80 -r 10.244.1.136:80 -m -w 1"

    def test():
        with Ipvs() as lab:
            changed = line.replace(old, new)
            doc = lab.with_lines(SERVERS, [changed if x == line else x for x in lines(lab.text(SERVERS))])
            exact(doc, *((k, "default/web", "10.96.136.124:80/TCP") for k in kinds))
            for d in doc["differences"]:
                expect(names(d, "ipvs", None, changed, False) or names(d, "ipvs", None, line, True), lambda: show(d))
    return test


def scheduler():
    """Of equal weights the shares are those of rr; who has fewest connections cannot be told, and nothing is claimed of it."""
    with Ipvs() as lab:
        for name in ("wrr", "lc"):
            doc = lab.with_text(**{SERVERS: lab.text(SERVERS).replace("-A -t 10.96.136.124:80 -s rr", f"-A -t 10.96.136.124:80 -s {name}")})
            expect_equal(doc["differences"], [], f"differences by {name}")


def persistence_gone():
    with Ipvs() as lab:
        doc = lab.with_text(**{SERVERS: lab.text(SERVERS).replace(" -p 10800", "")})
        exact(doc, ("wrong-affinity", "default/sticky", "10.96.80.34:8080/TCP"))
        for d in doc["differences"]:
            expect(names(d, "ipvs", None, "-A -t 10.96.80.34:8080 -s rr", False) or names(d, "ipvs", None, "-A -t 10.96.80.34:8080 -s rr -p 10800", True),
                   lambda: show(d))


def conntrack_off():
    """Nothing is masqueraded any more, for every Service by that one setting."""
    with Ipvs() as lab:
        doc = lab.with_text(**{SYSCTL: lab.text(SYSCTL).replace("net.ipv4.vs.conntrack = 1", "net.ipv4.vs.conntrack = 0")})
        kinds = {d["kind"] for d in doc["differences"]}
        expect(kinds and kinds <= {"not-masqueraded", "hairpin", "reply-lost"}, f"kinds {kinds}")
        for d in doc["differences"]:
            expect(d["by"] and d["by"]["kind"] == "sysctl" and "net.ipv4.vs.conntrack" in d["by"]["text"], lambda: show(d))


def foreign_drop(chain, rule, kinds):
    def test():
        with Ipvs() as lab:
            d = Dump(lab.text(RULES))
            text, index = d.insert("filter", f"-A {chain} {rule}", 1)
            doc = lab.with_text(**{RULES: str(d)})
            expect({x["kind"] for x in doc["differences"]} == kinds, lambda: f"kinds of {[show(x) for x in doc['differences'][:5]]}")
            for x in doc["differences"]:
                expect(x["foreign"] and names(x, "rule", chain, text, False, "filter") and x["by"]["index"] == index, lambda: show(x))
    return test


IPVS_CASES = {
    "weight-0": real_server("-w 1", "-w 0", "missing-endpoint"),
    "weight-3-is-nothing-to-rr": real_server("-w 1", "-w 3"),
    "port": real_server(":80 -m", ":81 -m", "wrong-port"),
    "stale-endpoint": real_server("10.244.1.136", "10.244.1.99", "stale-endpoint"),
    "scheduler": scheduler,
    "persistence-gone": persistence_gone,
    "conntrack-off": conntrack_off,
    "foreign-drop/INPUT": foreign_drop("INPUT", "-d 10.96.136.124/32 -j DROP", {"dropped", "reply-lost"}),
    "foreign-drop/OUTPUT": foreign_drop("OUTPUT", "-d 10.244.2.73/32 -j DROP", {"dropped"}),
    "foreign-drop/FORWARD": foreign_drop("FORWARD", "-s 10.244.2.73/32 -j DROP", {"reply-lost"}),
}


def main():
    t = Tests()
    t.run("damage-nftables/rules-removed", nft_rule_removals)
    t.run("damage-nftables/elements-removed", nft_element_removals)
    for name, case in NFT_CASES.items():
        t.run(f"damage-nftables/{name}", nft_case, *case)
    for name, test in (("servers", server_removals), ("members", member_removals), ("addresses", address_removals), ("rules", static_rule_removals)):
        t.run(f"damage-ipvs/{name}-removed", test)
    for name, test in IPVS_CASES.items():
        t.run(f"damage-ipvs/{name}", test)
    t.finish()


if __name__ == "__main__":
    main()
