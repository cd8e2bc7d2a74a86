"""What the report says of detectors against peers, of ranks, of rates not kept, and of controls that do as well."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from unseen.bench.report import write_report
from unseen.bench.report.bests import best_peer_table
from unseen.bench.report.gather import gather, kind_of
from unseen.bench.report.record import flags, unequal_rates
from unseen.bench.report.summaries import overall_table, summary_table

NOW = datetime(2026, 1, 2, tzinfo=UTC)
DETECTOR, PEER = "toy_methods_Ranks", "toy_methods_Distance"


@pytest.fixture
def renamed(results: Path, tmp_path: Path) -> Path:
    """The small benchmark, one of its methods under the name of a detector; without the partial run of another."""
    folder = Path(shutil.copytree(results, tmp_path / "renamed"))
    for left in folder.glob("*/default/sculptor-fast*"):
        shutil.rmtree(left)
    change(folder, DETECTOR, lambda stored: stored.update(method="unseen"))
    return folder


def change(folder: Path, method: str, edit: Callable[[dict[str, Any]], None]) -> None:
    for path in folder.glob(f"*/default/{method}*/*.json"):
        stored = json.loads(path.read_text(encoding="utf-8"))
        if stored["status"] == "done":
            edit(stored)
            path.write_text(json.dumps(stored), encoding="utf-8")


def areas(value: float) -> Callable[[dict[str, Any]], None]:
    def edit(stored: dict[str, Any]) -> None:
        stored["measures"]["main"]["summary"]["unseen"]["auroc"] = value
        for c in stored["measures"]["main"]["classes"]:
            c["auroc"] = value

    return edit


def test_a_detector_stands_against_the_best_peer_of_each_protocol(renamed: Path) -> None:
    change(renamed, DETECTOR, areas(0.9))
    change(renamed, PEER, areas(0.7))
    made = best_peer_table(gather(renamed).parts[0], "auroc")
    assert made is not None
    assert made.head[1:] == ["best peer", "macro AUROC", "unseen − best peer"]
    first = made.rows[0]
    assert first.name == "mine"
    assert [value.text for value in first.values] == ["toy_methods:Distance", "0.700", "+0.200"]
    assert first.values[2].best
    assert first.values[2].note == "+0.200 to +0.200"


def test_without_a_detector_there_is_nothing_to_set_against_peers(results: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(results, tmp_path / "peers"))
    for left in folder.glob("*/default/sculptor-fast*"):
        shutil.rmtree(left)
    assert best_peer_table(gather(folder).parts[0], "auroc") is None
    assert "best peer of each protocol" not in page(folder, tmp_path)


def test_ranks_are_means_over_protocols_and_leave_controls_out(renamed: Path) -> None:
    change(renamed, DETECTOR, areas(0.9))
    change(renamed, PEER, areas(0.9))
    part = gather(renamed).parts[0]
    # The detector did not run on the protocol that hides two classes together.
    part.sections[:] = [section for section in part.sections if section.protocol.name == "mine"]
    rank = {row.name.split(". ")[1]: row.values[1].text for row in overall_table(part).rows}
    assert rank["unseen"] == rank["toy_methods:Distance"] == "1.5"
    assert rank["random"] == rank["stump"] == "–"


def test_recall_at_a_rate_that_was_not_kept_is_told(renamed: Path, tmp_path: Path) -> None:
    assert unequal_rates(gather(renamed).parts[0]) == []

    def loud(stored: dict[str, Any]) -> None:
        for at in stored["measures"]["main"]["rates"]:
            at["rate"] = 0.01 if at["rate"] == 0.05 else at["rate"]
            at["false_alarms"] = at["expected_high"] + 1

    change(renamed, DETECTOR, loud)
    said = unequal_rates(gather(renamed).parts[0])
    assert len(said) == 1
    assert said[0].startswith("mine: unseen raise more false alarms than the 1 % asked")


def test_one_loud_seed_is_no_proof_and_most_cells_speak_for_a_seed(renamed: Path) -> None:
    def loud(stored: dict[str, Any]) -> None:
        if stored["key"]["seed"] == 0:
            for at in stored["measures"]["main"]["rates"]:
                at["false_alarms"] = at["expected_high"] + 1

    change(renamed, PEER, loud)
    section = next(section for section in gather(renamed).parts[0].sections if section.protocol.name == "mine")
    row = next(row for row in summary_table(section).rows if row.name == "toy_methods:Distance")
    assert "4/8" in {value.note for value in row.values}
    assert not any(value.flag for value in row.values)


def test_a_twin_without_training_that_does_as_well_is_flagged(renamed: Path) -> None:
    change(renamed, DETECTOR, areas(0.6))
    change(renamed, DETECTOR, lambda stored: stored.update(method="sculptor-fast"))
    change(renamed, PEER, lambda stored: stored.update(method="untrained"))
    change(renamed, PEER, areas(0.7))
    heads = [flag.head for section in gather(renamed).parts[0].sections for flag in flags(section)]
    assert "mine: an untrained twin does as well." in heads
    assert kind_of("untrained:meta") == "control"


def page(folder: Path, out: Path) -> str:
    return write_report(folder, out / "r.html", now=NOW).html.read_text(encoding="utf-8")
