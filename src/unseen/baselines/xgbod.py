"""XGBOD: boosting on the features beside the scores of classic detectors."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn import ensemble, neighbors

from unseen.baselines.base import Baseline, FittingRows, drawn
from unseen.baselines.one_class_svm import one_class_svm
from unseen.errors import require

__all__ = ["XGBOD"]

_NEIGHBOURS = (1, 3, 5, 10, 20, 30, 40, 50)
_REFERENCES = 4000
_FORESTS = (20, 50, 100)
_NUS = (0.05, 0.2)
_SVM_ROWS = 2000
# Keeps densities finite where rows all but coincide.
_TINY = 1e-10
_ROUNDS = 100
_PARAMETERS = {"objective": "binary:logistic", "max_depth": 3, "learning_rate": 0.1, "verbosity": 0}


class XGBOD(Baseline):
    """The log-odds of a boosted forest that sees the scores of unsupervised detectors as further columns.

    The recipe with scikit-learn's detectors and XGBoost, with PyOD's constants: distances to the k-th nearest
    neighbour and LOF at eight values of k, isolation forests, one-class support vector machines, then 100 trees of
    depth 3. As there, the detectors are fitted on all training rows, known anomalies included, and no training row is
    its own neighbour. Changed, since PyOD's own takes minutes to fit and to score: one neighbour search among at most
    4,000 distinct rows serves all k, three forests instead of seven, two machines on 2,000 rows instead of eleven on
    all, and no histograms. For the arguments see :class:`~unseen.baselines.base.Baseline`.

    References:
        | XGBOD: Improving Supervised Outlier Detection with Unsupervised Representation Learning
        | (Zhao, Hryniewicki, 2018)
        | https://arxiv.org/abs/1912.00290
    """

    supervised = True

    def _fit_rows(self, rows: FittingRows, seed: int) -> dict[str, Any]:
        xgboost = require("xgboost", "bench")
        X = rows.X
        self.neighbours_ = _NeighbourScores()
        near = self.neighbours_.fit(X, seed)
        self.forests_ = [ensemble.IsolationForest(n_estimators=trees, random_state=seed).fit(X) for trees in _FORESTS]
        chosen = X[drawn(_SVM_ROWS, len(X), seed)]
        self.machines_ = [one_class_svm(chosen, nu, seed) for nu in _NUS]
        columns = self._columns(X, near)
        self.booster_ = xgboost.train(
            {**_PARAMETERS, "seed": seed}, xgboost.DMatrix(columns, rows.y), num_boost_round=_ROUNDS
        )
        return {"trees": _ROUNDS, "scores": columns.shape[1] - X.shape[1]}

    def _score_block(self, X: NDArray[np.float32]) -> NDArray[Any]:
        xgboost = require("xgboost", "bench")
        columns = self._columns(X, self.neighbours_(X))
        return np.asarray(self.booster_.predict(xgboost.DMatrix(columns), output_margin=True))

    def _columns(self, X: NDArray[np.float32], near: NDArray[np.float64]) -> NDArray[np.float64]:
        others = [-detector.score_samples(X) for detector in (*self.forests_, *self.machines_)]
        return np.column_stack([X, near, *others])


class _NeighbourScores:
    """Distances to the k-th neighbour, and LOF, at all values of k from one search."""

    def fit(self, X: NDArray[np.float32], seed: int) -> NDArray[np.float64]:
        """Choose the references among the training rows; return those rows' own scores, shape (n, 2 * values of k)."""
        distinct, place = np.unique(X, axis=0, return_inverse=True)
        chosen = drawn(_REFERENCES, len(distinct), seed)
        self.ks = [k for k in _NEIGHBOURS if k < len(chosen)]
        self.search = neighbors.NearestNeighbors(n_neighbors=self.ks[-1], algorithm="brute").fit(distinct[chosen])
        # Without an argument the search leaves each reference out of its own neighbours.
        distances, near = self.search.kneighbors()
        self.kth = distances[:, [k - 1 for k in self.ks]]
        self.density = self._density(distances, near)
        reference = np.full(len(distinct), -1)
        reference[chosen] = np.arange(len(chosen))
        own = reference[place.reshape(-1)]
        scores = np.empty((len(X), 2 * len(self.ks)))
        scores[own >= 0] = self._scores(distances, near)[own[own >= 0]]
        if np.any(own < 0):
            scores[own < 0] = self(X[own < 0])
        return scores

    def __call__(self, X: NDArray[np.float32]) -> NDArray[np.float64]:
        """Scores of new rows."""
        return self._scores(*self.search.kneighbors(X))

    def _scores(self, distances: NDArray[np.float64], near: NDArray[np.intp]) -> NDArray[np.float64]:
        density = self._density(distances, near)
        around = [self.density[near[:, :k], j].mean(axis=1) for j, k in enumerate(self.ks)]
        return np.column_stack([distances[:, [k - 1 for k in self.ks]], np.column_stack(around) / density])

    def _density(self, distances: NDArray[np.float64], near: NDArray[np.intp]) -> NDArray[np.float64]:
        """One over the mean reachability distance, a column for each k."""
        reach = [np.maximum(distances[:, :k], self.kth[near[:, :k], j]).mean(axis=1) for j, k in enumerate(self.ks)]
        return np.asarray(1.0 / (np.column_stack(reach) + _TINY))
