"""The watch: a stream through a detector into alarms, until it ends or is asked to."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unseen.jobs.places import refuse_overwrite
from unseen.streams.metered import MeterStream
from unseen.streams.opening import open_stream
from unseen.streams.rows import RejectLog
from unseen.streams.run import Run, WatchReport
from unseen.streams.settings import WatchSettings
from unseen.streams.sinks import open_sink

if TYPE_CHECKING:
    from unseen.detectors import Detector
    from unseen.runtime import OnnxScorer

__all__ = ["WatchReport", "WatchSettings", "watch"]


def watch(
    detector: Detector | OnnxScorer,
    source: str,
    *,
    out: str | Path,
    model: str,
    settings: WatchSettings | None = None,
    stop: threading.Event | None = None,
    progress: Callable[[int], None] | None = None,
) -> WatchReport:
    """Score what a source brings, and write alarms as they are raised.

    SIGTERM and SIGINT end the watch cleanly: what was received is scored and written.

    Arguments:
        detector: A fitted detector, or an exported one.
        source: A capture, a growing log, a FIFO, ``-`` for standard input, or the name of an interface.
        out: Where alarms go: ``-``, or a ``.jsonl``, ``.csv`` or ``.parquet`` file.
        model: The model's name, told with every alarm.
        settings: How to watch.
        stop: Ends the watch when set.
        progress: Called with the number of rows scored so far.

    Raises:
        InputError: If the source, the state or the output cannot be used, or does not fit the model.
        CalibrationError: If the rate is too small for the model's calibration set.
        MeterError: If the flow meter dies or hangs.
    """
    settings = settings or WatchSettings()
    stop = stop or threading.Event()
    # A dash is no file: alarms of standard input may go to standard output.
    files = [path for path in (source, settings.state, settings.rejects) if path is not None and path != "-"]
    if str(out) != "-":
        refuse_overwrite(out, files)
    if settings.rejects is not None:
        refuse_overwrite(settings.rejects, files[:-1])
    rejects = RejectLog(settings.rejects)
    stream, state = open_stream(source, detector, settings, rejects, out)
    with open_sink(out, model) as sink, _stopping(stop):
        run = Run(detector, stream, sink, state, settings)
        try:
            run.go(stop, progress)
        finally:
            rejects.close()
    report = run.report
    report.rejected, report.stopped = rejects.count, stop.is_set()
    report.notes = [*stream.notes, *run.tally.messages()]
    if rejects.count:
        report.notes.append(f"{rejects.count:,} lines could not be read, first {rejects.first}")
    if isinstance(stream, MeterStream):
        report.packets_dropped, report.flows_dropped = stream.dropped
        if any(stream.dropped):
            report.notes.append(
                f"dropped: {stream.dropped[0]:,} packets by the kernel, {stream.dropped[1]:,} flows here"
            )
    return report


@contextmanager
def _stopping(stop: threading.Event) -> Iterator[None]:
    """SIGTERM and SIGINT set the event, once; a second SIGINT interrupts at once."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}

    def ask(number: int, frame: Any) -> None:
        del frame
        stop.set()
        signal.signal(number, before[signal.Signals(number)])

    for number in before:
        signal.signal(number, ask)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
