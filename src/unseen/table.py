"""One internal form for every table: Arrow columns, checked against a schema."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from unseen.errors import InputError, SchemaError
from unseen.schema import Column, Kind, Schema, nearest, shorten

__all__ = ["as_labels", "as_table", "category_values", "infer_schema", "number_values", "select"]


def as_table(X: Any) -> tuple[pa.Table, bool]:
    """Turn a pandas, polars, pyarrow or numpy table into Arrow columns.

    Arguments:
        X: The table. A numpy array has shape (rows, columns); its columns are named ``x0``, ``x1``, …

    Returns:
        The Arrow table, and whether the column names are the user's own.

    Raises:
        SchemaError: For duplicated column names.
        InputError: For anything that is no table.
    """
    if isinstance(X, np.ndarray):
        return _from_array(X), False
    if isinstance(X, pa.RecordBatch):
        X = pa.Table.from_batches([X])
    if not isinstance(X, pa.Table):
        X = _from_frame(X)
    counts: dict[str, int] = {}
    for name in X.column_names:
        counts[name] = counts.get(name, 0) + 1
    doubled = [name for name, count in counts.items() if count > 1]
    if doubled:
        raise SchemaError(f"{len(doubled)} column names occur more than once: {shorten(doubled)}; rename or drop them")
    return X, True


def _from_array(X: NDArray[Any]) -> pa.Table:
    if X.ndim != 2:
        raise InputError(f"expected a table of shape (rows, columns), got an array of shape {X.shape}; see reshape")
    names = [f"x{j}" for j in range(X.shape[1])]
    return pa.table({name: pa.array(X[:, j], from_pandas=False) for j, name in enumerate(names)})


def _from_frame(X: Any) -> pa.Table:
    import narwhals as nw

    columns = getattr(X, "columns", None)
    if columns is not None and not all(isinstance(name, str) for name in columns):
        # pandas numbers unnamed columns; the text of the number is as good a name as any.
        X = X.rename(columns=str) if hasattr(X, "rename") else X
    if columns is not None:
        names = [str(name) for name in columns]
        if len(set(names)) < len(names):
            doubled = sorted({name for name in names if names.count(name) > 1})
            raise SchemaError(
                f"{len(doubled)} column names occur more than once: {shorten(doubled)}; rename or drop them"
            )
    try:
        # The index of a pandas frame is no column, and would become one.
        return nw.maybe_reset_index(nw.from_native(X, eager_only=True)).to_arrow()
    except TypeError as error:
        raise InputError(
            f"a table is needed (pandas, polars, pyarrow or numpy of shape (rows, columns)), got {type(X).__name__}"
        ) from error
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise InputError(f"a column holds values of mixed types: {error}") from error


def infer_schema(
    table: pa.Schema,
    *,
    label: str | None = None,
    normal: str | None = None,
    ignore: Collection[str] = (),
    categorical: Collection[str] = (),
    named: bool = True,
) -> Schema:
    """Read the columns' kinds off their Arrow types.

    Arguments:
        table: The Arrow schema.
        label: The label column, which is no feature.
        normal: The label of normal rows, kept for the record.
        ignore: Metadata columns, which are no features.
        categorical: Columns of numbers that are names, such as a protocol number.
        named: Whether the user's table had column names.

    Raises:
        SchemaError: For a column named here that is absent, a type that is neither number nor text, or no features.
    """
    for option, names in (("label", [label] if label else []), ("ignore", ignore), ("categorical", categorical)):
        check_present(table.names, names, option=option)
    columns = []
    for field in table:
        if field.name == label or field.name in ignore:
            continue
        kind = _kind(field)
        columns.append(Column(name=field.name, kind="category" if field.name in categorical else kind))
    if not columns:
        raise SchemaError("no feature columns are left; name fewer columns in --ignore")
    return Schema(columns=tuple(columns), label=label, normal=normal, ignored=tuple(ignore), named=named)


def check_present(given: Sequence[str], names: Collection[str], *, option: str) -> None:
    """Refuse names of columns that the table does not have, with the near match.

    Raises:
        SchemaError: With the columns that are there.
    """
    for name in names:
        if name not in given:
            near = nearest(name, given)
            advice = f"did you mean {near!r}?" if near else f"the columns are {shorten(list(given), 12)}"
            raise SchemaError(f"there is no column {name!r} (--{option}); {advice}")


def _kind(field: pa.Field) -> Kind:
    kind = field.type.value_type if pa.types.is_dictionary(field.type) else field.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return "category"
    if pa.types.is_dictionary(field.type):
        return "category"
    if (
        pa.types.is_integer(kind)
        or pa.types.is_floating(kind)
        or pa.types.is_boolean(kind)
        or pa.types.is_decimal(kind)
        or pa.types.is_null(kind)
    ):
        return "number"
    raise SchemaError(
        f"column {field.name!r} holds {field.type}, neither number nor text; leave it out: --ignore {field.name!r}"
    )


def select(table: pa.Table | pa.RecordBatch, schema: Schema, *, named: bool = True) -> pa.Table | pa.RecordBatch:
    """The schema's feature columns of a table, in the schema's order.

    Arguments:
        table: Any table; the label and ignored columns may be there or not.
        schema: What the detector was fitted on.
        named: Whether the table's names are the user's own; columns without names are taken by position.

    Raises:
        SchemaError: If columns are missing or unknown.
    """
    if named and schema.named:
        schema.check_names(table.schema.names)
        return table.select(schema.names)
    if table.num_columns != len(schema.columns):
        raise SchemaError(
            f"X has {table.num_columns} features, but the detector is expecting {len(schema.columns)} features as input"
        )
    return table.rename_columns(schema.names)


def number_values(column: pa.Array | pa.ChunkedArray, name: str) -> NDArray[np.float64]:
    """A number column as float64, missing values as NaN.

    Arguments:
        column: Numbers, booleans, or text that reads as numbers throughout.
        name: The column's name, for the message.

    Raises:
        SchemaError: If values do not read as numbers, with their count and the first of them.
    """
    column = _one_array(column)
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if _is_text(column.type):
        column = _parse(column, name)
    elif pa.types.is_temporal(column.type) or pa.types.is_nested(column.type) or pa.types.is_binary(column.type):
        raise SchemaError(f"column {name!r} holds {column.type}, but the model was fitted on numbers")
    # to_numpy turns nulls of a float array into NaN in one copy.
    return np.asarray(pc.cast(column, pa.float64(), safe=False).to_numpy(zero_copy_only=False), dtype=np.float64)


def _parse(column: pa.Array, name: str) -> pa.Array:
    text = pc.utf8_trim_whitespace(column)
    text = pc.if_else(pc.equal(text, ""), pa.scalar(None, text.type), text)
    try:
        return pc.cast(text, pa.float64())
    except pa.ArrowInvalid:
        bad = [(row, value) for row, value in enumerate(text.to_pylist()) if value is not None and not _reads(value)]
        row, value = bad[0]
        raise SchemaError(
            f"column {name!r} is a number column, but {len(bad)} rows hold text: first {value!r} in row {row + 1}\n"
            f"Clean those rows, or leave the column out when fitting: --ignore {name!r}"
        ) from None


def _reads(value: str) -> bool:
    try:
        pa.scalar(value).cast(pa.float64())
    except pa.ArrowInvalid:
        return False
    return True


def category_values(column: pa.Array | pa.ChunkedArray) -> pa.DictionaryArray:
    """A category column as dictionary-encoded text; whole floats read like integers, so 6.0 is "6"."""
    column = _one_array(column)
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pa.types.is_boolean(column.type):
        column = pc.cast(column, pa.int8())
    if pa.types.is_floating(column.type):
        whole = pc.fill_null(pc.equal(pc.floor(column), column), False)
        small = pc.less(pc.abs(pc.fill_null(column, 0.0)), 2.0**53)
        if pc.all(pc.or_(pc.and_(whole, small), pc.is_null(column, nan_is_null=True))).as_py():
            column = pc.cast(pc.if_else(pc.is_null(column, nan_is_null=True), None, column), pa.int64())
    text = column if _is_text(column.type) else pc.cast(column, pa.string())
    text = pc.utf8_trim_whitespace(pc.cast(text, pa.string()))
    # A blank cell is missing, as it is in a CSV file.
    return pc.if_else(pc.equal(text, ""), pa.scalar(None, pa.string()), text).dictionary_encode()


def as_labels(y: Any, rows: int) -> NDArray[np.str_]:
    """Class labels as text: any strings or integers, one a row.

    Raises:
        InputError: If there are missing labels, or not one label a row.
    """
    if isinstance(y, pa.ChunkedArray | pa.Array):
        values = _one_array(y)
    else:
        if hasattr(y, "to_numpy"):
            y = y.to_numpy()
        array = np.asarray(y)
        if array.ndim != 1:
            if array.ndim == 2 and array.shape[1] == 1:
                array = array[:, 0]
            else:
                raise InputError(f"y holds one label a row and has shape ({rows},), got {array.shape}")
        values = pa.array(array, from_pandas=True)
    if len(values) != rows:
        raise InputError(f"X has {rows} rows, but y has {len(values)} labels")
    encoded = category_values(values)
    if encoded.null_count:
        raise InputError(f"{encoded.null_count} of {rows} labels are missing; drop those rows or label them")
    names = np.asarray(encoded.dictionary.to_pylist(), dtype=np.str_)
    return names[encoded.indices.to_numpy(zero_copy_only=False)] if rows else np.empty(0, dtype=np.str_)


def _one_array(column: pa.Array | pa.ChunkedArray) -> pa.Array:
    if isinstance(column, pa.ChunkedArray):
        return column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)
    return column


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))
