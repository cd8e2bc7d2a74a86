"""The input checks that all calibration modules share."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from unseen.errors import InputError

__all__ = ["check_level", "check_rate", "check_scores"]


def check_rate(rate: float, name: str = "false_alarm_rate") -> float:
    """A rate as a float strictly between 0 and 1.

    Arguments:
        rate: The value the user gave.
        name: What the user calls it; the message repeats it.

    Raises:
        InputError: If the value is no number, is NaN, or lies outside (0, 1).
    """
    if isinstance(rate, bool | np.bool_):
        raise InputError(f"{name}={rate} is no number; give a share between 0 and 1, for example {name}=0.01")
    try:
        value = float(rate)
    except (TypeError, ValueError):
        raise InputError(
            f"{name}={rate!r} is no number; give a share between 0 and 1, for example {name}=0.01"
        ) from None
    if not 0.0 < value < 1.0:
        raise InputError(f"{name}={value:g} must lie strictly between 0 and 1, for example {name}=0.01")
    return value


def check_level(level: float) -> float:
    """The coverage of an interval as a float strictly between 0 and 1."""
    return check_rate(level, "level")


def check_scores(scores: ArrayLike, what: str = "scores", *, at_least: int = 0) -> NDArray[np.float64]:
    """A contiguous float64 vector without NaN; infinities are ordinary (very large or small) scores.

    Contiguity is forced because some NumPy builds take another code path for strided input, whose last bit can differ.

    Arguments:
        scores: One number a row, shape (n,).
        what: How the message names them.
        at_least: The fewest rows allowed.

    Raises:
        InputError: If the values are not one-dimensional, hold NaN, or are too few.
    """
    try:
        array = np.ascontiguousarray(scores, dtype=np.float64)
    except (TypeError, ValueError):
        raise InputError(f"{what} must be numbers, one a row") from None
    # ascontiguousarray turns a scalar into one row, so the original's dimension is what counts
    if np.ndim(scores) != 1:
        raise InputError(f"{what} must have one dimension, got shape {np.shape(scores)}")
    if array.size < at_least:
        raise InputError(f"{what}: {array.size} rows, at least {at_least} needed")
    missing = np.flatnonzero(np.isnan(array))
    if missing.size:
        raise InputError(f"{what}: {missing.size} of {array.size} rows are NaN, the first at row {missing[0]}")
    return array
