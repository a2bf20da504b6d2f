#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Logs of this machine: kube-proxy's as a pod, as a program with a file, as a unit with a journal; what a live node says of them is what a bundle of the
same texts says, and nothing that is no log is waited for. In mount namespaces with a /var/log and a /run of their own."""
import io
import json
import os
import re
import shutil
import sys
import tarfile
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from common import PROGRAM, Tests, expect, expect_equal, run, sh  # noqa: E402
from node_world import lacks  # noqa: E402
from test_readonly import LOOKS, WRITES, Trace, opened_for_writing  # noqa: E402

POD = "/var/log/pods/kube-system_kube-proxy-{}_0b3c/kube-proxy"
LINE = "2026-11-21T07:31:{:02}.000000000Z stderr F I1121 07:31:{:02}.000000       1 server_linux.go:66] \"{}\"\n"
TRACED = "ASAN_OPTIONS=" + os.environ.get("ASAN_OPTIONS", "") + ":detect_leaks=0"  # which traces the program itself
ARGUMENTS = "-u kube-proxy -o json --no-pager -n 5000"


def line(second, text):
    return LINE.format(second, second, text)


class Machine:
    """@files: {path: text}; None: a FIFO. Texts of /usr/bin/journalctl and its like are programs."""

    def __init__(self, files, journal=None):
        self.files, self.journal = files, journal

    def __enter__(self):
        self.top = tempfile.mkdtemp(prefix="svcdoctor-logs-")
        os.mkdir(os.path.join(self.top, "files"))
        for n, (path, text) in enumerate(self.files.items()):
            if text is not None:
                with open(os.path.join(self.top, "files", str(n)), "w", encoding="utf-8") as f:
                    f.write(text)
        return self

    def __exit__(self, *exc):
        shutil.rmtree(self.top, ignore_errors=True)

    def script(self):
        lines = ["set -e", "mount -t tmpfs logs /var/log", "mount -t tmpfs run /run"]
        for n, (path, text) in enumerate(self.files.items()):
            lines.append(f"mkdir -p $(dirname {path})")
            lines.append(f"mkfifo {path}" if text is None else f"cp {self.top}/files/{n} {path}; touch -d @{1800000000 + n} {path}")
        if self.journal:
            program = os.path.join(self.top, "journalctl")
            with open(program, "w", encoding="utf-8") as f:
                f.write(self.journal)
            os.chmod(program, 0o755)
            lines.append("mkdir -p /run/systemd/journal /run/current-system/sw/bin; touch /run/current-system/sw/bin/journalctl")
            lines.append(f"for f in /usr/bin/journalctl /bin/journalctl /run/current-system/sw/bin/journalctl; do [ ! -e $f ] || mount --bind {program} $f; done")
        return "; ".join(lines)

    def collect(self, prefix=""):
        """{file: text} of the node's logs."""
        target = os.path.join(self.top, "made")
        sh("unshare", "-m", "-n", "sh", "-c", f"{self.script()}; export HOME=/nonexistent KUBECONFIG= {TRACED}; exec {prefix} {PROGRAM} collect --node live -w {target} --force")
        node = os.path.join(target, "nodes", os.listdir(os.path.join(target, "nodes"))[0])
        got = {}
        for name in ("kube-proxy.log", "kube-proxy.previous.log", "dmesg.txt"):
            if os.path.exists(os.path.join(node, name)):
                with open(os.path.join(node, name), encoding="utf-8", errors="replace") as f:
                    got[name] = f.read()
        return got


    def by_script(self, shell):
        """The same by the script, in the network namespace of the machine's first process."""
        text = run("collect", "--script", "node", codes=(0,)).out
        script = os.path.join(self.top, "script")
        with open(script, "w", encoding="utf-8") as f:
            f.write(text)
        tar = sh("unshare", "-m", "sh", "-c", f"{self.script()}; exec {shell} {script}")
        with tarfile.open(fileobj=io.BytesIO(tar)) as t:
            return {m.name.split("/")[-1]: t.extractfile(m).read().decode(errors="replace") for m in t.getmembers() if m.isfile() and m.name.endswith((".log", "bundle.json"))}


def by_script():
    """The script finds the same logs, with the shells that nodes have."""
    entry = '{"__REALTIME_TIMESTAMP":"1"}\n'
    for shell in ("dash", "busybox sh"):
        with Machine({POD.format("a") + "/9.log": line(1, "nine"), POD.format("a") + "/10.log": line(2, "ten")}) as m:
            got = m.by_script(shell)
            expect_equal((got["kube-proxy.log"], got["kube-proxy.previous.log"]), (line(2, "ten"), line(1, "nine")), shell)
            expect(re.search(r'"created": "\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"', got["bundle.json"]), got["bundle.json"])
        with Machine({"/var/log/kube-proxy.log": "a file\n"}) as m:
            got = m.by_script(shell)
            expect_equal((got["kube-proxy.log"], "kube-proxy.previous.log" in got), ("a file\n", False), shell)
        with Machine({}, f"#!/bin/sh\n[ \"$*\" = '{ARGUMENTS}' ] && echo '{entry.strip()}'\n") as m:
            expect_equal(m.by_script(shell).get("kube-proxy.log"), entry, shell)
        with Machine({}) as m:
            expect("kube-proxy.log" not in m.by_script(shell), shell)


