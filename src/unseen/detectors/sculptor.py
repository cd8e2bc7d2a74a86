"""Latent Sculpting as a detector: shape the latent space with known anomalies, estimate the normals' density in it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unseen.calibrate import EvidenceMap, fuse
from unseen.detectors.base import Detector, Prepared, TrainingContext
from unseen.detectors.recipes import RECIPES, SculptorRecipe
from unseen.errors import ArtifactError, InputError
from unseen.evidence import SculptedFlow
from unseen.prepare import PRESETS, PrepareSettings

__all__ = ["PERCENTILES", "SQUEEZED", "LatentSculptor"]

# The largest float32 has a logarithm of 89: squeezed scores stay below this offset.
SQUEEZED = 100.0

# The percentiles the paper reports thresholds for, and those between.
PERCENTILES = tuple(range(90, 100))


class LatentSculptor(Detector):
    """Sculpts a latent space in which normals are compact, and flags rows that fall off the normals' density there.

    Stage 1 trains an encoder on normals and known anomalies; stage 2 fits a masked autoregressive flow to the normals'
    latents. A row is anomalous when it lies far from the normals' core (triage) or where normals are rare (density).
    Both go into one score, which is calibrated on normals that served no other purpose: asking for 1 % false alarms
    gives 1 % on exchangeable normals. Without known anomalies, synthetic ones stand in.

    References:
        | Latent Sculpting for Zero-Shot Generalization
        | https://arxiv.org/abs/2512.22179

    Arguments:
        normal: The label of normal rows; found among benign, normal, 0 and +1 if ``None``.
        preset: ``"fast"``: small networks, several seeds fused; ``"paper"``: the published networks, constants and
            triage rule; or a :class:`~unseen.detectors.recipes.SculptorRecipe` of your own.
        false_alarm_rate: The share of normals that may raise an alarm in ``predict``; may be changed after ``fit``.
        members: Encoders and flows to train with different seeds; the preset's number by default.
        encoder_epochs: Epochs of stage 1; the preset's by default.
        flow_epochs: Epochs of stage 2; the preset's by default.
        warmup_steps: First steps of stage 1 without compactness; the preset's by default.
        ignore: Columns that are no features.
        categorical: Columns of numbers that are names.
        random_state: Seeds the split and the training; the same seed gives the same bits.

    Attributes:
        schema_: The columns the detector was fitted on.
        calibrator_: The conformal calibration; ``realised_rate_interval`` says what a rate means.
        training_report_: Rows by part, losses by epoch, and messages.

    Example:
        >>> import numpy as np
        >>> rng = np.random.default_rng(0)
        >>> X = np.concatenate([rng.normal(size=(600, 4)), rng.normal(4.0, size=(40, 4))])
        >>> y = ["benign"] * 600 + ["scan"] * 40
        >>> detector = LatentSculptor(members=1).fit(X, y)
        >>> bool(detector.alarm(np.full((1, 4), 9.0), false_alarm_rate=0.05)[0])
        True
    """

    def __init__(
        self,
        *,
        normal: str | int | None = None,
        preset: str | SculptorRecipe = "fast",
        false_alarm_rate: float = 0.01,
        members: int | None = None,
        encoder_epochs: int | None = None,
        flow_epochs: int | None = None,
        warmup_steps: int | None = None,
        ignore: tuple[str, ...] = (),
        categorical: tuple[str, ...] = (),
        random_state: int | np.random.RandomState | None = 0,
    ) -> None:
        self.normal = normal
        self.preset = preset
        self.false_alarm_rate = false_alarm_rate
        self.members = members
        self.encoder_epochs = encoder_epochs
        self.flow_epochs = flow_epochs
        self.warmup_steps = warmup_steps
        self.ignore = ignore
        self.categorical = categorical
        self.random_state = random_state

    @property
    def recipe(self) -> SculptorRecipe:
        """The preset with the constructor's changes applied.

        Raises:
            InputError: If the preset or a number cannot be used.
        """
        if isinstance(self.preset, SculptorRecipe):
            recipe = self.preset
        elif self.preset in RECIPES:
            recipe = RECIPES[self.preset]
        else:
            raise InputError(f"preset={self.preset!r} is unknown; choose one of {', '.join(map(repr, RECIPES))}")
        for name in ("members", "encoder_epochs", "flow_epochs"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise InputError(f"{name}={value} must be at least 1")
        if self.warmup_steps is not None and self.warmup_steps < 0:
            raise InputError(f"warmup_steps={self.warmup_steps} must not be negative")
        if recipe.fusion == "triage-first" and (self.members or recipe.members) > 1:
            raise InputError("the published triage rule knows one encoder and one flow; leave members out")
        member = recipe.member
        sculpt: dict[str, Any] = {} if self.warmup_steps is None else {"warmup_steps": self.warmup_steps}
        changed: dict[str, Any] = {}
        if self.encoder_epochs is not None:
            sculpt["epochs"], changed["encoder_steps"] = self.encoder_epochs, None
        if self.flow_epochs is not None:
            changed["flow"] = member.flow.model_copy(update={"epochs": self.flow_epochs})
            changed["flow_steps"] = None
        changed["sculpt"] = member.sculpt.model_copy(update=sculpt)
        members = recipe.members if self.members is None else self.members
        return recipe.model_copy(update={"member": member.model_copy(update=changed), "members": members})

    def _check_parameters(self) -> None:
        _ = self.recipe

    def _preparation(self) -> PrepareSettings:
        return PRESETS[self.recipe.preparation]

    def _fit_evidence(self, data: Prepared, context: TrainingContext) -> dict[str, Any]:
        # Scores follow the fitted recipe, whatever becomes of the parameters or, in later releases, of the preset.
        recipe = self.recipe_ = self.recipe
        normals, validation = (data.of(part, anomalous=False) for part in ("fit", "validation"))
        self.members_ = [
            SculptedFlow.fit(
                normals,
                data.of("fit", anomalous=True),
                data.classes("fit"),
                validation,
                data.of("validation", anomalous=True),
                recipe.member,
                seed=context.seed * 1000 + number,
                name=f"{number + 1}/{recipe.members} " if recipe.members > 1 else "",
                checkpoint=context.folder(f"member-{number + 1}"),
                resume=context.resume,
                progress=context.progress,
            )
            for number in range(recipe.members)
        ]
        if recipe.fusion == "triage-first":
            self.maps_: list[EvidenceMap] = []
            self.highest_density_ = float(self.members_[0].score(validation)[:, 1].max())
            density = self.members_[0].score(normals)[:, 1]
            self.percentiles_ = {p: float(np.percentile(density, p)) for p in PERCENTILES}
        else:
            columns = np.column_stack([member.score(validation) for member in self.members_])
            self.maps_ = [EvidenceMap.fit(column) for column in columns.T]
        return {"members": [member.report for member in self.members_], "messages": _messages(self.members_)}

    def published_alarm(self, X: Any, *, percentile: int = 95) -> NDArray[np.bool_]:
        """Alarms by the published, uncalibrated rule: triaged, or rarer than a percentile of the training normals.

        Triage adds its own false alarms, so a percentile of 95 gives more than 5 % of them (about 10 % in the paper);
        ``alarm`` calibrates both together.

        Arguments:
            X: A table with the fitted columns.
            percentile: Of the training normals' negative log-likelihoods, 90 to 99.

        Returns:
            Alarms, shape (rows,).

        Raises:
            InputError: If the detector was not fitted with the preset ``"paper"``, or for another percentile.
        """
        scores = self.anomaly_score(X)
        if self.recipe_.fusion != "triage-first":
            raise InputError("the published rule belongs to preset='paper'; use alarm(X, false_alarm_rate=…)")
        if percentile not in self.percentiles_:
            raise InputError(
                f"percentile={percentile} must be a whole number from {PERCENTILES[0]} to {PERCENTILES[-1]}"
            )
        # Triaged rows score above every density, so one comparison covers both halves of the rule.
        return np.asarray(scores > self._squeeze(np.array([self.percentiles_[percentile]]))[0])

    def _score(self, X: NDArray[np.float32]) -> NDArray[np.float64]:
        raw = np.column_stack([member.score(X) for member in self.members_])
        if self.recipe_.fusion == "triage-first":
            return self._triage_first(raw)
        evidence = np.column_stack([to_p(column) for to_p, column in zip(self.maps_, raw.T, strict=True)])
        weights = np.tile([self.recipe_.triage_weight, 1.0], len(self.members_))
        return np.asarray(fuse(evidence, "fisher", weights=weights) / weights.sum())

    def _triage_first(self, raw: NDArray[np.float64]) -> NDArray[np.float64]:
        """The density score, and every triaged row above all others, ordered by its distance difference.

        Beyond the largest validation score the density score grows by its logarithm only. That keeps its order and
        bounds it, so a fixed offset separates the two kinds of rows whatever else is in the batch.
        """
        triage, density = raw.T
        above = self.highest_density_ + SQUEEZED + np.log1p(np.maximum(triage, 0.0))
        return np.asarray(np.where(triage > 0, above, self._squeeze(density)))

    def _squeeze(self, density: NDArray[np.float64]) -> NDArray[np.float64]:
        excess = np.maximum(density - self.highest_density_, 0.0)
        return np.asarray(np.minimum(density, self.highest_density_) + np.log1p(excess))

    def _evidence_state(self) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        arrays: dict[str, NDArray[Any]] = {}
        members, maps = [], []
        for number, member in enumerate(self.members_):
            part, described = member.state()
            arrays |= {f"member{number}/{name}": array for name, array in part.items()}
            members.append(described)
        for number, evidence_map in enumerate(self.maps_):
            part, described = evidence_map.state()
            arrays |= {f"map{number}/{name}": array for name, array in part.items()}
            maps.append(described)
        meta: dict[str, Any] = {"recipe": self.recipe_.model_dump(mode="json"), "members": members, "maps": maps}
        if not self.maps_:
            meta["highest_density"] = self.highest_density_
            meta["percentiles"] = {str(p): value for p, value in self.percentiles_.items()}
        return arrays, meta

    def _restore_evidence(self, arrays: Mapping[str, NDArray[Any]], meta: Mapping[str, Any]) -> None:
        def under(prefix: str) -> dict[str, NDArray[Any]]:
            return {n.removeprefix(prefix): a for n, a in arrays.items() if n.startswith(prefix)}

        self.recipe_ = SculptorRecipe.model_validate(meta["recipe"])
        self.members_ = [SculptedFlow.from_state(under(f"member{j}/"), m) for j, m in enumerate(meta["members"])]
        self.maps_ = [EvidenceMap.from_state(under(f"map{j}/"), m) for j, m in enumerate(meta["maps"])]
        features = {member.scorer.encoder.features for member in self.members_}
        views = sum(len(member.views) for member in self.members_)
        maps = 0 if self.recipe_.fusion == "triage-first" else views
        if features != {len(self.preparer_.names)} or len(self.maps_) != maps:
            raise ArtifactError("the model's networks do not fit its preparation; save the model again")
        if not self.maps_:
            self.highest_density_ = float(meta["highest_density"])
            self.percentiles_ = {int(p): float(value) for p, value in meta["percentiles"].items()}

    @classmethod
    def _parameters(cls, stored: Mapping[str, Any]) -> dict[str, Any]:
        parameters = super()._parameters(stored)
        if isinstance(parameters["preset"], Mapping):
            parameters["preset"] = SculptorRecipe.model_validate(parameters["preset"])
        return parameters


def _messages(members: list[SculptedFlow]) -> list[str]:
    """Each member's messages once, in order."""
    return list(dict.fromkeys(line for member in members for line in member.messages))
