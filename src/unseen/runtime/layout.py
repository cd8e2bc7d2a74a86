"""The inputs of an exported model, and how a table's columns become them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from unseen.prepare import Preparer, Ratio, Tally
from unseen.prepare.columns import CategoryColumn, NumberColumn, read_number
from unseen.table import category_values

__all__ = ["InputLayout"]


@dataclass(frozen=True)
class InputLayout:
    """Which raw columns an exported model reads, in which order.

    ``numbers`` is a float64 matrix, missing values NaN. ``categories`` is an int64 matrix of codes: the position of
    the value among the column's kept ``values``; one more than the last for every other value; two more where the
    value is missing.

    Attributes:
        numbers: The number columns, those that only a ratio needs included.
        categories: The category columns.
        missing_below_zero: Number columns in which a negative value says "not there".
    """

    numbers: list[str]
    categories: list[CategoryColumn]
    missing_below_zero: list[str]

    @classmethod
    def of(cls, preparer: Preparer) -> Self:
        """The inputs a preparation needs."""
        ratios: dict[str, Ratio] = {ratio.name: ratio for ratio in preparer.ratios}
        numbers: dict[str, None] = {}
        for column in preparer.columns:
            if isinstance(column, NumberColumn):
                ratio = ratios.get(column.name)
                numbers |= dict.fromkeys([column.name] if ratio is None else [ratio.numerator, ratio.denominator])
        plain = [c for c in preparer.columns if isinstance(c, NumberColumn) and c.name not in ratios]
        # Plain columns first and in order, so that a graph without ratios takes the matrix as it comes.
        ordered = [column.name for column in plain]
        ordered += [name for name in numbers if name not in set(ordered)]
        return cls(
            ordered,
            [column for column in preparer.columns if isinstance(column, CategoryColumn)],
            [column.name for column in plain if column.policy.negative == "missing"],
        )

    @property
    def names(self) -> list[str]:
        """Every column that is read."""
        return [*self.numbers, *(category.name for category in self.categories)]

    def read(
        self, table: pa.Table | pa.RecordBatch, tally: Tally
    ) -> dict[str, NDArray[np.float64] | NDArray[np.int64]]:
        """The inputs of a table's rows, by name.

        Arguments:
            table: Rows with at least these columns.
            tally: Counts of missing, infinite and never-seen values are added here.

        Raises:
            SchemaError: If a number column holds text.
        """
        tally.rows += table.num_rows
        inputs: dict[str, NDArray[Any]] = {}
        if self.numbers:
            numbers = np.empty((table.num_rows, len(self.numbers)))
            for j, name in enumerate(self.numbers):
                numbers[:, j] = read_number(table, name)
            self._count(numbers, tally)
            inputs["numbers"] = numbers
        if self.categories:
            codes = np.empty((table.num_rows, len(self.categories)), dtype=np.int64)
            for j, category in enumerate(self.categories):
                codes[:, j] = _codes(table, category, tally)
            inputs["categories"] = codes
        return inputs

    def _count(self, numbers: NDArray[np.float64], tally: Tally) -> None:
        for name in self.missing_below_zero:
            tally.add(tally.missing, name, int(np.count_nonzero(numbers[:, self.numbers.index(name)] < 0)))
        # A sum is finite only where every value is, and one pass tells: looking closer is seldom needed.
        with np.errstate(invalid="ignore", over="ignore"):
            odd = np.flatnonzero(~np.isfinite(numbers.sum(axis=0)))
        for j in odd:
            tally.add(tally.missing, self.numbers[j], int(np.count_nonzero(np.isnan(numbers[:, j]))))
            tally.add(tally.infinite, self.numbers[j], int(np.count_nonzero(np.isinf(numbers[:, j]))))


def _codes(table: pa.Table | pa.RecordBatch, category: CategoryColumn, tally: Tally) -> NDArray[np.int64]:
    encoded = category_values(table.column(category.name))
    names = encoded.dictionary.to_pylist()
    place, known = {value: j for j, value in enumerate(category.values)}, set(category.known)
    other = len(category.values)
    # The last entry is for missing values: -1 takes it.
    target = np.array([*(place.get(name, other) for name in names), other + 1], dtype=np.int64)
    indices: NDArray[np.int32] = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False)
    tally.add(tally.missing, category.name, int(np.count_nonzero(indices < 0)))
    never_seen = [j for j, name in enumerate(names) if name not in known]
    if never_seen:
        tally.add(tally.unknown_category, category.name, int(np.count_nonzero(np.isin(indices, never_seen))))
    return target[indices]
