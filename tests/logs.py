"""Zeek and Suricata logs written by hand, in the forms the two programs give."""

from __future__ import annotations

import json
from collections.abc import Iterable

ZEEK_FIELDS = [
    "ts",
    "uid",
    "id.orig_h",
    "id.orig_p",
    "id.resp_h",
    "id.resp_p",
    "proto",
    "service",
    "duration",
    "orig_bytes",
    "resp_bytes",
    "conn_state",
    "local_orig",
    "local_resp",
    "missed_bytes",
    "history",
    "orig_pkts",
    "orig_ip_bytes",
    "resp_pkts",
    "resp_ip_bytes",
    "tunnel_parents",
]
ZEEK_TYPES = [
    "time",
    "string",
    "addr",
    "port",
    "addr",
    "port",
    "enum",
    "string",
    "interval",
    "count",
    "count",
    "string",
    "bool",
    "bool",
    "count",
    "string",
    "count",
    "count",
    "count",
    "count",
    "set[string]",
]


def zeek_header(path: str = "conn") -> bytes:
    """The eight header lines."""
    lines = [
        "#separator \\x09",
        "#set_separator\t,",
        "#empty_field\t(empty)",
        "#unset_field\t-",
        f"#path\t{path}",
        "#open\t2026-11-22-03-00-00",
        "\t".join(["#fields", *ZEEK_FIELDS]),
        "\t".join(["#types", *ZEEK_TYPES]),
    ]
    return "".join(f"{line}\n" for line in lines).encode()


def zeek_values(number: int) -> list[str]:
    """One connection: every third has no answer and no duration, sizes vary."""
    whole = number % 3 != 2
    return [
        f"{1_700_000_000 + number * 0.25:.6f}",
        f"CHhAv{number:05d}",
        f"10.0.0.{1 + number % 40}",
        str(40000 + number % 20000),
        "10.0.1.9",
        "443" if number % 2 else "53",
        "tcp" if number % 2 else "udp",
        "ssl" if number % 2 else "dns",
        f"{0.01 * (1 + number % 17):.6f}" if whole else "-",
        str(100 + number * 7 % 900) if whole else "-",
        str(200 + number * 13 % 5000) if whole else "-",
        "SF" if whole else "S0",
        "T",
        "F",
        "0",
        "ShADadFf" if whole else "S",
        str(3 + number % 9),
        str(300 + number * 7 % 900),
        str(2 + number % 7 if whole else 0),
        str(320 + number * 13 % 5000 if whole else 0),
        "(empty)",
    ]


def zeek_line(number: int) -> bytes:
    """One connection, tab-separated."""
    return ("\t".join(zeek_values(number)) + "\n").encode()


def zeek_tsv(numbers: Iterable[int]) -> bytes:
    """A whole conn.log."""
    return zeek_header() + b"".join(map(zeek_line, numbers)) + b"#close\t2026-11-22-04-00-00\n"


def zeek_json(number: int) -> bytes:
    """The same connection as JSON."""
    record: dict[str, object] = {}
    for name, kind, value in zip(ZEEK_FIELDS, ZEEK_TYPES, zeek_values(number), strict=True):
        if value in ("-", "(empty)"):
            continue
        if kind in ("time", "interval"):
            record[name] = float(value)
        elif kind in ("port", "count"):
            record[name] = int(value)
        elif kind == "bool":
            record[name] = value == "T"
        else:
            record[name] = value
    return json.dumps(record).encode() + b"\n"


def eve_flow(number: int) -> bytes:
    """A flow record of Suricata 7."""
    tcp = number % 2 == 1
    start = f"2026-11-22T03:{number // 60 % 60:02d}:{number % 60:02d}.250000+0000"
    end = f"2026-11-22T03:{number // 60 % 60:02d}:{number % 60:02d}.{300000 + number * 1000 % 600000:06d}+0000"
    event: dict[str, object] = {
        "timestamp": end,
        "flow_id": 1_900_000_000_000_000 + number,
        "in_iface": "eth0",
        "event_type": "flow",
        "src_ip": f"10.0.0.{1 + number % 40}",
        "src_port": 40000 + number % 20000,
        "dest_ip": "10.0.1.9",
        "dest_port": 443 if tcp else 53,
        "proto": "TCP" if tcp else "UDP",
        "app_proto": "tls" if tcp else "dns",
        "flow": {
            "pkts_toserver": 3 + number % 9,
            "pkts_toclient": 2 + number % 7,
            "bytes_toserver": 300 + number * 7 % 900,
            "bytes_toclient": 320 + number * 13 % 5000,
            "start": start,
            "end": end,
            "age": 0,
            "state": "closed" if tcp else "established",
            "reason": "timeout",
            "alerted": False,
        },
    }
    if tcp:
        event["tcp"] = {"tcp_flags": "1b", "syn": True, "fin": True, "psh": True, "ack": True, "state": "closed"}
    return json.dumps(event).encode() + b"\n"


EVE_STATS = b'{"timestamp":"2026-11-22T03:00:08.000000+0000","event_type":"stats","stats":{"uptime":8}}\n'


def eve(numbers: Iterable[int]) -> bytes:
    """An EVE log with some other events among the flows."""
    return b"".join(eve_flow(n) + (EVE_STATS if n % 10 == 0 else b"") for n in numbers)
