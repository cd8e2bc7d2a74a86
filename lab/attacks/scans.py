"""Scans of ports, services and UDP ports, few packets each and in many manners."""

from __future__ import annotations

import random

from lab.places import DEAD, OPEN_TCP, SERVERS
from lab.schedule import Action

__all__ = ["DRAW"]

_UDP = (
    *(53, 67, 69, 111, 123, 135, 137, 138, 161, 162, 177, 427, 443, 500, 514, 520, 623, 631, 1194, 1434, 1645, 1701),
    *(
        1812,
        1900,
        2049,
        3478,
        3702,
        4500,
        5004,
        5060,
        5353,
        5683,
        10000,
        11211,
        17185,
        20031,
        30718,
        33434,
        49152,
        65024,
    ),
)
_SCRIPTS = (
    "banner",
    "http-title,http-headers",
    "ssh-hostkey",
    "ftp-anon",
    "http-methods",
    "ssh2-enum-algos",
    "redis-info",
)


def _base(rng: random.Random, seconds: float) -> tuple[str, ...]:
    return ("nmap", "-n", "-Pn", "--host-timeout", f"{seconds:.0f}s", "--max-retries", str(rng.randint(0, 1)))


def portscan(rng: random.Random, seconds: float) -> Action:
    """Twenty to fifty ports of one server or of a dead address."""
    kind = rng.choices(("-sS", "-sT", "-sF", "-sN", "-sX", "-sA"), (10, 6, 1, 1, 1, 1))[0]
    ports = set(rng.sample(range(1, 10000), k=rng.randint(18, 45))) | set(rng.sample(OPEN_TCP, k=rng.randint(1, 8)))
    target = rng.choice(DEAD) if rng.random() < 0.1 else rng.choice(SERVERS)
    rate = rng.randint(4, 40)
    command = (*_base(rng, seconds), kind, "--max-rate", str(rate), "-p", ",".join(map(str, sorted(ports))), target)
    return Action("nmap", (command,))


def service_scan(rng: random.Random, seconds: float) -> Action:
    """Which program answers: version probes or small scripts against open ports."""
    commands = []
    for _ in range(rng.randint(1, 3)):
        ports = ",".join(map(str, sorted(rng.sample(OPEN_TCP, k=rng.randint(3, 7)))))
        if rng.random() < 0.6:
            what = ("-sV", "--version-intensity", str(rng.randint(1, 7)))
        else:
            what = ("--script", rng.choice(_SCRIPTS), rng.choice(("-sS", "-sT")))
        commands.append((*_base(rng, seconds), *what, "-p", ports, rng.choice(SERVERS)))
    return Action("nmap", tuple(commands), pause=round(rng.uniform(0, 1), 2))


def udp_scan(rng: random.Random, seconds: float) -> Action:
    """Known UDP ports, mostly closed."""
    ports = ",".join(map(str, sorted(rng.sample(_UDP, k=rng.randint(12, 36)))))
    length = ("--data-length", str(rng.randint(1, 60))) if rng.random() < 0.25 else ()
    speed = ("--min-rate", str(rng.randint(3, 12)), "--max-rate", str(rng.randint(12, 30)))
    return Action("nmap", ((*_base(rng, seconds), "-sU", *length, *speed, "-p", ports, rng.choice(SERVERS)),))


DRAW = {"portscan": portscan, "service_scan": service_scan, "udp_scan": udp_scan}
