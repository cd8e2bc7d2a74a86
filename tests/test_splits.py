"""Parts follow from content: equal rows together, whatever the file, the order or the batches."""

from __future__ import annotations

import datetime
import itertools
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unseen.errors import InputError, SchemaError
from unseen.splits import (
    Occurrences,
    assign_parts,
    deduplicate,
    duplicate_report,
    row_hashes,
    split_blocks,
    split_exact,
    uniform,
)

GOLDEN_HASHES = ["0x6cd7c33194b38277", "0xbca34f232f99b36f"]
SHARES = {"fit": 0.48, "validation": 0.12, "calibration": 0.15, "test": 0.25}


def random_hashes(rows: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 2**64, rows, dtype=np.uint64)


def mixed_table() -> pa.Table:
    return pa.table(
        {
            "duration": [1.5, -0.0, 3e-300, None, float("inf")],
            "packets": [1, 0, -7, 2**40, 3],
            "proto": ["tcp", "udp", "tcp", "", "icmp – é"],
            "flag": [True, False, True, False, True],
            "start": pa.array([datetime.datetime(2017, 7, d) for d in range(3, 8)], pa.timestamp("us")),
            "day": pa.array([datetime.date(2017, 7, d) for d in range(3, 8)]),
        }
    )


class TestRowHashes:
    def test_values_are_fixed_for_all_time(self) -> None:
        """A stored model names its rows by these hashes, so they may never change."""
        table = mixed_table()
        first = row_hashes(table, table.column_names)
        assert first.dtype == np.uint64
        assert [hex(value) for value in first[:2].tolist()] == GOLDEN_HASHES

    @given(cuts=st.lists(st.integers(0, 5), max_size=3), seed=st.integers(0, 5))
    def test_independent_of_chunking(self, cuts: list[int], seed: int) -> None:
        table = mixed_table()
        edges = [0, *sorted(cuts), 5]
        pieces = [table.slice(a, b - a) for a, b in itertools.pairwise(edges)]
        whole = row_hashes(table, table.column_names, seed=seed)
        assert np.array_equal(whole, row_hashes(pa.concat_tables(pieces), table.column_names, seed=seed))
        batches = [row_hashes(batch, table.column_names, seed=seed) for p in pieces for batch in p.to_batches()]
        assert np.array_equal(whole, np.concatenate(batches))

    def test_csv_and_parquet_agree(self, tmp_path: Path) -> None:
        rng = np.random.default_rng(3)
        table = pa.table(
            {
                "value": rng.normal(size=200) * 10.0 ** rng.integers(-20, 20, 200),
                "whole": rng.integers(0, 5, 200).astype(float),
                "count": pa.array(rng.integers(0, 2**31, 200), pa.int32()),
                "proto": pa.array(rng.choice(["tcp", "udp"], 200)).dictionary_encode(),
                "flag": rng.integers(0, 2, 200).astype(bool),
            }
        )
        pq.write_table(table, tmp_path / "rows.parquet")
        pyarrow.csv.write_csv(table, tmp_path / "rows.csv")
        names = table.column_names
        from_parquet = row_hashes(pq.read_table(tmp_path / "rows.parquet"), names)
        assert np.array_equal(from_parquet, row_hashes(pyarrow.csv.read_csv(tmp_path / "rows.csv"), names))
        as_text = pyarrow.csv.ConvertOptions(column_types={"value": pa.string(), "count": pa.string()})
        text_table = pyarrow.csv.read_csv(tmp_path / "rows.csv", convert_options=as_text)
        assert text_table.schema.field("value").type == pa.string()
        assert np.array_equal(from_parquet, row_hashes(text_table, names))

    @pytest.mark.parametrize(
        ("one", "other"),
        [
            (pa.array([0.0]), pa.array([-0.0])),
            (pa.array([float("nan")]), pa.array([None], pa.float64())),
            (pa.array([None], pa.null()), pa.array([None], pa.string())),
            (pa.array([""]), pa.array([None], pa.int64())),
            (pa.array([3], pa.uint8()), pa.array([3.0], pa.float32())),
            (pa.array([np.float16(0.5), None], pa.float16()), pa.array(["0.50", "NaN"])),
            (pa.array([True]), pa.array([1])),
            (pa.array(["1e3"]), pa.array([1000])),
            (pa.array(["Infinity"]), pa.array([float("inf")])),
            (pa.array(["x", None, "y"]).dictionary_encode(), pa.array(["x", None, "y"], pa.large_string())),
            (pa.array(["x", "y"], pa.string_view()), pa.array(["x", "y"])),
            (pa.array([86_400], pa.timestamp("s")), pa.array([86_400_000_000_000], pa.timestamp("ns", "UTC"))),
            (pa.array([1, None], pa.date32()), pa.array([86_400_000, None], pa.date64())),
            (pa.array([5], pa.time32("s")), pa.array([5_000_000], pa.time64("us"))),
        ],
    )
    def test_equal_values_of_different_types(self, one: pa.Array, other: pa.Array) -> None:
        assert np.array_equal(row_hashes(pa.table({"c": one}), ["c"]), row_hashes(pa.table({"c": other}), ["c"]))

    @given(st.lists(st.floats(allow_nan=True), min_size=1, max_size=20))
    def test_equal_exactly_where_numbers_are_equal(self, values: list[float]) -> None:
        hashes = row_hashes(pa.table({"c": values}), ["c"])
        for a, x in zip(hashes, values, strict=True):
            for b, y in zip(hashes, values, strict=True):
                assert (a == b) == (x == y or (x != x and y != y))

    def test_order_position_and_seed_matter(self) -> None:
        table = pa.table({"a": [1.0, 2.0], "b": [2.0, 1.0]})
        hashes = row_hashes(table, ["a", "b"])
        assert hashes[0] != hashes[1]
        assert hashes[0] == row_hashes(table, ["b", "a"])[1]
        assert not np.isin(row_hashes(table, ["a", "b"], seed=1), hashes).any()

    def test_no_accidental_collisions(self) -> None:
        grid = np.stack(np.meshgrid(np.arange(400.0), np.arange(400.0)), axis=-1).reshape(-1, 2)
        assert np.unique(row_hashes(pa.table({"a": grid[:, 0], "b": grid[:, 1]}), ["a", "b"])).size == len(grid)

    def test_no_rows(self) -> None:
        assert row_hashes(mixed_table().slice(0, 0), ["duration", "proto", "start"]).shape == (0,)

    @pytest.mark.parametrize(
        ("table", "columns", "message"),
        [
            (pa.table({"a": [1]}), ["b"], "'b' occurs 0 times"),
            (pa.Table.from_arrays([pa.array([1]), pa.array([2])], ["a", "a"]), ["a"], "'a' occurs 2 times"),
            (pa.table({"a": [[1]]}), ["a"], "cannot be hashed"),
            (pa.table({"a": [b"x"]}), ["a"], "cannot be hashed"),
            (pa.table({"a": [1]}), [], "at least one column"),
        ],
    )
    def test_refusals(self, table: pa.Table, columns: Sequence[str], message: str) -> None:
        with pytest.raises(SchemaError, match=message):
            row_hashes(table, columns)


