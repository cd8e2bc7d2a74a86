"""The training loop, one for encoders and flows alike."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Annotated, Literal, NamedTuple, Protocol

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn
from torch.nn.modules.dropout import _DropoutNd

from unseen.errors import ArtifactError, InputError, TrainingError
from unseen.nn.checkpoint import Checkpoint, TrainingState, load_checkpoint, save_checkpoint
from unseen.nn.seeding import generator, isolated_rng

__all__ = [
    "BatchLoss",
    "Monitor",
    "Progress",
    "ProgressCallback",
    "Step",
    "TrainSettings",
    "TrainingReport",
    "train",
]

_logger = logging.getLogger(__name__)


class TrainSettings(BaseModel):
    """The constants of one training.

    Arguments:
        epochs: Epochs, at most; each ends with a validation and, where asked for, a checkpoint.
        passes: Passes over the rows in an epoch. Few rows need many passes, and few of them a validation of its own.
        batch_size: Rows a step; a last batch of a single row is dropped.
        optimizer: ``"adam"`` or ``"adamw"`` (weight decay apart from the gradient).
        learning_rate: The learning rate, or the highest one of the schedule.
        schedule: ``"constant"``; or ``"one-cycle"``: rising over the first tenth of all steps, then falling to zero
            along a cosine. A function of the step alone, so a resumed training needs no state of it.
        weight_decay: The weight decay.
        clip_norm: The gradient's norm is clipped at this value; None leaves it.
        patience: Stop after this many epochs without a better monitored value; None trains all epochs.
        keep: Whether the module ends with its ``"best"`` monitored or its ``"last"`` epoch.
        seed: Seeds weights, order, noise and dropout.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    epochs: Annotated[int, Field(ge=1)] = 10
    passes: Annotated[int, Field(ge=1)] = 1
    batch_size: Annotated[int, Field(ge=2)] = 512
    optimizer: Literal["adam", "adamw"] = "adam"
    learning_rate: Annotated[float, Field(gt=0)] = 1e-3
    schedule: Literal["constant", "one-cycle"] = "constant"
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    clip_norm: Annotated[float, Field(gt=0)] | None = 1.0
    patience: Annotated[int, Field(ge=1)] | None = None
    keep: Literal["best", "last"] = "best"
    seed: int = 0


@dataclass(frozen=True)
class Progress:
    """How far a training is; epochs and steps count from 1.

    Arguments:
        phase: The training's name.
        epoch: The running epoch of `epochs`.
        epochs: The number of epochs, at most.
        step: The step just done of `steps`.
        steps: Steps an epoch.
        rows_per_second: Training rows a second since the start.
    """

    phase: str
    epoch: int
    epochs: int
    step: int
    steps: int
    rows_per_second: float


class ProgressCallback(Protocol):
    """Called after every step; must be quick and draw no random numbers from torch."""

    def __call__(self, progress: Progress, /) -> None:
        """Take note of the progress."""


@dataclass(frozen=True)
class Step:
    """Where a batch stands in the training.

    Arguments:
        index: Steps done before, over all epochs.
        is_first_of_epoch: Whether an epoch starts with this step.
        generator: The epoch's source of noise.
        history: The records of the finished epochs.
    """

    index: int
    is_first_of_epoch: bool
    generator: torch.Generator
    history: Sequence[Mapping[str, float]]


BatchLoss = Callable[[tuple[Tensor, ...], Step], Tensor]


class Monitor(NamedTuple):
    """The validation value that decides which epoch is best."""

    name: str
    mode: Literal["min", "max"]


class TrainingReport(BaseModel):
    """What happened in a training, JSON-able; only the time and the rate differ between equal runs.

    Arguments:
        name: The training's name.
        history: One record an epoch: ``loss``, ``gradient_norm`` (means over steps, before clipping), validation
            values.
        kept_epoch: The epoch (from 1) whose weights the module ended with.
        stopped_early: Whether patience ran out before the last epoch.
        seconds: The time spent, over all resumed parts.
        rows_per_second: Training rows a second, validation included.
        messages: What the user should know, in plain words.
    """

    name: str
    history: list[dict[str, float]]
    kept_epoch: int
    stopped_early: bool
    seconds: float
    rows_per_second: float
    messages: list[str] = []


