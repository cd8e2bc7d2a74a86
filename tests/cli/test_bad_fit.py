"""What `unseen fit` refuses: one or two lines that name column, rows and remedy, exit code 2, nothing left behind."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.small import IGNORE, LABELLED, SHORT, Ran, listing, refused, replaced, run, small_table, write

ROWS = small_table()
LABELS = np.asarray(ROWS.column("label").to_pylist())


def fit(table: pa.Table | Path, folder: Path, *words: str, labelled: tuple[str, ...] = LABELLED) -> Ran:
    """Fit on a table, and check that a refusal leaves nothing behind."""
    path = table if isinstance(table, Path) else write(table, folder / "flows.parquet")
    before = listing(folder)
    done = run("fit", path, *SHORT, *labelled, *words, "--out", folder / "m.unseen")
    if done.code:
        assert listing(folder) == before
    return done


@pytest.mark.parametrize(
    ("labelled", "words"),
    [
        (("--label", "Label", "--ignore", IGNORE), ["no column 'Label' (--label)", "did you mean 'label'?"]),
        (("--label", "class", "--ignore", IGNORE), ["no column 'class' (--label)", "the columns are 'protocol'"]),
        (("--label", "label", "--normal", "BENIGN"), ["normal class 'BENIGN' is not among", "did you mean 'benign'?"]),
        (("--label", "label", "--normal", " be nign "), ["did you mean 'benign'?"]),
        (("--label", "label", "--normal", "quiet"), ["normal class 'quiet'", "the labels are", "'ssh_bruteforce'"]),
        (("--label", "label", "--ignore", "windw"), ["no column 'windw' (--ignore)", "did you mean 'window'?"]),
        (("--label", "label", "--categorical", "Protocol"), ["(--categorical)", "did you mean 'protocol'?"]),
        (("--hide", "beacon", "--ignore", f"label,{IGNORE}"), ["--hide names a class", "--label COLUMN"]),
        (("--normal", "benign", "--ignore", f"label,{IGNORE}"), ["--normal names a class", "--label COLUMN"]),
        ((*LABELLED, "--hide", "Slow-Read"), ["no class 'Slow-Read' to hide", "did you mean 'slow_read'?"]),
        ((*LABELLED, "--hide", "Bot"), ["no class 'Bot' to hide", "the labels are", "'beacon'"]),
        ((*LABELLED, "--hide", "benign"), ["'benign' is the normal class and cannot be hidden"]),
        ((*LABELLED, "--detector", "forest"), ["no detector 'forest'", "sculptor"]),
        ((*LABELLED, "--preset", "slow"), ["preset='slow' is unknown", "'fast'", "'paper'"]),
        ((*LABELLED, "--false-alarm-rate", "0"), ["false_alarm_rate=0 must lie strictly between 0 and 1"]),
        ((*LABELLED, "--false-alarm-rate", "1"), ["false_alarm_rate=1 must lie strictly between 0 and 1"]),
        ((*LABELLED, "--false-alarm-rate", "nan"), ["false_alarm_rate=nan"]),
        ((*LABELLED, "--false-alarm-rate", "much"), ["--false-alarm-rate", "number", "see unseen fit --help"]),
        ((*LABELLED, "--split-by", "host"), ["no column 'host' (--split-by)"]),
        ((*LABELLED, "--split-by", "label"), ["'label' is the label"]),
        ((*LABELLED, "--split-by", "tool", "--split-time", "start_s"), ["--split-by or --split-time, not both"]),
        ((*LABELLED, "--split-time", "start"), ["no column 'start' (--split-time)", "did you mean 'start_s'?"]),
        ((*LABELLED, "--split-time", "site"), ["column 'site' gives only", "blocks of time", "--split-by 'site'"]),
        ((*LABELLED, "--split-time", "tool"), ["column 'tool' holds text that reads neither as times"]),
        ((*LABELLED, "--seed", "-1"), ["--seed", "see unseen fit --help"]),
        ((*LABELLED, "--epochs", "3"), ["No such option", "see unseen fit --help"]),
    ],
    ids=lambda value: "-".join(value)[-40:] if isinstance(value, tuple) else "",
)
def test_options_that_do_not_fit_the_file(labelled: tuple[str, ...], words: list[str], tmp_path: Path) -> None:
    refused(fit(ROWS, tmp_path, labelled=labelled), *words)


def test_rows_that_cannot_be_learned_from(tmp_path: Path) -> None:
    anomalies = ROWS.filter(pa.array(LABELS != "benign"))
    refused(fit(anomalies, tmp_path), "normal class 'benign' is not among the labels", "'beacon'")
    unnamed = fit(anomalies, tmp_path, labelled=("--label", "label", "--ignore", IGNORE))
    refused(unnamed, "which label is the normal class?", "'beacon'", "--normal")
    refused(fit(ROWS.slice(0, 1), tmp_path, labelled=("--ignore", f"label,{IGNORE}")), "row")
    refused(fit(ROWS.slice(0, 0), tmp_path), "no rows")
    same = pa.concat_tables([ROWS.slice(0, 1)] * 300)
    refused(fit(same, tmp_path), "all columns are constant", "rows")


def test_columns_that_carry_nothing(tmp_path: Path) -> None:
    names = ROWS.column_names[:3]
    constant = ROWS.select([*names, "label"])
    for name in names:
        constant = replaced(constant, name, [7.0] * ROWS.num_rows)
    refused(fit(constant, tmp_path, labelled=("--label", "label")), "all columns are constant")
    missing = replaced(ROWS, "protocol", [None] * ROWS.num_rows, pa.float64())
    done = fit(missing, tmp_path)
    assert done.code == 0, done.err
    everything = ROWS.select(["protocol", "label"])
    everything = replaced(everything, "protocol", [None] * ROWS.num_rows, pa.float64())
    other = tmp_path / "other"
    other.mkdir()
    refused(fit(everything, other, labelled=("--label", "label")), "constant")
    refused(fit(ROWS.select(["label"]), other, labelled=("--label", "label")), "no feature columns are left")


def test_an_all_missing_column_is_dropped_and_named(tmp_path: Path) -> None:
    table = replaced(ROWS, "protocol", [None] * ROWS.num_rows, pa.float64())
    assert fit(table, tmp_path).code == 0
    shown = run("info", tmp_path / "m.unseen")
    assert "protocol (no finite value)" in shown.out


def test_infinities_are_mended_and_counted(tmp_path: Path) -> None:
    values = ROWS.column("bidirectional_mean_ps").to_pylist()
    values[::50] = [float("inf")] * len(values[::50])
    values[1::50] = [float("-inf")] * len(values[1::50])
    values[2::50] = [float("nan")] * len(values[2::50])
    table = replaced(ROWS, "bidirectional_mean_ps", values, pa.float64())
    assert fit(table, tmp_path).code == 0
    scored = run("score", tmp_path / "m.unseen", tmp_path / "flows.parquet", "--out", tmp_path / "s.parquet")
    assert scored.code == 0
    assert "60 infinite values in 1 columns: 'bidirectional_mean_ps' (of 1490 rows)" in scored.err
    scores = pq.read_table(tmp_path / "s.parquet").column("anomaly_score").to_numpy()
    assert np.isfinite(scores).all()


def test_labels_that_are_missing(tmp_path: Path) -> None:
    gaps = replaced(ROWS, "label", [None if row < 3 else label for row, label in enumerate(LABELS)], pa.string())
    refused(fit(gaps, tmp_path), "column 'label': 3 of 1,490 labels are missing", "drop those rows")
    blank = replaced(ROWS, "label", ["  " if row < 3 else label for row, label in enumerate(LABELS)], pa.string())
    refused(fit(blank, tmp_path), "column 'label': 3 of 1,490 labels are missing")
    hosts = replaced(ROWS, "site", [None, *ROWS.column("site").to_pylist()[1:]])
    refused(fit(hosts, tmp_path, "--split-by", "site"), "column 'site': 1 of 1490")
    times = replaced(ROWS, "start_s", [None, *ROWS.column("start_s").to_pylist()[1:]])
    refused(fit(times, tmp_path, "--split-time", "start_s"), "column 'start_s': 1 of 1,490 rows have no time")


def test_a_false_alarm_rate_too_small_for_the_rows_is_told(tmp_path: Path) -> None:
    done = fit(ROWS, tmp_path, "--false-alarm-rate", "0.0001")
    assert done.code == 0
    assert "calibration rows cannot guarantee a false-alarm rate of 0.0001" in done.err
    words = ("score", tmp_path / "m.unseen", tmp_path / "flows.parquet", "--out", tmp_path / "s.parquet")
    refused(run(*words), "false_alarm_rate=0.0001 needs at least 9999 calibration normals", "Ask for")
    assert not (tmp_path / "s.parquet").exists()
    assert run(*words, "--false-alarm-rate", "0.05").code == 0


def test_types_that_are_no_features(tmp_path: Path) -> None:
    times = pa.array(np.arange(ROWS.num_rows), pa.timestamp("ms"))
    lists = pa.array([[1, 2]] * ROWS.num_rows)
    refused(fit(ROWS.append_column("Timestamp", times), tmp_path), "column 'Timestamp'", "--ignore 'Timestamp'")
    refused(fit(ROWS.append_column("path", lists), tmp_path), "column 'path'", "--ignore 'path'")
