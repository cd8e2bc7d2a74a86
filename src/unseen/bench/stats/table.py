"""From results to a table without gaps: held-out groups down, methods across, seeds behind."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from unseen.bench.protocol import Protocol
from unseen.bench.results import CellResult

__all__ = ["MEASURES", "Block", "BlockTable", "block_table", "cell_values", "source_of"]

MEASURES = {"auroc": "macro AUROC", "recall_0.01": "recall at 1 % false alarms"}
"""What methods are compared by; higher is better in each."""

# Releases and samples of the same captured traffic are one source: another release is no new evidence.
_SAME_SOURCE = dict.fromkeys(("cicids2017", "cicids2017_original", "cicids2017_corrected"), "CIC-IDS-2017")


@dataclass(frozen=True, order=True)
class Block:
    """One held-out group, or one held-out class where a protocol holds classes out together.

    Attributes:
        source: Where its rows come from; blocks of one source are related.
        protocol: The protocol.
        name: The group or class.
    """

    source: str
    protocol: str
    name: str


@dataclass(frozen=True, eq=False)
class BlockTable:
    """A measure of all compared methods on all groups that all of them finished.

    Attributes:
        measure: A key of ``MEASURES``.
        methods: The columns.
        blocks: The rows.
        by_seed: For each block, values of shape (seeds, methods).
        seeds: All seeds that occur.
        left_out: Methods that are not compared, with the number of their finished cells out of those of the others.
        dropped: Blocks that some compared method, or the measure, has no value for.
    """

    measure: str
    methods: list[str]
    blocks: list[Block]
    by_seed: list[NDArray[np.float64]]
    seeds: list[int]
    left_out: dict[str, tuple[int, int]]
    dropped: list[Block]

    @property
    def values(self) -> NDArray[np.float64]:
        """Means over seeds, shape (blocks, methods)."""
        return np.array([block.mean(axis=0) for block in self.by_seed]).reshape(len(self.blocks), len(self.methods))

    @property
    def sources(self) -> list[str]:
        """The sources, sorted."""
        return sorted({block.source for block in self.blocks})

    @property
    def sets(self) -> list[list[NDArray[np.float64]]]:
        """The blocks' values by source, as the hierarchical bootstrap wants them."""
        return [
            [values for block, values in zip(self.blocks, self.by_seed, strict=True) if block.source == source]
            for source in self.sources
        ]


def source_of(protocol: Protocol) -> str:
    """The source of a protocol's rows.

    Example:
        >>> from unseen.bench.protocol import protocol
        >>> source_of(protocol("cicids2017-paper")) == source_of(protocol("cicids2017-corrected"))
        True
    """
    return _SAME_SOURCE.get(protocol.dataset, protocol.dataset)


def cell_values(result: CellResult, protocol: Protocol, measure: str) -> dict[str, tuple[float, float]]:
    """A cell's blocks with their value and number of rows; empty where it failed or the rate was refused.

    Arguments:
        result: A method's result on a cell.
        protocol: The cell's protocol.
        measure: A key of ``MEASURES``.
    """
    if result.measures is None:
        return {}
    main = result.measures.main
    if protocol.hold_out == "groups":
        unseen = main.summary["unseen"]
        return {result.key.held_out: (unseen[measure], unseen["rows"])} if measure in unseen else {}
    found: dict[str, tuple[float, float]] = {}
    for c in main.classes:
        value = c.auroc if measure == "auroc" else c.recall.get(measure.removeprefix("recall_"))
        if not c.known and value is not None:
            found[c.name] = (value, float(c.rows))
    return found


def block_table(results: Iterable[CellResult], protocols: Mapping[str, Protocol], measure: str) -> BlockTable:
    """The largest table without gaps.

    Failures and partial runs leave gaps, and ranks need none. Methods are dropped one by one, each time the one that
    costs the others most cells, and of all tables on the way the one with the most values is taken.
    Blocks too small to count in a protocol's means do not count here.

    Arguments:
        results: Results of one setting, without controls: a random score would always differ from something.
        protocols: The protocols by name; results of others are passed over.
        measure: A key of ``MEASURES``.
    """
    values: dict[str, dict[tuple[Block, int], float]] = {}
    rows: dict[Block, float] = {}
    for result in results:
        protocol = protocols.get(result.key.protocol)
        if protocol is None:
            continue
        of_method = values.setdefault(result.label, {})
        source, given = source_of(protocol), cell_values(result, protocol, measure)
        # Every finished cell has an AUROC, so that a block whose rate was refused is known to be missing.
        for name, (_, count) in cell_values(result, protocol, "auroc").items():
            block = Block(source, protocol.name, name)
            rows[block] = max(count, rows.get(block, 0.0))
            if name in given:
                of_method[block, result.key.seed] = given[name][0]
    counted = _large_enough(rows, protocols)
    kept = {m: {key: v for key, v in found.items() if key[0] in counted} for m, found in values.items()}
    methods, cells = _largest_complete(kept)
    blocks = sorted({block for block, _ in cells})
    return BlockTable(
        measure=measure,
        methods=methods,
        blocks=blocks,
        by_seed=[
            np.array([[kept[m][block, seed] for m in methods] for b, seed in sorted(cells) if b == block])
            for block in blocks
        ],
        seeds=sorted({seed for _, seed in cells}),
        left_out={m: (len(cells & set(found)), len(cells)) for m, found in kept.items() if m not in methods},
        dropped=sorted(counted - set(blocks)),
    )


def _large_enough(rows: Mapping[Block, float], protocols: Mapping[str, Protocol]) -> set[Block]:
    """Blocks that count in means; where a protocol has none, all of its blocks do."""
    large = {block for block, count in rows.items() if count >= protocols[block.protocol].fewest_for_mean}
    served = {block.protocol for block in large}
    return large | {block for block in rows if block.protocol not in served}


def _largest_complete(
    values: Mapping[str, Mapping[tuple[Block, int], float]],
) -> tuple[list[str], set[tuple[Block, int]]]:
    """The methods and cells of the table with the most values that methods dropped one by one can leave."""
    left = {method: set(found) for method, found in sorted(values.items())}
    best: tuple[list[str], set[tuple[Block, int]]] = ([], set())
    while left:
        cells = set.intersection(*left.values())
        # A comparison needs two; a single method is a table only where there is no other.
        if len(left) * len(cells) > len(best[0]) * len(best[1]) and (len(left) > 1 or not best[1]):
            best = (list(left), cells)
        del left[max(left, key=lambda method: (_common_without(left, method), -len(left[method])))]
    return best


def _common_without(values: Mapping[str, set[tuple[Block, int]]], method: str) -> int:
    """How many cells all methods but one have."""
    others = [found for name, found in values.items() if name != method]
    return len(set.intersection(*others)) if others else 0
