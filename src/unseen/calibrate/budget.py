"""False-alarm budgets: between a rate, alarms a day, and the calibration rows a rate needs."""

from __future__ import annotations

import math

from unseen.calibrate.checks import check_rate
from unseen.errors import InputError

__all__ = ["false_alarms_per_day", "rate_for_budget", "rows_for_rate"]


def rows_for_rate(false_alarm_rate: float) -> int:
    """The fewest calibration normals that can guarantee a false-alarm rate: the least n with 1/(n + 1) ≤ rate.

    Arguments:
        false_alarm_rate: The rate, strictly between 0 and 1.

    Returns:
        The number of calibration rows.

    Example:
        >>> rows_for_rate(0.01)
        99
    """
    rate = check_rate(false_alarm_rate)
    rows = math.ceil(1.0 / rate) - 1
    # 1/rate is rounded; the quotient that p-values are made of decides.
    while 1.0 / (rows + 1) > rate:
        rows += 1
    while rows > 1 and 1.0 / rows <= rate:
        rows -= 1
    return max(rows, 1)


def false_alarms_per_day(false_alarm_rate: float, rows_per_day: float) -> float:
    """The false alarms to expect a day if all rows are normal.

    Arguments:
        false_alarm_rate: The rate, strictly between 0 and 1.
        rows_per_day: Normal rows scored a day.

    Example:
        >>> false_alarms_per_day(0.001, 250_000)
        250.0
    """
    return check_rate(false_alarm_rate) * _positive(rows_per_day, "rows_per_day")


def rate_for_budget(alarms_per_day: float, rows_per_day: float) -> float:
    """The false-alarm rate that spends a budget of false alarms a day.

    Arguments:
        alarms_per_day: False alarms a day that can be looked at.
        rows_per_day: Normal rows scored a day.

    Raises:
        InputError: If a value is not positive, or the budget is not smaller than the rows.

    Example:
        >>> rate_for_budget(20, 100_000)
        0.0002
    """
    alarms = _positive(alarms_per_day, "alarms_per_day")
    rows = _positive(rows_per_day, "rows_per_day")
    if alarms >= rows:
        raise InputError(f"alarms_per_day={alarms:g} is not below rows_per_day={rows:g}: no threshold is needed")
    return alarms / rows


def _positive(value: float, name: str) -> float:
    number = float(value)
    if not (number > 0.0 and math.isfinite(number)):
        raise InputError(f"{name}={value} must be a positive number")
    return number
