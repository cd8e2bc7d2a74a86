"""Single TCP segments through a raw socket: half-open checks and floods know no full connection."""

from __future__ import annotations

import socket
import struct

__all__ = ["FORMS", "raw_socket", "segment"]

# Option bytes of a SYN as different senders write them: none, segment size alone, a full system's.
FORMS = {
    "bare": b"",
    "mss": b"\x02\x04\x05\xb4",
    "full": b"\x02\x04\x05\xb4\x04\x02\x08\x0a\x00\x01\x86\xa0\x00\x00\x00\x00\x01\x03\x03\x07",
}


def segment(
    source: str, target: str, source_port: int, port: int, sequence: int, form: str, flags: int = 0x02
) -> bytes:
    """A TCP segment without data, checksum included.

    Arguments:
        source: The sender's address.
        target: The receiver's address.
        source_port: From this port.
        port: To this port.
        sequence: The initial sequence number.
        form: A key of ``FORMS``.
        flags: The flag byte; 2 is SYN.
    """
    options = FORMS[form]
    offset = (20 + len(options)) // 4 << 4
    head = struct.pack("!HHIIBBHHH", source_port, port, sequence, 0, offset, flags, 1024 * 8, 0, 0) + options
    pseudo = socket.inet_aton(source) + socket.inet_aton(target) + struct.pack("!BBH", 0, 6, len(head))
    total = sum(struct.unpack(f"!{(len(pseudo) + len(head)) // 2}H", pseudo + head))
    total = (total & 0xFFFF) + (total >> 16)
    total += total >> 16
    return head[:16] + struct.pack("!H", ~total & 0xFFFF) + head[18:]


def raw_socket(source: str) -> socket.socket:
    """A socket that sends such segments; the kernel answers what comes back with a reset, since nobody expects it."""
    raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_TCP)
    raw.bind((source, 0))
    # Replies are the kernel's business: what piles up here is never read.
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 0)
    return raw
