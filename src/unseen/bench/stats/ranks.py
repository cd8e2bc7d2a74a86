"""Ranks over held-out groups: mean ranks, the Friedman test in both forms, and Nemenyi's critical difference."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from unseen.errors import InputError

__all__ = ["Friedman", "critical_difference", "friedman", "iman_davenport", "mean_ranks", "ranks"]

# Means over seeds that differ by rounding alone are ties.
_DIGITS = 12


@dataclass(frozen=True)
class Friedman:
    """The Friedman test of "all methods rank alike".

    Attributes:
        blocks: Held-out groups.
        methods: Methods compared.
        statistic: Chi-squared form, corrected for ties.
        p_chi2: Its p-value, with ``methods`` − 1 degrees of freedom.
        f_statistic: Iman and Davenport's form, less conservative; infinite where all groups agree.
        p_f: Its p-value, the one to read.
        tie_factor: 1 without ties; ``statistic`` times this is the uncorrected statistic.
        smallest_p: What is reached when all groups agree on one order: no table of this size can show less.
    """

    blocks: int
    methods: int
    statistic: float
    p_chi2: float
    f_statistic: float
    p_f: float
    tie_factor: float
    smallest_p: float


def ranks(values: ArrayLike) -> NDArray[np.float64]:
    """Ranks of the methods within each group, 1 for the highest value; equal values share their mean rank.

    Arguments:
        values: One row a group, one column a method; higher is better; shape (n, k).

    Raises:
        InputError: If the table is not two-dimensional, is empty, or holds NaN.

    Example:
        >>> ranks([[0.9, 0.5, 0.9]])
        array([[1.5, 3. , 1.5]])
    """
    from scipy.stats import rankdata

    table = np.asarray(values, dtype=np.float64)
    if table.ndim != 2 or not table.size or np.isnan(table).any():
        raise InputError("a comparison needs one row a group and one column a method, without gaps")
    return np.asarray(rankdata(-np.round(table, _DIGITS), axis=1), dtype=np.float64)


def mean_ranks(values: ArrayLike) -> NDArray[np.float64]:
    """The mean rank of each method, shape (k,); see :func:`ranks`."""
    return np.asarray(ranks(values).mean(axis=0))


def friedman(values: ArrayLike) -> Friedman | None:
    """Test whether the methods' mean ranks differ by more than chance.

    References:
        Friedman (1937); Iman & Davenport (1980); Demšar (2006), section 3.2.2.

    Arguments:
        values: One row a group, one column a method, shape (n, k).

    Returns:
        The test, or ``None`` for fewer than three methods or two groups: two methods need a signed-rank test alone.
    """
    from scipy.stats import chi2, f

    ranked = ranks(values)
    blocks, methods = ranked.shape
    if blocks < 2 or methods < 3:
        return None
    total = float(np.sum((ranked.mean(axis=0) - (methods + 1) / 2) ** 2))
    uncorrected = 12 * blocks / (methods * (methods + 1)) * total
    sizes = [np.unique(row, return_counts=True)[1].astype(np.float64) for row in ranked]
    tie_factor = 1 - sum(float(np.sum(t**3 - t)) for t in sizes) / (blocks * methods * (methods**2 - 1))
    smallest = math.exp(-(blocks - 1) * math.lgamma(methods + 1))
    if tie_factor <= 0:
        return Friedman(blocks, methods, 0.0, 1.0, 0.0, 1.0, 0.0, smallest)
    statistic = uncorrected / tie_factor
    f_statistic = iman_davenport(statistic, blocks, methods)
    p_f = float(f.sf(f_statistic, methods - 1, (methods - 1) * (blocks - 1)))
    return Friedman(
        blocks,
        methods,
        statistic,
        float(chi2.sf(statistic, methods - 1)),
        f_statistic,
        max(p_f, smallest),
        tie_factor,
        smallest,
    )


def iman_davenport(statistic: float, blocks: int, methods: int) -> float:
    """Friedman's statistic as an F with k − 1 and (k − 1)(n − 1) degrees of freedom.

    Example:
        >>> round(iman_davenport(9.0, blocks=11, methods=4), 2)
        3.75
    """
    rest = blocks * (methods - 1) - statistic
    return math.inf if rest <= 1e-9 else (blocks - 1) * statistic / rest


def critical_difference(methods: int, blocks: int, level: float = 0.05) -> float:
    """Nemenyi's critical difference: mean ranks further apart than this differ at the level, over all pairs.

    References:
        Nemenyi (1963); Demšar (2006), section 3.2.2.

    Example:
        >>> round(critical_difference(4, 14), 2), round(critical_difference(4, 14, 0.1), 2)
        (1.25, 1.12)
    """
    from scipy.stats import studentized_range

    quantile = float(studentized_range.ppf(1 - level, methods, np.inf)) / math.sqrt(2)
    return quantile * math.sqrt(methods * (methods + 1) / (6 * blocks))
