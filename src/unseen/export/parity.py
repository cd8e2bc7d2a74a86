"""Does an exported model say the same as the detector it was made from? Measured on rows, not assumed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from unseen.detectors import Detector
from unseen.runtime import OnnxScorer
from unseen.sources import open_source

__all__ = ["RATES", "TOLERANCE", "AlarmParity", "Parity", "compare"]

# Relative, of anomaly scores; see _relative.
TOLERANCE = 1e-4
RATES = (0.05, 0.01, 0.001)
_BATCH_ROWS = 16_384


class AlarmParity(BaseModel):
    """Alarms of both at one false-alarm rate.

    Attributes:
        rate: The rate.
        detector: Alarms of the detector.
        exported: Alarms of the exported model.
        differing: Rows on which they differ.
        at_threshold: Those of them whose score is within the tolerance of the threshold.
    """

    model_config = ConfigDict(frozen=True)

    rate: float
    detector: int
    exported: int
    differing: int
    at_threshold: int


class Parity(BaseModel):
    """How far an exported model's scores are from the detector's.

    Attributes:
        rows: Rows compared.
        largest: The largest relative difference of two scores.
        typical: Its median.
        beyond: Rows that differ by more than the tolerance.
        alarms: Alarms at each rate the calibration can guarantee.
    """

    model_config = ConfigDict(frozen=True)

    rows: int
    largest: float
    typical: float
    beyond: int
    alarms: list[AlarmParity]

    @property
    def faithful(self) -> bool:
        """Whether alarms differ at most on rows at the threshold, and next to no scores beyond the tolerance.

        Far from all normals a network that learned little may round more coarsely than others do: one row in 10,000, or
        two, may differ by up to ten times the tolerance.
        """
        near = self.beyond <= max(2, self.rows / 10_000) and self.largest <= 10 * TOLERANCE
        return near and all(alarm.differing == alarm.at_threshold for alarm in self.alarms)


def compare(
    detector: Detector,
    scorer: OnnxScorer,
    data: str | Path | Sequence[str | Path],
    *,
    rates: Sequence[float] = RATES,
) -> Parity:
    """Score a file with both and compare.

    Arguments:
        detector: The detector.
        scorer: The model exported from it.
        data: A file, a folder, or a glob with the fitted columns; labels are not needed.
        rates: False-alarm rates to compare alarms at, besides the model's own.

    Raises:
        InputError: If the data do not fit the model.
    """
    source = open_source(data, text=[*([detector.schema_.label or ""]), *detector.schema_.categories])
    detector.schema_.check_names(source.schema.names)
    parts = []
    for batch in source.batches(columns=detector.schema_.names, batch_rows=_BATCH_ROWS):
        ours, theirs = detector.score_batch(batch), scorer.score_batch(batch)
        parts.append(np.column_stack([ours.anomaly_score, theirs.anomaly_score, ours.p_value, theirs.p_value]))
    ours_score, theirs_score, ours_p, theirs_p = np.concatenate(parts).T
    usual = float(np.median(np.abs(ours_score)))
    difference = _relative(theirs_score, ours_score, usual)
    alarms = []
    for rate in sorted({*rates, scorer.false_alarm_rate}, reverse=True):
        if rate < scorer.smallest_rate:
            continue
        left, right = ours_p <= rate, theirs_p <= rate
        threshold = np.full_like(ours_score, detector.calibrator_.threshold(rate))
        near = _relative(ours_score, threshold, usual) <= TOLERANCE
        alarms.append(
            AlarmParity(
                rate=rate,
                detector=int(left.sum()),
                exported=int(right.sum()),
                differing=int((left != right).sum()),
                at_threshold=int(((left != right) & near).sum()),
            )
        )
    return Parity(
        rows=len(difference),
        largest=float(difference.max()),
        typical=float(np.median(difference)),
        beyond=int((difference > TOLERANCE).sum()),
        alarms=alarms,
    )


def _relative(values: NDArray[np.float64], to: NDArray[np.float64], usual: float) -> NDArray[np.float64]:
    """Differences relative to the second, or to the usual size of a score where it is smaller.

    Scores near zero are those of the most ordinary rows; digits of theirs say nothing.
    """
    with np.errstate(invalid="ignore"):
        size = np.maximum(np.maximum(np.abs(to), usual), np.finfo(np.float64).tiny)
        return np.where(values == to, 0.0, np.abs(values - to) / size)
