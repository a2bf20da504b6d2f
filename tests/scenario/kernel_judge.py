# SPDX-License-Identifier: GPL-2.0-or-later
"""The kernel as judge: sends packets through the rules that are loaded, and holds what is seen against the engine's endings.

Judge.ruleset() takes the dumps of the rules as the ordinary tools print them, Judge.packet() sends one packet and its reply. A case
that disagrees is kept as a bundle with the command of `svcdoctor trace` that asks about the same packet."""
import json
import os
import re
import shutil
import subprocess
import tempfile
from dataclasses import replace

import common
import kernel_packets as kp
from kernel_packets import Packet, family
from kernel_world import INTERFACE, LISTENING, run

REFUSALS = {
    "icmp-net-unreachable": (3, 0), "icmp-host-unreachable": (3, 1), "icmp-proto-unreachable": (3, 2), "icmp-port-unreachable": (3, 3),
    "icmp-net-prohibited": (3, 9), "icmp-host-prohibited": (3, 10), "icmp-admin-prohibited": (3, 13), "tcp-reset": ("reset",),
    "icmp6-no-route": (1, 0), "icmp6-adm-prohibited": (1, 1), "icmp6-addr-unreachable": (1, 3), "icmp6-port-unreachable": (1, 4),
    "icmp6-policy-fail": (1, 5), "icmp6-reject-route": (1, 6),
}
ICMPX = {"port-unreachable": ((3, 3), (1, 4)), "admin-prohibited": ((3, 13), (1, 1)), "no-route": ((3, 0), (1, 0)), "host-unreachable": ((3, 1), (1, 3))}
PROTOCOLS = {kp.TCP: "tcp", kp.UDP: "udp", kp.SCTP: "sctp", kp.ICMP: "icmp", kp.ICMP6: "icmp"}
FACTS = {"ip-addr.json": ("ip", "-j", "addr"), "ip-link.json": ("ip", "-j", "-d", "link"), "ip-route.json": ("ip", "-j", "route", "show", "table", "all"),
         "ip-route6.json": ("ip", "-6", "-j", "route", "show", "table", "all"), "ip-rule.json": ("ip", "-j", "rule"), "ip-neigh.json": ("ip", "-j", "neigh"),
         "bridge-fdb.json": ("bridge", "-j", "fdb", "show"), "sysctl.txt": ("sysctl", "-a", "-r", "^net\\.(ipv[46]\\.(conf|ip_forward)|bridge)"), "uname.txt": ("uname", "-r")}
DUMPS = {"iptables-nft-save.txt": ("iptables-nft-save", "-c"), "ip6tables-nft-save.txt": ("ip6tables-nft-save",),
         "iptables-legacy-save.txt": ("iptables-legacy-save",), "ip6tables-legacy-save.txt": ("ip6tables-legacy-save", "-c"),
         "ipset-save.txt": ("ipset", "save"), "nft-ruleset.json": ("nft", "-j", "list", "ruleset")}


def refusal_of(text, fam):
    """ICMP type and code; "icmpx" is of either family."""
    return ICMPX[text[6:]][fam == 6] if text.startswith("icmpx-") else REFUSALS.get(text)


class Disagreement(common.Failure):
    def __init__(self, text, kept, packet, link):
        super().__init__(text)
        self.kept, self.packet, self.link = kept, packet, link


