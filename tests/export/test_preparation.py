"""The exported preparation gives the same bits as the fitted one, whatever the cells hold."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnxruntime
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unseen.export.graph import Graph
from unseen.export.preparation import express_preparation
from unseen.prepare import PRESETS, ColumnPolicy, Preparer, PrepareSettings, Tally
from unseen.prepare.settings import Ratio
from unseen.runtime.layout import InputLayout
from unseen.table import infer_schema

POLICIES = PrepareSettings(
    policies={
        "a": ColumnPolicy(infinite="missing", negative="missing"),
        "b": ColumnPolicy(missing="zero", infinite="zero", negative="zero"),
    },
    ratios=(Ratio(name="a/b", numerator="a", denominator="b", scale=0.5),),
)
SETTINGS = {**PRESETS, "policies and ratios": POLICIES}
ODD = [float("nan"), float("inf"), float("-inf"), -1.0, 0.0, -0.0, 1e300, -1e-300, 5e-324]


def fitted(settings: PrepareSettings) -> Preparer:
    rng = np.random.default_rng(0)
    table = pa.table(
        {
            "a": rng.normal(size=80),
            "text": rng.choice(["tcp", "udp", "other"], size=80),
            "b": [None if row % 7 == 0 else float(value) for row, value in enumerate(rng.lognormal(size=80) * 1e6)],
            "flag": rng.choice(["S", "F"], size=80),
            "c": rng.integers(0, 5, size=80),
        }
    )
    return Preparer.fit(table, infer_schema(table.schema), settings)


def exported(preparer: Preparer) -> Any:
    graph = Graph()
    prepared = express_preparation(graph, preparer)
    graph.output("prepared", prepared.rows, np.float32, ("rows", prepared.columns))
    return onnxruntime.InferenceSession(graph.model().SerializeToString(), providers=["CPUExecutionProvider"])


FITTED = {name: fitted(settings) for name, settings in SETTINGS.items()}
SESSIONS = {name: exported(preparer) for name, preparer in FITTED.items()}
numbers = st.one_of(st.sampled_from(ODD), st.floats(width=64), st.none())
texts = st.sampled_from(["tcp", "udp", "other", "never seen", "", None])


@pytest.mark.parametrize("name", SETTINGS)
@given(rows=st.lists(st.tuples(numbers, texts, numbers, texts, numbers), min_size=1, max_size=20))
def test_prepared_rows_are_the_same(name: str, rows: list[tuple[Any, ...]]) -> None:
    kinds = (pa.float64(), pa.string(), pa.float64(), pa.string(), pa.float64())
    columns = [pa.array(values, kind) for values, kind in zip(zip(*rows, strict=True), kinds, strict=True)]
    table = pa.table(dict(zip(["a", "text", "b", "flag", "c"], columns, strict=True)))
    preparer = FITTED[name]
    with np.errstate(over="ignore"):
        expected = preparer.transform(table)
    found = SESSIONS[name].run(None, InputLayout.of(preparer).read(table, Tally()))[0]
    # log(1 + |x|) rounds below 1e-8 where log1p does not: a difference of 1e-16 before scaling.
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-7)


def test_what_had_to_be_mended_is_counted_alike() -> None:
    table = pa.table(
        {
            "a": [float("nan"), float("inf"), 1.0, None],
            "text": ["tcp", None, "never seen", ""],
            "b": [1.0, float("-inf"), 2.0, 3.0],
            "flag": ["S", "S", "X", "F"],
            "c": [1, 2, None, 4],
        }
    )
    ours, theirs = Tally(), Tally()
    FITTED["signed-log"].transform(table, ours)
    InputLayout.of(FITTED["signed-log"]).read(table, theirs)
    assert ours == theirs
    assert ours.missing
    assert ours.infinite
    assert ours.unknown_category


def test_a_value_called_other_is_not_the_bucket_of_the_others() -> None:
    preparer = FITTED["signed-log"]
    assert preparer.names.count("text=other") == 2
    table = pa.table({"a": [0.0], "text": ["other"], "b": [1.0], "flag": ["S"], "c": [1]})
    found = SESSIONS["signed-log"].run(None, InputLayout.of(preparer).read(table, Tally()))[0]
    np.testing.assert_array_equal(found, preparer.transform(table))
