"""Suricata's EVE log: its flow records; events of other kinds are passed over."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pyarrow as pa

from unseen.sources.lines import BadLine, to_number
from unseen.sources.metadata import EVE_METADATA
from unseen.sources.zeek import load_object

__all__ = ["EVE_SCHEMA", "EveParser"]

_CATEGORIES = ("proto", "app_proto", "flow.state", "flow.reason", "tcp.state")
_COUNTS = ("flow.pkts_toserver", "flow.pkts_toclient", "flow.bytes_toserver", "flow.bytes_toclient")
_FLAGS = ("tcp.syn", "tcp.fin", "tcp.rst", "tcp.psh", "tcp.ack", "tcp.urg", "tcp.ecn", "tcp.cwr")
_METADATA_TYPES = {"flow_id": pa.int64(), "src_port": pa.float64(), "dest_port": pa.float64()}
_NEEDED = ("timestamp", "src_ip", "dest_ip", "proto", "flow.pkts_toserver", "flow.bytes_toserver")

EVE_SCHEMA = pa.schema(
    [(name, _METADATA_TYPES.get(name, pa.string())) for name in EVE_METADATA]
    + [(name, pa.string()) for name in _CATEGORIES]
    + [(name, pa.float64()) for name in ("duration", *_COUNTS, *_FLAGS)]
)
"""Metadata first, then categories, then numbers: seconds, packets, bytes, and TCP flags seen (1) or not (0)."""


class EveParser:
    """Parses EVE lines."""

    schema = EVE_SCHEMA

    def parse(self, line: bytes) -> tuple[Any, ...] | None:
        """A row in the order of ``EVE_SCHEMA``; ``None`` for events that are no flow records.

        Raises:
            BadLine: If the line is no event, or no whole flow record.
        """
        if not line.strip():
            return None
        event = load_object(line)
        kind = event.get("event_type")
        if not isinstance(kind, str):
            raise BadLine("no event_type")
        if kind != "flow":
            return None
        flat = {name: value for name, value in event.items() if not isinstance(value, dict | list)}
        for part in ("flow", "tcp"):
            inner = event.get(part)
            if isinstance(inner, dict):
                flat |= {f"{part}.{name}": value for name, value in inner.items()}
        for name in _NEEDED:
            if flat.get(name) is None:
                raise BadLine(f"no field {name}")
        flat["duration"] = _duration(flat.get("flow.start"), flat.get("flow.end"))
        return tuple(_value(flat.get(field.name), field) for field in EVE_SCHEMA)


def _value(value: Any, field: pa.Field) -> Any:
    if value is None:
        # A flag that was not seen is left out by Suricata.
        return 0.0 if field.name in _FLAGS else None
    if isinstance(value, bool):
        return float(value) if pa.types.is_floating(field.type) else str(value).lower()
    if pa.types.is_integer(field.type):
        if not isinstance(value, int) or not -(2**63) <= value < 2**63:
            raise BadLine(f"{field.name} is {repr(value)[:40]}, no whole number")
        return value
    if pa.types.is_floating(field.type):
        return to_number(value, field.name)
    if not isinstance(value, str):
        raise BadLine(f"{field.name} is {repr(value)[:40]}, no text")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise BadLine(f"{field.name} holds half a character") from None
    return value


def _duration(start: Any, end: Any) -> float | None:
    """Seconds between two times of the log; the log's own age counts whole seconds only."""
    if not isinstance(start, str) or not isinstance(end, str):
        return None
    try:
        return (datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds()
    except (ValueError, TypeError, OverflowError):
        raise BadLine("flow.start or flow.end is no time") from None
