"""Detectors as operators: how their evidences become one anomaly score, found by the detector's class."""

from __future__ import annotations

from functools import singledispatch

import numpy as np

from unseen.detectors import Detector, LatentSculptor, MetaLearner, UnseenDetector
from unseen.detectors.sculptor import SQUEEZED
from unseen.detectors.unseen import KNOWN_OFFSET
from unseen.evidence import EVIDENCES
from unseen.export.calibration import express_fusion, express_maps
from unseen.export.evidence import NotExpressible, express_evidence, express_places
from unseen.export.graph import Graph
from unseen.export.verdicts import express_verdicts

__all__ = ["express_detector"]


@singledispatch
def express_detector(detector: Detector, graph: Graph, x: str) -> str:
    """The anomaly score of prepared rows.

    Arguments:
        detector: The fitted detector.
        graph: The graph.
        x: The prepared rows, float32, shape (rows, columns).

    Returns:
        A float64 tensor of shape (rows,).

    Raises:
        NotExpressible: If the detector or a part of it has no form in ONNX.
    """
    raise NotExpressible(f"the detector {type(detector).__name__} cannot be expressed in ONNX")


@express_detector.register
def _(detector: LatentSculptor, graph: Graph, x: str) -> str:
    views = [view for member in detector.members_ for view in express_evidence(member, graph, x)]
    if detector.recipe_.fusion == "triage-first":
        return _triage_first(graph, *views, highest=detector.highest_density_)
    raw = graph.concat([graph.unsqueeze(view) for view in views])
    weights = np.tile([detector.recipe_.triage_weight, 1.0], len(detector.members_))
    return express_fusion(graph, express_maps(graph, raw, detector.maps_), "fisher", weights / weights.sum())


@express_detector.register
def _(detector: UnseenDetector, graph: Graph, x: str) -> str:
    views = [view for evidence in detector.evidences_.values() for view in express_evidence(evidence, graph, x)]
    mapped = express_maps(graph, graph.concat([graph.unsqueeze(view) for view in views]), detector.maps_)
    weights = np.array(list(detector.weights_.values())) / len(detector.weights_)
    fused = express_fusion(graph, mapped, "fisher", weights)
    score = express_maps(graph, graph.unsqueeze(fused), [detector.fused_map_])
    known = [number for number, view in enumerate(detector.views_) if EVIDENCES[view.split(".")[0]].alone]
    if known:
        # What the trees know may raise an alarm alone.
        offset = graph.constant(KNOWN_OFFSET, np.float64)
        score = graph.concat([score, graph("Sub", graph.columns(mapped, known), offset)])
    score = graph.reduced(score, "ReduceMax")
    if detector.verdicts_ is None or detector.space_ is None:
        return score
    places = express_places(detector.space_.flow.scorer, graph, x)
    return express_verdicts(graph, score, places, detector.verdicts_)


@express_detector.register
def _(detector: MetaLearner, graph: Graph, x: str) -> str:
    raise NotExpressible(
        "MetaLearner moves each row along its network's gradient before it scores it, and a graph for scoring has no "
        "gradients; score with the model itself"
    )


def _triage_first(graph: Graph, triage: str, density: str, *, highest: float) -> str:
    """See ``LatentSculptor``: the squeezed density, and every triaged row above all others."""
    zero, top = graph.constant(0.0, np.float64), graph.constant(highest, np.float64)
    excess = graph("Max", graph("Sub", density, top), zero)
    squeezed = graph("Add", graph("Min", density, top), _log1p(graph, excess))
    offset = graph.constant(highest + SQUEEZED, np.float64)
    above = graph("Add", offset, _log1p(graph, graph("Max", triage, zero)))
    return graph("Where", graph("Greater", triage, zero), above, squeezed)


def _log1p(graph: Graph, values: str) -> str:
    return graph("Log", graph("Add", values, graph.constant(1.0, np.float64)))
