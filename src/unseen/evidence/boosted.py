"""Boosted trees: normals against known anomalies, and against synthetic ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from unseen.errors import ArtifactError, InputError, require
from unseen.evidence.balance import synthetic_negatives
from unseen.evidence.base import Arrays, EvidenceRows, Matrix, score_row_by_row
from unseen.evidence.tree_text import check_trees

__all__ = ["BoostedAll", "BoostedKnown", "BoostedNegatives"]

_ROUNDS = 100
# Small tables leave more to chance: several boosters, each with a seed of its own, are averaged.
_MOST_BOOSTERS = 8
_PARAMETERS: dict[str, Any] = {
    "objective": "binary",
    "learning_rate": 0.1,
    "num_leaves": 31,
    "deterministic": True,
    "force_row_wise": True,
    "verbosity": -1,
}


class BoostedKnown:
    """The log-odds of boosted trees that tell known anomalies from normals, each tree shown 30 % of the columns.

    Near perfect on known classes, and on new ones as far as they share features with them. With all columns for every
    tree, the few that tell the known classes best would hide the others. Its state is LightGBM's own text format:
    readable, stable over releases, and free of pickle.

    References:
        | Ke et al., 2017. LightGBM: a highly efficient gradient boosting decision tree.
        | https://papers.nips.cc/paper/6907

    Arguments:
        texts: Boosters in LightGBM's text format; on small tables several, whose log-odds are averaged.
    """

    name: ClassVar[str] = "known"
    views: ClassVar[tuple[str, ...]] = ("known",)
    supervised: ClassVar[bool] = True
    uses_known: ClassVar[bool] = True
    alone: ClassVar[bool] = True
    share_of_columns: ClassVar[float] = 0.3
    # A table of half as many rows is worth two boosters, and so on.
    rows_for_one: ClassVar[int] = 10_000

    def __init__(self, *texts: str) -> None:
        self.texts = texts
        self._boosters = [_booster(text) for text in texts]

    @classmethod
    def fit(
        cls,
        rows: EvidenceRows,
        *,
        seed: int,
        checkpoint: Path | None = None,
        resume: bool = False,
        progress: Callable[..., None] | None = None,
    ) -> Self:
        """Fit in seconds: no checkpoint is kept.

        Raises:
            InputError: If there is nothing to tell normals from.
        """
        size = len(rows.normals) + len(rows.known) * cls.supervised
        count = int(np.clip(round(cls.rows_for_one / max(1, size)), 1, _MOST_BOOSTERS))
        return cls(*(cls._grow(rows, (seed + 1_000_003 * number) % 2**31) for number in range(count)))

    @classmethod
    def _grow(cls, rows: EvidenceRows, seed: int) -> str:
        anomalies = cls._anomalies(rows, seed)
        if not len(anomalies):
            raise InputError(f"the evidence {cls.name!r} learns from known anomalies, and there are none")
        X = np.concatenate([rows.normals, anomalies])
        y = np.repeat([0.0, 1.0], [len(rows.normals), len(anomalies)])
        lightgbm = require("lightgbm", "train")
        parameters = {**_PARAMETERS, "feature_fraction": cls.share_of_columns, "seed": seed}
        booster = lightgbm.train(parameters, lightgbm.Dataset(X, y), num_boost_round=_ROUNDS)
        return str(booster.model_to_string())

    @classmethod
    def _anomalies(cls, rows: EvidenceRows, seed: int) -> Matrix:
        return rows.known

    def score(self, X: Matrix) -> NDArray[np.float64]:
        """Log-odds of an anomaly, shape (n, 1)."""
        columns = self._boosters[0].num_feature()
        if X.shape[1] != columns:
            raise ArtifactError(f"the boosted trees know {columns} columns, not {X.shape[1]}")
        return score_row_by_row(self._log_odds, X)

    def _log_odds(self, X: Matrix) -> NDArray[Any]:
        return np.asarray(sum(booster.predict(X, raw_score=True) for booster in self._boosters) / len(self._boosters))

    def state(self) -> tuple[Arrays, dict[str, Any]]:
        """The trees as UTF-8 bytes."""
        texts = zip(_names(len(self.texts)), self.texts, strict=True)
        return {name: np.frombuffer(text.encode(), dtype=np.uint8) for name, text in texts}, {
            "boosters": len(self.texts)
        }

    @classmethod
    def from_state(cls, arrays: Mapping[str, NDArray[Any]], meta: Mapping[str, Any]) -> Self:
        """Rebuild from :meth:`state`.

        Raises:
            ArtifactError: If the text is missing or no model of LightGBM's.
        """
        try:
            texts = [np.asarray(arrays[name]).tobytes().decode() for name in _names(int(meta.get("boosters", 1)))]
        except (KeyError, TypeError, ValueError) as error:
            raise ArtifactError("the model's boosted trees are missing; save the model again") from error
        if len({check_trees(text) for text in texts}) != 1:
            raise ArtifactError("the model's boosted trees know different columns; save the model again")
        return cls(*texts)


class BoostedAll(BoostedKnown):
    """The same, every tree shown all columns: surer of the known classes, and of what shares their best columns."""

    name: ClassVar[str] = "known_all"
    views: ClassVar[tuple[str, ...]] = ("known_all",)
    share_of_columns: ClassVar[float] = 1.0
    # Nothing is left to chance where every tree is shown all columns.
    rows_for_one: ClassVar[int] = 1


class BoostedNegatives(BoostedKnown):
    """Boosted trees against as many synthetic anomalies as normals: shuffled, partly swapped and jittered normals.

    They stand for all that breaks the normals' dependences. Known anomalies are left out on purpose: beside them the
    trees would rely on what tells those, as :class:`BoostedKnown` does already.

    References:
        | Hendrycks, Mazeika, Dietterich, 2019. Deep anomaly detection with outlier exposure.
        | https://arxiv.org/abs/1812.04606
    """

    name: ClassVar[str] = "negatives"
    views: ClassVar[tuple[str, ...]] = ("negatives",)
    supervised: ClassVar[bool] = False
    uses_known: ClassVar[bool] = False
    alone: ClassVar[bool] = False
    # Which rows are made up is chance too.
    rows_for_one: ClassVar[int] = 30_000

    @classmethod
    def _anomalies(cls, rows: EvidenceRows, seed: int) -> Matrix:
        return synthetic_negatives(rows.normals, len(rows.normals), np.random.default_rng(seed))


def _names(count: int) -> list[str]:
    if not 1 <= count <= _MOST_BOOSTERS:
        raise ValueError(f"{count} boosters")
    return ["text", *(f"text{number}" for number in range(1, count))]


def _booster(text: str) -> Any:
    lightgbm = require("lightgbm", "train")
    try:
        return lightgbm.Booster(model_str=text)
    except lightgbm.basic.LightGBMError as error:
        raise ArtifactError("the model's boosted trees are damaged; save the model again") from error
