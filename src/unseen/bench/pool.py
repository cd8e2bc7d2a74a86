"""Jobs over worker processes: each worker stays on one cell while it can, and may die without harm."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection, wait
from typing import Any

from unseen.bench.cell import CellKey
from unseen.bench.results import CellResult, write_result
from unseen.bench.work import THREAD_SETTINGS, Job, Worker, failed
from unseen.errors import UnseenError

__all__ = ["run_jobs"]


def run_jobs(jobs: Sequence[Job], *, workers: int, done: Callable[[CellResult], None]) -> None:
    """Do all jobs.

    Arguments:
        jobs: The jobs.
        workers: Processes to share them among; 1 does them in this process. The machine's cores are divided evenly,
            unless OMP_NUM_THREADS says how many threads each may use.
        done: Called with each result once it is on the disk.

    Raises:
        LeakError: If test rows reach a fit; the other workers are ended.
        InputError: If a cell cannot be made.
    """
    schedule = _Schedule(jobs)
    if workers == 1:
        worker = Worker()
        while (job := schedule.next(0)) is not None:
            done(worker.run(job))
        return
    processes: dict[Connection, _Process] = {}
    try:
        with _thread_limit(workers):
            for number in range(min(workers, len(jobs))):
                process = _Process(number)
                processes[process.connection] = process
            while any(process.job for process in processes.values()) or schedule.left:
                _hand_out(processes, schedule)
                _collect(processes, done)
    finally:
        for process in processes.values():
            process.end()


class _Schedule:
    """Which job next: a worker goes on with its cell; an idle one takes a fresh cell before it helps with another's."""

    def __init__(self, jobs: Sequence[Job]) -> None:
        self._cells: dict[CellKey, deque[Job]] = {}
        self._at: dict[int, CellKey] = {}
        for job in jobs:
            self._cells.setdefault(job.key, deque()).append(job)

    @property
    def left(self) -> bool:
        """Whether any job has not been handed out."""
        return bool(self._cells)

    def next(self, worker: int) -> Job | None:
        """A job for a worker, or ``None`` if none is left."""
        key = self._at.get(worker)
        if key not in self._cells:
            fresh = [key for key in self._cells if key not in self._at.values()]
            longest = max(self._cells, key=lambda key: len(self._cells[key]), default=None)
            key = fresh[0] if fresh else longest
        if key is None:
            return None
        self._at[worker] = key
        job = self._cells[key].popleft()
        if not self._cells[key]:
            del self._cells[key]
        return job


class _Process:
    """A worker process, started again when it dies."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.job: Job | None = None
        self.start()

    def start(self) -> None:
        """Start the process; it is spawned, not forked, so that threads and random state are its own."""
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.process = context.Process(target=_serve, args=(theirs,), daemon=True)
        self.process.start()
        theirs.close()

    def end(self) -> None:
        """End the process, whatever it is doing; half-written files have no name yet."""
        self.connection.close()
        if self.job is not None:
            self.process.terminate()
        self.process.join(5)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()


def _hand_out(processes: dict[Connection, _Process], schedule: _Schedule) -> None:
    for process in processes.values():
        if process.job is None and (job := schedule.next(process.number)) is not None:
            process.job = job
            # A worker that died while idle is noticed when its answer is read.
            with contextlib.suppress(OSError):
                process.connection.send(job)


def _collect(processes: dict[Connection, _Process], done: Callable[[CellResult], None]) -> None:
    busy = [connection for connection, process in processes.items() if process.job]
    for connection in wait(busy):
        assert isinstance(connection, Connection)
        process = processes[connection]
        try:
            answer = connection.recv()
        except (EOFError, OSError):
            answer = _after_death(processes, process)
        if isinstance(answer, BaseException):
            raise answer
        process.job = None
        done(answer)


def _after_death(processes: dict[Connection, _Process], process: _Process) -> CellResult:
    """A worker that was killed took one method with it and no more: record that, and start it again."""
    process.process.join()
    code = process.process.exitcode or 0
    how = f"signal {-code} ({signal.Signals(-code).name})" if code < 0 else f"exit code {code}"
    assert process.job is not None
    result = failed(process.job, f"the worker process ended with {how}, perhaps for lack of memory")
    write_result(process.job.results, result)
    del processes[process.connection]
    process.connection.close()
    process.start()
    processes[process.connection] = process
    return result


@contextlib.contextmanager
def _thread_limit(workers: int) -> Iterator[None]:
    """Numerical libraries read their limit when they are loaded, so it must be there when a worker starts."""
    if os.environ.get(THREAD_SETTINGS[0]):
        yield
        return
    before = {name: os.environ.get(name) for name in THREAD_SETTINGS}
    share = str(max(1, (os.cpu_count() or 1) // workers))
    os.environ.update(dict.fromkeys(THREAD_SETTINGS, share))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _serve(connection: Connection) -> None:
    """A worker's life: jobs from the pipe until it closes."""
    # Ctrl-C reaches the whole group; the parent ends us.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    worker = Worker()
    while True:
        try:
            job = connection.recv()
        except EOFError:
            return
        answer: Any
        try:
            answer = worker.run(job)
        except UnseenError as error:
            answer = error
        except Exception as error:
            answer = RuntimeError(f"{job.key.name}, {job.method}: {type(error).__name__}: {error}")
        try:
            connection.send(answer)
        except OSError:
            return


def _end_with_parent() -> None:
    """A killed parent leaves no worker behind that would go on with work nobody waits for."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
