"""The schedule of attack windows: a pure function of the seconds and the seed."""

from __future__ import annotations

import random
from dataclasses import asdict, dataclass, field
from typing import Any

from lab.errors import LabError
from lab.places import HOSTS, Host

__all__ = ["FAMILIES", "GAP", "LEAST_SECONDS", "MARGIN", "Action", "Window", "plan"]

FAMILIES = (
    "portscan",
    "service_scan",
    "udp_scan",
    "slow_headers",
    "slow_body",
    "slow_read",
    "http_flood",
    "syn_flood",
    "ssh_bruteforce",
    "ftp_bruteforce",
    "web_bruteforce",
    "web_probe",
    "dns_tunnel",
    "beacon",
    "exfil",
)
# Quiet seconds between two windows of one host: a late packet belongs to the window before.
GAP = 3.0
# Before the first and after the last window there is benign traffic alone.
MARGIN = 3.0
LEAST_SECONDS = 30.0
_SECONDS_A_WINDOW = 36.0
_SHORTEST, _LONGEST = 6.0, 22.0


@dataclass(frozen=True)
class Action:
    """What runs in a window: outside tools, or one of the lab's own scripts.

    Attributes:
        tool: The tool's name, ``own`` for a script of the lab.
        commands: Command lines, run in order; ``{run}`` stands for the run directory.
        pause: Seconds between two commands.
        parallel: How many commands run at a time.
        script: The own script's name.
        settings: Its arguments.
    """

    tool: str
    commands: tuple[tuple[str, ...], ...] = ()
    pause: float = 0.0
    parallel: int = 1
    script: str = ""
    settings: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Window:
    """One run of one attack tool.

    Attributes:
        number: Counts the windows in order of time, from 0.
        family: The label of its flows.
        host: The attack host it runs on.
        site: That host's site.
        start: Seconds from the start of the recording.
        seconds: Everything is over after so many.
        ports: Server ports it talks to; empty: any.
        action: What runs.
    """

    number: int
    family: str
    host: str
    site: int
    start: float
    seconds: float
    ports: tuple[int, ...]
    action: Action

    @property
    def end(self) -> float:
        """Seconds from the start of the recording."""
        return self.start + self.seconds

    def as_json(self) -> dict[str, Any]:
        """Plain values for the manifest."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Window:
        """What :meth:`as_json` gave."""
        action = dict(value["action"])
        action["commands"] = tuple(tuple(c) for c in action["commands"])
        return cls(**{**value, "ports": tuple(value["ports"]), "action": Action(**action)})


def plan(seconds: float, seed: int) -> tuple[Window, ...]:
    """Every window of a recording: the same for the same arguments.

    Every family has equally many windows, one a host in turn and in a random order in time; windows of one host do not
    overlap, windows of different hosts do.

    Arguments:
        seconds: Length of the recording; at least 30.
        seed: Draws everything.

    Raises:
        LabError: If the recording is too short.
    """
    from lab.attacks import draw

    if seconds < LEAST_SECONDS:
        raise LabError(f"{seconds:g} s are too short for fifteen families: record at least {LEAST_SECONDS:g} s.")
    rng = random.Random(f"lab schedule {seed}")
    hosts = [host for host in HOSTS if host.attacks]
    each = max(1, round(seconds / _SECONDS_A_WINDOW))
    assigned: dict[Host, list[str]] = {host: [] for host in hosts}
    turn = 0
    for _ in range(each):
        # A random order in every round spreads each family over hosts, sites and time.
        for family in rng.sample(FAMILIES, len(FAMILIES)):
            assigned[hosts[turn % len(hosts)]].append(family)
            turn += 1
    drafts: list[tuple[float, float, Host, str]] = []
    for host, families in assigned.items():
        drafts += [(start, length, host, family) for start, length, family in _lay_out(families, seconds, rng)]
    drafts.sort(key=lambda d: (d[0], d[2].name))
    windows = []
    for number, (start, length, host, family) in enumerate(drafts):
        action, ports = draw(family, random.Random(f"lab window {seed} {number}"), length)
        windows.append(Window(number, family, host.name, host.site, start, length, ports, action))
    return tuple(windows)


def _lay_out(families: list[str], seconds: float, rng: random.Random) -> list[tuple[float, float, str]]:
    """Start, length and family of one host's windows."""
    room = seconds - 2 * MARGIN - GAP * len(families)
    lengths = [rng.uniform(_SHORTEST, _LONGEST) for _ in families]
    # At most four fifths of the time, so that starts are random too.
    lengths = [length * min(1.0, 0.8 * room / sum(lengths)) for length in lengths]
    cuts = sorted(rng.uniform(0.0, room - sum(lengths)) for _ in families)
    placed, used = [], MARGIN
    for cut, length, family in zip(cuts, lengths, families, strict=True):
        placed.append((round(used + cut, 3), round(length, 3), family))
        used += length + GAP
    return placed
