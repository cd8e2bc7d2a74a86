"""`unseen data` and `unseen demo`."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from tests.small import SHORT, listing, refused, replaced, run, small_table, write

from unseen.sources.catalog import listing as catalog
from unseen.sources.cicids2017 import COLUMNS, DAYS

# In the official header the repeated column has no ".1", and most names have a leading space.
HEADER = ",".join(f" {name.removesuffix('.1')}" for name in COLUMNS).encode()
CLASSES = (b"BENIGN", b"Web Attack \x96 XSS", b"Bot")


def official_files(folder: Path) -> Path:
    """Eight small files in the official form: names, header, en dash, Infinity."""
    folder.mkdir()
    for number, day in enumerate(DAYS):
        lines = [HEADER]
        for row, label in enumerate(CLASSES):
            cells = [str(100 * number + row)] * (len(COLUMNS) - 1)
            cells[14] = "Infinity" if row == 0 else "1.5"
            lines.append(",".join(cells).encode() + b"," + label)
        (folder / f"{day}.pcap_ISCX.csv").write_bytes(b"\r\n".join(lines) + b"\r\n")
    return folder


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty data folder."""
    monkeypatch.setenv("UNSEEN_DATA_DIR", str(tmp_path / "home"))
    return tmp_path / "home"


def test_list(home: Path) -> None:
    shown = run("data", "list")
    assert shown.code == 0
    entries = json.loads(run("data", "list", "--json").out)
    assert [entry["name"] for entry in entries] == [entry.name for entry in catalog()]
    for entry in entries:
        assert entry["name"] in shown.out
        assert entry["terms"] in shown.out
        assert entry["citation"] in shown.out
    assert str(home) in shown.out


def test_add_the_official_files(home: Path, tmp_path: Path) -> None:
    done = run("data", "add", "cicids2017", official_files(tmp_path / "csv"))
    assert done.code == 0, done.err
    assert "Web Attack – XSS" in done.out
    assert "differs from the catalog: 24 rows found, 2,830,743 in the catalog" in done.out
    path = home / "cicids2017.parquet"
    line = f'next: unseen fit {path} --label "Label" --normal "BENIGN" --ignore "day_file,Destination Port" --out'
    assert line in done.out
    table = pq.read_table(path)
    assert table.num_rows == 24
    assert table.column_names[-2:] == ["Label", "day_file"]
    report = json.loads(run("data", "add", "cicids2017", tmp_path / "csv", "--json").out)
    assert report["classes"] == {"BENIGN": 8, "Bot": 8, "Web Attack – XSS": 8}


def test_what_add_refuses(home: Path, tmp_path: Path) -> None:
    folder = official_files(tmp_path / "csv")
    next(folder.glob("Monday*")).unlink()
    refused(run("data", "add", "cicids2017", folder), "Monday-WorkingHours")
    refused(run("data", "add", "cicids", folder), "cicids", "cicids2017")
    refused(run("data", "add", "nsl_kdd", tmp_path / "none"), "none")
    wrong = write(small_table(), tmp_path / "wrong.parquet")
    refused(run("data", "add", "unsw_nb15", wrong), "label")
    refused(run("data", "fetch", "nsl_kdd"), "nsl_kdd", "unseen data add")
    assert not home.exists() or listing(home) == []


def test_the_line_that_add_prints_works(home: Path, tmp_path: Path) -> None:
    table = small_table()
    labels = [
        {"benign": "BENIGN", "beacon": "Bot"}.get(label, "PortScan") for label in table.column("label").to_pylist()
    ]
    names = ["Label" if name == "label" else name for name in table.column_names]
    table = replaced(table, "label", labels).rename_columns(names)
    table = table.rename_columns(
        ["Destination Port" if n == "site" else "day_file" if n == "tool" else n for n in names]
    )
    home.mkdir()
    data = write(table, home / "cicids2017.parquet")
    words = ("--label", "Label", "--normal", "BENIGN", "--ignore", "Destination Port,day_file", *SHORT)
    assert run("fit", data, *words, "--out", tmp_path / "m.unseen").code == 0


def test_demo_refuses_families_that_do_not_exist() -> None:
    refused(run("demo", "--hide", "beacons"), "no class 'beacons' to hide", "did you mean 'beacon'?")
    refused(run("demo", "--hide", "benign"), "is the normal class")


@pytest.mark.slow
def test_demo() -> None:
    done = run("demo", "--seed", "1")
    assert done.code == 0, done.err
    assert all(len(line) <= 80 for line in done.out.splitlines())
    assert "unseen class" in done.out
    assert "known class" in done.out
    result = json.loads(run("demo", "--seed", "1", "--json").out)
    unseen_classes = {c["name"] for c in result["evaluation"]["classes"] if not c["known"]}
    assert unseen_classes == set(result["hidden"])
    assert result["evaluation"]["summary"]["unseen"]["macro_auroc"] > 0.7
