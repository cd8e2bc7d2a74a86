"""Run an experiment through the benchmark's own runner: its splits, its guard, its results' folder."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Sequence
from pathlib import Path

from unseen.bench.data import DataSpec, catalog_data
from unseen.bench.experiments.outcome import Outcome
from unseen.bench.experiments.plan import Experiment, Variant, protocol_named
from unseen.bench.protocol import Protocol, Setting
from unseen.bench.results import CellResult, method_label
from unseen.bench.run import Progress, run_benchmark
from unseen.errors import InputError

__all__ = ["run_experiment"]


def run_experiment(
    experiment: Experiment,
    *,
    results: str | os.PathLike[str],
    seeds: Sequence[int] | None = None,
    protocols: Sequence[tuple[Protocol, DataSpec]] | None = None,
    caps: str = "default",
    slow: bool = False,
    workers: int = 1,
    command: Sequence[str] | None = None,
    progress: Progress | None = None,
) -> Outcome:
    """Run an experiment; what an earlier run into the same folder finished is not done again.

    Arguments:
        experiment: The experiment.
        results: The folder to write to, made if absent.
        seeds: Seeds of splits and methods; the experiment's own by default.
        protocols: Protocols with their data in place of the experiment's own.
        caps: The most rows used, a name in :data:`~unseen.bench.protocol.CAPS`.
        slow: Run slow variants too.
        workers: Processes.
        command: The command for the record.
        progress: As in :func:`~unseen.bench.run.run_benchmark`, for each group of variants that one run can do.

    Raises:
        LeakError: If test rows reach a fit.
        InputError: If no protocol's data are on this machine, or the folder holds results of other data.
    """
    chosen, absent = _with_data(experiment) if protocols is None else (list(protocols), [])
    seeds = list(experiment.seeds if seeds is None else seeds)
    variants = experiment.chosen(slow=slow)
    began, made = time.perf_counter(), 0
    cells: dict[str, list[CellResult]] = {variant.name: [] for variant in variants}
    folder = Path(results)
    for group in _alike(variants):
        report = run_benchmark(
            chosen,
            [variant.method for variant in group],
            seeds=seeds,
            results=results,
            setting=Setting.model_validate({"caps": caps, "shots": group[0].shots}),
            parameters=group[0].parameters,
            workers=workers,
            command=command,
            progress=progress,
        )
        folder, made = report.folder, made + report.done
        for variant in group:
            label = method_label(variant.method, variant.parameters)
            cells[variant.name] = [cell for cell in report.cells if cell.label == label]
    return Outcome(
        experiment=experiment,
        protocols=tuple(protocol for protocol, _ in chosen),
        absent=tuple(absent),
        variants=variants,
        caps=caps,
        seeds=tuple(seeds),
        folder=folder,
        cells=cells,
        made=made,
        seconds=time.perf_counter() - began,
        runs=_records(folder, cells),
    )


def _with_data(experiment: Experiment) -> tuple[list[tuple[Protocol, DataSpec]], list[str]]:
    """The experiment's protocols whose data are here, and the names of the others."""
    chosen, absent, message = [], [], ""
    for name in experiment.protocols:
        protocol = protocol_named(name)
        try:
            chosen.append((protocol, catalog_data(protocol.dataset)))
        except InputError as error:
            absent.append(name)
            message = str(error)
    if not chosen:
        raise InputError(message)
    return chosen, absent


def _alike(variants: Sequence[Variant]) -> list[list[Variant]]:
    """Variants that one run can do together: the runner knows one number of shots and one set of parameters."""
    groups: list[list[Variant]] = []
    for variant in variants:
        for group in groups:
            if (group[0].shots, group[0].parameters) == (variant.shots, variant.parameters):
                group.append(variant)
                break
        else:
            groups.append([variant])
    return groups


def _records(folder: Path, cells: dict[str, list[CellResult]]) -> list[dict[str, object]]:
    """The records of the runs that made the results, oldest first."""
    names = sorted({cell.run for found in cells.values() for cell in found})
    paths = [folder / "runs" / f"{name}.json" for name in names]
    return [json.loads(path.read_text(encoding="utf-8")) for path in paths if path.exists()]
