# SPDX-License-Identifier: GPL-2.0-or-later
"""diagnose --watch over bundles that change under it: what is told, what is not, and how it ends."""
import json
import os
import queue
import re
import shutil
import signal
import subprocess
import threading

from common import CORPUS, PROGRAM, Copy, Failure, Tests, expect, expect_equal, run, short

LAB = "lab-iptables-nft"
PATIENCE = 60
FAST = ("--watch", "--interval", "50ms")
TIME = r"\d\d:\d\d:\d\d"


class Watch:
    """A watch that runs, and its output line by line. At the end of the block it is interrupted."""

    def __init__(self, *args, env=None):
        self.args = args
        environment = {k: v for k, v in os.environ.items() if k not in ("SVCDOCTOR_BUNDLE", "KUBECONFIG")}
        environment.update(env or {})
        self.process = subprocess.Popen([PROGRAM, *args], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                        cwd=CORPUS, env=environment)
        self.lines, self.seen = queue.Queue(), []
        self.errors = []
        self.threads = [threading.Thread(target=self._read, args=(self.process.stdout, self.lines.put)),
                        threading.Thread(target=self._read, args=(self.process.stderr, self.errors.append))]
        for t in self.threads:
            t.start()

    @staticmethod
    def _read(stream, put):
        for line in stream:
            put(line.decode().rstrip("\n"))
        stream.close()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        for t in self.threads:
            t.join()

    def line(self):
        try:
            line = self.lines.get(timeout=PATIENCE)
        except queue.Empty:
            raise Failure(f"svcdoctor {' '.join(self.args)}: no further line; so far {short(self.seen[-20:])}") from None
        self.seen.append(line)
        return line

    def until(self, pattern):
        """Reads on to the line that matches; all that were read, this one the last."""
        lines = []
        while not lines or not re.search(pattern, lines[-1]):
            lines.append(self.line())
        return lines

    def end(self, number=signal.SIGINT):
        self.process.send_signal(number)
        self.process.wait(PATIENCE)
        for t in self.threads:
            t.join(PATIENCE)
        while not self.lines.empty():
            self.seen.append(self.lines.get())
        return self.process.returncode


def edit_json(bundle, name, change):
    """Replaces a file of the bundle at once, as a careful writer does."""
    path = bundle.file("cluster", name)
    with open(path, encoding="utf-8") as f:
        document = json.load(f)
    change(document)
    with open(path + ".new", "w", encoding="utf-8") as f:
        json.dump(document, f)
    os.rename(path + ".new", path)


def ready(service, value):
    """A change of endpointslices.json: all endpoints of the Service."""
    def change(document):
        for s in document["items"]:
            if s["metadata"].get("labels", {}).get("kubernetes.io/service-name") == service:
                for e in s["endpoints"]:
                    e["conditions"].update(ready=value, serving=value)
    return change


def pods_ready(prefix, value):
    def change(document):
        for p in document["items"]:
            if p["metadata"]["name"].startswith(prefix):
                for c in p["status"]["conditions"]:
                    if c["type"] in ("Ready", "ContainersReady"):
                        c["status"] = "True" if value else "False"
                for c in p["status"]["containerStatuses"]:
                    c["ready"] = value
    return change


def change_web(bundle, value):
    edit_json(bundle, "pods.json", pods_ready("web-", value))
    edit_json(bundle, "endpointslices.json", ready("web", value))


AXIS = ("--axes", "endpoints")


def test_text():
    """A Service breaks and is mended: each is told once, with its cause; the end is by the signal."""
    with Copy(LAB) as b, Watch("diagnose", "web", "--bundle", b.path, *FAST, *AXIS) as w:
        first = w.until("no fault found in default/web")
        expect(first[0].startswith("looked at: "), first[0])
        change_web(b, False)
        broken = w.until(rf"^{TIME} ~ default/web: .* -> broken \(0 of 3 pods are ready\)$")  # by way of degraded, if it sees the pods first
        causes = [x for x in broken if re.match(rf"{TIME} \+ ", x)]
        expect(any(re.match(rf"{TIME} \+ cause: no pod behind default/web is ready", x) for x in causes), broken)
        expect(any(x.startswith("           next     kubectl ") for x in broken), broken)
        change_web(b, True)
        mended = w.until(rf"^{TIME} ~ default/web: (.* -> no-fault-found \()?3 of 3 pods are ready\)?$")
        while not any(re.match(rf"{TIME} - gone: no pod behind default/web is ready", x) for x in mended):
            mended.append(w.line())
        expect_equal(w.end(), -signal.SIGINT, "what the watch died of")
        expect_equal(w.errors, [], "stderr")
        count = sum("+ cause: no pod behind default/web is ready" in x for x in w.seen)
        expect_equal(count, 1, "how often the cause was told")


