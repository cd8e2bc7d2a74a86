"""De-duplication against a plain loop, and on real rows."""

from __future__ import annotations

import tomllib
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unseen.errors import InputError
from unseen.splits import deduplicate, duplicate_report, row_hashes


@given(st.lists(st.tuples(st.integers(0, 8), st.sampled_from(["ok", "dos", "scan"])), min_size=1, max_size=60))
def test_against_a_plain_loop(rows: list[tuple[int, str]]) -> None:
    rows = [*rows, (9, "ok")]
    labels_of: dict[int, set[str]] = {}
    for vector, label in rows:
        labels_of.setdefault(vector, set()).add(label)
    conflicts = {vector for vector, labels in labels_of.items() if "ok" in labels and len(labels) > 1}
    seen: set[int] = set()
    expected = []
    for vector, _ in rows:
        expected.append(vector not in seen and vector not in conflicts)
        seen.add(vector)
    hashes, labels = [v for v, _ in rows], [label for _, label in rows]
    keep, report = deduplicate(hashes, labels, "ok")
    assert keep.tolist() == expected
    assert (report.rows, report.kept, report.conflicting_vectors) == (len(rows), sum(expected), len(conflicts))
    for name, counts in report.classes.items():
        mine = [kept for kept, label in zip(expected, labels, strict=True) if label == name]
        assert (counts.rows, counts.dropped) == (len(mine), len(mine) - sum(mine))
        assert counts.conflicts == sum(v in conflicts for v, label in rows if label == name)


def test_two_anomaly_labels_are_no_conflict() -> None:
    keep, report = deduplicate([1, 1, 2], ["dos", "scan", "ok"], "ok")
    assert keep.tolist() == [True, False, True]
    assert (report.duplicates, report.conflicts) == (1, 0)


def test_numeric_labels_and_unknown_normal() -> None:
    assert duplicate_report([1, 1], np.array([0, 1]), 0).conflicts == 2
    with pytest.raises(InputError, match="normal='benign' is none of the labels: dos, ok"):
        duplicate_report([1, 2], ["ok", "dos"], "benign")


def test_real_duplicates_of_unsw_nb15(data_dir: Path) -> None:
    """The data card states 28,386 duplicates on the features."""
    columns = set(pq.read_schema(data_dir / "unsw_nb15.parquet").names)
    settings = tomllib.loads((data_dir / "groups.toml").read_text())["unsw_nb15"]
    features = sorted(columns - {"label", "is_attack", "split", "id", *settings.get("metadata", [])})
    table = pq.read_table(data_dir / "unsw_nb15.parquet")
    report = duplicate_report(row_hashes(table, features), table["label"].to_pylist(), "Normal")
    distinct = table.group_by(features).aggregate([]).num_rows
    assert report.rows - distinct == 28_386
    assert report.kept + report.conflicting_vectors == distinct
