"""Counts what a data set holds while it streams by: rows, classes, duplicates, label conflicts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

__all__ = ["Hasher", "Repeats", "Tally"]

Hasher = Callable[[pa.RecordBatch], NDArray[np.uint64]]
"""Gives a 64-bit hash of each row's content, equal for equal rows in every batch."""


@dataclass(frozen=True)
class Repeats:
    """How often rows repeat.

    Attributes:
        duplicates: Rows equal to an earlier row in every column of the source.
        same_features: Rows whose features equal an earlier row's.
        conflicts: Feature vectors that carry more than one label.
    """

    duplicates: int
    same_features: int
    conflicts: int


class Tally:
    """Running counts over a stream; holds 20 bytes a row where a hasher is given, else nothing a row.

    Arguments:
        label: The label column.
        features: The feature columns.
        own: The source's own columns, label included, which make a row a duplicate.
        hasher: Row hashes; None to count rows and classes only.
    """

    def __init__(self, label: str, features: list[str], own: list[str], hasher: Hasher | None) -> None:
        self._label = label
        self._features = features
        self._own = own
        self._hasher = hasher
        self.rows = 0
        self.classes: Counter[str] = Counter()
        self._codes: dict[str, int] = {}
        self._feature_hashes: list[NDArray[np.uint64]] = []
        self._row_hashes: list[NDArray[np.uint64]] = []
        self._labels: list[NDArray[np.int32]] = []

    def add(self, batch: pa.RecordBatch) -> None:
        """Take the next rows."""
        self.rows += batch.num_rows
        coded = batch.column(self._label).cast(pa.string()).fill_null("").dictionary_encode()
        indices = coded.indices.to_numpy(zero_copy_only=False)
        words = coded.dictionary.to_pylist()
        counts = np.bincount(indices, minlength=len(words))
        self.classes.update({word: int(count) for word, count in zip(words, counts, strict=True)})
        if self._hasher is None:
            return
        codes = np.array([self._codes.setdefault(word, len(self._codes)) for word in words], dtype=np.int32)
        self._labels.append(codes[indices])
        self._feature_hashes.append(self._hasher(batch.select(self._features)))
        self._row_hashes.append(self._hasher(batch.select(self._own)))

    def repeats(self) -> Repeats | None:
        """Return the repetitions found, or None where no hasher was given."""
        if self._hasher is None:
            return None
        features = np.concatenate(self._feature_hashes)
        labels = np.concatenate(self._labels)
        order = np.lexsort((labels, features))
        features, labels = features[order], labels[order]
        same = features[1:] == features[:-1]
        changes = np.flatnonzero(same & (labels[1:] != labels[:-1])) + 1
        return Repeats(
            duplicates=int(self.rows - np.unique(np.concatenate(self._row_hashes)).size),
            same_features=int(same.sum()),
            conflicts=int(np.unique(features[changes]).size),
        )
