r"""The network of meta-learning: encoder, two-class head, decoder and temperature."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from unseen.errors import ArtifactError, InputError
from unseen.nn.inference import run_in_chunks
from unseen.nn.meta.encoder import ResidualEncoder
from unseen.nn.meta.settings import MetaSettings
from unseen.nn.seeding import isolated_rng
from unseen.nn.state import load_arrays

__all__ = ["MetaNetwork", "build_network", "perturbed", "restore_network", "scores"]


class MetaNetwork(nn.Module):
    r"""Encoder :math:`f_\theta`, linear head :math:`h_\phi` on normal and anomaly, decoder :math:`\psi`, temperature.

    Arguments:
        encoder: From rows to latents.
        error_view: Whether the head sees the logarithm of the reconstruction error as well.
    """

    def __init__(self, encoder: ResidualEncoder, *, error_view: bool = False) -> None:
        super().__init__()
        self.encoder = encoder
        self.error_view = bool(error_view)
        self.head = nn.Linear(encoder.latent + self.error_view, 2)
        self.decoder = nn.Sequential(
            nn.Linear(encoder.latent, encoder.width), nn.GELU(), nn.Linear(encoder.width, encoder.features)
        )
        self.log_temperature = nn.Parameter(torch.zeros(()))

    def config(self) -> dict[str, Any]:
        """The JSON-able arguments from which :func:`restore_network` makes the same network."""
        return {"encoder": self.encoder.config(), "error_view": self.error_view}

    def seen(self, x: Tensor) -> Tensor:
        """What the head sees of rows, shape (n, views); nothing is restored where it does not see the error."""
        return self.views(x)[0] if self.error_view else self.encoder(x)

    def views(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """What the head sees of rows, shape (n, views), and their reconstruction errors, shape (n,)."""
        z = self.encoder(x)
        restored: Tensor = self.decoder(z)
        error = (restored - x).square().mean(dim=1)
        if self.error_view:
            # The floor bounds the gradient for rows that are restored exactly.
            z = torch.cat([z, (error + 1e-4).log().unsqueeze(1)], dim=1)
        return z, error

    def head_margin(self, views: Tensor) -> Tensor:
        """The anomaly logit less the normal logit, shape (n,), of what the head sees."""
        logits: Tensor = self.head(views)
        return logits[:, 1] - logits[:, 0]

    def margin(self, x: Tensor) -> Tensor:
        """The anomaly logit less the normal logit of rows of shape (n, d): shape (n,)."""
        return self.head_margin(self.seen(x))


def build_network(features: int, settings: MetaSettings) -> MetaNetwork:
    """An untrained network whose weights depend on the seed alone; torch's global generator stays as it was."""
    with isolated_rng(settings.seed, "meta network"):
        encoder = ResidualEncoder(
            features, settings.width, settings.latent, settings.blocks, settings.dropout, settings.feature_dropout
        )
        return MetaNetwork(encoder, error_view=settings.error_view)


def restore_network(config: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> MetaNetwork:
    """Make a network from its configuration and arrays, in evaluation mode.

    Raises:
        ArtifactError: If they do not belong together.
    """
    try:
        arguments = {name: value for name, value in config["encoder"].items() if name != "kind"}
        features, width, latent = (int(arguments[name]) for name in ("features", "width", "latent"))
        # Building a network larger than the arrays at hand could fill the memory.
        first, last = arrays["encoder.entry.1.weight"].shape, arrays["encoder.exit.weight"].shape
        if (first, last) != ((width, features), (latent, width)) or int(arguments["blocks"]) > len(arrays):
            raise ArtifactError("The stored network configuration does not fit its weights; save the model again")
        with isolated_rng(0, "meta network"):
            network = MetaNetwork(ResidualEncoder(**arguments), error_view=config["error_view"])
    except (KeyError, TypeError, ValueError, AttributeError, InputError) as error:
        raise ArtifactError(f"The stored network configuration cannot be used ({error}); save it again") from error
    try:
        # A model file holds a single number as an array of one.
        load_arrays(network, {**arrays, "log_temperature": np.reshape(arrays["log_temperature"], ())})
    except (KeyError, ValueError) as error:
        raise ArtifactError(f"The stored temperature cannot be used ({error}); save the model again") from error
    return network.eval()


def perturbed(network: MetaNetwork, x: Tensor, step: float) -> Tensor:
    r"""Rows moved by a small step along the sign of the gradient that raises the probability of being normal.

    :math:`\log p_\mathrm{normal}` falls strictly with the margin, so its gradient has the sign of the margin's,
    turned round: taken there it neither vanishes where the probability saturates nor depends on the temperature.

    References:
        | Enhancing The Reliability of Out-of-distribution Image Detection (Liang et al., 2018)
        | https://arxiv.org/abs/1706.02690

    Arguments:
        network: The network, in evaluation mode.
        x: Rows, shape (n, d).
        step: The size of the step; a negative one goes the other way, 0 gives the rows themselves.
    """
    if step == 0.0:
        return x
    with torch.enable_grad():
        moved = x.detach().clone().requires_grad_(True)
        (gradient,) = torch.autograd.grad(network.margin(moved).sum(), moved)
    return x - step * gradient.sign()


def scores(network: MetaNetwork, X: NDArray[np.float32], step: float) -> NDArray[np.float64]:
    """Anomaly scores: the margin of each perturbed row over the temperature, shape (n,).

    Arguments:
        network: The network; its mode is left as it was.
        X: Prepared rows, shape (n, d).
        step: The signed step of the perturbation.

    Returns:
        Scores; a row's score depends on that row alone, to the last bit.
    """

    def margins(rows: Tensor) -> Tensor:
        # Gradients with respect to the rows are needed, which inference mode would refuse.
        with torch.inference_mode(False):
            x = perturbed(network, rows.clone(), step)
            with torch.no_grad():
                return network.margin(x)

    training = network.training
    network.eval()
    try:
        margin = run_in_chunks(margins, X).astype(np.float64)
    finally:
        network.train(training)
    return np.asarray(margin / float(network.log_temperature.detach().double().exp()))
