"""What is reported of a scored cell, and what its fit and its scores cost."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from unseen.bench.cell import NORMAL, UNSEEN, Cell
from unseen.bench.protocol import Protocol
from unseen.calibrate import ConformalCalibrator
from unseen.jobs.evaluate import Evaluation, evaluate_scores
from unseen.metrics import balanced_f1

__all__ = ["Measures", "PeakMemory", "measure"]


class Measures(BaseModel):
    """The figures of one method on one cell.

    Attributes:
        main: All kept rows.
        strict: Unseen rows restricted as the protocol's ``strict`` says.
        with_dropped: De-duplication undone for the unseen classes: equal rows count as often as they occur, and rows
            that equal a normal one count as missed or caught with it.
        f1: Class-weighted F1 on as many anomalies as normals, as the paper reports it: by kind and by rate.
        weighted: The same weighting for AUROC and for average precision at balance; unseen classes.
    """

    model_config = ConfigDict(frozen=True)

    main: Evaluation
    strict: Evaluation | None = None
    with_dropped: Evaluation | None = None
    f1: dict[str, dict[str, float]]
    weighted: dict[str, float]


def measure(cell: Cell, scores: NDArray[np.float64], calibrator: ConformalCalibrator, protocol: Protocol) -> Measures:
    """Compare a method's scores of a cell's test rows with their labels.

    Arguments:
        cell: The cell.
        scores: Scores of ``cell.test``, shape (n,).
        calibrator: Fitted on normals that served no other purpose.
        protocol: The protocol.
    """

    def evaluated(rows: NDArray[np.bool_], add: NDArray[np.intp] | None = None) -> Evaluation:
        more = np.empty(0, dtype=np.intp) if add is None else add
        labels = cell.test_labels[rows]
        return evaluate_scores(
            np.concatenate([scores[rows], scores[more]]),
            labels if add is None else np.concatenate([labels, cell.dropped_labels]),
            normal=cell.normal,
            known=cell.known_classes,
            calibrator=calibrator,
            rates=protocol.rates,
            fewest_for_mean=protocol.fewest_for_mean,
        )

    kept = np.arange(len(scores)) < len(scores) - cell.extra
    main = evaluated(kept)
    strict = None
    if cell.strict is not None and np.any(rows := kept & (cell.strict | (cell.role != UNSEEN))):
        strict = evaluated(rows)
    weights = protocol.class_weights or {c.name: c.rows for c in main.classes if not c.known}
    return Measures(
        main=main,
        strict=strict,
        with_dropped=evaluated(kept, cell.twin) if len(cell.twin) else None,
        f1=_f1(main, weights),
        weighted={
            "auroc": sum(weights[c.name] * c.auroc for c in main.classes if not c.known) / sum(weights.values()),
            "auprc": _weighted_precision(cell, scores, kept, weights),
        },
    )


def _f1(result: Evaluation, weights: Mapping[str, int]) -> dict[str, dict[str, float]]:
    f1: dict[str, dict[str, float]] = {"unseen": {}}
    for at in result.rates:
        rate = f"{at.rate:g}"
        recalls = {c.name: c.recall[rate] for c in result.classes if not c.known}
        f1["unseen"][rate] = balanced_f1(recalls, at.realised, weights).f1
        if "known" in result.summary:
            # The paper's known rows come as they are: the classes weigh by their rows.
            recall = {"known": result.summary["known"][f"recall_{rate}"]}
            f1.setdefault("known", {})[rate] = balanced_f1(recall, at.realised, {"known": 1}).f1
    return f1


def _weighted_precision(
    cell: Cell, scores: NDArray[np.float64], kept: NDArray[np.bool_], weights: Mapping[str, int]
) -> float:
    """Average precision of the unseen classes at balance, each class with its weight spread over its rows."""
    normals = np.sort(scores[kept & (cell.role == NORMAL)])
    unseen = kept & (cell.role == UNSEEN)
    names, code, sizes = np.unique(cell.test_labels[unseen], return_inverse=True, return_counts=True)
    weight = (np.array([weights[str(name)] for name in names]) / sizes)[code]
    order = np.argsort(-scores[unseen], kind="stable")
    found, caught = scores[unseen][order], np.cumsum(weight[order]) / weight.sum()
    last = np.append(np.flatnonzero(np.diff(found)), found.size - 1)
    recall = caught[last]
    false_alarms = (normals.size - np.searchsorted(normals, found[last], side="left")) / normals.size
    # Rows of no weight may come before all others: nothing is caught there, and no precision is needed.
    precision = recall / np.where(recall > 0, recall + false_alarms, 1.0)
    return float(np.sum(np.diff(recall, prepend=0.0) * precision))


class PeakMemory:
    """The most memory this process held since the object was made, in bytes.

    Linux lets a process lower its high-water mark, so that each method of a long-lived worker is charged for itself;
    elsewhere the mark is that of the whole process so far.
    """

    def __init__(self) -> None:
        try:
            Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
        except OSError:
            self.since_start = False
        else:
            self.since_start = True

    def read(self) -> int | None:
        """The high-water mark now; ``None`` where the system does not tell, as on Windows."""
        if self.since_start:
            for line in Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines():
                if line.startswith("VmHWM:"):
                    return int(line.split()[1]) * 1024
        try:
            import resource
        except ImportError:
            return None
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return int(most if sys.platform == "darwin" else most * 1024)
