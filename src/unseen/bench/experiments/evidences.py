"""Which evidence earns its place in UnseenDetector, and what the way they are fused is worth."""

from __future__ import annotations

from unseen.bench.experiments.compared import against, verdicts
from unseen.bench.experiments.outcome import Outcome
from unseen.bench.experiments.plan import UNSW_FIVE, Experiment, Variant

__all__ = ["EXPERIMENT"]

# Spelled out: the evidences themselves live with torch, and listing experiments should not load it.
_EVIDENCES = ("mixture", "isolation", "forest", "known", "known_all", "negatives")
_SCULPTED = "sculpted"
_ALL, _EQUAL, _LOUDEST, _NO_RULE = (
    "default, learned weights",
    "equal weights",
    "the strongest alone",
    "no rule for known",
)


def _fusion(name: str) -> str:
    return f"unseen.bench.experiments.fusions:{name}"


def _answer(outcome: Outcome) -> list[str]:
    said = [against(outcome, name, measure) for name in (_EQUAL, _LOUDEST) for measure in ("auroc", "recall_0.01")]
    return [*said, *verdicts(outcome), *verdicts(outcome, "recall_0.01")]


EXPERIMENT = Experiment(
    name="evidences",
    title="Each evidence alone, all but one, and the ways to fuse them",
    question="Does every evidence of UnseenDetector earn its place, and what are learned weights worth?",
    design=(
        "UnseenDetector as it is, with weights learned from known families left out, against it with one evidence "
        "less, with the sculpted flow as one more, with each evidence alone, and with other fusions: equal weights "
        "(plain Fisher), the strongest evidence alone (maximum), and no rule that lets the boosted trees on known "
        "anomalies raise an alarm alone. Rows, preparation and calibration are the same. The set of evidences was "
        "chosen on other splits of most of these protocols, which flatters it.",
    ),
    protocols=("cicids2017-paper", "nsl-kdd-native", UNSW_FIVE.name, "cardiotocography"),
    variants=(
        Variant(_ALL, "the detector as it is", "unseen"),
        Variant(_EQUAL, "every evidence weighs the same", _fusion("EqualFusion")),
        Variant(_LOUDEST, "the smallest p-value of all evidences is the score", _fusion("LoudestFusion")),
        Variant(_NO_RULE, "known classes only by the weighted sum", _fusion("WithoutKnownRule")),
        Variant("with sculpted", "the sculpted flow as one more", "unseen", {"evidences": (_SCULPTED, *_EVIDENCES)}),
        *(
            Variant(
                f"without {left_out}",
                f"all those but {left_out}",
                "unseen",
                {"evidences": tuple(name for name in _EVIDENCES if name != left_out)},
            )
            for left_out in _EVIDENCES
        ),
        *(
            Variant(f"{name} alone", f"the evidence {name} alone", "unseen", {"evidences": (name,)})
            for name in (_SCULPTED, *_EVIDENCES)
        ),
    ),
    reference=_ALL,
    answer=_answer,
)
