from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from unseen.nn.rivals.resad import CouplingFlow, ResADNetwork, ball_loss, push_pull_loss, residual, train_resad
from unseen.nn.seeding import isolated_rng
from unseen.nn.train import TrainSettings


def rows(seed: int, count: int = 100, columns: int = 5) -> torch.Tensor:
    return torch.randn(count, columns, generator=torch.Generator().manual_seed(seed))


def flow(features: int, seed: int = 0) -> CouplingFlow:
    with isolated_rng(seed, "test"):
        return CouplingFlow(features).double()


@given(st.integers(0, 2**32), st.integers(1, 8))
def test_the_residual_of_a_reference_row_is_0_and_of_others_the_way_to_the_nearest(seed: int, columns: int) -> None:
    references = rows(seed, 30, columns)
    assert (residual(references, references) == 0).all()
    x = rows(seed + 1, 20, columns)
    nearest = torch.cdist(x.double(), references.double()).min(dim=1).values
    torch.testing.assert_close(residual(x, references).double().norm(dim=1), nearest, atol=1e-4, rtol=1e-4)


@given(st.integers(0, 1000), st.integers(2, 9))
def test_the_flow_is_invertible_and_its_determinant_is_the_jacobians(seed: int, columns: int) -> None:
    f, x = flow(columns, seed), rows(seed, 4, columns).double()
    with torch.no_grad():
        u, total = f(x)
        torch.testing.assert_close(f.inverse(u), x, atol=1e-6, rtol=1e-6)
    jacobian = torch.autograd.functional.jacobian(lambda row: f(row[None])[0][0], x[0])
    torch.testing.assert_close(torch.linalg.slogdet(jacobian)[1], total[0], atol=1e-6, rtol=1e-6)


def test_the_density_is_the_bases_by_column() -> None:
    f = flow(3)
    for net in f.nets:
        torch.nn.init.zeros_(net[2].weight)
        torch.nn.init.zeros_(net[2].bias)
    x = torch.tensor([[0.0, 0.0, 0.0], [1.0, 2.0, 2.0]], dtype=torch.float64)
    expected = [-0.5 * math.log(2 * math.pi), -0.5 * math.log(2 * math.pi) - 9 / 6]
    np.testing.assert_allclose(f.log_density(x).detach(), expected, atol=1e-9)


def test_the_ball_holds_normals_and_lets_anomalies_stay() -> None:
    r = torch.tensor([[0.3, -0.3], [4.0, 3.0]])
    assert ball_loss(r, r, torch.tensor([False, True])) == 0
    assert ball_loss(r, r, torch.tensor([False, False])) > 0
    assert ball_loss(torch.zeros_like(r), r, torch.tensor([False, True])) > 0


def test_the_boundary_pulls_low_normals_and_pushes_high_anomalies() -> None:
    log_density = torch.tensor([0.0] * 19 + [-5.0] + [-9.0, -0.5], requires_grad=True)
    is_anomaly = torch.tensor([False] * 20 + [True, True])
    (gradient,) = torch.autograd.grad(push_pull_loss(log_density, is_anomaly), log_density)
    # Descent raises the lowest normal, lowers the anomaly near the normals, and leaves all others.
    assert gradient[19] < 0
    assert gradient[21] > 0
    assert (gradient[:19] == 0).all()
    assert gradient[20] == 0


@pytest.mark.parametrize("columns", [1, 2, 5])
@pytest.mark.parametrize("known", [0, 20])
def test_training_raises_normals_above_other_rows(columns: int, known: int) -> None:
    normals = rows(0, 400, columns).numpy() * 0.5
    far = rows(1, 60, columns).numpy() + 3.0
    settings = TrainSettings(batch_size=64, epochs=10, keep="last")
    network, report = train_resad(normals[50:], far[:known], normals[:50], settings)
    assert report.history[-1]["loss"] < report.history[0]["loss"]
    with torch.no_grad():
        normal, other = network(torch.from_numpy(normals[50:])), network(torch.from_numpy(far[20:]))
    # Of one column, a few of the other rows lie beside a reference.
    assert (other > normal.median()).float().mean() > 0.9


def test_a_row_far_out_has_a_finite_score() -> None:
    with isolated_rng(0, "test"):
        network = ResADNetwork(rows(0, 10, 6).numpy())
    with torch.no_grad():
        assert torch.isfinite(network(torch.full((1, 6), 1e4))).all()
