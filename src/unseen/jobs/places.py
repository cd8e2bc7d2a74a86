"""Where the jobs write: what they must not overwrite, and the checkpoints that wait beside a model."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from unseen.errors import InputError, SchemaError

__all__ = ["Checkpoints", "located", "refuse_overwrite"]


def refuse_overwrite(out: str | Path, inputs: Iterable[str | Path]) -> None:
    """Refuse an output that would replace one of the inputs.

    Raises:
        InputError: With the path.
    """
    place = Path(out).expanduser().resolve()
    if any(Path(path).expanduser().resolve() == place for path in inputs):
        raise InputError(f"{out}: would replace the data it is made from; name another file")


@contextmanager
def located(before: int, what: str = "rows") -> Iterator[None]:
    """Say in the errors of one batch that its rows are not counted from the beginning of the file.

    Arguments:
        before: Rows of earlier batches.
        what: What is counted.
    """
    try:
        yield
    except SchemaError as error:
        if not before and what == "rows":
            raise
        raise SchemaError(f"{error} ({what} counted after the first {before:,})") from error


class Checkpoints:
    """The folder beside a model file in which an unfinished training keeps its checkpoints.

    Arguments:
        out: The model file.

    Raises:
        InputError: If something else has the folder's name.
    """

    def __init__(self, out: str | Path) -> None:
        self.folder = Path(f"{out}.partial")
        if self.folder.exists() and not self.folder.is_dir():
            raise InputError(f"{self.folder}: is needed as a folder for checkpoints; move that file away")

    def exist(self) -> bool:
        """Whether there is something to resume from."""
        return any(self.folder.glob("*/*.checkpoint"))

    def discard(self) -> None:
        """Remove the checkpoints, and the folder if nothing of the user's is in it."""
        for file in [*self.folder.glob("*/*.checkpoint"), *self.folder.glob("*/.*.partial")]:
            file.unlink(missing_ok=True)
        self.prune()

    def prune(self) -> None:
        """Remove folders in which there is nothing."""
        for folder in [*self.folder.glob("*/"), self.folder]:
            with suppress(OSError):
                folder.rmdir()
