# SPDX-License-Identifier: GPL-2.0-or-later
"""Random damage to an iptables-save text, one rule or policy at a time, of a kind that the kernel would load: removed, doubled, moved,
edited in one field, or the policy of a chain changed."""
import ipaddress
import re

from linear import COUNTERS, HOOKS


class Save:
    """An iptables-save text: {table: {chain: [rule texts]}} and {(table, chain): policy}."""

    def __init__(self, text):
        self.tables, self.policies = {}, {}
        table = None
        for line in text.split("\n"):
            line = re.sub(r"  +", " ", COUNTERS.sub("", line)).strip()
            if line.startswith("*"):
                table = self.tables.setdefault(line[1:], {})
                name = line[1:]
            elif line.startswith(":"):
                chain, policy = line[1:].split()[:2]
                table[chain] = []
                self.policies[name, chain] = policy
            elif line.startswith("-A "):
                table[line.split(" ", 2)[1]].append(line)

    def copy(self):
        s = Save("")
        s.tables = {t: {c: list(rules) for c, rules in chains.items()} for t, chains in self.tables.items()}
        s.policies = dict(self.policies)
        return s

    def text(self):
        out = []
        for table, chains in self.tables.items():
            out.append("*" + table)
            out += [f":{c} {self.policies[table, c]} [0:0]" for c in chains]
            out += [rule for rules in chains.values() for rule in rules]
            out.append("COMMIT")
        return "\n".join(out) + "\n"

    def places(self):
        return [(t, c, i) for t, chains in self.tables.items() for c, rules in chains.items() for i in range(len(rules))]

    # ---- would the kernel load it? ----

    def hooks_of(self, table):
        """{chain: built-in chains from which it can be reached}, or None for a loop."""
        chains, found = self.tables[table], {c: set() for c in self.tables[table]}

        def visit(chain, hook, above):
            if chain in above:
                return False
            if hook in found[chain]:
                return True
            found[chain].add(hook)
            return all(visit(t, hook, above | {chain}) for t in map(target, chains[chain]) if t in chains)
        ok = all(visit(h, h, frozenset()) for h in HOOKS[table] if h in chains)
        return found if ok else None

    def loads(self, table):
        hooks = self.hooks_of(table)
        if hooks is None:
            return False
        return all(legal(table, chain, hooks[chain], rule) for chain, rules in self.tables[table].items() for rule in rules)


def target(rule):
    m = re.search(r" -[jg] (\S+)", rule)
    return m[1] if m else None


def legal(table, chain, hooks, rule):
    t = target(rule)
    if t in HOOKS[table]:
        return False
    if t == "REJECT" and (table != "filter" or not hooks <= {"INPUT", "FORWARD", "OUTPUT"}) or \
            t == "DNAT" and (table != "nat" or not hooks <= {"PREROUTING", "OUTPUT"}) or \
            t == "MASQUERADE" and (table != "nat" or not hooks <= {"POSTROUTING"}):
        return False
    # An interface can be asked for where there is one; what POSTROUTING sees of -i changed between kernels.
    if " -i " in rule and hooks & {"OUTPUT", "POSTROUTING"} or " -o " in rule and hooks & {"PREROUTING", "INPUT"}:
        return False
    return t != "DROP" or table != "nat"


# ---- edits of one field: each yields new texts of a rule ----

def replaced(rule, pattern, *new):
    m = re.search(pattern, rule)
    for text in new if m else ():
        yield rule[:m.start()] + m.expand(text) + rule[m.end():]


def other_addresses(rule, flag, pool):
    m = re.search(rf" {flag} (\S+)/32", rule)
    if m:
        a = ipaddress.ip_address(m[1])
        for b in (str(a + 1), *pool):
            yield rule[:m.start(1)] + b + rule[m.end(1):]


def edit_address(r, rule, save):
    pool = {flag: sorted(set(re.findall(rf" {flag} (\S+)/32", save.text()))) for flag in ("-d", "-s")}
    for flag in ("-d", "-s"):
        yield from other_addresses(rule, flag, r.sample(pool[flag], min(3, len(pool[flag]))))
        yield from replaced(rule, rf"(?: !)? {flag} \S+", "")


