"""Exported calibration: searches, maps, p-values and alarms as numpy computes them."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from unseen.calibrate import ConformalCalibrator, EvidenceMap, fuse
from unseen.errors import InputError
from unseen.export.calibration import TIE, express_calibration, express_fusion, express_maps, search
from unseen.export.graph import Graph

finite = st.floats(-1e6, 1e6)
scores = arrays(np.float64, st.integers(1, 60), elements=finite)


def run(graph: Graph, outputs: dict[str, tuple[str, Any]], **inputs: np.ndarray) -> list[np.ndarray]:
    for name, (tensor, kind) in outputs.items():
        graph.output(name, tensor, kind, ())
    options = onnxruntime.SessionOptions()
    # The shapes of these outputs are not declared, which onnxruntime would remark on.
    options.log_severity_level = 3
    content = graph.model().SerializeToString()
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"]).run(None, inputs)


@settings(max_examples=30)
@given(table=scores, values=scores, or_equal=st.booleans())
def test_a_search_counts_like_searchsorted(table: np.ndarray, values: np.ndarray, or_equal: bool) -> None:
    table = np.sort(table)
    values = np.concatenate([values, table, [np.inf, -np.inf, 0.0, -0.0]])
    graph = Graph()
    graph.input("x", np.float64, ("rows",))
    (found,) = run(graph, {"y": (search(graph, "x", table, or_equal=or_equal), np.int64)}, x=values)
    np.testing.assert_array_equal(found, np.searchsorted(table, values, side="right" if or_equal else "left"))


@settings(max_examples=30)
@given(first=scores, second=scores, seen=scores)
def test_evidence_maps(first: np.ndarray, second: np.ndarray, seen: np.ndarray) -> None:
    maps = [EvidenceMap.fit(first), EvidenceMap.fit(second)]
    seen = np.concatenate([seen, first, second, [1e305, -1e305, np.inf, -np.inf, 1e30]])
    raw = np.column_stack([seen, seen[::-1]])
    graph = Graph()
    graph.input("x", np.float64, ("rows", 2))
    (found,) = run(graph, {"y": (express_maps(graph, "x", maps), np.float64)}, x=raw)
    expected = np.column_stack([to_p(column) for to_p, column in zip(maps, raw.T, strict=True)])
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)


@settings(max_examples=30)
@given(scores=scores, seen=scores, rate=st.floats(0.001, 0.999))
def test_p_values_alarms_and_threshold(scores: np.ndarray, seen: np.ndarray, rate: float) -> None:
    calibrator = ConformalCalibrator.fit(scores)
    graph = Graph()
    graph.input("x", np.float64, ("rows",))
    made = express_calibration(graph, "x", calibrator, 0.5)
    outputs = {"p": (made.p_value, np.float64), "a": (made.alarm, np.bool_), "t": (made.threshold, np.float64)}
    # The rows of the calibration themselves, and rows that other kernels rounded upwards.
    seen = np.concatenate([seen, scores])
    p_value, alarm, threshold = run(graph, outputs, x=seen, false_alarm_rate=np.array(rate))
    expected = calibrator.p_value(seen)
    assert (p_value >= expected).all()
    # What is not within rounding above a calibration score has exactly its p-value.
    lowest = np.searchsorted(calibrator.sorted_scores, seen, side="left")
    below = np.append(-np.inf, calibrator.sorted_scores)[lowest]
    clear = seen - below > 2 * TIE * np.maximum(np.abs(below), 1.0)
    np.testing.assert_array_equal(p_value[clear], expected[clear])
    np.testing.assert_array_equal(alarm, p_value <= rate)
    np.testing.assert_array_equal(alarm, seen > threshold)


def test_a_rounded_tie_raises_no_alarm() -> None:
    calibrator = ConformalCalibrator.fit(np.repeat([1.0, 2.0, 3.0], 100))
    graph = Graph()
    graph.input("x", np.float64, ("rows",))
    made = express_calibration(graph, "x", calibrator, 0.1)
    rounded = np.array([3.0, 3.0 * (1 + 1e-7), 3.0 * (1 - 1e-7), 3.1])
    (alarm,) = run(graph, {"a": (made.alarm, np.bool_)}, x=rounded)
    assert alarm.tolist() == [False, False, False, True]


def test_fusion() -> None:
    evidence = np.random.default_rng(0).exponential(size=(50, 4))
    weights = np.array([0.5, 1.0, 0.0, 2.0])
    graph = Graph()
    graph.input("x", np.float64, ("rows", 4))
    outputs = {
        "sum": (express_fusion(graph, "x", "fisher", np.ones(4)), np.float64),
        "weighted": (express_fusion(graph, "x", "fisher", weights), np.float64),
        "max": (express_fusion(graph, "x", "max", weights), np.float64),
    }
    total, weighted, largest = run(graph, outputs, x=evidence)
    np.testing.assert_allclose(total, fuse(evidence, "fisher"), rtol=1e-12)
    np.testing.assert_allclose(weighted, fuse(evidence, "fisher", weights=weights), rtol=1e-12)
    np.testing.assert_array_equal(largest, fuse(evidence, "max"))
    with pytest.raises(InputError, match="'cauchy' cannot be expressed"):
        express_fusion(graph, "x", "cauchy", weights)
