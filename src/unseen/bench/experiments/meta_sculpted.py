"""Both systems joined: the outer loop's calibration on top of a sculpted latent."""

from __future__ import annotations

from unseen.bench.experiments.compared import against, difference, mean_of, verdicts
from unseen.bench.experiments.halves import FIVE_SETS
from unseen.bench.experiments.meta_learning import META, SHOTS
from unseen.bench.experiments.outcome import Outcome
from unseen.bench.experiments.page import Part
from unseen.bench.experiments.plan import Experiment, Variant, sculptor
from unseen.bench.experiments.transfer import ranks_part, transferred_part

__all__ = ["EXPERIMENT"]

_SCULPTED, _HEAD, _BOTH = "sculptor", "calibrated head", "sculptor and head"


def _joined(name: str) -> str:
    return f"unseen.bench.experiments.joined:{name}"


def _answer(outcome: Outcome) -> list[str]:
    said = [against(outcome, name, measure) for name in (_HEAD, _BOTH) for measure in ("auroc", "recall_0.01")]
    means = {name: mean_of(outcome, name) for name in (_SCULPTED, META, _HEAD, _BOTH)}
    if all(mean is not None for mean in means.values()):
        best = max(means, key=lambda name: means[name] or 0.0)
        shown = difference(outcome, best)
        if best not in (_HEAD, _BOTH):
            said.append(f"Joined they do not beat the better of the two alone, which is {best} here.")
        elif shown is not None and (shown.by_mean > 0 or shown.by_ranks > 0):
            said.append(f"{best} has the best mean and is shown to differ from the sculptor ({shown.words}).")
        else:
            said.append(f"{best} has the best mean, and that it differs from the sculptor is not shown.")
    return [*said, *verdicts(outcome), *verdicts(outcome, "recall_0.01")]


def _extras(outcome: Outcome) -> list[Part]:
    return [transferred_part(outcome), ranks_part(outcome)]


EXPERIMENT = Experiment(
    name="meta-sculpted",
    title="Both systems joined",
    question="Does calibration by the outer loop on top of a sculpted latent beat either system alone?",
    design=(
        "One member of the preset fast of LatentSculptor, trained with the same shots. On top of it a linear head on "
        "the whitened latent and row and on the two scores as −log p, calibrated by the published outer loop (PCGrad, "
        "margin, temperature; no perturbation), families taking turns for twenty episodes. The head is judged alone, "
        "and summed with the sculptor's own score, both as −log p.",
    ),
    protocols=FIVE_SETS,
    variants=(
        Variant(
            _SCULPTED, "one member of the preset fast, triage and density summed", sculptor("BothStages"), shots=SHOTS
        ),
        Variant(META, "the preset fast of MetaLearner", "meta", shots=SHOTS),
        Variant(_HEAD, "the calibrated head's score alone", _joined("CalibratedHead"), shots=SHOTS),
        Variant(_BOTH, "the sum of the sculptor's score and the head's", _joined("SculptedAndCalibrated"), shots=SHOTS),
    ),
    reference=_SCULPTED,
    answer=_answer,
    extras=_extras,
    seeds=(5, 6),
)
