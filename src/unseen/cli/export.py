"""`unseen export`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from unseen.cli.options import Json, OwnModel, Quiet, Rate

if TYPE_CHECKING:
    from unseen.export import Parity

__all__ = ["export"]


def export(
    model: OwnModel,
    out: Annotated[Path, typer.Option("--out", help="The ONNX file to write, for example m.onnx.")],
    false_alarm_rate: Rate = None,
    check: Annotated[
        str | None, typer.Option(help="Rows to compare both models on; nothing is written if they disagree.")
    ] = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Write a model as one ONNX file, from preparation to alarms; 'unseen score' runs it without torch."""
    from unseen.cli import output
    from unseen.detectors import load
    from unseen.export import export_detector
    from unseen.jobs.places import refuse_overwrite

    refuse_overwrite(out, [model])
    parity = export_detector(load(model), out, false_alarm_rate=false_alarm_rate, check=check)
    size = out.stat().st_size
    if json:
        output.print_json({"out": str(out), "bytes": size, "parity": None if parity is None else parity.model_dump()})
        return
    if parity is not None:
        _print_parity(parity)
    elif not quiet:
        output.notes(["not compared with the original; --check DATA does"], quiet=quiet)
    output.say(f"{out}: {size / 1e6:.1f} MB")


def _print_parity(parity: Parity) -> None:
    from unseen.cli import output
    from unseen.export import TOLERANCE

    output.say(
        f"{parity.rows:,} rows: anomaly scores differ by {parity.typical:.1g} (median) to {parity.largest:.1g} "
        f"relatively, {parity.beyond:,} rows by more than {TOLERANCE:g}"
    )
    table = output.table("rate", "alarms before", "alarms after", "rows that differ", "of them at the threshold")
    for alarm in parity.alarms:
        counts = (alarm.detector, alarm.exported, alarm.differing, alarm.at_threshold)
        table.add_row(output.percent(alarm.rate), *(f"{count:,}" for count in counts))
    output.print_table(table)
