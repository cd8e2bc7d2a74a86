"""UnseenDetector with one thing of its fusion changed; methods of the benchmark."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from unseen.calibrate import fuse
from unseen.calibrate.weights import LeftOut
from unseen.detectors import UnseenDetector
from unseen.evidence import EvidenceRows

__all__ = ["EqualFusion", "LoudestFusion", "WithoutCalibration", "WithoutKnownRule"]


class EqualFusion(UnseenDetector):
    """All evidences weigh alike: plain Fisher."""

    def _weigh(self, trials: list[LeftOut]) -> NDArray[np.float64]:
        return np.ones(len(self.maps_))


class LoudestFusion(UnseenDetector):
    """The strongest evidence decides alone."""

    def _fused(self, mapped: NDArray[np.float64]) -> NDArray[np.float64]:
        return fuse(mapped, "max")


class WithoutCalibration(UnseenDetector):
    """No second calibration: thresholds come from the validation normals on which the p-values were made."""

    def _remember(self, rows: EvidenceRows, seed: int) -> None:
        super()._remember(rows, seed)
        self._validation = rows.normals_validation

    def _calibrate(self, X: NDArray[np.float32]) -> None:
        super()._calibrate(self._validation)


class WithoutKnownRule(UnseenDetector):
    """The trees on known anomalies are one evidence among others and raise no alarm alone."""

    def _combine(self, mapped: NDArray[np.float64]) -> NDArray[np.float64]:
        return self.fused_map_(self._fused(mapped))
