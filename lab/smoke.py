"""A miniature of the lab for continuous integration: iproute2 and the standard library alone, some twenty seconds.

One namespace for a server, a cable to it, benign requests from one address and an attack from another, a capture by the
lab's own writer, labels by the lab's own rules. What it made is gone at its end; it looks and says so.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections import Counter
from ipaddress import ip_address
from pathlib import Path

from lab.capture import PcapWriter, read_packets
from lab.errors import LabError, NotPermittedError
from lab.isolation import arrange_inside, isolate, refuse_leftovers, run
from lab.labels import BENIGN, UNASSIGNED, Flow, assign, strangers
from lab.links import enter_namespace
from lab.places import PREFIX, SERVER
from lab.schedule import Action, Window

__all__ = ["flows_of", "smoke", "smoke_inside"]

_USER, _ATTACKER, _SERVER = "10.77.1.11", "10.77.1.61", "10.77.0.10"
_SECONDS = 8.0
_PORT, _SCANNED = 8080, range(8000, 8400)
_ALL_PROTOCOLS = 0x0003
# Neighbour discovery would put addresses on the wire that are not the lab's.
_NO_IPV6 = "for f in /proc/sys/net/ipv6/conf/*/disable_ipv6; do [ ! -e $f ] || echo 1 > $f; done"
_LIMIT = 60.0


def smoke(out: Path | None = None) -> str:
    """Run the miniature; what it saw, as JSON.

    Arguments:
        out: A new directory for the capture; by default one that is deleted.

    Raises:
        NotPermittedError: If namespaces may not be made here.
        LabError: If anything is not as it must be.
    """
    for tool in ("ip", "unshare"):
        if shutil.which(tool) is None:
            raise NotPermittedError(f"{tool} is missing: install iproute2 and util-linux.")
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch) / "smoke" if out is None else out.absolute()
        refuse_leftovers(place)
        place.mkdir(parents=True)
        code = isolate(["smoke", "--out", str(place)], seconds=_LIMIT)
        if code == 77:  # the reason is on standard error already
            raise NotPermittedError("the miniature could not build its network.")
        if code != 0:
            raise LabError(f"The miniature failed (exit code {code}).")
        return _summary(place)


def smoke_inside(out: Path) -> None:
    """The miniature itself, inside the lab's own place."""
    arrange_inside()
    run("ip", "netns", "add", SERVER)
    for enter in ((), ("nsenter", f"--net=/run/netns/{SERVER}")):
        run(*enter, "sh", "-c", _NO_IPV6)
    run("ip", "link", "add", "u0", "type", "veth", "peer", "name", "s0", "netns", SERVER)
    for address in (_USER, _ATTACKER):
        run("ip", "addr", "add", f"{address}/16", "dev", "u0")
    run("ip", "link", "set", "u0", "up")
    run("ip", "-n", SERVER, "addr", "add", f"{_SERVER}/16", "dev", "s0")
    run("ip", "-n", SERVER, "link", "set", "s0", "up")
    begin = time.time()
    roles = [["serve"], ["capture", str(out / "capture.pcap")]]
    base = [sys.executable, "-m", "lab.smoke"]
    children = [subprocess.Popen([*base, *role], stdout=subprocess.PIPE, text=True) for role in roles]
    for child in children:
        if child.stdout is None or child.stdout.readline() != "ready\n":
            raise LabError("A part of the miniature did not start.")
    asyncio.run(_traffic())
    time.sleep(0.5)
    for child in children:
        child.send_signal(signal.SIGTERM)
        child.wait(timeout=10)
    run("ip", "netns", "del", SERVER)
    left = [p.name for p in Path("/proc").iterdir() if p.name.isdigit() and p.name != "1"]
    if left:
        raise LabError(f"Processes are left: {', '.join(left)}.")
    (out / "begin.json").write_text(json.dumps(begin))


def flows_of(path: Path, begin: float) -> list[Flow]:
    """The TCP and UDP conversations of a capture, as far as labels need them.

    Arguments:
        path: A capture of the lab.
        begin: Wall-clock time of the recording's start.
    """
    seen: dict[tuple[int, frozenset[tuple[str, int]]], Flow] = {}
    for when, frame in read_packets(path):
        if frame[12:14] != b"\x08\x00" or frame[23] not in (6, 17):
            continue
        source, target = (str(ip_address(frame[i : i + 4])) for i in (26, 30))
        first = 14 + (frame[14] & 15) * 4
        near, far = struct.unpack("!HH", frame[first : first + 4])
        key = (frame[23], frozenset([(source, near), (target, far)]))
        seen.setdefault(key, Flow(source, target, near, far, frame[23], when - begin))
    return list(seen.values())


def _summary(place: Path) -> str:
    begin = json.loads((place / "begin.json").read_text())
    flows = flows_of(place / "capture.pcap", begin)
    window = Window(0, "portscan", "s1a", 1, 0.0, _LIMIT, (), Action("own"))
    counts = Counter(label.family for label in assign(flows, [window]))
    foreign = strangers([a for flow in flows for a in (flow.source, flow.target)])
    if foreign or counts[UNASSIGNED]:
        raise LabError(f"Flows of strangers ({', '.join(foreign)}) or of nobody ({counts[UNASSIGNED]}).")
    packets = sum(1 for _ in read_packets(place / "capture.pcap"))
    seen = {"packets": packets, "benign": counts[BENIGN], "attack": counts["portscan"], "prefix": str(PREFIX)}
    return json.dumps(seen)


async def _traffic() -> None:
    rng = random.Random("lab smoke")
    end = time.monotonic() + _SECONDS

    async def benign() -> None:
        while time.monotonic() < end:
            reader, writer = await asyncio.open_connection(_SERVER, _PORT, local_addr=(_USER, 0))
            for _ in range(rng.randint(1, 3)):
                writer.write(f"give {rng.randrange(20_000)}\n".encode())
                size = int(await reader.readline())
                await reader.readexactly(size)
            writer.close()
            await asyncio.sleep(rng.expovariate(30))

    async def attack() -> None:
        for port in _SCANNED:
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection(_SERVER, port, local_addr=(_ATTACKER, 0))
                writer.close()
            await asyncio.sleep(rng.expovariate(len(_SCANNED) / (_SECONDS - 1)))

    await asyncio.wait_for(asyncio.gather(benign(), benign(), attack()), timeout=_LIMIT / 2)


async def _serve() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, ValueError):
            while line := await reader.readline():
                size = min(100_000, int(line.split()[1]))
                writer.write(b"%d\n" % size + b"x" * size)
                await writer.drain()
        writer.close()

    await asyncio.start_server(talk, _SERVER, _PORT)
    _ready()
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    await stopped.wait()


def _capture(path: Path) -> None:
    stop: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: stop.append(number))
    writer = PcapWriter(path)
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ALL_PROTOCOLS)) as sock:
        sock.bind(("s0", _ALL_PROTOCOLS))
        sock.settimeout(0.2)
        _ready()
        while not stop:
            with contextlib.suppress(TimeoutError):
                frame = sock.recv(65536)
                writer.write(time.time(), frame)
    writer.close()


def _ready() -> None:
    os.write(1, b"ready\n")


if __name__ == "__main__":
    enter_namespace(SERVER)
    if sys.argv[1] == "serve":
        asyncio.run(_serve())
    else:
        _capture(Path(sys.argv[2]))
