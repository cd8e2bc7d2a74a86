"""Each baseline against its reference library, on the same real rows: peers are checked before they are believed."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from scipy.special import logsumexp
from scipy.stats import multivariate_normal, spearmanr
from sklearn import covariance, ensemble, neural_network
from tests.baselines.conftest import Split

from unseen.baselines import BASELINES
from unseen.baselines.base import Baseline, FittingRows
from unseen.evidence.balance import synthetic_negatives
from unseen.metrics import auroc
from unseen.nn.devnet import deviation_loss

Fitted = Callable[[str], Any]


class Kept(Baseline):
    """Keeps the rows that every baseline is fitted on."""

    def _fit_rows(self, rows: FittingRows, seed: int) -> dict[str, Any]:
        self.rows_ = rows
        return {}

    def _score_block(self, X: np.ndarray) -> np.ndarray:
        return X[:, 0]


@dataclass(frozen=True)
class Matrices:
    """What a library is given: the prepared rows of the same parts, and every third test row."""

    rows: FittingRows
    test: np.ndarray
    labels: np.ndarray
    trained: set[str]

    def areas(self, scores: np.ndarray) -> tuple[float, float]:
        """Mean AUROC of known and of unseen classes."""
        normal = scores[self.labels == "benign"]
        by = {c: auroc(normal, scores[self.labels == c]) for c in np.unique(self.labels) if c != "benign"}
        known = [area for name, area in by.items() if name in self.trained]
        return float(np.mean(known)), float(np.mean([area for name, area in by.items() if name not in self.trained]))


@pytest.fixture(scope="module")
def matrices(split: Split) -> Matrices:
    kept = Kept(normal="benign").fit(split.X, split.y)
    test = kept._prepare(split.X_test)[::3]
    return Matrices(kept.rows_, test, split.y_test[::3], set(split.y.tolist()))


@pytest.fixture(autouse=True)
def generators_are_put_back() -> Iterator[None]:
    """PyOD reseeds and draws from the process's generators, and prints; neither may reach other tests."""
    import matplotlib as mpl

    mpl.use("Agg")
    drawn, torch_drawn = np.random.get_state(), torch.get_rng_state()  # noqa: NPY002
    with contextlib.redirect_stdout(io.StringIO()):
        yield
    np.random.set_state(drawn)  # noqa: NPY002
    torch.set_rng_state(torch_drawn)


def ours(fitted_of: Fitted, name: str, matrices: Matrices) -> np.ndarray:
    return np.asarray(fitted_of(name)._score(matrices.test))


def seed_of(name: str, split: Split) -> int:
    """The seed a baseline hands its library, seen by asking it."""

    class Asked(BASELINES[name].load()):  # type: ignore[misc]
        def _fit_rows(self, rows: FittingRows, seed: int) -> dict[str, Any]:
            self.seed_ = seed
            return {}

        def _score_block(self, X: np.ndarray) -> np.ndarray:
            return X[:, 0]

    Asked.__name__ = BASELINES[name].name
    return int(Asked(normal="benign").fit(split.X, split.y).seed_)


# ---- the same numbers -----------------------------------------------------------------------------------------------


def test_isolation_forest_is_pyods(fitted_of: Fitted, matrices: Matrices, split: Split) -> None:
    from pyod.models.iforest import IForest

    theirs = IForest(n_estimators=100, random_state=seed_of("isolation-forest", split)).fit(matrices.rows.normals)
    difference = ours(fitted_of, "isolation-forest", matrices) - theirs.decision_function(matrices.test)
    # A constant offset, which orders nothing.
    np.testing.assert_allclose(difference, difference[0], atol=1e-9)


def test_knn_is_pyods(fitted_of: Fitted, matrices: Matrices) -> None:
    from pyod.models.knn import KNN

    theirs = KNN(n_neighbors=10, method="largest").fit(matrices.rows.normals)
    np.testing.assert_allclose(
        ours(fitted_of, "knn", matrices), theirs.decision_function(matrices.test), rtol=1e-4, atol=1e-4
    )


def test_lof_is_pyods_on_distinct_rows(fitted_of: Fitted, matrices: Matrices) -> None:
    from pyod.models.lof import LOF

    theirs = LOF(n_neighbors=20, novelty=True).fit(np.unique(matrices.rows.normals, axis=0))
    difference = ours(fitted_of, "lof", matrices) - theirs.decision_function(matrices.test)
    np.testing.assert_allclose(difference, np.median(difference), rtol=1e-3, atol=1e-3)


def test_the_one_class_svm_is_pyods(fitted_of: Fitted, matrices: Matrices) -> None:
    from pyod.models.ocsvm import OCSVM

    theirs = OCSVM(nu=0.1, gamma="scale").fit(matrices.rows.normals)
    difference = ours(fitted_of, "ocsvm", matrices) - theirs.decision_function(matrices.test)
    np.testing.assert_allclose(difference, difference[0], atol=1e-4)


