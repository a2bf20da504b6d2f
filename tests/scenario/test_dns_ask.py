#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What a question to a DNS server may end in: a sound server (knotd), one that lies (dns_liar.py), closed ports, rules and routes that are in the way, each
in a network namespace. And what we print of an answer beside what dig prints of the same."""
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

from common import ROOT, Tests, expect, expect_equal, sh, short, write

BUILD = os.environ.get("BUILD", "build")
DNS = os.path.join(ROOT, BUILD, "tests", "dns")
SPACE = f"svcask{os.getpid()}"
LIAR, KNOT = "10.9.0.1", "10.9.0.20"
ECONNREFUSED, EHOSTUNREACH, ENETUNREACH, EPERM, EACCES, EINVAL, ECONNRESET = 111, 113, 101, 1, 13, 22, 104

# (name's first label, end, what else the answer must show)
UDP = [
    ("good", "answered", {"rcode": "NOERROR", "records": 1, "tries": 1, "strangers": 0}),
    ("empty", "garbage", {"why": "0 bytes that are no DNS message"}),
    ("short", "garbage", {"why": "3 bytes that are no DNS message"}),
    ("random", "strangers", {"strangers": 2, "tries": 2}),
    ("noise", "garbage", {"why": "question, byte 12: a name that points in a circle, or out of the message", "unknown": True}),
    ("otherid", "strangers", {"strangers": 2, "tries": 2}),
    ("othername", "strangers", {"strangers": 2}),
    ("othertype", "strangers", {"strangers": 2}),
    ("elsewhere", "strangers", {"why": f"an answer came from {LIAR}:54", "strangers": 2}),
    ("flood", "strangers", {}),
    ("echo", "garbage", {"why": "it is a question, not an answer"}),
    ("noquestion", "answered", {"rcode": "FORMERR", "records": 0}),
    ("circle", "garbage", {"why": "answer record 2, byte 54: a name that points in a circle, or out of the message", "records": 1, "unknown": True}),
    ("itself", "garbage", {"records": 0}),
    ("beyond", "garbage", {"records": 0}),
    ("size", "garbage", {"why": "answer record 2, byte 52: the message ends within it", "records": 1}),
    ("count", "garbage", {"records": 1}),
    ("address", "garbage", {"records": 1}),
    ("srv", "garbage", {"records": 0}),
    ("chain", "answered", {"records": 150}),
    ("huge", "garbage", {"size": 60000}),
    ("tc", "answered", {"tc": True, "records": 0, "unknown": False}),
    ("tccut", "answered", {"tc": True, "records": 1, "unknown": True}),
    ("servfail", "answered", {"rcode": "SERVFAIL"}),
    ("refused", "answered", {"rcode": "REFUSED"}),
    ("rcode11", "answered", {"rcode": "?"}),
    ("class", "answered", {"records": 1, "unknown": True}),
    ("silent", "timed-out", {"tries": 2, "error": 0}),
    ("second", "answered", {"tries": 2}),
    ("delay", "answered", {"tries": 1}),
    ("mixed", "answered", {"strangers": 3, "tries": 1}),
    ("twice", "answered", {"strangers": 0}),
]
TCP = [
    ("good", "answered", {"records": 1}),
    ("pieces", "answered", {"records": 1}),
    ("huge", "answered", {"records": 4000, "size": 64024}),
    ("chain", "answered", {"records": 150}),
    ("closed", "cut-off", {"error": 0}),
    ("reset", "cut-off", {"error": ECONNRESET}),
    ("half", "timed-out", {"why": "19 of the 40 bytes of an answer came"}),
    ("halfclosed", "cut-off", {"why": "22 of the 46 bytes of an answer came"}),
    ("onebyte", "timed-out", {"why": "one byte of an answer came"}),
    ("length", "garbage", {"unknown": True}),
    ("nolength", "garbage", {"why": "a message of 0 bytes, which is shorter than a header"}),
    ("otherid", "strangers", {"strangers": 1}),
    ("silent", "timed-out", {"tries": 1}),
    ("short", "garbage", {}),
    ("random", "strangers", {}),
    ("noise", "garbage", {}),
    ("itself", "garbage", {}),
]
# address, what is in the way, (end, errno) over UDP and over TCP
WAYS = [
    ("10.9.0.2", "nobody listens", ("port-closed", ECONNREFUSED), ("port-closed", ECONNREFUSED)),
    ("10.9.0.3", "OUTPUT drops", ("prohibited", EPERM), ("timed-out", 0)),
    ("10.9.0.4", "OUTPUT rejects", ("port-closed", ECONNREFUSED), ("port-closed", ECONNREFUSED)),
    ("10.9.0.5", "OUTPUT prohibits", ("prohibited", EACCES), ("prohibited", EACCES)),
    ("10.9.0.9", "INPUT rejects", ("port-closed", ECONNREFUSED), ("port-closed", ECONNREFUSED)),
    ("10.9.0.10", "INPUT drops", ("timed-out", 0), ("timed-out", 0)),
    ("10.9.0.11", "INPUT says there is no such host", ("unreachable", EHOSTUNREACH), ("unreachable", EHOSTUNREACH)),
    ("10.9.0.12", "INPUT prohibits", ("prohibited", EACCES), ("prohibited", EACCES)),
    ("10.9.1.6", "a blackhole", ("unreachable", EINVAL), ("unreachable", EINVAL)),
    ("10.9.1.7", "a route that says unreachable", ("unreachable", EHOSTUNREACH), ("unreachable", EHOSTUNREACH)),
    ("10.9.1.8", "a route that prohibits", ("prohibited", EACCES), ("prohibited", EACCES)),
    ("10.7.0.1", "no route", ("unreachable", ENETUNREACH), ("unreachable", ENETUNREACH)),
    ("fd09::2", "nobody listens", ("port-closed", ECONNREFUSED), ("port-closed", ECONNREFUSED)),
    ("fd09::5", "INPUT prohibits", ("prohibited", EACCES), ("prohibited", EACCES)),
    ("fd07::1", "no route", ("unreachable", ENETUNREACH), ("unreachable", ENETUNREACH)),
]
RULES = """
table ip t {
    chain o {
        type filter hook output priority 0
        ip daddr 10.9.0.3 drop
        ip daddr 10.9.0.4 reject
        ip daddr 10.9.0.5 reject with icmp type admin-prohibited
    }
    chain i {
        type filter hook input priority 0
        ip daddr 10.9.0.9 ip protocol tcp reject with tcp reset
        ip daddr 10.9.0.9 reject
        ip daddr 10.9.0.10 drop
        ip daddr 10.9.0.11 reject with icmp type host-unreachable
        ip daddr 10.9.0.12 reject with icmp type admin-prohibited
    }
}
table ip6 t {
    chain i {
        type filter hook input priority 0
        ip6 daddr fd09::5 meta l4proto { tcp, udp } reject with icmpv6 type admin-prohibited
    }
}
"""
NAMES = ["web.shop.svc", "in.shop.svc", "nope", "txt", "odd", "mx", "hi", "_http._tcp.web.shop.svc", "q.dn", r"a\.b\032c\(x", "23456789", "234567890", "2345678901", "big"]
ZONE = r"""$ORIGIN cluster.local.
$TTL 30
@ SOA ns.dns hostmaster 1 7200 1800 86400 5
@ NS ns.dns
ns.dns A 10.96.0.10
web.shop.svc A 10.96.0.20
web.shop.svc AAAA fd00::20
in.shop.svc CNAME web.shop.svc
_http._tcp.web.shop.svc SRV 0 100 80 web.shop.svc
txt TXT "a b" "q\"uo\\te" "\200x"
hi HINFO "cpu" "os"
mx MX 10 mail
odd TYPE65280 \# 40 0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f202122232425262728
dn DNAME web.shop.svc
""" + "".join(f"big A 10.0.1.{i}\n" for i in range(1, 61))


def inside(*args, timeout=60):
    p = subprocess.run(["ip", "netns", "exec", SPACE, *args], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=timeout, check=False)
    return p.returncode, p.stdout.decode("utf-8", "strict"), p.stderr.decode("utf-8", "replace")


def ask(*args):
    rc, out, err = inside(DNS, *args)
    expect(rc == 0, f"dns {' '.join(args)} exited with {rc}: {short(err)}")
    return [json.loads(line) for line in out.splitlines()]


def judge(a, what, end, more):
    seen = {"rcode": a["rcode"], "records": len(a["answers"]), "tries": a["tries"], "strangers": a["strangers"], "why": a["why"], "unknown": a["unknown"],
            "size": a["size"], "tc": a["tc aa ra ad"][0], "error": a["error"]}
    expect_equal(a["end"], end, f"{what}: {a['why']}")
    for key, value in more.items():
        expect_equal(seen[key], value, f"{what}: {key}")


def test_lies(transport, table):
    got = ask("--try-ms=500", *(f"{LIAR} 53 {transport} {m}.x A" for m, _, _ in table))
    for a, (mode, end, more) in zip(got, table):
        judge(a, mode, end, more)
    return f"{len(table)} answers"


def test_ways():
    got = ask("--try-ms=400", *(f"{addr} 53 {t} x A" for addr, *_ in WAYS for t in ("udp", "tcp")))
    for i, (addr, what, *ends) in enumerate(WAYS):
        for a, (end, error), t in zip(got[2 * i:2 * i + 2], ends, ("UDP", "TCP")):
            judge(a, f"{addr}, {what}, {t}", end, {"error": error})
    return f"{len(WAYS)} ways"


def test_not_asked():
    for q, why in ((f"fe80::1 53 udp x A", "a link-local address without its interface"), ("none 53 udp x A", "no server is known"),
                   (f"{LIAR} 0 udp x A", "there is no port 0"), (f"{LIAR} 53 udp a..b A", "it is no name of DNS")):
        judge(ask(q)[0], q, "failed", {"error": EINVAL, "why": why, "tries": 0})


def test_all_ms():
    """Nothing hangs past the limit of all; what was not sent, or not waited for to its end, is not said to be silent."""
    got = ask("--try-ms=60000", "--all-ms=400", "--parallel=8", "--tries=1", "--repeat=20", f"{LIAR} 53 udp silent.x A", f"{LIAR} 53 tcp silent.x A", f"{LIAR} 53 udp good.x A")
    expect_equal({(a["end"], a["name"]) for a in got} - {("answered", "good.x")}, {("not-asked", "silent.x"), ("not-asked", "good.x")}, "ends")
    expect_equal([a["end"] for a in got[:3]], ["not-asked", "not-asked", "answered"], "the first ones")


def test_pairs():
    """Both questions of a pair leave from one socket, of each pair another; a server has four pairs at a time."""
    got = ask("--repeat=12", "--parallel=50", "--try-ms=3000", f"{LIAR} 53 udp open.x A pair=1", f"{LIAR} 53 udp open.x AAAA pair=1")
    expect_equal({a["end"] for a in got}, {"answered"}, "ends")
    ports = [a["source_port"] for a in got]
    expect(all(p and p == q for p, q in zip(ports[::2], ports[1::2])), f"ports of the pairs: {ports}")
    expect(len(set(ports[::2])) > 1, f"one port for all: {ports}")
    most = max(int(r["addr"].rsplit(".", 1)[1]) for a in got for r in a["answers"])
    expect(2 <= most <= 8, f"{most} questions at a time")
    got = ask("--try-ms=300", f"{LIAR} 53 udp silent.x A pair=1", f"{LIAR} 53 udp good.x AAAA pair=1")
    expect_equal([(a["end"], a["tries"]) for a in got], [("timed-out", 1), ("answered", 1)], "what is lost of a pair is lost")


def test_sound():
    """Every type over both transports and families, with and without EDNS."""
    for server in (KNOT, "fd09::20"):
        for t in ("udp", "tcp"):
            got = ask(*(f"{server} 53 {t} {n}.cluster.local {k}{e}" for n, k in (("web.shop.svc", "A"), ("web.shop.svc", "AAAA"), ("in.shop.svc", "A"), ("big", "A"))
                        for e in ("", " edns=4096")))
            expect_equal([a["end"] for a in got], ["answered"] * 8, f"{server} {t}")
            expect_equal([len(a["answers"]) for a in got], [1, 1, 1, 1, 2, 2, 60 if t == "tcp" else 0, 60], f"{server} {t}")
            expect_equal([a["tc aa ra ad"][0] for a in got], [False] * 6 + [t == "udp", False], f"{server} {t}")
    a = ask(f"{KNOT} 53 udp nope.cluster.local A")[0]
    expect_equal((a["rcode"], a["authority"][0]["minimum"], a["authority"][0]["target"]), ("NXDOMAIN", 5, "ns.dns.cluster.local"), "SOA")
    expect_equal(ask(f"{KNOT} 53 udp www.example.com A")[0]["rcode"], "REFUSED", "another zone")


def normal(text):
    """Of dig's output what is the same each time: no banner, time and number of its own, and no additional section."""
    text = re.sub(r"\n;; ADDITIONAL SECTION:\n(.+\n)*", "", text)
    text = re.sub(r";; OPT PSEUDOSECTION:\n(; .*\n)*", "", text)
    lines = [x for x in text.splitlines() if not re.match(r"; <<>>|; \(|;; svcdoctor: |;; WARNING: \.local|;; You are currently|;; WHEN|;; global options|;; communications error", x)]
    text = re.sub(r"ADDITIONAL: \d+", "ADDITIONAL: 0", "\n".join(lines))
    text = re.sub(r"Query time: \d+ usec", "Query time: 0 usec", re.sub(r", id: \d+", ", id: 0", text))
    return re.sub(r"\n{2,}", "\n", text).strip()


