"""Thresholds, decisions and curves, on scores whose figures can be counted by hand."""

from __future__ import annotations

import itertools
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unseen.bench.experiments.outcome import Scores
from unseen.bench.experiments.rules import (
    PUBLISHED_TRIAGED,
    calibrated,
    decide,
    precision_at,
    published,
    stage_one,
)
from unseen.bench.protocol import user_protocol

PROTOCOL = user_protocol("table", classes=("a", "b"))


def outcome(*cells: Scores) -> Any:
    return SimpleNamespace(scores=lambda protocol, name: iter(cells))


def cell(normal: list[float], a: list[float], b: list[float], known: list[float] | None = None) -> Scores:
    return Scores(
        normal=np.array(normal, dtype=float),
        known=np.array(known or [], dtype=float),
        classes={"a": np.array(a, dtype=float), "b": np.array(b, dtype=float)},
        calibration=np.arange(100.0),
    )


HAND = cell([10, 50, 96, 1001], [97, 99.5], [5, 5, 5, 98, 1200, 1300], [1100, 20])


def test_the_published_rule_counts_what_lies_above_its_percentile() -> None:
    found = decide(outcome(HAND), PROTOCOL, "any", published(95))
    assert found is not None
    assert found.false_alarms == 0.5
    assert found.recall == {"a": 1.0, "b": 0.5}
    assert found.rows == {"a": 2, "b": 6}
    # Classes weigh by their rows where the protocol names no weights: 5 of 8.
    assert found.unseen == pytest.approx(5 / 8)
    assert found.precision == pytest.approx((5 / 8) / (5 / 8 + 0.5))
    assert found.known == 0.5
    assert found.known_f1 == pytest.approx(2 * 0.5 / (0.5 + 0.5 + 1))


def test_stage_one_is_triage_alone() -> None:
    found = decide(outcome(HAND), PROTOCOL, "any", stage_one())
    assert found is not None
    assert found.false_alarms == 0.25
    assert found.recall == {"a": 0.0, "b": pytest.approx(2 / 6)}
    assert decide(outcome(HAND), PROTOCOL, "any", published(99)) is not None
    assert PUBLISHED_TRIAGED > 99


def test_a_rate_the_calibration_rows_cannot_promise_gives_no_decision() -> None:
    assert decide(outcome(HAND), PROTOCOL, "any", calibrated(0.005)) is None
    found = decide(outcome(HAND), PROTOCOL, "any", calibrated(0.05))
    assert found is not None
    assert found.false_alarms == 0.5


def test_seeds_are_summed_up_by_medians() -> None:
    cells = [cell([0, 100], [100], [0]), cell([0, 0], [100], [0]), cell([0, 0], [0], [0])]
    found = decide(outcome(*cells), PROTOCOL, "any", published(95))
    assert found is not None
    assert found.false_alarms == 0.0
    assert found.recall == {"a": 1.0, "b": 0.0}
    assert found.known is None
    assert found.known_f1 is None


def test_precision_is_read_where_so_much_is_caught() -> None:
    curve = precision_at(outcome(cell([3, 1, 1, 1], [4, 3, 2, 0], [5])), PROTOCOL, "any", (0.25, 0.5, 1.0), 0.5)
    assert curve["a"] == pytest.approx([1.0, 0.5 / 0.75, 1 / 2])
    assert curve["b"] == [1.0, 1.0, 1.0]
    rare = precision_at(outcome(cell([3, 1, 1, 1], [4, 3, 2, 0], [5])), PROTOCOL, "any", (0.5,), 0.01)
    assert rare["a"] == pytest.approx([0.005 / (0.005 + 0.99 * 0.25)])


@given(
    st.lists(st.floats(80, 101), min_size=1, max_size=40),
    st.lists(st.floats(80, 101), min_size=1, max_size=40),
)
def test_a_higher_percentile_never_alarms_more(normal: list[float], anomalies: list[float]) -> None:
    rows = cell(normal, anomalies, anomalies[:1])
    found = [decide(outcome(rows), PROTOCOL, "any", published(p)) for p in range(90, 100)]
    for lower, higher in itertools.pairwise(found):
        assert lower is not None
        assert higher is not None
        assert higher.false_alarms <= lower.false_alarms
        assert all(higher.recall[name] <= lower.recall[name] for name in "ab")