class Engine:
    """The engine's answers, from tests/judge."""
    FIELDS = ("verdict", "address", "port", "weight", "masquerade", "source", "delivery", "interface", "refusal", "cause", "reply", "unknowns", "states",
              "by", "reply_why", "reply_by")

    def __init__(self):
        program = os.environ.get("JUDGE", os.path.join(common.ROOT, os.environ.get("BUILD", "build"), "tests", "judge"))
        self.p = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, *words):
        self.p.stdin.write(" ".join(str(w) for w in words) + "\n")
        self.p.stdin.flush()
        lines = []
        for line in self.p.stdout:
            if line == ".\n":
                return lines
            lines.append(line.rstrip("\n").split("\t"))
        raise common.Failure(f"the engine died with {self.p.wait()} at {words}")

    def load(self, folder, prefixes):
        answer = self.ask("bundle", folder, "n", *prefixes)
        common.expect(answer and answer[-1][0] == "rules", f"the engine cannot read {folder}: {answer}")
        return {"notes": [a[1] for a in answer if a[0] == "note"], "rules": int(answer[-1][1]), "unknown": int(answer[-1][2])}

    def endings(self, p, iif):
        answer = self.ask("packet", p.src, p.dst, p.proto, p.sport if p.proto not in (kp.ICMP, kp.ICMP6) else 0, p.dport, *p.icmp, iif or "-")
        common.expect(answer and answer[0][0] != "error", f"the engine has no answer: {answer}")
        v = [dict(zip(self.FIELDS, a)) for a in answer]
        for e in v:
            e["port"], e["unknowns"], e["states"], e["weight"] = int(e["port"]), int(e["unknowns"]), int(e["states"]), float(e["weight"])
        return [e for e in v if e["weight"] != 0]

    def table(self):
        return {(a[0], a[1]): (int(a[2]), int(a[3])) for a in self.ask("table")}

    def names(self):
        return [tuple(a) for a in self.ask("names")]

    def close(self):
        self.p.stdin.close()
        self.p.wait()


