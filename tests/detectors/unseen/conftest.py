"""A detector on real traffic, and a copy of it to change."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from tests.cases import HIDDEN, Case, short_trainings

import unseen
from unseen.detectors import UnseenDetector


@pytest.fixture(scope="module", autouse=True)
def _short_trainings() -> Iterator[None]:
    with short_trainings():
        yield


@pytest.fixture(scope="session")
def case(lab: tuple[pa.Table, np.ndarray]) -> Case:
    X, y = lab
    rng = np.random.default_rng(1)
    few = (rng.random(len(y)) < 0.6) & ~np.isin(y, ["service_scan", "ftp_bruteforce"])
    test = (rng.random(len(y)) < 0.4) | np.isin(y, HIDDEN)
    train = few & ~test
    with short_trainings():
        detector = UnseenDetector(normal="benign", false_alarm_rate=0.05).fit(X.filter(pa.array(train)), y[train])
    return Case(detector, X.filter(pa.array(test)), y[test])


@pytest.fixture
def loaded(case: Case, tmp_path: Path) -> UnseenDetector:
    """A copy that a test may change."""
    case.detector.save(tmp_path / "copy.unseen")
    copy = unseen.load(tmp_path / "copy.unseen")
    assert isinstance(copy, UnseenDetector)
    return copy
