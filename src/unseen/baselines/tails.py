"""ECOD and COPOD: how far out in its column each value lies, added up over the columns."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unseen.baselines.base import Baseline, FittingRows

__all__ = ["COPOD", "ECOD"]


class _Tails(Baseline):
    """Empirical tail probabilities of each column, of the training normals alone.

    A value's left tail is ``(1 + #{training values <= it}) / (n + 1)``, the right one alike: what PyOD computes for a
    batch of one row, which it joins to the training rows. For a larger batch PyOD joins all of it, so that a row's
    score there depends on the others; hence our own.
    """

    def _fit_rows(self, rows: FittingRows, seed: int) -> dict[str, Any]:
        self.sorted_ = np.sort(rows.normals, axis=0)
        centred = rows.normals - rows.normals.mean(axis=0, dtype=np.float64)
        # The sign of the skewness; a constant column has none but for rounding.
        varies = self.sorted_[0] < self.sorted_[-1]
        self.direction_ = np.where(varies, np.sign((centred**3).mean(axis=0)), 0.0)
        return {}

    def _score_block(self, X: NDArray[np.float32]) -> NDArray[Any]:
        rows = len(self.sorted_)
        below, above = np.empty(X.shape), np.empty(X.shape)
        for j, column in enumerate(self.sorted_.T):
            below[:, j] = np.searchsorted(column, X[:, j], side="right")
            above[:, j] = rows - np.searchsorted(column, X[:, j], side="left")
        left, right = (-np.log((1 + count) / (rows + 1)) for count in (below, above))
        # The longer tail of a skewed column; both where it is symmetric.
        skewed = np.where(self.direction_ <= 0, left, 0.0) + np.where(self.direction_ >= 0, right, 0.0)
        return np.asarray(self._combine(left, right, skewed).sum(axis=1))

    @abstractmethod
    def _combine(
        self, left: NDArray[np.float64], right: NDArray[np.float64], skewed: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """One value a row and column from -log of the tails."""


class ECOD(_Tails):
    """In each column, -log of the smaller tail probability.

    Our own, after PyOD's form of it (the largest value is taken in each column, where the paper takes it over the
    columns' sums). Changed: the tails are those of the training normals alone, since PyOD's scores of a row depend on
    the other rows of the batch. For the arguments see :class:`~unseen.baselines.base.Baseline`.

    References:
        | ECOD: Unsupervised Outlier Detection Using Empirical Cumulative Distribution Functions (Li et al., 2022)
        | https://arxiv.org/abs/2201.00382
    """

    def _combine(
        self, left: NDArray[np.float64], right: NDArray[np.float64], skewed: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        return np.maximum(skewed, np.maximum(left, right))


class COPOD(_Tails):
    """In each column, -log of the tail on the skewed side, or the mean of both tails if that is larger.

    Our own, after PyOD's form of it. Changed: as for :class:`ECOD`. For the arguments see
    :class:`~unseen.baselines.base.Baseline`.

    References:
        | COPOD: Copula-Based Outlier Detection (Li et al., 2020)
        | https://arxiv.org/abs/2009.09463
    """

    def _combine(
        self, left: NDArray[np.float64], right: NDArray[np.float64], skewed: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        return np.maximum(skewed, (left + right) / 2)
