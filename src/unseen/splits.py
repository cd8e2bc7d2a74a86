"""Which row goes to which part: content hashes, seeded shares, whole groups, time blocks, and duplicates.

A row's part follows from its content and a salt alone, so a file can be split again later, in any order and in any
batches, and every row comes out where it was.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import ArrayLike, NDArray

from unseen.errors import InputError, SchemaError

__all__ = [
    "ClassDuplicates",
    "DuplicateReport",
    "Occurrences",
    "assign_parts",
    "deduplicate",
    "duplicate_report",
    "row_hashes",
    "split_blocks",
    "split_exact",
    "uniform",
]

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
    state = np.full(table.num_rows, _salt_bits(f"row:{int(seed)}"), dtype=np.uint64)
    for name in columns:
        places = table.schema.get_all_field_indices(name)
        if len(places) != 1:
            raise SchemaError(f"Column {name!r} occurs {len(places)} times in the table, once expected")
        column = table.column(places[0])
        chunks = column.chunks if isinstance(column, pa.ChunkedArray) else [column]
        bits = [_column_bits(chunk, name) for chunk in chunks]
        if bits:
            state = _mix((state * np.uint64(3)) ^ _mix(np.concatenate(bits) + GOLDEN))
    return state


def uniform(hashes: ArrayLike, *, salt: str) -> NDArray[np.float64]:
    """A number in [0, 1) for each hash; another salt gives an unrelated number.

    Arguments:
        hashes: Row hashes, shape (n,), as :func:`row_hashes` gives them.
        salt: What the numbers are for, with the seed in it, for example ``"parts:0"``.
    """
    mixed = _mix(_check_hashes(hashes) ^ _salt_bits(salt))
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
        keys = _check_hashes(hashes)
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
        return _mix(keys + (rank + before[unit]).astype(np.uint64) * GOLDEN)


def assign_parts(hashes: ArrayLike, shares: Mapping[str, float], *, salt: str) -> NDArray[np.int8]:
    """The part of each row as a pure function of its hash, for streams: sizes meet the shares up to chance.

    Arguments:
        hashes: Row hashes, shape (n,).
        shares: Part names and their shares, which sum to 1.
        salt: Another salt gives an unrelated split.

    Returns:
        Positions in ``list(shares)``, shape (n,).

    Raises:
        InputError: If the shares are negative or do not sum to 1.

    Example:
        >>> parts = assign_parts(np.arange(10_000, dtype=np.uint64), {"fit": 0.8, "test": 0.2}, salt="seed 0")
        >>> round(float((parts == 0).mean()), 1)
        0.8
    """
    edges = np.cumsum(_check_shares(shares))
    # the last part with a share takes what rounding leaves above the last edge
    edges[_last_share(shares) :] = 1.0
    return np.searchsorted(edges, uniform(hashes, salt=salt), side="right").astype(np.int8)


def split_exact(
    hashes: ArrayLike, shares: Mapping[str, float], *, salt: str, groups: ArrayLike | None = None
) -> NDArray[np.int8]:
    """The part of each row, with sizes that meet the shares but for units that must not be cut, for sets in memory.

    Without ``groups`` a unit is a set of rows with equal hashes, so that equal rows never straddle two parts. With
    ``groups`` a unit is a group (a host, a recording, a window), and no part with a share stays empty.

    Arguments:
        hashes: Row hashes, shape (n,).
        shares: Part names and their shares, which sum to 1.
        salt: Another salt gives an unrelated split.
        groups: One group a row, shape (n,); de-duplicate first, as equal rows of two groups may part.

    Returns:
        Positions in ``list(shares)``, shape (n,).

    Raises:
        InputError: If shares are invalid, lengths differ, or there are fewer groups than parts.
    """
    keys, fractions = _check_hashes(hashes), _check_shares(shares)
    if keys.size == 0:
        return np.empty(0, dtype=np.int8)
    if groups is None:
        _, unit, sizes = np.unique(_mix(keys ^ _salt_bits(salt)), return_inverse=True, return_counts=True)
        # np.unique sorts, and mixed hashes are in random order already
        return _cut(sizes, fractions)[unit]
    names, unit, sizes = _encode(groups, keys.size, "groups")
    draws = np.array([_salt_bits(f"{salt}\x00{name}") for name in names], dtype=np.uint64)
    return _fill(sizes, draws, fractions, "groups")[unit]


def split_blocks(times: ArrayLike, shares: Mapping[str, float], *, salt: str, blocks: int = 50) -> NDArray[np.int8]:
    """The part of each row by whole blocks of consecutive time, since the flows of a burst depend on each other.

    Rows are cut, in the order of time, into blocks of about equal size; rows of equal time stay together. Blocks are
    drawn to parts by the salt, with sizes close to the shares.

    Arguments:
        times: Start of each row, shape (n,): numbers or datetime64.
        shares: Part names and their shares, which sum to 1.
        salt: Another salt gives another draw of blocks.
        blocks: The number of blocks; each must be longer than a burst.

    Returns:
        Positions in ``list(shares)``, shape (n,).

    Raises:
        InputError: If a time is missing, shares are invalid, or there are fewer distinct blocks than parts.
    """
    clock = np.asarray(times)
    if clock.ndim != 1 or clock.dtype.kind not in "iufM":
        raise InputError("times must be one number or datetime64 a row")
    if missing := int(np.isnan(clock).sum()):
        raise InputError(f"times: {missing} of {clock.size} rows have no time; drop them or split without time blocks")
    fractions = _check_shares(shares)
    if blocks < 1:
        raise InputError(f"blocks={blocks} must be at least 1")
    if clock.size == 0:
        return np.empty(0, dtype=np.int8)
    _, moment, counts = np.unique(clock, return_inverse=True, return_counts=True)
    middle = np.cumsum(counts) - 0.5 * counts
    block_of_moment = np.minimum((middle * blocks / clock.size).astype(np.int64), blocks - 1)
    names, unit, sizes = np.unique(block_of_moment[moment], return_inverse=True, return_counts=True)
    draws = _mix(names.astype(np.uint64) ^ _salt_bits(salt))
    return _fill(sizes, draws, fractions, "time blocks")[unit]


@dataclass(frozen=True)
class ClassDuplicates:
    """What de-duplication takes from one class.

    ``rows``: before. ``duplicates``: rows equal to an earlier row that is kept. ``conflicts``: rows whose vector also
    occurs under the opposite label, normal against anomaly.
    """

    rows: int
    duplicates: int
    conflicts: int

    @property
    def dropped(self) -> int:
        """Rows taken in all."""
        return self.duplicates + self.conflicts


@dataclass(frozen=True)
class DuplicateReport:
    """What de-duplication takes, in all and per class; ``conflicting_vectors`` counts the distinct ones."""

    rows: int
    duplicates: int
    conflicts: int
    conflicting_vectors: int
    classes: Mapping[str, ClassDuplicates]

    @property
    def kept(self) -> int:
        """Rows that stay."""
        return self.rows - self.duplicates - self.conflicts


def duplicate_report(hashes: ArrayLike, labels: ArrayLike, normal: object) -> DuplicateReport:
    """Count exact duplicates and vectors that carry both a normal and an anomaly label.

    Arguments:
        hashes: Row hashes over the features, shape (n,).
        labels: Class labels, shape (n,).
        normal: The label of the normal class.
    """
    return deduplicate(hashes, labels, normal)[1]


def deduplicate(hashes: ArrayLike, labels: ArrayLike, normal: object) -> tuple[NDArray[np.bool_], DuplicateReport]:
    """Which rows stay: the first of equal rows, and none whose vector carries both a normal and an anomaly label.

    The drops flatter a detector where anomalies look like normals; print them per class beside the result.

    Arguments:
        hashes: Row hashes over the features, shape (n,).
        labels: Class labels, shape (n,).
        normal: The label of the normal class.

    Returns:
        The rows to keep, shape (n,), and the counts.

    Raises:
        InputError: If lengths differ or no row carries the normal label.

    Example:
        >>> keep, report = deduplicate([1, 1, 2, 2, 3], ["ok", "ok", "ok", "bad", "bad"], "ok")
        >>> keep.tolist(), report.duplicates, report.conflicts
        ([True, False, False, False, True], 1, 2)
    """
    keys = _check_hashes(hashes)
    names, code, sizes = _encode(labels, keys.size, "labels")
    _, first, vector = np.unique(keys, return_index=True, return_inverse=True)
    if keys.size and str(normal) not in names:
        raise InputError(f"normal={normal!r} is none of the labels: {', '.join(names[:20])}")
    is_normal = np.array([name == str(normal) for name in names], dtype=bool)[code]
    with_normal = np.bincount(vector, weights=is_normal) > 0
    with_anomaly = np.bincount(vector, weights=~is_normal) > 0
    conflict = (with_normal & with_anomaly)[vector]
    earliest = np.zeros(keys.size, dtype=bool)
    earliest[first] = True
    duplicate = ~earliest & ~conflict
    per_class = zip(
        names, sizes, np.bincount(code, duplicate, len(names)), np.bincount(code, conflict, len(names)), strict=True
    )
    report = DuplicateReport(
        rows=int(keys.size),
        duplicates=int(duplicate.sum()),
        conflicts=int(conflict.sum()),
        conflicting_vectors=int((with_normal & with_anomaly).sum()),
        classes={name: ClassDuplicates(int(rows), int(twice), int(both)) for name, rows, twice, both in per_class},
    )
    return earliest & ~conflict, report


def _mix(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The finaliser of splitmix64: every output bit depends on every input bit; wrap-around is meant."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def _salt_bits(text: str) -> np.uint64:
    """A stable 64-bit hash of a text."""
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return np.uint64(int.from_bytes(digest, "little"))


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
    return _salt_bits(text)


def _taken(bits: NDArray[np.uint64], indices: pa.Array) -> NDArray[np.uint64]:
    """The bits that dictionary indices point to; a null index is a missing value."""
    places = pc.fill_null(indices.cast(pa.int64()), bits.size).to_numpy(zero_copy_only=False)
    taken: NDArray[np.uint64] = np.append(bits, MISSING)[places]
    return taken


def _check_hashes(hashes: ArrayLike) -> NDArray[np.uint64]:
    array = np.asarray(hashes)
    if array.ndim != 1 or (array.size and array.dtype.kind not in "ui"):
        raise InputError("hashes must be one 64-bit integer a row, as row_hashes(table, columns) gives them")
    return np.ascontiguousarray(array, dtype=np.uint64)


def _check_shares(shares: Mapping[str, float]) -> NDArray[np.float64]:
    fractions = np.array(list(shares.values()), dtype=np.float64)
    valid = 0 < fractions.size <= 127 and bool((fractions >= 0).all())
    if not valid or not math.isclose(float(fractions.sum()), 1.0, abs_tol=1e-9):
        raise InputError(f"shares must not be negative and must sum to 1, got {dict(shares)}")
    return fractions


def _last_share(shares: Mapping[str, float]) -> int:
    return max(place for place, share in enumerate(shares.values()) if share > 0)


def _encode(values: ArrayLike, rows: int, what: str) -> tuple[list[str], NDArray[np.intp], NDArray[np.int64]]:
    """Distinct values as text, the position of each row's value among them, and their counts."""
    array = np.asarray(values)
    if array.shape != (rows,):
        raise InputError(f"{what} must have one value a row: {rows} rows, shape {array.shape}")
    names, code, sizes = np.unique(array.astype(str), return_inverse=True, return_counts=True)
    return [str(name) for name in names], code, sizes


