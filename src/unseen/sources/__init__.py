"""Readers and writers of tables, and the catalog of data sets."""

from __future__ import annotations

from unseen.sources.files import BATCH_ROWS, Source, open_source
from unseen.sources.writers import SUFFIXES, TableWriter, check_table_path, open_writer

__all__ = [
    "BATCH_ROWS",
    "SUFFIXES",
    "Source",
    "TableWriter",
    "check_table_path",
    "open_source",
    "open_writer",
]
