#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""svcdoctor collect: a bundle as the API gives it, whole or not at all, from which the diagnosis is the live one."""
import copy
import json
import os
import pty
import re
import shutil
import signal
import stat
import subprocess
import sys
import tarfile
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from common import CORPUS, PROGRAM, Tests, expect, expect_equal, run, short  # noqa: E402
from api_server import ApiServer, Rule, all_but  # noqa: E402

LAB = os.path.join(CORPUS, "lab-iptables-nft")
NEEDED = ("services", "endpointslices", "pods")


class Place:
    """A folder to collect into; nothing else may ever be in it."""

    def __enter__(self):
        self.folder = tempfile.mkdtemp(prefix="svcdoctor-collect-")
        return self

    def __exit__(self, *exc):
        shutil.rmtree(self.folder, ignore_errors=True)

    def path(self, *parts):
        return os.path.join(self.folder, *parts)

    def holds(self, *names):
        expect_equal(sorted(os.listdir(self.folder)), sorted(names), "what is left in the folder")


def load(*parts):
    with open(os.path.join(*parts), encoding="utf-8") as f:
        return json.load(f)


def items(document):
    return {(o["metadata"].get("namespace"), o["metadata"]["name"]): o for o in document["items"]}


def collect(server, target, *args, codes=(0,), user="admin"):
    return run("collect", "-w", target, "--kubeconfig", server.kubeconfig(user=user), *args, codes=codes)


def harmless(server):
    expect_equal(server.crimes, [], "what should never be asked")
    for q in server.requests:
        expect(q.method == "GET" and "secrets" not in q.path, f"asked: {q}")
        expect("/configmaps" not in q.path or re.search("/namespaces/kube-system/configmaps/[a-z-]+$", q.path), f"asked: {q}")


def as_given():
    with Place() as p, ApiServer(LAB, logs="bundle") as s:
        r = collect(s, p.path("lab"))
        harmless(s)
        p.holds("lab")
        expect("99 objects of Kubernetes v1.36.2" in r.err and "next: svcdoctor diagnose -A --bundle" in r.err, r.err)
        for name in os.listdir(os.path.join(LAB, "cluster")):
            if not name.endswith(".json") or name in ("version.json", "configmaps.json"):
                continue
            got, want = load(p.path("lab"), "cluster", name), load(LAB, "cluster", name)
            expect_equal((got["kind"], got["apiVersion"]), (want["kind"], want["apiVersion"]), name)
            expect(items(got) == items(want), f"{name} has other items than the server")
        expect_equal(load(p.path("lab"), "cluster", "version.json")["gitVersion"], "v1.36.2", "version")
        expect_equal([o["metadata"]["name"] for o in load(p.path("lab"), "cluster", "configmaps.json")["items"]], ["coredns"], "ConfigMaps")
        about = load(p.path("lab"), "bundle.json")
        expect_equal((about["schema"], about["origin"]["version"], about["origin"]["missing"], about["extents"]), ("svcdoctor.bundle/1", "v1.36.2", [], {}),
                     "bundle.json")
        for folder, folders, files in os.walk(p.path("lab")):
            for n in folders + files:
                mode = stat.S_IMODE(os.lstat(os.path.join(folder, n)).st_mode)
                expect_equal(mode, 0o700 if n in folders else 0o600, f"the mode of {n}")


FLAGS = re.compile(r" --(kubeconfig|bundle) \S+")


def told(document):
    """A diagnosis without what names its source."""
    d = json.loads(FLAGS.sub("", json.dumps(document)))
    return {k: d[k] for k in ("services", "cluster")}


def same_diagnosis():
    with Place() as p, ApiServer(LAB) as s:
        collect(s, p.path("lab.tar.gz"))
        live = run("diagnose", "-A", "-o", "json", "--axes", "endpoints", "--kubeconfig", s.kubeconfig())
        packed = run("diagnose", "-A", "-o", "json", "--axes", "endpoints", "--bundle", p.path("lab.tar.gz"))
        expect_equal(packed.rc, live.rc, "the exit status")
        expect_equal(told(packed.json), told(live.json), "the diagnosis")


def many(count):
    """A bundle with so many Services that their list has several pages."""
    base = load(LAB, "cluster", "services.json")
    one = next(o for o in base["items"] if o["metadata"]["name"] == "web")
    for i in range(count):
        new = copy.deepcopy(one)
        new["metadata"]["name"] = f"copy-{i}"
        base["items"].append(new)
    return base


