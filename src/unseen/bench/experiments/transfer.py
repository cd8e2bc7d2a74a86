"""What the experiments on meta-learning print beside AUROC: decisions at a transferred threshold, and mean ranks."""

from __future__ import annotations

from statistics import fmean

import numpy as np

from unseen.bench.experiments.compared import difference
from unseen.bench.experiments.outcome import Outcome
from unseen.bench.experiments.page import Part, row
from unseen.bench.experiments.rules import calibrated, decide
from unseen.bench.report.table import Table
from unseen.bench.report.words import figure, percent, signed
from unseen.bench.stats.ranks import ranks
from unseen.bench.stats.sentences import joined

__all__ = ["LIMIT", "ahead_of", "mean_ranks", "on_the_control", "ranks_part", "transferred_part"]

# The threshold is that which normals of the calibration set give for this rate, carried over to unseen classes.
_RATE = 0.05

# The project's aim: no worse than the control by more than this.
LIMIT = -0.01


def transferred_part(outcome: Outcome) -> Part:
    """Precision, recall and F1 on unseen classes at a threshold that seen normals give, protocol by protocol."""
    tables = []
    for protocol in outcome.protocols:
        rows = []
        for variant in outcome.variants:
            line = outcome.summaries.get((protocol.name, variant.name))
            made = decide(outcome, protocol, variant.name, calibrated(_RATE))
            if line is None or made is None:
                continue
            shares = [percent(value) for value in (made.precision, made.unseen)]
            rows.append(row(variant.name, figure(line.auroc), *shares, figure(made.f1), percent(made.false_alarms, 2)))
        head = ["variant", "macro AUROC", "precision", "recall", "F1", "false alarms"]
        if rows:
            tables.append((f"{protocol.name}:", Table(head, rows, [])))
    said = (
        f"The threshold is the one that calibration normals give for {100 * _RATE:g} % false alarms; no held-out row "
        "has a say in it. Recall is the mean over the hidden classes that count in means (by rows, where a protocol "
        "says nothing of it), precision and F1 are on as many anomalies as normals; medians over seeds, shares in "
        "percent."
    )
    return Part("At a transferred threshold", [said], tables)


def mean_ranks(outcome: Outcome) -> dict[str, float]:
    """The mean over protocols of a variant's rank by macro AUROC, 1 is best; of variants that finished on all."""
    found = _ranks(outcome)
    return {name: fmean(places) for name, places in sorted(found.items(), key=lambda item: fmean(item[1]))}


def _ranks(outcome: Outcome) -> dict[str, list[float]]:
    areas = {
        variant.name: [
            line.auroc
            for protocol in outcome.protocols
            if (line := outcome.summaries.get((protocol.name, variant.name))) is not None
        ]
        for variant in outcome.variants
    }
    whole = {name: found for name, found in areas.items() if len(found) == len(outcome.protocols)}
    if not whole:
        return {}
    # Protocols down, variants across.
    by_protocol = ranks(np.array(list(whole.values())).T)
    return dict(zip(whole, by_protocol.T.tolist(), strict=True))


def ranks_part(outcome: Outcome) -> Part:
    """Every variant's rank on each protocol, and their mean."""
    means, places = mean_ranks(outcome), _ranks(outcome)
    rows = [row(name, f"{mean:.1f}", *(f"{rank:g}" for rank in places[name])) for name, mean in means.items()]
    head = ["variant", "mean rank", *(protocol.name for protocol in outcome.protocols)]
    lead = "By macro AUROC, medians over seeds, 1 is best; data sets weigh alike:"
    return Part("Ranks", [], [(lead, Table(head, rows, []))])


def on_the_control(outcome: Outcome, name: str) -> list[str]:
    """Whether a variant keeps the project's aim against the reference, its joint control."""
    found = difference(outcome, name)
    if found is None:
        return []
    kept = found.interval.low > LIMIT
    said = [
        f"The aim was an interval above {signed(LIMIT)}: it {'is' if kept else 'is not'}, its lower end being "
        f"{signed(found.interval.low)}."
    ]
    if found.by_mean * found.by_ranks < 0:
        said.append(f"Groups and mean disagree on {name} and the plain network on the same rows ({found.words}).")
    elif found.by_mean > 0 or found.by_ranks > 0:
        said.append(f"{name} is ahead of the plain network on the same rows ({found.words}).")
    elif found.by_mean < 0 or found.by_ranks < 0:
        said.append(
            f"{name} is behind the plain network on the same rows ({found.words}): its episodes cost more than they "
            "bring here."
        )
    else:
        said.append(
            f"That the episodes of {name} bring anything over the plain network on the same rows is not shown here."
        )
    return said


def ahead_of(outcome: Outcome, name: str, others: tuple[str, ...]) -> str:
    """One sentence on a variant's mean rank among others."""
    means = mean_ranks(outcome)
    if name not in means:
        return f"{name} did not finish on all data sets, so it has no mean rank."
    before = [f"{other} ({means[other]:.1f})" for other in others if other in means and means[other] <= means[name]]
    behind = sum(other in means and means[other] > means[name] for other in others)
    said = f"By mean rank over the {len(outcome.protocols)} data sets, {name} has {means[name]:.1f} and is ahead of "
    said += f"{behind} of {len(others)} rivals"
    return f"{said}; not of {joined(before, most=99)}." if before else f"{said}."
