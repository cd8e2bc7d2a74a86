"""Make the golden exported model of the present format version; see README.md beside this file."""

from __future__ import annotations

import sys
from pathlib import Path

from unseen.artifact import FORMAT_VERSION as MODEL_VERSION
from unseen.detectors import load
from unseen.export import export_detector
from unseen.runtime.metadata import FORMAT_VERSION

HERE = Path(__file__).parent


def main() -> None:
    made = HERE / f"exported-{FORMAT_VERSION}.onnx"
    export_detector(load(HERE / f"format-{MODEL_VERSION}.unseen"), made, check=HERE / "rows.csv")
    sys.stdout.write(f"exported format {FORMAT_VERSION}: {made.stat().st_size:,} bytes\n")


if __name__ == "__main__":
    main()
