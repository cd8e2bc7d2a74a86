"""The command line: one file a command, and no logic that Python could not call."""

from __future__ import annotations

import os
import sys

__all__ = ["main"]


def main(arguments: list[str] | None = None) -> None:
    """Run a command and exit: 0 when done, 2 for bad input, 130 after Ctrl-C.

    Arguments:
        arguments: The command's words; those of the process by default.
    """
    # Small networks are fastest on one thread; several wait for each other on a busy machine, up to a hundred times
    # slower. It is read when torch is loaded, and a user's own setting stands.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    try:
        from unseen.cli.run import run

        code = run(arguments)
        # What is still buffered may find that the reader of our output has gone.
        sys.stdout.flush()
    except KeyboardInterrupt:
        sys.stderr.write("stopped; nothing half-written is left\n")
        code = 130
    except BrokenPipeError:
        # The reader went away, as `head` does. Python would complain once more while closing the stream.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    sys.exit(code)
