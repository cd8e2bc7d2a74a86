"""A flow as plain arrays: masks folded into dense weights, so that an exported model needs no mask at all."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from unseen.nn.flows import LatentFlow, LogScale

__all__ = ["FoldedBlock", "FoldedFlow", "fold_flow"]


@dataclass(frozen=True)
class FoldedBlock:
    """One autoregressive block.

    Attributes:
        layers: Weight, shape (inputs, outputs), and bias of each linear layer; ReLU stands between them. The last one
            gives all shifts and then all unbounded log-scales.
    """

    layers: tuple[tuple[NDArray[np.float32], NDArray[np.float32]], ...]


@dataclass(frozen=True)
class FoldedFlow:
    """A :class:`~unseen.nn.flows.LatentFlow` as arrays.

    Attributes:
        features: The number of dimensions.
        blocks: The blocks in order, from the latent to the base.
        log_scale: How the log-scale is bounded.
        scale: What multiplies the latent first, shape (features,), or ``None``.
        shift: What is added to it then.
    """

    features: int
    blocks: tuple[FoldedBlock, ...]
    log_scale: LogScale
    scale: NDArray[np.float32] | None = None
    shift: NDArray[np.float32] | None = None

    @property
    def flops(self) -> int:
        """Multiplications and additions of one row's matrix products."""
        return sum(2 * weight.size for block in self.blocks for weight, _ in block.layers)


def fold_flow(flow: LatentFlow) -> FoldedFlow:
    """Fold a flow's masks into its weights.

    Example:
        >>> from unseen.nn.flows import masked_autoregressive_flow
        >>> folded = fold_flow(masked_autoregressive_flow(4, transforms=2, hidden=(8,)))
        >>> [weight.shape for weight, _ in folded.blocks[0].layers]
        [(4, 8), (8, 8)]
    """
    blocks = tuple(_fold_block(transform, flow.features) for transform in flow.maf.transform.transforms)
    if not flow.standardise:
        return FoldedFlow(flow.features, blocks, flow.log_scale)
    scale, shift = 1 / flow.std, -flow.mean / flow.std
    return FoldedFlow(flow.features, blocks, flow.log_scale, scale.numpy(), shift.numpy())


def _fold_block(transform: object, features: int) -> FoldedBlock:
    hyper = getattr(transform, "hyper", None)
    if hyper is None:
        # zuko makes a flow of one dimension of plain parameters: no other dimension could set its shift and scale.
        constants = np.array([_array(part).item() for part in transform.phi], dtype=np.float32)  # type: ignore[attr-defined]
        return FoldedBlock(((np.zeros((1, 2), dtype=np.float32), constants),))
    layers = [(_array(m.mask * m.weight).T, _array(m.bias)) for m in hyper if hasattr(m, "mask")]
    weight, bias = layers.pop()
    # zuko puts each dimension's shift and log-scale side by side.
    order = np.arange(2 * features).reshape(features, 2).T.reshape(-1)
    layers.append((weight[:, order], bias[order]))
    return FoldedBlock(tuple((np.ascontiguousarray(weight), bias) for weight, bias in layers))


def _array(tensor: object) -> NDArray[np.float32]:
    array: NDArray[np.float32] = tensor.detach().cpu().numpy()  # type: ignore[attr-defined]
    return array
