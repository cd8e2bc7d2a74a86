"""Controls: what any method must beat before its figures mean something."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from unseen.errors import InputError
from unseen.metrics import auroc

__all__ = ["RandomScore", "ShuffledLabels", "Stump"]


class RandomScore:
    """A score that follows from a row's content and means nothing; its AUROC is one half up to chance.

    Arguments:
        random_state: Seeds the score.
    """

    def __init__(self, random_state: int = 0) -> None:
        self.random_state = random_state

    def fit(self, X: NDArray[np.float32], y: NDArray[np.str_]) -> Self:
        """Draw what the scores are mixed with."""
        rng = np.random.default_rng(self.random_state)
        self.factors_ = rng.integers(1, 2**63, X.shape[1], dtype=np.uint64) * np.uint64(2) + np.uint64(1)
        return self

    def anomaly_score(self, X: NDArray[np.float32]) -> NDArray[np.float64]:
        """A number in [0, 1) a row; the same row has the same number in any batch."""
        bits = np.ascontiguousarray(X, dtype=np.float32).view(np.uint32).astype(np.uint64)
        mixed = (bits * self.factors_).sum(axis=1, dtype=np.uint64)
        mixed = (mixed ^ (mixed >> np.uint64(32))) * np.uint64(0x9E3779B97F4A7C15)
        return np.asarray((mixed >> np.uint64(11)).astype(np.float64) * 2.0**-53)


class Stump:
    """The best single feature: high, low or far from the normals' median, whichever tells the known anomalies best.

    A protocol in which it wins is too easy to compare methods on.

    Arguments:
        normal: The label of normal rows.
    """

    def __init__(self, normal: str) -> None:
        self.normal = normal

    def fit(self, X: NDArray[np.float32], y: NDArray[np.str_]) -> Self:
        """Try every feature in all three ways.

        Raises:
            InputError: If there are no known anomalies to choose by.
        """
        anomalous = y != self.normal
        if not anomalous.any():
            raise InputError("the stump chooses its feature by known anomalies, and there are none")
        self.medians_ = np.median(X[~anomalous], axis=0)
        best = -1.0
        for feature in range(X.shape[1]):
            for way in ("high", "low", "far"):
                scores = self._scores(X, feature, way)
                area = auroc(scores[~anomalous], scores[anomalous])
                if area > best:
                    best, self.feature_, self.way_ = area, feature, way
        return self

    def anomaly_score(self, X: NDArray[np.float32]) -> NDArray[np.float64]:
        """The chosen feature, turned so that higher is more anomalous."""
        return self._scores(X, self.feature_, self.way_)

    def _scores(self, X: NDArray[np.float32], feature: int, way: str) -> NDArray[np.float64]:
        values = X[:, feature].astype(np.float64)
        if way == "far":
            return np.asarray(np.abs(values - self.medians_[feature]))
        return values if way == "high" else -values


class ShuffledLabels:
    """A detector fitted on the right rows with permuted labels, normals and known anomalies alike.

    What is left of its AUROC did not come from the labels. Its normals are mixed with anomalies, so its thresholds, and
    with them its recall and its false-alarm rates, mean nothing.

    Arguments:
        detector: An unfitted detector.
        random_state: Seeds the permutation.
    """

    def __init__(self, detector: Any, random_state: int = 0) -> None:
        self.detector = detector
        self.random_state = random_state

    def fit(self, X: Any, y: NDArray[np.str_], **options: Any) -> Self:
        """Permute the labels and fit."""
        shuffled = np.random.default_rng(self.random_state).permutation(y)
        self.detector.fit(X, shuffled, **options)
        return self

    def anomaly_score(self, X: Any) -> NDArray[np.float64]:
        """The detector's scores."""
        return np.asarray(self.detector.anomaly_score(X))

    @property
    def calibrator_(self) -> Any:
        """The detector's calibration."""
        return self.detector.calibrator_
