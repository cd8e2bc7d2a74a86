"""Finds the files behind a path, a folder or a glob, and tells their format."""

from __future__ import annotations

import fnmatch
import json
import logging
from collections.abc import Sequence
from pathlib import Path

from unseen.atomic import os_words
from unseen.errors import InputError
from unseen.sources.cicflowmeter import is_cicflowmeter
from unseen.sources.dialect import open_text
from unseen.sources.guard import reading

__all__ = ["FORMATS", "find_files", "format_of", "log_kind"]

_log = logging.getLogger("unseen.sources")

FORMATS: dict[str, tuple[str, ...]] = {
    "csv": (".csv", ".tsv", ".csv.gz", ".tsv.gz"),
    "parquet": (".parquet", ".pq"),
    "arrow": (".arrow", ".arrows", ".feather", ".ipc"),
    # Logs are told by their content; these suffixes and names are for the listing of folders.
    "zeek": ("conn.log", "conn.log.gz"),
    "eve": ("eve.json", "eve.json.gz"),
    # Its files are CSV files; those of a folder are told apart one by one.
    "cicflowmeter": (".csv", ".csv.gz"),
}
_LOG_NAMES = {"zeek": ("conn.*.log", "conn.*.log.gz", "conn_*.log"), "eve": ("eve-*.json", "eve.*.json", "eve.json.*")}
_CAPTURES = tuple(bytes.fromhex(m) for m in ("d4c3b2a1", "a1b2c3d4", "4d3cb2a1", "a1b23c4d", "34cdb2a1", "0a0d0d0a"))
_HEAD_BYTES = 1 << 16
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
    """Tell a file's format from its suffix, or from its first bytes where the suffix says nothing.

    Raises:
        InputError: If the file cannot be opened, or holds packets or JSON of an unknown kind.
    """
    by_name = _known_suffix(path, None)
    if by_name in ("parquet", "arrow"):
        return by_name
    try:
        with path.open("rb") as file:
            head = file.read(8)
    except OSError as error:
        raise InputError(f"{path}: {os_words(error)}") from error
    if head[:4] in _CAPTURES:
        raise InputError(f"{path}: holds packets, not rows; meter them first: unseen flows {path} --out flows.parquet")
    magic = next((name for magic, name in _MAGIC.items() if head.startswith(magic)), None)
    if by_name is None and magic is not None:
        return magic
    with reading(path, "log or table"), open_text(path) as stream:
        head = stream.read(_HEAD_BYTES)
    kind = log_kind(path, head) or (by_name if by_name in _LOG_NAMES else None)
    first = head.removeprefix(b"\xef\xbb\xbf").lstrip(b"\r\n").partition(b"\n")[0]
    return kind or ("cicflowmeter" if is_cicflowmeter(first) else "csv")


def log_kind(path: Path, head: bytes) -> str | None:
    """Tell a log by its first lines: ``"zeek"``, ``"eve"``, or ``None`` for a table.

    Raises:
        InputError: If it holds JSON objects of another kind.
    """
    lines = [line for line in head.split(b"\n") if line.strip()][:50]
    if not lines:
        return None
    if lines[0].startswith((b"#separator", b"#fields", b"#set_separator")):
        return "zeek"
    if not lines[0].lstrip().startswith(b"{"):
        return None
    for line in lines:
        try:
            event = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(event, dict) and isinstance(event.get("event_type"), str):
            return "eve"
        if isinstance(event, dict) and "id.orig_h" in event and "id.resp_h" in event:
            return "zeek"
    raise InputError(f"{path}: holds JSON that is neither Zeek's conn.log nor Suricata's EVE log")


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
    except InputError:
        raise
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
        wanted = dict.fromkeys(s for name, suffixes in FORMATS.items() if format in (None, name) for s in suffixes)
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
        if format not in (None, known):
            continue
        if known in _LOG_NAMES:
            patterns = (*suffixes, *_LOG_NAMES[known])
            if any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns):
                return known
        elif name.endswith(suffixes):
            return known
    return None
