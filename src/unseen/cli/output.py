"""How the commands speak: results on stdout, everything else on stderr, progress only on a terminal."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["complain", "notes", "percent", "print_json", "print_table", "row_progress", "table", "training_progress"]


def complain(message: str) -> None:
    """Print an error."""
    sys.stderr.write(f"error: {message}\n")


def notes(lines: Sequence[str], *, quiet: bool) -> None:
    """Print what the user should know, on stderr."""
    if not quiet:
        for line in lines:
            sys.stderr.write(f"note: {line}\n")


def print_json(value: Any) -> None:
    """Print one JSON document on stdout."""
    sys.stdout.write(json.dumps(value, indent=1, ensure_ascii=False) + "\n")


def percent(share: float, digits: int = 1) -> str:
    """A share in percent.

    Example:
        >>> percent(0.0123)
        '1.2 %'
    """
    return f"{100 * share:.{digits}f} %"


def table(*columns: str, title: str | None = None) -> Table:
    """An empty table; columns after the first are right-aligned."""
    from rich import box
    from rich.table import Table

    made = Table(box=box.SIMPLE_HEAD, title=title, title_justify="left", pad_edge=False)
    for position, name in enumerate(columns):
        made.add_column(name, justify="left" if position == 0 else "right", overflow="fold")
    return made


def print_table(made: Table) -> None:
    """Print a table on stdout, at most 80 columns wide where stdout is no terminal."""
    from rich.console import Console

    Console(width=None if sys.stdout.isatty() else 80, highlight=False).print(made)


@contextmanager
def row_progress(what: str, total: int | None, *, quiet: bool) -> Iterator[Any]:
    """A bar over rows; yields a function that takes the number of rows done, or ``None`` without a terminal."""
    if quiet or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=total)
        yield lambda done: bar.update(task, completed=done)


@contextmanager
def training_progress(*, quiet: bool) -> Iterator[Any]:
    """A bar over training steps with rate and remaining time; yields the callback, or ``None`` without a terminal."""
    if quiet or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        tasks: dict[str, Any] = {}

        def show(event: Any) -> None:
            if event.name not in tasks:
                tasks[event.name] = bar.add_task(event.name, total=event.epochs * event.steps, rate="")
            bar.update(
                tasks[event.name],
                completed=(event.epoch - 1) * event.steps + event.step,
                rate=f"epoch {event.epoch}/{event.epochs}  {event.rows_per_second:,.0f} rows/s",
            )

        yield show
