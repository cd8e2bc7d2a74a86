"""Evaluating files: which rows, which classes, which labels."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from tests.small import HIDDEN, IGNORE, LABELLED, SHORT, refused, replaced, run, small_table, write

import unseen
from unseen.detectors import Detector, LatentSculptor
from unseen.jobs.demo import METADATA
from unseen.jobs.evaluate import evaluate_file, evaluate_scores
from unseen.jobs.fit import fit_file
from unseen.splits import row_hashes

ROWS = small_table()
LABELS = np.asarray(ROWS.column("label").to_pylist())
FEATURES = [name for name in ROWS.column_names if name not in ("label", *METADATA)]


def evaluate(model: Path, data: object, *words: object) -> dict[str, Any]:
    done = run("evaluate", model, data, *words, "--json")
    assert done.code == 0, done.err
    result: dict[str, Any] = json.loads(done.out)
    return result


def rows_of(result: dict[str, Any]) -> dict[str, int]:
    """Rows evaluated by class."""
    return {"benign": result["rates"][0]["normals"], **{c["name"]: c["rows"] for c in result["classes"]}}


def test_the_same_file_is_tested_on_its_test_part_alone(model: Path, flows: Path) -> None:
    counts = unseen.load(model).provenance_["counts"]
    result = evaluate(model, flows)
    assert rows_of(result) == {**counts["kept for the test"], HIDDEN: 130}
    assert result["left_out"] == sum(counts["fitted"].values())
    assert result["rows"] + result["left_out"] == ROWS.num_rows
    assert {c["name"]: c["known"] for c in result["classes"]} == {
        "beacon": True,
        "ssh_bruteforce": True,
        HIDDEN: False,
    }
    spoken = run("evaluate", model, flows)
    assert f"{result['rows']:,} rows evaluated, {result['left_out']:,} training rows left out" in spoken.out
    everything = evaluate(model, flows, "--all-rows")
    assert everything["left_out"] == 0
    assert rows_of(everything) == {"benign": 1100, "beacon": 130, "ssh_bruteforce": 130, HIDDEN: 130}


class Spy:
    """What a fit and an evaluation really read, by row hashes."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.fitted: list[tuple[pa.Table, np.ndarray | None]] = []
        self.scored: list[pa.RecordBatch] = []
        fit, score = LatentSculptor.fit, Detector.score_batch

        def spied_fit(detector: Detector, X: pa.Table, y: np.ndarray | None, **options: Any) -> Detector:
            self.fitted.append((X, y))
            return fit(detector, X, y, **options)

        def spied_score(detector: Detector, batch: pa.RecordBatch) -> Any:
            self.scored.append(batch)
            return score(detector, batch)

        monkeypatch.setattr(LatentSculptor, "fit", spied_fit)
        monkeypatch.setattr(Detector, "score_batch", spied_score)

    def hashes(self) -> tuple[np.ndarray, np.ndarray]:
        """Of the rows fitted on, and of those evaluated."""
        scored = pa.Table.from_batches(self.scored)
        return row_hashes(self.fitted[0][0], FEATURES), row_hashes(scored, FEATURES)


def distinct_rows() -> pa.Table:
    """The rows without copies, so that a hash stands for one row."""
    _, first = np.unique(row_hashes(ROWS, FEATURES), return_index=True)
    return ROWS.take(np.sort(first))


