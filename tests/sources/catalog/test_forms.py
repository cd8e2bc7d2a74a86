"""Data sets in their publishers' forms, on small files and on real rows written in that form."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from unseen.errors import InputError, SchemaError
from unseen.sources.catalog import entry
from unseen.sources.catalog.forms import kdd99_rows, open_entry
from unseen.sources.catalog.forms.kdd import KDD_COLUMNS
from unseen.sources.catalog.forms.uci import ECG_COLUMNS


def table_of(name: str, path: Path) -> pa.Table:
    rows = open_entry(entry(name), path)
    return pa.Table.from_batches(list(rows.stream()), schema=rows.schema)


def same(left: pa.Table, right: pa.Table) -> None:
    assert set(left.column_names) == set(right.column_names)
    for name in right.column_names:
        pairs = zip(left[name].to_pylist(), right[name].to_pylist(), strict=True)
        assert all(a == b or (a != a and b != b) for a, b in pairs), name


def cell(value: object) -> str:
    if value is None:
        return "?"
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def test_nsl_kdd(tmp_path: Path) -> None:
    numbers = ",".join(["0"] * 37)
    (tmp_path / "KDDTrain+.txt").write_text(f"0,tcp,http,SF,{numbers},normal,21\n3,udp,domain,SF,{numbers},neptune,5\n")
    (tmp_path / "KDDTest+.txt").write_text(f"1,icmp,eco_i,SF,{numbers},saint,7\n")
    table = table_of("nsl_kdd", tmp_path)
    assert table["split"].to_pylist() == ["train", "train", "test"]
    assert table["label_family"].to_pylist() == ["normal", "DoS", "Probe"]
    assert table["service"].to_pylist() == ["http", "domain", "eco_i"]
    (tmp_path / "KDDTest+.txt").unlink()
    with pytest.raises(InputError, match=r"both KDDTrain\+\.txt and KDDTest\+\.txt are needed"):
        table_of("nsl_kdd", tmp_path)


def test_real_nsl_kdd_rows(data_dir: Path, tmp_path: Path) -> None:
    real = pq.read_table(data_dir / "nsl_kdd.parquet")
    parts = {"train": real.slice(0, 500), "test": real.slice(real.num_rows - 500)}
    for part, file in (("train", "KDDTrain+.txt"), ("test", "KDDTest+.txt")):
        rows = parts[part].select([*KDD_COLUMNS, "label", "difficulty"]).to_pylist()
        (tmp_path / file).write_text("".join(",".join(map(str, row.values())) + "\n" for row in rows))
    same(table_of("nsl_kdd", tmp_path), pa.concat_tables(parts.values()))


def test_real_unsw_rows(data_dir: Path, tmp_path: Path) -> None:
    real = pq.read_table(data_dir / "unsw_nb15.parquet").slice(0, 2000)
    features = [name for name in real.column_names if name not in ("label", "is_attack", "split")]
    lines = [",".join(["id", *features, "attack_cat", "label"])]
    for number, row in enumerate(real.to_pylist(), start=1):
        lines.append(",".join(map(str, [number, *(row[f] for f in features), row["label"], row["is_attack"]])))
    (tmp_path / "UNSW_NB15_testing-set.csv").write_text("\ufeff" + "\n".join(lines) + "\n")
    same(table_of("unsw_nb15", tmp_path), real)
    same(table_of("unsw_nb15", tmp_path / "UNSW_NB15_testing-set.csv"), real)


def test_real_arrhythmia_rows(data_dir: Path, tmp_path: Path) -> None:
    real = pq.read_table(data_dir / "arrhythmia.parquet")
    codes = {"normal": 1, "ischemic_changes": 2, "old_anterior_mi": 3, "old_inferior_mi": 4, "sinus_tachycardia": 5}
    codes |= {"sinus_bradycardia": 6, "pvc": 7, "supraventricular_pc": 8, "lbbb": 9, "rbbb": 10}
    codes |= {"lv_hypertrophy": 14, "atrial_fibrillation_flutter": 15, "others": 16}
    lines = [[*(cell(row[name]) for name in ECG_COLUMNS), str(codes[row["label"]])] for row in real.to_pylist()]
    (tmp_path / "arrhythmia.data").write_text("".join(",".join(line) + "\n" for line in lines))
    (tmp_path / "arrhythmia.names").write_text("words")
    same(table_of("arrhythmia", tmp_path), real)
    assert list(ECG_COLUMNS) == real.column_names[:-1]


CTG_CODES = {
    "A_calm_sleep": 1,
    "E_shift_pattern": 5,
    "AD_accel_decel_stress": 6,
    "DE_decelerative_vagal": 7,
    "LD_largely_decelerative": 8,
    "FS_flat_sinusoidal": 9,
    "SUSP_suspect": 10,
}


def test_real_cardiotocography_rows(data_dir: Path, tmp_path: Path) -> None:
    real = pq.read_table(data_dir / "cardiotocography.parquet")
    features = real.column_names[:-2]
    lines = [",".join(["FileName", "Date", *features, "CLASS", "NSP"]), "," * (len(features) + 3)]
    for row in real.to_pylist():
        state = 1 if row["label"] == "normal" else 3
        kind = CTG_CODES.get(row["label"], 2)
        lines.append(",".join([row["recording"], "1-Dec-96", *(cell(row[f]) for f in features), str(kind), str(state)]))
    lines += ["," * (len(features) + 3), "," * 2 + ",".join(["564"] * len(features)) + ",,"]
    (tmp_path / "raw.csv").write_text("\n".join(lines) + "\n")
    same(table_of("cardiotocography", tmp_path / "raw.csv"), real)


def test_an_xls_file_is_refused_with_the_way(tmp_path: Path) -> None:
    (tmp_path / "CTG.xls").write_bytes(b"\xd0\xcf\x11\xe0")
    for place in (tmp_path, tmp_path / "CTG.xls"):
        with pytest.raises(InputError, match="save its sheet 'Raw Data' as CSV"):
            table_of("cardiotocography", place)
    (tmp_path / "t.csv").write_text("LB,NSP\n1,1\n")
    with pytest.raises(SchemaError, match="lacks AC, FM"):
        table_of("cardiotocography", tmp_path / "t.csv")


def test_the_corrected_release(tmp_path: Path) -> None:
    folder = tmp_path / "CICIDS2017_improved"
    folder.mkdir()
    header = "id,Flow ID,Src IP,Src Port,Dst IP,Dst Port,Protocol,Timestamp,Flow Duration,Label,Attempted Category\n"
    (folder / "friday.csv").write_text(
        header
        + "1,a-b,10.0.0.1,5,10.0.0.2,80,6,2017-07-07 12:59:21.088203,4,BENIGN,-1\n"
        + "2,a-b,10.0.0.1,5,10.0.0.2,80,6,2017-07-07 12:59:22.088203,5,Botnet,-1\n"
        + "3,a-b,10.0.0.1,5,10.0.0.2,80,6,2017-07-07 12:59:23.088203,6,Botnet - Attempted,1\n"
    )
    assert table_of("cicids2017_corrected", tmp_path).to_pydict() == {
        "Protocol": ["6", "6"],
        "Timestamp": ["2017-07-07 12:59:21.088203", "2017-07-07 12:59:22.088203"],
        "Flow Duration": [4.0, 5.0],
        "Label": ["BENIGN", "Botnet"],
    }


def test_kdd99_arrays() -> None:
    """Rows as scikit-learn's fetcher gives them: objects, bytes for words, labels ending in a dot."""
    numbers = [0] * 20 + [0.5] + [1] * 16
    data = np.array([[0, b"tcp", b"http", b"SF", *numbers], [7, b"udp", b"domain_u", b"S0", *numbers]], dtype=object)
    rows = kdd99_rows(entry("kdd99"), data, np.array([b"normal.", b"back."], dtype=object))
    table = pa.Table.from_batches(list(rows.stream()))
    assert table.column_names == [*KDD_COLUMNS, "label"]
    assert table["label"].to_pylist() == ["normal", "back"]
    assert table["service"].to_pylist() == ["http", "domain_u"]
    assert table["duration"].to_pylist() == [0.0, 7.0]
    assert table["serror_rate"].to_pylist() == [0.5 if KDD_COLUMNS.index("serror_rate") == 24 else math.nan] * 2
    with pytest.raises(SchemaError, match=r"shape \(2, 40\)"):
        kdd99_rows(entry("kdd99"), data[:, 1:], np.array([b"normal.", b"back."], dtype=object))
