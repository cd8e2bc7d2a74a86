"""Which evidence earns its place in UnseenDetector, and what the way they are fused is worth."""

from __future__ import annotations

from statistics import fmean

from unseen.bench.experiments.compared import against, verdicts
from unseen.bench.experiments.outcome import Outcome
from unseen.bench.experiments.plan import UNSW_FIVE, Experiment, Variant
from unseen.bench.report.words import percent

__all__ = ["EXPERIMENT"]

# Spelled out: the evidences themselves live with torch, and listing experiments should not load it.
_EVIDENCES = ("mixture", "isolation", "forest", "known", "known_all", "negatives")
_SCULPTED = "sculpted"
_ALL, _EQUAL, _LOUDEST, _NO_RULE, _UNCALIBRATED = (
    "default, learned weights",
    "equal weights",
    "the strongest alone",
    "no rule for known",
    "no second calibration",
)


def _fusion(name: str) -> str:
    return f"unseen.bench.experiments.fusions:{name}"


def _answer(outcome: Outcome) -> list[str]:
    said = [against(outcome, name, measure) for name in (_EQUAL, _LOUDEST) for measure in ("auroc", "recall_0.01")]
    return [*said, *_promised(outcome), *verdicts(outcome), *verdicts(outcome, "recall_0.01")]


def _promised(outcome: Outcome) -> list[str]:
    """How far false alarms lie from what was asked, with the second calibration and without."""
    said = []
    for rate in ("0.05", "0.01"):
        both = [_realised(outcome, name, rate) for name in (_ALL, _UNCALIBRATED)]
        if all(both):
            said.append(
                f"Asked for {percent(float(rate), 0)} % false alarms, the detector raises "
                f"{percent(fmean(both[0]), 2)} % with its second calibration and {percent(fmean(both[1]), 2)} % "
                "without (means over protocols)."
            )
    return said


def _realised(outcome: Outcome, name: str, rate: str) -> list[float]:
    """A variant's false alarms on each protocol that allows the rate."""
    lines = [line for (_, variant), line in outcome.summaries.items() if variant == name]
    return [line.realised[rate] for line in lines if rate in line.realised]


EXPERIMENT = Experiment(
    name="evidences",
    title="Each evidence alone, all but one, and the ways to fuse them",
    question="Does every evidence of UnseenDetector earn its place, and what are learned weights worth?",
    design=(
        "UnseenDetector as it is, with weights learned from known families left out, against it with one evidence "
        "less, with the sculpted flow as one more, with each evidence alone, and with other fusions: equal weights "
        "(plain Fisher), the strongest evidence alone (maximum), and no rule that lets the boosted trees on known "
        "anomalies raise an alarm alone; and with thresholds from the normals that already made the p-values: "
        "the same ranking, other false alarms. Rows, preparation and, but for the last, calibration are the same. The "
        "set of evidences was chosen on other splits of most of these protocols, which flatters it.",
    ),
    protocols=("cicids2017-paper", "nsl-kdd-native", UNSW_FIVE.name, "cardiotocography"),
    variants=(
        Variant(_ALL, "the detector as it is", "unseen"),
        Variant(_EQUAL, "every evidence weighs the same", _fusion("EqualFusion")),
        Variant(_LOUDEST, "the smallest p-value of all evidences is the score", _fusion("LoudestFusion")),
        Variant(_NO_RULE, "known classes only by the weighted sum", _fusion("WithoutKnownRule")),
        Variant(
            _UNCALIBRATED,
            "thresholds from the validation normals that made the p-values",
            _fusion("WithoutCalibration"),
        ),
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
