"""The meta-learners that experiments set against each other, each with one thing changed; methods of the benchmark."""

from __future__ import annotations

import math
from typing import Any, ClassVar, Self

import numpy as np

from unseen.detectors import MetaLearner
from unseen.detectors.base import Prepared, TrainingContext
from unseen.detectors.meta_recipes import MetaRecipe
from unseen.nn.meta.network import MetaNetwork, build_network
from unseen.nn.meta.presets import CONTROLS, FAST, PUBLISHED
from unseen.nn.meta.settings import MetaSettings
from unseen.nn.meta.train import train_meta
from unseen.nn.state import load_arrays, to_arrays

__all__ = [
    "AfterFive",
    "AfterTen",
    "AfterTwo",
    "AsPublished",
    "AsReleased",
    "AtTheEnd",
    "EightClusters",
    "FiveTimesTheMargin",
    "NoMargin",
    "OneDomain",
    "PlainThreshold",
    "SelectedEpisode",
    "TwoClusters",
]


class _Variant(MetaLearner):
    """A meta-learner whose training is the class's own, and which may find its domains otherwise."""

    fixed: ClassVar[MetaSettings] = FAST
    clusters: ClassVar[int | None] = None

    def __init__(
        self,
        *,
        normal: str | int | None = None,
        shots: int = 50,
        false_alarm_rate: float = 0.01,
        ignore: tuple[str, ...] = (),
        categorical: tuple[str, ...] = (),
        random_state: int | np.random.RandomState | None = 0,
    ) -> None:
        super().__init__(
            normal=normal,
            preset=MetaRecipe(training=self.fixed),
            shots=shots,
            domains=4 if self.clusters is None else self.clusters,
            false_alarm_rate=false_alarm_rate,
            ignore=ignore,
            categorical=categorical,
            random_state=random_state,
        )

    def fit(self, X: Any, y: Any = None, *, domain: Any = None, **options: Any) -> Self:
        """Fit; where the class says how many clusters to find, domains that are given are passed over."""
        return super().fit(X, y, domain=domain if self.clusters is None else None, **options)


# ---- as published --------------------------------------------------------------------------------------------------

_SIZE = {name: getattr(FAST, name) for name in ("width", "latent", "blocks", "inner_steps")}


class AsPublished(_Variant):
    """The published constants on the encoder and with the inner steps of the preset fast."""

    fixed = PUBLISHED.model_copy(update=_SIZE)


class AsReleased(_Variant):
    """The authors' deviations on the same: labelled anomalies in the inner loop, the perturbation reversed."""

    fixed = CONTROLS["released"][1].model_copy(update=_SIZE)


# ---- domains -------------------------------------------------------------------------------------------------------


class OneDomain(_Variant):
    """All normals as one domain."""

    clusters = 1


class TwoClusters(_Variant):
    """Two clusters of the normals as domains."""

    clusters = 2


class EightClusters(_Variant):
    """Eight clusters of the normals as domains."""

    clusters = 8


# ---- margin, temperature, perturbation -----------------------------------------------------------------------------


class NoMargin(_Variant):
    """The outer loop without its margin penalty."""

    fixed = FAST.model_copy(update={"margin_weight": 0.0})


class FiveTimesTheMargin(_Variant):
    """A margin of 2.5 in place of 0.5, and a weight of 0.5 in place of 0.1."""

    fixed = FAST.model_copy(update={"margin": 2.5, "margin_weight": 0.5})


class PlainThreshold(_Variant):
    """No margin penalty, a temperature of 1, rows as they are: cross-entropy and a threshold."""

    fixed = FAST.model_copy(update={"margin_weight": 0.0, "fixed_temperature": True, "epsilon": 0.0})


# ---- one episode or another ----------------------------------------------------------------------------------------


class _Kept(_Variant):
    """The network after one episode of a run; the classes of one cell share the run, which is trained once."""

    # The last run: what it was trained from, the network's arrays after each episode, and the selected one.
    _run: ClassVar[tuple[Any, list[dict[str, Any]], int] | None] = None

    # After which episode, from 1; after the last where there are fewer.
    after: ClassVar[float] = math.inf

    def _chosen(self, episodes: int, selected: int) -> int:
        """Which of the episodes to keep, from 1."""
        return int(min(self.after, episodes))

    def _fit_evidence(self, data: Prepared, context: TrainingContext) -> dict[str, Any]:
        self.recipe_ = self.recipe
        settings = self.recipe_.training.model_copy(update={"seed": context.seed})
        rows, told = self._rows(data, context.seed)
        drawn = (settings, rows.normals.tobytes(), rows.known.tobytes(), rows.domain.tobytes(), rows.family_domain)
        if _Kept._run is None or _Kept._run[0] != drawn:
            after: list[dict[str, Any]] = []
            _, report = train_meta(rows, settings, after_episode=lambda _, network: after.append(_copied(network)))
            _Kept._run = (drawn, after, report.selected_episode)
        _, after, selected = _Kept._run
        kept = self._chosen(len(after), selected)
        self.network_ = build_network(rows.normals.shape[1], settings)
        load_arrays(self.network_, after[kept - 1])
        self.network_.eval()
        return {"kept_episode": kept, "f1_threshold": self._f1_threshold(rows), "messages": told}


def _copied(network: MetaNetwork) -> dict[str, Any]:
    return {name: np.array(array) for name, array in to_arrays(network).items()}


class AfterTwo(_Kept):
    """The network after two episodes."""

    after = 2


class AfterFive(_Kept):
    """The network after five episodes."""

    after = 5


class AfterTen(_Kept):
    """The network after ten episodes."""

    after = 10


class AtTheEnd(_Kept):
    """The network after the last episode."""


class SelectedEpisode(_Kept):
    """The network of the episode that the seen families' validation rows select."""

    def _chosen(self, episodes: int, selected: int) -> int:
        """The selected one."""
        return selected
