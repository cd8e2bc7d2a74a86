"""Zeek's and Suricata's logs as tables: the same rows from every form, bad lines counted and kept, no traceback."""

from __future__ import annotations

import gzip
import json
import random
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.logs import EVE_STATS, eve, eve_flow, zeek_header, zeek_json, zeek_line, zeek_tsv

from unseen.errors import InputError
from unseen.sources import open_source
from unseen.sources.eve import EVE_SCHEMA, EveParser
from unseen.sources.lines import LONGEST_LINE, BadLine
from unseen.sources.metadata import EVE_METADATA, ZEEK_METADATA
from unseen.sources.zeek import ZEEK_SCHEMA, ZeekParser

FORMS = {
    "conn.log": zeek_tsv(range(300)),
    "zeek.json": b"".join(map(zeek_json, range(300))),
    "eve.json": eve(range(300)),
}


def table(path: Path) -> pa.Table:
    source = open_source(path)
    return pa.Table.from_batches(source.batches(), schema=source.schema)


def wrote(folder: Path, name: str, content: bytes) -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


def test_zeek_gives_the_same_rows_as_text_as_json_and_as_gzip(tmp_path: Path) -> None:
    text = table(wrote(tmp_path, "conn.log", FORMS["conn.log"]))
    assert text.schema == ZEEK_SCHEMA
    assert text.num_rows == 300
    assert table(wrote(tmp_path, "any.json", b"".join(map(zeek_json, range(300))))) == text
    assert table(wrote(tmp_path, "conn.03.log.gz", gzip.compress(FORMS["conn.log"]))) == text
    row = text.slice(2, 1).to_pylist()[0]
    assert (row["duration"], row["orig_bytes"], row["service"], row["conn_state"]) == (None, None, "dns", "S0")
    row = text.slice(1, 1).to_pylist()[0]
    assert (row["duration"], row["history_orig"], row["history_resp"], row["id.resp_p"]) == (0.02, 4.0, 4.0, 443.0)


def test_suricata_flows_are_read_and_other_events_passed_over(tmp_path: Path) -> None:
    found = table(wrote(tmp_path, "eve.json", FORMS["eve.json"]))
    assert found.schema == EVE_SCHEMA
    assert found.num_rows == 300
    row = found.slice(1, 1).to_pylist()[0]
    assert row["duration"] == pytest.approx(0.051)
    assert (row["tcp.syn"], row["tcp.rst"], row["app_proto"], row["flow.alerted"]) == (1.0, 0.0, "tls", "false")


def test_fields_in_another_order_and_new_headers_in_mid_file(tmp_path: Path) -> None:
    short = b"#fields\tproto\tid.resp_h\tid.orig_h\tts\ntcp\t10.0.0.2\t10.0.0.1\t5.5\n"
    found = table(wrote(tmp_path, "conn.log", zeek_tsv(range(2)) + short))
    assert found.column("ts").to_pylist()[-1] == 5.5
    assert found.column("duration").to_pylist()[-1] is None


@pytest.mark.parametrize(("name", "metadata"), [("conn.log", ZEEK_METADATA), ("eve.json", EVE_METADATA)])
def test_metadata_is_known(tmp_path: Path, name: str, metadata: tuple[str, ...]) -> None:
    source = open_source(wrote(tmp_path, name, FORMS[name]))
    assert source.metadata == metadata
    assert len(source.schema) > len(metadata) + 10


