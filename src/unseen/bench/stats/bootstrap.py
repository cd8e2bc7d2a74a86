"""Intervals by resampling what would differ in another benchmark: data sets, groups within them, seeds within those."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from unseen.errors import InputError

__all__ = ["Interval", "Resampled", "hierarchical_bootstrap", "hierarchical_mean"]

# One data set: the values of each of its groups, shape (seeds, methods).
DataSet = Sequence[NDArray[np.float64]]


@dataclass(frozen=True)
class Interval:
    """An estimate and where it may lie."""

    estimate: float
    low: float
    high: float

    @property
    def excludes_zero(self) -> bool:
        """Whether zero lies outside."""
        return self.low > 0 or self.high < 0


@dataclass(frozen=True, eq=False)
class Resampled:
    """Means of all methods in many resampled benchmarks; the same resample for all, so that they can be subtracted.

    Attributes:
        estimate: The methods' means, shape (k,).
        draws: Their means in each resample, shape (resamples, k).
        units: The units of the level that limits the interval: data sets, or groups where there is one data set.
    """

    estimate: NDArray[np.float64]
    draws: NDArray[np.float64]
    units: int

    def interval(self, method: int, minus: int | None = None, *, level: float = 0.95) -> Interval:
        """The interval of a method's mean, or of its difference to another's.

        Arguments:
            method: The method's column.
            minus: The column of the method to subtract.
            level: How often such an interval should cover.
        """
        estimate, draws = self.estimate[method], self.draws[:, method]
        if minus is not None:
            estimate, draws = estimate - self.estimate[minus], draws - self.draws[:, minus]
        tail = _expanded_tail((1 - level) / 2, self.units)
        low, high = np.quantile(draws, [tail, 1 - tail])
        return Interval(float(estimate), float(low), float(high))


def hierarchical_mean(sets: Sequence[DataSet]) -> NDArray[np.float64]:
    """The mean over data sets of the means over their groups of the means over seeds, shape (k,)."""
    means = [np.mean([group.mean(axis=0) for group in groups], axis=0) for groups in sets]
    return np.asarray(np.mean(means, axis=0))


def hierarchical_bootstrap(sets: Sequence[DataSet], *, resamples: int = 4000, seed: int = 0) -> Resampled:
    """Resample data sets, then groups within each, then seeds within each group, all with replacement.

    Groups of one data set share its normals and its known classes, so they are no independent evidence; neither are
    seeds of one group. With a single data set only its groups and seeds are resampled, and the interval says nothing
    about other data. Percentile intervals of few units are too narrow; their tails are widened as Student's t would.

    References:
        Davison & Hinkley (1997), section 3.8; Hesterberg (2015), section 3.4.1 (expanded percentile interval).

    Arguments:
        sets: For each data set its groups, each an array of shape (seeds, methods).
        resamples: How many.
        seed: Seeds the resampling.

    Raises:
        InputError: If there is no value.
    """
    if not sets or not all(len(groups) and all(len(group) for group in groups) for groups in sets):
        raise InputError("a bootstrap needs at least one group with one seed in each data set")
    rng = np.random.default_rng([seed, len(sets)])
    total = np.zeros((resamples, sets[0][0].shape[1]))
    for _ in range(len(sets)):
        drawn = rng.integers(len(sets), size=resamples)
        for number, groups in enumerate(sets):
            rows = np.flatnonzero(drawn == number)
            total[rows] += _set_means(groups, len(rows), rng)
    units = len(sets) if len(sets) > 1 else len(sets[0])
    return Resampled(hierarchical_mean(sets), total / len(sets), units)


def _set_means(groups: DataSet, resamples: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Means of one data set with resampled groups and seeds, shape (resamples, k)."""
    counts = np.array([len(group) for group in groups])
    padded = np.zeros((len(groups), counts.max(), groups[0].shape[1]))
    for position, group in enumerate(groups):
        padded[position, : len(group)] = group
    means = np.zeros((resamples, padded.shape[2]))
    for _ in range(len(groups)):
        drawn = rng.integers(len(groups), size=resamples)
        most = int(counts.max())
        seeds = (rng.random((resamples, most)) * counts[drawn, None]).astype(np.intp)
        # A group of fewer seeds has as many draws as it has seeds.
        weight = (np.arange(most) < counts[drawn, None]) / counts[drawn, None]
        means += np.einsum("rsk,rs->rk", padded[drawn[:, None], seeds], weight)
    return means / len(groups)


def _expanded_tail(tail: float, units: int) -> float:
    """The percentile at which to cut so that few units give intervals as wide as Student's t would."""
    from scipy.stats import norm, t

    if units < 2:
        return tail
    return float(norm.cdf(math.sqrt(units / (units - 1)) * t.ppf(tail, units - 1)))
