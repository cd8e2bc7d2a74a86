r"""Deep support vector data description: a network that maps normals near one point."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from unseen.nn.inference import run_in_chunks
from unseen.nn.seeding import isolated_rng
from unseen.nn.train import Monitor, ProgressCallback, TrainingReport, TrainSettings, train

__all__ = ["DeepSVDDNetwork", "train_deep_svdd"]

# A centre coordinate nearer to zero than this could be met by zero weights, whatever the row.
_LEAST = 0.1


class DeepSVDDNetwork(nn.Module):
    r"""Distances :math:`\|f(x) - c\|^2` from a fixed centre :math:`c`.

    No layer has a bias and the activation is unbounded: with either, a network that maps every row to the centre would
    be within reach.

    References:
        | Deep One-Class Classification (Ruff et al., 2018)
        | http://proceedings.mlr.press/v80/ruff18a.html

    Arguments:
        features: The number of features.
        hidden: The width of the hidden layer.
        latent: The number of dimensions in which distance is measured.
    """

    centre: Tensor

    def __init__(self, features: int, hidden: int = 128, latent: int = 32) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(features, hidden, bias=False), nn.LeakyReLU(0.1), nn.Linear(hidden, latent, bias=False)
        )
        self.register_buffer("centre", torch.zeros(latent))

    def fit_centre(self, X: NDArray[np.float32]) -> None:
        """Set the centre to the mean output of normals, no coordinate nearer to zero than 0.1."""
        mean = torch.from_numpy(run_in_chunks(self.layers, X).mean(axis=0))
        side = torch.where(mean < 0, -1.0, 1.0)
        self.centre.copy_(torch.where(mean.abs() < _LEAST, _LEAST * side, mean))

    def forward(self, x: Tensor) -> Tensor:
        """The squared distances of rows of shape (n, features): shape (n,)."""
        distance: Tensor = (self.layers(x) - self.centre).square().sum(dim=1)
        return distance


def train_deep_svdd(
    X: NDArray[np.float32],
    X_validation: NDArray[np.float32],
    settings: TrainSettings,
    *,
    progress: ProgressCallback | None = None,
) -> tuple[DeepSVDDNetwork, TrainingReport]:
    """Train on normals; the epoch that brings held-out normals nearest to the centre is kept.

    Arguments:
        X: Prepared normals, shape (n, d).
        X_validation: Held-out normals.
        settings: The constants.
        progress: Called after every step.

    Raises:
        TrainingError: If loss or gradient are no longer finite.
    """
    with isolated_rng(settings.seed, "deep-svdd"):
        network = DeepSVDDNetwork(X.shape[1])
    network.fit_centre(X)

    def validate() -> Mapping[str, float]:
        return {"distance": float(run_in_chunks(network, X_validation).mean(dtype=np.float64))}

    report = train(
        network,
        lambda batch, _: network(batch[0]).mean(),
        (torch.from_numpy(np.ascontiguousarray(X)),),
        settings,
        validate=validate,
        monitor=Monitor("distance", "min"),
        progress=progress,
        name="deep-svdd",
    )
    return network, report
