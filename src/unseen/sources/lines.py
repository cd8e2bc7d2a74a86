"""Logs of one record a line: what a line parser offers, and the file reader over it.

A line that cannot be parsed costs that line and not the file: it is counted and kept aside with its reason.
"""

from __future__ import annotations

import gzip
import json
import tempfile
import weakref
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any, BinaryIO, Protocol

import pyarrow as pa

from unseen.errors import InputError
from unseen.sources.guard import reading
from unseen.sources.metadata import metadata_columns

__all__ = [
    "LONGEST_LINE",
    "BadLine",
    "LineParser",
    "LogFile",
    "Rejects",
    "open_lines",
    "read_lines",
    "reject_note",
    "to_batch",
    "to_number",
]

LONGEST_LINE = 1 << 20
"""Bytes; a longer line is no record."""
_SHOWN = 2000


class BadLine(ValueError):
    """A line that is no record of its log; the message says why."""


class LineParser(Protocol):
    """Turns lines of one kind of log into rows; keeps what header lines say."""

    schema: pa.Schema

    def parse(self, line: bytes) -> tuple[Any, ...] | None:
        """A row in the order of the schema; ``None`` for a line that carries none, such as a header.

        Raises:
            BadLine: If the line is no record of this log.
        """


class Rejects:
    """The lines that could not be parsed: their number, the first of them, and all of them on disk."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.count = 0
        self.first = ""
        self._last = 0
        self._kept: IO[bytes] | None = None

    def add(self, number: int, line: bytes, reason: str) -> None:
        """Keep one line; a line that was kept in an earlier reading is not counted again."""
        if number <= self._last:
            return
        self._last = number
        self.count += 1
        self.first = self.first or f"line {number:,}: {reason}"
        text = line[:_SHOWN].decode("utf-8", errors="backslashreplace").rstrip("\r\n")
        record = {"file": str(self.path), "line": number, "reason": reason, "text": text}
        if self._kept is None:
            self._kept = tempfile.TemporaryFile()  # noqa: SIM115  # it lives as long as the reader
            weakref.finalize(self, self._kept.close)
        self._kept.write(json.dumps(record).encode() + b"\n")

    def copy_to(self, file: BinaryIO) -> None:
        """Append the lines kept, one JSON object each."""
        if self._kept is not None:
            self._kept.seek(0)
            while block := self._kept.read(1 << 20):
                file.write(block)
            self._kept.seek(0, 2)


def reject_note(rejects: Rejects) -> tuple[str, ...]:
    """What could not be read so far, in words; nothing where all was read."""
    if not rejects.count:
        return ()
    lines = "1 line" if rejects.count == 1 else f"{rejects.count:,} lines"
    return (f"{rejects.path}: {lines} could not be read, first {rejects.first}",)


class LogFile:
    """One log, plain or gzip, read line by line into batches.

    Arguments:
        path: The file.
        parser: Makes a fresh parser for every reading.
    """

    def __init__(self, path: Path, parser: type[LineParser]) -> None:
        self.path = path
        self._parser = parser
        self.schema = parser().schema
        self.metadata = tuple(metadata_columns(self.schema.names))
        self.rejects = Rejects(path)

    @property
    def notes(self) -> tuple[str, ...]:
        """What could not be read so far, in words."""
        return reject_note(self.rejects)

    def count_rows(self) -> int | None:
        """Return None: the rows of a log are only known after reading it."""
        return None

    def read(self, schema: pa.Schema, batch_rows: int) -> Iterator[pa.RecordBatch]:
        """Yield batches with the columns of ``schema``.

        Raises:
            InputError: If the file is cut off or damaged as a whole, or no line of it can be read.
        """
        parser, rows, count, lines = self._parser(), [], 0, 0
        wanted = [self.schema.names.index(name) for name in schema.names]
        with reading(self.path, "log"), open_lines(self.path) as file:
            for lines, line in enumerate(read_lines(file), start=1):
                try:
                    row = parser.parse(line)
                except BadLine as error:
                    self.rejects.add(lines, line, str(error))
                    continue
                if row is None:
                    continue
                rows.append(tuple(row[j] for j in wanted))
                if len(rows) == batch_rows:
                    count += len(rows)
                    yield to_batch(rows, schema)
                    rows = []
        if rows:
            yield to_batch(rows, schema)
        elif not count and self.rejects.count:
            raise InputError(f"{self.path}: none of its {lines:,} lines is a record; {self.rejects.first}")


def read_lines(file: BinaryIO | IO[bytes]) -> Iterator[bytes]:
    """Yield lines with their ends; one longer than `LONGEST_LINE` is cut there, and its rest is passed over."""
    while line := file.readline(LONGEST_LINE + 1):
        if len(line) > LONGEST_LINE and not line.endswith(b"\n"):
            while rest := file.readline(LONGEST_LINE):
                if rest.endswith(b"\n"):
                    break
        yield line


def to_batch(rows: Sequence[tuple[Any, ...]], schema: pa.Schema) -> pa.RecordBatch:
    """Rows of Python values as an Arrow batch."""
    columns = zip(*rows, strict=True) if rows else [()] * len(schema)
    arrays = [pa.array(column, field.type) for column, field in zip(columns, schema, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def to_number(value: Any, name: str) -> float | None:
    """A finite number from JSON or text; ``None`` stays missing.

    Raises:
        BadLine: For anything else, with the field's name.
    """
    if value is None:
        return None
    try:
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            raise ValueError
        number = float(value)
        # Only NaN differs from itself; infinities have no difference from themselves.
        if number - number != 0.0:
            raise ValueError
    except (ValueError, OverflowError):
        shown = repr(value)[:40]
        raise BadLine(f"{name} is {shown}, no number") from None
    return number


def open_lines(path: Path) -> BinaryIO | IO[bytes]:
    """Open a file of lines, decompressed if it is gzip."""
    with path.open("rb") as file:
        compressed = file.read(2) == b"\x1f\x8b"
    return gzip.open(path, "rb") if compressed else path.open("rb")  # type: ignore[return-value]
