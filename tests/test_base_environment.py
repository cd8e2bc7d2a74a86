"""The base package alone, in an environment of its own: small, without torch, and able to score real rows."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import unseen
from unseen.export import export_detector

ROOT = Path(__file__).parents[1]
MOST_MEGABYTES = 450
MOST_SECONDS = 0.4


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("base")
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    command = [str(folder / "bin" / "pip"), "install", "--quiet", "--disable-pip-version-check", str(ROOT)]
    subprocess.run(command, check=True, capture_output=True)
    return folder


def python(environment: Path, code: str) -> str:
    done = subprocess.run(
        [str(environment / "bin" / "python"), "-c", code], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_it_is_small_and_has_no_torch(environment: Path) -> None:
    size = sum(path.stat().st_size for path in environment.rglob("*") if path.is_file() and not path.is_symlink())
    assert size < MOST_MEGABYTES * 1e6
    code = "import importlib.util as u; print([u.find_spec(m) for m in ('torch', 'sklearn', 'zuko', 'onnx')])"
    assert python(environment, code).strip() == "[None, None, None, None]"


@pytest.mark.slow
def test_it_is_imported_quickly(environment: Path) -> None:
    # Processor time, the least of several: that of the wall depends on what else the machine does.
    code = "import time; import unseen; unseen.load; import unseen.runtime; print(time.process_time())"
    assert min(float(python(environment, code)) for _ in range(5)) < MOST_SECONDS


@pytest.mark.slow
def test_it_scores_a_real_file(environment: Path, data_dir: Path, tmp_path: Path) -> None:
    table = pq.read_table(data_dir / "cicids2017_original.parquet")
    rows = np.sort(np.random.default_rng(0).permutation(table.num_rows)[:4000])
    labels = np.asarray(table.column("Label").to_pylist())[rows]
    X = table.take(pa.array(rows)).drop_columns(["Label", "label_source", "day_file"])
    detector = unseen.LatentSculptor(normal="BENIGN", members=1).fit(X, labels)
    detector.save(tmp_path / "m.unseen")
    pq.write_table(X, tmp_path / "rows.parquet")
    export_detector(detector, tmp_path / "m.onnx", false_alarm_rate=0.02, check=tmp_path / "rows.parquet")
    command = [environment / "bin" / "unseen", "score", tmp_path / "m.onnx", tmp_path / "rows.parquet"]
    done = subprocess.run([*map(str, command), "--out", str(tmp_path / "s.parquet")], check=False, capture_output=True)
    assert done.returncode == 0, done.stderr
    scores = pq.read_table(tmp_path / "s.parquet")
    np.testing.assert_allclose(scores.column("anomaly_score"), detector.anomaly_score(X), rtol=1e-3)
    np.testing.assert_array_equal(scores.column("alarm"), detector.alarm(X, false_alarm_rate=0.02))
