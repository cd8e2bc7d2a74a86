"""Isolation: the fewer random cuts it takes to set a row apart, the more anomalous it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from sklearn import ensemble

from unseen.evidence.array_forest import ArrayForest
from unseen.evidence.base import Arrays, EvidenceRows, Matrix, score_row_by_row

__all__ = ["Isolation"]

_TREES = 100
_TREE_ROWS = 256
_EULER = 0.5772156649015329


class Isolation(ArrayForest):
    """An isolation forest; the value of a leaf is the expected number of cuts that set a row apart there.

    References:
        | Liu, Ting, Zhou, 2008. Isolation forest.
        | https://doi.org/10.1109/ICDM.2008.17

    Arguments:
        parts: The trees (see :class:`~unseen.evidence.array_forest.ArrayForest`).
        tree_rows: Rows each tree was grown on.
    """

    name: ClassVar[str] = "isolation"
    views: ClassVar[tuple[str, ...]] = ("isolation",)
    supervised: ClassVar[bool] = False
    uses_known: ClassVar[bool] = False
    alone: ClassVar[bool] = False
    value_name: ClassVar[str] = "depth"

    def __init__(self, *parts: NDArray[Any], tree_rows: int, **named: NDArray[Any]) -> None:
        super().__init__(*parts, **named)
        self.tree_rows = tree_rows

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
        """Grow the trees on normals, in a second: no checkpoint is kept."""
        size = min(_TREE_ROWS, len(rows.normals))
        forest = ensemble.IsolationForest(n_estimators=_TREES, max_samples=size, random_state=seed).fit(rows.normals)
        trees = [estimator.tree_ for estimator in forest.estimators_]
        return cls(*cls.arrays(trees, forest.estimators_features_, _depth), tree_rows=size)

    def score(self, X: Matrix) -> NDArray[np.float64]:
        """The forest's anomaly score in (0, 1), shape (n, 1)."""
        return score_row_by_row(lambda rows: np.exp2(-self.total(rows) / (len(self.column) * self.usual_depth)), X)

    @property
    def usual_depth(self) -> float:
        """The mean number of cuts that set a row apart, by which depths are measured."""
        return float(_average_path(np.array([self.tree_rows]))[0] or 1.0)

    def state(self) -> tuple[Arrays, dict[str, Any]]:
        """The trees and the rows each was grown on."""
        return super().state()[0], {"tree_rows": self.tree_rows}

    @classmethod
    def _settings(cls, meta: Mapping[str, Any]) -> dict[str, Any]:
        rows = int(meta["tree_rows"])
        if rows < 1:
            raise ValueError("a tree grows on at least one row")
        return {"tree_rows": rows}


def _depth(tree: Any) -> NDArray[np.float64]:
    return np.asarray(tree.compute_node_depths() - 1.0 + _average_path(tree.n_node_samples))


def _average_path(rows: NDArray[Any]) -> NDArray[np.float64]:
    """The mean depth of an unsuccessful search in a binary tree of so many rows (equation 1 of the paper)."""
    n = np.maximum(np.asarray(rows, dtype=np.float64), 1.0)
    inner = np.maximum(n - 1.0, 1.0)
    path = 2.0 * (np.log(inner) + _EULER) - 2.0 * (n - 1.0) / n
    return np.where(n > 2, path, np.where(n == 2, 1.0, 0.0))
