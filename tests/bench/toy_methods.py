"""Methods for the tests of the runner: good, slow, failing, dying and cheating ones."""

from __future__ import annotations

import os
import signal
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from unseen.bench.adapter import AdaptedMethod
from unseen.errors import UnseenWarning


class Distance:
    """Distance from the normals' mean, in units of their spread."""

    def __init__(self, normal: str, power: float = 2.0) -> None:
        self.normal = normal
        self.power = power

    def fit(self, X: np.ndarray, y: np.ndarray) -> Distance:
        normals = X[y == self.normal]
        self.mean, self.spread = normals.mean(axis=0), normals.std(axis=0) + 0.1
        return self

    def anomaly_score(self, X: np.ndarray) -> np.ndarray:
        return (np.abs((X - self.mean) / self.spread) ** self.power).sum(axis=1).astype(np.float64)


class Slow(Distance):
    """Sleeps as long as an environment variable says; what it computes does not depend on it."""

    def fit(self, X: np.ndarray, y: np.ndarray) -> Slow:
        time.sleep(float(os.environ.get("TOY_SECONDS", "0")))
        super().fit(X, y)
        return self


class Failing(Distance):
    """Fails until the file named by an environment variable exists."""

    def fit(self, X: np.ndarray, y: np.ndarray) -> Failing:
        if not Path(os.environ.get("TOY_MENDED", "absent")).exists():
            raise RuntimeError("the toy is broken")
        super().fit(X, y)
        return self


class NotANumber(Distance):
    """Scores that are no numbers."""

    def anomaly_score(self, X: np.ndarray) -> np.ndarray:
        return np.full(len(X), np.nan)


class Ranks(Distance):
    """Scores that depend on the other rows of the batch, as ECOD's and COPOD's do in a popular library."""

    def anomaly_score(self, X: np.ndarray) -> np.ndarray:
        return np.argsort(np.argsort(super().anomaly_score(X))) / len(X)


class Demanding(Distance):
    """Cannot be made without an argument."""

    def __init__(self, normal: str, scale: float) -> None:
        super().__init__(normal)
        self.scale = scale


class Dies(Distance):
    """Takes its process with it."""

    def fit(self, X: np.ndarray, y: np.ndarray) -> Dies:
        os.kill(os.getpid(), signal.SIGKILL)
        return self


class Cheater(AdaptedMethod):
    """Trains on every row of the file named by an environment variable, the held-out ones among them."""

    def __init__(
        self,
        normal: str | None = None,
        categorical: tuple[str, ...] = (),
        random_state: int = 0,
        power: float = 2.0,
    ) -> None:
        super().__init__(
            Distance(str(normal), power), normal=normal, categorical=categorical, random_state=random_state
        )
        self.power = power

    def fit(self, X: Any, y: Any = None, **options: Any) -> Cheater:
        everything = pq.read_table(os.environ["TOY_FILE"])
        self.normal = str(self.normal)
        return super().fit(everything.select(X.column_names), everything.column("label"))


class QuietCheater(AdaptedMethod):
    """Fits on the right rows, then prepares held-out rows on the side to tune itself on."""

    def __init__(
        self,
        normal: str | None = None,
        categorical: tuple[str, ...] = (),
        random_state: int = 0,
        power: float = 2.0,
    ) -> None:
        super().__init__(
            Distance(str(normal), power), normal=normal, categorical=categorical, random_state=random_state
        )
        self.power = power

    def fit(self, X: pa.Table, y: Any = None, **options: Any) -> QuietCheater:
        super().fit(X, y)
        everything = pq.read_table(os.environ["TOY_FILE"])
        self.preparer_.transform(everything.select(X.column_names))
        return self


class Talking(AdaptedMethod):
    """Says of itself what a user should know, once in its report and once as a warning."""

    def __init__(self, normal: str | None = None, categorical: tuple[str, ...] = (), random_state: int = 0) -> None:
        super().__init__(Distance(str(normal)), normal=normal, categorical=categorical, random_state=random_state)

    def _fit_evidence(self, data: Any, context: Any) -> dict[str, Any]:
        for number in range(12):
            warnings.warn(f"noise {number}", RuntimeWarning, stacklevel=2)
        warnings.warn("the toy warns", UnseenWarning, stacklevel=2)
        return {**super()._fit_evidence(data, context), "messages": ["the toy did not converge: train it longer"]}


class NoScore:
    """Lacks what a method needs."""

    def fit(self, X: np.ndarray, y: np.ndarray) -> NoScore:
        return self
