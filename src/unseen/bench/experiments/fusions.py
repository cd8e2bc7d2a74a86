"""UnseenDetector with one thing of its fusion changed; methods of the benchmark."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from unseen.calibrate import fuse
from unseen.calibrate.weights import LeftOut
from unseen.detectors import UnseenDetector

__all__ = ["EqualFusion", "LoudestFusion", "WithoutKnownRule"]


class EqualFusion(UnseenDetector):
    """All evidences weigh alike: plain Fisher."""

    def _weigh(self, trials: list[LeftOut]) -> NDArray[np.float64]:
        return np.ones(len(self.maps_))


class LoudestFusion(UnseenDetector):
    """The strongest evidence decides alone."""

    def _fused(self, mapped: NDArray[np.float64]) -> NDArray[np.float64]:
        return fuse(mapped, "max")


class WithoutKnownRule(UnseenDetector):
    """The trees on known anomalies are one evidence among others and raise no alarm alone."""

    def _combine(self, mapped: NDArray[np.float64]) -> NDArray[np.float64]:
        return self.fused_map_(self._fused(mapped))
