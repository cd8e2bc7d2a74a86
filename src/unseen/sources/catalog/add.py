"""Takes a data set's files from the user, checks them, and converts them once to Parquet."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from unseen.errors import InputError
from unseen.sources.batching import rebatch
from unseen.sources.catalog.counting import Hasher, Tally
from unseen.sources.catalog.entries import Entry, entry
from unseen.sources.catalog.forms import Derived, open_entry
from unseen.sources.catalog.locate import writable_folder
from unseen.sources.writers import open_writer

__all__ = ["AddReport", "Progress", "add", "store"]

# Rows of one Parquet row group: small ones make a long footer and compress badly.
_GROUP_ROWS = 65536
_log = logging.getLogger("unseen.sources")

Progress = Callable[[int, int | None], None]
"""Called with how much is done and how much there is (None where unknown): rows, or bytes of a download."""


class AddReport(BaseModel):
    """What was found in a data set's files.

    Attributes:
        name: The data set.
        path: The Parquet file that was written.
        rows: Rows written.
        classes: Rows of every class found.
        differences: Where the counts differ from the catalog's, in words; empty where all agree.
        duplicates: Rows equal to an earlier row in every column of the source; None where not counted.
        same_features: Rows whose features equal an earlier row's; None where not counted.
        label_conflicts: Feature vectors that carry more than one label; None where not counted.
        notes: What was put right while reading, in words.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    path: Path
    rows: int
    classes: dict[str, int]
    differences: tuple[str, ...]
    duplicates: int | None
    same_features: int | None
    label_conflicts: int | None
    notes: tuple[str, ...]


def add(
    name: str,
    path: str | Path,
    *,
    data_dir: str | Path | None = None,
    hasher: Hasher | None = None,
    progress: Progress | None = None,
) -> AddReport:
    """Check a data set's files and convert them once to one Parquet file in the data folder.

    Counts that differ from the catalog's are reported, not refused: samples and later releases are useful too.

    Arguments:
        name: The set's name in the catalog.
        path: The file or folder the user holds.
        data_dir: Where to put it; None for `data_folder`.
        hasher: Row hashes, to count duplicates and label conflicts; None leaves them uncounted.
        progress: Called after every batch with the rows done and the rows expected.

    Raises:
        InputError: If files are missing or damaged, no label is one of the catalog's, or the folder cannot be written.
        SchemaError: If columns are not those of the data set.
    """
    wanted = entry(name)
    return store(wanted, open_entry(wanted, path), path, data_dir=data_dir, hasher=hasher, progress=progress)


def store(
    wanted: Entry,
    rows: Derived,
    origin: str | Path,
    *,
    data_dir: str | Path | None,
    hasher: Hasher | None,
    progress: Progress | None,
) -> AddReport:
    """Write a data set's rows to the data folder and count them on the way; the arguments are those of `add`."""
    names = rows.schema.names
    features = [name for name in names if name not in (wanted.label, *wanted.metadata)]
    tally = Tally(wanted.label, features, [name for name in names if name not in wanted.derived], hasher)
    target = writable_folder(data_dir) / f"{wanted.name}.parquet"
    with open_writer(target, rows.schema) as writer:
        for batch in rebatch(rows.stream(), _GROUP_ROWS):
            tally.add(batch)
            writer.write(batch)
            if progress is not None:
                progress(tally.rows, wanted.rows)
        if not set(tally.classes) & set(wanted.classes):
            found = ", ".join(repr(label) for label in sorted(tally.classes)[:5])
            raise InputError(f"{origin}: no label of {wanted.name} in column {wanted.label!r}; it holds {found}")
        repeats = tally.repeats()
    report = AddReport(
        name=wanted.name,
        path=target,
        rows=tally.rows,
        classes=dict(tally.classes.most_common()),
        differences=tuple(_differences(wanted, tally, repeats.duplicates if repeats else None)),
        duplicates=repeats.duplicates if repeats else None,
        same_features=repeats.same_features if repeats else None,
        label_conflicts=repeats.conflicts if repeats else None,
        notes=tuple(rows.notes()),
    )
    _log.info("%s: %d rows written to %s", wanted.name, report.rows, target)
    return report


def _differences(wanted: Entry, tally: Tally, duplicates: int | None) -> list[str]:
    lines = []
    if tally.rows != wanted.rows:
        lines.append(f"{tally.rows:,} rows found, {wanted.rows:,} in the catalog")
    for label, rows in wanted.classes.items():
        if tally.classes[label] != rows:
            lines.append(f"class {label!r}: {tally.classes[label]:,} rows found, {rows:,} in the catalog")
    lines += [
        f"class {label!r} is not in the catalog: {rows:,} rows found"
        for label, rows in tally.classes.items()
        if label not in wanted.classes
    ]
    if None not in (duplicates, wanted.duplicates) and duplicates != wanted.duplicates:
        lines.append(f"{duplicates:,} duplicate rows found, {wanted.duplicates:,} in the catalog")
    return lines
