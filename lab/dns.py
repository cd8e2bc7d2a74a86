"""Just enough DNS: queries as a client sends them, and the answers of a tunnel's far end."""

from __future__ import annotations

import random
import struct

__all__ = ["TYPES", "answer", "query"]

TYPES = {"A": 1, "MX": 15, "TXT": 16, "AAAA": 28, "NULL": 10, "CNAME": 5, "SRV": 33}


def query(name: str, kind: str, rng: random.Random, *, edns: bool = True) -> bytes:
    """One question as a packet's payload."""
    labels = b"".join(bytes([len(part)]) + part.encode() for part in name.split(".") if part) + b"\0"
    extra = b"\0\0\x29" + struct.pack("!HIH", 1232, 0, 0) if edns else b""
    head = struct.pack("!6H", rng.randrange(65536), 0x0100, 1, 0, 0, int(edns))
    return head + labels + struct.pack("!HH", TYPES[kind], 1) + extra


def answer(packet: bytes, rng: random.Random) -> bytes:
    """What a tunnel's far end answers: as many bytes as its record type takes; nothing to a broken packet."""
    if len(packet) < 17:
        return b""
    end = packet.find(b"\0", 12)
    if end < 0 or end + 5 > len(packet):
        return b""
    question = packet[12 : end + 5]
    (kind,) = struct.unpack("!H", packet[end + 1 : end + 3])
    if kind == TYPES["A"]:
        data = rng.randbytes(4)
    elif kind == TYPES["TXT"]:
        text = rng.randbytes(rng.choice((16, 60, 120, 180, 240)))
        data = bytes([len(text)]) + text
    elif kind in (TYPES["CNAME"], TYPES["MX"]):
        label = bytes(rng.choices(b"abcdefghijklmnopqrstuvwxyz234567", k=rng.randrange(10, 60)))
        name = bytes([len(label)]) + label + b"\x01t\x03lab\0"
        data = name if kind == TYPES["CNAME"] else b"\0\x0a" + name
    else:
        data = rng.randbytes(rng.choice((20, 80, 200, 400)))
    record = b"\xc0\x0c" + struct.pack("!HHIH", kind, 1, 0, len(data)) + data
    return packet[:2] + struct.pack("!5H", 0x8580, 1, 1, 0, 0) + question + record
