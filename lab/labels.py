"""Which flow is whose: by the attack host's address, its source port, and the windows.

* A flow that touches no attack host is benign.
* A flow of an attack host from the background port range is benign.
* Any other flow of an attack host belongs to the window that ran there when it began, if it goes to one of the window's
  ports; a later piece of a flow (after a timeout of the meter) belongs where its first piece did.
* An ICMP answer to an attack host outside every window answers its benign background.
* Whatever is left is unassigned, and a recording with such a flow fails its check.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_address

from lab.places import BACKGROUND_PORTS, HOSTS, PREFIX, site_of
from lab.schedule import GAP, Window

__all__ = ["BENIGN", "ICMP", "UNASSIGNED", "Flow", "Label", "assign", "strangers"]

BENIGN = "benign"
UNASSIGNED = "unassigned"
ICMP = 1
_ATTACKERS = {host.addresses[0]: host.name for host in HOSTS if host.attacks}
# A flow may begin so much before its window: clocks of capture and worker are the same, rounding is not.
_EARLY = 0.05


@dataclass(frozen=True)
class Flow:
    """What the label of a flow is made of.

    Attributes:
        source: Address of who spoke first.
        target: The other address.
        source_port: Its port.
        target_port: The other port.
        protocol: IP protocol number.
        start: Seconds from the start of the recording.
    """

    source: str
    target: str
    source_port: int
    target_port: int
    protocol: int
    start: float


@dataclass(frozen=True)
class Label:
    """Whose a flow is.

    Attributes:
        family: ``benign``, a family, or ``unassigned``.
        window: The window's number; -1 for benign.
        tool: The window's tool; empty for benign.
        site: Where the client lives.
    """

    family: str
    window: int
    tool: str
    site: int


def assign(flows: Sequence[Flow], windows: Sequence[Window]) -> list[Label]:
    """The label of every flow.

    Arguments:
        flows: In any order.
        windows: Of the same recording.

    Returns:
        Labels in the order of the flows.
    """
    labels: list[Label | None] = [None] * len(flows)
    first: dict[tuple[int, frozenset[tuple[str, int]]], Label] = {}
    for index in sorted(range(len(flows)), key=lambda i: flows[i].start):
        flow = flows[index]
        ends = frozenset([(flow.source, flow.source_port), (flow.target, flow.target_port)])
        key = (flow.protocol, ends)
        known = first.get(key) if flow.protocol != ICMP else None
        own = _own(flow, windows)
        if own.family == UNASSIGNED and known is not None:
            own = known
        first[key] = own
        labels[index] = own
    return [label for label in labels if label is not None]


def _own(flow: Flow, windows: Sequence[Window]) -> Label:
    site = site_of(flow.source, flow.target)
    attacker = _ATTACKERS.get(flow.source) or _ATTACKERS.get(flow.target)
    if attacker is None:
        return Label(BENIGN if site else UNASSIGNED, -1, "", site)
    from_attacker = flow.source in _ATTACKERS
    near = flow.source_port if from_attacker else flow.target_port
    far = flow.target_port if from_attacker else flow.source_port
    if near in BACKGROUND_PORTS:
        return Label(BENIGN, -1, "", site)
    for window in windows:
        if window.host != attacker or not window.start - _EARLY <= flow.start < window.end + GAP - _EARLY:
            continue
        if flow.protocol == ICMP or not window.ports or far in window.ports:
            return Label(window.family, window.number, window.action.tool, site)
    return Label(BENIGN if flow.protocol == ICMP else UNASSIGNED, -1, "", site)


def strangers(addresses: Sequence[str]) -> list[str]:
    """The addresses outside the lab's prefix."""
    return sorted({a for a in addresses if ip_address(a) not in PREFIX})
