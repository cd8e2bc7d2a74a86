"""Work in threads: results in order, the stream never far ahead, errors told at once."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pcsv
import pyarrow.parquet as pq
import pytest

from unseen.errors import InputError, SchemaError
from unseen.jobs import score as score_module
from unseen.jobs.overlap import overlapped
from unseen.jobs.score import score_file
from unseen.runtime import OnnxScorer

GOLDEN = Path(__file__).parents[1] / "golden"


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_results_come_in_order_and_the_stream_is_not_read_ahead(workers: int) -> None:
    drawn, used, most = 0, 0, 0

    def items() -> Iterator[int]:
        nonlocal drawn, most
        for n in range(40):
            drawn += 1
            most = max(most, drawn - used)
            yield n

    found = []
    for result in overlapped(items(), lambda n: (n, threading.current_thread().name), workers):
        used += 1
        found.append(result)
    assert [n for n, _ in found] == list(range(40))
    assert all(name.startswith("unseen") for _, name in found)
    assert most <= 2 * workers + 2


def test_several_threads_work_at_the_same_time() -> None:
    # Each waits for the other: with one thread, this would end in a broken barrier.
    barrier = threading.Barrier(2, timeout=30)
    assert len(list(overlapped(range(4), lambda _: barrier.wait(), workers=2))) == 4


def test_an_error_ends_the_stream() -> None:
    def work(n: int) -> int:
        if n == 3:
            raise ValueError("the fourth")
        return n

    results = overlapped(iter(range(1000)), work, workers=2)
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(ValueError, match="the fourth"):
        next(results)
    with pytest.raises(InputError, match="workers=0"):
        list(overlapped([1], work, workers=0))


def test_scores_do_not_depend_on_batches_and_workers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = pa.concat_tables([pcsv.read_csv(GOLDEN / "rows.csv")] * 20)
    pq.write_table(rows, tmp_path / "rows.parquet")
    scorer = OnnxScorer(GOLDEN / "exported-1.onnx")
    expected = scorer.anomaly_score(rows)
    reports = []
    for batch_rows, workers in ((16_384, 1), (100, 1), (37, 4), (1, 2)):
        monkeypatch.setattr(score_module, "_BATCH_ROWS", batch_rows)
        out = tmp_path / f"{batch_rows}-{workers}.arrow"
        reports.append(score_file(scorer, tmp_path / "rows.parquet", out=out, workers=workers))
        with pa.OSFile(str(out)) as file:
            scores = pa.ipc.open_file(file).read_all()
        np.testing.assert_array_equal(scores.column("anomaly_score"), expected)
        np.testing.assert_array_equal(scores.column("row"), np.arange(rows.num_rows))
    assert all(report == reports[0] for report in reports)
    assert reports[0].notes


def test_a_bad_cell_is_told_with_its_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(score_module, "_BATCH_ROWS", 50)
    table = pcsv.read_csv(GOLDEN / "rows.csv")
    table = pa.concat_tables([table] * 10)
    cells = ["1"] * table.num_rows
    cells[333] = "many"
    place = table.column_names.index("src2dst_bytes")
    pq.write_table(table.set_column(place, "src2dst_bytes", pa.array(cells)), tmp_path / "rows.parquet")
    with pytest.raises(SchemaError, match=r"row 34\n.*after the first 300") as refusal:
        score_file(OnnxScorer(GOLDEN / "exported-1.onnx"), tmp_path / "rows.parquet", out=tmp_path / "s.csv", workers=2)
    assert "src2dst_bytes" in str(refusal.value)
    assert not (tmp_path / "s.csv").exists()
