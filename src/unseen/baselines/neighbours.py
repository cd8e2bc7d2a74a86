"""Distances to the nearest normals, and densities from them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn import neighbors

from unseen.baselines.base import Baseline, FittingRows, check_number, drawn

__all__ = ["KNN", "LOF"]

# More references hardly change the ranking, and every one costs each scored row a distance.
_REFERENCES = 10_000


class KNN(Baseline):
    """The distance to the 10th nearest normal, or another.

    scikit-learn's exact search. Changed: at most 10,000 normals, drawn at random, serve as references. The other
    arguments are those of :class:`~unseen.baselines.base.Baseline`.

    References:
        | Efficient Algorithms for Mining Outliers from Large Data Sets (Ramaswamy, Rastogi, Shim, 2000)
        | https://doi.org/10.1145/342009.335437

    Arguments:
        neighbours: The distance is that to the neighbour of this number.
    """

    def __init__(self, *, neighbours: int = 10, **common: Any) -> None:
        super().__init__(**common)
        self.neighbours = neighbours

    def _check_parameters(self) -> None:
        super()._check_parameters()
        check_number("neighbours", self.neighbours, 1, whole=True)

    def _fit_rows(self, rows: FittingRows, seed: int) -> dict[str, Any]:
        references = rows.normals[drawn(_REFERENCES, len(rows.normals), seed)]
        # In tens of columns a tree of the references saves nothing.
        self.search_ = neighbors.NearestNeighbors(
            n_neighbors=min(self.neighbours, len(references)), algorithm="brute"
        ).fit(references)
        return {"references": len(references)}

    def _score_block(self, X: NDArray[np.float32]) -> NDArray[Any]:
        distances, _ = self.search_.kneighbors(X)
        return np.asarray(distances[:, -1])


class LOF(Baseline):
    """How much thinner the normals lie around a row than around its nearest normals.

    scikit-learn's, for new rows. Changed: at most 10,000 normals serve as references, and equal ones count once: a row
    with more copies than neighbours would have infinite density. The other arguments are those of
    :class:`~unseen.baselines.base.Baseline`.

    References:
        | LOF: Identifying Density-Based Local Outliers (Breunig, Kriegel, Ng, Sander, 2000)
        | https://doi.org/10.1145/342009.335388

    Arguments:
        neighbours: How many neighbours a density is taken over.
    """

    def __init__(self, *, neighbours: int = 20, **common: Any) -> None:
        super().__init__(**common)
        self.neighbours = neighbours

    def _check_parameters(self) -> None:
        super()._check_parameters()
        check_number("neighbours", self.neighbours, 1, whole=True)

    def _fit_rows(self, rows: FittingRows, seed: int) -> dict[str, Any]:
        distinct = np.unique(rows.normals, axis=0)
        references = distinct[drawn(_REFERENCES, len(distinct), seed)]
        self.search_ = neighbors.LocalOutlierFactor(
            n_neighbors=min(self.neighbours, len(references) - 1), algorithm="brute", novelty=True
        ).fit(references)
        return {"references": len(references)}

    def _score_block(self, X: NDArray[np.float32]) -> NDArray[Any]:
        return -np.asarray(self.search_.score_samples(X))
