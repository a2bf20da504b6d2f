# SPDX-License-Identifier: GPL-2.0-or-later
"""The two backends of iptables, for kernel_main.py."""
import os

import common
import kernel_xtables as kx
from kernel_world import run

# What can be met, and not be met, by the first packet of a connection; all others of lib/nat are no iptables matches, or not evaluated.
BOTH = (True, True)
CELLS = {("match", name): BOTH for name in (
    "SADDR", "DADDR", "PROTO", "SPORT", "DPORT", "PORT", "ICMP", "TCP_FLAGS", "FRAGMENT", "IIF", "OIF", "PHYSIN", "PHYSOUT", "PHYS_BRIDGED", "PHYS_IS_IN",
    "PHYS_IS_OUT", "MARK", "CT_STATE", "CT_STATUS", "CT_DIR", "CT_MARK", "CT_PROTO", "CT_ORIG_SADDR", "CT_ORIG_DADDR", "CT_ORIG_SPORT", "CT_ORIG_DPORT",
    "CT_REPL_SADDR", "CT_REPL_DADDR", "CT_REPL_SPORT", "CT_REPL_DPORT", "SADDR_TYPE", "DADDR_TYPE", "RANDOM", "NTH", "SET", "RPFILTER", "OWNER", "HELPER",
    "EXTHDR", "RECENT", "RECENT_SET", "CONNBYTES", "HASHLIMIT", "CONNLIMIT", "QUOTA")}
CELLS["match", "LIMIT"] = (True, False)  # never exhausted, and not to be negated
CELLS["match", "FALSE"] = (False, True)
CELLS.update({("target", name): BOTH for name in (
    "ACCEPT", "DROP", "RETURN", "JUMP", "GOTO", "REJECT", "DNAT", "SNAT", "MASQUERADE", "REDIRECT", "NETMAP", "MARK", "CONNMARK", "CONNMARK_SAVE",
    "CONNMARK_RESTORE", "NOTRACK", "SET")})
CELLS["target", "NOP"] = (False, False)  # rules that change nothing are passed over


class Backend:
    cells = CELLS

    def __init__(self, name):
        self.name, self.tool = f"iptables-{name}", name
        self.labs = f"lab-iptables-{name}"

    def restore(self, fam, text):
        run(f"{'ip' if fam == 4 else 'ip6'}tables-{self.tool}-restore", stdin=text.encode())

    def dumps(self, *families):
        return [f"ip{'' if fam == 4 else '6'}tables-{self.tool}-save.txt" for fam in families] + ["ipset-save.txt"]

    @staticmethod
    def is_rule(line):
        return line.startswith("-A")

    def load_text(self, text, fam):
        """Sometimes nft's listing is there too, which holds the same rules once more."""
        self.restore(fam, text)
        return self.dumps(4, 6) + ["nft-ruleset.json"] if self.tool == "nft" and len(text) % 5 == 0 else self.dumps(fam)

    def load_random(self, r):
        fam = r.choice([4, 4, 6])
        text = kx.ruleset(r, fam)
        return text, (fam,), self.load_text(text, fam)

    def load_lab(self, node):
        text = ""
        for fam in (4, 6):
            one = common.read(os.path.join(node, self.dumps(fam)[0]))
            self.restore(fam, one)
            text += one
        return text, self.dumps(4, 6)
