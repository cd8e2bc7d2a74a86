"""Weights are learned from families left out: laws of what is learned, whatever the evidences said."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unseen.calibrate.weights import LeftOut, learn_weights

NORMALS, ANOMALIES = 200, 60


def trial(seed: int, shifts: list[float], family: str = "scan", anomalies: int = ANOMALIES) -> LeftOut:
    """Evidences of normals as −log10 of uniform p-values; those of anomalies are raised by a shift each."""
    rng = np.random.default_rng(seed)
    normal = -np.log10(rng.uniform(size=(NORMALS, len(shifts))))
    anomalous = -np.log10(rng.uniform(size=(anomalies, len(shifts)))) + np.asarray(shifts)
    return LeftOut(family, normal, anomalous)


shifts = st.lists(st.floats(-1.0, 5.0), min_size=1, max_size=5)


@given(shifts, st.integers(2, 4), st.integers(0, 1000))
@settings(max_examples=25)
def test_weights_are_not_negative_and_sum_to_their_number(shift: list[float], families: int, seed: int) -> None:
    weights = learn_weights([trial(seed + number, shift) for number in range(families)], len(shift))
    assert weights.shape == (len(shift),)
    assert (weights >= 0.0).all()
    assert weights.sum() == pytest.approx(len(shift))


@given(shifts, st.randoms(use_true_random=False))
@settings(max_examples=15)
def test_the_order_of_evidences_does_not_matter(shift: list[float], random: object) -> None:
    order = list(range(len(shift)))
    random.shuffle(order)  # type: ignore[attr-defined]
    trials = [trial(number, shift) for number in range(3)]
    turned = [LeftOut(t.family, t.normals[:, order], t.anomalies[:, order]) for t in trials]
    weights = learn_weights(trials, len(shift))
    np.testing.assert_allclose(learn_weights(turned, len(shift)), weights[order], atol=2e-3)


def test_the_order_of_families_and_rows_does_not_matter() -> None:
    trials = [trial(number, [0.5, 2.0, 0.0]) for number in range(4)]
    weights = learn_weights(trials, 3)
    np.testing.assert_allclose(learn_weights(trials[::-1], 3), weights, atol=1e-3)
    turned = [LeftOut(t.family, t.normals[::-1], t.anomalies[::-1]) for t in trials]
    np.testing.assert_allclose(learn_weights(turned, 3), weights, atol=1e-3)


def test_an_evidence_that_catches_more_weighs_more() -> None:
    weights = learn_weights([trial(number, [0.0, 1.0, 3.0]) for number in range(4)], 3)
    assert weights[0] < weights[1] < weights[2]
    assert weights[0] < 0.3


def test_an_evidence_that_catches_one_family_only_is_not_silenced() -> None:
    trials = [trial(0, [3.0, 0.0]), trial(1, [3.0, 0.0]), trial(2, [0.0, 3.0])]
    weights = learn_weights(trials, 2)
    assert weights[1] > 0.2
    assert weights[0] > weights[1]


def test_families_weigh_alike_whatever_their_rows() -> None:
    few = [trial(0, [3.0, 0.0]), trial(1, [0.0, 3.0])]
    many = [trial(0, [3.0, 0.0], anomalies=4000), trial(1, [0.0, 3.0])]
    np.testing.assert_allclose(learn_weights(many, 2), learn_weights(few, 2), atol=0.25)


def test_misleading_evidences_weigh_alike() -> None:
    # None of them tells any family from normals: nothing was learned.
    np.testing.assert_array_equal(learn_weights([trial(n, [-9.0, -9.0]) for n in range(3)], 2), [1.0, 1.0])


@pytest.mark.parametrize("families", [0, 1])
def test_fewer_than_two_families_teach_nothing(families: int) -> None:
    np.testing.assert_array_equal(learn_weights([trial(n, [5.0, 0.0]) for n in range(families)], 2), [1.0, 1.0])


def test_a_family_of_one_row_and_huge_evidence_are_borne() -> None:
    odd = LeftOut("odd", trial(0, [1.0, 1.0]).normals, np.array([[300.0, 0.0]]))
    weights = learn_weights([odd, trial(1, [0.0, 2.0])], 2)
    assert np.isfinite(weights).all()
    assert weights.sum() == pytest.approx(2.0)


def test_power_is_each_evidences_auroc() -> None:
    power = trial(0, [0.0, 9.0]).power()
    assert power[0] == pytest.approx(0.5, abs=0.1)
    assert power[1] > 0.99
