"""Adding data sets from files a user has."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from official_cic import LABELS, row, write_days

from unseen.errors import InputError, SchemaError
from unseen.sources import open_writer
from unseen.sources.catalog import add, find
from unseen.sources.catalog.counting import Hasher


def test_the_official_files(tmp_path: Path, by_content: Hasher) -> None:
    folder = write_days(tmp_path / "csv")
    monday = folder / "Monday-WorkingHours.pcap_ISCX.csv"
    monday.write_bytes(monday.read_bytes() + row(5, b"BENIGN") + b"\r\n" + row(5, b"BENIGN") + b"\r\n" + row(5, b"Bot"))
    steps: list[tuple[int, int | None]] = []
    report = add(
        "cicids2017",
        folder,
        data_dir=tmp_path / "new" / "data",
        hasher=by_content,
        progress=lambda done, total: steps.append((done, total)),
    )
    rows = sum(len(labels) for labels in LABELS.values()) + 3
    assert report.rows == rows
    assert report.path == find("cicids2017", data_dir=tmp_path / "new" / "data")
    assert steps[-1] == (rows, 2_830_743)
    assert report.classes["Web Attack – XSS"] == 1
    assert report.duplicates == 3  # one added here, and the days' first and second normal rows are equal
    assert report.label_conflicts is not None
    assert report.label_conflicts >= 1
    assert f"{rows} rows found, 2,830,743 in the catalog" in report.differences
    assert "class 'Bot': 2 rows found, 1,966 in the catalog" in report.differences
    assert "class 'Infiltration': 1 rows found, 36 in the catalog" in report.differences
    table = pq.read_table(report.path)
    assert table.num_rows == rows
    assert table.column_names[-2:] == ["Label", "day_file"]
    assert any("Fwd Header Length.1" in note for note in report.notes)


def test_missing_files_write_nothing(tmp_path: Path) -> None:
    write_days(tmp_path / "csv")
    (tmp_path / "csv" / "Monday-WorkingHours.pcap_ISCX.csv").unlink()
    with pytest.raises(InputError, match="1 of the 8 files are missing: Monday"):
        add("cicids2017", tmp_path / "csv", data_dir=tmp_path / "data")
    assert not (tmp_path / "data" / "cicids2017.parquet").exists()


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
def test_a_table_for_any_entry(tmp_path: Path, suffix: str) -> None:
    table = pa.table({"x": [1.0, 2.0, 2.0], "label": ["Normal", "Worms", "Odd"]})
    with open_writer(tmp_path / f"t{suffix}", table.schema) as writer:
        writer.write(table)
    report = add("unsw_nb15", tmp_path / f"t{suffix}", data_dir=tmp_path)
    assert report.classes == {"Normal": 1, "Worms": 1, "Odd": 1}
    assert report.duplicates is None
    assert "class 'Odd' is not in the catalog: 1 rows found" in report.differences
    assert report.model_validate_json(report.model_dump_json()) == report


def test_a_table_of_something_else_is_refused(tmp_path: Path) -> None:
    table = pa.table({"x": [1.0], "label": ["cat"]})
    with open_writer(tmp_path / "t.csv", table.schema) as writer:
        writer.write(table)
    with pytest.raises(InputError, match=r"t\.csv: no label of nsl_kdd in column 'label'; it holds 'cat'"):
        add("nsl_kdd", tmp_path / "t.csv", data_dir=tmp_path)
    with pytest.raises(SchemaError, match=r"no label column 'Label', so this is not cicids2017_original"):
        add("cicids2017_original", tmp_path / "t.csv", data_dir=tmp_path)
    assert not list(tmp_path.glob("*.parquet"))


def test_a_failed_addition_leaves_the_old_file(tmp_path: Path) -> None:
    (tmp_path / "nsl_kdd.parquet").write_text("old")
    (tmp_path / "t.csv").write_text("x,label\n" + "1,normal\n" * 50 + "oops,normal\n")
    with pytest.raises(InputError, match="'oops'"):
        add("nsl_kdd", tmp_path / "t.csv", data_dir=tmp_path)
    assert (tmp_path / "nsl_kdd.parquet").read_text() == "old"
    assert not [f for f in tmp_path.iterdir() if f.name.startswith(".")]


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("x,label\n1,normal\n")
    with pytest.raises(InputError, match=r"the data folder cannot be made .*UNSEEN_DATA_DIR"):
        add("nsl_kdd", tmp_path / "t.csv", data_dir=tmp_path / "t.csv" / "data")


@pytest.mark.parametrize("name", ["unsw_nb15", "nsl_kdd", "arrhythmia", "cardiotocography", "cicids2017_corrected"])
def test_the_real_samples_agree_with_the_catalog(name: str, data_dir: Path, tmp_path: Path) -> None:
    report = add(name, data_dir / f"{name}.parquet", data_dir=tmp_path)
    assert report.differences == ()
    assert pq.read_metadata(report.path).num_rows == report.rows


def test_duplicates_of_a_real_sample(data_dir: Path, tmp_path: Path, by_content: Hasher) -> None:
    report = add("unsw_nb15", data_dir / "unsw_nb15.parquet", data_dir=tmp_path, hasher=by_content)
    assert report.same_features == 28_386
    assert report.duplicates is not None
    assert report.duplicates <= report.same_features
