r"""Normalizing flows: the density of the normals' latent vectors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, ClassVar, Literal, get_args

import torch
from torch import Tensor, nn
from torch.distributions import AffineTransform, Transform, constraints
from zuko.distributions import NormalizingFlow
from zuko.flows import MAF
from zuko.transforms import ComposedTransform, MonotonicAffineTransform

from unseen.errors import InputError
from unseen.nn.seeding import isolated_rng

__all__ = [
    "SLOPE",
    "LatentFlow",
    "LogScale",
    "TanhAffineTransform",
    "build_flow",
    "masked_autoregressive_flow",
    "negative_log_likelihood",
]

LogScale = Literal["tanh", "softclip"]


class TanhAffineTransform(Transform):
    r"""Creates a transformation :math:`f(x) = \exp(\tanh(a)) x + b`.

    One such step scales by a factor between :math:`1/e` and :math:`e`, so no block can blow a row up.

    Arguments:
        shift: The shift term :math:`b`, with shape :math:`(*,)`.
        scale: The unconstrained scale factor :math:`a`, with shape :math:`(*,)`.
    """

    domain = constraints.real
    codomain = constraints.real
    bijective = True
    sign = +1

    def __init__(self, shift: Tensor, scale: Tensor) -> None:
        super().__init__()
        self.shift = shift
        self.log_scale = torch.tanh(scale)
        self.scale = self.log_scale.exp()

    def _call(self, x: Tensor) -> Tensor:
        return x * self.scale + self.shift

    def _inverse(self, y: Tensor) -> Tensor:
        return (y - self.shift) / self.scale

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        """The log-scale, one value a feature."""
        return self.log_scale.expand(x.shape)


# A soft-clipped factor lies between this and its inverse.
SLOPE = 1e-3
_UNIVARIATE: dict[str, Any] = {"tanh": TanhAffineTransform, "softclip": partial(MonotonicAffineTransform, slope=SLOPE)}


class LatentFlow(nn.Module):
    r"""A masked autoregressive flow (MAF) with a standard normal base, optionally behind a fixed standardisation.

    Blocks take the features in ascending and descending order in turn. The log-scale of a block is bounded: by
    :math:`\tanh(a) \in (-1, 1)` as published, or by zuko's own :math:`a / (1 + |a / \ln s|)` with
    :math:`s = 10^{-3}`, hence within :math:`\pm 6.9`.

    With `standardise`, the latent's mean and standard deviation a dimension are buffers, set once by
    `fit_standardisation` and counted in the density. It spares few-block flows the work of scaling: sculpted latents
    may spread over hundredths of a unit, and with the tanh bound each block gains at most a factor :math:`e`.

    References:
        | Masked Autoregressive Flow for Density Estimation (Papamakarios et al., 2017)
        | https://arxiv.org/abs/1705.07057

    Arguments:
        features: The number of latent dimensions.
        transforms: The number of autoregressive blocks.
        hidden: The widths of the hidden layers of each block.
        log_scale: How the log-scale is bounded, ``"tanh"`` or ``"softclip"``.
        standardise: Whether a standardisation comes first.
    """

    kind: ClassVar[str] = "maf"
    mean: Tensor
    std: Tensor

    def __init__(
        self,
        features: int,
        transforms: int = 16,
        hidden: Sequence[int] = (512, 512),
        *,
        log_scale: LogScale = "tanh",
        standardise: bool = False,
    ) -> None:
        super().__init__()
        if features < 1 or transforms < 1 or any(width < 1 for width in hidden):
            raise InputError(
                "A flow needs at least one feature, one transform and one unit a hidden layer, "
                f"got features={features}, transforms={transforms}, hidden={list(hidden)}"
            )
        if log_scale not in get_args(LogScale):
            raise InputError(f"Unknown log_scale {log_scale!r}: use one of {', '.join(map(repr, get_args(LogScale)))}")
        self.features, self.transforms, self.hidden = features, transforms, tuple(int(width) for width in hidden)
        self.log_scale, self.standardise = log_scale, standardise
        self.maf = MAF(features, transforms=transforms, hidden_features=self.hidden, univariate=_UNIVARIATE[log_scale])
        # Masks, orders and the base follow from the arguments. Outside the state they can neither bloat a file nor be
        # changed by one.
        for module in self.maf.modules():
            for name, buffer in list(module.named_buffers(recurse=False)):
                module.register_buffer(name, buffer, persistent=False)
        if standardise:
            self.register_buffer("mean", torch.zeros(features))
            self.register_buffer("std", torch.ones(features))

    def config(self) -> dict[str, Any]:
        """The JSON-able arguments from which `build_flow` makes the same network."""
        return {
            "kind": self.kind,
            "features": self.features,
            "transforms": self.transforms,
            "hidden": list(self.hidden),
            "log_scale": self.log_scale,
            "standardise": self.standardise,
        }

    def fit_standardisation(self, z: Tensor) -> None:
        """Set the standardisation from latent rows.

        A dimension that hardly varies is scaled by a thousandth of the widest one: dividing by its own spread would
        let rounding noise decide the density.

        Arguments:
            z: Latent vectors of the normals, shape (n, features).

        Raises:
            InputError: If the flow was built without `standardise`.
        """
        if not self.standardise:
            raise InputError("This flow has no standardisation: build it with standardise=True")
        std = z.double().std(dim=0, correction=0)
        widest = std.max()
        floor = 1e-3 * widest if widest > 0 else torch.ones_like(widest)
        self.mean.copy_(z.double().mean(dim=0))
        self.std.copy_(torch.maximum(std, floor))

    def distribution(self) -> NormalizingFlow:
        """The density as a zuko distribution: ``log_prob``, ``sample``, and ``transform`` from latent to base."""
        flow = self.maf()
        if not self.standardise:
            return flow
        scaling = AffineTransform(-self.mean / self.std, 1 / self.std, event_dim=1)
        return NormalizingFlow(ComposedTransform(scaling, flow.transform), flow.base)

    def forward(self, z: Tensor) -> Tensor:
        """The log-density (nats) of latent vectors of shape (n, features): shape (n,)."""
        log_density: Tensor = self.distribution().log_prob(z)
        return log_density


def masked_autoregressive_flow(
    features: int,
    transforms: int = 16,
    hidden: Sequence[int] = (512, 512),
    *,
    log_scale: LogScale = "tanh",
    standardise: bool = False,
    seed: int = 0,
) -> LatentFlow:
    """Make a `LatentFlow` whose initial weights depend on the seed alone; the defaults are the published flow.

    Arguments:
        features: The number of latent dimensions.
        transforms: The number of autoregressive blocks.
        hidden: The widths of the hidden layers of each block.
        log_scale: How the log-scale is bounded, ``"tanh"`` or ``"softclip"``.
        standardise: Whether a standardisation comes first.
        seed: Seeds the initial weights; torch's global generator stays as it was.

    Example:
        >>> flow = masked_autoregressive_flow(32, transforms=5, hidden=(128, 128), standardise=True)
        >>> flow(torch.zeros(4, 32)).shape
        torch.Size([4])
    """
    with isolated_rng(seed, "flow"):
        return LatentFlow(features, transforms, hidden, log_scale=log_scale, standardise=standardise)


def build_flow(config: Mapping[str, Any], *, seed: int = 0) -> LatentFlow:
    """Make a flow from its configuration (see `LatentFlow.config`).

    Raises:
        InputError: If the kind or an argument is unknown.
    """
    arguments = dict(config)
    kind = arguments.pop("kind", None)
    if kind != LatentFlow.kind:
        raise InputError(f"Unknown flow kind {kind!r}: use {LatentFlow.kind!r}")
    try:
        return masked_autoregressive_flow(**arguments, seed=seed)
    except TypeError as error:
        raise InputError(f"The {kind!r} flow cannot be built from {arguments}: {error}") from error


def negative_log_likelihood(flow: LatentFlow, z: Tensor) -> Tensor:
    """The negative log-likelihood (nats), one value a row; higher is more anomalous.

    Arguments:
        flow: The flow.
        z: Latent vectors, shape (n, features).

    Returns:
        Shape (n,).
    """
    log_density: Tensor = flow(z)
    return -log_density
