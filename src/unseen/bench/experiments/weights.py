"""What the weights of the sculpting loss do."""

from __future__ import annotations

from unseen.bench.experiments.compared import Difference, difference, verdicts
from unseen.bench.experiments.outcome import Outcome
from unseen.bench.experiments.page import Part, row
from unseen.bench.experiments.plan import UNSW_FIVE, Experiment, Variant, sculptor
from unseen.bench.report.table import Table
from unseen.bench.stats.sentences import joined

__all__ = ["EXPERIMENT"]

_UNTRAINED = "no sculpting"

# What the training says of a latent that shrank into one point, and of an encoder that misses known anomalies.
_SIGNS = {"latent collapsed": "The latent collapsed", "stage 1 not converged": "DCCL has not converged"}


def _signs(outcome: Outcome) -> dict[str, dict[str, int]]:
    """In how many fits of each variant the training gave each sign."""
    return {
        name: {sign: sum(any(start in note for note in cell.notes) for cell in cells) for sign, start in _SIGNS.items()}
        for name, cells in outcome.cells.items()
    }


def _answer(outcome: Outcome) -> list[str]:
    said = [*verdicts(outcome), *verdicts(outcome, "recall_0.01")]
    shown = [
        variant.name
        for variant in outcome.variants
        if variant.name != _UNTRAINED and (apart := difference(outcome, variant.name)) is not None and apart.by_ranks
    ]
    if shown:
        said.append(
            f"So the weights matter for what is caught of unseen classes: {joined(shown)} differ from the published."
        )
    else:
        said.append("So these data do not show that the weights matter for what is caught of unseen classes.")
    untrained = difference(outcome, _UNTRAINED)
    if untrained is not None:
        said.append(_on_untrained(untrained))
    collapsed = {name: signs["latent collapsed"] for name, signs in _signs(outcome).items()}
    said += [
        f"The latent collapsed in {count} of {len(outcome.cells[name])} fits of {name}."
        for name, count in collapsed.items()
        if count
    ]
    return said


def _on_untrained(found: Difference) -> str:
    if found.by_mean < 0 and found.by_ranks < 0:
        return "An encoder with random weights ranks unseen classes worse: sculpting helps here."
    if found.by_mean > 0 and found.by_ranks > 0:
        return (
            "An encoder with random weights ranks unseen classes better: on these data sculpting costs, whatever "
            "its weights."
        )
    if found.by_mean or found.by_ranks:
        return (
            f"An encoder with random weights is {found.words}: whether sculpting helps to rank unseen classes is not "
            "settled here."
        )
    return (
        "An encoder with random weights cannot be told apart from the published sculpting by its ranking of unseen "
        "classes: here the flow does that work, and sculpting pays in known classes."
    )


def _extras(outcome: Outcome) -> list[Part]:
    rows = [
        row(name, *(f"{count} of {len(outcome.cells[name])}" for count in signs.values()))
        for name, signs in _signs(outcome).items()
    ]
    table = Table(["variant", *_SIGNS], rows, [])
    return [Part("What the training said", [], [("Fits in which the training told a failure signature:", table)])]


EXPERIMENT = Experiment(
    name="sculpting-weights",
    title="The weights of the sculpting loss",
    question=(
        "What do compactness (α for normals, β for known anomalies) and separation (γ) of the Dual-Centroid "
        "Compactness Loss each contribute, and do the published weights matter?"
    ),
    design=(
        "All variants are small so that they can be run in minutes: an encoder of 128–128–32 in place of the published "
        "CNN-Transformer, the training schedule of the preset fast, one member, and a flow of three blocks of 64 on 16 "
        "whitened directions of the latent and on nothing else. Margin (5, squared distance), nearest-centroid triage "
        "and signed-log preparation are the same for all; triage and density are summed as calibrated −log p.",
        "Only the weights differ, but for the binary loss, the later version's, with the weights of the preset fast.",
    ),
    protocols=("cicids2017-paper", "nsl-kdd-native", UNSW_FIVE.name),
    variants=(
        Variant("published", "α = β = 0.1, γ = 1", sculptor("PublishedWeights")),
        Variant("equal", "α = β = γ = 1", sculptor("EqualWeights")),
        Variant("compactness only", "α = β = 0.1, γ = 0", sculptor("CompactnessOnly")),
        Variant("separation only", "α = β = 0, γ = 1", sculptor("SeparationOnly")),
        Variant("binary loss", "the later version's loss, each anomaly kept at a distance", sculptor("BinaryLoss")),
        Variant(_UNTRAINED, "a control: the encoder keeps its random weights", sculptor("UntrainedEncoder")),
    ),
    reference="published",
    answer=_answer,
    extras=_extras,
)
