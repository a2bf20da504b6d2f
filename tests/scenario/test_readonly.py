#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Looking changes nothing: every command, over a live node, under strace. Nothing is opened for writing but the output that was named, no message
goes to the kernel but those that read, no option of a socket writes a table, and tables, sets and modules are the same before and after. Of the machine's
servers kube-proxy's own ports are asked, and none but them."""
import os
import re
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from common import CORPUS, Tests, expect, expect_equal, run, short  # noqa: E402
from node_world import Node, lacks  # noqa: E402
from proxy_server import ProxyServer  # noqa: E402
from test_node_live import NO_HOME, TRACED  # noqa: E402

AF_NETLINK = 16
ROUTE, NETFILTER, GENERIC = 0, 12, 16
NFTABLES, IPSET = 10, 6
# linux/netfilter/nf_tables.h: GETTABLE, GETCHAIN, GETRULE, GETSET, GETSETELEM, GETGEN, GETOBJ, GETFLOWTABLE; ipset.h: PROTOCOL, LIST, SAVE
READS = {NFTABLES: {1, 4, 7, 10, 13, 16, 19, 23}, IPSET: {1, 7, 8}}
GETFAMILY, CONTROLLER = 3, 16
IPVS_READS = {4, 8, 11, 13, 15}  # linux/ip_vs.h: IPVS_CMD_GET_SERVICE, _DEST, _DAEMON, _CONFIG, _INFO
SOL_SOCKET, SOL_NETLINK, SOL_TCP = 1, 270, 6

WRITES = ("creat", "rename", "renameat", "renameat2", "unlink", "unlinkat", "mkdir", "mkdirat", "rmdir", "link", "linkat", "symlink", "symlinkat", "truncate",
          "ftruncate", "chmod", "fchmod", "fchmodat", "chown", "fchown", "fchownat", "mount", "umount2", "init_module", "finit_module", "delete_module",
          "execve", "execveat", "connect", "mknod", "mknodat", "setxattr", "bpf")
LOOKS = ("open", "openat", "openat2", "socket", "sendto", "sendmsg", "sendmmsg", "setsockopt")
CALL = re.compile(r"^(\d+) +(\w+)\((.*)$")
RESUMED = re.compile(r"^(\d+) +<\.\.\. (\w+) resumed>(.*)$")


class Trace:
    """The calls of one run, whole: (name, arguments and result)."""

    def __init__(self, path):
        self.calls, open_calls = [], {}
        with open(path, encoding="utf-8", errors="replace") as f:
            for line in f:
                line = line.rstrip("\n")
                m = RESUMED.match(line)
                if m:
                    name, begin = open_calls.pop(m.group(1), (m.group(2), ""))
                    self.calls.append((name, begin + m.group(3)))
                    continue
                m = CALL.match(line)
                if not m:
                    continue
                if m.group(3).endswith("<unfinished ...>"):
                    open_calls[m.group(1)] = (m.group(2), m.group(3)[:-len("<unfinished ...>")].rstrip())
                else:
                    self.calls.append((m.group(2), m.group(3)))

    def named(self, *names):
        return [args for name, args in self.calls if name in names]


def number(text):
    """0x1|0x80000"""
    n = 0
    for part in text.split("|"):
        n |= int(part, 8 if re.fullmatch("0[0-7]+", part) else 0)
    return n


def opened_for_writing(trace):
    for args in trace.named("open", "openat"):
        m = re.match(r'(?:(?:0x)?[0-9a-fA-Fx-]+, )?"((?:[^"\\]|\\.)*)", ([0-9a-fx|]+)', args)
        expect(m, f"what does this open: {args}")
        if number(m.group(2)) & 0o3 or number(m.group(2)) & 0o100 or number(m.group(2)) & 0o1000:
            yield m.group(1)


