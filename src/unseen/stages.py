"""Where work spends its time: named stages, which may lie within each other."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

__all__ = ["recorded_stages", "stage"]


class _Record:
    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.within: list[str] = []
        self._since = time.perf_counter()

    def turn(self) -> None:
        """Book the time since the last turn on the stage that ran."""
        now = time.perf_counter()
        name = " / ".join(self.within) or "the rest"
        self.seconds[name] = self.seconds.get(name, 0.0) + now - self._since
        self._since = now


_RECORD: ContextVar[_Record | None] = ContextVar("unseen.stages", default=None)


@contextmanager
def recorded_stages() -> Iterator[dict[str, float]]:
    """Record what runs inside; yields the seconds by stage, complete at the end.

    A stage within another is told as ``"outer / inner"`` and its time is not counted for the outer one, so the seconds
    add up to the whole. What belongs to no stage is ``"the rest"``.

    Example:
        >>> with recorded_stages() as seconds:
        ...     with stage("fitting"):
        ...         with stage("encoder"):
        ...             pass
        >>> sorted(seconds)
        ['fitting', 'fitting / encoder', 'the rest']
    """
    record = _Record()
    token = _RECORD.set(record)
    try:
        yield record.seconds
    finally:
        record.turn()
        _RECORD.reset(token)


@contextmanager
def stage(name: str) -> Iterator[None]:
    """Book the time inside on a stage; costs nothing to speak of where nobody records.

    Also a decorator: ``stage("fitting")(fit)(rows)``.

    Arguments:
        name: Its name.
    """
    record = _RECORD.get()
    if record is None:
        yield
        return
    record.turn()
    record.within.append(name)
    try:
        yield
    finally:
        record.turn()
        record.within.pop()
