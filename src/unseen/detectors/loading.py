"""Read a model file back into a fitted detector."""

from __future__ import annotations

import os

from pydantic import ValidationError

from unseen.artifact import read_artifact
from unseen.detectors.base import Detector
from unseen.errors import ArtifactError
from unseen.sources.guard import first_line

__all__ = ["load"]


def load(path: str | os.PathLike[str]) -> Detector:
    """Load a detector from a model file. No code in the file is run: it holds JSON and plain tensors.

    Arguments:
        path: A file written by ``save`` or ``unseen fit``.

    Raises:
        ArtifactError: If the file is absent, damaged, altered, foreign, or of a later format version.

    Example:
        >>> unseen.load("m.unseen").p_value(flows)  # doctest: +SKIP
    """
    manifest, tensors = read_artifact(path)
    name = manifest.get("detector")
    cls = Detector._registry.get(str(name))
    if cls is None:
        raise ArtifactError(f"{path} holds a detector {name!r} that this release does not know; upgrade unseen")
    try:
        return cls._restore(manifest, tensors)
    except ArtifactError as error:
        raise ArtifactError(f"{path}: {error}") from error
    except (
        ValidationError,
        ArithmeticError,
        AttributeError,
        LookupError,
        RuntimeError,
        TypeError,
        ValueError,
    ) as error:
        raise ArtifactError(
            f"{path} is damaged: its manifest does not describe a {name} ({type(error).__name__}: {first_line(error)})"
        ) from error
