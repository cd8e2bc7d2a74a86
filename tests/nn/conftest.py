"""Shared by the tests of networks: the global generator is watched, and real rows are prepared by hand."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from slices import Rows, cicids_slice


@pytest.fixture(autouse=True)
def _global_rng_is_untouched() -> Iterator[None]:
    before = torch.random.get_rng_state()
    yield
    after = torch.random.get_rng_state()
    torch.random.set_rng_state(before)
    assert torch.equal(before, after), "the test, or the code under it, drew from torch's global generator"


@pytest.fixture(scope="session")
def traffic(data_dir: Path) -> Rows:
    """A slice of CIC-IDS-2017: normals and known attack classes, signed log and standardised by hand."""
    return cicids_slice(data_dir)
