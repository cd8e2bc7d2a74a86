"""`unseen explain`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from unseen.cli.options import Data, Json, OwnModel, Quiet, Rate

__all__ = ["explain"]


def explain(
    model: OwnModel,
    data: Data,
    out: Annotated[Path, typer.Option("--out", help="The Parquet, CSV or Arrow file to write: one row an alarm.")],
    false_alarm_rate: Rate = None,
    show: Annotated[int, typer.Option(min=0, help="Groups of like alarms to print, the largest first.")] = 20,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Say why rows alarm: which evidences spoke, the nearest known class or a new kind, and which alarms are alike."""
    from unseen.cli import output
    from unseen.detectors import load
    from unseen.jobs.explain import explain_file
    from unseen.jobs.places import refuse_overwrite

    refuse_overwrite(out, [model])
    detector = load(model)
    with output.row_progress("scoring", None, quiet=quiet) as progress:
        report = explain_file(detector, data, out=out, false_alarm_rate=false_alarm_rate, progress=progress)
    output.notes(report.notes, quiet=quiet)
    if json:
        output.print_json({"out": str(out), **asdict(report)})
        return
    table = output.table("alarms", "typical row", "p", "nearest known", "spoke")
    table.columns[3].justify = table.columns[4].justify = "left"
    for group in report.groups[:show]:
        table.add_row(
            f"{group['size']:,}",
            str(group["row"]),
            f"{group['p_value']:.2g}",
            group["nearest_known"] or "",
            group["spoke"] or "",
        )
    if report.groups:
        output.print_table(table)
    if len(report.groups) > show:
        output.say(f"{len(report.groups) - show} smaller groups are in {out}")
    output.say(
        f"{report.rows:,} rows, {report.alarms:,} alarms at a false-alarm rate of {report.false_alarm_rate:g}: {out}"
    )
