"""UnseenDetector as a whole says the same after export, on real traffic."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import unseen
from unseen.detectors import MetaLearner, UnseenDetector, trials
from unseen.evidence import EVIDENCES, Sculpted
from unseen.evidence.recipes import FAST
from unseen.export import NotExpressible, export_detector, express_detector
from unseen.export.graph import Graph
from unseen.runtime import OnnxScorer

SHORT = FAST.model_copy(update={"encoder_steps": 40, "flow_steps": 40})


@pytest.fixture(scope="module")
def fitted(lab: tuple[pa.Table, np.ndarray]) -> tuple[UnseenDetector, pa.Table]:
    X, y = lab
    rows = np.random.default_rng(0).permutation(len(y))[:3000]
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(Sculpted.fit.__func__.__kwdefaults__, "recipe", SHORT)  # type: ignore[attr-defined]
        patch.setattr(trials, "FASTER", SHORT)
        # Families given, so that a few trials are enough.
        families = {name: "scan" if "scan" in name else "other" for name in np.unique(y)}
        every = tuple(EVIDENCES)
        detector = UnseenDetector(normal="benign", families=families, evidences=every).fit(X.take(rows), y[rows])
    return detector, X


def test_parity_on_real_traffic(fitted: tuple[UnseenDetector, pa.Table], tmp_path: Path) -> None:
    detector, X = fitted
    assert list(detector.evidences_) == list(EVIDENCES)
    pq.write_table(X.slice(0, 1500), tmp_path / "rows.parquet")
    parity = export_detector(detector, tmp_path / "m.onnx", false_alarm_rate=0.01, check=tmp_path / "rows.parquet")
    assert parity is not None
    assert parity.rows == 1500
    assert parity.faithful
    assert parity.typical < 1e-5
    assert all(alarm.detector > 0 for alarm in parity.alarms)
    # Each row on its own, whatever it comes with.
    scorer, rows = OnnxScorer(tmp_path / "m.onnx"), X.slice(0, 600)
    whole = scorer.anomaly_score(rows)
    order = np.random.default_rng(0).permutation(600)
    np.testing.assert_array_equal(scorer.anomaly_score(rows.take(order[:77])), whole[order[:77]])


@pytest.mark.parametrize("verdicts", [["odd"] * 5, ["benign"] * 5, ["odd", "benign"] * 2])
def test_verdicts_are_exported(fitted: tuple[UnseenDetector, pa.Table], verdicts: list[str], tmp_path: Path) -> None:
    detector, X = fitted
    detector.save(tmp_path / "m.unseen")
    adapted = unseen.load(tmp_path / "m.unseen")
    assert isinstance(adapted, UnseenDetector)
    # Those it is surest of, so that verdicts of either kind change something.
    loudest = np.argsort(-adapted.anomaly_score(X.slice(0, 1500)))[: len(verdicts)]
    quietest = np.argsort(adapted.anomaly_score(X.slice(0, 1500)))[: len(verdicts)]
    judged = X.take(np.where(np.array(verdicts) == "odd", quietest, loudest))
    adapted.adapt(judged, verdicts)
    assert not np.array_equal(adapted.anomaly_score(judged), detector.anomaly_score(judged))
    pq.write_table(X.slice(0, 1500), tmp_path / "rows.parquet")
    parity = export_detector(adapted, tmp_path / "m.onnx", false_alarm_rate=0.01, check=tmp_path / "rows.parquet")
    assert parity is not None
    assert parity.faithful
    np.testing.assert_allclose(
        OnnxScorer(tmp_path / "m.onnx").anomaly_score(judged), adapted.anomaly_score(judged), rtol=1e-4
    )


def test_what_needs_gradients_is_refused_in_plain_words() -> None:
    with pytest.raises(NotExpressible, match="along its network's gradient"):
        express_detector(MetaLearner(), Graph(), "x")
