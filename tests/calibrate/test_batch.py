"""Benjamini–Hochberg against scipy, and its promise on conformal p-values by simulation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import false_discovery_control

from unseen.calibrate import ConformalCalibrator, adjusted_p_values, benjamini_hochberg
from unseen.errors import InputError

p_lists = st.lists(st.one_of(st.sampled_from([0.01, 0.02, 0.5, 1.0]), st.floats(0.0, 1.0)), min_size=1, max_size=50)


@given(p_lists)
def test_equals_scipy(p_values: list[float]) -> None:
    assert adjusted_p_values(p_values) == pytest.approx(false_discovery_control(p_values, method="bh"), rel=1e-12)


@given(p_lists, st.randoms(use_true_random=False), st.floats(0.01, 0.99))
def test_permuted_rows_get_permuted_verdicts(p_values: list[float], random, rate: float) -> None:  # type: ignore[no-untyped-def]
    order = list(range(len(p_values)))
    random.shuffle(order)
    mixed = benjamini_hochberg(np.array(p_values)[order], rate)
    assert np.array_equal(mixed, benjamini_hochberg(p_values, rate)[order])


@given(p_lists, st.floats(0.01, 0.5))
def test_a_larger_rate_discovers_no_less(p_values: list[float], rate: float) -> None:
    assert np.all(benjamini_hochberg(p_values, rate) <= benjamini_hochberg(p_values, rate * 1.5))


def test_false_discovery_rate_on_conformal_p_values() -> None:
    """100 normals and 20 anomalies a batch, fresh calibration each time: the rate is at most 10 % · 100/120."""
    rng, shares, found = np.random.default_rng(31), [], 0
    for _ in range(600):
        calibrator = ConformalCalibrator.fit(rng.normal(size=999))
        scores = np.concatenate([rng.normal(size=100), rng.normal(3.5, 1.0, size=20)])
        discovered = benjamini_hochberg(calibrator.p_value(scores), 0.1)
        shares.append(discovered[:100].sum() / max(1, discovered.sum()))
        found += int(discovered[100:].sum())
    error = 4 * np.std(shares) / np.sqrt(len(shares))
    assert np.mean(shares) <= 0.1 * 100 / 120 + error
    assert found / (600 * 20) > 0.7


def test_no_rows() -> None:
    assert benjamini_hochberg([], 0.1).shape == (0,)


def test_refusals() -> None:
    with pytest.raises(InputError, match=r"pass detector\.p_value\(X\)"):
        benjamini_hochberg([1.5], 0.1)
    with pytest.raises(InputError, match="NaN"):
        benjamini_hochberg([float("nan")], 0.1)
    with pytest.raises(InputError, match="false_discovery_rate=1"):
        benjamini_hochberg([0.5], 1.0)
