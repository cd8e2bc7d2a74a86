"""The constants of meta-learning, and the switches that turn it into its own controls."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["MetaSettings"]

_Rate = Annotated[float, Field(gt=0)]
_Count = Annotated[int, Field(ge=1)]


class MetaSettings(BaseModel):
    """Everything that defines one meta-training; the defaults are the published recipe.

    References:
        | Multi-directional meta-learning
        | https://arxiv.org/abs/2601.19833

    Arguments:
        mode: ``"multi-directional"``, as the paper says; ``"released"``, as its authors' code does: the inner loop
            sees labelled anomalies too; or ``"joint"``, the control: one network, one loss (the cross-entropy of
            normals against the same anomalies), as many steps, no episodes' roles.
        width: The width of the encoder's blocks and of the decoder.
        latent: The number of latent dimensions.
        blocks: The number of residual blocks.
        dropout: The dropout rate inside the blocks.
        feature_dropout: The dropout rate of the input features.
        error_view: Let the head see the logarithm of the reconstruction error beside the latent (not published).
        episodes: How many; more are run where the coverage of roles needs them.
        inner: Whether there is an inner loop.
        outer: Whether there is an outer loop.
        directions: ``"multi"``: families rotate through both roles; ``"one"``: the first episode's roles stay.
        families: Which serve next: ``"hard"``, by the mean probability of being normal, or ``"random"``.
        synthetic: Let the inner loop see shuffled normals, labelled as anomalies (not published): on normals alone,
            calling every row normal is the best it can do.
        inner_shots: Let it see the shots of all families outside the outer role (not published): the head is then
            calibrated against families that the encoder was not just trained on, as it will be used.
        replay: The share of the inner loop's rows that come from all domains and families instead of those of the
            roles (not published): an episode then forgets less of what the others learned.
        average: Keep the mean of the weights after the episodes of the second half (not published), before the last
            calibration: one episode's roles then sway the result less.
        last_calibration: End with an outer loop against all families at once (not published): the last episode's
            few are then not the only ones the head remembers.
        inner_epochs: Passes over the normals of the inner role, an episode.
        inner_steps: At most so many steps of the inner loop an episode; ``None`` sets no limit.
        inner_batch: Rows a step of the inner loop.
        inner_rate: Its learning rate.
        weight_decay: Its weight decay.
        reconstruction: The weight of the reconstruction error in it.
        outer_epochs: Passes over the outer families' anomalies, an episode.
        outer_batch: Rows a step of the outer loop, half of them anomalies.
        head_rate: The head's learning rate in it.
        temperature_rate: The temperature's.
        unfrozen_rate: The learning rate of the encoder's last block in the outer loop; ``None`` leaves it frozen.
        margin: The gap between the mean logits of normals and anomalies below which there is a penalty.
        margin_weight: The weight of that penalty.
        temperature_weight: The weight of the temperature's squared logarithm.
        epsilon: The step of the input perturbation, in units of the prepared features; 0 turns it off.
        reverse_perturbation: Step the other way, away from the normals.
        fixed_temperature: Keep the temperature at 1.
        pcgrad: Remove conflicting components of the tasks' gradients.
        shuffled_outer: Permute the outer loop's labels, a control.
        keep: Whether the ``"last"`` episode is kept, or the one ``"selected"`` by the seen families' validation rows.
        seed: Seeds everything.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    mode: Literal["multi-directional", "released", "joint"] = "multi-directional"
    width: _Count = 256
    latent: _Count = 128
    blocks: _Count = 3
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.1
    feature_dropout: Annotated[float, Field(ge=0, lt=1)] = 0.05
    error_view: bool = False
    episodes: _Count = 20
    inner: bool = True
    outer: bool = True
    directions: Literal["multi", "one"] = "multi"
    families: Literal["hard", "random"] = "hard"
    synthetic: bool = False
    inner_shots: bool = False
    replay: Annotated[float, Field(ge=0, le=1)] = 0.0
    average: bool = False
    last_calibration: bool = False
    inner_epochs: _Count = 10
    inner_steps: _Count | None = None
    inner_batch: Annotated[int, Field(ge=2)] = 256
    inner_rate: _Rate = 1e-3
    weight_decay: Annotated[float, Field(ge=0)] = 1e-4
    reconstruction: Annotated[float, Field(ge=0)] = 0.1
    outer_epochs: _Count = 5
    outer_batch: Annotated[int, Field(ge=2)] = 128
    head_rate: _Rate = 3e-3
    temperature_rate: _Rate = 1e-3
    unfrozen_rate: _Rate | None = None
    margin: Annotated[float, Field(ge=0)] = 0.5
    margin_weight: Annotated[float, Field(ge=0)] = 0.1
    temperature_weight: Annotated[float, Field(ge=0)] = 1e-3
    epsilon: Annotated[float, Field(ge=0)] = 2e-3
    reverse_perturbation: bool = False
    fixed_temperature: bool = False
    pcgrad: bool = True
    shuffled_outer: bool = False
    keep: Literal["last", "selected"] = "last"
    seed: int = 0

    @property
    def step(self) -> float:
        """The signed step of the input perturbation; positive raises the probability of being normal."""
        return -self.epsilon if self.reverse_perturbation else self.epsilon
