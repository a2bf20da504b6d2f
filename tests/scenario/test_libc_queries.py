#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What glibc and musl really ask for a name, captured at a DNS server, against what lib/names says that they ask: names, types, their order and
number, and what getaddrinfo() gives. One program (getaddrinfo.c), built with each libc, sees a resolv.conf of its own in each case; the
server answers as the case says. All in a network namespace of its own, where the server has a network of addresses for each case."""
import collections
import glob
import ipaddress
import itertools
import json
import os
import re
import resource
import selectors
import shutil
import socket
import struct
import subprocess
import tempfile
import threading

from common import ROOT, Tests, expect, expect_equal, sh
from kernel_world import NEWNET, unshare

NAMES = os.path.join(ROOT, os.environ.get("BUILD", "build"), "tests", "names")
SOURCE = os.path.join(ROOT, "tests", "scenario", "getaddrinfo.c")
NEWUTS = 0x04000000
VERSIONS = {"glibc": "2.36", "musl": "1.2.3"}  # the ones that lib/names is written after
A, AAAA = 1, 28
TYPES = {A: "A", AAAA: "AAAA"}
RCODES = {"nxdomain": 3, "servfail": 2, "refused": 5, "notimp": 4, "formerr": 1, "notauth": 9, "nodata": 0, "lame": 0}
EAI = {"resolved": "0", "no-question": "0", "no-name": "-2", "try-again": "-3", "failed": "signal", "no-data": "-5"}
UNCLEAN = {"servfail", "refused", "notimp", "formerr", "notauth", "silent", "lame", "closed"}
HOSTS = "127.0.0.1 localhost\n::1 localhost ip6-localhost\n"

Case = collections.namedtuple("Case", "name conf script servers")


# ---- the server ----

def wire(name):
    return b"".join(bytes([len(x)]) + x.encode("latin-1") for x in name.split(".") if x) + b"\0"


def question(packet):
    """Name and type; None for what is no question."""
    at, labels = 12, []
    try:
        while packet[at]:
            if packet[at] > 63 or at + 1 + packet[at] > len(packet):
                return None
            labels.append(packet[at + 1:at + 1 + packet[at]].decode("latin-1"))
            at += 1 + packet[at]
        kind, = struct.unpack("!H", packet[at + 1:at + 3])
    except (IndexError, struct.error):
        return None
    return ".".join(labels), kind, packet[12:at + 5]


def record(kind, data):
    return b"\xc0\x0c" + struct.pack("!HHIH", kind, 1, 5, len(data)) + data


def answer(packet, what, tcp):
    """The message that says @what, or None."""
    name, kind, asked = question(packet)
    if what in ("silent", "closed"):
        return None
    flags, records = 0x8180 if what != "lame" else 0x8100, []
    if what == "cut" and not tcp:
        flags |= 0x0200
    elif what == "cut":
        records.append(record(A, bytes([10, 0, 0, 9])) if kind == A else record(AAAA, ipaddress.ip_address("fd00::9").packed))
    elif what == "cname":
        records.append(record(5, wire("nowhere.example")))
    elif what not in RCODES:
        records.append(record(kind, ipaddress.ip_address(what).packed))
    head = packet[:2] + struct.pack("!HHHHH", flags | RCODES.get(what, 0), 1, len(records), 0, 0)
    return head + asked + b"".join(records)


class Server(threading.Thread):
    """One socket for all addresses of 127.0.0.0/8: the address that was asked tells the case and which of its servers it is."""

    def __init__(self):
        super().__init__(daemon=True)
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.setsockopt(socket.IPPROTO_IP, 8, 1)  # IP_PKTINFO
        self.udp.setsockopt(socket.SOL_SOCKET, 33, 8 << 20)  # SO_RCVBUFFORCE
        self.tcp = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self.tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        for s in (self.udp, self.tcp):
            s.bind(("", 53))
        self.tcp.listen(500)
        # a CR is part of the last word for glibc: no nameserver is left then but this one
        self.scripts, self.seen = {"127.0.0.1": WORLD}, collections.defaultdict(list)
        self.selector = selectors.DefaultSelector()
        self.selector.register(self.udp, selectors.EVENT_READ, self.datagram)
        self.selector.register(self.tcp, selectors.EVENT_READ, self.accept)
        self.streams = {}

    def run(self):
        while True:
            for key, _ in self.selector.select():
                key.data(key.fileobj)

    def told(self, address, packet, tcp):
        q = question(packet)
        self.seen[address].append((q[0], TYPES.get(q[1], str(q[1]))) if q else "broken")
        script = self.scripts.get(address)
        if not q or script is None:
            return None
        pair = script.get(q[0].lower(), script["*"])
        return answer(packet, pair[q[1] == AAAA], tcp)

    def datagram(self, s):
        packet, ancillary, _, peer = s.recvmsg(4096, 256)
        here = socket.inet_ntoa(ancillary[0][2][8:12])
        reply = self.told(here, packet, False)
        if reply:
            info = struct.pack("=I4s4s", 0, socket.inet_aton(here), bytes(4))
            s.sendmsg([reply], [(socket.IPPROTO_IP, 8, info)], 0, peer)

    def accept(self, s):
        c, _ = s.accept()
        self.streams[c] = b""
        self.selector.register(c, selectors.EVENT_READ, self.stream)

    def stream(self, c):
        try:
            data = c.recv(4096)
        except OSError:
            data = b""
        if not data:
            self.selector.unregister(c)
            del self.streams[c]
            c.close()
            return
        data = self.streams[c] + data
        while len(data) >= 2 and len(data) >= 2 + struct.unpack("!H", data[:2])[0]:
            size, = struct.unpack("!H", data[:2])
            reply = self.told(c.getsockname()[0], data[2:2 + size], True)
            data = data[2 + size:]
            if reply:
                c.sendall(struct.pack("!H", len(reply)) + reply)
        self.streams[c] = data


# ---- the cases ----

CLUSTER = "search shop.svc.cluster.local svc.cluster.local cluster.local"
CONFS = [
    f"{CLUSTER}\noptions ndots:5\n",
    f"{CLUSTER} corp.example eu.corp.example\noptions ndots:5\n",
    f"{CLUSTER} a.example b.example c.example d.example e.example\noptions ndots:5 edns0\n",
    f"{CLUSTER}\n",
    f"{CLUSTER}\noptions ndots:2 rotate\n",
    f"{CLUSTER}\noptions ndots:0\n",
    f"{CLUSTER}\noptions ndots:99\n",
    f"{CLUSTER}\noptions ndots:5 single-request\n",
    f"{CLUSTER}\noptions ndots:5 single-request-reopen trust-ad\n",
    f"{CLUSTER}\noptions no-aaaa\noptions ndots:3\n",
    f"{CLUSTER}\noptions ndots:2 ndots:4 no-tld-query\n",
    f"{CLUSTER}\noptions use-vc ndots:5\n",
    "",
    "search\nsearch first.example\nsearch cluster.local. svc.cluster.local.\n; search x\n",
    "domain svc.cluster.local cluster.local\noptions ndots:2\n",
    "search svc.cluster.local .\noptions ndots:2 timeout:1 attempts:1\n",
    "search svc.cluster.local\noptions ndots:2 no-tld-query\n",
    "search " + "a" * 60 + "." + "b" * 60 + "." + "c" * 60 + ".example cluster.local\noptions ndots:4\n",
    "search " + " ".join(f"d{i:02d}.example" for i in range(30)) + "\noptions ndots:1\n",
    "search cluster.local\nsearch\noptions\tndots:3\n",
    " search cluster.local\nsearch svc.cluster.local\t\n#options ndots:5\noptions ndots:x timeout:2\n",
    "domain a.example\noptions ndots:-1\nsearch cluster.local # not a comment\n",
    "search cluster.local svc.cluster.local\r\noptions ndots:5\r\n",
]
TYPED = ["web", "web.shop", "web.shop.svc", "web.shop.svc.cluster.local", "web.shop.svc.cluster.local.", "web.", "web.shop.", "WEB.Shop", "example.com",
         "example.com.", "www.example.com", "only6.example", "gone.example", "alias.example", "a.b.c.d.e.f", "_http._tcp.web.shop", "w_b", "-web", "web-", "web..x",
         ".web", "web shop", "w\xe9b", "x" * 63, "x" * 64, "y" * 63 + "." + "y" * 63 + "." + "y" * 60, ".".join(["z" * 62] * 4), ".".join(["z" * 62] * 4) + "zz", "",
         ".", "..", "10.96.0.1", "10.1", "0x7f.1", "1.2.3.4.", "1.2.3.400", "fd00::1", "fe80::1%lo", "localhost", "LocalHost", "localhost."]
WORLD = {"*": ("nxdomain", "nxdomain"), "web.shop.svc.cluster.local": ("10.96.0.20", "nodata"), "example.com": ("192.0.2.1", "2001:db8::1"),
         "example.com.corp.example": ("192.0.2.66", "nodata"), "only6.example": ("nodata", "2001:db8::6"), "gone.example": ("nodata", "nodata"),
         "alias.example": ("cname", "cname"), "web.shop.cluster.local": ("nodata", "nodata"), "www.example.com": ("192.0.2.2", "nodata")}
# What the first name of a search list is answered with: A, AAAA.
KINDS = ["10.0.0.1", "nodata", "nxdomain", "servfail", "refused", "notimp", "formerr", "silent", "cname", "lame"]


def cases():
    for conf, name in itertools.product(CONFS, dict.fromkeys(TYPED)):
        yield Case(name, conf, WORLD, 1)
    options = "options timeout:1 attempts:1"
    for a, b, more in itertools.product(KINDS, KINDS, ("", " single-request", " ndots:0", " no-aaaa")):
        if more in (" no-aaaa", " ndots:0") and b not in ("nodata", "servfail", a):
            continue
        script = {"*": ("nxdomain", "nxdomain"), "web.a": (a, b if b != "10.0.0.1" else "fd00::1"), "web.b": ("10.0.0.2", "nodata")}
        if more == " ndots:0":
            script["web"] = script.pop("web.a")
        yield Case("web", "search a b c\n" + options + more + "\n", script, 1)
    for a, b in (("servfail", "servfail"), ("servfail", "nodata"), ("nodata", "nodata"), ("refused", "refused"), ("cut", "cut"), ("10.0.0.1", "cut")):
        yield Case("web.x", "search a b\n" + options + " ndots:2\n", {"*": ("nxdomain", "nxdomain"), "web.x.a": (a, b)}, 1)
        yield Case("web.x", "search a b\n" + options + " ndots:2 use-vc\n", {"*": ("nxdomain", "nxdomain"), "web.x.a": (a, b)}, 1)
    for n in (1, 2):
        yield Case("web", "search a b\noptions timeout:1 attempts:1\n", {"*": ("closed", "closed")}, n)
        yield Case("web.x", "search a b\noptions timeout:1 attempts:1\n", {"*": ("closed", "closed")}, n)
    for name in ("web", "web.x"):
        yield Case(name, "search a b\noptions attempts:0\n", WORLD, 1)
        yield Case(name, "search a b\noptions timeout:0\n", WORLD, 1)
        for n in (2, 3, 4):
            yield Case(name, "search a b\noptions ndots:2\n", {"*": ("nxdomain", "nxdomain"), f"{name}.b": ("10.0.0.2", "nodata")}, n)


# ---- asking ----

def address(libc, number, server):
    return f"127.{1 + (libc == 'musl') * 100 + number // 250}.{number % 250}.{1 + server}"


def config(case, libc, number):
    closed = case.script["*"][0] == "closed"
    servers = ["::1" if closed else address(libc, number, i) for i in range(case.servers)]
    end = "\r\n" if "\r\n" in case.conf else "\n"
    return case.conf + "".join(f"nameserver {s}{end}" for s in servers)


def effective(what, libc, vc):
    """The answer that the libc ends up with."""
    if what == "cut":
        return "10.0.0.9" if libc == "glibc" else "nodata"
    return "nodata" if what == "lame" and libc == "glibc" and vc else what


def asked_lines(case, libc, number):
    yield "conf " + config(case, libc, number).encode("latin-1").hex()
    yield "clear"
    vc = "use-vc" in case.conf
    for name, pair in case.script.items():
        for kind, what in zip(("A", "AAAA"), pair):
            what = effective(what, libc, vc)
            what = what if not (what == "10.0.0.9" and kind == "AAAA") else "fd00::9"
            yield f"answer {name if name == '*' else name.encode('latin-1').hex()} {kind} {what}"
    yield f"ask {libc} {case.name.encode('latin-1').hex()}"


def model(todo, libc):
    """What lib/names says, by number."""
    text = "\n".join(line for number, case in todo for line in asked_lines(case, libc, number)) + "\n"
    out = subprocess.run([NAMES], input=text.encode(), stdout=subprocess.PIPE, timeout=60, check=True).stdout.decode()
    return dict(zip((n for n, _ in todo), (json.loads(x) for x in out.splitlines())))


def real(program, folder, todo, libc, server):
    """What getaddrinfo() gave, by number: [result, address...]."""
    lines = []
    for number, case in todo:
        etc = os.path.join(folder, f"{libc}{number}")
        os.makedirs(etc, exist_ok=True)
        for file, text in (("resolv.conf", config(case, libc, number)), ("hosts", HOSTS), ("nsswitch.conf", "hosts: files dns\n")):
            with open(os.path.join(etc, file), "w", encoding="latin-1", newline="") as f:
                f.write(text)
        for i in range(4):
            server.scripts[address(libc, number, i)] = case.script
            server.seen.pop(address(libc, number, i), None)
        lines.append(f"{etc} {case.name.encode('latin-1').hex()}")
    p = subprocess.run([program], input="\n".join(lines).encode() + b"\n", stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=100, check=False)
    expect_equal((p.returncode, p.stderr.decode()), (0, ""), f"the program of {libc}")
    return {todo[int(x.split()[0])][0]: x.split()[1:] for x in p.stdout.decode().splitlines()}


# ---- comparing ----

def unique(pairs):
    return list(dict.fromkeys(pairs))


def expected_queries(m, no_aaaa):
    queries = []
    for s in m["steps"]:
        name = bytes.fromhex(s["name"]).decode("latin-1")
        if s["needed"]:
            queries += ["broken"] * 2 if s["outcome"] == "a broken question" else [(name, "A")] + ([] if no_aaaa else [(name, "AAAA")])
    return queries


def addresses(case, m, libc):
    name = bytes.fromhex(m["steps"][m["winner"]]["name"]).decode("latin-1").lower()
    pair = case.script.get(name, case.script["*"])
    pair = ["fd00::9" if x == "10.0.0.9" and i else x for i, x in enumerate(effective(y, libc, "use-vc" in case.conf) for y in pair)]
    return sorted(x for i, x in enumerate(pair) if re.search(r"[.:]", x) and not (i and m["no_aaaa"]))


def compare(case, libc, number, m, got, server):
    """Nothing, or what differs."""
    want = expected_queries(m, m["no_aaaa"])
    seen = server.seen.get(address(libc, number, 0), [])
    if "\r\n" in case.conf and libc == "glibc" or case.script["*"][0] == "closed":
        seen, want = [], []  # asked elsewhere, or where nobody listens
    used = {x for pair in case.script.values() for x in pair}
    clean = not used & UNCLEAN and "cut" not in used and "broken" not in want
    listed = want if clean else unique(want)
    if not clean:
        seen = unique(seen)
        # the second question is not sent where the first one failed, one at a time
        listed = [q for q in listed if q in seen or q[1] != "AAAA" or not could_be_left(case, q)]
    if seen != listed:
        return f"asked {seen}, not {listed}"
    if clean and m["attempts"] and want and len(seen) != m["queries"]:
        return f"{len(seen)} questions, not {m['queries']}"
    for i in range(1, case.servers):
        others = server.seen.get(address(libc, number, i), [])
        if clean and others != (seen if libc == "musl" and i < 3 else []):
            return f"server {i + 1} was asked {others}"
    result = EAI[m["result"]]
    if got[0] != result:
        return f"getaddrinfo gave {got}, not {m['result']}"
    if m["result"] == "resolved" and sorted(got[1:]) != addresses(case, m, libc):
        return f"getaddrinfo gave {got[1:]}, not {addresses(case, m, libc)}"
    return None


def could_be_left(case, query):
    pair = case.script.get(query[0].lower(), case.script["*"])
    return pair[0] in UNCLEAN


def differences(program, folder, todo, libc, server):
    said, got = model(todo, libc), real(program, folder, todo, libc, server)
    found = []
    for number, case in todo:
        why = compare(case, libc, number, said[number], got.get(number, ["nothing"]), server)
        if why:
            found.append((number, case, why))
    return found


def libc_test(program, folder, libc, server):
    todo = list(enumerate(cases()))
    expect(len(todo) >= 200, "too few cases")
    wrong = differences(program, folder, todo, libc, server)
    for _ in range(2):  # a machine that is busy may have answered too late
        wrong = wrong and differences(program, folder, [(n, c) for n, c, _ in wrong], libc, server)
    expect(not wrong, lambda: f"{len(wrong)} of {len(todo)} differ:\n" + "\n".join(f"{n} {c.name!r} {c.conf!r} {c.script}: {w}" for n, c, w in wrong[:20]))
    queries = sum(len(server.seen.get(address(libc, n, 0), [])) for n, _ in todo)
    return f"{len(todo)} cases, {queries} questions"


# ---- the libcs ----

def version_of(libc):
    if libc == "glibc":
        text = sh("ldd", "--version", check=False).decode().splitlines()[:1]
        found = re.search(r"GLIBC (\d+\.\d+)|(\d+\.\d+)$", text[0] if text else "")
        return found and (found.group(1) or found.group(2))
    for loader in glob.glob("/lib/ld-musl-*.so.1"):
        p = subprocess.run([loader], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        found = re.search(rb"Version (\S+)", p.stdout)
        if found:
            return found.group(1).decode()
    return None


def main():
    tests = Tests()
    compilers = {"glibc": ["cc"], "musl": ["musl-gcc", "-static"]}
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 65536) if hard > 0 else soft, hard))
    unshare(NEWNET | NEWUTS)
    sh("ip", "link", "set", "lo", "up")
    socket.sethostname("client")  # glibc takes the domain of a host name with a dot for its search list
    server = Server()
    server.start()
    with tempfile.TemporaryDirectory(prefix="svcdoctor-libc-") as folder:
        ready = {}
        for libc, compiler in compilers.items():
            name, version = f"libc_queries/{libc}", version_of(libc)
            if not shutil.which(compiler[0]) or version != VERSIONS[libc]:
                tests.skip(name, f"it needs {libc} {VERSIONS[libc]} and {compiler[0]}; this is {libc} {version}")
                continue
            program = os.path.join(folder, libc)
            subprocess.run([*compiler, "-O1", "-o", program, SOURCE], check=True)
            ready[name] = threading.Thread(target=tests.run, args=(name, libc_test, program, folder, libc, server))
        for t in ready.values():
            t.start()
        for t in ready.values():
            t.join()
    tests.finish()


main()
