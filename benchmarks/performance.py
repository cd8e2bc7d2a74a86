"""Rows a second, peak memory, latency, fitting time and the arithmetic limit, all in one run.

    python benchmarks/performance.py --out docs/performance.md    # needs UNSEEN_DATA_DIR with cicids2017_original
    python benchmarks/performance.py --quick --out quick.md       # a look: fewer rows everywhere

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
import shlex
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from performance_page import page
from performance_tasks import FIT_ROWS, RIVALS

TASKS = Path(__file__).with_name("performance_tasks.py")
# The published networks, trained for one epoch on few rows: their speed does not depend on it.
PAPER_ROWS = 3_000
# The slowest methods score a part of the rows; their rows a second do not depend on it.
SHARE = {"paper, torch": 0.05, "paper, ONNX": 0.1, "KNN (PyOD)": 0.02}


def main() -> None:
    chosen = arguments()
    began = time.perf_counter()
    with tempfile.TemporaryDirectory(dir=chosen.work) as folder:
        bench = Bench(Path(folder))
        results = {**machine(), "command": shlex.join(["python", "benchmarks/performance.py", *sys.argv[1:]])}
        results["fits"] = bench.fits(chosen.fit_rows)
        results["methods"] = bench.methods(chosen.rows)
        results["rows"] = bench.row_scaling(chosen.most_rows)
        results["latency"] = {name: bench.latency(name) for name in ("sculptor, ONNX", "unseen, ONNX", "unseen, torch")}
        results["parts"] = {name: measured("parts", model=bench.model(f"{name}, torch")) for name in OURS}
        results["columns"] = bench.column_scaling(chosen.columns, chosen.rows // 4)
        results["load after"] = os.getloadavg()[0]
        results["minutes"] = (time.perf_counter() - began) / 60
    text = page(results)
    chosen.out.write_text(text, encoding="utf-8")
    sys.stdout.write(text)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=200_000, help="rows each method scores")
    parser.add_argument("--most-rows", type=int, default=10_000_000, help="the end of the scaling in rows, from 10^4")
    parser.add_argument("--columns", default="20,77,200,500", help="the scaling in columns")
    parser.add_argument("--fit-rows", default="10000,30000,90000", help="the rows of the timed fits")
    parser.add_argument("--quick", action="store_true", help="20,000 rows, up to 10^5, fits on 5,000 and 10,000")
    parser.add_argument("--work", type=Path, default=None, help="a folder for the files, some hundred MB")
    parser.add_argument("--out", type=Path, required=True, help="the Markdown page to write")
    chosen = parser.parse_args()
    if chosen.quick:
        chosen.rows, chosen.most_rows, chosen.columns, chosen.fit_rows = 20_000, 100_000, "20,77", "5000,10000"
    chosen.columns, chosen.fit_rows = (
        [int(count) for count in text.split(",") if count] for text in (chosen.columns, chosen.fit_rows)
    )
    return chosen


# Our detectors by their names on the command line; the published networks are a preset of one of them.
OURS = ("sculptor", "unseen")


class Bench:
    """The measurements, and the files they share.

    Arguments:
        work: A folder for rows, models and scores.
    """

    def __init__(self, work: Path) -> None:
        self.work = work

    def model(self, name: str) -> str:
        """The file of a model: ``"unseen, ONNX"`` and the like."""
        stem, _, kind = name.partition(", ")
        return str(self.work / f"{stem}.{'onnx' if kind == 'ONNX' else 'unseen'}")

    def fits(self, counts: list[int]) -> list[dict[str, Any]]:
        """Time the fits; the models of ``FIT_ROWS`` rows, or of those nearest to it, are scored with later."""
        found = []
        scored = min(counts, key=lambda count: abs(count - FIT_ROWS))
        for name in OURS:
            for count in counts:
                out = self.work / (name if count == scored else f"{name}-{count}")
                result = measured("fit", detector=name, rows=count, out=str(out))
                found.append({"name": name, **result, "rows": count})
                note(f"fit {name} on {count:,} rows: {result['seconds']:.1f} s")
        short = {"preset": "paper", "encoder_epochs": 1, "flow_epochs": 1}
        measured("fit", detector="sculptor", rows=PAPER_ROWS, out=str(self.work / "paper"), **short)
        return found

    def data(self, rows: int) -> str:
        """A file of so many rows."""
        path = self.work / f"rows-{rows}.parquet"
        if not path.exists():
            measured("rows", rows=rows, out=str(path))
        return str(path)

    def score(self, name: str, data: str) -> dict[str, Any]:
        """Score a file with a model of ours."""
        return measured("score", model=self.model(name), data=data, out=str(self.work / "scores.parquet"))

    def methods(self, rows: int) -> list[dict[str, Any]]:
        """Every method on the same rows."""
        found = []
        for name in (*(f"{m}, {kind}" for m in (*OURS, "paper") for kind in ("ONNX", "torch")), *RIVALS):
            data = self.data(max(1_000, int(rows * SHARE.get(name, 1.0))))
            if name in RIVALS:
                result = measured("rival", name=name, data=data, out=str(self.work / "scores.parquet"))
            else:
                result = self.score(name, data)
            found.append({"name": name, **result})
            note(f"{name}: {result['rows'] / result['seconds']:,.0f} rows/s, {result['peak_mb']:.0f} MB")
        return found

    def row_scaling(self, most: int) -> list[dict[str, Any]]:
        """From 10^4 rows up; beyond 10^6 as a folder of links to one file of 10^6."""
        found, rows = [], 10_000
        while rows <= most:
            if rows <= 1_000_000:
                data = self.data(rows)
            else:
                folder = self.work / f"rows-{rows}"
                folder.mkdir()
                for number in range(rows // 1_000_000):
                    (folder / f"{number:03}.parquet").hardlink_to(self.data(1_000_000))
                data = str(folder)
            for name in (f"{detector}, ONNX" for detector in OURS):
                result = self.score(name, data)
                found.append({"name": name, **result})
                note(f"{name}, {rows:,} rows: {rows / result['seconds']:,.0f} rows/s, {result['peak_mb']:.0f} MB")
            rows *= 10
        return found

    def latency(self, name: str) -> dict[str, Any]:
        """One row at a time."""
        return measured("latency", model=self.model(name), rows=1_000)

    def column_scaling(self, counts: list[int], rows: int) -> list[dict[str, Any]]:
        """Models of other widths."""
        found = []
        for count in counts:
            stem, data = self.work / f"wide-{count}", str(self.work / "wide.parquet")
            fitted = measured("fit", detector="sculptor", rows=5_000, out=str(stem), columns=count)
            measured("rows", rows=rows, out=data, columns=count)
            result = measured("score", model=f"{stem}.onnx", data=data, out=str(self.work / "scores.parquet"))
            found.append({"columns": count, "prepared": fitted["prepared"], "fit": fitted["seconds"], **result})
            note(f"{count} columns: {rows / result['seconds']:,.0f} rows/s")
        return found


def measured(task: str, **words: Any) -> dict[str, Any]:
    """Run a task in a process of its own; what it found, and its peak memory in MB."""
    command = [sys.executable, str(TASKS), task, json.dumps(words)]
    # The engine's workers use the cores; libraries that start threads of their own beside them only get in their way.
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        sys.exit(f"{task} {words}: {done.stderr}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def machine() -> dict[str, Any]:
    """Where and when, and with what."""
    import onnxruntime
    import torch

    import unseen

    place = Path("/proc/cpuinfo")
    lines = place.read_text().splitlines() if place.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "version": unseen.__version__,
        "processor": f"{len(os.sched_getaffinity(0))} cores of {names[0] if names else platform.processor()}",
        "cores": len(os.sched_getaffinity(0)),
        "load before": os.getloadavg()[0],
        "software": f"Python {platform.python_version()}, torch {torch.__version__}, "
        f"onnxruntime {onnxruntime.__version__}, numpy {np.__version__}",
    }


def note(text: str) -> None:
    """Say how it goes."""
    sys.stderr.write(f"{datetime.now(UTC):%H:%M:%S} {text}\n")


if __name__ == "__main__":
    main()
