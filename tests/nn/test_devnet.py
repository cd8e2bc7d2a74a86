from __future__ import annotations

import numpy as np
import torch

from unseen.nn.devnet import deviation_loss


def test_the_deviation_loss_holds_normals_at_the_prior_and_anomalies_five_deviations_out() -> None:
    prior = torch.randn(5000, generator=torch.Generator().manual_seed(0)) * 2 + 1
    at = prior.mean() + prior.std() * torch.tensor([0.0, -2.0, 5.0, 7.0, 3.0])
    each = [
        float(deviation_loss(at[i : i + 1], torch.tensor([is_anomaly]), prior))
        for i, is_anomaly in enumerate([False, False, True, True, True])
    ]
    np.testing.assert_allclose(each, [0.0, 2.0, 0.0, 0.0, 2.0], atol=1e-5)
