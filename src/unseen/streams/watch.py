"""The watch: a stream through a detector into alarms, with a bounded queue between reading and scoring."""

from __future__ import annotations

import queue
import signal
import socket
import stat
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from unseen.errors import InputError
from unseen.jobs.places import refuse_overwrite
from unseen.packets import MeterSettings, is_capture
from unseen.prepare import Tally
from unseen.sources.metadata import metadata_columns
from unseen.streams.alarm import Alarm, alarm_id, endpoints, shortened
from unseen.streams.fold import Folder
from unseen.streams.metered import MeterStream
from unseen.streams.pipe import PipeStream
from unseen.streams.reasons import reasons_of
from unseen.streams.rows import Chunk, RejectLog
from unseen.streams.sinks import AlarmSink, open_sink
from unseen.streams.state import WatchState, read_state, write_state
from unseen.streams.tail import LogStream

if TYPE_CHECKING:
    from unseen.detectors import Detector
    from unseen.detectors.base import Scored
    from unseen.runtime import OnnxScorer
    from unseen.runtime.scorer import ScoredRows

__all__ = ["WatchReport", "WatchSettings", "watch"]

# Chunks of at most 1,024 rows between reader and detector.
_QUEUED = 16
_COMMIT_EVERY = 1.0
_QUIET_AFTER = 0.25
_LATENCIES = 10_000
# Alarms that wait for their reasons, at most until the next commit.
_MOST_RAISED = 4096


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


@dataclass
class WatchReport:
    """What a watch did.

    Attributes:
        rows: Rows scored in this run.
        alarms: Alarms raised in this run.
        bursts: Alarms after folding.
        rejected: Lines that could not be read.
        packets_dropped: Packets the kernel dropped (live).
        flows_dropped: Flows dropped because scoring was too slow (live).
        false_alarm_rate: The rate asked for.
        latency_p95: Seconds from a row's arrival to its alarm on the disk, 95th percentile; ``None`` without alarms.
        stopped: Whether a signal ended it.
        notes: What a user should know.
    """

    rows: int = 0
    alarms: int = 0
    bursts: int = 0
    rejected: int = 0
    packets_dropped: int = 0
    flows_dropped: int = 0
    false_alarm_rate: float = 0.0
    latency_p95: float | None = None
    stopped: bool = False
    notes: list[str] = field(default_factory=list)


class _Stream(Protocol):
    kind: str
    notes: list[str]

    def chunks(self, stop: threading.Event) -> Iterator[Chunk]: ...

    def committed(self, after: dict[str, Any]) -> None: ...


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
    stream, state = _open_stream(source, detector, settings, rejects, out)
    with open_sink(out, model) as sink, _stopping(stop):
        run = _Run(detector, stream, sink, state, settings)
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


def _open_stream(
    source: str, detector: Detector | OnnxScorer, settings: WatchSettings, rejects: RejectLog, out: str | Path
) -> tuple[_Stream, WatchState]:
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


# Enough to tell text from anything else.
_HEAD_BYTES = 4096


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


