"""What all baselines share: rows, preparation, blocks of one size, and calibration."""

from __future__ import annotations

import inspect
import zlib
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from unseen.detectors.base import Detector, Prepared, TrainingContext
from unseen.errors import InputError, TrainingError
from unseen.prepare import PRESETS, PrepareSettings

__all__ = ["Baseline", "FittingRows", "check_number", "drawn"]

# Rows handed to a library at a time, always exactly as many; see `Baseline._score`.
_BLOCK = 2048


@dataclass(frozen=True)
class FittingRows:
    """The prepared rows a baseline is fitted on.

    Attributes:
        normals: Normals of the parts "fit" and "validation", shape (n, d).
        held_out: Which of them are of "validation", shape (n,); a training may stop early by these.
        known: Known anomalies of both parts, shape (m, d).
        families: Their class labels, shape (m,).
        normal_domains: The domain of each normal, shape (n,), or ``None`` where none were given.
        known_domains: The domain of each known anomaly, shape (m,), or ``None``.
    """

    normals: NDArray[np.float32]
    held_out: NDArray[np.bool_]
    known: NDArray[np.float32]
    families: NDArray[np.str_] = field(default_factory=lambda: np.empty(0, dtype="<U1"))
    normal_domains: NDArray[np.str_] | None = None
    known_domains: NDArray[np.str_] | None = None

    @property
    def X(self) -> NDArray[np.float32]:  # noqa: N802
        """Normals, then known anomalies."""
        return np.concatenate([self.normals, self.known])

    @property
    def y(self) -> NDArray[np.int64]:
        """0 for normals and 1 for known anomalies, in the order of ``X``."""
        return np.repeat([0, 1], [len(self.normals), len(self.known)])


class Baseline(Detector):
    """A method to compare with; it is prepared and calibrated as the project's own detectors are.

    Arguments:
        normal: The label of normal rows; found among benign, normal, 0 and +1 if ``None``.
        preparation: A preset of :mod:`unseen.prepare`.
        false_alarm_rate: The share of normals that may raise an alarm in ``predict``.
        ignore: Columns that are no features.
        categorical: Columns of numbers that are names.
        random_state: Seeds the parts and everything random.
    """

    # Whether there is nothing to learn without known anomalies.
    supervised: ClassVar[bool] = False

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Give a constructor ``(self, *, own, **common)`` the signature with the common arguments spelled out.

        scikit-learn, the benchmark and ``help`` read a constructor's arguments from its signature.
        """
        super().__init_subclass__(**kwargs)
        init = vars(cls).get("__init__")
        if init is None:
            return
        own = inspect.signature(init)
        first, *rest = (p for p in own.parameters.values() if p.kind is not p.VAR_KEYWORD)
        if len(rest) + 1 < len(own.parameters):
            common = list(inspect.signature(Baseline.__init__).parameters.values())[1:]
            init.__signature__ = own.replace(parameters=[first, *rest, *common])

    def __init__(
        self,
        *,
        normal: str | int | None = None,
        preparation: str = "signed-log",
        false_alarm_rate: float = 0.01,
        ignore: tuple[str, ...] = (),
        categorical: tuple[str, ...] = (),
        random_state: int | np.random.RandomState | None = 0,
    ) -> None:
        self.normal = normal
        self.preparation = preparation
        self.false_alarm_rate = false_alarm_rate
        self.ignore = ignore
        self.categorical = categorical
        self.random_state = random_state

    @abstractmethod
    def _fit_rows(self, rows: FittingRows, seed: int) -> dict[str, Any]:
        """Fit; return what the training report should say."""

    @abstractmethod
    def _score_block(self, X: NDArray[np.float32]) -> NDArray[Any]:
        """Anomaly scores of one block of prepared rows."""

    def _check_parameters(self) -> None:
        if self.preparation not in PRESETS:
            raise InputError(
                f"preparation={self.preparation!r} is unknown; choose one of {', '.join(map(repr, PRESETS))}"
            )

    def _preparation(self) -> PrepareSettings:
        return PRESETS[self.preparation]

    def _fit_evidence(self, data: Prepared, context: TrainingContext) -> dict[str, Any]:
        name = type(self).__name__
        if context.checkpoint is not None:
            raise InputError(f"{name} is fitted in one go and leaves no checkpoint; leave checkpoint out")
        fit, validation = (data.of(part, anomalous=False) for part in ("fit", "validation"))
        known = np.concatenate([data.of(part, anomalous=True) for part in ("fit", "validation")])
        if self.supervised and not len(known):
            raise InputError(f"{name} learns from known anomalies, and there are none: give y with their classes")
        rows = FittingRows(
            np.concatenate([fit, validation]),
            np.repeat([False, True], [len(fit), len(validation)]),
            known,
            np.concatenate([data.classes(part) for part in ("fit", "validation")]),
            _domains(data, anomalous=False),
            _domains(data, anomalous=True),
        )
        # Libraries want 32 bits; the name keeps two methods of one seed from drawing the same numbers.
        entropy = np.random.SeedSequence([context.seed, zlib.crc32(name.encode())])
        return self._fit_rows(rows, int(entropy.generate_state(1)[0] >> 1))

    def _score(self, X: NDArray[np.float32]) -> NDArray[np.float64]:
        """Scores by blocks of one fixed size, the last one padded.

        Matrix kernels choose their order of summation by the shape: with one shape, a row's score is the same to the
        last bit whatever other rows come with it, at a fixed number of threads.
        """
        scores = np.empty(len(X))
        for start in range(0, len(X), _BLOCK):
            size = min(_BLOCK, len(X) - start)
            block = np.zeros((_BLOCK, X.shape[1]), dtype=np.float32)
            block[:size] = X[start : start + size]
            scores[start : start + size] = self._score_block(block)[:size]
        if not np.isfinite(scores).all():
            raise TrainingError(
                f"{type(self).__name__} gave {int(np.sum(~np.isfinite(scores)))} of {len(X)} rows no finite score"
            )
        return scores

    def _evidence_state(self) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        raise InputError(
            f"{type(self).__name__} is here for comparison and has no model file; save a detector of unseen.detectors"
        )

    def _restore_evidence(self, arrays: Mapping[str, NDArray[Any]], meta: Mapping[str, Any]) -> None:
        raise InputError(f"{type(self).__name__} has no model file")


def check_number(name: str, value: Any, low: float, high: float = np.inf, *, whole: bool = False) -> None:
    """Refuse a constructor argument that is no number between two others.

    Arguments:
        name: The argument.
        value: Its value.
        low: The smallest that can be used.
        high: The largest.
        whole: Whether it counts something.

    Raises:
        InputError: With the name and what it may be.
    """
    kinds = (int, np.integer) if whole else (int, float, np.integer, np.floating)
    if isinstance(value, kinds) and not isinstance(value, bool) and low <= value <= high:
        return
    what = "a whole number" if whole else "a number"
    range_ = f"of at least {low:g}" if np.isinf(high) else f"from {low:g} to {high:g}"
    raise InputError(f"{name}={value!r} must be {what} {range_}")


def _domains(data: Prepared, *, anomalous: bool) -> NDArray[np.str_] | None:
    parts = [data.domains(part, anomalous=anomalous) for part in ("fit", "validation")]
    return None if any(part is None for part in parts) else np.concatenate([part for part in parts if part is not None])


def drawn(most: int, rows: int, seed: int) -> NDArray[np.intp]:
    """Positions of so many of the rows, without replacement and in their order, or of all where there are fewer."""
    if rows <= most:
        return np.arange(rows)
    return np.sort(np.random.default_rng(seed).choice(rows, size=most, replace=False))
