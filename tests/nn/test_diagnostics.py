from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from unseen.nn.diagnostics import CollapseMonitor, check_convergence, check_false_alarms, check_likelihood
from unseen.nn.losses import DualCentroidLoss
from unseen.nn.seeding import generator


@given(recall=st.floats(0, 1), false_alarms=st.floats(0, 1))
def test_convergence_speaks_below_ninety_percent_or_when_all_is_called(recall: float, false_alarms: float) -> None:
    messages = check_convergence(recall, false_alarms)
    assert bool(messages) == (recall < 0.9 or false_alarms > 0.25)
    assert all(message.startswith("DCCL has not converged") for message in messages)


@pytest.mark.parametrize(
    ("nll", "speaks"),
    [([40.0, 39.9], True), ([60.0, 55.0], True), ([40.0, 30.0], False), ([30.0, 50.0], False), ([], True)],
)
def test_likelihood_speaks_where_it_does_not_fall(nll: list[float], speaks: bool) -> None:
    messages = check_likelihood(41.0, [{"nll": value} for value in nll], dimensions=32)
    assert bool(messages) == speaks
    assert all("too diffuse" in message for message in messages)


@given(asked=st.floats(0.001, 0.2), factor=st.floats(0, 5))
def test_false_alarms_speak_beyond_three_times_the_rate(asked: float, factor: float) -> None:
    messages = check_false_alarms(asked * factor, asked)
    assert bool(messages) == (asked * factor > 3 * asked)
    assert all(message.startswith("Wrong threshold") for message in messages)


def monitor(patience: int = 5) -> CollapseMonitor:
    loss = DualCentroidLoss()
    return CollapseMonitor(loss.plateau, loss.squared_margin, patience)


POINT = 3 + 1e-3 * torch.randn(64, 4, generator=generator(0))
CLOUD = torch.randn(64, 4, generator=generator(1))


def test_a_collapse_needs_a_long_row_of_collapsed_steps() -> None:
    watch = monitor()
    for _ in range(4):
        watch.update(5.0, POINT)
        assert not watch.has_collapsed
    watch.update(2.0, CLOUD)
    assert watch.streak == 0
    for _ in range(5):
        watch.update(4.99, POINT)
    assert watch.has_collapsed
    assert "latent collapsed: for 5 steps" in watch.message()


def test_spread_latents_or_a_falling_loss_are_no_collapse() -> None:
    watch = monitor(patience=1)
    watch.update(5.0, CLOUD)  # overlapping classes, not yet apart
    assert not watch.has_collapsed
    watch.update(0.1, POINT)  # no separation was asked for in this batch
    assert not watch.has_collapsed


def test_without_separation_there_is_no_plateau_to_be_stuck_at() -> None:
    watch = CollapseMonitor(plateau=0.0, squared_margin=5.0, patience=1)
    watch.update(0.0, POINT)
    assert not watch.has_collapsed


def test_it_sees_the_real_plateau() -> None:
    # Compactness alone drives coinciding classes together; the loss ends at the margin.
    z = (0.1 * torch.randn(40, 3, generator=generator(2), dtype=torch.float64)).requires_grad_()
    is_anomaly = torch.arange(40) % 2 == 0
    with torch.no_grad():
        z[is_anomaly] = z[~is_anomaly]
    loss, watch = DualCentroidLoss(), monitor(patience=20)
    for _ in range(400):
        value = loss(z, is_anomaly)
        watch.update(value.item(), z)
        (gradient,) = torch.autograd.grad(value, z)
        with torch.no_grad():
            z -= 5 * gradient
    assert watch.has_collapsed
    assert value.item() == pytest.approx(5.0)