def message(protocol, args):
    """A message of netlink as what it is; None: it only reads."""
    m = re.search(r"nlmsg_type=(0x[0-9a-f]+|\d+)", args)
    if not m:
        return args[:200]
    kind = number(m.group(1))
    if protocol == ROUTE:
        return None if kind >= 16 and kind % 4 == 2 else f"rtnetlink {kind}"
    if protocol == NETFILTER:
        return None if (kind & 255) in READS.get(kind >> 8, ()) else f"nfnetlink subsystem {kind >> 8}, command {kind & 255}"
    if protocol == GENERIC:
        body = re.search(r'nlmsg_pid=[^}]*}, (?:"\\x([0-9a-f]{2})|{cmd=(0x[0-9a-f]+|\d+))', args)
        command = -1 if not body else int(body.group(1), 16) if body.group(1) else number(body.group(2))
        good = command == GETFAMILY if kind == CONTROLLER else command in IPVS_READS
        return None if good else f"generic netlink {kind}, command {command}"
    return f"netlink protocol {protocol}"


def messages(trace):
    protocols, seen = {}, 0
    for name, args in trace.calls:
        if name == "socket":
            m = re.match(r"([0-9a-fx|]+), [0-9a-fx|]+, ([0-9a-fx|]+)\) += (\d+)", args)
            if m:
                protocols[int(m.group(3))] = (number(m.group(1)), number(m.group(2)))
        elif name in ("sendto", "sendmsg", "sendmmsg"):
            fd = int(re.match(r"(?:0x)?(\d+)", args).group(1))
            family, protocol = protocols.get(fd, (0, 0))
            expect_equal(family, AF_NETLINK, f"the family of the socket that {name}({args[:100]} sends by")
            wrong = message(protocol, args)
            expect(wrong is None, f"a message that does not only read: {wrong}")
            seen += 1
        elif name == "setsockopt":
            level = number(re.match(r"[^,]+, ([0-9a-fx|]+)", args).group(1))
            expect(level in (SOL_SOCKET, SOL_NETLINK, SOL_TCP), f"setsockopt({args}")
    return seen


def state(node):
    """What looking must not change."""
    parts = [node.run("cat", f"/proc/net/ip{six}_tables_names", check=False) for six in ("", "6")]
    parts += [node.run("sh", "-c", "cat /proc/modules; ls /sys/module", check=False), node.run("nft", "list", "tables"), node.run("ipset", "save", check=False)]
    parts.append(node.run("sh", "-c", "ls /proc/net /proc/net/netfilter /proc/net/stat /proc/sys/net/netfilter; ip -o link | cut -d: -f2; ip rule"))
    return parts


def commands(node, folder):
    target = os.path.join(folder, "made.tar.gz")
    source = ("--netns", node.name)
    return (
        (("verify", "-A", *source), None), (("diagnose", "-A", *source), None), (("rules", "-A", *source), None), (("endpoints", "-A", *source), None), (("hairpin", *source), None), (("proxy", *source), None),
        (("trace", "10.244.1.9", "10.96.0.10:53/UDP", *source), None), (("wait", "kubernetes", "--timeout", "1s", *source), None),
        (("diagnose", "-A", "--watch", "--interval", "200ms", "--timeout", "1s", *source), None),
        (("diagnose", "-A", "-o", "json", "--output-file", os.path.join(folder, "report"), *source), os.path.join(folder, "report")),
        (("diagnose", "-A", "--bundle", os.path.join(CORPUS, "lab-iptables-nft"), *source, "--node", "node1"), None),
        (("collect", "-w", target, *source), target), (("collect", "--script", "node"), None), (("version",), None),
    )


def check_trace(args, path, output):
    trace = Trace(path)
    for name in opened_for_writing(trace):
        expect(output and name.startswith(os.path.dirname(output)) or (output and os.path.basename(name).startswith(".")) or name == "/dev/null",
               f"{args} opened '{name}' for writing")
    for name, rest in trace.calls:
        if name in WRITES and not (output and name in ("rename", "renameat", "renameat2", "unlink", "unlinkat", "linkat", "fchmod", "ftruncate")):
            # the program itself is the first execve; name services are asked by no command here
            expect(name == "execve" and "svcdoctor" in rest, f"{args}: {name}({rest[:200]}")
    return messages(trace)


