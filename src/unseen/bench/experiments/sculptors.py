"""The sculptors that experiments set against each other, each with one thing changed; methods of the benchmark.

All are built from the preset ``fast``, since the published networks take half an hour to train: small networks, and a
schedule counted in steps. What each changes is said at each.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from unseen.bench.experiments.rules import PUBLISHED_TRIAGED
from unseen.calibrate import fuse
from unseen.detectors import LatentSculptor
from unseen.detectors.recipes import RECIPES, SculptorRecipe
from unseen.nn.sculpt import SculptSettings

__all__ = [
    "BinaryLoss",
    "BothStages",
    "CompactnessOnly",
    "DensityAlone",
    "EqualWeights",
    "LatentFlow",
    "PublishedRule",
    "PublishedRulePaperPreparation",
    "PublishedWeights",
    "SeparationOnly",
    "TriageAlone",
    "UntrainedEncoder",
    "UntrainedLatentFlow",
]

# A rate at which no weight changes; zero is no rate a training takes.
_NO_RATE = 1e-30

_FAST = RECIPES["fast"]


def _changed(
    *,
    sculpt: dict[str, Any] | None = None,
    member: dict[str, Any] | None = None,
    recipe: dict[str, Any] | None = None,
) -> SculptorRecipe:
    """The preset ``fast`` with some of its settings changed, checked as a whole."""
    shaped = _FAST.member.sculpt.model_dump() | (sculpt or {})
    one = _FAST.member.model_dump() | {"sculpt": shaped} | (member or {})
    return SculptorRecipe.model_validate(_FAST.model_dump() | {"member": one} | (recipe or {}))


def _dccl(alpha: float, beta: float, gamma: float, *, preparation: str = "signed-log", **sculpt: Any) -> SculptorRecipe:
    """One member with the published loss and triage, whose flow sees nothing but the latent."""
    published = SculptSettings()
    weights = {"loss": "dccl", "alpha": alpha, "beta": beta, "gamma": gamma}
    margin = {"margin": published.margin, "distance": published.distance, "power": published.power}
    return _changed(
        sculpt={**weights, **margin, **sculpt},
        member={"row_directions": None, "triage": "difference"},
        recipe={"members": 1, "preparation": preparation},
    )


class _Variant(LatentSculptor):
    """A sculptor whose recipe is the class's own, and which may answer by one of its two scores alone."""

    fixed: ClassVar[SculptorRecipe] = _FAST
    view: ClassVar[Literal["triage", "density", "both"]] = "both"

    def __init__(
        self,
        *,
        normal: str | int | None = None,
        false_alarm_rate: float = 0.01,
        ignore: tuple[str, ...] = (),
        categorical: tuple[str, ...] = (),
        random_state: int | np.random.RandomState | None = 0,
    ) -> None:
        super().__init__(
            normal=normal,
            preset=self.fixed,
            false_alarm_rate=false_alarm_rate,
            ignore=ignore,
            categorical=categorical,
            random_state=random_state,
        )

    def _score(self, X: NDArray[np.float32]) -> NDArray[np.float64]:
        if self.view == "both":
            return super()._score(X)
        column = ("triage", "density").index(self.view)
        raw = np.column_stack([member.score(X)[:, column] for member in self.members_])
        # The maps are in the order of the members' scores: triage, density, triage, density, …
        maps = self.maps_[column::2]
        evidence = np.column_stack([to_p(scores) for to_p, scores in zip(maps, raw.T, strict=True)])
        return np.asarray(fuse(evidence, "fisher") / len(maps))


# ---- the weights of the loss ---------------------------------------------------------------------------------------


class PublishedWeights(_Variant):
    """DCCL as published: α = β = 0.1, γ = 1."""

    fixed = _dccl(0.1, 0.1, 1.0)


class EqualWeights(_Variant):
    """DCCL with α = β = γ = 1."""

    fixed = _dccl(1.0, 1.0, 1.0)


class CompactnessOnly(_Variant):
    """DCCL without separation: α = β = 0.1, γ = 0. Its latent is meant to collapse, so nothing starts it again."""

    fixed = _dccl(0.1, 0.1, 0.0, warmup_on_collapse=False)


class SeparationOnly(_Variant):
    """DCCL without compactness: α = β = 0, γ = 1."""

    fixed = _dccl(0.0, 0.0, 1.0)


class BinaryLoss(_Variant):
    """The later version's loss with the weights of ``fast``, everything else as in the other variants of the loss."""

    fixed = _changed(member={"row_directions": None, "triage": "difference"}, recipe={"members": 1})


class UntrainedEncoder(_Variant):
    """No sculpting at all: the encoder keeps its first, random weights; centroids and flow are fitted as ever."""

    fixed = _dccl(0.1, 0.1, 1.0, learning_rate=_NO_RATE, warmup_on_collapse=False)


# ---- the published rule --------------------------------------------------------------------------------------------


class PublishedRule(_Variant):
    """The published loss and the published two-step rule on small networks, scored on the scale of its percentiles.

    A row that is not triaged scores the percentile of the training normals that its rarity reaches: the published rule
    at P95 alarms exactly where this score is above 95. Triaged rows score above `PUBLISHED_TRIAGED`. The scale
    keeps the order of the published ranking, so that calibrated thresholds mean what they mean elsewhere.
    """

    fixed = _dccl(0.1, 0.1, 1.0).model_copy(update={"fusion": "triage-first"})

    def _score(self, X: NDArray[np.float32]) -> NDArray[np.float64]:
        triage, density = self.members_[0].score(X).astype(np.float64).T
        percents = np.array(list(self.percentiles_), dtype=np.float64)
        limits = np.array(list(self.percentiles_.values()))
        inside = np.interp(density, limits, percents)
        below = percents[0] - np.maximum(limits[0] - density, 0.0)
        # A logarithm keeps the largest float far below the triaged rows.
        above = percents[-1] + np.log1p(np.maximum(density - limits[-1], 0.0))
        rarity = np.where(density < limits[0], below, np.where(density > limits[-1], above, inside))
        return np.asarray(np.where(triage > 0, PUBLISHED_TRIAGED + np.log1p(np.maximum(triage, 0.0)), rarity))


class PublishedRulePaperPreparation(PublishedRule):
    """The same on rows prepared as published: standardised, without a logarithm."""

    fixed = _dccl(0.1, 0.1, 1.0, preparation="paper").model_copy(update={"fusion": "triage-first"})


# ---- one stage at a time -------------------------------------------------------------------------------------------


class BothStages(_Variant):
    """One member of the preset ``fast``, judged by triage and density together."""

    fixed = _changed(recipe={"members": 1})


class TriageAlone(_Variant):
    """One member of the preset ``fast``, judged by triage alone: stage 1. Its flow is not trained to speak of."""

    fixed = _changed(member={"flow_steps": 1}, recipe={"members": 1})
    view = "triage"


class DensityAlone(_Variant):
    """One member of the preset ``fast``, judged by its flow alone: stage 2, on the latent and the row's directions."""

    fixed = _changed(recipe={"members": 1})
    view = "density"


# ---- what the flow sees --------------------------------------------------------------------------------------------


class LatentFlow(_Variant):
    """One flow on sculpted latents, judged by density alone."""

    fixed = _changed(member={"row_directions": None}, recipe={"members": 1})
    view = "density"


class UntrainedLatentFlow(_Variant):
    """One flow on the latents of an encoder with random weights."""

    fixed = _changed(
        sculpt={"learning_rate": _NO_RATE, "warmup_on_collapse": False},
        member={"row_directions": None, "encoder_steps": 1},
        recipe={"members": 1},
    )
    view = "density"
