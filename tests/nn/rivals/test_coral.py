from __future__ import annotations

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from unseen.nn.rivals.classifier import Classifier, train_classifier
from unseen.nn.rivals.coral import coral_distance, coral_penalty
from unseen.nn.rivals.pools import Pool
from unseen.nn.train import TrainSettings


def latents(seed: int, rows: int = 40, columns: int = 5) -> torch.Tensor:
    return torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed))


@given(st.integers(0, 2**32), st.integers(2, 60), st.integers(1, 8))
def test_the_distance_of_equal_domains_is_0_and_no_other_is_below(seed: int, rows: int, columns: int) -> None:
    a, b = latents(seed, rows, columns), latents(seed + 1, rows, columns)
    assert coral_distance(a, a.clone()) == 0
    assert coral_distance(a, b) == coral_distance(b, a) >= 0
    # Moments do not know the order of rows.
    assert coral_distance(a, a.flip(0)) < 1e-9


def test_it_is_the_squared_differences_of_means_and_covariances() -> None:
    a, b = latents(0), 2.0 * latents(1, rows=70) + 1.0
    means = np.mean((a.numpy().mean(0) - b.numpy().mean(0)) ** 2)
    spreads = np.mean((np.cov(a.numpy().T) - np.cov(b.numpy().T)) ** 2)
    np.testing.assert_allclose(float(coral_distance(a, b)), means + spreads, rtol=1e-5)


def test_the_penalty_is_the_mean_over_pairs_and_0_for_one_domain() -> None:
    z = torch.stack([latents(0), latents(1) + 1.0, latents(2) * 3.0])
    pairs = [coral_distance(z[i], z[j]) for i, j in ((0, 1), (0, 2), (1, 2))]
    torch.testing.assert_close(coral_penalty(z), sum(pairs) / 3)
    assert coral_penalty(z[:1]) == 0


def test_the_penalty_brings_domains_together_in_training() -> None:
    rng = np.random.default_rng(0)
    shared = rng.normal(size=(200, 6)).astype(np.float32)
    pools = [Pool(shared, (rng.normal(size=(80, 6)) + shift).astype(np.float32)) for shift in (3.0, -3.0)]
    settings = TrainSettings(batch_size=32, epochs=6, keep="last")

    def apart(weight: float) -> float:
        network, _ = train_classifier(Classifier, pools, settings, lambda _, x, z: weight * coral_penalty(z))
        with torch.no_grad():
            return float(coral_distance(*(network.encoder(torch.from_numpy(pool.known)) for pool in pools)))

    assert apart(10.0) < 0.5 * apart(0.0)
