# SPDX-License-Identifier: GPL-2.0-or-later
"""Random damage to kube-proxy's nftables rules as `nft -j list ruleset` prints them, of a kind that the kernel would load: an element of a map
or set removed, added or altered, a rule removed, doubled, moved or edited, a chain emptied, a policy changed, and rules and tables of others."""
import copy
import ipaddress
import json

TABLE = ("ip", "kube-proxy")
PLACE = "ip kube-proxy"
DNAT_HOOKS = {("nat", "prerouting"), ("nat", "output")}
REJECT_HOOKS = {"input", "forward", "output", "prerouting"}


def targets(json_value):
    """The chains that an expression or element names as jump or goto."""
    if isinstance(json_value, dict):
        for k, v in json_value.items():
            if k in ("jump", "goto"):
                yield v["target"]
            else:
                yield from targets(v)
    elif isinstance(json_value, list):
        for v in json_value:
            yield from targets(v)


def named_sets(json_value):
    if isinstance(json_value, str) and json_value.startswith("@"):
        yield json_value[1:]
    elif isinstance(json_value, (dict, list)):
        for v in json_value.values() if isinstance(json_value, dict) else json_value:
            yield from named_sets(v)


class Listing:
    """The listing, with the IPv4 table of kube-proxy at hand. Copies share what they do not change."""

    def __init__(self, document):
        self.objects = document["nftables"]

    def copy(self):
        s = Listing({"nftables": list(self.objects)})
        return s

    def text(self):
        return json.dumps({"nftables": self.objects})

    def at(self, what):
        """{name: index} of kube-proxy's objects of one kind."""
        return {o[what]["name"]: i for i, o in enumerate(self.objects) if what in o and (o[what]["family"], o[what]["table"]) == TABLE}

    def rules(self, chain):
        """[index] of a chain's rules, in order."""
        return [i for i, o in enumerate(self.objects) if "rule" in o and (o["rule"]["family"], o["rule"]["table"], o["rule"]["chain"]) == (*TABLE, chain)]

    def places(self):
        return [(c, n) for c in self.at("chain") for n in range(len(self.rules(c)))]

    def rule(self, chain, n):
        return self.objects[self.rules(chain)[n]]["rule"]

    def put(self, i, what, row):
        self.objects[i] = {what: row}

    # ---- would the kernel load it? ----

    def contexts(self):
        """{chain: {(type, hook)} that reach it}, or None for a loop or a jump to nowhere."""
        chains = {c: self.objects[i]["chain"] for c, i in self.at("chain").items()}
        maps = {m: self.objects[i]["map"] for m, i in self.at("map").items()}
        edges = {}
        for c in chains:
            exprs = [self.objects[i]["rule"]["expr"] for i in self.rules(c)]
            edges[c] = set(targets(exprs)) | {t for e in exprs for m in named_sets(e) if m in maps for t in targets(maps[m].get("elem", []))}
        found = {c: set() for c in chains}

        def visit(chain, where, above):
            if chain in above or chain not in chains:
                return False
            found[chain].add(where)
            return all(visit(t, where, above | {chain}) for t in edges[chain])
        ok = all(visit(c, (row["type"], row["hook"]), frozenset()) for c, row in chains.items() if "hook" in row)
        return found if ok else None

    def loads(self):
        where = self.contexts()
        if where is None:
            return False
        base = {c for c, i in self.at("chain").items() if "hook" in self.objects[i]["chain"]}
        for c, hooks in where.items():
            for i in self.rules(c):
                expr = self.objects[i]["rule"]["expr"]
                last = next(iter(expr[-1]))
                if set(targets(expr)) & base or last == "dnat" and not hooks <= DNAT_HOOKS or last == "masquerade" and \
                        not hooks <= {("nat", "postrouting")} or last == "reject" and not {h for _, h in hooks} <= REJECT_HOOKS:
                    return False
        return True


class Mutation:
    """As mutate.Mutation; rules: the texts of what it concerns, before and after; touched None: every packet may be concerned."""

    def __init__(self, kind, what, save, touched, rules):
        self.kind, self.what, self.save, self.touched, self.rules = kind, what, save, touched, [json.dumps(r) for r in rules]

    def files(self, node):
        return {node.dump: self.save.text()}


