# SPDX-License-Identifier: GPL-2.0-or-later
"""Random ipsets of every type as text for `ipset -exist restore`, and `ipset save` texts in a form that can be compared."""
import re

TYPES = {  # type: the parts of an element
    "hash:ip": ["ip"], "hash:ip,port": ["ip", "port"], "hash:ip,port,ip": ["ip", "port", "ip"], "hash:ip,port,net": ["ip", "port", "net"],
    "hash:net": ["net"], "hash:net,port": ["net", "port"], "hash:net,net": ["net", "net"], "hash:net,port,net": ["net", "port", "net"],
    "hash:net,iface": ["net", "iface"], "hash:ip,mark": ["ip", "mark"], "hash:ip,mac": ["ip", "mac"], "hash:mac": ["mac"],
    "bitmap:ip": ["bitmap"], "bitmap:ip,mac": ["bitmap", "mac?"], "bitmap:port": ["number"], "list:set": ["set"]}
MODULES = [f"ip_set_{t.replace(':', '_').replace(',', '')}" for t in TYPES]


def mac(r):
    return ":".join(["02"] + [f"{r.randrange(256):02X}" for _ in range(5)])


def address(r, six):
    if six:
        return r.choice([f"fd00::{r.randrange(1, 40):x}", f"2001:db8:{r.randrange(1 << 16):x}:1::{r.randrange(1 << 16):x}", f"::ffff:10.0.0.{r.randrange(9)}",
                         "fe80::1"])
    return f"{r.choice([10, 192, 255, 1])}.{r.randrange(256)}.{r.randrange(3)}.{r.randrange(1, 255)}"


def network(r, six):
    return f"{address(r, six)}/{r.choice([1, 8, 20, 24, 31, 32] if not six else [1, 32, 64, 127, 128])}"


def port(r, six):
    icmp = r.choice(["8/0", "3/1", "3/250", "echo-reply", "17/0"]) if not six else r.choice(["128/0", "1/4", "200/7", "packet-too-big"])
    return r.choice([f"tcp:{r.randrange(65536)}", f"udp:{r.randrange(65536)}", f"sctp:{r.randrange(65536)}", f"udplite:{r.randrange(9)}",
                     f"{'icmpv6' if six else 'icmp'}:{icmp}", r.choice(["gre:0", "esp:0", "112:0", "200:0", "ospf:0"])])


def part(r, kind, six):
    if kind == "iface":
        return r.choice(["", "physdev:"]) + r.choice(["eth0", "cni0", "veth+", "a.b-c"])
    return {"ip": lambda: address(r, six), "net": lambda: network(r, six), "port": lambda: port(r, six), "mac": lambda: mac(r),
            "mark": lambda: hex(r.randrange(1 << 32)), "bitmap": lambda: f"10.7.{r.randrange(2)}.{r.randrange(256)}",
            "number": lambda: str(r.randrange(100, 4000))}[kind]()


def extensions(r):
    return {name for name in ("timeout", "counters", "comment", "skbinfo") if r.random() < 0.3}


def create(r, name, kind, six, has):
    words = ["create", name, kind]
    if kind in ("bitmap:ip", "bitmap:ip,mac"):
        words += ["range", r.choice(["10.7.0.0/23", "10.7.0.0-10.7.1.255"])]
    elif kind == "bitmap:port":
        words += ["range", r.choice(["100-4000", "0-65535"])]
    elif kind == "list:set":
        words += ["size", str(r.randrange(1, 20))]
    else:
        words += ["family", "inet6" if six else "inet"] if kind != "hash:mac" else []
        words += ["hashsize", str(1 << r.randrange(6, 12)), "maxelem", str(r.choice([65536, 1000]))] if r.random() < 0.5 else []
        words += ["forceadd"] if r.random() < 0.2 else []
        words += ["bucketsize", "4", "initval", hex(r.randrange(1 << 32))] if r.random() < 0.2 else []
    if kind in ("hash:ip", "bitmap:ip") and r.random() < 0.3:
        words += ["netmask", "120" if six and kind == "hash:ip" else "24"]
    if kind == "hash:ip,mark" and r.random() < 0.5:
        words += ["markmask", hex(r.randrange(1, 1 << 32))]
    words += ["timeout", str(r.choice([0, 600, 100000]))] if "timeout" in has else []
    return " ".join(words + sorted(has - {"timeout"}))


def element(r, name, kind, six, has, sets):
    if kind == "list:set":
        what = r.choice(sets)
    else:
        parts = [p for p in TYPES[kind] if not p.endswith("?") or r.random() < 0.6]
        what = ",".join(part(r, p.rstrip("?"), six) for p in parts)
    words = ["add", name, what]
    if "net" in TYPES[kind] and r.random() < 0.2:
        words += ["nomatch"]
    if "iface" in TYPES[kind] and words[2].endswith("+"):
        words += ["wildcard"]
    if "timeout" in has and r.random() < 0.5:
        words += ["timeout", str(r.choice([0, 1000, 2000000]))]
    if "counters" in has and r.random() < 0.5:
        words += ["packets", str(r.randrange(1 << 40)), "bytes", str(r.randrange(1 << 60))]
    if "comment" in has and r.random() < 0.7:
        words += ["comment", '"' + r.choice(["a web server", "x", "ü%s\\n", "c" * 255]) + '"']
    if "skbinfo" in has:
        words += r.choice([[], ["skbmark", "0x12"], ["skbmark", "0x1/0xff", "skbprio", "1:a0", "skbqueue", "7"], ["skbprio", "0:4"]])
    return " ".join(words)


def text(r, types, count=6, most=40):
    """Sets of @types, and lists of them last, as `ipset save` has them."""
    lines, names = [], []
    kinds = [r.choice([t for t in types if t != "list:set"]) for _ in range(count)] + (["list:set"] if "list:set" in types and r.random() < 0.5 else [])
    for number, kind in enumerate(kinds):
        name, six, has = f"S{number}-{r.choice(['a', 'KUBE.X', 'x' * 25])}", r.random() < 0.4, extensions(r)
        lines.append(create(r, name, kind, six, has))
        n = min(r.randrange(most), len(names)) if kind == "list:set" else r.randrange(most)
        lines += [element(r, name, kind, six, has, names) for _ in range(n)]
        names.append(name)
    return "\n".join(lines) + "\n"


def every_type(r, types):
    """One set of each, in both families, with elements in it."""
    lines, names = [], []
    for number, kind in enumerate(t for t in types if t != "list:set"):
        for six in (False, True):
            if six and not kind.startswith("hash:"):
                continue
            name, has = f"T{number}-{'6' if six else '4'}", {"timeout", "counters", "comment", "skbinfo"} if six else set()
            lines += [create(r, name, kind, six, has)] + [element(r, name, kind, six, has, names) for _ in range(30)]
            names.append(name)
    return "\n".join(lines + ["create L list:set"] + [f"add L {n}" for n in names[:5]]) + "\n"


RUNS_OFF = re.compile(r"(?m)^(add .* timeout )[1-9]\d*")


def comparable(save):
    """Without what differs by the second; ipset itself does not print forceadd, which the kernel tells."""
    return "".join(line.replace(" forceadd", "") if line.startswith("create ") else RUNS_OFF.sub(r"\1T", line) for line in save.splitlines(True))
