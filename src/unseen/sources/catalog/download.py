"""Downloads one file over HTTP: resumed, retried, verified, and visible only when complete.

A cut download leaves ``NAME.part`` and, beside it, what the server said of the file's version. The next attempt asks
for the rest only of that same version (``If-Range``), so that two versions are never glued together.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import logging
import re
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any
from urllib.parse import urljoin, urlsplit

from unseen.atomic import os_words
from unseen.errors import InputError

__all__ = ["digest", "download"]

_log = logging.getLogger("unseen.sources")
_CHUNK = 1 << 18
_RETRIED = (408, 425, 429, 500, 502, 503, 504)


def download(
    url: str,
    target: Path,
    *,
    sha256: str | None = None,
    progress: Callable[[int, int | None], None] | None = None,
    attempts: int = 5,
    timeout: float = 30.0,
    pause: float = 1.0,
) -> str:
    """Download a file.

    Arguments:
        url: Where from; http and https only, also after redirects.
        target: Where to; its folder must exist. An interrupted download is resumed.
        sha256: The digest the file must have; None if unknown.
        progress: Called with the bytes done and the bytes in all (None where the server does not say).
        attempts: Failures in a row without a new byte after which to give up.
        timeout: Seconds without a byte that count as a failure.
        pause: Seconds before the second attempt, doubled before each further one, at most 60.

    Returns:
        The file's SHA-256 digest.

    Raises:
        InputError: If the server refuses, the connection keeps failing, the digest is wrong or the disk is full.
    """
    _check_scheme(url, None)
    part = _Part(target)
    failures, best = 0, part.size()
    while True:
        try:
            _attempt(url, part, progress, timeout)
            break
        except urllib.error.HTTPError as error:
            error.close()
            if error.code not in _RETRIED:
                raise InputError(f"{url}: the server answers {error.code} {error.reason}") from error
            cause: Exception = error
        except (http.client.HTTPException, urllib.error.URLError, TimeoutError, ConnectionError, ssl.SSLError) as error:
            cause = error
        except OSError as error:
            raise InputError(f"{target}: not downloaded, {os_words(error)}") from error
        failures = 1 if part.size() > best else failures + 1
        best = max(best, part.size())
        if failures >= attempts:
            raise InputError(
                f"{url}: the connection failed {failures} times in a row ({_reason(cause)}); "
                f"{part.size():,} bytes are kept, the same command resumes"
            ) from cause
        _log.info("%s: %s, attempt %d follows", url, _reason(cause), failures + 1)
        time.sleep(min(60.0, pause * 2 ** (failures - 1)))
    found = digest(part.path)
    if sha256 is not None and found != sha256.lower():
        part.discard()
        raise InputError(f"{url}: the SHA-256 digest is {found}, expected {sha256}; the download was thrown away")
    part.finish(target)
    return found


def digest(path: Path) -> str:
    """Return a file's SHA-256 digest in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@dataclass(frozen=True)
class _Version:
    """What tells one version of the server's file from another: a strong ETag, else the date of change."""

    url: str
    mark: str


