"""Make the golden model file of the present format version; see README.md beside this file."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pcsv

import unseen
from unseen.artifact import FORMAT_VERSION
from unseen.detectors.recipes import RECIPES
from unseen.jobs.demo import embedded_table
from unseen.sources import open_source

HERE = Path(__file__).parent
COLUMNS = ("protocol", "bidirectional_packets", "bidirectional_mean_ps", "src2dst_bytes", "src2dst_duration_ms")


def table() -> tuple[pa.Table, np.ndarray]:
    """A few columns of the embedded traffic, one of them as categories, one with gaps."""
    rows = embedded_table()
    labels = np.asarray(rows.column("label").to_pylist())
    chosen = np.flatnonzero(np.isin(labels, ["benign", "ssh_bruteforce", "beacon"]))[::12]
    rows, labels = rows.take(chosen).select(COLUMNS), labels[chosen]
    names = np.where(rows.column("protocol").to_numpy() == 6, "tcp", "udp")
    packets = [None if row % 50 == 0 else value for row, value in enumerate(rows.column(1).to_pylist())]
    return rows.set_column(0, "protocol", pa.array(names)).set_column(1, COLUMNS[1], pa.array(packets)), labels


def main() -> None:
    rows, labels = table()
    fast = RECIPES["fast"]
    sculpt = fast.member.sculpt.model_copy(update={"encoder": {"kind": "mlp", "hidden": [16], "latent": 8}})
    flow = fast.member.flow.model_copy(update={"transforms": 2, "hidden": (16,)})
    changes = {"sculpt": sculpt, "flow": flow, "encoder_steps": 100, "flow_steps": 100}
    recipe = fast.model_copy(update={"member": fast.member.model_copy(update=changes), "members": 2})
    detector = unseen.LatentSculptor(normal="benign", preset=recipe, false_alarm_rate=0.05).fit(rows, labels)
    detector.save(HERE / f"format-{FORMAT_VERSION}.unseen")
    if not (HERE / "rows.csv").exists():
        pcsv.write_csv(rows.take(pa.array(np.arange(0, rows.num_rows, rows.num_rows // 40))), HERE / "rows.csv")
    scored = pa.Table.from_batches(list(open_source(HERE / "rows.csv").batches()))
    found = {"anomaly_score": detector.anomaly_score(scored), "p_value": detector.p_value(scored)}
    pcsv.write_csv(pa.table(found), HERE / f"format-{FORMAT_VERSION}.csv")
    size = (HERE / f"format-{FORMAT_VERSION}.unseen").stat().st_size
    sys.stdout.write(f"format {FORMAT_VERSION}: {size:,} bytes, {scored.num_rows} rows\n")


if __name__ == "__main__":
    main()
