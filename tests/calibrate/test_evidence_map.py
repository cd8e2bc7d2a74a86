"""The map from scores to −log10 p: monotone, continuous, finite, and near the truth where the truth is known."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unseen.calibrate import EvidenceMap
from unseen.calibrate.evidence_map import MAX_KNOTS
from unseen.errors import ArtifactError, InputError

values = st.one_of(st.integers(-3, 3).map(float), st.floats(allow_nan=False))
score_lists = st.lists(values, min_size=1, max_size=80)


class TestShape:
    @given(score_lists, score_lists)
    def test_never_decreasing_and_finite(self, validation: list[float], scores: list[float]) -> None:
        mapped = EvidenceMap.fit(validation)(sorted([*validation, *scores]))
        assert np.isfinite(mapped).all()
        assert np.all(mapped >= 0.0)
        assert np.all(np.diff(mapped) >= 0.0)

    @given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=80))
    def test_strictly_increasing_beyond_the_largest(self, validation: list[float]) -> None:
        to_evidence = EvidenceMap.fit(validation)
        largest = max(validation)
        steps = max(1.0, max(validation) - min(validation)) * np.logspace(-3, 26, 60)
        mapped = to_evidence([largest, *(largest + steps)])
        assert np.all(np.diff(mapped) > 0.0)
        assert to_evidence([math.inf])[0] >= mapped[-1]
        # growth like a logarithm: 10 for each power of ten, were the spread as small as 1e-300
        assert to_evidence([1e30 + largest])[0] < 10 * 330 + 10

    @given(st.lists(st.integers(-1000, 1000).map(float), min_size=2, max_size=40, unique=True))
    def test_validation_scores_keep_their_order(self, validation: list[float]) -> None:
        ordered = np.sort(validation)
        assert np.all(np.diff(EvidenceMap.fit(validation)(ordered)) > 0.0)

    @given(st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=60), st.integers(0, 59), st.floats(-1.0, 1.0))
    def test_rounding_changes_no_value_by_much(self, validation: list[float], which: int, share: float) -> None:
        """Scores that differ as single precision rounds them; many of them at and between knots."""
        data = np.array([*validation, *(v * (1 + 1e-7) for v in validation), *(v + 1e-5 for v in validation)])
        to_evidence = EvidenceMap.fit(data)
        score = float(np.clip(data[which % data.size], to_evidence.knots[0], to_evidence.knots[-1]))
        size = max(abs(score), float(np.median(np.abs(data))))
        moved = np.clip(score + share * 1e-6 * size, to_evidence.knots[0], to_evidence.knots[-1])
        low, high = np.quantile(data, [0.25, 0.75])
        before, after = to_evidence([score, moved])
        assert 0.0 < high - low < 0.1 * size or abs(after - before) <= 3.1e-4 * max(before, after, 0.3)

    def test_scores_whose_spread_is_all_rounding_say_nothing(self) -> None:
        noise = 500.0 * (1.0 + 1e-8 * np.random.default_rng(0).normal(size=1000))
        to_evidence = EvidenceMap.fit(noise)
        assert to_evidence.knots.size == 2
        # A small one beside the size is a spread all the same, and its quantiles stay.
        spread = 500.0 + 0.1 * np.random.default_rng(0).normal(size=1000)
        inner = np.quantile(spread, [0.2, 0.5, 0.8])
        np.testing.assert_allclose(EvidenceMap.fit(spread)(inner), -np.log10([0.8, 0.5, 0.2]), atol=0.01)

    @given(st.lists(st.integers(-1000, 1000).map(float), min_size=1, max_size=80))
    def test_values_are_mid_rank_tail_shares(self, validation: list[float]) -> None:
        data = np.clip(np.array(validation), -1e300, 1e300)
        share = [(np.sum(data > s) + 0.5 * np.sum(data == s) + 0.5) / (data.size + 1) for s in data]
        assert 10.0 ** -EvidenceMap.fit(validation)(validation) == pytest.approx(np.array(share))

    def test_continuous_at_both_ends(self) -> None:
        to_evidence = EvidenceMap.fit(np.random.default_rng(0).normal(size=300))
        for end in (to_evidence.knots[0], to_evidence.knots[-1]):
            around = to_evidence([end - 1e-9, end, end + 1e-9])
            assert np.ptp(around) < 1e-7

    def test_lower_rows_are_still_ordered(self) -> None:
        mapped = EvidenceMap.fit([1.0, 2.0, 3.0])([-1e9, -5.0, 0.0, 0.9, 1.0])
        assert np.all(np.diff(mapped) > 0.0)

    @given(st.floats(0.01, 100.0), st.floats(-100.0, 100.0))
    def test_units_do_not_matter(self, scale: float, shift: float) -> None:
        rng = np.random.default_rng(1)
        validation, scores = rng.gumbel(size=200), rng.gumbel(size=50) * 3
        plain = EvidenceMap.fit(validation)(scores)
        # A shift makes rounding coarser, and a few more knots are too close.
        assert EvidenceMap.fit(validation * scale + shift)(scores * scale + shift) == pytest.approx(plain, abs=0.02)

    def test_chunks_are_bit_equal(self) -> None:
        """Vector instructions handle the end of an array apart from its body; the bits must not tell."""
        rng = np.random.default_rng(8)
        to_evidence, scores = EvidenceMap.fit(rng.normal(size=300)), rng.standard_t(2, size=1003)
        chunks = [to_evidence(scores[start : start + 7]) for start in range(0, 1003, 7)]
        assert np.array_equal(to_evidence(scores), np.concatenate(chunks))
        assert np.array_equal(to_evidence(np.repeat(scores, 2)[::2]), to_evidence(scores))

    @given(score_lists, score_lists)
    def test_a_row_depends_on_itself_alone(self, validation: list[float], scores: list[float]) -> None:
        to_evidence = EvidenceMap.fit(validation)
        assert to_evidence(scores).tolist() == [to_evidence([score])[0] for score in scores]
        assert EvidenceMap.fit(validation[::-1])(scores).tolist() == to_evidence(scores).tolist()


class TestTruth:
    @pytest.mark.parametrize(
        ("draw", "quantile"),
        [
            (lambda rng: rng.exponential(size=5000), lambda p: -math.log(p)),
            # Pareto with exponent 2: the tail's shape is ½
            (lambda rng: rng.pareto(2.0, size=5000), lambda p: p**-0.5 - 1.0),
        ],
    )
    def test_known_distributions(self, draw, quantile) -> None:  # type: ignore[no-untyped-def]
        to_evidence = EvidenceMap.fit(draw(np.random.default_rng(4)))
        for p, error in ((0.5, 0.02), (0.1, 0.04), (0.01, 0.15), (1e-5, 1.0)):
            assert to_evidence([quantile(p)])[0] == pytest.approx(-math.log10(p), abs=error)

    def test_one_huge_normal_does_not_flatten_the_rest(self) -> None:
        validation = np.random.default_rng(2).normal(size=2000)
        spoilt = EvidenceMap.fit([*validation, 1e12])
        assert spoilt([3.0])[0] == pytest.approx(EvidenceMap.fit(validation)([3.0])[0], abs=0.2)
        assert spoilt([1e13])[0] > spoilt([1e12])[0] > spoilt([5.0])[0]

    @pytest.mark.parametrize("validation", [[7.0], [7.0] * 50, [0.0] * 500 + [1.0]])
    def test_few_and_tied_rows(self, validation: list[float]) -> None:
        mapped = EvidenceMap.fit(validation)([6.0, 7.0, 7.5, 1e3, 1e30])
        assert np.all(np.diff(mapped) > 0.0)
        assert np.isfinite(mapped).all()

    def test_state_stays_small_and_faithful(self) -> None:
        validation = np.random.default_rng(3).normal(size=50_000)
        to_evidence = EvidenceMap.fit(validation)
        assert to_evidence.knots.size <= MAX_KNOTS
        rank = (np.sum(validation[:, None] > [-3.0, -1.0, 0.0, 1.0, 3.0], axis=0) + 0.5) / 50_001
        assert to_evidence([-3.0, -1.0, 0.0, 1.0, 3.0]) == pytest.approx(-np.log10(rank), abs=2e-3)


class TestState:
    @given(score_lists, score_lists)
    def test_round_trip(self, validation: list[float], scores: list[float]) -> None:
        to_evidence = EvidenceMap.fit(validation)
        arrays, meta = to_evidence.state()
        again = EvidenceMap.from_state(arrays, json.loads(json.dumps(meta)))
        assert again(scores).tolist() == to_evidence(scores).tolist()

    @pytest.mark.parametrize(
        "change",
        [
            {"knots": [2.0, 1.0]},
            {"values": [2.0, 1.0]},
            {"values": [1.0]},
            {"knots": [1.0, math.nan]},
            {"tails": [0.1, 0.0, 1.0]},
            {"tails": [0.1]},
        ],
    )
    def test_damaged(self, change: dict[str, list[float]]) -> None:
        arrays, meta = EvidenceMap.fit([1.0, 2.0]).state()
        with pytest.raises(ArtifactError, match="damaged"):
            EvidenceMap.from_state({**arrays, **change}, meta)

    def test_foreign(self) -> None:
        arrays, meta = EvidenceMap.fit([1.0, 2.0]).state()
        with pytest.raises(ArtifactError, match="another kind"):
            EvidenceMap.from_state(arrays, {"kind": "conformal"})
        with pytest.raises(ArtifactError, match="another kind"):
            EvidenceMap.from_state({"knots": arrays["knots"]}, meta)


def test_refusals() -> None:
    with pytest.raises(InputError, match="at least 1 needed"):
        EvidenceMap.fit([])
    with pytest.raises(InputError, match="NaN"):
        EvidenceMap.fit([1.0, math.nan])
    with pytest.raises(InputError, match="NaN"):
        EvidenceMap.fit([1.0])([math.nan])
