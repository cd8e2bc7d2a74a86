from __future__ import annotations

import numpy as np

from unseen.nn.autoencoder import train_autoencoder
from unseen.nn.inference import run_in_chunks
from unseen.nn.train import TrainSettings


def test_rows_like_the_normals_are_restored_and_others_are_not() -> None:
    rng = np.random.default_rng(0)
    mixing = rng.normal(size=(2, 20))
    X = (rng.normal(size=(1200, 2)) @ mixing).astype(np.float32)
    settings = TrainSettings(epochs=20, batch_size=128, schedule="one-cycle", learning_rate=3e-3)
    network, report = train_autoencoder(X[:900], X[900:], settings)
    # The rows have 20 columns and 2 degrees of freedom; these have 20.
    other = (X[900:].std(axis=0) * rng.normal(size=(300, 20))).astype(np.float32)
    assert run_in_chunks(network, X[900:]).mean() < 0.1 * run_in_chunks(network, other).mean()
    errors = [epoch["error"] for epoch in report.history]
    assert errors[report.kept_epoch - 1] == min(errors)
