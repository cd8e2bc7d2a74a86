r"""The losses of both loops, as functions of the margin :math:`a = h_1(z) - h_0(z)` (anomaly less normal logit).

With two classes :math:`p_\mathrm{normal}(x; T) = \mathrm{softmax}(h/T)_0 = \mathrm{sigmoid}(-a/T)`, so the margin says
all that the logits do, and it does not saturate.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["cross_entropy", "margin_penalty", "normal_loss", "outer_loss", "p_normal", "temperature_prior"]


def p_normal(margin: Tensor, temperature: Tensor | float = 1.0) -> Tensor:
    """The probability of being normal, shape (n,), from margins of shape (n,).

    Example:
        >>> p_normal(torch.tensor([0.0]))
        tensor([0.5000])
    """
    return torch.sigmoid(-margin / temperature)


def normal_loss(margin: Tensor, temperature: Tensor | float = 1.0) -> Tensor:
    r"""The mean of :math:`-\log p_\mathrm{normal}` over normals' margins."""
    return functional.softplus(margin / temperature).mean()


def cross_entropy(margin: Tensor, is_anomaly: Tensor, temperature: Tensor | float = 1.0) -> Tensor:
    r"""The mean binary cross-entropy of :math:`p_\mathrm{normal}`; the labels have shape (n,), true for anomalies."""
    return functional.softplus(torch.where(is_anomaly, -margin, margin) / temperature).mean()


def margin_penalty(margin: Tensor, is_anomaly: Tensor, temperature: Tensor | float, least: float) -> Tensor:
    r"""How far the gap between both classes' mean logits, over T, falls short of the least one.

    A row's logit is that of normal less that of anomaly, so that both logits' shared offset plays no part.
    """
    gap = margin[is_anomaly].mean() - margin[~is_anomaly].mean()
    return functional.relu(least - gap / temperature)


def temperature_prior(log_temperature: Tensor) -> Tensor:
    r""":math:`(\log T)^2`, which keeps the temperature near 1."""
    return log_temperature.square()


def outer_loss(
    margin: Tensor,
    is_anomaly: Tensor,
    log_temperature: Tensor,
    *,
    least: float,
    margin_weight: float,
    temperature_weight: float,
) -> Tensor:
    """One family's loss in the outer loop: cross-entropy, margin penalty and temperature prior.

    Arguments:
        margin: Margins of the perturbed rows, shape (n,), both classes among them.
        is_anomaly: Which are anomalies, shape (n,).
        log_temperature: The temperature's logarithm, a scalar.
        least: The gap below which the margin penalty sets in.
        margin_weight: Its weight.
        temperature_weight: The weight of the temperature prior.
    """
    temperature = log_temperature.exp()
    loss = cross_entropy(margin, is_anomaly, temperature)
    loss = loss + margin_weight * margin_penalty(margin, is_anomaly, temperature, least)
    return loss + temperature_weight * temperature_prior(log_temperature)
