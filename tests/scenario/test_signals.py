# SPDX-License-Identifier: GPL-2.0-or-later
"""Ctrl-C and its kin, and a reader that has enough: the program ends at once, by the signal itself, and never leaves half a document."""
import fcntl
import json
import os
import signal
import subprocess
import termios
import time

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


def main():
    t = Tests()
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
