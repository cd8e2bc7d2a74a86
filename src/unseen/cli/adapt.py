"""`unseen adapt`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from unseen.cli.options import Data, Json, OwnModel, Quiet

__all__ = ["adapt"]


def adapt(
    model: OwnModel,
    data: Data,
    verdict: Annotated[str, typer.Option(help="The column of verdicts: the normal label, or any other.")],
    out: Annotated[Path, typer.Option("--out", help="The model file to write.")],
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Sharpen a model by a few judged rows: missed kinds are caught, false alarms get fewer; no network is trained."""
    from unseen.cli import output
    from unseen.detectors import load
    from unseen.jobs.adapt import adapt_file

    report = adapt_file(load(model), data, verdict=verdict, out=out)
    output.notes(report.notes, quiet=quiet)
    if json:
        output.print_json({"out": str(out), **asdict(report)})
        return
    output.say(
        f"{report.anomalous:,} rows judged anomalous and {report.normal:,} normal; the model holds {report.total:,} "
        f"verdicts and is calibrated again: {out}"
    )
