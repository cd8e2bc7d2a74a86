from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from slices import Rows

from unseen.errors import ArtifactError, InputError
from unseen.nn.encoders import build_encoder
from unseen.nn.inference import run_in_chunks
from unseen.nn.sculpt import (
    FlowSettings,
    SculptedEncoder,
    SculptSettings,
    latent_centroids,
    train_encoder,
    train_flow,
    triage_score,
)
from unseen.nn.state import to_arrays

MLP = SculptSettings(encoder={"kind": "mlp"}, epochs=8, batch_size=256, learning_rate=1e-3)
SMALL_FLOW = FlowSettings(transforms=3, hidden=(64, 64), epochs=6, batch_size=256, standardise=True, learning_rate=2e-3)


def auroc(anomalous: np.ndarray, normal: np.ndarray) -> float:
    less = np.searchsorted(np.sort(normal), anomalous, side="left")
    not_more = np.searchsorted(np.sort(normal), anomalous, side="right")
    return float((less + not_more).mean() / (2 * len(normal)))


def separation(sculpted: SculptedEncoder, rows: Rows) -> float:
    score = triage_score(run_in_chunks(sculpted.encoder, rows.X_test), sculpted.centroids)
    return auroc(score[rows.is_anomaly_test], score[~rows.is_anomaly_test])


@pytest.fixture(scope="module")
def sculpted(traffic: Rows) -> SculptedEncoder:
    return train_encoder(*traffic[:4], MLP)


def test_published_constants_are_the_defaults() -> None:
    s, f = SculptSettings(), FlowSettings()
    assert (s.encoder, s.loss, s.distance) == ({"kind": "cnn-transformer"}, "dccl", "squared")
    assert (s.alpha, s.beta, s.gamma, s.margin, s.noise, s.warmup_steps) == (0.1, 0.1, 1.0, 5.0, 0.1, 0)
    assert (s.optimizer, s.learning_rate, s.weight_decay) == ("adamw", 3e-4, 1e-2)
    assert (f.transforms, f.hidden, f.log_scale, f.standardise) == (16, (512, 512), "tanh", False)
    assert (f.optimizer, f.learning_rate, f.weight_decay) == ("adam", 5e-4, 0.0)
    for settings_ in (s, f):
        assert (settings_.batch_size, settings_.epochs, settings_.clip_norm, settings_.patience) == (512, 10, 1.0, None)


def test_sculpting_beats_its_untrained_and_its_shuffled_twin(traffic: Rows, sculpted: SculptedEncoder) -> None:
    untrained = build_encoder({"kind": "mlp", "features": traffic.X.shape[1]})
    centroids = latent_centroids(run_in_chunks(untrained, traffic.X), traffic.is_anomaly)
    rng = np.random.default_rng(0)
    shuffled = train_encoder(
        traffic.X,
        rng.permutation(traffic.is_anomaly),
        traffic.X_validation,
        rng.permutation(traffic.is_anomaly_validation),
        MLP,
    )
    learned = separation(sculpted, traffic)
    assert learned > 0.98
    assert learned > separation(sculpted._replace(encoder=untrained, centroids=centroids), traffic) + 0.02
    assert learned > separation(shuffled, traffic) + 0.1
    assert any("DCCL has not converged" in message for message in shuffled.report.messages)


def test_stage_one_reports_what_it_did(traffic: Rows, sculpted: SculptedEncoder) -> None:
    history = sculpted.report.history
    f1 = [record["f1"] for record in history]
    assert len(history) == MLP.epochs
    assert sculpted.report.kept_epoch == 1 + int(np.argmax(f1))
    assert max(f1) > 0.95
    assert history[-1]["loss"] < 0.1 * history[0]["loss"]
    assert history[-1]["gap"] > 1.5
    assert not sculpted.report.messages
    assert sculpted.warmup_steps == 0
    # The centroids are those of all training rows under the kept weights, in evaluation mode.
    Z = run_in_chunks(sculpted.encoder, traffic.X)
    assert np.array_equal(sculpted.centroids, latent_centroids(Z, traffic.is_anomaly))
    called = triage_score(run_in_chunks(sculpted.encoder, traffic.X_validation), sculpted.centroids) > 0
    truth = traffic.is_anomaly_validation
    assert 2 * (called & truth).sum() / (called.sum() + truth.sum()) == pytest.approx(max(f1))


