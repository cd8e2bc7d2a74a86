"""The framed bytes between the meter's process and ours: a letter, a length, a body."""

from __future__ import annotations

import os
import select
import struct
import time

__all__ = ["BATCH", "DONE", "FAILED", "STATUS", "FrameReader", "frame"]

BATCH, STATUS, DONE, FAILED = b"B", b"S", b"D", b"E"
_HEAD = struct.Struct("<cI")


def frame(kind: bytes, body: bytes) -> bytes:
    """One frame, ready to be sent."""
    return _HEAD.pack(kind, len(body)) + body


class FrameReader:
    """Reads frames from a pipe, and never waits longer than it was told.

    Arguments:
        descriptor: The pipe's reading end.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._held = bytearray()

    def next(self, patience: float) -> tuple[bytes, bytes] | None:
        """The next frame; ``None`` at the end of the pipe.

        Arguments:
            patience: Seconds to wait for it.

        Raises:
            TimeoutError: If nothing comes in that time.
        """
        until = time.monotonic() + patience
        while True:
            if len(self._held) >= _HEAD.size:
                kind, length = _HEAD.unpack_from(self._held)
                end = _HEAD.size + length
                if len(self._held) >= end:
                    body = bytes(self._held[_HEAD.size : end])
                    del self._held[:end]
                    return kind, body
            ready, _, _ = select.select([self._descriptor], [], [], max(0.0, until - time.monotonic()))
            if not ready:
                raise TimeoutError
            chunk = os.read(self._descriptor, 1 << 20)
            if not chunk:
                return None
            self._held += chunk
