from __future__ import annotations

from typing import Literal

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from unseen.errors import InputError
from unseen.nn.losses import BinarySculptingLoss, Distance, DualCentroidLoss
from unseen.nn.seeding import generator

LOSSES = [DualCentroidLoss, BinarySculptingLoss]
coordinates = st.floats(-5, 5, width=32)
batches = st.integers(1, 12).flatmap(
    lambda n: st.tuples(
        npst.arrays(np.float64, (n, 3), elements=coordinates),
        npst.arrays(np.bool_, n),
    )
)
weights = st.floats(0, 2)
distances: st.SearchStrategy[Distance] = st.sampled_from(["squared", "plain"])


def tensors(z: np.ndarray, is_anomaly: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.tensor(z), torch.tensor(is_anomaly)


def points(*rows: tuple[float, ...]) -> torch.Tensor:
    return torch.tensor(rows, dtype=torch.float64)


@given(batch=batches, alpha=weights, beta=weights, gamma=weights, margin=st.floats(0, 20), distance=distances)
@settings(deadline=None)
def test_dccl_equals_its_formula(
    batch: tuple[np.ndarray, np.ndarray], alpha: float, beta: float, gamma: float, margin: float, distance: Distance
) -> None:
    z, is_anomaly = batch
    expected = 0.0
    centroids = {}
    for weight, mask in ((alpha, ~is_anomaly), (beta, is_anomaly)):
        if mask.any():
            centre = sum(z[mask]) / mask.sum()
            centroids[weight is alpha, bool(is_anomaly[mask][0])] = centre
            expected += weight * np.mean([np.sum((row - centre) ** 2) for row in z[mask]])
    if len(centroids) == 2:
        one, two = centroids.values()
        gap = np.linalg.norm(one - two) ** (2 if distance == "squared" else 1)
        expected += gamma * max(0.0, margin - gap)
    loss = DualCentroidLoss(alpha, beta, gamma, margin, distance)(*tensors(z, is_anomaly))
    assert loss.item() == pytest.approx(expected, rel=1e-9, abs=1e-9)


@given(
    batch=batches,
    alpha=weights,
    gamma=weights,
    margin=st.floats(0, 20),
    distance=distances,
    power=st.sampled_from([1, 2]),
)
@settings(deadline=None)
def test_binary_loss_equals_its_formula(
    batch: tuple[np.ndarray, np.ndarray],
    alpha: float,
    gamma: float,
    margin: float,
    distance: Distance,
    power: Literal[1, 2],
) -> None:
    z, is_anomaly = batch
    expected = 0.0
    if (~is_anomaly).any():
        centre = z[~is_anomaly].mean(axis=0)
        expected += alpha * np.mean(((z[~is_anomaly] - centre) ** 2).sum(axis=1))
        if is_anomaly.any():
            exponent = 2 if distance == "squared" else 1
            lengths = [np.linalg.norm(row - centre) ** exponent for row in z[is_anomaly]]
            expected += gamma * np.mean([max(0.0, margin - length) ** power for length in lengths])
    loss = BinarySculptingLoss(alpha, gamma, margin, distance, power)(*tensors(z, is_anomaly))
    assert loss.item() == pytest.approx(expected, rel=1e-9, abs=1e-9)


@given(batch=batches, shift=npst.arrays(np.float64, 3, elements=coordinates), order=st.randoms(use_true_random=False))
@settings(deadline=None)
def test_translation_and_order_do_not_matter(
    batch: tuple[np.ndarray, np.ndarray], shift: np.ndarray, order: np.random.Generator
) -> None:
    z, is_anomaly = batch
    rows = list(range(len(z)))
    order.shuffle(rows)
    for make in LOSSES:
        here = make()(*tensors(z, is_anomaly)).item()
        there = make()(*tensors((z + shift)[rows], is_anomaly[rows])).item()
        assert here >= 0
        assert there == pytest.approx(here, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("make", LOSSES)
@pytest.mark.parametrize("distance", ["squared", "plain"])
def test_zero_for_one_point_a_class_beyond_the_margin(make: type[DualCentroidLoss], distance: Distance) -> None:
    is_anomaly = torch.tensor([False, False, True, True])
    z = points((0, 0), (0, 0), (3, 4), (3, 4)).requires_grad_()
    loss = make(margin=5.0, distance=distance)(z, is_anomaly)
    loss.backward()
    assert loss.item() == 0.0
    assert z.grad is not None
    assert not z.grad.any()
    assert make(margin=26.0, distance=distance)(z, is_anomaly).item() == pytest.approx(
        1 if distance == "squared" else 21
    )


def test_plateau_the_hinge_has_no_gradient_where_centroids_coincide() -> None:
    # Centroids coincide though the rows do not: only compactness is left, and it pulls together.
    z = points((-1, 0), (1, 0), (0, -2), (0, 2)).requires_grad_()
    is_anomaly = torch.tensor([False, False, True, True])
    for distance in ("squared", "plain"):
        z.grad = None
        loss = DualCentroidLoss(alpha=0.0, beta=0.0, distance=distance)
        value = loss(z, is_anomaly)
        value.backward()
        assert value.item() == loss.plateau == 5.0
        assert not z.grad.any()
    z.grad = None
    DualCentroidLoss()(z, is_anomaly).backward()
    moved = (z - z.grad).detach()
    assert moved.square().sum() < z.square().sum()


def test_plain_distance_keeps_its_pull_near_the_plateau_and_the_squared_one_does_not() -> None:
    is_anomaly = torch.tensor([False, True])
    pulls = {}
    for distance in ("squared", "plain"):
        z = points((0, 0), (1e-4, 0)).requires_grad_()
        DualCentroidLoss(distance=distance)(z, is_anomaly).backward()
        pulls[distance] = z.grad.norm().item()
    assert pulls["squared"] < 1e-3
    assert pulls["plain"] == pytest.approx(np.sqrt(2))


def test_binary_loss_pushes_every_row_while_dccl_sees_only_the_mean() -> None:
    # Two anomaly rows on either side of the core: their mean lies in it, each row lies beyond the margin.
    z = points((0, 0), (0, 0), (-6, 0), (6, 0))
    is_anomaly = torch.tensor([False, False, True, True])
    assert BinarySculptingLoss()(z, is_anomaly).item() == 0.0
    assert DualCentroidLoss(beta=0.0)(z, is_anomaly).item() == 5.0


@pytest.mark.parametrize("make", LOSSES)
def test_missing_class_gives_zero_terms_and_still_a_gradient(make: type[DualCentroidLoss]) -> None:
    z = torch.randn(6, 3, generator=generator(0), dtype=torch.float64).requires_grad_()
    spread = (z - z.mean(dim=0)).square().sum(dim=1).mean().item()
    only_normals = make()(z, torch.zeros(6, dtype=torch.bool))
    assert only_normals.item() == pytest.approx(0.1 * spread)
    only_anomalies = make()(z, torch.ones(6, dtype=torch.bool))
    assert only_anomalies.item() == pytest.approx(0.1 * spread if make is DualCentroidLoss else 0.0)
    only_anomalies.backward()
    assert z.grad is not None
    assert make()(z[:0], torch.zeros(0, dtype=torch.bool)).item() == 0.0


@pytest.mark.parametrize("make", LOSSES)
def test_warm_up_leaves_the_separation_alone(make: type[DualCentroidLoss]) -> None:
    z = torch.randn(8, 3, generator=generator(1))
    is_anomaly = torch.arange(8) % 2 == 0
    warm = make()(z, is_anomaly, compactness=0.0)
    assert torch.equal(warm, make(alpha=0.0, **({"beta": 0.0} if make is DualCentroidLoss else {}))(z, is_anomaly))
    assert warm < make()(z, is_anomaly)


@given(batch=batches, factor=st.floats(1.0, 3.0))
@settings(deadline=None)
def test_spreading_the_classes_apart_never_costs_separation(
    batch: tuple[np.ndarray, np.ndarray], factor: float
) -> None:
    z, is_anomaly = batch
    for make in (DualCentroidLoss(alpha=0, beta=0), BinarySculptingLoss(alpha=0)):
        assert make(*tensors(z * factor, is_anomaly)).item() <= make(*tensors(z, is_anomaly)).item() + 1e-9


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"distance": "cosine"}, "Unknown distance 'cosine'"),
        ({"margin": -1.0}, "margin >= 0"),
        ({"alpha": float("nan")}, "alpha >= 0"),
        ({"gamma": -0.1}, "gamma >= 0"),
    ],
)
@pytest.mark.parametrize("make", LOSSES)
def test_bad_constants_are_refused(make: type[DualCentroidLoss], arguments: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        make(**arguments)
    with pytest.raises(InputError, match="power is 1 or 2"):
        BinarySculptingLoss(power=3)


@pytest.mark.parametrize("power", [1, 2])
def test_the_plateau_is_the_loss_of_one_point(power: Literal[1, 2]) -> None:
    z, is_anomaly = torch.ones(6, 3), torch.arange(6) % 2 == 0
    for loss in (DualCentroidLoss(gamma=0.5), BinarySculptingLoss(gamma=0.5, margin=3.0, power=power)):
        assert loss(z, is_anomaly).item() == pytest.approx(loss.plateau)


def test_squared_margin_speaks_one_unit() -> None:
    assert DualCentroidLoss(margin=5).squared_margin == 5
    assert DualCentroidLoss(margin=5, distance="plain").squared_margin == 25
