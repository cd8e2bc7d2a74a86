"""What a table of the report is, the same for HTML and Markdown."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Row", "Table", "Value"]


@dataclass(frozen=True)
class Value:
    """One cell of a table.

    Attributes:
        text: What it says.
        note: A second, smaller line.
        best: Whether it is the best of its column, controls aside.
        flag: Whether something is wrong with it.
        heat: How strongly to colour it, from 0 to 1.
    """

    text: str
    note: str = ""
    best: bool = False
    flag: bool = False
    heat: float | None = None


@dataclass(frozen=True)
class Row:
    """A row; ``control`` sets it apart from the methods compared."""

    name: str
    values: list[Value]
    note: str = ""
    control: bool = False


@dataclass(frozen=True)
class Table:
    """A table with its column heads, and below them what a reader needs to know to read it."""

    head: list[str]
    rows: list[Row]
    notes: list[str]
