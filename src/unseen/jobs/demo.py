"""The demonstration: train on embedded real traffic with some attack families hidden, and see what is caught."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.resources import as_file, files

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from unseen.detectors import LatentSculptor
from unseen.jobs.evaluate import Evaluation, evaluate_scores
from unseen.jobs.split import hidden_classes
from unseen.splits import row_hashes, split_blocks
from unseen.table import as_labels

__all__ = ["DemoReport", "default_hidden", "embedded_table", "run_demo"]

NORMAL = "benign"
METADATA = ("window", "tool", "site", "start_s")
_LABEL = "label"
# Two seconds each: longer than most bursts, short enough that every part has all kinds of traffic.
_TIME_BLOCKS = 240
_TEST_SHARE = 0.25
# Every third family of the alphabet: nobody picked the easy ones.
_EVERY = 3


@dataclass(frozen=True)
class DemoReport:
    """What the demonstration did.

    Attributes:
        hidden: The families that training never saw.
        rows: Rows by use.
        evaluation: Alarms and recall on the test rows.
        twins: For each family, its rows that equal a benign row in every feature: no detector can tell those apart.
        fit_seconds: Time to fit.
        score_seconds: Time to score the test rows.
    """

    hidden: tuple[str, ...]
    rows: dict[str, int]
    evaluation: Evaluation
    twins: dict[str, int]
    fit_seconds: float
    score_seconds: float


def embedded_table() -> pa.Table:
    """The embedded traffic (see ``data/README.md`` in the package)."""
    with as_file(files("unseen") / "data" / "lab.parquet") as path:
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
    """Fit a :class:`~unseen.LatentSculptor` on the embedded traffic and test it on other windows and times.

    Each run of an attack tool (a ``window``) is wholly for training or wholly for the test, and benign flows are split
    by blocks of time, so that no test flow has a twin of the same burst among the training rows.

    Arguments:
        hide: Families to hide from training.
        seed: Seeds split and training.
        progress: Called as training proceeds.

    Raises:
        InputError: If a family to hide does not exist.
    """
    table = embedded_table()
    labels = as_labels(table.column(_LABEL), table.num_rows)
    names = sorted(set(labels.tolist()))
    hidden = default_hidden(names) if hide is None else hidden_classes(hide, names, NORMAL)
    benign = labels == NORMAL
    start = table.column("start_s").to_numpy()
    block = np.where(benign, np.floor(start / (start.max() + 1e-9) * _TIME_BLOCKS), 0).astype(np.int64)
    window = table.column("window").to_numpy().astype(np.int64) + 1
    # One number for each block of benign time and each attack window.
    blocks = np.where(benign, block, _TIME_BLOCKS + window)
    test = np.zeros(table.num_rows, dtype=bool)
    for name in names:
        rows = labels == name
        shares = {"train": 1.0 - _TEST_SHARE, "test": _TEST_SHARE}
        parts = split_blocks(blocks[rows], shares, salt=f"demo {seed} {name}", blocks=len(np.unique(blocks[rows])))
        test[rows] = (parts == 1) | (name in hidden)
    features = table.drop_columns([_LABEL, *METADATA])
    began = time.perf_counter()
    detector = LatentSculptor(normal=NORMAL, random_state=seed)
    train = pa.array(~test)
    detector.fit(features.filter(train), labels[~test], blocks=blocks[~test], progress=progress)
    fitted = time.perf_counter()
    scores = detector.anomaly_score(features.filter(pa.array(test)))
    scored = time.perf_counter()
    evaluation = evaluate_scores(
        scores,
        labels[test],
        normal=NORMAL,
        known=detector.known_classes,
        calibrator=detector.calibrator_,
        rates=(0.05, 0.01),
    )
    hashes = row_hashes(features, features.column_names)
    doubled = labels[np.isin(hashes, hashes[benign]) & ~benign]
    return DemoReport(
        hidden=hidden,
        rows={"training": int(np.count_nonzero(~test)), "test": int(np.count_nonzero(test))},
        evaluation=evaluation,
        twins={name: int(np.count_nonzero(doubled == name)) for name in names if name in doubled},
        fit_seconds=fitted - began,
        score_seconds=scored - fitted,
    )
