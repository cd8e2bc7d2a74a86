"""What a comparison shows and what it does not, in plain sentences."""

from __future__ import annotations

from collections.abc import Sequence

from unseen.bench.stats.bootstrap import Interval
from unseen.bench.stats.compare import Comparison
from unseen.bench.stats.signed_rank import Pair, blocks_needed, smallest_p
from unseen.bench.stats.table import MEASURES

__all__ = ["caveats", "conclusions", "joined", "p_value", "p_words"]

# The project's settings were chosen on these.
_DEVELOPMENT_SEEDS = range(5)
# The shares are those of a simulation, which tests/bench/stats repeats.
_DEPENDENCE = (
    "Ranks and pairs take groups as independent, but groups of one data source share its normals and known classes. "
    "As claims about other data their p-values are far too small: where sources differ half as much as groups, or as "
    "much, signed ranks of 50 groups from 5 sources find a difference that is not there in 24 to 36 % of simulations "
    "at a level of 5 %. The bootstrap intervals resample whole sources, and err in 3 to 4 %. Where the two disagree, "
    "only the intervals speak about other data."
)
_ONE_SOURCE = (
    "All groups come from one data source: nothing here speaks about other data, the intervals neither. Its groups "
    "share normals and known classes, so that Friedman's and the signed-rank tests, which take them as independent, "
    "may find too much even for other groups of this source."
)
_MOST_NAMES = 6
_MOST_RIVALS = 3


def conclusions(comparison: Comparison) -> list[str]:
    """What the comparison shows.

    Arguments:
        comparison: The comparison.
    """
    table = comparison.table
    said = [
        f"{len(comparison.standings)} methods were compared by {MEASURES[table.measure]} on "
        f"{_count(len(table.blocks), 'held-out group')} from {_count(len(table.sources), 'data source')}, each over "
        f"{_seeds(comparison)}."
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
        f"{p_value(test.smallest_p)}."
    ]


def _reachable(comparison: Comparison) -> list[str]:
    pairs, blocks = len(comparison.pairs), len(comparison.table.blocks)
    if comparison.smallest_p <= comparison.level:
        return [
            f"Pairs were tested with exact signed-rank tests, which take groups as independent, Holm-corrected over "
            f"{_count(pairs, 'pair')}; the smallest p they can reach here is {p_value(comparison.smallest_p)}."
        ]
    return [
        f"No pair of methods can be called different here, whatever the figures: with "
        f"{_count(blocks, 'group')} and {_count(pairs, 'pair')} the smallest p that can be reached is "
        f"{p_value(comparison.smallest_p)}. At least {blocks_needed(pairs, comparison.level)} "
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
        said += f" On these groups, taken as independent, it is better than {joined(better)} beyond chance."
    if alike:
        said += f" It is not shown to be better than {joined(alike)}."
    return [said]


def _against_reference(comparison: Comparison) -> list[str]:
    place = {standing.method: number for number, standing in enumerate(comparison.standings)}
    reference = comparison.reference
    what = "the best single peer by mean" if comparison.reference_is_peer else "the best method by mean"
    # The best few say most, and against peers those that are none; the table holds the rest.
    others = [standing for standing in comparison.standings if standing.method != reference]
    rivals = [*(s for s in others if not s.peer), *(s for s in others if s.peer)][:_MOST_RIVALS]
    said, blocks = [], len(comparison.table.blocks)
    for rival in rivals:
        assert rival.difference is not None  # only the reference has none
        pair = comparison.pair(place[rival.method], place[reference])
        won, lost = _won_lost(pair, place[rival.method])
        said.append(
            f"{rival.method} against {reference}, {what}: better in {won} of {blocks} groups and worse in {lost} "
            f"(Holm-corrected p {p_words(pair.p_holm)}), mean difference {_signed(rival.difference)}. "
            + _verdict(
                rival.difference, pair.verdict(place[rival.method], comparison.level), len(comparison.table.sources)
            )
        )
    return said


def _verdict(interval: Interval, by_ranks: int, sources: int) -> str:
    where = "over data sources" if sources > 1 else "over groups"
    by_mean = (interval.low > 0) - (interval.high < 0)
    if by_ranks and by_mean == by_ranks:
        return (
            f"It is {_better(by_ranks)} beyond chance on these groups, taken as independent, and by its mean {where}."
        )
    if by_ranks and by_mean:
        return f"It is {_better(by_ranks)} on more groups but {_better(by_mean)} by its mean, which few groups decide."
    if by_ranks:
        return (
            f"It is {_better(by_ranks)} beyond chance on these groups, taken as independent, but its mean {where} is "
            "not shown to differ."
        )
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
        _DEPENDENCE if sources > 1 else _ONE_SOURCE,
        "Each measure and each setting (caps, shots) is a family of tests of its own: Holm's correction does not reach "
        "across them.",
    ]
    others = len(comparison.standings) - 1
    if others > 1:
        said.append(
            f"The intervals are not corrected for their number: of {others} differences without any truth in them, "
            f"{comparison.level * others:.1f} would leave zero out on average. The corrected signed-rank tests are."
        )
    shared = _shared_sources(comparison)
    if shared:
        said.append(
            f"{joined(shared)}: several protocols use the same rows or traffic. They count as one source in means and "
            "intervals, and as separate groups in ranks."
        )
    units = sources if sources > 1 else len(table.blocks)
    if smallest_p(units) > comparison.level:
        said.append(
            f"With {_count(units, 'data source' if sources > 1 else 'group')} the 95 % intervals may cover less often "
            f"than they say: all lie on one side of zero in {100 * smallest_p(units):.0f} % of cases by chance alone, "
            "and resampling cannot see beyond them."
        )
    if comparison.reference_is_peer:
        said.append(
            "The best peer was picked after seeing these figures, which favours it: the differences are on the "
            "cautious side for the others."
        )
    if len(table.seeds) == 1:
        said.append("There is one seed: the intervals hold nothing of how figures change from seed to seed.")
    if any(seed in _DEVELOPMENT_SEEDS for seed in table.seeds):
        said.append(
            "Seeds 0–4 are development seeds: this project's settings were chosen on them, which flatters its own "
            "detectors. Other seeds draw other rows and hide the same classes, so they flatter them less, but still."
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


def p_value(p: float) -> str:
    """A p-value alone.

    Example:
        >>> p_value(0.034), p_value(0.00001)
        ('0.034', 'below 0.001')
    """
    return p_words(p).removeprefix("= ").replace("<", "below")


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
