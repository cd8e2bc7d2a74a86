from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from safetensors.numpy import load, save

from unseen.errors import ArtifactError
from unseen.nn.encoders import Encoder, build_encoder
from unseen.nn.flows import LatentFlow, masked_autoregressive_flow
from unseen.nn.inference import run_in_chunks
from unseen.nn.state import load_arrays, restore, to_arrays

X = np.random.default_rng(0).standard_normal((50, 12)).astype(np.float32)


def modules() -> list[Encoder | LatentFlow]:
    flow = masked_autoregressive_flow(12, 2, (16, 16), standardise=True, seed=3)
    flow.fit_standardisation(torch.from_numpy(0.01 * X + 5))
    return [
        build_encoder({"kind": "cnn-transformer", "features": 12}, seed=3),
        build_encoder({"kind": "mlp", "features": 12}, seed=3),
        flow,
        masked_autoregressive_flow(12, 2, (16,), log_scale="softclip", seed=3),
    ]


@pytest.mark.parametrize("module", modules(), ids=lambda module: module.kind)
def test_saved_and_restored_outputs_are_bit_equal(module: Encoder | LatentFlow) -> None:
    arrays = load(save(to_arrays(module)))
    again = restore(json.loads(json.dumps(module.config())), arrays)
    assert not again.training
    assert np.array_equal(run_in_chunks(again, X), run_in_chunks(module, X))


def test_arrays_are_copies() -> None:
    module = torch.nn.Linear(3, 2, bias=False, dtype=torch.float64, device="meta").to_empty(device="cpu")
    torch.nn.init.zeros_(module.weight)
    arrays = to_arrays(module)
    arrays["weight"][:] = 7
    assert not module.weight.any()
    load_arrays(module, arrays)
    arrays["weight"][:] = 8
    assert (module.weight == 7).all()


def broken(change: str) -> dict[str, np.ndarray]:
    arrays = to_arrays(build_encoder({"kind": "mlp", "features": 3, "hidden": [], "latent": 2}))
    weight = arrays["layers.0.weight"]
    match change:
        case "missing":
            del arrays["layers.0.bias"]
        case "extra":
            arrays["layers.9.bias"] = weight
        case "shape":
            arrays["layers.0.weight"] = weight.T
        case "dtype":
            arrays["layers.0.weight"] = weight.astype(np.float64)
        case "nan":
            weight[1, 1] = np.nan
    return arrays


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("missing", r"missing \['layers.0.bias'\], unknown none"),
        ("extra", r"missing none, unknown \['layers.9.bias'\]"),
        ("shape", r"'layers.0.weight' .* shape \(3, 2\), needs \(2, 3\)"),
        ("dtype", "is float64, needs float32"),
        ("nan", "not finite"),
    ],
)
def test_foreign_arrays_are_refused_and_change_nothing(change: str, message: str) -> None:
    module = build_encoder({"kind": "mlp", "features": 3, "hidden": [], "latent": 2}, seed=5)
    before = to_arrays(module)
    with pytest.raises(ArtifactError, match=message):
        load_arrays(module, broken(change))
    assert all(np.array_equal(before[name], array) for name, array in to_arrays(module).items())


@pytest.mark.parametrize("config", [{"kind": "tree"}, {}, {"kind": "mlp", "features": -1}, {"kind": "maf", "x": 1}])
def test_foreign_configurations_are_refused(config: dict[str, object]) -> None:
    with pytest.raises(ArtifactError, match="configuration cannot be used"):
        restore(config, {})
