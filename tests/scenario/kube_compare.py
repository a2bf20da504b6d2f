# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs set-ups of kube_cases.py: each is given to svcdoctor and to `kubectl get services`, and the same must arrive from both.

What the kubectl at hand is too old for is held against the documentation alone, which the notes name; so is, on a machine that is too busy,
whatever is left after KUBECTL_SECONDS. CASES=text runs only the set-ups whose names contain the text.
"""
import concurrent.futures
import json
import os
import shutil
import subprocess
import tempfile
import time

from common import Failure, Tests, expect, expect_equal, run, short
from kube_cases import World

WORKERS = 2
SECONDS = float(os.environ.get("KUBECTL_SECONDS", "60"))
STARTED = time.monotonic()
KUBECTL = shutil.which("kubectl")
ACCOUNT = "/run/secrets/kubernetes.io/serviceaccount"
UNSET = ("KUBECONFIG", "KUBERNETES_MASTER", "KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT", "POD_NAMESPACE", "SVCDOCTOR_BUNDLE", "HTTP_PROXY",
         "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "all_proxy", "no_proxy", "KUBECACHEDIR", "SUDO_USER")


def place(case, home):
    """Puts the files of a set-up; what "@" stands for is the home folder."""
    for name, text in case.files.items():
        path = os.path.join(home, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as f:
            f.write(text.replace("@/", home + "/"))
        if text.startswith("#!"):
            os.chmod(path, 0o755)
    for name, text in (case.account or {}).items():
        os.makedirs(os.path.join(home, "account"), exist_ok=True)
        with open(os.path.join(home, "account", name), "w", encoding="utf-8") as f:
            f.write(text)


def environment(case, home):
    env = {k: v for k, v in os.environ.items() if k not in UNSET}
    env.update({k: v.replace("@/", home + "/") for k, v in case.env.items()}, HOME=home)
    return env


def in_pod(case, home):
    """A mount namespace whose /run has the account's files and nothing else."""
    if case.account is None:
        return []
    script = f'mount -t tmpfs none /run && mkdir -p {ACCOUNT} && cp "$0"/account/* {ACCOUNT}/ && exec "$@"'
    return ["unshare", "--mount", "sh", "-c", script, home]


def ask_kubectl(case, w, home):
    flags = [f.replace("@/", home + "/") for f in case.flags]
    p = subprocess.run([*in_pod(case, home), KUBECTL, "get", "services", *flags], cwd=home, env=environment(case, home), stdin=subprocess.DEVNULL,
                       stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60, check=False)
    facts = w.facts()
    expect((facts == "error") == (p.returncode != 0), lambda: f"kubectl ends with {p.returncode}, and what arrived is {facts}: {short(p.stderr.decode(), 600)}")
    return facts


def ask_svcdoctor(case, w, home):
    flags = [f.replace("@/", home + "/") for f in case.flags]
    env = {**{k: "" for k in UNSET if k in os.environ and k != "KUBECONFIG"}, **environment(case, home)}
    r = run("endpoints", "web", *flags, cwd=home, env=env, prefix=in_pod(case, home))
    facts = w.facts()
    if case.want == "error":
        expect(r.rc in ((64, 69, 77) if case.code is None else (case.code,)), lambda: f"exit status {r.rc}, not {case.code}: {short(r.err, 600)}")
        says = (case.says or "").replace("@/", home + "/")
        expect(says in r.err, lambda: f"svcdoctor does not say {says!r}: {short(r.err, 600)}")
    return facts


def told(home):
    """What the plugin was told, and nothing for the next one."""
    path = os.path.join(home, "told")
    expect(os.path.exists(path), "the plugin was not asked")
    with open(path, encoding="utf-8") as f:
        value = json.load(f)
    os.remove(path)
    return value


def one(case, w, version):
    """Runs a set-up; None, or why it is only held against the documentation."""
    with tempfile.TemporaryDirectory(prefix="svcdoctor-home-") as home:
        place(case, home)
        w.forget()
        expect_equal(ask_svcdoctor(case, w, home), case.want, "svcdoctor")
        ours = told(home) if case.told else None
        if version is None or version < case.since:
            return case.name
        if time.monotonic() - STARTED > SECONDS:
            return "late"
        w.forget()
        expect_equal(ask_kubectl(case, w, home), case.want, "kubectl")
        if case.told:
            expect_equal(ours, told(home), "what the plugin is told")
    return None


def kubectl_version():
    """The N of 1.N, or None where there is no kubectl."""
    if not KUBECTL:
        return None
    p = subprocess.run([KUBECTL, "version", "--client", "-o", "json"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60,
                       check=False)
    return int(json.loads(p.stdout)["clientVersion"]["gitVersion"].split(".")[1])


def share(group, number, version):
    """Every WORKERS-th set-up of a group, with servers of its own; [(name, failure or None, only documented)]."""
    w, results = World(), []
    try:
        cases = [c for c in group(w) if os.environ.get("CASES", "") in c.name]
        for case in cases[number::WORKERS]:
            try:
                results.append((case.name, None, one(case, w, version)))
            except (Failure, OSError, subprocess.TimeoutExpired) as e:
                results.append((case.name, str(e), None))
    finally:
        w.close()
    return results


def test_group(group, pool, version):
    results = [r for part in pool.map(lambda n: share(group, n, version), range(WORKERS)) for r in part]
    failures = [f"{name}: {why}" for name, why, _ in results if why]
    if failures:
        raise Failure(f"{len(failures)} of {len(results)} set-ups\n" + "\n".join(failures))
    late, documented = sum(d == "late" for _, _, d in results), sorted(d for _, _, d in results if d and d != "late")
    note = f"{len(results)} set-ups"
    if version is None:
        return note
    note += f", {len(results) - late - len(documented)} of them compared with kubectl 1.{version}"
    if documented:
        note += "; held against the documentation: " + ", ".join(documented)
    if late:
        note += f"; {late} not compared for lack of time (KUBECTL_SECONDS={SECONDS:g})"
    return note


def main(*groups):
    tests, version = Tests(), kubectl_version()
    World().close()  # makes the certificates
    with concurrent.futures.ThreadPoolExecutor(WORKERS) as pool:
        for group in groups:
            tests.run(group.__name__, test_group, group, pool, version)
    if version is None:
        tests.skip("kubectl", "there is no kubectl on the PATH: everything was held against the documentation alone")
    tests.finish()

