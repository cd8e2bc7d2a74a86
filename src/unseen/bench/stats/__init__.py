"""Statistics over held-out groups: ranks and their tests, pairs of methods, intervals, and what they mean in words."""

from __future__ import annotations

from unseen.bench.stats.bootstrap import Interval, hierarchical_bootstrap, hierarchical_mean
from unseen.bench.stats.compare import LEVEL, Comparison, Standing, compare
from unseen.bench.stats.ranks import Friedman, critical_difference, friedman, iman_davenport, mean_ranks
from unseen.bench.stats.sentences import caveats, conclusions
from unseen.bench.stats.signed_rank import cliques, holm, signed_rank, smallest_p
from unseen.bench.stats.table import MEASURES, Block, BlockTable, block_table

__all__ = [
    "LEVEL",
    "MEASURES",
    "Block",
    "BlockTable",
    "Comparison",
    "Friedman",
    "Interval",
    "Standing",
    "block_table",
    "caveats",
    "cliques",
    "compare",
    "conclusions",
    "critical_difference",
    "friedman",
    "hierarchical_bootstrap",
    "hierarchical_mean",
    "holm",
    "iman_davenport",
    "mean_ranks",
    "signed_rank",
    "smallest_p",
]
