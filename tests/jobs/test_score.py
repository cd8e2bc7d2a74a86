"""Scoring files: order, carried columns, formats, rates, memory."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pcsv
import pyarrow.parquet as pq
import pytest
from tests.small import LABELLED, SHORT, listing, refused, replaced, run, small_table, spawn, write

import unseen
from unseen.errors import InputError
from unseen.jobs.demo import METADATA
from unseen.jobs.score import score_file
from unseen.sources import open_source

ROWS = small_table()


def read(path: Path) -> pa.Table:
    """A score file in any format, with plain types."""
    batches = list(open_source(path).batches())
    return pa.Table.from_batches(batches)


def score(model: Path, data: Path, out: Path, *words: object) -> pa.Table:
    done = run("score", model, data, "--out", out, *words)
    assert done.code == 0, done.err
    return read(out)


def test_rows_keep_their_order_and_bring_their_metadata(model: Path, flows: Path, tmp_path: Path) -> None:
    scores = score(model, flows, tmp_path / "s.parquet")
    assert scores.column_names == ["row", "label", *METADATA, "anomaly_score", "p_value", "alarm"]
    np.testing.assert_array_equal(scores.column("row").to_numpy(), np.arange(ROWS.num_rows))
    for name in ("label", *METADATA):
        assert scores.column(name).to_pylist() == ROWS.column(name).to_pylist()
    detector = unseen.load(model)
    X = ROWS.drop_columns(["label", *METADATA])
    np.testing.assert_array_equal(scores.column("anomaly_score").to_numpy(), detector.anomaly_score(X))
    np.testing.assert_array_equal(scores.column("p_value").to_numpy(), detector.p_value(X))
    np.testing.assert_array_equal(scores.column("alarm").to_numpy(), detector.alarm(X))
    assert listing(tmp_path) == ["s.parquet"]


@pytest.mark.parametrize("double", [True, False])
def test_every_format_gives_the_same_scores(double: bool, model: Path, tmp_path: Path) -> None:
    kinds = [pa.float64() if double and pa.types.is_floating(kind) else kind for kind in ROWS.schema.types]
    table = ROWS.cast(pa.schema(list(zip(ROWS.column_names, kinds, strict=True))))
    sources = [write(table, tmp_path / f"flows{suffix}") for suffix in (".parquet", ".csv", ".arrow")]
    expected = score(model, sources[0], tmp_path / "s.parquet")
    for source in sources:
        for target in (".csv", ".arrow", ".parquet", ".csv.gz", ".feather"):
            found = score(model, source, tmp_path / f"out{target}")
            assert found.column("row").to_pylist() == expected.column("row").to_pylist()
            # CSV holds the shortest decimals of single-precision columns, which are not quite the same numbers.
            for name, tolerance in (("anomaly_score", 1e-4), ("p_value", 0.02)):
                np.testing.assert_allclose(
                    found.column(name), expected.column(name), rtol=0, atol=0 if double else tolerance
                )
            alarm = [str(value).lower() == "true" for value in found.column("alarm").to_pylist()]
            assert not double or alarm == expected.column("alarm").to_pylist()


def test_a_folder_is_scored_as_one_table(model: Path, flows: Path, tmp_path: Path) -> None:
    folder = tmp_path / "days"
    folder.mkdir()
    write(ROWS.slice(0, 500), folder / "1.parquet")
    # Other order of columns, other format: columns are matched by name.
    write(ROWS.slice(500).select(ROWS.column_names[::-1]), folder / "2.csv")
    expected = score(model, flows, tmp_path / "one.parquet")
    for where in (folder, f"{folder}/*.*"):
        found = score(model, where, tmp_path / "all.parquet")
        np.testing.assert_allclose(found.column("anomaly_score"), expected.column("anomaly_score"), rtol=1e-4)
        assert found.column("row").to_pylist() == list(range(ROWS.num_rows))


def test_the_rate_decides_the_alarms(model: Path, flows: Path, tmp_path: Path) -> None:
    counts = []
    for rate in (0.01, 0.05, 0.3):
        scores = score(model, flows, tmp_path / "s.csv", "--false-alarm-rate", rate)
        alarm = np.asarray([str(value).lower() == "true" for value in scores.column("alarm").to_pylist()])
        np.testing.assert_array_equal(alarm, scores.column("p_value").to_numpy() <= rate)
        counts.append(int(alarm.sum()))
    assert 0 < counts[1] < counts[2]
    for rate, words in (
        (0, "must lie strictly between 0 and 1"),
        (1, "must lie strictly between 0 and 1"),
        (-0.1, "must lie strictly between 0 and 1"),
        ("nan", "false_alarm_rate=nan"),
        (0.0001, "needs at least 9999 calibration normals"),
    ):
        refused(run("score", model, flows, "--out", tmp_path / "no.csv", f"--false-alarm-rate={rate}"), words)
    assert listing(tmp_path) == ["s.csv"]


def test_json_and_quiet(model: Path, flows: Path, tmp_path: Path) -> None:
    out = tmp_path / "s.parquet"
    holes = write(
        replaced(ROWS, "src2dst_bytes", [None] * 5 + ROWS.column("src2dst_bytes").to_pylist()[5:]), tmp_path / "d.csv"
    )
    spoken = run("score", model, holes, "--out", out, "--json")
    result = json.loads(spoken.out)
    assert result.keys() == {"out", "rows", "alarms", "false_alarm_rate", "threshold", "notes"}
    assert (result["rows"], result["false_alarm_rate"]) == (ROWS.num_rows, 0.01)
    assert result["alarms"] == sum(read(out).column("alarm").to_pylist())
    note = f"5 missing values in 1 columns: 'src2dst_bytes' (of {ROWS.num_rows} rows)"
    assert result["notes"] == [note]
    assert spoken.err == f"note: {note}\n"
    quiet = run("score", model, holes, "--out", out, "--quiet")
    assert quiet.err == ""
    assert re.fullmatch(r"1,490 rows, \d+ alarms \(.* %\) at a false-alarm rate of 0.01: .*s\.parquet\n", quiet.out)


def test_columns_that_do_not_fit_are_refused_with_the_difference(model: Path, tmp_path: Path) -> None:
    def tried(table: pa.Table, *words: str) -> None:
        data = write(table, tmp_path / "d.parquet")
        for line in (("score", model, data, "--out", tmp_path / "s.csv"), ("evaluate", model, data)):
            refused(run(*line), *words)
        assert listing(tmp_path) == ["d.parquet"]

    tried(ROWS.drop_columns(["protocol"]), "1 missing: 'protocol'", "Rename, add or drop them")
    tried(ROWS.append_column("ttl", pa.array([1] * ROWS.num_rows)), "1 unknown: 'ttl'", "--ignore 'ttl'")
    names = ["Protocol" if name == "protocol" else name for name in ROWS.column_names]
    tried(ROWS.rename_columns(names), "1 missing: 'protocol'", "1 unknown: 'Protocol'", "'Protocol' may be 'protocol'")
    tried(replaced(ROWS, "protocol", ["tcp"] * ROWS.num_rows), "column 'protocol' is a number column", "first 'tcp'")
    stamps = pa.array(np.arange(ROWS.num_rows), pa.timestamp("ms"))
    tried(replaced(ROWS, "protocol", stamps, stamps.type), "column 'protocol' holds timestamp[ms]")


def test_what_need_not_be_there(model: Path, flows: Path, tmp_path: Path) -> None:
    bare = write(ROWS.drop_columns(["label", *METADATA]), tmp_path / "d.parquet")
    scores = score(model, bare, tmp_path / "s.parquet")
    assert scores.column_names == ["row", "anomaly_score", "p_value", "alarm"]
    expected = score(model, flows, tmp_path / "t.parquet")
    assert scores.column("anomaly_score").to_pylist() == expected.column("anomaly_score").to_pylist()


def test_rows_of_later_batches_are_counted_from_the_beginning(model: Path, tmp_path: Path) -> None:
    rows = 17_000
    values = ["6"] * rows
    values[16_900] = "tcp"
    table = replaced(pa.concat_tables([ROWS] * 12).slice(0, rows), "protocol", values)
    with pytest.raises(InputError, match=r"first 'tcp' in row 517(?s:.)*\(rows counted after the first 16,384\)"):
        score_file(unseen.load(model), write(table, tmp_path / "d.parquet"), out=tmp_path / "s.csv")


def test_categories_never_seen_are_scored_and_counted(tmp_path: Path) -> None:
    table = ROWS.append_column("service", pa.array(["dns" if row % 3 else "http" for row in range(ROWS.num_rows)]))
    data = write(table, tmp_path / "d.parquet")
    assert run("fit", data, *LABELLED, *SHORT, "--out", tmp_path / "m.unseen").code == 0
    other = write(replaced(table, "service", ["smtp"] * 3 + ["dns"] * (ROWS.num_rows - 3)), tmp_path / "o.csv")
    done = run("score", tmp_path / "m.unseen", other, "--out", tmp_path / "s.parquet")
    assert done.code == 0
    assert "3 values of categories never seen in fitting in 1 columns: 'service'" in done.err
    assert np.isfinite(read(tmp_path / "s.parquet").column("anomaly_score").to_numpy()).all()


def test_a_carried_column_is_never_overwritten(flows: Path, tmp_path: Path) -> None:
    table = ROWS.rename_columns(["alarm" if name == "site" else name for name in ROWS.column_names])
    data = write(table, tmp_path / "d.parquet")
    words = ("--label", "label", "--ignore", "window,tool,start_s,alarm", *SHORT)
    assert run("fit", data, *words, "--out", tmp_path / "m.unseen").code == 0
    done = run("score", tmp_path / "m.unseen", data, "--out", tmp_path / "s.csv")
    refused(done, "own column 'alarm' would be overwritten; rename it")


PEAK = """
import resource, sys
from unseen.cli import main
try:
    main(sys.argv[1:])
finally:
    sys.stderr.write(f"peak {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss}")
"""


@pytest.mark.slow
def test_memory_does_not_grow_with_rows(model: Path, tmp_path: Path) -> None:
    peaks = []
    for rows in (20_000, 200_000):
        data = tmp_path / f"{rows}.parquet"
        pq.write_table(
            pa.concat_tables([ROWS] * (rows // ROWS.num_rows + 1)).slice(0, rows), data, row_group_size=20_000
        )
        words = ["score", str(model), str(data), "--out", str(tmp_path / "s.parquet"), "--quiet"]
        done = subprocess.run([sys.executable, "-c", PEAK, *words], capture_output=True, text=True, check=True)
        assert pq.ParquetFile(tmp_path / "s.parquet").metadata.num_rows == rows
        peaks.append(int(done.stderr.split()[-1]))
    assert peaks[1] <= 1.1 * peaks[0]


def test_a_process_of_its_own(model: Path, flows: Path, tmp_path: Path) -> None:
    done = spawn("score", model, flows, "--out", tmp_path / "s.csv")
    assert done.code == 0
    assert done.err == ""
    table = pcsv.read_csv(tmp_path / "s.csv")
    assert table.num_rows == ROWS.num_rows
