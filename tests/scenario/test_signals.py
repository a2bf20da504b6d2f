# SPDX-License-Identifier: GPL-2.0-or-later
"""
Ctrl-C and its kin, and a reader that has enough: the program ends at once, by the signal itself, and never leaves half a document. And
the progress line that somebody at a terminal sees meanwhile.
"""
import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import tempfile
import termios
import time

from api_server import ApiServer
from common import CORPUS, PROGRAM, Tests, expect, expect_equal, run, short

LAB = "lab-iptables-nft"
LARGE = ("diagnose", "-A", "-o", "json", "--bundle", LAB)  # more than the smallest pipe holds
PATIENCE = 60


def start(*args, pipe=4096, preexec=None, **more):
    """The program with a pipe of @pipe bytes as stdout, that nobody reads yet."""
    environment = {k: v for k, v in os.environ.items() if k not in ("SVCDOCTOR_BUNDLE", "KUBECONFIG")}
    r, w = os.pipe()
    fcntl.fcntl(w, fcntl.F_SETPIPE_SZ, pipe)
    p = subprocess.Popen([PROGRAM, *args], stdin=subprocess.DEVNULL, stdout=w, stderr=subprocess.PIPE, cwd=CORPUS, env=environment,
                         preexec_fn=preexec, **more)
    os.close(w)
    return p, r


def until(condition, what):
    end = time.monotonic() + PATIENCE
    while not condition():
        expect(time.monotonic() < end, f"{what}: not within {PATIENCE} s")
        time.sleep(0.01)


def is_blocked_writing(p):
    """Does the program sleep in a write to its pipe?"""
    with open(f"/proc/{p.pid}/stat", encoding="ascii") as f:
        state = f.read().rsplit(")", 1)[1].split()[0]
    return state == "S" and os.path.exists(f"/proc/{p.pid}/fd/1")


def pipe_is_full(r, size):
    n = bytearray(4)
    fcntl.ioctl(r, termios.FIONREAD, n)
    return int.from_bytes(n, "little") >= size


def everything(r):
    with os.fdopen(r, "rb") as f:
        return f.read()


def test_document_is_finished(number):
    p, r = start(*LARGE)
    until(lambda: pipe_is_full(r, 4096) and is_blocked_writing(p), "the report fills the pipe")
    p.send_signal(number)
    out = everything(r)
    p.wait(PATIENCE)
    err = p.stderr.read()
    p.stderr.close()
    expect_equal(p.returncode, -number, "what the program died of")
    expect_equal(err, b"", "stderr")
    expect(json.loads(out)["command"] == "diagnose", "the document is not whole")


def test_nobody_reads():
    p, r = start(*LARGE)
    until(lambda: pipe_is_full(r, 4096) and is_blocked_writing(p), "the report fills the pipe")
    p.send_signal(signal.SIGINT)
    p.wait(PATIENCE)
    p.stderr.close()
    os.close(r)
    expect_equal(p.returncode, -signal.SIGINT, "what the program died of")


def test_second_signal():
    p, r = start(*LARGE)
    until(lambda: pipe_is_full(r, 4096) and is_blocked_writing(p), "the report fills the pipe")
    p.send_signal(signal.SIGINT)
    p.send_signal(signal.SIGTERM)
    p.wait(PATIENCE)
    p.stderr.close()
    os.close(r)
    expect(p.returncode in (-signal.SIGINT, -signal.SIGTERM), f"the program ended with {p.returncode}")


