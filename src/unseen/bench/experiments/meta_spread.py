"""How far one training's episodes lie apart, and how far its seeds."""

from __future__ import annotations

from statistics import fmean

from unseen.bench.experiments.compared import against, verdicts
from unseen.bench.experiments.meta_learning import SHOTS
from unseen.bench.experiments.outcome import Outcome
from unseen.bench.experiments.page import Part, row
from unseen.bench.experiments.plan import Experiment, Variant
from unseen.bench.protocol import Protocol
from unseen.bench.report.table import Table
from unseen.bench.report.words import figure

__all__ = ["EXPERIMENT"]

_LAST, _SELECTED = "last episode", "selected episode"
_EPISODES = ("after 2", "after 5", "after 10", _LAST)


def _method(name: str) -> str:
    return f"unseen.bench.experiments.meta_methods:{name}"


def _by_class(outcome: Outcome, protocol: Protocol) -> dict[str, dict[str, list[float]]]:
    """AUROC of each judged class, episode by episode, a value a seed."""
    found: dict[str, dict[str, list[float]]] = {}
    for variant in outcome.variants:
        for line in outcome.by_seed(protocol, variant.name):
            for name, area in line.class_auroc.items():
                if (protocol.class_weights or {}).get(name, 1):
                    found.setdefault(name, {}).setdefault(variant.name, []).append(area)
    return found


def _range(values: list[float]) -> float:
    return max(values) - min(values)


def _spreads(outcome: Outcome) -> tuple[list[float], list[float]]:
    """For each class: the mean range over a run's episodes, and the range over seeds of the last episode."""
    episodes, seeds = [], []
    for protocol in outcome.protocols:
        for areas in _by_class(outcome, protocol).values():
            runs = [list(run) for run in zip(*(areas.get(name, []) for name in _EPISODES), strict=False)]
            if runs and areas.get(_LAST):
                episodes.append(fmean(_range(run) for run in runs))
                seeds.append(_range(areas[_LAST]))
    return episodes, seeds


def _answer(outcome: Outcome) -> list[str]:
    episodes, seeds = _spreads(outcome)
    said = [against(outcome, _SELECTED), against(outcome, _SELECTED, "recall_0.01")]
    if episodes:
        within = (
            "Between the episodes looked at, the AUROC of one hidden class moves by "
            f"{figure(fmean(episodes))} within a run on average and by {figure(max(episodes))} at most"
        )
        between = (
            f"; between seeds, at the last episode, by {figure(fmean(seeds))} on average and by {figure(max(seeds))} "
            "at most"
        )
        said.insert(0, f"{within}{between if len(outcome.seeds) > 1 else ''}.")
    return [*said, *verdicts(outcome)]


def _extras(outcome: Outcome) -> list[Part]:
    tables = []
    for protocol in outcome.protocols:
        rows = []
        for name, areas in sorted(_by_class(outcome, protocol).items()):
            cells = []
            for variant in outcome.variants:
                each = areas.get(variant.name, [])
                cells.append(f"{figure(min(each))}–{figure(max(each))}" if each else "")
            rows.append(row(name, *cells))
        if rows:
            head = ["hidden class", *(variant.name for variant in outcome.variants)]
            tables.append((f"{protocol.name}: AUROC from the lowest to the highest seed.", Table(head, rows, [])))
    return [Part("Class by class", [], tables)]


EXPERIMENT = Experiment(
    name="meta-spread",
    title="The spread over episodes and seeds",
    question=(
        "How far does a hidden class move between the episodes of one run and between seeds, and is an episode that "
        "the seen families select better than the last one?"
    ),
    design=(
        "One run of the preset fast a seed, judged after 2, 5 and 10 episodes, after the last, and after the one with "
        "the best macro AUROC on the seen families' validation rows. No hidden row has a say in the selection. Only "
        "after the last episode are the weights averaged and the head calibrated against all families at once. The "
        "first variant's fit is the whole run, which the others share. The paper's tables state ± .01; the authors' "
        "public run moves between .34 and .98 from episode to episode.",
    ),
    protocols=("cicids2017-half", "unsw-nb15-half", "cardiotocography-half"),
    variants=(
        Variant("after 2", "the network after two episodes", _method("AfterTwo"), shots=SHOTS),
        Variant("after 5", "the network after five episodes", _method("AfterFive"), shots=SHOTS),
        Variant("after 10", "the network after ten episodes", _method("AfterTen"), shots=SHOTS),
        Variant(_LAST, "the network after the last episode, as MetaLearner keeps it", _method("AtTheEnd"), shots=SHOTS),
        Variant(_SELECTED, "the episode that seen validation rows select", _method("SelectedEpisode"), shots=SHOTS),
    ),
    reference=_LAST,
    answer=_answer,
    extras=_extras,
    seeds=(5, 6, 7),
)
