# SPDX-License-Identifier: GPL-2.0-or-later
"""A node's addresses, routes and routing rules for the plain linear evaluator (linear.py), and addresses as numbers. Shares no code with lib/node."""
import ipaddress
import json
import os


# ---- addresses ----

def address(text):
    return int(ipaddress.ip_address(text))


def address_text(value, family):
    return str(ipaddress.IPv4Address(value) if family == 4 else ipaddress.IPv6Address(value))


def prefix(text, family):
    """(value, mask) of ADDRESS[/LENGTH|/MASK]."""
    width = 32 if family == 4 else 128
    base, _, length = text.partition("/")
    full = (1 << width) - 1
    if not length:
        mask = full
    elif length.isdigit():
        mask = full ^ (full >> int(length))
    else:
        mask = address(length)
    return address(base) & mask, mask


# ---- facts of a node ----

class Facts:
    """Addresses, routes and rules of one node and family. @routes: {table: [(value, mask, length, metric, type, dev, gateway)]}, or None."""

    def __init__(self, family, addresses, routes=None, rules=None):
        self.family, self.addresses, self.routes = family, addresses, routes
        self.rules = rules or [{"priority": 0, "table": "local"}, {"priority": 32766, "table": "main"}, {"priority": 32767, "table": "default"}]

    @staticmethod
    def from_folder(folder, family):
        texts = {}
        for name in ("ip-addr.json", "ip-route.json", "ip-rule.json"):
            path = os.path.join(folder, name)
            if os.path.exists(path):
                with open(path, encoding="utf-8") as f:
                    texts[name] = f.read()
        return Facts.from_texts(texts, family)

    @staticmethod
    def from_texts(texts, family):
        """@texts: {name of a file: what is in it}"""
        def load(name):
            return json.loads(texts[name]) if name in texts else None
        name = "inet" if family == 4 else "inet6"
        addresses = [(address(a["local"]), a["prefixlen"], link["ifname"], a.get("scope", "global"), bool(a.get("secondary")))
                     for link in load("ip-addr.json") or [] for a in link.get("addr_info", []) if a.get("family") == name]
        text = load("ip-route.json")
        routes = None if text is None else {}
        for r in text or []:
            dst = r["dst"]
            six = ":" in dst or ":" in r.get("prefsrc", "") + r.get("gateway", "")
            if (family == 6) != (six or dst == "default" and r.get("pref") is not None):
                continue
            full = 32 if family == 4 else 128
            length = 0 if dst == "default" else int(dst.split("/")[1]) if "/" in dst else full
            value, mask = (0, 0) if dst == "default" else prefix(dst, family)
            routes.setdefault(str(r.get("table", "main")), []).append(
                (value, mask, length, r.get("metric", 0), r.get("type", "unicast"), r.get("dev"), r.get("gateway")))
        rules = load("ip-rule.json") if family == 4 else None
        return Facts(family, addresses, routes, rules)

    def _lookup(self, table, dst):
        best = None
        for r in self.routes.get(table, ()):
            if dst & r[1] == r[0] and (best is None or (-r[2], r[3]) < (-best[2], best[3])):
                best = r
        return best

    def _rule_applies(self, rule, packet_mark, src, dst, iif):
        def inside(value, key, length):
            if value in (None, "all"):
                return True
            v, m = prefix(value + (f"/{rule[length]}" if length in rule else ""), self.family)
            return key & m == v
        mark = int(str(rule.get("fwmark", "0")), 0)
        mask = int(str(rule.get("fwmask", "0xffffffff" if "fwmark" in rule else "0")), 0)
        yes = inside(rule.get("src"), src, "srclen") and inside(rule.get("dst"), dst, "dstlen") and packet_mark & mask == mark & mask and \
            rule.get("iif") in (None, iif)
        return yes != ("not" in rule)

    def route(self, src, dst, mark, iif=None):
        """(type, device, gateway): "local", "unicast", or what refuses; device None where it is not known."""
        if self.routes is None:
            kind = self.kind(dst).lower()
            return (kind, "lo" if kind == "local" else None, None)
        for rule in sorted(self.rules, key=lambda r: r["priority"]):
            if not self._rule_applies(rule, mark, src, dst, iif):
                continue
            if rule.get("action") not in (None, "to_tbl", "lookup"):
                return (rule["action"], None, None)
            found = self._lookup(str(rule["table"]), dst)
            if found and found[4] != "throw":
                return (found[4], found[5], found[6])
        return ("unreachable", None, None)

    def is_local(self, value, device=None):
        return self.kind(value, device) == "LOCAL"

    def kind(self, value, device=None):
        """The type that addrtype sees in IPv4; LOCAL or UNICAST in IPv6."""
        if self.family == 4 and value >> 28 == 14:
            return "MULTICAST"
        if self.family == 4 and (value == 0xffffffff or value >> 24 == 0):
            return "BROADCAST"
        if self.routes is not None:
            found = self._lookup("local", value)
            if found and found[4] in ("local", "broadcast", "anycast") and device in (None, found[5]):
                return found[4].upper()
            return "UNICAST"
        if self.family == 4 and value >> 24 == 127 and device in (None, "lo"):
            return "LOCAL"
        if any(a == value and device in (None, dev) for a, _, dev, _, _ in self.addresses):
            return "LOCAL"
        # The kernel's own routes that come with an address.
        if self.family == 4 and any(a | (1 << 32 - n) - 1 == value and n < 31 and device in (None, dev) for a, n, dev, _, _ in self.addresses):
            return "BROADCAST"
        return "UNICAST"

    def masquerade_address(self, device, next_hop):
        """inet_select_addr(): the device's address whose subnet holds the next hop, else its first; else one of another device.
        IPv6: RFC 6724 as far as it is needed: the destination itself, then an address of the device, then the longest common prefix."""
        usable = [a for a in self.addresses if a[3] not in ("link", "host") and not a[4]]
        full = 32 if self.family == 4 else 128
        if self.family == 6:
            best = max((a for a in self.addresses if a[3] != "link"), default=(None,), key=lambda a: (
                a[0] == next_hop, a[3] == "global", a[2] == device, full - (a[0] ^ next_hop).bit_length()))
            return best[0]
        here = [a for a in usable if a[2] == device]
        for value, length, *_ in here:
            if value >> (full - length) == next_hop >> (full - length):
                return value
        return (here or usable or [(None,)])[0][0]

    def primary(self, device):
        return next((a[0] for a in self.addresses if a[2] == device and not a[4]), None)
