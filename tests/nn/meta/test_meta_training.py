"""The two loops and the episodes: what they change, what they leave alone, and that a killed run goes on."""

from __future__ import annotations

import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import killable_meta
import numpy as np
import pytest
import torch
from made import SMALL, made_rows

from unseen.errors import ArtifactError
from unseen.metrics import auroc
from unseen.nn.meta.loops import _replayed, inner_loop, outer_loop
from unseen.nn.meta.network import MetaNetwork, build_network, scores
from unseen.nn.meta.presets import CONTROLS, FAST
from unseen.nn.meta.rows import SYNTHETIC, MetaRows
from unseen.nn.meta.settings import MetaSettings
from unseen.nn.meta.train import train_meta
from unseen.nn.state import load_arrays, to_arrays

SIZE = {"width": 16, "latent": 8, "blocks": 1, "episodes": 3, "inner_epochs": 1, "inner_batch": 64, "outer_epochs": 2}


def changed(before: dict[str, np.ndarray], network: MetaNetwork) -> set[str]:
    """The names of the parameters that differ, to the last bit."""
    return {name for name, array in to_arrays(network).items() if array.tobytes() != before[name].tobytes()}


def restored(arrays: dict[str, np.ndarray]) -> MetaNetwork:
    """A small network with these weights."""
    network = build_network(6, SMALL)
    load_arrays(network, arrays)
    return network


def outer(settings: MetaSettings) -> tuple[set[str], dict[str, float]]:
    network = build_network(6, settings)
    before = to_arrays(network)
    record = outer_loop(network, made_rows(), (0, 1, 2), settings, np.random.default_rng(0))
    return changed(before, network), record


def test_the_outer_loop_leaves_the_encoder_as_it_is_to_the_last_bit() -> None:
    touched, record = outer(SMALL)
    assert touched == {"head.weight", "head.bias", "log_temperature"}
    assert record["temperature"] != 1.0


def test_a_fixed_temperature_stays_and_an_unfrozen_block_moves() -> None:
    touched, record = outer(SMALL.model_copy(update={"fixed_temperature": True, "unfrozen_rate": 1e-4, "blocks": 2}))
    assert record["temperature"] == 1.0
    assert {name.split(".")[0] for name in touched} == {"head", "encoder"}
    assert all(name.startswith(("head.", "encoder.blocks.1.")) for name in touched)


def test_the_inner_loop_learns_from_normals_of_its_domains_alone() -> None:
    rows, network = made_rows(), build_network(6, SMALL)
    before = to_arrays(network)

    def trained(changed_rows: object) -> dict[str, np.ndarray]:
        made = build_network(6, SMALL)
        inner_loop(made, changed_rows, (0,), 0, SMALL, np.random.default_rng(0), name="inner")  # type: ignore[arg-type]
        return to_arrays(made)

    first = trained(rows)
    assert {name for name in first if not np.array_equal(first[name], before[name])} == set(before) - {
        "log_temperature"
    }
    # Other anomalies and normals of the other domain change nothing.
    other = rows.normals.copy()
    other[rows.domain == 1] += 5
    same = trained(replace(rows, normals=other, known=rows.known + 5))
    assert all(np.array_equal(first[name], same[name]) for name in first)


def test_the_released_inner_loop_sees_the_anomalies_of_its_role() -> None:
    rows = made_rows()
    settings = SMALL.model_copy(update={"mode": "released"})

    def trained(known: np.ndarray) -> dict[str, np.ndarray]:
        network = build_network(6, settings)
        seen = replace(rows, inner_known=known, inner_family=rows.family)
        inner_loop(network, seen, (0, 1), 0, settings, np.random.default_rng(0), name="inner")
        return to_arrays(network)

    first, moved_inner, moved_outer = (
        trained(rows.known + np.isin(rows.family, moved)[:, None].astype(np.float32)) for moved in ([], [0], [2, 3])
    )
    assert not np.array_equal(first["head.weight"], moved_inner["head.weight"])
    assert np.array_equal(first["head.weight"], moved_outer["head.weight"])