def large_lab(folder, count):
    shutil.copytree(LAB, folder)
    with open(os.path.join(folder, "cluster", "services.json"), "w", encoding="utf-8") as f:
        json.dump(many(count), f)
    return folder


def pages():
    with Place() as p, tempfile.TemporaryDirectory() as t:
        lab = large_lab(os.path.join(t, "lab"), 1200)
        want = items(load(lab, "cluster", "services.json"))
        for fault in (None, ("410", "/services.*continue=", 2)):
            with ApiServer(lab) as s:
                if fault:
                    s.fault(fault[0], fault[1], nth=fault[2])
                collect(s, p.path("lab"), "--force")
                asked = sum(1 for q in s.requests if q.path.endswith("/services"))
                expect(asked >= 3, f"{asked} pages")
                got = load(p.path("lab"), "cluster", "services.json")
                expect_equal(len(got["items"]), len(want), f"Services after {fault}")
                expect(items(got) == want, f"other Services after {fault}")


def refused():
    """What is refused is named once; only what everything rests on makes the bundle incomplete."""
    with Place() as p:
        with ApiServer(LAB, rules={"bob": all_but("nodes", "nodes/proxy", "pods/proxy", "pods/log")}) as s:
            r = collect(s, p.path("lab"), user="bob")
            expect_equal(r.err.count("cannot list nodes"), 1, f"how often nodes are named in {r.err}")
            missing = load(p.path("lab"), "bundle.json")["origin"]["missing"]
            expect({m["what"] for m in missing} >= {"nodes", "pods/log"} and all(m["code"] == "forbidden" and m["text"] for m in missing), short(missing))
            run("diagnose", "-A", "--bundle", p.path("lab"), codes=(1,))
        with ApiServer(LAB, rules={"bob": all_but("endpointslices")}) as s:
            r = collect(s, p.path("other"), codes=(2,), user="bob")
            expect("endpointslices" in r.err, r.err)
        p.holds("lab", "other")


def nothing_to_write():
    with Place() as p:
        with ApiServer(LAB, rules={"bob": []}) as s:
            r = collect(s, p.path("lab"), codes=(77,), user="bob")
            expect("cannot list services" in r.err and "next:" not in r.err, r.err)
        with ApiServer(LAB) as s:
            with open(s.kubeconfig(), encoding="utf-8") as f:
                text = f.read()
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as f:
            f.write(text)
            f.flush()
            r = run("collect", "-w", p.path("lab.tgz"), "--kubeconfig", f.name, codes=(69,))
        expect_equal(len([x for x in r.err.splitlines() if x.startswith("svcdoctor: ")]), 1, f"lines about an unreachable server: {r.err}")
        p.holds()


def own_rights():
    """The rights that `rbac` prints are enough, and their lack is not noticed."""
    def rules(*args):
        roles = run("rbac", *args, "-o", "json", codes=(0,)).json["items"]
        return [rule for role in roles for rule in Rule.of_role(role)]
    with Place() as p, ApiServer(LAB, rules={"bob": rules("--proxy"), "eve": rules("-n", "shop", "--proxy")}) as s:
        for user, args in (("bob", ()), ("eve", ("-n", "shop"))):
            r = collect(s, p.path(user), *args, user=user)
            expect_equal(load(p.path(user), "bundle.json")["origin"]["missing"], [], f"what {user} may not: {r.err}")


def of_a_namespace():
    with Place() as p, ApiServer(LAB) as s:
        r = collect(s, p.path("lab.tar"), "-n", "shop")
        expect("namespace shop" in r.err and "diagnose -n shop --bundle" in r.err, r.err)
        asked = [q.path for q in s.requests if "/namespaces/" in q.path]
        expect(all("/namespaces/shop/" in a or "/namespaces/kube-system/" in a for a in asked), short(asked))
        run("diagnose", "cart", "-n", "shop", "--bundle", p.path("lab.tar"), codes=(1,))
        r = run("diagnose", "default/web", "--bundle", p.path("lab.tar"), codes=(2,))
        expect("there is no Service" not in r.out + r.err, f"absence is claimed: {r.out}{r.err}")