def test_nothing_new():
    """Looks that find what was known say nothing, with causes of every kind there."""
    r = run("diagnose", "-A", "--bundle", LAB, "--watch", "--interval", "50ms", "--timeout", "1s", codes=(1,))
    expect_equal(r.out, run("diagnose", "-A", "--bundle", LAB, codes=(1,)).out, "the output of a watch where nothing changes")
    expect_equal(r.err, "", "stderr")


def test_out_of_sight():
    """Pods that cannot be read make no cause go away; a bundle that is not there ends nothing."""
    with Copy(LAB) as b, Watch("diagnose", "-A", "--bundle", b.path, *FAST) as w:
        w.until("^not checked")
        os.rename(b.file("cluster", "pods.json"), b.file("pods.away"))
        w.until(rf"^{TIME} \? pods could not be read: \d+ causes? stays? as before$")
        os.rename(b.file("pods.away"), b.file("cluster", "pods.json"))
        w.until(rf"^{TIME} = everything can be read again$")
        os.rename(b.path, b.path + ".away")
        gone = w.until(rf"^{TIME} \? .*cannot be opened: No such file or directory$")
        os.rename(b.path + ".away", b.path)
        w.until(rf"^{TIME} = can be looked at again$")
        w.end()
        expect(not any(" - gone" in x or " -> " in x or " + " in x for x in w.seen[-6:] + gone), w.seen[-6:])


