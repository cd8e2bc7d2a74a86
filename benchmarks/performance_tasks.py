"""What benchmarks/performance.py measures, each task in a process of its own: `performance_tasks.py TASK '{"…": …}'`.

The last line printed is JSON: what was found, and the peak memory of the process in MB.
"""

from __future__ import annotations

import importlib
import json
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

# Rows every method is fitted on before it is timed; only the speed of neighbours depends on their number.
FIT_ROWS = 30_000
# The classes the paper hides from training.
HIDDEN = ("Bot", "Infiltration", "DoS slowloris", "DoS Slowhttptest")
# Constructor arguments, and the threads that may score at once: ECOD keeps the rows it is asked about in itself.
RIVALS: dict[str, tuple[str, str, dict[str, Any], int]] = {
    "Isolation Forest (scikit-learn)": ("sklearn.ensemble", "IsolationForest", {"random_state": 0}, 2),
    "ECOD (PyOD)": ("pyod.models.ecod", "ECOD", {}, 1),
    "KNN (PyOD)": ("pyod.models.knn", "KNN", {}, 2),
    "AutoEncoder (PyOD)": ("pyod.models.auto_encoder", "AutoEncoder", {"epoch_num": 1, "verbose": 0}, 2),
}
_CHUNK = 512


def real_rows() -> tuple[pa.Table, np.ndarray]:
    """The features and labels of cicids2017_original."""
    from unseen.sources.catalog import entry, find

    known = entry("cicids2017_original")
    table = pq.read_table(find("cicids2017_original"))
    labels = np.asarray(table.column(known.label).to_pylist())
    return table.drop_columns([name for name in (known.label, *known.metadata) if name in table.column_names]), labels


def training_rows(rows: int) -> tuple[pa.Table, np.ndarray]:
    """So many rows drawn from all but the hidden classes."""
    table, labels = real_rows()
    shown = np.random.default_rng(0).permutation(np.flatnonzero(~np.isin(labels, HIDDEN)))[:rows]
    return table.take(pa.array(np.sort(shown))), labels[np.sort(shown)]


def task_fit(detector: str, rows: int, out: str, columns: int | None = None, **parameters: Any) -> dict[str, float]:
    """Fit, and leave a model file and its export beside each other."""
    from unseen.detectors import create
    from unseen.export import export_detector

    table, labels = training_rows(rows)
    if columns is not None:
        table = widened(table, columns)
    made = create(detector, normal="BENIGN", random_state=0, **parameters)
    began = time.perf_counter()
    with warnings.catch_warnings():
        # How well so few rows or epochs train is another question.
        warnings.simplefilter("ignore")
        made.fit(table, labels)
    seconds = time.perf_counter() - began
    made.save(f"{out}.unseen")
    export_detector(made, f"{out}.onnx", false_alarm_rate=max(0.01, made.calibrator_.smallest_rate))
    return {"seconds": seconds, "prepared": len(made.preparer_.names)}


