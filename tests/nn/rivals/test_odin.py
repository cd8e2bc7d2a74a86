from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import rankdata
from torch import nn

from unseen.nn.rivals.classifier import Classifier
from unseen.nn.rivals.odin import odin_scores
from unseen.nn.seeding import isolated_rng

FREE = np.array([True, False, True, True])


@pytest.fixture
def network() -> Classifier:
    with isolated_rng(0, "test"):
        return Classifier(4)


def rows(count: int = 600) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(count, 4)).astype(np.float32)


def margins(network: nn.Module, X: np.ndarray) -> np.ndarray:
    network.eval()
    with torch.no_grad():
        return np.asarray(network(torch.from_numpy(X)).numpy())


@pytest.mark.parametrize("step", [0.0, 5e-3])
def test_the_ranking_does_not_depend_on_the_temperature(network: Classifier, step: float) -> None:
    # Two rows closer than rounding may tie at one temperature; powers of two only move the exponent.
    ranks = [
        rankdata(odin_scores(network, rows(), step=step, temperature=t, free=FREE)) for t in (1.0, 8.0, 128.0, 1024.0)
    ]
    for other in ranks[1:]:
        np.testing.assert_array_equal(other, ranks[0])


def test_without_a_step_the_score_is_the_margin_over_the_temperature(network: Classifier) -> None:
    scores = odin_scores(network, rows(), step=0.0, temperature=10.0, free=FREE)
    np.testing.assert_allclose(scores, margins(network, rows()) / 10, atol=1e-6)


def test_the_step_goes_towards_normal_in_free_columns_and_discrete_ones_stay() -> None:
    seen: list[torch.Tensor] = []

    class Spy(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weights = nn.Parameter(torch.tensor([2.0, 3.0, -1.0, 0.0]))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            seen.append(x.detach().clone())
            return x @ self.weights

    X = rows(100)
    scores = odin_scores(Spy(), X, step=0.25, temperature=1.0, free=FREE)
    np.testing.assert_allclose((seen[-1][:100].numpy() - X), np.tile([-0.25, 0, 0.25, 0], (100, 1)), atol=1e-6)
    # Of a linear margin it takes exactly the step times the free weights' absolute sum.
    np.testing.assert_allclose(scores, X @ np.float32([2, 3, -1, 0]) - 0.25 * 3, atol=1e-5)


def test_the_step_raises_the_probability_of_being_normal(network: Classifier) -> None:
    plain, moved = (odin_scores(network, rows(), step=s, temperature=1.0, free=FREE) for s in (0.0, 1e-3))
    assert (moved < plain).mean() > 0.99


def test_a_row_is_scored_on_its_own_to_the_last_bit_and_no_gradient_is_left(network: Classifier) -> None:
    X = rows()
    whole = odin_scores(network, X, step=5e-3, temperature=1.0, free=FREE)
    order = np.random.default_rng(1).permutation(len(X))
    np.testing.assert_array_equal(odin_scores(network, X[order], step=5e-3, temperature=1.0, free=FREE), whole[order])
    few = order[:3]
    np.testing.assert_array_equal(odin_scores(network, X[few], step=5e-3, temperature=1.0, free=FREE), whole[few])
    assert all(parameter.grad is None for parameter in network.parameters())
    assert network.training
