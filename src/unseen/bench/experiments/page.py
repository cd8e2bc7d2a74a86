"""What an experiment says: parts of sentences and tables, as Markdown and as plain values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from unseen.bench.report.markdown import plain
from unseen.bench.report.table import Row, Table, Value

__all__ = ["Part", "markdown_lines", "part_json", "row"]


@dataclass(frozen=True)
class Part:
    """A heading, sentences below it, and tables below those; each table with the sentence that leads to it."""

    title: str
    said: list[str] = field(default_factory=list)
    tables: list[tuple[str, Table]] = field(default_factory=list)


def row(name: str, *values: str) -> Row:
    """A row of plain text."""
    return Row(name, [Value(value) for value in values])


def markdown_lines(part: Part) -> list[str]:
    """A part as lines of Markdown, a blank line after each block."""
    lines = [f"## {plain(part.title)}", ""]
    if len(part.said) == 1:
        lines += [plain(part.said[0]), ""]
    elif part.said:
        lines += [*(f"- {plain(said)}" for said in part.said), ""]
    for lead, table in part.tables:
        lines += [plain(lead), "", *_table(table), ""]
        for note in table.notes:
            lines += [plain(note), ""]
    return lines


def _table(table: Table) -> list[str]:
    return [
        _line(table.head),
        f"|---|{'---:|' * (len(table.head) - 1)}",
        *(_line([found.name, *(_text(value) for value in found.values)]) for found in table.rows),
    ]


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(plain(cell) for cell in cells)} |"


def _text(value: Value) -> str:
    return f"{value.text} ({value.note})" if value.note else value.text


def part_json(part: Part) -> dict[str, Any]:
    """A part as plain values."""
    return {
        "title": part.title,
        "said": part.said,
        "tables": [
            {
                "lead": lead,
                "head": table.head,
                "rows": [[found.name, *(_text(value) for value in found.values)] for found in table.rows],
                "notes": table.notes,
            }
            for lead, table in part.tables
        ],
    }