def edit_length(r, rule, save):
    for flag in ("-d", "-s"):
        m = re.search(rf" {flag} (\S+)/(\d+)", rule)
        for length in (8, 15, 16, 17, 23, 24, 25, 31, 32) if m else ():
            net = ipaddress.ip_network(f"{m[1]}/{length}", strict=False)
            yield rule[:m.start(1)] + str(net) + rule[m.end(2):]


def edit_port(r, rule, save):
    used = sorted(set(re.findall(r"--dport (\d+)", save.text())), key=int)
    m = re.search(r" --dport (\d+)", rule)
    if m:
        for port in [r.choice(used), "4711", f"{m[1]}:{int(m[1]) + 10}", str(int(m[1]) + 1)]:
            yield rule[:m.start(1)] + port + rule[m.end(1):]
        yield rule[:m.start()] + rule[m.end():]


def edit_protocol(r, rule, save):
    m = re.search(r" -p (tcp|udp)", rule)
    if m:
        yield re.sub(rf" -([pm]) {m[1]}\b", rf" -\1 {'udp' if m[1] == 'tcp' else 'tcp'}", rule)


def edit_negation(r, rule, save):
    for option in ("-s", "-d", "--dport", "--mark", "--ctstate", "--dst-type", "--src-type"):
        if f" ! {option} " in rule:
            yield rule.replace(f" ! {option} ", f" {option} ", 1)
        elif f" {option} " in rule:
            yield rule.replace(f" {option} ", f" ! {option} ", 1)


def edit_mark(r, rule, save):
    yield from replaced(rule, r"--set-xmark (0x[0-9a-f]+)/(0x[0-9a-f]+)", r"--set-xmark 0x8000/0x8000", r"--set-xmark 0x0/\2", r"--set-xmark \1/0xffffffff",
                        r"--set-xmark 0x4000/0x0", r"--set-xmark 0xc000/0xc000")
    yield from replaced(rule, r"--mark (0x[0-9a-f]+)/(0x[0-9a-f]+)", r"--mark 0x8000/0x8000", r"--mark \1/0xffffffff", r"--mark 0x0/\2", r"--mark \1/0xc000")


def edit_probability(r, rule, save):
    yield from replaced(rule, r"--probability 0\.\d+", "--probability 0.90000000000", "--probability 0.10000000009", "--probability 0.33400000003",
                        "--probability 0.49990000017", "--probability 0.33340000012")
    yield from replaced(rule, r" -m statistic --mode random --probability \S+", "")


def edit_chain(r, rule, save):
    m = re.search(r" -[jg] (KUBE-\S+)", rule)
    table = next(t for t, chains in save.tables.items() if any(rule in rules for rules in chains.values()))
    if m:
        kin = [c for c in save.tables[table] if c.startswith(m[1][:9]) and c != m[1]]
        anything = [c for c in save.tables[table] if c != m[1]]
        for c in ([r.choice(kin)] if kin else []) + [r.choice(anything)]:
            yield rule[:m.start(1)] + c + rule[m.end(1):]


def edit_verdict(r, rule, save):
    t = target(rule)
    others = {"DROP": ["ACCEPT", "REJECT --reject-with icmp-port-unreachable", "RETURN"], "REJECT": ["DROP", "ACCEPT", "RETURN"],
              "ACCEPT": ["DROP", "RETURN", "REJECT --reject-with icmp-port-unreachable"], "RETURN": ["ACCEPT"]}
    for new in others.get(t, ["RETURN", "ACCEPT"] if t and t.startswith("KUBE-") else []):
        yield re.sub(r" -j .*$", f" -j {new}", rule)


def edit_dnat(r, rule, save):
    targets = re.findall(r"--to-destination (\S+)", save.text())
    yield from replaced(rule, r"--to-destination (\S+):(\d+)", r"--to-destination \1:4711", r"--to-destination 10.244.1.222:\2", r"--to-destination \1",
                        f"--to-destination {r.choice(targets)}")


def edit_states(r, rule, save):
    for old, new in ((r"--ctstate NEW\b", ["--ctstate ESTABLISHED", "--ctstate NEW,ESTABLISHED", "--ctstate INVALID"]),
                     (r"--ctstate INVALID\b", ["--ctstate NEW", "--ctstate INVALID,NEW", "--ctstate UNTRACKED"]),
                     (r"--ctstate RELATED,ESTABLISHED(,DNAT)?", ["--ctstate RELATED,ESTABLISHED,NEW", "--ctstate ESTABLISHED", "--ctstate DNAT"])):
        yield from replaced(rule, old, *new)