class _Part:
    """The incomplete file and the note of its version."""

    def __init__(self, target: Path) -> None:
        self.path = target.with_name(target.name + ".part")
        self._note = target.with_name(target.name + ".part.json")

    def size(self) -> int:
        return self.path.stat().st_size if self.path.exists() else 0

    def version(self, url: str) -> _Version | None:
        """Return the version of the bytes at hand, if they can be continued from this address."""
        try:
            known = json.loads(self._note.read_text(encoding="utf-8"))
            version = _Version(str(known["url"]), str(known["mark"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return version if version.url == url and self.size() > 0 else None

    def start(self, version: _Version | None) -> IO[bytes]:
        """Begin anew with a file of this version."""
        self._note.unlink(missing_ok=True)
        file = self.path.open("wb")
        if version is not None:
            self._note.write_text(json.dumps({"url": version.url, "mark": version.mark}), encoding="utf-8")
        return file

    def proceed(self) -> IO[bytes]:
        return self.path.open("ab")

    def discard(self) -> None:
        self.path.unlink(missing_ok=True)
        self._note.unlink(missing_ok=True)

    def finish(self, target: Path) -> None:
        self.path.replace(target)
        self._note.unlink(missing_ok=True)


def _attempt(url: str, part: _Part, progress: Callable[[int, int | None], None] | None, timeout: float) -> None:
    version = part.version(url)
    headers = {"User-Agent": "unseen", "Accept-Encoding": "identity"}
    if version is not None:
        headers |= {"Range": f"bytes={part.size()}-", "If-Range": version.mark}
    try:
        response = _OPENER.open(urllib.request.Request(url, headers=headers), timeout=timeout)
    except urllib.error.HTTPError as error:
        if error.code != 416:
            raise
        # All bytes may be here already; if not, what is here cannot be continued.
        error.close()
        if _total(error.headers.get("Content-Range")) != part.size():
            part.discard()
            raise ConnectionError("the server cannot continue this file") from error
        return
    with response:
        continued = response.status == 206 and _start(response.headers.get("Content-Range")) == part.size()
        if response.status == 206 and not continued:
            part.discard()
            raise ConnectionError("the server sent another part than asked for")
        done = part.size() if continued else 0
        length = response.headers.get("Content-Length")
        total = done + int(length) if length is not None and length.isdigit() else None
        with part.proceed() if continued else part.start(_version(url, response.headers)) as file:
            while chunk := response.read(_CHUNK):
                file.write(chunk)
                done += len(chunk)
                if progress is not None:
                    progress(done, total)
    if total is not None and done < total:
        raise ConnectionError(f"the connection ended after {done:,} of {total:,} bytes")


def _version(url: str, headers: Any) -> _Version | None:
    etag = headers.get("ETag", "")
    # A weak ETag promises equal meaning, not equal bytes.
    mark = etag if etag and not etag.startswith("W/") else headers.get("Last-Modified")
    return _Version(url, mark) if mark else None


def _start(content_range: str | None) -> int | None:
    match = re.match(r"bytes (\d+)-", content_range or "")
    return int(match.group(1)) if match else None


def _total(content_range: str | None) -> int | None:
    match = re.search(r"/(\d+)$", content_range or "")
    return int(match.group(1)) if match else None


def _reason(error: Exception) -> str:
    if isinstance(error, urllib.error.HTTPError):
        return f"answer {error.code}"
    inner = getattr(error, "reason", None) or error
    return str(inner) or type(inner).__name__


def _check_scheme(url: str, came_from: str | None) -> None:
    scheme = urlsplit(url).scheme.lower()
    if scheme not in ("http", "https"):
        raise InputError(f"{came_from or url}: leads to {url!r}; only http and https are followed")
    if came_from is not None and scheme == "http" and urlsplit(came_from).scheme.lower() == "https":
        raise InputError(f"{came_from}: leads from https to unprotected {url!r}; not followed")


class _SafeRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        _check_scheme(newurl, req.full_url)
        return super().redirect_request(req, fp, code, msg, headers, newurl)

    def http_error_302(self, req: Any, fp: Any, code: int, msg: str, headers: Any) -> Any:
        # The standard handler refuses other schemes too, but as an answer of the server; here it is our refusal.
        _check_scheme(urljoin(req.full_url, headers.get("location", req.full_url)), req.full_url)
        return super().http_error_302(req, fp, code, msg, headers)

    http_error_301 = http_error_303 = http_error_307 = http_error_308 = http_error_302


def _opener() -> urllib.request.OpenerDirector:
    # Built by hand: the standard opener also opens file and ftp addresses.
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
        _SafeRedirects(),
    ):
        opener.add_handler(handler)
    return opener


_OPENER = _opener()
