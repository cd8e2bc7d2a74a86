"""The flow meter's own process: packets through nfstream, flows as Arrow batches into a pipe.

nfstream's own loop pins processes to cores, pickles every flow, and loses the open flows when it is stopped. So the
loop is here, over nfstream's engine and its flow cache. Standard input brings one line of settings, then perhaps
``stop``; its end means that the parent is gone.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import socket
import sys
import threading
import time
from contextlib import suppress
from operator import attrgetter
from typing import Any

import pyarrow as pa

from unseen.packets.frames import BATCH, DONE, FAILED, STATUS, frame
from unseen.packets.schema import FLOW_SCHEMA

__all__ = ["main"]

_BATCH_ROWS = 1024
# Live flows are handed on at least this often, seconds; so is the status.
_FLUSH_EVERY = 0.2
_STATUS_EVERY = 0.5
# Batches waiting for the pipe, and flows waiting for a place among them, before a live meter drops flows.
_WAITING_BATCHES = 32
_WAITING_FLOWS = 65_536
_SNAP = 1536
_SCAN_MS = 10
# A file that gives this many errors in a row has ended.
_ERRORS = 16
# How often to look whether an interface is still there, seconds.
_LOOK_EVERY = 1.0
_FILE, _INTERFACE = 0, 1
# A flow's attributes in the order of the schema, all but the capture's name.
_VALUES = attrgetter(*FLOW_SCHEMA.names[1:])


class _Failure(Exception):
    """What the user should be told."""


class _Pipe(threading.Thread):
    """Sends frames from a bounded queue, so that a slow reader does not hold up the capture at once."""

    def __init__(self, descriptor: int) -> None:
        super().__init__(daemon=True)
        self.waiting: queue.Queue[tuple[bytes, Any] | None] = queue.Queue(_WAITING_BATCHES)
        self._descriptor = descriptor

    def run(self) -> None:
        while (item := self.waiting.get()) is not None:
            kind, content = item
            try:
                self.send(kind, content)
            except BrokenPipeError:
                os._exit(1)

    def send(self, kind: bytes, content: Any) -> None:
        if kind == BATCH:
            arrays = [
                pa.array(column, t) for column, t in zip(zip(*content, strict=True), FLOW_SCHEMA.types, strict=True)
            ]
            body = pa.RecordBatch.from_arrays(arrays, schema=FLOW_SCHEMA).serialize().to_pybytes()
        else:
            body = content.encode() if isinstance(content, str) else json.dumps(content).encode()
        view = memoryview(frame(kind, body))
        while view:
            view = view[os.write(self._descriptor, view) :]


class _Meter:
    """nfstream's cache of open flows, fed packet by packet."""

    def __init__(self, order: dict[str, Any], pipe: _Pipe, stopping: threading.Event) -> None:
        self._order = order
        self._pipe = pipe
        self._stopping = stopping
        self._live = bool(order["live"])
        self._piped = bool(order["piped"])
        # Between the thread that waits for packets and the one that goes on with everything else.
        self._turn = threading.Lock()
        self._rows: list[tuple[Any, ...]] = []
        self._name = ""
        self._counts = dict.fromkeys(
            (
                "packets",
                "sampled_out",
                "ignored",
                "errors",
                "dropped",
                "flows",
                "flows_dropped",
                "last_seen_ms",
                "files",
            ),
            0,
        )
        self._flushed = self._told = time.monotonic()
        self._began: tuple[float, int] | None = None
        self._tick = self._scanned = 0
        self._heard, self._over = time.monotonic(), False
        self._fault: BaseException | None = None

    def run(self) -> dict[str, Any]:
        from _lib_engine import ffi, lib
        from nfstream import meter

        self._ffi, self._lib, self._nf = ffi, lib, meter
        self._cache = meter.NFCache()
        by_file = []
        for name, source in zip(self._order["names"], self._order["sources"], strict=True):
            self._name = name
            if self._stopping.is_set():
                break
            before = dict(self._counts)
            self._read(name, source)
            by_file.append({what: count - before[what] for what, count in self._counts.items()})
            self._counts["files"] += 1
            if not self._order["joined"]:
                self._clear()
        self._clear()
        self._flush(wait=True)
        return {**self._counts, "by_file": by_file}

    def put(self, flow: Any) -> None:
        """Take a flow that ended; nfstream calls it as it would a queue's ``put``."""
        if self._live and len(self._rows) >= _WAITING_FLOWS:
            self._counts["flows_dropped"] += 1
            return
        self._rows.append((self._name, *_VALUES(flow)))

    def _read(self, name: str, source: str) -> None:
        capture = self._open(name, source)
        if self._live or self._piped:
            self._attend(name, capture)
        else:
            self._read_file(capture)
        # Whoever still waits for a packet of an interface ends with this process.
        if not self._live:
            self._lib.capture_close(capture)

    def _read_file(self, capture: Any) -> None:
        misses = steps = 0
        while not self._stopping.is_set() and misses < _ERRORS:
            packet = self._ffi.new("struct nf_packet *")
            found = self._lib.capture_next(capture, packet, True, self._order["sample"], 0, _FILE)
            if found < -1:
                break
            misses = misses + 1 if found == -1 else 0
            self._take(found, packet)
            steps += 1
            if found == -1 or steps % 64 == 0:
                self._breathe()

    def _take(self, found: int, packet: Any) -> None:
        """Count what the engine found, and take a packet in."""
        if found > 0:
            self._packet(packet, counted=found == 1)
        elif found == 0:
            self._counts["ignored"] += 1
        elif not self._live:
            self._counts["errors"] += 1

    def _attend(self, name: str, capture: Any) -> None:
        """Read what comes when it comes: the engine waits for the next packet for as long as there is none.

        So it waits in a thread. Meanwhile idle flows end, ended flows are handed on, and the meter says that it lives.
        The end of a pipe ends its thread: what came before it is never left behind. Time goes on from the last packet's
        own: a burst that was held up on its way must not look later than it is.
        """
        stats, looked = self._ffi.new("struct nf_stat *"), time.monotonic()
        reader = threading.Thread(target=self._wait, args=(capture,), daemon=True)
        reader.start()
        while reader.is_alive() and not (self._live and self._stopping.is_set()):
            reader.join(_FLUSH_EVERY / 2)
            with self._turn:
                quiet = time.monotonic() - self._heard
                if self._tick and quiet >= _FLUSH_EVERY:
                    self._scan(self._tick + int(quiet * 1000))
                if self._live and self._status_due():
                    self._lib.capture_stats(capture, stats, _INTERFACE)
                    self._counts["dropped"] = stats.dropped
                self._breathe()
            if self._live and time.monotonic() - looked >= _LOOK_EVERY:
                looked = time.monotonic()
                if name not in {known for _, known in socket.if_nameindex()}:
                    raise _Failure(f"{name}: the interface has gone")
        with self._turn:
            self._over = True
        if self._fault is not None:
            raise self._fault

    def _wait(self, capture: Any) -> None:
        """The thread that waits for packets."""
        mode, roots = (_INTERFACE, 1) if self._live else (_FILE, self._order["sample"])
        misses = 0
        try:
            while misses < _ERRORS or self._live:
                packet = self._ffi.new("struct nf_packet *")
                found = self._lib.capture_next(capture, packet, True, roots, 0, mode)
                with self._turn:
                    if found < -1 or self._over:
                        return
                    misses = misses + 1 if found == -1 else 0
                    if found > 0:
                        self._heard = time.monotonic()
                    self._take(found, packet)
                if found == -1 and self._live:
                    time.sleep(_FLUSH_EVERY / 100)
        except BaseException as error:
            self._fault = error

    def _open(self, name: str, source: str) -> Any:
        from nfstream.engine import activate_capture, setup_capture

        mode = _INTERFACE if self._live else _FILE
        said = self._ffi.new("char[256]")
        group = os.getpid() & 0xFFFF
        capture = setup_capture(self._ffi, self._lib, source, _SNAP, True, mode, said, group, 0)
        if capture is None or not activate_capture(capture, self._lib, said, None, mode):
            words = self._ffi.string(said).decode("utf-8", errors="replace").strip() or "no reason given"
            raise _Failure(f"{name}: cannot be opened, {words.replace(source, name)}")
        return capture

    def _packet(self, packet: Any, *, counted: bool) -> None:
        # Time never runs backwards for the timeouts: an older record counts with the latest time.
        if packet.time > self._tick:
            self._tick = packet.time
        else:
            packet.time = self._tick
        if self._order["real_time"]:
            self._pace(packet.time)
        due = self._tick - self._scanned >= _SCAN_MS
        if counted:
            self._counts["packets"] += 1
            self._nf.consume(
                packet,
                self._cache,
                self._order["active_timeout"] * 1000,
                self._order["idle_timeout"] * 1000,
                self,
                self._ffi,
                self._lib,
                (),
                False,
                0,
                0,
                True,
                0,
                self._ffi.NULL,
                True,
                0,
            )
        else:
            self._counts["sampled_out"] += 1
        if due:
            self._scan()

    def _scan(self, now: int | None = None) -> None:
        """Hand on flows that are idle for too long."""
        self._scanned = self._tick
        idle = self._order["idle_timeout"] * 1000
        self._nf.meter_scan(
            self._tick if now is None else now,
            self._cache,
            idle,
            self,
            (),
            False,
            0,
            True,
            0,
            self._ffi,
            self._lib,
            self._ffi.NULL,
        )

    def _clear(self) -> None:
        """Hand on all open flows, as at the end of a file."""
        self._nf.meter_cleanup(self._cache, self, (), False, 0, True, 0, self._ffi, self._lib, self._ffi.NULL)
        self._tick = self._scanned = 0
        self._began = None

    def _pace(self, packet_ms: int) -> None:
        if self._began is None:
            self._began = (time.monotonic(), packet_ms)
        began, first = self._began
        while not self._stopping.is_set():
            early = (packet_ms - first) / 1000 - (time.monotonic() - began)
            if early <= 0:
                return
            self._breathe()
            time.sleep(min(early, 0.1))

    def _status_due(self) -> bool:
        return time.monotonic() - self._told >= _STATUS_EVERY

    def _breathe(self) -> None:
        """Hand on flows and say how far the meter is, where it is time."""
        now = time.monotonic()
        if len(self._rows) >= _BATCH_ROWS or (self._rows and now - self._flushed >= _FLUSH_EVERY):
            self._flush(wait=not self._live)
        if now - self._told >= _STATUS_EVERY:
            self._told = now
            self._counts["last_seen_ms"] = self._tick
            with suppress(queue.Full):
                self._pipe.waiting.put_nowait((STATUS, dict(self._counts)))

    def _flush(self, *, wait: bool) -> None:
        self._flushed = time.monotonic()
        while self._rows:
            rows = self._rows[:_BATCH_ROWS]
            try:
                self._pipe.waiting.put((BATCH, rows), block=wait)
            except queue.Full:
                return
            del self._rows[:_BATCH_ROWS]
            self._counts["flows"] += len(rows)


def _listen(stopping: threading.Event) -> None:
    with open(0, "rb", buffering=0, closefd=False) as control:
        while line := control.readline():
            if line.strip() == b"stop":
                stopping.set()
    # The parent has gone: nobody is left to read what we would send.
    os._exit(1)


def main() -> None:
    """Read the settings from standard input and meter until the sources end or ``stop`` comes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Whatever the engine prints must not get between the frames.
    channel = os.dup(1)
    os.dup2(2, 1)
    with open(0, "rb", buffering=0, closefd=False) as control:
        order = json.loads(control.readline())
    stopping = threading.Event()
    threading.Thread(target=_listen, args=(stopping,), daemon=True).start()
    pipe = _Pipe(channel)
    pipe.start()
    try:
        last: tuple[bytes, Any] = (DONE, _Meter(order, pipe, stopping).run())
    except _Failure as failure:
        last = (FAILED, str(failure))
    pipe.waiting.put(last)
    pipe.waiting.put(None)
    pipe.join()
    sys.exit(0)


if __name__ == "__main__":
    main()
