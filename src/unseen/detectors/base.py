"""The estimator contract every detector keeps: scikit-learn's words, and our own beside them."""

from __future__ import annotations

import os
import warnings
from abc import abstractmethod
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from sklearn.base import OutlierMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from unseen.calibrate import ConformalCalibrator
from unseen.calibrate.checks import check_rate
from unseen.detectors.context import Prepared, Scored, TrainingContext
from unseen.detectors.rows import TrainingRows, training_rows
from unseen.detectors.stored import Stored
from unseen.errors import InputError, SchemaError, UnseenWarning
from unseen.prepare import Preparer, PrepareSettings, Tally
from unseen.stages import stage
from unseen.table import as_table, infer_schema, select

__all__ = ["Detector", "DomainDetector", "Prepared", "Scored", "TrainingContext"]

# Rows prepared and scored at a time; bounds memory whatever the size of X.
_CHUNK = 16_384


class Detector(OutlierMixin, Stored):  # type: ignore[misc]  # scikit-learn is not typed
    """Base of all detectors.

    A subclass stores its parameters, says how to prepare (``_preparation``), fits its evidences (``_fit_evidence``),
    scores prepared rows (``_score``), and gives and takes its state (``_evidence_state``, ``_restore_evidence``).
    Everything a user calls is here, but for ``save``.
    """

    _registry: ClassVar[dict[str, type[Detector]]] = {}

    # The parameters all detectors share; set by each subclass's __init__.
    normal: str | int | None
    false_alarm_rate: float
    ignore: tuple[str, ...]
    categorical: tuple[str, ...]
    random_state: int | np.random.RandomState | None

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        Detector._registry[cls.__name__] = cls

    # ---- what a subclass brings -------------------------------------------------------------------------------------

    @abstractmethod
    def _check_parameters(self) -> None:
        """Refuse parameters that cannot be used, before any work."""

    @abstractmethod
    def _preparation(self) -> PrepareSettings:
        """The preparation's settings."""

    @abstractmethod
    def _fit_evidence(self, data: Prepared, context: TrainingContext) -> dict[str, Any]:
        """Fit on the parts "fit" and "validation" only; return the training report."""

    @abstractmethod
    def _score(self, X: NDArray[np.float32]) -> NDArray[np.float64]:
        """Anomaly scores of prepared rows, each row on its own."""

    # ---- fitting ----------------------------------------------------------------------------------------------------

    def check_parameters(self) -> None:
        """Refuse parameters that cannot be used; ``fit`` asks this first.

        Raises:
            InputError: For a parameter that cannot be used, with its name.
        """
        check_rate(self.false_alarm_rate)
        self._check_parameters()

    def fit(
        self,
        X: Any,
        y: Any = None,
        *,
        blocks: Any = None,
        checkpoint: str | os.PathLike[str] | None = None,
        resume: bool = False,
        progress: Callable[..., None] | None = None,
    ) -> Self:
        """Fit on normal rows and, where there are any, known anomalies.

        Arguments:
            X: The table (pandas, polars, pyarrow or numpy), shape (rows, columns).
            y: One class label a row; ``None`` if all rows are normal.
            blocks: One value a row; rows that share it (a day, a host, a recording) stay in one part, so that the
                calibration tells what to expect on the next day, host or recording.
            checkpoint: A folder in which training leaves a checkpoint each epoch.
            resume: Go on from that folder's checkpoint; the model is the same as without the interruption.
            progress: Called as training proceeds; see :class:`unseen.nn.train.Progress`.

        Returns:
            The fitted detector itself.

        Raises:
            InputError: If rows, labels, columns or parameters cannot be used.
        """
        return self._fit_table(X, y, blocks=blocks, checkpoint=checkpoint, resume=resume, progress=progress)

    def _fit_table(
        self,
        X: Any,
        y: Any,
        *,
        blocks: Any = None,
        domain: Any = None,
        checkpoint: str | os.PathLike[str] | None = None,
        resume: bool = False,
        progress: Callable[..., None] | None = None,
    ) -> Self:
        """Fit; ``domain`` is for those detectors whose ``fit`` takes one (see :class:`DomainDetector`)."""
        self.check_parameters()
        table, named = self._read(X, reset=True)
        schema = infer_schema(table.schema, ignore=self.ignore, categorical=self.categorical, named=named)
        seed = _seed(self.random_state)
        features = select(table, schema)
        rows = training_rows(features, y, schema, normal=self.normal, seed=seed, blocks=blocks, domain=domain)
        self.schema_ = schema.model_copy(update={"normal": rows.normal})
        settings = self._preparation()
        fitting = rows.of("fit", anomalous=False)
        if settings.fit_on == "all":
            fitting |= rows.of("fit", anomalous=True)
        with stage("preparation"):
            self.preparer_ = Preparer.fit(features.filter(pa.array(fitting)), schema, settings)
            data = Prepared(X=self._prepare(features), rows=rows)
        context = TrainingContext(
            seed=seed,
            checkpoint=None if checkpoint is None else Path(checkpoint),
            resume=resume,
            progress=progress,
        )
        self.training_report_ = {**_counts(rows), **self._fit_evidence(data, context)}
        with stage("calibration"):
            self._calibrate(data.of("calibration", anomalous=False))
        self.provenance_ = {}
        for message in self.training_report_.get("messages", []):
            warnings.warn(message, UnseenWarning, stacklevel=3)
        return self

    def recalibrate(self, X_normal: Any) -> Self:
        """Calibrate again on other normal rows, without refitting.

        Arguments:
            X_normal: Normal rows that served no other purpose, for example the last day's verified traffic.

        Returns:
            The detector itself; its scores are unchanged, its p-values and alarms follow the new rows.
        """
        check_is_fitted(self)
        table, named = self._read(X_normal, reset=False)
        if not table.num_rows:
            raise InputError("recalibrate needs normal rows and got none")
        self._calibrate(self._prepare(select(table, self.schema_, named=named)))
        return self

    def _calibrate(self, X: NDArray[np.float32]) -> None:
        """Calibrate on prepared normals that served no other purpose."""
        self.calibrator_ = ConformalCalibrator.fit(self._score(X))

    # ---- scoring ----------------------------------------------------------------------------------------------------

    def anomaly_score(self, X: Any) -> NDArray[np.float64]:
        """The anomaly score of each row; higher is more anomalous.

        Arguments:
            X: A table with the fitted columns, in any order; shape (rows, columns).

        Returns:
            Scores, shape (rows,). A row's score depends on that row alone.
        """
        check_is_fitted(self)
        table, named = self._read(X, reset=False)
        return self._score_table(select(table, self.schema_, named=named), Tally())

    def p_value(self, X: Any) -> NDArray[np.float64]:
        """The share of calibration normals at least as anomalous as each row, shape (rows,)."""
        return self.calibrator_.p_value(self.anomaly_score(X))

    def score_batch(self, table: pa.Table | pa.RecordBatch) -> Scored:
        """Scores and p-values of one Arrow batch, and what the preparation had to mend in it."""
        check_is_fitted(self)
        tally = Tally()
        scores = self._score_table(select(table, self.schema_), tally)
        return Scored(scores, self.calibrator_.p_value(scores), tally)

    def alarm(self, X: Any, *, false_alarm_rate: float | None = None) -> NDArray[np.bool_]:
        """Which rows raise an alarm at a false-alarm rate.

        Arguments:
            X: A table with the fitted columns.
            false_alarm_rate: The share of normals that may raise an alarm; the detector's own by default.

        Returns:
            Alarms, shape (rows,): exactly the rows whose p-value is at most the rate.

        Raises:
            CalibrationError: If there are too few calibration rows for the rate; it names the number needed.
        """
        rate = self.false_alarm_rate if false_alarm_rate is None else false_alarm_rate
        return self.calibrator_.alarm(self.anomaly_score(X), rate)

    def score_samples(self, X: Any) -> NDArray[np.float64]:
        """The negative anomaly score, scikit-learn's direction."""
        return -self.anomaly_score(X)

    @property
    def offset_(self) -> float:
        """The threshold on ``score_samples`` at the detector's false-alarm rate."""
        if "calibrator_" not in vars(self):
            raise AttributeError("offset_ exists after fit")
        smallest = self.calibrator_.smallest_rate
        if self.false_alarm_rate < smallest:
            warnings.warn(
                f"false_alarm_rate={self.false_alarm_rate:g} needs more than {self.calibrator_.rows} calibration rows; "
                f"predict uses {smallest:.3g}, the smallest rate they can guarantee",
                UnseenWarning,
                stacklevel=3,
            )
        return -self.calibrator_.threshold(max(self.false_alarm_rate, smallest))

    def decision_function(self, X: Any) -> NDArray[np.float64]:
        """``score_samples`` minus ``offset_``: negative for alarms."""
        return self.score_samples(X) - self.offset_

    def predict(self, X: Any) -> NDArray[np.int64]:
        """+1 for normal rows and -1 for alarms at the detector's false-alarm rate."""
        return np.where(self.decision_function(X) < 0, -1, 1)

    def _score_table(self, table: pa.Table | pa.RecordBatch, tally: Tally) -> NDArray[np.float64]:
        parts = [self._score(X) for X in self._chunks(table, tally)]
        return np.concatenate(parts) if parts else np.empty(0)

    def _prepare(self, table: pa.Table | pa.RecordBatch) -> NDArray[np.float32]:
        parts = list(self._chunks(table, Tally()))
        return np.concatenate(parts) if parts else np.empty((0, len(self.preparer_.names)), dtype=np.float32)

    def _chunks(self, table: pa.Table | pa.RecordBatch, tally: Tally) -> Iterator[NDArray[np.float32]]:
        for start in range(0, table.num_rows, _CHUNK):
            try:
                yield self.preparer_.transform(table.slice(start, _CHUNK), tally)
            except SchemaError as error:
                if not start:
                    raise
                raise SchemaError(f"{error} (rows counted after the first {start:,})") from error

    # ---- reading ----------------------------------------------------------------------------------------------------

    @property
    def known_classes(self) -> list[str]:
        """The anomaly classes the detector was trained on."""
        check_is_fitted(self)
        return sorted(self.training_report_["known_classes"])

    def _read(self, X: Any, *, reset: bool) -> tuple[pa.Table, bool]:
        """A table from whatever the user has; arrays go through scikit-learn's own checks."""
        if isinstance(X, pa.Table | pa.RecordBatch) or hasattr(X, "columns"):
            table, named = as_table(X)
            if table.num_rows == 0 and reset:
                raise InputError("the table has no rows")
            if reset:
                self.n_features_in_ = table.num_columns
                self.feature_names_in_ = np.asarray(table.column_names, dtype=object)
            return table, named
        array = validate_data(self, X, dtype="numeric", ensure_all_finite=False, reset=reset)
        if reset and "feature_names_in_" in vars(self):
            del self.feature_names_in_
        return as_table(array)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags


