"""One line a method: all figures of a protocol, and means over protocols."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import fmean, median

import numpy as np

from unseen.bench.report.gather import Part, Section, kind_of
from unseen.bench.report.table import Row, Table, Value
from unseen.bench.report.words import NONE, clean, figure, figures, percent, rate_name, seconds
from unseen.bench.stats import mean_ranks
from unseen.bench.summary import MethodSummary
from unseen.jobs.evaluate import RateResult

__all__ = ["exceeds", "overall_lines", "overall_table", "summary_table"]

_RATES = ("0.05", "0.01", "0.001")


def summary_table(section: Section) -> Table:
    """All figures of a protocol, one row a method."""
    rates = [rate for rate in _RATES if rate in {f"{rate:g}" for rate in section.protocol.rates}]
    lines = [*section.ranked, *section.controls]
    head = ["method", "AUROC", *(f"caught at {rate_name(rate)}" for rate in rates)]
    head += [f"false alarms at {rate_name(rate)}" for rate in rates]
    head += ["known AUROC", "known caught at 1 %", "AUPRC at 1 %", "fit s", "rows/s", "peak MB"]
    best_auroc = max((line.auroc for line in section.ranked), default=None)
    best_caught = {rate: max((x.recall.get(rate, 0.0) for x in section.ranked), default=None) for rate in rates}
    best_auprc = max((line.auprc for line in section.ranked), default=None)
    rows = []
    for line in lines:
        ranked = kind_of(line.method) != "control"
        values = [Value(figure(line.auroc), best=ranked and line.auroc == best_auroc)]
        for rate in rates:
            caught = line.recall.get(rate)
            values.append(Value(percent(caught), best=ranked and caught is not None and caught == best_caught[rate]))
        values += [_realised(section, line, rate) for rate in rates]
        values += [
            Value(figure(line.known_auroc)),
            Value(percent(line.known_recall.get("0.01"))),
            Value(figure(line.auprc), best=ranked and line.auprc == best_auprc),
            *_costs(line.fit_seconds, line.rows_per_second, line.peak_memory),
        ]
        rows.append(Row(clean(line.method), values, _method_note(line), control=not ranked))
    return Table(head, rows, _summary_notes(lines))


def _summary_notes(lines: Sequence[MethodSummary]) -> list[str]:
    notes = [
        "Caught, known caught and false alarms in percent. Below a false-alarm rate: in how many cells the number of "
        "false alarms lies in the 95 % interval that the calibration promises. ⚠: too many false alarms to be chance; "
        "↓: too few, as tied scores or rows that come in blocks may cause. The cells of one seed share normals, so "
        "both marks count seeds, and one seed earns none.",
        "AUROC is the mean over held-out classes or groups; AUPRC, at a prevalence of 1 %, is of all unseen rows "
        "together. Costs are medians over cells on the machine named above, peak memory the "
        "largest, with libraries and rows.",
    ]
    if any(not line.recall.keys() >= set(_RATES) for line in lines):
        notes.append(f"{NONE}: the calibration set is too small to guarantee the rate, or nothing to measure.")
    return notes


def _method_note(line: MethodSummary) -> str:
    said = [f"{line.failed} of {line.failed + line.cells} cells failed"] if line.failed else []
    if line.row_dependent:
        said.append(f"scores depend on the other rows of the batch ({line.row_dependent} cells)")
    return "; ".join(said)


def _rates(section: Section, line: MethodSummary, rate: str) -> list[tuple[int, RateResult]]:
    """The seed and the realised rate of each finished cell."""
    return [
        (result.key.seed, at)
        for result in section.by_method[line.method]
        for at in (result.measures.main.rates if result.measures else ())
        if f"{at.rate:g}" == rate
    ]


def exceeds(section: Section, line: MethodSummary, rate: str) -> bool:
    """Whether a method raises more false alarms than the calibration promises, beyond chance."""
    return _not_chance([(seed, at.false_alarms > at.expected_high) for seed, at in _rates(section, line, rate)])


def _realised(section: Section, line: MethodSummary, rate: str) -> Value:
    found = _rates(section, line, rate)
    if not found:
        return Value(NONE)
    below = [(seed, at.false_alarms < at.expected_low) for seed, at in found]
    inside = sum(at.within for _, at in found)
    digits = 2 if float(rate) < 0.01 else 1
    # Too few false alarms break no promise.
    low = " ↓" if _not_chance(below) else ""
    return Value(percent(line.realised[rate], digits), f"{inside}/{len(found)}{low}", flag=exceeds(section, line, rate))


def _not_chance(outside: Sequence[tuple[int, bool]]) -> bool:
    """Whether so many seeds on one side of their 95 % interval would be rarer than 1 in 100 by chance.

    The cells of one seed share their normals and err together: a seed counts once, by what most of its cells say.
    """
    from scipy.stats import binom

    seeds = {seed for seed, _ in outside}
    gone = sum(fmean(out for s, out in outside if s == seed) > 0.5 for seed in seeds)
    return bool(binom.sf(gone - 1, len(seeds), 0.025) < 0.01)


def _costs(fit: float, speed: float, memory: float | None) -> list[Value]:
    return [Value(seconds(fit)), Value(figures(speed)), Value(NONE if memory is None else f"{memory / 1e6:.0f}")]


def overall_lines(part: Part) -> list[tuple[str, list[MethodSummary]]]:
    """Each method's summaries; those of all protocols first, the best mean AUROC first, controls last."""
    found: dict[str, list[MethodSummary]] = {}
    for section in part.sections:
        for line in section.lines:
            found.setdefault(line.method, []).append(line)
    return sorted(
        found.items(),
        key=lambda item: (
            kind_of(item[0]) == "control",
            -len(item[1]),
            -fmean(line.auroc for line in item[1]),
            item[0],
        ),
    )


