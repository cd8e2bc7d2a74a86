r"""Projecting conflicting gradients: where two tasks pull apart, each gives up what hurts the other."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

__all__ = ["project_conflicts", "without_conflict"]


def without_conflict(gradient: Tensor, other: Tensor) -> Tensor:
    r"""The gradient less its component along another one, where that component points backwards.

    .. math:: g - \frac{\min(0, g \cdot o)}{\|o\|^2} \, o

    Arguments:
        gradient: Shape (p,).
        other: Shape (p,).

    Example:
        >>> without_conflict(torch.tensor([1.0, -1.0]), torch.tensor([0.0, 2.0]))
        tensor([1., 0.])
    """
    # A solved task's gradient may be so small that its square is 0 in 32 bits: only its direction counts.
    largest = other.abs().max()
    direction = other / largest
    inner = gradient @ direction
    if largest == 0 or inner >= 0:
        return gradient
    return gradient - (inner / (direction @ direction)) * direction


def project_conflicts(gradients: Tensor, orders: Sequence[Sequence[int]]) -> tuple[Tensor, int]:
    """Project each task's gradient onto the others' normal planes wherever they conflict, and add up.

    References:
        | Gradient Surgery for Multi-Task Learning (Yu et al., 2020)
        | https://arxiv.org/abs/2001.06782

    Arguments:
        gradients: One gradient a task, shape (tasks, p).
        orders: For each task, the order in which it meets the others; random ones in the paper.

    Returns:
        The sum of the projected gradients, shape (p,), and how many projections there were.
    """
    projected = []
    conflicts = 0
    for task, order in enumerate(orders):
        gradient = gradients[task]
        for other in order:
            if other == task:
                continue
            changed = without_conflict(gradient, gradients[other])
            conflicts += changed is not gradient
            gradient = changed
        projected.append(gradient)
    return torch.stack(projected).sum(dim=0), conflicts
