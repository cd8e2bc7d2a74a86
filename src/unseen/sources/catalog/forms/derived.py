"""Rows on their way from a publisher's form into the catalog's own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from unseen.sources.files import Source

__all__ = ["Derived", "as_it_is", "beside", "mapped", "words_for"]


@dataclass(frozen=True)
class Derived:
    """A schema, a stream of rows, and what was put right while reading them."""

    schema: pa.Schema
    stream: Callable[[], Iterator[pa.RecordBatch]]
    notes: Callable[[], list[str]] = field(default=list)


def as_it_is(source: Source) -> Derived:
    """Take a source's rows unchanged."""
    return Derived(source.schema, source.batches, lambda: source.notes)


def mapped(
    source: Source, names: Sequence[str], make: Callable[[pa.RecordBatch], pa.RecordBatch], schema: pa.Schema
) -> Derived:
    """Read the columns ``names`` of a source and pass every batch through ``make``, which gives ``schema``."""

    def stream() -> Iterator[pa.RecordBatch]:
        for batch in source.batches(columns=names):
            yield make(batch)

    return Derived(schema, stream, lambda: source.notes)


def words_for(codes: pa.Array, words: dict[int, str]) -> pa.Array:
    """Replace the numbers of classes by words; a number without one becomes null."""
    return pa.array([None if code is None else words.get(int(code)) for code in codes.to_pylist()], pa.string())


def beside(place: Path, name: str) -> Path | None:
    """Find a file by name: the path itself, or in the folder or one level below it."""
    if place.is_file():
        return place if place.name == name else None
    found = [*sorted(place.glob(name)), *sorted(place.glob(f"*/{name}"))]
    return found[0] if found else None
