"""What the tests of UnseenDetector share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from unseen.detectors import UnseenDetector, trials
from unseen.evidence import Sculpted
from unseen.evidence.recipes import FAST

QUICK = ("mixture", "known")
HIDDEN = ("beacon", "slow_read", "udp_scan")
SHORT = FAST.model_copy(update={"encoder_steps": 40, "flow_steps": 40})


@contextmanager
def short_trainings() -> Iterator[None]:
    """Networks of a few steps: their quality is tested with the sculptor."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(Sculpted.fit.__func__.__kwdefaults__, "recipe", SHORT)  # type: ignore[attr-defined]
        patch.setattr(trials, "FASTER", SHORT)
        yield


class Case:
    """A detector on real traffic, with the rows it has never seen."""

    def __init__(self, detector: UnseenDetector, X: pa.Table, y: np.ndarray) -> None:
        self.detector, self.X, self.y = detector, X, y
        self.normal = X.filter(pa.array(y == "benign"))


def toy(rows: int = 300, classes: int = 3, columns: int = 4, seed: int = 0) -> tuple[pd.DataFrame, np.ndarray]:
    """Normals around 0; anomalies of each class raised in a column of its own."""
    rng = np.random.default_rng(seed)
    kind = np.where(rng.random(rows) < 0.3, rng.integers(classes, size=rows), -1)
    X = rng.normal(size=(rows, columns))
    X[np.arange(rows), np.maximum(kind, 0) % columns] += 5.0 * (kind >= 0)
    y = np.where(kind < 0, "benign", np.char.add("attack", kind.astype(str)))
    return pd.DataFrame(X, columns=[f"c{number}" for number in range(columns)]), y
