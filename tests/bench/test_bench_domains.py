"""The domains of a data set's rows: from a day's file, from a time, or none; they never change the split."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from unseen.bench.cell import KNOWN
from unseen.bench.data import DataSpec, load
from unseen.bench.protocol import Protocol
from unseen.bench.split import make_cell


def written(folder: Path, days: list[str | None]) -> DataSpec:
    rng = np.random.default_rng(0)
    labels = np.resize(["normal", "normal", "a", "b"], len(days))
    table = pa.table({"x": rng.normal(size=len(days)), "y": rng.normal(size=len(days)), "label": labels, "day": days})
    path = folder / "flows.parquet"
    pq.write_table(table, path)
    return DataSpec(name="t", files=str(path), label="label", normal="normal", metadata=("day",), domain="day")


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["Monday", "Tuesday ", None, ""], {"Monday", "Tuesday", "unknown"}),
        (["2017-07-03 08:55:58", "2017-07-03 23:59:59", "2017-07-04 00:00:00", None], {"2017-07-03", "2017-07-04"}),
        (["3", "4", "3", "4"], {"3", "4"}),
    ],
    ids=["names", "times", "numbers"],
)
def test_a_domain_is_a_name_or_a_day(tmp_path: Path, values: list[str | None], expected: set[str]) -> None:
    domains = load(written(tmp_path, values * 10)).domains()
    assert domains is not None
    assert set(domains.tolist()) - {"unknown"} == expected - {"unknown"}
    assert ("unknown" in domains) == (None in values)


def test_the_cell_carries_domains_and_is_split_as_without(tmp_path: Path) -> None:
    spec = written(tmp_path, ["Monday", "Tuesday"] * 200)
    protocol = Protocol(name="p", title="p", dataset="t", hold_out="groups")
    with_domains = make_cell(load(spec), protocol, "a", 0)
    without = make_cell(load(spec.model_copy(update={"domain": None})), protocol, "a", 0)
    assert without.train_domains is None
    assert with_domains.train_domains is not None
    assert len(with_domains.train_domains) == len(with_domains.train_labels)
    assert with_domains.train.equals(without.train)
    assert with_domains.protocol_digest == without.protocol_digest
    assert "day" not in with_domains.train.column_names
    assert np.count_nonzero(with_domains.role == KNOWN) == np.count_nonzero(without.role == KNOWN)
