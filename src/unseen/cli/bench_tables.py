"""What `unseen bench run` prints: one table a protocol, and a paper's figures beside ours."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from unseen.cli import output

if TYPE_CHECKING:
    from unseen.bench.protocol import Protocol
    from unseen.bench.results import CellResult
    from unseen.bench.run import RunReport
    from unseen.bench.summary import MethodSummary

__all__ = ["print_report"]

# Columns of our methods beside a paper's that fit into 80 characters.
_MOST_BESIDE = 3


def print_report(report: RunReport, protocols: Sequence[Protocol], *, json: bool, quiet: bool) -> None:
    """Print what became of a run: failures as notes, then a table for each protocol, or all of it as JSON."""
    from unseen.bench.summary import summarise

    lines = summarise(report.cells, protocols)
    failures = _failures(report.failed)
    if failures:
        failures.append("failed methods are run again with --retry-failed")
    output.notes(failures, quiet=quiet)
    if json:
        failed = [{**r.key.model_dump(mode="json"), "method": r.label, "error": r.error} for r in report.failed]
        said = {"results": str(report.folder), "run": report.run, "done": report.done, "kept": report.kept}
        summaries = [line.model_dump() for line in lines]
        output.print_json({**said, "failed": failed, "seconds": report.seconds, "summaries": summaries})
        return
    for protocol in protocols:
        of_protocol = [line for line in lines if line.protocol == protocol.name]
        # One table for each number of shots, in the order in which they were asked for.
        for setting in dict.fromkeys(cell.key.setting.name for cell in report.cells):
            _print_protocol(protocol, [line for line in of_protocol if line.setting == setting], report)
    output.say(
        f"{report.done} results made in {report.seconds:.0f} s, {report.kept} kept from earlier runs, "
        f"{len(report.failed)} failed\n{report.folder}"
    )


def _failures(failed: Sequence[CellResult]) -> list[str]:
    """Each failure of a method once, with the cells it is the same in."""
    alike: dict[tuple[str, str | None], list[CellResult]] = {}
    for result in failed:
        alike.setdefault((result.label, result.error), []).append(result)
    said = []
    for (label, error), results in alike.items():
        key = results[0].key
        where = key.name + ("" if key.setting.shots is None else f", {key.setting.shots} shots")
        more = f" and {len(results) - 1} more" if len(results) > 1 else ""
        said.append(f"{where}{more}: {label} failed: {error}")
    return said


def _print_protocol(protocol: Protocol, lines: Sequence[MethodSummary], report: RunReport) -> None:
    """Print a protocol's table, and below it what de-duplication took and a paper's figures."""
    if not lines:
        return
    each = "hidden groups" if protocol.hold_out == "groups" else "hidden classes"
    _say(f"\n{protocol.name}: {protocol.title}")
    _say(f"Rows: {lines[0].setting}. Medians over seeds {_spans(lines[0].seeds)} of means over {each}.")
    rates = [f"{rate:g}" for rate in protocol.rates if rate in (0.05, 0.01, 0.001)]
    asked = "/".join(_short(float(rate)) for rate in rates)
    _say(f"In %: unseen rows caught and false alarms at {asked} % asked for, known rows caught at 1 %. F1 at 5 %.")
    table = output.table("method", "AUROC", "caught", "known", "false alarms", "F1", "fit s")
    for line in lines:
        table.add_row(
            f"{line.method}{f' ({line.failed} failed)' if line.failed else ''}{' *' if line.row_dependent else ''}",
            _figure(line.auroc),
            " ".join(_share(line.recall.get(rate)) for rate in rates),
            _share(line.known_recall.get("0.01")),
            " ".join(_share(line.realised.get(rate), 2) for rate in rates),
            _figure(line.unseen_f1.get("0.05")),
            f"{line.fit_seconds:.{0 if line.fit_seconds >= 10 else 1}f}",
        )
    output.print_table(table)
    if any(line.row_dependent for line in lines):
        _say("* scores depend on the other rows of the batch")
    _print_second_figures(protocol, lines, report.folder)
    _print_tuning(protocol, lines, report.cells)
    if protocol.hold_out == "classes":
        _print_classes(protocol, lines)
    if protocol.published is not None:
        _print_published(protocol, lines)


def _print_second_figures(protocol: Protocol, lines: Sequence[MethodSummary], results: Path) -> None:
    """The strict figure, and the one with the rows that de-duplication took; both of the first few methods."""
    from unseen.bench.cell import dropped_rows

    dropped = dropped_rows(results, protocol.name, lines[0].setting)
    said = [f"{name} {taken:,} of {rows:,}" for name, (taken, rows) in dropped.items() if taken * 20 >= rows]
    if said:
        _say("Left out, equal to another or to a normal row: " + ", ".join(said))
    for line in lines[:_MOST_BESIDE]:
        if line.strict is not None:
            _say(f"{line.method}, published labels only: {_in_words(line.strict)}")
        if line.with_dropped is not None and abs(line.with_dropped["auroc"] - line.auroc) >= 0.0005:
            _say(f"{line.method}, with dropped rows kept: {_in_words(line.with_dropped)}")


def _print_tuning(protocol: Protocol, lines: Sequence[MethodSummary], cells: Sequence[CellResult]) -> None:
    """What was chosen within the cells, by method."""
    from unseen.bench.report.tuned import choices

    setting = lines[0].setting
    mine = [cell for cell in cells if cell.key.protocol == protocol.name and cell.key.setting.name == setting]
    for line in lines:
        said = choices([cell for cell in mine if cell.label == line.method])
        if said:
            _say(f"{line.method} chose {said}")


def _in_words(figures: dict[str, float]) -> str:
    return f"AUROC {_figure(figures['auroc'])}, caught at 1 % {_share(figures.get('recall 0.01'))} %"


def _print_classes(protocol: Protocol, lines: Sequence[MethodSummary]) -> None:
    rates = [rate for rate in (0.05, 0.01) if rate in protocol.rates]
    asked = "/".join(_short(rate) for rate in rates)
    shown = lines[:_MOST_BESIDE]
    title = f"AUROC, and % caught at {asked} %"
    table = output.table("hidden class", *(line.method for line in shown), title=title)
    for name in shown[0].classes:
        cells = []
        for line in shown:
            caught = " ".join(_share(line.classes.get(name, {}).get(f"{rate:g}")) for rate in rates)
            cells.append(f"{_figure(line.class_auroc.get(name))}  {caught}")
        table.add_row(name, *cells)
    output.print_table(table)


def _print_published(protocol: Protocol, lines: Sequence[MethodSummary]) -> None:
    published = protocol.published
    if published is None:
        return
    ours = lines[:_MOST_BESIDE]
    table = output.table(
        "figure",
        "published",
        *(line.method for line in ours),
        title="Beside the paper (F1: unseen / known)",
    )
    for row in published.rows:
        rate = None if row.rate is None else f"{row.rate:g}"
        at = "" if row.rate is None else f", ours at {_short(row.rate)} %"
        mine = [
            "" if rate is None else f"{_figure(line.unseen_f1.get(rate))} / {_figure(line.known_f1.get(rate))}"
            for line in ours
        ]
        table.add_row(f"F1 {row.name}{at}", f"{_figure(row.unseen_f1)} / {_figure(row.known_f1)}", *mine)
    table.add_row("AUROC", _figure(published.auroc), *(_figure(x.weighted.get("auroc")) for x in ours))
    table.add_row("AUPRC at balance", _figure(published.auprc), *(_figure(x.weighted.get("auprc")) for x in ours))
    at = f"{published.recall_at:g}"
    for name, value in published.recall.items():
        caught = [_figure(line.classes.get(name, {}).get(at)) for line in ours]
        table.add_row(f"recall of {name}", _figure(value), *caught)
    output.print_table(table)
    _say(f"{published.source}.\n{published.caveat}")


def _say(text: str) -> None:
    """Print a sentence in lines of at most 80 characters."""
    output.say("\n".join(textwrap.fill(line, 80) for line in text.split("\n")))


def _figure(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}".removeprefix("0")


def _share(value: float | None, digits: int = 1) -> str:
    """A share in percent, with decimals where it is small.

    Example:
        >>> _share(0.654), _share(0.0213), _share(0.0007, 2)
        ('65', '2.1', '0.07')
    """
    if value is None:
        return "–"
    percent = 100 * value
    return f"{percent:.0f}" if percent >= 9.95 else f"{percent:.{digits if percent < 0.995 else 1}f}"


def _short(rate: float) -> str:
    return f"{100 * rate:g}"


def _spans(numbers: Sequence[int]) -> str:
    """Seeds as a user writes them.

    Example:
        >>> _spans([0, 1, 2, 5])
        '0-2,5'
    """
    spans: list[list[int]] = []
    for number in numbers:
        if spans and number == spans[-1][1] + 1:
            spans[-1][1] = number
        else:
            spans.append([number, number])
    return ",".join(f"{first}-{last}" if last > first else f"{first}" for first, last in spans)
