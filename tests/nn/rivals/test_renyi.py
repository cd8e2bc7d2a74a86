from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from unseen.nn.rivals.renyi import gram_matrix, mutual_information, renyi_entropy


def normals(seed: int, rows: int = 512, columns: int = 1) -> torch.Tensor:
    return torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@given(st.integers(0, 2**32), st.integers(2, 64), st.integers(1, 8))
def test_the_information_of_rows_on_themselves_is_twice_their_entropy_less_the_joint_one(
    seed: int, rows: int, columns: int
) -> None:
    x = normals(seed, rows, columns)
    gram = gram_matrix(x)
    torch.testing.assert_close(mutual_information(x, x), 2 * renyi_entropy(gram) - renyi_entropy(gram * gram))
    assert -1e-9 <= renyi_entropy(gram) <= math.log2(rows) + 1e-9


@pytest.mark.parametrize("seed", range(10))
def test_independent_samples_share_almost_nothing_and_correlated_ones_more_and_more(seed: int) -> None:
    x, noise = normals(2 * seed), normals(2 * seed + 1)
    shared = [
        float(mutual_information(x, rho * x + math.sqrt(1 - rho**2) * noise)) for rho in (0.0, 0.4, 0.6, 0.8, 0.95, 1.0)
    ]
    assert abs(shared[0]) < 0.05
    assert shared == sorted(shared)
    assert shared[-1] > 1.0


def test_entropies_of_known_matrices() -> None:
    assert renyi_entropy(torch.ones(8, 8)) == 0
    assert renyi_entropy(5.0 * torch.eye(8)) == 3


@pytest.mark.parametrize("columns", [1, 7])
def test_the_kernel_is_as_wide_as_the_median_distance_so_that_scale_does_not_matter(columns: int) -> None:
    x = normals(0, 63, columns)
    gram = gram_matrix(x)
    off = gram[~torch.eye(63, dtype=torch.bool)]
    torch.testing.assert_close(off.median(), torch.tensor(math.exp(-1), dtype=off.dtype), atol=2e-3, rtol=0)
    torch.testing.assert_close(gram_matrix(1000.0 * x), gram, atol=1e-6, rtol=1e-6)
    assert (gram.diagonal() == 1).all()


def test_equal_rows_have_an_entropy_and_gradients_are_finite() -> None:
    x = torch.zeros(6, 3, requires_grad=True)
    assert renyi_entropy(gram_matrix(x)) == 0
    mostly = torch.cat([torch.zeros(5, 3), torch.ones(1, 3)]).requires_grad_()
    for rows in (x, mostly):
        (gradient,) = torch.autograd.grad(mutual_information(torch.arange(6.0)[:, None], rows), rows)
        assert torch.isfinite(gradient).all()
