"""Multi-directional meta-learning as a detector: learn the normals, calibrate with few labelled anomalies, rotate."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unseen.detectors.base import DomainDetector, Prepared, TrainingContext
from unseen.detectors.domains import assign_domains
from unseen.detectors.meta_recipes import META_RECIPES, MetaRecipe
from unseen.errors import ArtifactError, InputError
from unseen.evidence.balance import synthetic_negatives
from unseen.nn.meta.network import restore_network, scores
from unseen.nn.meta.rows import SYNTHETIC, MetaRows
from unseen.nn.meta.train import train_meta
from unseen.nn.state import to_arrays
from unseen.prepare import PRESETS, PrepareSettings
from unseen.schema import shorten
from unseen.stages import stage

__all__ = ["MetaLearner"]

# Stands in for the families where no known anomalies are given.
STAND_IN = "shuffled normals"

# Labelled anomalies a family that the inner loop of the released code sees.
_RELEASED = 20_000


class MetaLearner(DomainDetector):
    """Learns the normals of several domains and calibrates its decisions with few labelled anomalies of each family.

    In every episode some families serve in the inner role, in which the normals of their domains are learned, and
    others in the outer role, in which the decision surface is calibrated against their few labelled anomalies. The
    roles rotate, so that the surface is calibrated against families other than those whose normals were just learned.

    On normals alone an encoder learns to call every row normal, and few outer steps do not undo that. So the default
    preset departs from the paper: the inner loop also sees the shots of the families outside the outer role, and half
    of its rows are of all roles; rows are not restored; the encoder's last block learns in the outer loop; and the
    weights are averaged over episodes. :mod:`unseen.nn.meta.presets` lists what is changed, and
    ``docs/experiments/meta-learning.md`` what it is worth: about as much as the same network with one loss.

    Without domains the normals are clustered. Each family is tied to the domain its rows name, or to the one nearest
    to them. A score needs no domain, so rows of a domain never seen are scored like all others. With one known family
    it serves in both roles at once; without any, shuffled normals stand in. Both are told in a message.

    References:
        | Multi-directional meta-learning
        | https://arxiv.org/abs/2601.19833

    Arguments:
        normal: The label of normal rows; found among benign, normal, 0 and +1 if ``None``.
        preset: ``"fast"``; ``"paper"``: the published constants; ``"published"``: those with a limit on the steps of
            an episode; a control by its name (see :mod:`unseen.nn.meta.presets`); or a
            :class:`~unseen.detectors.meta_recipes.MetaRecipe` of your own.
        shots: Labelled anomalies of each family to train on, or all where there are fewer. As many more at most, of the
            validation part, only say which families are hard and where F1 is best; no gradient comes from them.
        domains: How many domains to find where ``fit`` is given none.
        episodes: How many; the preset's by default. More are run where the coverage of both roles needs them.
        false_alarm_rate: The share of normals that may raise an alarm in ``predict``; may be changed after ``fit``.
        ignore: Columns that are no features; the column that names the domain is one.
        categorical: Columns of numbers that are names.
        random_state: Seeds the split and the training; the same seed gives the same bits.

    Attributes:
        schema_: The columns the detector was fitted on.
        calibrator_: The conformal calibration.
        training_report_: Rows by part, the episodes' records, the ``coverage`` of roles, domains, shots, thresholds,
            and messages.

    Example:
        >>> import numpy as np
        >>> rng = np.random.default_rng(0)
        >>> scan, flood = rng.normal(4.0, size=(40, 4)), rng.normal(-4.0, size=(40, 4))
        >>> X = np.concatenate([rng.normal(size=(200, 4)), scan, flood])
        >>> y = ["benign"] * 200 + ["scan"] * 40 + ["flood"] * 40
        >>> detector = MetaLearner(shots=20, episodes=4).fit(X, y)
        >>> detector.training_report_["coverage"]["scan"]["outer"] >= 2
        True
    """

    def __init__(
        self,
        *,
        normal: str | int | None = None,
        preset: str | MetaRecipe = "fast",
        shots: int = 50,
        domains: int = 4,
        episodes: int | None = None,
        false_alarm_rate: float = 0.01,
        ignore: tuple[str, ...] = (),
        categorical: tuple[str, ...] = (),
        random_state: int | np.random.RandomState | None = 0,
    ) -> None:
        self.normal = normal
        self.preset = preset
        self.shots = shots
        self.domains = domains
        self.episodes = episodes
        self.false_alarm_rate = false_alarm_rate
        self.ignore = ignore
        self.categorical = categorical
        self.random_state = random_state

    @property
    def recipe(self) -> MetaRecipe:
        """The preset with the constructor's changes applied.

        Raises:
            InputError: If the preset or a number cannot be used.
        """
        if isinstance(self.preset, MetaRecipe):
            recipe = self.preset
        elif self.preset in META_RECIPES:
            recipe = META_RECIPES[self.preset]
        else:
            raise InputError(f"preset={self.preset!r} is unknown; choose one of {', '.join(map(repr, META_RECIPES))}")
        for name in ("shots", "domains", "episodes"):
            value = getattr(self, name)
            if value is None and name == "episodes":
                continue
            if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
                raise InputError(f"{name}={value!r} must be a whole number, at least 1")
        if self.episodes is None:
            return recipe
        training = recipe.training.model_copy(update={"episodes": int(self.episodes)})
        return recipe.model_copy(update={"training": training})

    def _check_parameters(self) -> None:
        _ = self.recipe

    def _preparation(self) -> PrepareSettings:
        return PRESETS[self.recipe.preparation]

    def _fit_evidence(self, data: Prepared, context: TrainingContext) -> dict[str, Any]:
        recipe = self.recipe
        training = recipe.training.model_copy(update={"seed": context.seed})
        self.recipe_ = recipe
        rows, told = self._rows(data, context.seed)
        folder = context.folder("meta")
        self.network_, report = stage("episodes")(train_meta)(
            rows,
            training,
            checkpoint=None if folder is None else folder / "episodes.checkpoint",
            resume=context.resume,
            progress=context.progress,
        )
        return {
            **report.model_dump(mode="json", exclude={"messages"}),
            "domains": {
                name: int(count)
                for name, count in zip(rows.domains, np.bincount(rows.domain, minlength=len(rows.domains)), strict=True)
            },
            "tied": {f: rows.domains[d] for f, d in zip(rows.families, rows.family_domain, strict=True)},
            "shots": {f: int(np.count_nonzero(rows.family == i)) for i, f in enumerate(rows.families)},
            "f1_threshold": self._f1_threshold(rows),
            "messages": [*told, *report.messages],
        }

    def _rows(self, data: Prepared, seed: int) -> tuple[MetaRows, list[str]]:
        """The rows of the parts "fit" and "validation", by domain and family, and what to tell about them."""
        rng, training = np.random.default_rng([seed, 0x5B07]), self.recipe_.training
        normals = data.of("fit", anomalous=False)
        known, classes = data.of("fit", anomalous=True), data.classes("fit")
        judged, judged_classes = data.of("validation", anomalous=True), data.classes("validation")
        known_named = data.domains("fit", anomalous=True)
        told = []
        if not len(known):
            known = synthetic_negatives(normals, int(self.shots), rng)
            classes = np.full(len(known), STAND_IN)
            known_named = None
            judged, judged_classes = known[:0], classes[:0]
            told.append(
                "there are no known anomalies: shuffled normals stand in as the one family, and the detector only "
                "learns to tell rows that break the normals' dependences"
            )
        families = np.unique(classes).tolist()
        found = assign_domains(
            normals,
            data.domains("fit", anomalous=False),
            known,
            known_named,
            classes,
            families,
            clusters=int(self.domains),
            seed=seed,
        )
        told += [*_shortages(classes, families, int(self.shots)), *found.messages]
        shots = _few(classes, families, int(self.shots), rng)
        held_out = _few(judged_classes, families, int(self.shots), rng)
        codes, judged_codes = (np.searchsorted(families, names) for names in (classes, judged_classes))
        inner = _few(classes, families, _RELEASED, rng) if training.mode == "released" else shots[:0]
        if training.inner_shots and training.mode != "joint":
            inner = shots
        seen, seen_codes = known[inner], codes[inner]
        if training.synthetic:
            made = synthetic_negatives(normals, len(normals), rng)
            seen = np.concatenate([seen, made])
            seen_codes = np.concatenate([seen_codes, np.full(len(made), SYNTHETIC)])
        rows = MetaRows(
            normals=normals,
            domain=found.of,
            known=known[shots],
            family=codes[shots],
            family_domain=found.tied,
            families=tuple(families),
            domains=found.names,
            normals_validation=data.of("validation", anomalous=False),
            known_validation=judged[held_out],
            family_validation=judged_codes[held_out],
            inner_known=seen,
            inner_family=seen_codes,
        )
        return rows, told

    def _f1_threshold(self, rows: MetaRows) -> float:
        """The score above which F1 is best on seen validation rows; a family without any is judged by its shots."""
        normal = self._score(rows.normals_validation)
        judged = np.concatenate([rows.judged(family) for family in range(len(rows.families))])
        return best_f1_threshold(normal, self._score(judged))

    def f1_alarm(self, X: Any) -> NDArray[np.bool_]:
        """Alarms above the threshold of the best F1 on the seen families' validation rows, shape (rows,).

        The published rule. It promises no false-alarm rate; ``alarm`` does.
        """
        scored = self.anomaly_score(X)
        return np.asarray(scored > self.training_report_["f1_threshold"])

    def _score(self, X: NDArray[np.float32]) -> NDArray[np.float64]:
        return scores(self.network_, X, self.recipe_.training.step)

    def _evidence_state(self) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        return to_arrays(self.network_), {
            "recipe": self.recipe_.model_dump(mode="json"),
            "network": self.network_.config(),
        }

    def _restore_evidence(self, arrays: Mapping[str, NDArray[Any]], meta: Mapping[str, Any]) -> None:
        self.recipe_ = MetaRecipe.model_validate(meta["recipe"])
        self.network_ = restore_network(meta["network"], arrays)
        if self.network_.encoder.features != len(self.preparer_.names):
            raise ArtifactError("the model's network does not fit its preparation; save the model again")

    @classmethod
    def _parameters(cls, stored: Mapping[str, Any]) -> dict[str, Any]:
        parameters = super()._parameters(stored)
        if isinstance(parameters["preset"], Mapping):
            parameters["preset"] = MetaRecipe.model_validate(parameters["preset"])
        return parameters


def best_f1_threshold(normal: NDArray[np.float64], anomalous: NDArray[np.float64]) -> float:
    """The largest score that an alarm must exceed for the best F1, normals and anomalies weighing the same.

    Example:
        >>> best_f1_threshold(np.array([0.0, 1.0, 2.0]), np.array([1.5, 3.0, 4.0]))
        1.0
    """
    thresholds = np.unique(np.concatenate([normal, anomalous]))
    recall, false = (
        1.0 - np.searchsorted(np.sort(values), thresholds, side="right") / len(values) for values in (anomalous, normal)
    )
    f1 = 2.0 * recall / (1.0 + recall + false)
    return float(thresholds[len(f1) - 1 - int(np.argmax(f1[::-1]))])


def _few(classes: NDArray[np.str_], families: list[str], most: int, rng: np.random.Generator) -> NDArray[np.intp]:
    """Positions of at most so many rows of each family."""
    drawn = [rng.permutation(np.flatnonzero(classes == family))[:most] for family in families]
    return np.sort(np.concatenate(drawn))


def _shortages(classes: NDArray[np.str_], families: list[str], shots: int) -> list[str]:
    """What fewer families or rows than the method is made for mean."""
    lines = []
    if len(families) == 1 and families != [STAND_IN]:
        lines.append(
            f"there is one known family, {families[0]!r}: it serves in both roles at once, so no episode calibrates "
            "against a family other than the one whose normals it learned"
        )
    counts = {family: int(np.count_nonzero(classes == family)) for family in families}
    short = {family: count for family, count in counts.items() if count < shots}
    if short:
        listed = shorten([f"{family} ({count})" for family, count in short.items()], quote=False)
        lines.append(
            f"{len(short)} of {len(families)} families have fewer than shots={shots} rows to learn from: {listed}"
        )
    return lines
