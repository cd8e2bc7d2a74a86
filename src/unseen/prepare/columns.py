"""One fitted column each: numbers become a centred, scaled column, categories one column a known value."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat

from unseen.prepare.settings import ColumnPolicy, PrepareSettings
from unseen.table import category_values, number_values

__all__ = ["CategoryColumn", "NumberColumn"]

_TAILS = (0.001, 0.999)


class NumberColumn(BaseModel):
    """A fitted number column.

    ``fill`` replaces missing values; ``smallest`` and ``largest`` are the finite range of the fitted rows. A flagged
    column makes a second prepared column that is 1 where the value was missing.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["number"] = "number"
    name: str
    policy: ColumnPolicy
    signed_log: bool
    clip: FiniteFloat | None = Field(gt=0)
    fill: FiniteFloat
    smallest: FiniteFloat
    largest: FiniteFloat
    centre: FiniteFloat
    scale: FiniteFloat = Field(gt=0)
    flagged: bool

    @classmethod
    def fit(cls, name: str, values: NDArray[np.float64], settings: PrepareSettings) -> NumberColumn | str:
        """Fit on the raw values of the fitting rows, or say why the column is dropped."""
        policy = settings.policies.get(name, settings.policy)
        finite = values[np.isfinite(values)]
        if policy.negative == "missing":
            finite = finite[finite >= 0]
        if not finite.size:
            return "no finite value"
        column = cls(
            name=name,
            policy=policy,
            signed_log=settings.signed_log,
            clip=settings.clip,
            fill=float(np.median(finite)) if policy.missing == "median" else 0.0,
            smallest=float(finite.min()),
            largest=float(finite.max()),
            centre=0.0,
            scale=1.0,
            flagged=False,
        )
        shaped, missing, _ = column._shape(values)
        flagged = settings.missing_flags and bool(missing.any())
        if shaped.min() == shaped.max() and not flagged:
            return "constant"
        centre, scale = _centre_and_scale(shaped, robust=settings.robust)
        return column.model_copy(update={"centre": centre, "scale": scale, "flagged": flagged})

    @property
    def outputs(self) -> list[str]:
        """The names of the prepared columns."""
        return [self.name, f"{self.name} is missing"] if self.flagged else [self.name]

    def apply(self, values: NDArray[np.float64], out: NDArray[np.float32]) -> tuple[int, int]:
        """Write the prepared columns into ``out`` of shape (rows, outputs); count missing and infinite values."""
        shaped, missing, infinite = self._shape(values)
        shaped -= self.centre
        shaped /= self.scale
        if self.clip is not None:
            np.clip(shaped, -self.clip, self.clip, out=shaped)
        out[:, 0] = shaped
        if self.flagged:
            out[:, 1] = missing
        return int(np.count_nonzero(missing)), infinite

    def _shape(self, values: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.bool_], int]:
        """Values after the policies and the logarithm, which were missing, and how many were infinite."""
        values = values.copy()
        infinite = np.isinf(values)
        count = int(np.count_nonzero(infinite))
        if count:
            if self.policy.infinite == "largest":
                values[infinite] = np.where(values[infinite] > 0, self.largest, self.smallest)
            else:
                values[infinite] = 0.0 if self.policy.infinite == "zero" else np.nan
        if self.policy.negative == "zero":
            np.maximum(values, 0.0, out=values)
        elif self.policy.negative == "missing":
            values[values < 0] = np.nan
        missing = np.isnan(values)
        values[missing] = self.fill
        if self.signed_log:
            values = np.copysign(np.log1p(np.abs(values)), values)
        return values, missing, count


def _centre_and_scale(values: NDArray[np.float64], *, robust: bool) -> tuple[float, float]:
    # Huge finite values would overflow in the squares of a standard deviation; scaling first keeps them in range.
    size = float(np.abs(values).max()) or 1.0
    unit = values / size
    if robust:
        inner = np.clip(unit, *np.quantile(unit, _TAILS))
        if inner.min() < inner.max():
            unit = inner
    # A constant column that is kept for its missing flag has no spread, and float noise is none either.
    spread = float(unit.std())
    return float(unit.mean()) * size, spread * size if spread > 1e-12 else 1.0


class CategoryColumn(BaseModel):
    """A fitted category column: one 0/1 column a kept value, and a last one for every other value.

    A missing value leaves all of them 0.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["category"] = "category"
    name: str
    values: tuple[str, ...]
    known: tuple[str, ...]

    @classmethod
    def fit(cls, name: str, column: pa.Array | pa.ChunkedArray, settings: PrepareSettings) -> CategoryColumn | str:
        """Fit on the raw values of the fitting rows, or say why the column is dropped."""
        encoded = category_values(column)
        names = encoded.dictionary.to_pylist()
        indices = encoded.indices.drop_null().to_numpy()
        if not names or not indices.size:
            return "no value"
        counts = np.bincount(indices, minlength=len(names))
        # By falling count and then by name, so that the order of the rows does not matter.
        order = sorted(range(len(names)), key=lambda j: (-counts[j], names[j]))
        kept = order[: settings.most_categories]
        return cls(name=name, values=tuple(names[j] for j in kept), known=tuple(sorted(names)))

    @property
    def outputs(self) -> list[str]:
        """The names of the prepared columns."""
        return [f"{self.name}={value}" for value in self.values] + [f"{self.name}=other"]

    def apply(self, column: pa.Array | pa.ChunkedArray, out: NDArray[np.float32]) -> tuple[int, int]:
        """Write the prepared columns into ``out`` of shape (rows, outputs); count missing and never-seen values."""
        encoded = category_values(column)
        names = encoded.dictionary.to_pylist()
        place = {value: j for j, value in enumerate(self.values)}
        target = np.asarray([place.get(name, len(self.values)) for name in names], dtype=np.intp)
        known = set(self.known)
        unknown = np.asarray([name not in known for name in names], dtype=bool)
        present = encoded.indices.is_valid().to_numpy(zero_copy_only=False)
        indices = encoded.indices.fill_null(0).to_numpy(zero_copy_only=False)
        out[:] = 0.0
        rows = np.flatnonzero(present)
        if rows.size:
            out[rows, target[indices[rows]]] = 1.0
        unseen = int(np.count_nonzero(unknown[indices[rows]])) if rows.size else 0
        return len(present) - rows.size, unseen


def read_number(table: pa.Table | pa.RecordBatch, name: str) -> NDArray[np.float64]:
    """The raw values of a number column as float64."""
    return number_values(table.column(name), name)
