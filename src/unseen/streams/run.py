"""One run of a watch: a bounded queue between reading and scoring, and the state kept behind the alarms."""

from __future__ import annotations

import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from unseen.errors import InputError
from unseen.prepare import Tally
from unseen.streams.alarm import Alarm, alarm_id, endpoints, shortened
from unseen.streams.fold import Folder
from unseen.streams.opening import Stream, check_columns
from unseen.streams.reasons import reasons_of
from unseen.streams.rows import Chunk
from unseen.streams.settings import WatchSettings
from unseen.streams.sinks import AlarmSink
from unseen.streams.state import WatchState, write_state

if TYPE_CHECKING:
    from unseen.detectors import Detector
    from unseen.detectors.base import Scored
    from unseen.runtime import OnnxScorer
    from unseen.runtime.scorer import ScoredRows

__all__ = ["Run", "WatchReport"]

# Chunks of at most 1,024 rows between reader and detector.
_QUEUED = 16
_COMMIT_EVERY = 1.0
_QUIET_AFTER = 0.25
_LATENCIES = 10_000
# Alarms that wait for their reasons, at most until the next commit.
_MOST_RAISED = 4096


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


class Run:
    """One run: takes chunks from the reader's thread, scores, folds, writes, and keeps the state behind the alarms."""

    def __init__(
        self,
        detector: Detector | OnnxScorer,
        stream: Stream,
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
        """Score until the source ends; what was received is written whatever ended it."""
        abandoned = threading.Event()
        threading.Thread(target=self._read, args=(stop, abandoned), daemon=True).start()
        try:
            failure = self._take(progress)
        finally:
            abandoned.set()
        if failure is not None:
            stop.set()
        self._fold()
        # With a state the open bursts go on in the next run.
        self._write(self._folder.refresh() if self._place is not None else self._folder.close())
        self._commit()
        if self._written:
            self.report.latency_p95 = float(np.quantile(np.asarray(self._written), 0.95))
        if failure is not None:
            raise failure

    def _take(self, progress: Callable[[int], None] | None) -> BaseException | None:
        """Score what the reader hands over and commit from time to time; returns the reader's failure, if it failed."""
        committed = time.monotonic()
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
                return item
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
        if self._fits != rows.schema:
            self._fold()
            check_columns(detector.schema_, rows.schema.names)
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
