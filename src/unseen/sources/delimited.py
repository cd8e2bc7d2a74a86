"""Reads one text table (CSV and its kin) block by block.

Arrow's own number parser does the fast work. Where it meets a cell it cannot convert, reading goes on from that block
with our own conversion, which knows blank-padded and missing cells, and can say which column, value and row is wrong.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pcsv

from unseen.errors import InputError
from unseen.sources.dialect import open_text, sniff
from unseen.sources.guard import reading
from unseen.sources.textvalues import MISSING, infer, to_numbers, to_text

__all__ = ["TextFile"]

_log = logging.getLogger("unseen.sources")
_BLOCK_BYTES = 1 << 20
_SAMPLE_BYTES = 1 << 21
_RAGGED = re.compile(r"Row #(\d+): Expected (\d+) columns, got (\d+)")
_COMMA_NUMBER = r"^\s*[+-]?\d*,\d+\s*$"


class TextFile:
    """One CSV file, gzip or plain, with any usual delimiter.

    Arguments:
        path: The file.
        text: Columns to read as text whatever they hold, for example the label.
        column_names: The names, for files without a header line.

    Raises:
        InputError: If the file is empty, binary, or its first rows are malformed.
        SchemaError: If its first line cannot be a header.
    """

    def __init__(self, path: Path, *, text: Collection[str] = (), column_names: Sequence[str] | None = None) -> None:
        self.path = path
        self._dialect = sniff(path, column_names)
        self._decimal_comma = False
        self.notes: tuple[str, ...] = self._dialect.notes
        self._warned_encoding = False
        sample = self._sample()
        kinds = {name: infer(sample[name]) for name in self._dialect.names} if sample else {}
        if sample and self._dialect.delimiter != ",":
            self._decimal_comma = self._has_decimal_comma(sample, kinds)
            if self._decimal_comma:
                kinds = {name: infer(sample[name], decimal_comma=True) for name in self._dialect.names}
        kinds |= {name: pa.string() for name in text}
        self.schema = pa.schema([(name, kinds.get(name, pa.null())) for name in self._dialect.names])

    def count_rows(self) -> int | None:
        """Return None: the rows of a text file are only known after reading it."""
        return None

    def read(self, schema: pa.Schema, batch_rows: int) -> Iterator[pa.RecordBatch]:
        """Yield batches with the columns and types of ``schema``.

        Raises:
            InputError: If a row has too few or too many fields, or a number column holds text.
        """
        del batch_rows  # blocks of bytes are the unit of reading
        done = 0
        with self._translated():
            try:
                for batch in self._stream(schema, _BLOCK_BYTES):
                    yield self._convert(batch, schema, done)
                    done += batch.num_rows
                return
            except pa.ArrowInvalid as error:
                if "conversion error" not in str(error):
                    raise
            yield from self._read_carefully(schema, done)

    def _read_carefully(self, schema: pa.Schema, skip: int) -> Iterator[pa.RecordBatch]:
        """Read on after ``skip`` rows, with all cells as bytes and our own conversion."""
        raw = pa.schema([(name, pa.binary()) for name in schema.names])
        done = 0
        for batch in self._stream(raw, _BLOCK_BYTES):
            fresh = batch.slice(max(0, min(skip - done, batch.num_rows)))
            if fresh.num_rows:
                yield self._convert(fresh, schema, done + batch.num_rows - fresh.num_rows)
            done += batch.num_rows

    def _stream(self, schema: pa.Schema, block: int) -> Iterator[pa.RecordBatch]:
        """Parse the rows: number columns of ``schema`` as such, everything else as bytes."""
        types = {field.name: self._parsed_type(field.type) for field in schema}
        with open_text(self.path) as stream:
            stream.read(self._dialect.offset)
            try:
                reader = self._parser(stream, types, block)
            except pa.ArrowInvalid as error:
                if "Empty CSV" in str(error):
                    return
                raise
            with reader:
                yield from reader

    def _parser(self, stream: pa.NativeFile, types: dict[str, pa.DataType], block: int) -> pcsv.CSVStreamingReader:
        names = list(self._dialect.names)
        return pcsv.open_csv(
            stream,
            pcsv.ReadOptions(column_names=names, use_threads=False, block_size=block),
            pcsv.ParseOptions(
                delimiter=self._dialect.delimiter,
                newlines_in_values=True,
                # In a file of one column a blank line is a row with a missing value.
                ignore_empty_lines=len(names) > 1,
            ),
            pcsv.ConvertOptions(
                column_types=types,
                include_columns=list(types),
                null_values=list(MISSING),
                strings_can_be_null=False,
                decimal_point="," if self._decimal_comma else ".",
            ),
        )

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """Name the file, and the row where the parser names one, in every error."""
        with reading(self.path, "CSV file"):
            try:
                yield
            except pa.ArrowInvalid as error:
                ragged = _RAGGED.search(str(error))
                if ragged is None:
                    raise
                row, expected, got = (int(number) for number in ragged.groups())
                fields = "1 field" if got == 1 else f"{got} fields"
                raise InputError(
                    f"{self.path}: row {row:,} (the header not counted) has {fields} instead of {expected}; "
                    "mend or remove it"
                ) from error

    @staticmethod
    def _parsed_type(kind: pa.DataType) -> pa.DataType:
        if pa.types.is_integer(kind):
            return pa.int64()
        return pa.float64() if pa.types.is_floating(kind) or pa.types.is_decimal(kind) else pa.binary()

    def _convert(self, batch: pa.RecordBatch, schema: pa.Schema, done: int) -> pa.RecordBatch:
        columns = []
        for field in schema:
            column = batch.column(field.name)
            if pa.types.is_string(field.type):
                column, fallback = to_text(column)
                self._note_encoding(fallback, field.name)
            elif pa.types.is_binary(column.type):
                column = self._numbers(column, field, done, batch.num_rows)
            columns.append(column.cast(field.type, safe=False))
        return pa.RecordBatch.from_arrays(columns, schema=schema)

    def _numbers(self, cells: pa.Array, field: pa.Field, done: int, rows: int) -> pa.Array:
        kind = pa.int64() if pa.types.is_integer(field.type) else pa.float64()
        numbers, bad = to_numbers(cells, kind, decimal_comma=self._decimal_comma)
        if bad is not None:
            value = bad.value if len(bad.value) <= 40 else bad.value[:39] + "…"
            count = "1 row does" if bad.count == 1 else f"{bad.count:,} rows do"
            raise InputError(
                f"{self.path}: column {field.name!r} holds numbers, but {count} not among rows {done + 1:,} to "
                f"{done + rows:,}: first {value!r} in row {done + bad.row + 1:,} (the header not counted). "
                f"Clean the file, or leave the column out: --ignore {field.name!r}"
            )
        return numbers

    def _note_encoding(self, fallback: bool, column: str) -> None:
        if fallback and not self._warned_encoding:
            self._warned_encoding = True
            note = f"{self.path}: column {column!r} holds bytes that are no UTF-8, read as Windows-1252"
            self.notes = (*self.notes, note)
            _log.info("%s", note)

    def _sample(self) -> dict[str, pa.Array]:
        """Return the first block's cells as bytes by column; nothing where the file has no rows."""
        schema = pa.schema([(name, pa.binary()) for name in self._dialect.names])
        with self._translated():
            batch = next(self._stream(schema, _SAMPLE_BYTES), None)
        return {} if batch is None else dict(zip(batch.schema.names, batch.columns, strict=True))

    @staticmethod
    def _has_decimal_comma(sample: dict[str, pa.Array], kinds: dict[str, pa.DataType]) -> bool:
        for name, kind in kinds.items():
            if pa.types.is_string(kind):
                cells = to_text(sample[name])[0].drop_null()
                if len(cells) and pc.mean(pc.match_substring_regex(cells, _COMMA_NUMBER)).as_py() > 0.5:
                    return True
        return False
