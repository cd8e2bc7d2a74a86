"""Exported detectors say what the detectors say, on real traffic, for every preset; and the command reports it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.detectors.conftest import small_sculptor
from tests.small import listing, refused, run

import unseen
from unseen.errors import CalibrationError, InputError
from unseen.export import NotExpressible, compare, export_detector, express_detector, express_evidence
from unseen.export.graph import Graph
from unseen.runtime import OnnxScorer

GOLDEN = Path(__file__).parents[1] / "golden"


@pytest.fixture(scope="module", params=["fast", "paper"])
def fitted(request: pytest.FixtureRequest, lab: tuple[pa.Table, np.ndarray]) -> tuple[Any, pa.Table]:
    X, y = lab
    rows = np.random.default_rng(0).permutation(len(y))[: 4000 if request.param == "fast" else 800]
    with pytest.warns() if request.param == "paper" else _nothing():
        detector = small_sculptor(request.param).fit(X.take(rows), y[rows])
    return detector, X


def _nothing() -> Any:
    import contextlib

    return contextlib.nullcontext()


def test_parity_on_real_traffic(fitted: tuple[Any, pa.Table], tmp_path: Path) -> None:
    detector, X = fitted
    pq.write_table(X.slice(0, 1500), tmp_path / "rows.parquet")
    rate = max(0.01, detector.calibrator_.smallest_rate)
    parity = export_detector(detector, tmp_path / "m.onnx", false_alarm_rate=rate, check=tmp_path / "rows.parquet")
    assert parity is not None
    assert parity.rows == 1500
    assert parity.faithful
    assert parity.typical < 1e-5
    assert {alarm.rate for alarm in parity.alarms} >= {0.05, rate}
    assert all(alarm.detector > 0 for alarm in parity.alarms)


def test_another_model_is_no_match(tmp_path: Path) -> None:
    detector = unseen.load(GOLDEN / "format-1.unseen")
    export_detector(detector, tmp_path / "m.onnx")
    same = compare(detector, OnnxScorer(tmp_path / "m.onnx"), GOLDEN / "rows.csv")
    assert same.faithful
    # A slightly other weight is an other model.
    detector.maps_[0].values[:] *= 1.01
    other = compare(detector, OnnxScorer(tmp_path / "m.onnx"), GOLDEN / "rows.csv")
    assert not other.faithful
    assert other.beyond > 0
    assert other.largest > same.largest


def test_a_disagreeing_export_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from unseen.export import detectors

    detector = unseen.load(GOLDEN / "format-1.unseen")
    right = detectors.express_fusion
    monkeypatch.setattr(
        detectors, "express_fusion", lambda graph, evidence, _, weights: right(graph, evidence, "max", weights)
    )
    with pytest.raises(InputError, match="not written, the exported model disagrees"):
        export_detector(detector, tmp_path / "m.onnx", check=GOLDEN / "rows.csv")
    assert listing(tmp_path) == []


def test_the_graph_alone_gives_alarms_at_any_rate() -> None:
    session = onnxruntime.InferenceSession(GOLDEN / "exported-1.onnx", providers=["CPUExecutionProvider"])
    inputs = {"numbers": np.zeros((3, 4)), "categories": np.zeros((3, 1), dtype=np.int64)}
    score, p_value, alarm, threshold = session.run(None, inputs)
    assert score.dtype == p_value.dtype == np.float64
    np.testing.assert_array_equal(alarm, p_value <= 0.05)
    detector = unseen.load(GOLDEN / "format-1.unseen")
    for rate in (0.05, 0.01, 0.3):
        threshold = session.run(["threshold"], {**inputs, "false_alarm_rate": np.array(rate)})[0]
        assert threshold == pytest.approx(detector.calibrator_.threshold(rate), rel=2e-6)


def test_what_cannot_be_expressed_is_named() -> None:
    class Oracle:
        """An evidence this release knows nothing of."""

    with pytest.raises(NotExpressible, match="the evidence Oracle cannot be expressed"):
        express_evidence(Oracle(), Graph(), "x")
    with pytest.raises(NotExpressible, match="the detector Oracle cannot be expressed"):
        express_detector(Oracle(), Graph(), "x")


def test_rates_and_names_are_checked_before_any_work(tmp_path: Path) -> None:
    detector = unseen.load(GOLDEN / "format-1.unseen")
    with pytest.raises(CalibrationError, match="needs at least"):
        export_detector(detector, tmp_path / "m.onnx", false_alarm_rate=1e-6)
    with pytest.raises(InputError, match=r"end in \.onnx"):
        export_detector(detector, tmp_path / "m.bin")
    assert listing(tmp_path) == []


def test_the_command(tmp_path: Path) -> None:
    model, rows = GOLDEN / "format-1.unseen", GOLDEN / "rows.csv"
    done = run("export", model, "--out", tmp_path / "m.onnx", "--check", rows)
    assert done.code == 0, done.err
    assert "rows: anomaly scores differ by" in done.out
    assert "alarms after" in done.out
    done = run("export", model, "--out", tmp_path / "n.onnx", "--false-alarm-rate", "0.02", "--json")
    assert json.loads(done.out)["parity"] is None
    assert OnnxScorer(tmp_path / "n.onnx").false_alarm_rate == 0.02
    refused(run("export", tmp_path / "m.onnx", "--out", tmp_path / "o.onnx"), "is an exported model")
    refused(run("export", model, "--out", tmp_path / "o.onnx", "--check", tmp_path / "none.csv"), "none.csv")
    assert listing(tmp_path) == ["m.onnx", "n.onnx"]


def test_equal_exports_are_equal_files(tmp_path: Path) -> None:
    for name in ("a.onnx", "b.onnx"):
        export_detector(unseen.load(GOLDEN / "format-1.unseen"), tmp_path / name)
    assert (tmp_path / "a.onnx").read_bytes() == (tmp_path / "b.onnx").read_bytes()
