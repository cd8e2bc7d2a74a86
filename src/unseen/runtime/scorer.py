"""Scores tables with an exported model; needs onnxruntime and pyarrow, and no torch."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from unseen.atomic import os_words
from unseen.calibrate.checks import check_rate
from unseen.errors import ArtifactError, CalibrationError
from unseen.prepare import Tally
from unseen.runtime.layout import InputLayout
from unseen.runtime.metadata import Metadata, read_metadata
from unseen.schema import Schema
from unseen.table import as_table, select

__all__ = ["OnnxScorer", "ScoredRows"]

# Rows given to the graph at a time. Small enough for every tensor of a run to stay in a core's cache, large enough to
# spread what each operator costs to start: on a 2.1 GHz core with 2 MB of it, 256 to 2,048 were within 15 %.
CHUNK = 512
# Kernels work on several rows at once and finish the odd rest by another path. Padding makes sure there is no rest.
_MULTIPLE = 16


@dataclass(frozen=True)
class ScoredRows:
    """One batch's scores with their p-values, and what had to be mended in its rows."""

    anomaly_score: NDArray[np.float64]
    p_value: NDArray[np.float64]
    tally: Tally = field(default_factory=Tally)


@dataclass(frozen=True)
class ExportedCalibration:
    """What an exported model tells of its calibration.

    Attributes:
        rows: The number of calibration normals.
        smallest_rate: The smallest false-alarm rate they can guarantee.
    """

    rows: int
    smallest_rate: float
    _threshold: Callable[[float], float]

    def check_rate(self, false_alarm_rate: float) -> float:
        """Refuse a rate that cannot be guaranteed.

        Raises:
            CalibrationError: With the smallest rate that can.
            InputError: If it is no share.
        """
        rate = check_rate(false_alarm_rate)
        if rate < self.smallest_rate:
            # Rounded up to three digits, so that the printed rate can be typed back.
            digits = 3 - math.ceil(math.log10(self.smallest_rate))
            smallest = math.ceil(self.smallest_rate * 10**digits) / 10**digits
            raise CalibrationError(
                f"false_alarm_rate={rate:g} needs more calibration normals than the {self.rows} there are.\n"
                f"Ask for false_alarm_rate={smallest:g} or more, or recalibrate the detector and export it again."
            )
        return rate

    def threshold(self, false_alarm_rate: float) -> float:
        """The score that an alarm exceeds at a rate.

        Raises:
            CalibrationError: If there are too few calibration rows for the rate.
        """
        return self._threshold(self.check_rate(false_alarm_rate))


