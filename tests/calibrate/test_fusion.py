"""Fusion is monotone and row by row; only the second calibration, on other normals, makes its p-values valid."""

from __future__ import annotations

import json
import math
from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from unseen.calibrate import ConformalCalibrator, EvidenceMap, FusedCalibrator, FusionRule, fuse
from unseen.errors import ArtifactError, CalibrationError, InputError

RULES = get_args(FusionRule)
matrices = arrays(np.float64, array_shapes(min_dims=2, max_dims=2, max_side=6), elements=st.floats(0.0, 400.0))


def correlated(rng: np.random.Generator, rows: int, columns: int = 3, correlation: float = 0.7) -> np.ndarray:
    """Raw scores of normals whose evidences depend on each other, as those of one row do."""
    shared = rng.normal(size=(rows, 1))
    own = rng.normal(size=(rows, columns))
    return np.exp(math.sqrt(correlation) * shared + math.sqrt(1 - correlation) * own)


class TestRules:
    @pytest.mark.parametrize("rule", RULES)
    @given(matrices, st.data())
    def test_monotone_in_each_argument(self, rule: FusionRule, evidence: np.ndarray, data: st.DataObject) -> None:
        raised = evidence.copy()
        column = data.draw(st.integers(0, evidence.shape[1] - 1))
        raised[:, column] += data.draw(st.floats(0.0, 50.0))
        assert np.all(fuse(raised, rule) >= fuse(evidence, rule))

    @pytest.mark.parametrize("rule", RULES)
    @given(matrices)
    def test_order_of_evidences_does_not_matter(self, rule: FusionRule, evidence: np.ndarray) -> None:
        assert fuse(evidence[:, ::-1], rule) == pytest.approx(fuse(evidence, rule), rel=1e-9)

    @pytest.mark.parametrize("rule", RULES)
    @given(arrays(np.float64, st.tuples(st.integers(1, 9), st.just(1)), elements=st.floats(0.01, 300.0)))
    def test_one_evidence_is_itself(self, rule: FusionRule, evidence: np.ndarray) -> None:
        assert fuse(evidence, rule) == pytest.approx(evidence[:, 0], rel=1e-9)

    @pytest.mark.parametrize("rule", RULES)
    def test_chunks_are_bit_equal(self, rule: FusionRule) -> None:
        evidence = np.random.default_rng(0).exponential(2.0, size=(1003, 5))
        whole = fuse(evidence, rule)
        assert np.array_equal(whole, np.concatenate([fuse(evidence[i : i + 7], rule) for i in range(0, 1003, 7)]))
        assert np.array_equal(whole, fuse(np.asfortranarray(evidence), rule))
        assert np.array_equal(whole[::-1], fuse(evidence[::-1], rule))

    def test_values(self) -> None:
        evidence = np.array([[1.0, 4.0, 2.0]])
        assert fuse(evidence, "max").tolist() == [4.0]
        assert fuse(evidence, "fisher").tolist() == [7.0]
        assert fuse(evidence, "fisher", weights=[1, 0.5, 0]).tolist() == [3.0]
        assert fuse(evidence, "top_two").tolist() == [3.0]

    @given(arrays(np.float64, (4, 3), elements=st.floats(0.01, 12.0)))
    def test_cauchy_formula(self, evidence: np.ndarray) -> None:
        from scipy.stats import cauchy

        statistic = cauchy.isf(10.0**-evidence).mean(axis=1)
        assert 10.0 ** -fuse(evidence, "cauchy") == pytest.approx(cauchy.sf(statistic), rel=1e-6)

    def test_a_calm_evidence_cannot_silence_a_loud_one(self) -> None:
        assert fuse([[5.0, 0.0]], "cauchy")[0] == pytest.approx(5.0 - math.log10(2), abs=0.01)

    def test_fisher_and_cauchy_agree_with_their_theory_on_independent_evidences(self) -> None:
        from scipy.stats import chi2

        evidence = -np.log10(np.random.default_rng(2).random((200_000, 3)))
        fisher = chi2.sf(2 * math.log(10) * fuse(evidence, "fisher"), 6)
        for p in (fisher, 10.0 ** -fuse(evidence, "cauchy")):
            assert np.mean(p <= 0.01) == pytest.approx(0.01, abs=0.001)

    def test_refusals(self) -> None:
        with pytest.raises(InputError, match="rule='mean' is unknown; choose one of max, fisher"):
            fuse([[1.0]], "mean")  # type: ignore[arg-type]
        with pytest.raises(InputError, match="weights serve rule='fisher' only"):
            fuse([[1.0]], "max", weights=[1.0])
        for weights in ([1.0], [-1.0, 1.0], [0.0, 0.0], [math.nan, 1.0]):
            with pytest.raises(InputError, match="weights must be 2 finite numbers"):
                fuse([[1.0, 2.0]], "fisher", weights=weights)
        with pytest.raises(InputError, match=r"NaN in evidence columns \[1\]"):
            fuse([[1.0, math.nan]])
        with pytest.raises(InputError, match="must have shape"):
            fuse([1.0, 2.0])
        with pytest.raises(InputError, match="matrix of numbers"):
            fuse([["a"]])


