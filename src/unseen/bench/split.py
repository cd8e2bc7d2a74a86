"""One cell of a benchmark: a protocol, a held-out group and a seed become training rows and test rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from unseen.bench.cell import KNOWN, NORMAL, UNSEEN, Cell, CellKey
from unseen.bench.data import LabelledTable
from unseen.bench.guard import HeldOut
from unseen.bench.protocol import CAPS, Blocks, Caps, Protocol, RowsWhere, Setting
from unseen.errors import InputError
from unseen.jobs.times import clock
from unseen.schema import nearest, shorten
from unseen.splits import DuplicateReport, deduplicate, row_hashes, split_exact, uniform
from unseen.table import check_present

__all__ = ["ALL_CLASSES", "KNOWN_TEST", "NORMAL_TEST", "held_out_names", "hidden_classes", "make_cell"]

# The name under which classes are held out together.
ALL_CLASSES = "all"

# A quarter of the normals; of the other three quarters a detector makes 48 %, 12 % and 15 % of all. A fifth of the
# known anomalies.
NORMAL_TEST = 0.25
KNOWN_TEST = 0.20


def held_out_names(data: LabelledTable, protocol: Protocol, only: Sequence[str] = ()) -> list[str]:
    """What is held out, one cell each: the groups with enough distinct rows, or all named classes together.

    Arguments:
        data: The data set.
        protocol: The protocol.
        only: Restrict to these groups.

    Raises:
        InputError: If a group is unknown or too small, or none is large enough.
    """
    if protocol.hold_out != "groups":
        names = [ALL_CLASSES]
    else:
        # Without what duplicates and vectors of both labels take: that is what a test would have.
        keep, _ = deduplicate(data.hashes, data.labels, data.normal)
        found, counts = np.unique(data.labels[keep & data.anomalous & _test_part(data, protocol)], return_counts=True)
        rows: dict[str, int] = {}
        for name, count in zip(found, counts, strict=True):
            rows[data.groups[str(name)]] = rows.get(data.groups[str(name)], 0) + int(count)
        names = sorted(group for group, count in rows.items() if count >= protocol.fewest_rows)
        if not names:
            raise InputError(
                f"{protocol.name}: no group has {protocol.fewest_rows} distinct rows to be held out; "
                f"there are {shorten([f'{group} ({count})' for group, count in rows.items()], quote=False)}"
            )
    for name in only:
        if name not in names:
            near = nearest(name, names)
            hint = f"did you mean {near!r}?" if near else f"it has {shorten(names, 20)}"
            raise InputError(f"{protocol.name} does not hold out {name!r}; {hint}")
    return [name for name in names if not only or name in only]


@dataclass(frozen=True, eq=False)
class _Drawn:
    """Which rows were drawn for what, as positions in the data set."""

    train: NDArray[np.intp]
    test_normal: NDArray[np.intp]
    test_known: NDArray[np.intp]
    keep: NDArray[np.bool_]
    never_used: NDArray[np.bool_]
    blocks: NDArray[np.str_] | None
    duplicates: DuplicateReport


def make_cell(
    data: LabelledTable, protocol: Protocol, held_out: str, seed: int, setting: Setting | None = None
) -> Cell:
    """Split a data set for one held-out group and seed.

    Equal feature vectors are kept once, held-out rows first, and vectors that are normal and anomalous at once not at
    all, so that no test row has a twin among the training rows. Which rows those were is kept for a second figure.

    Arguments:
        data: The data set.
        protocol: The protocol.
        held_out: A name from :func:`held_out_names`.
        seed: Seeds the split; every part follows from it and from the rows' content.
        setting: Caps and shots.

    Raises:
        InputError: If a part would be empty.
    """
    setting = setting or Setting()
    of_class = np.isin(data.labels, hidden_classes(data, protocol, held_out))
    hidden = of_class & _test_part(data, protocol)
    if not hidden.any():
        raise InputError(f"{protocol.name}: no rows of {held_out!r} to hold out")
    drawn = _draw(data, protocol, hidden, of_class & ~hidden, seed, setting)
    for name in protocol.classes:
        if not np.any(drawn.keep & (data.labels == name)):
            raise InputError(f"{protocol.name}: all rows of {name!r} equal normal rows; there is nothing to test on")
    if not (drawn.train.size and drawn.test_normal.size):
        raise InputError(
            f"{protocol.name}: {drawn.train.size} rows to train on and {drawn.test_normal.size} normal rows to test "
            "on; both are needed: split by more or smaller blocks"
        )
    kept = np.flatnonzero(hidden & drawn.keep)
    extra, twin, dropped = _dropped(data, hidden, drawn.keep, kept)
    test = np.concatenate([drawn.test_normal, drawn.test_known, kept, extra])
    sizes = [drawn.test_normal.size, drawn.test_known.size, kept.size + extra.size]
    key = CellKey(
        protocol=protocol.name,
        setting=setting,
        held_out=held_out,
        seed=seed,
        classes=tuple(sorted(set(data.labels[hidden].tolist()))),
    )
    features = data.table.select(data.features)
    domains = data.domains()
    return Cell(
        key=key,
        normal=data.normal,
        categorical=tuple(name for name in data.spec.categorical if name in data.features),
        train=features.take(pa.array(drawn.train)),
        train_labels=data.labels[drawn.train],
        train_blocks=None if drawn.blocks is None else drawn.blocks[drawn.train],
        train_domains=None if domains is None else domains[drawn.train],
        test=features.take(pa.array(test)),
        test_labels=data.labels[test],
        test_hashes=data.hashes[test],
        role=np.repeat(np.array([NORMAL, KNOWN, UNSEEN], dtype=np.int8), sizes),
        strict=None if protocol.strict is None else _where(data, protocol.strict)[test],
        extra=extra.size,
        twin=sizes[0] + sizes[1] + twin,
        dropped_labels=data.labels[dropped],
        held_out=HeldOut(tuple(data.features), np.unique(data.hashes[test]), key.name),
        counts=_counts(data, drawn, test[: test.size - extra.size]),
        data_digest=data.digest,
        protocol_digest=protocol.digest,
    )


def _test_part(data: LabelledTable, protocol: Protocol) -> NDArray[np.bool_]:
    """The rows that may be tested on: those of the set's own test part, or all."""
    if protocol.native is None:
        return np.ones(len(data.labels), dtype=bool)
    return np.asarray(data.text(protocol.native.column) == protocol.native.test)


