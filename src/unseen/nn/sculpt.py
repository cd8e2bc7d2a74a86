"""The two stages of latent sculpting: shape a latent space, then estimate the normals' density in it."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor

from unseen.errors import InputError
from unseen.nn.checkpoint import Checkpoint, fingerprint
from unseen.nn.diagnostics import CollapseMonitor, check_convergence, check_likelihood
from unseen.nn.encoders import Encoder, build_encoder
from unseen.nn.flows import LatentFlow, LogScale, masked_autoregressive_flow, negative_log_likelihood
from unseen.nn.inference import run_in_chunks
from unseen.nn.losses import BinarySculptingLoss, Distance, DualCentroidLoss
from unseen.nn.train import Monitor, ProgressCallback, Step, TrainingReport, TrainSettings, train

__all__ = [
    "FlowSettings",
    "SculptSettings",
    "SculptedEncoder",
    "TrainedFlow",
    "latent_centroids",
    "train_encoder",
    "train_flow",
    "triage_score",
]

_logger = logging.getLogger(__name__)

Matrix = NDArray[np.float32]
Mask = NDArray[np.bool_]


class SculptSettings(TrainSettings):
    r"""The constants of stage 1; the defaults are the published recipe.

    Arguments:
        encoder: The encoder's configuration without ``features`` (see `unseen.nn.encoders.build_encoder`).
        loss: ``"dccl"`` or ``"binary"``, the later version's loss.
        alpha: Weight of the normals' compactness.
        beta: Weight of the anomalies' compactness; ``"binary"`` has none.
        gamma: Weight of the separation.
        margin: The margin, in the unit of `distance`.
        distance: ``"squared"`` or ``"plain"``.
        power: The exponent of the ``"binary"`` loss's hinge, 1 or 2.
        noise: Standard deviation of the Gaussian noise added to the inputs in training.
        warmup_steps: The first steps train without compactness.
        warmup_on_collapse: Whether a collapsed training starts again with `rescue_steps` of warm-up.
        rescue_steps: The warm-up of that second attempt.
        collapse_steps: Collapsed steps in a row that make a collapse (at most half of all steps).
        centroid_rows: The rule that judges an epoch takes its centroids from at most this many training rows.
    """

    optimizer: Literal["adam", "adamw"] = "adamw"
    learning_rate: Annotated[float, Field(gt=0)] = 3e-4
    weight_decay: Annotated[float, Field(ge=0)] = 1e-2
    encoder: dict[str, Any] = Field(default_factory=lambda: {"kind": "cnn-transformer"})
    loss: Literal["dccl", "binary"] = "dccl"
    alpha: Annotated[float, Field(ge=0)] = 0.1
    beta: Annotated[float, Field(ge=0)] = 0.1
    gamma: Annotated[float, Field(ge=0)] = 1.0
    margin: Annotated[float, Field(ge=0)] = 5.0
    distance: Distance = "squared"
    power: Literal[1, 2] = 1
    noise: Annotated[float, Field(ge=0)] = 0.1
    warmup_steps: Annotated[int, Field(ge=0)] = 0
    warmup_on_collapse: bool = True
    rescue_steps: Annotated[int, Field(ge=1)] = 60
    collapse_steps: Annotated[int, Field(ge=1)] = 150
    centroid_rows: Annotated[int, Field(ge=1)] = 20_000


class FlowSettings(TrainSettings):
    """The constants of stage 2; the defaults are the published recipe.

    Arguments:
        transforms: Autoregressive blocks.
        hidden: Widths of the hidden layers of a block.
        log_scale: How a block's log-scale is bounded (see `unseen.nn.flows.LatentFlow`).
        standardise: Whether the latent is standardised first.
    """

    learning_rate: Annotated[float, Field(gt=0)] = 5e-4
    transforms: Annotated[int, Field(ge=1)] = 16
    hidden: tuple[Annotated[int, Field(ge=1)], ...] = (512, 512)
    log_scale: LogScale = "tanh"
    standardise: bool = False


class SculptedEncoder(NamedTuple):
    """What stage 1 gives.

    Arguments:
        encoder: The encoder, in evaluation mode.
        centroids: The mean latents of the training rows, shape (2, latent): normals, anomalies.
        report: What happened.
        warmup_steps: The warm-up that was used in the end.
    """

    encoder: Encoder
    centroids: NDArray[np.float64]
    report: TrainingReport
    warmup_steps: int


class TrainedFlow(NamedTuple):
    """What stage 2 gives: the flow, in evaluation mode, and what happened."""

    flow: LatentFlow
    report: TrainingReport


class _CollapsedError(Exception):
    """Stage 1 should start again with a warm-up."""


def latent_centroids(Z: Matrix, is_anomaly: Mask) -> NDArray[np.float64]:
    """The mean latents of normals and anomalies, shape (2, latent)."""
    return np.stack([Z[mask].mean(axis=0, dtype=np.float64) for mask in (~is_anomaly, is_anomaly)])


def triage_score(Z: Matrix, centroids: NDArray[np.float64]) -> NDArray[np.float64]:
    """How much nearer a row is to the anomalies' centroid: positive means triaged as an anomaly.

    Arguments:
        Z: Latent vectors, shape (n, latent).
        centroids: The centroids of normals and anomalies, shape (2, latent).

    Returns:
        The squared distance to the normals' centroid minus that to the anomalies', shape (n,).

    Example:
        >>> triage_score(np.array([[0.0], [3.0]], dtype=np.float32), np.array([[0.0], [4.0]]))
        array([-16.,   8.])
    """
    Z = np.ascontiguousarray(Z)  # the order of summation follows the memory layout
    to_normal, to_anomaly = (np.square(Z - centroid).sum(axis=1) for centroid in centroids)
    score: NDArray[np.float64] = to_normal - to_anomaly
    return score


def train_encoder(
    X: Matrix,
    is_anomaly: Mask,
    X_validation: Matrix,
    is_anomaly_validation: Mask,
    settings: SculptSettings,
    *,
    checkpoint: Path | None = None,
    resume: bool = False,
    progress: ProgressCallback | None = None,
) -> SculptedEncoder:
    """Stage 1: train an encoder that pulls normals together and anomalies away from them.

    The epoch with the best validation F1 of the stage-1 rule is kept: the nearer centroid, or for the binary loss half
    the margin around the normals' centroid. Which rows go in, and in what balance,
    is the caller's choice; without known anomalies it passes synthetic ones.

    Where the latent collapses, training starts again from the same weights with a warm-up, once. The second attempt
    keeps its checkpoint beside the first one, so that resuming after a kill repeats the same decisions.

    Arguments:
        X: Prepared training rows, shape (n, d).
        is_anomaly: Which training rows are anomalies, shape (n,).
        X_validation: Prepared validation rows.
        is_anomaly_validation: Which validation rows are anomalies.
        settings: The constants.
        checkpoint: A file for the state of every epoch; None keeps none.
        resume: Whether to go on from that file where it exists.
        progress: Called after every step.

    Raises:
        InputError: If normals or anomalies are missing from either part.
        TrainingError: If loss or gradient are no longer finite.
        ArtifactError: If the checkpoint belongs to another training or is damaged.
    """
    _check_both("training", X, is_anomaly)
    _check_both("validation", X_validation, is_anomaly_validation)
    stage = _StageOne(X, is_anomaly, X_validation, is_anomaly_validation, settings, progress)
    if checkpoint is None:
        first = second = None
    else:
        identity = fingerprint("encoder", settings, X, is_anomaly, X_validation, is_anomaly_validation)
        warmed = checkpoint.with_name(f"{checkpoint.stem}-warmup{checkpoint.suffix}")
        first = Checkpoint(checkpoint, resume, identity)
        second = Checkpoint(warmed, resume, fingerprint(identity, settings.rescue_steps))
    may_restart = settings.warmup_on_collapse and settings.warmup_steps < settings.rescue_steps
    if not (may_restart and resume and second is not None and second.path.exists()):
        try:
            return stage.attempt(settings.warmup_steps, first, may_restart=may_restart)
        except _CollapsedError as collapse:
            _logger.info("%s", collapse)
    messages = [f"The latent collapsed at first; training was started again with warmup_steps={settings.rescue_steps}."]
    result = stage.attempt(settings.rescue_steps, second, may_restart=False)
    return result._replace(report=result.report.model_copy(update={"messages": messages + result.report.messages}))


class _StageOne:
    """One stage-1 training on given rows, in one or two attempts."""

    def __init__(
        self,
        X: Matrix,
        is_anomaly: Mask,
        X_validation: Matrix,
        is_anomaly_validation: Mask,
        settings: SculptSettings,
        progress: ProgressCallback | None,
    ) -> None:
        self.X, self.is_anomaly = np.ascontiguousarray(X), is_anomaly
        self.X_validation, self.is_anomaly_validation = X_validation, is_anomaly_validation
        self.settings, self.progress = settings, progress
        self.loss = self._loss()
        steps = -(-len(X) // settings.batch_size) * settings.epochs * settings.passes
        self.collapse_steps = max(1, min(settings.collapse_steps, steps // 2))
        self.judge_rows = np.linspace(0, len(X) - 1, min(len(X), settings.centroid_rows)).astype(np.intp)

    def _loss(self) -> DualCentroidLoss | BinarySculptingLoss:
        s = self.settings
        if s.loss == "dccl":
            return DualCentroidLoss(s.alpha, s.beta, s.gamma, s.margin, s.distance)
        return BinarySculptingLoss(s.alpha, s.gamma, s.margin, s.distance, s.power)

    def attempt(self, warmup_steps: int, checkpoint: Checkpoint | None, *, may_restart: bool) -> SculptedEncoder:
        """Train once from the initial weights (or the checkpoint)."""
        settings, loss = self.settings, self.loss
        encoder = build_encoder({**settings.encoder, "features": self.X.shape[1]}, seed=settings.seed)
        monitor = CollapseMonitor(loss.plateau, loss.squared_margin, self.collapse_steps)

        def batch_loss(batch: tuple[Tensor, ...], step: Step) -> Tensor:
            if step.is_first_of_epoch:  # so that a resumed training counts on where it was killed
                monitor.streak = int(step.history[-1]["collapsed_steps"]) if step.history else 0
            x, mask = batch
            noise = torch.randn(x.shape, generator=step.generator)
            z = encoder(x + settings.noise * noise)
            is_warm = step.index >= warmup_steps
            value: Tensor = loss(z, mask, compactness=1.0 if is_warm else 0.0)
            if is_warm:
                monitor.update(value.item(), z)
                if may_restart and monitor.has_collapsed:
                    raise _CollapsedError(monitor.message())
            return value

        def validate() -> Mapping[str, float]:
            return self.judge(encoder) | {"collapsed_steps": monitor.streak}

        data = (torch.from_numpy(self.X), torch.from_numpy(self.is_anomaly))
        report = train(
            encoder,
            batch_loss,
            data,
            settings,
            validate=validate,
            monitor=Monitor("f1", "max"),
            checkpoint=checkpoint,
            progress=self.progress,
            name="encoder",
        )
        kept = report.history[report.kept_epoch - 1]
        report.messages.extend(check_convergence(kept["recall"], kept["false_alarms"]))
        if report.history[-1]["collapsed_steps"] >= self.collapse_steps:
            monitor.streak = int(report.history[-1]["collapsed_steps"])
            report.messages.append(monitor.message())
        centroids = latent_centroids(run_in_chunks(encoder, self.X), self.is_anomaly)
        return SculptedEncoder(encoder, centroids, report, warmup_steps)

    def judge(self, encoder: Encoder) -> dict[str, float]:
        """F1 and recall of the stage-1 rule on the validation rows, and the latent's shape."""
        Z, mask = run_in_chunks(encoder, self.X[self.judge_rows]), self.is_anomaly[self.judge_rows]
        if mask.all() or not mask.any():  # an even sample may miss a class of a few rows
            Z, mask = run_in_chunks(encoder, self.X), self.is_anomaly
        centroids = latent_centroids(Z, mask)
        Z_validation = run_in_chunks(encoder, self.X_validation)
        if isinstance(self.loss, BinarySculptingLoss):
            # Its anomalies form no cluster, so their centroid says nothing: the rule is half the margin.
            distance = np.square(Z_validation - centroids[0]).sum(axis=1)
            called = distance > 0.25 * self.loss.squared_margin
        else:
            called = triage_score(Z_validation, centroids) > 0
        truth = self.is_anomaly_validation
        hits = float(np.sum(called & truth))
        return {
            "f1": 2 * hits / float(called.sum() + truth.sum()),
            "recall": hits / float(truth.sum()),
            "false_alarms": float(called[~truth].mean()),
            "gap": float(np.linalg.norm(centroids[0] - centroids[1])),
            "spread": float(np.sqrt(Z[~mask].var(axis=0, dtype=np.float64).sum())),
        }


