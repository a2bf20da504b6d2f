# SPDX-License-Identifier: GPL-2.0-or-later
"""A whole kernel that runs as a program: Debian's user-mode-linux, with the machine's own root (hostfs), for what the running kernel lacks.

    uml.missing()               why it cannot be had here, or None
    uml.run(folder, program)    boots it and runs `python3 PROGRAM FOLDER` as root in it; FOLDER can be written to. What the console said.

Linux 6.1 as a program knows no register sets larger than its own, and would refuse to start where the processor has AMX: so the
calls that ask for them fail (a seccomp filter), it falls back to the older ones, and the programs in it keep off AVX, whose
registers nobody saves then."""
import ctypes
import os
import shutil
import struct
import subprocess
import sys

MODULES = "/usr/lib/uml/modules"
PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
NO_AVX = "GLIBC_TUNABLES=glibc.cpu.hwcaps=" + ",".join("-" + name for name in (
    "AVX512VL", "AVX512BW", "AVX512F", "AVX2", "AVX", "XSAVE", "XSAVEC", "AVX2_Usable", "AVX_Usable", "AVX_Fast_Unaligned_Load", "ERMS"))
INIT = """#!/bin/sh
export PATH={path} PYTHONDONTWRITEBYTECODE=1
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t tmpfs tmpfs /run
mkdir /run/netns /run/shared
mount -t hostfs none /run/shared -o {folder}
python3 {program} /run/shared {modules} >/run/shared/out 2>/run/shared/err </dev/null
echo $? >/run/shared/rc
poweroff -f
"""


def version():
    try:
        return sorted(os.listdir(MODULES))[-1]
    except (OSError, IndexError):
        return None


def missing(*tools):
    for tool in ("linux.uml", "modprobe", "python3", *tools):
        if not shutil.which(tool, path=PATH):
            return f"{tool} is not installed"
    if not version():
        return "user-mode-linux has no modules here"
    if os.uname().machine != "x86_64":
        return "user-mode-linux is there for x86_64 only"
    return None


def allow_all_but_large_registers():
    """ptrace(PTRACE_GETREGSET or SETREGSET, pid, NT_X86_XSTATE) gives EINVAL from here on."""
    def code(op, yes, no, k):
        return struct.pack("HBBI", op, yes, no, k)
    load, equal, answer = 0x20, 0x15, 0x06
    program = b"".join([code(load, 0, 0, 0), code(equal, 0, 6, 101), code(load, 0, 0, 16), code(equal, 1, 0, 0x4204),
                        code(equal, 0, 3, 0x4205), code(load, 0, 0, 32), code(equal, 0, 1, 0x202), code(answer, 0, 0, 0x00050000 | 22),
                        code(answer, 0, 0, 0x7fff0000)])

    class Program(ctypes.Structure):
        _fields_ = [("len", ctypes.c_ushort), ("filter", ctypes.c_void_p)]
    buffer = ctypes.create_string_buffer(program)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(38, 1, 0, 0, 0) or libc.prctl(22, 2, ctypes.byref(Program(len(program) // 8, ctypes.addressof(buffer))), 0, 0):
        os._exit(126)


def roomy():
    """Where a file as large as its memory has room."""
    for folder in ("/dev/shm", "/tmp", "/var/tmp"):
        try:
            s = os.statvfs(folder)
            if os.access(folder, os.W_OK) and s.f_bavail * s.f_frsize > 600 << 20:
                return folder
        except OSError:
            pass
    return "/tmp"


def run(folder, program, memory="320M", timeout=110):
    """True and the program's output, or False and why."""
    root = os.path.join(folder, "modules")
    os.makedirs(os.path.join(root, "lib", "modules"))
    os.symlink(os.path.join(MODULES, version()), os.path.join(root, "lib", "modules", version()))
    init = os.path.join(folder, "init")
    with open(init, "w", encoding="ascii") as f:
        f.write(INIT.format(path=PATH, folder=folder, program=program, modules=root))
    os.chmod(init, 0o755)
    args = ["linux.uml", f"mem={memory}", "root=/dev/root", "rootfstype=hostfs", "rootflags=/", "ro", f"init={init}", "con=null",
            "con0=null,fd:1", "quiet", NO_AVX, f"uml_dir={folder}", "umid=uml"]
    env = dict(os.environ, TMPDIR=roomy(), PATH=PATH)
    p = subprocess.Popen(args, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=env, start_new_session=True,
                         preexec_fn=allow_all_but_large_registers)
    try:
        console, _ = p.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        os.killpg(p.pid, 9)
        console, _ = p.communicate()
        return False, f"it did not end within {timeout} s: {tail(folder, console)}"
    try:
        with open(os.path.join(folder, "rc"), encoding="ascii") as f:
            rc = int(f.read())
        with open(os.path.join(folder, "out"), encoding="utf-8") as f:
            out = f.read()
    except (OSError, ValueError):
        return False, f"it did not come up: {tail(folder, console)}"
    return (True, out) if rc == 0 else (False, f"{os.path.basename(program)} ended with {rc}: {tail(folder, console)}")


def tail(folder, console):
    try:
        with open(os.path.join(folder, "err"), encoding="utf-8", errors="replace") as f:
            err = f.read()
    except OSError:
        err = ""
    return (err[-1500:] or console.decode(errors="replace")[-1500:]).strip()


if __name__ == "__main__":
    why = missing()
    print(why or f"user-mode-linux {version()}")
    sys.exit(1 if why else 0)
