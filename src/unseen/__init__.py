"""Unseen detects anomaly classes nobody has seen yet, with alarms at a calibrated false-alarm rate.

>>> import unseen
>>> detector = unseen.UnseenDetector(normal="BENIGN").fit(flows, labels)  # doctest: +SKIP
>>> detector.alarm(new_flows, false_alarm_rate=0.01)  # doctest: +SKIP
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from unseen.calibrate import ConformalCalibrator, benjamini_hochberg
    from unseen.detectors import Detector, LatentSculptor, MetaLearner, UnseenDetector
    from unseen.errors import UnseenError, UnseenWarning
    from unseen.loading import load

__version__ = "0.1.0.dev0"

__all__ = [
    "ConformalCalibrator",
    "Detector",
    "LatentSculptor",
    "MetaLearner",
    "UnseenDetector",
    "UnseenError",
    "UnseenWarning",
    "__version__",
    "benjamini_hochberg",
    "load",
]

# Names are imported when first asked for: `import unseen` takes no torch and no time.
_HOMES = {
    "ConformalCalibrator": "unseen.calibrate",
    "Detector": "unseen.detectors",
    "LatentSculptor": "unseen.detectors",
    "MetaLearner": "unseen.detectors",
    "UnseenDetector": "unseen.detectors",
    "UnseenError": "unseen.errors",
    "UnseenWarning": "unseen.errors",
    "benjamini_hochberg": "unseen.calibrate",
    "load": "unseen.loading",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'unseen' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