def _cut(sizes: NDArray[np.int64], fractions: NDArray[np.float64]) -> NDArray[np.int8]:
    """Cuts a sequence of units at the rounded cumulative shares; a unit on a border goes where its middle lies."""
    middle = np.cumsum(sizes) - 0.5 * sizes
    borders = np.round(np.cumsum(fractions) * sizes.sum())[:-1]
    return np.searchsorted(borders, middle, side="right").astype(np.int8)


def _fill(
    sizes: NDArray[np.int64], draws: NDArray[np.uint64], fractions: NDArray[np.float64], what: str
) -> NDArray[np.int8]:
    """Gives whole units to the part that lacks most rows: large units first, those of similar size in drawn order."""
    wanted = np.flatnonzero(fractions > 0)
    if sizes.size < wanted.size:
        raise InputError(f"{wanted.size} parts need at least as many {what}, there are {sizes.size}")
    lacking = fractions * sizes.sum()
    empty = set(wanted.tolist())
    parts = np.empty(sizes.size, dtype=np.int8)
    for done, unit in enumerate(np.lexsort((draws, -np.round(np.log2(sizes))))):
        # the last units are kept for parts that would stay empty
        open_parts = sorted(empty) if sizes.size - done <= len(empty) else wanted
        part = max((int(place) for place in open_parts), key=lacking.__getitem__)
        parts[unit] = part
        lacking[part] -= sizes[unit]
        empty.discard(part)
    return parts