def of_a_pod():
    """The pod that wrote last; its last run with what was put aside before it, and the run before that."""
    files = {POD.format("old") + "/7.log": line(1, "gone"), POD.format("new") + "/9.log": line(2, "nine"), POD.format("new") + "/10.log": line(5, "ten"),
             POD.format("new") + "/10.log.20261121-073000": line(3, "aside"), POD.format("new") + "/10.log.20261121-072000.gz": "packed",
             POD.format("new") + "/8.log": line(1, "eight"), POD.format("new") + "/x.log": "no run"}
    files["/var/log/pods/kube-system_kube-proxy-x_1/other/0.log"] = "no kube-proxy"
    with Machine(dict(sorted(files.items(), key=lambda f: "10.log" in f[0]))) as m:
        got = m.collect()
        expect_equal(got["kube-proxy.log"], line(3, "aside") + line(5, "ten"), "its log")
        expect_equal(got["kube-proxy.previous.log"], line(2, "nine"), "the log before")


def a_long_one():
    """Its end, from the beginning of a line, and it is known to be an end."""
    text = "".join(line(i % 60, f"line {i:090}") for i in range(60000))
    with Machine({POD.format("a") + "/0.log": text}) as m:
        got = m.collect()
        expect(4 << 20 < len(got["kube-proxy.log"]) <= 8 << 20 and text.endswith("\n" + got["kube-proxy.log"]), len(got["kube-proxy.log"]))
        expect("kube-proxy.previous.log" not in got, got.keys())


def of_a_program():
    """A file of its own counts where it was written last; what is no file is not waited for."""
    pod = {POD.format("a") + "/0.log": line(1, "pod")}
    with Machine({**pod, "/var/log/kube-proxy.log": "a file\n"}) as m:
        expect_equal(m.collect()["kube-proxy.log"], "a file\n", "the newer one")
    with Machine({"/var/log/kube-proxy.log": "a file\n", **pod}) as m:
        expect_equal(m.collect()["kube-proxy.log"], line(1, "pod"), "the older one")
    with Machine({**pod, "/var/log/kube-proxy.log": None, POD.format("a") + "/1.log": None}) as m:
        expect("kube-proxy.log" not in m.collect(), "FIFOs")


def of_a_unit():
    entry = json.dumps({"__REALTIME_TIMESTAMP": "1795246260000000", "_SYSTEMD_UNIT": "kube-proxy.service", "PRIORITY": "6",
                        "MESSAGE": "I1121 07:31:00.100000       1 server_linux.go:66] \"Using ipvs Proxier\""}) + "\n"
    program = f"#!/bin/sh\n[ \"$*\" = '{ARGUMENTS}' ] || exit 1\n[ -z \"$HOME\" ] || exit 1\ncat <<'E'\n{entry}E\n"
    with Machine({}, program) as m:
        expect_equal(m.collect().get("kube-proxy.log"), entry, "the journal")
    with Machine({POD.format("a") + "/0.log": line(1, "pod")}, program) as m:
        expect_equal(m.collect()["kube-proxy.log"], line(1, "pod"), "a pod beside a journal")
    for wrong in ("#!/bin/sh\necho no\n", "#!/bin/sh\nexit 1\n", "no program\n", "#!/bin/sh\nkill -9 $$\n"):
        with Machine({}, wrong) as m:
            expect("kube-proxy.log" not in m.collect(), wrong)


def only_looks():
    """Nothing is written but the bundle, and no program is run but journalctl, to print."""
    with Machine({POD.format("a") + "/x": "no run"}, "#!/bin/sh\n:\n") as m:
        path = os.path.join(m.top, "trace")
        m.collect("strace -f -qq -v -X raw -s 256 -e trace=" + ",".join(LOOKS + WRITES) + " -o " + path)
        trace = Trace(path)
        for name in opened_for_writing(trace):
            expect(name == "/dev/null" or not name.startswith("/") or name.startswith(m.top), f"'{name}' was opened for writing")
        ran = [a for a in trace.named("execve", "execveat") if not a.startswith(f'"{PROGRAM}"')]
        expect(len(ran) == 1 and "journalctl\", [\"journalctl\", " + ", ".join(f'"{a}"' for a in ARGUMENTS.split()) + "]" in ran[0], ran)
        expect_equal(trace.named("connect", "unlink", "mount", "init_module", "finit_module", "bpf"), [], "what else it did")


def main():
    t = Tests()
    missing = lacks("unshare", "mount", "strace")
    if missing:
        t.skip("node-logs", missing)
        t.finish()
    for test in (of_a_pod, a_long_one, of_a_program, of_a_unit, by_script, only_looks):
        t.run(test.__name__.replace("_", "-"), test)
    t.finish()


if __name__ == "__main__":
    main()