def _check_both(part: str, X: Matrix, is_anomaly: Mask) -> None:
    if len(X) != len(is_anomaly):
        raise InputError(f"The {part} part has {len(X)} rows and {len(is_anomaly)} labels")
    if not is_anomaly.any() or is_anomaly.all():
        raise InputError(
            f"Sculpting needs normals and anomalies in the {part} part, "
            f"got {int((~is_anomaly).sum())} and {int(is_anomaly.sum())} rows"
        )


def train_flow(
    Z: Matrix,
    Z_validation: Matrix,
    settings: FlowSettings,
    *,
    checkpoint: Path | None = None,
    resume: bool = False,
    progress: ProgressCallback | None = None,
) -> TrainedFlow:
    """Stage 2: fit a flow to the normals' latent vectors, judged by the likelihood of held-out normals.

    Arguments:
        Z: Latent vectors of the normals, shape (n, latent).
        Z_validation: Latent vectors of held-out normals.
        settings: The constants.
        checkpoint: A file for the state of every epoch; None keeps none.
        resume: Whether to go on from that file where it exists.
        progress: Called after every step.

    Raises:
        InputError: If there are too few rows.
        TrainingError: If loss or gradient are no longer finite.
        ArtifactError: If the checkpoint belongs to another training or is damaged.
    """
    if not len(Z_validation):
        raise InputError("A flow needs held-out normals for its validation, got 0 rows")
    dimensions = Z.shape[1]
    rows = torch.from_numpy(np.ascontiguousarray(Z))
    flow = masked_autoregressive_flow(
        dimensions,
        settings.transforms,
        settings.hidden,
        log_scale=settings.log_scale,
        standardise=settings.standardise,
        seed=settings.seed,
    )
    if settings.standardise:
        flow.fit_standardisation(rows)

    def validate() -> Mapping[str, float]:
        return {"nll": -float(run_in_chunks(flow, Z_validation).mean(dtype=np.float64))}

    plan = None
    if checkpoint is not None:
        plan = Checkpoint(checkpoint, resume, fingerprint("flow", settings, Z, Z_validation))
    untrained = validate()["nll"]
    report = train(
        flow,
        lambda batch, _: negative_log_likelihood(flow, batch[0]).mean(),
        (rows,),
        settings,
        validate=validate,
        monitor=Monitor("nll", "min"),
        checkpoint=plan,
        progress=progress,
        name="flow",
    )
    report.messages.extend(check_likelihood(untrained, report.history, dimensions))
    return TrainedFlow(flow, report)
