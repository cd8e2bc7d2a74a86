"""An analyst's verdicts: a handful of labelled rows that sharpen a fitted detector without refitting any network.

Rows near one that was judged an anomaly become more anomalous, as far as few normals lie as near; rows all but equal
to one that was judged normal become less so. The detector is then calibrated again, so that its false-alarm rate holds
whatever was judged.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from unseen.calibrate import EvidenceMap
from unseen.errors import ArtifactError
from unseen.evidence.base import Matrix
from unseen.evidence.places import nearest_distance

__all__ = ["OFFSET", "Verdicts"]

# A verdict counts as it stands, but for this factor of three in p: enough to raise an alarm alone, while it takes
# little of the false alarms from the other evidences.
OFFSET = 0.5
# Verdicts that lie less near each other than this, in −log10 p, say little of their kind: what they lack is taken off
# as well, up to a factor of ten in p. Chosen on five hidden groups of four data sets, seeds 0 and 1.
_TOGETHER = 2.5
_MOST_LACKING = 1.0
# So many verdicts are asked at most; each costs a distance to all others.
_MOST_ASKED = 200
# A row as near to a normal verdict as this share of normals are to each other is taken for the same row.
_SAME_SHARE = 0.25


@dataclass(frozen=True, eq=False)
class Verdicts:
    """Judged rows in the latent space, and what nearness to them is worth.

    Attributes:
        anomalies: Places judged anomalous, shape (a, m).
        normals: Places judged normal, shape (b, m).
        near: Maps nearness to an anomalous verdict to −log10 p on normals; ``None`` without such verdicts.
        same: Within this distance of a normal verdict a row is taken for the same.
        offset: What is taken off nearness before it counts, in −log10 p.
    """

    anomalies: Matrix
    normals: Matrix
    near: EvidenceMap | None
    same: float
    offset: float = OFFSET

    @classmethod
    def fit(cls, anomalies: Matrix, normals: Matrix, references: Matrix) -> Self:
        """Learn what nearness is worth.

        Arguments:
            anomalies: Places judged anomalous.
            normals: Places judged normal.
            references: Places of normals that no later calibration uses, shape (n, m).
        """
        near = EvidenceMap.fit(-nearest_distance(references, anomalies)) if len(anomalies) else None
        half = len(references) // 2
        distances = nearest_distance(references[half:][:500], references[:half])
        same = float(np.quantile(distances, _SAME_SHARE)) if half else 0.0
        return cls(anomalies, normals, near, same, _offset(near, anomalies))

    def apply(self, score: NDArray[np.float64], places: Matrix) -> NDArray[np.float64]:
        """The scores after the verdicts, shape (n,).

        Arguments:
            score: The detector's own scores, −log10 p on validation normals.
            places: Where the rows lie.
        """
        result = score.copy()
        to_anomaly = nearest_distance(places, self.anomalies)
        if len(self.normals):
            to_normal = nearest_distance(places, self.normals)
            # Halved and not erased: what is far out for all evidences stays in sight.
            cleared = (to_normal <= self.same) & (to_normal < to_anomaly)
            result[cleared] *= 0.5
        if self.near is not None:
            result = np.maximum(result, self.near(-to_anomaly) - self.offset)
        return result

    def nearness(self, places: Matrix) -> NDArray[np.float64]:
        """How near rows lie to what was judged anomalous, as −log10 p on normals, shape (n,)."""
        if self.near is None:
            return np.zeros(len(places))
        return self.near(-nearest_distance(places, self.anomalies))

    def and_then(self, anomalies: Matrix, normals: Matrix) -> tuple[Matrix, Matrix]:
        """All anomalous and normal places after more verdicts; the later one counts where a place is judged again."""
        return (
            np.unique(np.concatenate([_without(self.anomalies, normals), anomalies]), axis=0),
            np.unique(np.concatenate([_without(self.normals, anomalies), normals]), axis=0),
        )

    def state(self) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        """Arrays and JSON-able settings from which :meth:`from_state` rebuilds the verdicts."""
        arrays: dict[str, NDArray[Any]] = {"anomalies": self.anomalies, "normals": self.normals}
        meta: dict[str, Any] = {"same": self.same, "offset": self.offset, "near": None}
        if self.near is not None:
            named, meta["near"] = self.near.state()
            arrays |= {f"near/{name}": array for name, array in named.items()}
        return arrays, meta

    @classmethod
    def from_state(cls, arrays: Mapping[str, NDArray[Any]], meta: Mapping[str, Any]) -> Self:
        """Rebuild from :meth:`state`.

        Raises:
            ArtifactError: If arrays are missing or damaged.
        """
        anomalies, normals = (arrays.get(name) for name in ("anomalies", "normals"))
        damaged = ArtifactError("the model's verdicts are damaged; save the model again")
        if anomalies is None or normals is None:
            raise damaged
        for part in (anomalies, normals):
            if part.dtype != np.float32 or part.ndim != 2 or not np.isfinite(part).all():
                raise damaged
        described = meta.get("near")
        same, offset = (
            _number(meta.get(name, missing), damaged) for name, missing in (("same", None), ("offset", OFFSET))
        )
        if anomalies.shape[1] != normals.shape[1]:
            raise damaged
        if (described is None) != (len(anomalies) == 0):
            raise damaged
        near = None
        if described is not None:
            named = {n.removeprefix("near/"): a for n, a in arrays.items() if n.startswith("near/")}
            near = EvidenceMap.from_state(named, described)
        return cls(anomalies, normals, near, same, offset)


def _number(value: Any, damaged: ArtifactError) -> float:
    if not isinstance(value, int | float) or not 0.0 <= value < np.inf:
        raise damaged
    return float(value)


def _offset(near: EvidenceMap | None, anomalies: Matrix) -> float:
    """What to take off nearness: more where judged anomalies are not near each other, so that they are of no one kind.

    Each is asked how near it is to the others; the median counts. One alone has nobody to vouch for it.
    """
    if near is None:
        return OFFSET
    asked = range(0, len(anomalies), max(1, len(anomalies) // _MOST_ASKED))
    apart = np.concatenate(
        [nearest_distance(anomalies[row : row + 1], np.delete(anomalies, row, axis=0)) for row in asked]
    )
    together = float(np.median(near(-apart)))
    return OFFSET + min(max(_TOGETHER - together, 0.0), _MOST_LACKING)


def _without(places: Matrix, others: Matrix) -> Matrix:
    """The places that are none of the others."""
    return places[nearest_distance(places, others) > 0.0]
