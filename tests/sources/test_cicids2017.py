"""The quirks of the official CIC-IDS-2017 files, on small files in exactly their form."""

from __future__ import annotations

import math
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from official_cic import HEADER, LABELS, row, write_days

from unseen.errors import InputError, SchemaError
from unseen.sources import open_source
from unseen.sources.cicids2017 import COLUMNS, DAYS, find_day_files, normal_form, open_official


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_all_quirks_together(tmp_path: Path, end: bytes) -> None:
    source = open_official(write_days(tmp_path, end=end))
    assert source.schema.names == [*COLUMNS, "day_file"]
    assert [source.schema.field(name).type for name in COLUMNS[:-1]] == [pa.float64()] * 78
    table = pa.Table.from_batches(list(source.batches()))
    assert table.num_rows == sum(len(labels) for labels in LABELS.values())
    first = table.slice(0, 1).to_pylist()[0]
    assert first["Flow Bytes/s"] == math.inf
    assert math.isnan(first["Flow Packets/s"])
    assert first["Flow Duration"] == -1
    assert first["Init_Win_bytes_forward"] == -1
    assert (first["Fwd Header Length"], first["Fwd Header Length.1"]) == (0, 7)
    assert set(table["Label"].to_pylist()) >= {"BENIGN", "Web Attack – Brute Force", "Web Attack – XSS", "Bot"}
    assert table["day_file"].to_pylist() == [day for day, labels in LABELS.items() for _ in labels]
    assert sum("Fwd Header Length.1" in note for note in source.notes) == 8
    assert any("Windows-1252" in note for note in source.notes)


def test_single_columns_can_be_read(tmp_path: Path) -> None:
    source = open_official(write_days(tmp_path))
    (days,) = source.batches(columns=["day_file"])
    assert set(days["day_file"].to_pylist()) == set(DAYS)
    (both,) = source.batches(columns=["day_file", "Bwd IAT Max"])
    assert both.schema.names == ["day_file", "Bwd IAT Max"]


def test_one_official_file_opens_as_any_csv(tmp_path: Path) -> None:
    write_days(tmp_path)
    source = open_source(tmp_path / "Thursday-WorkingHours-Morning-WebAttacks.pcap_ISCX.csv")
    assert source.schema.names == list(COLUMNS)
    (batch,) = source.batches()
    assert batch["Label"].to_pylist() == ["Web Attack – Brute Force", "Web Attack – XSS", "Web Attack – Sql Injection"]


def test_later_spellings_of_the_dash(tmp_path: Path) -> None:
    copies = ["\x96", "–", "-", "\ufffd", "ï¿½", "â€“"]
    labels = pa.array([f"Web Attack {sign} XSS" for sign in copies] + ["BENIGN", "Web Attack – Sql Injection"])
    assert normal_form(labels).to_pylist() == ["Web Attack – XSS"] * 6 + ["BENIGN", "Web Attack – Sql Injection"]


def test_missing_files_are_named(tmp_path: Path) -> None:
    write_days(tmp_path)
    (tmp_path / "Friday-WorkingHours-Morning.pcap_ISCX.csv").unlink()
    (tmp_path / "Monday-WorkingHours.pcap_ISCX.csv").rename(tmp_path / "Monday.csv")
    with pytest.raises(InputError) as caught:
        open_official(tmp_path)
    assert "2 of the 8 files are missing: Monday-WorkingHours.pcap_ISCX.csv, Friday-WorkingHours-Morning" in str(
        caught.value
    )
    with pytest.raises(InputError, match="name the folder"):
        open_official(tmp_path / "Monday.csv")


def test_files_one_folder_below_and_in_other_case(tmp_path: Path) -> None:
    inner = write_days(tmp_path / "MachineLearningCVE")
    day = inner / "Wednesday-workingHours.pcap_ISCX.csv"
    day.rename(inner / "wednesday-WorkingHours.PCAP_ISCX.csv")
    assert list(find_day_files(tmp_path)) == list(DAYS)


def test_the_other_archive_is_recognised(tmp_path: Path) -> None:
    write_days(tmp_path)
    monday = tmp_path / "Monday-WorkingHours.pcap_ISCX.csv"
    monday.write_bytes(b"Flow ID," + HEADER + b"\na-b," + row(1, b"BENIGN") + b"\n")
    with pytest.raises(SchemaError, match=r"GeneratedLabelledFlows\.zip"):
        open_official(tmp_path)
    monday.write_bytes(HEADER.replace(b" Flow Duration", b" Flow Time") + b"\n" + row(1, b"BENIGN") + b"\n")
    with pytest.raises(SchemaError, match=r"1 missing \['Flow Duration'\], 1 unknown \['Flow Time'\]"):
        open_official(tmp_path)


def test_the_columns_are_those_of_the_real_data(data_dir: Path) -> None:
    names = pq.read_schema(data_dir / "cicids2017_original.parquet").names
    assert [name for name in COLUMNS if name != "Destination Port"] == [
        name for name in names if name not in ("label_source", "day_file")
    ]


def test_real_rows_through_the_official_form(data_dir: Path, tmp_path: Path) -> None:
    """Real rows written as the publisher writes them come back value by value."""
    table = pq.read_table(data_dir / "cicids2017_original.parquet").slice(40_000, 3_000)
    infinite = pq.read_table(data_dir / "cicids2017_original.parquet", filters=[("Flow Bytes/s", "==", math.inf)])
    table = pa.concat_tables([table, infinite.slice(0, 5)])
    write_days(tmp_path)
    lines = [HEADER]
    for values in table.to_pylist():
        cells = {name: _cell(values[name]) for name in COLUMNS[1:-1]}
        lines.append(row(0, values["Label"].encode("cp1252"), **{"Destination Port": "80"}, **cells))
    (tmp_path / "Monday-WorkingHours.pcap_ISCX.csv").write_bytes(b"\r\n".join(lines))
    back = pa.Table.from_batches(list(open_official(tmp_path).batches())).slice(0, table.num_rows)
    for name in COLUMNS[1:]:
        pairs = zip(back[name].to_pylist(), table[name].to_pylist(), strict=True)
        assert all(a == b or (a != a and b != b) for a, b in pairs), name


def _cell(value: float) -> str:
    if value == math.inf:
        return "Infinity"
    return "NaN" if value != value else repr(value)
