"""The figures of the data card: rows, twins, ceiling and difficulty of two recordings, written into docs/lab.md."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from lab.benchmark import Scores, ceilings, known_families, leave_one_out, twins
from lab.errors import LabError
from lab.labels import BENIGN

__all__ = ["BEGIN", "END", "Card", "figures", "render", "replace_card"]

BEGIN = "<!-- written by python -m lab card; begin -->"
END = "<!-- end -->"
_METHODS = {"isolation forest": "forest", "gaussian mixture": "mixture", "boosting": "boosting"}


@dataclass(frozen=True)
class Card:
    """The figures of one recording.

    Attributes:
        counts: Rows by class.
        twins: Share of each family's rows that equal a benign row.
        ceilings: The share of each family's rows that a function of the features can catch at best, at 0.1 %.
        hidden: AUROC of each method on each family while it is hidden.
        known: AUROC of boosting on each family, trained on the other recording with all families known.
    """

    counts: dict[str, int]
    twins: dict[str, float]
    ceilings: dict[str, float]
    hidden: Scores
    known: dict[str, float]


def figures(flows: Path, other: Path) -> Card:
    """The figures of a recording; the other one is what boosting knows families from.

    Raises:
        LabError: If a file is missing.
    """
    for path in (flows, other):
        if not path.is_file():
            raise LabError(f"{path} is missing: make it with python -m lab extract.")
    table = pq.read_table(flows)
    return Card(
        counts=counts(table),
        twins=twins(table),
        ceilings=ceilings(table),
        hidden=leave_one_out(table),
        known=known_families(pq.read_table(other), table),
    )


def counts(flows: pa.Table) -> dict[str, int]:
    """Rows by class."""
    names, numbers = np.unique(np.asarray(flows.column("label").to_pylist()), return_counts=True)
    return dict(zip(names.tolist(), numbers.tolist(), strict=True))


def render(first: Card, second: Card) -> str:
    """The card's table, each pair first / second recording."""
    return "\n".join(_lines(first, second)) + "\n"


def _lines(first: Card, second: Card) -> Iterator[str]:
    heads = [f"{short}, hidden" for short in _METHODS.values()]
    yield f"| family | rows | twins | ceiling | {' | '.join(heads)} | boosting, known |"
    yield "|" + "---|" * (5 + len(heads))
    both = (first, second)
    yield f"| `{BENIGN}` | {_pair(c.counts[BENIGN] for c in both)} |" + "  |" * (3 + len(heads))
    for name in sorted(first.twins):
        cells = [_pair(c.counts[name] for c in both), _pair((c.twins[name] for c in both), "{:.0%}")]
        cells.append(_pair((c.ceilings[name] for c in both), "{:.0%}"))
        cells += [_pair((c.hidden[method][name] for c in both), "{:.3f}") for method in _METHODS]
        cells.append(_pair((c.known[name] for c in both), "{:.3f}"))
        yield f"| `{name}` | {' | '.join(cells)} |"
    means = [_pair((_mean(c.ceilings) for c in both), "{:.0%}")]
    means += [_pair((_mean(c.hidden[method]) for c in both), "{:.3f}") for method in _METHODS]
    means.append(_pair((_mean(c.known) for c in both), "{:.3f}"))
    yield f"| mean of {len(first.twins)} |  |  | {' | '.join(means)} |"


def _mean(cells: dict[str, float]) -> float:
    return float(np.mean(list(cells.values())))


def _pair(values: Iterator[Any], form: str = "{:,}") -> str:
    shown = [form.format(value) for value in values]
    return " / ".join(text.removeprefix("0") if text.startswith("0.") else text.replace("%", " %") for text in shown)


def replace_card(page: Path, table: str) -> None:
    """Put a table between the two marks of a page.

    Raises:
        LabError: If the page has no such marks.
    """
    text = page.read_text()
    before, begun, rest = text.partition(BEGIN)
    _, ended, after = rest.partition(END)
    if not begun or not ended:
        raise LabError(f"{page} has no place for the card: {BEGIN} … {END}")
    page.write_text(f"{before}{BEGIN}\n\n{table}\n{END}{after}")
