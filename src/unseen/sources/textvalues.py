"""What the text of a CSV cell means: numbers, missing values, encodings.

Cells arrive as bytes. A column is a *number column* when nearly all its filled cells in a sample are numbers, else a
*text column*; the few cells that are no numbers are then an error to report, not a reason to read the column as text.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

__all__ = ["MISSING", "Bad", "decode", "infer", "to_numbers", "to_text", "wrong"]

MISSING = ("", "-", "?", "NA", "N/A", "n/a", "#N/A", "NULL", "Null", "null", "None", "none", "<NA>", "\\N")
_MISSING = pa.array(MISSING, pa.string())
# Whole numbers from here on are not exact as doubles; such columns (identifiers, nanoseconds) stay integers.
_EXACT = 2**53
_NEARLY_ALL = 0.95


@dataclass(frozen=True)
class Bad:
    """The cells of one number column that are no numbers: how many, and the first one with its row in the batch."""

    count: int
    value: str
    row: int


def decode(cells: pa.Array) -> tuple[pa.Array, bool]:
    """Decode bytes as UTF-8, and single values that are not UTF-8 as Windows-1252.

    Returns:
        The strings, and whether any value needed Windows-1252.
    """
    try:
        return cells.cast(pa.string()), False
    except pa.ArrowInvalid:
        coded = cells.dictionary_encode()
        values = [decode_bytes(value.as_py()) for value in coded.dictionary]
        return pa.array(values, pa.string()).take(coded.indices), True


def decode_bytes(value: bytes) -> str:
    """Decode one value as UTF-8, else as Windows-1252 (its five undefined bytes become U+FFFD)."""
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return value.decode("cp1252", errors="replace")


def infer(cells: pa.Array, *, decimal_comma: bool = False) -> pa.DataType:
    """Tell a column's type from a sample of its cells.

    Returns:
        ``float64``; ``int64`` where whole numbers are too large for a double; ``string``; ``null`` where all cells
        are blank, which fits any other type.
    """
    values = _stripped(cells, decimal_comma)
    with suppress(pa.ArrowInvalid):
        return _number_type(values.cast(pa.float64()), values)
    filled = values.filter(pc.invert(_is_missing(values)))
    if len(filled) == 0:
        # "None" and "NA" are how categories begin; "?" and "-" are how numbers go missing.
        worded = pc.any(pc.match_substring_regex(values, "[A-Za-z]")).as_py()
        return pa.string() if worded else pa.null()
    numbers, bad = _parse(filled, pa.float64())
    if bad is not None:
        return pa.float64() if bad.count <= (1 - _NEARLY_ALL) * len(filled) else pa.string()
    return _number_type(numbers, filled)


def to_numbers(cells: pa.Array, kind: pa.DataType, *, decimal_comma: bool = False) -> tuple[pa.Array, Bad | None]:
    """Convert a number column's cells; blank and missing ones become null, "NaN" stays NaN.

    Returns:
        The numbers, and what could not be converted (null there), if anything.
    """
    values = _stripped(cells, decimal_comma)
    return _parse(pc.if_else(_is_missing(values), pa.scalar(None, pa.string()), values), kind)


def wrong(cells: pa.Array, numbers: pa.Array) -> NDArray[np.bool_]:
    """Which cells are neither numbers nor missing.

    Arguments:
        cells: A number column's cells.
        numbers: What `to_numbers` made of them.
    """
    filled = pc.invert(_is_missing(_stripped(cells, decimal_comma=False)))
    return np.asarray(pc.and_(pc.is_null(numbers), filled).to_numpy(zero_copy_only=False), dtype=bool)


def to_text(cells: pa.Array) -> tuple[pa.Array, bool]:
    """Convert a text column's cells: decoded, outer spaces stripped, blank ones null.

    Returns:
        The strings, and whether any value needed Windows-1252.
    """
    values, fallback = decode(cells)
    values = pc.utf8_trim_whitespace(values)
    return pc.if_else(pc.equal(values, ""), pa.scalar(None, pa.string()), values), fallback


def _number_type(numbers: pa.Array, values: pa.Array) -> pa.DataType:
    largest = pc.max(pc.abs(numbers.filter(pc.is_finite(numbers)))).as_py()
    if largest is not None and largest >= _EXACT and _parse(values, pa.int64())[1] is None:
        return pa.int64()
    return pa.float64()


def _stripped(cells: pa.Array, decimal_comma: bool) -> pa.Array:
    values = pc.utf8_trim_whitespace(decode(cells)[0])
    return pc.replace_substring(values, ",", ".") if decimal_comma else values


def _is_missing(values: pa.Array) -> pa.Array:
    return pc.is_in(values, value_set=_MISSING)


def _parse(values: pa.Array, kind: pa.DataType) -> tuple[pa.Array, Bad | None]:
    try:
        return values.cast(kind), None
    except pa.ArrowInvalid:
        coded = values.dictionary_encode()
        parsed = [_number(text, kind) for text in coded.dictionary.to_pylist()]
        numbers = pa.array(parsed, kind).take(coded.indices)
        wrong = pc.and_(pc.is_null(numbers), pc.is_valid(values))
        row = pc.index(wrong, True).as_py()
        return numbers, Bad(pc.sum(wrong).as_py(), values[row].as_py(), row)


def _number(text: str, kind: pa.DataType) -> float | int | None:
    try:
        return pa.scalar(text, pa.string()).cast(kind).as_py()  # type: ignore[no-any-return]
    except pa.ArrowInvalid:
        return None
