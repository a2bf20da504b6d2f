#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Damaged, hostile and incomplete input: never a crash, a message with the place, everything readable still used, exit status 2 where the
answer depends on what is not there, and no difference that nobody can know."""
import functools
import io
import os
import shutil
import subprocess
import tarfile
import tempfile

from common import CORPUS, Copy, Dump, LABS, PROGRAM, Tests, expect, expect_equal, read, run, short, write

LAB = LABS["nft"]
DUMP = ("nodes", "node1", "iptables-nft-save.txt")
IP_ADDR = os.path.join(CORPUS, "flows-iptables", "003", "ip-addr.json")
COMMANDS = (("verify", "-A"), ("diagnose", "-A"), ("rules", "-A"), ("endpoints", "-A"))


def errors_about(doc, name):
    return [e for e in doc["errors"] if e.get("file") and e["file"].endswith(name)]


def one_node(where, rules, addresses=True):
    """A bundle of one node from rules alone."""
    bundle = os.path.join(where, "bundle")
    write(rules, os.path.join(bundle, "nodes", "n1", "iptables-nft-save.txt"))
    if addresses:
        shutil.copyfile(IP_ADDR, os.path.join(bundle, "nodes", "n1", "ip-addr.json"))
    return bundle


def trace(bundle, *more):
    return run("trace", "10.244.1.5", "10.96.0.99:80/TCP", "--bundle", bundle, "-o", "json", *more)


def in_folder(test):
    @functools.wraps(test)
    def wrapped():
        with tempfile.TemporaryDirectory(prefix="svcdoctor-test-") as where:
            os.chmod(where, 0o755)
            return test(where)
    return wrapped


# ---- dumps ----

def truncated_dumps():
    with Copy(LAB) as lab:
        whole = lab.read(*DUMP)
        for i in range(1, 51):
            text = whole[:i * len(whole) // 51]
            lab.write(text, *DUMP)
            v = run("verify", "-A", "--bundle", lab.path, "-o", "json", codes=[1, 2])
            doc = v.json
            about = errors_about(doc, DUMP[-1])
            if not text.rsplit("\n", 2)[-2].startswith(("COMMIT", "#")):
                expect(about, f"cut at {len(text)}: no error names the dump: {short(doc['errors'])}")
                expect(all(e["line"] > 0 for e in about), f"cut at {len(text)}: no line in {about}")
            if about:
                expect(v.rc == 2 and not doc["differences"], f"cut at {len(text)}: exit {v.rc}, {short(doc['differences'], 400)}")
                expect(any(n["node"] == "node1" for n in doc["skipped"] + doc["undecided"]), f"cut at {len(text)}: nothing of node1 is open")
                expect(all(n["node"] == "node1" for n in doc["undecided"]), f"cut at {len(text)}: something of node2 is open")
            for command in COMMANDS[1:]:
                run(*command, "--bundle", lab.path, "-o", "json", codes=[0, 1, 2]).json  # pylint: disable=expression-not-assigned
    return "50 offsets"


def garbage_lines():
    """A line that is no rule: named with its place; the other rules are used."""
    with Copy(LAB) as lab:
        d = Dump(lab.read(*DUMP))
        at, _, _ = d.find("nat", "KUBE-SERVICES", "default/web cluster IP")
        d.lines.insert(at, "\x00\x01 this is no rule \xff")
        lab.write(str(d), *DUMP)
        about = errors_about(run("verify", "-A", "--bundle", lab.path, "-o", "json", codes=[2]).json, DUMP[-1])
        expect_equal([e["line"] for e in about], [at + 1], "lines")


CHAIN = "*nat\n:PREROUTING ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n{chains}{rules}COMMIT\n"


@in_folder
def nested_jumps(where):
    n = 1000
    chains = "".join(f":C{i} - [0:0]\n" for i in range(n))
    rules = "-A PREROUTING -j C0\n" + "".join(f"-A C{i} -j C{i + 1}\n" for i in range(n - 1))
    rules += f"-A C{n - 1} -p tcp -j DNAT --to-destination 10.244.1.6:80\n"
    r = trace(one_node(where, CHAIN.format(chains=chains, rules=rules)))
    endings = r.json["endings"]
    expect(endings and all(e["verdict"] in ("accept", "undecided") for e in endings), f"endings {short(endings)}")
    for e in endings:
        expect(e["verdict"] == "undecided" or (e["address"], e["port"]) == ("10.244.1.6", 80), f"ending {short(e)}")
    if endings[0]["verdict"] == "undecided":
        expect_equal(r.rc, 2, "exit status")


@in_folder
def loop_of_chains(where):
    bundle = one_node(where, CHAIN.format(chains=":A - [0:0]\n:B - [0:0]\n", rules="-A PREROUTING -j A\n-A A -j B\n-A B -j A\n"))
    r = trace(bundle)
    expect_equal({e["verdict"] for e in r.json["endings"]}, {"undecided"}, "verdicts")
    expect_equal(r.rc, 2, "exit status")
    for command in COMMANDS:
        run(*command, "--bundle", bundle, "-o", "json")


@in_folder
def wide_and_deep(where):
    """Every chain jumps twice to the next: 2^200 paths of no interest must not be walked one by one."""
    n = 200
    chains = "".join(f":C{i} - [0:0]\n" for i in range(n + 1))
    rules = "-A PREROUTING -j C0\n" + "".join(f"-A C{i} -j C{i + 1}\n" * 2 for i in range(n))
    r = run("trace", "10.244.1.5", "10.96.0.99:80/TCP", "--bundle", one_node(where, CHAIN.format(chains=chains, rules=rules)), "-o", "json",
            timeout=20)
    expect(r.json["endings"], "no ending")


@in_folder
def many_unknowns(where):
    """An unknown match in each of 40 rules: bounded, and undecided."""
    rules = "".join(f"-A PREROUTING -m nosuchmatch --n {i} -j DNAT --to-destination 10.244.1.{i + 1}:80\n" for i in range(40))
    r = trace(one_node(where, CHAIN.format(chains="", rules=rules)))
    expect(r.json["endings"], "no ending")


def unsupported_revision():
    with Copy(LAB) as lab:
        d = Dump(lab.read(*DUMP))
        rule, index = d.insert("filter", "-A FORWARD -d 10.244.1.135/32 -m set [unsupported revision] -j DROP", 1)
        lab.write(str(d), *DUMP)
        doc = run("verify", "-A", "--bundle", lab.path, "-o", "json", codes=[2]).json
        expect_equal(doc["differences"], [], "differences")
        expect(doc["undecided"], "nothing is undecided")
        # Requests that lead to that pod, and replies to that pod as a client of any Service.
        asked = {u["service"] for u in doc["undecided"] if u["example"] != "10.244.1.135"}
        expect_equal(asked, {"default/web", "default/sticky"}, "undecided Services")
        expect("kube-system/kube-dns" in {u["service"] for u in doc["undecided"]}, "replies to the pod are taken as decided")
        for u in doc["undecided"]:
            by = u["by"]
            expect_equal((u["node"], by["chain"], by["index"], by["text"]), ("node1", "FORWARD", index, rule), "the rule")
        expect(doc["decided"] < doc["frontends"], "every frontend is decided")


@in_folder
def list_output(where):
    """iptables -L cannot be read: the answer is the command to run instead."""
    text = "Chain INPUT (policy ACCEPT)\ntarget     prot opt source               destination\n\nChain FORWARD (policy ACCEPT)\n"
    r = run("verify", "-A", "--bundle", one_node(where, text), "-o", "json", codes=[2])
    expect("iptables-save" in r.err + r.out, "iptables-save is not named")


# ---- JSON ----

def invalid_json():
    for name, damage in (("services.json", lambda t: t[:len(t) // 2]), ("endpointslices.json", lambda t: t.replace('"items":[', '"items":[,', 1)),
                         ("pods.json", lambda t: "{" * 100000), ("nodes.json", lambda t: "[1, 2"), ("services.json", lambda t: "\xff\xfe")):
        with Copy(LAB) as lab:
            lab.edit(damage, "cluster", name)
            for command in COMMANDS[:2]:
                r = run(*command, "--bundle", lab.path, "-o", "json", codes=[1, 2])
                about = errors_about(r.json, name)
                expect(about, f"{r}: no error names {name}: {short(r.json['errors'])}")
                expect(about[0]["line"] >= 1 and ("column" in about[0] or "column" in about[0]["text"]), f"no place in {about[0]}")
            if name in ("services.json", "endpointslices.json"):
                expect_equal(run("verify", "-A", "--bundle", lab.path, "-o", "json").rc, 2, f"exit status of verify without {name}")


def odd_types():
    """Valid JSON of other types than the API's: never a crash."""
    for name in ("services", "endpointslices", "pods", "nodes"):
        for text in ("[]", "null", "7", '{"items": 7}', '{"items": [7, null, [], {}]}', '{"kind": "List", "items": [{"kind": "Service"}]}',
                     '{"items": [{"metadata": {"name": 3}, "spec": [], "endpoints": {}, "ports": "x"}]}',
                     '{"items": [{"metadata": {"name": "a", "namespace": "b"}, "spec": {"ports": [{"port": 1e300}]}}]}'):
            with Copy(LAB) as lab:
                lab.write(text, "cluster", f"{name}.json")
                for command in COMMANDS:
                    run(*command, "--bundle", lab.path, "-o", "json", codes=[0, 1, 2]).json  # pylint: disable=expression-not-assigned


