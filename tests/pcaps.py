"""Small captures made by hand: UDP between made-up hosts, in any link type, as pcap and pcapng."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from pathlib import Path

HEADS = {
    0: struct.pack("<I", 2),
    1: bytes(12) + b"\x08\x00",
    101: b"",
    113: b"\x00\x00\x00\x01\x00\x06" + bytes(8) + b"\x08\x00",
    105: b"\x08\x00" + bytes(22) + b"\xaa\xaa\x03\x00\x00\x00\x08\x00",
}


def udp(source: int, destination: int, size: int = 40, host: int = 1) -> bytes:
    """An IPv4 packet with a UDP datagram from 10.0.0.host to 10.0.1.1."""
    body = struct.pack(">HHHH", source, destination, 8 + size, 0) + bytes(size)
    total = 20 + len(body)
    return (
        struct.pack(">BBHHHBBH4s4s", 0x45, 0, total, 1, 0, 64, 17, 0, bytes([10, 0, 0, host]), b"\x0a\x00\x01\x01")
        + body
    )


def records(packets: Iterable[tuple[float, bytes]], link: int = 1, order: str = "<") -> bytes:
    """pcap records of IP packets."""
    found = b""
    for time, packet in packets:
        data = HEADS[link] + packet
        found += struct.pack(f"{order}IIII", int(time), round(time % 1 * 1e6), len(data), len(data)) + data
    return found


def pcap(packets: Iterable[tuple[float, bytes]], link: int = 1, order: str = "<") -> bytes:
    """A pcap file."""
    return struct.pack(f"{order}IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, link) + records(packets, link, order)


def _block(kind: int, body: bytes) -> bytes:
    body += bytes(-len(body) % 4)
    length = struct.pack("<I", 12 + len(body))
    return struct.pack("<I", kind) + length + body + length


def pcapng(packets: Iterable[tuple[float, bytes]], links: tuple[int, ...] = (1,)) -> bytes:
    """A pcapng file whose packets are of its interfaces in turn."""
    found = _block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1))
    for link in links:
        found += _block(1, struct.pack("<HHI", link, 0, 65535))
    for number, (time, packet) in enumerate(packets):
        data = HEADS[links[number % len(links)]] + packet
        stamp = round(time * 1e6)
        head = struct.pack("<IIIII", number % len(links), stamp >> 32, stamp & 0xFFFFFFFF, len(data), len(data))
        found += _block(6, head + data)
    return found


def some(count: int = 10, begin: float = 1.7e9, apart: float = 0.01) -> list[tuple[float, bytes]]:
    """Packets of as many flows, one after the other."""
    return [(begin + number * apart, udp(1000 + number, 53)) for number in range(count)]


def real(data_dir: Path) -> list[Path]:
    """The real captures at hand."""
    return sorted((data_dir / "pcap").glob("*.pcap*"))
