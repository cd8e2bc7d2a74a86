"""Run by .ci/run in an environment that has the wheel alone: the base must work, and say what an extra would bring."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import tempfile
from pathlib import Path


def run(*words: str) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name("unseen")), *words]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def expect(condition: bool, what: str) -> None:
    if not condition:
        sys.exit(f"base smoke test failed: {what}")
    sys.stdout.write(f"ok: {what}\n")


def main() -> None:
    for module in ("torch", "sklearn", "zuko", "onnx"):
        expect(importlib.util.find_spec(module) is None, f"{module} is not installed")
    import unseen

    expect(bool(unseen.__version__), "the package imports")
    helped = run("--help")
    expect(helped.returncode == 0 and "evaluate" in helped.stdout, "--help works")
    listed = run("data", "list")
    expect(listed.returncode == 0 and "cicids2017" in listed.stdout, "the catalog is listed")
    refused = run("demo")
    expect(refused.returncode == 2 and "pip install 'unseen[train]'" in refused.stderr, "demo names the extra")
    golden = Path(__file__).parent / "golden"
    model, rows = sorted(golden.glob("exported-*.onnx"))[-1], golden / "rows.csv"
    with tempfile.TemporaryDirectory() as folder:
        missing = run("info", str(Path(folder) / "none.unseen"))
        scored = run("score", str(model), str(rows), "--out", str(Path(folder) / "scores.parquet"))
    expect(scored.returncode == 0 and "alarms" in scored.stdout, "an exported model scores a file without torch")
    expect(missing.returncode == 2 and "there is no model file" in missing.stderr, "info reads model files")
    try:
        unseen.LatentSculptor  # noqa: B018
    except ImportError as error:
        expect("unseen[train]" in str(error), "Python names the extra too")


if __name__ == "__main__":
    main()
