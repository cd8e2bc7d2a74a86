from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from tests.small import HIDDEN, LABELLED, SHORT, run, small_table, write


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
