"""ResAD: the density of what a row differs by from its nearest normal reference row."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from unseen.baselines.base import FittingRows, drawn
from unseen.baselines.families import STEPS, FamilyBaseline, budget
from unseen.nn.inference import run_in_chunks
from unseen.nn.rivals.resad import train_resad

__all__ = ["ResAD"]

_STEPS = STEPS
_REFERENCES = 256


class ResAD(FamilyBaseline):
    """The negative log-density, a column, of the residual to the nearest of 256 normal reference rows.

    A constraint network pulls normals' residuals into a ball, a flow of eight affine coupling blocks learns their
    density; known anomalies, where there are any, are pushed below the normals' boundary. Changed for tables: prepared
    rows stand for image features, and the references are shared evenly by the domains that ``fit`` is given, the
    nearest of all being taken, since a row to score comes without its domain; 640 steps of 128 normals and as many
    known anomalies. Nothing is searched. For the arguments see :class:`~unseen.baselines.base.Baseline`.

    References:
        | ResAD: A Simple Framework for Class Generalizable Anomaly Detection (Yao et al., 2024)
        | https://arxiv.org/abs/2410.20047
    """

    def _fit_rows(self, rows: FittingRows, seed: int) -> dict[str, Any]:
        chosen = _references(rows, seed)
        others = np.setdiff1d(np.arange(len(rows.normals)), chosen)
        settings = budget(_STEPS, len(others), seed)
        self.network_, report = train_resad(rows.normals[others], rows.known, rows.normals[chosen], settings)
        return {"network": report.model_dump(mode="json"), "references": len(chosen), "pushed": len(rows.known)}

    def _score_block(self, X: NDArray[np.float32]) -> NDArray[Any]:
        return run_in_chunks(self.network_, X)


def _references(rows: FittingRows, seed: int) -> NDArray[np.intp]:
    """Positions of the reference rows: as many of each domain, and of few normals at most every second."""
    domains = np.zeros(len(rows.normals)) if rows.normal_domains is None else rows.normal_domains
    names = np.unique(domains)
    places = [np.flatnonzero(domains == name) for name in names]
    share = max(1, _REFERENCES // len(names))
    taken = [place[drawn(min(share, max(1, len(place) // 2)), len(place), seed)] for place in places]
    return np.sort(np.concatenate(taken))
