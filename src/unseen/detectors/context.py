"""What passes between a detector and its evidences: prepared rows in, how a fit is run, scores out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from unseen.atomic import os_words
from unseen.detectors.rows import TrainingRows
from unseen.errors import InputError
from unseen.prepare import Tally

__all__ = ["Prepared", "Scored", "TrainingContext"]


@dataclass(frozen=True)
class Prepared:
    """What evidences are fitted on: prepared rows with their labels and parts."""

    X: NDArray[np.float32]
    rows: TrainingRows

    def of(self, part: str, *, anomalous: bool) -> NDArray[np.float32]:
        """One part's normal or anomalous rows, shape (n, prepared columns)."""
        return self.X[self.rows.of(part, anomalous=anomalous)]

    def domains(self, part: str, *, anomalous: bool) -> NDArray[np.str_] | None:
        """The domains of one part's rows in the order of :meth:`of`, or ``None`` where ``fit`` was given none."""
        return None if self.rows.domain is None else self.rows.domain[self.rows.of(part, anomalous=anomalous)]

    def classes(self, part: str) -> NDArray[np.str_]:
        """The known-anomaly labels of one part, in the order of :meth:`of`."""
        return self.rows.labels[self.rows.of(part, anomalous=True)]


@dataclass(frozen=True)
class TrainingContext:
    """How a fit is run, as opposed to what is learned.

    Attributes:
        seed: Seeds everything random.
        checkpoint: A folder for one checkpoint an epoch, or ``None``.
        resume: Whether to go on from the checkpoint; one of other rows or settings is then refused.
        progress: Called with the training's progress, or ``None``.
    """

    seed: int
    checkpoint: Path | None = None
    resume: bool = False
    progress: Callable[..., None] | None = None

    def folder(self, name: str) -> Path | None:
        """A folder in the checkpoint's for one of several trainings, made where it is missing.

        Raises:
            InputError: If it cannot be made.
        """
        if self.checkpoint is None:
            return None
        made = self.checkpoint / name
        try:
            made.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"{made}: no folder for checkpoints can be made there, {os_words(error)}") from error
        return made


@dataclass(frozen=True)
class Scored:
    """One batch's scores with their p-values."""

    anomaly_score: NDArray[np.float64]
    p_value: NDArray[np.float64]
    tally: Tally = field(default_factory=Tally)
