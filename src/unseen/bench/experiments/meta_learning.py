"""Does multi-directional meta-learning earn its complexity?"""

from __future__ import annotations

from unseen.bench.experiments.compared import against, mean_of, verdicts
from unseen.bench.experiments.halves import FIVE_SETS
from unseen.bench.experiments.outcome import Outcome
from unseen.bench.experiments.page import Part
from unseen.bench.experiments.plan import Experiment, Variant
from unseen.bench.experiments.transfer import ahead_of, on_the_control, ranks_part, transferred_part
from unseen.bench.report.words import figure, signed

__all__ = ["EXPERIMENT", "JOINT", "META", "SEEDS", "SHOTS"]

META, JOINT = "MetaLearner", "joint control"
_MOVED = "joint control, perturbed"
SHOTS = 50
# The settings were developed on other seeds.
SEEDS = (5, 6, 7, 8, 9)
_AS_PUBLISHED = "unseen.bench.experiments.meta_methods:AsPublished"
_RIVALS = ("CORAL", "MTAE", "D-MTAE", "MTL-RED", "ODIN", "ResAD")


def _answer(outcome: Outcome) -> list[str]:
    said = [against(outcome, META), *on_the_control(outcome, META), against(outcome, META, "recall_0.01")]
    said += [ahead_of(outcome, META, _RIVALS), ahead_of(outcome, JOINT, _RIVALS)]
    whole, moved = mean_of(outcome, META), mean_of(outcome, _MOVED)
    if whole is not None and moved is not None:
        said.append(
            f"Moved like MetaLearner's rows, the joint control has a macro AUROC of {figure(moved)}, MetaLearner "
            f"{figure(whole)}: {signed(whole - moved)} is left for the episodes (untested)."
        )
    return [*said, *verdicts(outcome), *verdicts(outcome, "recall_0.01")]


def _extras(outcome: Outcome) -> list[Part]:
    return [transferred_part(outcome), ranks_part(outcome)]


EXPERIMENT = Experiment(
    name="meta-learning",
    title="Multi-directional meta-learning, its control and its rivals",
    question=(
        "Does multi-directional meta-learning with 50 labelled rows of each known class find unseen classes better "
        "than one network trained on the same rows with one loss, and than the five methods it was published against?"
    ),
    design=(
        f"All methods get the same {SHOTS} rows of each known class (or all there are), the same preparation, the "
        "same encoder where they have one, and as many optimiser steps of 256 rows as MetaLearner takes. MetaLearner "
        "and its control keep a fifth of the shots to judge families by, and learn from the others; the rivals learn "
        "from all.",
        "MetaLearner is the preset fast, which departs from the paper where the published recipe fails (its inner loop "
        "sees normals alone and restores rows, each episode unlearns what others learned) and uses a smaller encoder "
        "and fewer steps, and moves rows 25 times as far (0.05) before they are scored; the published constants at the "
        "same size and inner steps run beside it. ODIN chooses its step among six up to 0.1.",
        "Which of its switches are on was first chosen on seed 0 with some classes that are hidden here in view "
        "(Botnet, Fuzzers, R2L); it was tuned against the joint control on seed 100, on classes that are known here, "
        "some of them hidden for it. Both flatter it a little; the control and the rivals were not tuned.",
    ),
    protocols=FIVE_SETS,
    variants=(
        Variant(
            JOINT,
            "the decisive control: the same network and rows, one cross-entropy, no episodes",
            "meta-joint",
            shots=SHOTS,
        ),
        Variant(
            _MOVED,
            "the joint control, asked like MetaLearner at the row moved a step towards normal",
            "meta-joint-perturbed",
            shots=SHOTS,
        ),
        Variant(META, "the preset fast", "meta", shots=SHOTS),
        Variant(
            "as published", "the published constants on the same encoder and inner steps", _AS_PUBLISHED, shots=SHOTS
        ),
        Variant("CORAL", "a classifier whose latents have the same moments in all families", "coral", shots=SHOTS),
        Variant("MTAE", "a latent that restores a row of every family, and a classifier on it", "mtae", shots=SHOTS),
        Variant("D-MTAE", "the same with 30 % of the entries blanked", "d-mtae", shots=SHOTS),
        Variant(
            "MTL-RED",
            "a classifier with reconstruction and little information between row and latent",
            "mtl-red",
            shots=SHOTS,
        ),
        Variant("ODIN", "a classifier asked again after a small step towards normal", "odin", shots=SHOTS),
        Variant("ResAD", "density of the difference from the nearest of 256 normal rows", "resad", shots=SHOTS),
    ),
    reference=JOINT,
    answer=_answer,
    extras=_extras,
    seeds=SEEDS,
)