def test_the_flow_finds_the_normals_and_its_untrained_twin_does_not(traffic: Rows, sculpted: SculptedEncoder) -> None:
    Z, Z_validation, Z_test = (run_in_chunks(sculpted.encoder, part) for part in traffic[::2])
    trained, report = train_flow(Z[~traffic.is_anomaly], Z_validation[~traffic.is_anomaly_validation], SMALL_FLOW)
    once = SMALL_FLOW.model_copy(update={"epochs": 1, "learning_rate": 1e-12})
    untrained, idle = train_flow(Z[~traffic.is_anomaly], Z_validation[~traffic.is_anomaly_validation], once)
    assert report.history[-1]["nll"] < idle.history[0]["nll"] - 10
    assert not report.messages
    assert "too diffuse" in idle.messages[0]
    density, twin = (run_in_chunks(flow, Z_test) for flow in (trained, untrained))
    normal = ~traffic.is_anomaly_test
    assert density[normal].mean() > twin[normal].mean() + 10
    assert auroc(-density[~normal], -density[normal]) > 0.9


def test_flow_stops_early_and_keeps_the_best_likelihood() -> None:
    rng = np.random.default_rng(0)
    Z = rng.standard_normal((60, 4)).astype(np.float32)  # few rows and a large flow: it overfits soon
    held_out = rng.standard_normal((200, 4)).astype(np.float32)
    constants = FlowSettings(transforms=3, hidden=(128, 128), epochs=60, batch_size=20, learning_rate=5e-3, patience=3)
    flow, report = train_flow(Z, held_out, constants)
    nll = [record["nll"] for record in report.history]
    assert report.stopped_early
    assert len(nll) == report.kept_epoch + 3 < 60
    assert -run_in_chunks(flow, held_out).mean(dtype=np.float64) == min(nll)


@pytest.mark.parametrize("change", [{}, {"loss": "binary", "distance": "plain"}, {"warmup_steps": 5}, {"noise": 0.0}])
def test_same_seed_same_bits_and_every_setting_counts(change: dict[str, object]) -> None:
    rng = np.random.default_rng(0)
    mask = rng.random(120) < 0.5
    X = (rng.standard_normal((120, 6)) + mask[:, None]).astype(np.float32)
    constants = SculptSettings(encoder={"kind": "mlp", "hidden": [8], "latent": 3}, epochs=2, batch_size=40)
    plain, changed, again = (
        train_encoder(X, mask, X, mask, constants.model_copy(update=update)) for update in ({}, change, change)
    )
    first, second = to_arrays(changed.encoder), to_arrays(again.encoder)
    assert all(np.array_equal(first[name], second[name]) for name in first)
    assert np.array_equal(changed.centroids, again.centroids)
    same = all(np.array_equal(array, first[name]) for name, array in to_arrays(plain.encoder).items())
    assert same == (not change)


COLLAPSING = SculptSettings(
    encoder={"kind": "mlp", "hidden": [16], "latent": 4},
    # So much compactness drives the classes together before the squared hinge can tell them apart.
    alpha=30.0,
    beta=30.0,
    epochs=6,
    batch_size=32,
    learning_rate=3e-3,
    collapse_steps=10,
    rescue_steps=20,
)


def weak_classes() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    mask = np.arange(160) % 2 == 0
    X = 0.05 * rng.standard_normal((160, 8))
    X[:, 0] += 0.01 * mask
    return X.astype(np.float32), mask


def test_a_collapse_is_told_and_rescued_by_a_warm_up_only_if_allowed(tmp_path: Path) -> None:
    X, mask = weak_classes()
    left_alone = train_encoder(X, mask, X, mask, COLLAPSING.model_copy(update={"warmup_on_collapse": False}))
    assert left_alone.warmup_steps == 0
    assert any("latent collapsed: for" in message for message in left_alone.report.messages)
    restarted = train_encoder(X, mask, X, mask, COLLAPSING, checkpoint=tmp_path / "encoder.safetensors")
    assert restarted.warmup_steps == 20
    assert "started again with warmup_steps=20" in restarted.report.messages[0]
    assert (tmp_path / "encoder-warmup.safetensors").exists()
    by_hand = train_encoder(X, mask, X, mask, COLLAPSING.model_copy(update={"warmup_steps": 20}))
    one, two = to_arrays(restarted.encoder), to_arrays(by_hand.encoder)
    assert all(np.array_equal(one[name], two[name]) for name in one)


@pytest.mark.parametrize("stop", [(0, 2), (1, 2), (2, 2), (4, 3), (7, 1)])
def test_resuming_repeats_the_decision_to_restart(tmp_path: Path, stop: tuple[int, int]) -> None:
    X, mask = weak_classes()
    whole = train_encoder(X, mask, X, mask, COLLAPSING)
    place = tmp_path / "encoder.safetensors"
    count = 0

    def interrupt(progress: object) -> None:
        nonlocal count
        if count == 5 * stop[0] + stop[1]:
            raise KeyboardInterrupt
        count += 1

    with pytest.raises(KeyboardInterrupt):
        train_encoder(X, mask, X, mask, COLLAPSING, checkpoint=place, progress=interrupt)
    again = train_encoder(X, mask, X, mask, COLLAPSING, checkpoint=place, resume=True)
    assert again.warmup_steps == whole.warmup_steps
    assert again.report.history == whole.report.history
    assert again.report.messages == whole.report.messages
    one, two = to_arrays(whole.encoder), to_arrays(again.encoder)
    assert all(np.array_equal(one[name], two[name]) for name in one)


