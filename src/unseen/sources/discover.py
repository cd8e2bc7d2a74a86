"""Finds the files behind a path, a folder or a glob, and tells their format."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

from unseen.atomic import os_words
from unseen.errors import InputError

__all__ = ["FORMATS", "find_files", "format_of"]

_log = logging.getLogger("unseen.sources")

FORMATS: dict[str, tuple[str, ...]] = {
    "csv": (".csv", ".tsv", ".csv.gz", ".tsv.gz"),
    "parquet": (".parquet", ".pq"),
    "arrow": (".arrow", ".arrows", ".feather", ".ipc"),
}
_MAGIC = {b"PAR1": "parquet", b"ARROW1": "arrow", b"\xff\xff\xff\xff": "arrow"}


def find_files(where: str | Path | Sequence[str | Path], format: str | None) -> tuple[list[Path], list[str]]:  # noqa: A002
    """List the files a user means.

    A folder gives its own files with a known suffix (subfolders, hidden and other files are left out and counted), a
    glob every regular file it matches, both in sorted order; a sequence is taken element by element.

    Arguments:
        where: A path, a glob, or a sequence of them.
        format: Take only this format's files from a folder; None for every known one.

    Returns:
        The files, and notes on what was left out.

    Raises:
        InputError: If nothing readable is found, or the format is unknown.
    """
    if format is not None and format not in FORMATS:
        raise InputError(f"format={format!r} is unknown: choose one of {', '.join(FORMATS)}")
    items = [where] if isinstance(where, str | Path) else list(where)
    if not items:
        raise InputError("no file was named")
    files: dict[Path, None] = {}
    notes: list[str] = []
    for item in items:
        for file in _expand(item, format, notes):
            if file in files:
                notes.append(f"{file} is named twice and is read once")
            files[file] = None
    for note in notes:
        _log.info("%s", note)
    return list(files), notes


def format_of(path: Path) -> str:
    """Tell a file's format from its suffix, or from its first bytes where the suffix says nothing."""
    by_name = _known_suffix(path, None)
    if by_name is not None:
        return by_name
    try:
        with path.open("rb") as file:
            head = file.read(8)
    except OSError as error:
        raise InputError(f"{path}: {os_words(error)}") from error
    return next((name for magic, name in _MAGIC.items() if head.startswith(magic)), "csv")


def _expand(item: str | Path, format: str | None, notes: list[str]) -> list[Path]:  # noqa: A002
    if not str(item).strip():
        raise InputError("the path is empty")
    path = Path(item).expanduser()
    try:
        if path.is_dir():
            return _of_folder(path, format, notes)
        if path.is_file():
            return [path]
        if path.exists():
            raise InputError(f"{path}: is no regular file; save its content to a file first")
        if any(sign in str(path) for sign in "*?["):
            return _of_glob(path, notes)
    except (OSError, ValueError) as error:
        words = os_words(error) if isinstance(error, OSError) else str(error)
        raise InputError(f"{path}: {words}") from error
    raise InputError(f"{path}: no such file or folder")


def _of_folder(folder: Path, format: str | None, notes: list[str]) -> list[Path]:  # noqa: A002
    entries = sorted(folder.iterdir())
    chosen = [e for e in entries if not e.name.startswith(".") and e.is_file() and _known_suffix(e, format)]
    hidden = sum(e.name.startswith(".") for e in entries)
    other = len(entries) - len(chosen) - hidden
    if not chosen:
        wanted = [s for name, suffixes in FORMATS.items() if format in (None, name) for s in suffixes]
        raise InputError(f"{folder}: no file to read among its {len(entries)} entries; looked for {', '.join(wanted)}")
    if hidden or other:
        notes.append(f"{folder}: {len(chosen)} files taken, {hidden} hidden and {other} other entries left out")
    return chosen


def _of_glob(pattern: Path, notes: list[str]) -> list[Path]:
    anchor = Path(pattern.anchor) if pattern.is_absolute() else Path()
    rest = str(pattern.relative_to(pattern.anchor)) if pattern.is_absolute() else str(pattern)
    matches = sorted(anchor.glob(rest))
    chosen = [m for m in matches if m.is_file() and not m.name.startswith(".")]
    if not chosen:
        raise InputError(f"{pattern}: no file matches")
    if len(chosen) < len(matches):
        notes.append(f"{pattern}: {len(chosen)} files taken, {len(matches) - len(chosen)} other entries left out")
    return chosen


def _known_suffix(path: Path, format: str | None) -> str | None:  # noqa: A002
    name = path.name.lower()
    for known, suffixes in FORMATS.items():
        if format in (None, known) and name.endswith(suffixes):
            return known
    return None