def every_command(lab, addresses):
    seen, runs = 0, 0
    with Node(lab, addresses=addresses) as node, tempfile.TemporaryDirectory(prefix="svcdoctor-readonly-") as folder:
        for args, output in commands(node, folder):
            path = os.path.join(folder, "trace")
            before = state(node)
            r = run(*args, env={**NO_HOME, **TRACED}, codes=(0, 1, 2, 64),
                    prefix=("strace", "-f", "-qq", "-v", "-X", "raw", "-s", "64", "-e", "trace=" + ",".join(LOOKS + WRITES), "-o", path))
            for was, is_now in zip(before, state(node)):
                expect_equal(is_now.decode(), was.decode(), f"what is there after {r}")
            seen += check_trace(args, path, output)
            runs += 1
    expect(seen >= runs, f"{seen} messages")
    return f"{runs} runs, {seen} messages to the kernel"


def packets(path):
    """Where sockets of the internet were connected to or sent by: {(address, port)}."""
    got = set()
    with open(path, encoding="utf-8", errors="replace") as f:
        for line in f:
            m = re.search(r"(connect|sendto|sendmsg|sendmmsg)\((\d+), (.*)", line)
            if not m or "NETLINK" in m[3] or "nlmsg_" in m[3]: # messages to the kernel
                continue
            to = re.search(r"sin6?_port=htons\((\d+)\).*?(?:inet_addr\(\"|AF_INET6, \")([^\"]+)\"", m[3])
            if to:
                got.add((to[2], int(to[1])))
            else: # of a connection, which was told before
                expect(m[1] != "connect" and ("msg_name=NULL" in m[3] or ", NULL, 0)" in m[3]), f"what does this send, and to whom: {line}")
    return got


def only_kube_proxy():
    """Of a live node kube-proxy's own ports are asked, where they are, each page once, and nobody else; nothing but GET is sent."""
    pages = ["/configz", "/healthz", "/livez", "/metrics", "/proxyMode"]
    with Node(None, addresses=False) as node, tempfile.TemporaryDirectory(prefix="svcdoctor-readonly-") as folder:
        path = os.path.join(folder, "trace")
        node.run("ip", "link", "set", "lo", "up")
        with ProxyServer(node, {"configz": "redirect", "healthz": "stale"}):
            for args in (("diagnose", "-A"), ("verify", "-A"), ("collect", "-w", os.path.join(folder, "made"), "--node", "n1")):
                r = run(*args, "--netns", node.name, env={**NO_HOME, **TRACED}, codes=(0, 1, 2),
                        prefix=("strace", "-f", "-qq", "-v", "-s", "256", "-e", "trace=connect,sendto,sendmsg,sendmmsg", "-o", path))
                expect_equal(packets(path), {("127.0.0.1", 10249), ("127.0.0.1", 10256)}, f"whom {r} sends to; it says {short(r.out + r.err, 600)}")
                with open(path, encoding="utf-8", errors="replace") as f:
                    sent = re.findall(r'sendto\(\d+, "((?:GET|POST|PUT|DELETE|HEAD)[^"]*)"', f.read())
                expect_equal(sorted(s.split(" ")[1] for s in sent if s.startswith("GET ")), pages, f"what {r} asks for")
                expect_equal(len(sent), len(pages), f"requests of {r}")


