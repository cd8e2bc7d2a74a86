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
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Self

__all__ = ["Alarm", "alarm_id", "endpoints"]

_PROTOCOLS = {1: "icmp", 2: "igmp", 6: "tcp", 17: "udp", 47: "gre", 50: "esp", 58: "ipv6-icmp", 132: "sctp"}
# Where each kind of table keeps what an alarm tells: our flows, Zeek, Suricata.
_PLACES = {
    "source_ip": ("src_ip", "id.orig_h"),
    "source_port": ("src_port", "id.orig_p"),
    "source_bytes": ("src2dst_bytes", "orig_ip_bytes", "flow.bytes_toserver"),
    "source_packets": ("src2dst_packets", "orig_pkts", "flow.pkts_toserver"),
    "destination_ip": ("dst_ip", "id.resp_h", "dest_ip"),
    "destination_port": ("dst_port", "id.resp_p", "dest_port"),
    "destination_bytes": ("dst2src_bytes", "resp_ip_bytes", "flow.bytes_toclient"),
    "destination_packets": ("dst2src_packets", "resp_pkts", "flow.pkts_toclient"),
}


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


def endpoints(row: Mapping[str, Any]) -> dict[str, Any]:
    """Who talked to whom, how much and when, under one set of names for all kinds of tables."""
    found: dict[str, Any] = {}
    for name, places in _PLACES.items():
        value = next((row[place] for place in places if row.get(place) is not None), None)
        if value is not None:
            found[name] = int(value) if isinstance(value, float) else value
    transport = _transport(row)
    if transport is not None:
        found["transport"] = transport
    start, end = _times(row)
    if start is not None and end is not None:
        found |= {"start_ms": start, "end_ms": end}
    return found


def _transport(row: Mapping[str, Any]) -> str | None:
    if isinstance(row.get("proto"), str):
        return str(row["proto"]).lower()
    number = row.get("protocol")
    return None if number is None else _PROTOCOLS.get(int(number), str(int(number)))


def _times(row: Mapping[str, Any]) -> tuple[int | None, int | None]:
    if row.get("bidirectional_last_seen_ms") is not None:
        return row.get("bidirectional_first_seen_ms"), row["bidirectional_last_seen_ms"]
    if isinstance(row.get("ts"), float):
        start = row["ts"]
        return round(start * 1000), round((start + (row.get("duration") or 0.0)) * 1000)
    start, end = (_milliseconds(row.get(name)) for name in ("flow.start", "flow.end"))
    return start, end


def _milliseconds(text: Any) -> int | None:
    if not isinstance(text, str):
        return None
    try:
        return round(datetime.fromisoformat(text).timestamp() * 1000)
    except (ValueError, OverflowError):
        return None
