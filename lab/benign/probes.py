"""What benign monitors do: connections that fail, end at once, stay half open, and small sweeps."""

from __future__ import annotations

import asyncio
import contextlib

from lab.client import Client
from lab.places import DEAD, OPEN_TCP, SERVERS
from lab.segments import FORMS, raw_socket, segment

__all__ = ["TASKS"]

_CLOSED = (
    23,
    25,
    110,
    111,
    135,
    139,
    143,
    389,
    445,
    993,
    1433,
    3000,
    3306,
    3389,
    5432,
    5900,
    8000,
    8443,
    8888,
    9090,
    9200,
    11211,
    27017,
)


async def bare_connect(c: Client) -> None:
    """Is the port open? Connect, close."""
    target = c.rng.choice(SERVERS)
    for _ in range(c.rng.choice((1, 1, 2, 4))):
        async with c.connect(target, c.rng.choice(OPEN_TCP)) as s:
            if c.rng.random() < 0.4:
                s.reset()
        await c.think(c.rng.choice((0.02, 0.5)), 2)


async def half_open(c: Client) -> None:
    """Load balancers send a SYN, see the answer and reset."""
    target = c.rng.choice(SERVERS)
    form = c.rng.choice(list(FORMS))
    ports = c.rng.choice((OPEN_TCP, _CLOSED))
    pause = c.rng.choice((0.02, 0.2, 1.0))
    same = c.rng.random() < 0.5
    port = c.rng.choice(ports)
    with raw_socket(c.address) as raw:
        for _ in range(c.rng.choice((1, 2, 4, 9))):
            source_port = c.port() or c.rng.randrange(61000, 65000)
            aim = port if same else c.rng.choice(ports)
            raw.sendto(segment(c.address, target, source_port, aim, c.rng.getrandbits(32), form), (target, 0))
            await asyncio.sleep(pause)


async def closed_port(c: Client) -> None:
    """A service that was switched off, asked again and again."""
    target = c.rng.choice(SERVERS)
    port = c.rng.choice(_CLOSED)
    for _ in range(c.rng.choice((1, 2, 3, 6))):
        with contextlib.suppress(OSError, TimeoutError):
            async with c.connect(target, port):
                pass
        await c.think(c.rng.choice((0.05, 0.6)), 3)


async def dead_address(c: Client) -> None:
    """A server that is gone: no answer at all, the kernel tries again."""
    for _ in range(c.rng.choice((1, 1, 2))):
        with contextlib.suppress(OSError, TimeoutError):
            async with c.connect(
                c.rng.choice(DEAD), c.rng.choice((*OPEN_TCP, *_CLOSED)), seconds=c.rng.choice((0.5, 1.5, 4.0))
            ):
                pass


async def dead_datagram(c: Client) -> None:
    """A closed UDP port: an ICMP answer, or none."""
    target = c.rng.choice((*SERVERS, *DEAD[:2]))
    for _ in range(c.rng.choice((1, 1, 2, 4))):
        with c.datagrams(target, c.rng.choice((67, 69, 137, 161, 500, 1194, 1900, 4500, 5060, 5353, 33434))) as sock:
            # Programs send a request; a liveness check sends an empty datagram.
            await c.ask(sock, c.rng.randbytes(c.rng.choice((0, 0, 8, 40, 120))), 0.4)


async def inventory(c: Client) -> None:
    """The asset list is brought up to date: a few ports of every server, banners read."""
    ports = c.rng.sample((*OPEN_TCP, *_CLOSED), k=c.rng.randint(3, 12))
    listen = c.rng.random() < 0.5
    for port in ports:
        with contextlib.suppress(OSError, TimeoutError):
            async with c.connect(c.rng.choice(SERVERS), port, seconds=1) as s:
                if listen:
                    if port in (80, 8080):
                        await s.send(c.rng.choice((b"HEAD / HTTP/1.0\r\n\r\n", b"GET / HTTP/1.0\r\n\r\n", b"\r\n\r\n")))
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(s.reader.read(500), c.rng.choice((0.3, 1.5)))
        await asyncio.sleep(c.rng.choice((0.0, 0.1)))


async def nmap(c: Client) -> None:
    """An administrator's own sweep, version check or UDP check with the well-known tool."""
    base = ["nmap", "-n", "-Pn", "-S", c.address, "-e", c.device, "--max-retries", "1", "--host-timeout", "9s"]
    kind = c.rng.random()
    if kind < 0.5:
        ports = c.rng.sample((*OPEN_TCP, *_CLOSED), k=c.rng.randint(2, 9))
        await c.tool(*base, c.rng.choice(("-sS", "-sS", "-sT")), "-p", ",".join(map(str, ports)), c.rng.choice(SERVERS))
    elif kind < 0.75:
        port = c.rng.choice(OPEN_TCP)
        await c.tool(
            *base, "-sV", "--version-intensity", str(c.rng.randint(0, 3)), "-p", str(port), c.rng.choice(SERVERS)
        )
    else:
        ports = c.rng.sample((53, 123, 137, 161, 500, 514, 1900, 5004, 5060), k=c.rng.randint(1, 4))
        await c.tool(*base, "-sU", "-p", ",".join(map(str, ports)), c.rng.choice(SERVERS))


async def echo(c: Client) -> None:
    """Ping."""
    target = c.rng.choice((*SERVERS, *SERVERS, DEAD[0]))
    await c.tool(
        "ping", "-n", "-q", "-I", c.address, "-c", str(c.rng.randint(1, 4)), "-i", "0.3", "-W", "1", target, seconds=6
    )


TASKS = (
    (bare_connect, 2.4, True),
    (half_open, 1.8, True),
    (closed_port, 2.6, True),
    (dead_address, 1.0, True),
    (dead_datagram, 1.6, False),
    (inventory, 0.8, True),
    (nmap, 0.4, False),
    (echo, 0.3, False),
)
