"""`unseen bench experiment`."""

from __future__ import annotations

import sys
import textwrap
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from unseen.cli.options import Json, Quiet, names

if TYPE_CHECKING:
    from unseen.bench.data import DataSpec
    from unseen.bench.experiments import Document
    from unseen.bench.experiments.page import Part
    from unseen.bench.protocol import Protocol

__all__ = ["experiment"]


def experiment(
    name: Annotated[str, typer.Argument(help="The experiment; --list names them.", show_default=False)] = "",
    list_: Annotated[bool, typer.Option("--list", help="List the experiments, and the questions still open.")] = False,
    seeds: Annotated[str, typer.Option(help="Seeds, such as 0-4; the experiment's own by default.")] = "",
    out: Annotated[Path, typer.Option("--out", help="The folder of results; a run into the same goes on.")] = Path(
        "experiment-results"
    ),
    markdown: Annotated[Path | None, typer.Option(help="Write the experiment's page to this file.")] = None,
    protocol: Annotated[
        str, typer.Option(help="Protocols instead of the experiment's own, comma-separated, or a .toml of your own.")
    ] = "",
    caps: Annotated[str, typer.Option(help="Rows used: default (14,000 normals to train on) or full.")] = "default",
    slow: Annotated[bool, typer.Option("--slow", help="Run the variants that take many minutes too.")] = False,
    workers: Annotated[int, typer.Option(min=1, help="Processes to share the work among.")] = 1,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Run a named experiment, and print its answer and its tables; with --markdown, write its page.

    Every finished result is kept, so the same command goes on where it was stopped, and makes the page again at once.
    """
    from unseen.bench.experiments import document, render_markdown, run_experiment
    from unseen.bench.experiments import experiment as named
    from unseen.bench.experiments.document import document_json
    from unseen.bench.protocol import CAPS
    from unseen.cli import output
    from unseen.cli.bench import _progress, _seeds
    from unseen.errors import InputError

    if list_ or not name:
        if not list_:
            raise InputError("name an experiment, such as: unseen bench experiment thresholds (see --list)")
        _print_list(json=json)
        return
    chosen = named(name)
    if caps not in CAPS:
        raise InputError(f"--caps {caps}: choose one of {', '.join(CAPS)}")
    command = ["unseen", *sys.argv[1:]]
    with _progress(quiet=quiet) as progress:
        outcome = run_experiment(
            chosen,
            results=out,
            seeds=_seeds(seeds) if seeds else None,
            protocols=_protocols(protocol) if protocol else None,
            caps=caps,
            slow=slow,
            workers=workers,
            command=command,
            progress=progress,
        )
    output.notes([f"{failed}: {cell.key.name} failed: {cell.error}" for failed, cell in outcome.failed], quiet=quiet)
    found = document(outcome)
    if markdown is not None:
        _write(markdown, render_markdown(found, command=command, date=f"{datetime.now(UTC):%Y-%m-%d}"))
    if json:
        output.print_json(document_json(found))
    else:
        _print(found, markdown)
    if outcome.failed and len(outcome.failed) == sum(len(cells) for cells in outcome.cells.values()):
        raise typer.Exit(1)


def _protocols(text: str) -> list[tuple[Protocol, DataSpec]]:
    from unseen.bench.data import catalog_data
    from unseen.bench.experiments.plan import protocol_named
    from unseen.bench.protocol import read_protocols

    own = text.endswith(".toml")
    chosen = list(read_protocols(text).values()) if own else [protocol_named(one) for one in names(text)]
    return [(one, catalog_data(one.dataset)) for one in chosen]


def _write(path: Path, text: str) -> None:
    from unseen.atomic import atomic_write, check_writable

    check_writable(path)
    with atomic_write(path) as file:
        file.write(text.encode())


def _print_list(*, json: bool) -> None:
    from unseen.bench.experiments import EXPERIMENTS, OPEN
    from unseen.cli import output

    if json:
        output.print_json(
            {
                "experiments": [
                    {
                        "name": one.name,
                        "question": one.question,
                        "protocols": one.protocols,
                        "variants": [{"name": v.name, "about": v.about, "slow": v.slow} for v in one.variants],
                        "seeds": one.seeds,
                    }
                    for one in EXPERIMENTS.values()
                ],
                "open": [vars(one) for one in OPEN],
            }
        )
        return
    shown = output.table("experiment", "what it asks")
    shown.columns[1].justify = "left"
    for one in EXPERIMENTS.values():
        shown.add_row(one.name, one.question)
    for still in OPEN:
        shown.add_row(f"{still.name} (open)", f"{still.question} Not there yet: {still.why}.")
    output.print_table(shown)


def _print(found: Document, markdown: Path | None) -> None:
    from unseen.cli import output

    outcome = found.outcome
    _say(f"{outcome.experiment.title}\n{outcome.experiment.question}\n")
    for part in found.parts:
        _print_part(part)
    _print_part(found.answer)
    kept = sum(len(cells) for cells in outcome.cells.values()) - outcome.made
    output.say(
        f"{outcome.made} results made in {outcome.seconds:.0f} s, {kept} kept from earlier runs, "
        f"{len(outcome.failed)} failed\n{outcome.folder}"
    )
    if markdown is not None:
        output.say(str(markdown))


def _print_part(part: Part) -> None:
    from unseen.cli import output

    _say(f"\n{part.title}")
    _say("\n".join(part.said))
    for lead, table in part.tables:
        _say(f"\n{lead}")
        shown = output.table(*table.head)
        for row in table.rows:
            shown.add_row(row.name, *(f"{v.text} {v.note}" if v.note else v.text for v in row.values))
        output.print_table(shown)


def _say(text: str) -> None:
    """Print sentences in lines of at most 80 characters."""
    from unseen.cli import output

    if text:
        output.say("\n".join(textwrap.fill(line, 80) for line in text.split("\n")))
