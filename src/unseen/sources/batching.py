"""Cuts a stream of record batches into batches of one size."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pyarrow as pa

__all__ = ["rebatch"]


def rebatch(batches: Iterable[pa.RecordBatch], rows: int) -> Iterator[pa.RecordBatch]:
    """Yield the same rows in batches of exactly ``rows`` rows, the last one perhaps shorter.

    At most ``rows`` rows plus one incoming batch are held at a time.

    Arguments:
        batches: Record batches of one schema.
        rows: Rows per batch, at least 1.
    """
    held: list[pa.RecordBatch] = []
    count = 0
    for batch in batches:
        start = 0
        while batch.num_rows - start + count >= rows:
            take = rows - count
            held.append(batch.slice(start, take))
            yield _joined(held)
            held, count, start = [], 0, start + take
        if start < batch.num_rows:
            held.append(batch.slice(start))
            count += batch.num_rows - start
    if held:
        yield _joined(held)


def _joined(batches: list[pa.RecordBatch]) -> pa.RecordBatch:
    if len(batches) == 1:
        return batches[0]
    return pa.Table.from_batches(batches).combine_chunks().to_batches()[0]
