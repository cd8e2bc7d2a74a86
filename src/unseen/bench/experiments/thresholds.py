"""Thresholds from P90 to P99: the published percentiles of training normals, and calibrated rates."""

from __future__ import annotations

from collections.abc import Sequence

from unseen.bench.experiments.outcome import Outcome
from unseen.bench.experiments.page import Part, row
from unseen.bench.experiments.plan import Experiment, Variant, sculptor
from unseen.bench.experiments.rules import Decision, Rule, calibrated, decide, precision_at, published, stage_one
from unseen.bench.protocol import Protocol
from unseen.bench.report.table import Table
from unseen.bench.report.words import figure, percent
from unseen.bench.stats.sentences import joined
from unseen.metrics import wilson_interval

__all__ = ["EXPERIMENT"]

_PUBLISHED, _FAST = "published rule", "sculptor-fast"
_PERCENTILES = tuple(range(90, 100))
_RECALLS = tuple(step / 10 for step in range(1, 10))
_PREVALENCES = (0.5, 0.01)


def _by_percentile(outcome: Outcome, protocol: Protocol) -> list[tuple[str, Decision]]:
    rules = [(f"P{p}", published(p)) for p in _PERCENTILES]
    return _decided(outcome, protocol, _PUBLISHED, rules)


def _by_rate(outcome: Outcome, protocol: Protocol, name: str) -> list[tuple[str, Decision]]:
    # In whole percents as integers, since 1 − 0.95 is not 0.05.
    return _decided(outcome, protocol, name, [(f"{100 - p} %", calibrated((100 - p) / 100)) for p in _PERCENTILES])


def _decided(
    outcome: Outcome, protocol: Protocol, name: str, rules: Sequence[tuple[str, Rule]]
) -> list[tuple[str, Decision]]:
    found = [(said, decide(outcome, protocol, name, rule)) for said, rule in rules]
    return [(said, decision) for said, decision in found if decision is not None]


def _answer(outcome: Outcome) -> list[str]:
    said: list[str] = []
    for protocol in outcome.protocols:
        found = dict(_by_percentile(outcome, protocol))
        triage = decide(outcome, protocol, _PUBLISHED, stage_one())
        if not found or triage is None:
            continue
        first, last = found[f"P{_PERCENTILES[0]}"], found[f"P{_PERCENTILES[-1]}"]
        best = max(found, key=lambda name: found[name].f1)
        said += [
            "A percentile is no false-alarm rate: P95 of the published rule raises alarms on "
            f"{percent(found['P95'].false_alarms)} % of the test normals, P99 on {percent(last.false_alarms)} %. "
            f"Triage alone raises them on {percent(triage.false_alarms)} %, and no percentile takes those back.",
            f"From P90 to P99 false alarms go from {percent(first.false_alarms)} to {percent(last.false_alarms)} % "
            f"and weighted recall of the unseen classes from {percent(first.unseen)} to {percent(last.unseen)} %. The "
            f"best F1 of the published rule, {figure(_best_f1(found))}, is at {best}.",
        ]
        said += [_calibrated_words(name, _by_rate(outcome, protocol, name)) for name in (_PUBLISHED, _FAST)]
        said.append(_missed(dict(_by_rate(outcome, protocol, _FAST))))
    return [line for line in said if line]


def _best_f1(found: dict[str, Decision]) -> float:
    return max(decision.f1 for decision in found.values())


def _calibrated_words(name: str, decisions: Sequence[tuple[str, Decision]]) -> str:
    found = dict(decisions)
    if "5 %" not in found or "1 %" not in found:
        return ""
    five, one = found["5 %"], found["1 %"]
    return (
        f"{name}, calibrated: at 5 % asked for, {percent(five.false_alarms)} % of the test normals raise an alarm and "
        f"F1 is {figure(five.f1)}; at 1 %, {percent(one.false_alarms)} % and {figure(one.f1)}."
    )


def _missed(found: dict[str, Decision]) -> str:
    if "10 %" not in found:
        return ""
    missed = [f"{name} ({percent(share)} %)" for name, share in found["10 %"].recall.items() if share < 0.5]
    if not missed:
        return f"{_FAST} catches more than half of every unseen class at 10 % false alarms."
    return (
        f"Even at 10 % false alarms {_FAST} misses more than half of {joined(missed)}: no threshold up to there mends "
        "that."
    )


