"""A whole run: methods times protocols times seeds, resumable at any moment, with a record of how it was made."""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import platform
import secrets
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import unseen
from unseen.atomic import atomic_write, check_writable
from unseen.bench.cell import CellKey, slug
from unseen.bench.data import DataSpec, LabelledTable, load
from unseen.bench.grids import Grid, check_grid
from unseen.bench.methods import accepted_parameters
from unseen.bench.pool import run_jobs
from unseen.bench.protocol import Protocol, Setting
from unseen.bench.results import CellResult, method_label, read_result
from unseen.bench.split import held_out_names, hidden_classes
from unseen.bench.work import Job
from unseen.errors import InputError

__all__ = ["Plan", "RunReport", "plan_run", "run_benchmark"]

_PACKAGES = ("numpy", "pyarrow", "scipy", "scikit-learn", "torch", "zuko", "lightgbm", "pyod")

Progress = Callable[[int, int, CellResult | None], None]


@dataclass(frozen=True)
class Plan:
    """What is to be done, and what is done already.

    Attributes:
        run: The run's name.
        jobs: What is left to do.
        finished: Results of earlier runs that stay as they are.
        data: Rows and digests of each data set, for the record.
    """

    run: str
    jobs: list[Job]
    finished: list[CellResult]
    data: dict[str, dict[str, Any]]


@dataclass(frozen=True)
class RunReport:
    """What became of a run.

    Attributes:
        folder: The results' folder.
        run: The run's name; ``runs/NAME.json`` is its record.
        cells: All results that were asked for, those of earlier runs first.
        kept: How many of them are of earlier runs.
        seconds: How long it took.
    """

    folder: Path
    run: str
    cells: list[CellResult]
    kept: int
    seconds: float

    @property
    def done(self) -> int:
        """How many results were made now."""
        return len(self.cells) - self.kept

    @property
    def failed(self) -> list[CellResult]:
        """The results that are failures."""
        return [cell for cell in self.cells if cell.status == "failed"]


def run_benchmark(
    protocols: Sequence[tuple[Protocol, DataSpec]],
    methods: Sequence[str],
    *,
    seeds: Sequence[int],
    results: str | os.PathLike[str],
    setting: Setting | Sequence[Setting] | None = None,
    parameters: dict[str, Any] | None = None,
    tune: Mapping[str, Grid] | None = None,
    hold_out: Sequence[str] = (),
    workers: int = 1,
    retry_failed: bool = False,
    command: Sequence[str] | None = None,
    progress: Progress | None = None,
) -> RunReport:
    """Run methods on protocols; what an earlier run into the same folder finished is not done again.

    Each finished cell is written at once and whole, so a run may be killed at any moment and started again with the
    same words. A method that fails is recorded and the run goes on; a test row that reaches a fit stops it.

    Arguments:
        protocols: Protocols with the data they split; see :func:`~unseen.bench.data.catalog_data`.
        methods: Names of methods; see :func:`~unseen.bench.methods.method`.
        seeds: Seeds of splits and methods.
        results: The folder to write to, made if absent.
        setting: Caps and shots; several are run one after the other.
        parameters: Constructor arguments for those methods that have them.
        tune: By method, parameters to choose within each cell and the values to try; see
            :mod:`unseen.bench.tuning`. Results of tuned methods stand apart, as ``NAME,tuned``.
        hold_out: Only these groups; all by default.
        workers: Processes; with more than one, a script must guard its entry with ``if __name__ == "__main__"``.
        retry_failed: Run failed methods again.
        command: The command for the record; the process's own by default.
        progress: Called with the numbers of results done and to do, and the newest result, before the first with none.

    Raises:
        LeakError: If test rows reach a fit.
        InputError: If a name is unknown, data cannot be used, or the folder holds results of other data.
    """
    folder = _folder(results)
    plan = plan_run(
        protocols,
        methods,
        seeds=seeds,
        results=folder,
        setting=setting,
        parameters=parameters,
        tune=tune,
        hold_out=hold_out,
        retry_failed=retry_failed,
    )
    record = _record(plan, list(command) if command is not None else sys.argv, workers)
    _write_record(folder, plan.run, record)
    made: list[CellResult] = []
    began = time.perf_counter()

    def done(result: CellResult) -> None:
        made.append(result)
        if progress is not None:
            progress(len(made), len(plan.jobs), result)

    if progress is not None:
        progress(0, len(plan.jobs), None)
    run_jobs(plan.jobs, workers=workers, done=done)
    seconds = time.perf_counter() - began
    _write_record(folder, plan.run, {**record, "results": len(made), "seconds": round(seconds, 1)})
    return RunReport(folder, plan.run, [*plan.finished, *made], len(plan.finished), seconds)