def test_replay_mixes_in_rows_of_all_domains_and_families() -> None:
    rows = made_rows()
    rows = replace(rows, inner_known=rows.known, inner_family=rows.family)

    def trained(shown: MetaRows, share: float) -> dict[str, np.ndarray]:
        settings = SMALL.model_copy(update={"inner_shots": True, "replay": share})
        network = build_network(6, settings)
        inner_loop(network, shown, (0, 2), 0, settings, np.random.default_rng(0), name="inner", labelled_of=(0, 2))
        return to_arrays(network)

    other_domain = replace(rows, normals=rows.normals + 2 * (rows.domain == 1)[:, None].astype(np.float32))
    outer_role = np.isin(rows.family, (1, 3))[:, None].astype(np.float32)
    other_families = replace(rows, inner_known=rows.inner_known + outer_role)
    for changed_rows in (other_domain, other_families):
        assert not changed(trained(rows, 0.0), restored(trained(changed_rows, 0.0)))
        assert changed(trained(rows, 0.5), restored(trained(changed_rows, 0.5)))


def test_replayed_rows_are_of_all_families_in_equal_parts() -> None:
    family = np.repeat([0, 1, SYNTHETIC], [5, 95, 900])
    everything = np.repeat(family[:, None], 2, axis=1).astype(np.float32)
    mixed = _replayed(np.full((4000, 2), 7, dtype=np.float32), everything, family, 0.75, np.random.default_rng(0))
    values, counts = np.unique(mixed[:, 0], return_counts=True)
    assert values.tolist() == [SYNTHETIC, 0, 1, 7]
    assert counts[-1] == 1000
    np.testing.assert_allclose(counts[:3], 1000, atol=120)
    none = np.empty((0, 2), dtype=np.float32)
    assert _replayed(none, none, family[:0], 0.5, np.random.default_rng(0)).shape == (0, 2)


def test_the_mean_of_the_second_half_is_kept_and_calibrated_last() -> None:
    after: list[dict[str, np.ndarray]] = []
    settings = SMALL.model_copy(update={"average": True, "episodes": 8})

    def keep(_: int, network: MetaNetwork) -> None:
        after.append({name: np.array(array, dtype=np.float64) for name, array in to_arrays(network).items()})

    network, report = train_meta(made_rows(), settings, after_episode=keep)
    episodes = len(report.history)
    first = episodes // 2
    # What the last episode ended with is not seen: it follows from the mean and the others.
    plain: list[dict[str, np.ndarray]] = []
    train_meta(
        made_rows(),
        settings.model_copy(update={"average": False}),
        after_episode=lambda _, net: plain.append(
            {name: np.array(array, dtype=np.float64) for name, array in to_arrays(net).items()}
        ),
    )
    assert len(plain) == episodes
    for name, kept in to_arrays(network).items():
        np.testing.assert_allclose(kept, np.mean([arrays[name] for arrays in plain[first:]], axis=0), atol=1e-5)
    # The mean is taken once, at the end: the episodes before run as ever.
    for ours, theirs in zip(after[:-1], plain[:-1], strict=True):
        assert all(np.array_equal(ours[name], theirs[name]) for name in ours)
    calibrated, _ = train_meta(made_rows(), settings.model_copy(update={"last_calibration": True}))
    touched = changed({name: np.asarray(array) for name, array in to_arrays(network).items()}, calibrated)
    assert touched == {"head.weight", "head.bias", "log_temperature"}


def test_training_never_reads_validation_rows_into_a_gradient() -> None:
    rows = made_rows()
    settings = SMALL.model_copy(update={"families": "random"})
    network, _ = train_meta(rows, settings)
    twisted = replace(rows, normals_validation=rows.normals_validation + 3, known_validation=rows.known_validation * -2)
    again, _ = train_meta(twisted, settings)
    one, two = to_arrays(network), to_arrays(again)
    assert all(np.array_equal(one[name], two[name]) for name in one)


def test_coverage_is_logged_and_every_family_serves_twice_in_both_roles() -> None:
    seen = []
    _, report = train_meta(made_rows(), SMALL, after_episode=lambda number, _: seen.append(number))
    assert seen == list(range(1, len(report.history) + 1))
    assert all(min(counts.values()) >= 2 for counts in report.coverage.values())
    for role, bit in (("inner", 1), ("outer", 2)):
        logged = sum(int(record["role/family 0"]) & bit > 0 for record in report.history)
        assert logged == report.coverage["family 0"][role]
    assert report.messages == []


def test_one_family_serves_in_both_roles() -> None:
    _, report = train_meta(made_rows(families=1), SMALL)
    assert report.coverage == {"family 0": {"inner": 3, "outer": 3}}


