"""Which known classes are of one kind, so that leaving one out says something about new kinds."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import fcluster, linkage

from unseen.evidence.base import Matrix

__all__ = ["merge_classes"]


def merge_classes(X: Matrix, classes: NDArray[np.str_], most: int) -> NDArray[np.str_]:
    """Merge classes whose mean rows lie closest until at most so many families are left.

    A class left out while its near twin stays tells nothing about new kinds, and every family costs a trial.

    Arguments:
        X: Prepared rows of known anomalies, shape (m, d).
        classes: Their classes, shape (m,).
        most: The most families, at least 1.

    Returns:
        The family of each row, shape (m,): the names of its classes, joined by ``" + "``.

    Example:
        >>> rows = np.array([[0.0], [0.1], [9.0]], dtype=np.float32)
        >>> merge_classes(rows, np.array(["hulk", "goldeneye", "scan"]), 2).tolist()
        ['goldeneye + hulk', 'goldeneye + hulk', 'scan']
    """
    names, place = np.unique(classes, return_inverse=True)
    if len(names) <= most:
        return np.asarray(classes)
    means = np.stack([X[place == number].mean(axis=0, dtype=np.float64) for number in range(len(names))])
    family = fcluster(linkage(means, "average"), most, "maxclust")
    joined = {number: " + ".join(names[family == number]) for number in np.unique(family)}
    return np.array([joined[number] for number in family])[place]
