"""Writes small files in the exact form of the eight official CIC-IDS-2017 CSV files."""

from __future__ import annotations

from pathlib import Path

from unseen.sources.cicids2017 import COLUMNS, DAYS

# In the official header the repeated column has no ".1", and a few names have no leading space.
_BARE = ("Total Length of Fwd Packets", "Flow Bytes/s", "Bwd Packet Length Max", "Fwd Packets/s", "FIN Flag Count")
HEADER = ",".join(
    name.removesuffix(".1") if name in _BARE else f" {name.removesuffix('.1')}" for name in COLUMNS
).encode()

LABELS: dict[str, tuple[bytes, ...]] = {
    "Monday-WorkingHours": (b"BENIGN", b"BENIGN"),
    "Tuesday-WorkingHours": (b"BENIGN", b"FTP-Patator"),
    "Wednesday-workingHours": (b"DoS Hulk", b"Heartbleed"),
    "Thursday-WorkingHours-Morning-WebAttacks": (
        b"Web Attack \x96 Brute Force",
        b"Web Attack \x96 XSS",
        b"Web Attack \x96 Sql Injection",
    ),
    "Thursday-WorkingHours-Afternoon-Infilteration": (b"Infiltration",),
    "Friday-WorkingHours-Morning": (b"Bot",),
    "Friday-WorkingHours-Afternoon-PortScan": (b"PortScan",),
    "Friday-WorkingHours-Afternoon-DDos": (b"DDoS", b"BENIGN"),
}


def row(number: int, label: bytes, **cells: str) -> bytes:
    """One line: every cell is the row's number but those given by column name."""
    values = [cells.get(name, str(number)).encode() for name in COLUMNS[:-1]]
    return b",".join([*values, label])


def write_days(folder: Path, *, end: bytes = b"\r\n", labels: dict[str, tuple[bytes, ...]] | None = None) -> Path:
    """Write all eight files; the first Monday row holds Infinity, NaN, a negative duration and -1 flags."""
    folder.mkdir(parents=True, exist_ok=True)
    for day, names in (labels or LABELS).items():
        lines = [HEADER]
        for number, label in enumerate(names):
            odd = {"Flow Bytes/s": "Infinity", "Flow Packets/s": "NaN", "Flow Duration": "-1"} if number == 0 else {}
            lines.append(row(number, label, **odd, Init_Win_bytes_forward="-1", **{"Fwd Header Length.1": "7"}))
        (folder / f"{day}.pcap_ISCX.csv").write_bytes(end.join(lines) + end)
    assert set(labels or LABELS) == set(DAYS)
    return folder
