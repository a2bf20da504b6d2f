#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The engine against the plain evaluator of nftables (nft_linear.py), as test_linear.py does for iptables: every recorded flow, and random
rulesets (nft_random.py) with random packets, some of them beside tables of iptables-legacy.

LINEAR_SEEDS=N runs N bundles (default 20); LINEAR_SEED=S runs one and shows the rules of a disagreement."""
import json
import os

import linear
import nft_linear
import nft_random
from common import Failure, Tests, expect, read, write
from test_flows import dumps
from test_linear import Bundle, Writer, flow_as_recorded, random_rules

LEGACY = {4: "iptables-legacy-save.txt", 6: "ip6tables-legacy-save.txt"}


def flows():
    count, failures = 0, []
    for folder, path in dumps("nftables"):
        document = json.loads(read(path))
        for line in read(os.path.join(folder, "flows.jsonl")).splitlines():
            flow = json.loads(line)
            family = 6 if ":" in flow["dst"] else 4
            facts = linear.Facts.from_folder(folder, family)
            world = nft_linear.NftWorld(facts, nft_linear.parse(document, family))
            own = facts.is_local(linear.address(flow["src"]))
            p = linear.Packet(flow["src"], flow["dst"], flow["proto"], 40000, flow["dport"], None if own else "unknown")
            count += 1
            try:
                flow_as_recorded(flow, world.fates(p), any(s.named for s in world.walk(p)))
            except Failure as e:
                failures.append(f"{os.path.relpath(path)}: {flow['test']}: {flow['name']}: {e}")
    expect(not failures, lambda: f"{len(failures)} of {count} packets\n" + "\n".join(failures))
    expect(count >= 63, f"only {count} packets")
    return f"the evaluator of nftables ends {count} packets as recorded"


class NftBundle(Bundle):
    """As Bundle, with a ruleset of nftables on each node, and sometimes tables of iptables-legacy where no priority is in both."""

    def rules(self, node, name, facts, out):
        r = self.r
        document = nft_random.ruleset(r, self.family, out)
        write(json.dumps(document), os.path.join(node, "nft-ruleset.json"))
        texts = {"nft": json.dumps(document["nftables"], indent=1)}
        if r.random() < 0.2:
            texts["legacy"] = Writer(r, self.family, [t for t in ("raw", "mangle", "filter") if r.random() < 0.5], out).text()
            write(texts["legacy"], os.path.join(node, LEGACY[self.family]))
        self.texts[name] = texts
        more = [linear.parse(texts["legacy"], "legacy", self.family)] if "legacy" in texts else []
        return nft_linear.NftWorld(facts, nft_linear.parse(document, self.family), more)

    def protocols(self):
        # What `th dport` reads of a packet without ports is not modelled.
        return ["tcp"] * 6 + ["udp"] * 3


def main():
    t = Tests()
    one = os.environ.get("LINEAR_SEED")
    t.run("nft-linear-flows", flows)
    t.run("nft-linear-random", random_rules, [int(one)] if one else range(1, int(os.environ.get("LINEAR_SEEDS", "20")) + 1), bool(one), NftBundle)
    t.finish()


if __name__ == "__main__":
    main()
