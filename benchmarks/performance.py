"""Rows a second, peak memory, latency and the arithmetic limit, all in one run; writes docs/performance.md.

    python benchmarks/performance.py                      # needs UNSEEN_DATA_DIR with cicids2017_original; hours
    python benchmarks/performance.py --rows 20000 --out /tmp/performance.md     # a quick look

Every method scores the same Parquet file into a file of scores, in a process of its own whose peak memory the operating
system reports; the time is that of the scoring alone, from opening the file to the renamed output. Rows are the data
set's own, repeated; for the scaling in columns they are the data set's columns, repeated. On a busy machine only the
ratios within one run mean anything.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

# Fitted on so many rows: speed depends on the model's size, which the number of rows does not change.
FIT_ROWS = 4_000
# The slowest methods get fewer rows; their rows a second do not depend on it.
SHARE = {"PyOD KNN": 0.1, "paper, torch": 0.1, "paper, ONNX": 0.1}
RIVALS = {
    "Isolation Forest": ("sklearn.ensemble", "IsolationForest", {"random_state": 0}),
    "PyOD ECOD": ("pyod.models.ecod", "ECOD", {}),
    "PyOD KNN": ("pyod.models.knn", "KNN", {}),
    "PyOD AutoEncoder": ("pyod.models.auto_encoder", "AutoEncoder", {"epoch_num": 1, "verbose": 0}),
}


def main() -> None:
    chosen = arguments()
    with tempfile.TemporaryDirectory(dir=chosen.work) as folder:
        work = Path(folder)
        table, labels = real_rows()
        models = make_models(table, labels, work)
        results = {
            "machine": machine(),
            "methods": compare_methods(table, models, work, chosen.rows, chosen.skip),
            "rows": scale_rows(table, models, work, chosen.most_rows),
            "columns": scale_columns(table, labels, work, chosen.rows // 4, chosen.columns),
            "latency": measured("latency", str(models["fast, ONNX"]), str(write(table, 300, work / "few.parquet"))),
            "limit": measured("limit", str(models["fast, torch"]), str(models["fast, ONNX"])),
        }
    text = page(results)
    chosen.out.write_text(text)
    sys.stdout.write(text)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000, help="rows each method scores")
    parser.add_argument("--most-rows", type=int, default=10_000_000, help="the end of the scaling in rows, from 10^4")
    parser.add_argument("--columns", default="20,77,200,500", help="the scaling in columns")
    parser.add_argument("--skip", default="", help="methods to leave out, comma-separated")
    parser.add_argument("--work", type=Path, default=None, help="a folder for the files, some GB")
    parser.add_argument("--out", type=Path, default=Path(__file__).parents[1] / "docs" / "performance.md")
    chosen = parser.parse_args()
    chosen.columns = [int(count) for count in chosen.columns.split(",") if count]
    chosen.skip = [name.strip() for name in chosen.skip.split(",") if name.strip()]
    return chosen


# ---- what is measured ------------------------------------------------------------------------------------------------


def real_rows() -> tuple[pa.Table, np.ndarray]:
    """The features and labels of cicids2017_original."""
    from unseen.sources.catalog import find

    table = pq.read_table(find("cicids2017_original"))
    labels = np.asarray(table.column("Label").to_pylist())
    return table.drop_columns(["Label", *(n for n in ("label_source", "day_file") if n in table.column_names)]), labels


def make_models(table: pa.Table, labels: np.ndarray, work: Path) -> dict[str, Path]:
    """Both presets, each as a model file and exported; named by what is scored with them."""
    made: dict[str, Path] = {}
    for preset in ("fast", "paper"):
        short = {"encoder_epochs": 1, "flow_epochs": 1} if preset == "paper" else {}
        made |= fit_and_export(table, labels, work, preset, **short)
    return made


def fit_and_export(table: pa.Table, labels: np.ndarray, work: Path, preset: str, **short: int) -> dict[str, Path]:
    import warnings

    import unseen
    from unseen.export import export_detector

    rows = np.sort(np.random.default_rng(0).permutation(table.num_rows)[:FIT_ROWS])
    with warnings.catch_warnings():
        # How well so few rows train is another question.
        warnings.simplefilter("ignore", unseen.UnseenWarning)
        detector = unseen.LatentSculptor(normal="BENIGN", preset=preset, **short).fit(table.take(rows), labels[rows])
    paths = {f"{preset}, torch": work / f"{preset}.unseen", f"{preset}, ONNX": work / f"{preset}.onnx"}
    detector.save(paths[f"{preset}, torch"])
    export_detector(detector, paths[f"{preset}, ONNX"], false_alarm_rate=0.05)
    return paths


def write(table: pa.Table, rows: int, path: Path) -> Path:
    """A Parquet file of so many rows, the table's own in turn."""
    with pq.ParquetWriter(path, table.schema) as writer:
        left = rows
        while left:
            part = table.slice(0, min(left, table.num_rows))
            writer.write_table(part, row_group_size=65_536)
            left -= part.num_rows
    return path


