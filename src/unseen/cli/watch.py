"""`unseen watch`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from unseen.cli.flows import ActiveTimeout, IdleTimeout
from unseen.cli.options import Json, Model, Quiet, Rate

__all__ = ["watch"]


def watch(
    model: Model,
    source: Annotated[str, typer.Argument(help="A capture, a growing log, a FIFO, - (stdin), or an interface.")],
    out: Annotated[str, typer.Option("--out", help="A .jsonl, .csv or .parquet file, or - for stdout.")] = "-",
    false_alarm_rate: Rate = None,
    state: Annotated[Path | None, typer.Option(help="A file that lets a restart go on and lose nothing.")] = None,
    fold: Annotated[
        float, typer.Option(min=0, help="Seconds of quiet that end a burst of alarms; 0: no folding.")
    ] = 60,
    once: Annotated[bool, typer.Option("--once", help="End at the end of a log, or when a FIFO's writers go.")] = False,
    rejects: Annotated[Path | None, typer.Option(help="A file for lines that could not be read.")] = None,
    real_time: Annotated[bool, typer.Option("--real-time", help="Replay a capture at the pace of its times.")] = False,
    idle_timeout: IdleTimeout = 120,
    active_timeout: ActiveTimeout = 1800,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Score what keeps coming and write alarms as they are raised, until the source ends or SIGTERM or Ctrl-C."""
    from unseen.cli import output
    from unseen.errors import InputError
    from unseen.jobs.places import refuse_overwrite
    from unseen.loading import load
    from unseen.packets import MeterSettings
    from unseen.streams.watch import WatchSettings
    from unseen.streams.watch import watch as run

    if json and out == "-":
        raise InputError("standard output carries the alarms; with --json send them to a file: --out alarms.jsonl")
    for place in (out, rejects):
        if place is not None and place != "-":
            refuse_overwrite(place, [model])
    detector = load(model)
    meter = MeterSettings(idle_timeout, active_timeout, real_time=real_time)
    settings = WatchSettings(false_alarm_rate, state, fold, once, rejects, meter)
    with output.row_progress("rows", None, quiet=quiet) as progress:
        report = run(detector, source, out=out, model=model.name, settings=settings, progress=progress)
    output.notes(report.notes, quiet=quiet)
    if json:
        output.print_json({"out": out, **asdict(report)})
        return
    line = (
        f"{report.rows:,} rows, {report.alarms:,} alarms in {report.bursts:,} bursts "
        f"at a false-alarm rate of {report.false_alarm_rate:g}"
    )
    if out == "-":
        output.notes([line], quiet=quiet)
    else:
        output.say(f"{line}: {out}")