def train(
    module: nn.Module,
    batch_loss: BatchLoss,
    data: Sequence[Tensor],
    settings: TrainSettings,
    *,
    validate: Callable[[], Mapping[str, float]] | None = None,
    monitor: Monitor | None = None,
    checkpoint: Checkpoint | None = None,
    progress: ProgressCallback | None = None,
    name: str = "training",
) -> TrainingReport:
    """Train a module; the same seed, rows and settings give the same bits.

    An epoch's randomness (order, noise, dropout) is a function of seed, name and epoch alone, so a training that was
    killed at any moment goes on from its checkpoint to the very parameters of an uninterrupted run.

    Arguments:
        module: The module, changed in place and left in evaluation mode.
        batch_loss: Gives the scalar loss of a batch (one tensor for each of `data`) at a `Step`.
        data: Tensors with one entry a row, all of the same length.
        settings: The constants.
        validate: Called after every epoch with the module in evaluation mode; its values go into the history.
        monitor: The validation value that decides patience and which epoch is kept. Without it the last one is.
        checkpoint: Where to keep the state, and whether to resume; None keeps none.
        progress: Called after every step.
        name: The training's name, in progress and messages.

    Returns:
        The report.

    Raises:
        InputError: If there are fewer than two rows, or a setting needs a monitor that was not given.
        TrainingError: If loss or gradient are no longer finite.
        ArtifactError: If the checkpoint belongs to another training or is damaged.
    """
    rows = _check(data, settings, validate, monitor)
    run = _Run(module, batch_loss, tuple(data), settings, monitor, progress, name, rows)
    if checkpoint is not None and checkpoint.resume and checkpoint.path.exists():
        run.restore(load_checkpoint(checkpoint.path, checkpoint.fingerprint), checkpoint)
    while not run.is_finished:
        record = run.epoch()
        module.eval()
        with torch.no_grad():
            record |= {key: float(value) for key, value in validate().items()} if validate else {}
        run.close_epoch(record)
        if checkpoint is not None:
            save_checkpoint(checkpoint.path, run.state(), checkpoint.fingerprint)
    return run.finish()


def _check(
    data: Sequence[Tensor],
    settings: TrainSettings,
    validate: Callable[[], Mapping[str, float]] | None,
    monitor: Monitor | None,
) -> int:
    lengths = {len(tensor) for tensor in data}
    if len(lengths) != 1:
        raise InputError(f"Training needs tensors of one length, got {sorted(lengths)}")
    rows = lengths.pop()
    if rows < 2:
        raise InputError(f"Training needs at least 2 rows, got {rows}")
    if settings.patience is not None and monitor is None:
        raise InputError(f"patience={settings.patience} needs a validation value to monitor")
    if monitor is not None and validate is None:
        raise InputError(f"Monitoring {monitor.name!r} needs a validate function")
    return rows


def _one_cycle(share: float) -> float:
    """The learning rate's factor after this share of all steps."""
    rise = 0.1
    if share < rise:
        return share / rise
    return 0.5 + 0.5 * math.cos(math.pi * (share - rise) / (1.0 - rise))


