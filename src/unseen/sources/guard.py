"""Turns what the operating system and Arrow say about a file into errors that name the file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa

from unseen.errors import InputError, UnseenError

__all__ = ["first_line", "reading"]

# What pyarrow is known to raise on damaged bytes, beside its own exceptions and OSError.
_DAMAGE = (pa.ArrowException, OSError, EOFError, ValueError, KeyError, IndexError, TypeError, OverflowError)


def first_line(error: BaseException, limit: int = 160) -> str:
    """Return the first line of an error's text, cut at ``limit`` characters."""
    lines = str(error).splitlines() or [type(error).__name__]
    return lines[0] if len(lines[0]) <= limit else lines[0][: limit - 1] + "…"


@contextmanager
def reading(path: Path, kind: str) -> Iterator[None]:
    """Translate every failure to read a file into an `InputError` that names it.

    Arguments:
        path: The file that is read.
        kind: What it should be, for example ``"Parquet file"``.

    Raises:
        InputError: If the file cannot be opened, is damaged, or is no such file.
    """
    try:
        yield
    except UnseenError:
        raise
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file") from error
    except PermissionError as error:
        raise InputError(f"{path}: permission denied") from error
    except _DAMAGE as error:
        raise InputError(
            f"{path}: no readable {kind}, it is cut off, damaged or foreign ({first_line(error)})"
        ) from error
