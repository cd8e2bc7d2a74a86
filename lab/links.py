"""A link between two namespaces, emulated in user space: delay, jitter, loss, rate.

Many kernels lack ``tc netem``. Two TUN devices, one in each namespace, and one small process between them do the same.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import fcntl
import json
import os
import random
import select
import signal
import struct
import sys
import time
from collections import deque
from pathlib import Path

from lab.places import Link

__all__ = ["Shaper", "enter_namespace", "main", "open_tun"]

_TUNSETIFF = 0x400454CA
_IFF_TUN, _IFF_NO_PI = 0x0001, 0x1000
_CLONE_NEWNET = 0x40000000
# A queue holds so many seconds of traffic; what comes on top is dropped at its tail.
_QUEUE_S = 0.4


class Shaper:
    """One direction of a link: tells when a packet comes out at the other end.

    Packets never overtake each other.

    Arguments:
        link: Delay, jitter, loss and rate.
        rng: Draws jitter and loss.
    """

    def __init__(self, link: Link, rng: random.Random) -> None:
        self.link = link
        self._rng = rng
        self._free = 0.0
        self._last = 0.0
        self.lost = 0
        self.overflowed = 0

    def due(self, now: float, size: int) -> float | None:
        """The time at which a packet of ``size`` bytes that enters now comes out; None: it does not."""
        if self._rng.random() < self.link.loss:
            self.lost += 1
            return None
        sent = max(now, self._free) + size * 8 / self.link.rate_bps
        if sent - now > _QUEUE_S:
            self.overflowed += 1
            return None
        self._free = sent
        jitter = self._rng.expovariate(1 / self.link.jitter_s) if self.link.jitter_s else 0.0
        self._last = max(self._last, sent + self.link.delay_s + jitter)
        return self._last


def enter_namespace(name: str) -> None:
    """Move this thread into a named network namespace.

    Raises:
        OSError: If it does not exist or entering is not permitted.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    with (Path("/run/netns") / name).open("rb") as handle:
        if libc.setns(handle.fileno(), _CLONE_NEWNET) != 0:
            code = ctypes.get_errno()
            raise OSError(code, f"cannot enter the namespace {name}: {os.strerror(code)}")


def open_tun(name: str) -> int:
    """A new TUN device in the current namespace, gone when the descriptor is closed."""
    descriptor = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(descriptor, _TUNSETIFF, struct.pack("16sH", name.encode(), _IFF_TUN | _IFF_NO_PI))
    return descriptor


class _Direction:
    def __init__(self, source: int, sink: int, shaper: Shaper) -> None:
        self.source, self.sink, self.shaper = source, sink, shaper
        self.waiting: deque[tuple[float, bytes]] = deque()
        self.packets = 0
        self.latest = 0.0

    def read(self) -> None:
        for _ in range(64):
            try:
                packet = os.read(self.source, 2048)
            except BlockingIOError:
                return
            except OSError:  # the device is not up yet
                return
            due = self.shaper.due(time.monotonic(), len(packet))
            if due is not None:
                self.waiting.append((due, packet))

    def write(self) -> float | None:
        """Deliver what is due; the time of the next packet."""
        while self.waiting:
            due, packet = self.waiting[0]
            now = time.monotonic()
            if due > now:
                return due
            self.waiting.popleft()
            self.packets += 1
            self.latest = max(self.latest, now - due)
            try:
                os.write(self.sink, packet)
            except OSError:  # the device went down at the end of the recording
                self.shaper.overflowed += 1
        return None

    def report(self) -> dict[str, float]:
        return {
            "packets": self.packets,
            "lost": self.shaper.lost,
            "overflowed": self.shaper.overflowed,
            "latest_s": round(self.latest, 4),
        }


def main(argv: list[str] | None = None) -> int:
    """Emulate one link until SIGTERM, then write a report."""
    parser = argparse.ArgumentParser(prog="lab.links")
    for name in ("near", "near-device", "far", "far-device", "report", "seed"):
        parser.add_argument(f"--{name}", required=True)
    for name in ("delay", "jitter", "loss", "rate"):
        parser.add_argument(f"--{name}", required=True, type=float)
    args = parser.parse_args(argv)
    stop: list[int] = []
    # A late packet is a wrong round trip; the link needs little, but soon.
    with contextlib.suppress(PermissionError):
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
    signal.signal(signal.SIGTERM, lambda number, _: stop.append(number))
    enter_namespace(args.near)
    near = open_tun(args.near_device)
    enter_namespace(args.far)
    far = open_tun(args.far_device)
    link = Link(args.delay, args.jitter, args.loss, args.rate)
    ways = [
        _Direction(near, far, Shaper(link, random.Random(f"{args.seed} up"))),
        _Direction(far, near, Shaper(link, random.Random(f"{args.seed} down"))),
    ]
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    while not stop:
        times = [due for way in ways if (due := way.write()) is not None]
        # Half a second at most, so that a signal between two waits is seen.
        wait = min([max(0.0, min(times, default=1e18) - time.monotonic()), 0.5])
        ready, _, _ = select.select([near, far], [], [], wait)
        for way in ways:
            if way.source in ready:
                way.read()
    Path(args.report).write_text(json.dumps({"up": ways[0].report(), "down": ways[1].report()}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
