"""One job: one method on one cell, from the data to a written result."""

from __future__ import annotations

import os
import time
import traceback
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from unseen.bench.cell import Cell, CellKey, check_split
from unseen.bench.data import DataSpec, LabelledTable, load
from unseen.bench.guard import LeakError, watched
from unseen.bench.latent import latent_plane
from unseen.bench.measure import PeakMemory, measure
from unseen.bench.methods import Setup, method
from unseen.bench.protocol import Protocol
from unseen.bench.results import CellResult, Cost, write_result
from unseen.bench.split import make_cell
from unseen.bench.tuning import SeenRows, Tuning, tune
from unseen.errors import InputError, UnseenWarning

__all__ = ["THREAD_SETTINGS", "Job", "Worker", "failed"]

THREAD_SETTINGS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")

# Rows scored a second time, apart from the others and in another order.
_RESCORED = 64
_MOST_NOTES = 10
_TRACE_LINES = 12


@dataclass(frozen=True)
class Job:
    """One method on one cell; everything another process needs to do it.

    Attributes:
        protocol: The protocol.
        data: Where its data lie.
        key: The cell.
        method: The method's name.
        parameters: What the user set of its parameters.
        data_digest: Of the data set, as the run found it.
        results: The results' folder.
        run: The run's name.
        grid: Parameters to tune within the cell, with the values to try; ``None`` tunes nothing.
    """

    protocol: Protocol
    data: DataSpec
    key: CellKey
    method: str
    parameters: dict[str, Any]
    data_digest: str
    results: Path
    run: str
    grid: dict[str, list[Any]] | None = None


@dataclass(frozen=True)
class _Outcome:
    result: dict[str, Any]
    scores: NDArray[np.float64]
    calibration: NDArray[np.float64]
    latent: dict[str, NDArray[Any]]


class Worker:
    """Does jobs one after the other and keeps the last data set and cell, which the next job often shares."""

    def __init__(self) -> None:
        self._data: LabelledTable | None = None
        self._cell: tuple[CellKey, Cell, str] | None = None

    def run(self, job: Job) -> CellResult:
        """Fit, score, measure, and write the result; a method that fails is a result too.

        Raises:
            LeakError: If test rows reach a fit.
            InputError: If the cell cannot be made, or is not the one earlier results were made on.
        """
        cell, split_digest = self._prepared(job)
        # Checked on what is handed over, however it came to be.
        cell.held_out.check(cell.train, by=job.method)
        try:
            tuning = self._tuned(job, cell)
            outcome = _compete(job, cell, {} if tuning is None else tuning.chosen)
        except LeakError:
            raise
        except Exception as error:
            lines = traceback.format_exc().strip().splitlines()[-_TRACE_LINES:]
            result = failed(job, f"{type(error).__name__}: {error}", split_digest, notes=lines)
            write_result(job.results, result)
            return result
        if tuning is not None and tuning.message is not None:
            outcome.result["notes"].insert(0, tuning.message)
        result = CellResult(status="done", split_digest=split_digest, tuning=tuning, **_identity(job), **outcome.result)
        write_result(job.results, result, outcome.scores, outcome.calibration, outcome.latent)
        return result

    def data(self, spec: DataSpec) -> LabelledTable:
        """The data set, read once."""
        if self._data is None or self._data.spec != spec:
            self._data = None
            self._data = load(spec)
        return self._data

    def _tuned(self, job: Job, cell: Cell) -> Tuning | None:
        """Choose parameters by the cell's training rows alone, where the job says so."""
        if job.grid is None:
            return None
        rows = SeenRows.of(cell, self.data(job.data).groups)
        return tune(lambda chosen: _make(job, cell, chosen), job.grid, rows, cell.held_out, job.protocol, job.key.seed)

    def _prepared(self, job: Job) -> tuple[Cell, str]:
        if self._cell is None or self._cell[0] != job.key:
            self._cell = None
            data = self.data(job.data)
            if data.digest != job.data_digest:
                raise InputError(f"{job.data.files}: the file has changed since the run began; start it again")
            cell = make_cell(data, job.protocol, job.key.held_out, job.key.seed, job.key.setting)
            cell.held_out.check(cell.train, by="any method")
            self._cell = (job.key, cell, check_split(cell, job.results))
        return self._cell[1], self._cell[2]


