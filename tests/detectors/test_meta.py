"""What is particular to the meta-learner: shots, domains, families, episodes, and what it tells of them."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.utils.estimator_checks import check_estimator

import unseen
from unseen.detectors import MetaLearner, create
from unseen.detectors.domains import FEWEST, assign_domains
from unseen.detectors.meta import best_f1_threshold
from unseen.detectors.meta_recipes import META_RECIPES, MetaRecipe
from unseen.errors import ArtifactError, InputError, UnseenWarning
from unseen.metrics import auroc
from unseen.nn.meta.presets import FAST, PUBLISHED

TINY = MetaRecipe(
    training=FAST.model_copy(
        update={
            "width": 16,
            "latent": 8,
            "blocks": 1,
            "episodes": 2,
            "inner_steps": 4,
            "inner_batch": 64,
            "outer_epochs": 2,
        }
    )
)


def toy(normals: int = 300, each: int = 30, families: tuple[str, ...] = ("flood", "scan")) -> tuple[Any, np.ndarray]:
    """Two groups of normals, and families that each move one column far out."""
    rng = np.random.default_rng(0)
    X = [rng.normal(size=(normals, 4)) + 3.0 * (np.arange(normals) % 2)[:, None]]
    for number in range(len(families)):
        X.append(rng.normal(size=(each, 4)) + 8.0 * (np.arange(4) == number % 4))
    y = np.repeat(["benign", *families], [normals, *[each] * len(families)])
    return pd.DataFrame(np.concatenate(X), columns=list("abcd")), y


def learner(**parameters: Any) -> MetaLearner:
    return MetaLearner(**{"preset": TINY, "shots": 10, **parameters})


@pytest.fixture(scope="module")
def fitted() -> MetaLearner:
    X, y = toy()
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # with shots and families enough there is nothing to tell
        return learner(random_state=1).fit(X, y)


def test_the_report_tells_roles_domains_and_shots(fitted: MetaLearner) -> None:
    report = fitted.training_report_
    assert report["shots"] == {"flood": 10, "scan": 10}
    assert all(min(counts.values()) >= 2 for counts in report["coverage"].values())
    assert sum(report["domains"].values()) == report["rows"]["fit"]["normal"]
    assert set(report["tied"].values()) <= set(report["domains"])
    assert report["messages"] == []
    alarms = fitted.f1_alarm(toy()[0])
    assert alarms[-60:].mean() > alarms[:-60].mean()


def test_saved_and_loaded_scores_are_equal(fitted: MetaLearner, tmp_path: Path) -> None:
    X, _ = toy()
    fitted.save(tmp_path / "m.unseen")
    again = unseen.load(tmp_path / "m.unseen")
    np.testing.assert_array_equal(again.anomaly_score(X), fitted.anomaly_score(X))
    np.testing.assert_array_equal(again.f1_alarm(X), fitted.f1_alarm(X))
    assert again.get_params() == fitted.get_params()


def test_a_network_of_other_columns_is_refused(fitted: MetaLearner) -> None:
    arrays, meta = fitted._evidence_state()
    other = clone(fitted).fit(toy()[0].assign(e=np.arange(360) % 7), toy()[1])
    with pytest.raises(ArtifactError, match="does not fit its preparation"):
        other._restore_evidence(arrays, meta)


def test_a_row_is_scored_on_its_own(fitted: MetaLearner) -> None:
    X, _ = toy()
    whole = fitted.anomaly_score(X)
    order = np.random.default_rng(0).permutation(len(X))
    np.testing.assert_array_equal(fitted.anomaly_score(X.iloc[order[:33]]), whole[order[:33]])


def test_the_same_seed_gives_the_same_bits(fitted: MetaLearner) -> None:
    X, y = toy()
    np.testing.assert_array_equal(clone(fitted).fit(X, y).anomaly_score(X), fitted.anomaly_score(X))


def test_it_learns_to_tell_anomalies() -> None:
    X, y = toy()
    training = TINY.training.model_copy(update={"inner_steps": 40, "episodes": 4})
    d = learner(preset=MetaRecipe(training=training)).fit(X, y)
    scores = d.anomaly_score(X)
    assert auroc(scores[y == "benign"], scores[y != "benign"]) > 0.9


def test_interrupted_and_resumed_gives_the_same_model(tmp_path: Path, fitted: MetaLearner) -> None:
    X, y = toy()

    class Stop(Exception):
        pass

    def stop(event: Any) -> None:
        if event.epoch == 3:
            raise Stop

    broken = clone(fitted)
    with pytest.raises(Stop):
        broken.fit(X, y, checkpoint=tmp_path, progress=stop)
    again = clone(fitted).fit(X, y, checkpoint=tmp_path, resume=True)
    np.testing.assert_array_equal(again.anomaly_score(X), fitted.anomaly_score(X))


# ---- few families, few shots ----------------------------------------------------------------------------------------


def test_without_known_anomalies_shuffled_normals_stand_in() -> None:
    X, _ = toy()
    with pytest.warns(UnseenWarning, match="shuffled normals stand in"):
        d = learner().fit(X.iloc[:300])
    assert d.known_classes == []
    assert np.isfinite(d.anomaly_score(X)).all()


def test_one_family_serves_in_both_roles_and_is_told() -> None:
    X, y = toy(families=("flood",))
    with pytest.warns(UnseenWarning, match="one known family, 'flood': it serves in both roles"):
        d = learner().fit(X, y)
    assert d.training_report_["coverage"]["flood"]["inner"] >= 2


@pytest.mark.parametrize("shots", [1, 500])
def test_shots_are_as_asked_or_all_there_are(shots: int) -> None:
    X, y = toy()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        d = learner(shots=shots).fit(X, y)
    taken = d.training_report_["shots"]
    # 30 rows a family, of which some 15 % judge.
    assert all(count == 1 if shots == 1 else 22 <= count <= 29 for count in taken.values())
    told = [str(warning.message) for warning in caught]
    assert any("fewer than shots=500" in line for line in told) == (shots == 500)


def test_a_family_of_one_row_is_judged_by_that_row() -> None:
    X, y = toy()
    keep = (y != "scan") | (np.cumsum(y == "scan") == 1)
    with pytest.warns(UnseenWarning, match="scan \\(1\\)"):
        d = learner().fit(X[keep], y[keep])
    assert d.training_report_["shots"]["scan"] == 1
    assert 0 <= d.training_report_["history"][-1]["auroc/scan"] <= 1


# ---- domains --------------------------------------------------------------------------------------------------------


def found(named: Any, known_named: Any, normals: int = 200, clusters: int = 2) -> Any:
    rng = np.random.default_rng(0)
    side = np.arange(normals) % 2
    X = (rng.normal(size=(normals, 3)) + 10 * side[:, None]).astype(np.float32)
    known = np.concatenate([np.full((5, 3), -2.0), np.full((5, 3), 12.0)]).astype(np.float32)
    classes = np.repeat(["low", "high"], 5)
    result = assign_domains(X, named, known, known_named, classes, ["high", "low"], clusters=clusters, seed=0)
    return side, result


def test_clusters_are_found_and_each_family_is_tied_to_the_nearest() -> None:
    side, result = found(None, None)
    assert len(result.names) == 2
    assert len(set(zip(side.tolist(), result.of.tolist(), strict=True))) == 2
    high, low = result.tied
    assert (result.of[side == 1] == high).all()
    assert (result.of[side == 0] == low).all()


def test_named_domains_tie_by_name_and_else_by_nearness() -> None:
    days = np.where(np.arange(200) % 2, "tuesday", "monday")
    # Against nearness: the low rows name tuesday, the high ones a day without normals.
    _, result = found(days, np.repeat(["tuesday", "friday"], 5))
    assert result.names == ("monday", "tuesday")
    assert result.tied == (1, 1)
    assert "all families are tied to the domain 'tuesday'" in result.messages[0]


def test_a_domain_with_too_few_normals_is_joined_and_told() -> None:
    days = np.where(np.arange(200) % 2, "tuesday", "monday").astype("<U9")
    days[1:11:2] = "sunday"
    _, result = found(days, None)
    assert result.names == ("monday", "tuesday")
    assert result.of[1] == 1
    assert f"fewer than {FEWEST}" in result.messages[0]
    assert "'sunday'" in result.messages[0]


def test_few_normals_are_one_domain() -> None:
    _, result = found(None, None, normals=20)
    assert result.names == ("all",)
    assert "one domain" in result.messages[0]


def test_domains_are_given_to_fit_and_change_what_is_learned(fitted: MetaLearner) -> None:
    X, y = toy()
    days = np.where(np.arange(len(y)) % 3, "tuesday", "monday")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UnseenWarning)  # both families may be tied to one day
        d = clone(fitted).fit(X, y, domain=days)
    assert set(d.training_report_["domains"]) == {"monday", "tuesday"}
    assert not np.array_equal(d.anomaly_score(X), fitted.anomaly_score(X))
    with pytest.raises(InputError, match="360"):
        clone(fitted).fit(X, y, domain=days[:-1])


# ---- parameters -----------------------------------------------------------------------------------------------------


def test_every_parameter_changes_something(fitted: MetaLearner) -> None:
    X, y = toy()
    scores = fitted.anomaly_score(X)
    changes = {
        "shots": 5,
        "domains": 1,
        "episodes": 9,
        "random_state": 2,
        "preset": MetaRecipe(preparation="paper", training=TINY.training),
    }
    for name, value in changes.items():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UnseenWarning)
            other = clone(fitted).set_params(**{name: value}).fit(X, y)
        assert not np.array_equal(other.anomaly_score(X), scores), name


@pytest.mark.parametrize(
    "parameters",
    [{"shots": 0}, {"shots": 2.5}, {"domains": 0}, {"episodes": 0}, {"episodes": True}, {"preset": "quick"}],
    ids=str,
)
def test_a_parameter_that_cannot_be_used_is_refused(parameters: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        create("meta", **parameters).fit(*toy())


def test_the_published_constants_are_those_of_the_paper() -> None:
    paper = META_RECIPES["paper"].training
    assert (paper.episodes, paper.inner_epochs, paper.inner_batch, paper.inner_rate) == (20, 10, 256, 1e-3)
    assert (paper.outer_epochs, paper.outer_batch, paper.head_rate, paper.temperature_rate) == (5, 128, 3e-3, 1e-3)
    assert (paper.reconstruction, paper.margin, paper.margin_weight, paper.temperature_weight) == (0.1, 0.5, 0.1, 1e-3)
    assert (paper.epsilon, paper.weight_decay, paper.dropout, paper.feature_dropout) == (2e-3, 1e-4, 0.1, 0.05)
    assert (paper.width, paper.blocks, paper.latent, paper.inner_steps) == (256, 3, 128, None)
    assert paper.unfrozen_rate is None
    assert paper.model_copy(update={"inner_steps": PUBLISHED.inner_steps}) == PUBLISHED


def test_the_best_f1_threshold_is_the_best() -> None:
    rng = np.random.default_rng(0)
    normal, anomalous = rng.normal(size=80), rng.normal(1.5, size=40)

    def f1(threshold: float) -> float:
        recall, false = np.mean(anomalous > threshold), np.mean(normal > threshold)
        return float(2 * recall / (1 + recall + false))

    best = max(f1(t) for t in np.concatenate([normal, anomalous]))
    assert f1(best_f1_threshold(normal, anomalous)) == pytest.approx(best)


def test_scikit_learns_own_checks_pass() -> None:
    quick = MetaRecipe(training=TINY.training.model_copy(update={"inner_steps": 2, "outer_epochs": 1, "width": 8}))
    detector = MetaLearner(preset=quick, episodes=1, shots=5, false_alarm_rate=0.1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        results = check_estimator(detector, on_skip=None)
    assert {result["status"] for result in results} <= {"passed", "skipped"}
