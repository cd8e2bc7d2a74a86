"""Experiments: the questions authors and readers ask, each runnable by name and answered with a page."""

from __future__ import annotations

from unseen.bench.experiments import (
    cross_data,
    evidences,
    meta_controls,
    meta_domains,
    meta_far,
    meta_learning,
    meta_margin,
    meta_sculpted,
    meta_shots,
    meta_spread,
    paper_table,
    raw_flow,
    self_supervised,
    stages,
    thresholds,
    weights,
)
from unseen.bench.experiments.document import Document, document, render_markdown
from unseen.bench.experiments.outcome import Outcome
from unseen.bench.experiments.plan import Experiment, OpenExperiment, Variant
from unseen.bench.experiments.run import run_experiment
from unseen.errors import InputError
from unseen.schema import nearest

__all__ = [
    "EXPERIMENTS",
    "OPEN",
    "Document",
    "Experiment",
    "OpenExperiment",
    "Outcome",
    "Variant",
    "document",
    "experiment",
    "render_markdown",
    "run_experiment",
]

EXPERIMENTS: dict[str, Experiment] = {
    module.EXPERIMENT.name: module.EXPERIMENT
    for module in (
        paper_table,
        weights,
        thresholds,
        stages,
        raw_flow,
        cross_data,
        self_supervised,
        evidences,
        meta_learning,
        meta_controls,
        meta_shots,
        meta_domains,
        meta_margin,
        meta_far,
        meta_spread,
        meta_sculpted,
    )
}

OPEN = (
    OpenExperiment(
        name="images",
        question="Does structure-then-estimate carry over to images?",
        why=(
            "it needs the features of a frozen visual network; the package reads tables only, and neither such a "
            "network nor images are part of it"
        ),
    ),
    OpenExperiment(
        name="temporal",
        question="Does a front end over sequences of flows between two hosts catch mimicry such as Bot traffic?",
        why=(
            "it needs hosts and times for each flow; the CIC-IDS-2017 samples at hand have none of the hosts, so "
            "sequences cannot be formed"
        ),
    ),
)


def experiment(name: str) -> Experiment:
    """An experiment by its name.

    Raises:
        InputError: If there is none, or it is still open; with the near match.

    Example:
        >>> experiment("thresholds").protocols
        ('cicids2017-paper',)
    """
    if name in EXPERIMENTS:
        return EXPERIMENTS[name]
    for found in OPEN:
        if found.name == name:
            raise InputError(f"the experiment {name!r} is open: {found.why}")
    near = nearest(name, EXPERIMENTS)
    hint = f"did you mean {near!r}?" if near else f"choose of {', '.join(EXPERIMENTS)}"
    raise InputError(f"there is no experiment {name!r}; {hint}")
