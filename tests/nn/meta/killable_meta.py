"""A short meta-training that can be killed in an episode; run as a script by the tests."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import torch
from made import SMALL, made_rows

from unseen.nn.meta.network import MetaNetwork
from unseen.nn.meta.settings import MetaSettings
from unseen.nn.meta.train import MetaReport, train_meta
from unseen.nn.train import Progress, ProgressCallback

SETTINGS = {
    "multi-directional": SMALL.model_copy(
        update={"episodes": 6, "keep": "selected", "error_view": True, "last_calibration": True}
    ),
    "averaged": SMALL.model_copy(update={"episodes": 8, "average": True, "replay": 0.5, "last_calibration": True}),
    "joint": SMALL.model_copy(update={"mode": "joint", "episodes": 30}),
}


def run(
    mode: str, folder: Path | None = None, *, resume: bool = False, progress: ProgressCallback | None = None
) -> tuple[MetaNetwork, MetaReport]:
    settings: MetaSettings = SETTINGS[mode]
    file = None if folder is None else folder / "episodes"
    return train_meta(made_rows(), settings, checkpoint=file, resume=resume, progress=progress)


def main(mode: str, folder: Path, episode: int) -> None:
    torch.set_num_threads(1)

    def watch(progress: Progress) -> None:
        if (progress.epoch, progress.step) == (episode, 2):
            os.kill(os.getpid(), signal.SIGKILL)

    run(mode, folder, progress=watch)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))
