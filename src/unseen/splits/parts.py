"""Rows to parts: seeded shares, whole groups, and blocks of time."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray

from unseen.errors import InputError
from unseen.splits.hashes import checked_hashes, mix, salt_bits, uniform

__all__ = ["assign_parts", "encode", "split_blocks", "split_exact"]


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
    keys, fractions = checked_hashes(hashes), _check_shares(shares)
    if keys.size == 0:
        return np.empty(0, dtype=np.int8)
    if groups is None:
        _, unit, sizes = np.unique(mix(keys ^ salt_bits(salt)), return_inverse=True, return_counts=True)
        # np.unique sorts, and mixed hashes are in random order already
        return _cut(sizes, fractions)[unit]
    names, unit, sizes = encode(groups, keys.size, "groups")
    draws = np.array([salt_bits(f"{salt}\x00{name}") for name in names], dtype=np.uint64)
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
    draws = mix(names.astype(np.uint64) ^ salt_bits(salt))
    return _fill(sizes, draws, fractions, "time blocks")[unit]


def encode(values: ArrayLike, rows: int, what: str) -> tuple[list[str], NDArray[np.intp], NDArray[np.int64]]:
    """Distinct values as text, the position of each row's value among them, and their counts."""
    array = np.asarray(values)
    if array.shape != (rows,):
        raise InputError(f"{what} must have one value a row: {rows} rows, shape {array.shape}")
    names, code, sizes = np.unique(array.astype(str), return_inverse=True, return_counts=True)
    return [str(name) for name in names], code, sizes


def _check_shares(shares: Mapping[str, float]) -> NDArray[np.float64]:
    fractions = np.array(list(shares.values()), dtype=np.float64)
    valid = 0 < fractions.size <= 127 and bool((fractions >= 0).all())
    if not valid or not math.isclose(float(fractions.sum()), 1.0, abs_tol=1e-9):
        raise InputError(f"shares must not be negative and must sum to 1, got {dict(shares)}")
    return fractions


def _last_share(shares: Mapping[str, float]) -> int:
    return max(place for place, share in enumerate(shares.values()) if share > 0)


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