@pytest.mark.parametrize("name", ["ecod", "copod"])
def test_tails_are_pyods_for_a_batch_of_one_row(name: str, fitted_of: Fitted, matrices: Matrices) -> None:
    from pyod.models import copod, ecod

    theirs = {"ecod": ecod.ECOD, "copod": copod.COPOD}[name]().fit(matrices.rows.normals)
    few = matrices.test[::30]
    one_by_one = np.concatenate([theirs.decision_function(row[None]) for row in few])
    found = fitted_of(name)._score(few)
    # PyOD joins the row to the training rows before it takes the skewness: a far row may turn a column's sign.
    assert np.mean(np.isclose(found, one_by_one, rtol=1e-6)) > 0.75
    assert spearmanr(found, one_by_one).statistic > 0.97
    # There a row's score follows its company; here it does not.
    assert not np.allclose(theirs.decision_function(few), one_by_one, rtol=1e-3)
    np.testing.assert_array_equal(found, np.concatenate([fitted_of(name)._score(row[None]) for row in few]))


def test_pca_leaves_what_the_singular_vectors_do_not_hold(fitted_of: Fitted, matrices: Matrices) -> None:
    normals = matrices.rows.normals.astype(np.float64)
    centred = normals - normals.mean(axis=0)
    _, singular, axes = np.linalg.svd(centred, full_matrices=False)
    held = np.cumsum(singular**2) / np.sum(singular**2)
    axes = axes[: int(np.searchsorted(held, 0.95)) + 1]
    test = matrices.test.astype(np.float64) - normals.mean(axis=0)
    rest = test - test @ axes.T @ axes
    np.testing.assert_allclose(ours(fitted_of, "pca", matrices), (rest**2).sum(axis=1), rtol=1e-6, atol=1e-9)


def test_mahalanobis_is_the_quadratic_form_of_scikit_learns_covariance(fitted_of: Fitted, matrices: Matrices) -> None:
    normals = matrices.rows.normals.astype(np.float64)
    shrunk, _ = covariance.ledoit_wolf(normals)
    away = matrices.test.astype(np.float64) - normals.mean(axis=0)
    exact = np.einsum("ij,jk,ik->i", away, np.linalg.inv(shrunk), away)
    np.testing.assert_allclose(ours(fitted_of, "mahalanobis", matrices), exact, rtol=1e-6)


def test_the_mixtures_density_is_scipys(fitted_of: Fitted, matrices: Matrices) -> None:
    mixture = fitted_of("gaussian-mixture").mixture_
    parts = [
        np.log(weight) + multivariate_normal(mean, cov, allow_singular=True).logpdf(matrices.test.astype(np.float64))
        for weight, mean, cov in zip(
            mixture.weights_, mixture.means_.astype(float), mixture.covariances_.astype(float), strict=True
        )
    ]
    np.testing.assert_allclose(
        ours(fitted_of, "gaussian-mixture", matrices), -logsumexp(parts, axis=0), rtol=1e-2, atol=0.5
    )


@pytest.mark.parametrize("name", ["boosting", "boosting-negatives"])
def test_boosting_is_lightgbms_classifier(name: str, fitted_of: Fitted, matrices: Matrices, split: Split) -> None:
    from lightgbm import LGBMClassifier

    seed, rows = seed_of(name, split), matrices.rows
    X, y = rows.X, rows.y
    if name == "boosting-negatives":
        made = synthetic_negatives(rows.normals, round(0.3 * len(rows.normals)), np.random.default_rng(seed))
        X, y = np.concatenate([X, made]), np.append(y, np.ones(len(made), dtype=np.int64))
    theirs = LGBMClassifier(
        n_estimators=200, learning_rate=0.05, num_leaves=31, feature_fraction=0.3, random_state=seed,
        deterministic=True, force_row_wise=True, verbosity=-1,
    ).fit(X, y)  # fmt: skip
    raw = theirs.booster_.predict(matrices.test, raw_score=True)
    np.testing.assert_allclose(ours(fitted_of, name, matrices), raw, rtol=1e-9)


def test_extra_trees_are_scikit_learns(fitted_of: Fitted, matrices: Matrices, split: Split) -> None:
    theirs = ensemble.ExtraTreesClassifier(200, random_state=seed_of("extra-trees", split))
    theirs.fit(matrices.rows.X, matrices.rows.y)
    shares = theirs.predict_proba(matrices.test)[:, 1]
    np.testing.assert_allclose(ours(fitted_of, "extra-trees", matrices), shares, atol=1e-12)


def test_the_mlp_orders_as_scikit_learns_probability(fitted_of: Fitted, matrices: Matrices) -> None:
    probability = fitted_of("mlp").network_.predict_proba(matrices.test)[:, 1]
    odds = ours(fitted_of, "mlp", matrices)
    np.testing.assert_allclose(1 / (1 + np.exp(-odds)), probability, atol=1e-5)


