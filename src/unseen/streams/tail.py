"""Follows a log file as it grows, through rotation and truncation, from where an earlier run stopped."""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from unseen.errors import InputError
from unseen.schema import Schema
from unseen.sources.guard import reading
from unseen.streams.rows import Assembler, Chunk, RejectLog

__all__ = ["LogStream"]

_BLOCK = 1 << 16
# Rows a chunk: small enough to be quick, large enough for the networks.
_MOST_ROWS = 1024
_POLL = 0.1
_HEAD = 256


class LogStream:
    """The lines of one log file.

    Arguments:
        path: The file; with ``follow`` it may not exist yet.
        model: The schema of the detector that will score the rows.
        follow: Wait for more at the end of the file, until stopped; else end there.
        position: Where an earlier run stopped.
        rejects: Takes lines that could not be read.

    Attributes:
        notes: What a user should know.
    """

    kind = "log"

    def __init__(
        self, path: Path, model: Schema, *, follow: bool, position: dict[str, Any], rejects: RejectLog
    ) -> None:
        self._path = path
        self._follow = follow
        self._position = position
        self._rows = Assembler(model, rejects, str(path))
        self.notes: list[str] = []

    def chunks(self, stop: threading.Event) -> Iterator[Chunk]:
        """Yield rows as they come, until the end of the file or until stopped.

        Raises:
            InputError: If the file cannot be read, or holds another kind of log.
        """
        with reading(self._path, "log"):
            file = self._open(stop)
            while file is not None:
                with file:
                    yield from self._read(file, stop)
                if stop.is_set() or not self._follow:
                    return
                # The log was rotated away or cut: the name leads to the next one.
                file = self._next(stop)

    def committed(self, after: dict[str, Any]) -> None:
        """Nothing: a log file keeps its lines itself."""

    def _read(self, file: IO[bytes], stop: threading.Event) -> Iterator[Chunk]:
        while True:
            data = file.read(_BLOCK)
            if data:
                self._rows.feed(data)
                if len(self._rows.rows) >= _MOST_ROWS:
                    yield from self._taken(file)
                if not stop.is_set():
                    continue
            yield from self._taken(file)
            if stop.is_set():
                return
            if not self._follow or self._replaced(file):
                # What was written between the last read and the rotation.
                if data := file.read(_BLOCK):
                    self._rows.feed(data)
                    continue
                self._rows.feed(b"", final=True)
                yield from self._taken(file)
                return
            if os.fstat(file.fileno()).st_size < file.tell():
                self.notes.append(
                    f"{self._path}: was cut to nothing while it was watched; reading starts at its beginning"
                )
                file.seek(0)
                self._rows.begin(0)
                continue
            stop.wait(_POLL)

    def _taken(self, file: IO[bytes]) -> Iterator[Chunk]:
        taken = self._rows.take()
        if taken is None:
            return
        batch, positions = taken
        stat = os.fstat(file.fileno())
        head = os.pread(file.fileno(), min(_HEAD, self._rows.offset), 0)
        after = {
            "device": stat.st_dev,
            "file": stat.st_ino,
            "head": hashlib.sha256(head).hexdigest(),
            "head_bytes": len(head),
            "offset": self._rows.offset,
            "header": [line.decode("latin-1") for line in self._rows.parser.header],
        }
        yield Chunk(batch, f"{stat.st_dev}:{stat.st_ino}", positions, after, time.monotonic())

    def _replaced(self, file: IO[bytes]) -> bool:
        try:
            stat = self._path.stat()
        except FileNotFoundError:
            return False
        own = os.fstat(file.fileno())
        return (stat.st_dev, stat.st_ino) != (own.st_dev, own.st_ino)

    def _next(self, stop: threading.Event) -> IO[bytes] | None:
        self._rows.begin(0)
        while not stop.is_set():
            try:
                return self._path.open("rb")
            except FileNotFoundError:
                if not self._follow:
                    raise
                stop.wait(_POLL)
        return None

    def _open(self, stop: threading.Event) -> IO[bytes] | None:
        """Open the file where the last run stopped, even if it has been renamed since."""
        if not self._position:
            return self._next(stop)
        for path in (self._path, *sorted(self._path.parent.iterdir())):
            if path.is_file() and (file := self._resumed(path)) is not None:
                return file
        self.notes.append(
            f"{self._path}: the log of the last run is gone; what it held after byte "
            f"{self._position['offset']:,} is not read"
        )
        return self._next(stop)

    def _resumed(self, path: Path) -> IO[bytes] | None:
        stored = self._position
        try:
            stat = path.stat()
            if (stat.st_dev, stat.st_ino) != (stored["device"], stored["file"]) or stat.st_size < stored["offset"]:
                return None
            file = path.open("rb")
            if hashlib.sha256(file.read(stored["head_bytes"])).hexdigest() != stored["head"]:
                file.close()
                return None
            file.seek(stored["offset"])
            self._rows.begin(stored["offset"], [line.encode("latin-1") for line in stored["header"]])
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise InputError(
                f"the state's position cannot be read ({error!r}); remove the state to begin anew"
            ) from error
        return file
