"""The tables and sentences that every experiment has: figures by protocol, and differences to the reference."""

from __future__ import annotations

from dataclasses import dataclass

from unseen.bench.experiments.outcome import Outcome
from unseen.bench.experiments.page import Part, row
from unseen.bench.protocol import Protocol
from unseen.bench.report.table import Row, Table, Value
from unseen.bench.report.words import NONE, figure, percent, seconds, signed, spans
from unseen.bench.stats import LEVEL, MEASURES, Comparison, Interval, caveats, holm, smallest_p
from unseen.bench.stats.sentences import joined, p_words

__all__ = ["RULE", "Difference", "against", "difference", "difference_part", "figures_part", "mean_of", "verdicts"]

RULE = (
    "Two readings of a difference: the mean with its 95 % bootstrap interval (data sources, then held-out groups, then "
    "seeds), and the exact signed-rank test over groups, Holm-corrected over all differences to the reference. Better "
    "or worse is what both say (p ≤ 0.05); what only one says is named after it; all else is not distinguishable, "
    "which does not mean equal."
)


@dataclass(frozen=True)
class Difference:
    """A variant against the reference.

    Attributes:
        name: The variant.
        reference: The reference.
        measure: A key of ``MEASURES``.
        interval: Of the difference, higher is better.
        better: In how many groups it is better.
        worse: In how many it is worse.
        groups: How many there are.
        p: The signed-rank test, Holm-corrected over all variants.
        by_mean: 1 where the interval lies above zero, −1 where it lies below, 0 where it holds zero.
        by_ranks: The same by the test.
    """

    name: str
    reference: str
    measure: str
    interval: Interval
    better: int
    worse: int
    groups: int
    p: float
    by_mean: int
    by_ranks: int

    @property
    def words(self) -> str:
        """The verdict."""
        if self.by_ranks and self.by_ranks == self.by_mean:
            return _word(self.by_ranks)
        if self.by_ranks and self.by_mean:
            return f"{_word(self.by_ranks)} on these groups, {_word(self.by_mean)} by its mean"
        if self.by_ranks:
            return f"{_word(self.by_ranks)} on these groups only"
        return f"{_word(self.by_mean)} by its mean only" if self.by_mean else "not distinguishable"


def _word(sign: int) -> str:
    return "better" if sign > 0 else "worse"


def difference(outcome: Outcome, name: str, measure: str = "auroc") -> Difference | None:
    """A variant against the reference; ``None`` where it has no complete results, or is the reference."""
    found = outcome.comparisons[measure]
    names = [] if found is None else [standing.method for standing in found.standings]
    reference = outcome.experiment.reference
    if found is None or name not in names or reference not in names or name == reference:
        return None
    column, at = names.index(name), names.index(reference)
    interval = found.standings[column].difference
    assert interval is not None  # only the reference has none
    # The differences to the reference were named before the run: the correction is for them, not for all pairs.
    others = [number for number in range(len(names)) if number != at]
    corrected = dict(zip(others, holm([found.pair(number, at).test.p for number in others]), strict=True))
    pair = found.pair(column, at)
    sign = 1 if pair.first == column else -1
    better, worse = (pair.test.positive, pair.test.negative)[::sign]
    p = float(corrected[column])
    return Difference(
        name=name,
        reference=reference,
        measure=measure,
        interval=interval,
        better=better,
        worse=worse,
        groups=len(found.table.blocks),
        p=p,
        by_mean=(interval.low > 0) - (interval.high < 0),
        by_ranks=sign * pair.test.favours if p <= found.level else 0,
    )


def against(outcome: Outcome, name: str, measure: str = "auroc") -> str:
    """One sentence on a variant against the reference."""
    found = difference(outcome, name, measure)
    if found is None:
        return (
            f"{name} cannot be set against {outcome.experiment.reference} by {MEASURES[measure]}: results are missing."
        )
    return (
        f"{name} against {found.reference}, {MEASURES[measure]}: {_interval(found.interval)}, better in {found.better} "
        f"and worse in {found.worse} of {found.groups} held-out groups; {found.words}."
    )


def mean_of(outcome: Outcome, name: str, measure: str = "auroc") -> float | None:
    """A variant's mean over data sources of means over held-out groups."""
    found = outcome.comparisons[measure]
    standings = [] if found is None else found.standings
    return next((standing.mean.estimate for standing in standings if standing.method == name), None)


