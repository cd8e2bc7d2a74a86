"""How many labelled rows does meta-learning need?"""

from __future__ import annotations

from unseen.bench.experiments.compared import difference, mean_of, verdicts
from unseen.bench.experiments.meta_learning import JOINT, META
from unseen.bench.experiments.meta_learning import SHOTS as USUAL
from unseen.bench.experiments.outcome import Outcome
from unseen.bench.experiments.page import Part, row
from unseen.bench.experiments.plan import Experiment, Variant
from unseen.bench.experiments.transfer import transferred_part
from unseen.bench.report.table import Table
from unseen.bench.report.words import figure, signed
from unseen.bench.stats.sentences import joined

__all__ = ["EXPERIMENT"]

_SHOTS = (1, 5, 10, 20, 50, 100, 500)
_METHODS = {META: "meta", JOINT: "meta-joint"}


def _name(method: str, shots: int) -> str:
    return f"{method}, {shots} {'shot' if shots == 1 else 'shots'}"


def _variant(method: str, shots: int) -> Variant:
    about = f"{'the preset fast' if method == META else 'one loss, no episodes'}, {shots} rows of each known class"
    # What every other experiment calls by its name alone is not trained twice.
    parameters = {} if shots == USUAL else {"shots": shots}
    return Variant(_name(method, shots), about, _METHODS[method], parameters, shots=shots)


def _means(outcome: Outcome) -> dict[int, dict[str, float]]:
    found = {
        shots: {name: area for name in _METHODS if (area := mean_of(outcome, _name(name, shots))) is not None}
        for shots in _SHOTS
    }
    return {shots: areas for shots, areas in found.items() if len(areas) == len(_METHODS)}


def _answer(outcome: Outcome) -> list[str]:
    means = _means(outcome)
    if not means:
        return ["Nothing could be compared."]
    ahead = [str(shots) for shots, areas in means.items() if areas[META] > areas[JOINT]]
    said = [
        f"By macro AUROC, MetaLearner is ahead of its joint control in the mean with {joined(ahead, most=99)} shots "
        f"and behind or equal with the other {len(means) - len(ahead)} of {len(means)} numbers of shots."
        if ahead
        else "By macro AUROC, MetaLearner is not ahead of its joint control with any number of shots."
    ]
    for name in _METHODS:
        best = max(means, key=lambda shots: means[shots][name])
        few = min(means)
        said.append(
            f"{name}: from {few} to {max(means)} shots its mean goes from {figure(means[few][name])} to "
            f"{figure(means[max(means)][name])}; it is best with {best} ({figure(means[best][name])})."
        )
    enough = [
        shots
        for shots in _SHOTS
        if (apart := difference(outcome, _name(META, shots))) is not None
        and not (apart.by_mean < 0 or apart.by_ranks < 0)
    ]
    if enough:
        said.append(
            f"{enough[0]} are the fewest shots with which MetaLearner is not shown to be worse than with {USUAL}."
        )
    return [*said, *verdicts(outcome)]


def _extras(outcome: Outcome) -> list[Part]:
    means = _means(outcome)
    rows = [
        row(str(shots), *(figure(areas[name]) for name in _METHODS), signed(areas[META] - areas[JOINT]))
        for shots, areas in means.items()
    ]
    table = Table(["shots", *_METHODS, "difference"], rows, [])
    lead = "Macro AUROC, means over data sets of means over hidden classes; the last column is untested:"
    return [Part("By shots", [], [(lead, table)]), transferred_part(outcome)]


EXPERIMENT = Experiment(
    name="meta-shots",
    title="Meta-learning with 1 to 500 labelled rows a class",
    question="How does meta-learning, and the network with one loss, fare with more or fewer labelled rows?",
    design=(
        "Both methods with 1, 5, 10, 20, 50, 100 and 500 rows of each known class, or all there are, at most 5,000 in "
        "all. More shots make the outer loop longer; the control takes as many steps. Of one row a class nothing is "
        "kept to judge by.",
        "Two data sets and two seeds, since every fit is one of many.",
    ),
    protocols=("unsw-nb15-half", "cardiotocography-half"),
    variants=tuple(_variant(name, shots) for shots in sorted(_SHOTS, key=lambda k: k != USUAL) for name in _METHODS),
    reference=_name(META, USUAL),
    answer=_answer,
    extras=_extras,
    seeds=(5, 6),
)
