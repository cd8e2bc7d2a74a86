"""Fit a detector on a file, keeping a test part and the hidden classes away from it."""

from __future__ import annotations

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
from unseen.detectors.base import DomainDetector
from unseen.errors import InputError, TrainingError, UnseenWarning
from unseen.jobs.columns import keep_rejects, without_metadata
from unseen.jobs.leaks import telling_columns
from unseen.jobs.places import Checkpoints, refuse_overwrite
from unseen.jobs.split import RowSplit, hidden_classes, labels_of
from unseen.jobs.times import time_edges
from unseen.schema import Schema, resolve_normal
from unseen.sources import Source, open_source
from unseen.stages import stage
from unseen.table import category_values, check_present, infer_schema

__all__ = ["FitReport", "fit_file"]


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
    detector: str = "unseen",
    seed: int = 0,
    split_by: str | None = None,
    split_time: str | None = None,
    domain: str | None = None,
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
        split_time: A column of times, cut into about 100 blocks of consecutive rows, each of which stays in one part.
        domain: A column that names each row's day, host or site, for a detector that learns from several.
        resume: Go on from the checkpoint an interrupted run left beside ``out``.
        progress: Called as training proceeds.
        parameters: Further constructor arguments of the detector.

    Raises:
        InputError: If the file, the columns, the labels or a parameter cannot be used.
        ArtifactError: If the checkpoint to resume from belongs to other rows or parameters.
        TrainingError: If the training diverges.
    """
    fitted = create(detector, normal=normal, categorical=tuple(categorical), random_state=seed, **parameters)
    fitted.check_parameters()
    if domain is not None and not isinstance(fitted, DomainDetector):
        raise InputError(f"the detector {detector!r} learns from no domains; leave --domain out, or --detector meta")
    check_writable(out)
    checkpoints = Checkpoints(out)
    source = open_source(data, text=[name for name in (label, *categorical, split_by, domain) if name])
    refuse_overwrite(out, source.files)
    split = RowSplit(seed=seed, by=split_by, time=split_time)
    schema, metadata = _schema(source, split, label=label, ignore=ignore, categorical=categorical, domain=domain)
    schema, split = stage("reading")(_known_classes)(source, schema, split, normal=normal, hide=hide)
    table, labels, aligned, counts = stage("reading")(_training_part)(source, schema, split, domain)
    report = FitReport(fitted, counts, notes=[*source.notes, *_split_notes(counts, schema, split)])
    if metadata:
        report.notes.append(f"metadata and no features: {', '.join(metadata)}")
    if labels is not None:
        report.telling = stage("telling columns")(telling_columns)(table, labels != schema.normal, schema)
    fitted.set_params(normal=schema.normal)
    report.notes += _train(fitted, table, labels, aligned, checkpoints, resume=resume, progress=progress)
    _describe(report, source, schema, split)
    stage("writing")(fitted.save)(out)
    report.notes += keep_rejects(source, out)
    checkpoints.discard()
    return report


def _schema(
    source: Source,
    split: RowSplit,
    *,
    label: str | None,
    ignore: Sequence[str],
    categorical: Sequence[str],
    domain: str | None,
) -> tuple[Schema, list[str]]:
    """The schema of the source, without the columns of domains and to split by, and what metadata it leaves out."""
    features = without_metadata(source, [*ignore, *categorical, *([label] if label else [])])
    metadata = [name for name in source.schema.names if name not in features]
    ignore = [*ignore, *metadata]
    if domain is not None:
        check_present(source.schema.names, [domain], option="domain")
        if domain == label:
            raise InputError(f"{label!r} is the label; name the column of days, hosts or sites instead: --domain")
        ignore = list(dict.fromkeys([*ignore, domain]))
    if split.by is not None and split.time is not None:
        raise InputError("rows stay together by one column: give --split-by or --split-time, not both")
    if split.column is not None:
        check_present(source.schema.names, [split.column], option=split.option)
        if split.column == label:
            raise InputError(f"{label!r} is the label; all rows of a class would stay together in one part")
        ignore = list(dict.fromkeys([*ignore, split.column]))
    return infer_schema(source.schema, label=label, ignore=ignore, categorical=categorical), metadata


def _known_classes(
    source: Source, schema: Schema, split: RowSplit, *, normal: str | None, hide: Sequence[str]
) -> tuple[Schema, RowSplit]:
    """Add what only the rows can tell: the normal class, the hidden classes, the blocks of time."""
    if schema.label is None:
        if hide or normal is not None:
            option = "--hide" if hide else "--normal"
            raise InputError(f"{option} names a class, and classes need a label column: --label COLUMN")
    else:
        classes = list(_count_classes(source, schema.label))
        schema = schema.model_copy(update={"normal": resolve_normal(classes, normal)})
        split = split.model_copy(update={"hidden": hidden_classes(hide, classes, schema.normal)})
    if split.time is not None:
        split = split.model_copy(update={"edges": time_edges(source, split.time)})
    return schema, split


def _train(
    fitted: Detector,
    table: pa.Table,
    labels: NDArray[np.str_] | None,
    aligned: dict[str, NDArray[np.str_]],
    checkpoints: Checkpoints,
    *,
    resume: bool,
    progress: Callable[..., None] | None,
) -> list[str]:
    """Fit, and return what the user should know; on failure only a checkpoint that can be resumed is left."""
    notes = []
    if not resume:
        checkpoints.discard()
    elif not checkpoints.exist():
        notes.append("there is no checkpoint to resume from; training starts at the beginning")
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", UnseenWarning)
            fitted.fit(table, labels, **aligned, checkpoint=checkpoints.folder, resume=resume, progress=progress)
    except TrainingError:
        # The same rows and settings would fail again at the same step.
        checkpoints.discard()
        raise
    except BaseException:
        checkpoints.prune()
        raise
    smallest = fitted.calibrator_.smallest_rate
    if fitted.false_alarm_rate < smallest:
        notes.append(
            f"{fitted.calibrator_.rows} calibration rows cannot guarantee a false-alarm rate of "
            f"{fitted.false_alarm_rate:g}; when scoring ask for {smallest:.2g} or more, or fit on more normal rows"
        )
    return [*notes, *(str(warning.message) for warning in caught)]


def _describe(report: FitReport, source: Source, schema: Schema, split: RowSplit) -> None:
    """Have the detector remember the file."""
    fitted = report.detector
    # The label and ignored columns are the file's, not the fitted table's; scoring the file again must know them.
    fitted.schema_ = fitted.schema_.model_copy(update={"label": schema.label, "ignored": schema.ignored})
    fitted.provenance_ = {
        # A name that is no UTF-8 has no form in JSON.
        "files": [path.name.encode(errors="backslashreplace").decode() for path in source.files],
        "split": split.model_dump(mode="json"),
        "counts": report.counts,
        "telling_columns": report.telling,
    }


def _split_notes(counts: dict[str, dict[str, int]], schema: Schema, split: RowSplit) -> list[str]:
    """What a split by whole days, hosts or blocks of time did to classes that occur in few of them."""
    if split.column is None:
        return []
    fitted, kept = counts["fitted"], counts["kept for the test"]
    option = f"--{split.option} {split.column!r}"
    normal = schema.normal or "all rows"
    lost = [name for name in kept if name not in fitted]
    notes = [f"{option} keeps all rows of class {name!r} for the test: it is not trained on" for name in lost]
    if normal not in kept:
        notes.append(f"{option} keeps no normal row for the test: 'unseen evaluate' needs another file, or --seed")
    return notes


def _count_classes(source: Source, label: str) -> dict[str, int]:
    classes: dict[str, int] = {}
    rows = missing = 0
    for batch in source.batches(columns=[label]):
        encoded = category_values(batch.column(label))
        rows, missing = rows + len(encoded), missing + encoded.null_count
        names = np.asarray(encoded.dictionary.to_pylist(), dtype=np.str_)
        numbers = np.bincount(encoded.indices.drop_null().to_numpy(), minlength=len(names))
        for name, number in zip(names, numbers, strict=True):
            classes[str(name)] = classes.get(str(name), 0) + int(number)
    if missing:
        raise InputError(f"column {label!r}: {missing:,} of {rows:,} labels are missing; drop those rows or label them")
    return classes


def _training_part(
    source: Source, schema: Schema, split: RowSplit, domain: str | None
) -> tuple[pa.Table, NDArray[np.str_] | None, dict[str, NDArray[np.str_]], dict[str, dict[str, int]]]:
    """Read the rows that are not for the test, with their labels, blocks and domains; count all of them."""
    wanted = [*schema.names, *([schema.label] if schema.label else []), *(c for c in (split.column, domain) if c)]
    is_test = split.begin(schema)
    tables, names, blocks, domains = [], [], [], []
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
        units = split.units(batch)
        if units is not None:
            blocks.append(units[~test])
        if domain is not None:
            domains.append(labels_of(batch, domain)[~test])
    table = pa.concat_tables(tables).combine_chunks()
    if not table.num_rows:
        raise InputError("the split leaves no rows to train on; the file is too small, or split by too few values")
    return (
        table,
        np.concatenate(names) if schema.label else None,
        {name: np.concatenate(parts) for name, parts in (("blocks", blocks), ("domain", domains)) if parts},
        counts,
    )
