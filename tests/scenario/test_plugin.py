#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The kubectl plugin as it is installed: `make install`, the real kubectl in front of it, and what krew wants of a manifest."""
import hashlib
import os
import re
import subprocess
import sys
import tarfile
import tempfile

from api_server import ApiServer
from common import CORPUS, PROGRAM, ROOT, Failure, Tests, expect, expect_equal

if "/usr/lib/python3/dist-packages" not in sys.path:
    sys.path.append("/usr/lib/python3/dist-packages")  # Debian's, for a Python that is not Debian's

import yaml  # noqa: E402  pylint: disable=wrong-import-position

LAB = os.path.join(CORPUS, "lab-iptables-nft")


def call(*args, env=None, codes=(0,), cwd=None):
    environment = {k: v for k, v in os.environ.items() if k not in ("SVCDOCTOR_BUNDLE", "NO_COLOR", "KUBECONFIG", "MAKEFLAGS")}
    p = subprocess.run(args, env={**environment, **(env or {})}, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=110, check=False,
                       cwd=cwd or ROOT)
    out, err = p.stdout.decode(), p.stderr.decode()
    expect(p.returncode in codes, f"{' '.join(args)} exited with {p.returncode}: {(err or out)[-600:]}")
    return p.returncode, out, err


def make(*targets, **variables):
    """Of what is built already: nothing is built for it."""
    return call(os.environ.get("MAKE", "make"), "SUBMAKE=@:", f"BUILD={os.environ.get('BUILD', 'build')}", *targets, *(f"{k}={v}" for k, v in variables.items()))


def files_of(folder):
    return sorted(os.path.relpath(os.path.join(at, f), folder) for at, _, files in os.walk(folder) for f in files)


# ---- install ----

def install(dest):
    make("install", DESTDIR=dest, PREFIX="/opt/x y")
    bin_ = os.path.join(dest, "opt/x y/bin")
    expect_equal(sorted(os.listdir(bin_)), ["kubectl-svcdoctor", "kubectl_complete-svcdoctor", "svcdoctor"], "the programs")
    for link in ("kubectl-svcdoctor", "kubectl_complete-svcdoctor"):
        expect_equal(os.readlink(os.path.join(bin_, link)), "svcdoctor", "a link that still holds where the tree is moved to")
    have = files_of(os.path.join(dest, "opt/x y/share"))
    for f in ("man/man1/svcdoctor.1", "man/man5/svcdoctor-bundle.5", "bash-completion/completions/svcdoctor", "zsh/site-functions/_svcdoctor",
              "fish/vendor_completions.d/svcdoctor.fish"):
        expect(f in have, f"'{f}' is not installed: {have}")
    return bin_


def uninstall(dest):
    with open(os.path.join(dest, "opt/x y/bin/neighbour"), "w", encoding="utf-8"):
        pass
    make("uninstall", DESTDIR=dest, PREFIX="/opt/x y")
    expect_equal(files_of(dest), ["opt/x y/bin/neighbour"], "what is left")


def through_kubectl(bin_):
    env = {"PATH": bin_ + ":" + os.environ["PATH"]}
    _, direct, _ = call(PROGRAM, "diagnose", "cart", "-n", "shop", "--bundle", LAB, codes=(1,))
    _, out, err = call("kubectl", "svcdoctor", "diagnose", "cart", "-n", "shop", "--bundle", LAB, env=env, codes=(1,))
    expect_equal(out.replace("kubectl svcdoctor ", "svcdoctor "), direct, "the report")
    expect_equal(err, "", "stderr")
    _, out, _ = call("kubectl", "svcdoctor", "diagnose", "-A", "--bundle", LAB, env=env, codes=(1,))
    expect("one Service in full: kubectl svcdoctor diagnose " in out, f"the commands that it prints are not those of the plugin:\n{out}")
    _, _, err = call("kubectl", "svcdoctor", "diagnose", "--fail-on", "x", env=env, codes=(64,))
    expect("see 'kubectl svcdoctor diagnose --help'" in err, err)