def edit_interface(r, rule, save):
    head = " ".join(rule.split(" ")[:2])
    for dev in ("eth0", "cni0", "veth+"):
        for option in ("-i", "-o", "! -i", "! -o"):
            yield f"{head} {option} {dev}{rule[len(head):]}"


EDITS = [edit_address, edit_length, edit_port, edit_protocol, edit_negation, edit_mark, edit_probability, edit_chain, edit_verdict, edit_dnat, edit_states,
         edit_interface]


class Mutation:
    """kind, a text that tells it, the damaged Save, the places whose packets it can concern [(table, chain, position from 1, 0 for the end)],
    and the rules that it concerns, as they were and as they are."""

    def __init__(self, kind, what, save, touched, rules):
        self.kind, self.what, self.save, self.touched, self.rules = kind, what, save, touched, rules

    def files(self, node):
        return {node.dump: self.save.text()}


def removed(r, save):
    t, c, i = r.choice(save.places())
    s = save.copy()
    rule = s.tables[t][c].pop(i)
    return Mutation("removed", f"{t}: {rule}", s, {(t, c, i + 1)}, [rule])


def before(save, t, c, i):
    """What a packet reaches that would reach a rule inserted at index @i of this chain."""
    return (t, c, i + 1 if i < len(save.tables[t][c]) else 0)


def put(save, s, t, c, j, rule):
    """Inserts @rule into chain @c at index @j of the chain as it was in @save; (its new text, the place)."""
    new = re.sub(r"^-A \S+", f"-A {c}", rule)
    s.tables[t][c].insert(j, new)
    return new, before(save, t, c, j)


def doubled(r, save):
    t, c, i = r.choice(save.places())
    s, rule = save.copy(), save.tables[t][c][i]
    where = r.choice(["next", "chain", "table"])
    d = c if where != "table" else r.choice(list(save.tables[t]))
    j = i + 1 if where == "next" else r.randint(0, len(save.tables[t][d]))
    new, place = put(save, s, t, d, j, rule)
    return Mutation("doubled", f"{t}: {rule} again as {d} {j + 1}", s, {place}, [rule, new])


def moved(r, save):
    t, c, i = r.choice(save.places())
    s, rule = save.copy(), save.tables[t][c][i]
    d = c if r.random() < 0.5 else r.choice(list(save.tables[t]))
    j = r.randint(0, len(save.tables[t][d]))
    # Both places by their index in the chain as it was.
    if d == c and j > i:
        new, place = put(save, s, t, d, j, rule)
        s.tables[t][c].pop(i)
    else:
        s.tables[t][c].pop(i)
        new, place = put(save, s, t, d, j, rule)
    return Mutation("moved", f"{t}: {rule} to {d} {j + 1}", s, {(t, c, i + 1), place}, [rule, new])


def edited(r, save):
    edit = r.choice(EDITS)
    ways = []
    for t, c, i in r.sample(save.places(), len(save.places())):
        ways = [(t, c, i, new) for new in edit(r, save.tables[t][c][i], save) if new != save.tables[t][c][i]]
        if ways:
            break
    if not ways:
        return None
    t, c, i, new = r.choice(ways)
    s, rule = save.copy(), save.tables[t][c][i]
    s.tables[t][c][i] = new
    return Mutation(edit.__name__.replace("edit_", "edited "), f"{t}: {rule} became {new}", s, {(t, c, i + 1)}, [rule, new])


def policy(r, save):
    t, c = r.choice([k for k, p in save.policies.items() if p == "ACCEPT" and k[0] != "nat"])
    s = save.copy()
    s.policies[t, c] = "DROP"
    return Mutation("policy", f"{t}: policy of {c} became DROP", s, {(t, c, 0)}, [])


def mutation(r, save):
    """A random mutation that the kernel would load."""
    while True:
        kind = r.choice([removed] * 4 + [doubled] * 4 + [moved] * 4 + [edited] * 11 + [policy])
        m = kind(r, save)
        if m and all(m.save.loads(t) for t, _, _ in m.touched) and m.save.text() != save.text():
            return m
