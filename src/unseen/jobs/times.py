"""Time of a row as a number, and consecutive blocks of it."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from unseen.errors import InputError, SchemaError
from unseen.sources import Source
from unseen.table import number_values

__all__ = ["clock", "time_edges"]

# Of these, a quarter goes to the test. Fewer would cut a day too coarsely to compare parts, more would cut bursts.
_BLOCKS = 100
_FEWEST_BLOCKS = 10
_TICKS = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}


def clock(column: pa.Array | pa.ChunkedArray, name: str) -> NDArray[np.float64]:
    """The times of a column: numbers as they are, time stamps and dates in seconds, missing ones as NaN.

    Arguments:
        column: Numbers, time stamps, dates, times of day, or text that reads as ISO 8601 throughout (CSV files).
        name: The column's name, for the message.

    Raises:
        SchemaError: If the values are no times.
    """
    kind = column.type
    if pa.types.is_string(kind):
        # Microseconds hold every year a log can name; nanoseconds would end in 2262.
        try:
            column = pc.cast(pc.utf8_trim_whitespace(column), pa.timestamp("us"))
        except pa.ArrowInvalid:
            try:
                return number_values(column, name)
            except SchemaError:
                raise SchemaError(
                    f"column {name!r} holds text that reads neither as times (2017-07-03 08:55:58) nor as numbers, "
                    f"for example {_example(column)}; convert it, or split by it: --split-by {name!r}"
                ) from None
        kind = column.type
    if pa.types.is_date(kind):
        column, kind = pc.cast(column, pa.timestamp("s")), pa.timestamp("s")
    if pa.types.is_timestamp(kind) or pa.types.is_time(kind) or pa.types.is_duration(kind):
        ticks = pc.cast(pc.cast(column, pa.int32()) if pa.types.is_time32(kind) else column, pa.int64())
        values = pc.cast(ticks, pa.float64(), safe=False).to_numpy(zero_copy_only=False) * _TICKS[kind.unit]
        return np.asarray(values, dtype=np.float64)
    return number_values(column, name)


def time_edges(source: Source, column: str) -> tuple[float, ...]:
    """Cut the rows, in the order of time, into about 100 blocks of equal size; rows of equal time stay together.

    Arguments:
        source: The rows.
        column: The column that holds the time.

    Returns:
        The first time of each block but the first, ascending.

    Raises:
        InputError: If times are missing, or too few differ.
    """
    times = np.concatenate([clock(batch.column(column), column) for batch in source.batches(columns=[column])])
    if missing := int(np.count_nonzero(~np.isfinite(times))):
        raise InputError(
            f"column {column!r}: {missing:,} of {len(times):,} rows have no time; drop them, or leave --split-time out"
        )
    times.sort()
    first = times[(np.arange(1, _BLOCKS) * len(times)) // _BLOCKS]
    edges = np.unique(first[first > times[0]])
    if len(edges) + 1 < _FEWEST_BLOCKS:
        raise InputError(
            f"column {column!r} gives only {len(edges) + 1} blocks of time, at least {_FEWEST_BLOCKS} are needed; "
            f"where its values name days or sessions: --split-by {column!r}"
        )
    return tuple(float(edge) for edge in edges)


def _example(column: pa.Array | pa.ChunkedArray) -> str:
    return repr(next((value for value in column.to_pylist() if value), ""))
