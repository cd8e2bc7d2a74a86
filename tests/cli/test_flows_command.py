"""`unseen flows`, and its tables through fit and score."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from tests.logs import zeek_tsv
from tests.pcaps import pcap, real, some, udp
from tests.small import SHORT, listing, refused, run

from unseen.packets import FLOW_SCHEMA

pytest.importorskip("nfstream", reason="nfstream (extra pcap) is not installed")


def wrote(folder: Path, content: bytes, name: str = "some.pcap") -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


def test_captures_become_one_table_that_a_model_scores(model: Path, data_dir: Path, tmp_path: Path) -> None:
    cut = wrote(tmp_path, (data_dir / "pcap" / "ftp.pcap").read_bytes()[:30000], "cut.pcap")
    out = tmp_path / "flows.parquet"
    done = run("flows", data_dir / "pcap", cut, "--out", out, "--json", "--quiet")
    assert done.code == 0, done.err
    report = json.loads(done.out)
    assert (report["flows"], len(report["files"]), done.err) == (2302, 17, "")
    assert any("cut.pcap: 93 of 94 records read, the last one is cut off" in note for note in report["notes"])
    assert any("firefox58.pcap: 42 of 831 records hold no IP packet" in note for note in report["notes"])
    table = pq.read_table(out)
    assert table.schema.equals(FLOW_SCHEMA)
    assert table.num_rows == 2302
    scored = run("score", model, out, "--out", tmp_path / "scores.parquet", "--quiet")
    assert scored.code == 0, scored.err
    scores = pq.read_table(tmp_path / "scores.parquet")
    assert scores.column("src_ip") == table.column("src_ip")


def test_metadata_is_no_feature_and_another_schema_is_refused(tmp_path: Path) -> None:
    capture = wrote(tmp_path, pcap([(1.7e9 + n, udp(1000 + n, 53, 20 + n % 90, 1 + n % 50)) for n in range(700)]))
    flows, fitted = tmp_path / "flows.csv", tmp_path / "m.unseen"
    assert run("flows", capture, "--out", flows, "--quiet").code == 0
    done = run("fit", flows, *SHORT, "--out", fitted)
    assert done.code == 0, done.err
    assert "metadata and no features: capture, src_ip, src_port" in done.err
    features = json.loads(run("info", fitted, "--json").out)["schema"]["columns"]
    assert len(features) == 58
    log = wrote(tmp_path, zeek_tsv(range(30)), "conn.log")
    refused(run("score", fitted, log, "--out", tmp_path / "s.csv"), "58 missing", "unknown: 'proto'")
    assert "s.csv" not in listing(tmp_path)


def test_a_log_with_bad_lines_leaves_them_beside_the_output(tmp_path: Path) -> None:
    log = wrote(tmp_path, zeek_tsv(range(600)) + b"bad\tline\n", "conn.log")
    fitted = run("fit", log, *SHORT, "--out", tmp_path / "m.unseen")
    assert fitted.code == 0, fitted.err
    assert "1 line could not be read, first line 610: 2 fields instead of 21" in fitted.err
    done = run("score", tmp_path / "m.unseen", log, "--out", tmp_path / "s.parquet", "--false-alarm-rate", 0.05)
    assert done.code == 0, done.err
    assert json.loads((tmp_path / "s.parquet.rejects.jsonl").read_text())["line"] == 610
    assert pq.read_metadata(tmp_path / "s.parquet").num_rows == 600


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        (b"a,b\n1,2\n", "no packet capture"),
        (b"\x1f\x8b" + bytes(40), "gunzip"),
        (pcap([]), "holds no packet"),
        (pcap(some(1))[:-1], "first record is cut off"),
        (pcap(some(3), link=105), "105 (IEEE 802.11)"),
    ],
)
def test_files_without_flows_are_errors_and_leave_nothing(tmp_path: Path, content: bytes, words: str) -> None:
    capture = wrote(tmp_path, content)
    refused(run("flows", capture, "--out", tmp_path / "f.parquet"), str(capture), words)
    assert listing(tmp_path) == ["some.pcap"]


@pytest.mark.parametrize("words", [("none.pcap",), ("*.pcap",), (".",)])
def test_absent_captures_are_errors(tmp_path: Path, words: tuple[str, ...]) -> None:
    refused(run("flows", *(tmp_path / word for word in words), "--out", tmp_path / "f.parquet"))


def test_the_output_must_be_a_table_and_no_input(tmp_path: Path) -> None:
    capture = wrote(tmp_path, pcap(some(3)))
    refused(run("flows", capture, "--out", tmp_path / "f.txt"), "suffix")
    copy = wrote(tmp_path, pcap(some(3)), "odd.csv")
    refused(run("flows", copy, "--out", copy), "would replace")


def test_ten_thousand_mutated_bytes_of_real_captures(data_dir: Path, tmp_path: Path) -> None:
    """Forty captures with 250 wrong bytes each, in one run: flows or an error in words, and nothing half-written."""
    rng, folder = random.Random(0), tmp_path / "mutated"
    folder.mkdir()
    captures = [path for path in real(data_dir) if path.stat().st_size < 300_000]
    for number in range(40):
        path = captures[number % len(captures)]
        content = bytearray(path.read_bytes())
        for _ in range(250):
            # The file's header is left alone here: a foreign file would be refused before the meter sees any.
            content[rng.randrange(32, len(content))] = rng.randrange(256)
        wrote(folder, bytes(content), f"{number}{path.suffix}")
    out = tmp_path / "flows.parquet"
    done = run("flows", folder, "--out", out, "--json")
    if done.code:
        refused(done)
        assert listing(tmp_path) == ["mutated", *sorted(f"mutated/{path.name}" for path in folder.iterdir())]
        return
    report = json.loads(done.out)
    assert report["flows"] == pq.read_metadata(out).num_rows > 0
    assert any("damaged there" in note for note in report["notes"])
