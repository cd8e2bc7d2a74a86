"""The outer loop of meta-learning on top of a sculpted latent; methods of the benchmark."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from unseen.bench.experiments.sculptors import BothStages
from unseen.calibrate import EvidenceMap
from unseen.detectors.base import Prepared, TrainingContext
from unseen.nn.meta.encoder import IdentityEncoder
from unseen.nn.meta.episodes import Roles, next_roles, planned_episodes
from unseen.nn.meta.loops import outer_loop
from unseen.nn.meta.network import MetaNetwork, scores
from unseen.nn.meta.presets import PUBLISHED
from unseen.nn.meta.rows import MetaRows
from unseen.nn.seeding import isolated_rng

__all__ = ["CalibratedHead", "SculptedAndCalibrated"]

_PARTS = ("fit", "validation")
# The published outer loop; a linear head on frozen views needs no perturbation, and no decoder is trained.
_SETTINGS = PUBLISHED.model_copy(update={"epsilon": 0.0})


class CalibratedHead(BothStages):
    """One sculpted member, and a head on what it sees that the outer loop calibrates with the families' shots.

    The head sees what the flow sees (whitened latent beside whitened row) and the member's two scores as −log p. The
    families take turns in the outer role, the hardest first, over the published number of episodes; there is no inner
    loop, since nothing below the head changes. The score is the head's alone.
    """

    beside_the_member: ClassVar[bool] = False
    # What the last fit made, and from what: both classes of a cell share it.
    _fit: ClassVar[tuple[Any, dict[str, Any], dict[str, Any]] | None] = None

    def _fit_evidence(self, data: Prepared, context: TrainingContext) -> dict[str, Any]:
        parts = (data.of(part, anomalous=anomalous).tobytes() for part in _PARTS for anomalous in (False, True))
        made_from = (context.seed, *parts, *(data.classes(part).tobytes() for part in _PARTS))
        if CalibratedHead._fit is None or CalibratedHead._fit[0] != made_from:
            report = super()._fit_evidence(data, context)
            normals, validation = (self._views(data.of(part, anomalous=False)) for part in ("fit", "validation"))
            known, classes = self._views(data.of("fit", anomalous=True)), data.classes("fit")
            self.head_ = _calibrated(normals, known, classes, validation, context.seed)
            self.head_map_ = EvidenceMap.fit(scores(self.head_, validation, 0.0))
            fitted = {name: vars(self)[name] for name in ("recipe_", "members_", "maps_", "head_", "head_map_")}
            CalibratedHead._fit = (made_from, fitted, report)
        _, fitted, report = CalibratedHead._fit
        for name, value in fitted.items():
            setattr(self, name, value)
        return report

    def _views(self, X: NDArray[np.float32]) -> NDArray[np.float32]:
        """What the head sees of prepared rows, shape (n, m)."""
        (member,) = self.members_
        mapped = [to_p(column) for to_p, column in zip(self.maps_, member.score(X).T, strict=True)]
        return np.column_stack([member.places(X), *mapped]).astype(np.float32)

    def _score(self, X: NDArray[np.float32]) -> NDArray[np.float64]:
        head = scores(self.head_, self._views(X), 0.0)
        if not self.beside_the_member:
            return head
        # Both count the same, whatever their scale.
        return np.asarray(super()._score(X) + self.head_map_(head))


class SculptedAndCalibrated(CalibratedHead):
    """The sum of the sculpted member's score and of its calibrated head's, both as −log p."""

    beside_the_member = True


def _calibrated(
    normals: NDArray[np.float32],
    known: NDArray[np.float32],
    classes: NDArray[np.str_],
    validation: NDArray[np.float32],
    seed: int,
) -> MetaNetwork:
    """A head on views, calibrated in as many outer loops as the paper has episodes."""
    families, codes = np.unique(classes, return_inverse=True)
    rows = MetaRows(
        normals=normals,
        domain=np.zeros(len(normals), dtype=np.intp),
        known=known,
        family=codes.astype(np.intp),
        family_domain=(0,) * len(families),
        families=tuple(str(name) for name in families),
        domains=("all",),
        normals_validation=validation,
        known_validation=known[:0],
        family_validation=codes[:0].astype(np.intp),
        inner_known=known[:0],
        inner_family=codes[:0].astype(np.intp),
    )
    with isolated_rng(seed, "calibrated head"):
        network = MetaNetwork(IdentityEncoder(normals.shape[1]))
    rng = np.random.default_rng([seed, 0x0E7E])
    history: list[Roles] = []
    for _ in range(planned_episodes(len(families), _SETTINGS.episodes)):
        hardness = np.array([_mean_p_normal(network, rows.shots(family)) for family in range(len(families))])
        history.append(next_roles(history, hardness, rng))
        outer_loop(network, rows, history[-1].outer, _SETTINGS, rng)
    # The last episode's few families are then not the only ones the head remembers.
    outer_loop(network, rows, tuple(range(len(families))), _SETTINGS, rng)
    return network.eval()


def _mean_p_normal(network: MetaNetwork, X: NDArray[np.float32]) -> float:
    return float(np.mean(1.0 / (1.0 + np.exp(np.clip(scores(network, X, 0.0), -700.0, 700.0)))))
