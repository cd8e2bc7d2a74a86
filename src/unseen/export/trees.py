"""Tree ensembles as the operator ONNX has for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from unseen.errors import ArtifactError
from unseen.export.graph import Graph

__all__ = ["Tree", "boosted_trees", "express_trees"]

_CATEGORICAL, _ZERO_IS_MISSING = 1, 4


@dataclass(frozen=True)
class Tree:
    """One tree; node 0 is its root.

    Attributes:
        column: The column each node cuts, or -1 at a leaf, shape (nodes,).
        threshold: Rows at most this go left.
        left: The node of these rows.
        right: The node of the others.
        value: What a leaf adds to the sum.
    """

    column: NDArray[np.int64]
    threshold: NDArray[np.float64]
    left: NDArray[np.int64]
    right: NDArray[np.int64]
    value: NDArray[np.float64]


def express_trees(graph: Graph, x: str, trees: Sequence[Tree]) -> str:
    """The sum over trees of the value of the leaf each row falls into: float64, shape (rows,).

    Thresholds compare and leaves add up in double precision, and only the sum is rounded to single: rows that differ in
    one leaf can have sums so close that adding in single precision would let them change places.
    """
    sizes = [len(tree.column) for tree in trees]
    column, threshold, left, right, value = (
        np.concatenate([getattr(tree, name) for tree in trees])
        for name in ("column", "threshold", "left", "right", "value")
    )
    number = np.repeat(np.arange(len(trees)), sizes)
    node = np.concatenate([np.arange(size) for size in sizes])
    leaf = column < 0
    total = graph(
        "TreeEnsembleRegressor",
        graph.float64(x),
        domain="ai.onnx.ml",
        n_targets=1,
        nodes_treeids=number.tolist(),
        nodes_nodeids=node.tolist(),
        nodes_featureids=np.where(leaf, 0, column).tolist(),
        nodes_modes=np.where(leaf, "LEAF", "BRANCH_LEQ").tolist(),
        nodes_values_as_tensor=graph.tensor(np.where(leaf, 0.0, threshold)),
        nodes_truenodeids=np.where(leaf, 0, left).tolist(),
        nodes_falsenodeids=np.where(leaf, 0, right).tolist(),
        target_treeids=number[leaf].tolist(),
        target_nodeids=node[leaf].tolist(),
        target_ids=np.zeros(np.count_nonzero(leaf), dtype=np.int64).tolist(),
        target_weights_as_tensor=graph.tensor(value[leaf].astype(np.float64)),
    )
    return graph("Squeeze", graph.float64(total), graph.constant([1], np.int64))


def boosted_trees(text: str) -> list[Tree]:
    """The trees of a model in LightGBM's text format.

    Raises:
        ArtifactError: If the text is no such model, or a tree cuts categories or takes zeros for missing.
    """
    blocks = text.partition("\nend of trees")[0].split("\nTree=")[1:]
    try:
        return [
            _boosted_tree(dict(line.split("=", 1) for line in block.splitlines()[1:] if "=" in line))
            for block in blocks
        ]
    except ArtifactError:
        raise
    except (KeyError, ValueError, IndexError) as error:
        raise ArtifactError("the model's boosted trees are damaged; save the model again") from error


def _boosted_tree(fields: dict[str, str]) -> Tree:
    def numbers(name: str) -> NDArray[np.float64]:
        return np.array(fields[name].split(), dtype=np.float64)

    values = numbers("leaf_value")
    inner, leaves = len(values) - 1, len(values)
    column, threshold = np.full(inner + leaves, -1), np.zeros(inner + leaves)
    children = np.zeros((2, inner + leaves), dtype=np.int64)
    if inner:
        kinds = numbers("decision_type").astype(int)
        if (kinds & (_CATEGORICAL | _ZERO_IS_MISSING)).any():
            raise ArtifactError("boosted trees with cuts of categories or zeros cannot be expressed in ONNX")
        column[:inner], threshold[:inner] = numbers("split_feature"), numbers("threshold")
        for side, name in enumerate(("left_child", "right_child")):
            child = numbers(name).astype(np.int64)
            # LightGBM numbers leaves -1, -2, …; here they follow the inner nodes.
            children[side, :inner] = np.where(child < 0, inner - 1 - child, child)
    value = np.concatenate([np.zeros(inner), values])
    return Tree(column, threshold, children[0], children[1], value)
