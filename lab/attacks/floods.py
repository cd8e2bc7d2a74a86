"""Floods: many requests, or many half-open connections. Small counts: this is a laboratory."""

from __future__ import annotations

import random

from lab.places import SERVERS
from lab.schedule import Action
from lab.servers import file_name

__all__ = ["DRAW"]


def http_flood(rng: random.Random, seconds: float) -> Action:
    """Requests as fast as the link lets them through, for a moment."""
    path = rng.choice((file_name(rng.randrange(0, 120)), "/app/search?q=a", "/"))
    scheme = rng.choice(("http", "http", "https"))
    url = f"{scheme}://{rng.choice(SERVERS)}{path}"
    tool = rng.choice(("ab", "siege", "wrk", "own"))
    if tool == "ab":
        keep = ("-k",) if rng.random() < 0.25 else ()
        count = rng.randint(30, 90) * (3 if keep else 1)
        return Action(tool, (("ab", "-q", *keep, "-s", "5", "-n", str(count), "-c", str(rng.randint(2, 10)), url),))
    if tool == "siege":
        command = ("siege", "-q", "-b", "-c", str(rng.randint(2, 8)), "-r", str(rng.randint(4, 9)), url)
        return Action(tool, (command,))
    if tool == "wrk":
        close = ("-H", "Connection: close") if rng.random() < 0.6 else ()
        command = (
            "timeout",
            f"{rng.uniform(0.4, 1.0):.2f}",
            "wrk",
            "-t",
            "1",
            "-c",
            str(rng.randint(2, 8)),
            "-d",
            "2s",
            *close,
            url,
        )
        return Action(tool, (command,))
    settings = {
        "target": rng.choice(SERVERS),
        "port": 443 if scheme == "https" else 80,
        "path": path,
        "count": rng.randint(30, 90),
        "at_a_time": rng.randint(2, 10),
        "requests": rng.choice((1, 1, 1, 3, 8)),
        "version": rng.choice(("1.0", "1.1")),
    }
    return Action("own", script="http_flood", settings=settings)


def syn_flood(rng: random.Random, seconds: float) -> Action:
    """Connection openings nobody will complete."""
    target, port, count = rng.choice(SERVERS), rng.choice((80, 80, 443, 22)), rng.randint(25, 70)
    pause = max(0.008, min(0.15, rng.lognormvariate(-3.5, 0.7)))
    base = rng.randrange(40000, 60000)
    if rng.random() < 0.5:
        wait = ("-i", f"u{int(pause * 1e6)}")
        command = ("hping3", "-q", "-n", "-S", "-p", str(port), "-s", str(base), "-c", str(count), *wait, target)
        return Action("hping3", (command,))
    settings = {
        "target": target,
        "port": port,
        "count": count,
        "pause": round(pause, 4),
        "base": base,
        "form": rng.choice(("bare", "mss", "full")),
    }
    return Action("own", script="syn_flood", settings=settings)


DRAW = {"http_flood": http_flood, "syn_flood": syn_flood}
