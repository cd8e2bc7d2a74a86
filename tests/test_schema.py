from __future__ import annotations

import pytest

from unseen.errors import InputError, SchemaError
from unseen.schema import Column, Schema, nearest, resolve_normal


def schema(*names: str, **others: object) -> Schema:
    return Schema(columns=tuple(Column(name=name, kind="number") for name in names), **others)  # type: ignore[arg-type]


def test_names_in_any_order_with_label_and_ignored_columns_pass() -> None:
    known = schema("a", "b", label="y", ignored=("t",))
    known.check_names(["t", "b", "y", "a"])
    known.check_names(["b", "a"])
    with pytest.raises(SchemaError):
        known.check_names(["a"])


def test_missing_and_extra_columns_are_shown_as_a_diff() -> None:
    with pytest.raises(SchemaError, match=r"1 missing: 'b'; 1 unknown: 'c'") as caught:
        schema("a", "b").check_names(["a", "c"])
    assert "--ignore 'c'" in str(caught.value)


def test_a_renamed_column_is_recognised() -> None:
    with pytest.raises(SchemaError, match="'Flow_Duration' may be 'Flow Duration'"):
        schema("Flow Duration", "b").check_names(["Flow_Duration", "b"])


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (["BENIGN", "Bot"], "BENIGN"),
        (["Normal", "1"], "Normal"),
        (["0", "1"], "0"),
        (["-1", "1"], "1"),
        (["-1", "+1"], "+1"),
    ],
)
def test_the_normal_class_is_found(labels: list[str], expected: str) -> None:
    assert resolve_normal(labels, None) == expected


def test_an_ambiguous_or_absent_normal_class_is_refused_with_the_labels() -> None:
    with pytest.raises(InputError, match="several labels could be the normal class: 'benign', 'normal'"):
        resolve_normal(["benign", "normal", "Bot"], None)
    with pytest.raises(InputError, match="'Bot', 'Heartbleed'"):
        resolve_normal(["Bot", "Heartbleed"], None)
    with pytest.raises(InputError, match="did you mean 'BENIGN'"):
        resolve_normal(["BENIGN", "Bot"], "benign ")


def test_nearest_prefers_case_and_punctuation_over_spelling() -> None:
    assert nearest("web attack xss", ["Web Attack – XSS", "Web Attack"]) == "Web Attack – XSS"
    assert nearest("Infilteration", ["Infiltration", "Bot"]) == "Infiltration"
    assert nearest("zebra", ["Infiltration", "Bot"]) is None
