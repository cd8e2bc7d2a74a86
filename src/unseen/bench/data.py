"""The labelled rows a protocol splits, from the catalog or from a user's file."""

from __future__ import annotations

import contextlib
import hashlib
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from unseen.errors import InputError
from unseen.schema import nearest, resolve_normal, shorten
from unseen.sources import open_source
from unseen.sources.catalog import entry, find
from unseen.splits import row_hashes
from unseen.table import as_labels, check_present, infer_schema

__all__ = ["DataSpec", "LabelledTable", "catalog_data", "load", "user_data"]

# A metadata column that may be made while reading: the name of the file a row came from.
_FILE = "file"


class DataSpec(BaseModel):
    """Where a data set lies and what its columns mean; enough for another process to read it.

    Attributes:
        name: Its name in the catalog, or a user's.
        files: A file, a folder or a glob.
        label: The label column.
        normal: The label of normal rows; found among the labels if ``None``.
        groups: The family group of a class; a class not named is its own group.
        group_column: A column that holds each row's group instead.
        metadata: Columns that are no features.
        categorical: Columns of numbers that are names.
        split_by: Rows that share this column's value stay in one part.
        domain: A metadata column that names each row's domain, or a column of times, whose day counts.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    files: str
    label: str
    normal: str | None = None
    groups: dict[str, str] = {}
    group_column: str | None = None
    metadata: tuple[str, ...] = ()
    categorical: tuple[str, ...] = ()
    split_by: str | None = None
    domain: str | None = None


@dataclass(frozen=True, eq=False)
class LabelledTable:
    """A data set in memory.

    Attributes:
        spec: Where it came from.
        table: All columns, shape (n, columns).
        features: The names of the feature columns.
        labels: Class labels, shape (n,).
        normal: The label of normal rows.
        groups: The family group of each anomaly class.
        hashes: A hash of each row's features, shape (n,).
        digest: A digest of the rows and their labels, the same from any format that keeps the values.
    """

    spec: DataSpec
    table: pa.Table
    features: list[str]
    labels: NDArray[np.str_]
    normal: str
    groups: dict[str, str]
    hashes: NDArray[np.uint64]
    digest: str

    @property
    def anomalous(self) -> NDArray[np.bool_]:
        """Which rows are anomalies."""
        return np.asarray(self.labels != self.normal)

    def domains(self) -> NDArray[np.str_] | None:
        """The domain of each row for methods that learn from several, ``"unknown"`` where none is told."""
        name = self.spec.domain
        if name is None or name not in self.table.column_names:
            return None
        column = self.table.column(name)
        if not pa.types.is_temporal(column.type):
            column = pc.utf8_trim_whitespace(pc.cast(column, pa.string()))
            # Text that reads as times throughout is times; anything else is names.
            with contextlib.suppress(pa.ArrowInvalid):
                column = pc.cast(column, pa.timestamp("us"))
        if pa.types.is_temporal(column.type):
            column = pc.cast(pc.cast(column, pa.date32()), pa.string())
        values = column.fill_null("")
        return as_labels(pc.if_else(pc.equal(values, ""), "unknown", values), self.table.num_rows)

    def text(self, column: str) -> NDArray[np.str_]:
        """A metadata column as text, missing values as empty text.

        Raises:
            SchemaError: If there is no such column.
        """
        check_present(self.table.column_names, [column], option="split-by")
        values = self.table.column(column).cast(pa.string()).fill_null("")
        return as_labels(values, self.table.num_rows)


def catalog_data(name: str) -> DataSpec:
    """The spec of a data set in the catalog.

    Raises:
        InputError: If it is not on this machine; with the way to get it.
    """
    known = entry(name)
    try:
        path = find(name)
    except InputError as error:
        raise InputError(f"{error}\nIf it lies elsewhere, name its folder: export UNSEEN_DATA_DIR=FOLDER") from error
    return DataSpec(
        name=name,
        files=str(path),
        label=known.label,
        normal=known.normal,
        groups=known.groups,
        metadata=known.metadata,
        categorical=known.categorical,
        split_by=known.split_by,
        domain=known.domain,
    )


def user_data(
    files: str | Path,
    *,
    label: str,
    normal: str | None = None,
    groups: str | None = None,
    ignore: Sequence[str] = (),
    categorical: Sequence[str] = (),
    split_by: str | None = None,
) -> DataSpec:
    """The spec of a user's own table.

    Arguments:
        files: A file, a folder or a glob.
        label: The label column.
        normal: The label of normal rows.
        groups: A TOML file of lines ``"class" = "group"``, or the name of a column that holds the group.
        ignore: Metadata columns.
        categorical: Columns of numbers that are names.
        split_by: Rows that share this column's value stay in one part; it is metadata too.

    Raises:
        InputError: If the file of groups cannot be read.
    """
    # Absolute, so that results stay the same whatever folder a worker runs in.
    place = str(Path(files).expanduser().absolute())
    mapping: dict[str, str] = {}
    column = None
    if groups is not None and groups.endswith(".toml"):
        mapping = _read_groups(Path(groups))
    elif groups is not None:
        column = groups
    metadata = dict.fromkeys([*ignore, *([column] if column else []), *([split_by] if split_by else [])])
    return DataSpec(
        name=Path(place).stem.replace("*", "_") or "table",
        files=place,
        label=label,
        normal=normal,
        groups=mapping,
        group_column=column,
        metadata=tuple(name for name in metadata if name != label),
        categorical=tuple(categorical),
        split_by=split_by,
    )


def _read_groups(path: Path) -> dict[str, str]:
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"--groups {path}: cannot be read, {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"--groups {path}: no valid TOML, {error}") from error
    wrong = [key for key, value in content.items() if not isinstance(value, str)]
    if wrong:
        raise InputError(f'--groups {path}: {wrong[0]!r} names no group; write lines such as "Bot" = "malware"')
    return {str(key): str(value) for key, value in content.items()}


def load(spec: DataSpec) -> LabelledTable:
    """Read a data set into memory and hash its rows.

    Raises:
        InputError: If labels, the normal class or the groups cannot be used.
        SchemaError: If a named column is absent.
    """
    named = [spec.label, spec.group_column, spec.split_by, *spec.categorical]
    table = _rows(spec, [name for name in named if name is not None])
    schema = infer_schema(table.schema, label=spec.label, ignore=spec.metadata, categorical=spec.categorical)
    labels = as_labels(table.column(spec.label), table.num_rows)
    names = [str(name) for name in np.unique(labels)]
    normal = resolve_normal(names, spec.normal)
    classes = [name for name in names if name != normal]
    if not classes:
        raise InputError(f"{spec.files}: all rows are {normal!r}; a benchmark needs at least one anomaly class")
    hashes = row_hashes(table, schema.names)
    digest = hashlib.sha256(hashes.tobytes())
    digest.update("\x00".join(labels.tolist()).encode())
    return LabelledTable(
        spec=spec,
        table=table,
        features=schema.names,
        labels=labels,
        normal=normal,
        groups=_groups(spec, table, labels, classes),
        hashes=hashes,
        digest=digest.hexdigest(),
    )


def _rows(spec: DataSpec, text: Sequence[str]) -> pa.Table:
    """All rows; where the spec counts on a column ``file``, the name of the file each row came from goes there."""
    parts = [spec.files]
    if _FILE in spec.metadata and "*" in spec.files:
        parts = sorted(str(path) for path in Path(spec.files).parent.glob(Path(spec.files).name))
    tables = []
    for part in parts:
        source = open_source(part, text=text)
        check_present(source.schema.names, [spec.label], option="label")
        table = pa.Table.from_batches(list(source.batches()))
        if _FILE in spec.metadata and _FILE not in table.column_names:
            table = table.append_column(_FILE, pa.array([Path(part).stem] * table.num_rows, pa.string()))
        tables.append(table)
    return pa.concat_tables(tables).combine_chunks()


def _groups(spec: DataSpec, table: pa.Table, labels: NDArray[np.str_], classes: Sequence[str]) -> dict[str, str]:
    if spec.group_column is None:
        _check_mapping(spec.groups, classes)
        return {name: spec.groups.get(name, name) for name in classes}
    check_present(table.column_names, [spec.group_column], option="groups")
    values = as_labels(table.column(spec.group_column), table.num_rows)
    found = {}
    for name in classes:
        groups = sorted(set(values[labels == name].tolist()))
        if len(groups) > 1:
            raise InputError(
                f"class {name!r} lies in {len(groups)} groups ({shorten(groups)}); it must belong to one, or its "
                "rows would be trained on while its group is held out"
            )
        found[name] = groups[0]
    return found


def _check_mapping(groups: Mapping[str, str], classes: Sequence[str]) -> None:
    # A catalog entry may describe a release with more classes than a sample holds; a near miss is a slip of the pen.
    for name in groups:
        near = nearest(name, classes) if name not in classes else None
        if near is not None and near not in groups:
            raise InputError(f"the groups name a class {name!r} that is not in the data; did you mean {near!r}?")
