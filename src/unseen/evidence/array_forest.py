"""Forests of scikit-learn as plain arrays, which LightGBM walks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from unseen.errors import ArtifactError, require
from unseen.evidence.base import Arrays, Matrix
from unseen.evidence.tree_text import write_trees

__all__ = ["ArrayForest"]

_NAMES = ("column", "threshold", "left", "right")


class ArrayForest:
    """Trees as plain arrays, one row a tree, padded to the largest.

    A forest of scikit-learn is a tangle of objects that only pickle can write; as arrays it goes into a model file and
    becomes an ONNX tree ensemble without a converter. LightGBM walks the trees: a sum over leaves is what it calls a
    prediction, and its compiled walk takes a quarter of the time of one in numpy.

    Arguments:
        column: The column a node cuts, or -1 at a leaf, shape (trees, nodes).
        threshold: Rows at most this go left.
        left: The node of these rows.
        right: The node of the others.
        value: What a leaf adds to the sum.
    """

    # What a leaf's value is; model files call it so.
    value_name: ClassVar[str]

    def __init__(
        self,
        column: NDArray[Any],
        threshold: NDArray[Any],
        left: NDArray[Any],
        right: NDArray[Any],
        value: NDArray[Any],
    ) -> None:
        self.column, self.left, self.right = (np.asarray(part, dtype=np.int32) for part in (column, left, right))
        self.threshold = np.asarray(threshold, dtype=np.float64)
        self.value = np.asarray(value, dtype=np.float32)
        # Made when rows come: their width is not known before.
        self._booster: Any = None

    @staticmethod
    def arrays(
        trees: Sequence[Any], columns: Sequence[NDArray[Any]] | None, value: Callable[[Any], NDArray[Any]]
    ) -> tuple[NDArray[np.float64], ...]:
        """The five arrays of the ``tree_`` objects of a scikit-learn forest.

        Arguments:
            trees: Them.
            columns: For each tree the columns it was shown, where it was not shown all.
            value: Gives the value of every node of a tree.
        """
        nodes = max(tree.node_count for tree in trees)
        made = [np.zeros((len(trees), nodes), dtype=np.float64) for _ in range(5)]
        column, threshold, left, right, values = made
        column -= 1
        left += np.arange(nodes)
        right += np.arange(nodes)
        for number, tree in enumerate(trees):
            count = tree.node_count
            inner = tree.children_left >= 0
            cut = np.maximum(tree.feature, 0)
            cut = cut if columns is None else np.asarray(columns[number])[cut]
            column[number, :count] = np.where(inner, cut, -1)
            threshold[number, :count] = np.where(inner, tree.threshold, 0.0)
            left[number, :count] = np.where(inner, tree.children_left, np.arange(count))
            right[number, :count] = np.where(inner, tree.children_right, np.arange(count))
            values[number, :count] = value(tree)
        return tuple(made)

    def total(self, X: Matrix) -> NDArray[np.float64]:
        """The sum over trees of the value of the leaf each row falls into, shape (n,).

        Raises:
            ArtifactError: If a tree cuts a column that the rows do not have.
        """
        if self.column.max() >= X.shape[1]:
            raise ArtifactError(f"the model's forest cuts column {self.column.max()}, and there are {X.shape[1]}")
        if self._booster is None or self._booster.num_feature() != X.shape[1]:
            parts = (self.column, self.threshold, self.left, self.right, self.value)
            text = write_trees(list(zip(*parts, strict=True)), X.shape[1])
            self._booster = require("lightgbm", "train").Booster(model_str=text)
        return np.asarray(self._booster.predict(X, raw_score=True))

    def state(self) -> tuple[Arrays, dict[str, Any]]:
        """The trees."""
        return {**{name: getattr(self, name) for name in _NAMES}, self.value_name: self.value}, {}

    @classmethod
    def from_state(cls, arrays: Mapping[str, NDArray[Any]], meta: Mapping[str, Any]) -> Self:
        """Rebuild from :meth:`state`.

        Raises:
            ArtifactError: If arrays are missing, or a tree does not lead from its root to leaves.
        """
        try:
            parts = {name: arrays[cls.value_name if name == "value" else name] for name in (*_NAMES, "value")}
            more = cls._settings(meta)
        except (KeyError, TypeError, ValueError) as error:
            raise ArtifactError(f"the model's {cls.__name__} is incomplete; save the model again") from error
        shape = parts["column"].shape
        sound = len(shape) == 2 and all(shape) and all(_sound(part, name, shape) for name, part in parts.items())
        own = np.arange(shape[1]) if sound else None
        trees = zip(parts["column"], parts["left"], parts["right"], strict=True)
        if own is None or not all(_leads_to_leaves(own, *tree) for tree in trees):
            raise ArtifactError(f"the model's {cls.__name__} is damaged; save the model again")
        return cls(**parts, **more)

    @classmethod
    def _settings(cls, meta: Mapping[str, Any]) -> dict[str, Any]:
        """What a kind of forest needs beside its trees."""
        return {}


def _leads_to_leaves(own: NDArray[Any], column: NDArray[Any], left: NDArray[Any], right: NDArray[Any]) -> bool:
    """Whether nodes are a tree: each but the root is the child of one before it, and a leaf leads to itself."""
    inner = column >= 0
    children = np.concatenate([left[inner], right[inner]])
    leaves_stay = bool((left == own)[~inner].all() and (right == own)[~inner].all())
    each_once = np.array_equal(np.sort(children), np.arange(1, len(children) + 1))
    return leaves_stay and each_once and bool((children > np.tile(own[inner], 2)).all())


def _sound(array: NDArray[Any], name: str, shape: tuple[int, ...]) -> bool:
    """Whether an array has the form that :meth:`ArrayForest.state` gives it."""
    kind = {"threshold": np.float64, "value": np.float32}.get(name, np.int32)
    return bool(array.shape == shape and array.dtype == kind and np.isfinite(array).all())