def compare_methods(
    table: pa.Table, models: dict[str, Path], work: Path, rows: int, skip: list[str]
) -> list[dict[str, Any]]:
    found = []
    for name in (*models, *RIVALS):
        if name in skip:
            continue
        count = max(1_000, int(rows * SHARE.get(name, 1.0)))
        data = work / f"rows-{count}.parquet"
        if not data.exists():
            write(table, count, data)
        if name in models:
            result = measured("score", str(models[name]), str(data), str(work / "scores.parquet"))
        else:
            result = measured("rival", name, str(data), str(work / "scores.parquet"))
        found.append({"name": name, "rows": count, **result})
        sys.stderr.write(f"{name}: {count / result['seconds']:,.0f} rows/s, {result['peak_mb']:.0f} MB\n")
    return found


def scale_rows(table: pa.Table, models: dict[str, Path], work: Path, most: int) -> list[dict[str, Any]]:
    found = []
    rows = 10_000
    while rows <= most:
        data = write(table, rows, work / "scaling.parquet")
        result = measured("score", str(models["fast, ONNX"]), str(data), str(work / "scores.parquet"))
        found.append({"rows": rows, **result})
        sys.stderr.write(f"{rows:,} rows: {rows / result['seconds']:,.0f} rows/s, {result['peak_mb']:.0f} MB\n")
        data.unlink()
        rows *= 10
    return found


def scale_columns(
    table: pa.Table, labels: np.ndarray, work: Path, rows: int, counts: list[int]
) -> list[dict[str, Any]]:
    found = []
    rng = np.random.default_rng(0)
    for count in counts:
        names = [table.column_names[j % table.num_columns] for j in range(count)]
        columns = {f"{name} {j}": _jittered(table.column(name), rng, j) for j, name in enumerate(names)}
        wide = pa.table(columns).slice(0, 20_000)
        models = fit_and_export(wide, labels[:20_000], work, "fast")
        data = write(wide, rows, work / "wide.parquet")
        result = measured("score", str(models["fast, ONNX"]), str(data), str(work / "scores.parquet"))
        found.append({"columns": count, "rows": rows, **result})
    return found


def _jittered(column: pa.ChunkedArray, rng: np.random.Generator, number: int) -> np.ndarray:
    """The column in another order of rows where it is repeated: the preparation drops exact copies."""
    values = np.asarray(column.to_numpy(), dtype=np.float64)
    return values if number < 77 else rng.permutation(values)


# ---- in a process of its own -----------------------------------------------------------------------------------------


