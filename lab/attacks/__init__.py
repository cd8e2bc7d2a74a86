"""The attack families: each draws a tool and its settings anew for every window.

A ``draw`` function is pure: it returns what to run, and the worker runs it, bounded in count and time.
"""

from __future__ import annotations

import random

from lab.attacks import covert, floods, guessing, scans, slow
from lab.schedule import Action

__all__ = ["PORTS", "draw"]

_DRAW = {**scans.DRAW, **slow.DRAW, **floods.DRAW, **guessing.DRAW, **covert.DRAW}
_WEB = (80, 443, 8080)
# The server ports a family talks to; a flow to any other port is not its own. Empty: any.
PORTS: dict[str, tuple[int, ...]] = {
    "portscan": (),
    "service_scan": (),
    "udp_scan": (),
    "slow_headers": _WEB,
    "slow_body": _WEB,
    "slow_read": _WEB,
    "http_flood": _WEB,
    "syn_flood": (80, 443, 22),
    "ssh_bruteforce": (22,),
    "ftp_bruteforce": (21,),
    "web_bruteforce": _WEB,
    "web_probe": _WEB,
    "dns_tunnel": (53,),
    "beacon": (*_WEB, 7000, 53),
    "exfil": (*_WEB, 9000),
}


def draw(family: str, rng: random.Random, seconds: float) -> tuple[Action, tuple[int, ...]]:
    """Tool and settings of one window, and the server ports it will talk to.

    Arguments:
        family: One of the families.
        rng: Draws them.
        seconds: The window's length.
    """
    return _DRAW[family](rng, seconds), PORTS[family]