def test_bad_lines_are_counted_and_kept_once(tmp_path: Path) -> None:
    lines = [zeek_header(), zeek_line(0), b"short\tline\n", zeek_line(1).replace(b"40001", b"port")]
    lines += [b"\xff" * 20 + b"\n", b"x" * (LONGEST_LINE + 10) + b"\n", zeek_line(2)]
    source = open_source(wrote(tmp_path, "conn.log", b"".join(lines)))
    for _ in range(2):
        assert sum(batch.num_rows for batch in source.batches()) == 2
    assert source.rejected == 4
    assert "4 lines could not be read, first line 10: 2 fields instead of 21" in source.notes[-1]
    source.save_rejects(tmp_path / "rejects.jsonl")
    kept = [json.loads(line) for line in (tmp_path / "rejects.jsonl").read_text().splitlines()]
    assert [entry["line"] for entry in kept] == [10, 11, 12, 13]
    assert "id.orig_p is 'port', no number" in kept[1]["reason"]
    assert all(len(entry["text"]) < 10_000 for entry in kept)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (zeek_header("dns") + zeek_line(0), "dns.log"),
        (zeek_header() + b"a\tb\n" * 3, "none of its 11 lines is a record"),
        (zeek_header(), "no rows"),
        (b'{"some": "json"}\n' * 3, "neither Zeek's conn.log nor Suricata's EVE"),
        (EVE_STATS * 3, "no rows"),
        (bytes.fromhex("d4c3b2a1") + bytes(40), "unseen flows"),
        (gzip.compress(FORMS["conn.log"])[:-200], "cut off"),
    ],
)
def test_files_without_a_record_are_refused(tmp_path: Path, content: bytes, words: str) -> None:
    path = wrote(tmp_path, "some.log", content)
    with pytest.raises(InputError, match=words):
        table(path)


def test_a_folder_gives_its_logs(tmp_path: Path) -> None:
    wrote(tmp_path, "conn.log", zeek_tsv(range(3)))
    wrote(tmp_path, "conn.01:00:00-02:00:00.log.gz", gzip.compress(zeek_tsv(range(5))))
    wrote(tmp_path, "dns.log", zeek_header("dns"))
    assert table(tmp_path).num_rows == 8


@pytest.mark.parametrize(
    "line",
    [b"[1]", b'{"event_type": 3}', b"{" * 5000, b'{"event_type":"flow"}', b'{"event_type":"flow","x":1e999}', b"\xff"],
)
def test_lines_that_are_no_event(line: bytes) -> None:
    with pytest.raises(BadLine):
        EveParser().parse(line)


@pytest.mark.parametrize(("place", "value"), [("flow_id", 2**70), ("flow_id", 1.5), ("src_ip", 7), ("proto", "\ud800")])
def test_values_that_json_can_hold_and_a_table_cannot(place: str, value: object) -> None:
    with pytest.raises(BadLine, match=place):
        EveParser().parse(json.dumps({**json.loads(eve_flow(1)), place: value}).encode())


@settings(max_examples=120)
@given(st.data())
def test_no_mutation_breaks_a_reader(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    """Either rows of the schema come out, or one error in words; what is lost is counted."""
    name = data.draw(st.sampled_from(sorted(FORMS)))
    content = bytearray(FORMS[name][:8000])
    places = st.lists(st.tuples(st.integers(0, len(content) - 1), st.integers(0, 255)), max_size=100)
    for place, byte in data.draw(places):
        content[place] = byte
    read(wrote(tmp_path_factory.mktemp("mutated"), name, bytes(content)), bytes(content))


def read(path: Path, content: bytes) -> None:
    """Rows and rejects, no more than there are lines; or an error in words."""
    try:
        source = open_source(path)
        rows = sum(batch.num_rows for batch in source.batches())
    except InputError:
        return
    assert 0 < rows + source.rejected <= content.count(b"\n") + 1
    assert bool(source.rejected) == bool(source.notes)


@pytest.mark.parametrize("name", sorted(FORMS))
@pytest.mark.parametrize("files", [4, pytest.param(40, marks=pytest.mark.slow)])
def test_mutated_bytes(tmp_path: Path, name: str, files: int) -> None:
    """Whole logs with 250 wrong bytes each; the slow run has 10,000 for each form."""
    rng = random.Random(files)
    for _ in range(files):
        content = bytearray(FORMS[name])
        for _ in range(250):
            content[rng.randrange(len(content))] = rng.randrange(256)
        read(wrote(tmp_path, name, bytes(content)), bytes(content))


@given(st.lists(st.binary(max_size=200), max_size=20))
def test_any_bytes_are_a_row_a_bad_line_or_nothing(lines: list[bytes]) -> None:
    for parser in (ZeekParser(), EveParser()):
        for line in [zeek_header().splitlines()[6], *lines]:
            try:
                row = parser.parse(line)
            except (BadLine, InputError):
                continue
            assert row is None or len(row) == len(parser.schema)
