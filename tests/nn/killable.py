"""A short two-stage training that can be killed at a named moment; run as a script by the tests."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch

import unseen.nn.checkpoint
from unseen.nn.sculpt import FlowSettings, SculptedEncoder, SculptSettings, TrainedFlow, train_encoder, train_flow
from unseen.nn.train import Progress, ProgressCallback

ENCODER = SculptSettings(
    encoder={"kind": "cnn-transformer", "latent": 4, "width": 16, "layers": 1, "feedforward": 16},
    epochs=5,
    batch_size=32,
    learning_rate=3e-3,
    patience=4,
    seed=7,
)
FLOW = FlowSettings(epochs=5, batch_size=32, transforms=2, hidden=(16,), standardise=True, patience=4, seed=7)


def rows(seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    is_anomaly = rng.random(150) < 0.4
    X = rng.standard_normal((150, 12)) + 1.5 * is_anomaly[:, None] * (np.arange(12) % 3 == 0)
    return X.astype(np.float32), is_anomaly


def run(
    folder: Path | None = None, *, resume: bool = False, progress: ProgressCallback | None = None
) -> tuple[SculptedEncoder, TrainedFlow]:
    """Both stages, with a checkpoint each where a folder is given."""
    X, is_anomaly = rows(0)
    first = None if folder is None else folder / "encoder.safetensors"
    second = None if folder is None else folder / "flow.safetensors"
    sculpted = train_encoder(X, is_anomaly, *rows(1), ENCODER, checkpoint=first, resume=resume, progress=progress)
    Z = np.random.default_rng(2).standard_normal((150, 4)).astype(np.float32)
    flow = train_flow(Z[:100], Z[100:], FLOW, checkpoint=second, resume=resume, progress=progress)
    return sculpted, flow


def main(folder: Path, phase: str, epoch: int, moment: str) -> None:
    """Kill this process in an epoch of a phase: in its third step, or while its checkpoint is written."""
    torch.set_num_threads(1)
    now = Progress("", 0, 0, 0, 0, 0.0)

    def watch(progress: Progress) -> None:
        nonlocal now
        now = progress
        if moment == "step" and (progress.phase, progress.epoch, progress.step) == (phase, epoch, 3):
            os.kill(os.getpid(), signal.SIGKILL)

    really_write = unseen.nn.checkpoint.atomic_write

    @contextmanager
    def write(path: Path) -> Iterator[BinaryIO]:
        with really_write(path) as file:
            yield file
            if moment == "write" and (now.phase, now.epoch) == (phase, epoch):
                file.truncate(file.tell() // 2)
                file.flush()
                os.kill(os.getpid(), signal.SIGKILL)

    unseen.nn.checkpoint.atomic_write = write
    run(folder, progress=watch)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4])
