"""Packets in: captures and interfaces to flows, through nfstream in a supervised process (extra ``pcap``)."""

from __future__ import annotations

from unseen.packets.capture import CaptureReport, is_capture, walk_capture
from unseen.packets.meter import Meter, MeterSettings, MeterStatus
from unseen.packets.schema import FEATURES, FLOW_SCHEMA

__all__ = [
    "FEATURES",
    "FLOW_SCHEMA",
    "CaptureReport",
    "Meter",
    "MeterSettings",
    "MeterStatus",
    "is_capture",
    "walk_capture",
]
