"""Run one command and turn every expected failure into one or two lines on stderr and an exit code."""

from __future__ import annotations

import sys

import typer

from unseen.cli.app import app
from unseen.cli.output import complain
from unseen.errors import UnseenError

__all__ = ["run"]


def run(arguments: list[str] | None) -> int:
    """Run a command.

    Arguments:
        arguments: The command's words; those of the process if ``None``.

    Returns:
        The exit code.

    Raises:
        KeyboardInterrupt: After Ctrl-C.
        BrokenPipeError: If the reader of our output has gone.
    """
    for stream in (sys.stdout, sys.stderr):
        # A class name that the terminal's encoding lacks is written out, it is no reason to fail.
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    try:
        code = app(args=arguments, prog_name="unseen", standalone_mode=False)
    except UnseenError as error:
        complain(str(error))
        return error.exit_code
    except SystemExit:
        # So end rich and typer when the reader of our output has gone.
        raise BrokenPipeError from None
    except typer.Abort:
        raise KeyboardInterrupt from None
    except MemoryError:
        complain("out of memory; give fewer rows or columns at a time, or take a larger machine")
        return 2
    except Exception as error:
        # Usage errors; the class that brings them has moved between releases of typer.
        if not hasattr(error, "format_message"):
            raise
        return _usage(error)
    if code == 130:
        raise KeyboardInterrupt
    return int(code or 0)


def _usage(error: Exception) -> int:
    context = getattr(error, "ctx", None)
    text = error.format_message()  # type: ignore[attr-defined]
    if type(error).__name__ == "NoArgsIsHelpError":
        sys.stderr.write(f"{text}\n" if text.strip() else "")
        return 2
    command = context.command_path if context is not None else "unseen"
    complain(f"{text.rstrip('.')}; see {command} --help")
    return 2
