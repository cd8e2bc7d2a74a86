"""The one-class support vector machine."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn import svm

from unseen.baselines.base import Baseline, FittingRows, check_number, drawn

__all__ = ["OneClassSVM", "one_class_svm"]

# Its cost grows with the square of the rows.
_ROWS = 5000


class OneClassSVM(Baseline):
    """The distance beyond a boundary around nine tenths of the normals, in the space of a radial kernel.

    scikit-learn's exact solver with its own scale of the kernel (one over columns times variance). Changed: fitted on
    at most 5,000 normals, drawn at random. The other arguments are those of :class:`~unseen.baselines.base.Baseline`.

    References:
        | Estimating the Support of a High-Dimensional Distribution (Schölkopf et al., 2001)
        | https://doi.org/10.1162/089976601750264965

    Arguments:
        nu: The share of normals that may lie outside.
    """

    def __init__(self, *, nu: float = 0.1, **common: Any) -> None:
        super().__init__(**common)
        self.nu = nu

    def _check_parameters(self) -> None:
        super()._check_parameters()
        check_number("nu", self.nu, 1e-6, 1.0)

    def _fit_rows(self, rows: FittingRows, seed: int) -> dict[str, Any]:
        chosen = rows.normals[drawn(_ROWS, len(rows.normals), seed)]
        self.machine_ = one_class_svm(chosen, self.nu, seed)
        return {"rows_used": len(chosen)}

    def _score_block(self, X: NDArray[np.float32]) -> NDArray[Any]:
        return -np.asarray(self.machine_.score_samples(X))


def one_class_svm(X: NDArray[np.float32], nu: float, seed: int) -> svm.OneClassSVM:
    """scikit-learn's, fitted, with so large a share of the rows outside."""
    machine = svm.OneClassSVM(nu=nu, gamma="scale")
    # Its constructor takes no seed, and its fit then draws one it has no use for from numpy's global generator.
    machine.random_state = seed
    return machine.fit(X)
