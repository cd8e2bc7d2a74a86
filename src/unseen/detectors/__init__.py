"""The estimators a user imports, the reader of model files, and detectors by their short names."""

from __future__ import annotations

from typing import Any

from unseen.errors import InputError, require

# Said here once, in words, instead of by whichever import fails first.
for _module in ("sklearn", "torch", "zuko"):
    require(_module, "train")

from unseen.detectors.base import Detector  # noqa: E402
from unseen.detectors.loading import load  # noqa: E402
from unseen.detectors.meta import MetaLearner  # noqa: E402
from unseen.detectors.sculptor import LatentSculptor  # noqa: E402
from unseen.detectors.unseen import UnseenDetector  # noqa: E402

__all__ = ["DETECTORS", "Detector", "LatentSculptor", "MetaLearner", "UnseenDetector", "create", "load"]

DETECTORS: dict[str, type[Detector]] = {"unseen": UnseenDetector, "meta": MetaLearner, "sculptor": LatentSculptor}


def create(name: str, **parameters: Any) -> Detector:
    """A detector by its short name, as the command line calls it.

    Raises:
        InputError: If there is no such detector, or it has no such parameter.
    """
    if name not in DETECTORS:
        raise InputError(f"there is no detector {name!r}; choose one of {', '.join(sorted(DETECTORS))}")
    cls = DETECTORS[name]
    unknown = sorted(set(parameters) - set(cls._get_param_names()))
    if unknown:
        raise InputError(f"{cls.__name__} has no parameter {unknown[0]!r}; it has {', '.join(cls._get_param_names())}")
    return cls(**parameters)
