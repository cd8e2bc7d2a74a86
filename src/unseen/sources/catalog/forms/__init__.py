"""Reads data sets in the form in which their publishers give them out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from unseen.errors import SchemaError
from unseen.sources.catalog.entries import Entry
from unseen.sources.catalog.forms.cicids import read_cicids2017, read_cicids2017_corrected
from unseen.sources.catalog.forms.derived import Derived, as_it_is
from unseen.sources.catalog.forms.kdd import kdd99_rows, read_nsl_kdd
from unseen.sources.catalog.forms.uci import read_arrhythmia, read_cardiotocography
from unseen.sources.catalog.forms.unsw import read_unsw_nb15
from unseen.sources.files import open_source

__all__ = ["Derived", "kdd99_rows", "open_entry"]

# Each reader gives None where the path does not hold the publisher's form.
_READERS: dict[str, Callable[[Entry, Path], Derived | None]] = {
    "cicids2017": read_cicids2017,
    "cicids2017_corrected": read_cicids2017_corrected,
    "nsl_kdd": read_nsl_kdd,
    "unsw_nb15": read_unsw_nb15,
    "arrhythmia": read_arrhythmia,
    "cardiotocography": read_cardiotocography,
}


def open_entry(entry: Entry, path: str | Path) -> Derived:
    """Open a user's files of a catalog data set, in the publisher's form or in the catalog's own.

    Arguments:
        entry: The data set.
        path: A file or folder.

    Raises:
        InputError: If files are missing or unreadable.
        SchemaError: If the label column is not among the columns.
    """
    place = _lone_folder(Path(path).expanduser())
    reader = _READERS.get(entry.name)
    found = reader(entry, place) if reader is not None else None
    if found is None:
        found = as_it_is(open_source(place, text=[entry.label, *entry.categorical]))
    if entry.label not in found.schema.names:
        begin = ", ".join(found.schema.names[:4])
        raise SchemaError(f"{path}: no label column {entry.label!r}, so this is not {entry.name}; it begins {begin}")
    return found


def _lone_folder(place: Path) -> Path:
    """Step into the one folder that archives often wrap their files in."""
    if not place.is_dir():
        return place
    entries = [entry for entry in place.iterdir() if not entry.name.startswith((".", "__"))]
    return entries[0] if len(entries) == 1 and entries[0].is_dir() else place
