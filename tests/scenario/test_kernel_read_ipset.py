#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What svcdoctor reads of ipsets is what `ipset save` prints, in a namespace: every type that the running kernel has, random sets, the
lab's; while somebody writes; and without the right to. tests/scenario/test_kernel_read_ipvs.py has all types, and IPVS, in a kernel of
its own."""
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import ipset_random  # noqa: E402
from common import CORPUS, ROOT, Failure, Tests, expect, expect_equal, read, sh  # noqa: E402

READ = os.path.join(ROOT, os.environ.get("BUILD", "build"), "tests", "kernel_read")
NAME = f"svcd-set-{os.getpid()}"
NOBODY = 65534
SEEDS = int(os.environ.get("KERNEL_SEEDS", "0")) or 12
STATES = {0: "read", 3: "absent", 4: "denied", 5: "changed", 6: "failed"}


def inside(*args, stdin=None, check=True):
    return sh("ip", "netns", "exec", NAME, *args, stdin=stdin, check=check)


def clear():
    inside("ipset", "flush")
    inside("ipset", "destroy")


def kernel_read(*args, prefix=("ip", "netns", "exec", NAME), user=None, program=READ):
    p = subprocess.run([*prefix, program, *args], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60, user=user,
                       group=user, extra_groups=[] if user else None, check=False)
    expect(p.returncode in STATES, lambda: f"kernel_read {args} ended with {p.returncode}: {p.stderr.decode()}")
    return STATES[p.returncode], p.stdout.decode(), p.stderr.decode().strip()


def types():
    """Those that can be made here."""
    found = []
    for kind in ipset_random.TYPES:
        r = random.Random(1)
        try:
            inside("ipset", "create", "probe", kind, *ipset_random.create(r, "probe", kind, False, set()).split()[3:])
            inside("ipset", "destroy", "probe")
            found.append(kind)
        except OSError:
            pass
    return found


def same(what, text):
    try:
        inside("ipset", "-exist", "restore", stdin=text.encode())
        for _ in range(2):
            tool = inside("ipset", "save").decode()
            state, ours, why = kernel_read("ipset")
            expect_equal(state, "read", f"{what}: {why}")
            want, got = ipset_random.comparable(tool), ipset_random.comparable(ours)
            if want == got:
                break
        for a, b in zip(want.splitlines(), got.splitlines()):
            expect_equal(b, a, what)
        expect_equal(got, want, what)
        expect("svcdoctor-unknown" not in ours and "partial" not in why, f"{what}: not all of it is known: {why}")
    finally:
        clear()
    return tool.count("\n")


def nothing():
    expect_equal(kernel_read("ipset"), ("read", "", "read:"), "no set")


def all_types(found):
    lines = same("one of each", ipset_random.every_type(random.Random(5), found))
    return f"{len(found)} types, {lines} lines"


def random_sets(found):
    lines = 0
    for seed in range(1, SEEDS + 1):
        lines += same(f"seed {seed}", ipset_random.text(random.Random(seed), found))
    return f"{SEEDS} seeds, {lines} lines"


def lab():
    lines = 0
    for node in ("node1", "node2"):
        lines += same(f"lab-ipvs {node}", read(os.path.join(CORPUS, "lab-ipvs", "nodes", node, "ipset-save.txt")))
    return f"{lines} lines"


def many():
    """Many messages for one set, and the time that it takes."""
    n = 50000
    text = f"create BIG hash:ip,port,ip maxelem {n} hashsize 32768\ncreate EMPTY hash:ip\n" + "".join(
        f"add BIG 10.{i >> 14}.{i >> 7 & 127}.{i & 127},tcp:80,10.0.0.1\n" for i in range(n))
    lines = same("many elements", text)
    expect_equal(lines, n + 2, "lines")
    return f"{n} elements"


def cannot_be_printed():
    """A name with a blank is in the way of everybody who reads lines; a comment stays within its quotes."""
    inside("ipset", "create", "a b", "hash:ip")
    inside("ipset", "create", "c", "hash:ip", "comment")
    inside("ipset", "add", "c", "1.2.3.4", "comment", "two\nlines")
    try:
        state, out, why = kernel_read("ipset")
        expect_equal(state, "read", why)
        expect("partial" in why and "'a?b'" in why, f"the name is not told: {why}")
        expect("create a?b hash:ip " in out and out.splitlines()[0].endswith(" svcdoctor-unknown svcdoctor-unknown"), out[:500])
        expect('add c 1.2.3.4 comment "two?lines"\n' in out, out[:500])
    finally:
        clear()


WRITER = """
i=0
while :; do
	echo "add A 10.0.$((i / 200 % 200)).$((i % 200 + 1))"
	echo "del B 10.0.$((i / 200 % 200)).$((i % 200 + 1)) -exist"
	echo "del A 10.0.$((i / 200 % 200)).$((i % 200 + 1))"
	i=$((i + 1))
