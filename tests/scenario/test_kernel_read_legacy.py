# SPDX-License-Identifier: GPL-2.0-or-later
"""What the kernel says of the legacy backend, read by svcdoctor, equals what iptables-legacy-save prints in the same namespace, but for comment lines and
counters: the lab's rules, those of others, random ones, and every match and target that the kernel has. Protocols may be names or numbers, as
/etc/protocols has them; and "! --sport 0:65535", which never holds, is dropped by iptables 1.8.9 and said by svcdoctor.

Reading makes no table and loads no module, says what it lacks as another user, and takes no rules that were never there together."""
import glob
import os
import random
import re
import socket
import subprocess
import sys
import threading

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import every_xt  # noqa: E402
import kernel_xtables as kx  # noqa: E402
from common import CORPUS, ROOT, Tests, expect, expect_equal, read, short  # noqa: E402
from kernel_world import unshare  # noqa: E402

READ = os.path.join(ROOT, os.environ.get("BUILD", "build"), "tests", "kernel_read")
NEWNET = 0x40000000
SEEDS = int(os.environ.get("KERNEL_SEEDS", "100")) // 4
FAMILIES = {4: "ip", 6: "ip6"}
STATES = {0: "read", 3: "absent", 4: "denied", 5: "changed", 6: "failed"}
# Objects in a file, or parts of the kernel, that no rule can do without; and what libxtables 1.8.9 has no words for.
NOT_TRIED = {"connlabel", "l2tp", "udplite", "ERROR", "SECMARK", "CONNSECMARK", "LED"}


def protocol(name):
    try:
        return str(socket.getprotobyname(name))
    except OSError:
        return name


def lines(text):
    """Without comments and counters, protocols as numbers."""
    out = []
    for line in text.splitlines():
        if line.startswith("#"):
            continue
        if line.startswith(":"):
            line = re.sub(r" \[\d+:\d+\]$", "", line)
        out.append(re.sub(r" -p (\S+)", lambda m: " -p " + protocol(m.group(1)), line))
    return out


