"""From a recording to labelled flows: the package's own flow meter, then the labels."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from lab.errors import LabError
from lab.labels import UNASSIGNED, Flow, assign, strangers
from lab.schedule import Window
from unseen.packets import FEATURES, Meter, MeterSettings, walk_capture

__all__ = ["METADATA", "SETTINGS", "extract", "load_manifest"]

METADATA = ("window", "tool", "site", "start_s")
# Shorter than the meter's defaults: a recording lasts minutes.
SETTINGS = MeterSettings(idle_timeout=30, active_timeout=120)
_DIGITS = 5


def load_manifest(run: Path) -> dict[str, object]:
    """The manifest of a recording.

    Raises:
        LabError: If there is none.
    """
    path = run / "manifest.json"
    if not path.is_file():
        raise LabError(f"{run} holds no finished recording: manifest.json is missing.")
    manifest: dict[str, object] = json.loads(path.read_text())
    return manifest


def extract(run: Path, out: Path) -> str:
    """Write the flows of a recording as Parquet; what was written, in one line.

    Features are the flow meter's, metadata is ``METADATA``, addresses, ports and absolute times are left out.

    Arguments:
        run: The recording's directory.
        out: The Parquet file.

    Raises:
        LabError: If the capture is damaged or holds addresses that are not the lab's.
    """
    manifest = load_manifest(run)
    report = walk_capture(run / "capture.pcap")
    if not report.whole:
        raise LabError(f"{run / 'capture.pcap'}: {'; '.join(report.notes())}")
    with Meter([run / "capture.pcap"], SETTINGS) as meter:
        table = pa.Table.from_batches(list(meter))
    foreign = strangers([*table.column("src_ip").to_pylist(), *table.column("dst_ip").to_pylist()])
    if foreign:
        raise LabError(f"Addresses outside the lab: {', '.join(foreign[:5])}. This capture is not of the lab alone.")
    begin_ms = float(manifest["begin"]) * 1000  # type: ignore[arg-type]
    start = (table.column("bidirectional_first_seen_ms").to_numpy() - begin_ms) / 1000
    names = ("src_ip", "dst_ip", "src_port", "dst_port", "protocol")
    rows = zip(*(table.column(name).to_pylist() for name in names), start.tolist(), strict=True)
    windows = [Window.from_json({k: v for k, v in w.items() if k != "ran"}) for w in manifest["windows"]]  # type: ignore[attr-defined]
    labels = assign([Flow(*row) for row in rows], windows)
    columns = {name: _small(table.column(name)) for name in FEATURES}
    columns["label"] = pa.array([label.family for label in labels])
    columns["window"] = pa.array([label.window for label in labels], pa.int16())
    columns["tool"] = pa.array([label.tool for label in labels])
    columns["site"] = pa.array([label.site for label in labels], pa.int8())
    columns["start_s"] = pa.array(np.round(start, 1), pa.float32())
    flows = pa.table(columns)
    # Benign traffic before the beginning is the lab's own start; nothing of it is a user's.
    flows = flows.filter(pa.array(start >= 0)).sort_by("start_s")
    out.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(flows, out, compression="zstd", compression_level=19)
    left = pc.sum(pc.equal(flows.column("label"), UNASSIGNED)).as_py()
    size = out.stat().st_size
    return f"{out}: {flows.num_rows:,} flows of {report.records:,} packets, {left} unassigned, {size:,} bytes"


def _small(column: pa.ChunkedArray) -> pa.Array:
    """The same values in four bytes; means and deviations to five digits, far finer than they repeat."""
    values = column.to_numpy()
    if pa.types.is_integer(column.type):
        return pa.array(values, pa.int32())
    with np.errstate(divide="ignore"):
        size = np.where(values == 0, 0, np.floor(np.log10(np.abs(values))))
    scale = 10.0 ** (_DIGITS - 1 - size)
    return pa.array(np.round(values * scale) / scale, pa.float32())
