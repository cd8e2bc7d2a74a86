"""Tables out: Parquet, CSV and Arrow IPC, written batch by batch and visible only when complete.

Example:
    >>> import pathlib, tempfile, pyarrow as pa
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "scores.parquet"
    >>> batch = pa.record_batch({"score": [0.5, 2.0]})
    >>> with open_writer(path, batch.schema) as writer:
    ...     writer.write(batch)
    >>> path.exists()
    True
"""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.csv as pcsv
import pyarrow.parquet as pq

from unseen.atomic import atomic_write, check_writable
from unseen.errors import InputError, SchemaError
from unseen.sources.guard import first_line

__all__ = ["SUFFIXES", "TableWriter", "check_table_path", "open_writer"]


def _csv(file: BinaryIO, schema: pa.Schema) -> Any:
    return pcsv.CSVWriter(file, schema)


def _parquet(file: BinaryIO, schema: pa.Schema) -> Any:
    return pq.ParquetWriter(file, schema, compression="zstd")


def _arrow_file(file: BinaryIO, schema: pa.Schema) -> Any:
    return pa.ipc.new_file(file, schema)


def _arrow_stream(file: BinaryIO, schema: pa.Schema) -> Any:
    return pa.ipc.new_stream(file, schema)


_OPENERS: dict[str, Callable[[BinaryIO, pa.Schema], Any]] = {
    ".parquet": _parquet,
    ".csv": _csv,
    ".csv.gz": _csv,
    ".arrow": _arrow_file,
    ".feather": _arrow_file,
    ".arrows": _arrow_stream,
}
SUFFIXES = tuple(_OPENERS)


class TableWriter:
    """Writes record batches of one schema to an open file; made by `open_writer`."""

    def __init__(self, sink: Any, schema: pa.Schema) -> None:
        self._sink = sink
        self.schema = schema
        self.rows = 0

    def write(self, rows: pa.RecordBatch | pa.Table) -> None:
        """Append rows.

        Arguments:
            rows: A record batch or table with exactly the writer's schema.

        Raises:
            SchemaError: If columns or types differ from the writer's.
        """
        if rows.schema.names != self.schema.names or rows.schema.types != self.schema.types:
            raise SchemaError(f"rows to write have columns {rows.schema.names}, the file has {self.schema.names}")
        if rows.num_rows:
            self._sink.write(rows)
            self.rows += rows.num_rows


def check_table_path(path: str | Path) -> Path:
    """Find out before long work whether a table can be written to a path.

    Raises:
        InputError: If the suffix is not one of `SUFFIXES`, or the place cannot be written.
    """
    _suffix(path)
    return check_writable(path)


@contextmanager
def open_writer(path: str | Path, schema: pa.Schema) -> Iterator[TableWriter]:
    """Open a table file for writing; it appears under its name when the block ends without an exception.

    Arguments:
        path: Where to write; the suffix decides the format, see `SUFFIXES`.
        schema: Column names and types of all rows to come.

    Raises:
        InputError: If the suffix is unknown, the place cannot be written, the disk is full, or a column's type has
            no form in the format.
    """
    suffix = _suffix(path)
    with atomic_write(path) as file:
        try:
            with ExitStack() as stack:
                body: Any = file
                if suffix.endswith(".gz"):
                    # No time stamp and no name in the header: the same rows give the same bytes.
                    body = stack.enter_context(gzip.GzipFile("", "wb", fileobj=file, mtime=0))
                sink = _OPENERS[suffix](body, schema)
                try:
                    yield TableWriter(sink, schema)
                except BaseException:
                    # An abandoned sink would write its footer later, into a closed file.
                    with suppress(Exception):
                        sink.close()
                    raise
                sink.close()
        except (pa.ArrowNotImplementedError, pa.ArrowTypeError, pa.ArrowInvalid) as error:
            raise InputError(f"{path}: the columns cannot be written as {suffix} ({first_line(error)})") from error


def _suffix(path: str | Path) -> str:
    name = Path(path).name.lower()
    matching = [suffix for suffix in SUFFIXES if name.endswith(suffix) and name != suffix]
    if not matching:
        raise InputError(f"{path}: the suffix decides the format; use one of {', '.join(SUFFIXES)}")
    return max(matching, key=len)
