"""`unseen fit --detector meta`: its own options, what it falls back to, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.small import FAMILIES, IGNORE, listing, refused, replaced, run, small_table, write

import unseen

ROWS = small_table(benign=800, each=60)
LABELS = np.asarray(ROWS.column("label").to_pylist())
SITES = np.asarray(ROWS.column("site").to_pylist())
# The site is told by --domain alone.
LABELLED = ("--label", "label", "--normal", "benign", "--ignore", ",".join(sorted(set(IGNORE.split(",")) - {"site"})))
# One known class needs two episodes and no more.
ONE_KNOWN = ("--hide", ",".join(FAMILIES[1:]))
META = ("--detector", "meta", "--episodes", "2")


def fitted(table: pa.Table, folder: Path, *words: str) -> dict[str, Any]:
    """Fit and give what `--json` says."""
    path = write(table, folder / "flows.parquet")
    done = run("fit", path, *LABELLED, "--domain", "site", *META, *words, "--json", "--out", folder / "m.unseen")
    assert done.code == 0, done.err
    found: dict[str, Any] = json.loads(done.out)
    return found


def said(report: dict[str, Any]) -> str:
    return "\n".join([*report["notes"], *report["training"]["messages"]])


@pytest.fixture(scope="module")
def by_site(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("meta")
    return folder, fitted(ROWS, folder, *ONE_KNOWN, "--shots", "10")


def test_shots_episodes_and_domains_are_what_was_asked_for(by_site: tuple[Path, dict[str, Any]]) -> None:
    folder, report = by_site
    training = report["training"]
    assert training["shots"] == {FAMILIES[0]: 10}
    assert len(training["history"]) == 2
    assert set(training["domains"]) <= set(SITES.astype(str).tolist())
    assert len(training["domains"]) > 1
    assert "site" not in unseen.load(folder / "m.unseen").schema_.names


def test_rows_of_an_unknown_domain_or_of_none_are_scored_like_all_others(by_site: tuple[Path, dict[str, Any]]) -> None:
    folder, _ = by_site
    elsewhere = write(replaced(ROWS, "site", [99] * ROWS.num_rows), folder / "elsewhere.parquet")
    nowhere = write(ROWS.drop_columns(["site"]), folder / "nowhere.parquet")
    scores = []
    for path in (folder / "flows.parquet", elsewhere, nowhere):
        done = run("score", folder / "m.unseen", path, "--out", folder / "s.parquet")
        assert done.code == 0, done.err
        scores.append(pq.read_table(folder / "s.parquet").column("anomaly_score").to_numpy())
    np.testing.assert_array_equal(scores[0], scores[1])
    np.testing.assert_array_equal(scores[0], scores[2])
    assert np.isfinite(scores[0]).all()


def test_fewer_shots_than_asked_for_are_all_there_are(tmp_path: Path) -> None:
    report = fitted(ROWS, tmp_path, *ONE_KNOWN, "--shots", "500")
    assert 30 <= report["training"]["shots"][FAMILIES[0]] < 60
    assert "fewer than shots=500" in said(report)
    assert f"{FAMILIES[0]} (" in said(report)
    assert "one known family" in said(report)


def test_a_family_of_one_row_is_used_and_named(tmp_path: Path) -> None:
    known = np.isin(LABELS, FAMILIES[:1])
    rare = ROWS.filter(pa.array(~known | (np.cumsum(known) == 1)))
    report = fitted(rare, tmp_path, *ONE_KNOWN, "--shots", "5")
    assert report["training"]["shots"] == {FAMILIES[0]: 1}
    assert f"{FAMILIES[0]} (1)" in said(report)


def test_with_all_families_held_out_shuffled_normals_stand_in_and_are_told(tmp_path: Path) -> None:
    report = fitted(ROWS, tmp_path, "--hide", ",".join(FAMILIES), "--shots", "5")
    assert list(report["training"]["shots"]) == ["shuffled normals"]
    assert "shuffled normals stand in as the one family" in said(report)


def test_a_domain_with_too_few_normals_is_joined_to_its_nearest_and_told(tmp_path: Path) -> None:
    place = np.flatnonzero(LABELS == "benign")[:12]
    sites = SITES.astype("<U9")
    sites[place] = "outpost"
    report = fitted(replaced(ROWS, "site", sites.tolist()), tmp_path, *ONE_KNOWN, "--shots", "5")
    assert "outpost" not in report["training"]["domains"]
    assert "fewer than 32 normals" in said(report)
    assert "'outpost'" in said(report)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ((*META, "--domain", "sight"), ["no column 'sight' (--domain)"]),
        ((*META, "--domain", "label"), ["'label' is the label", "--domain"]),
        ((*META, "--shots", "0"), ["--shots", "see unseen fit --help"]),
        ((*META, "--shots", "many"), ["--shots", "see unseen fit --help"]),
        (("--detector", "meta", "--episodes", "0"), ["--episodes", "see unseen fit --help"]),
        ((*META, "--flow-epochs", "2"), ["flow_epochs"]),
        (("--detector", "sculptor", "--shots", "5"), ["shots"]),
        (("--detector", "sculptor", "--domain", "site"), ["learns from no domains", "--detector meta"]),
        (("--detector", "unseen", "--episodes", "5"), ["episodes"]),
    ],
    ids=lambda value: "-".join(value)[-40:] if isinstance(value, tuple) else "",
)
def test_options_it_cannot_use_or_another_detector_does_not_know(
    words: tuple[str, ...], expected: list[str], tmp_path: Path
) -> None:
    path = write(ROWS, tmp_path / "flows.parquet")
    before = listing(tmp_path)
    refused(run("fit", path, *LABELLED, *words, "--out", tmp_path / "m.unseen"), *expected)
    assert listing(tmp_path) == before


def test_a_domain_column_may_not_miss_values(tmp_path: Path) -> None:
    gaps = replaced(ROWS, "site", [None, *SITES[1:].tolist()])
    path = write(gaps, tmp_path / "flows.parquet")
    done = run("fit", path, *LABELLED, *META, *ONE_KNOWN, "--domain", "site", "--out", tmp_path / "m.unseen")
    refused(done, "site")
