"""Split conformal p-values: what turns an anomaly score into an alarm at a guaranteed false-alarm rate.

References:
    | Vovk, Gammerman, Shafer, 2005. Algorithmic Learning in a Random World.
    | Laxhammar, Falkman, 2010. Conformal prediction for distribution-independent anomaly detection.
    | Bates, Candès, Lei, Romano, Sesia, 2023. Testing for outliers with conformal p-values. Annals of Statistics 51.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from unseen.calibrate.budget import rows_for_rate
from unseen.calibrate.checks import check_level, check_rate, check_scores
from unseen.errors import ArtifactError, CalibrationError, InputError, require

__all__ = ["ConformalCalibrator", "alarm_count"]


def alarm_count(false_alarm_rate: float, rows: int) -> int:
    """The largest k with k/(rows + 1) ≤ rate, that is ⌊rate·(rows + 1)⌋ free of rounding accidents.

    The quotient is compared, not the product: ``0.29 * 100`` is below 29, but ``29 / 100`` is exactly the double
    ``0.29``. So the count agrees with comparing p-values to the rate.

    Example:
        >>> alarm_count(0.29, 99), int(0.29 * 100)
        (29, 28)
    """
    rate = check_rate(false_alarm_rate)
    count = math.floor(rate * (rows + 1))
    if (count + 1) / (rows + 1) <= rate:
        return count + 1
    return count if count / (rows + 1) <= rate else count - 1


@dataclass(frozen=True, eq=False)
class ConformalCalibrator:
    """Conformal p-values against the scores of calibration normals; an object is always fitted and never changes.

    With n calibration scores, ``p(s) = (1 + #{calibration ≥ s}) / (n + 1)``. If a new normal row is exchangeable with
    the calibration normals, then P(p ≤ rate) ≤ rate, whatever the score and its distribution. Ties only make it
    conservative. The calibration rows must not have served to fit, tune or choose anything the score depends on.

    Example:
        >>> calibrator = ConformalCalibrator.fit([0.1, 0.4, 0.2, 0.8, 0.3, 0.5, 0.9, 0.6, 0.7])
        >>> calibrator.p_value([0.95, 0.85, 0.0]).tolist()
        [0.1, 0.2, 1.0]
        >>> calibrator.alarm([0.95, 0.85, 0.0], 0.1).tolist()
        [True, False, False]
    """

    sorted_scores: NDArray[np.float64]

    @classmethod
    def fit(cls, scores: ArrayLike) -> Self:
        """Calibrate on the scores of normals that nothing was fitted, tuned or chosen on.

        Arguments:
            scores: Anomaly scores of calibration normals, shape (n,), n ≥ 1.

        Raises:
            InputError: If there is no row, or a score is NaN.
        """
        ordered = np.sort(check_scores(scores, "calibration scores", at_least=1))
        ordered.flags.writeable = False
        return cls(ordered)

    @property
    def rows(self) -> int:
        """The number of calibration rows, n."""
        return int(self.sorted_scores.size)

    @property
    def smallest_rate(self) -> float:
        """The smallest false-alarm rate that can be guaranteed, 1/(n + 1)."""
        return 1.0 / (self.rows + 1)

    def p_value(self, scores: ArrayLike) -> NDArray[np.float64]:
        """Conformal p-values, each in [1/(n + 1), 1]; a row's value depends on that row alone.

        Arguments:
            scores: Anomaly scores, shape (m,).

        Raises:
            InputError: If a score is NaN.
        """
        return self._count_at_least(check_scores(scores)) / (self.rows + 1)

    def threshold(self, false_alarm_rate: float) -> float:
        """The score that an alarm must exceed: the k-th largest calibration score, k = ⌊rate·(n + 1)⌋.

        Raises:
            CalibrationError: If the rate is below 1/(n + 1).
        """
        return float(self.sorted_scores[self.rows - self._count(false_alarm_rate)])

    def alarm(self, scores: ArrayLike, false_alarm_rate: float) -> NDArray[np.bool_]:
        """Which rows raise an alarm, exactly those with ``p_value(scores) <= false_alarm_rate``.

        Arguments:
            scores: Anomaly scores, shape (m,).
            false_alarm_rate: The share of normals that may raise an alarm, strictly between 0 and 1.

        Raises:
            CalibrationError: If the rate is below 1/(n + 1).
            InputError: If a score is NaN or the rate lies outside (0, 1).
        """
        return check_scores(scores) > self.threshold(false_alarm_rate)

    def realised_rate_interval(self, false_alarm_rate: float, level: float = 0.95) -> tuple[float, float]:
        """Where the false-alarm rate of this very calibration set lies with probability ``level``.

        The guarantee averages over calibration sets. Given one, the rate on new normals follows Beta(k, n + 1 − k) for
        a continuous score (less under ties); this is its central interval.

        Raises:
            CalibrationError: If the rate is below 1/(n + 1).
        """
        betaincinv = require("scipy.special", "train").betaincinv

        count, tail = self._count(false_alarm_rate), (1.0 - check_level(level)) / 2.0
        low, high = betaincinv(count, self.rows + 1 - count, np.array([tail, 1.0 - tail]))
        return float(low), float(high)

    def false_alarm_count_interval(self, false_alarm_rate: float, rows: int, level: float = 0.95) -> tuple[int, int]:
        """How many of ``rows`` new normals raise an alarm, with probability at least ``level``.

        The count follows BetaBinomial(rows, k, n + 1 − k); each tail outside has at most half of 1 − level. A test of
        the guarantee compares with this interval, which counts the chance in the calibration set as well.

        Raises:
            CalibrationError: If the rate is below 1/(n + 1).
        """
        if rows < 0:
            raise InputError(f"rows={rows} must not be negative")
        count, tail = self._count(false_alarm_rate), (1.0 - check_level(level)) / 2.0
        first, cumulative = _beta_binomial_cdf(rows, count, self.rows + 1 - count)
        low = int(np.searchsorted(cumulative, tail, side="right"))
        high = int(np.searchsorted(cumulative, 1.0 - tail, side="left"))
        return first + low, first + min(high, cumulative.size - 1)

    def state(self) -> tuple[dict[str, NDArray[np.float64]], dict[str, Any]]:
        """Everything needed to rebuild this object: named arrays, and a JSON-ready summary."""
        return {"sorted_scores": self.sorted_scores}, {"kind": "conformal", "rows": self.rows}

    @classmethod
    def from_state(cls, arrays: Mapping[str, ArrayLike], meta: Mapping[str, Any]) -> Self:
        """Rebuild from :meth:`state`.

        Raises:
            ArtifactError: If the state is incomplete, out of order, or of another kind.
        """
        if meta.get("kind") != "conformal" or "sorted_scores" not in arrays:
            raise ArtifactError("The model's calibration is missing or of another kind; save the model again")
        scores = np.array(arrays["sorted_scores"], dtype=np.float64)
        ordered = scores.ndim == 1 and scores.size == meta.get("rows") and scores.size > 0
        if not ordered or np.isnan(scores).any() or (scores[1:] < scores[:-1]).any():
            raise ArtifactError("The model's calibration scores are damaged; save the model again or recalibrate")
        scores.flags.writeable = False
        return cls(scores)

    def _count_at_least(self, scores: NDArray[np.float64]) -> NDArray[np.int64]:
        """1 + the number of calibration scores that are not below each score."""
        return self.rows + 1 - np.searchsorted(self.sorted_scores, scores, side="left").astype(np.int64)

    def _count(self, false_alarm_rate: float) -> int:
        """The k of a rate, refused where it is zero."""
        count = alarm_count(false_alarm_rate, self.rows)
        if count >= 1:
            return count
        # rounded up to three digits, so that the printed rate can be typed back
        digits = 3 - math.ceil(math.log10(self.smallest_rate))
        smallest = math.ceil(self.smallest_rate * 10**digits) / 10**digits
        raise CalibrationError(
            f"false_alarm_rate={false_alarm_rate:g} needs at least {rows_for_rate(false_alarm_rate)} calibration "
            f"normals, there are {self.rows}.\nAsk for false_alarm_rate={smallest:g} or more, "
            "or give more normals: recalibrate(X_normal)."
        )


def _beta_binomial_cdf(trials: int, a: int, b: int) -> tuple[int, NDArray[np.float64]]:
    """The cumulative mass of BetaBinomial(trials, a, b) over a window that holds all but about 1e-12 of it.

    The window keeps memory small for millions of trials. Returns its first count, and the mass up to each count in it.
    """
    special = require("scipy.special", "train")
    betaincinv, betaln, gammaln = special.betaincinv, special.betaln, special.gammaln

    outer = np.clip(betaincinv(a, b, np.array([1e-13, 1.0 - 1e-13])), 0.0, 1.0)
    spread = 8.0 * np.sqrt(trials * np.maximum(outer * (1.0 - outer), 1.0 / max(trials, 1))) + 30.0
    first = max(0, math.floor(trials * outer[0] - spread[0]))
    last = min(trials, math.ceil(trials * outer[1] + spread[1]))
    counts = np.arange(first, last + 1, dtype=np.float64)
    choose = gammaln(trials + 1.0) - gammaln(counts + 1.0) - gammaln(trials - counts + 1.0)
    mass = np.exp(choose + betaln(counts + a, trials - counts + b) - betaln(a, b))
    cumulative = np.cumsum(mass)
    return first, cumulative / cumulative[-1]
