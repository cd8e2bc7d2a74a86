"""The hierarchical bootstrap: does it cover what it says?"""

from __future__ import annotations

import numpy as np
import pytest

from unseen.bench.stats import hierarchical_bootstrap, hierarchical_mean, signed_rank
from unseen.errors import InputError


def _coverage(sets: int, groups: int, spread: float, repeats: int = 100) -> float:
    """How often the interval of a benchmark drawn around zero holds zero."""
    rng = np.random.default_rng(4)
    covered = 0
    for repeat in range(repeats):
        made = []
        for _ in range(sets):
            of_set = rng.normal(0, spread)
            made.append([of_set + rng.normal(0, 0.05) + rng.normal(0, 0.02, (3, 1)) for _ in range(groups)])
        interval = hierarchical_bootstrap(made, resamples=400, seed=repeat).interval(0)
        covered += interval.low <= 0 <= interval.high
    return covered / repeats


def test_intervals_cover_what_they_say_from_five_sources_on() -> None:
    assert _coverage(sets=5, groups=6, spread=0.05) >= 0.92
    assert _coverage(sets=1, groups=12, spread=0.0) >= 0.90


def test_few_sources_cover_less_as_the_report_says() -> None:
    assert 0.78 <= _coverage(sets=3, groups=6, spread=0.05) <= 0.95


def test_signed_ranks_of_related_groups_err_far_more_often_than_intervals_as_the_report_says() -> None:
    rng = np.random.default_rng(0)
    by_ranks = by_interval = 0
    for repeat in range(150):
        values = rng.normal(0, 0.05, (5, 1)) + rng.normal(0, 0.05, (5, 10))
        by_ranks += signed_rank(values.ravel()).p <= 0.05
        sets = [[value.reshape(1, 1) for value in source] for source in values]
        by_interval += hierarchical_bootstrap(sets, resamples=300, seed=repeat).interval(0).excludes_zero
    assert 0.25 < by_ranks / 150 < 0.47
    assert by_interval / 150 < 0.08


def test_groups_alone_would_claim_far_too_much() -> None:
    # Why whole sources are resampled: the same data pooled into one source hold zero far too rarely.
    rng = np.random.default_rng(5)
    covered = 0
    for repeat in range(100):
        effects = rng.normal(0, 0.05, 5)
        pooled = [effect + rng.normal(0, 0.02, (3, 1)) for effect in effects for _ in range(8)]
        interval = hierarchical_bootstrap([pooled], resamples=300, seed=repeat).interval(0)
        covered += interval.low <= 0 <= interval.high
    assert covered < 80


def test_differences_are_paired() -> None:
    rng = np.random.default_rng(6)
    sets = []
    for _ in range(6):
        common = rng.normal(0, 0.2, (4, 3, 1))
        sets.append(list(common + np.array([0.0, 0.01]) + rng.normal(0, 0.002, (4, 3, 2))))
    resampled = hierarchical_bootstrap(sets)
    alone, difference = resampled.interval(1), resampled.interval(1, minus=0)
    assert difference.excludes_zero
    assert difference.high - difference.low < 0.1 * (alone.high - alone.low)
    reverse = resampled.interval(0, minus=1)
    assert (reverse.low, reverse.high) == pytest.approx((-difference.high, -difference.low))


def test_each_source_counts_once_however_many_groups_and_seeds() -> None:
    sets = [[np.zeros((5, 1))] * 9, [np.ones((1, 1))]]
    assert hierarchical_mean(sets).tolist() == [0.5]
    resampled = hierarchical_bootstrap(sets)
    assert resampled.estimate.tolist() == [0.5]
    assert set(np.unique(resampled.draws)) == {0.0, 0.5, 1.0}
    assert resampled.draws.mean() == pytest.approx(0.5, abs=0.02)


def test_fewer_seeds_weigh_as_their_number_says() -> None:
    sets = [[np.array([[0.0], [1.0]]), np.array([[1.0], [1.0], [1.0], [1.0]])]]
    assert hierarchical_bootstrap(sets).draws.mean() == pytest.approx(0.75, abs=0.02)


def test_the_same_seed_gives_the_same_interval_and_another_another() -> None:
    rng = np.random.default_rng(7)
    sets = [[rng.normal(size=(3, 2)) for _ in range(4)] for _ in range(3)]
    assert hierarchical_bootstrap(sets).interval(0, 1) == hierarchical_bootstrap(sets).interval(0, 1)
    assert hierarchical_bootstrap(sets).interval(0) != hierarchical_bootstrap(sets, seed=1).interval(0)


def test_constants_have_no_width_and_nothing_is_an_error() -> None:
    interval = hierarchical_bootstrap([[np.full((2, 1), 0.25)] * 3] * 4).interval(0)
    assert (interval.low, interval.estimate, interval.high) == (0.25, 0.25, 0.25)
    with pytest.raises(InputError, match="at least one group"):
        hierarchical_bootstrap([[]])
