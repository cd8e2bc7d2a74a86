"""Work on a stream in threads: reading, working and writing at the same time, results in order, memory bounded."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from unseen.errors import InputError

__all__ = ["available_cores", "overlapped"]

Item = TypeVar("Item")
Result = TypeVar("Result")

# Items that wait, finished or not, beside those being worked on. One a worker keeps all of them busy.
_WAITING = 1


def available_cores() -> int:
    """The cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def overlapped(items: Iterable[Item], work: Callable[[Item], Result], workers: int) -> Iterator[Result]:
    """Apply a function to items in threads and yield the results in the order of the items.

    The items are drawn, and the results used, in the caller's thread, while the threads work on those between.
    Threads suffice: Arrow, numpy and both runtimes let go of Python's lock while they compute.

    Arguments:
        items: A stream; never more than about twice ``workers`` of it are held at a time.
        work: Called from several threads at once.
        workers: The number of threads.

    Raises:
        InputError: If there is to be no worker.

    Example:
        >>> list(overlapped(range(5), lambda n: n * n, workers=2))
        [0, 1, 4, 9, 16]
    """
    if workers < 1:
        raise InputError(f"workers={workers}: at least one is needed")
    pool = ThreadPoolExecutor(workers, thread_name_prefix="unseen")
    pending: deque[Future[Result]] = deque()
    try:
        for item in items:
            pending.append(pool.submit(work, item))
            if len(pending) > workers * (1 + _WAITING):
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        # After an error or Ctrl-C nothing new is begun.
        pool.shutdown(wait=True, cancel_futures=True)
