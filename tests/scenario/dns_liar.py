#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A name server that does what the first label of the name says:  dns_liar.py ADDRESS PORT   over UDP and TCP, until it is killed.

Unlike dns_hostile.py, which is one kind of bad server, it is all of them, for the tests of what a single question may end in. PORT + 1 is the other
socket, from which answers come that nobody asked there. What the labels mean is in message(), datagrams() and stream()."""
import random
import select
import socket
import struct
import sys
import time

A, CNAME, SRV = 1, 5, 33
ME = b"\xc0\x0c"


def question(d):
    """(first label, bytes of the question)"""
    at = 12
    while d[at]:
        at += 1 + d[at]
    return d[13:13 + d[12]].decode("latin1").lower(), d[12:at + 5]


def answer(d, records=(), rcode=0, tc=0, counts=None):
    n = counts or (1, len(records), 0, 0)
    return d[:2] + struct.pack("!H4H", 0x8400 | (d[2] & 1) << 8 | tc << 9 | rcode, *n) + (question(d)[1] if n[0] else b"") + b"".join(records)


def record(owner, type_, data, size=None, class_=1):
    return owner + struct.pack("!HHIH", type_, class_, 30, len(data) if size is None else size) + data


def name(s):
    return b"".join(bytes([len(x)]) + x.encode() for x in s.split(".") if x) + b"\0"


GOOD = record(ME, A, b"\x0a\0\0\x01")


def message(mode, d):
    """One message, sound or not."""
    at = 12 + len(question(d)[1])
    pointer = struct.pack("!H", 0xc000 | at)
    return {
        "empty": lambda: b"",
        "short": lambda: d[:2] + b"\x81",
        "random": lambda: random.Random(7).randbytes(200),
        "noise": lambda: d[:2] + b"\xff" * 200,
        "otherid": lambda: bytes([d[0] ^ 255]) + answer(d, [GOOD])[1:],
        "othername": lambda: answer(d, [GOOD]).replace(b"\x09othername", b"\x09othernamf"),
        "othertype": lambda: answer(d, [GOOD])[:at - 4] + b"\0\x0f" + answer(d, [GOOD])[at - 2:],
        "echo": lambda: d,
        "noquestion": lambda: answer(d, [], rcode=1, counts=(0, 0, 0, 0)),
        "circle": lambda: answer(d, [GOOD, record(ME, CNAME, struct.pack("!H", 0xc000 | at + 28))]),
        "itself": lambda: answer(d, [record(pointer, A, b"\x0a\0\0\x01")]),
        "beyond": lambda: answer(d, [record(b"\xff\xf0", A, b"\x0a\0\0\x01")]),
        "size": lambda: answer(d, [GOOD, record(ME, A, b"\x0a\0\0\x02", size=400)]),
        "count": lambda: answer(d, [GOOD], counts=(1, 500, 0, 0)),
        "address": lambda: answer(d, [GOOD, record(ME, A, b"\x0a\0\0")]),
        "srv": lambda: answer(d, [record(ME, SRV, b"\0\0\0\0\0")]),
        "chain": lambda: answer(d, [record(name("c%d.x" % i) if i else ME, CNAME, name("c%d.x" % (i + 1))) for i in range(150)]),
        "huge": lambda: answer(d, [record(ME, A, struct.pack("!I", 0x0a000000 + i)) for i in range(4000)]),
        "tc": lambda: answer(d, [], tc=1),
        "tccut": lambda: answer(d, [GOOD, GOOD], tc=1)[:-7],
        "servfail": lambda: answer(d, [], rcode=2),
        "refused": lambda: answer(d, [], rcode=5),
        "rcode11": lambda: answer(d, [], rcode=11),
        "class": lambda: answer(d, [GOOD, record(ME, A, b"\x0a\0\0\x01", class_=3)]),
    }.get(mode, lambda: answer(d, [GOOD]))()


class Liar:
    def __init__(self, address, port):
        self.udp, self.other, self.tcp = (socket.socket(socket.AF_INET, k) for k in (socket.SOCK_DGRAM, socket.SOCK_DGRAM, socket.SOCK_STREAM))
        self.udp.bind((address, port))
        self.other.bind((address, port + 1))
        self.tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.tcp.bind((address, port))
        self.tcp.listen(64)
        self.streams, self.later, self.seen, self.open = {}, [], {}, 0

    def datagrams(self, d, who):
        mode, q = question(d)
        n = self.seen[q] = self.seen.get(q, 0) + 1
        if mode == "silent" or (mode == "second" and n == 1):
            return
        if mode in ("delay", "open"):
            self.open += mode == "open"
            self.later.append((time.monotonic() + (0.25 if mode == "delay" else 0.05), mode, d, who))
        elif mode == "elsewhere":
            self.other.sendto(answer(d, [GOOD]), who)
        elif mode == "flood":
            for i in range(1, 2000):
                self.udp.sendto(struct.pack("!H", (struct.unpack("!H", d[:2])[0] + i) & 65535) + answer(d, [GOOD])[2:], who)
        else:
            for m in {"mixed": ("otherid", "short", "empty", "good"), "twice": ("good", "good")}.get(mode, (mode,)):
                self.udp.sendto(message(m, d)[:60000], who)

    def delayed(self, mode, d, who):
        # of "open" the address says how many questions wait
        self.udp.sendto(answer(d, [record(ME, A, struct.pack("!I", self.open))] if mode == "open" else [GOOD]), who)
        self.open -= mode == "open"

    def close(self, s, reset=False):
        if reset:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        del self.streams[s]
        s.close()

    def stream(self, s, d):
        mode = question(d)[0]
        m = message(mode, d)
        w = struct.pack("!H", len(m)) + m
        if mode in ("closed", "reset"):
            self.close(s, mode == "reset")
        elif mode == "pieces":
            for b in w:
                s.sendall(bytes([b]))
                time.sleep(0.001)
        elif mode != "silent":
            s.sendall({"half": w[:len(w) // 2], "halfclosed": w[:len(w) // 2], "onebyte": w[:1], "length": struct.pack("!H", max(len(m) - 9, 0)) + m,
                       "nolength": b"\0\0"}.get(mode, w))
            if mode == "halfclosed":
                self.close(s)

    def read(self, s):
        try:
            got = s.recv(65535)
        except OSError:
            got = b""
        if not got:
            self.close(s)
            return
        self.streams[s] += got
        while s in self.streams and len(self.streams[s]) >= 2 and len(self.streams[s]) >= 2 + struct.unpack("!H", self.streams[s][:2])[0]:
            size = 2 + struct.unpack("!H", self.streams[s][:2])[0]
            d, self.streams[s] = self.streams[s][2:size], self.streams[s][size:]
            try:
                self.stream(s, d)
            except OSError: # who asked is gone
                self.close(s)

    def serve(self):
        while True:
            wait = max(0, min(x[0] for x in self.later) - time.monotonic()) if self.later else None
            for s in select.select([self.udp, self.tcp, *self.streams], [], [], wait)[0]:
                if s is self.udp:
                    self.datagrams(*s.recvfrom(65535))
                elif s is self.tcp:
                    self.streams[s.accept()[0]] = b""
                else:
                    self.read(s)
            for x in [x for x in self.later if x[0] <= time.monotonic()]:
                self.later.remove(x)
                self.delayed(*x[1:])


if __name__ == "__main__":
    liar = Liar(sys.argv[1], int(sys.argv[2]))
    print("ready", flush=True)
    liar.serve()
