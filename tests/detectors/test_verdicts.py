"""Verdicts help where they were given and can do little harm elsewhere."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from unseen.calibrate import ConformalCalibrator
from unseen.detectors.verdicts import OFFSET, Verdicts
from unseen.errors import ArtifactError

WIDTH = 8


def cloud(seed: int, count: int, centre: float = 0.0) -> np.ndarray:
    """Places as the detector has them: unit variance in every direction."""
    return (np.random.default_rng(seed).normal(size=(count, WIDTH)) + centre).astype(np.float32)


def base_score(places: np.ndarray) -> np.ndarray:
    """−log10 p of a detector that sees the first direction only."""
    from scipy.stats import norm

    return np.asarray(-np.log10(norm.sf(places[:, 0].astype(float))))


NONE = np.empty((0, WIDTH), np.float32)
REFERENCES = cloud(0, 2000)
CALIBRATION, TEST = cloud(1, 4000), cloud(2, 4000)
# Two kinds the detector sees at best by chance, and one that it catches.
MISSED, OTHER, CAUGHT = cloud(3, 300), cloud(4, 300), cloud(5, 300)
MISSED[:, 1] += 7.0
OTHER[:, 2] += 7.0
CAUGHT[:, 0] += 4.0


def recall(verdicts: Verdicts | None, places: np.ndarray, rate: float) -> float:
    def score(rows: np.ndarray) -> np.ndarray:
        return base_score(rows) if verdicts is None else verdicts.apply(base_score(rows), rows)

    return float(ConformalCalibrator.fit(score(CALIBRATION)).alarm(score(places), rate).mean())


@pytest.mark.parametrize("judged", [5, 20, 100])
def test_a_missed_kind_is_caught_and_false_alarms_stay(judged: int) -> None:
    verdicts = Verdicts.fit(MISSED[:judged], NONE, REFERENCES)
    rest = MISSED[100:]
    assert recall(None, rest, 0.01) < 0.1
    assert recall(verdicts, rest, 0.01) > (0.5 if judged < 20 else 0.85)
    for rate in (0.05, 0.01):
        # 4,000 rows against 4,000: four standard deviations of both draws.
        assert recall(verdicts, TEST, rate) == pytest.approx(rate, abs=4 * np.sqrt(2 * rate / 4000))


@pytest.mark.parametrize("seed", range(5))
def test_five_wrong_verdicts_cost_little(seed: int) -> None:
    # Normals judged anomalous: what nearness to them is worth is learned on normals, and they are not near each other,
    # so the threshold rises by at most a factor of 1 + 10**-1.5 in p.
    normals = cloud(100 + seed, 5)
    for wrong in (Verdicts.fit(normals, NONE, REFERENCES), Verdicts.fit(NONE, normals, REFERENCES)):
        for rate in (0.05, 0.01):
            assert recall(wrong, TEST, rate) == pytest.approx(rate, abs=4 * np.sqrt(2 * rate / 4000))
            assert recall(wrong, CAUGHT, rate) >= recall(None, CAUGHT, rate / (1.0 + 10.0**-1.5)) - 0.06


def test_verdicts_count_as_far_as_they_are_of_one_kind() -> None:
    assert Verdicts.fit(MISSED[:20], NONE, REFERENCES).offset == OFFSET
    assert Verdicts.fit(NONE, MISSED[:5], REFERENCES).offset == OFFSET
    scattered = Verdicts.fit(cloud(9, 5), NONE, REFERENCES)
    alone = Verdicts.fit(MISSED[:1], NONE, REFERENCES)
    assert scattered.offset == alone.offset == OFFSET + 1.0
    assert OFFSET < Verdicts.fit(MISSED[:5], NONE, REFERENCES).offset < OFFSET + 0.5


def test_verdicts_on_one_kind_leave_the_others() -> None:
    verdicts = Verdicts.fit(MISSED[:20], NONE, REFERENCES)
    for rate in (0.05, 0.01):
        assert recall(verdicts, CAUGHT, rate) >= recall(None, CAUGHT, rate) - 0.1
        assert recall(verdicts, OTHER, rate) >= recall(None, OTHER, rate) - 0.05


places = st.integers(0, 6).flatmap(lambda n: arrays(np.float32, (n, WIDTH), elements=st.floats(-30.0, 30.0, width=32)))


@settings(max_examples=40)
@given(places, places, arrays(np.float64, 6, elements=st.floats(0.0, 50.0)), st.integers(0, 99))
def test_normal_verdicts_never_raise_and_anomalous_ones_never_lower(
    anomalies: np.ndarray, normals: np.ndarray, score: np.ndarray, seed: int
) -> None:
    rows = np.concatenate([anomalies, normals, cloud(seed, 6)])[-6:]
    before = score.copy()
    alone = Verdicts.fit(anomalies, NONE, REFERENCES[:50])
    both = Verdicts.fit(anomalies, normals, REFERENCES[:50])
    assert (alone.apply(score, rows) >= score).all()
    assert (Verdicts.fit(NONE, normals, REFERENCES[:50]).apply(score, rows) <= score).all()
    assert (both.apply(score, rows) <= alone.apply(score, rows)).all()
    # Halved at most, so that what is far out stays in sight.
    assert (both.apply(score, rows) >= 0.5 * score).all()
    np.testing.assert_array_equal(score, before)
    # Each row on its own.
    np.testing.assert_array_equal(both.apply(score[::-1], rows[::-1]), both.apply(score, rows)[::-1])


def test_only_rows_all_but_equal_to_a_normal_verdict_are_cleared() -> None:
    verdicts = Verdicts.fit(NONE, CAUGHT[:5], REFERENCES)
    score = np.full(300, 3.0)
    cleared = verdicts.apply(score, CAUGHT) < score
    assert cleared[:5].all()
    assert cleared[5:].mean() < 0.05
    assert not (verdicts.apply(score, MISSED) < score).any()


def test_few_references_are_borne() -> None:
    for count in (1, 2, 3):
        made = Verdicts.fit(MISSED[:3], CAUGHT[:3], REFERENCES[:count])
        assert np.isfinite(made.apply(np.ones(20), TEST[:20])).all()


def test_no_verdicts_change_nothing() -> None:
    empty = Verdicts.fit(NONE, NONE, REFERENCES)
    score = base_score(TEST)
    np.testing.assert_array_equal(empty.apply(score, TEST), score)
    np.testing.assert_array_equal(empty.nearness(TEST), np.zeros(len(TEST)))


def test_verdicts_add_up_and_the_later_one_counts() -> None:
    start = Verdicts(NONE, NONE, None, 0.0)
    once = start.and_then(MISSED[:6], CAUGHT[:4])
    first = Verdicts(*start.and_then(MISSED[:3], CAUGHT[:4]), None, 0.0)
    twice = first.and_then(MISSED[3:6], NONE)
    for one, two in zip(once, twice, strict=True):
        np.testing.assert_array_equal(one, two)
    # Told again: nothing new.
    for one, two in zip(Verdicts(*once, None, 0.0).and_then(MISSED[:2], NONE), once, strict=True):
        np.testing.assert_array_equal(one, two)
    anomalies, normals = Verdicts(*once, None, 0.0).and_then(CAUGHT[:1], MISSED[:1])
    assert (len(anomalies), len(normals)) == (6, 4)
    assert (anomalies == CAUGHT[0]).all(axis=1).any()
    assert not (anomalies == MISSED[0]).all(axis=1).any()


@pytest.mark.parametrize("anomalies", [0, 5])
def test_the_state_rebuilds_every_bit(anomalies: int) -> None:
    made = Verdicts.fit(MISSED[:anomalies], CAUGHT[:3], REFERENCES)
    held, meta = made.state()
    meta = json.loads(json.dumps(meta))
    again = Verdicts.from_state(held, meta)
    np.testing.assert_array_equal(again.apply(base_score(TEST), TEST), made.apply(base_score(TEST), TEST))
    # Models of before have no offset of their own.
    assert Verdicts.from_state(held, {k: v for k, v in meta.items() if k != "offset"}).offset == OFFSET
    damaged = [
        ({}, meta),
        (held, {}),
        (held, {**meta, "same": None}),
        (held, {**meta, "same": -1.0}),
        (held, {**meta, "offset": "much"}),
        (held, {**meta, "offset": -0.5}),
        (held, {**meta, "near": {"kind": "evidence_map"} if meta["near"] is None else None}),
        ({**held, "normals": held["normals"][:, 1:]}, meta),
        ({**held, "normals": held["normals"] * np.float32("nan")}, meta),
        ({**held, "anomalies": held["anomalies"].astype(np.float64)}, meta),
        ({**held, "anomalies": held["anomalies"].reshape(-1)}, meta),
    ]
    for arrays_, described in damaged:
        with pytest.raises(ArtifactError):
            Verdicts.from_state(arrays_, described)