# ---- archives ----

def pack(path, add):
    with tarfile.open(path, "w:gz", format=tarfile.GNU_FORMAT) as t:
        add(t)
    return path


def member(t, name, data, **fields):
    info = tarfile.TarInfo(name)
    info.size = len(data)
    for k, v in fields.items():
        setattr(info, k, v)
    t.addfile(info, io.BytesIO(data))


@in_folder
def archive_equals_folder(where):
    path = pack(os.path.join(where, "lab.tar.gz"), lambda t: t.add(os.path.join(CORPUS, LAB), LAB))
    for command in COMMANDS:
        a = run(*command, "--bundle", path, "-o", "json")
        b = run(*command, "--bundle", LAB, "-o", "json")
        expect_equal(a.rc, b.rc, f"exit status of {command[0]}")
        da, db = a.json, b.json
        for doc in (da, db):
            doc.pop("looked_at")
        expect(short(da, 10 ** 9).replace(path, LAB) == short(db, 10 ** 9), f"{command[0]} differs")


@in_folder
def archive_escapes(where):
    def add(t):
        t.add(os.path.join(CORPUS, LAB), LAB)
        member(t, f"{LAB}/../../evil.txt", b"x")
        member(t, "/etc/evil", b"x")
        member(t, f"{LAB}/nodes/node1/link", b"", type=tarfile.SYMTYPE, linkname="/etc/passwd")
    path = pack(os.path.join(where, "b.tar.gz"), add)
    r = run("verify", "-A", "--bundle", path, "-o", "json", codes=[0, 2])
    text = short(r.json["errors"], 10 ** 6) + r.err
    expect("evil.txt" in text, f"the member is not named: {short(text)}")
    expect(r.json["services"] > 0 and r.json["differences"] == [], "the rest is not used")
    expect(not os.path.exists(os.path.join(where, "evil.txt")) and not os.path.exists("/etc/evil"), "a file was written")


