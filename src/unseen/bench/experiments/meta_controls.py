"""What each part of meta-learning is worth: one switch turned at a time."""

from __future__ import annotations

from unseen.bench.experiments.compared import difference, verdicts
from unseen.bench.experiments.meta_learning import JOINT, META, SHOTS
from unseen.bench.experiments.outcome import Outcome
from unseen.bench.experiments.page import Part
from unseen.bench.experiments.plan import Experiment, Variant
from unseen.bench.experiments.transfer import transferred_part
from unseen.bench.report.words import signed
from unseen.bench.stats.sentences import joined
from unseen.nn.meta.presets import CONTROLS

__all__ = ["EXPERIMENT"]

_RELEASED = "unseen.bench.experiments.meta_methods:AsReleased"
_TURNED = (
    "no-inner",
    "no-outer",
    "one-direction",
    "no-replay",
    "no-average",
    "reconstruction",
    "shuffled-outer",
    "untrained",
)


# What the method must beat, if its outer loop, or its training, does anything.
_MUST_LOSE = {
    "shuffled-outer": "labels permuted in the outer loop",
    "no-outer": "no outer loop",
    "untrained": "no training",
}


def _answer(outcome: Outcome) -> list[str]:
    kept = [
        f"{name} ({words}, {signed(found.interval.estimate)})"
        for name, words in _MUST_LOSE.items()
        if (found := difference(outcome, name)) is not None and found.by_mean >= 0 and found.by_ranks >= 0
    ]
    said = [f"Not shown to be worse than MetaLearner, as it should be: {joined(kept)}."] if kept else []
    if any(line.startswith(("shuffled", "no-outer")) for line in kept):
        said.append("So it is not shown here that the outer loop does anything for unseen classes.")
    return [*said, *verdicts(outcome), *verdicts(outcome, "recall_0.01")]


def _extras(outcome: Outcome) -> list[Part]:
    return [transferred_part(outcome)]


EXPERIMENT = Experiment(
    name="meta-controls",
    title="The parts of meta-learning, one switch at a time",
    question="Which parts of meta-learning earn their place?",
    design=(
        "The preset fast with one switch turned, the joint control, and the authors' own deviations (released). "
        "Margin, temperature and perturbation have an experiment of their own. The remaining switches (random "
        "families, PCGrad, the extended network) are methods of the benchmark and were not run here.",
        "With permuted labels in the outer loop (shuffled-outer) the method should be worse, or its outer loop does "
        "nothing for unseen classes; without training (untrained), or nothing here means anything.",
    ),
    protocols=("unsw-nb15-half", "cardiotocography-half"),
    variants=(
        Variant(META, "the preset fast", "meta", shots=SHOTS),
        Variant(JOINT, "one loss on the same rows, no episodes", "meta-joint", shots=SHOTS),
        Variant("released", "the authors' deviations, on the same encoder and inner steps", _RELEASED, shots=SHOTS),
        *(Variant(name, CONTROLS[name][0], f"meta-{name}", shots=SHOTS) for name in _TURNED),
    ),
    reference=META,
    answer=_answer,
    extras=_extras,
    seeds=(5, 6),
)