# ---- elements ----

def elements(save, what):
    """[(index of the object, position)]"""
    return [(i, n) for i in save.at(what).values() for n in range(len(save.objects[i][what].get("elem", [])))]


def with_elements(save, i, what, change):
    """A copy in which change(list of elements) was done; (the copy, the set's name)."""
    s = save.copy()
    row = {**s.objects[i][what], "elem": list(s.objects[i][what].get("elem", []))}
    change(row["elem"])
    if not row["elem"]:
        del row["elem"]
    s.put(i, what, row)
    return s, row["name"]


def element_removed(r, save):
    what = r.choice(["map", "map", "map", "set"])
    i, n = r.choice(elements(save, what))
    gone = save.objects[i][what]["elem"][n]
    s, name = with_elements(save, i, what, lambda v: v.pop(n))
    return Mutation("element removed", f"{name}: {json.dumps(gone)}", s, {(PLACE, "@" + name)}, [gone])


def key_of(elem):
    if isinstance(elem, dict) and "elem" in elem:
        elem = elem["elem"]["val"]
    return elem


def altered_key(r, key):
    """An address, protocol or port of a key changed."""
    def one(v):
        if isinstance(v, int):
            return r.choice([v + 1, 4711, 80])
        if v in ("tcp", "udp"):
            return "udp" if v == "tcp" else "tcp"
        return str(ipaddress.ip_address(v) + r.choice([1, 2]))
    if isinstance(key, dict):
        parts = list(key["concat"])
        n = r.randrange(len(parts))
        parts[n] = one(parts[n])
        return {"concat": parts}
    return one(key)


def altered_verdict(r, save, verdict):
    chains = [c for c, i in save.at("chain").items() if "hook" not in save.objects[i]["chain"]]
    target = next(targets(verdict), None)
    kin = [c for c in chains if target and c.split("-")[0] == target.split("-")[0] and c != target]
    ways = [{"goto": {"target": c}} for c in ([r.choice(kin)] if kin else []) * 2 + [r.choice(chains)]]
    return r.choice(ways + [{"drop": None}, {"accept": None}, {"return": None}])


def same_key(elems, key, but):
    return any(n != but and json.dumps(key_of(e[0] if isinstance(e, list) else e)) == json.dumps(key_of(key)) for n, e in enumerate(elems))


def element_altered(r, save):
    what = r.choice(["map", "map", "map", "set"])
    i, n = r.choice(elements(save, what))
    elems = save.objects[i][what]["elem"]
    old = elems[n]
    if what == "map":
        new = [altered_key(r, key_of(old[0])), old[1]] if r.random() < 0.5 else [old[0], altered_verdict(r, save, old[1])]
    else:
        new = altered_key(r, key_of(old))
    if same_key(elems, new[0] if what == "map" else new, n):
        return None

    def change(v):
        v[n] = new
    s, name = with_elements(save, i, what, change)
    return Mutation("element altered", f"{name}: {json.dumps(old)} became {json.dumps(new)}", s, {(PLACE, "@" + name)}, [old, new])


def element_added(r, save):
    """An element of one set or map in another one of the same type, or a new one like it."""
    what = r.choice(["map", "set"])
    i, n = r.choice(elements(save, what))
    row = save.objects[i][what]
    kin = [j for j in save.at(what).values() if save.objects[j][what]["type"] == row["type"]]
    j = r.choice(kin)
    elem = row["elem"][n]
    if j == i or r.random() < 0.3:
        elem = [altered_key(r, key_of(elem[0])), elem[1]] if what == "map" else altered_key(r, key_of(elem))
    key = elem[0] if what == "map" else elem
    if "timeout" in save.objects[j][what] or same_key(save.objects[j][what].get("elem", []), key, None):
        return None
    s, name = with_elements(save, j, what, lambda v: v.append(elem))
    return Mutation("element added", f"{name}: {json.dumps(elem)}", s, {(PLACE, "@" + name)}, [elem])


# ---- rules ----

def without(save, chain, n):
    s = save.copy()
    s.objects.pop(s.rules(chain)[n])
    return s


