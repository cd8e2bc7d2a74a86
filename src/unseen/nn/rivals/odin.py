"""ODIN: a trained classifier asked again after a small step towards normal."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from unseen.nn.inference import run_in_chunks

__all__ = ["odin_scores"]


def odin_scores(
    network: nn.Module,
    X: NDArray[np.float32],
    *,
    step: float,
    temperature: float,
    free: NDArray[np.bool_],
) -> NDArray[np.float32]:
    r"""The margin over T at :math:`\tilde x = x + \epsilon\, \mathrm{sign}\, \nabla_x \log p_{normal}(x; T)`.

    It orders as :math:`1 - p_{normal}(\tilde x; T)` does, its logistic function, and does not saturate. With two
    classes the gradient is a positive multiple of the falling margin's at every T, so its sign is taken from the
    margin: where :math:`p_{normal}` rounds to 1, its own gradient rounds to 0.

    References:
        | Enhancing the Reliability of Out-of-distribution Image Detection in Neural Networks (Liang et al., 2018)
        | https://arxiv.org/abs/1706.02690

    Arguments:
        network: Gives each row's margin, anomaly logit less normal logit, each row on its own.
        X: Prepared rows, shape (n, d).
        step: The step ε, in prepared units.
        temperature: The temperature T.
        free: The columns that may be perturbed, shape (d,).

    Returns:
        Scores, shape (n,); a row's score depends on that row alone.
    """
    reach = step * torch.from_numpy(free.astype(np.float32))

    def scores(x: Tensor) -> Tensor:
        if step:
            # The micro-batch is made where gradients are off; a copy may have one.
            with torch.inference_mode(False), torch.enable_grad():
                asked = x.clone().requires_grad_()
                # Rows are independent: the gradient of the sum is each row's own.
                (gradient,) = torch.autograd.grad(network(asked).sum(), asked)
            x = x - reach * gradient.sign()
        margin: Tensor = network(x) / temperature
        return margin

    was_training = network.training
    network.eval()
    try:
        return run_in_chunks(scores, X)
    finally:
        network.train(was_training)
