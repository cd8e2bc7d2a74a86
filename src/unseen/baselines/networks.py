"""Small networks and flows as baselines; the networks themselves are in :mod:`unseen.nn`."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from unseen.baselines.base import Baseline, FittingRows
from unseen.nn.autoencoder import train_autoencoder
from unseen.nn.deep_svdd import train_deep_svdd
from unseen.nn.devnet import train_devnet
from unseen.nn.flows import negative_log_likelihood
from unseen.nn.inference import run_in_chunks
from unseen.nn.scorer import Whitening
from unseen.nn.sculpt import FlowSettings, train_flow
from unseen.nn.train import TrainingReport, TrainSettings

__all__ = ["Autoencoder", "DeepSVDD", "DevNet", "RawFlow"]

Settings = TypeVar("Settings", bound=TrainSettings)

# Steps whatever the number of rows: small tables need as many as large ones.
_STEPS = 600
_DEVNET_STEPS = 1000

_NETWORK = TrainSettings(batch_size=256, learning_rate=1e-3, schedule="one-cycle")
_DEEP_SVDD = TrainSettings(batch_size=256, learning_rate=1e-3, schedule="one-cycle", weight_decay=1e-6)
_DEVNET = TrainSettings(batch_size=256, learning_rate=1e-3, weight_decay=1e-2, keep="last")
_FLOW = FlowSettings(transforms=3, hidden=(64,), log_scale="softclip", learning_rate=2e-3, schedule="one-cycle")


class Autoencoder(Baseline):
    """The error with which a narrow network restores a row.

    Our own, of widths d, 128, 16, 128, d and 600 steps: PyOD's reseeds the process's generators of random numbers,
    numpy's and torch's alike. For the arguments see :class:`~unseen.baselines.base.Baseline`.

    References:
        | Reducing the Dimensionality of Data with Neural Networks (Hinton, Salakhutdinov, 2006)
        | https://doi.org/10.1126/science.1127647
    """

    def _fit_rows(self, rows: FittingRows, seed: int) -> dict[str, Any]:
        fit, validation = rows.normals[~rows.held_out], rows.normals[rows.held_out]
        self.network_, report = train_autoencoder(fit, validation, _settings(_NETWORK, _STEPS, len(fit), seed))
        return _reported(report)

    def _score_block(self, X: NDArray[np.float32]) -> NDArray[Any]:
        return run_in_chunks(self.network_, X)


class DeepSVDD(Baseline):
    """The distance from a centre near which a network maps normals.

    Our own, of widths d, 128, 32 and 600 steps: PyOD's shuffles by the process's generators of random numbers. As
    there, no autoencoder is trained first. For the arguments see :class:`~unseen.baselines.base.Baseline`.

    References:
        | Deep One-Class Classification (Ruff et al., 2018)
        | http://proceedings.mlr.press/v80/ruff18a.html
    """

    def _fit_rows(self, rows: FittingRows, seed: int) -> dict[str, Any]:
        fit, validation = rows.normals[~rows.held_out], rows.normals[rows.held_out]
        self.network_, report = train_deep_svdd(fit, validation, _settings(_DEEP_SVDD, _STEPS, len(fit), seed))
        return _reported(report)

    def _score_block(self, X: NDArray[np.float32]) -> NDArray[Any]:
        return run_in_chunks(self.network_, X)


class RawFlow(Baseline):
    """The negative log-density of the whitened row under a masked autoregressive flow.

    The flow of the preset ``fast`` on the prepared features, with no encoder before it: what sculpting is compared
    with. Its size was chosen with held-out classes in view (seed 0), which flatters it. For the arguments see
    :class:`~unseen.baselines.base.Baseline`.

    References:
        | Masked Autoregressive Flow for Density Estimation (Papamakarios et al., 2017)
        | https://arxiv.org/abs/1705.07057
    """

    def _fit_rows(self, rows: FittingRows, seed: int) -> dict[str, Any]:
        self.whitening_ = Whitening.fit(rows.normals, rows.normals.shape[1])
        Z = run_in_chunks(self.whitening_, rows.normals)
        fit, validation = Z[~rows.held_out], Z[rows.held_out]
        self.flow_, report = train_flow(fit, validation, _settings(_FLOW, _STEPS, len(fit), seed))
        return {**_reported(report), "directions": Z.shape[1]}

    def _score_block(self, X: NDArray[np.float32]) -> NDArray[Any]:
        scores = run_in_chunks(lambda x: negative_log_likelihood(self.flow_, self.whitening_(x)), X)
        # Far from all normals the score may leave the range of 32 bits: as far out as it gets.
        return np.nan_to_num(scores, nan=float(np.finfo(np.float32).max))


class DevNet(Baseline):
    """A score that is trained to lie five standard deviations of a Gaussian prior out for known anomalies.

    Our own, with the paper's constants (20 hidden units, 5,000 draws from the prior, margin 5, batches of one half
    known anomalies, 1,000 steps, decay 0.01): PyOD's trains on swapped arguments, and DeepOD wants an old torch.
    Changed: Adam instead of RMSprop. For the arguments see :class:`~unseen.baselines.base.Baseline`.

    References:
        | Deep Anomaly Detection with Deviation Networks (Pang, Shen, van den Hengel, 2019)
        | https://arxiv.org/abs/1911.08623
    """

    supervised = True

    def _fit_rows(self, rows: FittingRows, seed: int) -> dict[str, Any]:
        settings = _settings(_DEVNET, _DEVNET_STEPS, len(rows.normals), seed)
        self.network_, report = train_devnet(rows.normals, rows.known, settings)
        return _reported(report)

    def _score_block(self, X: NDArray[np.float32]) -> NDArray[Any]:
        return run_in_chunks(self.network_, X)


def _reported(report: TrainingReport) -> dict[str, Any]:
    """What the training report says of a network; its messages stand where a detector's user finds them."""
    said = report.model_dump(mode="json")
    return {"messages": said.pop("messages"), "network": said}


def _settings(settings: Settings, steps: int, rows: int, seed: int) -> Settings:
    """The settings with the epochs that give about so many steps."""
    epochs = max(1, round(steps * settings.batch_size / max(rows, settings.batch_size)))
    return settings.model_copy(update={"epochs": epochs, "seed": seed})
