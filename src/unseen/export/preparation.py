"""The fitted preparation as operators: raw numbers and category codes in, prepared rows out.

Numbers come as one float64 matrix, because a float32 would lose what a time stamp or a byte counter says beyond seven
digits. Categories come as codes, because text is slow to pass between a stream and the runtime; the model's metadata
say which value has which code.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from unseen.export.graph import Graph
from unseen.prepare import Preparer
from unseen.prepare.columns import CategoryColumn, NumberColumn
from unseen.runtime.layout import InputLayout

__all__ = ["Prepared", "express_preparation"]


@dataclass(frozen=True)
class Prepared:
    """What evidences are expressed on.

    Attributes:
        rows: The name of the prepared rows, float32, shape (rows, columns).
        columns: The number of prepared columns.
    """

    rows: str
    columns: int


def express_preparation(graph: Graph, preparer: Preparer) -> Prepared:
    """Add the inputs ``numbers`` and ``categories``, as far as they are needed, and the preparation."""
    layout = InputLayout.of(preparer)
    blocks: list[str] = []
    # Where each block's columns stand in the prepared matrix. Names would not do: a value may be called "other".
    starts = np.cumsum([0, *(len(column.outputs) for column in preparer.columns)])
    places: list[int] = []
    fitted = [(int(start), column) for start, column in zip(starts, preparer.columns, strict=False)]
    numeric = [(start, column) for start, column in fitted if isinstance(column, NumberColumn)]
    if numeric:
        numbers = graph.input("numbers", np.float64, ("rows", len(layout.numbers)))
        columns = [column for _, column in numeric]
        prepared, missing = _numbers(graph, _raw(graph, numbers, columns, preparer, layout), columns)
        blocks.append(prepared)
        places += [start for start, _ in numeric]
        flagged = [j for j, column in enumerate(columns) if column.flagged]
        if flagged:
            blocks.append(graph.float32(graph.columns(missing, flagged)))
            places += [numeric[j][0] + 1 for j in flagged]
    if layout.categories:
        codes = graph.input("categories", np.int64, ("rows", len(layout.categories)))
        categorical = [(start, column) for start, column in fitted if isinstance(column, CategoryColumn)]
        for position, (start, category) in enumerate(categorical):
            blocks.append(_one_hot(graph, graph.column(codes, position), category))
            places += range(start, start + len(category.outputs))
    rows = graph.concat(blocks)
    if places != sorted(places):
        rows = graph.columns(rows, np.argsort(places))
    return Prepared(rows, len(places))


def _raw(graph: Graph, numbers: str, columns: list[NumberColumn], preparer: Preparer, layout: InputLayout) -> str:
    """The raw values of the fitted number columns, ratios computed."""
    place = {name: j for j, name in enumerate(layout.numbers)}
    ratios = {ratio.name: ratio for ratio in preparer.ratios}
    plain = [column.name for column in columns if column.name not in ratios]
    blocks, order = [], list(plain)
    if plain == layout.numbers:
        blocks.append(numbers)
    elif plain:
        blocks.append(graph.columns(numbers, [place[name] for name in plain]))
    derived = [ratios[column.name] for column in columns if column.name in ratios]
    if derived:
        above, below = (
            _finite_or_zero(graph, graph.columns(numbers, [place[getattr(ratio, part)] for ratio in derived]))
            for part in ("numerator", "denominator")
        )
        scale = graph.constant([ratio.scale for ratio in derived], np.float64)
        below = graph("Add", graph("Mul", below, scale), graph.constant(1e-6, np.float64))
        blocks.append(graph("Div", above, below))
        order += [ratio.name for ratio in derived]
    raw, wanted = graph.concat(blocks), [column.name for column in columns]
    return raw if order == wanted else graph.columns(raw, [order.index(name) for name in wanted])


def _finite_or_zero(graph: Graph, values: str) -> str:
    # A difference with itself is 0 for every finite number, and else no number.
    odd = graph("IsNaN", graph("Sub", values, values))
    return graph("Where", odd, graph.constant(0.0, np.float64), values)


def _numbers(graph: Graph, values: str, columns: list[NumberColumn]) -> tuple[str, str]:
    """Prepared number columns, float32, and which raw values were missing."""

    def row(name: str) -> NDArray[np.float64]:
        return np.array([getattr(column, name) for column in columns], dtype=np.float64)

    values = _infinities(graph, values, columns)
    values = _negatives(graph, values, columns)
    missing = graph("IsNaN", values)
    values = graph("Where", missing, _vector(graph, row("fill")), values)
    logged = np.array([column.signed_log for column in columns])
    if logged.any():
        one = graph.constant(1.0, np.float64)
        tamed = graph("Mul", graph("Sign", values), graph("Log", graph("Add", graph("Abs", values), one)))
        values = tamed if logged.all() else graph("Where", graph.constant(logged, np.bool_), tamed, values)
    values = graph("Sub", values, _vector(graph, row("centre")))
    values = graph("Div", values, _vector(graph, row("scale")))
    clip = np.array([np.inf if column.clip is None else column.clip for column in columns])
    if np.isfinite(clip).any():
        values = graph("Min", graph("Max", values, _vector(graph, -clip)), _vector(graph, clip))
    return graph.float32(values), missing


def _infinities(graph: Graph, values: str, columns: list[NumberColumn]) -> str:
    def stand_in(column: NumberColumn, finite: float) -> float:
        return {"largest": finite, "zero": 0.0, "missing": np.nan}[column.policy.infinite]

    above = np.array([stand_in(column, column.largest) for column in columns])
    below = np.array([stand_in(column, column.smallest) for column in columns])
    infinite = graph.constant(np.inf, np.float64), graph.constant(-np.inf, np.float64)
    values = graph("Where", graph("Equal", values, infinite[0]), _vector(graph, above), values)
    return graph("Where", graph("Equal", values, infinite[1]), _vector(graph, below), values)


def _negatives(graph: Graph, values: str, columns: list[NumberColumn]) -> str:
    policies = np.array([column.policy.negative for column in columns])
    if (policies == "keep").all():
        return values
    negative = graph("Less", values, _vector(graph, np.where(policies == "keep", -np.inf, 0.0)))
    return graph("Where", negative, _vector(graph, np.where(policies == "missing", np.nan, 0.0)), values)


def _one_hot(graph: Graph, codes: str, category: CategoryColumn) -> str:
    # One row a code; the last code is that of a missing value, which leaves all columns 0.
    table = np.eye(len(category.values) + 2, len(category.values) + 1)
    return graph("Gather", graph.constant(table, np.float32), codes, axis=0)


def _vector(graph: Graph, values: NDArray[np.float64]) -> str:
    """One number a column, or a single one where all are equal: that is faster to broadcast."""
    same = values.size > 0 and bool((values == values[0]).all())
    return graph.constant(float(values[0]) if same else values, np.float64)
