#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""diagnose, asked about a port: the right one changes nothing, and of a wrong one the report says which was meant."""
from common import LABS, Tests, expect, expect_equal, run

CHECK = "port-targetport-nodeport-confusion"


def ask(lab, *words, code):
    return run("diagnose", *words, "--bundle", lab, "-o", "json", codes=[code]).json


def right(lab):
    for word in ("10.96.136.124:80", "default/web:80", "http://web.default", "node1:32035", "172.30.99.2:32035/TCP"):
        d = ask(lab, word, code=0)
        expect_equal([s["service"] for s in d["services"]], ["default/web"], word)
        expect_equal(d["services"][0]["causes"], [], f"causes for {word}")


def wrong(lab):
    for word, meant in (("10.96.107.94:9376", "9376 is the targetPort of its port 8765"),
                        ("default/web:32035", "32035 is the nodePort of its port 80"),
                        ("node2:8765", "port 8765 of default/example-service is node port 32147 there")):
        d = ask(lab, word, code=1)
        first = d["services"][0]["causes"][0]
        expect_equal((first["check"], first["severity"]), (CHECK, "error"), word)
        expect(meant in first["text"], f"{word}: {first['text']}")
        expect(f"asked for: {word}" in first["evidence"], f"{word}: {first['evidence']}")
        expect_equal(d["services"][0]["status"], "degraded", word)


def several(lab):
    """Each word has its own answer, and a Service that is named twice is there once."""
    d = ask(lab, "default/web:80", "default/web:81", "node1:32035", "default/web:82", code=1)
    expect_equal([s["service"] for s in d["services"]], ["default/web"], "Services")
    expect_equal([c["text"] for c in d["services"][0]["causes"]], ["default/web has no port 81", "default/web has no port 82"], "causes")


def nobody(lab):
    d = ask(lab, "node1:80", code=1)
    expect_equal(d["services"], [], "Services")
    expect_equal(d["cluster"][0]["check"], "service-not-found", "the finding")
    expect("default/web at node1:32035" in d["cluster"][0]["text"], d["cluster"][0]["text"])


if __name__ == "__main__":
    t = Tests()
    for name, lab_ in LABS.items():
        for test in (right, wrong, several, nobody):
            t.run(f"{name}/{test.__name__}", test, lab_)
    t.finish()
