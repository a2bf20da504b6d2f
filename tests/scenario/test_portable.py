# SPDX-License-Identifier: GPL-2.0-or-later
"""The portable tar: made twice, unpacked somewhere, and run where there is nothing but a busybox and /proc."""
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tarfile
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from common import CORPUS, PROGRAM, ROOT, Tests, expect, expect_equal  # noqa: E402
from api_server import ApiServer  # noqa: E402

LAB = "lab-iptables-nft"
VERSION = "1.2.3-test"
NAME = f"svcdoctor-{VERSION}-x86_64"


def make(folder, epoch="1700000000"):
    p = subprocess.run([os.path.join(ROOT, "scripts", "portable.sh"), PROGRAM, VERSION, folder], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                       stderr=subprocess.PIPE, env=dict(os.environ, PORTABLE_GZIP="-1", SOURCE_DATE_EPOCH=epoch), check=False)
    expect(p.returncode == 0, f"scripts/portable.sh exited with {p.returncode}: {p.stderr.decode(errors='replace')}")
    return p.stdout.decode().strip()


def call(*args, cwd="/", env=None, stdin=None):
    p = subprocess.run(args, stdin=subprocess.DEVNULL if stdin is None else None, input=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=cwd, env=env or {},
                       check=False, timeout=60)
    return p.returncode, p.stdout.decode(), p.stderr.decode()


def here(*args, **kwargs):
    """The program that was built, for comparison."""
    return call(os.path.abspath(PROGRAM), *args, **kwargs)


class Made:
    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="svcdoctor-portable-")
        self.tar = make(os.path.join(self.folder, "a"))
        self.top = os.path.join(self.folder, "some where", NAME)
        with tarfile.open(self.tar) as t:
            self.members = t.getmembers()
            t.extractall(os.path.dirname(self.top))

    def program(self, name="svcdoctor"):
        return os.path.join(self.top, name)


def test_tar(m):
    expect_equal(os.path.basename(m.tar), NAME + ".tar.gz", "its name")
    again = make(os.path.join(m.folder, "b"))
    sums = []
    for path in (m.tar, again):
        with open(path, "rb") as f:
            sums.append(hashlib.sha256(f.read()).hexdigest())
    expect_equal(sums[1], sums[0], "the same program makes the same bytes")
    names = [x.name for x in m.members]
    expect_equal(names, sorted(names), "the order of the members")
    expect(all(x.uid == x.gid == 0 and x.mtime == 1700000000 for x in m.members), "owners and times")
    expect(all(n == NAME or n.startswith(NAME + "/") for n in names), "something lies outside its folder")
    for name in ("svcdoctor", "kubectl-svcdoctor", "kubectl_complete-svcdoctor", "README", "LICENSE", "lib/svcdoctor", "lib/libc.so.6", "lib/ld-linux-x86-64.so.2",
                 "man/man1/svcdoctor.1"):
        expect(f"{NAME}/{name}" in names, f"{name} is missing")
    if shutil.which("dpkg-query"):
        expect(f"{NAME}/licenses/libc6" in names, "licences are missing")
    with open(os.path.join(m.top, "README"), encoding="utf-8") as f:
        expect("SSL_CERT_FILE" in f.read(), "the README says nothing of certificates")


def test_anywhere(m):
    """From another folder, by links, as a plugin, with the machine's own libraries out of the way of what it runs."""
    for args in (("version",), ("demo",), ("verify", "-A", "--bundle", os.path.join(CORPUS, LAB), "-o", "json"), ("diagnos",)):
        got, want = call(m.program(), *args), here(*args)
        expect_equal(got, want, f"svcdoctor {args[0]}")
    link = os.path.join(m.folder, "kubectl-svcdoctor")
    os.symlink(m.program("kubectl-svcdoctor"), link)
    expect("usage: kubectl svcdoctor verify" in call(link, "verify", "--help")[1], "as a plugin, by a link")
    path = {"PATH": f"{m.top}:/usr/bin:/bin"}
    expect("usage: svcdoctor verify" in call("sh", "-c", "svcdoctor verify --help", env=path)[1], "by the path")
    expect("diagnose" in call(m.program("kubectl_complete-svcdoctor"), "diag")[1], "completion of the plugin")
    moved = os.path.join(m.folder, "moved")
    shutil.copytree(m.top, moved, symlinks=True)
    os.unlink(os.path.join(moved, "lib", "libjansson.so.4"))
    expect("libjansson.so.4" in call(os.path.join(moved, "svcdoctor"), "version", env={"LD_TRACE_LOADED_OBJECTS": "1"})[1], "which libraries it asks for")


