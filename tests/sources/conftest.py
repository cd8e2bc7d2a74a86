"""Shared by the tests of sources; this file also makes ``official_cic`` importable from the folders below."""

from __future__ import annotations

import pytest

from unseen.sources.catalog.counting import Hasher
from unseen.splits import row_hashes


@pytest.fixture(scope="session")
def by_content() -> Hasher:
    """The project's row hash, as the jobs hand it in."""
    return lambda batch: row_hashes(batch, batch.schema.names)
