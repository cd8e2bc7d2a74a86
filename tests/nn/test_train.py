from __future__ import annotations

import json
import math
import threading
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from unseen.errors import ArtifactError, InputError, TrainingError
from unseen.nn.checkpoint import Checkpoint
from unseen.nn.seeding import generator, isolated_rng
from unseen.nn.train import Monitor, Progress, Step, TrainingReport, TrainSettings, train

X = torch.randn(100, 3, generator=generator(0))
Y = X @ torch.tensor([[1.0], [-2.0], [0.5]])
FAST = TrainSettings(epochs=4, batch_size=16, learning_rate=0.02)


def network(seed: int = 0) -> nn.Sequential:
    with isolated_rng(seed):
        return nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Dropout(0.1), nn.Linear(8, 1))


def fit(module: nn.Module, settings: TrainSettings = FAST, **arguments: object) -> TrainingReport:
    def squared_error(batch: tuple[Tensor, ...], step: Step) -> Tensor:
        x, y = batch
        return (module(x + 0.01 * torch.randn(x.shape, generator=step.generator)) - y).square().mean()

    return train(module, squared_error, (X, Y), settings, **arguments)


def error_of(module: nn.Module) -> float:
    return (module.eval()(X) - Y).square().mean().item()


def same(one: nn.Module, two: nn.Module) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one.state_dict().values(), two.state_dict().values(), strict=True))


def test_it_learns_and_the_untrained_twin_does_not() -> None:
    module = network()
    report = fit(module, FAST.model_copy(update={"epochs": 30}))
    assert error_of(module) < 0.2 * error_of(network())
    assert report.history[-1]["loss"] < 0.3 * report.history[0]["loss"]
    assert not module.training


@pytest.mark.parametrize("optimizer", ["adam", "adamw"])
def test_same_seed_same_bits(optimizer: str) -> None:
    first, again, other = network(), network(), network()
    constants = FAST.model_copy(update={"optimizer": optimizer})
    report = fit(first, constants)
    assert fit(again, constants).history == report.history
    fit(other, constants.model_copy(update={"seed": 1}))
    assert same(first, again)
    assert not same(first, other)


def test_the_global_generator_neither_matters_nor_changes() -> None:
    first, again = network(), network()
    fit(first)
    with isolated_rng(99):
        before = torch.random.get_rng_state()
        fit(again)
        assert torch.equal(before, torch.random.get_rng_state())
    assert same(first, again)


def test_weight_decay_and_optimizer_change_the_result() -> None:
    results = {}
    for optimizer, decay in (("adam", 0.0), ("adam", 0.1), ("adamw", 0.1)):
        module = network()
        fit(module, FAST.model_copy(update={"optimizer": optimizer, "weight_decay": decay}))
        results[optimizer, decay] = error_of(module)
    assert len(set(results.values())) == 3


@given(rows=st.integers(2, 70), batch_size=st.integers(2, 80))
@settings(max_examples=30, deadline=None)
def test_every_row_once_an_epoch_but_a_lonely_last_one(rows: int, batch_size: int) -> None:
    module, seen = nn.Linear(1, 1, device="meta").to_empty(device="cpu"), []
    nn.init.zeros_(module.weight)
    nn.init.zeros_(module.bias)

    def loss(batch: tuple[Tensor, ...], _: Step) -> Tensor:
        seen.append(batch[0][:, 0].int().tolist())
        assert torch.equal(batch[0], batch[1])
        return module(batch[0]).mean()

    numbers = torch.arange(rows, dtype=torch.float32)[:, None]
    train(module, loss, (numbers, numbers), TrainSettings(epochs=2, batch_size=batch_size))
    lost = 1 if rows % batch_size == 1 else 0
    per_epoch = len(seen) // 2
    for batches in (seen[:per_epoch], seen[per_epoch:]):
        flat = [row for batch in batches for row in batch]
        assert len(flat) == len(set(flat)) == rows - lost
        assert all(2 <= len(batch) <= batch_size for batch in batches)
    if rows > 10:
        assert seen[:per_epoch] != seen[per_epoch:]


