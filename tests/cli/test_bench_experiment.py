"""`unseen bench experiment` as a user types it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from unseen.bench import experiments
from unseen.bench.experiments import Experiment, Variant
from unseen.cli.bench import app
from unseen.errors import InputError

OWN = """
[lab-two]
title = "Two families of the lab hidden together"
dataset = "lab"
hold_out = "classes"
classes = ["beacon", "portscan"]
"""


def bench(*words: str) -> Result:
    return CliRunner().invoke(app, ["experiment", *words], catch_exceptions=False, env={"COLUMNS": "80"})


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another experiment among the real ones, of the controls alone."""
    made = Experiment(
        name="toy",
        title="A toy",
        question="Does the best single feature beat chance?",
        design=("Nothing is trained.",),
        protocols=("lab",),
        variants=(Variant("chance", "no meaning", "random"), Variant("stump", "one feature", "stump")),
        reference="chance",
        answer=lambda outcome: [f"{outcome.experiment.name} was run."],
        seeds=(0,),
    )
    monkeypatch.setattr(experiments, "EXPERIMENTS", {**experiments.EXPERIMENTS, "toy": made})


def test_the_list_names_experiments_and_open_questions_in_80_columns() -> None:
    shown = bench("--list")
    assert shown.exit_code == 0
    assert max(len(line) for line in shown.stdout.splitlines()) <= 80
    for name in (*experiments.EXPERIMENTS, "images (open)", "temporal (open)"):
        assert name in shown.stdout
    listed = json.loads(bench("--list", "--json").stdout)
    assert [found["name"] for found in listed["open"]] == ["images", "temporal"]
    assert all(found["why"] for found in listed["open"])
    assert len(listed["experiments"]) == len(experiments.EXPERIMENTS)


@pytest.mark.usefixtures("toy")
def test_a_run_prints_writes_its_page_and_is_kept(tmp_path: Path) -> None:
    (tmp_path / "own.toml").write_text(OWN, encoding="utf-8")
    page = tmp_path / "toy.md"
    where = ["--protocol", str(tmp_path / "own.toml"), "--out", str(tmp_path / "r")]
    shown = bench("toy", *where, "--markdown", str(page))
    assert shown.exit_code == 0
    assert "toy was run." in shown.stdout
    assert "2 results made" in shown.stdout
    assert max(len(line) for line in shown.stdout.splitlines() if str(tmp_path) not in line) <= 80
    text = page.read_text(encoding="utf-8")
    assert "# A toy" in text
    assert "beacon and portscan are held out together" in text
    found = json.loads(bench("toy", *where, "--json").stdout)
    assert (found["made"], found["kept"], found["failed"]) == (0, 2, [])
    assert found["seeds"] == [0]
    quiet = bench("toy", *where, "--quiet", "--seeds", "0-1")
    assert "2 results made" in quiet.stdout


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "name an experiment"),
        (["tresholds"], "did you mean 'thresholds'"),
        (["images"], "is open"),
        (["thresholds", "--seeds", "4-0"], "is no seed"),
        (["thresholds", "--caps", "none"], "default, full"),
        (["thresholds", "--protocol", "nothing"], "there is no protocol"),
        (["thresholds", "--protocol", "absent.toml"], "cannot be read"),
    ],
)
def test_bad_input_is_told_in_a_line_or_two(words: list[str], message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        bench(*words, "--out", str(tmp_path / "r"))
    assert message in str(caught.value)
    assert len(str(caught.value).splitlines()) <= 2
