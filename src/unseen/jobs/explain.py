"""The alarms of a file with their reasons; only alarms are kept in memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from unseen.detectors import UnseenDetector
from unseen.detectors.base import Detector
from unseen.errors import InputError
from unseen.jobs.columns import carried_columns, keep_rejects
from unseen.jobs.places import located, refuse_overwrite
from unseen.sources import Source, check_table_path, open_source, open_writer

__all__ = ["ExplainReport", "explain_file"]

# Alarms of one file whose kinds are told apart; beyond them no analyst looks.
_MOST_ALARMS = 100_000
# Columns that are written; those of the evidences begin with "p.".
_MADE = frozenset(
    ("row", "anomaly_score", "p_value", "alarm", "spoke", "nearest_known", "group", "group_size", "group_typical_row")
)


@dataclass
class ExplainReport:
    """What a file's alarms were.

    Attributes:
        rows: Rows read.
        alarms: Alarms raised.
        false_alarm_rate: The rate asked for.
        groups: For each group of like alarms, the largest first: ``size``, ``row`` (its most typical one),
            ``nearest_known`` and ``spoke`` of that row, and ``p_value`` of it.
        notes: What the reader and the preparation had to mend.
    """

    rows: int
    alarms: int
    false_alarm_rate: float
    groups: list[dict[str, Any]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def explain_file(
    detector: Detector,
    data: str | Path | Sequence[str | Path],
    *,
    out: str | Path,
    false_alarm_rate: float | None = None,
    progress: Callable[[int], None] | None = None,
) -> ExplainReport:
    """Write one row for each alarm: where it is in the data, and why it was raised.

    The columns are ``row`` (from 0), the label and ignored columns the data bring along, and those of
    :meth:`unseen.UnseenDetector.explain`; ``group_typical_row`` counts rows of the data too.

    Arguments:
        detector: A fitted :class:`~unseen.UnseenDetector`.
        data: A file, a folder, or a glob.
        out: A Parquet, CSV or Arrow file to write.
        false_alarm_rate: The share of normals that may raise an alarm; the detector's own by default.
        progress: Called with the number of rows done so far.

    Raises:
        InputError: If the detector gives no reasons, the data do not fit the model, there are more alarms than can be
            told apart, or the output cannot be written.
        CalibrationError: If the rate is too small for the model's calibration set.
    """
    if not isinstance(detector, UnseenDetector):
        raise InputError(
            f"the model is a {type(detector).__name__} and gives no reasons; fit with --detector unseen, or use 'score'"
        )
    rate = detector.false_alarm_rate if false_alarm_rate is None else false_alarm_rate
    detector.calibrator_.threshold(rate)
    check_table_path(out)
    label = [detector.schema_.label] if detector.schema_.label else []
    source = open_source(data, text=[*label, *detector.schema_.categories])
    carried = carried_columns(source, detector.schema_)
    if taken := [name for name in carried if name in _MADE or name.startswith("p.")]:
        raise InputError(f"the data's own column {taken[0]!r} would be overwritten; rename it")
    refuse_overwrite(out, source.files)
    report = ExplainReport(0, 0, rate)
    table, rows = _alarms(detector, source, carried, report, progress)
    reasons = detector.explain(table.select(detector.schema_.names), false_alarm_rate=rate)
    whole = pa.table(
        {
            "row": pa.array(rows),
            **{name: table.column(name) for name in carried},
            **{name: reasons.column(name) for name in reasons.column_names},
            "group_typical_row": pa.array(
                [None if place is None else int(rows[place]) for place in reasons["group_typical_row"].to_pylist()],
                pa.int64(),
            ),
        }
    )
    with open_writer(out, whole.schema) as writer:
        for batch in whole.to_batches():
            writer.write(batch)
    report.groups = _groups(whole)
    report.notes = [*source.notes, *keep_rejects(source, out)]
    return report


def _alarms(
    detector: Detector,
    source: Source,
    carried: list[str],
    report: ExplainReport,
    progress: Callable[[int], None] | None,
) -> tuple[pa.Table, NDArray[np.int64]]:
    """The rows that alarm, and their positions; counts both in the report."""
    kept: list[pa.RecordBatch] = []
    rows: list[NDArray[np.int64]] = []
    for batch in source.batches(columns=[*detector.schema_.names, *carried]):
        with located(report.rows):
            p_values = detector.score_batch(batch.select(detector.schema_.names)).p_value
        alarms = np.flatnonzero(p_values <= report.false_alarm_rate)
        kept.append(batch.take(pa.array(alarms)))
        rows.append(alarms + report.rows)
        report.rows += batch.num_rows
        report.alarms += alarms.size
        if report.alarms > _MOST_ALARMS:
            raise InputError(
                f"more than {_MOST_ALARMS:,} alarms in the first {report.rows:,} rows: use a smaller "
                "--false-alarm-rate, or part of the data"
            )
        if progress is not None:
            progress(report.rows)
    if not kept:
        raise InputError("the data hold no rows")
    return pa.Table.from_batches(kept), np.concatenate(rows)


def _groups(reasons: pa.Table) -> list[dict[str, Any]]:
    """The most typical row of each group, the largest group first."""
    shown = ("row", "group", "group_size", "nearest_known", "spoke", "p_value", "group_typical_row")
    lines = [line for line in reasons.select(shown).to_pylist() if line["row"] == line["group_typical_row"]]
    lines.sort(key=lambda line: (-line["group_size"], line["group"]))
    return [{"size": line.pop("group_size"), **{name: line[name] for name in shown[:2] + shown[3:6]}} for line in lines]
