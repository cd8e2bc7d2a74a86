"""How hard the recorded benchmark is: leave one family out, and all families known from another recording."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier, IsolationForest
from sklearn.mixture import GaussianMixture

from lab.extract import METADATA
from lab.labels import BENIGN
from unseen.metrics import auroc
from unseen.prepare import Preparer, PrepareSettings
from unseen.schema import Column, Schema
from unseen.splits import deduplicate, row_hashes, split_blocks

__all__ = ["Difficulty", "Scores", "ceilings", "known_families", "leave_one_out", "twins"]

_BLOCKS = 60
_COMPONENTS = 16

Scores = dict[str, dict[str, float]]


@dataclass(frozen=True)
class Difficulty:
    """AUROC by method and family.

    Attributes:
        hidden: Each family while hidden from training.
        known: Each family with all families known from the other recording; empty without one.
    """

    hidden: Scores
    known: dict[str, float]

    def mean(self, method: str) -> float:
        """Mean over the families."""
        return float(np.mean(list(self.hidden[method].values())))


def twins(flows: pa.Table) -> dict[str, float]:
    """For each family, the share of its rows that equal some benign row in every feature."""
    features, labels = _parts(flows)
    hashes = row_hashes(features, features.column_names)
    doubled = np.isin(hashes, hashes[labels == BENIGN])
    return {name: float(np.mean(doubled[labels == name])) for name in _families(labels)}


def ceilings(flows: pa.Table, rate: float = 0.001) -> dict[str, float]:
    """For each family, the share of its rows that a function of the features can catch at best, rows as they are.

    Equal rows get equal scores from whatever function. The best one takes distinct rows in the order of the family's
    share of their copies, until the benign copies are as many as the rate allows; of the last kind it takes a part.

    Arguments:
        flows: One recording.
        rate: The false-alarm rate.
    """
    features, labels = _parts(flows)
    _, kinds = np.unique(row_hashes(features, features.column_names), return_inverse=True)
    benign = np.bincount(kinds[labels == BENIGN], minlength=kinds.max() + 1)
    found = {}
    for name in _families(labels):
        family = np.bincount(kinds[labels == name], minlength=len(benign))
        order = np.argsort(-family / np.maximum(family + benign, 1), kind="stable")
        false, caught = (np.concatenate([[0], np.cumsum(rows[order])]) / rows.sum() for rows in (benign, family))
        # Where several kinds need no benign row, the last of them counts.
        last = np.flatnonzero(np.diff(false, append=2.0) > 0)
        found[name] = float(np.interp(rate, false[last], caught[last]))
    return found


def leave_one_out(flows: pa.Table, seed: int = 0) -> Scores:
    """AUROC of three methods on every family while it is hidden, within one recording.

    Equal rows are taken once and rows equal to a row of the other side left out; benign rows are split by blocks of
    time, three quarters to fit.

    Arguments:
        flows: One recording.
        seed: Draws split and models.
    """
    flows = _distinct(flows)
    features, labels = _parts(flows)
    benign = np.flatnonzero(labels == BENIGN)
    times = flows.column("start_s").to_numpy()[benign]
    part = split_blocks(times, {"fit": 0.75, "test": 0.25}, salt=f"lab {seed}", blocks=_BLOCKS)
    fit, test = benign[part == 0], benign[part == 1]
    X = _prepared(features, fit)
    forest = IsolationForest(n_estimators=300, random_state=seed).fit(X[fit])
    mixture = GaussianMixture(_COMPONENTS, reg_covar=1e-3, random_state=seed).fit(X[fit].astype(np.float64))
    scores = {"isolation forest": -forest.score_samples(X), "gaussian mixture": -mixture.score_samples(X)}
    result: Scores = {
        method: {f: auroc(s[test], s[labels == f]) for f in _families(labels)} for method, s in scores.items()
    }
    result["boosting"] = {}
    for family in _families(labels):
        rows = np.concatenate([fit, np.flatnonzero((labels != BENIGN) & (labels != family))])
        score = _boosting(X[rows], labels[rows] != BENIGN, seed)(X)
        result["boosting"][family] = auroc(score[test], score[labels == family])
    return result


def known_families(train: pa.Table, test: pa.Table, seed: int = 0) -> dict[str, float]:
    """AUROC of boosting on every family of one recording, trained on all families of another."""
    train, test = _distinct(train), _distinct(test)
    (before, y), (after, labels) = _parts(train), _parts(test)
    both = pa.concat_tables([before, after.cast(before.schema)])
    X = _prepared(both, np.flatnonzero(y == BENIGN))
    score = _boosting(X[: len(y)], y != BENIGN, seed)(X[len(y) :])
    return {name: auroc(score[labels == BENIGN], score[labels == name]) for name in _families(labels)}


def _boosting(X: NDArray[np.float32], y: NDArray[np.bool_], seed: int):  # type: ignore[no-untyped-def]
    model = HistGradientBoostingClassifier(max_iter=200, class_weight="balanced", random_state=seed).fit(X, y)
    return model.decision_function


def _prepared(features: pa.Table, fit: NDArray[np.intp]) -> NDArray[np.float32]:
    schema = Schema(columns=tuple(Column(name=name, kind="number") for name in features.column_names))
    return Preparer.fit(features.take(fit), schema, PrepareSettings()).transform(features)


def _distinct(flows: pa.Table) -> pa.Table:
    features, labels = _parts(flows)
    keep, _ = deduplicate(row_hashes(features, features.column_names), labels, BENIGN)
    return flows.filter(pa.array(keep))


def _parts(flows: pa.Table) -> tuple[pa.Table, NDArray[np.str_]]:
    labels = np.asarray(pc.cast(flows.column("label"), pa.string()).to_pylist())
    return flows.drop_columns(["label", *METADATA]), labels


def _families(labels: NDArray[np.str_]) -> list[str]:
    return sorted(set(labels.tolist()) - {BENIGN})