def test_a_warm_up_gets_the_cnn_transformer_off_the_plateau_sooner(traffic: Rows) -> None:
    X, mask = traffic.X[:1024], traffic.is_anomaly[:1024]
    encoder = {"kind": "cnn-transformer", "layers": 1}
    constants = SculptSettings(encoder=encoder, epochs=2, batch_size=64, learning_rate=1e-3, warmup_on_collapse=False)
    plain, warmed = (
        train_encoder(X, mask, X, mask, constants.model_copy(update={"warmup_steps": steps})).report.history
        for steps in (0, 32)
    )
    # Without a warm-up the whole first epoch stands on the plateau.
    assert plain[0]["collapsed_steps"] == 16
    assert plain[0]["loss"] == pytest.approx(5.0, rel=0.01)
    assert all(ours["gap"] > 1.5 * theirs["gap"] for ours, theirs in zip(warmed, plain, strict=True))


def test_another_seed_or_other_rows_are_refused_on_resume(tmp_path: Path) -> None:
    X, mask = weak_classes()
    constants = COLLAPSING.model_copy(update={"epochs": 1, "warmup_on_collapse": False})
    place = tmp_path / "c.safetensors"
    train_encoder(X, mask, X, mask, constants, checkpoint=place)
    for rows, settings_ in ((X + 1, constants), (X, constants.model_copy(update={"seed": 1}))):
        with pytest.raises(ArtifactError, match="another training"):
            train_encoder(rows, mask, X, mask, settings_, checkpoint=place, resume=True)


@pytest.mark.parametrize("part", ["training", "validation"])
@pytest.mark.parametrize("value", [True, False])
def test_a_missing_class_is_told(part: str, value: bool) -> None:
    X, mask = weak_classes()
    masks = {"training": mask, "validation": mask, part: np.full(len(mask), value)}
    with pytest.raises(InputError, match=f"normals and anomalies in the {part} part"):
        train_encoder(X, masks["training"], X, masks["validation"], COLLAPSING)


def test_lengths_and_empty_validation_are_told() -> None:
    X, mask = weak_classes()
    with pytest.raises(InputError, match="160 rows and 159 labels"):
        train_encoder(X, mask[1:], X, mask, COLLAPSING)
    with pytest.raises(InputError, match="got 0 rows"):
        train_flow(X, X[:0], SMALL_FLOW)


def test_a_rare_class_missing_from_the_sample_does_not_break_the_judgement() -> None:
    rng = np.random.default_rng(0)
    X = rng.standard_normal((500, 4)).astype(np.float32)
    mask = np.zeros(500, dtype=bool)
    mask[3] = True
    constants = SculptSettings(encoder={"kind": "mlp", "hidden": [4]}, epochs=1, batch_size=100, centroid_rows=10)
    assert np.isfinite(train_encoder(X, mask, X, mask, constants).report.history[0]["f1"])


@given(seed=st.integers(0, 2**31), rows=st.integers(1, 40))
@settings(deadline=None)
def test_triage_depends_on_the_row_alone_and_orders_by_distance(seed: int, rows: int) -> None:
    rng = np.random.default_rng(seed)
    Z = rng.standard_normal((40, 32)).astype(np.float32)
    centroids = rng.standard_normal((2, 32))
    whole = triage_score(Z, centroids)
    chosen = rng.integers(0, 40, rows)
    assert np.array_equal(triage_score(Z[chosen], centroids), whole[chosen])
    assert np.array_equal(triage_score(np.asfortranarray(Z), centroids), whole)
    nearer = np.linalg.norm(Z - centroids[1], axis=1) < np.linalg.norm(Z - centroids[0], axis=1)
    assert np.array_equal(whole > 0, nearer)


def test_settings_survive_json_and_refuse_the_unknown() -> None:
    for settings_ in (MLP, SMALL_FLOW):
        assert type(settings_).model_validate_json(settings_.model_dump_json()) == settings_
    with pytest.raises(ValueError, match="warmup"):
        SculptSettings(warmup=3)
    with pytest.raises(ValueError, match="distance"):
        SculptSettings(distance="cosine")


def test_training_leaves_the_thread_count_and_the_rows_alone(traffic: Rows) -> None:
    before, threads = traffic.X.copy(), torch.get_num_threads()
    train_encoder(*traffic[:4], MLP.model_copy(update={"epochs": 1}))
    assert np.array_equal(before, traffic.X)
    assert torch.get_num_threads() == threads
