"""An alarm under the field names of the Elastic Common Schema, and as one flat row."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from ipaddress import ip_address
from typing import Any

import pyarrow as pa

from unseen import __version__
from unseen.streams.alarm import Alarm

__all__ = ["ALARM_SCHEMA", "ECS_VERSION", "as_ecs", "as_row"]

ECS_VERSION = "8.11.0"

_COUNTS = ("port", "bytes", "packets")
_ENDS: dict[str, pa.DataType] = {
    "source_ip": pa.string(),
    "source_port": pa.int64(),
    "source_bytes": pa.int64(),
    "source_packets": pa.int64(),
    "destination_ip": pa.string(),
    "destination_port": pa.int64(),
    "destination_bytes": pa.int64(),
    "destination_packets": pa.int64(),
    "transport": pa.string(),
}
ALARM_SCHEMA = pa.schema(
    [
        ("alarm_id", pa.string()),
        ("count", pa.int64()),
        ("anomaly_score", pa.float64()),
        ("p_value", pa.float64()),
        ("false_alarm_rate", pa.float64()),
        ("threshold", pa.float64()),
        ("start", pa.string()),
        ("end", pa.string()),
        *_ENDS.items(),
        ("position", pa.string()),
        ("model", pa.string()),
        ("spoke", pa.string()),
        ("nearest_known", pa.string()),
        ("group", pa.string()),
        ("evidence", pa.string()),
    ]
)
"""The columns of alarms in CSV and Parquet."""


def as_ecs(alarm: Alarm, model: str) -> dict[str, Any]:
    """The alarm as nested ECS fields; what the schema has no name for stands under ``unseen``.

    Arguments:
        alarm: The alarm.
        model: The model's name.
    """
    ends = alarm.ends
    start, end = _time(ends.get("start_ms")), _time(_last(alarm))
    event = {
        "kind": "alert",
        "category": ["network"],
        "type": ["info"],
        "module": "unseen",
        "dataset": "unseen.alarm",
        "id": alarm.id,
        "created": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "start": start,
        "end": end,
        "duration": None if start is None else (_last(alarm) - ends["start_ms"]) * 1_000_000,
    }
    sides = {
        side: {**_host(ends.get(f"{side}_ip")), **{what: ends.get(f"{side}_{what}") for what in _COUNTS}}
        for side in ("source", "destination")
    }
    network = {
        "transport": ends.get("transport"),
        "bytes": _sum(ends, "bytes"),
        "packets": _sum(ends, "packets"),
    }
    own = {
        "model": model,
        "anomaly_score": alarm.anomaly_score,
        "p_value": alarm.p_value,
        "false_alarm_rate": alarm.false_alarm_rate,
        "threshold": alarm.threshold,
        "alarm_count": alarm.count,
        "position": alarm.position,
        "metadata": alarm.metadata,
        "spoke": alarm.reasons.get("spoke"),
        "evidence": _nested(alarm.reasons.get("evidence", {})),
        "nearest_known": alarm.reasons.get("nearest_known"),
        "group": alarm.reasons.get("group"),
    }
    document = {
        "@timestamp": end or event["created"],
        "ecs": {"version": ECS_VERSION},
        "event": event,
        **sides,
        "network": network,
        "observer": {"product": "unseen", "type": "ids", "version": __version__},
        "unseen": own,
    }
    return {name: entry for name, entry in ((n, _filled(e)) for n, e in document.items()) if entry not in (None, {})}


def as_row(alarm: Alarm, model: str) -> dict[str, Any]:
    """The alarm as one row of ``ALARM_SCHEMA``."""
    return {
        "alarm_id": alarm.id,
        "count": alarm.count,
        "anomaly_score": alarm.anomaly_score,
        "p_value": alarm.p_value,
        "false_alarm_rate": alarm.false_alarm_rate,
        "threshold": alarm.threshold,
        "start": _time(alarm.ends.get("start_ms")),
        "end": _time(_last(alarm)),
        **{name: alarm.ends.get(name) for name in _ENDS},
        "position": alarm.position,
        "model": model,
        "spoke": ", ".join(alarm.reasons["spoke"]) if "spoke" in alarm.reasons else None,
        "nearest_known": alarm.reasons.get("nearest_known"),
        "group": alarm.reasons.get("group"),
        "evidence": json.dumps(alarm.reasons["evidence"]) if "evidence" in alarm.reasons else None,
    }


def _host(address: str | None) -> dict[str, str]:
    """An address under the field for it; what is none would make a SIEM refuse the whole document as ``ip``."""
    if address is None:
        return {}
    try:
        scoped = getattr(ip_address(address), "scope_id", None) is not None
    except ValueError:
        scoped = True
    return {"address" if scoped else "ip": address}


def _nested(p_values: dict[str, float]) -> dict[str, Any]:
    """p-values by evidence and view; an evidence that has no view stands under ``p_value``."""
    found: dict[str, dict[str, float]] = {}
    for name, value in p_values.items():
        evidence, _, view = name.partition(".")
        found.setdefault(evidence, {})[view or "p_value"] = value
    return found


def _last(alarm: Alarm) -> Any:
    return alarm.ends.get("end_ms") if alarm.last_ms is None else alarm.last_ms


def _time(milliseconds: int | None) -> str | None:
    if milliseconds is None:
        return None
    try:
        return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="milliseconds")
    except (ValueError, OverflowError, OSError):
        # A clock that was never set gives years that no calendar has.
        return None


def _sum(ends: dict[str, Any], what: str) -> int | None:
    found = [ends[f"{side}_{what}"] for side in ("source", "destination") if f"{side}_{what}" in ends]
    return sum(found) if found else None


def _filled(value: Any) -> Any:
    """Without absent fields."""
    if not isinstance(value, dict):
        return value
    kept = {name: _filled(entry) for name, entry in value.items()}
    return {name: entry for name, entry in kept.items() if entry is not None and entry != {}}
