"""A user's table and the catalog's, as labelled rows."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from unseen.bench.data import DataSpec, LabelledTable, catalog_data, load, user_data
from unseen.errors import InputError, SchemaError


def test_metadata_is_no_feature_and_each_class_is_its_own_group(small_data: LabelledTable) -> None:
    assert not {"label", "window", "tool", "site", "start_s"} & set(small_data.features)
    assert small_data.groups["portscan"] == "portscan"
    assert small_data.normal == "benign"


def test_the_digest_is_of_the_content_and_not_of_the_format(small_spec: DataSpec, tmp_path: Path) -> None:
    table = pq.read_table(small_spec.files)
    wide = [f.with_type(pa.float64()) if pa.types.is_float32(f.type) else f for f in table.schema]
    table = table.cast(pa.schema(wide))
    pa.csv.write_csv(table, tmp_path / "small.csv")
    pq.write_table(table, tmp_path / "small.parquet")
    one, other = (
        load(small_spec.model_copy(update={"files": str(tmp_path / name)})) for name in ("small.csv", "small.parquet")
    )
    assert one.digest == other.digest
    pq.write_table(table.slice(1), tmp_path / "cut.parquet")
    cut = load(small_spec.model_copy(update={"files": str(tmp_path / "cut.parquet")}))
    assert cut.digest != other.digest


def test_groups_from_a_file_and_from_a_column(small_file: Path, tmp_path: Path) -> None:
    mapping = tmp_path / "groups.toml"
    mapping.write_text('"portscan" = "scan"\n"beacon" = "malware"\n', encoding="utf-8")
    data = load(user_data(small_file, label="label", normal="benign", groups=str(mapping), ignore=["tool"]))
    assert data.groups == {
        "beacon": "malware", "http_flood": "http_flood", "portscan": "scan", "ssh_bruteforce": "ssh_bruteforce",
    }  # fmt: skip
    table = pq.read_table(small_file)
    family = ["web" if name == "http_flood" else "other" for name in table.column("label").to_pylist()]
    pq.write_table(table.append_column("family", pa.array(family)), tmp_path / "with.parquet")
    data = load(user_data(tmp_path / "with.parquet", label="label", normal="benign", groups="family", ignore=["tool"]))
    assert data.groups["http_flood"] == "web"
    assert data.groups["beacon"] == "other"
    assert "family" not in data.features


def test_bad_groups_are_refused(small_file: Path, tmp_path: Path) -> None:
    mapping = tmp_path / "groups.toml"
    mapping.write_text('"port_scan" = "scan"', encoding="utf-8")
    with pytest.raises(InputError, match="did you mean 'portscan'"):
        load(user_data(small_file, label="label", groups=str(mapping), ignore=["tool"]))
    mapping.write_text("[groups]\nportscan = 'scan'", encoding="utf-8")
    with pytest.raises(InputError, match="names no group"):
        user_data(small_file, label="label", groups=str(mapping))
    with pytest.raises(InputError, match="cannot be read"):
        user_data(small_file, label="label", groups=str(tmp_path / "none.toml"))
    with pytest.raises(InputError, match="must belong to one"):
        load(user_data(small_file, label="label", groups="window", ignore=["tool"]))


def test_a_wrong_label_column_or_normal_class_is_told_with_the_near_match(small_file: Path) -> None:
    with pytest.raises(SchemaError, match="did you mean 'label'"):
        load(user_data(small_file, label="Label", normal="benign"))
    with pytest.raises(InputError, match="did you mean 'benign'"):
        load(user_data(small_file, label="label", normal="Benign", ignore=["tool"]))


def test_a_table_of_normals_alone_is_refused(small_file: Path, tmp_path: Path) -> None:
    table = pq.read_table(small_file)
    pq.write_table(table.slice(0, 50), tmp_path / "normal.parquet")
    with pytest.raises(InputError, match="at least one anomaly class"):
        load(user_data(tmp_path / "normal.parquet", label="label"))


def test_an_absent_data_set_names_the_variable(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.delenv("UNSEEN_DATA_DIR", raising=False)
    with pytest.raises(InputError, match="UNSEEN_DATA_DIR"):
        catalog_data("nsl_kdd")
    assert load(catalog_data("lab")).normal == "benign"