class DomainDetector(Detector):
    """A detector that learns from several domains of normals: days, hosts, sites."""

    def fit(
        self,
        X: Any,
        y: Any = None,
        *,
        domain: Any = None,
        blocks: Any = None,
        checkpoint: str | os.PathLike[str] | None = None,
        resume: bool = False,
        progress: Callable[..., None] | None = None,
    ) -> Self:
        """Fit on normal rows of one or several domains and, where there are any, known anomalies.

        Arguments:
            X: The table (pandas, polars, pyarrow or numpy), shape (rows, columns).
            y: One class label a row; ``None`` if all rows are normal.
            domain: The domain of each row; found by clustering the normals if ``None``.
            blocks: One value a row; rows that share it stay in one part.
            checkpoint: A folder in which training leaves a checkpoint each epoch.
            resume: Go on from that folder's checkpoint; the model is the same as without the interruption.
            progress: Called as training proceeds; see :class:`unseen.nn.train.Progress`.

        Raises:
            InputError: If rows, labels, domains, columns or parameters cannot be used.
        """
        return self._fit_table(
            X, y, blocks=blocks, domain=domain, checkpoint=checkpoint, resume=resume, progress=progress
        )


def _seed(random_state: Any) -> int:
    """An integer seed; ``None`` draws a fresh one, a generator is drawn from."""
    if random_state is None:
        return int(np.random.default_rng().integers(2**31))
    if isinstance(random_state, np.random.RandomState):
        return int(random_state.randint(2**31))
    if isinstance(random_state, bool) or not isinstance(random_state, int | np.integer) or random_state < 0:
        raise InputError(f"random_state={random_state!r} must be an integer that is not negative, or None")
    return int(random_state)


def _counts(rows: TrainingRows) -> dict[str, Any]:
    parts = {
        part: {
            "normal": int(np.count_nonzero(rows.of(part, anomalous=False))),
            "known": int(np.count_nonzero(rows.of(part, anomalous=True))),
        }
        for part in ("fit", "validation", "calibration")
    }
    return {"rows": parts, "known_classes": rows.known_classes, "conflicts": rows.conflicts}
