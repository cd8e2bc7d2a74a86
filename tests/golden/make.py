"""Make the golden model file of the present format version; see README.md beside this file."""

from __future__ import annotations

import sys
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pyarrow as pa
import pyarrow.csv as pcsv

import unseen
from unseen.artifact import FORMAT_VERSION
from unseen.detectors import Detector, trials
from unseen.detectors.recipes import RECIPES
from unseen.evidence import Sculpted, SculptedRecipe, boosted, isolation
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


def sculptor(rows: pa.Table, labels: np.ndarray) -> Detector:
    fast = RECIPES["fast"]
    recipe = fast.model_copy(update={"member": small(fast.member), "members": 2})
    return unseen.LatentSculptor(normal="benign", preset=recipe, false_alarm_rate=0.05).fit(rows, labels)


def fused(rows: pa.Table, labels: np.ndarray) -> Detector:
    """All evidences, each as small as it gets, and an analyst's verdicts."""
    recipe = small(RECIPES["fast"].member)
    with (
        patch.dict(Sculpted.fit.__func__.__kwdefaults__, recipe=recipe),
        patch.object(trials, "FASTER", recipe),
        patch.object(boosted, "_ROUNDS", 5),
        patch.multiple(isolation, _TREES=8, _TREE_ROWS=64),
    ):
        detector = unseen.UnseenDetector(normal="benign", false_alarm_rate=0.05).fit(rows, labels)
    judged = np.flatnonzero(labels == "benign")[:2].tolist() + np.flatnonzero(labels == "beacon")[:2].tolist()
    return detector.adapt(rows.take(judged), labels[judged])


def small(recipe: SculptedRecipe) -> SculptedRecipe:
    sculpt = recipe.sculpt.model_copy(update={"encoder": {"kind": "mlp", "hidden": [16], "latent": 8}})
    flow = recipe.flow.model_copy(update={"transforms": 2, "hidden": (16,)})
    return recipe.model_copy(update={"sculpt": sculpt, "flow": flow, "encoder_steps": 100, "flow_steps": 100})


def main(names: list[str]) -> None:
    rows, labels = table()
    if not (HERE / "rows.csv").exists():
        pcsv.write_csv(rows.take(pa.array(np.arange(0, rows.num_rows, rows.num_rows // 40))), HERE / "rows.csv")
    scored = pa.Table.from_batches(list(open_source(HERE / "rows.csv").batches()))
    for name in names:
        detector = {"format": sculptor, "fused": fused}[name](rows, labels)
        made = HERE / f"{name}-{FORMAT_VERSION}.unseen"
        detector.save(made)
        found = {"anomaly_score": detector.anomaly_score(scored), "p_value": detector.p_value(scored)}
        pcsv.write_csv(pa.table(found), made.with_suffix(".csv"))
        sys.stdout.write(f"{made.name}: {made.stat().st_size:,} bytes, {scored.num_rows} rows\n")


if __name__ == "__main__":
    main(sys.argv[1:] or ["format", "fused"])
