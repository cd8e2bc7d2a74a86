"""What a flow is, column by column: one schema for files and live interfaces.

The features are those of ``docs/packets.md``; sizes count from the link layer on, times are whole milliseconds.
"""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa

from unseen.sources.metadata import FLOW_METADATA

__all__ = ["FEATURES", "FLOW_SCHEMA", "METADATA_TYPES", "WAYS", "units"]

WAYS = ("bidirectional", "src2dst", "dst2src")
_FLAGS = ("syn", "cwr", "ece", "urg", "ack", "psh", "rst", "fin")
_STATISTICS = ("min", "mean", "stddev", "max")


def _features() -> Iterator[str]:
    yield "protocol"
    for way in WAYS:
        yield from (f"{way}_duration_ms", f"{way}_packets", f"{way}_bytes")
    for what in ("ps", "piat_ms"):
        for way in WAYS:
            yield from (f"{way}_{statistic}_{what}" for statistic in _STATISTICS)
    for way in WAYS:
        yield from (f"{way}_{flag}_packets" for flag in _FLAGS)


FEATURES: tuple[str, ...] = tuple(_features())
"""The 58 features, in the order of the embedded lab data."""

METADATA_TYPES: dict[str, pa.DataType] = {
    "capture": pa.string(),
    "src_ip": pa.string(),
    "src_port": pa.int32(),
    "dst_ip": pa.string(),
    "dst_port": pa.int32(),
    "ip_version": pa.int8(),
    "vlan_id": pa.int32(),
    "tunnel_id": pa.int32(),
    "bidirectional_first_seen_ms": pa.int64(),
    "bidirectional_last_seen_ms": pa.int64(),
}


def units(feature: str) -> str:
    """The unit of a feature.

    Example:
        >>> units("src2dst_mean_ps"), units("bidirectional_max_piat_ms"), units("protocol")
        ('bytes', 'ms', 'IP protocol number')
    """
    if feature == "protocol":
        return "IP protocol number"
    if feature.endswith("_ms"):
        return "ms"
    return "bytes" if feature.endswith(("_bytes", "_ps")) else "packets"


def _type(feature: str) -> pa.DataType:
    return pa.float64() if "_mean_" in feature or "_stddev_" in feature else pa.int64()


FLOW_SCHEMA = pa.schema(
    [(name, METADATA_TYPES[name]) for name in FLOW_METADATA] + [(name, _type(name)) for name in FEATURES]
)
"""Metadata first, then the features."""
