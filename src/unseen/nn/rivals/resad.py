r"""ResAD: the density of residuals, a row less its nearest normal reference row."""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from unseen.nn.seeding import isolated_rng
from unseen.nn.train import Step, TrainingReport, TrainSettings, train

__all__ = ["CouplingFlow", "ResADNetwork", "ball_loss", "push_pull_loss", "residual", "train_resad"]

_BLOCKS = 8
_NEAREST = 4
_WIDTH = 256
# The ball's radius, in standard deviations of one column, times the square root of the columns.
_RADIUS = 0.4
# Log-densities a column below which an anomaly is pushed, from the boundary of the normals'.
_MARGIN = 1.0
# The boundary is the normals' log-density at this quantile of the batch.
_BOUNDARY = 0.05


def residual(x: Tensor, references: Tensor) -> Tensor:
    """Rows less their nearest reference rows; a reference row's is 0.

    Arguments:
        x: Rows, shape (n, d).
        references: Normal reference rows, shape (k, d).
    """
    # The row's own square is the same for all references. Between the nearest few this rounds too much to decide.
    distance = references.square().sum(dim=1) - 2.0 * x @ references.T
    few = distance.topk(min(_NEAREST, len(references)), dim=1, largest=False).indices
    differences = x[:, None] - references[few]
    nearest = differences.square().sum(dim=2).argmin(dim=1)
    return differences[torch.arange(len(x)), nearest]


