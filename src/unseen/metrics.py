"""Measures of detection: rankings, recall at a threshold, Wilson intervals, and the paper's balanced F1.

All take the scores of normals and the scores of anomalies apart, higher being more anomalous; an alarm is a score
strictly above the threshold, as in :meth:`unseen.calibrate.ConformalCalibrator.alarm`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from unseen.errors import InputError, require

__all__ = [
    "PAPER_CLASS_WEIGHTS",
    "F1Score",
    "auroc",
    "average_precision",
    "balanced_f1",
    "f1_from_counts",
    "recall_at",
    "wilson_interval",
]

PAPER_CLASS_WEIGHTS: Final[Mapping[str, int]] = {
    "DoS slowloris": 5796,
    "DoS Slowhttptest": 5499,
    "Bot": 1966,
    "Infiltration": 36,
}
"""Rows of each unseen class of CIC-IDS-2017 in the Latent Sculpting paper's test set of 13,297 anomalies."""


@dataclass(frozen=True)
class F1Score:
    """Precision, recall, and their harmonic mean; precision and F1 are 0 where there is no alarm."""

    precision: float
    recall: float
    f1: float


def auroc(normal_scores: ArrayLike, anomaly_scores: ArrayLike) -> float:
    """The probability that an anomaly scores above a normal, ties counting half (Mann–Whitney).

    Arguments:
        normal_scores: Scores of normals, shape (n,).
        anomaly_scores: Scores of anomalies, shape (m,).

    Raises:
        InputError: If either is empty or holds NaN.

    Example:
        >>> auroc([0.1, 0.2, 0.3], [0.2, 0.9])
        0.75
    """
    normal = np.sort(_check_scores(normal_scores, "normal_scores"))
    anomaly = _check_scores(anomaly_scores, "anomaly_scores")
    below = np.searchsorted(normal, anomaly, side="left").sum(dtype=np.int64)
    not_above = np.searchsorted(normal, anomaly, side="right").sum(dtype=np.int64)
    return float(int(below) + int(not_above)) / (2 * normal.size * anomaly.size)


def average_precision(normal_scores: ArrayLike, anomaly_scores: ArrayLike, *, prevalence: float | None = None) -> float:
    """Area under the precision–recall curve, in steps, at the data's own or at a given share of anomalies.

    With ``prevalence`` each class is reweighted, so that figures from test sets of different balance compare.

    Arguments:
        normal_scores: Scores of normals, shape (n,).
        anomaly_scores: Scores of anomalies, shape (m,).
        prevalence: The share of anomalies to assume, strictly between 0 and 1, for example 0.01.

    Raises:
        InputError: If scores are empty or hold NaN, or the prevalence lies outside (0, 1).

    Example:
        >>> average_precision([0.0, 1.0], [2.0, 0.5])
        0.8333333333333333
        >>> round(average_precision([0.0, 1.0], [2.0, 0.5], prevalence=0.01), 3)
        0.51
    """
    normal = np.sort(_check_scores(normal_scores, "normal_scores"))
    anomaly = np.sort(_check_scores(anomaly_scores, "anomaly_scores"))
    share = anomaly.size / (anomaly.size + normal.size) if prevalence is None else float(prevalence)
    if not 0.0 < share < 1.0:
        raise InputError(f"prevalence={prevalence} must lie strictly between 0 and 1, for example prevalence=0.01")
    thresholds = np.unique(anomaly)[::-1]
    recall = (anomaly.size - np.searchsorted(anomaly, thresholds, side="left")) / anomaly.size
    false_alarms = (normal.size - np.searchsorted(normal, thresholds, side="left")) / normal.size
    precision = share * recall / (share * recall + (1.0 - share) * false_alarms)
    return float(np.sum(np.diff(recall, prepend=0.0) * precision))


def recall_at(anomaly_scores: ArrayLike, threshold: float) -> float:
    """The share of scores strictly above a threshold; for normals the same share is the realised false-alarm rate.

    Raises:
        InputError: If there is no score, or one of them or the threshold is NaN.

    Example:
        >>> recall_at([0.1, 0.5, 0.9], 0.5)
        0.3333333333333333
    """
    if math.isnan(threshold):
        raise InputError("threshold is NaN; take it from calibrator.threshold(false_alarm_rate)")
    return float((_check_scores(anomaly_scores, "anomaly_scores") > threshold).mean())


