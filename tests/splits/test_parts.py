"""Parts follow from hashes and a salt: equal rows, groups and blocks of time stay whole, and sizes meet the shares."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unseen.errors import InputError
from unseen.splits import assign_parts, split_blocks, split_exact

SHARES = {"fit": 0.48, "validation": 0.12, "calibration": 0.15, "test": 0.25}


def random_hashes(rows: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 2**64, rows, dtype=np.uint64)


def test_assign_parts_meets_shares_and_ignores_order() -> None:
    hashes = random_hashes(50_000)
    parts = assign_parts(hashes, SHARES, salt="0")
    assert np.bincount(parts, minlength=4) / 50_000 == pytest.approx(list(SHARES.values()), abs=0.01)
    assert np.array_equal(assign_parts(hashes[::-1], SHARES, salt="0")[::-1], parts)
    assert np.array_equal(np.concatenate([assign_parts(h, SHARES, salt="0") for h in np.split(hashes, 100)]), parts)
    assert (assign_parts(hashes, SHARES, salt="1") != parts).mean() > 0.5


@given(st.permutations([0.0, 0.0, 0.3, 0.7]))
def test_parts_without_share_stay_empty(shares: list[float]) -> None:
    named = {str(place): share for place, share in enumerate(shares)}
    hashes = random_hashes(500)
    for parts in (assign_parts(hashes, named, salt=""), split_exact(hashes, named, salt="")):
        assert set(parts.tolist()) == set(np.flatnonzero(shares).tolist())


@given(rows=st.integers(0, 300), seed=st.integers(0, 3))
def test_split_exact_sizes(rows: int, seed: int) -> None:
    parts = split_exact(random_hashes(rows, seed), SHARES, salt="0")
    sizes = np.bincount(parts, minlength=4)
    assert sizes.sum() == rows
    assert np.abs(sizes - rows * np.array(list(SHARES.values()))).max() <= 1.0


@given(st.lists(st.integers(0, 20), min_size=1, max_size=200))
def test_split_exact_keeps_equal_rows_together(values: list[int]) -> None:
    hashes = np.array(values, dtype=np.uint64)
    parts = split_exact(hashes, SHARES, salt="0")
    for value in set(values):
        assert np.unique(parts[hashes == value]).size == 1
    order = np.random.default_rng(0).permutation(hashes.size)
    assert np.array_equal(split_exact(hashes[order], SHARES, salt="0"), parts[order])


@given(st.lists(st.integers(0, 30), min_size=60, max_size=300), st.integers(0, 3))
def test_groups_stay_whole_and_no_part_is_empty(groups: list[int], salt: int) -> None:
    if len(set(groups)) < 4:
        groups = [*groups, 31, 32, 33, 34]
    hosts = np.array([f"host{g}" for g in groups])
    parts = split_exact(random_hashes(len(groups)), SHARES, salt=str(salt), groups=hosts)
    assert set(parts.tolist()) == {0, 1, 2, 3}
    assert all(np.unique(parts[hosts == host]).size == 1 for host in set(hosts))


def test_groups_meet_shares() -> None:
    groups = np.random.default_rng(1).integers(0, 300, 6000)
    parts = split_exact(random_hashes(6000), SHARES, salt="0", groups=groups)
    assert np.bincount(parts) / 6000 == pytest.approx(list(SHARES.values()), abs=0.01)
    other = split_exact(random_hashes(6000), SHARES, salt="1", groups=groups)
    assert (parts != other).mean() > 0.3


def test_blocks_are_consecutive_and_whole() -> None:
    rng = np.random.default_rng(2)
    times = np.sort(rng.exponential(size=5000).cumsum().round(1))
    order = rng.permutation(5000)
    parts = np.empty(5000, dtype=np.int8)
    parts[order] = split_blocks(times[order], SHARES, salt="0", blocks=40)
    assert np.bincount(parts) / 5000 == pytest.approx(list(SHARES.values()), abs=0.03)
    assert np.count_nonzero(np.diff(parts)) < 40
    assert np.all(np.diff(parts)[np.diff(times) == 0] == 0)
    assert set(parts.tolist()) == {0, 1, 2, 3}


def test_blocks_accept_datetimes_and_refuse_missing_ones() -> None:
    times = np.datetime64("2017-07-03", "s") + np.arange(1000)
    by_date = split_blocks(times, SHARES, salt="0", blocks=20)
    assert np.array_equal(by_date, split_blocks(np.arange(1000), SHARES, salt="0", blocks=20))
    with pytest.raises(InputError, match="1 of 1000 rows have no time"):
        split_blocks(np.where(np.arange(1000) == 3, np.datetime64("NaT"), times), SHARES, salt="0")


def test_blocks_of_one_moment_cannot_be_split() -> None:
    with pytest.raises(InputError, match="4 parts need at least as many time blocks, there are 1"):
        split_blocks(np.zeros(100), SHARES, salt="0")


@pytest.mark.parametrize("shares", [{}, {"a": 0.5}, {"a": 1.5, "b": -0.5}, {"a": float("nan")}])
def test_bad_shares(shares: dict[str, float]) -> None:
    for split in (assign_parts, split_exact):
        with pytest.raises(InputError, match="must sum to 1"):
            split(random_hashes(5), shares, salt="")


def test_other_refusals() -> None:
    with pytest.raises(InputError, match="4 parts need at least as many groups, there are 2"):
        split_exact(random_hashes(4), SHARES, salt="", groups=["a", "a", "b", "b"])
    with pytest.raises(InputError, match="groups must have one value a row"):
        split_exact(random_hashes(4), SHARES, salt="", groups=["a"])
    with pytest.raises(InputError, match="blocks=0"):
        split_blocks([1.0], SHARES, salt="", blocks=0)
