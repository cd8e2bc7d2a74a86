"""Reads Parquet and Arrow IPC files batch by batch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from unseen.errors import InputError, SchemaError
from unseen.sources.guard import reading

__all__ = ["ArrowFile", "ParquetFile", "plain_type"]

# Every column chunk is read through a buffer of this size; without it a whole row group is held compressed in memory,
# and a larger one costs its size times the number of columns.
_BUFFER_BYTES = 1 << 16


def plain_type(kind: pa.DataType) -> pa.DataType:
    """Return the plain type of a column: dictionaries are decoded, all text is ``string``."""
    if pa.types.is_dictionary(kind):
        return plain_type(kind.value_type)
    if pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return pa.string()
    return kind


class ParquetFile:
    """One Parquet file, read row group by row group.

    Arguments:
        path: The file.

    Raises:
        InputError: If the file is cut off, damaged or no Parquet file.
        SchemaError: If two columns share a name.
    """

    notes: tuple[str, ...] = ()

    def __init__(self, path: Path) -> None:
        self.path = path
        with reading(path, "Parquet file"), self._open() as file:
            self._rows: int = file.metadata.num_rows
            self.schema = _checked_schema(path, file.schema_arrow)

    def count_rows(self) -> int | None:
        """Return the number of rows the file's footer states."""
        return self._rows

    def read(self, schema: pa.Schema, batch_rows: int) -> Iterator[pa.RecordBatch]:
        """Yield batches with the columns and types of ``schema``."""
        with reading(self.path, "Parquet file"), self._open() as file:
            for batch in file.iter_batches(batch_size=batch_rows, columns=schema.names, use_threads=False):
                yield _conform(batch, schema)

    def _open(self) -> pq.ParquetFile:
        _refuse_empty(self.path)
        return pq.ParquetFile(self.path, buffer_size=_BUFFER_BYTES, pre_buffer=False, memory_map=False)


class ArrowFile:
    """One Arrow IPC file, in the file or the stream format, read record batch by record batch.

    Memory grows with the largest record batch stored in the file, not with the file.

    Arguments:
        path: The file.

    Raises:
        InputError: If the file is cut off, damaged or no Arrow file.
        SchemaError: If two columns share a name.
    """

    notes: tuple[str, ...] = ()

    def __init__(self, path: Path) -> None:
        self.path = path
        _refuse_empty(path)
        with reading(path, "Arrow file"), pa.OSFile(str(path)) as file:
            self._random_access = file.read(6) == b"ARROW1"
            file.seek(0)
            self.schema = _checked_schema(path, self._opener()(file).schema)

    def count_rows(self) -> int | None:
        """Return None: the rows of an Arrow file are only known after reading it."""
        return None

    def read(self, schema: pa.Schema, batch_rows: int) -> Iterator[pa.RecordBatch]:
        """Yield batches with the columns and types of ``schema``."""
        del batch_rows  # the file's own batches are the unit of reading
        with reading(self.path, "Arrow file"), pa.OSFile(str(self.path)) as file:
            names = self.schema.names
            wanted = sorted(names.index(name) for name in schema.names)
            reader = self._opener()(file, options=pa.ipc.IpcReadOptions(included_fields=wanted, use_threads=False))
            if self._random_access:
                batches = (reader.get_batch(i) for i in range(reader.num_record_batches))
            else:
                batches = iter(reader)
            for batch in batches:
                yield _conform(batch, schema)

    def _opener(self) -> Callable[..., pa.RecordBatchReader]:
        return pa.ipc.open_file if self._random_access else pa.ipc.open_stream  # type: ignore[no-any-return]


def _refuse_empty(path: Path) -> None:
    with reading(path, "file"):
        if path.stat().st_size == 0:
            raise InputError(f"{path}: the file is empty (0 bytes)")


def _checked_schema(path: Path, schema: pa.Schema) -> pa.Schema:
    names = [str(name) for name in schema.names]
    twice = sorted(name for name, count in Counter(names).items() if count > 1)
    if twice:
        listed = ", ".join(repr(name) for name in twice)
        raise SchemaError(f"{path}: column names occur more than once: {listed}; rename them before reading")
    if not names:
        raise InputError(f"{path}: the file has no columns")
    return pa.schema([(field.name, plain_type(field.type)) for field in schema])


def _conform(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    # Full validation finds offsets and bytes of text that a damaged file can hold and that would crash a reader later.
    batch.validate(full=True)
    columns = [batch.column(name).cast(kind, safe=False) for name, kind in zip(schema.names, schema.types, strict=True)]
    return pa.RecordBatch.from_arrays(columns, schema=schema)
