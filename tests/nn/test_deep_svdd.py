from __future__ import annotations

import numpy as np
import torch

from unseen.nn.deep_svdd import DeepSVDDNetwork
from unseen.nn.seeding import isolated_rng


def test_no_weights_of_deep_svdd_reach_the_centre_whatever_the_row() -> None:
    with isolated_rng(0):
        network = DeepSVDDNetwork(3)
    network.fit_centre(np.zeros((10, 3), dtype=np.float32))
    assert network.centre.abs().min() >= 0.1 - 1e-6
    for parameter in network.parameters():
        torch.nn.init.zeros_(parameter)
    assert (network(torch.eye(3)) > 0.1).all()
