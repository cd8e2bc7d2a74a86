"""The rows a detector is fitted on: read, checked, and assigned to their parts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from unseen.errors import InputError
from unseen.schema import Schema, resolve_normal, shorten
from unseen.splits import Occurrences, row_hashes, split_exact
from unseen.table import as_labels

__all__ = ["KNOWN_SHARES", "NORMAL_SHARES", "TrainingRows", "training_rows"]

# Of the rows given to fit. With a quarter of the normals kept for a test, these are 48 %, 12 % and 15 % of all.
NORMAL_SHARES = {"fit": 0.64, "validation": 0.16, "calibration": 0.20}
KNOWN_SHARES = {"fit": 0.85, "validation": 0.15}

# One row for each part, and two more so that there is something to learn and to order.
_FEWEST_NORMALS = 5


@dataclass(frozen=True)
class TrainingRows:
    """Rows with labels and parts.

    Attributes:
        table: The feature columns.
        labels: The label of each row, as text; all empty where no labels were given.
        anomalous: Which rows are known anomalies.
        part: ``"fit"``, ``"validation"``, ``"calibration"`` or ``"left out"`` for each row.
        normal: The label of normal rows, if labels were given.
        conflicts: Known-anomaly rows left out because a normal row has the same values.
        domain: The domain of each row, or ``None`` where none were given.
    """

    table: pa.Table
    labels: NDArray[np.str_]
    anomalous: NDArray[np.bool_]
    part: NDArray[np.str_]
    normal: str | None
    conflicts: int
    domain: NDArray[np.str_] | None = None

    def of(self, part: str, *, anomalous: bool) -> NDArray[np.bool_]:
        """The mask of one part's normal or anomalous rows."""
        return np.asarray((self.part == part) & (self.anomalous == anomalous))

    @property
    def known_classes(self) -> dict[str, int]:
        """The known anomaly classes with their numbers of rows."""
        names, counts = np.unique(self.labels[self.anomalous], return_counts=True)
        return {str(name): int(count) for name, count in zip(names, counts, strict=True)}


def training_rows(
    table: pa.Table,
    y: Any,
    schema: Schema,
    *,
    normal: str | int | None,
    seed: int,
    blocks: Any = None,
    domain: Any = None,
) -> TrainingRows:
    """Check the labels and assign rows to parts by their hash, whatever their order.

    Arguments:
        table: The feature columns.
        y: One label a row, or ``None`` where all rows are normal.
        schema: The table's schema.
        normal: The label of normal rows, or ``None`` to find it.
        seed: Seeds the hash.
        blocks: One value a row; rows that share it, such as one day's or one recording's, stay in one part.
        domain: One value a row: the day, host or site whose normals it belongs with.

    Raises:
        InputError: If there are no or too few normal rows, or the labels do not fit.
    """
    rows = table.num_rows
    if y is None:
        labels, name, anomalous = np.full(rows, "", dtype="<U1"), None, np.zeros(rows, dtype=bool)
    else:
        labels = as_labels(y, rows)
        name = resolve_normal([str(label) for label in np.unique(labels)], normal)
        anomalous = labels != name
    count = int(np.count_nonzero(~anomalous))
    if count < _FEWEST_NORMALS:
        raise InputError(
            f"too few normal rows: {count} (n_samples={rows}); at least {_FEWEST_NORMALS} are needed, "
            "and five times 1/rate for calibration at a false-alarm rate"
        )
    hashes = row_hashes(table, schema.names, seed=seed)
    # Copies of a frequent normal row go to all parts, each part its share: calibration must look like the stream.
    # Copies of a known anomaly stay in one part, or the validation rows would have been trained on.
    normal_units = Occurrences()(hashes[~anomalous])
    distinct = len(np.unique(hashes[~anomalous]))
    if distinct < len(NORMAL_SHARES):
        raise InputError(f"the {count} normal rows hold only {distinct} distinct vectors: all columns are constant")
    groups = None if blocks is None else _block_ids(blocks, rows)
    part = np.full(rows, "left out", dtype="<U11")
    part[~anomalous] = _assign(normal_units, NORMAL_SHARES, None if groups is None else groups[~anomalous])
    # A vector that carries both labels teaches nothing; the normal one stays, since it decides the false alarms.
    clean = anomalous & ~np.isin(hashes, hashes[~anomalous])
    if clean.any():
        part[clean] = _assign(hashes[clean], KNOWN_SHARES, None if groups is None else groups[clean])
    return TrainingRows(
        table=table,
        labels=labels,
        anomalous=anomalous,
        part=part,
        normal=name,
        conflicts=int(np.count_nonzero(anomalous & ~clean)),
        domain=None if domain is None else as_labels(domain, rows),
    )


def _assign(hashes: NDArray[np.uint64], shares: dict[str, float], groups: NDArray[np.int64] | None) -> NDArray[np.str_]:
    names = np.array(list(shares), dtype="<U11")
    units = hashes if groups is None else groups
    if len(np.unique(units)) < len(shares):
        # Too few distinct rows to keep equal ones together: one known row, say, can only be fitted on.
        return np.resize(names, len(hashes))
    return np.asarray(names[split_exact(hashes, shares, salt="parts", groups=groups)])


def _block_ids(blocks: Any, rows: int) -> NDArray[np.int64]:
    labels = as_labels(blocks, rows)
    ids = np.unique(labels, return_inverse=True)[1]
    if ids.size and ids.max() < len(NORMAL_SHARES) - 1:
        raise InputError(
            f"blocks holds {int(ids.max()) + 1} distinct values ({shorten(sorted(set(labels.tolist())))}); at least "
            f"{len(NORMAL_SHARES)} are needed, one for each part"
        )
    return np.asarray(ids, dtype=np.int64)
