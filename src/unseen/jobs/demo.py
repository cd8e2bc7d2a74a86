"""The demonstration: train on one recording with some attack families hidden, and see what is caught in another."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.resources import as_file, files

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from unseen.detectors import UnseenDetector
from unseen.jobs.evaluate import Evaluation, evaluate_scores
from unseen.jobs.split import hidden_classes
from unseen.splits import row_hashes
from unseen.table import as_labels

__all__ = ["DemoReport", "default_hidden", "embedded_table", "run_demo"]

NORMAL = "benign"
METADATA = ("window", "tool", "site", "start_s")
_LABEL = "label"
# Two seconds each: longer than most bursts, short enough that every part has all kinds of traffic.
_TIME_BLOCKS = 240
# Every third family of the alphabet: nobody picked the easy ones.
_EVERY = 3


@dataclass(frozen=True)
class DemoReport:
    """What the demonstration did.

    Attributes:
        hidden: The families that training never saw.
        rows: Rows by use.
        evaluation: Alarms and recall on the other recording.
        twins: For each family, its test rows that equal a benign row in every feature: nobody can tell those apart.
        fit_seconds: Time to fit.
        score_seconds: Time to score the test rows.
    """

    hidden: tuple[str, ...]
    rows: dict[str, int]
    evaluation: Evaluation
    twins: dict[str, int]
    fit_seconds: float
    score_seconds: float


def embedded_table(name: str = "lab") -> pa.Table:
    """One of the two embedded recordings (see ``data/README.md`` in the package).

    Arguments:
        name: ``"lab"``, the recording to train on, or ``"lab_b"``, the one to test on.
    """
    with as_file(files("unseen") / "data" / f"{name}.parquet") as path:
        return pq.read_table(path)


def default_hidden(labels: Sequence[str]) -> tuple[str, ...]:
    """The families hidden by default: every third of the alphabet."""
    families = sorted(set(labels) - {NORMAL})
    return tuple(families[::_EVERY])


def run_demo(
    *,
    hide: Sequence[str] | None = None,
    seed: int = 0,
    progress: Callable[..., None] | None = None,
) -> DemoReport:
    """Fit a :class:`~unseen.UnseenDetector` on one embedded recording and test it on the other.

    The two were recorded one after the other, with other users, times and settings of the attack tools. Within the
    first, benign flows are split by blocks of time and attacks by ``window`` (one run of a tool), so that no
    calibration row has a twin of the same burst among the fitting rows.

    Arguments:
        hide: Families to hide from training.
        seed: Seeds the training.
        progress: Called as training proceeds.

    Raises:
        InputError: If a family to hide does not exist.
    """
    train, train_labels = _labelled("lab")
    names = sorted(set(train_labels.tolist()))
    hidden = default_hidden(names) if hide is None else hidden_classes(hide, names, NORMAL)
    start = train.column("start_s").to_numpy()
    piece = np.floor(start / (start.max() + 1e-9) * _TIME_BLOCKS).astype(np.int64)
    window = train.column("window").to_numpy().astype(np.int64) + 1
    # One number for each block of benign time and each attack window.
    blocks = np.where(train_labels == NORMAL, piece, _TIME_BLOCKS + window)
    # An attack flow that equals a benign one in every feature teaches nothing but that the benign one is an attack.
    used = ~np.isin(train_labels, hidden) & ~_twins(train, train_labels)
    began = time.perf_counter()
    detector = UnseenDetector(normal=NORMAL, random_state=seed)
    detector.fit(_features(train).filter(pa.array(used)), train_labels[used], blocks=blocks[used], progress=progress)
    fitted = time.perf_counter()
    test, labels = _labelled("lab_b")
    scores = detector.anomaly_score(_features(test))
    scored = time.perf_counter()
    evaluation = evaluate_scores(
        scores,
        labels,
        normal=NORMAL,
        known=detector.known_classes,
        calibrator=detector.calibrator_,
        rates=(0.05, 0.01),
    )
    doubled = labels[_twins(test, labels)]
    return DemoReport(
        hidden=hidden,
        rows={"training": int(np.count_nonzero(used)), "test": test.num_rows},
        evaluation=evaluation,
        twins={name: int(np.count_nonzero(doubled == name)) for name in names if name in doubled},
        fit_seconds=fitted - began,
        score_seconds=scored - fitted,
    )


def _labelled(name: str) -> tuple[pa.Table, NDArray[np.str_]]:
    table = embedded_table(name)
    return table, as_labels(table.column(_LABEL), table.num_rows)


def _twins(table: pa.Table, labels: NDArray[np.str_]) -> NDArray[np.bool_]:
    features = _features(table)
    hashes = row_hashes(features, features.column_names)
    return np.asarray(np.isin(hashes, hashes[labels == NORMAL]) & (labels != NORMAL))


def _features(table: pa.Table) -> pa.Table:
    return table.drop_columns([_LABEL, *METADATA])
