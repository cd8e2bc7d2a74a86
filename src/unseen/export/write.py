"""A fitted detector as one ONNX file: inputs, preparation, evidences, fusion, calibration, and what they mean."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from unseen import __version__
from unseen.atomic import atomic_write, check_writable
from unseen.calibrate.checks import check_rate
from unseen.detectors import Detector
from unseen.errors import InputError
from unseen.export.calibration import express_calibration
from unseen.export.detectors import express_detector
from unseen.export.graph import Graph
from unseen.export.parity import Parity, compare
from unseen.export.preparation import express_preparation
from unseen.runtime import OnnxScorer
from unseen.runtime.metadata import FORMAT, FORMAT_VERSION, KEY

__all__ = ["build_model", "export_detector"]


def build_model(detector: Detector, *, false_alarm_rate: float | None = None) -> Any:
    """The ONNX model of a fitted detector.

    Inputs are ``numbers`` (float64) and ``categories`` (int64 codes), as far as the detector has such columns, with
    any number of rows, and ``false_alarm_rate`` (float64, one number), which may be left out. Outputs are
    ``anomaly_score``, ``p_value`` and ``alarm``, one a row, and ``threshold``, the score an alarm exceeds.

    Arguments:
        detector: The fitted detector.
        false_alarm_rate: The default of the input; the detector's own by default.

    Raises:
        NotExpressible: If a part of the detector has no form in ONNX.
        CalibrationError: If there are too few calibration rows for the rate.
    """
    rate = check_rate(detector.false_alarm_rate if false_alarm_rate is None else false_alarm_rate)
    detector.calibrator_.threshold(rate)
    graph = Graph()
    prepared = express_preparation(graph, detector.preparer_)
    score = express_detector(detector, graph, prepared.rows)
    calibrated = express_calibration(graph, score, detector.calibrator_, rate)
    graph.output("anomaly_score", score, np.float64, ("rows",))
    graph.output("p_value", calibrated.p_value, np.float64, ("rows",))
    graph.output("alarm", calibrated.alarm, np.bool_, ("rows",))
    graph.output("threshold", calibrated.threshold, np.float64, ())
    return graph.model({KEY: json.dumps(_metadata(detector, rate), ensure_ascii=False, allow_nan=False)})


def export_detector(
    detector: Detector,
    path: str | os.PathLike[str],
    *,
    false_alarm_rate: float | None = None,
    check: str | Path | Sequence[str | Path] | None = None,
) -> Parity | None:
    """Write a fitted detector as one ONNX file, which needs neither torch nor this package's training part.

    Arguments:
        detector: The fitted detector.
        path: Where to write; the name ends in ``.onnx``.
        false_alarm_rate: The rate alarms are raised at unless another is asked for; the detector's own by default.
        check: Rows on which to compare the two; nothing is written if they disagree.

    Returns:
        The comparison, if one was asked for.

    Raises:
        NotExpressible: If a part of the detector has no form in ONNX.
        CalibrationError: If there are too few calibration rows for the rate.
        InputError: If the place cannot be written to, or the two disagree.
        MissingExtraError: If onnx is not installed.

    Example:
        >>> export_detector(detector, "m.onnx", check="tomorrow.parquet")  # doctest: +SKIP
    """
    if Path(path).suffix.lower() != ".onnx":
        raise InputError(f"{path}: an exported model is told by its name; let it end in .onnx")
    check_writable(Path(path))
    content = build_model(detector, false_alarm_rate=false_alarm_rate).SerializeToString()
    parity = None if check is None else compare(detector, OnnxScorer(path, content), check)
    if parity is not None and not parity.faithful:
        differing = max(alarm.differing - alarm.at_threshold for alarm in parity.alarms)
        raise InputError(
            f"{path}: not written, the exported model disagrees with the original on {parity.beyond} scores and "
            f"{differing} alarms of {parity.rows} rows.\nThis is a defect of the export: please report it."
        )
    with atomic_write(Path(path)) as file:
        file.write(content)
    return parity


# Parameters worth telling; a recipe of one's own is in the graph.
_PLAIN = (str, int, float, bool, list, tuple, type(None))


def _metadata(detector: Detector, rate: float) -> dict[str, Any]:
    calibrator = detector.calibrator_
    return {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "written_by": f"unseen {__version__}",
        "detector": type(detector).__name__,
        "parameters": {n: v for n, v in detector.get_params(deep=False).items() if isinstance(v, _PLAIN)},
        "false_alarm_rate": rate,
        "schema": detector.schema_.model_dump(mode="json"),
        "preparation": detector.preparer_.model_dump(mode="json"),
        "calibration": {"rows": calibrator.rows, "smallest_rate": calibrator.smallest_rate},
        "training": {"known_classes": detector.training_report_.get("known_classes", {})},
        "provenance": detector.provenance_,
    }
