"""Alarms carry their reasons: those of `explain`, in every form of output, and groups that hold over a whole watch."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import unseen
from unseen.detectors import Detector
from unseen.errors import InputError
from unseen.sources import open_source
from unseen.streams import run as module
from unseen.streams.reasons import Reasons, reasons_of
from unseen.streams.watch import WatchReport, WatchSettings, watch

GOLDEN = Path(__file__).parents[1] / "golden"
RATE = 0.3


@pytest.fixture(scope="module")
def fused() -> Detector:
    return unseen.load(GOLDEN / "fused-1.unseen")


@pytest.fixture(scope="module")
def rows() -> pa.Table:
    return pa.Table.from_batches(open_source(GOLDEN / "rows.csv").batches())


def watched(detector: Detector, out: Path, source: Path = GOLDEN / "rows.csv", **settings: Any) -> WatchReport:
    given = {"false_alarm_rate": RATE, "fold": 0.0, "once": True, **settings}
    return watch(detector, str(source), out=out, model="m", settings=WatchSettings(**given))


def documents(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line)["unseen"] for line in path.read_text().splitlines()]


def test_alarms_say_what_explain_says(fused: Detector, rows: pa.Table, tmp_path: Path) -> None:
    told = [line for line in fused.explain(rows, false_alarm_rate=RATE).to_pylist() if line["alarm"]]
    watched(fused, tmp_path / "a.jsonl")
    found = documents(tmp_path / "a.jsonl")
    assert len(found) == len(told) > 5
    for one, reason in zip(found, told, strict=True):
        assert ", ".join(one["spoke"]) == reason["spoke"]
        assert one["nearest_known"] == reason["nearest_known"]
        flat = {f"{name}.{view}": p for name, views in one["evidence"].items() for view, p in views.items()}
        flat["verdicts"] = flat.pop("verdicts.p_value")
        assert flat == {n[2:]: pytest.approx(p, rel=1e-3) for n, p in reason.items() if n.startswith("p.")}
    # A group is named after its first alarm, and unlike rows are apart.
    groups = [one["group"] for one in found]
    assert len(set(groups)) > 1
    ids = [json.loads(line)["event"]["id"] for line in (tmp_path / "a.jsonl").read_text().splitlines()]
    assert all(ids.index(group) == groups.index(group) for group in set(groups))


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_tables_of_alarms_carry_them_too(fused: Detector, tmp_path: Path, suffix: str) -> None:
    watched(fused, tmp_path / "a.jsonl")
    watched(fused, tmp_path / f"a{suffix}")
    if suffix == ".csv":
        with (tmp_path / "a.csv").open() as file:
            table = list(csv.DictReader(file))
    else:
        table = pq.read_table(tmp_path / "a.parquet").to_pylist()
    for line, one in zip(table, documents(tmp_path / "a.jsonl"), strict=True):
        assert line["spoke"] == ", ".join(one["spoke"])
        assert (line["nearest_known"], line["group"]) == (one["nearest_known"], one["group"])
        assert json.loads(line["evidence"])["mixture.density"] == one["evidence"]["mixture"]["density"]


def test_only_rows_that_alarm_are_explained(fused: Detector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    explain = type(fused).explain

    def counted(self: Detector, X: Any, **options: Any) -> pa.Table:
        asked.append(X.num_rows)
        return explain(self, X, **options)

    monkeypatch.setattr(type(fused), "explain", counted)
    report = watched(fused, tmp_path / "a.jsonl")
    assert sum(asked) == report.alarms < report.rows
    asked.clear()
    watched(fused, tmp_path / "b.jsonl", false_alarm_rate=0.003)
    assert sum(asked) == len(documents(tmp_path / "b.jsonl"))
    # Of a burst only the row it will tell of.
    asked.clear()
    ends = {"source_ip": "10.0.0.1", "destination_ip": "10.0.0.2", "start_ms": 0, "end_ms": 1}
    monkeypatch.setattr(module, "endpoints", lambda row: dict(ends))
    watched(fused, tmp_path / "c.jsonl", fold=60.0)
    assert asked == [1]


def test_groups_hold_over_chunks_and_restarts(fused: Detector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same rows read three times: stopped in between, and in pieces. No new group after the first reading."""
    log, out, state = tmp_path / "rows.csv", tmp_path / "a.jsonl", tmp_path / "state"
    header, *lines = (GOLDEN / "rows.csv").read_bytes().splitlines(keepends=True)
    log.write_bytes(header + b"".join(lines))
    watched(fused, out, log, state=state)
    first = documents(out)
    monkeypatch.setattr("unseen.streams.tail._MOST_ROWS", 5)
    monkeypatch.setattr("unseen.streams.tail._BLOCK", 64)
    for _ in range(2):
        with log.open("ab") as file:
            file.writelines(lines)
        watched(fused, out, log, state=state)
    found = documents(out)
    assert len(found) == 3 * len(first)
    assert {one["group"] for one in found} == {one["group"] for one in first}
    stored = json.loads(state.read_text())
    stored["groups"]["places"] = "AAAA"
    state.write_text(json.dumps(stored))
    with pytest.raises(InputError, match="groups cannot be read"):
        watched(fused, out, log, state=state)


def test_a_state_of_another_model_starts_new_groups(fused: Detector, rows: pa.Table) -> None:
    batch = rows.slice(0, 3)
    reasons = Reasons(fused, RATE, {"ids": ["x"], "width": 2, "places": "AAAAAAAAAAA="})
    assert {reason["group"] for reason in reasons.of(batch, ["a", "b", "c"]) if "group" in reason} <= {"a", "b", "c"}


def test_detectors_without_reasons_raise_alarms_without(zeek_detector: Detector) -> None:
    assert reasons_of(zeek_detector, RATE, {}) is None


@pytest.mark.parametrize("at_once", [1, 4096])
def test_a_folded_burst_tells_of_its_strongest_row(
    fused: Detector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    """Whether its alarms are folded together or chunk by chunk."""
    monkeypatch.setattr(module, "_MOST_RAISED", at_once)
    monkeypatch.setattr("unseen.streams.tail._MOST_ROWS", 5)
    monkeypatch.setattr("unseen.streams.tail._BLOCK", 64)
    ends = {"source_ip": "10.0.0.1", "destination_ip": "10.0.0.2", "transport": "tcp", "start_ms": 0, "end_ms": 1}
    monkeypatch.setattr(module, "endpoints", lambda row: dict(ends))
    watched(fused, tmp_path / "each.jsonl", fold=0.0)
    watched(fused, tmp_path / "folded.jsonl", fold=60.0)
    each, last = documents(tmp_path / "each.jsonl"), documents(tmp_path / "folded.jsonl")[-1]
    strongest = max(each, key=lambda one: one["anomaly_score"])
    assert (last["anomaly_score"], last["alarm_count"]) == (strongest["anomaly_score"], len(each))
    assert (last["spoke"], last["evidence"]) == (strongest["spoke"], strongest["evidence"])
