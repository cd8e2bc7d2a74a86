"""Pairs of methods: the exact signed-rank test, Holm's correction, and the smallest p-value a table can reach."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from unseen.errors import InputError

__all__ = ["Pair", "SignedRank", "all_pairs", "blocks_needed", "cliques", "holm", "signed_rank", "smallest_p"]

_DIGITS = 12


@dataclass(frozen=True)
class SignedRank:
    """A Wilcoxon signed-rank test.

    Attributes:
        positive: Groups with a positive difference.
        negative: Groups with a negative one.
        zero: Groups without a difference.
        statistic: The sum of the ranks of the positive differences.
        negative_sum: The sum of the ranks of the negative ones.
        p: Two-sided, exact.
    """

    positive: int
    negative: int
    zero: int
    statistic: float
    negative_sum: float
    p: float

    @property
    def favours(self) -> int:
        """1 where the positive differences outweigh the negative ones by rank, −1 the other way, 0 for neither."""
        return (self.statistic > self.negative_sum) - (self.statistic < self.negative_sum)


@dataclass(frozen=True)
class Pair:
    """Two methods compared over the groups.

    Attributes:
        first: The method's column; the differences are first minus second.
        second: The other method's column.
        test: The signed-rank test.
        p_holm: Its p-value, corrected for all pairs of the table.
    """

    first: int
    second: int
    test: SignedRank
    p_holm: float

    def verdict(self, column: int, level: float) -> int:
        """1 where the method of this column is better beyond chance, −1 where it is worse, 0 where neither is shown.

        Arguments:
            column: ``first`` or ``second``.
            level: The level of the corrected test.
        """
        if self.p_holm > level:
            return 0
        return self.test.favours if column == self.first else -self.test.favours


def signed_rank(differences: ArrayLike) -> SignedRank:
    """Test whether paired differences lie around zero.

    Zeros are ranked with the others and then left out (Pratt): dropping them first would make few, but clear,
    differences look larger than they are. Ties share their mean rank. The p-value is exact for any number of groups,
    with ties and zeros: given the ranks, each sign is equally likely either way.

    References:
        Wilcoxon (1945); Pratt (1959).

    Arguments:
        differences: One a group, shape (n,).

    Raises:
        InputError: If there is none, or one is NaN.

    Example:
        >>> signed_rank([1, 2, 3, 4, 5]).p
        0.0625
    """
    from scipy.stats import rankdata

    given = np.round(np.asarray(differences, dtype=np.float64), _DIGITS)
    if given.ndim != 1 or not given.size or np.isnan(given).any():
        raise InputError("a signed-rank test needs one difference a group, without gaps")
    # Mean ranks are multiples of one half, so twice a rank is whole.
    doubled = np.rint(2 * rankdata(np.abs(given))).astype(np.int64)
    taken = int(doubled[given > 0].sum())
    chance = _sum_distribution(doubled[given != 0])
    at_most, at_least = float(chance[: taken + 1].sum()), float(chance[taken:].sum())
    return SignedRank(
        positive=int(np.count_nonzero(given > 0)),
        negative=int(np.count_nonzero(given < 0)),
        zero=int(np.count_nonzero(given == 0)),
        statistic=taken / 2,
        negative_sum=int(doubled[given < 0].sum()) / 2,
        p=min(1.0, 2 * min(at_most, at_least)),
    )


def _sum_distribution(doubled: NDArray[np.int64]) -> NDArray[np.float64]:
    """The chance of each sum, when each number is in it or not with equal chance."""
    chance = np.zeros(int(doubled.sum()) + 1)
    chance[0] = 1.0
    for number in doubled:
        shifted = np.zeros_like(chance)
        shifted[number:] = chance[: chance.size - number]
        chance = (chance + shifted) / 2
    return chance


def holm(p_values: ArrayLike) -> NDArray[np.float64]:
    """Holm's step-down correction: each p-value may be compared with the level of the whole family.

    References:
        Holm (1979).

    Example:
        >>> holm([0.01, 0.04, 0.03]).round(2).tolist()
        [0.03, 0.06, 0.06]
    """
    given = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(given, kind="stable")
    stepped = np.maximum.accumulate(given[order] * np.arange(given.size, 0, -1))
    corrected = np.empty_like(given)
    corrected[order] = np.minimum(stepped, 1.0)
    return corrected


def all_pairs(values: NDArray[np.float64]) -> list[Pair]:
    """Compare all pairs of columns with :func:`signed_rank`, corrected together with :func:`holm`."""
    columns = values.shape[1]
    wanted = [(i, j) for i in range(columns) for j in range(i + 1, columns)]
    tests = [signed_rank(values[:, i] - values[:, j]) for i, j in wanted]
    corrected = holm([test.p for test in tests])
    return [Pair(i, j, test, float(p)) for (i, j), test, p in zip(wanted, tests, corrected, strict=True)]


def smallest_p(blocks: int, pairs: int = 1) -> float:
    """The smallest two-sided p-value that signed ranks of this many groups can reach, after Holm's correction.

    Example:
        >>> smallest_p(5), smallest_p(5, pairs=3)
        (0.0625, 0.1875)
    """
    return min(1.0, pairs * 2.0 ** (1 - blocks))


def blocks_needed(pairs: int, level: float = 0.05) -> int:
    """How many groups the smallest reachable p-value needs to come down to the level.

    Example:
        >>> blocks_needed(1), blocks_needed(10)
        (6, 9)
    """
    return math.ceil(1 + math.log2(pairs / level) - 1e-9)


def cliques(order: Sequence[int], differs: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Runs of methods, neighbours in rank, within which no two differ; what a critical-difference picture joins.

    Arguments:
        order: The methods' columns, best first.
        differs: Whether two methods differ, shape (k, k).

    Returns:
        First and last position in ``order`` of every run of two or more that is part of no longer one.

    Example:
        >>> far = np.abs(np.subtract.outer([1.0, 1.5, 2.2, 4.0], [1.0, 1.5, 2.2, 4.0])) > 1
        >>> cliques([0, 1, 2, 3], far)
        [(0, 1), (1, 2)]
    """
    found: list[tuple[int, int]] = []
    for first in range(len(order)):
        last = first
        while last + 1 < len(order) and not differs[np.ix_(order[first : last + 2], order[first : last + 2])].any():
            last += 1
        if last > first and (not found or last > found[-1][1]):
            found.append((first, last))
    return found
