"""The catalog is consistent with itself and with the real data."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from unseen.errors import InputError
from unseen.sources.catalog import entries, entry, find
from unseen.sources.cicids2017 import COLUMNS

NAMES = list(entries())


def test_all_sets_are_known() -> None:
    assert NAMES == [
        "cicids2017",
        "cicids2017_original",
        "cicids2017_corrected",
        "nsl_kdd",
        "unsw_nb15",
        "cardiotocography",
        "arrhythmia",
        "kdd99",
        "lab",
        "lab_sessions",
    ]


@pytest.mark.parametrize("name", NAMES)
def test_an_entry_agrees_with_itself(name: str) -> None:
    known = entry(name)
    assert sum(known.classes.values()) == known.rows
    assert known.normal in known.classes
    assert known.normal not in known.groups
    assert set(known.groups) <= set(known.classes)
    assert set(known.derived) <= set(known.metadata)
    assert not {known.label, *known.categorical} & set(known.metadata)
    assert known.split_by is None or known.split_by in known.metadata
    assert known.terms
    assert known.citation
    assert known.obtain
    assert (known.fetch.method == "url") == bool(known.fetch.downloads)
    assert all(file.url.startswith("https://") for file in known.fetch.downloads)


@pytest.mark.parametrize("name", [name for name in NAMES if name not in ("cicids2017", "kdd99")])
def test_an_entry_agrees_with_the_real_data(name: str, data_dir: Path) -> None:
    known = entry(name)
    path = find(name, data_dir=data_dir)
    # The package brings some sets in several files; the catalog then counts the column that names the file as metadata.
    files = sorted(path.parent.glob(path.name))
    parts = [(file.stem, pq.read_table(file)) for file in files]
    if len(parts) > 1:
        parts = [(stem, part.append_column("file", pa.array([stem] * part.num_rows))) for stem, part in parts]
    table = pa.concat_tables([part for _, part in parts])
    counts = {row["values"]: row["counts"] for row in table[known.label].value_counts().to_pylist()}
    assert counts == known.classes
    assert {*known.metadata, *known.categorical} <= set(table.column_names)
    assert table.num_columns == known.features + len(known.metadata) + 1


def test_the_official_set_has_the_official_columns() -> None:
    known = entry("cicids2017")
    assert known.features == len([n for n in COLUMNS if n not in (known.label, *known.metadata)])
    assert known.rows == 2_830_743


def test_groups() -> None:
    assert entry("cicids2017").group("DoS Hulk") == "dos"
    assert entry("unsw_nb15").group("Worms") == "Worms"


def test_unknown_names() -> None:
    with pytest.raises(InputError, match=r"no data set 'NSL-KDD' in the catalog; did you mean nsl_kdd\? It knows: cic"):
        entry("NSL-KDD")
