"""Packets to flows: capture files through the meter into one table."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from unseen.atomic import os_words
from unseen.errors import InputError
from unseen.jobs.places import refuse_overwrite
from unseen.packets import FLOW_SCHEMA, CaptureReport, Meter, MeterSettings, walk_capture
from unseen.packets.capture import link_name
from unseen.sources import check_table_path, open_writer
from unseen.sources.batching import rebatch

__all__ = ["CAPTURE_SUFFIXES", "FlowsReport", "find_captures", "flows_file", "meter_notes"]

CAPTURE_SUFFIXES = (".pcap", ".pcapng", ".cap", ".dmp")
_ROW_GROUP = 16_384


@dataclass
class FlowsReport:
    """What became of the records of some captures.

    Attributes:
        files: The captures read.
        flows: Flows written.
        records: Whole records in the files.
        packets: Records that became part of a flow.
        sampled_out: Packets of flows that sampling left out.
        ignored: Records without an IP packet, or with a fragment of one.
        notes: What a user should know.
    """

    files: list[str]
    flows: int = 0
    records: int = 0
    packets: int = 0
    sampled_out: int = 0
    ignored: int = 0
    notes: list[str] = field(default_factory=list)


def find_captures(where: Sequence[str | Path]) -> list[Path]:
    """The capture files behind files, folders and globs; of a folder, those with a usual suffix, sorted by name.

    Raises:
        InputError: If one of them leads to no file.
    """
    found: dict[Path, None] = {}
    for item in where:
        path = Path(item).expanduser()
        try:
            if path.is_dir():
                files = sorted(e for e in path.iterdir() if e.is_file() and e.suffix.lower() in CAPTURE_SUFFIXES)
                missing = f"no capture in this folder; looked for {', '.join(CAPTURE_SUFFIXES)}"
            elif not path.exists() and any(sign in path.name for sign in "*?["):
                files, missing = sorted(e for e in path.parent.glob(path.name) if e.is_file()), "no file matches"
            else:
                files, missing = [path], ""
        except (OSError, ValueError) as error:
            raise InputError(f"{path}: {os_words(error) if isinstance(error, OSError) else error}") from error
        if not files:
            raise InputError(f"{path}: {missing}")
        found |= dict.fromkeys(files)
    if not found:
        raise InputError("no capture was named")
    return list(found)


def flows_file(
    captures: Sequence[str | Path],
    *,
    out: str | Path,
    settings: MeterSettings | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> FlowsReport:
    """Write one row for each flow of some captures: ten columns of metadata, then the features.

    Memory grows with the flows that are open at one time, not with the captures. The table appears under its name only
    when complete.

    Arguments:
        captures: Files, folders and globs; each file's flows end with the file, unless the settings join them.
        out: A Parquet, CSV or Arrow file to write.
        settings: Timeouts and sampling.
        progress: Called with the records read so far and their number.

    Raises:
        InputError: If a file is no capture, none holds an IP packet, or the output cannot be written.
        MeterError: If the meter dies or hangs.
        MissingExtraError: If nfstream is not installed.
    """
    settings = settings or MeterSettings()
    files = find_captures(captures)
    check_table_path(out)
    refuse_overwrite(out, files)
    walked = [walk_capture(path) for path in files]
    records = sum(report.records for report in walked)
    if not records:
        raise InputError(f"{files[0]}: {_empty(walked)}")
    report = FlowsReport([str(path) for path in files], records=records)
    with Meter(files, settings) as meter, open_writer(out, FLOW_SCHEMA) as writer:
        for batch in rebatch(_told(meter, records, progress), _ROW_GROUP):
            writer.write(batch)
        status = meter.status
        if not status.packets and not status.sampled_out:
            links = sorted({link for one in walked for link in one.link_types})
            raise InputError(
                f"{files[0]}: none of the {records:,} records holds an IP packet the meter can read; "
                f"the link type is {', '.join(map(link_name, links))}"
            )
    report.flows, report.packets = writer.rows, status.packets
    report.sampled_out, report.ignored = status.sampled_out, status.ignored
    report.notes = meter_notes(walked, meter)
    return report


def _told(meter: Meter, records: int, progress: Callable[[int, int], None] | None) -> Iterator[pa.RecordBatch]:
    for batch in meter:
        if progress is not None:
            status = meter.status
            progress(status.packets + status.sampled_out + status.ignored, records)
        yield batch


def meter_notes(walked: Sequence[CaptureReport], meter: Meter) -> list[str]:
    """What was not read of each capture, in words, never silently."""
    notes = []
    for one, counts in zip(walked, meter.by_file, strict=False):
        notes += one.notes()
        if one.whole and not one.records:
            notes.append(f"{one.path}: holds no packet")
        read = counts["packets"] + counts["sampled_out"] + counts["ignored"]
        if counts["ignored"]:
            notes.append(
                f"{one.path}: {counts['ignored']:,} of {one.records:,} records hold no IP packet, or a fragment "
                "of one, and belong to no flow"
            )
        if read < one.records:
            links = ", ".join(map(link_name, one.link_types))
            notes.append(
                f"{one.path}: the meter read {read:,} of {one.records:,} records"
                + (f"; the link types {links} differ, split the file by interface" if len(one.link_types) > 1 else "")
            )
    return [*notes, *(f"the flow meter says: {line}" for line in meter.warnings)]


def _empty(walked: Sequence[CaptureReport]) -> str:
    first = walked[0]
    if first.cut:
        return "its first record is cut off; it holds no packet"
    if first.damaged_at is not None:
        return f"is damaged at byte {first.damaged_at:,}, before its first packet"
    return "holds no packet" if len(walked) == 1 else f"none of the {len(walked)} captures holds a packet"
