"""Evidence maps, fusion and conformal calibration as operators; everything here is double precision.

ONNX has no search in a sorted table, so it is written out: about log2(n) steps, each a gather and a comparison.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from unseen.calibrate import ConformalCalibrator, EvidenceMap, FusionRule
from unseen.calibrate.evidence_map import LARGEST
from unseen.errors import InputError
from unseen.export.graph import Graph

__all__ = ["TIE", "Calibrated", "express_calibration", "express_fusion", "express_maps", "search"]

# Relative; about ten times what single precision rounds.
TIE = 1e-6


def search(graph: Graph, values: str, table: NDArray[np.float64], *, or_equal: bool) -> str:
    """Count the entries of an ascending table below (or equal to) each value.

    Arguments:
        graph: The graph.
        values: Float64, shape (rows,) for one table, (rows, k) for k tables.
        table: Ascending, shape (n,) or (k, n).
        or_equal: Whether equal entries count.

    Returns:
        Counts, int64, in the shape of ``values``.
    """
    tables = np.atleast_2d(table)
    size = 1 << max(1, int(tables.shape[1]).bit_length())
    # Entry 0 is never asked for: a count of j is decided by entry j, the j-th smallest. NaN, behind the last, is below
    # nothing, not even infinity.
    padded = np.full((len(tables), size), np.nan)
    padded[:, 1 : tables.shape[1] + 1] = tables
    flat, first = graph.constant(padded.reshape(-1), np.float64), np.arange(len(tables)) * size
    offset = graph.constant(first if table.ndim == 2 else 0, np.int64)
    compare = "LessOrEqual" if or_equal else "Less"
    place, step = offset, size // 2
    while step:
        probe = graph("Add", place, graph.constant(step, np.int64))
        passed = graph(compare, graph("Gather", flat, probe), values)
        place, step = graph("Where", passed, probe, place), step // 2
    return graph("Sub", place, offset)


def express_maps(graph: Graph, scores: str, maps: Sequence[EvidenceMap]) -> str:
    """Evidences of raw scores, both float64 of shape (rows, maps); see :class:`~unseen.calibrate.EvidenceMap`."""

    def row(of: Sequence[float]) -> str:
        return graph.constant(np.asarray(of), np.float64)

    limit, zero = graph.constant(LARGEST, np.float64), graph.constant(0.0, np.float64)
    raw = graph("Min", graph("Max", scores, graph("Neg", limit)), limit)
    first, last = row([part.knots[0] for part in maps]), row([part.knots[-1] for part in maps])
    between = _interpolated(graph, graph("Min", graph("Max", raw, first), last), maps)
    beyond = graph("Add", row([part.values[-1] for part in maps]), _tail(graph, graph("Sub", raw, last), maps))
    scale = row([part.lower_scale for part in maps])
    lack = graph("Max", graph("Sub", first, raw), zero)
    below = graph("Mul", row([part.values[0] for part in maps]), graph("Div", scale, graph("Add", scale, lack)))
    inner = graph("Where", graph("Less", raw, first), below, between)
    return graph("Where", graph("Greater", raw, last), beyond, inner)


def _interpolated(graph: Graph, scores: str, maps: Sequence[EvidenceMap]) -> str:
    """Linear interpolation between the knots of each map, of scores that lie between the first and the last."""
    tables = [_at_least_two(part.knots, part.values) for part in maps]
    size = max(len(knots) for knots, _ in tables)
    knots, values = (
        np.stack([np.pad(pair[which], (0, size - len(pair[which])), constant_values=np.inf) for pair in tables])
        for which in (0, 1)
    )
    one, zero = graph.constant(1, np.int64), graph.constant(0, np.int64)
    left = graph("Sub", search(graph, scores, knots, or_equal=True), one)
    most = graph.constant([len(table[0]) - 2 for table in tables], np.int64)
    left = graph("Min", graph("Max", left, zero), most)
    left = graph("Add", left, graph.constant(np.arange(len(maps)) * size, np.int64))
    right = graph("Add", left, one)
    knot, value = graph.constant(knots.reshape(-1), np.float64), graph.constant(values.reshape(-1), np.float64)
    low_knot, high_knot = graph("Gather", knot, left), graph("Gather", knot, right)
    low, high = graph("Gather", value, left), graph("Gather", value, right)
    share = graph("Div", graph("Sub", scores, low_knot), graph("Sub", high_knot, low_knot))
    return graph("Min", graph("Max", graph("Add", low, graph("Mul", graph("Sub", high, low), share)), low), high)


def _at_least_two(knots: NDArray[np.float64], values: NDArray[np.float64]) -> tuple[NDArray[np.float64], ...]:
    """A single knot gets a second one of the same value, so that there is an interval to interpolate in."""
    if knots.size > 1:
        return knots, values
    return np.array([knots[0], np.nextafter(knots[0], np.inf)]), np.repeat(values, 2)


def _tail(graph: Graph, excess: str, maps: Sequence[EvidenceMap]) -> str:
    """See ``EvidenceMap``: log10 of (1 + shape·excess/scale)^(1/shape), in logarithms."""
    excess = graph("Max", excess, graph.constant(0.0, np.float64))
    ratio = graph.constant([math.log(part.shape) - math.log(part.scale) for part in maps], np.float64)
    exponent = graph("Add", graph("Log", excess), ratio)
    size = graph("Neg", graph("Abs", exponent))
    small = graph("Log", graph("Add", graph("Exp", size), graph.constant(1.0, np.float64)))
    soft = graph("Add", graph("Max", exponent, graph.constant(0.0, np.float64)), small)
    return graph("Div", soft, graph.constant([part.shape * math.log(10.0) for part in maps], np.float64))


def express_fusion(graph: Graph, evidence: str, rule: FusionRule, weights: ArrayLike) -> str:
    """The fused score of evidences of shape (rows, k): float64, shape (rows,); see :func:`unseen.calibrate.fuse`.

    Arguments:
        graph: The graph.
        evidence: -log10 p, one column an evidence.
        rule: How they become one score.
        weights: One an evidence, for ``"fisher"``; ones for the plain sum.

    Raises:
        InputError: If the rule cannot be expressed.
    """
    if rule == "fisher":
        return graph.weighted_sum(evidence, np.asarray(weights, dtype=np.float64))
    if rule == "max":
        return graph.reduced(evidence, "ReduceMax")
    raise InputError(f"the fusion rule {rule!r} cannot be expressed in ONNX; fuse by 'fisher' or 'max'")


class Calibrated:
    """The names of an exported model's calibrated outputs.

    Attributes:
        p_value: Conformal p-values, float64, shape (rows,).
        alarm: Whether the p-value is at most the rate, shape (rows,).
        threshold: The score an alarm exceeds at the rate, float64, shape ().
    """

    def __init__(self, p_value: str, alarm: str, threshold: str) -> None:
        self.p_value, self.alarm, self.threshold = p_value, alarm, threshold


def express_calibration(graph: Graph, score: str, calibrator: ConformalCalibrator, rate: float) -> Calibrated:
    """p-values, alarms and threshold; adds the input ``false_alarm_rate`` with its default."""
    ordered, rows = calibrator.sorted_scores, calibrator.rows
    tied = _raised(ordered)
    asked = graph.default("false_alarm_rate", np.array(rate))
    below = search(graph, score, tied, or_equal=False)
    at_least = graph.float64(graph("Sub", graph.constant(rows + 1, np.int64), below))
    among = graph.constant(float(rows + 1), np.float64)
    p_value = graph("Div", at_least, among)
    # The largest k with k/(rows + 1) at most the rate; see unseen.calibrate.alarm_count.
    count = graph("Floor", graph("Mul", asked, among))
    one = graph.constant(1.0, np.float64)
    more, less = graph("Add", count, one), graph("Sub", count, one)
    fits = graph("LessOrEqual", graph("Div", count, among), asked)
    more_fits = graph("LessOrEqual", graph("Div", more, among), asked)
    count = graph("Where", more_fits, more, graph("Where", fits, count, less))
    place = graph("Sub", graph.constant(rows, np.int64), graph.int64(count))
    # With k = 0 nothing can raise an alarm.
    table = graph.constant(np.append(tied, np.inf), np.float64)
    return Calibrated(p_value, graph("LessOrEqual", p_value, asked), graph("Gather", table, place))


def _raised(ordered: NDArray[np.float64]) -> NDArray[np.float64]:
    """Calibration scores a little higher, so that a row that equals a calibration row is tied with it here, too.

    Two kernels round the same row differently. Where many rows are equal, as in real traffic, all of them would come
    out above their own score half of the time, and raise false alarms together. Raising can only raise p-values, and
    half the way to the next score is the most it does, so the order of the calibration scores stays.
    """
    distinct, place = np.unique(ordered, return_inverse=True)
    with np.errstate(invalid="ignore"):
        step = np.minimum(TIE * np.maximum(np.abs(distinct), 1.0), np.append(np.diff(distinct) / 2.0, np.inf))
        raised = np.where(np.isfinite(distinct), distinct + step, distinct)
    return np.asarray(raised[place])
