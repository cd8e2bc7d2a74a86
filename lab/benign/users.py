"""Users of unequal habits and unequal activity, and the loop that lets them live."""

from __future__ import annotations

import asyncio
import math
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path

from lab.benign import probes, services, web
from lab.client import LONGEST_TASK, Client
from lab.network import device
from lab.places import Host

__all__ = ["live", "tasks_of"]

Task = Callable[[Client], Awaitable[None]]
_GROUPS = {"web": web.TASKS, "services": services.TASKS, "probes": probes.TASKS}
# How much each kind of person or machine uses each group.
_HABITS = {
    "office": {"web": 1.0, "services": 0.5, "probes": 0.1},
    "developer": {"web": 0.7, "services": 1.2, "probes": 0.4},
    "device": {"web": 0.3, "services": 1.0, "probes": 0.3},
    "monitor": {"web": 0.4, "services": 0.5, "probes": 1.6},
    "mixed": {"web": 1.0, "services": 1.0, "probes": 0.7},
}
# Tasks a second of all users of a site together, and of the background on one attack host.
_SITE_RATE = 5.4
_BACKGROUND_RATE = 0.5
_MOST_AT_A_TIME = 60


def tasks_of(habit: str, rng: random.Random, *, background: bool) -> tuple[list[Task], list[float]]:
    """Tasks and their weights for one user: nobody does everything equally often.

    Arguments:
        habit: A key of the habits.
        rng: Draws the person's own taste.
        background: Leave out tasks whose source port cannot be chosen.
    """
    chosen: list[Task] = []
    weights: list[float] = []
    for group, tasks in _GROUPS.items():
        for task, weight, bindable in tasks:
            taste = rng.lognormvariate(0.0, 0.5)
            if bindable or not background:
                chosen.append(task)
                weights.append(weight * taste * _HABITS[habit][group])
    return chosen, weights


async def live(host: Host, home: Path, seed: int, *, begin: float, seconds: float) -> dict[str, dict[str, int]]:
    """Let every user of a host act from the beginning to the end.

    Arguments:
        host: Whose addresses they speak from.
        home: The run directory.
        seed: Draws habits and times.
        begin: Monotonic time at which the recording starts.
        seconds: Its length.

    Returns:
        How often each task was begun, and how often it failed.
    """
    counts: Counter[str] = Counter()
    failures: Counter[str] = Counter()
    rng = random.Random(f"lab users {seed} {host.name}")
    activity = [rng.lognormvariate(0.0, 0.8) for _ in host.addresses]
    rate = _BACKGROUND_RATE if host.attacks else _SITE_RATE
    users = []
    for address, share in zip(host.addresses, activity, strict=True):
        own = random.Random(f"lab user {seed} {address}")
        client = Client(address, device(host), home, own, background=host.attacks)
        users.append(_user(client, rate * share / sum(activity), begin, seconds, counts, failures))
    await asyncio.gather(*users)
    return {"tasks": dict(counts), "failures": dict(failures)}


async def _user(
    client: Client, rate: float, begin: float, seconds: float, counts: Counter[str], failures: Counter[str]
) -> None:
    habit = "mixed" if client.background else client.rng.choice(list(_HABITS))
    tasks, weights = tasks_of(habit, client.rng, background=client.background)
    phase, period = client.rng.uniform(0, 2 * math.pi), client.rng.uniform(60, 240)
    running: set[asyncio.Task[None]] = set()

    async def one(task: Task) -> None:
        try:
            async with asyncio.timeout(LONGEST_TASK):
                await task(client)
        except (OSError, TimeoutError, EOFError, ValueError, IndexError):
            # Refused, reset, cut off: users meet that every day.
            failures[task.__name__] += 1

    await asyncio.sleep(max(0.0, begin - time.monotonic()))
    while (now := time.monotonic() - begin) < seconds:
        # Activity swells and ebbs.
        await asyncio.sleep(client.rng.expovariate(rate * (1 + 0.8 * math.sin(phase + 2 * math.pi * now / period))))
        if len(running) < _MOST_AT_A_TIME:
            (chosen,) = client.rng.choices(tasks, weights)
            counts[chosen.__name__] += 1
            job = asyncio.create_task(one(chosen))
            running.add(job)
            job.add_done_callback(running.discard)
    for job in running:
        job.cancel()
    await asyncio.gather(*running, return_exceptions=True)
