"""A fit that was killed goes on with --resume to the very bits of an uninterrupted one; Ctrl-C keeps the checkpoint."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from tests.small import HIDDEN, LABELLED, Ran, command, listing, refused, run, small_table, write

from unseen.artifact import read_artifact

SCRIPT = Path(__file__).with_name("killable_fit.py")
EPOCHS = ("--detector", "sculptor", "--encoder-epochs", "3", "--flow-epochs", "3")
WORDS = (*LABELLED, "--hide", HIDDEN, *EPOCHS)
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}


@pytest.fixture(scope="module")
def whole(flows: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model of an uninterrupted run."""
    out = tmp_path_factory.mktemp("whole") / "m.unseen"
    assert run("fit", flows, *WORDS, "--out", out).code == 0
    return out


def killed(step: int, kind: str, *words: object) -> Ran:
    line = [sys.executable, str(SCRIPT), str(step), kind, *map(str, words)]
    done = subprocess.run(line, capture_output=True, text=True, env=ENVIRONMENT, check=False)
    return Ran(done.returncode, done.stdout, done.stderr)


def same_model(one: Path, two: Path) -> None:
    """Equal but for the time that training took."""

    def timeless(value: object) -> object:
        if isinstance(value, dict):
            return {k: timeless(v) for k, v in value.items() if k not in ("seconds", "rows_per_second")}
        return [timeless(entry) for entry in value] if isinstance(value, list) else value

    (manifest, tensors), (other, others) = read_artifact(one), read_artifact(two)
    assert timeless(manifest) == timeless(other)
    assert tensors.keys() == others.keys()
    for name, array in tensors.items():
        assert array.dtype == others[name].dtype
        assert array.tobytes() == others[name].tobytes(), name


def moments() -> list[int]:
    """Steps of each part at which to kill: drawn afresh for every run of the tests, and printed when one fails."""
    return np.random.default_rng().integers(2, 24, size=2).tolist()


def test_killed_and_resumed_is_the_same_model(flows: Path, whole: Path, tmp_path: Path) -> None:
    out = tmp_path / "m.unseen"
    steps = moments()
    for number, step in enumerate(steps):
        resume = ("--resume",) if number else ()
        done = killed(step, "SIGKILL", "fit", flows, *WORDS, *resume, "--out", out)
        assert done.code == -signal.SIGKILL, (steps, done)
        assert not out.exists()
    done = run("fit", flows, *WORDS, "--resume", "--out", out)
    assert done.code == 0, (steps, done.err)
    same_model(out, whole)
    assert listing(tmp_path) == ["m.unseen"]


@pytest.mark.slow
def test_killed_from_outside_at_any_time(flows: Path, whole: Path, tmp_path: Path) -> None:
    out, rng = tmp_path / "m.unseen", np.random.default_rng()
    for _ in range(6):
        process = subprocess.Popen(command("fit", flows, *WORDS, "--resume", "--out", out), env=ENVIRONMENT)
        time.sleep(rng.uniform(2.0, 6.0))
        process.kill()
        process.wait()
    assert run("fit", flows, *WORDS, "--resume", "--out", out).code == 0
    same_model(out, whole)


def test_ctrl_c_keeps_the_checkpoint_and_says_so(flows: Path, whole: Path, tmp_path: Path) -> None:
    out = tmp_path / "m.unseen"
    done = killed(40, "SIGINT", "fit", flows, *WORDS, "--out", out)
    assert done.code == 130
    assert done.out == ""
    assert done.err.splitlines() == [
        f"{out}.partial is kept: the same command with --resume goes on from there",
        "stopped; nothing half-written is left",
    ]
    assert not out.exists()
    assert all("partial" in name for name in listing(tmp_path))

    # Other rows or settings are refused, and the checkpoint is not lost by it.
    before = listing(tmp_path)
    other = run("fit", flows, *WORDS, "--resume", "--seed", "1", "--out", out)
    refused(other, "checkpoint of another training", "train without resuming")
    fewer = write(small_table(benign=900), tmp_path / "fewer.parquet")
    refused(run("fit", fewer, *WORDS, "--resume", "--out", out), "checkpoint of another training")
    fewer.unlink()
    assert listing(tmp_path) == before

    assert run("fit", flows, *WORDS, "--resume", "--out", out).code == 0
    same_model(out, whole)
    assert listing(tmp_path) == ["m.unseen"]


def test_ctrl_c_before_the_first_epoch_leaves_nothing(flows: Path, tmp_path: Path) -> None:
    done = killed(1, "SIGINT", "fit", flows, *WORDS, "--out", tmp_path / "m.unseen")
    assert (done.code, done.err) == (130, "stopped; nothing half-written is left\n")
    assert listing(tmp_path) == []


def test_without_resume_a_leftover_is_replaced(flows: Path, whole: Path, tmp_path: Path) -> None:
    out = tmp_path / "m.unseen"
    leftover = tmp_path / "m.unseen.partial" / "member-1"
    leftover.mkdir(parents=True)
    (leftover / "encoder.checkpoint").write_bytes(b"of another training")
    refused(run("fit", flows, *WORDS, "--resume", "--out", out), "checkpoint", "delete it or train without resuming")
    assert (leftover / "encoder.checkpoint").exists()
    assert run("fit", flows, *WORDS, "--out", out).code == 0
    same_model(out, whole)
    assert listing(tmp_path) == ["m.unseen"]


def test_nothing_to_resume_is_told(flows: Path, tmp_path: Path) -> None:
    done = run("fit", flows, *WORDS, "--resume", "--out", tmp_path / "m.unseen")
    assert done.code == 0
    assert "there is no checkpoint to resume from" in done.err


def test_what_is_the_users_own_is_not_removed(flows: Path, tmp_path: Path) -> None:
    out, folder = tmp_path / "m.unseen", tmp_path / "m.unseen.partial"
    folder.mkdir()
    (folder / "notes.txt").write_text("mine")
    assert run("fit", flows, *WORDS, "--out", out).code == 0
    assert listing(tmp_path) == ["m.unseen", "m.unseen.partial", "m.unseen.partial/notes.txt"]
    (tmp_path / "n.unseen.partial").write_text("mine")
    refused(run("fit", flows, *WORDS, "--out", tmp_path / "n.unseen"), "n.unseen.partial", "needed as a folder")