class TestFusedCalibrator:
    @pytest.mark.parametrize("rule", RULES)
    def test_disjoint_normals_keep_the_rate(self, rule: FusionRule) -> None:
        """The alarms of 200 fresh calibrations stay within the beta-binomial law of their sum."""
        rng, alarms, runs, new = np.random.default_rng(21), 0, 200, 500
        outside = 0
        for _ in range(runs):
            validation, calibration = correlated(rng, 100), correlated(rng, 199)
            fused = FusedCalibrator.fit(validation, calibration, names=["a", "b", "c"], rule=rule)
            count = int(fused.alarm(correlated(rng, new), 0.05).sum())
            low, high = fused.conformal.false_alarm_count_interval(0.05, new, 0.95)
            outside += not low <= count <= high
            alarms += count
        # k/(n + 1) is exactly 5 %; its standard error over 200 calibrations is about .13 points
        assert alarms / (runs * new) == pytest.approx(0.05, abs=0.005)
        assert outside <= 20

    def test_without_a_second_calibration_fisher_alarms_too_often(self) -> None:
        """Correlated evidences break the chi-square law: this is why the second calibration exists."""
        from scipy.stats import chi2

        rng = np.random.default_rng(22)
        validation, normals = correlated(rng, 2000), correlated(rng, 20_000)
        evidence = np.column_stack([EvidenceMap.fit(validation[:, j])(normals[:, j]) for j in range(3)])
        textbook = chi2.sf(2 * math.log(10) * fuse(evidence, "fisher"), 6) <= 0.01
        assert textbook.mean() > 0.03

    def test_the_same_normals_twice_alarm_too_often(self) -> None:
        """Maps fitted on the calibration rows make those rows calmer than new ones; other rows do not."""
        rng, rows, new, same, other = np.random.default_rng(23), 39, 200, 0, 0
        for _ in range(400):
            first, second, normals = (
                correlated(rng, rows, 8, 0),
                correlated(rng, rows, 8, 0),
                correlated(rng, new, 8, 0),
            )
            maps = [EvidenceMap.fit(column) for column in first.T]
            score = lambda raw, maps=maps: fuse(np.column_stack([m(c) for m, c in zip(maps, raw.T, strict=True)]))  # noqa: E731
            same += ConformalCalibrator.fit(score(first)).alarm(score(normals), 0.05).sum()
            other += ConformalCalibrator.fit(score(second)).alarm(score(normals), 0.05).sum()
        assert other / (400 * new) == pytest.approx(0.05, abs=0.006)
        assert same / (400 * new) > 0.07

    def test_identical_sets_are_refused(self) -> None:
        rows = correlated(np.random.default_rng(0), 50)
        with pytest.raises(CalibrationError, match="the same rows"):
            FusedCalibrator.fit(rows, rows.copy(), names=["a", "b", "c"])

    def test_recalibrate_moves_the_threshold_and_keeps_the_scores(self) -> None:
        rng = np.random.default_rng(1)
        fused = FusedCalibrator.fit(correlated(rng, 200), correlated(rng, 199), names=["a", "b", "c"])
        shifted = correlated(rng, 2999) * 2.0
        again = fused.recalibrate(shifted[:999])
        assert np.array_equal(again.score(shifted), fused.score(shifted))
        assert fused.alarm(shifted[999:], 0.05).mean() > 0.08
        assert again.alarm(shifted[999:], 0.05).mean() == pytest.approx(0.05, abs=0.02)

    @pytest.mark.parametrize("rule", RULES)
    def test_state_round_trip(self, rule: FusionRule) -> None:
        rng = np.random.default_rng(3)
        weights = [1.0, 0.1, 0.3] if rule == "fisher" else None
        fused = FusedCalibrator.fit(
            correlated(rng, 90), correlated(rng, 99), names=["a", "b", "c"], rule=rule, weights=weights
        )
        named, meta = fused.state()
        again = FusedCalibrator.from_state(named, json.loads(json.dumps(meta)))
        scores = correlated(rng, 500) * 3.0
        assert np.array_equal(again.score(scores), fused.score(scores))
        assert np.array_equal(again.p_value(scores), fused.p_value(scores))
        assert (again.names, again.rule, again.weights) == (fused.names, fused.rule, fused.weights)

    def test_far_anomalies_keep_their_order(self) -> None:
        rng = np.random.default_rng(4)
        fused = FusedCalibrator.fit(correlated(rng, 500), correlated(rng, 500), names=["a", "b", "c"])
        far = 10.0 ** np.arange(2, 30)[:, None] * np.ones(3)
        assert np.all(np.diff(fused.score(far)) > 0)
        assert np.unique(fused.p_value(far)).size == 1

    def test_evidence_names_which_spoke(self) -> None:
        rng = np.random.default_rng(5)
        fused = FusedCalibrator.fit(correlated(rng, 500), correlated(rng, 500), names=["a", "b", "c"])
        loudest = fused.evidence([[1.0, 1e4, 1.0]]).argmax(axis=1)
        assert fused.names[loudest[0]] == "b"

    def test_refusals(self) -> None:
        rng = np.random.default_rng(6)
        one, two = correlated(rng, 20), correlated(rng, 30)
        with pytest.raises(InputError, match="names must hold 3 different names"):
            FusedCalibrator.fit(one, two, names=["a", "b", "b"])
        with pytest.raises(InputError, match="validation has 3 columns, calibration 2"):
            FusedCalibrator.fit(one, two[:, :2], names=["a", "b", "c"])
        fused = FusedCalibrator.fit(one, two, names=["a", "b", "c"])
        with pytest.raises(InputError, match="scores has 2 columns, 3 expected: a, b, c"):
            fused.score(two[:, :2])
        with pytest.raises(CalibrationError, match="at least 999"):
            fused.alarm(two, 0.001)

    @pytest.mark.parametrize(
        "change", [{"kind": "conformal"}, {"rule": "mean"}, {"names": []}, {"weights": [1.0]}, {"parts": {}}]
    )
    def test_damaged_meta(self, change: dict[str, object]) -> None:
        rng = np.random.default_rng(7)
        named, meta = FusedCalibrator.fit(correlated(rng, 20), correlated(rng, 30), names=["a", "b", "c"]).state()
        with pytest.raises(ArtifactError):
            FusedCalibrator.from_state(named, {**meta, **change})
        with pytest.raises(ArtifactError):
            FusedCalibrator.from_state({k: v for k, v in named.items() if "map2" not in k}, meta)
