"""The examples of docs/benchmark.md run, and adding a method or a protocol takes as few lines as it says."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from unseen.bench import methods
from unseen.bench.grids import check_grid, resolve_grids
from unseen.cli.bench import app

PAGE = Path(__file__).parents[2] / "docs" / "benchmark.md"


def blocks(kind: str) -> list[str]:
    return re.findall(rf"^```{kind}(?: skip)?\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


def test_the_pages_examples_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own, registered, read = blocks("python")
    (toml,) = [text for text in blocks("toml") if text.startswith("# mine.toml")]
    for text in (own, registered, toml):
        assert len([line for line in text.splitlines() if line.strip()]) < 20
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(methods, "_METHODS", dict(methods._METHODS))
    Path("my_methods.py").write_text(own, encoding="utf-8")
    Path("mine.toml").write_text(toml, encoding="utf-8")
    commands = [line for text in blocks("sh") for line in text.splitlines() if "mine" in line or "my_methods" in line]
    assert len(commands) == 2
    for command in commands:
        words = shlex.split(command)[2:]
        only = ["--hold-out", "beacon"] if "my_methods" in command else []
        shown = CliRunner().invoke(app, [*words, *only, "--seeds", "0", "--workers", "1"], catch_exceptions=False)
        assert shown.exit_code == 0, shown.output
        assert "0 failed" in shown.stdout
    exec(compile(registered, "page", "exec"), {})
    found: dict[str, object] = {}
    exec(compile(read, "page", "exec"), found)
    assert {line.method for line in found["lines"]} >= {"stump", "random"}  # type: ignore[attr-defined]


def test_the_pages_ways_to_tune_are_understood(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (grid,) = [text for text in blocks("toml") if text.startswith("# grid.toml")]
    Path("grid.toml").write_text(grid, encoding="utf-8")
    commands = [line for text in blocks("sh") for line in text.splitlines() if "--tune" in line or "--grid" in line]
    assert len(commands) == 3
    found = []
    for command in commands:
        words = shlex.split(command, comments=True)
        running = words[words.index("--methods") + 1].split(",")
        own = [words[words.index("--grid") + 1]] if "--grid" in words else []
        chosen = resolve_grids(running, own, shipped="--tune" in words)
        for name, values in chosen.items():
            check_grid(name, values, {})
        found.append({name: values.get("neighbours") for name, values in chosen.items()})
    assert found == [
        {"knn": [10, 1, 50], "lof": [20, 5, 80], "pca": None},
        {"knn": [1, 10, 50], "lof": [1, 10, 50]},
        {"knn": [10, 3, 30], "lof": [20, 5, 80]},
    ]


def test_the_page_names_the_files_a_run_leaves(tmp_path: Path) -> None:
    words = [
        "run",
        "--protocol",
        "lab",
        "--methods",
        "random",
        "--hold-out",
        "beacon",
        "--seeds",
        "0",
        "--workers",
        "1",
        "--no-controls",
    ]
    CliRunner().invoke(app, [*words, "--out", str(tmp_path)], catch_exceptions=False)
    named = {"protocol.json", "splits", "random"}
    assert {path.name for path in (tmp_path / "lab" / "default").iterdir()} == named
    assert {path.name for path in (tmp_path / "lab" / "default" / "splits").iterdir()} == {
        "beacon-s0.json",
        "beacon-s0.npz",
    }
    text = PAGE.read_text(encoding="utf-8")
    for name in ("protocol.json", "splits/", "-s0.json", "-s0.npz", "runs/"):
        assert name in text
