"""Read a model file of either kind: a detector that can be trained on, or an exported one that only scores."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from unseen.detectors import Detector
    from unseen.runtime import OnnxScorer

__all__ = ["is_exported", "load"]


def is_exported(path: str | os.PathLike[str]) -> bool:
    """Whether a file's name says that it is an exported model."""
    return Path(path).suffix.lower() == ".onnx"


def load(path: str | os.PathLike[str]) -> Detector | OnnxScorer:
    """Load a model. No code in the file is run.

    Arguments:
        path: A file written by ``save`` or ``unseen fit``, which needs torch; or, where it ends in ``.onnx``, one
            written by ``unseen export``, which does not.

    Returns:
        Something with ``anomaly_score``, ``p_value`` and ``alarm``.

    Raises:
        ArtifactError: If the file is absent, damaged, altered, foreign, or of a later format version.
        MissingExtraError: If a model needs torch and it is not installed.

    Example:
        >>> unseen.load("m.onnx").p_value(flows)  # doctest: +SKIP
    """
    # Each kind imports only what it needs.
    if is_exported(path):
        from unseen.runtime import OnnxScorer

        return OnnxScorer(path)
    from unseen.detectors import load as load_detector

    return load_detector(path)
