"""How results came about, and what to be wary of in them, in words."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from unseen.bench.report.gather import Part, ReportData, Section
from unseen.bench.report.summaries import exceeds
from unseen.bench.report.words import clean, figure, percent, protocol_words, rate_name, spans
from unseen.bench.stats import Comparison, caveats
from unseen.bench.stats.sentences import joined
from unseen.bench.summary import MethodSummary

__all__ = [
    "Flag",
    "common_caveats",
    "common_words",
    "data_files",
    "extent",
    "flags",
    "own_caveats",
    "refused_words",
    "run_words",
    "second_figures",
    "section_words",
    "unequal_rates",
]

# Controls by the method they are the twin of; ``shuffled:NAME`` and ``untrained:NAME`` name their own.
_TWINS = {"shuffled": "sculptor-fast", "untrained": "sculptor-fast"}
_MUCH_DROPPED = 0.05
_MOST_BESIDE = 3


@dataclass(frozen=True)
class Flag:
    """A warning: in bold what is the matter, then what follows from it."""

    head: str
    text: str


def run_words(data: ReportData) -> list[dict[str, str]]:
    """When, by which command, on which machine and with which versions, one entry a run."""
    return [
        {
            "date": clean(str(run.get("date", "date unknown"))).replace("T", " ").replace("+00:00", " UTC"),
            "command": clean(shlex.join(str(word) for word in run.get("command", []))),
            "made": _made(run),
            "machine": clean(f"{run.get('platform', 'unknown')}, {run.get('cores', '?')} cores"),
            "versions": clean(", ".join(f"{name} {number}" for name, number in run.get("versions", {}).items())),
        }
        for run in data.runs
    ]


def section_words(section: Section) -> list[str]:
    """How a protocol's rows were held out, split and judged."""
    return protocol_words(section.protocol, section.setting.caps, section.setting.shots)


def common_words(data: ReportData) -> list[str]:
    """What holds for all protocols, to be said once; nothing where there is only one."""
    said = [section_words(section) for part in data.parts for section in part.sections]
    if len(said) < 2:
        return []
    return [line for line in dict.fromkeys(line for lines in said for line in lines) if all(line in x for x in said)]


def common_caveats(comparisons: Sequence[Comparison]) -> list[str]:
    """What may not be concluded from any of the comparisons, to be said once."""
    said = [caveats(comparison) for comparison in comparisons]
    return [line for line in said[0] if all(line in lines for lines in said)] if said else []


def _made(run: dict[str, Any]) -> str:
    workers = run.get("workers", 1)
    with_workers = f"{workers} {'process' if workers == 1 else 'processes'}"
    if "results" not in run:
        return f"cut off; of {run.get('to_do', '?')} results those that were finished were kept; {with_workers}"
    return (
        f"{run['results']} results in {run.get('seconds', 0):,.0f} s with {with_workers}, {run.get('kept', 0)} kept "
        "from earlier runs"
    )


def data_files(data: ReportData) -> list[dict[str, Any]]:
    """Each data set with its size and digests; results on other data are never in the same folder."""
    found: dict[str, dict[str, Any]] = {}
    for run in data.runs:
        for name, record in run.get("data", {}).items():
            found[name] = {
                "name": clean(name),
                "size": f"{record['rows']:,} rows, {record['features']} features",
                "digest": str(record["digest"]),
                "files": [{"name": clean(file), "digest": sha} for file, sha in sorted(record["files"].items())],
            }
    return [found[name] for name in sorted(found)]


def extent(section: Section) -> str:
    """How much was run: held-out groups, seeds, splits."""
    done = [result for result in section.results if result.status == "done"]
    held = sorted({clean(result.key.held_out) for result in done})
    seeds = spans([result.key.seed for result in done])
    groups = f"{len(held)} held-out {'group' if len(held) == 1 else 'groups'} ({joined(held, most=99)})"
    classes = sorted({clean(name) for result in done for name in result.key.classes})
    what = groups if section.protocol.hold_out == "groups" else f"{len(classes)} held-out classes"
    splits = f"{len(section.splits)} {'split' if len(section.splits) == 1 else 'splits'}"
    first = f", the first with digest {section.splits[0][:12]}" if section.splits else ""
    return (
        f"Setting {section.setting.name}; {what}; seeds {seeds}; {splits}, re-checked against their manifests{first}."
    )


def flags(section: Section) -> list[Flag]:
    """What makes a protocol's figures doubtful."""
    found = []
    stump = section.stump
    if stump is not None:
        best = section.ranked[0]
        found.append(
            Flag(
                f"{section.protocol.name}: this protocol is solved by one column.",
                f"The best single feature reaches a macro AUROC of {figure(stump.auroc)}, the best method, "
                f"{best.method}, {figure(best.auroc)}: it cannot tell methods apart.",
            )
        )
    for control in section.controls:
        twin = _TWINS.get(control.method, control.method.partition(":")[2])
        line = next((line for line in section.ranked if line.method == twin), None)
        if line is not None and control.auroc >= line.auroc:
            found.append(_no_better(section, line, control))
    return found


def _no_better(section: Section, line: MethodSummary, control: MethodSummary) -> Flag:
    """A method that its control equals."""
    if control.method.startswith("untrained"):
        return Flag(
            f"{section.protocol.name}: an untrained twin does as well.",
            f"{line.method} reaches {figure(line.auroc)} trained and {figure(control.auroc)} with the weights it "
            "starts from: its AUROC does not come from training.",
        )
    return Flag(
        f"{section.protocol.name}: shuffled labels do as well.",
        f"{line.method} reaches {figure(line.auroc)} with its labels and {figure(control.auroc)} with shuffled "
        "ones: its AUROC does not come from the labels.",
    )


def own_caveats(part: Part, comparison: Comparison, shared: Sequence[str]) -> list[str]:
    """What may not be concluded from one comparison, beside what was said of all."""
    said = [line for line in caveats(comparison) if line not in shared]
    return [*said, *(unequal_rates(part) if comparison.table.measure == "recall_0.01" else [])]


def unequal_rates(part: Part) -> list[str]:
    """Where recall at 1 % compares methods of which some raise more false alarms than that."""
    said = []
    for section in part.sections:
        above = [line.method for line in section.ranked if exceeds(section, line, "0.01")]
        if above:
            said.append(
                f"{section.protocol.name}: {joined(above, most=99)} raise more false alarms than the 1 % asked (⚠ in "
                "its table), so what they catch there is at a higher rate than what the others catch."
            )
    return said


def second_figures(section: Section) -> list[str]:
    """What was dropped, and of the first few methods the strict figure and the one with dropped rows kept."""
    said = []
    taken = [
        f"{clean(name)} {gone:,} of {rows:,}"
        for name, (gone, rows) in section.dropped.items()
        if gone > _MUCH_DROPPED * rows
    ]
    if taken:
        said.append(f"Left out, equal to another or to a normal row: {joined(taken, most=99)}.")
    for line in section.ranked[:_MOST_BESIDE]:
        for what, found in (("published labels only", line.strict), ("with dropped rows kept", line.with_dropped)):
            if found and abs(found["auroc"] - line.auroc) >= 0.0005:
                said.append(
                    f"{line.method}, {what}: AUROC {figure(found['auroc'])}, caught at 1 % false alarms "
                    f"{percent(found.get('recall 0.01'))} %."
                )
    return said


def refused_words(data: ReportData) -> list[str]:
    """Rates that calibration sets were too small for."""
    return [
        f"{protocol}: {rate_name(rate)} false alarms cannot be promised in every cell ({reason})."
        for protocol, rate, reason in data.refused
    ]
