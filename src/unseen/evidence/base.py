"""What an evidence is: fitted on prepared rows, one score a row and view, and a state without pickle."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import NDArray

__all__ = ["BLOCK", "Arrays", "Evidence", "EvidenceRows", "Matrix", "score_in_blocks", "score_row_by_row"]

Matrix = NDArray[np.float32]
Arrays = dict[str, NDArray[Any]]

# Rows handed to a library at a time, always exactly as many.
BLOCK = 256


@dataclass(frozen=True)
class EvidenceRows:
    """The prepared rows an evidence is fitted on, calibration rows not among them.

    Attributes:
        normals: Normals, shape (n, d).
        known: Known anomalies, shape (m, d); m may be 0.
        classes: Their classes, shape (m,).
        normals_validation: Normals for early stopping, shape (v, d).
        known_validation: Known anomalies for early stopping, shape (w, d).
        classes_validation: Their classes, shape (w,).
    """

    normals: Matrix
    known: Matrix
    classes: NDArray[np.str_]
    normals_validation: Matrix
    known_validation: Matrix
    classes_validation: NDArray[np.str_]


@runtime_checkable
class Evidence(Protocol):
    """One way to tell anomalies: fit once, then score any prepared rows, each on its own.

    Attributes:
        name: Its short name, which reasons for alarms and model files use.
        views: The names of its scores.
        supervised: Whether it has nothing to say without known anomalies.
        uses_known: Whether it is another one where known anomalies are others.
        alone: Whether it is so sure of known anomalies that it may raise an alarm against all others.
    """

    name: ClassVar[str]
    views: ClassVar[tuple[str, ...]]
    supervised: ClassVar[bool]
    uses_known: ClassVar[bool]
    alone: ClassVar[bool]

    @classmethod
    def fit(
        cls,
        rows: EvidenceRows,
        *,
        seed: int,
        checkpoint: Path | None = None,
        resume: bool = False,
        progress: Callable[..., None] | None = None,
    ) -> Self:
        """Fit on prepared rows; the same rows and seed give the same bits."""

    def score(self, X: Matrix) -> NDArray[np.float64]:
        """Scores of prepared rows, shape (n, views); higher is more anomalous."""

    def state(self) -> tuple[Arrays, dict[str, Any]]:
        """Arrays and JSON-able settings from which :meth:`from_state` rebuilds the evidence."""

    @classmethod
    def from_state(cls, arrays: Mapping[str, NDArray[Any]], meta: Mapping[str, Any]) -> Self:
        """Rebuild from :meth:`state`.

        Raises:
            ArtifactError: If arrays are missing or do not fit the settings.
        """


def score_row_by_row(score: Callable[[Matrix], NDArray[Any]], X: Matrix) -> NDArray[np.float64]:
    """One column of scores by something that looks at each row on its own, as trees do, shape (n, 1).

    Arguments:
        score: Scores any number of rows but none, shape (n,).
        X: Prepared rows, shape (n, d).
    """
    return np.asarray(score(X), dtype=np.float64)[:, None] if len(X) else np.empty((0, 1))


def score_in_blocks(score: Callable[[Matrix], NDArray[Any]], X: Matrix) -> NDArray[np.float64]:
    """One column of scores by blocks of one fixed size, the last one padded, shape (n, 1).

    Matrix kernels choose their order of summation by the shape: with one shape, a row's score is the same to the last
    bit whatever other rows come with it.

    Arguments:
        score: Scores a block of ``BLOCK`` rows, shape (BLOCK,).
        X: Prepared rows, shape (n, d).
    """
    scores = np.empty((len(X), 1))
    for start in range(0, len(X), BLOCK):
        size = min(BLOCK, len(X) - start)
        block = np.zeros((BLOCK, X.shape[1]), dtype=np.float32)
        block[:size] = X[start : start + size]
        scores[start : start + size, 0] = score(block)[:size]
    return scores
