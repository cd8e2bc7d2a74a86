"""Results made up for the tests of the statistics."""

from __future__ import annotations

from unseen.bench.cell import CellKey
from unseen.bench.measure import Measures
from unseen.bench.protocol import Protocol, Setting
from unseen.bench.results import CellResult
from unseen.jobs.evaluate import Evaluation

GROUPS = Protocol(name="p", title="P", dataset="p", hold_out="groups")


def made_result(
    method: str,
    held_out: str,
    seed: int,
    auroc: float | None,
    *,
    protocol: str = "p",
    rows: int = 100,
    recall: float | None = 0.5,
) -> CellResult:
    """A result of one held-out group; without an AUROC a failure, without a recall one whose rate was refused."""
    measures = None
    if auroc is not None:
        summary = {"rows": float(rows), "auroc": auroc}
        if recall is not None:
            summary["recall_0.01"] = recall
        main = Evaluation(
            rows=rows, left_out=0, refused_rates={}, rates=[], classes=[], summary={"unseen": summary}, notes=[]
        )
        measures = Measures(main=main, f1={}, weighted={})
    return CellResult(
        key=CellKey(protocol=protocol, setting=Setting(), held_out=held_out, seed=seed, classes=(held_out,)),
        method=method,
        parameters={},
        status="failed" if auroc is None else "done",
        split_digest=None,
        data_digest="d",
        protocol_digest="p",
        run="r",
        measures=measures,
    )
