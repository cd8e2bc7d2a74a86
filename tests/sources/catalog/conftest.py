"""A local web server that can be told to misbehave."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest


@dataclass
class Site:
    """What the server offers and how it behaves; ``requests`` holds path and Range of every request.

    ``cut_after`` ends each of the next ``cuts`` answers after so many bytes; ``fail`` answers the next requests with
    these status codes; ``redirects`` leads paths elsewhere.
    """

    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    etag: str | None = '"v1"'
    modified: str | None = None
    ranges: bool = True
    length: bool = True
    cut_after: int = 0
    cuts: int = 0
    fail: list[int] = field(default_factory=list)
    redirects: dict[str, str] = field(default_factory=dict)
    requests: list[tuple[str, str | None]] = field(default_factory=list)


class Handler(BaseHTTPRequestHandler):
    site: Site

    def do_GET(self) -> None:
        site = self.site
        asked = self.headers.get("Range")
        site.requests.append((self.path, asked))
        if site.fail:
            self.send_error(site.fail.pop(0))
        elif self.path in site.redirects:
            self.send_response(302)
            self.send_header("Location", site.redirects[self.path])
            self.end_headers()
        elif self.path not in site.files:
            self.send_error(404)
        else:
            self._send(site, site.files[self.path], asked)

    def _send(self, site: Site, body: bytes, asked: str | None) -> None:
        start = 0
        mark = site.etag or site.modified
        if asked and site.ranges and self.headers.get("If-Range") == mark:
            match = re.fullmatch(r"bytes=(\d+)-", asked)
            assert match is not None
            start = int(match.group(1))
            if start >= len(body):
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{len(body)}")
                self.end_headers()
                return
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
        else:
            self.send_response(200)
        if site.etag:
            self.send_header("ETag", site.etag)
        if site.modified:
            self.send_header("Last-Modified", site.modified)
        if site.length:
            self.send_header("Content-Length", str(len(body) - start))
        self.end_headers()
        rest = body[start:]
        if site.cuts > 0:
            site.cuts -= 1
            rest = rest[: site.cut_after]
        with suppress(ConnectionError):  # the client may hang up first
            self.wfile.write(rest)

    def log_message(self, *args: object) -> None:
        """Keep the tests' output clean."""


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """Run the server for one test, reached without any proxy."""
    monkeypatch.setenv("no_proxy", "*")
    offered = Site()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Handler,), {"site": offered}))
    offered.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield offered
    server.shutdown()
    server.server_close()
    thread.join()
