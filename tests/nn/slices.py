"""A small slice of real traffic, prepared by hand."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow.parquet as pq


class Rows(NamedTuple):
    """Prepared rows: training, validation and test parts, with masks of the anomalies."""

    X: np.ndarray
    is_anomaly: np.ndarray
    X_validation: np.ndarray
    is_anomaly_validation: np.ndarray
    X_test: np.ndarray
    is_anomaly_test: np.ndarray


def cicids_slice(data_dir: Path) -> Rows:
    """Normals and known attack classes of CIC-IDS-2017, signed log and standardised."""
    table = pq.read_table(data_dir / "cicids2017_original.parquet").to_pandas()
    table = table[table["label_source"] != "inferred"]
    rng = np.random.default_rng(0)
    parts = []
    for label, count in {"BENIGN": 4000, "DoS Hulk": 700, "PortScan": 700, "DDoS": 700, "FTP-Patator": 400}.items():
        of_class = table[table["Label"] == label]
        parts.append(of_class.iloc[rng.permutation(len(of_class))[:count]])
    rows = np.concatenate([part.select_dtypes("number").to_numpy(np.float64) for part in parts])
    is_anomaly = np.concatenate([(part["Label"] != "BENIGN").to_numpy() for part in parts])
    rows = np.nan_to_num(rows, nan=0.0, posinf=0.0, neginf=0.0)
    rows = np.sign(rows) * np.log1p(np.abs(rows))
    order = rng.permutation(len(rows))
    rows, is_anomaly = rows[order], is_anomaly[order]
    first, second = len(rows) // 2, 3 * len(rows) // 4
    normals = rows[:first][~is_anomaly[:first]]
    spread = normals.std(axis=0)
    rows = rows[:, spread > 0]
    X = ((rows - normals.mean(axis=0)[spread > 0]) / spread[spread > 0]).clip(-10, 10).astype(np.float32)
    return Rows(
        X[:first], is_anomaly[:first], X[first:second], is_anomaly[first:second], X[second:], is_anomaly[second:]
    )
