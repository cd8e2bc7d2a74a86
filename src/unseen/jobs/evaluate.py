"""How well a model does on labelled rows: per class, known and unseen apart, with intervals."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from unseen.calibrate import ConformalCalibrator
from unseen.errors import InputError
from unseen.jobs.columns import without_metadata
from unseen.jobs.places import located
from unseen.jobs.split import RowSplit, labels_of
from unseen.metrics import auroc, average_precision, f1_from_counts, recall_at, wilson_interval
from unseen.nn.diagnostics import check_false_alarms
from unseen.prepare import Tally
from unseen.schema import resolve_normal
from unseen.sources import open_source
from unseen.table import check_present

if TYPE_CHECKING:
    from unseen.detectors import Detector

__all__ = ["RATES", "ClassResult", "Evaluation", "RateResult", "evaluate_file", "evaluate_scores"]

RATES = (0.05, 0.01, 0.001)
_FEWEST_FOR_MEAN = 30
_PREVALENCE = 0.01


class RateResult(BaseModel):
    """Alarms on normals at one asked false-alarm rate."""

    model_config = ConfigDict(frozen=True)

    rate: float
    threshold: float
    false_alarms: int
    normals: int
    realised: float
    expected_low: int
    expected_high: int

    @property
    def within(self) -> bool:
        """Whether the count lies in the 95 % interval that the calibration promises."""
        return self.expected_low <= self.false_alarms <= self.expected_high


class ClassResult(BaseModel):
    """One anomaly class: its AUROC, and its recall with a Wilson interval at each rate."""

    model_config = ConfigDict(frozen=True)

    name: str
    known: bool
    rows: int
    auroc: float
    recall: dict[str, float]
    recall_low: dict[str, float]
    recall_high: dict[str, float]


class Evaluation(BaseModel):
    """The result of an evaluation; ``model_dump_json`` gives it to a machine."""

    model_config = ConfigDict(frozen=True)

    rows: int
    left_out: int
    refused_rates: dict[str, str]
    rates: list[RateResult]
    classes: list[ClassResult]
    summary: dict[str, dict[str, float]]
    notes: list[str]


def evaluate_file(
    detector: Detector,
    data: str | Path | Sequence[str | Path],
    *,
    label: str | None = None,
    normal: str | None = None,
    all_rows: bool = False,
    rates: Sequence[float] = RATES,
    progress: Callable[[int], None] | None = None,
) -> Evaluation:
    """Score labelled rows and compare.

    Arguments:
        detector: A fitted detector.
        data: A file, a folder, or a glob with the fitted columns and the labels.
        label: The label column; the model's own by default.
        normal: The label of normal rows; the model's own by default.
        all_rows: Use every row. Otherwise rows that the model's split gave to training are left out, which is what
            the file it was fitted on needs.
        rates: False-alarm rates to report at.
        progress: Called with the number of rows read so far.

    Raises:
        InputError: If there is no label column or no normal row, or the data do not fit the model.
    """
    label = label or detector.schema_.label
    if label is None:
        raise InputError("the model was fitted without labels; name the label column: --label COLUMN")
    split = _split_of(detector, all_rows=all_rows)
    by = [split.by] if split is not None and split.by is not None else []
    source = open_source(data, text=[label, *detector.schema_.categories, *by])
    check_present(source.schema.names, [label], option="label")
    detector.schema_.check_names([name for name in without_metadata(source, detector.schema_.names) if name != label])
    wanted = [*detector.schema_.names, label]
    if split is not None and split.column is not None:
        check_present(source.schema.names, [split.column], option=split.option)
        wanted.append(split.column)
    is_test = None if split is None else split.begin(detector.schema_)
    scores: list[NDArray[np.float64]] = []
    labels: list[NDArray[np.str_]] = []
    total, read = Tally(), 0
    for batch in source.batches(columns=list(dict.fromkeys(wanted))):
        names = labels_of(batch, label)
        read += batch.num_rows
        if is_test is not None:
            keep = is_test(batch, names)
            batch, names = batch.filter(keep), names[keep]
        with located(sum(map(len, scores)), "evaluated rows"):
            scored = detector.score_batch(batch.select(detector.schema_.names))
        total.merge(scored.tally)
        scores.append(scored.anomaly_score)
        labels.append(names)
        if progress is not None:
            progress(read)
    found = np.concatenate(labels)
    if not found.size:
        raise InputError(f"all {read:,} rows are training rows of this model; to use them all the same: --all-rows")
    wanted_normal = normal or detector.schema_.normal
    name = resolve_normal([str(value) for value in np.unique(found)], wanted_normal)
    result = evaluate_scores(
        np.concatenate(scores),
        found,
        normal=name,
        known=detector.known_classes,
        calibrator=detector.calibrator_,
        rates=rates,
    )
    wrong = [line for rate in result.rates for line in check_false_alarms(rate.realised, rate.rate)]
    notes = [*source.notes, *total.messages(), *wrong[:1]]
    return result.model_copy(update={"left_out": read - len(found), "notes": notes})


def _split_of(detector: Detector, *, all_rows: bool) -> RowSplit | None:
    stored = detector.provenance_.get("split")
    if all_rows or stored is None or stored.get("kind") != "hash":
        return None
    return RowSplit.model_validate(stored)


def evaluate_scores(
    scores: NDArray[np.float64],
    labels: NDArray[np.str_],
    *,
    normal: str,
    known: Sequence[str],
    calibrator: ConformalCalibrator,
    rates: Sequence[float] = RATES,
    fewest_for_mean: int = _FEWEST_FOR_MEAN,
) -> Evaluation:
    """Compare scores with labels.

    Arguments:
        scores: Anomaly scores, shape (n,).
        labels: Class labels, shape (n,).
        normal: The label of normal rows.
        known: Classes the detector was trained on; all others are unseen.
        calibrator: Gives the thresholds; fitted on other normals.
        rates: False-alarm rates to report at; one that the calibration set cannot guarantee is reported as refused.
        fewest_for_mean: Classes with fewer rows do not count in means, unless all are that small.

    Raises:
        InputError: If there is no normal row.
    """
    normals = scores[labels == normal]
    classes = [str(name) for name in np.unique(labels) if name != normal]
    if not normals.size:
        raise InputError(f"there are no normal rows ({normal!r}) to measure false alarms on")
    results, refused = [], {}
    for rate in rates:
        if rate < calibrator.smallest_rate:
            refused[f"{rate:g}"] = f"needs {int(np.ceil(1 / rate)) - 1} calibration rows, there are {calibrator.rows}"
            continue
        threshold = calibrator.threshold(rate)
        low, high = calibrator.false_alarm_count_interval(rate, normals.size)
        count = int(np.count_nonzero(normals > threshold))
        results.append(
            RateResult(
                rate=rate,
                threshold=threshold,
                false_alarms=count,
                normals=normals.size,
                realised=count / normals.size,
                expected_low=low,
                expected_high=high,
            )
        )
    compared = [_class_result(name, name in known, scores[labels == name], normals, results) for name in classes]
    summary = {
        kind: _summary(
            [c for c in compared if c.known == flag], scores[np.isin(labels, names)], normals, results, fewest_for_mean
        )
        for kind, flag in (("known", True), ("unseen", False))
        if (names := [c.name for c in compared if c.known == flag])
    }
    return Evaluation(
        rows=len(scores), left_out=0, refused_rates=refused, rates=results, classes=compared, summary=summary, notes=[]
    )


def _class_result(
    name: str, known: bool, scores: NDArray[np.float64], normals: NDArray[np.float64], rates: Sequence[RateResult]
) -> ClassResult:
    hits = {f"{r.rate:g}": int(np.count_nonzero(scores > r.threshold)) for r in rates}
    intervals = {rate: wilson_interval(count, scores.size) for rate, count in hits.items()}
    return ClassResult(
        name=name,
        known=known,
        rows=scores.size,
        auroc=auroc(normals, scores),
        recall={rate: count / scores.size for rate, count in hits.items()},
        recall_low={rate: low for rate, (low, _) in intervals.items()},
        recall_high={rate: high for rate, (_, high) in intervals.items()},
    )


def _summary(
    classes: Sequence[ClassResult],
    scores: NDArray[np.float64],
    normals: NDArray[np.float64],
    rates: Sequence[RateResult],
    fewest_for_mean: int,
) -> dict[str, float]:
    """Figures over one kind of classes: pooled rows, and the mean over classes large enough to say something."""
    large = [c for c in classes if c.rows >= fewest_for_mean] or list(classes)
    summary = {
        "rows": float(scores.size),
        "auroc": auroc(normals, scores),
        "auprc_at_1_percent": average_precision(normals, scores, prevalence=_PREVALENCE),
        "macro_auroc": float(np.mean([c.auroc for c in large])),
        "macro_classes": float(len(large)),
    }
    for r in rates:
        hits = int(np.count_nonzero(scores > r.threshold))
        summary[f"recall_{r.rate:g}"] = recall_at(scores, r.threshold)
        summary[f"macro_recall_{r.rate:g}"] = float(np.mean([c.recall[f"{r.rate:g}"] for c in large]))
        summary[f"f1_{r.rate:g}"] = f1_from_counts(hits, r.false_alarms, scores.size).f1
    return summary
