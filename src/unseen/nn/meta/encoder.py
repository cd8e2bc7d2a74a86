r"""The residual encoder of meta-learning and its rivals: from a prepared row :math:`x` to a latent :math:`z`."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from unseen.errors import InputError
from unseen.nn.encoders import Encoder

__all__ = ["IdentityEncoder", "ResidualBlock", "ResidualEncoder"]


class ResidualBlock(nn.Module):
    r"""A pre-norm residual block, :math:`h + W_2 \, \mathrm{gelu}(W_1 \, \mathrm{norm}(h))`.

    Arguments:
        width: The size of :math:`h`.
        dropout: The dropout rate of the hidden layer and of the branch.
    """

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.LayerNorm(width),
            nn.Linear(width, width),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Linear(width, width),
            nn.Dropout(dropout),
        )

    def forward(self, h: Tensor) -> Tensor:
        """Map shape (n, width) to shape (n, width)."""
        changed: Tensor = h + self.layers(h)
        return changed


class ResidualEncoder(Encoder):
    """A linear layer, pre-norm residual blocks and a linear layer; whole features are dropped while training.

    Initial weights are drawn from torch's global generator: make it inside :func:`~unseen.nn.seeding.isolated_rng`.

    References:
        | Multi-directional meta-learning, section 4 and the authors' public run
        | https://arxiv.org/abs/2601.19833

    Arguments:
        features: The number of input features.
        width: The width of the residual blocks.
        latent: The number of latent dimensions.
        blocks: The number of residual blocks.
        dropout: The dropout rate inside the blocks.
        feature_dropout: The dropout rate of the input features.

    Example:
        >>> import torch
        >>> ResidualEncoder(71)(torch.zeros(4, 71)).shape
        torch.Size([4, 128])
    """

    kind = "residual"

    def __init__(
        self,
        features: int,
        width: int = 256,
        latent: int = 128,
        blocks: int = 3,
        dropout: float = 0.1,
        feature_dropout: float = 0.05,
    ) -> None:
        super().__init__(features, latent)
        if width < 1 or blocks < 1:
            raise InputError(f"A residual encoder needs a width and a block, got width={width} and {blocks} blocks")
        for name, rate in (("dropout", dropout), ("feature_dropout", feature_dropout)):
            if not 0.0 <= rate < 1.0:
                raise InputError(f"{name}={rate:g} must lie in [0, 1)")
        self.width, self.dropout, self.feature_dropout = int(width), float(dropout), float(feature_dropout)
        self.entry = nn.Sequential(nn.Dropout(feature_dropout), nn.Linear(features, width), nn.GELU())
        self.blocks = nn.ModuleList([ResidualBlock(width, dropout) for _ in range(blocks)])
        self.exit = nn.Linear(width, latent)

    def config(self) -> dict[str, Any]:
        """The JSON-able arguments from which the same network is made."""
        return {
            "kind": self.kind,
            "features": self.features,
            "width": self.width,
            "latent": self.latent,
            "blocks": len(self.blocks),
            "dropout": self.dropout,
            "feature_dropout": self.feature_dropout,
        }

    def forward(self, x: Tensor) -> Tensor:
        """Map rows of shape (n, features) to latent vectors of shape (n, latent)."""
        h: Tensor = self.entry(x)
        for block in self.blocks:
            h = block(h)
        z: Tensor = self.exit(h)
        return z


class IdentityEncoder(ResidualEncoder):
    """Rows as they are, for a head on what something else encodes; the layers are passed over.

    Arguments:
        features: Columns of a row, and of its latent.
    """

    def __init__(self, features: int) -> None:
        super().__init__(features, width=1, latent=features, blocks=1)

    def forward(self, x: Tensor) -> Tensor:
        """Rows as they are."""
        return x