def measured(task: str, *words: str) -> dict[str, float]:
    """Run one of the tasks below in a process of its own; what it found, and its peak memory in MB."""
    environment = {**os.environ, "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1")}
    command = [sys.executable, __file__, "--task", task, *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        sys.exit(f"{task} {words}: {done.stderr}")
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def task_score(model: str, data: str, out: str) -> dict[str, float]:
    import unseen
    from unseen.jobs.score import score_file

    loaded = unseen.load(model)
    rate = max(0.05, getattr(loaded, "calibrator_").smallest_rate)  # noqa: B009
    began = time.perf_counter()
    score_file(loaded, data, out=out, false_alarm_rate=rate)
    return {"seconds": time.perf_counter() - began}


def task_rival(name: str, data: str, out: str) -> dict[str, float]:
    """Fit as its library does by default, then read, score and write the file in chunks, with the same preparation."""
    import importlib
    import warnings

    from unseen.prepare import PRESETS, Preparer
    from unseen.sources import open_source, open_writer
    from unseen.table import infer_schema

    warnings.simplefilter("ignore")
    source = open_source(data)
    first = pa.Table.from_batches([next(source.batches(batch_rows=FIT_ROWS))])
    preparer = Preparer.fit(first, infer_schema(first.schema), PRESETS["signed-log"])
    module, cls, parameters = RIVALS[name]
    method = getattr(importlib.import_module(module), cls)(**parameters)
    method.fit(preparer.transform(first))
    score = method.decision_function
    began = time.perf_counter()
    with open_writer(out, pa.schema([("anomaly_score", pa.float64())])) as writer:
        for batch in source.batches():
            scores = np.asarray(score(preparer.transform(batch)), dtype=np.float64)
            writer.write(pa.RecordBatch.from_arrays([pa.array(scores)], schema=writer.schema))
    return {"seconds": time.perf_counter() - began}


def task_latency(model: str, data: str) -> dict[str, float]:
    """One row at a time, in process."""
    import unseen

    scorer = unseen.load(model)
    table = pq.read_table(data)
    rows = [table.slice(j, 1) for j in range(table.num_rows)]
    taken = []
    for row in [*rows[:50], *rows]:
        began = time.perf_counter()
        scorer.p_value(row)
        taken.append(1e3 * (time.perf_counter() - began))
    return {f"p{q}_ms": float(np.percentile(taken[50:], q)) for q in (50, 99)}


def task_limit(model: str, exported: str) -> dict[str, float]:
    """The networks' arithmetic against what the same core reaches in one large matrix product."""
    import onnxruntime
    import torch

    from unseen.detectors import load
    from unseen.export.evidence import express_evidence
    from unseen.export.graph import Graph
    from unseen.nn.folding import fold_flow

    del exported
    torch.set_num_threads(1)
    detector: Any = load(model)
    width = len(detector.preparer_.names)
    graph = Graph()
    graph.input("x", np.float32, ("rows", width))
    views = [view for member in detector.members_ for view in express_evidence(member, graph, "x")]
    graph.output("y", graph.concat([graph.unsqueeze(view) for view in views]), np.float64, ("rows", len(views)))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        graph.model().SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    flops = sum(
        sum(2 * p.numel() for p in m.scorer.encoder.parameters() if p.ndim > 1)
        + fold_flow(m.scorer.flow).flops
        + sum(2 * w.matrix.numel() for w in (m.scorer.latent_projection, m.scorer.row_projection) if w is not None)
        for m in detector.members_
    )
    x = np.random.default_rng(0).normal(size=(512, width)).astype(np.float32)
    a = torch.randn(1024, 1024)
    network = _seconds(lambda: session.run(None, {"x": x})) / len(x)
    gemm = 2 * 1024**3 / _seconds(lambda: a @ a)
    return {
        "flop_per_row": flops,
        "network_us": 1e6 * network,
        "gemm_gflops": gemm / 1e9,
        "share": flops / network / gemm,
    }


def _seconds(work: Callable[[], object], least: float = 1.0) -> float:
    """The best of repeated runs: other processes only ever add time."""
    taken, end = [], time.perf_counter() + least
    while len(taken) < 5 or time.perf_counter() < end:
        began = time.perf_counter()
        work()
        taken.append(time.perf_counter() - began)
    return min(taken)


TASKS: dict[str, Callable[..., dict[str, float]]] = {
    "score": task_score,
    "rival": task_rival,
    "latency": task_latency,
    "limit": task_limit,
}


def run_task(name: str, words: list[str]) -> None:
    found = TASKS[name](*words)
    # What getrusage tells is at least the peak of the process that started this one.
    peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    found["peak_mb"] = int(peak.split()[1]) / 1024
    sys.stdout.write(json.dumps(found) + "\n")


# ---- the page --------------------------------------------------------------------------------------------------------


def machine() -> dict[str, str]:
    import onnxruntime
    import torch

    names = [line.partition(":")[2].strip() for line in _cpu_lines() if line.startswith("model name")]
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "processor": f"{len(os.sched_getaffinity(0))} cores of {names[0] if names else platform.processor()}",
        "load before": f"{os.getloadavg()[0]:.1f}",
        "software": f"Python {platform.python_version()}, torch {torch.__version__}, "
        f"onnxruntime {onnxruntime.__version__}, numpy {np.__version__}, pyarrow {pa.__version__}",
    }


