"""CORAL: a classifier whose latents have the same moments in all domains."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from unseen.baselines.base import FittingRows
from unseen.baselines.families import STEPS, FamilyBaseline, choose, domain_pools, drawn_budget, one_pool
from unseen.nn.inference import run_in_chunks
from unseen.nn.rivals.classifier import Classifier, train_classifier
from unseen.nn.rivals.coral import coral_penalty
from unseen.nn.train import TrainingReport, TrainSettings

__all__ = ["CORAL"]

_STEPS = STEPS
# A candidate is compared after so many.
_SHORT = 60
_WEIGHTS = (1.0, 0.1, 10.0)


class CORAL(FamilyBaseline):
    """The margin of a classifier whose latents have one mean and one covariance in all domains.

    Changed for tables: a domain is one of those ``fit`` is given, else a known family with all normals, and there is
    no target domain (domain generalisation); means are aligned beside covariances; MetaLearner's encoder, 640 steps of
    256 rows from four domains. The weight, 0.1, 1 or 10, is chosen on seen families after 60 steps. With one domain
    there is nothing to align: it falls back to the plain classifier and says so. For the arguments see
    :class:`~unseen.baselines.base.Baseline`.

    References:
        | Deep CORAL: Correlation Alignment for Deep Domain Adaptation (Sun, Saenko, 2016)
        | https://arxiv.org/abs/1607.01719
    """

    supervised = True

    def _fit_rows(self, rows: FittingRows, seed: int) -> dict[str, Any]:
        pools = domain_pools(rows)
        settings = drawn_budget(_STEPS, seed)
        if len(pools) < 2:
            self.network_, report = train_classifier(Classifier, one_pool(rows), settings)
            message = "CORAL has one domain and no pair to align: this is the plain classifier; give domain to fit"
            return {"network": report.model_dump(mode="json"), "domains": 1, "messages": [message]}

        def scores(shown: FittingRows, X: NDArray[np.float32]) -> list[NDArray[np.float32]]:
            short = drawn_budget(_SHORT, seed)
            return [run_in_chunks(_trained(shown, weight, short)[0], X) for weight in _WEIGHTS]

        weight, reasons = choose(rows, _WEIGHTS, scores, seed)
        self.network_, report = _trained(rows, weight, settings)
        return {"network": report.model_dump(mode="json"), "domains": len(pools), "weight": weight, **reasons}

    def _score_block(self, X: NDArray[np.float32]) -> NDArray[Any]:
        return run_in_chunks(self.network_, X)


def _trained(rows: FittingRows, weight: float, settings: TrainSettings) -> tuple[Classifier, TrainingReport]:
    return train_classifier(Classifier, domain_pools(rows), settings, lambda _, x, z: weight * coral_penalty(z))
