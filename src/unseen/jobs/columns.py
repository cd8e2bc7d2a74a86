"""Which of a source's columns a detector sees, and what becomes of the rest."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from unseen.schema import Schema
from unseen.sources import Source

__all__ = ["carried_columns", "keep_rejects", "without_metadata"]


def without_metadata(source: Source, but: Collection[str] = ()) -> list[str]:
    """The columns that are not known to be metadata of traffic, such as addresses and times.

    Arguments:
        source: Where the rows come from.
        but: Columns to keep all the same, because a user or a model named them.
    """
    return [name for name in source.schema.names if name in but or name not in source.metadata]


def carried_columns(source: Source, schema: Schema) -> list[str]:
    """Check a source against a model, and list the columns that go along with the scores.

    Raises:
        SchemaError: If feature columns are missing or unknown, with the difference.
    """
    schema.check_names(without_metadata(source, schema.names))
    known = {schema.label, *schema.ignored, *source.metadata} - set(schema.names)
    return [name for name in source.schema.names if name in known]


def keep_rejects(source: Source, out: str | Path) -> list[str]:
    """Write the lines of logs that could not be read beside an output; say so.

    Returns:
        A note, where there were any.
    """
    if not source.rejected:
        return []
    place = f"{out}.rejects.jsonl"
    source.save_rejects(place)
    return [f"the lines that could not be read are in {place}"]
