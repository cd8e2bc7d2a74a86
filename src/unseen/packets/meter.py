"""Starts the flow meter in a process of its own, watches over it, and yields its flows as Arrow batches.

nfstream can die, hang, or leave processes behind on a bad capture. None of that reaches the caller: the meter has its
own process group, which is killed at the end; silence is bounded; the exit code is checked.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Self

import pyarrow as pa

from unseen.errors import InputError, MeterError, require
from unseen.packets.frames import BATCH, DONE, FAILED, FrameReader
from unseen.packets.schema import FLOW_SCHEMA

__all__ = ["Meter", "MeterSettings", "MeterStatus"]

# The meter says how far it is twice a second; this long a silence means that it hangs.
_PATIENCE = 60.0


@dataclass(frozen=True)
class MeterSettings:
    """How packets become flows.

    Arguments:
        idle_timeout: Seconds without a packet after which a flow ends.
        active_timeout: Seconds after which a flow is ended and a new one begun.
        sample: Keep one flow in this many, chosen by a hash of its addresses and ports.
        joined: Let flows go on from one file to the next: the files are pieces of one capture, in order.
        real_time: Read files at the pace at which they were recorded.
    """

    idle_timeout: int = 120
    active_timeout: int = 1800
    sample: int = 1
    joined: bool = False
    real_time: bool = False

    def __post_init__(self) -> None:
        for name in ("idle_timeout", "active_timeout", "sample"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= 1_000_000:
                raise InputError(f"{name}={value!r} must be a whole number from 1 to 1,000,000")


@dataclass(frozen=True)
class MeterStatus:
    """How far the meter is.

    Attributes:
        packets: IP packets that became part of a flow.
        sampled_out: Packets of flows that ``sample`` leaves out.
        ignored: Records without an IP packet, or with a fragment of one.
        errors: Read errors.
        dropped: Packets the kernel dropped before the meter saw them (live).
        flows: Flows handed on.
        flows_dropped: Flows dropped because nobody took them in time (live).
        last_seen_ms: The latest packet's time, milliseconds since 1970.
        files: Files read to their end.
    """

    packets: int = 0
    sampled_out: int = 0
    ignored: int = 0
    errors: int = 0
    dropped: int = 0
    flows: int = 0
    flows_dropped: int = 0
    last_seen_ms: int = 0
    files: int = 0


_STATUS_FIELDS = {field.name for field in fields(MeterStatus)}


class Meter:
    """Flows of capture files or of a live interface; a context manager to iterate over once.

    Arguments:
        sources: Capture files in order, or the name of one interface.
        settings: Timeouts and sampling.
        live: Whether ``sources`` names an interface.
        pipe: The reading end of a pipe that brings the one source's records; it is closed here.
        patience: Seconds of silence after which the meter counts as hanging.

    Attributes:
        status: How far the meter is.
        by_file: At the end, each file's own counts of packets and the like.
        warnings: At the end, what the meter wrote to its standard error.

    Raises:
        MissingExtraError: If nfstream is not installed.
    """

    def __init__(
        self,
        sources: Sequence[str | Path],
        settings: MeterSettings | None = None,
        *,
        live: bool = False,
        pipe: int | None = None,
        patience: float = _PATIENCE,
    ) -> None:
        if find_spec("nfstream") is None:
            require("nfstream", "pcap")
        if live and len(sources) != 1:
            raise InputError("name one interface to watch")
        self._names = [str(source) for source in sources]
        self._pipe = pipe
        places = [f"/dev/fd/{pipe}"] if pipe is not None else [str(Path(name).absolute()) for name in self._names]
        self._order = {
            **asdict(settings or MeterSettings()),
            "live": live,
            "piped": pipe is not None,
            "sources": self._names if live else places,
            "names": self._names,
        }
        self._patience = patience
        self._process: subprocess.Popen[bytes] | None = None
        self.status = MeterStatus()
        self.warnings: list[str] = []
        self.by_file: list[dict[str, int]] = []

    @property
    def pid(self) -> int:
        """The meter's process, for its supervisor."""
        return self._running().pid

    def __enter__(self) -> Self:
        self._errors = tempfile.TemporaryFile()
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "unseen.packets.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            start_new_session=True,
            pass_fds=() if self._pipe is None else (self._pipe,),
        )
        if self._pipe is not None:
            os.close(self._pipe)
        self._tell(json.dumps(self._order))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        process = self._running()
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
        self._errors.close()

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        """Yield batches of flows with the columns of ``FLOW_SCHEMA``, in the order in which the flows end.

        Raises:
            InputError: If libpcap cannot open or read a source.
            MeterError: If the meter dies or hangs.
        """
        process = self._running()
        assert process.stdout is not None  # asked for above
        reader = FrameReader(process.stdout.fileno())
        while True:
            try:
                read = reader.next(self._patience)
            except TimeoutError:
                raise MeterError(
                    f"the flow meter said nothing for {self._patience:g} s while reading {self._reading()}; "
                    "it was stopped"
                ) from None
            if read is None:
                raise self._died()
            kind, body = read
            if kind == BATCH:
                yield pa.ipc.read_record_batch(pa.py_buffer(body), FLOW_SCHEMA)
                continue
            if kind == FAILED:
                raise InputError(body.decode(errors="replace"))
            counts = json.loads(body)
            self.status = MeterStatus(**{name: counts[name] for name in _STATUS_FIELDS})
            if kind == DONE:
                self.by_file = counts["by_file"]
                break
        if process.wait(self._patience):
            raise self._died()
        self.warnings = self._said()

    def stop(self) -> None:
        """Ask for a clean end: the flows not yet ended are handed over, then iteration ends."""
        self._tell("stop")

    def _tell(self, line: str) -> None:
        process = self._running()
        assert process.stdin is not None  # asked for above
        # A meter that is gone is noticed where its flows are read.
        with contextlib.suppress(BrokenPipeError, ValueError):
            process.stdin.write(line.encode() + b"\n")
            process.stdin.flush()

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise InputError("the meter was not started; use it as: with Meter(…) as meter")
        return self._process

    def _reading(self) -> str:
        return self._names[min(self.status.files, len(self._names) - 1)]

    def _died(self) -> MeterError:
        try:
            code = self._running().wait(5)
        except subprocess.TimeoutExpired:
            return MeterError(f"the flow meter closed its pipe while reading {self._reading()}; it was stopped")
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        said = self._said()
        words = f": {said[-1][:200]}" if said else ""
        return MeterError(f"the flow meter died ({how}) while reading {self._reading()}{words}")

    def _said(self) -> list[str]:
        """What the meter wrote to its standard error, the last lines of it."""
        self._errors.seek(0, os.SEEK_END)
        self._errors.seek(max(0, self._errors.tell() - 4096))
        return [line for line in self._errors.read().decode(errors="replace").splitlines() if line.strip()][-5:]