def verdicts(outcome: Outcome, measure: str = "auroc") -> list[str]:
    """Which variants are shown to be better or worse than the reference, and which are not told apart from it."""
    found = [apart for variant in outcome.variants if (apart := difference(outcome, variant.name, measure)) is not None]
    if not found:
        return [f"By {MEASURES[measure]} nothing could be compared."]
    by: dict[str, list[str]] = {}
    for apart in found:
        by.setdefault(apart.words, []).append(f"{apart.name} ({signed(apart.interval.estimate)})")
    reference = outcome.experiment.reference
    said = [f"{words}: {joined(names, most=99)}" for words, names in sorted(by.items())]
    lines = [
        f"By {MEASURES[measure]}, against {reference} ({figure(mean_of(outcome, reference, measure))}): "
        f"{'; '.join(said)}."
    ]
    least = smallest_p(found[0].groups, len(found))
    if least > LEVEL:
        lines.append(
            f"The signed-rank test can show nothing here: the smallest p that {found[0].groups} held-out groups and "
            f"{len(found)} differences can reach is {p_words(least).removeprefix('= ')}."
        )
    return lines


def figures_part(outcome: Outcome, protocol: Protocol) -> Part:
    """One protocol's figures: a row a variant."""
    asked = [rate for rate in protocol.rates if rate in (0.05, 0.01)]
    rows = []
    for variant in outcome.variants:
        line = outcome.summaries.get((protocol.name, variant.name))
        if line is None:
            continue
        each = [found.auroc for found in outcome.by_seed(protocol, variant.name)]
        spread = f"{figure(min(each))}–{figure(max(each))}" if len(each) > 1 else ""
        caught = [Value(percent(line.recall.get(f"{rate:g}"))) for rate in asked]
        known = [Value(percent(line.known_recall.get("0.01")))] if 0.01 in asked else []
        false_alarms = [Value(percent(line.realised.get(f"{rate:g}"), 2)) for rate in asked]
        cost = Value(seconds(line.fit_seconds))
        rows.append(Row(variant.name, [Value(figure(line.auroc), spread), *caught, *known, *false_alarms, cost]))
    head = ["variant", "AUROC", *(f"caught at {100 * rate:g} %" for rate in asked)]
    head += ["known at 1 %"] if 0.01 in asked else []
    head += [*(f"false alarms at {100 * rate:g} %" for rate in asked), "fit, s"]
    each_kind = "groups" if protocol.hold_out == "groups" else "classes"
    over = (
        f"medians over seeds {spans(outcome.seeds)}, with the lowest and the highest seed's AUROC"
        if len(outcome.seeds) > 1
        else f"seed {spans(outcome.seeds)} alone"
    )
    lead = (
        f"{protocol.title}. Means over held-out {each_kind}, {over}. Shares are in percent; all thresholds come from "
        "calibration normals."
    )
    return Part(protocol.name, [], [(lead, Table(head, rows, []))])


def difference_part(outcome: Outcome) -> Part:
    """Every variant against the reference, by AUROC and by recall at 1 %, and what may not be concluded."""
    tables = []
    for measure, found in outcome.comparisons.items():
        if found is not None and outcome.experiment.reference in found.table.methods:
            tables.append((_lead(found, measure), _table(outcome, found, measure)))
    compared = [found for found in outcome.comparisons.values() if found is not None]
    said = list(dict.fromkeys(line for found in compared for line in caveats(found) if not _about_peers(line)))
    return Part("Differences", [RULE, *said] if compared else ["Nothing could be compared."], tables)


def _about_peers(line: str) -> bool:
    # The reference was named before the run, not picked after it.
    return line.startswith("The best peer was picked")


def _lead(found: Comparison, measure: str) -> str:
    blocks, sources = len(found.table.blocks), len(found.table.sources)
    reachable = smallest_p(blocks, len(found.standings) - 1)
    return (
        f"By {MEASURES[measure]}, on {blocks} held-out {'group' if blocks == 1 else 'groups or classes'} from "
        f"{joined(found.table.sources)}; means over {'data sources' if sources > 1 else 'groups'}, 95 % intervals. The "
        f"smallest p that the test can reach here is {p_words(reachable).removeprefix('= ')}."
    )


def _table(outcome: Outcome, found: Comparison, measure: str) -> Table:
    means = {standing.method: standing.mean for standing in found.standings}
    rows = []
    for variant in outcome.variants:
        if variant.name not in means:
            continue
        apart = difference(outcome, variant.name, measure)
        mean = f"{figure(means[variant.name].estimate)}"
        if apart is None:
            rows.append(row(variant.name, mean, "reference", NONE, NONE, NONE))
        else:
            won = f"{apart.better}:{apart.worse}"
            p = p_words(apart.p).removeprefix("= ")
            rows.append(row(variant.name, mean, _interval(apart.interval), won, p, apart.words))
    reference = outcome.experiment.reference
    return Table(["variant", "mean", f"difference to {reference}", "better:worse", "Holm p", "verdict"], rows, [])


def _interval(interval: Interval) -> str:
    return f"{signed(interval.estimate)} [{signed(interval.low)}, {signed(interval.high)}]"
