from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unseen.errors import InputError, SchemaError
from unseen.prepare import PRESETS, ColumnPolicy, Preparer, PrepareSettings, Tally
from unseen.table import infer_schema

DEFAULT = PRESETS["signed-log"]


def fit(columns: dict[str, object], settings: PrepareSettings = DEFAULT) -> Preparer:
    table = pa.table(columns)
    return Preparer.fit(table, infer_schema(table.schema), settings)


doubles = st.floats(allow_nan=True, allow_infinity=True, width=64)


@given(fitted=st.lists(doubles, min_size=3, max_size=30), scored=st.lists(doubles, min_size=1, max_size=30))
@settings(max_examples=300)
def test_whatever_comes_in_finite_numbers_come_out(fitted: list[float], scored: list[float]) -> None:
    columns = {"a": fitted, "b": [float(j) for j in range(len(fitted))]}
    preparer = fit(columns)
    X = preparer.transform(pa.table({"a": scored, "b": [0.0] * len(scored)}))
    assert X.dtype == np.float32
    assert X.shape == (len(scored), len(preparer.names))
    assert np.isfinite(X).all()
    assert np.abs(X).max() <= 10.0


@given(st.permutations(range(20)), st.integers(1, 20))
def test_a_row_is_prepared_on_its_own(order: list[int], size: int) -> None:
    rng = np.random.default_rng(0)
    table = pa.table({"a": rng.lognormal(size=20), "c": rng.choice(["x", "y", "z"], size=20)})
    preparer = Preparer.fit(table, infer_schema(table.schema), DEFAULT)
    whole = preparer.transform(table)
    shuffled = table.take(order)
    parts = [preparer.transform(shuffled.slice(start, size)) for start in range(0, 20, size)]
    np.testing.assert_array_equal(np.concatenate(parts), whole[order])


@given(st.lists(st.floats(-1e12, 1e12), min_size=5, max_size=50, unique=True))
def test_the_order_of_values_is_kept(values: list[float]) -> None:
    X = fit({"a": values}).transform(pa.table({"a": sorted(values)}))
    assert (np.diff(X[:, 0]) >= 0).all()


def test_fitted_normals_are_centred_and_scaled() -> None:
    rng = np.random.default_rng(0)
    values = rng.lognormal(3, 2, size=5000)
    X = fit({"a": values}).transform(pa.table({"a": values}))
    assert abs(X.mean()) < 0.05
    assert abs(X.std() - 1) < 0.05


def test_constant_repeated_and_empty_columns_are_dropped_and_named() -> None:
    preparer = fit({"a": [1.0, 2, 3], "twin": [1.0, 2, 3], "flat": [7.0] * 3, "void": [None, np.nan, None]})
    assert preparer.names == ["a"]
    assert preparer.dropped == {"twin": "repeats a", "flat": "constant", "void": "no finite value"}


def test_a_table_that_carries_nothing_is_refused_with_the_reasons() -> None:
    with pytest.raises(InputError, match=r"flat \(constant\)"):
        fit({"flat": [7.0] * 3})


def test_missing_values_take_the_median_and_are_flagged_and_counted() -> None:
    preparer = fit({"a": [1.0, 2.0, 3.0, None], "b": [1.0, 2.0, 3.0, 4.0]})
    assert preparer.names == ["a", "a is missing", "b"]
    tally = Tally()
    X = preparer.transform(pa.table({"a": [2.0, None], "b": [1.0, None]}), tally)
    assert X[0, 0] == X[1, 0]
    assert X[:, 1].tolist() == [0.0, 1.0]
    assert tally.missing == {"a": 1, "b": 1}
    assert tally.messages() == ["2 missing values in 2 columns: 'a', 'b' (of 2 rows)"]


