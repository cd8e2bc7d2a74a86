"""Flows of a capture that is replayed, or of a live interface, as a stream."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from unseen.errors import InputError
from unseen.jobs.flows import meter_notes
from unseen.packets import Meter, MeterSettings, walk_capture
from unseen.streams.rows import Chunk

__all__ = ["MeterStream"]


class MeterStream:
    """Flows from the meter.

    Arguments:
        source: A capture file, or the name of an interface.
        settings: Timeouts and pace.
        live: Whether ``source`` is an interface.
        position: How many flows an earlier run has scored.
        restartable: Stop without ending the open flows: the next run reads the capture again and goes on.

    Raises:
        InputError: If the file is no capture, or holds no record.
    """

    kind = "capture"

    def __init__(
        self,
        source: str | Path,
        settings: MeterSettings,
        *,
        live: bool = False,
        position: dict[str, Any] | None = None,
        restartable: bool = False,
    ) -> None:
        self._source = str(source)
        self._live = live
        self._restartable = restartable
        try:
            self._skip = int((position or {}).get("flows", 0))
        except (TypeError, ValueError) as error:
            raise InputError(
                f"the state's position cannot be read ({error}); remove the state to begin anew"
            ) from error
        self._walked = None if live else walk_capture(source)
        if self._walked is not None and not self._walked.records:
            raise InputError("; ".join(self._walked.notes()) or f"{source}: holds no packet")
        self._meter = Meter([source], settings, live=live)
        self.notes: list[str] = []

    @property
    def dropped(self) -> tuple[int, int]:
        """Packets the kernel dropped, and flows the meter dropped, so far."""
        return self._meter.status.dropped, self._meter.status.flows_dropped

    def chunks(self, stop: threading.Event) -> Iterator[Chunk]:
        """Yield flows as they end.

        Raises:
            InputError: If the source cannot be opened.
            MeterError: If the meter dies or hangs.
        """
        number, over = 0, threading.Event()
        with self._meter as meter:
            stopper = threading.Thread(target=_stop_meter, args=(meter, stop, over), daemon=True)
            stopper.start()
            try:
                for batch in meter:
                    if stop.is_set() and self._restartable:
                        return
                    before, number = number, number + batch.num_rows
                    fresh = batch.slice(min(max(self._skip - before, 0), batch.num_rows))
                    if fresh.num_rows:
                        positions = [str(n) for n in range(number - fresh.num_rows, number)]
                        yield Chunk(fresh, "capture", positions, {"flows": number}, time.monotonic())
            finally:
                over.set()
                stopper.join()
            if self._walked is not None and not stop.is_set():
                self.notes = meter_notes([self._walked], meter)
                if not meter.status.packets:
                    raise InputError(f"{self._source}: none of its {self._walked.records:,} records holds an IP packet")

    def committed(self, after: dict[str, Any]) -> None:
        """Nothing: a capture keeps its packets itself."""


def _stop_meter(meter: Meter, stop: threading.Event, over: threading.Event) -> None:
    while not over.wait(0.1):
        if stop.is_set():
            meter.stop()
            return
