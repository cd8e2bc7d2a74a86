"""What is drawn and tabled from the stored scores of single rows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, median

import numpy as np
from numpy.typing import NDArray

from unseen.bench.cell import KNOWN, NORMAL, UNSEEN, read_arrays
from unseen.bench.report.gather import Section, kind_of
from unseen.bench.results import CellResult, read_latent, read_scores
from unseen.calibrate import ConformalCalibrator

__all__ = [
    "PERCENTILES",
    "Curve",
    "Histogram",
    "LatentMap",
    "PercentileTable",
    "histogram",
    "latent_map",
    "percentile_table",
    "recall_curves",
]

PERCENTILES = tuple(range(90, 100))
ROLES = {NORMAL: "normal", KNOWN: "known anomaly classes", UNSEEN: "unseen classes"}
_MOST_CURVES = 6
_CURVE_POINTS = 50
_LOWEST_RATE = 1e-3
_BINS = 60


@dataclass(frozen=True, eq=False)
class _Rows:
    """The test rows of a cell with a method's scores; rows that de-duplication took are not among them."""

    scores: NDArray[np.float64]
    calibration: NDArray[np.float64]
    role: NDArray[np.int8]
    labels: NDArray[np.str_]


@dataclass(frozen=True, eq=False)
class Curve:
    """Mean recall of a method against the share of test normals that raise an alarm."""

    method: str
    rates: NDArray[np.float64]
    recall: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Histogram:
    """Where the scores of a method lie on one cell, in widths of the calibration normals' middle half.

    Attributes:
        method: The method.
        cell: The cell in words.
        edges: Of the bins, after :func:`stretched`.
        shares: The share of each kind's rows in each bin, by kind.
        thresholds: By rate, after :func:`stretched`.
    """

    method: str
    cell: str
    edges: NDArray[np.float64]
    shares: dict[str, NDArray[np.float64]]
    thresholds: dict[float, float]


@dataclass(frozen=True, eq=False)
class LatentMap:
    """Test rows on the two main axes of a method's latent space, on one cell."""

    method: str
    cell: str
    points: dict[str, NDArray[np.float32]]
    share: float


@dataclass(frozen=True)
class PercentileTable:
    """Recall of each unseen class at thresholds that are percentiles of calibration normals; medians over seeds.

    Attributes:
        method: The method.
        normals: The share of test normals above each threshold; ``None`` where there are too few calibration rows.
        classes: Recall by class.
    """

    method: str
    normals: list[float | None]
    classes: dict[str, list[float | None]]


def stretched(values: NDArray[np.float64], calibration: NDArray[np.float64]) -> NDArray[np.float64]:
    """Scores on an axis that is even near the calibration normals and logarithmic far from them."""
    low, middle, high = np.quantile(calibration, [0.25, 0.5, 0.75])
    return np.asarray(np.arcsinh((values - middle) / (high - low or 1.0)))


def recall_curves(folder: Path, section: Section) -> list[Curve]:
    """Curves of the detectors and the best other methods, at most six, and of the stump.

    Arguments:
        folder: The results' folder.
        section: The protocol.
    """
    detectors = [line.method for line in section.ranked if kind_of(line.method) == "detector"]
    others = [line.method for line in section.ranked if line.method not in detectors]
    chosen = [*detectors, *others][:_MOST_CURVES]
    stump = [line.method for line in section.controls if line.method == "stump"]
    return [curve for method in [*chosen, *stump] if (curve := _curve(folder, section, method)) is not None]


def _curve(folder: Path, section: Section, method: str) -> Curve | None:
    recalls: dict[str, list[NDArray[np.float64]]] = {}
    counts: dict[str, int] = {}
    fewest = 1.0
    rates = np.geomspace(_LOWEST_RATE, 1.0, _CURVE_POINTS)
    for result in section.by_method.get(method, []):
        rows = _read(folder, result)
        normals = np.sort(rows.scores[rows.role == NORMAL])
        fewest = min(fewest, 1 / normals.size)
        above = np.minimum(np.floor(rates * normals.size + 1e-9).astype(np.intp), normals.size)
        # As many normals as the rate allows lie above the threshold; all of them at a rate of 1.
        thresholds = np.append(-np.inf, normals)[normals.size - above]
        for name, scores in _units(section, result, rows):
            recalls.setdefault(name, []).append((scores[:, None] > thresholds).mean(axis=0))
            counts[name] = scores.size
    if not recalls:
        return None
    large = [name for name in recalls if counts[name] >= section.protocol.fewest_for_mean] or list(recalls)
    mean = np.mean([np.mean(recalls[name], axis=0) for name in large], axis=0)
    shown = rates >= fewest
    return Curve(method, rates[shown], mean[shown])


