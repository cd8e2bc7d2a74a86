"""The failure signatures of latent sculpting, told in plain words.

Three are named by the method's authors: a stage-1 recall below 90 %, a likelihood that does not improve, and far too
many false alarms. The fourth, collapse, is the plateau of `unseen.nn.losses.DualCentroidLoss`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["CollapseMonitor", "check_convergence", "check_false_alarms", "check_likelihood"]

# "Recall below 90 %" is the authors' own limit; the others are ours.
_LEAST_RECALL = 0.90
_MOST_CALLED = 0.25
_LEAST_GAIN = 0.1  # nats a latent dimension
_MOST_FALSE_ALARMS = 3.0  # times the rate that was asked for


class CollapseMonitor:
    """Watches for latents that have shrunk into one point, with the loss stuck at the margin.

    A step counts as collapsed where the loss is within 5 % of the plateau and the batch's total latent variance is
    below 1 % of the squared margin. Both hold for a moment at the start of many good runs, so only a long row of such
    steps is a collapse.

    Arguments:
        plateau: The loss of a collapsed latent.
        squared_margin: The margin as a squared distance.
        patience: Collapsed steps in a row that make a collapse.
    """

    def __init__(self, plateau: float, squared_margin: float, patience: int) -> None:
        self.plateau, self.squared_margin, self.patience = plateau, squared_margin, patience
        self.streak = 0

    def update(self, loss: float, z: Tensor) -> None:
        """Note a step's loss and its latent vectors of shape (n, m)."""
        variance = z.detach().var(dim=0, correction=0).sum().item()
        stuck = loss >= 0.95 * self.plateau and variance < 0.01 * self.squared_margin
        self.streak = self.streak + 1 if stuck else 0

    @property
    def has_collapsed(self) -> bool:
        """Whether the last `patience` steps were all collapsed."""
        return self.plateau > 0 and self.streak >= self.patience

    def message(self) -> str:
        """What happened, and what helps."""
        return (
            f"The latent collapsed: for {self.streak} steps the loss stood at the margin ({self.plateau:g}) "
            "and the latent spread near zero. A warm-up without compactness (warmup_steps=60) helps, "
            "or distance='plain'."
        )


def check_convergence(recall: float, false_alarms: float) -> list[str]:
    """The message due when the stage-1 rule misses known anomalies, or finds them by calling everything one.

    Arguments:
        recall: Recall of the stage-1 rule on the known anomalies of the validation rows.
        false_alarms: The share of the validation rows' normals that the rule calls anomalous.

    Example:
        >>> check_convergence(recall=0.95, false_alarms=0.05)
        []
    """
    if recall >= _LEAST_RECALL and false_alarms <= _MOST_CALLED:
        return []
    if recall >= _LEAST_RECALL:
        return [
            f"DCCL has not converged: the stage-1 rule calls {false_alarms:.0%} of the validation rows' normals "
            "anomalous. Train longer, or check the labels."
        ]
    return [
        f"DCCL has not converged: the stage-1 rule finds {recall:.0%} of the known anomalies in the validation rows, "
        f"less than {_LEAST_RECALL:.0%}. Train longer, or check the labels."
    ]


def check_likelihood(untrained: float, history: Sequence[Mapping[str, float]], dimensions: int) -> list[str]:
    """The message due when training hardly lowers the held-out negative log-likelihood.

    Arguments:
        untrained: The flow's mean negative log-likelihood of held-out normals before training, nats.
        history: The training's records, each with ``nll``.
        dimensions: The number of latent dimensions.

    Example:
        >>> check_likelihood(45.0, [{"nll": -20.0}, {"nll": -60.0}], dimensions=32)
        []
    """
    best = min((record["nll"] for record in history), default=untrained)
    if untrained - best >= _LEAST_GAIN * dimensions:
        return []
    return [
        f"The latent is too diffuse: the negative log-likelihood of held-out normals is not falling "
        f"(from {untrained:.1f} untrained to {best:.1f} at best). Train stage 1 longer or raise alpha."
    ]


def check_false_alarms(realised: float, asked: float) -> list[str]:
    """The message due when normals raise far more alarms than asked for.

    Arguments:
        realised: The share of held-out normals that raise an alarm.
        asked: The false-alarm rate that was asked for.

    Example:
        >>> check_false_alarms(0.012, 0.01)
        []
    """
    if realised <= _MOST_FALSE_ALARMS * asked:
        return []
    return [
        f"Wrong threshold: {realised:.1%} of held-out normals raise an alarm, {asked:.1%} was asked for. "
        "Recalibrate on normals like those that are scored: recalibrate(X_normal)."
    ]
