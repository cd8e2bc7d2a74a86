"""ODIN: a classifier asked again after a small step towards normal."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from unseen.baselines.base import FittingRows
from unseen.baselines.families import STEPS, FamilyBaseline, choose, drawn_budget, one_pool
from unseen.nn.rivals.classifier import Classifier, train_classifier
from unseen.nn.rivals.odin import odin_scores

__all__ = ["ODIN", "discrete_columns"]

_STEPS = STEPS
# A step is compared on classifiers trained for so many.
_SHORT = 120
_TEMPERATURE = 1000.0
_INPUT_STEPS = (0.0, 2e-3, 1e-2, 2e-2, 5e-2, 1e-1)
# A column with no more values among the normals is discrete: flags, categories, small counts.
_FEW_VALUES = 16


class ODIN(FamilyBaseline):
    """The margin of a classifier at the row moved a small step towards normal.

    Changed for tables: two classes, so the row moves towards the class normal and not towards the likeliest one;
    columns of at most 16 values among the normals do not move; MetaLearner's encoder, 640 steps of 256 rows, one half
    known anomalies. The step, six values from 0 to 0.1 of a prepared unit, is chosen on seen families. The
    temperature is the paper's 1000 and not searched: with two classes it divides every score alike. For the arguments
    see :class:`~unseen.baselines.base.Baseline`.

    References:
        | Enhancing the Reliability of Out-of-distribution Image Detection in Neural Networks (Liang et al., 2018)
        | https://arxiv.org/abs/1706.02690
    """

    supervised = True

    def _fit_rows(self, rows: FittingRows, seed: int) -> dict[str, Any]:
        self.free_ = ~discrete_columns(rows.normals)

        def scores(shown: FittingRows, X: NDArray[np.float32]) -> list[NDArray[np.float32]]:
            short = drawn_budget(_SHORT, seed)
            network, _ = train_classifier(Classifier, one_pool(shown), short)
            return [
                odin_scores(network, X, step=step, temperature=_TEMPERATURE, free=self.free_) for step in _INPUT_STEPS
            ]

        self.step_, reasons = choose(rows, _INPUT_STEPS, scores, seed)
        settings = drawn_budget(_STEPS, seed)
        self.network_, report = train_classifier(Classifier, one_pool(rows), settings)
        columns = {"step": self.step_, "columns_moved": int(self.free_.sum())}
        return {"network": report.model_dump(mode="json"), **columns, **reasons}

    def _score_block(self, X: NDArray[np.float32]) -> NDArray[Any]:
        return odin_scores(self.network_, X, step=self.step_, temperature=_TEMPERATURE, free=self.free_)


def discrete_columns(normals: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Which columns hold at most 16 values."""
    return np.array([len(np.unique(column)) <= _FEW_VALUES for column in normals.T])
