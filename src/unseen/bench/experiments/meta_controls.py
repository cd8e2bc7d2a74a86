"""What each part of meta-learning is worth: one switch turned at a time."""

from __future__ import annotations

from unseen.bench.experiments.compared import verdicts
from unseen.bench.experiments.meta_learning import JOINT, META, SHOTS
from unseen.bench.experiments.outcome import Outcome
from unseen.bench.experiments.page import Part
from unseen.bench.experiments.plan import Experiment, Variant
from unseen.bench.experiments.transfer import transferred_part
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


def _answer(outcome: Outcome) -> list[str]:
    return [*verdicts(outcome), *verdicts(outcome, "recall_0.01")]


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
        "With permuted labels in the outer loop (shuffled-outer) or without training (untrained) the method should "
        "be worse, or nothing here means anything.",
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