def test_the_selected_episode_is_the_best_on_seen_validation_rows() -> None:
    kept: dict[int, dict[str, np.ndarray]] = {}
    settings = SMALL.model_copy(update={"keep": "selected", "episodes": 8})
    network, report = train_meta(
        made_rows(), settings, after_episode=lambda number, net: kept.update({number: to_arrays(net)})
    )
    areas = [record["macro_auroc"] for record in report.history]
    assert report.kept_episode == report.selected_episode == int(np.argmax(areas)) + 1
    assert not changed(kept[report.kept_episode], network)


def test_the_same_seed_gives_the_same_bits_and_no_global_state_is_touched() -> None:
    before = torch.get_rng_state().clone()
    networks = [to_arrays(train_meta(made_rows(), SMALL.model_copy(update={"seed": seed}))[0]) for seed in (0, 0, 1)]
    assert all(np.array_equal(networks[0][name], networks[1][name]) for name in networks[0])
    assert not np.array_equal(networks[0]["head.weight"], networks[2]["head.weight"])
    assert torch.equal(torch.get_rng_state(), before)


@pytest.fixture(scope="module")
def controlled() -> dict[str, np.ndarray]:
    """The scores of the fast preset and of every control, each with its own perturbation, as the detector gives."""
    rows = made_rows()
    rows = replace(
        rows,
        inner_known=np.concatenate([rows.known, rows.normals[::3, ::-1]]),
        inner_family=np.concatenate([rows.family, np.full(100, SYNTHETIC)]),
    )
    found = {}
    for name, settings in {"fast": FAST, **{name: settings for name, (_, settings) in CONTROLS.items()}}.items():
        small = settings.model_copy(update=SIZE)
        found[name] = scores(train_meta(rows, small)[0], rows.normals_validation, small.step)
    return found


@pytest.mark.parametrize("name", sorted(CONTROLS))
def test_every_control_changes_something(controlled: dict[str, np.ndarray], name: str) -> None:
    assert not np.array_equal(controlled[name], controlled["fast"])


def test_it_beats_its_untrained_and_its_shuffled_twin() -> None:
    rows = made_rows(shots=25, shift=4.0)
    size = {**SIZE, "episodes": 6, "inner_epochs": 3, "head_rate": 1e-2, "inner_shots": True, "last_calibration": True}
    size |= {"replay": 0.5, "average": True, "reconstruction": 0.0}
    held_out = made_rows(shots=60, shift=4.0)

    def area(**switches: object) -> float:
        settings = MetaSettings(**{**size, **switches})  # type: ignore[arg-type]
        seen = replace(rows, inner_known=rows.known, inner_family=rows.family) if settings.inner_shots else rows
        network, _ = train_meta(seen, settings)
        return auroc(*(scores(network, X, settings.step) for X in (held_out.normals_validation, held_out.known)))

    real = area()
    assert real > 0.8
    assert real > area(inner=False, outer=False, last_calibration=False) + 0.05
    assert real > area(shuffled_outer=True, inner_shots=False) + 0.05


@pytest.mark.parametrize(
    ("mode", "episode"), [("multi-directional", 1), ("multi-directional", 4), ("averaged", 7), ("joint", 3)]
)
def test_killed_and_resumed_is_bit_equal(tmp_path: Path, mode: str, episode: int) -> None:
    script = [sys.executable, killable_meta.__file__, mode, str(tmp_path), str(episode)]
    done = subprocess.run(script, capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    seen = []
    network, report = killable_meta.run(mode, tmp_path, resume=True, progress=seen.append)
    assert seen[0].epoch == episode
    whole, whole_report = killable_meta.run(mode)
    assert not changed(to_arrays(whole), network)
    assert report.history == whole_report.history
    assert report.kept_episode == whole_report.kept_episode
    # A finished run is given again without a step.
    steps: list[object] = []
    again, _ = killable_meta.run(mode, tmp_path, resume=True, progress=steps.append)
    assert not steps
    assert not changed(to_arrays(whole), again)


def test_the_checkpoint_of_other_rows_is_refused(tmp_path: Path) -> None:
    train_meta(made_rows(), SMALL, checkpoint=tmp_path / "c")
    with pytest.raises(ArtifactError, match="checkpoint of another training"):
        train_meta(made_rows(shots=11), SMALL, checkpoint=tmp_path / "c", resume=True)
