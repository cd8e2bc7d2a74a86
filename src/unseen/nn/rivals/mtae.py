"""Multi-task autoencoder: one row, restored as a row of the same class in every domain."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from unseen.nn.rivals.pools import Pool, Pools
from unseen.nn.seeding import isolated_rng
from unseen.nn.train import Step, TrainingReport, TrainSettings, train

__all__ = ["MultiTaskAutoencoder", "train_mtae"]


class MultiTaskAutoencoder(nn.Module):
    """A shared sigmoid layer, and one linear decoder for each domain.

    References:
        | Domain Generalization for Object Recognition with Multi-task Autoencoders (Ghifary et al., 2015)
        | https://arxiv.org/abs/1508.07680

    Arguments:
        features: The number of features.
        domains: The number of domains.
        hidden: The width of the shared layer.
    """

    def __init__(self, features: int, domains: int, hidden: int = 256) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(features, hidden), nn.Sigmoid())
        self.decoders = nn.ModuleList(nn.Linear(hidden, features) for _ in range(domains))

    def forward(self, x: Tensor) -> Tensor:
        """Map rows of shape (n, features) to latents of shape (n, hidden)."""
        z: Tensor = self.encoder(x)
        return z

    def loss(self, x: Tensor, domains: Sequence[int], seen: Tensor) -> Tensor:
        """The mean squared error of every row restored as its partner in every domain.

        Arguments:
            x: Rows by domain and class, shape (k, 2, n, features); those at one place of class and row are partners.
            domains: The domains' numbers, k of them.
            seen: What the encoder sees of the rows, of the same shape: the rows, or with entries set to 0.
        """
        z = self.encoder(seen)
        errors = [(self.decoders[domain](z) - x[at]).square().mean() for at, domain in enumerate(domains)]
        return torch.stack(errors).mean()


def train_mtae(
    pools: Sequence[Pool], settings: TrainSettings, *, masked: float
) -> tuple[MultiTaskAutoencoder, TrainingReport]:
    """Train on rows of every domain and class and their partners, drawn anew each step.

    Arguments:
        pools: The rows of each domain.
        settings: The constants; a batch has twice ``batch_size`` rows, and an epoch ``EPOCH_STEPS`` batches.
        masked: The share of input entries set to 0 (D-MTAE), or 0.

    Raises:
        TrainingError: If loss or gradient are no longer finite.
    """
    batches = Pools(pools)
    with isolated_rng(settings.seed, "mtae"):
        network = MultiTaskAutoencoder(batches.features, len(batches))

    def batch_loss(batch: tuple[Tensor, ...], step: Step) -> Tensor:
        domains, x = batches.draw(len(batch[0]), step.generator)
        seen = x
        if masked:
            seen = x * (torch.rand(x.shape, generator=step.generator) >= masked)
        return network.loss(x, domains.tolist(), seen)

    return network, train(network, batch_loss, (batches.clock(settings),), settings, name="mtae")
