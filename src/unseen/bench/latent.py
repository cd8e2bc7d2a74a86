"""A plane through a detector's latent space: a few test rows on the two main axes of their latents."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from unseen.bench.cell import KNOWN, NORMAL, UNSEEN, Cell

__all__ = ["latent_plane"]

_MOST_ROWS = 2000


def latent_plane(fitted: Any, cell: Cell) -> dict[str, NDArray[Any]]:
    """Where some test rows lie in the latent space of a sculptor's first member; nothing for other methods.

    Arguments:
        fitted: A fitted method.
        cell: The cell it was fitted on.

    Returns:
        ``latent``: positions on the two main axes, shape (n, 2); ``latent_rows``: which test rows, at most a third of
        2,000 of each role; ``latent_share``: the share of the variance along each axis. Empty for other methods, and
        for a latent space of one dimension.
    """
    from unseen.detectors import LatentSculptor

    if not isinstance(fitted, LatentSculptor):
        return {}
    from unseen.nn.inference import run_in_chunks

    rng = np.random.default_rng(cell.key.seed)
    counted = np.arange(len(cell.role)) < len(cell.role) - cell.extra
    rows = np.sort(
        np.concatenate(
            [
                rng.permutation(np.flatnonzero(counted & (cell.role == role)))[: _MOST_ROWS // 3]
                for role in (NORMAL, KNOWN, UNSEEN)
            ]
        )
    )
    prepared = fitted.preparer_.transform(cell.test.take(pa.array(rows)))
    latents = run_in_chunks(fitted.members_[0].scorer.encoder, prepared).astype(np.float64)
    if latents.shape[1] < 2:
        return {}
    centred = latents - latents.mean(axis=0)
    _, spread, axes = np.linalg.svd(centred, full_matrices=False)
    # An axis may point either way: its largest weight is made positive, so that the same model gives the same picture.
    axes *= np.sign(axes[np.arange(len(axes)), np.abs(axes).argmax(axis=1)])[:, None]
    total = float(np.sum(spread**2))
    return {
        "latent": (centred @ axes[:2].T).astype(np.float32),
        "latent_rows": rows.astype(np.int32),
        "latent_share": spread[:2] ** 2 / (total or 1.0),
    }
