"""CIC-IDS-2017: the eight official files, and the corrected release."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from unseen.sources.catalog.entries import Entry
from unseen.sources.catalog.forms.derived import Derived, as_it_is, mapped
from unseen.sources.cicids2017 import open_official
from unseen.sources.files import open_source

__all__ = ["read_cicids2017", "read_cicids2017_corrected"]


def read_cicids2017(entry: Entry, place: Path) -> Derived | None:
    """Read a folder of the eight official CSV files; a Parquet file or a folder of them is not their form."""
    del entry
    return as_it_is(open_official(place)) if place.is_dir() and not list(place.glob("*.parquet")) else None


# Addresses and numbering of the corrected release, and how far an attack got: never features, not kept.
_CORRECTED_DROPPED = ("id", "Flow ID", "Src IP", "Src Port", "Dst IP", "Dst Port", "Src IP dec", "Dst IP dec")
_ATTEMPT = "Attempted Category"


def read_cicids2017_corrected(entry: Entry, place: Path) -> Derived | None:
    """Read the corrected release's CSV files, without addresses and without attacks that were only attempted."""
    source = open_source(place, text=[entry.label, *entry.categorical])
    if _ATTEMPT not in source.schema.names:
        return as_it_is(source)
    kept = [name for name in source.schema.names if name not in (*_CORRECTED_DROPPED, _ATTEMPT)]
    schema = pa.schema([source.schema.field(name) for name in kept])

    def whole_attacks(batch: pa.RecordBatch) -> pa.RecordBatch:
        attempted = pc.ends_with(batch.column(entry.label), "- Attempted")
        return batch.filter(pc.invert(pc.fill_null(attempted, False)))

    return mapped(source, kept, whole_attacks, schema)
