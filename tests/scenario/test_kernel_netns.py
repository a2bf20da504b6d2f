#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Which network namespace is read: by path, by name, of a process; what is refused, with what words; and that dropped
capabilities are gone."""
import os
import shutil
import subprocess
import tempfile

from common import ROOT, Tests, expect, expect_equal, sh

READ = os.path.join(ROOT, os.environ.get("BUILD", "build"), "tests", "kernel_read")
EUSAGE, ESRCH, EPERM, ENOENT = -1004, -3, -1, -2
NOBODY = 65534
STATUS = ("cat", "/proc/self/status")
NAME = f"svcd-ns-{os.getpid()}"


class Place:
    """A named namespace, a process in it, and a copy of the program that everybody may run."""

    def __enter__(self):
        self.folder = tempfile.mkdtemp(prefix="svcdoctor-netns-")
        os.chmod(self.folder, 0o755)
        self.program = shutil.copy(READ, self.folder)
        sh("ip", "netns", "add", NAME)
        sh("ip", "-n", NAME, "link", "add", "here0", "type", "bridge")
        self.holder = subprocess.Popen(["ip", "netns", "exec", NAME, "cat"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
        while os.readlink(f"/proc/{self.holder.pid}/ns/net") == os.readlink("/proc/self/ns/net"):
            expect(self.holder.poll() is None, "the process in the namespace ended")
        return self

    def __exit__(self, *exc):
        self.holder.stdin.close()
        self.holder.wait()
        sh("ip", "netns", "del", NAME, check=False)
        shutil.rmtree(self.folder)

    def run(self, *args, user=None):
        p = subprocess.run([self.program, *args], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, user=user,
                           group=user, extra_groups=[] if user else None, timeout=20, check=False)
        return p.returncode, p.stdout.decode(), p.stderr.decode().strip()


def entered(place, *where):
    rc, out, err = place.run(*where, "cat", "/proc/thread-self/net/dev")
    expect_equal(rc, 0, f"{where}: {err}")
    expect("here0:" in out, f"{where}: the bridge of the namespace is not seen")


def refused(place, where, number, *words, user=None):
    rc, _, err = place.run(*where, *STATUS, user=user)
    expect_equal(rc, 7, f"{where}: {err}")
    expect(err.startswith(f"{number}: "), f"{where}: not {number}: {err}")
    for w in words:
        expect(w in err, f"{where}: no '{w}' in: {err}")


def ways_in(place):
    for where in (("--netns", NAME), ("--netns", f"/run/netns/{NAME}"), ("--netns", f"/proc/{place.holder.pid}/ns/net"),
                  ("--pid", str(place.holder.pid))):
        entered(place, *where)


def no_namespace(place):
    os.mkfifo(os.path.join(place.folder, "fifo"))
    for path in ("/proc/self/ns/mnt", "/etc/passwd", "/dev/null", "/proc/self/ns", os.path.join(place.folder, "fifo")):
        refused(place, ("--netns", path), EUSAGE, path, "is not a network namespace")
    for name in ("", ".", ".."):
        refused(place, ("--netns", name), EUSAGE, "neither the path nor the name")
    refused(place, ("--pid", "-1"), EUSAGE)
    refused(place, ("--netns", NAME + "x"), ENOENT, "there is no network namespace", NAME + "x")
    refused(place, ("--netns", "/no/such/file"), ENOENT, "/no/such/file")
    refused(place, ("--netns", "x" * 300), -36)


def gone(place):
    p = subprocess.Popen(["true"])
    os.waitid(os.P_PID, p.pid, os.WEXITED | os.WNOWAIT)
    refused(place, ("--pid", str(p.pid)), ESRCH, "there is no process", str(p.pid))  # a zombie
    p.wait()
    refused(place, ("--pid", str(p.pid)), ESRCH, "there is no process", str(p.pid))


def unprivileged(place):
    refused(place, ("--pid", str(place.holder.pid)), EPERM, "lacks CAP_SYS_PTRACE", user=NOBODY)
    refused(place, ("--netns", NAME), EPERM, "lacks CAP_SYS_ADMIN", NAME, user=NOBODY)
    refused(place, ("--netns", f"/run/netns/{NAME}"), EPERM, "lacks CAP_SYS_ADMIN", user=NOBODY)
    closed = os.path.join(place.folder, "closed")
    os.mkdir(closed, 0o700)
    refused(place, ("--netns", f"{closed}/ns"), EPERM, "lacks CAP_DAC_READ_SEARCH", user=NOBODY)
    refused(place, ("--netns", "/etc/passwd"), EUSAGE, user=NOBODY)
    # where one is already, one may stay
    rc, _, err = place.run("--netns", "/proc/self/ns/net", *STATUS, user=NOBODY)
    expect_equal(rc, 0, err)


def masks(status):
    return {k: int(v, 16) for k, v in (line.split(":\t") for line in status.splitlines() if line.startswith("Cap"))}


def dropped(place):
    full = masks(place.run(*STATUS)[1])
    expect(full["CapEff"] and full["CapBnd"], "the test has no capability itself")
    rc, out, err = place.run("--drop", *STATUS)
    expect_equal(rc, 0, err)
    expect_equal(masks(out), {k: 0 for k in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")}, "after kernel_drop_capabilities")
    expect("\nUid:\t0\t" in out, "the user id changed")
    refused(place, ("--drop", "--netns", NAME), EPERM, "lacks CAP_SYS_ADMIN")
    rc, _, err = place.run("--drop", "--drop", *STATUS, user=NOBODY)
    expect_equal(rc, 0, err)


def asked(place):
    net_admin = 12
    expect_equal(place.run("has", str(net_admin))[0], 0, "CAP_NET_ADMIN of root")
    expect_equal(place.run("--drop", "has", str(net_admin))[0], 1, "CAP_NET_ADMIN of root without capabilities")
    expect_equal(place.run("has", str(net_admin), user=NOBODY)[0], 1, "CAP_NET_ADMIN of nobody")
    expect_equal(place.run("has", "64")[0], 1, "a capability that there is not")


def main():
    tests = Tests()
    if os.geteuid() != 0:
        tests.skip("kernel_netns", "needs root")
        tests.finish()
    with Place() as place:
        for test in (ways_in, no_namespace, gone, unprivileged, dropped, asked):
            tests.run(test.__name__, test, place)
    tests.finish()


if __name__ == "__main__":
    main()
