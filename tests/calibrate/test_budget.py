"""Budgets convert back and forth, and say exactly how many rows a rate needs."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unseen.calibrate import false_alarms_per_day, rate_for_budget, rows_for_rate
from unseen.errors import InputError


@given(st.floats(1e-6, 1.0, exclude_max=True))
def test_rows_for_rate_is_the_least(rate: float) -> None:
    rows = rows_for_rate(rate)
    assert 1 / (rows + 1) <= rate
    assert rows == 1 or 1 / rows > rate


@pytest.mark.parametrize(
    ("rate", "rows"), [(0.1, 9), (0.01, 99), (0.001, 999), (0.05, 19), (0.5, 1), (0.9, 1), (0.3, 3)]
)
def test_round_rates(rate: float, rows: int) -> None:
    assert rows_for_rate(rate) == rows


@given(st.floats(0.01, 1e4), st.floats(1.1e4, 1e10))
def test_budget_round_trip(alarms: float, rows: float) -> None:
    assert false_alarms_per_day(rate_for_budget(alarms, rows), rows) == pytest.approx(alarms)


def test_refusals() -> None:
    with pytest.raises(InputError, match="is not below rows_per_day=10"):
        rate_for_budget(10, 10)
    for bad in (0, -1, math.nan, math.inf):
        with pytest.raises(InputError, match="rows_per_day"):
            false_alarms_per_day(0.01, bad)
        with pytest.raises(InputError, match="alarms_per_day"):
            rate_for_budget(bad, 1e9)
    with pytest.raises(InputError, match="false_alarm_rate=1"):
        rows_for_rate(1)