def widened(table: pa.Table, columns: int) -> pa.Table:
    """So many columns: the table's own, then the same ones in another order of rows, since exact copies are dropped."""
    rng = np.random.default_rng(0)
    order = [rng.permutation(table.num_rows) for _ in range(1 + columns // table.num_columns)]
    order[0] = np.arange(table.num_rows)
    made = {}
    for j in range(columns):
        turn, place = divmod(j, table.num_columns)
        made[f"{table.column_names[place]} {turn}"] = table.column(place).take(pa.array(order[turn]))
    return pa.table(made)


def task_rows(rows: int, out: str, columns: int | None = None) -> dict[str, float]:
    """A Parquet file of so many rows, the data set's own in turn."""
    table, _ = real_rows()
    if columns is not None:
        table = widened(table, columns)
    with pq.ParquetWriter(out, table.schema) as writer:
        left = rows
        while left:
            part = table.slice(0, min(left, table.num_rows))
            writer.write_table(part, row_group_size=65_536)
            left -= part.num_rows
    return {}


def task_score(model: str, data: str, out: str) -> dict[str, float]:
    """From opening the file to the renamed output, the model loaded."""
    import unseen
    from unseen.jobs.score import score_file

    loaded = unseen.load(model)
    rate = max(0.01, loaded.calibrator_.smallest_rate)
    began = time.perf_counter()
    report = score_file(loaded, data, out=out, false_alarm_rate=rate)
    return {"seconds": time.perf_counter() - began, "rows": report.rows}


def task_rival(name: str, data: str, out: str) -> dict[str, float]:
    """Fit as its library does by default, then read, prepare, score and write by this project's own engine."""
    from unseen.jobs.overlap import overlapped
    from unseen.prepare import PRESETS, Preparer
    from unseen.sources import open_source, open_writer
    from unseen.table import infer_schema

    warnings.simplefilter("ignore")
    module, cls, parameters, workers = RIVALS[name]
    table, labels = training_rows(FIT_ROWS)
    normals = table.filter(pa.array(labels == "BENIGN"))
    preparer = Preparer.fit(normals, infer_schema(normals.schema), PRESETS["signed-log"])
    method = getattr(importlib.import_module(module), cls)(**parameters)
    method.fit(preparer.transform(normals))
    source = open_source(data)
    began, rows = time.perf_counter(), 0
    with open_writer(out, pa.schema([("anomaly_score", pa.float64())])) as writer:
        scored = overlapped(
            source.batches(batch_rows=16_384),
            lambda batch: method.decision_function(preparer.transform(batch)),
            workers,
        )
        for scores in scored:
            rows += len(scores)
            arrays = [pa.array(np.asarray(scores, dtype=np.float64))]
            writer.write(pa.RecordBatch.from_arrays(arrays, schema=writer.schema))
    return {"seconds": time.perf_counter() - began, "rows": rows}


def task_latency(model: str, rows: int) -> dict[str, float]:
    """One row at a time, in process, from an Arrow table to its p-value."""
    import unseen

    scorer: Any = unseen.load(model)
    table, _ = real_rows()
    taken = []
    for j in range(rows + 50):
        row = table.slice(j * 97 % table.num_rows, 1)
        began = time.perf_counter()
        scorer.p_value(row)
        taken.append(1e3 * (time.perf_counter() - began))
    # The first ones wait for memory and code to be there.
    return {f"p{q}_ms": float(np.percentile(taken[50:], q)) for q in (50, 99)}


def task_parts(model: str) -> dict[str, Any]:
    """What each part of a model takes a row on one core: its operators in a graph of their own, in ONNX Runtime."""
    import torch

    from unseen.detectors import load
    from unseen.export import build_model, express_evidence
    from unseen.export.graph import Graph
    from unseen.export.preparation import express_preparation
    from unseen.prepare import Tally
    from unseen.runtime.layout import InputLayout

    torch.set_num_threads(1)
    detector: Any = load(model)
    table, _ = real_rows()
    table = table.take(pa.array(np.sort(np.random.default_rng(1).permutation(table.num_rows)[:_CHUNK])))
    raw = InputLayout.of(detector.preparer_).read(table, Tally())
    x = np.concatenate(list(detector._chunks(table, Tally())))
    width = x.shape[1]
    preparation = Graph()
    prepared = express_preparation(preparation, detector.preparer_)
    preparation.output("y", prepared.rows, np.float32, ("rows", width))
    parts: list[dict[str, Any]] = [{"part": "preparation", "us": _time(preparation.model(), raw), "flop": 0}]
    evidences = getattr(detector, "evidences_", None) or {
        f"sculpted flow {number + 1}": member for number, member in enumerate(detector.members_)
    }
    for name, evidence in evidences.items():
        graph = Graph()
        graph.input("x", np.float32, ("rows", width))
        views = [graph.unsqueeze(view) for view in express_evidence(evidence, graph, "x")]
        graph.output("y", graph.concat(views), np.float64, ("rows", len(views)))
        parts.append({"part": name, "us": _time(graph.model(), {"x": x}), "flop": _flop(evidence)})
    rate = max(0.01, detector.calibrator_.smallest_rate)
    whole = _time(build_model(detector, false_alarm_rate=rate), raw)
    parts.append({"part": "fusion and calibration", "us": max(0.0, whole - sum(p["us"] for p in parts)), "flop": 0})
    a = torch.randn(1024, 1024)
    return {"parts": parts, "whole_us": whole, "gemm_gflops": 2 * 1024**3 / _best(lambda: a @ a) / 1e9}


def _flop(evidence: Any) -> int:
    """Multiplications and additions of one row's matrix products."""
    from unseen.evidence import MixtureDensity, Sculpted, SculptedFlow
    from unseen.nn.folding import fold_flow

    if isinstance(evidence, Sculpted):
        evidence = evidence.flow
    if isinstance(evidence, MixtureDensity):
        return 2 * int(evidence.factors.size)
    if not isinstance(evidence, SculptedFlow):
        return 0
    scorer = evidence.scorer
    encoder = sum(2 * part.numel() for part in scorer.encoder.parameters() if part.ndim > 1)
    whitening = [part for part in (scorer.latent_projection, scorer.row_projection) if part is not None]
    return encoder + fold_flow(scorer.flow).flops + sum(2 * part.matrix.numel() for part in whitening)


def _time(model: Any, inputs: dict[str, Any]) -> float:
    """Microseconds a row on one thread."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return 1e6 * _best(lambda: session.run(None, inputs)) / _CHUNK


def _best(work: Callable[[], object], least: float = 0.7) -> float:
    """The best of repeated runs, in seconds: other processes only ever add time."""
    taken, end = [], time.perf_counter() + least
    while len(taken) < 5 or time.perf_counter() < end:
        began = time.perf_counter()
        work()
        taken.append(time.perf_counter() - began)
    return min(taken)


TASKS: dict[str, Callable[..., dict[str, Any]]] = {
    "fit": task_fit,
    "rows": task_rows,
    "score": task_score,
    "rival": task_rival,
    "latency": task_latency,
    "parts": task_parts,
}


def main() -> None:
    found = TASKS[sys.argv[1]](**json.loads(sys.argv[2]))
    # What getrusage tells is at least the peak of the process that started this one.
    peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    sys.stdout.write(json.dumps({**found, "peak_mb": int(peak.split()[1]) / 1024}) + "\n")


if __name__ == "__main__":
    main()
