"""Exported evidences score what the evidences score, in whatever place a row stands."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnxruntime
import pytest

from unseen.errors import ArtifactError
from unseen.evidence import EVIDENCES, Evidence, EvidenceRows
from unseen.evidence.recipes import FASTER
from unseen.export.evidence import express_evidence
from unseen.export.graph import Graph
from unseen.export.trees import boosted_trees

COLUMNS = 7


def rows(seed: int, count: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    made = rng.normal(size=(count, COLUMNS)) @ rng.normal(size=(COLUMNS, COLUMNS)) / 2.0
    # Rounded values lie exactly on the trees' thresholds.
    made[:, :3] = made[:, :3].round(1)
    return np.clip(made, -10.0, 10.0).astype(np.float32)


def fitted(name: str) -> Evidence:
    known = rows(1, 60) + np.float32(2.0)
    classes = np.array(["scan", "flood"] * 30)
    data = EvidenceRows(rows(0, 400), known[:40], classes[:40], rows(2, 80), known[40:], classes[40:])
    if name == "sculpted":
        short = FASTER.model_copy(update={"encoder_steps": 10, "flow_steps": 10})
        return EVIDENCES[name].fit(data, seed=0, recipe=short)  # type: ignore[call-arg]
    return EVIDENCES[name].fit(data, seed=0)


def exported(evidence: Evidence) -> Any:
    graph = Graph()
    graph.input("x", np.float32, ("rows", COLUMNS))
    for number, view in enumerate(express_evidence(evidence, graph, "x")):
        graph.output(f"view {number}", view, np.float64, ("rows",))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(graph.model().SerializeToString(), options, providers=["CPUExecutionProvider"])


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("name", EVIDENCES)
def test_every_evidence_is_exported(name: str) -> None:
    evidence = fitted(name)
    session = exported(evidence)
    X = np.concatenate([rows(3, 300), rows(0, 212), rows(1, 80) + np.float32(2.0)])
    found = np.column_stack(session.run(None, {"x": X}))
    expected = evidence.score(X)
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    assert np.ptp(expected, axis=0).min() > 0
    order = np.random.default_rng(0).permutation(len(X))
    for size in (592, 512, 16):
        chosen = order[:size]
        np.testing.assert_array_equal(np.column_stack(session.run(None, {"x": X[chosen]})), found[chosen])


def test_boosted_trees_are_read_from_their_text() -> None:
    evidence: Any = fitted("known")
    trees = boosted_trees(evidence.texts[0])
    assert len(trees) == 100
    assert all((tree.column < COLUMNS).all() for tree in trees)
    with pytest.raises(ArtifactError, match="boosted trees are damaged"):
        boosted_trees(evidence.texts[0].replace("leaf_value", "leaf_colour"))
    with pytest.raises(ArtifactError, match="cannot be expressed"):
        boosted_trees(evidence.texts[0].replace("decision_type=2", "decision_type=1"))
