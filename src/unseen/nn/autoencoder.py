r"""An autoencoder: normals can be restored from a few numbers, other rows cannot."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from unseen.nn.encoders import MLPEncoder
from unseen.nn.inference import run_in_chunks
from unseen.nn.seeding import isolated_rng
from unseen.nn.train import Monitor, ProgressCallback, TrainingReport, TrainSettings, train

__all__ = ["Autoencoder", "train_autoencoder"]


class Autoencoder(nn.Module):
    r"""Squeezes a row through a narrow layer and measures what is lost: :math:`\frac1d \|x - g(f(x))\|^2`.

    References:
        | Reducing the Dimensionality of Data with Neural Networks (Hinton and Salakhutdinov, 2006)
        | https://doi.org/10.1126/science.1127647

    Arguments:
        features: The number of features.
        hidden: The width of the layer on either side.
        latent: The width of the narrow layer.
    """

    def __init__(self, features: int, hidden: int = 128, latent: int = 16) -> None:
        super().__init__()
        self.encoder = MLPEncoder(features, (hidden,), latent)
        self.decoder = MLPEncoder(latent, (hidden,), features)

    def forward(self, x: Tensor) -> Tensor:
        """The mean squared error of rows of shape (n, features): shape (n,)."""
        error: Tensor = (x - self.decoder(self.encoder(x))).square().mean(dim=1)
        return error


def train_autoencoder(
    X: NDArray[np.float32],
    X_validation: NDArray[np.float32],
    settings: TrainSettings,
    *,
    progress: ProgressCallback | None = None,
) -> tuple[Autoencoder, TrainingReport]:
    """Train an autoencoder on normals; the epoch that restores held-out normals best is kept.

    Arguments:
        X: Prepared normals, shape (n, d).
        X_validation: Held-out normals.
        settings: The constants.
        progress: Called after every step.

    Raises:
        TrainingError: If loss or gradient are no longer finite.
    """
    with isolated_rng(settings.seed, "autoencoder"):
        network = Autoencoder(X.shape[1])

    def validate() -> Mapping[str, float]:
        return {"error": float(run_in_chunks(network, X_validation).mean(dtype=np.float64))}

    report = train(
        network,
        lambda batch, _: network(batch[0]).mean(),
        (torch.from_numpy(np.ascontiguousarray(X)),),
        settings,
        validate=validate,
        monitor=Monitor("error", "min"),
        progress=progress,
        name="autoencoder",
    )
    return network, report