def _units(section: Section, result: CellResult, rows: _Rows) -> Iterator[tuple[str, NDArray[np.float64]]]:
    """Scores of the held-out group, or of each held-out class."""
    unseen = rows.role == UNSEEN
    if section.protocol.hold_out == "groups":
        yield result.key.held_out, rows.scores[unseen]
        return
    for name in np.unique(rows.labels[unseen]):
        yield str(name), rows.scores[unseen & (rows.labels == name)]


def histogram(folder: Path, section: Section) -> Histogram | None:
    """The scores of the featured method on its typical cell: the first seed, the group of middle AUROC."""
    result = _typical(section)
    if result is None:
        return None
    rows = _read(folder, result)
    places = stretched(rows.scores, rows.calibration)
    low, high = np.quantile(places[np.isfinite(places)], [0.001, 0.999])
    # Few rows in many bins would be spikes.
    bins = int(np.clip(3 * np.sqrt(np.bincount(rows.role).min(initial=_BINS**2)), _BINS // 3, _BINS))
    edges = np.linspace(low, high if high > low else low + 1.0, bins + 1)
    clipped = np.clip(places, edges[0], edges[-1])
    calibrator = ConformalCalibrator(rows.calibration)
    rates = [rate for rate in (0.05, 0.01) if rate >= calibrator.smallest_rate]
    thresholds = stretched(np.array([calibrator.threshold(rate) for rate in rates]), rows.calibration)
    return Histogram(
        method=result.label,
        cell=_cell_words(section, result),
        edges=edges,
        shares={
            name: np.histogram(clipped[rows.role == role], edges)[0] / count
            for role, name in ROLES.items()
            if (count := int(np.count_nonzero(rows.role == role)))
        },
        thresholds=dict(zip(rates, thresholds.tolist(), strict=True)),
    )


def latent_map(folder: Path, section: Section) -> LatentMap | None:
    """The featured method's latent space on its typical cell, where its results hold one."""
    result = _typical(section)
    stored = {} if result is None else read_latent(folder, result)
    if result is None or not stored:
        return None
    role = _read(folder, result).role[stored["latent_rows"]]
    return LatentMap(
        method=result.label,
        cell=_cell_words(section, result),
        points={name: stored["latent"][role == number] for number, name in ROLES.items() if (role == number).any()},
        share=float(stored["latent_share"].sum()),
    )


def percentile_table(folder: Path, section: Section) -> PercentileTable | None:
    """Thresholds P90 to P99 of the featured method: recall of each unseen class, and the normals above."""
    if section.featured is None:
        return None
    normals: list[list[float]] = [[] for _ in PERCENTILES]
    classes: dict[str, list[list[float]]] = {}
    for result in section.by_method[section.featured.method]:
        rows = _read(folder, result)
        calibrator = ConformalCalibrator(rows.calibration)
        names = np.unique(rows.labels[rows.role == UNSEEN])
        for position, percentile in enumerate(PERCENTILES):
            rate = (100 - percentile) / 100
            if rate < calibrator.smallest_rate:
                continue
            above = rows.scores > calibrator.threshold(rate)
            normals[position].append(float(above[rows.role == NORMAL].mean()))
            for name in names:
                of_class = classes.setdefault(str(name), [[] for _ in PERCENTILES])
                of_class[position].append(float(above[(rows.role == UNSEEN) & (rows.labels == name)].mean()))
    return PercentileTable(
        method=section.featured.method,
        # Normals are the same kind of rows in each cell, so all cells count; a class is in one cell a seed.
        normals=[fmean(found) if found else None for found in normals],
        classes={name: [median(f) if f else None for f in found] for name, found in sorted(classes.items())},
    )


def _typical(section: Section) -> CellResult | None:
    """The featured method's cell of the first seed with the middle AUROC."""
    done = [] if section.featured is None else section.by_method[section.featured.method]
    first = min((result.key.seed for result in done), default=0)
    unseen = [(r.measures.main.summary["unseen"], r) for r in done if r.key.seed == first and r.measures is not None]
    large = [pair for pair in unseen if pair[0]["rows"] >= section.protocol.fewest_for_mean] or unseen
    large.sort(key=lambda pair: pair[0]["auroc"])
    return large[len(large) // 2][1] if large else None


def _cell_words(section: Section, result: CellResult) -> str:
    held = "" if section.protocol.hold_out != "groups" else f"{result.key.held_out} held out, "
    return f"{held}seed {result.key.seed}"


def _read(folder: Path, result: CellResult) -> _Rows:
    scores, calibration = read_scores(folder, result)
    split = read_arrays(folder / result.key.folder / "splits" / f"{result.key.stem}.npz")
    counted = slice(0, len(scores) - int(split["extra"]))
    labels = split["label_names"][split["test_labels"][counted]]
    return _Rows(scores[counted], calibration, split["role"][counted], labels)
