"""Score a file batch by batch; memory does not grow with the number of rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from unseen.errors import InputError
from unseen.jobs.columns import carried_columns, keep_rejects
from unseen.jobs.overlap import available_cores, overlapped
from unseen.jobs.places import located, refuse_overwrite
from unseen.prepare import Tally
from unseen.runtime import OnnxScorer, ScoredRows
from unseen.sources import Source, open_source, open_writer

if TYPE_CHECKING:
    from unseen.detectors import Detector
    from unseen.detectors.base import Scored

__all__ = ["ScoreReport", "score_file"]

_BATCH_ROWS = 16_384


@dataclass
class ScoreReport:
    """What a scored file held.

    Attributes:
        rows: Rows scored.
        alarms: Alarms raised.
        false_alarm_rate: The rate asked for.
        threshold: The anomaly score an alarm exceeds.
        notes: What the reader and the preparation had to mend.
    """

    rows: int
    alarms: int
    false_alarm_rate: float
    threshold: float
    notes: list[str] = field(default_factory=list)


def score_file(
    detector: Detector | OnnxScorer,
    data: str | Path | Sequence[str | Path],
    *,
    out: str | Path,
    false_alarm_rate: float | None = None,
    workers: int | None = None,
    progress: Callable[[int], None] | None = None,
) -> ScoreReport:
    """Write one row of scores for each row of the data, in their order.

    The output has ``row`` (from 0), the label and ignored columns the data bring along, ``anomaly_score``, ``p_value``
    and ``alarm``. It appears under its name only when complete. Reading, scoring and writing overlap; neither memory
    nor a single bit of the result depends on how many rows there are or how many workers share them.

    Arguments:
        detector: A fitted detector, or an exported one.
        data: A file, a folder, or a glob.
        out: A Parquet, CSV or Arrow file to write.
        false_alarm_rate: The share of normals that may raise an alarm; the detector's own by default.
        workers: Threads that score; as many as there are cores by default.
        progress: Called with the number of rows done so far.

    Raises:
        InputError: If the data do not fit the model, or the output cannot be written.
        CalibrationError: If the rate is too small for the model's calibration set.
    """
    rate = detector.false_alarm_rate if false_alarm_rate is None else false_alarm_rate
    threshold = detector.calibrator_.threshold(rate)
    label = [detector.schema_.label] if detector.schema_.label else []
    source = open_source(data, text=[*label, *detector.schema_.categories])
    carried = carried_columns(source, detector.schema_)
    schema = _output_schema(source, carried)
    report, total = ScoreReport(0, 0, rate, threshold), Tally()
    refuse_overwrite(out, source.files)
    # An exported model leaves columns that carry nothing on the disk.
    read = detector.columns if isinstance(detector, OnnxScorer) else detector.schema_.names
    batches = _numbered(source.batches(columns=[*read, *carried], batch_rows=_BATCH_ROWS))

    def work(item: tuple[int, pa.RecordBatch]) -> tuple[pa.RecordBatch, Scored | ScoredRows]:
        first, batch = item
        with located(first):
            return batch, detector.score_batch(batch.select(read))

    with open_writer(out, schema) as writer:
        for batch, scored in overlapped(batches, work, available_cores() if workers is None else workers):
            alarm = scored.p_value <= rate
            row = np.arange(report.rows, report.rows + batch.num_rows)
            arrays = [pa.array(row), *(batch.column(name) for name in carried)]
            arrays += [pa.array(scored.anomaly_score), pa.array(scored.p_value), pa.array(alarm)]
            writer.write(pa.RecordBatch.from_arrays(arrays, schema=schema))
            total.merge(scored.tally)
            report.rows += batch.num_rows
            report.alarms += int(np.count_nonzero(alarm))
            if progress is not None:
                progress(report.rows)
    report.notes = [*source.notes, *keep_rejects(source, out), *total.messages()]
    return report


def _output_schema(source: Source, carried: list[str]) -> pa.Schema:
    made = [("row", pa.int64()), ("anomaly_score", pa.float64()), ("p_value", pa.float64()), ("alarm", pa.bool_())]
    reserved = {name for name, _ in made} & set(carried)
    if reserved:
        raise InputError(f"the data's own column {sorted(reserved)[0]!r} would be overwritten; rename it")
    return pa.schema([made[0], *(source.schema.field(name) for name in carried), *made[1:]])


def _numbered(batches: Iterator[pa.RecordBatch]) -> Iterator[tuple[int, pa.RecordBatch]]:
    """Each batch with the number of rows before it."""
    before = 0
    for batch in batches:
        yield before, batch
        before += batch.num_rows