def failed(job: Job, error: str, split_digest: str | None = None, *, notes: list[str] | None = None) -> CellResult:
    """The result of a method that could not be run."""
    return CellResult(status="failed", error=error, split_digest=split_digest, notes=notes or [], **_identity(job))


def _identity(job: Job) -> dict[str, Any]:
    return {
        "key": job.key,
        "method": job.method,
        "parameters": job.parameters,
        "data_digest": job.data_digest,
        "protocol_digest": job.protocol.digest,
        "run": job.run,
        "grid": job.grid,
    }


def _make(job: Job, cell: Cell, chosen: dict[str, Any]) -> Any:
    """The unfitted method, with what the user set and what tuning chose."""
    return method(job.method).make(Setup(cell.normal, job.key.seed, cell.categorical, {**job.parameters, **chosen}))


def _compete(job: Job, cell: Cell, chosen: dict[str, Any]) -> _Outcome:
    """Fit on the training rows and score the test rows, with the clock and the guard running."""
    from unseen.detectors.base import DomainDetector

    options = {} if cell.train_blocks is None else {"blocks": cell.train_blocks}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        memory, began = PeakMemory(), time.perf_counter()
        fitted = _make(job, cell, chosen)
        if isinstance(fitted, DomainDetector) and cell.train_domains is not None:
            options["domain"] = cell.train_domains
        with watched(cell.held_out):
            fitted.fit(cell.train, cell.train_labels, **options)
        after_fit = time.perf_counter()
        scores = np.asarray(fitted.anomaly_score(cell.test), dtype=np.float64)
        after_score, peak = time.perf_counter(), memory.read()
        independent = _is_row_independent(fitted, cell, scores)
        latent = latent_plane(fitted, cell)
    return _Outcome(
        result={
            "calibration_rows": fitted.calibrator_.rows,
            "measures": measure(cell, scores, fitted.calibrator_, job.protocol),
            "cost": Cost(
                fit_seconds=after_fit - began,
                score_seconds=after_score - after_fit,
                score_rows=cell.test.num_rows,
                peak_memory=peak,
                threads=int(os.environ[THREAD_SETTINGS[0]]) if os.environ.get(THREAD_SETTINGS[0]) else None,
            ),
            "row_independent": independent,
            "notes": _notes(fitted, caught),
        },
        scores=scores,
        calibration=fitted.calibrator_.sorted_scores,
        latent=latent,
    )


def _is_row_independent(fitted: Any, cell: Cell, scores: NDArray[np.float64]) -> bool:
    """Score a few rows again, without the others and in reverse order."""
    rows = np.unique(np.linspace(0, cell.test.num_rows - 1, _RESCORED).astype(np.intp))[::-1]
    again = np.asarray(fitted.anomaly_score(cell.test.take(pa.array(rows))), dtype=np.float64)
    return bool(np.allclose(again, scores[rows], rtol=1e-5, atol=1e-8))


def _notes(fitted: Any, caught: list[warnings.WarningMessage]) -> list[str]:
    """Each message once: the training report's, then our warnings, then those of other packages with their kind."""
    report = getattr(fitted, "training_report_", None)
    said = [str(message) for message in report.get("messages", [])] if isinstance(report, dict) else []
    said += [str(w.message) for w in caught if issubclass(w.category, UnseenWarning)]
    said += [f"{w.category.__name__}: {w.message}" for w in caught if not issubclass(w.category, UnseenWarning)]
    lines = list(dict.fromkeys(said))
    more = len(lines) - _MOST_NOTES
    return lines if more <= 0 else [*lines[:_MOST_NOTES], f"and {more} more warnings"]