def test_clipping_bounds_the_step() -> None:
    def moved(clip: float | None) -> tuple[float, float]:
        module = network()
        start = [parameter.clone() for parameter in module.parameters()]
        report = fit(module, TrainSettings(epochs=1, batch_size=100, clip_norm=clip, learning_rate=1e-3))
        distance = sum((a - b).abs().sum().item() for a, b in zip(start, module.parameters(), strict=True))
        return distance, report.history[0]["gradient_norm"]

    # Adam divides by the gradient's size, so only a clip near its epsilon shows in the step.
    (clipped, norm), (free, same_norm) = moved(1e-9), moved(None)
    assert norm == same_norm > 1
    assert clipped < 0.5 * free


@pytest.mark.parametrize("poison", ["loss", "gradient"])
def test_not_finite_stops_with_the_place_and_advice(poison: str) -> None:
    module = network()
    good = None

    def loss(batch: tuple[Tensor, ...], step: Step) -> Tensor:
        nonlocal good
        value = module(batch[0]).square().mean()
        if step.index == 9:
            good = {name: tensor.clone() for name, tensor in module.state_dict().items()}
            value = value * math.inf if poison == "loss" else value + (0 * module[0].weight).sum().sqrt()
        return value

    with pytest.raises(
        TrainingError, match=rf"the regressor broke in epoch 2, step 3: the {poison} is .*learning rate"
    ):
        train(module, loss, (X,), FAST, name="regressor")
    # The poisoned step was not taken.
    assert all(torch.equal(good[name], tensor) for name, tensor in module.state_dict().items())


def scripted(values: list[float]) -> dict[str, object]:
    """Arguments for a training whose monitored values are given in advance."""
    left = iter(values)
    return {"validate": lambda: {"score": next(left)}, "monitor": Monitor("score", "max")}


@pytest.mark.parametrize(
    ("values", "patience", "epochs", "kept"),
    [
        ([1, 2, 3, 4, 5, 6], 2, 6, 6),
        ([3, 2, 1, 9, 9, 9], 2, 3, 1),
        ([1, 3, 2, 3, 3, 9], 3, 5, 2),
        ([1, 3, 2, 4, 3, 3], 2, 6, 4),
        ([1, 3, 2, 4, 3, 3], None, 6, 4),
        ([math.nan, 1, math.nan, math.inf, 0, 0], 3, 5, 2),
    ],
)
def test_early_stopping_and_best_epoch(values: list[float], patience: int | None, epochs: int, kept: int) -> None:
    arguments = scripted(values)
    module, twin = network(), network()
    report = fit(module, FAST.model_copy(update={"epochs": 6, "patience": patience}), **arguments)
    assert len(report.history) == epochs
    assert report.kept_epoch == kept
    assert report.stopped_early == (epochs < 6)
    fit(twin, FAST.model_copy(update={"epochs": kept}))
    assert same(module, twin)


def test_keep_last_and_minimum() -> None:
    values = iter([1.0, 2.0, 3.0, 4.0])
    module, twin = network(), network()
    constants = FAST.model_copy(update={"keep": "last"})
    report = fit(module, constants, validate=lambda: {"loss2": next(values)}, monitor=Monitor("loss2", "min"))
    assert report.kept_epoch == 4
    fit(twin)
    assert same(module, twin)
    values = iter([2.0, 1.0, 3.0, 4.0])
    report = fit(network(), FAST, validate=lambda: {"loss2": next(values)}, monitor=Monitor("loss2", "min"))
    assert report.kept_epoch == 2


def test_never_finite_validation_keeps_the_last_epoch_and_says_so() -> None:
    arguments = scripted([math.nan] * 4)
    report = fit(network(), FAST, **arguments)
    assert report.kept_epoch == 4
    assert "never finite" in report.messages[0]


def test_validation_sees_evaluation_mode_and_no_gradients() -> None:
    module = network()

    def validate() -> Mapping[str, float]:
        assert not module.training
        assert not torch.is_grad_enabled()
        return {"error": error_of(module)}

    report = fit(module, FAST, validate=validate, monitor=Monitor("error", "min"))
    assert error_of(module) == min(record["error"] for record in report.history)


