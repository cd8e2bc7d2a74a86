"""The two-class network that the rivals share, and its training under a penalty."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from unseen.nn.meta.encoder import ResidualEncoder
from unseen.nn.meta.presets import FAST
from unseen.nn.rivals.pools import Pool, Pools
from unseen.nn.seeding import isolated_rng
from unseen.nn.train import Step, TrainingReport, TrainSettings, train

__all__ = ["Classifier", "DecodingClassifier", "train_classifier"]


class Classifier(nn.Module):
    """The encoder of MetaLearner's preset ``fast``, and a linear head on two classes: 0 normal, 1 anomaly.

    Arguments:
        features: The number of features.
    """

    def __init__(self, features: int) -> None:
        super().__init__()
        self.encoder = ResidualEncoder(features, width=FAST.width, latent=FAST.latent, blocks=FAST.blocks)
        self.head = nn.Linear(FAST.latent, 2)

    def forward(self, x: Tensor) -> Tensor:
        """The margin, anomaly logit less normal logit, of rows of shape (n, features): shape (n,)."""
        logits = self.head(self.encoder(x))
        margin: Tensor = logits[:, 1] - logits[:, 0]
        return margin


class DecodingClassifier(Classifier):
    """A classifier whose latent must restore the row, too.

    Arguments:
        features: The number of features.
    """

    def __init__(self, features: int) -> None:
        super().__init__(features)
        # As in MetaLearner's network.
        self.decoder = nn.Sequential(nn.Linear(FAST.latent, FAST.width), nn.GELU(), nn.Linear(FAST.width, features))


_Network = TypeVar("_Network", bound=Classifier)


def train_classifier(
    make: Callable[[int], _Network],
    pools: Sequence[Pool],
    settings: TrainSettings,
    penalty: Callable[[_Network, Tensor, Tensor], Tensor] | None = None,
) -> tuple[_Network, TrainingReport]:
    """Train by cross-entropy, plus a penalty, on batches with equal shares of all domains and both classes.

    Arguments:
        make: Makes the network for so many features.
        pools: The rows of each domain; plain risk minimisation has one of all rows.
        settings: The constants; a batch has twice ``batch_size`` rows, and an epoch ``EPOCH_STEPS`` batches.
        penalty: What is added to the cross-entropy, of the network, a batch's rows, shape (k, n, d), and their
            latents, shape (k, n, m), domain by domain.

    Raises:
        TrainingError: If loss or gradient are no longer finite.
    """
    batches = Pools(pools)
    with isolated_rng(settings.seed, "rival"):
        network = make(batches.features)

    def batch_loss(batch: tuple[Tensor, ...], step: Step) -> Tensor:
        _, x = batches.draw(len(batch[0]), step.generator)
        domains, classes, each, features = x.shape
        z = network.encoder(x.view(-1, features))
        labels = torch.arange(classes).repeat_interleave(each).repeat(domains)
        loss = functional.cross_entropy(network.head(z), labels)
        if penalty is not None:
            rows = x.view(domains, classes * each, features)
            loss = loss + penalty(network, rows, z.view(domains, classes * each, -1))
        return loss

    return network, train(network, batch_loss, (batches.clock(settings),), settings, name="classifier")
