"""MTL-RED: a classifier whose latent restores the row and yet knows little of it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from unseen.baselines.base import FittingRows
from unseen.baselines.families import STEPS, FamilyBaseline, choose, drawn_budget, one_pool
from unseen.nn.inference import run_in_chunks
from unseen.nn.rivals.mtl_red import train_mtl_red

__all__ = ["MTLRED"]

_STEPS = STEPS
# A candidate is compared after so many.
_SHORT = 60
# Weights of the restoration and of the mutual information.
_WEIGHTS = ((0.1, 0.1), (0.1, 0.01), (1.0, 0.1), (1.0, 0.01))


class MTLRED(FamilyBaseline):
    """The margin of a classifier trained with reconstruction and against mutual information of row and latent.

    Loss: cross-entropy, plus the mean squared error of the restored row, plus the matrix-based Rényi mutual
    information (order 2) of a batch's rows and latents. Changed for tables: MetaLearner's encoder, one phase of 640
    steps of 256 rows, one half known anomalies; kernels as wide as the batch's median distance, so that no width is
    chosen. Both weights, {0.1, 1} and {0.01, 0.1}, are chosen on seen families after 60 steps. For the arguments see
    :class:`~unseen.baselines.base.Baseline`.

    References:
        | Improving Novel Anomaly Detection with Domain-Invariant Latent Representations (Roy et al., 2025)
        | https://arxiv.org/abs/2312.17300
    """

    supervised = True

    def _fit_rows(self, rows: FittingRows, seed: int) -> dict[str, Any]:
        def scores(shown: FittingRows, X: NDArray[np.float32]) -> list[NDArray[np.float32]]:
            short = drawn_budget(_SHORT, seed)
            return [run_in_chunks(train_mtl_red(one_pool(shown), *pair, short)[0], X) for pair in _WEIGHTS]

        weights, reasons = choose(rows, _WEIGHTS, scores, seed)
        settings = drawn_budget(_STEPS, seed)
        self.network_, report = train_mtl_red(one_pool(rows), *weights, settings)
        return {"network": report.model_dump(mode="json"), "weights": weights, **reasons}

    def _score_block(self, X: NDArray[np.float32]) -> NDArray[Any]:
        return run_in_chunks(self.network_, X)
