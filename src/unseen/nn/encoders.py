r"""Encoders: from a prepared feature row :math:`x` to a latent vector :math:`z`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from unseen.errors import InputError
from unseen.nn.seeding import isolated_rng

__all__ = ["ENCODERS", "Encoder", "MLPEncoder", "PaperEncoder", "build_encoder"]


class Encoder(nn.Module, ABC):
    """Base of all encoders: a network that can name its own configuration.

    Arguments:
        features: The number of input features.
        latent: The number of latent dimensions.
    """

    kind: ClassVar[str]

    def __init__(self, features: int, latent: int) -> None:
        super().__init__()
        if features < 1 or latent < 1:
            raise InputError(
                f"An encoder needs at least one feature and one latent dimension, got {features}, {latent}"
            )
        self.features = features
        self.latent = latent

    @abstractmethod
    def config(self) -> dict[str, Any]:
        """The JSON-able arguments from which `build_encoder` makes the same network."""

    def __call__(self, x: Tensor) -> Tensor:
        """Map rows of shape (n, features) to latent vectors of shape (n, latent)."""
        z: Tensor = super().__call__(x)
        return z


class MLPEncoder(Encoder):
    r"""A multi-layer perceptron with ReLU activations.

    Arguments:
        features: The number of input features.
        hidden: The widths of the hidden layers.
        latent: The number of latent dimensions.

    Example:
        >>> MLPEncoder(71)(torch.zeros(4, 71)).shape
        torch.Size([4, 32])
    """

    kind = "mlp"

    def __init__(self, features: int, hidden: Sequence[int] = (128, 128), latent: int = 32) -> None:
        super().__init__(features, latent)
        self.hidden = tuple(int(width) for width in hidden)
        if any(width < 1 for width in self.hidden):
            raise InputError(f"Hidden layers need at least one unit each, got hidden={list(self.hidden)}")
        layers: list[nn.Module] = []
        for before, after in pairwise((features, *self.hidden)):
            layers += [nn.Linear(before, after), nn.ReLU()]
        self.layers = nn.Sequential(*layers, nn.Linear((features, *self.hidden)[-1], latent))

    def config(self) -> dict[str, Any]:
        """The JSON-able arguments from which `build_encoder` makes the same network."""
        return {"kind": self.kind, "features": self.features, "hidden": list(self.hidden), "latent": self.latent}

    def forward(self, x: Tensor) -> Tensor:
        """Map rows of shape (n, features) to latent vectors of shape (n, latent)."""
        z: Tensor = self.layers(x)
        return z


class TransformerLayer(nn.Module):
    r"""A post-norm Transformer encoder layer.

    .. math:: h \leftarrow \mathrm{norm}(h + \mathrm{attention}(h)), \quad
              h \leftarrow \mathrm{norm}(h + W_2 \, \mathrm{relu}(W_1 h))

    The arithmetic and the parameter count are those of :class:`torch.nn.TransformerEncoderLayer`. That class switches
    to a fused kernel in evaluation mode, depending on global flags; this one has a single path, so that training,
    scoring and export compute the same thing.

    References:
        | Attention Is All You Need (Vaswani et al., 2017)
        | https://arxiv.org/abs/1706.03762

    Arguments:
        width: The size of a token.
        heads: The number of attention heads, a divisor of `width`.
        feedforward: The width of the hidden layer.
        dropout: The dropout rate of the attention weights, the hidden layer and both residual branches.
    """

    def __init__(self, width: int, heads: int, feedforward: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.expand = nn.Linear(width, feedforward)
        self.contract = nn.Linear(feedforward, width)
        self.norm_attention = nn.LayerNorm(width)
        self.norm_feedforward = nn.LayerNorm(width)
        self.dropout = nn.Dropout(dropout)
        nn.init.xavier_uniform_(self.qkv.weight)
        nn.init.zeros_(self.qkv.bias)
        nn.init.zeros_(self.out.bias)

    def attention(self, h: Tensor) -> Tensor:
        """Scaled dot-product self-attention over the tokens of each row, shape (n, tokens, width)."""
        n, tokens, width = h.shape
        q, k, v = self.qkv(h).view(n, tokens, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        mixed = functional.scaled_dot_product_attention(q, k, v, dropout_p=self.dropout.p if self.training else 0.0)
        projected: Tensor = self.out(mixed.transpose(1, 2).reshape(n, tokens, width))
        return projected

    def forward(self, h: Tensor) -> Tensor:
        """Map tokens of shape (n, tokens, width) to tokens of the same shape."""
        h = self.norm_attention(h + self.dropout(self.attention(h)))
        hidden = self.dropout(torch.relu(self.expand(h)))
        out: Tensor = self.norm_feedforward(h + self.dropout(self.contract(hidden)))
        return out


class PaperEncoder(Encoder):
    r"""The CNN-Transformer of Latent Sculpting.

    Convolutions of kernel 2 without padding read the row as a signal and shorten it by one each; after dropout, max
    pooling by 2 leaves :math:`\lceil (d - 5) / 2 \rceil` tokens. These are widened, marked with a learned positional
    embedding, mixed by post-norm Transformer layers, averaged, normalised and projected to the latent. At 71 features:
    33 tokens and 158,080 parameters.

    The pooling keeps an odd last position (ours; at 71 features there is none): rounding down, as usual, would hide the
    last column of every table with an even number of columns from the network.

    References:
        | Latent Sculpting for Zero-Shot Generalization (2025)
        | https://arxiv.org/abs/2512.22179

    Arguments:
        features: The number of input features :math:`d`, at least 6 with the default channels.
        latent: The number of latent dimensions.
        channels: The output channels of the convolutions.
        width: The size of a token.
        heads: The number of attention heads, a divisor of `width`.
        layers: The number of Transformer layers.
        feedforward: The hidden width of the Transformer layers.
        dropout: The dropout rate.

    Raises:
        InputError: If the convolutions would leave no token.

    Example:
        >>> encoder = PaperEncoder(71)
        >>> encoder.tokens, sum(p.numel() for p in encoder.parameters())
        (33, 158080)
    """

    kind = "cnn-transformer"

    def __init__(
        self,
        features: int,
        latent: int = 32,
        *,
        channels: Sequence[int] = (32, 16, 16, 16, 16),
        width: int = 64,
        heads: int = 4,
        layers: int = 3,
        feedforward: int = 256,
        dropout: float = 0.1,
    ) -> None:
        super().__init__(features, latent)
        self.channels = tuple(int(count) for count in channels)
        self.tokens = (features - len(self.channels) + 1) // 2
        if self.tokens < 1:
            raise InputError(
                f"The CNN-Transformer encoder needs at least {len(self.channels) + 1} features, got {features}: "
                "its convolutions shorten the row. Use the MLP encoder (preset 'fast') for narrow tables."
            )
        if width % heads:
            raise InputError(f"The token width must be a multiple of the number of heads, got {width} and {heads}")
        self.width, self.heads, self.feedforward, self.dropout_rate = width, heads, feedforward, dropout
        convolutions: list[nn.Module] = []
        for before, after in pairwise((1, *self.channels)):
            convolutions += [nn.Conv1d(before, after, kernel_size=2), nn.ReLU()]
        self.convolutions = nn.Sequential(*convolutions, nn.Dropout(dropout), nn.MaxPool1d(2, ceil_mode=True))
        self.widen = nn.Linear(self.channels[-1], width)
        self.position = nn.Parameter(0.02 * torch.randn(self.tokens, width))
        self.layers = nn.ModuleList(TransformerLayer(width, heads, feedforward, dropout) for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        self.project = nn.Linear(width, latent)

    def config(self) -> dict[str, Any]:
        """The JSON-able arguments from which `build_encoder` makes the same network."""
        return {
            "kind": self.kind,
            "features": self.features,
            "latent": self.latent,
            "channels": list(self.channels),
            "width": self.width,
            "heads": self.heads,
            "layers": len(self.layers),
            "feedforward": self.feedforward,
            "dropout": self.dropout_rate,
        }

    def forward(self, x: Tensor) -> Tensor:
        """Map rows of shape (n, features) to latent vectors of shape (n, latent)."""
        h = self.convolutions(x.unsqueeze(1)).transpose(1, 2)
        h = self.widen(h) + self.position
        for layer in self.layers:
            h = layer(h)
        z: Tensor = self.project(torch.relu(self.norm(h.mean(dim=1))))
        return z


ENCODERS: dict[str, type[Encoder]] = {MLPEncoder.kind: MLPEncoder, PaperEncoder.kind: PaperEncoder}


def build_encoder(config: Mapping[str, Any], *, seed: int = 0) -> Encoder:
    """Make an encoder from its configuration, with weights that depend on the seed alone.

    Arguments:
        config: ``kind`` (a key of `ENCODERS`), ``features``, and any other argument of that encoder.
        seed: Seeds the initial weights; torch's global generator stays as it was.

    Raises:
        InputError: If the kind or an argument is unknown, or the features are too few.

    Example:
        >>> build_encoder({"kind": "mlp", "features": 5, "latent": 2}).config()
        {'kind': 'mlp', 'features': 5, 'hidden': [128, 128], 'latent': 2}
    """
    arguments = dict(config)
    kind = arguments.pop("kind", None)
    if kind not in ENCODERS:
        raise InputError(f"Unknown encoder kind {kind!r}: use one of {', '.join(map(repr, ENCODERS))}")
    with isolated_rng(seed, "encoder"):
        try:
            return ENCODERS[kind](**arguments)
        except TypeError as error:
            raise InputError(f"The {kind!r} encoder cannot be built from {arguments}: {error}") from error