class _Run:
    """One run: takes chunks from the reader's thread, scores, folds, writes, and keeps the state behind the alarms."""

    def __init__(
        self,
        detector: Detector | OnnxScorer,
        stream: _Stream,
        sink: AlarmSink,
        state: WatchState,
        settings: WatchSettings,
    ) -> None:
        self._detector = detector
        self._stream = stream
        self._sink = sink
        self._state = state
        self._place = settings.state
        rate = detector.false_alarm_rate if settings.false_alarm_rate is None else settings.false_alarm_rate
        self._threshold = detector.calibrator_.threshold(rate)
        self._folder = Folder(settings.fold, eager=sink.eager)
        if state.bursts:
            try:
                self._folder.restore(state.bursts)
            except (LookupError, TypeError, ValueError, AttributeError) as error:
                raise InputError(f"{settings.state}: its bursts cannot be read; remove it to begin anew") from error
        self._reasons = reasons_of(detector, rate, state.groups)
        self._queue: queue.Queue[Chunk | BaseException | None] = queue.Queue(_QUEUED)
        self._written: deque[float] = deque(maxlen=_LATENCIES)
        self._waiting: list[float] = []
        self._raised: list[tuple[Alarm, pa.RecordBatch]] = []
        self._ids: set[str] = set()
        self._fits: Any = None
        self._counted = (0, 0)
        self._after: dict[str, Any] = state.position
        self.tally = Tally()
        self.report = WatchReport(false_alarm_rate=rate)

    def go(self, stop: threading.Event, progress: Callable[[int], None] | None) -> None:
        abandoned = threading.Event()
        reader = threading.Thread(target=self._read, args=(stop, abandoned), daemon=True)
        reader.start()
        committed = time.monotonic()
        failure: BaseException | None = None
        try:
            while True:
                try:
                    item = self._queue.get(timeout=_QUIET_AFTER)
                except queue.Empty:
                    self._fold()
                    self._write(self._folder.refresh())
                    self._commit()
                    committed = time.monotonic()
                    continue
                if item is None or isinstance(item, BaseException):
                    failure = item
                    break
                try:
                    self._score(item)
                except Exception:
                    # What was raised before goes out all the same.
                    self._fold()
                    raise
                if progress is not None:
                    progress(self.report.rows)
                if time.monotonic() - committed >= _COMMIT_EVERY:
                    self._commit()
                    committed = time.monotonic()
        finally:
            abandoned.set()
            stop.set() if failure is not None else None
        self._fold()
        # With a state the open bursts go on in the next run.
        self._write(self._folder.refresh() if self._place is not None else self._folder.close())
        self._commit()
        if self._written:
            self.report.latency_p95 = float(np.quantile(np.asarray(self._written), 0.95))
        if failure is not None:
            raise failure

    def _read(self, stop: threading.Event, abandoned: threading.Event) -> None:
        """The reader's thread; a full queue holds it back, and with it the source."""
        end: BaseException | None = None
        try:
            for chunk in self._stream.chunks(stop):
                if not self._hand(chunk, abandoned):
                    return
        except BaseException as error:
            end = error
        self._hand(end, abandoned)

    def _hand(self, item: Chunk | BaseException | None, abandoned: threading.Event) -> bool:
        while not abandoned.is_set():
            try:
                self._queue.put(item, timeout=0.2)
            except queue.Full:
                continue
            return True
        return False

    def _score(self, chunk: Chunk) -> None:
        detector, rows = self._detector, chunk.rows
        metadata = metadata_columns(rows.schema.names)
        if self._fits != rows.schema:
            self._fold()
            features = detector.schema_.names
            detector.schema_.check_names([n for n in rows.schema.names if n in features or n not in metadata])
            self._fits = rows.schema
        scored = detector.score_batch(rows.select(detector.schema_.names))
        self.tally.merge(scored.tally)
        raised = np.flatnonzero(scored.p_value <= self.report.false_alarm_rate)
        if raised.size:
            self._raised += self._alarms(chunk, scored, raised)
        self.report.rows += rows.num_rows
        self.report.alarms += len(raised)
        self._after = chunk.after
        if len(self._raised) >= _MOST_RAISED:
            self._fold()

    def _alarms(
        self, chunk: Chunk, scored: Scored | ScoredRows, raised: NDArray[np.intp]
    ) -> Iterator[tuple[Alarm, pa.RecordBatch]]:
        """The alarms of some rows of a chunk, each with its row."""
        features = self._detector.schema_.names
        rows = chunk.rows.take(pa.array(raised))
        others = [name for name in rows.schema.names if name not in features]
        for number, (j, row) in enumerate(zip(raised, rows.to_pylist(), strict=True)):
            alarm = Alarm(
                id=alarm_id(chunk.origin, chunk.positions[j], row),
                position=chunk.positions[j],
                anomaly_score=float(scored.anomaly_score[j]),
                p_value=float(scored.p_value[j]),
                false_alarm_rate=self.report.false_alarm_rate,
                threshold=self._threshold,
                ends=endpoints(row),
                metadata={name: shortened(row[name]) for name in others if row[name] is not None},
            )
            yield alarm, rows.slice(number, 1)
            self._waiting.append(chunk.received)

    def _fold(self) -> None:
        """Fold the alarms raised since the last time and write them.

        All at once, and only the rows that their bursts will tell of: reasons take as long as the scores.
        """
        raised, self._raised = self._raised, []
        own = [alarm.reasons for alarm, _ in raised]
        written = [burst for alarm, _ in raised for burst in self._folder.add(alarm)]
        if self._reasons is not None and raised:
            names = {id(burst.reasons): burst.id for burst in (*written, *self._folder.bursts())}
            told = [k for k, reasons in enumerate(own) if id(reasons) in names]
            schema = raised[0][1].schema
            rows = pa.Table.from_batches([raised[k][1] for k in told], schema).combine_chunks()
            rows = rows.select(self._detector.schema_.names)
            for k, reasons in zip(told, self._reasons.of(rows, [names[id(own[k])] for k in told]), strict=True):
                own[k].update(reasons)
        self._write(written)

    def _write(self, alarms: list[Alarm]) -> None:
        for alarm in alarms:
            self._sink.write(alarm)
            if alarm.id not in self._ids:
                self.report.bursts += 1
                self._ids.add(alarm.id)
        if len(self._ids) > 100_000:
            self._ids.clear()

    def _commit(self) -> None:
        """First the alarms, then the state: a crash between the two repeats alarms and loses none."""
        self._fold()
        self._sink.flush()
        now = time.monotonic()
        self._written.extend(now - received for received in self._waiting)
        self._waiting = []
        if self._place is None or (self._after == self._state.position and not self.report.rows):
            return
        self._state = self._state.model_copy(
            update={
                "position": self._after,
                "bursts": self._folder.state(),
                "groups": {} if self._reasons is None else self._reasons.state(),
                "rows": self._state.rows + self.report.rows - self._counted[0],
                "alarms": self._state.alarms + self.report.alarms - self._counted[1],
            }
        )
        self._counted = (self.report.rows, self.report.alarms)
        write_state(self._place, self._state)
        self._stream.committed(self._after)


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
