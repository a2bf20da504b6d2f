#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Long lists are decoded without what nobody reads: lib/k8s/fields.c names what is read. A decoder that reads a field which is not there would see
it in a bundle and not in a live cluster; here the names in the decoders' sources are compared with the list, both ways."""
import os
import re

from common import ROOT, Tests, expect, expect_equal

DECODERS = ("caller", "decode", "netpol", "object", "other", "plain", "plain-service", "pod", "route", "service")
NO_FIELDS = {"apps", "batch", "coredns", "extensions", "v1", "v1alpha2", "v1alpha3", "v1beta1"}  # groups, versions, a ConfigMap's name
OF_LISTS = {"continue", "items"}  # lib/base/json-items.c
FREE = {"annotations", "data", "labels", "matchLabels", "selector", "topology"}  # their members' names are the user's


def words(name):
    with open(os.path.join(ROOT, "lib", "k8s", name + ".c"), encoding="utf-8") as f:
        text = re.sub(r"/\*.*?\*/", "", f.read(), flags=re.S)
    plurals = set(re.findall(r'X\(K8S_\w+, "\w+", "(\w+)"', text))
    return {w for w in re.findall(r'"((?:[^"\\]|\\.)*)"', text) if re.fullmatch(r"[a-z][A-Za-z0-9]*\*?", w)} - plurals - NO_FIELDS


def test_list():
    read = set().union(*(words(d) for d in DECODERS)) | OF_LISTS | {"endpoints"}  # of a slice; a plural, too
    listed = words("fields") | {"endpoints"}
    expect(len(read) > 150, f"{len(read)} names were found in the decoders")
    expect_equal(sorted(w.rstrip("*") for w in listed), sorted(read), "the names in fields.c and in the decoders")
    expect_equal({w.rstrip("*") for w in listed if w.endswith("*")}, FREE, "those below which nothing is cut")


def test_files():
    """No decoder was forgotten above."""
    folder = os.path.join(ROOT, "lib", "k8s")
    decoding = {f[:-2] for f in os.listdir(folder) if f.endswith(".c") and re.search(r"\b(dec_\w+\(d|plain_next_member\(t), ", open(os.path.join(folder, f), encoding="utf-8").read())}
    expect_equal(decoding, set(DECODERS), "files that decode objects")


def main():
    t = Tests()
    t.run("list", test_list)
    t.run("files", test_files)
    t.finish()


if __name__ == "__main__":
    main()