def ours(fam, user=None):
    p = subprocess.run([READ, f"legacy{fam}"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False, timeout=60, user=user,
                       extra_groups=[] if user else None, group=user)
    expect(p.returncode in STATES, lambda: f"legacy{fam} ended with {p.returncode}: {p.stderr.decode()}")
    return STATES[p.returncode], p.stdout.decode(errors="surrogateescape"), p.stderr.decode()


def tools(fam):
    p = subprocess.run([f"{FAMILIES[fam]}tables-legacy-save"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=True)
    return p.stdout.decode(errors="surrogateescape")


def compare(what):
    rules = 0
    for fam in FAMILIES:
        want = lines(tools(fam))
        state, text, why = ours(fam)
        expect_equal(state, "read" if want else "absent", f"{what}, IPv{fam}: {why}")
        got = lines(text)
        for a, b in zip(want, got):
            expect(a == b, f"{what}, IPv{fam}:\niptables  {a}\nsvcdoctor {b}")
        expect_equal(len(got), len(want), f"{what}, IPv{fam}: lines")
        expect("--svcdoctor-unknown" not in text, f"{what}, IPv{fam}: something is unknown")
        rules += sum(x.startswith("-A") for x in got)
    return rules


def fresh():
    unshare(NEWNET)


def restore(fam, text):
    p = subprocess.run([f"{FAMILIES[fam]}tables-legacy-restore"], input=text.encode(errors="surrogateescape"), stdout=subprocess.DEVNULL,
                       stderr=subprocess.PIPE, check=False)
    expect(p.returncode == 0, lambda: f"iptables-legacy-restore: {p.stderr.decode()}\n{short(text)}")


def supported(fam, text):
    """Without the rules that ask for a match that this kernel does not have (ipvs), or for a group of processes that is not here."""
    known = set(read(f"/proc/net/{FAMILIES[fam]}_tables_matches").split())
    return "".join(x + "\n" for x in text.splitlines() if "-m cgroup --path" not in x and set(re.findall(r" -m (\S+)", x)) <= known)


def objects():
    """What kube-proxy's rules name, and the random ones."""
    for name in ("ct_state_invalid_dropped_pkts", "localhost_nps_accepted_pkts"):
        subprocess.run(["nfacct", "add", name], stderr=subprocess.DEVNULL, check=False)


def recorded(folder):
    fresh()
    objects()
    sets = os.path.join(folder, "ipset-save.txt")
    if os.path.exists(sets):
        subprocess.run(["ipset", "restore"], input=read(sets).encode(), stderr=subprocess.DEVNULL, check=False)
    for fam, name in FAMILIES.items():
        path = os.path.join(folder, f"{name}tables-legacy-save.txt")
        if os.path.exists(path):
            restore(fam, supported(fam, read(path)))
    return f"{compare(os.path.relpath(folder, CORPUS))} rules"


def every():
    fresh()
    refused = []
    for fam, name in FAMILIES.items():
        refused += every_xt.load(f"{name}tables-legacy-restore", fam)
    rules = compare("every match and target")
    missing = set()
    for fam, name in FAMILIES.items():
        words = tools(fam).split()
        used = {b for a, b in zip(words, words[1:]) if a in ("-m", "-j")}
        for kind in ("matches", "targets"):
            missing |= {n for n in read(f"/proc/net/{name}_tables_{kind}").split() if n not in used}
        missing -= used
    expect_equal(missing - NOT_TRIED, set(), "matches and targets of this kernel in no rule of every_xt.py")
    return f"{rules} rules, {len(refused)} refused by this kernel"


def basics():
    fresh()
    for fam in FAMILIES:
        rules = [f"-A INPUT {n}-p {i}" for i in (*range(1, 256, 7), 6, 17, 58, 132) for n in ("", "! ")]
        rules += [f"-A INPUT {x}" for x in ("-j b-chain", "-g b-chain", "-j RETURN", "-j QUEUE", "", "-i eth+", "! -i e+", "-i abcdefghijklmno")]
        chains = "".join(f":{c} - [0:0]\n" for c in ("b-chain", "A-chain", "Zz", "a_chain", "KUBE-SVC-X"))
        restore(fam, f"*raw\nCOMMIT\n*filter\n:FORWARD DROP [5:6]\n:OUTPUT DROP [0:0]\n{chains}" + "\n".join(rules) +
                "\n-A b-chain -j A-chain\n-A A-chain -g Zz\n-A Zz -j ACCEPT\nCOMMIT\n*security\nCOMMIT\n")
        for name in ('a"b', "it's", "back\\slash", "#x", ":x", "COMMIT", "x!"):
            for words in (("-N", name), ("-A", name, "-j", "Zz"), ("-A", "INPUT", "-j", name)):
                subprocess.run([f"{'ip6' if fam == 6 else 'ip'}tables-legacy", *words], check=True)
    return f"{compare('protocols, interfaces, chains')} rules"


def set_names():
    """A rule holds the number of its set, which keeps it when sets are swapped."""
    fresh()
    sets = "".join(f"create n{i} hash:ip family inet\n" for i in range(300))
    subprocess.run(["ipset", "restore"], input=sets.encode(), check=True)
    rules = "".join(f"-A INPUT -m set --match-set n{i} src -j SET --add-set n{299 - i} dst\n" for i in range(300))
    restore(4, f"*filter\n{rules}COMMIT\n")
    count = compare("sets")
    for change in (("swap", "n1", "n2"), ("swap", "n299", "n0")):
        subprocess.run(["ipset", *change], check=True)
        compare(f"sets after {' '.join(change)}")
    return f"{count} rules"


def halves():
    """What is large enough is printed by two threads."""
    fresh()
    subprocess.run(["ipset", "restore"], input="".join(f"create n{i} hash:ip family inet\n" for i in range(4)).encode(), check=True)
    for chains, rules in ((150, 120), (1, 16000)):
        names = [f"{'ZYX'[i % 3]}{i}" for i in range(chains)]
        text = "".join(f":{n} - [0:0]\n" for n in names)
        for i, n in enumerate(names):
            rule = f"-A {n} -p tcp -m set --match-set n%d src -m comment --comment \"{i} %d\" -j {names[i // 2] if i else 'ACCEPT'}\n"
            text += f"-A INPUT -j {n}\n" + "".join(rule % ((i + k) % 4, k) for k in range(rules))
        restore(4, f"*filter\n{text}COMMIT\n")
        count = compare(f"{chains} chains")
    return f"{count} rules"


def random_rulesets():
    fresh()
    objects()
    subprocess.run(["ipset", "restore"], input=kx.ipsets().encode(), stderr=subprocess.DEVNULL, check=False)
    first, rules = int(os.environ.get("KERNEL_SEED", "0")), 0
    for seed in range(first, first + SEEDS):
        r = random.Random(seed)
        for fam in FAMILIES:
            restore(fam, kx.ruleset(r, fam))
        rules += compare(f"KERNEL_SEED={seed}")
    return f"{SEEDS} rulesets, {rules} rules"


# ---- what reading must not do ----

def lists():
    names = [f"/proc/net/{n}_tables_{k}" for n in FAMILIES.values() for k in ("names", "matches", "targets")]
    return {n: sorted(read(n).split()) for n in [*names, "/proc/modules"] if os.path.exists(n)}


def untouched():
    fresh()
    before = lists()
    for fam in FAMILIES:
        state, text, why = ours(fam)
        expect_equal((state, text), ("absent", ""), f"a fresh namespace: {why}")
    expect_equal(lists(), before, "tables, matches, targets and modules after reading")
    restore(4, "*nat\n-A OUTPUT -j ACCEPT\nCOMMIT\n")
    before = lists()
    expect_equal(ours(4)[0], "read", "one table")
    expect_equal(ours(6)[0], "absent", "the other family")
    expect_equal(lists(), before, "the same with one table")


def denied():
    fresh()
    restore(4, "*nat\nCOMMIT\n")
    state, text, why = ours(4, user=65534)
    expect_equal((state, text), ("denied", ""), f"another user: {why}")
    expect("CAP_NET_ADMIN" in why, f"what is missing is named: {why}")
    keep = ["--inh-caps", "-all,+net_admin", "--ambient-caps", "-all,+net_admin"]
    p = subprocess.run(["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", *keep, READ, "legacy4"], stdout=subprocess.DEVNULL,
                       stderr=subprocess.PIPE, check=False)
    expect(p.returncode == 4 and b"CAP_DAC_READ_SEARCH" in p.stderr, f"the list of tables is root's: {p.stderr.decode()}")


TABLES = ("raw", "mangle", "filter", "nat")


def variant(mark):
    body = {t: [f"*{t}", f":V{mark} - [0:0]"] + [f"-A OUTPUT -m mark --mark {mark}/{i} -j V{mark}" for i in range(1, 40 if t == "nat" else 5)] + ["COMMIT"] for t in TABLES}
    return "\n".join(x for t in TABLES for x in body[t]) + "\n"


def torn():
    """Somebody changes all tables all the time, one after the other: each reading is of one moment, so that at one place at most in that order
    the rules of one change stop and those of the other begin."""
    fresh()
    texts, stop, seen = [variant(1), variant(2)], threading.Event(), {"changed": 0}

    def write():
        while not stop.is_set():
            for t in texts:
                restore(4, t)
    restore(4, texts[0])
    thread = threading.Thread(target=write)
    thread.start()
    try:
        for _ in range(60):
            state, text, why = ours(4)
            if state == "changed":
                seen["changed"] += 1
                continue
            expect_equal(state, "read", why)
            tables = {t.split("\n", 1)[0]: set(re.findall(r" -j V(.)|:V(.) ", t)) for t in ("\n" + text).split("\n*")[1:]}
            expect_equal(sorted(tables), sorted(TABLES), "tables")
            sides = [{a or b for a, b in tables[t]} for t in TABLES]
            expect(all(len(s) == 1 for s in sides), f"a table that never was: {sides}")
            order = "".join(s.pop() for s in sides)
            expect(re.fullmatch(r"1*2*|2*1*", order), f"a reading that never was: {order}")
            seen[order] = seen.get(order, 0) + 1
    finally:
        stop.set()
        thread.join()
    return ", ".join(f"{k}: {v}" for k, v in sorted(seen.items()))


def possible():
    if os.geteuid() != 0:
        return "needs root"
    for tool in ("iptables-legacy-restore", "ip6tables-legacy-restore", "ipset", "nfacct"):
        if subprocess.run(["sh", "-c", f"command -v {tool}"], stdout=subprocess.DEVNULL, check=False).returncode != 0:
            return f"{tool} is not here"
    unshare(NEWNET)
    p = subprocess.run(["iptables-legacy-restore"], input=b"*nat\nCOMMIT\n", stderr=subprocess.PIPE, check=False)
    return f"this kernel has no legacy iptables: {p.stderr.decode().strip()}" if p.returncode else None


def main():
    os.environ["XTABLES_LOCKFILE"] = f"/tmp/.svcdoctor-xtables-{os.getpid()}"
    os.environ["LC_ALL"] = "C"
    tests, why = Tests(), possible()
    if why:
        tests.skip("kernel_read_legacy", why)
        return
    try:
        for path in sorted({os.path.dirname(p) for p in glob.glob(f"{CORPUS}/lab-*/nodes/*/ip*tables-legacy-save.txt") + glob.glob(f"{CORPUS}/elsewhere/*/ip*tables-legacy-save.txt")}):
            tests.run(os.path.relpath(path, CORPUS).replace("/nodes/", "/"), recorded, path)
        for test in (basics, every, set_names, halves, random_rulesets, untouched, denied, torn):
            tests.run(test.__name__, test)
    finally:
        if os.path.exists(os.environ["XTABLES_LOCKFILE"]):
            os.unlink(os.environ["XTABLES_LOCKFILE"])
    tests.finish()


if __name__ == "__main__":
    main()
