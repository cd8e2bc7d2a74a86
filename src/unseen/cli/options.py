"""Options that several commands share, so that they read and mean the same everywhere."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

__all__ = ["Data", "Json", "Model", "OwnModel", "Quiet", "Rate", "names"]

Data = Annotated[str, typer.Argument(help="A CSV, Parquet or Arrow file, a folder of them, or a glob.")]
Model = Annotated[Path, typer.Argument(help="A model file written by 'unseen fit' or 'unseen export'.")]
OwnModel = Annotated[Path, typer.Argument(help="A model file written by 'unseen fit', not an exported one.")]
Rate = Annotated[
    float | None,
    typer.Option("--false-alarm-rate", help="The share of normal rows that may raise an alarm, for example 0.01."),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for a machine.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress and no notes.")]

# A quoted name, in which "" is a quote, or anything up to the next comma.
_NAME = re.compile(r'\s*(?:"((?:[^"]|"")*)"\s*(?=,|$)|([^,]*))(?:,|$)')


def names(text: str) -> tuple[str, ...]:
    """Names from a comma-separated option; a name with a comma or outer spaces stands in double quotes.

    Example:
        >>> names('Bot, "Web, SQL" ,DoS')
        ('Bot', 'Web, SQL', 'DoS')
    """
    found = []
    for quoted, bare in _NAME.findall(text):
        found.append(quoted.replace('""', '"') or bare.strip())
    return tuple(dict.fromkeys(name for name in found if name))
