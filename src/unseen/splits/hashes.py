"""Content hashes of rows, the numbers drawn from them, and hashes that tell repeated rows apart."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import ArrayLike, NDArray

from unseen.errors import InputError, SchemaError

__all__ = ["Occurrences", "checked_hashes", "mix", "row_hashes", "salt_bits", "uniform"]

GOLDEN = np.uint64(0x9E3779B97F4A7C15)
MISSING = np.uint64(0x6D697373696E6721)
NANOSECONDS = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}
# What a CSV reader may leave as text in one file and as a number in the next.
DECIMAL_TEXT = re.compile(r"\s*[+-]?((\d+\.?\d*|\.\d+)(e[+-]?\d+)?|inf|infinity|nan)\s*", re.IGNORECASE | re.ASCII)


def row_hashes(table: pa.Table | pa.RecordBatch, columns: Sequence[str], *, seed: int = 0) -> NDArray[np.uint64]:
    """A 64-bit hash of each row's content, the same on every platform, for every batching, from CSV and from Parquet.

    Numbers of every width, booleans and numbers written as text are compared as float64: integers beyond 2^53 to that
    precision, single-precision numbers by their shortest decimals, as a CSV file holds them. 0 equals −0; NaN, null and
    empty text are one missing value. Times and dates are compared as nanoseconds. Column names do not enter, their
    order does.

    References:
        | Steele, Lea, Flood, 2014. Fast splittable pseudorandom number generators (the mixing function).

    Arguments:
        table: Rows.
        columns: Names of the columns that make up the content, at least one.
        seed: Another seed gives unrelated hashes.

    Returns:
        One hash a row, shape (n,).

    Raises:
        SchemaError: If a column is absent, occurs twice, or has a type without a content (lists, structs, binary).

    Example:
        >>> rows = pa.table({"a": [1, 1, 2], "b": ["x", "x", "y"]})
        >>> first, second, third = row_hashes(rows, ["a", "b"])
        >>> bool(first == second), bool(first == third)
        (True, False)
    """
    if not columns:
        raise SchemaError("columns is empty: name at least one column to hash")
    state = np.full(table.num_rows, salt_bits(f"row:{int(seed)}"), dtype=np.uint64)
    for name in columns:
        places = table.schema.get_all_field_indices(name)
        if len(places) != 1:
            raise SchemaError(f"Column {name!r} occurs {len(places)} times in the table, once expected")
        column = table.column(places[0])
        chunks = column.chunks if isinstance(column, pa.ChunkedArray) else [column]
        bits = [_column_bits(chunk, name) for chunk in chunks]
        if bits:
            state = mix((state * np.uint64(3)) ^ mix(np.concatenate(bits) + GOLDEN))
    return state


def uniform(hashes: ArrayLike, *, salt: str) -> NDArray[np.float64]:
    """A number in [0, 1) for each hash; another salt gives an unrelated number.

    Arguments:
        hashes: Row hashes, shape (n,), as :func:`row_hashes` gives them.
        salt: What the numbers are for, with the seed in it, for example ``"parts:0"``.
    """
    mixed = mix(checked_hashes(hashes) ^ salt_bits(salt))
    return np.asarray((mixed >> np.uint64(11)).astype(np.float64) * 2.0**-53)


class Occurrences:
    """Tells repeated rows apart: the k-th occurrence of a row, in any stream, gets a hash of its own.

    Splitting a stream by plain row hashes sends all copies of a frequent row to one part, and then no part looks like
    the stream: calibration normals would not be exchangeable with test normals. With these hashes each part gets its
    share of the copies, and which parts they are does not depend on the order of the rows. The counts of all distinct
    rows so far are kept (16 bytes each).

    Example:
        >>> counter = Occurrences()
        >>> first, second = counter(np.array([7, 7, 8], dtype=np.uint64)), counter(np.array([8], dtype=np.uint64))
        >>> len(set(first.tolist() + second.tolist()))
        4
    """

    def __init__(self) -> None:
        self._seen = np.empty(0, dtype=np.uint64)
        self._counts = np.empty(0, dtype=np.int64)

    def __call__(self, hashes: ArrayLike) -> NDArray[np.uint64]:
        """One hash for each row of the next batch, shape (n,)."""
        keys = checked_hashes(hashes)
        distinct, unit, sizes = np.unique(keys, return_inverse=True, return_counts=True)
        order = np.argsort(unit, kind="stable")
        starts = np.cumsum(sizes) - sizes
        rank = np.empty(keys.size, dtype=np.int64)
        rank[order] = np.arange(keys.size) - np.repeat(starts, sizes)
        place = np.searchsorted(self._seen, distinct)
        known = np.zeros(distinct.size, dtype=bool)
        inside = place < self._seen.size
        known[inside] = self._seen[place[inside]] == distinct[inside]
        before = np.zeros(distinct.size, dtype=np.int64)
        before[known] = self._counts[place[known]]
        self._counts[place[known]] += sizes[known]
        self._seen = np.insert(self._seen, place[~known], distinct[~known])
        self._counts = np.insert(self._counts, place[~known], sizes[~known])
        return mix(keys + (rank + before[unit]).astype(np.uint64) * GOLDEN)


def mix(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The finaliser of splitmix64: every output bit depends on every input bit; wrap-around is meant."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def salt_bits(text: str) -> np.uint64:
    """A stable 64-bit hash of a text."""
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return np.uint64(int.from_bytes(digest, "little"))


def checked_hashes(hashes: ArrayLike) -> NDArray[np.uint64]:
    """Row hashes as one contiguous vector; anything else is refused."""
    array = np.asarray(hashes)
    if array.ndim != 1 or (array.size and array.dtype.kind not in "ui"):
        raise InputError("hashes must be one 64-bit integer a row, as row_hashes(table, columns) gives them")
    return np.ascontiguousarray(array, dtype=np.uint64)


def _column_bits(chunk: pa.Array, name: str) -> NDArray[np.uint64]:
    """64 bits for each value of one column chunk, equal exactly where values are equal."""
    kind = chunk.type
    if pa.types.is_dictionary(kind):
        return _taken(_column_bits(chunk.dictionary, name), chunk.indices)
    if pa.types.is_null(kind):
        return np.full(len(chunk), MISSING, dtype=np.uint64)
    if pa.types.is_boolean(kind):
        chunk, kind = chunk.cast(pa.uint8()), pa.uint8()
    if pa.types.is_float16(kind):
        return _number_bits(chunk.to_numpy(zero_copy_only=False).astype(np.float64))
    if pa.types.is_float32(kind):
        # As a CSV file holds it: the double nearest to 0.1 is not the single nearest to 0.1.
        return _number_bits(chunk.cast(pa.string()).cast(pa.float64()).to_numpy(zero_copy_only=False))
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return _number_bits(chunk.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False))
    if pa.types.is_temporal(kind) and not pa.types.is_interval(kind):
        return _time_bits(chunk)
    if pa.types.is_string_view(kind):
        chunk, kind = chunk.cast(pa.string()), pa.string()
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        distinct = chunk.dictionary_encode()
        texts = [_text_bits(text) for text in distinct.dictionary.to_pylist()]
        return _taken(np.array(texts, dtype=np.uint64), distinct.indices)
    raise SchemaError(f"Column {name!r} of type {kind} cannot be hashed; leave it out: --ignore {name!r}")


def _number_bits(values: NDArray[np.float64]) -> NDArray[np.uint64]:
    # adding 0.0 turns -0.0 into 0.0, and gives a fresh array
    bits: NDArray[np.uint64] = (values + 0.0).view(np.uint64)
    bits[np.isnan(values)] = MISSING
    return bits


def _time_bits(chunk: pa.Array) -> NDArray[np.uint64]:
    """Nanoseconds, with wrap-around in far centuries, which a hash can bear."""
    kind = chunk.type
    if pa.types.is_date32(kind):
        ticks, factor = chunk.cast(pa.int32()).cast(pa.int64()), 86_400 * 10**9
    else:
        narrow = pa.types.is_time32(kind)
        ticks = chunk.cast(pa.int32()).cast(pa.int64()) if narrow else chunk.cast(pa.int64())
        factor = NANOSECONDS["ms" if pa.types.is_date64(kind) else kind.unit]
    bits: NDArray[np.uint64] = pc.fill_null(ticks, 0).to_numpy(zero_copy_only=False).view(np.uint64) * np.uint64(factor)
    bits[chunk.is_null().to_numpy(zero_copy_only=False)] = MISSING
    return bits


def _text_bits(text: str | None) -> np.uint64:
    if not text:
        return MISSING
    if DECIMAL_TEXT.fullmatch(text):
        return np.uint64(_number_bits(np.array([float(text)]))[0])
    return salt_bits(text)


def _taken(bits: NDArray[np.uint64], indices: pa.Array) -> NDArray[np.uint64]:
    """The bits that dictionary indices point to; a null index is a missing value."""
    places = pc.fill_null(indices.cast(pa.int64()), bits.size).to_numpy(zero_copy_only=False)
    taken: NDArray[np.uint64] = np.append(bits, MISSING)[places]
    return taken
