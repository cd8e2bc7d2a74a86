"""Fit the preparation once, apply it to any batch."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import Annotated, Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from unseen.errors import InputError, SchemaError
from unseen.prepare.columns import CategoryColumn, NumberColumn, read_number
from unseen.prepare.settings import PrepareSettings, Ratio
from unseen.schema import Schema, shorten

__all__ = ["Preparer", "Tally"]

_log = logging.getLogger(__name__)

FittedColumn = Annotated[NumberColumn | CategoryColumn, Field(discriminator="kind")]


@dataclass
class Tally:
    """Counts of what the preparation had to mend, by column, added up over batches."""

    rows: int = 0
    missing: dict[str, int] = field(default_factory=dict)
    infinite: dict[str, int] = field(default_factory=dict)
    unknown_category: dict[str, int] = field(default_factory=dict)

    def messages(self) -> list[str]:
        """One sentence for each kind of trouble that occurred."""
        kinds = (("missing values", self.missing), ("infinite values", self.infinite))
        lines = [
            f"{sum(counts.values())} {what} in {len(counts)} columns: {shorten(sorted(counts), 4)}"
            for what, counts in (*kinds, ("values of categories never seen in fitting", self.unknown_category))
            if counts
        ]
        return [f"{line} (of {self.rows} rows)" for line in lines]

    def merge(self, other: Tally) -> None:
        """Add another batch's counts."""
        self.rows += other.rows
        mine, theirs = ((t.missing, t.infinite, t.unknown_category) for t in (self, other))
        for counts, more in zip(mine, theirs, strict=True):
            for name, number in more.items():
                self.add(counts, name, number)

    def add(self, counts: dict[str, int], name: str, number: int) -> None:
        """Add to one column's count, if there is anything to add."""
        if number:
            counts[name] = counts.get(name, 0) + number


class Preparer(BaseModel):
    """The fitted preparation of a table: what the networks see of it.

    It is plain data, so ``model_dump`` and ``model_validate`` carry it through a model file.

    Arguments:
        settings: The settings it was fitted with.
        columns: The fitted columns, in order.
        ratios: The derived columns whose parts the table has.
        dropped: Columns that carry nothing, with the reason.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    settings: PrepareSettings
    columns: tuple[FittedColumn, ...]
    ratios: tuple[Ratio, ...] = ()
    dropped: dict[str, str] = Field(default_factory=dict)

    @classmethod
    def fit(cls, table: pa.Table, schema: Schema, settings: PrepareSettings) -> Preparer:
        """Fit on the fitting rows.

        Arguments:
            table: The rows; normals only, or all rows where ``settings.fit_on`` says so.
            schema: Which columns are features, and their kinds.
            settings: What to do.

        Raises:
            InputError: If every column is dropped.
        """
        if not table.num_rows:
            raise InputError("no rows to fit the preparation on")
        unknown = sorted(set(settings.policies) - set(schema.names))
        if unknown:
            raise InputError(f"policies name columns that are no features: {shorten(unknown)}")
        ratios = tuple(r for r in settings.ratios if {r.numerator, r.denominator} <= set(schema.names))
        columns: list[NumberColumn | CategoryColumn] = []
        dropped: dict[str, str] = {}
        seen: dict[bytes, str] = {}

        def keep(name: str, fitted: NumberColumn | CategoryColumn | str, source: Any) -> None:
            if isinstance(fitted, str):
                dropped[name] = fitted
                return
            if settings.drop_duplicates:
                out = np.empty((table.num_rows, len(fitted.outputs)), dtype=np.float32)
                fitted.apply(source, out)
                earlier = seen.setdefault(out.tobytes(), name)
                if earlier != name:
                    dropped[name] = f"repeats {earlier}"
                    return
            columns.append(fitted)

        for column in schema.columns:
            if column.kind == "number":
                values = read_number(table, column.name)
                keep(column.name, NumberColumn.fit(column.name, values, settings), values)
            else:
                source = table.column(column.name)
                keep(column.name, CategoryColumn.fit(column.name, source, settings), source)
        for ratio in ratios:
            values = _ratio(table, ratio)
            keep(ratio.name, NumberColumn.fit(ratio.name, values, settings), values)
        if not columns:
            reasons = shorten([f"{name} ({why})" for name, why in dropped.items()], quote=False)
            raise InputError(f"no feature column carries anything on the {table.num_rows} fitted rows: {reasons}")
        if dropped:
            _log.info("dropped %d columns: %s", len(dropped), dropped)
        return cls(settings=settings, columns=tuple(columns), ratios=ratios, dropped=dropped)

    def check_schema(self, schema: Schema) -> None:
        """Refuse a schema that lacks a column this preparation reads.

        Raises:
            SchemaError: With the columns.
        """
        derived = {ratio.name for ratio in self.ratios}
        parts = {part for ratio in self.ratios for part in (ratio.numerator, ratio.denominator)}
        absent = sorted(({column.name for column in self.columns} - derived | parts) - set(schema.names))
        if absent or len(set(schema.names)) < len(schema.names):
            raise SchemaError(f"the schema and the preparation differ: {shorten(absent) or 'repeated columns'}")

    @property
    def names(self) -> list[str]:
        """The prepared columns' names, one for each column of the matrix."""
        return [name for column in self.columns for name in column.outputs]

    def transform(self, table: pa.Table | pa.RecordBatch, tally: Tally | None = None) -> NDArray[np.float32]:
        """Prepare rows; each row on its own, whatever else is in the batch.

        Arguments:
            table: Rows with at least the schema's feature columns.
            tally: Counts of missing, infinite and never-seen values are added here.

        Returns:
            A finite matrix of shape (rows, prepared columns).

        Raises:
            SchemaError: If a number column holds text.
        """
        tally = Tally() if tally is None else tally
        tally.rows += table.num_rows
        derived = {ratio.name: ratio for ratio in self.ratios}
        out = np.empty((table.num_rows, len(self.names)), dtype=np.float32)
        start = 0
        for column in self.columns:
            block = out[:, start : start + len(column.outputs)]
            start += len(column.outputs)
            if isinstance(column, NumberColumn):
                ratio = derived.get(column.name)
                values = _ratio(table, ratio) if ratio else read_number(table, column.name)
                missing, infinite = column.apply(values, block)
                tally.add(tally.infinite, column.name, infinite)
            else:
                missing, unknown = column.apply(table.column(column.name), block)
                tally.add(tally.unknown_category, column.name, unknown)
            tally.add(tally.missing, column.name, missing)
        return out


def _ratio(table: pa.Table | pa.RecordBatch, ratio: Ratio) -> NDArray[np.float64]:
    above, below = (
        np.nan_to_num(read_number(table, name), posinf=0.0, neginf=0.0) for name in (ratio.numerator, ratio.denominator)
    )
    with np.errstate(divide="ignore"):
        return np.asarray(above / (ratio.scale * below + 1e-6), dtype=np.float64)
