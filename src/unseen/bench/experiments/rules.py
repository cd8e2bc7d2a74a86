"""Decisions at thresholds, from the stored scores: precision, recall and false alarms of every unseen class."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from statistics import median

import numpy as np
from numpy.typing import NDArray

from unseen.bench.experiments.outcome import Outcome, Scores
from unseen.bench.protocol import Protocol
from unseen.calibrate import ConformalCalibrator
from unseen.metrics import balanced_f1

__all__ = ["PUBLISHED_TRIAGED", "Decision", "Rule", "calibrated", "decide", "precision_at", "published", "stage_one"]

# On the scale of `PublishedRule` in sculptors.py, rows above this are triaged; a density cannot get as high.
PUBLISHED_TRIAGED = 1000.0

# The threshold of a rule on one cell's scores; ``None`` where the cell has too few calibration rows for it.
Rule = Callable[[Scores], float | None]


def published(percentile: int) -> Rule:
    """The published, uncalibrated rule on the scale of ``PublishedRule``: triaged, or rarer than a percentile."""
    return lambda _: float(percentile)


def stage_one() -> Rule:
    """The published triage alone, on the same scale."""
    # Triaged rows lie above, and untriaged ones far below.
    return lambda _: PUBLISHED_TRIAGED


def calibrated(rate: float) -> Rule:
    """The threshold that calibration normals give for a false-alarm rate."""

    def threshold(scores: Scores) -> float | None:
        calibrator = ConformalCalibrator(scores.calibration)
        return calibrator.threshold(rate) if rate >= calibrator.smallest_rate else None

    return threshold


@dataclass(frozen=True)
class Decision:
    """What a rule does; medians over seeds.

    Attributes:
        false_alarms: The share of test normals that raise an alarm.
        recall: Of each unseen class.
        unseen: Recall over the unseen classes, weighted as the protocol says.
        precision: Of the alarms on as many anomalies as normals, weighted alike.
        f1: Of the same.
        known: Recall of known anomalies; ``None`` without any.
        known_f1: On as many known anomalies as normals.
        rows: Test rows of each unseen class.
    """

    false_alarms: float
    recall: dict[str, float]
    unseen: float
    precision: float
    f1: float
    known: float | None
    known_f1: float | None
    rows: dict[str, int]


def decide(outcome: Outcome, protocol: Protocol, name: str, rule: Rule) -> Decision | None:
    """What a rule does with a variant's scores on a protocol; ``None`` where it cannot be applied."""
    found = [made for scores in outcome.scores(protocol, name) if (made := _decide(scores, protocol, rule)) is not None]
    if not found:
        return None
    classes = sorted({name for one in found for name in one.recall})
    known = [one.known for one in found if one.known is not None]
    known_f1 = [one.known_f1 for one in found if one.known_f1 is not None]
    return Decision(
        false_alarms=median(one.false_alarms for one in found),
        recall={name: median(one.recall[name] for one in found if name in one.recall) for name in classes},
        unseen=median(one.unseen for one in found),
        precision=median(one.precision for one in found),
        f1=median(one.f1 for one in found),
        known=median(known) if known else None,
        known_f1=median(known_f1) if known_f1 else None,
        rows={name: max(one.rows.get(name, 0) for one in found) for name in classes},
    )


def _decide(scores: Scores, protocol: Protocol, rule: Rule) -> Decision | None:
    threshold = rule(scores)
    if threshold is None:
        return None
    false_alarms = _share_above(scores.normal, threshold)
    recall = {name: _share_above(found, threshold) for name, found in scores.classes.items()}
    score = balanced_f1(recall, false_alarms, _weights(scores, protocol))
    known = _share_above(scores.known, threshold) if scores.known.size else None
    return Decision(
        false_alarms=false_alarms,
        recall=recall,
        unseen=score.recall,
        precision=score.precision,
        f1=score.f1,
        known=known,
        known_f1=None if known is None else balanced_f1({"known": known}, false_alarms, {"known": 1}).f1,
        rows={name: found.size for name, found in scores.classes.items()},
    )


def _weights(scores: Scores, protocol: Protocol) -> Mapping[str, float]:
    return protocol.class_weights or {name: found.size for name, found in scores.classes.items()}


def precision_at(
    outcome: Outcome, protocol: Protocol, name: str, recalls: tuple[float, ...], prevalence: float
) -> dict[str, list[float]]:
    """The precision–recall curve of each unseen class at some recalls, if the class were so large a share of all rows.

    Precision is that at the highest threshold which catches at least so many of the class; medians over seeds.

    Arguments:
        outcome: The results.
        protocol: The protocol.
        name: The variant.
        recalls: Where to read the curve.
        prevalence: The share of the class.
    """
    found: dict[str, list[list[float]]] = {}
    for class_name, normal, caught in _classes(outcome.scores(protocol, name)):
        needed = np.ceil(np.array(recalls) * caught.size - 1e-9).astype(np.intp).clip(1) - 1
        thresholds = np.sort(caught)[::-1][needed]
        recall = np.array([np.mean(caught >= threshold) for threshold in thresholds])
        false_alarms = np.array([np.mean(normal >= threshold) for threshold in thresholds])
        precision = prevalence * recall / (prevalence * recall + (1 - prevalence) * false_alarms)
        found.setdefault(class_name, []).append(precision.tolist())
    return {class_name: [median(column) for column in zip(*rows, strict=True)] for class_name, rows in found.items()}


def _classes(
    cells: Iterator[Scores],
) -> Iterator[tuple[str, NDArray[np.float64], NDArray[np.float64]]]:
    for scores in cells:
        for name, found in scores.classes.items():
            yield name, scores.normal, found


def _share_above(scores: NDArray[np.float64], threshold: float) -> float:
    return float(np.mean(scores > threshold))