class OnnxScorer:
    """A detector that ``unseen export`` wrote.

    Arguments:
        path: The file.
        content: Its bytes, where they have been read already.

    Attributes:
        metadata: Everything the file says about itself.
        false_alarm_rate: The rate of ``alarm`` where none is named; may be changed.
        calibrator_: The calibration: its rows, its smallest rate, and the threshold of a rate.

    Raises:
        ArtifactError: If the file is absent, damaged, foreign, or of a later format version.

    Example:
        >>> scorer = OnnxScorer("m.onnx")  # doctest: +SKIP
        >>> scorer.alarm(flows, false_alarm_rate=0.001)  # doctest: +SKIP
    """

    def __init__(self, path: str | os.PathLike[str], content: bytes | None = None) -> None:
        self._session = _session(path, _read(path) if content is None else content)
        self.metadata: Metadata = read_metadata(str(path), self._session.get_modelmeta().custom_metadata_map)
        self._layout = InputLayout.of(self.metadata.preparation)
        expected = {"false_alarm_rate"} | ({"numbers"} if self._layout.numbers else set())
        expected |= {"categories"} if self._layout.categories else set()
        given = {node.name for node in [*self._session.get_inputs(), *self._session.get_overridable_initializers()]}
        if given != expected:
            raise ArtifactError(f"{path} is damaged: its graph and its description differ; export the model again")
        self.false_alarm_rate = self.metadata.false_alarm_rate
        calibration = self.metadata.calibration
        self.calibrator_ = ExportedCalibration(calibration.rows, calibration.smallest_rate, self._threshold)

    @property
    def schema(self) -> Schema:
        """The columns the detector was fitted on."""
        return self.metadata.schema_

    @property
    def schema_(self) -> Schema:
        """The same under the name that fitted detectors give it: what takes one of them takes this, too."""
        return self.metadata.schema_

    @property
    def columns(self) -> list[str]:
        """The columns that are read; the others carry nothing, and may as well be left on the disk."""
        read = set(self._layout.names)
        return [name for name in self.schema.names if name in read]

    @property
    def smallest_rate(self) -> float:
        """The smallest false-alarm rate that can be guaranteed."""
        return self.metadata.calibration.smallest_rate

    def anomaly_score(self, X: Any) -> NDArray[np.float64]:
        """The anomaly score of each row; higher is more anomalous.

        Arguments:
            X: A table with the fitted columns, in any order; shape (rows, columns).

        Returns:
            Scores, shape (rows,). A row's score depends on that row alone.
        """
        return self._score(X).anomaly_score

    def p_value(self, X: Any) -> NDArray[np.float64]:
        """The share of calibration normals at least as anomalous as each row, shape (rows,)."""
        return self._score(X).p_value

    def alarm(self, X: Any, *, false_alarm_rate: float | None = None) -> NDArray[np.bool_]:
        """Which rows raise an alarm at a false-alarm rate, shape (rows,).

        Arguments:
            X: A table with the fitted columns.
            false_alarm_rate: The share of normals that may raise an alarm; the scorer's own by default.

        Raises:
            CalibrationError: If there are too few calibration rows for the rate.
        """
        rate = self.false_alarm_rate if false_alarm_rate is None else false_alarm_rate
        self.calibrator_.check_rate(rate)
        return np.asarray(self.p_value(X) <= rate)

    def _threshold(self, rate: float) -> float:
        inputs = self._empty_inputs(_MULTIPLE) | {"false_alarm_rate": np.array(rate)}
        return float(self._session.run(["threshold"], inputs)[0])

    def score_batch(self, table: pa.Table | pa.RecordBatch) -> ScoredRows:
        """Scores and p-values of one Arrow batch, and what had to be mended in it."""
        tally = Tally()
        inputs = self._layout.read(table, tally)
        scores, p_values = np.empty(table.num_rows), np.empty(table.num_rows)
        for start in range(0, table.num_rows, CHUNK):
            stop = min(start + CHUNK, table.num_rows)
            part = {name: _padded(array[start:stop]) for name, array in inputs.items()}
            score, p_value = self._session.run(["anomaly_score", "p_value"], part)
            scores[start:stop], p_values[start:stop] = score[: stop - start], p_value[: stop - start]
        return ScoredRows(scores, p_values, tally)

    def _score(self, X: Any) -> ScoredRows:
        table, named = as_table(np.asarray(X) if isinstance(X, list) else X)
        return self.score_batch(select(table, self.schema, named=named))

    def _empty_inputs(self, rows: int) -> dict[str, NDArray[Any]]:
        inputs: dict[str, NDArray[Any]] = {}
        if self._layout.numbers:
            inputs["numbers"] = np.zeros((rows, len(self._layout.numbers)))
        if self._layout.categories:
            inputs["categories"] = np.zeros((rows, len(self._layout.categories)), dtype=np.int64)
        return inputs


def _padded(rows: NDArray[Any]) -> NDArray[Any]:
    """Rows followed by zeros up to the next multiple."""
    rest = -len(rows) % _MULTIPLE
    return rows if not rest else np.concatenate([rows, np.zeros((rest, rows.shape[1]), dtype=rows.dtype)])


def _read(path: str | os.PathLike[str]) -> bytes:
    place = Path(path)
    try:
        return place.read_bytes()
    except FileNotFoundError:
        raise ArtifactError(f"there is no model file {place}; make one with unseen export … --out {place}") from None
    except OSError as error:
        raise ArtifactError(f"cannot read {place}: {os_words(error)}") from error


def _session(path: str | os.PathLike[str], content: bytes) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    # One thread a run: whoever wants more cores runs several batches at a time, and a row's bits stay the same.
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    try:
        return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's own exceptions have no other base in common
        raise ArtifactError(f"{path} is no ONNX model, or was cut off or damaged; export it again") from error
