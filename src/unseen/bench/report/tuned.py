"""What tuning chose within the cells, and what it was worth."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from statistics import fmean

from unseen.bench.report.gather import Section
from unseen.bench.report.table import Row, Table, Value
from unseen.bench.report.words import NONE, clean, figure, seconds, signed
from unseen.bench.results import CellResult, method_label
from unseen.bench.summary import summarise

__all__ = ["choices", "tuning_table"]


def choices(results: Sequence[CellResult]) -> str:
    """What was chosen in how many cells, the most frequent first; empty where nothing was tuned.

    Arguments:
        results: A method's results.
    """
    tunings = [result.tuning for result in results if result.tuning is not None]
    found = Counter(
        ", ".join(f"{name} = {json.dumps(value)}" for name, value in tuning.chosen.items()) or "its own settings"
        for tuning in tunings
    )
    return "; ".join(f"{said} in {count} of {len(tunings)} cells" for said, count in found.most_common())


def tuning_table(section: Section) -> Table | None:
    """One row for each tuned method: what was chosen, the scores it was chosen by, and what held-out groups say of it.

    Arguments:
        section: The protocol.
    """
    rows = []
    for line in [*section.ranked, *section.controls]:
        results = section.by_method[line.method]
        tuned = [result for result in results if result.tuning is not None and result.tuning.best is not None]
        if not any(result.tuning for result in results):
            continue
        inner = [_inner(result) for result in tuned]
        gain = _gain(section, results)
        values = [
            Value(clean(choices(results))),
            Value(figure(fmean(best for best, _ in inner) if inner else None)),
            Value(figure(_mean([first for _, first in inner]))),
            Value(NONE if gain is None else signed(gain)),
            Value(seconds(fmean(result.tuning.seconds for result in tuned if result.tuning)) if tuned else NONE),
        ]
        rows.append(Row(clean(line.method), values))
    if not rows:
        return None
    head = ["method", "chosen", "seen AUROC", "of the first values", "unseen AUROC gained", "tuning s"]
    notes = [
        "Within each cell's training rows one seen group at a time was left out, and the combination with the best "
        "mean AUROC over them was refitted on all training rows; held-out rows took no part. Seen AUROC: that mean, "
        "which flatters the choice it was made by. Gained: the difference in macro AUROC of held-out rows to the "
        "same method with its own settings, on the same cells, where both were run. Tuning seconds: a cell, mean."
    ]
    return Table(head, rows, notes)


def _inner(result: CellResult) -> tuple[float, float | None]:
    """The best mean inner AUROC, and that of the grid's first combination."""
    assert result.tuning is not None
    best = result.tuning.best
    assert best is not None
    assert best.mean is not None
    return best.mean, result.tuning.candidates[0].mean


def _gain(section: Section, tuned: Sequence[CellResult]) -> float | None:
    """The difference in macro AUROC to the untuned method, over the cells that both finished."""
    plain = section.by_method.get(method_label(tuned[0].method, tuned[0].parameters), [])
    common = {result.key for result in plain} & {result.key for result in tuned}
    if not common:
        return None
    lines = [
        summarise([result for result in results if result.key in common], [section.protocol])
        for results in (tuned, plain)
    ]
    return lines[0][0].auroc - lines[1][0].auroc


def _mean(values: Sequence[float | None]) -> float | None:
    found = [value for value in values if value is not None]
    return fmean(found) if found else None
