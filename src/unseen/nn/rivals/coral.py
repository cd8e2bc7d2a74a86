r"""Correlation alignment: domains whose latents have one mean and one covariance."""

from __future__ import annotations

from itertools import combinations

import torch
from torch import Tensor

__all__ = ["coral_distance", "coral_penalty"]


def coral_distance(a: Tensor, b: Tensor) -> Tensor:
    r"""How far apart two domains' first two moments are.

    :math:`\frac1m \|\mu_a - \mu_b\|^2 + \frac{1}{m^2} \|C_a - C_b\|_F^2`: means over entries, so that a weight means
    the same at any width of the latent.

    References:
        | Deep CORAL: Correlation Alignment for Deep Domain Adaptation (Sun, Saenko, 2016)
        | https://arxiv.org/abs/1607.01719

    Arguments:
        a: Latents of one domain, shape (n, m), at least two.
        b: Latents of another, shape (k, m).

    Example:
        >>> z = torch.tensor([[0.0, 1.0], [2.0, 5.0]])
        >>> coral_distance(z, z).item(), coral_distance(z, z + 3.0).item()
        (0.0, 9.0)
    """
    means = (a.mean(dim=0) - b.mean(dim=0)).square().mean()
    return means + (_covariance(a) - _covariance(b)).square().mean()


def coral_penalty(z: Tensor) -> Tensor:
    """The mean distance over all pairs of domains; 0 where there is only one.

    Arguments:
        z: Latents domain by domain, shape (k, n, m).
    """
    pairs = [coral_distance(a, b) for a, b in combinations(z, 2)]
    return torch.stack(pairs).mean() if pairs else z.new_zeros(())


def _covariance(z: Tensor) -> Tensor:
    centred = z - z.mean(dim=0)
    return centred.T @ centred / (len(z) - 1)
