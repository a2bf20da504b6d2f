# SPDX-License-Identifier: GPL-2.0-or-later
"""nftables, for kernel_main.py: native tables, of which some stand beside tables of iptables-nft."""
import json
import os
import re

import common
import kernel_nftables as kn
import kernel_xtables as kx
from kernel_world import run

BOTH = (True, True)
CELLS = {("match", name): BOTH for name in (
    "SADDR", "DADDR", "PROTO", "SPORT", "DPORT", "ICMP", "TCP_FLAGS", "FRAGMENT", "IIF", "OIF", "MARK", "CT_STATE", "CT_STATUS", "CT_DIR", "CT_MARK", "CT_PROTO",
    "CT_ORIG_SADDR", "CT_ORIG_DADDR", "CT_ORIG_SPORT", "CT_ORIG_DPORT", "CT_REPL_SADDR", "CT_REPL_DADDR", "CT_REPL_SPORT", "CT_REPL_DPORT", "SADDR_TYPE", "DADDR_TYPE",
    "RPFILTER", "LIMIT", "QUOTA", "CT_COUNT", "EXTHDR", "LOOKUP", "NFPROTO", "ETHERTYPE")}
CELLS.update({("target", name): BOTH for name in (
    "ACCEPT", "DROP", "RETURN", "JUMP", "GOTO", "REJECT", "DNAT", "SNAT", "MASQUERADE", "REDIRECT", "MARK", "CONNMARK", "CONNMARK_SAVE", "CONNMARK_RESTORE", "NOTRACK",
    "VMAP", "MARK_MAP", "UPDATE")})
# What a key can be made of.
CELLS.update({("key", name): BOTH for name in (
    "SADDR", "DADDR", "PROTO", "SPORT", "DPORT", "ICMP", "IIF", "OIF", "MARK", "CT_STATE", "CT_DIR", "CT_MARK", "CT_PROTO", "CT_ORIG_SADDR", "CT_ORIG_DADDR",
    "CT_REPL_SADDR", "CT_REPL_DADDR", "SADDR_TYPE", "DADDR_TYPE", "NFPROTO", "ETHERTYPE", "NUMGEN", "NUMGEN_INC")})
CELLS["key", "HASH"] = (True, False)  # each of its values is in the map
# Priorities of iptables-nft's chains, beside which no native chain stands.
XTABLES = {(h.lower(), x) for t, x in (("raw", -300), ("mangle", -150), ("nat", -100), ("nat", 100), ("filter", 0), ("security", 150)) for h in kx.HOOKS[t]}


NO_RULE = re.compile(r"table|chain|type |set |map |[*}:]|COMMIT|$")


class Backend:
    name, labs, cells = "nftables", "lab-nftables", CELLS
    dumps = ["nft-ruleset.json"]

    @staticmethod
    def is_rule(line):
        return not NO_RULE.match(line)

    def load_text(self, text, fam):
        """Tables of iptables-nft come first, where there are any."""
        xtables, native = text[:text.index("table ")], text[text.index("table "):]
        run("nft", "flush", "ruleset")
        if xtables:
            run(f"{'ip' if fam == 4 else 'ip6'}tables-nft-restore", stdin=xtables.encode())
        run("nft", "-f", "-", stdin=native.encode())
        return self.dumps + ([f"ip{'' if fam == 4 else '6'}tables-nft-save.txt", "ipset-save.txt"] if xtables else [])

    def load_random(self, r):
        fam = r.choice([4, 4, 6])
        xtables = kx.ruleset(r, fam) if r.random() < 0.2 else ""
        text = xtables + kn.ruleset(r, fam, XTABLES)
        families = (fam, fam, fam, 10 - fam) if "table inet" in text else (fam,)
        return text, families, self.load_text(text, fam)

    def load_lab(self, node):
        text = common.read(os.path.join(node, "nft-ruleset.json"))
        run("nft", "flush", "ruleset")
        run("nft", "-j", "-f", "-", stdin=commands(text).encode())
        return text, self.dumps


def commands(text):
    """A listing as commands that nft takes: what others refer to comes first, and verdict maps get their elements at the end."""
    rows = [row for row in json.loads(text)["nftables"] if "metainfo" not in row]
    first, elements = [], []
    for kind in ("table", "chain", "counter", "set", "map"):
        for row in rows:
            if kind not in row:
                continue
            obj = {k: v for k, v in row[kind].items() if k not in ("handle", "elem")}
            if " . " in str(obj.get("map")):
                obj["map"] = obj["map"].split(" . ")
            first.append({"add": {kind: obj}})
            if row[kind].get("elem"):
                elements.append({"add": {"element": {**{k: obj[k] for k in ("family", "table", "name")}, "elem": row[kind]["elem"]}}})
    rules = [{"add": {"rule": {k: v for k, v in row["rule"].items() if k != "handle"}}} for row in rows if "rule" in row]
    return json.dumps({"nftables": first + elements + rules})
