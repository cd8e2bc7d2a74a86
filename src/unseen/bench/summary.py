"""One line for each method on each protocol: means over held-out groups, medians over seeds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import fmean, median

from pydantic import BaseModel, ConfigDict

from unseen.bench.protocol import Protocol
from unseen.bench.results import CellResult
from unseen.jobs.evaluate import Evaluation

__all__ = ["MethodSummary", "summarise"]


class MethodSummary(BaseModel):
    """A method's figures on one protocol; rates are keys such as ``"0.01"``.

    Attributes:
        protocol: The protocol.
        setting: Caps and shots.
        method: The method with the parameters that were set.
        seeds: The seeds over which medians are taken.
        cells: Cells done.
        failed: Cells failed; figures are then over fewer cells than other methods'.
        auroc: Macro AUROC over unseen groups, or classes where the protocol holds out classes.
        auprc: The same for AUPRC at 1 % prevalence; pooled rows of a cell.
        recall: The same for recall, by rate.
        known_auroc: AUROC of known classes.
        known_recall: Recall of known rows, by rate.
        realised: The share of test normals that raised an alarm, by rate.
        within: The share of cells whose count of false alarms lies in its 95 % interval, by rate.
        unseen_f1: Class-weighted balanced F1 of unseen classes, by rate.
        known_f1: Balanced F1 of known classes, by rate.
        weighted: AUROC and average precision at balance, weighted as the F1.
        classes: Median recall of each unseen class, by rate.
        class_auroc: Median AUROC of each unseen class.
        strict: AUROC, recall and F1 of the strict figure, where the protocol has one.
        with_dropped: AUROC and recall with duplicates and conflicts kept.
        fit_seconds: Median over cells.
        rows_per_second: Median over cells.
        peak_memory: The largest, bytes.
        row_dependent: Cells in which scores depended on the other rows of the batch.
    """

    model_config = ConfigDict(frozen=True)

    protocol: str
    setting: str
    method: str
    seeds: list[int]
    cells: int
    failed: int
    auroc: float
    auprc: float
    recall: dict[str, float]
    known_auroc: float | None
    known_recall: dict[str, float]
    realised: dict[str, float]
    within: dict[str, float]
    unseen_f1: dict[str, float]
    known_f1: dict[str, float]
    weighted: dict[str, float]
    classes: dict[str, dict[str, float]]
    class_auroc: dict[str, float]
    strict: dict[str, float] | None
    with_dropped: dict[str, float] | None
    fit_seconds: float
    rows_per_second: float
    peak_memory: int | None
    row_dependent: int


def summarise(results: Iterable[CellResult], protocols: Sequence[Protocol]) -> list[MethodSummary]:
    """Summaries of all results of the given protocols, best macro AUROC first.

    Arguments:
        results: Results, of any protocols.
        protocols: The protocols to summarise, in this order.
    """
    by: dict[tuple[str, str, str], list[CellResult]] = {}
    for result in results:
        by.setdefault((result.key.protocol, result.key.setting.name, result.label), []).append(result)
    made = []
    for protocol in protocols:
        lines = [
            _method_summary(protocol, setting, label, cells)
            for (name, setting, label), cells in by.items()
            if name == protocol.name and any(cell.status == "done" for cell in cells)
        ]
        made += sorted(lines, key=lambda line: (line.setting, -line.auroc))
    return made


def _method_summary(protocol: Protocol, setting: str, label: str, cells: Sequence[CellResult]) -> MethodSummary:
    done = [cell for cell in cells if cell.measures is not None]
    by_seed = [[c for c in done if c.key.seed == seed] for seed in sorted({c.key.seed for c in done})]
    seeds = [_seed_figures(protocol, group) for group in by_seed]
    figures = _medians(seeds)
    costs = [cell.cost for cell in done if cell.cost is not None]
    classes = _class_figures(done)

    def under(prefix: str) -> dict[str, float]:
        return {k.removeprefix(prefix): value for k, value in figures.items() if k.startswith(prefix)}

    return MethodSummary(
        protocol=protocol.name,
        setting=setting,
        method=label,
        seeds=sorted({c.key.seed for c in done}),
        cells=len(done),
        failed=len(cells) - len(done),
        auroc=figures["auroc"],
        auprc=figures["auprc"],
        recall=under("recall "),
        known_auroc=figures.get("known_auroc"),
        known_recall=under("known_recall "),
        realised=under("realised "),
        within=under("within "),
        unseen_f1=under("unseen_f1 "),
        known_f1=under("known_f1 "),
        weighted=under("weighted "),
        classes={name: {k: v for k, v in found.items() if k != "auroc"} for name, found in classes.items()},
        class_auroc={name: found["auroc"] for name, found in classes.items()},
        strict=under("strict ") or None,
        with_dropped=under("with_dropped ") or None,
        fit_seconds=median(cost.fit_seconds for cost in costs),
        rows_per_second=median(cost.rows_per_second for cost in costs),
        peak_memory=max((cost.peak_memory for cost in costs if cost.peak_memory is not None), default=None),
        row_dependent=sum(cell.row_independent is False for cell in done),
    )


def _seed_figures(protocol: Protocol, cells: Sequence[CellResult]) -> dict[str, float]:
    """Means over the cells of one seed; groups too small to say something count only if all are."""
    large = [c for c in cells if c.measures and c.measures.main.summary["unseen"]["rows"] >= protocol.fewest_for_mean]
    return _means([_cell_figures(protocol, cell) for cell in large or cells])


def _cell_figures(protocol: Protocol, cell: CellResult) -> dict[str, float]:
    assert cell.measures is not None
    measures, main = cell.measures, cell.measures.main
    figures = {
        **_unseen_figures(protocol, main),
        "auprc": main.summary["unseen"]["auprc_at_1_percent"],
        **{f"realised {at.rate:g}": at.realised for at in main.rates},
        **{f"within {at.rate:g}": float(at.within) for at in main.rates},
        **{f"weighted {name}": value for name, value in measures.weighted.items()},
        **{f"{kind}_f1 {rate}": value for kind, at in measures.f1.items() for rate, value in at.items()},
    }
    if "known" in main.summary:
        figures["known_auroc"] = main.summary["known"]["auroc"]
        figures |= {f"known_recall {at.rate:g}": main.summary["known"][f"recall_{at.rate:g}"] for at in main.rates}
    if measures.strict is not None:
        figures |= {f"strict {name}": value for name, value in _unseen_figures(protocol, measures.strict).items()}
    # A cell from which nothing was dropped has the same figure either way.
    kept = measures.with_dropped or main
    return figures | {f"with_dropped {name}": value for name, value in _unseen_figures(protocol, kept).items()}


def _unseen_figures(protocol: Protocol, result: Evaluation) -> dict[str, float]:
    """AUROC and recall of a cell's unseen rows: pooled where the cell is one group, else the mean over its classes."""
    prefix = "" if protocol.hold_out == "groups" else "macro_"
    unseen = result.summary["unseen"]
    recall = {f"recall {at.rate:g}": unseen[f"{prefix}recall_{at.rate:g}"] for at in result.rates}
    return {"auroc": unseen[f"{prefix}auroc"], **recall}


def _class_figures(cells: Sequence[CellResult]) -> dict[str, dict[str, float]]:
    found: dict[str, list[dict[str, float]]] = {}
    for cell in cells:
        for c in cell.measures.main.classes if cell.measures is not None else []:
            if not c.known:
                found.setdefault(c.name, []).append({"auroc": c.auroc, **c.recall})
    return {name: _medians(figures) for name, figures in sorted(found.items())}


def _means(figures: Sequence[dict[str, float]]) -> dict[str, float]:
    return {name: fmean(f[name] for f in figures if name in f) for name in _names(figures)}


def _medians(figures: Sequence[dict[str, float]]) -> dict[str, float]:
    return {name: median(f[name] for f in figures if name in f) for name in _names(figures)}


def _names(figures: Sequence[dict[str, float]]) -> list[str]:
    return list(dict.fromkeys(name for f in figures for name in f))
