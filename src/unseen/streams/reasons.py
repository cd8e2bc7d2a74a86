"""Reasons of alarms on their way out: which evidences spoke, the nearest known class, and a group of like alarms.

A detector groups the alarms of one table; a watch sees many small ones. So the watch keeps the place of each group's
first alarm in the latent space, and later alarms near it are of its group.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from unseen.errors import InputError

__all__ = ["Reasons", "reasons_of"]

# Beyond them, a row joins the nearest.
_MOST_GROUPS = 1_000
_EVIDENCE = "p."


@runtime_checkable
class Explaining(Protocol):
    """A detector that gives reasons: ``UnseenDetector``."""

    def explain(self, X: Any, *, false_alarm_rate: float | None = None) -> pa.Table:
        """Why each row alarms."""

    def places(self, X: Any) -> NDArray[np.float32]:
        """Where rows lie in the latent space."""


class Reasons:
    """Tells why rows alarm, and keeps groups of like alarms apart over a whole watch.

    Arguments:
        detector: The detector that raised the alarms.
        rate: The false-alarm rate.
        stored: The groups of an earlier run, from `state`.

    Raises:
        InputError: If the stored groups cannot be read.
    """

    def __init__(self, detector: Explaining, rate: float, stored: Mapping[str, Any]) -> None:
        self._detector, self._rate = detector, rate
        self._ids: list[str] = []
        self._places: NDArray[np.float32] = np.empty((0, 0), dtype=np.float32)
        if stored:
            self._restore(stored)

    def of(self, rows: pa.Table, ids: Sequence[str]) -> list[dict[str, Any]]:
        """The reasons of some alarms.

        Arguments:
            rows: The rows that alarm, with the detector's columns.
            ids: The ids of their bursts; a group is named after its first.

        Returns:
            For each row ``spoke``, ``evidence`` (p-values by name), and where the detector has a latent space
            ``nearest_known`` and ``group``.
        """
        if not rows.num_rows:
            return []
        table = self._detector.explain(rows, false_alarm_rate=self._rate)
        groups = self._groups(rows, ids)
        names = [name for name in table.column_names if name.startswith(_EVIDENCE)]
        found = []
        for line, group in zip(table.to_pylist(), groups, strict=True):
            p_values = {name.removeprefix(_EVIDENCE): float(f"{line[name]:.4g}") for name in names}
            # Single precision decides about a row at the threshold; it was an alarm when it was scored.
            spoke = line["spoke"].split(", ") if line["spoke"] else [min(p_values, key=lambda name: p_values[name])]
            reason = {
                "spoke": spoke,
                "evidence": p_values,
                "nearest_known": line["nearest_known"],
                "group": group,
            }
            found.append({name: value for name, value in reason.items() if value is not None})
        return found

    def state(self) -> dict[str, Any]:
        """What a restart needs to go on with the same groups."""
        return {
            "ids": self._ids,
            "width": self._places.shape[1],
            "places": base64.b64encode(self._places.astype("<f4").tobytes()).decode(),
        }

    def _restore(self, stored: Mapping[str, Any]) -> None:
        try:
            places = np.frombuffer(base64.b64decode(stored["places"], validate=True), dtype="<f4")
            self._ids = [str(one) for one in stored["ids"]]
            self._places = places.reshape(len(self._ids), int(stored["width"])).astype(np.float32)
            if not np.isfinite(self._places).all():
                raise ValueError("a place is no number")
        except (KeyError, TypeError, ValueError, binascii.Error) as error:
            raise InputError("the state's groups cannot be read; remove the state to begin anew") from error

    def _groups(self, rows: pa.Table, ids: Sequence[str]) -> list[str | None]:
        """The group of each row: that of the first place in its reach, so that a row read again is of the same."""
        places = self._detector.places(rows)
        width = places.shape[1]
        if not width:
            return [None] * len(ids)
        if self._places.shape[1] != width:
            # None yet, or those of another model, which mean nothing here.
            self._ids, self._places = [], np.empty((0, width), dtype=np.float32)
        from unseen.detectors.reasons import group_reach

        reach = group_reach(width)
        return [self._join(place, ident, reach) for place, ident in zip(places, ids, strict=True)]

    def _join(self, place: NDArray[np.float32], ident: str, reach: float) -> str:
        if self._ids:
            distance = np.sqrt(np.square(self._places.astype(np.float64) - place).sum(axis=1))
            near = np.flatnonzero(distance <= reach)
            if near.size or len(self._ids) >= _MOST_GROUPS:
                return self._ids[int(near[0]) if near.size else int(distance.argmin())]
        self._ids.append(ident)
        self._places = np.concatenate([self._places, place[None, :]])
        return ident


def reasons_of(detector: object, rate: float, stored: Mapping[str, Any]) -> Reasons | None:
    """Reasons for the alarms of detectors that give them; ``None`` for the others.

    Arguments:
        detector: A fitted or exported detector.
        rate: The false-alarm rate.
        stored: The groups of an earlier run.

    Raises:
        InputError: If the stored groups cannot be read.
    """
    return Reasons(detector, rate, stored) if isinstance(detector, Explaining) else None