def test_own_libraries(m):
    """All that is loaded lies beside it."""
    rc, out, err = call(m.program(), "version", env={"LD_TRACE_LOADED_OBJECTS": "1"})
    expect_equal((rc, err), (0, ""), "the loader")
    others = [line for line in out.splitlines() if "=>" in line and f"=> {m.top}/lib/" not in line]
    expect_equal(others, [], "libraries of the machine")


def chroot(m):
    root = os.path.join(m.folder, "root")
    for d in ("bin", "proc", "data", "opt"):
        os.makedirs(os.path.join(root, d), exist_ok=True)
    shutil.copyfile(os.path.realpath(shutil.which("busybox")), os.path.join(root, "bin", "busybox"))
    os.chmod(os.path.join(root, "bin", "busybox"), 0o755)
    if not os.path.isdir(os.path.join(root, "opt", NAME)):
        shutil.copytree(m.top, os.path.join(root, "opt", NAME), symlinks=True)
        shutil.copytree(os.path.join(CORPUS, LAB), os.path.join(root, "data", LAB))
    return root


def inside(root, *commands):
    """In a shell of busybox, in a root with /proc; exit status, output, what it said."""
    script = f'mount -t proc proc "{root}/proc" && exec chroot "{root}" /bin/busybox sh -c "$1"'
    return call("unshare", "-m", "--", "sh", "-c", script, "sh", "\n".join(commands), env={"PATH": os.environ["PATH"]})


def test_chroot(m):
    root, own = chroot(m), f"/opt/{NAME}/svcdoctor"
    expect_equal(sorted(os.listdir(root)), ["bin", "data", "opt", "proc"], "what is there")
    rc, out, err = inside(root, f"{own} version")
    expect_equal((rc, err), (0, ""), "version")
    expect_equal(out, here("version")[1], "version")
    expect_equal(inside(root, f"{own} demo"), here("demo"), "demo")
    for args in (f"diagnose -A --bundle {LAB}", f"verify -A --bundle {LAB} -o json", f"hairpin --bundle {LAB}", f"trace outside node1:30080 --bundle {LAB}"):
        expect_equal(inside(root, "cd /data", f"../opt/{NAME}/svcdoctor {args}"), here(*args.split(), cwd=CORPUS), args)
    rc, out, err = inside(root, f"cd /opt/{NAME}", f"./svcdoctor collect --bundle /data/{LAB} -w /data/x.tar.gz", "./svcdoctor verify -A --bundle /data/x.tar.gz")
    expect(rc in (0, 1) and "no difference" in out, f"an archive: {rc} {out} {err}")


def test_cluster(m):
    """TLS and HTTP with the libraries that it brings, where there is no /etc."""
    with ApiServer(os.path.join(CORPUS, LAB)) as s:
        path = s.kubeconfig()
        root = chroot(m)
        shutil.copyfile(path, os.path.join(root, "data", "kubeconfig"))
        rc, out, err = inside(root, f"/opt/{NAME}/svcdoctor diagnose -A --kubeconfig /data/kubeconfig")
        expect(rc == 1 and "19 Services" in out, f"a cluster: {rc} {out[:500]} {err}")


def why_not():
    if platform.machine() != "x86_64":
        return "this is made for x86-64, on x86-64"
    if os.environ.get("SANITIZE", "") not in ("", "0"):
        return "a program with sanitizers is not for other machines"
    with tempfile.TemporaryDirectory() as d:
        p = subprocess.run(["cc", "-static", "-x", "c", "-", "-o", os.path.join(d, "a")], input=b"int main(void) { return 0; }", stderr=subprocess.DEVNULL, check=False)
    return None if p.returncode == 0 else "nothing can be linked statically here"


def why_no_chroot():
    if os.geteuid() != 0:
        return "this needs root"
    busybox = shutil.which("busybox")
    if not busybox or b"not a dynamic" not in subprocess.run(["ldd", busybox], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False).stdout:
        return "there is no busybox that is statically linked"
    return None if subprocess.run(["unshare", "-m", "true"], stderr=subprocess.DEVNULL, check=False).returncode == 0 else "mount namespaces cannot be had here"


def main():
    t = Tests()
    why = why_not()
    if why:
        t.skip("portable", why)
        t.finish()
    m = Made()
    try:
        t.run("tar", test_tar, m)
        t.run("anywhere", test_anywhere, m)
        t.run("own-libraries", test_own_libraries, m)
        for name, test in (("chroot", test_chroot), ("cluster", test_cluster)):
            if why_no_chroot():
                t.skip(name, why_no_chroot())
            else:
                t.run(name, test, m)
    finally:
        shutil.rmtree(m.folder)
    t.finish()


if __name__ == "__main__":
    main()
