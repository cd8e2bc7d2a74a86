"""Exact duplicates, and vectors that carry both a normal and an anomaly label: counted, and taken out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from unseen.errors import InputError
from unseen.splits.hashes import checked_hashes
from unseen.splits.parts import encode

__all__ = ["ClassDuplicates", "DuplicateReport", "deduplicate", "duplicate_report"]


@dataclass(frozen=True)
class ClassDuplicates:
    """What de-duplication takes from one class.

    ``rows``: before. ``duplicates``: rows equal to an earlier row that is kept. ``conflicts``: rows whose vector also
    occurs under the opposite label, normal against anomaly.
    """

    rows: int
    duplicates: int
    conflicts: int

    @property
    def dropped(self) -> int:
        """Rows taken in all."""
        return self.duplicates + self.conflicts


@dataclass(frozen=True)
class DuplicateReport:
    """What de-duplication takes, in all and per class; ``conflicting_vectors`` counts the distinct ones."""

    rows: int
    duplicates: int
    conflicts: int
    conflicting_vectors: int
    classes: Mapping[str, ClassDuplicates]

    @property
    def kept(self) -> int:
        """Rows that stay."""
        return self.rows - self.duplicates - self.conflicts


def duplicate_report(hashes: ArrayLike, labels: ArrayLike, normal: object) -> DuplicateReport:
    """Count exact duplicates and vectors that carry both a normal and an anomaly label.

    Arguments:
        hashes: Row hashes over the features, shape (n,).
        labels: Class labels, shape (n,).
        normal: The label of the normal class.
    """
    return deduplicate(hashes, labels, normal)[1]


def deduplicate(hashes: ArrayLike, labels: ArrayLike, normal: object) -> tuple[NDArray[np.bool_], DuplicateReport]:
    """Which rows stay: the first of equal rows, and none whose vector carries both a normal and an anomaly label.

    The drops flatter a detector where anomalies look like normals; print them per class beside the result.

    Arguments:
        hashes: Row hashes over the features, shape (n,).
        labels: Class labels, shape (n,).
        normal: The label of the normal class.

    Returns:
        The rows to keep, shape (n,), and the counts.

    Raises:
        InputError: If lengths differ or no row carries the normal label.

    Example:
        >>> keep, report = deduplicate([1, 1, 2, 2, 3], ["ok", "ok", "ok", "bad", "bad"], "ok")
        >>> keep.tolist(), report.duplicates, report.conflicts
        ([True, False, False, False, True], 1, 2)
    """
    keys = checked_hashes(hashes)
    names, code, sizes = encode(labels, keys.size, "labels")
    _, first, vector = np.unique(keys, return_index=True, return_inverse=True)
    if keys.size and str(normal) not in names:
        raise InputError(f"normal={normal!r} is none of the labels: {', '.join(names[:20])}")
    is_normal = np.array([name == str(normal) for name in names], dtype=bool)[code]
    with_normal = np.bincount(vector, weights=is_normal) > 0
    with_anomaly = np.bincount(vector, weights=~is_normal) > 0
    conflict = (with_normal & with_anomaly)[vector]
    earliest = np.zeros(keys.size, dtype=bool)
    earliest[first] = True
    duplicate = ~earliest & ~conflict
    per_class = zip(
        names, sizes, np.bincount(code, duplicate, len(names)), np.bincount(code, conflict, len(names)), strict=True
    )
    report = DuplicateReport(
        rows=int(keys.size),
        duplicates=int(duplicate.sum()),
        conflicts=int(conflict.sum()),
        conflicting_vectors=int((with_normal & with_anomaly).sum()),
        classes={name: ClassDuplicates(int(rows), int(twice), int(both)) for name, rows, twice, both in per_class},
    )
    return earliest & ~conflict, report
