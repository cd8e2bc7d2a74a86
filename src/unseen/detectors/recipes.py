"""The presets of :class:`~unseen.LatentSculptor`, as data."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from unseen.evidence import SculptedRecipe
from unseen.evidence.recipes import FAST

__all__ = ["RECIPES", "SculptorRecipe", "untrained"]


class SculptorRecipe(BaseModel):
    """A whole sculptor: preparation, the recipe of each member, their number, and how their scores become one.

    Arguments:
        preparation: A preset of :mod:`unseen.prepare`.
        member: The recipe of each encoder and flow.
        members: How many are trained, with different seeds.
        fusion: ``"triage-first"``, the published rule, for one member; or ``"sum"``, the weighted sum of all -log p.
        triage_weight: The weight of a triage score in the sum; a density score weighs 1.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    preparation: Literal["signed-log", "paper"]
    member: SculptedRecipe
    members: int = Field(default=1, ge=1)
    fusion: Literal["triage-first", "sum"]
    triage_weight: float = Field(default=1.0, ge=0.0)


RECIPES: dict[str, SculptorRecipe] = {
    # arXiv 2512.22179 to the letter; see SculptSettings and FlowSettings for its constants.
    "paper": SculptorRecipe(preparation="paper", member=SculptedRecipe(), fusion="triage-first"),
    "fast": SculptorRecipe(
        preparation="signed-log",
        member=FAST,
        members=3,
        fusion="sum",
        triage_weight=0.75,
    ),
}


def untrained(recipe: SculptorRecipe) -> SculptorRecipe:
    """The control that learned nothing: networks, projections and calibration as ever, but the weights they start from.

    One step at a vanishing learning rate leaves the weights and runs everything else as always.
    """
    still = {"learning_rate": 1e-12, "epochs": 1, "passes": 1}
    member = recipe.member
    changed = {
        "sculpt": member.sculpt.model_copy(update=still),
        "flow": member.flow.model_copy(update=still),
        "encoder_steps": 1 if member.encoder_steps else None,
        "flow_steps": 1 if member.flow_steps else None,
    }
    return recipe.model_copy(update={"member": member.model_copy(update=changed)})
