"""Trials on known families: each is left out in turn, and every evidence is asked about it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unseen.calibrate import EvidenceMap
from unseen.calibrate.weights import LeftOut
from unseen.errors import InputError
from unseen.evidence import Evidence, EvidenceRows, Sculpted
from unseen.evidence.families import merge_classes
from unseen.evidence.recipes import FASTER
from unseen.schema import shorten

__all__ = ["FEWEST_FAMILIES", "check_families", "known_families", "left_out_trials"]

# With one family left out, another must stay to be known.
FEWEST_FAMILIES = 2

# Each family costs a fit of those evidences that learn from known anomalies.
_MOST_FAMILIES = 6
# Rows a trial is fitted on and asked about; trials rank evidences and need no more.
_NORMALS = 5_000
_KNOWN_PER_CLASS = 500
_ASKED = 300


def left_out_trials(
    evidences: Mapping[str, Evidence],
    maps: list[EvidenceMap],
    rows: EvidenceRows,
    family: NDArray[np.str_],
    *,
    seed: int,
) -> list[LeftOut]:
    """Ask each evidence about known families it was not fitted on.

    Evidences that know no anomalies are asked as they are; the others are fitted again, quickly, without the family.
    Nothing but training rows takes part.

    Arguments:
        evidences: The fitted evidences.
        maps: One map for each of their views, in order.
        rows: What they were fitted on.
        family: The family of each known anomaly, see :func:`known_families`.
        seed: Seeds the choice of rows and the fits.

    Returns:
        One trial a family; none where there are fewer than two families.
    """
    names = np.unique(family)
    if len(names) < FEWEST_FAMILIES:
        return []
    rng = np.random.default_rng([seed, 20])
    normals = rows.normals[np.sort(rng.permutation(len(rows.normals))[:_NORMALS])]
    taught = _few_of_each(rows.classes, _KNOWN_PER_CLASS, rng)
    of_class = dict(zip(rows.classes.tolist(), family.tolist(), strict=True))
    # A class with a row or two may have them all in validation: it then is of no family.
    validation_family = np.array([of_class.get(name, "") for name in rows.classes_validation.tolist()], dtype=str)
    trials = []
    for number, name in enumerate(names):
        out = np.flatnonzero(family == name)
        asked = np.concatenate([rows.known[out], rows.known_validation[validation_family == name]])
        asked = asked[rng.permutation(len(asked))[:_ASKED]]
        kept = taught[family[taught] != name]
        inner = EvidenceRows(
            normals,
            rows.known[kept],
            rows.classes[kept],
            rows.normals_validation,
            rows.known_validation[validation_family != name],
            rows.classes_validation[validation_family != name],
        )
        trials.append(_ask(str(name), evidences, maps, inner, asked, seed=(1_000_000 + seed * 1000 + number) % 2**31))
    return trials


def check_families(classes: NDArray[np.str_], families: Mapping[str, str] | None) -> None:
    """Refuse families that leave out a known class.

    Raises:
        InputError: If ``families`` names no family for a class.
    """
    missing = sorted(set(classes.tolist()) - set(classes.tolist() if families is None else families))
    if missing:
        raise InputError(f"families names no family for {shorten(missing)}; give each known class one")


def known_families(rows: EvidenceRows, families: Mapping[str, str] | None) -> NDArray[np.str_]:
    """The family of each known anomaly, shape (m,).

    Arguments:
        rows: The rows.
        families: The family of each class, or ``None`` to merge classes that look alike.

    Raises:
        InputError: If ``families`` names no family for a class.
    """
    if not len(rows.known):
        return np.empty(0, dtype="<U1")
    if families is None:
        return merge_classes(rows.known, rows.classes, _MOST_FAMILIES)
    check_families(rows.classes, families)
    return np.array([families[name] for name in rows.classes.tolist()])


def _few_of_each(classes: NDArray[np.str_], most: int, rng: np.random.Generator) -> NDArray[np.intp]:
    order = rng.permutation(len(classes))
    chosen = [order[classes[order] == name][:most] for name in np.unique(classes)]
    return np.sort(np.concatenate(chosen))


def _ask(
    name: str,
    evidences: Mapping[str, Evidence],
    maps: list[EvidenceMap],
    rows: EvidenceRows,
    asked: NDArray[np.float32],
    *,
    seed: int,
) -> LeftOut:
    normals: list[NDArray[np.float64]] = []
    anomalies: list[NDArray[np.float64]] = []
    place = 0
    for evidence in evidences.values():
        mine = maps[place : place + len(evidence.views)]
        place += len(evidence.views)
        if evidence.uses_known:
            evidence = _without(evidence, rows, seed)
            mine = [EvidenceMap.fit(column) for column in evidence.score(rows.normals_validation).T]
        for columns, X in ((normals, rows.normals_validation), (anomalies, asked)):
            raw = evidence.score(X)
            columns.extend(to_p(column) for to_p, column in zip(mine, raw.T, strict=True))
    return LeftOut(name, np.column_stack(normals), np.column_stack(anomalies))


def _without(evidence: Evidence, rows: EvidenceRows, seed: int) -> Evidence:
    options: dict[str, Any] = {"recipe": FASTER} if isinstance(evidence, Sculpted) else {}
    fitted: Evidence = type(evidence).fit(rows, seed=seed, **options)
    return fitted