def overall_table(part: Part) -> Table:
    """Means over protocols, one row a method."""
    head = [
        "method",
        "protocols",
        "mean rank",
        "rank at 1 %",
        "AUROC",
        *(f"caught at {rate_name(rate)}" for rate in _RATES),
    ]
    head += [f"false alarms at {rate_name(rate)}" for rate in _RATES]
    head += ["known AUROC", "known caught at 1 %", "AUPRC at 1 %", "fit s", "rows/s", "peak MB"]
    rows = []
    by_auroc = _mean_ranks(part, lambda line: line.auroc)
    by_caught = _mean_ranks(part, lambda line: line.recall.get("0.01"))
    for number, (method, lines) in enumerate(overall_lines(part), 1):
        memory = max((line.peak_memory for line in lines if line.peak_memory is not None), default=None)
        complete = len(lines) == len(part.sections)
        values = [
            Value(str(len(lines)), flag=not complete),
            *(Value(NONE if method not in ranks else f"{ranks[method]:.1f}") for ranks in (by_auroc, by_caught)),
            Value(figure(fmean(line.auroc for line in lines))),
            *(Value(percent(_mean([line.recall.get(rate) for line in lines]))) for rate in _RATES),
            *(
                Value(percent(_mean([line.realised.get(rate) for line in lines]), 2 if rate == "0.001" else 1))
                for rate in _RATES
            ),
            Value(figure(_mean([line.known_auroc for line in lines]))),
            Value(percent(_mean([line.known_recall.get("0.01") for line in lines]))),
            Value(figure(fmean(line.auprc for line in lines))),
            *_costs(median(line.fit_seconds for line in lines), median(line.rows_per_second for line in lines), memory),
        ]
        note = "" if complete else f"not on all {len(part.sections)} protocols: its means are not comparable"
        rows.append(Row(f"{number}. {clean(method)}", values, note, control=kind_of(method) == "control"))
    notes = [
        "Means over the protocols, each counting once; a rate that a protocol's calibration set is too small for is "
        "left out of its column. Protocols on the same traffic are related; the comparison below "
        "counts them as one source.",
        "Mean rank: by AUROC on each protocol, 1 is best, equal figures sharing their places, controls and methods "
        "that lack a protocol left out; rank at 1 %: the same by what is caught at 1 % false alarms, over the "
        "protocols that allow it.",
    ]
    return Table(head, rows, notes)


def _mean_ranks(part: Part, measure: Callable[[MethodSummary], float | None]) -> dict[str, float]:
    """The mean over protocols of each method's rank; of methods that ran on all of them, controls aside."""
    by_protocol = [{line.method: measure(line) for line in section.ranked} for section in part.sections]
    everywhere = sorted(set.intersection(*(set(found) for found in by_protocol)))
    usable = [values for found in by_protocol if None not in (values := [found[method] for method in everywhere])]
    if not usable or not everywhere:
        return {}
    return dict(zip(everywhere, mean_ranks(np.array(usable, dtype=np.float64)).tolist(), strict=True))


def _mean(values: Sequence[float | None]) -> float | None:
    found = [value for value in values if value is not None]
    return fmean(found) if found else None
