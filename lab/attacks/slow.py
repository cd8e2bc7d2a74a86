"""Slow headers, slow bodies, slow reads: connections that hold a server's worker."""

from __future__ import annotations

import random

from lab.places import SERVERS
from lab.schedule import Action
from lab.servers import FILES, file_name

__all__ = ["DRAW"]


def _slowhttptest(rng: random.Random, seconds: float, *options: str, path: str = "/") -> Action:
    count, rate = rng.randint(8, 18), rng.randint(1, 8)
    limit = max(3, int(seconds) - 2)
    url = f"http://{rng.choice(SERVERS)}:{rng.choice((80, 80, 8080))}{path}"
    command = ("slowhttptest", *options, "-c", str(count), "-r", str(rate), "-l", str(limit), "-p", "2", "-u", url)
    return Action("slowhttptest", (command,))


def _own(rng: random.Random, script: str, **settings: object) -> Action:
    common = {
        "target": rng.choice(SERVERS),
        "port": rng.choice((80, 80, 443, 8080)),
        "connections": rng.randint(8, 18),
        "ramp": round(rng.uniform(0.05, 0.4), 3),
        "pause": round(rng.choice((0.3, 0.8, 1.5, 3.0)) * rng.uniform(0.7, 1.3), 3),
        "agent": rng.random() < 0.6,
    }
    return Action("own", script=script, settings={**common, **settings})


def headers(rng: random.Random, seconds: float) -> Action:
    """One more header field now and then, and never the last."""
    if rng.random() < 0.45:
        return _slowhttptest(rng, seconds, "-H", "-i", str(rng.randint(1, 4)), "-x", str(rng.randint(4, 40)))
    return _own(rng, "slow_headers", rounds=rng.randint(2, 12), width=rng.randint(6, 40))


def body(rng: random.Random, seconds: float) -> Action:
    """A long body is announced and comes in drops."""
    size = rng.choice((400, 2000, 8192, 60000))
    if rng.random() < 0.45:
        options = ("-B", "-i", str(rng.randint(1, 4)), "-x", str(rng.randint(2, 60)), "-s", str(size))
        return _slowhttptest(rng, seconds, *options, path="/app/upload")
    return _own(rng, "slow_body", rounds=rng.randint(2, 12), width=rng.randint(1, 60), length=size)


def read(rng: random.Random, seconds: float) -> Action:
    """A large file is asked for and read in sips."""
    path = file_name(rng.randrange(150, FILES))
    if rng.random() < 0.45:
        first = rng.choice((128, 512, 1024))
        options = (
            "-X",
            "-w",
            str(first),
            "-y",
            str(first * 2),
            "-n",
            str(rng.randint(1, 3)),
            "-z",
            str(rng.choice((8, 32, 256))),
        )
        return _slowhttptest(rng, seconds, *options, "-k", str(rng.randint(1, 3)), path=path)
    return _own(
        rng,
        "slow_read",
        rounds=rng.randint(3, 14),
        width=rng.choice((16, 64, 512)),
        path=path,
        buffer=rng.choice((1024, 2304, 8192)),
    )


DRAW = {"slow_headers": headers, "slow_body": body, "slow_read": read}
