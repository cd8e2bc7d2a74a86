r"""Losses that sculpt the latent space: normals into a compact core, anomalies away from it.

Both losses take latent vectors :math:`z` of shape (n, m) and a boolean mask of the anomaly rows, and use only the
batch's own centroids. In both, a term is 0 where the class it speaks of is missing from the batch.
"""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import Tensor, nn

from unseen.errors import InputError

__all__ = ["BinarySculptingLoss", "Distance", "DualCentroidLoss"]

Distance = Literal["squared", "plain"]


def _measure(difference: Tensor, distance: Distance) -> Tensor:
    """The length of the last dimension, squared or plain; the gradient of the plain length at 0 is 0."""
    if distance == "squared":
        return difference.square().sum(dim=-1)
    length: Tensor = torch.linalg.vector_norm(difference, dim=-1)
    return length


def _check(distance: str, **weights: float) -> None:
    if distance not in get_args(Distance):
        raise InputError(f"Unknown distance {distance!r}: use one of {', '.join(map(repr, get_args(Distance)))}")
    for name, value in weights.items():
        if not value >= 0.0:
            raise InputError(f"A sculpting loss needs {name} >= 0, got {name}={value}")


class _SculptingLoss(nn.Module):
    """What both losses share: their constants, and the spread of a class around its centroid."""

    def __init__(self, alpha: float, gamma: float, margin: float, distance: Distance) -> None:
        super().__init__()
        _check(distance, alpha=alpha, gamma=gamma, margin=margin)
        self.alpha, self.gamma, self.margin = alpha, gamma, margin
        self.distance: Distance = distance

    @property
    def plateau(self) -> float:
        r"""The loss of a collapsed latent, all rows in one point: :math:`\gamma M`."""
        return self.gamma * self.margin

    @property
    def squared_margin(self) -> float:
        """The margin as a squared distance, whichever distance the loss measures."""
        return self.margin if self.distance == "squared" else self.margin**2


class DualCentroidLoss(_SculptingLoss):
    r"""Dual-Centroid Compactness Loss (DCCL).

    .. math:: \alpha \frac{1}{|B|} \sum_{i \in B} \|z_i - c_b\|^2 + \beta \frac{1}{|A|} \sum_{i \in A} \|z_i - c_a\|^2
              + \gamma \max(0, M - \|c_b - c_a\|^2)

    with :math:`c_b, c_a` the batch means of normal and anomaly rows. The separation term needs both classes.

    The squared hinge has a plateau: its gradient is proportional to :math:`c_b - c_a`, hence zero where the centroids
    coincide, while compactness still pulls together. A warm-up (``compactness=0`` for the first steps) or the plain
    distance gets off it; the published recipe uses neither.

    References:
        | Latent Sculpting for Zero-Shot Generalization (2025)
        | https://arxiv.org/abs/2512.22179

    Arguments:
        alpha: The weight :math:`\alpha` of the normals' compactness.
        beta: The weight :math:`\beta` of the anomalies' compactness.
        gamma: The weight :math:`\gamma` of the separation.
        margin: The margin :math:`M`, in the unit of `distance`.
        distance: The centroids' distance, ``"squared"`` (published) or ``"plain"``.

    Example:
        >>> z = torch.tensor([[0.0, 0.0], [0.0, 0.0], [3.0, 4.0]])
        >>> DualCentroidLoss()(z, torch.tensor([False, False, True]))
        tensor(0.)
    """

    def __init__(
        self,
        alpha: float = 0.1,
        beta: float = 0.1,
        gamma: float = 1.0,
        margin: float = 5.0,
        distance: Distance = "squared",
    ) -> None:
        super().__init__(alpha, gamma, margin, distance)
        _check(distance, beta=beta)
        self.beta = beta

    def forward(self, z: Tensor, is_anomaly: Tensor, *, compactness: float = 1.0) -> Tensor:
        r"""The loss of one batch.

        Arguments:
            z: Latent vectors, shape (n, m).
            is_anomaly: Boolean mask of the anomaly rows, shape (n,).
            compactness: Multiplies :math:`\alpha` and :math:`\beta`; 0 during a warm-up.

        Returns:
            A scalar.
        """
        loss = z.new_zeros(()) + 0.0 * z.sum()  # keeps the graph where every term is missing
        normal, anomaly = z[~is_anomaly], z[is_anomaly]
        if len(normal):
            loss = loss + compactness * self.alpha * _spread(normal)
        if len(anomaly):
            loss = loss + compactness * self.beta * _spread(anomaly)
        if len(normal) and len(anomaly):
            gap = _measure(normal.mean(dim=0) - anomaly.mean(dim=0), self.distance)
            loss = loss + self.gamma * torch.relu(self.margin - gap)
        return loss


