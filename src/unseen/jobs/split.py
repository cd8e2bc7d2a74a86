"""Which rows of a file are trained on and which are kept for the test: a seeded hash decides."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from unseen.errors import InputError
from unseen.jobs.times import clock
from unseen.schema import Schema, nearest, shorten
from unseen.splits import Occurrences, row_hashes, uniform
from unseen.table import as_labels

__all__ = ["RowSplit", "hidden_classes", "labels_of"]

_SALT = "test"


class RowSplit(BaseModel):
    """The rule that keeps rows for the test.

    The hash is of a row's values, not of its place, so the same rows get the same parts from any file, in any order.

    Arguments:
        seed: Seeds the hash.
        hidden: Classes that are never trained on; all their rows are for the test.
        by: Rows that share this column's value stay together.
        time: Rows of one block of this column's time stay together. Where neither is named, the feature columns are
            hashed; copies of a normal row are then spread over both parts like all normal rows, copies of an
            anomalous one stay together.
        edges: The first time of each block but the first.
        test_normal: The share of normal rows kept for the test.
        test_known: The share of each known class's rows kept for the test.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["hash"] = "hash"
    seed: int
    hidden: tuple[str, ...] = ()
    by: str | None = None
    time: str | None = None
    edges: tuple[float, ...] = ()
    test_normal: float = 0.25
    test_known: float = 0.20

    @property
    def column(self) -> str | None:
        """The column that says which rows stay together, if there is one."""
        return self.by if self.time is None else self.time

    @property
    def option(self) -> str:
        """The command-line option that names this column."""
        return "split-by" if self.time is None else "split-time"

    def units(self, batch: pa.RecordBatch) -> NDArray[np.str_] | None:
        """What each row must stay together with, as text; ``None`` where rows are split one by one."""
        if self.time is not None:
            times = clock(batch.column(self.time), self.time)
            if missing := int(np.count_nonzero(~np.isfinite(times))):
                raise InputError(f"column {self.time!r}: {missing:,} rows have no time; drop them, or --all-rows")
            return np.searchsorted(self.edges, times, side="right").astype(np.str_)
        return None if self.by is None else labels_of(batch, self.by)

    def begin(self, schema: Schema) -> Callable[[pa.RecordBatch, NDArray[np.str_] | None], NDArray[np.bool_]]:
        """Start on a stream of batches.

        Arguments:
            schema: The detector's schema.

        Returns:
            A function that takes the next batch and its labels (``None`` where there are none) and says which
            rows are for the test. The batch has the schema's feature columns, and ``column`` where the rule names one.
        """
        occurrences = Occurrences()

        def is_test(batch: pa.RecordBatch, labels: NDArray[np.str_] | None) -> NDArray[np.bool_]:
            # A model fitted without labels took every row for normal, whatever labels another file brings.
            unlabelled = labels is None or schema.normal is None
            normal = np.ones(batch.num_rows, dtype=bool) if unlabelled else labels == schema.normal
            units = self.units(batch)
            if units is None:
                hashes = row_hashes(batch, schema.names, seed=self.seed)
                hashes[normal] = occurrences(hashes[normal])
            else:
                hashes = row_hashes(pa.table({"unit": pa.array(units)}), ["unit"], seed=self.seed)
            share = np.where(normal, self.test_normal, self.test_known)
            hidden = np.zeros(len(hashes), dtype=bool) if labels is None else np.isin(labels, self.hidden)
            return np.asarray((uniform(hashes, salt=_SALT) < share) | hidden)

        return is_test


def hidden_classes(hide: Sequence[str], labels: Sequence[str], normal: str | None) -> tuple[str, ...]:
    """Check the names of classes to hide against the labels.

    Raises:
        InputError: For a class that is not among the labels, with the near match, or the normal class.
    """
    for name in hide:
        if name == normal:
            raise InputError(f"{name!r} is the normal class and cannot be hidden")
        if name not in labels:
            near = nearest(name, labels)
            advice = f"did you mean {near!r}?" if near else f"the labels are {shorten(list(labels), 20)}"
            raise InputError(f"there is no class {name!r} to hide; {advice}")
    return tuple(dict.fromkeys(hide))


def labels_of(batch: pa.Table | pa.RecordBatch, column: str) -> NDArray[np.str_]:
    """The labels, days or hosts of a batch as text.

    Raises:
        InputError: If any is missing, with the column and the count.
    """
    try:
        return as_labels(batch.column(column), batch.num_rows)
    except InputError as error:
        raise InputError(f"column {column!r}: {error}") from error
