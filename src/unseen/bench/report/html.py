"""The report as one HTML file: nothing is loaded from elsewhere, everything from the data is escaped."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import resources
from statistics import fmean, median
from typing import Any

import unseen
from unseen.bench.report.bests import best_peer_table
from unseen.bench.report.details import class_table, pair_table, percentiles, published_table, rank_table
from unseen.bench.report.figures import (
    CURVE_DASHES,
    Spot,
    cost_picture,
    curve_picture,
    latent_picture,
    rank_picture,
    score_picture,
)
from unseen.bench.report.gather import Part, ReportData, Section, kind_of
from unseen.bench.report.record import (
    common_caveats,
    common_words,
    data_files,
    extent,
    flags,
    own_caveats,
    refused_words,
    run_words,
    second_figures,
    section_words,
)
from unseen.bench.report.scores import ROLES, histogram, latent_map, percentile_table, recall_curves
from unseen.bench.report.shots import shots_tables
from unseen.bench.report.summaries import overall_lines, overall_table, summary_table
from unseen.bench.report.svg import PALETTE
from unseen.bench.report.tuned import tuning_table
from unseen.bench.report.words import clean, rate_name
from unseen.bench.stats import MEASURES, Comparison, conclusions
from unseen.errors import require

__all__ = ["TITLE", "render_html"]

TITLE = "Benchmark of unseen anomaly classes"


def render_html(data: ReportData, *, command: str, date: str) -> str:
    """The report.

    Arguments:
        data: A results' folder, read.
        command: How the report was made.
        date: When.

    Raises:
        MissingExtraError: If jinja2 or matplotlib is not installed.
    """
    jinja2 = require("jinja2", "bench")
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["clean"] = clean
    files = resources.files("unseen.bench.report")
    template = environment.from_string(files.joinpath("template.html").read_text(encoding="utf-8"))
    several = len(data.parts) > 1
    common = common_words(data)
    text = template.render(
        title=TITLE,
        version=unseen.__version__,
        style=files.joinpath("style.css").read_text(encoding="utf-8"),
        command=clean(command),
        date=date,
        flags=[flag for part in data.parts for section in part.sections for flag in flags(section)],
        runs=run_words(data),
        data_files=data_files(data),
        refused=refused_words(data),
        common=common,
        parts=[_part(data, part, number, common, several=several) for number, part in enumerate(data.parts)],
        failures=data.failures,
        warnings=data.warnings,
        more_warnings=data.more_warnings,
        shots=shots_tables(data),
    )
    return str(text).lstrip()


def _part(data: ReportData, part: Part, number: int, common: Sequence[str], *, several: bool) -> dict[str, Any]:
    name = f"s{number}"
    found = [comparison for comparison in part.comparisons.values() if comparison is not None]
    shared = common_caveats(found)
    spots = _spots(part)
    return {
        "id": name,
        "suffix": f", {part.setting.name}" if several else "",
        "overall": overall_table(part),
        "costs": [cost_picture(spots, cost, f"{name}-{cost}") for cost in ("fit_seconds", "rows_per_second") if spots],
        "comparisons": [
            _compared(part, comparison, f"{name}-ranks-{position}", shared) for position, comparison in enumerate(found)
        ],
        "bests": [
            (words, made) for measure, words in MEASURES.items() if (made := best_peer_table(part, measure)) is not None
        ],
        "caveats": shared,
        "sections": [
            _section(data, section, f"{name}-p{position}", common) for position, section in enumerate(part.sections)
        ],
    }


def _compared(part: Part, comparison: Comparison, name: str, shared: Sequence[str]) -> dict[str, Any]:
    return {
        "measure": MEASURES[comparison.table.measure],
        "conclusions": conclusions(comparison),
        "caveats": own_caveats(part, comparison, shared),
        "picture": rank_picture(comparison, name),
        "ranks": rank_table(comparison),
        "pairs": pair_table(comparison),
    }


def _spots(part: Part) -> list[Spot]:
    return [
        Spot(
            number,
            kind_of(method),
            fmean(line.auroc for line in lines),
            median(line.fit_seconds for line in lines),
            median(line.rows_per_second for line in lines),
        )
        for number, (method, lines) in enumerate(overall_lines(part), 1)
        if len(lines) == len(part.sections)
    ]


def _section(data: ReportData, section: Section, name: str, common: Sequence[str]) -> dict[str, Any]:
    protocol = section.protocol
    curves = recall_curves(data.folder, section)
    scores = histogram(data.folder, section)
    latent = latent_map(data.folder, section)
    at = percentile_table(data.folder, section)
    rate = _table_rate(section)
    return {
        "id": name,
        "name": clean(protocol.name),
        "title": clean(protocol.title),
        "words": [said for said in section_words(section) if said not in common],
        "extent": extent(section),
        "each": "groups" if protocol.hold_out == "groups" else "classes",
        "flags": flags(section),
        "summary": summary_table(section),
        "second": second_figures(section),
        "published": published_table(section),
        "tuning": tuning_table(section),
        "curves": curve_picture(curves, f"{name}-curves", protocol.rates) if curves else "",
        "curve_keys": _curve_keys([curve.method for curve in curves]),
        "scores": "" if scores is None else score_picture(scores, f"{name}-scores"),
        "scores_of": "" if scores is None else f"{scores.method}, {scores.cell}",
        "latent": "" if latent is None else latent_picture(latent, f"{name}-latent"),
        "latent_of": ""
        if latent is None
        else f"{latent.method}, {latent.cell}: the two main axes, with {100 * latent.share:.0f} % of the variance",
        "role_keys": [
            {"name": role, "colour": colour, "dashes": ""}
            for role, colour in zip(ROLES.values(), (PALETTE[0], PALETTE[2], PALETTE[1]), strict=True)
        ],
        "recall": class_table(section, rate),
        "recall_rate": rate_name(rate),
        "auroc": class_table(section, "auroc"),
        "percentiles": None if at is None else percentiles(at),
        "featured": "" if at is None else clean(at.method),
    }


def _table_rate(section: Section) -> str:
    """1 % where any calibration set allows it, else 5 %."""
    return "0.01" if any("0.01" in line.recall for line in section.lines) else "0.05"


def _curve_keys(methods: Sequence[str]) -> list[dict[str, str]]:
    return [
        {
            "name": method,
            "colour": PALETTE[number % len(PALETTE)],
            "dashes": CURVE_DASHES[number % len(CURVE_DASHES)],
        }
        for number, method in enumerate(methods)
    ]
