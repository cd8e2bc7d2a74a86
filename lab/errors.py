"""What the lab refuses, in one or two lines each."""

from __future__ import annotations

__all__ = ["LabError", "NotPermittedError"]


class LabError(Exception):
    """The lab cannot go on: something is missing, in the way, or not as recorded."""


class NotPermittedError(LabError):
    """This machine does not let the caller make network namespaces."""