def what_is_there():
    with Place() as p, ApiServer(LAB) as s:
        config = s.kubeconfig()

        def to(name, *args, code=0):
            return run("collect", "-w", p.path(name), "--kubeconfig", config, *args, codes=(code,))
        for name in ("lab", "lab.tgz"):
            to(name)
            before = os.stat(p.path(name)).st_ino
            expect("is there already" in to(name, code=64).err, "it does not say why")
            expect_equal(os.stat(p.path(name)).st_ino, before, f"{name} is another one")
            to(name, "--force")
            expect(os.stat(p.path(name)).st_ino != before, f"{name} is the old one")
        os.mkdir(p.path("mine"))
        with open(p.path("mine", "letter"), "w", encoding="utf-8") as f:
            f.write("dear\n")
        to("mine", "--force", code=64)
        os.symlink(p.path("lab"), p.path("link"))
        to("link", "--force", code=64)
        expect_equal(os.listdir(p.path("mine")), ["letter"], "somebody's own folder")
        p.holds("lab", "lab.tgz", "mine", "link")
        to("nowhere/lab", code=70)


def to_stdout():
    with Place() as p, ApiServer(LAB) as s:
        with open(p.path("out.tgz"), "wb") as f:
            run("collect", "-w", "-", "--kubeconfig", s.kubeconfig(), codes=(0,), stdout=f)
        with tarfile.open(p.path("out.tgz")) as t:
            names = t.getnames()
        expect("cluster/services.json" in names and names[-1] == "bundle.json", short(names))
        p.holds("out.tgz")
        master, slave = pty.openpty()
        try:
            r = run("collect", "-w", "-", "--kubeconfig", s.kubeconfig(), codes=(64,), stdout=slave)
            expect("terminal" in r.err, r.err)
        finally:
            os.close(master)
            os.close(slave)


def full_disk():
    limit = ("sh", "-c", "trap '' XFSZ; ulimit -f 8; exec \"$@\"", "sh")
    with Place() as p, ApiServer(LAB) as s:
        for name in ("lab", "lab.tar"):
            r = run("collect", "-w", p.path(name), "--kubeconfig", s.kubeconfig(), codes=(70,), prefix=limit)
            expect(f"cannot write to '{p.path(name)}'" in r.err, r.err)
            p.holds()


def interrupted():
    with Place() as p, ApiServer(LAB) as s:
        s.fault("stall", "/api/v1/pods")
        for name in ("lab", "lab.tgz"):
            seen = len(s.requests)
            with subprocess.Popen([PROGRAM, "collect", "-w", p.path(name), "--kubeconfig", s.kubeconfig()], stdin=subprocess.DEVNULL,
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
                for _ in range(500):
                    if any(q.path == "/api/v1/pods" for q in s.requests[seen:]):
                        break
                    time.sleep(0.01)
                child.send_signal(signal.SIGINT)
                child.communicate(timeout=30)
                expect_equal(child.returncode, -signal.SIGINT, "how it ended")
            p.holds()


def packed_anew():
    with Place() as p:
        for lab in ("lab-iptables-nft", "lab-ipvs"):
            for name in ("copy", "copy.tar.gz"):
                run("collect", "--bundle", os.path.join(CORPUS, lab), "-w", p.path(name), "--force", codes=(0,))
            with tarfile.open(p.path("copy.tar.gz")) as t:
                packed = {m.name: t.extractfile(m).read() for m in t.getmembers()}
            for folder, _, files in os.walk(os.path.join(CORPUS, lab)):
                for n in files:
                    path = os.path.relpath(os.path.join(folder, n), os.path.join(CORPUS, lab))
                    with open(os.path.join(folder, n), "rb") as f:
                        want = f.read()
                    with open(p.path("copy", path), "rb") as f:
                        expect(f.read() == want == packed[path], f"{path} differs")
        p.holds("copy", "copy.tar.gz")
        run("collect", "--bundle", "/nonexistent/x", "-w", p.path("no"), codes=(2,))
        run("collect", "--bundle", p.path("copy", "bundle.json"), "-w", p.path("no"), codes=(2,))
        p.holds("copy", "copy.tar.gz")


def wrong():
    for args, said in (((), "wants -w"), (("-w", "x", "-n", "a/b"), "no name of a namespace"), (("-w", "x", "--bundle", "a", "--bundle", "b"), "once"),
                       (("-w", "x", "--bundle", "a", "-n", "b"), "exclude each other"), (("-w", "x", "--bundle", "a", "--context", "b"), "exclude each other")):
        r = run("collect", *args, codes=(64,))
        expect(said in r.err and not r.out, f"{r}: {r.err}")


if __name__ == "__main__":
    t_ = Tests()
    for test in (as_given, same_diagnosis, pages, refused, nothing_to_write, own_rights, of_a_namespace, what_is_there, to_stdout, full_disk, interrupted,
                 packed_anew, wrong):
        t_.run(test.__name__.replace("_", "-"), test)
    t_.finish()
