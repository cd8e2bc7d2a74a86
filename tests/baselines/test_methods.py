"""What single baselines promise: reference libraries, formulas, and what was changed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from sklearn import neighbors
from tests.baselines.conftest import Split

from unseen.baselines.base import FittingRows
from unseen.baselines.gaussian import PCA, Mahalanobis
from unseen.baselines.neighbours import KNN, LOF
from unseen.baselines.supervised import MLP
from unseen.baselines.tails import COPOD, ECOD
from unseen.baselines.xgbod import _NEIGHBOURS, _NeighbourScores


def rows_of(normals: np.ndarray, known: np.ndarray | None = None) -> FittingRows:
    normals = normals.astype(np.float32)
    none = normals[:0] if known is None else known.astype(np.float32)
    return FittingRows(normals, np.arange(len(normals)) % 5 == 0, none)


def skewed_rows(rows: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(rows, 5))
    X[:, 1] = rng.exponential(size=rows)
    X[:, 2] = -rng.exponential(size=rows)
    X[:, 3] = rng.integers(0, 4, rows)
    return X.astype(np.float32)


@pytest.mark.parametrize("cls", [ECOD, COPOD])
def test_tails_agree_with_pyod_on_batches_of_one_row(cls: Any) -> None:
    import matplotlib as mpl

    mpl.use("Agg")
    from pyod.models import copod, ecod

    # Skewed enough that the row, which is joined to the training rows there, turns no sign of the skewness.
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.exponential(size=(440, 3)), -rng.exponential(size=440), rng.poisson(1.0, 440)])
    train, test = X[:400].astype(np.float32), X[400:].astype(np.float32) * 1.5
    ours = cls()
    ours._fit_rows(rows_of(train), 0)
    theirs = {ECOD: ecod.ECOD, COPOD: copod.COPOD}[cls]()
    theirs.fit(train)
    one_by_one = np.concatenate([theirs.decision_function(row[None]) for row in test])
    np.testing.assert_allclose(ours._score_block(test), one_by_one, rtol=1e-9)
    # On the training rows the tails are (1 + count) / (n + 1) here and count / n there.
    trained = ours._score_block(train)
    assert np.corrcoef(trained, theirs.decision_scores_)[0, 1] > 0.99
    # What makes our own form necessary: there, a row's score follows its company.
    assert not np.allclose(theirs.decision_function(test), one_by_one, rtol=1e-3)


def test_a_constant_column_and_a_value_beyond_all_others_have_tails() -> None:
    train = skewed_rows(100, 0)
    train[:, 4] = 1.0
    for cls in (ECOD, COPOD):
        d = cls()
        d._fit_rows(rows_of(train), 0)
        far = d._score_block(np.full((1, 5), 1e6, dtype=np.float32))
        assert np.isfinite(far).all()
        assert far[0] > d._score_block(train).max()


def test_knn_is_the_distance_to_the_tenth_neighbour() -> None:
    train, test = skewed_rows(300, 0), skewed_rows(50, 1)
    d = KNN()
    d._fit_rows(rows_of(train), 0)
    distances = np.sort(np.linalg.norm(test[:, None].astype(float) - train[None], axis=2), axis=1)
    np.testing.assert_allclose(d._score_block(test), distances[:, 9], rtol=1e-6)


def test_lof_survives_rows_with_many_copies() -> None:
    train = np.concatenate([np.tile(skewed_rows(1, 3), (200, 1)), skewed_rows(300, 0)])
    d = LOF()
    report = d._fit_rows(rows_of(train), 0)
    assert report["references"] == 301
    assert d._score_block(skewed_rows(200, 1)).max() < 100


def test_gaussian_distances_are_what_they_say() -> None:
    rng = np.random.default_rng(0)
    train = (rng.normal(size=(4000, 2)) @ np.array([[2.0, 1.0], [0.0, 0.5]])).astype(np.float32)
    d = Mahalanobis()
    d._fit_rows(rows_of(train), 0)
    inverse, mean = np.linalg.inv(np.cov(train.T)), train.mean(axis=0)
    test = rng.normal(size=(20, 2)).astype(np.float32)
    exact = np.einsum("ij,jk,ik->i", test - mean, inverse, test - mean)
    np.testing.assert_allclose(d._score_block(test), exact, rtol=0.05)
    # A line in the plane: what lies on it is restored, what lies beside it is not.
    line = np.outer(rng.normal(size=500), [3.0, 4.0]).astype(np.float32)
    p = PCA()
    assert p._fit_rows(rows_of(line), 0)["components"] == 1
    scores = p._score_block(np.array([[30.0, 40.0], [4.0, -3.0]], dtype=np.float32))
    np.testing.assert_allclose(scores, [0.0, 25.0], atol=0.1)


def test_the_mlp_scores_by_its_log_odds() -> None:
    train = skewed_rows(400, 0)
    d = MLP()
    d._fit_rows(rows_of(train, train[:100] + 1.5), 0)
    test = skewed_rows(100, 1)
    p = d.network_.predict_proba(test)[:, 1].astype(float)
    np.testing.assert_allclose(1 / (1 + np.exp(-d._score_block(test).astype(float))), p, atol=1e-5)
    far = d._score_block(test + np.linspace(50, 500, 100, dtype=np.float32)[:, None])
    assert len(np.unique(far)) == 100


def test_xgbods_neighbours_are_scikit_learns_and_leave_the_row_itself_out() -> None:
    train, test = skewed_rows(300, 0), skewed_rows(50, 1)
    train[250:] = train[:50]  # copies count once
    near = _NeighbourScores()
    trained, scored = near.fit(train, 0), near(test)
    distinct = np.unique(train, axis=0)
    exact = np.sort(np.linalg.norm(train[:, None].astype(float) - distinct[None], axis=2), axis=1)[:, 1:]
    ks = len(_NEIGHBOURS)
    np.testing.assert_allclose(trained[:, :ks], exact[:, [k - 1 for k in _NEIGHBOURS]], rtol=1e-6)
    for j, k in enumerate(_NEIGHBOURS):
        lof = neighbors.LocalOutlierFactor(n_neighbors=k, novelty=True, algorithm="brute").fit(distinct)
        np.testing.assert_allclose(scored[:, ks + j], -lof.score_samples(test), rtol=1e-6)


def test_networks_report_what_happened(fitted_of: Callable[[str], Any], split: Split) -> None:
    for name in ("autoencoder", "deep-svdd", "raw-flow", "devnet"):
        history = fitted_of(name).training_report_["network"]["history"]
        losses = [epoch["loss"] for epoch in history]
        assert losses[-1] < losses[0], name
    svdd = fitted_of("deep-svdd").network_
    assert svdd.centre.abs().min() >= 0.1 - 1e-6
    assert not [name for name, _ in svdd.named_parameters() if name.endswith("bias")]
    # Known anomalies are held five deviations out, normals at none.
    scores = fitted_of("devnet").anomaly_score(split.X)
    assert abs(np.median(scores[split.y == "benign"])) < 1
    assert np.median(scores[split.y != "benign"]) > 2