def live_through_kubectl(bin_):
    """The flags behind the plugin's name are the plugin's, and mean what they mean in kubectl."""
    with ApiServer(LAB) as s:
        path = s.kubeconfig(namespace="shop")
        env = {"PATH": bin_ + ":" + os.environ["PATH"], "HOME": bin_}
        _, direct, _ = call(PROGRAM, "endpoints", "cart", "--kubeconfig", path, env=env, codes=(1,))
        expect("shop/cart" in direct and "CrashLoopBackOff" in direct, direct)
        for args in (("cart", "--kubeconfig", path), ("-n", "shop", "cart", f"--kubeconfig={path}", "--context=lab"), ("svc/cart", "-nshop", "--kubeconfig", path)):
            _, out, err = call("kubectl", "svcdoctor", "endpoints", *args, env=env, codes=(1,))
            expect_equal(err, "", f"{args}: stderr")
            expect_equal(table_of(out), table_of(direct), f"{args}: the report")
        _, out, _ = call("kubectl", "svcdoctor", "endpoints", "cart", env={**env, "KUBECONFIG": path}, codes=(1,))
        expect_equal(table_of(out), table_of(direct), "KUBECONFIG: the report")
        _, out, _ = call("kubectl", "svcdoctor", "diagnose", "-A", "--kubeconfig", path, "--fail-on", "never", env=env, codes=(0, 2))
        expect(f" --kubeconfig {path}" in out, f"printed commands lack the flags of the run:\n{out}")
        _, _, err = call("kubectl", "svcdoctor", "diagnose", "cart", "--kubeconfig", path, "--context", "nope", env=env, codes=(64,))
        expect("nope" in err, err)
        expect_equal(s.crimes, [], "what must never be asked")


def table_of(report):
    """What it says of the cluster, without the way to it."""
    return [line for line in report.splitlines() if not line.startswith("looked at") and "kubectl -n" not in line and "kubectl --" not in line]


# ---- krew ----

WINDOWS = {"CON", "PRN", "AUX", "NUL", *(f"{d}{n}" for d in ("COM", "LPT") for n in range(1, 10))}
# What the naming guide calls acronyms and abbreviations: the short names of kubectl.
SHORT = {"svc", "po", "ns", "no", "ep", "cm", "ing", "deploy", "ds", "rs", "sts", "netpol", "sa", "pv", "pvc", "quota", "crd", "kube", "kubernetes", "kubectl"}


def krew_refuses(manifest, file_name):
    """Why krew would refuse it, or its reviewers by the naming guide: the rules of its validation and of the page on manifests."""
    p, why = manifest, []
    name = p.get("metadata", {}).get("name", "")
    spec = p.get("spec", {})
    why += ["apiVersion"] * (p.get("apiVersion") != "krew.googlecontainertools.github.com/v1alpha2") + ["kind"] * (p.get("kind") != "Plugin")
    why += ["name"] * (not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)+", name) or name.upper() in WINDOWS or file_name != name + ".yaml")
    why += [f"abbreviation '{w}'" for w in name.split("-") if w in SHORT]
    why += [f"unknown key '{k}'" for k in set(spec) - {"version", "homepage", "shortDescription", "description", "caveats", "platforms"}]
    short = spec.get("shortDescription", "")
    why += ["shortDescription"] * (not 0 < len(short) <= 50 or "\n" in short or short.endswith("."))
    why += ["description"] * (not spec.get("description", "").strip())
    why += ["homepage"] * (not spec.get("homepage", "").startswith("https://"))
    why += ["version"] * (not re.fullmatch(r"v\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?", spec.get("version", "")))
    why += ["platforms"] * (not spec.get("platforms"))
    for x in spec.get("platforms") or ():
        labels = x.get("selector", {}).get("matchLabels")
        why += ["selector"] * (not labels or set(labels) - {"os", "arch"} != set())
        why += ["uri"] * (not re.fullmatch(r"https://\S+\.(tar\.gz|zip)", x.get("uri", "")))
        why += ["sha256"] * (not re.fullmatch(r"[a-f0-9]{64}", x.get("sha256", "")))
        why += ["bin"] * (not x.get("bin"))
        why += ["files"] * ("files" in x and (not x["files"] or not all(f.get("from") and f.get("to") for f in x["files"])))
        why += [f"unknown key '{k}'" for k in set(x) - {"selector", "uri", "sha256", "bin", "files"}]
    return why


