"""Flows of packets that come through a pipe, as ``tcpdump -U -w -`` sends them."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterator

from unseen.packets import Meter, MeterSettings
from unseen.streams.rows import Chunk

__all__ = ["PacketPipe"]


class PacketPipe:
    """The flows of one capture that is written into a pipe; they end with its writer.

    Arguments:
        name: The pipe's name.
        head: The first bytes, read already.
        read: Gives the next bytes; empty where the writer has gone, ``None`` where nothing came for a moment.
        settings: Timeouts.

    Attributes:
        notes: What a user should know.
    """

    def __init__(self, name: str, head: bytes, read: Callable[[], bytes | None], settings: MeterSettings) -> None:
        self._name, self._head, self._read, self._settings = name, head, read, settings
        self.notes: list[str] = []

    def chunks(self, stop: threading.Event) -> Iterator[Chunk]:
        """Yield flows as they end, until the writer has gone or until stopped.

        Raises:
            InputError: If the packets cannot be read.
            MeterError: If the meter dies or hangs.
        """
        source, sink = os.pipe()
        over, number = threading.Event(), 0
        with Meter([self._name], self._settings, pipe=source) as meter:
            pump = threading.Thread(target=self._pump, args=(sink, meter, stop, over), daemon=True)
            pump.start()
            try:
                for batch in meter:
                    before, number = number, number + batch.num_rows
                    positions = [str(n) for n in range(before, number)]
                    yield Chunk(batch, "packets", positions, {}, time.monotonic())
            finally:
                over.set()
            status = meter.status
            if status.ignored:
                self.notes.append(
                    f"{self._name}: {status.ignored:,} records hold no IP packet, or a fragment of one, and belong to "
                    "no flow"
                )
            if status.errors:
                self.notes.append(f"{self._name}: the packets end in mid-record, or are damaged there")
            self.notes += [f"the flow meter says: {line}" for line in meter.warnings]

    def _pump(self, sink: int, meter: Meter, stop: threading.Event, over: threading.Event) -> None:
        """From one pipe into the other; its end tells the meter that there is no more."""
        with contextlib.suppress(OSError), os.fdopen(sink, "wb", buffering=0) as file:
            data: bytes | None = self._head
            while not (stop.is_set() or over.is_set()):
                view = memoryview(data or b"")
                while view:
                    view = view[file.write(view) or 0 :]
                data = self._read()
                if data is not None and not data:
                    return
            if stop.is_set():
                # What is on its way is read at once, and not at the pace of its times.
                meter.stop()
