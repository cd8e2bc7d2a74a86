"""Which rows a sculpted encoder is trained on: how many normals, how many of each known class, or synthetic ones."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

__all__ = ["Balance", "balanced_rows", "synthetic_negatives"]

Balance = Literal["largest-class", "square-root"]

# Shares of cells swapped and rows jittered; a row with few swaps lies close to the normals, one with many far away.
_LEAST_SWAPPED = 0.1
_SHUFFLED_SHARE = 0.34
_JITTERED_SHARE = 0.34


def balanced_rows(
    normals: int, classes: NDArray[np.str_], balance: Balance, rng: np.random.Generator
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Choose rows for stage 1.

    ``"largest-class"``, the published recipe: all known anomalies, and as many normals as the largest class has.
    ``"square-root"``: all normals and as many draws from the known anomalies, a class of n rows weighing sqrt(n), so
    that small classes are seen without one row of them ruling the batch.

    Arguments:
        normals: The number of normal rows.
        classes: The known class of each anomalous row.
        balance: The rule.
        rng: The source of randomness.

    Returns:
        Positions of the chosen normal rows, and of the chosen anomalous rows.
    """
    _, place, counts = np.unique(classes, return_inverse=True, return_counts=True)
    if balance == "largest-class":
        size = min(normals, int(counts.max()))
        return np.sort(rng.choice(normals, size=size, replace=False)), np.arange(len(classes))
    weights = 1.0 / np.sqrt(counts[place])
    drawn = rng.choice(len(classes), size=normals, p=weights / weights.sum())
    return np.arange(normals), np.sort(drawn)


def synthetic_negatives(X: NDArray[np.float32], rows: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """Rows that break the normals' dependences: cells swapped with other normals, some jittered as well.

    Each value is (near) one that normals take; only the combination is new. It stands in for known anomalies where a
    user has none.

    Arguments:
        X: Prepared normal rows, shape (n, d).
        rows: How many to make.
        rng: The source of randomness.

    Returns:
        Rows of shape (rows, d).
    """
    d = X.shape[1]
    base = X[rng.integers(len(X), size=rows)]
    rate = rng.uniform(_LEAST_SWAPPED, 1.0, size=(rows, 1))
    swapped = rng.random((rows, d)) < rate
    # Either every swapped cell comes from a row of its own, or all of them from one other row.
    own = rng.random((rows, 1)) < _SHUFFLED_SHARE
    source = np.where(own, rng.integers(len(X), size=(rows, d)), rng.integers(len(X), size=(rows, 1)))
    made = np.where(swapped, X[source, np.arange(d)], base)
    jittered = (rng.random((rows, 1)) < _JITTERED_SHARE) & (rng.random((rows, d)) < rate)
    size = rng.lognormal(-0.7, 1.0, size=(rows, 1))
    made = made + jittered * size * rng.normal(size=(rows, d))
    limit = np.abs(X).max(initial=1.0)
    return np.clip(made, -limit, limit).astype(np.float32)
