"""From an evidence's raw score to −log10 p: a monotone continuous map learned on validation normals.

References:
    | Hosking, Wallis, 1987. Parameter and quantile estimation for the generalized Pareto distribution.
    | Technometrics 29.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from unseen.calibrate.checks import check_scores
from unseen.errors import ArtifactError

__all__ = ["EvidenceMap"]

MAX_KNOTS = 2048
TAIL_SHARE = 0.05
# A positive shape makes the tail grow like a logarithm, so that one evidence at 1e30 stays finite and cannot drown the
# others in a sum. Above 1 the moments that estimate it do not exist.
SHAPE_RANGE = (0.1, 1.0)
# Beyond this a difference of two scores could overflow; infinities are moved here.
LARGEST = 1e300
SMALLEST_SCALE = 1e-300
# Networks round a score by about a millionth of its size, and no two runtimes alike. That may change the map's value
# by this share at most, or by as much of its value at the median where it is smaller.
ROUNDING = 1e-6
LARGEST_CHANGE = 3e-4
MEDIAN_VALUE = 0.3
# Where the spread of scores is small beside their size, rounding is bounded by a share of the spread instead: the order
# of such scores counts for more. Below the second share there is nothing but rounding.
OF_SPREAD, LEAST_SPREAD = 1e-5, 1e-5


@dataclass(frozen=True, eq=False)
class EvidenceMap:
    """Maps scores to −log10 p, continuous and never decreasing, so that several evidences share one scale.

    Within the validation scores the map interpolates −log10 of the mid-rank tail share, (#{> s} + ½#{= s} + ½)/(n + 1).
    Knots so close that rounding would carry a score from one to the other are left out, so that a score computed in
    single precision, in whatever order, has one value. Beyond the largest knot a generalised Pareto tail, fitted to the
    top 5 %, goes on strictly rising.
    **The tail only orders rows; it never decides an alarm**: alarms come from a
    :class:`~unseen.calibrate.ConformalCalibrator` on other normals, whose guarantee holds whatever this map does.

    Example:
        >>> import numpy as np
        >>> to_evidence = EvidenceMap.fit(np.arange(999.0))
        >>> to_evidence([0.0, 989.0, 998.0]).round(2).tolist()
        [0.0, 2.0, 3.0]
        >>> bool(to_evidence([1e30])[0] > to_evidence([1e29])[0])
        True
    """

    knots: NDArray[np.float64]
    values: NDArray[np.float64]
    shape: float
    scale: float
    lower_scale: float

    @classmethod
    def fit(cls, scores: ArrayLike, *, rounding: float = ROUNDING) -> Self:
        """Learn the map on scores of validation normals.

        Arguments:
            scores: Raw scores of one evidence, shape (n,), n ≥ 1; ties and constants are fine.
            rounding: By what share of its size a score may move as it is computed.

        Raises:
            InputError: If there is no row, or a score is NaN.
        """
        raw = np.clip(check_scores(scores, "validation scores", at_least=1), -LARGEST, LARGEST)
        knots, counts = np.unique(raw, return_counts=True)
        at_least = np.cumsum(counts[::-1])[::-1]
        values = math.log10(raw.size + 1) - np.log10(at_least - 0.5 * counts + 0.5)
        shape, scale = _fit_tail(np.sort(raw))
        spread = float(np.median(raw) - knots[0])
        keep = _thin(knots.size)
        knots, values = knots[keep], values[keep]
        keep = _no_steeper(knots, values, _rounding(raw, knots, rounding))
        return cls(knots[keep], values[keep], shape, scale, spread if spread > 0.0 else scale)

    def __call__(self, scores: ArrayLike) -> NDArray[np.float64]:
        """The −log10 p of each score, shape (m,); a row's value depends on that row alone.

        Raises:
            InputError: If a score is NaN.
        """
        raw = np.clip(check_scores(scores), -LARGEST, LARGEST)
        result = _interpolate(np.clip(raw, self.knots[0], self.knots[-1]), self.knots, self.values)
        above = raw > self.knots[-1]
        result[above] = self.values[-1] + self._tail(raw[above] - self.knots[-1])
        below = raw < self.knots[0]
        result[below] = self.values[0] * (self.lower_scale / (self.lower_scale + (self.knots[0] - raw[below])))
        return result

    def state(self) -> tuple[dict[str, NDArray[np.float64]], dict[str, Any]]:
        """Everything needed to rebuild this object: named arrays, and a JSON-ready summary."""
        tails = np.array([self.shape, self.scale, self.lower_scale])
        return {"knots": self.knots, "values": self.values, "tails": tails}, {"kind": "evidence_map"}

    @classmethod
    def from_state(cls, arrays: Mapping[str, ArrayLike], meta: Mapping[str, Any]) -> Self:
        """Rebuild from :meth:`state`.

        Raises:
            ArtifactError: If the state is incomplete, not monotone, or of another kind.
        """
        if meta.get("kind") != "evidence_map" or not {"knots", "values", "tails"} <= set(arrays):
            raise ArtifactError("The model's evidence map is missing or of another kind; save the model again")
        knots, values, tails = (np.array(arrays[name], dtype=np.float64) for name in ("knots", "values", "tails"))
        sizes = knots.ndim == 1 and knots.size > 0 and knots.shape == values.shape and tails.shape == (3,)
        finite = sizes and all(bool(np.isfinite(part).all()) for part in (knots, values, tails))
        if not finite or (np.diff(knots) <= 0).any() or (np.diff(values) < 0).any() or (tails <= 0).any():
            raise ArtifactError("The model's evidence map is damaged; save the model again")
        return cls(knots, values, *(float(tail) for tail in tails))

    def _tail(self, excess: NDArray[np.float64]) -> NDArray[np.float64]:
        """log10 of (1 + shape·excess/scale)^(1/shape), in logarithms so that nothing overflows."""
        exponent = np.log(excess) + (math.log(self.shape) - math.log(self.scale))
        return np.logaddexp(0.0, exponent) / (self.shape * math.log(10.0))


def _thin(size: int) -> NDArray[np.intp]:
    """At most MAX_KNOTS positions of an ascending array: the top half of them all, the rest evenly spread below."""
    if size <= MAX_KNOTS:
        return np.arange(size)
    top = MAX_KNOTS // 2
    lower = np.linspace(0, size - top - 1, MAX_KNOTS - top).round().astype(np.intp)
    return np.concatenate([lower, np.arange(size - top, size)])


def _rounding(raw: NDArray[np.float64], knots: NDArray[np.float64], share: float) -> NDArray[np.float64]:
    """By how much single precision may move a score near each knot."""
    low, size, high = np.quantile(raw, 0.25), float(np.median(np.abs(raw))), np.quantile(raw, 0.75)
    rounding = share * np.maximum(np.abs(knots), size)
    spread = float(high - low)
    return np.minimum(rounding, OF_SPREAD * share / ROUNDING * spread) if spread >= LEAST_SPREAD * size else rounding


def _no_steeper(
    knots: NDArray[np.float64], values: NDArray[np.float64], rounding: NDArray[np.float64]
) -> NDArray[np.intp]:
    """The knots to keep, the first and the last among them, so that rounding changes no value by much."""
    # Multiplied by the change of value to the knot before, how far from it a knot must be.
    reach = (rounding / (LARGEST_CHANGE * np.maximum(values, MEDIAN_VALUE))).tolist()
    at, value = knots.tolist(), values.tolist()
    last = len(at) - 1
    kept = [0]
    for j in range(1, last + 1):
        # The last knot is where the tail begins: those too close before it go instead.
        while j == last and len(kept) > 1 and at[j] - at[kept[-1]] < (value[j] - value[kept[-1]]) * reach[j]:
            kept.pop()
        if j == last or at[j] - at[kept[-1]] >= (value[j] - value[kept[-1]]) * reach[j]:
            kept.append(j)
    return np.array(kept, dtype=np.intp)


def _interpolate(
    scores: NDArray[np.float64], knots: NDArray[np.float64], values: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Linear interpolation between knots, monotone to the last bit (``np.interp`` may overshoot a knot by one)."""
    if knots.size == 1:
        return np.full(scores.shape, values[0])
    left = np.clip(np.searchsorted(knots, scores, side="right") - 1, 0, knots.size - 2)
    low, high = values[left], values[left + 1]
    share = (scores - knots[left]) / (knots[left + 1] - knots[left])
    return np.clip(low + (high - low) * share, low, high)


def _fit_tail(ordered: NDArray[np.float64]) -> tuple[float, float]:
    """Shape and scale of a generalised Pareto tail beyond the largest score.

    The shape comes from probability-weighted moments of the top 5 % (at least 10 rows where there are as many), the
    scale from their median, which a single huge normal cannot move. Where ties leave no spread, a wider share of the
    rows, and at last the size of the scores, stand in.
    """
    size = ordered.size
    for share in (TAIL_SHARE, 0.5, 1.0):
        rows = min(size - 1, max(10, math.ceil(share * size)))
        if rows < 1:
            break
        base = ordered[size - rows - 1]
        excess = ordered[size - rows :] - base
        median = float(np.median(excess))
        if median > 0.0:
            shape = float(np.clip(_weighted_moment_shape(excess / excess[-1]), *SHAPE_RANGE))
            scale = median * shape / (2.0**shape - 1.0)
            return shape, max(scale + shape * float(excess[-1]), SMALLEST_SCALE)
    spread = float(ordered[-1] - ordered[0])
    return SHAPE_RANGE[0], max(spread, SMALLEST_SCALE) if spread > 0.0 else max(1.0, abs(float(ordered[-1])))


def _weighted_moment_shape(excess: NDArray[np.float64]) -> float:
    """The Pareto shape 2 − a0/(a0 − 2·a1) with a_r = mean of (1 − F)^r·excess, from ascending excesses."""
    rows = excess.size
    above = (rows - np.arange(1, rows + 1) + 0.35) / rows
    first, second = float(excess.mean()), float((above * excess).mean())
    gap = first - 2.0 * second
    return 2.0 - first / gap if gap > 0.0 else SHAPE_RANGE[0]