def test_progress_counts_every_step_and_the_report_is_json() -> None:
    seen: list[Progress] = []
    report = fit(network(), FAST, progress=seen.append, name="regressor")
    assert [(p.epoch, p.step) for p in seen] == [(epoch, step) for epoch in range(1, 5) for step in range(1, 8)]
    assert {(p.phase, p.epochs, p.steps) for p in seen} == {("regressor", 4, 7)}
    assert all(p.rows_per_second > 0 for p in seen)
    again = TrainingReport.model_validate(json.loads(report.model_dump_json()))
    assert again == report
    assert report.seconds > 0


def test_steps_know_their_place() -> None:
    steps: list[tuple[int, bool, int]] = []
    module = network()

    def loss(batch: tuple[Tensor, ...], step: Step) -> Tensor:
        steps.append((step.index, step.is_first_of_epoch, len(step.history)))
        return module(batch[0]).mean()

    train(module, loss, (X,), TrainSettings(epochs=2, batch_size=50))
    assert steps == [(0, True, 0), (1, False, 0), (2, True, 1), (3, False, 1)]


@pytest.mark.parametrize("stop", [1, 2, 3])
def test_interrupted_by_an_error_and_resumed_is_bit_equal(tmp_path: Path, stop: int) -> None:
    whole, module, values = network(), network(), [3.0, 5.0, 4.0, 1.0]
    constants = FAST.model_copy(update={"patience": 3})
    arguments = scripted(values)
    expected = fit(whole, constants, **arguments)
    place = tmp_path / "training.safetensors"

    def interrupt(progress: Progress) -> None:
        if (progress.epoch, progress.step) == (stop + 1, 2):
            raise KeyboardInterrupt

    arguments = scripted(values)
    with pytest.raises(KeyboardInterrupt):
        fit(module, constants, checkpoint=Checkpoint(place), progress=interrupt, **arguments)
    arguments = scripted(values[stop:])
    fresh = network(seed=5)
    report = fit(fresh, constants, checkpoint=Checkpoint(place, resume=True), **arguments)
    assert same(fresh, whole)
    assert (report.history, report.kept_epoch) == (expected.history, expected.kept_epoch)


def test_without_resume_a_checkpoint_is_overwritten(tmp_path: Path) -> None:
    place = tmp_path / "c"
    fit(network(), FAST, checkpoint=Checkpoint(place, fingerprint="old"))
    module, twin = network(3), network(3)
    fit(module, FAST, checkpoint=Checkpoint(place, fingerprint="new"))
    fit(twin, FAST)
    assert same(module, twin)
    with pytest.raises(ArtifactError, match="another training"):
        fit(network(), FAST, checkpoint=Checkpoint(place, resume=True, fingerprint="old"))


def test_a_checkpoint_of_another_network_is_refused(tmp_path: Path) -> None:
    place = tmp_path / "c"
    fit(network(), FAST, checkpoint=Checkpoint(place))
    with pytest.raises(ArtifactError, match="does not fit this network"):
        fit(nn.Sequential(network()), FAST, checkpoint=Checkpoint(place, resume=True))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"data": (X[:1],)}, "at least 2 rows, got 1"),
        ({"data": (X, Y[:50])}, "one length"),
        ({"settings": FAST.model_copy(update={"patience": 2})}, "patience=2 needs"),
        ({"monitor": Monitor("f1", "max")}, "needs a validate function"),
        ({"monitor": Monitor("f1", "max"), "validate": lambda: {"recall": 1.0}}, "not the monitored 'f1'"),
    ],
)
def test_misuse_is_told(arguments: dict, message: str) -> None:
    module = network()
    arguments = {"data": (X,), "settings": FAST, **arguments}
    with pytest.raises(InputError, match=message):
        train(module, lambda batch, _: module(batch[0]).mean(), **arguments)


@pytest.mark.parametrize("change", [{"epochs": 0}, {"batch_size": 1}, {"learning_rate": 0.0}, {"depth": 3}])
def test_bad_settings_are_refused(change: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=next(iter(change))):
        TrainSettings(**change)


def test_two_threads_without_dropout_do_not_disturb_each_other() -> None:
    def make() -> nn.Module:
        with isolated_rng(0):
            return nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 1))

    alone, together = make(), [make() for _ in range(2)]
    fit(alone)
    threads = [threading.Thread(target=fit, args=(module,)) for module in together]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(same(alone, module) for module in together)