def _extras(outcome: Outcome) -> list[Part]:
    parts = []
    for protocol in outcome.protocols:
        decided = [
            (
                "The published rule at percentiles of the training normals, not calibrated",
                _by_percentile(outcome, protocol),
            ),
            ("The same scores at calibrated false-alarm rates", _by_rate(outcome, protocol, _PUBLISHED)),
            (f"{_FAST} at calibrated false-alarm rates", _by_rate(outcome, protocol, _FAST)),
        ]
        tables = []
        for what, found in decided:
            if found:
                tables.append((f"{what}, in percent, F1 apart:", _decision_table(found)))
                tables.append((f"{what}: caught of each unseen class in percent:", _class_table(found)))
        parts.append(Part(f"Thresholds on {protocol.name}", [_NOTE], tables))
        curves = []
        for name in (_PUBLISHED, _FAST):
            for share in _PREVALENCES:
                curve = precision_at(outcome, protocol, name, _RECALLS, share)
                what = "precision in percent where so much is caught"
                lead = f"{name}, {what}, the class being {100 * share:g} % of all rows:"
                curves.append((lead, _curve_table(curve)))
        parts.append(Part(f"Precision and recall on {protocol.name}", [], curves))
    return parts


_NOTE = (
    "Precision and F1 are on as many anomalies as normals, classes weighted as the protocol says; medians over seeds. "
    "Behind a class stands its number of test rows, and behind its recall at the middle threshold the 95 % Wilson "
    "interval: of the chance in these rows alone, not of what another threshold or seed would give."
)


def _decision_table(found: Sequence[tuple[str, Decision]]) -> Table:
    rows = [
        row(
            said,
            percent(one.false_alarms, 2),
            percent(one.unseen),
            percent(one.precision),
            figure(one.f1),
            percent(one.known),
        )
        for said, one in found
    ]
    return Table(["threshold", "false alarms", "unseen caught", "precision", "F1", "known caught"], rows, [])


def _class_table(found: Sequence[tuple[str, Decision]]) -> Table:
    sizes = found[0][1].rows
    middle = found[len(found) // 2][0]
    rows = [
        row(said, *(_caught(one.recall[name], sizes[name], with_interval=said == middle) for name in sizes))
        for said, one in found
    ]
    return Table(["threshold", *(f"{name} ({rows_:,})" for name, rows_ in sizes.items())], rows, [])


def _caught(share: float, size: int, *, with_interval: bool) -> str:
    if not with_interval:
        return percent(share)
    low, high = wilson_interval(round(share * size), size)
    return f"{percent(share)} [{percent(low)}–{percent(high)}]"


def _curve_table(curves: dict[str, list[float]]) -> Table:
    rows = [row(name, *(percent(value, 0) for value in values)) for name, values in curves.items()]
    return Table(["unseen class", *(f"{100 * recall:.0f} %" for recall in _RECALLS)], rows, [])


EXPERIMENT = Experiment(
    name="thresholds",
    title="Thresholds from P90 to P99",
    question=(
        "How do precision, recall and false alarms of every unseen class move with the threshold, and is a "
        "percentile of the training normals a false-alarm rate?"
    ),
    design=(
        "The published rule is: triaged, or rarer than the p-th percentile of the training normals. It is applied to a "
        "sculptor with the published loss and weights on small networks (encoder 128–128–32, one flow of three blocks "
        "of 64 on 16 whitened directions of the latent), with signed-log preparation; the published networks take half "
        "an hour a fit. Beside it, the same scores and those of sculptor-fast with thresholds from calibration "
        "normals.",
    ),
    protocols=("cicids2017-paper",),
    variants=(
        Variant(_PUBLISHED, "the published loss and rule on small networks", sculptor("PublishedRule")),
        Variant(_FAST, "the preset fast, three members, calibrated as a whole", "sculptor-fast"),
    ),
    reference=_PUBLISHED,
    answer=_answer,
    extras=_extras,
)
