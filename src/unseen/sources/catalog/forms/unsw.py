"""UNSW-NB15: the CSV file of the official testing partition."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from unseen.sources.catalog.entries import Entry
from unseen.sources.catalog.forms.derived import Derived, beside, mapped
from unseen.sources.files import open_source

__all__ = ["read_unsw_nb15"]


def read_unsw_nb15(entry: Entry, place: Path) -> Derived | None:
    """Read UNSW_NB15_testing-set.csv: its ``attack_cat`` is the label, its ``label`` says attack or not."""
    file = beside(place, "UNSW_NB15_testing-set.csv") or place
    source = open_source(file, text=["attack_cat", *entry.categorical])
    if "attack_cat" not in source.schema.names:
        return None
    kept = [name for name in source.schema.names if name not in ("id", "attack_cat", "label")]
    added = [(entry.label, pa.string()), ("is_attack", pa.int64()), ("split", pa.string())]
    schema = pa.schema([*(source.schema.field(name) for name in kept), *(pa.field(*pair) for pair in added)])

    def make(batch: pa.RecordBatch) -> pa.RecordBatch:
        columns = [batch.column(name) for name in kept]
        split = pa.repeat(pa.scalar("test"), batch.num_rows)
        return pa.RecordBatch.from_arrays(
            [*columns, batch.column("attack_cat"), batch.column("label").cast(pa.int64()), split], schema=schema
        )

    return mapped(source, [*kept, "attack_cat", "label"], make, schema)