class _Run:
    """The mutable side of one training."""

    def __init__(
        self,
        module: nn.Module,
        batch_loss: BatchLoss,
        data: tuple[Tensor, ...],
        settings: TrainSettings,
        monitor: Monitor | None,
        progress: ProgressCallback | None,
        name: str,
        rows: int,
    ) -> None:
        self.module, self.batch_loss, self.data, self.settings = module, batch_loss, data, settings
        self.monitor, self.progress, self.name, self.rows = monitor, progress, name, rows
        self.parameters = [parameter for parameter in module.parameters() if parameter.requires_grad]
        make = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[settings.optimizer]
        self.has_dropout = any(isinstance(part, _DropoutNd) for part in module.modules())
        # The fused kernel updates all parameters in one call: small networks spend most of a step in the optimizer.
        self.optimizer = make(
            self.parameters, lr=settings.learning_rate, weight_decay=settings.weight_decay, fused=True
        )
        # A batch of one row has no spread, and a loss of class means none to learn from.
        self.steps_a_pass = math.ceil(rows / settings.batch_size) - (rows % settings.batch_size == 1)
        self.steps = self.steps_a_pass * settings.passes
        self.history: list[dict[str, float]] = []
        self.best: dict[str, Tensor] | None = None
        self.seconds_before = 0.0
        self.rows_done = 0
        self.started = time.perf_counter()

    @property
    def best_epoch(self) -> int | None:
        """The epoch (from 1) with the best finite monitored value, the earliest of equals."""
        if self.monitor is None:
            return None
        sign = 1 if self.monitor.mode == "min" else -1
        values = [(sign * record[self.monitor.name], epoch) for epoch, record in enumerate(self.history, 1)]
        finite = [value for value in values if math.isfinite(value[0])]
        return min(finite)[1] if finite else None

    @property
    def is_out_of_patience(self) -> bool:
        patience = self.settings.patience
        return patience is not None and len(self.history) - (self.best_epoch or 0) >= patience

    @property
    def is_finished(self) -> bool:
        return len(self.history) >= self.settings.epochs or self.is_out_of_patience

    def epoch(self) -> dict[str, float]:
        """Run one epoch and give its mean loss and gradient norm."""
        seed, number = self.settings.seed, len(self.history) + 1
        shuffle = generator(seed, self.name, "order", number)
        noise = generator(seed, self.name, "noise", number)
        self.module.train()
        losses, norms = [], []
        # Dropout alone draws from the process's global generator; without it, threads may train side by side.
        with isolated_rng(seed, self.name, "dropout", number) if self.has_dropout else nullcontext():
            for index in range(self.steps):
                start = index % self.steps_a_pass * self.settings.batch_size
                if not start:
                    order = torch.randperm(self.rows, generator=shuffle)
                chosen = order[start : start + self.settings.batch_size]
                batch = tuple(tensor.index_select(0, chosen) for tensor in self.data)
                step = Step((number - 1) * self.steps + index, index == 0, noise, self.history)
                loss, norm = self.step(batch, step)
                losses.append(loss)
                norms.append(norm)
                self.rows_done += len(chosen)
                if self.progress is not None:
                    self.progress(
                        Progress(self.name, number, self.settings.epochs, index + 1, self.steps, self.rows_per_second)
                    )
        return {"loss": math.fsum(losses) / self.steps, "gradient_norm": math.fsum(norms) / self.steps}

    def step(self, batch: tuple[Tensor, ...], step: Step) -> tuple[float, float]:
        """One optimizer step: its loss, and the gradient's norm before clipping."""
        if self.settings.schedule == "one-cycle":
            rate = self.settings.learning_rate * _one_cycle((step.index + 1) / (self.steps * self.settings.epochs))
            for group in self.optimizer.param_groups:
                group["lr"] = rate
        self.optimizer.zero_grad()
        loss = self.batch_loss(batch, step)
        self.guard("loss", loss.item(), step)
        loss.backward()  # type: ignore[no-untyped-call]
        limit = math.inf if self.settings.clip_norm is None else self.settings.clip_norm
        norm = nn.utils.clip_grad_norm_(self.parameters, limit)
        self.guard("gradient", norm.item(), step)
        self.optimizer.step()
        return loss.item(), norm.item()

    def guard(self, what: str, value: float, step: Step) -> None:
        if math.isfinite(value):
            return
        epoch, index = divmod(step.index, self.steps)
        raise TrainingError(
            f"Training of the {self.name} broke in epoch {epoch + 1}, step {index + 1}: the {what} is {value}. "
            f"Try a smaller learning rate (it was {self.settings.learning_rate:g}), "
            "and check that the prepared features are finite and roughly within [-10, 10]."
        )

    def close_epoch(self, record: dict[str, float]) -> None:
        if self.monitor is not None and self.monitor.name not in record:
            raise InputError(f"Validation gave {sorted(record)}, not the monitored {self.monitor.name!r}")
        self.history.append(record)
        if self.settings.keep == "best" and self.best_epoch == len(self.history):
            self.best = {name: tensor.clone() for name, tensor in self.module.state_dict().items()}
        _logger.debug("%s, epoch %d: %s", self.name, len(self.history), record)

    @property
    def seconds(self) -> float:
        return self.seconds_before + time.perf_counter() - self.started

    @property
    def rows_per_second(self) -> float:
        return self.rows_done / max(time.perf_counter() - self.started, 1e-9)

    def state(self) -> TrainingState:
        optimizer = self.optimizer.state_dict()["state"]
        return TrainingState(self.module.state_dict(), self.best, optimizer, self.history, self.seconds)

    def restore(self, state: TrainingState, checkpoint: Checkpoint) -> None:
        try:
            self.module.load_state_dict(state.module)
            groups = self.optimizer.state_dict()["param_groups"]
            self.optimizer.load_state_dict({"state": state.optimizer, "param_groups": groups})
        except (RuntimeError, ValueError) as error:
            raise ArtifactError(f"The checkpoint {checkpoint.path} does not fit this network: {error}") from error
        self.best, self.history, self.seconds_before = state.best, state.history, state.seconds

    def finish(self) -> TrainingReport:
        messages = []
        kept = len(self.history)
        if self.settings.keep == "best" and self.monitor is not None:
            if self.best is None or self.best_epoch is None:
                messages.append(f"{self.monitor.name} was never finite: the last epoch of the {self.name} is kept.")
            else:
                kept = self.best_epoch
                self.module.load_state_dict(self.best)
        self.module.eval()
        return TrainingReport(
            name=self.name,
            history=self.history,
            kept_epoch=kept,
            stopped_early=self.is_out_of_patience and len(self.history) < self.settings.epochs,
            seconds=self.seconds,
            rows_per_second=self.rows_per_second,
            messages=messages,
        )
