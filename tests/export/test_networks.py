"""Exported networks compute what torch computes."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch

from unseen.export.evidence import express_scorer
from unseen.export.graph import Graph
from unseen.export.networks import express_encoder, express_flow
from unseen.nn.encoders import build_encoder
from unseen.nn.flows import masked_autoregressive_flow, negative_log_likelihood
from unseen.nn.folding import fold_flow
from unseen.nn.scorer import SculptedScorer, Whitening

rng = np.random.default_rng(0)


def run(graph: Graph, tensors: list[str], x: np.ndarray) -> list[np.ndarray]:
    for number, tensor in enumerate(tensors):
        graph.output(f"y{number}", tensor, np.float32, ("rows",) if len(tensors) > 1 else ("rows", "values"))
    content = graph.model().SerializeToString()
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    return session.run(None, {"x": x})


def started(columns: int) -> Graph:
    graph = Graph()
    graph.input("x", np.float32, ("rows", columns))
    return graph


@pytest.mark.parametrize(
    "config",
    [
        {"kind": "mlp", "features": 7, "hidden": [16, 8], "latent": 3},
        {"kind": "mlp", "features": 5, "hidden": [], "latent": 2},
        # Odd and even numbers of columns end differently in the pooling.
        {"kind": "cnn-transformer", "features": 13, "width": 16, "feedforward": 24, "layers": 2},
        {"kind": "cnn-transformer", "features": 14, "width": 16, "feedforward": 24, "layers": 1},
    ],
    ids=lambda config: f"{config['kind']}-{config['features']}",
)
def test_encoders(config: dict[str, Any]) -> None:
    encoder = build_encoder(config, seed=3).eval()
    x = rng.normal(size=(33, config["features"])).astype(np.float32)
    graph = started(config["features"])
    (found,) = run(graph, [express_encoder(graph, "x", encoder)], x)
    with torch.no_grad():
        expected = encoder(torch.from_numpy(x)).numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)
    assert np.ptp(expected) > 0


@pytest.mark.parametrize("features", [1, 2, 9])
@pytest.mark.parametrize("log_scale", ["tanh", "softclip"])
@pytest.mark.parametrize("standardise", [False, True])
def test_flows(features: int, log_scale: Any, standardise: bool) -> None:
    flow = masked_autoregressive_flow(
        features, 3, (16, 16), log_scale=log_scale, standardise=standardise, seed=1
    ).eval()
    z = (3.0 * rng.normal(size=(40, features)) + 1.0).astype(np.float32)
    if standardise:
        flow.fit_standardisation(torch.from_numpy(z))
    with torch.no_grad():
        for parameter in flow.parameters():
            # Freshly made log-scales are nearly zero; larger ones show a wrong bound.
            parameter.mul_(2.0)
        expected = negative_log_likelihood(flow, torch.from_numpy(z)).numpy()
    graph = started(features)
    (found,) = run(graph, [graph.unsqueeze(express_flow(graph, "x", flow))], z)
    np.testing.assert_allclose(found[:, 0], expected, rtol=1e-5, atol=1e-5)


def test_folded_weights_are_masked() -> None:
    flow = masked_autoregressive_flow(6, 2, (32,), seed=0)
    first = fold_flow(flow).blocks[0]
    weight = np.linalg.multi_dot([np.abs(weight) for weight, _ in first.layers])
    # A dimension's shift and log-scale depend on earlier dimensions only.
    shifts, scales = weight[:, :6], weight[:, 6:]
    assert (np.tril(shifts) == 0).all()
    assert (np.tril(scales) == 0).all()
    assert (shifts[np.triu_indices(6, 1)] > 0).all()
    assert fold_flow(flow).flops == 2 * 2 * (6 * 32 + 32 * 12)


@pytest.mark.parametrize("triage", ["difference", "distance"])
@pytest.mark.parametrize("projected", [False, True])
def test_a_sculpted_scorer(triage: Any, projected: bool) -> None:
    x = rng.normal(size=(64, 7)).astype(np.float32)
    encoder = build_encoder({"kind": "mlp", "features": 7, "hidden": [16], "latent": 4}, seed=2).eval()
    with torch.no_grad():
        latent = Whitening.fit(encoder(torch.from_numpy(x)).numpy(), 3) if projected else None
    row = Whitening.fit(x, 2) if projected else None
    flow = masked_autoregressive_flow(5 if projected else 4, 2, (8,), seed=4).eval()
    scorer = SculptedScorer(encoder, flow, rng.normal(size=(2, 4)), triage, latent, row).eval()
    graph = started(7)
    # A row far off meets the projections' limit.
    x[0] *= 1e6 if projected else 1.0
    found = np.column_stack(run(graph, express_scorer(scorer, graph, "x"), x))
    np.testing.assert_allclose(found, scorer.scores(x), rtol=1e-4, atol=1e-5)