done | ipset -exist restore
"""


class Writer:
    """Somebody who changes set A, and B, all the time."""

    def __init__(self, options=""):
        inside("ipset", "restore", stdin=(f"create A hash:ip {options}\ncreate B hash:ip {options}\ncreate C hash:ip\n" +
                                          "".join(f"add {s} 192.0.2.{i}\n" for s in "ABC" for i in range(1, 200))).encode())

    def __enter__(self):
        self.process = subprocess.Popen(["ip", "netns", "exec", NAME, "sh", "-c", WRITER], start_new_session=True, stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return self

    def __exit__(self, *exc):
        os.killpg(self.process.pid, 9)
        self.process.wait()
        for _ in range(50):
            try:
                clear()
                break
            except OSError:
                time.sleep(0.05)


def lacks(out, names):
    """Elements that nobody took away and that are not in the text."""
    return [f"{s} 192.0.2.{i}" for i in range(1, 200) for s in names if f"add {s} 192.0.2.{i}" not in out]


def changing():
    """While it is written all the time: two readings that agree, or "changed"; what was there all the time is in every text."""
    seen = {}
    with Writer():
        end = time.monotonic() + 3
        while time.monotonic() < end:
            state, out, why = kernel_read("ipset")
            seen[state] = seen.get(state, 0) + 1
            expect(state in ("read", "changed"), f"{state}: {why}")
            expect(state == "read" or (not out and "changed during each of" in why), f"{state}: {why}")
            expect(state == "changed" or not lacks(out, "ABC"), lambda out=out: f"elements are missing: {lacks(out, 'ABC')}")
    return ", ".join(f"{n} {state}" for state, n in sorted(seen.items()))


def passing():
    """A set with a timeout that changes all the time does not hide the others: it is not readable, they are."""
    unsure = 0
    with Writer("timeout 600"):
        end = time.monotonic() + 3
        while time.monotonic() < end:
            state, out, why = kernel_read("ipset")
            expect_equal(state, "read", why)
            expect(not lacks(out, "C"), lambda out=out: f"elements are missing: {lacks(out, 'C')}")
            marked = out.count(" svcdoctor-unknown svcdoctor-unknown\n")
            expect((marked > 0) == ("partial" in why and "changed during every reading" in why), f"{marked} sets are marked: {why}")
            expect("add C svcdoctor" not in out, "a set that did not change is taken for one that did")
            unsure += marked > 0
    return f"{unsure} times not all sets were sure"


def without_sysfs():
    """Whether ip_set is there is known, too, where /sys is not to be seen."""
    inside("ipset", "create", "x", "hash:ip")
    try:
        hidden = ("ip", "netns", "exec", NAME, "unshare", "-m", "sh", "-c", 'mount -t tmpfs none /sys && exec "$0" "$@"')
        expect_equal(kernel_read("ipset", prefix=hidden), kernel_read("ipset"), "without /sys")
        expect_equal(kernel_read("ipset", prefix=hidden)[0], "read", "without /sys")
    finally:
        clear()


def each_allocation():
    """Fails once: the reading is whole, or says that memory is out."""
    inside("ipset", "restore", stdin=b"create a hash:ip,port\nadd a 10.0.0.1,tcp:80\ncreate b list:set\nadd b a\n")
    try:
        for name in ("ipset", "ipvs", "ipvsln", "connections"):
            p = subprocess.run(["ip", "netns", "exec", NAME, READ, "--each", name], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               timeout=60, check=False)
            expect_equal(p.returncode, 0, f"{name}: {p.stderr.decode()[-300:]}")
    finally:
        clear()


def unprivileged():
    inside("ipset", "create", "x", "hash:ip")
    folder = tempfile.mkdtemp(prefix="svcdoctor-set-")
    try:
        os.chmod(folder, 0o755)
        program = shutil.copy(READ, folder)
        denied = ("denied", "", "denied: reading ipsets needs CAP_NET_ADMIN lacks CAP_NET_ADMIN")
        expect_equal(kernel_read("ipset", prefix=(), user=NOBODY, program=program), denied, "as nobody")
        expect_equal(kernel_read("--drop", "ipset", program=program), denied, "without capabilities")
        expect_equal(kernel_read("ipset", prefix=("ip", "netns", "exec", NAME, "unshare", "-U")), denied, "in a user namespace")
    finally:
        shutil.rmtree(folder)
        clear()


def leaves_no_trace():
    before = (sorted(os.listdir("/sys/module")), inside("sh", "-c", "cat /proc/modules 2>/dev/null; ls /proc/net /proc/net/netfilter; true"))
    for name in ("ipset", "ipvs", "ipvsln"):
        kernel_read(name)
    after = (sorted(os.listdir("/sys/module")), inside("sh", "-c", "cat /proc/modules 2>/dev/null; ls /proc/net /proc/net/netfilter; true"))
    expect_equal(after, before, "modules and files of /proc/net")


def main():
    tests = Tests()
    if os.geteuid() != 0 or not shutil.which("ipset"):
        tests.skip("kernel_read_ipset", "needs root and ipset")
        tests.finish()
    sh("ip", "netns", "add", NAME)
    try:
        tests.run("leaves_no_trace", leaves_no_trace)
        try:
            found = types()
        except Failure:
            found = []
        if not found:
            tests.skip("kernel_read_ipset", "this kernel has no ipsets")
            tests.finish()
        tests.run("nothing", nothing)
        tests.run("all_types", all_types, found)
        tests.run("random_sets", random_sets, found)
        for test in (lab, many, cannot_be_printed, changing, passing, without_sysfs, each_allocation, unprivileged):
            tests.run(test.__name__, test)
    finally:
        sh("ip", "netns", "del", NAME, check=False)
    tests.finish()


if __name__ == "__main__":
    main()
