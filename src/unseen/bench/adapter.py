"""Any class with ``fit`` and ``anomaly_score`` as a detector: same rows, same preparation, same calibration for all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from unseen.detectors import Detector
from unseen.detectors.base import Prepared, TrainingContext
from unseen.errors import InputError, TrainingError
from unseen.prepare import PRESETS, PrepareSettings

__all__ = ["AdaptedMethod", "PlainMethod"]


class PlainMethod(Protocol):
    """What a user class must offer. ``X`` is a float32 matrix of prepared rows, all finite."""

    def fit(self, X: NDArray[np.float32], y: NDArray[np.str_]) -> Any:
        """Fit on rows with their class labels, normals and known anomalies."""

    def anomaly_score(self, X: NDArray[np.float32]) -> NDArray[np.float64]:
        """One score a row, higher is more anomalous."""


class AdaptedMethod(Detector):
    """Prepares rows as the project's detectors do, and holds out the same calibration rows.

    Arguments:
        method: An unfitted object with ``fit(X, y)`` and ``anomaly_score(X)``.
        normal: The label of normal rows.
        false_alarm_rate: The share of normals that may raise an alarm in ``predict``.
        ignore: Columns that are no features.
        categorical: Columns of numbers that are names.
        random_state: Seeds the split of the training rows.
    """

    def __init__(
        self,
        method: PlainMethod | None = None,
        *,
        normal: str | int | None = None,
        false_alarm_rate: float = 0.01,
        ignore: tuple[str, ...] = (),
        categorical: tuple[str, ...] = (),
        random_state: int | np.random.RandomState | None = 0,
    ) -> None:
        self.method = method
        self.normal = normal
        self.false_alarm_rate = false_alarm_rate
        self.ignore = ignore
        self.categorical = categorical
        self.random_state = random_state

    def _check_parameters(self) -> None:
        for name in ("fit", "anomaly_score"):
            if not callable(getattr(self.method, name, None)):
                raise InputError(
                    f"{type(self.method).__name__} has no method {name!r}; a method needs both "
                    "fit(X, y) and anomaly_score(X)"
                )

    def _preparation(self) -> PrepareSettings:
        return PRESETS["signed-log"]

    def _fit_evidence(self, data: Prepared, context: TrainingContext) -> dict[str, Any]:
        assert self.method is not None  # checked before
        rows = np.isin(data.rows.part, ["fit", "validation"])
        self.method.fit(data.X[rows], data.rows.labels[rows])
        return {"method": type(self.method).__name__}

    def _score(self, X: NDArray[np.float32]) -> NDArray[np.float64]:
        assert self.method is not None
        scores = np.asarray(self.method.anomaly_score(X), dtype=np.float64)
        if scores.shape != (len(X),):
            raise TrainingError(f"anomaly_score gave shape {scores.shape} for {len(X)} rows; one score a row is needed")
        if np.isnan(scores).any():
            raise TrainingError(f"anomaly_score gave NaN for {int(np.isnan(scores).sum())} of {len(X)} rows")
        return scores

    def _evidence_state(self) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        raise InputError("a user's class cannot be saved to a model file; subclass unseen.Detector for that")

    def _restore_evidence(self, arrays: Mapping[str, NDArray[Any]], meta: Mapping[str, Any]) -> None:
        raise InputError("a user's class cannot be restored from a model file")
