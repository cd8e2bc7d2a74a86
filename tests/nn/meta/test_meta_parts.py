"""The parts of meta-learning: encoder, losses, perturbation, PCGrad, and the roles of families."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from made import FEATURES, SMALL, made_rows

from unseen.errors import ArtifactError, InputError
from unseen.nn.meta.encoder import ResidualEncoder
from unseen.nn.meta.episodes import LEAST_COVERAGE, coverage, next_roles, planned_episodes, role_sizes
from unseen.nn.meta.losses import cross_entropy, margin_penalty, normal_loss, outer_loss, p_normal
from unseen.nn.meta.network import build_network, perturbed, restore_network, scores
from unseen.nn.meta.pcgrad import project_conflicts, without_conflict
from unseen.nn.meta.rows import batches, inner_rows
from unseen.nn.seeding import isolated_rng
from unseen.nn.state import to_arrays

margins = hnp.arrays(np.float32, st.integers(2, 30), elements=st.floats(-30, 30, width=32))


def rows(count: int = 40) -> np.ndarray:
    return np.random.default_rng(1).standard_normal((count, FEATURES)).astype(np.float32)


def encoder(**arguments: float) -> ResidualEncoder:
    with isolated_rng(0, "test"):
        return ResidualEncoder(FEATURES, **{"width": 16, "latent": 8, **arguments})  # type: ignore[arg-type]


# ---- the encoder ----------------------------------------------------------------------------------------------------


def test_every_parameter_of_the_encoder_gets_a_gradient() -> None:
    network = encoder(dropout=0.0, feature_dropout=0.0, blocks=2)
    network(torch.from_numpy(rows())).square().sum().backward()
    assert all(parameter.grad is not None and parameter.grad.any() for parameter in network.parameters())


def test_dropout_acts_in_training_only() -> None:
    network, x = encoder(), torch.from_numpy(rows())
    with isolated_rng(0, "dropout"):
        assert not torch.equal(network.train()(x), network(x))
    assert torch.equal(network.eval()(x), network(x))


@pytest.mark.parametrize("wrong", [{"width": 0}, {"blocks": 0}, {"dropout": 1.0}, {"feature_dropout": -0.1}])
def test_an_encoder_that_cannot_be_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(InputError):
        encoder(**wrong)


# ---- losses ---------------------------------------------------------------------------------------------------------


@given(margins, st.floats(0.1, 10))
def test_the_losses_are_those_of_a_two_class_softmax(margin: np.ndarray, temperature: float) -> None:
    a = torch.from_numpy(margin).double()
    logits = torch.stack([torch.zeros_like(a), a], dim=1) / temperature
    probability = torch.softmax(logits, dim=1)[:, 0]
    torch.testing.assert_close(p_normal(a, temperature), probability)
    labels = torch.arange(len(a)) % 2
    expected = torch.nn.functional.cross_entropy(logits, labels)
    torch.testing.assert_close(cross_entropy(a, labels.bool(), temperature), expected)
    torch.testing.assert_close(normal_loss(a, temperature), torch.nn.functional.cross_entropy(logits, labels * 0))


def test_the_margin_penalty_is_the_missing_part_of_the_gap() -> None:
    margin, is_anomaly = torch.tensor([0.0, 0.2, 0.5]), torch.tensor([False, False, True])
    assert margin_penalty(margin, is_anomaly, 1.0, 0.5).item() == pytest.approx(0.1)
    assert margin_penalty(margin, is_anomaly, 0.5, 0.5).item() == 0.0


def test_a_saturated_row_still_has_a_gradient_and_a_finite_loss() -> None:
    margin = torch.tensor([-500.0, 500.0], requires_grad=True)
    log_temperature = torch.zeros((), requires_grad=True)
    weights = {"least": 0.5, "margin_weight": 0.1, "temperature_weight": 1e-3}
    loss = outer_loss(margin, torch.tensor([True, False]), log_temperature, **weights)
    loss.backward()
    assert math.isfinite(loss.item())
    assert torch.isfinite(margin.grad).all()
    assert margin.grad.abs().min() > 0


# ---- perturbation and score -----------------------------------------------------------------------------------------


@given(st.integers(0, 20))
def test_the_perturbation_raises_the_probability_of_being_normal(seed: int) -> None:
    network = build_network(FEATURES, SMALL.model_copy(update={"seed": seed})).double().eval()
    x = torch.randn(20, FEATURES, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    step = 1e-5  # small enough for the first order to rule
    with torch.no_grad():
        before = p_normal(network.margin(x))
        toward, away = (p_normal(network.margin(perturbed(network, x, s))) for s in (step, -step))
    assert (toward > before).all()
    assert (away < before).all()
    assert torch.equal(perturbed(network, x, 0.0), x)
    assert (perturbed(network, x, step) - x).abs().max() <= step * (1 + 1e-9)


@given(st.floats(0.05, 20))
def test_the_ranking_does_not_depend_on_the_temperature(temperature: float) -> None:
    network, X = build_network(FEATURES, SMALL), rows(200)
    for step in (0.0, 2e-3):
        with torch.no_grad():
            network.log_temperature.fill_(0.0)
            at_one = scores(network, X, step)
            network.log_temperature.fill_(math.log(temperature))
        np.testing.assert_array_equal(np.argsort(scores(network, X, step)), np.argsort(at_one))


def test_a_row_is_scored_on_its_own() -> None:
    network, X = build_network(FEATURES, SMALL), rows(600)
    whole = scores(network, X, 2e-3)
    order = np.random.default_rng(0).permutation(600)
    np.testing.assert_array_equal(scores(network, X[order][:77], 2e-3), whole[order][:77])
    np.testing.assert_array_equal(scores(network, X[5:6], 2e-3), whole[5:6])


def test_scoring_leaves_mode_and_gradients_alone() -> None:
    network = build_network(FEATURES, SMALL).train()
    scores(network, rows(), 2e-3)
    assert network.training
    assert all(parameter.grad is None for parameter in network.parameters())


def test_the_network_is_restored_from_arrays() -> None:
    network = build_network(FEATURES, SMALL.model_copy(update={"error_view": True}))
    again = restore_network(network.config(), to_arrays(network))
    np.testing.assert_array_equal(scores(again, rows(), 2e-3), scores(network, rows(), 2e-3))


@pytest.mark.parametrize(
    "damage",
    [
        lambda config, arrays: arrays.pop("head.weight"),
        lambda config, arrays: config["encoder"].update(width=10**6),
        lambda config, arrays: config["encoder"].update(blocks=10**6),
        lambda config, arrays: config["encoder"].pop("latent"),
        lambda config, arrays: config.pop("encoder"),
        lambda config, arrays: arrays.update({"log_temperature": np.array(np.nan, dtype=np.float32)}),
    ],
)
def test_a_damaged_network_is_refused(damage) -> None:  # type: ignore[no-untyped-def]
    network = build_network(FEATURES, SMALL)
    config, arrays = network.config(), to_arrays(network)
    damage(config, arrays)
    with pytest.raises(ArtifactError):
        restore_network(config, arrays)


# ---- PCGrad ---------------------------------------------------------------------------------------------------------

vectors = hnp.arrays(np.float64, 5, elements=st.floats(-100, 100, width=32))


@given(vectors, vectors)
def test_pcgrad_removes_exactly_the_conflicting_component(g: np.ndarray, other: np.ndarray) -> None:
    assume(np.linalg.norm(other) > 1e-3)
    gradient, against = torch.from_numpy(g), torch.from_numpy(other)
    left = without_conflict(gradient, against)
    if g @ other >= 0:
        assert torch.equal(left, gradient)
        return
    scale = np.linalg.norm(g) * np.linalg.norm(other)
    assert abs(float(left @ against)) <= 1e-9 * scale
    # What was taken lies along the other gradient, and nothing else was.
    direction = other / np.linalg.norm(other)
    taken = (gradient - left).numpy()
    np.testing.assert_allclose(taken, (g @ direction) * direction, rtol=1e-9, atol=1e-9 * (1 + np.linalg.norm(g)))


@given(hnp.arrays(np.float64, (3, 4), elements=st.floats(0, 10)))
def test_gradients_without_conflict_are_added_up(gradients: np.ndarray) -> None:
    total, conflicts = project_conflicts(torch.from_numpy(gradients), [[1, 2, 0]] * 3)
    assert conflicts == 0
    np.testing.assert_allclose(total.numpy(), gradients.sum(axis=0), rtol=1e-12, atol=1e-12)


def test_two_tasks_in_conflict_do_not_hurt_each_other() -> None:
    one, two = torch.tensor([1.0, 0.0]), torch.tensor([-1.0, 1.0])
    total, conflicts = project_conflicts(torch.stack([one, two]), [[0, 1], [0, 1]])
    assert conflicts == 2
    assert total @ one > 0
    assert total @ two > 0


@pytest.mark.parametrize("size", [1e-20, 1e-30, 0.0])
def test_a_solved_task_of_a_tiny_gradient_turns_nothing_into_nan(size: float) -> None:
    gradient, solved = torch.tensor([1.0, 1.0]), torch.tensor([-1.0, 0.0]) * size
    left = without_conflict(gradient, solved)
    assert left.tolist() == ([0.0, 1.0] if size else [1.0, 1.0])


# ---- roles ----------------------------------------------------------------------------------------------------------


@given(
    st.integers(1, 40), st.integers(1, 25), st.integers(0, 2**31), st.sampled_from(["hard", "random"]), st.booleans()
)
def test_every_family_serves_twice_in_both_roles(
    families: int, episodes: int, seed: int, choice: str, constant: bool
) -> None:
    rng = np.random.default_rng(seed)
    hardness = rng.random(families)
    history = []
    for _ in range(planned_episodes(families, episodes)):
        hardness = hardness if constant else rng.random(families)
        history.append(next_roles(history, hardness, rng, families=choice))  # type: ignore[arg-type]
    served = coverage(history, families)
    assert served.min() >= LEAST_COVERAGE
    # Round-robin: in the outer role no family is two turns ahead of another.
    assert np.ptp(served[:, 1]) <= 1
    for roles in history:
        assert (len(roles.inner), len(roles.outer)) == role_sizes(families)
        assert families == 1 or not set(roles.inner) & set(roles.outer)


def test_the_hardest_serve_first() -> None:
    hardness = np.array([0.1, 0.9, 0.2, 0.8, 0.7, 0.3])
    rng = np.random.default_rng(0)
    first = next_roles([], hardness, rng)
    assert first.outer == (1, 3, 4)
    assert next_roles([first], hardness, rng).outer == (0, 2, 5)
    assert next_roles([first], hardness, rng, directions="one") == first


# ---- rows -----------------------------------------------------------------------------------------------------------


@given(st.integers(1, 500), st.integers(1, 12), st.integers(1, 40))
def test_the_limit_on_the_steps_holds(pool: int, epochs: int, steps: int) -> None:
    chosen, passes = inner_rows(np.arange(pool), epochs=epochs, steps=steps, batch=16, rng=np.random.default_rng(0))
    assert len(np.unique(chosen)) == len(chosen) <= pool
    assert 1 <= passes <= epochs
    assert passes * -(-len(chosen) // 16) <= steps


def test_batches_hold_every_pool_and_reach_every_row() -> None:
    pools = [np.full((3, 1), 0, np.float32), np.arange(10, 17, dtype=np.float32)[:, None]]
    drawn = batches(pools, 4, np.random.default_rng(0))
    seen: set[float] = set()
    for _ in range(2):
        X, of = next(drawn)
        np.testing.assert_array_equal(of, np.repeat([0, 1], 4))
        np.testing.assert_array_equal(X[:, 0] >= 10, of == 1)
        seen |= set(X[of == 1, 0].tolist())
    assert seen == set(range(10, 17))


def test_a_domain_without_a_family_takes_its_turn() -> None:
    made = made_rows()
    assert made.untied == []
    assert made.inner_domains([0], 0) == [0]
    from dataclasses import replace

    lonely = replace(made, family_domain=(0, 0, 0, 0))
    assert lonely.inner_domains([1], 7) == [0, 1]