def test_dig():
    """The same answers, printed by dig and by us."""
    questions = [(KNOT, n + ".cluster.local", t) for n in NAMES for t in ("A", "AAAA", "ANY" if n == "mx" else "TXT")]
    questions += [(KNOT, "odd.cluster.local", "TYPE65280"), (KNOT, "mx.cluster.local", "MX"), (KNOT, "hi.cluster.local", "HINFO"), (KNOT, "", "NS"),
                  (KNOT, "cluster.local", "SOA"), (KNOT, "_http._tcp.web.shop.svc.cluster.local", "SRV"), ("10.9.0.2", "x", "A"), ("10.9.1.7", "x", "A")]
    for tcp in (False, True):
        ours = inside(DNS, "--dig", "--try-ms=5000", *(f"{s} 53 {'tcp' if tcp else 'udp'} {n or '.'} {t}" for s, n, t in questions))[1].split("\n; <<>> DiG")[1:]
        # the time-outs of dig do not matter: both servers that do not answer say so
        for mine, (s, n, t) in zip(ours, questions):
            theirs = inside("dig", f"@{s}", "-u", "+noedns", "+ignore", "+noadflag", "+time=5", "+tries=1", "+tcp" if tcp else "+notcp", n + ".", t)[1]
            if s == KNOT:
                expect_equal(normal("; <<>>" + mine), normal(theirs), f"{n} {t} tcp={tcp}")
            else:
                last = [x for x in theirs.splitlines() if x.startswith(";; ") and "global" not in x]
                mine = [x for x in mine.splitlines() if x.startswith(";; ") and "global" not in x and "svcdoctor" not in x]
                words = [re.sub(r".*(refused|unreachable)\.?$", r"\1", x) for x in last[:1] + mine[:1]]
                expect(words[0] == words[1] and last[-1:] == mine[-1:], f"{s}: dig {last}, ours {mine}")
    return f"{2 * len(questions)} answers"


