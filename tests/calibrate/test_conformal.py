"""The guarantee itself: p-values, the alarm rule to the last bit, refusals, and the laws of the realised rate."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unseen.calibrate import ConformalCalibrator, alarm_count, rows_for_rate
from unseen.errors import ArtifactError, CalibrationError, InputError

# few distinct values, so that ties occur, and infinities, which are ordinary scores
values = st.one_of(st.integers(-3, 3).map(float), st.floats(allow_nan=False))
score_lists = st.lists(values, min_size=1, max_size=60)
rates = st.floats(1e-4, 1.0, exclude_max=True)


class TestPValues:
    @given(score_lists, score_lists)
    def test_definition(self, calibration: list[float], scores: list[float]) -> None:
        expected = [(1 + sum(c >= s for c in calibration)) / (len(calibration) + 1) for s in scores]
        assert ConformalCalibrator.fit(calibration).p_value(scores).tolist() == expected

    @given(score_lists, score_lists)
    def test_a_row_depends_on_itself_alone(self, calibration: list[float], scores: list[float]) -> None:
        calibrator = ConformalCalibrator.fit(calibration)
        one_by_one = [calibrator.p_value([score])[0] for score in scores]
        assert calibrator.p_value(scores).tolist() == one_by_one
        assert calibrator.p_value(scores[::-1]).tolist() == one_by_one[::-1]
        assert ConformalCalibrator.fit(calibration[::-1]).p_value(scores).tolist() == one_by_one

    @given(score_lists)
    def test_higher_scores_never_have_higher_p_values(self, calibration: list[float]) -> None:
        p = ConformalCalibrator.fit(calibration).p_value(sorted({*calibration, -math.inf, 0.5, math.inf}))
        assert np.all(np.diff(p) <= 0)
        assert p[0] == 1.0

    @pytest.mark.parametrize("ties", [False, True])
    def test_super_uniform_on_normals(self, ties: bool) -> None:
        """Over many calibration sets P(p ≤ rate) = ⌊rate·(n + 1)⌋/(n + 1), and no more than that under ties."""
        rng, runs, rows = np.random.default_rng(11), 20_000, 19
        draws = rng.standard_t(3, size=(runs, rows + 1))
        if ties:
            draws = np.round(draws)
        p = np.array([ConformalCalibrator.fit(row[:-1]).p_value(row[-1:])[0] for row in draws])
        for rate in (0.05, 0.1, 0.17, 0.5):
            exact = math.floor(rate * 20 + 1e-9) / 20
            noise = 4 * math.sqrt(exact * (1 - exact) / runs)
            assert np.mean(p <= rate) <= exact + noise
            assert ties or np.mean(p <= rate) >= exact - noise


class TestAlarms:
    @given(score_lists, score_lists, rates)
    def test_alarm_is_exactly_p_below_rate(self, calibration: list[float], scores: list[float], rate: float) -> None:
        calibrator = ConformalCalibrator.fit(calibration)
        if rate < calibrator.smallest_rate:
            with pytest.raises(CalibrationError):
                calibrator.alarm(scores, rate)
            return
        # calibration scores themselves and their neighbours are where a wrong comparison shows
        probes = np.array([*scores, *calibration, *(math.nextafter(c, math.inf) for c in calibration)])
        expected = calibrator.p_value(probes) <= rate
        assert np.array_equal(calibrator.alarm(probes, rate), expected)
        assert np.array_equal(probes > calibrator.threshold(rate), expected)

    @given(st.integers(1, 5000), st.data())
    def test_rates_that_are_fractions_lose_nothing_to_rounding(self, rows: int, data: st.DataObject) -> None:
        count = data.draw(st.integers(1, rows))
        assert alarm_count(count / (rows + 1), rows) == count

    @pytest.mark.parametrize(("rate", "rows", "count"), [(0.1, 9, 1), (0.29, 99, 29), (0.07, 99, 7), (0.57, 99, 57)])
    def test_decimal_rates(self, rate: float, rows: int, count: int) -> None:
        assert alarm_count(rate, rows) == count
        assert ConformalCalibrator.fit(np.arange(rows)).alarm(np.arange(rows) + 0.5, rate).sum() == count

    @given(rates, st.integers(1, 10**6))
    def test_count_is_the_largest_allowed(self, rate: float, rows: int) -> None:
        count = alarm_count(rate, rows)
        assert count / (rows + 1) <= rate < (count + 1) / (rows + 1)

    def test_constant_calibration_scores(self) -> None:
        calibrator = ConformalCalibrator.fit(np.full(99, 2.0))
        assert calibrator.alarm([2.0, 2.1], 0.5).tolist() == [False, True]


class TestRefusals:
    def test_too_few_rows_names_what_helps(self) -> None:
        calibrator = ConformalCalibrator.fit(np.arange(412.0))
        with pytest.raises(CalibrationError) as caught:
            calibrator.alarm([1.0], 0.001)
        message = str(caught.value)
        assert "at least 999 calibration normals, there are 412" in message
        assert "false_alarm_rate=0.00243 or more" in message
        assert "recalibrate(X_normal)" in message
        assert len(message.splitlines()) == 2

    @given(st.integers(1, 3000))
    def test_the_printed_smallest_rate_works(self, rows: int) -> None:
        calibrator = ConformalCalibrator.fit(np.arange(rows))
        with pytest.raises(CalibrationError) as caught:
            calibrator.threshold(calibrator.smallest_rate * 0.99)
        printed = float(str(caught.value).split("Ask for false_alarm_rate=")[1].split()[0])
        assert calibrator.smallest_rate <= printed <= 1.02 * calibrator.smallest_rate
        assert calibrator.threshold(calibrator.smallest_rate) == calibrator.threshold(printed) == rows - 1

    @pytest.mark.parametrize("method", ["threshold", "realised_rate_interval"])
    @pytest.mark.parametrize("rate", [0.0, 1.0, -0.1, 5, math.nan, True, "many", None])
    def test_rates_outside(self, method: str, rate: float) -> None:
        with pytest.raises(InputError, match="false_alarm_rate="):
            getattr(ConformalCalibrator.fit([1.0]), method)(rate)

    def test_scores(self) -> None:
        with pytest.raises(InputError, match="0 rows, at least 1 needed"):
            ConformalCalibrator.fit([])
        with pytest.raises(InputError, match="1 of 2 rows are NaN, the first at row 1"):
            ConformalCalibrator.fit([1.0, math.nan])
        calibrator = ConformalCalibrator.fit([1.0])
        for call in (calibrator.p_value, lambda scores: calibrator.alarm(scores, 0.5)):
            with pytest.raises(InputError, match="NaN"):
                call([math.nan])
            with pytest.raises(InputError, match="one dimension"):
                call([[1.0]])
            with pytest.raises(InputError, match="one dimension"):
                call(1.0)
            with pytest.raises(InputError, match="must be numbers"):
                call(["high"])

    def test_intervals(self) -> None:
        calibrator = ConformalCalibrator.fit(np.arange(99))
        with pytest.raises(CalibrationError, match="999"):
            calibrator.realised_rate_interval(0.001)
        with pytest.raises(CalibrationError, match="999"):
            calibrator.false_alarm_count_interval(0.001, 10)
        with pytest.raises(InputError, match="level="):
            calibrator.realised_rate_interval(0.01, level=95)
        with pytest.raises(InputError, match="rows=-1"):
            calibrator.false_alarm_count_interval(0.01, -1)

    def test_calibration_scores_cannot_be_changed_afterwards(self) -> None:
        given_scores = np.arange(9.0)
        calibrator = ConformalCalibrator.fit(given_scores)
        given_scores[:] = 100.0
        assert calibrator.threshold(0.1) == 8.0
        with pytest.raises(ValueError, match="read-only"):
            calibrator.sorted_scores[0] = 5.0


class TestRealisedRate:
    @pytest.mark.parametrize(("rows", "rate"), [(99, 0.01), (500, 0.05), (99, 0.5)])
    def test_interval_is_beta(self, rows: int, rate: float) -> None:
        from scipy.stats import beta

        count = math.floor(rate * (rows + 1) + 1e-9)
        expected = beta.interval(0.9, count, rows + 1 - count)
        calibrator = ConformalCalibrator.fit(np.arange(rows))
        assert calibrator.realised_rate_interval(rate, 0.9) == pytest.approx(expected)

    def test_interval_covers_as_often_as_it_says(self) -> None:
        """Uniform scores: the realised rate of a threshold t is 1 − t, exactly."""
        rng, hits, runs = np.random.default_rng(5), 0, 4000
        low, high = ConformalCalibrator.fit(np.arange(199)).realised_rate_interval(0.05)
        for _ in range(runs):
            realised = 1.0 - ConformalCalibrator.fit(rng.random(199)).threshold(0.05)
            hits += low <= realised <= high
        assert hits / runs == pytest.approx(0.95, abs=0.014)

    @pytest.mark.parametrize(("rows", "rate", "new"), [(99, 0.01, 50), (199, 0.05, 1000), (999, 0.3, 7), (9, 0.1, 0)])
    def test_count_interval_is_beta_binomial(self, rows: int, rate: float, new: int) -> None:
        from scipy.stats import betabinom

        count = math.floor(rate * (rows + 1) + 1e-9)
        low, high = ConformalCalibrator.fit(np.arange(rows)).false_alarm_count_interval(rate, new, 0.95)
        law = betabinom(new, count, rows + 1 - count)
        assert law.cdf(low - 1) <= 0.025 < law.cdf(low)
        assert law.sf(high) <= 0.025 < law.sf(high - 1)

    def test_count_interval_covers(self) -> None:
        rng, hits, runs = np.random.default_rng(6), 0, 3000
        low, high = ConformalCalibrator.fit(np.arange(199)).false_alarm_count_interval(0.05, 400, 0.9)
        for _ in range(runs):
            calibrator = ConformalCalibrator.fit(rng.standard_normal(199))
            hits += low <= calibrator.alarm(rng.standard_normal(400), 0.05).sum() <= high
        # at least the level, and not much more: counts are discrete
        assert 0.9 - 0.022 <= hits / runs <= 0.93

    def test_count_interval_of_millions_tends_to_the_rate_interval(self) -> None:
        calibrator = ConformalCalibrator.fit(np.arange(9999))
        counts = calibrator.false_alarm_count_interval(0.01, 5_000_000)
        assert np.array(counts) / 5e6 == pytest.approx(calibrator.realised_rate_interval(0.01), rel=1e-3)

    def test_real_traffic_within_the_count_interval(self, data_dir) -> None:  # type: ignore[no-untyped-def]
        """Normals of a real set, split at random: exchangeable by construction, heavy-tailed and full of ties."""
        import pyarrow.compute as pc
        import pyarrow.parquet as pq

        table = pq.read_table(data_dir / "cicids2017_corrected.parquet", columns=["Label", "Flow Duration"])
        normal = table.filter(pc.equal(table["Label"], "BENIGN"))["Flow Duration"].to_numpy().astype(float)
        rng, outside = np.random.default_rng(0), 0
        for _ in range(200):
            mixed = rng.permutation(normal)
            calibrator = ConformalCalibrator.fit(mixed[:999])
            low, high = calibrator.false_alarm_count_interval(0.05, 2000, 0.99)
            outside += not low <= calibrator.alarm(mixed[999:2999], 0.05).sum() <= high
        assert outside <= 8


class TestState:
    @given(score_lists, score_lists)
    def test_round_trip(self, calibration: list[float], scores: list[float]) -> None:
        calibrator = ConformalCalibrator.fit(calibration)
        arrays, meta = calibrator.state()
        again = ConformalCalibrator.from_state(arrays, json.loads(json.dumps(meta)))
        assert again.p_value(scores).tolist() == calibrator.p_value(scores).tolist()

    @pytest.mark.parametrize(
        ("arrays", "meta"),
        [
            ({}, {"kind": "conformal", "rows": 2}),
            ({"sorted_scores": [1.0, 2.0]}, {"kind": "fused", "rows": 2}),
            ({"sorted_scores": [2.0, 1.0]}, {"kind": "conformal", "rows": 2}),
            ({"sorted_scores": [1.0, math.nan]}, {"kind": "conformal", "rows": 2}),
            ({"sorted_scores": [1.0]}, {"kind": "conformal", "rows": 2}),
            ({"sorted_scores": []}, {"kind": "conformal", "rows": 0}),
        ],
    )
    def test_damaged(self, arrays, meta) -> None:  # type: ignore[no-untyped-def]
        with pytest.raises(ArtifactError):
            ConformalCalibrator.from_state(arrays, meta)


def test_rows_for_rate_is_where_the_refusal_ends() -> None:
    rows = rows_for_rate(0.03)
    assert ConformalCalibrator.fit(np.arange(rows)).alarm([rows], 0.03).tolist() == [True]
    with pytest.raises(CalibrationError):
        ConformalCalibrator.fit(np.arange(rows - 1)).alarm([rows], 0.03)
