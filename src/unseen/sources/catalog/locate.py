"""Where data sets lie on this machine."""

from __future__ import annotations

import os
import sys
from importlib import resources
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from unseen.errors import InputError
from unseen.sources.catalog.entries import Entry, entries, entry

__all__ = ["Listed", "data_folder", "find", "listing", "writable_folder"]


class Listed(BaseModel):
    """One line of ``unseen data list``."""

    model_config = ConfigDict(frozen=True)

    name: str
    title: str
    rows: int
    classes: int
    features: int
    normal: str
    terms: str
    citation: str
    obtain: str
    path: Path | None


def data_folder() -> Path:
    """Return the folder of data sets: UNSEEN_DATA_DIR, or the platform's place for a user's data."""
    named = os.environ.get("UNSEEN_DATA_DIR")
    if named:
        return Path(named).expanduser()
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Application Support"
    else:
        base = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")
    return base / "unseen"


def writable_folder(data_dir: str | Path | None) -> Path:
    """Return the given or the usual data folder, made if it does not exist.

    Raises:
        InputError: If it cannot be made.
    """
    folder = data_folder() if data_dir is None else Path(data_dir).expanduser()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{folder}: the data folder cannot be made ({error.strerror}); set UNSEEN_DATA_DIR") from error
    return folder


def find(name: str, *, data_dir: str | Path | None = None) -> Path:
    """Return the Parquet file of a data set, or the pattern of its files where the package brings several.

    Arguments:
        name: The set's name in the catalog.
        data_dir: Where to look; None for `data_folder`.

    Raises:
        InputError: If the name is unknown, or the set is not here: then with the way to get it.
    """
    wanted = entry(name)
    path = _present(wanted, data_dir)
    if path is None:
        folder = data_folder() if data_dir is None else Path(data_dir)
        raise InputError(f"data set {name} is not in {folder}. To get it: {wanted.obtain}")
    return path


def listing(*, data_dir: str | Path | None = None) -> list[Listed]:
    """List all data sets with what a user asks first, and whether each is here."""
    return [
        Listed(
            name=known.name,
            title=known.title,
            rows=known.rows,
            classes=len(known.classes),
            features=known.features,
            normal=known.normal,
            terms=known.terms,
            citation=known.citation,
            obtain=known.obtain,
            path=_present(known, data_dir),
        )
        for known in entries().values()
    ]


def _present(wanted: Entry, data_dir: str | Path | None) -> Path | None:
    folder = data_folder() if data_dir is None else Path(data_dir).expanduser()
    path = folder / f"{wanted.name}.parquet"
    if path.is_file():
        return path
    if wanted.fetch.embedded is not None:
        folder = Path(str(resources.files("unseen").joinpath("data")))
        return folder / wanted.fetch.embedded if any(folder.glob(wanted.fetch.embedded)) else None
    return None
