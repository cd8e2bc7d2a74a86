"""What a user has: no known anomalies, few rows, many columns."""

from __future__ import annotations

import numpy as np
import pytest
from tests.cases import QUICK, toy

from unseen.detectors import UnseenDetector
from unseen.errors import CalibrationError, InputError, UnseenWarning
from unseen.metrics import auroc


def test_no_known_anomalies() -> None:
    X, y = toy(600)
    normal = X[y == "benign"]
    with pytest.warns(UnseenWarning, match="no known anomalies"):
        d = UnseenDetector(evidences=("mixture", "isolation", "known", "negatives")).fit(normal)
    assert list(d.weights_.values()) == [1.0, 1.0, 1.0]
    assert "known" not in d.evidences_
    assert d.alarm(X[y != "benign"], false_alarm_rate=0.05).mean() > 0.5
    with pytest.warns(UnseenWarning), pytest.raises(InputError, match="set_params"):
        UnseenDetector(evidences=("sculpted",)).fit(normal.head(60)).adapt(normal.head(1), ["fine"])
    with pytest.raises(InputError, match="learn from known anomalies, and there are none"):
        UnseenDetector(evidences=("known",)).fit(normal)


def test_one_known_class() -> None:
    X, y = toy(600, classes=1)
    with pytest.warns(UnseenWarning, match="one known family"):
        d = UnseenDetector(evidences=QUICK).fit(X, y)
    assert d.training_report_["left_out"] == {}
    assert d.alarm(X[y != "benign"], false_alarm_rate=0.05).mean() > 0.7


@pytest.mark.filterwarnings("ignore::unseen.errors.UnseenWarning")
def test_ten_labelled_rows_among_five_hundred_normals() -> None:
    X, y = toy(900)
    keep = (y == "benign") | (np.cumsum(y != "benign") <= 10)
    d = UnseenDetector().fit(X[keep], y[keep])
    later, truth = toy(900, seed=1)
    scores = d.anomaly_score(later)
    assert auroc(scores[truth == "benign"], scores[truth != "benign"]) > 0.9
    assert d.explain(later, false_alarm_rate=0.05).num_rows == 900


@pytest.mark.filterwarnings("ignore::unseen.errors.UnseenWarning")
@pytest.mark.parametrize("rows", [5, 12])
def test_a_handful_of_normals(rows: int) -> None:
    X = np.random.default_rng(0).normal(size=(rows, 3))
    d = UnseenDetector().fit(X)
    assert np.isfinite(d.anomaly_score(X)).all()
    with pytest.raises(CalibrationError, match="99 calibration normals"):
        d.explain(X)


@pytest.mark.filterwarnings("ignore::unseen.errors.UnseenWarning")
def test_three_hundred_columns() -> None:
    X, y = toy(200, classes=1, columns=300)
    d = UnseenDetector().fit(X, y)
    assert np.isfinite(d.anomaly_score(X)).all()


@pytest.mark.filterwarnings("ignore::unseen.errors.UnseenWarning")
def test_categories_and_missing_values() -> None:
    X, y = toy(300, classes=1)
    rng = np.random.default_rng(0)
    X["service"] = np.where(y == "attack0", "odd", rng.choice(["http", "dns"], size=300))
    X.loc[::7, "c1"] = np.nan
    X.loc[::11, "service"] = None
    d = UnseenDetector().fit(X, y)
    later = X.head(20).assign(service="never seen", c2=np.nan, c3=np.inf)
    assert np.isfinite(d.anomaly_score(later)).all()
    assert d.explain(later, false_alarm_rate=0.1).num_rows == 20
