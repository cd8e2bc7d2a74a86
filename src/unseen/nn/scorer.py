r"""One fitted pair of encoder and flow as a single network: rows in, triage and density scores out."""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from unseen.nn.encoders import Encoder
from unseen.nn.flows import LatentFlow, negative_log_likelihood
from unseen.nn.inference import run_in_chunks

__all__ = ["SculptedScorer", "Triage", "Whitening", "flow_input"]

Triage = Literal["difference", "distance"]


class Whitening(nn.Module):
    r"""A fixed projection :math:`(z - \mu) W` onto the normals' principal directions, each of unit variance.

    Sculpting leaves most latent directions nearly empty. Dropping those spares the flow from modelling rounding noise,
    and equal scales spare it from learning them. The log-determinant is the same for every row, so it is left out.

    Arguments:
        features: The number of dimensions.
        kept: The number of directions kept.
    """

    mean: Tensor
    matrix: Tensor

    # A row far from every normal would otherwise reach the flow as a number whose square is infinite.
    LIMIT = 50.0
    # Directions with less than this share of the widest one's variance are noise.
    _FLOOR = 1e-4

    def __init__(self, features: int, kept: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(features))
        self.register_buffer("matrix", torch.zeros(features, kept))

    @classmethod
    def fit(cls, Z: NDArray[np.float32], directions: int) -> Whitening:
        """Fit on normals, shape (n, features), keeping at most so many directions."""
        mean = Z.mean(axis=0, dtype=np.float64)
        centred = Z - mean
        # eigh gives variances in ascending order.
        variances, axes = (part[..., ::-1] for part in np.linalg.eigh(centred.T @ centred / len(Z)))
        kept = max(1, min(directions, int(np.count_nonzero(variances > cls._FLOOR * variances[0]))))
        whitening = cls(Z.shape[1], kept)
        scale = np.sqrt(np.maximum(variances[:kept], np.finfo(np.float32).tiny))
        # The sign of an eigenvector is arbitrary; fixing it makes the fit independent of the linear algebra library.
        axes = axes[:, :kept]
        signs = np.sign(axes[np.abs(axes).argmax(axis=0), np.arange(kept)])
        whitening.mean.copy_(torch.from_numpy(mean))
        whitening.matrix.copy_(torch.from_numpy(axes * signs / scale))
        return whitening

    def forward(self, z: Tensor) -> Tensor:
        """Project rows of shape (n, features) to shape (n, kept)."""
        return ((z - self.mean) @ self.matrix).clamp(-self.LIMIT, self.LIMIT)


def flow_input(x: Tensor, z: Tensor, latent: Whitening | None, row: Whitening | None) -> Tensor:
    """What the flow sees of prepared rows x, shape (n, d), and their latents z, shape (n, m)."""
    seen = z if latent is None else latent(z)
    return seen if row is None else torch.cat([seen, row(x)], dim=1)


class SculptedScorer(nn.Module):
    r"""Encoder, triage and flow in one pass.

    The triage score is the squared distance to the normals' centroid, minus that to the anomalies' where ``triage`` is
    ``"difference"`` (Latent Sculpting, inference step 1). The density score is the flow's negative log-likelihood of
    the latent. With projections it is that of the projected latent beside the projected row itself: sculpting forgets
    what no known anomaly needed, and a new kind may show just there.

    Arguments:
        encoder: The stage-1 network.
        flow: The stage-2 network.
        centroids: The mean latents of normals and anomalies, shape (2, latent).
        triage: ``"difference"`` or ``"distance"``.
        latent_projection: Of the latent, before the flow, or ``None``.
        row_projection: Of the prepared row, beside it, or ``None``.
    """

    centroids: Tensor

    def __init__(
        self,
        encoder: Encoder,
        flow: LatentFlow,
        centroids: NDArray[np.float64],
        triage: Triage,
        latent_projection: Whitening | None = None,
        row_projection: Whitening | None = None,
    ) -> None:
        super().__init__()
        self.encoder, self.flow = encoder, flow
        self.latent_projection, self.row_projection = latent_projection, row_projection
        self.triage: Triage = triage
        self.register_buffer("centroids", torch.as_tensor(centroids, dtype=torch.float32))

    def forward(self, x: Tensor) -> Tensor:
        """Map prepared rows of shape (n, d) to triage and density scores of shape (n, 2)."""
        z = self.encoder(x)
        triage = (z - self.centroids[0]).square().sum(dim=1)
        if self.triage == "difference":
            triage = triage - (z - self.centroids[1]).square().sum(dim=1)
        density = negative_log_likelihood(self.flow, flow_input(x, z, self.latent_projection, self.row_projection))
        return torch.stack([triage, density], dim=1)

    def scores(self, X: NDArray[np.float32]) -> NDArray[np.float64]:
        """Both scores of prepared rows, shape (n, 2); a row's scores depend on that row alone."""
        return run_in_chunks(self, X).astype(np.float64)
