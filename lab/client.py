"""One benign user: an address to speak from, and the few calls every task is made of."""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path

from lab.places import BACKGROUND_PORTS
from lab.tools import run_tool

__all__ = ["LONGEST_TASK", "Client", "Stream", "request_head"]

# A task that takes longer is given up, so that nothing outlives the recording.
LONGEST_TASK = 24.0
_AGENTS = (
    "",
    "User-Agent: curl/7.88.1\r\nAccept: */*\r\n",
    "User-Agent: Wget/1.21.3\r\nAccept: */*\r\nAccept-Encoding: identity\r\n",
    "User-Agent: python-requests/2.31.0\r\nAccept-Encoding: gzip, deflate\r\nAccept: */*\r\n",
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n"
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\nAccept-Language: en-US,en;q=0.5\r\n"
    "Accept-Encoding: gzip, deflate\r\nUpgrade-Insecure-Requests: 1\r\n",
)


@dataclass
class Stream:
    """An open TCP connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def send(self, data: bytes) -> None:
        """Write and wait until the buffer has room."""
        self.writer.write(data)
        await self.writer.drain()

    async def response(self) -> int:
        """Read one HTTP response by its length; its size."""
        head = await self.reader.readuntil(b"\r\n\r\n")
        for line in head.lower().split(b"\r\n"):
            if line.startswith(b"content-length:"):
                length = int(line.split(b":")[1])
                left = length
                while left > 0 and (part := await self.reader.read(min(left, 65536))):
                    left -= len(part)
                return len(head) + length - left
        return len(head) + len(await self.reader.read())

    def reset(self) -> None:
        """Close with a reset instead of the usual farewell."""
        sock = self.writer.get_extra_info("socket")
        with contextlib.suppress(OSError, AttributeError):  # the other side may have closed it already
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


@dataclass
class Client:
    """One user's machine.

    Attributes:
        address: Where it speaks from.
        device: The network device of that address.
        home: The run directory.
        rng: Draws everything the user does.
        background: Whether this is benign background on an attack host: source ports then come from their own range.
    """

    address: str
    device: str
    home: Path
    rng: random.Random
    background: bool = False
    _ports: Iterator[int] = field(default_factory=lambda: cycle(BACKGROUND_PORTS))
    _tls: ssl.SSLContext | None = None

    def port(self) -> int:
        """A source port to bind; 0: the kernel's choice."""
        return next(self._ports) if self.background else 0

    def curl_ports(self) -> list[str]:
        """The options that make curl speak from this user."""
        ports = [next(self._ports) for _ in range(6)] if self.background else []
        return ["--interface", self.address, *(["--local-port", f"{ports[0]}-{ports[0] + 5}"] if ports else [])]

    async def think(self, mean: float, most: float = 6.0) -> None:
        """Pause as a person or a timer does."""
        await asyncio.sleep(min(most, self.rng.expovariate(1 / mean)))

    @contextlib.asynccontextmanager
    async def connect(
        self, target: str, port: int, *, tls: bool = False, buffer: int = 0, seconds: float = 4.0
    ) -> AsyncIterator[Stream]:
        """An open connection, closed at the end.

        Arguments:
            target: The server's address.
            port: Its port.
            tls: Whether to speak TLS; certificates are not checked.
            buffer: Size of the receive buffer; 0: the kernel's.
            seconds: Give up connecting after so many.
        """
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        sock.setblocking(False)
        if buffer:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((self.address, self.port()))
        try:
            await asyncio.wait_for(asyncio.get_running_loop().sock_connect(sock, (target, port)), seconds)
        except BaseException:
            sock.close()
            raise
        # From here on the socket is the transport's, which closes it also when the handshake fails.
        context, name = (self._context(), "lab.test") if tls else (None, None)
        limit = max(1024, buffer) if buffer else 2**17
        reader, writer = await asyncio.open_connection(sock=sock, ssl=context, server_hostname=name, limit=limit)
        try:
            yield Stream(reader, writer)
        finally:
            writer.close()

    @contextlib.contextmanager
    def datagrams(self, target: str, port: int) -> Iterator[socket.socket]:
        """A connected UDP socket."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.setblocking(False)
            sock.bind((self.address, self.port()))
            sock.connect((target, port))
            yield sock

    async def ask(self, sock: socket.socket, data: bytes, seconds: float = 1.5) -> bytes:
        """Send a datagram and wait for one back; nothing after the time limit."""
        loop = asyncio.get_running_loop()
        with contextlib.suppress(TimeoutError, OSError):
            sock.send(data)
            return await asyncio.wait_for(loop.sock_recv(sock, 4096), seconds)
        return b""

    async def tool(self, *command: str, seconds: float = LONGEST_TASK, feed: str = "") -> int:
        """Run an outside tool; its exit code."""
        code, _ = await run_tool(command, seconds=seconds, home=self.home, feed=feed)
        return code

    def _context(self) -> ssl.SSLContext:
        if self._tls is None:
            self._tls = ssl.create_default_context()
            self._tls.check_hostname = False
            self._tls.verify_mode = ssl.CERT_NONE
        return self._tls


def request_head(
    rng: random.Random, method: str, path: str, *, length: int | None = None, keep: bool = True, version: str = "1.1"
) -> bytes:
    """The head of an HTTP request with one of many clients' header fields."""
    lines = f"{method} {path} HTTP/{version}\r\n"
    if version == "1.1" or rng.random() < 0.5:
        lines += "Host: lab.test\r\n"
    lines += rng.choice(_AGENTS)
    if rng.random() < 0.35:
        lines += f"Cookie: session={rng.randbytes(rng.choice((8, 16, 48, 120))).hex()}\r\n"
    if rng.random() < 0.2:
        lines += f"Referer: http://lab.test/{rng.randrange(10**6)}\r\n"
    if length is not None:
        kind = rng.choice(("application/x-www-form-urlencoded", "application/json", "application/octet-stream"))
        lines += f"Content-Type: {kind}\r\nContent-Length: {length}\r\n"
    if not keep and version == "1.1":
        lines += "Connection: close\r\n"
    return lines.encode() + b"\r\n"
