"""Shared fixtures: where the real data lie, and a small detector on real traffic."""

from __future__ import annotations

import os

# One thread for each of pytest's workers, as in the commands; set before anything imports a library that counts them.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import signal
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

import numpy as np
import pyarrow as pa
import pytest
import torch
from hypothesis import settings

from tests.small import HIDDEN, LABELLED, SHORT, run, small_table, write

# The machines that run this share their cores: a slow example is no failure.
settings.register_profile("unseen", deadline=None)
settings.load_profile("unseen")

# Seconds after which a test counts as hanging; far more than any takes on a busy machine.
BOUND, SLOW_BOUND = 900, 7200


def _hangs(number: int, frame: FrameType | None) -> None:
    raise TimeoutError("this test hangs")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Every test ends, one that waits for a process or a pipe too."""
    before = signal.signal(signal.SIGALRM, _hangs)
    signal.alarm(SLOW_BOUND if item.get_closest_marker("slow") else BOUND)
    try:
        return (yield)
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder of real data sets named by UNSEEN_DATA_DIR; tests that need it are skipped where it is absent."""
    value = os.environ.get("UNSEEN_DATA_DIR")
    if not value:
        pytest.skip("UNSEEN_DATA_DIR is not set: real data are not at hand")
    path = Path(value)
    if not path.is_dir():
        pytest.skip(f"UNSEEN_DATA_DIR={value} is no folder")
    return path


@pytest.fixture(scope="session")
def lab() -> tuple[pa.Table, np.ndarray]:
    """Features and labels of some of the embedded traffic: 4,000 benign flows and all attacks."""
    from unseen.jobs.demo import METADATA, embedded_table

    table = embedded_table()
    labels = np.asarray(table.column("label").to_pylist())
    rng = np.random.default_rng(0)
    benign = rng.permutation(np.flatnonzero(labels == "benign"))[:4000]
    rows = np.sort(np.concatenate([benign, np.flatnonzero(labels != "benign")]))
    return table.take(rows).drop_columns(["label", *METADATA]), labels[rows]


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the small table in three formats and a model fitted on it; tests only read it."""
    folder = tmp_path_factory.mktemp("shared")
    for suffix in (".parquet", ".csv", ".arrow"):
        write(small_table(), folder / f"flows{suffix}")
    done = run("fit", folder / "flows.parquet", *LABELLED, "--hide", HIDDEN, *SHORT, "--out", folder / "m.unseen")
    assert done.code == 0, done.err
    return folder


@pytest.fixture(scope="session")
def flows(shared: Path) -> Path:
    return shared / "flows.parquet"


@pytest.fixture(scope="session")
def model(shared: Path) -> Path:
    return shared / "m.unseen"
