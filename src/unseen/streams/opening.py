"""What a source is, and the stream that reads it, from where the last run stopped."""

from __future__ import annotations

import socket
import stat
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from unseen.errors import InputError
from unseen.packets import FLOW_SCHEMA, is_capture
from unseen.schema import Schema
from unseen.sources.metadata import metadata_columns
from unseen.streams.metered import MeterStream
from unseen.streams.pipe import PipeStream
from unseen.streams.rows import Chunk, RejectLog
from unseen.streams.settings import WatchSettings
from unseen.streams.state import WatchState, read_state
from unseen.streams.tail import LogStream

if TYPE_CHECKING:
    from unseen.detectors import Detector
    from unseen.runtime import OnnxScorer

__all__ = ["Stream", "check_columns", "open_stream"]

# Enough to tell text from anything else.
_HEAD_BYTES = 4096


class Stream(Protocol):
    """What reads one kind of source; ``notes`` are for the user."""

    kind: str
    notes: list[str]

    def chunks(self, stop: threading.Event) -> Iterator[Chunk]:
        """Yield rows as they come, until the source ends or until stopped."""
        ...

    def committed(self, after: dict[str, Any]) -> None:
        """Hear of the position from which a restart would go on."""
        ...


def open_stream(
    source: str, detector: Detector | OnnxScorer, settings: WatchSettings, rejects: RejectLog, out: str | Path
) -> tuple[Stream, WatchState]:
    """The stream of a source, and the state of its last run.

    Raises:
        InputError: If there is no such source, it cannot be watched, or the state does not fit it.
    """
    path, schema = Path(source), detector.schema_
    kind = _kind(source)
    if settings.state is not None and kind == "interface":
        raise InputError(
            f"{source}: packets of an interface cannot be read twice, so --state cannot help; "
            "record files (tcpdump -G 10 -w …) and watch those"
        )
    if settings.state is not None and Path(out).suffix.lower() == ".parquet":
        raise InputError(
            f"{out}: a Parquet file cannot be gone on with after a restart; with --state write .jsonl or .csv"
        )
    if kind in ("capture", "interface"):
        # Of a quiet interface the first flow may be long in coming.
        check_columns(schema, FLOW_SCHEMA.names)
    name = source if kind in ("interface", "stdin") else str(path.resolve())
    stored = "pipe" if kind in ("fifo", "stdin") else kind
    state = WatchState(kind=stored, source=name)
    if settings.state is not None:
        state = read_state(settings.state, stored, name)
    if kind in ("capture", "interface"):
        return MeterStream(
            source,
            settings.meter,
            live=kind == "interface",
            position=state.position,
            restartable=settings.state is not None,
        ), state
    if kind == "log":
        return LogStream(path, schema, follow=not settings.once, position=state.position, rejects=rejects), state
    fifo = None if kind == "stdin" else path
    return PipeStream(
        fifo,
        schema,
        once=settings.once,
        position=state.position,
        rejects=rejects,
        spool=settings.state,
        meter=settings.meter,
    ), state


def check_columns(schema: Schema, names: Sequence[str]) -> None:
    """Refuse rows of another schema than a model's; metadata may be there or not.

    Arguments:
        schema: The model's.
        names: The columns of the rows.

    Raises:
        SchemaError: With the columns that are missing or unknown.
    """
    metadata = metadata_columns(names)
    schema.check_names([name for name in names if name in schema.names or name not in metadata])


def _kind(source: str) -> str:
    if source == "-":
        return "stdin"
    path = Path(source)
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):
        names = sorted(name for _, name in socket.if_nameindex())
        if source in names:
            return "interface"
        raise InputError(f"{source}: no such file, and no interface either; there are {', '.join(names)}") from None
    if stat.S_ISFIFO(mode):
        return "fifo"
    if not stat.S_ISREG(mode):
        raise InputError(f"{source}: is no file, FIFO or interface that could be watched")
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
    except OSError as error:
        raise InputError(f"{source}: {error.strerror}") from error
    if head.startswith((b"\x1f\x8b", b"PAR1", b"ARROW1")):
        raise InputError(f"{source}: is complete and does not grow; score it: unseen score MODEL {source} --out FILE")
    if is_capture(head):
        return "capture"
    # A watch would wait for its first line for ever.
    if b"\0" in head:
        raise InputError(f"{source}: is neither a capture nor lines of text; watch a log, a FIFO or an interface")
    return "log"
