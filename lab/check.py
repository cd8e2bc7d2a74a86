"""Whether a recording is sound, and whether it makes a benchmark worth having."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from lab.benchmark import Difficulty, known_families, leave_one_out, twins
from lab.errors import LabError
from lab.extract import METADATA, load_manifest
from lab.labels import BENIGN, UNASSIGNED
from lab.schedule import FAMILIES
from unseen.packets import FEATURES

__all__ = ["Report", "check", "flow_problems", "manifest_problems"]

# For a recording of 480 s; shorter ones need their share.
_FULL_SECONDS = 480.0
_FEWEST_BENIGN, _FEWEST_ATTACK = 15_000, 100
_MOST_BYTES = 3_000_000
# Packets that the emulated links delivered so much too late say that the machine was too busy to trust the times.
_LATEST_S = 0.25
# A cell above this is no test, and a mean above that no benchmark.
_PERFECT, _TRIVIAL_MEAN = 0.9995, 0.95
_KNOWN_MEAN = 0.9


@dataclass
class Report:
    """What the check found.

    Attributes:
        problems: What makes the recording unfit; empty: sound.
        counts: Rows by class.
        twins: Share of each family's rows that equal a benign row.
        difficulty: AUROC by method and family.
    """

    problems: list[str] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    twins: dict[str, float] = field(default_factory=dict)
    difficulty: Difficulty | None = None

    @property
    def sound(self) -> bool:
        """Whether nothing was found."""
        return not self.problems

    def text(self) -> str:
        """A table in 80 columns, then the verdict."""
        lines = [f"{BENIGN:<16}{self.counts.get(BENIGN, 0):>7,}"]
        if self.difficulty is not None:
            columns = {**self.difficulty.hidden, "known": self.difficulty.known}
            columns = {name: cells for name, cells in columns.items() if cells}
            heads = {name: name.split()[-1] for name in columns}
            lines = [f"{'':<16}{'rows':>7}{'twins':>7}" + "".join(f"{h:>10}" for h in heads.values()), *lines]
            for name in sorted(self.twins):
                row = f"{name:<16}{self.counts[name]:>7,}{self.twins[name]:>7.0%}"
                lines.append(row + "".join(f"{cells[name]:>10.3f}" for cells in columns.values()))
            means = [float(np.mean(list(cells.values()))) for cells in columns.values()]
            lines.append(f"{'mean':<30}" + "".join(f"{mean:>10.3f}" for mean in means))
        return "\n".join([*lines, *(f"problem: {p}" for p in self.problems), "sound" if self.sound else "not sound"])


def check(run: Path, flows: Path, other: Path | None = None) -> Report:
    """Check a recording and its flows.

    Arguments:
        run: The recording's directory.
        flows: What ``extract`` made of it.
        other: The flows of another recording, to train on with all families known.

    Raises:
        LabError: If a file is missing.
    """
    for path in (flows, other):
        if path is not None and not path.is_file():
            raise LabError(f"{path} is missing: make it with python -m lab extract.")
    manifest = load_manifest(run)
    table = pq.read_table(flows)
    report = Report(counts=dict(Counter(table.column("label").to_pylist())))
    report.problems += manifest_problems(manifest)
    report.problems += flow_problems(table, float(manifest["seconds"]))  # type: ignore[arg-type]
    if flows.stat().st_size > _MOST_BYTES:
        report.problems.append(f"the file has {flows.stat().st_size:,} bytes, more than {_MOST_BYTES:,}")
    if report.problems:
        return report
    report.twins = twins(table)
    known = {} if other is None else known_families(pq.read_table(other), table)
    report.difficulty = Difficulty(leave_one_out(table), known)
    report.problems += _benchmark_problems(report.difficulty)
    return report


def manifest_problems(manifest: dict[str, Any]) -> list[str]:
    """What the recording itself says went wrong."""
    return list(_manifest_problems(manifest))


def _manifest_problems(manifest: dict[str, Any]) -> Iterator[str]:
    capture = manifest["capture"]
    if capture["dropped"] or capture["captured"] != capture["received"]:
        yield f"the capture lost packets: {capture}"
    for name, code in manifest["worker_exit_codes"].items():
        if code:
            yield f"host {name} ended with {code}"
    for name, ways in manifest["link_reports"].items():
        latest = max(way["latest_s"] for way in ways.values())
        if latest > _LATEST_S:
            yield f"{name} delivered a packet {latest:.2f} s late: the machine was too busy"
    for window in manifest["windows"]:
        ran = window["ran"]
        if ran is None:
            yield f"window {window['number']} ({window['family']}) never ran"
        elif "problem" in ran or 127 in ran["codes"]:
            yield f"window {window['number']} ({window['family']}) failed: {ran.get('problem', ran['said'])}"


def flow_problems(flows: pa.Table, seconds: float) -> list[str]:
    """What is wrong with the rows of a recording of so many seconds."""
    if flows.column_names != [*FEATURES, "label", *METADATA]:
        return ["the columns are not the features, label and metadata of the lab"]
    problems = []
    counts = Counter(flows.column("label").to_pylist())
    share = min(1.0, seconds / _FULL_SECONDS)
    if counts[UNASSIGNED]:
        problems.append(f"{counts[UNASSIGNED]} flows belong to nobody")
    if set(counts) - {BENIGN, UNASSIGNED, *FAMILIES}:
        problems.append(f"unknown labels: {sorted(set(counts) - {BENIGN, *FAMILIES})}")
    for name in (BENIGN, *FAMILIES):
        least = int(share * (_FEWEST_BENIGN if name == BENIGN else _FEWEST_ATTACK))
        if counts[name] < max(1, least):
            problems.append(f"{name} has {counts[name]} flows, fewer than {max(1, least)}")
    values = np.column_stack([flows.column(name).to_numpy() for name in FEATURES]).astype(np.float64)
    if not np.isfinite(values).all():
        problems.append("some feature values are not finite")
    return problems


def _benchmark_problems(difficulty: Difficulty) -> Iterator[str]:
    for method, cells in difficulty.hidden.items():
        perfect = [name for name, value in cells.items() if value > _PERFECT]
        if perfect:
            yield f"{method} is perfect on the hidden {', '.join(perfect)}"
        if difficulty.mean(method) > _TRIVIAL_MEAN:
            yield f"{method} reaches a mean AUROC of {difficulty.mean(method):.3f} on hidden families: trivial"
    if difficulty.known:
        mean = float(np.mean(list(difficulty.known.values())))
        if mean < _KNOWN_MEAN:
            yield f"boosting trained on another recording reaches {mean:.3f} on known families: are the labels right?"
