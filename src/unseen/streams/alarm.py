"""One alarm: which row raised it, how strongly, and between whom.

Example:
    >>> row = {"src_ip": "10.0.0.1", "dst_ip": "10.0.0.2", "dst_port": 22, "protocol": 6,
    ...        "bidirectional_first_seen_ms": 0, "bidirectional_last_seen_ms": 1500}
    >>> ends = endpoints(row)
    >>> ends["source_ip"], ends["transport"], ends["end_ms"]
    ('10.0.0.1', 'tcp', 1500)
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any, Self

__all__ = ["Alarm", "alarm_id", "endpoints", "shortened"]

_PROTOCOLS = {1: "icmp", 2: "igmp", 6: "tcp", 17: "udp", 47: "gre", 50: "esp", 58: "ipv6-icmp", 132: "sctp"}
# Where each kind of table keeps what an alarm tells: our flows, Zeek, Suricata, and the forms of CICFlowMeter.
_PLACES = {
    "source_ip": ("src_ip", "id.orig_h", "Src IP", "Source IP"),
    "source_port": ("src_port", "id.orig_p", "Src Port", "Source Port"),
    "source_bytes": (
        *("src2dst_bytes", "orig_ip_bytes", "flow.bytes_toserver"),
        *("Total Length of Fwd Packets", "Total Length of Fwd Packet", "TotLen Fwd Pkts", "totlen_fwd_pkts"),
    ),
    "source_packets": (
        *("src2dst_packets", "orig_pkts", "flow.pkts_toserver"),
        *("Total Fwd Packets", "Total Fwd Packet", "Tot Fwd Pkts", "tot_fwd_pkts"),
    ),
    "destination_ip": ("dst_ip", "id.resp_h", "dest_ip", "Dst IP", "Destination IP"),
    "destination_port": ("dst_port", "id.resp_p", "dest_port", "Dst Port", "Destination Port"),
    "destination_bytes": (
        *("dst2src_bytes", "resp_ip_bytes", "flow.bytes_toclient"),
        *("Total Length of Bwd Packets", "Total Length of Bwd Packet", "TotLen Bwd Pkts", "totlen_bwd_pkts"),
    ),
    "destination_packets": (
        *("dst2src_packets", "resp_pkts", "flow.pkts_toclient"),
        *("Total Backward Packets", "Total Bwd packets", "Tot Bwd Pkts", "tot_bwd_pkts"),
    ),
}
# How CICFlowMeter writes times, release by release; a day goes before its month.
_CICFLOWMETER_TIMES = ("%d/%m/%Y %I:%M:%S %p", "%d/%m/%Y %H:%M:%S", "%d/%m/%Y %H:%M")
_LONGEST_TEXT = 1024


@dataclass
class Alarm:
    """One alarm, or a burst of them between the same two hosts.

    Attributes:
        id: The same for the same row at the same place, however often it is read.
        position: Where the row stands in its source: a byte of a log, or the number of a flow.
        anomaly_score: The highest of the burst.
        p_value: The smallest of the burst.
        false_alarm_rate: The rate asked for.
        threshold: The anomaly score an alarm exceeds.
        ends: Addresses, ports, sizes and times of the first row, by the names of `endpoints`; absent ones are left out.
        metadata: The first row's metadata, by the names of its own log.
        count: Alarms in the burst.
        last_ms: The latest time of the burst, milliseconds since 1970.
        reasons: Why the row with the highest score alarmed, from detectors that tell: ``spoke``, ``evidence``,
            ``nearest_known`` and ``group``.
    """

    id: str
    position: str
    anomaly_score: float
    p_value: float
    false_alarm_rate: float
    threshold: float
    ends: dict[str, Any]
    metadata: dict[str, Any]
    count: int = 1
    last_ms: int | None = None
    reasons: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """A form that JSON keeps."""
        return asdict(self)

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        """The alarm that ``to_json`` stored."""
        return cls(**stored)


def alarm_id(origin: str, position: str, row: Mapping[str, Any]) -> str:
    """A digest of a row's place and content: 32 hexadecimal digits.

    Arguments:
        origin: Which source the place is in.
        position: The place.
        row: The row's columns.
    """
    content = json.dumps([origin, position, row], sort_keys=True, default=str, ensure_ascii=True)
    return hashlib.sha256(content.encode()).hexdigest()[:32]


def shortened(value: Any) -> Any:
    """A value as an alarm carries it: a log can hold texts of any length, and an alarm is kept and sent on."""
    if not isinstance(value, str) or len(value) <= _LONGEST_TEXT:
        return value
    return f"{value[:_LONGEST_TEXT]}…"


def endpoints(row: Mapping[str, Any]) -> dict[str, Any]:
    """Who talked to whom, how much and when, under one set of names for all kinds of tables.

    What a row holds in a form that cannot be is left out: an alarm is raised whatever is written in the log.
    """
    found: dict[str, Any] = {}
    for name, places in _present(tuple(row)).items():
        value = next((row[place] for place in places if row[place] is not None), None)
        value = shortened(str(value)) if name.endswith("_ip") and value is not None else _whole(value)
        if value is not None:
            found[name] = value
    transport = _transport(row)
    if transport is not None:
        found["transport"] = transport
    start, end = _times(row)
    if start is not None and end is not None:
        found |= {"start_ms": start, "end_ms": end}
    return found


@lru_cache(maxsize=8)
def _present(names: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    """Where rows of these columns keep what an alarm tells."""
    there = {name: tuple(place for place in places if place in names) for name, places in _PLACES.items()}
    return {name: places for name, places in there.items() if places}


def _whole(value: Any) -> int | None:
    """A whole number of 64 bits."""
    try:
        number = int(float(value)) if isinstance(value, str | float) else int(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if -(2**63) <= number < 2**63 else None


def _transport(row: Mapping[str, Any]) -> str | None:
    if isinstance(row.get("proto"), str):
        return str(shortened(row["proto"])).lower()
    number = _whole(next((row[name] for name in ("protocol", "Protocol") if row.get(name) is not None), None))
    return None if number is None else _PROTOCOLS.get(number, str(number))


def _times(row: Mapping[str, Any]) -> tuple[int | None, int | None]:
    """When the flow began and ended, milliseconds since 1970."""
    if row.get("bidirectional_last_seen_ms") is not None:
        return _whole(row.get("bidirectional_first_seen_ms")), _whole(row["bidirectional_last_seen_ms"])
    if isinstance(row.get("ts"), float):
        start, lasted = row["ts"], row.get("duration")
        end = start + (lasted if isinstance(lasted, float) else 0.0)
        return _whole(start * 1000 + 0.5), _whole(end * 1000 + 0.5)
    if isinstance(row.get("Timestamp"), str):
        begun, microseconds = _milliseconds(row["Timestamp"]), _whole(row.get("Flow Duration")) or 0
        return begun, None if begun is None else begun + max(microseconds, 0) // 1000
    start, end = (_milliseconds(row.get(name)) for name in ("flow.start", "flow.end"))
    return start, end


def _milliseconds(text: Any) -> int | None:
    if not isinstance(text, str):
        return None
    for form in (None, *_CICFLOWMETER_TIMES):
        try:
            time = datetime.fromisoformat(text) if form is None else datetime.strptime(text, form)
            return round(time.timestamp() * 1000)
        except (ValueError, OverflowError, OSError):
            continue
    return None
