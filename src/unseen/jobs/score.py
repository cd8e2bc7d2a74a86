"""Score a file batch by batch; memory does not grow with the number of rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa

from unseen.detectors import Detector
from unseen.errors import InputError
from unseen.jobs.places import located, refuse_overwrite
from unseen.prepare import Tally
from unseen.sources import open_source, open_writer

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
    detector: Detector,
    data: str | Path | Sequence[str | Path],
    *,
    out: str | Path,
    false_alarm_rate: float | None = None,
    progress: Callable[[int], None] | None = None,
) -> ScoreReport:
    """Write one row of scores for each row of the data, in their order.

    The output has ``row`` (from 0), the label and ignored columns the data bring along, ``anomaly_score``, ``p_value``
    and ``alarm``. It appears under its name only when complete.

    Arguments:
        detector: A fitted detector.
        data: A file, a folder, or a glob.
        out: A Parquet, CSV or Arrow file to write.
        false_alarm_rate: The share of normals that may raise an alarm; the detector's own by default.
        progress: Called with the number of rows done so far.

    Raises:
        InputError: If the data do not fit the model, or the output cannot be written.
        CalibrationError: If the rate is too small for the model's calibration set.
    """
    rate = detector.false_alarm_rate if false_alarm_rate is None else false_alarm_rate
    threshold = detector.calibrator_.threshold(rate)
    label = [detector.schema_.label] if detector.schema_.label else []
    source = open_source(data, text=[*label, *detector.schema_.categories])
    detector.schema_.check_names(source.schema.names)
    carried = [
        name for name in source.schema.names if name == detector.schema_.label or name in detector.schema_.ignored
    ]
    reserved = {"row", "anomaly_score", "p_value", "alarm"} & set(carried)
    if reserved:
        raise InputError(f"the data's own column {sorted(reserved)[0]!r} would be overwritten; rename it")
    fields = [pa.field("row", pa.int64()), *(source.schema.field(name) for name in carried)]
    fields += [
        pa.field("anomaly_score", pa.float64()),
        pa.field("p_value", pa.float64()),
        pa.field("alarm", pa.bool_()),
    ]
    schema, total = pa.schema(fields), Tally()
    report = ScoreReport(0, 0, rate, threshold)
    refuse_overwrite(out, source.files)
    with open_writer(out, schema) as writer:
        for batch in source.batches(columns=[*detector.schema_.names, *carried], batch_rows=_BATCH_ROWS):
            with located(report.rows):
                scored = detector.score_batch(batch)
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
    report.notes = [*source.notes, *total.messages()]
    return report
