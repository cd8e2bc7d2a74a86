"""The examples of docs/calibration.md run, and its warning about bursts is true."""

from __future__ import annotations

import doctest
from pathlib import Path

import numpy as np
from scipy.special import ndtr

from unseen.calibrate import ConformalCalibrator
from unseen.splits import split_blocks, split_exact

PAGE = Path(__file__).parents[2] / "docs" / "calibration.md"


def test_examples_run() -> None:
    failed, attempted = doctest.testfile(str(PAGE), module_relative=False)
    assert attempted >= 8
    assert failed == 0


def test_bursts_break_the_interval_and_only_time_blocks_show_it() -> None:
    rng, shares, runs = np.random.default_rng(41), {"calibration": 0.5, "test": 0.5}, 150
    later = random_rows = time_blocks = 0
    for run in range(runs):
        burst = np.repeat(rng.normal(size=40), 200)
        scores = np.sqrt(0.8) * burst + np.sqrt(0.2) * rng.normal(size=8000)
        for parts in (
            split_exact(rng.integers(0, 2**63, 8000), shares, salt=str(run)),
            split_blocks(np.arange(8000), shares, salt=str(run), blocks=40),
        ):
            calibrator, test = ConformalCalibrator.fit(scores[parts == 0]), scores[parts == 1]
            low, high = calibrator.false_alarm_count_interval(0.01, test.size)
            inside = low <= calibrator.alarm(test, 0.01).sum() <= high
            if np.count_nonzero(np.diff(parts)) > 40:
                random_rows += inside
                low_rate, high_rate = calibrator.realised_rate_interval(0.01)
                later += low_rate <= 1.0 - ndtr(calibrator.threshold(0.01)) <= high_rate
            else:
                time_blocks += inside
    assert random_rows / runs > 0.9
    assert later / runs < 0.4
    assert time_blocks / runs < 0.3
