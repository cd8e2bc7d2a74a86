"""Reasons for alarms as a table: which evidences spoke, the nearest known class, and alarms of one kind together."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from unseen.evidence.places import Prototypes, group_places

__all__ = ["NEW_KIND", "group_reach", "reasons"]

NEW_KIND = "new kind"
# The places of normals have unit variance in each of m directions, so two of them lie about sqrt(2 m) apart; alarms of
# one kind lie within this many times that from their leader. Chosen by eye on two data sets: less splits kinds into
# hundreds of groups, more mixes them.
_GROUP_REACH = 1.25


def group_reach(width: int) -> float:
    """How far alarms of one kind lie from the first of them.

    Arguments:
        width: Dimensions of the latent space.
    """
    return _GROUP_REACH * float(np.sqrt(2.0 * width))


def reasons(
    scores: NDArray[np.float64],
    p_values: NDArray[np.float64],
    alarms: NDArray[np.bool_],
    evidence: Mapping[str, NDArray[np.float64]],
    places: NDArray[np.float32],
    prototypes: Prototypes,
    rate: float,
) -> pa.Table:
    """The table that :meth:`unseen.UnseenDetector.explain` gives.

    Arguments:
        scores: Anomaly scores, shape (n,).
        p_values: Their p-values.
        alarms: Which rows raise an alarm.
        evidence: −log10 p of each view of each evidence, by name.
        places: Where the rows lie in the latent space, shape (n, m); m is 0 where there is none.
        prototypes: Rows of the known classes there.
        rate: The false-alarm rate.
    """
    columns: dict[str, pa.Array] = {
        "anomaly_score": pa.array(scores),
        "p_value": pa.array(p_values),
        "alarm": pa.array(alarms),
        "spoke": pa.array(_spoke(evidence, alarms, rate), pa.string()),
    }
    for name, values in evidence.items():
        columns[f"p.{name}"] = pa.array(10.0**-values)
    columns |= _kinds(scores, alarms, places, prototypes)
    return pa.table(columns)


def _spoke(evidence: Mapping[str, NDArray[np.float64]], alarms: NDArray[np.bool_], rate: float) -> list[str | None]:
    """For each alarm the evidences that would alarm alone, the strongest first; the strongest one at least."""
    names = list(evidence)
    matrix = np.column_stack([evidence[name] for name in names])
    said: list[str | None] = [None] * len(alarms)
    for row in np.flatnonzero(alarms):
        order = np.argsort(-matrix[row], kind="stable")
        loud = [names[view] for view in order if matrix[row, view] >= -np.log10(rate)]
        said[row] = ", ".join(loud or [names[order[0]]])
    return said


def _kinds(
    scores: NDArray[np.float64], alarms: NDArray[np.bool_], places: NDArray[np.float32], prototypes: Prototypes
) -> dict[str, pa.Array]:
    rows = np.flatnonzero(alarms)
    nearest: list[str | None] = [None] * len(alarms)
    group, size, typical = (np.full(len(alarms), -1, dtype=np.int64) for _ in range(3))
    if places.shape[1]:
        here = places[rows]
        names, distances = prototypes.nearest(here)
        for row, name, distance in zip(rows, names, distances, strict=True):
            nearest[row] = str(name) if distance <= 1.0 else NEW_KIND
        # The clearest first; equal scores in the order of their places, so that the order of rows does not matter.
        order = np.lexsort((*here.T[::-1], -scores[rows]))
        group[rows] = group_places(here, order, group_reach(places.shape[1]))
        for number in np.unique(group[rows]):
            members = rows[group[rows] == number]
            centre = places[members].mean(axis=0, dtype=np.float64)
            size[members] = len(members)
            typical[members] = members[np.square(places[members] - centre).sum(axis=1).argmin()]
    quiet = group < 0
    return {
        "nearest_known": pa.array(nearest, pa.string()),
        "group": pa.array(group, mask=quiet),
        "group_size": pa.array(size, mask=quiet),
        "group_typical_row": pa.array(typical, mask=quiet),
    }