def test_again():
    """What is printed reads as what was answered."""
    questions = [f"{LIAR} 53 {t} {m}.x A" for t, table in (("udp", UDP), ("tcp", TCP)) for m, _, _ in table if m != "flood"]
    questions += [f"{addr} 53 {t} x A edns=1232" for addr, *_ in WAYS for t in ("udp", "tcp")]
    questions += [f"{KNOT} 53 udp {n}.cluster.local {t} nord pair={i}" for i, n in enumerate(NAMES) for t in ("A", "AAAA", "SRV", "MX", "TXT", "HINFO", "TYPE65280")]
    questions += [f"{KNOT} 53 tcp cluster.local {t}" for t in ("SOA", "NS")] + ["fe80::1 53 udp x A", f"{KNOT} 53 udp . NS"]
    rc, out, err = inside(DNS, "--again", "--try-ms=400", *questions)
    expect(rc == 0, f"exited with {rc}: {short(out, 3000)} {short(err)}")
    return out.strip()


def test_no_memory():
    """Each allocation fails once: all is answered as before, or there was no memory."""
    rc, out, err = inside(DNS, "--each", "--try-ms=2000", f"{LIAR} 53 udp good.x A pair=1", f"{LIAR} 53 udp good.x AAAA pair=1", f"{LIAR} 53 tcp good.x A", f"{LIAR} 53 udp circle.x A")
    expect(rc == 0, f"exited with {rc}: {short(out)} {short(err)}")
    return out.strip()