class BinarySculptingLoss(_SculptingLoss):
    r"""Binary latent sculpting: one compact core of normals, every anomaly row beyond a minimum distance from it.

    .. math:: \alpha \frac{1}{|B|} \sum_{i \in B} \|z_i - c_b\|^2
              + \gamma \frac{1}{|A|} \sum_{i \in A} \max(0, M - \|z_i - c_b\|)^p

    Anomalies need not form a cluster of their own: each row is judged by its distance to the normals' centroid, and a
    row beyond the margin costs nothing.

    Note:
        The later version of the paper describes this loss in words only: normals pulled to their centroid, anomalies
        kept at a minimum distance. The form is our reading: a hinge per row, its mean over anomaly rows, the plain
        distance (whose gradient does not fade as rows approach the core), and weights and margin as in DCCL. A squared
        hinge pushes hardest on the rows deepest in the core and lets go gently at the margin.

    References:
        | Latent Sculpting for Zero-Shot Generalization, later version (2026)
        | https://arxiv.org/abs/2512.22179

    Arguments:
        alpha: The weight :math:`\alpha` of the normals' compactness.
        gamma: The weight :math:`\gamma` of the margin term.
        margin: The minimum distance :math:`M`, in the unit of `distance`.
        distance: The rows' distance to the centroid, ``"plain"`` or ``"squared"``.
        power: The hinge's exponent :math:`p`, 1 or 2.
    """

    def __init__(
        self,
        alpha: float = 0.1,
        gamma: float = 1.0,
        margin: float = 5.0,
        distance: Distance = "plain",
        power: Literal[1, 2] = 1,
    ) -> None:
        super().__init__(alpha, gamma, margin, distance)
        if power not in (1, 2):
            raise InputError(f"The hinge's power is 1 or 2, got power={power}")
        self.power = power

    @property
    def plateau(self) -> float:
        r"""The loss of a collapsed latent, all rows in one point: :math:`\gamma M^p`."""
        return self.gamma * float(self.margin**self.power)

    def forward(self, z: Tensor, is_anomaly: Tensor, *, compactness: float = 1.0) -> Tensor:
        r"""The loss of one batch.

        Arguments:
            z: Latent vectors, shape (n, m).
            is_anomaly: Boolean mask of the anomaly rows, shape (n,).
            compactness: Multiplies :math:`\alpha`; 0 during a warm-up.

        Returns:
            A scalar.
        """
        loss = z.new_zeros(()) + 0.0 * z.sum()
        normal, anomaly = z[~is_anomaly], z[is_anomaly]
        if len(normal):
            loss = loss + compactness * self.alpha * _spread(normal)
        if len(normal) and len(anomaly):
            distances = _measure(anomaly - normal.mean(dim=0), self.distance)
            loss = loss + self.gamma * torch.relu(self.margin - distances).pow(self.power).mean()
        return loss


def _spread(z: Tensor) -> Tensor:
    """The mean squared distance to the centroid."""
    return (z - z.mean(dim=0)).square().sum(dim=1).mean()
