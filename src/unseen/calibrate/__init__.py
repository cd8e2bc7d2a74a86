"""Calibration: scores become p-values, evidences become one score, and a false-alarm rate becomes alarms."""

from __future__ import annotations

from unseen.calibrate.batch import adjusted_p_values, benjamini_hochberg
from unseen.calibrate.budget import false_alarms_per_day, rate_for_budget, rows_for_rate
from unseen.calibrate.conformal import ConformalCalibrator, alarm_count
from unseen.calibrate.evidence_map import EvidenceMap
from unseen.calibrate.fusion import FusedCalibrator, FusionRule, fuse

__all__ = [
    "ConformalCalibrator",
    "EvidenceMap",
    "FusedCalibrator",
    "FusionRule",
    "adjusted_p_values",
    "alarm_count",
    "benjamini_hochberg",
    "false_alarms_per_day",
    "fuse",
    "rate_for_budget",
    "rows_for_rate",
]
