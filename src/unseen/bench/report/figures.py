"""The report's drawings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from unseen.bench.report.scores import ROLES, Curve, Histogram, LatentMap
from unseen.bench.report.svg import INK, PALETTE, drawing
from unseen.bench.report.words import rate_name, shortened
from unseen.bench.stats import Comparison

__all__ = ["CURVE_DASHES", "Spot", "cost_picture", "curve_picture", "latent_picture", "rank_picture", "score_picture"]

_WIDTH = 380.0
_HEIGHT = 270.0
CURVE_DASHES = ("", "6 2", "2 2", "8 2 2 2", "4 4", "1 2", "3 3")
_ROLE_COLOURS = dict(zip(ROLES.values(), (PALETTE[0], PALETTE[2], PALETTE[1]), strict=True))
_ROLE_MARKS = dict(zip(ROLES.values(), ("o", "s", "^"), strict=True))
_LONGEST_NAME = 26


@dataclass(frozen=True)
class Spot:
    """A method in the picture of cost against quality.

    Attributes:
        number: What stands beside it.
        kind: ``"detector"``, ``"peer"`` or ``"control"``.
        quality: Mean macro AUROC.
        fit_seconds: To fit.
        rows_per_second: Scored.
    """

    number: int
    kind: str
    quality: float
    fit_seconds: float
    rows_per_second: float


def rank_picture(comparison: Comparison, name: str) -> str:
    """The critical-difference picture: mean ranks down the page, and bars that join what is not told apart.

    References:
        Demšar (2006), section 3.2.4; turned, so that names have room on a phone.

    Arguments:
        comparison: What to draw.
        name: Unique on the page.
    """
    standings = comparison.standings
    ranks = [standing.rank for standing in standings]
    places = range(len(standings))
    alt = "Mean ranks, best first: " + "; ".join(f"{s.method} {s.rank:.2f}" for s in standings)
    with drawing(name, _WIDTH, 62.0 + 21.0 * len(standings), alt) as made:
        axes = made.figure.add_subplot()
        axes.hlines(places, 1, ranks, color=INK, alpha=0.15, linewidth=0.8)
        axes.plot(ranks, places, "o", color=PALETTE[0], markersize=5)
        bars = [
            *((run, INK) for run in comparison.nemenyi_cliques),
            *((r, PALETTE[1]) for r in comparison.holm_cliques),
        ]
        most = float(len(standings))
        step = most / 30
        for position, ((first, last), colour) in enumerate(bars):
            place = most + step * (position + 1.5)
            axes.plot([place, place], [first - 0.25, last + 0.25], color=colour, linewidth=3, solid_capstyle="butt")
        axes.plot(
            [1, 1 + min(comparison.critical, most - 1)], [-1.1, -1.1], color=INK, linewidth=3, solid_capstyle="butt"
        )
        words = f"critical difference {comparison.critical:.2f}"
        axes.text(
            1, -1.35, words + (" (beyond the axis)" if comparison.critical > most - 1 else ""), va="bottom", fontsize=9
        )
        axes.set_ylim(len(standings) - 0.4, -2.0)
        axes.set_xlim(0.8, most + step * (len(bars) + 2))
        axes.spines["bottom"].set_bounds(1, most)
        axes.set_xticks(np.unique(np.linspace(1, len(standings), min(len(standings), 8)).round()))
        axes.set_yticks(places, [shortened(standing.method, _LONGEST_NAME) for standing in standings])
        axes.tick_params(axis="y", length=0)
        axes.set_xlabel("mean rank (1 is best)")
        axes.spines["left"].set_visible(False)
    return made.svg


def curve_picture(curves: Sequence[Curve], name: str, rates: Sequence[float]) -> str:
    """Recall against the share of test normals that raise an alarm.

    Arguments:
        curves: One a method.
        name: Unique on the page.
        rates: Rates to mark.
    """
    alt = "Recall of unseen classes against false-alarm rate for " + ", ".join(curve.method for curve in curves)
    with drawing(name, _WIDTH, _HEIGHT, alt) as made:
        axes = made.figure.add_subplot()
        for rate in rates:
            axes.axvline(rate, color=INK, alpha=0.3, linewidth=0.8, linestyle=":")
        for number, curve in enumerate(curves):
            dashes = CURVE_DASHES[number % len(CURVE_DASHES)]
            style: Any = (0, [float(part) / 1.6 for part in dashes.split()]) if dashes else "solid"
            colour = PALETTE[number % len(PALETTE)]
            axes.plot(curve.rates, 100 * curve.recall, color=colour, linestyle=style, linewidth=1.6)
        axes.set_xscale("log")
        lowest = min(float(curve.rates[0]) for curve in curves)
        axes.set_xlim(lowest, 1)
        _rate_ticks(axes, lowest)
        axes.set_ylim(0, 101)
        axes.grid(visible=True)
        axes.set_xlabel("normals that raise an alarm (logarithmic)")
        axes.set_ylabel("unseen rows caught, %")
    return made.svg


def _rate_ticks(axes: Any, lowest: float) -> None:
    ticks = [rate for rate in (0.001, 0.01, 0.1, 1.0) if rate >= lowest]
    ticks = ticks if len(ticks) > 2 else [rate for rate in (0.003, 0.01, 0.03, 0.1, 0.3, 1.0) if rate >= lowest]
    axes.set_xticks(ticks, [rate_name(rate) for rate in ticks])
    axes.minorticks_off()


def score_picture(histogram: Histogram, name: str) -> str:
    """Where the scores of normals, known and unseen rows lie: the cliff between normals and the rest, or its absence.

    Arguments:
        histogram: The shares.
        name: Unique on the page.
    """
    alt = f"Distribution of the anomaly scores of {histogram.method}: {', '.join(histogram.shares)}"
    with drawing(name, _WIDTH, _HEIGHT, alt) as made:
        axes = made.figure.add_subplot()
        for kind, shares in histogram.shares.items():
            axes.stairs(100 * shares, histogram.edges, fill=True, color=_ROLE_COLOURS[kind], alpha=0.25)
            axes.stairs(100 * shares, histogram.edges, color=_ROLE_COLOURS[kind], linewidth=1.4)
        top = 100 * max(float(shares.max()) for shares in histogram.shares.values())
        for number, (rate, place) in enumerate(histogram.thresholds.items()):
            axes.axvline(place, color=INK, linewidth=1, linestyle="--")
            axes.text(place, top * (1.04 + 0.07 * number), f" {rate_name(rate)}", fontsize=9, va="bottom")
        axes.set_ylim(0, top * 1.2)
        _stretched_ticks(axes, float(histogram.edges[0]), float(histogram.edges[-1]))
        axes.set_xlabel("anomaly score, in middle halves of the normals (stretched)")
        axes.set_ylabel("share of the rows of a kind, %")
    return made.svg


def _plain_ticks(axes: Any, values: Sequence[float]) -> None:
    """Limits around the values, and ticks at round numbers with as few digits as they need."""
    low, high = min(values) / 1.6, max(values) * 2.2
    round_ones = [first * 10.0**power for power in range(-4, 10) for first in (1, 3)]
    inside = [value for value in round_ones if low <= value <= high]
    shown = inside if len(inside) < 7 else inside[:: len(inside) // 5]
    axes.set_xlim(low, high)
    axes.set_xticks(shown, [f"{value:,.0f}" if value >= 1 else f"{value:g}" for value in shown])
    axes.minorticks_off()


def _stretched_ticks(axes: Any, low: float, high: float) -> None:
    tens = [0.0] + [sign * 10.0**power for power in range(13) for sign in (1, -1)]
    shown = sorted(value for value in tens if low <= np.arcsinh(value) <= high)
    # At most seven, evenly thinned.
    shown = shown[:: max(1, len(shown) // 7 + (len(shown) % 7 > 0))] if len(shown) > 7 else shown
    axes.set_xticks([float(np.arcsinh(value)) for value in shown], [f"{value:g}" for value in shown])


def latent_picture(latent: LatentMap, name: str) -> str:
    """Test rows on the two main axes of the latent space.

    Arguments:
        latent: The rows.
        name: Unique on the page.
    """
    alt = f"Latent space of {latent.method} on its two main axes: {', '.join(latent.points)}"
    with drawing(name, _WIDTH, _HEIGHT, alt) as made:
        axes = made.figure.add_subplot()
        for kind, points in latent.points.items():
            # One image, not 2,000 circles: the page stays small.
            axes.plot(
                points[:, 0],
                points[:, 1],
                _ROLE_MARKS[kind],
                color=_ROLE_COLOURS[kind],
                markersize=3.2,
                alpha=0.6,
                markeredgewidth=0,
                rasterized=True,
            )
        made.figure.set_dpi(200)
        axes.set_xlabel("first axis of the latents")
        axes.set_ylabel("second axis")
        axes.set_xticks([])
        axes.set_yticks([])
    return made.svg


def cost_picture(spots: Sequence[Spot], cost: Literal["fit_seconds", "rows_per_second"], name: str) -> str:
    """Quality against what it costs to fit or to score.

    Arguments:
        spots: One a method.
        cost: Which cost.
        name: Unique on the page.
    """
    label = {"fit_seconds": "seconds to fit", "rows_per_second": "rows scored in a second"}[cost]
    colours = {"detector": PALETTE[1], "peer": PALETTE[0], "control": PALETTE[6]}
    marks = {"detector": "D", "peer": "o", "control": "x"}
    with drawing(name, _WIDTH, _HEIGHT, f"Mean macro AUROC against {label}, one mark a method") as made:
        axes = made.figure.add_subplot()
        costs = [max(getattr(spot, cost), 1e-3) for spot in spots]
        for spot, place in zip(spots, costs, strict=True):
            axes.plot([place], [spot.quality], marks[spot.kind], color=colours[spot.kind], markersize=5)
            axes.annotate(
                str(spot.number), (place, spot.quality), xytext=(5, 2), textcoords="offset points", fontsize=9
            )
        axes.set_xscale("log")
        _plain_ticks(axes, costs)
        axes.grid(visible=True)
        axes.set_xlabel(f"{label} (logarithmic)")
        axes.set_ylabel("mean macro AUROC")
    return made.svg
