"""What the rivals of meta-learning share: domains, and settings chosen without the rows they are judged on."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone
from tests.baselines.conftest import Split

from unseen.baselines import BASELINES
from unseen.baselines.base import FittingRows
from unseen.baselines.families import STEPS, budget, choose, domain_pools
from unseen.baselines.odin import discrete_columns
from unseen.errors import UnseenWarning
from unseen.nn.meta.presets import FAST


def rows_of(families: dict[str, int], domains: bool = False) -> FittingRows:
    """Rows whose first column tells normals (below 100) from each family (a hundred of its own)."""
    normals = np.arange(50, dtype=np.float32)[:, None]
    known = [100.0 * at + np.arange(count) for at, count in enumerate(families.values(), 1)]
    names = np.repeat(list(families), list(families.values()))
    return FittingRows(
        normals,
        np.arange(50) % 5 == 0,
        np.concatenate(known).astype(np.float32)[:, None],
        names,
        np.where(np.arange(50) < 20, "monday", "tuesday") if domains else None,
        np.where(names == "a", "tuesday", "friday") if domains else None,
    )


def test_without_domains_each_family_is_one_with_all_normals() -> None:
    rows = rows_of({"a": 12, "b": 15})
    pools = domain_pools(rows)
    assert [len(pool.known) for pool in pools] == [12, 15]
    assert all(np.array_equal(pool.normals, rows.normals) for pool in pools)


def test_given_domains_are_kept_and_what_one_lacks_is_lent_by_all() -> None:
    friday, monday, tuesday = domain_pools(rows_of({"a": 12, "b": 15}, domains=True))
    assert [len(pool.normals) for pool in (friday, monday, tuesday)] == [50, 20, 30]
    assert [len(pool.known) for pool in (friday, monday, tuesday)] == [15, 27, 12]


def test_a_setting_is_judged_by_families_and_normals_it_was_not_trained_on() -> None:
    rows = rows_of({"a": 12, "b": 15, "c": 40, "rare": 3})
    judged: list[float] = []

    def scores(shown: FittingRows, X: np.ndarray) -> list[np.ndarray]:
        trained = {float(value) for value in np.concatenate([shown.normals, shown.known])[:, 0]}
        assert not trained & {float(value) for value in X[:, 0]}
        assert len(shown.known) == len(shown.families)
        assert "rare" in shown.families
        judged.extend(X[X[:, 0] >= 100, 0])
        return [-X[:, 0], X[:, 0], X[:, 0]]

    best, report = choose(rows, ["falling", "rising", "same"], scores, 0)
    assert best == "rising"
    assert report["auroc_of_seen_families"] == {"falling": 0.0, "rising": 1.0, "same": 1.0}
    # Every family of ten rows was held out once.
    assert sorted(judged) == sorted(rows.known[rows.families != "rare", 0])


def test_with_one_family_the_default_is_taken_and_nothing_is_trained() -> None:
    best, report = choose(rows_of({"a": 40, "rare": 3}), [1.0, 2.0], lambda *_: pytest.fail("trained"), 0)
    assert best == 1.0
    assert "fewer than two known classes" in report["chosen_on"]


@pytest.mark.parametrize("normals", [3, 50, 128, 129, 5000])
def test_the_budget_is_about_so_many_steps_whatever_the_rows(normals: int) -> None:
    settings = budget(300, normals, 0)
    assert 250 <= settings.epochs * max(1, round(normals / settings.batch_size)) <= 350


def test_columns_of_few_values_are_discrete() -> None:
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.integers(0, 2, 500), rng.integers(0, 16, 500), rng.normal(size=500)])
    np.testing.assert_array_equal(discrete_columns(X.astype(np.float32)), [True, True, False])


@pytest.mark.parametrize("name", ["coral", "mtae", "d-mtae"])
def test_one_domain_is_told(name: str, split: Split) -> None:
    y = np.where(split.y == "benign", "benign", "attack")
    with pytest.warns(UnseenWarning, match="one domain"):
        detector = BASELINES[name](normal="benign").fit(split.X, y)
    assert detector.training_report_["domains"] == 1
    assert np.isfinite(detector.anomaly_score(split.X_test)).all()


@pytest.mark.parametrize("name", ["coral", "resad"])
def test_given_domains_are_learned_from(name: str, split: Split, fitted_of: Any) -> None:
    domain = np.where(np.arange(len(split.y)) % 2, "even", "odd")
    detector = clone(fitted_of(name)).fit(split.X, split.y, domain=domain)
    scores = detector.anomaly_score(split.X_test)
    assert not np.array_equal(scores, fitted_of(name).anomaly_score(split.X_test))
    if name == "coral":
        assert detector.training_report_["domains"] == 2


def test_what_was_chosen_is_reported(fitted_of: Any) -> None:
    for name, chosen in (("coral", "weight"), ("mtl-red", "weights"), ("odin", "step")):
        report = fitted_of(name).training_report_
        reached = report["auroc_of_seen_families"]
        assert reached[str(report[chosen])] == max(reached.values()), name


def test_the_rivals_take_as_many_steps_as_meta_learner() -> None:
    outer = FAST.outer_epochs * math.ceil(50 / (FAST.outer_batch // 2 // 3))
    assert FAST.inner_steps is not None
    assert FAST.episodes * (FAST.inner_steps + outer) == STEPS
    # Epochs over the normals are rounded, so that steps are about as many.
    for normals in (100, 3000, 9000):
        settings = budget(STEPS, normals, 0)
        steps = settings.epochs * math.ceil(normals / settings.batch_size)
        assert abs(steps - STEPS) <= math.ceil(normals / settings.batch_size)