def _draw(
    data: LabelledTable,
    protocol: Protocol,
    hidden: NDArray[np.bool_],
    barred: NDArray[np.bool_],
    seed: int,
    setting: Setting,
) -> _Drawn:
    """Draw the parts; ``barred`` rows are of a hidden class but not of the test part, so they are for nothing."""
    caps, salt = CAPS[setting.caps], f"bench {seed}"
    never_used = (_where(data, protocol.never_train) & ~hidden & data.anomalous) | barred
    part = None if protocol.native is None else data.text(protocol.native.column)
    late = np.zeros(len(hidden), dtype=bool) if protocol.native is None else _test_part(data, protocol)
    # Of equal rows the first is kept: a hidden one before all others, a training part's one before a test part's.
    order = np.lexsort(np.stack([late, never_used, ~hidden]))
    keep = np.empty(len(hidden), dtype=bool)
    keep[order], duplicates = deduplicate(data.hashes[order], data.labels[order], data.normal)
    usable = keep & ~never_used & ~hidden
    # A set's own parts need no blocks to be split; a detector takes them to divide the training part.
    blocks = None if protocol.native is not None and protocol.blocks is None else _blocks(data, protocol)
    if protocol.native is not None:
        in_test = np.asarray(late)
        usable &= in_test | (part == protocol.native.train)
    else:
        in_test = _draw_test(data, usable, blocks, salt)
    place = uniform(data.hashes, salt=f"{salt} caps")
    normal, known = usable & ~data.anomalous, usable & data.anomalous
    train_normal = _first(np.flatnonzero(normal & ~in_test), place, caps.normal_train)
    train_known = _known_rows(np.flatnonzero(known & ~in_test), data.labels, place, setting.shots, caps)
    return _Drawn(
        train=np.sort(np.concatenate([train_normal, train_known])),
        test_normal=_first(np.flatnonzero(normal & in_test), place, caps.normal_test),
        test_known=np.flatnonzero(known & in_test),
        keep=keep,
        never_used=never_used & keep,
        blocks=blocks,
        duplicates=duplicates,
    )


def hidden_classes(data: LabelledTable, protocol: Protocol, held_out: str) -> list[str]:
    """The anomaly classes that a cell holds out.

    Raises:
        InputError: If the protocol names a class that is not in the data; with the near match.
    """
    if protocol.hold_out == "groups":
        return [name for name, group in data.groups.items() if group == held_out]
    if protocol.hold_out == "native" and protocol.native is not None:
        part = data.text(protocol.native.column)
        trained = set(data.labels[part == protocol.native.train].tolist())
        return sorted(set(data.labels[data.anomalous].tolist()) - trained)
    missing = [name for name in protocol.classes if name not in data.groups]
    if missing:
        near = nearest(missing[0], data.groups)
        hint = f"did you mean {near!r}?" if near else f"the classes are {shorten(sorted(data.groups), 20)}"
        raise InputError(f"{protocol.name}: there is no class {missing[0]!r} to hold out; {hint}")
    return list(protocol.classes)


def _where(data: LabelledTable, rows: RowsWhere | None) -> NDArray[np.bool_]:
    if rows is None:
        return np.zeros(len(data.labels), dtype=bool)
    chosen = np.isin(data.text(rows.column), list(rows.values))
    if rows.groups:
        chosen &= np.isin(data.labels, [name for name, group in data.groups.items() if group in rows.groups])
    return np.asarray(chosen)


def _blocks(data: LabelledTable, protocol: Protocol) -> NDArray[np.str_] | None:
    """One block a row, normals and known anomalies by their own columns where the protocol says so."""
    chosen = protocol.blocks
    if chosen is None and data.spec.split_by is not None:
        chosen = Blocks(column=data.spec.split_by)
    if chosen is None:
        return None
    ids = _block_ids(data, chosen)
    if protocol.known_blocks is None:
        return ids
    return np.where(data.anomalous, np.char.add("anomaly ", _block_ids(data, protocol.known_blocks)), ids)