def spawn(*args, ready):
    p = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", "ip", "netns", "exec", SPACE, *args], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    said = b""
    while ready not in said:
        line = p.stdout.readline()
        said += line
        expect(line, f"{args[0]} does not serve: {said.decode(errors='replace')[-500:]}")
    return p


def network():
    sh("ip", "netns", "add", SPACE)
    lines = ["link set lo up", "addr add 10.9.0.0/24 dev lo", *(f"addr add fd09::{n} dev lo nodad" for n in ("2", "5", "20")), "route add blackhole 10.9.1.6",
             "route add unreachable 10.9.1.7", "route add prohibit 10.9.1.8"]
    sh("ip", "-n", SPACE, "-batch", "-", stdin="\n".join([*lines, ""]).encode())
    sh("ip", "netns", "exec", SPACE, "sysctl", "-qw", "net.ipv4.icmp_ratelimit=0", "net.ipv6.icmp.ratelimit=0")
    sh("ip", "netns", "exec", SPACE, "nft", "-f", "-", stdin=RULES.encode())


def knot(folder):
    write(ZONE, os.path.join(folder, "z.zone"))
    write("\n".join(["server:", f"  rundir: {folder}", f"  listen: [ {KNOT}@53, fd09::20@53 ]", "  udp-workers: 1", "  tcp-workers: 1", "  background-workers: 1",
                     "  udp-max-payload: 4096", "database:", f"  storage: {folder}", "log:", "  - target: stdout", "    any: info", "template:", "  - id: default",
                     f"    storage: {folder}", "    zonefile-sync: -1", "    zonefile-load: whole", "    journal-content: none", "zone:", "  - domain: cluster.local",
                     "    file: z.zone", ""]), os.path.join(folder, "knot.conf"))
    return spawn("knotd", "-c", os.path.join(folder, "knot.conf"), ready=b"server started")


