"""Alarms: ids, folding, ECS names, and the files they go to."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.logs import eve_flow, zeek_json

from unseen.errors import InputError
from unseen.sources.eve import EVE_SCHEMA, EveParser
from unseen.sources.zeek import ZEEK_SCHEMA, ZeekParser
from unseen.streams.alarm import Alarm, alarm_id, endpoints, shortened
from unseen.streams.ecs import ALARM_SCHEMA, as_ecs
from unseen.streams.fold import Folder
from unseen.streams.sinks import open_sink

PAGE = Path(__file__).parents[2] / "docs" / "alarms.md"


def alarm(
    number: int, second: float | None, hosts: tuple[str, str] = ("10.0.0.1", "10.0.0.2"), p: float = 0.01
) -> Alarm:
    row: dict[str, Any] = {"src_ip": hosts[0], "dst_ip": hosts[1], "protocol": 6, "dst_port": 22, "n": number}
    if second is not None:
        row |= {
            "bidirectional_first_seen_ms": round(second * 1000) - 5,
            "bidirectional_last_seen_ms": round(second * 1000),
        }
    ident = alarm_id("here", str(number), row)
    return Alarm(ident, str(number), -p, p, 0.05, 1.5, endpoints(row), {"src_ip": hosts[0]})


def flat(document: dict[str, Any], above: str = "") -> set[str]:
    names: set[str] = set()
    for name, value in document.items():
        if isinstance(value, dict) and f"{above}{name}" != "unseen.metadata":
            names |= flat(value, f"{above}{name}.")
        else:
            names.add(f"{above}{name}")
    return names


def test_ids_tell_place_and_content() -> None:
    row = {"a": 1, "b": None}
    assert alarm_id("x", "1", row) == alarm_id("x", "1", dict(reversed(row.items())))
    assert (
        len({alarm_id("x", "1", row), alarm_id("x", "2", row), alarm_id("y", "1", row), alarm_id("x", "1", {"a": 2})})
        == 4
    )


@pytest.mark.parametrize(
    ("line", "parser", "names"),
    [(zeek_json(1), ZeekParser(), ZEEK_SCHEMA.names), (eve_flow(1), EveParser(), EVE_SCHEMA.names)],
)
def test_endpoints_of_logs(line: bytes, parser: Any, names: list[str]) -> None:
    found = endpoints(dict(zip(names, parser.parse(line), strict=True)))
    assert (found["source_ip"], found["destination_port"], found["transport"]) == ("10.0.0.2", 443, "tcp")
    assert found["source_packets"] == 4
    assert 20 <= found["end_ms"] - found["start_ms"] <= 51


def test_every_ecs_field_stands_in_the_page_and_nothing_else() -> None:
    row = dict(zip(ZEEK_SCHEMA.names, ZeekParser().parse(zeek_json(1)) or (), strict=True))
    reasons = {"spoke": ["trees.known"], "evidence": {"trees.known": 0.1}, "nearest_known": "new kind", "group": "id"}
    one = Alarm("id", "0", 2.0, 0.1, 0.5, 1.0, endpoints(row), {"uid": "C1"}, reasons=reasons)
    fields = flat(as_ecs(one, "m.unseen")) - {"unseen.evidence.trees.known"} | {"unseen.evidence", "source.address"}
    page = PAGE.read_text()
    assert not {name for name in fields if f"`{name}`" not in page}
    assert {name for name in ALARM_SCHEMA.names if f"`{name}`" not in page} == set()
    assert {"@timestamp", "event.id", "source.ip", "destination.port", "unseen.p_value"} <= fields
    json.dumps(as_ecs(alarm(0, None), "m"), allow_nan=False)


@pytest.mark.parametrize(
    "row",
    [
        {"src_ip": "a", "dst_ip": "b", "dest_port": "https", "protocol": math.nan, "src2dst_bytes": math.inf},
        {"ts": 1e307, "duration": math.inf, "proto": 6},
        {"ts": -math.inf, "orig_bytes": "x"},
        {"Timestamp": "99/99/9999", "Flow Duration": "?", "Protocol": "tcp"},
        {"flow.start": "0001-01-01T00:00:00", "flow.end": "9999-12-31T23:59:59", "flow.pkts_toserver": 1e300},
        {"bidirectional_first_seen_ms": None, "bidirectional_last_seen_ms": 2**80, "src_port": "1" * 5000},
    ],
)
def test_no_row_stops_an_alarm(row: dict[str, Any], tmp_path: Path) -> None:
    one = Alarm("id", "0", 2.0, 0.1, 0.5, 1.0, endpoints(row), {})
    for suffix in (".jsonl", ".csv", ".parquet"):
        with open_sink(tmp_path / f"a{suffix}", "m") as sink:
            sink.write(one)
    assert pq.read_table(tmp_path / "a.parquet").column("alarm_id").to_pylist() == ["id"]
    assert "NaN" not in (tmp_path / "a.jsonl").read_text()


def test_endpoints_of_cicflowmeter() -> None:
    row = {"Src IP": "10.0.0.1", "Src Port": "4000", "Dst IP": "10.0.0.2", "Dst Port": 443.0, "Protocol": 6.0}
    row |= {"Tot Fwd Pkts": 3.0, "TotLen Fwd Pkts": 90.0, "Flow Duration": 2_500_000.0}
    found = endpoints({**row, "Timestamp": "22/11/2026 03:00:01 AM"})
    assert (found["source_port"], found["destination_port"], found["transport"]) == (4000, 443, "tcp")
    assert (found["source_packets"], found["source_bytes"], found["end_ms"] - found["start_ms"]) == (3, 90, 2500)
    same = [endpoints({**row, "Timestamp": text})["start_ms"] for text in ("22/11/2026 03:00", "2026-11-22 03:00:00")]
    assert same == [found["start_ms"] - 1000] * 2


def test_what_a_log_wrote_stays_within_its_line_and_its_length(tmp_path: Path) -> None:
    """An address with a line end, a terminal's control, a formula; and one of a million characters."""
    evil = '10.0.0.1\n{"event":1}\r\x1b[31m\u2028,"x'
    rows = [{"src_ip": evil, "dst_ip": '=cmd("calc")'}, {"src_ip": "x" * 10**6, "dst_ip": "@y"}]
    for number, row in enumerate(rows):
        one = Alarm(str(number), "0", 2.0, 0.1, 0.5, 1.0, endpoints(row), {"uid": shortened("u" * 10**6)})
        for suffix in (".jsonl", ".csv"):
            with open_sink(tmp_path / f"a{suffix}", "m") as sink:
                sink.write(one)
    lines = (tmp_path / "a.jsonl").read_bytes().splitlines()
    assert len(lines) == 2
    assert json.loads(lines[0])["source"] == {"address": evil}
    assert max(map(len, lines)) < 4000
    content = (tmp_path / "a.csv").read_text()
    assert len(content.splitlines()) == 3
    assert len(content) < 4000
    with (tmp_path / "a.csv").open(newline="") as file:
        found = list(csv.DictReader(file))
    assert found[0]["source_ip"].startswith(r"10.0.0.1\n{")
    assert [line["destination_ip"] for line in found] == ['\'=cmd("calc")', "'@y"]
    assert "\x1b" not in content


