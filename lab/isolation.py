"""A place of its own for the whole lab: nothing reaches the host's network, nothing survives.

The lab runs itself again under ``unshare``: with a network stack that has no interface but loopback, with a mount
table of its own (so that ``/run/netns`` and every server's ``/run`` are a private tmpfs) and as the first process of a
tree of processes that the kernel ends with it, whatever happens.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from lab.errors import LabError, NotPermittedError
from lab.places import NAME

__all__ = ["NETNS", "arrange_inside", "inside", "isolate", "refuse_leftovers", "run"]

NETNS = Path("/run/netns")
_MARK = "UNSEEN_LAB_INSIDE"
_FLAGS = ("--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc")
_PR_SET_PDEATHSIG = 1


def refuse_leftovers(out: Path, netns: Path = NETNS) -> None:
    """Refuse to start where a run directory or the lab's namespaces exist already.

    Raises:
        LabError: If so.
    """
    if out.exists():
        raise LabError(f"{out} exists already: name a new directory, the lab never writes into an old one.")
    left = sorted(p.name for p in netns.iterdir() if p.name.startswith(NAME)) if netns.is_dir() else []
    if left:
        raise LabError(
            f"Network namespaces of another recording exist: {', '.join(left)}. Wait for it, or: ip netns del NAME"
        )


def inside() -> bool:
    """Whether this process runs in the lab's own place."""
    return os.environ.get(_MARK) == "1" and os.getpid() == 1


def isolate(arguments: Sequence[str], *, seconds: float) -> int:
    """Run ``python -m lab`` with these arguments in a place of its own; its exit code.

    Arguments:
        arguments: The command line.
        seconds: After so many the whole place is ended.

    Raises:
        NotPermittedError: If namespaces may not be made here.
        LabError: If the time limit was reached.
    """
    flags = _FLAGS if os.geteuid() == 0 else ("--user", "--map-root-user", *_FLAGS)
    try:
        probe = subprocess.run(["unshare", *flags, "true"], capture_output=True, text=True, timeout=20, check=False)
    except FileNotFoundError:
        raise NotPermittedError("unshare (util-linux) is missing.") from None
    if probe.returncode != 0:
        raise NotPermittedError(f"No namespaces may be made here: {probe.stderr.strip()}")
    command = ["unshare", *flags, sys.executable, "-m", "lab", *arguments]
    environment = {**os.environ, _MARK: "1"}
    root = Path(__file__).resolve().parent.parent
    with subprocess.Popen(command, env=environment, cwd=root, preexec_fn=_end_with_parent) as process:
        try:
            return process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            raise LabError(f"The lab was ended: it was not done after {seconds:g} s.") from None
        finally:
            process.kill()


def arrange_inside() -> None:
    """Make the private ``/run`` of the lab's own place.

    Raises:
        LabError: If called outside, where it would touch the host.
    """
    if not inside():
        raise LabError("This command runs inside the lab's own place alone: start it without UNSEEN_LAB_INSIDE.")
    run("mount", "-t", "tmpfs", "tmpfs", "/run")
    for name in ("netns", "sshd", "vsftpd/empty", "lock"):
        (Path("/run") / name).mkdir(parents=True)
    run("ip", "link", "set", "lo", "up")


def run(*command: str, seconds: float = 20) -> str:
    """Run a short command to its end.

    Raises:
        NotPermittedError: If it may not.
        LabError: If it fails otherwise.
    """
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds, check=False)
    if done.returncode != 0:
        problem = f"{' '.join(command)}: {done.stderr.strip()}"
        raise NotPermittedError(problem) if "not permitted" in done.stderr else LabError(problem)
    return done.stdout


def _end_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
