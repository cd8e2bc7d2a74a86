"""The page of an experiment: question, answer, protocol, tables, cost, and how it was made; all from the results."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import unseen
from unseen.bench.experiments.compared import difference_part, figures_part
from unseen.bench.experiments.outcome import Outcome
from unseen.bench.experiments.page import Part, markdown_lines, part_json
from unseen.bench.report.markdown import plain
from unseen.bench.report.words import clean, protocol_words, seconds, spans
from unseen.bench.stats.sentences import joined

__all__ = ["Document", "document", "document_json", "render_markdown"]


@dataclass(frozen=True)
class Document:
    """What is printed, written and given to a machine.

    Attributes:
        outcome: The results.
        answer: The answer in sentences.
        parts: The tables.
        method: How rows were split and what was compared.
        made: When, how, on what and at what cost.
    """

    outcome: Outcome
    answer: Part
    parts: list[Part]
    method: list[Part]
    made: Part


def document(outcome: Outcome) -> Document:
    """The page of an experiment's results."""
    experiment = outcome.experiment
    failures = [f"{name} failed on {cell.key.name}: {cell.error}" for name, cell in outcome.failed]
    return Document(
        outcome=outcome,
        answer=Part("Answer", experiment.answer(outcome)),
        parts=[
            *(figures_part(outcome, protocol) for protocol in outcome.protocols),
            difference_part(outcome),
            *experiment.extras(outcome),
            *([Part("Failures", failures)] if failures else []),
        ],
        method=_method(outcome),
        made=Part("How this page was made", _made(outcome)),
    )


def _method(outcome: Outcome) -> list[Part]:
    experiment = outcome.experiment
    said = [
        f"{variant.name}: {variant.about} ({_called(variant.method, variant.parameters)})."
        for variant in outcome.variants
    ]
    # The shots of single variants are said with the variant.
    words = {p.name: protocol_words(p, outcome.caps, None) for p in outcome.protocols}
    common = [line for line in next(iter(words.values())) if all(line in lines for lines in words.values())]
    several = len(words) > 1
    protocols = [
        f"{name}: {' '.join(line for line in lines if not several or line not in common)}"
        for name, lines in words.items()
    ]
    if several and common:
        protocols.append(f"All protocols: {' '.join(common)}")
    if outcome.absent:
        protocols.append(f"Left out, since their data were not there: {joined(outcome.absent)}.")
    return [Part("Design", list(experiment.design)), Part("Variants", said), Part("Protocol", protocols)]


def _called(method: str, parameters: dict[str, Any]) -> str:
    # A class of this package by its own name: the module's is no news.
    name = method.rpartition(":")[2]
    return ", ".join([name, *(f"{key}={value}" for key, value in parameters.items())])


def _made(outcome: Outcome) -> list[str]:
    cells = [cell for found in outcome.cells.values() for cell in found]
    cost = outcome.cost
    said = [
        f"{len(cells)} results, {'seeds' if len(outcome.seeds) > 1 else 'seed'} {spans(outcome.seeds)}: "
        f"{seconds(cost)} seconds of fitting and scoring in all, those of earlier runs too, under the machine's load "
        "at that time."
    ]
    said += [line for run in outcome.runs[-1:] for line in _machine(run)]
    dates = sorted({str(run.get("date", ""))[:10] for run in outcome.runs})
    runs = f"{len(outcome.runs)} {'run' if len(outcome.runs) == 1 else 'runs'}"
    said.append(f"Results were made on {joined(dates)}, in {runs}." if dates else "No record of a run was found.")
    data: dict[str, dict[str, Any]] = {}
    wanted = {protocol.dataset for protocol in outcome.protocols}
    for run in outcome.runs:
        found = run.get("data")
        data |= {name: record for name, record in found.items() if name in wanted} if isinstance(found, dict) else {}
    said += [
        f"{clean(name)}: {record['rows']:,} rows, {record['features']} features, digest {record['digest'][:16]}; "
        + "; ".join(f"{clean(file)} SHA-256 {digest}" for file, digest in sorted(record["files"].items()))
        + "."
        for name, record in sorted(data.items())
    ]
    return said


def _machine(run: dict[str, object]) -> list[str]:
    versions = run.get("versions")
    named = (
        ", ".join(f"{name} {number}" for name, number in versions.items()) if isinstance(versions, dict) else "unknown"
    )
    return [f"{clean(str(run.get('platform', 'unknown')))}, {run.get('cores', '?')} cores; {clean(named)}."]


def render_markdown(found: Document, *, command: Sequence[str], date: str) -> str:
    """The page as Markdown.

    Arguments:
        found: The page.
        command: The command that makes it.
        date: When it was made.
    """
    experiment, line = found.outcome.experiment, clean(shlex.join(command))
    comment = line.replace("--", "&#45;&#45;") if "-->" in line else line
    lines = [
        f"<!-- Generated by `{comment}` on {date}, unseen {unseen.__version__}. Do not edit: run it again. -->",
        "",
        f"# {plain(experiment.title)}",
        "",
        f"**Question.** {plain(experiment.question)}",
        "",
        f"Generated on {date}, never by hand; the sentences below follow from the figures:",
        "",
        "```sh",
        line,
        "```",
        "",
    ]
    for part in [found.answer, *found.method, *found.parts, found.made]:
        lines += markdown_lines(part)
    return "\n".join(lines).rstrip() + "\n"


def document_json(found: Document) -> dict[str, Any]:
    """The page as plain values."""
    outcome = found.outcome
    return {
        "experiment": outcome.experiment.name,
        "question": outcome.experiment.question,
        "protocols": [protocol.name for protocol in outcome.protocols],
        "absent": list(outcome.absent),
        "seeds": list(outcome.seeds),
        "results": str(outcome.folder),
        "made": outcome.made,
        "kept": sum(len(cells) for cells in outcome.cells.values()) - outcome.made,
        "failed": [{"variant": name, "cell": cell.key.name, "error": cell.error} for name, cell in outcome.failed],
        "seconds": outcome.seconds,
        "fit_and_score_seconds": outcome.cost,
        "answer": found.answer.said,
        "parts": [part_json(part) for part in [*found.method, *found.parts, found.made]],
        "summaries": [line.model_dump() for line in outcome.summaries.values()],
        "comparisons": {
            measure: None if compared is None else compared.to_json()
            for measure, compared in outcome.comparisons.items()
        },
    }
