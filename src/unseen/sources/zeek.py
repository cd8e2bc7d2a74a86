r"""Zeek's ``conn.log``, written as tab-separated text or as JSON.

Example:
    >>> parser = ZeekParser()
    >>> parser.parse(b"#fields\tts\tuid\tid.orig_h\tid.resp_h\tproto\tduration\tconn_state\n") is None
    True
    >>> row = parser.parse(b"1700000000.5\tCx1\t10.0.0.1\t10.0.0.2\ttcp\t0.25\tSF\n")
    >>> dict(zip(parser.schema.names, row))["duration"]
    0.25
"""

from __future__ import annotations

import json
import re
from typing import Any

import pyarrow as pa

from unseen.errors import InputError
from unseen.sources.lines import LONGEST_LINE, BadLine, to_number
from unseen.sources.metadata import ZEEK_METADATA

__all__ = ["ZEEK_SCHEMA", "ZeekParser", "load_object"]

_NUMBERS = (
    *("duration", "orig_bytes", "resp_bytes", "missed_bytes"),
    *("orig_pkts", "orig_ip_bytes", "resp_pkts", "resp_ip_bytes"),
)
_CATEGORIES = ("proto", "service", "conn_state")
# How many events the connection's history names, of the originator (capitals) and of the responder.
_HISTORY = ("history_orig", "history_resp")
_METADATA_TYPES = {"ts": pa.float64(), "id.orig_p": pa.float64(), "id.resp_p": pa.float64()}

ZEEK_SCHEMA = pa.schema(
    [(name, _METADATA_TYPES.get(name, pa.string())) for name in ZEEK_METADATA]
    + [(name, pa.string()) for name in _CATEGORIES]
    + [(name, pa.float64()) for name in (*_NUMBERS, *_HISTORY)]
)
"""Metadata first, then categories, then numbers: seconds, bytes, packets, events."""

# Without these a line is of another log, or damaged.
_NEEDED = ("ts", "id.orig_h", "id.resp_h", "proto")
_ESCAPE = re.compile(r"\\x([0-9a-fA-F]{2})")


def load_object(line: bytes) -> dict[str, Any]:
    """A JSON object from one line.

    Raises:
        BadLine: If the line is something else.
    """
    if len(line) > LONGEST_LINE:
        raise BadLine(f"longer than {LONGEST_LINE:,} bytes")
    try:
        found = json.loads(line, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        words = str(error).splitlines()[0][:80]
        raise BadLine(f"no JSON object, {words}") from None
    if not isinstance(found, dict):
        raise BadLine("no JSON object")
    return found


def _no_constant(text: str) -> float:
    raise ValueError(f"{text} is no number")


class ZeekParser:
    """Parses ``conn.log``; each line is JSON or follows the last ``#fields`` line."""

    schema = ZEEK_SCHEMA

    def __init__(self) -> None:
        self._separator = b"\t"
        self._unset, self._empty = "-", "(empty)"
        self._fields: list[str] = []

    def parse(self, line: bytes) -> tuple[Any, ...] | None:
        """A row in the order of ``ZEEK_SCHEMA``; ``None`` for header and blank lines.

        Raises:
            BadLine: If the line is no connection record.
            InputError: If a header line names another log.
        """
        stripped = line.strip(b"\r\n")
        if not stripped.strip():
            return None
        if stripped.startswith(b"#"):
            self._header(stripped)
            return None
        return _row(load_object(line) if stripped.startswith(b"{") else self._record(stripped))

    def _header(self, line: bytes) -> None:
        if line.startswith(b"#separator "):
            self._separator = _unescape(line[11:].decode("latin-1").strip()).encode("latin-1") or b"\t"
            return
        name, *values = [part.decode("utf-8", errors="replace") for part in line.split(self._separator)]
        if name == "#fields":
            self._fields = values
        elif name == "#path" and values and values[0] != "conn":
            raise InputError(f"this is Zeek's {values[0]}.log; connections are in conn.log")
        elif name == "#unset_field" and values:
            self._unset = values[0]
        elif name == "#empty_field" and values:
            self._empty = values[0]

    def _record(self, line: bytes) -> dict[str, Any]:
        if len(line) > LONGEST_LINE:
            raise BadLine(f"longer than {LONGEST_LINE:,} bytes")
        if not self._fields:
            raise BadLine("stands before the #fields line")
        parts = line.split(self._separator)
        if len(parts) != len(self._fields):
            raise BadLine(f"{len(parts)} fields instead of {len(self._fields)}")
        try:
            values = [part.decode("utf-8") for part in parts]
        except UnicodeDecodeError:
            raise BadLine("no UTF-8 text") from None
        found = zip(self._fields, values, strict=True)
        return {name: _unescape(value) for name, value in found if value not in (self._unset, self._empty)}


def _row(record: dict[str, Any]) -> tuple[Any, ...]:
    for name in _NEEDED:
        if record.get(name) is None:
            raise BadLine(f"no field {name}")
    history = _text(record.get("history"), "history")
    letters = history or ""
    counts = (float(sum(map(str.isupper, letters))), float(sum(map(str.islower, letters))))
    values: list[Any] = []
    for field in ZEEK_SCHEMA:
        if field.name in _HISTORY:
            continue
        value = record.get(field.name)
        values.append((_text if pa.types.is_string(field.type) else to_number)(value, field.name))
    return (*values, *(counts if history is not None else (None, None)))


def _text(value: Any, name: str) -> str | None:
    if value is None:
        return None
    if isinstance(value, bool):
        return "T" if value else "F"
    if not isinstance(value, str):
        raise BadLine(f"{name} is {repr(value)[:40]}, no text")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise BadLine(f"{name} holds half a character") from None
    return value


def _unescape(text: str) -> str:
    return _ESCAPE.sub(lambda found: chr(int(found[1], 16)), text) if "\\x" in text else text
