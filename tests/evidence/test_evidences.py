"""The laws every evidence obeys, and the reference libraries they must agree with."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import pytest
from sklearn.ensemble import ExtraTreesClassifier, IsolationForest
from sklearn.mixture import GaussianMixture

from unseen.errors import ArtifactError, InputError
from unseen.evidence import EVIDENCES, Evidence, EvidenceRows, MixtureDensity
from unseen.evidence.base import BLOCK, score_in_blocks
from unseen.evidence.recipes import FASTER

COLUMNS = 6


def normals(seed: int, count: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    mix = np.random.default_rng(99).normal(size=(COLUMNS, COLUMNS))
    return np.clip(rng.normal(size=(count, COLUMNS)) @ mix / 2.0, -10.0, 10.0).astype(np.float32)


def some_rows(known: int = 60) -> EvidenceRows:
    anomalies = normals(1, 80) + np.float32(3.0)
    classes = np.array(["scan", "flood"] * 40)
    return EvidenceRows(
        normals(0, 400), anomalies[:known], classes[:known], normals(2, 80), anomalies[60:], classes[60:]
    )


def fit(name: str, rows: EvidenceRows, seed: int = 0) -> Evidence:
    if name == "sculpted":
        short = FASTER.model_copy(update={"encoder_steps": 10, "flow_steps": 10})
        return EVIDENCES[name].fit(rows, seed=seed, recipe=short)  # type: ignore[call-arg]
    return EVIDENCES[name].fit(rows, seed=seed)


@pytest.fixture(scope="module", params=EVIDENCES)
def evidence(request: pytest.FixtureRequest) -> Evidence:
    return fit(request.param, some_rows())


def through_json(evidence: Evidence) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    arrays, meta = evidence.state()
    return {name: array.copy() for name, array in arrays.items()}, json.loads(json.dumps(meta))


def test_it_keeps_the_protocol(evidence: Evidence) -> None:
    assert isinstance(evidence, Evidence)
    scores = evidence.score(normals(3, 50))
    assert scores.shape == (50, len(evidence.views))
    assert scores.dtype == np.float64
    assert np.isfinite(scores).all()


def test_far_rows_score_higher(evidence: Evidence) -> None:
    near, far = (np.median(evidence.score(X), axis=0) for X in (normals(3, 200), normals(4, 200) + np.float32(3.0)))
    if evidence.name != "sculpted":  # ten steps teach the networks nothing
        assert (far > near).all()
    assert (far != near).all()


def test_a_row_is_scored_on_its_own(evidence: Evidence) -> None:
    X = normals(5, BLOCK + 300)
    whole = evidence.score(X)
    order = np.random.default_rng(0).permutation(len(X))
    np.testing.assert_array_equal(evidence.score(X[order]), whole[order])
    for size in (1, 7, 300, BLOCK, BLOCK + 1):
        np.testing.assert_array_equal(evidence.score(X[order[:size]]), whole[order[:size]])


def test_no_rows_and_one_row(evidence: Evidence) -> None:
    assert evidence.score(normals(0, 0)).shape == (0, len(evidence.views))
    assert evidence.score(normals(0, 1)).shape == (1, len(evidence.views))


def test_the_state_rebuilds_every_bit(evidence: Evidence) -> None:
    X = normals(6, 300)
    again = type(evidence).from_state(*through_json(evidence))
    np.testing.assert_array_equal(again.score(X), evidence.score(X))
    (first, one), (second, two) = evidence.state(), again.state()
    assert one == two
    assert first.keys() == second.keys()
    for name, array in first.items():
        assert array.dtype == second[name].dtype
        np.testing.assert_array_equal(array, second[name])


def test_the_same_seed_gives_the_same_bits(evidence: Evidence) -> None:
    X = normals(6, 300)
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    np.testing.assert_array_equal(fit(evidence.name, some_rows()).score(X), evidence.score(X))
    # The mixture's search ends in the same place from most starts; trees that see all columns leave nothing to chance.
    if evidence.name not in ("mixture", "known_all"):
        assert not np.array_equal(fit(evidence.name, some_rows(), seed=1).score(X), evidence.score(X))
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002


def test_only_those_that_say_so_use_known_anomalies(evidence: Evidence) -> None:
    X, fewer = normals(6, 300), some_rows(known=30)
    changed = not np.array_equal(fit(evidence.name, fewer).score(X), evidence.score(X))
    assert changed == evidence.uses_known
    if evidence.supervised:
        with pytest.raises(InputError, match="learns from known anomalies"):
            fit(evidence.name, some_rows(known=0))
    else:
        assert np.isfinite(fit(evidence.name, some_rows(known=0)).score(X)).all()


def test_every_array_is_needed_and_finite(evidence: Evidence) -> None:
    arrays, meta = through_json(evidence)
    kind = type(evidence)
    with pytest.raises(ArtifactError):
        kind.from_state({}, {})
    for name in [*arrays][:: max(1, len(arrays) // 12)]:
        with pytest.raises(ArtifactError):
            kind.from_state({n: a for n, a in arrays.items() if n != name}, meta)
        with pytest.raises(ArtifactError):
            kind.from_state({**arrays, name: np.zeros((3, 2, 1), np.float32)}, meta)
        if arrays[name].dtype.kind == "f" and arrays[name].size:
            with pytest.raises(ArtifactError):
                kind.from_state({**arrays, name: np.full_like(arrays[name], np.nan)}, meta)


def test_each_name_is_its_own_and_views_have_names() -> None:
    assert [kind.name for kind in EVIDENCES.values()] == list(EVIDENCES)
    assert all(kind.views and len(set(kind.views)) == len(kind.views) for kind in EVIDENCES.values())


def test_blocks_are_padded_and_never_leak() -> None:
    def norms(block: np.ndarray) -> np.ndarray:
        assert block.shape == (BLOCK, COLUMNS)
        return np.asarray(block.sum(axis=1))

    for rows in (0, 1, BLOCK - 1, BLOCK, BLOCK + 1):
        X = normals(0, rows)
        np.testing.assert_array_equal(score_in_blocks(norms, X)[:, 0], X.sum(axis=1))


# ---- against the libraries ------------------------------------------------------------------------------------------


def test_the_mixture_is_scikit_learns() -> None:
    rows, X = some_rows(), normals(7, 500)
    reference = GaussianMixture(8, reg_covar=1e-2, max_iter=20, tol=1e-2, random_state=3).fit(rows.normals)
    found = MixtureDensity.fit(rows, seed=3).score(X)[:, 0]
    np.testing.assert_allclose(found, -reference.score_samples(X.astype(np.float64)), rtol=1e-4, atol=1e-4)


def test_a_mixture_has_no_more_components_than_rows_can_tell() -> None:
    for count, components in ((2, 1), (99, 1), (100, 2), (400, 8), (5000, 12)):
        rows = some_rows()
        few = EvidenceRows(normals(0, count), rows.known, rows.classes, normals(2, 80), rows.known, rows.classes)
        assert len(MixtureDensity.fit(few, seed=0).log_weights) == components


def test_a_mixture_bears_columns_that_repeat_each_other() -> None:
    base = np.random.default_rng(0).normal(size=(600, 1)) * 5.0
    X = np.clip(np.tile(base, (1, 200)), -10.0, 10.0).astype(np.float32)
    rows = EvidenceRows(X, X[:0], np.empty(0, "<U1"), X[:50], X[:0], np.empty(0, "<U1"))
    scores = MixtureDensity.fit(rows, seed=0).score(X)
    assert np.isfinite(scores).all()
    broken = X[:50].copy()
    broken[:, :100] *= -1.0
    assert np.median(MixtureDensity.fit(rows, seed=0).score(broken)) > np.median(scores)


@pytest.mark.parametrize("count", [2, 30, 400])
def test_the_isolation_forest_is_scikit_learns(count: int) -> None:
    rows, X = some_rows(), normals(7, 500)
    few = EvidenceRows(normals(0, count), rows.known, rows.classes, normals(2, 80), rows.known, rows.classes)
    reference = IsolationForest(n_estimators=100, max_samples=min(256, count), random_state=5).fit(few.normals)
    found = EVIDENCES["isolation"].fit(few, seed=5).score(X)[:, 0]
    np.testing.assert_allclose(found, -reference.score_samples(X), rtol=1e-6)


def test_the_randomised_forest_is_scikit_learns() -> None:
    rows, X = some_rows(), normals(7, 500)
    reference = ExtraTreesClassifier(100, max_leaf_nodes=1024, random_state=5)
    reference.fit(np.concatenate([rows.normals, rows.known]), np.repeat([0, 1], [len(rows.normals), len(rows.known)]))
    found = EVIDENCES["forest"].fit(rows, seed=5).score(X)[:, 0]
    np.testing.assert_allclose(found, reference.predict_proba(X)[:, 1], rtol=1e-6, atol=1e-7)


def test_a_forest_that_cannot_cut_scores_all_rows_alike() -> None:
    rows = some_rows()
    equal = EvidenceRows(
        np.zeros((300, COLUMNS), np.float32), rows.known, rows.classes, rows.known, rows.known, rows.classes
    )
    found = EVIDENCES["isolation"].fit(equal, seed=5).score(normals(7, 50))[:, 0]
    assert len(np.unique(found)) == 1
    assert 0.0 < found[0] < 1.0


@pytest.mark.parametrize("name", ["known", "negatives"])
def test_boosted_trees_are_lightgbms(name: str) -> None:
    made: Any = fit(name, some_rows())
    X = normals(7, 500)
    assert len(made.texts) == 8  # a small table
    boosters = [lightgbm.Booster(model_str=text) for text in made.texts]
    expected = np.mean([booster.predict(X, raw_score=True) for booster in boosters], axis=0)
    assert len(set(made.texts)) == len(made.texts)
    np.testing.assert_allclose(made.score(X)[:, 0], expected, rtol=1e-6)


# ---- hostile states -------------------------------------------------------------------------------------------------

Change = Callable[[dict[str, np.ndarray]], None]


def _set(name: str, place: Any, value: float) -> Change:
    def change(arrays: dict[str, np.ndarray]) -> None:
        arrays[name][place] = value

    return change


def _leaf_to_root(arrays: dict[str, np.ndarray]) -> None:
    """A leaf that sends rows back to the root: a walk without end."""
    leaf = int(np.flatnonzero(arrays["column"][0] < 0)[0])
    arrays["left"][0, leaf] = arrays["right"][0, leaf] = 0


def _two_parents(arrays: dict[str, np.ndarray]) -> None:
    """A node that two others lead to: no tree, though every walk ends."""
    inner = np.flatnonzero(arrays["column"][0] >= 0)
    arrays["right"][0, inner[0]] = arrays["right"][0, inner[1]]


@pytest.mark.parametrize(
    "change",
    [
        _two_parents,
        _set("left", (0, 0), 0),
        _set("right", (0, 0), 10**6),
        _set("left", (3, 0), -4),
        _leaf_to_root,
        _set("threshold", (0, 0), np.nan),
        _set("depth", (0, 0), np.inf),
        lambda arrays: arrays.update(left=arrays["left"].astype(np.int64) + 2**32),
        lambda arrays: arrays.update({name: array[:0] for name, array in arrays.items()}),
        lambda arrays: arrays.update({name: array[:, :0] for name, array in arrays.items()}),
    ],
)
def test_isolation_trees_that_lead_nowhere_are_refused(change: Change) -> None:
    arrays, meta = through_json(fit("isolation", some_rows()))
    change(arrays)
    with pytest.raises(ArtifactError):
        EVIDENCES["isolation"].from_state(arrays, meta)


@pytest.mark.parametrize("tree_rows", [0, -5, None, "many", [3]])
def test_isolation_trees_grown_on_no_rows_are_refused(tree_rows: object) -> None:
    arrays, _ = through_json(fit("isolation", some_rows()))
    with pytest.raises(ArtifactError):
        EVIDENCES["isolation"].from_state(arrays, {"tree_rows": tree_rows})


@pytest.mark.parametrize("name", ["isolation", "known"])
def test_rows_of_fewer_columns_are_refused(name: str) -> None:
    with pytest.raises(ArtifactError, match="column"):
        fit(name, some_rows()).score(normals(0, 5)[:, :2])


def test_a_mixture_without_components_is_refused() -> None:
    empty = {
        "log_weights": np.zeros(0, np.float32),
        "factors": np.zeros((0, COLUMNS, COLUMNS), np.float32),
        "shifts": np.zeros((0, COLUMNS), np.float32),
    }
    with pytest.raises(ArtifactError):
        MixtureDensity.from_state(empty, {})


def test_a_sculpted_flow_leaves_checkpoints_where_it_is_told(tmp_path: Path) -> None:
    short = FASTER.model_copy(update={"encoder_steps": 10, "flow_steps": 10})
    whole: Any = EVIDENCES["sculpted"]
    made = whole.fit(some_rows(), seed=0, recipe=short, checkpoint=tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"encoder.checkpoint", "flow.checkpoint"}
    (tmp_path / "flow.checkpoint").unlink()
    resumed = whole.fit(some_rows(), seed=0, recipe=short, checkpoint=tmp_path, resume=True)
    np.testing.assert_array_equal(resumed.score(normals(6, 50)), made.score(normals(6, 50)))
