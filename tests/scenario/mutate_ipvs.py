# SPDX-License-Identifier: GPL-2.0-or-later
"""Random damage to what kube-proxy leaves in the kernel in IPVS mode: virtual and real servers, members of ipsets, addresses of kube-ipvs0,
its rules of iptables (mutate.py), vs.conntrack, and DROPs of others."""
import ipaddress
import json
import re

import mutate

SERVERS, SETS, RULES = "ipvsadm-save.txt", "ipset-save.txt", "iptables-legacy-save.txt"
ADDRESSES, ROUTES, SYSCTL = "ip-addr.json", "ip-route.json", "sysctl.txt"


class Mutation:
    """As mutate.Mutation; @changed: {file: its new text}; touched None: every packet may be concerned."""

    def __init__(self, kind, what, changed, touched, rules):
        self.kind, self.what, self.changed, self.touched, self.rules = kind, what, changed, touched, rules

    def files(self, node):
        return self.changed


def lines(text):
    return text.rstrip("\n").split("\n")


def server_key(line):
    """The place of a virtual server in a trail."""
    m = re.search(r" (-t|-u) (\S+):(\d+)", line)
    return "ipvs", (6 if m[1] == "-t" else 17, int(ipaddress.ip_address(m[2])), int(m[3]))


def written(name, rows):
    return {name: "\n".join(rows) + "\n"}


# ---- virtual and real servers ----

def server_removed(r, files):
    rows = lines(files[SERVERS])
    line = r.choice([x for x in rows if x.startswith("-A ")])
    at = " ".join(line.split()[1:3])
    return Mutation("virtual server removed", line, written(SERVERS, [x for x in rows if " ".join(x.split()[1:3]) != at]), {server_key(line)}, [line])


def server_moved(r, files):
    """Another port or address for a virtual server."""
    rows = lines(files[SERVERS])
    line = r.choice([x for x in rows if x.startswith("-A ")])
    kind, at = line.split()[1:3]
    host, port = at.split(":")
    new = r.choice([f"{host}:4711", f"{ipaddress.ip_address(host) + 1}:{port}", f"{host}:{int(port) + 1}"])
    if f" {kind} {new} " in files[SERVERS]:
        return None
    out = [x.replace(f" {kind} {at} ", f" {kind} {new} ") for x in rows]
    there = f"{kind} {new}"
    return Mutation("virtual server moved", f"{line} to {new}", written(SERVERS, out), {server_key(line), server_key(f" {there}")}, [line, f"-A {there} -s rr"])


def server_edited(r, files):
    rows = lines(files[SERVERS])
    line = r.choice([x for x in rows if x.startswith("-A ")])
    new = r.choice([line.replace("-s rr", "-s wrr"), line.replace("-s rr", "-s lc")])
    return Mutation("scheduler", f"{line} became {new}", written(SERVERS, [new if x == line else x for x in rows]), {server_key(line)}, [line, new])


def real_removed(r, files):
    rows = lines(files[SERVERS])
    line = r.choice([x for x in rows if x.startswith("-a ")])
    return Mutation("real server removed", line, written(SERVERS, [x for x in rows if x != line]), {server_key(line)}, [line])


def real_edited(r, files):
    rows = lines(files[SERVERS])
    line = r.choice([x for x in rows if x.startswith("-a ")])
    host, port = re.search(r"-r (\S+):(\d+)", line).groups()
    new = r.choice([line.replace("-w 1", "-w 0"), line.replace("-w 1", "-w 3"), line.replace(f"-r {host}:{port}", f"-r {host}:4711"),
                    line.replace(f"-r {host}:{port}", f"-r 10.244.1.222:{port}"), line.replace(f"-r {host}:{port}", "-r 10.244.2.7:9376")])
    if new in rows:
        return None
    return Mutation("real server edited", f"{line} became {new}", written(SERVERS, [new if x == line else x for x in rows]), {server_key(line)}, [line, new])


def real_added(r, files):
    rows = lines(files[SERVERS])
    line = r.choice([x for x in rows if x.startswith("-A ")])
    real = r.choice(sorted(set(re.findall(r"-r (\S+)", files[SERVERS]))) + ["10.244.1.99:80"])
    new = f"-a {' '.join(line.split()[1:3])} -r {real} -m -w 1"
    if new in rows:
        return None
    rows.insert(rows.index(line) + 1, new)
    return Mutation("real server added", new, written(SERVERS, rows), {server_key(line)}, [new])


# ---- ipsets ----

def ours(rows):
    return [x for x in rows if x.startswith("add KUBE-") and not x.startswith("add KUBE-6-")]


def member_removed(r, files):
    rows = lines(files[SETS])
    line = r.choice(ours(rows))
    return Mutation("member removed", line, written(SETS, [x for x in rows if x != line]), {("set", line.split()[1])}, [line])


def altered(r, member):
    host, comma, rest = member.partition(",")
    if not comma and member.isdigit():
        return str(int(member) + 1)
    way = r.choice(["host", "port", "proto"])
    if way == "host" or not comma:
        return f"{ipaddress.ip_address(host) + 1}{comma}{rest}"
    if way == "port":
        return f"{host},{re.sub(r':[0-9]+', ':4711', rest, count=1)}"
    return f"{host},{rest.replace('tcp:', 'udp:') if 'tcp:' in rest else rest.replace('udp:', 'tcp:')}"


