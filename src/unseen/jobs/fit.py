"""Fit a detector on a file, keeping a test part and the hidden classes away from it."""

from __future__ import annotations

import logging
import shutil
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from unseen.atomic import check_writable
from unseen.detectors import Detector, create
from unseen.errors import InputError, UnseenWarning
from unseen.jobs.leaks import telling_columns
from unseen.jobs.split import RowSplit, hidden_classes, labels_of
from unseen.schema import Schema, resolve_normal
from unseen.sources import Source, open_source
from unseen.table import check_present, infer_schema

__all__ = ["FitReport", "fit_file"]

_log = logging.getLogger(__name__)


@dataclass
class FitReport:
    """What became of a file's rows.

    Attributes:
        detector: The fitted detector.
        counts: Rows by class, and by what happened to them: ``"fitted"``, ``"kept for the test"``, ``"hidden"``.
        notes: What the reader and the preparation had to mend, and other things to know.
        telling: Columns that alone nearly determine the label, with their balanced accuracy.
    """

    detector: Detector
    counts: dict[str, dict[str, int]]
    notes: list[str] = field(default_factory=list)
    telling: dict[str, float] = field(default_factory=dict)


def fit_file(
    data: str | Path | Sequence[str | Path],
    *,
    out: str | Path,
    label: str | None = None,
    normal: str | None = None,
    hide: Sequence[str] = (),
    ignore: Sequence[str] = (),
    categorical: Sequence[str] = (),
    detector: str = "sculptor",
    seed: int = 0,
    split_by: str | None = None,
    resume: bool = False,
    progress: Callable[..., None] | None = None,
    **parameters: Any,
) -> FitReport:
    """Fit on a table in files and write the model.

    A quarter of the normal rows and a fifth of each known class are kept for the test (see
    :func:`~unseen.jobs.evaluate.evaluate_file`); hidden classes are never trained on.

    Arguments:
        data: A file, a folder, or a glob.
        out: The model file to write.
        label: The label column; ``None`` if all rows are normal.
        normal: The label of normal rows; found among the labels if ``None``.
        hide: Classes to keep from training, so that ``evaluate`` shows whether they are caught.
        ignore: Metadata columns, which are no features.
        categorical: Columns of numbers that are names.
        detector: The detector's short name.
        seed: Seeds the split and the training.
        split_by: A column whose equal values stay in one part.
        resume: Go on from the checkpoint an interrupted run left beside ``out``.
        progress: Called as training proceeds.
        parameters: Further constructor arguments of the detector.

    Raises:
        InputError: If the file, the columns, the labels or a parameter cannot be used.
    """
    check_writable(out)
    source = open_source(data, text=[*([label] if label else []), *categorical, *([split_by] if split_by else [])])
    if split_by is not None:
        check_present(source.schema.names, [split_by], option="split-by")
        ignore = [*ignore, split_by] if split_by not in ignore else ignore
    schema = infer_schema(source.schema, label=label, ignore=ignore, categorical=categorical)
    classes = _count_classes(source, label)
    if label is not None:
        schema = schema.model_copy(update={"normal": resolve_normal(list(classes), normal)})
    elif hide:
        raise InputError("classes can be hidden only where a label column is named: --label COLUMN")
    split = RowSplit(seed=seed, hidden=hidden_classes(hide, list(classes), schema.normal), by=split_by)
    fitted = create(detector, normal=schema.normal, categorical=tuple(categorical), random_state=seed, **parameters)
    table, labels, blocks, counts = _training_part(source, schema, split)
    report = FitReport(fitted, counts, notes=list(source.notes))
    if labels is not None:
        report.telling = telling_columns(table, labels != schema.normal, schema)
    checkpoint = Path(f"{out}.partial")
    if checkpoint.exists() and not resume:
        shutil.rmtree(checkpoint)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UnseenWarning)
        fitted.fit(table, labels, blocks=blocks, checkpoint=checkpoint, resume=resume, progress=progress)
    report.notes += [str(warning.message) for warning in caught]
    # The label and ignored columns are the file's, not the fitted table's; scoring the file again must know them.
    fitted.schema_ = fitted.schema_.model_copy(update={"label": label, "ignored": tuple(ignore)})
    fitted.provenance_ = {
        "files": [path.name for path in source.files],
        "split": split.model_dump(mode="json"),
        "counts": counts,
        "telling_columns": report.telling,
    }
    fitted.save(out)
    shutil.rmtree(checkpoint, ignore_errors=True)
    return report


def _count_classes(source: Source, label: str | None) -> dict[str, int]:
    classes: dict[str, int] = {}
    if label is None:
        return classes
    for batch in source.batches(columns=[label]):
        names, numbers = np.unique(labels_of(batch, label), return_counts=True)
        for name, number in zip(names, numbers, strict=True):
            classes[str(name)] = classes.get(str(name), 0) + int(number)
    if not classes:
        raise InputError(f"there are no rows in {', '.join(str(path) for path in source.files[:3])}")
    return classes


def _training_part(
    source: Source, schema: Schema, split: RowSplit
) -> tuple[pa.Table, NDArray[np.str_] | None, NDArray[np.str_] | None, dict[str, dict[str, int]]]:
    """Read the rows that are not for the test; count all of them."""
    wanted = [*schema.names, *([schema.label] if schema.label else []), *([split.by] if split.by else [])]
    is_test = split.begin(schema)
    tables, names, blocks = [], [], []
    counts: dict[str, dict[str, int]] = {"fitted": {}, "kept for the test": {}, "hidden": {}}
    for batch in source.batches(columns=wanted):
        labels = labels_of(batch, schema.label) if schema.label else None
        test = is_test(batch, labels)
        shown = labels if labels is not None else np.full(batch.num_rows, "all rows")
        hidden = np.isin(shown, split.hidden)
        for fate, mask in (("fitted", ~test), ("kept for the test", test & ~hidden), ("hidden", hidden)):
            for name, number in zip(*np.unique(shown[mask], return_counts=True), strict=True):
                counts[fate][str(name)] = counts[fate].get(str(name), 0) + int(number)
        keep = pa.array(~test)
        tables.append(pa.Table.from_batches([batch.select(schema.names)]).filter(keep))
        if labels is not None:
            names.append(labels[~test])
        if split.by is not None:
            blocks.append(labels_of(batch, split.by)[~test])
    if not tables:
        raise InputError(f"there are no rows in {', '.join(str(path) for path in source.files[:3])}")
    table = pa.concat_tables(tables).combine_chunks()
    if not table.num_rows:
        raise InputError("the split leaves no rows to train on; the file is too small, or split by too few values")
    return (
        table,
        np.concatenate(names) if schema.label else None,
        np.concatenate(blocks) if split.by is not None else None,
        counts,
    )
