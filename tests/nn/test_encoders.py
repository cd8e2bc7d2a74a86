from __future__ import annotations

import json

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from unseen.errors import InputError
from unseen.nn.encoders import ENCODERS, MLPEncoder, PaperEncoder, TransformerLayer, build_encoder
from unseen.nn.seeding import generator, isolated_rng


def paper(features: int = 71, **arguments: object) -> PaperEncoder:
    encoder = build_encoder({"kind": "cnn-transformer", "features": features, **arguments})
    assert isinstance(encoder, PaperEncoder)
    return encoder


def test_paper_encoder_has_the_published_size() -> None:
    encoder = paper()
    assert encoder.tokens == 33
    assert sum(parameter.numel() for parameter in encoder.parameters()) == 158_080


@given(features=st.integers(6, 120), latent=st.integers(1, 40), rows=st.integers(1, 5))
@settings(max_examples=15, deadline=None)
def test_shapes(features: int, latent: int, rows: int) -> None:
    for kind in ENCODERS:
        encoder = build_encoder({"kind": kind, "features": features, "latent": latent}).eval()
        assert encoder(torch.zeros(rows, features)).shape == (rows, latent)


@pytest.mark.parametrize("features", [1, 4, 5])
def test_too_few_features_name_the_minimum(features: int) -> None:
    with pytest.raises(InputError, match=f"at least 6 features, got {features}"):
        paper(features)


def test_six_features_are_enough() -> None:
    assert paper(6).eval()(torch.zeros(3, 6)).shape == (3, 32)


@pytest.mark.parametrize(
    "config",
    [
        {"kind": "mlp", "features": 9, "hidden": [7, 5], "latent": 3},
        {"kind": "mlp", "features": 4, "hidden": [], "latent": 2},
        {
            "kind": "cnn-transformer",
            "features": 20,
            "latent": 4,
            "channels": [8, 4],
            "width": 12,
            "heads": 3,
            "layers": 2,
            "feedforward": 16,
            "dropout": 0.25,
        },
    ],
)
def test_config_round_trip_through_json(config: dict[str, object]) -> None:
    encoder = build_encoder(json.loads(json.dumps(config)))
    assert encoder.config() == config
    twin = build_encoder(encoder.config())
    assert [p.shape for p in twin.parameters()] == [p.shape for p in encoder.parameters()]


@pytest.mark.parametrize("kind", list(ENCODERS))
def test_same_seed_same_weights(kind: str) -> None:
    config = {"kind": kind, "features": 12}
    first, again, other = (list(build_encoder(config, seed=seed).parameters()) for seed in (3, 3, 4))
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(first, other, strict=True))


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"kind": "resnet", "features": 3}, "Unknown encoder kind 'resnet'"),
        ({"features": 3}, "Unknown encoder kind None"),
        ({"kind": "mlp", "features": 3, "depth": 2}, "depth"),
        ({"kind": "mlp", "features": 0}, "at least one feature"),
        ({"kind": "mlp", "features": 3, "hidden": [4, 0]}, "at least one unit"),
        ({"kind": "cnn-transformer", "features": 30, "width": 10, "heads": 4}, "multiple of the number of heads"),
    ],
)
def test_unusable_configurations_are_refused(config: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        build_encoder(config)


@pytest.mark.parametrize("features", [14, 15])
@pytest.mark.parametrize("kind", list(ENCODERS))
def test_gradients_reach_every_parameter_and_every_feature(kind: str, features: int) -> None:
    encoder = build_encoder({"kind": kind, "features": features})
    x = torch.randn(32, features, generator=generator(0)).requires_grad_()
    with isolated_rng(0):
        encoder(x).square().sum().backward()
    for name, parameter in encoder.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name
    assert x.grad is not None
    assert (x.grad.abs().sum(dim=0) > 0).all()


def test_dropout_acts_in_training_only() -> None:
    encoder, x = paper(20), torch.randn(4, 20, generator=generator(0))
    with isolated_rng(0):
        encoder.train()
        assert not torch.equal(encoder(x), encoder(x))
    encoder.eval()
    assert torch.equal(encoder(x), encoder(x))


def test_evaluation_is_the_same_with_and_without_gradients() -> None:
    encoder, x = paper(20).eval(), torch.randn(4, 20, generator=generator(0))
    with torch.inference_mode():
        fast = encoder(x)
    assert torch.equal(encoder(x).detach(), fast)


def test_transformer_layer_computes_what_torch_computes() -> None:
    with isolated_rng(0):
        ours = TransformerLayer(16, 4, 24, dropout=0.1).double().eval()
        theirs = torch.nn.TransformerEncoderLayer(16, 4, 24, dropout=0.1, batch_first=True).double()
        h = torch.randn(5, 7, 16, dtype=torch.float64)
    names = {
        "self_attn.in_proj_weight": "qkv.weight",
        "self_attn.in_proj_bias": "qkv.bias",
        "self_attn.out_proj.weight": "out.weight",
        "self_attn.out_proj.bias": "out.bias",
        "linear1.weight": "expand.weight",
        "linear1.bias": "expand.bias",
        "linear2.weight": "contract.weight",
        "linear2.bias": "contract.bias",
        "norm1.weight": "norm_attention.weight",
        "norm1.bias": "norm_attention.bias",
        "norm2.weight": "norm_feedforward.weight",
        "norm2.bias": "norm_feedforward.bias",
    }
    state = ours.state_dict()
    theirs.load_state_dict({name: state[own] for name, own in names.items()})
    torch.testing.assert_close(ours(h), theirs.eval()(h), rtol=1e-12, atol=1e-12)


def test_tokens_are_told_apart_by_position() -> None:
    encoder = paper(21).eval()
    x = torch.randn(4, 21, generator=generator(1))
    with torch.no_grad():
        before = encoder(x)
        encoder.position.copy_(encoder.position.flip(0))
        assert not torch.allclose(before, encoder(x))


def test_mlp_is_affine_between_its_kinks() -> None:
    encoder = build_encoder({"kind": "mlp", "features": 6, "hidden": [], "latent": 4})
    assert isinstance(encoder, MLPEncoder)
    a, b = torch.randn(2, 3, 6, generator=generator(2))
    middle = encoder((a + b) / 2)
    torch.testing.assert_close(middle, (encoder(a) + encoder(b)) / 2)
