"""Measures against scikit-learn and the paper's own figures."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, precision_recall_fscore_support, roc_auc_score

from unseen.errors import InputError
from unseen.metrics import (
    PAPER_CLASS_WEIGHTS,
    auroc,
    average_precision,
    balanced_f1,
    f1_from_counts,
    recall_at,
    wilson_interval,
)

# few distinct values, so that ties occur
tied = st.lists(st.integers(-3, 3).map(float), min_size=1, max_size=40)
smooth = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=40)
scores = st.one_of(tied, smooth)


def as_labels(normal: list[float], anomaly: list[float]) -> tuple[np.ndarray, np.ndarray]:
    return np.repeat([0, 1], [len(normal), len(anomaly)]), np.array([*normal, *anomaly])


class TestRanking:
    @given(scores, scores)
    def test_auroc_equals_sklearn(self, normal: list[float], anomaly: list[float]) -> None:
        assert auroc(normal, anomaly) == pytest.approx(roc_auc_score(*as_labels(normal, anomaly)), abs=1e-12)

    @given(scores, scores)
    def test_auroc_mirrors(self, normal: list[float], anomaly: list[float]) -> None:
        assert auroc(normal, anomaly) + auroc(anomaly, normal) == pytest.approx(1.0, abs=1e-12)

    @given(scores, scores)
    def test_average_precision_equals_sklearn(self, normal: list[float], anomaly: list[float]) -> None:
        labels, values = as_labels(normal, anomaly)
        assert average_precision(normal, anomaly) == pytest.approx(average_precision_score(labels, values), abs=1e-9)

    @given(scores, scores, st.floats(0.001, 0.999))
    def test_prevalence_is_a_reweighting(self, normal: list[float], anomaly: list[float], prevalence: float) -> None:
        labels, values = as_labels(normal, anomaly)
        weights = np.where(labels == 1, prevalence / len(anomaly), (1 - prevalence) / len(normal))
        expected = average_precision_score(labels, values, sample_weight=weights)
        assert average_precision(normal, anomaly, prevalence=prevalence) == pytest.approx(expected, abs=1e-9)

    def test_a_random_score_has_the_prevalence_as_average_precision(self) -> None:
        rng = np.random.default_rng(0)
        value = average_precision(rng.random(200_000), rng.random(50_000), prevalence=0.01)
        assert value == pytest.approx(0.01, abs=0.001)

    def test_infinite_scores_rank(self) -> None:
        assert auroc([-math.inf, 0.0], [math.inf]) == 1.0
        assert average_precision([-math.inf, 0.0], [math.inf]) == 1.0

    def test_large_counts_do_not_overflow(self) -> None:
        assert auroc(np.zeros(100_000), np.ones(100_000)) == 1.0

    @pytest.mark.parametrize("measure", [auroc, average_precision])
    def test_refusals(self, measure) -> None:  # type: ignore[no-untyped-def]
        with pytest.raises(InputError, match="anomaly_scores is empty"):
            measure([1.0], [])
        with pytest.raises(InputError, match="normal_scores is empty"):
            measure([], [1.0])
        with pytest.raises(InputError, match="1 of 2 rows are NaN"):
            measure([1.0, math.nan], [1.0])
        with pytest.raises(InputError, match="one dimension"):
            measure([[1.0]], [1.0])
        with pytest.raises(InputError, match="must be numbers"):
            measure(["high"], [1.0])

    @pytest.mark.parametrize("prevalence", [0.0, 1.0, -0.1, math.nan])
    def test_bad_prevalence(self, prevalence: float) -> None:
        with pytest.raises(InputError, match="prevalence"):
            average_precision([0.0], [1.0], prevalence=prevalence)


class TestShares:
    def test_recall_counts_strictly_above(self) -> None:
        assert recall_at([1.0, 2.0, 2.0, 3.0], 2.0) == 0.25
        with pytest.raises(InputError, match="empty"):
            recall_at([], 0.0)
        with pytest.raises(InputError, match="threshold is NaN"):
            recall_at([1.0], math.nan)

    @given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), st.floats(0.5, 0.999))
    def test_wilson_equals_scipy(self, counts: tuple[int, int], level: float) -> None:
        from scipy.stats import binomtest

        expected = binomtest(*counts).proportion_ci(level, method="wilson")
        assert wilson_interval(*counts, level) == pytest.approx((expected.low, expected.high), abs=1e-9)

    @given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
    def test_wilson_holds_the_share(self, counts: tuple[int, int]) -> None:
        low, high = wilson_interval(*counts)
        assert 0.0 <= low <= counts[0] / counts[1] <= high <= 1.0
        assert low < high

    @pytest.mark.parametrize(("hits", "rows", "level"), [(0, 0, 0.95), (2, 1, 0.95), (-1, 3, 0.95), (1, 3, 1.0)])
    def test_wilson_refusals(self, hits: int, rows: int, level: float) -> None:
        with pytest.raises(InputError):
            wilson_interval(hits, rows, level)


class TestF1:
    @given(
        st.lists(st.booleans(), min_size=1, max_size=30),
        st.lists(st.booleans(), min_size=1, max_size=30),
    )
    def test_equals_sklearn(self, on_normals: list[bool], on_anomalies: list[bool]) -> None:
        labels = np.repeat([0, 1], [len(on_normals), len(on_anomalies)])
        alarms = np.array([*on_normals, *on_anomalies], dtype=int)
        expected = precision_recall_fscore_support(labels, alarms, average="binary", zero_division=0.0)[:3]
        score = f1_from_counts(sum(on_anomalies), sum(on_normals), len(on_anomalies))
        assert (score.precision, score.recall, score.f1) == pytest.approx(expected)

    def test_balanced_f1_equals_counting_on_a_balanced_set(self) -> None:
        """With row counts as weights the formula is plain F1 on the paper's 13,297 + 13,297 rows."""
        assert sum(PAPER_CLASS_WEIGHTS.values()) == 13_297
        caught = {"DoS slowloris": 5000, "DoS Slowhttptest": 4000, "Bot": 300, "Infiltration": 30}
        recalls = {name: caught[name] / rows for name, rows in PAPER_CLASS_WEIGHTS.items()}
        plain = f1_from_counts(sum(caught.values()), 1000, 13_297)
        score = balanced_f1(recalls, 1000 / 13_297)
        assert (score.precision, score.recall, score.f1) == pytest.approx((plain.precision, plain.recall, plain.f1))

    def test_no_alarm_at_all(self) -> None:
        score = balanced_f1(dict.fromkeys(PAPER_CLASS_WEIGHTS, 0.0), 0.0)
        assert (score.precision, score.recall, score.f1) == (0.0, 0.0, 0.0)

    def test_refusals(self) -> None:
        full = dict.fromkeys(PAPER_CLASS_WEIGHTS, 0.5)
        with pytest.raises(InputError, match=r"missing \['Bot'\], extra \['bot'\]"):
            balanced_f1({("bot" if name == "Bot" else name): 0.5 for name in full}, 0.1)
        with pytest.raises(InputError, match=r"Bot: a rate of 1\.2"):
            balanced_f1({**full, "Bot": 1.2}, 0.1)
        with pytest.raises(InputError, match="false_alarm_rate: a rate of nan"):
            balanced_f1(full, math.nan)
        with pytest.raises(InputError, match="weights must be"):
            balanced_f1({"a": 0.5}, 0.1, {"a": 0})
        with pytest.raises(InputError, match="anomalies ≥ 1"):
            f1_from_counts(0, 3, 0)
