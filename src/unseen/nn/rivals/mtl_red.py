"""MTL-RED: classification, restoration and little mutual information, in one loss."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from unseen.nn.rivals.classifier import DecodingClassifier, train_classifier
from unseen.nn.rivals.pools import Pool
from unseen.nn.rivals.renyi import mutual_information
from unseen.nn.train import TrainingReport, TrainSettings

__all__ = ["train_mtl_red"]


def train_mtl_red(
    pools: Sequence[Pool], restoration: float, information: float, settings: TrainSettings
) -> tuple[DecodingClassifier, TrainingReport]:
    """Train a classifier by cross-entropy + restoration * MSE + information * I(x; z).

    References:
        | Improving Novel Anomaly Detection with Domain-Invariant Latent Representations (Roy et al., 2025)
        | https://arxiv.org/abs/2312.17300

    Arguments:
        pools: The rows of each domain.
        restoration: The weight of the decoder's mean squared error.
        information: The weight of the batch's mutual information of rows and latents (bits).
        settings: The constants.

    Raises:
        TrainingError: If loss or gradient are no longer finite.
    """

    def penalty(network: DecodingClassifier, x: Tensor, z: Tensor) -> Tensor:
        rows, latents = x.flatten(0, 1), z.flatten(0, 1)
        error = (network.decoder(latents) - rows).square().mean()
        weighted: Tensor = restoration * error + information * mutual_information(rows, latents)
        return weighted

    return train_classifier(DecodingClassifier, pools, settings, penalty)
