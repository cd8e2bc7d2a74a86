"""Density under a mixture of Gaussians: where normals are rare, in the features themselves."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from sklearn import mixture
from sklearn.exceptions import ConvergenceWarning

from unseen.errors import ArtifactError
from unseen.evidence.base import Arrays, EvidenceRows, Matrix, score_in_blocks

__all__ = ["MixtureDensity"]

_COMPONENTS = 12
# A component with fewer rows than this has no covariance worth the name.
_ROWS_PER_COMPONENT = 50
# Added to each variance; prepared columns have variances of about 1.
_REGULARISATION = 1e-2
# Stops when an iteration gains less than this, in nats a row.
_TOLERANCE = 1e-2
_ITERATIONS = 20
# Rows the mixture is fitted on; its few thousand numbers gain nothing from more.
_MOST_ROWS = 20_000


class MixtureDensity:
    """The negative log-density under a mixture of at most twelve Gaussians with full covariances.

    References:
        | Dempster, Laird, Rubin, 1977. Maximum likelihood from incomplete data via the EM algorithm.

    Arguments:
        log_weights: Log-weights of the components, shape (k,), with the constants of their densities.
        factors: Upper-triangular factors of the precisions, shape (k, d, d).
        shifts: The means in the factors' coordinates, shape (k, d).
    """

    name: ClassVar[str] = "mixture"
    views: ClassVar[tuple[str, ...]] = ("density",)
    supervised: ClassVar[bool] = False
    uses_known: ClassVar[bool] = False
    alone: ClassVar[bool] = False

    def __init__(self, log_weights: NDArray[Any], factors: NDArray[Any], shifts: NDArray[Any]) -> None:
        self.log_weights, self.factors, self.shifts = (
            np.asarray(part, dtype=np.float32) for part in (log_weights, factors, shifts)
        )

    @classmethod
    def fit(
        cls,
        rows: EvidenceRows,
        *,
        seed: int,
        checkpoint: Path | None = None,
        resume: bool = False,
        progress: Callable[..., None] | None = None,
    ) -> Self:
        """Fit on normals, in seconds: no checkpoint is kept."""
        normals = rows.normals
        if len(normals) > _MOST_ROWS:
            normals = normals[np.sort(np.random.default_rng(seed).permutation(len(normals))[:_MOST_ROWS])]
        components = max(1, min(_COMPONENTS, len(normals) // _ROWS_PER_COMPONENT))
        fitted = mixture.GaussianMixture(
            components, reg_covar=_REGULARISATION, max_iter=_ITERATIONS, tol=_TOLERANCE, random_state=seed
        )
        with warnings.catch_warnings():
            # The last hundredths of a nat hardly change the ranking.
            warnings.simplefilter("ignore", ConvergenceWarning)
            fitted.fit(normals)
        factors = fitted.precisions_cholesky_.astype(np.float64)
        log_det = np.log(np.diagonal(factors, axis1=1, axis2=2)).sum(axis=1)
        constant = 0.5 * factors.shape[1] * math.log(2.0 * math.pi)
        return cls(
            np.log(fitted.weights_) + log_det - constant, factors, np.einsum("kd,kde->ke", fitted.means_, factors)
        )

    def score(self, X: Matrix) -> NDArray[np.float64]:
        """The negative log-density in nats, shape (n, 1)."""
        return score_in_blocks(self._score_block, X)

    def _score_block(self, X: Matrix) -> NDArray[Any]:
        logs = np.empty((len(self.log_weights), len(X)), dtype=np.float64)
        for k, (weight, factor, shift) in enumerate(zip(self.log_weights, self.factors, self.shifts, strict=True)):
            logs[k] = weight - 0.5 * np.square(X @ factor - shift).sum(axis=1, dtype=np.float64)
        return -np.asarray(np.logaddexp.reduce(logs, axis=0))

    def state(self) -> tuple[Arrays, dict[str, Any]]:
        """The components."""
        return {"log_weights": self.log_weights, "factors": self.factors, "shifts": self.shifts}, {}

    @classmethod
    def from_state(cls, arrays: Mapping[str, NDArray[Any]], meta: Mapping[str, Any]) -> Self:
        """Rebuild from :meth:`state`.

        Raises:
            ArtifactError: If arrays are missing or do not fit each other.
        """
        try:
            made = cls(arrays["log_weights"], arrays["factors"], arrays["shifts"])
            k, d = made.shifts.shape
        except (KeyError, TypeError, ValueError) as error:
            raise ArtifactError("the model's mixture is damaged; save the model again") from error
        finite = all(bool(np.isfinite(part).all()) for part in (made.log_weights, made.factors, made.shifts))
        if not k or not d or made.log_weights.shape != (k,) or made.factors.shape != (k, d, d) or not finite:
            raise ArtifactError("the model's mixture is damaged; save the model again")
        return made