class Judge:
    def __init__(self, world):
        self.world, self.engine = world, Engine()
        self.folder = tempfile.mkdtemp(prefix="svcdoctor-kernel-")
        self.facts = {}
        self.bundle = os.path.join(self.folder, "bundle")
        self.loaded, self.reload = None, None
        self.text = ""  # the rules as they were loaded, to be kept with a disagreement
        self.counts = {"packets": 0, "sure": 0, "replies": 0, "replies judged": 0, "refusals": 0, "silent refusals": 0}
        self.fates = {}

    def close(self):
        self.engine.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    # ---- bundles ----

    def read_facts(self, key):
        """The node's files but for its rules, once for each of its settings."""
        folder = self.facts.get(key)
        if not folder:
            folder = self.facts[key] = os.path.join(self.folder, f"facts{len(self.facts)}")
            os.mkdir(folder)
            for name, cmd in FACTS.items():
                with open(os.path.join(folder, name), "wb") as f:
                    f.write(run(*cmd, check=False))
            merge_routes(folder)
        return folder

    def ruleset(self, settings, dumps, restore=None):
        """@dumps: names of files to dump; @restore: brings back what packets change, called between them."""
        node = os.path.join(self.bundle, "nodes", "n")
        shutil.rmtree(self.bundle, ignore_errors=True)
        self.settings = settings
        facts = self.read_facts(tuple(sorted(settings.items())))
        shutil.copytree(facts, node, copy_function=os.link)
        for name in dumps:
            with open(os.path.join(node, name), "wb") as f:
                f.write(run(*DUMPS[name]))
        self.dumps = dumps
        self.loaded = self.engine.load(self.bundle, self.world.pods.values())
        self.reload = restore
        run("conntrack", "-F", check=False)
        return self.loaded

    def keep(self, what, p, link, why):
        """A disagreement, as a bundle that is kept and the command that asks about it."""
        kept = tempfile.mkdtemp(prefix="svcdoctor-disagreement-")
        shutil.copytree(self.bundle, os.path.join(kept, "bundle"))
        common.write(json.dumps({"packet": vars(p), "link": link, "settings": dict(self.settings)}), os.path.join(kept, "packet.json"))
        common.write(self.text, os.path.join(kept, "rules.txt"))
        port = f":{p.dport}" if p.dport else ""
        dst = f"[{p.dst}]{port}" if ":" in p.dst and port else p.dst + port
        sport = f" --sport {p.sport}" if p.proto not in (kp.ICMP, kp.ICMP6) else ""
        by = f" --in {INTERFACE[link]}" if link else ""
        command = f"svcdoctor trace {p.src} {dst}/{PROTOCOLS[p.proto]} --bundle {kept}/bundle --node n{by}{sport}"
        return Disagreement(f"{what}: {why}\nreplay: {command}", kept, p, link)

    # ---- one packet ----

    def observe(self, p, link):
        """Sends it: ("sent", link, dst, dport, src, Packet), ("local", dst, dport, src, Packet), ("refused", kind...) or ("nothing",), and all that was seen."""
        if link:
            self.world.send(link, p)
        else:
            self.world.send_from_node(p)
        seen = self.world.collect(link or "eth0", p.ident)
        for where, s in seen:
            if s.kind == "first" and (where == "node" or where in INTERFACE):
                return (("local" if where == "node" else "sent"), where, s), seen
        for where, s in seen:
            if s.kind in ("reset", "error"):
                return ("refused", where, s), seen
        return ("nothing", None, None), seen

    def packet(self, p, link, what):
        if self.reload:
            self.reload()
        outcome, seen = self.observe(p, link)
        endings = self.engine.endings(p, INTERFACE[link] if link else None)
        fitting = [e for e in endings if self.fits(e, outcome)]
        self.counts["packets"] += 1
        self.counts["sure"] += all(e["unknowns"] == 0 and e["verdict"] != "undecided" and e["delivery"] != "unknown" for e in endings)
        self.fates[outcome[0]] = self.fates.get(outcome[0], 0) + 1
        if not fitting:
            raise self.keep(what, p, link, f"{words(p, link)}: the kernel: {say(outcome)}; the engine: " + " | ".join(say_ending(e) for e in endings))
        turned = any(v == "off" for k, v in self.settings.items() if "hairpin" in k) and link and INTERFACE[link] == "cni0"  # the bridge may lose it
        if outcome[0] == "nothing" and not turned and all(e["verdict"] == "reject" and e["cause"] == "-" for e in fitting):
            self.silent_refusal(p, link, what, fitting)
        if outcome[0] in ("sent", "local") and all(e["verdict"] == "accept" and e["delivery"] != "unknown" for e in fitting):
            self.reply(p, link, outcome, seen, fitting, what)

    def silent_refusal(self, p, link, what, endings):
        """Rules may stop the refusal too. Then the counter of the rule that refuses says whether it did, to another packet like it."""
        self.counts["silent refusals"] += 1
        before = rule_counters(self.dumps)
        rules = [e["by"].split(":")[0] for e in endings]
        for _ in range(60 if endings[0]["weight"] != 1 else 1):
            if self.reload:
                self.reload()
            self.observe(replace(p, **dict(zip(("sport", "ident"), self.world.number()))), link)
            after = rule_counters(self.dumps)
            if any(after.get(n, 0) > before.get(n, 0) for n in rules):
                return
        raise self.keep(what, p, link, f"{words(p, link)}: nothing comes out, and the rule that should refuse it has not counted it: "
                        + " | ".join(say_ending(e) for e in endings))

    def fits(self, e, outcome):
        kind, where, s = outcome
        if e["verdict"] == "undecided":
            return True
        if e["verdict"] != "accept" and e["cause"] != "-" and kind == "refused":
            return True  # lost before the rules that would have ended it
        if e["verdict"] == "drop":
            return kind == "nothing"
        if e["verdict"] == "reject":
            if kind == "refused":
                self.counts["refusals"] += 1
                return refusal_of(e["refusal"], family(s.src)) == (("reset",) if s.kind == "reset" else s.refusal)
            return kind == "nothing"
        if e["delivery"] == "lost":
            return kind in ("nothing", "refused")
        if kind not in ("sent", "local") or (s.dst, s.dport) != (e["address"], e["port"]) or e["source"] not in ("-", s.src):
            return e["delivery"] == "unknown" and kind in ("nothing", "refused")
        if e["delivery"] == "local":
            return kind == "local"
        return e["delivery"] == "unknown" or (kind == "sent" and e["interface"] in ("-", INTERFACE[where]))

    # ---- its reply ----

    def reply(self, p, link, outcome, seen, endings, what):
        kind, where, s = outcome
        if p.src == p.dst:
            return  # nobody sends that out
        if kind == "local":
            got = self.local_reply(s, seen, link)
        else:
            back = self.world.way_back(where, s.src)
            got = [] if back is None or s.src == s.dst else self.sent_reply(where, s, back)
        if got is None:
            return
        another_way = kind == "sent" and back is None and (s.src, s.dst, s.sport, s.dport) == (p.src, p.dst, p.sport, p.dport)
        own = link is None or self.world.is_own(p.src)
        home = another_way or any(self.is_home(p, own, w, q) for w, q in got)
        self.counts["replies"] += 1
        says = {"unknown" if e["reply_why"].startswith("a part") else e["reply"] for e in endings}
        if says == {"unknown"}:
            return
        self.counts["replies judged"] += 1
        if ("yes" if home else "no") not in says and "unknown" not in says:
            raise self.keep(what, p, link, f"{words(p, link)}: {say(outcome)}: the reply {'comes home' if home else 'does not come home'} in the kernel ("
                            + "; ".join(f"{w}: {q.kind} {q.src}:{q.sport} > {q.dst}:{q.dport}" for w, q in got) + "); the engine: "
                            + " | ".join(say_ending(e) for e in endings))

    def local_reply(self, s, seen, link):
        """What the node's own listener said; None: nobody listens there."""
        if s.proto in (kp.TCP, kp.ICMP, kp.ICMP6):
            if s.proto == kp.TCP and s.dport not in LISTENING:
                return None
            if s.proto != kp.TCP and s.icmp != (kp.ECHO[family(s.src)][0], 0):
                return None
            return [(w, q) for w, q in seen if q.kind == "reply"]
        if s.proto == kp.UDP and self.world.reply_from_node(s):
            return [(w, q) for w, q in self.world.collect(link or "eth0", s.ident) if q.kind == "reply"]
        return None

    def sent_reply(self, where, s, mac_to):
        if s.proto in (kp.ICMP, kp.ICMP6) and s.icmp[0] != kp.ECHO[family(s.src)][0]:
            return None
        q = s.turned()
        self.world.send(where, q, True, mac_to)
        return [(w, x) for w, x in self.world.collect(where, s.ident) if x.kind == "reply"]

    @staticmethod
    def is_home(p, own, where, q):
        icmp = p.proto in (kp.ICMP, kp.ICMP6)
        return (q.src, q.dst) == (p.dst, p.src) and (icmp or (q.sport, q.dport) == (p.dport, p.sport)) and \
            (not icmp or q.sport == p.sport) and (where == "node") == own


