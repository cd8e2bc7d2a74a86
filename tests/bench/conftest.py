"""A small table for the runner's tests: a fiftieth of the embedded flows, some of them repeated."""

from __future__ import annotations

import functools
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from unseen.bench.data import DataSpec, LabelledTable, catalog_data, load, user_data

FAMILIES = ("beacon", "http_flood", "portscan", "ssh_bruteforce")


@pytest.fixture(scope="session")
def small_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """1,200 benign flows, up to 100 of each of four families, 40 rows twice, and 10 families' rows as benign ones."""
    table = pq.read_table(str(files("unseen") / "data" / "lab.parquet"))
    labels = np.asarray(table.column("label").to_pylist())
    rng = np.random.default_rng(0)
    rows = [rng.choice(np.flatnonzero(labels == "benign"), 1200, replace=False)]
    rows += [rng.permutation(np.flatnonzero(labels == name))[:100] for name in FAMILIES]
    chosen = np.concatenate([*rows, rows[0][:20], rows[1][:20], rows[2][:10]])
    small = table.take(pa.array(chosen))
    relabelled = np.append(labels[chosen[:-10]], ["benign"] * 10)
    small = small.set_column(small.column_names.index("label"), "label", pa.array(relabelled))
    path = tmp_path_factory.mktemp("bench") / "small.parquet"
    pq.write_table(small, path)
    return path


@pytest.fixture(scope="session")
def small_spec(small_file: Path) -> DataSpec:
    return user_data(small_file, label="label", normal="benign", ignore=["window", "tool", "site", "start_s"])


@pytest.fixture(scope="session")
def small_data(small_spec: DataSpec) -> LabelledTable:
    return load(small_spec)


@pytest.fixture
def toys(monkeypatch: pytest.MonkeyPatch, small_file: Path) -> None:
    """Makes ``toy_methods`` importable, and names the small table for those who cheat."""
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    monkeypatch.setenv("TOY_FILE", str(small_file))


@pytest.fixture(scope="session")
def real(data_dir: Path) -> Callable[[str], LabelledTable]:
    """Reads a real data set by name, once for all tests."""
    return functools.cache(lambda name: load(catalog_data(name)))