class CouplingFlow(nn.Module):
    r"""Affine coupling blocks with a standard normal base.

    A block scales and shifts one half of the columns by what a small network says of the other half, the halves
    changing places from block to block; the log-scale is bounded by a hyperbolic tangent.

    References:
        | Density Estimation Using Real NVP (Dinh, Sohl-Dickstein, Bengio, 2017)
        | https://arxiv.org/abs/1605.08803

    Arguments:
        features: The number of columns, at least two.
        blocks: The number of blocks.
        hidden: The width of a block's hidden layer.
    """

    orders: Tensor

    def __init__(self, features: int, blocks: int = _BLOCKS, hidden: int = 128) -> None:
        super().__init__()
        self.features, self.kept = features, features // 2
        changed = features - self.kept
        self.nets = nn.ModuleList(
            nn.Sequential(nn.Linear(self.kept, hidden), nn.ReLU(), nn.Linear(hidden, 2 * changed))
            for _ in range(blocks)
        )
        # Each block sees the columns in an order of its own, so that any two columns meet.
        self.register_buffer("orders", torch.stack([torch.randperm(features) for _ in range(blocks)]))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Map rows of shape (n, features) to the base, of the same shape, and the log-determinants, shape (n,)."""
        total = x.new_zeros(len(x))
        for net, order in zip(self.nets, self.orders, strict=True):
            x = x[:, order]
            kept, changed = x[:, : self.kept], x[:, self.kept :]
            log_scale, shift = self._affine(net, kept)
            x = torch.cat([kept, changed * log_scale.exp() + shift], dim=1)
            total = total + log_scale.sum(dim=1)
        return x, total

    def inverse(self, u: Tensor) -> Tensor:
        """Map the base back to rows."""
        for net, order in zip(reversed(self.nets), reversed(self.orders), strict=True):
            kept, changed = u[:, : self.kept], u[:, self.kept :]
            log_scale, shift = self._affine(net, kept)
            u = torch.cat([kept, (changed - shift) * (-log_scale).exp()], dim=1)[:, order.argsort()]
        return u

    def log_density(self, x: Tensor) -> Tensor:
        """The log-density (nats) a column, shape (n,)."""
        u, total = self(x)
        base = -0.5 * u.square().sum(dim=1) - 0.5 * self.features * math.log(2.0 * math.pi)
        density: Tensor = (base + total) / self.features
        return density

    @staticmethod
    def _affine(net: nn.Module, kept: Tensor) -> tuple[Tensor, Tensor]:
        log_scale, shift = net(kept).chunk(2, dim=1)
        return torch.tanh(log_scale), shift


class ResADNetwork(nn.Module):
    """Residual, constraint network and flow in one pass.

    Arguments:
        references: Normal reference rows, shape (k, d).
    """

    references: Tensor

    def __init__(self, references: NDArray[np.float32]) -> None:
        super().__init__()
        features = references.shape[1]
        self.register_buffer("references", torch.from_numpy(np.ascontiguousarray(references)))
        # A flow halves its columns: a table of one gets a second.
        self.padding = max(0, 2 - features)
        self.constraint = nn.Sequential(nn.Linear(features, _WIDTH), nn.GELU(), nn.Linear(_WIDTH, features))
        self.flow = CouplingFlow(features + self.padding)

    def constrained(self, r: Tensor) -> Tensor:
        """Residuals after the constraint network, which starts from and adds to them."""
        c: Tensor = r + self.constraint(r)
        return c

    def log_density(self, c: Tensor) -> Tensor:
        """The log-density a column of constrained residuals, shape (n,)."""
        return self.flow.log_density(functional.pad(c, (0, self.padding)))

    def forward(self, x: Tensor) -> Tensor:
        """The negative log-density a column of prepared rows of shape (n, d): shape (n,)."""
        return -self.log_density(self.constrained(residual(x, self.references)))


def ball_loss(c: Tensor, r: Tensor, is_anomaly: Tensor) -> Tensor:
    """Normals are pulled into a ball around 0, anomalies stay where they were.

    Arguments:
        c: Constrained residuals, shape (n, d).
        r: Residuals, shape (n, d).
        is_anomaly: Which rows are known anomalies, shape (n,).

    Returns:
        The mean over rows of the pseudo-Huber distance from the ball, and for anomalies from the residual.
    """
    squared = torch.where(is_anomaly, (c - r).square().mean(dim=1), (c.square().mean(dim=1) - _RADIUS**2).clamp(min=0))
    return ((squared + 1.0).sqrt() - 1.0).mean()


def push_pull_loss(log_density: Tensor, is_anomaly: Tensor) -> Tensor:
    """Normals below their boundary are pulled up to it, anomalies pushed a margin below.

    Arguments:
        log_density: Log-densities a column, shape (n,).
        is_anomaly: Which rows are known anomalies, shape (n,), not all.

    Returns:
        The sum of the two means of what is missing; no gradient flows through the boundary.
    """
    normal = log_density[~is_anomaly]
    boundary = normal.detach().quantile(_BOUNDARY)
    pulled = (boundary - normal).clamp(min=0).mean()
    pushed = (log_density[is_anomaly] - boundary + _MARGIN).clamp(min=0)
    return pulled + (pushed.mean() if len(pushed) else 0.0)


def train_resad(
    normals: NDArray[np.float32],
    known: NDArray[np.float32],
    references: NDArray[np.float32],
    settings: TrainSettings,
) -> tuple[ResADNetwork, TrainingReport]:
    """Train constraint network and flow together: likelihood of normals, ball, push and pull.

    Arguments:
        normals: Prepared normals that are no references, shape (n, d); an epoch passes over them.
        known: Prepared known anomalies, shape (m, d), drawn with replacement; may be none.
        references: Normal reference rows, shape (k, d).
        settings: The constants; with known anomalies a batch has twice ``batch_size`` rows.

    Raises:
        TrainingError: If loss or gradient are no longer finite.
    """
    with isolated_rng(settings.seed, "resad"):
        network = ResADNetwork(references)
    anomalies = torch.from_numpy(np.ascontiguousarray(known))

    def batch_loss(batch: tuple[Tensor, ...], step: Step) -> Tensor:
        (x,) = batch
        shown = len(x)
        if len(anomalies):
            x = torch.cat([x, anomalies[torch.randint(len(anomalies), (shown,), generator=step.generator)]])
        is_anomaly = torch.arange(len(x)) >= shown
        r = residual(x, network.references)
        c = network.constrained(r)
        # The likelihood shapes the flow, the ball and the boundary shape what it sees.
        log_density = network.log_density(c)
        return ball_loss(c, r, is_anomaly) - log_density[:shown].mean() + push_pull_loss(log_density, is_anomaly)

    rows = torch.from_numpy(np.ascontiguousarray(normals))
    return network, train(network, batch_loss, (rows,), settings, name="resad")
