"""The signed-rank test, Holm's correction and cliques."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import PermutationMethod, rankdata, wilcoxon

from unseen.bench.stats import cliques, holm, signed_rank, smallest_p
from unseen.bench.stats.signed_rank import all_pairs, blocks_needed
from unseen.errors import InputError


@given(st.integers(1, 30), st.integers(0, 2**32 - 1))
def test_exact_p_agrees_with_scipy_without_ties(blocks: int, seed: int) -> None:
    differences = np.random.default_rng(seed).normal(0.3, 1, size=blocks)
    theirs = wilcoxon(differences, method="exact")
    assert signed_rank(differences).p == pytest.approx(theirs.pvalue, rel=1e-9)


@given(st.lists(st.integers(-3, 3), min_size=1, max_size=9))
def test_exact_p_with_ties_and_zeros_is_the_share_of_sign_patterns(differences: list[int]) -> None:
    given_ = np.array(differences, dtype=float)
    ranked = rankdata(np.abs(given_))[given_ != 0]
    sums = np.array([sum(r for r, s in zip(ranked, p, strict=True) if s) for p in _signs(len(ranked))])
    observed = ranked[given_[given_ != 0] > 0].sum()
    expected = min(1.0, 2 * min(np.mean(sums <= observed + 1e-9), np.mean(sums >= observed - 1e-9)))
    assert signed_rank(differences).p == pytest.approx(expected)


def _signs(count: int) -> itertools.product[tuple[bool, ...]]:
    return itertools.product([False, True], repeat=count)


def test_pratts_zeros_agree_with_scipy() -> None:
    differences = np.array([0, 0, 0.1, -0.2, 0.3, 0.3, 0.4, 0.5, -0.1])
    theirs = wilcoxon(differences, zero_method="pratt", method=PermutationMethod(n_resamples=2**9))
    assert signed_rank(differences).p == pytest.approx(theirs.pvalue)


def test_it_errs_no_more_often_than_it_says() -> None:
    rng = np.random.default_rng(2)
    p = np.array([signed_rank(rng.normal(size=10)).p for _ in range(2000)])
    assert np.mean(p <= 0.05) <= 0.06
    assert np.mean(p <= 0.5) > 0.4


def test_five_groups_alone_cannot_go_below_a_sixteenth() -> None:
    assert signed_rank([0.1, 0.2, 0.3, 0.4, 0.5]).p == smallest_p(5) == 0.0625
    assert smallest_p(3, pairs=10) == 1.0
    for pairs in (1, 3, 45, 190):
        needed = blocks_needed(pairs)
        assert smallest_p(needed, pairs) <= 0.05 < smallest_p(needed - 1, pairs)


def test_no_difference_and_no_value() -> None:
    nothing = signed_rank([0.0, 0.0])
    assert (nothing.p, nothing.zero, nothing.favours) == (1.0, 2, 0)
    with pytest.raises(InputError, match="without gaps"):
        signed_rank([])
    with pytest.raises(InputError, match="without gaps"):
        signed_rank([0.1, np.nan])


def test_holm_agrees_with_statsmodels() -> None:
    multitest = pytest.importorskip("statsmodels.stats.multitest", reason="statsmodels is not installed")
    rng = np.random.default_rng(0)
    for size in range(1, 21):
        p_values = (rng.random(size) ** 3).round(2)
        assert holm(p_values) == pytest.approx(multitest.multipletests(p_values, method="holm")[1])


@given(st.lists(st.floats(0, 1), min_size=2, max_size=12))
def test_holm_keeps_the_order_and_lies_between_p_and_bonferroni(p_values: list[float]) -> None:
    given_, corrected = np.array(p_values), holm(p_values)
    assert (corrected >= given_).all()
    assert (corrected <= np.minimum(1, len(p_values) * given_) + 1e-12).all()
    order = np.argsort(given_, kind="stable")
    assert (np.diff(corrected[order]) >= 0).all()


def test_all_pairs_say_who_is_better() -> None:
    rng = np.random.default_rng(3)
    good = rng.normal(0, 0.05, 20)
    pairs = all_pairs(np.column_stack([good - 1, good, good + rng.normal(0, 0.01, 20)]))
    assert [(p.first, p.second) for p in pairs] == [(0, 1), (0, 2), (1, 2)]
    assert [p.verdict(p.first, 0.05) for p in pairs] == [-1, -1, 0]
    assert pairs[0].verdict(1, 0.05) == 1


def test_cliques_are_runs_without_a_difference_and_part_of_no_longer_one() -> None:
    differs = np.zeros((4, 4), dtype=bool)
    assert cliques([2, 0, 1, 3], differs) == [(0, 3)]
    differs[2, 3] = differs[3, 2] = True
    assert cliques([2, 0, 1, 3], differs) == [(0, 2), (1, 3)]
    assert cliques([0, 1], ~np.eye(2, dtype=bool)) == []
