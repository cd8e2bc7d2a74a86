"""Evidences as operators: one function an evidence, found by its class.

To make a new evidence exportable, register a function for its class::

    @express_evidence.register
    def _(evidence: MyEvidence, graph: Graph, x: str) -> list[str]: ...
"""

from __future__ import annotations

import math
from functools import singledispatch
from typing import Any

import numpy as np

from unseen.errors import InputError
from unseen.evidence import BoostedKnown, Isolation, MixtureDensity, RandomisedForest, Sculpted, SculptedFlow
from unseen.evidence.array_forest import ArrayForest
from unseen.export.graph import Graph
from unseen.export.networks import express_encoder, express_flow
from unseen.export.trees import Tree, boosted_trees, express_trees
from unseen.nn.scorer import SculptedScorer, Whitening
from unseen.nn.state import to_arrays

__all__ = ["NotExpressible", "express_evidence", "express_places", "express_scorer"]


class NotExpressible(InputError):
    """A part of a detector has no form in ONNX."""


@singledispatch
def express_evidence(evidence: Any, graph: Graph, x: str) -> list[str]:
    """Raw scores of an evidence, one tensor a view.

    Arguments:
        evidence: The fitted evidence.
        graph: The graph.
        x: The prepared rows, float32, shape (rows, columns).

    Returns:
        One float64 tensor of shape (rows,) for each of the evidence's views, in their order.

    Raises:
        NotExpressible: If this release knows no operators for it.
    """
    raise NotExpressible(f"the evidence {type(evidence).__name__} cannot be expressed in ONNX")


@express_evidence.register
def _(evidence: SculptedFlow, graph: Graph, x: str) -> list[str]:
    return [graph.float64(score) for score in express_scorer(evidence.scorer, graph, x)]


@express_evidence.register
def _(evidence: Sculpted, graph: Graph, x: str) -> list[str]:
    return express_evidence(evidence.flow, graph, x)


@express_evidence.register
def _(evidence: BoostedKnown, graph: Graph, x: str) -> list[str]:
    total = express_trees(graph, x, [tree for text in evidence.texts for tree in boosted_trees(text)])
    return [graph("Div", total, graph.constant(len(evidence.texts), np.float64))]


@express_evidence.register
def _(evidence: Isolation, graph: Graph, x: str) -> list[str]:
    # 2 to the power of the mean depth, relative to that of a random tree.
    scale = -math.log(2.0) / (len(evidence.column) * evidence.usual_depth)
    return [graph("Exp", graph("Mul", _total(evidence, graph, x), graph.constant(scale, np.float64)))]


@express_evidence.register
def _(evidence: RandomisedForest, graph: Graph, x: str) -> list[str]:
    return [graph("Div", _total(evidence, graph, x), graph.constant(len(evidence.column), np.float64))]


def _total(forest: ArrayForest, graph: Graph, x: str) -> str:
    parts = (forest.column, forest.threshold, forest.left, forest.right, forest.value)
    return express_trees(graph, x, [_reached(Tree(*map(np.asarray, tree))) for tree in zip(*parts, strict=True)])


def _reached(tree: Tree) -> Tree:
    """The tree without the padding behind its last node."""
    inner = tree.column >= 0
    size = 1 + int(max(tree.left[inner].max(initial=0), tree.right[inner].max(initial=0)))
    return Tree(*(getattr(tree, name)[:size] for name in ("column", "threshold", "left", "right", "value")))


@express_evidence.register
def _(evidence: MixtureDensity, graph: Graph, x: str) -> list[str]:
    k, d = evidence.shifts.shape
    # All components in one product.
    factors = evidence.factors.transpose(1, 0, 2).reshape(d, k * d)
    offset = graph.constant(evidence.shifts.reshape(-1), np.float32)
    standard = graph("Sub", graph("MatMul", x, graph.constant(factors, np.float32)), offset)
    standard = graph("Reshape", standard, graph.constant([0, k, d], np.int64))
    energy = graph.float64(graph.reduced(standard, "ReduceSumSquare", axis=2))
    logs = graph("Mul", energy, graph.constant(-0.5, np.float64))
    logs = graph("Add", logs, graph.constant(evidence.log_weights, np.float64))
    highest = graph.reduced(logs, "ReduceMax")
    shares = graph("Exp", graph("Sub", logs, graph.unsqueeze(highest)))
    log_density = graph("Add", highest, graph("Log", graph.weighted_sum(shares, np.ones(k))))
    return [graph("Neg", log_density)]


def express_scorer(scorer: SculptedScorer, graph: Graph, x: str) -> list[str]:
    """The triage and density scores of prepared rows, float32, shape (rows,) each."""
    z = express_encoder(graph, x, scorer.encoder)
    centroids = to_arrays(scorer)["centroids"]
    distances = [
        graph.reduced(graph("Sub", z, graph.constant(centroid, np.float32)), "ReduceSumSquare")
        for centroid in centroids
    ]
    triage = graph("Sub", *distances) if scorer.triage == "difference" else distances[0]
    return [triage, express_flow(graph, _seen(scorer, graph, x, z), scorer.flow)]


def express_places(scorer: SculptedScorer, graph: Graph, x: str) -> str:
    """Where prepared rows lie as the flow sees them, float32, shape (rows, dimensions)."""
    return _seen(scorer, graph, x, express_encoder(graph, x, scorer.encoder))


def _seen(scorer: SculptedScorer, graph: Graph, x: str, z: str) -> str:
    """What the flow sees of prepared rows and their latents."""
    seen = [z if scorer.latent_projection is None else _whitened(graph, z, scorer.latent_projection)]
    if scorer.row_projection is not None:
        seen.append(_whitened(graph, x, scorer.row_projection))
    return graph.concat(seen)


def _whitened(graph: Graph, x: str, whitening: Whitening) -> str:
    arrays = to_arrays(whitening)
    centred = graph("Sub", x, graph.constant(arrays["mean"], np.float32))
    projected = graph("MatMul", centred, graph.constant(arrays["matrix"], np.float32))
    low, high = (graph.constant(sign * whitening.LIMIT, np.float32) for sign in (-1.0, 1.0))
    return graph("Clip", projected, low, high)
