#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A name server that behaves badly:  dns_hostile.py MODE BEHIND ADDRESS...   on port 53, UDP and TCP, until it is killed.

Some ask a sound server first (BEHIND is ADDRESS:PORT): slow-aaaa answers questions for AAAA five seconds late, no-aaaa says NXDOMAIN where there is no AAAA,
wrong-id changes the id. The others make up what they say: garbage, noise (with any id), cut, chain (each name is an alias of the next), circle (two aliases of each other), heap (an alias's
chain as long as a message), pointer (a compressed name that points at itself), forward (at what comes later), counts (of records that are not there), huge (64 KiB), drip
(cut over UDP, and a byte now and then over TCP), mute (nothing), closed (accepts and closes), flood (hundreds of answers with ids of nobody)."""
import heapq
import os
import select
import socket
import struct
import sys
import time

CNAME, A, AAAA = 5, 1, 28
PROXIES = ("slow-aaaa", "no-aaaa", "wrong-id")


def question(data):
    """(name's labels, type, where the question ends) of a message."""
    at, labels = 12, []
    while data[at]:
        labels.append(data[at + 1:at + 1 + data[at]])
        at += 1 + data[at]
    return labels, struct.unpack("!H", data[at + 1:at + 3])[0], at + 5


def wire(labels):
    return b"".join(bytes([len(x)]) + x for x in labels) + b"\0"


def answer(data, records, rcode=0, tc=False, count=None):
    end = question(data)[2]
    flags = 0x8400 | (0x0100 if data[2] & 1 else 0) | (0x0200 if tc else 0) | rcode
    return data[:2] + struct.pack("!HHHHH", flags, 1, len(records) if count is None else count, 0, 0) + data[12:end] + b"".join(records)


def record(owner, type_, rdata):
    return owner + struct.pack("!HHIH", type_, 1, 30, len(rdata)) + rdata


def alias(n):
    return wire([b"alias%d" % n, b"chain", b"example"])


def made_up(mode, data, tcp):
    """The messages to send back: a list."""
    labels, _, _ = question(data)
    me = b"\xc0\x0c"
    if mode == "garbage":
        return [data[:2] + b"\x84\x00" + os.urandom(56)]
    if mode == "noise":
        return [os.urandom(60)]
    if mode == "cut":
        return [answer(data, [record(me, A, b"\x0a\x00\x00\x01")])[:-7]]
    if mode == "chain":
        n = int(labels[0][5:] or 0) if labels and labels[0].startswith(b"alias") and labels[0][5:].isdigit() else 0
        return [answer(data, [record(me, CNAME, alias(n + 1))])]
    if mode == "circle":
        return [answer(data, [record(me, CNAME, alias(1)), record(alias(1), CNAME, alias(2)), record(alias(2), CNAME, alias(1))])]
    if mode == "heap":
        if not tcp:
            return [answer(data, [], tc=True)]
        return [answer(data, [record(me, CNAME, alias(1)), *(record(alias(n), CNAME, alias(n + 1)) for n in range(1, 1000))])]
    if mode == "pointer":
        at = question(data)[2]
        return [answer(data, [struct.pack("!H", 0xc000 | at) + struct.pack("!HHIH", A, 1, 30, 4) + b"\x0a\x00\x00\x01"])]
    if mode == "forward":
        return [answer(data, [b"\xff\xff" + struct.pack("!HHIH", A, 1, 30, 4) + b"\x0a\x00\x00\x01"])]
    if mode == "counts":
        return [answer(data, [record(me, A, b"\x0a\x00\x00\x01")], count=65535)]
    if mode == "huge":
        return [answer(data, [record(me, A, struct.pack("!I", 0x0a000000 + n)) for n in range(4000)]) if tcp else answer(data, [], tc=True)]
    if mode == "flood":
        return [bytes([i & 255, i >> 8]) + answer(data, [record(me, A, b"\x0a\x00\x00\x01")])[2:] for i in range(300)]
    if mode in ("drip", "closed"):
        return [] if tcp and mode == "closed" else [answer(data, [], tc=True) if not tcp else answer(data, [record(me, A, b"\x0a\x00\x00\x01")] * 50)]
    return []


class Server:
    def __init__(self, mode, behind, addresses):
        self.mode = mode
        self.behind = (behind.rsplit(":", 1)[0], int(behind.rsplit(":", 1)[1])) if behind != "-" else None
        self.udp, self.tcp, self.streams, self.later, self.count = [], [], {}, [], 0
        for a in addresses:
            u, t = socket.socket(socket.AF_INET, socket.SOCK_DGRAM), socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            t.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            u.bind((a, 53))
            t.bind((a, 53))
            t.listen(64)
            self.udp.append(u)
            self.tcp.append(t)

    def replies(self, data, tcp):
        """[(seconds until then, message)]"""
        try:
            _, type_, _ = question(data)
        except (IndexError, struct.error):
            return []
        if self.mode not in PROXIES:
            return [(0, m) for m in made_up(self.mode, data, tcp)]
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        s.settimeout(2)
        s.sendto(data, self.behind)
        try:
            m = s.recv(65535)
        except OSError:
            return []
        finally:
            s.close()
        if self.mode == "wrong-id":
            m = bytes([m[0] ^ 1]) + m[1:]
        if self.mode == "no-aaaa" and type_ == AAAA and m[3] & 15 == 0 and m[6:8] == b"\0\0":
            m = m[:3] + bytes([m[3] & 0xf0 | 3]) + m[4:]
        return [(5 if self.mode == "slow-aaaa" and type_ == AAAA else 0, m)]

    def at(self, delay, f, *args):
        self.count += 1
        heapq.heappush(self.later, (time.monotonic() + delay, self.count, f, args))

    def send(self, stream, data):
        try:
            stream.sendall(data)
        except OSError:
            self.close(stream)

    def close(self, stream):
        if self.streams.pop(stream, None) is not None:
            stream.close()

    def read_stream(self, s):
        try:
            got = s.recv(4096)
        except OSError:
            got = b""
        if not got:
            self.close(s)
            return
        self.streams[s] += got
        while s in self.streams and len(self.streams[s]) >= 2:
            size = struct.unpack("!H", self.streams[s][:2])[0]
            if len(self.streams[s]) < 2 + size:
                return
            data, self.streams[s] = self.streams[s][2:2 + size], self.streams[s][2 + size:]
            if self.mode == "closed":
                self.close(s)
                return
            for delay, m in self.replies(data, True):
                m = struct.pack("!H", len(m)) + m
                if self.mode == "drip":
                    for i, b in enumerate(m):
                        self.at(0.3 * i, self.send, s, bytes([b]))
                else:
                    self.at(delay, self.send, s, m)

    def serve(self):
        while True:
            wait = max(0, self.later[0][0] - time.monotonic()) if self.later else None
            for s in select.select([*self.udp, *self.tcp, *self.streams], [], [], wait)[0]:
                if s in self.udp:
                    data, who = s.recvfrom(65535)
                    for delay, m in self.replies(data, False):
                        self.at(delay, s.sendto, m, who)
                elif s in self.streams:
                    self.read_stream(s)
                elif s in self.tcp:
                    self.streams[s.accept()[0]] = b""
            while self.later and self.later[0][0] <= time.monotonic():
                _, _, f, args = heapq.heappop(self.later)
                if f != self.send or args[0] in self.streams:
                    f(*args)


if __name__ == "__main__":
    server = Server(sys.argv[1], sys.argv[2], sys.argv[3:])
    print("ready", flush=True)
    server.serve()
