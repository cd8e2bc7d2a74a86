"""What the rivals of meta-learning share: domains, the budget, and settings chosen on seen families alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from unseen.baselines.base import Baseline, FittingRows, drawn
from unseen.detectors.base import DomainDetector
from unseen.metrics import auroc
from unseen.nn.rivals.pools import EPOCH_STEPS, Pool
from unseen.nn.train import TrainSettings

__all__ = ["STEPS", "FamilyBaseline", "budget", "choose", "domain_pools", "drawn_budget", "one_pool"]

Candidate = TypeVar("Candidate")

# Optimiser steps of MetaLearner's preset with 50 shots: twenty episodes of 29 inner and 3 outer ones.
STEPS = 640

# MetaLearner's inner loop: AdamW 1e-3, decay 1e-4, 256 rows a step, of which one half are known anomalies here.
_SETTINGS = TrainSettings(
    batch_size=128, optimizer="adamw", learning_rate=1e-3, schedule="one-cycle", weight_decay=1e-4, keep="last"
)

# Families of fewer rows say nothing of a setting; they are always trained on.
_FEWEST_HELD_OUT = 10
# Rows that compare settings: more change the choice no longer, and cost a gradient each.
_NORMALS_COMPARED = 1000
_ROWS_COMPARED = 200


class FamilyBaseline(Baseline, DomainDetector):
    """A baseline that learns from known classes by their names, and from domains where ``fit`` is given them.

    Its network takes as many optimiser steps, of as many rows, as MetaLearner's preset ``fast`` does with 50 shots. The
    short trainings by which some choose a setting come on top of that.
    """


def budget(steps: int, normals: int, seed: int) -> TrainSettings:
    """The settings with the epochs that give about so many steps, whatever the number of normals."""
    epochs = max(1, round(steps * _SETTINGS.batch_size / max(normals, _SETTINGS.batch_size)))
    return _SETTINGS.model_copy(update={"epochs": epochs, "seed": seed})


def drawn_budget(steps: int, seed: int) -> TrainSettings:
    """The settings of so many steps on rows that are drawn from pools, whatever their number."""
    return _SETTINGS.model_copy(update={"epochs": max(1, round(steps / EPOCH_STEPS)), "seed": seed})


def one_pool(rows: FittingRows) -> list[Pool]:
    """All rows as one domain."""
    return [Pool(rows.normals, rows.known)]


def domain_pools(rows: FittingRows) -> list[Pool]:
    """The rows of each domain, by name.

    Domains are the ones ``fit`` was given; a class that one of them lacks is drawn there from all of its rows. Where
    none were given, each known family is a domain, with all normals.
    """
    if rows.normal_domains is None or rows.known_domains is None:
        return [Pool(rows.normals, rows.known[rows.families == name]) for name in np.unique(rows.families)]
    pools = []
    for name in np.unique(np.concatenate([rows.normal_domains, rows.known_domains])):
        normals, known = rows.normals[rows.normal_domains == name], rows.known[rows.known_domains == name]
        pools.append(Pool(normals if len(normals) else rows.normals, known if len(known) else rows.known))
    return pools


def choose(
    rows: FittingRows,
    candidates: Sequence[Candidate],
    scores: Callable[[FittingRows, NDArray[np.float32]], Sequence[NDArray[Any]]],
    seed: int,
) -> tuple[Candidate, dict[str, Any]]:
    """Choose a setting on families that were seen but, for this, not trained on.

    The known families are divided into two halves. Each half is held out once; a candidate is trained on the other
    half and on the part "fit" of the normals, and judged by its mean AUROC over the held-out families against normals
    of the part "validation". With fewer than two families of ten rows the first candidate is taken.

    Arguments:
        rows: All fitting rows; no other row is looked at.
        candidates: The settings, the default first.
        scores: Given fitting rows and rows to score, each candidate's anomaly scores.
        seed: Divides the families.

    Returns:
        The best candidate, the earliest of equals, and what to report.
    """
    names, counts = np.unique(rows.families, return_counts=True)
    names = names[counts >= _FEWEST_HELD_OUT]
    normals = rows.normals[rows.held_out]
    normals = normals[drawn(_NORMALS_COMPARED, len(normals), seed)]
    if len(names) < 2 or not len(normals):
        return candidates[0], {"chosen_on": "nothing: fewer than two known classes of 10 rows"}
    names = np.random.default_rng(seed).permutation(names)
    reached: list[list[float]] = [[] for _ in candidates]
    for held in (names[::2], names[1::2]):
        shown = _without(rows, held)
        if not len(shown.known):
            continue
        asked = [rows.known[rows.families == name] for name in held]
        asked = [part[drawn(_ROWS_COMPARED, len(part), seed)] for part in asked]
        ends = np.cumsum([len(normals), *map(len, asked)])[:-1]
        for values, given in zip(reached, scores(shown, np.concatenate([normals, *asked])), strict=True):
            normal, *parts = np.split(np.asarray(given, dtype=np.float64), ends)
            values.extend(auroc(normal, part) for part in parts)
    means = [float(np.mean(values)) for values in reached]
    best = int(np.argmax(means))
    return candidates[best], {
        "chosen_on": f"{len(names)} seen families, each half held out once",
        "auroc_of_seen_families": {str(candidate): mean for candidate, mean in zip(candidates, means, strict=True)},
    }


def _without(rows: FittingRows, held: NDArray[np.str_]) -> FittingRows:
    """The rows without those families and without the validation normals."""
    kept, fit = ~np.isin(rows.families, held), ~rows.held_out
    return replace(
        rows,
        normals=rows.normals[fit],
        held_out=rows.held_out[fit],
        known=rows.known[kept],
        families=rows.families[kept],
        normal_domains=None if rows.normal_domains is None else rows.normal_domains[fit],
        known_domains=None if rows.known_domains is None else rows.known_domains[kept],
    )
