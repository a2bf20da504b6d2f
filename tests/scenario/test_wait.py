# SPDX-License-Identifier: GPL-2.0-or-later
"""wait: a Service that becomes sound, or does not; roll-outs; an API server that goes away meanwhile. And the watch of a live cluster."""
import copy
import json
import os
import re
import signal
import threading

from api_server import ApiServer, Rule, all_but
from common import CORPUS, Copy, Tests, expect, expect_equal, run, short
from test_watch import PATIENCE, Watch

LAB = os.path.join(CORPUS, "lab-iptables-nft")
FAST = ("--interval", "50ms")
SAID = r"\d\d:\d\d:\d\d "


def load(name):
    with open(os.path.join(LAB, "cluster", name + ".json"), encoding="utf-8") as f:
        return json.load(f)["items"]


def web_objects():
    """The Service web of the lab with a Deployment as a controller leaves it."""
    objects = {"services": [s for s in load("services") if s["metadata"]["name"] == "web"],
               "endpointslices": [s for s in load("endpointslices") if s["metadata"]["labels"].get("kubernetes.io/service-name") == "web"],
               "pods": [p for p in load("pods") if p["metadata"]["name"].startswith("web-")],
               "replicasets": [r for r in load("replicasets") if r["metadata"]["name"].startswith("web-")],
               "deployments": [d for d in load("deployments") if d["metadata"]["name"] == "web" and d["metadata"]["namespace"] == "default"],
               "nodes": load("nodes"), "namespaces": load("namespaces")}
    for pod in objects["pods"]:
        pod["metadata"].setdefault("ownerReferences", [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": pod["metadata"]["name"][:-2], "uid": "1", "controller": True}])
    deployment = objects["deployments"][0]
    deployment["spec"]["replicas"] = 3
    roll_out(deployment, updated=3)
    return objects


def roll_out(deployment, updated, replicas=3, seen=True):
    generation = deployment["metadata"].setdefault("generation", 1)
    deployment["status"] = {"observedGeneration": generation if seen else generation - 1, "replicas": replicas, "readyReplicas": 3, "availableReplicas": 3,
                            "updatedReplicas": updated}


def pods_ready(server, ready):
    """That many of the three pods are ready, in the pods and in the slices."""
    pods = copy.deepcopy(server.cluster.objects("pods"))
    for i, pod in enumerate(pods):
        for c in pod["status"]["conditions"]:
            if c["type"] in ("Ready", "ContainersReady"):
                c["status"] = "True" if i < ready else "False"
        for c in pod["status"]["containerStatuses"]:
            c["ready"] = i < ready
    slices = copy.deepcopy(server.cluster.objects("endpointslices"))
    names = {p["metadata"]["name"]: i for i, p in enumerate(pods)}
    for s in slices:
        for e in s["endpoints"]:
            e["conditions"].update(ready=names[e["targetRef"]["name"]] < ready, serving=names[e["targetRef"]["name"]] < ready)
    server.cluster.replace("pods", pods)
    server.cluster.replace("endpointslices", slices)


def after(server, looks, change):
    """Calls change() before the Service is looked at the @looks-th time from now on, and then never again."""
    state = {"left": looks, "lock": threading.Lock()}

    def hook(request):
        if request.path.endswith("/services/web"):
            with state["lock"]:
                state["left"] -= 1
                if state["left"] == 0:
                    change()
        return None
    server.hook = hook


def wait(server, *args, codes, user="admin", **more):
    return run("wait", *(args or ("web",)), *FAST, "--kubeconfig", server.kubeconfig(user=user), codes=codes, **more)


def lines(r):
    return [re.sub(f"^{SAID}", "", x) for x in r.err.splitlines()]


def deployment_of(server):
    return copy.deepcopy(server.cluster.objects("deployments")[0])


# ---- waiting ----

def test_sound_at_once():
    with ApiServer(web_objects()) as s:
        r = wait(s, codes=(0,))
        expect_equal(r.out, "sound: default/web: 3 of 3 pods are ready\n", "stdout")
        expect_equal(lines(r), ["default/web: 3 of 3 pods are ready"], "stderr")
        expect_equal(s.crimes, [], "what must not be asked")
        r = wait(s, "web", "-q", codes=(0,))
        expect_equal((r.out, r.err), ("", ""), "what -q says")


def test_becomes_sound():
    """Each change of state is said once, with the time."""
    with ApiServer(web_objects()) as s:
        pods_ready(s, 0)
        after(s, 4, lambda: pods_ready(s, 3))
        r = wait(s, codes=(0,))
        expect_equal(lines(r), ["default/web: 0 of 3 pods are ready", "default/web: 3 of 3 pods are ready"], "stderr")
        expect(all(re.match(SAID, x) for x in r.err.splitlines()), r.err)
        expect_equal(r.out, "sound: default/web: 3 of 3 pods are ready\n", "stdout")


def test_never_sound():
    """At the limit: the report of the last look, what is lacking, and 1."""
    with ApiServer(web_objects()) as s:
        pods_ready(s, 0)
        r = wait(s, "web", "--timeout", "1s", codes=(1,))
        expect("cause: no pod behind default/web is ready" in r.out and r.out.endswith("\nnot sound: default/web: 0 of 3 pods are ready\n"), r.out)
        expect(" --kubeconfig " in r.out, "commands of the report lack the flags")
        r = wait(s, "web", "--timeout", "1s", "-o", "json", codes=(1,))
        d = r.json
        expect_equal([d["command"], d["sound"], d["waiting_for"]], ["wait", False, [{"service": "default/web", "text": "0 of 3 pods are ready"}]], "document")
        expect(d["since"] <= d["at"] and d["services"][0]["status"] == "broken", short(d))
        expect_equal([x["done"] for x in d["rollouts"]], [True], "roll-outs")


def test_rollout():
    """Old pods are ready and the Service is sound, and yet it is not done; --for sound takes it."""
    with ApiServer(web_objects()) as s:
        deployment = deployment_of(s)
        roll_out(deployment, updated=3, seen=False)
        s.cluster.put("deployments", deployment)
        expect_equal(wait(s, "web", "--for", "sound", codes=(0,)).out, "sound: default/web: 3 of 3 pods are ready\n", "stdout of --for sound")

        def next_step(*states):
            def change():
                d = deployment_of(s)
                roll_out(d, **states[0])
                s.cluster.put("deployments", d)
                if states[1:]:
                    after(s, 2, next_step(*states[1:]))
            return change
        after(s, 2, next_step({"updated": 1, "replicas": 4}, {"updated": 3, "replicas": 4}, {"updated": 3}))
        r = wait(s, codes=(0,))
        expect_equal(lines(r), ["default/web: no controller has seen the last change of Deployment default/web yet",
                                "default/web: 1 of 3 pods of Deployment default/web have the new template",
                                "default/web: 1 of 4 pods of Deployment default/web still have the template before",
                                "default/web: 3 of 3 pods are ready"], "stderr")


def test_rollout_in_a_large_cluster():
    """There the workload is read by its name, which the pods tell, and nothing is read as a whole."""
    objects = web_objects()
    for i in range(300):
        pod = copy.deepcopy(objects["pods"][0])
        pod["metadata"].update(name=f"other-{i}", namespace=f"ns-{i % 7}")
        objects["pods"].append(pod)
    for pod in objects["pods"][:3]:
        pod["metadata"]["labels"]["pod-template-hash"] = pod["metadata"]["ownerReferences"][0]["name"].rpartition("-")[2]
    roll_out(objects["deployments"][0], updated=1)
    with ApiServer(objects) as s:
        after(s, 3, lambda: s.cluster.put("deployments", finished))
        finished = deployment_of(s)
        roll_out(finished, updated=3)
        r = wait(s, codes=(0,))
        expect_equal(lines(r), ["default/web: 1 of 3 pods of Deployment default/web have the new template", "default/web: 3 of 3 pods are ready"], "stderr")
        expect(s.matching("/deployments/web$") and not s.matching("/deployments$"), [str(x) for x in s.matching("deployments")])


def test_deployments_forbidden():
    """Said once, and what can be judged decides."""
    with ApiServer(web_objects(), rules={"eve": all_but("deployments")}) as s:
        pods_ready(s, 0)
        after(s, 3, lambda: pods_ready(s, 3))
        r = wait(s, codes=(0,), user="eve")
        expect_equal(sum("deployments are not known, so a roll-out of theirs is not waited for" in x for x in lines(r)), 1, f"in {r.err}")


def test_not_there_yet():
    """A Service that is made while it is waited for, and one that never is."""
    with ApiServer(web_objects()) as s:
        service = s.cluster.objects("services")[0]
        s.cluster.delete("services", "default", "web")
        after(s, 3, lambda: s.cluster.put("services", service))
        r = wait(s, codes=(0,))
        expect_equal(lines(r), ["default/web: there is no such Service", "default/web: 3 of 3 pods are ready"], "stderr")
        s.cluster.delete("services", "default", "web")
        s.hook = None
        r = wait(s, "web", "--timeout", "500ms", codes=(1,))
        expect("there is no Service default/web" in r.out, r.out)


def test_deleted_meanwhile():
    with ApiServer(web_objects()) as s:
        pods_ready(s, 1)
        deployment = deployment_of(s)
        deployment["status"]["availableReplicas"] = 1
        s.cluster.put("deployments", deployment)
        after(s, 3, lambda: s.cluster.delete("services", "default", "web"))
        r = wait(s, "web", "--timeout", "3s", codes=(1,))
        expect_equal(lines(r)[-1], "default/web: there is no such Service", "the last state")


def test_outage():
    """An API server that fails for a while is waited out, and said once."""
    with ApiServer(web_objects()) as s:
        pods_ready(s, 0)
        state = {"looks": 0}

        def hook(request):
            if request.path.endswith("/services/web"):
                state["looks"] += 1
                if state["looks"] == 2:
                    s.fault("status", "", code=503)
                elif state["looks"] > 6:
                    s.faults.clear()
                    pods_ready(s, 3)
            return None
        s.hook = hook
        r = wait(s, codes=(0,))
        said = lines(r)
        expect_equal(said[0], "default/web: 0 of 3 pods are ready", "stderr")
        expect(said[1].startswith("cannot look, and waits: ") and "503" in said[1], said)
        expect_equal([x for x in said[2:] if x.startswith("can")], ["can be looked at again"], "how often the end of the outage was said")
        expect_equal(said[-1], "default/web: 3 of 3 pods are ready", "the last state")


def test_what_does_not_pass():
    """No rights, nobody known, a wrong context, a wrong certificate: at once, with their status and words."""
    with ApiServer(web_objects(), rules={"eve": [], "bob": [Rule("get,list", "services,pods,nodes")]}) as s:
        r = wait(s, codes=(77,), user="eve")
        expect("403" in r.err or "forbidden" in r.err, r.err)
        r = wait(s, codes=(2,), user="bob")
        expect("endpointslices" in r.out, r.out)
        r = run("wait", "web", *FAST, "--server", s.url, "--insecure-skip-tls-verify", "--token", "unknown", codes=(77,), env={"HOME": "/nonexistent"})
        expect("401" in r.err, r.err)
        run("wait", "web", *FAST, "--server", s.url, "--token", "unknown", codes=(69,), env={"HOME": "/nonexistent"})
        run("wait", "web", *FAST, "--kubeconfig", s.kubeconfig(), "--context", "nope", codes=(64,))


def test_unreachable():
    r = run("wait", "web", *FAST, "--timeout", "300ms", "--server", "https://127.0.0.1:1", "--insecure-skip-tls-verify", "--token", "x",
            codes=(69,), env={"HOME": "/nonexistent"}, timeout=PATIENCE)
    expect_equal(sum("cannot look, and waits" in x for x in lines(r)), 1, f"in {r.err}")


def test_bundle():
    """Judged once."""
    r = run("wait", "web", "--bundle", LAB, "--for", "sound", codes=(0,))
    expect_equal(r.out, "sound: default/web: 3 of 3 pods are ready\n", "stdout")
    r = run("wait", "web", "shop/cart", "--bundle", LAB, "--for", "sound", codes=(1,))
    expect(r.out.endswith("\nnot sound: shop/cart: 0 of 2 pods are ready\n"), r.out)
    r = run("wait", "shop/cart", "--bundle", LAB, "-q", codes=(1,))
    expect_equal((r.out, r.err), ("not sound: shop/cart: 0 of 2 pods are ready\n", ""), "what -q says")
    run("wait", "api", "-n", "shop", "--bundle", LAB, "--for", "sound", codes=(0,))
    r = run("wait", "api", "-n", "shop", "--bundle", LAB, "--for", "sound", "--fail-on", "warning", codes=(1,))
    expect("not sound: shop/api: shop/api sends to port 80" in r.out, r.out)
    run("wait", "web", "--bundle", "/nonexistent/x", codes=(2,))
    d = run("wait", "web", "--bundle", "/nonexistent/x", "-o", "json", codes=(2,)).json
    expect(d["command"] == "wait" and d["sound"] is None and d["errors"], short(d))
    with Copy("lab-iptables-nft") as b:
        os.unlink(b.file("cluster", "endpointslices.json"))
        run("wait", "web", "--bundle", b.path, "--for", "sound", codes=(2,))


def test_command_line():
    r = run("wait", codes=(64,))
    expect("'wait' wants SERVICE..." in r.err, r.err)
    for args, words in ((("web", "--for", "ready"), "rollout, sound"), (("web", "--interval", "0"), "more than 0"), (("web", "-A"), "unknown option '-A'"),
                        (("web", "--timeout", "-1s"), "30s or 2m"), (("web", "-o", "junit"), "text, json")):
        r = run("wait", *args, "--bundle", LAB, codes=(64,))
        expect(words in r.err, r.err)


# ---- watching ----

def test_watch_live():
    """A Service of a live cluster under a watch: it breaks, the server goes away and comes back, the pods may not be read any more."""
    refused = set()
    with ApiServer(web_objects(), rules={"eve": lambda a: a.resource not in refused}) as s, \
            Watch("diagnose", "web", "--watch", *FAST, "--kubeconfig", s.kubeconfig(user="eve")) as w:
        w.until("no fault found in default/web")
        pods_ready(s, 0)
        w.until(rf"^{SAID}~ default/web: .* -> broken \(0 of 3 pods are ready\)$")
        s.fault("status", "", code=503)
        w.until(rf"^{SAID}\? .*503")
        s.faults.clear()
        w.until(rf"^{SAID}= can be looked at again$")
        refused.update(("endpointslices", "pods"))
        quiet = w.until(rf"^{SAID}\? (.*endpointslices.* could not be read: \d+ causes? stays? as before)$")
        pods_ready(s, 3)
        refused.clear()
        back = w.until(rf"^{SAID}- gone: no pod behind default/web is ready")
        expect(not any("gone: no pod behind" in x for x in quiet), quiet)
        expect_equal(w.end(), -signal.SIGINT, "what the watch died of")
        expect(s.connections <= 12, f"{s.connections} connections")
        expect_equal(s.crimes, [], "what must not be asked")
        return f"{len(s.requests)} requests on {s.connections} connections, {len(back)} lines"


def main():
    t = Tests()
    for name, test in sorted(globals().items()):
        if name.startswith("test_"):
            t.run(name[5:].replace("_", "-"), test)
    t.finish()


if __name__ == "__main__":
    main()
