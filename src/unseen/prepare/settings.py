"""What the preparation does, as data: presets, and a policy for each column where the preset does not fit."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["PRESETS", "ColumnPolicy", "PrepareSettings", "Ratio"]


class ColumnPolicy(BaseModel):
    """What becomes of values that are no ordinary numbers.

    Arguments:
        missing: ``"median"`` of the normals, or ``"zero"``.
        infinite: ``"largest"`` (or smallest) finite value of the normals, ``"zero"``, or ``"missing"``.
        negative: ``"keep"``, ``"zero"``, or ``"missing"`` for columns in which -1 says "not there".
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    missing: Literal["median", "zero"] = "median"
    infinite: Literal["largest", "zero", "missing"] = "largest"
    negative: Literal["keep", "zero", "missing"] = "keep"


class Ratio(BaseModel):
    """A derived column ``numerator / (scale * denominator + 1e-6)``, made where both columns exist."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    numerator: str
    denominator: str
    scale: float = 1.0


class PrepareSettings(BaseModel):
    """The preparation's settings.

    Arguments:
        signed_log: Take ``sign(x) log(1 + |x|)`` first, which tames counts and durations.
        robust: Centre and scale from the values between the 0.1 % and 99.9 % quantiles, not from all.
        clip: Prepared values beyond this many scales are cut; ``None`` leaves them.
        policy: For every column that ``policies`` does not name.
        policies: By column name.
        missing_flags: Add a 0/1 column for each number column with missing values among the fitted normals.
        drop_duplicates: Drop columns that repeat an earlier one.
        most_categories: One column for each of the most frequent categories of the normals, and one for all others.
        fit_on: ``"normal"`` rows, or ``"all"`` rows of the fitting part, as the paper does.
        ratios: Derived columns.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    signed_log: bool = True
    robust: bool = True
    clip: float | None = Field(default=10.0, gt=0)
    policy: ColumnPolicy = ColumnPolicy()
    policies: dict[str, ColumnPolicy] = Field(default_factory=dict)
    missing_flags: bool = True
    drop_duplicates: bool = True
    most_categories: int = Field(default=64, ge=1)
    fit_on: Literal["normal", "all"] = "normal"
    ratios: tuple[Ratio, ...] = ()


# The published code's preparation (arXiv 2512.22179): non-numbers to 0, plain standardisation on the whole
# training part, and two ratios; durations of CICFlowMeter are microseconds.
_PAPER = PrepareSettings(
    signed_log=False,
    robust=False,
    clip=None,
    policy=ColumnPolicy(missing="zero", infinite="zero"),
    missing_flags=False,
    drop_duplicates=False,
    fit_on="all",
    ratios=(
        Ratio(name="Fwd Bytes/Packet", numerator="Total Length of Fwd Packets", denominator="Total Fwd Packets"),
        Ratio(name="Fwd Packets/Second", numerator="Total Fwd Packets", denominator="Flow Duration", scale=1e-6),
    ),
)

PRESETS: dict[str, PrepareSettings] = {"signed-log": PrepareSettings(), "paper": _PAPER}