def place_before(save, chain, n):
    """What a packet reaches that would reach a rule inserted at index @n."""
    return (PLACE, chain, n + 1 if n < len(save.rules(chain)) else 0)


def insert(s, chain, n, rule):
    at = s.rules(chain)
    i = at[n] if n < len(at) else at[-1] + 1 if at else len(s.objects)
    s.objects.insert(i, {"rule": {**rule, "chain": chain, "family": TABLE[0], "table": TABLE[1]}})


def show(chain, rule):
    return f"{chain}: {json.dumps(rule['expr'])}"


def removed(r, save):
    chain, n = r.choice(save.places())
    rule = save.rule(chain, n)
    return Mutation("removed", show(chain, rule), without(save, chain, n), {(PLACE, chain, n + 1)}, [rule["expr"]])


def doubled(r, save):
    chain, n = r.choice(save.places())
    rule, s = save.rule(chain, n), save.copy()
    to = chain if r.random() < 0.5 else r.choice(list(save.at("chain")))
    k = r.randint(0, len(save.rules(to)))
    insert(s, to, k, rule)
    return Mutation("doubled", f"{show(chain, rule)} again as {to} {k + 1}", s, {place_before(save, to, k)}, [rule["expr"]])


def moved(r, save):
    chain, n = r.choice(save.places())
    rule = save.rule(chain, n)
    to = chain if r.random() < 0.6 else r.choice(list(save.at("chain")))
    k = r.randint(0, len(save.rules(to)))
    s = without(save, chain, n)
    insert(s, to, k - (to == chain and k > n), rule)
    return Mutation("moved", f"{show(chain, rule)} to {to} {k + 1}", s, {(PLACE, chain, n + 1), place_before(save, to, k)}, [rule["expr"]])


def emptied(r, save):
    chain = r.choice([c for c in save.at("chain") if save.rules(c)])
    s, rules = save.copy(), [save.objects[i]["rule"]["expr"] for i in save.rules(chain)]
    for i in reversed(s.rules(chain)):
        s.objects.pop(i)
    return Mutation("emptied", chain, s, {(PLACE, chain, 1)}, rules)


# ---- edits of one field: each changes a deep copy of a rule, and says whether it did ----

def walk(json_value):
    yield json_value
    for v in json_value.values() if isinstance(json_value, dict) else json_value if isinstance(json_value, list) else ():
        yield from walk(v)


def some(r, expr, test):
    found = [v for v in walk(expr) if isinstance(v, dict) and test(v)]
    return r.choice(found) if found else None


def edit_prefix(r, save, expr):
    m = some(r, expr, lambda v: "prefix" in v)
    if m:
        length = r.choice([8, 15, 17, 24, 25, 31])
        net = ipaddress.ip_network(f"{m['prefix']['addr']}/{length}", strict=False)
        m["prefix"] = {"addr": str(net.network_address), "len": length}
    return m


def edit_operator(r, save, expr):
    m = some(r, expr, lambda v: v.get("op") in ("==", "!="))
    if m:
        m["op"] = "!=" if m["op"] == "==" else "=="
    return m


def edit_state(r, save, expr):
    m = some(r, expr, lambda v: "match" in v and v["match"]["left"] == {"ct": {"key": "state"}})
    if m:
        m["match"]["right"] = r.choice(["established", "invalid", ["new", "established"], "untracked"])
    return m


def edit_number(r, save, expr):
    """The bits of a mark."""
    m = some(r, expr, lambda v: any(k in v for k in ("|", "&", "^")))
    if m:
        k = next(iter(m))
        m[k] = [m[k][0], r.choice([0x8000, 0, 0xc000])]
    return m


def edit_lookup(r, save, expr):
    """Another set or map of the same kind."""
    m = some(r, expr, lambda v: any(isinstance(x, str) and x.startswith("@") for x in v.values()))
    if m:
        k = next(k for k, x in m.items() if isinstance(x, str) and x.startswith("@"))
        what = "map" if m[k][1:] in save.at("map") else "set"
        at = save.at(what)
        here = save.objects[at[m[k][1:]]][what]
        kin = [n for n, i in at.items() if save.objects[i][what]["type"] == here["type"] and n != here["name"] and
               ("timeout" in save.objects[i][what]) == ("timeout" in here)]
        if not kin or "timeout" in here:
            return None
        m[k] = "@" + r.choice(kin)
    return m