def member_altered(r, files):
    rows = lines(files[SETS])
    line = r.choice(ours(rows))
    new = f"add {line.split()[1]} {altered(r, line.split()[2])}"
    if new in rows:
        return None
    return Mutation("member altered", f"{line} became {new}", written(SETS, [new if x == line else x for x in rows]), {("set", line.split()[1])}, [line, new])


def member_added(r, files):
    """A member of one set in another one of the same type."""
    rows = lines(files[SETS])
    kinds = {x.split()[1]: x.split()[2] for x in rows if x.startswith("create KUBE-") and "KUBE-6-" not in x}
    line = r.choice(ours(rows))
    name = r.choice([n for n, kind in kinds.items() if kind == kinds[line.split()[1]]])
    new = f"add {name} {line.split()[2] if r.random() < 0.7 else altered(r, line.split()[2])}"
    if new in rows:
        return None
    rows.insert(next(i for i, x in enumerate(rows) if x.startswith(f"create {name} ")) + 1, new)
    return Mutation("member added", new, written(SETS, rows), {("set", name)}, [new])


# ---- addresses, sysctl ----

def address_removed(r, files):
    links, routes = json.loads(files[ADDRESSES]), json.loads(files[ROUTES])
    link = next(x for x in links if x["ifname"] == "kube-ipvs0")
    gone = r.choice(link["addr_info"])
    link["addr_info"].remove(gone)
    routes = [x for x in routes if not (x.get("dev") == "kube-ipvs0" and x["dst"] == gone["local"])]
    return Mutation("address removed", gone["local"], {ADDRESSES: json.dumps(links), ROUTES: json.dumps(routes)}, None, [gone["local"]])


def conntrack_off(r, files):
    text = files[SYSCTL].replace("net.ipv4.vs.conntrack = 1", "net.ipv4.vs.conntrack = 0")
    return Mutation("conntrack", "net.ipv4.vs.conntrack = 0", {SYSCTL: text}, None, [])


# ---- rules ----

def edit_set(r, rule, save):
    m = re.search(r"--match-set (\S+) (\S+)", rule)
    if m:
        kin = sorted(set(x for x, sides in re.findall(r"--match-set (\S+) (\S+)", save.text()) if sides == m[2] and x != m[1]))
        for other in r.sample(kin, min(2, len(kin))):
            yield rule.replace(m[0], f"--match-set {other} {m[2]}")
        yield rule.replace(f"-m set {m[0]}", f"-m set ! {m[0]}")


def edit_ipvs(r, rule, save):
    for old, new in (("--vport 80", "--vport 81"), ("--vproto 6", "--vproto 17")):
        if old in rule:
            yield rule.replace(old, new)


EDITS = [mutate.edit_address, mutate.edit_length, mutate.edit_negation, mutate.edit_mark, mutate.edit_chain, mutate.edit_verdict, mutate.edit_states,
         mutate.edit_interface, edit_set, edit_set, edit_ipvs]


def rule_edited(r, save):
    edit = r.choice(EDITS)
    for t, c, i in r.sample(save.places(), len(save.places())):
        ways = [new for new in edit(r, save.tables[t][c][i], save) if new != save.tables[t][c][i]]
        if ways:
            s, new = save.copy(), r.choice(ways)
            s.tables[t][c][i] = new
            return mutate.Mutation(edit.__name__.replace("edit_", "edited "), f"{t}: {save.tables[t][c][i]} became {new}", s, {(t, c, i + 1)},
                                   [save.tables[t][c][i], new])
    return None


def foreign_drop(r, save):
    chain = r.choice(["INPUT", "OUTPUT", "FORWARD"])
    new = f"-A {chain} -d {r.choice(['10.244.0.0/16', '10.244.2.0/24', '10.96.0.0/16', '10.96.136.124/32', '10.244.1.135/32'])} " \
        f"-m conntrack --ctstate NEW -j {r.choice(['DROP', 'DROP', 'REJECT --reject-with icmp-port-unreachable'])}"
    s, j = save.copy(), r.choice([0, len(save.tables["filter"][chain])])
    new, place = mutate.put(save, s, "filter", chain, j, new)
    return mutate.Mutation("foreign drop", f"{new} as {j + 1}", s, {place}, [new])


def rule_damaged(r, files):
    save = mutate.Save(files[RULES])
    kind = r.choice([mutate.removed] * 4 + [mutate.doubled, mutate.moved] + [rule_edited] * 5 + [mutate.policy, foreign_drop, foreign_drop])
    m = kind(r, save)
    if not m or not all(m.save.loads(t) for t, _, _ in m.touched) or m.save.text() == save.text():
        return None
    return Mutation(m.kind, m.what, {RULES: m.save.text()}, m.touched, m.rules)


KINDS = [server_removed] * 3 + [server_moved] * 2 + [server_edited, real_removed, real_removed, real_removed] + [real_edited] * 4 + [real_added] * 2 + \
    [member_removed] * 4 + [member_altered] * 2 + [member_added] * 2 + [address_removed] * 3 + [rule_damaged] * 9


def mutation(r, files):
    while True:
        m = conntrack_off(r, files) if r.random() < 0.01 else r.choice(KINDS)(r, files)
        if m:
            return m
