from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from unseen.detectors import Detector, LatentSculptor

HIDDEN = ("beacon", "ftp_bruteforce", "service_scan", "slow_read", "udp_scan")


class Fitted:
    """A detector with the rows it has never seen."""

    def __init__(self, detector: Detector, X: pa.Table, y: np.ndarray) -> None:
        self.detector, self.X, self.y = detector, X, y
        self.normal = X.filter(pa.array(y == "benign"))


def small_sculptor(preset: str, **parameters: Any) -> LatentSculptor:
    """A sculptor that trains in seconds: the preset's networks and rules, fewer epochs or seeds."""
    if preset == "paper":
        parameters = {"encoder_epochs": 1, "flow_epochs": 1, **parameters}
    else:
        parameters = {"members": 1, **parameters}
    return LatentSculptor(preset=preset, **{"normal": "benign", **parameters})


@pytest.fixture(scope="session", params=["fast", "paper"])
def fitted(request: pytest.FixtureRequest, lab: tuple[pa.Table, np.ndarray]) -> Fitted:
    X, y = lab
    rng = np.random.default_rng(1)
    test = (rng.random(len(y)) < 0.3) | np.isin(y, HIDDEN)
    if request.param == "paper":
        # Its networks cost 21 MFLOP a row: fewer rows.
        few = rng.random(len(y)) < 0.25
        train = ~test & few
    else:
        train = ~test
    detector = small_sculptor(request.param).fit(X.filter(pa.array(train)), y[train])
    return Fitted(detector, X.filter(pa.array(test)), y[test])
