"""Isolation Forest."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn import ensemble

from unseen.baselines.base import Baseline, FittingRows, check_number

__all__ = ["IsolationForest"]

_TREES = 100


class IsolationForest(Baseline):
    """Random cuts: the fewer it takes to set a row apart, the more anomalous it is.

    scikit-learn's, with the paper's 100 trees of 256 rows. Nothing is changed. The other arguments are those of
    :class:`~unseen.baselines.base.Baseline`.

    References:
        | Isolation Forest (Liu, Ting, Zhou, 2008)
        | https://doi.org/10.1109/ICDM.2008.17

    Arguments:
        tree_rows: Rows that each tree is grown on; of fewer normals all.
    """

    def __init__(self, *, tree_rows: int = 256, **common: Any) -> None:
        super().__init__(**common)
        self.tree_rows = tree_rows

    def _check_parameters(self) -> None:
        super()._check_parameters()
        check_number("tree_rows", self.tree_rows, 2, whole=True)

    def _fit_rows(self, rows: FittingRows, seed: int) -> dict[str, Any]:
        self.forest_ = ensemble.IsolationForest(
            n_estimators=_TREES, max_samples=min(self.tree_rows, len(rows.normals)), random_state=seed
        )
        self.forest_.fit(rows.normals)
        return {"trees": _TREES}

    def _score_block(self, X: NDArray[np.float32]) -> NDArray[Any]:
        return -np.asarray(self.forest_.score_samples(X))
