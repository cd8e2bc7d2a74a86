"""Where rows lie in the latent space: the nearest known class, groups of like alarms, and an analyst's verdicts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from unseen.errors import ArtifactError
from unseen.evidence.base import Matrix

__all__ = ["Prototypes", "group_places", "nearest_distance"]

# Rows of each class that stand for it; more of them hardly change which is nearest.
_PER_CLASS = 64
# A row is of a class if it lies no farther from it than this share of the class's own rows.
_OWN_SHARE = 0.95
_MOST_GROUPS = 1_000
# Differences of so many pairs of rows are held at a time.
_PAIRS = 131_072


def nearest_distance(places: Matrix, references: Matrix) -> NDArray[np.float64]:
    """The distance of each place to its nearest reference, shape (n,); infinite where there are no references.

    Every row is computed on its own, by differences and not by a matrix product, so that it does not depend on others.

    Arguments:
        places: Shape (n, m).
        references: Shape (r, m).
    """
    nearest = np.full(len(places), np.inf)
    # The widest intermediate is a block of rows by references by dimensions.
    size = max(1, _PAIRS // max(1, len(references)))
    for start in range(0, len(places) if len(references) else 0, size):
        block = places[start : start + size, None, :].astype(np.float64) - references[None, :, :]
        nearest[start : start + size] = np.sqrt(np.square(block).sum(axis=2).min(axis=1))
    return nearest


class Prototypes:
    """A few rows of each known class in the latent space, and how far from them its own rows lie.

    Arguments:
        places: Places of the prototypes, shape (p, m).
        classes: Their classes, shape (p,).
        radii: How far each class reaches, by class.
    """

    def __init__(self, places: Matrix, classes: NDArray[np.str_], radii: dict[str, float]) -> None:
        self.places, self.classes, self.radii = places, classes, radii

    @classmethod
    def fit(cls, places: Matrix, classes: NDArray[np.str_], rng: np.random.Generator) -> Self:
        """Choose prototypes among known rows and measure how far the others of a class lie from them.

        Arguments:
            places: Places of known anomalies, shape (n, m).
            classes: Their classes, shape (n,).
            rng: Chooses the prototypes.
        """
        chosen: list[NDArray[np.intp]] = []
        radii: dict[str, float] = {}
        for name in np.unique(classes):
            rows = rng.permutation(np.flatnonzero(classes == name))
            # A third at least is kept aside to measure by; one or two rows measure each other.
            kept = rows[: max(1, min(_PER_CLASS, (2 * len(rows)) // 3))]
            others = rows[len(kept) :][: 4 * _PER_CLASS]
            chosen.append(np.sort(kept))
            distances = nearest_distance(places[others], places[kept])
            radii[str(name)] = float(np.quantile(distances, _OWN_SHARE)) if len(others) else 0.0
        # A class of one row, or of copies of one, reaches as far as half of the others do.
        wide = [radius for radius in radii.values() if radius > 0.0]
        floor = 0.5 * float(np.median(wide)) if wide else 1.0
        index = np.concatenate(chosen) if chosen else np.empty(0, dtype=np.intp)
        return cls(places[index], classes[index], {name: max(radius, floor) for name, radius in radii.items()})

    def nearest(self, places: Matrix) -> tuple[NDArray[np.str_], NDArray[np.float64]]:
        """The nearest known class of each place, and its distance in units of that class's radius.

        Returns:
            Names, shape (n,), empty where there are no known classes; and distances, at most 1 within a class.
        """
        names = sorted(self.radii)
        if not names:
            return np.full(len(places), "", dtype="<U1"), np.full(len(places), np.inf)
        distances = np.column_stack(
            [nearest_distance(places, self.places[self.classes == name]) / self.radii[name] for name in names]
        )
        best = distances.argmin(axis=1)
        return np.array(names)[best], distances[np.arange(len(places)), best]

    def state(self) -> tuple[Matrix, dict[str, Any]]:
        """The places, and JSON-able classes and radii, from which :meth:`from_state` rebuilds the prototypes."""
        return self.places, {"classes": self.classes.tolist(), "radii": self.radii}

    @classmethod
    def from_state(cls, places: Matrix, meta: Mapping[str, Any]) -> Self:
        """Rebuild from :meth:`state`.

        Raises:
            ArtifactError: If places, classes and radii do not fit each other.
        """
        classes = np.array(meta["classes"], dtype=str)
        radii = {str(name): float(radius) for name, radius in meta["radii"].items()}
        good = all(np.isfinite(radius) and radius > 0.0 for radius in radii.values())
        if classes.shape != (len(places),) or set(classes.tolist()) != set(radii) or not good:
            raise ArtifactError("the model's prototypes of known classes are damaged; save the model again")
        return cls(places, classes, radii)


def group_places(places: Matrix, order: NDArray[np.intp], radius: float) -> NDArray[np.int64]:
    """Group like places: each joins the first leader within the radius, or leads a new group.

    One pass and no number of groups to guess. Beyond 1,000 leaders a row joins the nearest of them.

    Arguments:
        places: Shape (n, m).
        order: The order in which rows are looked at, the clearest first.
        radius: How far a row may lie from its leader.

    Returns:
        Group numbers from 0 in the order of their leaders, shape (n,).
    """
    groups = np.full(len(places), -1, dtype=np.int64)
    leaders: list[int] = []
    left = np.asarray(order)
    while left.size and len(leaders) < _MOST_GROUPS:
        distance = np.sqrt(np.square(places[left].astype(np.float64) - places[left[0]]).sum(axis=1))
        near = distance <= radius
        near[0] = True
        groups[left[near]] = len(leaders)
        leaders.append(int(left[0]))
        left = left[~near]
    for row in left:
        groups[row] = np.square(places[leaders].astype(np.float64) - places[row]).sum(axis=1).argmin()
    return groups
