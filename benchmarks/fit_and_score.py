"""Time and memory of `unseen fit` on all training rows, and of `unseen score` on 100,000 and 1,000,000 rows.

    python benchmarks/fit_and_score.py            # needs UNSEEN_DATA_DIR with cicids2017_original

Each command runs in a process of its own, whose peak memory the operating system reports. The rows to score are the
data set's own, repeated; the ratio of the two peaks says whether memory grows with the file.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from unseen.sources.catalog import entry, find

HIDDEN = "Bot,Infiltration,DoS slowloris,DoS Slowhttptest"


def measured(*words: str) -> dict[str, float]:
    """Run the command line in a process of its own: seconds, and peak memory in MB."""
    code = (
        "import resource, sys; from unseen.cli import main\n"
        "try: main(sys.argv[1:])\n"
        "except SystemExit as end:\n"
        "    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss); raise\n"
    )
    began = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - began
    if done.returncode:
        sys.exit(done.stderr)
    return {"seconds": round(seconds, 1), "peak_mb": round(int(done.stdout.split()[-1]) / 1024, 1)}


def repeated(table: pa.Table, rows: int, path: Path) -> None:
    """Write a Parquet file of so many rows, the table's own in turn."""
    with pq.ParquetWriter(path, table.schema) as writer:
        left = rows
        while left:
            part = table.slice(0, min(left, table.num_rows))
            writer.write_table(part, row_group_size=65_536)
            left -= part.num_rows


def main() -> None:
    known, data = entry("cicids2017_original"), find("cicids2017_original")
    table = pq.read_table(data)
    results: dict[str, object] = {}
    with tempfile.TemporaryDirectory() as folder:
        model = str(Path(folder) / "m.unseen")
        results["fit, all training rows"] = measured(
            "fit",
            str(data),
            "--label",
            known.label,
            "--normal",
            known.normal,
            "--hide",
            HIDDEN,
            "--ignore",
            ",".join(known.metadata),
            "--out",
            model,
            "--quiet",
        )
        for rows in (100_000, 1_000_000):
            source = Path(folder) / f"{rows}.parquet"
            repeated(table, rows, source)
            result = measured("score", model, str(source), "--out", str(Path(folder) / "scores.parquet"), "--quiet")
            results[f"score, {rows:,} rows"] = result | {"rows_per_second": round(rows / result["seconds"])}
            source.unlink()
    small, large = (results[f"score, {rows:,} rows"]["peak_mb"] for rows in (100_000, 1_000_000))  # type: ignore[index]
    results["peak at 1,000,000 rows / at 100,000"] = round(large / small, 3)
    machine = {"cores": os.cpu_count(), "python": platform.python_version(), "processor": platform.machine()}
    print(json.dumps({"date": datetime.now(UTC).date().isoformat(), **machine, **results}, indent=1))


if __name__ == "__main__":
    main()
