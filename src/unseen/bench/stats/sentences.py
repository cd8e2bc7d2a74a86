"""What a comparison shows and what it does not, in plain sentences."""

from __future__ import annotations

from collections.abc import Sequence

from unseen.bench.stats.bootstrap import Interval
from unseen.bench.stats.compare import Comparison
from unseen.bench.stats.signed_rank import Pair, blocks_needed
from unseen.bench.stats.table import MEASURES

__all__ = ["caveats", "conclusions", "joined", "p_words"]

# Below this many sources a simulation with true groups, seeds and sources found 87 to 93 % coverage, not 95 %.
_ENOUGH_SOURCES = 5
# The project's settings were chosen on these.
_DEVELOPMENT_SEEDS = range(5)
_MOST_NAMES = 6


def conclusions(comparison: Comparison) -> list[str]:
    """What the comparison shows.

    Arguments:
        comparison: The comparison.
    """
    table = comparison.table
    said = [
        f"{len(comparison.standings)} methods were compared by {MEASURES[table.measure]} on "
        f"{_count(len(table.blocks), 'held-out group')} from {_count(len(table.sources), 'data source')}, each a mean "
        f"over {_seeds(comparison)}."
    ]
    said += _overall(comparison)
    said += _reachable(comparison)
    said += _first_place(comparison)
    said += _against_reference(comparison)
    return said


def _overall(comparison: Comparison) -> list[str]:
    test = comparison.friedman
    if test is None:
        return []
    shown = (
        "The methods do not all rank alike"
        if test.p_f <= comparison.level
        else "It is not shown that the methods rank differently at all"
    )
    f = "infinite" if test.f_statistic == float("inf") else f"{test.f_statistic:.2f}"
    return [
        f"{shown}: Friedman χ² = {test.statistic:.2f} (p {p_words(test.p_chi2)}), Iman–Davenport F = {f} "
        f"(p {p_words(test.p_f)}). The smallest p that {test.blocks} groups and {test.methods} methods can reach is "
        f"{p_words(test.smallest_p).removeprefix('= ')}."
    ]


def _reachable(comparison: Comparison) -> list[str]:
    pairs, blocks = len(comparison.pairs), len(comparison.table.blocks)
    if comparison.smallest_p <= comparison.level:
        return [
            f"Pairs were tested with exact signed-rank tests, Holm-corrected over {_count(pairs, 'pair')}; the "
            f"smallest p they can reach here is {p_words(comparison.smallest_p).removeprefix('= ')}."
        ]
    return [
        f"No pair of methods can be called different here, whatever the figures: with "
        f"{_count(blocks, 'group')} and {_count(pairs, 'pair')} the smallest p that can be reached is "
        f"{p_words(comparison.smallest_p).removeprefix('= ')}. At least {blocks_needed(pairs, comparison.level)} "
        "groups are needed."
    ]


def _first_place(comparison: Comparison) -> list[str]:
    first = comparison.standings[0]
    verdicts = [comparison.pair(0, n).verdict(0, comparison.level) for n in range(1, len(comparison.standings))]
    others = list(zip(comparison.standings[1:], verdicts, strict=True))
    better = [standing.method for standing, verdict in others if verdict > 0]
    alike = [standing.method for standing, verdict in others if verdict <= 0]
    said = f"{first.method} has the best mean rank, {first.rank:.2f} of {len(comparison.standings)}."
    if better:
        said += f" It is better than {joined(better)} beyond chance."
    if alike:
        said += f" It is not shown to be better than {joined(alike)}."
    return [said]


def _against_reference(comparison: Comparison) -> list[str]:
    place = {standing.method: number for number, standing in enumerate(comparison.standings)}
    reference = comparison.reference
    what = "the best single peer by mean" if comparison.reference_is_peer else "the best method by mean"
    # The reference's strongest rivals say most; the table holds the rest.
    rivals = [standing for standing in comparison.standings if standing.method != reference][:3]
    said = []
    for rival in rivals:
        assert rival.difference is not None  # only the reference has none
        pair = comparison.pair(place[rival.method], place[reference])
        won, lost = _won_lost(pair, place[rival.method])
        said.append(
            f"{rival.method} against {reference}, {what}: better in {won} groups and worse in {lost} (Holm-corrected p "
            f"{p_words(pair.p_holm)}), mean difference {_signed(rival.difference)}. "
            + _verdict(
                rival.difference, pair.verdict(place[rival.method], comparison.level), len(comparison.table.sources)
            )
        )
    return said