def test_a_burst_goes_out_at_once_and_again_with_its_count() -> None:
    folder = Folder(60)
    first, *rest = [alarm(n, 100 + n, p=0.05 - 0.01 * n) for n in range(4)]
    assert folder.add(first) == [first]
    assert [folder.add(one) for one in rest] == [[], [], []]
    [again] = folder.refresh()
    assert (again.id, again.count, again.last_ms) == (first.id, 4, 103_000)
    assert again.p_value == pytest.approx(0.02)
    assert folder.refresh() == []
    assert folder.close() == []
    assert len(Folder(60, eager=False).add(first)) == 0


@given(
    st.lists(st.tuples(st.integers(0, 400), st.integers(0, 2)), max_size=60),
    st.integers(0, 59),
    st.booleans(),
)
def test_folding_counts_every_alarm_once_and_survives_a_restart(
    rows: list[tuple[int, int]], cut: int, eager: bool
) -> None:
    """The last line of each id: the counts add up, and a folder restored from its state gives the same."""

    def run(restart: bool) -> dict[str, int]:
        folder, last = Folder(30, eager=eager), {}
        for number, (second, host) in enumerate(sorted(rows)):
            if restart and number == cut:
                stored = json.loads(json.dumps(folder.state()))
                folder = Folder(30, eager=eager)
                folder.restore(stored)
            for one in folder.add(alarm(number, second, (f"h{host}", "d"))):
                last[one.id] = one.count
        for one in folder.close():
            last[one.id] = one.count
        return last

    assert sum(run(False).values()) == len(rows)
    assert run(False) == run(True)


