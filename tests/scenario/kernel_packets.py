# SPDX-License-Identifier: GPL-2.0-or-later
"""Frames for the kernel tests: first packets of connections, their replies, and what is read from the wire.

Every packet carries a number of its own that no translation changes: TCP's sequence number, SCTP's initiate tag, the payload of a
datagram or an echo. So whatever comes out anywhere is known to belong to it, a refusal too, for that quotes what it refuses."""
import socket
import struct
from dataclasses import dataclass

TCP, UDP, SCTP, ICMP, ICMP6 = 6, 17, 132, 1, 58
ECHO = {4: (8, 0), 6: (128, 129)}  # request, reply
MAGIC = b"SVCD"
SYN, RST, ACK = 2, 4, 16


def checksum(data):
    if len(data) % 2:
        data += b"\0"
    s = sum(struct.unpack(f"!{len(data) // 2}H", data))
    s = (s >> 16) + (s & 0xffff)
    return ~(s + (s >> 16)) & 0xffff


def crc_table():
    table = []
    for n in range(256):
        for _ in range(8):
            n = (n >> 1) ^ 0x82f63b78 if n & 1 else n >> 1
        table.append(n)
    return table


CRC = crc_table()


def crc32c(data):
    c = 0xffffffff
    for b in data:
        c = CRC[(c ^ b) & 0xff] ^ (c >> 8)
    return c ^ 0xffffffff


def family(address):
    return 6 if ":" in address else 4


def pack_address(a):
    return socket.inet_pton(socket.AF_INET6 if ":" in a else socket.AF_INET, a)


def pseudo(src, dst, proto, length):
    a, b = pack_address(src), pack_address(dst)
    return a + b + (struct.pack("!BBH", 0, proto, length) if len(a) == 4 else struct.pack("!IHBB", length, 0, 0, proto))


def summed(src, dst, proto, body, at):
    return body[:at] + struct.pack("!H", checksum(pseudo(src, dst, proto, len(body)) + body) or 0xffff) + body[at + 2:]


def transport(p, reply=False):
    """The bytes behind the IP header."""
    if p.proto == TCP:
        seq, ack, flags = (p.ident ^ 0x55555555, p.ident + 1, SYN | ACK) if reply else (p.ident, 0, SYN)
        return summed(p.src, p.dst, TCP, struct.pack("!HHIIBBHHH", p.sport, p.dport, seq, ack & 0xffffffff, 5 << 4, flags, 64240, 0, 0), 16)
    if p.proto == SCTP:
        chunk = struct.pack("!BBHIIHHI", 2 if reply else 1, 0, 20, p.ident if not reply else p.ident ^ 0x55555555, 65536, 1, 1, 1)
        body = struct.pack("!HHII", p.sport, p.dport, p.ident if reply else 0, 0) + chunk
        return body[:8] + struct.pack("<I", crc32c(body)) + body[12:]
    payload = MAGIC + struct.pack("!I", p.ident) + (b"R" if reply else b"F") + b"\0" * 3
    if p.proto == UDP:
        return summed(p.src, p.dst, UDP, struct.pack("!HHHH", p.sport, p.dport, 8 + len(payload), 0) + payload, 6)
    body = struct.pack("!BBHHH", ECHO[family(p.src)][1] if reply else p.icmp[0], p.icmp[1], 0, p.sport, 1) + payload
    if p.proto == ICMP6:
        return summed(p.src, p.dst, ICMP6, body, 2)
    return body[:2] + struct.pack("!H", checksum(body)) + body[4:]


def datagram(p, reply=False):
    body = transport(p, reply)
    a, b = pack_address(p.src), pack_address(p.dst)
    if len(a) == 16:
        return struct.pack("!IHBB", 6 << 28, len(body), p.proto, 64) + a + b + body
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(body), p.ident & 0xffff, 0, 64, p.proto, 0, a, b)
    return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + body


def frame(mac_to, mac_from, p, reply=False):
    return mac(mac_to) + mac(mac_from) + struct.pack("!H", 0x86dd if ":" in p.src else 0x0800) + datagram(p, reply)


def mac(text):
    return bytes.fromhex(text.replace(":", ""))


@dataclass
class Packet:
    """As it is sent, or as it was seen."""
    src: str
    dst: str
    proto: int
    sport: int
    dport: int
    ident: int
    icmp: tuple = (0, 0)
    kind: str = "first"      # seen: "first", "reply", "reset", "error"
    refusal: tuple = ()      # of an error: ICMP type and code

    def turned(self):
        return Packet(self.dst, self.src, self.proto, self.dport if self.proto not in (ICMP, ICMP6) else self.sport,
                      self.sport if self.proto not in (ICMP, ICMP6) else self.dport, self.ident, self.icmp)


def read_transport(src, dst, proto, b):
    """A Packet, or None for what is none of ours."""
    if proto == TCP and len(b) >= 14:
        sport, dport, seq, ack, _, flags = struct.unpack("!HHIIBB", b[:14])
        if flags & RST:
            return Packet(src, dst, proto, sport, dport, (ack - 1) & 0xffffffff, kind="reset") if flags & ACK else None
        if flags & SYN and flags & ACK:
            return Packet(src, dst, proto, sport, dport, (ack - 1) & 0xffffffff, kind="reply")
        return Packet(src, dst, proto, sport, dport, seq) if flags & SYN else None
    if proto == SCTP and len(b) >= 20:
        sport, dport, tag, _, chunk = struct.unpack("!HHIIB", b[:13])
        if chunk not in (1, 2):
            return None
        return Packet(src, dst, proto, sport, dport, struct.unpack("!I", b[16:20])[0] if chunk == 1 else tag, kind="first" if chunk == 1 else "reply")
    if proto == UDP and len(b) >= 17 and b[8:12] == MAGIC:
        sport, dport = struct.unpack("!HH", b[:4])
        return Packet(src, dst, proto, sport, dport, struct.unpack("!I", b[12:16])[0], kind="reply" if b[16:17] == b"R" else "first")
    if proto in (ICMP, ICMP6) and len(b) >= 8:
        return read_icmp(src, dst, proto, b)
    return None


def read_icmp(src, dst, proto, b):
    fam = family(src)
    if b[0] in ((3, 11) if fam == 4 else (1, 3)):
        inner = read_ip(b[8:])  # what refuses an answer is none of ours
        return Packet(src, dst, proto, 0, 0, inner.ident, kind="error", refusal=(b[0], b[1])) if inner and inner.kind == "first" else None
    if len(b) < 17 or b[8:12] != MAGIC:
        return None
    return Packet(src, dst, proto, struct.unpack("!H", b[4:6])[0], 0, struct.unpack("!I", b[12:16])[0], icmp=(b[0], b[1]),
                  kind="reply" if b[0] == ECHO[fam][1] else "first")


def read_ip(b):
    if len(b) >= 20 and b[0] >> 4 == 4:
        return read_transport(socket.inet_ntoa(b[12:16]), socket.inet_ntoa(b[16:20]), b[9], b[(b[0] & 15) * 4:])
    if len(b) >= 40 and b[0] >> 4 == 6:
        return read_transport(socket.inet_ntop(socket.AF_INET6, b[8:24]), socket.inet_ntop(socket.AF_INET6, b[24:40]), b[6], b[40:])
    return None
