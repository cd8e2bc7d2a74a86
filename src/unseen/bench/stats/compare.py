"""The whole comparison of methods by one measure: ranks, tests, cliques, intervals."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unseen.bench.stats.bootstrap import Interval, hierarchical_bootstrap
from unseen.bench.stats.ranks import Friedman, critical_difference, friedman, mean_ranks
from unseen.bench.stats.signed_rank import Pair, all_pairs, cliques, smallest_p
from unseen.bench.stats.table import BlockTable

__all__ = ["LEVEL", "Comparison", "Standing", "compare"]

LEVEL = 0.05


@dataclass(frozen=True)
class Standing:
    """Where a method stands.

    Attributes:
        method: The method.
        peer: Whether it is one of those named as peers.
        rank: Its mean rank over all groups, 1 is best.
        mean: Its mean over data sources of means over groups, with its bootstrap interval.
        difference: The same of its difference to the reference; ``None`` for the reference itself.
        p_holm: Holm-corrected signed-rank p-value against the reference; ``None`` for the reference itself.
    """

    method: str
    peer: bool
    rank: float
    mean: Interval
    difference: Interval | None
    p_holm: float | None


@dataclass(frozen=True, eq=False)
class Comparison:
    """All methods compared by one measure.

    Attributes:
        table: What was compared.
        standings: The methods, best mean rank first.
        reference: The method that others are set against: the best single peer by mean, or, where no peer was run,
            the best method.
        reference_is_peer: Which of the two it is.
        friedman: The test of "all alike"; ``None`` where there is too little for one.
        critical: Nemenyi's critical difference of mean ranks.
        pairs: All pairs; columns are those of ``standings``.
        nemenyi_cliques: Runs of standings within the critical difference.
        holm_cliques: Runs of standings that the corrected signed-rank tests do not tell apart.
        smallest_p: The smallest Holm-corrected p-value that a table of this size can give.
        level: The level of all tests; intervals are of 1 − level.
    """

    table: BlockTable
    standings: list[Standing]
    reference: str
    reference_is_peer: bool
    friedman: Friedman | None
    critical: float
    pairs: list[Pair]
    nemenyi_cliques: list[tuple[int, int]]
    holm_cliques: list[tuple[int, int]]
    smallest_p: float
    level: float

    def pair(self, first: int, second: int) -> Pair:
        """The pair of two standings, in either order."""
        wanted = (min(first, second), max(first, second))
        return next(pair for pair in self.pairs if (pair.first, pair.second) == wanted)

    def to_json(self) -> dict[str, Any]:
        """Everything as plain values."""
        table, test = self.table, self.friedman
        return {
            "measure": table.measure,
            "groups": [[block.source, block.protocol, block.name] for block in table.blocks],
            "dropped_groups": [[block.source, block.protocol, block.name] for block in table.dropped],
            "left_out": list(table.left_out),
            "seeds": table.seeds,
            "standings": [
                {
                    "method": standing.method,
                    "mean_rank": standing.rank,
                    "mean": _interval(standing.mean),
                    "difference": _interval(standing.difference),
                    "p_holm": standing.p_holm,
                }
                for standing in self.standings
            ],
            "reference": self.reference,
            "friedman": None if test is None else vars(test) | {"f_statistic": _finite(test.f_statistic)},
            "critical_difference": self.critical,
            "smallest_p": self.smallest_p,
            "pairs": [
                {
                    "first": self.standings[pair.first].method,
                    "second": self.standings[pair.second].method,
                    "better": pair.test.positive,
                    "worse": pair.test.negative,
                    "p": pair.test.p,
                    "p_holm": pair.p_holm,
                }
                for pair in self.pairs
            ],
        }


def compare(
    table: BlockTable, peers: Collection[str] = (), *, level: float = LEVEL, seed: int = 0
) -> Comparison | None:
    """Compare all methods of a table.

    Arguments:
        table: What to compare.
        peers: Which of its methods are peers; the best of them is what the others are set against.
        level: The level of the tests.
        seed: Seeds the bootstrap.

    Returns:
        The comparison, or ``None`` where there are not two methods with a common group.
    """
    if len(table.methods) < 2 or not table.blocks:
        return None
    by_column = mean_ranks(table.values)
    order = [int(column) for column in np.lexsort((-table.values.mean(axis=0), by_column))]
    values, rank = table.values[:, order], by_column[order]
    methods = [table.methods[column] for column in order]
    resampled = hierarchical_bootstrap([[group[:, order] for group in groups] for groups in table.sets], seed=seed)
    candidates = [column for column, method in enumerate(methods) if method in peers]
    reference = max(candidates or range(len(methods)), key=lambda column: resampled.estimate[column])
    pairs = all_pairs(values)
    critical = critical_difference(len(methods), len(table.blocks), level)
    return Comparison(
        table=table,
        standings=[
            Standing(
                method=method,
                peer=method in peers,
                rank=float(rank[column]),
                mean=resampled.interval(column, level=1 - level),
                difference=None if column == reference else resampled.interval(column, reference, level=1 - level),
                p_holm=next((p.p_holm for p in pairs if {p.first, p.second} == {column, reference}), None),
            )
            for column, method in enumerate(methods)
        ],
        reference=methods[reference],
        reference_is_peer=bool(candidates),
        friedman=friedman(values),
        critical=critical,
        pairs=pairs,
        nemenyi_cliques=cliques(range(len(methods)), np.abs(np.subtract.outer(rank, rank)) >= critical),
        holm_cliques=cliques(range(len(methods)), _differs(pairs, len(methods), level)),
        smallest_p=smallest_p(len(table.blocks), len(pairs)),
        level=level,
    )


def _differs(pairs: list[Pair], methods: int, level: float) -> NDArray[np.bool_]:
    matrix = np.zeros((methods, methods), dtype=bool)
    for pair in pairs:
        matrix[pair.first, pair.second] = matrix[pair.second, pair.first] = pair.p_holm <= level
    return matrix


def _interval(interval: Interval | None) -> dict[str, float] | None:
    return None if interval is None else dict(vars(interval))


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None
