from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import killable
import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from unseen.errors import ArtifactError, InputError
from unseen.nn.checkpoint import TrainingState, fingerprint, load_checkpoint, save_checkpoint
from unseen.nn.seeding import generator
from unseen.nn.state import to_arrays


def state() -> TrainingState:
    noise = generator(0)
    module = {"weight": torch.randn(3, 2, generator=noise).T, "count": torch.tensor(3)}
    slots = {0: {"step": torch.tensor(5.0), "exp_avg": torch.randn(2, 3, generator=noise)}}
    return TrainingState(module, {"weight": torch.zeros(2, 3)}, slots, [{"loss": 0.1 + 0.2, "nll": float("inf")}], 1.5)


def test_round_trip_keeps_every_bit(tmp_path: Path) -> None:
    saved = state()
    save_checkpoint(tmp_path / "c", saved, "me")
    loaded = load_checkpoint(tmp_path / "c", "me")
    assert loaded.history == saved.history
    assert loaded.seconds == saved.seconds
    for part in ("module", "best"):
        one, two = getattr(saved, part), getattr(loaded, part)
        assert one.keys() == two.keys()
        assert all(torch.equal(one[name], two[name]) for name in one)
    assert all(torch.equal(saved.optimizer[0][name], loaded.optimizer[0][name]) for name in saved.optimizer[0])
    assert [path.name for path in tmp_path.iterdir()] == ["c"]


def test_no_best_stays_no_best(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "c", TrainingState({"weight": torch.ones(1)}), "")
    assert load_checkpoint(tmp_path / "c", "").best is None


def test_another_training_is_refused(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "c", state(), "me")
    with pytest.raises(ArtifactError, match="checkpoint of another training"):
        load_checkpoint(tmp_path / "c", "you")


@pytest.mark.parametrize("keep", [0, 4, 100, -1])
def test_a_truncated_file_is_refused(tmp_path: Path, keep: int) -> None:
    path = tmp_path / "c"
    save_checkpoint(path, state(), "me")
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(ArtifactError, match="delete it or train without resuming"):
        load_checkpoint(path, "me")


def test_foreign_files_are_refused(tmp_path: Path) -> None:
    save_file({"x": torch.ones(2)}, tmp_path / "c")
    with pytest.raises(ArtifactError, match="not a checkpoint this version can read"):
        load_checkpoint(tmp_path / "c", "")
    save_file({"x": torch.ones(2)}, tmp_path / "c", {"format": "unseen-checkpoint-1", "fingerprint": "", "state": "{"})
    with pytest.raises(ArtifactError, match="damaged"):
        load_checkpoint(tmp_path / "c", "")


def test_a_failed_write_keeps_the_previous_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_checkpoint(tmp_path / "c", state(), "me")
    before = (tmp_path / "c").read_bytes()

    def broken(*_: object) -> bytes:
        raise MemoryError

    monkeypatch.setattr("unseen.nn.checkpoint.save", broken)
    with pytest.raises(MemoryError):
        save_checkpoint(tmp_path / "c", TrainingState({}), "me")
    assert (tmp_path / "c").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["c"]


def test_a_missing_folder_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError):
        save_checkpoint(tmp_path / "no" / "c", state(), "me")


def test_fingerprint_tells_rows_shapes_types_and_settings_apart() -> None:
    rows = np.arange(6, dtype=np.float32)
    parts = [
        (rows,),
        (rows.reshape(2, 3),),
        (rows.astype(np.float64),),
        (rows, rows),
        (rows, 1),
        (rows, "1"),
        (rows, killable.FLOW),
        (rows, killable.FLOW.model_copy(update={"seed": 8})),
    ]
    assert len({fingerprint(*part) for part in parts}) == len(parts)
    assert fingerprint(rows.reshape(2, 3).T) == fingerprint(np.ascontiguousarray(rows.reshape(2, 3).T))


@pytest.fixture(scope="module")
def uninterrupted() -> tuple[object, object]:
    return killable.run()


@pytest.mark.parametrize(
    ("phase", "epoch", "moment"),
    [("encoder", 1, "step"), ("encoder", 3, "step"), ("flow", 4, "write")],
)
def test_killed_and_resumed_is_bit_equal(
    tmp_path: Path, uninterrupted: tuple, phase: str, epoch: int, moment: str
) -> None:
    script = [sys.executable, killable.__file__, str(tmp_path), phase, str(epoch), moment]
    done = subprocess.run(script, capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    seen = []
    sculpted, flow = killable.run(tmp_path, resume=True, progress=lambda p: seen.append((p.phase, p.epoch, p.step)))
    # It goes on where it stood: with the killed epoch, and not with one before.
    assert seen[0] == (phase, epoch, 1)
    for ours, whole in zip((sculpted, flow), uninterrupted, strict=True):
        assert ours.report.history == whole.report.history
        assert ours.report.kept_epoch == whole.report.kept_epoch
        one, two = to_arrays(ours[0]), to_arrays(whole[0])
        assert all(np.array_equal(one[name], two[name]) for name in two)
    assert np.array_equal(sculpted.centroids, uninterrupted[0].centroids)


def test_resuming_a_finished_training_gives_it_again_without_a_step(tmp_path: Path, uninterrupted: tuple) -> None:
    killable.run(tmp_path)
    seen = []
    again, flow = killable.run(tmp_path, resume=True, progress=seen.append)
    assert not seen
    assert again.report.history == uninterrupted[0].report.history
    whole = to_arrays(uninterrupted[1].flow)
    assert all(np.array_equal(array, whole[name]) for name, array in to_arrays(flow.flow).items())
