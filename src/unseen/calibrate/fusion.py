"""Several evidences in, one score out; and the second calibration that makes the score's p-value valid.

References:
    | Fisher, 1932. Statistical Methods for Research Workers.
    | Liu, Xie, 2020. Cauchy combination test. Journal of the American Statistical Association 115.
    | Fang, Chang, Park, Tseng, 2023. Heavy-tailed distribution for combining dependent p-values. Statistica Sinica 33.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, Self, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from unseen.calibrate.conformal import ConformalCalibrator
from unseen.calibrate.evidence_map import EvidenceMap
from unseen.errors import ArtifactError, CalibrationError, InputError

__all__ = ["FusedCalibrator", "FusionRule", "fuse"]

FusionRule = Literal["max", "fisher", "cauchy", "top_two"]

# A p-value near 1 is minus infinity on the Cauchy scale and would silence every other evidence (Fang 2023).
CAUCHY_LARGEST_P = 0.99
# 10^300 per evidence leaves room for a sum in double precision.
CAUCHY_LARGEST_EVIDENCE = 300.0


def fuse(evidence: ArrayLike, rule: FusionRule = "fisher", *, weights: ArrayLike | None = None) -> NDArray[np.float64]:
    """Combine evidences, each −log10 p, into one anomaly score; no argument ever lowers the score by rising.

    Arguments:
        evidence: −log10 p, shape (n, k), one column an evidence.
        rule: ``"max"``: the strongest evidence; ``"fisher"``: the (weighted) sum; ``"cauchy"``: −log10 of the Cauchy
            combination p-value; ``"top_two"``: the mean of the two strongest.
        weights: One weight ≥ 0 an evidence, only for ``"fisher"``; 1 each by default.

    Returns:
        Scores, shape (n,). They order rows; they are no −log10 p before a second calibration.

    Raises:
        InputError: If the shape, a value, the rule or the weights cannot be used.

    Example:
        >>> fuse([[3.0, 1.0, 0.5]], "top_two").tolist()
        [2.0]
    """
    matrix = _check_matrix(evidence, "evidence")
    if rule not in get_args(FusionRule):
        raise InputError(f"rule={rule!r} is unknown; choose one of {', '.join(get_args(FusionRule))}")
    if weights is not None and rule != "fisher":
        raise InputError(f"weights serve rule='fisher' only, not rule={rule!r}")
    if rule == "fisher":
        return _weighted_sum(matrix, _check_weights(weights, matrix.shape[1]))
    if rule == "cauchy":
        return _cauchy(matrix)
    top = np.sort(matrix, axis=1)[:, -2:]
    score: NDArray[np.float64] = 0.5 * top[:, 0] + 0.5 * top[:, -1] if rule == "top_two" else top[:, -1]
    return score


@dataclass(frozen=True, eq=False)
class FusedCalibrator:
    """Raw scores of several evidences → −log10 p each → one fused score → a conformal p-value.

    The evidence maps are learned on *validation* normals, the final calibration on *other* normals. The second step is
    what makes the p-value valid: evidences depend on each other, and no textbook distribution of a sum or
    maximum holds then.

    Example:
        >>> import numpy as np
        >>> rng = np.random.default_rng(0)
        >>> validation, calibration = rng.normal(size=(500, 2)), rng.normal(size=(999, 2))
        >>> fused = FusedCalibrator.fit(validation, calibration, names=["flow", "isolation"], rule="fisher")
        >>> fused.alarm([[6.0, 5.0], [0.0, 0.0]], 0.01).tolist()
        [True, False]
    """

    names: tuple[str, ...]
    maps: tuple[EvidenceMap, ...]
    rule: FusionRule
    weights: tuple[float, ...] | None
    conformal: ConformalCalibrator

    @classmethod
    def fit(
        cls,
        validation: ArrayLike,
        calibration: ArrayLike,
        *,
        names: Sequence[str],
        rule: FusionRule = "fisher",
        weights: ArrayLike | None = None,
    ) -> Self:
        """Learn the maps on validation normals and calibrate their fusion on other normals.

        Arguments:
            validation: Raw scores of validation normals, shape (n, k), one column an evidence.
            calibration: Raw scores of calibration normals, shape (m, k); none of them among the validation rows.
            names: The k evidences' names.
            rule: See :func:`fuse`.
            weights: See :func:`fuse`.

        Raises:
            CalibrationError: If both sets are the same rows.
            InputError: If shapes, names, values, rule or weights cannot be used.
        """
        first, second = _check_matrix(validation, "validation"), _check_matrix(calibration, "calibration")
        if np.array_equal(first, second):
            raise CalibrationError(
                "Evidence maps and final calibration got the same rows, which voids the guarantee; give other normals"
            )
        if len(names) != first.shape[1] or len(set(names)) != len(names):
            raise InputError(f"names must hold {first.shape[1]} different names, one an evidence; got {list(names)}")
        maps = tuple(EvidenceMap.fit(column) for column in first.T)
        checked = None if weights is None else tuple(_check_weights(weights, len(maps)).tolist())
        if second.shape[1] != len(maps):
            raise InputError(f"validation has {len(maps)} columns, calibration {second.shape[1]}: one an evidence each")
        fused = fuse(_apply(maps, second), rule, weights=checked)
        return cls(tuple(names), maps, rule, checked, ConformalCalibrator.fit(fused))

    def recalibrate(self, calibration: ArrayLike) -> Self:
        """The same maps and rule with a new final calibration on the raw scores of these normals, shape (m, k)."""
        return replace(self, conformal=ConformalCalibrator.fit(self.score(calibration)))

    def evidence(self, scores: ArrayLike) -> NDArray[np.float64]:
        """−log10 p of every evidence, shape (n, k): which of them spoke, on one scale."""
        matrix = _check_matrix(scores, "scores")
        columns = matrix.shape[1]
        if columns != len(self.maps):
            raise InputError(f"scores has {columns} columns, {len(self.maps)} expected: {', '.join(self.names)}")
        return _apply(self.maps, matrix)

    def score(self, scores: ArrayLike) -> NDArray[np.float64]:
        """The fused anomaly score of each row of raw scores, shape (n,)."""
        return fuse(self.evidence(scores), self.rule, weights=self.weights)

    def p_value(self, scores: ArrayLike) -> NDArray[np.float64]:
        """The conformal p-value of each row of raw scores, shape (n,)."""
        return self.conformal.p_value(self.score(scores))

    def alarm(self, scores: ArrayLike, false_alarm_rate: float) -> NDArray[np.bool_]:
        """Which rows of raw scores raise an alarm at this false-alarm rate, shape (n,)."""
        return self.conformal.alarm(self.score(scores), false_alarm_rate)

    def state(self) -> tuple[dict[str, NDArray[np.float64]], dict[str, Any]]:
        """Everything needed to rebuild this object: named arrays, and a JSON-ready summary."""
        parts = [(f"map{index}", part.state()) for index, part in enumerate(self.maps)]
        parts.append(("conformal", self.conformal.state()))
        arrays = {f"{place}.{name}": array for place, (named, _) in parts for name, array in named.items()}
        weights = None if self.weights is None else list(self.weights)
        return arrays, {
            "kind": "fused",
            "names": list(self.names),
            "rule": self.rule,
            "weights": weights,
            "parts": {place: meta for place, (_, meta) in parts},
        }

    @classmethod
    def from_state(cls, arrays: Mapping[str, ArrayLike], meta: Mapping[str, Any]) -> Self:
        """Rebuild from :meth:`state`.

        Raises:
            ArtifactError: If the state is incomplete, damaged, or of another kind.
        """
        if meta.get("kind") != "fused" or meta.get("rule") not in get_args(FusionRule) or not meta.get("names"):
            raise ArtifactError("The model's fusion is missing or of another kind; save the model again")
        names = tuple(str(name) for name in meta["names"])

        def under(place: str) -> tuple[dict[str, ArrayLike], Mapping[str, Any]]:
            prefix = f"{place}."
            named = {name.removeprefix(prefix): part for name, part in arrays.items() if name.startswith(prefix)}
            return named, dict(meta.get("parts", {})).get(place, {})

        maps = tuple(EvidenceMap.from_state(*under(f"map{index}")) for index in range(len(names)))
        weights = meta.get("weights")
        try:
            checked = None if weights is None else tuple(_check_weights(weights, len(maps)).tolist())
        except InputError as error:
            raise ArtifactError(f"The model's fusion is damaged: {error}; save the model again") from error
        return cls(names, maps, meta["rule"], checked, ConformalCalibrator.from_state(*under("conformal")))


def _apply(maps: Sequence[EvidenceMap], matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """Each column through its map."""
    return np.column_stack([to_evidence(column) for to_evidence, column in zip(maps, matrix.T, strict=True)])


def _weighted_sum(matrix: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Column by column: a matrix product's last bit may depend on the number of rows."""
    total = np.zeros(matrix.shape[0])
    for weight, column in zip(weights, matrix.T, strict=True):
        total += weight * column
    return total


