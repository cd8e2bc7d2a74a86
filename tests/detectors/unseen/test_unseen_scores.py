"""UnseenDetector on real traffic: evidences, weights, scores, and the model file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from tests.cases import QUICK, Case, toy

import unseen
from unseen.artifact import read_artifact, write_artifact
from unseen.detectors import UnseenDetector
from unseen.errors import ArtifactError, UnseenWarning
from unseen.evidence import EVIDENCES
from unseen.metrics import auroc


def test_it_uses_every_evidence_and_weighs_each_view(case: Case) -> None:
    d = case.detector
    assert list(d.evidences_) == [name for name in EVIDENCES if name != "sculpted"]
    assert list(d.weights_) == d.views_
    assert sum(d.weights_.values()) == pytest.approx(len(d.views_))
    caught = d.training_report_["left_out"]
    assert 2 <= len(caught) <= 6
    assert set(" + ".join(caught).split(" + ")) == set(d.known_classes)
    assert all(list(views) == d.views_ for views in caught.values())


def test_the_sculpted_space_serves_reasons_and_no_score(case: Case, tmp_path: Path) -> None:
    d = case.detector
    assert "sculpted" not in d.evidences_
    places = d.places(case.X)
    assert len(places) == case.X.num_rows
    assert places.std(axis=0).min() > 0.0
    d.save(tmp_path / "m.unseen")
    again = unseen.load(tmp_path / "m.unseen")
    assert isinstance(again, UnseenDetector)
    np.testing.assert_array_equal(again.places(case.X), places)
    bare = UnseenDetector(evidences=QUICK).fit(*toy(80))
    assert bare.places(toy(5)[0]).shape == (5, 0)


def test_the_sculpted_flow_speaks_where_it_is_asked_or_needed() -> None:
    X, y = toy(300)
    few = ("sculpted", "mixture", "known")
    asked = UnseenDetector(evidences=few).fit(X, y)
    assert tuple(asked.evidences_) == few
    assert {"sculpted.triage", "sculpted.density"} < set(asked.weights_)
    with pytest.warns(UnseenWarning, match="no known anomalies"):
        needed = UnseenDetector().fit(X[y == "benign"])
    assert list(needed.evidences_) == ["sculpted", "mixture", "isolation", "negatives"]
    assert needed.space_ is needed.evidences_["sculpted"]


def test_known_classes_and_unseen_ones_stand_out(case: Case) -> None:
    scores, normal = case.detector.anomaly_score(case.X), case.y == "benign"
    known = np.isin(case.y, case.detector.known_classes)
    assert auroc(scores[normal], scores[known]) > 0.75
    assert auroc(scores[normal], scores[~known & ~normal]) > 0.6


def test_shuffled_labels_teach_less(case: Case, lab: tuple[pa.Table, np.ndarray]) -> None:
    X, y = lab
    rows = np.random.default_rng(2).permutation(len(y))
    train, test = rows[:2500], rows[2500:5000]
    found = []
    for labels in (y, np.random.default_rng(0).permutation(y)):
        d = UnseenDetector(normal="benign", evidences=QUICK).fit(X.take(train), labels[train])
        scores, normal = d.anomaly_score(X.take(test)), y[test] == "benign"
        found.append(auroc(scores[normal], scores[~normal]))
    assert found[0] > found[1] + 0.05


def test_false_alarms_are_as_many_as_asked_for(case: Case) -> None:
    for rate in (0.05, 0.1, 0.2):
        count = int(case.detector.alarm(case.normal, false_alarm_rate=rate).sum())
        low, high = case.detector.calibrator_.false_alarm_count_interval(rate, case.normal.num_rows, level=0.999)
        assert low <= count <= high


def test_a_row_is_scored_on_its_own(case: Case, loaded: UnseenDetector) -> None:
    X = case.X.slice(0, 400)
    order = np.random.default_rng(0).permutation(400)
    loaded.adapt(case.X.slice(900, 6), case.y[900:906])
    for d in (case.detector, loaded):
        whole = d.anomaly_score(X)
        for size in (400, 3, 1):
            np.testing.assert_array_equal(d.anomaly_score(X.take(order[:size])), whole[order[:size]])


def test_saved_and_loaded_say_the_same(case: Case, tmp_path: Path) -> None:
    d, X = case.detector, case.X.slice(0, 300)
    d.save(tmp_path / "a.unseen")
    again = unseen.load(tmp_path / "a.unseen")
    assert isinstance(again, UnseenDetector)
    np.testing.assert_array_equal(again.anomaly_score(X), d.anomaly_score(X))
    assert again.explain(X).equals(d.explain(X))
    assert again.get_params() == d.get_params()
    again.save(tmp_path / "b.unseen")
    assert (tmp_path / "b.unseen").read_bytes() == (tmp_path / "a.unseen").read_bytes()


def _drop(name: str) -> Any:
    return lambda meta, tensors: tensors.pop(f"evidence/{name}")


def _put(name: str, change: Any) -> Any:
    return lambda meta, tensors: tensors.update({f"evidence/{name}": change(tensors[f"evidence/{name}"])})


def _meta(**changes: Any) -> Any:
    return lambda meta, tensors: meta.update(changes)


DAMAGES: dict[str, Any] = {
    "no evidences": _meta(evidences={}, weights={}, maps=[{"kind": "evidence_map"}]),
    "an unknown evidence": lambda meta, tensors: meta["evidences"].update(oracle={}),
    "evidences that are a list": _meta(evidences=["mixture"]),
    "a weight below zero": lambda meta, tensors: meta["weights"].update({"mixture.density": -1.0}),
    "weights of zero": lambda meta, tensors: meta.update(weights=dict.fromkeys(meta["weights"], 0.0)),
    "weights that overflow": lambda meta, tensors: meta.update(weights=dict.fromkeys(meta["weights"], 1e308)),
    "a weight too few": lambda meta, tensors: meta["weights"].popitem(),
    "a map too few": lambda meta, tensors: meta["maps"].pop(),
    "no space": _meta(space=None),
    "a damaged space": _drop("space/centroids"),
    "no references": _drop("references"),
    "references of other places": _put("references", lambda a: a[:, 1:].copy()),
    "references of NaN": _put("references", lambda a: a * np.float32("nan")),
    "empty references": _put("references", lambda a: a[:0]),
    "calibration scores of NaN": _put("calibration/scores", lambda a: a * np.nan),
    "too few calibration places": _put("calibration/places", lambda a: a[1:]),
    "prototypes of other places": _put("prototypes", lambda a: a[:, :1].copy()),
    "prototypes without classes": lambda meta, tensors: meta["prototypes"].update(classes=[]),
    "no radii": lambda meta, tensors: meta["prototypes"].update(radii={}),
    "verdicts from nowhere": _meta(verdicts={"same": 1.0, "near": None}),
    "a mixture of other columns": lambda meta, tensors: tensors.update(
        {
            "evidence/mixture/factors": np.ones((1, 2, 2), np.float32),
            "evidence/mixture/shifts": np.ones((1, 2), np.float32),
            "evidence/mixture/log_weights": np.ones(1, np.float32),
        }
    ),
    "a forest of other columns": _put("isolation/column", lambda a: np.where(a >= 0, 10_000, a).astype(np.int32)),
    "trees that are none": _put("known/text", lambda a: a[:-9]),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_a_damaged_model_is_refused(name: str, case: Case, tmp_path: Path) -> None:
    case.detector.save(tmp_path / "m.unseen")
    manifest, tensors = read_artifact(tmp_path / "m.unseen")
    DAMAGES[name](manifest["evidence"], tensors)
    write_artifact(tmp_path / "m.unseen", manifest, tensors)
    with pytest.raises(ArtifactError, match=r"m\.unseen"):
        unseen.load(tmp_path / "m.unseen")
