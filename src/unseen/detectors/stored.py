"""A fitted detector as one file: what is written, and how it is read back."""

from __future__ import annotations

import math
import os
from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from unseen.artifact import write_artifact
from unseen.calibrate import ConformalCalibrator
from unseen.errors import ArtifactError
from unseen.prepare import Preparer
from unseen.schema import Schema

__all__ = ["Stored", "under"]


class Stored(BaseEstimator):  # type: ignore[misc]  # scikit-learn is not typed
    """The half of a detector that is its model file."""

    schema_: Schema
    preparer_: Preparer
    calibrator_: ConformalCalibrator
    training_report_: dict[str, Any]
    provenance_: dict[str, Any]

    @abstractmethod
    def check_parameters(self) -> None:
        """Refuse parameters that cannot be used."""

    @abstractmethod
    def _evidence_state(self) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        """Arrays and JSON-able settings from which ``_restore_evidence`` rebuilds what was fitted."""

    @abstractmethod
    def _restore_evidence(self, arrays: Mapping[str, NDArray[Any]], meta: Mapping[str, Any]) -> None:
        """Rebuild what was fitted."""

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the fitted detector to one file; ``unseen.load`` reads it.

        Raises:
            InputError: If the place cannot be written to.
        """
        check_is_fitted(self)
        evidence, meta = self._evidence_state()
        calibration, summary = self.calibrator_.state()
        manifest = {
            "detector": type(self).__name__,
            "parameters": {name: _jsonable(value) for name, value in self.get_params(deep=False).items()},
            "schema": self.schema_.model_dump(mode="json"),
            "preparation": self.preparer_.model_dump(mode="json"),
            "calibration": {**summary, "smallest_rate": self.calibrator_.smallest_rate},
            # A loss that diverged is a number in Python and none in JSON.
            "training": _without_infinities(self.training_report_),
            "provenance": self.provenance_,
            "evidence": meta,
        }
        tensors = {f"evidence/{name}": array for name, array in evidence.items()}
        tensors |= {f"calibration/{name}": array for name, array in calibration.items()}
        write_artifact(path, manifest, tensors)

    @classmethod
    def _restore(cls, manifest: Mapping[str, Any], tensors: Mapping[str, NDArray[Any]]) -> Self:
        """Rebuild a fitted detector from a model file's parts."""
        detector = cls(**cls._parameters(manifest["parameters"]))
        detector.check_parameters()
        detector.schema_ = Schema.model_validate(manifest["schema"])
        detector.preparer_ = Preparer.model_validate(manifest["preparation"])
        detector.preparer_.check_schema(detector.schema_)
        detector.calibrator_ = ConformalCalibrator.from_state(under("calibration/", tensors), manifest["calibration"])
        detector.training_report_ = dict(manifest["training"])
        detector.provenance_ = dict(manifest["provenance"])
        detector.n_features_in_ = len(detector.schema_.columns) + len(detector.schema_.ignored)
        if detector.schema_.named:
            detector.feature_names_in_ = np.asarray(detector.schema_.names, dtype=object)
        detector._restore_evidence(under("evidence/", tensors), manifest["evidence"])
        return detector

    @classmethod
    def _parameters(cls, stored: Mapping[str, Any]) -> dict[str, Any]:
        """Constructor arguments from their stored form."""
        unknown = sorted(set(stored) - set(cls._get_param_names()))
        if unknown:
            raise ArtifactError(f"the model holds parameters this release does not know: {', '.join(unknown)}")
        return {name: tuple(value) if isinstance(value, list) else value for name, value in stored.items()}


def under(prefix: str, tensors: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """The tensors whose names begin with a prefix, under the rest of their names."""
    return {name.removeprefix(prefix): array for name, array in tensors.items() if name.startswith(prefix)}


def _jsonable(value: Any) -> Any:
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json")
    if isinstance(value, np.random.RandomState):
        return None
    if isinstance(value, np.generic):
        return value.item()
    return list(value) if isinstance(value, tuple) else value


def _without_infinities(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _without_infinities(entry) for name, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_without_infinities(entry) for entry in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
