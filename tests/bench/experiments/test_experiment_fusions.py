"""The detectors that differ in their fusion alone differ in what they say they differ in."""

from __future__ import annotations

import numpy as np
import pytest

from unseen.bench.experiments.fusions import EqualFusion, LoudestFusion, WithoutCalibration, WithoutKnownRule
from unseen.detectors import UnseenDetector

PLAIN = ("mixture", "isolation", "known")


@pytest.fixture(scope="module")
def rows() -> tuple[np.ndarray, list[str]]:
    rng = np.random.default_rng(0)
    kinds = [rng.normal(centre, size=(60, 5)) for centre in (4.0, -4.0)]
    labels = ["benign"] * 900 + ["scan"] * 60 + ["flood"] * 60
    return np.concatenate([rng.normal(size=(900, 5)), *kinds]), labels


def fitted(kind: type[UnseenDetector], rows: tuple[np.ndarray, list[str]]) -> UnseenDetector:
    return kind(normal="benign", evidences=PLAIN, random_state=0).fit(*rows)


def test_without_calibration_rows_are_ranked_alike_and_judged_by_validation_normals(
    rows: tuple[np.ndarray, list[str]],
) -> None:
    whole, bare = fitted(UnseenDetector, rows), fitted(WithoutCalibration, rows)
    np.testing.assert_array_equal(whole.anomaly_score(rows[0]), bare.anomaly_score(rows[0]))
    parts = whole.training_report_["rows"]
    assert whole.calibrator_.rows == parts["calibration"]["normal"]
    assert bare.calibrator_.rows == parts["validation"]["normal"] != whole.calibrator_.rows


def test_each_fusion_changes_the_score(rows: tuple[np.ndarray, list[str]]) -> None:
    scores = [
        fitted(kind, rows).anomaly_score(rows[0])
        for kind in (UnseenDetector, EqualFusion, LoudestFusion, WithoutKnownRule)
    ]
    for first, one in enumerate(scores):
        for other in scores[first + 1 :]:
            assert not np.allclose(one, other)


def test_equal_weights_are_equal(rows: tuple[np.ndarray, list[str]]) -> None:
    assert set(fitted(EqualFusion, rows).weights_.values()) == {1.0}
    assert len(set(fitted(UnseenDetector, rows).weights_.values())) > 1
