"""The decisive control: the same network on the same rows with one loss, and no episodes."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor

from unseen.nn.checkpoint import Checkpoint
from unseen.nn.meta.episodes import role_sizes
from unseen.nn.meta.losses import cross_entropy
from unseen.nn.meta.network import MetaNetwork
from unseen.nn.meta.rows import SYNTHETIC, MetaRows, inner_rows
from unseen.nn.meta.settings import MetaSettings
from unseen.nn.train import ProgressCallback, Step, TrainingReport, TrainSettings, train

__all__ = ["joint_steps", "train_joint"]


def joint_steps(rows: MetaRows, settings: MetaSettings) -> int:
    """About as many steps as the episodes of both loops would take."""
    everything = np.arange(len(rows.normals))
    chosen, epochs = inner_rows(
        everything,
        epochs=settings.inner_epochs,
        steps=settings.inner_steps,
        batch=settings.inner_batch,
        rng=np.random.default_rng(0),
    )
    inner = -(-len(chosen) // settings.inner_batch) * epochs
    _, outer_size = role_sizes(len(rows.families))
    each = max(1, settings.outer_batch // 2 // outer_size)
    outer = settings.outer_epochs * -(-max(_counts(rows)) // each)
    return settings.episodes * (inner * settings.inner + outer * settings.outer)


def train_joint(
    network: MetaNetwork,
    rows: MetaRows,
    settings: MetaSettings,
    *,
    checkpoint: Checkpoint | None = None,
    progress: ProgressCallback | None = None,
) -> TrainingReport:
    """Train encoder and head on the cross-entropy of batches of half normals, half anomalies, families in equal parts.

    Shuffled normals count as one more family, and restoring the normals as a second loss, where the settings ask for
    them: so the control can have all that an extended meta-learner has, but the episodes.

    Arguments:
        network: Changed in place, but for its temperature.
        rows: The rows that the episodes would see.
        settings: The constants of the inner loop, and how many episodes' steps to take.
        checkpoint: Where to keep the state of every epoch, and whether to resume.
        progress: Called after every step.

    Raises:
        TrainingError: If loss or gradient are no longer finite.
        ArtifactError: If the checkpoint belongs to another training or is damaged.
    """
    half = max(2, settings.inner_batch // 2)
    steps = joint_steps(rows, settings)
    constants = TrainSettings(
        epochs=max(1, round(steps * half / len(rows.normals))),
        batch_size=half,
        optimizer="adamw",
        learning_rate=settings.inner_rate,
        weight_decay=settings.weight_decay,
        keep="last",
        seed=settings.seed,
    )
    made = rows.inner_known[rows.inner_family == SYNTHETIC]
    known = torch.from_numpy(np.concatenate([rows.known, made]))
    family = np.concatenate([rows.family, np.full(len(made), len(rows.families))])
    weights = torch.from_numpy(1.0 / np.bincount(family)[family])

    def batch_loss(batch: tuple[Tensor, ...], step: Step) -> Tensor:
        (normals,) = batch
        drawn = torch.multinomial(weights, len(normals), replacement=True, generator=step.generator)
        if not network.error_view:
            margin = network.margin(torch.cat([normals, known[drawn]]))
            return cross_entropy(margin, torch.arange(len(margin)) >= len(normals))
        views, error = network.views(torch.cat([normals, known[drawn]]))
        loss = cross_entropy(network.head_margin(views), torch.arange(len(views)) >= len(normals))
        return loss + settings.reconstruction * error[: len(normals)].mean()

    for parameter in _unused(network):
        parameter.requires_grad_(False)
    try:
        return train(
            network,
            batch_loss,
            (torch.from_numpy(rows.normals),),
            constants,
            checkpoint=checkpoint,
            progress=progress,
            name="joint training",
        )
    finally:
        for parameter in _unused(network):
            parameter.requires_grad_(True)


def _unused(network: MetaNetwork) -> Iterable[torch.nn.Parameter]:
    decoder = [] if network.error_view else list(network.decoder.parameters())
    return [*decoder, network.log_temperature]


def _counts(rows: MetaRows) -> list[int]:
    return [int(count) for count in np.bincount(rows.family, minlength=len(rows.families))]
