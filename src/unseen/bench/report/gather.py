"""Everything a report needs from a results' folder, read once."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from unseen.bench.cell import dropped_rows, slug
from unseen.bench.methods import methods
from unseen.bench.protocol import Protocol, Setting, protocols
from unseen.bench.results import CellResult, read_results
from unseen.bench.stats import MEASURES, Comparison, block_table, compare
from unseen.bench.summary import MethodSummary, summarise
from unseen.errors import InputError

__all__ = ["Failure", "Part", "ReportData", "Section", "gather", "kind_of"]

_MOST_WARNINGS = 30


@dataclass(frozen=True, eq=False)
class Section:
    """One protocol in one setting.

    Attributes:
        protocol: The protocol as it was run.
        setting: Caps and shots.
        results: Its results, failures among them.
        lines: One summary a method, best macro AUROC first.
        dropped: What de-duplication took of each held-out class: rows taken, and rows before.
        splits: The digests of its splits.
    """

    protocol: Protocol
    setting: Setting
    results: list[CellResult]
    lines: list[MethodSummary]
    dropped: dict[str, tuple[int, int]]
    splits: list[str]

    @functools.cached_property
    def by_method(self) -> dict[str, list[CellResult]]:
        """The finished results of each method."""
        found: dict[str, list[CellResult]] = {}
        for result in self.results:
            if result.status == "done":
                found.setdefault(result.label, []).append(result)
        return found

    @functools.cached_property
    def comparisons(self) -> dict[str, Comparison | None]:
        """The methods of this protocol compared, by measure; ``None`` where there is nothing to compare."""
        return _compared(self.results, {self.protocol.name: self.protocol})

    @property
    def ranked(self) -> list[MethodSummary]:
        """Detectors and peers."""
        return [line for line in self.lines if kind_of(line.method) != "control"]

    @property
    def controls(self) -> list[MethodSummary]:
        """Controls."""
        return [line for line in self.lines if kind_of(line.method) == "control"]

    @property
    def featured(self) -> MethodSummary | None:
        """The method whose scores are shown: the best detector of this project, else the best method."""
        detectors = [line for line in self.ranked if kind_of(line.method) == "detector"]
        return next(iter(detectors or self.ranked or self.lines), None)

    @property
    def stump(self) -> MethodSummary | None:
        """The stump, where it beats or equals every other method: the protocol is solved by one column."""
        stump = next((line for line in self.controls if line.method == "stump"), None)
        solved = stump is not None and bool(self.ranked) and stump.auroc >= max(line.auroc for line in self.ranked)
        return stump if solved else None


@dataclass(frozen=True, eq=False)
class Part:
    """All protocols of one setting, and the comparison of methods over them.

    Attributes:
        setting: Caps and shots.
        sections: Its protocols.
        comparisons: By measure; ``None`` where there is nothing to compare.
    """

    setting: Setting
    sections: list[Section]
    comparisons: dict[str, Comparison | None]


@dataclass(frozen=True)
class Failure:
    """The same failure, or warning, of a method on some cells.

    Attributes:
        method: The method.
        protocol: The protocol.
        error: What was said.
        cells: Where.
        trace: The last lines of the trace, of the first.
    """

    method: str
    protocol: str
    error: str
    cells: list[str]
    trace: list[str]


@dataclass(frozen=True, eq=False)
class ReportData:
    """A results' folder, read.

    Attributes:
        folder: The folder.
        parts: One for each setting.
        runs: The records of the runs, in order of time.
        failures: Failures, alike ones together.
        warnings: Messages and warnings of methods that finished, alike ones together, the most frequent first.
        more_warnings: How many more kinds of warnings there are than are shown.
        refused: Rates that calibration sets were too small for: protocol, rate, reason.
    """

    folder: Path
    parts: list[Part]
    runs: list[dict[str, Any]]
    failures: list[Failure]
    warnings: list[Failure]
    more_warnings: int
    refused: list[tuple[str, str, str]]


def kind_of(label: str) -> str:
    """``"detector"``, ``"peer"`` or ``"control"``; a method nobody registered, such as a user's class, is a peer.

    Arguments:
        label: The method with the parameters that were set.
    """
    name = label.partition(",")[0]
    if name.startswith(("shuffled:", "untrained:")):
        return "control"
    known = methods().get(name)
    return "peer" if known is None else known.kind


def gather(folder: Path) -> ReportData:
    """Read a results' folder and compare its methods.

    Raises:
        InputError: If the folder holds no results, none is usable, or a file is damaged.
    """
    results = list(read_results(folder))
    if all(result.status == "failed" for result in results):
        first = results[0]
        raise InputError(f"{folder}: all {len(results)} results are failures; the first, {first.label}: {first.error}")
    settings = {result.key.setting.name: result.key.setting for result in results}
    parts = [
        _part(folder, setting, [result for result in results if result.key.setting == setting])
        for setting in sorted(settings.values(), key=_place)
    ]
    warnings = _alike([(r, note, []) for r in results if r.status == "done" for note in r.notes])
    return ReportData(
        folder=folder,
        parts=[part for part in parts if part.sections],
        runs=_runs(folder),
        failures=_alike([(r, r.error or "", r.notes) for r in results if r.status == "failed"]),
        warnings=sorted(warnings, key=lambda warning: -len(warning.cells))[:_MOST_WARNINGS],
        more_warnings=max(0, len(warnings) - _MOST_WARNINGS),
        refused=_refused(results),
    )


def _place(setting: Setting) -> tuple[str, float]:
    """Settings by caps and then by shots, all known rows last."""
    return setting.caps, float("inf") if setting.shots is None else setting.shots


def _part(folder: Path, setting: Setting, results: list[CellResult]) -> Part:
    sections = []
    names = {result.key.protocol for result in results}
    known = list(protocols())
    for name in sorted(names, key=lambda name: (known.index(name) if name in known else len(known), name)):
        mine = [result for result in results if result.key.protocol == name]
        protocol = _protocol(folder, mine[0])
        lines = summarise(mine, [protocol])
        if lines:
            dropped = dropped_rows(folder, name, setting.name)
            splits = sorted({result.split_digest for result in mine if result.split_digest})
            sections.append(Section(protocol, setting, mine, lines, dropped, splits))
    by_name = {section.protocol.name: section.protocol for section in sections}
    return Part(setting, sections, _compared(results, by_name))


def _compared(results: Iterable[CellResult], by_name: Mapping[str, Protocol]) -> dict[str, Comparison | None]:
    """Detectors and peers compared by each measure; controls are left out."""
    ranked = [result for result in results if kind_of(result.label) != "control"]
    peers = {result.label for result in ranked if kind_of(result.label) == "peer"}
    return {measure: compare(block_table(ranked, by_name, measure), peers) for measure in MEASURES}


def _protocol(folder: Path, result: CellResult) -> Protocol:
    path = folder / slug(result.key.protocol) / result.key.setting.name / "protocol.json"
    try:
        return Protocol.model_validate_json(path.read_bytes())
    except (OSError, ValueError) as error:
        raise InputError(
            f"{path}: the protocol of these results is missing or damaged; run the same `unseen bench run` again, "
            "which writes it"
        ) from error


def _runs(folder: Path) -> list[dict[str, Any]]:
    records = []
    for path in sorted((folder / "runs").glob("*.json")):
        try:
            records.append(json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError) as error:
            raise InputError(f"{path}: no readable record of a run ({error}); move it away") from error
    return sorted(records, key=lambda record: str(record.get("date", "")))


def _alike(found: Iterable[tuple[CellResult, str, Sequence[str]]]) -> list[Failure]:
    groups: dict[tuple[str, str, str], Failure] = {}
    for result, error, trace in found:
        key = (result.label, result.key.protocol, error)
        shots = result.key.setting.shots
        cell = f"{result.key.held_out}, seed {result.key.seed}" + ("" if shots is None else f", {shots} shots")
        groups.setdefault(key, Failure(*key, [], list(trace))).cells.append(cell)
    return list(groups.values())


def _refused(results: Iterable[CellResult]) -> list[tuple[str, str, str]]:
    found: dict[tuple[str, str], str] = {}
    for result in results:
        for rate, reason in result.measures.main.refused_rates.items() if result.measures else ():
            found.setdefault((result.key.protocol, rate), reason)
    return [(protocol, rate, reason) for (protocol, rate), reason in sorted(found.items())]
