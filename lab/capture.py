"""Captures: tcpdump for a recording, and a reader that looks at every packet's addresses."""

from __future__ import annotations

import re
import signal
import struct
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from lab.errors import LabError

__all__ = ["PcapWriter", "read_packets", "start_tcpdump", "stop_tcpdump"]

_MAGIC = 0xA1B2C3D4
_ETHERNET = 1
_SNAP = 200


def start_tcpdump(namespace: str, device: str, path: Path) -> subprocess.Popen[str]:
    """Capture on a device until stopped."""
    command = ["ip", "netns", "exec", namespace, "tcpdump", "-n", "-Z", "root", "-i", device, "-B", "32768"]
    command += ["-s", str(_SNAP), "-w", str(path)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    limit = time.monotonic() + 10
    while not path.exists():
        if process.poll() is not None or time.monotonic() > limit:
            raise LabError(f"tcpdump did not start: {process.stderr.read() if process.stderr else ''}")
        time.sleep(0.05)
    return process


def stop_tcpdump(process: subprocess.Popen[str]) -> dict[str, int]:
    """Stop, and count: packets captured, received by the filter, dropped by the kernel."""
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=30)
    counts = {name: int(number) for number, name in re.findall(r"(\d+) packets? (captured|received|dropped)", said)}
    if "captured" not in counts:
        raise LabError(f"tcpdump ended without its counts: {said.strip()}")
    return counts


class PcapWriter:
    """A capture file written by ourselves: for machines without tcpdump.

    Arguments:
        path: A new file.
    """

    def __init__(self, path: Path) -> None:
        self._file = path.open("xb")
        self._file.write(struct.pack("<IHHiIII", _MAGIC, 2, 4, 0, 0, 65535, _ETHERNET))
        self.packets = 0

    def write(self, when: float, frame: bytes) -> None:
        """Add one frame."""
        seconds = int(when)
        head = struct.pack("<IIII", seconds, int((when - seconds) * 1e6), len(frame), len(frame))
        self._file.write(head + frame)
        self.packets += 1

    def close(self) -> None:
        """Finish the file."""
        self._file.close()


def read_packets(path: Path) -> Iterator[tuple[float, bytes]]:
    """Time and bytes of every packet.

    Raises:
        LabError: If the file is no capture of ours or ends inside a packet.
    """
    with path.open("rb") as file:
        head = file.read(24)
        if (
            len(head) < 24
            or struct.unpack("<I", head[:4])[0] != _MAGIC
            or struct.unpack("<I", head[20:])[0] != _ETHERNET
        ):
            raise LabError(f"{path}: no Ethernet capture in the little-endian pcap format.")
        while record := file.read(16):
            if len(record) < 16:
                raise LabError(f"{path}: the last packet's head is cut off.")
            seconds, micro, kept, _ = struct.unpack("<IIII", record)
            frame = file.read(kept)
            if len(frame) < kept:
                raise LabError(f"{path}: the last packet is cut off.")
            yield seconds + micro / 1e6, frame