def only_asked_servers():
    """dns and collect --dns send to the servers that they are told, or that resolv.conf names, and to nobody else; no file is written."""
    with Node(None, addresses=False) as node, tempfile.TemporaryDirectory(prefix="svcdoctor-readonly-") as folder:
        path, conf, bundle = (os.path.join(folder, x) for x in ("trace", "resolv.conf", "made"))
        node.run("ip", "link", "set", "lo", "up")
        node.run("ip", "addr", "add", "10.96.0.10/32", "dev", "lo")
        node.run("ip", "addr", "add", "fd00::53/128", "dev", "lo", "nodad")
        with open(conf, "w", encoding="utf-8") as f:
            f.write("nameserver 10.96.0.10\nnameserver fd00::53\n")
        for args, want in ((("dns", "web.shop.svc.cluster.local", "--here", "--server", "10.96.0.10:5353", "--server", "[fd00::53]:54", "--netns", node.name, "--try-timeout", "300ms"),
                            {("10.96.0.10", 5353), ("fd00::53", 54)}),
                           (("dns", "kubernetes.default", "--here", "--resolv-conf", conf, "--netns", node.name, "--try-timeout", "300ms"), {("10.96.0.10", 53), ("fd00::53", 53)}),
                           (("collect", "-w", bundle, "--netns", node.name, "--node", "n1"), set())):
            r = run(*args, env={**NO_HOME, **TRACED}, codes=(0, 1, 2), prefix=("strace", "-f", "-qq", "-v", "-s", "64", "-e", "trace=socket,connect,sendto,sendmsg,sendmmsg", "-o", path))
            expect_equal(packets(path), want, f"whom {r} sends to; it says {short(r.out + r.err, 600)}")
            run(*args, *(("--force",) if args[0] == "collect" else ()), env={**NO_HOME, **TRACED}, codes=(0, 1, 2),
                prefix=("strace", "-f", "-qq", "-v", "-X", "raw", "-s", "64", "-e", "trace=open,openat", "-o", path))
            for name in opened_for_writing(Trace(path)):
                expect(args[0] == "collect" or name == "/dev/null", f"{args} opened '{name}' for writing")


def itself():
    """A trace with each kind of crime is found."""
    crimes = (
        'openat(0xffffff9c, "/proc/sys/net/ipv4/ip_forward", 0x1) = 3', 'creat("/tmp/x", 0x1b6) = 3', 'setsockopt(3, 0, 64, "", 1) = 0',
        'socket(0x10, 0x3, 0xc) = 3\n1 sendto(3, [{nlmsg_len=20, nlmsg_type=0xa00, nlmsg_flags=0x1}, "\\x00"], 20) = 20',
        'socket(0x10, 0x3, 0) = 3\n1 sendto(3, [{nlmsg_len=20, nlmsg_type=0x10, nlmsg_flags=0x1}, "\\x00"], 20) = 20',
        'socket(0x2, 0x2, 0) = 3\n1 sendto(3, "x", 1) = 1', 'execve("/sbin/modprobe", [], []) = 0',
    )
    with tempfile.TemporaryDirectory(prefix="svcdoctor-readonly-") as folder:
        for crime in crimes:
            path = os.path.join(folder, "trace")
            with open(path, "w", encoding="utf-8") as f:
                f.write("1 " + crime + "\n")
            try:
                check_trace(("x",), path, None)
            except Exception as e:  # pylint: disable=broad-except
                expect(type(e).__name__ == "Failure", f"{crime}: {e!r}")
            else:
                expect(False, f"nobody minds {short(crime)}")


def main():
    t = Tests()
    t.run("itself", itself)
    missing = lacks("ip", "nft", "iptables-nft-restore", "iptables-legacy-restore", "nfacct", "ipset", "strace")
    if missing:
        t.skip("readonly", missing)
        t.finish()
    t.run("servers", only_asked_servers)
    t.run("kube-proxy", only_kube_proxy)
    t.run("a fresh namespace", every_command, None, False)
    for lab in ("lab-iptables-nft", "lab-iptables-legacy", "lab-nftables"):
        t.run(lab, every_command, lab, True)
    t.finish()


if __name__ == "__main__":
    main()
