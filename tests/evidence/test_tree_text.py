"""Boosted trees from a file are checked before LightGBM reads them: it trusts every number."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.evidence.test_evidences import COLUMNS, fit, normals, some_rows

from unseen.errors import ArtifactError
from unseen.evidence import BoostedKnown, EvidenceRows
from unseen.evidence.tree_text import check_trees


@pytest.fixture(scope="module")
def text() -> str:
    made = fit("known", some_rows())
    assert isinstance(made, BoostedKnown)
    return made.texts[0]


def first(pattern: str, new: str) -> Callable[[str], str]:
    """Replace the first match and keep the block's length true where only that may be wrong."""
    return lambda text: re.sub(pattern, new, text, count=1, flags=re.MULTILINE)


def same_length(name: str, value: str) -> Callable[[str], str]:
    """The first number of a table replaced without changing the block's length."""

    def change(text: str) -> str:
        found = re.search(rf"^{name}=(\S+)(.*)$", text, flags=re.MULTILINE)
        assert found
        line = f"{name}={value}{found[2]}"
        pad = len(found[0]) - len(line)
        line = line + " " * pad if pad >= 0 else line
        changed = text.replace(found[0], line, 1)
        if pad < 0:
            size = re.search(r"^tree_sizes=(\d+)", text, flags=re.MULTILINE)
            assert size
            changed = changed.replace(size[0], f"tree_sizes={int(size[1]) - pad}", 1)
        return changed

    return change


CHANGES: dict[str, Callable[[str], str]] = {
    "empty": lambda text: "",
    "cut off": lambda text: text[: len(text) // 2],
    "another library's": lambda text: '{"learner": {}}',
    "a child beyond the tree": same_length("left_child", "50000000"),
    "a leaf beyond the tree": same_length("right_child", "-50000000"),
    "a walk without end": same_length("left_child", "0"),
    "a column beyond the table": same_length("split_feature", "900000000"),
    "a negative column": same_length("split_feature", "-1"),
    "a cut of categories": same_length("decision_type", "1"),
    "a fractional child": same_length("left_child", "1.5"),
    "a value that is none": same_length("leaf_value", "nan"),
    "a threshold that is none": same_length("threshold", "inf"),
    "a missing table": first(r"^left_child=", "left_kid="),
    "too many leaves": first(r"^num_leaves=\d+", "num_leaves=100000000"),
    "linear leaves": first(r"^is_linear=0", "is_linear=1"),
    "categories": first(r"^num_cat=0", "num_cat=5"),
    "a wrong size": first(r"^tree_sizes=\d+", "tree_sizes=9999999"),
    "a negative size": first(r"^tree_sizes=\d+", "tree_sizes=-1"),
    "more columns than names": first(r"^max_feature_idx=\d+", "max_feature_idx=2000000000"),
    "several classes": first(r"^num_class=1", "num_class=3"),
    "several trees a round": first(r"^num_tree_per_iteration=1", "num_tree_per_iteration=1000"),
    "another objective": first(r"^objective=.*$", "objective=lambdarank"),
    "another head": first(r"^version=", "average_output\nversion="),
    "a zero byte": lambda text: text[:1000] + "\0" + text[1000:],
    "letters beyond ASCII": lambda text: text.replace("Column_0", "Colümn_0", 1),
    "a hostile tail": lambda text: text.replace("pandas_categorical:null", "pandas_categorical:" + "[" * 10_000),
}


def test_what_lightgbm_writes_passes(text: str) -> None:
    assert check_trees(text) == COLUMNS


@pytest.mark.parametrize("name", CHANGES)
def test_anything_else_is_refused(text: str, name: str) -> None:
    changed = CHANGES[name](text)
    assert changed != text
    with pytest.raises(ArtifactError, match="boosted trees are damaged"):
        check_trees(changed)
    with pytest.raises(ArtifactError):
        BoostedKnown.from_state({"text": np.frombuffer(changed.encode(), np.uint8)}, {})


@given(st.floats(0.0, 1.0), st.integers(0, 12), st.text(alphabet="0123456789-. =\neTr", max_size=12))
@settings(max_examples=40)
def test_any_change_is_refused_or_harmless(text: str, where: float, length: int, new: str) -> None:
    place = int(where * text.index("end of trees"))
    changed = text[:place] + new + text[place + length :]
    try:
        columns = check_trees(changed)
    except ArtifactError:
        return
    assert columns == COLUMNS
    scores = BoostedKnown(changed).score(normals(3, 20))
    assert np.isfinite(scores).all()


def test_trees_without_cuts_pass() -> None:
    rows = some_rows()
    few = EvidenceRows(rows.normals[:3], rows.known[:2], rows.classes[:2], rows.normals[:3], rows.known, rows.classes)
    made = BoostedKnown.fit(few, seed=0)
    again = BoostedKnown.from_state(*made.state())
    np.testing.assert_array_equal(again.score(rows.normals), made.score(rows.normals))


def test_bytes_that_are_no_text_are_refused() -> None:
    with pytest.raises(ArtifactError, match="missing"):
        BoostedKnown.from_state({"text": np.full(100, 255, np.uint8)}, {})