# ---- our own networks, and what was made faster: as good as the library's --------------------------------------------


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_xgbod_is_as_good_as_pyods(fitted_of: Fitted, matrices: Matrices) -> None:
    from pyod.models.knn import KNN
    from pyod.models.lof import LOF
    from pyod.models.xgbod import XGBOD

    # Its own list of detectors takes minutes; these are the kinds that ours keeps.
    detectors = [KNN(n_neighbors=k) for k in (1, 5, 20)] + [LOF(n_neighbors=k) for k in (5, 20)]
    theirs = XGBOD(estimator_list=detectors, standardization_flag_list=[False] * 5, random_state=0)
    theirs.fit(matrices.rows.X, matrices.rows.y)
    scores = ours(fitted_of, "xgbod", matrices)
    reference = np.asarray(theirs.decision_function(matrices.test))
    assert spearmanr(scores, reference).statistic > 0.7
    for mine, its in zip(matrices.areas(scores), matrices.areas(reference), strict=True):
        assert mine > its - 0.05


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_the_autoencoder_is_as_good_as_scikit_learns(fitted_of: Fitted, matrices: Matrices) -> None:
    # PyOD's needs a package more, and is a multilayer perceptron too.
    normals = matrices.rows.normals
    theirs = neural_network.MLPRegressor(
        hidden_layer_sizes=(128, 16, 128), max_iter=60, batch_size=256, random_state=0, tol=0.0
    )
    theirs.fit(normals, normals)
    reference = np.square(theirs.predict(matrices.test) - matrices.test).mean(axis=1)
    scores = ours(fitted_of, "autoencoder", matrices)
    assert spearmanr(scores, reference).statistic > 0.8
    for mine, its in zip(matrices.areas(scores), matrices.areas(reference), strict=True):
        assert mine > its - 0.05


def test_deep_svdd_is_the_distance_from_its_centre_and_has_learned_it(fitted_of: Fitted, matrices: Matrices) -> None:
    network = fitted_of("deep-svdd").network_
    first, last = (layer.detach().numpy().astype(np.float64) for _, layer in network.named_parameters())
    hidden = matrices.test.astype(np.float64) @ first.T
    latent = np.where(hidden > 0, hidden, 0.1 * hidden) @ last.T
    exact = np.square(latent - network.centre.numpy()).sum(axis=1)
    np.testing.assert_allclose(ours(fitted_of, "deep-svdd", matrices), exact, rtol=1e-3, atol=1e-5)
    # Training draws normals to the centre and not the rest: the untrained network tells them apart less.
    twin = type(network)(matrices.test.shape[1])
    twin.fit_centre(matrices.rows.normals)
    with torch.no_grad():
        blank = twin(torch.from_numpy(matrices.test)).numpy()
    normal = matrices.labels == "benign"

    def ratio(scores: np.ndarray) -> float:
        return float(np.median(scores[~normal]) / np.median(scores[normal]))

    assert ratio(exact) > 1.2 * ratio(blank)


def test_devnets_loss_is_pyods_with_its_arguments_in_order(fitted_of: Fitted, matrices: Matrices) -> None:
    from pyod.models.devnet import deviation_loss as theirs

    scores = torch.from_numpy(ours(fitted_of, "devnet", matrices).astype(np.float32))
    labels = torch.from_numpy(matrices.labels != "benign")
    prior = torch.randn(5000, generator=torch.Generator().manual_seed(0))
    mine = float(deviation_loss(scores, labels, prior))
    # Each draws its prior: equal but for that. PyOD's own training hands over the scores as labels and the other way.
    assert float(theirs(labels.float(), scores)) == pytest.approx(mine, rel=0.1)
    assert float(theirs(scores, labels.float())) != pytest.approx(mine, rel=0.3)
    known, _ = matrices.areas(scores.numpy().astype(np.float64))
    assert known > 0.8


def test_the_flows_density_is_the_gaussians_where_rows_are_gaussian() -> None:
    rng = np.random.default_rng(0)
    spread = np.array([[1.0, 0.0, 0.0], [0.8, 0.6, 0.0], [0.0, 0.5, 0.5]])
    normals, test = (rng.normal(size=(rows, 3)) @ spread for rows in (1500, 500))
    d = BASELINES["raw-flow"](normal="benign")
    held = np.arange(len(normals)) % 5 == 0
    d._fit_rows(FittingRows(normals.astype(np.float32), held, normals[:0].astype(np.float32)), 0)  # type: ignore[attr-defined]
    density = -multivariate_normal(np.zeros(3), spread.T @ spread).logpdf(test)
    found = d._score_block(test.astype(np.float32))  # type: ignore[attr-defined]
    assert np.corrcoef(found, density)[0, 1] > 0.97
