"""The commands, gathered. Heavy imports stay inside the commands, so that --help is quick."""

from __future__ import annotations

import typer

from unseen import __version__
from unseen.cli import adapt, bench, data, demo, evaluate, explain, export, fit, flows, info, score, watch

__all__ = ["app"]

app = typer.Typer(
    help="Detect anomaly classes nobody has seen yet, with alarms at a calibrated false-alarm rate.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command("demo")(demo.demo)
app.command("flows")(flows.flows)
app.command("fit")(fit.fit)
app.command("score")(score.score)
app.command("explain")(explain.explain)
app.command("adapt")(adapt.adapt)
app.command("export")(export.export)
app.command("watch")(watch.watch)
app.command("evaluate")(evaluate.evaluate)
app.command("info")(info.info)
app.add_typer(data.app, name="data")
app.add_typer(bench.app, name="bench")


def _version(value: bool) -> None:
    if value:
        typer.echo(f"unseen {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Print the version."),
) -> None:
    """Detect anomaly classes nobody has seen yet, with alarms at a calibrated false-alarm rate."""
