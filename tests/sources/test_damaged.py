"""Damaged files: whatever the bytes, only this package's errors come out."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from unseen.errors import UnseenError
from unseen.sources import open_source, open_writer

TABLE = pa.table(
    {
        "real": pa.array([1.5, None, float("inf"), float("nan")] * 30),
        "whole": pa.array(range(120), pa.int32()),
        "word": pa.array(["x", "é – z", None, "a,b"] * 30),
    }
)
edits = st.lists(
    st.tuples(
        st.sampled_from(["set", "flip", "cut", "insert", "end"]), st.floats(0, 1), st.binary(min_size=1, max_size=4)
    ),
    min_size=1,
    max_size=6,
)


def damaged(content: bytes, changes: list[tuple[str, float, bytes]]) -> bytes:
    body = bytearray(content)
    for how, where, value in changes:
        at = int(where * max(0, len(body) - 1))
        if how == "set":
            body[at : at + len(value)] = value
        elif how == "flip" and body:
            body[at] ^= 1 << (value[0] % 8)
        elif how == "cut":
            del body[at : at + value[0]]
        elif how == "insert":
            body[at:at] = value
        else:
            del body[max(at, len(body) // 2) :]
    return bytes(body)


def outcome(path: Path) -> tuple[list[object], str]:
    try:
        return [column.to_pylist() for batch in open_source(path).batches() for column in batch.columns], ""
    except UnseenError as error:
        return [], str(error)


@pytest.mark.parametrize("suffix", [".csv", ".csv.gz", ".parquet", ".arrow", ".arrows"])
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=edits)
def test_damage_is_read_or_refused_in_words(
    tmp_path: Path, suffix: str, changes: list[tuple[str, float, bytes]]
) -> None:
    path = tmp_path / f"t{suffix}"
    with open_writer(path, TABLE.schema) as writer:
        writer.write(TABLE)
    path.write_bytes(damaged(path.read_bytes(), changes))
    cells, message = outcome(path)
    assert cells or str(path) in message
    assert len(message.splitlines()) <= 2
