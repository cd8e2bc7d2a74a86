"""Encoders and flows as operators; everything here is single precision."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unseen.errors import InputError
from unseen.export.graph import Graph
from unseen.nn.encoders import Encoder, MLPEncoder, PaperEncoder
from unseen.nn.flows import SLOPE, LatentFlow
from unseen.nn.folding import FoldedBlock, FoldedFlow, fold_flow
from unseen.nn.state import to_arrays

__all__ = ["express_encoder", "express_flow", "perceptron"]

_EPSILON = 1e-5  # torch's, of layer normalisation
Arrays = Mapping[str, NDArray[Any]]


def perceptron(graph: Graph, x: str, layers: Sequence[tuple[NDArray[np.float32], NDArray[np.float32]]]) -> str:
    """Linear layers with ReLU between them.

    Arguments:
        graph: The graph.
        x: Rows, shape (rows, inputs).
        layers: Weight, shape (inputs, outputs), and bias of each.
    """
    for number, (weight, bias) in enumerate(layers):
        if number:
            x = graph("Relu", x)
        x = graph("Gemm", x, graph.constant(weight, np.float32), graph.constant(bias, np.float32))
    return x


def express_encoder(graph: Graph, x: str, encoder: Encoder) -> str:
    """The latent of prepared rows, shape (rows, latent).

    Raises:
        InputError: If this release knows no operators for the encoder.
    """
    arrays = to_arrays(encoder)
    if isinstance(encoder, MLPEncoder):
        places = sorted({int(name.split(".")[1]) for name in arrays})
        return perceptron(graph, x, [_linear(arrays, f"layers.{place}") for place in places])
    if isinstance(encoder, PaperEncoder):
        return _cnn_transformer(graph, x, encoder, arrays)
    raise InputError(f"the encoder {encoder.kind!r} cannot be expressed in ONNX")


def _linear(arrays: Arrays, name: str) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    return np.ascontiguousarray(arrays[f"{name}.weight"].T), arrays[f"{name}.bias"]


def _cnn_transformer(graph: Graph, x: str, encoder: PaperEncoder, arrays: Arrays) -> str:
    h = graph.unsqueeze(x)
    for number in range(len(encoder.channels)):
        # An activation stands between every two convolutions.
        weight, bias = (arrays[f"convolutions.{2 * number}.{part}"] for part in ("weight", "bias"))
        h = graph("Conv", h, graph.constant(weight, np.float32), graph.constant(bias, np.float32), kernel_shape=[2])
        h = graph("Relu", h)
    h = graph("MaxPool", h, kernel_shape=[2], strides=[2], ceil_mode=1)
    h = _affine(graph, graph("Transpose", h, perm=[0, 2, 1]), *_linear(arrays, "widen"))
    h = graph("Add", h, graph.constant(arrays["position"], np.float32))
    for number in range(len(encoder.layers)):
        prefix = f"layers.{number}."
        part = {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}
        h = _transformer_layer(graph, h, part, encoder)
    h = _normalised(graph, graph.reduced(h, "ReduceMean"), arrays, "norm")
    return perceptron(graph, graph("Relu", h), [_linear(arrays, "project")])


def _transformer_layer(graph: Graph, h: str, arrays: Arrays, encoder: PaperEncoder) -> str:
    heads, size = encoder.heads, encoder.width // encoder.heads
    weight, bias = (part.copy() for part in _linear(arrays, "qkv"))
    # The queries are scaled once, here, instead of for every row.
    weight[:, : encoder.width] /= math.sqrt(size)
    bias[: encoder.width] /= math.sqrt(size)
    shape = graph.constant([0, encoder.tokens, 3, heads, size], np.int64)
    qkv = graph("Transpose", graph("Reshape", _affine(graph, h, weight, bias), shape), perm=[2, 0, 3, 1, 4])
    q, k, v = (graph("Gather", qkv, graph.constant(part, np.int64), axis=0) for part in range(3))
    attention = graph("Softmax", graph("MatMul", q, graph("Transpose", k, perm=[0, 1, 3, 2])), axis=-1)
    mixed = graph("Transpose", graph("MatMul", attention, v), perm=[0, 2, 1, 3])
    mixed = graph("Reshape", mixed, graph.constant([0, encoder.tokens, encoder.width], np.int64))
    h = _normalised(graph, graph("Add", h, _affine(graph, mixed, *_linear(arrays, "out"))), arrays, "norm_attention")
    hidden = graph("Relu", _affine(graph, h, *_linear(arrays, "expand")))
    h = graph("Add", h, _affine(graph, hidden, *_linear(arrays, "contract")))
    return _normalised(graph, h, arrays, "norm_feedforward")


def _affine(graph: Graph, h: str, weight: NDArray[np.float32], bias: NDArray[np.float32]) -> str:
    product = graph("MatMul", h, graph.constant(weight, np.float32))
    return graph("Add", product, graph.constant(bias, np.float32))


def _normalised(graph: Graph, h: str, arrays: Arrays, name: str) -> str:
    weight, bias = (graph.constant(arrays[f"{name}.{part}"], np.float32) for part in ("weight", "bias"))
    return graph("LayerNormalization", h, weight, bias, axis=-1, epsilon=_EPSILON)


def express_flow(graph: Graph, z: str, flow: LatentFlow) -> str:
    """The negative log-likelihood (nats) of latents, shape (rows,)."""
    folded = fold_flow(flow)
    constant = 0.5 * folded.features * math.log(2.0 * math.pi)
    if folded.scale is not None and folded.shift is not None:
        z = graph(
            "Add", graph("Mul", z, graph.constant(folded.scale, np.float32)), graph.constant(folded.shift, np.float32)
        )
        constant -= float(np.log(np.abs(folded.scale.astype(np.float64))).sum())
    log_scales = []
    for block in folded.blocks:
        z, log_scale = _block(graph, z, block, folded)
        log_scales.append(log_scale)
    total = log_scales[0] if len(log_scales) == 1 else graph("Sum", *log_scales)
    energy = graph("Mul", graph.reduced(z, "ReduceSumSquare"), graph.constant(0.5, np.float32))
    log_determinant = graph.weighted_sum(total, np.ones(folded.features, dtype=np.float32))
    return graph("Sub", graph("Add", energy, graph.constant(constant, np.float32)), log_determinant)


def _block(graph: Graph, z: str, block: FoldedBlock, flow: FoldedFlow) -> tuple[str, str]:
    """One autoregressive block: the transformed rows, and their log-scales."""
    phi = perceptron(graph, z, block.layers)
    first, middle, last = (graph.constant([edge], np.int64) for edge in (0, flow.features, 2 * flow.features))
    axis = graph.constant([1], np.int64)
    shift, raw = graph("Slice", phi, first, middle, axis), graph("Slice", phi, middle, last, axis)
    if flow.log_scale == "tanh":
        log_scale = graph("Tanh", raw)
    else:
        bound = graph("Abs", graph("Div", raw, graph.constant(math.log(SLOPE), np.float32)))
        log_scale = graph("Div", raw, graph("Add", bound, graph.constant(1.0, np.float32)))
    return graph("Add", graph("Mul", z, graph("Exp", log_scale)), shift), log_scale
