"""Fitted evidences as one score: how they are fused, and how they are kept in the model file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unseen.calibrate import EvidenceMap, fuse
from unseen.detectors.base import Detector
from unseen.detectors.stored import under
from unseen.detectors.verdicts import Verdicts
from unseen.errors import ArtifactError
from unseen.evidence import EVIDENCES, Evidence, Sculpted
from unseen.evidence.places import Prototypes

__all__ = ["KNOWN_OFFSET", "FusedEvidences", "space_of"]

# A known-class p-value counts as it stands, but for this factor of three: it may raise an alarm alone, while it takes
# little of the false alarms from the fusion.
KNOWN_OFFSET = 0.5


class FusedEvidences(Detector):
    """The fitted half of :class:`~unseen.UnseenDetector`: evidences, their weights, and the verdicts of analysts."""

    evidences_: dict[str, Evidence]
    space_: Sculpted | None
    maps_: list[EvidenceMap]
    weights_: dict[str, float]
    fused_map_: EvidenceMap
    verdicts_: Verdicts | None
    # What `explain` and `adapt` need of the training rows.
    references_: NDArray[np.float32]
    prototypes_: Prototypes
    calibration_scores_: NDArray[np.float64]
    calibration_places_: NDArray[np.float32]

    # ---- scoring ----------------------------------------------------------------------------------------------------

    @property
    def views_(self) -> list[str]:
        """The scores of all evidences, ``"evidence.view"``, in order."""
        return [f"{name}.{view}" for name, evidence in self.evidences_.items() for view in evidence.views]

    def _raw(self, X: NDArray[np.float32]) -> NDArray[np.float64]:
        return np.column_stack([evidence.score(X) for evidence in self.evidences_.values()])

    def _mapped(self, raw: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.column_stack([to_p(column) for to_p, column in zip(self.maps_, raw.T, strict=True)])

    def _fused(self, mapped: NDArray[np.float64]) -> NDArray[np.float64]:
        return fuse(mapped, "fisher", weights=list(self.weights_.values())) / len(self.weights_)

    def _score(self, X: NDArray[np.float32]) -> NDArray[np.float64]:
        base = self._combine(self._mapped(self._raw(X)))
        return base if self.verdicts_ is None else self._judged(base, self._places(X))

    def _judged(self, base: NDArray[np.float64], places: NDArray[np.float32]) -> NDArray[np.float64]:
        return base if self.verdicts_ is None else self.verdicts_.apply(base, places)

    def _places(self, X: NDArray[np.float32]) -> NDArray[np.float32]:
        """Where prepared rows lie in the sculpted latent space; nowhere without that evidence."""
        return np.empty((len(X), 0), dtype=np.float32) if self.space_ is None else self.space_.flow.places(X)

    def _combine(self, mapped: NDArray[np.float64]) -> NDArray[np.float64]:
        """The fusion as −log10 p on validation normals, or the known-class evidence where that is stronger."""
        score = self.fused_map_(self._fused(mapped))
        known = [number for number, view in enumerate(self.views_) if EVIDENCES[view.split(".")[0]].alone]
        return np.maximum(score, (mapped[:, known] - KNOWN_OFFSET).max(axis=1)) if known else score

    # ---- the model file ---------------------------------------------------------------------------------------------

    def _evidence_state(self) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        arrays: dict[str, NDArray[Any]] = {}
        described: dict[str, Any] = {}
        for name, evidence in self.evidences_.items():
            part, described[name] = evidence.state()
            arrays |= {f"{name}/{key}": array for key, array in part.items()}
        space = None
        if self.space_ is not None and Sculpted.name not in self.evidences_:
            part, space = self.space_.state()
            arrays |= {f"space/{key}": array for key, array in part.items()}
        maps = []
        for number, evidence_map in enumerate([*self.maps_, self.fused_map_]):
            part, summary = evidence_map.state()
            arrays |= {f"map{number}/{key}": array for key, array in part.items()}
            maps.append(summary)
        arrays["references"] = self.references_
        arrays["calibration/scores"], arrays["calibration/places"] = self.calibration_scores_, self.calibration_places_
        arrays["prototypes"], prototypes = self.prototypes_.state()
        meta = {
            "evidences": described,
            "space": space,
            "maps": maps,
            "weights": self.weights_,
            "prototypes": prototypes,
            "verdicts": None,
        }
        if self.verdicts_ is not None:
            judged, meta["verdicts"] = self.verdicts_.state()
            arrays |= {f"verdicts/{key}": array for key, array in judged.items()}
        return arrays, meta

    def _restore_evidence(self, arrays: Mapping[str, NDArray[Any]], meta: Mapping[str, Any]) -> None:
        unknown = sorted(set(meta["evidences"]) - set(EVIDENCES))
        if unknown:
            raise ArtifactError(f"the model holds evidences this release does not know: {', '.join(unknown)}")
        self.evidences_ = {
            name: EVIDENCES[name].from_state(under(f"{name}/", arrays), described)
            for name, described in meta["evidences"].items()
        }
        space = meta.get("space")
        self.space_ = (
            space_of(self.evidences_) if space is None else Sculpted.from_state(under("space/", arrays), space)
        )
        *self.maps_, self.fused_map_ = (
            EvidenceMap.from_state(under(f"map{number}/", arrays), summary)
            for number, summary in enumerate(meta["maps"])
        )
        self.weights_ = {str(view): float(weight) for view, weight in meta["weights"].items()}
        weights = np.array(list(self.weights_.values()))
        # Learned weights sum to their number.
        good = bool(((weights >= 0.0) & (weights < len(weights) + 1.0)).all())
        good = good and abs(weights.sum() - len(weights)) < 1e-6 * len(weights)
        if list(self.weights_) != self.views_ or len(self.maps_) != len(self.views_) or not good:
            raise ArtifactError("the model's evidences and their weights do not fit together; save the model again")
        # Evidences of other columns than the preparation's cannot score a row of its.
        row = np.zeros((1, len(self.preparer_.names)), dtype=np.float32)
        self._combine(self._mapped(self._raw(row)))
        width = self._places(row).shape[1]
        self.references_, self.calibration_places_, prototypes = (
            _places_of(arrays[name], width) for name in ("references", "calibration/places", "prototypes")
        )
        self.calibration_scores_ = np.asarray(arrays["calibration/scores"], dtype=np.float64)
        if self.calibration_scores_.shape != (len(self.calibration_places_),) or not len(self.references_):
            raise ArtifactError("the model's calibration rows are damaged; save the model again")
        if not np.isfinite(self.calibration_scores_).all():
            raise ArtifactError("the model's calibration scores are damaged; save the model again")
        self.prototypes_ = Prototypes.from_state(prototypes, meta["prototypes"])
        judged = meta["verdicts"]
        self.verdicts_ = None if judged is None else Verdicts.from_state(under("verdicts/", arrays), judged)
        if self.verdicts_ is not None and self.verdicts_.normals.shape[1] != width:
            raise ArtifactError("the model's verdicts lie in another space; save the model again")


def space_of(evidences: Mapping[str, Evidence]) -> Sculpted | None:
    """The evidence in whose latent space like rows lie near each other, if it is among them."""
    found = evidences.get(Sculpted.name)
    return found if isinstance(found, Sculpted) else None


def _places_of(array: NDArray[Any], width: int) -> NDArray[np.float32]:
    if array.dtype != np.float32 or array.ndim != 2 or array.shape[1] != width or not np.isfinite(array).all():
        raise ArtifactError("the model's places of rows are damaged; save the model again")
    return array
