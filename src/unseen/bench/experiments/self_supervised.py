"""Can synthetic anomalies replace the labels?"""

from __future__ import annotations

from unseen.bench.experiments.compared import against, difference, mean_of, verdicts
from unseen.bench.experiments.outcome import Outcome
from unseen.bench.experiments.plan import UNSW_FIVE, Experiment, Variant
from unseen.bench.report.words import figure

__all__ = ["EXPERIMENT"]

_SHOTS = (10, 50, 500)
_NONE, _ALL, _RAW = "no labels", "all labels", "no labels, raw flow"
_ONE = {"members": 1}


_ON_LABELS = {
    -1: "So synthetic anomalies do not replace the labels on these data.",
    0: (
        "That labels beat synthetic anomalies on unseen classes is not shown on these data; known classes are another "
        "matter, see the tables."
    ),
    1: "On these data synthetic anomalies do better on unseen classes than the labels.",
}


def _labelled(shots: int) -> str:
    return f"{shots} a class"


def _answer(outcome: Outcome) -> list[str]:
    said = [against(outcome, _NONE), against(outcome, _NONE, "recall_0.01"), *verdicts(outcome)]
    alike = [
        shots
        for shots in _SHOTS
        if (apart := difference(outcome, _labelled(shots))) is not None and apart.by_ranks >= 0
    ]
    if alike:
        said.append(f"{alike[0]} labelled rows a class are the fewest here that are not shown to be worse than all.")
    none = difference(outcome, _NONE)
    if none is not None:
        said.append(_ON_LABELS[none.by_ranks])
    raw, sculpted = mean_of(outcome, _RAW), mean_of(outcome, _NONE)
    if raw is not None and sculpted is not None:
        said.append(
            f"Without labels, sculpting against synthetic anomalies has a mean AUROC of {figure(sculpted)}, a flow on "
            f"the raw features {figure(raw)}: {'the sculpting' if sculpted > raw else 'the plain flow'} is ahead, "
            "untested."
        )
    return said


EXPERIMENT = Experiment(
    name="self-supervised",
    title="Sculpting without labels",
    question="Can self-supervision replace the labels? (The paper's first open question.)",
    design=(
        "One member of the preset fast (the three members would take three times as long), trained with 0, 10, 50, "
        "500 and all rows of each known class, at most 5,000 in all. Without labels the encoder is sculpted against "
        "synthetic anomalies made of the normals themselves: cells swapped with those of other normals, some "
        "jittered. An augmentation objective was not tried.",
    ),
    protocols=("cicids2017-paper", "nsl-kdd-native", UNSW_FIVE.name),
    variants=(
        Variant(_ALL, "all known anomalies", "sculptor-fast", _ONE),
        *(
            Variant(_labelled(shots), f"{shots} rows of each known class", "sculptor-fast", _ONE, shots=shots)
            for shots in reversed(_SHOTS)
        ),
        Variant(_NONE, "synthetic anomalies in place of known ones", "sculptor-fast", _ONE, shots=0),
        Variant(_RAW, "a flow on the prepared features, no sculpting", "raw-flow", shots=0),
    ),
    reference=_ALL,
    answer=_answer,
)
