"""Checks trees in LightGBM's text format before the library reads them: its own reader trusts every number in it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from unseen.errors import ArtifactError

__all__ = ["check_trees"]

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


def _require(condition: bool) -> None:
    if not condition:
        raise ValueError("not the form that LightGBM writes")
