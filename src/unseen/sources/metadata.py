"""Which columns of traffic tables are metadata: addresses, ports, times and identifiers, never features."""

from __future__ import annotations

from collections.abc import Collection, Sequence

__all__ = [
    "CICFLOWMETER_METADATA",
    "EVE_METADATA",
    "FLOW_METADATA",
    "ZEEK_METADATA",
    "fold",
    "is_cicflowmeter_table",
    "metadata_columns",
]

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

CICFLOWMETER_METADATA = frozenset(
    {
        *("flowid", "srcip", "sourceip", "srcport", "sourceport", "srcmac"),
        *("dstip", "destinationip", "dstport", "destinationport", "dstmac", "timestamp"),
    }
)
"""Of CICFlowMeter's CSV in all its forms, as `fold` writes them."""
_CICFLOWMETER_PACKETS = frozenset({"totalfwdpackets", "totalfwdpacket", "totfwdpkts"})

# A table is known by columns that no other kind has.
_KINDS = (
    (("bidirectional_first_seen_ms", "src2dst_packets"), FLOW_METADATA),
    (("id.orig_h", "orig_ip_bytes"), ZEEK_METADATA),
    (("flow.start", "flow.pkts_toserver"), EVE_METADATA),
)


def fold(name: str) -> str:
    """A column's name without case, spaces and signs.

    Example:
        >>> fold(" Flow_Byts/s")
        'flowbytss'
    """
    return "".join(character for character in name.casefold() if character.isalnum())


def is_cicflowmeter_table(names: Collection[str]) -> bool:
    """Whether columns are those of a table of CICFlowMeter, in any of their forms."""
    folded = {fold(name) for name in names}
    return {"flowduration", "flowiatmean"} <= folded and bool(folded & _CICFLOWMETER_PACKETS)


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
    if is_cicflowmeter_table(names):
        return tuple(name for name in names if fold(name) in CICFLOWMETER_METADATA)
    return ()
