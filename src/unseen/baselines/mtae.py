"""MTAE and D-MTAE: a latent from which a row of every domain can be restored, and a classifier on it."""

from __future__ import annotations

import warnings
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from unseen.baselines.base import FittingRows
from unseen.baselines.families import STEPS, FamilyBaseline, domain_pools, drawn_budget
from unseen.nn.inference import run_in_chunks
from unseen.nn.rivals.mtae import train_mtae

__all__ = ["DMTAE", "MTAE"]

_STEPS = STEPS
_ITERATIONS = 200


class MTAE(FamilyBaseline):
    """The log-odds of a logistic regression on the latent of a multi-task autoencoder.

    Each row is restored as a partner row of the same class, normal or anomaly, in every domain. Changed for tables: a
    domain is one of those ``fit`` is given, else a known family with all normals; decoders are linear, since prepared
    values are not bounded by 0 and 1; 256 sigmoid units, 640 steps of 256 rows with partners drawn anew each step, at
    most four domains a step, instead of 100 epochs; the classifier is linear on a frozen latent. Nothing is searched.
    With one domain it is a plain autoencoder over partners, and says so. For the arguments see
    :class:`~unseen.baselines.base.Baseline`.

    References:
        | Domain Generalization for Object Recognition with Multi-task Autoencoders (Ghifary et al., 2015)
        | https://arxiv.org/abs/1508.07680
    """

    supervised = True
    # The share of inputs set to 0 in training.
    masked: ClassVar[float] = 0.0

    def _fit_rows(self, rows: FittingRows, seed: int) -> dict[str, Any]:
        pools = domain_pools(rows)
        self.network_, report = train_mtae(pools, drawn_budget(_STEPS, seed), masked=self.masked)
        self.classifier_ = LogisticRegression(class_weight="balanced", max_iter=_ITERATIONS)
        with warnings.catch_warnings():
            # A bound on the iterations is a setting here and no accident.
            warnings.simplefilter("ignore", ConvergenceWarning)
            self.classifier_.fit(run_in_chunks(self.network_, rows.X).astype(np.float64), rows.y)
        fitted = {"network": report.model_dump(mode="json"), "domains": len(pools)}
        if len(pools) < 2:
            name = type(self).__name__
            fitted["messages"] = [f"{name} has one domain and no other to restore rows of; give domain to fit"]
        return fitted

    def _score_block(self, X: NDArray[np.float32]) -> NDArray[Any]:
        latent = run_in_chunks(self.network_, X).astype(np.float64)
        return np.asarray(latent @ self.classifier_.coef_[0] + self.classifier_.intercept_[0])


class DMTAE(MTAE):
    """MTAE that sees rows with 30 % of their entries set to 0 in training; otherwise as :class:`MTAE`.

    References:
        | Domain Generalization for Object Recognition with Multi-task Autoencoders (Ghifary et al., 2015)
        | https://arxiv.org/abs/1508.07680
    """

    masked = 0.3
