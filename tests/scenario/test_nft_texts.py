# SPDX-License-Identifier: GPL-2.0-or-later
"""The texts of nftables rules that lib/expect expects, held against nft itself: for each shape of kube-proxy's rules and
ways to configure it, all that is expected on a recorded node is loaded into a network namespace, and `nft list ruleset` must print
every rule and element as it was expected, with no jump that leads nowhere."""
import os
import re
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import common  # noqa: E402

PRINTER = os.path.join(os.environ.get("BUILD", "build"), "tests", "test_expect_nft")
ADDRESS = "ipv4_addr . inet_proto . inet_service : verdict"
PORT = "inet_proto . inet_service : verdict"
KEPT = {
    "cluster-ips": ("set", "ipv4_addr"),
    "nodeport-ips": ("set", "ipv4_addr"),
    "hairpin-connections": ("set", "ipv4_addr . ipv4_addr . inet_proto . inet_service"),
    "service-ips": ("map", ADDRESS),
    "firewall-ips": ("map", ADDRESS),
    "no-endpoint-services": ("map", ADDRESS),
    "service-nodeports": ("map", PORT),
    "no-endpoint-nodeports": ("map", PORT),
}
CASES = [(minor, detector, words)
         for minor in (29, 33, 35, 36, 37)
         for detector, words in (("ClusterCIDR", []), ("BridgeInterface", ["any"]), ("InterfaceNamePrefix", ["all", "ranges"]))]


def expected(case):
    """Chains, elements by set, and affinity sets."""
    minor, detector, words = case
    chains, elements, affinity = {}, {}, []
    for line in common.sh(PRINTER, "print", str(minor), detector, *words).decode().splitlines():
        part, where, text = line.split("\t")
        if part == "rule":
            chains.setdefault(where, []).append(text)
        elif part == "set":
            affinity.append(f"set {where} {{ {text}; }}")
        else:
            elements.setdefault(where, set()).add(text)
    return chains, elements, affinity


def script(chains, elements, affinity):
    targets = {t for texts in [*chains.values(), *elements.values()] for x in texts for t in re.findall(r"(?:goto|jump) ([^\s,}]+)", x)}
    common.expect(targets <= set(chains), f"jumps lead to chains without rules: {sorted(targets - set(chains))}")
    kept = [f"{kind} {name} {{ type {what}; }}" for name, (kind, what) in KEPT.items()]
    lines = ["table ip kube-proxy {", *kept, *affinity, *(f"chain {c} {{ }}" for c in chains), "}"]
    lines += [f"add rule ip kube-proxy {c} {text}" for c, texts in chains.items() for text in texts]
    lines += [f"add element ip kube-proxy {s} {{ {text} }}" for s, texts in elements.items() for text in sorted(texts)]
    return "\n".join(lines) + "\n"


def printed(text):
    """Rules by chain of an `nft list ruleset`."""
    chains, chain = {}, None
    for line in text.splitlines():
        m = re.match(r"\tchain (\S+) {", line)
        if m:
            chain = chains.setdefault(m[1], [])
        elif line == "\t}":
            chain = None
        elif chain is not None:
            chain.append(line.strip())
    return chains


def one(case, folder):
    chains, elements, affinity = expected(case)
    path = os.path.join(folder, "rules.nft")
    common.write(script(chains, elements, affinity), path)
    text = common.sh("unshare", "-n", "sh", "-c", f"nft -f {path} && nft list ruleset").decode()
    got = printed(text)
    for chain, want in chains.items():
        common.expect_equal(got.get(chain), want, f"chain {chain}")
    for name, want in elements.items():
        for element in want:
            common.expect(element in text, f"{name} lacks '{element}'")


def main():
    try:
        probe = subprocess.run(["unshare", "-n", "nft", "list", "ruleset"], capture_output=True, text=True)
        why = probe.stderr.strip() if probe.returncode else ""
    except OSError as e:
        why = str(e)
    if why:
        print(f"skip nft-texts: no nftables in a network namespace here ({why.splitlines()[0]})")
        return 0
    tests = common.Tests()
    folder = tempfile.mkdtemp(prefix="svcdoctor-nft-")
    for case in CASES:
        tests.run(f"nft-texts 1.{case[0]} {' '.join([case[1], *case[2]])}", one, case, folder)
    shutil.rmtree(folder)
    tests.finish()
    return 0


if __name__ == "__main__":
    sys.exit(main())
