r"""Matrix-based Rényi entropy of order 2: entropies and mutual information without a density estimate."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["gram_matrix", "mutual_information", "renyi_entropy"]


def gram_matrix(u: Tensor) -> Tensor:
    r""":math:`K_{ij} = \exp(-\|u_i - u_j\|^2 / s)`, s the median squared distance between two of the rows.

    Arguments:
        u: Rows, shape (n, d), at least two.

    Returns:
        Shape (n, n), ones on the diagonal. No gradient flows through s.
    """
    norms = u.square().sum(dim=1)
    squared = (norms[:, None] + norms[None, :] - 2.0 * u @ u.T).clamp(min=0.0)
    # A row's distance to itself is rounding noise, and would pull the median down.
    apart = ~torch.eye(len(u), dtype=torch.bool)
    squared = torch.where(apart, squared, 0.0)
    between = squared.detach()[apart]
    scale = between.median()
    if scale <= 0:  # most rows are equal
        scale = between.mean()
    if scale <= 0:  # all are
        scale = torch.ones_like(scale)
    return torch.exp(-squared / scale)


def renyi_entropy(gram: Tensor) -> Tensor:
    r""":math:`S_2(A) = -\log_2 \sum_{ij} A_{ij}^2` (bits) with :math:`A = K / \mathrm{tr} K`.

    References:
        | Measures of Entropy from Data Using Infinitely Divisible Kernels (Sanchez Giraldo, Rao, Príncipe, 2015)
        | https://arxiv.org/abs/1211.2459

    Arguments:
        gram: A Gram matrix, shape (n, n).

    Returns:
        Between 0, all rows equal, and :math:`\log_2 n`, all rows far apart.

    Example:
        >>> renyi_entropy(torch.eye(8)).item()
        3.0
    """
    return -torch.log2((gram / gram.trace()).square().sum())


def mutual_information(x: Tensor, z: Tensor) -> Tensor:
    r""":math:`I_2(x; z) = S_2(x) + S_2(z) - S_2(x, z)` (bits), the joint's Gram matrix being :math:`K_x \circ K_z`.

    Hence :math:`I(x; x) = 2 S(x) - S(K \circ K)`, which is not :math:`S(x)`. In many dimensions all rows are about
    equally far apart and the value is far from 0 even for independent rows: compare it at one d and one n only.

    Arguments:
        x: Rows, shape (n, d).
        z: The same rows' other side, shape (n, m).
    """
    a, b = gram_matrix(x), gram_matrix(z)
    return renyi_entropy(a) + renyi_entropy(b) - renyi_entropy(a * b)
