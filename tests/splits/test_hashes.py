"""A row's hash follows from its content: equal rows have equal hashes, whatever the file, the order or the batches."""

from __future__ import annotations

import datetime
import itertools
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
from unseen.splits import Occurrences, row_hashes, uniform

GOLDEN_HASHES = ["0x6cd7c33194b38277", "0xbca34f232f99b36f"]


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


def test_uniform_is_uniform_and_salted() -> None:
    draws = uniform(np.arange(100_000, dtype=np.uint64), salt="a")
    assert draws.min() >= 0.0
    assert draws.max() < 1.0
    # the largest gap to the uniform distribution, 4 standard units
    assert np.abs(np.sort(draws) - (np.arange(100_000) + 0.5) / 100_000).max() < 2.0 / np.sqrt(100_000)
    assert abs(np.corrcoef(draws, uniform(np.arange(100_000, dtype=np.uint64), salt="b"))[0, 1]) < 0.013


def test_uniform_needs_whole_numbers() -> None:
    with pytest.raises(InputError, match="hashes must be"):
        uniform([0.5], salt="")


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