def wilson_interval(hits: int, rows: int, level: float = 0.95) -> tuple[float, float]:
    """The score interval of a share, sound for few rows and for shares of 0 and 1.

    References:
        | Wilson, 1927. Probable inference, the law of succession, and statistical inference. JASA 22.

    Arguments:
        hits: Rows that count.
        rows: All rows, at least 1.
        level: The interval's coverage.

    Raises:
        InputError: If not 0 ≤ hits ≤ rows, there is no row, or the level lies outside (0, 1).

    Example:
        >>> low, high = wilson_interval(32, 36)
        >>> round(low, 3), round(high, 3)
        (0.747, 0.956)
    """
    ndtri = require("scipy.special", "train").ndtri

    if rows < 1 or not 0 <= hits <= rows:
        raise InputError(f"A share needs 0 ≤ hits ≤ rows and rows ≥ 1; got hits={hits}, rows={rows}")
    if not 0.0 < level < 1.0:
        raise InputError(f"level={level} must lie strictly between 0 and 1, for example level=0.95")
    z2 = float(ndtri(0.5 + 0.5 * level)) ** 2
    share = hits / rows
    centre = share + z2 / (2 * rows)
    half = math.sqrt(z2 * (share * (1.0 - share) / rows + z2 / (4.0 * rows * rows)))
    scale = 1.0 + z2 / rows
    # at the ends the interval touches 0 or 1 exactly; rounding would miss it by a bit
    low = 0.0 if hits == 0 else (centre - half) / scale
    high = 1.0 if hits == rows else (centre + half) / scale
    return low, high


def f1_from_counts(hits: int, false_alarms: int, anomalies: int) -> F1Score:
    """Precision, recall and F1 of a set of alarms.

    Arguments:
        hits: Alarms on anomalies.
        false_alarms: Alarms on normals.
        anomalies: All anomalies, at least 1.

    Raises:
        InputError: If there is no anomaly, or a count is impossible.

    Example:
        >>> f1_from_counts(hits=8, false_alarms=2, anomalies=10)
        F1Score(precision=0.8, recall=0.8, f1=0.8)
    """
    if anomalies < 1 or not 0 <= hits <= anomalies or false_alarms < 0:
        raise InputError(
            f"Recall needs 0 ≤ hits ≤ anomalies, anomalies ≥ 1 and false_alarms ≥ 0; "
            f"got hits={hits}, anomalies={anomalies}, false_alarms={false_alarms}"
        )
    precision = hits / (hits + false_alarms) if hits else 0.0
    return F1Score(precision, hits / anomalies, 2 * hits / (hits + false_alarms + anomalies))


def balanced_f1(
    class_recalls: Mapping[str, float],
    false_alarm_rate: float,
    weights: Mapping[str, float] = PAPER_CLASS_WEIGHTS,
) -> F1Score:
    """Class-weighted F1 on a test set of as many normals as anomalies, as the Latent Sculpting paper reports it.

    Recall is the weighted mean of the class recalls; at balance, precision = recall/(recall + false-alarm rate).

    References:
        | Latent Sculpting, arXiv 2512.22179.

    Arguments:
        class_recalls: The recall of each anomaly class.
        false_alarm_rate: The share of test normals that raised an alarm, 0 to 1.
        weights: The weight of each class, by default the paper's row counts.

    Raises:
        InputError: If classes differ, weights are unusable, or a rate lies outside [0, 1].

    Example:
        >>> paper = {"DoS slowloris": 0.996, "DoS Slowhttptest": 0.977, "Bot": 0.041, "Infiltration": 32 / 36}
        >>> score = balanced_f1(paper, false_alarm_rate=0.095)
        >>> round(score.precision, 2), round(score.recall, 2), round(score.f1, 2)
        (0.9, 0.85, 0.87)
    """
    if set(class_recalls) != set(weights):
        missing, extra = sorted(set(weights) - set(class_recalls)), sorted(set(class_recalls) - set(weights))
        raise InputError(f"class_recalls must hold the classes of weights: missing {missing}, extra {extra}")
    total = float(sum(weights.values()))
    if not (total > 0.0 and math.isfinite(total) and min(weights.values()) >= 0):
        raise InputError(f"weights must be finite, not negative, and not all 0; got {dict(weights)}")
    for name, rate in {**class_recalls, "false_alarm_rate": false_alarm_rate}.items():
        if not 0.0 <= rate <= 1.0:
            raise InputError(f"{name}: a rate of {rate} lies outside 0 to 1")
    recall = sum(weights[name] * value for name, value in class_recalls.items()) / total
    if recall == 0.0:
        return F1Score(0.0, 0.0, 0.0)
    precision = recall / (recall + false_alarm_rate)
    return F1Score(precision, recall, 2.0 * precision * recall / (precision + recall))


def _check_scores(scores: ArrayLike, what: str) -> NDArray[np.float64]:
    """A non-empty float64 vector without NaN."""
    try:
        array = np.asarray(scores, dtype=np.float64)
    except (TypeError, ValueError):
        raise InputError(f"{what} must be numbers, one a row") from None
    if array.ndim != 1:
        raise InputError(f"{what} must have one dimension, got shape {array.shape}")
    if array.size == 0:
        raise InputError(f"{what} is empty: the measure needs at least one normal and one anomaly")
    if np.isnan(array).any():
        raise InputError(f"{what}: {int(np.isnan(array).sum())} of {array.size} rows are NaN")
    return array
