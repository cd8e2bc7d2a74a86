"""The results' folder: one JSON file for each method on each cell, written once and whole, and its scores beside it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError

from unseen.atomic import atomic_write
from unseen.bench.cell import CellKey, read_arrays, slug, write_arrays
from unseen.bench.measure import Measures
from unseen.bench.tuning import Tuning
from unseen.errors import InputError

__all__ = [
    "CellResult",
    "Cost",
    "method_label",
    "read_latent",
    "read_result",
    "read_results",
    "read_scores",
    "write_result",
]


class Cost(BaseModel):
    """What a method took; times are of this machine under its load at that moment.

    Attributes:
        fit_seconds: From the table to a calibrated detector, preparation included.
        score_seconds: To score ``score_rows`` test rows, preparation included.
        score_rows: Test rows scored.
        peak_memory: The process's high-water mark in fit and scoring, bytes; with the libraries and the cell's rows.
        threads: Threads that numerical libraries were allowed, where that was set.
    """

    model_config = ConfigDict(frozen=True)

    fit_seconds: float
    score_seconds: float
    score_rows: int
    peak_memory: int | None
    threads: int | None

    @property
    def rows_per_second(self) -> float:
        """Rows scored in a second."""
        return self.score_rows / max(self.score_seconds, 1e-9)


class CellResult(BaseModel):
    """One method on one cell.

    Attributes:
        format: Of this file.
        key: The cell.
        method: The method's name.
        parameters: What the user set of its parameters.
        status: ``"done"``, or ``"failed"`` with the error.
        error: Why it failed.
        split_digest: Of the rows it was fitted and tested on.
        data_digest: Of the data set.
        protocol_digest: Of the protocol.
        run: The file in ``runs/`` that says when, with which versions and by which command.
        calibration_rows: Normals its thresholds come from.
        measures: Its figures.
        cost: What it took.
        row_independent: Whether rows scored alone got the scores they got among the others.
        notes: The detector's own messages, and warnings while fitting and scoring.
        grid: The values that were to be tried of each parameter; ``None`` where nothing was tuned.
        tuning: What was chosen of them, and by which scores.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1] = 1
    key: CellKey
    method: str
    parameters: dict[str, Any]
    status: Literal["done", "failed"]
    error: str | None = None
    split_digest: str | None
    data_digest: str
    protocol_digest: str
    run: str
    calibration_rows: int | None = None
    measures: Measures | None = None
    cost: Cost | None = None
    row_independent: bool | None = None
    notes: list[str] = []
    grid: dict[str, list[Any]] | None = None
    tuning: Tuning | None = None

    @property
    def label(self) -> str:
        """The method with what was set of its parameters; results of different settings are kept apart."""
        return method_label(self.method, self.parameters, tuned=self.grid is not None)


def method_label(method: str, parameters: dict[str, Any], *, tuned: bool = False) -> str:
    """A method's name with the parameters that were set, and whether others were tuned.

    Example:
        >>> method_label("sculptor-fast", {"members": 1}), method_label("knn", {}, tuned=True)
        ('sculptor-fast,members=1', 'knn,tuned')
    """
    # A stored tuple comes back as a list, and must be called what it was called before.
    plain = {name: tuple(value) if isinstance(value, list) else value for name, value in parameters.items()}
    said = [f"{name}={value}" for name, value in sorted(plain.items())]
    return ",".join([method, *said, *(["tuned"] if tuned else [])])


def _path(results: Path, key: CellKey, label: str) -> Path:
    return results / key.folder / slug(label) / f"{key.stem}.json"


def write_result(
    results: Path,
    result: CellResult,
    scores: NDArray[np.float64] | None = None,
    calibration: NDArray[np.float64] | None = None,
    more: Mapping[str, NDArray[Any]] | None = None,
) -> None:
    """Write a result; its scores come first, so that a result that is there is complete.

    Arguments:
        results: The results' folder.
        result: The result.
        scores: Scores of the cell's test rows, in the order of the split's file.
        calibration: Sorted scores of the calibration normals.
        more: Further arrays to keep beside them, such as a :func:`~unseen.bench.latent.latent_plane`.
    """
    path = _path(results, result.key, result.label)
    path.parent.mkdir(parents=True, exist_ok=True)
    if scores is not None and calibration is not None:
        write_arrays(path.with_suffix(".npz"), {"test": scores, "calibration": calibration, **(more or {})})
    with atomic_write(path) as file:
        file.write(result.model_dump_json(indent=1).encode())


def read_result(results: Path, key: CellKey, label: str) -> CellResult | None:
    """A result, or ``None`` where the cell has not been run with the method.

    Raises:
        InputError: If the file is damaged or of another format.
    """
    path = _path(results, key, label)
    return _read(path) if path.exists() else None


def read_scores(results: Path, result: CellResult) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """A result's scores of the test rows, and the sorted scores of its calibration normals.

    Raises:
        InputError: If the file is absent or damaged.
    """
    arrays = read_arrays(_path(results, result.key, result.label).with_suffix(".npz"))
    return arrays["test"], arrays["calibration"]


def read_latent(results: Path, result: CellResult) -> dict[str, NDArray[Any]]:
    """A result's :func:`~unseen.bench.latent.latent_plane`; empty where its method has no latent space.

    Raises:
        InputError: If the file is absent or damaged.
    """
    arrays = read_arrays(_path(results, result.key, result.label).with_suffix(".npz"))
    return {name: array for name, array in arrays.items() if name.startswith("latent")}


def read_results(results: Path) -> Iterator[CellResult]:
    """All results below a folder, sorted by path.

    Raises:
        InputError: If the folder holds none, or a file is damaged.
    """
    found = sorted(path for path in results.glob("*/*/*/*.json") if path.parent.name != "splits")
    if not found:
        raise InputError(f"{results}: no results here; make some: unseen bench run --out {results}")
    for path in found:
        yield _read(path)


def _read(path: Path) -> CellResult:
    try:
        return CellResult.model_validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        raise InputError(
            f"{path}: no result this release can read ({'.'.join(map(str, first['loc']))}: {first['msg']}); "
            "delete it to have it made again"
        ) from error
    except OSError as error:
        raise InputError(f"{path}: cannot be read, {error.strerror}") from error
