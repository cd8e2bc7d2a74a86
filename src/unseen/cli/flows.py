"""`unseen flows`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from unseen.cli.options import Json, Quiet

__all__ = ["ActiveTimeout", "IdleTimeout", "flows"]

IdleTimeout = Annotated[int, typer.Option(min=1, help="Seconds without a packet after which a flow ends.")]
ActiveTimeout = Annotated[int, typer.Option(min=1, help="Seconds after which a flow is cut and a new one begun.")]


def flows(
    captures: Annotated[list[str], typer.Argument(help="pcap or pcapng files, folders of them, or globs.")],
    out: Annotated[Path, typer.Option("--out", help="The Parquet, CSV or Arrow file to write.")],
    idle_timeout: IdleTimeout = 120,
    active_timeout: ActiveTimeout = 1800,
    sample: Annotated[int, typer.Option(min=1, help="Keep one flow in this many, by a hash of its addresses.")] = 1,
    joined: Annotated[bool, typer.Option("--joined", help="The files are pieces of one capture, in order.")] = False,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Turn packets into flows: one row a flow, to fit on and to score."""
    from unseen.cli import output
    from unseen.jobs.flows import flows_file
    from unseen.packets import MeterSettings

    settings = MeterSettings(idle_timeout, active_timeout, sample, joined)
    with output.row_progress("records", None, quiet=quiet) as bar:
        progress = None if bar is None else lambda done, total: bar(done)
        report = flows_file(captures, out=out, settings=settings, progress=progress)
    output.notes(report.notes, quiet=quiet)
    if json:
        output.print_json({"out": str(out), **asdict(report)})
        return
    files = "1 file" if len(report.files) == 1 else f"{len(report.files)} files"
    output.say(f"{report.flows:,} flows of {report.packets:,} packets in {files}: {out}")
