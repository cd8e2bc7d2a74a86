"""`unseen score`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from unseen.cli.options import Data, Json, Model, Quiet, Rate

__all__ = ["score"]


def score(
    model: Model,
    data: Data,
    out: Annotated[Path, typer.Option("--out", help="The Parquet, CSV or Arrow file to write.")],
    false_alarm_rate: Rate = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Threads that score; all cores by default.")] = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Score every row of a table: anomaly score, p-value, and alarm at a false-alarm rate."""
    from unseen.cli import output
    from unseen.jobs.places import refuse_overwrite
    from unseen.jobs.score import score_file
    from unseen.loading import load

    refuse_overwrite(out, [model])
    detector = load(model)
    with output.row_progress("scoring", None, quiet=quiet) as progress:
        report = score_file(
            detector, data, out=out, false_alarm_rate=false_alarm_rate, workers=workers, progress=progress
        )
    output.notes(report.notes, quiet=quiet)
    if json:
        output.print_json({"out": str(out), **asdict(report)})
        return
    output.say(
        f"{report.rows:,} rows, {report.alarms:,} alarms ({output.percent(report.alarms / max(report.rows, 1), 2)}) "
        f"at a false-alarm rate of {report.false_alarm_rate:g}: {out}"
    )
