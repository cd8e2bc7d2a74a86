"""Methods by name, controls, and any user class as a method."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from unseen.bench import methods as registry
from unseen.bench.controls import RandomScore, Stump
from unseen.bench.data import LabelledTable
from unseen.bench.methods import (
    Method,
    Setup,
    accepted_parameters,
    detector_method,
    method,
    methods,
    plain_method,
    register,
)
from unseen.bench.protocol import user_protocol
from unseen.bench.split import make_cell
from unseen.errors import InputError, TrainingError
from unseen.metrics import auroc


def test_every_registered_method_can_be_made() -> None:
    assert {"sculptor-fast", "sculptor-paper", "random", "stump", "shuffled"} <= set(methods())
    for known in methods().values():
        made = known.make(Setup("benign", 3))
        assert callable(made.fit)
        assert callable(made.anomaly_score)


def test_parameters_reach_the_method_and_unknown_ones_are_refused() -> None:
    made = method("sculptor-fast").make(Setup("benign", 3, ("proto",), {"encoder_epochs": 2}))
    assert (made.encoder_epochs, made.random_state, made.categorical, made.preset) == (2, 3, ("proto",), "fast")
    with pytest.raises(InputError, match="no parameter 'epochs'"):
        method("sculptor-fast").make(Setup("benign", 3, (), {"epochs": 2}))
    with pytest.raises(InputError, match="'preset' is what this method is named for"):
        method("sculptor-fast").make(Setup("benign", 3, (), {"preset": "paper"}))
    with pytest.raises(InputError, match="Stump has no parameter 'depth'"):
        method("stump").make(Setup("benign", 3, (), {"depth": 2}))


@pytest.mark.usefixtures("toys")
def test_a_parameter_goes_to_the_methods_that_have_it() -> None:
    names = ["toy_methods:Distance", "stump", "shuffled"]
    assert accepted_parameters(names, {"power": 3.0, "warmup_steps": 60}) == {
        "toy_methods:Distance": {"power": 3.0}, "stump": {}, "shuffled": {"warmup_steps": 60},
    }  # fmt: skip
    with pytest.raises(InputError, match="no parameter 'depth'"):
        accepted_parameters(names, {"power": 3.0, "depth": 1})
    with pytest.raises(InputError, match=r"cannot be made: .*scale"):
        accepted_parameters(["toy_methods:Demanding"], {})
    assert accepted_parameters(["toy_methods:Demanding"], {"scale": 2})["toy_methods:Demanding"] == {"scale": 2}


def test_an_unknown_method_is_answered_with_the_near_match() -> None:
    with pytest.raises(InputError, match="did you mean 'sculptor-fast'"):
        method("sculptor_fast")
    with pytest.raises(InputError, match="choose of"):
        method("nothing")
    with pytest.raises(InputError, match="cannot be imported"):
        method("no_such_module:Thing")


@pytest.mark.usefixtures("toys")
def test_a_users_class_is_found_and_checked() -> None:
    assert method("toy_methods:Distance").make(Setup("benign", 0, (), {"power": 1.0})).method.power == 1.0
    with pytest.raises(InputError, match="did you mean 'Distance'"):
        method("toy_methods:distance")
    with pytest.raises(InputError, match="is no class"):
        method("toy_methods:pa")
    with pytest.raises(InputError, match="no method 'anomaly_score'"):
        method("toy_methods:NoScore")
    with pytest.raises(InputError, match="Distance has no parameter 'p'"):
        method("toy_methods:Distance").make(Setup("benign", 0, (), {"p": 1.0}))


def test_a_name_is_registered_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_METHODS", dict(registry._METHODS))
    mine = Method("mine", "a second random score", plain_method(RandomScore))
    assert register(mine) is method("mine")
    with pytest.raises(InputError, match="already"):
        register(mine)
    with pytest.raises(InputError, match="already"):
        register(Method("shuffled:mine", "x", detector_method("sculptor")))


@pytest.mark.usefixtures("toys")
def test_a_plain_class_is_fitted_on_prepared_rows_without_those_of_the_calibration(small_data: LabelledTable) -> None:
    cell = make_cell(small_data, user_protocol("small"), "beacon", 0)
    seen = {}

    class Spy:
        def fit(self, X: np.ndarray, y: np.ndarray) -> Spy:
            seen["X"], seen["y"] = X, y
            return self

        def anomaly_score(self, X: np.ndarray) -> np.ndarray:
            return np.asarray(X.sum(axis=1), dtype=np.float64)

    made = plain_method(Spy)(Setup("benign", 0)).fit(cell.train, cell.train_labels)
    normals = int(np.sum(cell.train_labels == "benign"))
    assert seen["X"].dtype == np.float32
    assert np.isfinite(seen["X"]).all()
    assert made.calibrator_.rows == pytest.approx(0.2 * normals, abs=1)
    assert len(seen["X"]) + made.calibrator_.rows == len(cell.train_labels)
    assert set(seen["y"]) == set(cell.train_labels)
    # The held-out fifth are exactly the rows that a detector calibrates on.
    assert made.calibrator_.rows == method("stump").make(Setup("benign", 0)).fit(
        cell.train, cell.train_labels
    ).calibrator_.rows  # fmt: skip


@pytest.mark.usefixtures("toys")
def test_scores_that_are_none_are_refused(small_data: LabelledTable) -> None:
    cell = make_cell(small_data, user_protocol("small"), "beacon", 0)
    with pytest.raises(TrainingError, match="NaN for"):
        method("toy_methods:NotANumber").make(Setup("benign", 0)).fit(cell.train, cell.train_labels)

    class Wide:
        def fit(self, X: np.ndarray, y: np.ndarray) -> None:
            return None

        def anomaly_score(self, X: np.ndarray) -> np.ndarray:
            return np.asarray(X, dtype=np.float64)

    with pytest.raises(TrainingError, match="one score a row"):
        plain_method(Wide)(Setup("benign", 0)).fit(cell.train, cell.train_labels)


def test_the_random_score_is_uniform_and_follows_from_the_row() -> None:
    X = np.random.default_rng(0).normal(size=(4000, 6)).astype(np.float32)
    fitted = RandomScore(random_state=1).fit(X, np.full(4000, "a"))
    scores = fitted.anomaly_score(X)
    assert np.array_equal(fitted.anomaly_score(X[::-1])[::-1], scores)
    assert auroc(scores[X[:, 0] < 0], scores[X[:, 0] >= 0]) == pytest.approx(0.5, abs=0.03)
    assert np.quantile(scores, [0.1, 0.5, 0.9]) == pytest.approx([0.1, 0.5, 0.9], abs=0.03)
    assert not np.array_equal(RandomScore(random_state=2).fit(X, np.full(4000, "a")).anomaly_score(X), scores)


@pytest.mark.parametrize(("way", "shift"), [("high", 4.0), ("low", -4.0), ("far", None)])
def test_the_stump_finds_the_telling_feature(way: str, shift: float | None) -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(500, 5)).astype(np.float32)
    y = np.array(["benign"] * 400 + ["scan"] * 100)
    X[400:, 3] += rng.choice([-5, 5], 100) if shift is None else shift
    stump = Stump("benign").fit(X, y)
    assert (stump.feature_, stump.way_) == (3, way)
    scores = stump.anomaly_score(X)
    assert auroc(scores[:400], scores[400:]) > 0.98
    with pytest.raises(InputError, match="known anomalies"):
        Stump("benign").fit(X[:400], y[:400])


@pytest.mark.usefixtures("toys")
def test_shuffled_labels_take_the_labels_worth_away(small_data: LabelledTable) -> None:
    cell = make_cell(small_data, user_protocol("small"), "beacon", 0)
    known = cell.test_labels == "ssh_bruteforce"
    areas: dict[str, list[float]] = {"stump": [], "shuffled:stump": []}
    # One shuffle may hit on a telling feature by chance.
    for name, seed in itertools.product(areas, range(5)):
        fitted = method(name).make(Setup("benign", seed)).fit(cell.train, cell.train_labels)
        scores = fitted.anomaly_score(cell.test)
        areas[name].append(auroc(scores[cell.test_labels == "benign"], scores[known]))
        assert fitted.calibrator_.rows > 100
    assert np.mean(areas["stump"]) > np.mean(areas["shuffled:stump"])
