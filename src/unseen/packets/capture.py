"""Walks the records of a capture file, without looking into the packets.

libpcap stops at the first record it cannot read and the meter then reports fewer flows without a word. So the records
are counted here as well, by their headers alone: how many are whole, where damage begins, whether times run backwards.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from unseen.atomic import os_words
from unseen.errors import InputError

__all__ = ["CaptureReport", "is_capture", "link_name", "walk_capture"]

_PCAP = {
    b"\xd4\xc3\xb2\xa1": ("<", 16, 1000),
    b"\xa1\xb2\xc3\xd4": (">", 16, 1000),
    b"\x4d\x3c\xb2\xa1": ("<", 16, 1),
    b"\xa1\xb2\x3c\x4d": (">", 16, 1),
    # A patched libpcap of old wrote eight more bytes a record.
    b"\x34\xcd\xb2\xa1": ("<", 24, 1000),
    b"\xa1\xb2\xcd\x34": (">", 24, 1000),
}
_PCAPNG = b"\x0a\x0d\x0d\x0a"
_FOREIGN = {
    b"\x1f\x8b": "is compressed (gzip): gunzip it first",
    b"\x28\xb5\x2f\xfd": "is compressed (zstd): unzstd it first",
    b"\xfd7zXZ": "is compressed (xz): unxz it first",
    b"BZh": "is compressed (bzip2): bunzip2 it first",
    b"PK\x03\x04": "is a zip archive: unpack it first",
}
# What libpcap accepts as one record, and as one block of pcapng.
_LARGEST_RECORD = 262_144
_LARGEST_BLOCK = 16 * 1024 * 1024
# Shorter records lose TCP flags or lengths behind long headers.
_SNAP = 96
_LINKS = {
    0: "BSD loopback",
    1: "Ethernet",
    9: "PPP",
    12: "raw IP",
    14: "raw IP",
    50: "PPP over HDLC",
    101: "raw IP",
    104: "Cisco HDLC",
    105: "IEEE 802.11",
    113: "Linux cooked v1",
    127: "IEEE 802.11 with radiotap",
    228: "IPv4",
    229: "IPv6",
    249: "USB",
    276: "Linux cooked v2",
}


@dataclass
class CaptureReport:
    """What the records of one capture look like.

    Attributes:
        path: The file.
        size: Its bytes.
        records: Whole records, up to the first that cannot be read.
        link_types: Link types of the interfaces that have records, or of the file.
        cut: Whether the last record is cut off.
        damaged_at: The byte at which reading has to stop because lengths make no sense, or ``None``.
        backwards: Records with an earlier time than one before them.
        short: Records of which fewer than 96 bytes, and not all, were kept.
        first: Time of the first record, nanoseconds since 1970, or ``None``.
        last: The latest time of a record.
    """

    path: Path
    size: int
    records: int = 0
    link_types: tuple[int, ...] = ()
    cut: bool = False
    damaged_at: int | None = None
    backwards: int = 0
    short: int = 0
    first: int | None = None
    last: int | None = None

    @property
    def whole(self) -> bool:
        """Whether every byte of the file could be accounted for."""
        return not self.cut and self.damaged_at is None

    def add(self, time: int | None, kept: int, length: int) -> None:
        """Count one record."""
        self.records += 1
        self.short += kept < min(length, _SNAP)
        if time is None:
            return
        if self.first is None or self.last is None:
            self.first = self.last = time
        self.backwards += time < self.last
        self.last = max(self.last, time)

    def notes(self) -> list[str]:
        """What a user should know, in words."""
        lines = []
        if self.cut:
            lines.append(f"{self.path}: {self.records:,} of {self.records + 1:,} records read, the last one is cut off")
        if self.damaged_at is not None:
            share = 100 * self.damaged_at / self.size
            lines.append(
                f"{self.path}: {self.records:,} records read, up to byte {self.damaged_at:,} ({share:.1f} % of the "
                "file); it is damaged there and the rest is not read"
            )
        if self.backwards:
            lines.append(
                f"{self.path}: {self.backwards:,} of {self.records:,} records are older than one before them; "
                "they count with the later time"
            )
        if self.short:
            lines.append(
                f"{self.path}: {self.short:,} of {self.records:,} records were kept to fewer than {_SNAP} bytes; "
                "sizes and flags may be missing, record with a snap length of 96 or more"
            )
        return lines


def is_capture(head: bytes) -> bool:
    """Whether a file that begins with these bytes is a packet capture.

    Example:
        >>> is_capture(bytes.fromhex("d4c3b2a1")), is_capture(b"time,bytes")
        (True, False)
    """
    return head[:4] in _PCAP or head[:4] == _PCAPNG


def link_name(link: int) -> str:
    """A link type in words.

    Example:
        >>> link_name(105)
        '105 (IEEE 802.11)'
    """
    return f"{link} ({_LINKS[link]})" if link in _LINKS else str(link)


def walk_capture(path: str | Path) -> CaptureReport:
    """Count the records of a pcap or pcapng file.

    Arguments:
        path: The file.

    Raises:
        InputError: If it is no capture, is empty, or cannot be read.
    """
    path = Path(path)
    try:
        if not path.is_file():
            raise InputError(f"{path}: {'is no regular file' if path.exists() else 'no such file'}")
        report = CaptureReport(path, path.stat().st_size)
        with path.open("rb", buffering=1 << 20) as file:
            head = file.read(8)
            _refuse_foreign(path, head)
            file.seek(0)
            if head[:4] == _PCAPNG:
                _Blocks(file, report).walk()
            else:
                _walk_records(file, report, *_PCAP[head[:4]])
    except OSError as error:
        raise InputError(f"{path}: {os_words(error)}") from error
    return report


def _refuse_foreign(path: Path, head: bytes) -> None:
    if not head:
        raise InputError(f"{path}: the file is empty (0 bytes)")
    for magic, words in _FOREIGN.items():
        if head.startswith(magic):
            raise InputError(f"{path}: {words}")
    if not is_capture(head):
        raise InputError(f"{path}: is no packet capture (pcap or pcapng), it begins with {head[:4].hex(' ')}")


def _walk_records(file: BinaryIO, report: CaptureReport, order: str, header: int, scale: int) -> None:
    head = file.read(24)
    if len(head) < 24:
        raise InputError(f"{report.path}: is cut off in the file header ({report.size} bytes), it holds no packet")
    report.link_types = (struct.unpack_from(f"{order}I", head, 20)[0] & 0xFFFF,)
    unpack = struct.Struct(f"{order}IIII").unpack_from
    position = 24
    while position < report.size:
        raw = file.read(header)
        if len(raw) < header:
            report.cut = True
            return
        seconds, fraction, kept, length = unpack(raw)
        if kept > _LARGEST_RECORD:
            report.damaged_at = position
            return
        if position + header + kept > report.size:
            report.cut = True
            return
        report.add(seconds * 1_000_000_000 + fraction * scale, kept, length)
        position += header + kept
        file.seek(kept, 1)


class _Blocks:
    """The blocks of a pcapng file."""

    def __init__(self, file: BinaryIO, report: CaptureReport) -> None:
        self._file = file
        self._report = report
        self._order = "<"
        # Link type and nanoseconds per unit of time of each interface of the section.
        self._interfaces: list[tuple[int, float]] = []
        self._links: dict[int, None] = {}

    def walk(self) -> None:
        for kind, body in self._blocks():
            if kind == 1 and len(body) >= 8:
                (link,) = struct.unpack_from(f"{self._order}H", body)
                self._interfaces.append((link, _resolution(body[8:], self._order)))
            elif kind in (2, 3, 6):
                self._packet(kind, body)
        if not self._links:
            self._links = {link: None for link, _ in self._interfaces[:1]}
        self._report.link_types = tuple(self._links)

    def _blocks(self) -> Iterator[tuple[int, bytes]]:
        report, position = self._report, 0
        while position < report.size:
            head = self._file.read(12)
            if len(head) < 12:
                report.cut = True
                return
            if head[:4] == _PCAPNG and not self._section(head[8:12]):
                report.damaged_at = position
                return
            kind, length = struct.unpack_from(f"{self._order}II", head)
            if length < 12 or length % 4 or length > _LARGEST_BLOCK or (not position and kind != 0x0A0D0D0A):
                report.damaged_at = position
                return
            rest = self._file.read(length - 12)
            if len(rest) < length - 12:
                report.cut = True
                return
            block = head[8:] + rest
            if struct.unpack_from(f"{self._order}I", block, len(block) - 4)[0] != length:
                report.damaged_at = position
                return
            if kind in (3, 6, 2) and not self._fits(kind, block):
                report.damaged_at = position
                return
            yield kind, block[:-4]
            position += length

    def _section(self, magic: bytes) -> bool:
        orders = {b"\x4d\x3c\x2b\x1a": "<", b"\x1a\x2b\x3c\x4d": ">"}
        if magic not in orders:
            return False
        self._order = orders[magic]
        self._interfaces = []
        return True

    def _fits(self, kind: int, block: bytes) -> bool:
        """Whether a packet block is long enough for what it says, and its interface was described before."""
        if kind == 3:
            return len(block) >= 8 and bool(self._interfaces)
        if len(block) < 24:
            return False
        interface, _, _, kept, _ = self._packet_head(kind, block)
        return interface < len(self._interfaces) and kept <= min(len(block) - 24, _LARGEST_RECORD)

    def _packet_head(self, kind: int, body: bytes) -> tuple[int, int, int, int, int]:
        head: tuple[int, int, int, int, int] = struct.unpack_from(f"{self._order}IIIII", body)
        # The obsolete packet block counts its drops in the upper half of the interface's number.
        number = struct.unpack_from(f"{self._order}H", body)[0] if kind == 2 else head[0]
        return (number, *head[1:])

    def _packet(self, kind: int, body: bytes) -> None:
        if kind == 3:
            (length,) = struct.unpack_from(f"{self._order}I", body)
            self._links.setdefault(self._interfaces[0][0])
            self._report.add(None, min(length, len(body) - 4), length)
            return
        interface, high, low, kept, length = self._packet_head(kind, body)
        link, scale = self._interfaces[interface]
        self._links.setdefault(link)
        self._report.add(round((high << 32 | low) * scale), kept, length)


def _resolution(options: bytes, order: str) -> float:
    """Nanoseconds per unit of an interface's time stamps; microseconds unless an option says otherwise."""
    position = 0
    while position + 4 <= len(options):
        code, length = struct.unpack_from(f"{order}HH", options, position)
        if code == 9 and length == 1 and position + 4 < len(options):
            value = options[position + 4]
            unit = 2.0 ** -(value & 0x7F) if value & 0x80 else 10.0**-value
            return 1e9 * unit
        if code == 0:
            break
        position += 4 + (length + 3) // 4 * 4
    return 1000.0