def test_json():
    """Each line is a document of diagnose, with what changed."""
    with Copy(LAB) as b, Watch("diagnose", "web", "--bundle", b.path, "-o", "json", *FAST) as w:
        first = json.loads(w.line())
        expect_equal(list(first)[:8], ["schema_version", "command", "looked_at", "not_looked_at", "skipped", "errors", "at", "changes"], "keys")
        expect_equal(first["changes"], [], "changes of the first look")
        change_web(b, False)
        seen = []
        while not any(x["change"] == "status" and x["to"] == "broken" for x in seen):  # it may see the pods change before the slices
            d = json.loads(w.line())
            expect(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", d["at"]) and d["services"] and d["changes"], short(d))
            seen += d["changes"]
        status = [(x["service"], x["from"], x["to"]) for x in seen if x["change"] == "status"]
        expect(status[0][:2] == ("default/web", "no-fault-found") and status[-1][2] == "broken", status)
        new = [x["finding"]["check"] for x in seen if x["change"] == "new"]
        expect("no-ready-endpoints" in new, new)
        os.rename(b.path, b.path + ".away")
        d = json.loads(w.line())
        expect(d["services"] == [] and d["errors"] and d["healthy"] is None and d["changes"] == [], short(d))
        os.rename(b.path + ".away", b.path)
        d = json.loads(w.line())
        expect(d["services"] and d["changes"] == [] and not d["errors"], short(d))
        w.end()


def test_lines():
    with Copy(LAB) as b, Watch("diagnose", "web", "cart", "shop/cart", "--bundle", b.path, "-o", "lines", *FAST) as w:
        first = w.line().split("\t")
        expect(len(first) == 9 and first[1] == "=" and re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", first[0]), first)
        change_web(b, False)
        line = w.until("\t~\t-\t-\tstatus\t-\t-\tdefault/web\t.*-> broken")[-1].split("\t")
        expect(len(line) == 9 and line[8].endswith("-> broken (0 of 3 pods are ready)"), line)
        w.end()


def test_quiet():
    """-q: causes, and nothing of statuses."""
    with Copy(LAB) as b, Watch("diagnose", "web", "shop/cart", "--bundle", b.path, "-q", *FAST) as w:
        w.until("^cause: no pod behind shop/cart is ready")
        change_web(b, False)
        w.until(rf"^{TIME} \+ cause: no pod behind default/web is ready")
        change_web(b, True)
        w.until(rf"^{TIME} - gone: no pod behind default/web is ready")
        w.end()
        expect(not any(" ~ " in x or "next" in x for x in w.seen), w.seen)


def test_service_comes_and_goes():
    """A Service that is deleted and made again under a watch of its name."""
    with Copy(LAB) as b, Watch("diagnose", "web", "hostnames", "--bundle", b.path, *FAST) as w:
        w.until("2 Services")
        with open(b.file("cluster", "services.json"), encoding="utf-8") as f:
            kept = f.read()
        edit_json(b, "services.json", lambda d: d.update(items=[s for s in d["items"] if s["metadata"]["name"] != "hostnames"]))
        w.until(rf"^{TIME} \+ cause: there is no Service default/hostnames")
        w.until(rf"^{TIME} - default/hostnames: is no longer there")
        b.write(kept, "cluster", "services.new")
        os.rename(b.file("cluster", "services.new"), b.file("cluster", "services.json"))
        w.until(rf"^{TIME} \+ default/hostnames: is there now, ")
        w.until(rf"^{TIME} - gone: there is no Service default/hostnames")
        w.end()


def test_status_at_the_end():
    """--timeout ends the watch with the status of the last look; --output-file gets what stdout would."""
    with Copy(LAB) as b:
        out = os.path.join(b.folder.name, "out")
        r = run("diagnose", "web", "--bundle", b.path, *FAST, "--timeout", "300ms", "--output-file", out, codes=(0,))
        expect_equal(r.out, "", "stdout")
        with open(out, encoding="utf-8") as f:
            expect(f.read().startswith("looked at: "), "the file lacks the report")
        run("diagnose", "cart", "-n", "shop", "--bundle", b.path, *FAST, "--timeout", "300ms", codes=(1,))
        run("diagnose", "web", "--bundle", b.path, *FAST, "--timeout", "300ms", "--axes", "name", codes=(2,))
        with Watch("diagnose", "web", "--bundle", b.path, *FAST, "--timeout", "3s") as w:
            w.until("no fault found")
            change_web(b, False)
            w.until("-> broken")
            w.process.wait(PATIENCE)
            expect_equal(w.process.returncode, 1, "exit status after the Service broke")


def test_bad_beginnings():
    """Where the first look cannot be made there is nothing to watch."""
    run("diagnose", "-A", "--bundle", "/nonexistent/x", *FAST, codes=(2,))
    r = run("diagnose", "-A", "--bundle", "/nonexistent/x", *FAST, "-o", "json", codes=(2,))
    expect(r.out.count("\n") == 1 and r.json["errors"], r.out)
    r = run("diagnose", "-A", "--bundle", LAB, *FAST, "--node", "node9", codes=(64,))
    expect("there is no node 'node9'" in r.err, r.err)
    for args, words in ((("--watch", "-o", "junit"), "junit"), (("--interval", "5s"), "--interval is for --watch"),
                        (("--watch", "--interval", "0"), "more than 0"), (("--watch", "--interval", "soon"), "30s or 2m")):
        r = run("diagnose", "-A", "--bundle", LAB, *args, codes=(64,))
        expect(words in r.err, r.err)


def test_reader_goes():
    """Nobody reads any more: the watch ends though nothing changes, quietly."""
    p = subprocess.Popen([PROGRAM, "diagnose", "-A", "--bundle", LAB, "--watch", "--interval", "1h"], stdin=subprocess.DEVNULL,
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=CORPUS)
    p.stdout.readline()
    p.stdout.close()
    p.wait(PATIENCE)
    err = p.stderr.read()
    p.stderr.close()
    expect_equal((p.returncode, err), (1, b""), "status and stderr")


def memory(p):
    with open(f"/proc/{p.pid}/statm", encoding="ascii") as f:
        return int(f.read().split()[1])


def test_memory():
    """Many looks leave nothing behind."""
    with Copy(LAB) as b:
        shutil.rmtree(b.file("nodes"))
        with Watch("diagnose", "web", "--bundle", b.path, "--watch", "--interval", "1ms", "-o", "json") as w:
            w.line()
            sizes = []
            for _ in range(4):
                for value, status in ((False, "broken"), (True, "no-fault-found")) * 6:
                    change_web(b, value)
                    while json.loads(w.line())["services"][0]["status"] != status:
                        pass
                sizes.append(memory(w.process))
            w.end()
        expect(sizes[-1] <= sizes[1] * 1.2 + 200, f"resident pages grew: {sizes}")
        return f"{sizes[0]} pages, then {sizes[-1]}"


def main():
    t = Tests()
    for name, test in sorted(globals().items()):
        if name.startswith("test_"):
            t.run(name[5:].replace("_", "-"), test)
    t.finish()


if __name__ == "__main__":
    main()
