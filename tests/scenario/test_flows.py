#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Every recorded packet of tests/corpus/flows-iptables and flows-nftables ends as the kernel and kube-proxy's own tests say, with each
backend's dump alone; the same after all chains (and sets) got random names and all comments are gone."""
import glob
import ipaddress
import json
import os
import random
import re
import shutil
import tempfile

from common import CORPUS, Failure, Tests, expect, expect_equal, own_chains, read, run, short, write

FLOWS = {mode: sorted(glob.glob(os.path.join(CORPUS, "flows-" + mode, "*"))) for mode in ("iptables", "nftables")}
FILES = {"iptables": "ip*tables-*-save.txt", "nftables": "nft-ruleset.json"}
PACKETS = {"iptables": 144, "nftables": 63}
REFUSALS = {"REJECT": "reject", "DROP": "drop"}


def endpoint(address, port):
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def dumps(mode):
    for folder in FLOWS[mode]:
        for path in sorted(glob.glob(os.path.join(folder, FILES[mode]))):
            yield folder, path


def make_bundle(where, folder, dump_name, text):
    node = os.path.join(where, "nodes", "n1")
    write(text, os.path.join(node, dump_name))
    shutil.copyfile(os.path.join(folder, "ip-addr.json"), os.path.join(node, "ip-addr.json"))
    return where


def check_translated(flow, endings):
    want = {e.strip() for e in flow["expect"].split(",")}
    got = {endpoint(e["address"], e["port"]) if e["verdict"] == "accept" and e["translated"] else e["verdict"] for e in endings}
    expect_equal(sorted(got), sorted(want), "endpoints")
    weights = [e["weight"] for e in endings]
    expect(all(w is not None for w in weights) and abs(sum(weights) - 1) < 1e-6, f"weights {weights} do not sum to 1")


def check_flow(flow, endings):
    expect(endings, "no ending")
    if flow["expect"] in REFUSALS:
        expect_equal({e["verdict"] for e in endings}, {REFUSALS[flow["expect"]]}, "verdicts")
        expect(all(e["by"] for e in endings), "a refusal that names no rule")
        return
    if flow["expect"] in ("", "ACCEPT"):
        expect_equal({(e["verdict"], e["translated"]) for e in endings}, {("accept", False)}, "endings")
        named = [e.get("by") is not None for e in endings]
        expect_equal(set(named), {flow["expect"] == "ACCEPT"}, "accepted by a rule by name")
    else:
        check_translated(flow, endings)
    expect_equal({e["masquerade"] for e in endings}, {flow["masquerade"]}, "masquerade")


def check_dump(folder, dump_name, text):
    """The number of packets, all of which ended as recorded."""
    failures, count = [], 0
    with tempfile.TemporaryDirectory() as tmp:
        bundle = make_bundle(os.path.join(tmp, "flow"), folder, dump_name, text)
        for line in read(os.path.join(folder, "flows.jsonl")).splitlines():
            flow = json.loads(line)
            dst = f"{endpoint(flow['dst'], flow['dport'])}/{flow['proto'].upper()}"
            src = flow["src"]
            r = run("trace", f"[{src}]" if ":" in src else src, dst, "--bundle", bundle, "-o", "json")
            count += 1
            try:
                check_flow(flow, r.json["endings"])
            except Failure as e:
                failures.append(f"{flow['test']}: {flow['name']}: {src} -> {dst}: {e}")
    expect(not failures, lambda: f"{len(failures)} of {count} packets\n" + "\n".join(short(f, 500) for f in failures))
    return count


def rename_chains(text, rng):
    """New names for all chains that are not built in, and no comments."""
    text = re.sub(r' -m comment --comment (?:"(?:\\.|[^"\\])*"|\S+)', "", text)
    names = {}
    for chain in own_chains(text):
        names[chain] = "".join(rng.choice("ABCDEFGHIJLMNOPQRSTVWXYZ") for _ in range(rng.randint(1, 3))) + str(len(names))
    renamed = re.sub(r"[A-Za-z0-9_-]{3,}", lambda m: names.get(m.group(0), m.group(0)), text)
    expect("KUBE" not in renamed, "a chain kept its name")
    return renamed


def rename_objects(text, rng):
    """The same for chains, sets and maps of `nft -j list ruleset`; base chains too, for their name is nothing to the kernel."""
    doc = json.loads(text)
    names = {}
    for o in doc["nftables"]:
        (what, row), = o.items()
        if what in ("chain", "set", "map"):
            names.setdefault(row["name"], "".join(rng.choice("abcdefghijlmnop") for _ in range(rng.randint(1, 3))) + str(len(names)))

    def walk(json_value):
        if isinstance(json_value, dict):
            return {k: walk(v) for k, v in json_value.items() if k != "comment"}
        if isinstance(json_value, list):
            return [walk(v) for v in json_value]
        if isinstance(json_value, str):
            at = "@" if json_value.startswith("@") else ""
            return at + names.get(json_value[len(at):], json_value[len(at):])
        return json_value
    out = []
    for o in doc["nftables"]:
        (what, row), = o.items()
        out.append({what: walk(row) if what != "table" else {**row, "name": "t"}})
        if what in ("chain", "set", "map", "rule"):
            out[-1][what]["table"] = "t"
    renamed = json.dumps({"nftables": out})
    expect("services" not in renamed and "kube" not in renamed, "a chain or table kept its name")
    return renamed


def all_dumps(mode, change):
    count, failures = 0, []
    for folder, path in dumps(mode):
        try:
            count += check_dump(folder, os.path.basename(path), change(read(path)))
        except Failure as e:
            failures.append(f"{os.path.relpath(path, CORPUS)}: {e}")
    expect(not failures, lambda: "\n".join(failures))
    expect(count >= PACKETS[mode], f"only {count} packets")
    return f"{count} packets"


def no_expectation_is_lost(mode):
    """Every folder is read, in iptables mode by both backends; every kind of expectation occurs."""
    expect_equal(len(list(dumps(mode))), (2 if mode == "iptables" else 1) * len(FLOWS[mode]), "dumps")
    kinds = set()
    for folder in FLOWS[mode]:
        for line in read(os.path.join(folder, "flows.jsonl")).splitlines():
            e = json.loads(line)["expect"]
            kinds.add(e if e in ("", "ACCEPT", "REJECT", "DROP") else "endpoints")
            for x in e.split(",") if kinds and ":" in e else []:
                ipaddress.ip_address(x.strip().rsplit(":", 1)[0].strip("[]"))
    expect_equal(kinds, {"", "REJECT", "DROP", "endpoints"} | ({"ACCEPT"} if mode == "iptables" else set()), "kinds of expectations")


if __name__ == "__main__":
    t = Tests()
    for mode_, rename in (("iptables", rename_chains), ("nftables", rename_objects)):
        t.run(f"flows-{mode_}-complete", no_expectation_is_lost, mode_)
        t.run(f"flows-{mode_}", all_dumps, mode_, lambda text: text)
        rng_ = random.Random(20)
        t.run(f"flows-{mode_}-renamed", all_dumps, mode_, lambda text, rename=rename: rename(text, rng_))
    t.finish()
