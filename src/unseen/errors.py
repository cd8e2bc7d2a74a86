"""Every error and warning a user can meet.

A message is one or two lines: what is wrong, where (column, row count), and what to do, in the user's own syntax.
The command line prints it and exits with ``exit_code``; nothing is half-written by then.
"""

from __future__ import annotations

import importlib
from types import ModuleType

__all__ = [
    "ArtifactError",
    "CalibrationError",
    "InputError",
    "MeterError",
    "MissingExtraError",
    "SchemaError",
    "TrainingError",
    "UnseenError",
    "UnseenWarning",
    "require",
]


class UnseenError(Exception):
    """Base of all errors this package raises on purpose."""

    exit_code = 2


class InputError(UnseenError, ValueError):
    """The data or the arguments cannot be used as they are."""


class SchemaError(InputError):
    """Columns are missing, extra, duplicated or of the wrong kind."""


class CalibrationError(InputError):
    """The asked false-alarm rate cannot be guaranteed with the calibration rows at hand."""


class ArtifactError(InputError):
    """A model file is truncated, tampered with, foreign, or of a later format version."""


class TrainingError(UnseenError, RuntimeError):
    """Training cannot go on, for example because the loss is no longer finite."""


class MeterError(UnseenError, RuntimeError):
    """The process that turns packets into flows died or hung; what it had not handed over is lost."""


class MissingExtraError(UnseenError, ImportError):
    """An optional dependency is not installed."""


class UnseenWarning(UserWarning):
    """Something the user should know, though the result is usable."""


def require(module: str, extra: str) -> ModuleType:
    """Import an optional dependency, or say which install line brings it.

    Arguments:
        module: The module's name, for example ``"torch"``.
        extra: The extra of this package that installs it, for example ``"train"``.

    Raises:
        MissingExtraError: If the module is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise MissingExtraError(
            f"This needs {module.partition('.')[0]}, which is not installed: pip install 'unseen[{extra}]'"
        ) from error
