"""Parameters chosen within a cell's training rows: one seen group at a time plays the unseen one."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from unseen.bench.cell import Cell
from unseen.bench.grids import candidates
from unseen.bench.guard import HeldOut, LeakError, watched
from unseen.bench.protocol import Protocol
from unseen.errors import TrainingError
from unseen.metrics import auroc
from unseen.splits import row_hashes, split_exact

__all__ = ["Candidate", "InnerFold", "SeenRows", "Tuning", "inner_folds", "tune"]

# The share of a cell's training normals that an inner fold is judged by, as a cell is.
_NORMAL_TEST = 0.25


class Candidate(BaseModel):
    """One combination of parameters.

    Attributes:
        parameters: The combination.
        auroc: AUROC of each seen group when it was left out.
        mean: Their mean; ``None`` where a fit failed.
        error: Why it failed.
    """

    model_config = ConfigDict(frozen=True)

    parameters: dict[str, Any]
    auroc: dict[str, float] = {}
    mean: float | None = None
    error: str | None = None


class Tuning(BaseModel):
    """How a method's parameters were chosen in one cell.

    Attributes:
        chosen: What the method was refitted with; empty where its own settings were used.
        groups: The seen groups that were left out in turn.
        candidates: What was tried, in the grid's order.
        seconds: What it took, besides the refit.
        message: Why nothing was chosen.
    """

    model_config = ConfigDict(frozen=True)

    chosen: dict[str, Any] = {}
    groups: list[str] = []
    candidates: list[Candidate] = []
    seconds: float = 0.0
    message: str | None = None

    @property
    def best(self) -> Candidate | None:
        """The combination that was chosen."""
        return next((tried for tried in self.candidates if tried.parameters == self.chosen), None)


@dataclass(frozen=True, eq=False)
class SeenRows:
    """All that tuning gets to see of a cell: its training rows.

    Attributes:
        table: Feature columns, shape (n, d).
        labels: Class labels, shape (n,).
        groups: The family group of each row, shape (n,); empty text for normals.
        blocks: One block a row, or ``None``.
    """

    table: pa.Table
    labels: NDArray[np.str_]
    groups: NDArray[np.str_]
    blocks: NDArray[np.str_] | None

    @classmethod
    def of(cls, cell: Cell, group_of: Mapping[str, str]) -> SeenRows:
        """The training rows of a cell.

        Arguments:
            cell: The cell.
            group_of: The family group of each anomaly class.
        """
        names, code = np.unique(cell.train_labels, return_inverse=True)
        groups = np.array(["" if name == cell.normal else group_of[str(name)] for name in names], dtype=np.str_)
        return cls(cell.train, cell.train_labels, groups[code], cell.train_blocks)


@dataclass(frozen=True, eq=False)
class InnerFold:
    """One seen group left out; positions in the cell's training rows.

    Attributes:
        group: The group.
        train: Normals and the other groups.
        normal: Normals to judge by, the same in every fold.
        unseen: All rows of the group.
    """

    group: str
    train: NDArray[np.intp]
    normal: NDArray[np.intp]
    unseen: NDArray[np.intp]


def inner_folds(rows: SeenRows, features: Sequence[str], protocol: Protocol, seed: int) -> list[InnerFold]:
    """One fold for each seen group that is large enough to judge by; none where there are not two such groups.

    A quarter of the normals, by whole blocks where there are blocks, is kept to judge by. Groups count that would
    count in the protocol's means; where there are not two of them, all that the protocol would hold out.

    Arguments:
        rows: A cell's training rows.
        features: The columns that make a row's hash.
        protocol: The protocol.
        seed: The cell's.
    """
    normals = np.flatnonzero(rows.groups == "")
    names, counts = np.unique(rows.groups[rows.groups != ""], return_counts=True)
    chosen = [str(name) for name, count in zip(names, counts, strict=True) if count >= protocol.fewest_for_mean]
    if len(chosen) < 2:
        chosen = [str(name) for name, count in zip(names, counts, strict=True) if count >= protocol.fewest_rows]
    if len(chosen) < 2:
        return []
    if rows.blocks is None:
        units = row_hashes(rows.table, features)
    else:
        units = row_hashes(pa.table({"block": rows.blocks}), ["block"])
    part = split_exact(units[normals], {"test": _NORMAL_TEST, "train": 1 - _NORMAL_TEST}, salt=f"tune {seed} test")
    judged, trained = normals[part == 0], normals[part == 1]
    if not (judged.size and trained.size):
        return []
    folds = []
    for name in chosen:
        others = np.flatnonzero((rows.groups != "") & (rows.groups != name))
        train = np.sort(np.concatenate([trained, others]))
        folds.append(InnerFold(name, train, judged, np.flatnonzero(rows.groups == name)))
    return folds


def tune(
    make: Callable[[dict[str, Any]], Any],
    grid: Mapping[str, Sequence[Any]],
    rows: SeenRows,
    held_out: HeldOut,
    protocol: Protocol,
    seed: int,
) -> Tuning:
    """Choose the combination with the best mean AUROC over the seen groups, each left out once.

    The cell's held-out rows take no part: nothing but the training rows is given to this function, and the guard looks
    at every table that is fitted, prepared or scored. Within a fold it watches the rows that are left out, too. Equal
    means go to the earlier combination, so that a method keeps its own settings unless others are better.

    Arguments:
        make: Makes the unfitted method with a combination of parameters.
        grid: The values to try of each parameter.
        rows: The cell's training rows.
        held_out: The cell's guard.
        protocol: The protocol.
        seed: The cell's.

    Raises:
        LeakError: If a row that was left out reaches a fit.
        TrainingError: If every combination fails.
    """
    began = time.perf_counter()
    folds = inner_folds(rows, held_out.features, protocol, seed)
    if not folds:
        return Tuning(message=_too_few(rows, protocol))
    tried = []
    with watched(held_out), warnings.catch_warnings():
        # What fits on fewer rows warn of is no matter of the detector that is kept; its own fit warns again.
        warnings.simplefilter("ignore")
        for parameters in candidates(grid):
            try:
                areas = {fold.group: _judge(make(parameters), rows, fold, held_out) for fold in folds}
            except LeakError:
                raise
            except Exception as error:
                tried.append(Candidate(parameters=parameters, error=f"{type(error).__name__}: {error}"))
            else:
                tried.append(Candidate(parameters=parameters, auroc=areas, mean=float(np.mean(list(areas.values())))))
    worked = [(candidate.mean, candidate) for candidate in tried if candidate.mean is not None]
    if not worked:
        raise TrainingError(f"tuning: all {len(tried)} combinations failed; the first: {tried[0].error}")
    best = max(worked, key=lambda pair: pair[0])[1]
    return Tuning(
        chosen=best.parameters,
        groups=[fold.group for fold in folds],
        candidates=tried,
        seconds=time.perf_counter() - began,
    )


def _judge(method: Any, rows: SeenRows, fold: InnerFold, held_out: HeldOut) -> float:
    """AUROC of the left-out group against the normals that are kept to judge by."""
    train, normal, unseen = (rows.table.take(pa.array(part)) for part in (fold.train, fold.normal, fold.unseen))
    hashes = np.unique(np.concatenate([row_hashes(table, held_out.features) for table in (normal, unseen)]))
    inner = HeldOut(held_out.features, hashes, f"{held_out.cell}, tuned with {fold.group} left out")
    inner.check(train, by=type(method).__name__)
    options = {} if rows.blocks is None else {"blocks": rows.blocks[fold.train]}
    with watched(inner):
        method.fit(train, rows.labels[fold.train], **options)
    scores = np.asarray(method.anomaly_score(pa.concat_tables([normal, unseen])), dtype=np.float64)
    return auroc(scores[: len(fold.normal)], scores[len(fold.normal) :])


def _too_few(rows: SeenRows, protocol: Protocol) -> str:
    names, counts = np.unique(rows.groups[rows.groups != ""], return_counts=True)
    large = int(np.count_nonzero(counts >= protocol.fewest_rows))
    if large < 2:
        return (
            f"not tuned: the training rows hold {large} seen {'group' if large == 1 else 'groups'} of at least "
            f"{protocol.fewest_rows} rows ({len(names)} in all), and leaving one out needs two; its own settings are "
            "used"
        )
    return "not tuned: the training normals lie in one block and cannot be divided; its own settings are used"
