from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unseen.errors import InputError, SchemaError
from unseen.table import as_labels, as_table, category_values, infer_schema, number_values, select

COLUMNS = {"bytes": [1.5, None, 3.0], "proto": ["tcp", "udp", None]}
FRAMES = [pd.DataFrame(COLUMNS), pl.DataFrame(COLUMNS), pa.table(COLUMNS), pa.RecordBatch.from_pydict(COLUMNS)]


@pytest.mark.parametrize("frame", FRAMES, ids=lambda frame: type(frame).__module__.partition(".")[0])
def test_every_frame_gives_the_same_columns(frame: Any) -> None:
    table, named = as_table(frame)
    assert named
    schema = infer_schema(table.schema)
    assert [(column.name, column.kind) for column in schema.columns] == [("bytes", "number"), ("proto", "category")]
    np.testing.assert_array_equal(number_values(table.column("bytes"), "bytes"), [1.5, np.nan, 3.0])
    assert category_values(table.column("proto")).to_pylist() == ["tcp", "udp", None]


def test_the_index_of_a_pandas_frame_is_no_column() -> None:
    table, _ = as_table(pd.DataFrame({"a": [1, 2, 3]}, index=[5, 5, 9])[1:])
    assert table.column_names == ["a"]


def test_arrays_are_taken_by_position() -> None:
    table, named = as_table(np.arange(6.0).reshape(3, 2))
    assert (table.column_names, named) == (["x0", "x1"], False)


@pytest.mark.parametrize(
    ("thing", "words"),
    [
        ([1, 2], "a table is needed"),
        (np.arange(3), "array of shape"),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), "more than once: 'a'"),
        (pa.table([[1], [2]], names=["a", "a"]), "more than once: 'a'"),
        (pd.DataFrame({"a": [1, "x"]}), "mixed types"),
    ],
)
def test_what_is_no_table_is_refused(thing: Any, words: str) -> None:
    with pytest.raises(InputError, match=words):
        as_table(thing)


def test_text_in_a_number_column_is_counted_and_located() -> None:
    with pytest.raises(SchemaError, match="2 rows hold text: first 'abc' in row 2") as caught:
        number_values(pa.array(["1", "abc", "", "1_0"]), "bytes")
    assert "--ignore 'bytes'" in str(caught.value)


def test_text_that_reads_as_numbers_is_numbers() -> None:
    values = number_values(pa.array([" 1", "Infinity", "NaN", "", None, "-2e3"]), "bytes")
    np.testing.assert_array_equal(values, [1, np.inf, np.nan, np.nan, np.nan, -2000])


@given(st.lists(st.integers(-(2**40), 2**40), min_size=1))
def test_a_whole_float_and_an_integer_are_the_same_category(values: list[int]) -> None:
    as_integers = category_values(pa.array(values, pa.int64())).to_pylist()
    assert category_values(pa.array(values, pa.float64())).to_pylist() == as_integers


def test_dates_are_refused_with_the_way_out() -> None:
    with pytest.raises(SchemaError, match="--ignore 'Timestamp'"):
        infer_schema(pa.schema([("Timestamp", pa.timestamp("us")), ("a", pa.float64())]))


def test_named_columns_that_are_absent_are_refused_with_the_near_match() -> None:
    with pytest.raises(SchemaError, match=r"'label' \(--label\); did you mean 'Label'"):
        infer_schema(pa.schema([("Label", pa.string()), ("a", pa.float64())]), label="label")


def test_columns_are_reordered_by_name() -> None:
    table = pa.table({"a": [1.0], "b": [2.0]})
    schema = infer_schema(table.schema)
    swapped = pa.table({"b": [2.0], "a": [1.0]})
    assert select(swapped, schema).equals(table)


def test_labels_may_be_text_or_integers_of_any_container() -> None:
    for y in (["a", "b "], pd.Series(["a", "b"]), pl.Series(["a", "b"]), pa.chunked_array([["a"], ["b"]])):
        assert as_labels(y, 2).tolist() == ["a", "b"]
    for y in ([0, 1], np.array([0.0, 1.0]), pd.Series([0, 1], dtype="int8")):
        assert as_labels(y, 2).tolist() == ["0", "1"]


def test_missing_labels_and_wrong_lengths_are_refused() -> None:
    with pytest.raises(InputError, match="1 of 2 labels are missing"):
        as_labels(["a", None], 2)
    with pytest.raises(InputError, match="X has 3 rows, but y has 2 labels"):
        as_labels(["a", "b"], 3)
