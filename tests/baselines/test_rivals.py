"""On real traffic, what each rival of meta-learning learns is worth more than its untrained and its shuffled twin."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from unseen.baselines import BASELINES, families
from unseen.metrics import auroc

RIVALS = ("coral", "mtae", "d-mtae", "mtl-red", "odin", "resad")
NORMAL = "BENIGN"


@pytest.fixture(scope="module")
def corrected(data_dir: Path) -> tuple[pa.Table, np.ndarray, pa.Table, np.ndarray]:
    """Rows of CIC-IDS-2017 to fit on and to test on: normals and the classes of 300 rows or more."""
    table = pq.read_table(data_dir / "cicids2017_corrected.parquet")
    labels = np.asarray(table.column("Label").to_pylist())
    names, counts = np.unique(labels, return_counts=True)
    rng = np.random.default_rng(0)
    train, test = [], []
    for name in names[counts >= 300]:
        places = rng.permutation(np.flatnonzero(labels == name))
        most = 1500 if name == NORMAL else 150
        train.append(places[:most])
        test.append(places[most : most + (1000 if name == NORMAL else 100)])
    columns = [
        field.name
        for field in table.schema
        if field.name != "Label" and (pa.types.is_floating(field.type) or pa.types.is_integer(field.type))
    ]
    features = table.select(columns)
    parts = [np.sort(np.concatenate(part)) for part in (train, test)]
    return features.take(parts[0]), labels[parts[0]], features.take(parts[1]), labels[parts[1]]


def known_auroc(detector: Any, X: pa.Table, y: np.ndarray) -> float:
    scores = detector.anomaly_score(X)
    return float(np.mean([auroc(scores[y == NORMAL], scores[y == name]) for name in np.unique(y) if name != NORMAL]))


def untrained(name: str, X: pa.Table, y: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The weights a training starts from."""
    with monkeypatch.context() as patch:
        patch.setattr(families, "_SETTINGS", families._SETTINGS.model_copy(update={"learning_rate": 1e-12}))
        patch.setattr(importlib.import_module(f"unseen.baselines.{BASELINES[name].module}"), "_STEPS", 1)
        twin = BASELINES[name](normal=NORMAL).fit(X, y)
    if hasattr(twin, "classifier_"):
        twin.classifier_.coef_ = np.random.default_rng(0).normal(size=twin.classifier_.coef_.shape)
    return twin


# Three trainings of MetaLearner's encoder for each rival, and those that choose a setting: minutes on one core.
@pytest.mark.slow
@pytest.mark.parametrize("name", RIVALS)
def test_it_beats_its_untrained_and_its_shuffled_twin(
    name: str, corrected: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    X, y, X_test, y_test = corrected
    shuffled = np.random.default_rng(0).permutation(y)
    trained = BASELINES[name](normal=NORMAL).fit(X, y)
    reached, blank, raw = (
        known_auroc(detector, X_test, y_test)
        for detector in (
            trained,
            BASELINES[name](normal=NORMAL).fit(X, shuffled),
            untrained(name, X, y, monkeypatch),
        )
    )
    assert reached > 0.95
    assert reached > blank + 0.1, blank
    assert reached > raw + 0.02, raw
