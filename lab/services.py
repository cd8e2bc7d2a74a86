"""Small services of the lab's own: web application, collector, heartbeat port, UDP, a tunnel's far end."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import random
import sys
from typing import cast
from urllib.parse import parse_qs, urlsplit

from lab.dns import answer
from lab.places import PASSWORDS

__all__ = ["main", "respond"]

_LIMIT_S = 60.0
_PAGE = b"<p>lorem ipsum dolor sit amet, consectetur adipiscing elit</p>\n"


def respond(method: str, target: str, body: bytes) -> tuple[int, bytes]:
    """What the application answers: the same for the same request.

    Arguments:
        method: HTTP method.
        target: Path and query.
        body: The request's body.

    Returns:
        Status and body.
    """
    parts = urlsplit(target)
    if parts.path == "/app/login":
        form = parse_qs(body.decode(errors="replace"))
        name, password = form.get("user", [""])[0], form.get("password", [""])[0]
        if PASSWORDS.get(name) == password:
            return 200, b"welcome " + name.encode() + b"\n" + _PAGE * 12
        return 200, b"wrong user or password\n" + _PAGE * 6
    if parts.path == "/app/search":
        digest = hashlib.sha256(parts.query.encode()).digest()
        return 200, _PAGE * (digest[0] // 4 + 1)
    if parts.path.startswith("/app/api/"):
        digest = hashlib.sha256(target.encode()).hexdigest()
        return 200, f'{{"id": "{digest}", "n": {len(body)}}}\n'.encode() * (int(digest[:2], 16) // 32 + 1)
    if parts.path in ("/app/upload", "/app/poll"):
        return 200, f"ok {len(body)}\n".encode()
    return 404, b"not found\n"


async def _web(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError, ValueError, asyncio.IncompleteReadError, TimeoutError):
        async with asyncio.timeout(_LIMIT_S):
            head = (await reader.readuntil(b"\r\n\r\n")).decode(errors="replace")
            first, *lines = head.split("\r\n")
            method, target, _ = first.split(" ", 2)
            fields = dict(line.lower().split(": ", 1) for line in lines if ": " in line)
            body = await reader.readexactly(min(int(fields.get("content-length", 0)), 20_000_000))
            if target.startswith("/app/poll"):
                wait = parse_qs(urlsplit(target).query).get("s", ["1"])[0]
                await asyncio.sleep(min(20.0, float(wait)))
            status, answer_body = respond(method, target, body)
            head = f"HTTP/1.0 {status} X\r\nContent-Type: text/html\r\nContent-Length: {len(answer_body)}\r\n\r\n"
            writer.write(head.encode() + answer_body)
            await writer.drain()
    writer.close()


async def _collector(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError, TimeoutError):
        async with asyncio.timeout(_LIMIT_S):
            while await reader.read(65536):
                pass
            writer.write(b"stored\n")
            await writer.drain()
    writer.close()


async def _heartbeat(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError, TimeoutError):
        async with asyncio.timeout(_LIMIT_S):
            while message := await reader.read(4096):
                writer.write(b"ack " + message[:64])
                await writer.drain()
    writer.close()


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, kind: str, rng: random.Random) -> None:
        self.kind, self.rng = kind, rng

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # asyncio's own class for datagrams does not derive from the one it documents.
        self.transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        reply = b""
        if self.kind == "time":
            reply = data[:48].ljust(48, b"\0")
        elif self.kind == "media":
            # Two thirds of a call's packets are answered: the other side speaks less.
            reply = data if self.rng.random() < 0.67 else b""
        elif self.kind == "tunnel":
            reply = answer(data, self.rng)
        if reply:
            self.transport.sendto(reply, addr)


async def _serve(seed: str) -> None:
    rng = random.Random(f"lab services {seed}")
    await asyncio.start_server(_web, "127.0.0.1", 9001, limit=2**17)
    await asyncio.start_server(_collector, "0.0.0.0", 9000)
    await asyncio.start_server(_heartbeat, "0.0.0.0", 7000)
    loop = asyncio.get_running_loop()
    for kind, where in (("time", ("0.0.0.0", 123)), ("log", ("0.0.0.0", 514)), ("media", ("0.0.0.0", 5004)),
                        ("tunnel", ("127.0.0.1", 5353))):  # fmt: skip
        await loop.create_datagram_endpoint(lambda kind=kind: _Datagrams(kind, rng), local_addr=where)
    await asyncio.Event().wait()


def main() -> None:
    """Serve until the lab ends."""
    asyncio.run(_serve(sys.argv[1]))


if __name__ == "__main__":
    main()