def edit_target(r, save, expr):
    m = some(r, expr, lambda v: "jump" in v or "goto" in v)
    if m:
        k = "jump" if "jump" in m else "goto"
        new = altered_verdict(r, save, m)
        m.clear()
        if "goto" in new and k == "jump":
            new = {r.choice(["jump", "goto"]): new["goto"]}
        m.update(new)
    return m


def edit_verdict(r, save, expr):
    last = expr[-1]
    if next(iter(last)) not in ("drop", "reject", "masquerade"):
        return None
    expr[-1] = r.choice([{"accept": None}, {"return": None}, {"drop": None}])
    return expr[-1] != last


def endpoint_map(expr):
    last = expr[-1]
    if "dnat" in last and isinstance(last["dnat"]["addr"], dict) and "map" in last["dnat"]["addr"]:
        return last["dnat"]["addr"]["map"]
    return last.get("vmap") if "vmap" in last and "numgen" in last["vmap"]["key"] else None


def edit_endpoint(r, save, expr):
    """An endpoint's address or port."""
    m, last = endpoint_map(expr), expr[-1]
    if m and "dnat" in last:
        row = r.choice(m["data"]["set"])
        host, port = row[1]["concat"]
        row[1] = {"concat": r.choice([[host, 4711], [host, port + 1], ["10.244.1.222", port], ["10.244.2.7", 9376]])}
        return True
    if "dnat" in last and "addr" in last["dnat"] and not m:
        last["dnat"].update(r.choice([{"port": 4711}, {"addr": "10.244.1.222"}, {"addr": "10.244.2.7"}]))
        return True
    return None


def edit_shares(r, save, expr):
    """An entry of the map of endpoints gone, one more, or twice the same."""
    m = endpoint_map(expr)
    if not m:
        return None
    rows, n = m["data"]["set"], m["key"]["numgen"]
    way = r.choice(["gone", "closed", "more", "twice", "mod"])
    if way in ("gone", "closed"):
        rows.pop(r.randrange(len(rows)))
        if not rows:
            return None
        if way == "closed":
            for i, row in enumerate(rows):
                row[0] = i
            n["mod"] = len(rows)
    elif way == "more":
        rows.append([n["mod"], copy.deepcopy(r.choice([rows[0][1], {"concat": ["10.244.1.99", 80]}] if "concat" in rows[0][1] else [rows[0][1]]))])
        n["mod"] += 1
    elif way == "twice" and len(rows) > 1:
        rows[0][1] = copy.deepcopy(rows[1][1])
    else:
        n["mod"] = r.choice([n["mod"] + 1, max(1, n["mod"] - 1)])
        m["data"]["set"] = [row for row in rows if row[0] < n["mod"]]
    return True


def edit_condition(r, save, expr):
    """A condition gone, or one more."""
    if len(expr) > 1 and r.random() < 0.5 and "match" in expr[0]:
        if "dnat" in expr[-1] and "l4proto" in json.dumps(expr[0]):
            return None
        expr.pop(0)
        return True
    expr.insert(0, {"match": r.choice([
        {"op": "==", "left": {"payload": {"protocol": "ip", "field": "saddr"}}, "right": {"prefix": {"addr": "10.244.0.0", "len": 17}}},
        {"op": "!=", "left": {"meta": {"key": "l4proto"}}, "right": r.choice(["udp", "sctp"])},
        {"op": "==", "left": {"fib": {"result": "type", "flags": ["daddr"]}}, "right": "local"},
        {"op": "in", "left": {"ct": {"key": "state"}}, "right": r.choice(["new", "established"])},
        {"op": "==", "left": {"meta": {"key": "mark"}}, "right": r.choice([0, 0x4000])}])})
    return True


EDITS = [edit_prefix, edit_operator, edit_operator, edit_state, edit_number, edit_lookup, edit_target, edit_target, edit_verdict, edit_endpoint, edit_endpoint,
         edit_shares, edit_shares, edit_condition]