def _cpu_lines() -> list[str]:
    place = Path("/proc/cpuinfo")
    return place.read_text().splitlines() if place.exists() else []


def page(results: dict[str, Any]) -> str:
    return "\n".join(_lines(results)) + "\n"


def _lines(results: dict[str, Any]) -> Iterator[str]:
    yield "# Performance"
    yield ""
    yield "Generated by `benchmarks/performance.py`; nothing here is written by hand."
    yield ""
    yield from (f"- {name}: {value}" for name, value in results["machine"].items())
    yield ""
    yield "Rows of `cicids2017_original`, repeated; from a Parquet file to scores on the disk, the model loaded. Rivals"
    yield "read and prepare with this project's code on one thread; their own scoring may use more."
    yield ""
    yield from _table(("method", "rows", "rows/s", "times paper, ONNX", "peak MB"), _methods(results["methods"]))
    yield "## From ten thousand to ten million rows"
    yield ""
    yield "`LatentSculptor`, preset `fast`, exported. Memory must not grow with the file."
    yield ""
    rows = [(f"{r['rows']:,}", _speed(r), f"{r['peak_mb']:.0f}") for r in results["rows"]]
    yield from _table(("rows", "rows/s", "peak MB"), rows)
    yield "## From few columns to many"
    yield ""
    columns = [(str(r["columns"]), _speed(r), f"{r['peak_mb']:.0f}") for r in results["columns"]]
    yield from _table(("columns", "rows/s", "peak MB"), columns)
    latency, limit = results["latency"], results["limit"]
    yield "## One row, and the limit"
    yield ""
    yield f"- One row in process, from an Arrow table to its p-value: {latency['p50_ms']:.2f} ms (median), "
    yield f"  {latency['p99_ms']:.2f} ms (99th percentile)."
    yield f"- The networks take {limit['flop_per_row'] / 1e3:,.0f} kFLOP a row and {limit['network_us']:.2f} µs on one"
    yield f"  core, {100 * limit['share']:.0f} % of what a 1,024 × 1,024 matrix product reaches there "
    yield f"  ({limit['gemm_gflops']:.0f} GFLOP/s)."


def _methods(found: list[dict[str, Any]]) -> list[tuple[str, ...]]:
    reference = next((m["rows"] / m["seconds"] for m in found if m["name"] == "paper, ONNX"), None)
    lines = []
    for m in sorted(found, key=lambda m: -m["rows"] / m["seconds"]):
        times = "" if reference is None else f"{m['rows'] / m['seconds'] / reference:.1f}"
        lines.append((m["name"], f"{m['rows']:,}", _speed(m), times, f"{m['peak_mb']:.0f}"))
    return lines


def _speed(result: dict[str, Any]) -> str:
    return f"{result['rows'] / result['seconds']:,.0f}"


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield f"|---{'|---:' * (len(head) - 1)}|"
    yield from (f"| {' | '.join(row)} |" for row in rows)
    yield ""


if __name__ == "__main__":
    if sys.argv[1:2] == ["--task"]:
        run_task(sys.argv[2], sys.argv[3:])
    else:
        main()
