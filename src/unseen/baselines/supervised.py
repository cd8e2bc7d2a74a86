"""Classifiers of normals against known anomalies."""

from __future__ import annotations

import warnings
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn import ensemble, neural_network
from sklearn.exceptions import ConvergenceWarning

from unseen.baselines.base import Baseline, FittingRows, check_number

__all__ = ["MLP", "ExtraTrees"]

_TREES = 200
_HIDDEN = (128, 64)
_EPOCHS = 20


class ExtraTrees(Baseline):
    """The share of known anomalies in a row's leaves, averaged over 200 trees with random cuts.

    scikit-learn's with its own settings: grown to the end, the best of a random cut in each of sqrt(d) columns. Nothing
    is changed. The other arguments are those of :class:`~unseen.baselines.base.Baseline`.

    References:
        | Extremely Randomized Trees (Geurts, Ernst, Wehenkel, 2006)
        | https://doi.org/10.1007/s10994-006-6226-1

    Arguments:
        leaf_rows: The fewest training rows in a leaf; more of them make smoother scores.
    """

    supervised = True

    def __init__(self, *, leaf_rows: int = 1, **common: Any) -> None:
        super().__init__(**common)
        self.leaf_rows = leaf_rows

    def _check_parameters(self) -> None:
        super()._check_parameters()
        check_number("leaf_rows", self.leaf_rows, 1, whole=True)

    def _fit_rows(self, rows: FittingRows, seed: int) -> dict[str, Any]:
        self.forest_ = ensemble.ExtraTreesClassifier(_TREES, min_samples_leaf=self.leaf_rows, random_state=seed).fit(
            rows.X, rows.y
        )
        return {"trees": _TREES}

    def _score_block(self, X: NDArray[np.float32]) -> NDArray[Any]:
        return np.asarray(self.forest_.predict_proba(X)[:, 1])


class MLP(Baseline):
    """The log-odds of a network with hidden layers of 128 and 64 units.

    scikit-learn's, trained by Adam until the loss no longer falls, at most 20 epochs. Its probabilities reach 1 in
    floating point, which would tie the clearest anomalies; the score is the last layer before them. The other arguments
    are those of :class:`~unseen.baselines.base.Baseline`.

    References:
        | Learning Representations by Back-Propagating Errors (Rumelhart, Hinton, Williams, 1986)
        | https://doi.org/10.1038/323533a0

    Arguments:
        decay: The weight of the squared weights in the loss.
    """

    supervised = True

    def __init__(self, *, decay: float = 1e-4, **common: Any) -> None:
        super().__init__(**common)
        self.decay = decay

    def _check_parameters(self) -> None:
        super()._check_parameters()
        check_number("decay", self.decay, 0.0)

    def _fit_rows(self, rows: FittingRows, seed: int) -> dict[str, Any]:
        self.network_ = neural_network.MLPClassifier(_HIDDEN, alpha=self.decay, max_iter=_EPOCHS, random_state=seed)
        with warnings.catch_warnings():
            # A bound on the epochs is a setting here and no accident.
            warnings.simplefilter("ignore", ConvergenceWarning)
            self.network_.fit(rows.X, rows.y)
        return {"epochs": int(self.network_.n_iter_)}

    def _score_block(self, X: NDArray[np.float32]) -> NDArray[Any]:
        layers = list(zip(self.network_.coefs_, self.network_.intercepts_, strict=True))
        values = X
        for (weights, bias), _ in pairwise(layers):
            values = np.maximum(values @ weights + bias, 0.0)
        weights, bias = layers[-1]
        return np.asarray((values @ weights + bias)[:, 0])
