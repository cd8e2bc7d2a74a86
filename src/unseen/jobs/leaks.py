"""Does one column alone give the label away? A destination port does, and a detector that sees it learns the port."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from unseen.schema import Schema
from unseen.table import category_values, number_values

__all__ = ["telling_columns"]

_BINS = 256
_FEWEST_ROWS = 200


def telling_columns(
    table: pa.Table, anomalous: NDArray[np.bool_], schema: Schema, *, at_least: float = 0.97
) -> dict[str, float]:
    """Columns whose value alone tells normal rows from anomalies.

    Each column is cut into cells; a cell votes for the class that is relatively more frequent in it, learned on one
    half of the rows and tried on the other.

    Arguments:
        table: Rows with the schema's feature columns.
        anomalous: Which of them are anomalies.
        schema: The schema.
        at_least: The balanced accuracy from which on a column is named.

    Returns:
        Balanced accuracy by column, highest first; empty where there are too few rows to say.
    """
    if min(np.count_nonzero(anomalous), np.count_nonzero(~anomalous)) < _FEWEST_ROWS:
        return {}
    half = np.arange(table.num_rows) % 2 == 0
    found = {}
    for column in schema.columns:
        cells = _cells(table, column.name, column.kind)
        accuracy = _balanced_accuracy(cells, anomalous, half)
        if accuracy >= at_least:
            found[column.name] = accuracy
    return dict(sorted(found.items(), key=lambda item: -item[1]))


def _cells(table: pa.Table, name: str, kind: str) -> NDArray[np.int64]:
    if kind == "category":
        encoded = category_values(table.column(name))
        return np.asarray(encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False), dtype=np.int64) + 1
    values = number_values(table.column(name), name)
    finite = values[np.isfinite(values)]
    if not finite.size:
        return np.zeros(len(values), dtype=np.int64)
    distinct, counts = np.unique(finite, return_counts=True)
    # Frequent values, such as port 80, get a cell of their own; the rest share cells of equal size.
    edges = np.unique(np.quantile(finite, np.linspace(0, 1, _BINS // 2)))
    frequent = distinct[np.argsort(-counts, kind="stable")[: _BINS // 2]]
    cuts = np.unique(np.concatenate([edges, frequent, np.nextafter(frequent, np.inf)]))
    return np.searchsorted(cuts, values, side="right").astype(np.int64)


def _balanced_accuracy(cells: NDArray[np.int64], anomalous: NDArray[np.bool_], half: NDArray[np.bool_]) -> float:
    size = int(cells.max()) + 1
    rates = [
        np.bincount(cells[half & mask], minlength=size) / max(int(np.count_nonzero(half & mask)), 1)
        for mask in (anomalous, ~anomalous)
    ]
    votes = (rates[0] > rates[1])[cells]
    caught = np.mean(votes[~half & anomalous]) if np.any(~half & anomalous) else 0.0
    passed = np.mean(~votes[~half & ~anomalous]) if np.any(~half & ~anomalous) else 0.0
    return float(caught + passed) / 2