COUNTED = re.compile(r"^\[(\d+):\d+\] -A (\S+)(?: |$)")


def rule_counters(dumps):
    """{"table chain index": packets} of all rules that have counters."""
    v = {}
    for name in dumps:
        if "tables" in name:
            table, index = "", {}
            for line in run(DUMPS[name][0], "-c").decode().splitlines():
                table = line[1:] if line.startswith("*") else table
                m = COUNTED.match(line)
                if m:
                    index[table, m[2]] = n = index.get((table, m[2]), 0) + 1
                    v[f"{table} {m[2]} {n}"] = int(m[1])
        elif name.startswith("nft"):
            index = {}
            for row in json.loads(run(*DUMPS[name]))["nftables"]:
                if "rule" in row:
                    key = (row["rule"]["table"], row["rule"]["chain"], row["rule"]["family"])
                    index[key] = n = index.get(key, 0) + 1
                    count = [e["counter"]["packets"] for e in row["rule"]["expr"] if isinstance(e.get("counter"), dict) and "packets" in e["counter"]]
                    v[f"{key[0]} {key[1]} {n}"] = count[0] if count else 0
    return v


def merge_routes(folder):
    """`ip -j route` shows one family at a time: one list holds both."""
    four, six = (common.read(os.path.join(folder, n)).strip() for n in ("ip-route.json", "ip-route6.json"))
    os.unlink(os.path.join(folder, "ip-route6.json"))
    if six not in ("", "[]"):
        common.write(four.rstrip("]\n ") + "," + six.lstrip("["), os.path.join(folder, "ip-route.json"))


def words(p, link):
    name = PROTOCOLS[p.proto]
    return f"{name} {p.src}:{p.sport} by {link or 'the node itself'} -> {p.dst}:{p.dport}" + (f" {p.icmp}" if name == "icmp" else "")


def say(outcome):
    kind, where, s = outcome
    if kind == "nothing":
        return "nothing comes out"
    if kind == "refused":
        return f"refused with {'a reset' if s.kind == 'reset' else s.refusal} (seen at {where})"
    return f"{kind} {where}: {s.src}:{s.sport} > {s.dst}:{s.dport}"


def say_ending(e):
    return " ".join(f"{k}={e[k]}" for k in Engine.FIELDS if e[k] not in ("-", "", 0))
