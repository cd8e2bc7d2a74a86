"""Detectors as ONNX models: a graph that prepares, scores and calibrates, and a check that it does so faithfully."""

from __future__ import annotations

from unseen.export.detectors import express_detector
from unseen.export.evidence import NotExpressible, express_evidence
from unseen.export.parity import TOLERANCE, Parity, compare
from unseen.export.write import build_model, export_detector

__all__ = [
    "TOLERANCE",
    "NotExpressible",
    "Parity",
    "build_model",
    "compare",
    "export_detector",
    "express_detector",
    "express_evidence",
]
