"""Lines of a log that keeps coming, to rows; the first line tells the kind of log."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import pyarrow as pa

from unseen.errors import InputError
from unseen.packets.capture import is_capture
from unseen.packets.schema import METADATA_TYPES
from unseen.schema import Schema
from unseen.sources.dialect import unique_names
from unseen.sources.eve import EveParser
from unseen.sources.lines import LONGEST_LINE, BadLine, LineParser, to_batch, to_number
from unseen.sources.textvalues import MISSING, decode_bytes
from unseen.sources.zeek import ZeekParser, load_object

__all__ = ["AnyLogParser", "Assembler", "Chunk", "ForeignError", "RejectLog"]

_SHOWN = 2000
# What the lines below them cannot be read without.
_ZEEK_HEADER = (b"#separator", b"#empty_field", b"#unset_field", b"#path", b"#fields")
# Enough to tell text from anything else.
_HEAD = 4096


class ForeignError(InputError):
    """What comes is no log, from its first bytes on; more of it will not make it one."""


@dataclass(frozen=True)
class Chunk:
    """Some rows on their way to the detector.

    Attributes:
        rows: The rows.
        origin: Which source their places are in.
        positions: Each row's place.
        after: Where reading goes on after them.
        received: When they were complete, by the monotonic clock.
    """

    rows: pa.RecordBatch
    origin: str
    positions: list[str]
    after: dict[str, Any]
    received: float = 0.0


@dataclass
class RejectLog:
    """Counts lines that could not be read, and appends them to a file where one was named.

    Arguments:
        path: JSON lines with position, reason and text; ``None`` counts only.
    """

    path: Path | None = None
    count: int = 0
    first: str = ""
    _file: IO[bytes] | None = field(default=None, repr=False)

    def add(self, source: str, position: int, line: bytes, reason: str) -> None:
        """Keep one line."""
        self.count += 1
        self.first = self.first or f"at byte {position:,}: {reason}"
        if self.path is None:
            return
        text = line[:_SHOWN].decode("utf-8", errors="backslashreplace").rstrip("\r\n")
        record = {"file": source, "byte": position, "reason": reason, "text": text}
        try:
            if self._file is None:
                # Without a buffer: what was rejected before a crash is not read again.
                self._file = self.path.open("ab", buffering=0)
            self._file.write(json.dumps(record).encode() + b"\n")
        except OSError as error:
            raise InputError(f"{self.path}: not written, {error.strerror}") from error

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
            self._file = None


class _CsvLines:
    """CSV whose every line is a row; a model's columns are read by its schema, all others as text."""

    def __init__(self, header: list[str], model: Schema) -> None:
        kinds = {column.name: column.kind for column in model.columns}
        # The names a table of the same columns would get: CICFlowMeter repeats one.
        names, _ = unique_names("the CSV", [name.strip() for name in header])
        types = []
        for name in names:
            if name in kinds:
                types.append(pa.float64() if kinds[name] == "number" else pa.string())
            else:
                types.append(METADATA_TYPES.get(name, pa.string()))
        self.schema = pa.schema(list(zip(names, types, strict=True)))

    def parse(self, line: bytes) -> tuple[Any, ...] | None:
        if not line.strip():
            return None
        fields = _csv_fields(line)
        if len(fields) != len(self.schema):
            raise BadLine(f"{len(fields)} fields instead of {len(self.schema)}")
        return tuple(_cell(text, column) for text, column in zip(fields, self.schema, strict=True))


def _cell(text: str, column: pa.Field) -> Any:
    text = text.strip()
    if text in MISSING:
        return None
    if pa.types.is_string(column.type):
        return text
    # A damaged file may hold what no column of numbers has; infinities and NaN are mended by the preparation.
    if text.lower().lstrip("+-") in ("inf", "infinity", "nan") and pa.types.is_floating(column.type):
        return float(text)
    number = to_number(text, column.name)
    if pa.types.is_floating(column.type) or number is None:
        return number
    bits = column.type.bit_width - 1
    if number != int(number) or not -(2**bits) <= number < 2**bits:
        raise BadLine(f"{column.name} is {text[:40]!r}, no whole number of {bits + 1} bits")
    return int(number)


def _csv_fields(line: bytes) -> list[str]:
    if len(line) > LONGEST_LINE:
        raise BadLine(f"longer than {LONGEST_LINE:,} bytes")
    try:
        # As tables are read: CIC's own labels hold a byte of Windows-1252.
        text = decode_bytes(line.removeprefix(b"\xef\xbb\xbf")).rstrip("\r\n")
        rows = list(csv.reader([text], strict=True))
    except csv.Error as error:
        raise BadLine(f"no line of CSV, {str(error)[:60]}") from None
    return rows[0] if rows else []


