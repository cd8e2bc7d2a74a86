"""The tables behind the summaries: classes, percentiles, ranks, pairs, and a paper's figures beside ours."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from unseen.bench.report.gather import Section
from unseen.bench.report.scores import PERCENTILES, PercentileTable
from unseen.bench.report.table import Row, Table, Value
from unseen.bench.report.words import NONE, clean, figure, percent, rate_name, signed
from unseen.bench.results import CellResult
from unseen.bench.stats import MEASURES, Comparison
from unseen.bench.stats.sentences import p_words

__all__ = ["class_table", "pair_table", "percentiles", "published_table", "rank_table"]

_MOST_BESIDE = 4


def class_table(section: Section, measure: str) -> Table:
    """Held-out classes down, methods across, coloured by recall at 1 % false alarms, or by AUROC.

    Arguments:
        section: The protocol.
        measure: ``"auroc"``, or a false-alarm rate such as ``"0.01"``.
    """
    lines = [*section.ranked, *section.controls]
    cells: dict[str, dict[str, list[CellResult]]] = {}
    groups: dict[str, str] = {}
    rows_of: dict[str, int] = {}
    for result in section.results:
        for c in result.measures.main.classes if result.measures else ():
            if not c.known:
                cells.setdefault(c.name, {}).setdefault(result.label, []).append(result)
                rows_of[c.name] = c.rows
                groups[c.name] = result.key.held_out
    rows = []
    for name in sorted(cells, key=lambda name: (groups[name], name)):
        values = [_class_value(name, cells[name].get(line.method, []), measure) for line in lines]
        group = f", in {clean(groups[name])}" if section.protocol.hold_out == "groups" and groups[name] != name else ""
        rows.append(Row(clean(name), values, f"{rows_of[name]:,} rows{group}"))
    return Table(["held-out class", *(clean(line.method) for line in lines)], rows, [])


def _class_value(name: str, results: Sequence[CellResult], measure: str) -> Value:
    classes = [c for r in results if r.measures for c in r.measures.main.classes if c.name == name]
    if measure == "auroc":
        if not classes:
            return Value(NONE)
        area = median(c.auroc for c in classes)
        # Half is no skill: the colour begins there.
        return Value(figure(area, 2), heat=max(0.0, 2 * area - 1))
    found = [c for c in classes if measure in c.recall]
    if not found:
        return Value(NONE)
    caught = median(c.recall[measure] for c in found)
    low, high = median(c.recall_low[measure] for c in found), median(c.recall_high[measure] for c in found)
    return Value(percent(caught, 0), f"{percent(low, 0)}–{percent(high, 0)}", heat=caught)


def percentiles(table: PercentileTable) -> Table:
    """Recall of each unseen class at thresholds P90 to P99 of the calibration normals."""
    rows = [
        Row(clean(name), [Value(percent(value, 0), heat=value) for value in values])
        for name, values in table.classes.items()
    ]
    rows.append(Row("normals that raise an alarm", [Value(percent(value)) for value in table.normals], control=True))
    return Table(["held-out class", *(f"P{p}" for p in PERCENTILES)], rows, [])


def rank_table(comparison: Comparison) -> Table:
    """Mean ranks, means with intervals, and differences to the reference."""
    rows = []
    for standing in comparison.standings:
        difference = standing.difference
        values = [
            Value(f"{standing.rank:.2f}"),
            Value(figure(standing.mean.estimate), f"{standing.mean.low:.3f} to {standing.mean.high:.3f}"),
            Value("reference")
            if difference is None
            else Value(
                signed(difference.estimate),
                f"{signed(difference.low)} to {signed(difference.high)}",
                best=difference.excludes_zero,
            ),
            Value(NONE if standing.p_holm is None else p_words(standing.p_holm).removeprefix("= ")),
        ]
        rows.append(Row(clean(standing.method), values))
    measure = MEASURES[comparison.table.measure]
    head = ["method", "mean rank", f"mean {measure}", f"difference to {clean(comparison.reference)}", "Holm p"]
    notes = [
        "Ranks over all groups alike; means over data sources of means over their groups. Below each: 95 % bootstrap "
        "interval (sources, then groups, then seeds), each for itself and not corrected for their number. Bold: zero "
        "lies outside. Holm p: signed-rank test against the reference, corrected for all pairs."
    ]
    return Table(head, rows, notes)


def pair_table(comparison: Comparison) -> Table:
    """Holm-corrected p-values of all pairs, with the groups won and lost by the method of the row."""
    rows = []
    for first, standing in enumerate(comparison.standings):
        values = []
        for second in range(len(comparison.standings)):
            if first == second:
                values.append(Value(""))
                continue
            pair = comparison.pair(first, second)
            won, lost = pair.test.positive, pair.test.negative
            if pair.first != first:
                won, lost = lost, won
            told = pair.p_holm <= comparison.level
            values.append(Value(p_words(pair.p_holm).removeprefix("= "), f"{won}:{lost}", best=told))
        rows.append(Row(clean(standing.method), values))
    head = ["method", *(clean(standing.method) for standing in comparison.standings)]
    return Table(
        head, rows, ["Below each p: groups in which the method of the row is better and worse. Bold: p ≤ 0.05."]
    )


def published_table(section: Section) -> Table | None:
    """A paper's figures beside those of the best few methods; ``None`` where the protocol has no paper."""
    published = section.protocol.published
    if published is None:
        return None
    lines = section.ranked[:_MOST_BESIDE]
    rows = []
    for row in published.rows:
        rate = None if row.rate is None else f"{row.rate:g}"
        ours = [
            Value("")
            if rate is None
            else Value(f"{figure(line.unseen_f1.get(rate))} / {figure(line.known_f1.get(rate))}")
            for line in lines
        ]
        at = "" if row.rate is None else f"ours at {rate_name(row.rate)} false alarms"
        paper = Value(f"{row.unseen_f1:.2f} / {row.known_f1:.2f}")
        rows.append(Row(f"F1 unseen / known, {clean(row.name)}", [paper, *ours], at))
    for name, paper_value, key in (("AUROC", published.auroc, "auroc"), ("AUPRC at balance", published.auprc, "auprc")):
        ours = [Value(figure(line.weighted.get(key))) for line in lines]
        rows.append(Row(name, [Value(figure(paper_value)), *ours]))
    at = f"{published.recall_at:g}"
    for name, recall in published.recall.items():
        ours = [Value(percent(line.classes.get(name, {}).get(at))) for line in lines]
        rows.append(Row(f"caught of {clean(name)}, %", [Value(percent(recall)), *ours], f"at {rate_name(at)}"))
    notes = [f"{published.source}. {published.caveat} Classes are weighted as in the paper."]
    return Table(["figure", "published", *(clean(line.method) for line in lines)], rows, notes)
