"""Why a row alarms: evidences, nearest known class, groups."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from tests.cases import Case

from unseen.detectors.reasons import NEW_KIND
from unseen.errors import CalibrationError


def test_reasons_fit_the_scores(case: Case) -> None:
    d = case.detector
    table = d.explain(case.X, false_alarm_rate=0.05)
    views = [f"p.{view}" for view in d.views_]
    assert table.column_names == [
        *("anomaly_score", "p_value", "alarm", "spoke"),
        *views,
        *("nearest_known", "group", "group_size", "group_typical_row"),
    ]
    frame = table.to_pandas()
    np.testing.assert_array_equal(frame["anomaly_score"], d.anomaly_score(case.X))
    np.testing.assert_array_equal(frame["alarm"], d.alarm(case.X, false_alarm_rate=0.05))
    assert ((frame[views] > 0.0) & (frame[views] <= 1.0)).all(axis=None)
    alarms, quiet = frame[frame["alarm"]], frame[~frame["alarm"]]
    assert len(alarms) > 100
    for name in ("spoke", "nearest_known", "group", "group_size", "group_typical_row"):
        assert quiet[name].isna().all()
        assert alarms[name].notna().all()
    for _, row in alarms.head(50).iterrows():
        spoke = row["spoke"].split(", ")
        p = [row[f"p.{view}"] for view in spoke]
        assert p == sorted(p)
        assert p[0] == row[views].min()
        loud = {view.removeprefix("p.") for view in views if row[view] <= 0.05 * (1 - 1e-9)}
        assert loud <= set(spoke)


def test_groups_are_whole_and_typical_rows_are_of_them(case: Case) -> None:
    frame = case.detector.explain(case.X).to_pandas()
    alarms = frame[frame["alarm"]]
    sizes = alarms.groupby("group").size()
    assert list(sizes.index) == list(range(len(sizes)))
    assert (alarms["group_size"] == alarms["group"].map(sizes)).all()
    typical = alarms["group_typical_row"].astype(int)
    assert (frame.loc[typical, "group"].to_numpy() == alarms["group"].to_numpy()).all()
    assert len(sizes) < len(alarms)
    # Wherever the rows stand, the same ones are together.
    order = np.random.default_rng(0).permutation(len(frame))
    turned = case.detector.explain(case.X.take(order)).to_pandas()
    np.testing.assert_array_equal(turned["group"].fillna(-1), frame["group"].fillna(-1).to_numpy()[order])


def test_the_nearest_known_class_is_named_and_new_kinds_are_told(case: Case) -> None:
    frame = case.detector.explain(case.X).to_pandas()
    alarms = frame["alarm"].to_numpy()
    assert set(frame["nearest_known"].dropna()) <= {*case.detector.known_classes, NEW_KIND}
    known = alarms & np.isin(case.y, case.detector.known_classes)
    assert np.mean(frame["nearest_known"][known] == NEW_KIND) < 0.5
    far = pa.table({name: [1e12] for name in case.X.column_names})
    assert case.detector.explain(far).column("nearest_known").to_pylist() == [NEW_KIND]


def test_no_rows_have_no_reasons_and_rates_are_checked(case: Case) -> None:
    assert case.detector.explain(case.X.slice(0, 0)).num_rows == 0
    with pytest.raises(CalibrationError, match="99999"):
        case.detector.explain(case.X, false_alarm_rate=1e-5)
