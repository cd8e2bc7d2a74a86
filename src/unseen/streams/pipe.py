"""Reads a pipe. With a spool, what leaves the pipe is in a file before anything is done with it: a crash loses nothing.

The kernel moves the bytes from the pipe to the file (``splice``) where it can: there is no moment at which they are in
this process alone.
"""

from __future__ import annotations

import contextlib
import glob
import os
import select
import stat
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from unseen.atomic import atomic_write, os_words
from unseen.errors import InputError
from unseen.packets import MeterSettings, is_capture
from unseen.schema import Schema
from unseen.streams.packets import PacketPipe
from unseen.streams.rows import Assembler, Chunk, ForeignError, RejectLog

__all__ = ["PipeStream"]

_BLOCK = 1 << 16
_MOST_ROWS = 1024
_POLL = 0.1
# Bytes waiting in the spool before the pipe has to wait, and bytes done with before they are cut off.
_MOST_SPOOLED = 256 << 20
_TRIM = 64 << 20


class PipeStream:
    """The lines of a FIFO or of standard input.

    Arguments:
        path: The FIFO; ``None`` for standard input.
        model: The schema of the detector that will score the rows.
        once: End when the writers have gone; else wait for the next.
        position: Where an earlier run stopped; a byte of all that ever came.
        rejects: Takes lines that could not be read.
        spool: Path beside which the spool is kept, or ``None`` to do without.
        meter: Timeouts, where the pipe brings packets and no lines.

    Attributes:
        notes: What a user should know.
    """

    kind = "pipe"

    def __init__(
        self,
        path: Path | None,
        model: Schema,
        *,
        once: bool,
        position: dict[str, Any],
        rejects: RejectLog,
        spool: Path | None,
        meter: MeterSettings | None = None,
    ) -> None:
        self._path = path
        self._meter = meter or MeterSettings()
        self._once = once or path is None
        self._rows = Assembler(model, rejects, str(path or "standard input"))
        self.notes: list[str] = []
        try:
            start = int(position.get("offset", 0))
            self._rows.begin(start, [line.encode("latin-1") for line in position.get("header", [])])
        except (TypeError, ValueError, AttributeError) as error:
            raise InputError(
                f"the state's position cannot be read ({error}); remove the state to begin anew"
            ) from error
        self._spool = None if spool is None else _Spool(spool, start)

    def chunks(self, stop: threading.Event) -> Iterator[Chunk]:
        """Yield rows as they come, until the writers have gone or until stopped.

        Raises:
            InputError: If the pipe cannot be read, or holds another kind of log.
        """
        descriptor = self._open()
        try:
            if self._spool is None:
                yield from self._direct(descriptor, stop)
            else:
                yield from self._spooled(descriptor, stop, self._spool)
        except OSError as error:
            raise InputError(f"{self._path or 'standard input'}: {os_words(error)}") from error
        finally:
            if self._path is not None:
                os.close(descriptor)

    def committed(self, after: dict[str, Any]) -> None:
        """Let go of what will not be read again."""
        if self._spool is not None and after:
            self._spool.trim(after["offset"])

    def _open(self) -> int:
        if self._path is None:
            return 0
        try:
            # Without waiting for a writer, so that a signal can still end the watch.
            return os.open(self._path, os.O_RDONLY | os.O_NONBLOCK)
        except OSError as error:
            raise InputError(f"{self._path}: {os_words(error)}") from error

    def _direct(self, descriptor: int, stop: threading.Event) -> Iterator[Chunk]:
        came = False
        while not stop.is_set():
            data = _read(descriptor)
            if data:
                if not came and is_capture(data):
                    packets = PacketPipe(
                        str(self._path or "standard input"), data, lambda: _read(descriptor), self._meter
                    )
                    yield from packets.chunks(stop)
                    self.notes += packets.notes
                    return
                came = True
                self._rows.feed(data)
                if len(self._rows.rows) < _MOST_ROWS and _more(descriptor, 0):
                    continue
            elif data is not None:
                if self._once and (came or self._path is None):
                    self._rows.feed(b"", final=True)
                    yield from self._taken()
                    return
                stop.wait(_POLL)
            yield from self._taken()
        yield from self._taken()

    def _spooled(self, descriptor: int, stop: threading.Event, spool: _Spool) -> Iterator[Chunk]:
        ended = threading.Event()
        filler = threading.Thread(target=self._fill, args=(descriptor, stop, ended, spool), daemon=True)
        filler.start()
        reader = self._rows.offset
        while True:
            over = ended.is_set()
            data = spool.read(reader, _BLOCK)
            if data:
                reader += len(data)
                spool.done = reader
                try:
                    self._rows.feed(data)
                except ForeignError:
                    # Kept, it would be read again by every later run.
                    spool.discard()
                    raise
                if len(self._rows.rows) >= _MOST_ROWS:
                    yield from self._taken()
                continue
            yield from self._taken()
            if over:
                break
            ended.wait(_POLL / 2)
        filler.join()
        if spool.failed is not None:
            raise spool.failed
        if not stop.is_set():
            self._rows.feed(b"", final=True)
            yield from self._taken()

    def _fill(self, descriptor: int, stop: threading.Event, ended: threading.Event, spool: _Spool) -> None:
        came = False
        try:
            while not stop.is_set():
                if spool.size - spool.done > _MOST_SPOOLED:
                    stop.wait(_POLL)
                    continue
                moved = spool.take(descriptor)
                if moved:
                    came = True
                elif moved is not None:
                    if self._once and (came or self._path is None):
                        break
                    stop.wait(_POLL)
        except OSError as error:
            spool.failed = error
        finally:
            ended.set()

    def _taken(self) -> Iterator[Chunk]:
        taken = self._rows.take()
        if taken is not None:
            batch, positions = taken
            header = [line.decode("latin-1") for line in self._rows.parser.header]
            after = {"offset": self._rows.offset, "header": header}
            yield Chunk(batch, "pipe", positions, after, time.monotonic())