def _block_ids(data: LabelledTable, blocks: Blocks) -> NDArray[np.str_]:
    if blocks.pieces is None:
        return data.text(blocks.column)
    check_present(data.table.column_names, [blocks.column], option="split-time")
    times = clock(data.table.column(blocks.column), blocks.column)
    if missing := int(np.count_nonzero(~np.isfinite(times))):
        raise InputError(f"column {blocks.column!r}: {missing:,} of {times.size:,} rows have no time; drop them first")
    _, moment, counts = np.unique(times, return_inverse=True, return_counts=True)
    # Rows of equal time stay together; a moment goes where its middle lies.
    middle = np.cumsum(counts) - 0.5 * counts
    return np.floor(middle * blocks.pieces / times.size).astype(np.int64)[moment].astype(np.str_)


def _draw_test(
    data: LabelledTable, usable: NDArray[np.bool_], blocks: NDArray[np.str_] | None, salt: str
) -> NDArray[np.bool_]:
    """The test rows of the normals and of each known class, by row or by whole blocks.

    Every class draws with the same salt. So a block that is for the test among the normals comes first among the known
    classes too, and a recording is not cut in two where that can be helped.
    """
    units = data.hashes if blocks is None else row_hashes(pa.table({"block": blocks}), ["block"])
    test = np.zeros(len(usable), dtype=bool)
    for name in np.unique(data.labels[usable]):
        share = NORMAL_TEST if name == data.normal else KNOWN_TEST
        rows = np.flatnonzero(usable & (data.labels == name))
        test[rows] = split_exact(units[rows], {"test": share, "train": 1.0 - share}, salt=f"{salt} test") == 0
    return test


def _first(rows: NDArray[np.intp], place: NDArray[np.float64], most: int | None) -> NDArray[np.intp]:
    """The first ``most`` rows in drawn order, so that a smaller set lies within a larger one."""
    if most is None or rows.size <= most:
        return rows
    return np.sort(rows[np.argsort(place[rows], kind="stable")[:most]])


def _known_rows(
    rows: NDArray[np.intp], labels: NDArray[np.str_], place: NDArray[np.float64], shots: int | None, caps: Caps
) -> NDArray[np.intp]:
    """Known anomalies to train on: ``shots`` of each class, and in all no more than the cap, fairly shared."""
    by_class = {name: rows[labels[rows] == name] for name in np.unique(labels[rows])}
    sizes = {name: len(found) if shots is None else min(shots, len(found)) for name, found in by_class.items()}
    quota = _fair_shares(sizes, caps.known_train)
    parts = [_first(found, place, quota[name]) for name, found in by_class.items()]
    return np.concatenate(parts) if parts else np.empty(0, dtype=np.intp)


def _fair_shares(sizes: Mapping[str, int], most: int | None) -> dict[str, int]:
    """Small classes whole, and what is left in equal shares: rare classes are not crowded out by frequent ones.

    Example:
        >>> _fair_shares({"a": 2, "b": 50, "c": 90}, 42)
        {'a': 2, 'b': 20, 'c': 20}
    """
    left = sum(sizes.values()) if most is None else most
    shares: dict[str, int] = {}
    for number, name in enumerate(sorted(sizes, key=lambda name: (sizes[name], name))):
        shares[name] = min(sizes[name], left // (len(sizes) - number))
        left -= shares[name]
    return shares


def _dropped(
    data: LabelledTable, hidden: NDArray[np.bool_], keep: NDArray[np.bool_], hidden_rows: NDArray[np.intp]
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]:
    """The hidden rows that de-duplication took, and where to find the score each would have had.

    Returns:
        One row for each dropped vector that has no kept twin; for each dropped row the position of its vector among
        the kept hidden rows followed by those; and the dropped rows.
    """
    dropped = np.flatnonzero(hidden & ~keep)
    alone = dropped[~np.isin(data.hashes[dropped], data.hashes[hidden_rows])]
    extra = alone[np.sort(np.unique(data.hashes[alone], return_index=True)[1])]
    vectors = data.hashes[np.concatenate([hidden_rows, extra])]
    order = np.argsort(vectors)
    return extra, order[np.searchsorted(vectors, data.hashes[dropped], sorter=order)], dropped


def _counts(data: LabelledTable, drawn: _Drawn, test: NDArray[np.intp]) -> dict[str, dict[str, int]]:
    """Rows of each class: found, taken as duplicates and as conflicts, never used, trained on, and tested on."""
    counts = {}
    for name, taken in drawn.duplicates.classes.items():
        of_class = data.labels == name
        counts[name] = {
            "rows": taken.rows,
            "duplicates": taken.duplicates,
            "conflicts": taken.conflicts,
            "never used": int(np.count_nonzero(drawn.never_used & of_class)),
            "train": int(np.count_nonzero(of_class[drawn.train])),
            "test": int(np.count_nonzero(of_class[test])),
        }
    return counts
