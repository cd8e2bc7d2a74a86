"""Which row goes to which part: content hashes, seeded shares, whole groups, time blocks, and duplicates.

A row's part follows from its content and a salt alone, so a file can be split again later, in any order and in any
batches, and every row comes out where it was.
"""

from __future__ import annotations

from unseen.splits.duplicates import ClassDuplicates, DuplicateReport, deduplicate, duplicate_report
from unseen.splits.hashes import Occurrences, row_hashes, uniform
from unseen.splits.parts import assign_parts, split_blocks, split_exact

__all__ = [
    "ClassDuplicates",
    "DuplicateReport",
    "Occurrences",
    "assign_parts",
    "deduplicate",
    "duplicate_report",
    "row_hashes",
    "split_blocks",
    "split_exact",
    "uniform",
]
