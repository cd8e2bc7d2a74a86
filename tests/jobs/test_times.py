"""Splits by blocks of time: consecutive rows stay together, in fitting, calibration and evaluation alike."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from tests.small import IGNORE, SHORT, refused, run, small_table, write

import unseen
from unseen.detectors import LatentSculptor
from unseen.errors import InputError, SchemaError
from unseen.jobs.split import RowSplit
from unseen.jobs.times import clock, time_edges
from unseen.schema import Schema
from unseen.sources import open_source
from unseen.table import infer_schema

ROWS = small_table()
SECONDS = ROWS.column("start_s").to_numpy().astype(np.float64)
START = datetime.datetime(2017, 7, 3, 8, 55, 58)
STAMPS = [START + datetime.timedelta(milliseconds=round(1000 * second)) for second in SECONDS]


@pytest.mark.parametrize(
    "column",
    [
        pa.array([0.5, 2.0, None]),
        pa.array([500_000, 2_000_000, None], pa.timestamp("us")),
        pa.array([500_000_000, 2_000_000_000, None], pa.timestamp("ns", "UTC")),
        pa.array([500, 2000, None], pa.time32("ms")),
        pa.array([500_000, 2_000_000, None], pa.time64("us")),
        pa.array([500, 2000, None], pa.duration("ms")),
        pa.array(["1970-01-01 00:00:00.5", "1970-01-01T00:00:02", None]),
        pa.array(["0.5", " 2 ", None]),
        pa.chunked_array([pa.array([0.5]), pa.array([2.0, None])]),
    ],
    ids=lambda column: str(column.type),
)
def test_times_of_every_kind_are_seconds_or_numbers(column: Any) -> None:
    np.testing.assert_allclose(clock(column, "t"), [0.5, 2.0, np.nan])


def test_days_and_far_years() -> None:
    np.testing.assert_array_equal(clock(pa.array([1, 2], pa.date32()), "t"), [86_400, 172_800])
    far = pa.array([datetime.datetime(9000, 1, 1)], pa.timestamp("us"))
    assert clock(far, "t")[0] == pytest.approx(
        (datetime.datetime(9000, 1, 1) - datetime.datetime(1970, 1, 1)).total_seconds()
    )


@pytest.mark.parametrize("column", [pa.array(["noon", "late"]), pa.array(["03/07/2017 08:55"]), pa.array([[1], [2]])])
def test_what_is_no_time_is_refused(column: pa.Array) -> None:
    with pytest.raises(SchemaError, match="column 't' holds"):
        clock(column, "t")


def test_blocks_are_about_a_hundred_and_of_equal_size(tmp_path: Path) -> None:
    source = open_source(write(pa.table({"t": SECONDS}), tmp_path / "t.parquet"))
    edges = time_edges(source, "t")
    assert list(edges) == sorted(set(edges))
    sizes = np.bincount(np.searchsorted(edges, SECONDS, side="right"))
    assert 90 <= len(sizes) <= 100
    assert sizes.max() <= 3 * len(SECONDS) / 100
    assert sizes.min() >= 1


def test_blocks_need_times() -> None:
    few = [float(value % 4) for value in range(50)]
    with pytest.raises(InputError, match="only 4 blocks of time"):
        time_edges(Rows(few), "t")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="2 of 3 rows have no time"):
        time_edges(Rows([1.0, None, float("inf")]), "t")  # type: ignore[arg-type]


class Rows:
    """A source of one column."""

    def __init__(self, values: list[float | None]) -> None:
        self.values = values

    def batches(self, columns: list[str]) -> list[pa.RecordBatch]:
        return [pa.record_batch({columns[0]: pa.array(self.values)})]


def test_a_block_is_never_cut(tmp_path: Path) -> None:
    table = pa.table({"x": np.arange(len(SECONDS)), "t": SECONDS})
    edges = time_edges(open_source(write(table, tmp_path / "t.parquet")), "t")
    split = RowSplit(seed=1, time="t", edges=edges)
    schema = infer_schema(table.schema, ignore=["t"])
    (batch,) = table.to_batches()
    test = split.begin(schema)(batch, None)
    blocks = np.searchsorted(edges, SECONDS, side="right")
    assert all(len(set(test[blocks == block])) == 1 for block in np.unique(blocks))
    assert 0.1 < test.mean() < 0.45
    # A rule read back from a model file says the same, row by row and in any order.
    again = RowSplit.model_validate_json(split.model_dump_json())
    order = np.random.default_rng(0).permutation(len(SECONDS))
    np.testing.assert_array_equal(again.begin(schema)(batch.take(pa.array(order)), None), test[order])
    other = RowSplit(seed=2, time="t", edges=edges).begin(schema)(batch, None)
    assert (other != test).any()


def test_known_rows_of_a_test_block_are_test_rows_too() -> None:
    # The known classes' share is smaller, so a block kept for the test may train on known rows, never the reverse.
    edges = tuple(float(edge) for edge in range(1, 100))
    batch = pa.record_batch({"x": np.arange(100.0), "t": np.arange(100.0) + 0.5})
    schema = Schema(columns=(infer_schema(batch.schema, ignore=["t"]).columns), label="y", normal="n")
    is_test = [
        RowSplit(seed=0, time="t", edges=edges).begin(schema)(batch, np.full(100, name)) for name in ("n", "known")
    ]
    assert (is_test[1] <= is_test[0]).all()
    assert is_test[1].any()


@pytest.mark.parametrize("suffix", [".parquet", ".csv", ".arrow"])
def test_time_stamps_through_the_command_line(suffix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, Any] = {}
    really_fit = LatentSculptor.fit

    def fit(self: LatentSculptor, X: pa.Table, y: Any, *, blocks: Any, **options: Any) -> LatentSculptor:
        seen.update(columns=X.column_names, blocks=blocks)
        return really_fit(self, X, y, blocks=blocks, **options)

    monkeypatch.setattr(LatentSculptor, "fit", fit)
    table = ROWS.append_column("Timestamp", pa.array(STAMPS, pa.timestamp("ms")))
    data = write(table, tmp_path / f"d{suffix}")
    words = ("--label", "label", "--ignore", IGNORE, "--split-time", "Timestamp", *SHORT)
    done = run("fit", data, *words, "--out", tmp_path / "m.unseen")
    assert done.code == 0, done.err
    assert "Timestamp" not in seen["columns"]
    assert 60 <= len(set(seen["blocks"])) <= 95
    detector = unseen.load(tmp_path / "m.unseen")
    assert detector.schema_.ignored[-1] == "Timestamp"
    split = detector.provenance_["split"]
    assert split["time"] == "Timestamp"
    assert len(split["edges"]) > 80

    evaluated = run("evaluate", tmp_path / "m.unseen", data)
    counts = detector.provenance_["counts"]
    kept = sum(counts["kept for the test"].values())
    assert f"{kept:,} rows evaluated, {ROWS.num_rows - kept:,} training rows left out" in evaluated.out
    shown = run("info", tmp_path / "m.unseen")
    assert "by a hash of 'Timestamp'" in shown.out
    bare = write(table.drop_columns(["Timestamp"]), tmp_path / "bare.parquet")
    refused(run("evaluate", tmp_path / "m.unseen", bare), "no column 'Timestamp' (--split-time)")
    assert run("score", tmp_path / "m.unseen", data, "--out", tmp_path / "s.parquet").code == 0
