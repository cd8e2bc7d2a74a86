"""Duplicates and label conflicts."""

from __future__ import annotations

from collections import Counter

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from unseen.sources.catalog.counting import Hasher, Tally

rows = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2), st.sampled_from("ab"), st.integers(0, 1)), min_size=1)


@settings(deadline=None)
@given(rows=rows, cut=st.integers(0, 20))
def test_counts_are_those_of_the_definition(
    by_content: Hasher, rows: list[tuple[int, int, str, int]], cut: int
) -> None:
    names = ["x", "y", "label", "port"]
    batch = pa.RecordBatch.from_arrays([pa.array(column) for column in zip(*rows, strict=True)], names=names)
    tally = Tally("label", ["x", "y"], names, by_content)
    for part in (batch.slice(0, cut), batch.slice(cut)):
        if part.num_rows:
            tally.add(part)
    labels: dict[tuple[int, int], set[str]] = {}
    for x, y, label, _ in rows:
        labels.setdefault((x, y), set()).add(label)
    found = tally.repeats()
    assert found is not None
    assert tally.rows == len(rows)
    assert tally.classes == Counter(row[2] for row in rows)
    assert found.duplicates == len(rows) - len(set(rows))
    assert found.same_features == len(rows) - len(labels)
    assert found.conflicts == sum(len(words) > 1 for words in labels.values())


def test_nothing_is_hashed_without_a_hasher() -> None:
    tally = Tally("label", ["x"], ["x", "label"], None)
    tally.add(pa.record_batch({"x": [1, 1], "label": ["a", None]}))
    assert tally.repeats() is None
    assert tally.classes == {"a": 1, "": 1}
