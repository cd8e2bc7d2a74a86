"""`unseen evaluate`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from unseen.cli.options import Data, Json, OwnModel, Quiet

if TYPE_CHECKING:
    from unseen.jobs.evaluate import Evaluation

__all__ = ["evaluate", "print_evaluation"]


def evaluate(
    model: OwnModel,
    data: Data,
    label: Annotated[str | None, typer.Option(help="The label column; the model's own by default.")] = None,
    normal: Annotated[str | None, typer.Option(help="The label of normal rows; the model's own by default.")] = None,
    all_rows: Annotated[
        bool, typer.Option("--all-rows", help="Use every row, for a file the model was not fitted on.")
    ] = False,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Compare the model's alarms with the labels, known and unseen classes apart.

    Rows that 'fit' trained on are left out; they are told by their values, so the same file can be given again.
    """
    from unseen.cli import output
    from unseen.detectors import load
    from unseen.jobs.evaluate import evaluate_file

    detector = load(model)
    with output.row_progress("scoring", None, quiet=quiet) as progress:
        result = evaluate_file(detector, data, label=label, normal=normal, all_rows=all_rows, progress=progress)
    output.notes(result.notes, quiet=quiet)
    if json:
        output.print_json(result.model_dump())
        return
    left = f", {result.left_out:,} training rows left out" if result.left_out else ""
    output.say(f"{result.rows:,} rows evaluated{left}")
    print_evaluation(result)


def print_evaluation(result: Evaluation) -> None:
    """Print an evaluation: false alarms first, then unseen and known classes."""
    from unseen.cli import output

    alarms = output.table("asked rate", "false alarms", "normals", "realised", "expected (95 %)", title="Normal rows")
    for rate in result.rates:
        alarms.add_row(
            output.percent(rate.rate),
            f"{rate.false_alarms:,}",
            f"{rate.normals:,}",
            output.percent(rate.realised, 2),
            f"{rate.expected_low:,}–{rate.expected_high:,}{'' if rate.within else '  outside'}",
        )
    for asked, reason in result.refused_rates.items():
        alarms.add_row(output.percent(float(asked)), "refused:", "", "", reason)
    output.print_table(alarms)
    if not all(rate.within for rate in result.rates):
        output.say("outside: these normals differ from the calibration's (docs/calibration.md)\n")
    shown = [f"{r.rate:g}" for r in result.rates if r.rate >= 0.01]
    headings = [f"caught at {output.percent(float(rate), 0)} (95 %)" for rate in shown]
    for kind, known in (("unseen", False), ("known", True)):
        classes = [c for c in result.classes if c.known == known]
        if not classes:
            continue
        rows = output.table(f"{kind} class", "rows", "AUROC", *headings)
        for c in sorted(classes, key=lambda c: -c.auroc):
            caught = [
                f"{100 * c.recall[r]:.0f} % ({100 * c.recall_low[r]:.0f}–{100 * c.recall_high[r]:.0f})" for r in shown
            ]
            rows.add_row(c.name, f"{c.rows:,}", f"{c.auroc:.3f}", *caught)
        total = result.summary[kind]
        rows.add_section()
        mean = [f"{100 * total[f'macro_recall_{r}']:.0f} %" for r in shown]
        rows.add_row(f"mean of {total['macro_classes']:.0f}", "", f"{total['macro_auroc']:.3f}", *mean)
        output.print_table(rows)
