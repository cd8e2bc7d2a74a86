"""How to watch."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from unseen.packets import MeterSettings

__all__ = ["WatchSettings"]


@dataclass(frozen=True)
class WatchSettings:
    """How to watch.

    Arguments:
        false_alarm_rate: The share of normals that may raise an alarm; the detector's own if ``None``.
        state: File of the state, for restarts that lose nothing; ``None`` to start anew every time.
        fold: Seconds without an alarm between two hosts after which their burst has ended; 0 folds nothing.
        once: End at the end of a log, or when a FIFO's writers have gone.
        rejects: File for lines that could not be read.
        meter: Timeouts and pace for packets.
    """

    false_alarm_rate: float | None = None
    state: Path | None = None
    fold: float = 60.0
    once: bool = False
    rejects: Path | None = None
    meter: MeterSettings = field(default_factory=MeterSettings)
