"""One against several normal domains."""

from __future__ import annotations

from unseen.bench.experiments.compared import against, verdicts
from unseen.bench.experiments.meta_learning import JOINT, META, SHOTS
from unseen.bench.experiments.outcome import Outcome
from unseen.bench.experiments.page import Part
from unseen.bench.experiments.plan import Experiment, Variant
from unseen.bench.experiments.transfer import transferred_part

__all__ = ["EXPERIMENT"]

_ONE = "one domain"


def _method(name: str) -> str:
    return f"unseen.bench.experiments.meta_methods:{name}"


def _answer(outcome: Outcome) -> list[str]:
    return [against(outcome, _ONE), *verdicts(outcome), *verdicts(outcome, "recall_0.01")]


def _extras(outcome: Outcome) -> list[Part]:
    return [transferred_part(outcome)]


EXPERIMENT = Experiment(
    name="meta-domains",
    title="One against several normal domains",
    question="Does meta-learning gain from several domains of normals, and what does limited diversity cost?",
    design=(
        "The preset fast with its normals as one domain, as two, four or eight clusters. CIC-IDS-2017 comes with days, "
        "which the reference and no other variant uses there; elsewhere the reference uses four clusters. The joint "
        "control knows no domains. In one domain every episode learns the same normals.",
    ),
    protocols=("cicids2017-half", "unsw-nb15-half"),
    variants=(
        Variant(META, "the preset fast: the days that are given, or four clusters", "meta", shots=SHOTS),
        Variant(_ONE, "all normals as one domain", _method("OneDomain"), shots=SHOTS),
        Variant("two clusters", "two clusters of the normals", _method("TwoClusters"), shots=SHOTS),
        Variant("eight clusters", "eight clusters of the normals", _method("EightClusters"), shots=SHOTS),
        Variant(JOINT, "one loss, no episodes and no domains", "meta-joint", shots=SHOTS),
    ),
    reference=META,
    answer=_answer,
    extras=_extras,
    seeds=(5, 6),
)
