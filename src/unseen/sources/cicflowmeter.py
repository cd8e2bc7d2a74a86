"""CSV files of CICFlowMeter: a row that cannot be read costs that row and not the file.

Three forms of its column names are in use: that of CIC-IDS-2017 (``Total Fwd Packets``), that of the later releases
(``Tot Fwd Pkts``), and that of the Python port (``tot_fwd_pkts``). Each is a schema of its own.

Example:
    >>> is_cicflowmeter(b"Src IP, Flow Duration, Tot Fwd Pkts, Flow IAT Mean, Label")
    True
    >>> is_cicflowmeter(b"time,bytes")
    False
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.csv as pcsv
from numpy.typing import NDArray

from unseen.errors import InputError
from unseen.sources.dialect import unique_names
from unseen.sources.guard import reading
from unseen.sources.lines import LONGEST_LINE, Rejects, open_lines, read_lines, reject_note
from unseen.sources.metadata import fold, is_cicflowmeter_table
from unseen.sources.textvalues import MISSING, decode_bytes, infer, to_numbers, to_text, wrong

__all__ = ["CicFlowMeterFile", "is_cicflowmeter"]

_SAMPLE_LINES = 2000
_TEXT = frozenset({"flowid", "srcip", "sourceip", "dstip", "destinationip", "srcmac", "dstmac", "timestamp", "label"})
_NUMBER = re.compile(r"flow|fwd|bwd|packet|pkt|iat|flag|ratio|size|seg|win|active|idle|protocol|port")


def is_cicflowmeter(line: bytes) -> bool:
    """Whether a line is the header of a file of CICFlowMeter.

    A header with quotes is none: the rows of such a copy may hold commas and line ends inside quotes.
    """
    if b'"' in line or len(line) > LONGEST_LINE:
        return False
    return is_cicflowmeter_table(line.decode("latin-1").split(","))


class _Line(NamedTuple):
    number: int
    text: bytes


class CicFlowMeterFile:
    """One CSV file of CICFlowMeter, plain or gzip, read block by block.

    The same rows are rejected whichever columns are asked for, so that columns of two readings fit together.

    Arguments:
        path: The file.
        text: Columns to read as text whatever they hold, for example ports that are categories.

    Raises:
        InputError: If the file cannot be opened.
        SchemaError: If its first line holds no column names.
    """

    def __init__(self, path: Path, *, text: Collection[str] = ()) -> None:
        self.path = path
        self.rejects = Rejects(path)
        with reading(path, "CSV file"), open_lines(path) as file:
            header = b""
            while not header.strip(b"\xef\xbb\xbf\r\n") and (line := file.readline(LONGEST_LINE)):
                header = line
            self._offset = file.tell()
        raw = header.removeprefix(b"\xef\xbb\xbf").rstrip(b"\r\n").split(b",")
        self._names, notes = unique_names(path, [decode_bytes(name).strip() for name in raw])
        self._mended = list(notes)
        self._warned_encoding = False
        self.schema = pa.schema([(name, kind) for name, kind in self._kinds(set(text)).items()])

    @property
    def notes(self) -> tuple[str, ...]:
        """What was put right, and what could not be read so far, in words."""
        return (*self._mended, *reject_note(self.rejects))

    def count_rows(self) -> int | None:
        """Return None: the rows of a text file are only known after reading it."""
        return None

    def read(self, schema: pa.Schema, batch_rows: int) -> Iterator[pa.RecordBatch]:
        """Yield batches with the columns and types of ``schema``.

        Raises:
            InputError: If the file is cut off or damaged as a whole, or no row of it can be read.
        """
        rows = last = 0
        with reading(self.path, "CSV file"):
            for block in self._blocks(batch_rows):
                last = block[-1].number
                batch = self._parse(block, schema)
                rows += batch.num_rows
                if batch.num_rows:
                    yield batch
        if not rows and self.rejects.count:
            raise InputError(f"{self.path}: none of its {last:,} lines is a record; {self.rejects.first}")

    # ---- lines ------------------------------------------------------------------------------------------------------

    def _blocks(self, lines: int) -> Iterator[list[_Line]]:
        with open_lines(self.path) as file:
            above = file.read(self._offset).count(b"\n")
            block: list[_Line] = []
            for number, line in enumerate(read_lines(file), start=above + 1):
                if stripped := line.rstrip(b"\r\n"):
                    block.append(_Line(number, stripped))
                if len(block) == lines:
                    yield block
                    block = []
            if block:
                yield block

    def _sorted_out(self, block: Sequence[_Line]) -> tuple[list[_Line], list[tuple[_Line, str]]]:
        """The lines that have the right form, and the others with the reason."""
        good, bad, commas = [], [], len(self._names) - 1
        for line in block:
            found = line.text.count(b",")
            # Arrow would take a carriage return for the end of a row.
            if found == commas and len(line.text) <= LONGEST_LINE and b"\r" not in line.text:
                good.append(line)
            elif len(line.text) > LONGEST_LINE:
                bad.append((line, f"longer than {LONGEST_LINE:,} bytes"))
            elif found != commas:
                bad.append((line, f"{found + 1} fields instead of {commas + 1}"))
            else:
                bad.append((line, "a carriage return in mid-line"))
        return good, bad

    # ---- cells ------------------------------------------------------------------------------------------------------

    def _parse(self, block: Sequence[_Line], schema: pa.Schema) -> pa.RecordBatch:
        good, bad = self._sorted_out(block)
        numbers = [field.name for field in self.schema if not pa.types.is_string(field.type)]
        try:
            cells = self._cells(good, dict.fromkeys(numbers, pa.float64()))
        except pa.ArrowInvalid:
            cells = self._cells(good, {})
        kept = np.ones(len(good), dtype=bool)
        columns = {}
        for field in self.schema:
            column = cells[field.name]
            if pa.types.is_string(field.type):
                columns[field.name] = self._text(column, field.name) if field.name in schema.names else column
                continue
            if pa.types.is_binary(column.type):
                column, faulty = self._numbers(column)
                bad += _reasons(good, cells[field.name], faulty & kept, field.name)
                kept &= ~faulty
            columns[field.name] = column
        for line, reason in sorted(bad, key=lambda found: found[0].number):
            self.rejects.add(line.number, line.text, reason)
        batch = pa.RecordBatch.from_arrays(
            [columns[name].cast(schema.field(name).type) for name in schema.names], schema=schema
        )
        return batch if kept.all() else batch.filter(pa.array(kept))

    def _cells(self, lines: Sequence[_Line], types: dict[str, pa.DataType]) -> dict[str, pa.Array]:
        """The cells by column: numbers where ``types`` says so, else bytes."""
        types = {name: types.get(name, pa.binary()) for name in self._names}
        if not lines:
            return {name: pa.array([], kind) for name, kind in types.items()}
        content = b"\n".join(line.text for line in lines) + b"\n"
        table = pcsv.read_csv(
            pa.BufferReader(content),
            pcsv.ReadOptions(column_names=list(self._names), use_threads=False, block_size=len(content) + 1),
            # The program writes no quotes, and a stray one must not swallow the rows behind it.
            pcsv.ParseOptions(quote_char=False, ignore_empty_lines=False),
            pcsv.ConvertOptions(column_types=types, null_values=list(MISSING), strings_can_be_null=False),
        ).combine_chunks()
        return {name: table.column(name).combine_chunks() for name in self._names}

    @staticmethod
    def _numbers(cells: pa.Array) -> tuple[pa.Array, NDArray[np.bool_]]:
        numbers, bad = to_numbers(cells, pa.float64())
        faulty = np.zeros(len(cells), dtype=bool) if bad is None else wrong(cells, numbers)
        return numbers, faulty

    def _text(self, cells: pa.Array, name: str) -> pa.Array:
        values, fallback = to_text(cells)
        if fallback and not self._warned_encoding:
            self._warned_encoding = True
            self._mended.append(f"{self.path}: column {name!r} holds bytes that are no UTF-8, read as Windows-1252")
        return values

    # ---- types ------------------------------------------------------------------------------------------------------

    def _kinds(self, text: set[str]) -> dict[str, pa.DataType]:
        """The program's own columns have known types; those a user added are told by a sample."""
        kinds: dict[str, pa.DataType] = {}
        for name in self._names:
            folded = fold(name)
            if name in text or folded in _TEXT:
                kinds[name] = pa.string()
            elif _NUMBER.search(folded):
                kinds[name] = pa.float64()
        unknown = [name for name in self._names if name not in kinds]
        if unknown:
            with reading(self.path, "CSV file"):
                block = next(self._blocks(_SAMPLE_LINES), [])
                cells = self._cells(self._sorted_out(block)[0], {})
            for name in unknown:
                kind = infer(cells[name])
                kinds[name] = pa.string() if pa.types.is_string(kind) else pa.float64()
        return {name: kinds[name] for name in self._names}


def _reasons(lines: Sequence[_Line], cells: pa.Array, faulty: NDArray[np.bool_], name: str) -> list[tuple[_Line, str]]:
    found = []
    for row in np.flatnonzero(faulty).tolist():
        shown = cells[row].as_py()[:40].decode("utf-8", errors="backslashreplace")
        found.append((lines[row], f"{name} is {shown!r}, no number"))
    return found
