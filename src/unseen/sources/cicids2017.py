"""The eight official CSV files of CIC-IDS-2017, with everything that is particular to them put right.

What a reader meets there: a leading space in most names, ``Fwd Header Length`` twice, ``Infinity`` and ``NaN`` as text,
and byte 0x96 (or what later copies made of it) between the words of ``Web Attack – Brute Force``.

References:
    | Sharafaldin, Lashkari, Ghorbani, 2018. Toward generating a new intrusion detection dataset (ICISSP).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from unseen.errors import InputError, SchemaError
from unseen.sources.delimited import TextFile
from unseen.sources.files import Source

__all__ = ["COLUMNS", "DAYS", "DAY_COLUMN", "LABEL", "find_day_files", "normal_form", "open_official"]

DAYS = (
    "Monday-WorkingHours",
    "Tuesday-WorkingHours",
    "Wednesday-workingHours",
    "Thursday-WorkingHours-Morning-WebAttacks",
    "Thursday-WorkingHours-Afternoon-Infilteration",
    "Friday-WorkingHours-Morning",
    "Friday-WorkingHours-Afternoon-PortScan",
    "Friday-WorkingHours-Afternoon-DDos",
)
_SUFFIX = ".pcap_ISCX.csv"
LABEL = "Label"
DAY_COLUMN = "day_file"

_LENGTHS = ("Max", "Min", "Mean", "Std")
COLUMNS = (
    *("Destination Port", "Flow Duration", "Total Fwd Packets", "Total Backward Packets"),
    *("Total Length of Fwd Packets", "Total Length of Bwd Packets"),
    *(f"{way} Packet Length {what}" for way in ("Fwd", "Bwd") for what in _LENGTHS),
    *("Flow Bytes/s", "Flow Packets/s", "Flow IAT Mean", "Flow IAT Std", "Flow IAT Max", "Flow IAT Min"),
    *(f"{way} IAT {what}" for way in ("Fwd", "Bwd") for what in ("Total", "Mean", "Std", "Max", "Min")),
    *("Fwd PSH Flags", "Bwd PSH Flags", "Fwd URG Flags", "Bwd URG Flags", "Fwd Header Length", "Bwd Header Length"),
    *("Fwd Packets/s", "Bwd Packets/s", "Min Packet Length", "Max Packet Length"),
    *("Packet Length Mean", "Packet Length Std", "Packet Length Variance"),
    *(f"{flag} Flag Count" for flag in ("FIN", "SYN", "RST", "PSH", "ACK", "URG", "CWE", "ECE")),
    *("Down/Up Ratio", "Average Packet Size", "Avg Fwd Segment Size", "Avg Bwd Segment Size", "Fwd Header Length.1"),
    *(f"{way} Avg {what}" for way in ("Fwd", "Bwd") for what in ("Bytes/Bulk", "Packets/Bulk", "Bulk Rate")),
    *("Subflow Fwd Packets", "Subflow Fwd Bytes", "Subflow Bwd Packets", "Subflow Bwd Bytes"),
    *("Init_Win_bytes_forward", "Init_Win_bytes_backward", "act_data_pkt_fwd", "min_seg_size_forward"),
    *(f"{state} {what}" for state in ("Active", "Idle") for what in ("Mean", "Std", "Max", "Min")),
    LABEL,
)
"""The 78 features and the label, in file order, names stripped and the repeated one told apart."""

# Between the two parts of these labels stands a Windows-1252 dash, a replacement sign, or what a wrong decoding left.
_WEB_ATTACK = r"^Web Attack[^A-Za-z]+|^Web Attack\s+(?:ï¿½|â€“)\s*"


def normal_form(labels: pa.Array) -> pa.Array:
    """Write the labels of web attacks with an en dash, whatever a copy of the files made of it.

    Arguments:
        labels: Strings.

    Example:
        >>> normal_form(pa.array(["Web Attack \ufffd XSS", "Bot"])).to_pylist()
        ['Web Attack – XSS', 'Bot']
    """
    return pc.replace_substring_regex(labels, _WEB_ATTACK, "Web Attack – ")


def find_day_files(folder: str | Path) -> dict[str, Path]:
    """Find the eight files in a folder or one level below it.

    Returns:
        The path of each day's file, in the order of the week.

    Raises:
        InputError: If files are missing, named in the message.
    """
    root = Path(folder).expanduser()
    if not root.is_dir():
        raise InputError(f"{folder}: name the folder that holds the eight *{_SUFFIX} files")
    names = {f"{day}{_SUFFIX}{end}".lower(): day for day in DAYS for end in ("", ".gz")}
    found: dict[str, Path] = {}
    for path in (*sorted(root.glob("*")), *sorted(root.glob("*/*"))):
        day = names.get(path.name.lower())
        if day is not None and path.is_file():
            found.setdefault(day, path)
    missing = [f"{day}{_SUFFIX}" for day in DAYS if day not in found]
    if missing:
        raise InputError(f"{folder}: {len(missing)} of the 8 files are missing: {', '.join(missing)}")
    return {day: found[day] for day in DAYS}


def open_official(folder: str | Path) -> Source:
    """Open the eight official files as one source, with the file's day in the metadata column ``day_file``.

    Arguments:
        folder: The folder that holds them, for example ``MachineLearningCVE``.

    Raises:
        InputError: If files are missing.
        SchemaError: If a file has other columns than the official ones.
    """
    return Source([_DayFile(day, path) for day, path in find_day_files(folder).items()])


class _DayFile(TextFile):
    def __init__(self, day: str, path: Path) -> None:
        super().__init__(path, text=(LABEL,))
        _check_columns(path, self.schema.names)
        self._day = day
        self.schema = self.schema.append(pa.field(DAY_COLUMN, pa.string()))

    def read(self, schema: pa.Schema, batch_rows: int) -> Iterator[pa.RecordBatch]:
        own = pa.schema([field for field in schema if field.name != DAY_COLUMN])
        # A batch without columns would have no rows: with the day alone asked for, the label keeps count.
        carried = own if len(own) else pa.schema([(LABEL, pa.string())])
        for batch in super().read(carried, batch_rows):
            columns = {name: batch.column(name) for name in batch.schema.names}
            if LABEL in columns:
                columns[LABEL] = normal_form(columns[LABEL])
            columns[DAY_COLUMN] = pa.repeat(pa.scalar(self._day), batch.num_rows)
            yield pa.RecordBatch.from_arrays([columns[name] for name in schema.names], schema=schema)


def _check_columns(path: Path, names: list[str]) -> None:
    if set(names) == set(COLUMNS):
        return
    if "Flow ID" in names:
        raise SchemaError(
            f"{path}: holds flow ids and addresses, so it is from GeneratedLabelledFlows.zip; "
            "take the files of MachineLearningCSV.zip"
        )
    lacks = [name for name in COLUMNS if name not in names]
    adds = [name for name in names if name not in COLUMNS]
    raise SchemaError(
        f"{path}: not the official columns: {len(lacks)} missing {lacks[:4]}, {len(adds)} unknown {adds[:4]}"
    )
