"""How the commands speak: results on stdout, everything else on stderr, progress only on a terminal."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.table import Table

__all__ = [
    "complain",
    "notes",
    "percent",
    "plain",
    "print_json",
    "print_table",
    "row_progress",
    "say",
    "table",
    "training_progress",
]

_NEWLINE = "\n"


def complain(message: str) -> None:
    """Print an error."""
    sys.stderr.write(f"error: {plain(message, keep=_NEWLINE)}\n")


def notes(lines: Sequence[str], *, quiet: bool) -> None:
    """Print what the user should know, on stderr."""
    if not quiet:
        for line in lines:
            sys.stderr.write(f"note: {plain(line)}\n")


def plain(text: str, *, keep: str = "") -> str:
    r"""Text with its control characters written out: names from a file must not steer the terminal.

    Example:
        >>> plain("a\x1b[31mb")
        'a\\x1b[31mb'
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in keep else repr(c)[1:-1] for c in text)


def print_json(value: Any) -> None:
    """Print one JSON document on stdout; a number that JSON does not know becomes null."""
    sys.stdout.write(json.dumps(_json_able(value), indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def _json_able(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(name): _json_able(entry) for name, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_json_able(entry) for entry in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def say(text: str) -> None:
    """Print a result line on stdout."""
    sys.stdout.write(f"{plain(text, keep=_NEWLINE)}\n")


def percent(share: float, digits: int = 1) -> str:
    """A share in percent.

    Example:
        >>> percent(0.0123)
        '1.2 %'
    """
    return f"{100 * share:.{digits}f} %"


def table(*columns: str, title: str | None = None) -> Table:
    """An empty table; columns after the first are right-aligned. Cells are printed as they are, without markup."""
    from rich import box
    from rich.table import Table

    class Plain(Table):
        def add_row(self, *cells: Any, **options: Any) -> None:
            super().add_row(*(plain(cell) if isinstance(cell, str) else cell for cell in cells), **options)

    columns, title = tuple(map(plain, columns)), None if title is None else plain(title)
    made = Plain(box=box.SIMPLE_HEAD, title=title, pad_edge=False)
    for position, name in enumerate(columns):
        made.add_column(name, justify="left" if position == 0 else "right", overflow="fold")
    return made


def print_table(made: Table) -> None:
    """Print a table on stdout, at most 80 columns wide where stdout is no terminal."""
    from rich.console import Console

    console = Console(width=None if sys.stdout.isatty() else 80, highlight=False, markup=False, emoji=False)
    if made.title:
        # Rich would fold a title to the width of its table.
        console.print(made.title, soft_wrap=True)
        made.title = None
    console.print(made)


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
            if event.phase not in tasks:
                tasks[event.phase] = bar.add_task(event.phase, total=event.epochs * event.steps, rate="")
            bar.update(
                tasks[event.phase],
                completed=(event.epoch - 1) * event.steps + event.step,
                rate=f"epoch {event.epoch}/{event.epochs}  {event.rows_per_second:,.0f} rows/s",
            )

        yield show
