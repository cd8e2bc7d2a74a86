"""Where alarms go: JSON lines, CSV, or Parquet.

JSON lines and CSV are appended to, and a line is either whole or, after a crash, removed by the next run. A Parquet
file appears when the watch ends.
"""

from __future__ import annotations

import csv
import io
import json
import os
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any, BinaryIO, Protocol, Self

import pyarrow as pa

from unseen.atomic import check_writable, os_words
from unseen.errors import InputError
from unseen.sources import open_writer
from unseen.streams.alarm import Alarm
from unseen.streams.ecs import ALARM_SCHEMA, as_ecs, as_row

__all__ = ["LINE_SUFFIXES", "AlarmSink", "open_sink"]

LINE_SUFFIXES = (".jsonl", ".ndjson", ".json")
_TAIL = 1 << 16
# How every alarm's line begins; a crash may have left less of the first one.
_BEGINNING = b'{"@timestamp": "'


class AlarmSink(Protocol):
    """Takes alarms; a context manager."""

    eager: bool

    def write(self, alarm: Alarm) -> None:
        """Take one alarm."""

    def flush(self) -> None:
        """Bring all alarms taken so far to the disk, where the format allows."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *error: Any) -> None: ...


def open_sink(out: str | Path, model: str) -> AlarmSink:
    """The sink for a path: ``-`` is standard output, else the suffix decides.

    Arguments:
        out: The path.
        model: The model's name, told with every alarm.

    Raises:
        InputError: If the suffix is unknown, or the place cannot be written.
    """
    name = str(out)
    if name == "-":
        return _Lines(None, model)
    suffix = Path(name).suffix.lower()
    if suffix == ".parquet":
        return _Table(check_writable(out), model)
    if suffix == ".csv":
        return _Csv(check_writable(out), model)
    if suffix in LINE_SUFFIXES:
        return _Lines(check_writable(out), model)
    raise InputError(
        f"{out}: the suffix decides the format; use one of {', '.join((*LINE_SUFFIXES, '.csv', '.parquet'))}"
    )


class _Lines:
    """JSON lines, appended."""

    eager = True

    def __init__(self, path: Path | None, model: str) -> None:
        self._path = path
        self._model = model
        self._held = io.BytesIO()
        self._file: BinaryIO | None = None

    def __enter__(self) -> Self:
        if self._path is not None:
            try:
                if self._path.exists():
                    self._check(self._path)
                _mend(self._path)
                self._file = self._path.open("ab", buffering=0)
            except OSError as error:
                raise InputError(f"{self._path}: cannot be written, {os_words(error)}") from error
        return self

    def __exit__(self, *error: Any) -> None:
        try:
            if error[0] is None or issubclass(error[0], Exception):
                self.flush()
        finally:
            if self._file is not None:
                self._file.close()

    def write(self, alarm: Alarm) -> None:
        self._held.write(self._line(alarm))

    def flush(self) -> None:
        content = self._held.getvalue()
        if not content:
            return
        self._held = io.BytesIO()
        if self._file is None:
            sys.stdout.write(content.decode())
            sys.stdout.flush()
            return
        try:
            view = memoryview(content)
            while view:
                view = view[self._file.write(view) :]
            os.fsync(self._file.fileno())
        except OSError as error:
            raise InputError(f"{self._path}: not written, {os_words(error)}") from error

    def _check(self, path: Path) -> None:
        """Refuse a file of something else: mending it could take away its last line."""
        with path.open("rb") as file:
            first = file.readline(_TAIL)
        if not (first.startswith(_BEGINNING) or _BEGINNING.startswith(first) or _is_document(first)):
            raise InputError(f"{path}: holds something else than alarms; name another file")

    def _line(self, alarm: Alarm) -> bytes:
        return json.dumps(as_ecs(alarm, self._model), ensure_ascii=True, allow_nan=False).encode() + b"\n"


class _Csv(_Lines):
    """CSV, appended; the header line stands once."""

    def __enter__(self) -> Self:
        super().__enter__()
        if self._path is not None and not self._path.stat().st_size:
            self._held.write(self._text(ALARM_SCHEMA.names))
        return self

    def _check(self, path: Path) -> None:
        header = self._text(ALARM_SCHEMA.names)
        with path.open("rb") as file:
            first = file.readline()
        # A crash may have cut the header itself; it is mended like any line.
        if first != header and not header.startswith(first):
            raise InputError(f"{path}: holds other columns than alarms have; name another file")

    def _line(self, alarm: Alarm) -> bytes:
        return self._text(list(as_row(alarm, self._model).values()))

    @staticmethod
    def _text(values: list[Any]) -> bytes:
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerow([_harmless(value) for value in values])
        return text.getvalue().encode("utf-8", errors="backslashreplace")


class _Table:
    """One Parquet file, written when all bursts have ended."""

    eager = False

    def __init__(self, path: Path, model: str) -> None:
        self._path = path
        self._model = model
        self._rows: list[dict[str, Any]] = []
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        self._writer = self._stack.enter_context(open_writer(self._path, ALARM_SCHEMA))
        return self

    def __exit__(self, *error: Any) -> None:
        if error[0] is None:
            self._write_rows()
        self._stack.__exit__(*error)

    def write(self, alarm: Alarm) -> None:
        self._rows.append(as_row(alarm, self._model))
        if len(self._rows) >= 4096:
            self._write_rows()

    def flush(self) -> None:
        """Nothing: the file appears when it is complete."""

    def _write_rows(self) -> None:
        if self._rows:
            self._writer.write(pa.RecordBatch.from_pylist(self._rows, schema=ALARM_SCHEMA))
        self._rows = []


def _harmless(value: Any) -> Any:
    r"""A cell that stays within its line and is no formula, whatever a log wrote into it.

    Example:
        >>> _harmless("10.0.0.1\n=cmd()"), _harmless("=cmd()"), _harmless(-1.5)
        ('10.0.0.1\\n=cmd()', "'=cmd()", -1.5)
    """
    if not isinstance(value, str):
        return value
    shown = value if value.isprintable() else "".join(c if c.isprintable() else repr(c)[1:-1] for c in value)
    return f"'{shown}" if shown.startswith(("=", "+", "-", "@")) else shown


def _is_document(line: bytes) -> bool:
    r"""Whether a line is whole and a JSON object.

    Example:
        >>> _is_document(b'{"a": 1}\n'), _is_document(b'{"a": 1}'), _is_document(b"{\n")
        (True, False, False)
    """
    try:
        return line.endswith(b"\n") and isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False


def _mend(path: Path) -> None:
    """Take away a line that a crash left half-written at the end of a file."""
    if not path.exists():
        return
    with path.open("r+b") as file:
        end = file.seek(0, os.SEEK_END)
        while end:
            start = max(0, end - _TAIL)
            file.seek(start)
            block = file.read(end - start)
            cut = block.rfind(b"\n")
            if cut >= 0:
                end = start + cut + 1
                break
            end = start
        file.truncate(end)