def _cauchy(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """−log10 of the p-value of the mean of cot(π·p), with p truncated at both ends."""
    columns = matrix.shape[1]
    total = np.zeros(matrix.shape[0])
    # contiguous columns, for the reason given in checks.check_scores
    for column in np.ascontiguousarray(matrix.T):
        p = np.minimum(10.0 ** -np.clip(column, 0.0, CAUCHY_LARGEST_EVIDENCE), CAUCHY_LARGEST_P)
        total += 1.0 / (columns * np.tan(np.pi * p))
    return -np.log10(np.arctan2(1.0, total) / np.pi)


def _check_matrix(values: ArrayLike, what: str) -> NDArray[np.float64]:
    """A contiguous float64 matrix (n, k), k ≥ 1, without NaN."""
    try:
        matrix = np.ascontiguousarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise InputError(f"{what} must be a matrix of numbers, one column an evidence") from None
    if matrix.ndim != 2 or matrix.shape[1] == 0:
        raise InputError(f"{what} must have shape (rows, evidences), got {np.shape(values)}")
    missing = np.isnan(matrix).any(axis=0)
    if missing.any():
        raise InputError(f"{what}: NaN in evidence columns {np.flatnonzero(missing).tolist()}")
    return matrix


def _check_weights(weights: ArrayLike | None, columns: int) -> NDArray[np.float64]:
    """One finite weight ≥ 0 an evidence, at least one of them positive."""
    if weights is None:
        return np.ones(columns)
    array = np.asarray(weights, dtype=np.float64)
    if array.shape != (columns,) or not np.isfinite(array).all() or (array < 0).any() or not (array > 0).any():
        raise InputError(f"weights must be {columns} finite numbers ≥ 0, not all 0; got {array.tolist()}")
    return array
