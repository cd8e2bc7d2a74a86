"""Isolation: the fewer random cuts it takes to set a row apart, the more anomalous it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from sklearn import ensemble

from unseen.errors import ArtifactError
from unseen.evidence.base import Arrays, EvidenceRows, Matrix, score_in_blocks

__all__ = ["Isolation"]

_TREES = 100
_TREE_ROWS = 256
_EULER = 0.5772156649015329
_NAMES = ("column", "threshold", "left", "right", "depth")


class Isolation:
    """An isolation forest as plain arrays, one row a tree, padded to the largest tree.

    A forest of scikit-learn is a tangle of objects that only pickle can write; as arrays it goes into a model file, is
    scored by all its trees at once, and becomes an ONNX tree ensemble without a converter.

    References:
        | Liu, Ting, Zhou, 2008. Isolation forest.
        | https://doi.org/10.1109/ICDM.2008.17

    Arguments:
        column: The column a node cuts, or -1 at a leaf, shape (trees, nodes).
        threshold: Rows at most this go left.
        left: The node of these rows.
        right: The node of the others.
        depth: At a leaf the expected number of cuts that set a row apart there.
        tree_rows: Rows each tree was grown on.
    """

    name: ClassVar[str] = "isolation"
    views: ClassVar[tuple[str, ...]] = ("isolation",)
    supervised: ClassVar[bool] = False
    uses_known: ClassVar[bool] = False

    def __init__(
        self,
        column: NDArray[Any],
        threshold: NDArray[Any],
        left: NDArray[Any],
        right: NDArray[Any],
        depth: NDArray[Any],
        tree_rows: int,
    ) -> None:
        self.column, self.left, self.right = (np.asarray(part, dtype=np.int32) for part in (column, left, right))
        self.threshold = np.asarray(threshold, dtype=np.float64)
        self.depth = np.asarray(depth, dtype=np.float32)
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
        nodes = max(tree.node_count for tree in trees)
        arrays = {name: np.zeros((len(trees), nodes), dtype=np.float64) for name in _NAMES}
        arrays["column"] -= 1
        arrays["left"] += np.arange(nodes)
        arrays["right"] += np.arange(nodes)
        for number, (tree, chosen) in enumerate(zip(trees, forest.estimators_features_, strict=True)):
            count = tree.node_count
            inner = tree.children_left >= 0
            arrays["column"][number, :count] = np.where(inner, np.asarray(chosen)[np.maximum(tree.feature, 0)], -1)
            arrays["threshold"][number, :count] = np.where(inner, tree.threshold, 0.0)
            arrays["left"][number, :count] = np.where(inner, tree.children_left, np.arange(count))
            arrays["right"][number, :count] = np.where(inner, tree.children_right, np.arange(count))
            arrays["depth"][number, :count] = tree.compute_node_depths() - 1.0 + _average_path(tree.n_node_samples)
        return cls(**arrays, tree_rows=size)

    def score(self, X: Matrix) -> NDArray[np.float64]:
        """The forest's anomaly score in (0, 1), shape (n, 1)."""
        if self.column.max() >= X.shape[1]:
            raise ArtifactError(f"the isolation forest cuts column {self.column.max()}, and there are {X.shape[1]}")
        return score_in_blocks(self._score_block, X)

    def _score_block(self, X: Matrix) -> NDArray[Any]:
        total = np.zeros(len(X))
        row = np.arange(len(X))
        for column, threshold, left, right, depth in zip(
            self.column, self.threshold, self.left, self.right, self.depth, strict=True
        ):
            node = np.zeros(len(X), dtype=np.int32)
            while True:
                cut = column[node]
                at_leaf = cut < 0
                if at_leaf.all():
                    break
                # A leaf leads to itself, so rows that have arrived stay.
                node = np.where(X[row, cut] <= threshold[node], left[node], right[node])
            total += depth[node]
        return np.exp2(-total / (len(self.column) * self.usual_depth))

    @property
    def usual_depth(self) -> float:
        """The mean number of cuts that set a row apart, by which depths are measured."""
        return float(_average_path(np.array([self.tree_rows]))[0] or 1.0)

    def state(self) -> tuple[Arrays, dict[str, Any]]:
        """The trees."""
        return {name: getattr(self, name) for name in _NAMES}, {"tree_rows": self.tree_rows}

    @classmethod
    def from_state(cls, arrays: Mapping[str, NDArray[Any]], meta: Mapping[str, Any]) -> Self:
        """Rebuild from :meth:`state`.

        Raises:
            ArtifactError: If arrays are missing, or a tree does not lead from its root to leaves.
        """
        try:
            parts = {name: arrays[name] for name in _NAMES}
            tree_rows = int(meta["tree_rows"])
        except (KeyError, TypeError, ValueError) as error:
            raise ArtifactError("the model's isolation forest is incomplete; save the model again") from error
        shape = parts["column"].shape
        if len(shape) != 2 or not all(shape) or tree_rows < 1 or not all(_sound(parts[n], n, shape) for n in _NAMES):
            raise ArtifactError("the model's isolation forest is damaged; save the model again")
        made = cls(**parts, tree_rows=tree_rows)
        # Children come after their parent and a leaf leads to itself, so every walk ends.
        own = np.broadcast_to(np.arange(shape[1]), shape)
        inner = made.column >= 0
        for child in (made.left, made.right):
            if not np.where(inner, (child > own) & (child < shape[1]), child == own).all():
                raise ArtifactError("the model's isolation forest is damaged; save the model again")
        return made


def _sound(array: NDArray[Any], name: str, shape: tuple[int, ...]) -> bool:
    """Whether an array has the form that :meth:`Isolation.state` gives it."""
    kind = {"threshold": np.float64, "depth": np.float32}.get(name, np.int32)
    return bool(array.shape == shape and array.dtype == kind and np.isfinite(array).all())


def _average_path(rows: NDArray[Any]) -> NDArray[np.float64]:
    """The mean depth of an unsuccessful search in a binary tree of so many rows (equation 1 of the paper)."""
    n = np.maximum(np.asarray(rows, dtype=np.float64), 1.0)
    inner = np.maximum(n - 1.0, 1.0)
    path = 2.0 * (np.log(inner) + _EULER) - 2.0 * (n - 1.0) / n
    return np.where(n > 2, path, np.where(n == 2, 1.0, 0.0))