def edited(r, save):
    edit = r.choice(EDITS)
    places = save.places()
    for chain, n in r.sample(places, len(places)):
        rule = copy.deepcopy(save.rule(chain, n))
        if edit(r, save, rule["expr"]) and rule != save.rule(chain, n):
            s = save.copy()
            s.put(s.rules(chain)[n], "rule", rule)
            before = save.rule(chain, n)
            return Mutation(edit.__name__.replace("edit_", "edited "), f"{show(chain, before)} became {json.dumps(rule['expr'])}", s,
                            {(PLACE, chain, n + 1)}, [before["expr"], rule["expr"]])
    return None


# ---- policies, and what others write ----

def policy(r, save):
    name, i = r.choice([(c, i) for c, i in save.at("chain").items() if "hook" in save.objects[i]["chain"]])
    s = save.copy()
    s.put(i, "chain", {**s.objects[i]["chain"], "policy": "drop"})
    return Mutation("policy", f"policy of {name} became drop", s, {(PLACE, name, 0)}, [])


def foreign_expr(r, hook):
    """A condition that no reply meets, and a drop."""
    new = {"match": {"op": "in", "left": {"ct": {"key": "state"}}, "right": "new"}}
    field = {"payload": {"protocol": "ip", "field": r.choice(["daddr", "saddr"])}}
    where = r.choice([{"prefix": {"addr": "10.244.0.0", "len": 16}}, {"prefix": {"addr": "10.244.2.0", "len": 24}}, "10.244.1.135", "10.96.136.124",
                      {"prefix": {"addr": "203.0.113.0", "len": 24}}, {"prefix": {"addr": "192.0.2.0", "len": 24}}])
    if where == "10.96.136.124":
        field["payload"]["field"] = "daddr"  # nobody sends from there
    more = r.choice([[], [], [{"match": {"op": "==", "left": {"payload": {"protocol": "tcp", "field": "dport"}}, "right": r.choice([80, 9376, 53])}}]])
    last = {"drop": None} if hook == "postrouting" or r.random() < 0.7 else {"reject": {"type": "icmp", "expr": "port-unreachable"}}
    return [new, {"match": {"op": "==", "left": field, "right": where}}, *more, last]


def foreign_table(r, save):
    hook = r.choice(["forward", "forward", "input", "output", "postrouting", "prerouting"])
    family, s = r.choice(["ip", "inet"]), save.copy()
    own = {"family": family, "table": "filter-of-others"}
    expr = foreign_expr(r, hook)
    prio = r.choice([-10, 10, 20]) if hook != "postrouting" else r.choice([50, 150])
    s.objects += [{"table": {"family": family, "name": own["table"], "handle": 900}},
                  {"chain": {**own, "name": hook, "handle": 1, "type": "filter", "hook": hook, "prio": prio, "policy": "accept"}},
                  {"rule": {**own, "chain": hook, "handle": 2, "expr": expr}}]
    return Mutation("foreign table", f"{family} {hook} {prio}: {json.dumps(expr)}", s, None, [expr])


def foreign_rule(r, save):
    chain = r.choice([c for c, i in save.at("chain").items() if "hook" in save.objects[i]["chain"] and save.objects[i]["chain"]["type"] == "filter"])
    s, expr = save.copy(), foreign_expr(r, chain)
    k = r.choice([0, len(save.rules(chain))])
    insert(s, chain, k, {"handle": 999, "expr": expr})
    return Mutation("foreign rule", f"{chain} {k + 1}: {json.dumps(expr)}", s, {place_before(save, chain, k)}, [expr])


KINDS = [element_removed] * 5 + [element_altered] * 4 + [element_added] * 2 + [removed] * 4 + [doubled] * 2 + [moved] * 3 + [edited] * 11 + [emptied] + \
    [policy, foreign_table, foreign_rule]


def mutation(r, save):
    """A random mutation that the kernel would load."""
    while True:
        m = r.choice(KINDS)(r, save)
        if m and m.save.loads() and m.save.text() != save.text():
            return m
