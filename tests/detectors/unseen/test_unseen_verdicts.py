"""What a handful of verdicts changes, and what it leaves."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.cases import Case, toy

import unseen
from unseen.detectors import UnseenDetector
from unseen.errors import InputError


def test_a_judged_kind_is_caught_and_false_alarms_stay(case: Case, loaded: UnseenDetector) -> None:
    rows = np.flatnonzero(case.y == "slow_read")
    judged, rest = rows[:20], rows[20:]
    before = loaded.alarm(case.X.take(rest)).mean()
    assert loaded.adapt(case.X.take(judged), case.y[judged]) is loaded
    assert loaded.alarm(case.X.take(judged)).all()
    assert loaded.alarm(case.X.take(rest)).mean() >= max(before, 0.5)
    count = int(loaded.alarm(case.normal).sum())
    low, high = loaded.calibrator_.false_alarm_count_interval(0.05, case.normal.num_rows, level=0.999)
    assert low <= count <= high
    table = loaded.explain(case.X.take(judged)).to_pandas()
    assert table["spoke"].str.contains("verdicts").all()
    assert (table["p.verdicts"] < 0.05).all()


def test_verdicts_add_up_are_kept_and_can_be_taken_back(case: Case, loaded: UnseenDetector, tmp_path: Path) -> None:
    X, y = case.X.slice(900, 12), np.where(np.arange(12) % 2 == 0, "odd", "benign")
    loaded.adapt(X.slice(0, 5), y[:5]).adapt(X.slice(5), y[5:])
    loaded.save(tmp_path / "two.unseen")
    twice = unseen.load(tmp_path / "two.unseen")
    np.testing.assert_array_equal(twice.anomaly_score(case.X), loaded.anomaly_score(case.X))
    np.testing.assert_array_equal(twice.p_value(case.X), loaded.p_value(case.X))
    case.detector.save(tmp_path / "m.unseen")
    once = unseen.load(tmp_path / "m.unseen")
    assert isinstance(once, UnseenDetector)
    once.adapt(X, y)
    np.testing.assert_array_equal(once.p_value(case.X), loaded.p_value(case.X))
    # An analyst's second thoughts.
    raised = loaded.anomaly_score(X.slice(0, 1))
    loaded.adapt(X.slice(0, 1), ["benign"])
    # What lies near the other judged anomalies may stay raised by them.
    assert loaded.anomaly_score(X.slice(0, 1)) < raised
    alone = unseen.load(tmp_path / "m.unseen")
    assert isinstance(alone, UnseenDetector)
    raised = alone.adapt(X.slice(0, 1), ["odd"]).anomaly_score(X.slice(0, 1))
    assert alone.adapt(X.slice(0, 1), ["benign"]).anomaly_score(X.slice(0, 1)) <= 0.5 * raised


def test_recalibration_keeps_verdicts(case: Case, loaded: UnseenDetector) -> None:
    loaded.adapt(case.X.slice(900, 6), ["odd"] * 6)
    before = loaded.anomaly_score(case.X)
    loaded.recalibrate(case.normal.slice(0, 300))
    np.testing.assert_array_equal(loaded.anomaly_score(case.X), before)
    assert loaded.calibrator_.rows == 300
    assert loaded.alarm(case.normal.slice(0, 300), false_alarm_rate=0.1).mean() <= 0.1


def test_verdicts_that_cannot_be_used_are_refused(case: Case, loaded: UnseenDetector) -> None:
    X = case.X.slice(0, 2)
    before = loaded.p_value(case.X)
    with pytest.raises(InputError, match="got none"):
        loaded.adapt(case.X.slice(0, 0), [])
    with pytest.raises(InputError, match="2"):
        loaded.adapt(X, ["odd"])
    with pytest.raises(InputError, match="'Benign' would count as an anomaly"):
        loaded.adapt(X, ["Benign", "odd"])
    with pytest.raises(InputError, match="'sculpted'"):
        UnseenDetector(evidences=("mixture",)).fit(*toy(80)).adapt(toy(3)[0], ["benign"] * 3)
    np.testing.assert_array_equal(loaded.p_value(case.X), before)