def folder_escapes():
    """A link in a folder that leads out of it is not followed."""
    with Copy(LAB) as lab:
        secret = os.path.join(os.path.dirname(lab.path), "outside.txt")
        shutil.copyfile(lab.file(*DUMP), secret)
        os.unlink(lab.file(*DUMP))
        os.symlink(secret, lab.file(*DUMP))
        r = run("verify", "-A", "--bundle", lab.path, "-o", "json", codes=[0, 2])
        expect(r.rc == 2, "the link was followed without a word")


@in_folder
def archive_of_10_gib(where):
    info = tarfile.TarInfo("b/nodes/n1/iptables-save.txt")
    info.size = 10 << 30
    path = os.path.join(where, "b.tar")
    with open(path, "wb") as f:
        f.write(info.tobuf(tarfile.GNU_FORMAT) + b"*nat\n" * 4096)
    r = run("verify", "-A", "--bundle", path, "-o", "json", codes=[2], timeout=30)
    expect("iptables-save.txt" in r.out + r.err, "the member is not named")


@in_folder
def broken_archives(where):
    whole = open(pack(os.path.join(where, "w.tar.gz"), lambda t: t.add(os.path.join(CORPUS, LAB), LAB)), "rb").read()
    path = os.path.join(where, "b.tar.gz")
    for i in range(0, 20):
        with open(path, "wb") as f:
            f.write(whole[:i * len(whole) // 20])
        run("diagnose", "-A", "--bundle", path, "-o", "json", codes=[1, 2]).json  # pylint: disable=expression-not-assigned
        flipped = bytearray(whole)
        for k in range(5):
            flipped[(i * 977 + k * 31337) % len(whole)] ^= 0x55
        with open(path, "wb") as f:
            f.write(flipped)
        run("diagnose", "-A", "--bundle", path, "-o", "json", codes=[0, 1, 2]).json  # pylint: disable=expression-not-assigned


# ---- what is missing ----

@in_folder
def empty_folder(where):
    for command in COMMANDS:
        r = run(*command, "--bundle", where, codes=[2])
        expect(r.err.strip(), f"{command[0]} says nothing on stderr")
    r = run("diagnose", "-A", "--bundle", os.path.join(where, "nosuch"), codes=[2, 64])
    expect("nosuch" in r.err, "the path is not named")


def errors_of(doc):
    """Who has an error: Services by name, findings of nodes and the cluster by id. The cause may well be told otherwise when less is known."""
    return {f["id"] for f in doc["cluster"] if f["severity"] == "error"} | {
        s["service"] for s in doc["services"] if any(f["severity"] == "error" for f in s["causes"])}


def each_file_missing():
    """A missing file is "not known", not "empty": no difference and no error that the whole bundle does not have."""
    whole = errors_of(run("diagnose", "-A", "--bundle", LAB, "-o", "json").json)
    files = []
    with Copy(LAB) as lab:
        for folder, _, names in os.walk(lab.path):
            files += [os.path.relpath(os.path.join(folder, n), lab.path) for n in names]
        for name in sorted(f for f in files if "node2" not in f):
            text = lab.read(name)
            os.unlink(lab.file(name))
            v = run("verify", "-A", "--bundle", lab.path, "-o", "json", codes=[0, 1, 2]).json
            found = v["differences"] + v["broken"]
            expect(found == [], lambda: f"without {name} there are {len(found)} differences, the first {short(found[0], 600)}")
            d = run("diagnose", "-A", "--bundle", lab.path, "-o", "json", codes=[0, 1, 2]).json
            new = errors_of(d) - whole
            expect(not new, f"without {name} there are new errors: {sorted(new)}")
            lab.write(text, name)
        for name in ("cluster/services.json", "cluster/endpointslices.json"):
            text = lab.read(name)
            os.unlink(lab.file(name))
            v = run("verify", "-A", "--bundle", lab.path, "-o", "json", codes=[2])
            expect(v.json["skipped"], f"without {name} nothing is skipped")
            lab.write(text, name)
    return f"{len(files)} files"


@in_folder
def single_dump(where):
    """The smallest useful bundle: one iptables-save.txt and nothing else."""
    bundle = os.path.join(where, "lonely")
    dump = read(os.path.join(CORPUS, LAB, *DUMP))
    write(dump, os.path.join(bundle, "iptables-save.txt"))
    r = run("trace", "10.244.1.5", "10.96.136.124:80", "--bundle", bundle, "-o", "json", codes=[0])
    endings = r.json["endings"]
    expect_equal(sorted(e["address"] for e in endings), ["10.244.1.135", "10.244.1.136", "10.244.2.73"], "endpoints")
    expect(all(e["assumed"] for e in endings), "an ending that assumes nothing")
    expect(all(e["node"] == "lonely" for e in endings), "the node is not named after the folder")
    for command in (("verify", "-A"), ("diagnose", "-A")):
        r = run(*command, "--bundle", bundle, "-o", "json", codes=[2])
        expect(r.json["skipped"] and all(s["reason"] for s in r.json["skipped"]), f"{command[0]} skips nothing")
        expect(r.json["looked_at"], f"{command[0]} looked at nothing")
    run("rules", "-A", "--bundle", bundle, "-o", "json", codes=[0, 2])
    d = Dump(dump)
    d.remove("nat", "PREROUTING", "-j KUBE-SERVICES")
    write(str(d), os.path.join(bundle, "iptables-save.txt"))
    doc = run("diagnose", "-A", "--bundle", bundle, "-o", "json", codes=[1]).json
    found = [f["check"] for f in doc["cluster"]]
    expect_equal(found.count("kube-chain-not-jumped"), 1, f"kube-chain-not-jumped among {found}")


# ---- rights ----

def unprivileged_prefix():
    """A command that runs another as nobody and without network, or why there is none."""
    if os.geteuid() != 0:
        return None, "only root can become another user"
    prefix = ["unshare", "-n", "--", "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all", "--bounding-set=-all"]
    try:
        subprocess.run([*prefix, "true"], check=True, capture_output=True, timeout=20)
    except (OSError, subprocess.SubprocessError) as e:
        return None, f"no unprivileged user without network here: {e}"
    return prefix, None


def unprivileged(prefix):
    with Copy(LAB) as lab:
        os.chmod(os.path.dirname(lab.path), 0o755)
        program = os.path.join(os.path.dirname(lab.path), "svcdoctor")
        shutil.copyfile(PROGRAM, program)
        os.chmod(program, 0o755)

        def as_nobody(*args):
            p = subprocess.run([*prefix, program, *args], stdin=subprocess.DEVNULL, capture_output=True, timeout=100, check=False,
                               cwd="/", env={"PATH": os.environ["PATH"], **{k: v for k, v in os.environ.items() if k.endswith("SAN_OPTIONS")}})
            expect(p.returncode in (0, 1, 2), f"{args} exited with {p.returncode}: {p.stderr.decode()[:2000]}")
            return p
        for command in COMMANDS:
            p = as_nobody(*command, "--bundle", lab.path, "-o", "json")
            expect_equal(p.returncode, run(*command, "--bundle", lab.path, "-o", "json").rc, f"exit status of {command[0]}")
        os.chmod(lab.file(*DUMP), 0)
        p = as_nobody("verify", "-A", "--bundle", lab.path, "-o", "json")
        expect_equal(p.returncode, 2, "exit status with an unreadable dump")
        expect(DUMP[-1] in p.stdout.decode(), "the unreadable dump is not named")


# ---- output ----

def demo_equals_diagnose():
    for more in ((), ("-o", "json"), ("-v",), ("-o", "lines")):
        a = run("demo", *more, codes=[0])
        b = run("diagnose", "-A", "--bundle", LAB, *more, codes=[1])
        expect(a.out and a.out == b.out, lambda: f"differs with {more}: {first_difference(a.out, b.out)}")


def first_difference(a, b):
    for x, y in zip(a.splitlines() + ["(end)"], b.splitlines() + ["(end)"]):
        if x != y:
            return f"demo prints {x[:300]!r}, diagnose {y[:300]!r}"
    return "only at the end"


def full_disk():
    if not os.path.exists("/dev/full"):
        return
    for args in (("diagnose", "-A", "--bundle", LAB), ("verify", "-A", "--bundle", LAB, "-o", "json"), ("demo",), ("version",),
                 ("explain",), ("completion", "bash"), ("rules", "-A", "--bundle", LAB), ("endpoints", "-A", "--bundle", LAB),
                 ("trace", "10.244.1.5", "10.96.136.124:80", "--bundle", LAB, "--node", "node1")):
        with open("/dev/full", "wb") as full:
            r = run(*args, stdout=full)
        expect_equal(r.rc, 70, f"exit status of {r}")
        expect(r.err.strip(), f"{r} says nothing")


if __name__ == "__main__":
    t = Tests()
    for test_ in (truncated_dumps, garbage_lines, nested_jumps, loop_of_chains, wide_and_deep, many_unknowns, unsupported_revision, list_output,
                  invalid_json, odd_types, archive_equals_folder, archive_escapes, folder_escapes, archive_of_10_gib, broken_archives,
                  empty_folder, each_file_missing, single_dump, demo_equals_diagnose, full_disk):
        t.run("bad-input/" + test_.__name__.replace("_", "-"), test_)
    prefix_, why_ = unprivileged_prefix()
    if prefix_:
        t.run("bad-input/unprivileged", unprivileged, prefix_)
    else:
        t.skip("bad-input/unprivileged", why_)
    t.finish()
