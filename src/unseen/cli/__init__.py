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
    from unseen.cli.app import app
    from unseen.errors import UnseenError

    try:
        app(args=arguments, prog_name="unseen")
    except UnseenError as error:
        from unseen.cli.output import complain

        complain(str(error))
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.stderr.write("stopped; nothing half-written is left\n")
        sys.exit(130)
    except BrokenPipeError:
        # The reader of our output went away, as `head` does. Python would complain once more while closing it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