class TestParts:
    def test_uniform_is_uniform_and_salted(self) -> None:
        draws = uniform(np.arange(100_000, dtype=np.uint64), salt="a")
        assert draws.min() >= 0.0
        assert draws.max() < 1.0
        # the largest gap to the uniform distribution, 4 standard units
        assert np.abs(np.sort(draws) - (np.arange(100_000) + 0.5) / 100_000).max() < 2.0 / np.sqrt(100_000)
        assert abs(np.corrcoef(draws, uniform(np.arange(100_000, dtype=np.uint64), salt="b"))[0, 1]) < 0.013

    def test_assign_parts_meets_shares_and_ignores_order(self) -> None:
        hashes = random_hashes(50_000)
        parts = assign_parts(hashes, SHARES, salt="0")
        assert np.bincount(parts, minlength=4) / 50_000 == pytest.approx(list(SHARES.values()), abs=0.01)
        assert np.array_equal(assign_parts(hashes[::-1], SHARES, salt="0")[::-1], parts)
        assert np.array_equal(np.concatenate([assign_parts(h, SHARES, salt="0") for h in np.split(hashes, 100)]), parts)
        assert (assign_parts(hashes, SHARES, salt="1") != parts).mean() > 0.5

    @given(st.permutations([0.0, 0.0, 0.3, 0.7]))
    def test_parts_without_share_stay_empty(self, shares: list[float]) -> None:
        named = {str(place): share for place, share in enumerate(shares)}
        hashes = random_hashes(500)
        for parts in (assign_parts(hashes, named, salt=""), split_exact(hashes, named, salt="")):
            assert set(parts.tolist()) == set(np.flatnonzero(shares).tolist())

    @given(rows=st.integers(0, 300), seed=st.integers(0, 3))
    def test_split_exact_sizes(self, rows: int, seed: int) -> None:
        parts = split_exact(random_hashes(rows, seed), SHARES, salt="0")
        sizes = np.bincount(parts, minlength=4)
        assert sizes.sum() == rows
        assert np.abs(sizes - rows * np.array(list(SHARES.values()))).max() <= 1.0

    @given(st.lists(st.integers(0, 20), min_size=1, max_size=200))
    def test_split_exact_keeps_equal_rows_together(self, values: list[int]) -> None:
        hashes = np.array(values, dtype=np.uint64)
        parts = split_exact(hashes, SHARES, salt="0")
        for value in set(values):
            assert np.unique(parts[hashes == value]).size == 1
        order = np.random.default_rng(0).permutation(hashes.size)
        assert np.array_equal(split_exact(hashes[order], SHARES, salt="0"), parts[order])

    @given(st.lists(st.integers(0, 30), min_size=60, max_size=300), st.integers(0, 3))
    def test_groups_stay_whole_and_no_part_is_empty(self, groups: list[int], salt: int) -> None:
        if len(set(groups)) < 4:
            groups = [*groups, 31, 32, 33, 34]
        hosts = np.array([f"host{g}" for g in groups])
        parts = split_exact(random_hashes(len(groups)), SHARES, salt=str(salt), groups=hosts)
        assert set(parts.tolist()) == {0, 1, 2, 3}
        assert all(np.unique(parts[hosts == host]).size == 1 for host in set(hosts))

    def test_groups_meet_shares(self) -> None:
        groups = np.random.default_rng(1).integers(0, 300, 6000)
        parts = split_exact(random_hashes(6000), SHARES, salt="0", groups=groups)
        assert np.bincount(parts) / 6000 == pytest.approx(list(SHARES.values()), abs=0.01)
        other = split_exact(random_hashes(6000), SHARES, salt="1", groups=groups)
        assert (parts != other).mean() > 0.3

    def test_blocks_are_consecutive_and_whole(self) -> None:
        rng = np.random.default_rng(2)
        times = np.sort(rng.exponential(size=5000).cumsum().round(1))
        order = rng.permutation(5000)
        parts = np.empty(5000, dtype=np.int8)
        parts[order] = split_blocks(times[order], SHARES, salt="0", blocks=40)
        assert np.bincount(parts) / 5000 == pytest.approx(list(SHARES.values()), abs=0.03)
        assert np.count_nonzero(np.diff(parts)) < 40
        assert np.all(np.diff(parts)[np.diff(times) == 0] == 0)
        assert set(parts.tolist()) == {0, 1, 2, 3}

    def test_blocks_accept_datetimes_and_refuse_missing_ones(self) -> None:
        times = np.datetime64("2017-07-03", "s") + np.arange(1000)
        by_date = split_blocks(times, SHARES, salt="0", blocks=20)
        assert np.array_equal(by_date, split_blocks(np.arange(1000), SHARES, salt="0", blocks=20))
        with pytest.raises(InputError, match="1 of 1000 rows have no time"):
            split_blocks(np.where(np.arange(1000) == 3, np.datetime64("NaT"), times), SHARES, salt="0")

    def test_blocks_of_one_moment_cannot_be_split(self) -> None:
        with pytest.raises(InputError, match="4 parts need at least as many time blocks, there are 1"):
            split_blocks(np.zeros(100), SHARES, salt="0")

    @pytest.mark.parametrize("shares", [{}, {"a": 0.5}, {"a": 1.5, "b": -0.5}, {"a": float("nan")}])
    def test_bad_shares(self, shares: dict[str, float]) -> None:
        for split in (assign_parts, split_exact):
            with pytest.raises(InputError, match="must sum to 1"):
                split(random_hashes(5), shares, salt="")

    def test_other_refusals(self) -> None:
        with pytest.raises(InputError, match="hashes must be"):
            uniform([0.5], salt="")
        with pytest.raises(InputError, match="4 parts need at least as many groups, there are 2"):
            split_exact(random_hashes(4), SHARES, salt="", groups=["a", "a", "b", "b"])
        with pytest.raises(InputError, match="groups must have one value a row"):
            split_exact(random_hashes(4), SHARES, salt="", groups=["a"])
        with pytest.raises(InputError, match="blocks=0"):
            split_blocks([1.0], SHARES, salt="", blocks=0)


