"""Verdicts from a file: a fitted model and judged rows in, a sharper model out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa

from unseen.atomic import check_writable
from unseen.detectors import UnseenDetector
from unseen.detectors.base import Detector
from unseen.errors import InputError
from unseen.jobs.places import refuse_overwrite
from unseen.sources import open_source
from unseen.table import as_labels, check_present

__all__ = ["AdaptReport", "adapt_file"]

# Verdicts are what a person has looked at. A file of more is a training set, and belongs to `fit`.
_MOST_VERDICTS = 10_000


@dataclass
class AdaptReport:
    """What was judged.

    Attributes:
        normal: Rows judged normal.
        anomalous: Rows judged anomalous.
        total: All verdicts the model holds now, those of earlier calls among them.
        notes: What the reader had to mend.
    """

    normal: int
    anomalous: int
    total: int
    notes: list[str] = field(default_factory=list)


def adapt_file(
    detector: Detector,
    data: str | Path | Sequence[str | Path],
    *,
    verdict: str,
    out: str | Path,
) -> AdaptReport:
    """Adapt a model to judged rows and write it; see :meth:`unseen.UnseenDetector.adapt`.

    Arguments:
        detector: A fitted :class:`~unseen.UnseenDetector`.
        data: A file, a folder, or a glob of judged rows with the model's feature columns.
        verdict: The column of verdicts: the label of normals, or any other for an anomaly.
        out: The model file to write.

    Raises:
        InputError: If the detector cannot be adapted, a column is missing, there are no or too many rows, or the file
            cannot be written.
    """
    if not isinstance(detector, UnseenDetector):
        raise InputError(
            f"the model is a {type(detector).__name__} and takes no verdicts; fit with --detector unseen, or fit again "
            "with the judged rows"
        )
    check_writable(out)
    source = open_source(data, text=[verdict, *detector.schema_.categories])
    refuse_overwrite(out, source.files)
    check_present(source.schema.names, [verdict, *detector.schema_.names], option="verdict")
    batches, rows = [], 0
    for batch in source.batches(columns=[verdict, *detector.schema_.names]):
        batches.append(batch)
        rows += batch.num_rows
        if rows > _MOST_VERDICTS:
            raise InputError(f"more than {_MOST_VERDICTS:,} judged rows are a training set: use 'unseen fit'")
    if not rows:
        raise InputError(f"{data}: no judged rows")
    table = pa.Table.from_batches(batches)
    labels = as_labels(table.column(verdict), rows)
    detector.adapt(table.select(detector.schema_.names), labels)
    detector.save(out)
    anomalous = int(np.count_nonzero(labels != str(detector.schema_.normal or detector.normal)))
    held = detector.verdicts_
    total = 0 if held is None else len(held.anomalies) + len(held.normals)
    return AdaptReport(rows - anomalous, anomalous, total, list(source.notes))
