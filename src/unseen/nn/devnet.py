r"""Deviation networks: scores that deviate from a Gaussian prior for known anomalies, and do not for normals."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from unseen.nn.seeding import isolated_rng
from unseen.nn.train import ProgressCallback, Step, TrainingReport, TrainSettings, train

__all__ = ["DevNetNetwork", "deviation_loss", "train_devnet"]

_PRIOR_DRAWS = 5000
_MARGIN = 5.0


class DevNetNetwork(nn.Module):
    """One hidden layer, one linear score.

    References:
        | Deep Anomaly Detection with Deviation Networks (Pang, Shen, van den Hengel, 2019)
        | https://arxiv.org/abs/1911.08623

    Arguments:
        features: The number of features.
        hidden: The width of the hidden layer.
    """

    def __init__(self, features: int, hidden: int = 20) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(features, hidden), nn.ReLU(), nn.Linear(hidden, 1))

    def forward(self, x: Tensor) -> Tensor:
        """The scores of rows of shape (n, features): shape (n,)."""
        scores: Tensor = self.layers(x).squeeze(1)
        return scores


def deviation_loss(scores: Tensor, is_anomaly: Tensor, prior: Tensor) -> Tensor:
    r"""The mean of :math:`|\delta|` over normals and :math:`\max(0, 5 - \delta)` over anomalies.

    :math:`\delta` is the score less the prior's mean, in its standard deviations.

    Arguments:
        scores: Scores, shape (n,).
        is_anomaly: Which rows are anomalies, shape (n,).
        prior: Draws from the prior.

    Example:
        >>> prior = torch.tensor([-1.0, 0.0, 1.0])
        >>> deviation_loss(torch.tensor([0.0, 2.0]), torch.tensor([False, True]), prior)
        tensor(1.5000)
    """
    deviation = (scores - prior.mean()) / prior.std()
    return torch.where(is_anomaly, (_MARGIN - deviation).clamp(min=0.0), deviation.abs()).mean()


def train_devnet(
    normals: NDArray[np.float32],
    known: NDArray[np.float32],
    settings: TrainSettings,
    *,
    progress: ProgressCallback | None = None,
) -> tuple[DevNetNetwork, TrainingReport]:
    """Train on batches of which one half are normals and the other known anomalies.

    Arguments:
        normals: Prepared normals, shape (n, d); an epoch passes over them.
        known: Prepared known anomalies, shape (m, d), drawn with replacement.
        settings: The constants; a batch has twice ``batch_size`` rows.
        progress: Called after every step.

    Raises:
        TrainingError: If loss or gradient are no longer finite.
    """
    with isolated_rng(settings.seed, "devnet"):
        network = DevNetNetwork(normals.shape[1])
    anomalies = torch.from_numpy(np.ascontiguousarray(known))

    def batch_loss(batch: tuple[Tensor, ...], step: Step) -> Tensor:
        (shown,) = batch
        picked = torch.randint(len(anomalies), (len(shown),), generator=step.generator)
        prior = torch.randn(_PRIOR_DRAWS, generator=step.generator)
        scores = network(torch.cat([shown, anomalies[picked]]))
        return deviation_loss(scores, torch.arange(len(scores)) >= len(shown), prior)

    report = train(
        network,
        batch_loss,
        (torch.from_numpy(np.ascontiguousarray(normals)),),
        settings,
        progress=progress,
        name="devnet",
    )
    return network, report
