"""Held-out rows must never reach a fit: the check, by content and not by position."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from unseen.errors import UnseenError
from unseen.splits import row_hashes

__all__ = ["HeldOut", "LeakError", "watched"]


class LeakError(UnseenError):
    """Test rows reached a fit. The run stops: a figure made this way would be worth nothing."""


@dataclass(frozen=True, eq=False)
class HeldOut:
    """The rows of one cell that nothing may be fitted on.

    Attributes:
        features: The feature columns, in the order in which rows were hashed.
        hashes: The hashes of all test rows.
        cell: The cell's name, for the message.
    """

    features: Sequence[str]
    hashes: NDArray[np.uint64]
    cell: str

    def check(self, table: pa.Table | pa.RecordBatch, *, by: str) -> None:
        """Refuse a table that holds test rows.

        Columns are found by name, or by position where a table has as many under other names, such as an array. A
        table of fewer columns cannot be told and passes.

        Arguments:
            table: What is about to be fitted on.
            by: Who is about to fit.

        Raises:
            LeakError: With the number of such rows.
        """
        columns = self.features
        if not set(columns) <= set(table.schema.names):
            columns = table.schema.names
            if len(columns) != len(self.features):
                return
        found = np.isin(row_hashes(table, columns), self.hashes)
        if found.any():
            raise LeakError(
                f"{self.cell}: {int(found.sum())} of {table.num_rows} rows that {by} was to be fitted on are test rows "
                "of this cell. The run is stopped: results of such a fit would be worth nothing"
            )


@contextmanager
def watched(held_out: HeldOut) -> Iterator[None]:
    """Check every table that detectors of this process are fitted on, also inside wrappers and user classes.

    The runner checks what it hands over itself. But a method may find other rows on its own, in a file or through an
    argument, and use them. To be fitted on they must come through a detector's ``fit`` or through a preparation, so
    both look at each table meanwhile. Rows that a class reads and turns into numbers all by itself are not seen.
    """
    from unseen.detectors import Detector
    from unseen.prepare import Preparer

    fit, transform = Detector.fit, Preparer.transform
    Detector.fit = _checking(fit, held_out)  # type: ignore[method-assign]
    Preparer.transform = _checking(transform, held_out)  # type: ignore[method-assign]
    try:
        yield
    finally:
        Detector.fit = fit  # type: ignore[method-assign]
        Preparer.transform = transform  # type: ignore[method-assign]


def _checking(original: Callable[..., Any], held_out: HeldOut) -> Callable[..., Any]:
    """A method that looks at its table before it does what it does."""
    from unseen.table import as_table

    @functools.wraps(original)
    def check(self: Any, X: Any, *arguments: Any, **options: Any) -> Any:
        if isinstance(X, pa.Table | pa.RecordBatch | np.ndarray) or hasattr(X, "columns"):
            held_out.check(as_table(X)[0], by=type(self).__name__)
        return original(self, X, *arguments, **options)

    return check
