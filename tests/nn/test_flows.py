from __future__ import annotations

import json
import math

import pytest
import torch

from unseen.errors import InputError
from unseen.nn.flows import (
    LatentFlow,
    LogScale,
    TanhAffineTransform,
    build_flow,
    masked_autoregressive_flow,
    negative_log_likelihood,
)
from unseen.nn.seeding import generator, isolated_rng

CASES = [(1, "tanh", False), (2, "tanh", True), (5, "tanh", False), (5, "softclip", True), (6, "softclip", False)]
laws = pytest.mark.parametrize(("features", "log_scale", "standardise"), CASES)


def make(features: int, log_scale: LogScale = "tanh", standardise: bool = False, transforms: int = 3) -> LatentFlow:
    flow = masked_autoregressive_flow(
        features, transforms, (16, 16), log_scale=log_scale, standardise=standardise, seed=1
    ).double()
    if standardise:
        scale = torch.linspace(0.1, 3.0, features, dtype=torch.float64)
        flow.fit_standardisation(2 + scale * rows(200, features))
    return flow


def rows(n: int, features: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(n, features, generator=generator(seed), dtype=torch.float64)


@pytest.mark.parametrize(("transforms", "width", "count"), [(16, 512, 4_998_144), (5, 128, 144_960)])
def test_sizes(transforms: int, width: int, count: int) -> None:
    flow = masked_autoregressive_flow(32, transforms, (width, width))
    assert sum(parameter.numel() for parameter in flow.parameters()) == count


@laws
def test_invertible(features: int, log_scale: LogScale, standardise: bool) -> None:
    transform, z = make(features, log_scale, standardise).distribution().transform, rows(32, features)
    torch.testing.assert_close(transform.inv(transform(z)), z, rtol=1e-8, atol=1e-8)
    torch.testing.assert_close(transform(transform.inv(z)), z, rtol=1e-8, atol=1e-8)


@laws
def test_log_determinant_is_that_of_the_jacobian(features: int, log_scale: LogScale, standardise: bool) -> None:
    transform = make(features, log_scale, standardise).distribution().transform
    for z in rows(4, features):
        jacobian = torch.autograd.functional.jacobian(transform, z)
        u, log_det = transform.call_and_ladj(z)
        torch.testing.assert_close(log_det, torch.linalg.slogdet(jacobian).logabsdet, rtol=1e-9, atol=1e-9)
        torch.testing.assert_close(u, transform(z))


@laws
def test_density_is_the_change_of_variables(features: int, log_scale: LogScale, standardise: bool) -> None:
    flow, z = make(features, log_scale, standardise), rows(8, features)
    u, log_det = flow.distribution().transform.call_and_ladj(z)
    base = -0.5 * u.square().sum(dim=1) - 0.5 * features * math.log(2 * math.pi)
    torch.testing.assert_close(flow(z), base + log_det)
    torch.testing.assert_close(negative_log_likelihood(flow, z), -(base + log_det))


def test_blocks_are_autoregressive_in_alternating_order() -> None:
    flow = make(6, transforms=2)
    z = rows(1, 6)[0]
    for index, block in enumerate(flow.maf.transform.transforms):
        jacobian = torch.autograd.functional.jacobian(block(), z)
        beyond = jacobian.triu(1) if index == 0 else jacobian.tril(-1)
        within = jacobian.tril(-1) if index == 0 else jacobian.triu(1)
        assert not beyond.any()
        assert (jacobian.diagonal() > 0).all()
        assert within.any()


@pytest.mark.parametrize("standardise", [False, True])
@pytest.mark.parametrize("log_scale", ["tanh", "softclip"])
def test_integrates_to_one(log_scale: LogScale, standardise: bool) -> None:
    line = torch.linspace(-40, 40, 8001, dtype=torch.float64)[:, None]
    with torch.no_grad():
        mass = torch.trapezoid(make(1, log_scale, standardise)(line).exp(), line[:, 0])
        axis = torch.linspace(-30, 30, 601, dtype=torch.float64)
        grid = torch.cartesian_prod(axis, axis)
        density = make(2, log_scale, standardise)(grid).exp().view(601, 601)
    assert mass.item() == pytest.approx(1, abs=1e-4)
    assert torch.trapezoid(torch.trapezoid(density, axis), axis).item() == pytest.approx(1, abs=1e-3)


@laws
def test_gradients_reach_every_parameter_and_every_dimension(
    features: int, log_scale: LogScale, standardise: bool
) -> None:
    flow, z = make(features, log_scale, standardise), rows(16, features).requires_grad_()
    negative_log_likelihood(flow, z).mean().backward()
    for name, parameter in flow.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.any(), name
    assert z.grad is not None
    assert z.grad.any(dim=0).all()


@laws
def test_state_dict_round_trip(features: int, log_scale: LogScale, standardise: bool) -> None:
    flow, z = make(features, log_scale, standardise), rows(9, features)
    twin = build_flow(json.loads(json.dumps(flow.config())), seed=9).double()
    assert not torch.equal(twin(z), flow(z))
    twin.load_state_dict(flow.state_dict())
    assert torch.equal(twin(z), flow(z))


def test_the_state_holds_learned_numbers_only() -> None:
    flow = masked_autoregressive_flow(4, 2, (8,), standardise=True)
    assert set(flow.state_dict()) == {name for name, _ in flow.named_parameters()} | {"mean", "std"}


def test_tanh_bounds_a_step_by_e() -> None:
    transform = TanhAffineTransform(torch.zeros(5), torch.tensor([-1e9, -1.0, 0.0, 1.0, 1e9]))
    factors = transform(torch.ones(5))
    assert (factors >= 1 / math.e - 1e-6).all()
    assert (factors <= math.e + 1e-6).all()
    assert factors[2] == 1


def test_standardisation_makes_the_density_follow_the_units() -> None:
    # Measured in other units, z = 3 + u/100, the same trained network must give the density of z, not of u.
    flow = masked_autoregressive_flow(4, 2, (8,), standardise=True).double()
    u = rows(300, 4)
    flow.fit_standardisation(u)
    in_units = flow(u)
    flow.fit_standardisation(3 + u / 100)
    torch.testing.assert_close(flow(3 + u / 100), in_units + 4 * math.log(100))


def test_standardisation_survives_dead_dimensions() -> None:
    flow = masked_autoregressive_flow(3, 1, (8,), standardise=True).double()
    z = rows(50, 3) * torch.tensor([0.0, 2.0, 1e-9])
    flow.fit_standardisation(z)
    assert flow.std.min() >= 1e-3
    flow.fit_standardisation(torch.zeros(10, 3))
    assert torch.isfinite(flow(torch.zeros(2, 3, dtype=torch.float64))).all()


def test_a_fit_finds_a_known_gaussian() -> None:
    with isolated_rng(0):
        factor = torch.tensor([[0.5, 0.0, 0.0], [0.8, 0.3, 0.0], [-0.4, 0.2, 0.6]], dtype=torch.float64)
        known = torch.distributions.MultivariateNormal(torch.tensor([1.0, -2.0, 0.0]).double(), scale_tril=factor)
        train, test = known.sample((2048,)), known.sample((2048,))
    flow = masked_autoregressive_flow(3, 2, (16, 16), seed=2).double()
    untrained = negative_log_likelihood(flow, test).mean().item()
    optimizer = torch.optim.Adam(flow.parameters(), 5e-3)
    for step in range(400):
        batch = train[torch.randperm(2048, generator=generator(0, step))[:256]]
        optimizer.zero_grad()
        negative_log_likelihood(flow, batch).mean().backward()
        optimizer.step()
    truth = -known.log_prob(test)
    found = negative_log_likelihood(flow, test).detach()
    assert untrained > truth.mean() + 1
    assert found.mean().item() == pytest.approx(truth.mean().item(), abs=0.05)
    assert torch.corrcoef(torch.stack([found, truth]))[0, 1] > 0.97


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"kind": "nsf", "features": 3}, "Unknown flow kind 'nsf'"),
        ({"kind": "maf", "features": 3, "depth": 2}, "depth"),
        ({"kind": "maf", "features": 0}, "at least one feature"),
        ({"kind": "maf", "features": 3, "log_scale": "relu"}, "Unknown log_scale 'relu'"),
    ],
)
def test_unusable_configurations_are_refused(config: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        build_flow(config)


def test_fitting_a_standardisation_that_is_not_there_is_refused() -> None:
    with pytest.raises(InputError, match="standardise=True"):
        make(2).fit_standardisation(rows(5, 2))


def test_same_seed_same_weights() -> None:
    first, again, other = (masked_autoregressive_flow(4, 2, (8,), seed=seed)(torch.ones(1, 4)) for seed in (3, 3, 4))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
