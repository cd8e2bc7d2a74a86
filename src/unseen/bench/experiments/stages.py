"""Stage 1 alone against both stages."""

from __future__ import annotations

from unseen.bench.experiments.compared import against
from unseen.bench.experiments.outcome import Outcome
from unseen.bench.experiments.page import Part, row
from unseen.bench.experiments.plan import UNSW_FIVE, Experiment, Variant, sculptor
from unseen.bench.experiments.rules import Decision, calibrated, decide, published, stage_one
from unseen.bench.protocol import Protocol
from unseen.bench.report.table import Table
from unseen.bench.report.words import figure, percent

__all__ = ["EXPERIMENT"]

_PUBLISHED, _BOTH, _TRIAGE, _DENSITY = "published rule", "both stages", "stage 1 alone", "stage 2 alone"
_RULES = {
    "stage 1 alone": stage_one(),
    **{f"both, P{p}": published(p) for p in (99, 97, 95)},
    **{f"both, calibrated at {rate:.0%}": calibrated(rate) for rate in (0.01, 0.05)},
}


def _decisions(outcome: Outcome, protocol: Protocol) -> dict[str, Decision]:
    found = {said: decide(outcome, protocol, _PUBLISHED, rule) for said, rule in _RULES.items()}
    return {said: decision for said, decision in found.items() if decision is not None}


def _answer(outcome: Outcome) -> list[str]:
    said = []
    for protocol in outcome.protocols:
        found = _decisions(outcome, protocol)
        alone, both = found.get("stage 1 alone"), found.get("both, P95")
        if alone is not None and both is not None:
            said.append(
                f"{protocol.name}: the published triage alone catches {percent(alone.unseen)} % of the unseen and "
                f"{percent(alone.known)} % of the known anomalies at {percent(alone.false_alarms)} % false alarms; "
                f"with the flow at P95 it is {percent(both.unseen)} and {percent(both.known)} % at "
                f"{percent(both.false_alarms)} %."
            )
    said += [against(outcome, name) for name in (_TRIAGE, _DENSITY)]
    said += [against(outcome, name, "recall_0.01") for name in (_TRIAGE, _DENSITY)]
    return said


def _extras(outcome: Outcome) -> list[Part]:
    tables = []
    for protocol in outcome.protocols:
        rows = [
            row(
                said,
                percent(one.false_alarms, 2),
                percent(one.unseen),
                figure(one.f1),
                percent(one.known),
                figure(one.known_f1),
            )
            for said, one in _decisions(outcome, protocol).items()
        ]
        head = ["rule", "false alarms", "unseen caught", "unseen F1", "known caught", "known F1"]
        tables.append(
            (f"{protocol.name}, the published rule: shares in percent, F1 at balance:", Table(head, rows, []))
        )
    return [Part("The published rule, with and without its second stage", [], tables)]


EXPERIMENT = Experiment(
    name="encoder-only",
    title="Stage 1 alone against both stages",
    question=(
        "What does the density of the second stage add to the encoder's own rule, and what does the encoder add to it?"
    ),
    design=(
        "Two readings. As rules: the published triage (nearer to the anomalies' centroid) alone, and with the flow's "
        "percentile, on small networks with the published loss. As rankings, each calibrated by itself: one member of "
        "the preset fast judged by its triage score alone, by its flow alone, and by both; the stages are trained "
        "alike.",
    ),
    protocols=("cicids2017-paper", "nsl-kdd-native", UNSW_FIVE.name),
    variants=(
        Variant(_BOTH, "one member of the preset fast, triage and density summed", sculptor("BothStages")),
        Variant(_TRIAGE, "the same, judged by the distance from the normals' core", sculptor("TriageAlone")),
        Variant(_DENSITY, "the same, judged by the flow over latent and row directions", sculptor("DensityAlone")),
        Variant(
            _PUBLISHED, "the published loss and rule on small networks, triaged rows first", sculptor("PublishedRule")
        ),
    ),
    reference=_BOTH,
    answer=_answer,
    extras=_extras,
)