@pytest.mark.parametrize("options", [(), ("--split-time", "start_s"), ("--split-by", "host")], ids=" ".join)
def test_no_row_is_trained_on_and_tested(
    options: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = distinct_rows()
    table = table.append_column("host", pa.array([f"host-{row % 40}" for row in range(table.num_rows)]))
    data, spy = write(table, tmp_path / "d.parquet"), Spy(monkeypatch)
    words = (
        "--label",
        "label",
        "--ignore",
        f"host,{IGNORE}",
        "--hide",
        HIDDEN,
        *options,
        *SHORT,
        "--out",
        tmp_path / "m.unseen",
    )
    assert run("fit", data, *words).code == 0
    labels = spy.fitted[0][1]
    assert labels is not None
    assert HIDDEN not in labels
    assert not {*METADATA, "label", "host"} & set(spy.fitted[0][0].column_names)
    result = evaluate(tmp_path / "m.unseen", data)
    fitted, tested = spy.hashes()
    assert not np.isin(tested, fitted).any()
    assert len(fitted) == result["left_out"]
    assert len(fitted) + len(tested) == table.num_rows
    assert rows_of(result)[HIDDEN] == table.column("label").to_pylist().count(HIDDEN)
    assert 0.1 < rows_of(result)["benign"] / table.column("label").to_pylist().count("benign") < 0.45


def test_order_and_format_do_not_matter(model: Path, shared: Path, tmp_path: Path) -> None:
    expected = evaluate(model, shared / "flows.parquet")
    order = np.random.default_rng(3).permutation(ROWS.num_rows)
    shuffled = write(ROWS.take(order).select(ROWS.column_names[::-1]), tmp_path / "d.parquet")
    for data in (shared / "flows.csv", shared / "flows.arrow", shuffled):
        found = evaluate(model, data)
        assert rows_of(found) == rows_of(expected)
        assert [rate["false_alarms"] for rate in found["rates"]] == [r["false_alarms"] for r in expected["rates"]]
        for one, two in zip(found["classes"], expected["classes"], strict=True):
            assert one["auroc"] == pytest.approx(two["auroc"], abs=1e-6)
            assert one["recall"] == two["recall"]


def test_rows_fitted_without_labels_are_left_out_of_a_labelled_evaluation(tmp_path: Path) -> None:
    normals = write(ROWS.filter(pa.array(LABELS == "benign")), tmp_path / "normals.parquet")
    everything = write(ROWS, tmp_path / "all.parquet")
    words = ("--ignore", f"label,{IGNORE}", *SHORT)
    assert run("fit", normals, *words, "--out", tmp_path / "m.unseen").code == 0
    refused(run("evaluate", tmp_path / "m.unseen", everything), "fitted without labels", "--label COLUMN")
    only = evaluate(tmp_path / "m.unseen", normals, "--label", "label")
    counts = unseen.load(tmp_path / "m.unseen").provenance_["counts"]
    assert only["rows"] == counts["kept for the test"]["all rows"]
    assert only["left_out"] == counts["fitted"]["all rows"]


def test_labels_under_another_name(model: Path, tmp_path: Path) -> None:
    expected = evaluate(model, write(ROWS, tmp_path / "d.parquet"))
    both = write(ROWS.append_column("verdict", ROWS.column("label")), tmp_path / "both.parquet")
    assert evaluate(model, both, "--label", "verdict") == expected
    renamed = ROWS.rename_columns(["Verdict" if name == "label" else name for name in ROWS.column_names])
    other = write(renamed, tmp_path / "r.parquet")
    assert evaluate(model, other, "--label", "Verdict") == expected
    refused(run("evaluate", model, other), "no column 'label' (--label)")
    refused(run("evaluate", model, other, "--label", "verdict"), "did you mean 'Verdict'?")
    shouted = write(replaced(ROWS, "label", [str(label).upper() for label in LABELS]), tmp_path / "u.parquet")
    refused(run("evaluate", model, shouted), "normal class 'benign' is not among the labels", "mean 'BENIGN'?")
    assert evaluate(model, shouted, "--normal", "BENIGN", "--all-rows")["rows"] == ROWS.num_rows


def test_files_that_cannot_be_evaluated(model: Path, tmp_path: Path) -> None:
    anomalies = write(ROWS.filter(pa.array(LABELS != "benign")), tmp_path / "a.parquet")
    refused(run("evaluate", model, anomalies), "normal class 'benign' is not among the labels")
    gaps = write(replaced(ROWS, "label", [None, *LABELS[1:]], pa.string()), tmp_path / "g.parquet")
    refused(run("evaluate", model, gaps), "column 'label'", "1 of", "labels are missing")
    spy = evaluate(model, write(ROWS, tmp_path / "d.parquet"))
    assert spy["left_out"] > 0
    hashes = unseen.load(model).provenance_["split"]
    assert hashes["hidden"] == [HIDDEN]


def test_training_rows_alone_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data, spy = write(distinct_rows(), tmp_path / "d.parquet"), Spy(monkeypatch)
    assert run("fit", data, *LABELLED, "--hide", HIDDEN, *SHORT, "--out", tmp_path / "m.unseen").code == 0
    table, labels = spy.fitted[0]
    used = write(table.append_column("label", pa.array(labels)), tmp_path / "used.parquet")
    refused(run("evaluate", tmp_path / "m.unseen", used), "rows are training rows of this model", "--all-rows")
    assert evaluate(tmp_path / "m.unseen", used, "--all-rows")["rows"] == table.num_rows


def test_rates_that_cannot_be_guaranteed_are_refused_in_words(model: Path, flows: Path) -> None:
    result = evaluate(model, flows)
    assert [rate["rate"] for rate in result["rates"]] == [0.05, 0.01]
    assert result["refused_rates"].keys() == {"0.001"}
    rows = unseen.load(model).calibrator_.rows
    assert result["refused_rates"]["0.001"] == f"needs 999 calibration rows, there are {rows}"
    shown = run("evaluate", model, flows).out
    assert "refused:" in shown
    assert all(len(line) <= 80 for line in shown.splitlines())


def test_a_file_of_normals_alone_shows_its_false_alarms(model: Path, tmp_path: Path) -> None:
    normals = write(ROWS.filter(pa.array(LABELS == "benign")), tmp_path / "n.parquet")
    result = evaluate(model, normals)
    assert (result["classes"], result["summary"]) == ([], {})
    assert result["rows"] == result["rates"][0]["normals"]


def test_figures_follow_from_the_scores(model: Path, flows: Path) -> None:
    detector = unseen.load(model)
    scores = np.concatenate([np.full(100, -9.0), [np.inf] * 40])
    labels = np.array(["benign"] * 100 + ["a"] * 10 + ["b"] * 30)
    result = evaluate_scores(
        scores, labels, normal="benign", known=["a"], calibrator=detector.calibrator_, rates=(0.05,)
    )
    assert result.rates[0].false_alarms == 0
    assert {c.name: (c.known, c.auroc, c.recall["0.05"]) for c in result.classes} == {
        "a": (True, 1.0, 1.0),
        "b": (False, 1.0, 1.0),
    }
    assert result.summary["unseen"]["rows"] == 30


def test_an_untrained_label_is_no_better_than_chance(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    shuffled = replaced(ROWS, "label", LABELS[rng.permutation(len(LABELS))])
    report = fit_file(
        write(shuffled, tmp_path / "d.parquet"),
        out=tmp_path / "m.unseen",
        label="label",
        ignore=METADATA,
        detector="sculptor",
        encoder_epochs=4,
        flow_epochs=2,
    )
    result = evaluate_file(report.detector, tmp_path / "d.parquet")
    assert abs(result.summary["known"]["auroc"] - 0.5) < 0.15


def test_single_precision_rows_keep_their_part_in_a_csv_copy() -> None:
    values = np.random.default_rng(0).lognormal(5, 4, 2000).astype(np.float32)
    single = pa.table({"x": values, "n": np.arange(2000, dtype=np.float32) * 1e5})
    copied = pa.table({name: [float(str(v)) for v in single.column(name).to_numpy()] for name in single.column_names})
    np.testing.assert_array_equal(row_hashes(single, ["x", "n"]), row_hashes(copied, ["x", "n"]))
