"""The state of a watch: how far its input was scored and its alarms written, kept in one small file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from unseen.atomic import atomic_write, check_writable, os_words
from unseen.errors import InputError

__all__ = ["WatchState", "read_state", "write_state"]


class WatchState(BaseModel):
    """What a restart goes on from.

    Attributes:
        version: Of this form.
        kind: The kind of source: ``log``, ``pipe`` or ``capture``.
        source: The source's name.
        position: Where reading goes on, in the source's own terms.
        bursts: The folder's open bursts.
        groups: Groups of like alarms, where the detector tells them.
        rows: Rows scored so far.
        alarms: Alarms raised so far.
    """

    model_config = ConfigDict(extra="forbid")

    version: int = 1
    kind: str
    source: str
    position: dict[str, Any] = {}
    bursts: dict[str, Any] = {}
    groups: dict[str, Any] = {}
    rows: int = 0
    alarms: int = 0


def read_state(path: Path, kind: str, source: str) -> WatchState:
    """The state of the last run, or a fresh one where there is none.

    Raises:
        InputError: If the file is no state, or of another source.
    """
    check_writable(path)
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        return WatchState(kind=kind, source=source)
    except OSError as error:
        raise InputError(f"{path}: {os_words(error)}") from error
    try:
        state = WatchState.model_validate(json.loads(text))
    except (ValueError, ValidationError, RecursionError):
        raise InputError(f"{path}: is no state of a watch; name another file, or remove it to begin anew") from None
    if state.version != 1:
        raise InputError(f"{path}: was written by another release (form {state.version}); remove it to begin anew")
    if (state.kind, state.source) != (kind, source):
        raise InputError(f"{path}: is the state of {state.source!r}, not of {source!r}; one file for each source")
    return state


def write_state(path: Path, state: WatchState) -> None:
    """Replace the state file in one step."""
    with atomic_write(path) as file:
        file.write(state.model_dump_json().encode())
