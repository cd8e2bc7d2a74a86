"""An analyst's verdicts as operators: what nearness to judged rows does to a score."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from unseen.detectors.verdicts import Verdicts
from unseen.export.calibration import express_maps
from unseen.export.graph import Graph

__all__ = ["express_verdicts"]

# Places are whitened, so that rows lie about one from each other. A row that was judged has its own place, but for what
# single precision rounds, and must be taken for itself here, too.
_ROUNDING = 1e-5


def express_verdicts(graph: Graph, score: str, places: str, verdicts: Verdicts) -> str:
    """The scores after the verdicts; see :meth:`~unseen.detectors.verdicts.Verdicts.apply`.

    Arguments:
        graph: The graph.
        score: The detector's own scores, float64, shape (rows,).
        places: Where the rows lie, float32, shape (rows, dimensions).
        verdicts: The verdicts, at least one.
    """
    places = graph.float64(places)
    to_anomaly = _nearest(graph, places, verdicts.anomalies) if len(verdicts.anomalies) else None
    if len(verdicts.normals):
        to_normal = _nearest(graph, places, verdicts.normals)
        cleared = graph("LessOrEqual", to_normal, graph.constant(verdicts.same + _ROUNDING, np.float64))
        if to_anomaly is not None:
            cleared = graph("And", cleared, graph("Less", to_normal, to_anomaly))
        score = graph("Where", cleared, graph("Mul", score, graph.constant(0.5, np.float64)), score)
    if verdicts.near is None or to_anomaly is None:
        return score
    near = express_maps(graph, graph.unsqueeze(graph("Neg", to_anomaly)), [verdicts.near])
    near = graph("Sub", near, graph.constant(verdicts.offset, np.float64))
    return graph.reduced(graph.concat([graph.unsqueeze(score), near]), "ReduceMax")


def _nearest(graph: Graph, places: str, references: NDArray[np.float32]) -> str:
    """The distance of each place to its nearest reference, shape (rows,)."""
    differences = graph("Sub", graph.unsqueeze(places), graph.constant(references[None], np.float64))
    return graph("Sqrt", graph.reduced(graph.reduced(differences, "ReduceSumSquare", axis=2), "ReduceMin"))
