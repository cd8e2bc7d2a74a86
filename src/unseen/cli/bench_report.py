"""`unseen bench report`."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from unseen.cli.options import Json

__all__ = ["report"]


def report(
    results: Annotated[Path, typer.Argument(help="The folder that 'unseen bench run --out' wrote.")],
    out: Annotated[Path, typer.Option("--out", help="The HTML file to write.")] = Path("report.html"),
    markdown: Annotated[Path | None, typer.Option(help="A Markdown file to write too, without drawings.")] = None,
    json: Json = False,
) -> None:
    """Write one HTML file that says what was run, who caught what, and what may be concluded.

    It opens without a network, prints, and holds every table, drawing and test.
    """
    from unseen.bench.report import write_report
    from unseen.bench.stats import conclusions
    from unseen.cli import output

    made = write_report(results, out, markdown=markdown, command=shlex.join(["unseen", *sys.argv[1:]]))
    comparisons = [c for part in made.data.parts for c in part.comparisons.values() if c is not None]
    if json:
        output.print_json(
            {
                "html": str(made.html),
                "markdown": None if made.markdown is None else str(made.markdown),
                "failures": [vars(failure) for failure in made.data.failures],
                "comparisons": [
                    {
                        "setting": part.setting.name,
                        "conclusions": conclusions(comparison),
                        **comparison.to_json(),
                    }
                    for part in made.data.parts
                    for comparison in part.comparisons.values()
                    if comparison is not None
                ],
            }
        )
        return
    for comparison in comparisons:
        typer.echo("\n".join(conclusions(comparison)) + "\n")
    typer.echo(f"{made.html} ({made.size / 1e6:.1f} MB)")
    if made.markdown is not None:
        typer.echo(str(made.markdown))
