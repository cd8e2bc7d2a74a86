"""Which columns of traffic tables are metadata: addresses, ports, times and identifiers, never features."""

from __future__ import annotations

from collections.abc import Collection, Sequence

__all__ = ["EVE_METADATA", "FLOW_METADATA", "ZEEK_METADATA", "metadata_columns"]

FLOW_METADATA = (
    "capture",
    "src_ip",
    "src_port",
    "dst_ip",
    "dst_port",
    "ip_version",
    "vlan_id",
    "tunnel_id",
    "bidirectional_first_seen_ms",
    "bidirectional_last_seen_ms",
)
"""Of the tables that ``unseen flows`` writes."""

ZEEK_METADATA = ("ts", "uid", "id.orig_h", "id.orig_p", "id.resp_h", "id.resp_p", "local_orig", "local_resp", "history")
"""Of Zeek's ``conn.log``."""

EVE_METADATA = (
    *("timestamp", "flow_id", "in_iface", "src_ip", "src_port", "dest_ip", "dest_port"),
    *("flow.start", "flow.end", "flow.alerted"),
)
"""Of Suricata's flow records; ``flow.alerted`` is another system's verdict and would give the answer away."""

# A table is known by columns that no other kind has.
_KINDS = (
    (("bidirectional_first_seen_ms", "src2dst_packets"), FLOW_METADATA),
    (("id.orig_h", "orig_ip_bytes"), ZEEK_METADATA),
    (("flow.start", "flow.pkts_toserver"), EVE_METADATA),
)


def metadata_columns(names: Collection[str]) -> Sequence[str]:
    """The metadata among a table's columns, where the table is of a kind this package writes or reads.

    Arguments:
        names: The table's columns.

    Example:
        >>> metadata_columns(["src_ip", "bidirectional_first_seen_ms", "src2dst_packets"])
        ('src_ip', 'bidirectional_first_seen_ms')
        >>> metadata_columns(["src_ip", "bytes"])
        ()
    """
    for marks, metadata in _KINDS:
        if all(mark in names for mark in marks):
            return tuple(name for name in metadata if name in names)
    return ()