def lacks():
    missing = [p for p in ("ip", "nft", "knotd", "dig", "setpriv", "sysctl") if not shutil.which(p, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")]
    return "needs root" if os.geteuid() != 0 else f"lacks {', '.join(missing)}" if missing else None


def main():
    t = Tests()
    why = lacks()
    if why:
        t.skip("dns_ask", why)
        t.finish()
    servers = []
    with tempfile.TemporaryDirectory(prefix="svcdoctor-test-") as folder:
        try:
            network()
            servers.append(spawn(sys.executable, os.path.join(ROOT, "tests", "scenario", "dns_liar.py"), LIAR, "53", ready=b"ready"))
            servers.append(knot(folder))
            t.run("sound", test_sound)
            t.run("lies-udp", test_lies, "udp", UDP)
            t.run("lies-tcp", test_lies, "tcp", TCP)
            t.run("ways", test_ways)
            t.run("refused", test_not_asked)
            t.run("limit", test_all_ms)
            t.run("pairs", test_pairs)
            t.run("dig", test_dig)
            t.run("again", test_again)
            t.run("no-memory", test_no_memory)
        finally:
            for p in servers:
                p.kill()
                p.wait()
                p.stdout.close()
            sh("ip", "netns", "del", SPACE, check=False)
    t.finish()


if __name__ == "__main__":
    main()
