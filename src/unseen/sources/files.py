r"""One source of rows over one or many files, whatever their format.

Example:
    >>> import pathlib, tempfile
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> _ = (folder / "a.csv").write_text("bytes,label\n10,normal\n25,scan\n")
    >>> source = open_source(folder)
    >>> source.schema.names
    ['bytes', 'label']
    >>> [batch.num_rows for batch in source.batches()]
    [2]
"""

from __future__ import annotations

import difflib
import logging
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Protocol

import pyarrow as pa

from unseen.atomic import atomic_write
from unseen.errors import InputError, SchemaError
from unseen.sources.batching import rebatch
from unseen.sources.cicflowmeter import CicFlowMeterFile
from unseen.sources.columnar import ArrowFile, ParquetFile
from unseen.sources.delimited import TextFile
from unseen.sources.discover import find_files, format_of
from unseen.sources.eve import EveParser
from unseen.sources.lines import LineParser, LogFile
from unseen.sources.metadata import metadata_columns
from unseen.sources.zeek import ZeekParser

__all__ = ["BATCH_ROWS", "FileReader", "Source", "open_source"]

_log = logging.getLogger("unseen.sources")
# About 10 MB a batch of 80 columns. With 65,536 rows the peak is 130 MB higher, and reading is no faster.
BATCH_ROWS = 16384
_PARSERS: dict[str, type[LineParser]] = {"zeek": ZeekParser, "eve": EveParser}


class FileReader(Protocol):
    """What every format offers for one file."""

    path: Path
    schema: pa.Schema

    @property
    def notes(self) -> tuple[str, ...]:
        """What was put right or left out, in words."""

    def count_rows(self) -> int | None:
        """Return the number of rows where it is known without reading them."""

    def read(self, schema: pa.Schema, batch_rows: int) -> Iterator[pa.RecordBatch]:
        """Yield batches with the columns and types of ``schema``."""


