"""Traffic far from that of the training."""

from __future__ import annotations

from unseen.bench.experiments.compared import against, verdicts
from unseen.bench.experiments.meta_learning import JOINT, META, SHOTS
from unseen.bench.experiments.outcome import Outcome
from unseen.bench.experiments.page import Part
from unseen.bench.experiments.plan import Experiment, Variant
from unseen.bench.experiments.transfer import ahead_of, transferred_part
from unseen.bench.report.words import figure, percent

__all__ = ["EXPERIMENT"]

_NEAR, _FAR = "nsl-kdd-half", "nsl-kdd-native"
_DENSITY = "mahalanobis"


def _answer(outcome: Outcome) -> list[str]:
    said = []
    for variant in outcome.variants:
        near, far = (outcome.summaries.get((name, variant.name)) for name in (_NEAR, _FAR))
        if near is not None and far is not None:
            said.append(
                f"{variant.name}: macro AUROC {figure(near.auroc)} near and {figure(far.auroc)} far; at 5 % asked for, "
                f"{percent(near.realised.get('0.05'))} % of the near and {percent(far.realised.get('0.05'))} % of the "
                "far normals raise an alarm."
            )
    others = tuple(variant.name for variant in outcome.variants if variant.name not in (META, JOINT))
    return [*said, against(outcome, META), ahead_of(outcome, META, others), *verdicts(outcome)]


def _extras(outcome: Outcome) -> list[Part]:
    return [transferred_part(outcome)]


EXPERIMENT = Experiment(
    name="meta-far",
    title="A test set far from the training one",
    question="What is left of meta-learning where normals and anomalies come from elsewhere?",
    design=(
        "NSL-KDD twice. Near: its rows split at random, the families DoS and R2L hidden. Far: its own test file, "
        "recorded apart from its training file, with normals that have moved and attack types the training file does "
        "not have. It is the one pair of data sets at hand that shares its columns; the paper's far set could not be "
        "had. The two differ in what is hidden, too, so a difference between them is not the distance's alone: "
        "compare the methods, and the false alarms.",
    ),
    protocols=(_NEAR, _FAR),
    variants=(
        Variant(JOINT, "one loss on the same rows, no episodes", "meta-joint", shots=SHOTS),
        Variant(META, "the preset fast", "meta", shots=SHOTS),
        Variant("ODIN", "a classifier asked again after a small step towards normal", "odin", shots=SHOTS),
        Variant("ResAD", "density of the difference from the nearest of 256 normal rows", "resad", shots=SHOTS),
        Variant(_DENSITY, "distance in units of the normals' covariance; no labels", _DENSITY, shots=SHOTS),
    ),
    reference=JOINT,
    answer=_answer,
    extras=_extras,
    seeds=(5, 6),
)