def test_ignored_stays_ignored():
    p, r = start(*LARGE, preexec=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
    until(lambda: pipe_is_full(r, 4096) and is_blocked_writing(p), "the report fills the pipe")
    p.send_signal(signal.SIGHUP)
    out = everything(r)
    p.wait(PATIENCE)
    p.stderr.close()
    expect_equal(p.returncode, 1, "exit status")
    expect(json.loads(out)["command"] == "diagnose", "the document is not whole")


def test_shell_sees_it():
    """A shell reports 130, and goes no further in a list."""
    script = f'"{PROGRAM}" {" ".join(LARGE)} & p=$!; sleep 0.3; kill -TERM $p; wait $p; echo "status $?" >&2'
    r, w = os.pipe()
    fcntl.fcntl(w, fcntl.F_SETPIPE_SZ, 4096)
    p = subprocess.Popen(["bash", "-c", script], stdout=w, stderr=subprocess.PIPE, cwd=CORPUS)
    os.close(w)
    _, err = p.communicate(timeout=PATIENCE)
    os.close(r)
    expect(b"status 143" in err, short(err.decode()))


def test_reader_has_enough(args, status):
    p, r = start(*args)
    os.read(r, 1)
    os.close(r)
    p.wait(PATIENCE)
    err = p.stderr.read().decode()
    p.stderr.close()
    expect_equal(p.returncode, status, "exit status")
    expect_equal(err, "", "stderr")


def test_pipeline():
    """As a user writes it, with the status that pipefail shows."""
    command = f'set -o pipefail; "{PROGRAM}" diagnose -A -v --bundle {LAB} | head -n 1; echo "$?"'
    out = subprocess.run(["bash", "-c", command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=CORPUS, check=False, timeout=PATIENCE)
    expect_equal(out.stderr, b"", "stderr")
    lines = out.stdout.decode().splitlines()
    expect(len(lines) == 2 and lines[0].startswith("looked at: ") and lines[1] == "1", lines)


def test_output_file_is_checked():
    """A reader that goes away is no error; a full disk stays one."""
    r = run(*LARGE, "--output-file", "/dev/full", codes=(70,))
    expect("cannot write to '/dev/full'" in r.err or "cannot write to /dev/full" in r.err, r.err)


# ---- a live cluster, and a terminal ----

class Terminal:
    """The program with a terminal as stderr (and stdout, where @both), and what appeared there."""

    def __init__(self, *args, both=False, term="xterm", columns=100):
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        environment = {k: v for k, v in os.environ.items() if k not in ("SVCDOCTOR_BUNDLE", "KUBECONFIG", "TERM")}
        environment.update({"TERM": term} if term else {})
        self.process = subprocess.Popen([PROGRAM, *args], stdin=subprocess.DEVNULL, stdout=slave if both else subprocess.PIPE, stderr=slave, cwd=CORPUS,
                                        env=environment)
        os.close(slave)
        self.text = b""

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        if self.process.stdout:
            self.process.stdout.close()
        os.close(self.master)

    def read(self, pattern=None):
        """Until the pattern was seen, or the end; then everything that was."""
        end = time.monotonic() + PATIENCE
        while pattern is None or not re.search(pattern, self.text):
            expect(time.monotonic() < end, lambda: f"{pattern} was never seen in {self.text[-500:]}")
            if not select.select([self.master], [], [], 0.2)[0]:
                continue
            try:
                data = os.read(self.master, 65536)
            except OSError:  # the other side is closed
                break
            if not data:
                break
            self.text += data
        expect(pattern is None or re.search(pattern, self.text), lambda: f"{pattern} was not seen in {self.text[-500:]}")
        return self.text

    def screen(self):
        """What is left to see, line by line."""
        lines = []
        for line in self.text.decode().split("\n"):
            shown = ""
            for part in line.split("\r"):
                at = 0
                for i, text in enumerate(part.split("\033[K")):  # before each but the first: what is behind the cursor is erased
                    shown = shown[:at] + text + ("" if i else shown[at + len(text):])
                    at += len(text)
                    shown = shown[:at] if i < part.count("\033[K") else shown
            lines.append(shown)
        return lines


PROGRESS = rb"\rreading https://127\.0\.0\.1:\d+: \d+ of \d+ answers, [\d.]+ k?B, \d+ s\033\[K"


def slow(server, seconds=1.5):
    """One list takes its time."""
    server.fault("delay", "/pods", seconds=seconds)
    return ("diagnose", "-A", "--kubeconfig", server.kubeconfig())


def test_progress():
    """At a terminal the line appears, and nothing is left of it beside the report."""
    with ApiServer(os.path.join(CORPUS, LAB)) as s, Terminal(*slow(s), both=True) as t:
        t.read(PROGRESS)
        t.read()
        t.process.wait(PATIENCE)
        expect_equal(t.process.returncode, 1, "exit status")
        expect(len(re.findall(rb"\rreading", t.text)) > 1, "it is not rewritten")
        seen = t.screen()
        expect(seen[0].startswith("looked at: cluster ") and not any("reading https" in x for x in seen), seen[:3])


def test_no_progress():
    """None on a dumb terminal, without TERM, with -q, in a pipe, and where it is quick."""
    with ApiServer(os.path.join(CORPUS, LAB)) as s:
        args = slow(s, 0.8)
        for more, term in (((), "dumb"), ((), None), (("-q",), "xterm")):
            with Terminal(*args, *more, term=term) as t:
                out = t.process.stdout.read()
                t.read()
                expect(out and t.text == b"", f"{more} {term}: {t.text}")
        expect_equal(run(*args, codes=(1,), env={"TERM": "xterm"}).err, "", "stderr in a pipe")


def test_progress_is_cut():
    """A line that wrapped could not be erased."""
    with ApiServer(os.path.join(CORPUS, LAB)) as s, Terminal(*slow(s), columns=30) as t:
        t.read(rb"\rreading https://127\.0\.0\.1:\d+[^\r]*\033\[K")
        t.process.stdout.read()
        for part in t.read().decode().split("\r"):
            expect(len(part.split("\033[K")[0]) < 30, part)


def test_interrupted_reading():
    """Ctrl-C while a list stalls: at once, by the signal, without a word and with the line erased; no file is left."""
    with ApiServer(os.path.join(CORPUS, LAB)) as s, tempfile.TemporaryDirectory() as temp:
        s.fault("stall", "/pods")
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            os.environ["TMPDIR"] = temp
            with Terminal("diagnose", "-A", "-o", "json", "--kubeconfig", s.kubeconfig()) as t:
                t.read(PROGRESS)
                t.process.send_signal(number)
                t.process.wait(PATIENCE)
                out = t.process.stdout.read()
                t.read()
                expect_equal((t.process.returncode, out), (-number, b""), "what it died of, and stdout")
                expect_equal([x for x in t.screen() if x.strip()], [], "what is left on the terminal")
        del os.environ["TMPDIR"]
        expect_equal(os.listdir(temp), [], "temporary files")


def test_interrupted_collect():
    """No bundle, no part of one, and not a word."""
    with ApiServer(os.path.join(CORPUS, LAB)) as s, tempfile.TemporaryDirectory() as folder:
        s.fault("stall", "/pods")
        for more in ((), ("--redact",)):
            with Terminal("collect", "-w", os.path.join(folder, "bundle.tar.gz"), "--kubeconfig", s.kubeconfig(), *more) as t:
                t.read(PROGRESS)
                t.process.send_signal(signal.SIGINT)
                t.process.wait(PATIENCE)
                t.read()
                expect_equal(t.process.returncode, -signal.SIGINT, "what it died of")
                expect_equal([x for x in t.screen() if x.strip()], [], "what is left on the terminal")
                expect_equal(os.listdir(folder), [], "files")


def test_interrupted_wait():
    """Between two looks, too."""
    with ApiServer(os.path.join(CORPUS, LAB)) as s:
        p = subprocess.Popen([PROGRAM, "wait", "cart", "-n", "shop", "--interval", "1h", "--timeout", "0", "--kubeconfig", s.kubeconfig()],
                             stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=CORPUS)
        line = p.stderr.readline()
        expect(line.endswith(b"shop/cart: 0 of 2 pods are ready\n"), line)
        p.send_signal(signal.SIGINT)
        out, err = p.communicate(timeout=PATIENCE)
        expect(p.returncode == -signal.SIGINT and not out, f"{p.returncode} {out} {err}")


PLUGIN = """#!/bin/sh
echo $$ >{pid}
exec sleep 1000
"""


def is_alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    with open(f"/proc/{pid}/stat", encoding="ascii") as f:
        return f.read().rsplit(")", 1)[1].split()[0] != "Z"


def test_interrupted_plugin():
    """A credential plugin that hangs does not outlive the program."""
    with ApiServer(os.path.join(CORPUS, LAB)) as s, tempfile.TemporaryDirectory() as temp:
        plugin, pid_file, config = (os.path.join(temp, x) for x in ("plugin", "pid", "config"))
        with open(plugin, "w", encoding="utf-8") as f:
            f.write(PLUGIN.format(pid=pid_file))
        os.chmod(plugin, 0o755)
        with open(config, "w", encoding="utf-8") as f:
            json.dump({"apiVersion": "v1", "kind": "Config", "current-context": "x", "contexts": [{"name": "x", "context": {"cluster": "x", "user": "x"}}],
                       "clusters": [{"name": "x", "cluster": {"server": s.url, "insecure-skip-tls-verify": True}}],
                       "users": [{"name": "x", "user": {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": plugin,
                                                                "interactiveMode": "Never"}}}]}, f)
        p = subprocess.Popen([PROGRAM, "diagnose", "-A", "--kubeconfig", config], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, cwd=CORPUS)
        until(lambda: os.path.exists(pid_file) and os.path.getsize(pid_file) > 0, "the plugin starts")
        with open(pid_file, encoding="ascii") as f:
            pid = int(f.read())
        p.send_signal(signal.SIGINT)
        out, err = p.communicate(timeout=PATIENCE)
        expect_equal((p.returncode, out, err), (-signal.SIGINT, b"", b""), "what it died of, stdout and stderr")
        until(lambda: not is_alive(pid), "the plugin ends")


def main():
    t = Tests()
    t.run("progress", test_progress)
    t.run("no-progress", test_no_progress)
    t.run("progress-is-cut", test_progress_is_cut)
    t.run("interrupted-reading", test_interrupted_reading)
    t.run("interrupted-collect", test_interrupted_collect)
    t.run("interrupted-wait", test_interrupted_wait)
    t.run("interrupted-plugin", test_interrupted_plugin)
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        t.run(f"document-is-finished-{name}", test_document_is_finished, getattr(signal, name))
    t.run("nobody-reads", test_nobody_reads)
    t.run("second-signal", test_second_signal)
    t.run("ignored-stays-ignored", test_ignored_stays_ignored)
    t.run("shell-sees-it", test_shell_sees_it)
    t.run("reader-has-enough-findings", test_reader_has_enough, LARGE, 1)
    t.run("reader-has-enough-never", test_reader_has_enough, (*LARGE, "--fail-on", "never"), 0)
    t.run("reader-has-enough-verify", test_reader_has_enough, ("verify", "-A", "-o", "json", "--bundle", LAB), 0)
    t.run("pipeline", test_pipeline)
    t.run("output-file-is-checked", test_output_file_is_checked)
    t.finish()


if __name__ == "__main__":
    main()
