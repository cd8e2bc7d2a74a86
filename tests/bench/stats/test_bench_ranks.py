"""Ranks, Friedman and Nemenyi against published figures and reference libraries."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import friedmanchisquare

from unseen.bench.stats import critical_difference, friedman, iman_davenport, mean_ranks, signed_rank
from unseen.errors import InputError

# Demšar (2006), table 6: AUC of C4.5, with m, with cf, with both, on 14 data sets. The mean ranks in the article need
# the two .975 of the data set "voting" told apart beyond the printed digits.
DEMSAR = np.array(
    [
        [0.763, 0.768, 0.771, 0.798],
        [0.599, 0.591, 0.590, 0.569],
        [0.954, 0.971, 0.968, 0.967],
        [0.628, 0.661, 0.654, 0.657],
        [0.882, 0.888, 0.886, 0.898],
        [0.936, 0.931, 0.916, 0.931],
        [0.661, 0.668, 0.609, 0.685],
        [0.583, 0.583, 0.563, 0.625],
        [0.775, 0.838, 0.866, 0.875],
        [1.000, 1.000, 1.000, 1.000],
        [0.940, 0.962, 0.965, 0.962],
        [0.619, 0.666, 0.614, 0.669],
        [0.972, 0.981, 0.9751, 0.975],
        [0.957, 0.978, 0.946, 0.970],
    ]
)


def test_demsars_worked_example() -> None:
    assert mean_ranks(DEMSAR).round(3).tolist() == [3.143, 2.0, 2.893, 1.964]
    test = friedman(DEMSAR)
    assert test is not None
    # The article's figures are not corrected for ties, its Friedman statistic is 9.28 and its F is 3.69.
    uncorrected = test.statistic * test.tie_factor
    assert uncorrected == pytest.approx(9.28, abs=0.005)
    assert iman_davenport(uncorrected, 14, 4) == pytest.approx(3.69, abs=0.005)
    assert test.p_f < test.p_chi2 < 0.05
    assert critical_difference(4, 14) == pytest.approx(1.25, abs=0.005)
    assert critical_difference(4, 14, level=0.10) == pytest.approx(1.12, abs=0.005)


def test_demsars_signed_ranks() -> None:
    # Section 3.1.3 splits the ranks 1 and 2 of two zeros evenly: R+ = 93, R- = 12. Pratt leaves them out.
    test = signed_rank(DEMSAR[:, 1] - DEMSAR[:, 0])
    assert (test.statistic, test.negative_sum) == (93 - 1.5, 12 - 1.5)
    assert (test.positive, test.negative, test.zero) == (10, 2, 2)
    assert test.favours == 1
    assert 0.001 < test.p < 0.05


@pytest.mark.parametrize(
    ("methods", "quantile"), [(2, 1.960), (3, 2.343), (4, 2.569), (5, 2.728), (6, 2.850), (8, 3.031), (10, 3.164)]
)
def test_nemenyi_quantiles_of_the_published_table(methods: int, quantile: float) -> None:
    found = critical_difference(methods, 30) / math.sqrt(methods * (methods + 1) / 180)
    assert found == pytest.approx(quantile, abs=0.0015)


def test_nemenyi_against_scikit_posthocs() -> None:
    posthocs = pytest.importorskip("scikit_posthocs", reason="scikit-posthocs is not installed")
    values = np.random.default_rng(0).normal(size=(12, 5)) + np.array([0, 0, 0.5, 1.0, 1.5])
    p = np.asarray(posthocs.posthoc_nemenyi_friedman(values))
    rank = mean_ranks(values)
    apart = np.abs(np.subtract.outer(rank, rank)) >= critical_difference(5, 12)
    assert ((p < 0.05) == apart).all()
    assert apart.any()


@given(st.integers(3, 8), st.integers(2, 20), st.integers(0, 2**32 - 1))
def test_friedman_agrees_with_scipy_ties_included(methods: int, blocks: int, seed: int) -> None:
    values = np.random.default_rng(seed).integers(0, 4, size=(blocks, methods)) / 4
    ours = friedman(values)
    assert ours is not None
    if ours.tie_factor == 0:
        assert (values == values[:, :1]).all()
        assert ours.p_f == 1
        return
    theirs = friedmanchisquare(*values.T)
    assert ours.statistic == pytest.approx(theirs.statistic, abs=1e-9)
    assert ours.p_chi2 == pytest.approx(theirs.pvalue, abs=1e-9)


def test_friedman_errs_as_often_as_it_says() -> None:
    rng = np.random.default_rng(1)
    tests = [friedman(rng.normal(size=(12, 5))) for _ in range(1500)]
    wrong = np.mean([test is not None and test.p_f <= 0.05 for test in tests])
    assert 0.035 < wrong < 0.065


def test_full_agreement_reaches_the_smallest_p_and_no_less() -> None:
    test = friedman(np.tile([0.9, 0.8, 0.7, 0.6], (5, 1)))
    assert test is not None
    assert math.isinf(test.f_statistic)
    assert test.p_f == test.smallest_p == pytest.approx(1 / math.factorial(4) ** 4)


def test_too_little_for_a_test_and_gaps() -> None:
    assert friedman([[0.1, 0.2], [0.2, 0.3]]) is None
    assert friedman([[0.1, 0.2, 0.3]]) is None
    with pytest.raises(InputError, match="without gaps"):
        mean_ranks([[0.1, np.nan]])


def test_values_that_differ_by_rounding_alone_are_ties() -> None:
    assert mean_ranks([[0.1 + 0.2, 0.3]]).tolist() == [1.5, 1.5]
