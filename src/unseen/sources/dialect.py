"""Finds out how a text table is written: compression, delimiter, header line, column names."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from unseen.errors import InputError, SchemaError
from unseen.sources.guard import first_line, reading
from unseen.sources.textvalues import decode_bytes

__all__ = ["Dialect", "open_text", "sniff", "unique_names"]

_SAMPLE_BYTES = 1 << 18
_DELIMITERS = (",", ";", "\t", "|")
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class Dialect:
    """How one text table is written.

    Arguments:
        delimiter: One character.
        names: Unique column names, in file order.
        offset: Bytes before the first row (byte-order mark and header line), after decompression.
        notes: What was put right on the way, in words.
    """

    delimiter: str
    names: tuple[str, ...]
    offset: int
    notes: tuple[str, ...]


def open_text(path: Path) -> pa.NativeFile:
    """Open a text table for streaming, decompressed if it is gzip."""
    with path.open("rb") as file:
        gzip = file.read(2) == b"\x1f\x8b"
    return pa.input_stream(str(path), compression="gzip" if gzip else None)


def sniff(path: Path, column_names: Sequence[str] | None) -> Dialect:
    """Read the beginning of a text table and tell how it is written.

    Arguments:
        path: The file.
        column_names: The names, for files without a header line; None where the first line holds them.

    Raises:
        InputError: If the file is empty or no text table.
        SchemaError: If the first line cannot be a header.
    """
    with reading(path, "CSV file"), open_text(path) as stream:
        head: bytes = stream.read(_SAMPLE_BYTES)
    _refuse_binary(path, head)
    start = len(_BOM) if head.startswith(_BOM) else 0
    # Latin-1 maps every byte to one character: positions in the text are positions in the file.
    text = head[start:].decode("latin-1")
    blank = len(text) - len(text.lstrip("\r\n"))
    lines = list(io.StringIO(text[blank:], newline=""))
    if not lines:
        raise InputError(f"{path}: the file is empty ({len(head)} bytes, no line of text)")
    try:
        delimiter = _delimiter(lines)
        reader = csv.reader(lines, delimiter=delimiter)
        raw = next(reader)
    except csv.Error as error:
        raise InputError(f"{path}: no readable CSV header in the first line ({first_line(error)})") from error
    if column_names is not None:
        return Dialect(delimiter, _given(path, column_names, len(raw)), start + blank, ())
    names, notes = unique_names(path, [decode_bytes(name.encode("latin-1")).strip() for name in raw])
    offset = start + blank + sum(len(line) for line in lines[: reader.line_num])
    return Dialect(delimiter, names, offset, notes)


def _refuse_binary(path: Path, head: bytes) -> None:
    if not head:
        raise InputError(f"{path}: the file is empty (0 bytes)")
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise InputError(f"{path}: the text is UTF-16; save it as UTF-8 CSV")
    for magic, kind in ((b"PAR1", "Parquet"), (b"ARROW1", "Arrow"), (b"PK\x03\x04", "a zip archive or spreadsheet")):
        if head.startswith(magic):
            raise InputError(f"{path}: holds {kind}, not CSV text; give it its own suffix or unpack it")
    control = sum(head.count(byte) for byte in range(32) if byte not in b"\t\n\r\x0b\x0c\x1a")
    if b"\0" in head or control > len(head) // 20:
        raise InputError(f"{path}: holds binary data, not CSV text")


def _delimiter(lines: list[str]) -> str:
    """Choose the delimiter that splits the header into most fields; between equals, the rows decide."""

    def merit(delimiter: str) -> tuple[int, int]:
        rows = csv.reader(lines[:50], delimiter=delimiter)
        width = len(next(rows))
        return width, sum(len(row) == width for row in rows)

    return max(_DELIMITERS, key=merit)


def _given(path: Path, names: Sequence[str], width: int) -> tuple[str, ...]:
    if len(names) != width:
        raise SchemaError(f"{path}: {len(names)} column names were given, but its first line has {width} fields")
    return tuple(names)


def unique_names(path: Path | str, raw: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Give every column a unique name: nameless ones are numbered, repeated ones get a suffix.

    Arguments:
        path: The source, for what is said.
        raw: The fields of the header line, without outer spaces.

    Returns:
        The names, and notes on those that were mended.

    Raises:
        SchemaError: If the line cannot be a header.
    """
    if not any(raw):
        raise SchemaError(f"{path}: the first line holds no column names")
    repeated = [name for name, count in Counter(raw).items() if name and count > 1]
    if len(repeated) and all(_is_number(name) for name in repeated):
        raise SchemaError(
            f"{path}: the first line holds data, not column names (value {repeated[0]} occurs more than once); "
            "add a line of column names"
        )
    notes = []
    seen = {name for name in raw if name}
    given: set[str] = set()
    names = []
    for position, name in enumerate(raw, start=1):
        base = name or f"unnamed_{position}"
        unique, number = base, 0
        while unique in given or (unique != name and unique in seen):
            number += 1
            unique = f"{base}.{number}"
        if not name:
            notes.append(f"{path}: column {position} has no name and is read as {unique!r}")
        elif unique != name:
            notes.append(f"{path}: column name {name!r} occurs again and is read as {unique!r}")
        given.add(unique)
        names.append(unique)
    return tuple(names), tuple(notes)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