class Source:
    """Rows of one or many files of one schema, streamed; every call of `batches` starts again.

    Arguments:
        readers: One reader a file.
        notes: What was left out or put right while opening.

    Attributes:
        files: The files, in reading order.
        schema: Column names and types, unified over the files.
    """

    def __init__(self, readers: Sequence[FileReader], notes: Sequence[str] = ()) -> None:
        self._readers = list(readers)
        self._notes = list(notes)
        self.files = [reader.path for reader in readers]
        self.schema = _unified(self._readers)

    @property
    def notes(self) -> list[str]:
        """What was left out or put right so far, in words; reading can add to it."""
        return self._notes + [note for reader in self._readers for note in reader.notes]

    @property
    def metadata(self) -> tuple[str, ...]:
        """Columns known to be metadata, no features: addresses, ports and times of flow tables and logs."""
        return tuple(metadata_columns(self.schema.names))

    @property
    def rejected(self) -> int:
        """Lines of logs and of CICFlowMeter's files that could not be read so far."""
        return sum(reader.rejects.count for reader in self._tolerant())

    def save_rejects(self, path: str | Path) -> None:
        """Write the lines that could not be read, with file, line number and reason, as JSON lines.

        Raises:
            InputError: If the place cannot be written.
        """
        with atomic_write(path) as file:
            for reader in self._tolerant():
                reader.rejects.copy_to(file)

    def _tolerant(self) -> list[LogFile | CicFlowMeterFile]:
        return [reader for reader in self._readers if isinstance(reader, LogFile | CicFlowMeterFile)]

    def count_rows(self) -> int | None:
        """Return the number of rows where the files state it (Parquet), else None."""
        counts = [reader.count_rows() for reader in self._readers]
        return None if None in counts else sum(count for count in counts if count is not None)

    def batches(self, columns: Sequence[str] | None = None, batch_rows: int = BATCH_ROWS) -> Iterator[pa.RecordBatch]:
        """Stream the rows in batches of ``batch_rows`` (the last may be shorter).

        Arguments:
            columns: The columns to read, in this order; None for all. Others are not converted, so that a damaged
                column that is left out does no harm.
            batch_rows: Rows per batch; memory grows with it and not with the files.

        Raises:
            SchemaError: If a column does not exist.
            InputError: If a file is damaged, a cell is no number, or the files hold no rows at all.
        """
        if batch_rows < 1:
            raise InputError(f"batch_rows={batch_rows}: at least 1 row a batch")
        schema = self._select(columns)
        return self._nonempty(rebatch(self._read(schema, batch_rows), batch_rows))

    def _read(self, schema: pa.Schema, batch_rows: int) -> Iterator[pa.RecordBatch]:
        for reader in self._readers:
            yield from reader.read(schema, batch_rows)

    def _nonempty(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        rows = 0
        for batch in batches:
            rows += batch.num_rows
            yield batch
        if rows == 0:
            where = str(self.files[0]) if len(self.files) == 1 else f"{len(self.files)} files in {self.files[0].parent}"
            raise InputError(f"{where}: columns but no rows, there is nothing to read")

    def _select(self, columns: Sequence[str] | None) -> pa.Schema:
        if columns is None:
            return self.schema
        missing = [name for name in columns if name not in self.schema.names]
        if missing:
            near = difflib.get_close_matches(missing[0], self.schema.names, n=3, cutoff=0.6)
            hint = f"; near: {', '.join(repr(name) for name in near)}" if near else ""
            raise SchemaError(f"{self.files[0]}: no column {', '.join(repr(name) for name in missing)}{hint}")
        if not columns:
            raise InputError("columns=[]: name at least one column")
        return pa.schema([self.schema.field(name) for name in dict.fromkeys(columns)])


def open_source(
    path: str | Path | Sequence[str | Path],
    *,
    format: str | None = None,  # noqa: A002
    text: Collection[str] = (),
    column_names: Sequence[str] | None = None,
) -> Source:
    """Open CSV, Parquet and Arrow files, Zeek and Suricata logs, a folder or a glob of them, as one stream of rows.

    Column names lose outer spaces; types are honest: number columns of CSV files are ``float64`` (``int64`` where
    whole numbers reach 2**53), all text is ``string``, everything else is as stored.

    Arguments:
        path: A file, a folder, a glob, or a sequence of them.
        format: ``"csv"``, ``"parquet"``, ``"arrow"``, ``"zeek"``, ``"eve"`` or ``"cicflowmeter"``; None tells it from
            suffix or first bytes.
        text: Columns of CSV files to read as text whatever they hold, for example a label of 0 and 1.
        column_names: The names, for CSV files without a header line.

    Raises:
        InputError: If nothing readable is found.
        SchemaError: If the files do not share their columns.
    """
    files, notes = find_files(path, format)
    readers: list[FileReader] = []
    for file in files:
        kind = format or format_of(file)
        if kind == "parquet":
            readers.append(ParquetFile(file))
        elif kind == "arrow":
            readers.append(ArrowFile(file))
        elif kind in _PARSERS:
            readers.append(LogFile(file, _PARSERS[kind]))
        elif kind == "cicflowmeter" and column_names is None:
            readers.append(CicFlowMeterFile(file, text=text))
        else:
            readers.append(TextFile(file, text=text, column_names=column_names))
    for note in (note for reader in readers for note in reader.notes):
        _log.info("%s", note)
    return Source(readers, notes)


def _unified(readers: Sequence[FileReader]) -> pa.Schema:
    """Merge the files' schemas: same columns needed, whole and real numbers and blank columns are reconciled."""
    first = readers[0]
    differing = [reader for reader in readers[1:] if set(reader.schema.names) != set(first.schema.names)]
    if differing:
        shown = "; ".join(_diff(first, reader) for reader in differing[:4])
        more = f"; and {len(differing) - 4} more files" if len(differing) > 4 else ""
        raise SchemaError(f"the files' columns differ. Against {first.path}: {shown}{more}")
    fields = []
    for name in first.schema.names:
        kind = first.schema.field(name).type
        for reader in readers[1:]:
            kind = _common(name, kind, reader, first.path)
        fields.append((name, pa.float64() if pa.types.is_null(kind) else kind))
    return pa.schema(fields)


def _common(name: str, kind: pa.DataType, reader: FileReader, first: Path) -> pa.DataType:
    other = reader.schema.field(name).type
    try:
        both = [pa.schema([(name, kind)]), pa.schema([(name, other)])]
        return pa.unify_schemas(both, promote_options="permissive").field(name).type
    except pa.ArrowException as error:
        raise SchemaError(
            f"column {name!r} is {_word(kind)} in {first} and {_word(other)} in {reader.path}; "
            "make them alike, or read the files apart"
        ) from error


def _word(kind: pa.DataType) -> str:
    if pa.types.is_string(kind):
        return "text"
    return "numbers" if pa.types.is_integer(kind) or pa.types.is_floating(kind) else str(kind)


def _diff(first: FileReader, other: FileReader) -> str:
    lacks = [name for name in first.schema.names if name not in other.schema.names]
    adds = [name for name in other.schema.names if name not in first.schema.names]
    parts = [f"{verb} {_listed(names)}" for verb, names in (("lacks", lacks), ("adds", adds)) if names]
    return f"{other.path.name} {' and '.join(parts)}"


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(repr(name) for name in names[:6])
    return shown if len(names) <= 6 else f"{shown} and {len(names) - 6} more"
