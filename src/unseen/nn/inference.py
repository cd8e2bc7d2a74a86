"""Running networks so that a row's result depends on that row alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from unseen.errors import InputError

__all__ = ["CHUNK", "run_in_chunks"]

# Rows a micro-batch. Small enough for the activations to stay in cache, large enough to feed the matrix kernels:
# on a 2.1 GHz AVX-512 core, 256 was within about a fifth of the best of 64...512 for each of four networks.
CHUNK = 256


def run_in_chunks(
    function: nn.Module | Callable[[Tensor], Tensor], X: NDArray[np.float32], chunk: int = CHUNK
) -> NDArray[np.float32]:
    """Run a network over rows on micro-batches of one fixed size, the last one padded.

    Matrix kernels choose their summation order by the shape of the batch, so the same row may differ in its last bits
    between a batch of 3 and one of 300. With one fixed shape, and every micro-batch copied into the same aligned
    buffer, a row's result is bit-equal whatever other rows there are, in whatever order, at a fixed thread count.

    Arguments:
        function: A module, run in evaluation mode, or a function of a tensor of shape (chunk, d) whose modules are in
            evaluation mode already. It must treat rows independently.
        X: Rows, shape (n, d), float32.
        chunk: Rows a micro-batch.

    Returns:
        The results in the order of the rows, shape (n, ...).

    Raises:
        InputError: If X is not a float32 matrix or the chunk is not positive.

    Example:
        >>> run_in_chunks(nn.Identity(), np.ones((3, 2), dtype=np.float32)).shape
        (3, 2)
    """
    if X.ndim != 2 or X.dtype != np.float32:
        raise InputError(f"Networks take a float32 matrix, got {X.ndim} dimensions of {X.dtype}")
    if chunk < 1:
        raise InputError(f"A micro-batch needs at least one row, got chunk={chunk}")
    training = function.training if isinstance(function, nn.Module) else False
    if isinstance(function, nn.Module):
        function.eval()
    try:
        return _run(function, X, chunk)
    finally:
        if isinstance(function, nn.Module):
            function.train(training)


@torch.inference_mode()
def _run(function: Callable[[Tensor], Any], X: NDArray[np.float32], chunk: int) -> NDArray[np.float32]:
    buffer = torch.zeros(chunk, X.shape[1])
    rows: NDArray[np.float32] = buffer.numpy()
    parts = []
    for start in range(0, max(len(X), 1), chunk):  # no rows: one empty micro-batch tells the results' shape
        size = min(chunk, len(X) - start)
        rows[:size] = X[start : start + size]
        rows[size:] = 0.0
        parts.append(function(buffer)[:size].numpy().copy())
    return np.concatenate(parts)
