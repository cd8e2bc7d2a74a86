"""Outside tools, bounded: each ends by itself or is ended, with all its children."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Sequence
from pathlib import Path

__all__ = ["OUTPUT_LIMIT", "run_tool"]

OUTPUT_LIMIT = 400


async def run_tool(command: Sequence[str], *, seconds: float, home: Path, feed: str = "") -> tuple[int, str]:
    """Run a tool to its end, or end its whole process group when the time is over.

    Arguments:
        command: Program and arguments; ``{run}`` in them is the run directory.
        seconds: The time limit.
        home: The run directory, which is also the tool's home and working directory.
        feed: Written to its standard input.

    Returns:
        The exit code (124 after the time limit, 127 where the tool is missing) and the end of its output.
    """
    filled = [part.replace("{run}", str(home)) for part in command]
    environment = {"PATH": os.environ["PATH"], "HOME": str(home), "LANG": "C.UTF-8", "TERM": "dumb"}
    try:
        process = await asyncio.create_subprocess_exec(
            *filled,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env=environment,
            cwd=home,
            process_group=0,
        )
    except FileNotFoundError:
        return 127, f"{filled[0]} is missing"
    try:
        output, _ = await asyncio.wait_for(process.communicate(feed.encode()), timeout=max(0.05, seconds))
        return process.returncode or 0, output.decode(errors="replace")[-OUTPUT_LIMIT:]
    except TimeoutError:
        return 124, ""
    finally:
        # Also after a normal end: a tool may have left children behind.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
