"""The results of an experiment by variant, and what the benchmark's statistics make of them."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from unseen.bench.cell import KNOWN, NORMAL, UNSEEN, read_arrays
from unseen.bench.experiments.plan import Experiment, Variant
from unseen.bench.protocol import Protocol, Setting
from unseen.bench.results import CellResult, read_scores
from unseen.bench.stats import MEASURES, Comparison, block_table, compare
from unseen.bench.summary import MethodSummary, summarise

__all__ = ["Outcome", "Scores"]


@dataclass(frozen=True, eq=False)
class Scores:
    """Scores of one cell's test rows; rows that de-duplication took are not among them.

    Attributes:
        normal: Of normals.
        known: Of known anomalies.
        classes: Of each unseen class.
        calibration: Of the calibration normals, sorted.
    """

    normal: NDArray[np.float64]
    known: NDArray[np.float64]
    classes: dict[str, NDArray[np.float64]]
    calibration: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Outcome:
    """What an experiment found.

    Attributes:
        experiment: The experiment.
        protocols: The protocols it was run on.
        absent: Protocols whose data are not on this machine.
        variants: The variants that were run.
        caps: The caps' name.
        seeds: The seeds.
        folder: The results' folder.
        cells: The results of each variant, failures among them.
        made: How many results were made now; the others are of earlier runs.
        seconds: How long this run took.
        runs: The records of the runs that made the results.
    """

    experiment: Experiment
    protocols: tuple[Protocol, ...]
    absent: tuple[str, ...]
    variants: tuple[Variant, ...]
    caps: str
    seeds: tuple[int, ...]
    folder: Path
    cells: dict[str, list[CellResult]]
    made: int
    seconds: float
    runs: list[dict[str, object]]

    @property
    def failed(self) -> list[tuple[str, CellResult]]:
        """Failures, with the variant's name."""
        return [(name, cell) for name, cells in self.cells.items() for cell in cells if cell.status == "failed"]

    @property
    def cost(self) -> float:
        """Seconds of fitting and scoring over all results, those of earlier runs too."""
        costs = [cell.cost for cells in self.cells.values() for cell in cells if cell.cost is not None]
        return sum(cost.fit_seconds + cost.score_seconds for cost in costs)

    @functools.cached_property
    def renamed(self) -> list[CellResult]:
        """All results under their variant's name, so that variants that differ in shots alone are told apart."""
        return [
            cell.model_copy(
                update={
                    "method": name,
                    "parameters": {},
                    "key": cell.key.model_copy(update={"setting": Setting.model_validate({"caps": self.caps})}),
                }
            )
            for name, cells in self.cells.items()
            for cell in cells
        ]

    @functools.cached_property
    def summaries(self) -> dict[tuple[str, str], MethodSummary]:
        """Figures by protocol and variant: means over held-out groups or classes, medians over seeds."""
        return {(line.protocol, line.method): line for line in summarise(self.renamed, self.protocols)}

    def by_seed(self, protocol: Protocol, name: str) -> list[MethodSummary]:
        """The same figures of a variant for each seed alone."""
        mine = [cell for cell in self.renamed if cell.method == name]
        lines = [
            summarise([cell for cell in mine if cell.key.seed == seed], [protocol])
            for seed in sorted({cell.key.seed for cell in mine})
        ]
        return [line for found in lines for line in found]

    @functools.cached_property
    def comparisons(self) -> dict[str, Comparison | None]:
        """All variants compared by each of ``MEASURES``, the others set against the reference."""
        protocols = {protocol.name: protocol for protocol in self.protocols}
        tables = {measure: block_table(self.renamed, protocols, measure) for measure in MEASURES}
        return {measure: compare(table, (self.experiment.reference,)) for measure, table in tables.items()}

    def scores(self, protocol: Protocol, name: str) -> Iterator[Scores]:
        """The scores of a variant, one cell after the other."""
        for cell in self.cells[name]:
            if cell.status == "done" and cell.key.protocol == protocol.name:
                yield _scores(self.folder, cell)


def _scores(folder: Path, cell: CellResult) -> Scores:
    scores, calibration = read_scores(folder, cell)
    split = read_arrays(folder / cell.key.folder / "splits" / f"{cell.key.stem}.npz")
    scores = scores[: len(scores) - int(split["extra"])]
    role = split["role"][: len(scores)]
    labels = split["label_names"][split["test_labels"][: len(scores)]]
    return Scores(
        normal=scores[role == NORMAL],
        known=scores[role == KNOWN],
        classes={str(name): scores[(role == UNSEEN) & (labels == name)] for name in np.unique(labels[role == UNSEEN])},
        calibration=calibration,
    )
