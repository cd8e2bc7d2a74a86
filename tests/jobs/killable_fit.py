"""A real `unseen fit` that kills itself at a moment of its training; run as a script by the tests."""

from __future__ import annotations

import os
import signal
import sys

from unseen.cli import main
from unseen.detectors import Detector, LatentSculptor
from unseen.nn.train import Progress


def kill_after(steps: int, signal_number: int) -> None:
    """Send this process a signal after so many steps of training."""
    done = 0
    really_fit = Detector.fit

    def fit(self: Detector, *arguments: object, **options: object) -> Detector:
        def count(event: Progress) -> None:
            nonlocal done
            done += 1
            if done == steps:
                os.kill(os.getpid(), signal_number)

        return really_fit(self, *arguments, **{**options, "progress": count})

    LatentSculptor.fit = fit


if __name__ == "__main__":
    # Processes started in the background, such as pytest's workers, may have been told to ignore it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    kill_after(int(sys.argv[1]), getattr(signal, sys.argv[2]))
    main(sys.argv[3:])