class _Spool:
    """A file of what came through the pipe, from some byte on; its name ends with that byte's number."""

    def __init__(self, place: Path, committed: int) -> None:
        self._place = place
        self._lock = threading.Lock()
        self.failed: OSError | None = None
        found = {}
        for path in place.parent.glob(f"{glob.escape(place.name)}.spool-*"):
            with contextlib.suppress(ValueError):
                found[int(path.name.rpartition("-")[2])] = path
        usable = [base for base in found if base <= committed]
        self._base = max(usable) if usable else committed
        for base, path in found.items():
            if base != self._base:
                path.unlink(missing_ok=True)
        try:
            self._file = os.open(self._name(self._base), os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise InputError(f"{self._name(self._base)}: cannot be written, {os_words(error)}") from error
        self.size = self._base + os.fstat(self._file).st_size
        self.done = min(committed, self.size)

    def _name(self, base: int) -> Path:
        return self._place.with_name(f"{self._place.name}.spool-{base}")

    def take(self, descriptor: int) -> int | None:
        """Move bytes from the pipe; ``None`` if there are none now, 0 if there is no writer."""
        if not _more(descriptor, _POLL):
            return None
        with self._lock:
            at = self.size - self._base
            moved = _splice(descriptor, self._file, at)
            self.size += moved or 0
        return moved

    def read(self, position: int, most: int) -> bytes:
        """Bytes from a position on."""
        with self._lock:
            return os.pread(self._file, most, position - self._base)

    def discard(self) -> None:
        """Keep nothing for later runs."""
        self._name(self._base).unlink(missing_ok=True)

    def trim(self, position: int) -> None:
        """Cut off what is before a position, when that is much."""
        if position - self._base < _TRIM:
            return
        with self._lock:
            new = self._name(position)
            with atomic_write(new) as file:
                at = position - self._base
                while block := os.pread(self._file, 1 << 20, at):
                    file.write(block)
                    at += len(block)
            os.close(self._file)
            self._name(self._base).unlink(missing_ok=True)
            self._file, self._base = os.open(new, os.O_RDWR), position


def _more(descriptor: int, patience: float) -> bool:
    return bool(select.select([descriptor], [], [], patience)[0])


def _read(descriptor: int) -> bytes | None:
    """The next bytes; empty without a writer, ``None`` if nothing came for a moment."""
    if not _more(descriptor, _POLL):
        return None
    try:
        return os.read(descriptor, _BLOCK)
    except BlockingIOError:
        return None


def _splice(source: int, target: int, at: int) -> int | None:
    try:
        if hasattr(os, "splice") and stat.S_ISFIFO(os.fstat(source).st_mode):
            return os.splice(source, target, _BLOCK, offset_dst=at)
        data = os.read(source, _BLOCK)
    except BlockingIOError:
        return None
    written = 0
    while written < len(data):
        written += os.pwrite(target, data[written:], at + written)
    return written
