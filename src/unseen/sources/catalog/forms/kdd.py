"""KDD Cup 1999 and NSL-KDD: text without a header line, and scikit-learn's arrays."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from unseen.errors import InputError, SchemaError
from unseen.sources.catalog.entries import Entry
from unseen.sources.catalog.forms.derived import Derived, beside
from unseen.sources.files import BATCH_ROWS, open_source

__all__ = ["KDD_COLUMNS", "kdd99_rows", "read_nsl_kdd"]

KDD_COLUMNS = (
    *("duration", "protocol_type", "service", "flag", "src_bytes", "dst_bytes", "land", "wrong_fragment", "urgent"),
    *("hot", "num_failed_logins", "logged_in", "num_compromised", "root_shell", "su_attempted", "num_root"),
    *("num_file_creations", "num_shells", "num_access_files", "num_outbound_cmds", "is_host_login", "is_guest_login"),
    *("count", "srv_count", "serror_rate", "srv_serror_rate", "rerror_rate", "srv_rerror_rate", "same_srv_rate"),
    *("diff_srv_rate", "srv_diff_host_rate", "dst_host_count", "dst_host_srv_count", "dst_host_same_srv_rate"),
    *("dst_host_diff_srv_rate", "dst_host_same_src_port_rate", "dst_host_srv_diff_host_rate", "dst_host_serror_rate"),
    *("dst_host_srv_serror_rate", "dst_host_rerror_rate", "dst_host_srv_rerror_rate"),
)
"""The 41 features of KDD Cup 1999 and NSL-KDD; the official files have no header line."""


def read_nsl_kdd(entry: Entry, place: Path) -> Derived | None:
    """Read KDDTrain+.txt and KDDTest+.txt, with their part in ``split`` and the family in ``label_family``."""
    parts = {"train": beside(place, "KDDTrain+.txt"), "test": beside(place, "KDDTest+.txt")}
    if not any(parts.values()):
        return None
    if not all(parts.values()):
        raise InputError(f"{place}: both KDDTrain+.txt and KDDTest+.txt are needed; name the folder that holds them")
    names = (*KDD_COLUMNS, entry.label, "difficulty")
    text = (*entry.categorical, entry.label)
    sources = {
        part: open_source(path, format="csv", column_names=names, text=text) for part, path in parts.items() if path
    }
    own = sources["train"].schema
    schema = own.append(pa.field("split", pa.string())).append(pa.field("label_family", pa.string()))

    def stream() -> Iterator[pa.RecordBatch]:
        for part, source in sources.items():
            for batch in source.batches():
                split = pa.repeat(pa.scalar(part), batch.num_rows)
                families = [entry.group(label) for label in batch.column(entry.label).to_pylist()]
                yield pa.RecordBatch.from_arrays(
                    [*batch.columns, split, pa.array(families, pa.string())], schema=schema
                )

    return Derived(schema, stream, lambda: [note for source in sources.values() for note in source.notes])


def kdd99_rows(entry: Entry, data: NDArray[Any], target: NDArray[Any]) -> Derived:
    """Take the arrays of ``sklearn.datasets.fetch_kddcup99``: numbers and bytes as objects, labels ending in a dot.

    Arguments:
        entry: The catalog's entry.
        data: Shape (n, 41), in the order of `KDD_COLUMNS`.
        target: Shape (n,), bytes such as ``b"normal."``.

    Raises:
        SchemaError: If the arrays have another number of columns.
    """
    if data.ndim != 2 or data.shape[1] != len(KDD_COLUMNS):
        raise SchemaError(f"fetch_kddcup99 gave data of shape {data.shape}, not (n, {len(KDD_COLUMNS)})")
    columns = [
        _words(data[:, place]) if name in entry.categorical else pa.array(data[:, place].astype(float))
        for place, name in enumerate(KDD_COLUMNS)
    ]
    labels = pc.utf8_rtrim(_words(target), ".")
    table = pa.table([*columns, labels], names=[*KDD_COLUMNS, entry.label])
    return Derived(table.schema, lambda: iter(table.to_batches(max_chunksize=BATCH_ROWS)))


def _words(values: NDArray[Any]) -> pa.Array:
    return pa.array([value.decode() if isinstance(value, bytes) else str(value) for value in values], pa.string())