def _verdict(interval: Interval, by_ranks: int, sources: int) -> str:
    where = "over data sources" if sources > 1 else "over groups"
    by_mean = (interval.low > 0) - (interval.high < 0)
    if by_ranks and by_mean == by_ranks:
        return f"It is {_better(by_ranks)} on such groups beyond chance, and by its mean {where}."
    if by_ranks and by_mean:
        return (
            f"It is {_better(by_ranks)} on more groups but {_better(by_mean)} by its mean: few groups decide the mean."
        )
    if by_ranks:
        return f"It is {_better(by_ranks)} on such groups beyond chance, but its mean {where} is not shown to differ."
    if by_mean:
        return f"It is {_better(by_mean)} by its mean {where}, but not shown to be on most groups."
    return "This may be nothing."


def _better(sign: int) -> str:
    return "better" if sign > 0 else "worse"


def caveats(comparison: Comparison) -> list[str]:
    """What may not be concluded.

    Arguments:
        comparison: The comparison.
    """
    table = comparison.table
    sources = len(table.sources)
    said = [
        "Not shown to differ does not mean equal: a difference that matters may hide in so few groups.",
        "The tests are about groups such as these. "
        + (
            "Groups of one data source share its normals and known classes, so their evidence overlaps and the "
            "p-values of ranks and pairs are somewhat too small; the intervals resample whole sources and allow for it."
            if sources > 1
            else "All come from one data source, so nothing here speaks about other data, and the intervals neither."
        ),
    ]
    shared = _shared_sources(comparison)
    if shared:
        said.append(
            f"{joined(shared)}: several protocols use the same rows or traffic. They count as one source in means and "
            "intervals, and as separate groups in ranks."
        )
    if 1 < sources < _ENOUGH_SOURCES:
        said.append(
            f"With {sources} data sources the 95 % intervals cover less often than they say (about 87–93 % in a "
            "simulation)."
        )
    if comparison.reference_is_peer:
        said.append(
            "The best peer was picked after seeing these figures, which favours it: the differences are on the "
            "cautious side for the others."
        )
    if any(seed in _DEVELOPMENT_SEEDS for seed in table.seeds):
        said.append(
            "Seeds 0–4 are development seeds: this project's settings were chosen on them, which flatters its own "
            "detectors. Final figures are made once, on seeds 5–9."
        )
    if table.left_out:
        said.append(
            "Not compared, since too many cells are missing: "
            + joined(
                [f"{method} ({done} of {cells} cells)" for method, (done, cells) in table.left_out.items()], most=99
            )
            + "."
        )
    if table.dropped:
        said.append(
            "Left out for all methods, since one of them has no value there (it failed, was not run, or had too few "
            "calibration rows for the rate): "
            + joined([f"{block.name} ({block.protocol})" for block in table.dropped], most=12)
            + "."
        )
    return said


def _shared_sources(comparison: Comparison) -> list[str]:
    protocols: dict[str, set[str]] = {}
    for block in comparison.table.blocks:
        protocols.setdefault(block.source, set()).add(block.protocol)
    return [source for source, names in protocols.items() if len(names) > 1]


def _won_lost(pair: Pair, column: int) -> tuple[int, int]:
    test = pair.test
    return (test.positive, test.negative) if pair.first == column else (test.negative, test.positive)


def _seeds(comparison: Comparison) -> str:
    counts = sorted({len(block) for block in comparison.table.by_seed})
    most = counts[-1]
    return _count(most, "seed") if len(counts) == 1 else f"{counts[0]} to {most} seeds"


def p_words(p: float) -> str:
    """A p-value for a sentence.

    Example:
        >>> p_words(0.034), p_words(0.00001)
        ('= 0.034', '< 0.001')
    """
    return "< 0.001" if p < 0.001 else f"= {p:.3f}" if p < 0.1 else f"= {p:.2f}"


def joined(names: Sequence[str], most: int = _MOST_NAMES) -> str:
    """Names as a phrase, the last ones counted where there are many.

    Example:
        >>> joined(["a", "b", "c"]), joined(["a", "b", "c"], most=1)
        ('a, b and c', 'a and 2 more')
    """
    shown = list(names[:most]) + ([f"{len(names) - most} more"] if len(names) > most else [])
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"


def _signed(interval: Interval) -> str:
    text = f"{interval.estimate:+.3f} [{interval.low:+.3f}, {interval.high:+.3f}]"
    return text.replace("-", "−")


def _count(count: int, word: str) -> str:
    return f"{count} {word}" if count == 1 else f"{count} {word}s"
