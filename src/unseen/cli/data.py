"""`unseen data`: the data sets this project knows."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from unseen.cli.options import Json, Quiet

if TYPE_CHECKING:
    from unseen.sources.catalog import AddReport

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="The data sets Unseen knows: list them, add your files, fetch them.")

Name = Annotated[str, typer.Argument(help="A data set's name; see 'unseen data list'.")]


@app.command("list")
def list_sets(json: Json = False) -> None:
    """List the data sets: rows, classes, terms, citation, and how to get each."""
    from unseen.cli import output
    from unseen.sources.catalog import data_folder, listing

    known = listing()
    if json:
        output.print_json([entry.model_dump(mode="json") for entry in known])
        return
    output.say(f"Data folder: {data_folder()} (set UNSEEN_DATA_DIR to change it)")
    for entry in known:
        here = f"here: {entry.path}" if entry.path else f"to get it: {entry.obtain}"
        output.say(
            f"\n{entry.name}: {entry.title}\n"
            f"  {entry.rows:,} rows, {entry.features} features, {entry.classes} classes, normal: {entry.normal}\n"
            f"  {here}\n  terms: {entry.terms}\n  cite: {entry.citation}"
        )


@app.command()
def add(
    name: Name,
    path: Annotated[Path, typer.Argument(help="The file or folder you hold.")],
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Check the files you hold and convert them once to Parquet in the data folder."""
    from unseen.cli import output
    from unseen.sources.catalog import add, entry
    from unseen.splits import row_hashes

    with output.row_progress(f"reading {name}", entry(name).rows, quiet=quiet) as progress:
        report = add(
            name,
            path,
            hasher=lambda batch: row_hashes(batch, batch.schema.names),
            progress=None if progress is None else lambda done, _: progress(done),
        )
    _print_report(report, json=json, quiet=quiet)


@app.command()
def fetch(name: Name, json: Json = False, quiet: Quiet = False) -> None:
    """Download a data set where its publisher allows it, and convert it to Parquet."""
    from unseen.cli import output
    from unseen.sources.catalog import fetch
    from unseen.splits import row_hashes

    with output.row_progress(f"fetching {name}", None, quiet=quiet) as progress:
        report = fetch(
            name,
            hasher=lambda batch: row_hashes(batch, batch.schema.names),
            progress=None if progress is None else lambda done, _: progress(done),
        )
    _print_report(report, json=json, quiet=quiet)


def _print_report(report: AddReport, *, json: bool, quiet: bool) -> None:
    from unseen.cli import output
    from unseen.sources.catalog import entry

    output.notes(report.notes, quiet=quiet)
    if json:
        output.print_json(report.model_dump(mode="json"))
        return
    table = output.table("class", "rows", title=f"{report.name}: {report.rows:,} rows, written to {report.path}")
    for label, rows in report.classes.items():
        table.add_row(label, f"{rows:,}")
    output.print_table(table)
    for count, what in (
        (report.duplicates, "rows repeat an earlier row exactly"),
        (report.same_features, "rows repeat an earlier row's features"),
        (report.label_conflicts, "feature vectors carry more than one label"),
    ):
        if count is not None:
            output.say(f"{count:,} {what}")
    for line in report.differences:
        output.say(f"differs from the catalog: {line}")
    known = entry(report.name)
    ignore = f' --ignore "{",".join(known.metadata)}"' if known.metadata else ""
    output.say(
        f'next: unseen fit {report.path} --label "{known.label}" --normal "{known.normal}"{ignore} --out m.unseen'
    )
