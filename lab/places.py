"""Who lives where: the lab's private addresses, ports and namespace names."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, ip_address, ip_network

__all__ = [
    "BACKGROUND_PORTS",
    "CORE",
    "DEAD",
    "HOSTS",
    "LINKS",
    "NAME",
    "OPEN_TCP",
    "PASSWORDS",
    "PREFIX",
    "SERVER",
    "SERVERS",
    "SITES",
    "Host",
    "Link",
    "site_of",
]

NAME = "unl-"
# Everything the lab ever sends stays in this prefix; the check refuses a recording with any other address in it.
PREFIX = ip_network("10.77.0.0/16")
SITES = (1, 2, 3, 4)
CORE = f"{NAME}core"
SERVER = f"{NAME}srv"
SERVERS = tuple(f"10.77.0.{n}" for n in (10, 11, 12, 13))
# Addresses of the servers' network where nobody lives: packets to them are dropped without an answer.
DEAD = tuple(f"10.77.0.{n}" for n in range(90, 96))
OPEN_TCP = (21, 22, 53, 80, 443, 1883, 6379, 7000, 8080, 9000)
# The accounts that exist inside the server namespace.
PASSWORDS = {"alice": "spring-7", "bob": "harbour-3", "carol": "lantern-9", "dave": "meadow-5"}
# An attack host's benign background binds to these source ports and attack tools never do: the label key.
BACKGROUND_PORTS = range(20000, 24000)


@dataclass(frozen=True)
class Host:
    """One network namespace with clients in it.

    Attributes:
        name: Such as ``s1u`` (the users of site 1) or ``s1a`` (an attack host there).
        site: The site's number.
        addresses: The host's addresses; users have one each.
        attacks: Whether attack tools run here.
    """

    name: str
    site: int
    addresses: tuple[str, ...]
    attacks: bool

    @property
    def namespace(self) -> str:
        """The namespace's name."""
        return NAME + self.name


@dataclass(frozen=True)
class Link:
    """What lies between a site and the servers.

    Attributes:
        delay_s: One way.
        jitter_s: Mean of the exponential part on top.
        loss: Share of packets lost.
        rate_bps: Bits per second in each direction.
    """

    delay_s: float
    jitter_s: float
    loss: float
    rate_bps: float


LINKS = {
    1: Link(0.002, 0.0003, 0.0, 60e6),
    2: Link(0.010, 0.001, 0.001, 30e6),
    3: Link(0.025, 0.003, 0.003, 20e6),
    4: Link(0.065, 0.006, 0.006, 10e6),
}


def _hosts() -> tuple[Host, ...]:
    hosts = []
    for site in SITES:
        hosts.append(Host(f"s{site}u", site, tuple(f"10.77.{site}.{n}" for n in range(11, 17)), attacks=False))
        hosts += [Host(f"s{site}{letter}", site, (f"10.77.{site}.{n}",), True) for letter, n in (("a", 61), ("b", 62))]
    return tuple(hosts)


HOSTS = _hosts()


def site_of(*addresses: str) -> int:
    """The site that one of the addresses lies in; 0 if none does."""
    for address in addresses:
        parsed = ip_address(address)
        if isinstance(parsed, IPv4Address) and parsed in PREFIX and parsed.packed[2] in SITES:
            return parsed.packed[2]
    return 0
