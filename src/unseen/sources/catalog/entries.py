"""The catalog's entries, read from ``catalog.toml``."""

from __future__ import annotations

import difflib
import functools
import tomllib
from importlib import resources
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from unseen.errors import InputError

__all__ = ["Download", "Entry", "Fetch", "entries", "entry"]


class _Fixed(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Download(_Fixed):
    """One file on a public server; where ``sha256`` is unknown, the first download's digest is kept and trusted."""

    url: str
    sha256: str | None = None


class Fetch(_Fixed):
    """How an entry is obtained: by download, through scikit-learn, by the user's own hand, or with the package."""

    method: Literal["url", "scikit-learn", "manual", "embedded"]
    downloads: tuple[Download, ...] = ()
    embedded: str | None = None


class Entry(_Fixed):
    """One data set.

    Attributes:
        name: The name users type.
        title: One line.
        summary: What to know before using it.
        rows: Rows of the complete set.
        features: Number of feature columns.
        duplicates: Rows that repeat an earlier row exactly, where known.
        label: The label column.
        normal: The normal class.
        categorical: Feature columns that are categories, not numbers.
        metadata: Columns that are never features.
        derived: Metadata columns this project adds; they do not count when rows are compared.
        split_by: Normal rows that share this column's value stay in one part of a split.
        domain: The metadata column that tells which normals belong together: a day's file, or a time, whose day counts.
        classes: Rows of every class.
        groups: Family group of a class; a class not named is its own group.
        terms: What may be done with the data.
        citation: What to cite.
        obtain: How to get it, in words.
        fetch: How to get it, for the program.
    """

    name: str
    title: str
    summary: str
    rows: int
    features: int
    duplicates: int | None = None
    label: str
    normal: str
    categorical: tuple[str, ...] = ()
    metadata: tuple[str, ...] = ()
    derived: tuple[str, ...] = ()
    split_by: str | None = None
    domain: str | None = None
    classes: dict[str, int]
    groups: dict[str, str] = Field(default_factory=dict)
    terms: str
    citation: str
    obtain: str
    fetch: Fetch

    def group(self, label: str) -> str:
        """Return the family group of a class."""
        return self.groups.get(label, label)


@functools.cache
def entries() -> dict[str, Entry]:
    """Return all entries by name, in the order of the catalog file."""
    text = resources.files("unseen.sources.catalog").joinpath("catalog.toml").read_text(encoding="utf-8")
    return {name: Entry(name=name, **fields) for name, fields in tomllib.loads(text).items()}


def entry(name: str) -> Entry:
    """Return one entry.

    Raises:
        InputError: If no data set has this name.

    Example:
        >>> entry("nsl_kdd").normal
        'normal'
    """
    known = entries()
    if name not in known:
        near = difflib.get_close_matches(name.lower().replace("-", "_"), known, n=1)
        hint = f"did you mean {near[0]}? " if near else ""
        raise InputError(f"no data set {name!r} in the catalog; {hint}It knows: {', '.join(known)}")
    return known[name]
