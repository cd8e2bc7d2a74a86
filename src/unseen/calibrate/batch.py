"""Batch decisions: false-discovery control over a whole batch of p-values.

A batch decision looks at all rows at once, so a row's verdict depends on its companions. It stands outside the law that
a detector's scores, p-values and alarms depend on the row alone, and no detector uses it unless asked.

References:
    | Benjamini, Hochberg, 1995. Controlling the false discovery rate. Journal of the Royal Statistical Society B 57.
    | Bates, Candès, Lei, Romano, Sesia, 2023. Testing for outliers with conformal p-values. Annals of Statistics 51.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from unseen.calibrate.checks import check_rate, check_scores
from unseen.errors import InputError

__all__ = ["adjusted_p_values", "benjamini_hochberg"]


def adjusted_p_values(p_values: ArrayLike) -> NDArray[np.float64]:
    """Benjamini–Hochberg adjusted p-values: the smallest false-discovery rate at which each row is a discovery.

    Arguments:
        p_values: Conformal p-values of one batch, shape (n,).

    Returns:
        Adjusted values in the order given, shape (n,).

    Raises:
        InputError: If a value is NaN or lies outside [0, 1].

    Example:
        >>> adjusted_p_values([0.01, 0.04, 0.03, 0.5]).round(4).tolist()
        [0.04, 0.0533, 0.0533, 0.5]
    """
    values = check_scores(p_values, "p_values")
    if ((values < 0.0) | (values > 1.0)).any():
        raise InputError("p_values must lie between 0 and 1; these look like scores: pass detector.p_value(X)")
    order = np.argsort(values, kind="stable")
    ranks = np.arange(1, values.size + 1)
    stepped = np.minimum.accumulate((values[order] * values.size / ranks)[::-1])[::-1]
    adjusted = np.empty_like(values)
    adjusted[order] = np.minimum(stepped, 1.0)
    return adjusted


def benjamini_hochberg(p_values: ArrayLike, false_discovery_rate: float) -> NDArray[np.bool_]:
    """The discoveries of a batch, of which on average at most the given share are normals.

    Conformal p-values that share a calibration set depend on each other, but positively, which this procedure
    tolerates. Controls the expected share over calibration sets and batches, under exchangeable normals.

    Arguments:
        p_values: Conformal p-values of one batch, shape (n,).
        false_discovery_rate: The allowed expected share of normals among discoveries, strictly between 0 and 1.

    Returns:
        One boolean a row, shape (n,).

    Raises:
        InputError: If a p-value is NaN or outside [0, 1], or the rate outside (0, 1).
    """
    return adjusted_p_values(p_values) <= check_rate(false_discovery_rate, "false_discovery_rate")