@pytest.mark.parametrize(
    ("policy", "value", "same_as"),
    [
        (ColumnPolicy(infinite="largest"), np.inf, 9.0),
        (ColumnPolicy(infinite="largest"), -np.inf, -5.0),
        (ColumnPolicy(infinite="zero"), np.inf, 0.0),
        (ColumnPolicy(infinite="missing", missing="zero"), np.inf, 0.0),
        (ColumnPolicy(negative="zero"), -3.0, 0.0),
        (ColumnPolicy(negative="missing"), -1.0, 4.0),
        (ColumnPolicy(missing="zero"), None, 0.0),
    ],
)
def test_every_policy_of_a_column(policy: ColumnPolicy, value: float | None, same_as: float) -> None:
    settings = PrepareSettings(policies={"a": policy}, missing_flags=False)
    preparer = fit({"a": [-5.0, 3.0, 4.0, 9.0, 4.0], "b": [1.0, 2, 3, 4, 5]}, settings)
    X = preparer.transform(pa.table({"a": [value, same_as], "b": [1.0, 1.0]}))
    assert X[0, 0] == X[1, 0]


def test_a_policy_for_an_unknown_column_is_refused() -> None:
    with pytest.raises(InputError, match="'ghost'"):
        fit({"a": [1.0, 2.0]}, PrepareSettings(policies={"ghost": ColumnPolicy()}))


def test_categories_have_a_bucket_for_the_rest_and_are_counted() -> None:
    settings = PrepareSettings(most_categories=2)
    preparer = fit({"c": ["tcp"] * 3 + ["udp"] * 2 + ["icmp"]}, settings)
    assert preparer.names == ["c=tcp", "c=udp", "c=other"]
    tally = Tally()
    X = preparer.transform(pa.table({"c": ["udp", "icmp", "sctp", None]}), tally)
    assert X.tolist() == [[0, 1, 0], [0, 0, 1], [0, 0, 1], [0, 0, 0]]
    assert tally.unknown_category == {"c": 1}
    assert tally.missing == {"c": 1}


def test_text_in_a_number_column_is_refused_at_scoring() -> None:
    with pytest.raises(SchemaError, match="first 'many' in row 2"):
        fit({"a": [1.0, 2.0]}).transform(pa.table({"a": ["3", "many"]}))


def test_it_survives_json_bit_by_bit(data_dir: Path) -> None:
    table = pq.read_table(data_dir / "nsl_kdd.parquet").slice(0, 4000)
    schema = infer_schema(table.schema, label="label", ignore=("split", "label_family", "difficulty"))
    preparer = Preparer.fit(table, schema, DEFAULT)
    again = Preparer.model_validate_json(preparer.model_dump_json())
    np.testing.assert_array_equal(again.transform(table), preparer.transform(table))


def test_the_paper_preparation_gives_its_71_features(data_dir: Path) -> None:
    table = pq.read_table(data_dir / "cicids2017_original.parquet")
    schema = infer_schema(table.schema, label="Label", ignore=("label_source", "day_file"))
    preparer = Preparer.fit(table, schema, PRESETS["paper"])
    X = preparer.transform(table)
    assert X.shape[1] == 71
    assert set(preparer.dropped.values()) == {"constant"}
    assert len(preparer.dropped) == 8
    np.testing.assert_allclose(X.std(axis=0), 1.0, atol=1e-3)


def test_the_ratios_are_the_published_ones() -> None:
    columns = {
        "Total Length of Fwd Packets": [300.0, 500.0],
        "Total Fwd Packets": [3.0, 2.0],
        "Flow Duration": [1_000_000.0, 500_000.0],
    }
    preparer = fit(columns, PRESETS["paper"].model_copy(update={"fit_on": "normal"}))
    ratio = {column.name: column for column in preparer.columns}
    per_packet, per_second = ratio["Fwd Bytes/Packet"], ratio["Fwd Packets/Second"]
    assert per_packet.largest == pytest.approx(500 / (2 + 1e-6))  # type: ignore[union-attr]
    assert per_second.largest == pytest.approx(2 / (0.5 + 1e-6))  # type: ignore[union-attr]
