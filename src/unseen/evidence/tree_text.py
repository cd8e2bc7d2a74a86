"""Trees in LightGBM's text format: written from arrays, and checked before the library reads them.

The check is needed because the library's own reader trusts every number in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unseen.errors import ArtifactError

__all__ = ["check_trees", "write_trees"]

_HEAD = {
    "version",
    "num_class",
    "num_tree_per_iteration",
    "label_index",
    "max_feature_idx",
    "objective",
    "feature_names",
    "feature_infos",
    "tree_sizes",
}
_FIXED = {"num_class": "1", "num_tree_per_iteration": "1", "objective": "binary sigmoid:1"}
_CATEGORICAL = 1
# Neither categories nor missing values: every number is compared.
_NO_MISSING = 2


def check_trees(text: str) -> int:
    """Check that every index lies within its table and every walk from a root ends at a leaf.

    Arguments:
        text: What ``Booster.model_to_string`` gave for a binary objective without categories.

    Returns:
        The number of columns the trees were grown on.

    Raises:
        ArtifactError: If the text is anything else; in the library it could read beyond a table, or never end.
    """
    try:
        return _columns(text.encode("ascii"))
    except (ArithmeticError, LookupError, ValueError) as error:
        raise ArtifactError("the model's boosted trees are damaged; save the model again") from error


def _columns(data: bytes) -> int:
    start = data.index(b"Tree=0\n")
    first, *lines = data[:start].decode().splitlines()
    head = _fields(lines)
    _require(first == "tree" and set(head) == _HEAD and all(head[name] == value for name, value in _FIXED.items()))
    columns = int(head["max_feature_idx"]) + 1
    _require(columns == len(head["feature_names"].split()) == len(head["feature_infos"].split()) >= 1)
    # The library cuts the text by these sizes.
    for number, size in enumerate(int(size) for size in head["tree_sizes"].split()):
        block = data[start : start + size]
        _require(size > 0 and block.startswith(f"Tree={number}\n".encode()) and block.count(b"Tree=") == 1)
        _check_tree(_fields(block.decode().splitlines()[1:]), columns)
        start += size
    rest = data[start:]
    _require(rest.startswith(b"end of trees\n") and rest.rstrip().endswith(b"\npandas_categorical:null"))
    return columns


def _fields(lines: list[str]) -> dict[str, str]:
    pairs = [line.split("=", 1) for line in lines if line]
    _require(all(len(pair) == 2 for pair in pairs))
    fields = {pair[0]: pair[1] for pair in pairs}
    _require(len(fields) == len(pairs) and not any("=" in value for value in fields.values()))
    return fields


def _check_tree(fields: dict[str, str], columns: int) -> None:
    def numbers(name: str, count: int) -> NDArray[np.float64]:
        values = np.array(fields[name].split(), dtype=np.float64)
        _require(values.shape == (count,) and bool(np.isfinite(values).all()))
        return values

    leaves = int(fields["num_leaves"])
    _require(leaves >= 1 and fields["num_cat"] == "0" and fields["is_linear"] == "0")
    numbers("leaf_value", leaves)
    inner = leaves - 1
    if not inner:
        return
    for name in ("split_gain", "threshold", "internal_value", "internal_weight", "internal_count"):
        numbers(name, inner)
    for name in ("leaf_weight", "leaf_count"):
        numbers(name, leaves)
    cut, kind, *children = (
        numbers(name, inner) for name in ("split_feature", "decision_type", "left_child", "right_child")
    )
    _require(all(bool((table == np.floor(table)).all()) for table in (cut, kind, *children)))
    _require(bool(((cut >= 0) & (cut < columns)).all()))
    _require(not (kind.astype(np.int64) & _CATEGORICAL).any())
    for child in children:
        # Leaves are numbered -1, -2, …; an inner node comes after its parent, so that no walk turns back.
        at_leaf = (child < 0) & (child >= -leaves)
        _require(bool((at_leaf | ((child > np.arange(inner)) & (child < inner))).all()))


def write_trees(trees: Sequence[tuple[NDArray[Any], ...]], columns: int) -> str:
    """Write trees as a model whose raw score is the sum of the values of the leaves a row falls into.

    Arguments:
        trees: For each tree the column each node cuts (-1 at a leaf), the threshold up to which rows go left, the
            nodes of these rows and of the others, which come after their parent, and each leaf's value; all of shape
            (nodes,). Nodes that no walk reaches may follow the last one.
        columns: The number of columns of the rows.

    Returns:
        Text that ``Booster(model_str=…)`` reads; every number survives to the last bit.
    """
    blocks = [_written(number, *tree) for number, tree in enumerate(trees)]
    head = {
        "version": "v4",
        "num_class": "1",
        "num_tree_per_iteration": "1",
        "label_index": "0",
        "max_feature_idx": str(columns - 1),
        "objective": "regression",
        "feature_names": " ".join(f"c{j}" for j in range(columns)),
        "feature_infos": " ".join(["[-inf:inf]"] * columns),
        "tree_sizes": " ".join(str(len(block)) for block in blocks),
    }
    start = "\n".join(["tree", *_lines(head), "", ""])
    return start + "".join(blocks) + "end of trees\n\npandas_categorical:null\n"


def _written(
    number: int,
    column: NDArray[Any],
    threshold: NDArray[Any],
    left: NDArray[Any],
    right: NDArray[Any],
    value: NDArray[Any],
) -> str:
    inner = column >= 0
    size = 1 + int(max(left[inner].max(initial=0), right[inner].max(initial=0)))
    inner, leaf = inner[:size], ~inner[:size]
    cut = np.flatnonzero(inner)
    # Inner nodes are numbered 0, 1, …, leaves -1, -2, …
    place = np.where(inner, np.cumsum(inner) - 1, 0 - np.cumsum(leaf))
    nothing = np.zeros(len(cut), dtype=np.int64)
    tables = {
        "split_feature": column[cut],
        "split_gain": nothing,
        "threshold": threshold[cut],
        "decision_type": np.full(len(cut), _NO_MISSING),
        "left_child": place[left[cut]],
        "right_child": place[right[cut]],
        "leaf_value": value[:size][leaf].astype(np.float64),
        "internal_value": nothing,
        "internal_weight": nothing,
        "internal_count": nothing,
    }
    fields = {"num_leaves": str(np.count_nonzero(leaf)), "num_cat": "0"}
    fields |= {name: " ".join(map(repr, table.tolist())) for name, table in tables.items() if len(table)}
    fields |= {"is_linear": "0", "shrinkage": "1"}
    # The library cuts the text by the length of these blocks.
    return "\n".join([f"Tree={number}", *_lines(fields), "", "", ""])


def _lines(fields: dict[str, str]) -> list[str]:
    return [f"{name}={value}" for name, value in fields.items()]


def _require(condition: bool) -> None:
    if not condition:
        raise ValueError("not the form that LightGBM writes")
