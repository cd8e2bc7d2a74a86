"""`unseen fit`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from unseen.cli.options import Data, Json, Quiet, names

if TYPE_CHECKING:
    from unseen.jobs.fit import FitReport

__all__ = ["fit"]


def fit(
    data: Data,
    out: Annotated[Path, typer.Option("--out", help="The model file to write.")],
    label: Annotated[str | None, typer.Option(help="The label column; without it all rows are normal.")] = None,
    normal: Annotated[str | None, typer.Option(help="The label of normal rows.")] = None,
    hide: Annotated[str, typer.Option(help="Classes never trained on, comma-separated; 'evaluate' tests them.")] = "",
    ignore: Annotated[str, typer.Option(help="Metadata columns, comma-separated; they are no features.")] = "",
    categorical: Annotated[str, typer.Option(help="Columns of numbers that are names, comma-separated.")] = "",
    detector: Annotated[str, typer.Option(help="The detector: unseen, sculptor or meta.")] = "unseen",
    preset: Annotated[
        str | None, typer.Option(help="For --detector sculptor or meta: fast, or paper, as published.")
    ] = None,
    false_alarm_rate: Annotated[float, typer.Option(help="The share of normals that may raise an alarm.")] = 0.01,
    split_by: Annotated[
        str | None, typer.Option(help="A column (day, host, recording) whose equal values stay in one part.")
    ] = None,
    split_time: Annotated[
        str | None, typer.Option(help="A column of times; each of about 100 consecutive blocks stays in one part.")
    ] = None,
    domain: Annotated[
        str | None, typer.Option(help="A column that names each row's day, host or site, for --detector meta.")
    ] = None,
    shots: Annotated[
        int | None, typer.Option(min=1, help="Labelled rows of each known class to use, for --detector meta.")
    ] = None,
    episodes: Annotated[int | None, typer.Option(min=1, help="Episodes, for --detector meta.")] = None,
    encoder_epochs: Annotated[int | None, typer.Option(min=1, help="Epochs of the encoder; the preset's own.")] = None,
    flow_epochs: Annotated[int | None, typer.Option(min=1, help="Epochs of the flow; the preset's own.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seeds the split and the training.")] = 0,
    resume: Annotated[bool, typer.Option("--resume", help="Go on where an interrupted run stopped.")] = False,
    profile: Annotated[bool, typer.Option("--profile", help="Say where the time went.")] = False,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Learn from a table of normal rows and known anomalies, and write a model.

    A quarter of the normal rows, a fifth of each known class and all hidden classes are kept for 'unseen evaluate'.
    """
    from unseen.cli import output
    from unseen.jobs.fit import fit_file
    from unseen.stages import recorded_stages

    # What was not given is not passed on: each detector has its own, and refuses those of another.
    own = {
        "preset": preset,
        "shots": shots,
        "episodes": episodes,
        "encoder_epochs": encoder_epochs,
        "flow_epochs": flow_epochs,
    }
    with _interruptible(out), recorded_stages() as seconds, output.training_progress(quiet=quiet) as progress:
        report = fit_file(
            data,
            out=out,
            label=label,
            normal=normal,
            hide=names(hide),
            ignore=names(ignore),
            categorical=names(categorical),
            detector=detector,
            seed=seed,
            split_by=split_by,
            split_time=split_time,
            domain=domain,
            resume=resume,
            progress=progress,
            false_alarm_rate=false_alarm_rate,
            **{name: value for name, value in own.items() if value is not None},
        )
    _tell(report, out, seconds if profile else None, json=json, quiet=quiet)


def _tell(report: FitReport, out: Path, seconds: dict[str, float] | None, *, json: bool, quiet: bool) -> None:
    from unseen.cli import output

    fitted = report.detector
    telling = [
        f"column {name!r} alone tells normal rows from anomalies ({output.percent(accuracy)} balanced accuracy); "
        f"if it is no property of what you watch, leave it out: --ignore {name!r}"
        for name, accuracy in list(report.telling.items())[:5]
    ]
    output.notes([*report.notes, *telling], quiet=quiet)
    if json:
        output.print_json(
            {
                "model": str(out),
                "counts": report.counts,
                "training": fitted.training_report_,
                "notes": list(report.notes),
                "telling_columns": report.telling,
                **({"profile": seconds} if seconds is not None else {}),
            }
        )
        return
    table = output.table("class", *report.counts, title=f"{out}: rows by class")
    classes = sorted({name for counts in report.counts.values() for name in counts})
    for name in sorted(classes, key=lambda name: (name != fitted.schema_.normal, name)):
        shown = f"{name} (normal)" if name == fitted.schema_.normal else name
        table.add_row(shown, *(f"{counts.get(name, 0):,}" for counts in report.counts.values()))
    output.print_table(table)
    output.say(
        f"{len(fitted.schema_.columns)} feature columns, {len(fitted.preparer_.names)} prepared; "
        f"{fitted.calibrator_.rows:,} calibration rows: rates from {fitted.calibrator_.smallest_rate:.2g} up"
    )
    if seconds is not None:
        _print_profile(seconds)


def _print_profile(seconds: dict[str, float]) -> None:
    from unseen.cli import output

    whole = sum(seconds.values())
    table = output.table("stage", "seconds", "share", title=f"{whole:.1f} seconds")
    for name, taken in sorted(seconds.items(), key=lambda entry: -entry[1]):
        table.add_row(name, f"{taken:.2f}", output.percent(taken / whole))
    output.print_table(table)


@contextmanager
def _interruptible(out: Path) -> Iterator[None]:
    """Say after Ctrl-C what a later --resume can go on from."""
    try:
        yield
    except KeyboardInterrupt:
        from unseen.jobs.places import Checkpoints

        checkpoints = Checkpoints(out)
        if checkpoints.exist():
            sys.stderr.write(f"{checkpoints.folder} is kept: the same command with --resume goes on from there\n")
        raise
