"""Ranks, Friedman and Nemenyi against reference libraries."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import PermutationMethod, friedmanchisquare, rankdata, wilcoxon

from unseen.bench.stats import critical_difference, friedman, iman_davenport, mean_ranks, signed_rank
from unseen.bench.stats.signed_rank import all_pairs
from unseen.errors import InputError


def tied_table(seed: int, blocks: int = 9, methods: int = 4) -> np.ndarray:
    """Methods of different worth on groups of different difficulty, to two digits; two groups tie two methods."""
    rng = np.random.default_rng(seed)
    values = rng.normal(0.8, 0.1, (blocks, 1)) + 0.03 * np.arange(methods) + rng.normal(0, 0.03, (blocks, methods))
    values[:2, 0] = values[:2, 1]
    return np.asarray(values.round(2))


@pytest.mark.parametrize("seed", range(3))
def test_a_whole_table_against_the_reference_libraries(seed: int) -> None:
    posthocs = pytest.importorskip("scikit_posthocs", reason="scikit-posthocs is not installed")
    multitest = pytest.importorskip("statsmodels.stats.multitest", reason="statsmodels is not installed")
    values = tied_table(seed)
    ours = friedman(values)
    assert ours is not None
    theirs = friedmanchisquare(*values.T)
    assert (ours.statistic, ours.p_chi2) == (pytest.approx(theirs.statistic), pytest.approx(theirs.pvalue))
    assert mean_ranks(values) == pytest.approx(rankdata(-values, axis=1).mean(axis=0))
    nemenyi = np.asarray(posthocs.posthoc_nemenyi_friedman(values))
    apart = np.abs(np.subtract.outer(mean_ranks(values), mean_ranks(values))) >= critical_difference(4, 9)
    assert ((nemenyi < 0.05) == apart).all()
    pairs = all_pairs(values)
    # Every sign pattern of the differences, zeros ranked and left out: what ours counts exactly.
    raw = [
        wilcoxon(
            (values[:, pair.first] - values[:, pair.second]).round(9),
            zero_method="pratt",
            method=PermutationMethod(n_resamples=2**9),
        ).pvalue
        for pair in pairs
    ]
    assert [pair.test.p for pair in pairs] == pytest.approx(raw)
    assert [pair.p_holm for pair in pairs] == pytest.approx(multitest.multipletests(raw, method="holm")[1])


@pytest.mark.parametrize("seed", range(3))
def test_iman_and_davenports_form_is_the_analysis_of_variance_of_ranks(seed: int) -> None:
    anova = pytest.importorskip("statsmodels.stats.anova", reason="statsmodels is not installed")
    pandas = pytest.importorskip("pandas")
    values = tied_table(seed, methods=5)
    block, method = np.indices(values.shape)
    frame = pandas.DataFrame(
        {"rank": rankdata(values, axis=1).ravel(), "block": block.ravel(), "method": method.ravel()}
    )
    table = anova.AnovaRM(frame, "rank", "block", within=["method"]).fit().anova_table
    ours = friedman(values)
    assert ours is not None
    assert ours.f_statistic == pytest.approx(table["F Value"].iloc[0])
    assert ours.p_f == pytest.approx(max(table["Pr > F"].iloc[0], ours.smallest_p))
    assert iman_davenport(ours.statistic, 9, 5) == ours.f_statistic


def test_a_published_signed_rank_example_as_scipy_has_it() -> None:
    # Darwin's maize, in eighths of an inch, crossed less self-fertilised (Fisher, 1935, section 17).
    maize = [6, 8, 14, 16, 23, 24, 28, 29, 41, -48, 49, 56, 60, -67, 75]
    theirs = wilcoxon(maize)
    ours = signed_rank(maize)
    assert (ours.statistic, ours.negative_sum) == (96, 24)
    assert min(ours.statistic, ours.negative_sum) == theirs.statistic
    assert ours.p == pytest.approx(theirs.pvalue)
    assert (ours.positive, ours.negative, ours.zero, ours.favours) == (13, 2, 0, 1)


@pytest.mark.parametrize("methods", [2, 3, 4, 5, 6, 8, 10])
def test_nemenyi_quantiles_are_those_of_statsmodels(methods: int) -> None:
    tables = pytest.importorskip("statsmodels.stats.libqsturng", reason="statsmodels is not installed")
    for level in (0.05, 0.10):
        found = critical_difference(methods, 30, level) / math.sqrt(methods * (methods + 1) / 180)
        # Theirs is an approximation to three digits.
        assert found == pytest.approx(float(tables.qsturng(1 - level, methods, np.inf)) / math.sqrt(2), abs=0.002)


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
