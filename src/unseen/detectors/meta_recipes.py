"""The recipes of :class:`~unseen.detectors.meta.MetaLearner`, as data."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

from unseen.nn.meta.presets import FAST, PRESETS
from unseen.nn.meta.settings import MetaSettings

__all__ = ["META_RECIPES", "MetaRecipe"]


class MetaRecipe(BaseModel):
    """A whole meta-learner: how rows are prepared, and how the network is trained.

    Arguments:
        preparation: A preset of :mod:`unseen.prepare`.
        training: The constants of both loops and the switches of the controls.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    preparation: Literal["signed-log", "paper"] = "signed-log"
    training: MetaSettings = FAST


META_RECIPES: dict[str, MetaRecipe] = {name: MetaRecipe(training=settings) for name, settings in PRESETS.items()}
