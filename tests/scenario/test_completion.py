#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Completion: what the program offers, and what real shells make of it when somebody presses the tab key."""
import json
import os
import pty
import re
import select
import shutil
import subprocess
import sys
import tempfile
import time

from api_server import ApiServer, Rule
from common import CORPUS, PROGRAM, Copy, Tests, expect, expect_equal, run

LAB = os.path.join(CORPUS, "lab-iptables-nft")
SHOP = ["api", "cart", "lb-ranges", "local-only", "no-match", "no-selector", "node-ip-stolen", "pay", "scaled-down"]


class Shells:
    """A folder with `svcdoctor` on the path: completions are the program's, any other call writes its arguments down."""

    def __enter__(self):
        self.temporary = tempfile.TemporaryDirectory(prefix="svcdoctor-completion-")
        self.folder = self.temporary.name
        self.home = os.path.join(self.folder, "home")
        self.args = os.path.join(self.folder, "args")
        os.makedirs(os.path.join(self.folder, "bin"))
        os.makedirs(self.home)
        for name in ("svcdoctor", "kubectl-svcdoctor"):
            self.script(name, f'case $1 in __complete) exec "{PROGRAM}" "$@" ;; esac\nprintf "%s\\n" "$@" >"{self.args}"\n')
        for shell in ("bash", "zsh", "fish"):
            with open(os.path.join(self.folder, shell), "w", encoding="utf-8") as f:
                f.write(run("completion", shell, codes={0}).out)
        self.env = {**{k: v for k, v in os.environ.items() if not k.startswith(("SVCDOCTOR", "KUBE", "XDG", "ZDOTDIR"))},
                    "PATH": os.path.join(self.folder, "bin") + ":" + os.environ["PATH"], "HOME": self.home, "TERM": "dumb", "LC_ALL": "C.UTF-8",
                    "ZDOTDIR": self.home, "PS1": "> "}
        return self

    def __exit__(self, *exc):
        self.temporary.cleanup()

    def script(self, name, text):
        path = os.path.join(self.folder, "bin", name)
        with open(path, "w", encoding="utf-8") as f:
            f.write("#!/bin/sh\n" + text)
        os.chmod(path, 0o755)

    def typed(self, command, text):
        """Types @text into an interactive shell and returns the arguments that `svcdoctor` was then called with."""
        if os.path.exists(self.args):
            os.unlink(self.args)
        pid, tty = pty.fork()
        if pid == 0:
            try:
                os.chdir(self.home)
                os.execvpe(command[0], command, self.env)
            finally:
                os._exit(127)
        try:
            seen = self.until(tty, b"ready>")
            os.write(tty, text.encode() + b"\r")
            seen += self.until(tty, b"ready>", lambda: os.path.exists(self.args) and os.path.getsize(self.args) > 0)
        finally:
            os.close(tty)
            os.waitpid(pid, 0)
        expect(os.path.exists(self.args), lambda: f"{text!r}: nothing was run: {seen[-600:]!r}")
        with open(self.args, encoding="utf-8") as f:
            return f.read().split("\n")[:-1]

    @staticmethod
    def until(tty, mark, done=lambda: False):
        seen, end = b"", time.monotonic() + 20
        while time.monotonic() < end and not done():
            if select.select([tty], [], [], 0.05)[0]:
                try:
                    seen += os.read(tty, 65536)
                except OSError:
                    break
            if mark in seen:
                seen += Shells.rest(tty)
                break
        return seen

    @staticmethod
    def rest(tty):
        return os.read(tty, 65536) if select.select([tty], [], [], 0.05)[0] else b""

    def bash(self, text):
        rc = os.path.join(self.folder, "bashrc")
        with open(rc, "w", encoding="utf-8") as f:
            f.write(f"PS1='ready>'\nbind 'set bell-style none'\n. {self.folder}/bash\n")
        return self.typed(["bash", "--noprofile", "--rcfile", rc, "-i"], text)

    def zsh(self, text, load=None):
        with open(os.path.join(self.home, ".zshrc"), "w", encoding="utf-8") as f:
            f.write("PS1='ready>'\nunsetopt zle_bracketed_paste beep prompt_sp 2>/dev/null\nunset zle_bracketed_paste\n"
                    + (load or f"autoload -Uz compinit && compinit -u -D\n. {self.folder}/zsh\n"))
        return self.typed(["zsh", "-d", "-i"], text)

    def zsh_installed(self, text):
        """As `make install` puts it: zsh loads the file at the first use."""
        site = os.path.join(self.folder, "site-functions")
        os.makedirs(site, exist_ok=True)
        shutil.copyfile(os.path.join(self.folder, "zsh"), os.path.join(site, "_svcdoctor"))
        return self.zsh(text, f"fpath=({site} $fpath)\nautoload -Uz compinit && compinit -u -D\n")

    def fish(self, text):
        """The candidates; fish has a command for that."""
        p = subprocess.run(["fish", "--no-config", "-c", f"source {self.folder}/fish; complete -C $argv[1]", text], env=self.env, cwd=self.home, timeout=30,
                           stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
        expect_equal(p.stderr.decode(), "", f"fish about {text!r}")
        return [line.split("\t")[0] for line in p.stdout.decode().splitlines()]


def offered(*words, directive=4, env=None, cwd=None):
    """The candidates without what they mean."""
    r = run("__complete", *words, codes={0}, env=env, cwd=cwd)
    expect_equal(r.err, "", f"{r}: stderr")
    lines = r.out.split("\n")
    expect(lines[-1] == "" and re.fullmatch(r":\d+", lines[-2]), f"{r} does not end with a directive: {r.out!r}")
    expect_equal(lines[-2], f":{directive}", f"{r}: directive")
    return [line.split("\t")[0] for line in lines[:-2]]


# ---- the program ----

def words():
    commands = offered("")
    expect({"diagnose", "trace", "explain", "completion"} <= set(commands) and "__complete" not in commands, f"commands: {commands}")
    for args, want in ((("di",), ["diagnose"]), (("--v",), ["--version"]), (("nosuch", ""), []), (("diagnose", "--fail-on", "w"), ["warning"]),
                       (("diagnose", "--fail-on=w"), ["--fail-on=warning"]), (("diagnose", "-oj"), ["-ojson", "-ojunit"]),
                       (("diagnose", "-Ao=l"), ["-Ao=lines"]), (("diagnose", "--", "--fail"), []), (("completion", "z"), ["zsh"]),
                       (("completion", "zsh", ""), []), (("explain", "no-ready"), ["no-ready-endpoints"]), (("diagnose", "--all-n"), ["--all-namespaces"]),
                       (("diagnose", "--ignore", "no-ready"), ["no-ready-endpoints"]), (("diagnose", "--token", ""), []),
                       (("diagnose", "--insecure"), ["--insecure-skip-tls-verify"]), (("diagnose", "--cache"), []), (("version", "--conte"), [])):
        expect_equal(offered(*args), want, f"after {args}")
    expect_equal(offered("diagnose", "--axes", "rules,e", directive=6), ["rules,endpoints"], "a list")
    for file in (("diagnose", "--bundle", ""), ("diagnose", "--bundle=/t"), ("diagnose", "--kubeconfig", ""), ("diagnose", "--output-file", "x")):
        expect_equal(offered(*file, directive=0), [], f"files after {file}")
    options = offered("diagnose", "-")
    expect({"-n", "--namespace", "-A", "-s", "--context", "--fail-on"} <= set(options), f"options: {options}")


def names_of_bundle():
    at = ("--bundle", LAB)
    for args, want in ((("diagnose", *at, "-n", "sh"), ["shop"]), (("diagnose", *at, "--namespace=sh"), ["--namespace=shop"]), (("diagnose", *at, "-nsh"), ["-nshop"]),
                       (("diagnose", *at, "-n", "shop", ""), SHOP), (("diagnose", "-n", "shop", "cart", *at, "l"), ["lb-ranges", "local-only"]),
                       (("wait", "--for", "ro"), ["rollout"]), (("wait", *at, "--timeout", "1m", "-n", "shop", "cart", "ap"), ["api"]), (("wait", "--timeo"), ["--timeout"]),
                       (("verify", *at, "shop/l"), ["shop/lb-ranges", "shop/local-only"]), (("rules", *at, "-n", "shop", "svc/ca"), ["svc/cart"]),
                       (("endpoints", *at, "web"), ["web"]), (("diagnose", *at, "-A", ""), []), (("diagnose", *at, "--node", ""), ["node1", "node2"]),
                       (("trace", *at, "no"), ["node1", "node2"]), (("trace", *at, "o"), ["outside"]), (("trace", *at, "shop/cart-"), ["shop/cart-0", "shop/cart-1"]),
                       (("trace", *at, "outside", "shop/c"), ["shop/cart"]), (("trace", *at, "outside", "web", ""), []),
                       (("diagnose", *at, "--ignore", "no-ready-endpoints@shop/c"), ["no-ready-endpoints@shop/cart"]), (("diagnose", *at, "--context", ""), [])):
        got = offered(*args)
        expect_equal(got, want, f"after {args}")
    expect_equal(offered("diagnose", *at, "--ignore", "no-ready-endpoints@sh", directive=6), ["no-ready-endpoints@shop/"], "a namespace before its Service")
    expect_equal(offered("diagnose", "-n", "shop", "ca", env={"SVCDOCTOR_BUNDLE": LAB}), ["cart"], "the bundle of the environment")
    expect_equal(offered("diagnose", "--nosuch", *at, "-n", "sh"), [], "a line that cannot be read")


def nothing_to_ask():
    """Whatever is wrong with the source, nobody hears of it in the middle of a word."""
    with tempfile.TemporaryDirectory() as folder:
        env = {"HOME": folder, "KUBECONFIG": os.path.join(folder, "none")}
        with open(os.path.join(folder, "bad"), "w", encoding="utf-8") as f:
            f.write("no bundle\n\x1b[31m")
        for args in (("diagnose", "-n", ""), ("diagnose", "--bundle", folder + "/absent", ""), ("verify", "--bundle", folder + "/bad", "--node", ""),
                     ("diagnose", "--kubeconfig", folder + "/bad", "--context", ""), ("trace", "--context", "x", "outside", "")):
            expect_equal(offered(*args, env=env, cwd=folder), [], f"after {args}")


def hostile_names():
    """A name that a shell would have to quote is no name of Kubernetes, and is not offered."""
    with Copy("lab-iptables-nft") as b:
        def rename(text):
            d = json.loads(text)
            bad = ["$(touch pwned)", "`id`", "a;b", "c d", "e\nf", "\x1b[31mg", "h'i", "web\u202e"]
            for o, name in zip(d["items"], bad):
                o["metadata"]["name"] = name
            return json.dumps(d)
        b.edit(rename, "cluster", "services.json")
        b.edit(rename, "cluster", "namespaces.json")
        for args in (("diagnose", "--bundle", b.path, "-n", ""), *(("diagnose", "--bundle", b.path, "-n", ns, "") for ns in ("default", "shop", "kube-system"))):
            for name in offered(*args):
                expect(re.fullmatch(r"[a-z0-9.-]+", name), f"offered {name!r}")


# ---- the live cluster ----

def asked(want, *args, **options):
    """Completion waits two seconds and no longer; a machine that is busy gets more tries."""
    for _ in range(5):
        got = offered(*args, **options)
        if got == want:
            return
    expect_equal(got, want, f"after {args}")


def names_of_cluster():
    with ApiServer(LAB) as s:
        s.rules["ns"] = [Rule("get,list", "services", namespace="shop")]
        at = ("--kubeconfig", s.kubeconfig(namespace="shop"))
        for args, want in ((("diagnose", *at, "-n", "sh"), ["shop"]), (("diagnose", *at, ""), SHOP), (("diagnose", *at, "-n", "default", "web"), ["web"]),
                           (("verify", *at, "shop/ca"), ["shop/cart"]), (("rules", *at, "--node="), ["--node=node1", "--node=node2"]),
                           (("trace", *at, "pod/cart-"), ["pod/cart-0", "pod/cart-1"]), (("diagnose", *at, "-n", "no such", ""), [])):
            asked(want, *args)
        expect_equal(s.crimes, [], "what must never be asked")
        for r in s.requests:
            expect("as=PartialObjectMetadataList" in r.headers["accept"] and "limit" in r.params, f"{r} asks for more than names")
        asked(["cart"], "diagnose", "-n", "shop", "ca", env={"KUBECONFIG": at[1]})
        asked(["shop"], "diagnose", *at, "-n", "sh", env={"SVCDOCTOR_BUNDLE": "/nonexistent"})
        before = len(s.requests)
        offered("diagnose", "--bundle", LAB, "-n", "", env={"KUBECONFIG": at[1]})
        expect_equal(len(s.requests), before, "requests of a run with a bundle")
        # with few rights: what may be seen, and silence about the rest
        few = ("--kubeconfig", s.kubeconfig("ns", groups=(), auth="token"))
        expect_equal(offered("diagnose", *few, "-n", ""), [], "namespaces that are forbidden")
        asked(["cart"], "diagnose", *few, "-n", "shop", "ca")
        for kind in ("500", "garbage", "stall"):
            s.faults.clear()
            s.fault(kind, "/services")
            expect_equal(offered("diagnose", *at, ""), [], f"with fault '{kind}'")
        s.faults.clear()
        wrong = ("--kubeconfig", s.kubeconfig(ca="other"))
        expect_equal(offered("diagnose", *wrong, "-n", ""), [], "a server that is not to be trusted")


KUBECONFIG = """apiVersion: v1
kind: Config
current-context: kind-a
contexts:
- {name: kind-a, context: {cluster: one, user: eve}}
- {name: "arn:aws:eks:eu-west-1:123456789012:cluster/prod", context: {cluster: two, user: eve}}
- {name: "$(touch pwned)", context: {cluster: two, user: eve}}
- {name: "two words", context: {cluster: two, user: eve}}
- {name: "esc\\u001b[31m", context: {cluster: two, user: eve}}
clusters:
- {name: one, cluster: {server: "https://127.0.0.1:1"}}
- {name: two, cluster: {server: "https://127.0.0.1:1"}}
users:
- {name: eve, user: {}}
"""
PROD = "arn:aws:eks:eu-west-1:123456789012:cluster/prod"


def write_kubeconfig(folder):
    path = os.path.join(folder, "kubeconfig")
    with open(path, "w", encoding="utf-8") as f:
        f.write(KUBECONFIG)
    return path


def names_of_kubeconfig():
    with tempfile.TemporaryDirectory() as folder:
        path = write_kubeconfig(folder)
        second = os.path.join(folder, "second")
        with open(second, "w", encoding="utf-8") as f:
            f.write(KUBECONFIG.replace("kind-a", "kind-b"))
        env = {"KUBECONFIG": f"{path}:{second}:{folder}/none"}
        for args, want in ((("diagnose", "--context", ""), ["kind-a", PROD, "kind-b"]), (("verify", "--context=kind"), ["--context=kind-a", "--context=kind-b"]),
                           (("diagnose", "--kubeconfig", path, "--context", "k"), ["kind-a"]), (("diagnose", "--cluster", ""), ["one", "two"]),
                           (("diagnose", "--user", ""), ["eve"]), (("diagnose", "--kubeconfig", path + "x", "--user", ""), [])):
            expect_equal(offered(*args, env=env), want, f"after {args}")


# ---- the shells ----

def shell(shells, kind):
    """What somebody types, and what is run then: the tab key completes, the line is as if it had been typed."""
    shutil.copytree(LAB, os.path.join(shells.home, "my lab"), copy_function=shutil.copyfile, dirs_exist_ok=True)
    os.makedirs(os.path.join(shells.home, "plain"), exist_ok=True)
    write_kubeconfig(shells.home)
    press = getattr(shells, kind)
    for text, want in ((f"svcdoctor dia\t--bundle {LAB} -n sh\tca\t", ["diagnose", "--bundle", LAB, "-n", "shop", "cart"]),
                       (f"svcdoctor verify --fail-on=war\t--bundle={LAB} shop/ca\t", ["verify", "--fail-on=warning", f"--bundle={LAB}", "shop/cart"]),
                       ("svcdoctor diagnose --bundle my\\ lab --namespace=sh\t", ["diagnose", "--bundle", "my lab", "--namespace=shop"]),
                       ("svcdoctor diagnose --bundle ~/'my lab' -nsh\t", ["diagnose", "--bundle", shells.home + "/my lab", "-nshop"]),
                       ("svcdoctor diagnose --axes rules,en\t,name", ["diagnose", "--axes", "rules,endpoints,name"]),
                       ("svcdoctor verify --bundle pl\t", ["verify", "--bundle", "plain"]),
                       ("svcdoctor diagnose --kubeconfig kubeconfig --context arn:aws:e\t", ["diagnose", "--kubeconfig", "kubeconfig", "--context", PROD]),
                       ("svcdoctor diagnose --kubeconfig=kubeconfig --context=arn:\t", ["diagnose", "--kubeconfig=kubeconfig", f"--context={PROD}"]),
                       ("kubectl-svcdoctor expl\tno-ready\t", ["explain", "no-ready-endpoints"])):
        got = press(text)
        expect_equal([g.rstrip("/") for g in got if g], want, f"{kind}: {text!r}")


def zsh_installed(shells):
    expect_equal(shells.zsh_installed(f"svcdoctor dia\t--bundle {LAB} -n sh\tca\t"), ["diagnose", "--bundle", LAB, "-n", "shop", "cart"], "zsh")
    expect_equal(shells.zsh_installed("kubectl-svcdoctor expl\tno-ready\t"), ["explain", "no-ready-endpoints"], "zsh")


def fish(shells):
    os.makedirs(os.path.join(shells.home, "plain"), exist_ok=True)
    write_kubeconfig(shells.home)
    for text, want in (("svcdoctor diagnose --kubeconfig kubeconfig --context=arn:a", [f"--context={PROD}"]), ("svcdoctor dia", ["diagnose"]), ("svcdoctor verify --fail-on w", ["warning"]), ("svcdoctor verify --fail-on=w", ["--fail-on=warning"]),
                       (f"svcdoctor diagnose --bundle {LAB} -n sh", ["shop"]), (f"svcdoctor diagnose --bundle={LAB} shop/ca", ["shop/cart"]),
                       ("svcdoctor verify --bundle pl", ["plain/"]), ("svcdoctor verify --bundle=pl", ["--bundle=plain/"]),
                       ("kubectl-svcdoctor explain no-ready", ["no-ready-endpoints"]), (f"svcdoctor diagnose --bundle {LAB} -n shop ", SHOP)):
        got = shells.fish(text)
        expect_equal(sorted(got), want, f"fish: {text!r}")


# ---- kubectl ----

def plugin_program(shells):
    """As kubectl 1.26 calls it: the words behind the plugin's name, the last one at the cursor."""
    path = os.path.join(shells.folder, "kubectl_complete-svcdoctor")
    if not os.path.exists(path):
        os.symlink(PROGRAM, path)
    for args, want in ((("di",), "diagnose\tnames what is wrong with Services, and why\n:4\n"),
                       (("diagnose", "--bundle", LAB, "-n", "sh"), "shop\n:4\n"), ((), None), (("nosuch", ""), ":4\n")):
        p = subprocess.run([path, *args], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=30, check=False)
        expect_equal((p.returncode, p.stderr), (0, b""), f"{args}")
        expect(want is None or p.stdout.decode() == want, f"{args}: {p.stdout!r}")


def kubectl_version():
    try:
        p = subprocess.run(["kubectl", "version", "--client", "-o", "json"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=30, check=True)
        v = json.loads(p.stdout)["clientVersion"]
        return int(re.match(r"\d+", v["major"])[0]), int(re.match(r"\d+", v["minor"])[0])
    except (OSError, subprocess.SubprocessError, ValueError, KeyError):
        return None


def through_kubectl(shells):
    os.symlink(PROGRAM, os.path.join(shells.folder, "bin", "kubectl_complete-svcdoctor"))
    for args, want in ((("svcdoctor", "di"), ["diagnose"]), (("svcdoctor", "diagnose", "--bundle", LAB, "-n", ""), None),
                       (("svcdoctor", "diagnose", "--bundle", LAB, "-n", "shop", "c"), ["cart"]), (("svcdoctor", "diagnose", "--fail-on", "w"), ["warning"])):
        p = subprocess.run(["kubectl", "__complete", *args], env=shells.env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60,
                           check=False)
        lines = p.stdout.decode().split("\n")
        got = [line.split("\t")[0] for line in lines[:-2]]
        expect_equal(lines[-2], ":4", f"kubectl {args}: directive")
        expect(got == want if want is not None else {"default", "kube-system", "shop"} <= set(got), f"kubectl {args}: {got}")
    with ApiServer(LAB) as s:
        args = ("svcdoctor", "diagnose", "--kubeconfig", s.kubeconfig(), "-n", "shop", "ca")
        for _ in range(5):
            p = subprocess.run(["kubectl", "__complete", *args], env=shells.env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60,
                               check=False)
            if p.stdout == b"cart\n:4\n":
                return
        expect_equal(p.stdout.decode(), "cart\n:4\n", f"kubectl {args}")


def main():
    tests = Tests()
    tests.run("words", words)
    tests.run("names-of-a-bundle", names_of_bundle)
    tests.run("nothing-to-ask", nothing_to_ask)
    tests.run("hostile-names", hostile_names)
    tests.run("names-of-a-cluster", names_of_cluster)
    tests.run("names-of-a-kubeconfig", names_of_kubeconfig)
    with Shells() as shells:
        for kind in ("bash", "zsh"):
            tests.run(kind, shell, shells, kind)
        tests.run("zsh-installed", zsh_installed, shells)
        tests.run("fish", fish, shells)
        tests.run("plugin-program", plugin_program, shells)
        version = kubectl_version()
        if version and version >= (1, 26):
            tests.run("through-kubectl", through_kubectl, shells)
        else:
            tests.skip("through-kubectl", "kubectl is " + (f"{version[0]}.{version[1]}" if version else "not here") + ", and calls plugins' completion from 1.26 on")
    tests.finish()


if __name__ == "__main__":
    sys.exit(main())
