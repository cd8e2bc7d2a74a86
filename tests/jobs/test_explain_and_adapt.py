"""Reasons and verdicts through files and commands: what is written, that it is true, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.small import HIDDEN, LABELLED, refused, run, small_table, write

import unseen
from unseen.errors import InputError, UnseenWarning
from unseen.jobs.explain import explain_file


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a table, and a model that has not seen one of its families."""
    folder = tmp_path_factory.mktemp("reasons")
    write(small_table(), folder / "flows.parquet")
    done = run("fit", folder / "flows.parquet", *LABELLED, "--hide", HIDDEN, "--out", folder / "m.unseen", "-q")
    assert done.code == 0, done.err
    return folder


def explain(place: Path, rate: float = 0.05) -> pa.Table:
    done = run(
        *("explain", place / "m.unseen", place / "flows.parquet", "--out", place / "why.parquet"),
        *("--false-alarm-rate", str(rate), "-q"),
    )
    assert done.code == 0, done.err
    return pq.read_table(place / "why.parquet")


def test_the_reasons_are_one_row_an_alarm_and_agree_with_the_scores(place: Path) -> None:
    why = explain(place)
    done = run(
        *("score", place / "m.unseen", place / "flows.parquet", "--out", place / "s.parquet"),
        *("--false-alarm-rate", "0.05", "-q"),
    )
    assert done.code == 0, done.err
    scores = pq.read_table(place / "s.parquet")
    alarms = np.flatnonzero(scores.column("alarm").to_numpy(zero_copy_only=False))
    assert why.column("row").to_pylist() == alarms.tolist()
    np.testing.assert_array_equal(why.column("anomaly_score"), scores.column("anomaly_score").take(pa.array(alarms)))
    assert why.column("label").to_pylist() == scores.column("label").take(pa.array(alarms)).to_pylist()


def test_each_group_names_one_of_its_own_rows_as_typical(place: Path) -> None:
    why = explain(place)
    group = np.asarray(why.column("group"))
    for number in np.unique(group):
        members = why.filter(pa.array(group == number))
        assert set(members.column("group_size").to_pylist()) == {members.num_rows}
        (typical,) = set(members.column("group_typical_row").to_pylist())
        assert typical in members.column("row").to_pylist()


def test_the_command_prints_the_groups_the_largest_first(place: Path) -> None:
    done = run("explain", place / "m.unseen", place / "flows.parquet", "--out", place / "why.parquet", "--json")
    sizes = [found["size"] for found in json.loads(done.out)["groups"]]
    assert sizes == sorted(sizes, reverse=True)
    assert sum(sizes) == json.loads(done.out)["alarms"]


def test_verdicts_catch_a_missed_family_and_are_kept_in_the_model(place: Path) -> None:
    table = small_table()
    labels = np.asarray(table.column("label").to_pylist())
    hidden = np.flatnonzero(labels == HIDDEN)
    write(table.take(hidden[:20]), place / "judged.parquet")
    done = run(
        *("adapt", place / "m.unseen", place / "judged.parquet"),
        *("--verdict", "label", "--out", place / "sharper.unseen", "--json"),
    )
    assert done.code == 0, done.err
    assert json.loads(done.out)["anomalous"] == 20
    left = table.take(hidden[20:])
    before, after = (
        unseen.load(place / name).alarm(left.select(unseen.load(place / name).schema_.names), false_alarm_rate=0.05)
        for name in ("m.unseen", "sharper.unseen")
    )
    assert after.sum() > before.sum()


def test_what_cannot_be_done_is_refused_in_words(place: Path) -> None:
    run(
        *("fit", place / "flows.parquet", *LABELLED, "--out", place / "s.unseen", "-q"),
        *("--detector", "sculptor", "--encoder-epochs", "1", "--flow-epochs", "1"),
    )
    judged, out = place / "flows.parquet", place / "x.unseen"
    refused(run("explain", place / "s.unseen", judged, "--out", place / "x.parquet"), "gives no reasons")
    refused(run("explain", place / "m.unseen", judged, "--out", place / "why.txt"), "why.txt", "suffix")
    refused(run("adapt", place / "s.unseen", judged, "--verdict", "label", "--out", out), "takes no verdicts")
    refused(run("adapt", place / "m.unseen", judged, "--verdict", "lable", "--out", out), "lable")
    assert not out.exists()


@pytest.mark.parametrize("name", ["group", "row", "p.isolation.score"])
def test_a_column_of_the_data_is_not_overwritten_by_a_reason(name: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    table = pa.table({"a": rng.normal(size=300), "b": rng.normal(size=300), name: np.arange(300)})
    detector = unseen.UnseenDetector(evidences=("isolation",), ignore=(name,), false_alarm_rate=0.1)
    with pytest.warns(UnseenWarning, match="no known anomalies"):
        detector.fit(table)
    pq.write_table(table, tmp_path / "rows.parquet")
    with pytest.raises(InputError, match=f"column '{name}' would be overwritten; rename it"):
        explain_file(detector, tmp_path / "rows.parquet", out=tmp_path / "why.parquet")
    assert not (tmp_path / "why.parquet").exists()
