"""The schema of a table: its columns with their kinds, and what to say when another table does not fit it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict

from unseen.errors import InputError, SchemaError

__all__ = ["Column", "Kind", "Schema", "nearest", "resolve_normal", "shorten"]

Kind = Literal["number", "category"]

# Labels that name the normal class in the field's data sets. 0 goes before +1: where both occur, as in y of zeros
# and ones, 0 is the normal class by the field's custom; +1 is scikit-learn's inlier, whose partner is -1, never 0.
_NORMAL_LABELS = ({"benign", "normal", "0"}, {"1"})


class Column(BaseModel):
    """One feature column."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    kind: Kind


class Schema(BaseModel):
    """What a detector was fitted on.

    Arguments:
        columns: The feature columns in the order in which the networks see them.
        label: The label column's name, if the table had one.
        normal: The label of normal rows, as text; ``None`` where no labels were given.
        ignored: Columns that were present and are no features.
        named: Whether the user's table had column names; a numpy array has none.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    columns: tuple[Column, ...]
    label: str | None = None
    normal: str | None = None
    ignored: tuple[str, ...] = ()
    named: bool = True

    @property
    def names(self) -> list[str]:
        """The feature columns' names, in order."""
        return [column.name for column in self.columns]

    @property
    def categories(self) -> list[str]:
        """The names of the category columns."""
        return [column.name for column in self.columns if column.kind == "category"]

    def check_names(self, names: Sequence[str]) -> None:
        """Refuse a table that lacks a feature column or brings one the model does not know.

        Arguments:
            names: The table's columns. The label and the ignored columns may be there or not.

        Raises:
            SchemaError: With the difference, column by column.
        """
        given, wanted = set(names), set(self.names)
        missing = [name for name in self.names if name not in given]
        extra = [name for name in names if name not in wanted and name != self.label and name not in self.ignored]
        if not missing and not extra:
            return
        parts = []
        if missing:
            parts.append(f"{len(missing)} missing: {shorten(missing)}")
        if extra:
            parts.append(f"{len(extra)} unknown: {shorten(extra)}")
        hints = [f"{near!r} may be {name!r}" for name in missing if (near := nearest(name, extra))]
        advice = f"Perhaps renamed: {shorten(hints, quote=False)}." if hints else "Rename, add or drop them"
        if extra and not hints:
            advice += f" (what is no feature is named when fitting: unseen fit ... --ignore {','.join(extra[:3])!r})"
        raise SchemaError(f"the table's columns differ from the model's {len(wanted)}: {'; '.join(parts)}\n{advice}")


def shorten(items: Sequence[str], most: int = 6, *, quote: bool = True) -> str:
    """Join names for a message, the first few of them.

    Example:
        >>> shorten(["a", "b", "c"], most=2)
        "'a', 'b' and 1 more"
    """
    shown = ", ".join(repr(item) if quote else item for item in items[:most])
    return shown if len(items) <= most else f"{shown} and {len(items) - most} more"


def nearest(name: str, candidates: Iterable[str]) -> str | None:
    """The candidate a user most likely meant by ``name``, or ``None``.

    Names that differ only in case, spaces, dashes or underscores come first, then close spellings.
    """
    choices = list(candidates)
    folded = _fold(name)
    for choice in choices:
        if _fold(choice) == folded:
            return choice
    close = difflib.get_close_matches(name, choices, n=1, cutoff=0.8)
    return close[0] if close else None


def _fold(name: str) -> str:
    return "".join(character for character in name.casefold() if character.isalnum())


def resolve_normal(labels: Sequence[str], normal: str | int | None) -> str:
    """Find the label of normal rows among the distinct labels of a table.

    Arguments:
        labels: The distinct labels, as text.
        normal: What the user named, or ``None`` to take the one that benign, normal, 0 or +1 stands for.

    Raises:
        InputError: If the named class is absent, or none or several labels could be meant.
    """
    if normal is not None:
        name = str(normal).strip()
        if name in labels:
            return name
        near = nearest(name, labels)
        advice = f"did you mean {near!r}?" if near else f"the labels are {shorten(labels)}"
        raise InputError(f"the normal class {name!r} is not among the labels; {advice}")
    for group in _NORMAL_LABELS:
        found = [label for label in labels if label.casefold().lstrip("+") in group]
        if len(found) == 1:
            return found[0]
        if found:
            raise InputError(
                f"several labels could be the normal class: {shorten(found)}; "
                f"name one: normal={found[0]!r} (--normal {found[0]!r})"
            )
    raise InputError(
        f"which label is the normal class? The labels are {shorten(labels)}; name it: normal=… (--normal …)"
    )