class TestDuplicates:
    @given(st.lists(st.tuples(st.integers(0, 8), st.sampled_from(["ok", "dos", "scan"])), min_size=1, max_size=60))
    def test_against_a_plain_loop(self, rows: list[tuple[int, str]]) -> None:
        rows = [*rows, (9, "ok")]
        labels_of: dict[int, set[str]] = {}
        for vector, label in rows:
            labels_of.setdefault(vector, set()).add(label)
        conflicts = {vector for vector, labels in labels_of.items() if "ok" in labels and len(labels) > 1}
        seen: set[int] = set()
        expected = []
        for vector, _ in rows:
            expected.append(vector not in seen and vector not in conflicts)
            seen.add(vector)
        hashes, labels = [v for v, _ in rows], [label for _, label in rows]
        keep, report = deduplicate(hashes, labels, "ok")
        assert keep.tolist() == expected
        assert (report.rows, report.kept, report.conflicting_vectors) == (len(rows), sum(expected), len(conflicts))
        for name, counts in report.classes.items():
            mine = [kept for kept, label in zip(expected, labels, strict=True) if label == name]
            assert (counts.rows, counts.dropped) == (len(mine), len(mine) - sum(mine))
            assert counts.conflicts == sum(v in conflicts for v, label in rows if label == name)

    def test_two_anomaly_labels_are_no_conflict(self) -> None:
        keep, report = deduplicate([1, 1, 2], ["dos", "scan", "ok"], "ok")
        assert keep.tolist() == [True, False, True]
        assert (report.duplicates, report.conflicts) == (1, 0)

    def test_numeric_labels_and_unknown_normal(self) -> None:
        assert duplicate_report([1, 1], np.array([0, 1]), 0).conflicts == 2
        with pytest.raises(InputError, match="normal='benign' is none of the labels: dos, ok"):
            duplicate_report([1, 2], ["ok", "dos"], "benign")

    def test_real_duplicates_of_unsw_nb15(self, data_dir: Path) -> None:
        """The data card states 28,386 duplicates on the features."""
        columns = set(pq.read_schema(data_dir / "unsw_nb15.parquet").names)
        settings = tomllib.loads((data_dir / "groups.toml").read_text())["unsw_nb15"]
        features = sorted(columns - {"label", "is_attack", "split", "id", *settings.get("metadata", [])})
        table = pq.read_table(data_dir / "unsw_nb15.parquet")
        report = duplicate_report(row_hashes(table, features), table["label"].to_pylist(), "Normal")
        distinct = table.group_by(features).aggregate([]).num_rows
        assert report.rows - distinct == 28_386
        assert report.kept + report.conflicting_vectors == distinct


@given(st.lists(st.integers(0, 5), max_size=60), st.randoms(use_true_random=False), st.integers(1, 10))
def test_occurrences_are_told_apart_whatever_the_order_and_the_batches(
    values: list[int], random: Any, size: int
) -> None:
    whole = Occurrences()(np.array(values, dtype=np.uint64))
    assert len(set(whole.tolist())) == len(values)
    shuffled = values.copy()
    random.shuffle(shuffled)
    counter = Occurrences()
    parts = [counter(np.array(shuffled[i : i + size], dtype=np.uint64)) for i in range(0, len(values), size)]
    assert sorted(np.concatenate(parts).tolist() if parts else []) == sorted(whole.tolist())


def test_each_part_gets_its_share_of_the_copies_of_a_frequent_row() -> None:
    hashes = Occurrences()(np.full(10_000, 7, dtype=np.uint64))
    assert abs(np.mean(uniform(hashes, salt="x") < 0.25) - 0.25) < 0.02