def test_alarms_without_times_or_with_no_window_are_not_folded() -> None:
    for folder, second in ((Folder(60), None), (Folder(0), 5.0)):
        assert [len(folder.add(alarm(n, second))) for n in range(3)] == [1, 1, 1]


def test_open_bursts_are_bounded() -> None:
    folder = Folder(1e6)
    for number in range(5000):
        folder.add(alarm(number, number, (f"h{number}", "d")))
    assert len(folder.state()["open"]) == 4096


@pytest.mark.parametrize("suffix", [".jsonl", ".csv", ".parquet"])
def test_files_hold_the_alarms(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"alarms{suffix}"
    for number in range(2):
        with open_sink(path, "m.unseen") as sink:
            sink.write(alarm(number, 7.5))
            sink.flush()
    if suffix == ".parquet":
        found = pq.read_table(path).to_pylist()
        assert [row["alarm_id"] for row in found] == [alarm(1, 7.5).id]
    elif suffix == ".csv":
        with path.open() as file:
            found = list(csv.DictReader(file))
        assert [row["alarm_id"] for row in found] == [alarm(n, 7.5).id for n in range(2)]
        assert found[0]["start"] == "1970-01-01T00:00:07.495+00:00"
    else:
        found = [json.loads(line) for line in path.read_text().splitlines()]
        assert [row["event"]["id"] for row in found] == [alarm(n, 7.5).id for n in range(2)]


def test_a_line_that_a_crash_cut_is_removed(tmp_path: Path) -> None:
    path = tmp_path / "alarms.jsonl"
    path.write_bytes(b'{"whole": 1}\n{"cut": ' + b"x" * 100_000)
    with open_sink(path, "m") as sink:
        sink.write(alarm(0, 1.0))
    lines = path.read_text().splitlines()
    assert len(lines) == 2
    assert json.loads(lines[0]) == {"whole": 1}


@pytest.mark.parametrize("content", ['{\n "a": 1\n}', '{"a": 1}', "a note"])
def test_a_file_of_something_else_is_left_alone(tmp_path: Path, content: str) -> None:
    """Its last line has no end either, and would be taken for one that a crash cut."""
    path = tmp_path / "settings.json"
    path.write_text(content)
    with pytest.raises(InputError, match="something else than alarms"), open_sink(path, "m"):
        pass
    assert path.read_text() == content


def test_a_first_line_that_a_crash_cut_is_removed(tmp_path: Path) -> None:
    path = tmp_path / "alarms.jsonl"
    with open_sink(path, "m") as sink:
        sink.write(alarm(0, 1.0))
    whole = path.read_bytes()
    for kept in (0, 5, 40, len(whole) - 1):
        path.write_bytes(whole[:kept])
        with open_sink(path, "m") as sink:
            sink.write(alarm(1, 2.0))
        assert [json.loads(line)["event"]["id"] for line in path.read_text().splitlines()] == [alarm(1, 2.0).id]


def test_places_that_cannot_take_alarms(tmp_path: Path) -> None:
    (tmp_path / "other.csv").write_text("a,b\n1,2\n")
    for name, words in (("a.txt", "suffix"), ("none/a.jsonl", "does not exist"), ("other.csv", "other columns")):
        with pytest.raises(InputError, match=words), open_sink(tmp_path / name, "m"):
            pass
    assert (tmp_path / "other.csv").read_text() == "a,b\n1,2\n"
