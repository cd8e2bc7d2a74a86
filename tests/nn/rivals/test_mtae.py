from __future__ import annotations

import numpy as np
import pytest
import torch

from unseen.nn.rivals.mtae import MultiTaskAutoencoder, train_mtae
from unseen.nn.rivals.pools import Pool, Pools
from unseen.nn.seeding import isolated_rng
from unseen.nn.train import TrainSettings

SETTINGS = TrainSettings(batch_size=32, epochs=60, learning_rate=2e-2, keep="last")


def pools() -> list[Pool]:
    rng = np.random.default_rng(0)

    def around(*at: float) -> np.ndarray:
        return (rng.normal(scale=0.1, size=(60, 2)) + at).astype(np.float32)

    return [Pool(around(0, 0), around(3, 0)), Pool(around(0, 1), around(0, 3))]


def test_batches_hold_each_class_of_each_domain_alike() -> None:
    drawn = Pools([*pools(), *pools(), *pools()])
    domains, x = drawn.draw(16, torch.Generator().manual_seed(0))
    assert x.shape == (4, 2, 4, 2)
    assert len(set(domains.tolist())) == 4
    for domain, (normals, known) in zip(domains.tolist(), x, strict=True):
        for rows, part in ((normals, drawn.normals[domain]), (known, drawn.known[domain])):
            assert all((part == row).all(dim=1).any() for row in rows)


def test_each_decoder_restores_its_own_domains_row_of_the_same_class() -> None:
    network, report = train_mtae(pools(), SETTINGS, masked=0.0)
    assert report.history[-1]["loss"] < 0.2 * report.history[0]["loss"]
    with torch.no_grad():
        for at in (torch.tensor([[0.0, 0.0]]), torch.tensor([[0.0, 1.0]])):
            np.testing.assert_allclose(network.decoders[0](network(at))[0], [0, 0], atol=0.5)
            np.testing.assert_allclose(network.decoders[1](network(at))[0], [0, 1], atol=0.5)
        anomaly = network(torch.tensor([[3.0, 0.0]]))
        np.testing.assert_allclose(network.decoders[0](anomaly)[0], [3, 0], atol=0.8)
        np.testing.assert_allclose(network.decoders[1](anomaly)[0], [0, 3], atol=0.8)


@pytest.mark.parametrize("masked", [0.0, 0.3])
def test_the_same_seed_gives_the_same_bits(masked: float) -> None:
    short = SETTINGS.model_copy(update={"epochs": 2})
    first, again = (train_mtae(pools(), short, masked=masked)[0].state_dict() for _ in range(2))
    assert all(torch.equal(first[name], again[name]) for name in first)


def test_masking_changes_what_is_seen_and_not_what_is_restored() -> None:
    with isolated_rng(0, "test"):
        network = MultiTaskAutoencoder(2, 1)
    x = torch.ones(1, 2, 3, 2)
    plain = network.loss(x, [0], x)
    blind = network.loss(x, [0], torch.zeros_like(x))
    expected = (network.decoders[0](network(torch.zeros(1, 2))) - 1).square().mean()
    torch.testing.assert_close(blind, expected)
    assert plain != blind
