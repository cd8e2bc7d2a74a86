"""The commands themselves: help, versions, what they import, and how they end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import typer.main
from tests.small import LABELLED, SHORT, command, listing, refused, run, spawn

import unseen
from unseen.cli.app import app
from unseen.cli.output import plain, print_json, row_progress, training_progress

HEAVY = ("torch", "zuko", "sklearn", "scipy", "pyarrow", "pandas", "polars", "narwhals")

IMPORTS = """
import sys
from unseen.cli import main
try:
    main(sys.argv[1:])
finally:
    sys.stderr.write("imported " + " ".join(m for m in {heavy!r} if m in sys.modules))
"""


def walk(group: Any, path: tuple[str, ...] = ()) -> list[tuple[tuple[str, ...], Any]]:
    """Every command and group below, with its words."""
    found = [(path, group)]
    for name, child in getattr(group, "commands", {}).items():
        found += walk(child, (*path, name))
    return found


COMMANDS = walk(typer.main.get_command(app))


@pytest.mark.parametrize(("path", "found"), COMMANDS, ids=[" ".join(path) or "unseen" for path, _ in COMMANDS])
def test_every_command_and_option_has_help(path: tuple[str, ...], found: Any) -> None:
    done = run(*path, "--help")
    assert done.code == 0
    assert done.err == ""
    assert found.help
    assert found.help.split()[0] in done.out
    for parameter in found.params:
        assert getattr(parameter, "help", None), f"{path}: {parameter.name} has no help"
        for option in parameter.opts:
            # Long options may be folded in a narrow help.
            assert option[:12] in done.out


def test_the_version() -> None:
    done = run("--version")
    assert (done.code, done.out, done.err) == (0, f"unseen {unseen.__version__}\n", "")


@pytest.mark.parametrize("words", [[], ["data"], ["bench"]])
def test_a_group_without_a_command_shows_its_help(words: list[str]) -> None:
    done = run(*words)
    assert done.code == 2
    assert "Usage" in done.out + done.err


def test_words_that_are_no_command() -> None:
    refused(run("train"), "No such command 'train'", "see unseen --help")
    refused(run("data", "get"), "No such command 'get'", "see unseen data --help")
    refused(run("fit"), "Missing argument", "see unseen fit --help")
    refused(run("fit", "flows.csv"), "--out", "see unseen fit --help")
    refused(run("score", "m.unseen", "flows.csv", "--out"), "'--out' requires an argument", "--help")


def imported(*words: object) -> set[str]:
    line = [sys.executable, "-c", IMPORTS.format(heavy=HEAVY), *map(str, words)]
    done = subprocess.run(line, capture_output=True, text=True, check=True)
    return set(done.stderr.rpartition("imported")[2].split())


def test_help_imports_nothing_heavy() -> None:
    assert imported("--help") == set()


def test_info_needs_no_torch(model: Path) -> None:
    assert not imported("info", model) & {"torch", "zuko", "sklearn"}


def test_info_of_an_exported_model() -> None:
    golden = Path(__file__).parents[1] / "golden" / "exported-1.onnx"
    shown = run("info", golden)
    assert shown.code == 0
    for words in ("LatentSculptor", "normal class benign", "ssh_bruteforce (40)", "498 normal rows", "ONNX, 0.1 MB"):
        assert words in shown.out
    told = json.loads(run("info", golden, "--json").out)
    assert told["schema"]["normal"] == "benign"
    assert told["bytes"] == golden.stat().st_size
    assert not imported("info", golden) & {"torch", "zuko", "sklearn"}
    refused(run("info", golden.with_name("none.onnx")), "there is no model file", "unseen export")


def test_info(model: Path) -> None:
    shown = run("info", model)
    assert shown.code == 0
    for words in (
        "LatentSculptor",
        f"unseen {unseen.__version__}, format 1",
        "normal class benign",
        "ssh_bruteforce",
        "slow_read",
        "window, tool, site, start_s",
        "by a hash of each row",
        "flows.parquet",
        "protocol (number)",
        "dropped: ",
    ):
        assert words in shown.out
    manifest = json.loads(run("info", model, "--json").out)
    assert manifest["schema"]["label"] == "label"
    assert manifest["tensor_bytes"] > 1000
    refused(run("info", model.parent / "none.unseen"), "there is no model file", "unseen fit")
    refused(run("info", model.parent / "flows.csv"), "flows.csv is no Unseen model")


def test_a_reader_that_leaves_is_no_error(model: Path) -> None:
    first = f"{' '.join(command('info', model)[:1])} -c 'from unseen.cli import main; main()' info {model} | head -n 1"
    done = subprocess.run(["bash", "-o", "pipefail", "-c", first], capture_output=True, text=True, check=False)
    assert done.stderr == ""
    assert done.returncode == 0


def test_ctrl_c_while_scoring_leaves_nothing(model: Path, flows: Path, tmp_path: Path) -> None:
    many = tmp_path / "many"
    many.mkdir()
    for number in range(300):
        (many / f"{number}.parquet").symlink_to(flows)
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    line = command("score", model, many, "--out", tmp_path / "s.csv")
    process = subprocess.Popen(line, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)
    # Once the temporary output is there, scoring has begun.
    for _ in range(600):
        if any("partial" in path.name for path in tmp_path.iterdir()) or process.poll() is not None:
            break
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (130, "", "stopped; nothing half-written is left\n")
    assert [name for name in listing(tmp_path) if not name.startswith("many")] == []


def test_the_console_script_is_this_command() -> None:
    script = Path(sys.executable).with_name("unseen")
    if not script.exists():
        pytest.skip("the package is not installed with its script here")
    done = subprocess.run([script, "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"unseen {unseen.__version__}\n"


def test_a_terminal_without_unicode(model: Path) -> None:
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = subprocess.run(command("info", model), capture_output=True, env=environment, check=False)
    assert done.returncode == 0
    assert done.stdout.isascii()


def test_fit_and_score_in_processes_of_their_own(flows: Path, tmp_path: Path) -> None:
    out = tmp_path / "m.unseen"
    done = spawn("fit", flows, *LABELLED, *SHORT, "--out", out, "--json", "--quiet")
    assert (done.code, done.err) == (0, "")
    assert json.loads(done.out)["model"] == str(out)


class Terminal:
    """A stderr that says it is a terminal."""

    def __init__(self) -> None:
        self.written = ""

    def write(self, text: str) -> int:
        self.written += text
        return len(text)

    def flush(self) -> None:
        """Nothing is held back."""

    def isatty(self) -> bool:
        return True


def test_progress_is_for_terminals_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    from unseen.nn.train import Progress

    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    with training_progress(quiet=False) as show:
        show(Progress("1/3 encoder", 1, 2, 1, 10, 500.0))
        show(Progress("1/3 flow", 2, 2, 10, 10, 1500.0))
    assert "1/3 encoder" in screen.written
    assert "rows/s" in screen.written
    with row_progress("scoring", None, quiet=False) as count:
        count(1000)
    assert "scoring" in screen.written
    with training_progress(quiet=True) as show:
        assert show is None
    monkeypatch.setattr(screen, "isatty", lambda: False)
    with training_progress(quiet=False) as show, row_progress("scoring", 5, quiet=False) as count:
        assert show is count is None


def test_what_json_cannot_say_becomes_null(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"a": float("inf"), "b": [float("nan"), (1.5, "é")]})
    assert json.loads(capsys.readouterr().out) == {"a": None, "b": [None, [1.5, "é"]]}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\tb\r\n", "a\\tb\\r\\n"),
        ("\x1b]0;x\x07", "\\x1b]0;x\\x07"),
        ("é – 😀 [b]", "é – 😀 [b]"),
        ("\u202eevil", "\\u202eevil"),
    ],
)
def test_control_characters_are_written_out(text: str, shown: str) -> None:
    assert plain(text) == shown