class AnyLogParser:
    """Tells Zeek's, Suricata's and CSV logs apart by their first line.

    Arguments:
        model: The schema of the detector that will score the rows; CSV is read by it.

    Attributes:
        header: The header lines that count, from which another parser can go on in the middle of the log.
    """

    def __init__(self, model: Schema) -> None:
        self._model = model
        self._inner: LineParser | None = None
        # One line of each kind: a log may hold any number of them, and the state keeps what is here.
        self._header: dict[bytes, bytes] = {}

    @property
    def header(self) -> list[bytes]:
        """The lines above the rows."""
        return list(self._header.values())

    @property
    def schema(self) -> pa.Schema | None:
        """The rows' columns; ``None`` until the kind of log is known."""
        return None if self._inner is None else self._inner.schema

    def parse(self, line: bytes) -> tuple[Any, ...] | None:
        """A row, or ``None`` for a line that carries none.

        Raises:
            BadLine: If the line is no record.
            InputError: If the log is of a kind that cannot be watched.
        """
        if self._inner is None:
            if not line.strip():
                return None
            self._inner = self._choose(line)
            if isinstance(self._inner, _CsvLines):
                self._header = {b"": line}
                return None
        if line.startswith(b"#") and isinstance(self._inner, ZeekParser):
            name = next((name for name in _ZEEK_HEADER if line.startswith(name)), None)
            if name == b"#separator":
                self._header = {}
            if name is not None and len(line) <= LONGEST_LINE:
                self._header[name] = line
        return self._inner.parse(line)

    def _choose(self, line: bytes) -> LineParser:
        if line.startswith(b"#"):
            return ZeekParser()
        if line.lstrip().startswith(b"{"):
            event = load_object(line)
            if isinstance(event.get("event_type"), str):
                return EveParser()
            if "id.orig_h" in event:
                return ZeekParser()
            raise BadLine("JSON that is neither Zeek's conn.log nor Suricata's EVE log")
        try:
            header = _csv_fields(line)
        except BadLine as error:
            raise InputError(
                f"the first line is no header of a CSV file and no line of a known log ({error})"
            ) from None
        return _CsvLines(header, self._model)


class Assembler:
    """Collects bytes into lines and lines into rows, and knows at which byte each began.

    Arguments:
        model: The detector's schema.
        rejects: Takes lines that could not be read.
        name: The source's name.
    """

    def __init__(self, model: Schema, rejects: RejectLog, name: str) -> None:
        self._model = model
        self._rejects = rejects
        self._name = name
        self.begin(0)

    def begin(self, offset: int, header: list[bytes] | None = None) -> None:
        """Start at a byte of a log; ``header`` is what stood above it."""
        self.offset = offset
        self.parser = AnyLogParser(self._model)
        for line in header or []:
            self.parser.parse(line)
        self._rest = b""
        self._too_long = False
        self.rows: list[tuple[Any, ...]] = []
        self.positions: list[str] = []

    def feed(self, data: bytes, *, final: bool = False) -> None:
        """Take the next bytes; ``final`` makes the unfinished last line a line.

        Raises:
            ForeignError: If the first bytes are packets or other binary data: a line might never come.
        """
        if not self.offset and not self._rest:
            self._refuse_binary(data)
        *lines, rest = (self._rest + data).split(b"\n")
        if final and rest:
            lines, rest = [*lines, rest], b""
        for line in lines:
            self._line(line)
            self.offset += len(line) + 1
        if len(rest) > LONGEST_LINE:
            # Only its beginning is kept; the rest of the line is passed over as it comes.
            if not self._too_long:
                self._rejects.add(self._name, self.offset, rest, f"longer than {LONGEST_LINE:,} bytes")
            self._too_long = True
            self.offset += len(rest)
            rest = b""
        self._rest = rest

    def _refuse_binary(self, data: bytes) -> None:
        if is_capture(data):
            raise ForeignError(
                f"{self._name}: brings packets (pcap), and they cannot be read twice, so --state cannot help; leave it "
                "out, or write the packets to a file and watch that"
            )
        if data.startswith(b"\x1f\x8b"):
            raise ForeignError(f"{self._name}: is compressed (gzip): send what gunzip gives")
        if b"\0" in data[:_HEAD]:
            raise ForeignError(f"{self._name}: brings neither lines of text nor a known log")

    def _line(self, line: bytes) -> None:
        if self._too_long:
            self._too_long = False
            return
        try:
            row = self.parser.parse(line)
        except BadLine as error:
            self._rejects.add(self._name, self.offset, line, str(error))
            return
        if row is not None:
            self.rows.append(row)
            self.positions.append(str(self.offset))

    def take(self) -> tuple[pa.RecordBatch, list[str]] | None:
        """The rows so far, with their places; ``None`` where there are none."""
        if not self.rows or self.parser.schema is None:
            return None
        batch, positions = to_batch(self.rows, self.parser.schema), self.positions
        self.rows, self.positions = [], []
        return batch, positions