def plan_run(
    protocols: Sequence[tuple[Protocol, DataSpec]],
    methods: Sequence[str],
    *,
    seeds: Sequence[int],
    results: Path,
    setting: Setting | Sequence[Setting] | None = None,
    parameters: dict[str, Any] | None = None,
    tune: Mapping[str, Grid] | None = None,
    hold_out: Sequence[str] = (),
    retry_failed: bool = False,
) -> Plan:
    """Read the data, check every name, and see what is left to do; the arguments are those of `run_benchmark`."""
    if not (protocols and methods and seeds):
        raise InputError("name at least one protocol, one method and one seed")
    settings = [setting or Setting()] if isinstance(setting, Setting | None) else list(dict.fromkeys(setting))
    # Each method is made once for nothing, so that an unknown parameter is said before hours of work.
    taken = accepted_parameters(list(dict.fromkeys(methods)), parameters or {})
    tried = _grids(taken, tune or {})
    run = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(2)}"
    plan = Plan(run, [], [], {})
    for wanted, spec in protocols:
        data = load(spec)
        plan.data[spec.name] = _data_record(data)
        names = held_out_names(data, wanted, hold_out)
        for chosen in settings:
            _check_protocol(wanted, chosen, results)
        for key in _keys(data, wanted, names, seeds, settings):
            for name, accepted in taken.items():
                grid = tried.get(name)
                found = read_result(results, key, method_label(name, accepted, tuned=grid is not None))
                if found is not None:
                    _check_same(found, data, wanted, grid, results)
                if found is None or (found.status == "failed" and retry_failed):
                    plan.jobs.append(Job(wanted, spec, key, name, accepted, data.digest, results, run, grid))
                else:
                    plan.finished.append(found)
    return plan


def _keys(
    data: LabelledTable, wanted: Protocol, names: Sequence[str], seeds: Sequence[int], settings: Sequence[Setting]
) -> Iterator[CellKey]:
    """All cells of a protocol."""
    for setting, seed, held_out in itertools.product(settings, seeds, names):
        classes = _classes(data, wanted, held_out)
        yield CellKey(protocol=wanted.name, setting=setting, held_out=held_out, seed=seed, classes=classes)


def _grids(taken: Mapping[str, dict[str, Any]], tune: Mapping[str, Grid]) -> dict[str, Grid]:
    """The grids, each combination tried out on the method's constructor."""
    for name, grid in tune.items():
        if name not in taken:
            raise InputError(f"{name!r} is to be tuned and is no method of this run; name it among the methods")
        check_grid(name, grid, taken[name])
    # As JSON holds them, so that they can be compared with those of earlier results.
    return {name: json.loads(json.dumps(grid)) for name, grid in tune.items()}


def _classes(data: LabelledTable, wanted: Protocol, held_out: str) -> tuple[str, ...]:
    return tuple(sorted(hidden_classes(data, wanted, held_out)))


def _check_same(found: CellResult, data: LabelledTable, wanted: Protocol, grid: Grid | None, results: Path) -> None:
    if found.data_digest != data.digest:
        raise InputError(
            f"{results} holds results on other rows of {data.spec.name} ({data.spec.files} has changed); choose "
            "another --out"
        )
    if found.protocol_digest != wanted.digest:
        raise InputError(f"{results} holds results of another {wanted.name}, split otherwise; choose another --out")
    if found.grid != grid:
        raise InputError(f"{results} holds results of {found.method} tuned on another grid; choose another --out")


def _folder(results: str | os.PathLike[str]) -> Path:
    folder = Path(results).expanduser().absolute()
    try:
        (folder / "runs").mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{results}: the results' folder cannot be made, {error.strerror}") from error
    check_writable(folder / "runs" / "probe")
    return folder


def _check_protocol(wanted: Protocol, setting: Setting, results: Path) -> None:
    """Leave the protocol as it was run beside its results."""
    folder = results / slug(wanted.name) / setting.name
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "protocol.json"
    if not path.exists():
        with atomic_write(path) as file:
            file.write(wanted.model_dump_json(indent=1).encode())
    elif Protocol.model_validate_json(path.read_bytes()).digest != wanted.digest:
        raise InputError(f"{path}: protocol {wanted.name} was another one in earlier runs; choose another --out")


def _data_record(data: LabelledTable) -> dict[str, Any]:
    from unseen.sources import open_source

    return {
        "rows": len(data.labels),
        "features": len(data.features),
        "digest": data.digest,
        "files": {path.name: _sha256(path) for path in open_source(data.spec.files).files},
    }


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _record(plan: Plan, command: list[str], workers: int) -> dict[str, Any]:
    versions = {"unseen": unseen.__version__, "python": platform.python_version()}
    for name in _PACKAGES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return {
        "run": plan.run,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": command,
        "versions": versions,
        "platform": platform.platform(),
        "cores": os.cpu_count(),
        "workers": workers,
        "data": plan.data,
        "to_do": len(plan.jobs),
        "kept": len(plan.finished),
    }


def _write_record(folder: Path, run: str, record: dict[str, Any]) -> None:
    with atomic_write(folder / "runs" / f"{run}.json") as file:
        file.write(json.dumps(record, indent=1, ensure_ascii=False).encode())
