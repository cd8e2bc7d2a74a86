"""The data sets this project knows: what they are, how to get them, where they lie."""

from __future__ import annotations

from unseen.sources.catalog.add import AddReport, add
from unseen.sources.catalog.entries import Entry, entries, entry
from unseen.sources.catalog.fetch import fetch
from unseen.sources.catalog.locate import Listed, data_folder, find, listing

__all__ = ["AddReport", "Entry", "Listed", "add", "data_folder", "entries", "entry", "fetch", "find", "listing"]
