"""Margin maximisation against temperature scaling and plain thresholds."""

from __future__ import annotations

from unseen.bench.experiments.compared import against, verdicts
from unseen.bench.experiments.meta_learning import META, SHOTS
from unseen.bench.experiments.outcome import Outcome
from unseen.bench.experiments.page import Part
from unseen.bench.experiments.plan import Experiment, Variant
from unseen.bench.experiments.transfer import transferred_part

__all__ = ["EXPERIMENT"]

_NO_MARGIN, _PLAIN = "no margin", "plain threshold"


def _method(name: str) -> str:
    return f"unseen.bench.experiments.meta_methods:{name}"


def _answer(outcome: Outcome) -> list[str]:
    said = [against(outcome, name) for name in (_NO_MARGIN, _PLAIN)]
    return [*said, *verdicts(outcome), *verdicts(outcome, "recall_0.01")]


def _extras(outcome: Outcome) -> list[Part]:
    return [transferred_part(outcome)]


EXPERIMENT = Experiment(
    name="meta-margin",
    title="Margin, temperature, perturbation, or a plain threshold",
    question="Do margin maximisation, a learned temperature and perturbed rows find more than a plain threshold?",
    design=(
        "The preset fast with one of its outer loop's parts changed, and with none of them left. A temperature cannot "
        "change a ranking of two classes after the fact; learned in the outer loop, it changes how large the steps of "
        "the head are. Thresholds are calibrated on normals in all variants, so any scale of the score is taken out.",
    ),
    protocols=("unsw-nb15-half", "cardiotocography-half"),
    variants=(
        Variant(META, "the preset fast: margin 0.5, learned temperature, a step of 0.05", "meta", shots=SHOTS),
        Variant(_NO_MARGIN, "no margin penalty", _method("NoMargin"), shots=SHOTS),
        Variant("five times the margin", "margin 2.5, weight 0.5", _method("FiveTimesTheMargin"), shots=SHOTS),
        Variant("temperature 1", "a temperature of 1", "meta-fixed-temperature", shots=SHOTS),
        Variant("no perturbation", "rows as they are", "meta-no-perturbation", shots=SHOTS),
        Variant(_PLAIN, "no margin, temperature 1, no perturbation", _method("PlainThreshold"), shots=SHOTS),
    ),
    reference=META,
    answer=_answer,
    extras=_extras,
    seeds=(5, 6),
)