def krew(folder):
    """The manifest and its archives, also of another machine."""
    with open(os.path.join(folder, "service-doctor-linux-riscv64.tar.gz"), "wb") as f:
        f.write(b"packed elsewhere")
    args = {"KREW_URI": "https://releases.invalid/v1.2.3", "KREW_HOMEPAGE": "https://project.invalid/", "KREW_VERSION": "v1.2.3"}
    archive = os.path.join(folder, "service-doctor-linux-amd64.tar.gz")
    call(os.path.join(ROOT, "krew/pack.sh"), PROGRAM, archive, env=args)
    with open(os.path.join(folder, "service-doctor.yaml"), encoding="utf-8") as f:
        text = f.read()
    expect("@" not in text, f"a placeholder is left:\n{text}")
    manifest = yaml.safe_load(text)
    expect_equal(krew_refuses(manifest, "service-doctor.yaml"), [], "what krew would refuse")
    platforms = manifest["spec"]["platforms"]
    expect_equal([p["selector"]["matchLabels"] for p in platforms], [{"os": "linux", "arch": a} for a in ("amd64", "riscv64")], "the platforms")
    for p in platforms:
        base = p["uri"].rsplit("/", 1)[1]
        with open(os.path.join(folder, base), "rb") as f:
            expect_equal(p["sha256"], hashlib.sha256(f.read()).hexdigest(), base)
        expect_equal(p["uri"], "https://releases.invalid/v1.2.3/" + base, "where it lies")
    with tarfile.open(archive) as t:
        names = {m.name: m for m in t.getmembers()}
        expect_equal(sorted(names), ["LICENSE", "svcdoctor"], "the archive")
        expect(names[platforms[0]["bin"]].mode & 0o111 == 0o111, "the program cannot be run")
        expect_equal({f["from"] for f in platforms[0]["files"]}, set(names), "the files to install")
        t.extractall(folder)
    # as krew installs it: a link of the plugin's name, dashes as underscores
    os.symlink("svcdoctor", os.path.join(folder, "kubectl-service_doctor"))
    _, _, err = call(os.path.join(folder, "kubectl-service_doctor"), codes=(64,))
    expect("usage: kubectl service-doctor COMMAND" in err, err)
    os.symlink("kubectl-service_doctor", os.path.join(folder, "kubectl_complete-service_doctor"))
    _, out, _ = call(os.path.join(folder, "kubectl_complete-service_doctor"), "expl")
    expect(out.startswith("explain\t") and out.endswith("\n:4\n"), out)


def krew_twice(folder):
    """The same bytes from the same program."""
    args = {"KREW_URI": "https://releases.invalid/x/", "KREW_HOMEPAGE": "https://project.invalid/", "KREW_VERSION": "v0.1.0-gabc-dirty"}
    seen = set()
    for part in ("a", "b"):
        os.mkdir(os.path.join(folder, part))
        archive = os.path.join(folder, part, "service-doctor-linux-arm64.tar.gz")
        call(os.path.join(ROOT, "krew/pack.sh"), PROGRAM, archive, env=args)
        with open(archive, "rb") as f:
            seen.add(f.read())
    expect_equal(len(seen), 1, "archives")


def krew_needs(folder):
    """Nobody's host is made up: where the release lies must be said."""
    good = {"KREW_URI": "https://releases.invalid/", "KREW_HOMEPAGE": "https://project.invalid/", "KREW_VERSION": "v1.0.0"}
    for wrong in ({"KREW_URI": ""}, {"KREW_HOMEPAGE": ""}, {"KREW_URI": "http://releases.invalid/"}, {"KREW_HOMEPAGE": "https://x|e;ls"}, {"KREW_VERSION": "1.0.0"}):
        _, _, err = call(os.path.join(ROOT, "krew/pack.sh"), PROGRAM, os.path.join(folder, "service-doctor-linux-amd64.tar.gz"), env={**good, **wrong}, codes=(64,))
        expect(next(iter(wrong)) in err, err)
        expect_equal(os.listdir(folder), [], "files that were left")
    with open(os.path.join(ROOT, "krew/service-doctor.yaml"), encoding="utf-8") as f:
        hosts = re.findall(r"https?://[^\s\"@]+", f.read())
    expect_equal(hosts, [], "hosts in the template")


def in_folder(test):
    with tempfile.TemporaryDirectory(prefix="svcdoctor-krew-") as folder:
        test(folder)


def main():
    tests = Tests()
    with tempfile.TemporaryDirectory(prefix="svcdoctor-install-") as dest:
        found = []
        tests.run("install", lambda: found.append(install(dest)))
        try:
            call("kubectl", "version", "--client")
        except (OSError, Failure):
            tests.skip("through-kubectl", "no kubectl")
            tests.skip("live-through-kubectl", "no kubectl")
        else:
            tests.run("live-through-kubectl", lambda: live_through_kubectl(found[0]))
            tests.run("through-kubectl", lambda: through_kubectl(found[0]))
        tests.run("uninstall", uninstall, dest)
    tests.run("krew", in_folder, krew)
    tests.run("krew-twice", in_folder, krew_twice)
    tests.run("krew-needs", in_folder, krew_needs)
    tests.finish()


if __name__ == "__main__":
    sys.exit(main())
