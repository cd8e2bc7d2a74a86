"""Shared fixtures: where the real data lies."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


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
