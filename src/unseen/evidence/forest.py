"""Extremely randomised trees: normals against known anomalies, by cuts that are mostly chance."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from sklearn import ensemble

from unseen.errors import InputError
from unseen.evidence.array_forest import ArrayForest
from unseen.evidence.base import EvidenceRows, Matrix, score_row_by_row

__all__ = ["RandomisedForest"]

_TREES = 100
# Deeper trees learn single rows and fill the model file; splits of seed 100 saw no use in them.
_MOST_LEAVES = 1024
# More rows cost time, and a tree of so many leaves cannot use them.
_MOST_ROWS = 40_000


class RandomisedForest(ArrayForest):
    """The share of trees' leaves that hold known anomalies; the value of a leaf is its share.

    Boosted trees follow the few columns that tell the known classes best; these cut at random places of random columns,
    so that a class which differs in others is not overlooked. They know the known classes a little less well.

    References:
        | Geurts, Ernst, Wehenkel, 2006. Extremely randomized trees.
        | https://doi.org/10.1007/s10994-006-6226-1
    """

    name: ClassVar[str] = "forest"
    views: ClassVar[tuple[str, ...]] = ("forest",)
    supervised: ClassVar[bool] = True
    uses_known: ClassVar[bool] = True
    alone: ClassVar[bool] = False
    value_name: ClassVar[str] = "share"

    @classmethod
    def fit(
        cls,
        rows: EvidenceRows,
        *,
        seed: int,
        checkpoint: Path | None = None,
        resume: bool = False,
        progress: Callable[..., None] | None = None,
    ) -> Self:
        """Grow the trees, in seconds: no checkpoint is kept.

        Raises:
            InputError: If there are no known anomalies.
        """
        if not len(rows.known):
            raise InputError(f"the evidence {cls.name!r} learns from known anomalies, and there are none")
        X = np.concatenate([rows.normals, rows.known])
        y = np.repeat([0, 1], [len(rows.normals), len(rows.known)])
        chosen = np.sort(np.random.default_rng(seed).permutation(len(X))[:_MOST_ROWS])
        # One of each side at least, however many rows the other has.
        chosen = np.union1d(chosen, [0, len(X) - 1])
        forest = ensemble.ExtraTreesClassifier(_TREES, max_leaf_nodes=_MOST_LEAVES, random_state=seed)
        forest.fit(X[chosen], y[chosen])
        trees = [estimator.tree_ for estimator in forest.estimators_]
        return cls(*cls.arrays(trees, None, _share))

    def score(self, X: Matrix) -> NDArray[np.float64]:
        """The mean share of anomalies in a row's leaves, in [0, 1], shape (n, 1)."""
        return score_row_by_row(lambda rows: self.total(rows) / len(self.column), X)


def _share(tree: Any) -> NDArray[np.float64]:
    value = np.asarray(tree.value[:, 0, :], dtype=np.float64)
    return np.asarray(value[:, 1] / value.sum(axis=1))
